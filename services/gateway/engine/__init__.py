"""An Engine.IO v4 server on aiohttp, and python-socketio made strict on top of it."""
