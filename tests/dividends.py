"""A random world whose companies pay dividends: receivables enter the accounts of `worlds.World` by real commands.

Responsible for: withholding, announcing, confirming and waiting a dividend out. Never looks at how the engine decides.
"""

from novate.messages import (
    AdvanceTime,
    Command,
    CommandRefused,
    ConfirmCorporateAction,
    CorporateActionKind,
    ListWithholding,
    ScheduleCorporateAction,
    encode,
    iter_events,
)
from worlds import COINS, HOUR, SECOND, World

MIX = {"dividend": 2}
"""How often a dividend is drawn, beside the steps of `worlds.MIX`."""
FIRST, SECOND_PERSON = 7, 8


class DividendWorld(World):
    """A world in which every token and perp has a withholding, and names go ex."""

    actions = 0
    taken = 0

    def _open_sessions(self) -> None:
        super()._open_sessions()
        for asset in self.assets:
            if asset not in COINS:
                self._list(ListWithholding(asset=asset, market=0, withholding_ppm=self._part()))
        for market, listed in self.markets.items():
            if not listed.base:
                self._list(ListWithholding(asset=0, market=market, withholding_ppm=self._part()))

    def _part(self) -> int:
        return self.random.choice((0, 150_000, self.random.randint(0, 300_000)))

    def _by(self, actor: int, command: Command) -> bool:
        """Sends a command of the venue's by one of its people; whether it was taken."""
        stamped = encode(command, actor=actor, sequence=self.engine.sequence + 1, time_ns=self.time_ns)
        return not any(
            isinstance(event.body, CommandRefused) for event in iter_events(self.engine.apply(stamped))
        )

    def _step_dividend(self) -> None:
        """A name goes ex: announced and confirmed by two people, taken in its window, priced lower after it."""
        underlying = self.random.choice([u for u in self.underlyings if u not in COINS.values()])
        amount = max(1, self.price[underlying] * self.random.randint(500, 20_000) // 10**6)
        self.actions += 1
        start, end = self.time_ns + SECOND, self.time_ns + 12 * SECOND
        terms = ScheduleCorporateAction(
            action=self.actions, underlying=underlying, action_kind=CorporateActionKind.CASH_DIVIDEND, amount=amount,
            window_start_ns=start, window_end_ns=end, correct_until_ns=end + HOUR,
        )  # fmt: skip
        if not (
            self._by(FIRST, terms) and self._by(SECOND_PERSON, ConfirmCorporateAction(action=self.actions))
        ):
            return
        self.taken += 1
        for self.time_ns in range(start, end + SECOND, SECOND):
            self.submit(AdvanceTime())
        self.price[underlying] -= amount
        for name in self.underlyings:
            self._post(name, 0, 3)
        self.submit(AdvanceTime())
