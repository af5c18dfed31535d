"""What strangers try on the wire, against the running server."""
import contextlib
import smtplib
import socket

import pytest
from conftest import message, trusting, wait_for


class Wire:
    """A socket that speaks exactly what it is told."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 10)
        self.s.settimeout(10)
        self.rest = b""

    def line(self):
        while b"\n" not in self.rest:
            got = self.s.recv(4096)
            if not got:
                return self.rest
            self.rest += got
        line, _, self.rest = self.rest.partition(b"\n")
        return line + b"\n"

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                return line

    def say(self, data):
        self.s.sendall(data)
        return self.reply()

    def all(self):
        got = self.rest
        with contextlib.suppress(ConnectionResetError):
            while more := self.s.recv(4096):
                got += more
        return got


def greeted(port):
    wire = Wire(port)
    assert wire.reply().startswith(b"220 ")
    assert wire.say(b"EHLO client.example\r\n").startswith(b"250 ")
    return wire


ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n"]


@pytest.mark.parametrize("end", ENDS)
def test_smuggling(own_sandbox, end):
    """Only CRLF.CRLF ends a message: whatever looks like it makes neither two messages nor an accepted one."""
    wire = greeted(own_sandbox.port("smtp"))
    for line in (b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<you@sandbox.test>\r\n"):
        assert wire.say(line).startswith(b"250 ")
    assert wire.say(b"DATA\r\n").startswith(b"354 ")
    inner = b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<you@sandbox.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    answer = wire.say(b"Subject: outer\r\n\r\nbody" + end + inner)
    assert answer.startswith(b"550 5.6.") or answer.startswith(b"250 ")
    client = own_sandbox.imap()
    count = int(client.select("INBOX")[1][0])
    assert count == 0 if answer.startswith(b"550") else count == 1


def test_starttls_drops_what_was_pipelined(sandbox):
    wire = greeted(sandbox.port("submission"))
    assert wire.say(b"STARTTLS\r\nNOOP injected\r\n").startswith(b"220 ")
    secure = trusting().wrap_socket(wire.s)
    secure.settimeout(2)
    secure.sendall(b"EHLO again.example\r\n")
    got = secure.recv(4096)
    assert b"250" in got and b"injected" not in got
    while not got.split(b"\r\n")[-2].startswith(b"250 "):
        got += secure.recv(4096)
    secure.sendall(b"QUIT\r\n")
    assert secure.recv(100).startswith(b"221")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 80 + b"\r\n",
                                   b"bogus\r\n"])
def test_not_smtp(sandbox, first):
    wire = Wire(sandbox.port("smtp"))
    wire.reply()
    wire.s.sendall(first)
    got = wire.all()
    assert got.startswith(b"500 5.5.2") or got == b""


def test_not_imap(sandbox):
    wire = Wire(sandbox.port("imap"))
    assert wire.line().startswith(b"* OK")
    wire.s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"* BYE" in wire.all()


def test_long_line(sandbox):
    wire = greeted(sandbox.port("smtp"))
    wire.s.sendall(b"NOOP " + b"x" * 5000 + b"\r\n")
    assert wire.all()[:4] in (b"500 ", b"421 ")


def test_submission_needs_tls_and_login(sandbox):
    wire = greeted(sandbox.port("submission"))
    assert wire.say(b"MAIL FROM:<friend@sandbox.test>\r\n").startswith(b"530 5.7.0")
    assert not wire.say(b"AUTH PLAIN AGZyaWVuZABzYW5kYm94\r\n").startswith(b"235")


def test_foreign_sender_is_refused(sandbox):
    with sandbox.smtp("submission") as client:
        client.starttls(context=trusting())
        client.login("friend@sandbox.test", "sandbox")
        client.ehlo()
        assert client.docmd("MAIL FROM:<you@sandbox.test>")[0] == 550
        assert client.docmd("MAIL FROM:<friend@sandbox.test>")[0] == 250
        assert client.docmd("RCPT TO:<you@sandbox.test>")[0] == 250
        assert client.data(message("forged").encode())[0] == 550  # From: is a stranger's


def test_wrong_password_line(own_sandbox):
    with own_sandbox.smtp("submission") as client:
        client.starttls(context=trusting())
        with pytest.raises(Exception):
            client.login("friend@sandbox.test", "wrong")
    wait_for(lambda: "auth-failed" in own_sandbox.log())
    line = next(text for text in own_sandbox.log().splitlines() if "auth-failed" in text)
    assert "ip=127.0.0.1 proto=smtp user=\"friend@sandbox.test\" reason=password" in line and "reason=password" in line


@pytest.mark.parametrize("local, code", [("temperror", 451), ("permerror", 550), ("x452", 452), ("x553", 553)])
def test_sandbox_addresses(sandbox, local, code):
    with pytest.raises(smtplib.SMTPException) as caught:
        sandbox.send(message("refused as asked"), to=f"{local}@sandbox.test")
    assert str(code) in str(caught.value)


def test_large_message_spills(own_sandbox):
    text = "\n".join(f"line {i} " + "z" * 60 for i in range(60_000))
    own_sandbox.send(message("large", text))
    client = own_sandbox.imap()
    client.select("INBOX")
    raw = client.fetch("1", "(BODY.PEEK[TEXT])")[1][0][1]
    assert raw == text.replace("\n", "\r\n").encode() + b"\r\n"


def test_too_large_is_refused(sandbox):
    wire = greeted(sandbox.port("smtp"))
    assert wire.say(b"MAIL FROM:<a@b.example> SIZE=99999999999\r\n").startswith(b"552 5.3.4")


def test_imap_before_login_is_bounded(sandbox):
    wire = Wire(sandbox.port("imap"))
    wire.line()
    wire.s.sendall(b"a LOGIN {99999999}\r\n")
    assert b"a BAD" in wire.line() or b"BYE" in wire.line()
