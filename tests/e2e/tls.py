# SPDX-License-Identifier: MIT
"""TLS for tests, on loopback alone: a certificate authority made by openssl for each test, a front that takes TLS off and
hands plain bytes to a mock, a server that plays scripted answers, and a proxy that knows CONNECT."""
import contextlib
import socket
import ssl
import subprocess
import threading

NAME = "llm.test"


class Authority:
    """A CA of its own and a certificate for localhost, 127.0.0.1 and NAME."""

    def __init__(self, t, names=("localhost", NAME), name="ca"):
        self.ca, self.cert, self.key = t.path(f"{name}.pem"), t.path(f"{name}-cert.pem"), t.path(f"{name}-key.pem")
        ca_key, request, extra = t.path(f"{name}-signing-key.pem"), t.path("request.pem"), t.path("extra.cnf")
        openssl = lambda *a: subprocess.run(["openssl", *map(str, a)], check=True, capture_output=True)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", self.ca, "-days", 2, "-subj", "/CN=kvscope test CA")
        openssl("req", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        extra.write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + ",IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", 2, "-extfile",
                extra, "-out", self.cert)

    def context(self, alpn=()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Server:
    """Calls serve(connection, number) in a thread for each connection; with an authority, after the TLS handshake. names:
    what the clients asked for (SNI), protocols: what was agreed with each (ALPN)."""

    def __init__(self, serve, authority=None, alpn=(), port=0):
        self.serve = serve
        self.context = authority.context(alpn) if authority else None
        self.names, self.protocols = [], []
        if self.context:
            self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self.failed = []  # handshakes, as text
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://localhost:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Wakes accept(), which would keep the port.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.handle, args=(connection, self.accepted), daemon=True).start()

    def handle(self, connection, number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
                self.protocols.append(connection.selected_alpn_protocol())
        except (OSError, ssl.SSLError) as error:
            self.failed.append(str(error))
            connection.close()
            return
        with contextlib.closing(connection), contextlib.suppress(OSError, ssl.SSLError):
            self.serve(connection, number)


def pump(source, sink, kept=None):
    """Bytes from one to the other until the end, which is passed on. kept: a bytearray that gets them, too."""
    with contextlib.suppress(OSError, ssl.SSLError, ValueError):
        while data := source.recv(65536):
            if kept is not None:
                kept += data
            sink.sendall(data)
    with contextlib.suppress(OSError, ssl.SSLError, ValueError):
        sink.shutdown(socket.SHUT_WR)


def join(one, two, there=None, back=None):
    """Both directions at once, until one side ends. A TLS socket may be read and written by two threads, each its own."""
    backwards = threading.Thread(target=pump, args=(two, one, back), daemon=True)
    backwards.start()
    pump(one, two, there)
    backwards.join(30)


def front(authority, url, alpn=(), port=0, talks=None):
    """A TLS server in front of the plain one at url. talks: a list that gets what each connection carried, both ways."""
    behind = int(url.rsplit(":", 1)[1])

    def serve(connection, _):
        there, back = bytearray(), bytearray()
        if talks is not None:
            talks.append((there, back))
        with socket.create_connection(("127.0.0.1", behind)) as backend:
            backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            join(connection, backend, there, back)

    return Server(serve, authority, alpn, port)


def proxy(log, allow=True):
    """An HTTP proxy that knows CONNECT alone; log gets the target of each. Every name is 127.0.0.1 to it."""

    def serve(connection, _):
        head = read_head(connection)
        method, target, _ = head.split(b" ", 2)
        log.append(target.decode())
        if method != b"CONNECT" or not allow:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", int(target.rsplit(b":", 1)[1]))) as backend:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(connection, backend)

    return Server(serve)


def read_head(connection):
    """One request's head; what follows it stays unread."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return head
        head += byte
    return head


def read_request(connection):
    """(head, body) of one request with a Content-Length."""
    head = read_head(connection)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = bytearray()
    while len(body) < length and (data := connection.recv(min(65536, length - len(body)))):
        body += data
    return head, bytes(body)


class Relay:
    """`kvscope run --upstream` around a command that waits: the relay's address is for the test to use."""

    def __init__(self, t, url, *options, ca=None, env=None):
        import lib  # the caller's
        self.trace = t.path("trace.jsonl")
        self.err_path = t.path("stderr")
        options = [*options, *(["--cacert", str(ca)] if ca else [])]
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                [lib.KVSCOPE, "run", "-o", str(self.trace), "--upstream", url, *options, "--", "sh", "-c",
                 'echo "$ANTHROPIC_BASE_URL"; exec cat >/dev/null'],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, env=env, start_new_session=True)
        t.processes.append(self.process)
        self.url = self.process.stdout.readline().strip()
        _, _, address, self.token = self.url.split("/")
        self.port = int(address.split(":")[1])
        self.status = None

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def pids(self):
        """Of kvscope and of its relay."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], text=True, capture_output=True, check=False)
        names = {int(pid): open(f"/proc/{pid}/comm", encoding="utf-8").read().strip() for pid in children.stdout.split()}
        return self.process.pid, next((pid for pid, name in names.items() if name == "kvscope-relay"), None)

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            self.process.stdin.close()
            self.status = self.process.wait(30)
            self.process.stdout.close()
