"""Messages over real gateways: numbered without holes, sent once, kept as they were, fetched by who was away."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.rows import rows
from tests.services.chat.conftest import Place, Tab, place_of


async def test_a_message_reaches_everybody_in_the_room_and_its_author_as_it_was_acknowledged(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, ana.tab(1) as second, rui.tab(1) as other:
        for tab in (author, second, other):
            await tab.join()
        id_ = str(uuid4())
        sent = await author.say("olá, Rui", id_=id_)
        assert {**sent, "at": ""} == {
            "seq": 1, "id": id_, "room": "sala-1", "author": ana.shown, "text": "olá, Rui", "files": [], "at": "",
        }  # fmt: skip
        assert sent["at"].endswith("Z")
        for tab in (author, second, other):
            assert await tab.hears("chat:message") == sent
        assert (await other.join())["messages"] == [sent]


async def test_everybody_reads_the_same_order_without_holes(place: Place) -> None:
    people = [await place.person(name) for name in ("Ana", "Rui", "Carla", "Bruno")]
    async with people[0].tab(0) as a, people[1].tab(1) as b, people[2].tab(0) as c, people[3].tab(1) as d:
        tabs: list[Tab] = [a, b, c, d]
        for tab in tabs:
            await tab.join()
        answers = await asyncio.gather(*(tab.say(f"{n}:{m}") for n, tab in enumerate(tabs) for m in range(50)))
        assert sorted(answer["seq"] for answer in answers) == list(range(1, 201))
        for tab in tabs:
            await tab.hears("chat:message", 200)
            heard = tab.payloads("chat:message")
            assert [message["seq"] for message in heard] == list(range(1, 201))
            assert heard == sorted(answers, key=lambda answer: int(answer["seq"]))


async def test_the_same_message_again_is_answered_alike_and_told_nobody(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, rui.tab(1) as other:
        await author.join()
        await other.join()
        id_ = str(uuid4())
        answers = [*await asyncio.gather(*(author.say("once", id_=id_) for _ in range(20)))]
        answers.append(await author.say("once", id_=id_))
        assert all(answer == answers[0] for answer in answers)
        assert (await author.say("and then"))["seq"] == 2
        await other.reads("once", "and then")
        # Also from another room, and from outside: it was sent already.
        await author.join("sala-2")
        assert await author.say("once", id_=id_) == answers[0]
        await author.call("chat:leave")
        assert await author.say("once", id_=id_) == answers[0]


async def test_an_id_in_capitals_is_the_same_one(place: Place) -> None:
    """Apple's libraries write UUIDs so."""
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, rui.tab(1) as other:
        await author.join()
        await other.join()
        id_ = str(uuid4())
        sent = await author.say("once", id_=id_.upper())
        assert sent["id"] == id_
        assert await author.say("once", id_=id_) == sent
        assert (await other.say("once", id_=id_.upper()))["error"]["code"] == "conflict"
        assert (await author.say("and then"))["seq"] == 2


