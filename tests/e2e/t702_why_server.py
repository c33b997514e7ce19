#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why where the prompts are equal and the backend reused less: eviction, restarts, caches that cannot be cut back,
windows that are too small, times to live, parameters. And what keeps conversations from sharing their heads.

The oracle is the backend: with the cause undone (more slots, a cache that can be cut back, a larger window, no pause) its
own count recovers.
"""
import collections
import copy
import json
import random
import subprocess

import lib
import scripted
import sessions

t = lib.Test()


def record(backend, requests, between=None):
    """Sends [(session, agent, body)]; between(backend, n) is called before request n. Returns the trace."""
    trace = t.path("trace.jsonl")
    client = subprocess.Popen([lib.KVSCOPE, "run", "-o", trace, "--", "python3", lib.CLIENTS / "steps.py", backend.url],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              start_new_session=True)
    t.processes.append(client)
    for n, request in enumerate(requests):
        if between:
            between(backend, n)
        client.stdin.write(json.dumps(request) + "\n")
        client.stdin.flush()
        client.stdout.readline()
    client.communicate(timeout=30)
    return trace


def play(requests, between=None, **options):
    """The same to a backend of its own. Returns the trace and the backend's counts."""
    with scripted.Backend(**options) as backend:
        return record(backend, requests, between), backend.cached


def misses(trace, engine="llama.cpp@b1"):
    answer = t.command([lib.KVSCOPE, "why", "--engine", engine, "--json", trace])
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return [m for m in json.loads(answer.out)["misses"] if m["cause"] != "first_request"]


def causes(trace, engine="llama.cpp@b1"):
    return dict(collections.Counter(m["cause"] for m in misses(trace, engine)))


def conversation(seed, agent=None, name=None, **kwargs):
    return [(name or "main", agent, body) for body in sessions.session(seed, **kwargs).bodies]


def held(counts, k=0.9):
    """Did the cache hold from each request to the next? Counts are the cached tokens, growing with the conversation."""
    return all(b >= a * k and b > 0 for a, b in zip(counts[1:], counts[2:]))


# ---- a side request takes the only slot; the conversation comes back

main = conversation(300)
side = [("main", "title", {"model": "local-model", "max_tokens": 20, "stream": False,
                           "system": [{"type": "text", "text": "Make a title. " + sessions.prose(random.Random(1), 90)}],
                           "messages": [{"role": "user", "content": f"Question {n}: {sessions.prose(random.Random(n), 40)}"}]})
        for n in range(3)]
mixed = [main[0], side[0], main[1], main[2], side[1], main[3], main[4], side[2], main[5]]
trace, counts = play(mixed, slots=1)
got = misses(trace)
t.equal([(m["exchange"], m["cause"], m["side"]) for m in got],
        [(n, "slot_evicted", "server") for n in (3, 6, 9)], "a side request in the only slot: evicted, each time")
t.ok(all("-np" in m["fix"]["server"] and m["fix"]["env"] for m in got), "the fix names slots and side requests",
     [m["fix"] for m in got])
trace, counts = play(mixed, slots=2)
t.equal(causes(trace), {}, "with a second slot nothing is evicted, and nothing said")

# ---- the cache has held as much before: what was in between does not explain a loss

trace, counts = play(mixed, lambda b, n: b.kept.clear() if n == 8 else None, slots=2)
t.equal(causes(trace), {"unknown": 1}, "a loss with no more in between than the cache has held before is unknown")

# ---- the server goes away for a moment


def restart(backend, n):
    if n == 3:
        backend.kept.clear()
        backend.status = 503
    elif n == 4:
        backend.status = 200


again = [*main[:3], main[3], *main[3:]]
trace, counts = play(again, restart)
got = misses(trace)
t.ok([(m["cause"], m["expected"], m["side"]) for m in got] == [("restart", True, "server")],
     "a 503, then nothing reused: the server was restarted, which is expected", got)


def broken_off(trace, by):
    """The 503 as an answer that has begun and was broken off."""
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    for x in lines:
        if x["type"] == "exchange" and x["response"]["status"] == 503:
            x["response"] |= {"status": 200, "error": f"the {by} closed the connection", "stop_reason": None}
    out = t.path("broken.jsonl")
    out.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return out


