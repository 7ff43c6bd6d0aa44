"""A lending pool in plain words: the curve, minutes of interest, what is owed and due, who bears a loss, who is called.

Responsible for: the same numbers as `crates/novate-core/src/pool.rs`, `lending.rs`, `shortfall.rs` and `calls.rs`, written from the rule and not from
the code, so that it can disagree. Integers only; every rounding is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reference.waterfall import by_largest_remainder

ONE = 10**15
"""An index of 1."""
SHARE = 10**18
M = 10**6
YEAR_MINUTES = 525_600
LOWEST = ONE // M


def up(value: int, by: int) -> int:
    """Division rounded up."""
    return -(-value // by)


def curve(base: int, points: Sequence[tuple[int, int]], used: int) -> int:
    """Yearly rate at a use, linear between points, rounded up."""
    start, low = 0, base
    for end, high in points:
        if used <= end:
            return low + up((high - low) * (used - start), max(1, end - start))
        start, low = end, high
    return low


@dataclass
class Pool:
    """One pool; amounts in units, stakes as (amount, index it was last brought up to)."""

    base: int
    points: tuple[tuple[int, int], ...]
    reserve_ppm: int
    locked: int = 0
    reserve: int = 0
    loans: dict[int, tuple[int, int]] = field(default_factory=dict)
    claims: dict[int, tuple[int, int]] = field(default_factory=dict)
    borrow_index: int = ONE
    supply_index: int = ONE
    carry: int = 0

    def owed(self, account: int) -> int:
        """A loan now, rounded up."""
        amount, index = self.loans.get(account, (0, ONE))
        return up(amount * self.borrow_index, index)

    def claim(self, account: int) -> int:
        """A claim now, rounded down."""
        amount, index = self.claims.get(account, (0, ONE))
        return amount * self.supply_index // index

    def loan_shares(self) -> int:
        """Of all loans, each rounded down."""
        return sum(amount * SHARE // index for amount, index in self.loans.values())

    def claim_shares(self) -> int:
        """Of all claims and the locked deposit, each rounded up."""
        return (
            sum(up(amount * SHARE, index) for amount, index in self.claims.values())
            + self.locked * SHARE // ONE
        )

    def used(self) -> int:
        """Use, ppm, rounded up."""
        loans, funds = (
            up(self.loan_shares() * self.borrow_index, SHARE),
            up(self.claim_shares() * self.supply_index, SHARE),
        )
        return min(M, up(loans * M, funds + self.reserve)) if loans > 0 else 0

    def rate(self) -> int:
        """Yearly, ppm."""
        return curve(self.base, self.points, self.used())

    def borrow(self, account: int, amount: int) -> None:
        """A loan grows, or (negative) shrinks."""
        self.loans[account] = (self.owed(account) + amount, self.borrow_index)

    def lend(self, account: int, amount: int) -> None:
        """A claim grows, or shrinks."""
        self.claims[account] = (self.claim(account) + amount, self.supply_index)

    def minute(self) -> None:
        """Borrowers' index up by the rate, rounded up; lenders get all but the reserve's share, rounded down."""
        grown = up(self.borrow_index * self.rate(), M * YEAR_MINUTES)
        shares, interest = self.claim_shares(), self.loan_shares() * grown
        kept = M - self.reserve_ppm
        of_rate = self.supply_index * grown * kept // (self.borrow_index * M)
        supplied = min(of_rate, interest * kept // M // max(1, shares))
        self.borrow_index += grown
        self.supply_index += supplied
        whole, self.carry = divmod(self.carry + interest - shares * supplied, SHARE)
        self.reserve += whole

    def bear(self, loss: int, insurance: int) -> tuple[int, int, int]:
        """A loss on insurance, then the reserve, then lenders by index; what each bears."""
        first = min(loss, insurance)
        second = min(loss - first, self.reserve)
        shares = self.claim_shares() - self.locked * SHARE // ONE
        third = min(loss - first - second, shares * max(0, self.supply_index - LOWEST) // SHARE)
        self.reserve -= second
        if third:
            self.supply_index -= up(third * SHARE, shares)
        return first, second, third

    def called(self, limit_ppm: int) -> dict[int, int]:
        """What is called from each borrower, so that use is at the limit again."""
        funds = up(self.claim_shares() * self.supply_index, SHARE) + self.reserve
        total = up(self.loan_shares() * self.borrow_index, SHARE) - funds * limit_ppm // M
        owed = {account: self.owed(account) for account in sorted(self.loans) if self.owed(account)}
        parts = by_largest_remainder(max(0, min(total, sum(owed.values()))), list(owed.values()))
        return {account: part for account, part in zip(owed, parts, strict=True) if part}
