#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope bench against the mock: its figures from known rates by the mock's own counts, every engine's profile, trouble.

No wall-clock time is asserted: the mock cannot prefill faster than its rate, so the counts of its log bound each time from
below, and figures are recomputed from the times that the result itself lists.
"""
import json
import math
import random
import xml.etree.ElementTree

import lib
import sessions

t = lib.Test()
ENV = lib.os.environ | {"XDG_STATE_HOME": str(t.scratch / "state")}
SMALL = ("--system-tokens", "600", "--max-tokens", "4", "--repeat", "2")


def bench(url, *options, status=0):
    run = t.command([lib.KVSCOPE, "bench", "--json", "-b", url, *options], env=ENV)
    t.equal(run.status, status, f"bench {' '.join(map(str, options))}: status {status}")
    if run.status != status:
        print("#", (run.out + run.err).replace("\n", "\n# "))
    return json.loads(run.out) if run.out.startswith("{") else None


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def times(r, mode, requests, key="total_s"):
    return [x[key] for x in r["requests"] if x["mode"] in mode and x["request"] in requests]


RATE = 8000
with t.mock("--prefill-rate", str(RATE), "--decode-rate", "200") as mock:
    out = t.path("out")
    first = len(mock.bodies())
    r = bench(mock.url, *SMALL, "--out", out)
    log = [e for e in mock.bodies() if e["status"] == 200]
    t.equal((r["backend"]["engine"], r["backend"]["model"]), ("mock", "mock"), "the backend is recognised")
    rows = r["requests"]
    t.equal([(x["mode"], x["repeat"], x["request"]) for x in rows],
            [(m, n, q) for n, order in ((1, ("off", "on")), (2, ("on", "off"))) for m in order for q in (1, 2, 3, "baseline")],
            "two repeats, off on, on off, three requests and a baseline each")
    measured = {(e["prompt_tokens"], e["cached_tokens"]) for e in log}
    t.ok(all((x["prompt_tokens"], x["cached_tokens"]) in measured for x in rows), "tokens are those of the mock's log")
    t.ok(all(x["cached_tokens"] < 16 for x in rows if x["mode"] == "off" or x["request"] in (1, "baseline")),
         "nothing is reused when off, nor by a first request or a baseline", [x["cached_tokens"] for x in rows])
    warm = [x for x in rows if x["mode"] == "on" and x["request"] in (2, 3)]
    t.ok(all(x["cached_tokens"] > 500 for x in warm), "the system prompt is reused when on", warm)
    t.ok(all(x["ttft_s"] >= 0.98 * (x["prompt_tokens"] - x["cached_tokens"]) / RATE for x in rows),
         "no first token comes before the mock can have prefilled what was not cached", rows)
    lengths = {x["prompt_tokens"] for x in rows if x["mode"] == "off" and x["request"] == 1}
    t.equal(len(lengths | {x["prompt_tokens"] for x in rows if x["mode"] == "on" and x["request"] == 1}), 1,
            "prompts of both modes are equally long")
    s = r["sizes"][0]
    t.equal(s["verification"]["verdict"], "verified", "the engine's counts verify it")
    for name, key in (("whole", "total_s"), ("ttft", "ttft_s")):
        c = s[name]
        T, B = times(r, ["off"], [1, 2, 3], key), times(r, ["off", "on"], ["baseline"], key)
        W, R1 = times(r, ["on"], [2, 3], key), times(r, ["on"], [1], key)
        ratio = math.exp(mean(map(math.log, T)) - mean(map(math.log, B)))
        expected = {"overhead_s": mean(T) - mean(B), "ratio": ratio, "relative": ratio - 1, "share": 1 - 1 / ratio,
                    "gain": math.exp(mean(map(math.log, T)) - mean(map(math.log, W))),
                    "project": 10 * mean(T) / (mean(R1) + 9 * mean(W))}
        got = {k: c[k]["value"] for k in expected}
        t.ok(all(math.isclose(got[k], expected[k], rel_tol=1e-3, abs_tol=1e-4) for k in expected),
             f"{name}: every figure is its formula of the times", f"{got}\n{expected}")
        t.ok(all(c[k]["low"] <= c[k]["value"] <= c[k]["high"] for k in expected), f"{name}: ... within its interval", c)
    t.ok(s["whole"]["project_off_s"] > s["whole"]["project_on_s"], "10 queries take less with the cache")
    rates = r["rates"]
    t.ok(len(rates) == 4 and [x["prompt_tokens"] for x in rates] == sorted(x["prompt_tokens"] for x in rates) and
         all(0 < x["prefill_per_s"] <= RATE / 0.98 for x in rates), "rates over the prompt's length, none above the mock's", rates)
    files = sorted(p.name for p in out.iterdir())
    t.equal(files, ["chart.svg", "response_1.json", "response_2.json", "response_3.json", "response_baseline.json",
                    "results.json"], "--out: the files")
    t.equal(json.loads((out / "results.json").read_text()), r, "--out: results.json is what --json prints")
    answers = [json.loads((out / f"response_{n}.json").read_text()) for n in ("1", "2", "3", "baseline")]
    t.ok(all("message_start" in a["body"] and a["mode"] == "on" for a in answers), "--out: the answers as they came")
    svg = xml.etree.ElementTree.parse(out / "chart.svg").getroot()
    t.ok(svg.tag.endswith("svg") and len(list(svg.iter("{http://www.w3.org/2000/svg}rect"))) >= 20, "--out: the chart is XML with bars")

    # sizes of the query, a system prompt of one's own, and that of a trace
    r = bench(mock.url, *SMALL[2:], "--system-tokens", "300", "--query-tokens", "30,300", "-n", "1")
    a, b = (x["prompt_without"] for x in r["sizes"])
    t.ok(len(r["sizes"]) == 2 and b > a + 150, "--query-tokens with two sizes", (a, b))
    file = t.path("system.txt")
    file.write_text("You are the archive of a lighthouse. Ünïcode, too. " * 60)
    bench(mock.url, "--system", file, "-n", "1", "--max-tokens", "1")
    bodies = mock.bodies()
    t.ok(max(e["prompt_tokens"] for e in bodies[-8:]) > 500, "--system FILE is sent")
    c = sessions.Conversation(random.Random(3), "bench")
    c.say("begin")
    captured = t.capture([("s1", None, c.request())])
    trace, sent = captured.trace, captured.exchanges()[0]["response"]["usage"]["input_tokens"]
    r = bench(mock.url, "--from-trace", trace, "-n", "1", "--max-tokens", "1")
    t.ok(0.5 * sent < r["sizes"][0]["prompt_with"] < 1.5 * sent, "--from-trace sends the captured system prompt and tools",
         (sent, r["sizes"][0]["prompt_with"]))
    run = t.command([lib.KVSCOPE, "bench", "-b", mock.url, "-n", "1", "--system-tokens", "300"], env=ENV)
    t.ok(run.status == 0 and "(R1 - B) / B" in run.out and "70 to 90 %" in run.out and "10 queries, on" in run.out,
         "the text says each formula and what was expected", run.out + run.err)

# ---- what must be found out
with t.mock(*lib.FAST, "--no-cache") as mock:
    r = bench(mock.url, *SMALL, status=1)
    t.equal(r["sizes"][0]["verification"]["verdict"], "on reused nothing to speak of", "a cache that is off is found out")
    t.ok("did not hold" in r["sizes"][0]["verdict"], "... in words")
with t.mock("--prefill-rate", "8000", "--decode-rate", "0", "--no-report") as mock:
    r = bench(mock.url, *SMALL)
    t.equal(r["sizes"][0]["verification"]["verdict"], "not verified by the engine", "an engine that tells nothing: by time alone")

# ---- every engine, as it is recommended to be started
FLAGS = {"llama.cpp": ["slot-save-path=/tmp", "cache-ram=0"], "vllm": ["enable-prompt-tokens-details", "VLLM_SERVER_DEV_MODE=1"],
         "sglang": ["enable-cache-report"], "mlx-lm": [], "openai": []}
for engine, names in FLAGS.items():
    with t.mock("--engine", engine, "--prefill-rate", "20000", "--decode-rate", "0", "--model", "m",
                *[word for name in names for word in ("--flag", name)]) as mock:
        r = bench(mock.url, "--system-tokens", "1500", "--max-tokens", "1", "-n", "1")
        t.ok(r["backend"]["engine"].startswith(engine) and r["sizes"][0]["verification"]["verdict"] == "verified",
             f"{engine}: recognised and verified", json.dumps(r["sizes"][0]["verification"]))
        if engine == "mlx-lm":  # to the token: prompts that must not share anything do not share their first digits either
            t.ok(all(x["cached_tokens"] < 16 for x in r["requests"] if x["mode"] == "off"), "... nothing is shared when off",
                 [x["cached_tokens"] for x in r["requests"]])
for engine in ("lmstudio", "ollama"):
    with t.mock("--engine", engine, "--prefill-rate", "4000", "--decode-rate", "0", "--model", "m") as mock:
        r = bench(mock.url, "--system-tokens", "600", "--max-tokens", "1", "-n", "1")
        t.ok(r["backend"]["engine"].startswith(engine) and
             r["sizes"][0]["verification"]["verdict"] == "not verified by the engine", f"{engine}: recognised, by time alone",
             json.dumps(r["sizes"][0]["verification"]))

# ---- trouble
with t.mock(*lib.FAST) as mock:
    url = mock.url
script = t.path("failing.json")
script.write_text(json.dumps({"rules": [{"when": {"system": "workshop"}, "status": 500}]}))
with t.mock(*lib.FAST, "--script", str(script)) as mock:
    r = bench(mock.url, *SMALL, status=2)
    t.ok(r and r["sizes"][0]["failed"] > 0 and r["sizes"][0]["verification"]["verdict"] == "unknown" and
         r["sizes"][0]["whole"]["ratio"]["value"] is None, "requests that fail are counted, and are no samples")
for options, words in ((("-b", url), "connect"), (("--query-tokens", "12,x"), "--query-tokens"), (("--repeat", "0"), "--repeat"),
                       (("--system", "/nonexistent"), "/nonexistent"), (("--system", "a", "--from-trace"), "only one"),
                       (("-b", "ftp://x"), "--backend"), (("-b", url, "--out", __file__), "not a directory"),
                       (("-b", url, "--out", "/nonexistent/out"), "/nonexistent/out: no such file"), (("stray",), "stray"), (("--engine", "nobody", "-b", url), "nobody")):
    run = t.command([lib.KVSCOPE, "bench", *options], env=ENV)
    t.ok(lib.refused(run) and words in run.err.lower(),
         f"{' '.join(map(str, options))}: one line, status 2", run.out + run.err)

t.done()
