# SPDX-License-Identifier: MIT
"""Talks to `claude -p --input-format stream-json` as a program would: one message, its result, the next message.

    stream_json.py MESSAGES.json PAUSE COMMAND...      so many seconds between a result and the next message
"""
import json
import subprocess
import sys
import threading
import time

with open(sys.argv[1], encoding="utf-8") as f:
    messages = json.load(f)
pause = float(sys.argv[2])
client = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
threading.Timer(90 + len(messages) * pause, client.kill).start()
for n, text in enumerate(messages):
    time.sleep(pause if n > 0 else 0)
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
