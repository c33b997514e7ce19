#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kvscope run --upstream`: who may use the relay, whom it trusts, what it tells, and what it leaves behind."""
import json
import os
import signal
import socket
import subprocess
import sys

import lib
import tls

sys.path.insert(0, str(lib.CLIENTS))
import plan  # noqa: E402  (found by the line above)

t = lib.Test()
authority = tls.Authority(t)
KEY = "sk-ant-canary-relay-5b1f"
CURL = ["curl", "-sS", "-N", "-w", "\n%{http_code} %{http_version}\n", "-H", "content-type: application/json", "-H",
        f"x-api-key: {KEY}"]
CLEAN = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(("ANTHROPIC", "OPENAI"))}


def body(number, **kwargs):
    path = t.path("body")
    path.write_bytes(plan.body(number, **kwargs))
    return str(path)


def post(file, path="$ANTHROPIC_BASE_URL/v1/messages", *more):
    """A shell command that posts a file."""
    words = [*CURL, *more, "--data-binary", f"@{file}"]
    return " ".join("'" + w + "'" for w in words) + f' "{path}"'


def run(command, upstream, *options, env=CLEAN, ca=authority.ca, **kwargs):
    trust = ["--cacert", ca] if ca else []
    return t.run(["sh", "-c", command], ["--upstream", upstream, *trust, *options], env=env, **kwargs)


# ---- both APIs, many connections, keep-alive

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    r = run("; ".join(post(body(n, stream=n % 2)) for n in range(4)), front.url)
    t.ok(r.status == 0 and r.out.count("\n200 1.1\n") == 4, "four requests through the relay", r.out[-500:] + r.err)
    t.same_bodies(r, mock, "curl")
    t.valid_trace(r, "curl")
    header = r.lines("header")[0]
    t.equal((header["capture_mode"], header["upstream"]), ("relay", front.url), "the trace says how it was captured")
    t.equal({x["capture_mode"] for x in r.exchanges()}, {"relay"}, "and so does each exchange")
    t.equal({dict(x["request"]["headers"])["Host"] for x in r.exchanges()}, {f"localhost:{front.port}"},
            "the server was asked by its own name")
    report = t.command([lib.KVSCOPE, "report", r.trace])
    t.ok("relay" in report.out and front.url in report.out, "the report says so, too", report.out[-800:])

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    chat = t.path("chat")
    chat.write_text(json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}))
    r = run(post(chat, "$OPENAI_BASE_URL/chat/completions"), front.url)
    t.same_bodies(r, mock, "OpenAI")
    t.equal([x["path"] for x in r.exchanges()], ["/v1/chat/completions"], "OpenAI: the version is in the base URL")

with t.mock(*lib.FAST) as mock:
    # A plain server, and a base URL with a path, as gateways have.
    r = run(post(body(5)), mock.url + "/gateway/", ca=None)
    t.equal([x["path"] for x in r.exchanges()], ["/gateway/v1/messages"], "a base URL with a path, plain HTTP")

# ---- the environment is the child's alone

environment = "env | grep -E 'BASE_URL|^[nN][oO]_' | sed 's,127.0.0.1:[0-9]*/[0-9a-f]*,RELAY,' | sort"
r = run(environment, "https://api.anthropic.com", env={**CLEAN, "NO_PROXY": "example.org", "no_proxy": "example.org"})
t.equal(r.out.split(), ["ANTHROPIC_BASE_URL=http://RELAY", "NO_PROXY=example.org,127.0.0.1",
                        "_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL=1", "no_proxy=example.org,127.0.0.1"],
        "for Anthropic: its base URL, first-party features kept, no proxy in between")
r = run(environment, "https://api.openai.com")
t.equal(r.out.split(), ["NO_PROXY=127.0.0.1", "OPENAI_BASE_URL=http://RELAY/v1", "no_proxy=127.0.0.1"], "for OpenAI: the other")

