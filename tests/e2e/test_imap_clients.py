"""More of the programs that people have, both ways: they change what we have and we see it; we change it and they do."""
import mailbox
import os
import re
import subprocess
import textwrap

import pytest
from conftest import message, need, trusting, wait_for
from imapwire import Session
from terminal import Terminal

FLAGS_OF = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "T": "\\Deleted", "D": "\\Draft"}


def run(*words, check=True, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, **more)
    assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def session(sandbox, select="INBOX"):
    s = Session(sandbox.port("imaps"), tls=trusting(), user="you@sandbox.test", password="sandbox")
    s.enable("CONDSTORE")
    if select:
        s.select(select)
    return s


def deliver(sandbox, *subjects):
    for subject in subjects:
        sandbox.send(message(subject))


def contents(s):
    """{subject: flags} as the server has it now."""
    s.ok("NOOP")
    found = {}
    if s.mirror.messages:
        for _, i in s.ok("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetched():
            subject = i["BODY[HEADER.FIELDS (SUBJECT)]"].decode().partition(":")[2].strip()
            found[subject] = frozenset(i["FLAGS"]) - {"\\Recent", "$Junk", "$NotJunk"}
    return found


def uid(s, subject):
    return s.ok(f'UID SEARCH SUBJECT "{subject}"').one("SEARCH")[0][0]


def maildir(folder):
    """{subject: path} of a Maildir."""
    return {re.search(r"^Subject: (.*)", path.read_text(errors="replace"), re.M)[1]: path
            for sub in ("cur", "new") for path in (folder / sub).iterdir()}


def letters_of(path):
    return frozenset(FLAGS_OF[c] for c in path.name.partition(":2,")[2] if c in FLAGS_OF)


# -- mutt and neomutt, with a terminal -----------------------------------------------------

MUTTRC = """\
set folder="imaps://localhost:{port}/"
set spoolfile="+INBOX"
set record="+Sent"
set imap_user="you@sandbox.test"
set imap_pass="sandbox"
set certificate_file="{cert}"
set ssl_verify_host=no
set mark_old=no
set delete=yes
set move=no
set copy=no
set confirmcreate=no
set confirmappend=no
set beep=no
set mbox_type=mbox
set imap_idle=yes
set imap_condstore=yes
set imap_qresync=yes
set timeout=2
set mail_check=2
"""


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(own_sandbox, tmp_path, program):
    """Flag, delete, save into another mailbox; then mail, a flag and an expunge that come while it is open."""
    need(program)
    sandbox, out = own_sandbox, tmp_path / "out"
    rc = tmp_path / "muttrc"
    rc.write_text(MUTTRC.format(port=sandbox.port("imaps"), cert=sandbox.folder / "cert.pem"))
    deliver(sandbox, "m0", "m1", "m2", "m3")
    with session(sandbox) as s, Terminal(program, "-n", "-F", rc, env={"HOME": str(tmp_path)}) as screen:
        screen.until("m3")
        screen.type("1\rF2\rd3\rs\x15=Archive\r$")
        wait_for(lambda: contents(s) == {"m0": {"\\Flagged"}, "m3": frozenset()}, 20)
        with session(sandbox, "Archive") as archive:
            assert set(contents(archive)) == {"m2"}
        # Ours: a flag, a new one, and one that goes; it is told of them while it idles.
        s.ok(f"UID STORE {uid(s, 'm3')} +FLAGS (\\Flagged)")
        screen.read(0)
        deliver(sandbox, "m4", "m5")
        screen.until("New mail")
        s.ok(f"UID STORE {uid(s, 'm0')} +FLAGS.SILENT (\\Deleted)")
        s.ok("EXPUNGE")
        wait_for(lambda: not screen.read(0.5) or "externally" in screen.shown or "Msgs:3" in screen.shown
                 or screen.type("\x0c"), 20)
        screen.type(f"T.\r;C\x15{out}\r")
        wait_for(out.exists)
        screen.type("q")
        screen.end()
        kept = {m["subject"]: m.get_flags() for m in mailbox.mbox(out)}
        assert set(kept) == {"m3", "m4", "m5"} and "F" in kept["m3"] and "F" not in kept["m4"], kept


# -- offlineimap -----------------------------------------------------------------------------

OFFLINEIMAP = """\
    [general]
    metadata = {here}/meta
    accounts = box
    ui = basic
    [Account box]
    localrepository = near
    remoterepository = far
    [Repository near]
    type = Maildir
    localfolders = {here}/mail
    sync_deletes = yes
    [Repository far]
    type = IMAP
    remotehost = localhost
    remoteport = {port}
    remoteuser = you@sandbox.test
    remotepass = sandbox
    ssl = yes
    sslcacertfile = {cert}
    """


def test_offlineimap(own_sandbox, tmp_path):
    need("offlineimap")
    sandbox = own_sandbox
    rc = tmp_path / "rc"
    rc.write_text(textwrap.dedent(OFFLINEIMAP.format(here=tmp_path, port=sandbox.port("imaps"),
                                                     cert=sandbox.folder / "cert.pem")))

    def sync():
        return run("offlineimap", "-o", "-c", rc, env={**os.environ, "HOME": str(tmp_path)})
    deliver(sandbox, "o0", "o1", "o2", "o3")
    sync()
    inbox = tmp_path / "mail/INBOX"
    near = maildir(inbox)
    assert set(near) == {"o0", "o1", "o2", "o3"}
    # Its changes: seen and flagged, one gone, a new one.
    near["o0"].rename(inbox / "cur" / (near["o0"].name.partition(":")[0] + ":2,FS"))
    near["o1"].unlink()
    (inbox / "cur" / "1700000000.1.near:2,S").write_text(message("from near").replace("\r\n", "\n"))
    sync()
    with session(sandbox) as s:
        assert contents(s) == {"o0": {"\\Flagged", "\\Seen"}, "o2": frozenset(), "o3": frozenset(),
                               "from near": {"\\Seen"}}
        # Ours: answered, moved away, and gone for good.
        s.ok(f"UID STORE {uid(s, 'o0')} FLAGS (\\Answered \\Seen)")
        s.ok(f"UID MOVE {uid(s, 'o2')} Archive")
        s.ok(f"UID STORE {uid(s, 'o3')} +FLAGS (\\Deleted)")
        s.ok("EXPUNGE")
    sync()
    near = maildir(inbox)
    assert set(near) == {"o0", "from near"} and letters_of(near["o0"]) == {"\\Answered", "\\Seen"}
    assert set(maildir(tmp_path / "mail/Archive")) == {"o2"}


# -- those that only take -----------------------------------------------------------------------

def test_getmail(own_sandbox, tmp_path):
    """It keeps in mind what it has by UIDVALIDITY and UID; into a pipe, because as root it writes no Maildir."""
    need("getmail")
    sandbox, got = own_sandbox, tmp_path / "got"
    rc = tmp_path / "getmailrc"

    def write(delete):
        rc.write_text(textwrap.dedent(f"""\
            [retriever]
            type = SimpleIMAPSSLRetriever
            server = localhost
            port = {sandbox.port("imaps")}
            username = you@sandbox.test
            password = sandbox
            mailboxes = ("INBOX", "Archive")
            ca_certs = {sandbox.folder}/cert.pem
            [destination]
            type = MDA_external
            path = /usr/bin/tee
            arguments = ("-a", "{got}")
            allow_root_commands = true
            [options]
            read_all = false
            delete = {delete}
            """))

    def get():
        return run("getmail", "--getmaildir", tmp_path, "--rcfile", rc, env={**os.environ, "HOME": str(tmp_path)})
    deliver(sandbox, "g0", "g1")
    with session(sandbox, "Archive") as s:
        s.append("Archive", message("g2").encode())
    write("false")
    get()
    assert re.findall(r"Subject: (g\d)", got.read_text()) == ["g0", "g1", "g2"]
    deliver(sandbox, "g3")
    write("true")
    get()
    assert re.findall(r"Subject: (g\d)", got.read_text()) == ["g0", "g1", "g2", "g3"]  # the old ones not again
    with session(sandbox) as s:
        assert contents(s) == {}


def test_fetchmail_takes_away(own_sandbox, tmp_path):
    need("fetchmail")
    sandbox, taken = own_sandbox, tmp_path / "taken"
    deliver(sandbox, "f0", "f1", "f2")
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"poll 127.0.0.1 service {sandbox.port('imap')} protocol imap user you@sandbox.test password sandbox "
                  f"sslproto 'tls1.2+' no sslcertck mda \"cat >>{taken}\"\n")
    rc.chmod(0o600)
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "FETCHMAILHOME": str(tmp_path), "LC_ALL": "C"}
    with session(sandbox) as s:
        s.ok(f"UID STORE {uid(s, 'f1')} +FLAGS (\\Seen)")
        run("fetchmail", "-f", rc, "--nosyslog", "--nokeep", env=env)
        assert re.findall(r"Subject: (f\d)", taken.read_text()) == ["f0", "f2"]  # what is seen it leaves alone
        assert contents(s) == {"f1": {"\\Seen"}}


