"""The full-text index: what it knows is what a look at every message would find, whatever happens to it."""
import base64
import email.message
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import SLUICE, message, wait_for


def state(server, account="you"):
    return server.json("search", "status", account)[0]


def wait_indexed(server, messages=None):
    """Until the index has looked at everything."""
    def done():
        now = state(server)
        right = messages is None or now["messages"] == messages
        return now if right and now["there"] and now["waiting"] == 0 else None
    return wait_for(done, 60)


def search(client, *keys):
    """UIDs, each key's text as a literal in UTF-8."""
    assert client.select("INBOX", readonly=True)[0] == "OK"
    *words, text = keys
    client.literal = text.encode()
    status, found = client.uid("SEARCH", "CHARSET", "UTF-8", *words)
    assert status == "OK", found
    return {int(uid) for uid in found[0].split()}


def encoded(subject, text, charset, transfer="base64"):
    """A message in an odd charset, as old programs send it."""
    body = text.encode(charset)
    lines = [f"Subject: =?{charset}?b?{base64.b64encode(subject.encode(charset)).decode()}?=",
             "From: a@b.example", f"Content-Type: text/plain; charset={charset}",
             f"Content-Transfer-Encoding: {transfer}", ""]
    body = base64.encodebytes(body).replace(b"\n", b"\r\n") if transfer == "base64" else body
    return "\r\n".join([*lines, ""]).encode() + body + b"\r\n"


LETTERS = [  # subject, text, charset, what is looked for in them
    ("Straßenbahn", "Grüße aus München", "iso-8859-1", "STRASSEN", "grüsse"),
    ("Привет", "Как дела сегодня", "koi8-r", "привет", "ДЕЛА сег"),
    ("会議の件", "明日の会議は中止です", "iso-2022-jp", "会議", "会議は中止"),
    ("Zażółć", "gęślą jaźń", "iso-8859-2", "ZAŻÓŁĆ", "JAŹŃ"),
    ("中文主题", "今天天气很好", "gb2312", "文主", "天气"),
    ("Quote \" and * star", "she said \"yes\" (100%) \\ no", "utf-8", "\" and *", "\"YES\" (100%) \\"),
    ("Ελλάδα", "ΟΔΥΣΣΕΥΣ και Πηνελόπη", "iso-8859-7", "ΕΛΛΆΔΑ", "οδυσσευς"),
]


def append(client, octets):
    assert client.append("INBOX", None, None, octets)[0] == "OK"


def test_charsets_by_header_and_body(own_sandbox):
    client = own_sandbox.imap()
    for subject, text, charset, _, _ in LETTERS:
        append(client, encoded(subject, text, charset))
    parts = email.message.EmailMessage()
    parts["Subject"] = "outer"
    parts.set_content("plain words")
    parts.add_alternative("<p>in <b>html</b> words</p>", subtype="html")
    inner = email.message.EmailMessage()
    inner["Subject"] = "matryoshka"
    inner.set_content("deepest words")
    parts.add_attachment(inner)
    append(client, parts.as_bytes().replace(b"\n", b"\r\n"))
    before = [(search(client, "SUBJECT", head), search(client, "BODY", body)) for *_, head, body in LETTERS]
    assert before == [({i + 1}, {i + 1}) for i in range(len(LETTERS))]
    wait_indexed(own_sandbox, len(LETTERS) + 1)
    for i, (*_, head, body) in enumerate(LETTERS):
        for keys in (("SUBJECT", head), ("HEADER", "Subject", head), ("TEXT", head), ("BODY", body), ("TEXT", body)):
            assert search(client, *keys) == {i + 1}, keys
        assert search(client, "BODY", head) == set() or head.casefold() in body.casefold()
    last = len(LETTERS) + 1
    for word in ("plain words", "<b>html</b>", "matryoshka", "eepest word"):
        assert search(client, "BODY", word) == {last}, word
    assert search(client, "NOT", "BODY", "words") == set(range(1, last))
    assert search(client, "BODY", "no such thing") == set()
    client.logout()


def test_every_substring(own_sandbox):
    """Needles of every length, in a message that only the index has looked at and in one that nobody has."""
    client = own_sandbox.imap()
    text = "".join(chr(0x61 + i * 7 % 26) + (" " if i % 5 == 0 else "") for i in range(300))
    append(client, message("first", text).encode())
    append(client, message("second", text[::-1]).encode())
    wait_indexed(own_sandbox, 2)
    append(client, message("third", text).encode())
    for length in (1, 2, 3, 4, 17, 127, 128, 129, 200):
        for at in (0, 31, len(text) - length):
            needle = text[at:at + length].strip() or "a"
            want = {n for n, whole in ((1, text), (2, text[::-1]), (3, text)) if needle in whole}
            assert search(client, "BODY", needle) == want, needle
    client.logout()


