#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people's suites, bare and under `kvscope run`: the same tests must pass, fail and be skipped. run.py [SUITE...]

What differs is run twice more each way; a test whose bare runs do not agree among themselves is unsteady and said to be. The
table at the end is the one of docs/testing.md. Exit status 1 if a steady test differs.
"""
import collections
import sys

import cpython
import git_http
import http_tools
import node
import openssh
import redis
import suite

SUITES = {"cpython": cpython, "node": node, "curl": http_tools, "git": git_http, "redis": redis, "openssh": openssh}
REPEATS = 2


def kind(outcome):
    """passed, failed or skipped, of whatever a suite calls an outcome."""
    text = str(outcome)
    return "skipped" if text.startswith("skip") else "failed" if text.startswith(("fail", "error", "stopped")) else "passed"


def compare(name):
    module = SUITES[name]
    if missing := suite.install(module.PACKAGES):
        return f"| {module.NAME} | not run: {', '.join(missing)} cannot be installed | | |", True
    bare, wrapped = suite.once(module, False), suite.once(module, True)
    if bare is None or wrapped is None:
        return f"| {module.NAME} | not run: its sources cannot be fetched | | |", True
    differ = {test for test in bare.keys() | wrapped.keys() if bare.get(test) != wrapped.get(test)}
    different, unsteady = [], []
    if differ:
        again = [(suite.once(module, False, differ), suite.once(module, True, differ)) for _ in range(REPEATS)]
        for test in sorted(differ):
            alone = {str(bare.get(test))} | {str(one.get(test)) for one, _ in again}
            under = {str(wrapped.get(test))} | {str(other.get(test)) for _, other in again}
            print(f"  {name}: {test}: bare {sorted(alone)}, wrapped {sorted(under)}", flush=True)
            (unsteady if alone & under else different).append(test)
    counts = collections.Counter(map(kind, wrapped.values()))
    text = ", ".join(f"{counts[k]} {k}" for k in ("passed", "failed", "skipped") if counts[k])
    note = (f"{len(different)} differ" if different else "same") + (f", {len(unsteady)} unsteady" if unsteady else "")
    return f"| {module.NAME} | {len(bare)} | {text} | {note} |", not different


def main():
    rows = []
    good = True
    for name in sys.argv[1:] or SUITES:
        row, same = compare(name)
        print(row, flush=True)
        rows.append(row)
        good &= same
    print("\n| suite | tests | wrapped | against bare |\n|---|---|---|---|\n" + "\n".join(rows))
    sys.exit(0 if good else 1)


main()
