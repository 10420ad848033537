"""Requests that rotate the secret of an endpoint, disable it or test it, and the reply with its secret."""

from typing import Annotated, Self

from pydantic import Field

from chassis.api.wire import WHOLE_NUMBER, RequestModel
from contracts.messages.user import Contact
from delivery_service.api.endpoint_schemas import DisabledReason, EndpointBody, SecretText
from delivery_service.application.endpoints import SecuredEndpoint, View
from delivery_service.domain.signing import MAX_OVERLAP_SECONDS, OVERLAP_SECONDS, Algorithm

SHOWN_BEFORE = "The secret was shown when the endpoint was created with this Idempotency-Key; it is not shown again."
BROUGHT = "The secret is the one that was sent; it is not shown again."
PUBLIC = "Verify with publicKey. The private key never leaves Almanac."
UNSIGNED = "An endpoint of this kind signs nothing."


class RotateSecret(RequestModel):
    """How to go over to a new secret."""

    overlap_seconds: Annotated[
        int, Field(ge=0, le=MAX_OVERLAP_SECONDS, description="How long the secrets of before sign too."), WHOLE_NUMBER
    ] = OVERLAP_SECONDS
    secret: SecretText | None = None


class DisableEndpoint(RequestModel):
    """Why it is disabled."""

    reason: DisabledReason | None = None


class TestEndpoint(RequestModel):
    """To whom a test goes, where the endpoint's channel writes to persons."""

    email: Annotated[str | None, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)] = None
    phone: Annotated[str | None, Field(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164")] = None

    def contact(self) -> Contact:
        return Contact(email=self.email, phone=self.phone)


class SecuredEndpointBody(EndpointBody):
    """An endpoint with the secret that its webhooks are signed with, in the form of Standard Webhooks."""

    secret: Annotated[str | None, Field(description="Shown this once.")]
    note: Annotated[str | None, Field(description="Why there is no secret, where there is none.")]

    @classmethod
    def secured(cls, secured: SecuredEndpoint) -> Self:
        view = View.of(secured.endpoint)
        return cls.of(view, secret=secured.secret, note=None if secured.secret else _note(secured, view))


def _note(secured: SecuredEndpoint, view: View) -> str:
    if view.endpoint.config.unreadable:
        return SHOWN_BEFORE
    if view.algorithm is None:
        return UNSIGNED
    if view.algorithm is Algorithm.ED25519:
        return PUBLIC
    return SHOWN_BEFORE if secured.repeated else BROUGHT
