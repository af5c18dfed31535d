"""The strict client's own test: what it must take, and what it must not let pass."""
import pytest
from imapgrammar import GrammarError, announced, numbers, response, utf7_decode, utf7_encode
from imapwire import Mirror, WireError

RIGHT = [
    b"* OK [UIDVALIDITY 12] UIDs valid\r\n",
    b"a1 OK [COPYUID 38505 304,319:320 3956:3958] Done\r\n",
    b"a1 NO [BADCHARSET (UTF-8 {8}\r\nUS-ASCII)] No\r\n",
    b"* LIST (\\HasChildren \\Subscribed) \"/\" {3}\r\nfoo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
    b"* LIST () NIL inbox\r\n",
    b"* LIST () \"\\\\\" \"a \\\"b\\\"\"\r\n",
    b"* 12 FETCH (FLAGS (\\Seen \\Recent $x) UID 4 MODSEQ (9) BODY[1.2.MIME]<0> {2}\r\nab)\r\n",
    b"* 12 FETCH (BODY[HEADER.FIELDS (\"To\" X)] NIL BINARY[1] ~{1}\r\n\0 BINARY.SIZE[1.2] 0)\r\n",
    b'* 1 FETCH (INTERNALDATE " 7-Jul-1996 02:44:25 -0700" SAVEDATE NIL EMAILID (M1) THREADID NIL PREVIEW NIL)\r\n',
    b'* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 0 NIL ("inline" ("a" "b")) ("de" "en") NIL "x" '
    b'(1 NIL)))\r\n',
    b'* 1 FETCH (BODY (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 0)("IMAGE" "PNG" NIL NIL NIL "BASE64" 7) "MIXED"))\r\n',
    b"* ESEARCH (TAG \"a1\") UID MIN 1 ALL 1:3,9 MODSEQ 4\r\n",
    b"* SEARCH\r\n", b"* SEARCH 1 2 (MODSEQ 3)\r\n", b"* VANISHED (EARLIER) 1:3,5\r\n", b"* ENABLED\r\n",
    b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n", b"* THREAD ((3)(5))\r\n", b"* THREAD\r\n",
    b"* STATUS \"x y\" (MESSAGES 1 HIGHESTMODSEQ 0 SIZE 5000000000 APPENDLIMIT NIL)\r\n",
    b"* QUOTA \"\" (STORAGE 10 512 MESSAGE 1 2)\r\n", b"* QUOTAROOT INBOX \"\"\r\n",
    b"* METADATA INBOX (/private/comment {1}\r\nx /shared/a NIL)\r\n", b"* METADATA \"\" /shared/comment\r\n",
    b"* NAMESPACE ((\"\" \"/\")(\"#x\" NIL)) NIL NIL\r\n", b"* ID NIL\r\n", b"* ID (\"name\" NIL)\r\n",
    b"+ \r\n", b"+ YWJj\r\n", b"+ Ready for {5}\r\n", b"* 3 UIDFETCH (FLAGS ())\r\n",
]
WRONG = [
    b"* OK\r\n", b"* OK [UIDVALIDITY 0] x\r\n", b"* OK [NOSUCH] x\r\n", b"* OK [UIDNEXT] x\r\n", b"* OK  x\n",
    b"* OK x\r\n* OK y\r\n", b"a1  OK x\r\n", b"a1 MAYBE x\r\n", b"a+1 OK x\r\n", b"a1 OK [READ-ONLY]\r\n",
    b"* 01 EXISTS\r\n", b"* 0 EXPUNGE\r\n", b"* 1 EXISTS \r\n", b"* 4294967296 EXISTS\r\n", b"* 1 NOSUCH\r\n",
    b"* LIST (\\Nosuch) \"/\" a\r\n", b"* LIST (\\HasChildren \\HasNoChildren) \"/\" a\r\n", b"* LIST () / a\r\n",
    b"* LIST () \"/\" a b\r\n", b"* LIST () \"/\" &bad\r\n", b"* LIST () \"/\" &AGE-\r\n", b"* LIST () \"/\" NIL\r\n",
    b"* LIST () \"/\" \"\xc3\xbc\"\r\n",
    b"* FLAGS (\\Seen  x)\r\n", b"* FLAGS (\\Seen \\seen)\r\n", b"* FLAGS (\\Recent)\r\n", b"* FLAGS (\\*)\r\n",
    b"* 1 FETCH ()\r\n", b"* 1 FETCH (UID 1 UID 1)\r\n", b"* 1 FETCH (UID 0)\r\n", b"* 1 FETCH (NOSUCH 1)\r\n",
    b"* 1 FETCH (MODSEQ 4)\r\n", b"* 1 FETCH (MODSEQ (0))\r\n", b"* 1 FETCH (BODY[] ~{1}\r\nx)\r\n",
    b"* 1 FETCH (BODY[] {1}\r\n\0)\r\n", b"* 1 FETCH (BODY[MIME] NIL)\r\n", b"* 1 FETCH (BODY[0] NIL)\r\n",
    b"* 1 FETCH (BODY[] {5}\r\nabc)\r\n", b"* 1 FETCH (BODY[HEADER.FIELDS] NIL)\r\n", b"* 1 FETCH (BODY[TEXT NIL)\r\n",
    b'* 1 FETCH (INTERNALDATE "7-Jul-1996 02:44:25 -0700")\r\n',
    b'* 1 FETCH (INTERNALDATE "41-Jul-1996 02:44:25 -0700")\r\n',
    b'* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1))\r\n',  # text has lines
    b'* 1 FETCH (BODY ("IMAGE" "PNG" NIL NIL NIL "7BIT" 1 0))\r\n',  # an image has none
    b'* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 0 NIL))\r\n',  # extension data in BODY
    b'* 1 FETCH (BODY ("TEXT" "PLAIN" () NIL NIL "7BIT" 1 0))\r\n',
    b'* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL NIL 1 0))\r\n',
    b'* 1 FETCH (BODY ("TE XT" "PLAIN" NIL NIL NIL "7BIT" 1 0))\r\n',
    b'* 1 FETCH (BODY ("MIXED"))\r\n',
    b'* 1 FETCH (BODYSTRUCTURE (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 0) "MIXED" NIL "x"))\r\n',
    b'* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n',
    b'* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL NIL NIL))\r\n',
    b'* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL ((NIL NIL "a" "b") (NIL NIL "a" "b")) NIL NIL NIL NIL))\r\n',
    b'* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL ((NIL NIL "group" NIL)) NIL NIL NIL NIL))\r\n',
    b"* SEARCH 0\r\n", b"* SEARCH 1 \r\n", b"* SEARCH (MODSEQ 1) 2\r\n", b"* ESEARCH MIN 0\r\n", b"* ESEARCH NOSUCH 1\r\n",
    b"* ESEARCH COUNT 1 COUNT 1\r\n", b"* VANISHED 0\r\n", b"* VANISHED *\r\n", b"* THREAD (1\r\n", b"* THREAD ((3))\r\n",
    b"* THREAD ()\r\n", b"* STATUS a (MESSAGES)\r\n", b"* STATUS a (NOSUCH 1)\r\n", b"* QUOTA \"\" (STORAGE 1)\r\n",
    b"* METADATA INBOX ()\r\n", b"* METADATA INBOX (comment \"x\")\r\n", b"* CAPABILITY AUTH=PLAIN\r\n",
    b"* CAPABILITY IMAP4rev1 IDLE IDLE\r\n", b"* CAPABILITY IMAP4rev1 \r\n", b"+\r\n",
    b"a1 OK [COPYUID 1 1:3 1:2] x\r\n", b"* OK [PERMANENTFLAGS (\\Recent)] x\r\n", b"* NAMESPACE NIL NIL\r\n",
    b"* 1 UIDFETCH (UID 1)\r\n", b"* OK caf\xc3\xa9\r\n",
]


