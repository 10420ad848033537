"""The roles of event-service, and what they are made of: settings, adapters, use cases."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from chassis.api.send_windows import window_of
from chassis.core.lifecycle import Loop, Role
from chassis.core.ttl_cache import TtlCache
from chassis.messaging.erasures import Eraser
from chassis.service.runtime import Runtime
from contracts.messages.spec import MessageType
from contracts.topology import HOUR
from contracts.vocabulary import EventType, Priority
from event_service.adapters import claims
from event_service.adapters.calendar_feeds import sweep_revoked
from event_service.adapters.due_events import SnsDueEvents
from event_service.adapters.partitions import Partitions
from event_service.adapters.recipients import sweep_tombstones
from event_service.application import broadcasts as broadcast_work
from event_service.application.calendar_changes import CalendarWatch
from event_service.application.erasures import erase
from event_service.application.event_changes import RETRY_CHANNEL
from event_service.application.figures import Figures
from event_service.application.firing import FiringRules
from event_service.application.next_occurrence import NearEvents
from event_service.application.reaping import Reaper
from event_service.application.scheduler import Precedence, Scheduler
from event_service.application.standing import read_standing
from event_service.application.upkeep import Upkeep
from event_service.application.zone_changes import ZoneWatch, keep_dropped_zones
from event_service.domain.recurrence import Policies
from event_service.domain.type_rules import Rulebook, TypeRules
from event_service.settings import Settings
from event_service.subscribers.outcomes import outcome_handler
from event_service.subscribers.users import user_handler

USERS_BYTES = 256 * 1024
"""A batch of user items, some five hundred: each becomes a recipient, schedules and events, as objects and as rows."""


def firing_rules(settings: Settings) -> FiringRules:
    """How due events are claimed and published."""
    return FiringRules(
        settings.claim_batch,
        settings.claim_lease_seconds,
        settings.outcome_timeout_seconds or settings.retry_horizon_seconds + HOUR,
        settings.claim_ahead_seconds,
        types=rulebook(settings),
    )


def rulebook(settings: Settings) -> Rulebook:
    """The rules of every type of event."""
    return {type: _type_rules(settings, type.lower()) for type in EventType}


def _type_rules(settings: Settings, type: str) -> TypeRules:
    def setting(name: str) -> Any:
        return getattr(settings, name.format(type))

    expiry = setting("expiry_hours_{}")
    return TypeRules(
        grace=timedelta(hours=setting("grace_hours_{}")),
        expiry=None if expiry is None else timedelta(hours=expiry),
        message=setting("{}_message"),
        window=window_of(setting("send_window_{}")),
        messages=setting("{}_messages"),
        policies=Policies(setting("gap_policy_{}"), setting("overlap_policy_{}"), setting("leap_day_policy_{}")),
    )


def _due_events(runtime: Runtime[Settings]) -> SnsDueEvents:
    runtime.publishes(*(runtime.topology.topic(type) for type in EventType))
    windows = {type: own.window for type, own in rulebook(runtime.settings).items() if own.window is not None}
    return SnsDueEvents(
        runtime.publisher,
        runtime.bus,
        runtime.topology,
        depth_limit=runtime.settings.queue_depth_limit,
        windows=windows,
    )


def scheduler(runtime: Runtime[Settings]) -> Sequence[Role]:
    settings, bus, precedence = runtime.settings, _due_events(runtime), Precedence()
    return [
        Loop(
            f"scheduler:{priority.name.lower()}",
            Scheduler(
                runtime.database,
                runtime.outbox,
                bus,
                firing_rules(settings),
                priority=priority,
                poll_seconds=settings.scheduler_poll_seconds,
                precedence=precedence,
            ).step,
            wake=runtime.listener.event(f"events_due_{priority.value}"),
        )
        for priority in Priority
    ]


def consumer(runtime: Runtime[Settings]) -> Sequence[Role]:
    partitions = Partitions(runtime.database, runtime.clock)
    users = runtime.topology.queue("user-events")
    outcomes = runtime.topology.queue("delivery-outcomes")
    parts = (runtime.database, runtime.outbox, rulebook(runtime.settings), partitions)
    return [
        *runtime.consume(users, user_handler(users, *parts), max_batch_bytes=USERS_BYTES),
        *runtime.consume(outcomes, outcome_handler(outcomes, *parts)),
    ]


def maintenance(runtime: Runtime[Settings]) -> Sequence[Role]:
    settings = runtime.settings
    reaper = Reaper(
        runtime.database,
        runtime.outbox,
        _due_events(runtime),
        firing_rules(settings),
        rulebook(settings),
        every_seconds=settings.reap_seconds,
    )

    near = NearEvents(runtime.database, runtime.outbox, rulebook(settings), batch=settings.claim_batch)
    broadcaster = broadcast_work.Broadcaster(
        runtime.database,
        runtime.outbox,
        rulebook(settings),
        Partitions(runtime.database, runtime.clock),
        chunk=settings.broadcast_chunk,
    )
    upkeep = Upkeep(runtime.database, runtime.clock, retention=timedelta(days=settings.retention_days))

    async def forget_tombstones() -> float:
        await sweep_tombstones(runtime.database)
        await sweep_revoked(runtime.database)
        return 3600.0

    eraser = Eraser(
        runtime.database,
        runtime.outbox,
        erase,
        report=MessageType.EVENT_DATA_ERASED,
        every_seconds=settings.erasure_seconds,
    )
    return [
        Loop("eraser", eraser.step),
        Loop("reaper", reaper.step, wake=runtime.listener.event(RETRY_CHANNEL)),
        Loop("broadcasts", broadcaster.step, wake=runtime.listener.event(broadcast_work.CHANNEL)),
        Loop("partitions", Partitions(runtime.database, runtime.clock).step),
        Loop("near", near.step),
        Loop("zones", ZoneWatch(runtime.database, runtime.outbox, rulebook(settings)).step),
        Loop("calendars", CalendarWatch(runtime.database, runtime.outbox, rulebook(settings)).step),
        Loop("upkeep", upkeep.step),
        Loop("figures", Figures(runtime.database, runtime.clock).step),
        Loop("tombstones", forget_tombstones),
    ]


def state(runtime: Runtime[Settings]) -> Mapping[str, object]:
    return {
        "rules": rulebook(runtime.settings),
        "partitions": Partitions(runtime.database, runtime.clock),
        "retention": timedelta(days=runtime.settings.retention_days),
        "standing": TtlCache(partial(read_standing, runtime.database)),
    }


async def replay(runtime: Runtime[Settings]) -> int:
    return await claims.expect_all_again(runtime.database)


async def prepare(runtime: Runtime[Settings]) -> None:
    await keep_dropped_zones(runtime.database)
