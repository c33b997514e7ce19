# SPDX-License-Identifier: MIT
"""How `kvscope why` grows with the turns of a session: why_growth.py CONTEXT_BYTES TURNS... See b7_why.sh.

The traces are written here by the rules of docs/trace-format.md, not captured: 2,000 requests of a megabyte would take
longer to send than to judge. Every turn adds an assistant's call, a tool result and a countdown as a system turn, so that a
server that keeps system turns in place has no miss and one that hoists them has one at every turn.
"""
import hashlib
import json
import os
import pathlib
import random
import resource
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("B", pathlib.Path(__file__).resolve().parents[2] / "build"))
WORDS = "cache prefix token parser socket buffer thread kernel branch commit module folder test build error value".split()


class Writer:
    def __init__(self, path):
        self.out = open(path, "w", encoding="utf-8")
        self.parts = 0
        self.elements = 0  # in the resolved list of the last exchange
        self.exchanges = 0
        self.sizes = {"tool": 0, "system": 0, "message": 0}
        self.line({"type": "header", "version": 1, "program": "bench", "run_id": "0" * 32,
                   "clock": {"monotonic_ns": 1, "realtime_ns": 1795473181000000000, "realtime": "2026-11-23T22:33:01Z"},
                   "command": ["bench"], "command_words": 1, "cwd": "/", "capture_mode": "preload", "content": "full"})

    def line(self, value):
        self.out.write(json.dumps(value, separators=(",", ":")) + "\n")

    def part(self, kind, role, block, value):
        text = json.dumps(value, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.line({"type": "part", "id": self.parts, "kind": kind, "role": role, "block": block, "bytes": len(text),
                   "normalised_bytes": len(text), "sha256": digest,
                   "normalised_sha256": hashlib.sha256(f"{kind}{role}{text}".encode()).hexdigest(), "text": text})
        self.sizes[kind] += len(text)
        self.parts += 1
        return self.parts - 1, text


def conversation(path, turns, context):
    """The body of a request: a head that stays, as many messages as there were turns, and a tail."""
    rng = random.Random(7)
    w = Writer(path)
    prose = lambda n: " ".join(rng.choice(WORDS) for _ in range(max(n // 7, 1)))
    per_turn = max((context - 140_000) // turns - 400, 200)
    opened = hashlib.sha256()
    size = 0
    segments = []

    def literal(text):
        nonlocal size
        opened.update(text.encode())
        size += len(text)
        segments.append(text)

    def part(kind, role, block, value, step=None):
        nonlocal size
        number, text = w.part(kind, role, block, value)
        opened.update(text.encode())
        size += len(text)
        segments.append(number if step is None else {"part": number, "step": step})

    literal('{"model":"local","tools":[')
    for n in range(20):
        if n:
            literal(",")
        part("tool", None, "tool", {"name": f"Tool{n}", "description": prose(4500), "input_schema": {"type": "object"}})
    literal('],"system":[')
    part("system", "system", "text", {"type": "text", "text": prose(40_000)})
    literal('],"messages":[')

    def message(role, block, value):
        literal('{"role":"%s","content":[' % role)
        part("message", role, block, value, 1)
        literal("]}")

    message("user", "text", {"type": "text", "text": prose(300)})
    tail = "]}"
    kept = 0
    for turn in range(turns):
        if turn:
            literal(",")
            message("assistant", "tool_use", {"type": "tool_use", "id": f"t{turn}", "name": "Tool1", "input": {"n": turn}})
            literal(",")
            message("user", "tool_result", {"type": "tool_result", "tool_use_id": f"t{turn}", "content": prose(per_turn)})
            literal(",")
            message("system", "text", {"type": "text", "text": f"<total_tokens>{9_000_000 - turn} tokens left</total_tokens>"})
        whole = opened.copy()
        whole.update(tail.encode())
        start = (turn + 1) * 1_000_000_000
        w.exchanges += 1
        kept_segments = [[0, kept]] if kept else []
        kept += len(segments)
        bytes_all = size + len(tail)
        w.line({"type": "exchange", "id": w.exchanges, "pid": 1, "connection": 1, "sequence": turn,
                "peer": "127.0.0.1:1", "capture_mode": "preload", "api": "anthropic.messages", "method": "POST",
                "path": "/v1/messages", "query": None, "session": "s", "agent": None, "model": "local",
                "max_tokens": 100, "wants_stream": True,
                "times_ns": {"request_start": start, "request_end": start + 1000, "first_byte": start + 2000,
                             "headers": start + 2000, "message_start": start + 2000, "first_content": start + 3000,
                             "end": start + 9000},
                "grade": "exact",
                "prompt": {"messages": 1 + 3 * turn, "tools": 20, "tools_bytes": w.sizes["tool"],
                           "system_bytes": w.sizes["system"], "messages_bytes": w.sizes["message"],
                           "system_fingerprint": "1" * 64, "system_fingerprint_raw": "1" * 64,
                           "tools_fingerprint": "2" * 64, "tools_fingerprint_raw": "2" * 64},
                "request": {"bytes": bytes_all, "sha256": whole.hexdigest(), "exact": True, "wire_bytes": bytes_all,
                            "content_encoding": None, "headers": [], "error": None,
                            "body": {"base": turn if turn else None, "segments": [*kept_segments, *segments, tail]}},
                "response": {"status": 200, "bytes": 100, "sha256": "3" * 64, "exact": False, "wire_bytes": 100,
                             "content_type": "text/event-stream", "content_encoding": None, "headers": [],
                             "streamed": True, "error": None, "id": f"m{turn}", "model": "local", "engine": None,
                             "stop_reason": "tool_use",
                             "usage": {"input_tokens": bytes_all // 4, "output_tokens": 20,
                                       "cache_read_input_tokens": None, "cache_creation_input_tokens": None,
                                       "reasoning_tokens": None},
                             "usage_start": None, "usage_end": None, "timings": None, "events": 20,
                             "content_deltas": 13, "text_bytes": 60, "arrivals": [], "arrivals_cut": False,
                             "body": None}})
        segments = []
    w.out.close()
    return bytes_all


def measure(trace, engine):
    """Seconds and peak memory of one run."""
    started = time.monotonic()
    pid = os.posix_spawn(str(BUILD / "kvscope"), ["kvscope", "why", "--json", "--engine", engine, trace], os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, trace + ".out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - started
    if status:
        sys.exit(f"kvscope why ended with {status}")
    with open(trace + ".out", encoding="utf-8") as f:
        misses = sum(not m["expected"] for m in json.load(f)["misses"])
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, misses


def main():
    context, *turns = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="kvscope-bench-") as folder:
        before = {}
        for n in turns:
            trace = f"{folder}/{n}.jsonl"
            sent = conversation(trace, n, context)
            for engine in "llama.cpp", "vllm+qwen3":
                _, seconds, memory, misses = min(measure(trace, engine) for _ in range(3))
                growth = f", {seconds / before[engine]:.1f} times the last" if engine in before else ""
                before[engine] = seconds
                print(f"  {engine:<11} {n:>5} turns, last prompt {sent / 1e6:.2f} MB, trace "
                      f"{os.path.getsize(trace) / 1e6:.1f} MB: {seconds:.2f} s of CPU, {memory:.0f} MiB at most, "
                      f"{misses} misses{growth}", flush=True)


main()
