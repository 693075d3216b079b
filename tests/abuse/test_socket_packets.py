"""Socket.IO packets that no library would send: each gets a code, ends the socket, or changes nothing."""

from __future__ import annotations

import json

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Target
from tests.raw_websocket import Closed, opened, welcomed

OUT = "closed 1002"
BAD = "bad_request"
UNKNOWN = "not_found"
NOTHING = "ignored"

PLACEHOLDER = '{"_placeholder":true,"num":0}'


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


BINARY_EVENTS: dict[str, tuple[list[str | bytes], str]] = {
    "one attachment": ([f'451-7["numbers:set",{PLACEHOLDER}]', b"x"], BAD),
    "an attachment that nothing names": (['451-7["numbers:set",1]', b"x"], BAD),
    "one attachment in two places": ([f'451-7["numbers:set",{PLACEHOLDER},{PLACEHOLDER}]', b"x"], BAD),
    "no attachment declared": (['450-7["numbers:set"]'], BAD),
    "a placeholder of none": ([f'450-7["numbers:set",{PLACEHOLDER}]'], OUT),
    "a placeholder in a plain event": ([f'427["numbers:set",{PLACEHOLDER}]'], BAD),
    "a placeholder out of range": (['451-7["x",{"_placeholder":true,"num":1}]', b"x"], OUT),
    "a negative placeholder": (['451-7["x",{"_placeholder":true,"num":-1}]', b"x"], OUT),
    "a placeholder of 1e999": (['451-7["x",{"_placeholder":true,"num":1e999}]', b"x"], OUT),
    "a placeholder of 0.0": (['451-7["x",{"_placeholder":true,"num":0.0}]', b"x"], OUT),
    "a placeholder of true": (['451-7["x",{"_placeholder":true,"num":true}]', b"x"], OUT),
    "a placeholder of text": (['451-7["x",{"_placeholder":true,"num":"0"}]', b"x"], OUT),
    "a placeholder of 2^63": (['451-7["x",{"_placeholder":true,"num":9223372036854775808}]', b"x"], OUT),
    "a placeholder without number": (['451-7["x",{"_placeholder":true}]', b"x"], OUT),
    "a placeholder as the event's name": ([f"451-7[{PLACEHOLDER}]", b"x"], OUT),
    "9,999,999,999 attachments": (['459999999999-["x"]'], OUT),
    "10^30 attachments": (["451" + "0" * 30 + '-["x"]'], OUT),
    "eleven attachments": (['4511-["x"]'], OUT),
    "a negative number of attachments": (['45-1-["x"]'], OUT),
    "no number of attachments": (['45-["x"]'], OUT),
    "text instead of the attachment": (['451-["x"]', '42["y"]'], OUT),
    "a binary event instead of the attachment": (['451-["x"]', '451-["x"]'], OUT),
    "one attachment too many": (['451-["x"]', b"x", b"y"], OUT),
    "an attachment of nothing": ([b"x"], OUT),
    "an empty attachment of nothing": ([b""], OUT),
    "an attachment in base64 of nothing": (["bAAAA"], OUT),
    "base64 that is none": (["b!!!!"], OUT),
    "an empty attachment": ([f'451-7["x",{PLACEHOLDER}]', b""], BAD),
    "a large attachment": ([f'451-7["x",{PLACEHOLDER}]', bytes(1_000_000)], BAD),
    "a binary ack of nothing": ([f"461-7[{PLACEHOLDER}]", b"x"], NOTHING),
    "600 levels around a placeholder": (['451-["x",' + "[" * 600 + PLACEHOLDER + "]" * 601, b"x"], OUT),
    "a placeholder in a placeholder": (
        ['451-7["x",{"_placeholder":true,"num":{"_placeholder":true,"num":0}}]', b"x"],
        OUT,
    ),
}

