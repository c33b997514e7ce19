#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""More comes than kvscope can read at once: it waits outside of the ring, and nothing is lost, or what is lost is counted."""
import json
import os
import signal
import subprocess
import sys

import lib

t = lib.Test()
BATCH, BATCHES = 100, 300

# Sends requests a hundred at a time, as fast as it can, when the file "go" appears; once more when "again" does.
CLIENT = """
import os, socket, sys, threading, time
folder, batch, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}" * batch
body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a few words"}]}'
request = b"POST /v1/messages HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body) * batch
def read(s, n):
    while n > 0:
        n -= len(s.recv(n))
def serve(listener):
    s, _ = listener.accept()
    try:
        while True:
            read(s, len(request))
            s.sendall(answer)
    except (OSError, ValueError):
        pass
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
client = socket.create_connection(listener.getsockname())
def wait(name):
    end = time.monotonic() + 60
    while not os.path.exists(f"{folder}/{name}") and time.monotonic() < end:
        time.sleep(0.01)
def send(n):
    for _ in range(n):
        client.sendall(request)
        read(client, len(answer))
wait("go")
send(batches)
open(f"{folder}/sent", "w").close()
wait("again")
send(1)
open(f"{folder}/ended", "w").close()
sys.exit(5)
"""
client_py = t.path("client.py")
client_py.write_text(CLIENT, encoding="utf-8")


class Session:
    """Stopped while the client sends all it has, so that kvscope is behind for certain when it goes on."""

    def __init__(self):
        self.folder, self.output = t.path("session"), t.path("output")
        self.folder.mkdir()
        self.output.mkdir()
        self.trace = self.output / "trace.jsonl"
        self.process = subprocess.Popen(
            [lib.KVSCOPE, "run", "-q", "--ring-size", "40M", "-o", str(self.trace), "--", sys.executable, str(client_py),
             str(self.folder), str(BATCH), str(BATCHES)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True)
        t.processes.append(self.process)
        lib.wait_for(lambda: self.trace.exists() and b'"process"' in self.trace.read_bytes())
        self.process.send_signal(signal.SIGSTOP)
        (self.folder / "go").touch()
        lib.wait_for((self.folder / "sent").exists)

    def end(self):
        (self.folder / "again").touch()
        return lib.wait_for((self.folder / "ended").exists)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def is_at_work(self):
        """Has written more than a poll's worth, and not all."""
        return lib.wait_for(lambda: self.trace.stat().st_size > 10 << 20)

    def files(self):
        return sorted(os.listdir(self.output))


def count(trace):
    exchanges, full, footer, ids = 0, 0, False, set()
    with open(trace, "rb") as f:
        for line in f:
            if line.startswith(b'{"type":"exchange"'):
                exchanges += 1
                ids.add(line[19:line.index(b",", 19)])
            elif line.startswith(b'{"type":"loss"'):
                full = json.loads(line)["ring"]["dropped"]["full"]
            elif line.startswith(b'{"type":"footer"'):
                footer = json.loads(line)
    return exchanges, len(ids), full, footer


ALL = BATCH * (BATCHES + 1)

s = Session()
s.end()
s.go_on()
_, err = s.process.communicate(timeout=60)
exchanges, different, lost, footer = count(s.trace)
t.ok(s.process.returncode == 5, "kvscope ends as the command did", err)
t.equal((exchanges, different, lost), (ALL, ALL, 0), "every request is in the trace once, and nothing was lost")
t.ok(footer and footer["complete"] and footer["exit_status"] == 5, "and it is complete", footer)
t.equal(s.files(), ["trace.jsonl"], "no other file is left beside it")

# ---- somebody has had enough of waiting

s = Session()
s.end()
s.go_on()
s.is_at_work()
s.process.send_signal(signal.SIGTERM)
_, err = s.process.communicate(timeout=60)
exchanges, different, lost, footer = count(s.trace)
t.ok(s.process.returncode == 5 and footer and footer["exit_status"] == 5, "a signal after the command has ended: the trace ends", err)
t.ok(0 < exchanges == different < ALL and lost > 0, "what waited is counted as lost", (exchanges, lost))

# ---- kvscope is killed

s = Session()
s.go_on()
s.is_at_work()
s.process.kill()
s.process.wait()
before = count(s.trace)
t.ok(0 < before[0] <= ALL - BATCH and not before[3], "killed while it is behind: the trace is good up to there", before)
t.equal(s.files(), ["trace.jsonl"], "what waited has left no file")
t.ok(s.end(), "the command goes on")
orphan = next(o for o in json.loads(t.command([lib.KVSCOPE, "collect", "--json"]).out) if o["trace"] == str(s.trace))
run = t.command([lib.KVSCOPE, "collect", orphan["ring"]])
later = count(s.trace.with_name("trace-later.jsonl"))
t.ok(run.status == 0 and later[0] >= BATCH and later[3], "what came afterwards is collected", (run.err, later))
t.equal(s.files(), ["trace-later.jsonl", "trace.jsonl"], "in a trace beside the first")
t.done()
