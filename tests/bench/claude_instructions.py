# SPDX-License-Identifier: MIT
"""Instructions of Claude Code's own process, bare, recorded and bare again, PAIRS times in turn: claude_instructions.py
VERSION PAIRS. See b1_instructions.sh."""
import os
import shutil
import subprocess
import sys

import bench
import lib

sys.path.insert(0, str(lib.ROOT / "tests/e2e"))
import claude  # noqa: E402
import shim  # noqa: E402

PLUGIN, SHIM = lib.BUILD / "tests/bench/qemu/count.so", lib.BUILD / "emulated/libkvscope.so"
RING = 16 << 20


def session(t, command, ring):
    """One session. Returns the instructions of the client's process. ring: recorded there, if not None."""
    home, work = claude.project(t)
    out = t.path("instructions")
    with t.mock(*lib.FAST, "--script", str(claude.SCRIPT)) as mock:
        prefix, argv = claude.arguments(mock.url, "claude-sonnet-4-5", home, command)
        preload = [f"LD_PRELOAD={SHIM}", f"KVSCOPE_RING={ring.path}"] if ring else []
        emulator = ["qemu-" + os.uname().machine, "-plugin", f"{PLUGIN},out={out}", *(word for p in preload for word in ("-E", p))]
        done = subprocess.run([str(word) for word in [*prefix, *emulator, shutil.which(argv[0]), *argv[1:]]], cwd=work,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        sent = len(mock.bodies())
        if done.returncode != 0 or sent < 4:
            sys.exit(f"b1: the session went wrong: status {done.returncode}, {sent} requests\n{done.stderr[-500:]}")
    if ring:
        records, loss = ring.take()
        requests = sum(text.count(b"POST /v1/messages") for key, text in shim.streams(records).items() if key[2] == "send")
        if requests < sent or shim.lost(loss):
            sys.exit(f"b1: {requests} of {sent} requests recorded, {loss}")
        session.records = len(records)
    return int(out.read_text())


def main():
    version, pairs = sys.argv[1], int(sys.argv[2])
    if os.environ.get("KVSCOPE_TEST_ISOLATED") == "1":
        command = os.environ["KVSCOPE_TEST_CLAUDE"].split("\n")
    else:
        command, why = claude.install(version)
        why = why or (None if shutil.which("qemu-" + os.uname().machine) else "there is no qemu-user")
        if not command or why:
            print(f"b1: instructions of Claude Code {version}: not counted: {why}")
            return
    claude.isolate(command)
    t = lib.Test()
    runs = []
    for _ in range(pairs):
        bare = session(t, command, None)
        with shim.Ring(t, RING) as ring:
            recorded = session(t, command, ring)
        runs.append((bare, recorded, session(t, command, None)))
        print("  " + " ".join(f"{n / 1e9:8.4f}" for n in runs[-1]) + "  x 10^9: bare, recorded, bare again", flush=True)
    print(f"b1: instructions of Claude Code {version} itself in a session of four requests, emulated, {pairs} pairs")
    bare, recorded, again = zip(*runs)
    # Its garbage collector, and so single sessions, differ with time: both bare ones stand beside each recorded one.
    print(f"  recorded   x{bench.median(recorded) / bench.median(bare + again):.4f} of bare, medians; {session.records} records\n"
          f"  pairs: recorded {bench.ratio_text(bare, recorded)}, bare again {bench.ratio_text(bare, again)}")


main()
