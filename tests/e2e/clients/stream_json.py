# SPDX-License-Identifier: MIT
"""Talks to `claude -p --input-format stream-json` as a program would: one message, its result, the next message.

    stream_json.py MESSAGES.json COMMAND...
"""
import json
import subprocess
import sys
import threading

with open(sys.argv[1], encoding="utf-8") as f:
    messages = json.load(f)
client = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
threading.Timer(90, client.kill).start()
for text in messages:
    client.stdin.write(json.dumps({"type": "user", "message": {"role": "user", "content": text}}) + "\n")
    client.stdin.flush()
    for line in client.stdout:
        if json.loads(line).get("type") == "result":
            break
client.stdin.close()
client.stdout.read()
status = client.wait()
for thread in threading.enumerate():
    if isinstance(thread, threading.Timer):
        thread.cancel()
sys.exit(status)
