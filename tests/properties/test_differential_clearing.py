"""Random execution reports, repeated, out of order and wrong: the engine's order is the sum of its unique fills, and no share is lost."""

from collections.abc import Callable
from random import Random

import pytest
from tests.reference.clearing import Report, Terms, outcome
from tests.venues import NAME, SECOND, USD, PlainVenue, open_plain_venue

from novate.messages import (
    AttestBacking,
    BreakOpened,
    CommandRefused,
    ConfigureClearing,
    Deposit,
    FundBroker,
    ListAsset,
    ListBroker,
    ListIssuance,
    PostDepth,
    ReportBrokerFill,
    RequestIssuance,
    RequestRedemption,
    rule,
)
from novate.messages.reports import account, clearing

M = 10**6
DAY = 86_400 * SECOND
FEE = 500
ISSUED = 3
"""A token of 8 decimals that stands for 1.0037 shares."""
MULTIPLIER, DECIMALS = 1_003_700_000, 8
SEQUENCES = 60


def issuing_venue() -> PlainVenue:
    """The plain venue with one token under the supply invariant and one broker."""
    venue = open_plain_venue({1: 1})
    venue.must(
        ListAsset(
            asset=ISSUED, name="NVDAi", asset_kind=1, decimals=DECIMALS, underlying=NAME, multiplier_ppb=MULTIPLIER, wrap_ppm=20_000,
            borrow_wrap_ppm=50_000, depeg_ppm=0, loan_to_value_ppm=650_000, owner_cap=10**15, venue_cap=10**15,
            sale_rank=1,
        )
    )  # fmt: skip
    venue.must(
        ConfigureClearing(
            quote_life_ns=30 * SECOND, queue_life_ns=DAY, default_freeze_ns=10 * DAY, peg_ppm=5_000, conversion_limit=10**12,
            conversion_cutoff_ns=DAY, shortage_cap=10**12, due_ppm=970_000, depth_age_ns=300 * SECOND, kept_ns=10 * DAY,
            queue_accounts=100,
        )
    )  # fmt: skip
    venue.must(ListBroker(broker=1, name="Prime", fractional=1, custody_limit=10**15, order_limit=10**13))
    venue.must(
        ListIssuance(
            token=ISSUED, cash=USD, mint_fee_ppm=FEE, redeem_fee_ppm=FEE, sanity_ppm=10_000, request_min=M, request_max=10**13,
            account_limit=10**13, token_limit=10**13, window_ns=DAY, sessions=(0, 31, 31, 31, 31, 0), statement_age_ns=30 * DAY,
        )
    )  # fmt: skip
    venue.must(
        AttestBacking(token=ISSUED, broker=1, units=10**12, shares=10**12 * MULTIPLIER // 10**DECIMALS)
    )
    venue.must(FundBroker(broker=1, amount=10**13))
    venue.must(PostDepth(underlying=NAME, buy=10**13, sell=10**13))
    venue.must(Deposit(asset=ISSUED, amount=10**11, reference=1), 1)
    return venue


def random_reports(random: Random, terms: Terms) -> list[Report]:
    """Parts, the rest, too much, the wrong name or side, a price beyond the limit; ids from a small set, so that many repeat."""
    reports: list[Report] = []
    whole = terms.shares or terms.dollars * 10**9 // terms.limit
    by_id: dict[bytes, Report] = {}
    for _ in range(random.randint(1, 14)):
        execution = bytes([random.randint(1, 12)]) + bytes(15)
        price = 100 * M + random.randint(-9 * M // 10, 9 * M // 10)
        fresh = Report(
            execution=execution,
            right_name=random.random() > 0.06,
            bought=terms.buys if random.random() > 0.06 else not terms.buys,
            shares=random.choice((whole // 3, whole // 5, whole // 7, whole, random.randint(1, whole), 1))
            or 1,
            price=price * 2 if random.random() < 0.04 and terms.buys else price,
            complete=random.random() < 0.08,
        )
        reports.append(by_id.setdefault(execution, fresh))
    return reports


@pytest.mark.parametrize("buys", [True, False])
def test_an_order_is_the_sum_of_its_unique_fills(
    buys: bool, record_property: Callable[[str, object], None]
) -> None:
    """Shares, tokens, escrow, dues and quarantine agree with the plain reference after every sequence."""
    fills = repeats = quarantined = 0
    for seed in range(SEQUENCES):
        random, venue = Random(seed), issuing_venue()
        amount = random.randint(10**7, 10**11)
        wish = RequestIssuance if buys else RequestRedemption
        venue.must(wish(token=ISSUED, amount=amount, reference=1), 1)
        dollars = amount * M // (M + FEE) if buys else 0
        shares = 0 if buys else amount * MULTIPLIER // 10**DECIMALS
        terms = Terms(
            buys=buys, held=amount, dollars=dollars, shares=shares, limit=101 * M if buys else 99 * M,
            fee_ppm=FEE, multiplier_ppb=MULTIPLIER, decimals=DECIMALS,
        )  # fmt: skip
        reports = random_reports(random, terms)
        found = 0
        for report in reports:
            events = venue.send(
                ReportBrokerFill(
                    order=2, execution=report.execution, underlying=NAME if report.right_name else 2, side=0 if report.bought else 1,
                    complete=int(report.complete), shares=report.shares, price=report.price, fee=0, settle_time_ns=venue.time_ns + DAY,
                )
            )  # fmt: skip
            found += sum(isinstance(event.body, BreakOpened) for event in events)
            refused = [event.body.code for event in events if isinstance(event.body, CommandRefused)]
            assert all(rule(code).name == "execution_must_be_new" for code in refused)
            repeats += len(refused)
        expected = outcome(terms, reports)
        (request,) = clearing.requests(venue.engine, 1)
        assert (request.shares, request.units, request.held, request.due) == (
            expected.shares, expected.units, expected.held, expected.due,
        ), (seed, terms, reports)  # fmt: skip
        assert (found, request.order != 0) == (expected.quarantined, expected.open)
        (line,) = clearing.supply(venue.engine)
        assert line.difference == 0
        assert line.surplus >= 0
        assert (line.bought if buys else line.sold) == expected.shares
        held = {b.asset: b for b in account(venue.engine, 1).balances}
        change = held[ISSUED].pledged + held[ISSUED].escrowed - 10**11
        assert change == (expected.units if buys else -expected.units)
        fills += len(reports)
        quarantined += found
    assert min(fills, repeats, quarantined) > SEQUENCES // 4, (fills, repeats, quarantined)
    record_property(
        "clearing",
        f"{SEQUENCES} sequences, {fills} reports, {repeats} repeats, {quarantined} in quarantine, 0 lost",
    )
