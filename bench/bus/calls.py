"""Ways to make the three calls that move an event: PublishBatch, ReceiveMessage, DeleteMessageBatch."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import aiohttp
from aiobotocore.config import AioConfig
from botocore import UNSIGNED
from yarl import URL

from bench.bus.route import BATCH
from chassis.core.aws_session import open_session

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef
    from types_aiobotocore_sqs import SQSClient

REGION = "us-east-1"
ACCOUNT = "000000000000"
CONNECTIONS = 100


class Calls(Protocol):
    """The three calls. A batch that fails in part raises RuntimeError."""

    async def publish(self, topic_arn: str, entries: Sequence[PublishBatchRequestEntryTypeDef]) -> None:
        """PublishBatch."""

    async def receive(self, queue_url: str, wait_seconds: int) -> list[str]:
        """ReceiveMessage of up to ten; the receipt handles."""

    async def delete(self, queue_url: str, handles: Sequence[str]) -> None:
        """DeleteMessageBatch."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to call. `form_once`: encode the query protocol's form once, before signing; botocore does it twice."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    form_once: bool = False
    attributes: tuple[str, ...] = ("All",)
    client: Literal["aiobotocore", "aiohttp"] = "aiobotocore"


LEAN: dict[str, Any] = {"parameter_validation": False, "user_agent": "almanac"}
CHEAPEST = Way("… and only one attribute received", LEAN, form_once=True, attributes=("traceparent",))
# Each one adds to the one before it; the last two are yardsticks that production cannot use as they are.
WAYS = (
    Way("aiobotocore as it comes"),
    Way("… no parameter validation", {"parameter_validation": False}),
    Way("… a fixed user agent", LEAN),
    Way("… the form encoded once", LEAN, form_once=True),
    CHEAPEST,
    Way("… unsigned", {**LEAN, "signature_version": UNSIGNED}, form_once=True, attributes=("traceparent",)),
    Way("aiohttp alone, unsigned", attributes=("traceparent",), client="aiohttp"),
)


@asynccontextmanager
async def clients(endpoint: str, way: Way) -> AsyncIterator[tuple[SNSClient, SQSClient]]:
    """aiobotocore's clients, configured `way`."""
    session = open_session((ACCOUNT, "secret"))
    config = AioConfig(max_pool_connections=CONNECTIONS, tcp_keepalive=True, **way.config)
    async with (
        session.create_client("sns", REGION, endpoint_url=endpoint, config=config) as sns,
        session.create_client("sqs", REGION, endpoint_url=endpoint, config=config) as sqs,
    ):
        if way.form_once:
            sns.meta.events.register("before-call.sns.PublishBatch", encode_form)
        yield sns, sqs


def encode_form(params: dict[str, Any], **_: object) -> None:
    """Replace a query-protocol request's form by its encoded bytes (yarl quotes in C, some ten times faster)."""
    params["body"] = URL.build(query=params["body"]).raw_query_string.encode()


@asynccontextmanager
async def calls(endpoint: str, way: Way) -> AsyncIterator[Calls]:
    """The three calls, made `way`."""
    if way.client == "aiobotocore":
        async with clients(endpoint, way) as (sns, sqs):
            yield BotoCalls(sns, sqs, way.attributes)
    else:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(endpoint, connector=connector) as session:
            yield PlainCalls(session, way.attributes)


class BotoCalls:
    """Through aiobotocore."""

    def __init__(self, sns: SNSClient, sqs: SQSClient, attributes: Sequence[str]) -> None:
        self._sns, self._sqs, self._attributes = sns, sqs, list(attributes)

    async def publish(self, topic_arn: str, entries: Sequence[PublishBatchRequestEntryTypeDef]) -> None:
        answer = await self._sns.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)
        refuse(answer.get("Failed"))

    async def receive(self, queue_url: str, wait_seconds: int) -> list[str]:
        answer = await self._sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_seconds,
            MessageAttributeNames=self._attributes,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [message["ReceiptHandle"] for message in answer.get("Messages", [])]

    async def delete(self, queue_url: str, handles: Sequence[str]) -> None:
        answer = await self._sqs.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)],
        )
        refuse(answer.get("Failed"))


class PlainCalls:
    """Through aiohttp, with the protocols spoken by hand and nothing signed: what any client at least must do."""

    def __init__(self, session: aiohttp.ClientSession, attributes: Sequence[str]) -> None:
        self._session, self._attributes = session, list(attributes)

    async def publish(self, topic_arn: str, entries: Sequence[PublishBatchRequestEntryTypeDef]) -> None:
        form = {"Action": "PublishBatch", "Version": "2010-03-31", "TopicArn": topic_arn}
        for place, entry in enumerate(entries, 1):
            prefix = f"PublishBatchRequestEntries.member.{place}"
            form[f"{prefix}.Id"] = entry["Id"]
            form[f"{prefix}.Message"] = entry["Message"]
            for number, (name, value) in enumerate(entry.get("MessageAttributes", {}).items(), 1):
                attribute = f"{prefix}.MessageAttributes.entry.{number}"
                form[f"{attribute}.Name"] = name
                form[f"{attribute}.Value.DataType"] = value["DataType"]
                form[f"{attribute}.Value.StringValue"] = value["StringValue"]
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", **_scope("sns")}
        body = URL.build(query=form).raw_query_string.encode()
        async with self._session.post("/", data=body, headers=headers) as response:
            response.raise_for_status()
            answer = ElementTree.fromstring(await response.read())  # noqa: S314
        refuse([failed.text for failed in answer.iter("Failed") if len(failed)])

    async def receive(self, queue_url: str, wait_seconds: int) -> list[str]:
        answer = await self._sqs(
            "ReceiveMessage",
            {
                "QueueUrl": queue_url,
                "MaxNumberOfMessages": BATCH,
                "WaitTimeSeconds": wait_seconds,
                "MessageAttributeNames": self._attributes,
                "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
            },
        )
        return [message["ReceiptHandle"] for message in answer.get("Messages", [])]

    async def delete(self, queue_url: str, handles: Sequence[str]) -> None:
        entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
        answer = await self._sqs("DeleteMessageBatch", {"QueueUrl": queue_url, "Entries": entries})
        refuse(answer.get("Failed"))

    async def _sqs(self, operation: str, request: dict[str, object]) -> dict[str, Any]:
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AmazonSQS.{operation}",
            **_scope("sqs"),
        }
        async with self._session.post("/", data=json.dumps(request).encode(), headers=headers) as response:
            response.raise_for_status()
            answer: dict[str, Any] = json.loads(await response.read())
        return answer


def _scope(service: str) -> dict[str, str]:
    """The credential scope alone: the emulator reads account and service from it and checks no signature."""
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20270101/{REGION}/{service}/aws4_request"}


def refuse(failed: object) -> None:
    """RuntimeError if a batch call reports entries that failed."""
    if failed:
        raise RuntimeError(f"the bus refused {failed}")
