# SPDX-License-Identifier: MIT
"""Clients over TLS: tls_client.py PORT CA MODE; prints the status of every response."""
import asyncio
import http.client
import ssl
import sys
import threading
import urllib.request

from asyncio_client import read_response
from plan import HEADERS, body

PATH = "/v1/messages"
PORT, CA = int(sys.argv[1]), sys.argv[2]
CONTEXT = ssl.create_default_context(cafile=CA)


def connect():
    return http.client.HTTPSConnection("localhost", PORT, context=CONTEXT)


def post(connection, data):
    connection.request("POST", PATH, data, HEADERS)
    response = connection.getresponse()
    response.read()
    return response.status


def keep_alive():
    connection = connect()
    return [post(connection, body(n, stream=n % 2 == 0)) for n in range(6)]


def after_other():
    """The connection has carried another request before."""
    connection = connect()
    connection.request("GET", "/v1/models", headers=HEADERS)
    first = connection.getresponse()
    first.read()
    return [first.status, post(connection, body(1, stream=True))]


def large():
    connection = connect()
    return [post(connection, body(n, bytes_of_text=5 << 20)) for n in range(2)]


def parallel():
    results = [None] * 8

    def work(n):
        connection = connect()
        results[n] = [post(connection, body(n * 100 + i, stream=True)) for i in range(3)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(results, [])


def old_tls():
    CONTEXT.maximum_version = ssl.TLSVersion.TLSv1_2
    return keep_alive()


def url():
    results = []
    for n in range(3):
        request = urllib.request.Request(f"https://localhost:{PORT}{PATH}", body(n, stream=True), HEADERS)
        with urllib.request.urlopen(request, context=CONTEXT) as response:
            response.read()
            results.append(response.status)
    return results


async def stream(n):
    reader, writer = await asyncio.open_connection("localhost", PORT, ssl=CONTEXT)
    results = []
    for i in range(3):
        data = body(n * 10 + i, stream=True)
        fields = {**HEADERS, "host": f"localhost:{PORT}", "content-length": len(data)}
        writer.write(b"POST /v1/messages HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n")
        writer.write(data)
        await writer.drain()
        results.append(await read_response(reader))
    writer.close()
    return results


def streams():
    async def all_of_them():
        return await asyncio.gather(*(stream(n) for n in range(6)))
    return sum(asyncio.run(all_of_them()), [])


MODES = {f.__name__: f for f in (keep_alive, after_other, large, parallel, old_tls, url, streams)}
print(*MODES[sys.argv[3]]())
