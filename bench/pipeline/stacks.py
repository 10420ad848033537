"""Sampling a service with py-spy, and the functions in which its samples lie."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

RATE = 200
UBIQUITOUS = 0.9
_LINE = re.compile(r":\d+\)$")


@asynccontextmanager
async def sampled(pid: int, output: Path) -> AsyncIterator[None]:
    """Sample process `pid` in the meantime and write its stacks, folded, to `output` (speedscope opens such files).

    Only a thread that holds the interpreter's lock counts: py-spy takes some that wait in C for busy ones. So what C
    does without the lock, such as the event loop's own reading, is left out. Sampling slows the process down a little.
    Raises RuntimeError, with what py-spy says, if it cannot.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--rate", str(RATE), "--gil",
        "--format", "raw", "--output", str(output),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = await process.stdout.readline()
    if b"Sampling" not in said:
        said += await process.stdout.read()
        raise RuntimeError(f"py-spy ended with status {await process.wait()}: {said.decode().strip()}")
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


@dataclass(slots=True)
class Profile:
    """Samples by function: `own` where it ran itself, `total` also where something that it called did."""

    samples: int = 0
    own: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, folded: Iterable[str]) -> Profile:
        """Read lines `outermost;…;innermost count`, each frame a `function (file:line)`."""
        profile = cls()
        for line in folded:
            stack, _, count = line.rpartition(" ")
            functions = [_LINE.sub(")", frame) for frame in stack.split(";")]
            samples = int(count)
            profile.samples += samples
            profile.own[functions[-1]] += samples
            for function in set(functions):
                profile.total[function] += samples
        return profile

    def by_own(self, rows: int) -> list[tuple[str, float, float]]:
        """The functions with the most samples of their own: function, its own and its total share in percent."""
        return self._shares([function for function, _ in self.own.most_common(rows)])

    def by_total(self, rows: int) -> list[tuple[str, float, float]]:
        """As `by_own`, by all samples; without frames that are in nearly every one, such as the event loop."""
        telling = [name for name, samples in self.total.most_common() if samples <= UBIQUITOUS * self.samples]
        return self._shares(telling[:rows])

    def _shares(self, functions: Iterable[str]) -> list[tuple[str, float, float]]:
        return [
            (each, 100 * self.own[each] / self.samples, 100 * self.total[each] / self.samples) for each in functions
        ]
