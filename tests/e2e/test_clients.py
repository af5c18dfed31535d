"""Mail comes in, is kept, and is read: with the programs that people have."""
import imaplib
import re
import subprocess
import textwrap
import threading

import pytest
from conftest import message, need, trusting, wait_for


def run(*words, stdin="", check=True, env=None):
    done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True, timeout=60, env=env)
    assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def subjects(client, mailbox="INBOX"):
    assert client.select(mailbox, readonly=True)[0] == "OK"
    kind, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [d[1].decode().partition(":")[2].strip() for d in data if isinstance(d, tuple)]


def find(client, subject, mailbox="INBOX"):
    client.select(mailbox, readonly=True)
    kind, data = client.search(None, "SUBJECT", f'"{subject}"')
    return data[0].split()


# -- sending ------------------------------------------------------------------

def test_swaks_to_mx(sandbox):
    need("swaks")
    done = run("swaks", "--server", "127.0.0.1", "--port", sandbox.port("smtp"), "--to", "you@sandbox.test",
               "--from", "stranger@elsewhere.example", "--helo", "client.example", "--h-Subject", "by swaks")
    assert re.search(r"250 2\.0\.0 ", done.stdout)
    assert "by swaks" in subjects(sandbox.imap())


@pytest.mark.parametrize("how", ["--tls", "--tls-on-connect"])
@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
def test_swaks_submission(sandbox, how, auth):
    service = "submission" if how == "--tls" else "submissions"
    subject = f"swaks {service} {auth}"
    run("swaks", "--server", "127.0.0.1", "--port", sandbox.port(service), how, "--auth", auth, "--auth-user",
        "friend@sandbox.test", "--auth-password", "sandbox", "--to", "you@sandbox.test", "--from",
        "friend@sandbox.test", "--helo", "client.example", "--h-Subject", subject)
    assert subject in subjects(sandbox.imap())


@pytest.mark.parametrize("auth", ["plain", "scram-sha-1", "scram-sha-256", "login"])
def test_msmtp(sandbox, auth, tmp_path):
    need("msmtp")
    rc = tmp_path / "msmtprc"
    rc.write_text(textwrap.dedent(f"""\
        account box
        host 127.0.0.1
        port {sandbox.port("submission")}
        from friend@sandbox.test
        auth {auth}
        user friend@sandbox.test
        password sandbox
        tls on
        tls_certcheck off
        """))
    rc.chmod(0o600)
    subject = f"msmtp {auth}"
    run("msmtp", "-C", rc, "-a", "box", "you@sandbox.test", stdin=message(subject).replace(
        "stranger@elsewhere.example", "friend@sandbox.test"))
    assert subject in subjects(sandbox.imap())


def test_curl_smtp_and_imap(sandbox, tmp_path):
    need("curl")
    letter = tmp_path / "letter.eml"
    letter.write_bytes(message("by curl").replace("stranger@elsewhere.example", "friend@sandbox.test").encode())
    run("curl", "-sS", "--insecure", "--ssl-reqd", "--url", f"smtp://127.0.0.1:{sandbox.port('submission')}",
        "--user", "friend@sandbox.test:sandbox", "--mail-from", "friend@sandbox.test", "--mail-rcpt",
        "you@sandbox.test", "--upload-file", letter)
    uid = find(sandbox.imap(), "by curl")[0].decode()
    done = run("curl", "-sS", "--insecure", "--url", f"imaps://127.0.0.1:{sandbox.port('imaps')}/INBOX;MAILINDEX={uid}",
               "--user", "you@sandbox.test:sandbox")
    assert "Subject: by curl" in done.stdout
    listed = run("curl", "-sS", "--insecure", "--ssl-reqd", "--url", f"imap://127.0.0.1:{sandbox.port('imap')}/",
                 "--user", "you@sandbox.test:sandbox", "-X", 'LIST "" "*"')
    assert all(name in listed.stdout for name in ("INBOX", "Sent", "Archive", "Trash", "Drafts", "Junk"))


def test_smtplib_starttls_and_utf8(sandbox):
    with sandbox.smtp("submission") as client:
        client.starttls(context=trusting())
        client.login("friend@sandbox.test", "sandbox")
        client.send_message(__import__("email").message_from_string(
            "From: friend@sandbox.test\nTo: you@sandbox.test\nSubject: smtplib\n\nHi\n"))
    sandbox.send(message("utf8 body", "Grüße, 世界").encode())
    found = subjects(sandbox.imap())
    assert "smtplib" in found and "utf8 body" in found


