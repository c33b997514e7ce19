#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends the same requests to a real engine and to its profile of the mock, and says where what comes back differs.

    tests/engines/compare.py ENGINE REAL_URL [MOCK_URL] [--model NAME]

Without MOCK_URL it starts the mock itself ($B/kvscope). What is compared is the shape: status, version of HTTP, the
headers that matter, the keys of JSON and the types of their values, the order of the events of a stream, comments in
it, and where usage stands; and, of the cache, which part of a prompt is reused. A mock may leave keys out ("left out"),
it must not invent any, or differ in another way: that is a difference, and the exit status is 1.
"""
import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = ("server", "content-type", "x-powered-by", "connection", "transfer-encoding", "cache-control")
FLAGS = {
    "llama.cpp": ["--flag", "slot-save-path=/tmp", "--flag", "metrics", "--flag", "cache-ram=0", "--parallel", "1"],
    "vllm": ["--flag", "enable-prompt-tokens-details", "--flag", "VLLM_SERVER_DEV_MODE=1"],
    "mlx-lm": [],
    "ollama": [],
}
GETS = {
    "llama.cpp": ["/health", "/v1/health", "/v1/models", "/models", "/props", "/slots", "/metrics", "/nothing"],
    "vllm": ["/health", "/v1/models", "/version", "/load", "/metrics", "/nothing"],
    "mlx-lm": ["/health", "/v1/models", "/nothing"],
    "ollama": ["/", "/v1/models", "/api/version", "/api/tags", "/api/ps", "/nothing"],
}
TOOL = {"name": "get_weather", "description": "Tells the weather.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
WORDS = "The quick brown fox jumps over the lazy dog while the engine counts what it has seen before. "


class Reply:
    def __init__(self, url, method, path, body=None):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=900)
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        self.status = response.status
        self.version = response.version
        self.headers = {k: response.headers[k] for k in HEADERS if response.headers[k]}
        self.body = response.read().decode()
        connection.close()
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None

    def events(self):
        """The stream as (name, data) of each event; comments as ("comment", "")."""
        out = []
        for block in self.body.replace("\r\n", "\n").split("\n\n"):
            name, data = "", []
            for line in block.split("\n"):
                if line.startswith(":"):
                    out.append(("comment", ""))
                elif line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].strip())
            if data:
                text = "\n".join(data)
                out.append((name, text if text == "[DONE]" else json.loads(text)))
        return out


def shape(value):
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if value is None:
        return "null"
    return {bool: "bool", str: "string"}.get(type(value), "number")


def differences(real, mock, where=""):
    """Yields (what, where)."""
    if isinstance(real, dict) and isinstance(mock, dict):
        for key in real.keys() | mock.keys():
            at = f"{where}.{key}" if where else key
            if key not in mock:
                yield "left out", at
            elif key not in real:
                yield "invented", at
            else:
                yield from differences(real[key], mock[key], at)
    elif isinstance(real, list) and isinstance(mock, list):
        if real and mock:
            yield from differences(real[0], mock[0], where + "[]")
    elif real != mock and "null" not in (real, mock):
        yield f"{kind(real)} became {kind(mock)}", where


def kind(s):
    return "object" if isinstance(s, dict) else "list" if isinstance(s, list) else s


def collapse(events):
    """The shapes of a stream's events, runs of one shape once."""
    out = []
    for name, data in events:
        entry = (name, shape(data) if not isinstance(data, str) else data)
        if not out or out[-1] != entry:
            out.append(entry)
    return out