def test_curl_both_ways(own_sandbox, tmp_path):
    need("curl")
    sandbox = own_sandbox
    mail = tmp_path / "mail"
    mail.write_bytes(message("by curl").encode())

    def curl(path, *words):
        return run("curl", "-sS", "--insecure", "--user", "you@sandbox.test:sandbox",
                   "--url", f"imaps://127.0.0.1:{sandbox.port('imaps')}/{path}", *words).stdout
    curl("INBOX", "-T", mail)
    curl("INBOX", "-X", "STORE 1 +FLAGS.SILENT (\\Flagged \\Seen)")
    with session(sandbox) as s:
        assert contents(s) == {"by curl": {"\\Flagged", "\\Seen"}}
        s.ok("STORE 1 FLAGS (\\Answered)")
        assert "(\\Answered" in curl("INBOX", "-X", "FETCH 1 FLAGS")
        assert "SEARCH 1" in curl("INBOX?SUBJECT%20curl")
        assert curl("INBOX;UID=1;SECTION=TEXT").strip() == "Hello."
        curl("INBOX", "-X", "UID MOVE 1 Archive")
        assert contents(s) == {}
    assert "Archive" in curl("", "-X", 'LIST "" %')


# -- two at once -----------------------------------------------------------------------------------

def test_two_programs_on_one_mailbox(own_sandbox, tmp_path):
    """mutt is open while mbsync brings what was done elsewhere; our own client idles and hears all of it."""
    need("mbsync")
    need("mutt")
    sandbox = own_sandbox
    (tmp_path / "mail").mkdir()
    mbsyncrc, muttrc = tmp_path / "mbsyncrc", tmp_path / "muttrc"
    mbsyncrc.write_text(textwrap.dedent(f"""\
        IMAPStore far
        Host localhost
        Port {sandbox.port("imap")}
        User you@sandbox.test
        Pass sandbox
        SSLType STARTTLS
        CertificateFile {sandbox.folder}/cert.pem

        MaildirStore near
        Path {tmp_path}/mail/
        Inbox {tmp_path}/mail/INBOX

        Channel box
        Far :far:
        Near :near:
        Patterns INBOX
        Create Near
        Expunge Both
        SyncState *
        """))
    muttrc.write_text(MUTTRC.format(port=sandbox.port("imaps"), cert=sandbox.folder / "cert.pem"))
    deliver(sandbox, "t0", "t1", "t2")
    run("mbsync", "-c", mbsyncrc, "-a")
    inbox = tmp_path / "mail/INBOX"
    near = maildir(inbox)
    with session(sandbox) as s, Terminal("mutt", "-n", "-F", muttrc, env={"HOME": str(tmp_path)}) as screen:
        s.uids()
        screen.until("t2")
        with s.idle():
            near["t0"].rename(inbox / "cur" / (near["t0"].name.partition(":")[0] + ":2,T"))
            near["t1"].rename(inbox / "cur" / (near["t1"].name.partition(":")[0] + ":2,S"))
            run("mbsync", "-c", mbsyncrc, "-a")
            s.events_until(lambda r: r.kind == "EXPUNGE")
            if "\\Seen" not in s.mirror.messages[0].flags:
                s.events_until(lambda r: r.kind == "FETCH" and "\\Seen" in r.data["FLAGS"])
            screen.type("/t2\rF$")
            s.events_until(lambda r: r.kind == "FETCH" and "\\Flagged" in r.data["FLAGS"], 20)
        assert contents(s) == {"t1": {"\\Seen"}, "t2": {"\\Flagged"}}
        run("mbsync", "-c", mbsyncrc, "-a")
        near = maildir(inbox)
        assert {k: letters_of(p) for k, p in near.items()} == {"t1": {"\\Seen"}, "t2": {"\\Flagged"}}
        screen.type("q")
