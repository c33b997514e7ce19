#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the caches of the engines that the mock imitates have for limits, and that each can be set."""
import time

import lib
from mockclient import messages, post, request

t = lib.Test()
LONG = "Tell me about the river, its fish, its bridges and the people who live on its banks. " * 60


def ask(mock, text, **more):
    """(prompt tokens, cached tokens) of a chat, as the log has them."""
    turns = text if isinstance(text, list) else [{"role": "user", "content": text}]
    answer = post(mock, "/v1/chat/completions", {"model": "m", "max_tokens": 2, "messages": turns, **more})
    if answer.status != 200:
        return answer.status, answer.json()
    entry = mock.bodies()[-1]
    return entry["prompt_tokens"], entry["cached_tokens"]


def other(name):
    return f"{name} is another story altogether. " + LONG


def reused(mock, *names):
    """Which of these are found, asked one after the other."""
    return [ask(mock, other(name))[1] > 500 for name in names]


def engine(name, *flags, options=()):
    return t.mock(*lib.FAST, "--engine", name, *(x for flag in flags for x in ("--flag", flag)), *options)


def turns(n):
    out = []
    for i in range(n):
        out += [{"role": "user", "content": f"question {i} " + LONG[:400]}, {"role": "assistant", "content": f"answer {i}"}]
    return out[:-1]