def test_killed_while_it_indexes(own_sandbox):
    """SIGKILL of the role again and again while the index grows: searches are right at every moment and in the end."""
    dice = random.Random(3)
    for at in range(0, 1000, 200):
        client = wait_for(lambda: connect(own_sandbox), 60)
        for i in range(at, at + 200):
            append(client, message(f"letter {i}", f"number {i} of many\n" + f"word{i % 7} and common text " * 60).encode())
        time.sleep(dice.uniform(0, 2.5))  # what the indexer does just now
        assert len(search(client, "BODY", "common text")) == at + 200
        assert len(search(client, "BODY", "word3")) == len([i for i in range(at + 200) if i % 7 == 3])
        own_sandbox.kill("imap")
    client = wait_for(lambda: connect(own_sandbox), 60)
    assert len(search(client, "BODY", "common text")) == 1000
    wait_indexed(own_sandbox, 1000)
    assert len(search(client, "BODY", "common text")) == 1000
    assert search(client, "BODY", "number 999 of") == {1000}
    assert search(client, "SUBJECT", "letter 123") == {124}
    client.logout()


def connect(server):
    try:
        return server.imap()
    except OSError:
        return None


def files(server):
    return sorted(server.folder.glob("store/mail/search/*/*.db"))


@pytest.mark.parametrize("how", ["rebuild", "garbage", "gone"])
def test_made_anew(own_sandbox, how):
    client = own_sandbox.imap()
    for i in range(20):
        append(client, message(f"letter {i}", f"number {i} of many").encode())
    first = wait_indexed(own_sandbox, 20)
    assert first["contents"] == 20
    before = files(own_sandbox)
    assert len(before) == 1
    if how == "rebuild":
        own_sandbox.cli("search", "rebuild", "you")
    elif how == "garbage":
        with open(before[0], "r+b") as f:
            f.write(b"\xa5" * first["octets"])
    else:
        own_sandbox.stop()
        shutil.rmtree(before[0].parent)
        own_sandbox.start()
        client = own_sandbox.imap()
    assert search(client, "BODY", "number 7 of") == {8}
    append(client, message("one more", "number 7 of few").encode())
    assert search(client, "BODY", "number 7 of") == {8, 21}
    wait_for(lambda: files(own_sandbox) not in ([], before), 90)
    wait_indexed(own_sandbox, 21)
    assert search(client, "BODY", "number 7 of") == {8, 21}
    client.logout()


def test_expunged_and_moved(own_sandbox):
    client = own_sandbox.imap()
    for i in range(10):
        append(client, message(f"letter {i}", f"number {i} of many").encode())
    wait_indexed(own_sandbox, 10)
    assert client.select("INBOX")[0] == "OK"
    assert client.uid("MOVE", "1:5", "Archive")[0] == "OK"
    client.uid("STORE", "6", "+FLAGS.SILENT", r"(\Deleted)")
    client.expunge()
    assert search(client, "BODY", "of many") == {7, 8, 9, 10}
    wait_indexed(own_sandbox, 9)
    assert state(own_sandbox)["contents"] == 10  # nothing was indexed twice, and what is gone stays for a while
    assert search(client, "BODY", "of many") == {7, 8, 9, 10}
    assert client.select("Archive", readonly=True)[0] == "OK"
    assert len(client.uid("SEARCH", "BODY", '"of many"')[1][0].split()) == 5
    client.logout()


def test_switched_off(own_sandbox):
    client = own_sandbox.imap()
    append(client, message("letter", "number one").encode())
    wait_indexed(own_sandbox, 1)
    client.logout()
    own_sandbox.stop()
    text = own_sandbox.config.read_text()
    own_sandbox.config.write_text(text + "\nimap { search no }\n" if not re.search(r"^imap\s*{", text, re.M)
                                  else re.sub(r"^imap\s*{", "imap { search no;", text, flags=re.M))
    server = own_sandbox
    server.process = None
    start_served(server)
    assert wait_for(lambda: files(server) == [], 10)
    client = server.imap()
    assert search(client, "BODY", "number one") == {1}
    client.logout()


def start_served(server):
    """The same folder under `serve`, which leaves the configuration as it is."""
    with open(server.output, "ab") as out:
        server.process = subprocess.Popen([SLUICE, "serve", "-c", server.config], stdout=out, stderr=out,
                                          stdin=subprocess.DEVNULL)
    server.wait_ready()


def test_reload_hands_over(own_sandbox):
    """The new generation's indexer goes on where the old one left, while the old one's sessions still search."""
    client = own_sandbox.imap()
    append(client, message("letter", "number one").encode())
    wait_indexed(own_sandbox, 1)
    own_sandbox.process.send_signal(signal.SIGHUP)
    own_sandbox.cli("reload")
    append(client, message("letter", "number two").encode())
    assert search(client, "BODY", "number") == {1, 2}
    wait_indexed(own_sandbox, 2)
    other = own_sandbox.imap()
    assert search(other, "BODY", "number two") == {2}
    other.logout()
