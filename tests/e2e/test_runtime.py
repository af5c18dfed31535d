"""The processes: started, watched, reloaded, drained, killed, and out of space."""
import contextlib
import os
import pathlib
import signal
import smtplib
import socket
import subprocess
import time

import pytest
from conftest import SLUICE, Sandbox, message, trusting, wait_for


def test_status_is_lsb(own_sandbox):
    """0 running, 3 not running, 1 dead with its pid file: asks the process, not the file."""
    sandbox = own_sandbox
    assert sandbox.cli("status").returncode == 0
    sandbox.kill("tree")
    assert sandbox.cli("status", check=False).returncode == 1
    sandbox.start()
    assert sandbox.stop() == 0
    assert sandbox.cli("status", check=False).returncode == 3


def test_ctrl_c_leaves_nothing(place):
    sandbox = Sandbox(place / "box").start()
    pids = sandbox.pids()
    assert set(pids) == {"parent", "smtp", "imap", "queue", "auth"}
    sandbox.stop(signal.SIGINT)
    wait_for(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in pids.values()))


def test_throwaway_folder_goes(place):
    env = {**os.environ, "TMPDIR": str(place)}
    base = Sandbox(place / "unused").base
    process = subprocess.Popen([SLUICE, "sandbox", "--port-base", str(base)], env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        while "Ctrl-C" not in "".join(lines[-1:]):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        assert list(place.iterdir())
        with smtplib.SMTP("127.0.0.1", base + 25, timeout=10) as client:
            client.sendmail("stranger@elsewhere.example", "you@sandbox.test", message("a line for it"))
        assert "stranger@elsewhere.example" in process.stdout.readline() + process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert not list(place.iterdir())
    for word in ("swaks", "curl", "you@sandbox.test", str(base + 25), str(base + 93)):
        assert word in "".join(lines)


def test_taken_port_is_said(own_sandbox, place):
    done = subprocess.run([SLUICE, "sandbox", "--dir", place / "second", "--port-base", str(own_sandbox.base)],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "--port-base" in done.stderr


@pytest.mark.parametrize("role", ["smtp", "imap", "queue", "auth"])
def test_role_comes_back(own_sandbox, role):
    sandbox = own_sandbox
    before = sandbox.pids()
    sandbox.kill(role)
    wait_for(lambda: sandbox.pids().get(role, before[role]) != before[role])
    sandbox.wait_ready()
    sandbox.send(message("after the fall"))
    assert sandbox.imap().select("INBOX")[1] == [b"1"]
    assert role in sandbox.log()
    after = sandbox.pids()
    assert all(after[r] == before[r] for r in before if r != role)


def test_reload_keeps_old_on_mistake(own_sandbox):
    sandbox = own_sandbox
    good = sandbox.config.read_text()
    sandbox.config.write_text(good + "\nno-such-word 1\n")
    done = sandbox.cli("reload", check=False)
    assert done.returncode == 78 and "no-such-word" in done.stdout + done.stderr
    sandbox.send(message("still here"))
    sandbox.config.write_text(good)
    old = sandbox.pids()
    assert sandbox.cli("reload").returncode == 0
    sandbox.wait_ready()
    sandbox.send(message("and here"))
    assert sandbox.imap().select("INBOX")[1] == [b"2"]
    del old


def test_reload_takes_effect_and_sessions_go_on(own_sandbox):
    sandbox = own_sandbox
    held = sandbox.smtp()
    held.ehlo()
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("host ", "host changed.example #", 1))
    assert sandbox.cli("reload").returncode == 0
    # It was in force before the answer: the first who comes sees it.
    with socket.create_connection(("127.0.0.1", sandbox.port("smtp")), 5) as s:
        assert b"changed.example" in s.recv(200)
    # The session of before is not cut off in the middle of its transaction, if it still answers at all it is in order.
    with contextlib.suppress(smtplib.SMTPServerDisconnected):
        assert held.noop()[0] in (250, 421)


def change(sandbox, old, new):
    text = sandbox.config.read_text()
    assert old in text
    sandbox.config.write_text(text.replace(old, new, 1))


def test_reload_replaces_only_who_is_concerned(own_sandbox):
    sandbox = own_sandbox
    first = sandbox.pids()

    def reload(old, new):
        change(sandbox, old, new)
        sandbox.cli("reload")
        return wait_for(lambda: len(sandbox.all_pids()) == 4 and sandbox.pids())
    second = reload("domain ", "imap { nesting 60 }\ndomain ")
    assert {role for role in first if first[role] != second[role]} == {"imap"}
    third = reload("domain ", "auth { workers 3 }\ndomain ")
    assert {role for role in first if second[role] != third[role]} == {"auth"}
    sandbox.send(message("through all of it"))
    client = sandbox.imap()  # a login asks the new auth role from the imap role that stayed
    assert client.select("INBOX")[1] == [b"1"]
    # Levels and certificates are messages: no new process, and a session that is open does not notice.
    trust = sandbox.folder / "cert.pem"
    before = fingerprint(sandbox)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=changed", "-keyout", sandbox.folder / "key.pem", "-out", trust], check=True,
                   capture_output=True)
    assert reload("log {", "log { level debug;") == third
    assert fingerprint(sandbox) != before
    assert client.noop()[0] == "OK"
    assert sandbox.cli("status").returncode == 0
    wait_for(lambda: " debug " in sandbox.log())
    roles = {role["name"]: role["generation"] for role in sandbox.json("status")["roles"]}
    assert roles == {"smtp": 1, "imap": 2, "auth": 3, "queue": 1}
    assert sandbox.json("status")["generation"] == 4


