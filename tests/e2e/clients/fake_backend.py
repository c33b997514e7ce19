#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A language-model server that misbehaves as a test wants, for `kvscope replay` and its likes.

    fake_backend.py BEHAVIOUR.json

answers on a free port of 127.0.0.1, which it prints. The behaviour is read again for each request:

    cached       cached tokens that are reported, "absent" for none, "nothing": nor any other count; or "prefix": what a cache that holds would find
    prompt       prompt tokens that are reported
    status, body, headers   of the answer, in place of a good one; `times`: only so often
    cut          the stream breaks off after its first delta
    only_chat    there is no /v1/messages
    delay        seconds before the first token
"""
import base64
import http.server
import json
import sys
import threading
import time

lock = threading.Lock()
seen = []  # bodies, as text
refused = 0
auth = ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body, headers=()):
        data = body.encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/v1/models":
            self.say(200, json.dumps({"data": [{"id": "fake", "owned_by": "kvscope"}]}))
        elif self.path == "/auth":
            self.say(200, json.dumps(auth))
        elif self.path == "/seen":
            self.say(200, json.dumps(seen))
        else:
            self.say(404, "{}")

    def do_POST(self):
        global auth, refused
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(sys.argv[1], encoding="utf-8") as f:
            how = json.load(f)
        if self.path == "/reset_prefix_cache":
            self.say(200, "{}")
            return
        chat = self.path.endswith("/chat/completions")
        small = len(text) < 4500  # probes
        if how.get("only_chat") and not chat:
            self.say(404, '{"detail":"Not Found"}')
            return
        with lock:
            auth = " ".join(v for v in (self.headers.get("x-api-key"), self.headers.get("Authorization")) if v)
            seen.append(text)
            refuse = not small and "status" in how and refused < how.get("times", 1 << 30)
            refused += refuse
        if refuse:
            key = self.headers.get("x-api-key", "") or self.headers.get("Authorization", "")
            if key.startswith("Basic "):
                key += " " + base64.b64decode(key[6:]).decode()
            self.say(how["status"], how.get("body", "{}").replace("KEY", key), how.get("headers", {}).items())
            return
        time.sleep(how.get("delay", 0))
        self.stream(chat, how, small)

    def stream(self, chat, how, small):
        cached, prompt = how.get("cached", 0), how.get("prompt", 5000)
        if small:
            prompt = 700
            cached = min(cached, 0) if isinstance(cached, int) else cached
        if cached == "nothing":
            usage = {}
        elif cached == "absent":
            usage = {"input_tokens": prompt}
        else:
            usage = {"input_tokens": prompt - cached, "cache_read_input_tokens": cached}
        if chat:
            head = [("", {"choices": [{"delta": {"content": "a"}}]})]
            tail = [("", {"choices": [{"delta": {}, "finish_reason": "length"}]}),
                    ("", {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": 1,
                                                   "prompt_tokens_details": {"cached_tokens": cached}}})]
        else:
            head = [("message_start", {"type": "message_start", "message": {"usage": usage}}),
                    ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})]
            tail = [("message_delta", {"delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 1}}),
                    ("message_stop", {"type": "message_stop"})]
        events = head if how.get("cut") and not small else head + tail
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for name, data in events:
                line = f"event: {name}\n" if name else ""
                self.wfile.write(f"{line}data: {json.dumps(data)}\n\n".encode())
        except BrokenPipeError:
            pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
