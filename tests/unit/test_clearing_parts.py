"""The parts of clearing one by one: an order's life, ids, prices, the desk, the outbox, settings."""

from contextlib import nullcontext
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from novate.broker import Filled, Heard, Level, LineUp, NewOrder, PrimaryBook
from novate.clearing.desk import DeskTerms, Why, Wish, depth, firm_price, walked_dollars, walked_shares
from novate.clearing.intake import CENT, whole_cents
from novate.clearing.life import TABLE, Event, NoSuchStep, State, after
from novate.clearing.names import Names, order_id, order_number
from novate.clearing.outbox import Outbox
from novate.clearing.settings import load_clearing
from novate.clearing.words import Converted, Deliver, kept, word_of
from novate.cli import main
from novate.errors import ConfigError
from novate.keepers.pace import Pace
from novate.messages import Session, Side
from novate.messages.reports import clearing as questions
from novate.messages.reports.portfolios import AssetName, Listed, UnderlyingName
from novate.prices.archive import raw_hash
from novate.reader_process import ReaderClient

SECOND = 10**9
NANO = 10**9

# --- the life of an order ------------------------------------------------------------------------------------------------

BY_EVENT = {
    Event.HAND_OVER: {"waiting": "leaving"},
    Event.NOT_LEFT: {"leaving": "waiting"},
    Event.ALIVE: {"waiting": "working", "leaving": "working", "working": "working", "disputed": "working", "done": "done", "returned": "working"},
    Event.END: dict.fromkeys(("waiting", "leaving", "working", "disputed", "done", "returned"), "done"),
    Event.NOT_KNOWN: {
        "leaving": "waiting", "working": "disputed", "disputed": "disputed", "done": "done", "returned": "returned", "waiting": "waiting",
    },
    Event.GIVE_BACK: {"waiting": "returned"},
    Event.SETTLE: {"disputed": "done"},
}  # fmt: skip


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_the_table_is_as_its_second_writing_says(state, event):
    expected = BY_EVENT[event].get(state.value)
    assert TABLE.get((state, event)) == expected
    if expected is None:
        with pytest.raises(NoSuchStep, match=f"{state}.*{event}"):
            after(state, event)


def test_an_order_leaves_again_only_by_the_brokers_word_that_it_never_had_it():
    back = {
        (state, event)
        for (state, event), to in TABLE.items()
        if to == State.WAITING and state != State.WAITING
    }
    assert back == {(State.LEAVING, Event.NOT_LEFT), (State.LEAVING, Event.NOT_KNOWN)}


# --- names ---------------------------------------------------------------------------------------------------------------


@given(some.binary(min_size=32, max_size=32), some.integers(0, 2**64 - 1))
def test_an_order_id_fits_every_broker_and_tells_its_number(journal, number):
    said = order_id(journal, number)
    assert len(said) <= 20 and set(said) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    assert order_number(said) == number


@given(some.integers(1, 10**13))
def test_an_order_in_dollars_is_in_cents_and_leaves_room_for_rounding(dollars):
    said = whole_cents(dollars)
    assert 0 < said <= dollars
    assert said == dollars or (said % CENT == 0 and 1_000 <= dollars - said < CENT + 1_000)


def names(decimals: int = 6, multiplier: int = NANO) -> Names:
    listed = Listed(
        underlyings=(
            UnderlyingName(underlying=1, name="USDC", decimals=6, price_min=1, price_max=2, nav=True, closes=False, sources=()),
            UnderlyingName(underlying=7, name="BRK-B", decimals=decimals, price_min=1, price_max=2, nav=False, closes=True, sources=()),
        ),
        assets=(
            AssetName(asset=1, name="USDC", stablecoin=True, underlying=1, decimals=6, multiplier_ppb=NANO, pool=False),
            AssetName(asset=7, name="tBRK", stablecoin=False, underlying=7, decimals=6, multiplier_ppb=multiplier, pool=False),
        ),
        markets=(),
    )  # fmt: skip
    return Names.of(listed, {"BRK-B": "BRK.B"})


