"""Uploaded files under `/static/<name>`, inert whatever they are; in front of several gateways nginx serves them.

The headers are those of nginx.conf.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from services.gateway.assets import YEAR_S
from services.gateway.file_response import FileResponse
from services.gateway.file_types import UNKNOWN, type_of

# A page of its own that runs nothing and belongs to nobody.
CONTENT_POLICY: Final = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"

CACHE_CONTROL: Final = f"private, max-age={YEAR_S}, immutable"

# One plain name: no folders, no file under way, no way out.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[a-z0-9]+)?")


def setup_static_files(app: web.Application, *, uploads: Path) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        file = uploads / name
        if not _NAME.fullmatch(name) or not _is_plain_file(file):
            raise web.HTTPNotFound(text="There is no such file.")
        kind = type_of(name)
        headers = {
            hdrs.CONTENT_TYPE: kind,
            hdrs.CONTENT_DISPOSITION: "attachment" if kind == UNKNOWN else "inline",
            hdrs.CACHE_CONTROL: CACHE_CONTROL,
            hdrs.CONTENT_SECURITY_POLICY: CONTENT_POLICY,
            hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
        }
        return FileResponse(file, chunk_size=256 << 10, headers=headers)

    app.router.add_get("/static/{name:.*}", serve)


def _is_plain_file(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):
        return False
