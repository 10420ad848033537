"""A typed asynchronous client of Almanac's four HTTP APIs.

::

    async with Almanac(Services.on("https://almanac.example.org"), key) as almanac:
        user, created = await almanac.users.put("crm-42", {"firstName": "Ada", …})
        async for event in almanac.events.iterate(user_id=user.id, status="PENDING"):
            print(event.target_timestamp_utc)
"""

from almanac_client.client import Almanac, Services
from almanac_client.errors import AlmanacError, ApiError, NotReachableError
from almanac_client.models import (
    Endpoint,
    Event,
    Fault,
    ImportJob,
    MissingUser,
    RefusedLine,
    Schedule,
    Summary,
    Upcoming,
    User,
)

__all__ = [
    "Almanac",
    "AlmanacError",
    "ApiError",
    "Endpoint",
    "Event",
    "Fault",
    "ImportJob",
    "MissingUser",
    "NotReachableError",
    "RefusedLine",
    "Schedule",
    "Services",
    "Summary",
    "Upcoming",
    "User",
]
