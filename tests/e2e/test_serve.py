"""`sluice serve` on configurations of its own: doors, certificates, domains, limits, mistakes, logs."""
import contextlib
import grp
import json
import os
import pathlib
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import time

import pytest
from conftest import SLUICE, message, open_folder, trusting, wait_for
from served import Server, certificate, find, group, wire

LOG = 'log { to file "@dir@/sluice.log" }\n'
PUBLIC = """
postmaster alice
listen public {
	address 127.0.0.1
	smtp @smtp@;  submission @submission@;  submissions @submissions@;  imap @imap@;  imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
	tls cert "@dir@/two.pem" secret "@dir@/two.key"
}
"""
INSIDE = """
listen inside {
	address 127.0.0.1
	lmtp @lmtp@
	lmtp  unix:@dir@/lmtp.sock mode 0600
	local unix:@dir@/submit.sock mode 0660 group @group@
}
"""
DOMAINS = """
domain one.test { detail +;  catchall carol;  postmaster alice }
domain two.test { detail +-;  postmaster bob }
"""


def prepared(place, config):
    server = Server(place / "box", config)
    certificate(server.folder, "one", "mail.one.test", "one.test")
    certificate(server.folder, "two", "mail.two.test")
    return server


@pytest.fixture(scope="module")
def served():
    """A server with all its doors and three people, for tests that only use it."""
    with open_folder() as place:
        server = prepared(place, LOG + PUBLIC + INSIDE + DOMAINS).start()
        try:
            server.account("alice", "alice@one.test", password="secret")
            server.account("bob", "bob@two.test", password="secret")
            server.account("carol", "carol@one.test", password="secret")
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def people(served):
    """One session for each of them; a login costs a tenth of a second."""
    return {name: served.imap(name) for name in ("alice", "bob", "carol")}


STRICT = """
mx {
	message 8KiB;  recipients 3;  bad-commands 3;  bad-recipients 3;  messages 2;  header-size 1KiB;  received 10
	body-line 1000
}
local { repair-bare yes;  message 4KiB }
log { to file "@dir@/sluice.log";  format json }
listen all {
	address 127.0.0.1
	smtp @smtp@
	lmtp unix:@dir@/lmtp.sock
	local unix:@dir@/submit.sock
	imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
}
domain one.test
"""


@pytest.fixture(scope="module")
def strict():
    """The same with narrow limits and a log in JSON."""
    with open_folder() as place:
        server = prepared(place, STRICT).start()
        try:
            server.account("alice", "alice@one.test", password="secret")
            for name in "abcdef":
                server.cli("alias", "add", f"{name}@one.test", "alice")
            yield server
        finally:
            server.stop()


@pytest.fixture
def own(place):
    """For tests that change the server they use."""
    servers = []

    def make(config):
        servers.append(prepared(place, config))
        return servers[-1]
    yield make
    for server in servers:
        server.stop()


def serial(port, name=None, starttls=False):
    """Who answers for that name: the common name of the certificate."""
    if starttls:
        client = smtplib.SMTP("127.0.0.1", port, timeout=10)
        client.ehlo("client.example")
        client.docmd("STARTTLS")
        s = client.sock
    else:
        s = socket.create_connection(("127.0.0.1", port), 10)
    with trusting().wrap_socket(s, server_hostname=name) as secure:
        return secure.getpeercert(binary_form=True)


def der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def refusal(client, to):
    client.docmd("RSET")
    assert client.docmd("MAIL FROM:<stranger@elsewhere.example>")[0] == 250
    return client.docmd(f"RCPT TO:{to}")


# -- who gets it ------------------------------------------------------------------

@pytest.mark.parametrize("to, who", [
    ("alice@one.test", "alice"), ("ALICE@One.Test", "alice"), ("alice+list@one.test", "alice"),
    ("bob@two.test", "bob"), ("bob+x@two.test", "bob"), ("bob-x@two.test", "bob"),
    ("nobody@one.test", "carol"), ("alice-x@one.test", "carol"), ('"with blank"@one.test', "carol"),
    ("postmaster@one.test", "alice"), ("PostMaster@two.test", "bob"), ("postmaster", "alice"),
    ("postmaster@mail.one.test", "alice"),
])
def test_who_gets_it(served, people, to, who):
    subject = f"to {to.encode().hex()}."
    with served.smtp() as client:
        client.ehlo()
        client.docmd("MAIL FROM:<stranger@elsewhere.example>")
        assert client.docmd(f"RCPT TO:<{to}>")[0] == 250
        assert client.data(message(subject).encode())[0] == 250
    found = {name: find(client, subject) for name, client in people.items()}
    assert {name: len(copies) for name, copies in found.items()} == {**dict.fromkeys(found, 0), who: 1}
    assert f"\r\nDelivered-To: {to}\r\n".encode() in found[who][0]