def fingerprint(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port("imaps")), 5) as s:
        with trusting().wrap_socket(s) as t:
            return t.getpeercert(True)


def test_reload_closes_and_opens_ports(own_sandbox):
    sandbox = own_sandbox
    base, now = sandbox.port("submission"), sandbox.port("submission") + 5
    first = sandbox.pids()
    change(sandbox, f"submission {base}", f"submission {now}")
    sandbox.cli("reload")
    assert {r for r in first if first[r] != sandbox.pids()[r]} == {"smtp"}
    with smtplib.SMTP("127.0.0.1", now, timeout=5) as client:
        assert client.noop()[0] == 250

    def closed():
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", base), 2):
            return False
        return True
    wait_for(closed)
    # One that cannot be had: refused as a whole, what served goes on.
    taken = sandbox.port("submission") + 7
    with socket.socket() as s:
        s.bind(("127.0.0.1", taken))
        s.listen()
        change(sandbox, f"submission {now}", f"submission {taken}")
        done = sandbox.cli("reload", check=False)
        assert done.returncode == 69 and str(taken) in done.stderr
    with smtplib.SMTP("127.0.0.1", now, timeout=5) as client:
        assert client.noop()[0] == 250


def test_reloads_do_not_pile_up(own_sandbox):
    """Ten reloads under sessions that do not end: never three processes of one role."""
    sandbox = own_sandbox
    change(sandbox, "times { stop 1s }", "times { stop 10m }\nimap { nesting 60 }\nmx { targets 900 }")
    sandbox.cli("reload")
    held = []
    queue = sandbox.pids()["queue"]
    for i in range(10):
        idle = sandbox.imap()
        idle.send(b"x IDLE\r\n")
        data = sandbox.smtp()
        data.ehlo()
        data.mail("a@b.example")
        data.rcpt("you@sandbox.test")
        data.docmd("DATA")
        data.send(b"Subject: never ends\r\n\r\n")
        stuck = sandbox.imap(login=False)
        stuck.send(b"x LOGIN {3}\r\n")  # its literal never comes
        held += [idle, data, stuck]
        change(sandbox, f"nesting {60 + i}", f"nesting {61 + i}")
        change(sandbox, f"targets {900 + i}", f"targets {901 + i}")
        sandbox.cli("reload")
        roles = sandbox.all_pids()
        for role in ("smtp", "imap"):
            assert len([r for r in roles.values() if r == role]) <= 2, roles
        assert len(roles) <= 6 and sandbox.pids()["queue"] == queue
    sandbox.send(message("and it serves"))
    assert sandbox.imap().select("INBOX")[1] == [b"1"]


