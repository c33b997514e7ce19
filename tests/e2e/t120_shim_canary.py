#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sockets closed behind the shim's back: what comes under their numbers afterwards never enters the ring."""
import lib
import shim

SECRET = b"canary-was-here"
t = lib.Test()
program = [shim.HOST / "canary"]
bare = shim.command(t, program)
with shim.Ring(t) as ring:
    run = ring.run(program)
    t.ok(bare.status == 0, "it runs alone", bare.out + bare.err)
    t.equal((run.status, run.out), (bare.status, bare.out), "same output")
    raw = ring.raw()
    records, loss = ring.take()
t.ok(b"X-Case: socket" in raw and b"X-Case: afterwards" in raw, "what was meant to be recorded is there")
t.ok(SECRET not in raw, "the secret is nowhere in the ring")
t.ok(loss["identity"] >= 7, "what was turned away was counted", str(loss))
t.equal(shim.gapless(records), [], "offsets follow one another")
pid = next(r["pid"] for r in records if r["type"] == "connect")
ended = [r["conn"] for r in records if r["type"] == "close" and r["pid"] == pid]
t.equal(sorted(ended), sorted({r["conn"] for r in records if r["type"] == "connect"}), "each connection ends once")

if shim.EMULATOR:
    t.done()
# The same with everything behind it.
run = t.run(program, ["-q"])
t.equal((run.status, run.out), (bare.status, bare.out), "kvscope run: same output")
trace = run.trace.read_bytes()
t.ok(trace.count(b'"type":"opaque"') >= 12 and SECRET not in trace, "the secret is nowhere in the trace")
t.done()
