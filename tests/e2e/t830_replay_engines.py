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
trace = t.capture([("s1", None, body) for body in bodies]).trace

TOKENIZERS = {"llama.cpp", "vllm", "sglang", "anthropic"}
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
    t.ok(backend["version"] or engine in ("lmstudio", "anthropic", "openai"), f"{what}: version {backend['version']}")
    t.equal(backend["tokenizer"], "yes" if engine.split("@")[0] in TOKENIZERS else "no", f"{what}: whether it has a tokenizer")
    verdicts = {a: r["arms"][a]["verification"]["verdict"] for a in ("off", "asis")}
    t.equal(set(verdicts.values()), {verdict}, f"{what}: arms {verdict}")
    t.ok(backend["layout_known"] or engine in ("openai", "lmstudio", "ollama") or verdict != "verified",
         f"{what}: how prompts are laid out is known", backend)
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


def replay(mock, *options, status=0):
    run = t.command([lib.KVSCOPE, "replay", "--json", "--prefill-only", "-b", mock.url, *options, trace], env=ENV)
    if not t.ok(run.status == status and run.out.startswith("{"), f"{' '.join(options)}: status {status}", run.err):
        print("#", run.out[:300])
    return json.loads(run.out) if run.out.startswith("{") else None


# ---- where nothing is told, times say whether a warm arm reused anything: off takes some 0.3 s a request here. A busy machine
# delays one request by more than that now and then, so the counts must be those of the times measured, and one run of three
# must be undisturbed.


def by_the_times(r):
    """(reused, prefilled) of the requests after the first, by the rule in docs/replay.md."""
    pairs = [[q["arms"][arm]["samples"][0]["ttft_seconds"] for arm in ("asis", "off")] for q in r["requests"][1:]]
    told = [warm < 0.7 * cold for warm, cold in pairs if cold > 0.1]
    return told.count(True), told.count(False)


for flags, words, count in (((), "3 of 3", (3, 0)), (("--no-cache",), "0 of 3", (0, 3))):
    with t.mock("--engine", "lmstudio", "--prefill-rate", "8000", "--decode-rate", "0", *flags) as mock:
        for attempt in range(3):
            r = replay(mock, "-n", "1", "--arms", "off,asis")
            if by_the_times(r) == count:
                break
    v = r["arms"]["asis"]["verification"]
    t.equal((v["by_time"]["reused"], v["by_time"]["prefilled"]), by_the_times(r), "by time, what took less than in off reused")
    t.ok(v["verdict"] == "not verified by the engine" and f"by time, {words} requests" in v["reason"],
         f"by time, {words} requests reused a prefix, as the reason says", v)
with t.mock(*lib.FAST, "--engine", "lmstudio") as mock:
    v = replay(mock, "-n", "1", "--arms", "asis")["arms"]["asis"]["verification"]
    t.ok("say nothing of reuse without arm off" in v["reason"] and not v["by_time"]["reused"], "without off they say nothing", v)

# ---- a model that is loaded anew before every run
for engine, paths in (("lmstudio", ["/api/v1/models/unload", "/api/v1/models/load"]), ("ollama", ["/api/generate"])):
    with t.mock(*lib.FAST, "--engine", engine) as mock:
        r = replay(mock, "-n", "2", "--arms", "off,asis", "--unload")
        log = [e for e in mock.log() if e["path"] in paths or e.get("api")]
        whose = {s["request_sha256"]: (arm, k) for q in r["requests"] for arm, a in q["arms"].items()
                 for k, s in enumerate(a["samples"])}
        resets = [i for i, e in enumerate(log) if e["path"] == paths[0]]
        t.equal([e["path"] for e in log if not e.get("api")], paths * 5, f"{engine}: unloaded once to try it, and before each run")
        runs = [{whose.get(e.get("sha256")) for e in log[a:b]} - {None} for a, b in zip(resets[1:], resets[2:] + [len(log)])]
        t.equal(runs, [{("off", 0)}, {("asis", 0)}, {("asis", 1)}, {("off", 1)}], f"{engine}: that is, before each run")
        between = [e.get("sha256") in whose for e in log[resets[1]:] if e.get("api")]
        t.equal(between.count(False), 4, f"{engine}: an unrelated prompt waits for the model")
        t.equal(r["backend"][0]["cold_by"], ["nonce", "unload"], f"{engine}: it is told")
