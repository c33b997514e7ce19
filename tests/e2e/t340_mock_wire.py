#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mock on the wire: clients that leave, many at once, pipelining, malformed requests, its own end."""
import concurrent.futures
import json
import os
import random
import signal
import socket
import struct

import lib
from mockclient import connect, messages, metrics, raw, read_all, request

t = lib.Test()
BODY = json.dumps({"model": "m", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "word " * 4000}]}).encode()
POST = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def leave(s, reset):
    if reset:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# 4000 tokens at 100 a second: nobody waits for the end of that.
for reset in (False, True):
    how = "by a reset" if reset else "by closing"
    with t.mock("--prefill-rate", "100") as mock:
        s = raw(mock)
        s.sendall(POST % len(BODY) + BODY)
        head = s.recv(65536)
        t.ok(head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n"),
             "the head of a stream comes when the prefill begins", head)
        waiting = raw(mock)
        waiting.sendall(POST % len(BODY) + BODY)
        t.ok(lib.wait_for(lambda: metrics(mock)["requests_waiting"] == 1), "a second request waits for the slot")
        leave(waiting, reset)
        t.ok(lib.wait_for(lambda: metrics(mock)["requests_waiting"] == 0), f"it leaves the queue {how}")
        leave(s, reset)
        t.ok(lib.wait_for(lambda: metrics(mock)["requests_running"] == 0), f"a client leaves during its prefill {how}: the slot is free")
        entries = mock.bodies()
        t.equal([(e["aborted"], e["n"], e.get("cached_tokens"), e["times_ns"]["message_start"]) for e in entries],
                [(True, entries[0]["n"], None, None), (True, entries[1]["n"], 0, None)], "... and the log says so")
        m = metrics(mock)
        t.ok(m["requests_aborted_total"] == 2 and m["prefilled_tokens_total"] < 3000, "... and so do the metrics", m)

with t.mock("--prefill-rate", "0", "--decode-rate", "4") as mock:
    s = raw(mock)
    s.sendall(POST % 92 + b'{"model":"m","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"tell me"}]}')
    got = b""
    while b"content_block_delta" not in got:
        got += s.recv(65536)
    s.close()
    t.ok(lib.wait_for(lambda: len(mock.bodies()) == 1), "a client leaves while it is answered")
    entry = mock.bodies()[0]
    t.ok(entry["aborted"] and 1 <= entry["output_tokens"] < 13, "... and the rest is not said", entry)

# Many at once. Each gets its own answer whole.
with t.mock(*lib.FAST, "--parallel", "8") as mock:
    def one(i):
        answer = messages(mock, f"question {i}", stream=i % 2 == 0, system=f"system {i % 5} " * 50, model=f"m{i % 3}")
        if i % 2:
            return answer.json()["model"] == f"m{i % 3}" and answer.json()["stop_reason"] == "end_turn"
        events = answer.events()
        return events[0][1]["message"]["model"] == f"m{i % 3}" and events[-1][0] == "message_stop"

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        t.equal(list(pool.map(one, range(200))), [True] * 200, "200 requests on 50 connections at a time")
    entries = mock.bodies()
    t.equal((sorted(e["n"] for e in entries), {e["status"] for e in entries}), (list(range(1, 201)), {200}), "each is logged once")
    t.ok(len({e["sha256"] for e in entries}) == 200, "... with its own body")

    c = connect(mock)
    for i in range(20):
        messages(mock, f"again {i}", stream=bool(i % 2), connection=c)
    t.equal(len({e["connection"] for e in mock.bodies()[-20:]}), 1, "20 requests on one connection")
    c.close()

    # Pipelining
    s = raw(mock)
    small = json.dumps({"model": "p", "messages": [{"role": "user", "content": "x"}]}).encode()
    s.sendall((POST % len(small) + small) * 5 + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    got = read_all(s)
    t.equal((got.count(b"HTTP/1.1 200 OK\r\n"), got.endswith(b'{"status":"ok"}')), (6, True), "6 requests in one send")
    s.close()

    # curl: Expect: 100-continue comes with a body over 1 MB.
    big = t.path("big.json")
    big.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 300000}]}))
    run = t.command(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect: 100-continue",
                     "--data-binary", f"@{big}", mock.url + "/v1/messages"])
    t.equal((run.status, run.out), (0, "200"), "curl with Expect: 100-continue and 1.5 MB")
    run = t.command(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Transfer-Encoding: chunked",
                     "--data-binary", f"@{big}", mock.url + "/v1/messages"])
    t.equal((run.status, run.out), (0, "200"), "curl with a chunked body")
    t.equal(*(e["sha256"] for e in mock.bodies()[-2:]), "... which is the same body")
    run = t.command(["curl", "-sSI", mock.url + "/health"])
    t.ok(run.status == 0 and run.out.startswith("HTTP/1.1 200 OK") and "Content-Length: 15" in run.out, "curl -I", run.out)

    s = raw(mock)
    s.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (300 << 20))
    got = read_all(s)
    t.ok(got.startswith(b"HTTP/1.1 413 ") and b"request_too_large" in got, "a body that is too large is refused at once", got)
    s.close()

    # Noise: whatever comes, the mock lives on.
    noise = random.Random(1)
    good = POST % len(small) + small
    for i in range(300):
        data = bytearray(good)
        for _ in range(noise.randint(1, 8)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        s = raw(mock)
        try:
            s.sendall(bytes(data[:noise.randint(1, len(data))]))
            if noise.random() < 0.5:
                s.shutdown(socket.SHUT_WR)
                read_all(s)
        except OSError:
            pass
        s.close()
    t.equal(request(mock, "GET", "/health").status, 200, "300 damaged requests later it still answers")

t.equal(mock.process.returncode, 0, "... and ends well")

# Its end: requests under way are logged, the status is 0.
for number in (signal.SIGTERM, signal.SIGINT):
    with t.mock("--prefill-rate", "10") as mock:
        s = raw(mock)
        s.sendall(POST % len(BODY) + BODY)
        s.recv(65536)
        os.kill(mock.process.pid, number)
        t.equal(mock.process.wait(10), 0, f"{number.name} ends it with status 0")
        t.equal([e["aborted"] for e in mock.bodies()], [True], "... and what was under way is logged")
        s.close()

with t.mock() as mock:
    run = t.command([lib.KVSCOPE, "mock", "--port", mock.url.rsplit(":", 1)[1]])
    t.ok(run.status == 2 and "Address already in use" in run.err, "a port that is taken", run.err)
t.equal(mock.process.returncode, 0, "the mock ends well")
t.done()
