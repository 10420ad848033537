"""Numbers, times and markup as they are shown."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from console import formats
from console.components import table
from console.markup import badge, joined, link, tag


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"), (0, "0 ms"), (0.0854, "85 ms"), (0.9996, "1 s"), (4.23, "4.2 s"), (5, "5 s"), (9.96, "10 s"),
        (59.6, "1 min"), (200, "3 min 20 s"), (3_600, "1 h"), (18_600, "5 h 10 min"), (273_600, "3 d 4 h"),
        (-2, "−2 s"),
    ],
)  # fmt: skip
def test_durations_have_the_two_units_that_matter(seconds: float | None, shown: str) -> None:
    assert formats.duration(seconds) == shown


def test_share_just_below_one_is_not_shown_as_all() -> None:
    assert [formats.share(each) for each in (1, 0, 0.99999, 0.00001, 0.5, None)] == [
        "100 %", "0 %", "99.99 %", "0.01 %", "50.00 %", "–",
    ]  # fmt: skip


def test_counts_and_rates_have_as_many_digits_as_say_something() -> None:
    assert [formats.count(each) for each in (None, 0, 1234567, 12_345_678)] == ["–", "0", "1,234,567", "12.3 M"]
    assert [formats.rate(each) for each in (None, 0, 0.126, 12.34, 1234.5)] == ["–", "0.0", "0.13", "12.3", "1,234"]


def test_moments_are_in_utc_and_have_their_day_where_it_is_another() -> None:
    now = datetime(2026, 11, 23, 15, tzinfo=UTC)
    new_york = timezone(timedelta(hours=-5))
    assert formats.moment(datetime(2026, 11, 23, 9, 0, 5, tzinfo=new_york), now) == "14:00:05"
    assert formats.moment(datetime(2026, 11, 24, 9, 0, 5, tzinfo=new_york), now) == "2026-11-24 14:00:05"
    assert formats.local_moment(datetime(2026, 11, 23, 9, tzinfo=new_york)) == "2026-11-23 09:00 −05:00"


def test_markup_escapes_whatever_is_not_ours() -> None:
    made = tag("p", "<script>", badge("a & b", "good"), None, 3, title='"quoted"', hidden=True, id=None)
    assert str(made) == (
        '<p title="&#34;quoted&#34;" hidden>&lt;script&gt;<span class="badge good">a &amp; b</span>3</p>'
    )
    assert str(link("x", "/events?status=<")) == '<a href="/events?status=&lt;">x</a>'
    assert str(joined("<", tag("b", "x"))) == "&lt;<b>x</b>"


def test_a_table_has_a_caption_and_headings_with_their_scope() -> None:
    made = str(table("Late", ["Priority", "p95"], [["Critical", "5 s"]], numbers=frozenset({1})))
    assert '<caption class="unseen">Late</caption>' in made
    assert '<th scope="col" class="number">p95</th>' in made
    assert '<th scope="row">Critical</th><td class="number" data-label="p95">5 s</td>' in made
    assert "Nothing yet" in str(table("Late", ["Priority"], [], empty="Nothing yet"))
