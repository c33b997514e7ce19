#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Scripts of the mock: HTTP errors, errors in the stream, stalls, delays, cuts, and what is said of a bad one."""
import json
import time

import lib
from mockclient import messages, post

t = lib.Test()
script = t.path("script.json")
script.write_text(json.dumps({"rules": [
    {"when": {"user": "busy"}, "repeat": 2, "status": 529, "retry_after_s": 3},
    {"when": {"user": "limit"}, "status": 429, "error": {"type": "rate_limit_error", "message": "slow down"}, "delay_ms": 150},
    {"when": {"user": "break"}, "answer": [{"text": "so far so good"}, {"error": {"type": "overloaded_error", "message": "broke"}}]},
    {"when": {"user": "vanish"}, "answer": [{"text": "so far"}, {"cut": True}]},
    {"when": {"user": "silent"}, "answer": [{"text": "one"}, {"stall_ms": 200}, {"text": " two"}]},
    {"when": {"user": "nothing"}, "answer": []},
    {"when": {"user": "first"}, "answer": [{"cut": True}]},
]}))

with t.mock(*lib.FAST, "--script", str(script)) as mock:
    for n in range(2):
        answer = messages(mock, "busy")
        t.equal((answer.status, answer.headers["retry-after"], answer.json()["error"]),
                (529, "3", {"type": "overloaded_error", "message": "scripted error"}), f"an HTTP error, use {n + 1} of 2")
    t.equal(messages(mock, "busy").status, 200, "... and the third time an answer")

    begin = time.monotonic()
    answer = messages(mock, "limit")
    t.equal((answer.status, answer.json()["error"]["message"]), (429, "slow down"), "an error with words of its own")
    t.ok(time.monotonic() - begin >= 0.15, "... after its delay")
    t.equal(post(mock, "/v1/chat/completions", {"messages": [{"role": "user", "content": "limit"}]}).json()["error"],
            {"message": "slow down", "type": "rate_limit_error", "param": None, "code": None}, "the same for OpenAI's clients")
    entry = mock.log()[-1]
    t.equal((entry["status"], entry["matched"], entry.get("cached_tokens")), (429, "rules[1]", None),
            "a refused request has not been looked up in the cache")

    answer = messages(mock, "break", stream=True)
    events = answer.events()
    t.equal((answer.status, answer.cut, events[-1]), (200, False, ("error", {"type": "error", "error": {
        "type": "overloaded_error", "message": "broke"}})), "an error event ends the stream")
    t.equal("".join(d["delta"]["text"] for n, d in events if n == "content_block_delta"), "so far so good", "... after the text")
    answer = messages(mock, "break")
    t.equal((answer.status, answer.json()["error"]["message"]), (529, "broke"), "the same without a stream is an HTTP error")

    answer = messages(mock, "vanish", stream=True)
    t.equal((answer.cut, answer.events()[-1][0]), (True, "content_block_delta"), "a cut ends the connection within a block")
    t.equal((mock.log()[-1]["aborted"], mock.log()[-1]["status"]), (False, 200), "... and is not the client's doing")
    answer = messages(mock, "first", stream=True)
    t.equal((answer.cut, [n for n, _ in answer.events()]), (True, ["message_start", "ping"]), "a cut before any content")

    answer = messages(mock, "silent", stream=True)
    t.equal("".join(d["delta"]["text"] for n, d in answer.events() if n == "content_block_delta"), "one two", "a stall within a text")
    t.equal([n for n, _ in answer.events()].count("content_block_start"), 1, "... does not end its block")
    times = mock.log()[-1]["times_ns"]
    t.ok(times["end"] - times["first_content"] >= 200e6, "... and lasts", times)

    answer = messages(mock, "nothing", stream=True)
    t.equal([n for n, _ in answer.events()], ["message_start", "ping", "message_delta", "message_stop"], "an answer of nothing")
    t.equal(messages(mock, "nothing").json()["content"], [], "... and without a stream")


def refused(*options):
    return t.command([lib.KVSCOPE, "mock", *options])


def bad_script(text, why):
    script.write_bytes(text)
    run = refused("--script", str(script))
    t.equal((run.status, run.out, run.err), (2, "", f"kvscope: {script}: {why}\n"), f"a bad script: {why}")


bad_script(b'{"rules":[{"answer":[]},{"answer":[{"say":"x"}]}]}', 'rule 1: there is no action "say"')
bad_script(b'{"turns":[\n[{"text":"x"}],\nx]}', "line 3: not JSON")
missing = t.scratch / "missing"
for options, why in ((("--script", f"{missing}/x.json"), f"kvscope: {missing}/x.json: No such file or directory\n"),
                     (("--log", f"{missing}/x.log"), f"kvscope: {missing}/x.log: No such file or directory\n"),
                     (("--port", "70000"), 'kvscope: mock: --port: "70000" is not a whole number from 0 to 65535\n'),
                     (("--block", "0"), 'kvscope: mock: --block: "0" is not a whole number from 1 to 4096\n'),
                     (("stray",), 'kvscope: mock: takes no argument, but got "stray"\n')):
    run = refused(*options)
    t.equal((run.status, run.out, run.err), (2, "", why), f"refused: {' '.join(options)}")

example = lib.ROOT / "examples/scripts/bash-loop.json"
with t.mock(*lib.FAST, "--block", "1", "--script", str(example)) as mock:
    history, commands = [{"role": "user", "content": "go"}], []
    tools = [{"name": "Bash", "input_schema": {}}]
    for _ in range(10):
        answer = messages(mock, history, tools=tools).json()
        if answer["stop_reason"] != "tool_use":
            break
        call = answer["content"][-1]
        commands.append(call["input"]["command"])
        history += [{"role": "assistant", "content": answer["content"]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}]},
                    {"role": "system", "content": "a turn that some clients add"}]
    t.equal((len(commands), answer["stop_reason"]), (3, "end_turn"), "the example script leads through its tool calls")
    said = [(e["prompt_tokens"] + e["output_tokens"], e["cached_tokens"]) for e in mock.bodies()]
    t.ok(all(after[1] > before[0] for before, after in zip(said, said[1:])),
         "... and finds its prompts and tool calls in the cache, token by token", said)
t.equal(mock.process.returncode, 0, "the mock ends well")
t.done()
