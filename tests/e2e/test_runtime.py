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
from conftest import SLUICE, Sandbox, message, wait_for


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

    def changed():
        with socket.create_connection(("127.0.0.1", sandbox.port("smtp")), 5) as s:
            return b"changed.example" in s.recv(200)
    wait_for(changed)
    # The session of before is not cut off in the middle of its transaction, if it still answers at all it is in order.
    with contextlib.suppress(smtplib.SMTPServerDisconnected):
        assert held.noop()[0] in (250, 421)


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
