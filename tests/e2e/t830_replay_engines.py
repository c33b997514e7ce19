#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope replay against the wire profile of each engine: recognised, its cold arm made as it can be, proved by what it tells."""
import json
import os
import random

import lib
import sessions

t = lib.Test()
ENV = os.environ | {"XDG_STATE_HOME": str(t.scratch / "state")}

c = sessions.Conversation(random.Random(11), "engines")
c.billing = "x-anthropic-billing-header: cc_version=2.1.330.57a; cc_entrypoint=cli;"
c.say("begin")
bodies = []
for _ in range(4):
    bodies.append(c.request())
    c.work()
script = t.path("requests.json")
script.write_text(json.dumps([("s1", None, body) for body in bodies]))
with t.mock(*lib.FAST) as mock:
    trace = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script]).trace

# engine, flags, options; what it must be called, how cold, converted, verdict of both arms, reuse expected in asis
CASES = (
    ("llama.cpp", ("slot-save-path=/tmp", "cache-ram=0"), (), "llama.cpp@b11434", ["nonce", "reset"], False, "verified"),
    ("llama.cpp", (), (), "llama.cpp@b11434", ["nonce"], False, "verified"),
    ("vllm", ("enable-prompt-tokens-details",), (), "vllm@0.32", ["salt"], False, "verified"),
    ("vllm", (), (), "vllm@0.32", ["nonce"], False, "not verified by the engine"),
    ("vllm@0.20.0", ("enable-prompt-tokens-details",), (), "vllm@0.20", None, False, "verified"),
    ("sglang", ("enable-cache-report",), (), "sglang@0.5.17", ["nonce", "reset"], False, "verified"),
    ("sglang", (), (), "sglang@0.5.17", ["nonce", "reset"], False, "not verified by the engine"),
    ("mlx-lm", (), (), "mlx-lm", ["nonce"], True, "verified"),
    ("lmstudio", (), (), "lmstudio", ["nonce"], False, "not verified by the engine"),
    ("ollama", (), (), "ollama@0.33", ["nonce"], False, "not verified by the engine"),
    ("anthropic", (), ("--engine", "anthropic"), "anthropic", ["nonce", "unmarked"], False, "verified"),
    ("openai", (), (), "openai", ["nonce"], True, "verified"),
)
for engine, flags, options, name, cold_by, converted, verdict in CASES:
    arguments = ["--engine", engine, *(x for flag in flags for x in ("--flag", flag))]
    with t.mock(*lib.FAST, *arguments) as mock:
        run = t.command([lib.KVSCOPE, "replay", "--json", "--prefill-only", "-n", "2", "-b", mock.url, *options, trace], env=ENV)
        log = {e["sha256"]: e for e in mock.bodies()}
    what = " ".join((engine, *flags))
    if not t.ok(run.status == 0 and run.out.startswith("{"), f"{what}: replayed", run.err):
        continue
    r = json.loads(run.out)
    backend = r["backend"][0]
    t.ok(backend["engine"].split("+")[0].startswith(name) and (cold_by is None or backend["cold_by"] == cold_by)
         and backend["converted"] == converted, f"{what}: recognised, {backend['cold_by']}", backend)
    verdicts = {a: r["arms"][a]["verification"]["verdict"] for a in ("off", "asis")}
    t.equal(set(verdicts.values()), {verdict}, f"{what}: arms {verdict}")
    samples = [(arm, s) for q in r["requests"] for arm, a in q["arms"].items() for s in a["samples"]]
    # Whatever the engine tells, the mock knows.
    cold = max(log[s["request_sha256"]]["cached_tokens"] / log[s["request_sha256"]]["prompt_tokens"] for a, s in samples if a == "off")
    warm = [log[s["request_sha256"]]["cached_tokens"] for a, s in samples if a == "asis"]
    t.ok(cold < 0.06 and sum(warm) > 0, f"{what}: off was cold, asis was not ({cold:.3f}, {sum(warm)})")
    if verdict == "verified":
        told = [(s["prompt"], s["cached"]) for _, s in samples]
        known = [(log[s["request_sha256"]]["prompt_tokens"], log[s["request_sha256"]]["cached_tokens"]) for _, s in samples]
        t.equal(told, known, f"{what}: what it told is what was")
    else:
        t.ok(all(s["cached"] is None for _, s in samples), f"{what}: what is not told is not 0")
t.done()
