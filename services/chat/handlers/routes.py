"""The routes that the modules beside this one declare their handlers on."""

from __future__ import annotations

from typing import Final

from pulso.routes import Routes
from services.chat.state import Chat

routes: Final = Routes[Chat]()
