# SPDX-License-Identifier: MIT
"""What a child costs to start: start.py ROUNDS COUNT. See b5_start.sh."""
import os
import sys

import bench
import lib


def main():
    rounds, count = int(sys.argv[1]), int(sys.argv[2])
    t = lib.Test()
    program = [lib.BUILD / "tests/bench/spawn", count, "/bin/true"]

    def run(kind):
        argv = [lib.KVSCOPE, "run", "-q", "-o", t.path("trace"), "--", *program] if kind == "wrapped" else program
        env = {**os.environ, "LD_PRELOAD": str(bench.NOP)} if kind == "nop" else None
        done = t.command(argv, env=env)
        if done.status != 0:
            sys.exit(f"b5: {kind}: status {done.status} {done.err}")
        return float(done.out)

    kinds = "bare", "bare again", "nop", "wrapped"
    runs = [[run(kind) for kind in kinds] for _ in range(rounds)]
    print(f"b5: start and end of /bin/true, {rounds} rounds of {count}, lower quartiles; {bench.load_text()}")
    for i, kind in enumerate(kinds):
        text = f"  {bench.ratio_text([r[0] for r in runs], [r[i] for r in runs])}" if i else ""
        print(f"  {kind:<12} {bench.median([r[i] for r in runs]):8.0f} us{text}")


main()
