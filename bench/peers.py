"""The servers that are measured, each started fresh in a folder of its own, on loopback, and stopped again."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SLUICE = pathlib.Path(os.environ.get("SLUICE", ROOT / "build/sluice"))


class Cpu:
    """CPU seconds of a process tree, ended children included: a cgroup of its own (v1 cpuacct or v2)."""

    def __init__(self, name):
        for base, procs in (("/sys/fs/cgroup/cpuacct", "cgroup.procs"), ("/sys/fs/cgroup", "cgroup.procs")):
            self.group = pathlib.Path(base) / f"sluice-bench-{name}-{os.getpid()}"
            with contextlib.suppress(OSError):
                self.group.mkdir(exist_ok=True)
                if (self.group / "cpuacct.usage").exists() or (self.group / "cpu.stat").exists():
                    self.procs = self.group / procs
                    return
        raise SystemExit("bench: needs a cgroup to count CPU time: run it as root")

    def enter(self):
        """In the child, before exec."""
        self.procs.write_text("0")

    def seconds(self):
        with contextlib.suppress(OSError):
            return int((self.group / "cpuacct.usage").read_text()) / 1e9
        words = (self.group / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6

    def pids(self):
        return [int(p) for p in self.procs.read_text().split()]

    def remove(self):
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.group.rmdir()
                return
            time.sleep(0.1)


class Server:
    name = port = process = None

    def __init__(self, folder, **options):
        self.folder, self.options = pathlib.Path(folder) / self.name, options
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.folder.parent.chmod(0o755)
        self.cpu = Cpu(self.name)
        self.log = open(self.folder / "out", "ab")

    def spawn(self, *words, **more):
        return subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                preexec_fn=self.cpu.enter, **more)

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.settimeout(2)
                    if s.recv(3) == b"220":
                        return
            time.sleep(0.01)
        raise SystemExit(f"bench: {self.name} did not come up: {(self.folder / 'out').read_text()[-2000:]}")

    def pss_kib(self, only=None):
        """Proportional memory of all processes, or of those whose command line has `only`."""
        total = 0
        for pid in self.cpu.pids():
            with contextlib.suppress(OSError):
                if only and only.encode() not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    continue
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total

    def __enter__(self):
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        end = time.monotonic() + 10
        while self.cpu.pids() and time.monotonic() < end:
            time.sleep(0.05)
        for pid in self.cpu.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cpu.remove()
        self.log.close()


class Sluice(Server):
    """`sluice serve`, in the folder and with the accounts that the sandbox makes; it logs to a file, as others do."""

    name = "sluice"

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        base = 21000
        self.port, self.imaps = base + 25, base + 93
        self.process = self.spawn(SLUICE, "sandbox", "--dir", self.folder / "box", "--port-base", base)
        self.wait_ready()
        self.stop()
        conf = self.folder / "box/sluice.conf"
        text = conf.read_text().replace("listen sandbox {", "listen sandbox {\n    auth-in-clear yes")
        conf.write_text(text + ("imap { compress yes }\n" if options.get("compress") else ""))

    def start(self):
        self.process = self.spawn(SLUICE, "serve", "-c", self.folder / "box/sluice.conf")

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)

    def roles(self):
        return self.pss_kib("role")

    @classmethod
    def describe(cls):
        return subprocess.run([SLUICE, "version"], capture_output=True, text=True).stdout.split("\n")[0]


class Postfix(Server):
    """Takes mail for one domain and discards it after the queue: what is measured is taking it."""

    name = "postfix"

    def start(self):
        self.port = 22025
        conf = self.folder / "conf"
        conf.mkdir()
        limit = self.options.get("processes", 200)
        (conf / "main.cf").write_text(textwrap.dedent(f"""\
            compatibility_level = 3.6
            queue_directory = {self.folder}/queue
            data_directory = {self.folder}/data
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            maillog_file = {self.folder}/log
            maillog_file_prefixes = {self.folder.parent}
            myhostname = mail.sandbox.test
            mydestination =
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            mynetworks = 127.0.0.0/8
            virtual_mailbox_domains = sandbox.test
            virtual_transport = discard:
            alias_maps =
            local_recipient_maps =
            smtpd_peername_lookup = no
            smtpd_client_connection_count_limit = 0
            smtpd_client_connection_rate_limit = 0
            default_process_limit = {limit}
            smtpd_recipient_restrictions = permit_mynetworks, reject
            message_size_limit = 0
            """))
        (conf / "master.cf").write_text(textwrap.dedent(f"""\
            127.0.0.1:{self.port} inet n - n - - smtpd
            pickup    unix  n  -  n  60  1  pickup
            cleanup   unix  n  -  n  -   0  cleanup
            qmgr      unix  n  -  n  300 1  qmgr
            tlsmgr    unix  -  -  n  1000? 1 tlsmgr
            rewrite   unix  -  -  n  -   -  trivial-rewrite
            bounce    unix  -  -  n  -   0  bounce
            defer     unix  -  -  n  -   0  bounce
            trace     unix  -  -  n  -   0  bounce
            verify    unix  -  -  n  -   1  verify
            flush     unix  n  -  n  1000? 0 flush
            proxymap  unix  -  -  n  -   -  proxymap
            proxywrite unix -  -  n  -   1  proxymap
            error     unix  -  -  n  -   -  error
            retry     unix  -  -  n  -   -  error
            discard   unix  -  -  n  -   -  discard
            anvil     unix  -  -  n  -   1  anvil
            scache    unix  -  -  n  -   1  scache
            postlog   unix-dgram n - n - 1 postlogd
            """))
        for d in ("queue", "data"):
            (self.folder / d).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        self.spawn("postfix", "-c", conf, "start").wait()

    def stop(self):
        subprocess.run(["postfix", "-c", self.folder / "conf", "stop"], stdout=self.log, stderr=self.log)

    @classmethod
    def describe(cls):
        return "Postfix " + subprocess.run(["postconf", "-dh", "mail_version"], capture_output=True,
                                           text=True).stdout.strip()


class Dovecot(Server):
    """IMAP over Maildir, as Debian sets it up; one user per name, all with the password "sandbox"."""

    name = "dovecot"

    def start(self):
        self.imap, self.imaps = 24143, 24993
        self.port = self.imap
        conf, mail = self.folder / "dovecot.conf", self.folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "mail", "mail")
        uid, gid = pwd.getpwnam("mail").pw_uid, pwd.getpwnam("mail").pw_gid
        hashed = subprocess.run(["doveadm", "pw", "-s", "SCRAM-SHA-256", "-p", "sandbox"], capture_output=True,
                                text=True).stdout.strip() if not self.options.get("plain") else "{PLAIN}sandbox"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=mail.sandbox.test", "-keyout", self.folder / "key.pem", "-out",
                        self.folder / "cert.pem"], check=True, capture_output=True)
        conf.write_text(textwrap.dedent(f"""\
            base_dir = {self.folder}/run
            state_dir = {self.folder}/state
            log_path = {self.folder}/log
            protocols = imap
            listen = 127.0.0.1
            ssl = yes
            ssl_cert = <{self.folder}/cert.pem
            ssl_key = <{self.folder}/key.pem
            disable_plaintext_auth = no
            auth_mechanisms = plain login scram-sha-256
            mail_location = maildir:{mail}/%u
            mail_uid = {uid}
            mail_gid = {gid}
            first_valid_uid = 1
            mail_max_userip_connections = 100000
            default_process_limit = 2000
            default_client_limit = 20000
            passdb {{
              driver = static
              args = password={hashed}
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
            """))
        self.process = self.spawn("dovecot", "-F", "-c", conf)

    def wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.imap), 1) as s:
                    s.settimeout(2)
                    if s.recv(4) == b"* OK":
                        return
            time.sleep(0.01)
        raise SystemExit(f"bench: dovecot did not come up: {(self.folder / 'out').read_text()[-2000:]}")

    def fill(self, user, messages):
        """Messages (octets) into a user's INBOX, as files."""
        new = self.folder / "mail" / user / "cur"
        new.mkdir(parents=True)
        for other in ("new", "tmp"):
            (new.parent / other).mkdir()
        for i, text in enumerate(messages):
            (new / f"{1700000000 + i}.M{i}P1.bench,S={len(text)}:2,").write_bytes(text)
        subprocess.run(["chown", "-R", "mail:mail", new.parent], check=True)

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)

    @classmethod
    def describe(cls):
        return "Dovecot " + subprocess.run(["dovecot", "--version"], capture_output=True, text=True).stdout.split()[0]


class OpenSmtpd(Server):
    """From the unpacked Debian package (it conflicts with Postfix), in a mount namespace of its own; deliveries
    are held, so that what is measured is taking mail.  It does not sync (seen with strace)."""

    name = "opensmtpd"
    unpacked = pathlib.Path(os.environ.get("SLUICE_BENCH_OPENSMTPD", "/var/tmp/sluice-bench-opensmtpd"))

    @classmethod
    def fetch(cls):
        if not (cls.unpacked / "usr/sbin/smtpd").exists():
            cls.unpacked.mkdir(parents=True, exist_ok=True)
            subprocess.run("apt-get download -q opensmtpd && dpkg -x opensmtpd_*.deb .", shell=True, cwd=cls.unpacked,
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for user in ("opensmtpd", "opensmtpq"):
            with contextlib.suppress(KeyError):
                pwd.getpwnam(user)
                continue
            subprocess.run(["useradd", "--system", "--home", "/nonexistent", "--shell", "/usr/sbin/nologin", user],
                           check=True)

    def start(self):
        self.fetch()
        self.port = 23025
        conf = self.folder / "smtpd.conf"
        conf.write_text(textwrap.dedent(f"""\
            listen on 127.0.0.1 port {self.port} hostname mail.sandbox.test
            smtp limit max-mails 1000000
            smtp max-message-size 100M
            action "keep" relay host smtp://127.0.0.1:9
            match from any for domain sandbox.test action "keep"
            """))
        spool = self.folder / "spool"
        for d, mode, user in (("", 0o711, "root"), ("offline", 0o770, "root"), ("purge", 0o700, "opensmtpq")):
            (spool / d).mkdir(exist_ok=True)
            (spool / d).chmod(mode)
            shutil.chown(spool / d, user, "opensmtpq" if d == "offline" else None)
        lib, run = self.folder / "lib", self.folder / "empty"
        lib.mkdir()
        run.mkdir()
        script = f"""
            mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /usr/libexec/opensmtpd
            mount --bind {spool} /var/spool/smtpd && mount --bind {self.unpacked}/usr/libexec/opensmtpd /usr/libexec/opensmtpd
            mount --bind {self.unpacked}/usr/sbin/smtpd /usr/sbin/sendmail 2>/dev/null
            exec {self.unpacked}/usr/sbin/smtpd -d -f {conf} -P mta -P mda"""
        self.process = self.spawn("unshare", "-m", "sh", "-c", script)

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)

    @classmethod
    def describe(cls):
        return "OpenSMTPD " + subprocess.run(["dpkg-deb", "-f", *cls.unpacked.glob("opensmtpd_*.deb"), "Version"],
                                             capture_output=True, text=True).stdout.strip()
