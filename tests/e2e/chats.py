# SPDX-License-Identifier: MIT
"""Generated conversations over OpenAI's Chat Completions API, with breakers that clients of it produce.

What `sessions.py` is for Anthropic's API. No header says here which request belongs to which conversation. Three habits of
clients take turns: a `system` or a `developer` message, strings or lists of blocks, reasoning that is sent back or is not.
"""
import copy
import dataclasses
import json
import random

from sessions import Session, prose

STAMP = "2026-11-23T09:14:02"


def tool(rng, name):
    return {"type": "function", "function": {
        "name": name, "description": prose(rng, rng.randint(40, 120)),
        "parameters": {"type": "object", "properties": {"path": {"type": "string", "description": prose(rng, 9)}}}}}


@dataclasses.dataclass
class Habits:
    head: str  # the role of the system prompt
    blocks: bool  # content as lists of blocks
    reasoning: bool  # reasoning_content goes back to the server
    stamps: bool  # every user message begins with the time


class Chat:
    """Grows by turns; `request` takes a picture of it."""

    def __init__(self, rng, name):
        self.rng = rng
        self.habits = Habits(rng.choice(("system", "developer")), rng.random() < 0.4, rng.random() < 0.5, rng.random() < 0.5)
        self.calls = 0
        self.indent = None  # of the JSON of a call's arguments
        self.rules = f"You help with chat {name}. " + prose(rng, rng.randint(300, 700)) + \
            "\nCurrent date: 2026-11-23\n" + prose(rng, 60) + \
            "\n<env>\n  Working directory: /home/me/project\n  Platform: linux\n</env>\n" + prose(rng, 40)
        self.tools = [tool(rng, n) for n in ("shell", "read_file", "edit_file", "search", "list_files")]
        self.messages = []

    def ask(self, text):
        stamp = f"[{STAMP[:-2]}{len(self.messages) + 2:02}] " if self.habits.stamps else ""
        self.messages.append({"role": "user", "content": stamp + text})

    def speak(self, text, **more):
        reasoning = {"reasoning_content": prose(self.rng, 60)}
        self.messages.append({"role": "assistant", "content": text, **(reasoning if self.habits.reasoning else {}), **more})

    def work(self):
        """One round: the assistant calls one or two tools, their results come back."""
        calls = []
        for _ in range(self.rng.randint(1, 2)):
            self.calls += 1
            calls.append({"id": f"call_{self.calls}", "type": "function", "function": {
                "name": "read_file", "arguments": json.dumps({"path": f"src/{prose(self.rng, 1)}c", "line": self.calls})}})
        self.speak(prose(self.rng, 20), tool_calls=calls)
        for call in calls:
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": prose(self.rng, 110)})

    def turn(self):
        """An answer, and the next question."""
        self.speak(prose(self.rng, 40))
        self.ask(prose(self.rng, 25))

    def content(self, text):
        return [{"type": "text", "text": text}] if self.habits.blocks and isinstance(text, str) else text

    def request(self):
        messages = [{"role": self.habits.head, "content": self.content(self.rules)}]
        for m in copy.deepcopy(self.messages):
            if m["role"] in ("user", "system"):
                m["content"] = self.content(m["content"])
            messages.append(m)
        return {"model": "local-model", "messages": messages, "tools": copy.deepcopy(self.tools), "max_tokens": 60,
                "stream": True, "stream_options": {"include_usage": True}}


def old_message(c, role, suits=lambda m: True):
    """A message of the history that is neither the first nor of the last turns."""
    for m in c.messages[1:-5]:
        if m["role"] == role and suits(m):
            return m
    raise ValueError("nothing to change")


def whole(m):
    return isinstance(m["content"], str)


def plant_reordered(c):
    c.tools = c.tools[2:] + c.tools[:2]


def plant_grown(c):
    c.tools.insert(1, tool(c.rng, "fetch_url"))


def plant_shrunk(c):
    del c.tools[2]


def plant_tool_text(c):
    c.tools[1]["function"]["description"] += " At most 2,000 lines are read."


def plant_tool_schema(c):
    c.tools[2]["function"]["parameters"]["properties"]["limit"] = {"type": "integer"}


def plant_date(c):
    c.rules = c.rules.replace("2026-11-23", "2026-11-24")


def plant_environment(c):
    c.rules = c.rules.replace("/home/me/project", "/home/me/elsewhere")


def plant_rules(c):
    c.rules = c.rules.replace("You help with", "You are a careful programmer and help with")


def plant_stamp(c):
    """The time in front of the first question is written anew with every request."""
    if STAMP not in c.messages[0]["content"]:
        raise ValueError("no time to write")
    c.messages[0]["content"] = c.messages[0]["content"].replace("T09:14", "T09:21")


def plant_shape(c):
    m = old_message(c, "assistant", whole)
    half = len(m["content"]) // 2
    m["content"] = [{"type": "text", "text": m["content"][:half]}, {"type": "text", "text": m["content"][half:]}]


def plant_answer(c):
    m = old_message(c, "assistant", whole)
    m["content"] = m["content"].upper()


def plant_arguments(c):
    m = old_message(c, "assistant", lambda m: m.get("tool_calls"))
    m["tool_calls"][0]["function"]["arguments"] = json.dumps({"path": "another", "line": 1})


def plant_result(c):
    old_message(c, "tool")["content"] = "(omitted)"


def plant_reasoning(c):
    """What was thought before the newest question is not sent back any more."""
    gone = [m for m in c.messages if "reasoning_content" in m]
    if len(gone) < 2:
        raise ValueError("no reasoning to drop")
    for m in gone:
        del m["reasoning_content"]


