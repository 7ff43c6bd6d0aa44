"""Random portfolios through random corporate actions: the engine and the plain reference end with the same numbers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from tests.integration.test_corporate_actions import send_by
from tests.reference import corporate_action as plain
from tests.reference.corporate_action import Holder, World
from tests.venues import NAME, PERP, SECOND, TOKEN, USD, M, open_plain_venue

from novate.messages import (
    AdvanceTime,
    ConfirmCorporateAction,
    CorporateActionKind,
    CorrectCorporateAction,
    Hold,
    ListWithholding,
    PlaceOrder,
    ReceivableChanged,
    RequestWithdrawal,
    ScheduleCorporateAction,
    SettleWithdrawal,
    Side,
    WithdrawalRequested,
    reports,
)
from novate.messages.reports import corporate

SEQUENCES, ACTIONS = 25, 4
ACCOUNTS = (1, 2, 3, 4)
MARKET = PERP[0].market
RATIOS = ((7, 1), (10, 1), (3, 2), (20, 3), (1, 10), (1, 7), (2, 3))
TAXED = (CorporateActionKind.CASH_DIVIDEND, CorporateActionKind.SPECIAL_DIVIDEND)
KINDS = (
    CorporateActionKind.SPLIT,
    CorporateActionKind.SPLIT,
    *TAXED,
    CorporateActionKind.RIGHTS,
    CorporateActionKind.SPIN_OFF,
)


class Pair:
    """The engine's venue and the reference's world, side by side."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.venue = venue = open_plain_venue({account: account for account in ACCOUNTS})
        self.action = 0
        rates = [dice.choice((0, 150_000, 300_000)) for _ in range(2)]
        venue.must(ListWithholding(asset=TOKEN, market=0, withholding_ppm=rates[0]))
        for perp in PERP:
            venue.must(ListWithholding(asset=0, market=perp.market, withholding_ppm=rates[1]))
        for account in ACCOUNTS:
            self.hold_some(account)
        self.trade()
        self.multiplier = 10**9
        self.world = self.seen(World(
            index=100 * M, multiplier_ppb=10**9, decimals=6, lot_size=PERP[0].lot_size, token_withheld_ppm=rates[0],
            perp_withheld_ppm=rates[1],
        ))  # fmt: skip

    def hold_some(self, account: int) -> None:
        """An odd number of tokens, a part of them set apart."""
        kept = self.dice.randrange(1, 3_000 * M)
        events = self.venue.must(RequestWithdrawal(asset=TOKEN, amount=100_000 * M - kept), account)
        asked = next(e.body for e in events if isinstance(e.body, WithdrawalRequested))
        self.venue.must(SettleWithdrawal(withdrawal=asked.withdrawal))
        if self.dice.random() < 0.5:
            self.venue.must(Hold(asset=TOKEN, amount=self.dice.randrange(1, kept)), account)

    def trade(self) -> None:
        for _ in range(6):
            seller, buyer = self.dice.sample(ACCOUNTS, 2)
            lots, price = self.dice.randrange(1, 90_000), self.dice.randrange(9_800, 10_200)
            for account, side in ((seller, Side.ASK), (buyer, Side.BID)):
                self.venue.must(PlaceOrder(market=MARKET, side=side, price=price, lots=lots), account)

    def seen(self, world: World) -> World:
        """The world with what the engine says that its accounts hold."""
        return replace(world, holders=tuple(self.holder(account) for account in ACCOUNTS))

    def holder(self, account: int) -> Holder:
        found = reports.account(self.venue.engine, account)
        position = next((p for p in found.positions if p.market == MARKET), None)
        balances = {b.asset: b for b in found.balances}
        return Holder(
            cash=balances[USD].pledged, tokens=balances[TOKEN].pledged, held=balances[TOKEN].held,
            lots=position.lots if position else 0, cost=position.cost if position else 0,
            to_settle=position.claim - position.debt if position else 0,
        )  # fmt: skip

    def take(self, kind: CorporateActionKind, ratio: tuple[int, int], amount: int, *, renumber: bool) -> None:
        """The action on the engine's side."""
        venue, split = self.venue, kind == CorporateActionKind.SPLIT
        self.action += 1
        start = venue.time_ns + 10 * SECOND
        end = start + 60 * SECOND
        terms = ScheduleCorporateAction(
            action=self.action, underlying=NAME, action_kind=kind, ratio_new=ratio[0] if split else 0, ratio_old=ratio[1] if split else 0,
            amount=amount, token_mode=int(renumber), cash_asset=USD if renumber else 0, window_start_ns=start, window_end_ns=end,
            correct_until_ns=end + 3_600 * SECOND, scale_tolerance_ppm=20_000 if split else 0, guard_ns=60 * SECOND if split else 0,
        )  # fmt: skip
        send_by(venue, 7, terms)
        send_by(venue, 8, ConfirmCorporateAction(action=self.action))
        venue.time_ns = start
        self.advance()

    def advance(self) -> None:
        for event in self.venue.must(AdvanceTime()):
            if isinstance(event.body, ReceivableChanged) and event.body.asset == TOKEN:
                self.multiplier = event.body.multiplier_ppb

    def agree(self) -> None:
        """Every number is the same on both sides."""
        engine, world = self.venue.engine, self.world
        index = next(u.index for u in reports.underlyings(engine) if u.underlying == NAME)
        each = {line.asset: line.each for line in corporate.receivables(engine)}.get(TOKEN, 0)
        assert (index, self.multiplier, each) == (world.index, world.multiplier_ppb, world.receivable)
        for account, holder in zip(ACCOUNTS, world.holders, strict=True):
            assert self.holder(account) == holder, account
        assert {difference for _, difference in engine.conservation()} == {0}
        assert {line[1:] for line in reports.ledger(engine).clearing} == {(0, 0)}

    def live_again(self) -> None:
        """The window is over and sources post the new price; nothing settles meanwhile."""
        self.venue.time_ns += 61 * SECOND
        self.venue.price(NAME, self.world.index)
        self.advance()


def act(pair: Pair) -> None:
    """One action on both sides, corrected now and then."""
    dice, world = pair.dice, pair.world
    kind = dice.choice(KINDS)
    cheap = world.index < 60 * M
    ratio = dice.choice([r for r in RATIOS if (r[0] < r[1]) == cheap])
    amount = 0 if kind == CorporateActionKind.SPLIT else dice.randrange(1, world.index // 20)
    renumber = kind == CorporateActionKind.SPLIT and dice.random() < 0.5
    pair.take(kind, ratio, amount, renumber=renumber)
    if kind == CorporateActionKind.SPLIT:
        pair.world = plain.renumber(world, *ratio) if renumber else plain.split(world, *ratio)
    else:
        pair.world = plain.distribute(world, amount, taxed=kind in TAXED)
    pair.agree()
    pair.live_again()
    if amount and dice.random() < 0.5:
        other = dice.randrange(0, 2 * amount)
        pair.venue.must(CorrectCorporateAction(action=pair.action, amount=other))
        pair.advance()
        pair.world = plain.correct(world, pair.world, amount, other, taxed=kind in TAXED)
        pair.agree()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_engine_and_the_reference_agree(seed: int) -> None:
    pair = Pair(Random(seed))
    for _ in range(ACTIONS):
        act(pair)
    if seed % 5 == 0:
        price = pair.world.index + pair.world.index // 10
        pair.take(CorporateActionKind.MERGER, (0, 0), price, renumber=False)
        pair.world = plain.close(pair.world, price)
        pair.agree()
