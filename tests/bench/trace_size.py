# SPDX-License-Identifier: MIT
"""The size of the trace of a long session: trace_size.py VERSION TURNS. See b2_trace_size.sh."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import claude  # noqa: E402
import lib  # noqa: E402

MB = 1e6


def script(t, turns, tool, arguments):
    """As many tool calls, each a little different, then a last word."""
    path = t.path("script.json")
    answers = [[{"text": f"Step {n}: one more look."}, {"tool_use": {"name": tool, "input": arguments(n)}}]
               for n in range(turns - 1)]
    path.write_text(json.dumps({"turns": [*answers, [{"text": "Done."}]]}))
    return str(path)


def report(name, mock, run, turns):
    sent = sum(entry["bytes"] for entry in mock.bodies())
    size = run.trace.stat().st_size
    captured = len(run.exchanges())
    print(f"  {name:<24} {captured}/{len(mock.bodies())} requests, {sent / MB:.1f} MB of bodies sent, trace "
          f"{size / MB:.2f} MB: {size / (sent / MB):.0f} bytes per MB sent, {size / captured:.0f} per request")
    if run.status != 0 or captured != turns:
        sys.exit(f"the session went wrong: status {run.status}\n{run.out}\n{run.err}")


def main():
    version, turns = sys.argv[1], int(sys.argv[2])
    isolated = os.environ.get("KVSCOPE_TEST_ISOLATED") == "1"
    if not isolated:
        t = lib.Test()
        print(f"b2: trace of a session of {turns} turns", flush=True)
        with t.mock(*lib.FAST, "--script", script(t, turns, "read_file", lambda n: {"path": "units.csv"})) as mock:
            run = t.run([lib.BUILD / "examples/agent", "--base-url", mock.url, "--turns", turns])
            report("example agent", mock, run, turns)
        command, why = claude.install(version)
        if not command:
            print(f"  Claude Code {version}: not measured, {why}")
            return
        sys.stdout.flush()
        t.clean_up()
        claude.isolate(command)
    command = os.environ["KVSCOPE_TEST_CLAUDE"].split("\n")
    claude.isolate(command)
    t = lib.Test()
    home, work = claude.project(t)
    arguments = {"description": "Look"}
    with t.mock(*lib.FAST, "--script",
                script(t, turns, "Bash", lambda n: {"command": f"echo step {n}; cat README.md", **arguments})) as mock:
        prefix, argv = claude.arguments(mock.url, "claude-sonnet-4-5", home, command)
        run = t.run(argv, prefix=prefix, cwd=work, limit=300)
        report(f"Claude Code {version}", mock, run, turns)


main()
