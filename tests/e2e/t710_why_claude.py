#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on the real Claude Code 2.1.330, whose prompts differ by model, against a backend that hoists system turns:
the culprit is named where there is one, and with the settings that are proposed the cache holds."""
import json

import claude
import lib

command = claude.isolated("2.1.330")
t = lib.Test()


def session(model, settings=()):
    """Returns the verdict and what the backend had cached of each request but the first."""
    home, work = claude.project(t)
    with t.mock(*lib.FAST, "--script", str(claude.SCRIPT), "--system-turns", "hoist", "--head", "system") as mock:
        prefix, client = claude.arguments(mock.url, model, home, command, settings)
        run = t.run(client, prefix=prefix, cwd=work)
        log = mock.bodies()
    t.ok(run.status == 0 and len(log) >= 4, f"{model}: it plays a loop of tools ({len(log)} requests)", run.out + run.err)
    why = t.command([lib.KVSCOPE, "why", "--engine", "vllm+qwen3", "--json", run.trace])
    misses = [m for m in json.loads(why.out)["misses"] if not m["expected"]]
    held = [e["cached_tokens"] > before["prompt_tokens"] - 64 for before, e in zip(log, log[1:])]
    return misses, held


misses, held = session("claude-sonnet-4-5")
t.ok(not misses and all(held), "claude-sonnet-4-5: no system turns, no miss, and the cache held", (misses, held))

misses, held = session("claude-opus-4-8")
t.ok(len(misses) == held.count(False) > 0, "claude-opus-4-8: as many misses as the backend had", (misses, held))
t.equal({m["cause"] for m in misses}, {"system_turn_hoisted"}, "claude-opus-4-8: the hoist is the cause")
t.ok(all("total_tokens_reminder" in m["behind"] for m in misses), "claude-opus-4-8: a countdown is behind it",
     [m["behind"] for m in misses])
t.ok(all("<total_tokens>" in m["new"] for m in misses), "claude-opus-4-8: the excerpt shows it", [m["new"] for m in misses])
proposed = {tuple(m["fix"]["env"].split("=", 1)) for m in misses if m["fix"]["env"]}

misses, held = session("claude-opus-4-8", proposed)
t.ok(not misses and all(held), f"claude-opus-4-8: with {dict(proposed)} the cache holds", (misses, held))
misses, held = session("claude-opus-4-8", [("CLAUDE_CODE_TOTAL_TOKENS_REMINDER", "off")])
t.ok(not misses and all(held), "claude-opus-4-8: without the countdown alone it holds, too", (misses, held))

misses, held = session("qwen3-coder")
t.ok(len(misses) == held.count(False), f"qwen3-coder: {len(misses)} misses, as the backend had", (misses, held))
t.done()