class Comparison:
    def __init__(self, engine, real, mock, model):
        self.engine, self.real, self.mock, self.model = engine, real, mock, model
        self.differ = self.left_out = self.same = 0

    def tell(self, title, found):
        wrong = [f for f in found if f[0] != "left out"]
        missing = [f[1] for f in found if f[0] == "left out"]
        if not found:
            self.same += 1
            print(f"same      {title}")
            return
        if wrong:
            self.differ += 1
            print(f"DIFFERENT {title}")
            for what, where in wrong:
                print(f"            {what}: {where}")
        else:
            self.left_out += 1
            print(f"same      {title}")
        if missing:
            print(f"            left out: {', '.join(sorted(missing)[:12])}{' ...' if len(missing) > 12 else ''}")

    def head(self, real, mock):
        for name in ("status", "version"):
            a, b = getattr(real, name), getattr(mock, name)
            if a != b:
                yield f"{name} {a} became {b}", "response"
        for name in HEADERS:
            a, b = real.headers.get(name), mock.headers.get(name)
            if a != b:
                yield f"{a!r} became {b!r}", f"header {name}"

    def once(self, title, method, path, body=None):
        real, mock = Reply(self.real, method, path, body), Reply(self.mock, method, path, body)
        found = list(self.head(real, mock))
        if body and body.get("stream") and real.status == 200:
            a, b = real.events(), mock.events()
            names = [[n for n, _ in collapse(e)] for e in (a, b)]
            order = [[n for i, n in enumerate(ns) if i == 0 or ns[i - 1] != n] for ns in names]
            if order[0] != order[1]:
                found.append((f"{order[0]} became {order[1]}", "events"))
            for name in dict.fromkeys(names[0]):
                merged = [merge([d for n, d in collapse(e) if n == name]) for e in (a, b)]
                found += [(what, f"{name or 'chunk'}: {where}") for what, where in differences(*merged)]
        elif path == "/metrics" and real.status == 200:
            series = [{line.split("{")[0].split(" ")[0] for line in r.body.splitlines() if not line.startswith("#")}
                      for r in (real, mock)]
            found += [("invented", name) for name in series[1] - series[0]]
        elif (real.json is None) != (mock.json is None):
            found.append((f"{real.body[:60]!r} became {mock.body[:60]!r}", "body"))
        elif real.json is not None:
            found += differences(shape(real.json), shape(mock.json))
        elif real.body != mock.body:
            found.append((f"{real.body[:60]!r} became {mock.body[:60]!r}", "body"))
        self.tell(title, found)
        return real, mock

    # ---- the cache

    def reused(self, url, text, **more):
        """(prompt tokens, cached tokens) of one chat request; None: not told."""
        body = {"model": self.model, "max_tokens": 1, "messages": [{"role": "user", "content": text}], **more}
        usage = Reply(url, "POST", "/v1/chat/completions", body).json["usage"]
        return usage["prompt_tokens"], (usage.get("prompt_tokens_details") or {}).get("cached_tokens")

    def cache(self, title, text, **more):
        found, words = [], []
        for url in (self.real, self.mock):
            n, cached = self.reused(url, text, **more)
            if cached is None:
                part = "not told"
            elif cached == 0:
                part = "nothing"
            elif cached == n - 1:
                part = "all but the last token"
            elif cached == n:
                part = "all"
            elif cached == (n - 1) // 16 * 16:
                part = "all whole blocks of 16"
            else:
                part = f"a part{', a multiple of 16' if cached % 16 == 0 and self.engine == 'vllm' else ''}"
            words.append(part)
            print(f"          {'real' if url == self.real else 'mock'}: {cached} of {n} cached: {part}")
        if words[0] != words[1]:
            found.append((f"{words[0]} became {words[1]}", "reuse"))
        self.tell(title, found)


def merge(shapes):
    """All keys that any of these shapes has."""
    out = {}
    for s in shapes:
        if not isinstance(s, dict):
            return s
        for key, value in s.items():
            if isinstance(value, dict) and isinstance(out.get(key), dict):
                out[key] = merge([out[key], value])
            elif isinstance(value, list) and value and isinstance(out.get(key), list) and out[key]:
                out[key] = [merge([out[key][0], value[0]])]
            elif out.get(key) in (None, "null", []):
                out[key] = value
    return out


