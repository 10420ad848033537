"""The errors of delivery-service, each with its HTTP status and problem type.

::

    DeliveryServiceError
    ├── EndpointNotFoundError           404
    ├── DeliveryNotFoundError           404
    ├── StaleVersionError               412
    ├── UrlRefusedError                 422
    └── ReasonWhileEnabledError         422
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


class ReasonWhileEnabledError(DeliveryServiceError):
    """A reason for being disabled, on an endpoint that is not."""

    status = 422
    slug = "reason-while-enabled"
    title = "Reason without disabling"
    field = "disabledReason"
