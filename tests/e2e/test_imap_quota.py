"""An account that is full, and mail that is sorted into Junk: at SMTP, at IMAP and by the command line."""
import smtplib

import pytest
from conftest import message
from imapbox import imap_box, letter
from imapwire import Literal


@pytest.fixture(scope="module")
def box():
    with imap_box() as server:
        yield server


@pytest.fixture
def user(box):
    return box.person()


def refused(box, user):
    """The answer of SMTP to mail for that person."""
    with box.smtp() as client:
        client.ehlo()
        client.mail("stranger@elsewhere.example")
        return client.rcpt(f"{user}@one.test")


def test_messages(box, user):
    with box.session(user) as s:
        s.select()
        for i in range(3):
            s.append("INBOX", letter(f"q{i}"))
        assert s.ok("GETQUOTAROOT INBOX").one("QUOTAROOT") == ("INBOX", [])  # no limit, no root
        box.cli("account", "quota", user, "1GiB", "3")
        result = s.ok("GETQUOTAROOT INBOX")
        assert result.one("QUOTAROOT") == ("INBOX", [user])
        root, resources = result.one("QUOTA")
        assert root == user and resources["MESSAGE"] == (3, 3) and resources["STORAGE"][1] == 1 << 20
        # Full: no APPEND, no COPY, no mail; and nothing of it was taken.
        for command in (("APPEND INBOX ", Literal(letter("more"))), ("COPY 1 Archive",), ("COPY 1:3 INBOX",)):
            answer = s.command(*command)
            assert answer.kind == "NO" and answer.code == "OVERQUOTA" and len(answer.text) > 10, answer.tagged
        assert s.ok("STATUS Archive (MESSAGES)").one("STATUS")[1]["MESSAGES"] == 0
        code, text = refused(box, user)
        assert code == 452 and text.startswith(b"4.2.2"), (code, text)
        # Moving, reading and deleting go on, and what is deleted makes room.
        s.ok("MOVE 1 Archive")
        s.ok("FETCH 1 BODY[]")
        s.ok("STORE 1 +FLAGS (\\Deleted)")
        s.ok("EXPUNGE")
        s.append("INBOX", letter("fits again"))
        box.cli("account", "quota", user, "none", "none")
        s.append("INBOX", letter("as much as wanted"))
        assert refused(box, user)[0] == 250


def test_octets(box, user):
    box.cli("account", "quota", user, "100KiB", "none")
    with box.session(user) as s:
        s.select()
        text = letter("large", "x" * 60_000 + "\n")
        s.append("INBOX", text)
        answer = s.command("APPEND INBOX ", Literal(text, sync=True))
        assert answer.kind == "NO" and answer.code == "OVERQUOTA"
        # It is refused when its size is announced: the octets need not be sent.
        answer = s.command("APPEND INBOX {60000}")
        assert answer.kind == "NO" and answer.code == "OVERQUOTA"
        usage, limit = s.ok(f"GETQUOTA {user}").one("QUOTA")[1]["STORAGE"]
        assert limit == 100 and usage == (len(text) + 1023) // 1024
        assert box.json("account", "quota", user)["octets"] == len(text)
        # Mail from outside: told by SIZE already, or when all of it is here; a small one still comes in.
        with box.smtp() as client:
            client.ehlo()
            client.docmd("MAIL FROM:<a@b.example> SIZE=60000")
            code, reply = client.docmd(f"RCPT TO:<{user}@one.test>")
            assert code == 452 and reply.startswith(b"4.2.2"), (code, reply)
        with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)) as caught:
            box.send(message("too much", "y" * 60_000), to=f"{user}@one.test")
        assert "452" in str(caught.value) and "4.2.2" in str(caught.value)
        box.send(message("small"), to=f"{user}@one.test")
        s.ok("NOOP")
        assert len(s.mirror.messages) == 2


def test_one_full_one_not(box, user):
    """A letter to two people reaches the one who has room."""
    other = box.person()
    box.cli("account", "quota", user, "1KiB", "none")
    with box.smtp() as client:
        client.sendmail("a@b.example", f"{other}@one.test", message("first"))
        client.ehlo()
        client.docmd("MAIL FROM:<a@b.example> SIZE=5000")
        assert client.docmd(f"RCPT TO:<{user}@one.test>")[0] == 452
        assert client.docmd(f"RCPT TO:<{other}@one.test>")[0] == 250
        assert client.data(message("both", "z" * 3000))[0] == 250
    with box.session(other) as s:
        s.select()
        assert len(s.mirror.messages) == 2


# -- $Junk and $NotJunk --------------------------------------------------------------------

def keywords(s, mailbox):
    s.select(mailbox)
    found = [i for _, i in s.ok("FETCH 1:* (FLAGS)").fetched()] if s.mirror.messages else []
    return [frozenset(f for f in i["FLAGS"] if not f.startswith("\\")) for i in found]


def test_junk_follows_the_mailbox(box, user):
    with box.session(user) as s:
        box.send(message("one"), to=f"{user}@one.test")
        assert keywords(s, "INBOX") == [set()]
        s.ok("STORE 1 +FLAGS (mine)")
        s.ok("MOVE 1 Junk")
        assert keywords(s, "Junk") == [{"$Junk", "mine"}]
        s.ok("MOVE 1 Archive")
        assert keywords(s, "Archive") == [{"$NotJunk", "mine"}]
        s.ok("COPY 1 Junk")
        assert keywords(s, "Junk") == [{"$Junk", "mine"}] and keywords(s, "Archive") == [{"$NotJunk", "mine"}]
        s.select("Junk")
        s.ok("MOVE 1 INBOX")
        assert keywords(s, "INBOX") == [{"mine"}]


def test_junk_rules_are_the_accounts(box, user):
    box.cli("account", "junk-flags", user, "--junk", "^wolves")
    with box.session(user) as s:
        s.ok("CREATE Wolves")
        s.append("INBOX", letter("sheep"))
        s.select()
        s.ok("COPY 1 Wolves")
        assert keywords(s, "Wolves") == [{"$Junk"}]
        box.cli("account", "junk-flags", user, "off")
        s.select()
        s.ok("COPY 1 Archive")
        assert keywords(s, "Archive") == [set()]
