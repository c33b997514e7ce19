#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope replay against the mock: the arms, each proved by the mock's own log, and what they say of fixes."""
import json
import random
import xml.dom.minidom

import lib
import sessions

t = lib.Test()
ENV = lib.os.environ | {"XDG_STATE_HOME": str(t.scratch / "state")}


def conversation(turns, system_turns=False):
    """A conversation whose billing line changes with every request."""
    c = sessions.Conversation(random.Random(7), "replay")
    c.say("begin")
    bodies = []
    for n in range(turns):
        c.billing = f"x-anthropic-billing-header: cc_version=2.1.50.abc; cc_entrypoint=cli; cch={n:05x};"
        bodies.append(c.request())
        c.work()
        if system_turns:
            c.messages.append({"role": "system", "content": f"<total_tokens>{9000 - n} tokens left</total_tokens>"})
    return bodies


def capture(bodies, *options):
    return t.capture([("s1", None, body) for body in bodies], *options).trace


def replay(mock, trace, *options, status=0):
    run = t.command([lib.KVSCOPE, "replay", "--json", "-b", mock.url, *options, trace], env=ENV)
    t.equal(run.status, status, f"replay {' '.join(options)}: status {status}")
    if run.status != status:
        print("#", run.err.replace("\n", "\n# "))
    return json.loads(run.out) if run.out.startswith("{") else None


def tokens(result, arm, n=None):
    """Cached tokens of an arm's samples, in the order of the requests and repeats."""
    return [s["cached"] for r in result["requests"] for s in r["arms"][arm]["samples"]]


def runs(result, log):
    """(arm, repeat) in the order in which they ran, by the mock's log."""
    whose = {s["request_sha256"]: (arm, k) for q in result["requests"] for arm, a in q["arms"].items()
             for k, s in enumerate(a["samples"])}
    return list(dict.fromkeys(whose[e["sha256"]] for e in log if e["sha256"] in whose))


# ---- a billing line that changes, on a server that keeps it
trace = capture(conversation(5))
with t.mock(*lib.FAST, "--billing", "keep", "--head", "system") as mock:
    first = len(mock.bodies())
    r = replay(mock, trace, "--prefill-only", "-n", "2", "--fix", "strip-billing,drop-total-tokens,pin-version-suffix")
    log = mock.bodies()[first:]
    arms = r["arms"]
    t.equal(sorted(arms), ["asis", "asis2", "fix:pin-version-suffix", "fix:strip-billing", "fixed", "off"],
            "the arms; a fix that changes nothing has none")
    t.equal({a: arms[a]["verification"]["verdict"] for a in arms}, {a: "verified" for a in arms}, "every arm is verified")
    t.ok(max(tokens(r, "off")) <= 16, "nothing was reused in off", tokens(r, "off"))
    t.ok(max(tokens(r, "asis")) <= 48, "the billing line breaks asis", tokens(r, "asis"))
    by_request = [[s["cached"] for s in q["arms"]["fixed"]["samples"]] for q in r["requests"]]
    t.ok(all(min(c) > r["requests"][n]["arms"]["fixed"]["samples"][0]["prompt"] - 400 for n, c in enumerate(by_request) if n),
         "without it all but the new turn is reused", by_request)
    t.equal(tokens(r, "fix:strip-billing"), tokens(r, "fixed"), "it is that fix that does it")
    t.ok(min(tokens(r, "fix:pin-version-suffix")[2:]) > 500, "so does pinning it", tokens(r, "fix:pin-version-suffix"))
    t.ok(r["noise"]["basis"] == "asis against asis2" and r["noise"]["n"] == 2 and r["noise"]["worst"] >= 0
         and not any("asis2" in (c["from"], c["to"]) for c in r["speedups"]), "the noise floor is asis against asis2", r["noise"])
    said = sorted((s["prompt"], s["cached"]) for q in r["requests"] for a in q["arms"].values() for s in a["samples"])
    # The probes come first: the mock's log behind them is the replay's own.
    heard = sorted((e["prompt_tokens"], e["cached_tokens"]) for e in log[-len(said):])
    turns = runs(r, log)
    t.equal([a for a, _ in turns[:6]], [a for a, _ in reversed(turns[6:])], "arms run forth and then back")
    t.equal(turns[5], ("asis2", 0), "asis2 last")
    t.equal(said, heard, "prompt and cached tokens of every answer are those of the mock's log")
    t.ok(r["speedup"]["from"] == "asis" and r["speedup"]["to"] == "fixed" and r["speedup"]["low"] is not None
         and r["speedup"]["basis"] == "this session", "the headline is asis to fixed, with an interval", r["speedup"])
    t.equal(r["speedup"]["saved_tokens"], arms["asis"]["tokens"]["prefilled"] - arms["fixed"]["tokens"]["prefilled"],
            "saved tokens are the difference of the arms")
    t.ok({"model", "max_tokens", "nonce", "billing stripped", "billing pinned"} <= set(r["changes"]),
         "what was changed is told", r["changes"])
    t.ok(r["prediction"]["cached_tokens_error"] is None or r["prediction"]["cached_tokens_error"] < 0.02
         or max(tokens(r, "asis")) <= 48, "predicted cached tokens are near", r["prediction"])
    expected = [(s["expected_cached"], s["cached"]) for q in r["requests"] for s in q["arms"]["fixed"]["samples"]]
    t.ok(all(abs(e - c) <= 40 for e, c in expected), "request by request for fixed", expected)

    t.equal(len({q["arms"][a]["samples"][0]["prompt"] for q in r["requests"][:1] for a in ("off", "asis")}), 1,
            "off and asis have prompts of the same number of tokens")

