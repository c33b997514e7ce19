#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope report --html: well-formed, self-contained, nothing of the trace as markup, and its numbers those of --json."""
import json
import os
import xml.etree.ElementTree as ElementTree

import lib
import sessions
from pages import number, problems, table

t = lib.Test()


def kvscope(*args):
    return t.command([lib.KVSCOPE, *args], env={**os.environ, "NO_COLOR": "1"})


def page(trace, *options):
    """The page as text and as a tree; raises where it is not well-formed."""
    out = t.path("page.html")
    run = kvscope("report", "--html", out, *options, *(trace if isinstance(trace, list) else [trace]))
    if run.status != 0:
        raise RuntimeError(run.err)
    text = out.read_text()
    return text, ElementTree.fromstring(text)


def near(a, b):
    return a == b or (a is not None and b is not None and abs(a - b) < 2e-6)


def send(bodies, mock_options=lib.FAST, agents=None, options=()):
    script = t.path("requests.json")
    script.write_text(json.dumps([("s", a, body) for a, body in zip(agents or [None] * len(bodies), bodies)]))
    with t.mock(*mock_options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script], options=options)
    if run.status != 0:
        raise RuntimeError(run.out + run.err)
    return run.trace


def same_numbers(what, traces, *engine):
    """The tables against report --json and why --json."""
    text, root = page(traces, *engine)
    t.equal(list(problems(text, root)), [], f"{what}: well-formed, self-contained, every chart named")
    paths = traces if isinstance(traces, list) else [traces]
    data = json.loads(kvscope("report", "--json", *engine, *paths).out)
    rows = table(root, "tokens", ["request", "prompt"])
    wrong = [(x["id"], row) for x, row in zip(data["exchanges"], rows) if not (
        row[0][0].split()[0].split(":")[-1] == str(x["id"]) and row[0][0].split()[1] == x["lineage"] and
        number(row[1]) == x["tokens"]["prompt"] and number(row[2]) == x["tokens"]["cached"] and
        near(number(row[5]), x["cost"]["prefill"]) and near(number(row[6]), x["cost"]["re_prefill"]) and
        near(number(row[7]), x["cost"]["decode"]))]
    t.ok(rows and len(rows) == len(data["exchanges"]) and not wrong, f"{what}: {len(rows or ())} requests as in --json",
         wrong[:3])
    seconds = {row[0][0]: number(row[1]) for row in table(root, "seconds", [""]) or []}
    expected = {"prefill, again": "re_prefill", "prefill, new": "prefill_new", "decode": "decode",
                "client and tools": "client", "idle, waiting for a person": "idle",
                "requests, not known what": "unknown", "of the prefill: for tools and system prompt": "system_prompt"}
    off = {name: (seconds.get(name), data["seconds"][key]) for name, key in expected.items()
           if seconds and not near(seconds.get(name), data["seconds"][key])}
    t.equal(off, {}, f"{what}: seconds as in --json")
    parts = table(root, "anatomy", ["", "tokens"]) or []
    names = {"system prompt": "system", "memory files": "memory", "new messages": "new"}
    t.ok(len(parts) == 6 and all(number(row[1]) == said["tokens"] and near(number(row[2]), said["seconds"])
                                 for row in parts for said in [data["anatomy"]["parts"][names.get(row[0][0], row[0][0])]]),
         f"{what}: the prompts' parts as in --json", (parts, data["anatomy"]["parts"]))
    tools = table(root, "anatomy", ["tool", "requests"]) or []
    t.equal([(row[0][0], number(row[1]), number(row[2])) for row in tools],
            [(tool["name"] or "-", tool["requests"], tool["tokens"]) for tool in data["anatomy"]["tools"]],
            f"{what}: tools as in --json")
    systems = table(root, "systems", ["fingerprint"]) or []
    t.equal([(r[0][0], number(r[1]), number(r[3]), number(r[4])) for r in systems],
            [(s["fingerprint"][:12], s["requests"], s["bytes"], s["tokens"]) for s in data["system_prompts"]],
            f"{what}: system prompts as in --json")
    tiles = {li[0].text: li[1] for li in root.iter("li") if len(li) == 3 and li[1].tag == "b"}
    value = lambda what: next((int(d.get("value")) for d in tiles[what].iter("data")), None)
    said = data["prefilled"]
    if said["again"] is not None:
        lead = " ".join("".join(next(p for p in root.iter("p") if p.get("class") == "lead").itertext()).split())
        shown = "".join(tiles["Prefilled again"].itertext()).lstrip("~")
        headline = " ".join(kvscope("report", *engine, *paths).out.split("Where the time went")[0].split())
        t.ok((value("Prompts"), value("Prefilled again"), value("New")) == (data["tokens"]["sent"], said["again"], said["tokens"] - said["again"]) and
             lead in headline and (said["again"] == 0 or f"{shown} were prefilled again" in lead or f"{shown} prompt tokens were prefilled again" in lead),
             f"{what}: the tiles are the headline's numbers and those of --json", (shown, lead, said, headline[:400]))
    return text, root, data


def same_causes(what, trace, engine):
    _, root = page(trace, "--engine", engine)
    why = json.loads(kvscope("why", "--engine", engine, "--json", trace).out)["verdicts"][0]
    rows = table(root, "causes", ["cause"]) or []
    t.equal([(r[0][0], r[1][0] == "yes", number(r[2]), number(r[3])) for r in rows],
            [(c["cause"], c["expected"], c["misses"], c["lost_tokens"]) for c in why["causes"]], f"{what}: causes as in why --json")


