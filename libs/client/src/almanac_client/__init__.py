"""A typed asynchronous client of Almanac's four HTTP APIs.

::

    async with Almanac(Services.on("https://almanac.example.org"), key) as almanac:
        user, created = await almanac.users.put("crm-42", {"firstName": "Ada", …})
        async for event in almanac.events.iterate(user_id=user.id, status="PENDING"):
            print(event.target_timestamp_utc)

Replies are the models of ``contracts.http``.
"""

from almanac_client.client import Almanac, Services
from almanac_client.deliveries import DeadLetterFilter
from almanac_client.errors import (
    AlmanacError,
    ApiError,
    NotConfiguredError,
    NotReachableError,
    UnavailableError,
    UnexpectedAnswerError,
)
from contracts.http.deliveries import DeadLetter, Delivery, Endpoint
from contracts.http.events import Event, Schedule, Summary, Upcoming
from contracts.http.model import ListPage
from contracts.http.users import Fault, ImportJob, MissingUser, RefusedLine, User

__all__ = [
    "Almanac",
    "AlmanacError",
    "ApiError",
    "DeadLetter",
    "DeadLetterFilter",
    "Delivery",
    "Endpoint",
    "Event",
    "Fault",
    "ImportJob",
    "ListPage",
    "MissingUser",
    "NotConfiguredError",
    "NotReachableError",
    "RefusedLine",
    "Schedule",
    "Services",
    "Summary",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Upcoming",
    "User",
]
