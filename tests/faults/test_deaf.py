"""A process that publishes and hears nothing: it says so, others do its work, and it is well again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.cases import Case
from tests.faults.deaf import way_to
from tests.faults.deployment import Deployment
from tests.faults.people import guest
from tests.stopwatch import Stopwatch

UNREADY_WITHIN_S = 5.0
STANDBY_SERVES_WITHIN_S = 10.0
WELL_WITHIN_S = 10.0

pytestmark = pytest.mark.quiet


async def test_a_deaf_gateway_is_unready_within_5_s_and_tells_its_clients_of_the_gap(
    deployment: Deployment, report: Callable[[Case], None]
) -> None:
    async with way_to(deployment.redis.socket, "gateway") as way:
        deaf = await deployment.start("gateway", redis_url=way.url)
        *_, other = await deployment.start_all("auth", "numbers", "gateway")
        await deaf.becomes("ready")
        ana, rui = [await guest(deployment.http, other.url, name) for name in ("Ana", "Rui")]
        await ana.connect(deaf.url)
        await rui.connect(other.url)
        assert await ana.set(37)
        way.deafen()
        with Stopwatch() as unready:
            await deaf.becomes("unready")
        assert await rui.set(38)
        assert await other.status() == "ready"
        assert not await ana.set(39)
        assert set(ana.refusals) <= {"unavailable", "timeout"}
        since = ana.mark()
        way.mend()
        with Stopwatch() as well:
            await deaf.becomes("ready")
        await ana.hears("session:resync", since=since)
        assert await ana.set(40)
        assert (ana.ends, rui.ends) == ([], [])
        await asyncio.gather(ana.close(), rui.close())
    expected = f"unready within {UNREADY_WITHIN_S:g} s, well within {WELL_WITHIN_S:g} s"
    report(Case("a deaf gateway", expected, f"unready {unready.seconds:.1f} s, well {well.seconds:.1f} s"))
    assert unready.seconds < UNREADY_WITHIN_S
    assert well.seconds < WELL_WITHIN_S


async def test_a_deaf_service_is_unready_within_5_s_and_its_standby_serves(
    deployment: Deployment, report: Callable[[Case], None]
) -> None:
    async with way_to(deployment.redis.socket, "numbers") as way:
        (deaf,) = await deployment.start_all("numbers", redis_url=way.url)
        *_, standby, gateway = await deployment.start_all("auth", "numbers", "gateway")
        assert await standby.status() == "standby"
        ana = await guest(deployment.http, gateway.url, "Ana")
        await ana.connect(gateway.url)
        assert await ana.set(37)
        way.deafen()
        with Stopwatch() as served:
            with Stopwatch() as unready:
                await deaf.becomes("unready")
            await standby.becomes("ready")
        assert await ana.set(38)
        way.mend()
        await deaf.becomes("standby")
        assert await ana.set(39)
        assert ana.ends == []
        await ana.close()
    expected = f"unready within {UNREADY_WITHIN_S:g} s, its standby serves within {STANDBY_SERVES_WITHIN_S:g} s"
    report(Case("a deaf service", expected, f"unready {unready.seconds:.1f} s, standby {served.seconds:.1f} s"))
    assert unready.seconds < UNREADY_WITHIN_S
    assert served.seconds < STANDBY_SERVES_WITHIN_S
