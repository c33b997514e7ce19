#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replays a session of Claude Code on each installed engine, benchmarks it, and prints the tables of docs/replay.md.

    tests/engines/measure.py [-n REPEATS] [--out FOLDER] [--session TRACE] [--budget SECONDS] [--together] [NAME...]

NAME is llama.cpp, vllm, vllm-strict (vLLM with a template that takes no system message but the first, where a fix is worth
something), mlx-lm or ollama; default all. The session is captured by session.py, or where that cannot be done made up
(tests/e2e/sessions.py). FOLDER (default $B/engines) keeps what kvscope printed, as JSON and text, and the engines' logs.
--together starts them all (default llama.cpp and mlx-lm) and ranks them in one replay of a small session with side requests, alone
and with the last one for the side requests; only what waits for an answer computes, so they do not disturb each other.
A replay that has not ended after the budget (600 s) is interrupted, and the repeats that were done are what is told. Let
nothing else run meanwhile. Exit status 1: an engine did not start, or an arm was rejected.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build")).resolve()
KVSCOPE = BUILD / "kvscope"
STRICT = ["--chat-template", str(HERE / "system-first.jinja")]
# What serve.sh is called with, further options of replay, options of bench (None: none). Sizes fit a model of 135M
# parameters on two cores, of MLX-LM one of its layers.
ENGINES = {
    "llama.cpp": (["llama.cpp"], [], ["--system-tokens", "600", "--query-tokens", "30", "--max-tokens", "4"]),
    "vllm": (["vllm"], [], ["--system-tokens", "2000", "--max-tokens", "8"]),
    "vllm-strict": (["vllm"], ["--engine", "vllm+qwen3"], None),
    "mlx-lm": (["mlx-lm"], [], ["--system-tokens", "3000", "--max-tokens", "2"]),
    "ollama": (["ollama"], [], ["--system-tokens", "600", "--query-tokens", "30", "--max-tokens", "4"]),
}
START_S = 600
BENCH_REPEATS = 3


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(name, log):
    """Yields the URL of a running engine; None if it did not start."""
    port = free_port()
    arguments = ENGINES[name][0]
    more = STRICT if name == "vllm-strict" else []
    url = f"http://127.0.0.1:{port}"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([HERE / "serve.sh", *arguments, str(port), *more], stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    begun = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() - begun < START_S:
            with contextlib.suppress(OSError), urllib.request.urlopen(url + "/v1/models", timeout=5):
                say(f"{name}: started in {time.monotonic() - begun:.0f} s")
                yield url
                return
            time.sleep(0.5)
        say(f"{name} did not start: {log}\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        yield None
    finally:
        # vLLM has processes of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def session(path):
    """Writes the trace to be replayed. Returns what it is, in words."""
    run = subprocess.run([sys.executable, HERE / "session.py", path], stdout=subprocess.PIPE, text=True, check=False)
    if path.exists():
        return run.stdout.strip().splitlines()[-1]
    say(run.stdout.strip())
    return made_up(path)


def made_up(path, small=False):
    """A session of tests/e2e/sessions.py; a small one has a short head, no system turns, and two titles are asked for."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import lib
    import sessions
    t = lib.Test()
    talk = sessions.Conversation(random.Random(1), "engines")
    if small:
        talk.rules = sessions.prose(talk.rng, 150)
        talk.memory = sessions.reminder("# claudeMd\n" + sessions.prose(talk.rng, 20))
        del talk.tools[1:]
    talk.say("Please look around here.")
    bodies = []
    for n in range(4):
        bodies.append(talk.request())
        talk.work()
        if small and n % 2 == 0:
            bodies.append({"model": talk.model, "max_tokens": 32, "stream": True,
                           "system": [{"type": "text", "text": "Write a title. " + sessions.prose(talk.rng, 60)}],
                           "messages": [{"role": "user", "content": sessions.prose(talk.rng, 40)}]})
        if not small:
            left = f"<total_tokens>{190000 - 80 * n} tokens left</total_tokens>"
            talk.messages.append({"role": "system", "content": left})
    run = t.capture([("session", None, body) for body in bodies])
    path.write_bytes(run.trace.read_bytes())
    return f"made up: {len(bodies)} requests of a loop of tools, {'two of them for a title' if small else 'with system turns'}"


def kvscope(command, out, *options, budget=None):
    """Runs it, its output going to the file `out`. Returns its status, and what it printed if that is JSON."""
    begun = time.monotonic()
    with open(out, "w", encoding="utf-8") as f, subprocess.Popen([KVSCOPE, command, *options], stdout=f) as process:
        try:
            status = process.wait(budget)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            status = process.wait()
    say(f"kvscope {command}: status {status} in {time.monotonic() - begun:.0f} s; {out}")
    text = out.read_text(encoding="utf-8")
    return status, json.loads(text) if text.startswith("{") else None


# ---- the tables

def mean(samples, key):
    told = [s[key] for s in samples if s[key] is not None]
    return statistics.fmean(told) if told else None


def seconds(s):
    return "-" if s is None else f"{s * 1e3:.0f} ms" if s < 1 else f"{s:.2f} s" if s < 10 else f"{s:.1f} s" if s < 100 else f"{s:.0f} s"


def count(n):
    return "-" if n is None else f"{n:.0f}"


def ratio(r):
    return f"{r['value']:.2f}x" + (f" ({r['low']:.2f} to {r['high']:.2f})" if r["low"] is not None else "")


def table(result):
    arms = [a for a in ("off", "asis", "fixed") if a in result["arms"]]
    head = ["request", "prompt"]
    for a in arms:
        head.append(a)
        if a != "off":
            head += ["predicted", "cached: measured", "expected"]
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for q in result["requests"]:
        samples = {a: [s for s in q["arms"][a]["samples"] if s["outcome"] == "done"] for a in arms}
        row = [str(q["n"]), count(mean(samples[arms[0]], "prompt"))]
        for a in arms:
            row.append(seconds(mean(samples[a], "ttft_seconds")))
            if a != "off":
                row += [seconds(mean(samples[a], "modelled_seconds")), count(mean(samples[a], "cached")),
                        count(mean(samples[a], "expected_cached"))]
        print("| " + " | ".join(row) + " |")
    print()


def figures(result):
    for c in result["speedups"]:
        words = [f"{c['from']} -> {c['to']}: {ratio(c)}"]
        if c["session"] is not None:
            words.append(f"session {c['session']:.2f}x")
        if c["saved_tokens"] is not None:
            words.append(f"{c['saved_tokens']} tokens fewer prefilled")
        if c["within_noise"]:
            words.append("within the noise")
        print("- " + ", ".join(words))
    noise = result["noise"]
    if noise["n"]:
        print(f"- noise floor: {noise['basis']} {ratio(noise)}, at most {100 * noise['worst']:.1f} % apart")
    p = result["prediction"]
    if p["cached_tokens_error"] is not None and p["seconds_error"] is not None:
        print(f"- predictions of asis: half of the cached tokens within {100 * p['cached_tokens_error']:.1f} %, "
              f"half of the seconds within {100 * p['seconds_error']:.0f} %")
    for a, arm in result["arms"].items():
        v = arm["verification"]
        short = {k: n for k, n in v["short_of_expected"].items() if n and k != "tokens"}
        print(f"- {a}: {v['verdict']}, {v['checked']} answers with counts{', short of expected: ' + str(short) if short else ''}"
              f"{', fixes: ' + ', '.join(arm['fixes']) if arm['fixes'] else ''}")
    print(f"- cold by {', '.join(result['backend'][0]['cold_by'])}; changed: {', '.join(result['changes'])}")
    print()


def measure(name, trace, out, repeats, budget):
    _, replay_options, bench_options = ENGINES[name]
    log = out / f"{name}.log"
    with server(name, log) as url:
        if not url:
            return 1
        bench = out / f"{name}-bench.txt"
        if bench_options:
            kvscope("bench", bench, "-b", url, "-n", str(min(repeats, BENCH_REPEATS)), *bench_options)
        status, result = kvscope("replay", out / f"{name}.json", "--json", "--prefill-only", "--full", "--arms",
                                 "off,asis,fixed,asis2", "-n", str(repeats), "-b", url, *replay_options, trace,
                                 budget=budget)
    if not result:
        return 1
    backend = result["backend"][0]
    print(f"### {backend['engine']}, version {backend['version']}, model {backend['model']}, "
          f"{result['repeats']} repeats in {result['seconds']:.0f} s{', stopped before its end' if result['stopped'] else ''}\n")
    table(result)
    figures(result)
    if bench_options:
        print(f"`kvscope bench {' '.join(bench_options)}`:\n")
        print("".join(f"    {line}\n" if line else "\n" for line in bench.read_text(encoding="utf-8").splitlines()))
    sys.stdout.flush()
    return 1 if status and not result["stopped"] else 0


def rank(names, trace, out, repeats, budget):
    """All engines run at once, one replay."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(server(name, out / f"{name}.log")) for name in names]
        if None in urls:
            return 1
        backends = [word for url in [*urls, "side=" + urls[-1]] for word in ("-b", url)]
        status, result = kvscope("replay", out / "together.json", "--json", "--prefill-only", "--full", "--arms", "off,asis",
                                 "-n", str(repeats), "--html", out / "together.html", *backends, trace, budget=budget)
    if not result:
        return 1
    name_of = dict(zip(urls, names))
    print("| backend | arm | session | times as long | off -> asis | half of the seconds within |\n" + "|---" * 6 + "|")
    best = result["ranking"][0]["session_seconds"]
    for place, one in zip(result["ranking"], [result, *result.get("others", [])]):
        where = place["backend"]
        for url, name in name_of.items():
            where = where.replace(url, name)
        longer = None if place["session_seconds"] is None else place["session_seconds"] / best
        gain = next((c for c in one["speedups"] if c["usable"]), None)
        error = one["prediction"]["seconds_error"]
        print(f"| {where} | {place['arm']} | {seconds(place['session_seconds'])} | {'-' if longer is None else f'{longer:.2f}'} "
              f"| {ratio(gain) if gain else '-'} | {'-' if error is None else f'{100 * error:.0f} %'} |")
    print()
    return 1 if status and not result["stopped"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--repeat", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "engines")
    parser.add_argument("--session", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=600)
    parser.add_argument("--together", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    for name in args.names:
        if name not in ENGINES:
            parser.error(f"there is no engine \"{name}\": {', '.join(ENGINES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    trace = args.session
    if trace:
        words = f"{trace}"
    elif args.together:
        trace = args.out / "small.jsonl"
        words = made_up(trace, small=True)
    else:
        trace = args.out / "session.jsonl"
        trace.unlink(missing_ok=True)
        words = session(trace)
    print(f"Session: {words}. {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the beginning.\n", flush=True)
    if args.together:
        sys.exit(rank(args.names or ["llama.cpp", "mlx-lm"], trace, args.out, args.repeat, args.budget))
    sys.exit(max(measure(name, trace, args.out, args.repeat, args.budget) for name in args.names or ENGINES))


if __name__ == "__main__":
    main()
