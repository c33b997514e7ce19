# SPDX-License-Identifier: MIT
"""How the commands grow with the turns of a session: growth.py CONTEXT_BYTES TURNS... See b7_growth.sh.

The traces are written here by the rules of docs/trace-format.md, not captured: 2,000 requests of a megabyte would take
longer to send than to judge.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("B", pathlib.Path(__file__).resolve().parents[2] / "build"))
WORDS = "cache prefix token parser socket buffer thread kernel branch commit module folder test build error value".split()

# What a turn adds, and what it changes of what was there. An agent's turn is a call, a tool result and a countdown as a
# system turn, which some servers keep in place and others hoist.
SHAPES = ("agent",     # nothing changes
          "billing",   # the attribution block does, in front of the system prompt
          "reminder",  # a reminder in the first user message does
          "lost",      # nothing does, and the answers say that nothing was cached
          "chat",      # nothing; a turn is thinking, an answer and the user's next question
          "early",     # the first tool result does
          "middle",    # a tool result half way up the conversation does, another one each turn
          "window",    # once the session is half over, a turn goes at the front for each that comes
          "tool",      # the definition of a tool does
          "grown")     # every ten turns a tool comes, or goes again

# (name, shape, arguments): TRACE stands for the file.
CASES = (("why, no miss", "agent", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, system turns hoisted", "agent", ["why", "--json", "--engine", "vllm+qwen3", "TRACE"]),
         ("why, billing header", "billing", ["why", "--json", "--engine", "vllm@0.17.1", "TRACE"]),
         ("why, reminder at the head", "reminder", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, early result", "early", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, result in the middle", "middle", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, early result, hoisted", "early", ["why", "--json", "--engine", "vllm+qwen3", "TRACE"]),
         ("why, window", "window", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, tool changed", "tool", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, tools grown", "grown", ["why", "--json", "--engine", "llama.cpp", "TRACE"]),
         ("why, Anthropic's cache loses", "lost", ["why", "--json", "--engine", "anthropic", "TRACE"]),
         ("why, thinking dropped", "chat", ["why", "--json", "--engine", "sglang+qwen3", "TRACE"]),
         ("why, tools move", "chat", ["why", "--json", "--engine", "llama.cpp+mistral", "TRACE"]),
         ("report", "agent", ["report", "--json", "TRACE"]),
         ("report, a head that changes", "reminder", ["report", "--json", "TRACE"]),
         ("report, early result", "early", ["report", "--json", "TRACE"]),
         ("report, result in the middle", "middle", ["report", "--json", "TRACE"]),
         ("report, window", "window", ["report", "--json", "TRACE"]),
         ("report, tool changed", "tool", ["report", "--json", "TRACE"]),
         ("report, tools grown", "grown", ["report", "--json", "TRACE"]),
         ("report --html", "agent", ["report", "--html", "PAGE", "TRACE"]),
         ("diff", "agent", ["diff", "--json", "TRACE", "TRACE"]))


def prose(rng, size):
    return " ".join(rng.choice(WORDS) for _ in range(max(size // 7, 1)))


class Trace:
    """Bodies as the trace keeps them: what is kept of the one before, and what is new."""

    def __init__(self, path):
        self.out = open(path, "w", encoding="utf-8")
        self.parts = 0
        self.items = []  # of the last body without its tail: (as a segment, text)
        self.segments = []
        self.sizes = {"tool": 0, "system": 0, "message": 0}
        self.bodies = 0
        self.cached = None
        self.line({"type": "header", "version": 1, "program": "bench", "run_id": "0" * 32,
                   "clock": {"monotonic_ns": 1, "realtime_ns": 1795473181000000000, "realtime": "2026-11-23T22:33:01Z"},
                   "command": ["bench"], "command_words": 1, "cwd": "/", "capture_mode": "preload", "content": "full"})

    def line(self, value):
        self.out.write(json.dumps(value, separators=(",", ":")) + "\n")

    def append(self, segment, text):
        self.items.append((segment, text))
        if self.segments and isinstance(self.segments[-1], list) and self.segments[-1][0] + self.segments[-1][1] == \
                len(self.items) - 1 and segment is None:
            self.segments[-1][1] += 1
        else:
            self.segments.append(segment)

    def literal(self, text):
        self.append(text, text)

    def part(self, kind, role, block, value, step=None, at=None, before=None):
        """at: the item that it takes the place of, in a body that is otherwise kept; before: that it comes in front of."""
        text = json.dumps(value, separators=(",", ":"))
        normalised = hashlib.sha256(f"{kind}{role}{text}".encode()).hexdigest()
        self.line({"type": "part", "id": self.parts, "kind": kind, "role": role, "block": block, "bytes": len(text),
                   "normalised_bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest(),
                   "normalised_sha256": normalised, "text": text})
        segment = self.parts if step is None else {"part": self.parts, "step": step}
        self.parts += 1
        if before is not None:
            self.sizes[kind] += len(text)
            self.splice(before, before, [(segment, text), (",", ",")])
            return before
        if at is None:
            self.sizes[kind] += len(text)
            self.append(segment, text)
            return len(self.items) - 1
        self.sizes[kind] += len(text) - len(self.items[at][1])
        self.splice(at, at + 1, [(segment, text)])
        return at

    def splice(self, at, end, items):
        """Puts others in the place of some items of a body that is otherwise kept."""
        self.items[at:end] = items
        after = at + len(items)
        self.segments = [[0, at], *(segment for segment, _ in items), [after - len(items) + end - at, len(self.items) - after]]

    def message(self, role, *blocks):
        """Returns the item of its first block."""
        self.literal('{"role":"%s","content":[' % role)
        for n, (block, value) in enumerate(blocks):
            if n:
                self.literal(",")
            self.part("message", role, block, value, 0 if n else 1)
        self.literal("]}")
        return len(self.items) - 2 * len(blocks)

    def request(self, messages):
        tail = "]}"
        body = ("".join(text for _, text in self.items) + tail).encode()
        start = (self.bodies + 1) * 1_000_000_000
        self.bodies += 1
        self.line({"type": "exchange", "id": self.bodies, "pid": 1, "connection": 1, "sequence": self.bodies - 1,
                   "peer": "127.0.0.1:1", "capture_mode": "preload", "api": "anthropic.messages", "method": "POST",
                   "path": "/v1/messages", "query": None, "session": "s", "agent": None, "model": "local",
                   "max_tokens": 100, "wants_stream": True,
                   "times_ns": {"request_start": start, "request_end": start + 1000, "first_byte": start + 2000,
                                "headers": start + 2000, "message_start": start + 2000, "first_content": start + 3000,
                                "end": start + 9000},
                   "grade": "exact",
                   "prompt": {"messages": messages, "tools": 20, "tools_bytes": self.sizes["tool"],
                              "system_bytes": self.sizes["system"], "messages_bytes": self.sizes["message"],
                              "system_fingerprint": "1" * 64, "system_fingerprint_raw": "1" * 64,
                              "tools_fingerprint": "2" * 64, "tools_fingerprint_raw": "2" * 64},
                   "request": {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "exact": True,
                               "wire_bytes": len(body), "content_encoding": None, "headers": [], "error": None,
                               "body": {"base": self.bodies - 1 if self.bodies > 1 else None,
                                        "segments": [*self.segments, tail]}},
                   "response": {"status": 200, "bytes": 100, "sha256": "3" * 64, "exact": False, "wire_bytes": 100,
                                "content_type": "text/event-stream", "content_encoding": None, "headers": [],
                                "streamed": True, "error": None, "id": f"m{self.bodies}", "model": "local",
                                "engine": None, "stop_reason": "tool_use",
                                "usage": {"input_tokens": len(body) // 4, "output_tokens": 20,
                                          "cache_read_input_tokens": self.cached, "cache_creation_input_tokens": None,
                                          "reasoning_tokens": None},
                                "usage_start": None, "usage_end": None, "timings": None, "events": 20,
                                "content_deltas": 13, "text_bytes": 60, "arrivals": [], "arrivals_cut": False,
                                "body": None}})
        self.segments = [[0, len(self.items)]]
        return len(body)


def billing(turn):
    return {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.50.abc; cc_entrypoint=cli; cch={turn:05x};"}


def reminder(turn):
    return {"type": "text", "text": f"<system-reminder>\nThe user opened file {turn}.\n</system-reminder>\n"}


def tool(n, words):
    return {"name": f"Tool{n}", "description": words, "input_schema": {"type": "object"}}


def result(n, words):
    return {"type": "tool_result", "tool_use_id": f"t{n}", "content": words}


ITEMS_PER_TURN = 12  # three messages: comma, head, block, end


def write(path, shape, turns, context):
    """A head that stays but for what the shape says, as many messages as there were turns. Returns the last body's size."""
    rng = random.Random(7)
    t = Trace(path)
    t.cached = 0 if shape == "lost" else None
    per_turn = max((context - 140_000) // turns - 400, 200)
    t.literal('{"model":"local","tools":[')
    for n in range(20):
        if n:
            t.literal(",")
        t.part("tool", None, "tool", tool(n, prose(rng, 4500)))
    t.literal('],"system":[')
    changes = None
    if shape == "billing":
        changes = t.part("system", "system", "billing", billing(0))
        t.literal(",")
    t.part("system", "system", "text", {"type": "text", "text": prose(rng, 40_000)})
    t.literal('],"messages":[')
    first = t.message("user", ("text", reminder(0)), ("text", {"type": "text", "text": prose(rng, 300)}))
    changes = first if shape == "reminder" else changes
    messages = 1
    behind = len(t.items)  # the first message
    results = []           # their items
    for turn in range(turns):
        if turn and shape == "billing":
            t.part("system", "system", "billing", billing(turn), at=changes)
        if turn and shape == "reminder":
            t.part("message", "user", "text", reminder(turn), 1, at=changes)
        if turn > 1 and shape in ("early", "middle"):
            n = 0 if shape == "early" else len(results) // 2
            t.part("message", "user", "tool_result", result(n + 1, f"{prose(rng, per_turn)} {turn}"), 1, at=results[n])
        if turn > turns // 2 and shape == "window":
            t.splice(behind, behind + ITEMS_PER_TURN, [])
            messages -= 3
        if turn and shape == "tool":
            t.part("tool", None, "tool", tool(0, f"{prose(rng, 4500)} {turn}"), at=1)
        if turn % 20 == 10 and shape == "grown":
            t.part("tool", None, "tool", tool(20 + turn, prose(rng, 300)), before=3)
        if turn and turn % 20 == 0 and shape == "grown":
            t.sizes["tool"] -= len(t.items[3][1])
            t.splice(3, 5, [])
        if turn and shape == "chat":
            t.literal(",")
            t.message("assistant", ("thinking", {"type": "thinking", "thinking": prose(rng, 300), "signature": ""}),
                      ("text", {"type": "text", "text": prose(rng, per_turn)}))
            t.literal(",")
            t.message("user", ("text", {"type": "text", "text": prose(rng, 100)}))
            messages += 2
        elif turn:
            t.literal(",")
            t.message("assistant", ("tool_use", {"type": "tool_use", "id": f"t{turn}", "name": "Tool1", "input": {"n": turn}}))
            t.literal(",")
            results.append(t.message("user", ("tool_result", result(turn, prose(rng, per_turn)))))
            t.literal(",")
            t.message("system", ("text", {"type": "text", "text": f"<total_tokens>{9_000_000 - turn} tokens left</total_tokens>"}))
            messages += 3
        size = t.request(messages)
    t.out.close()
    return size


def written(path, shape, turns, context):
    """By a process of its own: peak memory of what is measured is never less than this one's."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writer, str(write(path, shape, turns, context)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as f:
        size = f.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit("the trace was not written")
    return int(size)


def measure(arguments, out):
    """Seconds of CPU and peak memory of one run."""
    pid = os.posix_spawn(str(BUILD / "kvscope"), ["kvscope", *arguments], os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600),
                                       (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"kvscope {' '.join(arguments)} ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def count(arguments):
    """Instructions of one run. Without rep movsb, of which valgrind counts each byte."""
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(BUILD / "kvscope"), *arguments],
                         env={**os.environ, "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"},
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def misses(arguments, out):
    if arguments[0] != "why":
        return ""
    with open(out, encoding="utf-8") as f:
        return f", {sum(not m['expected'] for m in json.load(f)['misses'])} misses"


def main():
    context, *turns = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="kvscope-bench-") as folder:
        traces = {}
        for name, shape, arguments in CASES:
            if os.environ.get("ONLY", "") not in name:
                continue
            last = None
            for n in turns:
                trace, out = f"{folder}/{shape}-{n}.jsonl", f"{folder}/out"
                if (shape, n) not in traces:
                    traces[shape, n] = written(trace, shape, n, context)
                words = [{"TRACE": trace, "PAGE": f"{folder}/page.html"}.get(a, a) for a in arguments]
                seconds, memory = min(measure(words, out) for _ in range(3))
                now = (seconds, memory, count(words) if os.environ.get("COUNT") else None)
                text = f"{seconds:.2f} s of CPU, {memory:.0f} MiB at most"
                if last:
                    text += f"; {now[0] / last[0]:.1f} and {now[1] / last[1]:.1f} times the last"
                if now[2]:
                    text += f"; {now[2] / 1e6:.0f} million instructions"
                    text += f", {now[2] / last[2]:.2f} times the last" if last else ""
                print(f"  {name:<28}{n:>5} turns, last prompt {traces[shape, n] / 1e6:.2f} MB: {text}{misses(words, out)}",
                      flush=True)
                last = now


main()
