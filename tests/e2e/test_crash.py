"""SIGKILL of a random role or of the whole tree under load: nothing acknowledged is lost, nothing is there twice.

A message whose reply the client never read may be there or not: the server may have committed it just before it
died.  These are counted and shown.
"""
import contextlib
import os
import random
import re
import smtplib
import threading
import time

from conftest import message, wait_for

ROUNDS = int(os.environ.get("SLUICE_CRASH_ROUNDS", "20"))
CONNECTIONS = 20


class Load:
    """Twenty senders, each message with an id of its own, until told to stop."""

    def __init__(self, sandbox, round_):
        self.sandbox, self.round = sandbox, round_
        self.acknowledged, self.unknown, self.refused = set(), set(), 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(CONNECTIONS)]
        for t in self.threads:
            t.start()

    def work(self, n):
        i = 0
        while not self.over.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException):
                with smtplib.SMTP("127.0.0.1", self.sandbox.port("smtp"), "client.example", timeout=10) as client:
                    while not self.over.is_set():
                        i += 1
                        self.one(client, f"r{self.round}-c{n}-{i}")
            time.sleep(0.01)

    def one(self, client, name):
        for line in ("EHLO client.example", "MAIL FROM:<a@b.example>", "RCPT TO:<you@sandbox.test>", "DATA"):
            code, text = client.docmd(line)
            if code >= 400:
                self.refused += 1
                raise smtplib.SMTPResponseException(code, text)
        with self.lock:
            self.unknown.add(name)  # from here on the server may have it
        client.send(message(name, "x" * random.randrange(10, 6000)).encode() + b".\r\n")
        code, text = client.getreply()
        with self.lock:
            self.unknown.discard(name)
            if code == 250:
                self.acknowledged.add(name)
            else:
                self.refused += 1

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join()


def stored(sandbox, after_uid):
    """(names in INBOX with a UID above, highest UID)."""
    client = sandbox.imap()
    client.select("INBOX", readonly=True)
    kind, data = client.uid("FETCH", f"{after_uid + 1}:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    names, top = [], after_uid
    for d in data:
        if isinstance(d, tuple):
            uid = int(re.search(rb"UID (\d+)", d[0]).group(1))
            if uid > after_uid:
                names.append(d[1].decode().partition(":")[2].strip())
                top = max(top, uid)
    client.logout()
    return names, top


def test_rounds(own_sandbox):
    sandbox = own_sandbox
    dice = random.Random(int(os.environ.get("SLUICE_SEED", "2026")))
    total = {"acknowledged": 0, "unknown": 0, "unknown but there": 0, "refused": 0}
    last_uid = 0
    for round_ in range(ROUNDS):
        load = Load(sandbox, round_)
        try:
            time.sleep(dice.uniform(0.2, 0.8))
            who = dice.choice(["smtp", "smtp", "queue", "imap", "auth", "tree", "tree"])
            with contextlib.suppress(KeyError):  # the role may be between two lives
                sandbox.kill(who)
            if who == "tree":
                sandbox.start()
            else:
                time.sleep(dice.uniform(0.1, 0.5))
        finally:
            load.stop()
        sandbox.wait_ready()
        names, last_uid = wait_for(lambda: stored(sandbox, last_uid))
        there = set(names)
        assert len(names) == len(there), f"round {round_} ({who}): twice: {sorted(n for n in there if names.count(n) > 1)}"
        lost = load.acknowledged - there
        assert not lost, f"round {round_} ({who}): acknowledged but lost: {sorted(lost)}"
        assert there <= load.acknowledged | load.unknown, f"round {round_}: from nowhere"
        total["acknowledged"] += len(load.acknowledged)
        total["unknown"] += len(load.unknown)
        total["unknown but there"] += len(there & load.unknown)
        total["refused"] += load.refused
    assert total["acknowledged"] > ROUNDS * 20, total
    report = sandbox.cli("store", "check")
    assert report.returncode == 0, report.stdout + report.stderr
    print(f"\n{ROUNDS} rounds: {total}")
