"""Every command: its right form, its mistakes, in each state; over TLS, after STARTTLS, and in the clear.

A transcript (tests/imap/*.talk) is text.  "C:" is sent (after a tag); "S:" is what the tagged answer must be: its kind,
its response code when there is one, and a pattern for the words after it; "*:" is a pattern for an untagged response
that must come before it.  In C lines <<text>> is a literal that waits for "+", <<+text>> one that does not, and \\r \\n \\0 \\xNN are octets.
"""
import re

import pytest
from conftest import ROOT, trusting
from imapbox import imap_box, letter
from imapwire import Literal, Pending, Session, quoted

BEFORE, LOGGED_IN, SELECTED = "before login", "logged in", "selected"


@pytest.fixture(scope="module")
def box():
    with imap_box() as server:
        yield server


# -- which command may be given when ------------------------------------------------

STATES = [  # a right form, and where it may be given
    ("CAPABILITY", (BEFORE, LOGGED_IN, SELECTED)), ("NOOP", (BEFORE, LOGGED_IN, SELECTED)),
    ("ID NIL", (BEFORE, LOGGED_IN, SELECTED)), ("LOGIN nobody wrong", (BEFORE,)), ("AUTHENTICATE PLAIN AG4AdA==", (BEFORE,)),
    ("STARTTLS", (BEFORE,)), ("ENABLE CONDSTORE", (LOGGED_IN, SELECTED)), ("SELECT INBOX", (LOGGED_IN, SELECTED)),
    ("EXAMINE INBOX", (LOGGED_IN, SELECTED)), ("CREATE Made", (LOGGED_IN, SELECTED)),
    ("DELETE Made", (LOGGED_IN, SELECTED)), ("RENAME Old New", (LOGGED_IN, SELECTED)),
    ("SUBSCRIBE INBOX", (LOGGED_IN, SELECTED)), ("UNSUBSCRIBE INBOX", (LOGGED_IN, SELECTED)),
    ('LIST "" *', (LOGGED_IN, SELECTED)), ('LSUB "" *', (LOGGED_IN, SELECTED)),
    ("STATUS INBOX (MESSAGES)", (LOGGED_IN, SELECTED)), ("APPEND INBOX <<+Subject: x\r\n\r\n>>", (LOGGED_IN, SELECTED)),
    ("NAMESPACE", (LOGGED_IN, SELECTED)), ("CHECK", (SELECTED,)), ("UNSELECT", (SELECTED,)), ("CLOSE", (SELECTED,)),
    ("EXPUNGE", (SELECTED,)), ("UID EXPUNGE 1", (SELECTED,)), ("SEARCH ALL", (SELECTED,)),
    ("UID SEARCH ALL", (SELECTED,)), ("FETCH 1 FLAGS", (SELECTED,)), ("UID FETCH 1 FLAGS", (SELECTED,)),
    ("STORE 1 FLAGS ()", (SELECTED,)), ("UID STORE 1 FLAGS ()", (SELECTED,)), ("COPY 1 INBOX", (SELECTED,)),
    ("UID COPY 1 INBOX", (SELECTED,)), ("MOVE 1 Trash", (SELECTED,)), ("UID MOVE 1 Trash", (SELECTED,)),
]


def pieces(line):
    """What start() takes, from the text of a C line."""
    found = []
    for i, part in enumerate(re.split(r"<<(.*?)>>", line, flags=re.S)):
        octets = re.sub(r"\\(r|n|0|\\|x[0-9a-f]{2})", lambda m: {"r": "\r", "n": "\n", "0": "\0", "\\": "\\"}.get(
            m[1], chr(int(m[1][1:] or "0", 16)) if m[1][0] == "x" else ""), part).encode("latin-1")
        if i % 2:
            plus, eight = octets.startswith(b"+"), octets.startswith((b"~", b"+~"))
            found.append(Literal(octets.removeprefix(b"+").removeprefix(b"~"), sync=not plus, eight=eight))
        else:
            found.append(octets.decode("latin-1") if octets.isascii() else octets)
    return [p for p in found if p]


def into_state(box, state, door, user=None):
    s = box.session(door=door)
    if state != BEFORE:
        s.login(user or "ann", "secret")
    if state == SELECTED:
        s.select("INBOX")
    return s


