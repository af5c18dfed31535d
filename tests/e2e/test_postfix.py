"""A real Postfix next door gives us its mail: by SMTP under TLS, and by LMTP over a port and a socket."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import smtplib
import subprocess
import textwrap
import threading

import pytest
from conftest import free_port_base, message, need, open_folder, wait_for
from served import Server, certificate, find

CONFIG = """
log { to file "@dir@/sluice.log" }
postmaster alice
pen { address-open off;  network-open off }
listen public {
	address 127.0.0.1
	smtp @smtp@;  imaps @imaps@
	lmtp @lmtp@
	lmtp unix:@dir@/lmtp.sock group postfix
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
}
domain smtp.test;  domain socket.test;  domain port.test;  domain seen.test
"""
DOORS = ["smtp.test", "socket.test", "port.test"]


class Recorder:
    """Stands between two programs and remembers what the first says to the second, session by session."""

    def __init__(self, port):
        self.to, self.said = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.said.append(bytearray())
                threading.Thread(target=self.pipe, args=(near, far, self.said[-1]), daemon=True).start()
                threading.Thread(target=self.pipe, args=(far, near, bytearray()), daemon=True).start()

    @staticmethod
    def pipe(source, target, copy):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                copy.extend(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def message(self):
        """What stood between DATA and the end, in the only session there was."""
        said, = (bytes(s) for s in self.said)
        text = re.search(rb"DATA\r\n(.*\r\n)\.\r\n", said, re.DOTALL)[1]
        return re.sub(rb"(?m)^\.", b"", text)


class Postfix:
    """With configuration, queue and port of its own; nothing of the machine's Postfix is touched."""

    def __init__(self, folder, transports):
        self.folder, self.port = pathlib.Path(folder), free_port_base() + 25
        self.conf, self.queue = self.folder / "conf", self.folder / "queue"
        for path in (self.conf, self.queue, self.folder / "data"):
            path.mkdir(parents=True)
        shutil.chown(self.folder / "data", "postfix")
        table = ", ".join(f"{{ {domain} = {where} }}" for domain, where in transports.items())
        (self.conf / "main.cf").write_text(textwrap.dedent(f"""\
            compatibility_level = 3.6
            queue_directory = {self.queue}
            data_directory = {self.folder}/data
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            maillog_file = {self.folder}/log
            maillog_file_prefixes = {self.folder}
            myhostname = mail.next.test
            myorigin = next.test
            mydestination =
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            mynetworks = 127.0.0.0/8
            alias_maps =
            local_recipient_maps =
            smtpd_peername_lookup = no
            smtpd_recipient_restrictions = permit_mynetworks, reject
            smtpd_client_connection_count_limit = 0
            smtputf8_enable = yes
            message_size_limit = 0
            transport_maps = inline:{{ {table} }}
            default_transport = error:nothing leaves this machine
            smtp_tls_security_level = may
            smtp_tls_loglevel = 1
            minimal_backoff_time = 5s
            queue_run_delay = 5s
            """))
        (self.conf / "master.cf").write_text(textwrap.dedent(f"""\
            127.0.0.1:{self.port} inet n - n - - smtpd
            pickup    unix  n  -  n  60  1  pickup
            cleanup   unix  n  -  n  -   0  cleanup
            qmgr      unix  n  -  n  300 1  qmgr
            tlsmgr    unix  -  -  n  1000? 1 tlsmgr
            rewrite   unix  -  -  n  -   -  trivial-rewrite
            bounce    unix  -  -  n  -   0  bounce
            defer     unix  -  -  n  -   0  bounce
            trace     unix  -  -  n  -   0  bounce
            verify    unix  -  -  n  -   1  verify
            flush     unix  n  -  n  1000? 0 flush
            proxymap  unix  -  -  n  -   -  proxymap
            proxywrite unix -  -  n  -   1  proxymap
            smtp      unix  -  -  n  -   -  smtp
            lmtp      unix  -  -  n  -   -  lmtp
            error     unix  -  -  n  -   -  error
            retry     unix  -  -  n  -   -  error
            anvil     unix  -  -  n  -   1  anvil
            scache    unix  -  -  n  -   1  scache
            postlog   unix-dgram n - n - 1 postlogd
            """))

    def start(self):
        done = subprocess.run(["postfix", "-c", self.conf, "start"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()

        def greets():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as s:
                return s.recv(3) == b"220"
        wait_for(greets)
        return self

    def stop(self):
        subprocess.run(["postfix", "-c", self.conf, "stop"], capture_output=True)

    def flush(self):
        subprocess.run(["postfix", "-c", self.conf, "flush"], check=True, capture_output=True)

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def send(self, text, to, sender="sender@smtp.test", options=()):
        to = [to] if isinstance(to, str) else to
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example", timeout=20) as client:
            client.ehlo()
            assert client.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options]))[0] == 250
            if "SMTPUTF8" in options:
                client.command_encoding = "utf-8"
            for address in to:
                assert client.docmd("RCPT", f"TO:<{address}>")[0] == 250
            if text.__class__ is str:
                text = text.encode()
            assert client.docmd("DATA")[0] == 354
            client.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
            assert client.getreply()[0] == 250

    def waiting(self):
        return [p for name in ("maildrop", "incoming", "active", "deferred", "hold")
                for p in (self.queue / name).rglob("*") if p.is_file()]

    def empties(self):
        """All is delivered; says why when it is not."""
        try:
            wait_for(lambda: not self.waiting() and not self.waiting())  # a file that moves could be overlooked once
        except AssertionError:
            pytest.fail("Postfix keeps mail:\n" + self.log()[-3000:])


