#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on healthy sessions of the real Claude Code: a loop of tools, sub-agents in parallel, /compact, thoughts of no
words; three models, and the mock as llama.cpp, vLLM, Anthropic's API, and as a cache that MLX-LM's rules are asked about.

The oracle are the mock's own counts: an unexpected miss may be said only where it reused less of a request than it had of
the one before. KVSCOPE_CLAUDE names another version, of which all is run (make claude-versions).
"""
import json
import os

import claude
import claude_why
import lib

VERSION = os.environ.get("KVSCOPE_CLAUDE", "2.1.330")
ALL = "KVSCOPE_CLAUDE" in os.environ
command = claude.isolated(VERSION)
t = lib.Test()
SLACK = 64  # blocks, and the beginning of the answer
TASK = "Task" if [int(n) for n in VERSION.split(".")] < [2, 1, 63] else "Agent"
# What the mock is started as, and what is asked about. The mock's vLLM hoists system turns.
ENGINES = {
    "llama.cpp": (["--engine", "llama.cpp", "--parallel", "8"], "llama.cpp+plain"),
    "vllm": (["--engine", "vllm", "--flag", "enable-prompt-tokens-details", "--parallel", "8"], "vllm+qwen3"),
    "anthropic": (["--engine", "anthropic", "--parallel", "8"], "anthropic"),
    "mlx-lm": (["--block", "1", "--parallel", "8"], "mlx-lm+plain"),
}


def agent(n):
    return {"tool_use": {"name": TASK, "input": {"description": f"Look {n}", "subagent_type": "general-purpose",
                                                 "prompt": f"You are errand {n}. Look around and say what is there."}}}


look = {"tool_use": {"name": "Bash", "input": {"command": "ls"}}}
script = t.path("script.json")
script.write_text(json.dumps({
    "rules": [{"when": {"user": "errand"}, "answer": [{"text": "There is a README."}]},
              {"when": {"user": "summary"}, "answer": [{"text": "<summary>There is a README.</summary>"}]}],
    "turns": [[{"text": "I look."}, look], [{"thinking": "\n\n"}, look], [{"text": "A README."}],
              [{"text": "Two shall look."}, agent(1), agent(2)], [{"text": "They say the same."}],
              [{"text": "Once more."}, look], [{"text": "Still there."}]]}))

alarms, requests, misses_said, lost = [], 0, 0, 0
for model in claude.MODELS:
    for name, (options, engine) in list(ENGINES.items()) if ALL else [("llama.cpp", ENGINES["llama.cpp"])]:
        s = claude_why.Session(t, command, engine, model=model, script=script, options=options)
        run = s.talk("Please look around here.", "Have others look.", "And you again.", "/compact", "After that.")
        s.mock.stop()
        log = {}
        for entry in s.mock.bodies():
            log.setdefault(entry["sha256"], entry)
        of = {x["id"]: log[x["request"]["sha256"]] for x in run.exchanges() if x["request"]["sha256"] in log}
        requests += len(of)
        said = s.why()
        bad = []
        for m in said:
            now, before = of[m["exchange"]], of.get(m["parent"])
            whole = before and now["cached_tokens"] >= before["prompt_tokens"] - SLACK
            if not m["expected"]:
                misses_said += 1
                lost += not whole
                print(f"#   {model}, {name}: {m['cause']} {m['behind'] or ''} at {m['path']}, {m['lost_tokens']} tokens;",
                      f"the mock had {now['cached_tokens']} of {now['prompt_tokens']}, before {before and before['prompt_tokens']}")
            if not m["expected"] and whole:
                bad.append((m["exchange"], m["cause"], m["behind"]))
        alarms += bad
        t.ok(run.status == 0 and len(of) >= 8 and not bad, f"{model}, {name}: {len(of)} requests, no false alarm", bad or run.err)
print(f"# Claude Code {VERSION}: {requests} requests, {misses_said} unexpected misses said, {lost} of them in the mock's counts")
t.done()
