#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the mock does to a prompt before its cache sees it, as clients see it: by what is cached of the next request."""
import json

import lib
from mockclient import messages, post

t = lib.Test()
SYSTEM = "You are a careful assistant who answers in few words and never guesses. " * 20
TOOLS = [{"name": "Bash", "description": "Runs a command in a shell. " * 40, "input_schema": {"type": "object"}}]
NOTE = {"role": "system", "content": "The agents that you can call are these: none."}


def usage(mock, content="hello", **fields):
    u = messages(mock, content, **fields).json()["usage"]
    return u["cache_read_input_tokens"], u["cache_read_input_tokens"] + u["input_tokens"]


def user(text):
    return {"role": "user", "content": text}


def mock(*options):
    # A block of one token: every cached token counts.
    return t.mock(*lib.FAST, "--block", "1", *options)


# ---- system turns: the second request differs from the first by one that came in between


def with_a_note(*options):
    with mock(*options) as m:
        history = [user("one")]
        first = messages(m, history, system=SYSTEM).json()
        history += [{"role": "assistant", "content": first["content"]}, NOTE, user("two")]
        answer = messages(m, history, system=SYSTEM)
        entries = m.bodies()
        return answer, entries[0]["prompt_tokens"] + entries[0]["output_tokens"], entries[-1].get("cached_tokens")


answer, said, cached = with_a_note()
t.ok(cached > said, "--system-turns keep: all that was said before is a hit", (cached, said))
answer, said, cached = with_a_note("--system-turns", "user")
t.ok(cached > said, "--system-turns user: all that was said before is a hit", (cached, said))
answer, said, cached = with_a_note("--system-turns", "hoist")
with mock("--system-turns", "hoist") as m:
    messages(m, system=SYSTEM)
    head = usage(m, "hello", system=SYSTEM + "!")[0]
t.ok(head - 8 < cached <= head + 8 and cached < said, "--system-turns hoist: the system prompt alone is", (cached, head, said))
answer, said, cached = with_a_note("--system-turns", "refuse")
t.equal((answer.status, answer.json()["error"], cached),
        (400, {"type": "invalid_request_error", "message": "System message must be at the beginning"}, None),
        "--system-turns refuse: an error")
with mock("--system-turns", "refuse") as m:
    body = {"messages": [NOTE, user("x")]}
    t.equal(post(m, "/v1/chat/completions", body).status, 200, "... but not of OpenAI's system prompt")
    body["messages"].append(NOTE)
    refusal = post(m, "/v1/chat/completions", body)
    t.equal((refusal.status, refusal.json()["error"]["message"]), (400, "System message must be at the beginning"),
            "... only of further turns")
    t.equal(post(m, "/v1/messages/count_tokens", {"system": "s", **body}).status, 400, "... and to count_tokens, too")

# ---- billing: two requests that differ by their nonce


def billed(nonce):
    header = f"x-anthropic-billing-header: cc_version=2.1.42.834; cc_entrypoint=cli; cch={nonce};"
    return [{"type": "text", "text": header}, {"type": "text", "text": SYSTEM}]


for how in ("keep", "mask", "remove"):
    with mock("--billing", how) as m:
        usage(m, system=billed("65abc"))
        cached, total = usage(m, system=billed("0f1e2"))
        bare = usage(m, system=SYSTEM)[0]
    if how == "keep":
        t.ok(10 < cached < 60, "--billing keep: all behind the nonce is lost", (cached, total))
    else:
        t.equal(cached, total - 1, f"--billing {how}: the nonce costs nothing")
    t.equal(bare == cached, how == "remove", f"--billing {how}: the prompt is {'' if how == 'remove' else 'not '}that without the line")

# ---- thinking: a loop of tools, then a new word of the user's

script = t.path("script.json")
script.write_text(json.dumps({
    "turns": [[{"thinking": "I should list the files first."}, {"tool_use": {"name": "Bash", "input": {"command": "ls"}}}]],
    "default": [{"thinking": "That is all there is to know."}, {"text": "There are none."}]}))
for how, in_loop, later in (("keep", True, True), ("drop-old", True, False), ("drop", False, False)):
    with mock("--thinking", how, "--script", str(script)) as m:
        history, known = [user("what is here?")], []
        for step in ([{"type": "tool_result", "tool_use_id": "x", "content": "nothing"}], "and there?", None):
            answer = messages(m, history, tools=TOOLS).json()
            entry = m.bodies()[-1]
            known.append((entry["prompt_tokens"] + entry["output_tokens"], entry["cached_tokens"]))
            history += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": step}]
        first_prompt = m.bodies()[0]["prompt_tokens"]
    t.equal(known[1][1] > known[0][0], in_loop, f"--thinking {how}: within a loop of tools thinking is {'a hit' if in_loop else 'lost'}")
    t.equal(known[2][1] > known[1][0], later, f"--thinking {how}: behind a new word of the user it is {'a hit' if later else 'lost'}")
    if not later:
        t.equal(known[2 if in_loop else 1][1], first_prompt, f"--thinking {how}: ... from the first thought on")

# ---- the head: what a change of the system prompt leaves

for first, kept in (("tools", True), ("system", False)):
    with mock("--head", first) as m:
        usage(m, system="One. " + SYSTEM, tools=TOOLS)
        cached = usage(m, system="Two. " + SYSTEM, tools=TOOLS)[0]
        only_tools = post(m, "/v1/messages/count_tokens", {"messages": [user("x")], "tools": TOOLS}).json()["input_tokens"]
    t.equal(cached > 200, kept, f"--head {first}: another system prompt {'keeps' if kept else 'loses'} the tools")
    t.ok(only_tools > 200, "... which are many", only_tools)

# ---- usage that tells nothing of the cache

with mock("--no-report") as m:
    messages(m, system=SYSTEM)
    whole = messages(m, system=SYSTEM).json()["usage"]
    events = messages(m, system=SYSTEM, stream=True).events()
    chat = post(m, "/v1/chat/completions", {"messages": [{"role": "system", "content": SYSTEM}, user("hello")]}).json()["usage"]
    entry = m.bodies()[1]
t.equal((sorted(whole), whole["input_tokens"]), (["input_tokens", "output_tokens"], entry["prompt_tokens"]), "--no-report: usage")
t.equal(events[0][1]["message"]["usage"], {"input_tokens": entry["prompt_tokens"], "output_tokens": 0}, "--no-report: a stream")
t.equal(sorted(chat), ["completion_tokens", "prompt_tokens", "total_tokens"], "--no-report: OpenAI's usage")
t.equal(entry["cached_tokens"], entry["prompt_tokens"] - 1, "... while the log tells")

for option, why in (("--system-turns", "keep, hoist, user or refuse"), ("--billing", "keep, mask or remove"),
                    ("--thinking", "keep, drop-old or drop"), ("--head", "tools or system")):
    run = t.command([lib.KVSCOPE, "mock", option, "wrong"])
    t.equal((run.status, run.err), (2, f'kvscope: mock: {option}: "wrong" is not {why}\n'), f"{option} wrong is refused")
t.done()
