"""`make run`: the stack, sample users, and a live view of what is delivered, until Ctrl-C."""

from collections import deque
from datetime import UTC, datetime
from uuid import uuid4

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local_stack.api import Almanac
from local_stack.feed import Receipt, receipts
from local_stack.sample import sample_users, users_due_soon
from local_stack.settings import StackSettings
from local_stack.stack import Stack

_ROWS = 15
# Each start brings a few users whose moment is about to come, so that there is something to see at once.
_DUE_SOON = 6


async def up(settings: StackSettings) -> None:
    """Run until cancelled."""
    # Lines may hold parts of logs: neither markup nor colours are to be read into them.
    console = Console(markup=False, highlight=False, soft_wrap=True)
    await Stack(settings, settings.data_dir, console.print).run(lambda stack, almanac: _show(stack, almanac, console))


async def _show(stack: Stack, almanac: Almanac, console: Console) -> None:
    await _load_samples(stack, almanac)
    console.print("\n".join(_addresses(stack)))
    if console.is_terminal:
        await _live_table(stack, almanac, console)
    else:
        async for batch in receipts(almanac.client, stack.inbox.url):
            for landed in batch:
                print(_line(landed), flush=True)


async def _load_samples(stack: Stack, almanac: Almanac) -> None:
    now = datetime.now(UTC)
    loaded = stack.data_dir / "samples-loaded"
    if not loaded.exists():
        for number, user in enumerate(sample_users(now.date())):
            await almanac.create_user(user, f"sample-{number}")
        loaded.touch()
    for user in users_due_soon(datetime.now(UTC), _DUE_SOON):
        await almanac.create_user(user, f"due-soon-{uuid4()}")


def _addresses(stack: Stack) -> list[str]:
    documents = [f"  {f'{service.name} API':<24} {service.url}/docs" for service in stack.services]
    return [
        "",
        "Almanac is running. Ctrl-C stops it; the next run continues with the same data.",
        f"  {'console':<24} {stack.services[-1].url}/ (log in with the API key)",
        f"  {'inbox':<24} {stack.inbox.url}/",
        *documents,
        f"  {'API key (Bearer)':<24} {stack.settings.api_key}; {stack.settings.read_key} may only read",
        f"  {'logs':<24} {stack.data_dir / 'logs'}",
        f"{_DUE_SOON} sample users are greeted within the next half minute, others as 09:00 passes over their zones.",
        "",
    ]


def _line(landed: Receipt) -> str:
    signature = "valid" if landed.verified else "WRONG SIGNATURE"
    return (
        f"{landed.received_at:%H:%M:%S} {landed.kind} {landed.message!r} {landed.timezone} {landed.target_local}"
        f" late {_lateness(landed)} {signature}"
    )


def _lateness(landed: Receipt) -> str:
    return "?" if landed.late_seconds is None else f"{landed.late_seconds * 1000:.0f} ms"


async def _live_table(stack: Stack, almanac: Almanac, console: Console) -> None:
    newest: deque[Receipt] = deque(maxlen=_ROWS)
    count = 0
    # Redrawn by us alone: a drawing thread would make forks of children unsafe.
    with Live(console=console, auto_refresh=False) as live:
        async for batch in receipts(almanac.client, stack.inbox.url):
            newest.extend(batch)
            count += len(batch)
            live.update(_table(newest, count), refresh=True)


def _table(newest: deque[Receipt], count: int) -> Group:
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    for heading in ("received", "type", "message", "zone", "target, local", "late", "signature"):
        table.add_column(heading, no_wrap=True, ratio=1 if heading == "message" else None)
    for landed in reversed(newest):
        table.add_row(
            f"{landed.received_at:%H:%M:%S}",
            landed.kind,
            landed.message,
            landed.timezone,
            landed.target_local,
            _lateness(landed),
            Text("valid", "green") if landed.verified else Text("WRONG", "red bold"),
        )
    return Group(table, Text(f"{count} delivered since the start" if count else "waiting for the first delivery"))