def requests(c):
    user = [{"role": "user", "content": "What is the capital of France?"}]
    chat = {"model": c.model, "max_tokens": 4, "messages": user}
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    for path in GETS[c.engine]:
        c.once(f"GET {path}", "GET", path)
    c.once("chat", "POST", "/v1/chat/completions", chat)
    c.once("chat, streamed", "POST", "/v1/chat/completions", {**chat, "stream": True})
    c.once("chat, streamed with usage", "POST", "/v1/chat/completions", {**chat, **usage})
    c.once("chat without messages", "POST", "/v1/chat/completions", {"model": c.model})
    if c.engine == "mlx-lm":
        c.once("messages", "POST", "/v1/messages", chat)
        return
    c.once("messages", "POST", "/v1/messages", chat)
    c.once("messages, streamed", "POST", "/v1/messages", {**chat, "stream": True})
    c.once("messages, streamed, with tools and a system prompt", "POST", "/v1/messages",
           {**chat, "stream": True, "tools": [TOOL], "system": [{"type": "text", "text": "Be short."}]})
    c.once("count_tokens", "POST", "/v1/messages/count_tokens", {"model": c.model, "messages": user})
    c.once("messages without messages", "POST", "/v1/messages", {"model": c.model, "max_tokens": 4})
    if c.engine == "ollama":
        c.once("unload", "POST", "/api/generate", {"model": c.model, "keep_alive": 0})
    elif c.engine == "vllm":
        c.once("tokenize", "POST", "/tokenize", {"model": c.model, "prompt": "Hello world"})
        c.once("tokenize of a chat", "POST", "/tokenize", {"model": c.model, "messages": user})
        c.once("reset", "POST", "/reset_prefix_cache")
    else:
        c.once("tokenize", "POST", "/tokenize", {"content": "Hello world"})
        c.once("apply-template", "POST", "/apply-template", {"messages": user})
        c.once("input_tokens", "POST", "/v1/chat/completions/input_tokens", chat)
        c.once("erase", "POST", "/slots/0?action=erase", {})
        c.once("erase a slot that is not there", "POST", "/slots/9?action=erase", {})


def cache(c):
    first, other = "First of all. " + WORDS * 20, "Something else. " + WORDS * 20
    c.cache("a prompt that is new", first)
    c.cache("the same again", first)
    c.cache("longer by a sentence", first + WORDS)
    c.cache("parts in its middle", "First of all. " + WORDS * 10 + "But then. " + WORDS * 10)
    c.cache("another one", other)
    c.cache("the first one after another", first)
    if c.engine == "vllm":
        c.cache("with a salt", first, cache_salt="salt")
        c.once("reset", "POST", "/reset_prefix_cache")
        c.cache("after a reset", first)
    if c.engine == "llama.cpp":
        c.cache("without the cache", first, cache_prompt=False)
        c.cache("the same again", first)
        c.once("erase", "POST", "/slots/0?action=erase", {})
        c.cache("after an erase", first)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=sorted(FLAGS))
    parser.add_argument("real")
    parser.add_argument("mock", nargs="?")
    parser.add_argument("--model", default="default_model")
    args = parser.parse_args()
    process = None
    if not args.mock:
        kvscope = pathlib.Path(os.environ.get("B", ROOT / "build")) / "kvscope"
        process = subprocess.Popen([str(kvscope), "mock", "--engine", args.engine, "--model", args.model,
                                    "--prefill-rate", "0", "--decode-rate", "0", *FLAGS[args.engine]],
                                   stdout=subprocess.PIPE, text=True)
        args.mock = process.stdout.readline().split()[2]
    try:
        c = Comparison(args.engine, args.real, args.mock, args.model)
        requests(c)
        cache(c)
    finally:
        if process:
            process.terminate()
            process.wait()
    print(f"{c.same + c.left_out} of {c.same + c.left_out + c.differ} same, {c.left_out} of them with keys left out")
    return 1 if c.differ else 0


if __name__ == "__main__":
    sys.exit(main())
