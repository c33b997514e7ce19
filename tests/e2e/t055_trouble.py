#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What goes wrong around every command that reads traces: files that are none, options that make no sense, output that
cannot be written. One line on stderr that names what is wrong, status 2, nothing on stdout."""
import gzip
import os
import re
import subprocess

import lib

t = lib.Test()
SESSION = lib.ROOT / "tests/e2e/t400_session.jsonl"
GOOD = SESSION.read_bytes()
NOBODY = ["--backend", "http://127.0.0.1:9"]  # the discard port: nothing listens there
TRACE = object()
# Every command that takes a trace, and each way in which it does.
READERS = (["report", TRACE], ["report", "--follow", TRACE], ["report", "--html", "/dev/null", TRACE], ["report", SESSION, TRACE],
           ["why", TRACE], ["diff", TRACE, SESSION], ["diff", SESSION, TRACE], ["show", TRACE, "1"], ["verify", TRACE],
           ["replay", *NOBODY, TRACE], ["bench", *NOBODY, "--from-trace", TRACE])


def words(argv, trace):
    return [trace if w is TRACE else w for w in argv]


def kvscope(*argv, **kwargs):
    return t.command([lib.KVSCOPE, *argv], **kwargs)


def shown(run):
    return f"status {run.status}\n{run.out[:300]}\n{run.err[:600]}"


helps = kvscope("--help").out
commands = re.findall(r"^  (\S+) ", helps, re.M)
synopsis = {name: kvscope(name, "--help").out.splitlines()[0] for name in commands}
takes_traces = {name for name, line in synopsis.items() if "TRACE" in line or line.endswith(" A B")}
t.equal(takes_traces, {argv[0] for argv in READERS}, "every command that takes a trace is in this test")

# ---- files that are no trace
header, rest = GOOD.split(b"\n", 1)


def written(name, content):
    path = t.path(name)
    path.write_bytes(content)
    return path


folder = t.path("folder")
folder.mkdir()
NO_TRACES = {
    "no file": (t.path("missing"), "No such file or directory"),
    "a folder": (folder, "Is a directory"),
    "an empty file": (written("empty", b""), "no header"),
    "a header that was cut": (written("cut", header[:-20]), "no header"),
    "text": (written("text", b"hello\n"), "line 1: not a JSON object"),
    "other JSON": (written("other", b'{"type":"config","version":1}\n'), "line 1: not a trace"),
    "a compressed trace": (written("gz", gzip.compress(GOOD)), "line 1"),
    "a trace without its header": (written("headless", rest), "line 1: not a trace"),
    "a header without a version": (written("old", GOOD.replace(b'"version":1', b'"version":0', 1)), "line 1: no version"),
    "a later version": (written("later", GOOD.replace(b'"version":1', b'"version":99', 1)), "line 1: trace version 99"),
}
for what, (path, said) in NO_TRACES.items():
    wrong = []
    for argv in READERS:
        run = kvscope(*words(argv, path))
        if not lib.refused(run, f"{argv[0]}: {path}: ", said):
            wrong.append(f"{argv[0]}: {shown(run)}")
    t.ok(not wrong, f"{what}: every command says so", "\n".join(wrong))
if os.geteuid():
    secret = written("secret", GOOD)
    secret.chmod(0)
    t.equal([a[0] for a in READERS if not lib.refused(kvscope(*words(a, secret)), str(secret), "Permission denied")], [],
            "a file that may not be read: every command says so")
else:
    t.skip("a file that may not be read", "root may read every file")

# ---- traces that end too early are read up to there, and every command says so
lines = GOOD.splitlines(keepends=True)
BROKEN = {
    "cut inside a line": (b"".join(lines[:20]) + lines[20][:40], "line 21: the file ends inside this line"),
    "with a line of rubbish": (b"".join(lines[:20]) + b"rubbish\n" + b"".join(lines[20:]), "line 21: not a JSON object"),
}
for what, (content, said) in BROKEN.items():
    path = written("broken", content)
    wrong = []
    for argv in READERS:
        if "--follow" in argv and "inside" in what:
            continue  # the rest may come
        run = kvscope(*words(argv, path))
        # To follow ends at a line that cannot be read; that there is no backend is told after the trace.
        reads_on = argv[0] not in ("replay", "bench", "verify") and "--follow" not in argv
        told = [line for line in run.err.splitlines() if f"{path}: {said}" in line]
        if len(told) != 1 or run.status != (0 if reads_on else 2):
            wrong.append(f"{argv}: {shown(run)}")
    t.ok(not wrong, f"a trace {what}: read up to there, with one line about it", "\n".join(wrong))

# ---- from standard input, a file or a pipe
for argv in READERS:
    if "--follow" in argv or NOBODY[0] in argv or SESSION in argv:
        continue
    named, piped = (kvscope(*words(argv, SESSION)), kvscope(*words(argv, "-"), stdin=GOOD))
    with open(SESSION, "rb") as f:
        directed = subprocess.run([lib.KVSCOPE, *words(argv, "-")], stdin=f, capture_output=True, check=False, timeout=60)
    same = named.out.replace(str(SESSION), "standard input")
    t.ok(named.status == piped.status == directed.returncode and same == piped.out == directed.stdout.decode(),
         f"{argv[0]} -: a pipe and a file on standard input", shown(piped))
t.ok(lib.refused(kvscope("report", "-", stdin=b"rubbish\n"), "standard input: line 1"), "rubbish from standard input")
t.ok(lib.refused(kvscope("report", "--follow", "-", stdin=GOOD), "--follow wants a file"), "a pipe cannot be followed")

# ---- options that make no sense, from each command's own help
NUMBERS = {"N", "M", "SIZE", "SECONDS", "PERCENT", "RATE", "LIST"}
wrong = []
tried = 0
for name in commands:
    for option, arg in re.findall(r"^  (?:-\w, |    )--([\w-]+) (\S+)", kvscope(name, "--help").out, re.M):
        if arg not in NUMBERS and arg not in ("HOW", "FIRST"):
            continue
        values = ["nonsense", ""] if (arg, name) == ("LIST", "bench") or arg != "LIST" else ["nonsense"]
        rest = {"run": ["--", "true"], "show": [str(SESSION), "1"], "diff": [str(SESSION), str(SESSION)],
                "replay": [*NOBODY, str(SESSION)]}.get(name, [])
        for value in values:
            tried += 1
            run = kvscope(name, f"--{option}={value}", *rest)
            if not lib.refused(run, f"{name}: ", "" if name == "show" else f"--{option}"):
                wrong.append(f"{name} --{option}={value}: {shown(run)}")
t.ok(not wrong and tried > 40, f"{tried} options with nonsense in place of a number or a word: each is named", "\n".join(wrong))
for argv in (["mock", "word"], ["verify", "a", "b"], ["show", "a", "1", "2"], ["diff", "a"], ["diff", "a", "b", "c"],
             ["collect", "a", "b"], ["bench", "a"], ["replay", "a"], ["help", "a", "b"], ["run"], ["doctor", "/dev/null"],
             ["doctor", folder], ["collect", SESSION], ["why", "--engine", "nosuch", SESSION],
             ["diff", "--engine", "nosuch", SESSION, SESSION], ["report", "--html", "/dev/null", "--engine", "nosuch", SESSION]):
    run = kvscope(*argv)
    t.ok(lib.refused(run), f"kvscope {' '.join(str(w) for w in argv).replace(str(lib.ROOT), '')}", shown(run))

# ---- output that cannot be written
WRITERS = (["report", SESSION], ["report", "--json", SESSION], ["report", "--html", "-", SESSION], ["why", SESSION],
           ["why", "--json", SESSION], ["diff", SESSION, SESSION], ["show", SESSION, "1"], ["show", SESSION, "1", "--request"],
           ["show", SESSION, "2", "--diff", "1"], ["verify", SESSION], ["doctor"], ["collect", "--json"], ["help"])
wrong = []
for argv in WRITERS:
    with open("/dev/full", "wb") as full:
        run = subprocess.run([lib.KVSCOPE, *argv], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    if run.returncode != 2 or run.stderr.count(b"No space left on device") != 1:
        wrong.append(f"{argv}: {run.returncode} {run.stderr}")
    # A reader that has seen enough is no trouble to tell of.
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        run = subprocess.run([lib.KVSCOPE, *argv], stdout=closed, stderr=subprocess.PIPE, check=False, timeout=60)
    if run.returncode == 0 or b"write" in run.stderr or b"pipe" in run.stderr:
        wrong.append(f"{argv}, closed pipe: {run.returncode} {run.stderr}")
t.ok(not wrong, "a full disk is told, a closed pipe is not; neither is success", "\n".join(wrong))
for place, said in (("/dev/full", "No space left"), ("/no/such/page.html", "No such file"), (str(folder), "Is a directory")):
    run = kvscope("report", "--html", place, SESSION)
    t.ok(lib.refused(run, f"report: {place}: ", said), f"a page into {place.replace(str(t.scratch), '')}", shown(run))

# ---- the width of the terminal, and locales of every kind
DECORATED = (["report", SESSION], ["why", "--all", SESSION], ["diff", "--all", SESSION, SESSION], ["show", SESSION, "1"], ["doctor"],
             ["verify", SESSION])
for locale in ("C", "POSIX", "C.UTF-8", "xx_XX.ISO-8859-1"):
    changed = [a[0] for a in DECORATED if kvscope(*a, env={**os.environ, "LC_ALL": locale}).out != kvscope(*a).out]
    t.equal(changed, [], f"LC_ALL={locale} changes no output")
for columns in (60, 80, 200):
    text = kvscope("report", SESSION, env={**os.environ, "COLUMNS": str(columns)}).out
    head = text.split("\n\n")[0]
    t.ok(max(map(len, head.splitlines())) <= max(columns, 80) and (columns < 200 or max(map(len, head.splitlines())) > 100),
         f"COLUMNS={columns}: the report is as wide", head)
t.equal([a[0] for a in DECORATED if "\033" in kvscope(*a, env={**os.environ, "TERM": "xterm", "NO_COLOR": ""}).out], [],
        "no colours where there is no terminal")
t.done()
