# SPDX-License-Identifier: MIT
"""What the benchmarks share: paired runs in turn, and ratios with what the machine does by itself beside them."""
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib  # noqa: E402,F401  pylint: disable=unused-import

SHIM, NOP = lib.BUILD / "libkvscope.so", lib.BUILD / "libkvscope-nop.so"


def median(values):
    return statistics.median(values)


def spread(ratios):
    """The middle 80 % of the ratios."""
    ordered = sorted(ratios)
    return ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]


def ratio_text(base, values):
    """Of pairs: the median ratio, and how far single pairs lie apart."""
    ratios = [b / a for a, b in zip(base, values)]
    low, high = spread(ratios)
    return f"x{median(ratios):.3f}  (80 % of pairs: {low:.3f} to {high:.3f})"


def load_text():
    one = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return f"load {one:.1f} on {cores} cores" + (" (not a quiet machine: trust ratios alone)" if one > cores / 2 else "")