@pytest.mark.parametrize("to", ["nobody@two.test", "bobx@two.test", '"bob@elsewhere.example"@two.test', "alice@two.test",
                                "user%elsewhere.example@two.test", "elsewhere.example!user@two.test"])
def test_no_such_user(served, to):
    with served.smtp() as client:
        client.ehlo()
        code, text = refusal(client, f"<{to}>")
        assert code == 550 and text.startswith(b"5.1.1 ")


# -- relaying ---------------------------------------------------------------------

@pytest.mark.parametrize("to", ["<user@elsewhere.example>", "<user@[127.0.0.1]>", "<@two.test:user@elsewhere.example>",
                                "<user@one.test.elsewhere.example>", "<bob%two.test@elsewhere.example>",
                                "<user@sub.one.test>"])
@pytest.mark.parametrize("door", ["smtp", "lmtp", "lmtp socket"])
def test_relaying_is_refused(served, to, door):
    client = served.smtp() if door == "smtp" else served.lmtp(port=door == "lmtp")
    with client:
        client.ehlo()
        code, text = refusal(client, to)
        assert code == 550 and text.startswith(b"5.7.1 ")
    assert served.json("queue", "list") == []


def test_percent_hack_meets_the_catchall(served, people):
    """It is a name like another here, and leads to nowhere else."""
    with served.smtp() as client:
        client.sendmail("stranger@elsewhere.example", "user%elsewhere.example@one.test", message("percent"))
    assert len(find(people["carol"], "percent")) == 1
    assert served.json("queue", "list") == []


def test_login_may_relay(served, people):
    with served.smtp("submission") as client:
        client.starttls(context=trusting())
        client.login("alice@one.test", "secret")
        text = message("far away").replace("stranger@elsewhere.example>", "alice@one.test>", 1)
        client.sendmail("alice@one.test", ["user@elsewhere.example", "bob@two.test"], text)
    assert len(find(people["bob"], "far away")) == 1
    waiting = served.json("queue", "list")
    assert [(q["sender"], q["recipient"]) for q in waiting] == [("alice@one.test", "user@elsewhere.example")]
    served.cli("queue", "rm", waiting[0]["id"])
    assert served.json("queue", "list") == []


# -- certificates -----------------------------------------------------------------

@pytest.mark.parametrize("name, which", [("mail.one.test", "one"), ("mail.two.test", "two"), ("MAIL.TWO.TEST", "two"),
                                         ("other.test", "one"), (None, "one")])
@pytest.mark.parametrize("service, starttls", [("imaps", False), ("submissions", False), ("smtp", True)])
def test_certificate_by_name(served, name, which, service, starttls):
    assert serial(served.port(service), name, starttls) == der(served.folder / f"{which}.pem")


def test_certificate_is_what_a_careful_client_wants(served):
    context = ssl.create_default_context(cafile=served.folder / "two.pem")
    with socket.create_connection(("127.0.0.1", served.port("imaps")), 10) as s:
        with context.wrap_socket(s, server_hostname="mail.two.test") as secure:
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
            assert secure.recv(100).startswith(b"* OK")


def test_new_certificate_without_dropping_a_session(own):
    server = own(LOG + PUBLIC + DOMAINS).start()
    server.account("alice", "alice@one.test", password="secret")
    held = server.imap("alice")
    assert held.select("INBOX")[0] == "OK"
    before, roles = serial(server.port("imaps")), server.pids()
    certificate(server.folder, "one", "mail.one.test", "one.test")
    assert serial(server.port("imaps")) == before  # not before it was asked for
    server.cli("reload")
    assert serial(server.port("imaps")) == der(server.folder / "one.pem")
    assert serial(server.port("smtp"), starttls=True) == der(server.folder / "one.pem")
    assert serial(server.port("imaps"), "mail.two.test") == der(server.folder / "two.pem")
    assert held.noop()[0] == "OK" and held.select("INBOX")[0] == "OK"
    assert server.pids() == roles  # no new processes for it

    # A pair that does not fit is refused as a whole.
    good = (server.folder / "one.key").read_bytes()
    (server.folder / "one.key").write_bytes((server.folder / "two.key").read_bytes())
    done = server.cli("reload", check=False)
    assert done.returncode == 78 and "one.pem" in done.stdout + done.stderr
    assert serial(server.port("imaps")) == der(server.folder / "one.pem")
    (server.folder / "one.key").write_bytes(good)
    server.cli("reload")
    assert held.noop()[0] == "OK"


