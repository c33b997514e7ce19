#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks traces without any of kvscope's own code: each line against docs/trace.schema.json, each body rebuilt as
docs/trace-format.md says and compared with its length and SHA-256.

    tests/check_trace.py TRACE...          TAP; exit status 1 if anything is wrong
    tests/check_trace.py --hashes TRACE    the SHA-256 of each request body, one per line, in file order

As a module: check(path) returns (problems, Trace).
"""
import base64
import hashlib
import json
import os
import sys

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "trace.schema.json")


def content_of(holder):
    """The bytes behind "text" or "base64"."""
    if "text" in holder:
        return holder["text"].encode()
    return base64.b64decode(holder["base64"], validate=True)


class Trace:
    def __init__(self):
        self.header = None
        self.parts = []  # (line, bytes or None)
        self.exchanges = {}  # id -> line, in file order
        self.bodies = {}  # id -> list of resolved segments
        self.footer = None

    def add_part(self, line):
        if line["id"] != len(self.parts):
            raise ValueError(f"part {line['id']} where {len(self.parts)} was due")
        text = None
        if "chain" not in line:
            text = content_of(line)
            if "like" in line:
                like = line["like"]
                other_line, other = self.parts[like["part"]]
                if "like" in other_line:
                    raise ValueError(f"part {line['id']} is like one without a text of its own")
                text = other[: like["head"]] + text + other[len(other) - like["tail"]:]
            if len(text) != line["bytes"]:
                raise ValueError(f"part {line['id']} has {len(text)} bytes, not {line['bytes']}")
            if hashlib.sha256(text).hexdigest() != line["sha256"]:
                raise ValueError(f"part {line['id']} does not have its SHA-256")
        elif len(line["chain"]) != (line["bytes"] + 63) // 64 * 16:
            raise ValueError(f"part {line['id']} has a chain of the wrong length")
        self.parts.append((line, text))

    def add_exchange(self, line):
        if line["id"] in self.exchanges:
            raise ValueError(f"exchange {line['id']} stands twice")
        self.exchanges[line["id"]] = line
        body = line["request"]["body"]
        if body is None:
            return
        base = self.bodies[body["base"]] if body["base"] is not None else []
        resolved = []
        for segment in body["segments"]:
            if isinstance(segment, list):
                first, count = segment
                if first + count > len(base):
                    raise ValueError(f"exchange {line['id']} copies more than its base has")
                resolved += base[first:first + count]
            else:
                resolved.append(segment)
        self.bodies[line["id"]] = resolved

    def request_body(self, exchange_id):
        """The exact bytes; None if they are not in the trace."""
        if exchange_id not in self.bodies:
            return None
        pieces = []
        for segment in self.bodies[exchange_id]:
            if isinstance(segment, str):
                pieces.append(segment.encode())
            elif isinstance(segment, int):
                pieces.append(self.parts[segment][1])
            elif "part" in segment:
                pieces.append(self.parts[segment["part"]][1])
            elif "base64" in segment:
                pieces.append(content_of(segment))
            else:
                pieces.append(None)
        return None if None in pieces else b"".join(pieces)

    def prompt(self, exchange_id):
        """[(part, message, index)] in wire order."""
        places, at = [], {kind: [-1, -1] for kind in ("tool", "system", "message")}
        for segment in self.bodies.get(exchange_id, []):
            if isinstance(segment, int):
                segment = {"part": segment}
            if not isinstance(segment, dict) or "part" not in segment:
                continue
            kind = self.parts[segment["part"]][0]["kind"]
            step = segment.get("step", 0 if kind == "message" else 1)
            usual = at[kind][1] + 1 if step == 0 else 0
            at[kind] = [at[kind][0] + step, segment.get("index", usual)]
            places.append((segment["part"], *at[kind]))
        return places

    def check_exchange(self, line):
        request, response = line["request"], line["response"]
        none = self.header["content"] == "none"
        if none and ("sha256" in request or "sha256" in response or response["body"] is not None):
            raise ValueError(f"exchange {line['id']} tells too much for content none")
        body = self.request_body(line["id"])
        if body is not None and request["exact"]:
            if len(body) != request["bytes"] or hashlib.sha256(body).hexdigest() != request["sha256"]:
                raise ValueError(f"exchange {line['id']}: the request does not have its length and SHA-256")
        if not none and body is None and request["body"] is not None:
            raise ValueError(f"exchange {line['id']}: the request's body is missing")
        if response["body"] is not None and response["exact"]:
            body = content_of(response["body"])
            if len(body) != response["bytes"] or hashlib.sha256(body).hexdigest() != response["sha256"]:
                raise ValueError(f"exchange {line['id']}: the response does not have its length and SHA-256")
        prompt = self.prompt(line["id"])
        if line["prompt"]:
            kinds = [self.parts[p[0]][0] for p in prompt]
            for kind, key in (("tool", "tools_bytes"), ("system", "system_bytes"), ("message", "messages_bytes")):
                total = sum(k["normalised_bytes"] for k in kinds if k["kind"] == kind)
                if total != line["prompt"][key]:
                    raise ValueError(f"exchange {line['id']}: {key} is {line['prompt'][key]}, its parts have {total}")
            messages = [p[1] for p, k in zip(prompt, kinds) if k["kind"] == "message"]
            if messages and (messages != sorted(messages) or messages[-1] >= line["prompt"]["messages"]):
                raise ValueError(f"exchange {line['id']}: message numbers out of order")


def check(path):
    """(list of problems, Trace)"""
    import jsonschema

    with open(SCHEMA, encoding="utf-8") as f:
        schema = json.load(f)
    validator = jsonschema.Draft202012Validator(schema)
    trace, problems = Trace(), []
    adders = {"part": trace.add_part, "exchange": trace.add_exchange}
    with open(path, "rb") as f:
        for number, raw in enumerate(f, 1):
            try:
                if not raw.endswith(b"\n"):
                    raise ValueError("the file ends inside this line")
                line = json.loads(raw.decode())
                for error in validator.iter_errors(line):
                    where = "/".join(str(p) for p in error.absolute_path)
                    raise ValueError(f"schema: {where or 'the line'}: {error.message[:200]}")
                if number == 1:
                    if line["type"] != "header":
                        raise ValueError("the first line is no header")
                    trace.header = line
                if line["type"] == "footer":
                    trace.footer = line
                if line["type"] in adders:
                    adders[line["type"]](line)
                    if line["type"] == "exchange":
                        trace.check_exchange(line)
            except (ValueError, KeyError, IndexError, TypeError) as e:
                problems.append(f"{path}: line {number}: {type(e).__name__}: {e}")
                break
    if not problems and trace.header is None:
        problems.append(f"{path}: no header")
    if not problems and trace.footer and (trace.footer["exchanges"], trace.footer["parts"]) != (
            len(trace.exchanges), len(trace.parts)):
        problems.append(f"{path}: the footer counts other exchanges or parts than there are")
    return problems, trace


def main(argv):
    if len(argv) == 3 and argv[1] == "--hashes":
        problems, trace = check(argv[2])
        for exchange in trace.exchanges.values():
            print(exchange["request"].get("sha256"))
        print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
        return 1 if problems else 0
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    print(f"1..{len(argv) - 1}")
    bad = 0
    for number, path in enumerate(argv[1:], 1):
        problems, trace = check(path)
        bad += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {path}: {len(trace.exchanges)} exchanges, "
              f"{len(trace.parts)} parts")
        for problem in problems:
            print(f"# {problem}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
