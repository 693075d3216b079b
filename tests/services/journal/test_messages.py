"""Finding messages: filters, pages, what payloads look like, who may ask."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.settings import KitSettings
from pulso.store import open_store
from services.gateway.contract import Record
from services.journal import journal as search
from services.journal.contract import Messages, MessagesRequest
from services.journal.journal import Journal
from services.journal.rows import readable, shown
from services.journal.rules import filters_of, verdict
from services.journal.store import MIGRATIONS, JournalStore
from tests.rows import rows
from tests.services.journal.conftest import Reader, reading, served, writing
from tests.waiting import eventually

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z


def record(number: int, **other: Any) -> Record:
    usual: dict[str, Any] = {
        "at_ms": NOON_MS + number * 1000,
        "connection": "c_1",
        "user": "u_1",
        "name": "Ana",
        "direction": "in",
        "event": "chat:send",
        "outcome": "ok",
        "recipients": 1,
        "payload": msgspec.json.encode({"n": number}),
        "size": 9,
    }
    return Record(**{**usual, **other})


@contextlib.asynccontextmanager
async def kept(folder: Path, *records: Record) -> AsyncIterator[Journal]:
    async with open_store(folder / "journal.sqlite3", migrations=MIGRATIONS) as opened:
        store = JournalStore(opened)
        await store.add([("gw-1", records)], {"gw-1": 1}, NOON_MS)
        yield Journal(store)


async def ask(journal: Journal, **request: Any) -> Messages:
    asked = msgspec.convert(request, MessagesRequest)
    return await journal.page(filters_of(asked), after=asked.after, before=asked.before, limit=asked.limit)


def numbers(page: Messages) -> list[int]:
    return [msgspec.json.decode(message.payload)["n"] for message in page.messages]


async def test_the_newest_come_first_and_pages_lead_to_the_oldest(tmp_path: Path) -> None:
    async with kept(tmp_path, *(record(number) for number in range(10))) as journal:
        first = await ask(journal, limit=4)
        assert (numbers(first), first.next) == ([9, 8, 7, 6], 7)
        second = await ask(journal, limit=4, before=first.next)
        assert numbers(second) == [5, 4, 3, 2]
        third = await ask(journal, limit=4, before=second.next)
        assert (numbers(third), third.next) == ([1, 0], None)


async def test_after_a_message_come_those_that_followed_it_in_their_order(tmp_path: Path) -> None:
    async with kept(tmp_path, *(record(number) for number in range(10))) as journal:
        page = await ask(journal, after=3, limit=4)
        assert (numbers(page), page.next) == ([3, 4, 5, 6], 7)
        assert numbers(await ask(journal, after=page.next)) == [7, 8, 9]
        assert await ask(journal, after=10) == Messages([], None)
        assert numbers(await ask(journal, after=2, before=6)) == [2, 3, 4]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"user": "u_2"}, [1]),
        ({"user": "Rui"}, [1]),
        ({"user": "ana"}, []),
        ({"event": "chat:message"}, [2]),
        ({"event": "chat:*"}, [0, 1, 2]),
        ({"event": "!chat:*"}, [3, 4]),
        ({"event": "!chat:send"}, [2, 3, 4]),
        ({"event": "%"}, []),
        ({"direction": "out"}, [2]),
        ({"outcome": "forbidden"}, [3]),
        ({"outcome": "ok"}, [0, 1, 2, 4]),
        ({"outcome": "!ok"}, [3]),
        ({"outcome": "!forbidden"}, [0, 1, 2, 4]),
        ({"text": "café"}, [4]),
        ({"text": "CAF"}, [4]),
        ({"text": "100%"}, [4]),
        ({"text": "_"}, []),
        ({"since": "2026-01-01T12:00:03Z"}, [3, 4]),
        ({"since": "2026-01-01T09:00:03-03:00"}, [3, 4]),
        ({"until": "2026-01-01T12:00:01.000Z"}, [0]),
        ({"since": "2026-01-01T12:00:01", "until": "2026-01-01T12:00:03"}, [1, 2]),
        ({"since": "2027-01-01"}, []),
        ({"user": "u_1", "event": "chat:*", "direction": "in"}, [0]),
    ],
)
async def test_filters_narrow_what_is_found(tmp_path: Path, asked: dict[str, Any], found: list[int]) -> None:
    async with kept(
        tmp_path,
        record(0),
        record(1, user="u_2", name="Rui"),
        record(2, event="chat:message", direction="out"),
        record(3, event="journal:messages", outcome="forbidden"),
        record(4, event="numbers:set", payload=b'{"n":4,"text":"um caf\\u00e9 a 100%"}'),
    ) as journal:
        assert sorted(numbers(await ask(journal, **asked))) == found


async def test_a_search_that_takes_long_is_answered_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_S", 0.0)
    monkeypatch.setattr(search, "FIRST_STEP", 3)
    monkeypatch.setattr(search, "STEP_S", 0.0)
    records = [record(number, event="rare" if number in (1, 17) else "often") for number in range(20)]
    async with kept(tmp_path, *records) as journal:
        for how, wanted in (({"before": None}, [17, 1]), ({"after": 0}, [1, 17])):
            found: list[int] = []
            pages = 0
            asked: dict[str, Any] = dict(how)
            while True:
                page = await ask(journal, event="rare", **asked)
                found += numbers(page)
                pages += 1
                if page.next is None:
                    break
                asked = {next(iter(how)): page.next}
                assert pages < 50
            assert found == wanted


async def test_large_payloads_make_a_page_short_not_the_answer_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_ANSWER_BYTES", 30)
    async with kept(tmp_path, *(record(number) for number in range(10))) as journal:
        page = await ask(journal, limit=10)
        assert numbers(page) == [9, 8, 7, 6]
        assert numbers(await ask(journal, limit=10, before=page.next)) == [5, 4, 3, 2]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b'{"a":[1,2]}', {"a": [1, 2]}),
        (b'"text"', "text"),
        (b"{not json", "{not json"),
        (b"", None),
        (b'{"a":"\\u00e7\\ud83d\\ude00"}', {"a": "ç😀"}),
        (b'{"a":"\\ud800"}', '{"a":"\\ud800"}'),
        (b"a\x00b\xff", "a\ufffdb\ufffd"),
        (b"[" * 5000, "[" * 5000),
    ],
)
def test_a_payload_is_shown_as_json_or_as_the_text_that_it_was(sent: bytes, seen: Any) -> None:
    assert msgspec.json.decode(shown(readable(sent))) == seen


@pytest.mark.parametrize(
    ("number", "previous", "committed", "due"),
    [
        (1, 0, 0, "due"),
        (2, 1, 1, "due"),
        (2, 1, 0, "early"),
        (5, 0, 2, "due"),
        (2, 0, 2, "known"),
        (9, 4, 3, "early"),
    ],
)
def test_a_batch_is_due_once_and_in_its_order(number: int, previous: int, committed: int, due: str) -> None:
    assert verdict(number, previous, committed) == due


async def test_only_admins_may_read(reader: Reader) -> None:
    for caller in (Caller("", "", "anonymous"), Caller("g_1", "Guest", "guest"), Caller("u_1", "Ana", "user")):
        with pytest.raises(ServiceError) as refused:
            await reader.page(caller)
        assert refused.value.code == ("unauthorized" if caller.kind == "anonymous" else "forbidden")


@rows(
    "request_",
    [{"limit": 0}, {"limit": 501}, {"direction": "up"}, {"after": -1}, {"since": "noon"}, {"since": "9999-99-99"},
     {"after": 9, "before": 9}, {"text": "x" * 201}, {"more": 1}, {"user": None}],
)  # fmt: skip
async def test_bad_requests_are_refused_with_a_reason(reader: Reader, request_: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as refused:
        await reader.page(**request_)
    assert refused.value.code == "bad_request"


async def test_messages_older_than_their_days_are_deleted(kit: KitSettings, tmp_path: Path) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    async with kept(kit.data, *(record(n, at_ms=now_ms - n * 86_400_000 - 1000) for n in range(10))):
        pass
    async with served(kit, journal_days=4), reading(kit) as reader:

        async def left() -> bool:
            return [m["payload"]["n"] for m in (await reader.page())["messages"]] == [3, 2, 1, 0]

        await eventually(left)


async def test_a_journal_that_is_too_large_loses_its_oldest(kit: KitSettings) -> None:
    large = [record(n, payload=msgspec.json.encode({"n": n, "text": "x" * 3000})) for n in range(6000)]
    async with kept(kit.data, *large):
        pass
    async with served(kit, journal_days=3650, journal_megabytes=8), reading(kit) as reader:

        async def left() -> bool:
            return [m["payload"]["n"] for m in (await reader.page(after=0, limit=1))["messages"]] == [5000]

        await eventually(left)
        assert len(await reader.all()) == 1000


async def test_numbers_are_never_given_twice(kit: KitSettings) -> None:
    async with kept(kit.data, record(1, at_ms=0), record(2, at_ms=0)):
        pass
    # Of another gateway: until the first is forgotten, too, its batches are known by their numbers.
    async with served(kit), reading(kit) as reader, writing(reader.up, kit, "gw-2") as writer:

        async def is_empty() -> bool:
            return (await reader.page())["messages"] == []

        await eventually(is_empty)
        writer.write(1)
        await reader.becomes("gw-2", 1)
        assert [message["seq"] for message in await reader.all()] == [3]
