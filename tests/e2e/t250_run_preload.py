#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library reaches the command beside other preloads, under sanitizers, from odd places; and --no-follow, --content."""
import json
import os
import shutil
import subprocess

import lib

t = lib.Test()
SECRET = "the-secret-word"
BODY = json.dumps({"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": SECRET}]})
mock = t.mock(*lib.FAST)
CURL = ["curl", "-s", "-S", "-o", "/dev/null", "-d", BODY, mock.url + "/v1/messages"]


def compile_c(text, *flags):
    path = t.path("program")
    cc = subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-o", str(path), *flags], input=text, text=True,
                        stderr=subprocess.DEVNULL, check=False)
    return path if cc.returncode == 0 else None


def count(run):
    return run.status, len(run.exchanges()), run.err if run.status else ""


# ---- other preloads

other = compile_c('#include <unistd.h>\n__attribute__((constructor)) static void hello(void) { write(2, "other\\n", 6); }',
                  "-shared", "-fPIC")
run = t.run(CURL, ["-q"], env={**os.environ, "LD_PRELOAD": str(other)})
t.ok(count(run)[:2] == (0, 1) and run.err.count("other") == 2, "another preloaded library is kept: in kvscope, in curl",
     run.err)
run = t.run(["sh", "-c", "echo $LD_PRELOAD"], ["-q"], env={**os.environ, "LD_PRELOAD": f"{other} {other}"})
t.equal(run.out.strip(), f"{lib.BUILD}/libkvscope.so:{other}:{other}", "ours comes first, the others in their order")
run = t.run([lib.KVSCOPE, "run", "-q", "-o", t.path("inner"), "--", "sh", "-c", "echo $LD_PRELOAD"], ["-q"])
t.equal(run.out.strip(), f"{lib.BUILD}/libkvscope.so", "a run inside a run does not load it twice")
inner = t.path("inner")
run = t.run([lib.KVSCOPE, "run", "-q", "-o", inner, "--", *CURL], ["-q"])
with open(inner, encoding="utf-8") as f:
    seen = sum('"type":"exchange"' in line for line in f)
t.equal((run.status, seen), (0, 1), "and records what runs in it")

# ---- sanitizers

host = """
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char request[2000], answer[4000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (argc < 3 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 1;
	int n = snprintf(request, sizeof(request), "POST /v1/messages HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n"
		"Content-Length: %zu\\r\\n\\r\\n%s", strlen(argv[2]), argv[2]);
	if (write(fd, request, n) != n)
		return 2;
	while (read(fd, answer, sizeof(answer)) > 0)
		;
	return 0;
}
"""
port = mock.url.rpartition(":")[2]
for cc, flags in (("gcc", []), ("clang", []), ("clang", ["-shared-libasan"])):
    name = f"a program built with {' '.join([cc, '-fsanitize=address', *flags])}"
    os.environ["CC"] = cc
    program = compile_c(host, "-fsanitize=address", "-w", *flags) if shutil.which(cc) else None
    if not program or t.command([program, port, BODY]).status != 0:
        t.skip(name, "cannot be built or does not run here")
        continue
    run = t.run([program, port, BODY])
    t.ok(run.status == 0 and len(run.exchanges()) == 1, name, run.err)
    run = t.run([program, port, BODY], env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    t.ok(run.status == 0 and len(run.exchanges()) == 1, f"{name}, with options of its own", run.err)
os.environ.pop("CC")

# ---- odd places

for name in "with space", "with:colon", "with$LIB":
    folder = t.scratch / name
    folder.mkdir()
    shutil.copy(lib.KVSCOPE, folder)
    shutil.copy(lib.BUILD / "libkvscope.so", folder)
    trace = t.path("trace")
    run = t.command([folder / "kvscope", "run", "-o", trace, "--", *CURL])
    t.ok(run.status == 0 and "1 request," in run.err and "ld.so" not in run.err, f"a folder {name!r}", run.err)
prefix = t.path("prefix")
(prefix / "bin").mkdir(parents=True)
(prefix / "lib/kvscope").mkdir(parents=True)
shutil.copy(lib.KVSCOPE, prefix / "bin")
shutil.copy(lib.BUILD / "libkvscope.so", prefix / "lib/kvscope")
(t.scratch / "link").symlink_to(prefix / "bin/kvscope")
run = t.command([t.scratch / "link", "run", "-o", t.path("trace"), "--", *CURL])
t.ok("1 request," in run.err, "an installed tree, by a link", run.err)

# ---- children

run = t.run(["sh", "-c", '"$@"; true', "sh", *CURL])
t.equal(count(run), (0, 1, ""), "children are followed")
run = t.run(["sh", "-c", '"$@"; true', "sh", *CURL], ["--no-follow"])
t.equal(count(run), (0, 0, ""), "--no-follow: they are not")
run = t.run(CURL, ["--no-follow"])
t.equal(count(run), (0, 1, ""), "--no-follow: the command itself is recorded")

# ---- content and ring

run = t.run(CURL, ["--content", "none"])
text = run.trace.read_text(encoding="utf-8")
t.equal(count(run), (0, 1, ""), "--content none: the exchange is there")
lines = [line for line in text.splitlines() if '"type":"header"' not in line]
t.ok(SECRET not in "\n".join(lines) and run.exchanges()[0]["request"]["bytes"] == len(BODY), "its words are not, its size is", text)
t.ok(SECRET in t.run(CURL).trace.read_text(encoding="utf-8"), "--content full has them")
run = t.run(CURL, ["--ring-size", "64k"])
t.equal(count(run), (0, 1, ""), "a small ring does for a small session")
t.done()
