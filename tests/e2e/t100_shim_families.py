#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every family of calls is recorded, byte for byte, and the program does not notice."""
import re

import lib
import shim

t = lib.Test()
program = [shim.HOST / "families"]
bare = shim.command(t, program)
with shim.Ring(t) as ring:
    run = ring.run(program)
    t.ok(bare.status == 0, "it runs alone", bare.out + bare.err)
    t.equal((run.status, run.err), (bare.status, bare.err), "same status")
    t.equal(run.out, bare.out, "same output")
    records, loss = ring.take()
    t.equal(shim.lost(loss), {}, "nothing was lost")
    found = shim.streams(records)
    for name in re.findall(r"^([\w-]+): \d+, HTTP", bare.out, re.M):
        request = f"POST /v1/messages HTTP/1.1\r\nX-Case: {name}\r\n\r\n".encode()
        reply = f"HTTP/1.1 200 OK\r\nX-Case: {name}\r\nContent-Length: 0\r\n\r\n".encode()
        conns = [key for key, sent in found.items() if sent == request and key[2] == "send"]
        t.ok(len(conns) == 1 and found[conns[0][0], conns[0][1], "recv"] == reply, f"{name}: both ways, once",
             f"{len(conns)} connections")
    t.equal(shim.gapless(records), [], "offsets follow one another")
    blind = [r for r in records if r["type"] == "blind"]
    t.equal([(r["arg"], r["wire_bytes"], r["offset"]) for r in blind], [(2, 20, 28)], "sendfile: bytes counted")
    closed = {r["conn"] for r in records if r["type"] == "close"}
    t.equal({r["conn"] for r in records if r["type"] == "connect"} - closed, set(), "every connection was seen to end")
    for r in records:
        if r["type"] == "send" and not 0 < r["time_ns"] <= r["end_ns"]:
            t.ok(False, "sends are stamped before and after", str(r))
run = shim.command(t, program, shim.NOP)
t.equal((run.status, run.out), (bare.status, bare.out), "the library that only forwards: same output")
run = shim.command(t, program, shim.SHIM)
t.equal((run.status, run.out), (bare.status, bare.out), "without a ring: same output")
t.done()
