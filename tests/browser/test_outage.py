"""The inbox stops and restarts: an operator sees it, gets an alert, and repairs the damage, using only the console."""

import pytest
from live_stack import LiveStack, killed_inbox
from playwright.async_api import Page, expect
from tabs import visit

ALERT_SECONDS = 60
CLEAR_SECONDS = 300


@pytest.mark.timeout(600)
async def test_outage_is_shown_within_a_minute_and_repaired_from_the_console(signed_in: Page, live: LiveStack) -> None:
    page = signed_in
    endpoint, person = await live.inbox_endpoint(), await live.person()
    # Once only: an open circuit holds further tries back, for longer than a test may take.
    await live.change_endpoint(endpoint, retrySchedule=[])
    alert = page.locator('[data-rule="CircuitOpen"]')
    circuit = page.get_by_role("group").filter(has_text="Circuit")
    async with live.flowing(person):
        await visit(page, "/alerts")
        await expect(alert).to_have_count(0)
        async with killed_inbox(live.stack):
            await expect(alert).to_contain_text("The inbox on this machine", timeout=ALERT_SECONDS * 1_000)
            await alert.get_by_role("link", name="Its endpoint").click()
            await expect(page).to_have_url(f"/endpoints/{endpoint}")
            await expect(circuit).to_contain_text("Open")
            await expect(page.get_by_role("region", name="Last error")).to_contain_text("Connection")
            given_up = await live.has_dead_letters(5, endpointId=endpoint, status="OPEN")
            await page.get_by_role("link", name="Its dead letters").click()
            await expect(page.get_by_role("table", name="Dead letters")).to_contain_text("Exhausted")
    await visit(page, f"/endpoints/{endpoint}")
    # By a probe, once the inbox is back.
    await expect(circuit).to_contain_text("Closed", timeout=CLEAR_SECONDS * 1_000)
    await visit(page, f"/dead-letters?endpointId={endpoint}")
    await page.get_by_role("button", name="Redrive all that meet the filters").click()
    await page.get_by_role("dialog").get_by_role("button", name="Redrive all").click()
    await expect(page.get_by_role("region", name="Redrive")).to_contain_text("Done")
    for letter in given_up:
        await live.has_ended(str(letter["eventId"]), "COMPLETED")
    await visit(page, "/alerts")
    await expect(alert).to_have_count(0, timeout=CLEAR_SECONDS * 1_000)
    resolved = page.get_by_role("row").filter(has_text="Resolved").filter(has_text="CircuitOpen")
    await expect(resolved.first).to_be_visible()
