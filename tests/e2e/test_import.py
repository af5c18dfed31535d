"""`sluice import` and `sluice export`: Maildir, mbox, archives and other servers, in and out, whole and interrupted."""
import contextlib
import hashlib
import mailbox
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time
import zipfile

import pytest
from conftest import SLUICE, message, need, open_folder, wait_for
from served import Server, certificate

CONFIG = """
log { to file "@dir@/sluice.log" }
domain one.test { }
imap { append 1MiB }
listen all {
	address 127.0.0.1
	imap @imap@;  imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
}
"""
DAY = 1605952800  # Sat, 21 Nov 2020 10:00:00 +0000


@pytest.fixture(scope="module")
def served():
    with open_folder() as place:
        server = Server(place / "box", CONFIG)
        certificate(server.folder, "one", "mail.one.test", "localhost")
        os.environ["XDG_STATE_HOME"] = str(place / "state")
        server.start()
        try:
            yield server
        finally:
            server.stop()
            del os.environ["XDG_STATE_HOME"]


names = (f"user{n}" for n in range(1000))


@pytest.fixture
def account(served):
    """A new account, with a password."""
    name = next(names)
    served.account(name, f"{name}@one.test", password="secret")
    return name


def run(server, *words, code=0, stdin=None):
    done = server.cli(*words, check=False, stdin=stdin)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def stored(server, name, box="INBOX"):
    """What IMAP shows of a mailbox: [(flags, internal date, octets)]."""
    client = server.imap(name)
    assert client.select(f'"{box}"', readonly=True)[0] == "OK", box
    found = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1]
    out = []
    for part in found:
        if isinstance(part, tuple):
            head = part[0].decode()
            flags = set(re.search(r"FLAGS \(([^)]*)\)", head)[1].split()) - {r"\Recent"}
            out.append((flags, re.search(r'INTERNALDATE "([^"]*)"', head)[1], part[1]))
    client.logout()
    return out


def boxes(server, name):
    return {box["name"]: box["messages"] for box in server.json("mailbox", "list", name)}


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def mail(n, body="Hello.\n"):
    return f"From: a@example.org\nSubject: number {n}\nMessage-ID: <{n}@example.org>\n\n{body}"


def subjects(messages):
    return [int(re.search(rb"Subject: number (\d+)", octets)[1]) for _, _, octets in messages]


# -- Maildir ---------------------------------------------------------------------------------------------------------

def put(folder, name, text, when=DAY, sub="cur"):
    for each in ("cur", "new", "tmp"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    path = folder / sub / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (when, when))


def maildirpp(top):
    """A Maildir++ as Dovecot leaves it."""
    put(top, "1.M1.host,S=5:2,FSa", mail(1))
    put(top, "2.M2.host:2,DRTPbz", mail(2), DAY + 60)
    put(top, "10.M3.host", mail(3), sub="new")
    put(top, "11.M4.host:2,S", "Received: by x; Fri, 20 Nov 2020 10:00:00 +0000\n" + mail(4), when=1)
    put(top, "12.M5.host:2,", "Date: Thu, 19 Nov 2020 10:00:00 +0000\n" + mail(5), when=2**40)
    (top / "dovecot-keywords").write_text("0 Work\n1 $Label1\n")
    put(top / ".Entw&APw-rfe", "1.M1.host:2,S", mail(6))
    put(top / ".Sent Items", "1.M1.host:2,S", mail(7))
    put(top / ".A.B&AMQ-", "1.M1.host:2,Sa", mail(8))
    (top / ".A.B&AMQ-" / "dovecot-keywords").write_text("0 Other\n")
    put(top / ".Empty", "x", "")
    (top / ".Empty" / "cur" / "x").unlink()
    (top / "subscriptions").write_text("V\t2\n\nINBOX\n")


