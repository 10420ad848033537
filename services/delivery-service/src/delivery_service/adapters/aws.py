"""One call to AWS as an attempt: what came of it is a reply, never an exception."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from delivery_service.adapters.posting import EXCERPT_BYTES, redacted
from delivery_service.domain.attempts import Fault, Reply

_THROTTLED = frozenset(
    {"LimitExceededException", "Throttled", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
# Of our own credentials and permissions: a call may succeed once somebody has seen to it.
_OURS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where AWS answers (its own address where ``endpoint_url`` is None), and over how many connections at most."""

    region: str
    endpoint_url: str | None
    connections: int
    connect_seconds: float


class AwsCaller:
    """A client of one service, opened by its first call. Credentials come the usual way of AWS' SDKs."""

    def __init__(self, service: Literal["sesv2", "sns"], access: AwsAccess) -> None:
        self._service = service
        self._access = access
        # Trying again is ours to decide, with the database and not in a connection's slot.
        self._config = AioConfig(
            max_pool_connections=access.connections,
            connect_timeout=access.connect_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
            parameter_validation=False,
            user_agent="almanac",
        )
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._client: Any = None

    async def call(self, operation: str, parameters: dict[str, Any], *, timeout_seconds: float, personal: str) -> Reply:
        """Call once. ``personal`` is the address of a person, which AWS may repeat and nobody may keep."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                client = await self._opened()
                answer = await getattr(client, operation)(**parameters)
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
        await self._stack.aclose()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                opened: Any = aioboto3.Session().client(
                    self._service, self._access.region, endpoint_url=self._access.endpoint_url, config=self._config
                )
                self._client = await self._stack.enter_async_context(opened)
        return self._client


def _refused(error: ClientError, duration: float, personal: str) -> Reply:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    excerpt = redacted(f"{code}: {message}", [personal])[:EXCERPT_BYTES]
    if code in _OURS:
        return Reply(None, Fault.NOT_CONFIGURED, duration, excerpt)
    # The query protocol answers 400 to what HTTP calls 429.
    status = 429 if code in _THROTTLED else error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return Reply(status, None, duration, excerpt)