@given(some.integers(0, 9), some.integers(1, 10**14))
def test_a_price_comes_back_exact_or_rounded_against_the_venue(decimals, price):
    known = names(decimals)
    up, down = known.price_heard(7, price, up=True), known.price_heard(7, price, up=False)
    assert known.price_said(7, down) <= price <= known.price_said(7, up)
    assert up - down in (0, 1)
    assert known.price_heard(7, known.price_said(7, down), up=True) == down


def test_symbols_are_looked_up_both_ways_and_mistakes_are_told():
    assert (names().symbols[7], names().underlying_of("BRK.B"), names().underlying_of("XYZ")) == (
        "BRK.B",
        7,
        0,
    )
    listed = Listed(underlyings=tuple(names().underlyings.values()), assets=(), markets=())
    with pytest.raises(ConfigError, match="no underlying 'NVDA'"):
        Names.of(listed, {"NVDA": "NVDA"})
    with pytest.raises(ConfigError, match="USDC and BRK-B are both 'USDC'"):
        Names.of(listed, {"BRK-B": "USDC"})


# --- the desk ------------------------------------------------------------------------------------------------------------

TERMS = DeskTerms(
    {Session.REGULAR: 100, Session.POST: 1_000}, age_ppm=10, oldest_ns=10 * SECOND, reach_ppm=1_000
)
NOW = 1_000 * SECOND


class Market:
    def __init__(self, **change) -> None:
        said = {
            "symbol": "BRK.B", "bids": (Level(99 * NANO, 10 * NANO), Level(98 * NANO, 10 * NANO)),
            "asks": (Level(100 * NANO, 10 * NANO), Level(102 * NANO, 10 * NANO)), "session": Session.REGULAR, "at_ns": NOW,
        }  # fmt: skip
        self.shown = PrimaryBook(**(said | change))

    def book(self, symbol):
        return self.shown if symbol == "BRK.B" else None


ISSUE, REDEEM = 0, 1
PRICES = {
    "one level": (Wish(7, ISSUE, 500_000_000), Market(), 100_010_000),
    "two levels: 1,000 at 100 and 510 at 102": (Wish(7, ISSUE, 1_510_000_000), Market(), 100_676_734),
    "sold into two levels": (Wish(7, REDEEM, 15_000_000), Market(), 98_656_799),
    "in the evening": (Wish(7, REDEEM, 1_000_000), Market(session=Session.POST), 98_901_000),
    "five seconds old": (Wish(7, REDEEM, 1_000_000), Market(at_ns=NOW - 5 * SECOND), 98_985_150),
    "too old": (Wish(7, REDEEM, 1), Market(at_ns=NOW - 11 * SECOND), Why.OLD),
    "too thin to buy": (Wish(7, ISSUE, 2_100_000_000), Market(), Why.THIN),
    "too thin to sell": (Wish(7, REDEEM, 21_000_000), Market(), Why.THIN),
    "closed": (Wish(7, ISSUE, 1), Market(session=Session.CLOSED), Why.CLOSED),
    "halted": (Wish(7, ISSUE, 1), Market(session=Session.HALTED), Why.CLOSED),
    "a session without a spread": (Wish(7, ISSUE, 1), Market(session=Session.PRE), Why.CLOSED),
    "no offers": (Wish(7, REDEEM, 1), Market(asks=()), Why.CLOSED),
    "crossed": (Wish(7, REDEEM, 1), Market(bids=(Level(101 * NANO, NANO),)), Why.CROSSED),
    "another token": (Wish(9, REDEEM, 1), Market(), Why.UNKNOWN),
}


@pytest.mark.parametrize("case", PRICES)
def test_a_firm_price_or_why_there_is_none(case):
    wish, market, expected = PRICES[case]
    assert firm_price(wish, names(), market, TERMS, NOW) == expected


def test_nobody_shows_a_market():
    assert firm_price(Wish(7, ISSUE, 1), names(), None, TERMS, NOW) == Why.UNKNOWN
    assert depth(names(), 7, None, TERMS, NOW) == (0, 0)


