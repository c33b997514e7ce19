#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What cannot be seen, row by row of docs/limitations.md: the program does not notice, the bytes are nowhere, and where it can
be known, the trace says so."""
import json
import os
import re
import subprocess
import sys

import lib
import shim

t = lib.Test()
UNSEEN = b"unseen-bytes"
NOTHING = {"io_uring": 0, "sendfile": 0, "passed": 0, "stdio": 0, "sandbox": 0, "child": 0}


def blind(name, *arguments, program=shim.HOST / "blind"):
    """Runs a program bare and wrapped. Returns the run and what its trace says of blind spots."""
    bare = t.command([program, *arguments])
    run = t.run([program, *arguments], ["-q"])
    t.equal((run.status, run.out, run.err), (bare.status, bare.out, bare.err), f"{name}: same output")
    loss = run.lines("loss")
    run.bytes = run.trace.read_bytes()
    return run, {k: v for k, v in (loss[0]["pipeline"]["blind"] if loss else NOTHING).items() if v}


def opaque(run):
    return [(o["kind"], o["sent_bytes"], o["received_bytes"]) for o in run.lines("opaque")]


for name, expected, connections in (
        ("fdopen", {"stdio": 1}, [("http", 52, 60)]),
        # libc's own calls, on a descriptor that the program keeps: nothing tells of them. The answer is seen to come first.
        ("dprintf", {}, []),
        ("aio", {}, [("unreadable", 28, 60)]),
        ("sendfile", {"sendfile": 1}, [("http", 52, 60)]),
        ("splice", {"sendfile": 2}, [("http", 52, 60)]),
        ("syscall", {"sendfile": 1}, [("http", 52, 60)]),
        ("io_uring", {"io_uring": 1}, []),
        ("preface", {}, [("http2", 33, 0)]),
        ("websocket", {}, [("websocket", 72, 44)]),
        ("rights", {"passed": 1}, [("http", 53, 61)]),
        ("exec", {}, [("http", 51, 59)]),
        ("unix", {}, []),
        ("accept", {}, []),
        ("fast-open", {}, [])):
    run, said = blind(name, name)
    if name == "io_uring" and not said:
        t.skip("io_uring: said in the trace", "the kernel has none, or forbids it")
    else:
        t.equal(said, expected, f"{name}: said in the trace")
    t.equal(opaque(run), connections, f"{name}: connections by their sizes")
    t.ok(UNSEEN not in run.bytes, f"{name}: what was not seen is not there")

run, said = blind("io_uring by an instruction", "io_uring-inline")
if run.out == "io_uring\n":
    t.equal(said, {"io_uring": 1}, "io_uring by an instruction: found in /proc")
else:
    t.skip("io_uring by an instruction", run.out.strip())

# ---- a body by sendfile: the exchange is there, with the bytes counted

client = f"""
import os, socket, sys
host, port = sys.argv[1].removeprefix("http://").split(":")
body = open(sys.argv[2], "rb")
size = os.fstat(body.fileno()).st_size
s = socket.create_connection((host, int(port)))
s.sendall(b"POST /v1/messages HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
s.sendfile(body)
while s.recv(65536):
    pass
print("done")
"""
body = t.path("body")
body.write_text(json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "unseen-bytes " * 9000}]}))
with t.mock(*lib.FAST) as mock:
    run = t.run([sys.executable, "-c", client, mock.url, body], ["-q"])
    t.equal((run.status, run.out), (0, "done\n"), "a body by sendfile: the client is served")
    x = run.exchanges()[0]
    t.equal((x["request"]["bytes"], x["request"]["exact"], x["request"]["sha256"], x["response"]["status"]),
            (body.stat().st_size, False, None, 200), "a body by sendfile: counted, not exact")
    t.ok("are missing" in x["request"]["error"] and UNSEEN not in run.trace.read_bytes(), "a body by sendfile: said, not seen",
         x["request"]["error"])

# ---- a child without the library that talks

source = """
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1])),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || write(fd, "GET /health HTTP/1.1\\r\\n", 22) < 0)
		return 1;
	sleep(3);
	return 0;
}
"""
static = t.path("static-client")
built = subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-static", "-D_GNU_SOURCE", "-o", static], input=source,
                       text=True, stderr=subprocess.DEVNULL, check=False).returncode == 0
if built:
    with t.mock(*lib.FAST) as mock:
        run, said = blind("a static child", "-c", f"{static} {mock.url.rpartition(':')[2]}; exit 4", program="/bin/sh")
        t.equal(said, {"child": 1}, "a static child that talks: found in /proc")
        t.equal([(p["exe"], p["recorded"]) for p in run.lines("process") if "recorded" in p], [(str(static), False)],
                "a static child: named in the trace")
        check = t.command([sys.executable, lib.ROOT / "tests/check_trace.py", run.trace])
        t.ok(check.status == 0, "a static child: the trace is valid", check.out)
        text = t.command([lib.KVSCOPE, "report", run.trace])
        t.ok("started without the library" in text.out + text.err, "a static child: the report says it", text.out + text.err)
else:
    t.skip("a static child", "the C compiler cannot link one")

# ---- a sandbox that hides the library

if os.getuid() == 0 and t.command(["unshare", "-m", "true"]).status == 0:
    run = t.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs none {lib.BUILD} && exec /bin/echo fine"], ["-q"])
    t.ok((run.status, run.out) == (0, "fine\n") and "cannot be preloaded" in run.err, "a hidden library: the loader says so",
         run.out + run.err)
else:
    t.skip("a hidden library", "only root can hide it")

# ---- RTLD_DEEPBIND

plugin, host = t.path("plugin.so"), t.path("host")
talk = source[source.index("	struct sockaddr_in"):source.index("	sleep")].replace("argc - 1", "1")
cc = [os.environ.get("CC", "cc"), "-x", "c", "-", "-D_GNU_SOURCE", "-w", "-o"]
headers = "#include <arpa/inet.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
subprocess.run([*cc, plugin, "-shared", "-fPIC"], input=f"{headers}int talk(int argc, char **argv)\n{{\n{talk}	return close(fd);\n}}\n",
               text=True, check=True)
subprocess.run([*cc, host], text=True, check=True, input="""#include <dlfcn.h>
int main(int argc, char **argv)
{
	void *plugin = dlopen(argv[2], RTLD_NOW | (argc > 3 ? RTLD_DEEPBIND : 0));
	int (*talk)(int, char **) = plugin ? dlsym(plugin, "talk") : 0;
	return talk ? talk(argc, argv) : 9;
}
""")
with t.mock(*lib.FAST) as mock:
    port = mock.url.rpartition(":")[2]
    run, _ = blind("a plugin", port, plugin, program=host)
    t.equal((run.status, len(opaque(run))), (0, 1), "a plugin: seen")
    run, _ = blind("RTLD_DEEPBIND", port, plugin, "deep", program=host)
    t.equal((run.status, len(opaque(run))), (0, 0), "RTLD_DEEPBIND: not seen, and unharmed")

# ---- every row of the page names the test that shows it

rows = [line for line in (lib.ROOT / "docs/limitations.md").read_text().splitlines() if re.match(r"\| (?!-|what )", line)]
tests = {path.stem for path in (lib.ROOT / "tests").glob("*/*")} | {"-"}
unnamed = [row for row in rows if not re.findall(r"`?(t\d\d\d_\w+|test_\w+)`?", row.rsplit("|", 2)[1]) and not row.rstrip().endswith("| - |")]
t.equal(unnamed, [], "limitations.md: each row names its test")
named = set(re.findall(r"\b(t\d\d\d_\w+|test_\w+)\b", " ".join(rows)))
t.equal(sorted(named - tests), [], "limitations.md: and that test exists")
items = dict(re.findall(r"^\| ([A-F]\d+) \| .* \| (.*) \|$", (lib.ROOT / "docs/testing.md").read_text(), re.M))
t.equal(len(items), 46, "testing.md: each item of the checklist")
named = {name for row in items.values() for name in re.findall(r"\b(t\d\d\d_\w+|test_\w+)\b", row)}
t.equal(sorted(named - tests), [], "testing.md: with tests that exist")
t.done()
