#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvscope run` ends as the command ended, and says no more than it should."""
import json
import os
import signal

import lib

t = lib.Test()


def sh(script):
    return ["sh", "-c", script]


for status in 0, 1, 2, 77, 126, 127, 255:
    run = t.run(sh(f"exit {status}"))
    t.equal(run.status, status, f"exit status {status}")

for name in "TERM", "KILL", "SEGV", "INT", "HUP", "PIPE", "ABRT":
    number = getattr(signal, "SIG" + name)
    run = t.run(sh(f"ulimit -c 0; kill -{name} $$"))
    t.equal(run.status, -number, f"killed by SIG{name} when the command is")
footer = run.lines("footer")
t.ok(len(footer) == 1 and footer[0]["signal"] == signal.SIGABRT, "the trace says which signal it was", footer)

plain = t.path("plain")
plain.write_text("no program", encoding="utf-8")
plain.chmod(0o644)
# A folder in PATH that may not be entered makes exec say "Permission denied" of any command that it does not find.
usual = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"}
for argv, status, words in (
    (["kvscope-no-such-command"], 127, "kvscope-no-such-command: command not found"),
    (["/no/such/file"], 127, "/no/such/file: command not found"),
    ([str(plain)], 126, "Permission denied"),
    (["/"], 126, "Permission denied"),
):
    run = t.run(argv, env=usual)
    t.ok(run.status == status and words in run.err and len(run.err.splitlines()) == 1 and not run.trace.exists(),
         f"{argv[0]}: {status}, one line, no trace", f"{run.status}\n{run.err}")

broken = t.path("script")
broken.write_text("#!/no/such/interpreter\n", encoding="utf-8")
broken.chmod(0o755)
run = t.run([broken])
t.ok(run.status == 127 and "/no/such/interpreter" in run.err, "a script without its interpreter: 127, and why", run.err)

shellless = t.path("script")
shellless.write_text("exit 9\n", encoding="utf-8")
shellless.chmod(0o755)
t.equal(t.run([shellless]).status, 9, "a script without #! runs by the shell, as execvp has it")

# ---- usage

for argv, words in (
    (["run"], "which command"),
    (["run", "--"], "which command"),
    (["run", "--content", "some", "--", "true"], "some"),
    (["run", "--ring-size", "x", "--", "true"], "ring-size"),
    (["run", "--ring-size", "0", "--", "true"], "ring-size"),
    (["run", "--ring-size", "9999G", "--", "true"], "ring-size"),
    (["run", "--keep", "-1", "--", "true"], "keep"),
    (["run", "--no-such-option", "--", "true"], "no-such-option"),
):
    run = t.command([lib.KVSCOPE, *argv])
    t.ok(run.status == 2 and words in run.err and not run.out, f"kvscope {' '.join(argv)}: usage, status 2", run.err)

ran = t.path("ran")
run = t.command([lib.KVSCOPE, "run", "-o", "/no/such/folder/trace", "--", "touch", ran])
t.ok(run.status == 2 and "/no/such/folder/trace" in run.err and not ran.exists(),
     "a trace that cannot be written where it was asked for: status 2, nothing was started", run.err)
diary = t.path("diary")
diary.write_text("Dear diary", encoding="utf-8")
run = t.command([lib.KVSCOPE, "run", "-o", diary, "--", "touch", ran])
t.ok(run.status == 2 and "no trace" in run.err and not ran.exists() and diary.read_text(encoding="utf-8") == "Dear diary",
     "a file that is no trace is not overwritten", run.err)
run = t.run(["true"])
again = t.command([lib.KVSCOPE, "run", "-q", "-o", run.trace, "--", "true"])
t.ok(again.status == 0 and len(run.lines("header")) == 1, "an old trace is overwritten", again.err)
t.equal(t.command([lib.KVSCOPE, "run", "-q", "sh", "-c", "exit 5"]).status, 5, "-- may be left out")
t.equal(t.command([lib.KVSCOPE, "run", "-q", "env", "-u", "HOME", "sh", "-c", "exit 6"]).status, 6,
        "options of the command are its own")

# ---- words

run = t.run(["sh", "-c", "echo out; echo err >&2"], ["--quiet"])
t.equal((run.out, run.err), ("out\n", "err\n"), "--quiet: nothing but the command's own output")
run = t.run(["sh", "-c", "echo out; echo err >&2"])
t.ok(run.out == "out\n" and run.err.startswith("err\n"), "nothing before the command, nothing on stdout", run.err)
t.ok("0 requests seen" in run.err and str(run.trace) in run.err and "kvscope report" in run.err,
     "a summary after it: that nothing was seen, where the trace is, what next", run.err)
home = t.path("home")
home.mkdir()
env = {k: v for k, v in os.environ.items() if k != "XDG_STATE_HOME"} | {"HOME": str(home)}
for _ in range(4):
    t.command([lib.KVSCOPE, "run", "--keep", "2", "--", "true"], env=env)
traces = list((home / ".local/state/kvscope").glob("*.jsonl"))
t.equal(len(traces), 2, "the default place keeps as many traces as --keep says")
t.ok(all(trace.stat().st_mode & 0o777 == 0o600 for trace in traces), "readable by the user alone")

# ---- what must not be left behind

orphans = json.loads(t.command([lib.KVSCOPE, "collect", "--json"]).out)
t.equal([orphan for orphan in orphans if orphan["trace"].startswith(str(t.scratch))], [], "no ring is left")
t.done()
