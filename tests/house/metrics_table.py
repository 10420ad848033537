"""The table of docs/metrics.md."""

from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
EVERY_ROLE = "every role"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as it is documented."""

    name: str
    kind: str
    unit: str
    labels: frozenset[str]
    exported_by: str
    says: str

    @property
    def roles(self) -> dict[str, set[str]]:
        """By service, where it is not every role."""
        parts = (each.partition(": ") for each in self.exported_by.split("; "))
        return {service: set(roles.split(", ")) for service, _, roles in parts}


def _row(line: str) -> Row:
    name, kind, unit, labels, exported_by, says = (cell.strip() for cell in line.strip("|").split(" | "))
    named = frozenset() if labels == "–" else frozenset(labels.split(", "))
    return Row(name.strip("`"), kind, unit, named, exported_by, says)


_METRICS, _, _DIAGNOSTIC = DOCUMENT.read_text().partition("## Diagnostic only")
ROWS = [_row(line.strip()) for line in _METRICS.splitlines() if line.startswith("| `almanac_")]
DIAGNOSTIC = [line.split("`")[1] for line in _DIAGNOSTIC.splitlines() if line.startswith("| `")]
"""Metrics that no rule and no panel reads."""
