"""A server for the IMAP tests: one door with TLS, one where people may log in without, and as many people as wanted."""
import contextlib
import itertools

from conftest import open_folder, trusting
from imapwire import Session
from served import Server, certificate

CONFIG = """
postmaster ann
listen secure {
	address 127.0.0.1
	smtp @smtp@;  submission @submission@;  imap @imap@;  imaps @imaps@
	tls cert "@dir@/one.pem" secret "@dir@/one.key"
}
listen clear { address 127.0.0.1;  imap @lmtp@;  auth-in-clear yes }
domain one.test { postmaster ann }
imap { compress yes }
log { to file "@dir@/sluice.log" }
"""


class Box(Server):
    """`door`: "imaps", "starttls" or "clear"."""

    names = (f"p{n}" for n in itertools.count(1))

    def person(self, name=None):
        name = name or next(self.names)
        self.account(name, f"{name}@one.test", password="secret")
        return name

    def session(self, user=None, door="imaps", **more):
        if door == "imaps":
            s = Session(self.port("imaps"), tls=trusting(), **more)
        else:
            s = Session(self.port("imap" if door == "starttls" else "lmtp"), **more)
        if door == "starttls":
            s.starttls(trusting())
        if user:
            s.login(user, "secret")
        return s


@contextlib.contextmanager
def imap_box():
    with open_folder() as place:
        box = Box(place / "box", CONFIG)
        certificate(box.folder, "one", "mail.one.test", "one.test")
        box.start()
        try:
            box.person("ann")
            yield box
        finally:
            box.stop()


def letter(subject, text="Hello.\n", *headers):
    lines = [f"Subject: {subject}", "From: Ann <ann@one.test>", "To: you@one.test", *headers,
             f"Message-ID: <{subject.replace(' ', '.')}@one.test>", "Date: Mon, 7 Feb 1994 21:52:25 -0800"]
    return ("\r\n".join(lines) + "\r\n\r\n" + text.replace("\n", "\r\n")).encode()
