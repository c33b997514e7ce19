#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on conversations over OpenAI's Chat Completions API, whose clients tell no session.

Judged as t701 does: by what was planted, and by behaviour. What is named is undone in the request, and the backend must
have it in its cache again; with the first of several undone it must not yet.
"""
import json

import chats
import lib
import undo_chat

t = lib.Test()
SESSIONS = 140
SLACK = 64  # blocks, and the beginning of the answer


def send(bodies, *mock_options):
    script = t.path("requests.json")
    script.write_text(json.dumps([(None, None, body) for body in bodies]))
    with t.mock(*lib.FAST, "--cache-tokens", "1000000000", *mock_options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script, "/v1/chat/completions"], limit=300)
        log = mock.bodies()
    if run.status != 0 or len(log) != len(bodies):
        raise RuntimeError(f"{run.status}, {len(log)} of {len(bodies)}: {run.out}{run.err}")
    return run, log


def why(run, engine):
    """Misses by number of the request, from 0."""
    answer = t.command([lib.KVSCOPE, "why", "--engine", engine, "--json", run.trace])
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return {m["exchange"] - 1: m for m in json.loads(answer.out)["misses"]}


def judge(planted, engine, *mock_options):
    """Sends the sessions. Returns what was said wrong, how often, and the misses: [(number, session, request, causes)]."""
    run, log = send([body for s in planted for body in s.bodies], *mock_options)
    said = why(run, engine)
    wrong, alarms, missed, misses, first = [], 0, 0, [], 0
    for s in planted:
        good = True
        for n in range(len(s.bodies)):
            m = said.get(first + n)
            due = ["first_request"] if n == 0 else s.plan.get(n, [])
            got = [m["cause"], *m["behind"]] if m else []
            alarms += bool(got) and not due
            missed += bool(due) and not got
            if got != due:
                good = False
                print(f"# {s.name}, request {n}: planted {due}, said {got}")
            if m and n > 0:
                misses.append((first + n, s, n, got))
        if not good:
            wrong.append(s.name)
        first += len(s.bodies)
    return wrong, alarms, missed, misses, log


planted = [chats.mixed_chat(40000 + n) for n in range(SESSIONS)]
planted += [chats.healthy_chat(41000 + n, harmless) for n, harmless in enumerate([None] * 8 + [*chats.HARMLESS] * 4)]
wrong, alarms, missed, misses, log = judge(planted, "llama.cpp@b1+plain")
print(f"# {len(planted)} sessions, {len(log)} requests, {len(misses)} misses,",
      f"{len({c for m in misses for c in m[3]})} causes")
t.ok(len(wrong) <= 0.05 * len(planted), f"{len(planted) - len(wrong)} of {len(planted)} sessions right", wrong)
t.equal((alarms, missed), (0, 0), "no false alarm, none missed")

# Behaviour: as it was the cache did not hold; undone it does; with the first cause alone undone it does not yet.
bodies, checks, held = [], [], []
for at, s, n, causes in misses:
    old, new = s.bodies[n - 1], s.bodies[n]
    if log[at]["cached_tokens"] >= log[at - 1]["prompt_tokens"] - SLACK:
        held.append((s.name, n, causes))
    for undone in [causes] + ([causes[:1]] if len(causes) > 1 else []):
        # Each pair under a head of its own, or the cache would know it from another one.
        pair = [old, undo_chat.undo(undone, old, new)]
        pair = json.loads(json.dumps(pair).replace("You ", f"Pair {len(checks)}: you "))
        for body in pair:
            body["tools"][0]["function"]["name"] += f"_{len(checks)}"
        bodies += pair
        checks.append((s.name, n, undone, undone != causes))
_, undone = send(bodies)
kept, broken = [], []
for k, (name, n, causes, half) in enumerate(checks):
    whole = undone[2 * k]["prompt_tokens"] - SLACK
    if half and undone[2 * k + 1]["cached_tokens"] >= whole:
        kept.append((name, n, causes))
    if not half and undone[2 * k + 1]["cached_tokens"] < whole:
        broken.append((name, n, causes, undone[2 * k + 1]["cached_tokens"], whole))
t.ok(not held, f"where a miss is said, the backend had one ({len(misses)})", held)
t.ok(not broken, f"with the named causes undone the cache holds ({len(misses)})", "\n".join(map(str, broken)))
t.ok(not kept, f"with the first of several undone it does not ({sum(c[3] for c in checks)})", kept)

# Two conversations with one head that take turns: nobody says which is which.
bodies = [body for n in range(6) for body in chats.twins(42000 + n)]
run, log = send(bodies)
said = why(run, "llama.cpp@b1+plain")
t.ok({m["cause"] for m in said.values()} == {"first_request"} and len(said) == 12,
     "conversations with one head that take turns: told apart, and quiet", said)

# Another model from the fourth request on.
bodies = [{**body, "model": "local-model" if n < 3 else "other-model"} for n, body in enumerate(chats.healthy_chat(42500).bodies)]
run, log = send(bodies)
said = why(run, "llama.cpp@b1+plain")
switch = said[3]["cause"], said[3]["parent"], said[3]["expected"], log[3]["cached_tokens"]
t.ok(switch == ("model_switch", 3, True, 0) and len(said) == 2,
     "a conversation that goes on with another model, though nothing tells that it is the same", (said, log[3]))
said = why(send([*bodies[:3], {**bodies[0], "model": "other-model"}])[0], "llama.cpp@b1+plain")
t.equal(said[3]["cause"], "first_request", "the same question to another model is a conversation of its own")
run, log = send([{**body, "model": "local-model"} for body in bodies])
lines = [json.loads(line) for line in run.trace.read_text().splitlines()]
for line in lines:
    if line["type"] == "exchange" and line["id"] > 3:
        line["model"] = "other-model"
run.trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
t.equal(why(run, "llama.cpp@b1+plain")[3]["cause"], "first_request",
        "where the cache takes no notice of the name, no switch is said")

# What a template does: thinking goes at the next question, notes go to the head.
thinking = [chats.question_chat(43000 + n) for n in range(12)]
wrong, *_ = judge(thinking, "llama.cpp+qwen3", "--thinking", "drop-old", "--head", "system")
t.ok(not wrong, f"thinking dropped by the template: {len(thinking)} sessions", wrong)
for s in thinking:
    s.plan = {}
wrong, *_ = judge(thinking, "llama.cpp+plain")
t.ok(not wrong, "thinking that is kept: quiet", wrong)
thinking = [chats.question_chat(43000 + n, dropped=True) for n in range(12)]
for s in thinking:
    s.plan = {n: ["thinking_dropped_by_client"] for n in s.plan}
wrong, *_ = judge(thinking, "llama.cpp+plain")
t.ok(not wrong, f"thinking dropped by the client: {len(thinking)} sessions", wrong)

notes = [chats.notes_chat(44000 + n) for n in range(12)]
wrong, *_ = judge(notes, "ollama+plain", "--system-turns", "hoist")
t.ok(not wrong, f"system messages that are hoisted: {len(notes)} sessions", wrong)
for s in notes:
    s.plan = {}
wrong, *_ = judge(notes, "llama.cpp+plain")
t.ok(not wrong, "system messages in place: quiet", wrong)
t.done()
