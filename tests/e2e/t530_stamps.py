#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our stamps and the mock's, on one clock: what was sent was sent before it was received."""
import itertools

import lib

t = lib.Test()
with t.mock("--prefill-rate", "20000", "--decode-rate", "200", "--parallel", "4", "--script",
            str(lib.ROOT / "examples/agent/script.json")) as mock:
    run = t.run([lib.BUILD / "examples/agent", "--base-url", mock.url])
    heard = {entry["sha256"]: entry["times_ns"] for entry in mock.bodies()}
ours = [(x["times_ns"], heard.get(x["request"]["sha256"])) for x in run.exchanges()]
t.ok(len(ours) == 15 and all(mine and its for mine, its in ours), "fifteen requests to compare", run.err)


def before(name, pairs):
    """Each first stamp exists and is not after the second one."""
    wrong = [pair for pair in pairs if None in pair or pair[0] > pair[1]]
    t.ok(not wrong, name, f"{len(wrong)} of {len(pairs)} are not: {wrong[:3]}")


before("request_start <= the mock has the head", [(mine["request_start"], its["head_complete"]) for mine, its in ours])
before("request_start <= the mock has the body", [(mine["request_start"], its["body_complete"]) for mine, its in ours])
for stamp in "first_byte", "message_start", "first_content", "end":
    before(f"the mock sends {stamp} <= {stamp}", [(its[stamp], mine[stamp]) for mine, its in ours])
order = "request_start", "request_end", "first_byte", "headers", "message_start", "first_content", "end"
for one, two in itertools.pairwise(order):
    before(f"{one} <= {two}", [(mine[one], mine[two]) for mine, _ in ours])
before("a request starts after the one before it on its connection has ended",
       [(one["end"], two["request_start"]) for (one, _), (two, _) in itertools.pairwise(ours)])
t.done()
