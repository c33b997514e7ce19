# SPDX-License-Identifier: MIT
"""A backend in Python for what the mock does not do: a cache of its own that can lose things by order of the test.

Prompts are lists of words, in the order tools, system, messages. A test gives the number of slots, whether a slot's state
can be cut back to a shorter prefix, and how the prompt is counted; between requests it may empty or break the server.
"""
import http.server
import json
import re
import threading

WORD = re.compile(r"\w+|[^\w\s]")


def is_result(block):
    return isinstance(block, dict) and block["type"] == "tool_result"


def words(body, text_first=False, tools_inside=False):
    """text_first: a turn's texts go in front of its tool results. tools_inside: tools go before the user's last question."""
    tools = [json.dumps(tool) for tool in body.get("tools", [])]
    text = [] if tools_inside else tools
    text = text + [block["text"] for block in body.get("system", [])]
    asked = [n for n, m in enumerate(body["messages"]) if m["role"] == "user" and
             not all(is_result(block) for block in ([m["content"]] if isinstance(m["content"], str) else m["content"]))]
    for n, message in enumerate(body["messages"]):
        content = message["content"]
        content = [content] if isinstance(content, str) else content
        if text_first and message["role"] == "user":
            content = sorted(content, key=is_result)
        if tools_inside and n == asked[-1]:
            text += tools
        for block in content:
            if isinstance(block, dict):
                block = json.dumps({k: v for k, v in block.items() if k != "cache_control"})
            text.append(f"{message['role']} {block}")
    return WORD.findall(" ".join(text))


def common(a, b):
    n = 0
    for x, y in zip(a, b):
        if x != y:
            break
        n += 1
    return n


class Backend:
    def __init__(self, slots=1, trimmable=True, window=None, server="llama.cpp", effort_in_prompt=False, **layout):
        self.slots, self.trimmable, self.window = slots, trimmable, window
        self.effort_in_prompt = effort_in_prompt
        self.layout = layout
        self.kept = []  # newest last
        self.status = 200
        self.cached = []  # of each request that was answered
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def version_string(self):
                return server

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = backend.answer(body)
                data = json.dumps(answer).encode()
                self.send_response(backend.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def look_up(self, prompt):
        """How much of the prompt is kept; the slot is taken over."""
        best = max(self.kept, key=lambda kept: common(kept, prompt), default=[])
        n = common(best, prompt)
        if not self.trimmable and n < len(best):
            n = 0
        if best and (n > len(best) // 10 or len(self.kept) >= self.slots):
            self.kept.remove(best if n > len(best) // 10 else self.kept[0])
        return min(n, len(prompt) - 1)

    def answer(self, body):
        if self.status != 200:
            return {"type": "error", "error": {"type": "overloaded_error", "message": "Loading model"}}
        prompt = words(body, **self.layout)
        if self.effort_in_prompt:
            prompt = [f"effort {body.get('output_config')}", *prompt]
        if self.window and len(prompt) > self.window:
            prompt = prompt[:200] + prompt[200 - self.window:]
        cached = self.look_up(prompt)
        # What is generated is never sent back in just these tokens: the slot's state goes beyond the prompt.
        self.kept.append(prompt + ["<generated>"])
        self.kept = self.kept[-self.slots:]
        self.cached.append(cached)
        usage = {"input_tokens": len(prompt) - cached, "cache_read_input_tokens": cached, "output_tokens": 3}
        if self.window:
            usage = {"input_tokens": len(prompt), "output_tokens": 3}
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "I see."}], "usage": usage}
