"""Files over real gateways: served inert, each sent by its owner once, removed when nobody needs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pulso.settings import KitSettings
from services.chat.files import UNCLAIMED_FOR_S
from tests.rows import rows
from tests.services.chat.conftest import MB, Place, place_of

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + b"\0" * 40
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


async def test_files_come_back_as_an_array_in_order_and_are_the_same_from_any_gateway(place: Place) -> None:
    ana = await place.person("Ana")
    big = os.urandom(3 * MB + 17)
    status, body = await ana.upload(("cat.png", PNG), ("notes.bin", big), ("empty.txt", b""))
    assert status == 201
    assert [(f["name"], f["type"], f["size"]) for f in body["files"]] == [
        ("cat.png", "image/png", len(PNG)),
        ("notes.bin", "application/octet-stream", len(big)),
        ("empty.txt", "application/octet-stream", 0),
    ]
    assert body["links"] == [f["url"] for f in body["files"]]
    for gateway in (0, 1):
        for file, content in zip(body["files"], (PNG, big, b""), strict=True):
            response, got = await fetched(place, file["url"], gateway)
            assert (response.status, got == content) == (200, True)
    status, body = await ana.upload(("one.png", PNG))
    assert (status, len(body["links"]), len(body["files"])) == (201, 1, 1)
    assert [stat.S_IMODE(path.stat().st_mode) & 0o007 for path in place.uploaded()] == [0] * 4


async def test_only_what_runs_nothing_is_shown_and_all_of_it_is_sandboxed(place: Place) -> None:
    ana = await place.person("Ana")
    _, body = await ana.upload(
        ("a.png", PNG), ("b.pdf", PDF), ("c.svg", SVG), ("d.html", HTML), ("e.png", HTML), ("f.html", PNG)
    )
    shown = []
    for file in body["files"]:
        response, _ = await fetched(place, file["url"])
        headers = response.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Type"] == file["type"]
        shown.append((headers["Content-Type"], headers["Content-Disposition"]))
    image, pdf, other = ("image/png", "inline"), ("application/pdf", "inline"), (
        "application/octet-stream", "attachment",
    )  # fmt: skip
    assert shown == [image, pdf, other, other, other, image]


async def test_a_part_of_a_file_can_be_asked_for(place: Place) -> None:
    ana = await place.person("Ana")
    _, body = await ana.upload(("sound.wav", b"RIFF\0\0\0\0WAVEfmt " + bytes(range(100))))
    response, got = await fetched(place, body["links"][0], Range="bytes=16-19")
    assert (response.status, got) == (206, bytes(range(4)))
    assert response.headers["Content-Type"] == "audio/wav"


@rows(
    "path",
    ["..%2fchat.sqlite3", "%2e%2e/chat.sqlite3", ".chat-x", "nowhere.png", "", "a/b", "%00", "x" * 5000, "l.png"],
)
async def test_nothing_but_whole_files_of_the_folder_is_served(place: Place, path: str) -> None:
    place.uploads.mkdir(parents=True, exist_ok=True)
    (place.uploads / ".chat-x").write_bytes(b"under way")
    with contextlib.suppress(FileExistsError):
        (place.uploads / "l.png").symlink_to("/etc/passwd")
    response, _ = await fetched(place, f"/static/{path}")
    assert response.status in (400, 404)


async def test_a_message_carries_the_files_of_its_sender_once(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, rui.tab(1) as other:
        await author.join()
        await other.join()
        _, body = await ana.upload(("a.png", PNG), ("b.png", PNG))
        first, second = [file["id"] for file in body["files"]]
        for wrong, code in ((["chat-nowhere"], "not_found"), ([first, "chat-nowhere"], "not_found")):
            assert (await author.say("", files=wrong))["error"]["code"] == code
        assert (await other.say("stolen", files=[first]))["error"]["code"] == "forbidden"
        id_ = str(uuid4())
        sent = await author.say("", id_=id_, files=[second, first])
        assert sent["files"] == body["files"][::-1]
        assert await author.say("", id_=id_, files=[second, first]) == sent
        assert (await author.say("", id_=id_, files=[first, second]))["error"]["code"] == "conflict"
        assert (await author.say("again", files=[first]))["error"]["code"] == "conflict"
        assert await other.hears("chat:message") == sent
        assert (await other.join())["messages"] == [sent]
        assert sent["seq"] == 1


async def test_two_messages_that_race_for_one_file_do_not_share_it(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab(0) as one, ana.tab(1) as other:
        await one.join()
        await other.join()
        for _ in range(5):
            _, body = await ana.upload(("a.png", PNG))
            files = [body["files"][0]["id"]]
            answers = await asyncio.gather(one.say("1", files=files), other.say("2", files=files))
            assert sorted(answer.get("error", {}).get("code", "") for answer in answers) == ["", "conflict"]


async def test_what_nobody_claims_within_an_hour_is_removed_and_what_is_others_stays(place: Place) -> None:
    ana = await place.person("Ana")
    _, body = await ana.upload(("sent.png", PNG), ("forgotten.png", PNG))
    async with ana.tab() as tab:
        await tab.join()
        await tab.say("look", files=[body["files"][0]["id"]])
    sent, forgotten = (place.uploads / url.rpartition("/")[2] for url in body["links"])
    an_hour_ago = time.time() - UNCLAIMED_FOR_S - 60
    prefix = sent.name[: len("chat-12345678-")]
    assert forgotten.name.startswith(prefix)
    others = [".chat-00000000-x", "chat-00000000-x.png", "other-service.png"]
    strangers = [place.uploads / name for name in (f"{prefix}unknown.png", f".{prefix}broken", *others)]
    for path in strangers:
        path.write_bytes(b"x")
    for path in (sent, *strangers):
        os.utime(path, (an_hour_ago, an_hour_ago))
    await swept(place, seconds=UNCLAIMED_FOR_S + 60)
    assert sent.exists()
    assert [path.name for path in place.uploaded()] == sorted([sent.name, *others])
    assert not forgotten.exists()
    # What is gone from the disk is gone from the user's room, too, and cannot be sent any more.
    async with ana.tab() as tab:
        await tab.join()
        answer = await tab.say("late", files=[body["files"][1]["id"]])
        assert answer["error"]["code"] == "not_found"


async def test_a_clock_that_is_set_forward_makes_no_file_older(place: Place) -> None:
    ana = await place.person("Ana")
    _, body = await ana.upload(("a.png", PNG))
    place.chat.later = timedelta(seconds=2 * UNCLAIMED_FOR_S)
    assert place.chat.state is not None
    await place.chat.state.files.sweep()
    async with ana.tab() as tab:
        await tab.join()
        assert "error" not in await tab.say("look", files=[body["files"][0]["id"]])


async def test_files_of_messages_are_kept_for_so_many_days(kit: KitSettings) -> None:
    async with place_of(kit, gateways=1, chat_file_days=7) as place:
        ana = await place.person("Ana")
        _, body = await ana.upload(("a.png", PNG))
        async with ana.tab() as tab:
            await tab.join()
            sent = await tab.say("look", files=[body["files"][0]["id"]])
            await swept(place, seconds=6 * 24 * 3600)
            assert len(place.uploaded()) == 1
            await swept(place, seconds=8 * 24 * 3600)
            assert place.uploaded() == []
            response, _ = await fetched(place, body["links"][0])
            assert response.status == 404
            assert (await tab.join())["messages"] == [sent]


async def fetched(place: Place, url: str, gateway: int = 0, **headers: str) -> tuple[Any, bytes]:
    async with place.http.get(place.urls[gateway] + url, headers=headers) as response:
        return response, await response.read()


async def swept(place: Place, *, seconds: int) -> None:
    """What a sweep does that much later."""
    assert place.chat.state is not None
    files = place.chat.state.files
    place.chat.later, files.clock = timedelta(seconds=seconds), lambda: time.monotonic() + seconds
    await files.sweep()
    place.chat.later, files.clock = timedelta(), time.monotonic
