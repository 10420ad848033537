"""`python -m local_stack up`, `demo` and `soak-year`."""

import asyncio
import math
import signal
import sys
from collections.abc import Coroutine
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from almanac_client import AlmanacError
from local_stack.child import StartupError
from local_stack.demo import Day
from local_stack.demo import demo as run_demo
from local_stack.ports import BusyPortError
from local_stack.roster import RosterError, Row, read_roster
from local_stack.sample import sample_users
from local_stack.settings import StackSettings
from local_stack.soak.year import Size, soak_year
from local_stack.stack import StackRunningError
from local_stack.up import up as run_up

_BAD_INPUT = 2
_INTERRUPTED = 130  # as a shell says it of SIGINT: a day that was broken off proves nothing
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Almanac on one machine.")


@app.command()
def up() -> None:
    """Run everything, with sample users, until Ctrl-C."""
    raise typer.Exit(_run(run_up(_settings()), when_stopped=0))


@app.command()
def demo(
    users: Annotated[str, typer.Option(help="CSV of users; a sample of 200 if not given.")] = "",
    day: Annotated[str, typer.Option(help="The calendar day, YYYY-MM-DD; today if not given.")] = "",
    speed: Annotated[str, typer.Option(help="How many times faster than real time.")] = "2880",
    broadcast: Annotated[str, typer.Option(help="Local time, HH:MM, at which all users are notified too.")] = "",
) -> None:
    """Run one day in time-lapse on fresh data; the last line is the report."""
    the_day = _day(day)
    rows = _rows(users, the_day)
    run = Day(the_day, _speed(speed), _local_time(broadcast))
    raise typer.Exit(_run(run_demo(_settings(), rows, run), when_stopped=_INTERRUPTED))


@app.command(name="soak-year")
def soak(
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many users.")] = 500,
    days: Annotated[int, typer.Option(min=1, max=365, help="How many simulated days.")] = 365,
    outages: Annotated[int, typer.Option(min=0, max=52, help="In how many weeks something fails.")] = 6,
    seed: Annotated[int, typer.Option(help="Repeats a run.")] = 1,
) -> None:
    """Run a year of schedules in time-lapse, with edits, moves and outages; the last line is the report."""
    size = Size(users, days, outages, seed)
    raise typer.Exit(_run(soak_year(_settings(), size), when_stopped=_INTERRUPTED))


def _run(main: Coroutine[Any, Any, int | None], *, when_stopped: int) -> int:
    """Run until done, or until SIGINT, SIGTERM or SIGHUP cancels it; names what did not start. Returns the status."""

    async def cancellable() -> int:
        task = asyncio.current_task()
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(stop, task.cancel if task else main.close)
        return await main or 0

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        print("stopped", file=sys.stderr)
        return when_stopped
    except (BusyPortError, StackRunningError, StartupError, AlmanacError) as error:
        print(error, file=sys.stderr)
        return 1


def _settings() -> StackSettings:
    try:
        return StackSettings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"])
            print(f"ALMANAC_{name.upper()}: {fault['msg']}" if name else fault["msg"], file=sys.stderr)
        raise typer.Exit(_BAD_INPUT) from None


def _day(text: str) -> date:
    if not text:
        return datetime.now(UTC).date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        _refuse(f"DAY is {text!r} and should be a date such as 2027-02-28")
    # PostgreSQL and Python can both go further; no user has a birthday.
    if not 1900 <= day.year <= 2200:
        _refuse(f"DAY is {text} and should be between the years 1900 and 2200")
    return day


def _speed(text: str) -> float:
    try:
        speed = float(text or "2880")
    except ValueError:
        speed = math.nan
    if not 0 < speed <= 1_000_000:
        _refuse(f"SPEED is {text!r} and should be a number above 0 (2880 makes two days pass in a minute)")
    return speed


def _local_time(text: str) -> time | None:
    try:
        at = time.fromisoformat(text) if text else None
    except ValueError:
        at = None
    if text and (at is None or at.tzinfo is not None):
        _refuse(f"BROADCAST is {text!r} and should be a local time such as 12:00")
    return at


def _rows(users: str, day: date) -> list[Row]:
    if not users:
        return [Row(number, user) for number, user in enumerate(sample_users(day), start=2)]
    try:
        return read_roster(Path(users))
    except RosterError as error:
        _refuse(str(error))


def _refuse(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    raise typer.Exit(_BAD_INPUT)


if __name__ == "__main__":
    app()