EVENTS: dict[str, tuple[list[str | bytes], str]] = {
    **{f"named {name}": ([f'427["{name}",{{}}]'], UNKNOWN) for name in (
        "connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener", "error",
        "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__class__", "__init__", "_welcome",
        "numbers:", ":set", "numbers:set:", "numbers/set", "../numbers:set", "numbers:connected", "auth:resolve",
        "auth:trust", "auth:promote", "auth:login", "auth:logout", "chat:files", "chat:allowance", "chat:missed",
        "session:ended", "clock:tick", "chat:message", "*", "a" * 100,
    )},
    "named by 10 KB": (['427["' + "a" * 10_240 + '",{}]'], BAD),
    "named by 900 KB": (['427["' + "a" * 900_000 + '",{}]'], BAD),
    "named by nothing": (['427["",{}]'], BAD),
    "with NUL in its name": (['427["numbers\\u0000:set",{}]'], BAD),
    "with a raw NUL in its name": (['427["numbers\x00:set",{}]'], OUT),
    "with a line feed in its name": (['427["numbers:set\\n",{}]'], BAD),
    "with its name in escapes": (['427["\\u006eumbers:set",{"value":5}]'], BAD),
    "with bidi marks in its name": (['427["\u202enumbers:set",{}]'], UNKNOWN),
    "with half a surrogate pair in its name": (['427["\\ud800",{}]'], OUT),
    "in another case": (['427["Numbers:Set",{"value":5}]'], UNKNOWN),
    "named connect, in escapes": (['427["\\u0063onnect",{}]'], OUT),
    "named connect, binary": (['451-["connect",{}]', b"x"], OUT),
    **{f"named by {name[:20]}": ([f"427[{name},{{}}]"], OUT) for name in (
        "null", "true", "{}", "[]", '["numbers:set"]', '{"toString":"connect"}', "NaN", "1e999", "9" * 5000,
    )},
    "named by a number": (["427[1,{}]"], BAD),
    "an empty list": (["42[]"], OUT),
    "no list": (["42{}"], OUT),
    "nothing": (["42"], OUT),
    "no JSON": (["42[numbers:set]"], OUT),
    "two lists": (['427["numbers:set",{"value":5}]["numbers:set"]'], BAD),
    "a list not closed": (['427["numbers:set",{"value":5}'], OUT),
    "300 KB of nesting, not closed": (["42[" + "[" * 300_000], OUT),
}  # fmt: skip

ACKS: dict[str, tuple[list[str | bytes], str]] = {
    "of an event that was never sent": (["43999[1]"], NOTHING),
    "with the largest id there is": (["43" + "9" * 16 + "[1]"], NOTHING),
    "with an id of 10^30": (["431" + "0" * 30 + "[1]"], OUT),
    "with a negative id": (["43-1[1]"], OUT),
    "without id": (["43[1]"], OUT),
    "with an id in Arabic digits": (["43\u0663[1]"], OUT),
    "without list": (["431{}"], OUT),
    "asked for with an id of 10^30": (["421" + "0" * 30 + '["numbers:set",{"value":5}]'], OUT),
    "asked for with a negative id": (['42-1["numbers:set",{"value":5}]'], OUT),
    "asked for with half an id": (['421.5["numbers:set",{"value":5}]'], OUT),
    "asked for with an id of 16 digits": (
        ["42" + "9" * 16 + '["numbers:set",{"value":5}]'],
        'ok {"value": 5}',
    ),
    "asked for twice with the same id": (
        ['427["numbers:set",{"value":5}]', '427["numbers:set",{"value":6}]'],
        'ok {"value": 5}, ok {"value": 6}',
    ),
    "not asked for, of a wrong event": (['42["numbers:set",{"value":100}]'], NOTHING),
}

ARGUMENTS: dict[str, tuple[list[str | bytes], str]] = {
    name: ([f'427["numbers:set"{argument}]'], expected)
    for name, (argument, expected) in {
        "none": ("", BAD),
        "null": (",null", BAD),
        "two": (',{"value":5},{"value":6}', BAD),
        "a thousand": ("," + ",".join(["{}"] * 1000), BAD),
        "a list": (',["value",5]', BAD),
        "a text": (',"{}"', BAD),
        "a number": (",5", BAD),
        "an unknown field": (',{"value":5,"admin":true}', BAD),
        "__proto__": (',{"value":5,"__proto__":{"admin":true}}', BAD),
        "duplicate keys, the last one good": (',{"value":5,"value":6}', 'ok {"value": 6}'),
        "duplicate keys, the last one wrong": (',{"value":5,"value":100}', BAD),
        "duplicate keys, the first one wrong": (',{"value":100,"value":5}', BAD),
        "NaN": (',{"value":NaN}', BAD),
        "Infinity": (',{"value":-Infinity}', BAD),
        "1e999": (',{"value":1e999}', BAD),
        "2^63": (',{"value":9223372036854775808}', BAD),
        "-2^63 - 1": (',{"value":-9223372036854775809}', BAD),
        "5,000 digits": (',{"value":' + "9" * 40 + "}", BAD),
        "5.0": (',{"value":5.0}', BAD),
        "5.5": (',{"value":5.5}', BAD),
        "05": (',{"value":05}', BAD),
        "+5": (',{"value":+5}', BAD),
        "0x5": (',{"value":0x5}', BAD),
        "5 in text": (',{"value":"5"}', BAD),
        "5 in Arabic digits": (',{"value":\u0665}', BAD),
        "true": (',{"value":true}', BAD),
        "33 levels": (',{"value":' + deep(33) + "}", BAD),
        "30,000 levels": (',{"value":' + deep(30_000) + "}", BAD),
        "100,000 levels": (',{"value":' + deep(100_000) + "}", "too_large"),
        "half a surrogate pair": (',{"value":"\\ud800"}', BAD),
        "NUL in a key": (',{"value\\u0000":5}', BAD),
        "a comment": (',{"value":5/**/}', BAD),
        "single quotes": (",{'value':5}", BAD),
        "a comma too many": (',{"value":5,}', BAD),
        "64 KiB of spaces": ("," + " " * 65_536 + '{"value":5}', "too_large"),
        "64 KiB and more": (',{"value":"' + "x" * 65_536 + '"}', "too_large"),
        "900 KB": (',{"value":"' + "x" * 900_000 + '"}', "too_large"),
        "a list of 100,000 numbers": (",[" + ",".join(["1"] * 100_000) + "]", "too_large"),
        "a byte order mark": (',\ufeff{"value":5}', BAD),
    }.items()
}

