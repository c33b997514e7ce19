# SPDX-License-Identifier: MIT
"""What the Python clients send: the same bytes every time, so that two runs can be compared."""
import json


def body(number, stream=False, bytes_of_text=200):
    text = f"Request number {number}. " + "All work and no play. " * (bytes_of_text // 22)
    return json.dumps({
        "model": "claude-sonnet-4-5",
        "max_tokens": 16,
        "system": "You are terse.",
        "messages": [{"role": "user", "content": text}],
        "stream": stream,
    }).encode()


HEADERS = {
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
    "x-api-key": "sk-ant-canary-0123456789",
}