def check_maildirpp(server, name):
    inbox = stored(server, name)
    assert subjects(inbox) == [1, 2, 4, 5, 3]  # cur before new, in the order of names
    assert inbox[0][0] == {r"\Flagged", r"\Seen", "Work"}
    assert inbox[1][0] == {r"\Draft", r"\Answered", r"\Deleted", "$Forwarded", "$Label1"}
    assert inbox[4][0] == set()
    assert inbox[0][1] == "21-Nov-2020 10:00:00 +0000" and inbox[1][1] == "21-Nov-2020 10:01:00 +0000"
    assert inbox[2][1] == "20-Nov-2020 10:00:00 +0000"  # the file's time is nonsense: by Received
    assert inbox[3][1] == "19-Nov-2020 10:00:00 +0000"  # by Date
    assert inbox[0][2] == crlf(mail(1))
    assert boxes(server, name) == {"INBOX": 5, "Drafts": 1, "Sent": 1, "A": 0, "A/BÄ": 1, "Empty": 0, "Archive": 0,
                                   "Junk": 0, "Trash": 0}
    assert stored(server, name, "A/B&AMQ-")[0][0] == {r"\Seen", "Other"}
    client = server.imap(name)
    assert any(b"A/B&AMQ-" in line for line in client.lsub()[1])


def test_maildirpp(served, account, tmp_path):
    maildirpp(tmp_path / "md")
    assert "8 messages into" in run(served, "import", "maildir", tmp_path / "md", "--account", account)
    check_maildirpp(served, account)
    # Once more: nothing twice; what is new is taken.
    put(tmp_path / "md", "20.M1.host:2,", mail(20))
    (tmp_path / "md/cur/1.M1.host,S=5:2,FSa").rename(tmp_path / "md/cur/1.M1.host,S=5:2,S")
    assert "1 messages into" in run(served, "import", "maildir", tmp_path / "md", "--account", account)
    assert len(stored(served, account)) == 6


def test_maildir_folders_within_folders(served, account, tmp_path):
    """As mbsync and LAYOUT=fs have it."""
    put(tmp_path / "INBOX", "1:2,S", mail(1))
    put(tmp_path / "Work" / "2020", "1:2,S", mail(2))
    run(served, "import", "maildir", tmp_path, "--account", account)
    found = boxes(served, account)
    assert found["INBOX"] == 1 and found["Work/2020"] == 1


def test_into_only_and_names(served, account, tmp_path):
    maildirpp(tmp_path)
    out = run(served, "import", "maildir", tmp_path, "--account", account, "--mailbox", "Old", "--only", "INBOX,A/*")
    assert "6 messages into" in out
    found = boxes(served, account)
    assert (found["Old"], found["Old/A/BÄ"], found["INBOX"]) == (5, 1, 0) and "Old/Sent Items" not in found
    run(served, "import", "maildir", tmp_path, "--account", account, "--keep-names", "--again")
    assert boxes(served, account)["Sent Items"] == 1


@pytest.mark.parametrize("kind", ["tar", "tgz", "tar.bz2", "zip"])
def test_archived_maildir(served, account, tmp_path, kind):
    maildirpp(tmp_path / "home/me/Maildir")
    archive = tmp_path / f"backup.{kind}"
    files = sorted((tmp_path / "home").rglob("*"), reverse=True)  # the keywords come behind the messages
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as z:
            for f in files:
                z.write(f, f.relative_to(tmp_path)) if 315532800 < f.stat().st_mtime < 2**32 else z.writestr(
                    zipfile.ZipInfo(str(f.relative_to(tmp_path))), f.read_bytes())
    else:
        with tarfile.open(archive, {"tar": "w", "tgz": "w:gz", "tar.bz2": "w:bz2"}[kind]) as t:
            for f in files:
                t.add(f, "./" + str(f.relative_to(tmp_path)), recursive=False)
    assert "8 messages into" in run(served, "import", "maildir", archive, "--account", account)
    found = stored(served, account)
    assert sorted(subjects(found)) == [1, 2, 3, 4, 5]
    by_subject = dict(zip(subjects(found), found))
    assert by_subject[1][0] == {r"\Flagged", r"\Seen", "Work"}
    if kind != "zip":
        assert by_subject[2][1] == "21-Nov-2020 10:01:00 +0000"
    assert boxes(served, account)["A/BÄ"] == 1
    assert "8 taken by an earlier run" in run(served, "import", "maildir", archive, "--account", account)


# -- mbox ------------------------------------------------------------------------------------------------------------

BODY = "Hello.\n\nFrom me to you\n\nFrom a@b Sat Nov 21 10:00:00 2020\nFrom: x\n\n>From them\n"


def mbox_of(kind, texts):
    out = ""
    for n, text in enumerate(texts):
        head, body = text.split("\n\n", 1)
        if kind in ("mboxo", "mboxcl"):
            body = re.sub(r"^From ", ">From ", body, flags=re.M)
        if kind == "mboxrd":
            body = re.sub(r"^(>*From )", r">\1", body, flags=re.M)
        if kind in ("mboxcl", "mboxcl2"):
            head += f"\nContent-Length: {len(body)}"
        out += f"From me Sat Nov 21 10:{n:02}:00 2020\n{head}\nStatus: RO\nX-Status: F\nX-Keywords: Work $x\n\n{body}\n"
    return out


