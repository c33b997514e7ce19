#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mock's Anthropic API: streams, whole answers, count_tokens, errors, and its log."""
import hashlib
import json
import zlib

import lib
from mockclient import messages, post, request

TOOL = {"name": "Bash", "description": "run", "input_schema": {"type": "object"}}
SCRIPT = {"turns": [[{"thinking": "let me see"}, {"text": "Three words here."},
                     {"tool_use": {"name": "Bash", "input": {"command": "ls -l", "n": [1, 2]}}},
                     {"tool_use": {"name": "Bash", "input": {}}}]]}

t = lib.Test()
script = t.path("script.json")
script.write_text(json.dumps(SCRIPT))

with t.mock(*lib.FAST, "--script", str(script)) as mock:
    plain = messages(mock, stream=True)
    events = plain.events()
    t.equal(plain.status, 200, "a stream: status")
    t.equal(plain.headers["content-type"], "text/event-stream; charset=utf-8", "a stream: type")
    t.ok(all(name == data["type"] for name, data in events), "a stream: every event's name is its type", events)
    names = [name for name, _ in events]
    t.equal([n for n in names if n != "content_block_delta"],
            ["message_start", "ping", "content_block_start", "content_block_stop", "message_delta", "message_stop"],
            "a stream: order of the events")
    message = events[0][1]["message"]
    t.equal((message["role"], message["model"], message["content"], message["stop_reason"]),
            ("assistant", "m", [], None), "a stream: message_start")
    text = "".join(d["delta"]["text"] for n, d in events if n == "content_block_delta")
    t.equal(events[-2][1]["delta"]["stop_reason"], "end_turn", "a stream: stop reason")
    t.equal(events[-2][1]["usage"]["output_tokens"], names.count("content_block_delta"), "a stream: a delta per token")

    whole = messages(mock).json()
    t.equal(whole["content"], [{"type": "text", "text": text}], "an answer that is not streamed says the same")
    t.equal(whole["usage"]["output_tokens"], events[-2][1]["usage"]["output_tokens"], "... in as many tokens")

    # Blocks of every kind, streamed and whole.
    events = messages(mock, tools=[TOOL], stream=True).events()
    blocks = {}
    for name, data in events:
        if name == "content_block_start":
            blocks[data["index"]] = dict(data["content_block"])
            parts = []
        elif name == "content_block_delta":
            parts.append(data["delta"])
        elif name == "content_block_stop":
            block = blocks[data["index"]]
            for delta in parts:
                for field in ("thinking", "text", "signature"):
                    if delta["type"] == field + "_delta":
                        block[field] += delta[field]
            if block["type"] == "tool_use":
                block["input"] = json.loads("".join(delta["partial_json"] for delta in parts))
    streamed = [blocks[i] for i in sorted(blocks)]
    t.equal([b["type"] for b in streamed], ["thinking", "text", "tool_use", "tool_use"], "blocks of every kind")
    t.equal((streamed[0]["thinking"], streamed[1]["text"], streamed[2]["name"], streamed[2]["input"], streamed[3]["input"]),
            ("let me see", "Three words here.", "Bash", {"command": "ls -l", "n": [1, 2]}, {}), "... with their content")
    t.ok(streamed[0]["signature"], "a thinking block is signed")
    t.ok(streamed[2]["id"] != streamed[3]["id"], "tool calls have ids of their own")
    whole = messages(mock, tools=[TOOL]).json()
    t.equal([{k: v for k, v in b.items() if k != "id"} for b in whole["content"]],
            [{k: v for k, v in b.items() if k != "id"} for b in streamed], "the same blocks without a stream")
    t.equal((whole["stop_reason"], events[-2][1]["delta"]["stop_reason"]), ("tool_use", "tool_use"), "stop reason of a tool call")

    # max_tokens
    cut = messages(mock, max_tokens=2).json()
    t.equal((cut["content"][0]["text"], cut["stop_reason"], cut["usage"]["output_tokens"]), ("This is", "max_tokens", 2),
            "max_tokens cuts the answer")
    cut = messages(mock, tools=[TOOL], max_tokens=9).json()
    t.equal((cut["content"][-1]["type"], cut["content"][-1]["input"], cut["stop_reason"]), ("tool_use", {}, "max_tokens"),
            "a tool's input that is cut is not sent as half a JSON")
    cut = messages(mock, max_tokens=1, stream=True).events()
    t.equal([n for n, _ in cut][-3:], ["content_block_stop", "message_delta", "message_stop"], "a stream that is cut ends well")
    t.equal(cut[-2][1]["delta"]["stop_reason"], "max_tokens", "... and says so")

    # count_tokens
    counted = post(mock, "/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": "hello"}]}).json()
    u = messages(mock).json()["usage"]
    t.equal(counted, {"input_tokens": u["input_tokens"] + u["cache_read_input_tokens"]}, "count_tokens counts what a request costs")

    # errors
    for body, why in ((b"{", "not JSON"), (b"", "empty"), (b"[]", "not an object"), (b'{"messages":[]}', "no messages"),
                      (b'{"messages":[1],"max_tokens":-1}', "max_tokens")):
        answer = post(mock, "/v1/messages", body)
        t.ok(answer.status == 400 and answer.json()["type"] == "error"
             and answer.json()["error"]["type"] == "invalid_request_error" and answer.json()["error"]["message"],
             f"a bad request is refused: {why}", answer.body)
    t.equal((request(mock, "GET", "/nothing").status, request(mock, "GET", "/nothing").json()["error"]["type"]),
            (404, "not_found_error"), "an unknown path")
    answer = request(mock, "GET", "/v1/messages")
    t.equal((answer.status, answer.headers["allow"]), (405, "POST"), "a wrong method")

    # Content codings of requests. The log has the hash of what was inside.
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "packed"}]}).encode()
    gzip = zlib.compressobj(wbits=31)
    packed = gzip.compress(body) + gzip.flush()
    t.equal(post(mock, "/v1/messages", packed, headers={"Content-Encoding": "gzip"}).status, 200, "a gzip request")
    t.equal(mock.log()[-1]["sha256"], hashlib.sha256(body).hexdigest(), "the log has the hash of what was packed")
    t.equal(post(mock, "/v1/messages", packed[:-20], headers={"Content-Encoding": "gzip"}).status, 400, "a broken gzip request")
    t.equal(mock.log()[-1].get("sha256"), None, "... has no hash")
    t.equal(post(mock, "/v1/messages", packed, headers={"Content-Encoding": "lzma"}).status, 415, "an unknown coding")

    # The log of one request in full.
    body = json.dumps({"model": "opus", "stream": True, "messages": [
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]}).encode()
    post(mock, "/v1/messages?beta=true", body, headers={"X-Claude-Code-Session-Id": "abc"})
    entry = mock.log()[-1]
    times = entry.pop("times_ns")
    t.equal(entry, {"n": len(mock.log()), "connection": entry["connection"], "method": "POST", "path": "/v1/messages",
                    "query": "beta=true", "api": "anthropic_messages", "sha256": hashlib.sha256(body).hexdigest(),
                    "bytes": len(body), "model": "opus", "stream": True, "turn": 1, "matched": "default",
                    "prompt_tokens": entry["prompt_tokens"], "cached_tokens": 0, "new_tokens": entry["prompt_tokens"],
                    "output_tokens": 13, "session": "abc", "status": 200, "aborted": False}, "a line of the log")
    order = ["head_complete", "body_complete", "prefill_start", "first_byte", "message_start", "first_content", "end"]
    t.equal(list(times), order, "its times")
    t.ok(all(times[a] <= times[b] for a, b in zip(order, order[1:])), "... stand in their order", times)
    messages(mock)
    times = mock.log()[-1]["times_ns"]
    t.ok(times["message_start"] is None and times["first_content"] is None and times["first_byte"] == times["end"],
         "without a stream there is no message_start and one byte to end with", times)
t.equal(mock.process.returncode, 0, "SIGTERM ends it with status 0")
t.done()
