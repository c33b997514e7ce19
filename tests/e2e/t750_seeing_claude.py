#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""diff, doctor and report --html on the real Claude Code 2.1.330 against a backend that hoists system turns, with the
settings that doctor proposes off and on."""
import json
import os
import xml.etree.ElementTree as ElementTree

import claude
import lib
import pages

command = claude.isolated("2.1.330")
t = lib.Test()
ENGINE = "vllm@0.28+qwen3"


def kvscope(*args, home):
    return t.command([lib.KVSCOPE, *args], env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1"}, cwd=home)


def session(settings=()):
    home, work = claude.project(t)
    with t.mock(*lib.FAST, "--script", str(claude.SCRIPT), "--system-turns", "hoist", "--head", "system") as mock:
        prefix, client = claude.arguments(mock.url, "claude-opus-4-8", home, command, settings)
        run = t.run(client, prefix=prefix, cwd=work)
    t.ok(run.status == 0, "it plays a loop of tools", run.out + run.err)
    return run.trace


home = t.path("empty")
home.mkdir()
doctor = json.loads(kvscope("doctor", "--json", "--engine", ENGINE, "--", *command, home=home).out)
t.equal((doctor["client"]["version"], doctor["client"]["how"]), ("2.1.330", "package.json"),
        "doctor knows the version without starting the client")
t.ok(doctor["missing"] >= 2 and doctor["env"], "and what is missing", doctor["env"])

off, on = session(), session(doctor["env"].items())
worse = kvscope("diff", "--engine", ENGINE, "--json", "--check", on, off, home=home)
better = kvscope("diff", "--engine", ENGINE, "--json", "--check", off, on, home=home)
t.equal((worse.status, better.status), (1, 0), "diff --check: worse without the settings, not with them")
doc = json.loads(better.out)
t.ok(doc["a"]["misses"]["unexpected"] > 0 and doc["b"]["misses"]["unexpected"] == 0, "its misses are gone",
     (doc["a"]["misses"], doc["b"]["misses"]))
t.ok(doc["b"]["tokens"]["re_prefilled"] < doc["a"]["tokens"]["re_prefilled"] / 10, "and what was prefilled again",
     (doc["a"]["tokens"], doc["b"]["tokens"]))
t.equal({doc[side]["client"] for side in "ab"}, {"claude-cli/2.1.330"}, "both say who they are")

for name, trace in (("off", off), ("on", on)):
    out = t.path("page.html")
    run = kvscope("report", "--html", out, trace, home=home)
    text = out.read_text()
    wrong = list(pages.problems(text, ElementTree.fromstring(text)))
    # The prompts name URLs of their own; none of them is a link.
    t.equal([w for w in wrong if "http" not in w], [], f"the page of {name} is well-formed and self-contained")
    t.ok(("system_turn_hoisted" in text) == (name == "off"), f"the page of {name} names what is there", run.err)
    t.ok(claude.CANARY not in text, f"the key is not in the page of {name}")
t.done()
