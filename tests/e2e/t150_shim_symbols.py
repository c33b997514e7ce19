#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the library exports is what hooks.def names, and libc has no other entrance to any of it."""
import fnmatch
import re
import subprocess

import lib
import shim

t = lib.Test()

# Functions that are left alone, as patterns; the file says why.
LEFT_ALONE = [word for line in (lib.ROOT / "tests/e2e/libc_left_alone.txt").read_text().splitlines() if line[:1] == "\t"
              for word in line.split()]
# A name of libc with one of these in it may be a way to a socket.
SPEAKS_OF_IO = re.compile("read|write|send|recv|close|dup|fcntl|socket|connect|accept|splice|tee$|sendfile|copy_file|shutdown"
                          "|open|pipe|fd|poll|sock|put|getp?msg|dprintf|syscall|clone|[Ff]ork|exec|spawn|uring|aio|lio_|prctl")


def left_alone(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in LEFT_ALONE)


def symbols(*options):
    """Names and versions of the symbols that nm lists."""
    out = subprocess.run(["nm", "-D", *options], check=True, text=True, capture_output=True).stdout
    return [line.split()[-1] for line in out.splitlines()]


table = set(re.findall(r"^HOOK_\w+\((?:[^,]+), (\w+),", (lib.ROOT / "shim/hooks.def").read_text(), re.M))
t.ok(len(table) > 40, f"hooks.def names {len(table)} functions")
tls = set(re.findall(r"^TLS\((\w+),", (lib.ROOT / "shim/tls.def").read_text(), re.M))
t.ok(len(tls) == 4, f"tls.def names {len(tls)}")
for library in (shim.SHIM, shim.NOP):
    t.equal(set(symbols("--defined-only", library)), table | tls, f"{library.name} exports these and nothing else")
needed = subprocess.run(["readelf", "-d", shim.SHIM], check=True, text=True, capture_output=True).stdout
t.equal(re.findall(r"NEEDED.*\[(.*)\]", needed), ["libc.so.6"], "it needs libc and nothing else")
t.ok("INITFIRST" not in needed and "STATIC_TLS" in needed and "__tls_get_addr" not in symbols("--undefined-only", shim.SHIM),
     "its constructor takes its turn, its thread-local storage needs no allocation", needed)
t.ok("BIND_NOW" in needed and "NODELETE" in needed, "it binds at load time and is never unloaded", needed)

documented = [line for line in (lib.ROOT / "docs/hooks.md").read_text().splitlines() if line.startswith("| ")]
names = re.findall(r"`(\w+)`", " ".join(line.split("|")[2] for line in documented))
t.equal(sorted(names), sorted(table | tls), "docs/hooks.md lists each of them once")

# Allocation, text output, locks, environment: nothing of it can be called from a hook.
imports = {name.split("@")[0] for name in symbols("--undefined-only", shim.SHIM)}
allowed = {"__cxa_finalize", "__errno_location", "__gmon_start__", "_ITM_deregisterTMCloneTable",
           "_ITM_registerTMCloneTable", "__stack_chk_fail", "__cmsg_nxthdr", "_IO_fdopen", "__gcc_personality_v0", "_Unwind_Resume",
           "clock_gettime", "memchr", "memcmp", "memcpy", "memmove", "memset", "strlen", "pthread_self"}
constructor = {"dladdr", "dlsym", "dlopen", "dlclose", "__environ", "environ", "fstat", "getauxval", "geteuid", "getuid", "madvise", "mmap", "munmap", "stat",
               "strcmp", "strcspn", "strncmp"}
# Asked when an SSL function is called for the first time from somewhere, in its stead and under its rules.
first_use = {"dladdr1", "dlopen", "dlclose", "dlerror"}
t.equal(imports - allowed - constructor - first_use, set(), "it imports nothing that a hook must not call")

libc = re.search(r"libc\.so\.6 => (\S+)", subprocess.run(["ldd", "/bin/sh"], check=True, text=True,
                                                        capture_output=True).stdout)[1]
exported = dict(name.split("@", 1) for name in symbols("--defined-only", libc) if "@" in name)
versions = {name: version.lstrip("@") for name, version in exported.items()}
public = {name for name, version in versions.items() if version != "GLIBC_PRIVATE"}
t.equal(table - public, set(), "every hooked name is a public one of libc")
entries = [name.split("@")[0] for name in symbols("--defined-only", libc) if "@" in name and "GLIBC_PRIVATE" not in name]
t.equal([name for name in sorted(table) if entries.count(name) != 1], [], "and has one version there: dlsym finds the right one")
bases = {re.sub(r"^_+|_chk$|64(?=v2$|$)", "", re.sub(r"_chk$", "", name)) for name in table}
siblings = {f"{pre}{base}{post}" for base in bases for pre in ("", "_", "__") for post in ("", "64", "_chk", "64_chk", "_time64")}
siblings |= {f"{base[:-2]}64v2" for base in bases if base.endswith("v2")}
missed = {name for name in siblings & public if name not in table and not left_alone(name)}
t.equal(missed, set(), "no alias, fortified or large-file variant of them is left out")

functions = {line.split()[-1].split("@")[0] for line in subprocess.run(
    ["nm", "-D", "--defined-only", libc], check=True, text=True, capture_output=True).stdout.splitlines()
    if line.split()[-2] in "TWi"} & public
suspects = {name for name in functions if SPEAKS_OF_IO.search(name)}
t.ok(len(functions) > 1500 and len(suspects) > 200, f"{len(suspects)} of libc's {len(functions)} functions may be ways to a socket")
t.equal(sorted(name for name in suspects if name not in table and not left_alone(name)), [], "each is hooked or left alone for a reason")
t.equal(sorted(name for name in table if left_alone(name)), [], "none is both")
t.equal([p for p in LEFT_ALONE if not any(fnmatch.fnmatchcase(name, p) for name in functions)], [], "no reason without a function")
t.done()
