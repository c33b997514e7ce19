#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a call costs, in machine instructions of its own, which are the same on a busy machine: next to nothing where nobody is
followed, and a bounded number where bytes are recorded, or only counted."""
import lib
import shim

# Over the library that only forwards. A load, a comparison, a branch; a record, whose clocks are a third of it; a call that is added
# up, of which half is the look at what was sent.
UNTRACKED_MAX, RECORDED_MAX, ADDED_MAX = 16, 1500, 1000

t = lib.Test()
for case, most in (("read", UNTRACKED_MAX), ("write", UNTRACKED_MAX), ("close", UNTRACKED_MAX), ("send", RECORDED_MAX),
                   ("recv", RECORDED_MAX), ("ask", ADDED_MAX), ("answer", ADDED_MAX // 2)):
    nop = shim.command(t, [shim.HOST / "cost", case], shim.NOP)
    with shim.Ring(t, 1 << 20) as ring:
        full = ring.run([shim.HOST / "cost", case])
        records, loss = ring.take()
    if nop.status or full.status:
        t.ok(False, f"{case}: counted", nop.out + nop.err + full.out + full.err)
        continue
    over = float(full.out) - float(nop.out)
    kept = sum(r["type"] == case for r in records if r["payload"])
    t.ok(0 <= over <= most and (kept > 0) == (most == RECORDED_MAX) and not shim.lost(loss),
         f"{case}: {over:.1f} instructions over {float(nop.out):.1f}, at most {most}", f"{kept} records, {loss}")
t.done()