@pytest.mark.parametrize("state", [BEFORE, LOGGED_IN, SELECTED])
def test_states(box, state):
    """In a wrong state each command is BAD, says what comes first, and leaves the session as it was."""
    user, said, s = box.person(), 0, None
    for line, states in STATES:
        if state in states:
            continue
        if said % 8 == 0:  # ten mistakes end a session
            s = into_state(box, state, "imaps", user)
        said += 1
        answer = s.command(*pieces(line))
        text = {BEFORE: "Log in first", LOGGED_IN: "Already logged in|Select a mailbox first",
                SELECTED: "Already logged in"}[state]
        assert answer.kind == "BAD" and re.search(text, answer.text), f"{line} {state}: {answer.tagged}"
        assert s.ok("NOOP")
    assert said


# -- transcripts ---------------------------------------------------------------------

class Transcript:
    """tests/imap/NAME.talk: "state"; "needs", the capabilities it is about; an empty line; the conversation."""

    def __init__(self, path):
        head, _, self.text = path.read_text().partition("\n\n")
        said = dict(line.split(" ", 1) for line in head.splitlines())
        self.name, self.state, self.needs = path.stem, said["state"], said.get("needs", "").split()

    def __str__(self):
        return self.name


TRANSCRIPTS = [Transcript(path) for path in sorted((ROOT / "tests/imap").glob("*.talk"))]
assert len(TRANSCRIPTS) > 30


def needs(s, *names):
    """What is tested here CAPABILITY must list."""
    missing = [n for n in names if not s.can(n)]
    assert not missing, f"CAPABILITY lacks {', '.join(missing)}: {s.capabilities}"


class Play:
    """One transcript against the server; after eight BADs it goes on in a new session."""

    def __init__(self, box, script, door):
        self.box, self.script, self.door = box, script, door
        self.user = box.person()
        self.selected, self.enabled = pieces("SELECT INBOX") if script.state == SELECTED else None, None
        self.session = box.session(door=door)
        self.bad = 0
        if script.state != BEFORE:
            self.session.login(self.user, "secret")
            self.fill()
        if self.selected:
            self.session.ok(*self.selected)

    def fill(self):
        needs(self.session, *self.script.needs)
        for i in range(3):
            self.session.append("INBOX", letter(f"number {i + 1}"), date="07-Feb-1994 21:52:25 -0800")

    def again(self):
        self.bad = 0
        self.session.close()
        self.session = self.box.session(None if self.script.state == BEFORE else self.user, door=self.door)
        for parts in (self.enabled, self.selected):
            if parts:
                self.session.ok(*parts)

    def command(self, line):
        if self.bad == 8:
            self.again()
        parts = pieces(line)
        r = self.session.command(*parts)
        self.bad += r.kind == "BAD"
        if r.kind == "OK" and line.upper().startswith(("SELECT", "EXAMINE")):
            self.selected = parts
        if r.kind == "OK" and line.upper().startswith("ENABLE"):
            self.enabled = parts
        return r

    def run(self):
        lines = [x.strip() for x in self.script.text.strip().splitlines() if x.strip()]
        step, untagged = None, []
        for line in lines:
            who, _, what = line.partition(":")
            what = what.strip()
            if who == "C":
                assert step is None, f"{step} has no answer in the transcript"
                step = what
            elif who == "*":
                untagged.append(what)
            else:
                self.judge(step, untagged, what)
                step, untagged = None, []

    def judge(self, line, untagged, wanted):
        before = len(self.session.talk)
        r = self.command(line)
        heard = [octets.decode("latin-1") for who, octets in list(self.session.talk)[before and -40:] if who == "S:"]
        kind, _, rest = wanted.partition(" ")
        code, pattern = re.match(r"(?:\[([A-Z-]+)\])? ?(.*)", rest).groups()
        shown = f"{self.script}: {line}\n  answered {r.tagged}\n  heard {heard[-12:]}"
        assert r.kind == kind, f"wanted {wanted}; {shown}"
        assert code is None or r.code == code, f"wanted [{code}]; {shown}"
        assert re.search(pattern, r.text, re.I), f"wanted the text {pattern}; {shown}"
        if kind != "OK":
            assert len(r.text) >= 8, f"says too little; {shown}"
        at = max(i for i, h in enumerate(heard) if h.startswith(r.tagged.tag))
        start = max([i for i, h in enumerate(heard[:at]) if not h.startswith(("*", "+"))], default=-1)
        said = heard[start + 1:at]
        for pattern in untagged:
            assert any(re.search(r"^\* " + pattern, h, re.S) for h in said), f"wanted * {pattern}; {shown}"


@pytest.mark.parametrize("script", TRANSCRIPTS, ids=str)
def test_transcript(box, script):
    Play(box, script, "imaps").run()


