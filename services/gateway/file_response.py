"""Files as they are sent: whole, or the one range that was asked for of the version that was asked for."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict


class FileResponse(web.FileResponse):
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """aiohttp compares dates in If-Range alone; whoever sends a tag would get a piece of another version."""
        if hdrs.RANGE in request.headers and hdrs.IF_RANGE in request.headers and request.if_range is None:
            headers = CIMultiDict(request.headers)
            del headers[hdrs.RANGE]
            request = request.clone(headers=headers)
        return await super().prepare(request)