def test_what_arrives_is_what_was_sent(sandbox):
    body = "Line one\n.dot at the front\n..two dots\n\n" + "x" * 900 + "\nlast"
    sandbox.send(message("octet for octet", body))
    client = sandbox.imap()
    number = find(client, "octet for octet")[0]
    raw = client.fetch(number, "(BODY.PEEK[])")[1][0][1]
    head, _, text = raw.partition(b"\r\n\r\n")
    assert text == body.replace("\n", "\r\n").encode() + b"\r\n"
    lines = head.decode().split("\r\n")
    assert lines[0] == "Return-Path: <stranger@elsewhere.example>"
    assert any(line == "Delivered-To: you@sandbox.test" for line in lines)
    assert re.search(r"^Received: from client\.example", head.decode(), re.M)
    size = int(re.search(rb"RFC822\.SIZE (\d+)", client.fetch(number, "(RFC822.SIZE)")[1][0]).group(1))
    assert size == len(raw)


# -- reading ------------------------------------------------------------------

def mbsync_config(sandbox, tmp_path, store):
    rc = tmp_path / "mbsyncrc"
    rc.write_text(textwrap.dedent(f"""\
        IMAPAccount box
        Host localhost
        Port {sandbox.port("imap")}
        User {store}@sandbox.test
        Pass sandbox
        SSLType STARTTLS
        CertificateFile {sandbox.folder}/cert.pem

        IMAPStore far
        Account box

        MaildirStore near
        Path {tmp_path}/mail/
        Inbox {tmp_path}/mail/INBOX
        SubFolders Verbatim

        Channel all
        Far :far:
        Near :near:
        Patterns *
        Create Both
        Expunge Both
        SyncState *
        """))
    (tmp_path / "mail").mkdir(exist_ok=True)
    return rc


def test_mbsync_both_ways(own_sandbox, tmp_path):
    need("mbsync")
    sandbox = own_sandbox
    rc = mbsync_config(sandbox, tmp_path, "you")
    for i in range(5):
        sandbox.send(message(f"sync {i}"))
    run("mbsync", "-c", rc, "-a")
    inbox = tmp_path / "mail/INBOX"
    files = list((inbox / "new").iterdir()) + list((inbox / "cur").iterdir())
    assert len(files) == 5
    # Seen there, deleted there, and a new one there: all three go up.
    files.sort(key=lambda f: re.search(rb"Subject: (sync \d)", f.read_bytes()).group(1))
    def flag(path, letters):
        return path.rename(inbox / "cur" / (path.name.partition(":")[0] + ":2," + letters))
    flag(files[0], "S")
    flag(files[1], "T")
    flag(files[2], "FS")
    (inbox / "cur" / "1700000000.1.near:2,S").write_text(message("from the near side").replace("\r\n", "\n"))
    run("mbsync", "-c", rc, "-a")
    client = sandbox.imap()
    assert sorted(subjects(client)) == ["from the near side", "sync 0", "sync 2", "sync 3", "sync 4"]
    flags = client.fetch(find(client, "sync 2")[0], "(FLAGS)")[1][0]
    assert b"\\Seen" in flags and b"\\Flagged" in flags
    # And down again: a flag and an expunge made here.
    client.select("INBOX")
    client.store(find(client, "sync 3")[0], "+FLAGS", "\\Answered")
    client.select("INBOX")
    client.store(client.search(None, "SUBJECT", '"sync 3"')[1][0], "+FLAGS", "\\Answered")
    client.store(client.search(None, "SUBJECT", '"sync 4"')[1][0], "+FLAGS", "\\Deleted")
    client.expunge()
    run("mbsync", "-c", rc, "-a")
    names = {re.search(r"Subject: (.*)", f.read_text()).group(1): f.name for f in
             list((inbox / "cur").iterdir()) + list((inbox / "new").iterdir())}
    assert "sync 4" not in names and "R" in names["sync 3"].partition(":2,")[2]


