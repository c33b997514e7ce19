#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends one sequence of requests to a real engine and to its profile of the mock, and compares the cached counts.

    tests/engines/counts.py [--record] [ENGINE...]

It starts both, each engine by tests/engines/serve.sh, once for each of its settings below: slots, sizes of caches,
several conversations at once, until something has to be dropped. Engines that are not installed are skipped aloud. A
count that differs is named, and the exit status is 1. --record asks the real engines alone and writes what they told to
tests/engines/counts.json, with which tests/e2e/t366_mock_counts.py compares the mock where no engine is installed.
Ollama tells no client what it reused: of it the log of the llama.cpp inside is read, and of its mock the mock's log.

The counts are comparable because the texts are made of words that are one token each for both tokenizers, and what a
template puts around a message is made up for by words that only the mock gets. One token is left: the real prompt for an
answer is one longer at its very end, which only shows where all of a prompt but its last token is found.
"""
import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zlib

RECORD = pathlib.Path(__file__).with_name("counts.json")
ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("KVSCOPE_ENGINES") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kvscope-engines")
KVSCOPE = pathlib.Path(os.environ.get("B", ROOT / "build")) / "kvscope"
PROGRAM = {"llama.cpp": "llama.cpp/bin/llama-server", "vllm": "vllm/bin/vllm", "mlx-lm": "mlx/bin/mlx_lm.server",
           "ollama": "ollama/bin/ollama"}
WORDS = ("time year people way day man thing life child world school state family group hand part place case week system "
         "question work number night point home water room mother area money story fact month study book word business "
         "side kind head house service friend father power hour game line end member law car city name team minute idea "
         "body back parent face level office door health person art war history party result change morning reason").split()
# What the chat template of the real engines puts behind a message: <|im_end|>, newline, <|im_start|>, the next role
# ("assistant" is two tokens), newline. What the mock has there: end, role, block.
BEHIND, BEHIND_MOCK, HEAD_MOCK = {"user": 6, "assistant": 5}, 3, 2
# Bytes of a token in the key-value cache of the models that serve.sh starts.
TOKEN_BYTES = {"llama.cpp": 30 * 2 * 3 * 64 * 2, "mlx-lm": 1 * 2 * 3 * 64 * 4}
TOKEN_BYTES["ollama"] = TOKEN_BYTES["llama.cpp"]
# What llama.cpp logs once it has found the prefix.
CACHED = re.compile(r"cached n_tokens = (\d+)")


def words(seed, n):
    return " ".join(WORDS[zlib.crc32(f"{seed} {i}".encode()) % len(WORDS)] for i in range(n))


def user(text):
    return {"role": "user", "content": text}


def talk(name, turns, size=90):
    """A conversation of that many questions, which one of fewer begins."""
    out = []
    for i in range(turns):
        out.append(user(words(f"{name}{i}", size)))
        out.append({"role": "assistant", "content": words(f"answer {name}{i}", 20)})
    return out[:-1]


def listed(generator):
    return lambda *args: list(generator(*args))


@listed
def small():
    """What a client's session looks like: repeats, growth, a change in the middle, side requests, two at once."""
    first = words("first", 240)
    yield "a new prompt", [user(first)]
    yield "the same again", [user(first)]
    yield "it goes on", [user(first), {"role": "assistant", "content": words("said", 30)}, user(words("more", 40))]
    yield "it parts in its middle", [user(" ".join(first.split()[:120]) + " " + words("apart", 90))]
    yield "it parts near its end", [user(" ".join(first.split()[:220]) + " " + words("tail", 40))]
    yield "it parts at its beginning", [user(" ".join(first.split()[:12]) + " " + words("head", 180))]
    yield "a short side request", [user(words("title", 30))]
    yield "the first again", [user(first)]
    for turns in range(1, 4):
        for name in ("red", "blue"):
            yield f"{name}, turn {turns}", talk(name, turns)


@listed
def crowd(n, size):
    """More conversations than fit: each once, then again from the last to the first, then one that goes on."""
    for i in range(n):
        yield f"{i} of {n}", talk(f"crowd{i}", 1, size)
    for i in reversed(range(n)):
        yield f"{i} again", talk(f"crowd{i}", 1, size)
    yield "0 goes on", talk("crowd0", 2, size)
    yield f"{n - 1} goes on", talk(f"crowd{n - 1}", 2, size)


# Of each engine: its arguments, the flags of the mock, the requests.
SETTINGS = {
    "llama.cpp": [
        (["-np", "1", "--cache-ram", "0"], ["parallel=1", "cache-ram=0"], [small(), crowd(3, 120)]),
        (["-np", "2", "--cache-ram", "0"], ["parallel=2", "cache-ram=0"], [small(), crowd(4, 120)]),
        (["-np", "1", "--cache-ram", "16"], ["parallel=1", "cache-ram=16"], [small(), crowd(6, 150)]),
        (["-np", "4", "-kvu", "--cache-ram", "16"], ["cache-ram=16"], [small(), crowd(6, 150)]),
        (["-np", "2", "--cache-ram", "0", "-sps", "0.6"], ["parallel=2", "cache-ram=0", "slot-prompt-similarity=0.6"],
         [small()]),
    ],
    "mlx-lm": [
        ([], [], [small(), crowd(12, 100)]),
        (["--prompt-cache-size", "3"], ["prompt-cache-size=3"], [small(), crowd(5, 100)]),
        (["--prompt-cache-bytes", "1000000"], ["prompt-cache-bytes=1000000"], [crowd(8, 300)]),
    ],
    "vllm": [
        (["--block-size", "32", "--num-gpu-blocks-override", "40", "--max-model-len", "1200"],
         ["block-size=32", "num-gpu-blocks-override=40", "max-model-len=1200"], [small(), crowd(6, 350)]),
    ],
}
SETTINGS["ollama"] = [
    ([], [], [small(), crowd(4, 120)]),
    (["LLAMA_ARG_CACHE_RAM=0"], ["LLAMA_ARG_CACHE_RAM=0"], [small(), crowd(3, 120)]),
    (["LLAMA_ARG_CACHE_RAM=0", "OLLAMA_NUM_PARALLEL=2"], ["LLAMA_ARG_CACHE_RAM=0", "OLLAMA_NUM_PARALLEL=2"], [small()]),
]
MOCK_FLAGS = {"vllm": ["enable-prompt-tokens-details"]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(url, body):
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=900) as response:
        return json.load(response)


