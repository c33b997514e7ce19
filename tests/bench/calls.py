# SPDX-License-Identifier: MIT
"""The cost of single calls bare, with hooks that only forward, and followed: calls.py ROUNDS. See b3_calls.sh."""
import os
import subprocess
import sys

import bench
import lib

sys.path.insert(0, str(lib.ROOT / "tests/e2e"))
import shim  # noqa: E402

PROGRAM = lib.BUILD / "tests/bench/calls"
RING = 16 << 20
# Fewer records than the ring holds, so that none is dropped while it is measured, and all of it touched before.
SIZES = {64: (100000, 30000), 4096: (4500, 1500), 131072: (140, 50)}
PLAIN = (1000, 20000)
TARGET_NS = 300


def one(test, what, size, variant):
    """The lower quartile of a case in nanoseconds."""
    warm, count = SIZES[size] if what in ("send", "recv") else PLAIN
    if what == "memcpy":
        warm, count = 1 + RING // size, min(4000, RING // size)
    ring = shim.Ring(test, RING) if variant == "shim" else None
    env = dict(os.environ)
    if variant != "bare":
        env["LD_PRELOAD"] = str(bench.SHIM if variant == "shim" else bench.NOP)
    if ring:
        env["KVSCOPE_RING"] = ring.path
    try:
        process = subprocess.Popen([PROGRAM, what, str(size), str(warm), str(count)], env=env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        before = ring.drain() if ring else None
        out, _ = process.communicate("\n")
        if ring and what in ("send", "recv"):
            loss = ring.drain()
            if loss["full"] > before["full"] or loss["records"] < count:
                sys.exit(f"calls: {what} {size}: {count} calls, {loss}")
        return int(out)
    finally:
        if ring:
            subprocess.run([shim.TOOL, "remove", ring.path], check=False)


def main():
    rounds = int(sys.argv[1])
    t = lib.Test()
    print(f"b3: nanoseconds per call, lower quartiles, medians of {rounds} rounds; {bench.load_text()}")
    alone = {what: [one(t, what, size, "bare") for _ in range(rounds)] for what, size in
             (("clock", 1), ("cookie", 1))}
    copies = {size: bench.median([one(t, "memcpy", size, "bare") for _ in range(rounds)]) for size in SIZES}
    clock = bench.median(alone["clock"])
    cookie = bench.median(alone["cookie"]) - clock
    print(f"  reading the clock {clock:.0f}, the identity check {cookie:.0f}, memcpy to memory that another process has read: "
          + ", ".join(f"{size} B {copies[size] - clock:.0f}" for size in SIZES))
    print(f"  {'':<16} {'bare':>8} {'bare again':>10} {'nop':>8} {'shim':>8}   {'over nop':>8} {'less check and copy':>20}")
    for what, size in [("read", 64), ("write", 64), ("close", 1)] + [(what, size) for size in SIZES for what in ("send", "recv")]:
        runs = [[one(t, what, size, variant) for variant in ("bare", "nop", "shim", "bare")] for _ in range(rounds)]
        bare, nop, full, again = (bench.median([r[i] for r in runs]) for i in range(4))
        over = bench.median([r[2] - r[1] for r in runs])
        line = f"  {what + ' ' + str(size) + ' B':<16} {bare:8.0f} {again:10.0f} {nop:8.0f} {full:8.0f}   {over:8.0f}"
        if what in ("send", "recv"):
            left = over - cookie - (copies[size] - clock)
            line += f" {left:20.0f}   {'within' if left <= TARGET_NS else 'ABOVE'} {TARGET_NS}; x{full / bare:.2f} of bare"
        print(line, flush=True)


main()
