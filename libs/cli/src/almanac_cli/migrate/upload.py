"""Sends a spool to an import, as often as it takes, and shows how far it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from almanac_cli.migrate.spool import Parts, Spool
from almanac_cli.running import console, errors
from almanac_client import ApiError, ImportJob, NotReachableError, RefusedLine

ATTEMPTS = 10
"""Of one import. Each continues after the lines that the one before it stored."""
PAUSE_SECONDS = 2.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
SHOWN = 20
"""Refused lines that are printed."""

Send = Callable[[Parts, str], Awaitable[ImportJob]]
"""Starts or resumes an import of the parts, under a key."""
Errors = Callable[[ImportJob], AsyncIterator[RefusedLine]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an import."""

    job: ImportJob
    refused: list[RefusedLine]


async def upload(spool: Spool, kind: str, send: Send, refused: Errors) -> Outcome:
    """Import a spool. An import that breaks off is resumed, up to ten times.

    Raises:
        ApiError, NotReachableError: it could not be completed. The same command continues from there.
    """
    key = spool.key_of(kind)
    with _progress(kind, spool.size) as sent:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                job = await send(spool.parts(sent), key)
                break
            except (ApiError, NotReachableError) as error:
                passing = not isinstance(error, ApiError) or error.status in _PASSING
                if not passing or attempt == ATTEMPTS:
                    raise
                errors.print(f"{kind}: broke off ({error}); resumed in {PAUSE_SECONDS:g} s", soft_wrap=True)
                await asyncio.sleep(PAUSE_SECONDS)
        sent(spool.size)
    lines = [each async for each in _first(refused(job), SHOWN)] if job.refused else []
    return Outcome(job, lines)


def show(kind: str, spool: Spool, outcome: Outcome) -> None:
    """Print the counts, and the first refused lines with the keys of their rows."""
    job = outcome.job
    table = Table("", "lines", "created", "updated", "unchanged", "refused", "left out", title=None)
    counts = (job.rows, job.created, job.updated, job.unchanged, job.refused, len(spool.left_out))
    table.add_row(kind, *(f"{count:,}" for count in counts))
    console.print(table)
    for line in outcome.refused:
        faults = "; ".join(f"{each.field}: {each.detail}" for each in line.errors)
        console.print(f"  refused, line {line.line}: {faults}", soft_wrap=True)
    for left in spool.left_out[:SHOWN]:
        console.print(f"  left out, {left.key}: {left.reason}", soft_wrap=True)


@contextmanager
def _progress(kind: str, size: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(f"{kind:10}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=not errors.is_terminal) as progress:
        task = progress.add_task(kind, total=size or None)
        yield lambda done: progress.update(task, completed=done)


async def _first(lines: AsyncIterator[RefusedLine], count: int) -> AsyncIterator[RefusedLine]:
    async for line in lines:
        yield line
        count -= 1
        if not count:
            return
