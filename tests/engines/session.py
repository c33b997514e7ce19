#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures the session that tests/engines/measure.py replays: session.py OUT.jsonl

The real Claude Code, in a network namespace of its own with nothing but the mock in it, with one tool and a system prompt of one
sentence, so that a small model on a CPU can be asked with it. It prints what was captured. Where the client or a namespace cannot
be had, OUT is not written, and the first line printed says why.
"""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import claude  # noqa: E402
import lib  # noqa: E402

VERSION = "2.1.330"
MODEL = "claude-opus-4-8"

out = pathlib.Path(sys.argv[1]).resolve()
command = claude.isolated(VERSION)
t = lib.Test()
home, work = claude.project(t)
with t.mock(*lib.FAST, "--script", str(claude.SCRIPT)) as mock:
    prefix, client = claude.arguments(mock.url, MODEL, home, command)
    run = t.run([*client, "--tools", "Bash", "--system-prompt", "You are a careful programmer."], prefix=prefix, cwd=work)
    requests = len(mock.bodies())
if run.status != 0 or requests < 4:
    sys.exit(f"the client ended with status {run.status} after {requests} requests\n{run.err}")
shutil.copyfile(run.trace, out)
print(f"Claude Code {VERSION}, {MODEL}: {requests} requests of a loop of tools")
