"""Receives webhooks in the cluster and counts them by `webhook-id`. GET returns the counts; DELETE resets them."""

import asyncio
import json
from collections import Counter

PORT = 8080
received: Counter[str] = Counter()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the requests of one connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            method, *_ = head.decode().split(" ", 1)
            lines = (line.partition(":") for line in head.decode().lower().splitlines()[1:])
            headers = {name.strip(): value.strip() for name, _, value in lines}
            await reader.readexactly(int(headers.get("content-length", "0")))
            body = b"{}"
            if method == "POST":
                received[headers["webhook-id"]] += 1
            elif method == "DELETE":
                received.clear()
            else:
                body = json.dumps(received).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the caller closed the connection
    finally:
        writer.close()


async def main() -> None:
    """Serves until the pod ends."""
    server = await asyncio.start_server(serve, "0.0.0.0", PORT)  # noqa: S104
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