@pytest.mark.parametrize("frame", RIGHT)
def test_right(frame):
    response(frame)


@pytest.mark.parametrize("frame", WRONG)
def test_wrong(frame):
    with pytest.raises(GrammarError):
        response(frame)


def test_cut_short():
    """No beginning of a right response is one, and no right response with an octet more."""
    for frame in RIGHT:
        for end in range(len(frame)):
            with pytest.raises(GrammarError):
                response(frame[:end])
        with pytest.raises(GrammarError):
            response(frame + b"\r\n")


def test_rev2_forbids():
    for frame in (b"* SEARCH 1\r\n", b"* 1 RECENT\r\n", b"* 1 FETCH (FLAGS (\\Recent))\r\n", b"* OK [UNSEEN 1] x\r\n",
                  b"* LSUB () \"/\" a\r\n", b"* STATUS a (RECENT 1)\r\n", b"* LIST () \"/\" \"\xff\"\r\n"):
        with pytest.raises(GrammarError):
            response(frame, rev2=True)
    assert response("* LIST () \"/\" \"ü\"\r\n".encode(), rev2=True).data.name == "ü"


def test_literals_are_seen():
    assert announced(b"* 1 FETCH (BODY[] {12}\r\n") == 12 and announced(b"* 1 FETCH (BINARY[] ~{0}\r\n") == 0
    assert announced(b"* OK look: {12}\r\n") is None and announced(b"a1 NO {12}\r\n") is None
    assert announced(b"* 1 EXISTS\r\n") is None


def test_names_have_one_spelling():
    for name in ("INBOX", "Entwürfe", "a&b", "日本語/x", "~peter/mail/台北/日本語", "😀"):
        assert utf7_decode(utf7_encode(name)) == name
    assert utf7_encode("Entwürfe") == b"Entw&APw-rfe" and numbers("3:1,7") == [1, 2, 3, 7]
    for bad in (b"&", b"&AGE-", b"&A-", b"&APw", b"x\xfc", b"&APw-&APw-", b"&,-"):
        with pytest.raises(GrammarError):
            utf7_decode(bad)


def test_mirror_refuses():
    def filled():
        m = Mirror()
        m.exists(3)
        for seq in (1, 2, 3):
            m.fetch(seq, {"UID": seq * 10, "MODSEQ": 5, "FLAGS": []})
        return m
    for what in (lambda m: m.exists(2), lambda m: m.expunge(4), lambda m: m.expunge(0), lambda m: m.vanished([15]),
                 lambda m: m.fetch(4, {"UID": 40}), lambda m: m.fetch(1, {"UID": 11}),
                 lambda m: m.fetch(1, {"MODSEQ": 4}), lambda m: (m.exists(4), m.fetch(4, {"UID": 30}))):
        with pytest.raises(WireError):
            what(filled())
    m = filled()
    m.expunge(2)
    m.vanished([30])
    assert m.uids() == [10]