# ---- what a session may be
mixed = lib.ROOT / "tests/e2e/t400_session.jsonl"
same_numbers("a session with a failure and losses", mixed)
planted = sessions.session(41, "tools_grown")
timed = send(planted.bodies, ("--prefill-rate", "20000", "--decode-rate", "2000"))
text, root, data = same_numbers("a session with a miss", timed)
same_causes("a session with a miss", timed, "llama.cpp@b1")
t.ok(data["speedup"]["factor"] is not None and "Cost by cause" in text, "it knows the seconds")
both = [str(timed), str(mixed)]
same_numbers("two traces", both)
agents = [None, None, "reader", "reader", None, "reader"]
same_numbers("a sub-agent", send(sessions.session(42).bodies, agents=agents))
hidden = send(planted.bodies, options=("--content", "none"))
same_numbers("a trace without content", hidden)

turns = sessions.turns_session(44, sessions.plant_turn, "system_turn_hoisted")
text, root = page(send(turns.bodies, (*lib.FAST, "--cache-tokens", "100000000", "--system-turns", "hoist")))
t.ok("explains best" in text and "system_turn_hoisted" in [r[0][0] for r in table(root, "causes", ["cause"])],
     "a backend that does not say its name is told by what it had cached")

# ---- nothing of the trace is markup, and no key gets out
key = "sk-ant-" + "Zx9" * 14
evil = sessions.session(43, "system_changed")
for n, body in enumerate(evil.bodies):
    body["tools"][1]["name"] = "<script>alert(1)</script>\x00\x1b[31m"
    body["tools"][2]["description"] = '"><img src=x onerror=alert(2)>' + key
    body["model"] = "</title><script>alert(3)</script>&amp;"
    body["system"][2]["text"] = f"{key} {n // 3} </pre><script>alert(4)</script> " + body["system"][2]["text"]
trace = send(evil.bodies)
text, root = page(trace)
t.equal(list(problems(text, root)), [], "hostile names and texts: no markup of theirs")
t.ok("&lt;script&gt;alert(1)&lt;/script&gt;" in text and "alert(4)" in text, "they are shown as text")
t.ok(key not in text and "[masked]" in text, "keys are masked")
t.ok("Content-Security-Policy" in text and "default-src 'none'" in text.replace("&#39;", "'"), "and nothing may be loaded")

# ---- empty, cut, large
whole = timed.read_bytes()
empty, cut = t.path("empty.jsonl"), t.path("cut.jsonl")
empty.write_bytes(whole[:whole.index(b"\n") + 1])
text, root = page(empty)
t.ok(not list(problems(text, root)) and "No request to a language model was seen." in text, "an empty trace: it says so")
wrong = []
for n in range(1, 10):
    cut.write_bytes(whole[:len(whole) * n // 10])
    text, root = page(cut)
    wrong += list(problems(text, root))
t.equal(wrong, [], "cut traces: what there is")

many = []
for n in range(110):
    s = sessions.session(9000 + n, "tools_changed" if n % 9 == 0 else None)
    for body in s.bodies:
        for tool in body["tools"]:
            tool["description"] = tool["description"][:40]
        body["system"][2]["text"] = body["system"][2]["text"][:300] + s.name
        many.append((s.name, body))
script = t.path("requests.json")
script.write_text(json.dumps([(name, None, body) for name, body in many]))
with t.mock(*lib.FAST, "--cache-tokens", "100000000") as mock:
    run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
text, root = page(run.trace)
rows = table(root, "tokens", ["request"])
t.equal(list(problems(text, root)), [], f"{len(many)} requests: well-formed")
t.ok(len(text) < 1_500_000 and len(rows) < len(many) and "are left out" in rows[-1][0][0],
     f"{len(many)} requests: {len(text)} bytes, the table shortened and it is told", (len(text), len(rows)))
t.ok("the average of" in text, "columns stand for several requests")

# ---- the file, and wrong arguments
out = t.path("mode.html")
run = kvscope("report", "--html", out, mixed)
t.ok(out.stat().st_mode & 0o777 == 0o600 and run.out == "" and str(out) in run.err, "for the owner alone; it says where", run.err)
stdout = kvscope("report", "--html", "-", mixed)
t.ok(stdout.status == 0 and stdout.out.startswith("<!DOCTYPE html>") and stdout.err == "", "- is stdout")
for name, args in (("--json too", ("--html", out, "--json", mixed)), ("--follow too", ("--html", out, "--follow", mixed)),
                   ("no such engine", ("--html", out, "--engine", "llama", mixed)),
                   ("a folder that is not there", ("--html", t.path("none") / "x.html", mixed)),
                   ("a file that is a folder", ("--html", t.scratch, mixed)),
                   ("a missing trace", ("--html", t.path("x.html"), t.path("none.jsonl")))):
    run = kvscope("report", *args)
    t.ok(run.status == 2 and run.out == "" and run.err.startswith("kvscope: ") and run.err.count("\n") == 1,
         f"{name}: status 2, one line", run.out + run.err)
t.equal(kvscope("report", "--html").status, 2, "no file named: status 2")
t.done()