@pytest.mark.parametrize("kind", ["mboxo", "mboxrd", "mboxcl", "mboxcl2"])
@pytest.mark.parametrize("said", [False, True])
def test_mbox_kinds(served, account, tmp_path, kind, said):
    texts = [mail(n, BODY) for n in range(3)]
    (tmp_path / "box").write_text(mbox_of(kind, texts))
    words = ["--kind", kind] if said else []
    assert "3 messages into" in run(served, "import", "mbox", tmp_path / "box", "--account", account, *words)
    found = stored(served, account)
    # What was ">From" in the beginning is the one thing that mboxo and mboxcl cannot tell.
    want = [t.replace(">From", "From") if kind in ("mboxo", "mboxcl") else t for t in texts]
    assert [octets for _, _, octets in found] == [crlf(t) for t in want]
    assert all(flags == {r"\Seen", r"\Flagged", "Work", "$x"} for flags, _, _ in found)
    assert [date for _, date, _ in found] == [f"21-Nov-2020 10:{n:02}:00 +0000" for n in range(3)]


def test_mbox_of_python(served, account, tmp_path):
    """mailbox.mbox writes it, as many a script does."""
    box = mailbox.mbox(tmp_path / "box")
    for n in range(5):
        m = mailbox.mboxMessage(mail(n, "From here\n"))
        m.set_flags("RO" if n % 2 else "AF")
        box.add(m)
    box.close()
    run(served, "import", "mbox", tmp_path / "box", "--account", account)
    found = stored(served, account)
    assert subjects(found) == list(range(5)) and found[0][2] == crlf(mail(0, "From here\n"))
    assert [flags for flags, _, _ in found[:2]] == [{r"\Answered", r"\Flagged"}, {r"\Seen"}]


def test_folder_of_mboxes(served, account, tmp_path):
    """Thunderbird's profile, Apple's bundles, and what lies beside them."""
    top = tmp_path / "Mail"
    (top / "Work.sbd").mkdir(parents=True)
    (top / "Apple.mbox").mkdir()
    same = mail(3)
    (top / "Inbox").write_text(mbox_of("mboxo", [mail(1), mail(2)]))
    (top / "Inbox.msf").write_text("index")
    (top / "Work").write_text("")
    (top / "Work.sbd/2020").write_text(mbox_of("mboxo", [same, same]))  # two that are the same are two
    (top / "Apple.mbox/mbox").write_text(mbox_of("mboxo", [mail(4)]))
    (top / "Gesendet").write_text(mbox_of("mboxo", [mail(5)]))
    (top / "notes.txt").write_text("no mail\n")
    assert "6 messages into" in run(served, "import", "mbox", top, "--account", account)
    found = boxes(served, account)
    assert {name: found[name] for name in ("INBOX", "Work", "Work/2020", "Apple", "Sent")} == {
        "INBOX": 2, "Work": 0, "Work/2020": 2, "Apple": 1, "Sent": 1}
    assert "6 taken by an earlier run" in run(served, "import", "mbox", top, "--account", account)
    with tarfile.open(tmp_path / "mail.tgz", "w:gz") as t:
        t.add(top, "backup/Mail")
    other = next(names)
    served.account(other)
    assert "6 messages into" in run(served, "import", "mbox", tmp_path / "mail.tgz", "--account", other)
    assert boxes(served, other)["Work/2020"] == 2


# -- trouble -----------------------------------------------------------------------------------------------------------

