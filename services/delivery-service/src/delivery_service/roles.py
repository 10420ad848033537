"""The roles of delivery-service, and what they are made of: settings, adapters, use cases."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from chassis.core.lifecycle import Loop, Role
from chassis.core.ttl_cache import TtlCache
from chassis.core.usage import Usage
from chassis.messaging.aws import AwsAccess
from chassis.messaging.erasures import Eraser
from chassis.service.runtime import Runtime
from contracts.messages.spec import MessageType
from contracts.vocabulary import Channel, Priority
from delivery_service.adapters.aws import AwsCaller
from delivery_service.adapters.email import EmailSender
from delivery_service.adapters.open_files import raise_open_files
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.slack import SlackSender
from delivery_service.adapters.sms import SmsSender
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application import delivery_metrics, health
from delivery_service.application.dead_letter_metrics import OpenDeadLetters
from delivery_service.application.dead_letters import dead_letter_sink
from delivery_service.application.due_messages import check_due_event
from delivery_service.application.endpoints import Security
from delivery_service.application.erasures import Erasure
from delivery_service.application.key_rotation import KeyRotation
from delivery_service.application.pool import DeliveryPool, PoolLimits
from delivery_service.application.ports import Sender
from delivery_service.application.redrives import Redriver
from delivery_service.application.retention import Retention
from delivery_service.application.sending import Channels
from delivery_service.application.stats import read_stats
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.dead_letters import HORIZON_SECONDS
from delivery_service.domain.disabling import DisablePolicy
from delivery_service.domain.retries import RetryPolicy
from delivery_service.settings import Settings
from delivery_service.subscribers.due_events import due_event_handler
from delivery_service.subscribers.user_deletions import user_deletion_handler

log = structlog.get_logger(__name__)

RELEASE_SECONDS = 3.0
"""The part of the grace period reserved for releasing attempts that did not end."""


class Worker:
    """The role that works on one priority: runs the roles that feed its pool, then drains it.

    Args:
        parts: consumer, claimer and whatever else must have stopped before the pool is drained.
        close: closes what the pool sends with.
        grace_seconds: how long after the signal the process may take.
    """

    def __init__(
        self,
        pool: DeliveryPool,
        parts: Sequence[Role],
        *,
        close: Callable[[], Awaitable[None]],
        grace_seconds: float,
    ) -> None:
        self.name = f"worker-{pool.priority.name.lower()}"
        self._pool = pool
        self._parts = parts
        self._close = close
        self._grace = grace_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts:
                    group.create_task(part.run(stopping), name=part.name)
                await stopping.wait()
                deadline = time.monotonic() + self._grace - RELEASE_SECONDS
                self._pool.close()
            await self._pool.drain(deadline - time.monotonic())
        finally:
            await self._close()


def open_channels(settings: Settings, usage: Usage, *, connections: int) -> Channels:
    """A sender for each kind of endpoint, with connections of their own. ``usage`` is added to by what costs money."""
    cipher = SecretCipher(settings.key_bytes())
    guard = SsrfGuard(settings.allow_list)
    poster = Poster(connections=connections, connect_seconds=settings.connect_timeout_seconds, guard=guard)
    account = AwsAccess(settings.aws_region, settings.aws_endpoint_url, connections, settings.connect_timeout_seconds)
    ses, sns = AwsCaller("sesv2", account, usage), AwsCaller("sns", account, usage)

    async def close() -> None:
        for each in (poster, guard, ses, sns):
            await each.aclose()

    senders: dict[Channel, Sender] = {
        Channel.WEBHOOK: WebhookSender(poster, cipher),
        Channel.SLACK: SlackSender(poster, cipher),
        Channel.EMAIL: EmailSender(ses, sender=settings.email_from),
        Channel.SMS: SmsSender(sns, sender_id=settings.sms_sender_id),
    }
    return Channels(senders, close=close)


def retry_policy(settings: Settings, priority: Priority) -> RetryPolicy:
    """When deliveries of this priority are tried again."""
    return RetryPolicy(
        max_tries=settings.retry_tries(priority),
        base=settings.retry_base_seconds,
        factor=settings.retry_factor,
        cap=settings.retry_cap_seconds,
        retry_after_cap=settings.retry_after_cap_seconds,
    )


def worker(runtime: Runtime[Settings], priority: Priority, *, slow_slots: int | None = None) -> Role:
    """What works on one priority, with everything that another could exhaust of its own.

    ``slow_slots`` replaces the setting where the process may not open enough files.
    """
    settings, database = runtime.settings, runtime.database
    slow_slots = settings.slow_slots if slow_slots is None else slow_slots
    slots = settings.slots(priority)
    limits = PoolLimits(slots, settings.pool_connections, settings.lease_seconds, slow_slots)
    delivery_metrics.begin(priority, slots=slots, slow_slots=slow_slots)
    policy = retry_policy(settings, priority)
    if policy.longest > settings.retry_horizon_seconds:
        # Event-service may publish events again whose deliveries are still being tried; that costs messages, no more.
        log.warning(
            "retries may take longer than RETRY_HORIZON_SECONDS",
            priority=priority.name,
            longest_seconds=policy.longest,
            horizon_seconds=settings.retry_horizon_seconds,
        )
    sender = open_channels(settings, runtime.bus.usage, connections=limits.sockets)
    pool = DeliveryPool(
        priority,
        database=database,
        outbox=runtime.outbox,
        clock=runtime.clock,
        sender=sender,
        policy=policy,
        limits=limits,
        circuits=CircuitPolicy(
            half_life_seconds=settings.circuit_half_life_seconds,
            min_attempts=settings.circuit_min_attempts,
            failure_rate=settings.circuit_failure_rate,
            timeouts_in_row=settings.circuit_timeouts_in_row,
            lost_seconds=settings.circuit_lost_seconds,
            open_seconds=settings.circuit_open_seconds,
            open_cap_seconds=settings.circuit_open_cap_seconds,
            disabling=DisablePolicy(
                failures=settings.disable_after_failures,
                seconds=settings.disable_after_days * 86_400,
                min_failures=settings.disable_min_failures,
                min_seconds=settings.disable_min_hours * 3_600,
                warning_seconds=settings.disable_warning_hours * 3_600,
            ),
        ),
    )

    async def room() -> None:
        await database.wait_available()
        await pool.wait_for_room()

    queue = runtime.topology.queue(priority)
    consumer = runtime.consume(
        queue,
        due_event_handler(queue.name, pool.ingest),
        check=check_due_event,
        gate=room,
        receivers=settings.receivers(priority),
        reject=dead_letter_sink(database, runtime.outbox, queue.name),
    )
    claimer = Loop(f"claimer-{priority.name.lower()}", pool.claim, wake=pool.wake)
    watch = Loop(f"endpoint-watch-{priority.name.lower()}", pool.watch_endpoints)
    return Worker(pool, [*consumer, claimer, watch], close=sender.aclose, grace_seconds=settings.shutdown_grace_seconds)


def workers(*priorities: Priority) -> Callable[[Runtime[Settings]], Sequence[Role]]:
    def roles(runtime: Runtime[Settings]) -> Sequence[Role]:
        settings, database = runtime.settings, runtime.database
        retention = Retention(
            database, days=settings.retention_days, dead_letter_days=settings.dead_letter_retention_days
        )
        redriver = Redriver(database, runtime.outbox, horizon=HORIZON_SECONDS)
        health.begin()
        slots = sum(settings.slots(priority) for priority in priorities)
        open_files = raise_open_files(2 * slots + settings.slow_slots * len(priorities))
        slow_slots = min(settings.slow_slots, max(10, (open_files - 2 * slots) // len(priorities)))
        return [
            *(worker(runtime, priority, slow_slots=slow_slots) for priority in priorities),
            Loop("retention", retention.step),
            Loop("redriver", redriver.step),
            Loop("open-dead-letters", OpenDeadLetters(database).step),
            Loop("key-rotation", KeyRotation(database, SecretCipher(settings.key_bytes())).step),
        ]

    return roles


def consumer(runtime: Runtime[Settings]) -> Sequence[Role]:
    """Cancels deliveries to deleted users, and erases their stored data."""
    queue = runtime.topology.queue("user-deletions")
    eraser = Eraser(
        runtime.database,
        runtime.outbox,
        Erasure(runtime.outbox).erase,
        report=MessageType.DELIVERY_DATA_ERASED,
        every_seconds=runtime.settings.erasure_seconds,
    )
    handler = user_deletion_handler(queue, runtime.database, runtime.outbox)
    return [*runtime.consume(queue, handler), Loop("eraser", eraser.step)]


def state(runtime: Runtime[Settings]) -> Mapping[str, object]:
    settings, guard = runtime.settings, SsrfGuard(runtime.settings.allow_list)
    runtime.closing.push_async_callback(guard.aclose)
    return {
        "security": Security(guard, SecretCipher(settings.key_bytes())),
        "channels": partial(open_channels, settings, runtime.bus.usage, connections=1),
        "standing": TtlCache(partial(read_stats, runtime.database)),
    }
