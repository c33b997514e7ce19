# SPDX-License-Identifier: MIT
"""The real Claude Code for tests: fetched with npm into a cache folder outside the repository, and run in a network
namespace that has loopback alone, with an empty home and an environment without accounts."""
import fcntl
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import lib
import tls

CANARY = "sk-ant-canary-7f3a9c51e0"
SCRIPT = lib.ROOT / "examples/scripts/bash-loop.json"
MODELS = "claude-sonnet-4-5", "qwen3-coder", "claude-opus-4-8"


def executable(folder):
    """The command of an installed version: a native binary of the platform's package, or a script for Node."""
    packages = folder / "node_modules/@anthropic-ai"
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    native, script = packages / f"claude-code-linux-{machine}/claude", packages / "claude-code/cli.js"
    if native.exists():
        return [str(native)]
    return ["node", str(script)] if script.exists() else None


def install(version):
    """The command, or None with the reason."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kvscope-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"claude-{version}"
    with open(cache / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if command := executable(folder):
            return command, None
        if not shutil.which("npm"):
            return None, "there is no npm"
        print(f"# fetching Claude Code {version}", flush=True)
        unfinished = cache / f"claude-{version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            npm = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix",
                                  str(unfinished), f"@anthropic-ai/claude-code@{version}"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200, check=False)
        except subprocess.TimeoutExpired:
            return None, "npm did not fetch it in 200 s"
        if npm.returncode != 0 or not executable(unfinished):
            return None, f"npm cannot fetch it (status {npm.returncode})"
        unfinished.rename(folder)
        return executable(folder), None


def isolate(command):
    """Runs the script again in a network namespace of its own. Returns there; elsewhere it does not return."""
    if os.environ.get("KVSCOPE_TEST_ISOLATED") == "1":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    flags = "-n" if os.getuid() == 0 else "-rn"
    if subprocess.run(["unshare", flags, "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL, check=False).returncode:
        lib.Test.skip_all("no network namespace can be made here")
    environment = {**os.environ, "KVSCOPE_TEST_ISOLATED": "1", "KVSCOPE_TEST_CLAUDE": "\n".join(command)}
    os.execvpe("unshare", ["unshare", flags, sys.executable, *sys.argv], environment)


def arguments(url, model, home, command, settings=()):
    """`env -i ...` and the client, asked once; settings are further (name, value) pairs of its environment. url: None leaves
    the client's own."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm", "LANG": "C.UTF-8", "IS_SANDBOX": "1",
        "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": CANARY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1", **dict(settings),
    }
    if not url:
        del environment["ANTHROPIC_BASE_URL"]
    return (["env", "-i", *(f"{k}={v}" for k, v in environment.items())],
            [*command, "-p", "Please look around here.", "--model", model, "--allowedTools", "Bash"])


def project(t):
    """A repository to work in and an empty home; both new, so that no run sees what another one left."""
    home, work = t.path("home"), t.path("project")
    home.mkdir()
    work.mkdir()
    (work / "README.md").write_text("# A project\n")
    subprocess.run(["git", "init", "-q", work], check=True)
    return home, work


def play(t, command, model, wrapped):
    """One session against a mock of its own. Returns the run (with the mock's bodies) and the mock's log."""
    home, work = project(t)
    with t.mock(*lib.FAST, "--script", str(SCRIPT)) as mock:
        prefix, client = arguments(mock.url, model, home, command)
        run = t.run(client, prefix=prefix, cwd=work) if wrapped else t.command([*prefix, *client], cwd=work)
        if wrapped:
            t.same_bodies(run, mock, model)
            wrong = [f"{name}: {line}" for name, lines in lib.stamp_orders(run, mock) for line in lines]
            t.ok(not wrong, f"{model}: stamps stand in order with the mock's", "\n".join(wrong))
        return run, mock.bodies()


def relayed(version, model):
    """The client through the relay to a TLS front of the mock: what it does is what it does without, and is recorded."""
    command = isolated(version)
    t = lib.Test()
    authority = tls.Authority(t)
    bare, bare_log = play(t, command, model, False)
    home, work = project(t)
    with t.mock(*lib.FAST, "--script", str(SCRIPT)) as mock, tls.front(authority, mock.url) as front:
        prefix, client = arguments("http://127.0.0.1:1", model, home, command)
        run = t.run(client, ["--upstream", front.url, "--cacert", authority.ca], prefix=prefix, cwd=work)
        t.same_bodies(run, mock, model)
        wrong = [f"{name}: {line}" for name, lines in lib.stamp_orders(run, mock) for line in lines]
        t.ok(not wrong, f"{model}: stamps stand in order with the mock's", "\n".join(wrong))
        log = mock.bodies()
    t.ok(bare.status == 0 and len(bare_log) >= 4, f"{model}: bare, it plays a loop of tools ({len(bare_log)} requests)",
         f"status {bare.status}\n{bare.out}\n{bare.err}")
    t.equal((run.status, run.out), (bare.status, bare.out), f"{model}: status and output are those of the bare run")
    t.equal([(e["path"], e.get("model"), e.get("turn"), e["status"]) for e in log],
            [(e["path"], e.get("model"), e.get("turn"), e["status"]) for e in bare_log],
            f"{model}: the requests are those of the bare run")
    t.valid_trace(run, model)
    t.equal(len({x["session"] for x in run.exchanges()} - {None}), 1, f"{model}: all belong to one session")
    t.ok(CANARY.encode() not in run.trace.read_bytes(), f"{model}: the key is nowhere in the trace")
    t.done()


def isolated(version):
    """The command of a version, seen from a network namespace of its own; skips all tests where that cannot be had."""
    if "KVSCOPE_TEST_CLAUDE" in os.environ:
        command = os.environ["KVSCOPE_TEST_CLAUDE"].split("\n")
    else:
        command, why = install(version)
        if not command:
            lib.Test.skip_all(f"Claude Code {version}: {why}")
        if command[0] == "node" and not shutil.which("node"):
            lib.Test.skip_all(f"Claude Code {version}: there is no node")
    isolate(command)
    return command


def test(version):
    command = isolated(version)
    t = lib.Test()
    for model in MODELS:
        bare, bare_log = play(t, command, model, False)
        run, log = play(t, command, model, True)
        t.ok(bare.status == 0 and len(bare_log) >= 4, f"{model}: bare, it plays a loop of tools ({len(bare_log)} requests)",
             f"status {bare.status}\n{bare.out}\n{bare.err}")
        t.equal((run.status, run.out), (bare.status, bare.out), f"{model}: status and output are those of the bare run")
        t.equal([(e["path"], e.get("model"), e.get("turn"), e["status"]) for e in log],
                [(e["path"], e.get("model"), e.get("turn"), e["status"]) for e in bare_log],
                f"{model}: the requests are those of the bare run")
        t.valid_trace(run, model)
        sessions = {x["session"] for x in run.exchanges()}
        t.ok(len(sessions) == 1 and None not in sessions, f"{model}: all belong to one session", sessions)
        t.ok(CANARY.encode() not in run.trace.read_bytes(), f"{model}: the key is nowhere in the trace")
    t.done()
