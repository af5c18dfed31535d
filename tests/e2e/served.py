"""`sluice serve` with a configuration of the test's own, and the clients that speak to it."""
import grp
import os
import pathlib
import pwd
import re
import smtplib
import socket
import subprocess

from conftest import OFFSETS, SLUICE, Sandbox, wait_for
from test_wire import Wire


def user():
    """Whom the roles become when root starts the server: this is no place to make a user."""
    names = {p.pw_name for p in pwd.getpwall()}
    return "sluice" if "sluice" in names else "nobody"


def group():
    """A group that a socket file can be given to: any for root, else one of our own."""
    return "mail" if os.getuid() == 0 else grp.getgrgid(os.getgid()).gr_name


def certificate(folder, stem, *names):
    """A self-signed certificate for the names, and its key beside it."""
    cert, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    alt = ",".join(f"DNS:{n}" for n in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={names[0]}", "-addext",
                    f"subjectAltName={alt}"], check=True, capture_output=True)
    key.chmod(0o600)


class Server(Sandbox):
    """The parent and its roles as the service manager would start them."""

    def __init__(self, folder, config, store=None, env=None):
        super().__init__(folder, env)
        self.folder.mkdir(mode=0o755)
        self.store = pathlib.Path(store or self.folder / "store")
        self.write(config)

    def write(self, config):
        """The configuration, with this server's places filled in."""
        places = {"dir": self.folder, "store": self.store, "user": user(), "group": group()}
        for service in (*OFFSETS, "lmtp"):
            places[service] = self.port(service)
        self.config.write_text(re.sub(r"@(\w+)@", lambda m: str(places[m[1]]), BASE + config))

    def port(self, service):
        return self.base + 24 if service == "lmtp" else super().port(service)

    def start(self, wait=True):
        self.starts = self.log().count("serve.ready") + 1
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen([SLUICE, "serve", "-c", self.config], stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL, env=self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("the server ended: " + self.output.read_text(errors="replace"))
            return self.log().count("serve.ready") >= self.starts
        wait_for(ready, seconds)

    def log(self):
        path = self.folder / "sluice.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def account(self, name, *addresses, password=None):
        words = ["--password-stdin"] if password else ["--no-password"]
        self.cli("account", "add", name, *addresses, *words, stdin=f"{password}\n" if password else None)

    def imap(self, user, password="secret", login=True):
        return super().imap(user, password, login)

    def local(self):
        return UnixSMTP(self.folder / "submit.sock")

    def lmtp(self, port=False):
        if port:
            client = smtplib.LMTP("127.0.0.1", self.port("lmtp"), local_hostname="client.example", timeout=20)
        else:
            client = smtplib.LMTP(str(self.folder / "lmtp.sock"), local_hostname="client.example")
        client.ehlo()
        return client


BASE = """
host  mail.one.test
user  @user@
store "@store@" { reserve 1MiB }
run   "@dir@/run"
times { stop 200ms }
"""


class UnixSMTP(smtplib.SMTP):
    """SMTP over a socket in the file system."""

    def __init__(self, path):
        self.path = str(path)
        super().__init__("local", local_hostname="client.example", timeout=20)

    def _get_socket(self, host, port, timeout):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(self.path)
        return s


def wire(port, source="127.0.0.1"):
    """A raw connection from one of loopback's many addresses."""
    w = Wire.__new__(Wire)
    w.s = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    w.s.settimeout(10)
    w.rest = b""
    return w


def messages(client, mailbox="INBOX"):
    """All messages of a mailbox, as they are stored."""
    assert client.select(mailbox)[0] == "OK"
    found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    return [part[1] for part in found if isinstance(part, tuple)]


def find(client, subject):
    """The messages with that subject in INBOX, as they are stored."""
    assert client.select("INBOX")[0] == "OK"
    uids = client.uid("SEARCH", "HEADER", "Subject", f'"{subject}"')[1][0].split()
    return [client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1] for uid in uids]

