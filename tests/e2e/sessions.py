# SPDX-License-Identifier: MIT
"""Generated sessions of a coding agent, with at most one prefix breaker planted in each.

A session is a list of request bodies of the Anthropic Messages API, each continuing the one before. A planted one says
which cause `kvscope why` must name at which request; its twin is the same session without it, for the proof by
behaviour: with the cause undone the backend's cache must hold.
"""
import copy
import dataclasses
import random

WORDS = ("cache prefix token parser socket buffer thread kernel branch commit module folder test build error value "
         "table index queue stream header packet memory record writer reader signal").split()


def prose(rng, words):
    return " ".join(rng.choice(WORDS) for _ in range(words)) + "."


@dataclasses.dataclass
class Session:
    name: str
    bodies: list
    at: int = 0  # the request (from 0) that must miss
    causes: dict = dataclasses.field(default_factory=dict)  # request -> cause
    expected: dict = dataclasses.field(default_factory=dict)  # the same for misses that nobody could avoid
    twin: list = None  # the same requests, the cause undone


def tool(rng, name):
    return {"name": name, "description": prose(rng, rng.randint(40, 120)),
            "input_schema": {"type": "object", "properties": {"path": {"type": "string", "description": prose(rng, 9)}}}}


class Conversation:
    """Grows by turns; `request` takes a picture of it."""

    def __init__(self, rng, name, thinking=False):
        self.rng = rng
        self.thinking = thinking
        self.calls = 0
        self.model = "local-model"
        self.billing = "x-anthropic-billing-header: cc_version=2.1.50.abc; cc_entrypoint=cli; cch=00001;"
        self.identity = f"You are a coding agent, number {name}."
        self.rules = prose(rng, rng.randint(300, 900)) + "\nToday's date is 2026-11-23.\n" + prose(rng, 60) + \
            "\n\ngitStatus: M analyzer/main.c\n M Makefile\n"
        self.tools = [tool(rng, n) for n in ("Bash", "Read", "Edit", "Grep", "Write")]
        self.messages = []

    def say(self, text):
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})

    def work(self):
        """One round: the assistant calls a tool, the user side answers with its result."""
        self.calls += 1
        blocks = [{"type": "text", "text": prose(self.rng, 20)},
                  {"type": "tool_use", "id": f"toolu_{self.calls}", "name": "Read",
                   "input": {"path": f"src/{self.rng.choice(WORDS)}.c"}}]
        if self.thinking:
            blocks.insert(0, {"type": "thinking", "thinking": prose(self.rng, 80), "signature": "s"})
        self.messages.append({"role": "assistant", "content": blocks})
        self.messages.append({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": f"toolu_{self.calls}", "content": prose(self.rng, 150)}]})

    def answer(self):
        self.messages.append({"role": "assistant", "content": [{"type": "text", "text": prose(self.rng, 40)}]})

    def request(self):
        """As the client would send it now: the cache marker on the newest block, older single texts as strings."""
        messages = copy.deepcopy(self.messages)
        for m in messages[:-1]:
            if m["role"] == "user" and len(m["content"]) == 1 and m["content"][0]["type"] == "text":
                m["content"] = m["content"][0]["text"]
        last = messages[-1]["content"]
        if isinstance(last, list):
            last[-1]["cache_control"] = {"type": "ephemeral"}
        return {"model": self.model, "messages": messages,
                "system": [{"type": "text", "text": self.billing}, {"type": "text", "text": self.identity},
                           {"type": "text", "text": self.rules, "cache_control": {"type": "ephemeral"}}],
                "tools": copy.deepcopy(self.tools), "max_tokens": 200, "stream": True}


def edit_block(c, role, kind, change):
    """Changes a block of the history that is neither the first nor the last message."""
    for m in c.messages[1:-2]:
        if m["role"] == role:
            for block in m["content"]:
                if block["type"] == kind:
                    change(m, block)
                    return
    raise ValueError("nothing to change")


def split_text(message, block):
    at = message["content"].index(block)
    half = len(block["text"]) // 2
    message["content"][at:at + 1] = [{"type": "text", "text": block["text"][:half]},
                                     {"type": "text", "text": block["text"][half:]}]


def plant_billing(c):
    c.billing = c.billing.replace("00001", "7fa2c")


def plant_reordered(c):
    c.tools = c.tools[1:] + c.tools[:1]


def plant_grown(c):
    c.tools.insert(2, tool(c.rng, "TodoWrite"))


def plant_tool_text(c):
    c.tools[1]["description"] += " Changed."


def plant_date(c):
    c.rules = c.rules.replace("2026-11-23", "2026-11-24")


def plant_git(c):
    c.rules = c.rules.replace("M Makefile", "A Makefile")


def plant_system(c):
    c.rules = "Be brief. " + c.rules


def plant_history(c):
    edit_block(c, "assistant", "text", lambda m, b: b.update(text="Edited: " + b["text"]))


def plant_reminder(c):
    edit_block(c, "user", "tool_result", lambda m, b: b.update(
        content=b["content"] + "\n<system-reminder>Remember the todo list.</system-reminder>"))


def plant_shape(c):
    edit_block(c, "assistant", "text", split_text)


def plant_compaction(c):
    c.messages[:] = [{"role": "user", "content": [{"type": "text", "text":
                      "This session is being continued from a previous conversation. " + prose(c.rng, 80)}]}]


def plant_model(c):
    c.model = "another-model"


def plant_turn(c):
    c.messages.append({"role": "system", "content": "Agents available now: " + prose(c.rng, 20)})


def plant_countdown(c):
    c.messages.append({"role": "system", "content": "<total_tokens>149871 tokens left</total_tokens>"})


# cause: (what is done to the conversation, does it last without being done again, is the miss expected)
PLANTS = {
    "billing_header": plant_billing, "tools_reordered": plant_reordered, "tools_grown": plant_grown,
    "tools_changed": plant_tool_text, "date_changed": plant_date, "git_status_changed": plant_git,
    "system_changed": plant_system, "messages_changed": plant_history,
    "reminder_folded_into_tool_result": plant_reminder, "content_shape_changed": plant_shape,
    "compaction": plant_compaction, "model_switch": plant_model,
}
EXPECTED = ("compaction", "model_switch")


def session(seed, cause=None, turns=6):
    """A session; with a cause it is planted before one of the later requests, once and for good."""
    rng = random.Random(seed)
    name = f"{seed}"
    c = Conversation(rng, name)
    c.say(prose(rng, 30))
    at = rng.randint(3, turns - 1)
    s = Session(name=f"{name}-{cause}", bodies=[], at=at)
    twin = []
    plain = None
    for n in range(turns):
        if n > 0:
            state = rng.getstate()
            c.work()
            if plain:
                rng.setstate(state)
                plain.work()
        if cause and n == at:
            plain = copy.deepcopy(c)
            plain.rng = rng
            PLANTS[cause](c)
        s.bodies.append(c.request())
        twin.append((plain or c).request())
    if cause:
        (s.expected if cause in EXPECTED else s.causes)[at] = cause
        s.twin = twin
    return s


def turns_session(seed, plant, cause, turns=6):
    """System turns inside messages[]: harmless where they are kept in place, a broken head where they are hoisted."""
    rng = random.Random(seed)
    c = Conversation(rng, f"{seed}")
    c.say(prose(rng, 30))
    s = Session(name=f"{seed}-{cause}", bodies=[], twin=None)
    for n in range(turns):
        if n > 0:
            c.work()
        if n >= 2:
            plant(c)
            s.causes[n] = cause
        s.bodies.append(c.request())
    return s


def thinking_session(seed, turns=7):
    """A new question of the user: templates like Qwen's drop the thinking of the turns before it."""
    rng = random.Random(seed)
    c = Conversation(rng, f"{seed}", thinking=True)
    c.say(prose(rng, 30))
    s = Session(name=f"{seed}-thinking", bodies=[])
    at = rng.randint(3, turns - 2)
    for n in range(turns):
        if n == at:
            c.answer()
            c.say(prose(rng, 20))
            s.causes[n] = "thinking_dropped_by_template"
        elif n > 0:
            c.work()
        s.bodies.append(c.request())
    return s
