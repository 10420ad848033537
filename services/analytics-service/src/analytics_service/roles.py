"""The roles of analytics-service, and what they are made of: settings, adapters, use cases."""

import asyncio
from collections.abc import Mapping, Sequence

from almanac_client import Almanac, Services
from analytics_service.adapters.alert_emails import AlertEmails
from analytics_service.adapters.alert_webhooks import AlertWebhook
from analytics_service.adapters.pagerduty import PagerDuty
from analytics_service.adapters.posting import Posting
from analytics_service.adapters.slack import Slack
from analytics_service.application.alert_notifications import new_id
from analytics_service.application.alerting import Alerter
from analytics_service.application.collector import OWN_NAME, Collector
from analytics_service.application.erasures import erase
from analytics_service.application.fallback_notifier import FallbackNotifier
from analytics_service.application.notifying import Notifier
from analytics_service.application.ports import AlertChannel
from analytics_service.application.retention import RetentionSweep
from analytics_service.domain.alert_notifications import Policy
from analytics_service.domain.alert_rules import rules_with
from analytics_service.domain.alerts import Rule, Severity
from analytics_service.domain.grains import Grain
from analytics_service.settings import Settings, webhook_key
from analytics_service.subscribers.facts import facts_handler
from chassis.core.lifecycle import Loop, Role
from chassis.messaging.aws import AwsAccess, AwsClient
from chassis.messaging.erasures import Eraser
from chassis.messaging.status import StatusReader
from chassis.service.runtime import Runtime
from chassis.telemetry.outgoing import open_http
from contracts.messages.spec import MessageType
from contracts.vocabulary import Service as ServiceName


def consumer(runtime: Runtime[Settings]) -> Sequence[Role]:
    """Facts from the domain bus and the dead-letter topic; deleting rows past their retention."""
    settings, database = runtime.settings, runtime.database
    facts, dead_letters = runtime.topology.queue("analytics"), runtime.topology.queue("dlq-alerts")
    retention = RetentionSweep(
        database,
        rollup_days={
            Grain.MINUTE: settings.minute_retention_days,
            Grain.HOUR: settings.hour_retention_days,
            Grain.DAY: settings.day_retention_days,
        },
        timeline_days=settings.timeline_retention_days,
    )
    eraser = Eraser(
        database,
        runtime.outbox,
        erase,
        report=MessageType.ANALYTICS_DATA_ERASED,
        every_seconds=settings.erasure_seconds,
    )
    return [
        *runtime.consume(
            facts,
            facts_handler(facts, database),
            receivers=settings.consumer_receivers,
            max_batch=settings.consumer_batch_messages,
        ),
        *runtime.consume(dead_letters, facts_handler(dead_letters, database)),
        Loop("retention", retention.step),
        Loop("eraser", eraser.step),
    ]


def open_almanac(runtime: Runtime[Settings]) -> Almanac:
    """Open a client of the other services, with connections that are closed with the runtime."""
    settings = runtime.settings
    http = open_http(timeout_seconds=settings.services_timeout_seconds)
    runtime.closing.push_async_callback(http.aclose)
    services = Services(
        users=settings.user_service_url,
        events=settings.event_service_url,
        deliveries=settings.delivery_service_url,
        analytics=None,
    )
    key = None if settings.services_api_key is None else settings.services_api_key.get_secret_value()
    # One attempt: alerts are evaluated again in seconds, and readers of timelines and costs see what is missing.
    return Almanac(services, key, http=http, attempts=1)


def alert_rules(settings: Settings) -> Sequence[Rule]:
    """The rules that are in force."""
    return rules_with(settings.alert_rules)


def alert_policy(settings: Settings) -> Policy:
    """The routes of notifications: the routes, as far as their channels are configured."""
    there = {
        "pagerduty": settings.pagerduty_routing_key is not None,
        "slack": settings.slack_webhook_url is not None,
        "email": settings.alert_email_from is not None and bool(settings.alert_email_to),
        "webhook": settings.alert_webhook_url is not None,
    }
    routes = {severity: [each for each in names if there[each]] for severity, names in settings.alert_routes.items()}
    repeat = {
        Severity.CRITICAL: settings.alert_repeat_critical_seconds,
        Severity.WARNING: settings.alert_repeat_warning_seconds,
    }
    return Policy(routes, repeat, settings.runbook_url)


def open_alert_channels(runtime: Runtime[Settings]) -> dict[str, AlertChannel]:
    """Those that are configured, with connections that are closed with the runtime."""
    settings, links = runtime.settings, runtime.settings.console_url
    posting = Posting()
    runtime.closing.push_async_callback(posting.aclose)
    channels: dict[str, AlertChannel] = {}
    if settings.pagerduty_routing_key is not None:
        key = settings.pagerduty_routing_key.get_secret_value()
        channels["pagerduty"] = PagerDuty(posting, url=settings.pagerduty_url, routing_key=key, links=links)
    if settings.slack_webhook_url is not None:
        channels["slack"] = Slack(posting, url=settings.slack_webhook_url.get_secret_value(), links=links)
    if settings.alert_webhook_url is not None and settings.alert_webhook_secret is not None:
        url = settings.alert_webhook_url.get_secret_value()
        channels["webhook"] = AlertWebhook(posting, url=url, key=webhook_key(settings.alert_webhook_secret))
    if settings.alert_email_from is not None and settings.alert_email_to:
        access = AwsAccess(settings.aws_region, settings.aws_endpoint_url, connections=2, connect_seconds=5.0)
        ses = AwsClient("sesv2", access, runtime.bus.usage)
        runtime.closing.push_async_callback(ses.aclose)
        channels["email"] = AlertEmails(
            ses, sender=settings.alert_email_from, receivers=settings.alert_email_to, links=links
        )
    return channels


def alerter(runtime: Runtime[Settings]) -> Sequence[Role]:
    """Evaluates the reports of database, bus and the other services, and sends notifications."""
    settings, database = runtime.settings, runtime.database
    board = StatusReader(database, runtime.bus, runtime.topology.queues_of(ServiceName.ANALYTICS))
    observer = Collector(database, runtime.clock, board, open_almanac(runtime))
    channels, rules, policy = open_alert_channels(runtime), alert_rules(settings), alert_policy(settings)
    written = asyncio.Event()
    judging = Alerter(
        database,
        observer.observe,
        rules,
        policy,
        fallback=FallbackNotifier(rules, policy, channels, service=OWN_NAME, new_id=new_id),
        every_seconds=settings.alert_every_seconds,
        judged=written.set,
    )
    # Without channels, no notifications are inserted.
    telling = [Loop("alert-notifier", Notifier(database, channels).step, wake=written)] if channels else []
    return [judging, *telling]


def state(runtime: Runtime[Settings]) -> Mapping[str, object]:
    settings = runtime.settings
    return {
        "almanac": open_almanac(runtime),
        "jaeger_url": settings.jaeger_url,
        "prices": settings.prices,
        "alert_rules": alert_rules(settings),
        "alert_policy": alert_policy(settings),
    }