@pytest.fixture(scope="module")
def pair():
    if os.getuid() != 0:
        pytest.skip("Postfix can only be started by root")
    need("postfix")
    with open_folder() as place, contextlib.ExitStack() as stack:
        server = Server(place / "box", CONFIG)
        certificate(server.folder, "one", "mail.one.test")
        stack.callback(server.stop)
        server.start()
        server.account("alice", *(f"alice@{d}" for d in DOORS), "alice@seen.test", "sender@smtp.test", password="secret")
        server.account("bob", *(f"bob@{d}" for d in DOORS), password="secret")
        recorder = Recorder(server.port("lmtp"))
        stack.callback(recorder.listener.close)
        postfix = Postfix(place / "postfix", {
            "smtp.test": f"smtp:[127.0.0.1]:{server.port('smtp')}",
            "socket.test": f"lmtp:unix:{server.folder}/lmtp.sock",
            "port.test": f"lmtp:inet:127.0.0.1:{server.port('lmtp')}",
            "seen.test": f"lmtp:inet:127.0.0.1:{recorder.port}"})
        stack.callback(postfix.stop)
        postfix.start()
        yield server, postfix, recorder


@pytest.fixture(scope="module")
def inboxes(pair):
    return {name: pair[0].imap(name) for name in ("alice", "bob")}


@pytest.mark.parametrize("domain, protocol", [("smtp.test", b" with ESMTPS (TLSv1.3"), ("socket.test", b" with LMTP\r\n"),
                                              ("port.test", b" with LMTP\r\n")])
def test_arrives(pair, inboxes, domain, protocol):
    server, postfix, _ = pair
    postfix.send(message(f"plain to {domain}", "Hello.\n.\n..dots\nend"), f"alice@{domain}", "a.sender@elsewhere.example")
    postfix.empties()
    stored, = find(inboxes["alice"], f"plain to {domain}")
    head = stored.split(b"Received: from client.example", 1)[0]  # what was added after Postfix took it
    assert head.startswith(f"Return-Path: <a.sender@elsewhere.example>\r\nDelivered-To: alice@{domain}\r\n".encode())
    assert b"Received: from mail.next.test (" in head and protocol in head
    assert head.count(b"Received:") == 1 and f" for <alice@{domain}>".encode() in head
    assert stored.endswith(b"\r\n\r\nHello.\r\n.\r\n..dots\r\nend\r\n")


@pytest.mark.parametrize("domain", DOORS)
def test_one_of_several_is_unknown(pair, inboxes, domain):
    """The others get it, once; the sender gets Postfix's report with our reason in it."""
    _, postfix, _ = pair
    postfix.send(message(f"several at {domain}"), [f"{n}@{domain}" for n in ("alice", "nobody", "bob")])
    postfix.empties()
    for name in ("alice", "bob"):
        assert len(find(inboxes[name], f"several at {domain}")) == 1
    reports = [r for r in find(inboxes["alice"], "Undelivered Mail Returned to Sender") if domain.encode() in r]
    report = next(r for r in reports if f"rfc822; nobody@{domain}".encode() in r)
    assert report.startswith(b"Return-Path: <>\r\n")
    assert b"Status: 5.1.1" in report and b"550 5.1.1" in report
    assert f"Final-Recipient: rfc822; bob@{domain}".encode() not in report


