# SPDX-License-Identifier: MIT
"""What the suites of other people's programs share: a command bare and wrapped, and the comparison of named results.

A suite is a module with NAME, PACKAGES (of Debian) and results(runner), which returns {test: outcome}. runner.wrap(argv) is argv
as it is, or behind `kvscope run`; runner.folder is an empty folder of its own.
"""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("B", ROOT / "build")).resolve()
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kvscope-tests"


class Runner:
    def __init__(self, wrapped, folder):
        self.wrapped = wrapped
        self.folder = pathlib.Path(folder)
        self.traces = 0

    def wrap(self, argv):
        argv = [str(word) for word in argv]
        if not self.wrapped:
            return argv
        self.traces += 1
        return [str(BUILD / "kvscope"), "run", "-q", "-o", str(self.folder / f"trace-{self.traces}.jsonl"), "--", *argv]

    def run(self, argv, limit=120, stdin=b"", **kwargs):
        """(status, output, errors) of a command; the status of one that was stopped is "stopped"."""
        process = subprocess.Popen(self.wrap(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True, **kwargs)
        try:
            out, err = process.communicate(stdin, limit)
            return process.returncode, out, err
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "stopped", b"", b""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextlib.contextmanager
def server(argv, port, **kwargs):
    """A server, neither wrapped nor measured, that listens on a port of 127.0.0.1."""
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, **kwargs)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
            time.sleep(0.025)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def once(suite, wrapped, only=None):
    with tempfile.TemporaryDirectory(prefix="kvscope-suite-") as folder:
        return suite.results(Runner(wrapped, folder), only)


def install(packages):
    """The packages that cannot be had."""
    missing = [p for p in packages if subprocess.run(["dpkg-query", "-W", "-f=${Status}", p], capture_output=True, text=True,
                                                     check=False).stdout != "install ok installed"]
    if not missing:
        return []
    sudo = [] if os.getuid() == 0 else ["sudo"]
    subprocess.run([*sudo, "apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends", *missing],
                   env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)
    return [p for p in missing if subprocess.run(["dpkg-query", "-W", p], capture_output=True, check=False).returncode]
