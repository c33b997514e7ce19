#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope run, report --follow, report and why on the real Claude Code at a terminal: prompts, a tool, sub-agents, Ctrl-Z and
fg, another window size, Esc in the middle of an answer, /compact and /clear.

What is said must agree with the mock's counts, and the terminal must be as usable as without. KVSCOPE_CLAUDE names another
version (make claude-versions).
"""
import json
import os
import re
import subprocess

import claude
import lib
from claude_at_terminal import Interactive
from claude_why import causes

VERSION = os.environ.get("KVSCOPE_CLAUDE", "2.1.330")
command = claude.isolated(VERSION)
t = lib.Test()
version = [int(n) for n in VERSION.split(".")]
TASK = "Task" if version < [2, 1, 63] else "Agent"
ENGINE = "llama.cpp+plain"


def agent(n):
    return {"tool_use": {"name": TASK, "input": {"description": f"Look {n}", "subagent_type": "general-purpose",
                                                 "prompt": f"You are errand {n}. Look around and say what is there."}}}


script = t.path("script.json")
script.write_text(json.dumps({
    "rules": [{"when": {"user": "errand"}, "answer": [{"text": "There is a README."}]},
              {"when": {"user": "After that"}, "answer": [{"text": "Fifth-done."}]},
              {"when": {"user": "slowly"}, "answer": [{"text": "Well-begun"}, {"stall_ms": 60000}, {"text": " and never done."}]},
              {"when": {"user": "summary"}, "answer": [{"text": "<summary>There is a README.</summary>"}]}],
    "turns": [[{"text": "I look."}, {"tool_use": {"name": "Bash", "input": {"command": "ls"}}}], [{"text": "A README. First-done."}],
              [{"text": "Two look."}, agent(1), agent(2)], [{"text": "They say the same. Second-done."}],
              *[[{"text": "Yes. Third-done."}]] * 4]}))

with Interactive(t, command, ENGINE, script=script,
                 options=("--engine", "llama.cpp", "--prefill-rate", "20000", "--decode-rate", "500")) as s:
    follower_says = t.path("follow.txt")
    with open(follower_says, "wb") as out:
        follower = subprocess.Popen([lib.KVSCOPE, "report", "--follow", s.trace], stdout=out, stderr=out,
                                    env={**os.environ, "NO_COLOR": "1"})
    t.processes.append(follower)

    s.ask("Please look around here.", "First-done")
    s.shell.resize(30, 90)
    s.quiet()
    s.ask("Have others look.", "Second-done")

    s.shell.seen = ""
    s.shell.send("\x1a")
    t.ok(s.shell.expect("Stopped") and s.shell.status(), "Ctrl-Z gives the shell back", s.text())
    t.equal(s.shell.modes(), s.modes, "with its modes")
    s.shell.line("fg")
    s.quiet()
    s.ask("Now go on.", "Third-done")

    s.type("Now slowly, please.")
    t.ok(s.shell.expect("Well-begun", 60), "an answer begins", s.text())
    s.keys("\x1b")
    t.ok(re.search("Interrupted", s.text()), "and Esc ends it", s.text())

    n = len(s.mock.bodies())
    s.slash("/compact")
    t.ok(lib.wait_for(lambda: len(s.mock.bodies()) > n, 60), "/compact asks for a summary")
    s.quiet(1.5)
    s.ask("After that.", "Fifth-done")
    s.slash("/clear")
    s.ask("A new task.", "First-done")
    status, said = s.leave()
    t.equal(status, 0, "/exit: the client's exit status")
    t.equal(s.shell.modes(), s.modes, "and the terminal's modes are those of before")

    exchanges = [json.loads(line) for line in open(s.trace, encoding="utf-8") if '"type":"exchange"' in line]
    print("".join(f"# {line}\n" for line in said.splitlines() if line.startswith("kvscope:")), end="")
    t.ok(f"kvscope: {len(exchanges)} requests" in said, "kvscope run ends with what it saw", said)

    # ---- why
    misses, refuted = s.judge()
    for m in misses:
        print(f"#   {m['exchange']}: {m['cause']} {m['behind'] or ''} at {m['path']}, {m['lost_tokens']} of {m['prompt_tokens']} tokens")
    t.ok(not refuted, "where a miss is said, the backend reused no more than that", refuted)

    # ---- report
    report = json.loads(t.command([lib.KVSCOPE, "report", "--json", s.trace]).out)
    print("#  ", report["seconds"])
    print(follower_says.read_text())
    print(t.command([lib.KVSCOPE, "report", s.trace]).out[:3000])
t.done()
