#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope report on backends that tell no cached tokens: with the engine known the split of prefill seconds is estimated from
what its rules let a cache reuse, as far as the clock agrees. The oracle is the mock's own log."""
import json

import calm
import lib
import sessions

t = lib.Test()
RATE = 6000


def play(bodies, *options):
    script = t.path("requests.json")
    script.write_text(json.dumps([["s", None, {**body, "stream": True}] for body in bodies]))
    with t.mock("--engine", "ollama", "--prefill-rate", str(RATE), "--decode-rate", "0", "--cache-tokens", "10000000", *options) as mock:
        run = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script])
        log = mock.bodies()
    if run.status != 0:
        raise RuntimeError(run.out + run.err)
    return calm.calm(run.trace, log, RATE, t.path("calm.jsonl"))[0], log


def report(trace, *options):
    answer = t.command([lib.KVSCOPE, "report", *options, trace])
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return answer.out


planted = sessions.session(710, "tools_grown", turns=8)
trace, log = play(planted.bodies)
told = json.loads(report(trace, "--json", "--engine", "ollama"))
true = [e["prompt_tokens"] - e["cached_tokens"] for e in log]
got = [e["cost"]["prefilled"] for e in told["exchanges"]]
t.ok(all(e["tokens"]["cached"] is None for e in told["exchanges"]), "the backend tells no cached tokens")
t.ok(all(g is not None and abs(g - n) < 0.1 * n + 64 for g, n in zip(got, true)), "what was prefilled, estimated: the mock's own "
     "counts to a tenth", list(zip(got, true)))
t.equal((told["prefilled"]["basis"], told["prefilled"]["estimated_requests"], {e["cost"]["prefilled_basis"] for e in told["exchanges"]}),
        ("mixed", len(log), {"estimated"}), "and labelled so")
again = log[planted.at - 1]["prompt_tokens"] - log[planted.at]["cached_tokens"]
seconds = told["seconds"]
t.ok(abs(seconds["re_prefill"] - again / RATE) < 0.1 * again / RATE, "the seconds of the break are prefilled again",
     (seconds, again / RATE))
t.ok(seconds["prefill_unsplit"] < 0.01, "nothing is left unsplit", seconds)
text = report(trace, "--engine", "ollama")
t.ok("prefilled again" in text and "the backend does not say what it reused: estimated" in text, "the text says what it rests on", text)

# The clock has the last word: a cache that is off takes as long as the whole prompt, so the estimates are dropped.
trace, log = play(planted.bodies, "--no-cache")
told = json.loads(report(trace, "--json", "--engine", "ollama"))
t.ok(all(e["cost"]["prefilled"] is None for e in told["exchanges"][1:]) and told["prefilled"]["estimated_requests"] == 0 and
     told["seconds"]["re_prefill"] in (0, None), "a cache that is off: the clock contradicts, nothing is estimated", told["seconds"])
t.ok(told["seconds"]["prefill_unsplit"] > 0.5, "prefill stays unsplit", told["seconds"])

answer = t.command([lib.KVSCOPE, "report", "--engine", "nonsense", trace])
t.ok(answer.status == 2 and answer.err.count("\n") == 1, "an engine that there is not: status 2, one line", answer.err)
answer = t.command([lib.KVSCOPE, "report", "--engine", "vllm", "--follow", trace])
t.ok(answer.status == 2 and answer.err.count("\n") == 1, "not with --follow", answer.err)
t.done()
