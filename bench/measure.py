"""What benchmarks share: percentiles, CPU seconds by process tree, the machine in one line, and the report."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` (0 to 1) of `values` lie, linear between neighbours; ValueError if none."""
    if not values:
        raise ValueError("a percentile of nothing")
    if not 0 <= fraction <= 1:
        raise ValueError(f"a fraction is between 0 and 1, not {fraction}")
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


@dataclass(frozen=True, slots=True)
class Summary:
    """A distribution in five numbers, in the unit of its values."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Summarise `values`; ValueError if there are none."""
        return cls(
            len(values), percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99), max(values)
        )


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds of one process, and of its children that have ended (user and system added)."""

    own: float
    ended_children: float

    @classmethod
    def of(cls, process: psutil.Process) -> CpuTimes:
        """Read them now; psutil.NoSuchProcess if it has ended."""
        times = process.cpu_times()
        return cls(times.user + times.system, times.children_user + times.children_system)


def tree_seconds(times: Iterable[CpuTimes]) -> float:
    """CPU seconds of a process tree.

    A child that ends moves its time into its parent's `ended_children`, so the sum over the living loses nothing and
    counts nothing twice (PostgreSQL's backends come and go).
    """
    return sum(each.own + each.ended_children for each in times)


def cpu_seconds(pid: int) -> float:
    """CPU seconds that process `pid` and its descendants have used; psutil.NoSuchProcess if it has ended."""
    root = psutil.Process(pid)
    while True:
        # Listed before the root is read: a child that ends in between makes the reading fail, and start again.
        children = root.children(recursive=True)
        try:
            return tree_seconds([CpuTimes.of(root), *map(CpuTimes.of, children)])
        except psutil.NoSuchProcess:
            if not root.is_running():
                raise


class CpuMeter:
    """CPU seconds by name between two moments: `meter = CpuMeter({"sink": pid}); …; meter.spent()`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Begin measuring the process trees under `pids`, by name."""
        self._pids = dict(pids)
        self._start = {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def spent(self) -> dict[str, float]:
        """CPU seconds since the beginning, by name; every process must still run."""
        return {name: cpu_seconds(pid) - self._start[name] for name, pid in self._pids.items()}


def peak_rss(pid: int) -> int:
    """Bytes: the most that process `pid` has had resident since it started; what it has now, where that is unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return psutil.Process(pid).memory_info().rss  # not Linux
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def machine() -> str:
    """This machine in one line: processor, cores, memory, load, kernel, Python."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    except FileNotFoundError:
        pass  # not Linux: the platform module's name will do
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def report(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: the first column is a name, the others are numbers. Floats get three significant digits."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(number(cell) for cell in row))
    console = Console()
    # A pipe or a log has no width of its own, and eighty columns would cut numbers off.
    (console if console.is_terminal else Console(width=140)).print(table)


def number(cell: object) -> str:
    """A cell's text: floats with three significant digits and thousands separated, the rest as it is."""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    if cell == 0 or not math.isfinite(cell):
        return f"{cell:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(cell))))
    return f"{cell:,.{digits}f}"
