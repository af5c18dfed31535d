"""./dev bench imap-...: the IMAP side, us and Dovecot over Maildir, with bench/imapload.c as the client of both."""
import contextlib
import json
import random
import statistics
import subprocess
import time

from peers import ROOT, SLUICE, Dovecot, Sluice

CLIENT = ROOT / "build/imapload"
YOU = "you@sandbox.test"


def build():
    subprocess.run(["gcc", "-O2", "-Wall", "-o", CLIENT, ROOT / "bench/imapload.c", "-lssl", "-lcrypto", "-lz", "-lgsasl",
                    "-lpthread"], check=True)


def load(*words, timeout=900):
    done = subprocess.run([CLIENT, *map(str, words)], capture_output=True, text=True, timeout=timeout)
    if not done.stdout:
        raise SystemExit(f"bench: imapload {' '.join(map(str, words))}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def letters(n, size=4096, seed=1):
    """Letters as people write them: a few kinds of structure, words of uneven frequency."""
    dice = random.Random(seed)
    words = ("the of and sluice gate water meeting please to answer letter Tuesday morning invoice is in we river owner a "
             "for about system server").split()
    for i in range(n):
        text = "\r\n".join(" ".join(dice.choices(words, k=11)) for _ in range(size // 70))
        head = (f"From: Sender {i % 97} <sender{i % 97}@elsewhere.example>\r\nTo: You <{YOU}>\r\nSubject: Letter {i} about "
                f"{dice.choice(words)}\r\nDate: Sat, 21 Nov 2026 {i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02} +0000\r\n"
                f"Message-ID: <{i}.{seed}@elsewhere.example>\r\nMIME-Version: 1.0\r\n")
        if i % 3:
            yield (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n").encode()
        else:
            yield (head + "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
                   + text[:size // 2] + "\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>" + text[:size // 2]
                   + "</p>\r\n--b--\r\n").encode()


def cli(server, *words, stdin=None):
    return subprocess.run([SLUICE, "-c", server.folder / "box/sluice.conf", *map(str, words)], text=True,
                          input=stdin, check=True, capture_output=True).stdout


def fill(server, n, say, size=4096):
    """`n` letters into the INBOX of you: by import for us, as files for Dovecot."""
    if isinstance(server, Dovecot):
        server.fill(YOU, letters(n, size))
        return
    box = server.folder / "maildir"
    for d in ("cur", "new", "tmp"):
        (box / d).mkdir(parents=True)
    for i, text in enumerate(letters(n, size)):
        (box / "cur" / f"{1700000000 + i}.M{i}P1.bench:2,").write_bytes(text)
    cli(server, "import", "maildir", box, "--account", "you")


def port(server):
    return server.imap if isinstance(server, Dovecot) else server.imaps - 50


def settle(server, seconds=300):
    """What was brought in is worked off (our index is behind delivery, on purpose): until the server rests."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = server.cpu.seconds()
        time.sleep(1)
        if server.cpu.seconds() - before < 0.03:
            return


def measured(server, *words):
    """What the client says, and the server's CPU meanwhile."""
    before = server.cpu.seconds()
    got = load(*words)
    got["cpu"] = server.cpu.seconds() - before
    return got


@contextlib.contextmanager
def waiting(*words):
    p = subprocess.Popen([str(w) for w in (CLIENT, *words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(p.stdout.readline())["held"]
    finally:
        p.stdin.close()
        p.wait()


def bench_idle_memory(args, say, folder):
    n = 1000 if args.quick else 10000
    for title, more, count, goal in (("plain", (), n, 6), ("TLS", ("-T",), n, 24), ("TLS and COMPRESS", ("-T", "-Z"), n // 5, 64)):
        with folder() as base, Sluice(base, compress="-Z" in more) as server:
            fill(server, 1000, say)
            settle(server)
            at = server.imaps if "-T" in more else port(server)
            with waiting("idle", "-p", at, "-c", 50, "-u", YOU, "-m", "SCRAM", *more):
                pass  # warm
            time.sleep(11)  # idle workers end
            before = server.pss_kib()
            with waiting("idle", "-p", at, "-c", count, "-u", YOU, "-m", "SCRAM", *more) as held:
                time.sleep(12)
                say(f"idle {title}: {held} sessions in a mailbox of 1,000, {(server.pss_kib() - before) / held:.2f} KiB each "
                    f"(PSS; goal {goal})")
    with folder() as base, Dovecot(base) as server:
        fill(server, 1000, say)
        before = server.pss_kib()
        with waiting("idle", "-p", server.imaps, "-c", 200, "-u", YOU, "-T", "-m", "SCRAM") as held:
            time.sleep(2)
            say(f"idle TLS: Dovecot, {held} sessions, {(server.pss_kib() - before) / held:.0f} KiB each")


def bench_notify(args, say, folder):
    n = 100 if args.quick else 1000
    with folder() as base, Sluice(base) as server:
        for i in range(n):
            cli(server, "account", "add", f"u{i}x", f"u{i}x@sandbox.test", "--password-stdin", stdin="sandbox\n")
        # No number at the end of a name: the sandbox would answer with it.
        got = load("notify", "-p", port(server), "-P", server.port, "-c", n, "-n", 3 * n, "-u", "u%ux", "-a", "u%ux@sandbox.test",
                   "-m", "SCRAM")
        say(f"notify: {got['sessions']} idle sessions on as many accounts, from the 250 to EXISTS: p50 {got['p50_ms']} ms, p99 "
            f"{got['p99_ms']} ms, longest {got['max_ms']} ms (goal p99 20)")


def pairs(args, say, folder, title, goal, *words, before=None, per="appended"):
    n = 2 if args.quick else args.pairs
    runs = {Sluice: [], Dovecot: []}
    say(f"\n{title}; {n} interleaved runs")
    for i in range(n):
        for kind, got in runs.items():
            with folder() as base, kind(base) as server:
                if before:
                    before(server)
                load("append", "-p", port(server), "-c", 1, "-t", 0.3, "-u", YOU, "-b", "INBOX") if per == "appended" else None
                r = measured(server, words[0], "-p", port(server), "-u", YOU, *words[1:])
                got.append(r)
            r["us"] = r["cpu"] / max(r[per], 1) * 1e6
            say(f"  {i + 1}/{n} {kind.name:8} {r['rate']:9.0f}/s  server CPU {r['us']:7.1f} us each")
    a, b = ({k: statistics.median(r[k] for r in runs[kind]) for k in ("rate", "us")} for kind in runs)
    say(f"  = rate {a['rate']:.0f}/s, Dovecot {b['rate']:.0f}/s: {a['rate'] / b['rate']:.2f} x; CPU {a['us']:.1f} us, Dovecot "
        f"{b['us']:.1f} us: {a['us'] / b['us']:.2f} of it; goal {goal}")


def bench_append(args, say, folder):
    for clients, goal in ((1, ">= 2 x"), (10, ">= 5 x")):
        pairs(args, say, folder, f"APPEND 4 KiB, {clients} client(s)", goal, "append", "-c", clients, "-t", args.seconds)
    for kind in (Sluice, Dovecot):
        with folder() as base, kind(base) as server:
            load("append", "-p", port(server), "-c", 1, "-t", 0.3, "-u", YOU)
            out = base / "strace"
            words = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", out]
            for pid in server.cpu.pids():
                words += ["-p", str(pid)]
            tracer = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
            time.sleep(1)
            got = load("append", "-p", port(server), "-c", 1, "-t", 2, "-u", YOU)
            tracer.terminate()
            tracer.wait()
            syncs = out.read_text().count("sync(")
            say(f"  syncs: {server.name} {syncs / got['appended']:.2f} an APPEND (under strace)")


def bench_fetch(args, say, folder):
    def before(server):
        fill(server, 10000, say)
        load("fetch", "-p", port(server), "-u", YOU, "-m", "all", "-t", 0.1)  # caches and indexes are made
        settle(server)
    pairs(args, say, folder, "FETCH 1:10000 (FLAGS ENVELOPE BODYSTRUCTURE)", "CPU <= 0.5 of Dovecot's, rate >= 2 x", "fetch", "-m",
          "all", "-t", args.seconds, before=before, per="messages")
    pairs(args, say, folder, "FETCH n BODY.PEEK[], one by one", "CPU <= 0.5 of Dovecot's (34 us), rate >= 2 x", "fetch", "-m",
          "each", "-t", args.seconds, before=before, per="messages")


def bench_big(args, say, folder):
    n = 10_000 if args.quick else 100_000
    with folder() as base, Sluice(base) as server:
        begun = time.monotonic()
        fill(server, n, say)
        say(f"big: {n:,} messages of 4 KiB imported in {time.monotonic() - begun:.1f} s")
        got = load("latency", "-p", port(server), "-u", YOU)
        say(f"big: SELECT of {n:,} first {got['select_first_ms']} ms (goal 15), then {got['select_ms']} ms (goal 2); STORE of a flag "
            f"{got['store_ms']} ms, p99 {got['store_p99_ms']} (goal 5); QRESYNC with {got['qresync_answers']} answers {got['qresync_ms']} ms (goal 5)")
        begun = time.monotonic()
        def waiting_messages():
            return sum(row["waiting"] for row in json.loads(cli(server, "search", "status", "--json")))
        while time.monotonic() - begun < 600 and waiting_messages() > 0:
            time.sleep(1)
        settle(server)
        say(f"big: index up to date {time.monotonic() - begun:.0f} s later")
        for keys in ("BODY sluice", "BODY nothing-has-this", "TEXT invoice", "SUBJECT meeting", "FROM sender42", "BODY \"river owner\"",
                     "BODY x1"):
            got = load("search", "-p", port(server), "-u", YOU, "-k", keys)
            say(f"big: SEARCH {keys}: {got['found']} found, first {got['first_ms']} ms, median {got['median_ms']} ms (goal 1,000)")


def bench_login(args, say, folder):
    for kind in (Sluice, Dovecot):
        with folder() as base, kind(base) as server:
            for how in ("SCRAM-SHA-256", "PLAIN"):
                got = measured(server, "login", "-p", server.imaps, "-T", "-u", YOU, "-c", 8, "-t", args.seconds, "-m", how)
                say(f"login {how} over TLS: {server.name} {got['rate']:.0f}/s, server CPU {got['cpu'] / got['logins'] * 1000:.2f} ms "
                    f"each, so {got['logins'] / got['cpu']:.0f}/s on one core")


def bench_guess(args, say, folder):
    """What 100 clients that guess passwords cost those who send."""
    def send(server):
        return json.loads(subprocess.run([ROOT / "build/smtpload", "send", "-p", str(server.port), "-c", "4", "-t", "5"],
                                         capture_output=True, text=True).stdout)
    with folder() as base, Sluice(base) as server:
        send(server)
        alone = send(server)
        guess = subprocess.Popen([CLIENT, "login", "-p", str(port(server)), "-u", YOU, "-w", "wrong", "-m", "wrong", "-c", "100",
                                  "-t", "7"], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        beside = send(server)
        tried = json.loads(guess.communicate()[0])
        say(f"guess: 100 clients that guess, {tried['rate']:.0f} answered a second; 4 that send: {alone['rate']:.0f}/s p99 "
            f"{alone['p99_ms']} ms alone, {beside['rate']:.0f}/s p99 {beside['p99_ms']} ms beside them")


def bench_import(args, say, folder):
    n = 20_000 if args.quick else 200_000
    with folder() as base, Sluice(base) as server:
        box = base / "maildir"
        for d in ("cur", "new", "tmp"):
            (box / d).mkdir(parents=True)
        for i, text in enumerate(letters(n)):
            (box / "cur" / f"{1700000000 + i}.M{i}P1.bench:2,S").write_bytes(text)
        begun = time.monotonic()
        words = ["/usr/bin/time", "-f", "%M", SLUICE, "-c", server.folder / "box/sluice.conf", "import", "maildir",
                 str(box), "--account", "you"]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        say(f"import: {n:,} messages of 4 KiB from a Maildir in {seconds:.1f} s ({n / seconds:.0f}/s), the command's peak memory "
            f"{int(done.stderr.split()[-1]) / 1024:.0f} MiB, all processes of the server {server.pss_kib() / 1024:.0f} MiB after "
            f"(goal 180 s, 256 MiB)")


BENCHES = {
    "imap-memory": (bench_idle_memory, "an IMAP session in IDLE: plain, TLS, COMPRESS; Dovecot"),
    "notify": (bench_notify, "1,000 idle sessions on 1,000 accounts: from 250 to EXISTS"),
    "append": (bench_append, "APPEND 4 KiB, one client and ten, us and Dovecot; syncs"),
    "fetch": (bench_fetch, "FETCH of 10,000, in one and one by one, us and Dovecot"),
    "big": (bench_big, "a mailbox of 100,000: SELECT, STORE, QRESYNC, SEARCH"),
    "login": (bench_login, "logins a second, us and Dovecot"),
    "guess": (bench_guess, "wrong passwords by 100 clients, beside mail that comes in"),
    "import": (bench_import, "200,000 messages from a Maildir"),
}
