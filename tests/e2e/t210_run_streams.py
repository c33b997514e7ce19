#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Standard streams, descriptors and environment are the command's own."""
import hashlib
import os
import random
import subprocess

import lib

t = lib.Test()

data = random.Random(1).randbytes(3_000_000)
process = subprocess.run([lib.KVSCOPE, "run", "-q", "-o", t.path("trace"), "--", "cat"], input=data, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
t.ok(process.returncode == 0 and process.stdout == data and process.stderr == b"",
     "three megabytes of anything pass from stdin to stdout", process.stderr)

process = subprocess.run([lib.KVSCOPE, "run", "-q", "-o", t.path("trace"), "--", "sh", "-c", "sha256sum; cat /dev/null"],
                         input=data, check=False, stdout=subprocess.PIPE)
t.equal(process.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest(), "stdin reaches a grandchild")

process = subprocess.run(["sh", "-c", 'exec "$0" run -q -o "$1" -- sh -c "ls -l /proc/\\$\\$/fd | wc -l" <&- >"$2" 2>&-',
                          lib.KVSCOPE, t.path("trace"), t.path("out")], check=False)
t.equal(process.returncode, 0, "closed standard streams stay no obstacle")


def direct_and_wrapped(name, argv, env=None, expected=None):
    direct = t.command(argv, env=env)
    run = t.run(argv, ["-q"], env=env)
    t.ok((run.status, run.out, run.err) == (direct.status, direct.out, direct.err) and (not expected or expected in run.out),
         name, f"direct  {direct.status} {direct.out} {direct.err}\nwrapped {run.status} {run.out} {run.err}")


direct_and_wrapped("no more descriptors than without", ["sh", "-c", "ls /proc/$$/fd"])
direct_and_wrapped("limits", ["sh", "-c", "ulimit -a; umask; pwd"])
direct_and_wrapped("signal mask and dispositions", ["grep", "^Sig[BIC]", "/proc/self/status"])
direct_and_wrapped("arguments", ["printf", "[%s]", "", " ", "a b", "--", "*", "\\", "$HOME"], expected="[][ ][a b][--][*]")
direct_and_wrapped("the environment, but for our own variables",
                   ["sh", "-c", "env | grep -v -e ^KVSCOPE_ -e ^LD_PRELOAD= | sort"], env={**os.environ, "ODD": "a\nb"})

run = t.run(["sh", "-c", "cut -d' ' -f5 /proc/$$/stat /proc/$PPID/stat"], ["-q"])
own, parents = run.out.split()
t.equal(own, parents, "the command is in the process group of kvscope, and so of the job")

with open("/dev/full", "w", encoding="utf-8") as full:
    process = subprocess.run([lib.KVSCOPE, "run", "-o", t.path("trace"), "--", "sh", "-c", "echo x; exit 4"], check=False,
                             stdout=full, stderr=subprocess.PIPE)
t.equal(process.returncode, 4, "a full stdout is the command's business")

reader, writer = os.pipe()
process = subprocess.Popen([lib.KVSCOPE, "run", "-o", t.path("trace"), "--", "sh", "-c", "exit 3"], stderr=writer)
os.close(writer)
os.close(reader)
t.equal(process.wait(20), 3, "nobody reads stderr: the summary is lost, not the exit status")
t.done()
