"""The frontend's files under `/assets/`, each with a version in its address; nginx serves them alike."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from aiohttp import hdrs, web

from services.gateway.file_response import FileResponse

YEAR_S: Final = 365 * 24 * 3600

# What a browser must be told of a file; the system's own table of types differs from machine to machine.
TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
# A worker lives under the policy of its own script.
CONTENT_POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


# What the sandboxed frame of /docs loads: that has no origin, so nothing is of the same one (nginx.conf, too).
FOR_FRAMES: Final = ("frame/", "vendor/frame/")


def setup_assets(app: web.Application, *, frontend: Path) -> None:
    """Serve `frontend/static` under `/assets/`."""
    assets = Assets(frontend / "static")

    async def serve(request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        file = assets.file(path)
        if file is None:
            raise web.HTTPNotFound(text="There is no such file.")
        # The address of a version is for good; any other is asked for again each time, mostly for a 304 (ETag).
        is_current = request.query.get("v") == assets.version(path)
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: _type_of(file),
            hdrs.CACHE_CONTROL: f"public, max-age={YEAR_S}, immutable" if is_current else "no-cache",
            hdrs.CONTENT_SECURITY_POLICY: CONTENT_POLICY,
            hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        }
        if path.startswith(FOR_FRAMES):
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return FileResponse(file, headers=headers)

    app.router.add_get("/assets/{path:.+}", serve)


class Assets:
    """Files by address, and the version of each: a hash of its content, made anew when the file changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._versions: dict[str, tuple[tuple[int, int], str]] = {}

    def file(self, path: str) -> Path | None:
        """The file of an address; None for what is not there, hidden, or outside."""
        parts = PurePosixPath(path).parts
        is_plain = "\\" not in path and "\0" not in path and path == "/".join(parts)
        if not is_plain or any(part.startswith((".", "/")) for part in parts):
            return None
        file = self.root.joinpath(*parts)
        try:
            return file if file.is_file() else None
        except OSError:  # a name longer than any file's
            return None

    def version(self, path: str) -> str | None:
        file = self.file(path)
        if file is None:
            return None
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        known = self._versions.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, hashlib.sha256(file.read_bytes()).hexdigest()[:12])
            self._versions[path] = known
        return known[1]

    def url(self, path: str) -> str:
        version = self.version(path)
        return f"/assets/{path}?v={version}" if version else f"/assets/{path}"

    def modules(self) -> list[str]:
        return sorted(file.relative_to(self.root).as_posix() for file in (self.root / "js").rglob("*.js"))


def _type_of(file: Path) -> str:
    return TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
