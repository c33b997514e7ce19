#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why on the real Claude Code: every other breaker that it can be made to produce without the real API.

Each is shown by behaviour: the backend's own count falls, the cause is named, and with the cause undone (the same session
without it) the count recovers and nothing is said. Without KVSCOPE_CLAUDE, which names another version, half of them (make
claude-versions: all); KVSCOPE_TEST_LONG=1 waits five minutes for a time to live.
"""
import json
import os
import subprocess
import sys
import threading

import claude
import claude_why
import lib
from claude_why import causes

VERSION = os.environ.get("KVSCOPE_CLAUDE", "2.1.240")
ALL = "KVSCOPE_CLAUDE" in os.environ
command = claude.isolated(VERSION)
t = lib.Test()
version = [int(n) for n in VERSION.split(".")]
PLAIN = "llama.cpp@b1+plain"
ALWAYS = {"billing_header", "reminder_migrated"} if version < [2, 1, 181] else set()
provoked = {}


def main_log(session):
    """The requests of the conversation: those with tools, and so the long ones."""
    log = session.mock.bodies()
    return [e for e in log if e["prompt_tokens"] > 0.5 * max(x["prompt_tokens"] for x in log)]


def held(session):
    """Did the cache hold from each request of the conversation to the next?"""
    log = main_log(session)
    return all(b["cached_tokens"] > a["prompt_tokens"] - 64 for a, b in zip(log, log[1:]))


def both(name, cause, play, due, options=(), engine=PLAIN, allowed=(), always=(), **more):
    """play(session, undone) with the cause and without. due: the version does it; else nothing must be said of it."""
    always = {*ALWAYS, *always}
    said, kept = [], []
    for undone in False, True:
        s = claude_why.Session(t, command, engine, options=options, **more)
        play(s, undone)
        misses, refuted = s.judge()
        t.ok(not refuted, f"{name}{', undone' if undone else ''}: the backend reused no more than is said", refuted)
        said.append(misses)
        kept.append(held(s))
    got = causes(said[0])
    for m in said[0]:
        print(f"#   {name}: {m['cause']} {m['behind'] or ''} at {m['path']}, {m['lost_tokens']} tokens, {m['old']!r:.60} {m['new']!r:.60}")
    if due:
        if t.ok(cause in got and got <= {cause, *allowed, *always}, f"{name}: {cause}, and nothing else", got):
            provoked[cause] = VERSION
    else:
        t.ok(got <= {*allowed, *always}, f"{name}: this version does not do it, and nothing is said", got)
    t.ok(causes(said[1]) <= always, f"{name}, undone: quiet", said[1])
    # Where the billing block is another one with every request nothing holds anyhow.
    if not causes(said[1]):
        t.ok(kept[1] and kept[0] != due, f"{name}: the cache held only {'when undone' if due else 'twice'}", kept)
    return said[0]


# ---- between two runs of one conversation: another way of starting, another prompt, another place

def continued(first=(), second=(), between=lambda s: None, settings=((), ())):
    def play(s, undone):
        s.run("Please look around here.", *first, settings=settings[0])
        if not undone:
            between(s)
        s.run("--continue", "And again.", *(first if undone else second), settings=settings[0] if undone else settings[1])
    return play


def servers(words, names=("measure", "weigh")):
    path = t.path("mcp.json")
    path.write_text(json.dumps({"mcpServers": {name: {
        "command": sys.executable, "args": [str(lib.CLIENTS / "mcp_server.py"), name], "env": {"WORDS": words}} for name in names}}))
    return ["--mcp-config", path, "--strict-mcp-config"]


if version == [2, 1, 90]:
    lib.Test.skip_all("this version begins another conversation with -p --continue")
goes_on = version < [2, 1, 330]  # which keeps what was sent
# Where the billing block is another one every time, the sentence behind it costs nothing more.
both("system prompt appended", "identity_changed" if version > [2, 0, 0] and version != [2, 1, 176] else "system_changed",
     continued(second=["--append-system-prompt", "Be brief."]), goes_on, allowed=["system_changed"])
if ALL:
    both("another text appended", "system_changed",
         continued(["--append-system-prompt", "Be brief."], ["--append-system-prompt", "Be very brief."]), goes_on)
    both("no git any more", "environment_changed",
         continued(between=lambda s: subprocess.run(["rm", "-rf", s.work / ".git"], check=True)), goes_on,
         allowed=["git_status_changed"])
    both("an MCP tool with another text", "tools_changed", continued(servers("Since Monday."), servers("Since Tuesday.")),
         goes_on)
    both("MCP servers in another order", "tools_reordered",
         continued(servers(""), servers("", ("weigh", "measure"))), version <= [2, 1, 42])

USAGE, NO_BLOCK = ("CLAUDE_CODE_ENABLE_TOKEN_USAGE_ATTACHMENT", "1"), ("CLAUDE_CODE_ATTRIBUTION_HEADER", "0")


def usage(s, undone):
    settings = [NO_BLOCK] if undone else [NO_BLOCK, USAGE]
    s.run("Please look around here.", settings=settings)
    s.run("--continue", "And again.", settings=settings)


if ALL:
    # The reminder goes from the first message, and from the result of a tool.
    said = both("reminders of used tokens", "reminder_changed", usage, [2, 0, 0] < version < [2, 1, 69],
                allowed=["reminder_folded_into_tool_result"])
    if "reminder_changed" in causes(said):
        t.ok("reminder_folded_into_tool_result" in causes(said), "reminders of used tokens: the one in a result, too", said)
        provoked["reminder_folded_into_tool_result"] = VERSION

# ---- a context that the conversation outgrows; a template with the tools in front of the last question

look = {"tool_use": {"name": "Bash", "input": {"command": "seq 1000 1100"}}}
looks = t.path("looks.json")
looks.write_text(json.dumps({"turns": [[{"text": "I look."}, look], [{"text": "A README."}]] * 3}))


def cut(room, like):
    """A conversation that outgrows a context of so many tokens more than the first prompt of one like it, and what is said."""
    context = main_log(like)[0]["prompt_tokens"] + room
    s = claude_why.Session(t, command, "ollama+plain", script=looks,
                           options=("--engine", "ollama", "--flag", f"OLLAMA_CONTEXT_LENGTH={context}"))
    s.talk("Please look around here.", "And again.", "A third time.", settings=[NO_BLOCK])
    s.mock.stop()
    return s


like = claude_why.Session(t, command, "llama.cpp+mistral", script=looks, options=("--no-report",))
like.talk("Please look around here.", "And again.", "A third time.", settings=[NO_BLOCK])
like.mock.stop()
misses, undone = like.why(), like.why("llama.cpp+llama3")
moved = [m for m in misses if m["cause"] == "tools_moved_by_template"]
for m in misses:
    print(f"#   tools before the last question: {m['cause']} {m['behind']} at {m['path']}, {m['lost_tokens']} tokens")
t.ok(len(moved) == 2 and causes(misses) <= {"tools_moved_by_template", *ALWAYS},
     "tools before the last question: tools_moved_by_template, and nothing else", misses)
t.ok(not causes(undone) - ALWAYS, "tools at the head: quiet", undone)
provoked.update({"tools_moved_by_template": VERSION} if moved else {})

for room in (400, 100000) if ALL else (400,):
    s = cut(room, like)
    misses, counts = s.why(), [e["prompt_tokens"] for e in main_log(s)]
    shrank = any(b < a for a, b in zip(counts, counts[1:]))
    for m in misses:
        print(f"#   {room} tokens more: {m['cause']} {m['behind']}, {m['prompt_tokens']} tokens")
    t.equal(("prompt_truncated" in causes(misses), causes(misses) <= {"prompt_truncated", *ALWAYS}), (shrank, True),
            f"a context of {room} tokens more: {'cut, and said' if room < 1000 else 'quiet'}")
    t.equal(shrank, room < 1000, "as the mock counts it")
    provoked.update({"prompt_truncated": VERSION} if "prompt_truncated" in causes(misses) else {})

# ---- thinking: a template that drops it, and a cache that cannot be cut back

thoughts = t.path("thoughts.json")
thoughts.write_text(json.dumps({"turns": [
    *[[{"thinking": "Let me see what is here. " * 40}, {"tool_use": {"name": "Bash", "input": {"command": "seq 1000 1200"}}}]] * 2,
    *[[{"thinking": "There is a README, no more. " * 40}, {"text": "A README."}]] * 4]}))


def thinks(s, undone):
    s.talk("Please look around here.", "And again.", "A third time.", settings=[("MAX_THINKING_TOKENS", "4000")])


def template(undone):
    return ("--system-turns", "user", *(() if undone else ("--thinking", "drop-old", "--head", "system")))


for undone in False, True:
    s = claude_why.Session(t, command, "llama.cpp@b1+plain" if undone else "llama.cpp@b1+gemma", script=thoughts,
                           options=template(undone))
    thinks(s, undone)
    misses, refuted = s.judge()
    sent = any("thinking" in line for line in open(s.traces[0], encoding="utf-8") if '"block":"thinking"' in line)
    for m in misses:
        print(f"#   thinking: {m['cause']} {m['behind']} at {m['path']}, {m['lost_tokens']} tokens")
    if undone:
        t.ok(causes(misses) <= ALWAYS, "thinking that is kept: quiet", misses)
    else:
        t.equal("thinking_dropped_by_template" in causes(misses), sent,
                f"thinking dropped by the template: said, if thinking is sent back (it is{'' if sent else ' not'})")
        provoked.update({"thinking_dropped_by_template": VERSION} if sent else {})

for undone in False, True:
    s = claude_why.Session(t, command, "llama.cpp@b9000+llama3", script=thoughts, options=(
        "--engine", "llama.cpp", "--thinking", "drop", "--head", "system", *([] if undone else ["--cache-whole"])))
    thinks(s, undone)
    s.mock.stop()
    misses = s.why()
    counts = [e["cached_tokens"] for e in main_log(s)]
    if undone:
        t.ok(not causes(misses) - ALWAYS, "a cache that can be cut back: quiet", (misses, counts))
    elif sent and not ALWAYS:
        t.ok(causes(misses) == {"not_trimmable"} and not any(counts), "one that cannot: not_trimmable", (misses, counts))
        provoked["not_trimmable"] = VERSION

# ---- the server dies in the middle of an answer and comes back

base = json.loads(claude.SCRIPT.read_text())
stalls = t.path("stalls.json")
stalls.write_text(json.dumps({"rules": [{"when": {"user": "And again"}, "answer": [
    {"text": "Well"}, {"stall_ms": 60000}, {"text": " then."}]}], **base}))
s = claude_why.Session(t, command, PLAIN, script=stalls)


def restart():
    lib.wait_for(lambda: '"turns[3]"' in s.mock.log_path.read_text(), 60)
    lib.wait_for(lambda: False, 3)
    s.mock.process.kill()
    s.mock.stop()
    s.options[s.options.index(str(stalls))] = str(claude.SCRIPT)
    s.mock = t.mock(*s.options, "--port", s.mock.url.rsplit(":", 1)[1])


thread = threading.Thread(target=restart)
thread.start()
s.talk("Please look around here.", "And again.", "A third time.")
thread.join()
misses = s.why()
print(f"#   the server died: {[(m['cause'], m['lost_tokens']) for m in misses]}")
t.ok("restart" in causes(misses) and causes(misses) <= {"restart", *ALWAYS} and
     all(m["expected"] for m in misses if m["cause"] == "restart"), "the server died and came back: restart, expected", misses)
provoked["restart"] = VERSION

# ---- Anthropic's cache: what is asked for, and for how long

CLOUD = {"options": ("--engine", "anthropic", "--billing", "remove"), "engine": "anthropic"}
if ALL:
    both("an hour, then five minutes", "cache_control_changed",
         continued(settings=([("ENABLE_PROMPT_CACHING_1H", "1")], ())), version >= [2, 1, 108], **CLOUD,
         # 2.1.208 and 2.1.240 write the time to live into the description of a tool besides.
         allowed=["tools_changed"])
if ALL and version >= [2, 1, 208]:
    both("another effort", "parameters_changed", continued(["--effort", "high"], ["--effort", "low"]), True, **CLOUD,
         model="claude-opus-4-8", always=["behind_last_breakpoint"] if version < [2, 1, 330] else ())
if os.environ.get("KVSCOPE_TEST_LONG"):
    both("five minutes of silence", "ttl_expired",
         lambda s, undone: s.talk("Please look around here.", "And again.", pause=2 if undone else 312), True, **CLOUD)
print(f"# Claude Code {VERSION}: {dict(sorted(provoked.items()))}")
t.done()
