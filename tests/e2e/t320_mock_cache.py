#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mock's prefix cache as clients see it: usage, metrics, reset, capacity, models, output."""
import lib
from mockclient import messages, metrics, post, request

t = lib.Test()
SYSTEM = "You are a careful assistant who answers in few words and never guesses. " * 20


def usage(mock, content="hello", **kwargs):
    u = messages(mock, content, **kwargs).json()["usage"]
    return u["cache_read_input_tokens"], u["input_tokens"]


with t.mock(*lib.FAST) as mock:
    cached, new = usage(mock, system=SYSTEM)
    total = cached + new
    t.equal(cached, 0, "the first request hits nothing")
    t.equal(usage(mock, system=SYSTEM), ((total - 1) // 16 * 16, total - (total - 1) // 16 * 16),
            "the second hits all full blocks but the one with the last token")
    cached, new = usage(mock, "another question", system=SYSTEM)
    t.ok(total - 32 <= cached < total and new < 48, "another question: the system prompt is a hit", (total, cached, new))
    t.equal(usage(mock, system="One word in front. " + SYSTEM)[0], 0, "a change at the front loses all")
    half = SYSTEM[:700] + "Different. " + SYSTEM[700:]
    cached, new = usage(mock, system=half)
    t.ok(total / 3 < cached < total * 2 / 3, "a change in the middle keeps the first half", (total, cached, new))
    t.equal(usage(mock, system=SYSTEM, model="other")[0], 0, "models share nothing")

    # The history grows by what the mock said itself: that is in the cache already.
    long = [{"role": "user", "content": "tell me"}]
    first = messages(mock, long, system=SYSTEM).json()
    long += [{"role": "assistant", "content": first["content"]}, {"role": "user", "content": "and then"}]
    before = first["usage"]["input_tokens"] + first["usage"]["cache_read_input_tokens"]
    cached, new = usage(mock, long, system=SYSTEM)
    t.ok(cached > before - 1, "what was generated is a hit in the next turn", (before, cached, new))
    entry = mock.log()[-1]
    t.equal((entry["cached_tokens"], entry["new_tokens"], entry["prompt_tokens"]), (cached, new, cached + new), "the log says the same")

    m = metrics(mock)
    bodies = mock.bodies()
    t.equal((m["prompt_tokens_total"], m["cached_tokens_total"], m["prefilled_tokens_total"], m["requests_answered_total"]),
            (sum(b["prompt_tokens"] for b in bodies), sum(b["cached_tokens"] for b in bodies),
             sum(b["new_tokens"] for b in bodies), len(bodies)), "the metrics are the sums of the log")
    t.ok(m["prefill_seconds_total"] > 0 and m["cache_used_tokens"] > total and m["requests_running"] == 0, "gauges", m)

    dropped = request(mock, "POST", "/reset_prefix_cache").json()["dropped_tokens"]
    t.equal((dropped, metrics(mock)["cache_used_tokens"]), (m["cache_used_tokens"], 0), "reset empties the cache")
    t.equal(usage(mock, system=SYSTEM), (0, total), "after a reset nothing is a hit")
    t.equal(usage(mock, system=SYSTEM)[0], (total - 1) // 16 * 16, "... but the next time")

with t.mock(*lib.FAST, "--no-cache") as mock:
    usage(mock, system=SYSTEM)
    t.equal(usage(mock, system=SYSTEM), (0, total), "--no-cache: nothing is ever a hit")

with t.mock(*lib.FAST, "--cache-tokens", str(total + 64)) as mock:
    usage(mock, system=SYSTEM)
    t.ok(usage(mock, system=SYSTEM)[0] > 0, "a cache for one prompt holds one")
    usage(mock, "x", system="Something else entirely. " + SYSTEM)
    t.ok(usage(mock, system=SYSTEM)[0] < 100, "... until another takes its room")
    t.ok(metrics(mock)["cache_used_tokens"] <= total + 64, "the capacity is kept to")

with t.mock(*lib.FAST, "--block", "100") as mock:
    usage(mock, system=SYSTEM)
    t.equal(usage(mock, system=SYSTEM)[0], (total - 1) // 100 * 100, "--block")

# Time: new tokens cost, cached ones do not. 20 blocks a second against none.
with t.mock("--prefill-rate", "2000", "--decode-rate", "0") as mock:
    usage(mock, system=SYSTEM)
    usage(mock, system=SYSTEM)
    cold, warm = ((e["times_ns"]["end"] - e["times_ns"]["prefill_start"]) / 1e9 for e in mock.bodies())
    expected = [e["new_tokens"] / 2000 for e in mock.bodies()]
    t.ok(cold >= expected[0] and warm >= expected[1] and expected[0] > 10 * expected[1], "prefill takes what its new tokens cost",
         (cold, warm, expected))
t.equal(mock.process.returncode, 0, "the mock ends well")
t.done()
