#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why where the cache is too small: a conversation that outgrows it, several that do not fit side by side, caches of
blocks and caches of whole sequences.

The oracle is behaviour: with a larger cache the mock's own cached count recovers, and nothing is said; where it is a slot that
is missing, a larger cache does not help.
"""
import json
import random

import lib
import scripted
import sessions

t = lib.Test()
LARGE = 10_000_000


def play(requests, *options):
    """Sends [(session, agent, body)]; returns the trace and the mock's log, an entry per request."""
    script = t.path("requests.json")
    script.write_text(json.dumps(requests))
    with t.mock(*lib.FAST, *options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
        log = mock.bodies()
    if run.status != 0 or len(log) != len(requests):
        raise RuntimeError(f"{run.status}, {len(log)} of {len(requests)}: {run.out}{run.err}")
    return run.trace, log


def misses(trace, engine):
    answer = t.command([lib.KVSCOPE, "why", "--engine", engine, "--json", trace])
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return [m for m in json.loads(answer.out)["misses"] if m["cause"] != "first_request"]


def named(seed, turns=8):
    return [(f"c{seed}", None, body) for body in sessions.session(seed, turns=turns).bodies]


def alternating(rng, *conversations):
    """Their turns, in their order, in stretches of one to three."""
    left = [list(c) for c in conversations]
    mixed = []
    while any(left):
        queue = rng.choice([q for q in left if q])
        for _ in range(rng.randint(1, 3)):
            if queue:
                mixed.append(queue.pop(0))
    return mixed


def lost(requests, log):
    """Requests that found less than the one before of their conversation had left, by the mock's own count."""
    newest, found = {}, set()
    for n, ((name, _, _), entry) in enumerate(zip(requests, log)):
        if name in newest and entry["cached_tokens"] < newest[name] - 96:
            found.add(n + 1)
        newest[name] = entry["prompt_tokens"]
    return found


# ---- one conversation outgrows the cache, another is not there
right, wrong, quiet = 0, [], True
for seed in range(600, 606):
    requests = named(seed, turns=9)
    trace, length = play(requests, "--cache-tokens", str(LARGE))
    quiet = quiet and not lost(requests, length) and not misses(trace, "vllm+plain")
    # Between the third prompt and the seventh, so that there are losses, and more than one.
    size = random.Random(seed).randint(length[2]["prompt_tokens"], length[5]["prompt_tokens"])
    trace, log = play(requests, "--cache-tokens", str(size))
    said = {m["exchange"]: m for m in misses(trace, "vllm+plain")}
    due = lost(requests, log)
    good = due and set(said) == due and {m["cause"] for m in said.values()} == {"cache_too_small"}
    good = good and all(abs(m["cache_tokens"] - size) < 64 for m in said.values())
    right += bool(good)
    wrong += [] if good else [(seed, size, due, [(m["exchange"], m["cause"], m["cache_tokens"]) for m in said.values()])]
t.equal((right, wrong), (6, []), "6 conversations that outgrow the cache: named at each loss, with the size of the cache")
t.ok(quiet, "in a larger cache it is found again, and nothing is said")

# ---- two or three conversations that fit alone and not side by side
right, wrong, alarms, losses = 0, [], [], 0
for seed in range(640, 646):
    rng = random.Random(seed)
    requests = alternating(rng, *(named(seed * 10 + k, turns=6) for k in range(rng.randint(2, 3))))
    large, log = play(requests, "--cache-tokens", str(LARGE))
    length = [e["prompt_tokens"] for e in log]
    size = int(rng.uniform(1.1, 1.7) * max(length))
    trace, log = play(requests, "--cache-tokens", str(size))
    due = lost(requests, log)
    said = {m["exchange"]: m["cause"] for m in misses(trace, "vllm+plain")}
    losses += len(due)
    right += sum(said.get(n) == "cache_too_small" for n in due)
    wrong += [(seed, n, said.get(n)) for n in due if said.get(n) not in ("cache_too_small", "slot_evicted")]
    alarms += [(seed, n) for n in said if n not in due] + misses(large, "vllm+plain")
t.ok(losses > 8 and not wrong, f"{losses} losses of conversations side by side: {right} by the cache's size, the others by others' "
     "requests", wrong)
t.ok(right > losses / 2, "most of them show that it is the size", (right, losses))
t.ok(not alarms, "nothing else is said, and nothing in a larger cache", alarms)

# ---- a cache that keeps a prompt whole or not at all: MLX-LM's, with a limit in bytes
requests = named(670, turns=10)


class Whole(scripted.Backend):
    """Keeps prompts up to a size."""
    limit = LARGE

    def answer(self, body):
        answer = super().answer(body)
        self.kept = [kept for kept in self.kept if len(kept) <= self.limit]
        return answer


def whole(limit):
    with Whole() as backend:
        backend.limit = limit
        script = t.path("requests.json")
        script.write_text(json.dumps(requests))
        run = t.run(["python3", lib.CLIENTS / "sessions.py", backend.url, script])
    return run.trace, backend.cached


counts = whole(LARGE)[1]
trace, cached = whole(counts[6])
said = misses(trace, "mlx-lm")
t.equal([m["cause"] for m in said], ["cache_too_small"] * cached[1:].count(0), f"prompts of a length and more are not kept: {cached}")
t.ok(len(said) >= 2 and all("--prompt-cache-bytes" in m["fix"]["server"] for m in said), "the fix is the engine's", said)
t.equal(misses(whole(LARGE)[0], "mlx-lm"), [], "all kept: nothing is said")

# ---- what is not the cache's size
trace, cached = whole(0)
t.equal({m["cause"] for m in misses(trace, "mlx-lm")}, {"not_trimmable"}, "nothing is ever kept: no size shows in that")
main = named(680, turns=6)
other = named(681)[:2]
mixed = [*main[:3], *other, *main[3:]]
script = t.path("requests.json")
script.write_text(json.dumps(mixed))
with scripted.Backend(slots=1) as backend:
    run = t.run(["python3", lib.CLIENTS / "sessions.py", backend.url, script])
t.equal([m["cause"] for m in misses(run.trace, "llama.cpp")], ["slot_evicted"], "the only slot taken by another conversation")
t.done()
