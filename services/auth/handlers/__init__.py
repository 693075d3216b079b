"""What auth answers, one function per endpoint, by feature."""

from services.auth.handlers import accounts, guests, sessions
from services.auth.handlers.routes import routes

__all__ = ["accounts", "guests", "routes", "sessions"]
