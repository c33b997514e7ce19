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
TARGET_NS = 300
KINDS = "plain", "check", "copy", "arrived", "recorded", "watched"
# Bytes: the ring, calls that go once around it, calls that are measured: they fit into it, so that none is dropped.
SIZES = {64: (4 << 20, 33000, 10000), 4096: (16 << 20, 4500, 1500), 131072: (32 << 20, 270, 110)}
PLAIN = (1 << 20, 1000, 20000)


def one(test, what, size, variant, first_pass=False):
    """The lower quartiles of a case in nanoseconds, by kind."""
    data_bytes, warm, count = SIZES[size] if what in ("send", "recv") else PLAIN
    if first_pass:
        warm, count = 0, 1000
    elif variant != "shim":
        warm = min(warm, 500)
    ring = shim.Ring(test, data_bytes) if variant == "shim" else None
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
        return dict(zip(KINDS, map(int, out.split())))
    finally:
        if ring:
            subprocess.run([shim.TOOL, "remove", ring.path], check=False)


def untracked(test, rounds):
    print(f"  {'on nobody`s descriptor':<24} {'bare':>7} {'again':>7} {'nop':>7} {'shim':>7}   over nop")
    for what, size in (("read", 64), ("write", 64), ("close", 1)):
        runs = [[one(test, what, size, variant)["plain"] for variant in ("bare", "nop", "shim", "bare")] for _ in range(rounds)]
        bare, nop, full, again = (bench.median([r[i] for r in runs]) for i in range(4))
        over = [r[2] - r[1] for r in runs]
        low, high = bench.spread(over)
        print(f"  {what + ' ' + str(size) + ' B':<24} {bare:7.0f} {again:7.0f} {nop:7.0f} {full:7.0f}   {bench.median(over):8.0f}"
              f"  ({low:.0f} to {high:.0f})", flush=True)


def recorded(test, rounds, what, size, first_pass=False):
    """One line: what a recorded call costs over a forwarded one, and of what this consists."""
    runs = [(one(test, what, size, "bare", first_pass), one(test, what, size, "nop", first_pass), one(test, what, size, "shim", first_pass))
            for _ in range(rounds)]
    bare, nop, full = ([r[i]["recorded"] for r in runs] for i in range(3))
    mine = [r[2] for r in runs]
    part = lambda a, b: bench.median([m[b] - m[a] for m in mine])
    rest = [m["recorded"] - m["arrived"] for m in mine]
    low, high = bench.spread(rest)
    left = bench.median(rest)
    name = f"{what} {size} B" + (", first pass" if first_pass else "")
    print(f"  {name:<24} {bench.median(bare):7.0f} {bench.median(nop):7.0f} {bench.median(full):7.0f}   "
          f"{bench.median([f - n for f, n in zip(full, nop)]):8.0f} {part('plain', 'check'):7.0f} {part('check', 'arrived'):7.0f} {left:6.0f} "
          f"{f'({low:.0f} to {high:.0f})':>16} {part('copy', 'recorded'):9.0f}   {'within' if left <= TARGET_NS else 'ABOVE'} {TARGET_NS}; "
          f"x{bench.median(full) / bench.median(bare):.2f} of bare", flush=True)


def watched(test, rounds, what, size):
    """One line: a call on a connection of which only sizes are wanted, over a plain one, call by call in turn in one process."""
    runs = [(one(test, what, size, "nop"), one(test, what, size, "shim")) for _ in range(rounds)]
    nop, full = ([r[i]["watched"] for r in runs] for i in range(2))
    over = [r[1]["watched"] - r[1]["plain"] for r in runs]
    low, high = bench.spread(over)
    print(f"  {f'{what} {size} B':<24} {'':>7} {bench.median(nop):7.0f} {bench.median(full):7.0f}   "
          f"{bench.median([r[1]['watched'] - r[0]['watched'] for r in runs]):8.0f} {'':>7} {'':>7} {bench.median(over):6.0f} "
          f"{f'({low:.0f} to {high:.0f})':>16}", flush=True)


def main():
    rounds = int(sys.argv[1])
    t = lib.Test()
    print(f"b3: nanoseconds per call, lower quartiles, medians of {rounds} rounds (80 % of rounds); {bench.load_text()}")
    untracked(t, rounds)
    print(f"  {'recorded':<24} {'bare':>7} {'nop':>7} {'shim':>7}   {'over nop':>8} {'check':>7} {'memcpy':>7} {'rest':>6} {'':>16} {'(returned)':>9}")
    for size in SIZES:
        for what in ("send", "recv"):
            recorded(t, rounds, what, size)
    recorded(t, rounds, "send", 4096, True)
    print("  watched")
    for size in SIZES:
        for what in ("send", "recv"):
            watched(t, rounds, what, size)
    print("  check: getsockopt(SO_COOKIE) after the call. memcpy: to memory that another process has read, until the bytes are there.\n"
          "  rest: recorded less plain call, check and memcpy, call by call in turn in one process; (returned): the same against a\n"
          "  memcpy that is only waited for until it returns, its bytes still under way. first pass: of a process through the ring.\n"
          "  watched: a request in each send; rest: over a plain call.")


main()