@pytest.mark.parametrize("door", ["starttls", "clear"])
@pytest.mark.parametrize("name", ["append", "fetch"])
def test_transcript_through_other_doors(box, name, door):
    Play(box, next(t for t in TRANSCRIPTS if t.name == name), door).run()


# -- doors ----------------------------------------------------------------------------------

def test_no_login_before_tls(box):
    """Where TLS is to be had nobody is let in without: said in CAPABILITY, and again when it is tried."""
    with Session(box.port("imap")) as s:
        assert s.can("STARTTLS") and s.can("LOGINDISABLED")
        for line in ("LOGIN ann secret", "AUTHENTICATE PLAIN AGFubgBzZWNyZXQ="):
            answer = s.command(line)
            assert answer.kind == "NO" and answer.code == "PRIVACYREQUIRED" and "STARTTLS" in answer.text
        s.starttls(trusting())
        assert not s.can("STARTTLS") and not s.can("LOGINDISABLED") and s.can("AUTH=PLAIN")
        answer = s.command("STARTTLS")
        assert answer.kind == "BAD" and "active already" in answer.text
        s.login("ann", "secret")


def test_starttls_drops_what_was_pipelined(box):
    """A command that somebody slipped in before the handshake is not done after it (RFC 9051 11.1)."""
    with Session(box.port("imap")) as s:
        s.pending.append(Pending("b1", "STARTTLS", (), []))
        s.sock.sendall(b"b1 STARTTLS\r\nb2 LOGOUT\r\n")
        assert s.finish("b1").kind == "OK"
        s.sock = trusting().wrap_socket(s.sock, server_hostname="127.0.0.1")
        s.login("ann", "secret")


def test_authenticate(box):
    with box.session() as s:
        s.authenticate_plain("ann", "secret", initial=False)
    with box.session() as s:
        s.authenticate_plain("ann", "secret")
    with box.session() as s:
        tag = s.start("AUTHENTICATE PLAIN")
        assert s.go_ahead(tag)
        s.send(b"*\r\n")
        answer = s.finish(tag)
        assert answer.kind == "BAD" and "cancel" in answer.text
        s.login("ann", "secret")


# -- the order and the limits of input ------------------------------------------------------------

def test_pipelined(box):
    """Forty commands in one write are answered one after the other, each with its own data."""
    with box.session(box.person()) as s:
        s.select()
        tags = [s.start("APPEND INBOX ", Literal(letter(f"pipe {i}"))) for i in range(20)]
        tags += [s.start(f"FETCH {i + 1} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])") for i in range(20)]
        results = [s.finish(tag).ok() for tag in tags]
        for i, r in enumerate(results[20:]):
            (seq, items), = r.fetched()
            assert (seq, items["UID"]) == (i + 1, i + 1)
            assert items["BODY[HEADER.FIELDS (SUBJECT)]"].strip() == f"Subject: pipe {i}".encode()


def test_octet_by_octet(box):
    """A command that comes in single octets is a command."""
    with box.session("ann") as s:
        s.pending.append(Pending("b1", "STATUS", (), []))
        for octet in b"b1 STATUS {5}\r\n":
            s.sock.sendall(bytes([octet]))
        assert s.go_ahead("b1")
        for octet in b"INBOX (MESSAGES)\r\n":
            s.sock.sendall(bytes([octet]))
        assert s.finish("b1").ok().one("STATUS")[0] == "INBOX"


def test_mistakes_are_counted(box):
    """Ten, and the session ends with a word."""
    with box.session("ann") as s:
        for i in range(9):
            assert s.command("NOSUCH").kind == "BAD"
        assert s.ok("NOOP")
        s.command("NOSUCH")
        with pytest.raises(ConnectionError):
            s.read()
            s.read()
        assert s.bye and "bad commands" in s.bye.text.lower()


def test_a_line_without_end(box):
    with box.session("ann") as s:
        s.sock.sendall(b"x NOOP " + b"y" * 70_000)
        bye = s.read()
        assert bye.kind == "BYE" and "long" in bye.text


@pytest.mark.parametrize("line, text", [
    ("SELECT {70000000}", "too large"), ("APPEND INBOX {99999999999}", "too large|larger|at most|limit"),
    ("SEARCH SUBJECT {-1}", "expected"), ("SELECT {x}", "expected")])
def test_literals_are_judged_before_they_come(box, line, text):
    with box.session("ann") as s:
        s.select()
        answer = s.command(line)
        assert answer.kind in ("NO", "BAD") and re.search(text, answer.text, re.I), answer.tagged
        s.ok("NOOP")


