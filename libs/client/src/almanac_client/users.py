"""Users and their imports (user-service)."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from almanac_client.reports import Reports
from contracts.http.model import ListPage
from contracts.http.users import ImportJob, MissingUser, RefusedLine, User

Body = Mapping[str, Any]
"""A JSON object with the fields of the API, as ``{"firstName": "Ada", …}``."""


@dataclass(frozen=True, slots=True)
class Users(Reports):
    """Calls of user-service. Each raises AlmanacError."""

    async def create(self, user: Body, *, key: str | None = None) -> User:
        """Create a user. A repeated call with the same ``key`` creates nothing more."""
        return await self.api.create(User, "/v1/users", user, key)

    async def put(self, external_id: str, user: Body) -> tuple[User, bool]:
        """Create the user whom your system calls ``external_id``, or make it what ``user`` says.

        Returns the user, and whether it is new.
        """
        response = await self.api.request("PUT", _by_external_id(external_id), body=user)
        return self.api.read(User, response), response.status_code == 201

    async def get(self, user_id: UUID) -> User:
        return await self.api.get(User, f"/v1/users/{user_id}")

    async def get_by_external_id(self, external_id: str) -> User:
        return await self.api.get(User, _by_external_id(external_id))

    async def update(self, user_id: UUID, changes: Body, *, expected: int | None = None) -> User:
        """Change the fields in ``changes`` (RFC 7396), where the user is at version ``expected`` (None: any)."""
        match = "*" if expected is None else f'"{expected}"'
        return await self.api.send(User, "PATCH", f"/v1/users/{user_id}", changes, headers={"If-Match": match})

    async def delete(self, user_id: UUID) -> None:
        """Delete a user for good, with what is scheduled."""
        await self.api.request("DELETE", f"/v1/users/{user_id}")

    async def page(self, *, limit: int | None = None, cursor: str | None = None, **filters: str) -> ListPage[User]:
        """One page of :meth:`iterate`."""
        return await self.api.page(User, "/v1/users", {**filters, "limit": limit, "cursor": cursor})

    def iterate(self, **filters: str) -> AsyncIterator[User]:
        """All users who meet every filter, newest first. Filters: ``email``, ``externalId``, ``timezone``, ``tag``."""
        return self.api.pages(User, "/v1/users", filters)

    async def import_lines(
        self,
        content: AsyncIterable[bytes],
        *,
        key: str,
        media_type: str = "application/x-ndjson",
        mode: Literal["upsert", "sync"] = "upsert",
    ) -> ImportJob:
        """Import NDJSON or CSV. The same content with the same ``key`` continues where an earlier call stopped."""
        return await self.api.upload(
            ImportJob, "/v1/imports", content, key=key, media_type=media_type, query={"mode": mode}
        )

    def import_errors(self, import_id: UUID) -> AsyncIterator[RefusedLine]:
        """The refused lines of an import, in their order."""
        return self.api.pages(RefusedLine, f"/v1/imports/{import_id}/errors")

    def missing(self, import_id: UUID) -> AsyncIterator[MissingUser]:
        """Users with an external id who were not in the body of a sync."""
        return self.api.pages(MissingUser, f"/v1/imports/{import_id}/missing")

    async def delete_missing(self, import_id: UUID, *, expected: int) -> int:
        """Delete those users, where they are as many as ``expected``. Returns how many there were."""
        path = f"/v1/imports/{import_id}/missing"
        deleted: int = (await self.api.request("DELETE", path, query={"expected": expected})).json()["deleted"]
        return deleted


def _by_external_id(external_id: str) -> str:
    return f"/v1/users/by-external-id/{quote(external_id, safe='')}"
