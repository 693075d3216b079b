"""The stack under test: docker compose with a project, a port and settings of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = ("secrets", "nginx")
START_TIMEOUT_S = 300
BUILD_TIMEOUT_S = 1200


class Stack:
    """A running copy of docker-compose.yml. Only what it is given reaches it: no PULSO_* of the shell, no .env."""

    def __init__(self, project: str, folder: Path) -> None:
        self.project = project
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._files = [REPOSITORY / "docker-compose.yml", *_build_on_the_host_network(folder)]
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PULSO_", "COMPOSE_"))},
            "PULSO_PORT": str(self.port),
            "IMAGE_TAG": project,
            "PULSO_LIMIT_GUESTS_PER_MINUTE": "0",  # all clients of the tests come from one address
        }

    def compose(self, *arguments: str, timeout_s: float = START_TIMEOUT_S, check: bool = True) -> str:
        files = [part for file in self._files for part in ("-f", str(file))]
        command = ["compose", "--env-file", os.devnull, "-p", self.project, *files, *arguments]
        return self.docker(*command, timeout_s=timeout_s, check=check)

    def docker(self, *arguments: str, timeout_s: float = 60, check: bool = True) -> str:
        """What a docker command says, errors included where it may fail."""
        done = subprocess.run(
            ["docker", *arguments],
            cwd=REPOSITORY,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if check else subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def build(self) -> None:
        self.compose("build", timeout_s=BUILD_TIMEOUT_S)

    def up(self, *, gateways: int) -> None:
        """Start what does not run, and return when all of it is healthy."""
        try:
            self.compose("up", "-d", "--wait", "--no-build", "--no-recreate", "--scale", f"gateway={gateways}")
        except AssertionError as fault:
            fault.add_note(self.logs())
            raise

    def down(self, *, volumes: bool = False) -> None:
        self.compose("down", "--timeout", "20", "--remove-orphans", *(["--volumes"] if volumes else []))

    def remove(self) -> None:
        """Leave nothing behind: containers, networks, volumes, and the images that were built for this run."""
        self.compose("down", "--timeout", "5", "--remove-orphans", "--volumes", check=False)
        self.docker("image", "rm", *(f"{name}:{self.project}" for name in ("pulso", "pulso-web")), check=False)

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "60", check=False)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers."""
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", container))
        return found[0]

    def kill(self, container: str) -> None:
        """Signal 9, as a crash would be: nothing is closed, nobody is told."""
        self.docker("kill", "--signal", "KILL", container)

    def run(self, service: str, environ: Mapping[str, str]) -> tuple[int, str]:
        """One more container of a service, with these settings, until it ends: exit code and what it said."""
        name = f"{self.project}-run"
        settings = [part for item in environ.items() for part in ("-e", "=".join(item))]
        said = self.compose("run", "--name", name, "--no-deps", "-T", *settings, service, check=False)
        code = int(self.inspect(name)["State"]["ExitCode"])
        self.docker("rm", "--force", name)
        return code, said


def _build_on_the_host_network(folder: Path) -> Iterator[Path]:
    """An engine without its default bridge has no other way from a build to the package registries."""
    bridge = subprocess.run(["docker", "network", "inspect", "bridge"], capture_output=True, check=False)
    if bridge.returncode:
        override = folder / "build-network.json"
        override.write_text(json.dumps({"services": {name: {"build": {"network": "host"}} for name in BUILT}}))
        yield override


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