# ---- llama.cpp
with engine("llama.cpp", "parallel=2", "cache-ram=0", "slot-prompt-similarity=0.9") as mock:
    ask(mock, LONG)
    n, half = ask(mock, LONG[:len(LONG) // 2] + other("x"))
    again = ask(mock, LONG)
    t.ok(half == 0 and again[1] == again[0] - 1, "llama.cpp: slot-prompt-similarity: what is less alike takes another slot",
         (half, again))
# A prompt is about 160 MiB, and room for one is made before another is fetched: 400 hold two.
with engine("llama.cpp", "parallel=1", "cache-ram=400", options=("--cache-token-bytes", "131072")) as mock:
    n, _ = ask(mock, other("a"))
    reused(mock, "b", "c")
    t.equal((1000 < n < 2400, reused(mock, "b", "a")), (True, [True, False]), "llama.cpp: cache-ram: the oldest goes, what is kept comes back")
with engine("llama.cpp", "parallel=1", "cache-ram=100") as mock:
    reused(mock, "a", "b")
    t.equal(reused(mock, "a"), [False], "llama.cpp: cache-ram: what is larger than all of it is not kept")
with engine("llama.cpp", "cache-ram=100") as mock:
    reused(mock, "a", "b")
    t.equal(reused(mock, "a"), [False], "llama.cpp: idle slots are emptied where all share one memory")
for flags in (("cache-ram=100", "parallel=4"), ("cache-ram=0",)):
    with engine("llama.cpp", *flags) as mock:
        reused(mock, "a", "b")
        t.equal(reused(mock, "a"), [True], f"... not with {', '.join(flags)}")
with engine("llama.cpp", "parallel=1", "ctx-size=200") as mock:
    n = post(mock, "/tokenize", {"content": LONG}).json()
    status, error = ask(mock, LONG)
    t.ok(status == 400 and error["error"]["type"] == "exceed_context_size_error" and error["error"]["n_ctx"] == 200
         and error["error"]["n_prompt_tokens"] > 1000, "llama.cpp: ctx-size: a longer prompt is refused", error)
    t.equal((request(mock, "GET", "/props").json()["default_generation_settings"]["n_ctx"], ask(mock, "short")[1]), (200, 0),
            "... and told, and a short one is not refused")
with engine("llama.cpp", "parallel=1", "cache-ram=0", options=("--cache-whole",)) as mock:
    grown = turns(1)
    ask(mock, grown)
    t.equal(ask(mock, LONG)[1], 0, "a state that cannot be shortened: a prompt that parts finds nothing")
    said = post(mock, "/v1/chat/completions", {"model": "m", "max_tokens": 2, "messages": grown}).json()
    text = said["choices"][0]["message"]["content"]
    n, hit = ask(mock, [*grown, {"role": "assistant", "content": text}, {"role": "user", "content": "and then"}])
    t.ok(n * 0.5 < hit < n, "... one that goes on finds all", (n, hit))
    t.equal(ask(mock, grown)[1], 0, "... and the same prompt again nothing")

# ---- vLLM
with engine("vllm", "enable-prompt-tokens-details", "num-gpu-blocks-override=21", "block-size=8", "max-model-len=400") as mock:
    n, _ = ask(mock, LONG[:400])
    t.equal((ask(mock, LONG[:400])[1] % 8, ask(mock, LONG[:400])[1]), (0, (n - 1) // 8 * 8), "vllm: block-size")
    ask(mock, "x" + LONG[:400])
    last = ask(mock, LONG[:400])[1]
    t.ok(0 < last < (n - 1) // 8 * 8, "vllm: num-gpu-blocks-override: the end of the older prompt goes first", (n, last))
    status, error = ask(mock, LONG)
    t.ok(status == 400 and "400 tokens" in error["error"]["message"], "vllm: max-model-len: a longer prompt is refused", error)

# ---- MLX-LM
with engine("mlx-lm", "prompt-cache-size=2") as mock:
    reused(mock, "a", "b", "c")
    t.equal(reused(mock, "c", "b", "a"), [True, True, False], "mlx-lm: prompt-cache-size: the oldest goes")
with engine("mlx-lm", "prompt-cache-bytes=3000000", options=("--cache-token-bytes", "1000")) as mock:
    n, _ = ask(mock, other("a"))
    reused(mock, "b", "c")
    t.equal((1000 < n < 1500, reused(mock, "c"), reused(mock, "a")), (True, [True], [False]), "mlx-lm: prompt-cache-bytes")
with engine("mlx-lm", options=("--cache-whole",)) as mock:
    system = [{"role": "system", "content": LONG}]
    n, _ = ask(mock, [*system, *turns(1)])
    n, hit = ask(mock, [*system, {"role": "user", "content": "something else"}])
    t.ok(0.9 * n < hit < n, "mlx-lm: the system prompt is kept by itself", (n, hit))
    n, hit = ask(mock, [*system, *turns(1)])
    t.ok(hit < 0.95 * n, "... and the same prompt again finds no more", (n, hit))
    t.equal(ask(mock, [{"role": "system", "content": LONG[:1000]}, *turns(1)])[1], 0, "... of which no part is found")

# ---- SGLang
with engine("sglang", "page-size=8", "max-total-tokens=300", "context-length=400", "enable-cache-report") as mock:
    a, b = LONG[:600], "x" + LONG[:600]
    n, _ = ask(mock, a)
    t.equal(ask(mock, a)[1], (n - 1) // 8 * 8, "sglang: page-size")
    t.equal((200 > n > 100, ask(mock, b)[1] < 16, ask(mock, b)[1] > 100, ask(mock, "y" + a)[1] < 16, ask(mock, a)[1] < 16), (True,) * 5,
            "sglang: max-total-tokens: the longest unused goes whole")
    status, error = ask(mock, LONG)
    t.ok(status == 400 and "400 tokens" in error["message"], "sglang: context-length: a longer prompt is refused", error)

# ---- Ollama, LM Studio, OpenAI: time, and a context that drops what is old
for name, flags in (("ollama", ("OLLAMA_KEEP_ALIVE=0.3s",)), ("lmstudio", ("ttl=0.3",)), ("openai", ())):
    with engine(name, *flags, options=() if flags else ("--cache-ttl", "0.3")) as mock:
        ask(mock, LONG)
        time.sleep(0.4)
        t.equal(ask(mock, LONG)[1], 0, f"{name}: what is not used for its time is forgotten")
    with engine(name, *{"ollama": ["OLLAMA_KEEP_ALIVE=-1"], "lmstudio": ["ttl=1h"]}.get(name, [])) as mock:
        ask(mock, LONG)
        t.ok(ask(mock, LONG)[1] > 500, "... and is there before")
with engine("openai") as mock:
    t.equal([ask(mock, LONG[:2000])[1] + ask(mock, LONG[:2000])[1], ask(mock, LONG)[1] * 0 + ask(mock, LONG)[1] % 128], [0, 0],
            "openai: nothing below 1024 tokens, then by 128")
with engine("ollama", "OLLAMA_CONTEXT_LENGTH=300") as mock:
    sizes = [ask(mock, [{"role": "system", "content": "Be brief."}, *turns(k)])[0] for k in range(1, 6)]
    t.ok(sizes[0] < sizes[1] and all(s <= 300 for s in sizes) and sizes[3] == sizes[4],
         "ollama: OLLAMA_CONTEXT_LENGTH: the oldest messages are left out", sizes)
    hits = [e["cached_tokens"] for e in mock.bodies()]
    t.ok(hits[1] > 50 and hits[4] < 20, "... and the prefix with them", hits)
    t.equal(ask(mock, LONG)[0], 300 - (300 - 4) // 2, "... never the last one, but its middle, down to half the context")

# ---- wrong values
for name, flag, word in (("llama.cpp", "cache-ram", "wants a value"), ("llama.cpp", "cache-ram=much", "no value for cache-ram"),
                         ("llama.cpp", "slot-prompt-similarity=2", "no value"), ("vllm", "block-size=0", "1 to 4096"),
                         ("llama.cpp", "parallel=0", "1 to 1000"), ("ollama", "OLLAMA_KEEP_ALIVE=5d", "no value"),
                         ("mlx-lm", "prompt-cache-size=1.5", "no value")):
    run = t.command([lib.KVSCOPE, "mock", "--engine", name, "--flag", flag])
    t.ok(run.status == 2 and word in run.err and run.err.count("\n") == 1, f"{name} --flag {flag}: refused in one line", run.err)
t.done()
