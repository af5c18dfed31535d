"""SIGKILL while clients append, flag, copy, move and expunge; then: what was acknowledged stands, and QRESYNC tells it all.

Each letter has a name of its own, so after a crash the state can be compared with what was answered.  A command whose
answer never came may have been done or not, but not by half: MOVE leaves each letter in one mailbox or the other.
"""
import contextlib
import os
import random
import threading
import time

from conftest import trusting, wait_for
from imapbox import letter
from imapwire import Literal, Refused, Session

ROUNDS = min(int(os.environ.get("SLUICE_CRASH_ROUNDS", "5")), 200)
CLIENTS = 4
BOXES = ["INBOX", "Archive"]
TROUBLE = (OSError, Refused, EOFError)  # the server went away, or is just leaving


def connect(sandbox, *enable):
    s = Session(sandbox.port("imaps"), tls=trusting(), timeout=10)
    s.login("you@sandbox.test", "sandbox")
    if enable:
        s.enable(*enable)
    return s


class Worker(threading.Thread):
    """One client with letters of its own.  What it knows of each: {name: (mailbox, flags)}, None when it is gone; and of
    those whose command had no answer, `unsure`, what they may be."""

    def __init__(self, sandbox, number, known, dice, over):
        super().__init__()
        self.sandbox, self.number, self.dice, self.over = sandbox, number, dice, over
        self.known, self.unsure, self.count, self.done, self.error = known, {}, 0, 0, None

    def run(self):
        try:
            while not self.over.is_set():
                with contextlib.suppress(*TROUBLE):
                    self.session()
                time.sleep(0.01)
        except Exception as error:  # noqa: BLE001 - the test shows it
            self.error = error

    def session(self):
        with connect(self.sandbox) as self.s:
            self.box = self.dice.choice(BOXES)
            self.s.select(self.box)
            while not self.over.is_set():
                self.dice.choices([self.append, self.store, self.move, self.copy_over, self.expunge],
                                  [5, 5, 3, 1, 2])[0]()
                self.done += 1

    def mine(self):
        """A letter of mine here that is surely there, and its UID."""
        names = [n for n, k in self.known.items() if k and k[0] == self.box and n not in self.unsure]
        if not names:
            return None, None
        name = self.dice.choice(names)
        found = self.s.ok(f'UID SEARCH SUBJECT "{name}."').one("SEARCH")[0]
        assert len(found) == 1, f"{name} is {len(found)} times in {self.box}"
        return name, found[0]

    def acknowledged(self, name, state, *command):
        """From sending to the answer it is as before or as asked; afterwards as asked."""
        self.unsure.setdefault(name, []).extend([self.known[name], state])
        self.s.ok(*command)
        self.known[name] = state
        del self.unsure[name]

    def append(self):
        self.count += 1
        name = f"w{self.number}n{len(self.known)}x{self.count}"
        flags = frozenset(self.dice.sample(["\\Seen", "\\Flagged", "kept"], self.dice.randint(0, 2)))
        text = letter(name + ".", "x" * self.dice.randrange(10, 9000) + "\n")
        self.known[name] = None
        self.acknowledged(name, (self.box, flags), f"APPEND {self.box} ({' '.join(flags)}) ", Literal(text))

    def store(self):
        name, uid = self.mine()
        if name:
            flags = frozenset(self.dice.sample(["\\Seen", "\\Flagged", "\\Answered", "kept"], self.dice.randint(0, 3)))
            self.acknowledged(name, (self.box, flags), f"UID STORE {uid} FLAGS ({' '.join(flags)})")

    def move(self):
        name, uid = self.mine()
        if name:
            to = BOXES[1 - BOXES.index(self.box)]
            self.acknowledged(name, (to, self.known[name][1]), f"UID MOVE {uid} {to}")

    def copy_over(self):
        """To a third mailbox, which is only watched for UIDs and modseqs."""
        name, uid = self.mine()
        if name:
            self.s.ok(f"UID COPY {uid} Trash")

    def expunge(self):
        name, uid = self.mine()
        if name:
            box, flags = self.known[name]
            self.unsure[name] = [self.known[name], (box, flags | {"\\Deleted"})]
            self.s.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
            self.acknowledged(name, None, f"UID EXPUNGE {uid}")


