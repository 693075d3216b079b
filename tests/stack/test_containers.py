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


def test_the_pepper_is_known_to_auth_alone(stack: Stack) -> None:
    holders = {
        stack.inspect(container)["Config"]["Labels"]["com.docker.compose.service"]
        for container in containers(stack)
        for mount in stack.inspect(container)["Mounts"]
        if mount["Name"].endswith("_auth-secret")
    }
    assert holders == {"auth"}


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
