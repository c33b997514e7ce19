#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""curl through `kvscope run`: what it sends is in the trace, and nothing else about it changes."""
import gzip
import hashlib
import sys

import lib

sys.path.insert(0, str(lib.CLIENTS))
import plan  # noqa: E402  (found by the line above)

t = lib.Test()
HEADERS = [word for pair in plan.HEADERS.items() for word in ("-H", "%s: %s" % pair)]
CURL = ["curl", "-sS", "-N", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n"]


def body(number, **kwargs):
    path = t.path("body")
    path.write_bytes(plan.body(number, **kwargs))
    return f"@{path}"


def post(url, data, *more):
    return [*CURL, *HEADERS, *more, "--data-binary", data, url + "/v1/messages"]


one = body(1, stream=True)
t.bare_and_wrapped("one streamed request", lambda url: post(url, one))

pair = body(2), body(3)
run = t.bare_and_wrapped("keep-alive", lambda url: post(url, pair[0]) + ["--next", *post(url, pair[1])[1:]])
t.equal([(x["connection"] == run.exchanges()[0]["connection"], x["sequence"]) for x in run.exchanges()],
        [(True, 0), (True, 1)], "keep-alive: one connection, two requests")

chunked = body(4, bytes_of_text=300000)
t.bare_and_wrapped("chunked", lambda url: post(url, chunked, "-H", "transfer-encoding: chunked"))

old = body(5)
t.bare_and_wrapped("HTTP/1.0", lambda url: post(url, old, "--http1.0"))

large = body(6, bytes_of_text=5 << 20)
t.bare_and_wrapped("5 MB after 100-continue", lambda url: post(url, large, "-H", "expect: 100-continue"))

bodies = [body(10 + n, stream=True) for n in range(12)]
t.bare_and_wrapped(
    "parallel",
    lambda url: ["curl", "-Z", "--parallel-immediate", "--parallel-max", "12",
                 *sum((["--next"] * (n > 0) + post(url, data)[1:] for n, data in enumerate(bodies)), [])],
    ordered=False)

broken = t.path("broken")
broken.write_bytes(b'{"model": "x", "messages": [')
run = t.bare_and_wrapped("a body that is not JSON", lambda url: post(url, f"@{broken}"))
t.equal([x["response"]["status"] for x in run.exchanges()], [400], "a body that is not JSON: the refusal is recorded")

packed = t.path("body.gz")
packed.write_bytes(gzip.compress(plan.body(7, bytes_of_text=100000), mtime=0))
run = t.bare_and_wrapped("gzip", lambda url: post(url, f"@{packed}", "-H", "content-encoding: gzip"))
t.equal([(x["request"]["content_encoding"], x["request"]["sha256"]) for x in run.exchanges()],
        [("gzip", hashlib.sha256(plan.body(7, bytes_of_text=100000)).hexdigest())], "gzip: kept decoded")

# What is no request to a language model leaves no exchange.
with t.mock(*lib.FAST) as mock:
    run = t.run([*CURL, mock.url + "/health", mock.url + "/v1/models"])
    t.equal((run.status, run.exchanges()), (0, []), "other paths are no exchanges")

t.done()
