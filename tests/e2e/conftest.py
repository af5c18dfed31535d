"""What every end-to-end test stands on: a real server in a throwaway folder, on loopback."""
import contextlib
import imaplib
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = pathlib.Path(os.environ.get("SLUICE", ROOT / "build/sluice")).resolve()
OFFSETS = {"smtp": 25, "submission": 87, "submissions": 65, "imap": 43, "imaps": 93}


BASES = itertools.cycle(random.sample(range(10000, 32000, 100), 220))


def free_port_base():
    """A base whose five ports are free just now, below those that the kernel gives to clients (32768 and up): a server
    that is killed and started again must find its ports as it left them."""
    for base in itertools.islice(BASES, 220):
        with contextlib.ExitStack() as stack:
            try:
                for offset in OFFSETS.values():
                    s = stack.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: what is over is free
                    s.bind(("127.0.0.1", base + offset))
                return base
            except OSError:
                continue
    raise RuntimeError("no free ports")


class Sandbox:
    """`sluice sandbox` as a user would start it; every process it leaves is known and ended."""

    def __init__(self, folder, extra_env=None):
        self.folder = pathlib.Path(folder)
        self.base = free_port_base()
        self.env = {**os.environ, **(extra_env or {})}
        self.process = None
        self.output = self.folder.with_name(self.folder.name + ".out")

    def port(self, service):
        return self.base + OFFSETS[service]

    def start(self, wait=True):
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                [SLUICE, "sandbox", "--dir", self.folder, "--port-base", str(self.base)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.env)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError("the sandbox ended: " + self.output.read_text(errors="replace"))
            try:
                for service, hello in (("smtp", b"220 "), ("imap", b"* OK ")):
                    with socket.create_connection(("127.0.0.1", self.port(service)), 2) as s:
                        s.settimeout(2)
                        if not s.recv(5).startswith(hello):
                            raise OSError("not yet")
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the sandbox did not come up: " + self.output.read_text(errors="replace"))

    def all_pids(self):
        """The roles of all generations: {pid: "smtp", ...}."""
        found = {}
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in children:
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"role" in words:
                    found[int(pid)] = words[words.index(b"role") + 1].decode()
        return found

    def pids(self):
        """The parent and its roles, of two the one that was started last: {"parent": pid, "smtp": pid, ...}."""
        return {"parent": self.process.pid, **{role: pid for pid, role in self.all_pids().items()}}

    def kill(self, who):
        """SIGKILL one role, or "tree": the parent and all roles at once."""
        pids = self.pids()
        for pid in pids.values() if who == "tree" else [pids[who]]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if who == "tree":
            self.process.wait()

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            roles = self.pids()
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            finally:
                for pid in roles.values():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        return self.process.returncode if self.process else None

    @property
    def config(self):
        return self.folder / "sluice.conf"

    def cli(self, *words, check=True, stdin=None):
        done = subprocess.run([SLUICE, "-c", self.config, *map(str, words)], capture_output=True, text=True,
                              input=stdin, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"sluice {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *words):
        return json.loads(self.cli(*words, "--json").stdout)

    # -- clients ---------------------------------------------------------

    def smtp(self, service="smtp", **more):
        return smtplib.SMTP("127.0.0.1", self.port(service), local_hostname="client.example", timeout=20, **more)

    def imap(self, user="you@sandbox.test", password="sandbox", login=True):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.port("imaps"), ssl_context=trusting(), timeout=20)
        if login:
            client.login(user, password)
        return client

    def send(self, body, to="you@sandbox.test", sender="stranger@elsewhere.example", service="smtp"):
        with self.smtp(service) as client:
            return client.sendmail(sender, to, body)

    def log(self):
        return (self.folder / "sluice.log").read_text(errors="replace")


def trusting():
    """The sandbox's certificate is its own; what is tested here is not trust."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def message(subject, text="Hello.", **headers):
    lines = ["From: Stranger <stranger@elsewhere.example>", "To: you@sandbox.test", f"Subject: {subject}",
             f"Message-ID: <{subject.replace(' ', '.')}@elsewhere.example>", "Date: Sat, 21 Nov 2026 10:00:00 +0000"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n" + text.replace("\n", "\r\n") + "\r\n"


def wait_for(what, seconds=10):
    """Until `what()` gives something true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def need(program):
    if not shutil.which(program):
        pytest.fail(f"{program} is missing; ./dev setup installs it")
    return program


@contextlib.contextmanager
def open_folder():
    """A folder that a server started as root can reach after it gave up being root (pytest's own are closed)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def place():
    with open_folder() as path:
        yield path


@pytest.fixture(scope="session")
def sandbox():
    """One server for all tests that only use it."""
    with open_folder() as path:
        server = Sandbox(path / "box").start()
        yield server
        server.stop()


@pytest.fixture
def own_sandbox(place):
    """A server of the test's own, to be killed, filled and reloaded."""
    server = Sandbox(place / "box").start()
    yield server
    server.stop()
