"""Thunderbird itself, without a screen: it is driven through Marionette (its own remote control, JSON over TCP) and told
in its own JavaScript what a person would click.  Debian's package is large, so only `./dev test all` installs it."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import message, trusting, wait_for
from imapwire import Session

pytestmark = pytest.mark.skipif(not shutil.which("thunderbird"),
                                reason="thunderbird is not installed; ./dev test all does that")

COMMON = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.getAccount("account1").incomingServer;
const folder = name => server.rootFolder.descendants.find(f => f.URI.endsWith("/" + name));
const inbox = folder("INBOX");
const mail = (f, subject) => [...f.messages].find(h => h.mime2DecodedSubject == subject);
"""


class Thunderbird:
    """One run of it over a profile; script() gives back what the JavaScript returns."""

    def __init__(self, sandbox, home):
        self.home, self.profile, self.port = home, home / "profile", free_port()
        self.profile.mkdir(exist_ok=True)
        self.write(sandbox)
        self.out = open(home / "out", "ab")
        self.process = subprocess.Popen(
            ["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile",
             self.profile], env={**os.environ, "HOME": str(home)}, stdout=self.out, stderr=self.out, start_new_session=True)
        try:
            self.socket, self.buffer, self.count = wait_for(self.connect, 60), b"", 0
            self.packet()  # who it is
            self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"unhandledPromptBehavior": "ignore"}})
            self.call("Marionette:SetContext", value="chrome")
            self.script("""Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
                .setDisableAllSecurityChecksAndLetAttackersInterceptMyData(true);""", common="")
            self.script('server.password = "sandbox"; server.performExpand(null);')
            wait_for(lambda: self.script('return !!folder("INBOX") && !!folder("Archive")'), 30)
        except BaseException:
            self.kill()
            raise

    def write(self, sandbox):
        prefs = {
            "marionette.port": self.port, "mail.accountmanager.accounts": "account1",
            "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1",
            "mail.identity.id1.useremail": "you@sandbox.test", "mail.identity.id1.fullName": "You",
            "mail.identity.id1.valid": True, "mail.server.server1.type": "imap",
            "mail.server.server1.hostname": "localhost", "mail.server.server1.port": sandbox.port("imaps"),
            "mail.server.server1.userName": "you@sandbox.test", "mail.server.server1.socketType": 3,
            "mail.server.server1.authMethod": 3, "mail.server.server1.name": "box",
            "mail.server.server1.login_at_startup": False, "mail.rights.version": 1, "mailnews.start_page.enabled": False,
            "datareporting.policy.dataSubmissionEnabled": False, "mail.provider.suppress_dialog_on_startup": True,
            "app.update.enabled": False, "mail.shell.checkDefaultClient": False}
        (self.profile / "user.js").write_text("".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n"
                                                      for k, v in prefs.items()))

    def connect(self):
        assert self.process.poll() is None, "thunderbird ended: " + (self.home / "out").read_text(errors="replace")[-2000:]
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.port), 60)

    def packet(self):
        while b":" not in self.buffer:
            self.fill()
        size, _, self.buffer = self.buffer.partition(b":")
        while len(self.buffer) < int(size):
            self.fill()
        packet, self.buffer = self.buffer[:int(size)], self.buffer[int(size):]
        return json.loads(packet)

    def fill(self):
        more = self.socket.recv(65536)
        assert more, "thunderbird closed its remote control"
        self.buffer += more

    def call(self, name, **arguments):
        self.count += 1
        packet = json.dumps([0, self.count, name, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(packet), packet))
        _, _, error, result = self.packet()
        assert not error, f"{name}: {error}"
        return result

    def script(self, text, common=COMMON):
        wrapped = ("const done = arguments[arguments.length - 1]; (async () => {" + common + text +
                   "})().then(v => done({ value: v }), e => done({ error: String(e) + e.stack }));")
        result = self.call("WebDriver:ExecuteAsyncScript", script=wrapped, args=[], newSandbox=False)["value"]
        assert "error" not in result, f"{text}\n{result}"
        return result.get("value")

    def inbox(self):
        """{subject: (read, starred)} as it shows it."""
        return {s: (r, f) for s, r, f in self.script(
            "return [...inbox.messages].map(h => [h.mime2DecodedSubject, h.isRead, h.isFlagged])")}

    def quit(self):
        """As a person quits it: caches are written."""
        self.call("Marionette:Quit", flags=["eAttemptQuit"])
        self.process.wait(30)
        self.out.close()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.out.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def state(s):
    """{subject: flags} on the server."""
    s.ok("NOOP")
    if not s.mirror.messages:
        return {}
    return {i["BODY[HEADER.FIELDS (SUBJECT)]"].decode().partition(":")[2].strip():
            frozenset(i["FLAGS"]) - {"\\Recent", "$Junk", "$NotJunk", "NonJunk", "NotJunk"}
            for _, i in s.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").fetched()}


def test_thunderbird(own_sandbox, tmp_path):
    sandbox = own_sandbox
    for i in range(4):
        sandbox.send(message(f"tb{i}", f"Body number {i}."))
    with Session(sandbox.port("imaps"), tls=trusting(), user="you@sandbox.test", password="sandbox") as s:
        s.select()
        bird = Thunderbird(sandbox, tmp_path)
        try:
            reads_and_changes(bird, s, sandbox)
            hears(bird, s, sandbox)
            bird.quit()
        except BaseException:
            bird.kill()
            raise
        # While it is away: a flag, a new one, one that goes.  It comes back to what it has on disk and catches up.
        s.ok("UID STORE 2 -FLAGS (\\Seen)")
        s.ok("UID STORE 4 +FLAGS (\\Deleted)")
        s.ok("EXPUNGE")
        sandbox.send(message("while away"))
        bird = Thunderbird(sandbox, tmp_path)
        try:
            bird.script("inbox.updateFolder(null);")
            wait_for(lambda: bird.inbox() == {"tb1": (False, True), "new": (False, False), "while away": (False, False)}, 20)
            bird.quit()
        finally:
            bird.kill()


def reads_and_changes(bird, s, sandbox):
    bird.script("inbox.updateFolder(null);")
    wait_for(lambda: set(bird.inbox()) == {"tb0", "tb1", "tb2", "tb3"}, 20)
    body = bird.script("""
        const { MsgHdrToMimeMessage } = ChromeUtils.importESModule("resource:///modules/gloda/MimeMessage.sys.mjs");
        return await new Promise(r => MsgHdrToMimeMessage(mail(inbox, "tb0"), null,
            (h, m) => r(m.coerceBodyToPlaintext(inbox)), true));
        """)
    assert body.strip() == "Body number 0."
    # A star, read, a move into Archive, into the trash, and a new folder with a copy in it.
    bird.script("""
        inbox.markMessagesFlagged([mail(inbox, "tb0")], true);
        inbox.markMessagesRead([mail(inbox, "tb1")], true);
        MailServices.copy.copyMessages(inbox, [mail(inbox, "tb2")], folder("Archive"), true, null, null, false);
        server.rootFolder.createSubfolder("Made by bird", null);""")
    wait_for(lambda: bird.script('return !!folder("Made%20by%20bird") || !!folder("Made by bird")'), 20)
    bird.script("""
        MailServices.copy.copyMessages(inbox, [mail(inbox, "tb0")],
            folder("Made%20by%20bird") || folder("Made by bird"), false, null, null, false);""")
    wait_for(lambda: {k: v - {"\\Seen"} if k == "tb0" else v for k, v in state(s).items()} ==
             {"tb0": {"\\Flagged"}, "tb1": {"\\Seen"}, "tb3": frozenset()}, 20)
    with Session(sandbox.port("imaps"), tls=trusting(), user="you@sandbox.test", password="sandbox") as other:
        other.select("Archive")
        assert set(state(other)) == {"tb2"}

        def copied():
            return "Made by bird" in [b.name for b in other.ok('LIST "" *').all("LIST")] and \
                other.select("Made by bird") and set(state(other)) == {"tb0"}
        wait_for(copied, 20)


def hears(bird, s, sandbox):
    """It idles: what we do it shows without being asked."""
    s.ok("UID STORE 2 +FLAGS (\\Flagged)")
    wait_for(lambda: bird.inbox().get("tb1") == (True, True), 20)
    sandbox.send(message("new"))
    wait_for(lambda: "new" in bird.inbox(), 20)
    s.ok("UID STORE 1 +FLAGS (\\Deleted)")
    s.ok("EXPUNGE")
    wait_for(lambda: set(bird.inbox()) == {"tb1", "tb3", "new"}, 20)