def test_many_literals(box):
    with box.session("ann") as s:
        s.select()
        many = [piece for i in range(999) for piece in (" SUBJECT ", Literal("x"))]
        answer = s.command("SEARCH NOT", *many[:2])
        assert answer.kind == "OK"
        answer = s.command("SEARCH", *many, " SUBJECT ", Literal("x"), " SUBJECT ", Literal("x"))
        assert answer.kind == "BAD" and answer.code == "TOOBIG"
        s.ok("NOOP")


def test_names(box):
    """500 octets and 20 levels of a name are kept, more are refused in words."""
    with box.session(box.person()) as s:
        for good in ("n" * 500, "/".join("abcdefghijklmnopqrst"), "ü" * 250, "a b", 'q"uote', "back\\slash", "日本/語"):
            s.ok("CREATE ", quoted(good))
            assert good in [b.name for b in s.ok('LIST "" *').all("LIST")]
            s.ok("SELECT ", quoted(good))
        for bad in ("n" * 501, "/".join("abcdefghijklmnopqrstu"), "ü" * 251):
            answer = s.command("CREATE ", quoted(bad))
            assert answer.kind == "NO" and len(answer.text) > 8, answer.tagged
        s.ok("CREATE ", quoted("e\u0301"))  # one normal form: the same name however its accent is written
        assert s.command("CREATE ", quoted("\u00e9")).code == "ALREADYEXISTS"


def test_fast_session(box):
    """As a benchmark uses it: no checks, but the same answers."""
    user = box.person()
    with box.session(user, check=False) as s:
        s.select()
        tags = [s.start("APPEND INBOX ", Literal(letter(f"fast {i}"), sync=i % 2 == 0)) for i in range(10)]
        assert [s.finish(tag).ok().argument[1] for tag in tags] == [[i + 1] for i in range(10)]
        assert s.ok("FETCH 1:* (BODY.PEEK[])").untagged == []
        with s.idle():
            with box.session(user) as other:
                other.append("INBOX", letter("ring"))
            s.events_until(lambda r: r.kind == "EXISTS")


def test_nesting(box):
    with box.session("ann") as s:
        s.select()
        assert s.command("SEARCH " + "(" * 40 + "ALL" + ")" * 40).kind == "OK"
        answer = s.command("SEARCH " + "(" * 400 + "ALL" + ")" * 400)
        assert answer.kind == "BAD" and len(answer.text) > 8
        assert s.command("SEARCH " + "NOT " * 400 + "ALL").kind in ("OK", "BAD")
        s.ok("NOOP")


# -- capabilities that are more than a line ---------------------------------------------------------

def test_compress(box):
    with box.session("ann") as s:
        needs(s, "COMPRESS=DEFLATE")
        assert s.command("COMPRESS NOSUCH").kind in ("BAD", "NO")
        s.compress()
        text = letter("squeezed", "all the same\n" * 5000)
        s.select()
        uid = s.append("INBOX", text).argument[1][0]
        (_, items), = s.ok(f"UID FETCH {uid} BODY.PEEK[]").fetched()
        assert items["BODY[]"] == text
        answer = s.command("COMPRESS DEFLATE")
        assert answer.kind == "NO" and answer.code == "COMPRESSIONACTIVE"
        for i in range(50):
            s.ok("NOOP")
        with s.idle():
            with box.session("ann") as other:
                other.append("INBOX", letter("while it sleeps"))
            s.events_until(lambda r: r.kind == "EXISTS")
        s.ok("FETCH 1:* (UID FLAGS)")
        s.logout()


def test_object_ids(box):
    """EMAILID stays with a letter wherever it is copied, MAILBOXID with a mailbox whatever it is called (RFC 8474)."""
    with box.session(box.person()) as s:
        needs(s, "OBJECTID")

        def ids(name):
            s.select(name)
            return s.mirror.messages and [i["EMAILID"] for _, i in s.ok("FETCH 1:* (EMAILID THREADID)").fetched()]

        def box_id(name):
            return s.ok(f"STATUS {name} (MAILBOXID)").one("STATUS")[1]["MAILBOXID"]
        made = s.ok("CREATE Made")
        assert made.code == "MAILBOXID" and made.argument == box_id("Made")
        s.append("INBOX", letter("one"))
        s.append("INBOX", letter("two"))
        one, two = ids("INBOX")
        assert one != two
        s.ok("COPY 1 Made")
        assert ids("Made") == [one]
        s.select()
        s.ok("MOVE 1:2 Made")
        assert ids("Made") == [one, one, two]
        s.ok("RENAME Made Other")
        assert box_id("Other") == made.argument and ids("Other") == [one, one, two]
        s.ok("DELETE Other")
        assert s.ok("CREATE Made").argument != made.argument
        assert len({box_id(n) for n in ("INBOX", "Made", "Trash")}) == 3


