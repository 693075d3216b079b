"""docker-compose.yml as it is written: what every container is denied, what each may see. It takes no engine."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from pulso.config import variable_of
from services.settings import ALL
from tests.conftest import REPOSITORY

Model = dict[str, Any]

ENDING: Final = ("secrets", "cli")
"""Those that do their work and end: nobody asks them for a sign of life."""
KNOWN: Final = frozenset(
    {
        "build", "cap_drop", "command", "depends_on", "deploy", "entrypoint", "environment", "healthcheck",
        "image", "init", "logging", "mem_limit", "network_mode", "networks", "pids_limit", "ports", "profiles",
        "pull_policy", "read_only", "restart", "security_opt", "stop_grace_period", "stop_signal", "tmpfs",
        "user", "volumes",
    }
)  # fmt: skip
"""All that a service may say: nothing that opens a way out of its container, and nothing misspelt."""
SECRETS: Final = "/run/secrets/"
SECRET: Final = sorted(
    {variable_of(field.name) for kind in ALL for field in dataclasses.fields(kind) if field.metadata["secret"]}
)


@pytest.fixture(scope="module")
def model() -> Model:
    found: Model = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def faults(model: Model) -> list[str]:
    found = [fault for name, service in model["services"].items() for fault in _of_service(name, service)]
    networks = model["networks"]
    return found + [f"{name} leads out" for name in ("bus", "edge") if not (networks[name] or {}).get("internal")]


def _of_service(name: str, service: Model) -> Iterator[str]:
    wanted = {
        "read_only": True,
        "user": "10001:10001",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
    }
    yield from (f"{name}: {key} is not {value}" for key, value in wanted.items() if service.get(key) != value)
    yield from (f"{name}: {key} is not allowed" for key in sorted(service.keys() - KNOWN))
    for limit in ("mem_limit", "pids_limit", "stop_grace_period"):
        if not service.get(limit):
            yield f"{name}: no {limit}"
    if "max-size" not in service["logging"].get("options", {}):
        yield f"{name}: a log without end"
    if name not in ENDING and not {"test", "interval", "timeout"} <= service.get("healthcheck", {}).keys():
        yield f"{name}: no healthcheck"
    if "ports" in service and name != "nginx":
        yield f"{name}: publishes a port"
    if service.get("network_mode", "none") != "none":
        yield f"{name}: is on the network {service['network_mode']}"
    for source, target, may_write in _volumes(service):
        if not re.fullmatch(r"[a-z-]+", source):
            yield f"{name}: mounts {source} of the machine"
        if _is_secret(target) and may_write and name != "secrets":
            yield f"{name}: may write {target}"
    yield from (f"{name}: {variable} holds a secret" for variable in _secrets_in_the_open(service))


def _volumes(service: Model) -> Iterator[tuple[str, str, bool]]:
    """What is mounted, where, and whether it may be written."""
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target, *mode = volume.split(":")
            yield source, target, mode != ["ro"]
        else:
            yield volume["source"], volume["target"], not volume.get("read_only", False)


def _is_secret(target: str) -> bool:
    return f"{target}/".startswith(SECRETS)


def _secrets_in_the_open(service: Model) -> Iterator[str]:
    """A secret comes from a file; the address of Redis, which may hold one, holds none."""
    environment = service.get("environment", {})
    for variable in SECRET:
        value = environment.get(variable)
        if value is not None and not re.fullmatch(r"redis://\w+:\d+/\d", value):
            yield variable
        if not environment.get(f"{variable}_FILE", SECRETS).startswith(SECRETS):
            yield f"{variable}_FILE"


def test_every_container_is_denied_what_it_does_not_need(model: Model) -> None:
    assert faults(model) == []


@pytest.mark.parametrize(
    ("service", "change", "fault"),
    [
        ("chat", {"privileged": True}, "chat: privileged is not allowed"),
        ("chat", {"cap_add": ["NET_ADMIN"]}, "chat: cap_add is not allowed"),
        ("chat", {"cap_drop": []}, "chat: cap_drop is not ['ALL']"),
        ("redis", {"read_only": False}, "redis: read_only is not True"),
        ("nginx", {"user": "root"}, "nginx: user is not 10001:10001"),
        ("nginx", {"security_opt": []}, "nginx: security_opt is not ['no-new-privileges:true']"),
        ("redis", {"ports": ["6379:6379"]}, "redis: publishes a port"),
        ("clock", {"network_mode": "host"}, "clock: is on the network host"),
        ("clock", {"mem_limit": None}, "clock: no mem_limit"),
        ("clock", {"pids_limit": 0}, "clock: no pids_limit"),
        ("clock", {"logging": {}}, "clock: a log without end"),
        ("clock", {"healthcheck": {"test": ["CMD", "true"]}}, "clock: no healthcheck"),
        ("auth", {"healthcheck": {"disable": True}}, "auth: no healthcheck"),
        ("auth", {"volumes": ["auth-secret:/run/secrets/auth"]}, "auth: may write /run/secrets/auth"),
        ("auth", {"volumes": ["/var/run/docker.sock:/x"]}, "auth: mounts /var/run/docker.sock of the machine"),
        ("auth", {"environment": {"PULSO_PEPPER": "${PEPPER}"}}, "auth: PULSO_PEPPER holds a secret"),
        ("auth", {"environment": {"PULSO_PEPPER_FILE": "/app/x"}}, "auth: PULSO_PEPPER_FILE holds a secret"),
        ("auth", {"environment": {"PULSO_REDIS_URL": "redis://:x@redis:6379/0"}},
         "auth: PULSO_REDIS_URL holds a secret"),
    ],
)  # fmt: skip
def test_what_a_change_would_open_is_found(model: Model, service: str, change: Model, fault: str) -> None:
    changed = copy.deepcopy(model)
    changed["services"][service].update(change)
    assert fault in faults(changed)


def test_a_network_with_a_way_out_is_found(model: Model) -> None:
    changed = copy.deepcopy(model)
    changed["networks"]["bus"] = None
    assert faults(changed) == ["bus leads out"]


def test_nginx_alone_is_reached_from_outside_and_reaches_gateways_alone(model: Model) -> None:
    on: dict[str, set[str]] = {}
    for name, service in model["services"].items():
        for network in service.get("networks", ()):
            on.setdefault(network, set()).add(name)
    assert on["front"] == {"nginx"}
    assert on["edge"] == {"nginx", "gateway"}
    assert "nginx" not in on["bus"]
    assert model["services"]["secrets"]["network_mode"] == "none"
    assert all("networks" in service for name, service in model["services"].items() if name != "secrets")
    (port,) = model["services"]["nginx"]["ports"]
    assert port.startswith("${PULSO_HOST:-127.0.0.1}:")


def test_each_service_runs_as_a_user_of_its_own_and_reads_its_own_secret(model: Model) -> None:
    services = {path.parent.name for path in (REPOSITORY / "services").glob("*/__main__.py")}
    assert services < model["services"].keys()
    readers: dict[str, set[str]] = {}
    for name, service in model["services"].items():
        for source, target, _ in _volumes(service):
            if _is_secret(target):
                readers.setdefault(source, set()).add(name)
    own = {f"{name}-redis": {name, "secrets"} for name in (*services, "cli")}
    assert readers == {**own, "auth-secret": {"auth", "secrets"}, "redis-secret": {"redis", "secrets"}}
    for name in (*services, "cli"):
        environment = model["services"][name]["environment"]
        assert environment["PULSO_REDIS_USERNAME"] == name
        assert environment["PULSO_REDIS_PASSWORD_FILE"] == f"{SECRETS}redis/password"


def test_redis_keeps_what_it_was_given_and_asks_everybody_who_they_are(model: Model) -> None:
    *_, script = model["services"]["redis"]["command"]
    for option in ("--maxmemory-policy noeviction", "--appendonly yes", "--aclfile /run/secrets/redis/users.acl"):
        assert option in script
    assert "requirepass" not in script


def test_every_volume_is_declared_and_used_and_every_image_has_a_version(model: Model) -> None:
    used = {source for service in model["services"].values() for source, _, _ in _volumes(service)}
    assert used == model["volumes"].keys()
    for service in model["services"].values():
        _, colon, version = service["image"].partition(":")
        assert colon
        assert version != "latest"


def test_what_is_built_and_run_is_there(model: Model) -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE)
    assert {service["build"]["target"] for service in model["services"].values() if "build" in service} <= {
        *stages
    }
    for service in model["services"].values():
        match service.get("command"):
            case ["python", "-m", module]:
                assert REPOSITORY.joinpath(*module.split("."), "__main__.py").exists()
