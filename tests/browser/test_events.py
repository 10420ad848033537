"""Events are found, followed, called off and moved; a read-only session sees the same and changes nothing."""

from datetime import UTC, datetime, timedelta

from live_stack import LiveStack
from playwright.async_api import Page, expect
from tabs import serious_violations, visit

FOLLOWS_MS = 20_000


async def test_a_search_finds_a_users_events_and_leads_to_the_way_of_one(signed_in: Page, live: LiveStack) -> None:
    person = await live.person()
    [event] = await live.notify(person)
    await live.has_ended(event, "COMPLETED")
    page = await visit(signed_in, "/events")
    await page.get_by_label("User").fill(person)
    await page.get_by_label("Status").select_option("COMPLETED")
    await page.get_by_role("button", name="Search").click()
    found = page.get_by_role("table", name="Events found")
    await expect(found.locator("tbody tr")).to_have_count(1)
    await found.get_by_role("rowheader").get_by_role("link").click()
    await expect(page).to_have_url(f"/events/{event}")
    waterfall = page.get_by_role("table", name="Steps of the event")
    await expect(waterfall.get_by_role("row").filter(has_text="attempt 1")).to_contain_text("HTTP 204")
    await expect(page.get_by_role("table", name="History")).to_contain_text("Completed")
    assert await serious_violations(page) == []


async def test_an_event_to_come_is_moved_and_then_called_off(signed_in: Page, live: LiveStack) -> None:
    day = datetime.now(UTC).date() + timedelta(days=2)
    [event] = await live.notify(await live.person(), at=f"{day}T12:00:00Z")
    page = await visit(signed_in, f"/events/{event}")
    await page.get_by_role("button", name="Reschedule").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await serious_violations(page) == []
    await dialog.get_by_label("Local time").fill(f"{day}T15:30")
    await dialog.get_by_role("button", name="Reschedule").click()
    await expect(page.locator("#content")).to_contain_text(f"{day} 15:30")
    await page.get_by_role("button", name="Cancel event").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel event").click()
    await expect(page.get_by_role("table", name="History")).to_contain_text("Cancelled")
    await expect(page.get_by_role("button", name="Reschedule")).to_have_count(0)
    told = await live.call("GET", f"{live.stack.event}/v1/events/{event}")
    assert (told["status"], told["targetTimestampUTC"]) == ("CANCELLED", f"{day}T15:30:00Z")


async def test_read_only_session_has_no_actions(reader: Page, live: LiveStack) -> None:
    day = datetime.now(UTC).date() + timedelta(days=2)
    [event] = await live.notify(await live.person(), at=f"{day}T12:00:00Z")
    page = await visit(reader, f"/events/{event}")
    await expect(page.locator("#content")).to_contain_text("Hey, Ada there is cake")
    await expect(page.get_by_role("group", name="Actions")).to_have_count(0)
    # And its later state, without a reload.
    await live.call("POST", f"{live.stack.event}/v1/events/{event}/cancel")
    await expect(page.get_by_role("table", name="History")).to_contain_text("Cancelled", timeout=FOLLOWS_MS)
