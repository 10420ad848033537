"""Many events due at one instant, and their outcomes."""

from datetime import UTC, datetime, timedelta

from client import RECEIVER, get, post, reset_webhooks, webhooks
from cluster import database
from commands import until


class Burst:
    """Users whose birthday greeting is due at one instant, with a last name of their own."""

    def __init__(self, name: str, count: int, lead_seconds: float) -> None:
        """Imports `count` users, due `lead_seconds` from now, and waits until all of their events are scheduled."""
        self.name = name
        self.count = count
        reset_webhooks()
        self.due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lead_seconds)
        rows = [
            f"Grace,{name}-{number},{1990 + number % 9}-{self.due:%m-%d},UTC,{self.due:%H:%M:%S}"
            for number in range(count)
        ]
        body = "\n".join(["firstName,lastName,dateOfBirth,timezone,deliveryTime", *rows])
        headers = {"Content-Type": "text/csv", "Idempotency-Key": f"{name}-{self.due:%Y%m%dT%H%M%S}"}
        done = post("user", "/v1/imports", body, headers)
        assert (done["created"], done["refused"]) == (count, 0), done
        until(self._scheduled, lambda scheduled: scheduled == count, lead_seconds)
        assert datetime.now(UTC) < self.due, "scheduling took longer than the lead"

    def _rows(self, columns: str, extra: str = "") -> list[str]:
        due = self.due.isoformat()
        return database(
            "event_service",
            f"SELECT {columns} FROM events e JOIN recipients r USING (user_id) "
            f"WHERE r.last_name LIKE '{self.name}-%' AND e.target_timestamp_utc = '{due}' {extra}",
        )

    def _scheduled(self) -> int:
        return int(self._rows("count(*)")[0])

    def published(self) -> int:
        """How many of the events were published to the queue."""
        return int(self._rows("count(*)", "AND e.published_at IS NOT NULL")[0])

    def seconds_left(self) -> float:
        """Seconds until the events are due."""
        return (self.due - datetime.now(UTC)).total_seconds()

    def wait_until_delivered(self, seconds: float) -> dict[str, int]:
        """Waits until each event's webhook was received and each event is COMPLETED.

        Returns how often each `webhook-id` was received. Raises AssertionError if one is missing, or if one has
        the id of no event, which is what a repeated effect would have.
        """
        until(lambda: self._rows("e.status, count(*)", "GROUP BY 1"), [f"COMPLETED|{self.count}"].__eq__, seconds)
        expected = set(self._rows("e.id"))
        got = until(webhooks, expected.issubset, seconds, interval=2)
        unknown = set(got) - set(database("event_service", "SELECT id FROM events"))
        assert not unknown, f"webhooks of no event: {unknown}"
        return {each: got[each] for each in expected}


def create_endpoint() -> None:
    """Creates the endpoint of the receiver, to which every event goes, unless it is there."""
    if not any(each["url"] == RECEIVER for each in get("delivery", "/v1/endpoints")["items"]):
        post("delivery", "/v1/endpoints", {"url": RECEIVER})
