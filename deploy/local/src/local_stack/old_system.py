"""A made-up old system to migrate: a PostgreSQL database with `users` and `events`, as `docs/migrating.md` supposes it.

    python -m local_stack.old_system --users 10000      # a database old_system beside those of `make run`

The same number of users is always the same people. Pending events are dated from now on, and none is due within the
next quarter of an hour, so that compared events do not fire meanwhile.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from local_stack.ports import LOOPBACK
from local_stack.postgres import SUPERUSER
from local_stack.settings import StackSettings

SCHEMA = """
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    email         text,
    date_of_birth date NOT NULL,
    timezone      text NOT NULL,
    created_at    timestamptz NOT NULL
);
CREATE TABLE events (
    id                   uuid PRIMARY KEY,
    user_id              uuid NOT NULL REFERENCES users,
    event_type           text NOT NULL,
    status               text NOT NULL,
    target_timestamp_utc timestamptz NOT NULL,
    idempotency_key      text NOT NULL UNIQUE,
    delivery_payload     jsonb NOT NULL,
    executed_at          timestamptz,
    failure_reason       text,
    retry_count          integer NOT NULL,
    created_at           timestamptz NOT NULL
);
"""
USERS = ("id", "first_name", "last_name", "email", "date_of_birth", "timezone", "created_at")
EVENTS = (
    "id", "user_id", "event_type", "status", "target_timestamp_utc", "idempotency_key", "delivery_payload",
    "executed_at", "failure_reason", "retry_count", "created_at",
)  # fmt: skip
ZONES = (
    "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Europe/London", "Europe/Berlin", "Asia/Kolkata",
    "Asia/Kathmandu", "Asia/Tokyo", "Australia/Sydney", "UTC",
)  # fmt: skip
FIRST_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Zoë", "José", "王", "Ngozi", "O'Hara")
QUIET = timedelta(minutes=15)
GREETED_AT = 9
"""The local hour at which the old system greets, as Almanac does by default."""
PART = 5_000


@dataclass(frozen=True, slots=True)
class _Person:
    id: UUID
    first_name: str
    born: date
    zone: str


def _people(count: int, now: datetime) -> Iterator[_Person]:
    chance = random.Random(count)
    for number in range(count):
        born = date(1945, 1, 1) + timedelta(days=chance.randrange(20_000))
        zone = ZONES[chance.randrange(len(ZONES))]
        # 29 February is a matter of policy, on which the two systems may differ.
        while (born.month, born.day) == (2, 29) or not _quiet(born, zone, now):
            born += timedelta(days=1)
        yield _Person(UUID(int=chance.getrandbits(128), version=4), FIRST_NAMES[number % len(FIRST_NAMES)], born, zone)


def _birthday(born: date, zone: str, year: int) -> datetime:
    return datetime(year, born.month, born.day, GREETED_AT, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _quiet(born: date, zone: str, now: datetime) -> bool:
    return all(abs(_birthday(born, zone, year) - now) > QUIET for year in (now.year - 1, now.year, now.year + 1))


def _user(number: int, person: _Person, now: datetime) -> tuple[object, ...]:
    email = f"user.{number}@example.org"
    return person.id, person.first_name, f"Number {number}", email, person.born, person.zone, now


def _events_of(number: int, person: _Person, now: datetime) -> Iterator[tuple[object, ...]]:
    chance = random.Random(person.id.int)

    def event(type: str, status: str, target: datetime, **more: object) -> tuple[object, ...]:
        key = f"event-{type.lower()}-{person.id}-{target:%Y%m%d%H%M%S}"
        message = f"Hey, {person.first_name} it's your {type.lower()}"
        payload = json.dumps({"message": message, "userId": str(person.id)})
        done = target + timedelta(seconds=2) if status in ("COMPLETED", "FAILED") else None
        id = UUID(int=chance.getrandbits(128), version=4)
        reason = more.get("reason")
        return id, person.id, type, status, target, key, payload, done, reason, 0, min(target, now)

    birthdays = [_birthday(person.born, person.zone, year) for year in (now.year - 1, now.year, now.year + 1)]
    yield event("BIRTHDAY", "PENDING", next(at for at in birthdays if at > now))
    last = [at for at in birthdays if now - timedelta(days=360) < at < now]
    if last and number % 3 == 0:
        failed = number % 99 == 0
        yield event("BIRTHDAY", "FAILED" if failed else "COMPLETED", last[-1], reason="timeout" if failed else None)
    if number % 10 == 0:
        at = (now + QUIET + timedelta(seconds=chance.randrange(60 * 86_400))).replace(microsecond=0)
        yield event("NOTIFICATION" if number % 20 == 0 else "REMINDER", "PENDING", at)


async def create(url: str, users: int, now: datetime) -> None:
    """Fill an empty database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        people = list(_people(users, now))
        for start in range(0, users, PART):
            part = list(enumerate(people))[start : start + PART]
            await connection.copy_records_to_table(
                "users",
                columns=USERS,
                records=[
                    (
                        each.id,
                        each.first_name,
                        f"Number {number}",
                        f"user.{number}@example.org",
                        each.born,
                        each.zone,
                        now,
                    )
                    for number, each in part
                ],
            )
            await connection.copy_records_to_table(
                "events",
                columns=EVENTS,
                records=[event for number, each in part for event in _events_of(number, each, now)],
            )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def create_beside(admin_url: str, name: str, users: int) -> str:
    """Make a database ``name`` on a server, replacing an existing one, fill it, and return its URL."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    url = f"{admin_url.rpartition('/')[0]}/{name}"
    await create(url, users, datetime.now(UTC))
    return url


def main() -> None:
    """Make the old system beside the databases of `make run`, and print where it is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--name", default="old_system")
    arguments = parser.parse_args()
    admin = f"postgresql://{SUPERUSER}@{LOOPBACK}:{StackSettings().postgres_port}/postgres"
    sys.stdout.write(f"{asyncio.run(create_beside(admin, arguments.name, arguments.users))}\n")


if __name__ == "__main__":
    main()
