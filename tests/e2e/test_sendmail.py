"""`sendmail`, as cron, PHP and people call it, against a server's local socket."""
import os
import pathlib
import subprocess

import pytest

from conftest import SLUICE, open_folder, wait_for
from served import Server, messages

SENDMAIL = pathlib.Path(SLUICE).resolve().parent / "sendmail"
CONFIG = """
listen here {
    address 127.0.0.1
    imaps @imaps@
    tls cert "@dir@/one.pem" secret "@dir@/one.key"
    local unix:@dir@/submit.sock mode 0666
}
log { to file "@dir@/sluice.log" }
domain one.test { detail +; postmaster ann }
"""


@pytest.fixture(scope="module")
def server():
    from served import certificate
    with open_folder() as path:
        s = Server(path / "box", CONFIG)
        certificate(s.folder, "one", "mail.one.test")
        s.start()
        s.account("ann", "ann@one.test", "root@one.test", password="secret")
        yield s
        s.stop()


def sendmail(server, *words, stdin="", name="sendmail", **more):
    return subprocess.run([name, f"--socket={server.folder}/submit.sock", *words], executable=SENDMAIL, input=stdin, text=True,
                          capture_output=True, timeout=20, **more)


def newest(server, subject):
    def found():
        with server.imap("ann") as client:
            return [m for m in messages(client) if f"Subject: {subject}\r\n".encode() in m]
    return wait_for(found)[0].decode()


def test_as_php_calls_it(server):
    done = sendmail(server, "-t", "-i", "-fweb@site.example", stdin="To: Ann <ann@one.test>\nBcc: root@one.test\nSubject: php\n\n.\nx\n")
    assert (done.returncode, done.stderr) == (0, "")
    text = newest(server, "php")
    assert "Return-Path: <web@site.example>" in text and "\r\n.\r\nx\r\n" in text and "Bcc" not in text
    assert text.count("\r\nDate: ") == 1 and text.count("\r\nMessage-ID: ") == 1


def test_as_cron_calls_it(server):
    done = sendmail(server, "-FCronDaemon", "-i", "-odi", "-oem", "-oi",
                    stdin="From: root (Cron Daemon)\nTo: ann@one.test\nSubject: cron\n\nout\n")
    assert done.returncode == 0
    assert "From: root (Cron Daemon)\r\n" in newest(server, "cron")


def test_dot_and_subject(server):
    done = sendmail(server, "--subject=dotted", "-v", "ann@one.test", stdin="Subject: not this\n\none\n.\ntwo\n")
    assert done.returncode == 0 and "ann@one.test" in done.stdout
    text = newest(server, "dotted")
    assert text.endswith("\r\none\r\n") and "not this" not in text


@pytest.mark.parametrize("words, code, why", [
    (["-t"], 64, "no recipients"),
    (["-bd"], 64, "-bd"),
    (["nobody-here@one.test"], 67, "5.1.1"),
    (["-f", "a b c", "ann@one.test"], 64, "-f needs one address"),
])
def test_what_goes_wrong(server, words, code, why):
    done = sendmail(server, *words, stdin="Subject: wrong\n\nx\n")
    assert done.returncode == code and why in done.stderr


def test_nobody_listens(server):
    done = subprocess.run([SENDMAIL, f"--socket={server.folder}/nothing.sock", "ann@one.test"], input="x\n", text=True,
                          capture_output=True)
    assert done.returncode == 75 and "not taken" in done.stderr


def test_smtp_on_standard_input(server):
    done = sendmail(server, "-bs", stdin="EHLO here\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@one.test>\r\nDATA\r\n"
                    "Subject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert done.returncode == 0 and done.stdout.startswith("220 ") and "\n221 " in done.stdout
    newest(server, "bs")


def test_closed_descriptors(server):
    """A program that closed its standard output must not find the message there."""
    done = subprocess.run(["sh", "-c", f"printf 'Subject: closed\\n\\nx\\n' | {SENDMAIL} --socket={server.folder}/submit.sock "
                           "ann@one.test >&- 2>&-"])
    assert done.returncode == 0
    newest(server, "closed")


def test_by_other_names(server):
    assert sendmail(server, name="newaliases").returncode == 0
    done = sendmail(server, name="mailq", env={**os.environ, "PATH": "/nowhere"})
    assert done.returncode == 69 and "sluice" in done.stderr


def test_many_at_once(server):
    running = [subprocess.Popen([SENDMAIL, f"--socket={server.folder}/submit.sock", "ann@one.test"], stdin=subprocess.PIPE)
               for _ in range(20)]
    for p in running:
        p.communicate(b"Subject: many\n\nx\n", timeout=20)
    assert [p.returncode for p in running] == [0] * 20
    with server.imap("ann") as client:
        assert len([m for m in messages(client) if b"Subject: many\r\n" in m]) == 20
