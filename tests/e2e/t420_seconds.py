#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a session costs in seconds, against a backend that knows: the prefill that the report finds is what the mock
says it took, what a cache that holds would save is what it does save, claims that the clock contradicts are found."""
import json
import os
import subprocess

import calm
import lib
import sessions

t = lib.Test()
AGENT = lib.BUILD / "examples/agent"
SCRIPT = ("--script", lib.ROOT / "examples/agent/script.json")
RATE = 20000
RATES = ("--prefill-rate", str(RATE), "--decode-rate", "2000")
NOTHING = {**os.environ, "NO_COLOR": "1"}


def report(trace):
    run = t.command([lib.KVSCOPE, "report", "--json", trace])
    return json.loads(run.out)


class Session:
    """The example agent against a mock with these options: the trace with the machine's load taken out (raw: with it), its
    report, the mock's log and how many seconds of prefill it stands for."""

    def __init__(self, *options):
        with t.mock(*RATES, *SCRIPT, *options) as mock:
            self.raw = t.run([AGENT, "--base-url", mock.url]).trace
            self.log = [e for e in mock.bodies() if e["times_ns"].get("prefill_start")]
        self.trace, self.prefill = calm.calm(self.raw, self.log, RATE, t.path("calm.jsonl"))
        self.report = report(self.trace)


def near(got, expected, share, floor=0.0):
    return got is not None and abs(got - expected) <= share * expected + floor


thrash, held = Session("--cache-tokens", "2048"), Session()
lost, kept = thrash.report, held.report

# ---- what it was
for name, one in (("thrashing", thrash), ("holding", held)):
    doc, s = one.report, one.report["seconds"]
    parts = [s[k] for k in ("prefill_new", "re_prefill", "prefill_unsplit", "decode", "client", "idle", "unknown")]
    t.ok(abs(sum(parts) - s["wall"]) < 1e-3, f"{name}: the parts add up to the wall time", s)
    t.ok(near(s["prefill"], one.prefill, 0.01, 0.001 * len(one.log)), f"{name}: the prefill is what the mock took",
         (s["prefill"], one.prefill))
    t.ok(report(one.raw)["seconds"]["prefill"] > 0.99 * one.prefill, f"{name}: and no less as it was recorded")
    t.equal(doc["prefilled"]["tokens"], sum(e["new_tokens"] for e in one.log), f"{name}: prefilled tokens")
    t.equal((doc["prefilled"]["unknown_requests"], doc["speedup"]["unknown_requests"]), (0, 0), f"{name}: all is known")

model = lost["backends"][0]["prefill_model"]
t.ok(model["points"] >= 10 and near(1 / (model["b"] + model["d"]), RATE, 0.02), "the model has the mock's rate", model)

# ---- what it would be
again, new = lost["prefilled"]["again"], sum(e["new_tokens"] for e in held.log)
t.ok(near(again, sum(e["new_tokens"] for e in thrash.log) - new, 0.02), "tokens prefilled again are those that a cache saves",
     (again, new))
t.equal(kept["prefilled"]["again"], 0, "nothing is where it holds")
saved = thrash.prefill - held.prefill
t.ok(near(lost["speedup"]["saved"], saved, 0.02), "the seconds saved are those that a cache saves",
     (lost["speedup"], saved))
t.ok(lost["speedup"]["factor"] > 2 and near(kept["speedup"]["factor"], 1, 0.01), "and the speed-up follows",
     (lost["speedup"], kept["speedup"]))
t.ok(lost["seconds"]["system_prompt"] > 0.5 * lost["seconds"]["prefill"], "most of it is tools and system prompt")

# ---- the same in words, and by cause
text = t.command([lib.KVSCOPE, "report", thrash.trace], env=NOTHING).out
t.ok("were prefilled again although the model had seen them" in " ".join(text.split()) and
     "A prefix cache that holds saves" in " ".join(text.split()) and "Where the time went" in text, "the text says it", text)
text = t.command([lib.KVSCOPE, "report", held.trace], env=NOTHING).out
t.ok("The prefix cache held." in " ".join(text.split()), "and that all is well", text)