def test_wrong_input(served, account, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("this is no mail\n")
    (tmp_path / "no.tgz").write_text("this is no archive\n")
    for words, code, say in (
            (["maildir", tmp_path / "none"], 66, "no such file or folder"),
            (["maildir", tmp_path / "empty"], 65, "no folder in it has cur or new"),
            (["maildir", tmp_path / "text"], 65, "a Maildir is a folder"),
            (["maildir", tmp_path / "no.tgz"], 65, "no.tgz: "),
            (["mbox", tmp_path / "text"], 65, 'nothing in it begins with "From "'),
            (["mbox", tmp_path / "empty", "--kind", "mh"], 65, "there are any, mboxo"),
            (["imap", "imap.example.org"], 65, "imaps://alice@mail.example.org"),
            (["imap", "imaps://me:secret@imap.example.org"], 65, "no password in a URL")):
        assert say in run(served, "import", *words, "--account", account, code=code)
    put(tmp_path / "md", "1", mail(1))
    assert "--account NAME" in run(served, "import", "maildir", tmp_path / "md", code=64)
    assert "no such account" in run(served, "import", "maildir", tmp_path / "md", "--account", "nobody",
                                    code=65).lower()
    assert "is no file of an import's state" in run(served, "import", "maildir", tmp_path / "md", "--account", account,
                                                    "--state", tmp_path / "text", code=65)
    assert (tmp_path / "text").read_text() == "this is no mail\n"
    assert boxes(served, account)["INBOX"] == 0


def test_single_messages_that_cannot_be_taken(served, account, tmp_path):
    """They are named, all others are taken, and the exit code says that something is missing."""
    put(tmp_path, "1", mail(1))
    put(tmp_path, "2", mail(2, "x" * 80 + "\n" * 1100000))
    put(tmp_path, "3", mail(3, "a\0b\n"))
    put(tmp_path, "4", "")
    put(tmp_path / ("." + ".".join("abcdefghijklmnopqrstuvwxyz")), "1", mail(5))
    put(tmp_path, "6", mail(6))
    out = run(served, "import", "maildir", tmp_path, "--account", account, code=65)
    assert "cur/2: longer than 1048576 octets" in out and "cur/4: it is empty" in out and "mailbox a/b/c/d/" in out
    assert "3 messages into" in out and "3 could not be taken" in out and "1 of them had NUL octets" in out
    found = stored(served, account)
    assert subjects(found) == [1, 3, 6] and b"a\x80b" in found[1][2]


def test_archive_that_is_cut(served, account, tmp_path):
    random.seed(1)
    for n in range(200):
        put(tmp_path / "md", f"{n:03}", mail(n, random.randbytes(1500).hex() + "\n"))
    with tarfile.open(tmp_path / "md.tgz", "w:gz") as t:
        t.add(tmp_path / "md", "md")
    whole = (tmp_path / "md.tgz").read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    assert "cut.tgz: " in run(served, "import", "maildir", tmp_path / "cut.tgz", "--account", account, code=65)
    assert boxes(served, account)["INBOX"] == 0
    # An mbox is taken as far as it goes.
    (tmp_path / "box").write_text(mbox_of("mboxo", [mail(n) for n in range(100)])[:5000])
    run(served, "import", "mbox", tmp_path / "box", "--account", account)
    assert 10 < boxes(served, account)["INBOX"] < 100


def test_dry_run_and_duplicates(served, account, tmp_path):
    for n in range(5):
        put(tmp_path / "md", str(n), mail(n % 4))
    words = ["import", "maildir", tmp_path / "md", "--account", account]
    assert "would take 5 messages" in run(served, *words, "--dry-run")
    assert boxes(served, account)["INBOX"] == 0
    assert "5 messages into" in run(served, *words)
    assert "5 messages into" in run(served, *words, "--again")
    out = run(served, *words, "--again", "--skip-duplicates")
    assert "0 messages into" in out and "5 that were there already passed over" in out
    other = next(names)
    served.account(other)
    out = run(served, "import", "maildir", tmp_path / "md", "--account", other, "--skip-duplicates")
    assert "4 messages into" in out and "1 that were there already" in out
    assert boxes(served, account)["INBOX"] == 10


def test_structure_is_kept_beside_it(served, account, tmp_path):
    """What FETCH answers about an imported message comes from its index: nothing has to be parsed again."""
    top = tmp_path / "Maildir"
    for n in range(3):
        put(top, f"m{n}", mail(n))
    run(served, "import", "maildir", top, "--account", account)
    before = served.log()
    client = served.imap(account)
    client.select("INBOX")
    assert len(client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)")[1]) == 3
    assert "index-unreadable" not in served.log()[len(before):]


def test_account_made_again_is_another(served, account, tmp_path):
    """What an account of the same name had taken is not what this one has."""
    top = tmp_path / "Maildir"
    put(top, "m", mail(1))
    for _ in range(2):
        assert "1 messages into" in run(served, "import", "maildir", top, "--account", account)
        assert "0 messages into" in run(served, "import", "maildir", top, "--account", account)
        assert len(stored(served, account)) == 1
        served.cli("account", "rm", account, "--yes")
        served.account(account, f"{account}@one.test", password="secret")


def test_beyond_the_quota(served, account, tmp_path):
    served.cli("account", "quota", account, "1MiB", "3")
    for n in range(5):
        put(tmp_path, str(n), mail(n))
    out = run(served, "import", "maildir", tmp_path, "--account", account)
    assert "5 messages into" in out and "beyond its quota now: 5 messages" in out


# -- interrupted -------------------------------------------------------------------------------------------------------

def many(folder, count):
    for sub in ("cur", "new", "tmp"):
        (folder / sub).mkdir(parents=True)
    for n in range(count):
        (folder / "cur" / f"{n:06}:2,S").write_text(mail(n, f"{n}\n" * 50))
    (folder / "cur" / "0000000:2,").write_text(mail(0, "0\n" * 50))  # the same octets twice are two messages


def start(server, *words):
    return subprocess.Popen([SLUICE, "-c", server.config, *map(str, words)], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def importers(server):
    return [pid for pid, role in server.all_pids().items() if role == "import"]


@pytest.mark.parametrize("victim", ["cli", "role"])
def test_killed(served, account, tmp_path, victim):
    count = 6000
    many(tmp_path, count)
    words = ["import", "maildir", tmp_path, "--account", account]
    kills = 0
    for attempt in range(3):
        before = boxes(served, account)["INBOX"]
        process = start(served, *words)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: boxes(served, account)["INBOX"] > before or process.poll() is not None, 20)
        if process.poll() is None:
            for pid in [process.pid] if victim == "cli" else importers(served):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        out = process.communicate()[0]
        if victim == "role" and process.returncode not in (0, -9):
            assert process.returncode == 75 and "ended before it answered" in out
        wait_for(lambda: not importers(served))
    assert kills > 0
    assert 0 < boxes(served, account)["INBOX"]
    run(served, *words)
    found = stored(served, account)
    assert sorted(subjects(found)) == sorted([0, *range(count)])  # nothing twice, nothing missing
    client = served.imap(account)
    client.select("INBOX", readonly=True)
    uids = [int(uid) for uid in client.uid("SEARCH", "ALL")[1][0].split()]
    assert uids == sorted(set(uids))
    assert "taken by an earlier run" in run(served, *words)


def test_killed_without_a_server(tmp_path):
    with open_folder() as place:
        server = Server(place / "box", CONFIG)
        certificate(server.folder, "one", "mail.one.test")
        server.account("me", password="secret")
        many(tmp_path, 4000)
        env = {**os.environ, "XDG_STATE_HOME": str(place / "state")}
        words = [SLUICE, "-c", server.config, "import", "maildir", tmp_path, "--account", "me"]
        for seconds in (0.15, 0.2, 0.25):
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env,
                                       start_new_session=True)
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.1)
        done = subprocess.run(words, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        server.start()
        try:
            assert sorted(subjects(stored(server, "me"))) == sorted([0, *range(4000)])
        finally:
            server.stop()
        assert "the store is whole" in server.cli("store", "check").stdout


def test_server_stops_meanwhile(tmp_path):
    """Who stops the server is not kept waiting by an import, and the import says why it ended."""
    with open_folder() as place:
        server = Server(place / "box", CONFIG)
        certificate(server.folder, "one", "mail.one.test")
        server.start()
        server.account("me", password="secret")
        many(tmp_path, 8000)
        process = start(server, "import", "maildir", tmp_path, "--account", "me", "--state", place / "state")
        wait_for(lambda: boxes(server, "me")["INBOX"] > 0)
        assert server.stop() == 0
        process.communicate()
        assert process.returncode in (0, 75)
        assert "8001" in run(server, "import", "maildir", tmp_path, "--account", "me", "--state", place / "state",
                             "--dry-run") or process.returncode == 75
        run(server, "import", "maildir", tmp_path, "--account", "me", "--state", place / "state")
        assert boxes(server, "me")["INBOX"] == 8001


# -- from another server -----------------------------------------------------------------------------------------------

class Dovecot:
    """A real one, with its own configuration, ports and people."""

    def __init__(self, folder, port):
        self.folder, self.imap, self.imaps = folder, port, port + 1
        mail = folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "mail", "mail")
        certificate(folder, "dove", "localhost")
        uid, gid = pwd.getpwnam("mail").pw_uid, pwd.getpwnam("mail").pw_gid
        self.conf = folder / "dovecot.conf"
        self.conf.write_text(f"""
            base_dir = {folder}/run
            state_dir = {folder}/state
            log_path = {folder}/log
            protocols = imap
            listen = 127.0.0.1
            ssl = yes
            ssl_cert = <{folder}/dove.pem
            ssl_key = <{folder}/dove.key
            disable_plaintext_auth = no
            auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
            mail_location = maildir:{mail}/%u
            mail_uid = {uid}
            mail_gid = {gid}
            first_valid_uid = 1
            namespace inbox {{
              inbox = yes
              prefix = INBOX.
              separator = .
              mailbox Sent {{
                special_use = \\Sent
              }}
              mailbox Müll {{
                special_use = \\Trash
                auto = create
              }}
            }}
            passdb {{
              driver = static
              args = password={{PLAIN}}sand"box\\x
            }}
            userdb {{
              driver = static
              args = uid={uid} gid={gid} home={mail}/%u
            }}
            service imap-login {{
              inet_listener imap {{
                port = {self.imap}
              }}
              inet_listener imaps {{
                port = {self.imaps}
              }}
            }}
            """)
        with open(folder / "out", "wb") as out:
            self.process = subprocess.Popen([need("dovecot"), "-F", "-c", self.conf], stdout=out, stderr=out,
                                            start_new_session=True)
        wait_for(self.ready, 20)

    def ready(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.imap), 1) as s:
            return s.recv(4) == b"* OK"

    def adm(self, *words, stdin=None):
        return subprocess.run([need("doveadm"), "-c", self.conf, *words], input=stdin, check=True, capture_output=True)

    def save(self, user, box, octets, flags=()):
        self.adm("save", "-u", user, "-m", box, stdin=octets)
        if flags:
            self.adm("flags", "add", "-u", user, " ".join(flags), "mailbox", box, "ALL")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def dovecot(served):
    with open_folder() as place:
        with socket.socket() as s:  # and the one above it: hardly ever taken
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        server = Dovecot(place, port)
        try:
            yield server
        finally:
            server.stop()


