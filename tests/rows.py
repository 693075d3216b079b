"""Many rows of input for one test, which share what is costly to set up. Each row that fails is told by itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., Awaitable[None]]


def rows(names: str, values: Iterable[Any]) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but the fixtures are those of one test: a row must bear what others left."""
    parameters = [name.strip() for name in names.split(",")]

    def over_all(test: Test) -> Test:
        @functools.wraps(test)
        async def each(subtests: pytest.Subtests, **fixtures: Any) -> None:
            for value in values:
                row = dict(zip(parameters, value if len(parameters) > 1 else (value,), strict=True))
                with subtests.test(**{name: repr(cell)[:80] for name, cell in row.items()}):
                    await test(**fixtures, **row)

        own = inspect.signature(test)
        subtests = inspect.Parameter("subtests", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        shared = [parameter for name, parameter in own.parameters.items() if name not in parameters]
        each.__signature__ = own.replace(parameters=[subtests, *shared])  # type: ignore[attr-defined]  # read by pytest
        return each

    return over_all
