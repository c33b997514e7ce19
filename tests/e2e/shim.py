# SPDX-License-Identifier: MIT
"""Rings and preloaded host programs for the tests of the shim, without the rest of kvscope.

With KVSCOPE_EMULATOR (a command) and KVSCOPE_TARGET (a build folder of another architecture), library and host programs are
those of that architecture and run by emulation; rings are made and read natively (`make aarch64`).
"""
import collections
import json
import os
import pathlib
import subprocess

import lib

EMULATOR = os.environ.get("KVSCOPE_EMULATOR", "").split()
TARGET = pathlib.Path(os.environ.get("KVSCOPE_TARGET") or lib.BUILD).resolve()
SHIM = TARGET / "libkvscope.so"
NOP = TARGET / "libkvscope-nop.so"
TOOL = str(lib.BUILD / "tests/ring-tool")
HOST = TARGET / "tests/host"
SEND_KINDS, NO_PAYLOAD, AFTER_FORK = ("send", "recv"), 1, 4


def preloaded(argv, preload, **more):
    """(argv, environment) of a command that is to run with a library preloaded; None: with none."""
    env = {"LD_PRELOAD": str(preload), **more} if preload else more
    if not EMULATOR:
        return argv, {**os.environ, **env}
    # The emulator itself is a program of this machine and must not have them.
    return [*EMULATOR, *(word for k, v in env.items() for word in ("-E", f"{k}={v}")), *argv], dict(os.environ)


def command(test, argv, preload=None, **more):
    argv, env = preloaded(argv, preload, **more)
    return test.command(argv, env=env)


class Ring:
    def __init__(self, test, data_bytes=16 << 20):
        self.path = subprocess.run([TOOL, "create", str(data_bytes)], check=True, text=True,
                                   capture_output=True).stdout.strip()
        self.test = test

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([TOOL, "remove", self.path], check=False)

    def run(self, argv, preload=SHIM, **more):
        """Runs a command preloaded; its records come with take()."""
        return command(self.test, argv, preload, **{"KVSCOPE_RING": self.path, **more})

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

    def drain(self):
        """The counters, and how many records there were."""
        return json.loads(subprocess.run([TOOL, "drain", self.path], check=True, text=True, capture_output=True).stdout)


def lost(loss):
    """The counters that tell of a loss, those that are not 0."""
    return {k: v for k, v in loss.items() if k not in ("type", "records", "processes", "foreign_pidns") and v}


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
