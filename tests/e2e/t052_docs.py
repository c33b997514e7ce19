#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README and docs/ name exists: options of kvscope, targets of make, files, tests, links and their headings."""
import re

import lib

t = lib.Test()
PAGES = sorted([lib.ROOT / "README.md", lib.ROOT / "CHANGELOG.md", *(lib.ROOT / "docs").glob("*.md"), *(lib.ROOT / "examples").rglob("*.md")])
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
FOLDERS = ("analyzer", "shim", "include", "tests", "docs", "examples")
FILES = [str(p.relative_to(lib.ROOT)) for folder in FOLDERS for p in (lib.ROOT / folder).rglob("*") if p.is_file()]
NAMES = {name for path in FILES for name in path.split("/")} | {path.rsplit("/", 1)[-1].rsplit(".", 1)[0] for path in FILES}

PLACEHOLDER = re.compile(r"[A-Z]{3}")


def each(pattern, flags=0):
    """Yields (page, match) for every place in the pages."""
    for page, text in TEXT.items():
        for match in re.finditer(pattern, text, flags):
            yield page.name, match


# ---- commands and options
commands = re.findall(r"^  (\S+) ", t.command([lib.KVSCOPE, "--help"]).out, re.M)
options = {c: set(re.findall(r"--[a-z][\w-]*", t.command([lib.KVSCOPE, c, "--help"]).out)) for c in commands}
told = list(each(r"(?<![\w/-])kvscope ([a-z]+)\b([^`|\n;)]*)"))
shown = [(page, m) for page, m in told if m[1] in commands]
t.ok(len(shown) > 100, f"the pages show kvscope's commands {len(shown)} times")
wrong = [f"{page}: {m[0]}" for page, m in shown
         if not set(re.findall(r"(?<!\S)--[a-z][\w-]*", m[2].split(" -- ")[0])) <= options[m[1]]]
t.equal(wrong, [], "with options that these commands have")
known = set().union(*options.values())
manual = t.command([lib.KVSCOPE, "help", "--man"]).out.replace("\\-", "-")
t.equal(sorted(o for o in known if o not in manual and o not in ("--help", "--version")), [], "and the man page has them all")

# ---- targets of make
makefile = (lib.ROOT / "Makefile").read_text(encoding="utf-8") + (lib.ROOT / "shim/shim.mk").read_text(encoding="utf-8")
targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.M))
wrong = [f"{page}: make {m[1]}" for page, m in each(r"(?:`|^    |sudo )make ([a-z][a-z0-9-]*)", re.M) if m[1] not in targets]
t.equal(wrong, [], "every `make TARGET` is one")

# ---- files and tests
wrong = [f"{page}: {m[1]}" for page, m in each(r"`((?:[\w.-]+/)*[\w.-]+\.(?:c|h|py|sh|jinja|mk))`")
         if not PLACEHOLDER.search(m[1]) and not any(path == m[1] or path.endswith("/" + m[1]) for path in FILES)]
t.equal(wrong, [], "every file in backquotes is in the tree")
wrong = [f"{page}: {m[1]}" for page, m in each(r"`((?:t\d\d\d|test|corpus|fuzz)_\w+)`") if m[1].replace("corpus_", "fuzz_") not in NAMES and
         not PLACEHOLDER.search(m[1])]
t.equal(wrong, [], "every test that is named is there")
parts = {f"analyzer/{p.name}/" for p in (lib.ROOT / "analyzer").iterdir() if p.is_dir()} | {"shim/"}
architecture = TEXT[lib.ROOT / "docs/architecture.md"]
t.equal(sorted(p for p in parts if f"`{p}`" not in architecture), [], "docs/architecture.md tells of every folder")
t.equal(sorted(set(re.findall(r"`(analyzer/\w+/)`", architecture)) - parts), [], "and of none that is gone")

# ---- links


def anchors(text):
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}


broken = []
for page, text in TEXT.items():
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        if not aim.exists() or (anchor and anchor not in anchors(aim.read_text(encoding="utf-8"))):
            broken.append(f"{page.name}: {target}")
t.equal(broken, [], "every link leads somewhere, headings included")
index = TEXT[lib.ROOT / "docs/README.md"]
t.equal([p.name for p in TEXT if p.parent.name == "docs" and p.name != "README.md" and f"({p.name})" not in index], [],
        "docs/README.md lists every page")
t.done()
