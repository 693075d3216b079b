"""Socket.IO protocol: namespaces, events, acks, binary, and what is not allowed."""

from __future__ import annotations

import json

import pytest

from tests.services.gateway.engine.conftest import Raw, Speaker

TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


@pytest.mark.parametrize(
    ("packet", "prefix", "auth"),
    [
        ("40", "40", "{}"),
        ('40{"token":"123"}', "40", '{"token":"123"}'),
        ("40/custom,", "40/custom,", "{}"),
        ("40/custom", "40/custom,", "{}"),
        ('40/custom,{"token":"abc"}', "40/custom,", '{"token":"abc"}'),
    ],
)
async def test_a_client_connects_to_a_namespace(sio: Speaker, packet: str, prefix: str, auth: str) -> None:
    """Section "Connection to a namespace"."""
    async with sio.opened() as raw:
        await raw.send(packet)
        answer = await raw.next()
        assert answer.startswith(prefix)
        handshake = json.loads(answer.removeprefix(prefix))
        assert list(handshake) == ["sid"]
        assert await raw.next() == f'42{prefix[2:]}["auth",{auth}]'


async def test_an_unknown_namespace_is_refused_and_the_client_may_try_another(sio: Speaker) -> None:
    async with sio.opened() as raw:
        await raw.send("40/random")
        assert await raw.next() == '44/random,{"message":"Invalid namespace"}'
        await raw.send("40")
        assert (await raw.next()).startswith("40")


@pytest.mark.parametrize("path", ["", "random"])
async def test_who_connects_to_nothing_is_closed(sio: Speaker, path: str) -> None:
    async with sio.opened() as raw:
        if path:
            await raw.send("40/random")
        code = None
        while code is None:
            code = await raw.closed()
        assert code == 1000


async def test_the_two_ids_of_a_client_differ(sio: Speaker) -> None:
    """The Engine.IO id is a secret, the Socket.IO id is not."""
    async with sio.websocket() as raw:
        engine_id = json.loads((await raw.next())[1:])["sid"]
        await raw.send("40")
        assert json.loads((await raw.next())[2:])["sid"] != engine_id


async def test_leaving_a_namespace_leaves_the_others(sio: Speaker) -> None:
    async with sio.connected() as raw:
        await raw.send("40/custom")
        assert (await raw.next()).startswith("40/custom,")
        assert await raw.next() == '42/custom,["auth",{}]'
        await raw.send("41/custom")
        await raw.send('42["message","message to main namespace"]')
        assert await raw.next() == '42["message-back","message to main namespace"]'
        await raw.send('42/custom,["message","to one that was left"]')
        assert await raw.closed() == 1002


@pytest.mark.parametrize(
    "arguments", ['1,"2",{"3":[true]}', '"caf\u00e9","\U0001f642"', "null", "1.5,-3,1e3", '""', '{"a":{"b":[[]]}}']
)
async def test_an_event_is_received_with_its_arguments(sio: Speaker, arguments: str) -> None:
    async with sio.connected() as raw:
        await raw.send(f'42["message",{arguments}]')
        answer = await raw.next()
        assert answer.startswith('42["message-back",')
        assert json.loads(answer[2:])[1:] == json.loads(f"[{arguments}]")


async def test_an_event_is_acknowledged(sio: Speaker) -> None:
    """Section "Acknowledgement"."""
    async with sio.connected() as raw:
        await raw.send('42456["message-with-ack",1,"2",{"3":[false]}]')
        assert await raw.next() == '43456[1,"2",{"3":[false]}]'
        await raw.send('420["message-with-ack"]')
        assert await raw.next() == "430[]"


async def test_binary_goes_both_ways_in_events_and_acks(sio: Speaker) -> None:
    async with sio.connected() as raw:
        for packet, answer in (
            (f'452-["message",{TWO}]', f'452-["message-back",{TWO}]'),
            (f'452-789["message-with-ack",{TWO}]', f"462-789[{TWO}]"),
        ):
            for part in (packet, b"\x01\x02\x03", b"\x04\x05\x06"):
                await raw.send(part)
            assert [await raw.next() for _ in range(3)] == [answer, b"\x01\x02\x03", b"\x04\x05\x06"]