def test_depth_is_what_is_within_reach_and_nothing_where_the_market_is_not_sound():
    assert depth(names(), 7, Market(), TERMS, NOW) == (1_000_000_000, 990_000_000)
    wide = TERMS._replace(reach_ppm=30_000)
    assert depth(names(), 7, Market(), wide, NOW) == (2_020_000_000, 1_970_000_000)
    assert depth(names(), 7, Market(at_ns=0), TERMS, NOW) == (0, 0)


LEVELS = some.lists(
    some.tuples(some.integers(10**8, 10**12), some.integers(1, 10**13)), min_size=1, max_size=6
)


@given(LEVELS, some.integers(1, 10**16))
@settings(deadline=None)
def test_walked_prices_lie_within_the_levels_and_never_favour_the_holder(levels, amount):
    asks = tuple(Level(*one) for one in sorted(levels))
    bids = tuple(reversed(asks))
    sold = walked_shares(bids, amount)
    if sold is None:
        assert sum(one.shares for one in bids) < amount
    else:
        assert bids[-1].price <= sold <= bids[0].price
    spent = walked_dollars(asks, amount)
    if spent is not None:
        assert asks[0].price <= spent


# --- the outbox ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def outbox(tmp_path):
    with Outbox(tmp_path) as found:
        yield found


def an_order(outbox: Outbox, number: int = 1, broker: int = 1):
    said = NewOrder(order=f"X-{number}", symbol="NVDA", side=Side.BID, shares=0, dollars=10**9, limit=NANO)
    with outbox.heard_until(number):
        outbox.add_order(said, number, broker, request=1, purpose=0, token=7, underlying=7, now_ns=number)
    return outbox.order(said.order)


