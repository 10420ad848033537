"""How a run is reported: tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bench.measure import report
from bench.pipeline.run import SERVICES, PipelineResult
from bench.pipeline.stacks import Profile

PROFILE_ROWS = 25


def show(result: PipelineResult) -> None:
    """Print what a run took."""
    lateness = result.lateness
    report(
        f"pipeline: {result.events} events due at one instant",
        ("seconds from target", "p50", "p95", "p99", "all"),
        [
            *((f"{each.measure} (analytics)", each.p50, each.p95, each.p99, "") for each in result.latencies),
            ("webhook at the sink", lateness.p50, lateness.p95, lateness.p99, lateness.worst),
            ("COMPLETED, next year's PENDING", "", "", "", result.completed),
            ("counted by analytics-service", "", "", "", result.counted),
        ],
    )
    _show_processes(result)
    _show_calls(result)


def _show_processes(result: PipelineResult) -> None:
    ours = sum(result.cpu[name] for name in SERVICES)
    rows = [*result.cpu.items(), ("the four services", ours), ("everything", sum(result.cpu.values()))]
    report(
        f"CPU in {result.seconds:.1f} s, and memory",
        ("process", "CPU s", "CPU ms/event", "cores", "peak MiB"),
        (
            (name, cpu, 1000 * cpu / result.events, cpu / result.seconds, result.peak_mib.get(name, ""))
            for name, cpu in rows
        ),
    )


def _show_calls(result: PipelineResult) -> None:
    total: Counter[str] = sum(result.calls.values(), Counter())
    operations = [operation for operation, _ in total.most_common()]
    report(
        "AWS calls",
        ("service", *operations, "all", "per event"),
        (
            (name, *(calls[each] for each in operations), calls.total(), calls.total() / result.events)
            for name, calls in [*result.calls.items(), ("together", total)]
        ),
    )


def show_profile(service: str, file: Path) -> None:
    """Print the functions in which a service's samples lie."""
    profile = Profile.of(file.read_text(encoding="utf-8").splitlines())
    columns = ("function", "own %", "total %")
    report(f"{service}: {profile.samples} samples, by own time", columns, profile.by_own(PROFILE_ROWS))
    report(f"{service}: by total time", columns, profile.by_total(2 * PROFILE_ROWS))
    print(f"{file} can be opened in speedscope")
