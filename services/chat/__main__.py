"""Runs chat: `python -m services.chat`."""

from __future__ import annotations

import os

from pulso.service import run_process
from pulso.shard import Service
from services.chat.contract import CONTRACT
from services.chat.handlers import routes
from services.chat.state import Chat, open_chat
from services.settings import ALL, ChatSettings


def service(settings: ChatSettings) -> Service[Chat]:
    """One shard: its state belongs to rooms, and calls are routed by user."""
    return Service(CONTRACT, routes, lambda context: open_chat(context, settings))


if __name__ == "__main__":
    run_process(service, ChatSettings, os.environ, known=ALL)
