#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the library exports is what hooks.def names, and libc has no other entrance to any of it."""
import re
import subprocess

import lib
import shim

t = lib.Test()

# Siblings of hooked functions in libc that are left alone, and why.
LEFT_ALONE = {
    "preadv": "fails on sockets", "pwritev": "fails on sockets", "preadv64": "fails on sockets",
    "pwritev64": "fails on sockets", "pread": "fails on sockets", "pwrite": "fails on sockets",
}


def symbols(*options):
    """Names and versions of the symbols that nm lists."""
    out = subprocess.run(["nm", "-D", *options], check=True, text=True, capture_output=True).stdout
    return [line.split()[-1] for line in out.splitlines()]


table = set(re.findall(r"^HOOK_\w+\((?:[^,]+), (\w+),", (lib.ROOT / "shim/hooks.def").read_text(), re.M))
t.ok(len(table) > 40, f"hooks.def names {len(table)} functions")
for library in (shim.SHIM, shim.NOP):
    t.equal(set(symbols("--defined-only", library)), table, f"{library.name} exports these and nothing else")
needed = subprocess.run(["readelf", "-d", shim.SHIM], check=True, text=True, capture_output=True).stdout
t.equal(re.findall(r"NEEDED.*\[(.*)\]", needed), ["libc.so.6"], "it needs libc and nothing else")
t.ok("BIND_NOW" in needed and "NODELETE" in needed, "it binds at load time and is never unloaded", needed)

documented = [line for line in (lib.ROOT / "docs/hooks.md").read_text().splitlines() if line.startswith("| ")]
names = re.findall(r"`(\w+)`", " ".join(line.split("|")[2] for line in documented))
t.equal(sorted(names), sorted(table), "docs/hooks.md lists each of them once")

# Allocation, text output, locks, environment: nothing of it can be called from a hook.
imports = {name.split("@")[0] for name in symbols("--undefined-only", shim.SHIM)}
allowed = {"__cxa_finalize", "__errno_location", "__gmon_start__", "_ITM_deregisterTMCloneTable",
           "_ITM_registerTMCloneTable", "__stack_chk_fail", "__cmsg_nxthdr", "__gcc_personality_v0", "_Unwind_Resume",
           "clock_gettime", "memcmp", "memcpy", "memmove", "memset", "strlen", "pthread_self"}
constructor = {"dladdr", "dlsym", "__environ", "environ", "fstat", "getauxval", "geteuid", "getuid", "madvise", "mmap", "munmap", "stat",
               "strcmp", "strcspn", "strncmp"}
t.equal(imports - allowed - constructor, set(), "it imports nothing that a hook must not call")

libc = re.search(r"libc\.so\.6 => (\S+)", subprocess.run(["ldd", "/bin/sh"], check=True, text=True,
                                                        capture_output=True).stdout)[1]
exported = dict(name.split("@", 1) for name in symbols("--defined-only", libc) if "@" in name)
versions = {name: version.lstrip("@") for name, version in exported.items()}
public = {name for name, version in versions.items() if version != "GLIBC_PRIVATE"}
t.equal(table - public, set(), "every hooked name is a public one of libc")
bases = {re.sub(r"^_+|_chk$|64(?=v2$|$)", "", re.sub(r"_chk$", "", name)) for name in table}
siblings = {f"{pre}{base}{post}" for base in bases for pre in ("", "_", "__") for post in ("", "64", "_chk", "64_chk", "_time64")}
siblings |= {f"{base[:-2]}64v2" for base in bases if base.endswith("v2")}
missed = {name for name in siblings & public if name not in table and name not in LEFT_ALONE}
t.equal(missed, set(), "no alias, fortified or large-file variant of them is left out")
t.done()
