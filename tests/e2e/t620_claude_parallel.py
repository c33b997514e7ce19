#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Claude Code with sub-agents: requests in parallel, on several connections, each captured once, byte for byte."""
import json

import claude
import lib

AGENTS = 3
command = claude.isolated("2.1.330")
t = lib.Test()
tasks = [{"tool_use": {"name": "Agent", "input": {"description": f"Look at part {n}", "prompt": f"Look at part {n} of this.",
                                                  "run_in_background": False}}} for n in range(AGENTS)]
look = [{"tool_use": {"name": "Bash", "input": {"command": "ls", "description": "List files"}}}]
script = t.path("script.json")
script.write_text(json.dumps({
    "rules": [
        {"when": {"user": "Look at part", "turn": 0}, "answer": look},
        {"when": {"user": "Look at part", "turn_min": 1}, "answer": [{"text": "There is a README."}]},
        {"when": {"tools": True, "turn": 0}, "answer": tasks},
        {"when": {"tools": True, "turn": 1}, "answer": look},
    ],
    "default": [{"text": "All parts were looked at."}]}), encoding="utf-8")
slow = ("--prefill-rate", "0", "--decode-rate", "20", "--parallel", "8", "--script", str(script))


def overlapping(exchanges):
    """How many of them were under way at once, at most."""
    edges = sorted((x["times_ns"][edge], step) for x in exchanges for edge, step in (("request_start", 1), ("end", -1)))
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


for model in claude.MODELS[:2]:
    home, work = claude.project(t)
    with t.mock(*slow) as mock:
        prefix, client = claude.arguments(mock.url, model, home, command)
        run = t.run([*client, "Agent"], prefix=prefix, cwd=work)
        t.ok(run.status == 0, f"{model}: it ends well", run.out + run.err)
        t.same_bodies(run, mock, model)
    t.valid_trace(run, model)
    exchanges = run.exchanges()
    t.ok(overlapping(exchanges) >= 2, f"{model}: up to {overlapping(exchanges)} of {len(exchanges)} requests at once", run.err)
    t.ok(len({x["connection"] for x in exchanges}) >= 2, f"{model}: on several connections")
    agents = {x["agent"] for x in exchanges if x["agent"]}
    t.equal((len(agents), len({x["session"] for x in exchanges})), (AGENTS, 1), f"{model}: {AGENTS} agents of one session")
    report = json.loads(t.command([lib.KVSCOPE, "report", "--json", run.trace]).out)
    roles = sorted(lineage["role"] for s in report["sessions"] for lineage in s["lineages"] if lineage["role"] != "side")
    t.equal(roles, ["main", *["subagent"] * AGENTS], f"{model}: the report tells them apart")
t.done()
