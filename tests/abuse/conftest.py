"""The ground of the abuse suite: a target, a healthy client beside every attack, and the table of cases.

After each test the target's log must be clean and the healthy client answered every time. The long forms ask for
`steady`, too: the healthy client has been no slower than before, and the memory is given back.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests import cases
from tests.abuse.control import Control, p99_s
from tests.abuse.target import ADMIN, MEBIBYTE, Target
from tests.cases import Case
from tests.conftest import run_stack
from tests.stopwatch import Stopwatch

Report = Callable[[Case], None]
Expect = Callable[[object, object], None]

UNLIMITED: Final[dict[str, Any]] = {
    f"PULSO_LIMIT_{limit}": "0" for limit in ("GUESTS_PER_MINUTE", "LOGINS_PER_MINUTE", "REGISTRATIONS_PER_MINUTE")
}
"""Sign-ins alone: what is sent to one that is refused at the door would reach nothing."""

SHOWN_CHARS: Final = 60
USER_MB: Final = 4
"""How much a user may upload: little, so that there is a quota to race for."""
BASELINE_ROUNDS: Final = 100
BASELINE_WITHIN_S: Final = 60.0
SLOWER_AT_MOST: Final = 2.0
NOISE_S: Final = 0.05
"""A busy machine alone does this to whoever asks."""
MEMORY_KEPT_AT_MOST: Final = 32 * MEBIBYTE
"""Of what an attack took: caches that are bounded, and what the allocator does not give back."""


@pytest.fixture(scope="package")
def target() -> Iterator[Target]:
    """Shared by all abuse tests: what is sent to it must not harm it, that is the point."""
    settings: dict[str, Any] = {
        "PULSO_ADMINS": ADMIN,
        "PULSO_BCRYPT_COST": "4",
        "PULSO_TOKEN_SECONDS": "7200",
        "PULSO_CHAT_FILE_MB": "2",
        "PULSO_CHAT_USER_MB": str(USER_MB),
    }
    for stack in run_stack(**settings, **UNLIMITED):
        yield Target(stack)


@pytest.fixture(scope="package")
def control(target: Target) -> Iterator[Control]:
    client = Control(target.url)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def unharmed(target: Target, control: Control) -> Iterator[None]:
    """Nobody else pays: the log has no error and no trace, and the healthy client was answered in time."""
    logged, mark = target.log_size(), control.mark()
    yield
    assert target.complaints(logged) == []
    assert control.complaints(mark) == []


@pytest.fixture
def steady(target: Target, control: Control, report: Report, request: pytest.FixtureRequest) -> Iterator[None]:
    """The healthy client's p99 stays within twice what it is in peace, and the memory comes back.

    That is for a machine that has time for us: how much slower this one was meanwhile is measured, and told.
    """
    name = str(request.node.name)
    mark = control.mark()
    peace_s = p99_s(control.wait_for(BASELINE_ROUNDS, since=mark, within_s=BASELINE_WITHIN_S))
    memory, mark = target.memory_bytes(), control.mark()
    with Stopwatch() as watch:
        yield
    attacked_s = p99_s(control.since(mark))
    kept = target.memory_bytes() - memory
    at_most_s = SLOWER_AT_MOST * max(peace_s, NOISE_S) * watch.slowness
    report(Case(f"{name}: a healthy client", f"p99 <= {at_most_s * 1000:.0f} ms", f"{attacked_s * 1000:.0f} ms"))
    report(Case(f"{name}: the machine", "-", f"{watch.slowness:.1f} times slower than idle"))
    report(Case(f"{name}: memory", f"+{MEMORY_KEPT_AT_MOST >> 20} MiB at most", f"{kept / MEBIBYTE:+.1f} MiB"))
    assert attacked_s <= at_most_s
    assert kept <= MEMORY_KEPT_AT_MOST


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Puts a case into the table that is shown at the end of the run."""
    return lambda case: cases.add(request.node, "abuse", case)


@pytest.fixture
def expect(report: Report, request: pytest.FixtureRequest) -> Expect:
    """Compares what is expected with what was seen, and puts both into the table under the test's name."""

    def compare(expected: object, seen: object) -> None:
        name = request.node.originalname.removeprefix("test_").replace("_", " ")
        if case := getattr(request.node, "callspec", None):
            name = f"{name}: {case.id}" if case.id else name
        report(Case(name, *(textwrap.shorten(str(each), SHOWN_CHARS) for each in (expected, seen))))
        assert seen == expected

    return compare
