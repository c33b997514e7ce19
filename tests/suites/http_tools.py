# SPDX-License-Identifier: MIT
"""curl against nginx: each call with its status, what it printed, and what it saved."""
import hashlib
import os
import re
import shutil
import subprocess

import suite

NAME = "curl and nginx"
PACKAGES = ["curl", "nginx-light", "openssl"]

CONFIGURATION = """
daemon off; master_process off; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; client_max_body_size 64m; gzip on; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port}; root {folder}/root;
    location /moved {{ return 301 /small; }}
    location /loop {{ return 302 /loop; }}
    location /gone {{ return 410; }}
    location /empty {{ return 204; }}
    location /closed {{ return 444; }}
    location /say {{ return 200 "$request_method $http_x_word $content_length\\n"; }}
    location /slow {{ limit_rate 200k; alias {folder}/root/large; }}
  }}
  server {{
    listen 127.0.0.1:{tls} ssl http2; root {folder}/root; ssl_certificate {folder}/cert; ssl_certificate_key {folder}/key;
  }}
}}
"""

CALLS = """
-s URL/small
-s -i URL/small
-s -I URL/large
-s -o SAVED URL/large
-s --compressed -o SAVED URL/text
-s -r 100-199 URL/large
-s -r 100-199,300-399 URL/large
-s -C 500000 -o SAVED URL/large
-s -L URL/moved
-s URL/moved
-s -L --max-redirs 5 URL/loop
-s -f URL/gone
-s URL/gone
-s URL/empty
-s URL/closed
-s URL/missing
-s -X POST -H X-Word:hello -d some=data URL/say
-s -T LARGE URL/say
-s --data-binary @LARGE -H X-Word:a -H Expect: URL/say
-s --data-binary @LARGE -H Transfer-Encoding:chunked URL/say
-s -F file=@LARGE URL/say
-s -0 URL/small
-s --http1.1 -H Connection:close URL/small
-s URL/small URL/small URL/small URL/text
-sS --no-progress-meter -Z URL/small URL/small URL/small
-s -o SAVED URL/slow
-s --limit-rate 2M -o SAVED URL/large
-s -m 0.3 -o /dev/null URL/slow
-s -k TLS/small
-s -k -o SAVED TLS/large
-s -k --http2 TLS/small
-s -k --http1.1 -i TLS/small
-s -k --tls-max 1.2 TLS/small
-s TLS/small
-s --cacert CERT --resolve localhost:TLSPORT:127.0.0.1 https://localhost:TLSPORT/small
-s http://127.0.0.1:1/
-s --connect-timeout 1 http://127.0.0.1:1/ URL/small
-s -u user:word URL/small
-s --interface lo URL/small
-s --local-port 30000-40000 URL/small
-s -w %{http_code}_%{size_download}_%{num_connects} -o /dev/null URL/large URL/small
-s --keepalive-time 2 URL/small
-s --tcp-fastopen URL/small
-s --no-keepalive --tcp-nodelay URL/small
-s -x URL http://elsewhere.invalid/small
-s -p -x URL http://elsewhere.invalid/small
-s telnet://127.0.0.1:PORT
"""


def results(runner, only=None):
    folder, root = runner.folder, runner.folder / "root"
    root.mkdir()
    large = bytes(range(256)) * 12000
    (root / "small").write_text("a few words\n")
    (root / "large").write_bytes(large)
    (root / "text").write_text("the same line again\n" * 5000)
    port, tls = suite.free_port(), suite.free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-out", folder / "cert",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True,
                   capture_output=True)
    (folder / "nginx.conf").write_text(("" if os.getuid() else "user root;") + CONFIGURATION.format(folder=folder, port=port, tls=tls))
    found = {}
    with suite.server([shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"], port):
        for call in CALLS.strip().splitlines():
            if only is not None and call not in only:
                continue
            saved = folder / "saved"
            saved.unlink(missing_ok=True)
            words = {"URL": f"http://127.0.0.1:{port}", "TLSPORT": str(tls), "TLS": f"https://127.0.0.1:{tls}", "SAVED": str(saved),
                     "LARGE": str(root / "large"), "CERT": str(folder / "cert"), "PORT": str(port)}
            argv = [re.sub("|".join(words), lambda m: words[m[0]], word) for word in call.split(" ")]
            status, out, err = runner.run(["curl", *argv], limit=30, stdin=b"GET /small HTTP/1.0\r\n\r\n")
            out = re.sub(rb"^(Date|Last-Modified|ETag|Server):.*\r\n|boundary=\S+|--0\d+", b"", out, flags=re.I | re.M)
            out = re.sub(rb"\b%d\b|\b%d\b" % (port, tls), b"PORT", out)
            if "-F" in argv:
                out = re.sub(rb"\d+", b"N", out)
            digest = hashlib.sha256(out + err).hexdigest()[:12]
            kept = hashlib.sha256(saved.read_bytes()).hexdigest()[:12] if saved.exists() else "-"
            found[call] = f"{status} {digest} {kept}"
    return found
