"""Clients for SNS and SQS, and the names of things on them."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from opentelemetry import metrics
from yarl import URL

from chassis.core.aws_session import open_session
from chassis.core.settings import BusSettings
from chassis.core.usage import Usage
from chassis.messaging import certainty
from chassis.messaging.calls import CallCounter
from contracts.topology import Topology

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

_depth = metrics.get_meter("almanac.bus").create_gauge(
    "almanac_queue_depth", description="Messages waiting in a queue, as last reported to its consumer"
)
LONG_POLL_SECONDS = 20
BUS_ERRORS = (BotoCoreError, ClientError, ResponseParserError, OSError, TimeoutError)
"""Errors of a call if the bus is unreachable, refuses it, lacks the named resource, or a proxy answers in its place."""


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Messages in a queue, roughly: SQS counts eventually. ``in_flight`` are received and not yet deleted."""

    waiting: int
    in_flight: int


class Bus:
    """SNS and SQS of one account and region. An async context manager; the clients live as long as it does."""

    def __init__(self, settings: BusSettings, topology: Topology, *, session: AioSession | None = None) -> None:
        """``session`` brings other credentials than the environment's."""
        self.topology = topology
        self.usage = Usage()
        """Every call is counted here, until a recorder takes it."""
        self._session = session or open_session()
        self._region = settings.aws_region
        self._account = settings.aws_account_id
        self._endpoint = settings.aws_endpoint_url
        self._urls: dict[str, str] = {}
        self._stack = AsyncExitStack()
        self.sns: SNSClient
        self.sqs: SQSClient

    async def __aenter__(self) -> Self:
        config = AioConfig(
            max_pool_connections=100,
            connect_timeout=3,
            read_timeout=LONG_POLL_SECONDS + 10,
            retries={"mode": "standard", "total_max_attempts": 2},
            tcp_keepalive=True,
            parameter_validation=False,
            user_agent="almanac",
        )
        self.sns = await self._stack.enter_async_context(
            self._session.create_client("sns", self._region, endpoint_url=self._endpoint, config=config)
        )
        # SNS speaks the query protocol only: botocore would quote the form twice, in Python, for half of a call's CPU.
        self.sns.meta.events.register("before-call.sns.PublishBatch", _encode_form)
        certainty.watch(self.sns, "sns.PublishBatch")
        self.sqs = await self._stack.enter_async_context(
            self._session.create_client("sqs", self._region, endpoint_url=self._endpoint, config=config)
        )
        calls = CallCounter(self.usage)
        calls.watch(self.sns, "sns")
        calls.watch(self.sqs, "sqs")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def topic_arn(self, name: str) -> str:
        return f"arn:aws:sns:{self._region}:{self._account}:{name}"

    def queue_arn(self, name: str) -> str:
        return f"arn:aws:sqs:{self._region}:{self._account}:{name}"

    async def queue_url(self, name: str) -> str:
        """The queue's URL, looked up once.

        Raises:
            botocore.exceptions.ClientError: ``QueueDoesNotExist`` where the topology is not provisioned.
        """
        if name not in self._urls:
            self._urls[name] = (await self.sqs.get_queue_url(QueueName=name))["QueueUrl"]
        return self._urls[name]

    async def depth(self, queue_name: str) -> int:
        """Messages that wait in the queue, roughly; exported as ``almanac_queue_depth``. Raises what counts does."""
        waiting = (await self.counts(queue_name)).waiting
        _depth.set(waiting, {"queue": queue_name})
        return waiting

    async def counts(self, queue_name: str) -> QueueCounts:
        """Raises one of ``BUS_ERRORS``."""
        answer = await self.sqs.get_queue_attributes(
            QueueUrl=await self.queue_url(queue_name),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        attributes = answer["Attributes"]
        return QueueCounts(
            int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])
        )


def _encode_form(params: dict[str, Any], **_: object) -> None:
    params["body"] = URL.build(query=params["body"]).raw_query_string.encode()
