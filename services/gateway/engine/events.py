"""Socket.IO packets, read strictly: what the protocol does not allow is `Malformed`, never half understood.

Sections named here are those of the Socket.IO protocol document, revision 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from socketio import packet as stock

from services.gateway.engine.packets import Malformed

MAX_ATTACHMENTS: Final = 10
MAX_ACK_DIGITS: Final = 16
"""Of an ack's id: as many as JavaScript counts with."""
MAX_DEPTH: Final = 32
"""Arrays and objects within each other; beyond, nobody means anything, and reading it takes the stack."""
RESERVED: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Events that only a library itself may raise; from a client they would run the handlers of these names."""

# Section "Packet encoding": type, `attachments-`, `/namespace,`, ack id, JSON.
_PACKET: Final = re.compile(
    rf"([0-6])(?:([0-9]{{1,10}})-)?(?:(/[^,]{{0,200}})(?:,|\Z))?([0-9]{{1,{MAX_ACK_DIGITS}}})?(?![0-9])(.*)",
    re.DOTALL,
)
_BINARY_TO_PLAIN: Final = {stock.BINARY_EVENT: stock.EVENT, stock.BINARY_ACK: stock.ACK}
_NOTHING: Final = object()


class Packet(stock.Packet):  # type: ignore[misc]  # python-socketio has no types
    """A packet on its way to a client. Our JSON is the shortest, so that bytes can be compared."""

    @classmethod
    def data_is_binary(cls, data: Any) -> bool:
        """python-socketio's costs three times as much, for each packet that is made."""
        if isinstance(data, dict):
            data = data.values()
        elif not isinstance(data, list):
            return isinstance(data, bytes)
        return any(map(cls.data_is_binary, data))

    def encode(self) -> str | list[str | bytes]:
        attachments: list[bytes] = []
        data = self.data
        count = ""
        if self.packet_type in _BINARY_TO_PLAIN:
            data, attachments = self.deconstruct_binary(data)
            count = f"{len(attachments)}-"
        namespace = "" if self.namespace in {None, "/"} else f"{self.namespace},"
        ack = "" if self.id is None else self.id
        json = "" if data is None else msgspec.json.encode(data).decode()
        header = f"{self.packet_type}{count}{namespace}{ack}{json}"
        return [header, *attachments] if count else header


class Received(msgspec.Struct):
    """A packet of a client's. Its type is that of the plain packet once all attachments are in place."""

    kind: int
    namespace: str
    ack: int | None
    data: Any
    missing: int = 0
    attachments: list[bytes] = []

    def attach(self, attachment: bytes) -> bool:
        """Section "Packet encoding", binary: whether that was the last one. Raises `Malformed`."""
        self.attachments.append(attachment)
        if len(self.attachments) < self.missing:
            return False
        self.data = _put_in_place(self.data, self.attachments)
        return True


def decode(text: str) -> Received:
    """Raises `Malformed`."""
    match = _PACKET.fullmatch(text)
    if match is None:
        raise Malformed("no packet")
    kind_text, count_text, namespace, ack_text, json = match.groups()
    kind = int(kind_text)
    if (count_text is not None) != (kind in _BINARY_TO_PLAIN):
        raise Malformed("attachments where there are none, or the reverse")
    count = int(count_text or 0)
    if count > MAX_ATTACHMENTS:
        raise Malformed("too many attachments")
    data = _json(json) if json else _NOTHING
    kind = _BINARY_TO_PLAIN.get(kind, kind)
    if not _is_allowed(kind, ack_text, data):
        raise Malformed("not what a packet of this type holds")
    received = Received(
        kind, namespace or "/", int(ack_text) if ack_text else None, None if data is _NOTHING else data, count
    )
    if count_text is not None and count == 0:  # `450-[...]`: legal, and complete as it is
        received.data = _put_in_place(data, [])
    return received


def _json(text: str) -> Any:
    try:
        data = msgspec.json.decode(text)
    except (ValueError, RecursionError) as fault:  # NaN and lone surrogates are refused, too
        raise Malformed(str(fault)[:200]) from None
    if text.count("[") + text.count("{") > MAX_DEPTH:  # else it cannot be so deep: long lists cost nothing
        _check_depth((data,), MAX_DEPTH)
    return data


def _check_depth(items: Iterable[Any], left: int) -> None:
    for item in items:
        nested = item if type(item) is list else item.values() if type(item) is dict else None
        if nested is not None:
            if not left:
                raise Malformed("nested too deeply")
            _check_depth(nested, left - 1)


def _is_allowed(kind: int, ack: str | None, data: Any) -> bool:
    if kind == stock.CONNECT:
        return ack is None and (data is _NOTHING or isinstance(data, dict))
    if kind == stock.DISCONNECT:
        return ack is None and data is _NOTHING
    if kind == stock.EVENT:
        return isinstance(data, list) and bool(data) and _is_event_name(data[0])
    if kind == stock.ACK:
        return ack is not None and isinstance(data, list)
    return False  # CONNECT_ERROR is a server's


def _is_event_name(name: Any) -> bool:
    if isinstance(name, str):
        return name not in RESERVED
    return isinstance(name, int | float) and not isinstance(name, bool)


def _put_in_place(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, list):
        return [_put_in_place(item, attachments) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: _put_in_place(value, attachments) for key, value in data.items()}
    number = data.get("num")
    if type(number) is not int or not 0 <= number < len(attachments):
        raise Malformed("a placeholder without attachment")
    return attachments[number]
