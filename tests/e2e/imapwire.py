"""An IMAP client that forgives nothing.

A Session sends what it is told, octet for octet, reads every response by the grammar (imapgrammar.py), and keeps a
mirror of the selected mailbox as a mail program would: how many messages there are, and their UIDs, flags and modseqs
as far as they were told.  A response that cannot be (an EXPUNGE while FETCH is answered, EXISTS that shrinks, a modseq
that goes back, data for a message that is not there) raises WireError with the last lines of the conversation.

    s = Session(port, tls=trusting())
    s.login("you@sandbox.test", "sandbox")
    s.select("INBOX")
    s.command("APPEND Sent (\\Seen) ", Literal(message))
    for seq, items in s.command("FETCH 1:* (FLAGS UID)").fetched(): ...

It needs nothing but Python, so benchmarks use it too; with check=False it parses only tagged lines and is fast.
"""
import base64
import collections
import contextlib
import re
import socket
import zlib

from imapgrammar import GrammarError, Grammar, announced, numbers, response, utf7_encode

__all__ = ["Literal", "Session", "WireError", "Refused", "Mirror", "quoted", "numbers"]


class WireError(AssertionError):
    """The server broke a rule; the text shows the conversation."""


class Refused(AssertionError):
    """A command that had to be OK was not."""


class Literal:
    """Octets to send as {n} (sync=True: waiting for "+"), as {n+} (False), or as the server's capabilities allow (None);
    eight: ~{n}."""

    def __init__(self, octets, sync=None, eight=False):
        self.octets = octets.encode() if isinstance(octets, str) else octets
        self.sync, self.eight = sync, eight

    def waits(self, capabilities):
        if self.sync is not None:
            return self.sync
        small = "LITERAL-" in capabilities and len(self.octets) <= 4096  # RFC 7888 5
        return not small and "LITERAL+" not in capabilities

    def mark(self, waits):
        return b"%s{%d%s}\r\n" % (b"~" if self.eight else b"", len(self.octets), b"" if waits else b"+")


def quoted(text, utf8=False):
    """A mailbox name as a client sends it: modified UTF-7, or UTF-8 when that is enabled."""
    octets = text.encode() if utf8 else utf7_encode(text)
    return '"' + re.sub(rb'(["\\])', rb"\\\1", octets).decode() + '"'


class Message:
    """What the mirror knows of one message; None is what it was not told."""
    __slots__ = ("uid", "flags", "modseq")

    def __init__(self, uid=None):
        self.uid, self.flags, self.modseq = uid, None, None

    def __repr__(self):
        return f"<uid {self.uid} {self.flags} modseq {self.modseq}>"


class Mirror:
    """The selected mailbox, as the responses tell it."""

    def __init__(self):
        self.name = None
        self.messages = []
        self.flags = self.permanent = None
        self.uidvalidity = self.uidnext = self.highestmodseq = self.unseen = self.recent = None
        self.readonly = None
        self.exists_told = False

    def uids(self):
        return [m.uid for m in self.messages]

    def exists(self, count):
        if count < len(self.messages):
            raise WireError(f"EXISTS {count} after {len(self.messages)}, without EXPUNGE")
        self.messages += [Message() for _ in range(count - len(self.messages))]
        self.exists_told = True

    def expunge(self, seq):
        if not 1 <= seq <= len(self.messages):
            raise WireError(f"EXPUNGE {seq} of {len(self.messages)} messages")
        del self.messages[seq - 1]

    def vanished(self, uids):
        """Which of those whose UID was never told it means is not to be known; there must be enough of them."""
        gone = set(uids)
        left = [m for m in self.messages if m.uid not in gone]
        for _ in range(len(gone) - (len(self.messages) - len(left))):
            if not any(m.uid is None for m in left):
                raise WireError(f"VANISHED {sorted(gone)}: not all are among {self.uids()}")
            left.remove(next(m for m in left if m.uid is None))
        self.messages = left

    def fetch(self, seq, items):
        if not 1 <= seq <= len(self.messages):
            raise WireError(f"FETCH {seq} of {len(self.messages)} messages")
        m = self.messages[seq - 1]
        if "UID" in items:
            if m.uid not in (None, items["UID"]):
                raise WireError(f"message {seq} had UID {m.uid}, now {items['UID']}")
            m.uid = items["UID"]
            around = [x.uid for x in self.messages[max(0, seq - 2):seq + 1] if x.uid is not None]
            if around != sorted(set(around)):
                raise WireError(f"UIDs do not rise at message {seq}: {around}")
        if "MODSEQ" in items:
            if m.modseq and items["MODSEQ"] < m.modseq:
                raise WireError(f"the modseq of message {seq} went back from {m.modseq} to {items['MODSEQ']}")
            m.modseq = items["MODSEQ"]
        if "FLAGS" in items:
            m.flags = frozenset(items["FLAGS"]) - {"\\Recent"}
            known = {f.lower() for f in self.flags or ()}
            strange = [f for f in m.flags if not f.startswith("\\") and f.lower() not in known]
            if self.flags is not None and strange:
                raise WireError(f"the keywords {strange} of message {seq} were not in FLAGS")


