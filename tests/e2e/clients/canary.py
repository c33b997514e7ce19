# SPDX-License-Identifier: MIT
"""Sends secrets wherever a client may have them: canary.py PORT PLAN, where PLAN is JSON {place: secret} (t370_canary.py)."""
import http.client
import json
import os
import signal
import socket
import sys

port, plan = int(sys.argv[1]), json.load(open(sys.argv[2], encoding="utf-8"))
mode = json.load(open(sys.argv[3], encoding="utf-8")) if len(sys.argv) > 3 else {}


def body(text="hello", **more):
    return json.dumps({"model": f"m-{plan['model']}", "max_tokens": 5, "messages": [{"role": "user", "content": text}], **more})


def send(path="/v1/messages", data=None, headers=(), **kwargs):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, data or body(), dict(headers), **kwargs)
    connection.getresponse().read()
    connection.close()


def raw(data):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(data.encode())
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass


sys.stdin.read()
ring = os.environ.get("KVSCOPE_RING", "")
if ring:
    folder = os.path.dirname(ring)
    print(json.dumps({name: oct(os.lstat(os.path.join(folder, name)).st_mode & 0o7777)
                      for name in [".", *os.listdir(folder)]}), folder, flush=True)
if mode.get("kill"):
    os.kill(os.getppid(), signal.SIGKILL)
send(headers={name.partition(" ")[2]: secret for name, secret in plan.items() if name.startswith("header ")})
send(headers={f"X-{plan['name of a header']}": "v", "User-Agent": f"tool {plan['User-Agent']}",
              "X-Claude-Code-Session-Id": plan["session id"]})
send(headers={"User-Agent": f"tool {plan['User-Agent with a key']}"})
query = "&".join(f"{name.partition(' ')[2]}={secret}" for name, secret in plan.items() if name.startswith("query "))
send(f"/v1/messages?{plan['name in a query']}=1&{query}")
send(data=body(plan["text of a message"], api_key=plan["api_key field"], metadata={"user_id": plan["metadata.user_id"]}))
send("/v1/chat/completions", body(plan["text of a message"], api_key=plan["api_key field"]))
text = body()
raw(f"POST http://user:{plan['user:password in the target']}@127.0.0.1/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}")
raw(f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    f"{len(text):x}\r\n{text}\r\n0\r\nX-Trailer: {plan['trailer']}\r\n\r\n")
send("/fail", body(plan["text of a message"]))
send("/v1/messages?fail=1", body("fail"))
send("/login", json.dumps({"password": plan["body of other HTTP"]}), {"Cookie": plan["header of other HTTP"]})
raw(f"AUTH {plan['no HTTP']}\r\n")
print(plan["standard output"])
print(plan["standard error"], file=sys.stderr)
