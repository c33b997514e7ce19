#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""At a terminal: Ctrl-C, Ctrl-\\, Ctrl-Z, fg, bg, raw mode, hang-up. A person must not notice that kvscope is there."""
import json
import re
import sys
import textwrap

import lib
from terminal import Shell, Terminal

t = lib.Test()
KVSCOPE_RUN = f"{lib.KVSCOPE} run -q -o /dev/null --"


def script(text):
    path = t.path("client.py")
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return f"{sys.executable} {path}"


shell = Shell()


def run(command):
    shell.line(f"{KVSCOPE_RUN} {command}")


# ---- Ctrl-C

run(script("""
    import signal, sys, time
    n = 0
    def count(*_):
        global n
        n += 1
    signal.signal(signal.SIGINT, count)
    print("ready", flush=True)
    while not n:
        time.sleep(0.02)
    time.sleep(0.5)  # for a second one that should not come
    sys.exit(40 + n)
"""))
shell.expect("ready")
shell.send("\x03")
t.equal(shell.status(), 41, "Ctrl-C reaches a command that catches it, once")

run("sh -c 'echo ready; exec sleep 60'")
shell.expect("ready")
shell.send("\x03")
t.equal(shell.status(), 130, "Ctrl-C ends a command that does not, and kvscope with it")

shell.line(f"for i in 1 2 3; do {KVSCOPE_RUN} sh -c 'echo ready; exec sleep 60'; echo again; done")
shell.expect("ready")
shell.send("\x03")
t.ok(shell.status() == 130 and "again" not in shell.seen, "the shell's loop ends too: kvscope died by SIGINT", shell.seen)

run("sh -c 'echo ready; ulimit -c 0; exec sleep 60'")
shell.expect("ready")
shell.send("\x1c")
t.equal(shell.status(), 131, "Ctrl-\\ ends it by SIGQUIT")

# ---- Ctrl-Z, fg, bg

run("sh -c 'echo ready; while read x; do echo got $x; [ $x != end ] || exit 7; done'")
shell.expect("ready")
for word in "one", "two":
    shell.send("\x1a")
    t.ok(shell.expect(r"Stopped") and shell.status() == 148, f"Ctrl-Z gives the prompt back ({word})", shell.seen)
    shell.line("fg")
    shell.send(word + "\n")
    t.ok(shell.expect(f"got {word}"), f"after fg the command has the terminal again ({word})", shell.seen)
shell.send("end\n")
t.equal(shell.status(), 7, "and its exit status comes through")

run(script("""
    import os, signal, sys, time
    print("ready", flush=True)
    os.kill(0, signal.SIGTSTP)  # as vim does
    print("back", flush=True)
    time.sleep(0.5)  # for a second stop that should not come
    sys.exit(8)
"""))
t.ok(shell.expect("ready") and shell.expect("Stopped") and shell.status() == 148, "a command that suspends its group",
     shell.seen)
shell.line("fg")
t.ok(shell.expect("back") and shell.status() == 8, "is continued by one fg", shell.seen)

run("sh -c 'echo ready; kill -STOP $$; echo back; exit 9'")
t.ok(shell.expect("ready") and shell.expect("Stopped") and shell.status() is not None, "a command that stops itself alone",
     shell.seen)
shell.line("fg")
t.ok(shell.expect("back") and shell.status() == 9, "is continued as well", shell.seen)

run("sh -c 'echo ready; exec sleep 60'")
shell.expect("ready")
shell.send("\x1a")
shell.expect("Stopped")
shell.status()
shell.line("bg")
shell.status()
shell.line("jobs")
t.ok(shell.expect("Running"), "bg lets it run on", shell.seen)
shell.status()
shell.line("kill %1; wait %1")
t.equal(shell.status(), 143, "kill of the job ends it by SIGTERM")

shell.line(f"{KVSCOPE_RUN} cat &")
shell.status()
shell.line("")
shell.line("sleep 0.5; jobs")
t.ok(shell.expect(r"Stopped"), "reading from the background stops the job", shell.seen)
shell.status()
shell.line("fg")
shell.expect("-- cat\r\n")
shell.send("hello\n")
t.ok(shell.expect("hello\r\nhello\r\n"), "and fg gives it the terminal", shell.seen)
shell.send("\x04")
t.equal(shell.status(), 0, "until its end of file")

# ---- modes

shell.line("stty -a")
direct = shell.expect(r"speed[\s\S]*?<0>[$#] ")[0]
run("stty -a")
t.equal(shell.expect(r"speed[\s\S]*?<0>[$#] ")[0], direct, "the command sees the terminal's modes as they are")
before = shell.modes()
run(script("""
    import os, sys, termios, tty
    old = termios.tcgetattr(0)
    tty.setraw(0)
    os.write(1, b"raw")
    keys = b""
    while len(keys) < 3:
        keys += os.read(0, 3)
    termios.tcsetattr(0, termios.TCSANOW, old)
    print(list(keys))
    sys.exit(10)
"""))
shell.expect("raw")
shell.send("\x03\x1a\x1c")
t.ok(shell.expect(re.escape("[3, 26, 28]")) and shell.status() == 10, "in raw mode the keys are the command's", shell.seen)
t.equal(shell.modes(), before, "the modes afterwards are those of before")
run("sh -c 'stty -echo; exit 11'")
t.equal(shell.status(), 11, "a command that leaves the echo off")
shell.send("stty -a\n")
t.ok(shell.expect(r" -echo ") and shell.status() == 0, "has done so: kvscope repairs nothing", shell.seen)
shell.send("stty sane\n")
shell.status()
shell.line("")
shell.status()

run(script("""
    import signal, sys, os
    signal.signal(signal.SIGWINCH, lambda *_: sys.exit(os.get_terminal_size().columns))
    print("ready", flush=True)
    while True:
        signal.pause()
"""))
shell.expect("ready")
shell.resize(30, 99)
t.equal(shell.status(), 99, "a change of the window's size reaches the command")
shell.end()

# ---- hang-up, and kvscope as the leader of the session (xterm -e kvscope run ...)

for name, leader in ("from a shell", False), ("as session leader", True):
    out = t.path("hangups")
    client = script(f"""
        import signal, sys, time
        n = 0
        def count(*_):
            global n
            n += 1
        signal.signal(signal.SIGHUP, count)
        print("ready", flush=True)
        while not n:
            time.sleep(0.02)
        time.sleep(0.3)
        open({str(out)!r}, "w").write(str(n))
    """)
    if leader:
        terminal = Terminal(f"{KVSCOPE_RUN} {client}".split())
    else:
        terminal = Shell()
        terminal.line(f"{KVSCOPE_RUN} {client}")
    terminal.expect("ready\r\n")
    terminal.hang_up()
    t.ok(lib.wait_for(lambda: out.exists() and out.read_text(encoding="utf-8")), f"a hang-up reaches the command ({name})")
    terminal.end()
# What was killed with the terminal has left its ring.
for orphan in json.loads(t.command([lib.KVSCOPE, "collect", "--json"]).out):
    if str(t.scratch) in str(orphan["command"]):
        t.command([lib.KVSCOPE, "collect", "--now", orphan["ring"]])
t.done()
