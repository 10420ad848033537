"""The instruments that the code creates, read from its source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {
    "create_counter": "counter",
    "create_up_down_counter": "gauge",
    "create_gauge": "gauge",
    "create_observable_gauge": "gauge",
    "create_histogram": "histogram",
}


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric: what it is created as, and where. ``says`` is its description, None where that is computed."""

    name: str
    kind: str
    unit: str
    says: str | None
    place: str

    @property
    def exported(self) -> str:
        """Its name at /metrics, as the Prometheus exporter makes it."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"{self.name}{unit}{'_total' if self.kind == 'counter' else ''}"


def instruments() -> Iterator[Instrument]:
    """Of the chassis and of every service."""
    for source in sorted([*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
                given = {each.arg: _text(each.value) for each in node.keywords}
                yield Instrument(
                    _text(node.args[0]) or "",
                    KINDS[node.func.attr],
                    given.get("unit") or "",
                    given.get("description"),
                    source.relative_to(ROOT).as_posix(),
                )


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
