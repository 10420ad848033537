"""Renders docs/reference/settings.md from the settings classes of the services.

A docstring after a field describes it, and all fields without one directly before it.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import analytics_service.settings
import console.settings
import delivery_service.settings
import event_service.settings
import user_service.settings
from chassis.core.settings import BusSettings, EnvironmentSettings, ProcessSettings, ServiceSettings

DOCUMENT = Path(__file__).parents[2] / "docs/reference/settings.md"
CLASSES: Mapping[str, tuple[type[EnvironmentSettings], ...]] = {
    "Every process": (ProcessSettings,),
    "Every service": (BusSettings, ServiceSettings),
    "user-service": (user_service.settings.Settings,),
    "event-service": (event_service.settings.Settings,),
    "delivery-service": (delivery_service.settings.Settings,),
    "analytics-service": (analytics_service.settings.Settings,),
    "console": (console.settings.Settings,),
}
INTRODUCTION = """# Settings

Every setting is an environment variable. Times are in seconds of real time unless the name says otherwise. A value that
is not allowed is named at start, and nothing runs. The tables are
written from the code by `make settings-reference`; a test compares them.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Fields that one docstring describes."""

    fields: Mapping[str, FieldInfo]
    text: str


def entries(settings: type[EnvironmentSettings]) -> Iterator[Entry]:
    """Yields the entries that ``settings`` itself declares, in their order. ``text`` is empty without a docstring."""
    (definition,) = ast.parse(inspect.getsource(settings)).body
    assert isinstance(definition, ast.ClassDef)
    names: list[str] = []
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif names and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield Entry(_fields(settings, names), " ".join(str(node.value.value).split()))
            names = []
    if names:
        yield Entry(_fields(settings, names), "")


def _fields(settings: type[EnvironmentSettings], names: list[str]) -> dict[str, FieldInfo]:
    return {name: settings.model_fields[name] for name in names}


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset):
        return f"`{sorted(value)}`"
    if isinstance(value, int | float):
        return f"{value:g}" if value < 1_000_000 else f"{value:,}"
    return f"`{value}`" if isinstance(value, str) and value else "–"


def _bounds(field: FieldInfo) -> str:
    bounds = {
        name: getattr(each, name) for each in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(each, name)
    }
    least = f"{bounds['ge']:g}" if "ge" in bounds else f"over {bounds['gt']:g}" if "gt" in bounds else ""
    most = f"{bounds['le']:g}" if "le" in bounds else ""
    if least and most:
        return f"{least} to {most}"
    return f"{least} or more" if "ge" in bounds else least or (f"up to {most}" if most else "")


def _together(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def render() -> str:
    """Renders the whole document."""
    parts = [INTRODUCTION]
    for title, classes in CLASSES.items():
        rows = []
        for settings in classes:
            for entry in entries(settings):
                variables = ", ".join(f"`{name.upper()}`" for name in entry.fields)
                fields = list(entry.fields.values())
                default, bounds = _together([*map(_default, fields)]), _together([*map(_bounds, fields)])
                text = entry.text.replace("``", "`").replace("|", "\\|")
                rows.append(f"| {variables} | {default} | {bounds.strip(', ') or '–'} | {text} |")
        if rows:
            head = ("| variable | default | allowed | meaning |", "| --- | --- | --- | --- |")
            parts.append("\n".join([f"## {title}", "", *head, *rows, ""]))
        else:
            parts.append(f"## {title}\n\nNone beyond those of every service.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT} written\n")