async def test_an_id_with_another_content_or_author_is_a_conflict(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, rui.tab(1) as other:
        await author.join()
        await other.join()
        id_ = str(uuid4())
        await author.say("mine", id_=id_)
        assert (await author.say("changed", id_=id_))["error"]["code"] == "conflict"
        assert (await other.say("mine", id_=id_))["error"]["code"] == "conflict"
        await author.say("the end")
        await other.reads("mine", "the end")


async def test_two_users_who_race_for_one_id_get_one_message(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        for number in range(1, 11):
            id_ = str(uuid4())
            answers = await asyncio.gather(one.say("first!", id_=id_), other.say("first!", id_=id_))
            assert sorted("error" in answer for answer in answers) == [False, True]
            (sent,) = [answer for answer in answers if "error" not in answer]
            assert sent["seq"] == number


@rows(
    "text",
    ["  spaces \n and lines ", "é e\u0301 ﬁ", "👩‍👩‍👧 \u202e rtl \u200b", "<script>alert(1)</script>", "x" * 4000],
)
async def test_a_text_is_kept_as_it_was_sent(place: Place, text: str) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join()
        assert (await tab.say(text))["text"] == text
        assert (await tab.join())["messages"][-1]["text"] == text
        await tab.reads(text)


@rows(
    "payload",
    [
        {"text": ""},
        {"text": " \n\t "},
        {"text": "a\0b"},
        {"text": "\ud800"},
        {"text": "x" * 4001},
        {"text": 5},
        {"id": "no-uuid", "text": "x"},
        {"id": str(uuid4()) + "\n", "text": "x"},
        {"text": "x", "colour": "red"},
        {"text": "x", "files": ["a"] * 11},
        {"text": "x", "files": ["a", "a"]},
        {"text": "x", "files": [1]},
        ["x"],
        "x",
    ],
)
async def test_what_is_no_message_is_refused_and_takes_no_number(place: Place, payload: Any) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        before = (await tab.join())["seq"]
        whole = {"id": str(uuid4()), **payload} if isinstance(payload, dict) else payload
        assert (await tab.call("chat:send", whole))["error"]["code"] == "bad_request"
        assert (await tab.say("fine"))["seq"] == before + 1
        await tab.reads("fine")


async def test_a_message_for_a_room_that_was_left_meanwhile_is_refused(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join("sala-2")
        assert (await tab.say("too late", room="sala-1"))["error"]["code"] == "forbidden"
        assert (await tab.say("in time", room="sala-2"))["room"] == "sala-2"
        await tab.reads("in time")


async def test_rejoining_with_after_brings_exactly_what_was_missed(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author:
        await author.join()
        async with rui.tab(1) as before:
            await before.join()
            await author.say("1")
            await before.reads("1")
        await author.say("2")
        await author.say("3")
        async with rui.tab(0) as after:
            joined = await after.join(after=1)
            assert ([m["text"] for m in joined["messages"]], joined["seq"]) == (["2", "3"], 3)
            assert (await after.join(after=3))["messages"] == []
            assert "gap" not in joined
            # A client that knows more than there is has it from elsewhere.
            strange = await after.join(after=9)
            assert ([m["seq"] for m in strange["messages"]], strange["gap"]) == ([1, 2, 3], True)


async def test_more_than_500_missed_are_a_gap_that_history_fills(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join()
        await asyncio.gather(*(tab.say(str(number)) for number in range(620)))
        assert [m["seq"] for m in (await tab.join())["messages"]] == list(range(571, 621))
        joined = await tab.join(after=10)
        assert joined["gap"] is True
        assert [m["seq"] for m in joined["messages"]] == list(range(121, 621))
        assert [m["seq"] for m in (await tab.join(after=120))["messages"]] == list(range(121, 621))
        seqs: list[int] = []
        more, after = True, 10
        while more:
            page = await tab.call("chat:history", {"room": "sala-1", "after": after, "before": 121, "limit": 50})
            seqs += [message["seq"] for message in page["messages"]]
            more, after = page["more"], seqs[-1]
        assert seqs == list(range(11, 121))


async def test_history_pages_backwards_and_says_where_it_begins(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join()
        await asyncio.gather(*(tab.say(str(number)) for number in range(25)))
        last = await tab.call("chat:history", {"room": "sala-1", "limit": 10})
        assert ([m["seq"] for m in last["messages"]], last["more"]) == (list(range(16, 26)), True)
        first = await tab.call("chat:history", {"room": "sala-1", "before": 6, "limit": 10})
        assert ([m["seq"] for m in first["messages"]], first["more"]) == ([1, 2, 3, 4, 5], False)
        for wrong in (
            {"room": "sala-1", "limit": 0},
            {"room": "sala-1", "limit": 201},
            {"room": "sala-1", "before": -1},
        ):
            assert (await tab.call("chat:history", wrong))["error"]["code"] == "bad_request"
        assert (await tab.call("chat:history", {"room": "nowhere"}))["error"]["code"] == "not_found"


async def test_a_member_can_send_and_look_back_over_http(place: Place) -> None:
    ana = await place.person("Ana")
    headers = {"Authorization": f"Bearer {ana.token}"}
    async with ana.tab() as tab:
        await tab.join()
        message = {"id": str(uuid4()), "text": "by post"}
        async with place.http.post(f"{place.urls[1]}/api/chat/send", json=message, headers=headers) as response:
            assert response.status == 200
        await tab.reads("by post")
        url = f"{place.urls[1]}/api/chat/history?room=sala-1&limit=5"
        async with place.http.get(url, headers=headers) as response:
            assert [m["text"] for m in (await response.json())["messages"]] == ["by post"]
        for path, status in (("join", 404), ("allowance", 404), ("history?room=sala-2", 403)):
            method = place.http.get if "?" in path else place.http.post
            async with method(f"{place.urls[1]}/api/chat/{path}", headers=headers) as response:
                assert response.status == status


async def test_rooms_messages_and_members_are_there_after_a_restart(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        sent = await one.say("before")
        await other.reads("before")
        await place.chat.stop()
        await place.chat.start()
        answer = await one.say("after")
        assert answer["seq"] == 2
        await other.reads("before", "after")
        joined = await other.join()
        assert joined["messages"] == [sent, answer]
        assert joined["members"] == [ana.shown, rui.shown]
        assert one.payloads("chat:left") == []
        assert len(one.payloads("chat:joined")) == 1


async def test_rooms_are_those_of_the_settings(kit: Any) -> None:
    async with place_of(kit, gateways=1, chat_rooms=("cozinha",)) as place:
        ana = await place.person("Ana")
        async with ana.tab() as tab:
            cozinha = {"id": "cozinha", "name": "Cozinha", "members": 0, "seq": 0}
            assert (await tab.call("chat:rooms"))["rooms"] == [cozinha]
            assert (await tab.join())["error"]["code"] == "not_found"
