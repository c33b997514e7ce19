#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that stand for other people's run bare, preloaded, and with the library that only forwards: the same output, the
same exit status, and nothing of theirs lost but what is counted."""
import re

import lib
import shim

t = lib.Test()


def names(records):
    """The X-Case names of the requests that were sent, in the order of the ring."""
    found = [re.search(rb"X-Case: ([\w-]+)\r", r["payload"]) for r in records if r["type"] == "send"]
    return [m[1].decode() for m in found if m]


def invisible(name, *arguments, status=0, errors="", ring_bytes=16 << 20):
    """Runs a host program in its three ways. Returns records and counters of the one that was recorded."""
    program = [shim.HOST / name, *arguments]
    what = " ".join([name, *arguments])
    bare = shim.command(t, program)
    t.equal((bare.status, errors if shim.EMULATOR else bare.err), (status, errors), f"{what}: it runs alone")
    nop = shim.command(t, program, shim.NOP)
    t.equal((nop.status, nop.out, nop.err), (bare.status, bare.out, bare.err), f"{what}: the same with hooks that only forward")
    with shim.Ring(t, ring_bytes) as ring:
        run = ring.run(program)
        t.equal((run.status, run.out, run.err), (bare.status, bare.out, bare.err), f"{what}: the same recorded")
        records, loss = ring.take()
    t.ok(not loss["corrupt"], f"{what}: the ring is sound")
    return records, loss


# ---- results, errno, interruptions, partial transfers, numbers
records, loss = invisible("behaviour")
t.equal(shim.lost(loss), {}, "behaviour: nothing was lost")
t.equal(shim.gapless(records), [], "behaviour: offsets follow one another")
one = {r["conn"] for r in records if r["payload"] == b"zero copy"}
t.equal([r["type"] for r in records if r["conn"] in one], ["connect", "class", "send", "send", "recv", "close"],
        "behaviour: the queue of errors is no part of the stream, and not its end")

# ---- ways to end
for how, status in {"exit": 40, "_exit": 41, "quick": 42, "thread": 43, "main-thread": 43, "group": 44, "handler": 10,
                    "abort": -6, "kill": -9, "segv": -11}.items():
    records, loss = invisible("exits", how, status=status)
    t.ok(how in names(records) and loss["voided"] <= 2, f"exits {how}: what was sent before is there", loss)

records, loss = invisible("exits", "overflow", status=-6, errors="*** buffer overflow detected ***: terminated\n")
t.ok("overflow" in names(records), "exits overflow: libc's own check ends it, as ever")

# ---- threads that end in the middle
records, loss = invisible("threads", ring_bytes=64 << 20)
t.ok(set(shim.lost(loss)) <= {"voided", "nested", "undecided", "bytes"}, "threads: what is lost is what was left unfinished", loss)
t.ok(loss["voided"] <= 12 + 40, "threads: one record at most for each that was left", loss)
t.ok({f"exit-{i}" for i in range(8)} | {"afterwards"} <= set(names(records)), "threads: the others are recorded", names(records))
torn = [r for r in records if r["type"] == "send" and not re.fullmatch(rb"POST /v1/messages HTTP/1.1\r\n(X-Case: .*)?\s*|x+|y+",
                                                                       r["payload"], re.S)]
t.equal(torn[:2], [], "threads: no record is torn")
if shim.EMULATOR:
    t.done()  # what follows starts programs of this machine, or limits the emulator

# ---- processes
records, loss = invisible("children")
t.equal(shim.lost(loss), {}, "children: nothing was lost")
seen = names(records)
t.equal(sorted(n for n in seen if n.startswith("storm")), sorted(f"storm-{i}-{k}" for i in range(24) for k in range(8)),
        "children: every request of the storm, once")
t.ok({"daemon", "by-number", "by-clone", "by-Fork", "before-vforks", "after-vforks"} <= set(seen) and seen.count("beside-forks") == 400,
     "children: of daemons and others, too", seen[-20:])
t.equal(shim.gapless(records), [], "children: offsets follow one another")

# ---- filters of system calls that main installs
for how in "prctl", "seccomp", "strict", "child":
    records, loss = invisible("sandbox", how)
    blind = [r["arg"] for r in records if r["type"] == "blind"]
    confined = how != "child"
    t.equal(blind, [5] if confined else [], f"sandbox {how}: the trace will say what ended")
    t.equal(names(records), ["before", "still-seen"] + ([] if confined else ["confined", "confined-too", "confined-first"]),
            f"sandbox {how}: recorded as long as system calls are free")
    t.equal(loss["passthrough"], confined, f"sandbox {how}: one process that records no more")

# ---- limits
records, loss = invisible("limits")
t.equal(shim.lost(loss), {}, "limits: nothing was lost")
t.equal(names(records), ["unlimited", "little-memory", "no-descriptors", "no-files", "nothing-locked", "all-locked", "small-stack"],
        "limits: all of it was recorded")
t.done()
