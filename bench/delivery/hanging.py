"""An endpoint that takes connections and requests and never answers, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Self

import uvloop

from local_stack import child, ports
from local_stack.child import Command


class _Hanging(asyncio.Protocol):
    """Reads and says nothing."""


async def serve(port: int) -> None:
    """Listen on the loopback address until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    server = await loop.create_server(_Hanging, ports.LOOPBACK, port, backlog=4096)
    await stopping.wait()
    server.close()


class Hanging:
    """The parent's handle: `async with Hanging() as hanging: … hanging.url`."""

    def __init__(self) -> None:
        self._port = ports.free_port()
        self.url = f"http://{ports.LOOPBACK}:{self._port}/"

    def prepare(self) -> None:
        """Nothing needs to be there."""

    def command(self) -> Command:
        """This module as a program."""
        argv = [sys.executable, "-m", "bench.delivery.hanging", "--port", str(self._port)]
        return Command("hanging", argv, Path(os.devnull))

    def ready(self) -> bool:
        """Whether it listens."""
        return ports.is_open(self._port)

    async def __aenter__(self) -> Self:
        self._process = await asyncio.to_thread(child.start, self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._process.stop, 10)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve(arguments.parse_args().port))