def test_savedate(box):
    """When a message came into this mailbox, which COPY makes anew and STORE leaves (RFC 8514)."""
    with box.session(box.person()) as s:
        needs(s, "SAVEDATE")
        s.select()
        s.append("INBOX", letter("old"), date="07-Feb-1994 21:52:25 -0800")
        (_, items), = s.ok("FETCH 1 (SAVEDATE INTERNALDATE)").fetched()
        assert items["INTERNALDATE"].endswith("1994 05:52:25 +0000") and "1994" not in items["SAVEDATE"]
        s.ok("STORE 1 +FLAGS (\\Seen)")
        (_, again), = s.ok("FETCH 1 (SAVEDATE)").fetched()
        assert again["SAVEDATE"] == items["SAVEDATE"]
        assert s.ok("SEARCH SAVEDSINCE 1-Jan-2000 BEFORE 1-Jan-2000").one("SEARCH")[0] == [1]


def test_notify(box):
    """What happens in other mailboxes is told without a question, and no more after NONE (RFC 5465)."""
    user = box.person()
    with box.session(user) as s, box.session(user) as other:
        needs(s, "NOTIFY")
        s.select()
        other.select()
        assert s.command("NOTIFY").kind == "BAD" and s.command("NOTIFY SET (nosuch (MessageNew))").kind == "BAD"
        s.ok("NOTIFY SET (selected (MessageNew (FLAGS UID) MessageExpunge FlagChange)) "
             "(personal (MessageNew MessageExpunge MailboxName SubscriptionChange))")
        other.append("Archive", letter("there"))
        found = s.events_until(lambda r: r.kind == "STATUS")[-1]
        assert found.data[0] == "Archive" and found.data[1]["MESSAGES"] == 1
        other.ok("CREATE Fresh")
        assert s.events_until(lambda r: r.kind == "LIST")[-1].data.name == "Fresh"
        other.append("INBOX", letter("here"))
        s.events_until(lambda r: r.kind == "EXISTS" and r.number == 1)
        other.ok("NOOP")
        other.ok("STORE 1 +FLAGS (\\Flagged)")
        s.events_until(lambda r: r.kind == "FETCH" and "\\Flagged" in r.data["FLAGS"])
        other.ok("STORE 1 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        s.events_until(lambda r: r.kind == "EXPUNGE")
        s.ok("NOTIFY NONE")
        other.append("Archive", letter("unheard"))
        assert not s.ok("NOOP").all("STATUS")


def test_metadata_is_kept(box):
    """Annotations stay with the mailbox through RENAME, and are the account's own."""
    user = box.person()
    with box.session(user) as s:
        needs(s, "METADATA")
        s.ok("CREATE Notes")
        s.ok("SETMETADATA Notes (/private/comment ", Literal("line one\r\nline two"), " /shared/comment \"all\")")
        s.ok("RENAME Notes Kept")
        name, entries = s.ok("GETMETADATA Kept (/private/comment /shared/comment)").one("METADATA")
        assert name == "Kept" and entries == {"/private/comment": b"line one\r\nline two", "/shared/comment": b"all"}
        answer = s.command("SETMETADATA Kept (/private/comment ", Literal("x" * 200_000), ")")
        assert answer.kind == "NO" and answer.code == "METADATA" and answer.argument[0] == "MAXSIZE"


def test_capabilities_are_kept(box):
    """What CAPABILITY says before and after login hangs together, and APPENDLIMIT is what APPEND holds to."""
    with box.session() as s:
        before = set(s.capabilities)
        s.login("ann", "secret")
        s.ok("CAPABILITY")
        after = set(s.capabilities)
        assert {c for c in before if not c.startswith(("AUTH=", "STARTTLS", "LOGINDISABLED"))} <= after
        limit = [int(c.partition("=")[2]) for c in after if c.startswith("APPENDLIMIT=")]
        if limit:
            answer = s.command("APPEND INBOX {%d}" % (limit[0] + 1))
            assert answer.kind == "NO" and answer.code in ("TOOBIG", "LIMIT")
