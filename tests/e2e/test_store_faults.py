"""A store that is damaged, read-only or on a failing disk: what it costs, what is said, and how it is mended."""
import contextlib
import errno
import os
import pathlib
import random
import shutil
import signal
import smtplib
import sqlite3
import struct
import subprocess
import time

import pytest
from conftest import message, need, wait_for
from served import Server, certificate, messages

CONFIG = """
log { to file "@dir@/sluice.log" }
postmaster alice
listen public {
	address 127.0.0.1
	smtp @smtp@;  imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
}
domain one.test
"""
PAGE = 4096


class Store(Server):
    """A server, and what is asked of its store."""

    def __init__(self, folder, **more):
        super().__init__(folder, CONFIG, **more)
        certificate(self.folder, "one", "mail.one.test")

    @property
    def db(self):
        return self.store / "mail/mail.db"

    def try_send(self, subject, text="Hello.", to="alice@one.test", seconds=5):
        """The reply code that the message came to, or 0 when nobody answered."""
        try:
            with smtplib.SMTP("127.0.0.1", self.port("smtp"), local_hostname="client.example", timeout=seconds) as client:
                client.sendmail("stranger@elsewhere.example", to, message(subject, text))
            return 250
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))[0]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
        except OSError:
            return 0

    def problems(self):
        """What `store check` says, and how it ends."""
        done = self.cli("store", "check", check=False)
        return done.returncode, done.stdout + done.stderr

    def put_back(self, backup):
        """A backup in place of the store, as the manual says."""
        self.stop()
        self.store.rename(self.store.with_name("damaged"))
        self.cli("store", "restore", backup)
        self.start()


@pytest.fixture
def make(place):
    servers = []

    def new(**more):
        servers.append(Store(place / "box", **more))
        return servers[-1]
    yield new
    for server in servers:
        server.stop()


def subjects(client):
    found = messages(client)
    return [m.split(b"Subject: ", 1)[1].split(b"\r\n", 1)[0].decode() for m in found]


