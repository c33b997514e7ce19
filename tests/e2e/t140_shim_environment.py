#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the constructor makes of the environment, and when the library stays inert."""
import os
import pathlib
import subprocess

import lib
import shim

t = lib.Test()
show = ["/bin/sh", "-c", 'echo "$LD_PRELOAD|$KVSCOPE_RING|$KVSCOPE_FOLLOW|$OTHER"']

with shim.Ring(t) as ring:
    run = ring.run(show, OTHER="kept")
    t.equal(run.out, f"{shim.SHIM}|{ring.path}||kept\n", "followed: children inherit everything")
    for before, after in ((f"{shim.SHIM}", ""), (f"{shim.NOP}:{shim.SHIM}", f"{shim.NOP}"),
                          (f"{shim.SHIM}:{shim.NOP}", f"{shim.NOP}"), (f"{shim.SHIM} {shim.NOP}", f"{shim.NOP}"),
                          (f"{shim.NOP} {shim.SHIM}:{shim.NOP}", f"{shim.NOP} {shim.NOP}")):
        run = ring.run(show, preload=before, KVSCOPE_FOLLOW="0", OTHER="kept")
        t.equal(run.out, f"{after}|||kept\n", f"not followed: {before.count('lib')} preloaded, only this one goes")
    _, loss = ring.take()
    t.equal(loss["processes"], 6, "every one of them had mapped the ring")

    for name, env in (("KVSCOPE_DISABLE", {"KVSCOPE_DISABLE": "1"}), ("no such ring", {"KVSCOPE_RING": "/nowhere/ring"}),
                      ("a folder for a ring", {"KVSCOPE_RING": "/"}), ("an empty name", {"KVSCOPE_RING": ""}),
                      ("a file that is no ring", {"KVSCOPE_RING": "/etc/hostname"})):
        run = ring.run([shim.HOST / "descriptors"], **env)
        t.ok(run.status == 0 and run.err == "", f"{name}: the program runs", run.err)
    link = t.path("link")
    link.symlink_to(ring.path)
    ring.run(["/bin/true"], KVSCOPE_RING=str(link))
    os.chmod(ring.path, 0o640)
    ring.run(["/bin/true"])
    os.chmod(ring.path, 0o600)
    records, loss = ring.take()
    t.equal((records, loss["processes"]), ([], 6), "none of them mapped it, nor one through a link or that others may read")

    # A limit on files or on descriptors must not hurt the program.
    for limit in ("-n 4", "-v 200000", "-f 0"):
        run = ring.run(["/bin/sh", "-c", f"ulimit {limit}; exec /bin/echo fine"])
        t.equal((run.status, run.out), (0, "fine\n"), f"ulimit {limit}: the program runs")

# A constructor that runs before ours.
early = t.path("early.so")
program = t.path("early")
source = t.path("early.c")
source.write_text('#include <stdio.h>\nextern const char *early_result;\nint main(void) { return puts(early_result) < 0; }\n')
compiler = os.environ.get("CC", "cc")
subprocess.run([compiler, "-D_GNU_SOURCE", "-shared", "-fPIC", "-O2", "-D_FORTIFY_SOURCE=2", "-o", early,
                lib.ROOT / "tests/host/lib/early.c"], check=True)
subprocess.run([compiler, "-o", program, source, early, f"-Wl,-rpath,{pathlib.Path(early).parent}"], check=True)
with shim.Ring(t) as ring:
    run = ring.run([program])
    t.equal((run.status, run.out), (0, "POST /v1/messag\n"), "calls before the constructor reach the kernel")
    records, loss = ring.take()
    t.equal([r["type"] for r in records], ["process"], "and are not recorded")
t.done()
