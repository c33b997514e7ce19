#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Descriptors duplicated, inherited, closed in children: the connection is followed wherever it really goes."""
import re

import lib
import shim

t = lib.Test()
program = [shim.HOST / "descriptors"]
bare = shim.command(t, program)
with shim.Ring(t) as ring:
    run = ring.run(program)
    t.ok(bare.status == 0, "it runs alone", bare.out + bare.err)
    t.equal((run.status, run.out, run.err), (bare.status, bare.out, bare.err), "same output")
    records, loss = ring.take()
t.equal(shim.lost(loss), {}, "nothing was lost")

names = [re.search(rb"X-Case: ([\w-]+)", r["payload"])[1].decode() for r in records if r["type"] == "send"]
expected = re.findall(r"^([\w-]+): ", bare.out, re.M) + [f"thread-{i}-{k}" for i in range(4) for k in range(50)]
t.equal(sorted(names), sorted(expected), f"{len(expected)} requests, each once")


def conn_of(name):
    return next((r["pid"], r["conn"]) for r in records if r["type"] == "send" and f"X-Case: {name}\r".encode() in r["payload"])


def closes(name):
    """Indices of the CLOSE records of a request's connection, and of its last bytes."""
    key = conn_of(name)
    mine = [(i, r["type"]) for i, r in enumerate(records) if (r["pid"], r["conn"]) == key]
    return [i for i, kind in mine if kind == "close"], max(i for i, kind in mine if kind in ("send", "recv"))


t.equal({conn_of(n) for n in ("original", "dup", "dup2", "dup3", "dupfd", "dupfd_cloexec", "last")}, {conn_of("original")},
        "duplicates are one connection")
for name in ("last", "after-vfork", "after-vfork-unshares", "parent", "other-before-it-unshares", "unshared",
             "after-unshare", "other-after-unshare", "after-closefrom"):
    ends, last = closes(name)
    t.ok(len(ends) == 1 and ends[0] > last, f"{name}: ends once, with its last descriptor", f"{ends} {last}")

if shim.EMULATOR:
    t.done()  # which takes MADV_WIPEONFORK and does nothing: children pass for their parents
forked = [r for r in records if r["type"] == "process" and r["flags"] & shim.AFTER_FORK]
t.equal(len(forked), 2, "the forked children that talked made themselves known, the one that only closed did not")
t.equal([conn_of(name)[0] for name in ("child", "unshared")], [r["pid"] for r in forked], "their bytes carry their own pids")
t.ok(conn_of("child")[1] == conn_of("parent")[1] and conn_of("child")[0] != conn_of("parent")[0],
     "parent and child talk on one socket")
t.done()
