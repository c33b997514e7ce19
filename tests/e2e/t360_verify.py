#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope verify: bodies and parts proved, damage found wherever it is, keys found wherever they stand and never told."""
import json
import os
import random
import re

import lib

t = lib.Test()
random.seed(7)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def letters(n, alphabet=LETTERS):
    return "".join(random.choice(alphabet) for _ in range(n - 1)) + "7"


KEYS = {
    "Anthropic key": "sk-ant-api03-" + letters(40),
    "OpenAI key": "sk-proj-" + letters(48),
    "key of OpenAI's shape": "sk-" + letters(48),
    "Google API key": "AIza" + letters(35),
    "AWS access key id": "AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "GitHub token": "ghp_" + letters(36),
    "Hugging Face token": "hf_" + letters(34),
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx" + letters(8) + "." + letters(30),
    "bearer credentials": "Bearer " + letters(32),
    "basic credentials": "Basic dXNlcjpzZWNyZXQtNzI5MQ==",
    "private key": "-----BEGIN EC PRIVATE KEY-----\n" + letters(64) + "\n" + letters(64) + "\n-----END EC PRIVATE KEY-----",
}
NAMED = letters(20)
SPLIT = "sk-ant-api03-" + letters(40)


def post(url, body):
    path = t.path("body")
    path.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    return ["--next", "-sS", "-o", "/dev/null", "--data-binary", f"@{path}", url + "/v1/messages"]


def verify(*args, **kwargs):
    return t.command([lib.KVSCOPE, "verify", *args], env={**os.environ, "NO_COLOR": "1"}, **kwargs)


def verify_json(path):
    run = verify("--json", path)
    return run.status, json.loads(run.out)


def user(text):
    return {"role": "user", "content": text}


# ---- a trace without anything to hide: several turns, a cache marker that moves, a stream
clean = [{"model": "m", "max_tokens": 40, "stream": True, "system": "You help. " * 200, "tools": [{"name": "Bash", "input_schema": {}}],
          "messages": [{**user([{"type": "text", "text": f"turn {k}, {'word ' * 60}",
                                 **({"cache_control": {"type": "ephemeral"}} if k == n else {})}])} for k in range(n + 1)]}
         for n in range(6)]
with t.mock(*lib.FAST) as mock:
    run = t.run(["curl", *[w for body in clean for w in post(mock.url, body)][1:]])
good = run.trace
text = verify("--check", good)
t.ok(text.status == 0 and "12 bodies proved" in text.out and "counts fit" in text.out and "Nothing in it looks like" in text.out,
     "a sound trace without keys: status 0, --check too", text.out + text.err)
status, doc = verify_json(good)
t.equal((status, doc["exchanges"], doc["bodies"], doc["parts_proved"], doc["problems"], doc["findings"], doc["ended"]),
        (0, 6, {"proved": 12, "incomplete": 0, "not_kept": 0}, doc["parts"], [], [], True), "the same as JSON")
likes = sum("like" in part for part in run.lines("part"))
t.ok(likes > 0, f"{likes} of its parts are told by others")

# ---- damage
data = good.read_bytes()
lines = data.splitlines(keepends=True)


def damaged(what, new, expected=2):
    path = t.path("damaged.jsonl")
    path.write_bytes(new)
    run = verify(path)
    t.ok(run.status == expected and ("Damaged" in run.out) == (expected == 2), f"{what}: status {expected}", run.out + run.err)
    return run.out


def changed(kind, old, new):
    """The first line of a type with `old` in it, changed."""
    at = next(i for i, line in enumerate(lines) if line.startswith(f'{{"type":"{kind}"'.encode()) and old in line)
    return b"".join([*lines[:at], lines[at].replace(old, new, 1), *lines[at + 1:]])


damaged("a part's text changed", changed("part", b"You help.", b"You harm."))
damaged("a literal of a body changed", changed("exchange", b'max_tokens\\": 40', b'max_tokens\\": 41'))
damaged("a response changed", changed("exchange", b"event: message_start", b"event: message_stare"))
damaged("a part's hash changed", re.sub(rb'("sha256":")(.)', lambda m: m[1] + (b"0" if m[2] != b"0" else b"1"), data, count=1))
t.ok("the footer counts 7 exchanges" in damaged("the footer's count changed", changed("footer", b'"exchanges":6', b'"exchanges":7')),
     "and both counts are told")
exchange = next(i for i, line in enumerate(lines) if line.startswith(b'{"type":"exchange"'))
damaged("an exchange left out", b"".join(lines[:exchange] + lines[exchange + 1:]))
damaged("an exchange twice", b"".join(lines[:exchange + 1] + lines[exchange:]))
damaged("a line that is no JSON in the middle", b"".join([*lines[:5], b"rubbish\n", *lines[5:]]))
damaged("a line behind the footer", data + lines[1])
damaged("two lines exchanged", b"".join([*lines[:3], lines[4], lines[3], *lines[5:]]))
wrong = []
for _ in range(80):
    at = random.randrange(len(data) - 1)
    if data[at:at + 1].isalnum():
        path = t.path("flipped.jsonl")
        path.write_bytes(data[:at] + (b"x" if data[at:at + 1] != b"x" else b"y") + data[at + 1:])
        if verify(path).status not in (0, 2):
            wrong.append(at)
