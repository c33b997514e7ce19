#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A signal handler that talks in the middle of its thread's own calls: nothing is torn, what is missing is counted."""
import re

import lib
import shim

t = lib.Test()
program = [shim.HOST / "signals"]
bare = shim.command(t, program)
with shim.Ring(t) as ring:
    run = ring.run(program)
    t.ok(bare.status == 0, "it runs alone", bare.out + bare.err)
    t.equal((run.status, run.out), (bare.status, bare.out), "same output")
    records, loss = ring.take()
t.equal((loss["corrupt"], loss["full"], loss["voided"], loss["identity"]), (False, 0, 0, 0), "the ring is sound")
torn = [r for r in records if r["type"] == "send" and not re.fullmatch(
    rb"POST /v1/messages HTTP/1.1\r\n|piece \d+\.+|handler ", r["payload"])]
t.equal(torn[:3], [], "every record is whole")
pieces = [int(r["payload"][6:r["payload"].index(b".")]) for r in records if r["payload"].startswith(b"piece")]
t.equal(pieces, list(range(20000)), "the program's own bytes are complete and in order")
handled = [r for r in records if r["payload"] == b"handler "]
missing = sum(1 for _ in shim.gapless([r for r in records if r["payload"] == b"handler " or b"POST" in r["payload"]]))
t.ok(handled, f"{len(handled)} sends of the handler were recorded, {loss['nested']} were turned away")
t.ok(missing <= loss["nested"], "holes are no more than were counted", f"{missing} holes, {loss['nested']} counted")
t.equal(loss["bytes"], 8 * loss["nested"], "counted in bytes, too")
t.done()
