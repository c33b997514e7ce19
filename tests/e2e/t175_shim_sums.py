#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A connection that carries other HTTP without a pause: few records, and no byte of it missing however the program ends, but
for what it had not told when it was killed."""
import re
import signal

import lib
import shim

SUM = 32
PROGRAM = shim.HOST / "sums"
t = lib.Test()


def total(records, kind):
    return sum(r["wire_bytes"] for r in records if r["type"] == kind)


for how, status, exact in (("close", 3, True), ("exit", 3, True), ("_exit", 3, False), ("kill", -signal.SIGKILL, False)):
    with shim.Ring(t) as ring:
        bare, run = shim.command(t, [PROGRAM, how]), ring.run([PROGRAM, how])
        t.equal((run.status, run.out, run.err), (bare.status, bare.out, bare.err), f"{how}: same output")
        t.equal(run.status, status, f"{how}: the program's status")
        passed = [int(n) for n in re.findall(r"\d+", run.out)]
        t.ok(b"secret" not in ring.raw(), f"{how}: no content in the ring")
        records, loss = ring.take()
    sums = [r for r in records if r["flags"] & SUM]
    told = [total(records, kind) for kind in shim.SEND_KINDS]
    t.ok(not shim.lost(loss) and not shim.gapless(records), f"{how}: no loss, no hole", loss)
    t.ok(told == passed if exact else all(0 < some <= all_ for some, all_ in zip(told, passed)),
         f"{how}: {'to the byte' if exact else 'not more than'} what passed", f"{told} of {passed}")
    t.ok(sums or not exact, f"{how}: calls are added up", f"{len(records)} records")
    t.ok(all(r["payload"] == b"" and r["end_ns"] == 0 for r in sums), f"{how}: sums are sizes alone", sums)

# A request to a language model in the middle of it is recorded whole, and what was not meant to be read is no hole before it.
bare, run = t.command([PROGRAM, "promote"]), t.run([PROGRAM, "promote"], ["-q"])
t.equal((run.status, run.out, run.err), (bare.status, bare.out, bare.err), "promote: same output")
t.valid_trace(run, "promote")
exchanges, opaque, loss = run.exchanges(), run.lines("opaque"), run.lines("loss")
t.equal([(x["request"]["bytes"], x["request"]["exact"], x["response"]["status"], x["response"]["bytes"]) for x in exchanges],
        [(61, True, 200, 13)], "promote: the exchange")
t.equal([[o["kind"], o["sent_bytes"], o["received_bytes"]] for o in opaque], [["http", *map(int, re.findall(r"\d+", run.out))]],
        "promote: what was watched, to the byte")
t.ok(not loss, "promote: no loss", loss)
t.ok(opaque[0]["times_ns"]["first_received"] < exchanges[0]["times_ns"]["request_start"] < exchanges[0]["times_ns"]["end"],
     "promote: in order", (opaque, exchanges))
t.ok(b"secret" not in run.trace.read_bytes(), "promote: no content of what was watched")
t.done()
