"""The engine against the Engine.IO and Socket.IO protocol documents, through `bench.protocol_server`."""
