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
    # After an interrupted question some versions send it again with what comes next.
    "rules": [{"when": {"user": "errand"}, "answer": [{"text": "There is a README."}]},
              {"when": {"user": "After that", "tools": True}, "answer": [{"text": "So it is."}]},
              {"when": {"user": "summary"}, "answer": [{"text": "<summary>There is a README.</summary>"}]},
              {"when": {"user": "slowly", "tools": True}, "answer": [{"text": "Well-begun"}, {"stall_ms": 60000}, {"text": " and never done."}]}],
    "turns": [[{"text": "I look."}, {"tool_use": {"name": "Bash", "input": {"command": "ls"}}}], [{"text": "A README."}],
              [{"text": "Two look."}, agent(1), agent(2)], [{"text": "They say the same."}],
              *[[{"text": "Yes."}]] * 4]}))

with Interactive(t, command, ENGINE, script=script,
                 options=("--engine", "llama.cpp", "--prefill-rate", "20000", "--decode-rate", "500")) as s:
    follower_says = t.path("follow.txt")
    with open(follower_says, "wb") as out:
        follower = subprocess.Popen([lib.KVSCOPE, "report", "--follow", s.trace], stdout=out, stderr=out,
                                    env={**os.environ, "NO_COLOR": "1"}, start_new_session=True)
    t.processes.append(follower)

    s.ask("Please look around here.", "turns[1]")
    s.shell.resize(30, 90)
    s.quiet()
    s.ask("Have others look.", "turns[3]")

    s.shell.seen = ""
    s.shell.send("\x1a")
    t.ok(s.shell.expect("Stopped") and s.shell.status(), "Ctrl-Z gives the shell back", s.text())
    t.equal(s.shell.modes(), s.modes, "with its modes")
    s.shell.line("fg")
    s.quiet()
    s.submit("Now go on.")
    s.quiet(1)

    s.submit("Now slowly, please.")
    s.quiet(2, 3)
    for _ in range(3):
        s.shell.send("\x1b")
        if s.until(lambda: any(x["response"]["error"] for x in s.exchanges()), 4):
            break
    t.ok(any(x["response"]["error"] for x in s.exchanges()), "and Esc ends it", s.text()[-2000:])

    s.shell.send("\x15")  # some versions put the interrupted question back into the line
    s.quiet(0.5, 1)
    n = s.answers("rules[2]")
    s.slash("/compact")
    t.ok(s.until(lambda: s.answers("rules[2]") > n), "/compact asks for a summary")
    s.quiet(1.5)
    s.ask("After that.", "rules[1]")
    s.slash("/clear")
    s.ask("A new task.", "turns[1]")
    status, said = s.leave()
    t.equal(status, 0, "/exit: the client's exit status")
    t.equal(s.shell.modes(), s.modes, "and the terminal's modes are those of before")

    exchanges = s.exchanges()
    print("".join(f"# {line}\n" for line in said.splitlines()), end="")
    t.ok(f"kvscope: {len(exchanges)} requests" in said, "kvscope run ends with what it saw", said)

    # ---- why
    misses, refuted = s.judge()
    refuted = [r for r in refuted if r[3] - r[2] > 64]  # of a title's prompt a few tokens are much
    for m in misses:
        print(f"#   {m['exchange']}: {m['cause']} {m['behind'] or ''} at {m['path']}, {m['lost_tokens']} of {m['prompt_tokens']} tokens")
    t.ok(not refuted, "where a miss is said, the backend reused no more than that", refuted)
    t.ok("compaction" in causes(misses), "/compact is known", causes(misses))
    # 1.0.128 puts another reminder in front of the summary.
    due = {"compaction", "billing_header"} | ({"reminder_migrated", "reminder_changed"} if version < [2, 0, 0] else set())
    t.ok(causes(misses) <= due, "and nothing is said but that, and the billing block", causes(misses))
    worst = [m["cause"] for m in misses if not m["expected"]]
    t.equal("billing_header" in said, bool(worst), "the summary names the cause, if there is one")

    # ---- report
    report = json.loads(t.command([lib.KVSCOPE, "report", "--json", s.trace]).out)
    of = {x["id"]: x for x in report["exchanges"]}
    main = [x for x in report["exchanges"] if x["role"] == "main"]
    sessions = list(dict.fromkeys(x["session"] for x in main))
    t.equal(len(sessions), 2, "/clear begins another session")
    asked = [x for before, x in zip(main, main[1:]) if before["stop_reason"] == "end_turn" or before["error"]]
    t.ok(len(asked) >= 5 and all(x["cost"]["idle"] is not None for x in asked),
         "before each question a person was waited for, after Esc and /clear too", [(x["id"], x["cost"]["idle"]) for x in main])
    cut = [x for x in report["exchanges"] if x["error"]]
    t.ok(len(cut) == 1 and cut[0]["seconds"]["total"] > 1,
         "the answer that was interrupted lasted until then", cut)
    seconds = report["seconds"]
    print(f"#   {({k: round(v, 2) for k, v in seconds.items()})}")
    t.ok(seconds["unknown"] < 0.5 * seconds["wall"], "of most of the time it is known what it was", seconds)

    # ---- report --follow
    t.ok(lib.wait_for(lambda: follower.poll() is not None, 30) and follower.returncode == 0, "report --follow ends with the run")
    told = re.findall(r"^#(\d+) +(\w+) +\w+ +~?([\d.]+k?) prompt", follower_says.read_text(), re.M)
    t.equal(sorted(int(n) for n, *_ in told), sorted(of), "and has told of each request once")
    names = {}
    for n, name, _ in told:
        names.setdefault(of[int(n)]["lineage"], set()).add(name)
    t.ok(all(len(v) == 1 for v in names.values()) and len({*map(min, names.values())}) == len(names),
         "each conversation has one name, and no two the same", names)
t.done()
