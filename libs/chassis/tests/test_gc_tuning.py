import gc
from collections.abc import Iterator

import pytest

from chassis.core.gc_tuning import OLDER, YOUNG, collect_rarely


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Cycle:
    made = 0

    def __init__(self) -> None:
        self.itself = self
        Cycle.made += 1

    def __del__(self) -> None:
        Cycle.made -= 1


def test_what_a_process_began_with_is_never_looked_at_again() -> None:
    collect_rarely()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == (YOUNG, OLDER, OLDER)


def test_cycles_are_still_found_and_few_of_them_wait() -> None:
    collect_rarely()
    for _ in range(3 * YOUNG):
        Cycle()
    assert 0 < Cycle.made <= 2 * YOUNG
    gc.collect()
    assert Cycle.made == 0
