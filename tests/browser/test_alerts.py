"""A read-write session acknowledges and silences a firing alert; other sessions see it."""

import re

import httpx
import pytest_asyncio
from live_stack import LiveStack
from playwright.async_api import Page, expect
from tabs import visit

from testkit import Receiver
from testkit.full_stack import READ_KEY

# The alerter looks every few seconds; the rule waits for nothing.
FIRES_MS = 60_000
FIRING = '[data-rule="DeadLettersNew"]'


@pytest_asyncio.fixture(loop_scope="session")
async def trouble(live: LiveStack, receiver: Receiver) -> None:
    """Something was given up a moment ago."""
    receiver.always(400)
    endpoint = await live.create_endpoint(receiver.url, description="Refuses reminders", eventTypes=["REMINDER"])
    await live.notify(await live.person(), 1, "REMINDER")
    await live.has_dead_letters(1, endpointId=endpoint)
    await live.delete_endpoint(endpoint)


async def test_alert_is_acknowledged_silenced_and_notified_again(signed_in: Page, trouble: None) -> None:
    page = await visit(signed_in, "/alerts")
    alert = page.locator(FIRING).first
    await expect(alert).to_contain_text("rejected", timeout=FIRES_MS)
    await alert.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Note").fill("calling them")
    await dialog.get_by_role("button", name="Acknowledge").click()
    await expect(alert).to_contain_text("calling them")
    await expect(alert.get_by_role("button", name="Acknowledge")).to_have_count(0)

    await alert.get_by_role("button", name="Silence").click()
    await dialog.get_by_label("Reason").fill("they know")
    await dialog.get_by_role("button", name="Silence").click()
    await expect(alert).to_contain_text("silenced")
    silences = page.get_by_role("region", name="Silences")
    await expect(silences).to_contain_text("they know")
    await silences.get_by_role("button", name="End the silence of DeadLettersNew").click()
    await expect(silences).to_contain_text("No silence is in force.")
    await expect(alert).not_to_contain_text("silenced")
    acknowledged = page.get_by_role("row").filter(has_text="Acknowledged").filter(has_text="calling them")
    await expect(acknowledged.first).to_be_visible()


async def test_a_key_that_may_read_sees_it_and_is_refused_acting(reader: Page, trouble: None, live: LiveStack) -> None:
    page = await visit(reader, "/alerts")
    await expect(page.locator(FIRING).first).to_contain_text("rejected", timeout=FIRES_MS)
    await expect(page.get_by_role("button", name=re.compile("Acknowledge|Silence"))).to_have_count(0)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {READ_KEY}"}, trust_env=False) as http:
        (firing,) = [
            each
            for each in (await http.get(f"{live.stack.analytics}/v1/alerts")).json()["items"]
            if each["rule"] == "DeadLettersNew"
        ]
        answer = await http.post(f"{live.stack.analytics}/v1/alerts/{firing['id']}/acknowledge", json={})
    assert answer.status_code == 403
