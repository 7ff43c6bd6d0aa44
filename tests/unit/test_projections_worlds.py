"""Ledger sums against the engine in worlds where what events do not tell must be asked: splits, dividends, issuance, crashes.

Worlds speak straight to an engine here; what they sent is replayed through a fold command by command.
"""

from __future__ import annotations

from collections import Counter

import pytest

import venues
from dividends import DividendWorld
from issuing import MIX as ISSUING
from issuing import IssuingWorld
from novate._core import Engine
from novate.messages import (
    AcceptBlock,
    AdvanceTime,
    BlockProposed,
    CollectFees,
    Command,
    CommandRefused,
    CompensateError,
    ConfirmCorporateAction,
    CorporateActionKind,
    Deposit,
    EventMessage,
    FundDistributions,
    FundInsurance,
    FundTreasury,
    Hold,
    ListBlockTerms,
    ListWithholding,
    PayDistribution,
    PlaceOrder,
    ProposeBlock,
    RequestWithdrawal,
    ScheduleCorporateAction,
    SettleWithdrawal,
    Side,
    VoidWithdrawal,
    WithdrawalRequested,
    encode,
    iter_events,
    reports,
)
from novate.projections.fold import Fold
from novate.projections.running import Running
from novate.projections.settling import units, unpaid
from splits import MIX as SPLITS
from splits import SplitWorld
from venues import NAME, TOKEN, USD, PlainVenue, open_plain_venue
from worlds import COINS, SECOND, World


class Recorded:
    """An engine that keeps what it was given."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sent: list[bytes] = []

    def apply(self, buffer: bytes) -> bytes:
        self.sent.append(buffer)
        return self.engine.apply(buffer)

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)


class Again:
    """The same engine command by command, as the fold asks for it."""

    def __init__(self, sent: list[bytes]) -> None:
        self.engine, self.sent = Engine(), sent

    def __call__(self, sequence: int) -> Engine:
        assert sequence >= self.engine.sequence, "moments are asked in order"
        self.engine.replay(b"".join(self.sent[self.engine.sequence : sequence]))
        return self.engine


def world_of(
    kind: type[World], seed: int, steps: int, *, uninsured: bool = False, **options
) -> tuple[World, Recorded]:
    recorded = Recorded()

    def send(command: Command, account: int, time_ns: int) -> list[EventMessage]:
        if uninsured and isinstance(command, FundInsurance):
            return []
        stamped = encode(command, account=account, sequence=recorded.engine.sequence + 1, time_ns=time_ns)
        return list(iter_events(recorded.apply(stamped)))

    world = kind(seed, recorded, send, **options)  # type: ignore[arg-type]  # it answers whatever an engine does
    world.found(names=3)
    world.steps(steps)
    return world, recorded


def crash(world: World) -> None:
    """Every name falls by four tenths at once, and the clock runs on."""
    for underlying in world.underlyings:
        if underlying not in COINS.values():
            world.price[underlying] = max(1, world.price[underlying] * 6 // 10)
    for _ in range(40):
        world.time_ns += 3 * SECOND
        for underlying in world.underlyings:
            world._post(underlying, 0, 3)
        world.submit(AdvanceTime())


def folded(sent: list[bytes]) -> tuple[Running, Counter[str]]:
    """The running state after all of it, and how often each event was met. Every command's end is compared with the engine."""
    run, seen = Running(), Counter[str]()
    fold, teller = Fold(run, Again(sent)), Engine()
    for at in range(0, len(sent), 50):
        events = teller.apply(b"".join(sent[at : at + 50]))
        seen.update(type(event.body).__name__ for event in iter_events(events))
        fold.feed(events, teller.sequence, teller.time_ns)
        wrong = differences(run, teller)
        assert not wrong, (at, wrong, Counter(type(e.body).__name__ for e in iter_events(events)))
    return run, seen


