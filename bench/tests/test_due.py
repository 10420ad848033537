from bench.lateness import poisson
from bench.storm import storm

from contracts.vocabulary import Priority


def test_arrivals_are_as_many_as_the_rate_says_and_the_same_in_every_run() -> None:
    coming = poisson(1000.0, 3600, 25_000)
    assert 24_000 < len(coming) < 26_000
    assert all(1000 < each.at < 4600 for each in coming)
    assert [each.at for each in coming] == [each.at for each in poisson(1000.0, 3600, 25_000)]
    assert sum(each.priority is Priority.LOW for each in coming) > 0.85 * len(coming)


def test_a_storm_has_one_instant_and_as_many_critical_ones_as_asked_for() -> None:
    coming = storm(1000.0, 250, 10)
    assert len(coming) == 250
    assert {each.at for each in coming} == {1000.0}
    assert [each.priority for each in coming[-10:]] == [Priority.CRITICAL] * 10
