"""Dead letters are found, inspected, redriven and discarded."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest_asyncio
from live_stack import LiveStack
from playwright.async_api import Page, expect
from tabs import visit

from testkit import Receiver
from testkit.full_stack import READ_KEY

LETTERS = 12


@dataclass(frozen=True)
class GivenUp:
    """An endpoint that refused some reminders, and takes everything from now on."""

    endpoint: str
    receiver: Receiver
    letters: list[str]


@pytest_asyncio.fixture(loop_scope="session")
async def given_up(live: LiveStack, receiver: Receiver) -> AsyncIterator[GivenUp]:
    receiver.always(400)
    endpoint = await live.create_endpoint(receiver.url, description="Had a bad day", eventTypes=["REMINDER"])
    await live.notify(await live.person(), LETTERS, "REMINDER")
    found = await live.has_dead_letters(LETTERS, endpointId=endpoint)
    receiver.always(204)
    receiver.requests.clear()
    yield GivenUp(endpoint, receiver, [str(each["id"]) for each in found])
    await live.delete_endpoint(endpoint)


async def test_search_finds_by_each_filter_and_shows_when_it_is_empty(signed_in: Page, given_up: GivenUp) -> None:
    page = await visit(signed_in, "/dead-letters")
    await page.get_by_label("Endpoint").select_option(label="Had a bad day")
    await page.get_by_label("Type").select_option("REMINDER")
    await page.get_by_label("Reason").select_option("rejected")
    await page.get_by_label("From (UTC)").fill("2026-01-01T00:00")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url(re.compile("reason=rejected"))
    rows = page.get_by_role("table", name="Dead letters").locator("tbody tr")
    await expect(rows).to_have_count(LETTERS)
    await expect(page.get_by_label("Reason")).to_have_value("rejected")
    await page.get_by_label("Reason").select_option("gone")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#content")).to_contain_text("Nothing meets these filters.")


async def test_one_is_looked_into_and_redriven(signed_in: Page, given_up: GivenUp, live: LiveStack) -> None:
    page = await visit(signed_in, f"/dead-letters?endpointId={given_up.endpoint}")
    await page.get_by_role("table", name="Dead letters").get_by_role("rowheader").first.get_by_role("link").click()
    content = page.locator("#content")
    await expect(content).to_contain_text('"eventType": "REMINDER"')
    await expect(page.get_by_role("table", name="Attempts").locator("tbody tr")).to_have_count(1)
    await page.get_by_role("button", name="Redrive").click()
    await page.get_by_role("dialog").get_by_role("button", name="Redrive").click()
    await expect(content).to_contain_text("Redriven")
    await expect(page.get_by_role("button", name="Redrive")).to_have_count(0)
    (request,) = await given_up.receiver.wait_for(1)
    letter = await live.call("GET", f"{live.stack.delivery}/v1/dead-letters/{page.url.rsplit('/', 1)[1]}")
    assert request.headers["webhook-id"] == letter["eventId"]
    await live.has_ended(letter["eventId"], "COMPLETED")


async def test_all_that_meet_a_filter_are_redriven_with_progress(
    signed_in: Page, given_up: GivenUp, live: LiveStack
) -> None:
    page = await visit(signed_in, f"/dead-letters?endpointId={given_up.endpoint}&eventType=REMINDER")
    await page.get_by_role("button", name="Redrive all that meet the filters").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("of type REMINDER, for Had a bad day")
    await dialog.get_by_role("button", name="Redrive all").click()
    progress = page.get_by_role("region", name="Redrive")
    await expect(progress).to_contain_text(f"Done: {LETTERS} of {LETTERS} sent again.")
    await expect(progress.get_by_role("progressbar")).to_have_attribute("value", "1.000")
    requests = await given_up.receiver.wait_for(LETTERS)
    assert len({request.headers["webhook-id"] for request in requests}) == LETTERS
    await visit(page, f"/dead-letters?endpointId={given_up.endpoint}")
    await expect(page.locator("#content")).to_contain_text("Nothing meets these filters.")
    assert len(await live.dead_letters(endpointId=given_up.endpoint, status="REDRIVEN")) == LETTERS


async def test_one_is_discarded_with_a_reason_and_then_all(signed_in: Page, given_up: GivenUp, live: LiveStack) -> None:
    page = await visit(signed_in, f"/dead-letters/{given_up.letters[0]}")
    await page.get_by_role("button", name="Discard").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("it was a drill")
    await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await expect(page.locator("#content")).to_contain_text("it was a drill")
    await visit(page, f"/dead-letters?endpointId={given_up.endpoint}")
    await page.get_by_role("button", name="Discard all that meet the filters").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("all of it was")
    await page.get_by_role("dialog").get_by_role("button", name="Discard all").click()
    await expect(page.locator("#content")).to_contain_text("Nothing meets these filters.")
    notes = sorted(str(each["note"]) for each in await live.dead_letters(endpointId=given_up.endpoint))
    assert notes == ["all of it was"] * (LETTERS - 1) + ["it was a drill"]
    assert given_up.receiver.requests == []


async def test_a_key_that_may_read_sees_and_is_refused_acting_by_the_services_too(
    reader: Page, given_up: GivenUp, live: LiveStack
) -> None:
    page = await visit(reader, f"/dead-letters?endpointId={given_up.endpoint}")
    await expect(page.get_by_role("table", name="Dead letters").locator("tbody tr")).to_have_count(LETTERS)
    await expect(page.get_by_role("button", name=re.compile("Redrive|Discard"))).to_have_count(0)
    await visit(page, f"/dead-letters/{given_up.letters[0]}")
    await expect(page.locator("#content")).to_contain_text("HTTP 400")
    await expect(page.get_by_role("button", name=re.compile("Redrive|Discard"))).to_have_count(0)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {READ_KEY}"}, trust_env=False) as http:
        answer = await http.post(f"{live.stack.delivery}/v1/dead-letters/{given_up.letters[0]}/redrive")
    assert answer.status_code == 403
    assert len(await live.dead_letters(endpointId=given_up.endpoint, status="OPEN")) == LETTERS
