#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on the real Claude Code: breakers that can be provoked, and sessions that must stay quiet.

--continue over four traces with CLAUDE.md edited and the git status changed, /compact and /clear, an MCP server with one
more tool, another day, parallel sub-agents. The mock keeps every prompt as it is sent and caches all; its count is the
oracle: an unexpected miss is said if and only if it had one. KVSCOPE_CLAUDE names another version (make claude-versions).
"""
import json
import os
import pathlib
import re
import sys

import claude
import claude_why
import lib
from claude_why import causes, git

VERSION = os.environ.get("KVSCOPE_CLAUDE", "2.1.112")
FAKETIME = pathlib.Path("/usr/lib") / f"{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"
command = claude.isolated(VERSION)
t = lib.Test()
ENGINE = "llama.cpp@b1+plain"
version = [int(n) for n in VERSION.split(".")]
seen = {}


class Session(claude_why.Session):
    def __init__(self, *arguments, **options):
        super().__init__(t, command, ENGINE, *arguments, **options)

    def judge(self, name):
        """The misses behind the first request of each conversation; where one is said, the backend reused no more."""
        misses, refuted = super().judge()
        t.ok(not refuted, f"{name}: where a miss is said, the backend reused no more than that", refuted)
        for m in misses:
            seen.setdefault(m["cause"], name)
            print(f"#   {name}: {m['cause']} {m['behind'] or ''} at {m['path']}, {m['lost_tokens']} tokens")
        return misses


# ---- four runs of one conversation
s = Session()
s.run("Please look around here.")
plain = s.run("--continue", "And once more, please.")
(s.work / "CLAUDE.md").write_text("# Rules\nUse spaces. Names are nouns.\n# Style\nShort sentences.\n")
s.run("--continue", "A third time.")
(s.work / "new.txt").write_text("new\n")
git(s.work, "add", ".")
s.run("--continue", "A fourth time.")
misses = s.judge("--continue")
t.ok(causes(misses) <= {"memory_changed", "git_status_changed", "billing_header", "reminder_migrated", "reminder_changed"},
     "--continue: nothing but what was done to it", causes(misses))
t.ok(not [m for m in misses if m["trace"] == str(plain.trace) and m["cause"] != "billing_header"],
     "--continue: continued without a change it is quiet", misses)

# ---- the same with the settings that are proposed, as the text says them
if "git_status_changed" in {m["cause"] for m in misses}:  # and not behind a billing block that comes first
    text = t.command([lib.KVSCOPE, "why", "--engine", ENGINE, *s.traces]).out
    proposed = re.findall(r"^  export (\w+)=(\S+)$", text, re.M)
    if "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS" in dict(proposed):
        s = Session()
        s.run("Please look around here.", settings=proposed)
        (s.work / "new.txt").write_text("new\n")
        git(s.work, "add", ".")
        s.run("--continue", "And again.", settings=proposed)
        misses = s.judge(f"with {dict(proposed)}")
        t.ok(not misses, f"with {dict(proposed)} the git status breaks nothing", misses)
    else:
        t.ok(version < [2, 1, 69], "a version that knows the setting against it is told of it", text)

# ---- an MCP server with one more tool than before
server = lib.CLIENTS / "mcp_server.py"


def servers(*tools):
    path = t.path("mcp.json")
    path.write_text(json.dumps({"mcpServers": {"extra": {"command": sys.executable, "args": [str(server), *tools]}}}))
    return ["--mcp-config", path, "--strict-mcp-config"]


s = Session()
s.run("Please look around here.", *servers("measure"))
s.run("--continue", "And again.", *servers("measure", "weigh"))
misses = s.judge("one more MCP tool")
grew = len({x["prompt"]["tools"] for trace in s.traces for x in map(json.loads, open(trace, encoding="utf-8"))
            if x["type"] == "exchange" and x["prompt"] and x["prompt"]["tools"] > 1}) > 1
grew = grew and s.continued()
t.equal("tools_grown" in causes(misses), grew, f"one more MCP tool: said, if it was sent (it was{'' if grew else ' not'})")

# ---- another day
if FAKETIME.exists():
    s = Session()
    s.run("Please look around here.")
    run = s.run("--continue", "And again.", settings=[("LD_PRELOAD", str(FAKETIME)), ("FAKETIME", "+1d"),
                                                     ("FAKETIME_DONT_FAKE_MONOTONIC", "1")])
    if run.status == 0:
        misses = s.judge("another day")
        t.ok(causes(misses) <= {"date_changed", "billing_header", "reminder_migrated", "reminder_changed"},
             "another day: nothing but the date", causes(misses))
    else:
        t.skip("another day", "this version does not run under libfaketime")
else:
    t.skip("another day", "there is no libfaketime")

# ---- another model in the middle
s = Session()
s.run("Please look around here.")
s.run("--continue", "And again.", model="claude-opus-4-5")
misses = s.judge("another model")
if s.continued():
    t.ok("model_switch" in causes(misses) and all(m["expected"] for m in misses if m["cause"] == "model_switch"),
         "another model: said, and expected", misses)
else:
    t.skip("another model", "this version begins another conversation with -p --continue")

# ---- /compact and /clear
base = json.loads(claude.SCRIPT.read_text())
script = t.path("script.json")
script.write_text(json.dumps({"rules": [{"when": {"user": "summary"}, "answer": [
    {"text": "<summary>We looked around: there is a README.</summary>"}]}], **base}))
s = Session(script=script)
s.talk("Please look around here.", "And again.", "/compact", "After that.", "/clear", "A new task.")
misses = s.judge("/compact")
t.ok(causes(misses) & {"compaction", "clear"}, "/compact: a conversation that began afresh is known", causes(misses))
# 1.0.128 puts another reminder in front of the summary once the conversation goes on.
others = {"reminder_migrated"} if version < [2, 0, 0] else set()
t.ok(causes(misses) <= {"compaction", "clear", "billing_header", "text_moved_before_results", *others},
     "/compact: nothing else is said", causes(misses))

# ---- agents in parallel: other heads, and no harm
agents = t.path("agents.json")
task = "Task" if version < [2, 1, 63] else "Agent"


def agent(n):
    return {"tool_use": {"name": task, "input": {"description": f"Look {n}", "subagent_type": "general-purpose",
                                                 "prompt": f"You are errand {n}. Look around and say what is there."}}}


agents.write_text(json.dumps({
    "rules": [{"when": {"user": "errand"}, "answer": [{"text": "There is a README."}]}],
    "turns": [[{"text": "Two shall look."}, agent(1), agent(2)], [{"text": "Now one more."}, agent(3)], [{"text": "Done."}]]}))
s = Session(script=agents, options=("--parallel", "4"))
run = s.run("Please have others look around here.")
heads = {x["prompt"]["system_fingerprint"] for x in run.exchanges() if x["prompt"] and x["prompt"]["tools"]}
misses = s.judge("agents")
t.ok(causes(misses) <= {"billing_header"}, f"agents: {len(heads)} kinds, quiet", misses)

# ---- the same with a cache that holds the conversation alone
if len(heads) > 1:
    room = max(entry["prompt_tokens"] for entry in s.mock.bodies()) + 500
    s = Session(script=agents, options=("--parallel", "4", "--cache-tokens", str(room)))
    s.run("Please have others look around here.")
    misses = s.judge("agents in a small cache")
    # Where the billing block changes with every request the rest is lost before anybody else comes.
    due = {"billing_header"} if [2, 1, 113] <= version < [2, 1, 181] else {"slot_evicted", "cache_too_small"}
    t.ok(due & causes(misses) and causes(misses) <= {*due, "billing_header"},
         "agents in a small cache: the conversation that waited for them was evicted", misses)
print(f"# Claude Code {VERSION}: {dict(sorted(seen.items()))}")
t.done()