PASSWORD = 'sand"box\\x\n'


def test_from_dovecot(served, account, dovecot, tmp_path):
    for n in range(120):
        put(dovecot.folder / "mail/joe/cur/..", f"{DAY + n}.M{n}.x:2,{'S' if n % 2 else 'F'}a", mail(n), DAY + n)
    (dovecot.folder / "mail/joe/dovecot-keywords").write_text("0 $Work\n")
    subprocess.run(["chown", "-R", "mail:mail", dovecot.folder / "mail/joe"], check=True)
    dovecot.adm("mailbox", "create", "-u", "joe", "INBOX.Sent", "INBOX.Archiv", "INBOX.Work.2020 & ä")
    dovecot.save("joe", "INBOX.Sent", crlf(mail(200)), [r"\Seen"])
    dovecot.save("joe", "INBOX.Work.2020 & ä", crlf(mail(201)))
    dovecot.save("joe", "INBOX.Müll", crlf(mail(202)))
    words = ["import", "imap", f"imaps://joe@localhost:{dovecot.imaps}", "--account", account, "--password-stdin",
             "--ca", dovecot.folder / "dove.pem"]
    assert "123 messages into" in run(served, *words, stdin=PASSWORD)
    found = stored(served, account)
    assert subjects(found) == list(range(120)) and found[7][2] == crlf(mail(7))
    assert found[0][0] == {r"\Flagged", "$Work"} and found[1][0] == {r"\Seen", "$Work"}
    assert found[1][1] == "21-Nov-2020 10:00:01 +0000"
    names_here = boxes(served, account)
    assert (names_here["Sent"], names_here["Work/2020 & ä"], names_here["Trash"], names_here["Archive"]) == (1, 1, 1, 0)
    assert "Müll" not in names_here
    # Nothing changed there; what came meanwhile is taken, and nothing else.
    assert b"120" in dovecot.adm("-f", "flow", "mailbox", "status", "-u", "joe", "recent messages unseen", "INBOX").stdout
    dovecot.save("joe", "INBOX", crlf(mail(300)))
    out = run(served, *words, stdin=PASSWORD)
    assert "1 messages into" in out and "123 taken by an earlier run" in out
    # A mailbox that was made anew has all its messages again: its UIDs mean others now.
    dovecot.adm("mailbox", "delete", "-u", "joe", "INBOX.Sent")
    dovecot.adm("mailbox", "create", "-u", "joe", "INBOX.Sent")
    dovecot.save("joe", "INBOX.Sent", crlf(mail(301)))
    assert "1 messages into" in run(served, *words, "--only", "Sent", stdin=PASSWORD)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", None])
