"""./dev bench: measure, beside the peers, in one run, with the same client.

Each figure is the median of interleaved runs; a ratio is us/peer of the medians, and beside it stands the spread of
the peer against itself: a goal inside the spread is not shown.  Every run starts a server in a fresh folder.
"""
import argparse
import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import imap
from peers import ROOT, OpenSmtpd, Postfix, Sluice

CLIENT = ROOT / "build/smtpload"


def client(*words):
    done = subprocess.run([CLIENT, *map(str, words)], capture_output=True, text=True, timeout=600)
    if not done.stdout:
        raise SystemExit(f"bench: {' '.join(map(str, words))}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def build_client():
    subprocess.run(["gcc", "-O2", "-Wall", "-o", CLIENT, ROOT / "bench/smtpload.c", "-lssl", "-lcrypto"], check=True)


def say(text=""):
    print(text, flush=True)


def filesystem(folder):
    line = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", "-T", folder], capture_output=True,
                          text=True).stdout.split()
    journal = ""
    if line and line[0] == "ext4":
        features = subprocess.run(["dumpe2fs", "-h", line[1]], capture_output=True, text=True).stdout
        journal = ", journal" if "has_journal" in features else ", no journal"
    return (line[0] if line else "?") + journal


@contextlib.contextmanager
def journaled(size_gib=6):
    """A journaled ext4 in a loop file: closer to the disks that people have."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-", dir="/var/tmp"))
    base.chmod(0o755)
    image, mount = base / "image", base / "mount"
    mount.mkdir()
    with open(image, "wb") as f:
        f.truncate(size_gib << 30)
    subprocess.run(["mkfs.ext4", "-q", "-O", "has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        mount.chmod(0o755)
        yield mount
    finally:
        for _ in range(20):
            if subprocess.run(["umount", mount]).returncode == 0:
                break
            time.sleep(0.5)
        shutil.rmtree(base)


@contextlib.contextmanager
def folder():
    """A fresh folder. It is removed when all is over: for a minute after many files were removed, making new ones is
    slow, and that would be held against whoever runs next."""
    base = tempfile.mkdtemp(prefix="sluice-bench-", dir=os.environ.get("SLUICE_BENCH_DIR", "/var/tmp"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    yield pathlib.Path(base)


def spread(values):
    return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else 0


def accept_once(kind, base, size, per_connection, seconds, connections=50, **options):
    with kind(base, **options) as server:
        client("send", "-p", server.port, "-c", connections, "-m", per_connection, "-s", size, "-n", 500)  # warm
        before = server.cpu.seconds()
        got = client("send", "-p", server.port, "-c", connections, "-m", per_connection, "-s", size, "-t", seconds)
        # Let what was accepted be worked off, so that its CPU is counted too.
        time.sleep(0.5)
        got["cpu_per_1000"] = (server.cpu.seconds() - before) / max(got["accepted"], 1) * 1000
        if got["failed"]:
            say(f"  ! {server.name}: {got['failed']} failed")
        return got


def pairs(title, peers, goal, pairs_n, **how):
    """Interleaved runs of us and each peer; a row for the table."""
    say(f"\n{title}")
    runs = {k.name: [] for k in [Sluice, *peers]}
    for i in range(pairs_n):
        for kind in [Sluice, *peers]:
            with folder() as base:
                runs[kind.name].append(accept_once(kind, base, **how))
            r = runs[kind.name][-1]
            say(f"  {i + 1}/{pairs_n} {kind.name:10} {r['rate']:9.0f}/s  p50 {r['p50_ms']:7.2f} ms  p99 {r['p99_ms']:7.2f}"
                f"  p99.9 {r['p999_ms']:7.2f}  CPU per 1,000 {r['cpu_per_1000']:.3f} s")
    ours = statistics.median(r["rate"] for r in runs["sluice"])
    row = {"title": title, "goal": goal, "us": ours, "cpu": statistics.median(r["cpu_per_1000"] for r in runs["sluice"])}
    for kind in peers:
        rates = [r["rate"] for r in runs[kind.name]]
        cpu = statistics.median(r["cpu_per_1000"] for r in runs[kind.name])
        row[kind.name] = (statistics.median(rates), spread(rates), cpu)
        say(f"  = us {ours:.0f}/s; {kind.name} {statistics.median(rates):.0f}/s (spread {spread(rates):.0%}, CPU "
            f"{cpu:.2f} s per 1,000): ratio {ours / statistics.median(rates):.1f}, our CPU {row['cpu']:.3f} s per 1,000;"
            f" goal {goal}")
    return row


def syncs(kind, n=2000):
    """Syncs per message, by strace, in a run that is not timed."""
    with folder() as base, kind(base) as server:
        client("send", "-p", server.port, "-c", 50, "-n", 200)
        out = base / "strace"
        words = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", out]
        for pid in server.cpu.pids():
            words += ["-p", str(pid)]
        tracer = subprocess.Popen([str(w) for w in words], stderr=subprocess.DEVNULL)
        time.sleep(1)
        got = client("send", "-p", server.port, "-c", 50, "-n", n)
        time.sleep(1)
        tracer.terminate()
        tracer.wait()
        count = len(re.findall(r"(?:fsync|fdatasync)\(", out.read_text()))
        say(f"  syncs: {server.name} {count / got['accepted']:.3f} a message (under strace, {got['accepted']} messages)")


def bench_accept(args):
    n, seconds = (2, 2) if args.quick else (args.pairs, args.seconds)
    say(f"accept: {Sluice.describe()}; {Postfix.describe()}; {n} interleaved runs of {seconds} s each")
    with folder() as base:
        say(f"file system: {filesystem(base)}")
    peers = [Postfix, OpenSmtpd] if args.opensmtpd else [Postfix]
    rows = [
        pairs("4 KiB, 50 connections, many messages each", peers, ">= 5 x Postfix", n, size=4096, per_connection=0,
              seconds=seconds),
        # OpenSMTPD looks up each client's name and cannot be told not to: without a DNS server that is all it does.
        pairs("4 KiB, one message a connection, 50 at once", [Postfix], ">= 4 x Postfix", n, size=4096, per_connection=1,
              seconds=seconds),
        pairs("64 KiB, 50 connections", [Postfix], ">= 3 x Postfix", n, size=65536, per_connection=0, seconds=seconds),
    ]
    say("\nSyncs")
    for kind in [Sluice, *peers]:
        syncs(kind)
    return rows


def bench_journal(args):
    """The first row of accept on a journaled file system."""
    with journaled() as base:
        say(f"4 KiB, 50 connections, on {filesystem(base)} in a loop file; 5 interleaved runs")
        runs = {Sluice: [], Postfix: []}
        for _ in range(5):
            for kind, rates in runs.items():
                rates.append(accept_once(kind, base, 4096, 0, args.seconds)["rate"])
        a, b = (statistics.median(rates) for rates in runs.values())
        say(f"  = us {a:.0f}/s (spread {spread(runs[Sluice]):.0%}), Postfix {b:.0f}/s (spread {spread(runs[Postfix]):.0%}): "
            f"ratio {a / b:.1f}")


def bench_minute(args):
    """60 s without a pause: the slowest 250s, and the size of the WAL at the end."""
    with folder() as base, Sluice(base) as server:
        seconds = 10 if args.quick else 60
        got = client("send", "-p", server.port, "-c", 50, "-t", seconds)
        wal = (server.folder / "box" / "data" / "mail.db-wal")
        wal = next(iter([wal] if wal.exists() else server.folder.rglob("mail.db-wal")))
        say(f"{seconds} s: {got['rate']:.0f}/s, p50 {got['p50_ms']} ms, p99 {got['p99_ms']} ms, p99.9 {got['p999_ms']} ms "
            f"(goal 50), longest {got['max_ms']} ms, WAL {wal.stat().st_size / 2**20:.0f} MiB (goal 128)")


def bench_million(args):
    """Accepting with 1,000,000 messages stored, against 1,000."""
    many = 100_000 if args.quick else 1_000_000
    with folder() as base, Sluice(base) as server:
        rates = {}
        for stored in (1000, many):
            have = rates.get("have", 0)
            say(f"  filling to {stored:,}")
            client("send", "-p", server.port, "-c", 50, "-n", stored - have)
            runs = [client("send", "-p", server.port, "-c", 50, "-t", args.seconds) for _ in range(3)]
            rates[stored] = statistics.median(r["rate"] for r in runs)
            rates["have"] = stored + sum(r["accepted"] for r in runs)
            say(f"  with {stored:,}: {rates[stored]:.0f}/s")
        say(f"  = {rates[many] / rates[1000]:.2f} of the rate with 1,000 (goal >= 0.80)")


@contextlib.contextmanager
def holding(mode, port, n, *more):
    p = subprocess.Popen([str(w) for w in (CLIENT, mode, "-p", port, "-c", n, *more)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    try:
        held = json.loads(p.stdout.readline())["held"]
        yield held
    finally:
        p.stdin.close()
        p.wait()


def bench_hold(args):
    n = 2000 if args.quick else 10000
    for title, more, goal in (("plain", (), 4), ("TLS", ("-T",), 24)):
        with folder() as base, Sluice(base) as server:
            client("send", "-p", server.port, "-c", 50, "-n", 2000)
            time.sleep(1)
            before = server.pss_kib()
            with holding("hold", server.port, n, *more) as held:
                time.sleep(2)
                say(f"hold {title}: {held} sessions past EHLO, {(server.pss_kib() - before) / held:.2f} KiB each (PSS; "
                    f"goal {goal})")
    with folder() as base, Postfix(base, processes=1000) as server:
        before = server.pss_kib()
        with holding("hold", server.port, 200) as held:
            time.sleep(2)
            say(f"hold plain: Postfix, {held} sessions, {(server.pss_kib() - before) / held:.0f} KiB each")
    with folder() as base, Sluice(base) as server:
        client("send", "-p", server.port, "-c", 50, "-n", 2000)
        free, full = [], []
        for _ in range(3):
            free.append(client("send", "-p", server.port, "-c", 50, "-t", args.seconds)["rate"])
            with holding("hold", server.port, n), holding("stuck", server.port, 500):
                full.append(client("send", "-p", server.port, "-c", 50, "-t", args.seconds)["rate"])
        a, b = statistics.median(free), statistics.median(full)
        say(f"50 working: {a:.0f}/s alone, {b:.0f}/s beside {n} waiting and 500 stuck in DATA: {b / a:.2f} (goal >= 0.85)")


def bench_start(args):
    times, pss = [], []
    for _ in range(args.pairs):
        with folder() as base:
            server = Sluice(base)
            begin = time.monotonic()
            server.start()
            server.wait_ready()
            times.append(time.monotonic() - begin)
            time.sleep(1)
            pss.append(server.pss_kib() / 1024)
            server.__exit__()
    say(f"start: binary to first 220 {statistics.median(times):.3f} s (median of {len(times)}; goal 0.3), idle PSS of all "
        f"processes {statistics.median(pss):.1f} MiB (goal 40)")


def bench_idle(args):
    """From reading the 250 to reading EXISTS in another session that idles."""
    import imaplib
    import smtplib
    import ssl
    trust = ssl._create_unverified_context()
    with folder() as base, Sluice(base) as server:
        reader = imaplib.IMAP4_SSL("127.0.0.1", server.imaps, ssl_context=trust)
        reader.login("you@sandbox.test", "sandbox")
        reader.select("INBOX")
        reader.send(b"i IDLE\r\n")
        reader.readline()
        waits = []
        with smtplib.SMTP("127.0.0.1", server.port) as sender:
            for i in range(200):
                sender.sendmail("a@b.example", "you@sandbox.test", f"Subject: {i}\r\n\r\nx\r\n")
                said = time.monotonic()
                while b"EXISTS" not in reader.readline():
                    pass
                waits.append((time.monotonic() - said) * 1000)
        waits.sort()
        say(f"idle: EXISTS after the 250: median {waits[100]:.2f} ms, p99 {waits[197]:.2f} ms, longest {waits[-1]:.2f} ms "
            f"(goal 100 ms)")


def bench_crash(args):
    env = {**os.environ, "SLUICE_CRASH_ROUNDS": "20" if args.quick else "200"}
    sys.exit(subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-s", "tests/e2e/test_crash.py"], cwd=ROOT,
                            env=env).returncode)


def bench_queue(args):
    build = ROOT / "build/plain"
    subprocess.run(["ninja", "-C", build, "bench-queue"], check=True, capture_output=True)
    # rows that are due, their lanes, rows of one more lane that are due tomorrow
    for words in ((1000, 1), (1000000, 1), (1000, 1, 500000), (100000, 1000), (1000000, 1000)):
        if args.quick and words[0] > 100000:
            continue
        with folder() as base:
            got = json.loads(subprocess.run([build / "bench-queue", base / "store", *map(str, words)], check=True,
                                            capture_output=True, text=True).stdout)
        say(f"queue: {got['rows']:>9,} due in {got['lanes']:>5,} lanes, {got['future']:>7,} tomorrow: claim of 100 "
            f"{got['claim_us'] / 1000:.2f} ms with its commit, {got['claim_cpu_us'] / 1000:.2f} ms of CPU; lanes "
            f"{got['lanes_us'] / 1000:.2f} ms; finish {got['finish_us'] / 1000:.2f} ms; insert {got['insert']:.0f} us a row; "
            f"memory {got['rss_kib'] / 1024:.0f} MiB (goals: flat within 2 x, 64 MiB)")


BENCHES = {
    "accept": (bench_accept, "4 KiB and 64 KiB messages, us and Postfix (and OpenSMTPD with --opensmtpd)"),
    "journal": (bench_journal, "accept on a journaled ext4 in a loop file, us and Postfix"),
    "minute": (bench_minute, "60 s of load: slowest replies, WAL"),
    "million": (bench_million, "with 1,000,000 messages stored"),
    "hold": (bench_hold, "memory of 10,000 waiting sessions; work beside them"),
    "start": (bench_start, "time to listen, memory when idle"),
    "idle": (bench_idle, "how soon IDLE tells of a message"),
    "queue": (bench_queue, "claims at 1,000 and 1,000,000 queued"),
    "crash": (bench_crash, "200 rounds of SIGKILL under load"),
    **{name: (lambda args, run=run: run(args, say, folder), text) for name, (run, text) in imap.BENCHES.items()},
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="\n".join(f"  {k:12} {v[1]}" for k, v in BENCHES.items()))
    parser.add_argument("what", choices=[*BENCHES, "help"], nargs="?", default="help")
    parser.add_argument("--pairs", type=int, default=7, help="interleaved runs (7)")
    parser.add_argument("--seconds", type=float, default=5, help="length of a run (5)")
    parser.add_argument("--opensmtpd", action="store_true", help="measure OpenSMTPD too")
    parser.add_argument("--quick", action="store_true", help="a short look, not a figure to quote")
    args = parser.parse_args()
    if args.what == "help":
        parser.print_help()
        return
    build_client()
    imap.build()
    BENCHES[args.what][0](args)


if __name__ == "__main__":
    main()
