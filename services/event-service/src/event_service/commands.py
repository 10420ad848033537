"""Commands of event-service beyond those that every service has."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chassis.core.zones import TZDATA_VERSION
from chassis.service.runtime import Runtime
from chassis.service.service import execute
from event_service.application import calendar_changes, zone_changes
from event_service.application.calendar_days import dropped
from event_service.application.recomputing import Report
from event_service.domain.calendars import RELEASE, Calendar
from event_service.main import SERVICE
from event_service.roles import rulebook
from event_service.settings import Settings

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would move; change nothing.")]


def add_commands(app: typer.Typer) -> None:
    """Add them to the service's command line."""

    @app.command()
    def tzdata(dry_run: _DryRun = False) -> None:
        """Move pending events in zones whose rules differ in the installed tzdata package."""
        report = execute(
            SERVICE,
            lambda runtime: zone_changes.recompute(
                runtime.database, runtime.outbox, rulebook(runtime.settings), dry_run=dry_run
            ),
        )
        _show(report, f"tzdata {TZDATA_VERSION}", "zone", dry_run=dry_run)

    @app.command()
    def holidays(dry_run: _DryRun = False) -> None:
        """Move what keeps to working days that are others in the installed holidays package."""

        async def work(runtime: Runtime[Settings]) -> tuple[Report, list[Calendar]]:
            report = await calendar_changes.recompute(
                runtime.database, runtime.outbox, rulebook(runtime.settings), dry_run=dry_run
            )
            return report, await dropped(runtime.database)

        report, gone = execute(SERVICE, work)
        _show(report, f"holidays {RELEASE}", "calendar", dry_run=dry_run)
        for calendar in gone:
            typer.echo(f"holidays {RELEASE} does not have {calendar.name}: its last known days are used")


def _show(report: Report, release: str, what: str, *, dry_run: bool) -> None:
    moved = sum(each.moved for each in report.values())
    examined = sum(each.examined for each in report.values())
    if report:
        table = Table(what, "waiting", "move", "are replaced", "by, at least", "at most")
        for name, each in sorted(report.items()):
            table.add_row(
                name, str(each.examined), str(each.moved), str(each.replaced), _by(each.least), _by(each.greatest)
            )
        Console(soft_wrap=True).print(table)
    verb = "would move" if dry_run else "moved"
    typer.echo(f"{release}: {moved} of {examined} waiting events in {len(report)} changed {what}s {verb}")


def _by(shift: timedelta | None) -> str:
    return "" if shift is None else f"{shift.total_seconds() / 60:+g} min"
