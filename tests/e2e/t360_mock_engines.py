#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvscope mock --engine`: one table of what a client must find with each engine, with its flags and without."""
import json
import socket

import lib
from mockclient import connect, messages, post, raw, read_all, request

t = lib.Test()
TEXT = "Tell me about the river, its fish, its bridges and the people who live on its banks. " * 80
SECRET = "the same words with something else behind them. "

# start, end: the members of usage in message_start and message_delta. hidden: the same without the flags.
# policy: what of an equal prompt of n tokens is found the second time. unknown: status and part of the body.
ENGINES = {
    "mock": dict(
        header=None, owner="kvscope", unknown=(404, b"not_found_error"), start={"input", "read", "output"}, end={"output"},
        reuse=lambda n: (n - 1) // 16 * 16, reset="/reset_prefix_cache", id="msg_"),
    "llama.cpp": dict(
        flags=["slot-save-path=/tmp", "metrics", "cache-ram=0", "parallel=1"], header=("server", "llama.cpp"), owner="llamacpp",
        unknown=(404, b'"File Not Found"'), start={"input", "read", "output"}, end={"output"}, reuse=lambda n: n - 1,
        reset="/slots/0?action=erase", reset_without=501, metric="llamacpp:prompt_tokens_cached_total",
        metrics_without=501, get={"/props": "build_info", "/health": "status"}, version="build_info", id="chatcmpl-"),
    "vllm": dict(
        flags=["enable-prompt-tokens-details", "VLLM_SERVER_DEV_MODE=1"], header=("server", "uvicorn"), owner="vllm",
        unknown=(404, b'{"detail":"Not Found"}'), start={"input", "output"}, end={"input", "read", "creation", "output"},
        hidden=({"input", "output"}, {"input", "output"}), reuse=lambda n: (n - 1) // 16 * 16, salt="cache_salt",
        salt_on_messages=True, reset="/reset_prefix_cache", reset_without=404, metric="vllm:prefix_cache_hits_total",
        get={"/version": "version", "/load": "server_load"}, version="version", id="chatcmpl-"),
    "sglang": dict(
        flags=["enable-cache-report", "enable-metrics"], header=("server", "uvicorn"), owner="sglang",
        unknown=(404, b'"Not Found"'), start={"input", "read", "output"}, end={"output"},
        hidden=({"input", "output"}, {"output"}), absent_is_zero=True, reuse=lambda n: n - 1, salt="cache_salt",
        reset="/flush_cache", metric="sglang:cached_tokens_total", get={"/server_info": "version"}, version="version",
        id="msg_"),
    "mlx-lm": dict(
        header=("server", "BaseHTTP"), owner=None, unknown=(404, b"Not Found"), openai=True, reuse=lambda n: n - 1,
        cold="prompt-cache-size=0", get={"/health": "status"}),
    "lmstudio": dict(
        header=("x-powered-by", "Express"), owner="organization_owner",
        unknown=(200, b"Unexpected endpoint or method. (GET /nothing)"), start={"input", "output"}, end={"output"},
        silent=True, reset="/api/v1/models/unload", get={"/api/v1/models": "models", "/api/v0/models": "data"},
        id="msg_"),
    "ollama": dict(
        header=None, owner="library", unknown=(404, b"404 page not found"), start={"input", "output"},
        end={"input", "output"}, silent=True, reset="/api/generate", get={"/api/version": "version", "/api/tags": "models"},
        version="version", id="msg_"),
    "anthropic": dict(
        header=("request-id", "req_"), owner=None, unknown=(404, b"not_found_error"),
        start={"input", "read", "creation", "by_ttl", "output"}, end={"input", "read", "creation", "output"}, reuse=None,
        marked=True, id="msg_"),
    "openai": dict(
        header=("x-request-id", "req_"), owner="system", unknown=(404, b"Invalid URL"), openai=True,
        reuse=lambda n: (n - 1) // 128 * 128),
}
FIELDS = {"input_tokens": "input", "cache_read_input_tokens": "read", "cache_creation_input_tokens": "creation",
          "cache_creation": "by_ttl", "output_tokens": "output"}


def usage_places(answer):
    """The usage members of message_start and of message_delta, by short names."""
    usage = {name: (data.get("message") or data)["usage"] for name, data in answer.events()
             if name in ("message_start", "message_delta")}
    return [{FIELDS[k] for k in usage[name]} for name in ("message_start", "message_delta")]


def chat(mock, content, **more):
    return post(mock, "/v1/chat/completions", {"model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": content}],
                                              **more})


def cached(answer):
    """(prompt, cached); cached None: not told."""
    usage = answer.json()["usage"]
    return usage["prompt_tokens"], (usage.get("prompt_tokens_details") or {}).get("cached_tokens")


def logged(mock):
    entry = mock.bodies()[-1]
    return entry["prompt_tokens"], entry["cached_tokens"]


