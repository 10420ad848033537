"""One service's HTTP API, asked with one key, and its refusals as sentences for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from analytics_service.adapters.service_clients import ServiceClient
from analytics_service.domain.errors import RequestRefusedError, ServiceClientError
from contracts.wire import wire_name

A = TypeVar("A", bound="Answer")


class ServiceError(Exception):
    """A service did not do what it was asked. ``str(error)`` is a sentence for the user."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(detail)
        self.service = service


class ServiceAwayError(ServiceError):
    """It does not answer, cannot answer, or its address is not configured."""


class RefusedError(ServiceError):
    """It refused: the problem's status, title and detail (RFC 9457), and the fields at fault."""

    def __init__(
        self, service: str, status: int, title: str, detail: str, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(service, detail)
        self.status = status
        self.title = title
        self.fields = dict(fields or {})


class Answer(BaseModel):
    """What a service answers, as far as the console reads it: fields that a newer one adds are let pass."""

    model_config = ConfigDict(alias_generator=wire_name, populate_by_name=True, frozen=True, extra="ignore")


@dataclass(frozen=True)
class Api:
    """A service as the holder of ``key`` may ask it; None: as the console itself may, which only reads."""

    peer: ServiceClient
    key: str | None

    @property
    def service(self) -> str:
        return self.peer.name

    async def get(self, path: str, shape: type[A], **parameters: object) -> A:
        """What is at ``path``. Parameters that are None or empty are left out; a sequence gives one for each value.

        Raises:
            ServiceAwayError: no answer, or none that can be read.
            RefusedError: a problem.
        """
        query = {
            name: [str(each) for each in value] if isinstance(value, list | tuple) else str(value)
            for name, value in parameters.items()
            if value is not None and value != ""
        }
        try:
            return await self.peer.get(path, shape, query, key=self.key)
        except ServiceClientError as error:
            raise self._told(error) from None

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """Do ``method`` on ``path`` and return the JSON of its answer, None of an empty one. Raises as :meth:`get`."""
        try:
            return await self.peer.request(
                method,
                path,
                params=params,
                body=body,
                headers=headers,
                key=self.key,
                timeout_seconds=timeout_seconds,
            )
        except ServiceClientError as error:
            raise self._told(error) from None

    def _told(self, error: ServiceClientError) -> ServiceError:
        if not isinstance(error, RequestRefusedError):
            return ServiceAwayError(self.service, str(error))
        detail = str(error)
        if error.status == HTTPStatus.UNAUTHORIZED:
            detail = f"{self.service} does not know this key"
        return RefusedError(self.service, error.status, error.title, detail, dict(error.faults))