# -- how many at once -----------------------------------------------------------------

def banner(port, source):
    w = wire(port, source)
    return w, w.line()


def test_thirty_from_one_address(served):
    """The 31st is told to come again, others do not notice, and a place that is left is free."""
    port, source = served.port("smtp"), "127.0.0.77"
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(30):
            w, line = banner(port, source)
            stack.callback(w.s.close)
            assert line.startswith(b"220 ")
            held.append(w)
        for _ in range(2):
            w, line = banner(port, source)
            assert line.startswith(b"421 4.7.0 ") and w.all() == b""
        other, line = banner(port, "127.0.0.78")
        stack.callback(other.s.close)
        assert line.startswith(b"220 ")
        assert held[29].say(b"NOOP\r\n").startswith(b"250 ")
        held[0].s.close()

        def let_in():
            w, line = banner(port, source)
            stack.callback(w.s.close)
            return line.startswith(b"220 ")
        wait_for(let_in)
        assert banner(port, source)[1].startswith(b"421 ")
    assert "gate.refused ip=127.0.0.77" in served.log()


def test_ninety_from_one_network(served):
    port = served.port("smtp")
    with contextlib.ExitStack() as stack:
        for i in range(90):
            w, line = banner(port, f"127.0.2.{i // 30 + 1}")
            stack.callback(w.s.close)
            assert line.startswith(b"220 ")
        assert banner(port, "127.0.2.9")[1].startswith(b"421 4.7.0 ")
        other, line = banner(port, "127.0.2.65")
        stack.callback(other.s.close)
        assert line.startswith(b"220 ")


def test_limit_from_the_configuration_holds_for_imap(own):
    server = own(LOG + PUBLIC + DOMAINS + "pen { address-open 3 }\n").start()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            w, line = banner(server.port("imap"), "127.0.0.1")
            stack.callback(w.s.close)
            assert line.startswith(b"* OK ")
        assert banner(server.port("imap"), "127.0.0.1")[1].startswith(b"* BYE ")


# -- sockets in the file system ---------------------------------------------------------

def test_socket_files(served):
    submit, lmtp = (served.folder / name for name in ("submit.sock", "lmtp.sock"))
    assert all(stat.S_ISSOCK(p.stat().st_mode) for p in (submit, lmtp))
    assert stat.S_IMODE(submit.stat().st_mode) == 0o660 and stat.S_IMODE(lmtp.stat().st_mode) == 0o600
    assert grp.getgrgid(submit.stat().st_gid).gr_name == group()


def test_local_socket(served, people):
    """No login: who may open the socket may send, also elsewhere; what is missing is added."""
    with served.local() as client:
        assert client.ehlo()[0] == 250
        assert client.docmd("MAIL FROM:<root@one.test> RET=HDRS ENVID=x1")[0] == 250
        for to in ("<alice@one.test>", "<far@elsewhere.example> NOTIFY=NEVER", "<away@other.example>"):
            assert client.docmd(f"RCPT TO:{to}")[0] == 250
        assert client.docmd("RCPT TO:<nobody@two.test>")[0] == 550
        assert client.data(b"From: root@one.test\r\nSubject: from a program\r\n\r\nHello.\r\n")[0] == 250
    stored, = find(people["alice"], "from a program")
    assert f"from client.example (uid {os.getuid()})".encode() in stored
    assert stored.count(b"\r\nMessage-Id: ") == stored.count(b"\r\nDate: ") == 1
    assert b"elsewhere.example" not in stored.replace(b"client.example", b"")
    waiting = served.json("queue", "list")
    assert {(q["sender"], q["recipient"]) for q in waiting} == {
        ("root@one.test", "far@elsewhere.example"), ("root@one.test", "away@other.example")}
    served.cli("queue", "rm", *[q["id"] for q in waiting])
    assert served.cli("queue", "rm", waiting[0]["id"], check=False).returncode != 0


