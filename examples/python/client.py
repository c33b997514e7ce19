# SPDX-License-Identifier: MIT
"""A chat of four turns over the Anthropic Messages API with nothing but the standard library: client.py BASE_URL."""
import http.client
import json
import sys
import urllib.parse

SYSTEM = "You are a patient teacher of computing.\n" + "".join(
    f"{n}. Explain one thing at a time, and give an example for it before you go on.\n" for n in range(1, 80))
QUESTIONS = ["What is a prefix cache?", "And what does it save?", "When does it miss?", "How do I see that?"]


def ask(connection, messages):
    """Sends the conversation, returns the text of the streamed answer."""
    body = json.dumps({"model": "claude-sonnet-4-5", "max_tokens": 256, "stream": True, "system": SYSTEM,
                       "messages": messages})
    connection.request("POST", "/v1/messages", body, {
        "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "sk-ant-example"})
    response = connection.getresponse()
    if response.status != 200:
        sys.exit(f"status {response.status}: {response.read(500).decode(errors='replace')}")
    text = ""
    for line in response:
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            if event["type"] == "content_block_delta":
                text += event["delta"].get("text", "")
            elif event["type"] == "error":
                sys.exit(event["error"]["message"])
    return text


def main():
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(sys.argv[1]).netloc)
    messages = []
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        answer = ask(connection, messages)
        messages.append({"role": "assistant", "content": answer})
        print(f"python: {question} -> {answer[:60]!r}")


main()
