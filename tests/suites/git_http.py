# SPDX-License-Identifier: MIT
"""git over HTTP, to its own backend behind Python's CGI server, and to plain files."""
import os
import subprocess

import suite

NAME = "git over HTTP"
PACKAGES = ["git", "python3"]


def results(runner, only=None):
    folder = runner.folder
    env = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z",
           "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b", "GIT_TERMINAL_PROMPT": "0", "GIT_PROJECT_ROOT": str(folder / "server"),
           "GIT_HTTP_EXPORT_ALL": "1", "LC_ALL": "C"}

    def git(*words, cwd=folder):
        subprocess.run(["git", *words], cwd=cwd, env=env, check=True, capture_output=True)

    (folder / "server/cgi-bin").mkdir(parents=True)
    git("init", "-q", "-b", "main", "work")
    work = folder / "work"
    for n in range(30):
        (work / f"file{n}").write_bytes(os.urandom(0) + bytes((n * i) % 251 for i in range(20000)))
        git("add", ".", cwd=work)
        git("commit", "-qm", f"step {n}", cwd=work)
    git("clone", "-q", "--bare", "work", "server/it.git")
    git("config", "http.receivepack", "true", cwd=folder / "server/it.git")
    git("update-server-info", cwd=folder / "server/it.git")
    script = folder / "server/cgi-bin/git"
    script.write_text("#!/bin/sh\nexec git http-backend\n")
    script.chmod(0o755)
    port = suite.free_port()
    smart, dumb = f"http://127.0.0.1:{port}/cgi-bin/git/it.git", f"http://127.0.0.1:{port}/it.git"
    found = {}

    def step(name, *words, cwd=folder, look=None):
        status, out, _ = runner.run(["git", *words], cwd=cwd, env=env)
        head = subprocess.run(["git", *look[1:]], cwd=folder / look[0], env=env, capture_output=True, text=True,
                              check=False).stdout if look else ""
        found[name] = f"{status} {out.decode().strip()[:200]} {head.strip()[:200]}"

    with suite.server(["python3", "-m", "http.server", "--cgi", "--bind", "127.0.0.1", str(port)], port, cwd=folder / "server", env=env):
        step("ls-remote", "ls-remote", "--heads", smart)
        step("clone", "clone", "-q", smart, "one", look=("one", "log", "--format=%H"))
        step("shallow clone", "clone", "-q", "--depth", "3", smart, "two", look=("two", "log", "--format=%H"))
        step("unshallow", "fetch", "-q", "--unshallow", cwd=folder / "two", look=("two", "rev-list", "--count", "HEAD"))
        step("partial clone", "clone", "-q", "--filter=blob:none", smart, "three", look=("three", "rev-list", "--count", "HEAD"))
        step("protocol 0", "-c", "protocol.version=0", "clone", "-q", smart, "four", look=("four", "rev-parse", "HEAD"))
        (folder / "one/new").write_text("new\n")
        git("add", ".", cwd=folder / "one")
        git("commit", "-qm", "new", cwd=folder / "one")
        step("push", "push", "-q", "origin", "main", cwd=folder / "one", look=("server/it.git", "rev-parse", "main"))
        step("push a branch", "push", "-q", "origin", "main:other", cwd=folder / "one", look=("server/it.git", "branch", "--list"))
        step("fetch", "fetch", "-q", "origin", cwd=folder / "four", look=("four", "rev-parse", "origin/main"))
        step("pull", "pull", "-q", "--ff-only", cwd=folder / "two", look=("two", "rev-parse", "HEAD"))
        git("update-server-info", cwd=folder / "server/it.git")
        step("clone of plain files", "clone", "-q", dumb, "five", look=("five", "rev-parse", "HEAD"))
        step("what is not there", "clone", "-q", f"http://127.0.0.1:{port}/none.git", "six")
        step("nobody there", "ls-remote", "http://127.0.0.1:1/it.git")
    return found
