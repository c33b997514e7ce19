#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 of kvscope, of the client, and processes that outlive the command: nothing that was captured is lost."""
import json
import os
import signal
import subprocess
import sys
import time

import lib

t = lib.Test()
mock = t.mock(*lib.FAST)

# Sends request N when the file N appears, on one kept-alive connection, and ends when the file "end" does.
CLIENT = """
import http.client, json, os, sys, time
host, folder = sys.argv[1:]
connection = http.client.HTTPConnection(host)
n = 0
while not os.path.exists(f"{folder}/end"):
    if os.path.exists(f"{folder}/{n}"):
        body = json.dumps({"model": "m", "max_tokens": 20, "stream": True,
                           "messages": [{"role": "user", "content": f"{folder} says {n} " + "x" * 5000}]})
        connection.request("POST", "/v1/messages", body)
        connection.getresponse().read()
        open(f"{folder}/{n}.done", "w").close()
        n += 1
    time.sleep(0.01)
open(f"{folder}/ended", "w").close()
sys.exit(12)
"""
client_py = t.path("client.py")
client_py.write_text(CLIENT, encoding="utf-8")


class Session:
    """A client under kvscope that sends when it is told to."""

    def __init__(self, wrapper=(), url=None):
        self.folder = t.path("session")
        self.folder.mkdir()
        self.trace = t.path("trace.jsonl")
        self.client = [sys.executable, str(client_py), (url or mock.url).removeprefix("http://"), str(self.folder)]
        self.process = subprocess.Popen([lib.KVSCOPE, "run", "-o", str(self.trace), "--", *wrapper, *self.client],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        t.processes.append(self.process)

    def send(self, n):
        (self.folder / str(n)).touch()
        return lib.wait_for((self.folder / f"{n}.done").exists)

    def end(self):
        (self.folder / "end").touch()
        return lib.wait_for((self.folder / "ended").exists)

    def client_pid(self):
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{int(entry)}/cmdline", "rb") as f:
                    if f.read().split(b"\0")[:-1] == [a.encode() for a in self.client]:
                        return int(entry)
            except (ValueError, OSError):
                pass
        return None

    def sent(self):
        """The hashes of what the mock has got from this session, sorted."""
        return sorted(entry["sha256"] for entry in (heard or mock).bodies() if entry["sha256"] in self.hashes())

    def hashes(self):
        import hashlib
        made = set()
        for n in range(20):
            body = json.dumps({"model": "m", "max_tokens": 20, "stream": True,
                               "messages": [{"role": "user", "content": f"{self.folder} says {n} " + "x" * 5000}]})
            made.add(hashlib.sha256(body.encode()).hexdigest())
        return made


heard = None


def exchanges(*traces):
    """The hashes of the request bodies in these traces, sorted, and whether all responses are whole."""
    found = []
    for trace in traces:
        with open(trace, encoding="utf-8") as f:
            found += [line for line in map(json.loads, f) if line["type"] == "exchange"]
    return sorted(x["request"]["sha256"] for x in found), all(x["response"]["status"] == 200 for x in found)


def orphan(trace):
    """The entry of `kvscope collect` for this trace; None without."""
    found = json.loads(t.command([lib.KVSCOPE, "collect", "--json"]).out)
    return next((o for o in found if o["trace"] == str(trace)), None)


# ---- the client is killed

s = Session()
s.send(0)
s.send(1)
t.equal(orphan(s.trace), None, "a ring that is being collected is no orphan")
busy = os.listdir("/dev/shm")
os.kill(s.client_pid(), signal.SIGKILL)
t.equal(s.process.wait(20), -signal.SIGKILL, "kill -9 of the client: kvscope ends the same way")
t.equal(exchanges(s.trace), (s.sent(), True), "all that was sent before is in the trace")
t.equal(len(s.sent()), 2, "two requests")

# ---- kvscope is killed

s = Session()
s.send(0)
s.send(1)
s.process.kill()
s.process.wait()
t.ok(s.send(2) and s.send(3), "kill -9 of kvscope: the command goes on")
found = orphan(s.trace)
t.ok(found and found["alive"] == 1 and found["command"] == s.client, "its ring is found", found)
waiting = subprocess.Popen([lib.KVSCOPE, "collect", found["ring"]], stderr=subprocess.PIPE, text=True)
t.processes.append(waiting)
t.ok(s.send(4), "the command goes on while the ring is collected")
again = t.command([lib.KVSCOPE, "collect", found["ring"]])
t.ok(again.status == 2 and "another kvscope" in again.err, "a second collector is refused", again.err)
t.ok(waiting.poll() is None and s.end(), "collect waits until the command has ended")
_, err = waiting.communicate(timeout=20)
later = s.trace.with_name(s.trace.stem + "-later.jsonl")
t.ok(waiting.returncode == 0 and str(later) in err, "and says where the rest is", err)
t.equal(exchanges(s.trace, later), (s.sent(), True), "the two traces have every request once")
t.equal(len(s.sent()), 5, "five requests")
t.ok(not os.path.exists(found["ring"]) and not os.path.exists(os.path.dirname(found["ring"])), "the ring is gone")

# ---- kvscope is killed in the middle of an answer

slow = t.mock("--prefill-rate", "0", "--decode-rate", "8")
s = Session(url=slow.url)
(s.folder / "0").touch()
lib.wait_for(lambda: s.trace.exists() and b'"type":"request"' in s.trace.read_bytes())
s.process.kill()
s.process.wait()
t.ok(lib.wait_for((s.folder / "0.done").exists) and s.end(), "killed in the middle of an answer: the answer is had whole")
run = t.command([lib.KVSCOPE, "collect", orphan(s.trace)["ring"]])
later = s.trace.with_name(s.trace.stem + "-later.jsonl")
heard = slow
t.equal(exchanges(s.trace, later), (s.sent(), True), "and recorded whole")
heard = None

# ---- and while one of two parallel requests has been written down already

parallel = t.mock("--prefill-rate", "0", "--decode-rate", "20", "--parallel", "2")
folder, trace = t.path("parallel"), t.path("trace.jsonl")
folder.mkdir()
bodies = [json.dumps({"model": "m", "max_tokens": n, "stream": True, "messages": [{"role": "user", "content": f"{n}"}]})
          for n in (1, 40)]
curls = " & ".join(f"{{ curl -s -o /dev/null -d '{body}' {parallel.url}/v1/messages; : >{folder}/{n}; }}"
                   for n, body in enumerate(bodies))
process = subprocess.Popen([lib.KVSCOPE, "run", "-q", "-o", str(trace), "--", "sh", "-c", f"{curls} & wait; : >{folder}/end"],
                           stdin=subprocess.DEVNULL, start_new_session=True)
t.processes.append(process)
early = lib.wait_for((folder / "0").exists) and lib.wait_for(lambda: b'"exchange"' in trace.read_bytes())
process.kill()
process.wait()
t.ok(early and not (folder / "1").exists() and lib.wait_for((folder / "end").exists),
     "killed when the shorter of two answers is there")
run = t.command([lib.KVSCOPE, "collect", orphan(trace)["ring"]])
later = trace.with_name(trace.stem + "-later.jsonl")
t.equal(exchanges(trace, later), (sorted(entry["sha256"] for entry in parallel.bodies()), True),
        "both are recorded whole, and none twice")
t.equal([len(exchanges(one)[0]) for one in (trace, later)], [1, 1], "one here, one there")

# ---- processes that outlive the command

s = Session(wrapper=["sh", "-c", 'setsid "$@" </dev/null >/dev/null 2>&1 & while ! [ -e "$4/0.done" ]; do sleep 0.02; done; exit 3',
                     "sh"])
s.send(0)
_, err = s.process.communicate(timeout=20)
t.ok(s.process.returncode == 3 and b"lives on" in err and b"kvscope collect /" in err,
     "a background process outlives the command: kvscope ends with it, and says so", err)
t.ok(s.send(1), "the process goes on")
found = orphan(s.trace)
t.ok(found and found["alive"] == 1, "its ring is kept", found)
run = t.command([lib.KVSCOPE, "collect", "--now", found["ring"]])
later = s.trace.with_name(s.trace.stem + "-later.jsonl")
t.ok(run.status == 0 and str(later) in run.err, "collect --now does not wait", run.err)
t.equal(exchanges(s.trace, later), (s.sent(), True), "all requests up to then are there")
t.equal(len(s.sent()), 2, "two requests")
t.ok(s.send(2) and s.end(), "the process is not bothered by the loss of its ring")

s = Session(wrapper=["sh", "-c", 'setsid "$@" </dev/null >/dev/null 2>&1 & while ! [ -e "$4/0.done" ]; do sleep 0.02; done', "sh"])
s.send(0)
s.process.communicate(timeout=20)
s.end()
found = orphan(s.trace)
run = t.command([lib.KVSCOPE, "collect", found["ring"]])
t.ok(run.status == 0 and "nothing was left" in run.err and not os.path.exists(found["ring"]),
     "a ring that nothing was written to is removed without a trace", run.err)

s = Session(wrapper=["sh", "-c", 'setsid "$@" </dev/null >/dev/null 2>&1 & while ! [ -e "$4/0.done" ]; do sleep 0.02; done', "sh"])
s.send(0)
s.process.communicate(timeout=20)
t.run(["true"])
t.ok(orphan(s.trace), "the next run leaves a ring alone while a process uses it")
s.end()
t.ok(lib.wait_for(lambda: not (left := orphan(s.trace)) or left["alive"] == 0), "and once that has ended")
t.run(["true"])
t.equal(orphan(s.trace), None, "it sweeps it away, for nothing is in it")

# ---- a command that destroys the ring

wrecker = t.path("wrecker.py")
wrecker.write_text("""
import http.client, json, os, sys, time
connection = http.client.HTTPConnection(sys.argv[1])
connection.request("POST", "/v1/messages", json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}))
connection.getresponse().read()
while b'"exchange"' not in open(sys.argv[2], "rb").read():
    time.sleep(0.02)
os.truncate(os.environ["KVSCOPE_RING"], int(sys.argv[3]))
time.sleep(0.3)
sys.exit(9)
""", encoding="utf-8")
for size in 4096, 0:
    trace = t.path("trace.jsonl")
    run = t.command([lib.KVSCOPE, "run", "-o", trace, "--", sys.executable, wrecker, mock.url.removeprefix("http://"), trace, size])
    # What it does to itself is its own affair: it ends at its next record.
    t.ok(run.status in (9, -signal.SIGBUS) and "the ring was damaged" in run.err and len(exchanges(trace)[0]) == 1,
         f"the ring is cut to {size} bytes: kvscope lives, has what was read before, and says so", f"{run.status} {run.err}")

# ---- somebody else's idea of a ring

noise = t.path("noise")
noise.write_bytes(os.urandom(100000))
for path in noise, "/no/such/ring", t.scratch:
    run = t.command([lib.KVSCOPE, "collect", "-o", t.path("x"), path])
    t.ok(run.status == 2 and str(path) in run.err, f"{path} is no ring: status 2", run.err)
t.ok(noise.exists(), "and is left alone")
t.done()
