#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The cache of Anthropic's API as the mock imitates it: what is asked for, what is told, how long it lives, what is refused."""
import threading
import time

import lib
from mockclient import messages, post

t = lib.Test()
LONG = "You are a careful assistant who answers in few words and never guesses. " * 200
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def block(text, mark={}):
    return {"type": "text", "text": text, **mark}


def usage(mock, content="hello", **more):
    """(read, written, the rest) of a request, and they must be what the log has."""
    u = messages(mock, content, **more).json()["usage"]
    got = (u["cache_read_input_tokens"], u["cache_creation_input_tokens"], u["input_tokens"])
    entry = mock.bodies()[-1]
    if (sum(got), got[0], got[1]) != (entry["prompt_tokens"], entry["cached_tokens"], entry["written_tokens"]):
        raise SystemExit(f"the log has {entry}, usage {u}")
    by_ttl = u["cache_creation"]
    if sum(by_ttl.values()) != got[1]:
        raise SystemExit(f"parts do not sum up: {u}")
    return (*got, by_ttl["ephemeral_1h_input_tokens"])


def turns(n, mark):
    """A conversation of n questions, the last one marked."""
    out = []
    for i in range(n):
        out.append({"role": "user", "content": [block(f"question {i}", mark if i == n - 1 else {})]})
        out.append({"role": "assistant", "content": f"answer {i}"})
    return out[:-1]


SYSTEM = [block(LONG, MARK)]
ANTHROPIC = (*lib.FAST, "--engine", "anthropic")
with t.mock(*ANTHROPIC) as mock:
    t.equal(usage(mock, system=LONG)[:2] + usage(mock, system=LONG)[:2], (0, 0, 0, 0), "what is not asked for is not cached")
    read, written, rest, _ = usage(mock, system=SYSTEM)
    t.ok(read == 0 and written > 2000 and rest < 20, "the first request writes", (read, written, rest))
    t.equal(usage(mock, system=SYSTEM)[:3], (written, 0, rest), "the second reads what that wrote")
    t.equal(usage(mock, system=[block(LONG)])[0], 0, "without its mark nothing is read")
    t.equal(usage(mock, system=SYSTEM, model="other")[0], 0, "models share nothing")
    t.equal(usage(mock, system=[block("A word before. " + LONG, MARK)])[0], 0, "a change at the front loses all")
    read, more, *_ = usage(mock, system=SYSTEM, tools=[{"name": "Bash", "description": "runs", "input_schema": {}}])
    t.ok(read == 0 and more > written, "... and so does another tool", (read, more))

    # The healthy loop: every request reads what those before it wrote, and writes what it adds.
    reads = []
    for n in range(1, 5):
        reads.append(usage(mock, turns(n, MARK), system=SYSTEM))
    t.ok(reads[0][0] == written and all(a[0] + a[1] == b[0] for a, b in zip(reads, reads[1:]))
         and all(0 < r[1] < 40 for r in reads), "a conversation reads all of the past and writes its last turn", reads)
    read, rewritten, *_ = usage(mock, turns(30, MARK), system=SYSTEM)
    t.ok(read == written and rewritten > 200, "what lies more than 20 blocks back is not found", (read, rewritten))
    t.ok(usage(mock, turns(4, MARK), system=SYSTEM, tool_choice={"type": "any"})[0] == written,
         "tool_choice invalidates the messages, not the system prompt")

    # By the model: 4096 tokens for this one, which the prompt has not.
    for _ in range(2):
        short = usage(mock, system=SYSTEM, model="claude-opus-4-6")
    t.equal(short[:2], (0, 0), "a prefix below the model's minimum is not cached")

    events = messages(mock, system=[block(LONG + "streamed", HOUR)], stream=True).events()
    start = events[0][1]["message"]["usage"]
    end = next(d["usage"] for n, d in events if n == "message_delta")
    t.ok(start["cache_creation"]["ephemeral_1h_input_tokens"] == start["cache_creation_input_tokens"] > 2000
         and end["cache_creation_input_tokens"] == start["cache_creation_input_tokens"], "a stream tells the same", (start, end))

    for what, body, message in (
            ("five marks", {"system": [block(f"{i}", MARK) for i in range(5)]},
             "A maximum of 4 blocks with cache_control may be provided. Found 5."),
            ("an hour behind five minutes", {"system": [block("a", MARK), block("b", HOUR)]},
             "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
             "Note that blocks are processed in the following order: `tools`, `system`, `messages`."),
            ("a mark on nothing", {"system": [block("", MARK)]},
             "system.0.text: cache_control cannot be set for empty text blocks")):
        answer = messages(mock, **body)
        t.equal((answer.status, answer.json()["error"]), (400, {"type": "invalid_request_error", "message": message}),
                f"{what}: refused")

# 0.4 seconds stand for five minutes.
with t.mock(*ANTHROPIC, "--cache-ttl", "0.4", "--cache-min", "100") as mock:
    both = [block(LONG, HOUR)], turns(2, MARK)
    first = usage(mock, both[1], system=both[0])
    t.ok(first[3] > 2000 and 0 < first[1] - first[3] < 100, "an hour and five minutes in one request", first)
    time.sleep(0.6)
    t.equal(usage(mock, both[1], system=both[0]), (first[3], first[1] - first[3], first[2], 0),
            "the five minutes are over, the hour is not")
with t.mock(*ANTHROPIC, "--cache-lookback", "2", "--cache-ttl", "100000") as mock:
    usage(mock, [{"role": "user", "content": [block(LONG, MARK)]}])
    t.ok([usage(mock, [{"role": "user", "content": [block(LONG), *[block("x")] * n, block("y", MARK)]}])[0] > 0
          for n in (1, 0)] == [False, True], "--cache-lookback")
with t.mock(*ANTHROPIC, "--no-cache") as mock:
    usage(mock, system=SYSTEM)
    t.equal(usage(mock, system=SYSTEM)[:2], (0, 0), "--no-cache")

# An entry can be read when the answer that wrote it has begun.
with t.mock("--engine", "anthropic", "--prefill-rate", "20000", "--decode-rate", "0") as mock:
    threads = [threading.Thread(target=messages, args=(mock,), kwargs={"system": SYSTEM}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.ok(sum(e["cached_tokens"] for e in mock.bodies()) in (0, written), "requests at the same time may both write")
    t.equal(usage(mock, system=SYSTEM)[0], written, "... and the next one reads")
t.done()