t.equal(wrong, [], "a byte changed anywhere: an answer, no crash")
cut = damaged("cut inside a line", data[:-20], 0)
t.ok("ends inside a line" in cut, "which is said", cut)
path = t.path("cut.jsonl")
path.write_bytes(data[:-20])
t.equal(verify("--check", path).status, 1, "and is a finding with --check")
cut = damaged("cut between lines", b"".join(lines[:-1]), 0)
t.ok("no footer" in cut, "which is said, too", cut)
for name, content in (("empty", b""), ("no trace", b"hello\n"), ("an object", b"{}\n")):
    path = t.path(name)
    path.write_bytes(content)
    run = verify(path)
    t.ok(run.status == 2 and not run.out and run.err.count("\n") == 1, f"{name}: status 2, one line", run.out + run.err)
t.equal((verify("/no/such").status, verify(good, good).status), (2, 2), "no file, two files: status 2")

# ---- keys, wherever they stand
words = []
with t.mock(*lib.FAST) as mock:
    for kind, key in KEYS.items():
        words += post(mock.url, {"model": "m", "max_tokens": 5, "messages": [user(f"Take {key}, please.\n{key}\n")]})
    words += post(mock.url, {"model": "m", "max_tokens": 5, "api_key": NAMED, "messages": [user("a parameter")]})
    words += post(mock.url, {"model": "m", "max_tokens": 5, "messages": [
        user([{"type": "tool_result", "tool_use_id": "t", "content": json.dumps({"env": {"client_secret": NAMED[::-1]}})}])]})
    run = t.run(["curl", *words[1:]])
secrets = [*KEYS.values(), NAMED, NAMED[::-1]]
status, doc = verify_json(run.trace)
found = {f["looks_like"]: f for f in doc["findings"]}
t.equal((status, doc["problems"]), (0, []), "keys are no damage")
t.equal(set(KEYS) - set(found), set(), "each kind of key is found")
named = [f for f in doc["findings"] if f["looks_like"] == "value whose name says so"]
t.equal(len(named), 2, "and values whose name says so, in a parameter and in JSON inside a string", )
t.ok(any("request.body.segments" in f["place"] for f in named), "with the place in the line", named)
t.ok(all(found[kind]["times"] >= 2 for kind in KEYS), "told once, with how often they stand there", found)
plain, checked = verify(run.trace), verify("--check", run.trace)
t.equal((plain.status, checked.status), (0, 1), "findings: status 1, but only with --check")
everything = plain.out + plain.err + json.dumps(doc)
told = [s for s in secrets for part in (s[-42:-30] if " KEY" in s else s[-12:], s[len(s) // 2:][:12]) if part in everything]
t.equal(told, [], "no part of a key is told")

# ---- in a stream, token by token
script = t.path("stream.json")
script.write_text(json.dumps({"default": [{"text": f"The key is {SPLIT}, keep it."}]}), encoding="utf-8")
with t.mock(*lib.FAST, "--script", str(script)) as mock:
    run = t.run(["curl", *post(mock.url, {"model": "m", "max_tokens": 99, "stream": True, "messages": [user("hi")]})[1:]])
t.ok(SPLIT not in run.trace.read_text(), "a key that a stream says in pieces")
status, doc = verify_json(run.trace)
t.equal([(f["looks_like"], f["place"]) for f in doc["findings"]], [("Anthropic key", "exchange 1 (what the stream says)")],
        "is found")

# ---- without content
with t.mock(*lib.FAST) as mock:
    run = t.run(["curl", *[w for body in clean for w in post(mock.url, body)][1:]], ["--content", "none"])
text = verify("--check", run.trace)
t.ok(text.status == 0 and "hashes are keyed" in text.out, "--content none: counts fit, nothing else to prove", text.out)

# ---- large traces in bounded memory
big = t.path("big.jsonl")
with big.open("wb") as f:
    f.writelines(lines[:exchange])
    filler = b'{"type":"note","text":"' + b"x" * 1000000 + b'"}\n'
    for _ in range(100):
        f.write(filler)
    f.writelines(lines[exchange:])
limit = ["sh", "-c", 'ulimit -v 90000; exec "$@"', "sh"]
run = t.command([*limit, lib.KVSCOPE, "verify", big], env={**os.environ, "NO_COLOR": "1"})
t.ok(run.status == 0 and "12 bodies proved" in run.out, "100 MB within 90 MB of address space", run.out + run.err)
t.done()