def test_fetchmail(own_sandbox, tmp_path):
    need("fetchmail")
    sandbox = own_sandbox
    for i in range(3):
        sandbox.send(message(f"fetch {i}"))
    taken = tmp_path / "taken"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"poll 127.0.0.1 service {sandbox.port('imaps')} protocol imap user you@sandbox.test password sandbox "
                  f"ssl sslproto 'auto' no sslcertck mda \"cat >>{taken}\"\n")
    rc.chmod(0o600)
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "FETCHMAILHOME": str(tmp_path), "LC_ALL": "C"}
    done = run("fetchmail", "-f", rc, "--keep", "--nosyslog", env=env)
    assert taken.read_text().count("Subject: fetch ") == 3, done.stdout
    assert run("fetchmail", "-f", rc, "--keep", "--nosyslog", env=env, check=False).returncode == 1  # nothing new


def test_imaplib_tour(own_sandbox):
    sandbox = own_sandbox
    sandbox.send(message("tour"))
    client = sandbox.imap()
    assert client.create("Projects/Sluice")[0] == "OK"
    assert client.select("INBOX")[0] == "OK"
    assert client.copy("1", "Projects/Sluice")[0] == "OK"
    assert client.store("1", "+FLAGS", "(\\Flagged custom)")[0] == "OK"
    assert b"custom" in client.fetch("1", "(FLAGS)")[1][0]
    assert client.append("Drafts", "\\Draft", imaplib.Time2Internaldate(1700000000), message("draft").encode())[0] == "OK"
    assert subjects(client, "Drafts") == ["draft"]
    assert subjects(client, '"Projects/Sluice"') == ["tour"]
    assert client.rename("Projects", "Work")[0] == "OK"
    assert subjects(client, '"Work/Sluice"') == ["tour"]
    client.select("INBOX")
    assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert client.expunge()[1] == [b"1"]
    assert client.status("INBOX", "(MESSAGES UIDNEXT)")[1] == [b"INBOX (MESSAGES 0 UIDNEXT 2)"] or \
        b"MESSAGES 0" in client.status("INBOX", "(MESSAGES)")[1][0]
    assert client.delete("Work/Sluice")[0] == "OK"
    assert client.logout()[0] == "BYE"


def idle(client, tag=b"i1"):
    client.send(tag + b" IDLE\r\n")
    assert client.readline().startswith(b"+ ")


def test_idle_tells(own_sandbox):
    sandbox = own_sandbox
    client = sandbox.imap()
    client.select("INBOX")
    idle(client)
    sandbox.send(message("ring"))
    lines = [client.readline()]
    while b"EXISTS" not in lines[-1]:
        lines.append(client.readline())
    assert lines[-1] == b"* 1 EXISTS\r\n"
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"i1 OK"):
        pass


def test_two_clients_on_one_mailbox(own_sandbox):
    sandbox = own_sandbox
    for i in range(4):
        sandbox.send(message(f"pair {i}"))
    one, two = sandbox.imap(), sandbox.imap()
    one.select("INBOX")
    two.select("INBOX")
    idle(two)
    one.store("2", "+FLAGS", "\\Seen")
    seen = two.readline()
    assert seen.startswith(b"* 2 FETCH") and b"\\Seen" in seen
    one.store("1,3", "+FLAGS", "\\Deleted")
    one.expunge()
    gone = []
    while len(gone) < 2:
        line = two.readline()
        if b"EXPUNGE" in line:
            gone.append(int(line.split()[1]))
    assert gone in ([1, 2], [3, 1])  # numbers as they stand when said (RFC 3501 7.4.1)
    two.send(b"DONE\r\n")
    while not two.readline().startswith(b"i1 OK"):
        pass
    assert subjects(two) == ["pair 1", "pair 3"]


def test_many_at_once(own_sandbox):
    """Twenty senders and a reader; nothing is lost and UIDs only rise."""
    sandbox = own_sandbox
    errors = []

    def work(n):
        try:
            with sandbox.smtp() as client:
                for i in range(10):
                    client.sendmail("stranger@elsewhere.example", "you@sandbox.test", message(f"many {n} {i}"))
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    client = sandbox.imap()
    found = subjects(client)
    assert len(found) == 200 and len(set(found)) == 200
    uids = [int(u) for u in client.uid("SEARCH", None, "ALL")[1][0].split()]
    assert uids == sorted(set(uids))