def test_logins_at_dovecot(served, account, dovecot, mechanism):
    with contextlib.suppress(subprocess.CalledProcessError):
        dovecot.save("jim", "INBOX", crlf(mail(1)))
    words = ["--mechanism", mechanism] if mechanism else []
    out = run(served, "import", "imap", f"imap://jim@127.0.0.1:{dovecot.imap}", "--no-tls", "--account", account,
              "--password-stdin", "--only", "INBOX", *words, stdin=PASSWORD)
    assert "messages into" in out and boxes(served, account)["INBOX"] >= 1
    wrong = run(served, "import", "imap", f"imap://jim@127.0.0.1:{dovecot.imap}", "--no-tls", "--account", account,
                "--password-stdin", *words, stdin="wrong\n", code=65)
    assert "login: the server says NO" in wrong


def test_trust(served, account, dovecot):
    """A certificate that nobody vouches for is refused, on both ports, unless it is the pinned one."""
    dovecot.save("jon", "INBOX", crlf(mail(1)))
    der = ssl.PEM_cert_to_DER_cert((dovecot.folder / "dove.pem").read_text())
    pin = hashlib.sha256(der).hexdigest()
    for url in (f"imaps://jon@localhost:{dovecot.imaps}", f"imap://jon@localhost:{dovecot.imap}"):
        words = ["import", "imap", url, "--account", account, "--password-stdin"]
        assert "certificate: self-signed" in run(served, *words, stdin=PASSWORD, code=75)
        other = run(served, *words, "--pin", "00" * 32, stdin=PASSWORD, code=65)
        assert f"its SHA-256 is {pin}" in other
        assert "messages into" in run(served, *words, "--pin", pin, "--again", stdin=PASSWORD)
        wrong_name = url.replace("localhost", "127.0.0.1")
        assert "certificate: IP address mismatch" in run(
            served, "import", "imap", wrong_name, "--account", account, "--password-stdin", "--ca",
            dovecot.folder / "dove.pem", stdin=PASSWORD, code=75)
    assert boxes(served, account)["INBOX"] == 2


