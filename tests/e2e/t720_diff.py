#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope diff: two traces of generated sessions side by side, the numbers of `report` and `why`, and the gate."""
import copy
import json
import os

import lib
import sessions

t = lib.Test()
ENGINE = "llama.cpp@b1"


def send(bodies, *run_options):
    script = t.path("requests.json")
    script.write_text(json.dumps([("s", None, body) for body in bodies]))
    with t.mock(*lib.FAST, "--cache-tokens", "100000000") as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script], options=run_options)
    if run.status != 0:
        raise RuntimeError(run.out + run.err)
    return run.trace


def kvscope(*args):
    return t.command([lib.KVSCOPE, *args], env={**os.environ, "NO_COLOR": "1"})


def diff(a, b, *options):
    return kvscope("diff", "--engine", ENGINE, *options, a, b)


def document(a, b, *options):
    run = diff(a, b, "--json", *options)
    if run.status not in (0, 1):
        raise RuntimeError(run.err)
    return json.loads(run.out)


broken = sessions.session(31, "tools_grown")
bad, good = send(broken.bodies), send(broken.twin)

# ---- the numbers are those of report and why
doc = document(good, bad)
for side, trace in (("a", good), ("b", bad)):
    report = json.loads(kvscope("report", "--json", trace).out)
    why = json.loads(kvscope("why", "--engine", ENGINE, "--json", trace).out)
    t.equal({k: doc[side]["tokens"][k] for k in ("sent", "new", "repeated", "cached", "basis")},
            {k: report["tokens"][k] for k in ("sent", "new", "repeated", "cached", "basis")}, f"{side}: tokens of report")
    t.equal(doc[side]["seconds"], {k: report["seconds"][k] for k in doc[side]["seconds"]}, f"{side}: seconds of report")
    t.equal((doc[side]["misses"]["unexpected"], doc[side]["misses"]["expected"]),
            (sum(not m["expected"] for m in why["misses"]), sum(m["expected"] for m in why["misses"])),
            f"{side}: misses of why")
t.equal((doc["a"]["tokens"]["re_prefilled"] < 64, doc["b"]["tokens"]["re_prefilled"] > 500,
         doc["b"]["tokens"]["re_prefilled_basis"]), (True, True, "mixed"), "what was prefilled again")
causes = [c for c in doc["causes"] if not c["expected"]]
t.equal([(c["cause"], c["a"], c["b"], c["a_lost_tokens"]) for c in causes], [("tools_grown", 0, 1, None)], "causes")
t.ok(causes[0]["b_lost_tokens"] > 500 and (causes[0]["b_seconds_lost"] or 0) >= 0, "and what they cost", causes)
t.equal((doc["static_prefix"]["same"], doc["static_prefix"]["changes"]), (True, []), "both begin alike")
t.ok(doc["b"]["static_prefix"]["static_tokens"] < doc["a"]["static_prefix"]["static_tokens"] / 2,
     "but B does not keep its prefix", doc["b"]["static_prefix"])

# ---- the gate
t.equal((diff(good, bad).status, diff(good, bad, "--check").status), (0, 1), "worse: status 1 with --check alone")
t.equal(set(document(good, bad)["check"]["worse"]), {"more_misses", "more_re_prefilled"}, "and why")
t.equal((diff(bad, good, "--check").status, diff(good, good, "--check").status), (0, 0), "better, or the same: status 0")
t.equal(document(good, bad, "--tolerance", "100")["check"]["worse"], ["more_misses"], "a tolerance in percent")
text = diff(good, bad, "--check").out
t.ok("B is worse than A:" in text and "1 unexpected misses, A had 0" in text and "\033" not in text, "in words", text)

# ---- static prefixes that differ
other = copy.deepcopy(broken.twin)
key = "sk-" + "q7" * 20
for body in other:
    body["tools"][1]["description"] += " See also Grep."
    body["tools"].append({"name": "\033[31mEvil<b>", "description": "x", "input_schema": {"type": "object"}})
    body["system"][2]["text"] = body["system"][2]["text"].replace("Today's date", key + " Today's date")
moved = send(other)
doc = document(good, moved)
changes = {(c["change"], c["kind"], c["name"]): c for c in doc["static_prefix"]["changes"]}
t.equal(set(changes), {("changed", "tool", "Read"), ("added", "tool", "\033[31mEvil<b>"),
                       ("changed", "system", "system[2]")}, "each change is found")
t.equal(changes["changed", "tool", "Read"]["path"], "tools[1].description", "with its place")
t.ok(key not in json.dumps(doc) and "[masked]" in json.dumps(doc), "keys are masked")
t.equal((diff(good, moved, "--check").status, diff(good, moved, "--check", "--static").status), (0, 1),
        "another prefix of the same client counts with --static alone")
text = diff(good, moved).out
t.ok("\033" not in text and key not in text and "only in B" in text, "nothing of the trace reaches the terminal raw", text)
swapped = copy.deepcopy(broken.twin)
for body in swapped:
    body["tools"].reverse()
doc = document(good, send(swapped))
t.equal((doc["static_prefix"]["reordered"], doc["static_prefix"]["same"], doc["static_prefix"]["changes"]),
        (True, False, []), "tools in another order")

hidden = send(broken.twin, "--content", "none")
doc = document(good, hidden)
t.equal((doc["static_prefix"]["comparable"], doc["static_prefix"]["same"]), (False, None),
        "without content nothing is said of the texts")

# ---- empty, cut, wrong
whole = good.read_bytes()
empty, cut = t.path("empty.jsonl"), t.path("cut.jsonl")
empty.write_bytes(whole[:whole.index(b"\n") + 1])
for name, args in (("empty and whole", (empty, good)), ("whole and empty", (good, empty)), ("both empty", (empty, empty))):
    run = diff(*args, "--check")
    t.ok(run.status in (0, 1) and "requests" in run.out, f"{name}: said so", run.out + run.err)
doc = document(empty, good)
t.equal((doc["a"]["tokens"]["sent"], doc["a"]["tokens"]["re_prefilled"], doc["a"]["static_prefix"]), (None, None, None),
        "what is not there is null")
wrong = []
for n in range(1, 12):
    cut.write_bytes(whole[:len(whole) * n // 12])
    run = diff(cut, good, "--json")
    if run.status != 0 or "the file ends inside this line" not in run.err:
        wrong.append((n, run.status, run.err))
t.equal(wrong, [], "cut traces are read up to there, and it is told")
none, junk = t.path("none.jsonl"), t.path("junk.jsonl")
junk.write_text("no trace\n")
for name, args in (("one trace", (good,)), ("three traces", (good, good, good)), ("no trace", ()),
                   ("a missing file", (good, none)), ("a file that is no trace", (junk, good)),
                   ("no such engine", ("--engine", "llama", good, bad)), ("a tolerance that is no number",
                                                                        ("--tolerance", "much", good, bad)),
                   ("a tolerance below 0", ("--tolerance", "-1", good, bad)), ("no such option", ("--fast", good, bad))):
    run = kvscope("diff", *args)
    t.ok(lib.refused(run) or (run.status == 2 and run.out == "" and name == "no such option"), f"{name}: status 2, one line",
         run.out + run.err)
t.done()