def test_what_an_event_asks_for_and_the_place_behind_it_are_one(outbox):
    def fails() -> None:
        with outbox.heard_until(5):
            outbox.say("deliver:1", Deliver(request=1), 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert (outbox.place.sequence, outbox.waiting()) == (0, [])
    with outbox.heard_until(5):
        outbox.say("deliver:1", Deliver(request=1), 1)
    assert outbox.place.sequence == 5 and [one.word for one in outbox.waiting()] == [Deliver(request=1)]


def test_the_same_report_is_kept_once_with_its_raw_message_and_cursor(outbox):
    fill = Filled(
        order="X-1", execution="e1", symbol="NVDA", side=Side.BID, shares=5, price=1, fee=0, complete=False, settles=date(2025, 1, 2), traded_ns=1
    )  # fmt: skip
    an_order(outbox)
    heard = Heard(fill, "key", "7", b"as it came", 10**18)
    assert outbox.hear(1, heard) and not outbox.hear(1, heard)
    assert outbox.hear(2, heard)  # another broker's message of the same name
    assert outbox.cursor(1) == "7"
    assert outbox.order("X-1").shares == 5
    assert outbox.order_of_execution(1, "e1").id == "X-1" and outbox.order_of_execution(1, "e2") is None
    assert outbox._raw.find(raw_hash(b"as it came")).raw == b"as it came"


def test_a_word_that_the_engine_refused_makes_room_for_what_was_meant(outbox):
    wrong, meant = Converted(conversion=1, amount=9, by="tess"), Converted(conversion=1, amount=5, by="tess")
    for code, stands in ((0, True), (941, False)):  # 0: nobody knows whether it was told
        key = f"converted:{code}"
        assert outbox.say(key, wrong, 1)
        outbox.over({}, {outbox.waiting()[0].row: code}, [], [], 2)
        outbox.make_room(key)
        assert outbox.say(key, meant, 3) is not stands
        assert [one.word for one, said in outbox.refused() if said == code] == [wrong] * stands
    assert [one.word for one in outbox.waiting()] == [meant]
    outbox.make_room("converted:941")
    assert not outbox.say("converted:941", wrong, 4)


@pytest.mark.parametrize("days", [1, -1])
def test_a_default_is_said_again_once_its_freeze_is_over_by_the_venues_clock(
    tmp_path, monkeypatch, capsys, days
):
    start_ns = 1_760_000_000 * SECOND  # a recorded day: all of it is over by this machine's clock
    Pace.begin(start_ns).write(tmp_path)
    Outbox(tmp_path).close()
    line = SimpleNamespace(broker=1, frozen_until_ns=start_ns + days * 86_400 * SECOND)
    monkeypatch.setattr(ReaderClient, "connect", lambda _: nullcontext())
    monkeypatch.setattr(questions, "brokers", lambda _: [line])
    status = main(["clearing", "default", str(tmp_path), "1", "--json"])
    assert (status, "in default already" in capsys.readouterr().out) == (
        (1, True) if days > 0 else (0, False)
    )


def test_an_answer_to_a_question_that_is_older_than_the_order_says_nothing(outbox):
    order = an_order(outbox)
    outbox.hand_over(order, 1)
    outbox.asking(outbox.order("X-1"))
    outbox.over({}, {}, [("X-1", Event.NOT_KNOWN)], [], 2)
    assert outbox.order("X-1").state == State.WAITING
    outbox.hand_over(outbox.order("X-1"), 3)
    outbox.over({}, {}, [("X-1", Event.NOT_KNOWN)], [], 4)  # said again, to a second question of before
    assert outbox.order("X-1").state == State.LEAVING
    outbox.asking(outbox.order("X-1"))
    outbox.over({}, {}, [("X-1", Event.NOT_KNOWN)], [], 5)
    assert outbox.order("X-1").state == State.WAITING


def test_what_is_over_is_forgotten_and_what_is_open_is_not(outbox):
    for number in (1, 2):
        an_order(outbox, number)
    outbox.over({}, {}, [("X-1", Event.END)], [], 10)
    outbox.hear(1, Heard(LineUp(), "", "", b"", 5))
    (line,) = outbox.waiting()
    outbox.over({line.row: 0}, {}, [], [], 10)
    assert outbox.forget(before_ns=5) == 0
    assert outbox.forget(before_ns=11) == 2
    assert [one.id for one in outbox.orders(State)] == ["X-2"]


def test_a_line_that_comes_up_asks_anew_for_ends_that_were_wanted(outbox):
    order = an_order(outbox)
    outbox.hand_over(order, 1)
    outbox.cancelling(outbox.order("X-1"))
    assert outbox.order("X-1").cancelling
    outbox.hear(1, Heard(LineUp(), "", "", b"", 5))
    found = outbox.order("X-1")
    assert (found.cancelling, found.cancels) == (False, 1)


def test_words_are_kept_as_they_are():
    for word in (Deliver(request=2**63), LineUp()):
        assert word_of(kept(word)) == word


# --- settings ------------------------------------------------------------------------------------------------------------

MISTAKES = {
    "an unknown key": ({"brokers": []}, "brokers"),
    "two lines of one name": (
        {"broker": [{"name": "A", "adapter": "simulated"}] * 2},
        "one name has two lines",
    ),
    "a market of nobody": ({"market": {"broker": "B"}}, "market.broker"),
    "two markets": ({"market": {"file": "a", "adapter": "b:c"}}, "one of broker, file and adapter"),
    "a time without unit": ({"patience": "5"}, "patience"),
    "no time": ({"patience": "0 s"}, "above zero"),
    "a spread that is none": ({"desk": {"spread": {"regular": "much"}}}, "desk.spread.regular"),
    "an unknown changer": ({"conversion": {"by": "magic"}}, "conversion"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_settings_is_one_clear_error(case):
    said, expected = MISTAKES[case]
    with pytest.raises(ConfigError, match=expected):
        load_clearing(said)


def test_the_defaults_are_settings():
    terms = load_clearing({}).terms()
    assert terms.desk.spread_ppm == {Session.PRE: 1_000, Session.REGULAR: 200, Session.POST: 1_000}
