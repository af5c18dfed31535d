"""Several clients at random against a model of what two mailboxes hold: every reply is what the model says.

One step is one command of one session, so the model always knows the truth; what varies is how much of it each session
has been told.  After each step: what the reply carries is true (numbers, UIDs, flags); what the session now believes is
the truth, as far as the command allows it to be told; and a session that only watches reads all modseqs, which never go
back and rise with every change.  A session with QRESYNC goes away and comes back, and is told exactly what it missed.
"""
import os
import random

import pytest
from imapbox import imap_box, letter
from imapwire import Literal, WireError, numbers

STEPS = int(os.environ.get("SLUICE_MODEL_STEPS", "1200"))
SEED = int(os.environ.get("SLUICE_SEED", "2026"))
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "alpha", "Beta"]
BOXES = ["INBOX", "Neutral"]  # names that set no $Junk and no $NotJunk


class Truth:
    """A mailbox as it is: {uid: (flags, subject)} in the order of UIDs, and the modseqs that the watcher read."""

    def __init__(self, watcher):
        self.messages, self.subjects, self.modseq = {}, {}, {}
        self.uidnext, self.highest, self.changed, self.touched = 1, 0, set(), set()
        self.watcher = watcher

    def add(self, subject, flags):
        uid = self.uidnext
        self.uidnext += 1
        self.messages[uid], self.subjects[uid] = frozenset(flags), subject
        self.changed.add(uid)
        return uid

    def set(self, uid, flags):
        """What is stored again as it was may get a new modseq, or keep it."""
        (self.changed if self.messages[uid] != frozenset(flags) else self.touched).add(uid)
        self.messages[uid] = frozenset(flags)

    def remove(self, uid):
        del self.messages[uid], self.subjects[uid]
        self.modseq.pop(uid, None)

    def uids(self):
        return list(self.messages)

    def check(self):
        """The server's state is this one, and the modseqs move as they may."""
        w = self.watcher
        w.ok("NOOP")
        now = {}
        if self.messages:
            now = {i["UID"]: i for _, i in w.ok("UID FETCH 1:* (FLAGS MODSEQ)").fetched()}
        assert {u: frozenset(i["FLAGS"]) - {"\\Recent"} for u, i in now.items()} == self.messages
        before = max([self.highest, *self.modseq.values()])
        for uid, items in now.items():
            modseq, old = items["MODSEQ"], self.modseq.get(uid)
            if uid in self.changed:
                assert modseq > before, f"UID {uid} changed, its modseq {modseq} is not above {before}"
            elif uid not in self.touched:
                assert modseq == old, f"UID {uid} did not change, its modseq went from {old} to {modseq}"
            self.modseq[uid] = modseq
        self.highest = max([before, *self.modseq.values()])
        self.changed, self.touched = set(), set()


