"""What an IMAP server may say, by the letter: RFC 3501 9, RFC 9051 9 and the extensions.

`response(frame)` takes one whole response (its line, with the octets of its literals right behind the marks that
announced them, and the last CRLF) and returns a Response, or raises GrammarError.  It is stricter than a mail program
should be: a space too many, a number with a leading zero, an unknown response code, a flag in the wrong place are
errors.  It knows nothing of sockets or of what was said before; see imapwire.py for that.
"""
import re
from dataclasses import dataclass, field

NUMBER32, NUMBER64 = 2**32 - 1, 2**63 - 1
MONTHS = rb"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"

ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
ASTRING_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
PLAIN, PLAIN_UTF8 = rb"[^\x00\r\n\"\\\x80-\xff]*", rb"[^\x00\r\n\"\\]*"
QUOTED = re.compile(b'"(' + PLAIN + rb'(?:\\["\\]' + PLAIN + b')*)"')
QUOTED_UTF8 = re.compile(b'"(' + PLAIN_UTF8 + rb'(?:\\["\\]' + PLAIN_UTF8 + b')*)"')
LITERAL = re.compile(rb"(~?)\{(0|[1-9][0-9]{0,18})\}\r\n")
NUMBER = re.compile(rb"0|[1-9][0-9]*")
SET = re.compile(rb"[1-9][0-9]*(?::[1-9][0-9]*)?(?:,[1-9][0-9]*(?::[1-9][0-9]*)?)*")
DATE_TIME = re.compile(rb'"((?: [1-9]|[0-3][0-9])-(?:' + MONTHS + rb')-[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] '
                       rb'[+-][0-9]{4})"')
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
TEXT = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]+")
OBJECTID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
TOKEN = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+\Z")
SECTION = re.compile(rb"\[((?:[1-9][0-9]*(?:\.[1-9][0-9]*)*)?)(\.?)(HEADER|TEXT|MIME|HEADER\.FIELDS|HEADER\.FIELDS\.NOT)?"
                     rb"(?=[\] ])")
SECTION_BINARY = re.compile(rb"\[((?:[1-9][0-9]*(?:\.[1-9][0-9]*)*)?)\]")

SYSTEM_FLAGS = {b"\\answered", b"\\flagged", b"\\deleted", b"\\seen", b"\\draft"}
LIST_FLAGS = {b"\\noinferiors", b"\\noselect", b"\\nonexistent", b"\\marked", b"\\unmarked", b"\\haschildren",
              b"\\hasnochildren", b"\\subscribed", b"\\remote", b"\\all", b"\\archive", b"\\drafts", b"\\flagged",
              b"\\junk", b"\\sent", b"\\trash", b"\\important"}
PLAIN_CODES = {"ALERT", "PARSE", "READ-ONLY", "READ-WRITE", "TRYCREATE", "UIDNOTSTICKY", "NOMODSEQ", "CLOSED",
               "UNAVAILABLE", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED",
               "CONTACTADMIN", "NOPERM", "INUSE", "EXPUNGEISSUED", "CORRUPTION", "SERVERBUG", "CLIENTBUG", "CANNOT",
               "LIMIT", "OVERQUOTA", "ALREADYEXISTS", "NONEXISTENT",  # RFC 5530
               "HASCHILDREN", "NOTSAVED", "UNKNOWN-CTE", "TOOBIG", "COMPRESSIONACTIVE", "USEATTR",
               "NOTIFICATIONOVERFLOW", "UIDREQUIRED"}


class GrammarError(AssertionError):
    """What the server said is not IMAP."""


@dataclass
class Response:
    """One response.  `kind`: OK NO BAD BYE PREAUTH, "+", or the name of untagged data; `tag` None: untagged."""
    kind: str
    tag: str = None
    number: int = None           # of EXISTS, EXPUNGE, FETCH, UIDFETCH ...
    data: object = None          # what it carries, by kind
    code: str = None             # response code and what stands behind it
    argument: object = None
    text: str = ""


