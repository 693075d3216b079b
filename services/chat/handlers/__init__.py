"""What chat answers, one function per endpoint, by feature."""

from services.chat.handlers import files, messages, rooms
from services.chat.handlers.routes import routes

__all__ = ["files", "messages", "rooms", "routes"]