class Client:
    """One session, and what it must believe."""

    def __init__(self, play, kind):
        self.play, self.dice, self.kind = play, play.dice, kind
        self.where, self.top, self.kept = None, 0, {}
        self.open()

    def __repr__(self):
        return f"{self.kind} in {self.where}"

    def open(self):
        self.s = self.play.box.session(self.play.user)
        if self.kind in ("QRESYNC", "IMAP4rev2", "CONDSTORE"):
            self.s.enable(self.kind)
        elif self.kind == "compressed":
            self.s.compress()
        self.select()

    @property
    def truth(self):
        return self.play.truth[self.where]

    @property
    def view(self):
        return self.s.mirror.uids()

    # -- believing ----------------------------------------------------------

    def believe(self, everything):
        """New messages are those of the truth behind the last; with `everything` all else is as it is, too."""
        m, truth = self.s.mirror, self.truth
        new = [u for u in truth.uids() if u > self.top]
        unnamed = [x for x in m.messages if x.uid is None]
        known = {x.uid for x in m.messages}
        named_new = [u for u in new if u in known]
        if unnamed:
            new = [u for u in new if u not in known]
            assert len(unnamed) == len(new), f"{len(unnamed)} new ones, not {len(new)}"
            for x, uid in zip(unnamed, new):
                x.uid = uid
        assert m.uids() == sorted(m.uids()), m.uids()
        self.top = max([self.top, *m.uids(), *named_new])
        if not everything:
            gone = set(m.uids()) - set(truth.uids())
            assert all(u <= self.top for u in gone)
            return
        assert m.uids() == truth.uids(), f"{self}: believes {m.uids()}, it is {truth.uids()}"
        for x in m.messages:
            assert x.flags is None or x.flags == truth.messages[x.uid], \
                f"{self}: UID {x.uid} has {set(truth.messages[x.uid])}, it believes {set(x.flags)}"

    def told(self, result):
        """All flags in the answer are true, by now."""
        for r in result.untagged:
            if r.kind == "FETCH" and "FLAGS" in r.data:
                uid = r.data.get("UID")
                if uid in self.truth.messages:
                    assert frozenset(r.data["FLAGS"]) - {"\\Recent"} == self.truth.messages[uid], (uid, r.data)
        return result

    # -- choosing -------------------------------------------------------------

    def choose(self):
        """(text of a set, the UIDs it names); by numbers or by UIDs."""
        by_uid = self.dice.random() < 0.5
        view = self.view
        if not view and not by_uid:
            return None
        every = sorted({*view, *self.truth.uids()}) if by_uid else list(range(1, len(view) + 1))
        if not every:
            return None
        picked = self.dice.sample(every, self.dice.randint(1, min(4, len(every))))
        text = ",".join(map(str, picked))
        if self.dice.random() < 0.3:
            low, high = min(picked), max(picked)
            text, picked = f"{high}:{low}", [n for n in every if low <= n <= high]
        if self.dice.random() < 0.1:
            text, picked = f"{every[-1] if not by_uid else max(view or [1])}:*", every[-1:]
            if by_uid:
                picked = [u for u in view if u >= max(view)] if view else []
        uids = sorted(picked if by_uid else {view[n - 1] for n in picked})
        return by_uid, text, [u for u in uids if u in view]

    def flags(self):
        return self.dice.sample(FLAGS, self.dice.randint(0, 3))

    # -- commands ---------------------------------------------------------------

    def noop(self):
        self.told(self.s.ok(self.dice.choice(["NOOP", "CHECK"])))
        self.believe(True)

    def append(self):
        where, flags = self.dice.choice(BOXES), self.flags()
        truth = self.play.truth[where]
        subjects = [self.play.subject() for _ in range(self.dice.choice([1, 1, 3]))]
        parts = [p for x in subjects for p in (f" ({' '.join(flags)}) ", Literal(letter(x)))]
        before = truth.uidnext
        uids = [truth.add(x, flags) for x in subjects]
        result = self.told(self.s.ok(f"APPEND {where}", *parts))
        assert result.code == "APPENDUID" and result.argument[1] == uids, (result.argument, before)
        self.believe(True)

    def store(self):
        chosen = self.choose()
        if not chosen:
            return
        by_uid, text, uids = chosen
        op, flags, silent = self.dice.choice(["", "+", "-"]), self.flags(), self.dice.random() < 0.3
        since, failed = self.unchanged_since(uids)
        truth, there = self.truth, [u for u in uids if u in self.truth.messages and u not in failed]
        if self.s.mirror.readonly:
            answer = self.s.command(f"{'UID ' * by_uid}STORE {text} {op}FLAGS ({' '.join(flags)})")
            assert answer.kind == "NO"
            return self.believe(by_uid)
        for uid in there:
            old = truth.messages[uid]
            truth.set(uid, {"": set(flags), "+": old | set(flags), "-": old - set(flags)}[op])
        condition = f"(UNCHANGEDSINCE {since}) " if since else ""
        result = self.told(self.s.ok(f"{'UID ' * by_uid}STORE {text} {condition}{op}FLAGS{'.SILENT' * silent} "
                                     f"({' '.join(flags)})"))
        if failed:
            numbered = sorted(numbers(result.argument)) if result.code == "MODIFIED" else None
            wanted = sorted(failed if by_uid else [self.view.index(u) + 1 for u in failed if u in self.view])
            assert numbered == wanted, f"MODIFIED {numbered}, not {wanted}"
        if silent:
            for x in self.s.mirror.messages:
                if x.uid in there and x.flags is not None:
                    x.flags = truth.messages[x.uid]  # what a client does by itself
        else:
            seen = self.seen(result, "FLAGS")
            assert set(there) <= seen, f"stored {there}, told {sorted(seen)}"
        self.believe(by_uid)

    def unchanged_since(self, uids):
        """Sometimes: a modseq, and which of the UIDs have a later one."""
        modseqs = [self.truth.modseq[u] for u in uids if u in self.truth.messages]
        if self.kind in ("rev1", "compressed") or not modseqs or self.dice.random() < 0.6:
            return None, []
        since = self.dice.choice(modseqs)
        return since, [u for u in uids if u in self.truth.messages and self.truth.modseq[u] > since]

    def seen(self, result, item):
        """UIDs whose FETCH responses carry the item."""
        found = set()
        for seq, items in result.fetched():
            if item in items:
                found.add(items.get("UID") or self.at(result, seq))
        return found

    def at(self, result, seq):
        """The UID behind a number that was said during a command: none that tell numbers without UIDs expunge."""
        assert not any(r.kind in ("EXPUNGE", "VANISHED") for r in result.untagged[:-1]) or self.view
        return self.view[seq - 1] if seq <= len(self.view) else None

    def fetch(self):
        chosen = self.choose()
        if not chosen:
            return
        by_uid, text, uids = chosen
        there = [u for u in uids if u in self.truth.messages]
        sets_seen = self.dice.random() < 0.2 and not self.s.mirror.readonly
        items = "(UID FLAGS BODY[HEADER.FIELDS (SUBJECT)])" if sets_seen else \
                "(FLAGS UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        if sets_seen:
            for uid in there:
                if "\\Seen" not in self.truth.messages[uid]:
                    self.truth.set(uid, self.truth.messages[uid] | {"\\Seen"})
        subjects = {u: self.truth.subjects[u] for u in there}
        answer = self.s.command(f"{'UID ' * by_uid}FETCH {text} {items}")
        assert answer.kind == "OK" or len(there) < len(uids), answer.tagged  # RFC 2180 4.1
        self.told(answer)
        got = {i["UID"]: i["BODY[HEADER.FIELDS (SUBJECT)]"] for _, i in answer.fetched() if len(i) > 3 or
               "BODY[HEADER.FIELDS (SUBJECT)]" in i}
        assert set(got) == set(there), f"asked for {there}, got {sorted(got)}"
        for uid, head in got.items():
            assert head.strip() == f"Subject: {subjects[uid]}".encode()
        self.believe(by_uid)

    def search(self):
        by_uid = self.dice.random() < 0.5
        text, test = self.key(2)
        matching = [u for u in self.view if u in self.truth.messages and test(u)]
        view = self.view
        wanted = matching if by_uid else [view.index(u) + 1 for u in matching]
        if self.dice.random() < 0.4:
            return self.esearch(by_uid, text, matching, wanted)
        if self.dice.random() < 0.3:
            return self.sort(by_uid, text, matching)
        result = self.told(self.s.ok(f"{'UID ' * by_uid}SEARCH {text}"))
        if self.kind == "IMAP4rev2":
            found = result.one("ESEARCH")
            assert found.uid == by_uid and sorted(numbers(found.data["ALL"]) if "ALL" in found.data else []) == wanted
        else:
            assert result.one("SEARCH")[0] == wanted, f"{text}: {result.one('SEARCH')[0]}, not {wanted}"
        self.believe(by_uid)

    def esearch(self, by_uid, text, matching, wanted):
        """RETURN with what is asked, and SAVE, which "$" then means (RFC 5182)."""
        asked = self.dice.sample(["MIN", "MAX", "COUNT", "ALL"], self.dice.randint(1, 4))
        save = self.dice.random() < 0.5
        result = self.told(self.s.ok(f"{'UID ' * by_uid}SEARCH RETURN ({' '.join(asked + ['SAVE'] * save)}) {text}"))
        found = result.one("ESEARCH")
        right = {"COUNT": len(wanted)} if "COUNT" in asked else {}
        if wanted:
            right |= {k: v for k, v in (("MIN", wanted[0]), ("MAX", wanted[-1]), ("ALL", wanted)) if k in asked}
        got = {k: sorted(numbers(v)) if k == "ALL" else v for k, v in found.data.items()}
        assert found.uid == by_uid and got == right, f"{text}: {got}, not {right}"
        self.believe(by_uid)
        if not save:
            return
        kept = matching if {"ALL", "COUNT"} & set(asked) else \
            sorted({matching[i] for i, k in ((0, "MIN"), (-1, "MAX")) if k in asked}) if matching else []
        answer = self.told(self.s.ok("UID FETCH $ (FLAGS UID)"))
        assert set(kept) <= {i["UID"] for _, i in answer.fetched()}, f"$ is {answer.fetched()}, not {kept}"
        self.believe(True)

    def sort(self, by_uid, text, matching):
        """By subject, which is compared as text; what is equal stays as it was, also when reversed (RFC 5256 3)."""
        reverse = self.dice.random() < 0.5
        ordered = sorted(matching, key=lambda u: self.truth.subjects[u], reverse=reverse)
        wanted = ordered if by_uid else [self.view.index(u) + 1 for u in ordered]
        result = self.told(self.s.ok(f"{'UID ' * by_uid}SORT ({'REVERSE ' * reverse}SUBJECT) UTF-8 {text}"))
        assert result.one("SORT")[0] == wanted, f"SORT {text}: {result.one('SORT')[0]}, not {wanted}"
        self.believe(by_uid)

    def replace(self):
        """One goes, another comes, in one step (RFC 8508)."""
        if self.s.mirror.readonly or not self.view:
            return
        self.noop()
        if not self.view:
            return
        uid, to, flags, subject = self.dice.choice(self.view), self.dice.choice(BOXES), self.flags(), self.play.subject()
        by_uid = self.dice.random() < 0.5
        number = uid if by_uid else self.view.index(uid) + 1
        self.truth.remove(uid)
        new = self.play.truth[to].add(subject, flags)
        result = self.told(self.s.ok(f"{'UID ' * by_uid}REPLACE {number} {to} ({' '.join(flags)}) ",
                                     Literal(letter(subject))))
        code = result.codes().get("APPENDUID") or (result.argument if result.code == "APPENDUID" else None)
        assert code and code[1] == [new], f"APPENDUID {code}, not {new}"
        self.believe(True)

    def key(self, depth):
        """A search key, and a test of a UID."""
        def flags(u):
            return {f.lower() for f in self.truth.messages[u]}
        kind = self.dice.randrange(9 if depth else 6)
        if kind < 2:
            name = self.dice.choice(["seen", "answered", "flagged", "deleted", "draft"])
            return (name, lambda u: "\\" + name in flags(u)) if kind else \
                   ("un" + name, lambda u: "\\" + name not in flags(u))
        if kind == 2:
            return "KEYWORD ALPHA", lambda u: "alpha" in flags(u)
        if kind == 3:
            low = self.dice.randrange(1, self.truth.uidnext + 1)
            return f"UID {low}:{low + 5}", lambda u: low <= u <= low + 5
        if kind == 4:
            part = str(self.dice.randrange(30))
            return f'SUBJECT "{part}"', lambda u: part in self.truth.subjects[u]
        if kind == 5:
            return "ALL", lambda u: True
        one, first = self.key(depth - 1)
        if kind == 6:
            return f"NOT {one}", lambda u: not first(u)
        other, second = self.key(depth - 1)
        if kind == 7:
            return f"OR {one} {other}", lambda u: first(u) or second(u)
        return f"({one} {other})", lambda u: first(u) and second(u)

    def copy(self, move=False):
        chosen = self.choose()
        if not chosen:
            return
        by_uid, text, uids = chosen
        to = self.dice.choice(BOXES)
        verb = f"{'UID ' * by_uid}{'MOVE' if move else 'COPY'} {text} {to}"
        if move and self.s.mirror.readonly:
            assert self.s.command(verb).kind == "NO"
            return self.believe(True)
        into, there = self.play.truth[to], [u for u in uids if u in self.truth.messages]
        new = [into.add(self.truth.subjects[u], self.truth.messages[u]) for u in there]
        if move:
            for uid in there:
                self.truth.remove(uid)
        answer = self.s.command(verb)
        assert answer.kind == "OK" or len(there) < len(uids), answer.tagged
        code = answer.codes().get("COPYUID") if move else (answer.argument if answer.code == "COPYUID" else None)
        assert (code[1:] == (there, new)) if there else code is None, f"COPYUID {code}, not {there} {new}"
        self.told(answer)
        self.believe(True)

    def move(self):
        self.copy(move=True)

    def expunge(self):
        if self.s.mirror.readonly:
            assert self.s.command("EXPUNGE").kind == "NO"
            return self.believe(True)
        by_uid, text, uids = self.choose() or (False, "", [])
        by_uid = by_uid and self.dice.random() < 0.7
        for uid in uids if by_uid else self.truth.uids():
            if "\\Deleted" in self.truth.messages.get(uid, ()):
                self.truth.remove(uid)
        self.told(self.s.ok(f"UID EXPUNGE {text}" if by_uid else "EXPUNGE"))
        self.believe(True)

    def close(self):
        if self.kind == "QRESYNC":
            return self.leave()
        if not self.s.mirror.readonly and self.dice.random() < 0.5:
            for uid in self.truth.uids():
                if "\\Deleted" in self.truth.messages[uid]:
                    self.truth.remove(uid)
            self.s.ok("CLOSE")
        self.select()

    def select(self):
        self.where, self.top = self.dice.choice(BOXES), 0
        if self.kind == "QRESYNC" and self.where in self.kept:
            return self.come_back()
        self.s.select(self.where, examine=self.dice.random() < 0.15)
        self.look()

    def look(self):
        """A first look at all flags."""
        m = self.s.mirror
        assert len(m.messages) == len(self.truth.messages) and m.uidnext == self.truth.uidnext
        self.top = max(self.truth.uids(), default=0)
        if m.messages:
            self.s.ok("FETCH 1:* (UID FLAGS" + (" MODSEQ)" if self.kind == "QRESYNC" else ")"))
        self.believe(True)

    def idle(self):
        with self.s.idle():
            for other in self.dice.sample(self.play.clients, 2):
                if not other.s.idling:
                    other.step()
        self.noop()

    # -- QRESYNC -----------------------------------------------------------------

    def leave(self):
        """Remember what a mail program keeps on disk, and go."""
        self.noop()
        m = self.s.mirror
        if m.messages:
            self.s.ok("FETCH 1:* (UID FLAGS MODSEQ)")
        highest = max([m.highestmodseq or 1, *(x.modseq or 0 for x in m.messages)])
        self.kept[self.where] = (m.uidvalidity, highest, {x.uid: x.flags for x in m.messages})
        if self.dice.random() < 0.3:
            self.s.logout()
            self.open()
        else:
            self.s.ok("UNSELECT")
            self.select()

    def come_back(self):
        validity, highest, old = self.kept[self.where]
        known = f" {','.join(map(str, old))}" if old and self.dice.random() < 0.5 else ""
        before = dict(self.truth.messages)
        self.s.mirror = None
        result = self.s.select(self.where, f" (QRESYNC ({validity} {highest}{known}))")
        gone = {u for earlier, uids in result.all("VANISHED") for u in uids}
        assert all(earlier for earlier, _ in result.all("VANISHED"))
        assert not gone & set(before), f"vanished {sorted(gone)}, but {sorted(gone & set(before))} are there"
        assert set(old) - set(before) == gone & set(old), f"vanished {sorted(gone)} of {sorted(old)}; {sorted(before)}"
        state = {u: f for u, f in old.items() if u not in gone}
        for _, items in result.fetched():
            uid = items["UID"]
            assert items["MODSEQ"] > highest, f"UID {uid} of {items['MODSEQ']} told again: not after {highest}"
            state[uid] = frozenset(items["FLAGS"]) - {"\\Recent"}
        missed = {u for u, modseq in self.truth.modseq.items() if modseq > highest}
        assert {i["UID"] for _, i in result.fetched()} == (missed if not known else missed & set(old)) or \
            {i["UID"] for _, i in result.fetched()} == missed
        assert {u: f for u, f in before.items() if u in state} == {u: f for u, f in state.items() if u in before}
        if not known:
            assert state == before
        self.look()

    def prune(self):
        """So that mailboxes stay small: half of one goes."""
        truth = self.play.truth[self.where]
        if self.s.mirror.readonly:
            return self.select()
        self.noop()
        for uid in self.view[::2]:
            truth.remove(uid)
        self.s.ok(f"UID STORE {','.join(map(str, self.view[::2]))} +FLAGS.SILENT (\\Deleted)")
        for uid in self.truth.uids():
            if "\\Deleted" in self.truth.messages[uid]:
                truth.remove(uid)
        self.s.ok("EXPUNGE")
        for uid in self.truth.uids():
            assert "\\Deleted" not in self.truth.messages[uid]
        self.noop()

    def step(self):
        if len(self.truth.messages) > 24:
            self.play.log.append(f"{self}: prune")
            return self.prune()
        what = self.dice.choices([self.noop, self.append, self.store, self.fetch, self.search, self.copy, self.move,
                                  self.expunge, self.close, self.replace, self.idle],
                                 [8, 8, 20, 14, 12, 5, 7, 5, 4, 3, 1])[0]
        self.play.log.append(f"{self}: {what.__name__}")
        what()


