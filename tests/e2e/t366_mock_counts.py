#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mock's cached counts against those that real engines told for the same requests (tests/engines/counts.py --record)."""
import json
import sys

import lib

sys.path.insert(0, str(lib.ROOT / "tests/engines"))
import counts  # noqa: E402

t = lib.Test()
record = json.loads(counts.RECORD.read_text())
for engine, settings in counts.SETTINGS.items():
    for arguments, flags, sequences in settings:
        real = next((r for r in record.get(engine, []) if r["arguments"] == arguments), None)
        name = " ".join((engine, *arguments))
        if not t.ok(real, f"{name}: was asked"):
            continue
        requests = [r for sequence in sequences for r in sequence]
        results = list(counts.compare(requests, real["counts"], counts.ask_mock(engine, flags, requests, real["head"])))
        wrong = [f"{title}: {what}" for title, same, what in results if not same]
        t.ok(not wrong and len(results) == len(requests) > 5, f"{name}: {len(results)} counts", "\n".join(wrong))
t.done()
