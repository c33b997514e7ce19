#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The relay changes no byte: each exchange is made directly and through it, and both ends are compared."""
import gzip
import random
import select
import socket
import ssl
import struct
import threading

import lib
import tls

t = lib.Test()
authority = tls.Authority(t)
BIG = random.Random(1).randbytes(5 << 20)
PACKED = gzip.compress(b"packed " * 5000, mtime=0)


def client_context():
    context = ssl.create_default_context(cafile=authority.ca)
    context.check_hostname = False
    return context


# What the server answers, in pieces: the next one is sent when the client has the one before. "close" and "reset" end.
CASES = {
    "odd headers": [b"HTTP/1.1 200 Fine, really\r\nX-A: 1\r\nx-a: 2\r\nX-EMPTY:\r\nconTENT-length:3\r\nSet-Cookie: a\r\n"
                    b"Set-Cookie: b\r\n\r\n", b"abc"],
    "no reason": [b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"],
    "gzip": [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED],
    "chunk extensions and trailers": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n", b"5;a=b;c=\"d\"\r\nhello\r\n",
        b"0006 ; x\r\n world\r\n", b"0\r\nX-Sum: 1\r\nx-other:\r\n\r\n"],
    "a chunk cut in the middle": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", b"0\r\n01234567", b"89abcdef\r",
                                  b"\n0\r\n\r\n"],
    "103 before 200": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    "529": [b"HTTP/1.1 529 Site is overloaded\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"],
    "HTTP/1.0 until the end": [b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall that ", b"comes", "close"],
    "truncated chunked": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"ff\r\nnot all of it", "close"],
    "reset in the middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"a part", "reset"],
    "closed without a word": ["close"],
    "304 with a length": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"],
    "lines without CR": [b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
    "no HTTP at all": [b"\x00\x01\x02 what is this\r\n\r\n", b"\xff\xfe", "close"],
    "5 MB": [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG), BIG],
    "events": [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
               *(b"%x\r\ndata: %d\n\n\r\n" % (len(b"data: %d\n\n" % n), n) for n in range(20)), b"0\r\n\r\n"],
}
NAMES = list(CASES)


class Exchange:
    """What one conversation was at both ends."""

    def __init__(self, steps):
        self.steps = steps
        self.heard = b""  # by the server
        self.got = b""  # by the client
        self.pieces = 0  # that came alone
        self.end = "open"
        self.served = threading.Event()
        self.turn = threading.Semaphore(0)


now = None


def serve(connection, _):
    head, body = tls.read_request(connection)
    e = now
    e.heard += head + body
    for step in e.steps:
        if step == "reset":
            raw = connection.detach() if hasattr(connection, "detach") else connection.fileno()
            raw = socket.socket(fileno=raw)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()
            return
        if step == "close":
            connection.unwrap()
            return
        connection.sendall(step)
        e.turn.acquire(timeout=20)
    e.served.set()
    # The client closes.
    while connection.recv(4096):
        pass


def receive(connection, want):
    data = bytearray()
    while len(data) < want and (piece := connection.recv(min(65536, want - len(data)))):
        data += piece
    return bytes(data)


def talk(connection, request, steps):
    """Sends the request and reads each piece before the next one is let go."""
    global now
    e = now = Exchange(steps)
    connection.sendall(request)
    try:
        for step in steps:
            if isinstance(step, str):
                rest = connection.recv(4096)
                e.got += rest
                e.end = "end" if not rest else "more"
                break
            data = receive(connection, len(step))
            e.got += data
            e.pieces += data == step
            e.turn.release()
    except OSError as error:
        e.end = type(error).__name__
    return e


def request(path, host, body=b"", extra=b""):
    return (b"POST %s HTTP/1.1\r\nhost:%s\r\nX-Api-Key: k\r\nACCEPT: */*\r\naccept: a, b\r\nX-Empty:\r\n%s"
            b"Content-Length: %d\r\n\r\n" % (path, host, extra, len(body))) + body


