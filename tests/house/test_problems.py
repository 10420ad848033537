"""Every error of a service has an answer over HTTP."""

from collections.abc import Iterator

import pytest

import analytics_service.main
import delivery_service.main
import event_service.main
import user_service.main
from analytics_service.domain.errors import AnalyticsServiceError
from delivery_service.domain.errors import DeliveryServiceError
from event_service.domain.errors import EventServiceError
from user_service.domain.errors import UserServiceError

TREES = {
    UserServiceError: user_service.main.SERVICE.problems,
    EventServiceError: event_service.main.SERVICE.problems,
    DeliveryServiceError: delivery_service.main.SERVICE.problems,
    AnalyticsServiceError: analytics_service.main.SERVICE.problems,
}


def _below(error: type[Exception]) -> Iterator[type[Exception]]:
    for each in error.__subclasses__():
        yield each
        yield from _below(each)


@pytest.mark.parametrize("root", TREES, ids=lambda root: root.__name__)
def test_every_error_of_a_service_has_a_problem_type(root: type[Exception]) -> None:
    errors = list(_below(root))
    assert len(errors) > 5
    assert [each.__name__ for each in errors if not any(base in TREES[root] for base in each.__mro__)] == []
