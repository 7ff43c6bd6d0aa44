"""The simulated exchange's statements against an engine that only heard its reports: nothing differs, day by day, but what was done wrong."""

import random
from datetime import date, time
from unittest import mock

import pytest
from msgspec.structs import replace

import venues
from novate.broker import (
    Accepted,
    Busted,
    Cancelled,
    Corrected,
    Filled,
    NewOrder,
    Rejected,
    Settled,
    execution_bytes,
)
from novate.broker.acts import Bust, Correct, FailSettlement
from novate.broker.custody import Opening
from novate.broker.displayed import Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.hours import settles_ns
from novate.broker.tape import Depth, generated
from novate.calendar import new_york_ns
from novate.clearing.ledger_side import Ledger, Told, moved_in, side_of
from novate.clearing.reconciliation import Carried, compare, engine_words
from novate.clearing.settlement import day_ends_ns
from novate.messages import (
    AdvanceTime,
    AttestBacking,
    BrokerOrderRaised,
    CommandRefused,
    ConfigureClearing,
    ConfirmCorporateAction,
    CorporateActionKind,
    CorrectCorporateAction,
    Deposit,
    FundBroker,
    ListBroker,
    ListIssuance,
    OpenAccount,
    PostDepth,
    ReportBrokerAccepted,
    ReportBrokerCancelled,
    ReportBrokerFill,
    ReportBrokerReject,
    ReportBust,
    ReportCorrection,
    ReportSettlement,
    ReportStatement,
    RequestIssuance,
    RequestRedemption,
    ScheduleCorporateAction,
    encode,
    iter_events,
)
from novate.messages.codes import CorporateActionState, Side
from novate.messages.reports import clearing, corporate
from venues import NAME, TOKEN, USD, M, open_plain_venue

SHARE, SECOND, DAY_NS = 10**9, 10**9, 86_400 * 10**9
THURSDAY, FRIDAY, MONDAY = date(2026, 1, 8), date(2026, 1, 9), date(2026, 1, 12)
STEP_NS = 3_000 * SECOND
"""Between two looks at most: a longer gap is an outage."""
CASH, HELD, HOLDER = 10**13, 100_000 * SHARE, 5


