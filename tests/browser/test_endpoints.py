"""Actions on an endpoint, and their absence in a read-only session."""

import httpx
import pytest_asyncio
from live_stack import LiveStack
from playwright.async_api import Page, expect
from tabs import serious_violations, visit

from testkit import Receiver
from testkit.full_stack import READ_KEY


@pytest_asyncio.fixture(loop_scope="session")
async def endpoint(live: LiveStack, receiver: Receiver) -> str:
    """An endpoint that gets no events, because no user has its tag."""
    return await live.create_endpoint(receiver.url, description="Nobody's", tags=["nobody"])


async def test_the_list_leads_to_an_endpoint_that_can_be_disabled_and_enabled(signed_in: Page, endpoint: str) -> None:
    page = await visit(signed_in, "/endpoints")
    await page.get_by_role("link", name="Nobody's").first.click()
    await expect(page).to_have_url(f"/endpoints/{endpoint}")
    await page.get_by_role("button", name="Disable").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await serious_violations(page) == []
    await dialog.get_by_label("Reason").fill("its owner is away")
    await dialog.get_by_role("button", name="Disable").click()
    await expect(page.locator("#content")).to_contain_text("its owner is away")
    await page.get_by_role("button", name="Enable").click()
    await page.get_by_role("dialog").get_by_role("button", name="Enable").click()
    await expect(page.get_by_role("button", name="Disable")).to_be_visible()
    await expect(page.locator("#content")).not_to_contain_text("its owner is away")


async def test_focus_and_selection_stay_when_the_list_is_refreshed(
    signed_in: Page, live: LiveStack, endpoint: str
) -> None:
    page = await visit(signed_in, "/endpoints")
    link = page.locator(f'a[href="/endpoints/{endpoint}"]')
    await link.focus()
    await link.evaluate("link => getSelection().selectAllChildren(link.closest('tr').querySelector('.note'))")
    assert await page.evaluate("getSelection().toString()") == "webhook"
    await link.evaluate("link => { window.before = link; }")
    # Of the same length: a selection is found again by how much text stands before it.
    await live.change_endpoint(endpoint, description="Everyone")
    await expect(link).to_have_text("Everyone")
    assert await page.evaluate("window.before.isConnected") is False
    await expect(link).to_be_focused()
    assert await page.evaluate("getSelection().toString()") == "webhook"
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"/endpoints/{endpoint}")


async def test_a_question_that_is_not_answered_changes_nothing(signed_in: Page, live: LiveStack, endpoint: str) -> None:
    page = await visit(signed_in, f"/endpoints/{endpoint}")
    await page.get_by_role("button", name="Disable").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    found = await live.call("GET", f"{live.stack.delivery}/v1/endpoints/{endpoint}")
    assert found["enabled"]


async def test_event_is_sent_and_its_result_is_shown(signed_in: Page, endpoint: str, receiver: Receiver) -> None:
    receiver.always(503)
    page = await visit(signed_in, f"/endpoints/{endpoint}")
    await page.get_by_role("button", name="Send a test event").click()
    await page.get_by_role("dialog").get_by_role("button", name="Send").click()
    result = page.get_by_role("region", name="Test result")
    await expect(result).to_contain_text("503")
    assert len(receiver.requests) == 1


async def test_a_rotated_secret_is_shown_once_and_signs_from_then_on(
    signed_in: Page, live: LiveStack, endpoint: str
) -> None:
    page = await visit(signed_in, f"/endpoints/{endpoint}")
    await page.get_by_role("button", name="Rotate the secret").click()
    await page.get_by_role("dialog").get_by_label("Hours").fill("2")
    await page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    secret = page.locator("pre.secret")
    await expect(secret).to_contain_text("whsec_")
    shown = await secret.inner_text()
    await page.get_by_role("dialog").get_by_role("button", name="Done").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert shown not in await page.content()
    await expect(page.locator("#content")).to_contain_text("signs too until")


async def test_a_key_that_may_read_sees_it_and_is_refused_acting_by_the_services_too(
    reader: Page, live: LiveStack, endpoint: str
) -> None:
    page = await visit(reader, f"/endpoints/{endpoint}")
    await expect(page.locator("#content")).to_contain_text("Nobody's")
    await expect(page.locator("#content")).to_contain_text("may look and not act")
    for name in ("Disable", "Enable", "Rotate the secret", "Send a test event"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {READ_KEY}"}, trust_env=False) as http:
        answer = await http.post(f"{live.stack.delivery}/v1/endpoints/{endpoint}/disable")
    assert answer.status_code == 403
    found = await live.call("GET", f"{live.stack.delivery}/v1/endpoints/{endpoint}")
    assert found["enabled"]
