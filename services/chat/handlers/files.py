"""Files: what may be uploaded, and what was."""

from __future__ import annotations

from pulso.contract import Caller
from pulso.uploads import Allowance, AskAllowance, StoredFiles
from services.chat import contract
from services.chat.contract import Uploaded
from services.chat.handlers.routes import routes
from services.chat.state import Chat


@routes.handler(contract.ALLOWANCE)
async def allowance(chat: Chat, caller: Caller, _request: AskAllowance) -> Allowance:
    return await chat.files.allowance(caller.id)


@routes.handler(contract.FILES)
async def files(chat: Chat, caller: Caller, request: StoredFiles) -> Uploaded:
    """multipart -> `{"files": [{"id", "name", "url", "type", "size"}], "links": ["/static/..."]}`, in order."""
    added = await chat.files.add(caller.id, request.files)
    return Uploaded(added, [file.url for file in added])