@dataclass
class Mailbox:
    """A LIST or LSUB response."""
    name: str
    separator: str
    flags: frozenset             # lower case, with the backslash
    extended: dict = field(default_factory=dict)


@dataclass
class Esearch:
    tag: str = None
    uid: bool = False
    data: dict = field(default_factory=dict)


@dataclass
class Part:
    """One body of a BODY or BODYSTRUCTURE; `number` is what FETCH BODY[number] names it by."""
    number: str
    type: str                    # "text/plain", lower case
    params: dict
    parts: list = field(default_factory=list)
    id: bytes = None
    description: bytes = None
    encoding: str = ""
    octets: int = None
    lines: int = None
    envelope: dict = None        # of a message/rfc822, whose body is parts[0]
    md5: bytes = None
    disposition: tuple = None
    language: object = None
    location: bytes = None

    @property
    def multipart(self):
        return self.type.startswith("multipart/")

    def walk(self):
        yield self
        for part in self.parts:
            yield from part.walk()

    def leaves(self):
        return (part for part in self.walk() if not part.multipart)


def numbers(text):
    """A sequence set as text, to the list of its numbers."""
    found = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        found.extend(range(low, high + 1))
    return found


def utf7_decode(name):
    """Modified UTF-7 (RFC 3501 5.1.3), which has exactly one spelling for each name."""
    import base64
    if any(c < 0x20 or c > 0x7e for c in name):
        raise GrammarError(f"not a mailbox name in modified UTF-7: {name!r}")
    out, rest = "", name
    while rest:
        plain, amp, rest = rest.partition(b"&")
        out += plain.decode("ascii")
        if not amp:
            break
        shifted, minus, rest = rest.partition(b"-")
        if not minus:
            raise GrammarError(f"a shift without end in the mailbox name {name!r}")
        if not shifted:
            out += "&"
            continue
        try:
            octets = base64.b64decode(shifted.replace(b",", b"/") + b"=" * (-len(shifted) % 4), validate=True)
            out += octets.decode("utf-16-be")
        except ValueError as error:
            raise GrammarError(f"bad shift in the mailbox name {name!r}: {error}") from None
    if utf7_encode(out) != name:
        raise GrammarError(f"the mailbox name {name!r} is not the one spelling: {utf7_encode(out)!r}")
    return out


def utf7_encode(name):
    import base64
    out, run = b"", ""

    def shift():
        nonlocal out, run
        if run:
            out += b"&" + base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",") + b"-"
            run = ""
    for c in name:
        if " " <= c <= "~":
            shift()
            out += b"&-" if c == "&" else c.encode()
        else:
            run += c
    shift()
    return out


