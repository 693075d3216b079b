"""Uploads: a multipart POST to any endpoint that takes stored files.

The service says beforehand how much may come. The body is streamed to the disk and counted on the way; then the
service is given the list of what was stored. Whatever goes wrong until it has taken them, nothing is left behind.

    POST /api/chat/files   (multipart/form-data, one part for each file)   ->  201 {"files": [...], "links": [...]}
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Final, TypeVar

import msgspec
import structlog
from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, BodyPartReader, web
from aiohttp.http import HttpProcessingError

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.manifest import EndpointManifest
from pulso.tasks import Tasks
from pulso.uploads import Allowance, AskAllowance, StoredFile, StoredFiles
from services.gateway.file_types import type_of
from services.gateway.heard import IS_PRIVATE, PAYLOAD
from services.gateway.relay import Relay
from services.gateway.sessions import Sessions, unauthorized
from services.gateway.upload_folder import NewFile, UploadFolder

T = TypeVar("T")

AT_ONCE_OF_ONE_USER: Final = 16
AT_ONCE: Final = 256
"""Uploads under way on one gateway; each holds a file and up to `WRITE_BYTES` and a chunk in memory."""
WRITE_BYTES: Final = 256 << 10
"""So much is gathered before a thread is asked to write it."""
SILENT_FOR_S: Final = 20.0
"""As long as for any other body (requests.py): the connection is closed ten seconds later."""
WITHIN_S: Final = 1800.0
"""The whole upload. Well below the hour after which a service removes files that nobody has claimed."""
ENVELOPE_BYTES: Final = 1 << 20
"""What a body may have beside its files: boundaries, names, headers."""
MAX_FILENAME_CHARS: Final = 255

log = structlog.get_logger(__name__)


class Uploads:
    def __init__(self, relay: Relay, sessions: Sessions, folder: UploadFolder, tasks: Tasks) -> None:
        self._relay = relay
        self._sessions = sessions
        self._folder = folder
        self._tasks = tasks
        self._under_way: Counter[str] = Counter()
        # They name what was sent: a line in the log that anybody can write, and Python remembers each of them for
        # ever so as to show it once.
        for category in (BadContentDispositionHeader, BadContentDispositionParam):
            warnings.simplefilter("ignore", category)

    async def receive(
        self, request: web.Request, caller: Caller, endpoint: EndpointManifest, request_id: str
    ) -> bytes:
        """The JSON of the service's result. Raises `ServiceError`."""
        if request.content_type != "multipart/form-data":
            raise ServiceError("bad_request", "Send the files as multipart/form-data.")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ServiceError("bad_request", "Send the body uncompressed.")
        with self._turn_of(caller.id):
            size = request.content_length or 0
            answer = await self._relay.ask(
                endpoint.allowance, msgspec.json.encode(AskAllowance(size)), caller, request_id=request_id
            )
            allowed = msgspec.json.decode(answer, type=Allowance)
            if size > min(allowed.total_bytes, allowed.files * allowed.file_bytes) + ENVELOPE_BYTES:
                raise _too_much(allowed)  # known before it has come
            async with self._removed_unless_taken() as stored:
                await self._store_all(request, allowed, stored)
                if self._sessions.has_ended(caller.session):  # meanwhile
                    raise unauthorized()
                payload = msgspec.json.encode(StoredFiles(stored))
                request[PAYLOAD], request[IS_PRIVATE] = payload, endpoint.private
                return await self._relay.upload(endpoint.name, payload, caller, request_id=request_id)

    async def _store_all(self, request: web.Request, allowed: Allowance, stored: list[StoredFile]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                async for part in _parts(request):
                    if len(stored) == allowed.files:
                        raise ServiceError("too_large", f"Send at most {allowed.files} files at once.")
                    left = allowed.total_bytes - sum(file.size for file in stored)
                    stored.append(await self._store(part, allowed, left))
        except TimeoutError:
            raise _late() from None
        if not stored:
            raise ServiceError("bad_request", "There is no file in this request.")

    async def _store(self, part: BodyPartReader, allowed: Allowance, left: int) -> StoredFile:
        filename = _filename(part)
        file = await self._folder.create(allowed.prefix)
        try:
            async for data in _gathered(part):
                if file.size_bytes + len(data) > min(allowed.file_bytes, left):
                    raise _too_much(allowed)
                await file.write(data)
            name = await file.finish()
        except BaseException:
            await self._surely(file)
            raise
        return StoredFile(name, filename, type_of(name), file.size_bytes)

    @contextlib.asynccontextmanager
    async def _removed_unless_taken(self) -> AsyncIterator[list[StoredFile]]:
        stored: list[StoredFile] = []
        try:
            yield stored
        except BaseException:
            names = [file.name for file in stored]
            await asyncio.shield(self._tasks.spawn(self._folder.remove(names), "remove uploads"))
            raise

    async def _surely(self, file: NewFile) -> None:
        """Drop the file, even where this request is being cancelled."""
        await asyncio.shield(self._tasks.spawn(file.drop(), "drop upload"))

    @contextlib.contextmanager
    def _turn_of(self, user: str) -> Iterator[None]:
        if self._under_way[user] >= AT_ONCE_OF_ONE_USER:
            raise ServiceError("rate_limited", "Too many uploads at once. Wait for some to end.", retry_after_s=1)
        if self._under_way.total() >= AT_ONCE:
            raise ServiceError("unavailable", "Too many uploads at once. Try again in a moment.")
        self._under_way[user] += 1
        try:
            yield
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]