def plant_window(c):
    """The oldest turn is left out, to keep within the context window."""
    second = [n for n, m in enumerate(c.messages) if m["role"] == "assistant"][1]
    if second > len(c.messages) - 4:
        raise ValueError("nothing to leave out")
    del c.messages[:second]


# Changes on the wire that no model gets to see.

def harmless_head(c):
    c.habits.head = "developer" if c.habits.head == "system" else "system"


def harmless_blocks(c):
    c.habits.blocks = not c.habits.blocks


def harmless_members(c):
    """The members of calls and results in another order, as after a history has been through a file."""
    for m in c.messages:
        if m["role"] == "tool":
            m["tool_call_id"] = m.pop("tool_call_id")
        for call in m.get("tool_calls", ()):
            call["type"] = call.pop("type")


# The cause that must be named, what is done, and where in the prompt it breaks it first: of two at once the first is the
# cause, the other is behind it. Plants of one rank are not combined.
PLANTS = {
    "tools_reordered": ("tools_reordered", plant_reordered, 1), "tools_grown": ("tools_grown", plant_grown, 1),
    "tools_shrunk": ("tools_grown", plant_shrunk, 1), "tool_text": ("tools_changed", plant_tool_text, 1),
    "tool_schema": ("tools_changed", plant_tool_schema, 1),
    "date": ("date_changed", plant_date, 2), "environment": ("environment_changed", plant_environment, 2),
    "rules": ("system_changed", plant_rules, 2),
    "stamp": ("date_changed", plant_stamp, 3), "window": ("history_trimmed", plant_window, 3),
    "reasoning": ("thinking_dropped_by_client", plant_reasoning, 4),
    "shape": ("content_shape_changed", plant_shape, 5), "answer": ("messages_changed", plant_answer, 5),
    "arguments": ("messages_changed", plant_arguments, 5), "result": ("messages_changed", plant_result, 6),
}
HARMLESS = harmless_head, harmless_blocks, harmless_members


def grow(c):
    if c.rng.random() < 0.3:
        c.turn()
    else:
        c.work()


def mixed_chat(seed, turns=10):
    """One to four plants; a third of them two at a time. plan: request -> the causes that must be named, in order."""
    rng = random.Random(seed)
    c = Chat(rng, str(seed))
    s = Session(name=f"chat-{seed}", bodies=[])
    s.plan = {}
    left = rng.sample(list(PLANTS), 5)
    c.habits.reasoning |= "reasoning" in left
    c.habits.stamps |= "stamp" in left
    c.ask(prose(rng, 30))
    when = rng.sample(range(4, turns), rng.randint(1, 3))
    for n in range(turns):
        if n > 0:
            grow(c)
        due = []
        if n in when and left:
            due = [left.pop()]
            if left and rng.random() < 0.35 and PLANTS[left[-1]][2] != PLANTS[due[0]][2] and "window" not in (due[0], left[-1]):
                due.append(left.pop())
        due.sort(key=lambda name: PLANTS[name][2])
        for name in due[::-1]:
            try:
                PLANTS[name][1](c)
            except ValueError:
                due.remove(name)
        if due:
            s.plan[n] = list(dict.fromkeys(PLANTS[name][0] for name in due))
        s.bodies.append(c.request())
    return s


def healthy_chat(seed, harmless=None, turns=8):
    rng = random.Random(seed)
    c = Chat(rng, str(seed))
    c.ask(prose(rng, 30))
    s = Session(name=f"chat-{seed}-{harmless.__name__ if harmless else 'healthy'}", bodies=[])
    s.plan = {}
    at = rng.randint(3, turns - 1)
    for n in range(turns):
        if n > 0:
            grow(c)
        if n == at and harmless:
            harmless(c)
        s.bodies.append(c.request())
    return s


def question_chat(seed, turns=8, dropped=False):
    """Reasoning goes back to the server; then comes a new question, at which templates like Qwen's drop it.
    dropped: the client leaves it out itself, at the same moment."""
    rng = random.Random(seed)
    c = Chat(rng, str(seed))
    c.habits.reasoning = True
    c.ask(prose(rng, 30))
    s = Session(name=f"chat-{seed}-question", bodies=[])
    at = rng.randint(3, turns - 2)
    s.plan = {at: ["thinking_dropped_by_template"]}
    for n in range(turns):
        if n == at:
            c.turn()
            if dropped:
                for m in c.messages:
                    m.pop("reasoning_content", None)
        elif n > 0:
            c.work()
        s.bodies.append(c.request())
    return s


def notes_chat(seed, turns=7):
    """The client puts notes for the model between the messages, as system messages."""
    rng = random.Random(seed)
    c = Chat(rng, str(seed))
    c.ask(prose(rng, 30))
    s = Session(name=f"chat-{seed}-notes", bodies=[])
    s.plan = {}
    for n in range(turns):
        if n > 0:
            c.work()
        if n >= 3:
            c.messages.append({"role": "system", "content": "The user has opened another file: " + prose(rng, 20)})
            s.plan[n] = ["system_turn_hoisted"]
        s.bodies.append(c.request())
    return s


def twins(seed):
    """Two conversations with one head, as an agent and its helper, that take turns."""
    a = healthy_chat(seed)
    b = copy.deepcopy(a)
    rng = random.Random(-seed)
    said = {}
    for body in b.bodies:
        for m in body["messages"][1:]:
            for of, key in (m, "content"), (m, "reasoning_content"):
                if key in of:
                    text = json.dumps(of[key])
                    if text not in said:
                        said[text] = prose(rng, 40)
                    of[key] = said[text]
    return [body for pair in zip(a.bodies, b.bodies) for body in pair]
