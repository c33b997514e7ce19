# SPDX-License-Identifier: MIT
"""Requests per second of wrk against nginx: wrk.py PAIRS SECONDS [ARM,...]. See b4_wrk.sh."""
import json
import os
import re
import shutil
import subprocess
import sys

import bench
import lib

sys.path.insert(0, str(lib.ROOT / "tests/suites"))
import suite  # noqa: E402

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; keepalive_requests 100000000;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type text/plain; {plain} }}
    location /v1/messages {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
"""
SERVE = 'return 200 "a few words\\n";'
PROXY = 'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";'
ANSWER = json.dumps({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "words"}],
                     "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 1}})
SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"words"}]}'
"""


def main():
    pairs, seconds = int(sys.argv[1]), int(sys.argv[2])
    if missing := suite.install(["wrk", "nginx-light", "strace"]):
        print(f"b4: not measured: {', '.join(missing)} cannot be installed")
        return
    t = lib.Test()
    folder, proxy, port, proxy_port = t.path("nginx"), t.path("proxy"), suite.free_port(), suite.free_port()
    for at, listen, plain in ((folder, port, SERVE), (proxy, proxy_port, PROXY)):
        at.mkdir()
        (at / "nginx.conf").write_text(("" if os.getuid() else "user root;") + CONFIGURATION.format(
            folder=at, port=listen, behind=port, plain=plain, answer=ANSWER))
    (folder / "post.lua").write_text(SCRIPT)
    get = ["wrk", "-t1", "-c8", f"-d{seconds}", f"http://127.0.0.1:{port}/"]
    post = [*get[:-1], "-s", folder / "post.lua", f"http://127.0.0.1:{port}/v1/messages"]
    through = [*get[:-1], f"http://127.0.0.1:{proxy_port}/"]
    losses = []

    def run(kind, command):
        trace = t.path("trace.jsonl")
        env = {**os.environ, "LD_PRELOAD": str(bench.NOP)} if kind == "nop" else None
        argv = {"kvscope": [lib.KVSCOPE, "run", "-q", "-o", trace, "--", *command],
                "strace": ["strace", "-f", "-qq", "-e", "trace=network,read,write", "-o", "/dev/null", *command]}.get(kind, command)
        done = t.command(argv, env=env, limit=seconds + 60)
        requests = re.search(r"(\d+) requests in", done.out)
        if done.status != 0 or not requests or "Non-2xx" in done.out or "Socket errors" in done.out:
            sys.exit(f"b4: {kind}: status {done.status}\n{done.out}{done.err}")
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.out)[1])
        if kind == "kvscope":
            seen, full = 0, 0
            with open(trace, encoding="utf-8") as f:
                for line in f:
                    seen += line.startswith('{"type":"exchange"')
                    if line.startswith('{"type":"loss"'):
                        full = json.loads(line)["ring"]["dropped"]["full"]
            losses.append((command is post, int(requests[1]), seen, full))
            trace.unlink()
        return rate

    kinds = (("bare", "bare", get), ("bare again", "bare", get), ("nop", "nop", get), ("watched", "kvscope", get),
             ("POST bare", "bare", post), ("POST bare again", "bare", post), ("POST recorded", "kvscope", post), ("strace", "strace", get),
             ("a proxy (nginx)", "bare", through))
    wanted = sys.argv[3].split(",") if len(sys.argv) > 3 and sys.argv[3] else [name for name, _, _ in kinds]
    if unknown := set(wanted) - {name for name, _, _ in kinds}:
        sys.exit(f"b4: no such arm: {', '.join(sorted(unknown))}; there are {', '.join(name for name, _, _ in kinds)}")
    # What they are compared with is always there.
    kinds = [k for k in kinds if k[0] in wanted or k[0] == ("POST bare" if any(w.startswith("POST") for w in wanted) else "bare")
             or (k[0] == "bare" and any(not w.startswith("POST") for w in wanted))]
    names = [name for name, _, _ in kinds]
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    with suite.server([nginx, "-p", folder, "-c", folder / "nginx.conf"], port), \
            suite.server([nginx, "-p", proxy, "-c", proxy / "nginx.conf"], proxy_port):
        run("bare", get)
        runs = [[run(kind, command) for _, kind, command in kinds] for _ in range(pairs)]
    print(f"b4: wrk -t1 -c8 against one worker of nginx, {pairs} pairs of {seconds} s; {bench.load_text()}")
    for i, (name, _, _) in enumerate(kinds):
        base = names.index("POST bare" if name.startswith("POST") else "bare")
        against = "" if i == base else f"  {bench.ratio_text([r[base] for r in runs], [r[i] for r in runs])}"
        print(f"  {name:<16} {bench.median([r[i] for r in runs]):10.0f} requests/s{against}")
    for recorded, name in ((True, "recorded"), (False, "watched")):
        mine = [x for x in losses if x[0] == recorded]
        if not mine:
            continue
        print(f"  {name}: {sum(x[1] for x in mine)} requests"
              + (f", {sum(x[2] for x in mine)} in the traces ({100 * sum(x[2] for x in mine) / sum(x[1] for x in mine):.2f} %)" if recorded else "")
              + f", {sum(x[3] for x in mine)} records dropped for a full ring")


main()