async def _parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    reader = await _arriving(request.multipart())
    while (part := await _arriving(reader.next())) is not None:
        if not isinstance(part, BodyPartReader):
            raise ServiceError("bad_request", "A part with parts of its own is no file.")
        yield part


async def _gathered(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The part's bytes in pieces that are worth a thread's time."""
    gathered = bytearray()
    while not part.at_eof():
        gathered += await _arriving(part.read_chunk(WRITE_BYTES))
        if len(gathered) >= WRITE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


async def _arriving(read: Awaitable[T]) -> T:
    """What the client sends next. Raises `ServiceError` where it breaks off, dawdles, or sends no multipart."""
    try:
        async with asyncio.timeout(SILENT_FOR_S):
            return await read
    except TimeoutError:
        raise _late() from None
    # All of these, its assertions among them, are how aiohttp says that a body is not what it should be.
    except (ValueError, AssertionError, RuntimeError, OSError, web.HTTPException, HttpProcessingError) as fault:
        log.info("upload broken off", fault=str(fault)[:200])
        raise ServiceError("bad_request", "The files could not be read to their end. Send them again.") from None


def _filename(part: BodyPartReader) -> str:
    """What the client calls the file: shown to people, and never used as a path. Raises `ServiceError`."""
    if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise ServiceError("bad_request", "Send files as they are, without a transfer encoding.")
    given = part.filename
    if not given:
        raise ServiceError("bad_request", "Send files alone, each with its name.")
    # Browsers send a name as it is, but for the quotation marks around it.
    last = given.replace("%22", '"').replace("\\", "/").rpartition("/")[2]
    shown = "".join(char for char in last if char.isprintable()).strip()
    return shown[-MAX_FILENAME_CHARS:] or "file"  # the end has the extension


def _late() -> ServiceError:
    return ServiceError("bad_request", "The files did not arrive in time.")


def _too_much(allowed: Allowance) -> ServiceError:
    """Which limit it was depends on what is left to the user."""
    if allowed.total_bytes < allowed.file_bytes:
        return ServiceError("too_large", f"You have {_megabytes(allowed.total_bytes)} MB left for files.")
    return ServiceError(
        "too_large", f"Send at most {allowed.files} files of {_megabytes(allowed.file_bytes)} MB each at once."
    )


def _megabytes(size_bytes: int) -> str:
    return f"{max(size_bytes, 0) / (1 << 20):.3g}"
