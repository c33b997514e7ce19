#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope report on a trace that lies beside this test: a main session, a sub-agent, side requests, a failure, losses."""
import json
import os
import shutil
import subprocess

import lib

t = lib.Test()
HERE = lib.ROOT / "tests/e2e"
SESSION = (HERE / "t400_session.jsonl").read_bytes()


def report(*args, env=None, cwd=HERE):
    return t.command([lib.KVSCOPE, "report", *args], env={**os.environ, "NO_COLOR": "1", **(env or {})}, cwd=cwd)


# ---- text
plain = report("t400_session.jsonl")
expected = (HERE / "t400_report.txt").read_text()
t.ok(plain.status == 0 and plain.out == expected, "the text is that of t400_report.txt",
     "\n".join(lib.difflib.unified_diff(expected.splitlines(), plain.out.splitlines(), lineterm="")) + plain.err)
t.ok("\033" not in plain.out, "no colours without a terminal")

# ---- JSON
doc = report("--json", "t400_session.jsonl")
jq = subprocess.run(["jq", "-e", ".exchanges | length == 7"], input=doc.out, text=True, capture_output=True, check=False)
t.equal((doc.status, jq.returncode), (0, 0), "jq reads the JSON")
data = json.loads(doc.out)
for key in ("exchanges", "sessions", "tokens", "seconds", "system_prompts", "loss"):
    t.ok(key in data, f"it has {key}")
t.equal({k: data["tokens"][k] for k in ("sent", "new", "repeated", "basis")},
        {"sent": 1670, "new": 668, "repeated": 1002, "basis": "mixed"}, "tokens")
t.equal({k: data["seconds"][k] for k in ("wall", "ttft", "decode")}, {"wall": 8.501, "ttft": 3.65, "decode": 3.051},
        "seconds")
by_id = {x["id"]: x for x in data["exchanges"]}
t.equal({i: by_id[i]["role"] for i in by_id},
        {1: "side", 2: "main", 3: "side", 4: "subagent", 5: "main", 6: "main", 7: "main"}, "roles")
t.equal([by_id[i]["tokens"]["repeated"] for i in (2, 5)], [0, 260], "a moved cache_control mark changes nothing")
t.equal([by_id[i]["tokens"]["cached"] for i in (2, 4, 5)], [None, 0, 256], "0 cached is not unknown")
t.equal((by_id[6]["seconds"]["ttft"], by_id[6]["status"], by_id[6]["parent"]), (None, 529, 5), "the failure")
t.equal(by_id[7]["parent"], 5, "what failed is nobody's parent")
t.equal(data["loss"]["ring"]["dropped"]["full"], 2, "losses by reason")
t.equal([x["id"] for x in data["exchanges"]
         if len({x["tokens"]["prompt"], x["tokens"]["new"] + x["tokens"]["repeated"],
                 sum(x["prompt_split"].values())}) != 1], [], "the parts of each prompt add up")
t.equal(sum(s["tokens"]["sent"] for s in data["sessions"]), data["tokens"]["sent"], "sessions add up")
t.equal(sum(x["requests"] for x in data["system_prompts"]), 6, "system prompts add up")

# ---- several, cut, empty, bad
double = json.loads(report("--json", "t400_session.jsonl", "t400_session.jsonl").out)
t.equal((double["tokens"]["sent"], len(double["exchanges"])), (2 * 1670, 14), "two traces add up")

cut = t.path("cut.jsonl")
starts = [i + 1 for i, c in enumerate(SESSION) if c == 10]
wrong = []
places = sorted({*starts, *(s + 40 for s in starts[:-1]), *(s - 1 for s in starts[1:])})
for end in places:
    cut.write_bytes(SESSION[:end])
    run = report("--json", str(cut))
    if run.status != 0 or len(json.loads(run.out)["exchanges"]) > 7:
        wrong.append((end, run.status, run.err))
t.equal(wrong, [], f"cut at {len(places)} places it is read up to there")
cut.write_bytes(SESSION[:starts[-3] + 40])
run = report(str(cut))
t.ok(run.status == 0 and "the file ends inside this line" in run.out, "and says so", run.out[-400:])

empty = t.path("empty.jsonl")
empty.write_bytes(SESSION[:starts[0]] + SESSION[starts[-2]:])
run = report(str(empty))
t.ok(run.status == 0 and run.out.startswith("No request to a language model was seen.") and "No process" in run.out,
     "no exchange: it says why", run.out)
empty.write_bytes(SESSION[:starts[0]])
run = report(str(empty))
t.ok(run.status == 0 and "The trace has no end" in run.out and "No process" not in run.out,
     "and without an end nothing that it cannot know", run.out)

bad = t.path("bad.jsonl")
bad.write_text("this is no trace\n")
for name, path in (("missing", t.path("none.jsonl")), ("not a trace", bad), ("a folder", t.scratch)):
    run = report(str(path))
    t.ok(lib.refused(run, str(path)), f"{name}: status 2, one line",
         run.out + run.err)
future = t.path("future.jsonl")
future.write_bytes(SESSION.replace(b'"version":1', b'"version":99', 1))
run = report(str(future))
t.ok(lib.refused(run), "a version from the future is refused", run.out + run.err)
t.equal(report("--follow", "--json", "x").status, 2, "--follow prints no JSON")

# ---- the newest trace
state = t.scratch / "state"
folder = state / "kvscope"
folder.mkdir(mode=0o700, parents=True)
home = {"XDG_STATE_HOME": str(state)}
run = report(env=home)
t.ok(lib.refused(run), "no trace at all: status 2", run.out + run.err)
here, there = t.path("here"), t.path("there")
here.mkdir()
there.mkdir()
(folder / "20260101T000000Z-agent-1.jsonl").write_bytes(
    SESSION.replace(b"/home/someone/project", os.fsencode(here)))
(folder / "20260102T000000Z-agent-2.jsonl").write_bytes(SESSION)
run = report("--json", env=home, cwd=here)
t.ok(run.status == 0 and "agent-1.jsonl" in run.err and lib.one_line(run), "the newest trace made here is taken", run.err)
t.equal(json.loads(run.out)["traces"][0]["cwd"], str(here), "and read")
run = report("--json", env=home, cwd=there)
t.ok(run.status == 0 and "agent-2.jsonl" in run.err and "no trace was made in this directory" in run.err,
     "elsewhere the newest of all", run.err)

# ---- --follow
growing = t.path("growing.jsonl")
growing.write_bytes(SESSION[:starts[2] + 17])
follower = subprocess.Popen([lib.KVSCOPE, "report", "--follow", str(growing)], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)
t.processes.append(follower)
lines = []
at = starts[2] + 17
with growing.open("ab") as f:
    # After each exchange half of the next line: one line must come, and only for what is whole.
    for n, end in enumerate(e for e in starts if b'"type":"exchange"' in SESSION[:e].splitlines()[-1][:40]):
        f.write(SESSION[at:end + 30])
        f.flush()
        at = end + 30
        lines.append(follower.stdout.readline())
    f.write(SESSION[at:])
try:
    rest = follower.communicate(timeout=20)[0]
    ended = follower.returncode
except subprocess.TimeoutExpired:
    rest, ended = "", "no end"
t.equal((ended, rest), (0, ""), "--follow ends with the run")
t.equal([line.split()[0] for line in lines], [f"#{n}" for n in range(1, 8)], "one line per request as it happens")
# The title that was asked for first has taken the name A.
t.ok(all("B  main" in lines[n] for n in (1, 4, 5, 6)) and "529 overloaded_error" in lines[5], "with what is known of it", "".join(lines))
shutil.rmtree(state)
t.done()