class Result:
    """A command's tagged answer and all that came before it."""

    def __init__(self, tagged, untagged, text):
        self.tagged, self.untagged, self.asked = tagged, untagged, text

    kind = property(lambda self: self.tagged.kind)
    code = property(lambda self: self.tagged.code)
    argument = property(lambda self: self.tagged.argument)
    text = property(lambda self: self.tagged.text)

    def ok(self):
        if self.kind != "OK":
            raise Refused(f"{self.asked!r}: {self.kind} [{self.code}] {self.text}")
        return self

    def all(self, kind):
        return [r.data for r in self.untagged if r.kind == kind]

    def one(self, kind):
        found = self.all(kind)
        if len(found) != 1:
            raise WireError(f"{self.asked!r}: {len(found)} {kind} responses, not one")
        return found[0]

    def fetched(self):
        return [(r.number, r.data) for r in self.untagged if r.kind == "FETCH"]

    def codes(self):
        """Response codes of untagged OK: {"UIDNEXT": 4, ...}"""
        return {r.code: r.argument for r in self.untagged if r.kind == "OK" and r.code}


Pending = collections.namedtuple("Pending", "tag name text untagged")

NO_EXPUNGE = {"FETCH", "STORE", "SEARCH", "SORT", "THREAD"}  # RFC 3501 7.4.1, RFC 5256 (as SEARCH); not their UID forms


