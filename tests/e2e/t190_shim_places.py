#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the ring lives: a container's small /dev/shm, one that is filled up behind the ring's back, folders that nobody may
write to. The client is served and recorded, or is told why not; nothing stays behind."""
import json
import os
import pathlib
import shutil

import lib

t = lib.Test()
BODY = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]})
mock = t.mock(*lib.FAST)
curl = f"curl -s -S -o /dev/null -d '{BODY}' {mock.url}/v1/messages"
env = {k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"}


def seen(trace):
    with open(trace, encoding="utf-8") as f:
        return sum(line.startswith('{"type":"exchange"') for line in f)


def with_shm(size, script):
    """Runs a shell script in a mount namespace whose /dev/shm is of this size."""
    return t.command(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={size} none /dev/shm && {script}"], env=env, cwd=t.scratch)


if os.getuid() == 0 and shutil.which("unshare") and t.command(["unshare", "-m", "true"]).status == 0:
    traces = [t.path(f"trace-{n}") for n in range(6)]
    at_once = " ".join(f"{lib.KVSCOPE} run -q -o {trace} -- sh -c \"sleep 0.5; $CURL\" &" for trace in traces)
    env["CURL"] = curl
    run = with_shm("64m", f"{{ {at_once} wait; ls /dev/shm; }}")
    t.equal((run.status, run.out, run.err), (0, "", ""), "/dev/shm of 64 MiB: six runs at once, and nothing stays there")
    t.equal([seen(trace) for trace in traces], [1] * 6, "/dev/shm of 64 MiB: each of them recorded")

    trace = t.path("trace")
    run = with_shm("10m", f"{lib.KVSCOPE} run -q -o {trace} -- sh -c 'dd if=/dev/zero of=/dev/shm/full bs=64k 2>/dev/null; "
                          "eval \"$CURL\" && eval \"$CURL\" && echo served; rm /dev/shm/full' && ls /dev/shm")
    t.equal((run.status, run.out, run.err), (0, "served\n", ""), "/dev/shm filled up while the ring is there: the client is served")
    t.equal(seen(trace), 2, "/dev/shm filled up: and recorded, for the ring has its memory")

    trace = t.path("trace")
    run = t.command(["unshare", "-m", "sh", "-c", "for d in /tmp /var/tmp; do mount --bind $d $d && mount -o remount,bind,ro $d || exit; done; "
                     f"exec {lib.KVSCOPE} run -q -o /dev/shm/{pathlib.Path(trace).name} -- sh -c \"$CURL && echo served\""],
                    env={**env, "HOME": "/nonexistent"}, cwd="/proc")
    t.equal((run.status, run.out, run.err), (0, "served\n", ""), "folders that are read-only: the client is served")
    kept = pathlib.Path("/dev/shm") / pathlib.Path(trace).name
    t.equal(seen(kept), 1, "folders that are read-only: and recorded")
    kept.unlink()
else:
    t.skip("small and full places", "only root can make them")
run = t.command(["sh", "-c", f"umask 0; exec {lib.KVSCOPE} run -q -o {t.path('trace')} -- sh -c 'stat -c %a \"$KVSCOPE_RING\"; "
                 "stat -c %a \"$(dirname \"$KVSCOPE_RING\")\"'"], env=env)
t.equal((run.status, run.out), (0, "600\n700\n"), "whatever the umask: a ring of one's own in a folder of one's own")
t.done()
