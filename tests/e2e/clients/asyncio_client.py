# SPDX-License-Identifier: MIT
"""asyncio streams: asyncio_client.py HOST:PORT; ten connections at once, three requests on each."""
import asyncio
import sys

from plan import HEADERS, body


async def read_response(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if line)
    if fields.get("transfer-encoding") == "chunked":
        while (size := int((await reader.readline()).split(b";")[0], 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.readexactly(int(fields["content-length"]))
    return int(lines[0].split()[1])


async def work(host, port, n):
    reader, writer = await asyncio.open_connection(host, port)
    results = []
    for i in range(3):
        data = body(n * 10 + i, stream=True)
        fields = {**HEADERS, "host": f"{host}:{port}", "content-length": len(data)}
        writer.write(b"POST /v1/messages HTTP/1.1\r\n")
        writer.write("".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n")
        writer.write(data)
        await writer.drain()
        results.append(await read_response(reader))
    writer.close()
    return results


async def main():
    host, port = sys.argv[1].split(":")
    print(*sum(await asyncio.gather(*(work(host, int(port), n) for n in range(10))), []))


if __name__ == "__main__":
    asyncio.run(main())
