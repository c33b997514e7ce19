# SPDX-License-Identifier: MIT
"""Sends the requests of a JSON file, [[session, agent, body], ...], one after the other over one connection."""
import http.client
import json
import sys

host, port = sys.argv[1].removeprefix("http://").split(":")
connection = http.client.HTTPConnection(host, int(port), timeout=30)
with open(sys.argv[2], encoding="utf-8") as f:
    for session, agent, body in json.load(f):
        headers = {"Content-Type": "application/json", "X-Claude-Code-Session-Id": session,
                   "User-Agent": "sessions/1.0 (test)"}
        if agent:
            headers["X-Claude-Code-Agent-Id"] = agent
        connection.request("POST", "/v1/messages", json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            sys.exit(f"{response.status} for a request of {session}")
