"""The errors of delivery-service, as a tree. Their HTTP statuses are in ``api/problems.py``.

::

    DeliveryServiceError
    ├── EndpointNotFoundError
    ├── DeliveryNotFoundError
    ├── DeadLetterNotFoundError
    ├── RedriveNotFoundError
    ├── DeadLetterNotOpenError
    ├── NotRedrivableError
    ├── DeliveryInHandError
    ├── DeliveryEndedError
    ├── RedriveEndedError
    ├── StaleVersionError
    ├── TooManySecretsError
    ├── UrlRefusedError
    ├── SecretRefusedError
    ├── HeaderRefusedError
    ├── NotOfThisKindError
    ├── TextTooLongError
    ├── ContactNeededError
    ├── ReasonWhileEnabledError
    └── SecretsUnreadableError
"""


class DeliveryServiceError(Exception):
    """Base of the tree; ``str(error)`` is the explanation."""

    field: str | None = None
    """The field at fault, as clients spell it, or None."""


class EndpointNotFoundError(DeliveryServiceError):
    """No endpoint with this id."""

    field = "endpointId"


class DeliveryNotFoundError(DeliveryServiceError):
    """No delivery with this id, or one that is past its retention."""

    field = "deliveryId"


class StaleVersionError(DeliveryServiceError):
    """The endpoint has changed since the client read it (RFC 9110 §13.1.1)."""

    field = "If-Match"


class UrlRefusedError(DeliveryServiceError):
    """Nothing may be sent to where this URL leads."""

    field = "url"


class TooManySecretsError(DeliveryServiceError):
    """Too many secrets of an endpoint would sign at a time."""


class SecretRefusedError(DeliveryServiceError):
    """A secret without the form that its algorithm wants."""

    field = "secret"


class HeaderRefusedError(DeliveryServiceError):
    """A header that no endpoint may set, or that is none."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(rule)
        self.field = f"headers.{name}"


class NotOfThisKindError(DeliveryServiceError):
    """A field that endpoints of this kind do not have."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


class TextTooLongError(DeliveryServiceError):
    """A text that is longer than the endpoint's channel carries."""

    field = "text"


class ContactNeededError(DeliveryServiceError):
    """A test without a recipient."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


class SecretsUnreadableError(DeliveryServiceError):
    """The secrets of an endpoint cannot be decrypted: a key is missing in SECRET_KEYS."""

    field = "endpointId"


class ReasonWhileEnabledError(DeliveryServiceError):
    """A reason for being disabled, on an endpoint that is not."""

    field = "disabledReason"


class DeadLetterNotFoundError(DeliveryServiceError):
    """No dead letter with this id, or one that is past its retention."""

    field = "deadLetterId"


class DeadLetterNotOpenError(DeliveryServiceError):
    """A dead letter that was redriven or discarded before."""

    field = "deadLetterId"


class NotRedrivableError(DeliveryServiceError):
    """The cause of the failure persists: no enabled endpoint takes it, or it cannot be read."""


class AttemptInProgressError(DeliveryServiceError):
    """A worker is delivering it: its result is known in a moment."""

    field = "deliveryId"


class DeliveryEndedError(DeliveryServiceError):
    """The delivery has ended in a way that leaves nothing to do."""

    field = "deliveryId"


class RedriveNotFoundError(DeliveryServiceError):
    """No redrive with this id."""

    field = "redriveId"


class RedriveEndedError(DeliveryServiceError):
    """The redrive has come to its end, or was cancelled before."""

    field = "redriveId"
