# SPDX-License-Identifier: MIT
"""undo.py for OpenAI's Chat Completions API: takes a request and the one before, and undoes one cause that was named.

Nothing here knows what was planted. What a cause is not about stays as it is.
"""
import copy
import re

TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d)?")
ENVIRONMENT = re.compile(r"<env>.*?</env>", re.S)


def texts_of(message):
    """(holder, key) of each text of a message."""
    if isinstance(message.get("content"), list):
        return [(block, "text") for block in message["content"]]
    return [(message, "content")]


def again(pattern):
    """What matches becomes again what matched in the same text before."""
    def undo(old, new):
        for m, n in zip(old["messages"], new["messages"]):
            for (a, p), (b, q) in zip(texts_of(m), texts_of(n)):
                found = iter(pattern.findall(a[p]))
                b[q] = pattern.sub(lambda match: next(found, match.group()), b[q])
    return undo


def tools(old, new):
    new["tools"] = copy.deepcopy(old["tools"])


def head(old, new):
    new["messages"][0] = copy.deepcopy(old["messages"][0])


def history(old, new):
    """All that was said, but for the reasoning."""
    for m, n in zip(old["messages"][1:], new["messages"][1:]):
        for key in "content", "tool_calls":
            if key in m:
                n[key] = copy.deepcopy(m[key])


def answers(old, new):
    for m, n in zip(old["messages"], new["messages"]):
        if n["role"] == "assistant":
            n["content"] = copy.deepcopy(m["content"])


def reasoning(old, new):
    for m, n in zip(old["messages"], new["messages"]):
        if "reasoning_content" in m:
            n["reasoning_content"] = m["reasoning_content"]


def window(old, new):
    """The messages that are missing, in front of the first one that is left."""
    left = next(m for m in new["messages"][1:] if m in old["messages"])
    new["messages"][1:1] = copy.deepcopy(old["messages"][1:old["messages"].index(left)])


UNDO = {
    "tools_reordered": tools, "tools_grown": tools, "tools_changed": tools, "date_changed": again(TIME),
    "environment_changed": again(ENVIRONMENT), "system_changed": head, "messages_changed": history,
    "content_shape_changed": answers, "thinking_dropped_by_client": reasoning, "history_trimmed": window,
}


def undo(causes, old, new):
    """The newer request without these causes; neither argument changes."""
    old, new = copy.deepcopy(old), copy.deepcopy(new)
    for cause in causes:
        UNDO[cause](old, new)
    return new