def test_queue_outlives_the_server(own):
    server = own(LOG + INSIDE + DOMAINS).start()
    with server.local() as client:
        client.sendmail("root@one.test", ["far@elsewhere.example"], message("waits"))
    server.stop()
    assert [q["recipient"] for q in server.json("queue", "list")] == ["far@elsewhere.example"]  # without a server
    server.start()
    assert [q["recipient"] for q in server.json("queue", "list")] == ["far@elsewhere.example"]
    assert "imap" not in server.pids() and "auth" not in server.pids()  # nobody needs them


@pytest.mark.parametrize("port", [True, False], ids=["port", "socket"])
def test_lmtp_answers_for_each(served, people, port):
    subject = f"to several {port}"
    with served.lmtp(port) as client:
        assert client.docmd("EHLO client.example")[0] == 500
        assert client.docmd("LHLO client.example")[0] == 250
        assert client.docmd("MAIL FROM:<stranger@elsewhere.example>")[0] == 250
        codes = [client.docmd(f"RCPT TO:<{to}>")[0] for to in ("alice@one.test", "nobody@two.test", "bob@two.test")]
        assert codes == [250, 550, 250]
        assert client.docmd("DATA")[0] == 354
        client.send(message(subject).encode() + b".\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
        assert client.noop()[0] == 250  # no third answer
        client.docmd("MAIL FROM:<stranger@elsewhere.example>")
        assert client.docmd("DATA")[0] == 503
    for name in ("alice", "bob"):
        stored, = find(people[name], subject)
        assert b" with LMTP\r\n" in stored and stored.count(b"\r\nDelivered-To: ") == 1


def test_lmtp_account_gone_in_between(served, people):
    """Removed between RCPT and the end of the message: its own answer, and the other gets his."""
    served.account("dave", "dave@two.test")
    with served.lmtp() as client:
        client.docmd("MAIL FROM:<stranger@elsewhere.example>")
        assert [client.docmd(f"RCPT TO:<{to}@two.test>")[0] for to in ("dave", "bob")] == [250, 250]
        served.cli("account", "rm", "dave", "--yes")
        client.docmd("DATA")
        client.send(message("one is gone").encode() + b".\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [550, 250]
    assert len(find(people["bob"], "one is gone")) == 1


def test_smtp_is_not_lmtp(served):
    with served.smtp() as client:
        assert client.docmd("LHLO client.example")[0] == 500


# -- limits -----------------------------------------------------------------------------

def begun(client):
    client.ehlo()
    assert client.docmd("MAIL FROM:<stranger@elsewhere.example>")[0] == 250
    return client


def test_bare_line_ends_by_door(strict):
    """Repaired for programs on this machine when so configured; refused from everybody else."""
    bad = b"From: root@one.test\nSubject: bare\r\n\r\none\ntwo\rthree\r\nfour\r\n.\r\n"
    for client in (strict.smtp(), strict.lmtp()):
        with client:
            if not isinstance(client, smtplib.LMTP):
                client.ehlo()
            client.docmd("MAIL FROM:<root@one.test>")
            client.docmd("RCPT TO:<alice@one.test>")
            client.docmd("DATA")
            client.send(bad)
            code, text = client.getreply()
            assert code == 550 and text.startswith(b"5.6.11 ")
    with strict.local() as client:
        begun(client).docmd("RCPT TO:<alice@one.test>")
        client.docmd("DATA")
        client.send(bad)
        assert client.getreply()[0] == 250
    stored, = find(strict.imap("alice"), "bare")
    assert stored.endswith(b"\r\nFrom: root@one.test\r\nSubject: bare\r\n\r\none\r\ntwo\r\nthree\r\nfour\r\n")


def test_message_size(strict):
    with strict.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "8192"
        assert client.docmd("MAIL FROM:<a@b.example> SIZE=8193")[0] == 552
        for octets, code in ((8193, 552), (8192, 250)):
            begun(client).docmd("RCPT TO:<alice@one.test>")
            head = b"Subject: of a size\r\n\r\n"
            body = (b"x" * 62 + b"\r\n") * 128
            answer = client.data(head + body[-(octets - len(head)):])
            assert answer[0] == code, answer
    with strict.local() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "4096"


def test_recipients(strict):
    """The fourth is put off, the message goes to the three; the limit is announced (RFC 9422)."""
    with strict.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["limits"].split() == ["RCPTMAX=3", "MAILMAX=2"]
        client.docmd("MAIL FROM:<stranger@elsewhere.example>")
        answers = [client.docmd(f"RCPT TO:<{name}@one.test>") for name in "abcd"]
        assert [a[0] for a in answers] == [250, 250, 250, 452] and answers[3][1].startswith(b"4.5.3 ")
        assert client.data(message("to three").encode())[0] == 250
    assert len(find(strict.imap("alice"), "to three")) == 3


def test_messages_in_a_session(strict):
    with strict.smtp() as client:
        client.ehlo()
        for _ in range(2):
            client.docmd("MAIL FROM:<stranger@elsewhere.example>")
            client.docmd("RCPT TO:<alice@one.test>")
            assert client.data(message("one of two").encode())[0] == 250
        code, text = client.docmd("MAIL FROM:<stranger@elsewhere.example>")
        assert code == 421 and text.startswith(b"4.5.3 ")


@pytest.mark.parametrize("lines, last", [(["XYZZY"] * 3, b"421 "), (["HELO", "MAIL X", "RSET x"], b"421 "),
                                         (["RCPT TO:<nobody@one.test>"] * 3, b"421 4.7.0 ")])
def test_too_many_mistakes(strict, lines, last):
    w = wire(strict.port("smtp"))
    w.reply()
    w.say(b"EHLO client.example\r\n")
    if lines[0].startswith("RCPT"):
        w.say(b"MAIL FROM:<stranger@elsewhere.example>\r\n")
    for line in lines[:-1]:
        assert w.say(line.encode() + b"\r\n")[:1] == b"5"
    w.s.sendall(lines[-1].encode() + b"\r\nNOOP\r\n")
    got = w.all().splitlines()
    assert got[-1].startswith(last) and len(got) <= 2


@pytest.mark.parametrize("text, answer", [
    (b"Subject: x\r\n" + b"X-Long: " + b"y" * 200 + b"\r\n\r\nbody\r\n", b"250 "),
    (b"Subject: x\r\n" + (b"X-Long: " + b"y" * 200 + b"\r\n") * 6 + b"\r\nbody\r\n", b"552 5.3.4 "),
    (b"Received: x\r\n" * 9 + b"Subject: x\r\n\r\nbody\r\n", b"250 "),
    (b"Received: x\r\n" * 10 + b"Subject: x\r\n\r\nbody\r\n", b"554 5.4.6 "),
    (b"Subject: x\r\n\r\n" + b"y" * 1000 + b"\r\n", b"250 "),
    (b"Subject: x\r\n\r\n" + b"y" * 1001 + b"\r\n", b"550 5.6.0 "),
], ids=["header", "long header", "received", "loop", "line", "long line"])
def test_what_a_message_may_be(strict, text, answer):
    w = wire(strict.port("smtp"))
    w.reply()
    w.say(b"EHLO client.example\r\n")
    for line in (b"MAIL FROM:<>\r\n", b"RCPT TO:<alice@one.test>\r\n", b"DATA\r\n"):
        w.say(line)
    assert w.say(text + b".\r\n").startswith(answer)


# -- mistakes in the configuration ---------------------------------------------------------

def broken(server, line, words):
    """Serve and config check both say where and what, and nothing is started or made."""
    for verb in (["serve", "-c", server.config], ["-c", server.config, "config", "check"]):
        done = subprocess.run([SLUICE, *verb], capture_output=True, text=True, timeout=20)
        said = done.stdout + done.stderr
        assert done.returncode == 78, said
        assert f"{server.config}:{line}:" in said and all(w in said for w in words), said
    assert not (server.folder / "store").exists() and not (server.folder / "run").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port("smtp")), 2)


