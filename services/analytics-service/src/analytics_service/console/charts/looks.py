"""What all charts share. Colours are tokens of the style sheet, which the browser resolves: a theme changes at once."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from contracts.vocabulary import Priority

Options = dict[str, Any]

PRIORITY_COLOURS: Mapping[Priority, str] = MappingProxyType(
    {
        Priority.CRITICAL: "var(--critical)",
        Priority.HIGH: "var(--high)",
        Priority.NORMAL: "var(--normal)",
        Priority.LOW: "var(--low)",
    }
)
INK, SOFT, LINE, SURFACE, BAD = "var(--ink)", "var(--ink-soft)", "var(--line)", "var(--raised)", "var(--bad)"
# The style sheet's, spelt out: text is measured on a canvas, which knows neither "inherit" nor tokens.
_FAMILY = 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif'
_FONT = {"color": SOFT, "fontFamily": _FAMILY, "fontSize": 12}


def over_time(labels: Sequence[str], series: Sequence[Options], *, unit: str, label_every: int) -> Options:
    """Options of a chart with time along the bottom. ``unit`` is of its numbers; the interval of the labels that are
    shown."""
    return {
        "animation": False,
        "aria": {"enabled": False},  # a table says it better
        "grid": {"left": 8, "right": 12, "top": 54, "bottom": 4, "containLabel": True},
        "legend": {
            "top": 0,
            "right": 0,
            "itemWidth": 12,
            "itemHeight": 8,
            "itemGap": 16,
            "inactiveColor": LINE,
            "textStyle": _FONT,
        },
        "tooltip": {
            "trigger": "axis",
            "axisPointer": {"type": "shadow", "shadowStyle": {"color": "var(--veil)"}},
            "backgroundColor": SURFACE,
            "borderColor": LINE,
            "textStyle": {**_FONT, "color": INK},
        },
        "xAxis": {
            "type": "category",
            "data": list(labels),
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisLabel": {**_FONT, "interval": max(0, label_every - 1), "hideOverlap": True, "alignMinLabel": "left"},
        },
        "yAxis": {
            "type": "value",
            "name": unit,
            "nameTextStyle": {**_FONT, "align": "left"},
            "nameGap": 14,
            "minInterval": 1,
            "splitNumber": 4,
            "axisLabel": _FONT,
            "splitLine": {"lineStyle": {"color": LINE}},
        },
        "series": list(series),
    }


def stacked_bars(name: str, colour: str, values: Sequence[float]) -> Options:
    """One layer of stacked bars."""
    return {
        "type": "bar",
        "name": name,
        "stack": "all",
        "data": list(values),
        "itemStyle": {"color": colour},
        "emphasis": {"disabled": True},
        "barCategoryGap": "18%",
    }


def measured_line(name: str, colour: str, values: Sequence[float | None]) -> Options:
    """Points joined by a line; None leaves a gap."""
    return {
        "type": "line",
        "name": name,
        "data": list(values),
        "symbolSize": 5,
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": 2},
        "emphasis": {"disabled": True},
    }


def limit_line(name: str, colour: str, value: float, spans: int, *, dashed: bool = False) -> Options:
    """A line at one height."""
    return {
        "type": "line",
        "name": name,
        "data": [value] * spans,
        "symbol": "none",
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": 1.5, "type": "dashed" if dashed else "solid"},
        "emphasis": {"disabled": True},
    }