class Session:
    """One connection.  Commands may be pipelined: start() several, finish() each in turn."""

    def __init__(self, port, host="127.0.0.1", tls=None, timeout=20, check=True, user=None, password=None):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout, self.check = timeout, check
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=host)
        self.buffer, self.start_at = bytearray(), 0
        self.inflater = self.deflater = None
        self.enabled, self.capabilities = set(), []
        self.mirror, self.selecting = None, False
        self.pending, self.done, self.count = collections.deque(), collections.deque(), 0
        self.idling, self.notified, self.closed, self.bye = False, False, False, None
        self.talk = collections.deque(maxlen=30)
        self.events = []           # what came while no command was in progress
        self.greeting = self.read()
        if self.greeting.tag or self.greeting.kind not in ("OK", "PREAUTH", "BYE"):
            self.broken(f"a greeting is OK, PREAUTH or BYE, not {self.greeting}")
        if user:
            self.login(user, password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.close()

    # -- octets ---------------------------------------------------------------

    def broken(self, why):
        lines = "\n".join(f"    {who} {octets[:400]!r}" for who, octets in self.talk)
        raise WireError(f"{why}\nthe conversation:\n{lines}") from None

    def send(self, octets):
        self.talk.append(("C:", octets))
        if self.deflater:
            octets = self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(octets)

    def fill(self):
        octets = self.sock.recv(262144)
        if not octets:
            self.closed = True
            raise ConnectionError("the server closed the connection; it had said "
                                  + (f"BYE {self.bye.text}" if self.bye else "nothing"))
        self.buffer += self.inflater.decompress(octets) if self.inflater else octets

    def take(self, size):
        while len(self.buffer) - self.start_at < size:
            self.fill()
        octets = bytes(self.buffer[self.start_at:self.start_at + size])
        self.start_at += size
        if self.start_at == len(self.buffer):
            self.buffer.clear()
            self.start_at = 0
        return octets

    def line(self):
        seen = self.start_at
        while (end := self.buffer.find(b"\n", seen)) < 0:
            seen = len(self.buffer)
            self.fill()
        return self.take(end + 1 - self.start_at)

    def frame(self):
        """A whole response: its lines, and the literals between them."""
        line = self.line()
        if (size := announced(line)) is None:
            return line
        parts = [line]
        while size is not None:
            parts.append(self.take(size))
            parts.append(self.line())
            size = announced(b"." + parts[-1])
        return b"".join(parts)

    # -- responses ------------------------------------------------------------------

    def read(self):
        """The next response, judged by grammar and mirror."""
        frame = self.frame()
        self.talk.append(("S:", frame))
        if not self.check:
            return response(frame, utf8=True)
        try:
            r = response(frame, "UTF8=ACCEPT" in self.enabled, "IMAP4REV2" in self.enabled)
            self.notice(r)
            return r
        except (GrammarError, WireError) as error:
            self.broken(str(error))

    def notice(self, r):
        if r.tag or r.kind == "+":
            return
        if r.kind == "BYE":
            self.bye = r
        if r.code == "CAPABILITY" or r.kind == "CAPABILITY":
            self.capabilities = [c.upper() for c in (r.argument or r.data)]
        if r.kind == "ENABLED":
            self.enabled |= {c.upper() for c in r.data}
            if "QRESYNC" in self.enabled:
                self.enabled.add("CONDSTORE")
        if r.code == "CLOSED" or (self.selecting and r.kind in ("FLAGS", "EXISTS") and self.mirror.exists_told):
            self.mirror = Mirror()
            self.selecting = False
        self.reflect(r)

    def reflect(self, r):
        m = self.mirror
        if r.kind in ("EXISTS", "EXPUNGE", "FETCH", "RECENT", "VANISHED", "FLAGS") and not m:
            raise WireError(f"{r.kind} without a mailbox")
        if r.kind in ("EXPUNGE", "VANISHED"):
            self.may_expunge(r)
        if r.kind == "EXISTS":
            m.exists(r.number)
        elif r.kind == "RECENT":
            m.recent = r.number
        elif r.kind == "EXPUNGE":
            m.expunge(r.number)
        elif r.kind == "VANISHED" and not r.data[0]:
            m.vanished(r.data[1])
        elif r.kind == "FETCH":
            self.may_fetch(r)
            m.fetch(r.number, r.data)
        elif r.kind == "FLAGS":
            m.flags = r.data
        elif r.kind == "OK" and m and r.code:
            self.reflect_code(m, r)

    def reflect_code(self, m, r):
        names = {"UIDVALIDITY": "uidvalidity", "UIDNEXT": "uidnext", "HIGHESTMODSEQ": "highestmodseq",
                 "UNSEEN": "unseen", "PERMANENTFLAGS": "permanent"}
        if r.code in names:
            setattr(m, names[r.code], r.argument)

    def may_expunge(self, r):
        qresync = "QRESYNC" in self.enabled
        if r.kind == "EXPUNGE" and (qresync or "UIDONLY" in self.enabled):
            raise WireError("EXPUNGE, though QRESYNC or UIDONLY asks for VANISHED")
        if r.kind == "VANISHED" and not qresync and "UIDONLY" not in self.enabled:
            raise WireError("VANISHED, which nobody enabled")
        if r.kind == "VANISHED" and r.data[0]:
            return  # EARLIER changes no numbers
        if not self.pending and not self.idling and not self.notified:
            raise WireError(f"{r.kind} while no command is in progress")
        if self.pending and self.pending[0].name in NO_EXPUNGE:
            raise WireError(f"{r.kind} while {self.pending[0].name} is answered")

    def may_fetch(self, r):
        if "QRESYNC" in self.enabled and "FLAGS" in r.data and not {"UID", "MODSEQ"} <= set(r.data):
            asked = self.pending and self.pending[0].name in ("FETCH", "UID FETCH")
            if not asked:  # RFC 7162 3.2.3: what comes by itself has both
                raise WireError("FLAGS that nobody asked for, without UID and MODSEQ, after ENABLE QRESYNC")

    # -- commands ---------------------------------------------------------------------

    def tag(self):
        self.count += 1
        return f"a{self.count}"

    def start(self, *parts, tag=None):
        """Send a command: text, octets, Literals.  Returns its tag; a literal may be answered early."""
        tag = tag or self.tag()
        text = b"".join(p.encode() if isinstance(p, str) else p for p in parts if not isinstance(p, Literal))
        words = text.decode("latin-1").upper().split(" ")
        name = " ".join(words[:2]) if words[0] == "UID" else words[0]
        self.pending.append(Pending(tag, name, parts, []))
        if name in ("SELECT", "EXAMINE"):
            self.selecting = True
            if self.mirror is None:
                self.mirror, self.selecting = Mirror(), False
        out = tag.encode() + b" "
        for part in parts:
            if not isinstance(part, Literal):
                out += part.encode() if isinstance(part, str) else part
                continue
            waits = part.waits(self.capabilities)
            out += part.mark(waits)
            if waits:
                self.send(out)
                out = b""
                if not self.go_ahead(tag):
                    return tag
            out += part.octets
        self.send(out + b"\r\n")
        return tag

    def go_ahead(self, tag):
        """Wait for "+"; False: the command was answered instead.  Answers to what was sent before are kept."""
        while True:
            r = self.read()
            if r.kind == "+":
                if self.pending[0].tag != tag:
                    self.broken(f"a continuation while {self.pending[0].tag} is answered")
                return True
            self.take_in(r)
            if r.tag == tag:
                return False

    def take_in(self, r):
        """A response belongs to the oldest command that has no answer yet."""
        if not r.tag:
            return self.pending[0].untagged.append(r)
        if r.tag != self.pending[0].tag:
            self.broken(f"the answer to {self.pending[0].tag} was due, not to {r.tag}")
        done = self.pending.popleft()
        self.done.append((done.tag, self.finished(done, r)))

    def finish(self, tag=None):
        """Read up to the answer of the oldest command, which must be `tag`."""
        while not self.done:
            r = self.read_fast(self.pending[0].tag) if not self.check else self.read()
            if r is None:
                continue
            if r.kind == "+":
                self.broken("a continuation that nobody waits for")
            self.take_in(r)
        found, result = self.done.popleft()
        if tag and found != tag:
            self.broken(f"commands are answered in turn: {found} comes before {tag}")
        return result

    def read_fast(self, tag):
        """Without check: only tagged answers are looked into."""
        frame = self.frame()
        return Grammar(frame).response() if frame.startswith(tag.encode() + b" ") else None

    def finished(self, done, tagged):
        if tagged.code == "CAPABILITY":
            self.capabilities = [c.upper() for c in tagged.argument]
        if done.name in ("SELECT", "EXAMINE") and self.check:
            self.selected(done, tagged)
        if done.name == "NOTIFY" and tagged.kind == "OK":
            self.notified = "SET" in str(done.text[0]).upper()
        if tagged.kind == "OK" and done.name in ("CLOSE", "UNSELECT", "LOGOUT"):
            self.mirror = None
        if tagged.code == "HIGHESTMODSEQ" and self.mirror:
            self.mirror.highestmodseq = tagged.argument
        return Result(tagged, done.untagged, done.text)

    def selected(self, done, tagged):
        self.selecting = False
        if tagged.kind == "BAD":
            return
        if tagged.kind == "NO":
            self.mirror = None
            return
        kinds = [r.kind for r in done.untagged]
        m = self.mirror
        codes = {r.code for r in done.untagged}
        wanted = {"UIDVALIDITY", "UIDNEXT", "PERMANENTFLAGS"}
        if "FLAGS" not in kinds or kinds.count("EXISTS") != 1 or not wanted <= codes:
            self.broken(f"{done.name} without FLAGS, EXISTS, UIDVALIDITY, UIDNEXT or PERMANENTFLAGS")
        if "IMAP4REV2" in self.enabled and "LIST" not in kinds:
            self.broken(f"{done.name} without the LIST of RFC 9051 6.3.2")
        if "IMAP4REV2" not in self.enabled and "RECENT" not in kinds:
            self.broken(f"{done.name} without RECENT")
        if "CONDSTORE" in self.enabled and not codes & {"HIGHESTMODSEQ", "NOMODSEQ"}:
            self.broken(f"{done.name} without HIGHESTMODSEQ")
        if tagged.code not in ("READ-ONLY", "READ-WRITE"):
            self.broken(f"{done.name} is answered with READ-ONLY or READ-WRITE, not {tagged.code}")
        m.readonly = tagged.code == "READ-ONLY"
        if done.name == "EXAMINE" and not m.readonly:
            self.broken("EXAMINE is read-only")

    def command(self, *parts, tag=None):
        return self.finish(self.start(*parts, tag=tag))

    def ok(self, *parts):
        return self.command(*parts).ok()

    # -- what is more than a line ------------------------------------------------------

    def login(self, user, password):
        return self.ok("LOGIN ", quoted(user, utf8=True), " ", quoted(password, utf8=True))

    def authenticate_plain(self, user, password, initial=True):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        if initial:
            return self.ok("AUTHENTICATE PLAIN ", secret)
        tag = self.start("AUTHENTICATE PLAIN")
        if self.go_ahead(tag):
            self.send(secret.encode() + b"\r\n")
        return self.finish(tag).ok()

    def starttls(self, context, host="127.0.0.1"):
        self.ok("STARTTLS")
        if self.start_at < len(self.buffer):
            self.broken("octets behind the answer to STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.capabilities = []

    def compress(self):
        self.ok("COMPRESS DEFLATE")
        left = bytes(self.buffer[self.start_at:])
        self.buffer.clear()
        self.start_at = 0
        self.inflater, self.deflater = zlib.decompressobj(-15), zlib.compressobj(6, zlib.DEFLATED, -15)
        if left:
            self.buffer += self.inflater.decompress(left)

    def can(self, name):
        if not self.capabilities:
            self.ok("CAPABILITY")
        return name.upper() in self.capabilities

    def enable(self, *names):
        self.ok("ENABLE " + " ".join(names))
        missing = {n.upper() for n in names} - self.enabled
        if missing:
            self.broken(f"not enabled: {missing}")

    def select(self, name="INBOX", more="", examine=False):
        return self.ok("EXAMINE " if examine else "SELECT ", self.name(name), more)

    def name(self, name):
        return quoted(name, bool(self.enabled & {"UTF8=ACCEPT", "IMAP4REV2"}))

    def append(self, name, octets, flags="", date="", sync=None):
        date = f' "{date}"' if date else ""
        flags = f" ({flags})" if flags else ""
        return self.ok("APPEND ", self.name(name), flags, date, " ", Literal(octets, sync=sync))

    def uids(self):
        """Fill the mirror: every UID, flag and modseq; the UIDs."""
        if self.mirror.messages:
            self.ok("FETCH 1:* (UID FLAGS" + (" MODSEQ)" if "CONDSTORE" in self.enabled else ")"))
        return self.mirror.uids()

    def logout(self):
        r = self.ok("LOGOUT")
        if not r.all("BYE"):
            self.broken("LOGOUT without BYE")
        try:
            self.fill()
            self.broken("the server goes on after LOGOUT")
        except (ConnectionError, OSError):
            self.close()
        return r

    @contextlib.contextmanager
    def idle(self):
        """Within: event() reads what the server tells by itself.  DONE at the end."""
        tag = self.start("IDLE")
        if not self.go_ahead(tag):
            raise Refused(f"IDLE: {self.finish(tag).text}")
        self.idling = True
        for r in self.pending[0].untagged:
            self.events.append(r)
        yield self
        self.idling = False
        self.send(b"DONE\r\n")
        self.finish(tag).ok()

    def event(self, seconds=None):
        if self.events:
            return self.events.pop(0)
        if seconds is not None:
            self.sock.settimeout(seconds)
        try:
            return self.read()
        finally:
            self.sock.settimeout(self.timeout)

    def events_until(self, test, seconds=10):
        """The events up to the first that `test` likes."""
        found = [self.event(seconds)]
        while not test(found[-1]):
            found.append(self.event(seconds))
        return found
