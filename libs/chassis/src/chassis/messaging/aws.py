"""Clients of AWS' services beyond the bus, each opened by its first call. Credentials come as AWS' SDKs find them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

from aiobotocore.config import AioConfig

from chassis.core.aws_session import open_session
from chassis.core.usage import Usage
from chassis.messaging.message_costs import count_messages


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where AWS answers (its own address where ``endpoint_url`` is None), and over how many connections at most."""

    region: str
    endpoint_url: str | None
    connections: int
    connect_seconds: float


class AwsClient:
    """Of one service. It never repeats a call: to try again is for the caller to decide.

    What people are sent by it is added to ``usage``.
    """

    def __init__(self, service: Literal["sesv2", "sns"], access: AwsAccess, usage: Usage) -> None:
        self._service = service
        self._access = access
        self._usage = usage
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

    async def call(self, operation: str, parameters: dict[str, Any], *, timeout_seconds: float) -> Any:
        """The service's answer.

        Raises:
            TimeoutError, OSError, botocore.exceptions.BotoCoreError: it did not come.
            botocore.exceptions.ClientError: it was a refusal.
        """
        async with asyncio.timeout(timeout_seconds):
            client = await self._opened()
            answer = await getattr(client, operation)(**parameters)
        count_messages(self._usage, operation, parameters)
        return answer

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                opened: Any = open_session().create_client(
                    self._service, self._access.region, endpoint_url=self._access.endpoint_url, config=self._config
                )
                self._client = await self._stack.enter_async_context(opened)
        return self._client
