#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on sessions that mix breakers: several in a session, some of them two at once.

Judged twice: by what was planted, and by behaviour. For every unexpected miss the cause that was named, and those behind
it, are undone in the request; the backend must then have it in its cache, and must not while one of them is left.
"""
import collections
import json

import lib
import sessions
import undo

t = lib.Test()
SESSIONS = 220
SLACK = 64  # blocks, and the beginning of the answer


def send(requests):
    script = t.path("requests.json")
    script.write_text(json.dumps(requests))
    with t.mock(*lib.FAST, "--cache-tokens", "1000000000") as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script], limit=300)
        log = mock.bodies()
    if run.status != 0 or len(log) != len(requests):
        raise RuntimeError(f"{run.status}, {len(log)} of {len(requests)}: {run.out}{run.err}")
    return run, log


planted = [sessions.mixed_session(20000 + n) for n in range(SESSIONS)]
run, log = send([(s.name, None, body) for s in planted for body in s.bodies])
answer = t.command([lib.KVSCOPE, "why", "--engine", "llama.cpp@b1", "--json", run.trace])
said = {m["exchange"] - 1: m for m in json.loads(answer.out)["misses"]}

# What was planted is what is said.
right = alarms = missed = quiet = 0
wrong, replays = [], []
confusion = collections.Counter()
first = 0
for s in planted:
    good = True
    for n in range(len(s.bodies)):
        m = said.get(first + n)
        due = s.plan.get(n, [])
        if n == 0:
            good &= bool(m) and m["cause"] == "first_request"
            continue
        got = [m["cause"], *m["behind"]] if m else []
        quiet += not due and not got
        alarms += bool(got) and not due
        missed += bool(due) and not got
        if got != due:
            good = False
            wrong.append(f"{s.name}, request {n}: planted {due}, said {got}")
            confusion[str(due), str(got)] += 1
        if m and not m["expected"]:
            replays.append((first + n, s.bodies[n - 1], s.bodies[n], [c for c in got if c not in sessions.EXPECTED],
                            any(c in sessions.EXPECTED for c in got)))
    right += good
    first += len(s.bodies)
print(f"# {SESSIONS} sessions, {len(log)} requests, {quiet} of them quiet, {len(replays)} unexpected misses")
for line in wrong[:40]:
    print("#", line)
t.ok(right >= 0.95 * SESSIONS, f"{right} of {SESSIONS} sessions right", "\n".join(wrong))
t.equal(alarms, 0, "no false alarm")
t.equal(missed, 0, "none missed")

strange = [(m["exchange"], m["lost_tokens"], m["prompt_tokens"]) for m in said.values()
           if m["lost_tokens"] is not None and not 0 <= m["lost_tokens"] <= m["prompt_tokens"]]
t.ok(not strange, "nothing is lost that was not sent", strange)

# Behaviour: as it was, the cache did not hold; undone, it does; with the first cause alone undone it does not yet.
requests, checks = [], []
for at, old, new, causes, ends in replays:
    requests += [(f"replay {at}", None, old), (f"replay {at}", None, undo.undo(causes, old, new))]
    checks.append((at, causes, ends, False))
    if len(causes) > 1:
        requests += [(f"half {at}", None, old), (f"half {at}", None, undo.undo(causes[:1], old, new))]
        checks.append((at, causes[:1], ends, True))
_, undone = send(requests)
held, kept, broken = [], [], []
for k, (at, causes, ends, half) in enumerate(checks):
    before, after, as_it_was = undone[2 * k], undone[2 * k + 1], log[at]
    whole = before["prompt_tokens"] - SLACK
    if as_it_was["cached_tokens"] >= whole:
        held.append(f"exchange {at + 1}: {causes}")
    if half and after["cached_tokens"] >= whole:
        kept.append(f"exchange {at + 1}: {causes}")
    # An expected cause that stands behind cannot be undone: more is cached than before, not all.
    if not half and after["cached_tokens"] < whole and not (ends and after["cached_tokens"] > as_it_was["cached_tokens"]):
        broken.append(f"exchange {at + 1}: {causes}: {after['cached_tokens']} of {before['prompt_tokens']}")
t.ok(not held, f"where a miss is said, the backend had one ({len(replays)})", "\n".join(held))
t.ok(not broken, f"with the named causes undone the cache holds ({len(replays)})", "\n".join(broken))
t.ok(not kept, f"with the first of several undone it does not ({sum(c[3] for c in checks)})", "\n".join(kept))
t.done()