t.equal([causes(broken_off(trace, by)) for by in ("server", "client")], [{"restart": 1}, {"unknown": 1}],
        "so does an answer that the server broke off; a person who interrupts one is no failure")
trace, counts = play(main)
t.equal(causes(trace), {}, "the same without the restart is quiet")

# ---- all or nothing: a cache that cannot be cut back to the prompt that it had

trace, counts = play(main, trimmable=False)
t.equal(causes(trace), {"not_trimmable": 5}, "a cache that cannot be cut back")
t.ok(counts[1:] == [0] * 5 and held(play(main, trimmable=True)[1]), "the backend says so, and one that can holds", counts)

# ---- a window that is too small: the oldest messages go silently

full = max(len(scripted.words(body)) for _, _, body in main)
shrinking = [*main[:4]]
grown = copy.deepcopy(main[3][2])
grown["messages"] += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And now?"}]
shrinking.append(("main", None, grown))


def shrink(backend, n):
    if n == 4:
        backend.window = 700


trace, counts = play(shrinking, shrink, window=10**6)
t.equal(causes(trace, "ollama"), {"prompt_truncated": 1}, "the request grew and the counted prompt shrank: cut off")
trace, counts = play(shrinking, window=300)
t.equal(causes(trace, "ollama"), {"prompt_truncated": 3}, "too small for the first one: counts do not grow as the requests do")
t.equal(causes(trace, "vllm"), {}, "which only a server does that cuts off")
trace, counts = play(shrinking, window=10**6)
t.equal(causes(trace, "ollama"), {}, "with a window that holds it all nothing is said")

# ---- effort: a parameter that some templates write into the prompt

effort = [(s, a, {**body, "output_config": {"effort": "low" if n < 3 else "high"}}) for n, (s, a, body) in enumerate(main)]
trace, counts = play(effort, effort_in_prompt=True)
t.equal(causes(trace, "llama.cpp@b1+gpt-oss"), {"parameters_changed": 1}, "another effort, in the prompt of a template")
trace, counts = play(effort, effort_in_prompt=False)
t.equal(causes(trace, "llama.cpp@b1"), {}, "another effort that is not in the prompt breaks nothing")


# ---- Anthropic: time to live, what cache_control asks for, where it stands

def with_ttl(body, ttl):
    text = json.dumps(body).replace('{"type": "ephemeral"}', json.dumps({"type": "ephemeral", **({"ttl": ttl} if ttl else {})}))
    return json.loads(text)


def later(trace, exchange, seconds):
    """The same trace with a pause before an exchange."""
    moved = t.path("later.jsonl")
    with open(trace, encoding="utf-8") as f, open(moved, "w", encoding="utf-8") as to:
        for line in map(json.loads, f):
            if line["type"] == "exchange" and line["id"] >= exchange:
                line["times_ns"] = {k: v and v + int(seconds * 1e9) for k, v in line["times_ns"].items()}
            to.write(json.dumps(line) + "\n")
    return moved


def forget(at):
    return lambda backend, n: backend.kept.clear() if n == at else None


trace, counts = play(main, forget(3))
t.equal(causes(later(trace, 4, 400), "anthropic"), {"ttl_expired": 1}, "nothing reused after 400 s: the entry has expired")
t.equal(causes(later(trace, 4, 200), "anthropic"), {"unknown": 1}, "after 200 s it has not")
hour = [(s, a, with_ttl(body, "1h")) for s, a, body in main]
trace, counts = play(hour, forget(3))
t.equal(causes(later(trace, 4, 400), "anthropic"), {"unknown": 1}, "nor after 400 s if it was to live an hour")
t.equal(causes(later(trace, 4, 4000), "anthropic"), {"ttl_expired": 1}, "but after 4000 s")
t.ok(misses(later(trace, 4, 4000), "anthropic")[0]["expected"], "which is expected")
jitter = [(s, a, with_ttl(body, None if n == 3 else "1h")) for n, (s, a, body) in enumerate(main)]


