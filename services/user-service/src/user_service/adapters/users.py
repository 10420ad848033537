"""The table ``users``."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from asyncpg.exceptions import UniqueViolationError
from pydantic_core import to_json
from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import IntegrityError

from chassis.core.zones import aliases
from chassis.database.database import Reader, Transaction
from contracts.send_window import SendWindow, load
from user_service.domain.anniversaries import Anniversaries, Anniversary, Occasion
from user_service.domain.errors import ExternalIdTakenError
from user_service.domain.user import Profile, Search, User

_COLUMNS = (
    "id", "version", "first_name", "last_name", "date_of_birth", "timezone", "email", "phone", "tags", "delivery_time",
    "anniversaries", "send_window", "locale", "created_at", "updated_at", "external_id",
)  # fmt: skip
EXTERNAL_ID_INDEX = "users_external_id"
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM users"
_FIND = text(f"{_SELECT} WHERE id = :id")
_LOCK = text(f"{_SELECT} WHERE id = :id FOR NO KEY UPDATE")
_FIND_EXTERNAL = text(f"{_SELECT} WHERE external_id = :external_id")
# In the order of their ids, as every transaction that locks several users.
_LOCK_EXTERNAL = text(f"{_SELECT} WHERE external_id = ANY(CAST(:external_ids AS text[])) ORDER BY id FOR NO KEY UPDATE")
_INSERT = text(
    f"INSERT INTO users ({', '.join(_COLUMNS)}) VALUES (:id, :version, :first_name, :last_name, :date_of_birth,"
    " :timezone, :email, :phone, :tags, :delivery_time, CAST(CAST(:anniversaries AS text) AS jsonb),"
    " CAST(CAST(:send_window AS text) AS jsonb), :locale, :created_at,"
    " :updated_at, :external_id) ON CONFLICT (external_id) WHERE external_id IS NOT NULL DO NOTHING"
)
_UPDATE = text(
    "UPDATE users SET version = :version, first_name = :first_name, last_name = :last_name,"
    " date_of_birth = :date_of_birth, timezone = :timezone, email = :email, phone = :phone, tags = :tags,"
    " delivery_time = :delivery_time, anniversaries = CAST(CAST(:anniversaries AS text) AS jsonb),"
    " send_window = CAST(CAST(:send_window AS text) AS jsonb), locale = :locale,"
    " updated_at = :updated_at, external_id = :external_id WHERE id = :id"
)
_UPDATE_ALL = text(
    "UPDATE users u SET version = i.version, first_name = i.first_name, last_name = i.last_name,"
    " date_of_birth = i.date_of_birth, timezone = i.timezone, email = i.email, phone = i.phone,"
    " tags = ARRAY(SELECT jsonb_array_elements_text(i.tags)), delivery_time = i.delivery_time,"
    " anniversaries = CAST(i.anniversaries AS jsonb), send_window = CAST(i.send_window AS jsonb), locale = i.locale,"
    " updated_at = i.updated_at"
    " FROM jsonb_to_recordset(CAST(CAST(:users AS text) AS jsonb)) AS i (id uuid, version bigint, first_name text,"
    " last_name text, date_of_birth date, timezone text, email text, phone text, tags jsonb, delivery_time time,"
    " anniversaries text, send_window text, locale text, updated_at timestamptz) WHERE u.id = i.id"
)
_DELETE = text("DELETE FROM users WHERE id = :id")
_CONDITIONS = {
    "email": "lower(email) = lower(:email)",
    "external_id": "external_id = :external_id",
    "timezone": "timezone = z.name",
    "tag": "tags <> '{}' AND tags @> ARRAY[CAST(:tag AS text)]",
    "birthday": "extract(month FROM date_of_birth) = CAST(:month AS integer)"
    " AND extract(day FROM date_of_birth) = CAST(:day AS integer)",
    "before": "(created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))",
}


async def find(reader: Reader, user_id: UUID) -> User | None:
    row = (await reader.execute(_FIND, {"id": user_id})).one_or_none()
    return _user(row) if row else None


async def lock(tx: Transaction, user_id: UUID) -> User | None:
    """The user, kept from other writers until the transaction ends."""
    row = (await tx.execute(_LOCK, {"id": user_id})).one_or_none()
    return _user(row) if row else None


async def find_external(reader: Reader, external_id: str) -> User | None:
    row = (await reader.execute(_FIND_EXTERNAL, {"external_id": external_id})).one_or_none()
    return _user(row) if row else None


async def lock_external(tx: Transaction, external_ids: Collection[str]) -> dict[str, User]:
    """Those of the users that exist, by their external ids, kept from other writers until the transaction ends."""
    found = [_user(row) for row in await tx.execute(_LOCK_EXTERNAL, {"external_ids": list(external_ids)})]
    return {user.profile.external_id: user for user in found if user.profile.external_id is not None}


async def search(reader: Reader, wanted: Search, limit: int) -> Sequence[User]:
    """Newest first."""
    given = frozenset(field.name for field in fields(wanted) if getattr(wanted, field.name) is not None)
    values: dict[str, Any] = {
        "email": wanted.email,
        "external_id": wanted.external_id,
        "tag": wanted.tag,
        "limit": limit,
    }
    if wanted.timezone is not None:
        values["timezones"] = list(aliases(wanted.timezone))
    if wanted.birthday:
        values["month"], values["day"] = wanted.birthday
    if wanted.before:
        values["before_at"], values["before_id"] = wanted.before
    rows = await reader.execute(_search(given), values)
    return [_user(row) for row in rows]


async def insert(tx: Transaction, user: User) -> bool:
    """False where another user has the external id: nothing is inserted then."""
    return (await tx.execute(_INSERT, _values(user))).rowcount == 1


async def copy(tx: Transaction, users: Iterable[User]) -> None:
    """Insert thousands.

    Raises:
        ExternalIdTakenError: another transaction has just inserted one of them; this one is lost.
    """
    try:
        await tx.copy("users", _COLUMNS, _records(users))
    except UniqueViolationError as error:
        if error.constraint_name != EXTERNAL_ID_INDEX:
            raise
        raise ExternalIdTakenError("another user has just got one of the external ids") from error


async def update_all(tx: Transaction, users: Sequence[User]) -> None:
    """Update thousands, which the caller has locked, in one statement. Their external ids stay."""
    if users:
        await tx.execute(_UPDATE_ALL, {"users": to_json([_values(each) for each in users]).decode()})


async def update(tx: Transaction, user: User) -> None:
    """Raises ExternalIdTakenError; the transaction is lost then."""
    try:
        await tx.execute(_UPDATE, _values(user))
    except IntegrityError as error:
        if EXTERNAL_ID_INDEX not in str(error.orig):
            raise
        raise taken(user) from error


def taken(user: User) -> ExternalIdTakenError:
    return ExternalIdTakenError(f"another user has the externalId {user.profile.external_id!r}")


async def delete(tx: Transaction, user_id: UUID) -> None:
    await tx.execute(_DELETE, {"id": user_id})


@cache
def _search(given: frozenset[str]) -> TextClause:
    # One statement for each set of filters: `:email IS NULL OR …` in one for all would keep PostgreSQL off the indexes.
    conditions = [condition for name, condition in _CONDITIONS.items() if name in given]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    page = f"{_SELECT}{where} ORDER BY created_at DESC, id DESC LIMIT :limit"
    if "timezone" not in given:
        return text(page)
    # One short ordered scan for each name of the zone: with `= ANY` the index would give no order.
    return text(
        f"SELECT u.* FROM unnest(CAST(:timezones AS text[])) AS z (name), LATERAL ({page}) AS u"
        " ORDER BY u.created_at DESC, u.id DESC LIMIT :limit"
    )


def _values(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "version": user.version,
        **user.profile.values(),
        "send_window": _dump_window(user.profile.send_window),
        "anniversaries": _dump(user.anniversaries),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }


def _records(users: Iterable[User]) -> Iterator[tuple[Any, ...]]:
    for user in users:
        profile = user.profile
        yield (
            user.id,
            user.version,
            profile.first_name,
            profile.last_name,
            profile.date_of_birth,
            profile.timezone,
            profile.email,
            profile.phone,
            profile.tags,
            profile.delivery_time,
            _dump(user.anniversaries),
            _dump_window(profile.send_window),
            profile.locale,
            user.created_at,
            user.updated_at,
            profile.external_id,
        )


def _dump(anniversaries: Anniversaries) -> str:
    if not anniversaries:
        return "[]"
    return to_json([{"id": each.id, **asdict(each.occasion)} for each in anniversaries]).decode()


def _dump_window(window: SendWindow | None) -> str | None:
    return None if window is None else to_json(window.dump()).decode()


def _user(row: Row[Any]) -> User:
    profile = Profile(
        first_name=row.first_name,
        last_name=row.last_name,
        date_of_birth=row.date_of_birth,
        timezone=row.timezone,
        email=row.email,
        phone=row.phone,
        tags=tuple(row.tags),
        delivery_time=row.delivery_time,
        external_id=row.external_id,
        send_window=None if row.send_window is None else load(row.send_window),
        locale=row.locale,
    )
    anniversaries = tuple(
        Anniversary(
            UUID(each["id"]), Occasion(each["label"], date.fromisoformat(each["date"]), important=each["important"])
        )
        for each in row.anniversaries
    )
    return User(row.id, row.version, profile, row.created_at, row.updated_at, anniversaries)
