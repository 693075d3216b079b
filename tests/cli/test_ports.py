"""Ports: what a person is told where one cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cli.child import CannotStart
from cli.ports import free_ports, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_the_way_out(taken: int) -> None:
    with pytest.raises(CannotStart, match=rf"Port {taken} on 127.0.0.1 is taken .* with --port\."):
        require_free("127.0.0.1", taken, flag="--port")


def test_a_number_that_is_no_port_is_refused() -> None:
    with pytest.raises(CannotStart, match="70000 is not a port"):
        require_free("127.0.0.1", 70000, flag="--port")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotStart, match=r"Nothing can listen on 192\.0\.2\.1:8080"):
        require_free("192.0.2.1", 8080, flag="--port")


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        require_free("127.0.0.1", port, flag="--port")