with tls.Server(serve, authority) as server:
    host = b"localhost:%d" % server.port
    with tls.Relay(t, server.url, ca=authority.ca) as relay:
        prefix = b"/" + relay.token.encode()
        here = b"127.0.0.1:%d" % relay.port
        for name, steps in CASES.items():
            body = b'{"n": %d}' % NAMES.index(name)
            with socket.create_connection(("127.0.0.1", server.port)) as raw, \
                    client_context().wrap_socket(raw) as connection:
                direct = talk(connection, request(b"/v1/x?a=b", host, body), steps)
            with relay.connect() as connection:
                through = talk(connection, request(prefix + b"/v1/x?a=b", here, body), steps)
            whole = b"".join(s for s in steps if isinstance(s, bytes))
            t.equal((through.got == whole, through.pieces, through.heard), (direct.got == whole, direct.pieces, direct.heard),
                    f"{name}: the same bytes at both ends, each piece before the next is sent")
            broken = {"reset in the middle": "ConnectionResetError"}.get(name)
            t.equal(through.end, broken or direct.end, f"{name}: the same end")

        # Requests of many shapes, heard by the server.
        def heard(pieces, expected, name):
            global now
            e = now = Exchange([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
            with relay.connect() as c:
                for piece in pieces:
                    c.sendall(piece)
                answer = receive(c, len(e.steps[0]))
                e.turn.release()
            t.equal((e.heard, answer), (expected, e.steps[0]), name)

        one = request(prefix + b"/v1/messages?beta=true", here, b"{}")
        heard([bytes([b]) for b in one], request(b"/v1/messages?beta=true", host, b"{}"), "a request byte by byte")
        heard([request(prefix + b"/v1/messages", here, BIG)], request(b"/v1/messages", host, BIG), "5 MB sent")
        heard([request(prefix, here)], request(b"/", host), "nothing behind the token")
        heard([request(prefix + b"?q", here)], request(b"/?q", host), "a query right behind the token")

    t.equal(relay.status, 0, "kvscope ended well")
    t.ok("could not be reached" not in relay.err, "and has nothing to complain about", relay.err)


# ---- conversations that need more than one request and one answer

def pipelined(connection, _):
    for n in range(3):
        pipelined.heard.append(tls.read_request(connection)[0])
    for n in range(3):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % n)
    connection.recv(1)


pipelined.heard = []


def continued(connection, _):
    head = tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = receive(connection, 5)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
    connection.recv(1)


def head_then_get(connection, _):
    tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nget")
    connection.recv(1)


def early(connection, _):
    tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone")
    connection.unwrap()


def websocket(connection, _):
    websocket.heard = tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    while data := connection.recv(4096):
        connection.sendall(data[::-1])


def silent(connection, _):
    tls.read_head(connection)
    silent.began.set()
    silent.got = connection.recv(1)
    silent.ended.set()


silent.began, silent.ended, silent.got = threading.Event(), threading.Event(), None


def stubborn(connection, _):
    """Does not read before it is told to."""
    tls.read_head(connection)
    stubborn.read.wait(30)
    stubborn.heard = receive(connection, len(stubborn.body))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection.recv(1)


stubborn.read, stubborn.body, stubborn.heard = threading.Event(), BIG * 4, None


def torrent(connection, _):
    tls.read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(BIG) * 12))
    for n in range(12):
        connection.sendall(BIG)
        torrent.sent += 1
    connection.recv(1)


torrent.sent = 0


def through(serve):
    server = tls.Server(serve, authority)
    relay = tls.Relay(t, server.url, ca=authority.ca)
    return server, relay, relay.connect(), b"/" + relay.token.encode()


def ended(server, relay, connection):
    connection.close()
    relay.__exit__()
    server.__exit__()


def get(path, method=b"GET", extra=b""):
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n" + extra + b"\r\n"


