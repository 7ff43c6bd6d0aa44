"""The arithmetic of stages 6 to 8 in plain words: bankruptcy prices, deleveraging, shared losses.

Responsible for: the same numbers as `crates/novate-core/src/bankruptcy.rs`, `deleveraging.rs` and `loss_sharing.rs`, written from the rule and
not from the code, so that it can disagree. Integers only; every rounding is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass


def to_legs(total: int, weights: Sequence[int]) -> list[int]:
    """Parts of `total` by weight, each rounded down; the last leg gets the remainder. All zero: the last gets all."""
    if not weights:
        return []
    whole = sum(weights)
    parts = [total * weight // whole if whole else 0 for weight in weights[:-1]]
    return [*parts, total - sum(parts)]


def by_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Parts rounded down; units that are left go to the largest remainders, then to the first."""
    whole = sum(weights)
    if not whole:
        return [total, *([0] * (len(weights) - 1))] if weights else []
    parts = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: (-(total * weights[at] % whole), at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts


def bankruptcy(net_value: int, losses: Sequence[int], shares: Sequence[int]) -> list[int]:
    """What each perp leg gets: the lesser of the deficit and the perp loss since last green, by its share of R."""
    return to_legs(min(max(0, -net_value), sum(losses)), shares)


def lots_for(lots: int, amount: int, left: int) -> int:
    """The fewest lots whose closing at the bankruptcy price makes up for what insurance left open."""
    return -(-abs(lots) * left // amount) if amount else 0


@dataclass(frozen=True)
class Winner:
    """An account on the other side: best rank first in a list."""

    account: int
    unhedged: int
    hedged: int
    profit: int


def deleverage(
    winners: Sequence[Winner], lots: int, left: int, caps: Sequence[int]
) -> list[tuple[int, int, int, bool]]:
    """(account, lots, haircut, hedged) in order: unhedged by rank under their caps, then beyond them, then hedged pro rata."""
    taken: list[tuple[int, int, int, bool]] = []
    found = 0

    def take(winner: Winner, size: int, *, hedged: bool) -> None:
        nonlocal found
        if size > 0:
            haircut = left * (found + size) // lots - left * found // lots
            taken.append((winner.account, size, haircut, hedged))
            found += size

    def had(winner: Winner) -> int:
        return sum(size for account, size, _, _ in taken if account == winner.account)

    def affordable(winner: Winner) -> int:
        return winner.profit * lots // left

    for limits in (caps, [10**18] * len(winners)):
        for winner, cap in zip(winners, limits, strict=True):
            most = min(winner.unhedged, cap, affordable(winner))
            take(winner, min(most - had(winner), lots - found), hedged=False)
    by_account = sorted(winners, key=lambda winner: winner.account)
    weights = [max(0, min(winner.hedged, affordable(winner) - had(winner))) for winner in by_account]
    wanted = min(lots - found, sum(weights))
    if wanted > 0:
        for winner, size in zip(by_account, by_largest_remainder(wanted, weights), strict=True):
            take(winner, size, hedged=True)
    return taken


def share_loss(loss: int, gains: Sequence[int]) -> list[int]:
    """What each perp gain carries, accounts ascending: never more than the gains in all."""
    return by_largest_remainder(min(loss, sum(gains)), gains)
