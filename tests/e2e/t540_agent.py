#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example agent: a session with tools, two agents and a growing history."""
import collections

import lib

t = lib.Test()
with t.mock(*lib.FAST, "--script", str(lib.ROOT / "examples/agent/script.json")) as mock:
    bare = t.command([lib.BUILD / "examples/agent", "--base-url", mock.url])
    bare_log = [lib.shape(entry, True) for entry in mock.log()]
t.ok(bare.status == 0 and "\n15 requests\n" in bare.out, "bare: it plays its fifteen requests", bare.out + bare.err)
with t.mock(*lib.FAST, "--script", str(lib.ROOT / "examples/agent/script.json")) as mock:
    run = t.run([lib.BUILD / "examples/agent", "--base-url", mock.url])
    t.equal(run.status, 0, "wrapped: it ends well")
    t.equal([lib.shape(entry, True) for entry in mock.log()], bare_log, "the mock's log is that of the bare run")
    t.same_bodies(run, mock)
    sessions = {entry["session"] for entry in mock.log()}
t.valid_trace(run)

exchanges = run.exchanges()
t.equal({x["session"] for x in exchanges}, sessions, "the session's name is that of the header")
t.equal(collections.Counter(x["agent"] for x in exchanges), {None: 12, "agent-reader-1": 3}, "two agents")
t.equal(len({(x["prompt"]["system_fingerprint"], x["prompt"]["tools_fingerprint"]) for x in exchanges}), 2,
        "each agent has one system prompt and one set of tools")
t.equal(collections.Counter(x["response"]["stop_reason"] for x in exchanges), {"tool_use": 11, "end_turn": 4},
        "stop reasons as scripted")

# Without the key the trace is no secret.
t.ok(b"sk-ant-example" not in run.trace.read_bytes(), "the key is nowhere in the trace")

shown = t.command([lib.KVSCOPE, "show", run.trace, "3", "--request"])
t.ok(shown.status == 0 and '"model":"claude-sonnet-4-5"' in shown.out, "show rebuilds a body", shown.out[:200] + shown.err)
t.done()
