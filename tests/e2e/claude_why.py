# SPDX-License-Identifier: MIT
"""Sessions of the real Claude Code in a project of their own, against a mock, and what `kvscope why` says of them."""
import json
import subprocess
import sys

import claude
import lib

SLACK = 0.02  # of a prompt: what is matched is estimated by bytes
STREAM = "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"


def git(work, *arguments):
    subprocess.run(["git", "-C", work, "-c", "user.email=me@example.com", "-c", "user.name=me", *arguments], check=True,
                   stdout=subprocess.DEVNULL)


def causes(misses):
    return {c for m in misses for c in [m["cause"], *m["behind"]]}


class Session:
    """A project, and a backend that keeps all."""

    def __init__(self, t, command, engine, model="claude-sonnet-4-5", script=claude.SCRIPT, options=()):
        self.t, self.command, self.engine, self.model = t, command, engine, model
        self.home, self.work = claude.project(t)
        (self.work / "CLAUDE.md").write_text("# Rules\nUse tabs. Names are nouns.\n# Style\nShort sentences.\n")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "one")
        room = [] if "anthropic" in options else ["--cache-tokens", "100000000"]
        self.options = [*lib.FAST, *room, "--script", str(script), *options]
        self.mock = t.mock(*self.options)
        self.traces = []

    def run(self, *arguments, settings=(), driver=(), model=None):
        prefix, _ = claude.arguments(self.mock.url, self.model, self.home, self.command, settings)
        run = self.t.run([*driver, *self.command, "-p", *arguments, "--allowedTools", "Bash,Agent,Task", "--model",
                          model or self.model], prefix=prefix, cwd=self.work, limit=600 if driver else 150)
        if run.status != 0:
            print(f"# status {run.status}: {run.out[-300:]} {run.err[-300:]}")
        self.traces.append(run.trace)
        return run

    def talk(self, *texts, pause=0, **options):
        """Several messages in one process of the client."""
        messages = self.t.path("messages.json")
        messages.write_text(json.dumps(texts))
        return self.run(*STREAM, driver=[sys.executable, lib.CLIENTS / "stream_json.py", messages, str(pause)], **options)

    def continued(self):
        """Did the last run go on with the conversation? Some versions begin another one with -p --continue."""
        with open(self.traces[-1], encoding="utf-8") as f:
            lengths = [x["prompt"]["messages"] for x in map(json.loads, f) if x["type"] == "exchange" and x["prompt"] and
                       x["prompt"]["tools"] > 1]
        return bool(lengths) and 3 not in lengths  # the second request of a conversation that begins

    def why(self, engine=None):
        """The misses of all traces but the first requests of conversations."""
        answer = self.t.command([lib.KVSCOPE, "why", "--engine", engine or self.engine, "--json", *self.traces])
        return [m for m in json.loads(answer.out)["misses"] if m["cause"] != "first_request"]

    def judge(self):
        """
        The misses; and those unexpected ones where the backend reused more than what is said to match: of the parent's
        prompt, or of any earlier one, since it keeps all. 1.0.128 begins a conversation with one reminder, after /compact
        with another one, and then with the first again.
        """
        self.mock.stop()
        misses = self.why()
        log = {}
        for entry in self.mock.bodies():
            log.setdefault(entry["sha256"], entry)
        exchanges = {}
        for trace in self.traces:
            for line in open(trace, encoding="utf-8"):
                x = json.loads(line)
                if x["type"] == "exchange" and x["request"]["sha256"] in log:
                    exchanges[str(trace), x["id"]] = log[x["request"]["sha256"]]
        refuted = []
        for m in misses:
            of = exchanges.get((m.get("trace") or str(self.traces[0]), m["exchange"]))
            matched = max(m["matched_tokens"], m["matched_any_tokens"] or 0)
            if of and not m["expected"] and of["cached_tokens"] > matched + SLACK * m["prompt_tokens"]:
                refuted.append((m["exchange"], m["cause"], matched, of["cached_tokens"]))
        return misses, refuted