def flags(names):
    return [word for name in names for word in ("--flag", name)]


for name, e in ENGINES.items():
    said = []

    def wrong(what, got, expected, said=said):
        if got != expected:
            said.append(f"{what}: {got!r:.300}, expected {expected!r:.300}")

    options = [*lib.FAST, "--engine", name, "--model", "m"]
    with t.mock(*options, *flags(e.get("flags", []))) as mock:
        models = request(mock, "GET", "/v1/models")
        wrong("/v1/models", models.json()["data"][0]["id"], "m")
        wrong("owned_by", models.json()["data"][0].get("owned_by"), e["owner"])
        if e["header"]:
            key, value = e["header"]
            wrong(f"header {key}", (models.headers[key] or "").startswith(value), True)
        nothing = request(mock, "GET", "/nothing")
        wrong("an unknown path", (nothing.status, e["unknown"][1] in nothing.body), (e["unknown"][0], True))
        for path, member in e.get("get", {}).items():
            wrong(path, member in request(mock, "GET", path).json(), True)

        # usage of the stream, and its cached counts by the log
        if not e.get("openai"):
            mark = {"cache_control": {"type": "ephemeral"}} if e.get("marked") else {}
            first = messages(mock, TEXT, stream=True, model="m", **mark)
            again = messages(mock, TEXT, stream=True, model="m", **mark)
            expected = [e["start"], e["end"]]
            if e.get("absent_is_zero"):
                wrong("usage of a new prompt", usage_places(first), [e["start"] - {"read"}, e["end"]])
            else:
                wrong("usage of a new prompt", usage_places(first), expected)
            wrong("usage of a known prompt", usage_places(again), expected)
            wrong("id", first.events()[0][1]["message"]["id"].startswith(e["id"]), True)
        else:
            chat(mock, TEXT)
            chat(mock, TEXT)
        n, hit = logged(mock)
        if e.get("reuse"):
            wrong("reuse of an equal prompt", hit, e["reuse"](n))
        wrong("something is reused", hit > 0, True)
        chatted = chat(mock, TEXT)
        if chatted.status == 200:
            wrong("cached_tokens of chat", cached(chatted)[1] is None, bool(e.get("silent")))

        # salts
        if e.get("salt"):
            chat(mock, TEXT, **{e["salt"]: "a"})
            wrong("a salted chat", logged(mock)[1], 0)
            chat(mock, TEXT, **{e["salt"]: "a"})
            wrong("the same salt again", logged(mock)[1] > 0, True)
            messages(mock, TEXT, model="m", **{e["salt"]: "b"})
            wrong("a salted message", logged(mock)[1] == 0, bool(e.get("salt_on_messages")))

        # emptying the cache
        if e.get("reset"):
            body = {"model": "m", "keep_alive": 0, "instance_id": "m"}
            wrong("reset", post(mock, e["reset"], body).status, 200)
            (messages if not e.get("openai") else chat)(mock, TEXT, model="m")
            wrong("reuse after a reset", logged(mock)[1] < n // 2, True)
        if e.get("metric"):
            wrong("metrics", e["metric"].encode() in request(mock, "GET", "/metrics").body, True)

    # without its flags
    if e.get("flags"):
        with t.mock(*options) as mock:
            if e.get("hidden"):
                messages(mock, TEXT, model="m")
                wrong("hidden usage", usage_places(messages(mock, TEXT, stream=True, model="m")), list(e["hidden"]))
            if e.get("reset_without"):
                wrong("reset without its flag", post(mock, e["reset"], {}).status, e["reset_without"])
            if e.get("metrics_without"):
                wrong("metrics without their flag", request(mock, "GET", "/metrics").status, e["metrics_without"])
    if e.get("version"):
        with t.mock(*lib.FAST, "--engine", f"{name}@9.8.7") as mock:
            path = next(p for p, member in e["get"].items() if member == e["version"])
            wrong("another version", request(mock, "GET", path).json()[e["version"]], "9.8.7")
    if e.get("cold"):
        with t.mock(*options, "--flag", e["cold"]) as mock:
            chat(mock, TEXT)
            wrong("without a cache", cached(chat(mock, TEXT))[1], 0)
    t.ok(not said, f"{name}: what a client sees of it", "\n".join(said))

# ---- llama.cpp: slots, the host's cache, the switch of a request, the tokenizer
LLAMA = [*lib.FAST, "--engine", "llama.cpp", "--parallel", "1"]
with t.mock(*LLAMA, "--flag", "cache-ram=0") as mock:
    for text in (TEXT, SECRET * 100, TEXT):
        chat(mock, text)
    t.ok(cached(chat(mock, TEXT))[1] > 500, "llama.cpp: a slot keeps what it computed last")
    t.ok(all(e["cached_tokens"] < 10 for e in mock.bodies()[:3]), "... and loses it to another prompt", mock.bodies()[:3])
    n, hit = cached(chat(mock, TEXT[:len(TEXT) // 2]))
    t.ok(hit > 0.9 * n, "... a prompt that parts in the middle keeps its beginning", (n, hit))
    t.equal(cached(chat(mock, TEXT, cache_prompt=False))[1], 0, "... cache_prompt false: nothing is reused")
    t.equal((request(mock, "GET", "/nothing").headers["connection"], request(mock, "GET", "/health").headers["connection"]),
            ("close", None), "... an error ends the connection")
    t.equal([post(mock, path, {"model": "m"}).status for path in ("/v1/messages", "/v1/chat/completions")], [500, 400],
            "... a message without messages is a server error, a chat without them is not")
with t.mock(*LLAMA) as mock:
    for text in (TEXT, SECRET * 100):
        chat(mock, text)
    t.ok(cached(chat(mock, TEXT))[1] > 500, "llama.cpp: the host's cache brings a prompt back")
with t.mock(*LLAMA) as mock:
    body = {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": TEXT}], "max_tokens": 1}
    n, _ = cached(post(mock, "/v1/chat/completions", body))
    prompt = post(mock, "/apply-template", body).json()["prompt"]
    tokens = post(mock, "/tokenize", {"content": prompt}).json()["tokens"]
    t.equal(len(tokens), n, "llama.cpp: apply-template and tokenize count what usage counts")
    t.equal(post(mock, "/v1/chat/completions/input_tokens", body).json()["input_tokens"], n, "... and so does input_tokens")
    answer = post(mock, "/v1/chat/completions", {**body, "max_tokens": 3}).json()
    t.equal((answer["timings"]["cache_n"] + answer["timings"]["prompt_n"], answer["timings"]["cache_n"]), (n, n - 1),
            "... and so do timings")
    t.equal(post(mock, "/slots/0?action=erase", {}).status, 501, "... erasing wants its flag")
with t.mock(*lib.FAST, "--engine", "llama.cpp", "--parallel", "2", "--flag", "cache-ram=0") as mock:
    for text in (TEXT, SECRET * 100, TEXT):
        chat(mock, text)
    t.ok(mock.bodies()[2]["cached_tokens"] > 500, "llama.cpp: two slots keep two conversations")

# ---- vLLM's tokenizer
with t.mock(*lib.FAST, "--engine", "vllm", "--flag", "enable-prompt-tokens-details") as mock:
    body = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 1}
    n, _ = cached(post(mock, "/v1/chat/completions", body))
    t.equal(post(mock, "/tokenize", body).json()["count"], n, "vllm: /tokenize of a chat counts what usage counts")

# ---- MLX-LM: HTTP/1.0, comments while it prefills, ten sequences, 404 before the body was read
with t.mock("--engine", "mlx-lm", "--prefill-rate", "100000", "--decode-rate", "0") as mock:
    s = raw(mock)
    body = json.dumps({"messages": [{"role": "user", "content": TEXT * 8}], "stream": True, "max_tokens": 2}).encode()
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    got = read_all(s)
    s.close()
    head, _, stream = got.partition(b"\r\n\r\n")
    t.ok(head.startswith(b"HTTP/1.0 200 OK\r\n") and b"chunked" not in head, "mlx-lm: HTTP/1.0, and the end of a stream closes", head)
    n = mock.bodies()[-1]["prompt_tokens"]
    comments = [line.decode() for line in stream.split(b"\n") if line.startswith(b":")]
    t.equal(comments, [f": keepalive {min(i, n)}/{n}" for i in range(2048, n + 2048, 2048)], "... comments tell the progress")
    for i in range(12):
        chat(mock, f"number {i} " + TEXT)
    hits = []
    for i in (11, 2, 0):
        chat(mock, f"number {i} " + TEXT)
        hits.append(mock.bodies()[-1]["cached_tokens"] > 500)
    t.equal(hits, [True, True, False], "... ten sequences are kept")
    s = raw(mock)
    s.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b" " * 1000)
    try:
        got = s.recv(65536)
        answered = got.startswith(b"HTTP/1.0 404 Not Found") and got.endswith(b"Not Found")
        for _ in range(200):
            s.sendall(b" " * 50000)
        ended = False
    except (ConnectionResetError, BrokenPipeError):
        ended = True
    t.ok(answered and ended, "... /v1/messages is answered before its body is read, and then reset", got)
    s.close()

# ---- what is not known
for options, word in ((["--engine", "nobody"], "nobody"), (["--engine", "vllm", "--flag", "slot-save-path"], "slot-save-path"),
                      (["--flag", "metrics"], "metrics")):
    run = t.command([lib.KVSCOPE, "mock", *options])
    t.ok(run.status == 2 and word in run.err and run.err.count("\n") == 1, f"{' '.join(options)}: refused in one line", run.err)

t.done()