def flat(line):
    """As if every prompt had been read in 2 ms."""
    x = json.loads(line)
    if x["type"] == "exchange":
        first = x["times_ns"]["request_end"] + 2000000
        x["times_ns"] |= dict.fromkeys(("first_byte", "headers", "message_start", "first_content"), first)
    return json.dumps(x) + "\n"


path = t.path("flat.jsonl")
path.write_text("".join(map(flat, thrash.trace.read_text().splitlines())))
text = t.command([lib.KVSCOPE, "report", path], env=NOTHING).out
t.ok("prefill does not grow with the tokens (15 requests" in text, "where no rate can be told, none is", text)
why = json.loads(t.command([lib.KVSCOPE, "why", "--engine", "vllm", "--json", thrash.trace]).out)
lost_seconds = sum(m["seconds_lost"] or 0 for m in why["misses"])
t.ok(near(lost_seconds, lost["seconds"]["re_prefill"], 0.05), "the misses share out the seconds",
     (lost_seconds, lost["seconds"]["re_prefill"]))

# ---- not told is not known
blind = Session("--cache-tokens", "2048", "--no-report").report
t.ok(blind["prefilled"]["tokens"] is None and blind["seconds"]["prefill_unsplit"] > 1 and
     blind["seconds"]["re_prefill"] == 0 and blind["speedup"]["unknown_requests"] > 5,
     "a backend that does not tell what was cached leaves the split unknown", (blind["seconds"], blind["speedup"]))


# ---- claims and the clock: the same answers with other counts
def lie(trace, change):
    lines = []
    for line in trace.read_text().splitlines():
        x = json.loads(line)
        if x["type"] == "exchange":
            for usage in (x["response"]["usage"], x["response"]["usage_start"], x["response"]["usage_end"]):
                if usage and usage["cache_read_input_tokens"] is not None:
                    total = usage["cache_read_input_tokens"] + usage["input_tokens"]
                    usage["cache_read_input_tokens"] = cached = change(x["id"], usage["cache_read_input_tokens"], total)
                    usage["input_tokens"] = total - cached
        lines.append(json.dumps(x))
    path = t.path("lie.jsonl")
    path.write_text("\n".join(lines) + "\n")
    return report(path)


claims = lie(thrash.trace, lambda i, cached, total: total - 60 if i in (3, 5) else cached)
t.equal([x["id"] for x in claims["exchanges"] if x["cost"]["claim"] == "hit_too_slow"], [3, 5],
        "claimed hits that took as long as misses")
claims = lie(held.trace, lambda i, cached, total: 0 if i in (4, 6) else cached)
t.equal([x["id"] for x in claims["exchanges"] if x["cost"]["claim"] == "miss_too_fast"], [4, 6],
        "claimed misses that were as fast as hits")
t.ok(claims["seconds"]["re_prefill"] < 0.05, "the time is believed", claims["seconds"])
t.equal({x["cost"]["claim"] for x in lost["exchanges"] + kept["exchanges"]}, {None, "plausible"}, "true ones are not suspected")

# ---- run ends with it
state = t.path("state")
project = t.path("project")
for folder in (state, project):
    folder.mkdir()
environment = {**NOTHING, "XDG_STATE_HOME": str(state)}
for name in ("CLAUDE_CODE_MODEL_CAPABILITIES", "CLAUDE_CODE_TOTAL_TOKENS_REMINDER"):
    environment.pop(name, None)


def run_default(*options, command, env=environment):
    return t.command([lib.KVSCOPE, "run", *options, "--", *command], env=env, cwd=project)


