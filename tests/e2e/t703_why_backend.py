#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope why --backend: the engine that answers judges, and its template and tokenizer count. Against the mock's profiles,
and a server in Python that lays prompts out in its own way."""
import http.server
import json
import threading

import lib
import sessions

t = lib.Test()
PLANTED = ("git_status_changed", "tools_grown", "messages_changed", "compaction")


def play(url, planted):
    script = t.path("requests.json")
    script.write_text(json.dumps([(s.name, None, body) for s in planted for body in s.bodies]))
    run = t.run(["python3", lib.CLIENTS / "sessions.py", url, script])
    if run.status != 0:
        raise RuntimeError(run.err)
    return run


def why(run, *options):
    return t.command([lib.KVSCOPE, "why", "--json", *options, run.trace])


def verdict(answer):
    return json.loads(answer.out) if answer.status == 0 else {"misses": [], "verdicts": [{"backend": answer.err}]}


planted = [sessions.session(9000 + n, cause) for n, cause in enumerate(PLANTED)]
for engine, how in (("llama.cpp", "/apply-template and /tokenize"), ("vllm", "/tokenize")):
    with t.mock(*lib.FAST, "--engine", engine, "--cache-tokens", "10000000") as mock:
        run = play(mock.url, planted)
        log = mock.bodies()
        answer = why(run, "--backend", mock.url)
    told = verdict(answer)
    name = told["verdicts"][0]["backend"]
    t.ok(name.startswith(engine), f"{engine}: the server says what it is ({name})", answer.err)
    broken = [m for m in told["misses"] if m["broken"]]
    t.equal([m["cause"] for m in broken], list(PLANTED), f"{engine}: what was planted")
    t.ok(told["misses"] and all(m["tokens_basis"] == "counted" for m in told["misses"]), f"{engine}: counted by {how}",
         [m["tokens_basis"] for m in told["misses"]])
    off = [(m["exchange"], m["prompt_tokens"], log[m["exchange"] - 1]["prompt_tokens"]) for m in told["misses"]
           if abs(m["prompt_tokens"] - log[m["exchange"] - 1]["prompt_tokens"]) > 0.02 * m["prompt_tokens"]]
    t.ok(not off, f"{engine}: lengths are the server's own to 2 %", off)
    # A slot of llama.cpp is not taken for a prompt that shares less than a tenth with it.
    off = [(m["exchange"], m["matched_tokens"], log[m["exchange"] - 1]["cached_tokens"]) for m in broken
           if m["matched_tokens"] > 0.1 * m["prompt_tokens"] and not -16 <= m["matched_tokens"] - log[m["exchange"] - 1]["cached_tokens"] <= 96]
    t.ok(not off, f"{engine}: prompts part where its cache says that they do", off)
    t.ok("counted" in answer.err, f"{engine}: it is said what was counted", answer.err)

# A server that has count_tokens alone: lengths are counted.
with t.mock(*lib.FAST, "--engine", "ollama") as mock:
    run = play(mock.url, planted[:1])
    answer = why(run, "--backend", mock.url, "--engine", "llama.cpp@b1")
    t.ok(answer.status == 0 and {m["tokens_basis"] for m in verdict(answer)["misses"]} <= {"reported", "estimated"},
         "a server without any way to count: the counts stay what they were", answer.err)
    t.ok("could not be counted" in answer.err, "and the reason is told", answer.err)
with t.mock(*lib.FAST) as mock:
    run = play(mock.url, planted[:1])
    answer = why(run, "--backend", mock.url, "--engine", "sglang")
    t.equal({m["tokens_basis"] for m in verdict(answer)["misses"]}, {"counted"}, "count_tokens alone: lengths are counted")

# What the template does with system turns is asked, and goes before the tables. Models called qwen3 have one that refuses them,
# by the tables.
turns = sessions.turns_session(9200, sessions.plant_turn, "system_turn_hoisted")
for body in turns.bodies:
    body["model"] = "qwen3-coder"
for engine, treated, fate, due in (("vllm", "keep", "in place", []), ("vllm", "hoist", "hoisted", ["system_turn_hoisted"] * 4),
                                   ("vllm", "refuse", "hoisted", ["system_turn_hoisted"] * 4),
                                   ("llama.cpp", "keep", "in place", []), ("llama.cpp", "refuse", "refused", [])):
    # One that refuses does not take the session: the route that lays prompts out is asked of another server.
    options = (*lib.FAST, "--engine", engine, "--cache-tokens", "10000000", "--model", "qwen3-coder")
    with t.mock(*options, "--system-turns", "hoist" if due else "keep") as played, t.mock(*options, "--system-turns", treated) as mock:
        run = play(played.url, [turns])
        answer = why(run, "--backend", mock.url)
    told = verdict(answer)
    t.equal([m["cause"] for m in told["misses"] if not m["expected"]], due, f"{engine}, a template that would {treated}: {due[:1]}")
    t.ok(f"messages[] are {fate}, tools first" in answer.err, f"{engine}, {treated}: it is said", answer.err)
    t.equal(told["verdicts"][0].get("refused"), 4 if fate == "refused" else 0, f"{engine}, {treated}: prompts that it would refuse")

# And the order of the head.
with t.mock(*lib.FAST, "--engine", "vllm", "--cache-tokens", "10000000", "--head", "system") as mock:
    run = play(mock.url, [sessions.session(9300, "tools_grown")])
    cached = [e["cached_tokens"] for e in mock.bodies()]
    answer = why(run, "--backend", mock.url)
missed = [m for m in verdict(answer)["misses"] if m["broken"]]
t.ok("system first" in answer.err and len(missed) == 1 and missed[0]["cause"] == "tools_grown" and missed[0]["behind"] == [] and
     -16 <= missed[0]["matched_tokens"] - cached[missed[0]["exchange"] - 1] <= 96,
     "the system prompt in front of the tools: it is asked, and what is matched is what was reused", (answer.err, missed, cached))

# A server without any route for it says so in a line, and nothing is sent that it would not answer.
with t.mock(*lib.FAST, "--engine", "mlx-lm") as mlx, t.mock(*lib.FAST) as mock:
    run = play(mock.url, planted[:1])
    answer = why(run, "--backend", mlx.url)
    sent = mlx.bodies()
t.ok(answer.status == 0 and answer.err.count("mlx-lm") == 1 and "no route that lays out or counts" in answer.err and not sent,
     "mlx-lm: counts stay reported, which is said in one line", (answer.err, sent))
t.equal({m["tokens_basis"] for m in verdict(answer)["misses"]}, {"reported"}, "mlx-lm: the counts' label")


class InPlace(http.server.BaseHTTPRequestHandler):
    """A vLLM with a template that takes system turns where they stand: whatever it is sent, they come last."""

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer({"version": "0.30.0"} if self.path == "/version" else
                    {"data": [{"id": "qwen3", "owned_by": "vllm", "max_model_len": 100000}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(self.path)
        text = json.dumps(body.get("tools", []))
        first = body["messages"][0]["content"]
        system = first if isinstance(first, str) else "".join(b["text"] for b in first)
        text += system.split("Agents available now:")[0].rstrip()
        for m in body["messages"][1:]:
            text += json.dumps([m.get("content"), m.get("tool_calls")])
        self.answer({"count": len(text), "tokens": list(text.encode())})

    def log_message(self, *_):
        pass


asked = []
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), InPlace)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
with t.mock(*lib.FAST) as mock:
    run = play(mock.url, [sessions.turns_session(9100, sessions.plant_turn, "system_turn_hoisted")])
by_table = [m["cause"] for m in verdict(why(run, "--engine", "vllm+qwen3"))["misses"] if not m["expected"]]
answer = why(run, "--backend", url, "--check")
t.ok(by_table == ["system_turn_hoisted"] * 4, "by the table alone this vLLM hoists", by_table)
t.ok(answer.status == 0 and not [m for m in verdict(answer)["misses"] if not m["expected"]],
     "its template does not, so there is no miss and --check is content", answer.out[:500] + answer.err)
t.ok("are none" in answer.err and set(asked) == {"/tokenize"}, "which is told; nothing was generated", (answer.err, asked))
server.shutdown()
server.server_close()

answer = why(run, "--backend", url)
t.ok(answer.status == 2 and answer.err.count("\n") == 1, "nobody there: status 2, one line", answer.err)
answer = why(run, "--backend", "ftp://x")
t.ok(answer.status == 2 and answer.err.count("\n") == 1, "no such URL: status 2, one line", answer.err)
t.done()
