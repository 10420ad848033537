"""``almanac migrate``: plan, users, schedules, events, verify, switch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer

from almanac_cli.connection import connect
from almanac_cli.migrate import plan, verify
from almanac_cli.migrate.lines import event_line, history_line, instant_of, schedule_line, user_line
from almanac_cli.migrate.mapping import MappingError, OldSystem
from almanac_cli.migrate.source import Row, open_source
from almanac_cli.migrate.spool import Spool, write_spool
from almanac_cli.migrate.upload import Outcome, show, upload
from almanac_cli.running import FAILED, console, errors, run
from almanac_client import Almanac

app = typer.Typer(help="Move an old system's PostgreSQL database into Almanac.", no_args_is_help=True)

EXPECTED = (MappingError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
KNOWN_SECONDS = 600.0
"""How long event-service may take to receive imported users."""
LOOK_SECONDS = 1.0
HISTORY_DAYS = 390
"""Below RETENTION_DAYS of event-service, which is 400 by default."""

From = Annotated[
    str,
    typer.Option("--from", envvar="ALMANAC_MIGRATE_FROM", help="The old database: postgresql://user@host/database."),
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", envvar="ALMANAC_MIGRATE_MAPPING", help="TOML file that names its columns.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write the lines to a file and send nothing.")]
WorkDir = Annotated[Path, typer.Option(help="Where the lines are kept while they are sent. They are personal data.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the lines when they have been sent.")]
DEFAULT_DIR = Path(".almanac-migration")

Line = Callable[[Row], Mapping[str, Any] | None]


@app.command("plan")
def plan_command(
    source: From,
    mapping: MappingFile = None,
    at: Annotated[str | None, typer.Option(help="A switch instant to check, as 2027-03-01T12:00:00Z.")] = None,
) -> None:
    """Show what there is, and what would become of it. Reads the old database alone."""

    async def work() -> None:
        async with open_source(source, OldSystem.read(mapping)) as old:
            plan.show(await plan.make_plan(old))
            if at is not None:
                plan.show_switch(await plan.check_switch(old, _instant(at)))

    run(work(), *EXPECTED)


@app.command()
def users(
    context: typer.Context,
    source: From,
    mapping: MappingFile = None,
    dry_run: DryRun = False,
    work_dir: WorkDir = DEFAULT_DIR,
    keep: Keep = False,
    sync: Annotated[bool, typer.Option("--sync", help="Also count who is in Almanac and no longer there.")] = False,
) -> None:
    """Import the users. Their ids become externalId; again, it changes what changed."""
    system = _mapping(mapping)
    almanac = None if dry_run else connect(context).open()

    def line_of(row: Row) -> Mapping[str, Any]:
        return user_line(row, system.users)

    async def work() -> bool:
        async with open_source(source, system) as old:
            spool = await _spool(work_dir, "users", old.users(), line_of, "external_id")
        if almanac is None:
            return _dry("users", spool)
        async with almanac:
            outcome = await upload(
                spool,
                "sync" if sync else "users",
                lambda parts, key: almanac.users.import_lines(parts, key=key, mode="sync" if sync else "upsert"),
                lambda job: almanac.users.import_errors(job.id),
            )
            if outcome.job.missing:
                console.print(f"{outcome.job.missing:,} users of Almanac are no longer there: import {outcome.job.id}")
            await _known(almanac, spool.lines - outcome.job.refused)
        return _done("users", spool, outcome, keep=keep)

    _finish(run(work(), *EXPECTED))


@app.command()
def schedules(
    context: typer.Context,
    source: From,
    mapping: MappingFile = None,
    dry_run: DryRun = False,
    work_dir: WorkDir = DEFAULT_DIR,
    keep: Keep = False,
) -> None:
    """Import recurring reminders, where the mapping names a table of them."""
    system = _mapping(mapping)
    if not system.schedules.table:
        console.print("the mapping names no table of schedules: nothing to import")
        return
    almanac = None if dry_run else connect(context).open()

    async def work() -> bool:
        async with open_source(source, system) as old:
            spool = await _spool(work_dir, "schedules", old.schedules(), schedule_line, "key")
        if almanac is None:
            return _dry("schedules", spool)
        async with almanac:
            outcome = await upload(
                spool,
                "schedules",
                lambda parts, key: almanac.events.import_lines("schedules", parts, key=key),
                lambda job: almanac.events.import_errors(job.id),
            )
        return _done("schedules", spool, outcome, keep=keep)

    _finish(run(work(), *EXPECTED))


@app.command()
def events(
    context: typer.Context,
    source: From,
    mapping: MappingFile = None,
    dry_run: DryRun = False,
    work_dir: WorkDir = DEFAULT_DIR,
    keep: Keep = False,
    history: Annotated[bool, typer.Option(help="Also import completed and failed events, as history.")] = True,
    history_days: Annotated[int, typer.Option(min=0, help="How far back.")] = HISTORY_DAYS,
    until: Annotated[
        str | None, typer.Option(help="The switch instant: waiting events before it stay the old system's.")
    ] = None,
) -> None:
    """Import the pending one-off events, with their idempotency keys, and ended events as history."""
    system = _mapping(mapping)
    almanac = None if dry_run else connect(context).open()
    table, first = system.events, None if until is None else _instant(until)

    def waiting(row: Row) -> Mapping[str, Any] | None:
        if table.types.get(str(row["type"]), "NOTIFICATION") in ("user", "skip"):
            return None
        return None if first is not None and instant_of(row["target"]) < first else event_line(row, table)

    since = datetime.now(UTC) - timedelta(days=history_days)

    def ended(row: Row) -> Mapping[str, Any] | None:
        return history_line(row, table) if instant_of(row["target"]) >= since else None

    async def send(spool: Spool, kind: str) -> bool:
        if almanac is None:
            return _dry(kind, spool)
        outcome = await upload(
            spool,
            kind,
            lambda parts, key: almanac.events.import_lines("events" if kind == "events" else "history", parts, key=key),
            lambda job: almanac.events.import_errors(job.id),
        )
        return _done(kind, spool, outcome, keep=keep)

    async def work() -> bool:
        async with open_source(source, system) as old:
            spools = [("events", await _spool(work_dir, "events", old.events(table.waiting), waiting, "key"))]
            if history:
                past = old.events((*table.completed, *table.failed))
                spools.append(("history", await _spool(work_dir, "history", past, ended, "key")))
        try:
            return all([await send(spool, kind) for kind, spool in spools])
        finally:
            if almanac is not None:
                await almanac.__aexit__()

    _finish(run(work(), *EXPECTED))


@app.command("verify")
def verify_command(
    context: typer.Context,
    source: From,
    mapping: MappingFile = None,
    history: Annotated[bool, typer.Option(help="Also compare the history.")] = True,
    history_days: Annotated[int, typer.Option(min=0, help="How far back.")] = HISTORY_DAYS,
    fired_since: Annotated[
        str | None, typer.Option(help="Also compare what both sides fired since then: for shadow mode.")
    ] = None,
) -> None:
    """Compare counts and next instants on both sides. Ends with status 1 where they differ."""
    system, almanac = _mapping(mapping), connect(context).open()

    async def work() -> list[verify.Comparison]:
        async with open_source(source, system) as old, almanac:
            since = datetime.now(UTC) - timedelta(days=history_days)
            found = await verify.verify(old, almanac, history_since=since, history=history)
            if fired_since is not None:
                found.append(await verify.compare_fired(old, almanac, _instant(fired_since)))
            return found

    compared = run(work(), *EXPECTED)
    verify.show(compared)
    _finish(all(each.equal for each in compared))


@app.command()
def switch(
    context: typer.Context,
    at: Annotated[str, typer.Option(help="The switch instant, as 2027-03-01T12:00:00Z.")],
    enable: Annotated[UUID, typer.Option(help="The endpoint that gets events from then on.")],
    disable: Annotated[UUID, typer.Option(help="The endpoint that gets none from then on: the sink.")],
) -> None:
    """Wait until the switch instant, then enable one endpoint and disable the other. The roll-back is the reverse."""
    almanac, instant = connect(context).open(), _instant(at)

    async def work() -> None:
        async with almanac:
            # Both are there, before anything depends on it.
            await asyncio.gather(almanac.endpoints.get(enable), almanac.endpoints.get(disable))
            await _wait_until(instant)
            await almanac.endpoints.enable(enable)
            await almanac.endpoints.disable(disable)

    run(work(), *EXPECTED)
    console.print(f"{enable} is enabled, {disable} is disabled, at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _mapping(path: Path | None) -> OldSystem:
    try:
        return OldSystem.read(path)
    except MappingError as error:
        raise typer.BadParameter(str(error), param_hint="--mapping") from None


def _instant(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an instant like 2027-03-01T12:00:00Z") from None
    if value.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset: add Z for UTC")
    return value.astimezone(UTC)


async def _spool(folder: Path, kind: str, rows: AsyncIterator[Row], line_of: Line, key_name: str) -> Spool:
    with errors.status(f"reading {kind}") as status:
        return await write_spool(
            folder / f"{kind}.ndjson", rows, line_of, key_name, lambda read: status.update(f"reading {kind}: {read:,}")
        )


def _dry(kind: str, spool: Spool) -> bool:
    console.print(f"{kind}: {spool.lines:,} lines in {spool.path}, {len(spool.left_out):,} left out; nothing was sent")
    for left in spool.left_out[:20]:
        console.print(f"  left out, {left.key}: {left.reason}", soft_wrap=True)
    return True


def _done(kind: str, spool: Spool, outcome: Outcome, *, keep: bool) -> bool:
    show(kind, spool, outcome)
    spool.completed(keep=keep)
    return not outcome.job.refused and not spool.left_out


def _finish(fine: bool) -> None:
    if not fine:
        raise typer.Exit(FAILED)


async def _wait_until(instant: datetime) -> None:
    # In steps, so that a clock that is set meanwhile counts.
    while (seconds := (instant - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110  the clock sends no signal
        await asyncio.sleep(min(seconds, 30.0))


async def _known(almanac: Almanac, users: int) -> None:
    """Wait until event-service knows as many users, so that what is imported next finds them."""
    deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
    with errors.status("scheduling") as status:
        while (known := (await almanac.events.summary()).recipients) < users:
            status.update(f"scheduling: event-service knows {known:,} of {users:,} users")
            if asyncio.get_running_loop().time() > deadline:
                errors.print(f"event-service knows {known:,} of {users:,} users so far; the others follow")
                return
            await asyncio.sleep(LOOK_SECONDS)
