# SPDX-License-Identifier: MIT
"""Sends requests one at a time, as it is told on stdin: a line of [session, agent, body]; answers "STATUS" on stdout."""
import http.client
import json
import sys

host, port = sys.argv[1].removeprefix("http://").split(":")
connection = http.client.HTTPConnection(host, int(port), timeout=30)
for line in sys.stdin:
    session, agent, body = json.loads(line)
    headers = {"Content-Type": "application/json", "X-Claude-Code-Session-Id": session}
    if agent:
        headers["X-Claude-Code-Agent-Id"] = agent
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    response = connection.getresponse()
    response.read()
    print(response.status, flush=True)
