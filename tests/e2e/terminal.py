# SPDX-License-Identifier: MIT
"""A pseudo terminal with a program in it, for tests of what a person at a terminal would see."""
import atexit
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

LIMIT = 20


class Terminal:
    """argv runs as the leader of a new session whose terminal this is."""

    def __init__(self, argv, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # The runner's own habits are not the test's.
            for number in signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTSTP:
                signal.signal(number, signal.SIG_DFL)
            try:
                os.execvpe(argv[0], argv, env or os.environ)
            finally:
                os._exit(127)
        self.seen = ""
        self.resize(24, 1000)  # no line is wrapped
        atexit.register(self.end)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, limit=LIMIT):
        """Reads until the pattern comes and forgets all up to its end. Returns the match, None in vain."""
        end = time.monotonic() + limit
        while not (match := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                return None
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the last program has closed the terminal
                data = b""
            if not data:
                return re.search(pattern, self.seen)
            self.seen += data.decode(errors="replace")
        self.seen = self.seen[match.end():]
        return match

    def modes(self):
        return termios.tcgetattr(self.fd)

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def end(self):
        if self.pid:
            for group in self.groups():
                try:
                    os.killpg(group, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            os.waitpid(self.pid, 0)
            self.pid = 0
        if self.fd >= 0:
            self.hang_up()

    def groups(self):
        """The process groups of the session."""
        found = {self.pid}
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{int(entry)}/stat", encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
            except (ValueError, OSError):
                continue
            if int(fields[3]) == self.pid:
                found.add(int(fields[2]))
        return found


class Shell(Terminal):
    """An interactive bash with job control."""

    PROMPT = r"<\d+>[$#] "

    def __init__(self, env=None):
        env = {**os.environ, "PS1": r"<$?>\$ ", "HISTFILE": "", "TERM": "dumb", **(env or {})}
        super().__init__(["bash", "--norc", "--noprofile", "-i"], env)
        if not self.expect(self.PROMPT):
            raise RuntimeError(f"no prompt: {self.seen!r}")

    def line(self, text):
        """Types a line and waits until it has been echoed."""
        self.send(text + "\n")
        self.expect(re.escape(text[-20:]) + r"\r\n")

    def status(self):
        """Waits for the next prompt, returns the exit status that it shows; None in vain."""
        match = self.expect(r"<(\d+)>[$#] ")
        return int(match[1]) if match else None
