"""Corporate actions, the plain way: what each does to prices, positions, tokens and what is receivable, with Python's integers.

Responsible for: a second writing of the rule, one account at a time and nothing cached. Never looks at the engine. Prices of the one
underlying in 1e-6 dollar, shares in 1e-9, the stablecoin in 1e-6, so that a micro-dollar is a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

SHARE = 10**9
MILLION = 10**6


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One account: cash and tokens in units, signed lots of the perp with their cost, what is to be settled (signed)."""

    cash: int
    tokens: int
    held: int
    lots: int
    cost: int
    to_settle: int = 0


@dataclass(frozen=True, kw_only=True)
class World:
    """The underlying, its token and its perp, and who holds them."""

    index: int
    multiplier_ppb: int
    decimals: int
    lot_size: int
    token_withheld_ppm: int
    perp_withheld_ppm: int
    split: Fraction = Fraction(1)
    """Shares of a lot today for one of its listing."""
    receivable: int = 0
    """1e-12 dollars on each token."""
    holders: Sequence[Holder] = field(default_factory=tuple)


def nearest(value: Fraction) -> int:
    """To the nearest integer, halves up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def shares_of(world: World, lots: int) -> int:
    """Signed shares of a position, rounded down."""
    return lots * world.lot_size * world.split.numerator // world.split.denominator


def worth(world: World, lots: int, each: int, withheld_ppm: int) -> int:
    """Of so much a share on a position, less what is withheld: each step rounded down, so a short pays more."""
    gross = shares_of(world, lots) * each // SHARE
    return gross * (MILLION - withheld_ppm) // MILLION


def split(world: World, new: int, old: int) -> World:
    """The multiplier of a token and the shares of a lot by the ratio, prices by its inverse; nothing that anybody holds changes."""
    ratio = Fraction(new, old)
    return replace(
        world,
        index=max(nearest(world.index / ratio), 1),
        multiplier_ppb=world.multiplier_ppb * ratio.numerator // ratio.denominator,
        split=world.split * ratio,
    )


def renumber(world: World, new: int, old: int) -> World:
    """The same, but the number of tokens changes: fractions are paid in cash at the index before."""
    ratio = Fraction(new, old)
    each = world.receivable * ratio.denominator // ratio.numerator
    holders = [with_other_tokens(world, holder, ratio) for holder in world.holders]
    index = max(nearest(world.index / ratio), 1)
    return replace(world, index=index, split=world.split * ratio, receivable=each, holders=tuple(holders))


def with_other_tokens(world: World, holder: Holder, ratio: Fraction) -> Holder:
    """Pledged and held tokens, each part by itself."""
    cash, parts = holder.cash, []
    for part in (holder.tokens, holder.held):
        whole, rest = divmod(part * ratio.numerator, ratio.denominator)
        parts.append(whole)
        # The rest is a part of a unit after the split; before it, it was this part of a unit.
        before = Fraction(rest, ratio.numerator)
        cash += int(before * world.multiplier_ppb * world.index / (10**world.decimals * SHARE))
    return replace(holder, cash=cash, tokens=parts[0], held=parts[1])


def distribute(world: World, amount: int, *, taxed: bool) -> World:
    """So much a share leaves the price: positions are paid, tokens have it receivable."""
    perp, token = (world.perp_withheld_ppm, world.token_withheld_ppm) if taxed else (0, 0)
    return replace(
        world,
        index=max(world.index - amount, 1),
        receivable=world.receivable + per_token(world, amount, token),
        holders=paid(world, world.holders, amount, perp),
    )


def per_token(world: World, amount: int, withheld_ppm: int) -> int:
    """1e-12 dollars on each token, rounded down."""
    return amount * (MILLION - withheld_ppm) * world.multiplier_ppb // (MILLION * 1_000)


def paid(world: World, holders: Sequence[Holder], amount: int, withheld_ppm: int) -> tuple[Holder, ...]:
    """Positions are paid so much a share."""
    return tuple(
        replace(h, to_settle=h.to_settle + worth(world, h.lots, amount, withheld_ppm)) for h in holders
    )


def correct(before: World, after: World, booked: int, amount: int, *, taxed: bool) -> World:
    """The difference goes to who had a position `before` the action, and to the tokens."""
    perp, token = (before.perp_withheld_ppm, before.token_withheld_ppm) if taxed else (0, 0)
    difference = [
        worth(before, h.lots, amount, perp) - worth(before, h.lots, booked, perp) for h in before.holders
    ]
    holders = tuple(
        replace(h, to_settle=h.to_settle + more) for h, more in zip(after.holders, difference, strict=True)
    )
    receivable = per_token(before, amount, token) - per_token(before, booked, token)
    return replace(after, holders=holders, receivable=after.receivable + receivable)


def close(world: World, price: int) -> World:
    """A merger for cash or a delisting: positions are closed at the price, tokens wait for what they became."""
    holders = tuple(
        replace(h, lots=0, cost=0, to_settle=h.to_settle + worth(world, h.lots, price, 0) - h.cost)
        for h in world.holders
    )
    return replace(world, index=price, holders=holders)
