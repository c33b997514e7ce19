# SPDX-License-Identifier: MIT
"""A server of the Model Context Protocol on stdin and stdout that offers the tools named by its arguments. What $WORDS says
is the end of their descriptions."""
import json
import os
import sys

WORDS = os.environ.get("WORDS", "")

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method = message["method"]
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "extra", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "description": f"Does {name} and nothing else, as often as it is asked to. {WORDS}".strip(),
                             "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}}}
                            for name in sys.argv[1:]]}
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