def line_of(server, text, nth=1):
    lines = [i for i, line in enumerate(server.config.read_text().splitlines(), 1) if text in line]
    return lines[nth - 1]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_readable_secret(own, mode):
    server = own(PUBLIC + DOMAINS)
    (server.folder / "two.key").chmod(mode)
    n = line_of(server, "two.key")
    column = server.config.read_text().splitlines()[n - 1].index("secret") + 1
    broken(server, f"{n}:{column}", ["two.key", f"{mode:04o}", "0600"])


def test_duplicate_listener(own):
    server = own(PUBLIC + DOMAINS + "listen again {\n\taddress 0.0.0.0\n\tsmtp @smtp@\n}\n")
    broken(server, line_of(server, "smtp ", nth=2), [f"port {server.port('smtp')}", "taken already"])


@pytest.mark.parametrize("spoil, words", [
    (lambda d: (d / "one.pem").unlink(), ["one.pem", "No such file"]),
    (lambda d: (d / "one.pem").write_text("not a certificate\n"), ["one.pem"]),
    (lambda d: (d / "one.key").write_bytes((d / "two.key").read_bytes()), ["one.pem", "key"]),
    (lambda d: (d / "one.key").unlink(), ["one.key", "No such file"]),
], ids=["missing", "garbage", "another key", "no key"])
def test_unusable_certificate(own, spoil, words):
    server = own(PUBLIC + DOMAINS)
    spoil(server.folder)
    broken(server, line_of(server, "one.pem"), words)


