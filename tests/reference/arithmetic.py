"""Roundings of the margin reference: each direction by its name.

Responsible for: whole-number division and rates. All values are integers, rates ppm.
"""

from math import isqrt

M = 1_000_000


def floor_div(dividend: int, divisor: int) -> int:
    """Towards minus infinity; `divisor` is positive."""
    return dividend // divisor


def ceil_div(dividend: int, divisor: int) -> int:
    """Towards plus infinity; `divisor` is positive."""
    return -(-dividend // divisor)


def up(value: int, rate_ppm: int) -> int:
    """A rate of a value, or of a rate, rounded up: the step of every product of rates."""
    return ceil_div(value * rate_ppm, M)


def down(value: int, rate_ppm: int) -> int:
    """The same rounded down."""
    return floor_div(value * rate_ppm, M)


def isqrt_up(n: int) -> int:
    """Smallest integer whose square is at least `n`."""
    root = isqrt(n)
    return root if root * root == n else root + 1
