# SPDX-License-Identifier: MIT
"""Rings and preloaded host programs for the tests of the shim, without the rest of kvscope."""
import collections
import json
import os
import pathlib
import subprocess

import lib

SHIM = lib.BUILD / "libkvscope.so"
NOP = lib.BUILD / "libkvscope-nop.so"
TOOL = str(lib.BUILD / "tests/ring-tool")
HOST = lib.BUILD / "tests/host"
SEND_KINDS, NO_PAYLOAD, AFTER_FORK = ("send", "recv"), 1, 4


class Ring:
    def __init__(self, test, data_bytes=16 << 20):
        self.path = subprocess.run([TOOL, "create", str(data_bytes)], check=True, text=True,
                                   capture_output=True).stdout.strip()
        self.test = test

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([TOOL, "remove", self.path], check=False)

    def env(self, preload=SHIM, **more):
        return {**os.environ, "LD_PRELOAD": str(preload), "KVSCOPE_RING": self.path, **more}

    def run(self, argv, **env):
        """Runs a command preloaded; its records come with take()."""
        return self.test.command(argv, env=self.env(**env))

    def raw(self):
        return pathlib.Path(self.path).read_bytes()

    def take(self):
        """All records, payload as bytes, and the counters."""
        out = subprocess.run([TOOL, "dump", self.path], check=True, text=True, capture_output=True).stdout
        records = [json.loads(line) for line in out.splitlines()]
        loss = records.pop()
        for r in records:
            r["payload"] = bytes.fromhex(r["payload"])
        return records, loss


def lost(loss):
    """The counters that tell of a loss, those that are not 0."""
    return {k: v for k, v in loss.items() if k not in ("type", "processes", "foreign_pidns") and v}


def streams(records):
    """What each connection sent and received, by (pid, conn, "send" or "recv")."""
    found = collections.defaultdict(bytes)
    for r in records:
        if r["type"] in SEND_KINDS and not r["flags"] & NO_PAYLOAD:
            found[r["pid"], r["conn"], r["type"]] += r["payload"]
    return found


def gapless(records):
    """The places where a stream's offsets do not follow one another."""
    at = {}
    wrong = []
    for r in records:
        if r["type"] not in SEND_KINDS:
            continue
        key = r["pid"], r["conn"], r["type"]
        if r["offset"] != at.get(key, r["offset"]):
            wrong.append((key, at[key], r["offset"]))
        at[key] = r["offset"] + r["wire_bytes"]
    return wrong