class Play:
    def __init__(self, box, seed):
        self.box, self.dice, self.count, self.log = box, random.Random(seed), 0, []
        self.user = box.person()
        with box.session(self.user) as s:
            s.ok("CREATE Neutral")
        kinds = ["rev1", "compressed", "CONDSTORE", "QRESYNC", "IMAP4rev2"]
        self.truth = {}
        for name in BOXES:
            watcher = box.session(self.user)
            watcher.enable("CONDSTORE")
            watcher.select(name, examine=True)
            self.truth[name] = Truth(watcher)
        self.clients = [Client(self, kind) for kind in kinds]

    def subject(self):
        self.count += 1
        return f"letter {self.count}"

    def run(self, steps):
        for _ in range(steps):
            client = self.dice.choice(self.clients)
            client.step()
            for truth in self.truth.values():
                truth.check()


@pytest.fixture(scope="module")
def box():
    with imap_box() as server:
        yield server


@pytest.mark.parametrize("round_", range(2))
def test_model(box, round_):
    play = Play(box, SEED + round_)
    try:
        play.run(STEPS // 2)
    except (AssertionError, WireError) as error:
        error.add_note(f"seed {SEED + round_}, step {len(play.log)}; the last steps:\n  " + "\n  ".join(play.log[-8:]))
        for client in play.clients:
            error.add_note(f"{client}:\n" + "\n".join(f"    {who} {o[:200]!r}" for who, o in list(client.s.talk)[-8:]))
        raise
