"""Uploads over real gateways: stored whole or not at all, and counted, whatever clients and disks do."""

from __future__ import annotations

import asyncio
import io
import os
import resource
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from pulso.settings import KitSettings
from services.gateway import upload_folder, uploads
from tests.rows import rows
from tests.services.chat.conftest import MB, Person, Place, place_of
from tests.waiting import eventually

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + b"\0" * 40


@rows(
    "hostile, shown",
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/abs/path.png", "path.png"),
        ("%22quoted%22.png", '"quoted".png'),
        ("50%25.png", "50%25.png"),
        ("x" * 400 + ".png", "x" * 251 + ".png"),
        ("ünï 日本.png", "ünï 日本.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("..", ".."),
    ],
)
async def test_a_hostile_name_is_only_ever_shown(place: Place, hostile: str, shown: str) -> None:
    ana, before = await place.person("Ana"), {*place.uploaded()}
    status, body = await ana.upload((hostile, PNG))
    assert status == 201
    assert body["files"][0]["name"] == shown
    (path,) = {*place.uploaded()} - before
    assert path.name.startswith("chat-")
    assert path.suffix == ".png"


async def test_what_is_too_large_or_too_many_is_refused_and_leaves_nothing(kit: KitSettings) -> None:
    async with place_of(kit, gateways=1, chat_file_mb=1, chat_message_files=2) as place:
        ana = await place.person("Ana")
        fits = b"x" * MB
        for files in (
            [("a", fits + b"x")],
            [("a", PNG), ("b", fits + b"x")],
            [("a", PNG), ("b", PNG), ("c", PNG)],
            [("a", b"x" * (8 * MB))],
        ):
            status, body = await ana.upload(*files)
            assert (status, body["error"]["code"]) == (413, "too_large")
            assert place.uploaded() == []
        status, _ = await ana.upload(("a", fits), ("b", fits))
        assert status == 201


