#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line as a whole: help, man page and completion from one table, wrong usage, colours, installation."""
import os
import re
import shutil
import subprocess

import lib
from terminal import Terminal

t = lib.Test()


def kvscope(*args, **kwargs):
    return t.command([lib.KVSCOPE, *args], **kwargs)


# ---- help
top = kvscope("--help")
everyday, workshop = top.out.split("Everyday:")[1].split("Workshop:")
names = {group: re.findall(r"^  (\S+) ", text, re.M) for group, text in (("everyday", everyday), ("workshop", workshop))}
commands = names["everyday"] + names["workshop"]
t.ok(top.status == 0 and not top.err and {"run", "report"} <= set(names["everyday"]) and
     {"show", "mock", "collect"} <= set(names["workshop"]), "--help lists the everyday commands, then the workshop's", top.out)
t.ok(kvscope().status == 2, "no command at all is wrong usage")
help_of = {name: kvscope(name, "--help") for name in commands}
t.equal([n for n, h in help_of.items() if h.status or h.err or not h.out.startswith(f"Usage: kvscope {n} ")], [],
        "every command has --help, on stdout")
t.equal([n for n in commands if kvscope("help", n).out != help_of[n].out], [], "and `help COMMAND` says the same")
options = {name: re.findall(r"^  (?:-\w, |    )?(--[\w-]+)", help_of[name].out, re.M) for name in commands}
t.equal([n for n in commands if "--help" not in options[n]], [], "each with its options")
t.equal([n for n in ("report", "show", "collect") if "--json" not in options[n]], [], "--json where data is printed")

# ---- wrong usage: one line on stderr, status 2
for words in (["nosuch"], *([name, "--nope"] for name in commands), ["report", "/no/such/trace"], ["show"], ["show", "x"],
              ["show", "1", "2", "3"], ["mock", "--port", "70000"], ["mock", "--block"], ["mock", "--script", "/no/such"],
              ["mock", "word"], ["collect", "/no/such/ring"], ["run"], ["run", "--content", "half", "--", "true"],
              ["run", "--ring-size", "1T", "--", "true"], ["run", "--keep", "-1", "--", "true"],
              ["run", "-o", "/no/such/folder/x", "--", "true"], ["help", "nosuch"]):
    run = kvscope(*words)
    t.ok(lib.refused(run), f"kvscope {' '.join(words)}: one line, status 2", f"{run.status} {run.out} {run.err}")
full = open("/dev/full", "w", encoding="utf-8")
for words in (["--help"], ["run", "--help"], ["help", "--man"]):
    status = subprocess.run([lib.KVSCOPE, *words], stdout=full, stderr=subprocess.PIPE, check=False)
    t.ok(status.returncode == 2 and b"No space left" in status.stderr, f"{' '.join(words)} into a full disk is a failure",
         status)

# ---- what a terminal must not be told
run = kvscope("report", "/no/such/\x1b]0;title\x07\x9b")
t.ok(lib.refused(run) and "\x1b" not in run.err and "\x07" not in run.err, "a message has no control characters", repr(run.err))

# ---- man page and completion
man = kvscope("help", "--man").out
plain = man.replace("\\-", "-")
t.equal([n for n in commands if f".SS kvscope {n} " not in plain], [], "the man page has every command")
t.equal([(n, o) for n in commands for o in options[n]
         if o != "--help" and o not in plain.split(f".SS kvscope {n} ")[1].split(".SS ")[0]], [], "with every option")
if shutil.which("man"):
    page = t.path("kvscope.1")
    page.write_text(man, encoding="utf-8")
    warned = t.command(["man", "--warnings", "-l", page], env={**os.environ, "MANROFFSEQ": "", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
    t.ok(warned.status == 0 and not warned.err and "kvscope" in warned.out, "man shows it without a warning", warned.err)
else:
    t.skip("man shows it", "there is no man")

completion = t.path("completion")
completion.write_text(kvscope("help", "--bash-completion").out, encoding="utf-8")


def complete(*words):
    script = ('. "$0" || exit; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvscope; printf "%s\\n" "${COMPREPLY[@]}"')
    run = t.command(["bash", "-c", script, completion, *words], cwd=t.scratch)
    return set(run.out.split()) if run.status == 0 and not run.err else run.err


t.equal(complete("kvscope", ""), set(commands), "completion of the command")
t.equal([n for n in commands if complete("kvscope", n, "--") != set(options[n])], [], "of every command's options")
t.equal(complete("kvscope", "report", completion.name[:5]), {completion.name}, "of files")
t.ok("env" in complete("kvscope", "run", "--", "en"), "of the command to run")
t.equal(complete("kvscope", "help", "ru"), {"run"}, "of what to explain")

# ---- colours
session = lib.ROOT / "tests/e2e/t400_session.jsonl"


def at_terminal(**env):
    terminal = Terminal([lib.KVSCOPE, "report", str(session)], {**os.environ, "TERM": "xterm", **env})
    terminal.expect("never seen, to read to the end", 10)
    text = terminal.seen
    terminal.end()
    return text


plain_env = {"NO_COLOR": ""}
t.ok("\033[1m" in at_terminal(**plain_env), "colours at a terminal")
for env in {"NO_COLOR": "1"}, {"TERM": "dumb", **plain_env}:
    text = at_terminal(**env)
    t.ok("\033" not in text and "Session" in text, f"none with {env}", text[:300])

# ---- installation
stage = t.path("stage")
make = ["make", "-C", lib.ROOT, f"B={lib.BUILD}", f"DESTDIR={stage}", "--no-print-directory"]
flags = (lib.BUILD / "flags").read_text(encoding="utf-8")
run = t.command([*make, "install"], limit=200)
installed = sorted(str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file())
t.equal((run.status, installed), (0, ["usr/local/bin/kvscope", "usr/local/lib/kvscope/libkvscope.so",
                                      "usr/local/share/bash-completion/completions/kvscope",
                                      "usr/local/share/man/man1/kvscope.1"]), "make install, below DESTDIR")
t.equal((lib.BUILD / "flags").read_text(encoding="utf-8"), flags, "nothing had to be built for it")
elsewhere = t.path("elsewhere")
stage.rename(elsewhere)
mock = t.mock(*lib.FAST)
run = t.command([elsewhere / "usr/local/bin/kvscope", "run", "-o", t.path("trace"), "--", "curl", "-s", "-o", "/dev/null", "-d",
                 '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}', mock.url + "/v1/messages"])
t.ok(run.status == 0 and "1 request," in run.err, "an installed kvscope finds its library, wherever it was moved", run.err)
elsewhere.rename(stage)
run = t.command([*make, "uninstall"], limit=60)
t.equal((run.status, [str(p) for p in stage.rglob("*") if p.is_file()]), (0, []), "make uninstall leaves nothing")
targets = set(re.findall(r"make (\S+)", t.command([*make, "help"]).out))
wanted = set("deps demo test check unit e2e asan bench fuzz lint fmt install uninstall clean help".split())
t.equal(wanted - targets, set(), "make help lists the targets")
t.done()
