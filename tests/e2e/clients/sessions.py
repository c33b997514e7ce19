# SPDX-License-Identifier: MIT
"""Sends the requests of a JSON file, [[session, agent, body], ...], one after the other over one connection.

    sessions.py URL FILE [PATH]      null for a session or an agent: no such header
"""
import http.client
import json
import sys

host, port = sys.argv[1].removeprefix("http://").split(":")
path = sys.argv[3] if len(sys.argv) > 3 else "/v1/messages"
connection = http.client.HTTPConnection(host, int(port), timeout=30)
with open(sys.argv[2], encoding="utf-8") as f:
    for session, agent, body in json.load(f):
        headers = {"Content-Type": "application/json", "User-Agent": "sessions/1.0 (test)"}
        if session:
            headers["X-Claude-Code-Session-Id"] = session
        if agent:
            headers["X-Claude-Code-Agent-Id"] = agent
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            sys.exit(f"{response.status} for a request of {session}")
