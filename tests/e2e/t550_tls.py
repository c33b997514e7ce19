#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clear text of TLS in programs with a shared OpenSSL library: recorded once, and only where a language model is asked."""
import shutil
import sys

import lib
import shim
import tls

sys.path.insert(0, str(lib.CLIENTS))
import plan  # noqa: E402  (found by the line above)

t = lib.Test()
authority = tls.Authority(t)
KEY = plan.HEADERS["x-api-key"]
PYTHON = "/usr/bin/python3" if shutil.which("/usr/bin/python3") else sys.executable


def shape(entry):
    return (entry["method"], entry["path"], entry.get("sha256"), entry["status"]) if "method" in entry else \
        (entry["path"], entry.get("sha256"), entry["status"])


def bare_and_wrapped(name, argv, opaque=0):
    """argv(port) twice; only the trace tells the runs apart, and it has every body that the mock heard."""
    logs, runs = [], []
    for wrap in (False, True):
        with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
            run = t.run(argv(front.port)) if wrap else t.command(argv(front.port))
            logs.append(sorted(map(str, map(shape, mock.log()))))
            runs.append((run.status, run.out))
            if wrap:
                t.same_bodies(run, mock, name)
    t.ok(runs[0] == runs[1] and runs[0][0] == 0, f"{name}: output and status are those of the bare run", f"{runs}\n{run.err}")
    t.equal(logs[1], logs[0], f"{name}: the mock heard the same")
    t.valid_trace(run, name)
    t.equal({x["capture_mode"] for x in run.exchanges()}, {"preload-tls"}, f"{name}: the trace says where it was read")
    t.equal(len(run.lines("opaque")), opaque, f"{name}: no connection is told twice")
    t.ok(KEY.encode() not in run.trace.read_bytes(), f"{name}: the key is not in the trace")
    return run


headers = t.path("headers")
headers.write_text("".join("%s: %s\n" % pair for pair in plan.HEADERS.items()))


def curl(port, data, *more, path="/v1/messages"):
    return ["curl", "-sS", "-N", "--http1.1", "--cacert", str(authority.ca), "-o", "/dev/null", "-w",
            "%{http_code} %{size_download} %{http_version}\n", "-H", f"@{headers}", *(more or ["--noproxy", "*"]), "--data-binary",
            f"@{data}", f"https://localhost:{port}{path}"]


def body(number, **kwargs):
    path = t.path("body")
    path.write_bytes(plan.body(number, **kwargs))
    return path


one, two, large = body(1, stream=True), body(2), body(3, bytes_of_text=5 << 20)
bare_and_wrapped("curl", lambda port: curl(port, one) + ["--next", *curl(port, two)[1:]])
bare_and_wrapped("curl, 5 MB", lambda port: curl(port, large))
bare_and_wrapped("curl, TLS 1.2", lambda port: curl(port, one, "--tls-max", "1.2", "--noproxy", "*"))
many = [body(10 + n, stream=True) for n in range(6)]
bare_and_wrapped("curl, in parallel", lambda port: ["curl", "-Z", "--parallel-immediate", *sum(
    (["--next"] * (n > 0) + curl(port, data)[1:] for n, data in enumerate(many)), [])])
for mode in ("keep_alive", "after_other", "large", "parallel", "old_tls", "url", "streams"):
    run = bare_and_wrapped(f"Python, {mode}",
                           lambda port, m=mode: [PYTHON, str(lib.CLIENTS / "tls_client.py"), str(port), str(authority.ca), m])
    if mode == "keep_alive":
        t.equal([(x["connection"], x["sequence"]) for x in run.exchanges()], [(1, n) for n in range(6)],
                "Python, keep_alive: one connection, six requests")
if shutil.which("ruby"):
    script = ('require "net/http"; h = Net::HTTP.new("localhost", ARGV[0].to_i); h.use_ssl = true; h.ca_file = ARGV[1]; '
              'puts h.start { |c| c.post("/v1/messages", File.read(ARGV[2])).code }')
    bare_and_wrapped("Ruby", lambda port: ["ruby", "-e", script, str(port), str(authority.ca), str(one)])
else:
    t.skip("Ruby", "there is no ruby")

# Through a proxy: the hello is not the first thing that the connection carries.
with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front, tls.proxy([]) as proxy:
    run = t.run(curl(front.port, one, "--noproxy", "", "--proxy", proxy.url))
    t.same_bodies(run, mock, "through a proxy")
    t.valid_trace(run, "through a proxy")