# ---- system turns, on a server that hoists them
trace_turns = capture(conversation(4, system_turns=True))
with t.mock(*lib.FAST, "--billing", "remove", "--system-turns", "hoist", "--head", "system") as mock:
    r = replay(mock, trace_turns, "--prefill-only", "-n", "1", "--fix", "system-inline,drop-total-tokens")
    c = {a: r["arms"][a]["tokens"]["cached"] for a in r["arms"]}
    t.ok(c["fixed"] > 2 * c["asis"] and c["fix:system-inline"] > 2 * c["asis"] and c["fix:drop-total-tokens"] > 2 * c["asis"],
         "system turns as user turns, or none of them, keep the prefix", c)
    t.equal(r["speedup"]["low"], None, "one repeat has no interval")
    t.ok(r["noise"]["n"] == 1 and r["noise"]["low"] is None and r["noise"]["worst"] is not None, "but a noise floor", r["noise"])
    inline = replay(mock, trace_turns, "--prefill-only", "-n", "1", "--inline-system", "user", "--arms", "asis")
    t.ok(inline["arms"]["asis"]["tokens"]["cached"] > 2 * c["asis"], "--inline-system user does it for asis")
    t.equal(inline["speedup"], None, "one arm has no speed-up")

# ---- without a cache: cold by nature, and warm arms that are none say so
with t.mock(*lib.FAST, "--no-cache") as mock:
    r = replay(mock, trace, "--prefill-only", "-n", "1", "--arms", "off,fixed")
    t.ok(r["arms"]["fixed"]["verification"]["short_of_expected"]["cache_off"] == 4,
         "less reuse than expected is told, not rejected", r["arms"]["fixed"]["verification"])

# ---- a trace without content
bare = capture(conversation(3), "--content", "none")
with t.mock(*lib.FAST) as mock:
    r = replay(mock, bare, "--prefill-only", "-n", "1")
    t.ok("synthetic text" in r["changes"] and r["arms"]["asis"]["tokens"]["cached"] > 0,
         "a trace without content is replayed with synthetic text", r["changes"])
    whole = [q["captured"]["prompt"] for q in r["requests"]]
    made = [q["arms"]["off"]["samples"][0]["prompt"] for q in r["requests"]]
    t.ok(all(0.5 < m / w < 2 for m, w in zip(made, whole)), "of about the same length", (made, whole))

# ---- the order of the arms
with t.mock(*lib.FAST) as mock:
    r = replay(mock, trace, "--prefill-only", "-n", "6", "--order", "random", "--limit", "1")
    order = [[a for a, _ in runs(r, mock.bodies())][k:k + 4] for k in range(0, 24, 4)]
    t.equal([sorted(o) for o in order], [["asis", "asis2", "fixed", "off"]] * 6, "at random every repeat has each arm once")
    t.ok(len({tuple(o) for o in order}) > 2, "in an order of its own", order)

