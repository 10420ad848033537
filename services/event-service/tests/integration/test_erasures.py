"""Nothing of a deleted user is left once their events have ended."""

from datetime import date

import pytest
from event_scenario import Scenario

from chassis.messaging.erasures import Eraser
from contracts.messages.spec import MessageType
from contracts.messages.user import Contact
from contracts.vocabulary import OutcomeStatus
from event_service.application.erasures import erase

MARKER = "Zaphod-Marker"
CONTACT = Contact(email=f"{MARKER}@example.org", phone=None)


@pytest.fixture
async def eraser(scenario: Scenario) -> Eraser:
    runtime = scenario.runtime
    report = MessageType.EVENT_DATA_ERASED
    return Eraser(runtime.database, runtime.outbox, erase, report=report, every_seconds=60)


async def marked(scenario: Scenario) -> set[str]:
    """The tables in which the marker is, partitions for themselves."""
    tables = await scenario.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = set()
    for table in tables:
        sql = f'SELECT 1 FROM "{table.relname}" AS t WHERE CAST(t AS text) LIKE :marker'  # noqa: S608
        if await scenario.rows(sql, marker=f"%{MARKER}%"):
            found.add(table.relname)
    return found


async def test_a_user_whose_event_is_on_its_way_is_erased_once_it_has_ended(scenario: Scenario, eraser: Eraser) -> None:
    await scenario.at("2026-11-01T00:00Z")
    user = scenario.user(first_name=MARKER, contact=CONTACT, external_id=MARKER, date_of_birth=date(1990, 11, 23))
    await scenario.receive(user)
    await scenario.at("2026-11-23T14:00Z")
    assert await scenario.fire() == 1
    assert {name.split("_")[0] for name in await marked(scenario)} >= {"events", "recipients"}

    await scenario.delete(user.user_id)
    await eraser.step()
    assert {name.split("_")[0] for name in await marked(scenario)} == {"events"}
    assert "EventDataErased" not in await scenario.announced_types()

    [fired] = scenario.bus.published
    await scenario.answer(scenario.outcome(fired, OutcomeStatus.FAILED, reason="cancelled"))
    await eraser.step()
    assert await marked(scenario) == set()
    assert (await scenario.announced_types()).count("EventDataErased") == 1


async def test_a_user_without_an_event_on_its_way_is_erased_at_once(scenario: Scenario, eraser: Eraser) -> None:
    await scenario.at("2026-11-01T00:00Z")
    user, other = scenario.user(first_name=MARKER, contact=CONTACT), scenario.user(first_name="Grace")
    await scenario.receive(user, other)
    await scenario.delete(user.user_id)
    await eraser.step()
    assert await marked(scenario) == set()
    assert len(await scenario.events(other.user_id)) == 1
    [(_, item)] = [each for each in await scenario.announced() if each[0] == "EventDataErased"]
    assert item["userId"] == str(user.user_id)