# ---- who may use it

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front, tls.Relay(t, front.url, ca=authority.ca) as relay:
    data = plan.body(6)
    end = b"Host: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    token = relay.token
    wrong = ["/v1/messages", "/", f"/{token[:-1]}/v1/messages", f"/{token}x/v1/messages", f"/{token.upper()}/v1/messages",
             f"/x/{token}/v1/messages", f"//{token}/v1/messages", f"http://127.0.0.1:{relay.port}/{token}/v1/messages"]
    wrong = [w for w in wrong if w != f"/{token}/v1/messages"]
    answers = []
    for path in wrong:
        with relay.connect() as c:
            c.sendall(b"POST %s HTTP/1.1\r\n" % path.encode() + end)
            answers.append(c.makefile("rb").readline().split()[1])
    t.equal(answers, [b"403"] * len(wrong), "without the token: 403, whatever stands in its place")
    with relay.connect() as c:
        c.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        t.equal(c.makefile("rb").readline().split()[1], b"400", "it is no proxy")
    with relay.connect() as c:
        c.sendall(b"GET /%s/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" % token.encode())
        t.equal(c.makefile("rb").readline().split()[1], b"400", "two Host headers are refused")
    t.equal((front.accepted, mock.log()), (0, []), "nothing of all that reaches the server")

    def open_at(address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as s:
            s.settimeout(5)
            return s.connect_ex((address, relay.port)) == 0

    own = subprocess.run(["ip", "-o", "addr"], text=True, capture_output=True, check=True).stdout
    addresses = {word.split("/")[0] for line in own.splitlines() for word in line.split() if "/" in word}
    others = {a for a in addresses | {"127.0.0.2", "::1"} if a != "127.0.0.1" and not a.startswith("fe80")}
    t.equal([a for a in sorted(others) if open_at(a)], [], f"it listens on 127.0.0.1 and on none of {sorted(others)}")
    t.ok(open_at("127.0.0.1"), "there it does")
t.ok("without its token were refused" in relay.err, "that somebody tried is said", relay.err)
help_text = t.command([lib.KVSCOPE, "run", "--help"]).out
t.ok("--upstream" in help_text and "bind" not in help_text and "--host" not in help_text, "no option binds it elsewhere")

# ---- whom it trusts

stranger, named = tls.Authority(t, name="stranger"), tls.Authority(t, names=("other.test",), name="named")
with t.mock(*lib.FAST) as mock:
    for name, certificate, ca, why in (
            ("a CA that nobody knows", authority, None, "certificate"),
            ("another CA", authority, stranger.ca, "certificate"),
            ("a certificate for another name", named, named.ca, "subject")):
        with tls.front(certificate, mock.url) as front:
            r = run(post(body(7)), front.url.replace("127.0.0.1", "localhost"), ca=ca)
            t.ok("\n502 " in r.out and "kvscope relay: https://localhost:" in r.out and why in r.out,
                 f"{name}: refused, and the client is told why", r.out + r.err)
            t.ok("could not be reached 1 time" in r.err and why in r.err, f"{name}: so is the user", r.err)
            t.equal([x["response"]["status"] for x in r.exchanges()], [None], f"{name}: the trace has a request without response")
    t.equal(mock.log(), [], "not one byte of a request came through")
    for variable in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        with tls.front(authority, mock.url) as front:
            r = run(post(body(8)), front.url, ca=None, env={**CLEAN, variable: str(authority.ca)})
            t.ok("\n200 " in r.out, f"{variable} is honoured", r.out + r.err)
for options, words in ((["--cacert", "/nonexistent.pem"], "/nonexistent.pem: No such file"),
                       (["--cacert", __file__], "holds no certificate")):
    r = t.run(["true"], ["--upstream", "https://localhost:1", *options], env=CLEAN)
    t.ok(r.status == 2 and words in r.err, f"--cacert: {words}", r.err)
for url in ("localhost:8080", "ftp://localhost/", "https://user:secret@localhost/", "https://localhost/?a=b", "https://"):
    r = t.run(["true"], ["--upstream", url], env=CLEAN)
    t.ok(r.status == 2 and r.err.startswith("kvscope: run: --upstream: ") and "secret" not in r.err, f"--upstream {url} is refused",
         r.err)

# ---- proxies

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    for name, allow in (("a proxy that lets it through", True), ("a proxy that does not", False)):
        asked = []
        with tls.proxy(asked, allow) as proxy:
            env = {**CLEAN, "HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "http_proxy": proxy.url}
            r = run(post(body(9)), f"https://{tls.NAME}:{front.port}", env=env)
            t.equal(asked, [f"{tls.NAME}:{front.port}"], f"{name}: it is asked once, by the relay")
            t.ok(("\n200 " if allow else "\n502 ") in r.out, f"{name}: and the outcome is passed on", r.out + r.err)
    with tls.proxy([]) as proxy:
        r = run(post(body(9)), front.url, env={**CLEAN, "HTTPS_PROXY": proxy.url, "NO_PROXY": "localhost"})
        t.ok("\n200 " in r.out and proxy.accepted == 0, "NO_PROXY is honoured", r.out + r.err)

# ---- what it leaves behind

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    state = t.path("state")
    env = {**CLEAN, "XDG_STATE_HOME": str(state)}
    secret = t.path("headers")
    secret.write_text(f"x-api-key: {KEY}\n")
    command = post(body(10)).replace(f"x-api-key: {KEY}", f"@{secret}") + '; echo "$ANTHROPIC_BASE_URL"; grep -l "$XDG_STATE_HOME" /dev/shm/kvscope*/run.json "$XDG_RUNTIME_DIR"/kvscope*/run.json 2>/dev/null'
    r = t.command([lib.KVSCOPE, "run", "--upstream", front.url, "--cacert", authority.ca, "--", "sh", "-c", command], env=env)
    token = r.out.split("http://127.0.0.1:")[1].split()[0].split("/")[1]
    files = [p for p in state.rglob("*") if p.is_file()]
    t.ok(len(files) == 1 and len(token) == 48, "one file, and a token of 192 bits", files)
    t.equal([w for w in (KEY, token) if any(w.encode() in p.read_bytes() for p in files)], [], "neither key nor token is in it")
    notes = [line for line in r.out.splitlines() if line.endswith("run.json")]
    t.equal((len(notes), any(map(os.path.exists, map(os.path.dirname, notes)))), (1, False), "the ring was there, and is gone")

    r = run(post(body(11, stream=True)), front.url, "--content", "none")
    t.ok(len(r.exchanges()) == 1 and b"You are" not in r.trace.read_bytes(), "--content none: no text")

# ---- settings that send the client elsewhere

project = t.path("project")
(project / ".claude").mkdir(parents=True)
(project / ".claude/settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "http://elsewhere.test"}}')
r = run("true", "https://api.anthropic.com", ca=None, cwd=project)
t.ok("settings.json sets ANTHROPIC_BASE_URL to http://elsewhere.test" in r.err and "will not use the relay" in r.err,
     "a settings file that overrides the base URL is named", r.err)
t.ok("0 requests seen" in r.err and "nothing to the relay" in r.err, "and that nothing came is said", r.err)

# ---- a static program, which no library can be preloaded into

static = t.path("static")
source = t.path("static.c")
source.write_text("""
#include <arpa/inet.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	int port = 0;
	char token[100], out[1000], body[] = "{\\"model\\":\\"m\\",\\"max_tokens\\":3,\\"messages\\":[]}";
	sscanf(getenv("ANTHROPIC_BASE_URL"), "http://127.0.0.1:%d/%99s", &port, token);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (void *)&to, sizeof(to)) < 0)
		return 1;
	int n = snprintf(out, sizeof(out), "POST /%s/v1/messages HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: %zu\\r\\n\\r\\n%s",
			 token, strlen(body), body);
	if (write(fd, out, n) != n)
		return 1;
	while (read(fd, out, sizeof(out)) > 0)
		;
	return 0;
}
""")
if subprocess.run(["gcc", "-static", "-o", static, source], capture_output=True, check=False).returncode == 0:
    with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
        r = t.run([static], ["--upstream", front.url, "--cacert", authority.ca], env=CLEAN)
        t.ok(r.status == 0 and "will not be seen" not in r.err, "a static program is recorded", r.err)
        t.same_bodies(r, mock, "static")
else:
    t.skip("a static program", "there is no static libc")

# ---- deaths

with t.mock(*lib.FAST) as mock, tls.front(authority, mock.url) as front:
    relay = tls.Relay(t, front.url, ca=authority.ca)
    kvscope, worker = relay.pids()
    data = plan.body(12)
    request = b"POST /%s/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (relay.token.encode(), len(data)) + data
    with relay.connect() as c:
        c.sendall(request)
        first = c.recv(65536)
        os.kill(kvscope, signal.SIGSTOP)
        c.sendall(request)
        t.ok(c.recv(65536).startswith(b"HTTP/1.1 200"), "kvscope stopped: the relay goes on")
        os.kill(kvscope, signal.SIGKILL)
        relay.process.wait()
        c.sendall(request)
        t.ok(c.recv(65536).startswith(b"HTTP/1.1 200"), "kvscope killed: the relay goes on")
        relay.process.stdin.close()
    alive = lambda: os.path.exists(f"/proc/{worker}") and "Z" not in open(f"/proc/{worker}/stat", encoding="utf-8").read().split()[2]
    t.ok(lib.wait_for(lambda: not alive(), 20), "and ends after the command and its connections")
    orphans = json.loads(t.command([lib.KVSCOPE, "collect", "--json"], env=CLEAN).out)
    ring = next(o["ring"] for o in orphans if o["trace"] == str(relay.trace))
    later = t.path("later.jsonl")
    r = t.command([lib.KVSCOPE, "collect", "-o", later, ring], env=CLEAN)
    lines = [json.loads(line) for trace in (relay.trace, later) for line in open(trace, encoding="utf-8")]
    seen = [x for x in lines if x["type"] == "exchange"]
    t.equal((len(seen), {x["capture_mode"] for x in seen}), (3, {"relay"}), "what it recorded is collected later")
    relay.status = -9
    relay.process.stdout.close()

    with tls.Relay(t, front.url, ca=authority.ca) as relay:
        os.kill(relay.pids()[1], signal.SIGKILL)
    t.ok(relay.status == 0 and "the relay was killed by signal 9" in relay.err, "a relay that is killed is told of", relay.err)

t.done()
