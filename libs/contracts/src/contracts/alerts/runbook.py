"""The table of alerts in docs/operations.md, between two marks."""

from typing import Final

from contracts.alerts.alert import Alert
from contracts.alerts.catalogue import GROUPS

BEGIN: Final = "<!-- The table of alerts: written from contracts.alerts by `make rules`. -->"
END: Final = "<!-- The end of the table of alerts. -->"
_HEAD: Final = "| alert | severity | measure and threshold | for | evaluated by |\n| --- | --- | --- | --- | --- |\n"


def alert_table() -> str:
    """Every alert, a row each: what is measured, past which value, for how long, and who judges it."""
    return _HEAD + "".join(_row(alert) for group in GROUPS.values() for alert in group)


def with_table(document: str) -> str:
    """The document with the present table in it. Raises ValueError where the marks are missing."""
    before, begun, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"the document should have the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{alert_table()}\n{END}{after}"


def _row(alert: Alert) -> str:
    cells = (
        f"[{alert.name}](#{alert.anchor})",
        str(alert.severity),
        f"{alert.meaning} {_limit(alert)}".strip(),
        _duration(alert.for_seconds),
        ", ".join(_judges(alert)),
    )
    return f"| {' | '.join(cells)} |\n"


def _limit(alert: Alert) -> str:
    if alert.threshold is None:
        return ""
    return f"**{'<' if alert.below else '>'} {alert.threshold:,.10g}**"


def _duration(seconds: int) -> str:
    if seconds == 0:
        return "at once"
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"


def _judges(alert: Alert) -> list[str]:
    judges = {"Prometheus": alert.promql is not None, "analytics": alert.evaluated, "CloudWatch": alert.cloudwatch}
    return [name for name, judges_it in judges.items() if judges_it]
