"""Pulso measured side by side with Socket.IO on Node.js and with plain python-socketio."""
