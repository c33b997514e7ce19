# SPDX-License-Identifier: MIT
"""Takes a request and the one before, and undoes one cause that `kvscope why` has named: the test of its word.

Nothing here knows what was planted. What a cause is not about stays as it is, so undoing a wrong one brings nothing back.
"""
import copy
import re

DATE = re.compile(r"\d{4}-\d\d-\d\d")
ATTESTATION = re.compile(r"cch=[0-9a-f]{5}")
REMINDER = "<system-reminder>"


def blocks(message):
    """The blocks of a message, in place; a string becomes one block."""
    if isinstance(message["content"], str):
        message["content"] = [{"type": "text", "text": message["content"]}]
    return message["content"]


def text_of(block):
    return block.get("text") or (block["content"] if isinstance(block.get("content"), str) else "")


def set_text(block, text):
    block["text" if "text" in block else "content"] = text


def pairs(old, new):
    """Blocks that stand in the same place of both requests."""
    for a, b in zip(old["system"], new["system"]):
        yield a, b
    for m, n in zip(old["messages"], new["messages"]):
        yield from zip(blocks(m), blocks(n))


def texts(change):
    """Undoes something inside texts: change(old text, new text) -> text."""
    def undo(old, new):
        for a, b in pairs(old, new):
            if text_of(a) and text_of(b):
                set_text(b, change(text_of(a), text_of(b)))
    return undo


def again(pattern):
    """What matches becomes again what matched in the old text, one after the other."""
    def change(old, new):
        found = iter(pattern.findall(old))
        return pattern.sub(lambda m: next(found, m.group()), new)
    return change


def section(begin, end):
    pattern = re.compile(re.escape(begin) + ".*?" + (re.escape(end) if end else r"\Z"), re.S)
    return again(pattern)


def tools(old, new):
    new["tools"] = copy.deepcopy(old["tools"])


def billing(old, new):
    texts(lambda a, b: a if b.startswith("x-anthropic-billing-header:") else b)(old, new)


def identity(old, new):
    for a, b in zip(old["system"], new["system"]):
        if b["text"].startswith("You are "):
            b["text"] = a["text"]


def system(old, new):
    for a, b in zip(old["system"], new["system"]):
        if not b["text"].startswith(("You are ", "x-anthropic-billing-header:")):
            b["text"] = a["text"]


def assistant(old, new):
    for m, n in zip(old["messages"], new["messages"]):
        if n["role"] == "assistant":
            n["content"] = copy.deepcopy(m["content"])


def results(old, new):
    for a, b in pairs(old, new):
        if b["type"] == "tool_result" and REMINDER in text_of(b) + text_of(a):
            set_text(b, text_of(a))


def is_reminder(block):
    return REMINDER in text_of(block) and "# claudeMd" not in text_of(block) and block["type"] == "text"


def reminders(old, new):
    """Each message has the reminders again that it had, at the same places, and no others of them anywhere."""
    had = {text_of(b) for m in old["messages"] for b in blocks(m) if is_reminder(b)}
    for n in new["messages"][:len(old["messages"])]:
        n["content"] = [b for b in blocks(n) if not is_reminder(b)]
    for n in new["messages"][len(old["messages"]):]:
        n["content"] = [b for b in blocks(n) if text_of(b) not in had]
    for m, n in zip(old["messages"], new["messages"]):
        for at, b in enumerate(blocks(m)):
            if is_reminder(b):
                n["content"].insert(at, copy.deepcopy(b))


def memory(old, new):
    """The first message has its block of memory files again, as it was."""
    texts(section("# claudeMd", "# currentDate"))(old, new)
    had = [b for b in blocks(old["messages"][0]) if "# claudeMd" in text_of(b)]
    if had and not any("# claudeMd" in text_of(b) for b in blocks(new["messages"][0])):
        blocks(new["messages"][0]).insert(blocks(old["messages"][0]).index(had[0]), copy.deepcopy(had[0]))


def system_turns(old, new):
    for m, n in zip(old["messages"], new["messages"]):
        if n["role"] == "system":
            n["content"] = copy.deepcopy(m["content"])


def reroled(_old, new):
    """What CLAUDE_CODE_MODEL_CAPABILITIES=-mid_conv_system does: these texts are reminders of the user's turn."""
    for n in new["messages"]:
        if n["role"] == "system":
            n["role"] = "user"


UNDO = {
    "billing_header": billing, "identity_changed": identity, "system_changed": system,
    "tools_reordered": tools, "tools_grown": tools, "tools_changed": tools,
    "date_changed": texts(again(DATE)), "git_status_changed": texts(section("gitStatus", "")),
    "environment_changed": texts(section("<env>", "</env>")), "memory_changed": memory,
    "attestation_in_history": texts(again(ATTESTATION)), "messages_changed": assistant, "content_shape_changed": assistant,
    "reminder_folded_into_tool_result": results, "reminder_migrated": reminders, "reminder_changed": reminders,
    "total_tokens_reminder": system_turns, "system_turn_hoisted": reroled,
}


def undo(causes, old, new):
    """The newer request without these causes; neither argument changes."""
    old, new = copy.deepcopy(old), copy.deepcopy(new)
    for cause in causes:
        UNDO[cause](old, new)
    return new