class Street:
    """An engine, an exchange, and what one is told of the other. `called` is what the exchange calls NVDA."""

    def __init__(self, seed, called="NVDA"):
        self.called = called
        self.random = random.Random(seed)
        start = new_york_ns(THURSDAY, time(10))
        tape = generated(
            called, start_ns=start - 3600 * SECOND, end_ns=start + 8 * DAY_NS, seed=seed, step_ns=60 * SECOND, step_ppm=20,
            depth=Depth(best=2_000 * SHARE, levels=3),
        )  # fmt: skip
        opening = Opening(cash=CASH, shares={called: HELD})
        self.exchange = Exchange(
            [tape], {"alpha": opening}, start_ns=start, terms=Terms(impact=Impact(parts=0))
        )
        patient = replace(venues.PRICES, outage_ns=3_600 * SECOND)
        with mock.patch.object(venues, "PRICES", patient):
            self.venue = open_plain_venue({})
        self.ledger, self.heard, self.reference, self.refused = Ledger(), 0, 0, []
        self.settling, self.matched, self.cursor, self.begun = True, set(), 0, False
        self._to(start)
        self.begun = True
        self._list()

    def _list(self):
        self.send(
            ConfigureClearing(
                quote_life_ns=30 * SECOND, queue_life_ns=DAY_NS, default_freeze_ns=10 * DAY_NS, peg_ppm=5_000, conversion_limit=10**12,
                conversion_cutoff_ns=DAY_NS, shortage_cap=10**13, due_ppm=970_000, depth_age_ns=DAY_NS, kept_ns=90 * DAY_NS,
                queue_accounts=100,
            )
        )  # fmt: skip
        self.send(ListBroker(broker=1, name="alpha", fractional=1, custody_limit=10**15, order_limit=10**14))
        self.send(FundBroker(broker=1, amount=CASH))
        self.send(
            ListIssuance(
                token=TOKEN, cash=USD, mint_fee_ppm=500, redeem_fee_ppm=500, sanity_ppm=200_000, request_min=1, request_max=10**14,
                account_limit=10**14, token_limit=10**14, window_ns=DAY_NS, sessions=(31,) * 6, statement_age_ns=30 * DAY_NS,
            )
        )  # fmt: skip
        self.send(AttestBacking(token=TOKEN, broker=1, units=HELD // 1_000, shares=HELD))
        self.send(OpenAccount(owner=1), HOLDER)
        self.send(Deposit(asset=USD, amount=10**13, reference=1), HOLDER)
        self.send(Deposit(asset=TOKEN, amount=HELD // 2_000, reference=2), HOLDER)
        assert not self.refused, self.refused
        self.pass_to(self.exchange.time_ns + SECOND)

    def send(self, command, account=0, actor=0):
        """A command at the exchange's time; orders that it raises go to the exchange."""
        venue = self.venue
        if self.begun:
            venue.time_ns = max(venue.time_ns, self.exchange.time_ns)
        said = encode(
            command, account=account, actor=actor, sequence=venue.engine.sequence + 1, time_ns=venue.time_ns
        )
        events = venue.engine.apply(said)
        for one in moved_in(Told(venue.engine.sequence, venue.engine.sequence, venue.time_ns, events, said)):
            self.ledger.take(one)
        bodies = [event.body for event in iter_events(events)]
        self.refused += [body for body in bodies if isinstance(body, CommandRefused)]
        for body in bodies:
            if isinstance(body, BrokerOrderRaised):
                order = NewOrder(
                    order=f"n{body.order}", symbol=self.called, side=Side(body.side), shares=body.shares, dollars=body.dollars,
                    limit=body.limit_price * 1_000,
                )  # fmt: skip
                self.exchange.say("alpha", order, self.exchange.time_ns)
        return bodies

    def listen(self):
        """What the exchange told since, as commands."""
        for one in self.exchange.reports("alpha").behind(self.cursor):
            self.cursor = one.number
            self._hear(one.report)

    def _hear(self, report):
        order = int(getattr(report, "order", "n0")[1:] or 0)
        match report:
            case Accepted():
                self.send(ReportBrokerAccepted(order=order))
            case Rejected():
                self.send(ReportBrokerReject(order=order))
            case Cancelled():
                self.send(ReportBrokerCancelled(order=order))
            case Filled():
                price = -(-report.price // 1_000) if report.side == Side.BID else report.price // 1_000
                self.send(
                    ReportBrokerFill(
                        order=order, execution=execution_bytes(report.execution), underlying=NAME, side=report.side,
                        complete=int(report.complete), shares=report.shares, price=price, fee=report.fee,
                        settle_time_ns=settles_ns(report.settles),
                    )
                )  # fmt: skip
            case Busted():
                self.send(ReportBust(broker=1, execution=execution_bytes(report.execution)))
            case Corrected():
                price = report.price // 1_000
                self.send(
                    ReportCorrection(
                        broker=1,
                        execution=execution_bytes(report.execution),
                        shares=report.shares,
                        price=price,
                    )
                )
            case Settled():
                if self.settling:
                    key = execution_bytes(report.execution)
                    self.send(ReportSettlement(broker=1, settled=int(report.settled), execution=key))

    def pass_to(self, time_ns):
        """Time passes at both, and prices keep coming."""
        while True:
            self.exchange.advance(min(max(time_ns, self.exchange.time_ns), self.exchange.time_ns + STEP_NS))
            self.listen()
            self._to(self.exchange.time_ns)
            self.listen()
            if self.exchange.time_ns >= time_ns:
                return

    def _to(self, time_ns):
        while True:
            self.venue.time_ns = max(min(time_ns, self.venue.time_ns + STEP_NS), self.venue.time_ns)
            for number, dollars in ((NAME, 100), (2, 1)):
                self.venue.price(number, dollars * M)
            if self.begun:
                self.send(PostDepth(underlying=NAME, buy=10**13, sell=10**13))
            self.send(AdvanceTime())
            if self.venue.time_ns >= time_ns:
                return

    def trade(self, number):
        """Wishes of a holder, here and there an execution that is taken back or corrected."""
        for _ in range(number):
            self.reference += 1
            if self.random.random() < 0.6:
                wish = RequestIssuance(
                    token=TOKEN, amount=self.random.randint(10, 30_000) * M, reference=self.reference
                )
            else:
                wish = RequestRedemption(
                    token=TOKEN, amount=self.random.randint(10**5, 200 * M), reference=self.reference
                )
            self.send(wish, HOLDER)
            self.listen()
            self.pass_to(self.exchange.time_ns + self.random.choice((1, 40, 400)) * SECOND)
            if self.random.random() < 0.25:
                self._touch()

    def _touch(self):
        standing = [
            (name, one)
            for name, one in self.exchange.desks["alpha"].custody.executions.items()
            if not one.busted
        ]
        if not standing:
            return
        name, one = self.random.choice(standing)
        act = Bust(execution=name)
        if self.random.random() < 0.5:
            shares = one.trade.shares - self.random.randint(0, one.trade.shares // 2)
            act = Correct(execution=name, shares=shares, price=one.trade.price // 1_000 * 1_000)
        self.exchange.act("alpha", act, self.exchange.time_ns)
        self.listen()

    def act(self, action, **terms):
        """A corporate action by two people, until it has taken effect."""
        start = self.venue.time_ns + 60 * SECOND
        self.send(
            ScheduleCorporateAction(
                action=action, underlying=NAME, window_start_ns=start, window_end_ns=start + 600 * SECOND,
                correct_until_ns=start + 9 * DAY_NS, **terms,
            ),
            actor=7,
        )  # fmt: skip
        self.send(ConfirmCorporateAction(action=action), actor=8)
        self.pass_to(start + SECOND)
        (line,) = (one for one in corporate.actions(self.venue.engine) if one.action == action)
        assert line.state == CorporateActionState.APPLIED, (line, self.refused)

    def end_of(self, day):
        """The day's comparison, carried on from the one before."""
        self.pass_to(day_ends_ns(day))
        statement = self.exchange.end_of_day("alpha", day)
        side = side_of(self.venue.engine, self.ledger, 1, day, {"NVDA": self.called, "LATER": "LATER.O"})
        found = compare(statement, side, Carried(matched=frozenset(self.matched)))
        self.matched |= found.seen
        return found, side


@pytest.mark.parametrize("seed", range(6))
def test_statements_of_an_exchange_agree_with_books_that_only_heard_its_reports(seed):
    street = Street(seed)
    street.trade(25)
    thursday, side = street.end_of(THURSDAY)
    assert [(one.kind, one.subject, one.broker, one.venue) for one in thursday.breaks] == []
    assert thursday.matched["trades"] > 3 and side.cash.unsettled
    street.pass_to(settles_ns(FRIDAY))
    street.trade(15)
    friday, side = street.end_of(FRIDAY)
    assert friday.clean, friday.breaks
    assert not any(one.is_open and one.settles <= FRIDAY for one in side.executions.values())
    monday, side = street.end_of(MONDAY)
    assert monday.clean and side.cash.unsettled == 0, monday.breaks


def test_a_name_that_the_broker_calls_otherwise_is_the_same_name():
    street = Street(1, called="NVDA.O")
    street.trade(10)
    found, side = street.end_of(THURSDAY)
    assert found.clean and found.matched["trades"] > 3, found.breaks
    assert set(side.holdings) == {"NVDA.O"} and {one.symbol for one in engine_words(found, side)} == {
        "NVDA.O",
        "USD",
    }


def test_a_settlement_that_failed_stops_its_token_and_no_other():
    street = Street(1)
    street.send(RequestIssuance(token=TOKEN, amount=10_000 * M, reference=1), HOLDER)
    street.listen()
    (name,) = street.exchange.desks["alpha"].custody.executions
    street.exchange.act("alpha", FailSettlement(execution=name, days=1), street.exchange.time_ns)
    assert street.end_of(THURSDAY)[0].clean
    found, side = street.end_of(FRIDAY)
    kinds = [(one.kind.value, one.subject) for one in found.breaks if one.kind != "missing_at_broker"]
    assert kinds == [("settlement_failed", name)]
    words = {one.token: one.off for one in engine_words(found, side)}
    assert words[TOKEN] > 0 and words[0] == 0
    for token, off in words.items():
        line = next(
            (
                one.amount
                for one in clearing.books(street.venue.engine)
                if one.token == token and one.place == "Broker(1)"
            ),
            0,
        )
        street.send(ReportStatement(broker=1, token=token, amount=line + off))
    assert {one.token for one in clearing.breaks(street.venue.engine)} == {TOKEN}


def test_settlements_that_nobody_reported_are_late_and_nothing_else():
    street = Street(2)
    street.trade(6)
    assert street.end_of(THURSDAY)[0].clean
    street.settling = False
    found, _ = street.end_of(FRIDAY)
    assert {one.kind.value for one in found.breaks} == {"settlement_late"}


SPIN_OFF = {
    "action_kind": CorporateActionKind.SPIN_OFF,
    "ratio_new": 1,
    "ratio_old": 10,
    "other_underlying": 2,
}


def test_shares_of_another_company_change_none_of_a_statement():
    """A spin-off has a ratio, and it is of the other company's shares: this one's executions and position stay what they were."""
    street = Street(3)
    street.trade(6)
    before = {key: one.signed for key, one in street.ledger.of(1).items()}
    street.act(1, **SPIN_OFF)
    assert before and {key: one.signed for key, one in street.ledger.of(1).items()} == before
    found, side = street.end_of(THURSDAY)
    assert found.clean and side.ratios == {}, found.breaks
    assert street.ledger.splits == [] and street.ledger.dividends[1].amount == M // 10
    assert street.ledger.each[1] == {TOKEN: 10**11}


def test_an_estimate_is_receivable_from_its_ex_date_and_what_it_is_corrected_to_after():
    street = Street(4)
    street.act(1, action_kind=CorporateActionKind.RIGHTS, estimated=1)
    assert street.ledger.each.get(1, {}).get(TOKEN, 0) == 0 and street.ledger.dividends[1].amount == 0
    for amount, each in ((M // 2, 5 * 10**11), (M // 4, 25 * 10**10)):
        street.send(CorrectCorporateAction(action=1, amount=amount))
        street.pass_to(street.exchange.time_ns + SECOND)
        (line,) = corporate.actions(street.venue.engine)
        assert (line.booked, line.state) == (amount, CorporateActionState.CORRECTED), street.refused
        assert street.ledger.each[1] == {TOKEN: each}


@pytest.mark.parametrize("kind", [CorporateActionKind.MERGER, CorporateActionKind.DELISTING])
def test_the_end_of_a_company_is_no_split_and_no_dividend(kind):
    street = Street(5)
    terms = SPIN_OFF | {"action_kind": kind} if kind == CorporateActionKind.MERGER else {"action_kind": kind}
    street.act(1, amount=M, **terms)
    assert (street.ledger.splits, street.ledger.dividends, street.ledger.each) == ([], {}, {})
