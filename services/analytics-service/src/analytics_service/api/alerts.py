"""``/v1/alerts``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from analytics_service.api.alert_schemas import (
    Acknowledgement,
    AlertBody,
    AlertChangeBody,
    RuleBody,
    RuleName,
    RulesBody,
)
from analytics_service.api.dependencies import CurrentPolicy, CurrentRules
from analytics_service.application import alert_requests
from analytics_service.domain.alerts import AlertState, Severity
from chassis.api.auth import READ, WRITE, CurrentPrincipal
from chassis.api.dependencies import CurrentDatabase, CurrentReads
from chassis.api.pages import Cursor, Limit, Page, cut, decode_cursor, encode_cursor
from chassis.api.problems import documented

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])


@router.get("", operation_id="get_alerts_v1_alerts_get", dependencies=[READ])
async def list_alerts(
    reads: CurrentReads,
    state: Annotated[AlertState | None, Query(description="None: pending and firing.")] = None,
    severity: Severity | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertBody]:
    """Pending and firing alerts, newest first. Resolved ones are kept for a week, their history for longer."""
    found, silences = await alert_requests.list_alerts(
        reads, state=state, severity=severity, before=decode_cursor(cursor), limit=limit + 1
    )
    page, more = cut(found, limit)
    return Page(
        items=[AlertBody.of(each, silences) for each in page],
        next_cursor=encode_cursor((page[-1].since, page[-1].id)) if more else None,
    )


@router.get("/history", operation_id="get_history_v1_alerts_history_get", dependencies=[READ])
async def list_alert_history(
    reads: CurrentReads,
    rule: RuleName | None = None,
    alert_id: Annotated[UUID | None, Query(alias="alertId")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertChangeBody]:
    """When alerts fired, were acknowledged and ended, newest first."""
    found = await alert_requests.list_changes(
        reads, rule=rule, alert_id=alert_id, before=decode_cursor(cursor), limit=limit + 1
    )
    page, more = cut(found, limit)
    return Page(
        items=[AlertChangeBody.model_validate(each, from_attributes=True) for each in page],
        next_cursor=encode_cursor((page[-1].at, page[-1].id)) if more else None,
    )


@router.get("/rules", operation_id="get_rules_v1_alerts_rules_get", dependencies=[READ])
async def list_alert_rules(rules: CurrentRules) -> RulesBody:
    """What is watched, with the thresholds that are in force."""
    return RulesBody(rules=[RuleBody.of(rule) for rule in rules])


@router.post(
    "/{alert_id}/acknowledge",
    operation_id="post_acknowledgement_v1_alerts__alert_id__acknowledge_post",
    dependencies=[WRITE],
    responses=documented(404, 409),
)
async def acknowledge_alert(
    alert_id: UUID,
    said: Acknowledgement,
    database: CurrentDatabase,
    policy: CurrentPolicy,
    principal: CurrentPrincipal,
) -> AlertBody:
    """Acknowledge an alert that fires: no reminders are sent."""
    return AlertBody.of(await alert_requests.acknowledge(database, policy, alert_id, by=principal.name, note=said.note))