class Grammar:
    """A parser over one response.  `utf8`: the client enabled UTF8=ACCEPT or IMAP4rev2; `rev2`: the latter."""

    def __init__(self, frame, utf8=False, rev2=False):
        self.b, self.at, self.utf8, self.rev2 = frame, 0, utf8 or rev2, rev2

    # -- what everything is made of -------------------------------------------

    def fail(self, expected):
        raise GrammarError(f"expected {expected} at octet {self.at} of {self.b[:300]!r}, "
                           f"found {self.b[self.at:self.at + 40]!r}")

    def match(self, pattern, expected):
        found = pattern.match(self.b, self.at)
        if not found:
            self.fail(expected)
        self.at = found.end()
        return found

    def sees(self, literal):
        return self.b.startswith(literal, self.at)

    def take(self, literal):
        if not self.sees(literal):
            return False
        self.at += len(literal)
        return True

    def want(self, literal):
        if not self.take(literal):
            self.fail(repr(literal))

    def word(self, literal):
        """A word of the grammar, in any case, that ends there."""
        end = self.at + len(literal)
        if self.b[self.at:end].upper() != literal or ATOM.match(self.b[end:end + 1]):
            return False
        self.at = end
        return True

    def space(self):
        self.want(b" ")

    def end(self):
        self.want(b"\r\n")
        if self.at != len(self.b):
            self.fail("the end")

    def number(self, limit=NUMBER32, low=0, what="a number"):
        start = self.at
        value = int(self.match(NUMBER, what)[0])
        if not low <= value <= limit:
            self.at = start
            self.fail(f"{what} from {low} to {limit}")
        return value

    def nz(self, what="a number that is not 0"):
        return self.number(NUMBER32, 1, what)

    def modseq(self, low=1):
        return self.number(NUMBER64, low, "a modseq")

    def atom(self, what="an atom"):
        return self.match(ATOM, what)[0]

    def set(self):
        text = self.match(SET, "a sequence set")[0].decode()
        for part in re.split("[:,]", text):
            if int(part) > NUMBER32:
                self.fail("a set of 32 bits")
        return text

    def literal(self, eight=False):
        mark = self.match(LITERAL, "a literal")
        if mark[1] and not eight:
            self.fail("a literal, which may not be literal8 here")
        octets = self.b[self.at:self.at + int(mark[2])]
        if len(octets) != int(mark[2]):
            self.fail("the octets of the literal")
        if not mark[1] and b"\0" in octets:
            self.fail("no NUL in a literal that is not literal8")
        self.at += len(octets)
        return octets

    def string(self, what="a string"):
        if self.sees(b"{"):
            return self.literal()
        inner = self.match(QUOTED_UTF8 if self.utf8 else QUOTED, what)[1]
        if self.utf8:
            try:
                inner.decode("utf-8")
            except UnicodeDecodeError:
                self.fail("UTF-8 in a quoted string")
        return re.sub(rb'\\(["\\])', rb"\1", inner) if b"\\" in inner else inner

    def nstring(self, what="a string or NIL"):
        return None if self.word(b"NIL") else self.string(what)

    def astring(self, what="an atom or string"):
        if self.sees(b'"') or self.sees(b"{"):
            return self.string(what)
        return self.match(ASTRING_ATOM, what)[0]

    def mailbox(self):
        quoted = self.sees(b'"') or self.sees(b"{")
        name = self.astring("a mailbox name")
        if not quoted and name.upper() == b"NIL":
            self.fail("a mailbox name that nobody takes for NIL")
        if name.upper() == b"INBOX":
            return "INBOX"
        if not self.utf8:
            return utf7_decode(name)
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            self.fail("a mailbox name in UTF-8")

    def listed(self, item, empty=True):
        """( item SP item ... )"""
        self.want(b"(")
        found = []
        while not self.take(b")"):
            if found:
                self.space()
            found.append(item())
        if not found and not empty:
            self.fail("a list that is not empty")
        return found

    def nil_or(self, item):
        return None if self.word(b"NIL") else item()

    def date_time(self):
        text = self.match(DATE_TIME, "a date and time")[1].decode()
        day, hour, zone = int(text[:2]), int(text[12:14]), int(text[22:24])
        if not (1 <= day <= 31 and hour <= 23 and zone <= 23 and int(text[24:26]) <= 59):
            self.fail("a date and time that can be")
        return text

    def objectid(self):
        self.want(b"(")
        value = self.match(OBJECTID, "an object id")[0].decode()
        self.want(b")")
        return value

    # -- flags ------------------------------------------------------------------

    def flag(self):
        if not self.take(b"\\"):
            return self.atom("a flag").decode()
        name = b"\\" + self.atom("a flag")
        if name.lower() == b"\\recent":
            self.fail("no \\Recent here")
        return name.decode()

    def flag_fetch(self):
        if not self.rev2 and self.sees(b"\\Recent"):
            self.at += 7
            return "\\Recent"
        return self.flag()

    def flag_perm(self):
        return "\\*" if self.take(b"\\*") else self.flag()

    def flags(self, one):
        found = self.listed(one)
        if len({f.lower() for f in found}) != len(found):
            self.fail("each flag once")
        return found

    # -- bodies -------------------------------------------------------------------

    def address(self):
        self.want(b"(")
        parts = [self.nstring()]
        for _ in range(3):
            self.space()
            parts.append(self.nstring())
        self.want(b")")
        return tuple(parts)

    def addresses(self):
        if self.word(b"NIL"):
            return None
        self.want(b"(")
        found, group = [], False
        while not self.take(b")"):
            address = self.address()
            if address[3] is None:  # RFC 3501 7.4.2: the start or the end of a group
                if (address[2] is None) != group:
                    self.fail("groups that begin and end in turn")
                group = not group
            elif address[2] is None:
                self.fail("an address with a local part")
            found.append(address)
        if not found or group:
            self.fail("an address, or the end of the group")
        return found

    def envelope(self):
        self.want(b"(")
        e = {"date": self.nstring()}
        self.space()
        e["subject"] = self.nstring()
        for name in ("from", "sender", "reply-to", "to", "cc", "bcc"):
            self.space()
            e[name] = self.addresses()
        if e["from"] and not (e["sender"] and e["reply-to"]):
            self.fail("sender and reply-to, which default to from")
        for name in ("in-reply-to", "message-id"):
            self.space()
            e[name] = self.nstring()
        self.want(b")")
        return e

    def params(self):
        if self.word(b"NIL"):
            return {}
        pairs = self.listed(lambda: (self.string(), self.space(), self.string()), empty=False)
        return {name.lower().decode("latin-1"): value for name, _, value in pairs}

    def token(self, what):
        value = self.string(what)
        if not TOKEN.match(value):
            self.fail(f"{what} that is a token, not {value!r}")
        return value.decode().lower()

    def body(self, extended, number=""):
        self.want(b"(")
        part = (self.body_multi if self.sees(b"(") else self.body_one)(extended, number)
        self.want(b")")
        return part

    def body_multi(self, extended, number):
        parts = []
        while self.sees(b"("):
            below = f"{number}.{len(parts) + 1}" if number else str(len(parts) + 1)
            parts.append(self.body(extended, below))
        self.space()
        part = Part(number, "multipart/" + self.token("a media subtype"), {}, parts)
        if extended and self.take(b" "):
            part.params = self.params()
            self.body_extension(part)
        return part

    def body_one(self, extended, number):
        number = number or "1"
        kind = self.token("a media type")
        self.space()
        kind += "/" + self.token("a media subtype")
        self.space()
        part = Part(number, kind, self.params())
        self.space()
        part.id = self.nstring()
        self.space()
        part.description = self.nstring()
        self.space()
        part.encoding = self.string("an encoding").decode("latin-1").lower()
        self.space()
        part.octets = self.number()
        if kind == "message/rfc822" or (self.rev2 and kind == "message/global"):
            self.space()
            part.envelope = self.envelope()
            self.space()
            part.parts = [self.body_inner(extended, number)]
        if part.envelope or kind.startswith("text/"):
            self.space()
            part.lines = self.number(NUMBER64)
        if extended and self.take(b" "):
            part.md5 = self.nstring()
            self.body_extension(part)
        return part

    def body_inner(self, extended, number):
        """The body of a message/rfc822 N: a multipart is N itself, anything else N.1 (RFC 3501 6.4.5)."""
        mark = self.at
        part = self.body(extended, number)
        if not part.multipart:
            self.at = mark
            part = self.body(extended, f"{number}.1")
        return part

    def body_extension(self, part):
        """ SP disposition SP language SP location, each only behind the one before; then whatever may come."""
        if not self.take(b" "):
            return
        part.disposition = self.nil_or(self.disposition)
        if not self.take(b" "):
            return
        part.language = self.listed(self.string, empty=False) if self.sees(b"(") else self.nstring()
        if not self.take(b" "):
            return
        part.location = self.nstring()
        while self.take(b" "):
            self.body_more()

    def disposition(self):
        self.want(b"(")
        kind = self.string().decode("latin-1").lower()
        self.space()
        params = self.params()
        self.want(b")")
        return kind, params

    def body_more(self):
        if self.sees(b"("):
            return self.listed(self.body_more, empty=False)
        return int(self.match(NUMBER, "a number")[0]) if NUMBER.match(self.b, self.at) else self.nstring()

    # -- FETCH ----------------------------------------------------------------------

    def section(self):
        found = self.match(SECTION, "a section")
        if bool(found[2]) != bool(found[1] and found[3]) or (found[3] == b"MIME" and not found[1]):
            self.fail("a section")
        name = (found[1] + found[2] + (found[3] or b"")).decode()
        if found[3] and found[3].startswith(b"HEADER.FIELDS"):
            self.space()
            fields = self.listed(self.astring, empty=False)
            name += " (" + " ".join(f.decode("latin-1") for f in fields) + ")"
        self.want(b"]")
        return name

    def partial(self):
        if not self.take(b"<"):
            return ""
        start = self.number(NUMBER64)
        self.want(b">")
        return f"<{start}>"

    def nstring8(self):
        return self.literal(eight=True) if self.sees(b"~") else self.nstring()

    def fetch_item(self):
        """(name, value); the name as the client asked for it, in capitals but for the header names."""
        if self.take(b"BODY["):
            self.at -= 1
            name = "BODY[" + self.section() + "]" + self.partial()
            self.space()
            return name, self.nstring()
        if self.take(b"BINARY["):
            self.at -= 1
            name = "BINARY" + self.match(SECTION_BINARY, "a binary section")[0].decode() + self.partial()
            self.space()
            return name, self.nstring8()
        if self.take(b"BINARY.SIZE["):
            self.at -= 1
            name = "BINARY.SIZE" + self.match(SECTION_BINARY, "a binary section")[0].decode()
            self.space()
            return name, self.number()
        name = self.atom("a FETCH item").decode()
        item = {"FLAGS": lambda: self.flags(self.flag_fetch), "ENVELOPE": self.envelope,
                "INTERNALDATE": self.date_time, "SAVEDATE": lambda: self.nil_or(self.date_time),
                "RFC822": self.nstring, "RFC822.HEADER": self.nstring, "RFC822.TEXT": self.nstring,
                "RFC822.SIZE": lambda: self.number(NUMBER64 if self.rev2 else NUMBER32),
                "BODY": lambda: self.body(False), "BODYSTRUCTURE": lambda: self.body(True), "UID": self.nz,
                "MODSEQ": self.one_modseq, "PREVIEW": self.nstring, "EMAILID": self.objectid,
                "THREADID": lambda: self.nil_or(self.objectid)}.get(name)
        if not item:
            self.fail(f"a FETCH item that is known, not {name}")
        self.space()
        return name, item()

    def one_modseq(self):
        self.want(b"(")
        value = self.modseq()
        self.want(b")")
        return value

    def fetch(self):
        pairs = self.listed(self.fetch_item, empty=False)
        items = dict(pairs)
        if len(items) != len(pairs):
            self.fail("each FETCH item once")
        return items

    # -- untagged data ------------------------------------------------------------------

    def capability(self):
        names = [self.atom("a capability").decode()]
        while self.take(b" "):
            names.append(self.atom("a capability").decode())
        upper = [n.upper() for n in names]
        if "IMAP4REV1" not in upper and "IMAP4REV2" not in upper:
            self.fail("IMAP4rev1 or IMAP4rev2 among the capabilities")
        if len(set(upper)) != len(upper):
            self.fail("each capability once")
        return names

    def list_flag(self):
        self.want(b"\\")
        name = b"\\" + self.atom("a mailbox attribute").lower()
        if name not in LIST_FLAGS:
            self.fail(f"a mailbox attribute that is known, not {name!r}")
        return name.decode()

    def list(self):
        flags = self.listed(self.list_flag)
        unique = frozenset(flags)
        if len(unique) != len(flags):
            self.fail("each attribute once")
        if len(unique & {"\\noselect", "\\nonexistent", "\\marked", "\\unmarked"}) > 1:
            self.fail("one of the selectability attributes")
        if unique >= {"\\haschildren", "\\hasnochildren"}:
            self.fail("children or no children")
        self.space()
        separator = self.nil_or(lambda: self.match(re.compile(rb'"([^"\\\r\n\x80-\xff]|\\["\\])"'), "a separator")[1])
        self.space()
        box = Mailbox(self.mailbox(), separator and separator[-1:].decode(), unique)
        if self.take(b" "):
            box.extended = dict(self.listed(self.list_item))
        return box

    def list_item(self):
        name = self.astring("an extended item").decode().upper()
        self.space()
        if name == "CHILDINFO":
            return name, [c.decode() for c in self.listed(self.string, empty=False)]
        if name == "OLDNAME":
            self.want(b"(")
            old = self.mailbox()
            self.want(b")")
            return name, old
        return self.fail("CHILDINFO or OLDNAME")

    def status_item(self):
        name = self.atom("a STATUS item").decode()
        item = {"MESSAGES": self.number, "RECENT": self.number, "UIDNEXT": self.nz, "UIDVALIDITY": self.nz,
                "UNSEEN": self.number, "DELETED": self.number, "SIZE": lambda: self.number(NUMBER64),
                "DELETED-STORAGE": lambda: self.number(NUMBER64), "HIGHESTMODSEQ": lambda: self.modseq(0),
                "APPENDLIMIT": lambda: self.nil_or(self.number), "MAILBOXID": self.objectid}.get(name)
        if not item or (self.rev2 and name == "RECENT"):
            self.fail(f"a STATUS item that is known, not {name}")
        self.space()
        return name, item()

    def status(self):
        name = self.mailbox()
        self.space()
        pairs = self.listed(self.status_item)
        if len(dict(pairs)) != len(pairs):
            self.fail("each STATUS item once")
        return name, dict(pairs)

    def search(self):
        """Numbers, and the modseq behind them when there is one."""
        found = []
        while self.take(b" "):
            if self.take(b"(MODSEQ "):
                modseq = self.modseq()
                self.want(b")")
                return found, modseq
            found.append(self.nz())
        return found, None

    def esearch(self):
        result = Esearch()
        if self.take(b" (TAG "):
            result.tag = self.astring().decode()
            self.want(b")")
        result.uid = self.take(b" UID")
        while self.take(b" "):
            name = self.atom("a search result").decode()
            self.space()
            item = {"MIN": self.nz, "MAX": self.nz, "COUNT": self.number, "ALL": self.set, "MODSEQ": self.modseq,
                    "PARTIAL": self.search_partial}.get(name)
            if not item or name in result.data:
                self.fail(f"a search result that is known and new, not {name}")
            result.data[name] = item()
        return result

    def search_partial(self):
        self.want(b"(")
        found = self.match(re.compile(rb"[1-9][0-9]*:[1-9][0-9]*|-[1-9][0-9]*:-[1-9][0-9]*"), "a range")[0].decode()
        self.space()
        what = self.nil_or(self.set)
        self.want(b")")
        return found, what

    def thread(self):
        """Nested lists: [3, [4, 5], [6]] is 3 with the two children 4 (and below it 5) and 6."""
        if not self.take(b" "):
            return []
        found = []
        while self.sees(b"("):
            found.append(self.thread_list())
        return found or self.fail("a thread")

    def thread_list(self):
        self.want(b"(")
        found = []
        while not self.sees(b"("):
            found.append(self.nz())
            if not self.take(b" "):
                break
        else:
            below = []
            while self.sees(b"("):
                below.append(self.thread_list())
            if len(below) < 2:
                self.fail("at least two threads side by side")
            found += below
        self.want(b")")
        return found

    def vanished(self):
        earlier = self.take(b" (EARLIER)")
        self.space()
        return earlier, numbers(self.set())

    def namespace_one(self):
        self.want(b"(")
        prefix = self.string()
        self.space()
        separator = self.nstring()
        while self.take(b" "):
            self.string()
            self.space()
            self.listed(self.string, empty=False)
        self.want(b")")
        return prefix, separator

    def namespace_list(self):
        if self.word(b"NIL"):
            return []
        self.want(b"(")
        found = []
        while not self.take(b")"):
            found.append(self.namespace_one())
        return found or self.fail("a namespace")

    def namespace(self):
        found = [self.namespace_list()]
        for _ in range(2):
            self.space()
            found.append(self.namespace_list())
        return found

    def id(self):
        def pair():
            name = self.string()
            self.space()
            return name.decode(), self.nstring()
        return self.nil_or(lambda: dict(self.listed(pair)))

    def quota(self):
        root = self.astring().decode()
        self.space()

        def resource():
            name = self.atom().decode()
            self.space()
            usage = self.number(NUMBER64)
            self.space()
            return name, (usage, self.number(NUMBER64))
        return root, dict(self.listed(resource))

    def quotaroot(self):
        name, roots = self.mailbox(), []
        while self.take(b" "):
            roots.append(self.astring().decode())
        return name, roots

    def metadata_entry(self):
        name = self.astring("an entry")
        if not re.match(rb"/(private|shared)(/[^*%/\x00-\x19\x80-\xff]+)+\Z", name, re.I):
            self.fail(f"an entry's name, not {name!r}")
        return name.decode()

    def metadata(self):
        name = self.mailbox()
        self.space()
        if not self.sees(b"("):
            found = [self.metadata_entry()]
            while self.take(b" "):
                found.append(self.metadata_entry())
            return name, found

        def pair():
            entry = self.metadata_entry()
            self.space()
            return entry, self.nstring8()
        return name, dict(self.listed(pair, empty=False))

    def behind(self, item):
        self.space()
        return item()

    def words(self):
        found = []
        while self.take(b" "):
            found.append(self.atom().decode())
        return found

    def untagged(self):
        if self.b[self.at:self.at + 1].isdigit():
            return self.numbered()
        kind = self.atom("a response").decode()
        if kind in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
            return self.resp_text(Response(kind))
        item = {"CAPABILITY": lambda: self.behind(self.capability), "LIST": lambda: self.behind(self.list),
                "LSUB": lambda: self.behind(self.list), "STATUS": lambda: self.behind(self.status),
                "FLAGS": lambda: self.behind(lambda: self.flags(self.flag)), "SEARCH": self.search,
                "SORT": self.search, "ESEARCH": self.esearch, "THREAD": self.thread, "VANISHED": self.vanished,
                "ENABLED": self.words, "NAMESPACE": lambda: self.behind(self.namespace),
                "ID": lambda: self.behind(self.id), "QUOTA": lambda: self.behind(self.quota),
                "QUOTAROOT": lambda: self.behind(self.quotaroot),
                "METADATA": lambda: self.behind(self.metadata)}.get(kind)
        if not item or (self.rev2 and kind in ("SEARCH", "LSUB")):
            self.fail(f"a response that is known, not {kind}")
        return Response(kind, data=item())

    def numbered(self):
        number = self.number()
        self.space()
        kind = self.atom("EXISTS, EXPUNGE, FETCH ...").decode()
        if kind not in (("EXISTS", "EXPUNGE", "FETCH", "UIDFETCH") if self.rev2 else
                        ("EXISTS", "RECENT", "EXPUNGE", "FETCH", "UIDFETCH")):
            self.fail(f"EXISTS, EXPUNGE or FETCH, not {kind}")
        if number == 0 and kind not in ("EXISTS", "RECENT"):
            self.fail("a message's number")
        data = None
        if kind in ("FETCH", "UIDFETCH"):
            self.space()
            data = self.fetch()
        if kind == "UIDFETCH" and "UID" in data:
            self.fail("no UID twice")
        return Response(kind, number=number, data=data)

    # -- OK, NO, BAD and their codes ----------------------------------------------------

    def resp_text(self, r):
        self.space()
        if self.take(b"["):
            r.code = self.atom("a response code").decode()
            r.argument = self.code(r.code)
            self.want(b"]")
            self.space()
        r.text = self.match(TEXT, "text for a person")[0].decode()
        return r

    def code(self, name):
        if name in PLAIN_CODES:
            return None
        item = {"BADCHARSET": self.code_charsets, "CAPABILITY": lambda: self.behind(self.capability),
                "PERMANENTFLAGS": lambda: self.behind(lambda: self.flags(self.flag_perm)),
                "UIDNEXT": lambda: self.behind(self.nz), "UIDVALIDITY": lambda: self.behind(self.nz),
                "UNSEEN": lambda: self.behind(self.nz), "HIGHESTMODSEQ": lambda: self.behind(self.modseq),
                "MODIFIED": lambda: self.behind(self.set), "APPENDUID": self.code_appenduid,
                "COPYUID": self.code_copyuid, "MAILBOXID": lambda: self.behind(self.objectid),
                "METADATA": self.code_metadata, "BADEVENT": lambda: self.behind(lambda: self.listed(self.atom)),
                "INPROGRESS": self.code_inprogress}.get(name)
        if not item or (self.rev2 and name == "UNSEEN"):
            self.fail(f"a response code that is known, not {name}")
        return item()

    def code_charsets(self):
        return self.listed(self.astring, empty=False) if self.take(b" ") else []

    def code_appenduid(self):
        self.space()
        validity = self.nz()
        self.space()
        return validity, numbers(self.set())

    def code_copyuid(self):
        self.space()
        validity = self.nz()
        self.space()
        source = numbers(self.set())
        self.space()
        into = numbers(self.set())
        if len(source) != len(into):
            self.fail("as many UIDs here as there")
        return validity, source, into

    def code_metadata(self):
        self.space()
        name = self.atom().decode()
        if name in ("TOOMANY", "NOPRIVATE"):
            return name, None
        if name not in ("LONGENTRIES", "MAXSIZE"):
            self.fail("LONGENTRIES, MAXSIZE, TOOMANY or NOPRIVATE")
        self.space()
        return name, self.number()

    def code_inprogress(self):
        """RFC 9585 4: ("tag" done all)"""
        if not self.take(b" "):
            return None
        self.want(b"(")
        tag = self.nil_or(self.string)
        self.space()
        done = self.nil_or(self.number)
        self.space()
        goal = self.nil_or(self.nz)
        self.want(b")")
        return tag, done, goal

    def response(self):
        if self.take(b"+ "):
            return self.continuation()
        if self.take(b"* "):
            r = self.untagged()
        else:
            tag = self.match(TAG, "a tag, * or +")[0].decode()
            self.space()
            kind = self.atom("OK, NO or BAD").decode()
            if kind not in ("OK", "NO", "BAD"):
                self.fail(f"OK, NO or BAD, not {kind}")
            r = self.resp_text(Response(kind, tag))
        self.end()
        return r

    def continuation(self):
        line = self.b[self.at:-2]
        if not self.b.endswith(b"\r\n") or b"\r" in line or b"\n" in line:
            self.fail("one line")
        if BASE64.match(line):
            return Response("+", data=line, text=line.decode())
        r = self.resp_text_at(Response("+", data=line))
        self.end()
        return r

    def resp_text_at(self, r):
        self.at -= 1  # the space behind "+"
        return self.resp_text(r)


def response(frame, utf8=False, rev2=False):
    return Grammar(frame, utf8, rev2).response()


STATE = re.compile(rb"(?:\*|[^ +*]+) (?:OK|NO|BAD|BYE|PREAUTH) |\+ ")
MARK = re.compile(rb"\{(0|[1-9][0-9]{0,18})\}\r\n\Z")


def announced(line):
    """How many octets follow this line as a literal; None: none do.  Text for people may end in {5}."""
    if STATE.match(line):
        return None
    mark = MARK.search(line)
    return int(mark[1]) if mark else None
