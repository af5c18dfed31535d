"""A program that wants a terminal, in one of our own: what it shows is read, what is typed is sent."""
import contextlib
import os
import pty
import re
import select
import signal
import struct
import fcntl
import termios
import time


class Terminal:
    def __init__(self, *words, env, size=(40, 160)):
        self.words, self.shown = [str(w) for w in words], ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(self.words[0], self.words, {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "vt100", **env})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds):
        """What comes within the time; False at the end."""
        if not select.select([self.fd], [], [], max(0, seconds))[0]:
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:  # the other side is gone
            return False
        self.shown += re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z0-9]|[\x0e\x0f]", "", more.decode("utf-8", "replace"))
        return bool(more)

    def until(self, text, seconds=30):
        """Wait until the text is shown; what was shown up to it is forgotten."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end and self.read(end - time.monotonic()), \
                f"{self.words[0]} did not show {text!r}; it showed {self.shown[-3000:]!r}"
        self.shown = self.shown.partition(text)[2]

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, seconds=30):
        """Wait until it ends by itself; its exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(end - time.monotonic()):
            pass
        done, status = os.waitpid(self.pid, os.WNOHANG)
        while not done and time.monotonic() < end:
            time.sleep(0.02)
            done, status = os.waitpid(self.pid, os.WNOHANG)
        assert done, f"{self.words[0]} did not end; it showed {self.shown[-3000:]!r}"
        return os.waitstatus_to_exitcode(status)
