#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on generated sessions: the planted cause at the planted request, nothing where nothing was planted.

The oracle is behaviour: the backend's own cached count falls at the planted request, and does not with the cause undone.
"""
import collections
import json
import random

import lib
import sessions

t = lib.Test()
table = collections.defaultdict(collections.Counter)
right = wrong = alarms = 0


def send(requests, *mock_options):
    """Plays [(session, agent, body)] to a mock; returns the run and the mock's log, one entry per request."""
    script = t.path("requests.json")
    script.write_text(json.dumps(requests))
    with t.mock(*lib.FAST, "--cache-tokens", "100000000", *mock_options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
        log = mock.bodies()
    if run.status != 0 or len(log) != len(requests):
        raise RuntimeError(f"{run.status}, {len(log)} of {len(requests)}: {run.out}{run.err}")
    return run, log


def why(run, engine):
    answer = t.command([lib.KVSCOPE, "why", "--engine", engine, "--json", run.trace])
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return json.loads(answer.out)["misses"]


def judge(planted, engine, *mock_options):
    """Sends the sessions and compares what was planted with what is said. Returns (sessions right, wrong, alarms)."""
    requests = [(s.name, None, body) for s in planted for body in s.bodies]
    run, log = send(requests, *mock_options)
    said = {m["exchange"] - 1: m for m in why(run, engine)}
    first = 0
    result = [0, 0, 0]
    for s in planted:
        good = True
        for n in range(len(s.bodies)):
            m = said.get(first + n)
            if n == 0:
                good &= bool(m) and m["cause"] == "first_request" and m["expected"]
                continue
            due = {**s.causes, **s.expected}.get(n)
            got = m["cause"] if m else None
            table[due or "nothing"][got or "nothing"] += 1
            if due is None and got is not None:
                result[2] += 1
            good &= due == got and (m is None or m["expected"] == (n in s.expected))
            held = log[first + n]["cached_tokens"] > log[first + n - 1]["prompt_tokens"] - 64
            if due and held:
                print(f"# {s.name}: the cache held at request {n} in spite of {due}")
                good = False
        result[0 if good else 1] += 1
        if not good:
            print(f"# {s.name}: planted {s.causes or s.expected or 'nothing'}, said",
                  {n: said[first + n]["cause"] for n in range(1, len(s.bodies)) if first + n in said})
        first += len(s.bodies)
    return result


def add(result):
    global right, wrong, alarms
    right, wrong, alarms = right + result[0], wrong + result[1], alarms + result[2]
    return result


# A server that changes nothing; each cause many times, and healthy sessions between them.
plain = [sessions.session(1000 + 20 * k + n, cause) for k, cause in enumerate(sessions.PLANTS) for n in range(10)]
healthy = [sessions.session(5000 + n) for n in range(40)]
mixed = plain + healthy
random.Random(1).shuffle(mixed)
result = add(judge(mixed, "llama.cpp@b1"))
t.ok(result[1] == 0 and result[2] == 0, f"causes on the wire: {result[0]} sessions right", f"wrong, alarms {result[1:]}")

# With the cause undone the same requests find their prefix in the cache.
twins = [s for s in plain if s.twin][::4]
_, log = send([(f"twin {s.name}", None, body) for s in twins for body in s.twin])
first, lost = 0, []
for s in twins:
    if log[first + s.at]["cached_tokens"] <= log[first + s.at - 1]["prompt_tokens"] - 64:
        lost.append(s.name)
    first += len(s.twin)
t.ok(not lost, f"undone, the cache holds: {len(twins)} sessions", lost)

# System turns, kept in place and hoisted; countdowns are found behind the hoist.
turns = [sessions.turns_session(6000 + n, sessions.plant_turn, "system_turn_hoisted") for n in range(10)]
countdowns = [sessions.turns_session(6100 + n, sessions.plant_countdown, "system_turn_hoisted") for n in range(10)]
result = add(judge(turns + countdowns, "ollama", "--system-turns", "hoist"))
t.ok(result[1] == 0, f"hoisted system turns: {result[0]} sessions right", f"wrong, alarms {result[1:]}")
run, _ = send([(s.name, None, body) for s in countdowns[:2] for body in s.bodies], "--system-turns", "hoist")
behind = [m["behind"] for m in why(run, "ollama") if not m["expected"]]
t.ok(behind and all("total_tokens_reminder" in b for b in behind), "the countdown is found behind the hoist", behind)
for s in turns + countdowns:
    s.causes = {}
result = add(judge(turns + countdowns, "llama.cpp"))
t.ok(result[1] == 0, f"system turns in place are no break: {result[0]} sessions quiet", f"wrong, alarms {result[1:]}")

run, _ = send([(s.name, None, body) for s in turns[:1] for body in s.bodies])
answer = json.loads(t.command([lib.KVSCOPE, "why", "--engine", "llama.cpp+qwen3", "--json", run.trace]).out)
text = t.command([lib.KVSCOPE, "why", "--engine", "llama.cpp+qwen3", run.trace]).out
t.ok(answer["verdicts"][0]["refused"] == 4 and "4 prompts such a backend would refuse" in text,
     "a template that takes no system turns: how many prompts it would refuse", text)

# Old thinking dropped by the template, and kept.
thinking = [sessions.thinking_session(7000 + n) for n in range(20)]
result = add(judge(thinking, "llama.cpp+qwen3", "--thinking", "drop-old", "--head", "system"))
t.ok(result[1] == 0, f"thinking dropped by the template: {result[0]} sessions right", f"wrong, alarms {result[1:]}")
for s in thinking:
    s.causes = {}
result = add(judge(thinking, "llama.cpp+plain"))
t.ok(result[1] == 0, f"thinking that is kept: {result[0]} sessions quiet", f"wrong, alarms {result[1:]}")

# The billing block changes with every request: a break where the server keeps it, none where it is masked or removed.
billing = [s for s in plain if "billing_header" in s.causes.values()]
for s in billing:
    s.causes = {}
result = add(judge(billing, "llama.cpp", "--billing", "mask"))
t.ok(result[1] == 0, f"a masked billing block: {result[0]} sessions quiet", f"wrong, alarms {result[1:]}")
result = add(judge(billing, "vllm+plain", "--billing", "remove"))
t.ok(result[1] == 0, f"a removed billing block: {result[0]} sessions quiet", f"wrong, alarms {result[1:]}")

# Two conversations take turns; the cache holds one: the engine reports the loss, the prompts are unbroken.
a, b = sessions.session(8000), sessions.session(8001)
largest = 0
with t.mock(*lib.FAST) as mock:
    script = t.path("requests.json")
    script.write_text(json.dumps([("probe", None, a.bodies[-1])]))
    t.command(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
    largest = mock.bodies()[0]["prompt_tokens"]
turned = [("s", agent, body) for pair in zip(a.bodies, b.bodies) for agent, body in zip((None, "reader"), pair)]
run, log = send(turned, "--cache-tokens", str(largest + 200))
causes = collections.Counter(m["cause"] for m in why(run, "llama.cpp@b1"))
t.ok(causes["cache_too_small"] >= 8 and set(causes) == {"first_request", "cache_too_small"},
     "two conversations in a cache of blocks for one: their beginnings stay, so it is its size", dict(causes))

total = right + wrong
for due, got in sorted(table.items()):
    print(f"# {due:36} {dict(got)}")
t.ok(total >= 200 and right >= 0.95 * total, f"{right} of {total} sessions right")
t.equal(alarms, 0, "no false alarm")
t.done()
