"""`sluice mailbox`, quota and the rules for $Junk; and COMPRESS, where the configuration offers it."""
import json
import socket
import time
import zlib

import pytest
from conftest import message, open_folder, trusting, wait_for
from served import Server, certificate

CONFIG = """
log { to file "@dir@/sluice.log" }
postmaster alice
listen all {
	address 127.0.0.1
	smtp @smtp@;  imap @imap@;  imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
	auth-in-clear yes
}
domain one.test
imap { compress yes }
"""


@pytest.fixture(scope="module")
def server():
    with open_folder() as place:
        s = Server(place / "box", CONFIG)
        certificate(s.folder, "one", "mail.one.test")
        s.account("alice", "alice@one.test", password="secret")
        s.start()
        yield s
        s.stop()


def listed(server, account="alice"):
    return {m["name"]: m for m in json.loads(server.cli("mailbox", "list", account, "--json").stdout)}


def refused(server, code, *words):
    done = server.cli(*words, check=False)
    assert done.returncode == code, done
    assert done.stdout == ""
    return done.stderr


def test_mailboxes_while_the_server_runs(server):
    client = server.imap("alice")
    server.cli("mailbox", "create", "alice", "Work/2026", "Entwürfe alt")
    assert client.status("Work/2026", "(MESSAGES)")[0] == "OK"
    assert listed(server)["Entwürfe alt"]["messages"] == 0
    assert b'"Entw&APw-rfe alt"' in b" ".join(client.list('""', "Entw*")[1])
    server.cli("mailbox", "rename", "alice", "Work", "Archive/Work")
    assert {"Archive/Work", "Archive/Work/2026"} <= set(listed(server))
    server.cli("mailbox", "subscribe", "alice", "Archive/Work", "not/there")
    assert listed(server)["Archive/Work"]["subscribed"]
    assert b"not/there" in b" ".join(client.lsub('""', "*")[1])
    server.cli("mailbox", "unsubscribe", "alice", "Archive/Work", "not/there")
    server.cli("mailbox", "use", "alice", "Junk", "none")
    server.cli("mailbox", "create", "alice", "Spam", "--use", "junk")
    assert listed(server)["Spam"]["use"] == "junk"
    table = server.cli("mailbox", "list", "alice").stdout
    assert table.splitlines()[0].split() == ["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE", "SUBSCRIBED"]
    server.cli("mailbox", "rm", "alice", "Archive/Work", "Archive/Work/2026", "--yes")
    assert "Archive/Work" not in listed(server)
    client.logout()


def test_mistakes_are_named(server):
    assert "has a mailbox INBOX already" in refused(server, 65, "mailbox", "create", "alice", "INBOX")
    assert "empty level" in refused(server, 65, "mailbox", "create", "alice", "a//b")
    assert "may not have * or %" in refused(server, 65, "mailbox", "create", "alice", "100%")
    assert "word 2 behind the verb is not UTF-8" in refused(server, 64, "mailbox", "create", "alice", "a\udcff")
    assert "word 2 behind the verb is not UTF-8" in refused(server, 64, "mailbox", "rename", "alice", "a\udcff", "b")
    assert "has no mailbox nope" in refused(server, 65, "mailbox", "rename", "alice", "nope", "x")
    assert "into itself" in refused(server, 65, "mailbox", "rename", "alice", "Sent", "Sent/old")
    assert "say --yes" in refused(server, 64, "mailbox", "rm", "alice", "Sent")
    assert "INBOX cannot be deleted" in refused(server, 65, "mailbox", "rm", "alice", "INBOX", "-y")
    assert "is no use" in refused(server, 65, "mailbox", "use", "alice", "Sent", "outbox")
    assert "no such account" in refused(server, 65, "mailbox", "list", "nobody")
    assert "one mailbox has a use" in refused(server, 64, "mailbox", "create", "alice", "a", "b", "--use", "sent")
    assert "usage: sluice mailbox create" in refused(server, 64, "mailbox", "create", "alice")