def test_third_reload_ends_the_oldest(own_sandbox):
    """A role that does not leave: the next reload but one does not wait for it for longer than a moment."""
    sandbox = own_sandbox
    change(sandbox, "times { stop 1s }", "times { stop 10m }\nimap { nesting 60 }")
    first = sandbox.pids()["imap"]
    os.kill(first, signal.SIGSTOP)
    sandbox.cli("reload")
    smtp = sandbox.pids()["smtp"]
    change(sandbox, "nesting 60", "nesting 61")
    sandbox.cli("reload")  # when it has answered, the third serves, so the first is gone
    roles = sandbox.all_pids()
    assert first not in roles and len([r for r in roles.values() if r == "imap"]) <= 2
    assert sandbox.pids()["smtp"] == smtp
    assert sandbox.imap().select("INBOX")[0] == "OK"


def test_oldest_of_another_role_may_finish(own_sandbox):
    sandbox = own_sandbox
    change(sandbox, "times { stop 1s }", "times { stop 10m }\nimap { nesting 60 }\nauth { workers 2 }")
    sandbox.cli("reload")
    old = sandbox.pids()["imap"]
    os.kill(old, signal.SIGSTOP)
    change(sandbox, "nesting 60", "nesting 61")
    sandbox.cli("reload")
    for workers in range(2, 5):
        change(sandbox, f"workers {workers}", f"workers {workers + 1}")
        sandbox.cli("reload")
        assert old in sandbox.all_pids()
    os.kill(old, signal.SIGCONT)
    wait_for(lambda: old not in sandbox.all_pids())
    assert sandbox.imap().select("INBOX")[0] == "OK"


def test_reload_waits_for_the_start(place):
    sandbox = Sandbox(place / "box").start()
    sandbox.stop()
    sandbox.start(wait=False)
    try:
        wait_for(lambda: (sandbox.folder / "run/control.sock").exists())
        codes = {sandbox.cli("reload", check=False).returncode for _ in range(5)}
        assert codes <= {0, 69}, codes  # 69: not even the socket listened yet
        assert sandbox.cli("reload").returncode == 0
    finally:
        sandbox.stop()


def test_stop_is_in_order(place):
    """^C goes to the whole group: who leaves by it has not died, and is not started again."""
    sandbox = Sandbox(place / "box").start()
    client = sandbox.imap()
    client.send(b"x IDLE\r\n")
    for pid in sandbox.pids().values():
        os.kill(pid, signal.SIGTERM)
    assert sandbox.process.wait(20) == 0
    log = sandbox.log()
    assert "role.died" not in log and " error " not in log, log
    assert len([line for line in log.splitlines() if "role.ready" in line]) == 4


