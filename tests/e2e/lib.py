# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: TAP, a scratch folder, the mock, and `kvscope run`.

A test looks like this:

    import lib
    t = lib.Test()
    with t.mock("--prefill-rate", "0") as mock:
        run = t.run(["curl", "-s", mock.url + "/v1/models"])
        t.ok(run.status == 0, "curl ended well")
        t.same_bodies(run, mock)
    t.done()

All that a test starts is ended by done() or when it dies, and the scratch folder goes with it. $B names the build
folder, KEEP=1 keeps the scratch folder.
"""
import atexit
import collections
import difflib
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build")).resolve()
KVSCOPE = str(BUILD / "kvscope")
CLIENTS = ROOT / "tests/e2e/clients"
# A mock that answers as fast as it can.
FAST = ("--prefill-rate", "0", "--decode-rate", "0")


class Mock:
    """`kvscope mock` on a free port of 127.0.0.1."""

    def __init__(self, log, *options, prefix=()):
        self.log_path = log
        self.process = subprocess.Popen(
            [*prefix, KVSCOPE, "mock", "--port", "0", "--log", str(log), *options],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("listening on "):
            self.stop()
            raise RuntimeError(f"the mock did not start: {line!r}")
        self.url = line.split()[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def log(self):
        """The requests it has seen so far, in the order of its log."""
        with open(self.log_path, encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def bodies(self):
        """Of these, the requests to a language model."""
        return [entry for entry in self.log() if entry.get("api")]


class Run:
    """A command that has ended, and its trace if it was wrapped."""

    def __init__(self, process, out, err, trace):
        self.status = process.returncode
        self.out = out
        self.err = err
        self.trace = trace

    def lines(self, kind):
        """The trace's lines of one type."""
        with open(self.trace, encoding="utf-8") as f:
            return [line for line in map(json.loads, f) if line["type"] == kind]

    def exchanges(self):
        return self.lines("exchange")


