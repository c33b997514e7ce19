#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts of examples/ run, and print what their folders promise: a session, wrapped, and its report."""
import os
import platform
import shutil
import subprocess

import lib

t = lib.Test()
ENV = {**os.environ, "B": str(lib.BUILD), "XDG_STATE_HOME": str(t.path("state")), "NO_COLOR": "1"}
os.mkdir(ENV["XDG_STATE_HOME"])


def example(name, requests, needs, env=None, says=""):
    missing = [tool for tool in needs if not shutil.which(tool)]
    if missing:
        t.skip(name, f"there is no {missing[0]}")
        return
    run = t.command([lib.ROOT / "examples" / name / "run.sh"], env={**ENV, **(env or {})}, cwd=t.scratch)
    t.ok(run.status == 0 and f"{requests} requests, " in run.err and f"{requests} requests sent" in run.out and says in run.out,
         f"examples/{name}: {requests} requests and their report", f"{run.status}\n{run.out}\n{run.err}")


example("curl", 4, ["jq", "curl"])
example("python", 4, ["python3"])
example("node", 4, ["node"])
# The engines, imitated by the mock: what they report of their cache differs, what the figures come to does not.
for engine in ("llama.cpp", "vllm", "mlx-lm", "sglang", "lmstudio", "ollama", "openai", "anthropic"):
    # OpenAI and Anthropic cache prompts of 1024 tokens and more.
    example(engine, 3, ["jq", "curl"], {"SYSTEM_TOKENS": "2000" if engine in ("openai", "anthropic") else "300"}, "queries, on")

# A client in the place where npm puts the real one, beside the one for musl that some versions of npm bring along.
flags = "-n" if os.getuid() == 0 else "-rn"
if subprocess.run(["unshare", flags, "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL, check=False).returncode:
    t.skip("claude-code", "no network namespace can be made here")
else:
    cache = t.path("cache")
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    body = '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
    for kind, text in (("", f"for n in 1 2; do curl -s -d '{body}' $ANTHROPIC_BASE_URL/v1/messages; done"), ("-musl", "exit 66")):
        package = cache / f"kvscope/claude-2.1.330/node_modules/@anthropic-ai/claude-code-linux-{machine}{kind}"
        package.mkdir(parents=True)
        (package / "claude").write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (package / "claude").chmod(0o755)
    example("claude-code", 2, ["git", "ip"], {"XDG_CACHE_HOME": str(cache)})
t.done()