with t.mock(*RATES, *SCRIPT, "--cache-tokens", "8192") as mock:
    agent = (AGENT, "--base-url", mock.url)
    first = run_default("--fix", command=agent)
    t.ok("--fix: there is no trace of" in first.err, "--fix without a trace says so", first.err)
    lines = first.err.splitlines()
    t.ok(any("prompt tokens were prefilled again" in line and "saves" in line for line in lines) and
         any("unexpected cache miss" in line and "cache_too_small" in line and "Fix: " in line for line in lines) and
         "trace: " in lines[-1], "a run ends with what it cost, the worst cause and its fix", first.err)
    t.ok("CLAUDE" not in first.err, "no setting of Claude Code is proposed to another program", first.err)
    quiet = run_default("-q", command=agent)
    t.ok(quiet.status == 0 and quiet.err == "", "but not with --quiet", quiet.err)
    second = run_default("--fix", command=agent)
    t.ok("shows nothing that a setting of the client would mend" in second.err, "nor is one set", second.err)

# Prompts as Claude Code writes them, with a countdown in every turn.
script = t.path("requests.json")
script.write_text(json.dumps([["s", None, body] for body in
                              sessions.turns_session(420, sessions.plant_countdown, "system_turn_hoisted").bodies]))
wanted = ["CLAUDE_CODE_MODEL_CAPABILITIES=-mid_conv_system,-mid_conv_tool_change", "CLAUDE_CODE_TOTAL_TOKENS_REMINDER=off"]
with t.mock(*RATES, "--cache-tokens", "1000000", "--system-turns", "hoist") as mock:
    client = ("python3", lib.CLIENTS / "sessions.py", mock.url, script)
    run_default(command=client)
    fixed = run_default("--fix", command=client)
    t.equal(fixed.err.splitlines()[:2], [f"kvscope: --fix: {setting}" for setting in wanted], "--fix says what it sets")
    newest = sorted((state / "kvscope").glob("*.jsonl"), key=lambda p: p.stat().st_mtime)[-1]
    t.equal(json.loads(newest.read_text().splitlines()[0]).get("fix"), wanted, "and the trace says it, too")
    own = run_default("--fix", command=client, env={**environment, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER": "0"})
    t.ok("stays 0" in own.err, "what the user set stays", own.err)
    other = t.command([lib.KVSCOPE, "run", "--fix", "--", "env"], env=environment, cwd=project)
    t.ok("there is no trace of env" in other.err and wanted[1] not in other.out, "another command's trace is not asked",
         other.err)
    # A run whose cache held goes on with what it was given.
with t.mock(*RATES, "--cache-tokens", "1000000") as mock:
    for _ in range(2):
        again = run_default("--fix", command=("python3", lib.CLIENTS / "sessions.py", mock.url, script))
    t.ok(f"--fix: {wanted[0]}" in again.err and "The prefix cache held." in again.err, "what helped is set again", again.err)

# ---- who follows a run is warned before the answer comes
def slow(line, origin, by=50):
    """The line as if everything had taken longer."""
    x = json.loads(line)
    if x["type"] == "exchange":
        x["times_ns"] = {k: v and origin + (v - origin) * by for k, v in x["times_ns"].items()}
    return json.dumps(x) + "\n"


lines = thrash.trace.read_text().splitlines()
origin = json.loads(lines[0])["clock"]["monotonic_ns"]
lines = [slow(line, origin) for line in lines]
third = next(i for i, line in enumerate(lines) if json.loads(line)["type"] == "request" and json.loads(line)["id"] == 3)
growing = t.path("growing.jsonl")
growing.write_text("".join(lines[:third + 1]))
follower = subprocess.Popen([lib.KVSCOPE, "report", "--follow", growing], stdout=subprocess.PIPE, text=True, env=NOTHING,
                            start_new_session=True)
t.processes.append(follower)
told = [follower.stdout.readline() for _ in range(3)]
with growing.open("a") as f:
    f.write("".join(lines[third + 1:]))
rest = follower.communicate(timeout=30)[0].splitlines()
t.ok(told[0].startswith("#1 ") and told[1].startswith("#2 ") and "tokens, continues #2, of which only" in told[2] and
     "expect " in told[2], "a warning before the answer: what is expected, and why", told)
t.equal([line.split()[0] for line in rest], [f"#{n}" for n in range(3, 16)], "then the answers, and nothing foretold late")
t.done()
