"""A random world whose companies split their shares, and pay dividends too: multipliers and shares per lot change by real commands.

Responsible for: announcing, confirming and waiting a split out, and knowing what a token and a lot stand for after it. Never looks at how
the engine decides.
"""

from fractions import Fraction

import msgspec

from dividends import FIRST, SECOND_PERSON, DividendWorld
from dividends import MIX as DIVIDENDS
from novate.messages import (
    AdvanceTime,
    Command,
    ConfirmCorporateAction,
    CorporateActionKind,
    CorporateActionTaken,
    EventMessage,
    ScheduleCorporateAction,
)
from worlds import COINS, SECOND

MIX = DIVIDENDS | {"split": 2}
"""How often a split is drawn, beside the steps of `worlds.MIX` and a dividend."""
RATIOS = ((2, 1), (7, 1), (3, 2), (20, 3), (1, 2), (2, 3), (3, 7), (101, 100))


class SplitWorld(DividendWorld):
    """A world in which names are split; `assets` and `underlyings` follow, `splits` has the ratio of each perp since its listing."""

    splits_taken = 0

    def found(self, *, release: bool = True, names: int = 5, accounts: int = 6) -> None:
        """Nothing is split yet."""
        self.splits: dict[int, Fraction] = {}
        super().found(release=release, names=names, accounts=accounts)

    def submit(self, command: Command, account: int = 0) -> list[EventMessage]:
        """Sends a command now; a split may take effect with it."""
        events = super().submit(command, account)
        for event in events:
            if isinstance(event.body, CorporateActionTaken) and event.body.ratio_new:
                self._follow(event.body.underlying, Fraction(event.body.ratio_new, event.body.ratio_old))
        return events

    def _follow(self, underlying: int, ratio: Fraction) -> None:
        """Shares per token and per lot by the ratio, prices by its inverse."""
        self.splits_taken += 1
        for number, token in self.assets.items():
            if token.underlying == underlying:
                multiplier = int(token.multiplier_ppb * ratio)
                self.assets[number] = msgspec.structs.replace(token, multiplier_ppb=multiplier)
        for number, market in self.markets.items():
            if market.underlying == underlying and not market.base:
                self.splits[number] = self.splits.get(number, Fraction(1)) * ratio
        listed = self.underlyings[underlying]
        most = max(int(listed.price_max / ratio), 1)
        self.underlyings[underlying] = msgspec.structs.replace(listed, price_max=most)
        self.price[underlying] = max(int(self.price[underlying] / ratio), 1)

    def lots(self, market: int, dollars: int) -> int:
        """About so many dollars of a market, in lots of today."""
        return max(1, int(super().lots(market, dollars) / self.splits.get(market, 1)))

    def _step_split(self) -> None:
        """A name is split: scheduled and confirmed by two people, taken in its window, priced at the new scale after it."""
        underlying = self.random.choice([u for u in self.underlyings if u not in COINS.values()])
        # What is cheap is joined, so that a price keeps some digits.
        cheap = self.price[underlying] < 5_000
        new, old = self.random.choice([r for r in RATIOS if r[0] < r[1] or not cheap])
        self.actions += 1
        start, end = self.time_ns + SECOND, self.time_ns + 12 * SECOND
        terms = ScheduleCorporateAction(
            action=self.actions, underlying=underlying, action_kind=CorporateActionKind.SPLIT, ratio_new=new, ratio_old=old,
            window_start_ns=start, window_end_ns=end, correct_until_ns=end, scale_tolerance_ppm=1_000, guard_ns=0,
        )  # fmt: skip
        if not (
            self._by(FIRST, terms) and self._by(SECOND_PERSON, ConfirmCorporateAction(action=self.actions))
        ):
            return
        for self.time_ns in range(start, end + SECOND, SECOND):
            self.submit(AdvanceTime())
        for name in self.underlyings:
            self._post(name, 0, 3)
        self.submit(AdvanceTime())
