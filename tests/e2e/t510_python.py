#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython through `kvscope run`: http.client with threads, and asyncio."""
import sys

import lib

t = lib.Test()


def client(script, *args):
    return lambda url: [sys.executable, "-B", lib.CLIENTS / script, url.removeprefix("http://"), *args]


for mode in "keep_alive", "one_each", "chunked", "compressed":
    t.bare_and_wrapped(f"http.client, {mode}", client("http_client.py", mode))
t.bare_and_wrapped("http.client, parallel", client("http_client.py", "parallel"), ordered=False)
# One blocking send hands over 5 MB at once: the ring must have room for it.
t.bare_and_wrapped("http.client, 5 MB in one send", client("http_client.py", "large"), options=["--ring-size", "16M"])
run = t.bare_and_wrapped("asyncio, parallel", client("asyncio_client.py"), ordered=False)
t.equal(sorted(x["sequence"] for x in run.exchanges()), [0] * 10 + [1] * 10 + [2] * 10, "asyncio: ten connections, three each")
t.done()