class State:
    """A mailbox as a full FETCH shows it."""

    def __init__(self, session, name):
        m = session.select(name) and session.mirror
        self.validity, self.uidnext, self.highest = m.uidvalidity, m.uidnext, m.highestmodseq
        self.messages = {}
        if m.messages:
            for _, i in session.ok("FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetched():
                subject = i["BODY[HEADER.FIELDS (SUBJECT)]"].decode().partition(":")[2].strip().rstrip(".")
                flags = frozenset(f for f in i["FLAGS"] if f not in ("\\Recent", "$Junk", "$NotJunk"))
                self.messages[i["UID"]] = (subject, flags, i["MODSEQ"])

    def follows(self, before):
        """UIDs are not used again, modseqs do not go back, and what changed has a higher one than all had before."""
        assert self.validity == before.validity
        assert self.uidnext >= before.uidnext and self.highest >= before.highest
        for uid, (name, flags, modseq) in self.messages.items():
            assert modseq <= self.highest and uid < self.uidnext
            if uid < before.uidnext:
                assert uid in before.messages, f"UID {uid} came back"
                old_name, old_flags, old_modseq = before.messages[uid]
                assert name == old_name, f"UID {uid} was {old_name}, now {name}"
                assert modseq >= old_modseq, f"the modseq of UID {uid} went back"
                assert flags == old_flags or modseq > before.highest, f"UID {uid} changed within its modseq"
            else:
                assert modseq > before.highest, f"UID {uid} is new, its modseq {modseq} is not"


def resynced(session, name, before, now):
    """What QRESYNC tells a client of `before` makes it `now`, without a message that did not change."""
    known = f" 1:{before.uidnext - 1}" if before.uidnext > 1 else ""
    result = session.select(name, f" (QRESYNC ({before.validity} {before.highest}{known}))")
    gone = {u for _, uids in result.all("VANISHED") for u in uids}
    told = {i["UID"]: i for _, i in result.fetched()}
    assert set(before.messages) - set(now.messages) == gone & set(before.messages)
    assert not gone & set(now.messages)
    changed = {u for u, (_, _, modseq) in now.messages.items() if modseq > before.highest}
    assert {u for u in changed if u < before.uidnext} <= set(told) <= changed, \
        f"changed {sorted(changed)}, told {sorted(told)}"
    for uid, items in told.items():
        flags = frozenset(f for f in items["FLAGS"] if f not in ("\\Recent", "$Junk", "$NotJunk"))
        assert flags == now.messages[uid][1] and items["MODSEQ"] == now.messages[uid][2]


def compare(states, workers):
    """All that was acknowledged, and nothing from nowhere."""
    where = {}
    for box, state in states.items():
        if box in BOXES:
            for name, flags, _ in state.messages.values():
                where.setdefault(name, []).append((box, flags))
    for w in workers:
        assert not w.error, w.error
        for name, wanted in w.known.items():
            found = where.pop(name, [])
            if name in w.unsure:
                assert len(found) <= 1, f"{name} is there {len(found)} times: {found}"
                may = w.unsure[name]
                assert (found[0] if found else None) in may, f"{name} may be {may}, is {found}"
                w.known[name] = found[0] if found else None  # from now on this is known
            else:
                assert found == ([wanted] if wanted else []), f"{name} should be {wanted}, is {found}"
        w.unsure = {}
    assert not where, f"from nowhere: {where}"


def all_states(sandbox):
    with contextlib.suppress(*TROUBLE):
        with connect(sandbox, "CONDSTORE") as s:
            return {box: State(s, box) for box in (*BOXES, "Trash")}
    return None


def one_round(sandbox, workers, over, who, dice):
    """Work, then SIGKILL in the middle of it, then the server is there again."""
    for w in workers:
        w.start()
    try:
        wait_for(lambda: sum(w.done for w in workers) >= 30 or any(w.error for w in workers), 60)
        time.sleep(dice.uniform(0.0, 0.5))
        with contextlib.suppress(KeyError):  # the role may be between two lives
            sandbox.kill(who)
        if who == "tree":
            sandbox.start()
        else:
            time.sleep(dice.uniform(0.1, 0.4))
    finally:
        over.set()
        for w in workers:
            w.join()
    sandbox.wait_ready()


def judge(sandbox, workers, before, now):
    compare(now, workers)
    for box, state in now.items():
        state.follows(before[box])
    with connect(sandbox, "QRESYNC") as s:
        for box, state in now.items():
            resynced(s, box, before[box], state)


def test_rounds(own_sandbox):
    sandbox = own_sandbox
    dice = random.Random(int(os.environ.get("SLUICE_SEED", "2026")))
    before, known, total = all_states(sandbox), [{} for _ in range(CLIENTS)], 0
    for round_ in range(ROUNDS):
        over = threading.Event()
        workers = [Worker(sandbox, n, known[n], random.Random(dice.random()), over) for n in range(CLIENTS)]
        who = dice.choice(["imap", "imap", "imap", "queue", "smtp", "tree", "tree"])
        one_round(sandbox, workers, over, who, dice)
        now = wait_for(lambda: all_states(sandbox))
        try:
            judge(sandbox, workers, before, now)
        except AssertionError as error:
            error.add_note(f"round {round_}, {who} was killed")
            raise
        before, total = now, total + sum(w.done for w in workers)
    assert total > ROUNDS * 20, total
    report = sandbox.cli("store", "check")
    assert report.returncode == 0, report.stdout + report.stderr
    print(f"\n{ROUNDS} rounds, {total} commands acknowledged")