async def test_binary_goes_through_polling_too(sio: Speaker) -> None:
    sid = await sio.open_polling()
    await sio.post(sid, "40")
    assert (await sio.polled(sid)).startswith("40")
    await sio.post(sid, '451-7["message-with-ack",{"_placeholder":true,"num":0}]\x1ebAQI=')
    assert (await sio.polled(sid)).endswith('461-7[{"_placeholder":true,"num":0}]\x1ebAQI=')


async def test_binary_packets_without_attachments_are_complete(sio: Speaker) -> None:
    """The stock parser never answers such a client again."""
    async with sio.connected() as raw:
        await raw.send('450-["message",1]')
        assert await raw.next() == '42["message-back",1]'
        await raw.send('450-3["message-with-ack",2]')
        assert await raw.next() == "433[2]"


async def test_a_placeholder_in_a_plain_event_is_only_an_object(sio: Speaker) -> None:
    async with sio.connected() as raw:
        await raw.send('42["message",{"_placeholder":true,"num":0}]')
        assert await raw.next() == '42["message-back",{"_placeholder":true,"num":0}]'


MALFORMED = [
    "4", "4abc", "49", "47[]", "4\u0662[\"message\"]",
    "42", "42{}", '42"message"', "42[]", "42[{}]", "42[null]", "42[true]", '42["message"', '42["message"]]',
    '42abc["message-with-ack",1]', '42\u0663["message"]', '42-1["message"]', '4212345678901234567["message"]',
    '42["message",NaN]', '42["message",Infinity]', '42\u00a0["message"]', '42["message"\u00a0]',
    '42["message","\\ud800"]', '42["message",{"a":1,}]', '422-["message"]',
    '42["connect"]', '42["disconnect"]', '42["connect_error"]', '42["newListener"]',
    "43[]", "431{}", "431", "44{}", '44"x"', "40", "40[]", '40"x"', "401", "41{}", "411",
    "45", '45["message"]', '45-["message"]', '4511-["message",1]', '459999999999-["message"]', "451-",
    '451-{"_placeholder":true,"num":0}', '450-["message",{"_placeholder":true,"num":0}]',
    '42/elsewhere,["message"]', "41/elsewhere", '42/custom,["message"]',
]  # fmt: skip


@pytest.mark.parametrize("packet", MALFORMED)
async def test_a_malformed_packet_closes_the_connection(sio: Speaker, packet: str) -> None:
    async with sio.connected() as raw:
        await raw.send(packet)
        assert await raw.closed() == 1002


@pytest.mark.parametrize(
    "packets",
    [
        ['451-["message",{"_placeholder":true,"num":1}]', b"x"],
        ['451-["message",{"_placeholder":true,"num":-1}]', b"x"],
        ['451-["message",{"_placeholder":true,"num":"0"}]', b"x"],
        ['451-["message",{"_placeholder":true}]', b"x"],
        ['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
        ['451-["message",{"_placeholder":true,"num":0}]', b"x", b"y"],
        [b"x"],
        ["42[" + "[" * 50_000],
        ["42[" + "[" * 50_000 + "]" * 50_001],
        # Deep enough for the stack to end while attachments are put in place, and not while JSON is read.
        ['451-["message",' + "[" * 600 + '{"_placeholder":true,"num":0}' + "]" * 601, b"x"],
        ['42["message",' + "[" * 32 + "]" * 33],
    ],
)
async def test_attachments_that_do_not_fit_close_the_connection(sio: Speaker, packets: list[str | bytes]) -> None:
    async with sio.connected() as raw:
        for packet in packets:
            await raw.send(packet)
        await closed_after_answers(raw)


@pytest.mark.parametrize(
    "packet", ['42["message"]', "41", "431[]", '451-["message",{"_placeholder":true,"num":0}]', b"x"]
)
async def test_nothing_is_exchanged_before_the_connect(sio: Speaker, packet: str | bytes) -> None:
    async with sio.opened() as raw:
        await raw.send(packet)
        assert await raw.closed() == 1002


async def closed_after_answers(raw: Raw) -> None:
    while (code := await raw.closed()) is None:
        pass
    assert code == 1002