@pytest.mark.parametrize("domain", DOORS)
def test_eight_bits(pair, inboxes, domain):
    _, postfix, _ = pair
    text = message(f"eight {domain}", "Gr\u00fc\u00dfe \u2713", MIME_Version="1.0",
                   Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit")
    postfix.send(text, f"alice@{domain}", options=["BODY=8BITMIME"])
    postfix.empties()
    stored, = find(inboxes["alice"], f"eight {domain}")
    assert stored.endswith("\r\n\r\nGr\u00fc\u00dfe \u2713\r\n".encode())
    assert b"Content-Transfer-Encoding: 8bit" in stored


@pytest.mark.parametrize("domain, protocol", [("smtp.test", b" with UTF8SMTPS "), ("socket.test", b" with UTF8LMTP\r\n")])
def test_international_mail(pair, inboxes, domain, protocol):
    server, postfix, _ = pair
    server.cli("address", "add", f"gr\u00fc\u00dfe@{domain}", "bob")
    postfix.send(message(f"utf8 {domain}", "x").replace("Stranger", "Str\u00e4nger"), f"gr\u00fc\u00dfe@{domain}",
                 options=["SMTPUTF8", "BODY=8BITMIME"])
    postfix.empties()
    stored, = find(inboxes["bob"], f"utf8 {domain}")
    assert protocol in stored and f"Delivered-To: gr\u00fc\u00dfe@{domain}\r\n".encode() in stored
    assert "From: Str\u00e4nger <".encode() in stored


@pytest.mark.parametrize("domain", ["smtp.test", "socket.test"])
def test_large_message(pair, inboxes, domain):
    _, postfix, _ = pair
    body = b"".join(b"%07d %s\r\n" % (i, b"x" * 54) for i in range(5 * 16384))  # 5 MiB
    postfix.send(message(f"large {domain}").encode() + body, f"bob@{domain}")
    postfix.empties()
    stored, = find(inboxes["bob"], f"large {domain}")
    assert stored.endswith(b"\r\n\r\nHello.\r\n" + body)


def test_octet_for_octet(pair, inboxes):
    """Bare LF, dots, odd octets, a last line without an end: what Postfix makes of it and says to us is what is kept."""
    _, postfix, recorder = pair
    odd = bytes(b for b in range(1, 256) if b not in b"\r\n")
    body = b"one\ntwo\n.\n..x\n\n" + odd + b"\r\n.dot\r\n  \r\n\t\r\nno end"
    postfix.send(message("octets").encode() + body + b"\r\n", "alice@seen.test", options=["BODY=8BITMIME"])
    postfix.empties()
    stored, = find(inboxes["alice"], "octets")
    sent = recorder.message()
    assert stored.endswith(sent) and odd in sent and b"\ntwo" in sent
    ours = stored[:-len(sent)]
    assert [line.split(b":")[0] for line in re.sub(rb"\r\n[ \t]", b" ", ours).splitlines()] == [
        b"Return-Path", b"Delivered-To", b"Received"]


def test_many_at_once(pair, inboxes):
    """200 messages from Postfix's own load generator: each arrives, none twice."""
    _, postfix, _ = pair
    done = subprocess.run(["smtp-source", "-s", "10", "-m", "200", "-l", "2000", "-f", "sender@smtp.test", "-t",
                           "bob@smtp.test", "-S", "many", f"127.0.0.1:{postfix.port}"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    postfix.empties()
    stored = find(inboxes["bob"], "many")
    assert len(stored) == 200
    ids = {re.search(rb"(?mi)^Message-Id: (.*)\r$", m)[1] for m in stored}
    assert len(ids) == 200


@pytest.mark.parametrize("domain", DOORS)
def test_waits_while_we_are_away(pair, domain):
    """What finds us stopped stays with Postfix and arrives once, when we are back."""
    server, postfix, _ = pair
    server.stop()
    postfix.send(message(f"patient {domain}"), f"bob@{domain}")
    wait_for(lambda: [p for p in postfix.waiting() if "deferred" in p.parts])
    server.start()
    postfix.flush()
    postfix.empties()
    assert len(find(server.imap("bob"), f"patient {domain}")) == 1