def cloud(requests):
    """The same to the mock's imitation of Anthropic's API: what it reused of each request's predecessor, and the causes."""
    script = t.path("requests.json")
    script.write_text(json.dumps(requests))
    with t.mock(*lib.FAST, "--engine", "anthropic") as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
        log = mock.bodies()
    if run.status != 0 or len(log) != len(requests):
        raise RuntimeError(run.err)
    return [b["cached_tokens"] / a["prompt_tokens"] for a, b in zip(log, log[1:])], causes(run.trace, "anthropic")


shares, said = cloud(jitter)
t.equal(said, {"cache_control_changed": 2}, "one request without the hour that the others ask for: it and the next one miss")
t.ok(shares[2] == 0 and min(shares[:2]) > 0.95, "the cache of Anthropic's API has nothing for it", shares)
shares, said = cloud(hour)
t.ok(said == {} and min(shares) > 0.95, "undone, it has all", (shares, said))
trace, counts = play(jitter)
t.equal(causes(trace), {}, "a local server ignores it, and nothing is said")



def with_turns(on_turn, sent_again=False, behind=False):
    """Each request ends with a system turn, and the cache marker is on it or on the block before it."""
    out, turns = [], {}
    for n, (s, a, body) in enumerate(main):
        body = copy.deepcopy(body)
        for m in body["messages"]:
            for block in m["content"] if isinstance(m["content"], list) else []:
                block.pop("cache_control", None)
        words = sessions.prose(random.Random(n), 150) if behind and n == 2 else f"{9000 - n} tokens left"
        turns[len(body["messages"])] = {"type": "text", "text": f"<total_tokens>{words}</total_tokens>"}
        where = {"type": "text", "text": turns[len(body["messages"])]["text"]} if on_turn else body["messages"][-1]["content"][-1]
        where["cache_control"] = {"type": "ephemeral"}
        last = where if on_turn else turns[len(body["messages"])]
        for at in sorted(turns, reverse=True):
            if at == len(body["messages"]) or sent_again and at < len(main[n][2]["messages"]):
                body["messages"].insert(at, {"role": "system", "content": [last if at == max(turns) else turns[at]]})
        out.append((s, a, body))
    return out


shares, said = cloud(with_turns(True))
t.ok(set(said) == {"breakpoint_on_system_turn"} and max(shares) < 0.95, "the marker on a system turn that is not sent again",
     (shares, said))
shares, said = cloud(with_turns(False))
t.ok(said == {} and min(shares) > 0.95, "the marker on the block before it: the cache holds", (shares, said))
shares, said = cloud(with_turns(False, True, True))
t.ok(set(said) == {"behind_last_breakpoint"}, "a long system turn that is sent again, behind the marker", (shares, said))
shares, said = cloud(with_turns(True, True, True))
t.ok(said == {} and min(shares) > 0.95, "with the marker on it, the cache holds", (shares, said))
marked = with_turns(True)
trace, counts = play(marked)
t.equal(causes(trace), {}, "a local server ignores that, too")

# ---- what a server or template does to the order of a prompt: the wire only grows

grown = copy.deepcopy(main[3][2])
grown["messages"][-1]["content"][0]["content"] = sessions.prose(random.Random(5), 150)
further = copy.deepcopy(grown)
further["messages"][-1]["content"].append({"type": "text", "text": "And say what you think of it, please."})
turn = [*main[:3], ("main", None, grown), ("main", None, further)]
trace, counts = play(turn, text_first=True)
t.equal(causes(trace, "llama.cpp@b1"), {"text_moved_before_results": 1}, "a text that goes in front of its turn's results")
before = counts[-1]
trace, counts = play(turn)
t.equal(causes(trace, "sglang"), {}, "on a server that keeps the order nothing is said")
t.ok(counts[-1] > before + 100, "and its cache holds", (before, counts[-1]))

asked = [body for _, _, body in conversation(301)]
for body in asked[3:]:
    body["messages"].insert(7, {"role": "user", "content": "Another question: what else is there to see?"})
    body["messages"].insert(7, {"role": "assistant", "content": "I have seen it all."})