@contextlib.contextmanager
def database(path):
    """Our own look into the file, while no server runs."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        yield db
    finally:
        db.close()


def overwrite(path, at, octets):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(octets)
        os.fsync(f.fileno())


# -- damage in the database ----------------------------------------------------------

def filled(server, n=120):
    """Two people and enough mail that tables have several pages."""
    server.start()
    server.account("alice", "alice@one.test", password="secret")
    server.account("bob", "bob@one.test")
    with server.smtp() as client:
        for i in range(n):
            client.sendmail("stranger@elsewhere.example", "alice@one.test",
                            message(f"number {i:03}", random.Random(i).randbytes(700).hex()))
    return server


def spoil_page(server, table, which):
    server.stop()
    with database(server.db) as db:
        pages = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (table,))
        page = list(pages)[which][0]
    overwrite(server.db, (page - 1) * PAGE, b"\xa5" * PAGE)
    server.start()


def advice(server):
    return [line for line in server.log().splitlines() if "store.damaged" in line]


def test_damaged_addresses(make, place):
    """Nobody can be looked up: 451, never 550 or a lost message; reading goes on; a backup mends it."""
    server = filled(make())
    server.cli("store", "backup", place / "copy")
    spoil_page(server, "address", 0)
    roles = server.pids()
    assert server.try_send("lost?") == 451
    line = advice(server)[0]
    assert " error " in line and "store check" in line and "backup" in line and str(server.store) in line
    client = server.imap("alice")
    assert len(messages(client)) == 120
    code, said = server.problems()
    assert code == 65 and "database" in said
    assert server.pids() == roles  # damage ends no process
    assert server.try_send("again") == 451 and len(advice(server)) <= len(roles)  # said once by each, not by message

    server.put_back(place / "copy")
    assert server.try_send("whole again") == 250
    assert subjects(server.imap("alice")) == [f"number {i:03}" for i in range(120)] + ["whole again"]
    assert server.problems()[0] == 0


@pytest.mark.parametrize("table, which", [("msg", 0), ("msg", -1), ("content", 3), ("mailbox", 0)])
def test_damaged_mail(make, place, table, which):
    """NO for what cannot be read, with the connection still there; what can be read is given."""
    server = filled(make())
    server.cli("store", "backup", place / "copy")
    spoil_page(server, table, which)
    client = server.imap("alice")
    code, _ = client.select("INBOX")
    if table == "mailbox" or (table, which) == ("msg", 0):  # SELECT itself looks there, for the first unseen
        assert code == "NO"
    else:
        assert code == "OK"
        code, data = client.fetch("1:*", "(BODY.PEEK[])")
        assert code == "NO"
        whole = [i for i in range(1, 121) if client.fetch(str(i), "(BODY.PEEK[])")[0] == "OK"]
        assert 90 < len(whole) < 120
    assert client.noop()[0] == "OK"
    assert client.list()[0] == ("NO" if table == "mailbox" else "OK")
    touched = (table, which) in (("msg", -1), ("mailbox", 0))  # by a message that is added
    assert server.try_send("one more") == (451 if touched else 250)
    assert any("store check" in line for line in advice(server))
    code, said = server.problems()
    assert code == 65 and said.strip()
    assert server.cli("store", "check", "--repair", check=False).returncode == 65  # rows cannot be derived

    server.put_back(place / "copy")
    assert subjects(server.imap("alice")) == [f"number {i:03}" for i in range(120)]
    assert server.problems()[0] == 0


def test_damaged_index_is_repaired(make):
    """What follows from the rows is made anew."""
    server = filled(make(), 60)
    server.stop()
    with database(server.db) as db:
        page, = db.execute("SELECT pageno FROM dbstat WHERE name = 'msg_content' AND pagetype = 'leaf'").fetchone()
    with open(server.db, "rb") as f:
        f.seek(page * PAGE - 1)
        last = f.read(1)[0]
    overwrite(server.db, page * PAGE - 1, bytes([last ^ 0x40]))  # an entry now names another row
    server.start()
    code, said = server.problems()
    assert code == 65 and "msg_content" in said
    done = server.cli("store", "check", "--repair", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.problems()[0] == 0
    assert len(messages(server.imap("alice"))) == 60
    assert server.try_send("after") == 250


def test_damaged_octets_of_one_message(make):
    """A flipped bit that SQLite cannot see: the checksum does."""
    server = filled(make(), 5)
    server.stop()
    with database(server.db) as db:
        data, = db.execute("SELECT data FROM content JOIN msg ON content_id = content.id ORDER BY key LIMIT 1 OFFSET 2"
                           ).fetchone()
    at = server.db.read_bytes().index(data[100:300])
    overwrite(server.db, at + 50, bytes(b ^ 1 for b in data[150:151]))
    server.start()
    client = server.imap("alice")
    client.select("INBOX")
    assert [client.fetch(str(i), "(BODY.PEEK[])")[0] for i in range(1, 6)] == ["OK", "OK", "NO", "OK", "OK"]
    assert "store.content_damaged" in server.log()
    code, said = server.problems()
    assert code == 65 and "checksum" in said
    client.store("3", "+FLAGS", "\\Deleted")  # it can be got rid of
    assert client.expunge()[0] == "OK"
    assert len(messages(client)) == 4
    server.stop()
    server.start()  # the collector looks at the start
    wait_for(lambda: server.problems()[0] == 0)


# -- damage in a content file -----------------------------------------------------------

@pytest.mark.parametrize("octets, spoil", [
    (400_000, lambda p: os.truncate(p, p.stat().st_size // 2)), (400_000, lambda p: os.truncate(p, 0)),
    (400_000, pathlib.Path.unlink), (400_000, lambda p: overwrite(p, p.stat().st_size // 2, b"\0" * 64)),
    (2_000_000, lambda p: os.truncate(p, p.stat().st_size // 2))], ids=["half", "empty", "gone", "zeroes", "large"])
def test_damaged_content_file(make, place, octets, spoil):
    """NO for that message alone; its date, size and structure are still told."""
    server = make().start()
    server.account("alice", "alice@one.test", password="secret")
    big = random.Random(7).randbytes(octets).hex()
    text = "\n".join(big[i:i + 70] for i in range(0, len(big), 70))
    for subject, body in (("first", "small"), ("second", text), ("third", "small")):
        assert server.try_send(subject, body) == 250
    server.cli("store", "backup", place / "copy")
    client = server.imap("alice")
    client.select("INBOX")
    before = client.fetch("1:*", "(INTERNALDATE RFC822.SIZE BODYSTRUCTURE)")
    file, = (server.store / "mail/content").rglob("*.zst")
    other = file.with_suffix(".new")  # the backup has a link to the old octets
    shutil.copy2(file, other)
    shutil.chown(other, file.stat().st_uid, file.stat().st_gid)
    other.rename(file)
    spoil(file)
    client = server.imap("alice")
    client.select("INBOX")
    assert client.fetch("1:*", "(INTERNALDATE RFC822.SIZE BODYSTRUCTURE)") == before
    assert [client.fetch(str(i), "(BODY.PEEK[])")[0] for i in (1, 2, 3)] == ["OK", "NO", "OK"]
    client.response("FETCH")
    assert client.uid("FETCH", "1:*", "(BODY.PEEK[])")[0] == "NO"
    given = [part[1] for part in client.response("FETCH")[1] if isinstance(part, tuple)]
    assert len(given) == 2 and b"Subject: first" in given[0] and b"Subject: third" in given[1]
    assert client.search(None, "SUBJECT", "third")[1] == [b"3"]
    assert client.noop()[0] == "OK"
    line = next(x for x in server.log().splitlines() if "store.content_damaged" in x)
    assert "backup" in line
    code, said = server.problems()
    assert code == 65 and "content" in said
    assert server.try_send("fourth") == 250
    # The file alone can be brought back from the backup.
    kept = next((place / "copy").rglob(file.name))
    shutil.copy2(kept, other)
    shutil.chown(other, (server.store / "mail").stat().st_uid, (server.store / "mail").stat().st_gid)
    other.rename(file)
    assert client.fetch("2", "(BODY.PEEK[])")[1][0][1].endswith(text.replace("\n", "\r\n").encode() + b"\r\n")
    assert server.problems()[0] == 0


# -- a disk that does not write ------------------------------------------------------------

@pytest.fixture
def faulty(make, place):
    """A server whose disk fails as told: fault(errno), fault(0)."""
    library, switch = place / "disk_fault.so", place / "fault"
    source = pathlib.Path(__file__).with_name("disk_fault.c")
    subprocess.run([need("gcc"), "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    switch.write_bytes(struct.pack("i", 0))
    server = make(env={"DISK_FAULT": str(switch), "LD_PRELOAD": str(library)})

    def fault(number):
        overwrite(switch, 0, struct.pack("i", number))
    server.start()
    server.account("alice", "alice@one.test", password="secret")
    yield server, fault
    fault(0)


BIG = "\n".join(random.Random(1).randbytes(35).hex() for _ in range(6000))


def test_read_only_while_running(faulty):
    """451 and NO, reading goes on; back to work by itself, with all that was acknowledged."""
    server, fault = faulty
    assert server.try_send("before") == 250
    client = server.imap("alice")
    assert subjects(client) == ["before"]
    roles = server.pids()
    fault(errno.EROFS)
    for i in range(3):
        assert server.try_send(f"during {i}") in (451, 452)
    said = [line for line in server.log().splitlines() if " error " in line]
    assert any("read-only" in line.lower() for line in said), said
    assert server.try_send("large", BIG) in (451, 452)
    client.select("INBOX")
    assert client.fetch("1", "(BODY.PEEK[])")[0] == "OK"
    assert client.store("1", "+FLAGS", "\\Flagged")[0] == "NO"
    assert client.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "NO"
    again = server.imap("alice")
    assert subjects(again) == ["before"]
    fault(0)
    wait_for(lambda: server.try_send("after") == 250)
    assert server.try_send("large after", BIG) == 250
    assert subjects(server.imap("alice")) == ["before", "after", "large after"]
    assert client.noop()[0] == "OK"
    assert client.store("1", "+FLAGS", "\\Flagged")[0] == "OK"
    assert server.pids() == roles
    assert server.problems()[0] == 0


def test_syncs_fail(faulty):
    """After a failed sync nobody knows what the disk holds: nothing is acknowledged until the store was checked."""
    server, fault = faulty
    for i in range(5):
        assert server.try_send(f"before {i}") == 250
    fault(errno.EIO)
    codes = {server.try_send(f"during {i}") for i in range(4)}
    assert 250 not in codes and codes & {451, 421, 0}
    assert any("store.broken" in line and "check" in line for line in server.log().splitlines())
    fault(0)
    wait_for(lambda: server.try_send("after") == 250, 20)
    found = subjects(server.imap("alice"))
    assert [s for s in found if s.startswith("before")] == [f"before {i}" for i in range(5)] and "after" in found
    assert server.problems()[0] == 0


@contextlib.contextmanager
def small_disk(place):
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = place / "disk"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", mount], check=True)
    try:
        yield mount, lambda how: subprocess.run(["mount", "-o", f"remount,{how}", mount], check=True)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_remounted_read_only(make, place):
    """The real thing, for which the roles must be gone for a moment: they come back to it, and wait until it is over."""
    with small_disk(place) as (mount, remount):
        server = make(store=mount / "store").start()
        server.account("alice", "alice@one.test", password="secret")
        assert server.try_send("before") == 250
        parent = server.process.pid
        os.kill(parent, signal.SIGSTOP)
        for role, pid in server.pids().items():
            if role != "parent":
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        remount("ro")
        os.kill(parent, signal.SIGCONT)
        wait_for(lambda: "read-only" in server.log())
        assert server.try_send("during", seconds=1) in (0, 421, 451, 452)
        remount("rw")
        wait_for(lambda: server.try_send("after") == 250, 20)
        assert server.process.poll() is None
        assert subjects(server.imap("alice")) == ["before", "after"]
        server.stop()


def test_started_on_read_only(make, place):
    """Said in plain words, and nothing hangs."""
    with small_disk(place) as (mount, remount):
        server = make(store=mount / "store").start()
        server.account("alice", "alice@one.test", password="secret")
        assert server.try_send("before") == 250
        server.stop()
        remount("ro")
        server.start(wait=False)
        assert server.process.wait(10) != 0
        said = server.output.read_text()
        assert "read-only" in said and str(server.store) in said
        remount("rw")
        server.start()
        assert server.try_send("after") == 250
        assert subjects(server.imap("alice")) == ["before", "after"]
        server.stop()
