"""The routes that the modules beside this one declare their handlers on."""

from __future__ import annotations

from typing import Final

from pulso.routes import Routes
from services.auth.state import Auth

routes: Final = Routes[Auth]()