def counts(url, model, messages, logged=None):
    """(prompt tokens, cached tokens) of a request for one token. logged: tells the cached tokens of the last request, if the
    answer does not."""
    usage = post(url, {"model": model, "max_tokens": 1, "temperature": 0, "messages": messages})["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return usage["prompt_tokens"], logged() if logged else cached


def padded(messages, head):
    """The messages for the mock: as many tokens, at the same places."""
    out = []
    for i, m in enumerate(messages):
        text = m["content"]
        if i == 0:
            text = " ".join(["pad"] * (head - HEAD_MOCK)) + " " + text
        out.append({**m, "content": text + " pad" * (BEHIND[m["role"]] - BEHIND_MOCK)})
    return out


class Server:
    def __init__(self, command, log):
        self.log = log
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE if log is None else open(log, "w"),
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait(server, url):
    for _ in range(600):
        try:
            with urllib.request.urlopen(url + "/v1/models", timeout=10):
                return True
        except (OSError, urllib.error.URLError):
            if server.process.poll() is not None:
                break
        time.sleep(1)
    print(pathlib.Path(server.log).read_text()[-2000:])
    return False


def equal(real, mock, real_n, mock_n):
    """Told alike; all but the last token is all but the last token."""
    return real == mock or (real == real_n - 1 and mock == mock_n - 1)


def ask_real(engine, arguments, requests, log):
    """What the engine tells: the tokens before the first text, and of each request its tokens and the cached ones."""
    model = "default_model" if engine == "mlx-lm" else "smollm2"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = Server([str(ROOT / "tests/engines/serve.sh"), engine, str(port), *arguments], log)
    try:
        if not wait(server, url):
            return None
        head = counts(url, model, [user(words("measure", 10))])[0] - 10 - BEHIND["user"]
        logged = None
        if engine == "ollama":
            def logged():
                return int(CACHED.findall(pathlib.Path(log).read_text())[-1])
        return {"arguments": arguments, "head": head,
                "counts": [counts(url, model, messages, logged) for _, messages in requests]}
    finally:
        server.stop()


def ask_mock(engine, flags, requests, head):
    """The same of the mock."""
    options = [x for flag in [*flags, *MOCK_FLAGS.get(engine, [])] for x in ("--flag", flag)]
    if engine in TOKEN_BYTES:
        options += ["--cache-token-bytes", str(TOKEN_BYTES[engine])]
    with tempfile.NamedTemporaryFile() as log:
        server = Server([str(KVSCOPE), "mock", "--engine", engine, "--prefill-rate", "0", "--decode-rate", "0", "--log", log.name,
                         *options], None)

        def logged():
            return json.loads(pathlib.Path(log.name).read_text().splitlines()[-1])["cached_tokens"]
        try:
            url = server.process.stdout.readline().split()[2]
            counts(url, "m", padded([user(words("measure", 10))], head))
            return [counts(url, "m", padded(messages, head), logged if engine == "ollama" else None) for _, messages in requests]
        finally:
            server.stop()


def compare(requests, real, mock):
    """Yields (title, equal, what was told)."""
    for (title, _), (real_n, real_cached), (mock_n, mock_cached) in zip(requests, real, mock):
        same = real_n == mock_n + 1 and equal(real_cached, mock_cached, real_n, mock_n)
        yield title, same, f"real {real_cached:>5} of {real_n:<5} mock {mock_cached:>5} of {mock_n}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true")
    parser.add_argument("engines", nargs="*")
    args = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    status = 0
    for engine in args.engines or list(SETTINGS):
        if not (CACHE / PROGRAM[engine]).exists():
            print(f"SKIPPED {engine}: not installed (tests/engines/install.sh)")
            continue
        told = []
        for arguments, flags, sequences in SETTINGS[engine]:
            print(f"== {engine} {' '.join(arguments)}", flush=True)
            requests = [r for sequence in sequences for r in sequence]
            with tempfile.NamedTemporaryFile() as log:
                real = ask_real(engine, arguments, requests, log.name)
            if not real:
                print(f"{engine} did not start")
                status = 1
                continue
            told.append(real)
            if args.record:
                record[engine] = told
                RECORD.write_text(json.dumps(record, separators=(",", ":")).replace('{"arg', '\n{"arg') + "\n")
                continue
            results = list(compare(requests, real["counts"], ask_mock(engine, flags, requests, real["head"])))
            for title, same, what in results:
                print(f"  {'same     ' if same else 'DIFFERENT'} {title:28} {what}")
            print(f"{sum(r[1] for r in results)} of {len(results)} counts the same", flush=True)
            status |= not all(r[1] for r in results)
    return status


if __name__ == "__main__":
    sys.exit(main())
