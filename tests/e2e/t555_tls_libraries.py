#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two OpenSSL libraries in one process: whoever calls SSL_read by its name reaches the one that he reaches without us, even if he
depends on neither of them."""
import subprocess

import lib
import shim

t = lib.Test()
FOLDER = t.path("libraries")
FOLDER.mkdir()

# Each knows its own objects, and answers with its number; the other one's make it end the program. Objects begin as those of
# OpenSSL 1.1 and 3.0 do (a number, then the methods), or of 3.2 (a number, two pointers, then the methods).
LIBRARY = r"""
#include <stdlib.h>
static const struct { int number; } methods = {NUMBER};
struct ssl { int type; void *before[BEFORE]; const void *method; char rest[200]; };
void *LIB(void) { struct ssl *s = calloc(1, sizeof(*s)); s->method = &methods; return s; }
static int mine(const struct ssl *s) { if (s->method != &methods) exit(77); return NUMBER; }
int SSL_read(void *s, void *p, int n) { (void)p; (void)n; return mine(s); }
int SSL_write(void *s, const void *p, int n) { (void)p; (void)n; return mine(s); }
int SSL_read_ex(void *s, void *p, size_t n, size_t *done) { (void)p; (void)n; *done = mine(s); return 1; }
int SSL_write_ex(void *s, const void *p, size_t n, size_t *done) { (void)p; (void)n; *done = mine(s); return 1; }
"""
# Depends on no library of these: what it reaches is up to who loaded it.
HELPER = r"""
#include <stddef.h>
int SSL_read(void *, void *, int);
int SSL_write_ex(void *, const void *, size_t, size_t *);
int HELP(void *s) { char c; size_t n = 0; return SSL_write_ex(s, "x", 1, &n) == 1 ? SSL_read(s, &c, 1) * 100 + (int)n : -1; }
"""
PLUGIN = r"""
void *LIB(void);
int HELP(void *);
int SSL_write(void *, const void *, int);
int PLUGIN(void) { void *s = LIB(); return HELP(s) * 100 + SSL_write(s, "x", 1); }
"""
PROGRAM = r"""
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	for (int round = 0; round < 2; round++) {
		for (int i = 1; i + 1 < argc; i += 2) {
			void *h = dlopen(argv[i], RTLD_LAZY | RTLD_LOCAL);
			int (*f)(void) = h ? (int (*)(void))dlsym(h, argv[i + 1]) : NULL;
			printf("%d\n", f ? f() : -1);
		}
	}
	return 0;
}
"""


def build(name, source, *options):
    path = FOLDER / f"{name}.c"
    path.write_text(source)
    done = subprocess.run(["gcc", "-O1", "-w", "-o", FOLDER / name, path, *options, f"-L{FOLDER}", f"-Wl,-rpath,{FOLDER}"], text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


LIBRARIES = (("libssl.so.3", "one", 33, 2), ("libssl.so.1.1", "two", 11, 0), ("libtls-of-others.so", "three", 55, 0))
arguments = []
for file, name, number, before in LIBRARIES:
    shared = "-shared", "-fPIC"
    lazily = "-Wl,-z,lazy", "-Wl,--unresolved-symbols=ignore-all", "-Wl,--no-as-needed"
    build(file, LIBRARY, *shared, f"-DNUMBER={number}", f"-DBEFORE={before}", f"-DLIB={name}_new", f"-Wl,-soname,{file}")
    build(f"lib{name}-helper.so", HELPER, *shared, *lazily, f"-DHELP={name}_help", f"-Wl,-soname,lib{name}-helper.so")
    build(f"lib{name}-plugin.so", PLUGIN, *shared, *lazily, f"-DPLUGIN={name}", f"-DLIB={name}_new", f"-DHELP={name}_help",
          f"-l:lib{name}-helper.so", f"-l:{file}")
    arguments += [FOLDER / f"lib{name}-plugin.so", name]
build("program", PROGRAM, "-ldl")

bare = t.command([FOLDER / "program", *arguments])
t.equal((bare.status, bare.out.split()), (0, [f"{n}{n}{n}" for n in (33, 11, 55)] * 2), "bare: each plugin and its helper reach their own library")
for name, preload in (("with hooks that only forward", shim.NOP), ("preloaded", shim.SHIM)):
    for order in (arguments, arguments[2:] + arguments[:2], arguments[4:] + arguments[:4]):
        alone = t.command([FOLDER / "program", *order])
        run = shim.command(t, [FOLDER / "program", *order], preload)
        t.equal((run.status, run.out), (alone.status, alone.out), f"{name}: the same, {order[1]} first")
with shim.Ring(t) as ring:
    run = ring.run([FOLDER / "program", *arguments])
    t.equal((run.status, run.out), (bare.status, bare.out), "recorded: the same")

t.done()
