#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kvscope doctor: the client's version without a network, its settings, the backend by GETs alone, and the verdict."""
import http.server
import json
import os
import threading

import lib

t = lib.Test()
HOME, PROJECT = t.path("home"), t.path("project")
(HOME / ".claude").mkdir(parents=True)
(PROJECT / ".claude").mkdir(parents=True)
CAPABILITIES = "CLAUDE_CODE_MODEL_CAPABILITIES=-mid_conv_system,-mid_conv_tool_change"


def doctor(*args, env=(), path=None):
    environment = {"PATH": path or os.environ["PATH"], "HOME": str(HOME), "NO_COLOR": "1", **dict(env)}
    return t.command([lib.KVSCOPE, "doctor", *args], env=environment, cwd=PROJECT)


def document(*args, **kwargs):
    run = doctor("--json", *args, **kwargs)
    if run.status not in (0, 1):
        raise RuntimeError(run.err)
    return json.loads(run.out)


def of(doc, cause):
    return next(f for f in doc["findings"] if f["cause"] == cause)


def package(folder, version, name="@anthropic-ai/claude-code", program="cli.js"):
    """An installed client that must never be started: it leaves a mark."""
    place = t.path(folder)
    (place / "bin").mkdir(parents=True)
    (place / "package.json").write_text(json.dumps({"name": name, "version": version}))
    file = place / "bin" / program
    file.write_text(f"#!/bin/sh\ntouch {t.scratch}/started\n")
    file.chmod(0o755)
    return file


def settings(place, content):
    place.write_text(content if isinstance(content, str) else json.dumps(content))


# ---- the client
new = package("new", "2.1.330", "@anthropic-ai/claude-code-linux-x64", "claude")
old = package("old", "2.1.112")
doc = document("--engine", "vllm@0.28+qwen3", "--", new, "--model", "x")
t.equal((doc["client"]["version"], doc["client"]["how"], doc["client"]["path"]), ("2.1.330", "package.json", str(new)),
        "the version is that of package.json")
t.equal({of(doc, c)["when"] for c in ("system_turn_hoisted", "total_tokens_reminder")}, {"every_session"},
        "what this pair has")
