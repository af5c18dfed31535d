"""Six thousand letters of the wild: appended, fetched whole and part by part, and none may differ by an octet."""
import collections
import ctypes
import ctypes.util
import email
import email.policy
import io
import re
import tarfile

import pytest
from conftest import ROOT
from imapbox import imap_box
from imapwire import Literal

CORPUS = ROOT.parent / "shared/corpus/spamassassin.tar.zst"
AT_ONCE = 40  # commands under way


def unzstd(octets):
    """One zstd frame; Python 3.11 has no module for it, the library is there because Sluice needs it."""
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    size = zstd.ZSTD_getFrameContentSize(octets, ctypes.c_size_t(len(octets)))
    if size >= 2**63:
        size = 200 << 20  # not told by the frame
    out = ctypes.create_string_buffer(size)
    got = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), octets, ctypes.c_size_t(len(octets)))
    assert not zstd.ZSTD_isError(ctypes.c_size_t(got))
    return out.raw[:got]


def letters():
    """Each letter as it goes over the wire: without the mbox line, each line ended by CRLF."""
    with tarfile.open(fileobj=io.BytesIO(unzstd(CORPUS.read_bytes()))) as tar:
        for member in tar:
            if not member.isfile():
                continue
            raw = tar.extractfile(member).read()
            if raw.startswith(b"From "):
                raw = raw.partition(b"\n")[2]
            raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
            if raw and b"\0" not in raw:  # IMAP's literals cannot carry NUL
                yield raw


def pipelined(session, commands):
    """Results of (key, parts) in turn, AT_ONCE of them on their way."""
    keys = collections.deque()
    for key, parts in commands:
        session.start(*parts)
        keys.append(key)
        if len(keys) == AT_ONCE:
            yield keys.popleft(), session.finish().ok()
    while keys:
        yield keys.popleft(), session.finish().ok()


def append_all(session, mailbox, mails):
    """One by one, and the second half many at a time (MULTIAPPEND)."""
    uids = []
    assert session.can("MULTIAPPEND")
    half = len(mails) // 2
    batches = [[m] for m in mails[:half]] + [mails[i:i + 20] for i in range(half, len(mails), 20)]
    commands = ((len(batch), (f"APPEND {mailbox}", *(p for m in batch for p in (" ", Literal(m))))) for batch in batches)
    for size, result in pipelined(session, commands):
        assert result.code == "APPENDUID" and len(result.argument[1]) == size
        uids += result.argument[1]
    assert uids == sorted(set(uids)) and len(uids) == len(mails)
    return uids


def wanted_parts(structure):
    """Sections of every leaf, its MIME header when it has one of its own, and what stands in a message/rfc822."""
    for part in structure.walk():
        if not part.multipart:
            yield part.number
        if part.number and structure.multipart and part is not structure:
            yield part.number + ".MIME"
        if part.envelope is not None:
            yield from (part.number + ".HEADER", part.number + ".TEXT")


def check_parts(mail, structure, items):
    """What each part says of itself is what it is, and all of it stands in the letter."""
    for part in structure.leaves():
        body = items[f"BODY[{part.number}]"]
        assert part.octets == len(body), f"{part.number}: {part.octets} octets said, {len(body)} there"
        assert body in mail
        if part.lines is not None:
            assert part.lines == body.count(b"\n"), part.number
        if part.envelope is not None:
            assert items[f"BODY[{part.number}.HEADER]"] + items[f"BODY[{part.number}.TEXT]"] == body
    head, text = items["BODY[HEADER]"], items["BODY[TEXT]"]
    assert head + text == mail
    assert items["RFC822.SIZE"] == len(mail)


# -- as Python's email package sees it --------------------------------------------------

def well_formed(message):
    return not any(part.defects for part in message.walk())


def compare(structure, message, items, differences, path=""):
    """Types and bodies of the tree; what differs for a known reason is counted under it."""
    ours, theirs = structure.type, message.get_content_type()
    if reason := known_difference(structure, message):
        differences[reason] += 1
        return
    assert ours == theirs, f"{path}: {ours}, not {theirs}"
    if structure.multipart:
        below = message.get_payload()
        assert len(structure.parts) == len(below), f"{path}: {len(structure.parts)} parts, not {len(below)}"
        for i, (a, b) in enumerate(zip(structure.parts, below)):
            compare(a, b, items, differences, f"{path}.{i + 1}")
    elif structure.envelope is not None:
        compare(structure.parts[0], message.get_payload()[0], items, differences, path + ".r")
    else:
        theirs = message._payload  # get_payload() would decode the charset
        assert items[f"BODY[{structure.number}]"] == theirs.encode("ascii", "surrogateescape"), path
        coding = str(message.get("content-transfer-encoding", "7bit")).strip().lower() or "7bit"
        assert structure.encoding == coding, f"{path}: {structure.encoding}, not {coding}"


