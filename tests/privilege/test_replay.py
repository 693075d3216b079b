"""A Redis that reads its append-only file again: what scripts have changed is in it, whoever may do what."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cli.embedded_redis import find_server, major_version, new_passwords
from cli.permissions import all_in_one, users_of
from pulso.lease import redis_client
from pulso.permissions import SELECTORS_SINCE, acl_file
from tests.privilege.conftest import PREFIX
from tests.redis_server import RedisServer

KEPT = ("--appendonly", "yes", "--appendfsync", "always")
TWO_CHANGES = """
redis.call('SET', KEYS[1], 'a', 'PX', 900000)
redis.call('PEXPIRE', KEYS[1], 800000)
redis.call('ZADD', KEYS[2], 1, 'b')
redis.call('PEXPIRE', KEYS[2], 800000)
redis.call('SET', KEYS[3], 'c')
redis.call('DEL', KEYS[3])
"""
"""More than one: Redis keeps them as a transaction."""


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "containers"])
async def test_what_scripts_have_changed_is_there_after_a_restart(embedded: bool) -> None:
    users = (*users_of(PREFIX), *([all_in_one("default", PREFIX)] if embedded else []))
    text = acl_file(users, new_passwords(PREFIX), has_selectors=major_version(find_server()) >= SELECTORS_SINCE)
    with tempfile.TemporaryDirectory(prefix="pulso-") as folder:
        acl = Path(folder) / "users.acl"
        acl.write_text(f"{text}user auditor reset on nopass allkeys allchannels +@all\n", encoding="utf-8")
        server = RedisServer(Path(folder))
        server.start("--aclfile", str(acl), *KEPT)
        keys = [f"{PREFIX}:{name}" for name in ("one", "other", "gone")]
        url = server.url.replace("unix://", "unix://auditor:any@")
        try:
            async with redis_client(url) as redis:
                await redis.eval(TWO_CHANGES, 3, *keys)
            server.kill()
            server.start("--aclfile", str(acl), *KEPT)
            async with redis_client(url) as redis:
                assert await redis.get(keys[0]) == b"a"
                assert await redis.pttl(keys[0]) > 0
                assert await redis.zrange(keys[1], 0, -1) == [b"b"]
                assert await redis.pttl(keys[1]) > 0
        finally:
            server.kill()
