"""`pulso check`: every fault at once, with what to do about it."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from tests.cli.conftest import Pulso
from tests.redis_server import RedisServer


def test_settings_in_order_are_shown_without_secrets(pulso: Pulso) -> None:
    with pulso("check", PULSO_PORT="9000", PULSO_PEPPER="x" * 40) as process:
        shown, complaints = process.communicate()
    assert process.returncode == 0, complaints
    assert "PULSO_PORT" in shown
    assert "9000" in shown
    assert "x" * 40 not in shown


def test_all_faults_are_told_together(pulso: Pulso) -> None:
    with pulso(
        "check", PULSO_PORT="eighty", PULSO_PEPPER="short", PULSO_GUESTS="maybe", PULSO_PROT="1"
    ) as process:
        _, complaints = process.communicate()
    assert process.returncode == 78
    for fault in ("PULSO_PORT: 'eighty'", "PULSO_PEPPER:", "PULSO_GUESTS: 'maybe'", "Did you mean PULSO_PORT?"):
        assert fault in complaints
    assert "short" not in complaints


def test_a_secret_may_come_from_a_file(pulso: Pulso, tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("x" * 40)
    with pulso("check", PULSO_PEPPER_FILE=str(tmp_path / "pepper")) as process:
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints


def test_made_up_sales_go_only_to_a_source_of_our_own(pulso: Pulso, tmp_path: Path) -> None:
    source = str(tmp_path / "till.jsonl")
    for settings, shown in (
        ({}, "1"),
        ({"PULSO_SALES_SOURCE": source}, "off"),
        ({"PULSO_SALES_SOURCE": source, "PULSO_SALES_GENERATOR": "0.5"}, "0.5"),
        ({"PULSO_SALES_GENERATOR": "off"}, "off"),
    ):
        with pulso("check", **settings) as process:
            said, _ = process.communicate()
        (row,) = [line.split() for line in said.splitlines() if line.startswith("PULSO_SALES_GENERATOR")]
        assert row[1] == shown


def test_a_senseless_pace_of_made_up_sales_is_named(pulso: Pulso) -> None:
    for wrong in ("often", "-1", "nan", "1e9"):
        with pulso("check", PULSO_SALES_GENERATOR=wrong) as process:
            _, complaint = process.communicate()
        assert process.returncode == 78
        assert "PULSO_SALES_GENERATOR" in complaint


def test_a_redis_that_drops_keys_is_a_fault(pulso: Pulso, own_redis: RedisServer) -> None:
    with Redis(unix_socket_path=str(own_redis.socket)) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        with pulso("check", PULSO_REDIS_URL=own_redis.url) as process:
            said, complaints = process.communicate()
        assert process.returncode == 78
        assert "PULSO_REDIS_URL: this Redis drops keys" in complaints
        assert "(maxmemory-policy allkeys-lru). Set its maxmemory-policy to noeviction." in complaints
        assert "in order" not in said
        redis.config_set("maxmemory-policy", "noeviction")
        with pulso("check", PULSO_REDIS_URL=own_redis.url) as process:
            said, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")
    assert "in order" in said


def test_a_redis_that_does_not_let_us_in_is_a_fault(pulso: Pulso, own_redis: RedisServer) -> None:
    with Redis(unix_socket_path=str(own_redis.socket)) as redis:
        redis.config_set("requirepass", "secret-of-redis")
        for settings in ({}, {"PULSO_REDIS_PASSWORD": "secret-that-is-wrong"}):
            with pulso("check", PULSO_REDIS_URL=own_redis.url, **settings) as process:
                _, complaints = process.communicate()
            assert process.returncode == 78
            assert "PULSO_REDIS_URL: Redis does not let us in" in complaints
            assert "secret" not in complaints


def test_a_redis_that_cannot_be_asked_is_told_and_no_fault(
    pulso: Pulso, own_redis: RedisServer, tmp_path: Path
) -> None:
    with Redis(unix_socket_path=str(own_redis.socket)) as redis:
        redis.acl_setuser("clock", enabled=True, reset=True, passwords=["+secret"], commands=["+ping"])
    away = {"PULSO_REDIS_URL": f"unix://{tmp_path / 'nobody'}"}
    clock = {"PULSO_REDIS_URL": own_redis.url, "PULSO_REDIS_USERNAME": "clock", "PULSO_REDIS_PASSWORD": "secret"}
    for settings in (away, clock):
        with pulso("check", **settings) as process:
            said, complaints = process.communicate()
        assert process.returncode == 0
        assert "PULSO_REDIS_URL: Redis was not asked for its maxmemory-policy (" in complaints
        assert "in order" in said


def test_a_reader_that_has_seen_enough_is_no_fault(pulso: Pulso) -> None:
    with pulso("check") as process:
        assert process.stdout is not None
        process.stdout.close()  # as `head` does
        assert process.stderr is not None
        complaints = process.stderr.read()
        assert process.wait(120) == 141
    assert complaints == ""
