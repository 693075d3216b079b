"""Sending from the chat page: through lost connections, lost answers, killed gateways, reloads, and with files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Locator, Page, Route, expect

from tests.browser.conftest import OpenBrowser
from tests.browser.rooms import (
    Wire,
    composer,
    enter,
    is_in,
    member,
    message,
    open_chat,
    say,
    texts,
    write,
)
from tests.faults.deployment import deployed
from tests.redis_server import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001"
    "f61738550000000049454e44ae426082"
)
CSV = FilePayload(name="figures.csv", mimeType="text/csv", buffer=b"a,b\n1,2\n")
PNG = FilePayload(name="pixel.png", mimeType="image/png", buffer=PIXEL)
UPLOADS = "**/api/chat/files"

# What a browser hands over when files are pasted, or dropped from another window.
TRANSFER = """(target, [kind, name]) => {
    const data = new DataTransfer();
    data.items.add(new File(["a,b"], name, {type: "text/csv"}));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
        : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
    target.dispatchEvent(event);
}"""


def attachment(page: Page, name: str = "") -> Locator:
    return page.get_by_test_id("attachment").filter(has_text=name)


async def test_what_is_written_offline_arrives_once_and_in_order_though_an_answer_is_lost(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    wire = Wire()
    context = await member(open_browser, chat_url, "Ana Offline")
    await wire.tap(context)
    ana = await open_chat(context, chat_url, "sala-1")
    rui = await enter(open_browser, chat_url, "Rui Online", "sala-1")
    await wire.cut()
    await expect(ana.get_by_test_id("pill")).to_have_attribute("data-state", "reconnecting")
    await expect(ana.get_by_text("No connection: what you write is sent")).to_be_visible()
    offline = ["offline 1", "offline 2", "offline 3"]
    await write(ana, *offline)
    for text in offline:
        await expect(message(ana, text)).to_have_attribute("data-state", "queued")
    await say(rui, "meanwhile")
    # Neither the answer to the first one comes, nor the message itself: it has to be asked for again.
    wire.lose = [r'^43\d+\[.*"offline 1"', r'^42\["chat:message".*"offline 1"']
    wire.mend()
    await ana.get_by_role("button", name="Retry now").click()
    for text in offline:
        await expect(message(ana, text)).to_have_attribute("data-state", "sent")
        await expect(message(rui, text)).to_have_count(1)
    assert len(wire.lost) == 2
    for page in (ana, rui):
        assert await texts(page, "meanwhile", *offline) == ["meanwhile", *offline]


async def test_a_message_that_does_not_come_back_to_its_author_is_shown_by_its_answer(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    wire = Wire()
    context = await member(open_browser, chat_url, "Ana Unanswered")
    await wire.tap(context)
    ana = await open_chat(context, chat_url, "sala-2")
    rui = await enter(open_browser, chat_url, "Rui Hears", "sala-2")
    wire.lose = ['^42\\["chat:message"']
    await write(ana, "told to the others alone")
    await expect(message(ana, "told to the others alone")).to_have_attribute("data-state", "sent")
    await expect(message(rui, "told to the others alone")).to_be_visible()
    assert wire.lost
    await say(rui, "an answer to it")
    await expect(message(ana, "an answer to it")).to_be_visible()
    for page in (ana, rui):
        assert await texts(page, "told to the others alone", "an answer to it") == [
            "told to the others alone",
            "an answer to it",
        ]


async def test_a_gateway_that_is_killed_costs_no_message_and_doubles_none(
    own_redis: RedisServer, tmp_path: Path, open_browser: OpenBrowser
) -> None:
    async with deployed(own_redis, tmp_path) as deployment:
        *_, one, other = await deployment.start_all("auth", "chat", "gateway", "gateway", uploads=tmp_path / "up")
        ana = await enter(open_browser, one.url, "Ana Killed", "sala-1")
        rui = await enter(open_browser, other.url, "Rui Lives", "sala-1")
        await say(ana, "before")
        await one.kill()
        await expect(ana.get_by_test_id("pill")).to_have_attribute("data-state", "reconnecting")
        await write(ana, "during 1", "during 2")
        await say(rui, "from the other gateway")
        await one.start()
        for text in ("during 1", "during 2"):
            await expect(message(ana, text)).to_have_attribute("data-state", "sent")
        await say(ana, "after")
        said = ["before", "from the other gateway", "during 1", "during 2", "after"]
        await expect(message(rui, "after")).to_be_visible()
        for page in (ana, rui):
            assert await texts(page, *said) == said


async def test_a_reload_keeps_what_waits_to_be_sent(chat_url: str, open_browser: OpenBrowser) -> None:
    context = await member(open_browser, chat_url, "Ana Reloads")
    wire = Wire()
    await wire.tap(context)
    ana = await open_chat(context, chat_url, "sala-3")
    await wire.cut()
    await write(ana, "kept 1", "kept 2")
    await ana.reload()
    wire.mend()
    await is_in(ana)
    for text in ("kept 1", "kept 2"):
        await expect(message(ana, text)).to_have_attribute("data-state", "sent")
    assert await texts(ana, "kept 1", "kept 2") == ["kept 1", "kept 2"]


async def test_what_the_server_refuses_can_be_put_right(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Eleven", "sala-2")
    many = [FilePayload(name=f"file {n}.csv", mimeType="text/csv", buffer=b"a,b") for n in range(11)]
    await ana.get_by_test_id("picker").set_input_files(many)
    await expect(ana.locator("[data-testid=attachment][data-state=done]")).to_have_count(11)
    await write(ana, "eleven files")
    failed = message(ana, "eleven files")
    await expect(failed).to_have_attribute("data-state", "failed")
    await expect(failed.get_by_role("alert")).to_contain_text("A message may have 10 files.")
    await failed.get_by_role("button", name="Edit").click()
    await expect(composer(ana)).to_have_value("eleven files")
    await ana.get_by_role("button", name="Take out file 10.csv").click()
    await write(ana, "ten files")
    await expect(message(ana, "ten files")).to_have_attribute("data-state", "sent")
    await expect(message(ana, "ten files").get_by_test_id("file")).to_have_count(10)


async def test_the_text_goes_once_its_files_are_up_in_their_order(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    ana = await enter(open_browser, chat_url, "Ana Files", "sala-1")
    rui = await enter(open_browser, chat_url, "Rui Files", "sala-1")
    may_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await ana.route(UPLOADS, hold)
    await ana.get_by_test_id("picker").set_input_files([PNG, CSV])
    await expect(attachment(ana, "pixel.png").locator("img")).to_be_visible()
    await write(ana, "an image and figures")
    await expect(ana.get_by_text("It is sent once the files are up.")).to_be_visible()
    await say(rui, "I wait")
    await expect(message(rui, "an image and figures")).to_have_count(0)
    may_go.set()
    came = message(rui, "an image and figures")
    await expect(came.get_by_test_id("file")).to_have_count(2)
    await expect(came.get_by_role("img", name="pixel.png")).to_have_js_property("naturalWidth", 1)
    await expect(came.get_by_test_id("file").last).to_contain_text("figures.csv")
    await expect(came.get_by_test_id("file").last).to_have_attribute("download", "figures.csv")
    assert await texts(rui, "I wait", "an image and figures") == ["I wait", "an image and figures"]
    async with rui.expect_download() as download:
        await came.get_by_test_id("file").last.click()
    assert (await download.value).suggested_filename == "figures.csv"


async def test_a_failed_upload_keeps_the_draft_and_can_be_tried_again(
    chat_url: str, open_browser: OpenBrowser
) -> None:
    ana = await enter(open_browser, chat_url, "Ana Fails", "sala-2")
    full = json.dumps({"error": {"code": "unavailable", "message": "The disk is full."}})
    await ana.route(UPLOADS, lambda route: route.fulfill(status=503, content_type="application/json", body=full))
    await ana.get_by_test_id("picker").set_input_files([PNG])
    await write(ana, "with an image")
    await expect(attachment(ana, "pixel.png")).to_contain_text("The disk is full.")
    await composer(ana).press("Enter")
    await expect(composer(ana)).to_have_value("with an image")
    await expect(message(ana, "with an image")).to_have_count(0)
    await ana.unroute(UPLOADS)
    await ana.get_by_role("button", name="Upload pixel.png again").click()
    await expect(attachment(ana, "pixel.png")).to_have_attribute("data-state", "done")
    await composer(ana).press("Enter")
    await expect(message(ana, "with an image").get_by_role("img")).to_be_visible()
    await expect(ana.get_by_test_id("attachment")).to_have_count(0)


async def test_a_file_that_is_too_large_is_told_and_taken_out(
    chat_url: str, open_browser: OpenBrowser, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(26 << 20)
    ana = await enter(open_browser, chat_url, "Ana Large", "sala-3")
    await ana.get_by_test_id("picker").set_input_files(large)
    await expect(attachment(ana, "large.bin")).to_contain_text("25 MB")
    await ana.get_by_role("button", name="Take out large.bin").click()
    await say(ana, "without it")


async def test_an_upload_can_be_cancelled(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Cancels", "sala-3")
    await ana.route(UPLOADS, lambda _: None)  # it hangs
    await ana.get_by_test_id("picker").set_input_files([CSV])
    await expect(attachment(ana).get_by_role("progressbar")).to_be_visible()
    async with ana.expect_event("requestfailed"):
        await ana.get_by_role("button", name="Cancel the upload of figures.csv").click()
    await expect(ana.get_by_test_id("attachment")).to_have_count(0)


async def test_files_are_pasted_and_dropped(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Drops", "sala-3")
    await composer(ana).evaluate(TRANSFER, ["paste", "pasted.csv"])
    await expect(attachment(ana, "pasted.csv")).to_have_attribute("data-state", "done")
    log = ana.get_by_role("log")
    await log.evaluate(TRANSFER, ["dragenter", "dropped.csv"])
    await expect(ana.get_by_text("Drop the files here")).to_be_visible()
    await log.evaluate(TRANSFER, ["drop", "dropped.csv"])
    await expect(ana.get_by_text("Drop the files here")).to_have_count(0)
    await expect(attachment(ana, "dropped.csv")).to_have_attribute("data-state", "done")
    await composer(ana).press("Enter")
    sent = ana.locator("[data-testid=message][data-state=sent]").last
    await expect(sent.get_by_test_id("file")).to_contain_text(["pasted.csv", "dropped.csv"])


async def test_a_text_that_is_too_long_is_counted_and_kept(chat_url: str, open_browser: OpenBrowser) -> None:
    ana = await enter(open_browser, chat_url, "Ana Long", "sala-3")
    await composer(ana).fill("é" * 4001)
    await expect(ana.get_by_text("4001 of 4000 characters")).to_be_visible()
    await composer(ana).press("Enter")
    await expect(composer(ana)).to_have_value("é" * 4001)
    await say(ana, "é" * 4000)