def test_all_mistakes_are_said_at_once(own):
    server = own(PUBLIC.replace("submissions @", "submisions @") + DOMAINS.replace("detail", "detial") + "nonsense\n")
    done = subprocess.run([SLUICE, "serve", "-c", server.config], capture_output=True, text=True, timeout=20)
    assert done.returncode == 78
    for word in ("submisions", "submissions", "detial", "detail", "nonsense"):
        assert word in done.stderr


# -- logs ---------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["signal", "verb"])
def test_log_is_opened_again(own, how):
    server = own(LOG + PUBLIC + DOMAINS).start()
    log, old = server.folder / "sluice.log", server.folder / "sluice.log.1"
    log.rename(old)

    def stranger(n):
        with server.smtp() as client:
            client.ehlo()
            refusal(client, f"<nobody{n}@two.test>")
    stranger(1)
    wait_for(lambda: "nobody1@" in old.read_text())
    assert not log.exists()
    if how == "signal":
        server.process.send_signal(signal.SIGUSR1)
    else:
        server.cli("reopen")
    wait_for(log.exists)

    def in_new():
        stranger(2)
        return "nobody2@" in log.read_text()  # the roles have it, too
    wait_for(in_new)
    before = old.stat().st_size
    stranger(3)
    wait_for(lambda: "nobody3@" in log.read_text())
    assert old.stat().st_size == before
    server.kill("smtp")  # and one that is born now
    wait_for(lambda: log.read_text().count("role.ready") == 1)
    assert old.stat().st_size == before


def test_json_log(strict):
    with strict.smtp() as client:
        client.ehlo()
        refusal(client, '<"a\\"b\\\\c"@one.test>')
        client.docmd("HELO \"quo\\ted\x7f\x01")
    lines = [json.loads(line) for line in wait_for(lambda: "smtp.refused" in strict.log() and strict.log()).splitlines()]
    events = {line["event"] for line in lines}
    assert {"serve.ready", "role.ready", "smtp.refused"} <= events
    one = next(line for line in lines if line["event"] == "smtp.refused")
    assert one["ip"] == "127.0.0.1" and one["code"] in (550, 552, 554) and "time" in one and "level" in one


def test_syslog(own):
    if os.getuid() != 0 or os.path.exists("/dev/log"):
        pytest.skip("needs /dev/log for itself")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("/dev/log")
        try:
            os.chmod("/dev/log", 0o666)
            s.settimeout(10)
            server = own("log { to syslog }\n" + PUBLIC + DOMAINS).start(wait=False)
            got = []

            def until(word):
                while not got or word not in got[-1]:
                    got.append(s.recv(4096))
            until(b"serve.ready")
            with server.smtp() as client:
                client.ehlo()
                refusal(client, "<nobody@two.test>")
            until(b"smtp.refused")
            assert all(line.startswith(b"<2") or line.startswith(b"<1") for line in got)  # facility mail: 16 to 23
            assert b"sluice" in got[-1] and b"nobody@two.test" in got[-1]
        finally:
            pathlib.Path("/dev/log").unlink()


def test_stop_verb(own):
    server = own(LOG + PUBLIC + INSIDE + DOMAINS).start()
    assert server.cli("status").returncode == 0
    shown = json.dumps(server.json("info"))
    assert str(server.port("imaps")) in shown and "lmtp.sock" in shown
    roles = server.pids()
    begun_at = time.monotonic()
    server.cli("stop")
    assert server.process.wait(10) == 0 and time.monotonic() - begun_at < 10
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in roles.values())
    assert not (server.folder / "submit.sock").exists() and not (server.folder / "lmtp.sock").exists()
    assert server.cli("status", check=False).returncode == 3
