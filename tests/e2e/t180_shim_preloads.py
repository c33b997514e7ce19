#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Beside other people's preloads, before and after them: the program's output is what it is with them alone, and it is recorded."""
import os
import pathlib
import re
import time

import lib
import shim

t = lib.Test()


def find(name):
    return next((str(p) for folder in ("/usr/lib", "/lib") for p in sorted(pathlib.Path(folder).glob(f"*-linux-gnu*/{name}"))), None)


configuration = t.path("proxychains.conf")
configuration.write_text("strict_chain\nquiet_mode\nlocalnet 127.0.0.0/255.0.0.0\n[ProxyList]\nsocks5 127.0.0.1 1\n")
wrapper = t.path("socket-wrapper")
wrapper.mkdir(mode=0o700)
OTHERS = (
    ("libsocket_wrapper.so", {"SOCKET_WRAPPER_DIR": str(wrapper), "SOCKET_WRAPPER_DEFAULT_IFACE": "10"}),
    ("faketime/libfaketime.so.1", {"FAKETIME": "-400d"}),
    ("libproxychains.so.4", {"PROXYCHAINS_CONF_FILE": str(configuration), "PROXYCHAINS_QUIET_MODE": "1"}),
    ("libjemalloc.so.2", {}),
)
for name, env in OTHERS:
    other = find(name)
    if not other:
        t.skip(name, "not installed")
        continue
    # socket_wrapper's destructor and threads that still talk at exit do not go together: a program that runs none.
    for program, *arguments in (("exits", "_exit"),) if name.startswith("libsocket_wrapper") else (("families",), ("descriptors",)):
        argv = [shim.HOST / program, *arguments]
        alone = t.command(argv, env={**os.environ, **env, "LD_PRELOAD": other})
        if alone.status != (41 if arguments else 0):
            t.skip(f"{name}, {program}", f"does not work with it alone: {alone.out.splitlines()[-1:]}{alone.err[-100:]}")
            continue
        requests = len(re.findall(r"^[\w-]+: \d+", alone.out, re.M))
        for order, preload in (("before", f"{shim.SHIM}:{other}"), ("after", f"{other}:{shim.SHIM}")):
            what = f"{order} {name}, {program}"
            with shim.Ring(t) as ring:
                run = ring.run(argv, preload=preload, **env)
                t.equal((run.status, run.out, run.err), (alone.status, alone.out, alone.err), f"{what}: the same output")
                records, loss = ring.take()
            sent = [r for r in records if r["type"] == "send"]
            if name.startswith("libsocket_wrapper") and order == "after":
                # It hands its own Unix sockets on: those are followed by nobody.
                t.equal((sent, loss["corrupt"]), ([], False), f"{what}: nothing to be seen there")
                continue
            t.ok(requests > 0 and len(sent) >= requests and not loss["corrupt"] and loss["full"] == 0, f"{what}: recorded",
                 f"{len(sent)} sends, {requests} requests, {loss}")
            t.ok(all(0 <= time.monotonic() - r["time_ns"] / 1e9 < 60 for r in sent), f"{what}: on the machine's own clock")
t.done()
