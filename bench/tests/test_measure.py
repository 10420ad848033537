import os
import subprocess
import sys

import pytest
from bench.measure import CpuMeter, CpuTimes, Summary, cpu_seconds, number, percentile, tree_seconds


def test_a_percentile_is_linear_between_its_neighbours() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 0.95) == pytest.approx(4.8)


@pytest.mark.parametrize(("fraction", "value"), [(0.0, 1.0), (1.0, 9.0)])
def test_the_outermost_percentiles_are_the_extremes(fraction: float, value: float) -> None:
    assert percentile([9.0, 1.0, 5.0], fraction) == value


def test_one_value_is_every_percentile() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, 99])
def test_a_fraction_beyond_one_is_an_error(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], fraction)


def test_a_summary_names_the_middle_the_tail_and_the_worst() -> None:
    assert Summary.of([float(value) for value in range(101)]) == Summary(101, 50.0, 95.0, 99.0, 100.0)


def test_a_tree_costs_what_its_living_and_its_ended_processes_used() -> None:
    parent, child = CpuTimes(own=1.0, ended_children=0.5), CpuTimes(own=2.0, ended_children=0.25)
    assert tree_seconds([parent, child]) == 3.75


def test_the_time_of_an_ended_child_stays_with_its_parent() -> None:
    meter = CpuMeter({"me": os.getpid()})
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    # The kernel counts by ticks of 10 ms, at both ends.
    assert meter.spent()["me"] > 0.175


def test_cpu_seconds_never_shrink() -> None:
    before = cpu_seconds(os.getpid())
    assert cpu_seconds(os.getpid()) >= before


@pytest.mark.parametrize(
    ("cell", "text"),
    [("name", "name"), (12345, "12,345"), (1234.56, "1,235"), (12.345, "12.3"), (0.012345, "0.0123"), (0.0, "0")],
)
def test_a_report_gives_floats_three_significant_digits(cell: object, text: str) -> None:
    assert number(cell) == text