def test_quota(server):
    server.account("bob", "bob@one.test", password="secret")
    assert "none" in server.cli("account", "quota", "bob").stdout
    server.cli("account", "quota", "bob", "64KiB", "3")
    client = server.imap("bob")
    for i in range(2):
        server.send(message(f"letter {i}"), to="bob@one.test")
    q = server.json("account", "quota", "bob")
    assert (q["messages"], q["messages_max"], q["octets_max"]) == (2, 3, 65536) and q["octets"] > 0
    kind, roots = client.getquotaroot("INBOX")
    assert kind == "OK" and roots[1] == [f"bob (STORAGE {-(-q['octets'] // 1024)} 64 MESSAGE 2 3)".encode()]
    assert "66.7 %" in server.cli("account", "quota", "bob").stdout
    kind, why = client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 70000)
    assert kind == "NO" and b"[OVERQUOTA]" in why[0]
    server.cli("account", "quota", "bob", "none", "none")
    assert client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 70000)[0] == "OK"
    assert client.getquotaroot("INBOX")[1][1] in ([None], [])
    client.logout()
    assert "is no limit" in refused(server, 64, "account", "quota", "bob", "lots")
    assert "is no limit" in refused(server, 64, "account", "quota", "bob", "1GiB", "few")
    assert "no such account" in refused(server, 65, "account", "quota", "nobody")


def test_junk_rules(server):
    assert server.json("account", "junk-flags", "alice")["junk"] == "^(junk|spam)"
    r = server.json("account", "junk-flags", "alice", "on", "--junk", "^spam$", "--notjunk", "^inbox$")
    assert r["on"] and r["junk"] == "^spam$" and r["notjunk"] == "^inbox$"
    assert "flags" in server.cli("account", "junk-flags", "alice", "off").stdout
    assert not server.json("account", "junk-flags", "alice")["on"]
    assert "neither on nor off" in refused(server, 64, "account", "junk-flags", "alice", "maybe")
    refused(server, 65, "account", "junk-flags", "alice", "--junk", "(")


def test_without_a_server(place):
    s = Server(place / "box", CONFIG)
    certificate(s.folder, "one", "mail.one.test")
    s.account("carol")
    s.cli("mailbox", "create", "carol", "Work")
    s.cli("account", "quota", "carol", "1MiB")
    assert "Work" in listed(s, "carol")
    assert s.json("account", "quota", "carol")["octets_max"] == 1 << 20


class Deflated:
    """An IMAP client that compresses from the OK of COMPRESS on."""

    def __init__(self, server, tls):
        self.s = socket.create_connection(("127.0.0.1", server.port("imaps" if tls else "imap")), 20)
        if tls:
            self.s = trusting().wrap_socket(self.s)
        self.out = self.into = None
        self.rest = b""
        self.line()
        self.ask("LOGIN alice secret")
        assert b"COMPRESS=DEFLATE" in b"".join(self.ask("CAPABILITY"))
        self.ask("COMPRESS DEFLATE")
        self.out = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.into = zlib.decompressobj(-15)
        assert self.rest == b""

    def line(self):
        while b"\r\n" not in self.rest:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.rest += self.into.decompress(got) if self.into else got
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def say(self, raw, flush=zlib.Z_SYNC_FLUSH):
        self.s.sendall(self.out.compress(raw) + self.out.flush(flush) if self.out else raw)

    def ask(self, command):
        self.say(f"a {command}\r\n".encode())
        lines = []
        while not lines or not lines[-1].startswith(b"a "):
            lines.append(self.line())
        assert lines[-1].startswith(b"a OK"), lines
        return lines


@pytest.mark.parametrize("tls", [False, True])
def test_compress(server, tls):
    client = Deflated(server, tls)
    assert b"COMPRESS" not in b"".join(client.ask("CAPABILITY"))
    body = b"Subject: packed\r\n\r\n" + b"all work and no play " * 20000
    client.say(b"a APPEND INBOX {%d}\r\n" % len(body))
    assert client.line().startswith(b"+ ")
    client.say(body, zlib.Z_PARTIAL_FLUSH)
    client.say(b"\r\n")
    while not client.line().startswith(b"a OK"):
        pass
    client.ask("SELECT INBOX")
    for _ in range(3):
        time.sleep(0.05)  # parked between: what was said before is the dictionary
        found = b"\r\n".join(client.ask("FETCH * (RFC822.SIZE BODY.PEEK[])"))
        assert body in found
    client.say(b"a IDLE\r\n")
    assert client.line().startswith(b"+ ")
    server.send(message("while it idles"), to="alice@one.test")
    assert wait_for(client.line).endswith(b"EXISTS")
    client.say(b"DONE\r\na LOGOUT\r\n")
    while not client.line().startswith(b"* BYE"):
        pass


def test_broken_compression_is_told(server):
    client = Deflated(server, tls=True)
    client.s.sendall(b"a NOOP\r\n")
    assert client.line() == b"* BYE Compressed data is broken"
    with pytest.raises(EOFError):
        client.line()
