#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our stamps and the mock's, on one clock: what was sent was sent before it was received."""
import lib

t = lib.Test()
with t.mock("--prefill-rate", "20000", "--decode-rate", "200", "--script",
            str(lib.ROOT / "examples/agent/script.json")) as mock:
    run = t.run([lib.BUILD / "examples/agent", "--base-url", mock.url])
    t.equal(len(run.exchanges()), 15, "fifteen requests to compare")
    for name, wrong in lib.stamp_orders(run, mock):
        t.ok(not wrong, name, "\n".join(wrong))
    # One connection at a time: no request begins before the answer to the one before it has ended.
    times = [x["times_ns"] for x in run.exchanges()]
    t.ok(all(one["end"] <= two["request_start"] for one, two in zip(times, times[1:])), "requests do not overlap", times)
t.done()
