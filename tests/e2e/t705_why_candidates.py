#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why where nothing says which backend it was: one verdict per candidate, equal ones as one, and those ruled out
that the session's answers contradict. And whose settings are proposed: Claude Code's to Claude Code alone.

The oracle for what was merged is `why --engine CANDIDATE` for each candidate: it must miss the same requests for the same
causes.
"""
import json
import pathlib

import lib
import sessions

t = lib.Test()


def trace_of(bodies, *mock_options, name="s"):
    script = t.path("requests.json")
    script.write_text(json.dumps([[name, None, body] for body in bodies]))
    with t.mock(*lib.FAST, "--cache-tokens", "100000000", *mock_options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
    if run.status != 0:
        raise RuntimeError(run.out + run.err)
    return run.trace


def why(trace, *options):
    answer = t.command([lib.KVSCOPE, "why", *options, trace])
    if answer.status not in (0, 1):
        raise RuntimeError(answer.err)
    return answer


def judged(trace, *options):
    return json.loads(why(trace, "--json", *options).out)


def of(misses):
    return [(m["exchange"], m["cause"], m["behind"]) for m in misses]


def same_as_alone(what, trace):
    """Every candidate alone says what the verdict says that it was merged into."""
    document = judged(trace)
    differ = []
    for verdict in document["verdicts"]:
        merged = of(m for m in document["misses"] if m["backend"] == verdict["backend"])
        for candidate in verdict["candidates"]:
            if of(judged(trace, "--engine", candidate)["misses"]) != merged:
                differ.append(candidate)
    count = sum(len(v["candidates"]) for v in document["verdicts"]) + len(document["refusing"])
    t.ok(not differ, f"{what}: {count} candidates, {len(document['verdicts'])} verdicts, the same as each alone", differ)
    return document


# ---- nothing that servers treat differently: one verdict, whatever the backend
plain = sessions.session(501, "messages_changed")
trace = trace_of(plain.bodies)
document = same_as_alone("no system turns, no thinking", trace)
t.equal([len(v["candidates"]) for v in document["verdicts"]], [43], "one verdict for all 43")
text = why(trace)
t.ok(text.out.startswith("Whatever the backend: 6 requests, 1 unexpected cache miss") and "43 candidates" in text.err,
     "it says so", text.out + text.err)

# ---- tools that grow, on a server that lays them out first: the order of the head shows in what was cached
trace = trace_of(sessions.session(501, "tools_grown").bodies)
document = same_as_alone("tools that grow", trace)
verdicts = document["verdicts"]
t.ok(len(verdicts) == 2 and "vllm+plain" in verdicts[0]["candidates"] and "vllm+qwen3" in verdicts[1]["candidates"],
     "the order that explains what was cached stands first", verdicts)
t.ok("as above" in why(trace).out, "a cause that stands above is told in a line", why(trace).out)

# ---- system turns on a server that hoists them
turns = sessions.turns_session(502, sessions.plant_turn, "system_turn_hoisted")
hoisting = trace_of(turns.bodies, "--system-turns", "hoist")
document = same_as_alone("system turns, hoisted", hoisting)
first = document["verdicts"][0]
t.ok("ollama+plain" in first["candidates"] and not first["ruled_out"] and
     {c["cause"] for c in first["causes"] if not c["expected"]} == {"system_turn_hoisted"},
     "the verdict that explains what was cached stands first", document["verdicts"])
t.ok(all("llama.cpp+plain" not in v["candidates"] or v["causes"] for v in document["verdicts"][1:]),
     "a server that keeps them in place is another verdict", document["verdicts"])
t.equal(sorted(document["refusing"]), ["llama.cpp+qwen3", "lmstudio+qwen3", "mlx-lm+qwen3"],
        "those that refuse such prompts are ruled out: they were answered")

# ---- the same on a server that keeps them in place: its cached counts rule the others out
document = same_as_alone("system turns, in place", trace_of(turns.bodies))
out = [c for v in document["verdicts"] if v["ruled_out"] for c in v["candidates"]]
t.ok("ollama+plain" in out and "vllm+qwen3" in out and "llama.cpp+plain" not in out and "vllm+plain" not in out,
     "hoisting is ruled out by what was reused", document["verdicts"])
t.equal(document["verdicts"][0]["unexpected"], 0, "no miss by the verdict that remains")
answer = why(trace_of(turns.bodies), "--check")
t.ok(answer.status == 0 and "\nNot " in answer.out and "reused more than such a backend could have" in answer.out,
     "--check counts no verdict that is ruled out", (answer.status, answer.out))
t.equal(why(hoisting, "--check").status, 1, "and counts the others")

# ---- a model's name tells its template
named = [{**body, "model": "qwen3-coder-30b"} for body in turns.bodies]
document = same_as_alone("a model called qwen3", trace_of(named))
t.equal({c.partition("+")[2] for v in document["verdicts"] for c in v["candidates"]}, {"qwen3", "plain"},
        "its candidates have that template (Anthropic's is its own)")

# ---- several causes and old thinking
mixed = sessions.mixed_session(503)
same_as_alone("a session with several causes", trace_of(mixed.bodies))
thinking = sessions.thinking_session(504)
document = same_as_alone("old thinking", trace_of(thinking.bodies, "--thinking", "drop-old"))
t.ok(len(document["verdicts"]) > 1, "templates that drop it and those that keep it differ", document["verdicts"])

# ---- the page and the last lines name them all
page = t.path("page.html")
t.command([lib.KVSCOPE, "report", "--html", page, hoisting])
t.ok("judged by what ollama+plain/glm do" in pathlib.Path(page).read_text(), "the page names the candidates that it judges by")
with t.mock(*lib.FAST, "--cache-tokens", "100000000", "--system-turns", "hoist") as mock:
    script = t.path("requests.json")
    script.write_text(json.dumps([["s", None, body] for body in turns.bodies]))
    run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
t.ok("if the backend is ollama+plain/glm." in run.err, "and so does run", run.err)

# ---- whose settings: the same prompts from a program that is not Claude Code
turns = sessions.turns_session(505, sessions.plant_countdown, "system_turn_hoisted")
for body in turns.bodies:
    body["system"] = [block for block in body["system"] if not block["text"].startswith(("x-anthropic", "You are Claude"))]
other = trace_of(turns.bodies, "--system-turns", "hoist")
answer, misses = why(other, "--engine", "vllm+qwen3"), judged(other, "--engine", "vllm+qwen3")["misses"]
t.ok("export" not in answer.out and all(m["fix"]["env"] is None for m in misses) and
     all("--chat-template" in m["fix"]["server"] for m in misses if not m["expected"]),
     "another program gets no setting of Claude Code, and the server's fix all the same", answer.out)
turns = sessions.turns_session(505, sessions.plant_countdown, "system_turn_hoisted")
t.ok("export CLAUDE_CODE" in why(trace_of(turns.bodies, "--system-turns", "hoist"), "--engine", "vllm+qwen3").out,
     "Claude Code behind a gateway, known by its attribution block, does")

# A trace that was cut before the first answer.
whole = trace_of(sessions.turns_session(506, sessions.plant_countdown, "system_turn_hoisted").bodies, name="cut")
lines = whole.read_text().splitlines(keepends=True)
before = lines[:next(n for n, line in enumerate(lines) if json.loads(line)["type"] == "exchange")]
cut = t.path("cut.jsonl")
cut.write_text("".join(before))
unanswered = sum(json.loads(line)["type"] == "request" for line in before)
for options in ((), ("--engine", "llama.cpp")):
    answer = why(cut, *options)
    t.ok(answer.status == 0 and answer.err.count("candidates") == 0 and
         answer.out == "Nothing to compare: the trace has no finished request" +
         (f" ({unanswered} request{'s' * (unanswered > 1)} without an answer).\n" if unanswered else ".\n"),
         f"no finished request: nothing is claimed {options}", answer.out + answer.err)
document = json.loads(why(cut, "--json").out)
t.equal((document["verdicts"], document["misses"]), ([], []), "nor as JSON")
t.done()
