# SPDX-License-Identifier: MIT
"""CPython's own tests of sockets, TLS, asyncio, HTTP, processes and the system interface, from Debian's test suite."""
import xml.etree.ElementTree as xml

NAME = "CPython"
PACKAGES = ["python3.11", "libpython3.11-testsuite"]
TESTS = ["test_socket", "test_ssl", "test_asyncio", "test_httplib", "test_subprocess", "test_os", "test_select",
         "test_selectors", "test_urllib2_localnet", "test_httpservers"]


def outcome(case):
    for tag in ("failure", "error", "skipped"):
        if case.find(tag) is not None:
            return tag
    return "passed"


def results(runner, only=None):
    """only: names of tests whose files are to be run again."""
    found = {}
    # A virtual machine may offer VSOCK and let nobody connect: CPython's test of it then waits for ever.
    left_out = ["--ignore", "*VSOCK*"]
    files = TESTS if only is None else sorted({name.split(":")[0] for name in only})
    for name in files:
        report = runner.folder / f"{name}.xml"
        status, _, _ = runner.run(["/usr/bin/python3.11", "-m", "test", "--junit-xml", report, "--timeout", "300", *left_out, name], limit=900)
        # 0: all passed, 2: some failed; anything else is a runner that died.
        found[f"{name}:runner"] = status
        if not report.exists():
            found[f"{name}:report"] = "failed: there is none"
            continue
        for case in xml.parse(report).iter("testcase"):
            found[f"{name}:{case.get('name')}"] = outcome(case)
    return found
