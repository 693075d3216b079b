"""What a client may hold a server to, through acknowledgements, refusals and lost connections."""

from __future__ import annotations

from cli.live.promise import Promise


def values(at: int = 0) -> Promise:
    return Promise(at, in_order=True)


def steps(at: int = 1) -> Promise:
    return Promise(at, in_order=False)


def allowed(promise: Promise) -> set[int]:
    return {number for number in range(100) if promise.allows(number)}


def test_what_was_acknowledged_is_promised_and_nothing_else() -> None:
    promise = values()
    promise.ask(1, (37,))
    assert allowed(promise) == {0, 37}
    promise.grant(1, 37)
    assert allowed(promise) == {37}


def test_a_later_acknowledgement_undoes_what_came_before_it() -> None:
    promise = values()
    for ask, value in ((1, 10), (2, 20), (3, 30)):
        promise.ask(ask, (value,))
    promise.grant(2, 20)
    assert allowed(promise) == {20, 30}
    promise.grant(1, 10)  # its answer was late, its commit was not
    assert allowed(promise) == {20, 30}


def test_a_refusal_leaves_the_number_and_a_doubtful_one_both() -> None:
    promise = values()
    promise.ask(1, (10,))
    promise.refuse(1)
    assert allowed(promise) == {0}
    promise.ask(2, (20,))
    promise.doubt(2)
    assert allowed(promise) == {0, 20}
    promise.ask(3, (30,))
    promise.grant(3, 30)
    assert allowed(promise) == {30}


def test_what_was_under_way_on_a_lost_connection_may_still_be_done_after_the_greeting() -> None:
    promise = values()
    promise.ask(1, (10,))
    promise.doubt_all()
    promise.settle(0)
    assert allowed(promise) == {0, 10}
    promise.ask(2, (20,))
    promise.grant(2, 20)
    assert allowed(promise) == {20}


def test_of_two_draws_under_way_together_either_may_be_the_last() -> None:
    promise = steps()
    promise.ask(1, range(0, 100, 2))
    promise.ask(2, range(1, 100, 2))
    promise.grant(2, 7)
    assert allowed(promise) == {7, *range(0, 100, 2)}
    promise.grant(1, 42)
    assert allowed(promise) == {7, 42}
    promise.ask(3, range(0, 100, 2))
    promise.grant(3, 8)
    assert allowed(promise) == {8}


def test_a_draw_alone_settles_what_was_given_up_before_it() -> None:
    promise = steps()
    promise.ask(1, range(0, 100, 2))
    promise.doubt_all()
    promise.ask(2, range(1, 100, 2))
    promise.grant(2, 7)
    assert allowed(promise) == {7}
