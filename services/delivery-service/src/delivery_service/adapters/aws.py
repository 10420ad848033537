"""One call to AWS as an attempt: the result is a reply, never an exception."""

import time
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from chassis.core.usage import Usage
from chassis.messaging.aws import AwsAccess, AwsClient
from delivery_service.adapters.posting import EXCERPT_BYTES
from delivery_service.domain.attempts import Fault, Reply
from delivery_service.domain.redactions import Redactions

_THROTTLED = frozenset(
    {
        "KMSThrottling",
        "LimitExceededException",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# The account, its credentials, permissions or clock: the same call may succeed once an operator has repaired them.
_OURS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccountSendingPausedException",
        "AccountSuspendedException",
        "AuthorizationError",
        "ConfigurationSetSendingPausedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KMSOptInRequired",
        "MailFromDomainNotVerifiedException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SendingPausedException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_INTERRUPTED = frozenset({"RequestAbortedException", "RequestTimeoutException"})
"""The request did not reach the service whole."""


class AwsCaller:
    """A client of one service, opened by its first call."""

    def __init__(self, service: Literal["sesv2", "sns"], access: AwsAccess, usage: Usage) -> None:
        self._client = AwsClient(service, access, usage)

    async def call(self, operation: str, parameters: dict[str, Any], *, timeout_seconds: float, personal: str) -> Reply:
        """Call once. ``personal`` is personal data, which AWS may echo in its error and which must not be stored."""
        started = time.monotonic()
        try:
            answer = await self._client.call(operation, parameters, timeout_seconds=timeout_seconds)
        except ClientError as error:
            return _refused(error, time.monotonic() - started, personal)
        except TimeoutError:
            return Reply(None, Fault.TIMEOUT, time.monotonic() - started)
        except (AwsConnectionError, HTTPClientError, OSError):
            return Reply(None, Fault.CONNECTION, time.monotonic() - started)
        except BotoCoreError as error:
            return Reply(None, Fault.NOT_CONFIGURED, time.monotonic() - started, excerpt=type(error).__name__)
        status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        return Reply(status, None, time.monotonic() - started, excerpt=answer.get("MessageId"))

    async def aclose(self) -> None:
        await self._client.aclose()


def _refused(error: ClientError, duration: float, personal: str) -> Reply:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    excerpt = Redactions([personal]).apply(f"{code}: {message}")[:EXCERPT_BYTES]
    if code in _OURS:
        return Reply(None, Fault.NOT_CONFIGURED, duration, excerpt)
    if code in _INTERRUPTED:
        return Reply(None, Fault.CONNECTION, duration, excerpt)
    # The query protocol answers 400 to what HTTP calls 429.
    status = 429 if code in _THROTTLED else error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return Reply(status, None, duration, excerpt)
