# SPDX-License-Identifier: MIT
"""The real Claude Code as a person uses it: `kvscope run -- claude` typed into a shell at a terminal, then prompts, slash
commands and keys. What it draws is not looked at but for single words; the mock's log says how far it is."""
import json
import os
import re
import select
import shlex
import time

import claude
import claude_why
import lib
from terminal import Shell

QUIET = 0.6  # seconds without a word from the client: it waits for its user
TYPED = 0.3  # what comes at once with a line end is taken for a paste


class Interactive(claude_why.Session):
    """with Interactive(...) as s: s.ask("...", "its-last-word") ...; s.leave(); then s.judge() and s.trace."""

    def __init__(self, t, command, engine, arguments=(), settings=(), run_options=(), **options):
        super().__init__(t, command, engine, **options)
        self.answered_at_start()
        self.trace = t.path("trace.jsonl")
        self.traces.append(self.trace)
        self.shell = Shell()
        self.shell.resize(40, 120)
        self.modes = self.shell.modes()
        self.start(arguments, settings, run_options)

    def answered_at_start(self):
        """What the client would ask for: a theme, whether the key may be used, whether the folder is trusted."""
        (self.home / ".claude.json").write_text(json.dumps({
            "hasCompletedOnboarding": True, "theme": "dark", "autoUpdates": False,
            "customApiKeyResponses": {"approved": [claude.CANARY[-20:]], "rejected": []},
            "projects": {str(self.work): {"allowedTools": [], "hasTrustDialogAccepted": True,
                                          "hasCompletedProjectOnboarding": True}}}))

    def start(self, arguments, settings, run_options):
        prefix, _ = claude.arguments(self.mock.url, self.model, self.home, self.command, [("TERM", "xterm-256color"), *settings])
        line = [*prefix, lib.KVSCOPE, "run", "-o", self.trace, *run_options, "--", *self.command, "--model", self.model,
                "--allowedTools", "Bash,Agent,Task", *arguments]
        script = self.t.path("start.sh")
        script.write_text(f"cd {shlex.quote(str(self.work))}\nexec {shlex.join(map(str, line))}\n")
        self.shell.line(f"bash {script}")
        if not self.shell.expect(r"shortcuts", 60):
            raise RuntimeError(f"the client is not ready: {self.text()[-2000:]}")
        self.quiet()

    def text(self):
        """What was drawn, without most of the escapes."""
        return re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[()][A-Z0-9]", "", self.shell.seen)

    def quiet(self, seconds=QUIET, limit=20):
        """Reads until nothing has come for a while."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            ready, _, _ = select.select([self.shell.fd], [], [], seconds)
            if not ready:
                return
            self.shell.seen += os.read(self.shell.fd, 65536).decode(errors="replace")

    def until(self, condition, seconds=60):
        """Reads on, since a client whose output nobody takes stands still. Returns what the condition came to."""
        end = time.monotonic() + seconds
        while not (met := condition()) and time.monotonic() < end:
            self.quiet(0.05, 0.2)
        return met

    def type(self, text):
        self.shell.send(text)
        self.quiet(TYPED, 2)
        self.shell.seen = ""
        self.shell.send("\r")

    def submit(self, text):
        """Types a prompt and waits until it is on its way; a client that has just begun may not hear the first Enter."""
        n = self.asked()
        self.type(text)
        for _ in range(5):
            if self.until(lambda: self.asked() > n, 4):
                return
            self.shell.send("\r")
        raise RuntimeError(f"{text!r}: nothing is asked: {self.text()[-2000:]}")

    def answers(self, matched):
        """How often the mock has given an answer: "turns[1]", "rules[0]"."""
        return sum(entry.get("matched") == matched for entry in self.mock.bodies())

    def ask(self, text, last):
        """A prompt, until the last of its answers has been given and all is drawn."""
        n = self.answers(last)
        self.submit(text)
        for _ in range(5):  # what was asked may have been a side request
            if self.until(lambda: self.answers(last) > n, 12):
                break
            self.shell.send("\r")
        else:
            raise RuntimeError(f"{text!r}: no {last} in {[e.get('matched') for e in self.mock.bodies()]}")
        self.quiet()

    def asked(self):
        """How many requests the trace knows, answered or not."""
        with open(self.trace, encoding="utf-8") as f:
            return sum(line.startswith('{"type":"request"') for line in f)

    def exchanges(self):
        with open(self.trace, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.startswith('{"type":"exchange"') and line.endswith("\n")]

    def slash(self, command):
        """A slash command, until all is quiet."""
        self.type(command)
        self.quiet(2 * QUIET)

    def leave(self):
        """/exit. Returns the exit status that the shell saw and what kvscope said at the end."""
        self.type("/exit")
        match = self.shell.expect(r"(?s)(kvscope: .*)<(\d+)>[$#] ", 40)
        return (int(match[2]), match[1].replace("\r", "")) if match else (None, self.text()[-2000:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shell.end()
        self.mock.stop()
