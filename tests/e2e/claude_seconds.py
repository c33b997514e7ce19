# SPDX-License-Identifier: MIT
"""The same task played by the real Claude Code against a backend whose cache is too small and one whose cache holds:
what `report` says that the second one saves, beside what it does save."""
import json

import calm
import claude
import lib

MEMORY = "# Rules of this project\n\n" + "Say what you do before you do it, in one short sentence.\n" * 60
RATE = 40000
RATES = ("--prefill-rate", str(RATE), "--decode-rate", "1000")


def session(t, command, model, *options):
    """Returns the report, the machine's load taken out, and what the mock says: prefill seconds, tokens prefilled."""
    home, work = claude.project(t)
    (work / "CLAUDE.md").write_text(MEMORY)
    with t.mock(*RATES, "--script", str(claude.SCRIPT), *options) as mock:
        prefix, client = claude.arguments(mock.url, model, home, command)
        run = t.run(client, prefix=prefix, cwd=work)
        log = [e for e in mock.bodies() if e["times_ns"].get("prefill_start") and e["times_ns"].get("message_start")]
    t.ok(run.status == 0 and len(log) >= 4, f"{model}: it plays a loop of tools ({len(log)} requests)", run.out + run.err)
    trace, prefill = calm.calm(run.trace, log, RATE, t.path("calm.jsonl"))
    report = json.loads(t.command([lib.KVSCOPE, "report", "--json", trace]).out)
    return report, prefill, sum(e["new_tokens"] for e in log)


def near(got, expected, share, floor):
    return got is not None and abs(got - expected) <= share * expected + floor


def test(version):
    command = claude.isolated(version)
    t = lib.Test()
    for model in ("claude-sonnet-4-5", "claude-opus-4-8"):
        lost, lost_prefill, lost_new = session(t, command, model, "--cache-tokens", "1024")
        _, kept_prefill, kept_new = session(t, command, model)
        t.ok(near(lost["seconds"]["prefill"], lost_prefill, 0.02, 0.02), f"{model}: the prefill is what the backend took",
             (lost["seconds"], lost_prefill))
        t.ok(near(lost["prefilled"]["again"], lost_new - kept_new, 0.03, 0), f"{model}: tokens prefilled again",
             (lost["prefilled"], lost_new, kept_new))
        saved, measured = lost["speedup"]["saved"], lost_prefill - kept_prefill
        t.ok(near(saved, measured, 0.05, 0.02), f"{model}: what a cache that holds saves", (lost["speedup"], measured))
        parts = lost["anatomy"]["parts"]
        requests = sum(x["tokens"]["prompt"] > 5000 for x in lost["exchanges"] if x["tokens"]["prompt"])
        t.ok(near(parts["memory"]["bytes"], requests * len(MEMORY), 0.15, 0) and parts["reminders"]["tokens"] > 0,
             f"{model}: CLAUDE.md is told apart in {requests} prompts", parts)
        t.ok(near(sum(p["seconds"] for p in parts.values()), lost["seconds"]["prefill"], 0.02, 0.02) and
             {"Bash", "Read"} <= {tool["name"] for tool in lost["anatomy"]["tools"]},
             f"{model}: the parts share out the prefill, tools have names", (parts, lost["seconds"]))
        t.ok(lost["speedup"]["factor"] > 1.2, f"{model}: the session is faster with it", lost["speedup"])
        print(f"# {version}, {model}: {lost['speedup']['seconds']:.2f} s, prefill {lost_prefill:.2f} s; saved by prediction "
              f"{saved:.2f} s, measured {measured:.2f} s", flush=True)
    t.done()
