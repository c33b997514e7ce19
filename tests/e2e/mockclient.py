# SPDX-License-Identifier: MIT
"""A client of the mock for the t3xx tests: requests, and streams as lists of events."""
import http.client
import json
import socket


def connect(mock, timeout=30):
    host, port = mock.url.removeprefix("http://").split(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def raw(mock, timeout=30):
    """A bare socket."""
    host, port = mock.url.removeprefix("http://").split(":")
    s = socket.create_connection((host, int(port)), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_all(s):
    """What comes until the other side closes."""
    data = b""
    while True:
        got = s.recv(65536)
        if not got:
            return data
        data += got


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        try:
            self.body = response.read()
            self.cut = False
        except http.client.IncompleteRead as e:
            self.body = e.partial
            self.cut = True

    def json(self):
        return json.loads(self.body)

    def events(self):
        """Server-sent events as (name, data); the data of [DONE] stays a string."""
        events = []
        for block in self.body.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = fields["data"]
            events.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
        return events


def request(mock, method, path, body=None, headers=None, connection=None):
    c = connection or connect(mock)
    c.request(method, path, body, headers or {})
    answer = Answer(c.getresponse())
    if not connection:
        c.close()
    return answer


def post(mock, path, body, **kwargs):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(mock, "POST", path, data, {"Content-Type": "application/json", **kwargs.pop("headers", {})}, **kwargs)


def messages(mock, content="hello", **kwargs):
    """POST /v1/messages with one user message, or with a list of messages."""
    connection = kwargs.pop("connection", None)
    body = {"model": "m", "max_tokens": 1000,
            "messages": content if isinstance(content, list) else [{"role": "user", "content": content}], **kwargs}
    return post(mock, "/v1/messages", body, connection=connection)


def metrics(mock):
    lines = request(mock, "GET", "/metrics").body.decode().splitlines()
    return {name.removeprefix("kvscope_mock_"): float(value)
            for name, value in (line.split() for line in lines if not line.startswith("#"))}
