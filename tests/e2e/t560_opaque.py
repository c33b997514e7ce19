#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS of programs that have it inside: what sizes and times say, in trace and report."""
import json
import shutil
import subprocess
import sys

import lib
import tls

t = lib.Test()
authority = tls.Authority(t)

# A client that plays TLS: a hello with a server's name, then as many bytes as a session would have. The server answers a
# request only when all of it is there, so the turns are what they are.
HELLO = ("16030100600100005c0303" + "ab" * 32 + "00" + "0002" + "1301" + "0100" + "0031" + "0000002d002b000028" +
         b"api.opaque.example.a-long-name-for-tests".hex())
CLIENT = f"""
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def receive(n):
    while n > 0:
        n -= len(s.recv(n))
s.sendall(bytes.fromhex("{HELLO}"))
receive(2000)
s.sendall(bytes(80))
for size in (5000, 700, 90000):
    s.sendall(bytes(size))
    receive(3000)
    s.sendall(bytes(50))
    receive(500)
"""


def serve(connection, _):
    def receive(n):
        while n > 0:
            n -= len(connection.recv(n))
    receive(len(HELLO) // 2)
    connection.sendall(bytes(2000))
    receive(80)
    for size in (5000, 700, 90000):
        receive(size)
        connection.sendall(bytes(3000))
        receive(50)
        connection.sendall(bytes(500))


def opaque(run):
    return [o for o in run.lines("opaque") if o["kind"] == "tls"]


def in_order(turns):
    """The stamps of all turns, one after the other."""
    stamps = [x[k] for x in turns for k in ("start", "sent", "first_received", "last_received")]
    return stamps == sorted(stamps)


with tls.Server(serve) as server:
    run = t.run([sys.executable, "-c", CLIENT, str(server.port)])
    found = opaque(run)
    t.equal([(o["server_name"], o["grade"]) for o in found], [("api.opaque.example.a-long-name-for-tests", "record-level")],
            "one connection, with its server's name, graded record-level")
    turns = found[0]["turns"]
    t.equal([(x["sent_bytes"], x["received_bytes"]) for x in turns],
            [(len(HELLO) // 2, 2000), (5130, 3500), (750, 3500), (90050, 3500)], "the handshake and three requests, by their sizes")
    t.ok(in_order(turns), "their times stand in order", turns)
    t.equal((sum(x["sent_bytes"] for x in turns), sum(x["received_bytes"] for x in turns)),
            (found[0]["sent_bytes"], found[0]["received_bytes"]), "the turns are the whole connection")
    t.valid_trace(run)
    report = t.command([lib.KVSCOPE, "report", run.trace])
    t.ok("3 requests (estimated)" in report.out and "record-level" in report.out and "api.opaque.example" in report.out,
         "the report says so", report.out)
    as_json = json.loads(t.command([lib.KVSCOPE, "report", "--json", run.trace]).out)
    t.equal([(o["requests_estimated"], o["first_data_s"] > 0) for o in as_json["opaque"] if o["kind"] == "tls"], [(3, True)],
            "and so does its JSON")
    t.ok("--upstream https://api.opaque.example" in run.err, "the way to see more is named", run.err)

# Node has its TLS inside.
node = shutil.which("node")
if node and b"SSL_read" in subprocess.run(["nm", "-D", "--defined-only", node], capture_output=True, check=False).stdout:
    script = """
const https = require("https"), fs = require("fs");
const [port, ca] = process.argv.slice(-2);
const agent = new https.Agent({keepAlive: true, maxSockets: 1, ca: fs.readFileSync(ca)});
const post = () => new Promise((done, failed) => {
    const data = JSON.stringify({model: "m", max_tokens: 9, stream: true, messages: [{role: "user", content: "x".repeat(1000)}]});
    const r = https.request({host: "localhost", port, path: "/v1/messages", method: "POST", agent,
                             headers: {"content-type": "application/json", "content-length": data.length}},
                            a => { a.resume(); a.on("end", done); });
    r.on("error", failed);
    r.end(data);
});
(async () => { for (let n = 0; n < 5; n++) await post(); agent.destroy(); })();
"""
    with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
        run = t.run([node, "-e", script, "--", str(front.port), str(authority.ca)])
        heard = mock.bodies()
    found = opaque(run)
    t.equal((run.status, len(heard), run.exchanges()), (0, 5, []), "Node: five requests, none of them to be read")
    t.equal([(o["server_name"], len(o["turns"]) - 1) for o in found], [("localhost", 5)], "Node: five turns after the handshake")
    t.ok(found and in_order(found[0]["turns"]), "Node: in order", found)
    pairs = list(zip(found[0]["turns"][1:], heard)) if found else []
    t.ok(pairs and all(x["start"] <= e["times_ns"]["body_complete"] and e["times_ns"]["end"] <= x["last_received"]
                       for x, e in pairs), "Node: each turn's times stand around the mock's", pairs)
    # The first data after the handshake are session tickets.
    t.ok(all(e["times_ns"]["first_byte"] <= x["first_received"] for x, e in pairs[1:]), "Node: so does the first data", pairs)
else:
    t.skip("Node", "there is no node with its own OpenSSL")

t.done()