t.equal(doc["env"], dict(s.split("=", 1) for s in (CAPABILITIES, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER=off")),
        "and the settings against it")
doc = document("--engine", "vllm@0.28+qwen3", "--", "node", old)
t.equal((doc["client"]["version"], of(doc, "system_turn_hoisted")["when"], of(doc, "billing_header")["when"]),
        ("2.1.112", "never", "never"), "another version, another verdict; an interpreter is passed over")
t.equal(document("--engine", "llama.cpp@b8000", "--", "node", old)["env"], {"CLAUDE_CODE_ATTRIBUTION_HEADER": "0"},
        "another backend, another verdict")
link = t.path("claude")
link.symlink_to(new)
t.equal(document("--", link)["client"]["version"], "2.1.330", "links are followed")
versions = t.path("share") / "claude/versions"
versions.mkdir(parents=True)
(versions / "2.1.201").write_text("#!/bin/sh\nexit 1\n")
(versions / "2.1.201").chmod(0o755)
doc = document("--", versions / "2.1.201")
t.equal((doc["client"]["version"], doc["client"]["how"]), ("2.1.201", "file name"), "or that of the file's name")
t.ok(not (t.scratch / "started").exists(), "none of them was started")

# A client that says its version only when asked: it is asked where there is no network, with nothing in its environment.
asked = t.path("asked")
asked.mkdir()
with t.mock(*lib.FAST) as mock:
    (asked / "claude").write_text(f"""#!/usr/bin/env python3
import http.client, os, sys
try:
    http.client.HTTPConnection("{mock.url.split('/')[2]}", timeout=2).request("GET", "/v1/models")
    online = "online"
except OSError:
    online = "offline"
extra = [k for k in os.environ if k not in ("HOME", "LANG", "PATH", "LC_CTYPE", "PWD", "SHLVL", "_")]
open(os.environ["HOME"] + "/left", "w").close()
print("2.1.250 (Claude Code)" if sys.argv[1:] == ["--version"] and online == "offline" and not extra else online + str(extra))
""")
    (asked / "claude").chmod(0o755)
    doc = document("--engine", "ollama", path=f"{asked}:{os.environ['PATH']}", env=[("SECRET", "x")])
    calls = mock.log()
if "no namespace" in (doc["client"]["detail"] or ""):
    t.skip("a client is asked without a network", "no namespace can be made here")
else:
    t.equal((doc["client"]["version"], doc["client"]["how"]), ("2.1.250", "asked with --version, without a network"),
            "a client is asked without a network and environment")
t.equal(calls, [], "and reached nobody")
slow = t.path("slow")
slow.mkdir()
(slow / "claude").write_text("#!/bin/sh\necho hello\n")
(slow / "claude").chmod(0o755)
doc = document(path=f"{slow}:{os.environ['PATH']}")
t.equal((doc["client"]["version"], of(doc, "system_turn_hoisted")["when"]), (None, "every_session"),
        "one that does not tell: every version's breakers count")
other = document("--", "cat")
t.equal((other["client"]["claude_code"], other["client"]["version"]), (False, None), "another program is not run at all")
none = document(path="/nonexistent")
t.equal((none["client"]["path"], none["client"]["version"]), (None, None), "no client: said so, and the rest is judged")

# ---- settings
user, project = HOME / ".claude/settings.json", PROJECT / ".claude/settings.json"
local = PROJECT / ".claude/settings.local.json"
base = ("--engine", "vllm+qwen3", "--", new)
run = doctor("--check", *base)
t.ok(run.status == 1 and "is not set" in run.out and '"env": {' in run.out, "--check: a missing setting is status 1", run.out)
name, value = CAPABILITIES.split("=")
settings(user, {"env": {name: value, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER": "off"}})
run = doctor("--check", *base)
t.ok(run.status == 0 and "settled" in run.out and "Missing" not in run.out, "settings of the user settle it", run.out)
t.equal(of(document(*base), "system_turn_hoisted")["value_from"], "user", "and it says where")
settings(project, {"totalTokensReminder": "on"})
doc = document(*base)
t.equal((of(doc, "total_tokens_reminder")["state"], of(doc, "total_tokens_reminder")["value_from"], doc["missing"]),
        ("other_value", "project", 1), "settings of the project outrank the user's")
settings(local, {"env": {"CLAUDE_CODE_TOTAL_TOKENS_REMINDER": "off"}})
t.equal(doctor("--check", *base).status, 0, "local ones outrank both")
t.equal(doctor("--check", *base, env=[("CLAUDE_CODE_TOTAL_TOKENS_REMINDER", "on")]).status, 0, "and the environment")
for file in (user, project, local):
    file.unlink()
shell = dict(s.split("=", 1) for s in (CAPABILITIES, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER=off"))
t.equal(doctor("--check", *base, env=shell).status, 0, "the environment alone settles it, too")
settings(user, "{ this is no JSON")
run = doctor(*base)
t.ok(run.status == 0 and "no JSON object" in run.out, "a settings file that is none: it says so", run.out)
settings(user, {"env": {"ANTHROPIC_BASE_URL": "http://me:secret@localhost:1/"}, "apiKey": "sk-ant-secret"})
run = doctor(*base)
t.ok("secret" not in run.out + run.err + doctor("--json", *base).out, "nothing of it is printed that was not asked for")
settings(user, {"env": {"ANTHROPIC_BASE_URL": "http://localhost:8000"}})
t.ok("go to http://localhost:8000 (ANTHROPIC_BASE_URL in the user's settings)" in doctor(*base).out, "where requests go")
user.unlink()


# ---- the backend: GETs only, by header and JSON key
class Fake(http.server.BaseHTTPRequestHandler):
    answers = {}
    seen = []

    def do_GET(self):
        Fake.seen.append((self.command, self.path))
        body = json.dumps(Fake.answers.get(self.path.split("?")[0], {"error": "no"})).encode()
        self.send_response(200 if self.path.split("?")[0] in Fake.answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
Fake.answers = {"/v1/models": {"data": [{"id": "qwen3-coder", "owned_by": "vllm", "max_model_len": 65536}]},
                "/version": {"version": "0.28.1"}}
doc = document("--backend", url, "--", new)
t.equal((doc["backend"]["judged_as"], doc["backend"]["model"], doc["backend"]["context_tokens"]),
        ("vllm@0.28.1+qwen3", "qwen3-coder", 65536), "the backend is recognised")
t.equal((of(doc, "system_turn_hoisted")["when"], of(doc, "billing_header")["when"]), ("every_session", "never"),
        "and its rules decide")
t.ok(0 < len(Fake.seen) <= 4 and {method for method, _ in Fake.seen} == {"GET"}, "by at most four GETs", Fake.seen)
Fake.answers = {"/v1/models": {"data": [{"id": "m", "owned_by": "llamacpp"}]},
                "/props": {"build_info": "b8000-abc", "total_slots": 1, "chat_template": ""}}
doc = document("--backend", url + "/v1", "--", "node", old)
t.equal((doc["backend"]["slots"], of(doc, "slot_evicted")["when"], of(doc, "billing_header")["when"]),
        (1, "every_session", "every_session"), "one slot: every side request evicts")
server.shutdown()
server.server_close()
run = doctor("--backend", url, "--", new)
t.ok(run.status == 2 and run.out == "" and run.err.startswith("kvscope: doctor: ") and run.err.count("\n") == 1,
     "nobody there: status 2, one line", run.out + run.err)

# ---- wrong arguments
for name, args in (("no URL", ("--backend", "ftp://x", "--", new)), ("no such engine", ("--engine", "llama", "--", new)),
                   ("a password in the URL", ("--backend", "http://u:hunter2@localhost:1", "--", new)),
                   ("no such command", ("--", "/nonexistent/claude"))):
    run = doctor(*args)
    t.ok(run.status == 2 and run.out == "" and run.err.startswith("kvscope: ") and run.err.count("\n") == 1
         and "hunter2" not in run.err, f"{name}: status 2, one line", run.out + run.err)
t.equal(doctor("--fast").status, 2, "no such option: status 2")

# ---- MCP servers and hooks: what can break the prefix, depending on what they do
for file in (HOME / ".claude/settings.json", PROJECT / ".claude/settings.json", PROJECT / ".claude/settings.local.json"):
    file.unlink(missing_ok=True)
t.equal(document("--", new)["sources"], [], "nothing is set up: nothing is said")
t.ok("depending on what they do" not in doctor("--", new).out, "nor in the text")
settings(PROJECT / ".mcp.json", {"mcpServers": {"github": {"command": "SECRET-COMMAND"}, "jira": {"url": "http://x"}, "off": {}}})
settings(HOME / ".claude.json", {"mcpServers": {"notes": {}}, "projects": {str(PROJECT): {"mcpServers": {"here": {}}},
                                                                            "/elsewhere": {"mcpServers": {"there": {}}}}})
settings(HOME / ".claude/settings.json", {"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "SECRET-COMMAND"}]}],
                                                    "PostToolUse": [{"hooks": []}], "Stop": [{"hooks": []}], "SessionStart": []}})
settings(PROJECT / ".claude/settings.local.json", {"disabledMcpjsonServers": ["off"], "enabledMcpjsonServers": ["github"]})
more = t.path("more.json")
settings(more, {"mcpServers": {"db": {}}})


def found(*args):
    return {(s["kind"], s["name"]) for s in document("--", *args)["sources"]}


hooks = {("hook", "UserPromptSubmit"), ("hook", "PostToolUse")}
servers = {("mcp_server", name) for name in ("github", "jira", "notes", "here")}
t.equal(found(new), hooks | servers, "servers of .mcp.json and .claude.json that are not switched off, hooks that reach the prompt")
t.equal(found(new, "--mcp-config", more, '{"mcpServers":{"inline":{}}}', "-p", "x"),
        hooks | servers | {("mcp_server", "db"), ("mcp_server", "inline")}, "--mcp-config: files and JSON")
t.equal(found(new, f"--mcp-config={more}", "--strict-mcp-config"), hooks | {("mcp_server", "db")}, "--strict-mcp-config: these alone")
can = {s["name"]: s["can"] for s in document("--", new)["sources"]}
t.equal((can["github"], can["UserPromptSubmit"], can["PostToolUse"]),
        (["tools_grown", "tools_reordered", "tools_changed"], ["reminder_changed", "reminder_migrated"], ["reminder_folded_into_tool_result"]),
        "each with what it can be behind")
text = doctor("--", new).out
t.ok("MCP servers: github, jira (.mcp.json)" in text and "can come late or in another order" in text and "hooks: UserPromptSubmit" in text,
     "the text says that they can, not that they do", text)
t.ok("SECRET" not in text + json.dumps(document("--", new)), "commands are not read out")
settings(HOME / ".claude/settings.json", {"disableAllHooks": True, "hooks": {"UserPromptSubmit": [{"hooks": []}]}})
t.equal(found(new), servers, "hooks that are switched off are none")
settings(PROJECT / ".mcp.json", "{broken")
t.equal(found(new), servers - {("mcp_server", "github"), ("mcp_server", "jira")}, "a file that is no JSON is passed over")
t.done()
