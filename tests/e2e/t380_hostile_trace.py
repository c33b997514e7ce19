#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A trace from somebody else: what stands in it drives no terminal, and no command falls over it."""
import json
import os
import random
import subprocess

import lib

t = lib.Test()
random.seed(11)
SESSION = (lib.ROOT / "tests/e2e/t400_session.jsonl").read_bytes()
# An OSC that sets the title, a CSI in 8 bits, a bell, a backspace, a carriage return that hides what stood before.
EVIL = "\x1b]0;evil\x07\x1b[2J\u009b31m\x08\r\x00"
# Structure that a reader goes by; all other text is anybody's.
STRUCTURE = {"type", "kind", "role", "block", "api", "content", "capture_mode", "grade", "run_id", "sha256", "normalised_sha256",
             "system_fingerprint", "system_fingerprint_raw", "tools_fingerprint", "tools_fingerprint_raw", "text", "base64",
             "realtime"}


def poison(value, key=None):
    if isinstance(value, dict):
        return {k: poison(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return value if key == "segments" else [poison(v, None) for v in value]
    if isinstance(value, str) and key not in STRUCTURE:
        return value + EVIL
    return value


evil = t.path(f"evil{chr(27)}]0;x.jsonl")
evil.write_text("".join(json.dumps(poison(json.loads(line))) + "\n" for line in SESSION.splitlines()), encoding="utf-8")
ENV = {**os.environ, "TERM": "xterm"}
ENV.pop("NO_COLOR", None)
helps = t.command([lib.KVSCOPE, "--help"]).out
commands = [["report", evil], ["report", "--all", evil], ["why", evil], ["why", "--all", evil], ["show", evil, "2"],
            ["show", evil, "5", "--diff", "2"], ["verify", evil]]
if "\n  diff " in helps:
    commands.append(["diff", evil, evil])
for words in commands:
    run = subprocess.run([lib.KVSCOPE, *map(str, words)], env=ENV, capture_output=True, check=False, timeout=60)
    text = (run.stdout + run.stderr).decode("utf-8", "replace")
    controls = sorted({hex(ord(c)) for c in text if (ord(c) < 0x20 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0})
    name = " ".join(str(w) for w in words if w is not evil)
    # That trace's answers are not those of their hashes, which verify says.
    t.ok(run.returncode == (2 if words[0] == "verify" else 0) and not controls and text.strip(), f"kvscope {name}: no control characters",
         f"status {run.returncode}, {controls}\n{text[:1500]}")

# ---- numbers, types and references that cannot be
values = [None, True, -1, 0, 1e308, 2**63, "x", [], {}, [[]], "\ud800", "9" * 400]
broken = []
plain = [["report"], ["report", "--json"], ["why"], ["why", "--json"], ["show"], ["verify"]]


def paths(value, prefix=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


documents = [json.loads(line) for line in SESSION.splitlines()]
places = [(n, path) for n, doc in enumerate(documents) for path in paths(doc)]
hostile = t.path("hostile.jsonl")
for n, path in random.sample(places, 60):
    changed = json.loads(json.dumps(documents))
    target = changed[n]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = random.choice(values)
    hostile.write_text("".join(json.dumps(doc) + "\n" for doc in changed), encoding="utf-8")
    words = random.choice(plain)
    run = subprocess.run([lib.KVSCOPE, words[0], hostile, *(["2"] if words[0] == "show" else []), *words[1:]], capture_output=True,
                         check=False, timeout=60)
    if run.returncode not in (0, 1, 2):
        broken.append((n, path, target[path[-1]], words, run.returncode))
t.equal(broken, [], "60 values that cannot be: an answer or a message")
t.done()
