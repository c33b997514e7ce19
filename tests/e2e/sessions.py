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


def reminder(text):
    return {"type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>\n"}


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
        self.identity = "You are Claude Code, Anthropic's official CLI for Claude."
        self.rules = f"Session {name}. " + prose(rng, rng.randint(300, 900)) + "\nToday's date is 2026-11-23.\n" + \
            prose(rng, 60) + "\n<env>\nWorking directory: /home/me/project\nPlatform: linux\n</env>\n" + \
            prose(rng, 30) + "\n\ngitStatus: M analyzer/main.c\n M Makefile\n"
        self.tools = [tool(rng, n) for n in ("Bash", "Read", "Edit", "Grep", "Write")]
        self.skills = reminder("The following skills are available: " + prose(rng, 40))
        self.memory = reminder("# claudeMd\nContents of /home/me/project/CLAUDE.md:\n\n# A project\n" + prose(rng, 60) +
                               "\n# Style\nUse tabs. " + prose(rng, 60) + "\n# currentDate\n2026-11-23 is today.\n\n"
                               "      IMPORTANT: this context may or may not be relevant to your tasks.")
        self.messages = []

    def say(self, text):
        """What a conversation begins with has the client's reminders in front."""
        blocks = [] if self.messages else [self.skills, self.memory]
        self.messages.append({"role": "user", "content": [*blocks, {"type": "text", "text": text}]})

    def work(self):
        """One round: the assistant calls a tool, the user side answers with its result."""
        self.calls += 1
        quoted = " It was cch=00000; then." if self.calls == 1 else ""
        blocks = [{"type": "text", "text": prose(self.rng, 20) + quoted},
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
    """Changes a block of the history, neither in its first message nor in what the last request ended with."""
    for m in c.messages[1:-3]:
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


def plant_shrunk(c):
    del c.tools[-1]


def plant_identity(c):
    c.identity = "You are a Claude agent, built on Anthropic's Claude Agent SDK."


def plant_environment(c):
    c.rules = c.rules.replace("/home/me/project\n", "/home/me/branch-7\n")


def plant_attestation(c):
    edit_block(c, "assistant", "text", lambda m, b: b.update(text=b["text"].replace("cch=00000", "cch=a93f1")))


def take_skills(c):
    """The first message's block of skills; ValueError where it has gone."""
    blocks = c.messages[0]["content"]
    return blocks.pop(blocks.index(c.skills))


def in_first_message(c, old, new):
    for block in c.messages[0]["content"]:
        block["text"] = block["text"].replace(old, new)


def plant_memory(c):
    in_first_message(c, "Use tabs.", "Use spaces.")


def plant_first_date(c):
    in_first_message(c, "2026-11-23", "2026-11-24")


def plant_migrated(c):
    """The block of skills goes from the first message to the newest one."""
    c.messages[-1]["content"].append(take_skills(c))


def plant_reminder_gone(c):
    take_skills(c)


def plant_memory_gone(c):
    c.messages[0]["content"].remove(c.memory)


def plant_reminder_text(c):
    in_first_message(c, "skills are", "skills were")


def plant_rewritten_countdown(c):
    for m in c.messages:
        if m["role"] == "system":
            m["content"] = m["content"].replace("149871", "131072")


def plant_compaction(c):
    c.messages[:] = [{"role": "user", "content": [c.skills, c.memory, {"type": "text", "text":
                      "This session is being continued from a previous conversation. " + prose(c.rng, 80)}]}]


def plant_cleared_result(c):
    edit_block(c, "user", "tool_result", lambda m, b: b.update(content="[Old tool result content cleared]"))


def plant_clear(c):
    c.messages[:] = []
    c.say(prose(c.rng, 30))


def plant_model(c):
    c.model = "another-model"


def plant_turn(c):
    c.messages.append({"role": "system", "content": "Agents available now: " + prose(c.rng, 20)})


def plant_countdown(c):
    c.messages.append({"role": "system", "content": "<total_tokens>149871 tokens left</total_tokens>"})


# What is planted: the cause that must be named, and what is done to the conversation.
PLANTS = {
    "billing_header": ("billing_header", plant_billing),
    "tools_reordered": ("tools_reordered", plant_reordered),
    "tools_grown": ("tools_grown", plant_grown),
    "tools_shrunk": ("tools_grown", plant_shrunk),
    "tools_changed": ("tools_changed", plant_tool_text),
    "identity_changed": ("identity_changed", plant_identity),
    "date_changed": ("date_changed", plant_date),
    "first_date": ("date_changed", plant_first_date),
    "git_status_changed": ("git_status_changed", plant_git),
    "environment_changed": ("environment_changed", plant_environment),
    "memory_changed": ("memory_changed", plant_memory),
    "memory_gone": ("memory_changed", plant_memory_gone),
    "system_changed": ("system_changed", plant_system),
    "attestation_in_history": ("attestation_in_history", plant_attestation),
    "messages_changed": ("messages_changed", plant_history),
    "reminder_folded_into_tool_result": ("reminder_folded_into_tool_result", plant_reminder),
    "reminder_migrated": ("reminder_migrated", plant_migrated),
    "reminder_gone": ("reminder_changed", plant_reminder_gone),
    "reminder_text": ("reminder_changed", plant_reminder_text),
    "rewritten_countdown": ("total_tokens_reminder", plant_rewritten_countdown),
    "content_shape_changed": ("content_shape_changed", plant_shape),
    "compaction": ("compaction", plant_compaction),
    "cleared_result": ("compaction", plant_cleared_result),
    "clear": ("clear", plant_clear),
    "model_switch": ("model_switch", plant_model),
}
EXPECTED = ("compaction", "clear", "model_switch")


def session(seed, cause=None, turns=6):
    """A session; with a cause it is planted before one of the later requests, once and for good."""
    rng = random.Random(seed)
    name = f"{seed}"
    c = Conversation(rng, name)
    c.say(prose(rng, 30))
    if cause == "rewritten_countdown":
        plant_countdown(c)
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
            PLANTS[cause][1](c)
        s.bodies.append(c.request())
        twin.append((plain or c).request())
    if cause:
        name = PLANTS[cause][0]
        (s.expected if name in EXPECTED else s.causes)[at] = name
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


# Where in the prompt each plant breaks it first, in the order in which it is laid out: of two at once the first is the
# cause, the other is behind it. Plants of one rank change the same block and are not combined.
RANKS = {
    "model_switch": 0, "tools_reordered": 1, "tools_grown": 1, "tools_shrunk": 1, "tools_changed": 1, "billing_header": 2,
    "identity_changed": 3, "date_changed": 4, "git_status_changed": 4, "environment_changed": 4, "system_changed": 4,
    "reminder_gone": 5, "reminder_text": 5, "reminder_migrated": 5, "memory_changed": 6, "memory_gone": 6, "first_date": 6,
    "compaction": 7, "clear": 7, "messages_changed": 8, "attestation_in_history": 8, "content_shape_changed": 8,
    "reminder_folded_into_tool_result": 9, "cleared_result": 9,
}
# These take away what others would change.
AFRESH = "compaction", "clear", "reminder_gone", "reminder_migrated", "memory_gone"


def mixed_session(seed, turns=9):
    """Two to four plants; a third of them come two at a time. plan: request -> the causes that must be named, in order."""
    rng = random.Random(seed)
    c = Conversation(rng, f"mixed {seed}")
    c.say(prose(rng, 30))
    s = Session(name=f"mixed-{seed}", bodies=[])
    s.plan = {}
    left = rng.sample(list(RANKS), 4)
    when = sorted(rng.sample(range(3, turns), rng.randint(2, 4)))
    for n in range(turns):
        if n > 0:
            c.work()
        due = []
        # A conversation of two messages has nothing to lose yet.
        if n in when and left and len(c.messages) >= 7:
            due = [left.pop()]
            if left and rng.random() < 0.35 and RANKS[left[-1]] != RANKS[due[0]] and not {due[0], left[-1]} & set(AFRESH):
                due.append(left.pop())
        due.sort(key=RANKS.get)
        for name in due[::-1]:
            before = copy.deepcopy(c.__dict__ | {"rng": None})
            try:
                PLANTS[name][1](c)
            except (ValueError, IndexError):
                pass
            if (c.__dict__ | {"rng": None}) == before:
                due.remove(name)
        if due:
            causes = []
            for name in due:
                if PLANTS[name][0] not in causes:
                    causes.append(PLANTS[name][0])
                if PLANTS[name][0] in EXPECTED:
                    break
            s.plan[n] = causes
        s.bodies.append(c.request())
    return s
