"""``/v1/users/{userId}/erasure``."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import Field

from chassis.api.auth import READ
from chassis.api.dependencies import CurrentReads
from chassis.api.problems import documented
from chassis.api.wire import WireModel
from user_service.application.erasures import find_erasure

router = APIRouter(prefix="/v1/users/{userId}/erasure", tags=["users"], dependencies=[READ])


class ServiceErasureBody(WireModel):
    """One service's part of an erasure."""

    service: str
    erased_at: datetime | None = Field(description="null while the service still keeps personal data of the user")


class ErasureBody(WireModel):
    """How far the erasure of a deleted user has come."""

    user_id: UUID
    requested_at: datetime
    completed_at: datetime | None = Field(description="null until every service has erased the user")
    services: list[ServiceErasureBody]


@router.get("", responses=documented(404))
async def get_erasure(user_id: Annotated[UUID, Path(alias="userId")], reads: CurrentReads) -> ErasureBody:
    """The erasure of a user who was deleted within the last 365 days, service by service."""
    erasure = await find_erasure(reads, user_id)
    services = [ServiceErasureBody(service=name, erased_at=at) for name, at in erasure.services.items()]
    return ErasureBody(
        user_id=user_id, requested_at=erasure.requested_at, completed_at=erasure.completed_at, services=services
    )
