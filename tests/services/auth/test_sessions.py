"""Sessions: how long they live, who hears of their end, and what they are good for."""

from __future__ import annotations

import pytest

from pulso.contract import ANONYMOUS, Caller, Nothing
from pulso.errors import ServiceError
from services.auth import housekeeping
from services.auth.contract import Identity, Resolve, SessionsEnded
from services.auth.handlers import sessions
from tests.services.auth.conftest import Clock, House, OpenHouse, refused


async def test_many_cookies_are_resolved_together_each_to_its_own(house: House) -> None:
    ana, rui, guest = (
        await house.register("ana"),
        await house.register("rui", name="Rui"),
        await house.guest("Bia"),
    )
    wrong = ("", "x", "guest.", "guest.x.y.z", ana.credential[:-1], ana.access_token, "guest." + ana.access_token)
    mixed = [ana.credential, *wrong, guest.credential, rui.credential, ana.credential]
    answers = await sessions.resolve(house.auth, [(ANONYMOUS, Resolve(text)) for text in mixed])
    names = [answer.user.name if isinstance(answer, Identity) else answer.code for answer in answers]
    assert names == ["Ana", *["unauthorized"] * len(wrong), "Bia", "Rui", "Ana"]


async def test_a_session_that_is_used_lives_on(open_house: OpenHouse, clock: Clock) -> None:
    async with open_house(session_days=30) as house:
        signed_in = await house.register()
        for _ in range(4):
            clock.advance(days=20)
            await house.resolve(signed_in.credential)
            await housekeeping.once(house.auth)
    async with open_house(session_days=30) as house:
        clock.advance(days=29)
        await house.resolve(signed_in.credential)


async def test_a_session_that_is_not_used_ends(house: House, clock: Clock) -> None:
    signed_in = await house.register()
    caller = await house.caller(signed_in)
    clock.advance(days=30)
    with refused("unauthorized"):
        await house.resolve(signed_in.credential)
    with refused("unauthorized"):
        await sessions.new_token(house.auth, caller, Nothing())
    assert (await sessions.list_sessions(house.auth, caller, Nothing())).sessions == []


async def test_uses_are_written_down_once_a_minute_at_most(house: House, clock: Clock) -> None:
    signed_in = await house.register()
    await house.resolve(signed_in.credential)
    assert not house.auth.seen
    clock.advance(seconds=60)
    await house.resolve(signed_in.credential)
    assert len(house.auth.seen) == 1
    await housekeeping.once(house.auth)
    await house.resolve(signed_in.credential)
    assert not house.auth.seen


async def test_the_sessions_of_a_user_are_listed_with_where_they_are_used(house: House, clock: Clock) -> None:
    first = await house.register("ana")
    await house.register("rui")
    clock.advance(hours=1)
    second = await house.login("ana")
    await house.resolve(second.credential, agent="Firefox")
    await housekeeping.once(house.auth)
    clock.advance(hours=1)
    await house.resolve(first.credential, agent="Chromium")
    caller = await house.caller(first)
    listed = (await sessions.list_sessions(house.auth, caller, Nothing())).sessions
    assert [(session.agent, session.current) for session in listed] == [("Firefox", False), ("Chromium", True)]
    assert listed[1].created_at == "2026-01-01T12:00:00.000Z"
    assert listed[1].last_seen_at == "2026-01-01T14:00:00.000Z"
    assert {session.address for session in listed} == {"192.0.2.7"}


async def test_logging_out_ends_the_session_and_tells_the_gateways_after_the_commit(
    open_house: OpenHouse,
) -> None:
    async with open_house() as house:
        left, stays = await house.register(), await house.login()
        caller = await house.caller(left)
        await sessions.logout(house.auth, caller, Nothing())
        assert house.gateways.told == [("auth:sessions-ended", SessionsEnded([caller.session], "logout"))]
        await sessions.logout(house.auth, caller, Nothing())  # again changes nothing
        with refused("unauthorized"):
            await sessions.new_token(house.auth, caller, Nothing())
    async with open_house() as house:
        with refused("unauthorized"):
            await house.resolve(left.credential)
        await house.resolve(stays.credential)


async def test_a_logout_that_is_not_committed_is_told_to_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in = await house.register()
    caller = await house.caller(signed_in)

    async def full(_change: object) -> None:
        raise ServiceError("unavailable", "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(type(house.auth.store), "write", lambda _self, change: full(change))
        with refused("unavailable"):
            await sessions.logout(house.auth, caller, Nothing())
    assert house.gateways.told == []
    await house.resolve(signed_in.credential)


async def test_logging_out_everywhere_ends_the_users_sessions_and_nobody_elses(house: House) -> None:
    mine = [await house.register("ana"), await house.login("ana"), await house.login("ana")]
    other = await house.register("rui")
    callers = [await house.caller(signed_in) for signed_in in mine]
    await sessions.logout_all(house.auth, callers[1], Nothing())
    ((event, ended),) = house.gateways.told
    assert event == "auth:sessions-ended"
    assert sorted(ended.sessions) == sorted(caller.session for caller in callers)
    for signed_in in mine:
        with refused("unauthorized"):
            await house.resolve(signed_in.credential)
    await house.resolve(other.credential)


async def test_gateways_are_told_of_ended_sessions_for_as_long_as_their_tokens_live(
    house: House, clock: Clock
) -> None:
    signed_in, guest = await house.register(), await house.guest()
    ended = {(await house.caller(signed_in)).session, (await house.caller(guest)).session}
    await house.log_out(signed_in)
    await house.log_out(guest)

    async def trusted() -> set[str]:
        await housekeeping.once(house.auth)
        trust = await sessions.trust(house.auth, ANONYMOUS, Nothing())
        return {session.session for session in trust.ended}

    assert await trusted() == ended
    # An hour longer, because the clock may be an hour ahead, and be set right again.
    clock.advance(seconds=900 + 3599)
    assert await trusted() == ended
    clock.advance(seconds=2)
    assert await trusted() == set()


async def test_a_session_gives_new_tokens_that_say_who_the_user_is_now(house: House, clock: Clock) -> None:
    signed_in = await house.register()
    caller = await house.caller(signed_in)
    clock.advance(seconds=899)
    fresh = await sessions.new_token(house.auth, caller, Nothing())
    clock.advance(seconds=899)
    claims = house.verify(fresh.access_token)
    assert (claims.sub, claims.sid) == (caller.id, caller.session)
    assert fresh.user == signed_in.user


async def test_whoever_lives_on_tokens_alone_keeps_the_session_alive(house: House, clock: Clock) -> None:
    caller = await house.caller(await house.register())
    for _ in range(3):
        clock.advance(days=20)
        await sessions.new_token(house.auth, caller, Nothing())
        await housekeeping.once(house.auth)


async def test_me_is_the_whole_profile(house: House) -> None:
    signed_in = await house.register()
    assert await sessions.me(house.auth, await house.caller(signed_in), Nothing()) == signed_in.user
    with refused("unauthorized"):
        await sessions.me(house.auth, Caller("u_nobody", "Nobody", "user", "s_none"), Nothing())


async def test_what_is_long_over_is_forgotten(house: House, clock: Clock) -> None:
    for _ in range(3):
        await house.log_out(await house.login() if house.gateways.told else await house.register())
    await house.log_out(await house.guest())
    await house.login()
    clock.advance(days=1)
    assert await housekeeping.sweep(house.auth) == 3
    clock.advance(days=31)
    assert await housekeeping.sweep(house.auth) == 1
    clock.advance(days=365)
    assert await housekeeping.sweep(house.auth) == 1
