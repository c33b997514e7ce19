# SPDX-License-Identifier: MIT
"""The same exchanges with a local server directly and through the relay, in turn: relay_pairs.py PAIRS. See b9_relay.sh.

The server is a process of its own; each event of its streams carries the time at which it was sent. Two servers: plain
HTTP, where the relay is one hop more and nothing else, and TLS, where the client through the relay speaks plain HTTP and
the relay does the encryption."""
import os
import pathlib
import signal
import socket
import ssl
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib  # noqa: E402
import tls  # noqa: E402

EVENTS, GAP_S = 100, 0.005
BIG = bytes(1 << 20)
DOWN, UP = 64, 16  # MiB


def serve(connection, _):
    while head := tls.read_head(connection):
        path = head.split(b" ")[1]
        if path == b"/small":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        elif path == b"/events":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (EVENTS * 24))
            for _ in range(EVENTS):
                time.sleep(GAP_S)
                connection.sendall(b"%024d" % time.monotonic_ns())
        elif path == b"/down":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (DOWN * len(BIG)))
            for _ in range(DOWN):
                connection.sendall(BIG)
        elif path == b"/up":
            left = UP * len(BIG)
            while left and (n := len(connection.recv(min(left, 1 << 18)))):
                left -= n
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def receive(connection, n):
    while n > 0:
        got = len(connection.recv(min(n, 1 << 18)))
        if not got:
            sys.exit("the connection ended")
        n -= got


class Client:
    def __init__(self, connection, prefix=b""):
        self.connection, self.prefix = connection, prefix

    def request(self, path, body=0):
        self.connection.sendall(b"POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (self.prefix, path, body))

    def head(self):
        tls.read_head(self.connection)

    def small(self):
        begin = time.perf_counter()
        self.request(b"/small")
        self.head()
        receive(self.connection, 2)
        return time.perf_counter() - begin

    def events(self):
        """Lateness of each event in seconds."""
        self.request(b"/events")
        self.head()
        late, left = [], b""
        while len(late) < EVENTS:
            data = left + self.connection.recv(4096)
            now = time.monotonic_ns()
            for i in range(0, len(data) - 23, 24):
                late.append((now - int(data[i:i + 24])) / 1e9)
            left = data[len(data) // 24 * 24:]
        return late

    def down(self):
        begin = time.perf_counter()
        self.request(b"/down")
        self.head()
        receive(self.connection, DOWN * len(BIG))
        return time.perf_counter() - begin

    def up(self):
        begin = time.perf_counter()
        self.request(b"/up", UP * len(BIG))
        for _ in range(UP):
            self.connection.sendall(BIG)
        self.head()
        receive(self.connection, 2)
        return time.perf_counter() - begin


def line(name, unit, scale, direct, relay):
    ratios = sorted(b / a for a, b in zip(direct, relay))
    low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
    added = statistics.median(b - a for a, b in zip(direct, relay))
    print(f"  {name:<26} {statistics.median(direct) * scale:10.1f} {statistics.median(relay) * scale:10.1f} {unit}"
          f"   x{statistics.median(ratios):.3f} (80 % of pairs: {low:.3f} to {high:.3f}), added {added * scale:.1f}")


def start(authority):
    """A server in a process of its own. Returns (pid, port)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        server = tls.Server(serve, authority)
        os.write(write, b"%d\n" % server.port)
        while True:
            signal.pause()
    os.close(write)
    with os.fdopen(read) as f:
        return pid, int(f.readline())


def measure(t, authority, pairs):
    pid, port = start(authority)
    try:
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if authority:
            raw = ssl.create_default_context(cafile=authority.ca).wrap_socket(raw, server_hostname="localhost")
        direct = Client(raw)
        url = f"{'https' if authority else 'http'}://localhost:{port}"
        with tls.Relay(t, url, ca=authority and authority.ca) as relay:
            through = Client(relay.connect(), b"/" + relay.token.encode())
            both = direct, through
            for client in both:
                client.small()
            times = [[c.small() for c in both] for _ in range(pairs)]
            line("small request, keep-alive", "us", 1e6, *zip(*times))
            late = [[statistics.median(c.events()) for c in both] for _ in range(max(5, pairs // 40))]
            line("event of a stream, lateness", "us", 1e6, *zip(*late))
            times = [[c.down() for c in both] for _ in range(max(5, pairs // 20))]
            line(f"{DOWN} MiB down", "ms", 1e3, *zip(*times))
            times = [[c.up() for c in both] for _ in range(max(5, pairs // 20))]
            line(f"{UP} MiB up", "ms", 1e3, *zip(*times))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main():
    t = lib.Test()
    pairs = int(sys.argv[1])
    print("                                 direct      relay")
    print("plain HTTP to the server")
    measure(t, None, pairs)
    print("TLS to the server")
    measure(t, tls.Authority(t), pairs)


main()