def test_from_ourselves(served, account):
    """Sluice at the other end: the password is proved, bound to the TLS connection."""
    giver = next(names)
    served.account(giver, f"{giver}@one.test", password="secret")
    client = served.imap(giver)
    client.create('"INBOX/Kids"')
    for n in range(130):
        client.append("INBOX/Kids" if n % 2 else "INBOX", r"(\Seen $Forwarded)", '"21-Nov-2020 10:00:00 +0000"',
                      crlf(mail(n)))
    for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"):
        out = run(served, "import", "imap", f"imaps://{giver}%40one.test@localhost:{served.port('imaps')}", "--account",
                  account, "--password-stdin", "--ca", served.folder / "one.pem", "--mechanism", mechanism, "--again",
                  "--skip-duplicates", stdin="secret\n")
    assert "0 messages into" in out and "130 that were there already" in out
    found = stored(served, account)
    assert subjects(found) == list(range(0, 130, 2)) and found[0][0] == {r"\Seen", "$Forwarded"}
    assert boxes(served, account)["INBOX/Kids"] == 65


# -- out again -----------------------------------------------------------------------------------------------------------

NASTY = [
    b"Subject: number 1\r\n\r\nplain\r\n",
    b"Subject: number 2\r\n\r\nFrom the start\r\n\r\nFrom a@b Sat Nov 21 10:00:00 2020\r\n>From x\r\n>>From y\r\n",
    b"Subject: number 3\r\n\r\nno line end",
    b"Subject: number 4\r\n\r\n\r\n\r\n\r\n",
    b"Subject: number 5\r\nStatus: RO\r\nX-Status: F\r\nX-Keywords: mine\r\nContent-Length: 3\r\nX-UID: 9\r\n\r\nx\r\n",
    b"Subject: number 6\r\nX-Mozilla-Status: 0009\r\nX-Mozilla-Keys: a\r\nX-IMAPbase: 1 2\r\n\r\nx\r\n",
    b"Subject: number 7\r\n\r\n" + bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n",
    b"Subject: number 8\r\n\r\n" + b"x" * 300000 + b"\r\n" * 100,
    b"From me Sat Nov 21 10:00:00 2020\r\nSubject: number 9\r\n\r\nx\r\n",
]


