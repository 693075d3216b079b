"""What is done about each call. Changes come in batches, so that those that arrive together share one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from pulso.contract import Caller, Nothing
from pulso.routes import Asked, Routes
from services.numbers import contract
from services.numbers.contract import AskFibonacci, Fibonacci, Number, SetValue, Value
from services.numbers.fibonacci import fibonacci
from services.numbers.numbers import Change, Numbers
from services.numbers.rules import draw_even, draw_odd

routes = Routes[Numbers]()


@routes.batch_handler(contract.SET)
async def set_values(numbers: Numbers, calls: Sequence[Asked[SetValue]]) -> Sequence[Value]:
    """`{"value": 37}` -> `{"value": 37}`. Of several calls of one user the last wins; each gets its own value."""
    await numbers.change("value", [Change(caller, request.value) for caller, request in calls])
    return [Value(request.value) for _, request in calls]


@routes.batch_handler(contract.EVEN)
async def even(numbers: Numbers, calls: Sequence[Asked[Nothing]]) -> Sequence[Number]:
    """`{}` -> `{"number": 42}`, from now on the caller's step. The value stays."""
    return await _drawn(numbers, calls, draw_even)


@routes.batch_handler(contract.ODD)
async def odd(numbers: Numbers, calls: Sequence[Asked[Nothing]]) -> Sequence[Number]:
    """`{}` -> `{"number": 43}`, from now on the caller's step. The value stays."""
    return await _drawn(numbers, calls, draw_odd)


@routes.handler(contract.FIBONACCI)
async def fibonacci_number(numbers: Numbers, caller: Caller, request: AskFibonacci) -> Fibonacci:
    """`{"n": 10}` -> `{"n": 10, "value": "55", "digits": 2}`. The ack is all: no other connection is told."""
    value = await numbers.worker.run(caller.id, lambda: fibonacci(request.n))
    return Fibonacci(request.n, value, len(value))


@routes.batch_handler(contract.CONNECTED)
async def connected(numbers: Numbers, calls: Sequence[Asked[Nothing]]) -> Sequence[Nothing]:
    """Sends `numbers:value` to each connection that has just opened, before it answers."""
    standings = await numbers.standings({caller.id for caller, _ in calls})
    for caller, _ in calls:
        numbers.push.to_connection(caller, contract.VALUE, standings[caller.id])
    return [Nothing()] * len(calls)


@routes.handler(contract.WATCH)
async def watch(numbers: Numbers, caller: Caller, _request: Nothing) -> Nothing:
    """`{}` -> `{}`. The first board comes within a second."""
    await numbers.push.join(caller, contract.BOARD.name)
    return Nothing()


@routes.handler(contract.UNWATCH)
async def unwatch(numbers: Numbers, caller: Caller, _request: Nothing) -> Nothing:
    await numbers.push.leave(caller, contract.BOARD.name)
    return Nothing()


async def _drawn(
    numbers: Numbers, calls: Sequence[Asked[Nothing]], draw: Callable[[Random], int]
) -> Sequence[Number]:
    changes = [Change(caller, draw(numbers.chance)) for caller, _ in calls]
    await numbers.change("step", changes)
    return [Number(change.number) for change in changes]
