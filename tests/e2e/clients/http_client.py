# SPDX-License-Identifier: MIT
"""http.client: http_client.py HOST:PORT MODE; prints the status of every response."""
import gzip
import http.client
import sys
import threading
import zlib

from plan import HEADERS, body

PATH = "/v1/messages"


def post(connection, data, headers=()):
    connection.request("POST", PATH, data, {**HEADERS, **dict(headers)})
    response = connection.getresponse()
    response.read()
    return response.status


def keep_alive(host):
    connection = http.client.HTTPConnection(host)
    return [post(connection, body(n, stream=n % 2 == 0)) for n in range(6)]


def one_each(host):
    return [post(http.client.HTTPConnection(host), body(n)) for n in range(4)]


def parallel(host):
    results = [None] * 8

    def work(n):
        connection = http.client.HTTPConnection(host)
        results[n] = [post(connection, body(n * 100 + i, stream=True)) for i in range(3)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(results, [])


def chunked(host):
    connection = http.client.HTTPConnection(host)
    results = []
    for n in range(3):
        data = body(n, bytes_of_text=20000)
        pieces = (data[i:i + 777] for i in range(0, len(data), 777))
        connection.request("POST", PATH, pieces, HEADERS, encode_chunked=True)
        response = connection.getresponse()
        response.read()
        results.append(response.status)
    return results


def compressed(host):
    connection = http.client.HTTPConnection(host)
    pieces = ((gzip.compress, "gzip"), (zlib.compress, "deflate"))
    return [post(connection, pack(body(n, bytes_of_text=50000)), {"content-encoding": name})
            for n, (pack, name) in enumerate(pieces)]


def large(host):
    connection = http.client.HTTPConnection(host)
    return [post(connection, body(n, bytes_of_text=5 << 20)) for n in range(2)]


MODES = {f.__name__: f for f in (keep_alive, one_each, parallel, chunked, compressed, large)}
print(*MODES[sys.argv[2]](sys.argv[1]))
