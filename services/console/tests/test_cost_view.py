"""How amounts are said."""

import pytest

from console.views.cost import dollars, line_rows
from contracts.http.analytics import CostLine


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "$0"), (1_294.6, "$1,295"), (42.5, "$42.50"), (0.42, "$0.42"), (0.00031, "$0.00031"),
     (0.0000074, "$0.0000074")],
)  # fmt: skip
def test_an_amount_has_as_many_digits_as_say_something(value: float | None, said: str) -> None:
    assert dollars(value) == said


def test_the_dearest_line_comes_first() -> None:
    lines = [
        CostLine(category="sqs", name="bday-analytics", quantity=1_234, unit="requests", amount=1, daily=2, monthly=3),
        CostLine(category="compute", name="relay", quantity=0.0026834, unit="vCPU-hours", amount=1, daily=2, monthly=9),
    ]
    first, second = line_rows(lines)
    assert first == ["relay", "Compute", "0.00268 vCPU-hours", "$2.00", "$9.00"]
    assert second[:3] == ["bday-analytics", "SQS", "1,234 requests"]
