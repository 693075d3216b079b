"""A message larger than Redis lets wait for a subscriber: it cuts the subscriber off, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from redis.asyncio import Redis

from tests.cases import Case
from tests.faults.conftest import Pulso
from tests.faults.people import Person, everybody_acked, more_acks, nothing_is_lost, under_load

HUGE_BYTES: Final = 33 << 20
"""Past 32 MB Redis closes the connection that it waits for; see `client-output-buffer-limit pubsub`."""
LARGE_BYTES: Final = 31 << 20
"""This one arrives, as one frame."""
BACK_WITHIN_S: Final = 20.0
TALKERS: Final = 6


async def test_a_33_mb_publish_into_any_channel_costs_nothing_that_was_acknowledged(
    pulso: Pulso, people: list[Person], chance: Random, report: Callable[[Case], None]
) -> None:
    """Into a gateway's inbox, a topic, a service's inbox and the control channel, while people set values."""
    talkers = people[:TALKERS]
    since = [person.mark() for person in people]
    async with Redis(unix_socket_path=str(pulso.deployment.redis.socket)) as redis:
        channels = await _channels(redis)
        async with under_load(talkers, chance):
            await more_acks(talkers, 50)
            for size in (HUGE_BYTES, LARGE_BYTES):
                frame = b"\xff" * size
                for channel in channels:
                    await redis.publish(channel, frame)
                await everybody_acked(talkers, within_s=BACK_WITHIN_S)
            await pulso.become("ready", within_s=BACK_WITHIN_S)
    await asyncio.gather(
        *(person.hears("session:resync", since=mark) for person, mark in zip(people, since, strict=True))
    )
    await nothing_is_lost(talkers, chance.choice(pulso.urls))
    assert [person.ends for person in people] == [[]] * len(people)
    refused = {code for person in people for code in person.refusals}
    assert refused <= {"unavailable", "timeout"}
    name = f"33 MB, then 31 MB, into a channel of each of {len(channels)} kinds"
    report(Case(name, "nothing lost, no socket ended, resync told", "so it was"))


async def _channels(redis: Redis) -> list[str]:
    """One of each kind that is listened to now."""
    names = sorted(name.decode() for name in await redis.pubsub_channels("pulso:*"))
    kinds: dict[str, str] = {}
    for name in names:
        kind = ":".join(name.split(":")[:2]) + (":probe" if name.endswith(":probe") else "")
        kinds.setdefault(kind, name)
    return list(kinds.values())
