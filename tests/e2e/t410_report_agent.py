#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope report on a session of the example agent, against what the backend knows of it."""
import json

import lib

t = lib.Test()
with t.mock("--prefill-rate", "20000", "--decode-rate", "400", "--script",
            str(lib.ROOT / "examples/agent/script.json")) as mock:
    run = t.run([lib.BUILD / "examples/agent", "--base-url", mock.url])
    log = mock.bodies()
t.equal(run.status, 0, "the agent ends well")
report = t.command([lib.KVSCOPE, "report", "--json", run.trace])
t.equal(report.status, 0, "so does the report")
data = json.loads(report.out)
exchanges = data["exchanges"]

t.equal([x["tokens"]["prompt"] for x in exchanges], [e["prompt_tokens"] for e in log], "prompt tokens of each request")
t.equal([x["tokens"]["cached"] for x in exchanges], [e["cached_tokens"] for e in log], "cached tokens of each request")
t.equal(data["tokens"]["sent"], sum(e["prompt_tokens"] for e in log), "tokens sent")
t.equal((data["tokens"]["basis"], data["tokens"]["split_basis"]), ("reported", "reported"), "all of it reported")

roles = {lineage["role"]: lineage["requests"] for s in data["sessions"] for lineage in s["lineages"]}
t.equal((len(data["sessions"]), roles), (1, {"main": 12, "subagent": 3}), "one session, two conversations")

# Each prompt of this agent continues the one before it: what is repeated is that one, whole.
last = {}
expected = []
for x, e in zip(exchanges, log):
    expected.append(last.get(x["lineage"], 0))
    last[x["lineage"]] = e["prompt_tokens"]
t.equal([x["tokens"]["repeated"] for x in exchanges], expected, "repeated tokens of each request")

# A cache that holds gives back what was repeated, to a block, and what both agents share.
t.ok(all(x["tokens"]["cached"] > x["tokens"]["repeated"] - 32 for x in exchanges), "the cache had what was repeated",
     [(x["tokens"]["cached"], x["tokens"]["repeated"]) for x in exchanges])

# The mock's own clock lies inside ours: we see the request go earlier and the first content come later.
inside = [(x["id"], x["times_ns"]["first_content"] - x["times_ns"]["request_start"],
           e["times_ns"]["first_content"] - e["times_ns"]["body_complete"])
          for x, e in zip(exchanges, log) if x["times_ns"]["first_content"]]
t.equal([i for i in inside if i[1] < i[2]], [], "no TTFT is shorter than the mock's")
t.equal(data["seconds"]["ttft_requests"], 15, "all have one")
t.equal([s["requests"] for s in data["system_prompts"]], [12, 3], "two system prompts")
t.equal(data["warnings"], [], "no warnings")
t.done()
