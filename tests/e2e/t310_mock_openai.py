#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mock's OpenAI API: streams, whole answers, tool calls, models and health."""
import json

import lib
from mockclient import messages, post, request

TOOL = {"type": "function", "function": {"name": "ls", "description": "list", "parameters": {"type": "object"}}}
SCRIPT = {"turns": [[{"thinking": "hm"}, {"text": "I look."}, {"tool_use": {"name": "ls", "input": {"path": "."}}},
                     {"tool_use": {"name": "ls", "input": {"path": "/"}}}]]}

t = lib.Test()
script = t.path("script.json")
script.write_text(json.dumps(SCRIPT))


def chat(mock, content="hello", **fields):
    return post(mock, "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": content}], **fields})


with t.mock(*lib.FAST, "--script", str(script), "--model", "qwen3-coder") as mock:
    whole = chat(mock).json()
    text = whole["choices"][0]["message"]["content"]
    t.equal((whole["object"], whole["choices"][0]["finish_reason"], whole["model"]), ("chat.completion", "stop", "m"), "an answer")
    u = whole["usage"]
    t.equal((u["total_tokens"], u["prompt_tokens_details"]), (u["prompt_tokens"] + u["completion_tokens"], {"cached_tokens": 0}),
            "its usage")

    events = [data for _, data in chat(mock, stream=True).events()]
    t.equal(events[-1], "[DONE]", "a stream ends with [DONE]")
    deltas = [e["choices"][0]["delta"] for e in events[:-1]]
    t.equal(deltas[0]["role"], "assistant", "a stream begins with the role")
    t.equal("".join(d.get("content", "") for d in deltas), text, "a stream says the same")
    t.equal([e["choices"][0]["finish_reason"] for e in events[:-1]], [None] * (len(events) - 2) + ["stop"], "finish_reason comes last")
    t.ok(not any("usage" in e for e in events[:-1]), "no usage unless asked for")

    events = [data for _, data in chat(mock, stream=True, stream_options={"include_usage": True}).events()]
    t.equal((events[-2]["choices"], events[-2]["usage"]), ([], u), "usage where asked for: in a chunk of its own")

    message = chat(mock, tools=[TOOL]).json()["choices"][0]
    t.equal(message["finish_reason"], "tool_calls", "tool calls: finish_reason")
    message = message["message"]
    t.equal((message["content"], message["reasoning_content"]), ("I look.", "hm"), "text and thinking beside them")
    t.equal([(c["type"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message["tool_calls"]],
            [("function", "ls", {"path": "."}), ("function", "ls", {"path": "/"})], "tool calls")

    calls = {}
    for _, data in chat(mock, tools=[TOOL], stream=True).events()[:-1]:
        for call in data["choices"][0]["delta"].get("tool_calls", []):
            c = calls.setdefault(call["index"], {"id": None, "name": None, "arguments": ""})
            c["id"] = call.get("id", c["id"])
            c["name"] = call["function"].get("name", c["name"])
            c["arguments"] += call["function"]["arguments"]
    t.equal([(calls[i]["name"], calls[i]["arguments"]) for i in (0, 1)],
            [(c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]], "the same tool calls in a stream")
    t.ok(calls[0]["id"] and calls[0]["id"] != calls[1]["id"], "... with ids of their own", calls)

    cut = chat(mock, max_completion_tokens=2).json()["choices"][0]
    t.equal((cut["message"]["content"], cut["finish_reason"]), ("This is", "length"), "max_completion_tokens")

    bad = chat(mock, content="x", max_tokens=0)
    t.equal((bad.status, bad.json()["error"]["type"]), (400, "invalid_request_error"), "an error in OpenAI's shape")

    # A prompt that came by one API is a hit for the other.
    long = "A sentence that is long enough for several blocks of the cache. " * 10
    before = messages(mock, long).json()["usage"]
    after = chat(mock, long).json()["usage"]
    t.equal(before["input_tokens"], after["prompt_tokens"], "both APIs count alike")
    t.ok(after["prompt_tokens_details"]["cached_tokens"] > 100, "and share the cache", after)

    t.equal([m["id"] for m in request(mock, "GET", "/v1/models").json()["data"]], ["qwen3-coder"], "/v1/models")
    t.equal(request(mock, "GET", "/health").json(), {"status": "ok"}, "/health")
    nameless = post(mock, "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}).json()
    t.equal(nameless["model"], "qwen3-coder", "the model's name where the request has none")
    t.equal(mock.bodies()[0]["api"], "openai_chat", "the log names the API")
t.equal(mock.process.returncode, 0, "the mock ends well")
t.done()