async def test_a_user_has_so_much_room_and_no_more_however_uploads_race(kit: KitSettings) -> None:
    async with place_of(kit, chat_file_mb=1, chat_user_mb=3) as place:
        ana, rui = await place.person("Ana"), await place.person("Rui")
        half = b"x" * (MB // 2)
        answers = await asyncio.gather(*(ana.upload((str(n), half), gateway=n % 2) for n in range(12)))
        assert sorted(status for status, _ in answers) == [201] * 6 + [413] * 6
        assert len(place.uploaded()) == 6
        assert (await ana.upload(("one more", b"x")))[0] == 413
        assert (await rui.upload(("mine", half)))[0] == 201


@rows(
    "content_type, data",
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="\x05"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno name\r\n--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\nx\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nno end',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nwhole\r\n--b\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; filename="a"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\nAA==\r\n--b--\r\n",
        ),
    ],
)
async def test_what_is_no_upload_is_refused_and_leaves_nothing(
    place: Place, content_type: str, data: bytes
) -> None:
    ana = await place.person("Ana")
    headers = {"Authorization": f"Bearer {ana.token}", "Content-Type": content_type}
    async with place.http.post(f"{place.urls[0]}/api/chat/files", data=data, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_request")
    assert place.uploaded() == []


async def test_who_has_not_logged_in_may_not_upload(place: Place) -> None:
    form = aiohttp.FormData({"file": io.BytesIO(b"x")})
    async with place.http.post(f"{place.urls[0]}/api/chat/files", data=form) as response:
        assert response.status == 401
    async with place.http.get(f"{place.urls[0]}/api/chat/files") as response:
        assert response.status == 404
    assert place.uploaded() == []


@pytest.mark.parametrize("chunks", [0, 3])
async def test_an_upload_that_breaks_off_leaves_nothing(place: Place, chunks: int) -> None:
    ana = await place.person("Ana")
    writer = await begun(place, ana)
    for _ in range(chunks):
        writer.write(b"x" * 300_000)
        await writer.drain()
    await eventually(lambda: len(place.uploaded()) == 1)
    writer.transport.abort()
    await eventually(lambda: place.uploaded() == [])


async def test_an_upload_of_a_session_that_ends_meanwhile_is_refused(place: Place) -> None:
    ana = await place.person("Ana")
    headers = {"Authorization": f"Bearer {ana.token}"}
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nbegins'
        await go_on.wait()
        yield b" and ends\r\n--b--\r\n"

    upload = asyncio.create_task(
        place.http.post(
            f"{place.urls[0]}/api/chat/files",
            data=slowly(),
            headers={**headers, "Content-Type": "multipart/form-data; boundary=b"},
        ).__aenter__()
    )
    await eventually(lambda: len(place.uploaded()) == 1)
    async with place.http.post(f"{place.urls[0]}/api/auth/logout", headers=headers) as response:
        assert response.status == 200
    go_on.set()
    async with await upload as response:
        assert response.status == 401
    assert place.uploaded() == []


async def test_20_mb_arrive_while_everybody_talks_on(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, rui.tab(0) as other:
        await author.join()
        await other.join()
        big = os.urandom(20 * MB)
        uploads_ = [asyncio.create_task(ana.upload((f"{n}.bin", big))) for n in range(3)]
        said = 0
        while not all(upload.done() for upload in uploads_):
            assert (await author.say(str(said)))["seq"] == said + 1
            said += 1
        assert [(await upload)[0] for upload in uploads_] == [201] * 3
        assert said > 1
        await other.hears("chat:message", said)


async def test_an_upload_that_falls_silent_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENT_FOR_S", 0.2)
    ana = await place.person("Ana")
    writer = await begun(place, ana)
    await eventually(lambda: len(place.uploaded()) == 1)
    await eventually(lambda: place.uploaded() == [])
    writer.close()


async def test_uploads_of_one_user_at_once_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_OF_ONE_USER", 2)
    ana, rui = await place.person("Ana"), await place.person("Rui")
    open_ = [await begun(place, ana) for _ in range(2)]
    await eventually(lambda: len(place.uploaded()) == 2)
    status, body = await ana.upload(("a", b"x"))
    assert (status, body["error"]["code"]) == (429, "rate_limited")
    assert (await rui.upload(("a", b"x")))[0] == 201
    for writer in open_:
        writer.transport.abort()


async def test_a_full_disk_is_told_and_all_else_goes_on(place: Place, small_files: None) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join()
        status, body = await ana.upload(("small", PNG), ("large", b"x" * (6 * MB)))
        assert (status, body["error"]["code"]) == (503, "unavailable")
        assert place.uploaded() == []
        assert (await tab.say("all is well"))["seq"] == 1
        assert (await ana.upload(("small", PNG)))[0] == 201


async def test_uploads_leave_room_on_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await place.person("Ana")
    monkeypatch.setattr(upload_folder, "MIN_FREE_BYTES", 1 << 60)
    status, body = await ana.upload(("small", PNG))
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert place.uploaded() == []


async def test_without_chat_nothing_is_stored(place: Place) -> None:
    ana = await place.person("Ana")
    await place.chat.stop()
    status, body = await ana.upload(("a.png", PNG))
    assert (status, body["error"]["code"]) == (503, "unavailable")
    assert place.uploaded() == []


async def test_files_that_chat_never_took_are_removed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await place.person("Ana")

    async def failing(*_: object, **__: object) -> bool:
        raise KeyError

    monkeypatch.setattr("services.chat.store.FileStore.add", failing)
    status, _ = await ana.upload(("a.png", PNG), ("b.png", PNG))
    assert status == 500
    assert place.uploaded() == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may have more than 5 MB meanwhile: as good as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * MB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def begun(place: Place, person: Person) -> asyncio.StreamWriter:
    """An upload of one file that has begun, and will say no more by itself."""
    port = int(place.urls[0].rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /api/chat/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n"
        b"Authorization: Bearer " + person.token.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nbegins'
    )
    await writer.drain()
    return writer
