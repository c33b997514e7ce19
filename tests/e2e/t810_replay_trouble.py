#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope replay against backends that misbehave: contamination, errors, overload, cut streams, keys, Ctrl-C, resume."""
import base64
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import urllib.request

import lib
import sessions
import tls

t = lib.Test()
ENV = os.environ | {"XDG_STATE_HOME": str(t.scratch / "state")}

c = sessions.Conversation(random.Random(3), "trouble")
c.say("begin")
bodies = []
for _ in range(4):
    bodies.append(c.request())
    c.work()
trace = t.capture([("s1", None, body) for body in bodies]).trace


class Fake:
    def __init__(self, **behaviour):
        self.file = t.path("behaviour.json")
        self.change(**behaviour)
        self.process = subprocess.Popen([sys.executable, lib.CLIENTS / "fake_backend.py", self.file],
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        t.processes.append(self.process)
        self.url = self.process.stdout.readline().strip()

    def change(self, **behaviour):
        new = pathlib.Path(str(self.file) + ".new")
        new.write_text(json.dumps(behaviour))
        new.rename(self.file)

    def seen(self):
        with urllib.request.urlopen(self.url + "/seen") as answer:
            return json.load(answer)

    def auth(self):
        """All that authenticated the last request."""
        with urllib.request.urlopen(self.url + "/auth") as answer:
            return json.load(answer)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def replay(fake, *options, env=ENV):
    run = t.command([lib.KVSCOPE, "replay", "--json", "-b", fake.url, "--prefill-only", *options, trace], env=env)
    run.result = json.loads(run.out) if run.out.startswith("{") else None
    return run


# ---- an off arm that is warm
fake = Fake(cached=2000)
run = replay(fake, "-n", "1", "--arms", "off,asis")
off = run.result["arms"]["off"]["verification"]
t.ok(run.status == 1 and off["verdict"] == "rejected" and "2000 of 5000" in off["reason"] and off["remedy"],
     "a warm off arm is rejected, with reason and remedy", off)
t.equal(run.result["arms"]["asis"]["verification"]["verdict"], "rejected",
        "so is an arm that reuses what it never sent")
t.equal(run.result["speedup"], None, "and there is no speed-up")

# ---- nothing told: not zero
fake.change(cached="absent")
run = replay(fake, "-n", "1", "--arms", "off,asis")
off = run.result["arms"]["off"]
t.ok(run.status == 0 and off["verification"]["verdict"] == "not verified by the engine" and off["tokens"]["cached"] is None,
     "no count is no proof, and not 0", off)

# ---- no counts at all: how long it takes is not known, which is not "too long"
fake.change(cached="nothing")
run = replay(fake, "-n", "4", "--arms", "off,asis")
t.ok(run.status == 0 and run.result["repeats"] == 4 and not run.result["sampled"] and "about -" in run.err and "quick" not in run.err,
     "a duration that is not known cuts nothing down", run.err)

# ---- requests that fail are errors, not samples
fake.change(status=400, body='{"error":{"type":"exceed_context_size_error","message":"too long"}}')
run = replay(fake, "-n", "1", "--arms", "asis")
t.ok(run.status == 2 and "exceed_context_size_error: too long" in run.err and run.result["arms"]["asis"]["requests"] == 0,
     "where every request fails, it is given up", run.err)
fake.stop()

fake = Fake(status=400, body='{"error":{"message":"too long"}}', times=1)
text = t.command([lib.KVSCOPE, "replay", "-b", fake.url, "--prefill-only", "-n", "1", "--arms", "asis", trace], env=ENV)
rows = [line.split() for line in text.out.split("Requests")[1].split("Errors")[0].splitlines()[2:] if line.strip()]
t.ok(text.status == 0 and rows[0][3] == "error" and "error" not in sum(rows[1:], []) and "1 errors" in text.out
     and "request 1, asis, repeat 1: refused: too long" in text.out, "one that fails is an error in the table, and named", text.out)
fake.stop()

fake = Fake(status=429, headers={"Retry-After": "0"}, times=2)
run = replay(fake, "-n", "1", "--arms", "asis")
samples = [s for q in run.result["requests"] for s in q["arms"]["asis"]["samples"]]
t.ok(run.status == 0 and samples[0]["attempts"] == 3 and all(s["outcome"] == "done" for s in samples),
     "an overloaded server is asked again", samples[0])
t.ok("next attempt in 0 s" in run.err, "which is told", run.err)
fake.stop()

fake = Fake(cut=True)
run = replay(fake, "-n", "1", "--arms", "asis")
sample = run.result["requests"][0]["arms"]["asis"]["samples"][0]
t.ok(run.status == 2 and sample["outcome"] == "cut" and "before its end" in sample["error"],
     "a stream that breaks off is no sample", sample)
fake.stop()

# ---- keys
fake = Fake(status=401, body='{"error":{"message":"no such key: KEY"}}')
run = replay(fake, "-n", "1", "--arms", "asis", env=ENV | {"ANTHROPIC_API_KEY": "sk-ant-very-secret"})
t.ok("no such key: ***" in run.err and "secret" not in run.err + run.out, "a key is sent and never shown", run.err)
kept = "".join(p.read_text() for p in (t.scratch / "state").rglob("*") if p.is_file())
t.ok("no such key" in kept and "secret" not in kept, "nor kept")

# ---- ... from ~/.netrc, which nothing but the server is to see; a key of the environment goes before it
home = t.path("netrc-home")
home.mkdir()
(home / ".netrc").write_text("machine 127.0.0.1 login somebody password netrc-very-secret\n")
(home / ".netrc").chmod(0o600)
plain = {k: v for k, v in ENV.items() if not k.endswith(("_API_KEY", "_AUTH_TOKEN"))} | {"HOME": str(home)}
encoded = base64.b64encode(b"somebody:netrc-very-secret").decode()
page = t.path("netrc.html")
run = replay(fake, "-n", "1", "--arms", "off,asis", "--html", page, env=plain)
t.ok("no such key: Basic *" in run.err, "~/.netrc is sent as basic authentication", run.err)
kept = run.out + run.err + page.read_text() + "".join(p.read_text() for p in (t.scratch / "state").rglob("*") if p.is_file())
t.ok("no such key: Basic *" in kept and "very-secret" not in kept and encoded not in kept, "and is in no output, page or file")
fake.change()
run = replay(fake, "-n", "1", "--arms", "asis", env=plain)
t.ok(run.status == 0 and fake.auth() == f"Basic {encoded}", "nor does it harm", run.err)
run = replay(fake, "-n", "1", "--arms", "asis", env=plain | {"ANTHROPIC_API_KEY": "sk-ant-very-secret"})
t.equal((run.status, fake.auth()), (0, "sk-ant-very-secret"), "a key of the environment is sent alone")
fake.stop()

# ---- TLS, with a certificate that nobody knows
authority = tls.Authority(t)
with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    argv = [lib.KVSCOPE, "replay", "--json", "-b", front.url, "--prefill-only", "-n", "1", "--arms", "asis", trace]
    run = t.command(argv, env=ENV)
    t.ok(run.status == 2 and "certificate" in run.err and not run.out, "an unknown certificate ends it", run.err)
    run = t.command([*argv, "--cacert", authority.ca], env=ENV)
    t.ok(run.status == 0 and json.loads(run.out)["arms"]["asis"]["verification"]["verdict"] == "verified", "--cacert makes it known",
         run.err)

# ---- no Anthropic route: converted, prefixes byte for byte
fake = Fake(only_chat=True)
run = replay(fake, "-n", "1", "--arms", "asis", "--max-tokens", "recorded")
t.ok(run.status == 0 and "converted to Chat Completions" in run.result["changes"], "requests are converted", run.err)
sent = [json.loads(b)["messages"] for b in fake.seen() if len(b) >= 4500]
t.ok(len(sent) == 4 and all(b[:len(a)] == a and len(b) > len(a) for a, b in zip(sent, sent[1:])),
     "each continues the one before", [len(m) for m in sent])
raw = [b[b.index('"messages"'):b.rindex(']', 0, b.rindex('"max_tokens"'))] for b in fake.seen() if len(b) >= 4500]
t.ok(all(b.startswith(a) for a, b in zip(raw, raw[1:])), "byte for byte")
fake.stop()

# ---- Ctrl-C keeps and reports; --resume goes on


def kept_samples():
    return {p.name for p in (t.scratch / "state/kvscope").iterdir() if p.suffix == ".samples"}


fake = Fake(delay=0.2)
others = kept_samples()
argv = [lib.KVSCOPE, "replay", "--json", "-b", fake.url, "--prefill-only", "-n", "2", "--arms", "off,asis", trace]
process = subprocess.Popen([str(a) for a in argv], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           start_new_session=True, text=True)
t.processes.append(process)
lib.wait_for(lambda: len([b for b in fake.seen() if len(b) >= 4500]) >= 6, 30)
process.send_signal(signal.SIGINT)
out, err = process.communicate(timeout=30)
stopped = json.loads(out)
done = sum(len(a["samples"]) for q in stopped["requests"] for a in q["arms"].values())
t.ok(process.returncode == 2 and stopped["stopped"] and 4 <= done < 16 and "--resume" in err,
     "Ctrl-C keeps and reports what is done", err)
t.equal(len(kept_samples() - others), 1, "to go on from")
t.ok("Traceback" not in err and "cancelled" not in out, "a request that was cancelled is no sample")
fake.change()
run = t.command(argv + ["--resume"], env=ENV)
result = json.loads(run.out)
total = sum(len(a["samples"]) for q in result["requests"] for a in q["arms"].values())
t.ok(run.status == 0 and total == 16 and 4 <= result["resumed"] <= done, "--resume sends only what is left", run.err)
t.equal(kept_samples() - others, set(), "and leaves nothing behind when it is done")

# ---- what cannot be: one line, before anything is sent
empty, headed = t.path("empty.jsonl"), t.path("headed.jsonl")
empty.write_text("")
headed.write_text(pathlib.Path(trace).read_text().splitlines(keepends=True)[0])
file = t.path("a-file")
file.write_text("")
before = len(fake.seen())
for options, words in ((["--arms", "foo"], '"foo"'), (["--fix", "foo"], '"foo"'), (["-n", "0"], "--repeat"), (["-n", "x"], "--repeat"),
                       (["--order", "x"], "--order"), (["--pace", "x"], "--pace"), (["--inline-system", "x"], "--inline-system"),
                       (["--max-tokens", "0"], "--max-tokens"), (["--limit", "0"], "--limit"), (["--timeout", "0"], "--timeout"),
                       (["--quick", "--full"], "not both"), (["--session", "nobody"], "no request to replay"),
                       (["--html", t.scratch / "none/page.html"], "none/page.html: No such"), (["--html", file / "page.html"], "Not a dir"),
                       (["--html", t.scratch], "Is a directory"), (["-b", "side=" + fake.url, "-b", "side=" + fake.url], "not two"),
                       (["-b", "http://me:secret@127.0.0.1:9"], "must not hold"), ([empty], "empty.jsonl: no trace")):
    run = t.command([lib.KVSCOPE, "replay", "-b", fake.url, "--prefill-only", *options, *([] if options == [empty] else [trace])], env=ENV)
    t.ok(lib.refused(run, words) and "secret" not in run.err,
         f"replay {' '.join(o if isinstance(o, str) else o.name for o in options)}: one line, status 2", run.out + run.err)
for argv_of, words in (([], "--backend URL"), (["-b", "side=" + fake.url], "--backend URL"), (["-b", "http://127.0.0.1:9"], "connect"),
                       (["-b", fake.url, headed], "no request to replay")):
    run = t.command([lib.KVSCOPE, "replay", *argv_of, *([] if headed in argv_of else [trace])], env=ENV)
    t.ok(lib.refused(run, words), f"... {words}", run.out + run.err)
t.equal(len(fake.seen()), before, "and nothing was sent")

# ---- a page that cannot be written in the end loses nothing of the result
page = t.scratch / "gone" / "page.html"
page.parent.mkdir()
fake.change(delay=0.2)
process = subprocess.Popen([str(a) for a in [*argv[:2], "--html", page, *argv[2:]]], env=ENV, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, start_new_session=True, text=True)
t.processes.append(process)
lib.wait_for(lambda: len(fake.seen()) > before, 30)
page.parent.rmdir()
out, err = process.communicate(timeout=60)
t.ok(process.returncode == 2 and not json.loads(out)["stopped"] and "page.html: No such file" in err, "a page that fails loses nothing", err)

# ---- the server goes away in the middle
fake.change(delay=0.2)
process = subprocess.Popen([str(a) for a in argv], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           start_new_session=True, text=True)
t.processes.append(process)
before = len(fake.seen())
lib.wait_for(lambda: len(fake.seen()) >= before + 12, 30)
fake.stop()
out, err = process.communicate(timeout=60)
t.ok(process.returncode == 2 and json.loads(out)["stopped"], "a server that goes away ends it, with what there is", err)
t.done()
