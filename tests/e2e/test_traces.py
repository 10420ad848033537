"""One trace from the claim to the webhook, linked to the trace that scheduled it."""

import pytest

from testkit import OtlpReceiver
from testkit.full_stack import People, due_in

pytestmark = pytest.mark.xdist_group("stack")

# Who calls whom: (service, kind, name) of a span and of its parent.
SCHEDULING = (
    (("user-service", "SERVER", "POST /v1/users"), None),
    (("user-service", "PRODUCER", "publish bday-domain-events"), ("user-service", "SERVER", "POST /v1/users")),
    (
        ("event-service", "CONSUMER", "process bday-user-events"),
        ("user-service", "PRODUCER", "publish bday-domain-events"),
    ),
)
FIRING = (
    (("event-service", "INTERNAL", "fire BIRTHDAY"), None),
    (("event-service", "PRODUCER", "publish bday-birthday-events"), ("event-service", "INTERNAL", "fire BIRTHDAY")),
    (
        ("delivery-service", "CONSUMER", "process bday-events-critical"),
        ("event-service", "PRODUCER", "publish bday-birthday-events"),
    ),
    (("delivery-service", "CLIENT", "POST"), ("delivery-service", "CONSUMER", "process bday-events-critical")),
)


async def test_scheduling_and_firing_are_two_linked_trees(people: People, spans: OtlpReceiver) -> None:
    user = await people.create(**due_in(5))
    request = await people.is_greeted(user)
    event_id = request.headers["webhook-id"]

    [fire] = await spans.wait_for(
        lambda span: span.name == "fire BIRTHDAY" and span.attributes.get("event.id") == event_id, timeout=20
    )
    await spans.wait_for(lambda span: span.kind == "CLIENT" and span.trace_id == fire.trace_id, count=2)
    _assert_tree(spans, fire.trace_id, FIRING)
    assert request.headers["traceparent"].split("-")[1] == fire.trace_id
    # A delivered event has next year's scheduled, in the same trace.
    following = await people.has_event(user, "PENDING")
    for span in spans.trace(fire.trace_id):
        if span.kind != "PRODUCER":
            told = (event_id, following["id"]) if span.name == "process bday-analytics" else (event_id,)
            assert span.attributes.get("event.id") in told, span.name

    [link] = fire.links
    assert link.trace_id != fire.trace_id
    await spans.wait_for(
        lambda span: span.trace_id == link.trace_id and span.name == "process bday-user-events", timeout=20
    )
    _assert_tree(spans, link.trace_id, SCHEDULING)


def _assert_tree(
    spans: OtlpReceiver,
    trace_id: str,
    edges: tuple[tuple[tuple[str, str, str], tuple[str, str, str] | None], ...],
) -> None:
    tree = spans.trace(trace_id)
    by_id = {span.span_id: (span.service, span.kind, span.name) for span in tree}
    found = {((span.service, span.kind, span.name), by_id.get(span.parent_id)) for span in tree}
    for edge in edges:
        assert edge in found, f"no edge {edge} in {sorted(map(str, found))}"
    roots = [span for span in tree if not span.parent_id]
    assert len(roots) == 1, [span.name for span in roots]