PACKETS: dict[str, tuple[list[str | bytes], str]] = {
    "no bytes at all": ([""], OUT),
    "a message of nothing": (["4"], OUT),
    "an OPEN": (['0{"sid":"x"}'], OUT),
    "a PING": (["2"], OUT),
    "a probe, after the upgrade": (["2probe"], OUT),
    "a PONG that nobody asked for": (["3"], NOTHING),
    "an UPGRADE, after the upgrade": (["5"], NOTHING),
    "a NOOP": (["6"], NOTHING),
    "an unknown type of Engine.IO's": (["7"], OUT),
    "an unknown type of Socket.IO's": (["47[]"], OUT),
    "a type in Arabic digits": (['4\u0662["numbers:set"]'], OUT),
    "a CLOSE": (["1"], "closed 1000"),
    "a CONNECT_ERROR, which is a server's": (['44{"message":"x"}'], OUT),
    "a DISCONNECT with data": (["41{}"], OUT),
    "an event after the DISCONNECT": (["41", '42["numbers:set",{"value":5}]'], OUT),
    "an event for a namespace never joined": (['42/admin,["numbers:set",{"value":5}]'], OUT),
    "a CONNECT to an unknown namespace": (["40/admin,"], "refused: Invalid namespace"),
    "a CONNECT to __proto__": (["40/__proto__,"], "refused: Invalid namespace"),
    "a CONNECT to // with a query": (["40//?token=x,"], "refused: Invalid namespace"),
    "a CONNECT to a namespace of 10 KB": (["40/" + "x" * 10_240 + ","], OUT),
    "50 namespaces": ([f"40/n{number}," for number in range(50)], "50 x refused: Invalid namespace"),
    "a second CONNECT": (["40"], OUT),
    "a thousand CONNECTs": (["40"] * 1000, OUT),
}

OF_A_KIND = {
    "a binary event": BINARY_EVENTS,
    "an event": EVENTS,
    "an ack": ACKS,
    "an argument": ARGUMENTS,
    "a packet": PACKETS,
}
CASES = {f"{kind}: {name}": case for kind, cases in OF_A_KIND.items() for name, case in cases.items()}


@pytest.mark.parametrize(("packets", "expected"), CASES.values(), ids=CASES)
async def test_over_a_socket(target: Target, packets: list[str | bytes], expected: str, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        expect(expected, await wire.outcome(*packets))


@pytest.mark.parametrize(
    "auth",
    ["[]", '"token"', "1", "{", "NaN", '{"token":1e999}', '{"token":"\\ud800"}', "{}{}", '{"a":' + deep(40) + "}"],
)
async def test_a_connect_with_what_is_no_object(target: Target, auth: str, expect: Expect) -> None:
    async with opened(target) as wire:
        wire.say("40" + auth)
        expect(OUT, str(await wire.ended()))


async def test_attachments_that_never_come_leave_the_socket_deaf_and_nobody_else(
    target: Target, expect: Expect
) -> None:
    """What was declared is waited for, in a bounded place; the next text frame is its end."""
    async with welcomed(target, target.guest()) as wire, welcomed(target, target.guest()) as other:
        wire.say(f'4510-["numbers:set",{PLACEHOLDER}]', *[bytes(100_000)] * 9)
        assert await other.ask("numbers:set", {"value": 5}) == {"value": 5}
        wire.say("3", '42["numbers:set",{"value":5}]')
        expect(OUT, str(await wire.ended()))


async def test_keys_of_objects_do_not_reach_other_people(target: Target, expect: Expect) -> None:
    async with welcomed(target, target.guest()) as wire:
        polluted = {"value": 5, "constructor": {"prototype": {"kind": "admin"}}}
        assert (await wire.ask("numbers:set", polluted))["error"]["code"] == BAD
        answer = await wire.ask("ops:status")
        expect("forbidden", answer["error"]["code"])


async def test_what_comes_before_the_connect(target: Target, expect: Expect) -> None:
    seen = []
    for packet in ('42["numbers:set",{"value":5}]', "41", "431[]", f'451-["x",{PLACEHOLDER}]', b"x", "40/x,"):
        async with opened(target) as wire:
            wire.say(packet)
            said = await wire.packet()
            seen.append(str(said) if isinstance(said, Closed) else json.loads(str(said)[5:])["message"])
    expect([OUT] * 5 + ["Invalid namespace"], seen)