def differences(run: Running, engine: Engine) -> dict[tuple[int, int, int], int]:
    """Engine less ledger; interest that is not booked yet aside."""
    wrong, left = {}, {key: held[0] for key, held in run.holding.items() if held[0]}
    for account in run.accounts:
        report = reports.account(engine, account)
        accruing = {b.asset for b in report.balances if b.pledged < 0 or b.lent > 0}
        theirs = {(account, asset, 0): amount for asset, amount in units(report).items()}
        for market, (amount, owed) in unpaid(report).items():
            key = (account, run.listing.markets[market].quote, market)
            theirs[key] = amount
            assert run.holding.get(key, [0, 0])[1] == owed
        for key, amount in theirs.items():
            off = amount - left.pop(key, 0)
            if off and not (key[2] == 0 and key[1] in accruing):
                wrong[key] = off
    return wrong | {key: -amount for key, amount in left.items()}


@pytest.mark.parametrize("seed", range(101, 109))
def test_splits_and_dividends(seed):
    _, recorded = world_of(SplitWorld, seed, 500, mix=SPLITS | {"split": 6, "dividend": 6})
    _, seen = folded(recorded.sent)
    assert seen["CorporateActionTaken"] > 2
    assert seen["PositionAdjusted"] > 0


@pytest.mark.parametrize("seed", range(201, 205))
def test_dividends_paid_on_tokens(seed):
    _, recorded = world_of(DividendWorld, seed, 300, mix={"dividend": 8})
    _, seen = folded(recorded.sent)
    assert seen["ReceivableChanged"] > 0


@pytest.mark.parametrize("seed", range(301, 309))
def test_issuance_and_redemption(seed):
    _, recorded = world_of(IssuingWorld, seed, 700, mix=ISSUING)
    _, seen = folded(recorded.sent)
    assert seen["TokensIssued"] > 0
    assert seen["TokensRedeemed"] > 0


def test_crashes_without_insurance():
    seen: Counter[str] = Counter()
    for seed in range(9_000, 9_060):
        world, recorded = world_of(
            World,
            seed,
            250,
            uninsured=True,
            mix={"price": 30, "order": 20, "cross": 60, "time": 10, "money": 20},
        )
        crash(world)
        seen += folded(recorded.sent)[1]
    for event in ("Deleveraged", "LossShared", "LiquidationSlice", "OwnAccountSetOff", "BankruptcyPriced"):
        assert seen[event] > 0, (event, seen)


# --- plain scenarios ---------------------------------------------------------------------------------------------------


@pytest.fixture
def plain(monkeypatch) -> PlainVenue:
    """Three accounts of ten million dollars and 100,000 tokens, after some trading; the engine keeps what it was given."""
    monkeypatch.setattr(venues, "Engine", Recorded)
    venue = open_plain_venue({1: 1, 2: 2, 3: 3})
    for market in (1, 3):
        venue.must(PlaceOrder(market=market, side=Side.BID, price=10_000, lots=333), 1)
        venue.must(PlaceOrder(market=market, side=Side.ASK, price=10_000, lots=333), 2)
    return venue


def by(venue: PlainVenue, actor: int, command: Command) -> None:
    """A command of the venue's by one of its people."""
    stamped = encode(command, actor=actor, sequence=venue.engine.sequence + 1, time_ns=venue.time_ns)
    assert not [e for e in iter_events(venue.engine.apply(stamped)) if isinstance(e.body, CommandRefused)]


def act(venue: PlainVenue, **terms: int) -> None:
    """A corporate action of the name, confirmed by two people and taken in its window."""
    start = venue.time_ns + SECOND
    window = {
        "window_start_ns": start,
        "window_end_ns": start + 20 * SECOND,
        "correct_until_ns": start + 20 * SECOND,
    }
    by(venue, 7, ScheduleCorporateAction(action=1, underlying=NAME, **terms, **window))
    by(venue, 8, ConfirmCorporateAction(action=1))
    for _ in range(25):
        venue.advance(1)


def met(venue: PlainVenue) -> Counter[str]:
    """Folds all of it; how often each event was met."""
    return folded(venue.engine.sent)[1]  # type: ignore[attr-defined]  # it is `Recorded`


