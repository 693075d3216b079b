"""Addresses of servers, as people write them."""

from __future__ import annotations

import pytest

from cli.live.address import BadAddress, Server, servers_of

LOCAL = Server("http://127.0.0.1:8080", "ws://127.0.0.1:8080")


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8080", "ws://127.0.0.1:8080", "ws://127.0.0.1:8080/", " http://127.0.0.1:8080/socket.io/ "],
)
def test_the_same_server_may_be_written_in_many_ways(text: str) -> None:
    assert servers_of(text) == (LOCAL,)


def test_tls_stays_tls() -> None:
    assert servers_of("wss://pulso.example") == (Server("https://pulso.example", "wss://pulso.example"),)


def test_several_servers() -> None:
    assert servers_of("http://127.0.0.1:8080,ws://[::1]:9000") == (
        LOCAL,
        Server("http://[::1]:9000", "ws://[::1]:9000"),
    )


@pytest.mark.parametrize(
    "text",
    ["", " , ", "127.0.0.1:8080", "localhost", "ftp://a", "http://", "http://a:99999", "http://a:b", "http://a/chat",
     "http://ana:secret@a", "http://a?x=1", "http://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadAddress, match="write"):
        servers_of(text)