# ---- pace, quick, limit, two backends
with t.mock(*lib.FAST) as one, t.mock("--prefill-rate", "20000", "--decode-rate", "0") as two:
    r = replay(one, trace, "--prefill-only", "-n", "1", "--pace", "recorded", "--arms", "asis", "--limit", "2")
    t.ok(len(r["requests"]) == 2 and r["worst_lag_seconds"] is not None, "recorded pace tells its lag", r["worst_lag_seconds"])
    ranked = t.command([lib.KVSCOPE, "replay", "-b", two.url, "-b", one.url, "-b", "side=" + one.url, "--prefill-only", "-n", "1",
                        "--arms", "off,asis", trace], env=ENV)
    lines = ranked.out.splitlines()
    t.ok(ranked.status == 0 and lines[0] == "Which backend for this session" and one.url in lines[1] and two.url in lines[2]
         and lines[2].endswith("x as long") and not lines[3].startswith("  3.") and f"nothing is sent to {one.url}" in ranked.err,
         "two backends are ranked, the faster one first; without side requests none is asked for them", ranked.out + ranked.err)
    half = t.command([lib.KVSCOPE, "replay", "--json", "-b", one.url, "-b", "http://127.0.0.1:9", "--prefill-only", "-n", "1", "--arms",
                      "asis", trace], env=ENV)
    t.ok(half.status == 2 and len(json.loads(half.out)["ranking"]) == 1 and "127.0.0.1:9" in half.err,
         "one that cannot be reached is missing, and the status says so", half.err)
    every = t.command([lib.KVSCOPE, "replay", "-b", one.url, "--prefill-only", "-n", "2", "--arms", "off,asis", "--all", "--pace",
                       "recorded", "--limit", "2", trace], env=ENV).out
    rows = [line.split() for line in every.split("Answers")[1].split("How it")[0].splitlines()[2:] if line.strip()]
    t.ok([row[:3] for row in rows] == [[q, a, k] for q in "12" for a in ("off", "asis") for k in "12"]
         and all(row[-1] == "200" for row in rows) and "sent at most" in every, "--all lists every answer with its status", every)
    text = t.command([lib.KVSCOPE, "replay", "-b", one.url, "--prefill-only", "-n", "2", "--quick", trace], env=ENV)
    t.ok(text.status == 0 and "-> " in text.out and "verified" in text.out and "noise floor: asis against its next" in text.out
         and "without arm asis2" in text.err, "as text; a quick one does without asis2", text.out + text.err)
    page = t.path("page.html")
    html = t.command([lib.KVSCOPE, "replay", "-b", one.url, "--prefill-only", "-n", "2", "--html", page, trace], env=ENV)
    tree = xml.dom.minidom.parseString(page.read_bytes())
    drawn = {svg.getAttribute("id"): len(svg.getElementsByTagName("rect")) for svg in tree.getElementsByTagName("svg")}
    t.ok(html.status == 0 and drawn.get("chart-turns") == 15 and drawn.get("chart-sum", 0) >= 15
         and page.stat().st_mode & 0o77 == 0, "a page with its charts: a column per request and arm", drawn)
    t.ok("://" not in page.read_text().replace(one.url, ""), "that needs nothing from elsewhere")
    t.ok("prompt tokens, about" in text.err, "the size is told beforehand", text.err)

# ---- side requests on a backend of their own: each main backend alone, then with it
title = {"model": "m", "max_tokens": 50, "stream": True, "system": "Name this conversation in a few words. " * 30,
         "messages": [{"role": "user", "content": "begin"}]}
