#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A session with https://api.anthropic.com is captured in clear text. Here that name leads to this machine, in network and mount
namespaces of the test's own, to a TLS server on port 443 with a certificate for that name by a CA of the test's."""
import hashlib
import os
import shutil
import subprocess
import sys

import claude
import lib
import tls

sys.path.insert(0, str(lib.CLIENTS))
import plan  # noqa: E402  (found by the line above)

HOST = "api.anthropic.com"
URL = f"https://{HOST}"
VERSION = "2.1.330"
# As that server does: HTTP/2 if the client wants it.
ALPN = ("h2", "http/1.1")

command, why = None, None
if os.environ.get("KVSCOPE_TEST_ISOLATED") == "1":
    command, why = os.environ["KVSCOPE_TEST_CLAUDE"].split("\n"), os.environ.get("KVSCOPE_TEST_NO_CLAUDE")
else:
    command, why = claude.install(VERSION)
    if why:
        os.environ["KVSCOPE_TEST_NO_CLAUDE"] = why
claude.isolate(command or [""])

t = lib.Test()
hosts = t.path("hosts")
hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
# The program behind it finds the name in its own /etc/hosts.
NAMED = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
if subprocess.run([*map(str, NAMED), "true"], capture_output=True, check=False).returncode:
    lib.Test.skip_all("no mount namespace can be made here")
authority = tls.Authority(t, names=(HOST,))
PYTHON = "/usr/bin/python3" if shutil.which("/usr/bin/python3") else sys.executable
CLEAN = ["env", "-i", "PATH=" + os.environ["PATH"], f"HOME={t.scratch}", "LANG=C.UTF-8"]


def messages(raw):
    """The HTTP/1.1 messages with a Content-Length or chunks, one after the other: (first line, headers, raw body)."""
    at, found = 0, []
    while at < len(raw):
        end = raw.index(b"\r\n\r\n", at) + 4
        first, *lines = raw[at:end - 4].split(b"\r\n")
        headers = {k.lower(): v for k, v in (line.split(b": ", 1) for line in lines)}
        at = end
        if headers.get(b"transfer-encoding") == b"chunked":
            while (n := int(raw[at:raw.index(b"\r\n", at)], 16)) > 0:
                at = raw.index(b"\r\n", at) + 2 + n + 2
            at = raw.index(b"\r\n", at) + 4
        else:
            at += int(headers.get(b"content-length", b"0"))
        found.append((first, headers, bytes(raw[end:at])))
    return found


def what_the_server_saw(name, run, talks, front):
    """Right name, HTTP/1.1, and in the trace what the server heard and said, byte for byte."""
    t.equal((set(front.names), set(front.protocols)), ({HOST}, {"http/1.1"}),
            f"{name}: that name was asked for, HTTP/1.1 agreed on though HTTP/2 was to be had")
    heard = [m for there, _ in talks for m in messages(bytes(there)) if b"/v1/messages" in m[0]]
    t.equal({m[1][b"host"] for m in heard}, {HOST.encode()}, f"{name}: Host is {HOST}")
    t.ok(all(m[0].split(b" ")[1].startswith(b"/v1/messages") for m in heard), f"{name}: the target is the API's own",
         [m[0] for m in heard])
    sums = lambda bodies: sorted(hashlib.sha256(b).hexdigest() for b in bodies)
    t.equal(sorted(x["request"]["sha256"] for x in run.exchanges()), sums(m[2] for m in heard),
            f"{name}: the {len(heard)} requests that came are those in the trace")
    said = [x["response"] for x in run.exchanges()]
    t.ok(all(r["status"] == 200 and r["exact"] for r in said), f"{name}: every response is there, whole", said)


# ---- the real client, as it comes, through the relay. What it asks of that server beside, without the relay, fails: it does
# not know the CA.

if why:
    t.skip("Claude Code", why)
else:
    model = "claude-opus-4-8"
    bare, bare_log = claude.play(t, command, model, False)
    home, work = claude.project(t)
    talks = []
    with t.mock(*lib.FAST, "--script", str(claude.SCRIPT)) as mock, tls.front(authority, mock.url, ALPN, 443, talks) as front:
        prefix, client = claude.arguments(None, model, home, command)
        run = t.run(client, ["--upstream", URL, "--cacert", authority.ca], prefix=[*NAMED, *prefix], cwd=work, limit=120)
        t.same_bodies(run, mock, "Claude Code")
    t.equal((run.status, run.out, len(bare_log) >= 4), (bare.status, bare.out, True), "Claude Code: status and output are the bare run's")
    t.valid_trace(run, "Claude Code")
    what_the_server_saw("Claude Code", run, talks, front)
    header = run.lines("header")[0]
    t.equal((header["capture_mode"], header["upstream"]), ("relay", URL), "Claude Code: the trace says who was asked, and how it was captured")
    t.ok(claude.CANARY.encode() not in run.trace.read_bytes(), "Claude Code: the key is nowhere in the trace")
    shown = t.command([lib.KVSCOPE, "show", run.trace, "1", "--request"])
    t.ok("Please look around here." in shown.out, "Claude Code: what was asked stands in the trace in clear", shown.out[:300] + shown.err)

# ---- clients that speak TLS themselves, with the shared OpenSSL library

data, headers = t.path("body"), t.path("headers")
data.write_bytes(plan.body(1, stream=True))
headers.write_text("".join("%s: %s\n" % pair for pair in plan.HEADERS.items()))
ASK = ("import http.client, ssl, sys; x = ssl.create_default_context(cafile=sys.argv[2]); x.set_alpn_protocols(['http/1.1']); "
       "c = http.client.HTTPSConnection(sys.argv[1], context=x); "
       "c.request('POST', '/v1/messages', open(sys.argv[3], 'rb').read(), {'content-type': 'application/json'}); "
       "r = c.getresponse(); r.read(); print(r.status)")
for name, client in (("curl", ["curl", "-sS", "-N", "--http1.1", "--cacert", authority.ca, "-o", "/dev/null", "-w", "%{http_code}\n", "-H",
                               f"@{headers}", "--data-binary", f"@{data}", URL + "/v1/messages"]),
                     ("Python", [PYTHON, "-c", ASK, HOST, authority.ca, data])):
    talks = []
    with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url, ALPN, 443, talks) as front:
        run = t.run(client, prefix=[*NAMED, *CLEAN])
        t.ok((run.status, run.out) == (0, "200\n"), f"{name}: is answered", run.out + run.err)
        t.same_bodies(run, mock, name)
    what_the_server_saw(name, run, talks, front)
    t.equal([(x["capture_mode"], dict(x["request"]["headers"]).get("Host", dict(x["request"]["headers"]).get("host"))) for x in run.exchanges()],
            [("preload-tls", HOST)], f"{name}: read inside of its TLS")

# ---- who only says that he is that server is not talked to

wrong = {"another name": tls.Authority(t, names=("api.anthropic.com.test", "anthropic.com"), name="named"),
         "a CA that is not known": tls.Authority(t, names=(HOST,), name="stranger")}
for name, impostor in wrong.items():
    talks = []
    trusted = impostor.ca if name == "another name" else authority.ca
    ask = "curl -sS -w '\\n%{http_code}\\n' -H 'x-api-key: sk-ant-canary' --data-binary @" + f"{data} " + '"$ANTHROPIC_BASE_URL/v1/messages"'
    with t.mock(*lib.FAST) as mock, tls.front(impostor, mock.url, ALPN, 443, talks) as front:
        run = t.run(["sh", "-c", ask], ["--upstream", URL, "--cacert", trusted], prefix=[*NAMED, *CLEAN])
        t.ok("\n502\n" in run.out and ("subject" if name == "another name" else "certificate") in run.out, f"{name}: refused, with the reason",
             run.out + run.err)
        t.equal((mock.log(), b"".join(bytes(there) for there, _ in talks)), ([], b""), f"{name}: it hears not one byte")

t.done()