def test_closed_folder_is_said(place):
    """The roles are somebody else when root starts them: a folder that they cannot come to is named."""
    if os.getuid() != 0:
        pytest.skip("only root gives up being root")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    done = subprocess.run([SLUICE, "sandbox", "--dir", closed / "box"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 73 and f"{closed} (mode 0700)" in done.stderr and "chmod" in done.stderr
    assert not list(closed.iterdir())
    # A throwaway one goes where it can.
    process = subprocess.Popen([SLUICE, "sandbox", "--port-base", str(Sandbox(place / "unused").base)],
                               env={**os.environ, "TMPDIR": str(closed)}, stdout=subprocess.PIPE, text=True)
    try:
        assert str(closed) not in process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_serve_refuses_a_broken_configuration(place):
    broken = place / "broken.conf"
    broken.write_text("host mail.example.org\nlissten public { }\n")
    done = subprocess.run([SLUICE, "serve", "-c", broken], capture_output=True, text=True, timeout=20)
    assert done.returncode == 78
    assert f"{broken}:2:1:" in done.stderr and "listen" in done.stderr


def test_loglevel_at_run_time(own_sandbox):
    sandbox = own_sandbox
    assert sandbox.cli("loglevel", "smtp", "debug").returncode == 0
    assert sandbox.cli("loglevel", "smtp", "loud", check=False).returncode == 64


def test_accounts_at_run_time(own_sandbox):
    sandbox = own_sandbox
    sandbox.cli("account", "add", "carol", "carol@sandbox.test", "--password-stdin", stdin="correct horse\n")
    sandbox.send(message("hello carol"), to="carol+list@sandbox.test")
    client = sandbox.imap("carol@sandbox.test", "correct horse")
    assert client.select("INBOX")[1] == [b"1"]
    sandbox.cli("account", "passwd", "carol", "--password-stdin", stdin="battery staple\n")
    with pytest.raises(Exception):
        sandbox.imap("carol@sandbox.test", "correct horse")
    sandbox.imap("carol", "battery staple")
    assert "carol" in [a["name"] for a in sandbox.json("account", "list")]
    sandbox.cli("alias", "add", "all@sandbox.test", "you", "carol")
    sandbox.send(message("to all"), to="all@sandbox.test")
    assert sandbox.imap("carol", "battery staple").select("INBOX")[1] == [b"2"]
    assert sandbox.cli("account", "rm", "carol", check=False).returncode == 64  # asks to be sure
    sandbox.cli("account", "rm", "carol", "--yes")
    with pytest.raises(Exception):
        sandbox.imap("carol", "battery staple")


def test_verbs_without_a_server(place):
    sandbox = Sandbox(place / "box").start()
    sandbox.send(message("kept"))
    sandbox.stop()
    assert {a["name"] for a in sandbox.json("account", "list")} == {"you", "friend"}
    assert sandbox.cli("store", "check").returncode == 0


def test_backup_while_running_and_restore(own_sandbox, place):
    sandbox = own_sandbox
    for i in range(20):
        sandbox.send(message(f"saved {i}", "y" * (400_000 if i == 7 else 100)))
    sandbox.cli("store", "backup", place / "copy")
    sandbox.send(message("after the backup"))
    sandbox.stop()
    (sandbox.folder / "store").rename(place / "old")
    sandbox.cli("store", "restore", place / "copy")
    sandbox.start()
    client = sandbox.imap()
    assert client.select("INBOX")[1] == [b"20"]
    assert len(client.fetch("8", "(BODY.PEEK[])")[1][0][1]) > 400_000
    assert sandbox.cli("store", "check").returncode == 0


def test_disk_full_is_said_and_passes(place):
    """452 while space lacks, nothing lost, and it goes on by itself."""
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = place / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", mount], check=True)
    try:
        sandbox = Sandbox(mount / "box").start()
        try:
            sandbox.send(message("before"))
            filler = mount / "filler"
            filler.write_bytes(b"\0" * (330 << 20))

            def refused():
                try:
                    sandbox.send(message("during"))
                except smtplib.SMTPSenderRefused as error:
                    return error.smtp_code
                except smtplib.SMTPDataError as error:
                    return error.smtp_code
            assert wait_for(refused) == 452
            assert sandbox.imap().select("INBOX")[0] == "OK"  # reading goes on
            filler.unlink()

            def taken():
                with contextlib.suppress(smtplib.SMTPException):
                    sandbox.send(message("after"))
                    return True
            wait_for(taken)
            client = sandbox.imap()
            client.select("INBOX")
            found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            names = [d[1].decode().strip() for d in found if isinstance(d, tuple)]
            assert "Subject: before" in names and "Subject: after" in names
            assert sandbox.cli("store", "check").returncode == 0
        finally:
            sandbox.stop()
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_drain_lets_a_message_end(own_sandbox):
    """SIGTERM in the middle of DATA: the sender may finish, or is told 421; never both lost and acknowledged."""
    sandbox = own_sandbox
    client = sandbox.smtp()
    client.ehlo()
    client.mail("a@b.example")
    client.rcpt("you@sandbox.test")
    client.docmd("DATA")
    client.send(b"Subject: at the end\r\n\r\nfirst half\r\n")
    sandbox.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    code = 0
    with contextlib.suppress(OSError, smtplib.SMTPServerDisconnected):
        client.send(b"second half\r\n.\r\n")
        code = client.getreply()[0]
    sandbox.process.wait(30)
    sandbox.start()
    count = int(sandbox.imap().select("INBOX")[1][0])
    assert code in (0, 250, 421) and (count == 1 or code != 250)