# What is no request to a language model stays closed: no byte of it is in ring or trace.
SECRET = "canary-8c61f0a3"
secret = t.path("secret")
secret.write_text(SECRET * 10)
with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    run = t.run(curl(front.port, secret, path="/v1/files"))
    t.equal([(o["kind"], o["server_name"]) for o in run.lines("opaque")], [("tls", "localhost")], "another path: opaque")
    with shim.Ring(t) as ring:
        ring.run(curl(front.port, secret, path="/v1/files"))
        t.ok(SECRET.encode() not in ring.raw() and KEY.encode() not in ring.raw(), "and nothing of it is in the ring")
        records, _ = ring.take()
        t.ok(any(r["type"] == "send" and r["wire_bytes"] > 0 for r in records) and not shim.streams(records),
             "where its sizes are")

# Recorded: the clear text is in the ring once, and nothing of the TLS records.
with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front, shim.Ring(t) as ring:
    ring.run(curl(front.port, two))
    records, loss = ring.take()
    texts = shim.streams(records)
    t.equal(sorted(k[2] for k in texts), ["recv", "send"], "recorded: one stream each way")
    sent = next(v for k, v in texts.items() if k[2] == "send")
    t.ok(sent.startswith(b"POST /v1/messages HTTP/1.1\r\n") and sent.endswith(plan.body(2)), "recorded: as it was sent", sent[:80])
    t.equal((shim.gapless([r for r in records if not r["flags"] & shim.NO_PAYLOAD]), shim.lost(loss)), ([], {}),
            "recorded: without a gap")


# HTTP/2: said, not guessed.
def http2(connection, _):
    def exactly(n):
        data = b""
        while len(data) < n:
            piece = connection.recv(n - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data
    http2.preface = exactly(24)
    connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    while True:
        head = exactly(9)
        exactly(int.from_bytes(head[:3], "big"))
        if head[3] == 1 or head[3] == 0:
            if head[4] & 1:
                break
    stream = head[5:9]
    connection.sendall(b"\x00\x00\x00\x04\x01\x00\x00\x00\x00" + b"\x00\x00\x01\x01\x05" + stream + b"\x88")
    # The client closes first: what it still had to send, coming upon a closed socket, would break off what it has to read.
    while connection.recv(4096):
        pass


with tls.Server(http2, authority, alpn=("h2",)) as server:
    run = t.run([a if a != "--http1.1" else "--http2" for a in curl(server.port, two)])
    t.ok(run.out.startswith("200 0 2"), "HTTP/2: it is spoken", f"{run.out}{run.err}{http2.preface} {server.failed}")
    t.equal([(o["kind"], o["protocol"], o["server_name"]) for o in run.lines("opaque")], [("tls", "http2", "localhost")],
            "HTTP/2: the trace says so")
    t.equal(run.exchanges(), [], "HTTP/2: no exchange is guessed")
    report = t.command([lib.KVSCOPE, "report", run.trace])
    t.ok("HTTP/2" in report.out, "HTTP/2: and so does the report", report.out)

# --content none: nothing of the text.
with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    run = t.run(curl(front.port, two), ["--content", "none"])
    t.ok(len(run.exchanges()) == 1 and b"All work" not in run.trace.read_bytes(), "--content none: no text")

# A server that breaks off.
with tls.Server(lambda c, _: (tls.read_head(c), c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")), authority) as server:
    run = t.run(curl(server.port, two))
    t.equal([(x["response"]["status"], x["response"]["exact"]) for x in run.exchanges()], [(200, False)],
            "an answer that breaks off is told as such")

# A program that is the server's side of TLS, or talks over a socketpair, is let alone.
PAIR = """
import socket, ssl, sys, threading
a, b = socket.socketpair()
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain(sys.argv[1], sys.argv[2])
client = ssl.create_default_context(cafile=sys.argv[3])
t = threading.Thread(target=lambda: print(server.wrap_socket(a, server_side=True).recv(100)))
t.start()
c = client.wrap_socket(b, server_hostname="localhost")
c.sendall(b"POST /v1/messages HTTP/1.1\\r\\nsecret: canary-8c61f0a3\\r\\n\\r\\n")
t.join()
"""
with shim.Ring(t) as ring:
    run = ring.run([PYTHON, "-c", PAIR, str(authority.cert), str(authority.key), str(authority.ca)])
    t.ok(run.status == 0 and "canary" in run.out and SECRET.encode() not in ring.raw(), "TLS over a socketpair is not recorded",
         run.out + run.err)

t.done()