def causes(venue: PlainVenue) -> set[str]:
    """The causes of all postings."""
    run = folded(venue.engine.sent)[0]  # type: ignore[attr-defined]  # it is `Recorded`
    return {row[7] for row in run.batch.appended["ledger"]}


def test_tokens_that_are_renumbered_with_fractions_paid_in_cash(plain):
    plain.must(FundDistributions(asset=USD, amount=10**12))
    plain.must(Deposit(asset=TOKEN, amount=7, reference=2), 1)
    plain.must(Hold(asset=TOKEN, amount=11), 2)
    act(plain, action_kind=CorporateActionKind.SPLIT, ratio_new=2, ratio_old=3, token_mode=1, cash_asset=USD,
        scale_tolerance_ppm=1_000)  # fmt: skip
    assert met(plain)["BalanceAdjusted"] >= 3
    assert {"corporate_action", "trade"} <= causes(plain)


def test_a_dividend_that_is_booked_and_paid(plain):
    for asset, market in ((TOKEN, 0), (0, 1), (0, 2)):
        plain.must(ListWithholding(asset=asset, market=market, withholding_ppm=150_000))
    act(plain, action_kind=CorporateActionKind.CASH_DIVIDEND, amount=2_000_000)
    plain.must(FundDistributions(asset=USD, amount=10**13))
    plain.must(PayDistribution(asset=TOKEN, paid_asset=USD, released=17 * 10**11))
    for _ in range(5):
        plain.advance(1)
    seen = met(plain)
    assert seen["DistributionPaid"] >= 3
    assert seen["PositionAdjusted"] == 2
    assert "dividend" in causes(plain)


def test_a_delisted_company(plain):
    act(plain, action_kind=CorporateActionKind.DELISTING, amount=3_000_000)
    plain.must(FundDistributions(asset=USD, amount=10**13))
    plain.must(PayDistribution(asset=TOKEN, paid_asset=USD, released=3 * 10**12, retire=1))
    for _ in range(5):
        plain.advance(1)
    assert met(plain)["DistributionPaid"] >= 3


def test_blocks_compensation_and_collected_fees(plain):
    for market in (1, 3):
        plain.must(ListBlockTerms(market=market, block_lots=1, quote_lots=1, fee_ppm=100, regular_ppm=50_000,
                                  extended_ppm=50_000, overnight_ppm=50_000, closed_ppm=50_000, publication_ns=SECOND,
                                  mask_lots=10**6))  # fmt: skip
    events = plain.must(
        ProposeBlock(counterparty=2, markets=(1, 3), lots=(-700, 40), prices=(10_010, 10_020),
                     expiry_ns=plain.time_ns + 60 * SECOND), 1,
    )  # fmt: skip
    block = next(e.body.block for e in events if isinstance(e.body, BlockProposed))
    plain.must(AcceptBlock(block=block), 2)
    plain.must(FundTreasury(asset=USD, amount=10**9))
    plain.must(CompensateError(account=3, asset=USD, amount=12_345, trade=1, reason="a wrong print"))
    plain.must(CollectFees(account=3, asset=USD, amount=100))
    seen = met(plain)
    assert seen["BlockTraded"] == 2
    assert {"compensation", "fees_collected"} <= causes(plain)


def test_withdrawals_that_are_voided_and_paid(plain):
    for reference, ends in ((1, SettleWithdrawal), (2, VoidWithdrawal)):
        events = plain.must(RequestWithdrawal(asset=USD, amount=1_000 * reference), 3)
        number = next(e.body.withdrawal for e in events if isinstance(e.body, WithdrawalRequested))
        plain.must(ends(withdrawal=number))
    run, _ = folded(plain.engine.sent)
    kinds = [row[4] for row in run.batch.appended["transfers"] if row[3] == 3]
    assert kinds == [
        "deposit",
        "deposit",
        "withdrawal",
        "withdrawal_settled",
        "withdrawal",
        "withdrawal_voided",
    ]