class Test:
    def __init__(self):
        self.count = self.failed = 0
        self.processes = []
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="kvscope-test-"))
        # Traces without a name go here, and no test prunes a person's own.
        os.environ["XDG_STATE_HOME"] = str(self.scratch / "state")
        atexit.register(self.clean_up)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    # ---- TAP

    def ok(self, condition, name, detail=""):
        self.count += 1
        if condition:
            print(f"ok {self.count} - {name}", flush=True)
        else:
            self.failed += 1
            print(f"not ok {self.count} - {name}", flush=True)
            for line in str(detail).splitlines()[:40]:
                print(f"#   {line}", flush=True)
        return bool(condition)

    def equal(self, got, expected, name):
        return self.ok(got == expected, name, f"got      {got!r:.2000}\nexpected {expected!r:.2000}")

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}", flush=True)

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)

    @staticmethod
    def skip_all(why):
        print(f"1..1\nok 1 - all # SKIP {why}")
        sys.exit(0)

    # ---- processes

    def clean_up(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if os.environ.get("KEEP"):
            print(f"# kept {self.scratch}")
        else:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def path(self, name):
        """A path in the scratch folder that does not exist yet."""
        for n in range(10000):
            path = self.scratch / (f"{n}-{name}")
            if not path.exists():
                return path
        raise RuntimeError("too many files")

    def mock(self, *options, **kwargs):
        mock = Mock(self.path("mock.jsonl"), *options, **kwargs)
        atexit.register(mock.stop)
        return mock

    def command(self, argv, env=None, cwd=None, limit=60, stdin=None):
        """Runs a command in a process group of its own."""
        process = subprocess.Popen([str(a) for a in argv], env=env, cwd=cwd, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                   start_new_session=True)
        self.processes.append(process)
        try:
            out, err = process.communicate(stdin, limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            err += f"\nstopped after {limit} s".encode()
        return Run(process, out.decode(errors="replace"), err.decode(errors="replace"), None)

    def run(self, argv, options=(), prefix=(), **kwargs):
        """Runs a command under `kvscope run`; prefix stands before kvscope itself."""
        trace = self.path("trace.jsonl")
        run = self.command([*prefix, KVSCOPE, "run", "-o", trace, *options, "--", *argv], **kwargs)
        run.trace = trace
        return run

    def capture(self, requests, *options, mock_options=FAST):
        """A wrapped run of clients/sessions.py against a fresh mock; requests: (session, agent, body) of each."""
        script = self.path("requests.json")
        script.write_text(json.dumps(requests), encoding="utf-8")
        with self.mock(*mock_options) as mock:
            run = self.run([sys.executable, CLIENTS / "sessions.py", mock.url, script], options)
        if run.status != 0:
            raise RuntimeError(run.err)
        return run

    # ---- what must hold for every wrapped session

    def same_bodies(self, run, mock, what=""):
        """Every body that the mock logged is in the trace with the same SHA-256, none twice, none missing."""
        sent = collections.Counter(entry["sha256"] for entry in mock.bodies())
        seen = collections.Counter(x["request"]["sha256"] for x in run.exchanges())
        self.ok(sent and sent == seen, label(what, f"{sum(sent.values())} bodies, each captured once, byte for byte"),
                f"missing {dict(sent - seen)}\ntoo many {dict(seen - sent)}\n{run.err}")

    def valid_trace(self, run, what=""):
        """The trace fits its schema and tells of no loss."""
        check = self.command([sys.executable, ROOT / "tests/check_trace.py", run.trace])
        self.ok(check.status == 0, label(what, "the trace is valid"), check.out + check.err)
        lost = [f"{name} {count}" for line in run.lines("loss") for name, count in counts(line) if count]
        self.equal(lost, [], label(what, "nothing was lost"))

    def bare_and_wrapped(self, what, argv, options=(), mock_options=FAST, ordered=True, **kwargs):
        """Runs argv(url) bare and under kvscope, each against a fresh mock, and checks that only the trace tells them
        apart. ordered: the client sends one request after the other. Returns the wrapped run, with its mock's bodies."""
        with self.mock(*mock_options) as mock:
            bare = self.command(argv(mock.url), **kwargs)
            bare_log = [shape(entry, ordered) for entry in mock.log()]
        with self.mock(*mock_options) as mock:
            run = self.run(argv(mock.url), options, **kwargs)
            run.bodies = mock.bodies()
            log = [shape(entry, ordered) for entry in mock.log()]
            if not ordered:
                log.sort()
                bare_log.sort()
            self.ok((run.status, run.out) == (bare.status, bare.out) and bare.status == 0,
                    label(what, "output and status are those of the bare run"),
                    f"bare    {bare.status} {bare.out}\n{bare.err}\nwrapped {run.status} {run.out}\n{run.err}")
            self.ok(log and log == bare_log, label(what, f"the mock's log is that of the bare run ({len(log)} requests)"),
                    "\n".join(difflib.unified_diff([str(e) for e in bare_log], [str(e) for e in log], "bare", "wrapped",
                                                   lineterm="")))
            self.same_bodies(run, mock, what)
        self.valid_trace(run, what)
        return run


def one_line(run):
    """One message of ours on stderr, of one line."""
    return run.err.startswith("kvscope: ") and run.err.count("\n") == 1 and run.err.endswith("\n")


def refused(run, *parts):
    """Status 2, no data, and one line that says why, with all parts in it."""
    return run.status == 2 and not run.out and one_line(run) and all(part in run.err for part in parts)


def counts(loss, path=""):
    """Yields the counters of a loss line by name, less the one that counts no loss."""
    for name, value in loss.items():
        if isinstance(value, dict):
            yield from counts(value, f"{path}{name}.")
        elif isinstance(value, int) and name != "processes":
            yield path + name, value


def label(what, text):
    return f"{what}: {text}" if what else text


def shape(entry, ordered):
    """What must not change when a client is wrapped: all but times, the session's random name and, when requests run
    in parallel, what their order decides."""
    random = {"times_ns", "session"} | (set() if ordered else {"n", "connection", "cached_tokens", "new_tokens"})
    return sorted((k, str(v)) for k, v in entry.items() if k not in random)


OURS = "request_start", "request_end", "first_byte", "headers", "message_start", "first_content", "end"
# What was sent was sent before it was received: our stamp and the mock's, on one clock, in the order they must have.
# The name of a tool is content for us, but not for the mock: hence its message_start before our first_content.
CROSSED = (("ours", "request_start", "head_complete"), ("ours", "request_start", "body_complete"),
           ("mock", "first_byte", "first_byte"), ("mock", "message_start", "message_start"),
           ("mock", "message_start", "first_content"), ("mock", "end", "end"))


def stamp_orders(run, mock):
    """Yields (what must hold, the exchanges where it does not) for streamed answers whose bodies are all different."""
    heard = {entry["sha256"]: entry["times_ns"] for entry in mock.bodies()}
    pairs = [(x["id"], x["times_ns"], heard[x["request"]["sha256"]]) for x in run.exchanges()]

    def wrong(first, second):
        """first and second take a pair to a stamp; missing ones are wrong, too."""
        return [f"exchange {pair[0]}: {first(pair)} > {second(pair)}" for pair in pairs
                if None in (first(pair), second(pair)) or first(pair) > second(pair)]

    for one, two in itertools.pairwise(OURS):
        yield f"{one} <= {two}", wrong(lambda p, s=one: p[1][s], lambda p, s=two: p[1][s])
    for first, one, two in CROSSED:
        if first == "ours":
            yield f"{one} <= the mock's {two}", wrong(lambda p, s=one: p[1][s], lambda p, s=two: p[2][s])
        else:
            yield f"the mock's {one} <= {two}", wrong(lambda p, s=one: p[2][s], lambda p, s=two: p[1][s])


def wait_for(condition, seconds=30):
    """True as soon as condition() is, False when it has not become so in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
