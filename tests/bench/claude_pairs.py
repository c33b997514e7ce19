# SPDX-License-Identifier: MIT
"""Bare, wrapped and bare again, PAIRS times in turn: claude_pairs.py VERSION PAIRS. See b1_claude.sh."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import claude  # noqa: E402
import lib  # noqa: E402


NAMES = "wall s", "CPU s", "client's", "peak MB", "instructions"


def perf_counts():
    """True if this machine counts instructions."""
    try:
        probe = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True,
                               check=False)
    except FileNotFoundError:
        return False
    return probe.returncode == 0 and "not " not in probe.stderr


def measure(t, command, wrapped, count):
    """One session. Returns (wall seconds, CPU seconds of all processes, kvscope's too, of the client's, the client's peak of
    memory in MB, instructions of all or None)."""
    home, work = claude.project(t)
    with t.mock(*lib.FAST, "--script", str(claude.SCRIPT)) as mock:
        prefix, argv = claude.arguments(mock.url, "claude-sonnet-4-5", home, command)
        usage = t.path("usage")
        argv = [sys.executable, "-B", lib.ROOT / "tests/bench/usage.py", usage, *argv]
        if wrapped:
            argv = [lib.KVSCOPE, "run", "--quiet", "-o", t.path("trace.jsonl"), "--", *argv]
        counts = t.path("perf")
        perf = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", counts, "--"] if count else []
        begin = time.monotonic()
        process = subprocess.Popen([str(word) for word in [*perf, *prefix, *argv]], cwd=work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = status
        if status != 0 or len(mock.bodies()) < 4:
            sys.exit(f"the session went wrong: status {status}, {len(mock.bodies())} requests")
    instructions = None
    if count:
        instructions = next(int(line.split(",")[0]) for line in counts.read_text().splitlines() if "instructions" in line)
    client = json.loads(usage.read_text())
    return wall, used.ru_utime + used.ru_stime, client["cpu"], client["peak_kb"] / 1000, instructions


def report(name, one, two):
    ratios = [b / a for a, b in zip(one, two)]
    low, high = sorted(ratios)[len(ratios) // 10], sorted(ratios)[-1 - len(ratios) // 10]
    print(f"  {name:<12} {statistics.median(one):12.4g} {statistics.median(two):12.4g}   x{statistics.median(ratios):.3f}"
          f"  (80 % of pairs: {low:.3f} to {high:.3f})")


def main():
    version, pairs = sys.argv[1], int(sys.argv[2])
    if os.environ.get("KVSCOPE_TEST_ISOLATED") == "1":
        command = os.environ["KVSCOPE_TEST_CLAUDE"].split("\n")
    else:
        command, why = claude.install(version)
        if not command:
            print(f"b1: no Claude Code {version}: {why}")
            return
    claude.isolate(command)
    t = lib.Test()
    count = perf_counts()
    measure(t, command, False, count)  # the first one finds cold files
    runs = [[measure(t, command, wrapped, count) for wrapped in (False, True, False)] for _ in range(pairs)]
    print(f"b1: Claude Code {version}, a session of four requests, {pairs} pairs, medians")
    print(f"  {'':<12} {'bare':>12} {'wrapped':>12}   ratio")
    for index, name in enumerate(NAMES):
        if index == len(NAMES) - 1 and not count:
            print(f"  {name:<12} not counted by this machine")
            continue
        report(name, [r[0][index] for r in runs], [r[1][index] for r in runs])
    print(f"  {'':<12} {'bare':>12} {'bare again':>12}   ratio: what the machine does by itself")
    for index, name in enumerate(NAMES[:-1]):
        report(name, [r[0][index] for r in runs], [r[2][index] for r in runs])


main()