def known_difference(ours, message):
    """Where the two read the same octets differently though nothing is broken, and why both may."""
    kind = str(message.get("content-type", "")).strip()
    if ours.type == "application/octet-stream" and message.get_content_type() == "text/plain" and kind:
        return "a Content-Type that is no type/subtype: octets (RFC 2045 5.2 leaves it open), Python says text/plain"
    if " " in message.get_content_type():
        return "text/plain charset=x without a semicolon: ours ends the subtype at the space, Python does not"
    if message.get_content_maintype() == "message" and ours.envelope is None and ours.type.startswith("message/"):
        return "message/* other than rfc822: Python opens it, BODYSTRUCTURE names it as one leaf"
    return None


@pytest.fixture(scope="module")
def filled():
    if not CORPUS.exists():
        pytest.skip(f"{CORPUS} is not here")
    mails = list(letters())
    assert len(mails) > 6000
    with imap_box() as box, box.session("ann") as session:
        session.ok("CREATE Corpus")
        uids = append_all(session, "Corpus", mails)
        session.select("Corpus", examine=True)
        assert len(session.mirror.messages) == len(mails)
        yield session, dict(zip(uids, mails))


def test_whole(filled):
    session, mails = filled
    ask = ((uid, (f"UID FETCH {uid} (BODY.PEEK[] RFC822.SIZE)",)) for uid in mails)
    for uid, result in pipelined(session, ask):
        (_, items), = result.fetched()
        assert items["UID"] == uid and items["BODY[]"] == mails[uid], f"UID {uid} is not what was sent"
        assert items["RFC822.SIZE"] == len(mails[uid])


def test_part_by_part(filled):
    session, mails = filled
    structures, differences, compared = {}, collections.Counter(), 0
    for _, items in session.ok("UID FETCH 1:* (BODYSTRUCTURE ENVELOPE)").fetched():
        structures[items["UID"]] = items["BODYSTRUCTURE"]
    assert set(structures) == set(mails)
    ask = ((uid, (f"UID FETCH {uid} (RFC822.SIZE BODY.PEEK[HEADER] BODY.PEEK[TEXT] "
                  + " ".join(f"BODY.PEEK[{n}]" for n in sorted(set(wanted_parts(structures[uid])))) + ")",))
           for uid in mails)
    for uid, result in pipelined(session, ask):
        (_, items), = result.fetched()
        check_parts(mails[uid], structures[uid], items)
        message = email.message_from_bytes(mails[uid], policy=email.policy.compat32)
        if well_formed(message):
            compared += 1
            compare(structures[uid], message, items, differences, f"UID {uid} ")
    print(f"\n{len(mails)} letters, {compared} compared with Python's email package; read differently: {dict(differences)}")
    assert compared > 0.9 * len(mails)


DECODED = {"base64", "quoted-printable"}


def test_binary(filled):
    """Parts decoded by the server are what Python decodes, where the encoding is without fault."""
    session, mails = filled
    assert session.can("BINARY")
    asked, wanted = [], {}
    for _, items in session.ok("UID FETCH 1:* (BODYSTRUCTURE)").fetched():
        uid, structure = items["UID"], items["BODYSTRUCTURE"]
        leaves = [p for p in structure.leaves() if p.encoding in DECODED and p.envelope is None]
        message = email.message_from_bytes(mails[uid], policy=email.policy.compat32) if leaves else None
        if not leaves or not well_formed(message) or any(p.envelope is not None for p in structure.walk()):
            continue
        parts = [p for p in message.walk() if not p.is_multipart()]
        if len(parts) != len(list(structure.leaves())):
            continue
        by_number = dict(zip((p.number for p in structure.leaves()), parts))
        wanted[uid] = {p.number: decoded(p, by_number[p.number]) for p in leaves}
        names = " ".join(f"BINARY.PEEK[{p.number}] BINARY.SIZE[{p.number}]" for p in leaves)
        asked.append((uid, (f"UID FETCH {uid} ({names})",)))
    for uid, result in pipelined(session, asked):
        (_, items), = result.fetched()
        for number, octets in wanted[uid].items():
            got = items[f"BINARY[{number}]"]
            assert items[f"BINARY.SIZE[{number}]"] == len(got)
            assert octets is None or got == octets, f"UID {uid} part {number}: {got[:200]!r}, not {octets[:200]!r}"
    compared = sum(octets is not None for parts in wanted.values() for octets in parts.values())
    print(f"\n{compared} parts decoded here and there")
    assert compared > 500


def decoded(part, message):
    """By Python; None where the encoding has faults that may be read one way or another."""
    raw = message._payload.encode("ascii", "surrogateescape")
    if part.encoding == "base64":
        if not re.fullmatch(rb"(?:[A-Za-z0-9+/]{4}|\r\n)*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?:\r\n)*", raw):
            return None
    elif re.search(rb"=(?![0-9A-F]{2}|\r\n)|[ \t]+(?:\r\n|\Z)|[^\x09\x0d\x0a\x20-\x7e]", raw):
        return None
    return message.get_payload(decode=True)


def test_previews(filled):
    """At most 256 characters, in UTF-8, of text (RFC 8970 3.1)."""
    session, mails = filled
    assert session.can("PREVIEW")
    previews = [i["PREVIEW"] for _, i in session.ok("FETCH 1:* (PREVIEW)").fetched()]
    assert len(previews) == len(mails)
    for preview in previews:
        assert preview is None or len(preview.decode("utf-8")) <= 256
    assert sum(bool(p) for p in previews) > 0.95 * len(mails)
