"""What the containers may do: nothing but what they are for."""

from __future__ import annotations

import json

import pytest

from pulso.config import documented
from pulso.settings import KitSettings
from services.settings import (
    AuthSettings,
    ChatSettings,
    GatewaySettings,
    GraceSettings,
    JournalSettings,
    NumbersSettings,
    SalesSettings,
)
from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

NOT_FOR_OPERATORS = {"PULSO_OPS_PORT", "PULSO_REDIS_PREFIX"}  # both are the stack's own
RUNNING = ("redis", "auth", "numbers", "clock", "presence", "sales", "ops", "chat", "journal", "gateway", "nginx")


def containers(stack: Stack) -> list[str]:
    found = [container for service in RUNNING for container in stack.containers(service)]
    assert len(found) == len(RUNNING) + 2  # three gateways
    return found


def test_only_nginx_publishes_a_port(stack: Stack) -> None:
    published = {
        (stack.inspect(container)["Config"]["Labels"]["com.docker.compose.service"], inner, outer["HostPort"])
        for container in containers(stack)
        for inner, ports in stack.inspect(container)["NetworkSettings"]["Ports"].items()
        for outer in ports or ()
    }
    assert published == {("nginx", "8080/tcp", str(stack.port))}


def test_every_process_is_unprivileged(stack: Stack) -> None:
    for container in containers(stack):
        settings = stack.inspect(container)["HostConfig"]
        assert settings["ReadonlyRootfs"]
        assert not settings["Privileged"]
        assert settings["CapDrop"] == ["ALL"]
        assert not settings["CapAdd"]
        assert "no-new-privileges:true" in settings["SecurityOpt"]
        users = stack.docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status")
        ids = {line.split()[1] for line in users.splitlines() if line.startswith("Uid:")}
        assert ids == {"10001"}


def test_the_root_is_read_only(stack: Stack) -> None:
    for container in containers(stack):
        wrote = stack.docker(
            "exec", container, "sh", "-c", "touch /app/x /etc/x /x 2>&1; ls /app/x /etc/x /x 2>&1", check=False
        )
        assert "Read-only file system" in wrote
        assert wrote.count("No such file or directory") >= 3


def test_services_have_no_way_out(stack: Stack) -> None:
    for network in ("bus", "edge"):
        internal = stack.docker("network", "inspect", "-f", "{{.Internal}}", f"{stack.project}_{network}")
        assert internal.strip() == "true"


def test_nginx_cannot_reach_redis(stack: Stack) -> None:
    (nginx,), (redis,) = stack.containers("nginx"), stack.containers("redis")

    def networks(container: str) -> set[str]:
        return set(stack.inspect(container)["NetworkSettings"]["Networks"])

    assert not networks(nginx) & networks(redis)


def test_redis_asks_for_a_password(stack: Stack) -> None:
    (redis,) = stack.containers("redis")
    assert "NOAUTH" in stack.docker("exec", redis, "redis-cli", "ping", check=False)


def test_secrets_are_files_that_their_owner_alone_reads(stack: Stack) -> None:
    (auth,) = stack.containers("auth")
    secrets = {}
    for file in ("/run/secrets/redis/password", "/run/secrets/auth/pepper"):
        assert stack.docker("exec", auth, "stat", "-c", "%a %u", file).split() == ["400", "10001"]
        secrets[file] = stack.docker("exec", auth, "cat", file).strip()
        assert len(secrets[file]) == 64
    for container in containers(stack):
        shown = stack.docker("inspect", container) + stack.docker("top", container, "-eo", "pid,args")
        assert not [file for file, secret in secrets.items() if secret in shown]


def test_each_secret_is_known_to_its_own_service_alone(stack: Stack) -> None:
    holders: dict[str, set[str]] = {}
    for container in containers(stack):
        found = stack.inspect(container)
        for mount in found["Mounts"]:
            volume = mount.get("Name", "").removeprefix(f"{stack.project}_")
            if volume.endswith(("-secret", "-redis")):
                holders.setdefault(volume, set()).add(found["Config"]["Labels"]["com.docker.compose.service"])
    own = {f"{service}-redis": {service} for service in RUNNING if service not in ("redis", "nginx")}
    assert holders == {**own, "auth-secret": {"auth"}, "redis-secret": {"redis"}}


REFUSED = """
import os, redis
password = open(os.environ["PULSO_REDIS_PASSWORD_FILE"]).read().strip()
def said(username, *words):
    client = redis.Redis("redis", username=username, password=password, driver_info=None)
    try:
        return str(client.execute_command(*words))
    except redis.RedisError as fault:
        return type(fault).__name__
own = os.environ["PULSO_REDIS_USERNAME"]
print(said(own, "PING"))
for words in (
    ("PUBLISH", "pulso:svc:auth:0", "x"), ("PUBLISH", "pulso:identity", "x"),
    ("PUBLISH", "pulso:topic:chat.x", "x"),
    ("SUBSCRIBE", "pulso:svc:auth:0"), ("SUBSCRIBE", "pulso:gw:gw-1"), ("PUBLISH", "pulso:files:auth:0", "x"),
    ("SET", "pulso:manifest:auth", "x"), ("GET", "pulso:lease:auth:0"), ("FLUSHALL",), ("CONFIG", "GET", "*"),
    ("KEYS", "*"), ("ACL", "LIST"), ("EVAL", "return 1", "0"), ("SHUTDOWN",), ("CLIENT", "LIST"),
):
    print(said(own, *words))
print(said("auth", "PING"), said("default", "PING"))
"""


def test_a_service_is_refused_what_is_not_its_own(stack: Stack) -> None:
    """From within its container, with the password that it has."""
    (clock,) = stack.containers("clock")
    first, *refused, others = stack.docker("exec", clock, "python", "-c", REFUSED).splitlines()
    assert first == "True"
    assert refused == ["NoPermissionError"] * 15
    assert others == "AuthenticationError AuthenticationError"


def test_redis_refuses_nothing_that_pulso_asks_for(stack: Stack) -> None:
    assert "NOPERM" not in stack.compose("logs", "--no-color", check=False)


def test_the_operators_commands_have_a_user_of_their_own(stack: Stack) -> None:
    said = stack.compose("run", "--rm", "--no-deps", "-T", "cli", "status", "--json")
    found = json.loads(said)
    assert {process["report"]["service"] for process in found["processes"]} == {*RUNNING} - {"redis", "nginx"}
    assert found["redis"]["version"]


def test_wrong_settings_stop_the_start_and_are_all_named(stack: Stack) -> None:
    code, said = stack.run("numbers", {"PULSO_NUMBERS_SHARDS": "many", "PULSO_LOG_LEVEL": "loud"})
    assert code == 78
    assert "PULSO_NUMBERS_SHARDS" in said
    assert "PULSO_LOG_LEVEL" in said


def test_every_setting_of_the_code_can_be_given(stack: Stack) -> None:
    own: dict[str, type] = {
        "auth": AuthSettings,
        "numbers": NumbersSettings,
        "presence": GraceSettings,
        "sales": SalesSettings,
        "chat": ChatSettings,
        "journal": JournalSettings,
        "gateway": GatewaySettings,
    }
    services = json.loads(stack.compose("config", "--format", "json"))["services"]
    for service, kind in own.items():
        wanted = {setting.variable for setting in documented((KitSettings, kind))} - NOT_FOR_OPERATORS
        assert wanted <= {name.removesuffix("_FILE") for name in services[service]["environment"]}
