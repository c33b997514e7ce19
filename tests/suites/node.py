# SPDX-License-Identifier: MIT
"""Node's own tests of http, net and fetch, out of Debian's source package, with the Node that is installed."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import tarfile

import suite

NAME = "Node"
PACKAGES = ["nodejs"]
PATTERNS = ["test-http-*.js", "test-net-*.js", "test-fetch*.js", "test-https-*.js", "test-child-process-*.js"]
EXPECTED_MIN = 300


def source():
    """The folder test/ of Node's sources; fetched once."""
    folder = suite.CACHE / "node-tests"
    if (folder / "parallel").exists():
        return folder
    work = suite.CACHE / "node-source"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("lists/partial", "parts", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    for path in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")]:
        if path.exists() and "debian" in path.read_text():
            text = path.read_text().replace("Types: deb\n", "Types: deb-src\n")
            text = "\n".join("deb-src " + line[4:] if line.startswith("deb ") else line for line in text.splitlines())
            name = "a.list" if path.suffix == ".list" else path.name
            (work / "parts" / name).write_text(text + "\n")
    options = [f"-oDir::State::lists={work}/lists", "-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={work}/parts",
               f"-oDir::Cache={work}/cache", "-oAPT::Sandbox::User=root"]
    for command in (["update", "-qq"], ["source", "-qq", "--download-only", "nodejs"]):
        subprocess.run(["apt-get", *options, *command], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    archive = max(work.glob("nodejs_*.orig.tar.*"), key=lambda p: p.stat().st_size, default=None)
    if not archive:
        return None
    with tarfile.open(archive) as tar:
        wanted = [m for m in tar if m.name.split("/")[1:2] == ["test"] and m.name.split("/")[2:3] in
                  (["common"], ["parallel"], ["fixtures"])]
        tar.extractall(work, wanted, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(work, wanted)
    next(work.glob("*/test")).rename(folder)
    shutil.rmtree(work)
    return folder


def flags(path):
    """The flags that a test asks for in its `// Flags:` line."""
    for line in path.read_text(errors="replace").splitlines()[:20]:
        if line.startswith("// Flags:"):
            return line.removeprefix("// Flags:").split()
    return []


def results(runner, only=None):
    folder = source()
    if not folder:
        return None
    paths = sorted({path for pattern in PATTERNS for path in (folder / "parallel").glob(pattern)})
    if only is not None:
        paths = [path for path in paths if path.name in only]

    def one(job):
        number, path = job
        env = {**os.environ, "NODE_TEST_DIR": str(runner.folder), "TEST_THREAD_ID": str(number), "NODE_SKIP_FLAG_CHECK": "1",
               "NODE_COMMON_PORT": str(20000 + number % 5000)}
        status, out, _ = runner.run(["node", *flags(path), path], limit=60, env=env, cwd=folder.parent)
        return path.name, "skipped" if status == 0 and b"1..0 # Skipped" in out else "passed" if status == 0 else f"failed {status}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(pool.map(one, enumerate(paths)))
