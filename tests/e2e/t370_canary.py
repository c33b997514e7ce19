#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Secrets in every place where a client or a server may have them: which of them a file holds afterwards is what
docs/trace-format.md says, and no more. And who may read these files, and the ring while there is one."""
import http.server
import json
import os
import pathlib
import random
import shutil
import stat
import string
import sys
import tempfile
import threading

import lib

t = lib.Test()
CLIENT = lib.CLIENTS / "canary.py"

# Place: what is kept of it with --content full, with --content none. What keeps something here is listed in
# docs/trace-format.md, under Privacy.
NEVER, FULL, ALWAYS = (False, False), (True, False), (True, True)
PLACES = {
    **{f"header {name}": NEVER for name in (
        "Authorization", "x-api-key", "api-key", "x-goog-api-key", "Ocp-Apim-Subscription-Key", "Cookie", "Proxy-Authorization",
        "X-Amz-Security-Token", "X-Auth-Token", "CF-Access-Client-Secret", "OpenAI-Organization", "x-portkey-api-key",
        "helicone-auth", "baggage", "X-Whatever", "Referer", "Forwarded")},
    **{f"query {name}": NEVER for name in ("api_key", "key", "access_token", "sig", "beta")},
    **{f"response header {name}": NEVER for name in ("Set-Cookie", "WWW-Authenticate", "X-Secret", "Location", "anthropic-organization-id")},
    "user:password in the target": NEVER,
    "trailer": NEVER,
    "User-Agent with a key": NEVER,
    "body of other HTTP": NEVER,
    "header of other HTTP": NEVER,
    "answer of other HTTP": NEVER,
    "no HTTP": NEVER,
    "standard input": NEVER,
    "standard output": NEVER,
    "standard error": NEVER,
    "environment": NEVER,
    "argument with a key": NEVER,
    "argument": FULL,
    "api_key field": FULL,
    "metadata.user_id": FULL,
    "text of a message": FULL,
    "text of an answer": FULL,
    "text of an error": FULL,
    "model": ALWAYS,
    "session id": ALWAYS,
    "name of a header": ALWAYS,
    "name in a query": ALWAYS,
    "User-Agent": ALWAYS,
}


def canary(place):
    """Letters alone, so that no table of keys knows it; a key where the table is what protects."""
    word = "cnry" + "".join(random.choice(string.ascii_lowercase) for _ in range(16))
    return f"sk-ant-7{word}" if "with a key" in place else word


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan = {}

    def do_POST(self):
        length = self.headers["Content-Length"]
        if length:
            self.rfile.read(int(length))
        else:
            while self.rfile.readline().strip() not in (b"0", b""):
                pass
        failed = "fail" in self.path
        if "/v1/" not in self.path and not failed:
            answer = {"token": self.plan["answer of other HTTP"]}
        elif failed:
            answer = {"type": "error", "error": {"type": "authentication_error", "message": f"no: {self.plan['text of an error']}"}}
        else:
            answer = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                      "content": [{"type": "text", "text": self.plan["text of an answer"]}],
                      "usage": {"input_tokens": 1, "output_tokens": 1}}
        data = json.dumps(answer).encode()
        self.send_response(401 if failed else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for place, secret in self.plan.items():
            if place.startswith("response header "):
                self.send_header(place.split(" ")[2], secret)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
runtime = pathlib.Path(tempfile.mkdtemp(prefix="kvscope-canary-", dir="/dev/shm"))
inputs = t.path("inputs")
inputs.mkdir()


def session(name, options, prefix=(), kill=False):
    """Runs the client with fresh secrets and nothing but fresh folders. Returns the run, the secrets, the folders."""
    Handler.plan = plan = {place: canary(place) for place in PLACES}
    top = t.path(name)
    folders = {k: top / k for k in ("home", "state", "tmp", "work")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    (inputs / "plan").write_text(json.dumps(plan), encoding="utf-8")
    (inputs / "mode").write_text(json.dumps({"kill": kill}), encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "HOME": str(folders["home"]), "XDG_STATE_HOME": str(folders["state"]),
           "TMPDIR": str(folders["tmp"]), "XDG_RUNTIME_DIR": str(runtime), "SECRET": plan["environment"],
           "PYTHONDONTWRITEBYTECODE": "1"}
    run = t.command([*prefix, lib.KVSCOPE, "run", *options, "--", sys.executable, CLIENT, server.server_address[1], inputs / "plan",
                     inputs / "mode", plan["argument"], "--api-key", plan["argument with a key"]],
                    env=env, cwd=folders["work"], stdin=plan["standard input"].encode())
    return run, plan, top, env


def files(top):
    return [p for base in (top, runtime) for p in base.rglob("*") if p.is_file() and not p.is_symlink()]


def held(plan, top):
    """The places whose secrets stand in some file."""
    text = b"".join(p.read_bytes() for p in files(top))
    return {place for place, secret in plan.items() if secret.encode() in text}


def modes(what, top):
    wrong = [(str(p), oct(p.stat().st_mode)) for p in files(top) if stat.S_IMODE(p.stat().st_mode) != 0o600]
    t.equal(wrong, [], f"{what}: every file is its owner's alone, whatever the umask")
    t.equal(oct(stat.S_IMODE((top / "state/kvscope").stat().st_mode)), "0o700", f"{what}: so is the folder of traces")


open_umask = ["sh", "-c", 'umask 0; exec "$@"', "sh"]
for content, column in (("full", 0), ("none", 1)):
    run, plan, top, _ = session(content, ["--content", content], open_umask)
    t.ok(run.status == 0, f"--content {content}: the client ends well", run.out + run.err)
    expected = {place for place, kept in PLACES.items() if kept[column]}
    got = held(plan, top)
    t.equal(sorted(got - expected), [], f"--content {content}: nothing is in a file but what is documented")
    t.equal(sorted(expected - got), [], f"--content {content}: and that is there ({len(expected)} of {len(PLACES)} places)")
    modes(f"--content {content}", top)
    ring = json.loads(run.out.rpartition("} ")[0] + "}")
    t.ok(ring.pop(".") == "0o700" and len(ring) >= 2 and set(ring.values()) == {"0o600"},
         f"--content {content}: ring and note are private, too", run.out)
    t.equal(os.listdir(runtime), [], f"--content {content}: and removed")

# ---- kvscope is killed, and the rest is collected later
run, plan, top, env = session("killed", ["-q"], open_umask, kill=True)
t.ok(lib.wait_for(lambda: any(runtime.iterdir())), "killed: the ring waits in its private folder")
left = [o for o in json.loads(t.command([lib.KVSCOPE, "collect", "--json"], env=env).out) if str(runtime) in o["ring"]]
t.equal(len(left), 1, "and is found")
# The command line stands in the note, as it was given, until then.
collected = t.command([lib.KVSCOPE, "collect", left[0]["ring"]], env=env)
t.equal((collected.status, os.listdir(runtime)), (0, []), "collected, it is removed with its folder")
expected = {place for place, kept in PLACES.items() if kept[0]}
got = held(plan, top)
t.equal((sorted(got - expected), sorted(expected - got)), ([], []), "what was collected holds the same")
modes("collected", top)

# ---- places that are not safe

SAY_RING = ["sh", "-c", 'echo "$KVSCOPE_RING"']


def ring_folder(path):
    run = t.command([lib.KVSCOPE, "run", "-q", "-o", "/dev/null", "--", *SAY_RING], env={**os.environ, "XDG_RUNTIME_DIR": str(path)})
    return os.path.dirname(os.path.dirname(run.out.strip()))


place = runtime / "place"
place.mkdir()
t.equal(ring_folder(place), str(place), "a safe XDG_RUNTIME_DIR gets the ring")
place.chmod(0o777)
t.equal(ring_folder(place), "/dev/shm", "not one that is open to all")
place.chmod(0o700)
link = runtime / "link"
link.symlink_to(place)
if os.getuid() == 0:
    os.chown(link, 65534, 65534, follow_symlinks=False)
t.equal(ring_folder(link), "/dev/shm", "not a symbolic link")
t.equal(ring_folder(t.scratch), "/dev/shm", "not one on a disk")
made = t.command([lib.KVSCOPE, "run", "-q", "-o", "/dev/null", "--", "sh", "-c", 'cp "$KVSCOPE_RING" "$0"', place / "ring"],
                 env={**os.environ, "XDG_RUNTIME_DIR": str(place)})
victim = t.path("victim")
victim.write_bytes(b"")


def refused(name, argv, words):
    run = t.command(argv)
    t.ok(run.status == 2 and not run.out and run.err.count("\n") == 1 and words in run.err, f"{name}: refused", run.out + run.err)


(place / "ring").chmod(0o640)
run = t.command([lib.KVSCOPE, "collect", "-o", t.path("x"), place / "ring"])
t.ok(run.status == 2 and "is open to other users" in run.err, "a ring that others can read: refused", run.err)
(place / "ring").chmod(0o600)
if os.getuid() == 0:
    place.chmod(0o700)
    os.chown(place, 65534, 65534)
    t.equal(ring_folder(place), "/dev/shm", "a folder of another user: not for the ring")
    os.chown(place / "ring", 65534, 65534)
    run = t.command([lib.KVSCOPE, "collect", "-o", t.path("x"), place / "ring"])
    t.ok(run.status == 2 and "belongs to another user" in run.err, "a ring of another user: refused", run.err)
    os.chown(victim, 65534, 65534)
    victim.chmod(0o666)
    refused("a trace into another user's file", [lib.KVSCOPE, "run", "-o", victim, "--", "true"], "belongs to another user")
    os.chown(victim, 0, 0)
    shared = t.path("shared")
    shared.mkdir()
    shared.chmod(0o1777)
    trap = shared / "trace.jsonl"
    trap.symlink_to(victim)
    os.chown(trap, 65534, 65534, follow_symlinks=False)
    refused("a trace through another user's link", [lib.KVSCOPE, "run", "-o", trap, "--", "true"], "symbolic link")
    t.equal(victim.read_bytes(), b"", "what it leads to is untouched")
else:
    t.skip("places of other users", "only root can make them")
shutil.rmtree(runtime, ignore_errors=True)
server.shutdown()
t.done()
