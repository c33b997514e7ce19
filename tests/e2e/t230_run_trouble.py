#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stands in the way is said, and never harms the command: no place for trace or ring, a full disk, programs that
cannot be preloaded, clients that went elsewhere."""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import lib

t = lib.Test()
BODY = json.dumps({"model": "m", "max_tokens": 20, "stream": True, "messages": [{"role": "user", "content": "hello"}]})


def post(url, times=1):
    one = f"curl -s -S -o /dev/null -d '{BODY}' {url}/v1/messages"
    return ["sh", "-c", " && ".join([one] * times) + " && echo sent"]


def said(name, run, *words, status=0):
    missing = [word for word in words if word not in run.err]
    t.ok(run.status == status and not missing, name, f"status {run.status}, not said: {missing}\n{run.err}")


def compile_c(text, *flags):
    """A program made from C, None if there is no compiler for it."""
    path = t.path("program")
    cc = subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-o", str(path), *flags], input=text, text=True,
                        stderr=subprocess.DEVNULL, check=False)
    return path if cc.returncode == 0 else None


mock = t.mock(*lib.FAST)

# ---- no place for the trace

home = t.path("home")
home.mkdir()
(home / ".local").write_text("a file where a folder should be", encoding="utf-8")
env = {k: v for k, v in os.environ.items() if k != "XDG_STATE_HOME"} | {"HOME": str(home), "TMPDIR": str(home)}
run = t.command([lib.KVSCOPE, "run", "--", *post(mock.url)], env=env)
said("no default folder: another one, with a note", run, "1 request,", "trace: ")
t.ok(run.out == "sent\n" and run.err.count("trace") >= 2, "and the command is not bothered", run.out + run.err)
t.ok(len(run.err.splitlines()) <= 4, "one line before, a short summary after", run.err)

# ---- a full disk: a tmpfs of 64 KiB

small = t.path("small")
small.mkdir()
if os.getuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=False,
                                       stderr=subprocess.DEVNULL).returncode == 0:
    try:
        big = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": os.urandom(90000).hex()}]})
        body = t.path("body")
        body.write_text(big, encoding="utf-8")
        run = t.command([lib.KVSCOPE, "run", "-o", small / "trace", "--", "curl", "-s", "-o", "/dev/null", "-d", f"@{body}",
                         mock.url + "/v1/messages"])
        said("a full disk: the command ends as ever, and what happened is said", run, "1 request", "No space left")
        run = t.command([lib.KVSCOPE, "run", "-o", small / "trace2", "--", "sh", "-c", "exit 7"])
        t.equal(run.status, 7, "a disk that is full from the start: the same exit status")
    finally:
        subprocess.run(["umount", small], check=True)
else:
    t.skip("a full disk", "only root can mount a small one")

# ---- no place for the ring

if os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
    run = t.command(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m none /dev/shm && exec "$0" "$@"', lib.KVSCOPE,
                     "run", "-o", t.path("trace"), "--", *post(mock.url)],
                    env={k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"})
    said("no memory for the ring: the command runs unwatched, and that is said", run, "nothing is recorded")
    t.equal(run.out, "sent\n", "its output is its own")
else:
    t.skip("no memory for the ring", "only root can make /dev/shm small, and not in every container")
run = t.command(["sh", "-c", 'ulimit -f 1000; exec "$0" "$@"', lib.KVSCOPE, "run", "-o", t.path("trace"), "--", *post(mock.url)])
said("a file-size limit below the ring: unwatched", run, "nothing is recorded")
t.equal(run.out, "sent\n", "and unharmed")
alone = t.path("alone")
alone.mkdir()
shutil.copy(lib.KVSCOPE, alone / "kvscope")
run = t.command([alone / "kvscope", "run", "-o", t.path("trace"), "--", "sh", "-c", "echo still; exit 3"])
said("without the library: unwatched", run, "libkvscope.so", "nothing is recorded", status=3)
t.ok(run.out == "still\n" and "LD_PRELOAD" not in run.err, "and the loader does not complain", run.out + run.err)

# ---- programs that cannot be preloaded

static = compile_c("#include <stdio.h>\nint main(void) { puts(\"static\"); return 5; }", "-static")
if static:
    run = t.run([static])
    said("a static program runs", run, f"{static} is statically linked", "0 requests seen", status=5)
    t.ok(run.out == "static\n" and run.err.startswith("kvscope: ") and len(run.err.splitlines()) == 3,
         "with one line before and two after", run.err)
    said("nothing of that with --quiet", t.run([static], ["-q"]), status=5)
    t.equal(t.run([static], ["-q"]).err, "", "nothing at all")
    script = t.path("script")
    script.write_text(f"#!{static} -x\n", encoding="utf-8")
    script.chmod(0o755)
    said("a script for a static interpreter", t.run([script]), f"which runs {script}, is statically linked", status=5)
else:
    t.skip("a static program", "the C compiler cannot link one")
if os.getuid() == 0 and shutil.which("setpriv"):
    setuid = t.path("setuid")
    shutil.copy("/bin/true", setuid)
    setuid.chmod(0o4755)
    t.scratch.chmod(0o755)
    # Another user may not be allowed to look into the build folder.
    for built in "kvscope", "libkvscope.so":
        shutil.copy(lib.BUILD / built, t.scratch / built)
    run = t.command(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", t.scratch / "kvscope", "run", "-o",
                     "/dev/null", "--", setuid], env={**os.environ, "HOME": "/nonexistent"})
    said("a setuid program", run, f"{setuid} is setuid", "0 requests seen")
else:
    t.skip("a setuid program", "only root can make one that is another user's")
if subprocess.run([lib.KVSCOPE, "run", "-q", "-o", "/dev/null", "--", "true"], check=False,
                  env={**os.environ, "KVSCOPE_DISABLE": "1"}).returncode == 0:
    said("KVSCOPE_DISABLE", t.run(["true"], env={**os.environ, "KVSCOPE_DISABLE": "1"}), "KVSCOPE_DISABLE is set")

# ---- clients that went elsewhere

said("no connection at all", t.run(["true"]), "0 requests seen: the client sent nothing over TCP")
said("HTTP, but no model", t.run(["curl", "-s", "-o", "/dev/null", mock.url + "/health"]), "no path of a language model's API")

tls = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: [tls.accept()[0].close() for _ in range(3)], daemon=True).start()
hello = f"""
import socket, ssl
raw = socket.create_connection(("127.0.0.1", {tls.getsockname()[1]}))
try:
    ssl.create_default_context().wrap_socket(raw, server_hostname="api.example.com")
except OSError:
    pass
"""
said("TLS, with the name of the server", t.run([sys.executable, "-c", hello]), "talked TLS to api.example.com")
project = t.path("project")
(project / ".claude").mkdir(parents=True)
settings = {"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}
(project / ".claude/settings.json").write_text(json.dumps(settings), encoding="utf-8")
said("a settings file that overrides the base URL", t.run([sys.executable, "-c", hello], cwd=project),
     ".claude/settings.json sets ANTHROPIC_BASE_URL to https://gateway.example")
run = t.run(post(mock.url, times=2), cwd=project)
t.ok("2 requests, " in run.err and "settings" not in run.err, "which does not matter once requests are seen", run.err)
t.done()