titled = capture([title, *conversation(3)])
with t.mock("--engine", "vllm", "--flag", "enable-prompt-tokens-details", *lib.FAST) as main, \
     t.mock("--engine", "mlx-lm", *lib.FAST) as side:
    r = replay(main, titled, "--prefill-only", "-n", "1", "--arms", "off,asis", "-b", "side=" + side.url)
    t.equal(sorted(x["backend"] for x in r["ranking"]), [main.url, f"{main.url}, side requests to {side.url}"],
            "with side requests there are two modes")
    t.equal([x["arm"] for x in r["ranking"]], ["asis", "asis"], "both usable, though the main backend comes twice")
    pair, alone = sorted((r, r["others"][0]), key=lambda x: -len(x["backend"]))
    t.equal([(b["role"], b["url"], b["converted"]) for b in pair["backend"] + alone["backend"]],
            [("main", main.url, False), ("side", side.url, True), ("all", main.url, False)], "the backends of each")
    t.ok(pair["backend"][1]["header_tokens"] is not None, "the head of the side backend's template is measured by a request of its own",
         pair["backend"][1])
    where = {e["sha256"] for e in side.bodies()}
    t.equal([[s["request_sha256"] in where for s in q["arms"]["asis"]["samples"]] for q in pair["requests"]],
            [[q["role"] == "side"] for q in pair["requests"]], "the side request went there, the others did not")
    t.equal(sum(q["role"] == "side" for q in pair["requests"]), 1, "one of them is a side request")
    page = t.path("page.html")
    both = t.command([lib.KVSCOPE, "replay", "--prefill-only", "-n", "1", "--arms", "off,asis", "--html", page, "-b", main.url, "-b",
                      side.url, "-b", "side=" + side.url, titled], env=ENV)
    modes = [f"{main.url}, side requests to {side.url}", main.url, side.url]
    first = both.out.split("\n\n")[0]
    t.ok(both.status == 0 and all(first.count(f"at {m}, asis") == 1 for m in modes) and first.count("\n  ") == 4,
         "two backends and three modes: none is put beside itself", both.out + both.err)
    t.ok(f"Backend vllm@0.32 at {main.url}, model" in both.out and f"; side requests to mlx-lm at {side.url}, model" in both.out
         and "side requests cold by: a nonce per request" in both.out, "each part says what its backends are", both.out)
    tree = xml.dom.minidom.parseString(page.read_bytes())
    table = next(s for s in tree.getElementsByTagName("section") if s.getAttribute("id") == "ranking")
    rows = [[td.firstChild.data for td in tr.getElementsByTagName("td") if td.firstChild.nodeType == td.TEXT_NODE]
            for tr in table.getElementsByTagName("tr")][1:]
    t.ok(sorted(row[0].split(" at ")[1] for row in rows) == sorted(modes) and rows[0][-1] == "1.00", "the page ranks them, too", rows)

# ---- several sessions: side by side, where they are not cold; from eight on they are what the interval is over
talks = [conversation(2) for _ in range(8)]
for k, talk in enumerate(talks):
    for body in talk:
        body["system"][1]["text"] += f" Session {k}."
many = t.capture([(f"session-{k}", None, talk[n]) for n in range(2) for k, talk in enumerate(talks)]).trace
with t.mock("--prefill-rate", "50000", "--decode-rate", "0", "--parallel", "8", "--head", "system") as mock:
    r = replay(mock, many, "--prefill-only", "-n", "2", "--arms", "off,asis")
    spans = {e["sha256"]: (e["times_ns"]["head_complete"], e["times_ns"]["end"]) for e in mock.bodies()}
    runs = {arm: [sorted(spans[q["arms"][arm]["samples"][k]["request_sha256"]] for q in r["requests"]) for k in (0, 1)]
            for arm in ("off", "asis")}
    overlaps = {arm: sum(b[0] < a[1] for run in runs[arm] for a, b in zip(run, run[1:])) for arm in runs}
    t.ok(overlaps["asis"] > 4 and overlaps["off"] == 0, "sessions run side by side in asis, one by one in off", overlaps)
    t.ok(r["speedup"]["basis"] == "sessions" and r["speedup"]["n"] == 8 and r["speedup"]["low"] <= r["speedup"]["value"],
         "with eight sessions the interval is over sessions", r["speedup"])
    one = replay(mock, many, "--prefill-only", "-n", "1", "--arms", "asis", "--session", "session-3")
    t.equal(len(one["requests"]), 2, "--session takes one of them")

# ---- what cannot be
for argv, words in (((), "which backend"), (("-b", "ftp://x"), "neither http"), (("-b", "http://u:p@h/"), "must not hold"),
                    (("-b", "http://127.0.0.1:9"), "127.0.0.1"), (("-b", "x", "--fix", "nothing"), "is not known"),
                    (("-b", "x", "--pace", "slow"), "is not asap or recorded")):
    run = t.command([lib.KVSCOPE, "replay", *argv, trace], env=ENV)
    t.ok(run.status == 2 and words in run.err and not run.out and len(run.err.splitlines()) == 1, f"{argv}: one line",
         run.err + run.out)
t.done()