@pytest.fixture(scope="module")
def nasty(served):
    served.account("nasty", "nasty@one.test", password="secret")
    client = served.imap("nasty")
    for box in ("Work/v1.0", "Work/R&-D", "&AMQ-"):
        assert client.create(f'"{box}"')[0] == "OK"
    for n, octets in enumerate(NASTY):
        for box in ("INBOX", '"Work/v1.0"'):
            flags = [r"\Seen", r"\Flagged", r"\Answered", r"\Draft", r"\Deleted", "$Forwarded", "Work", "", "Zzz"][n]
            assert client.append(box, f"({flags})", f'"21-Nov-2020 10:00:{n:02} +0000"', octets)[0] == "OK"
    assert client.append('"&AMQ-"', "", None, NASTY[0])[0] == "OK"
    return client


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
@pytest.mark.parametrize("end", ["", ".tar", ".tgz", ".tar.zst", ".zip"])
def test_round_trip(served, account, nasty, tmp_path, kind, end):
    dest = tmp_path / f"out{end}"
    assert "19 messages of 10 mailboxes" in run(served, "export", kind, dest, "--account", "nasty")
    assert "is there already" in run(served, "export", kind, dest, "--account", "nasty", code=73)
    assert "19 messages into" in run(served, "import", kind, dest, "--account", account)
    assert boxes(served, account) == boxes(served, "nasty")
    for box in ("INBOX", "Work/v1.0"):
        was, now = stored(served, "nasty", box), stored(served, account, box)
        assert [octets for _, _, octets in now] == NASTY
        assert [flags for flags, _, _ in now] == [flags for flags, _, _ in was]
        assert [date for _, date, _ in now] == [date for _, date, _ in was]
    assert not list(tmp_path.glob("*.partial"))


def test_export_read_by_python(served, nasty, tmp_path):
    run(served, "export", "maildir", tmp_path / "md", "--account", "nasty", "--mailbox", "INBOX,Work/*")
    box = mailbox.Maildir(tmp_path / "md", create=False)
    assert sorted(box.list_folders()) == ["Work.R&-D", "Work.v1&AC4-0"]
    found = [box[key] for key in sorted(box.keys())]
    assert len(found) == 9 and found[0].get_flags() == "S" and found[5].get_flags() == "P"
    assert (tmp_path / "md/dovecot-keywords").read_text() == "0 Work\n1 Zzz\n"
    run(served, "export", "mbox", tmp_path / "mb", "--account", "nasty")
    box = mailbox.mbox(tmp_path / "mb/INBOX.mbox")
    assert len(box) == 9 and box[0].get_flags() == "RO" and box[1].get_flags() == "OF"
    assert (tmp_path / "mb/Work.sbd/v1.0.mbox").exists()


def test_export_refused(served, nasty, tmp_path):
    assert "has no such mailbox" in run(served, "export", "mbox", tmp_path / "x", "--account", "nasty", "--mailbox",
                                        "None", code=65)
    assert "no such account" in run(served, "export", "mbox", tmp_path / "x", "--account", "nobody", code=65).lower()
    assert "choose .tar" in run(served, "export", "mbox", tmp_path / "x.tar.xz", "--account", "nasty", code=73)
    assert not list(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    assert "nothing is overwritten" in run(served, "export", "mbox", tmp_path / "full", "--account", "nasty", code=73)
    (tmp_path / "empty").mkdir()
    run(served, "export", "mbox", tmp_path / "empty", "--account", "nasty")
    (tmp_path / "y.partial").mkdir()
    assert "remove it first" in run(served, "export", "mbox", tmp_path / "y", "--account", "nasty", code=73)


def test_what_the_caller_may(served, tmp_path):
    """Who may not speak to the server may not import, whatever he can read."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    put(tmp_path, "1", mail(1))
    tmp_path.chmod(0o755)
    done = subprocess.run([SLUICE, "-c", served.config, "import", "maildir", tmp_path, "--account", "nasty", "--state",
                           "/dev/null"], user="games", group="games", extra_groups=[], capture_output=True, text=True)
    assert done.returncode in (66, 77), done.stderr