with t.mock(*lib.FAST, "--engine", "vllm") as mock:
    run = t.command([lib.KVSCOPE, "replay", "-b", mock.url, "--unload", trace], env=ENV)
    t.ok(run.status == 2 and "--unload is for LM Studio and Ollama" in run.err, "others have no such thing", run.err)

# ---- a context that is too small: what is left of a prompt that was cut off is no sample
growing = sessions.Conversation(random.Random(1), "context")
growing.say("begin")
bodies = []
for _ in range(6):
    bodies.append(growing.request())
    growing.work()
captured = t.capture([("s1", None, body) for body in bodies])
session = captured.trace
sizes = [u["input_tokens"] + u["cache_read_input_tokens"] for u in (x["response"]["usage"] for x in captured.exchanges())]
for context, whole in ((sizes[0] - 100, 0), (sizes[3] - 50, 3), (sizes[5] * 2, 6)):
    with t.mock(*lib.FAST, "--engine", "ollama", "--flag", f"OLLAMA_CONTEXT_LENGTH={context}") as mock:
        run = t.command([lib.KVSCOPE, "replay", "--json", "--prefill-only", "-b", mock.url, "-n", "1", "--arms", "off,asis", session], env=ENV)
    r = json.loads(run.out)
    got = [[s["error"] for s in q["arms"]["off"]["samples"]] for q in r["requests"]]
    t.ok(got[:whole] == [[None]] * whole and all("the server cut the prompt off to" in str(e) for e in got[whole:]) and
         (run.status == 2) == (whole == 0), f"a context that holds {whole} of 6 requests: the others are errors", (run.status, got))

# ---- a template that nothing is known of: what it does is tried
for head, order in (("tools", "tools first"), ("system", "system first")):
    with t.mock("--prefill-rate", "4000", "--decode-rate", "0", "--head", head) as mock:
        r = replay(mock, "-n", "1", "--arms", "off,asis", "--limit", "3")
    backend = r["backend"][0]
    t.ok(backend["head_order"] == order and backend["cut_back"] == "yes" and backend["layout_known"],
         f"a template with {order}: found out", backend)
    told = [(s["cached"], s["expected_cached"]) for q in r["requests"] for s in q["arms"]["asis"]["samples"]]
    t.ok(all(abs(c - e) <= 160 for c, e in told), f"{order}: as expected", told)
    t.ok(all(s["modelled_seconds"] is not None for q in r["requests"] for s in q["arms"]["asis"]["samples"]),
         "seconds are predicted for requests that reuse, too")

# ---- ... or cannot be, where short prompts are not kept: then nothing is blamed on the cache. Here the system prompt
# changes, and what is behind it would be found if it came last.
talk = sessions.Conversation(random.Random(12), "layout")
talk.say("begin")
for tool in talk.tools:
    tool["description"] += sessions.prose(random.Random(13), 300)
bodies = []
for n in range(3):
    talk.rules = f"Turn {n}. " + talk.rules
    bodies.append(talk.request())
    talk.work()
trace = t.capture([("s1", None, body) for body in bodies]).trace
with t.mock(*lib.FAST, "--engine", "openai", "--head", "system") as mock:
    mock_options = ("--prefill-only", "-n", "1", "--arms", "off,asis", "-b", mock.url, trace)
    r = json.loads(t.command([lib.KVSCOPE, "replay", "--json", *mock_options], env=ENV).out)
    short = r["arms"]["asis"]["verification"]["short_of_expected"]
    t.ok(r["backend"][0]["layout_known"] is False and r["backend"][0]["cut_back"] == "unknown" and short["not_trimmable"] == 0,
         "what is not known is not explained", short)
    text = t.command([lib.KVSCOPE, "replay", *mock_options], env=ENV).out
    t.ok("tools and system turns is not known" in text and "cut back" not in text, "and said to be unknown", text)
t.done()