server, relay, c, prefix = through(pipelined)
c.sendall(get(prefix + b"/a") + get(prefix + b"/b") + get(prefix + b"/c"))
one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
t.equal(receive(c, 3 * len(one) + 3), one + b"0" + one + b"1" + one + b"2", "three pipelined requests: three answers in order")
t.equal(pipelined.heard, [get(b"/" + p).replace(b"Host: x", b"Host: localhost:%d" % server.port) for p in (b"a", b"b", b"c")],
        "three pipelined requests: all heard, each rewritten")
t.equal(server.accepted, 1, "one connection here is one connection there")
ended(server, relay, c)

server, relay, c, prefix = through(continued)
c.sendall(get(prefix + b"/a", b"POST", b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
interim = receive(c, 25)
c.sendall(b"hello")
t.equal((interim, receive(c, 43)), (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        "100-continue: the interim answer comes before the body is sent")
ended(server, relay, c)

server, relay, c, prefix = through(head_then_get)
c.sendall(get(prefix + b"/a", b"HEAD"))
first = receive(c, 41)
c.sendall(get(prefix + b"/a"))
t.equal((first[-4:], receive(c, 41)[-3:]), (b"\r\n\r\n", b"get"), "HEAD with a length, then GET on the same connection")
ended(server, relay, c)

server, relay, c, prefix = through(early)
try:
    c.sendall(get(prefix + b"/a", b"POST", b"Content-Length: %d\r\n" % len(BIG)) + BIG)
except OSError:
    pass
answer = receive(c, 10000)
t.ok(answer.endswith(b"\r\n\r\nnone"), "an early 404 to 5 MB is read whole", answer)
ended(server, relay, c)

server, relay, c, prefix = through(websocket)
c.sendall(get(prefix + b"/a", extra=b"Upgrade: websocket\r\nConnection: Upgrade\r\n"))
receive(c, len(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
c.sendall(b"\x81\x05GET / HTTP/9.9\r\n\r\n")
t.equal(receive(c, 20), b"\x81\x05GET / HTTP/9.9\r\n\r\n"[::-1], "another protocol after 101 passes both ways as it is")
ended(server, relay, c)

server, relay, c, prefix = through(silent)
c.sendall(get(prefix + b"/a", b"POST"))
silent.began.wait(20)
c.close()
t.ok(silent.ended.wait(20) and silent.got == b"", "a client that goes away in silence: the server sees it")
ended(server, relay, c)

server, relay, c, prefix = through(stubborn)
c.sendall(get(prefix + b"/a", b"POST", b"Content-Length: %d\r\n" % len(stubborn.body)))
c.setblocking(False)
sent = 0
try:
    # Until nothing more has been taken for a while.
    while sent < len(stubborn.body):
        if not select.select([], [c], [], 1)[1]:
            break
        sent += c.send(stubborn.body[sent:sent + 65536])
except BlockingIOError:
    pass
t.ok(0 < sent < len(stubborn.body), f"a server that does not read: the client is held back after {sent >> 10} KiB")
stubborn.read.set()
c.settimeout(30)
c.sendall(stubborn.body[sent:])
t.ok(receive(c, 38).startswith(b"HTTP/1.1 200") and stubborn.heard == stubborn.body, "and all arrives when it does")
ended(server, relay, c)

server, relay, c, prefix = through(torrent)
c.sendall(get(prefix + b"/a"))
head = receive(c, 41 + len(str(len(BIG) * 12)) - 4)
still = lambda: (torrent.sent, threading.Event().wait(0.5))[0]
before = -1
while before != torrent.sent:
    before = still()
_, pid = relay.pids()
status = open(f"/proc/{pid}/status", encoding="utf-8").read()
rss = int(status.split("VmRSS:")[1].split()[0])
t.ok(torrent.sent < 12, f"a client that does not read: the server is held back after {torrent.sent} of 12 pieces of 5 MB")
t.ok(rss < 50000, f"and the relay holds little of it ({rss} kB)")
c.settimeout(30)
t.equal(receive(c, len(BIG) * 12) == BIG * 12, True, "and all arrives when it reads")
ended(server, relay, c)

t.done()