asked = [("main", None, body) for body in asked]
trace, counts = play(asked, tools_inside=True)
t.equal(causes(trace, "llama.cpp@b1+mistral"), {"tools_moved_by_template": 1}, "tools that move to the newest question")
before = counts[3]
trace, counts = play(asked)
t.equal(causes(trace, "llama.cpp@b1"), {}, "on a template with tools at the head nothing is said")
t.ok(counts[3] > before + 100, "and its cache holds", (before, counts[3]))

# ---- one conversation over two traces: parts of the same number in both, but another text

edited = copy.deepcopy(main[3:])
for _, _, body in edited[1:]:
    for block in body["messages"][0]["content"]:
        block["text"] = block["text"].replace("Use tabs.", "Use spaces.")
with scripted.Backend() as backend:
    traces = [record(backend, edited[:2]), record(backend, edited[2:])]
# By the bytes alone: the responses name another engine, whose counts are not taken for this one's.
answer = t.command([lib.KVSCOPE, "why", "--engine", "mlx-lm+plain", "--json", *traces])
got = [(m["trace"], m["exchange"], m["cause"], m["behind"]) for m in json.loads(answer.out)["misses"]]
t.equal(got, [(str(traces[0]), 1, "first_request", []), (str(traces[0]), 2, "memory_changed", [])],
        "two traces of one conversation: a memory file that was edited in the first is not said again in the second")

# ---- heads that conversations could share

other = sessions.session(300)


def second(change=lambda bodies: None, seed=300):
    """Another conversation with the same tools and system prompt, asked something else."""
    bodies = copy.deepcopy(sessions.session(seed).bodies[:3])
    for body in bodies:
        body["messages"][0]["content"][-1]["text"] = "Something else altogether, please."
    for body in bodies:
        change(body)
    return bodies


def billing(body, text="cc_version=2.1.50.fff; cc_entrypoint=cli; cc_is_subagent=true; cch=00001;"):
    body["system"][0]["text"] = "x-anthropic-billing-header: " + text


def identity(body):
    body["system"][1]["text"] = "You are a Claude agent, built on Anthropic's Claude Agent SDK."


def rules(old, new):
    def change(body):
        body["system"][2]["text"] = body["system"][2]["text"].replace(old, new)
    return change


def reorder(body):
    body["tools"] = body["tools"][::-1]


def both(name, change, cause, engine, head="tools"):
    """The head is broken between two conversations, and with the change undone it is not: by the mock's own count."""
    counts, said = [], []
    for bodies in (second(change), second()):
        requests = [*main, *(("second", None, body) for body in bodies)]
        script = t.path("requests.json")
        script.write_text(json.dumps(requests))
        with t.mock(*lib.FAST, "--head", head) as mock:
            run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
            counts.append(mock.bodies()[len(main)]["cached_tokens"])
        answer = t.command([lib.KVSCOPE, "why", "--engine", engine, "--json", run.trace])
        said.append([(m["exchange"], m["cause"]) for m in json.loads(answer.out)["misses"]])
    first = [(1, "first_request")]
    t.equal(said, [[*first, (len(main) + 1, cause)], [*first, (len(main) + 1, "first_request")]],
            f"two conversations, {name}: {cause}, and only there")
    if cause != "first_request":
        t.ok(counts[1] > counts[0] + 256, f"two conversations, {name}: undone, the backend shares the head", counts)


both("another attribution suffix", billing, "billing_header", "llama.cpp+plain")
both("another sentence of identity", identity, "identity_changed", "llama.cpp@b1+plain")
both("tools in another order", reorder, "tools_reordered", "llama.cpp@b1+plain")
# What stands near the end of the system prompt matters where tools come behind it.
both("another git status", rules("M Makefile", "A Makefile"), "git_status_changed", "llama.cpp@b1+qwen3", "system")
both("another folder", rules("/home/me/project", "/home/me/elsewhere"), "environment_changed", "llama.cpp@b1+qwen3", "system")
both("another day", rules("2026-11-23", "2026-11-24"), "date_changed", "llama.cpp@b1+qwen3", "system")
both("another system prompt", rules("Session 300.", "An agent of another kind. "), "first_request", "llama.cpp@b1+qwen3", "system")
t.done()
