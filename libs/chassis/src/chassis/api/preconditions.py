"""``ETag``, ``If-Match`` and ``Idempotency-Key`` (RFC 9110 §13)."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import JsonValue

from chassis.api.auth import CurrentPrincipal
from chassis.core.errors import InvalidParameterError, PreconditionRequiredError
from chassis.database.idempotency import IdempotencyKey

_ETAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_PRINTABLE = r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
_IF_MATCH: dict[str, JsonValue] = {"format": "etag", "examples": ["*", '"3"']}


class AnyVersion(int):
    """The versions of an ``If-Match`` with a list or with weak tags: it equals each, and is none where it is empty.

    An int, so that use cases compare it with the version that they find as they do with a single one.
    """

    versions: frozenset[int]

    def __new__(cls, versions: Iterable[int]) -> "AnyVersion":
        known = frozenset(versions)
        made = super().__new__(cls, min(known, default=-1))
        made.versions = known
        return made

    def __eq__(self, other: object) -> bool:
        return other in self.versions

    def __ne__(self, other: object) -> bool:
        return other not in self.versions

    __hash__ = int.__hash__

    def __str__(self) -> str:
        return ", ".join(map(str, sorted(self.versions))) or "none that can match"

    def __format__(self, _: str) -> str:
        return str(self)


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(description="The `ETag` that was read, or `*`.", json_schema_extra=_IF_MATCH),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    versions = list(_strong_versions(if_match))
    plain = len(versions) == 1 and if_match.strip() == f'"{versions[0]}"'
    return versions[0] if plain else AnyVersion(versions)


def _strong_versions(if_match: str) -> Iterator[int]:
    """The tags that can match: a weak one never does (RFC 9110 §8.8.3.2), and one that is not ours neither."""
    position = 0
    while match := _ETAG.match(if_match, position):
        if match[1] is None and re.fullmatch("0|[1-9][0-9]{0,17}", match[2]):
            yield int(match[2])
        position = match.end()
        if position == len(if_match):
            return
        if if_match[position] != ",":
            break
        position += 1
    raise InvalidParameterError("If-Match", 'must be ETags as given, like "3" or "3", "4", or *')


OptionalVersion = Annotated[int | None, Depends(_if_match)]
"""The version that the client has read, or several; None where it said ``*`` or nothing."""


async def _required_if_match(request: Request, version: OptionalVersion) -> int | None:
    if "If-Match" not in request.headers:
        raise PreconditionRequiredError("send the ETag of what you have read as If-Match, or * to write over anything")
    return version


ExpectedVersion = Annotated[int | None, Depends(_required_if_match)]
"""The version that the client has read; None where it said ``*``. A missing header is a 428."""


async def _idempotency_key(
    request: Request,
    principal: CurrentPrincipal,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="One key, one resource, for 48 hours.",
            json_schema_extra={"pattern": _PRINTABLE},
        ),
    ] = None,
) -> IdempotencyKey | None:
    if idempotency_key is None:
        return None
    if not idempotency_key.isprintable() or not idempotency_key.isascii():
        raise InvalidParameterError("Idempotency-Key", "must be printable ASCII")
    route = f"{request.method} {request.url.path}"
    return IdempotencyKey.of(principal.name, idempotency_key, route, await request.body())


OptionalIdempotencyKey = Annotated[IdempotencyKey | None, Depends(_idempotency_key)]
