#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope show: an exchange of a real trace, its bodies byte for byte, and its difference to another."""
import hashlib
import json
import os

import lib

t = lib.Test()
STATE = t.path("state")
ENV = {**os.environ, "NO_COLOR": "1", "XDG_STATE_HOME": str(STATE)}
KEY = "sk-ant-api03-0123456789abcdefghij"


def body(day, turns):
    messages = [{"role": "user", "content": f"turn {n}, {KEY}, é\n\x1b[31m"} for n in range(turns)]
    return json.dumps({"model": "m-1", "max_tokens": 20, "stream": True, "messages": messages,
                       "system": [{"type": "text", "text": f"Today is {day}."}],
                       "tools": [{"name": "Bash", "input_schema": {"type": "object"}}]}, ensure_ascii=False).encode()


BODIES = [body("Monday", 1), body("Monday", 2), body("Tuesday", 2)]


def post(url, data):
    path = t.path("body")
    path.write_bytes(data)
    return ["--next", "-sS", "--noproxy", "*", "-o", "/dev/null", "-H", "content-type: application/json",
            "--data-binary", f"@{path}", url + "/v1/messages"]


with t.mock(*lib.FAST) as mock:
    words = [word for data in BODIES for word in post(mock.url, data)]
    run = t.command([lib.KVSCOPE, "run", "--", "curl", *words[1:]], env=ENV)
    t.equal(run.status, 0, "three requests were recorded")
    answers = mock.bodies()
traces = list((STATE / "kvscope").glob("*.jsonl"))
t.equal(len(traces), 1, "one trace")
trace = traces[0]


def show(*args, **kwargs):
    return t.command([lib.KVSCOPE, "show", *args], env=ENV, **kwargs)


# ---- an exchange
plain = show(trace, "1")
t.equal(plain.status, 0, "show N")
for words in ("exchange 1  POST /v1/messages", "model          m-1", "tools          1 part,", "system         1 part,",
              "1 part of 1 message", "stop reason end_turn", "first content", hashlib.sha256(BODIES[0]).hexdigest()):
    t.ok(words in plain.out, f"it tells {words[:40]!r}", plain.out)
t.ok("\033" not in plain.out, "no colours without a terminal")
doc = json.loads(show(trace, "2", "--json").out)
t.equal([p["path"] for p in doc["parts"]],
        ["messages[0].content[0]", "messages[1].content[0]", "system[0]", "tools[0]"], "JSON: parts in wire order")
t.equal((doc["exchange"]["id"], doc["exchange"]["request"]["body"], doc["exchange"]["request"]["bytes"]),
        (2, None, len(BODIES[1])), "JSON: the exchange without its bodies")

# ---- bodies
for number, data in enumerate(BODIES, 1):
    out = t.path("out")
    show_it = t.command(["sh", "-c", 'exec "$0" show "$1" "$2" --request > "$3"', lib.KVSCOPE, trace, str(number), out],
                        env=ENV)
    t.ok(show_it.status == 0 and out.read_bytes() == data, f"request {number}, byte for byte", show_it.err)
answer = show(trace, "1", "--response")
t.ok(answer.status == 0 and answer.out.startswith("event: message_start\n"), "a response as it came", answer.err)

# ---- the difference
grown = show(trace, "2", "--diff", "1")
t.ok("common prefix     3 of 4 parts" in grown.out and "only continues" in grown.out and
     "added    messages[1].content[0]" in grown.out, "a conversation that went on", grown.out + grown.err)
changed = show(trace, "3", "--diff", "2")
t.ok("first difference  system[0].text" in changed.out and "Today is Monday." in changed.out and
     "Today is Tuesday." in changed.out, "the system prompt changed", changed.out + changed.err)
t.ok("1 of its lines removed, 1 added\n" in changed.out and "      - " in changed.out and "      + " in changed.out,
     "a system block that changed, line by line", changed.out)
t.ok("2 parts behind the first difference are in both" in changed.out, "what came behind it is in both", changed.out)
doc = json.loads(show(trace, "3", "--diff", "2", "--json").out)
t.equal((doc["first_difference"]["path"], doc["common_parts"], [d["change"] for d in doc["differences"]]),
        ("system[0].text", 1, ["changed"]), "JSON: the difference")

# ---- which trace
newest = show("1")
t.ok(newest.status == 0 and newest.out == plain.out and str(trace) in newest.err, "no TRACE: the newest, named on stderr",
     newest.err)

# ---- what cannot be
for args, words in (((), "which exchange"), ((trace, "0"), "not the number"), ((trace, "x"), "not the number"),
                    ((trace, "99"), "there is no exchange 99"), ((trace, "1", "--diff", "99"), "there is no exchange 99"),
                    ((trace, "1", "--request", "--response"), "exclude each other"), (("/nowhere", "1"), "/nowhere")):
    wrong = show(*args)
    t.ok(wrong.status == 2 and words in wrong.err and wrong.err.count("\n") == 1 and not wrong.out,
         f"show {' '.join(map(str, args[1:]))!r}: one line, status 2", wrong.err)

# ---- without content
with t.mock(*lib.FAST) as mock:
    none = t.run(["curl", *[w for data in BODIES[1:] for w in post(mock.url, data)][1:]], ["--content", "none"])
text = none.trace.read_text()
for canary in ("turn 0", "Today", KEY, "Bash", hashlib.sha256(BODIES[1]).hexdigest()):
    t.ok(canary not in text, f"--content none: no {canary[:12]!r} in the file")
t.valid_trace(none, "--content none")
t.equal(show(none.trace, "1", "--request").status, 2, "--content none: no body to show")
diff = show(none.trace, "2", "--diff", "1")
t.ok("system[0], byte 0 of the part or up to 63 further" in diff.out, "--content none: the place of the difference",
     diff.out + diff.err)
t.done()
