"""The errors of delivery-service, each with its HTTP status and problem type.

::

    DeliveryServiceError
    ├── EndpointNotFoundError           404
    ├── DeliveryNotFoundError           404
    ├── DeadLetterNotFoundError         404
    ├── RedriveNotFoundError            404
    ├── DeadLetterNotOpenError          409
    ├── NotRedrivableError              409
    ├── DeliveryInHandError             409
    ├── DeliveryEndedError              409
    ├── RedriveEndedError               409
    ├── StaleVersionError               412
    ├── TooManySecretsError             409
    ├── UrlRefusedError                 422
    ├── SecretRefusedError              422
    ├── HeaderRefusedError              422
    ├── NotOfThisKindError              422
    ├── TextTooLongError                422
    ├── ContactNeededError              422
    ├── ReasonWhileEnabledError         422
    └── SecretsUnreadableError                     503
"""


class DeliveryServiceError(Exception):
    """Base of the tree; ``str(error)`` is the problem's detail."""

    status: int = 500
    slug: str = "internal"
    title: str = "Internal error"
    field: str | None = None


class EndpointNotFoundError(DeliveryServiceError):
    """No endpoint with this id."""

    status = 404
    slug = "endpoint-not-found"
    title = "Endpoint not found"
    field = "endpointId"


class DeliveryNotFoundError(DeliveryServiceError):
    """No delivery with this id, or one that is past its retention."""

    status = 404
    slug = "delivery-not-found"
    title = "Delivery not found"
    field = "deliveryId"


class StaleVersionError(DeliveryServiceError):
    """The endpoint has changed since the client read it (RFC 9110 §13.1.1)."""

    status = 412
    slug = "stale-version"
    title = "Changed in the meantime"
    field = "If-Match"


class UrlRefusedError(DeliveryServiceError):
    """Nothing may be sent to where this URL leads."""

    status = 422
    slug = "url-refused"
    title = "URL refused"
    field = "url"


class TooManySecretsError(DeliveryServiceError):
    """Too many secrets of an endpoint would sign at a time."""

    status = 409
    slug = "too-many-secrets"
    title = "Too many secrets"


class SecretRefusedError(DeliveryServiceError):
    """A secret without the form that its algorithm wants."""

    status = 422
    slug = "secret-refused"
    title = "Secret refused"
    field = "secret"


class HeaderRefusedError(DeliveryServiceError):
    """A header that no endpoint may set, or that is none."""

    status = 422
    slug = "header-refused"
    title = "Header refused"

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(rule)
        self.field = f"headers.{name}"


class NotOfThisKindError(DeliveryServiceError):
    """A field that endpoints of this kind do not have."""

    status = 422
    slug = "not-of-this-kind"
    title = "Not of this kind"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


class TextTooLongError(DeliveryServiceError):
    """A text that is longer than the endpoint's channel carries."""

    status = 422
    slug = "text-too-long"
    title = "Text too long"
    field = "text"


class ContactNeededError(DeliveryServiceError):
    """A test that would write to nobody."""

    status = 422
    slug = "contact-needed"
    title = "Contact needed"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


class SecretsUnreadableError(DeliveryServiceError):
    """The secrets of an endpoint cannot be decrypted: a key is missing in SECRET_KEYS."""

    status = 503
    slug = "secrets-unreadable"
    title = "Secrets cannot be decrypted"
    field = "endpointId"


class ReasonWhileEnabledError(DeliveryServiceError):
    """A reason for being disabled, on an endpoint that is not."""

    status = 422
    slug = "reason-while-enabled"
    title = "Reason without disabling"
    field = "disabledReason"


class DeadLetterNotFoundError(DeliveryServiceError):
    """No dead letter with this id, or one that is past its retention."""

    status = 404
    slug = "dead-letter-not-found"
    title = "Dead letter not found"
    field = "deadLetterId"


class DeadLetterNotOpenError(DeliveryServiceError):
    """A dead letter that was redriven or discarded before."""

    status = 409
    slug = "dead-letter-not-open"
    title = "Dead letter not open"
    field = "deadLetterId"


class NotRedrivableError(DeliveryServiceError):
    """What hindered a delivery hinders it still: no enabled endpoint takes it, or it cannot be read."""

    status = 409
    slug = "not-redrivable"
    title = "Cannot be redriven now"


class DeliveryInHandError(DeliveryServiceError):
    """A worker has the delivery in hand: what comes of it is known in a moment."""

    status = 409
    slug = "delivery-in-hand"
    title = "Delivery in hand"
    field = "deliveryId"


class DeliveryEndedError(DeliveryServiceError):
    """The delivery has ended in a way that leaves nothing to do."""

    status = 409
    slug = "delivery-ended"
    title = "Delivery ended"
    field = "deliveryId"


class RedriveNotFoundError(DeliveryServiceError):
    """No redrive with this id."""

    status = 404
    slug = "redrive-not-found"
    title = "Redrive not found"
    field = "redriveId"


class RedriveEndedError(DeliveryServiceError):
    """The redrive has come to its end, or was cancelled before."""

    status = 409
    slug = "redrive-ended"
    title = "Redrive ended"
    field = "redriveId"
