"""Around the bridge's machine: what an operator writes, what is kept, what is heard, and who shows the primary market."""

import asyncio
import json
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from websockets.sync.server import serve

from gateways import eventually
from novate.bridge import facts, hearing
from novate.bridge.day import Day, Stop, keep, restore
from novate.bridge.hedging import Burn
from novate.bridge.inventory import Flight
from novate.bridge.limits import Capacity, Price, Purse, Stance
from novate.bridge.lockstep import LockstepBridge
from novate.bridge.machine import Ask, Machine
from novate.bridge.primary import ExchangeMarket, FeedMarket, primary_of
from novate.bridge.run import ASKED, Bridge
from novate.bridge.settings import PrimarySettings, TotalSettings, load_settings, name_terms, total_terms
from novate.bridge.story import Story
from novate.bridge.telling import lines, report
from novate.broker.book_file import BookFile, write_books
from novate.broker.port import Level, PrimaryBook
from novate.client import answers
from novate.config import load_listing
from novate.config.load import packaged_text
from novate.errors import ConfigError, DataError
from novate.gateway.routes import READS, Access
from novate.identity.authority import ACTIONS
from novate.keepers.health import write_health
from novate.messages import CommandRefused, EventMessage, Header, RequestRedemption, RequestReserved
from novate.messages.codes import Quality, RequestKind, RequestState, Session, Side
from novate.schema.operations import operation
from novate.schema.outcomes import happenings
from novate.up.processes import Plan
from toy_venue import SHARE, Toy, book, terms

LEAST = {
    "account": 9,
    "name": [
        {
            "symbol": "NVDA",
            "token": "tNVDA",
            "spot": "tNVDA-USDC",
            "perp": "NVDA-PERP",
            "mint_fee": "5 bps",
            "redeem_fee": "5 bps",
        }
    ],
}
MARKETS = {
    "tNVDA-USDC": answers.Market(
        name="tNVDA-USDC", kind="spot", underlying="NVDA", base="tNVDA", quote="USDC", price_step=Decimal("0.01"),
        quantity_step=Decimal("0.01"),
    ),
    "NVDA-PERP": answers.Market(
        name="NVDA-PERP", kind="perp", underlying="NVDA", base=None, quote="USDC", price_step=Decimal("0.01"), quantity_step=Decimal("0.01")
    ),
}  # fmt: skip
ASSETS = {
    "tNVDA": answers.Asset(
        name="tNVDA",
        kind="token",
        underlying="NVDA",
        decimals=6,
        shares_per_token=Decimal("2.5"),
        can_be_lent=False,
    )
}


def named(**change) -> dict:
    return {**LEAST, "name": [{**LEAST["name"][0], **change}]}


# --- settings ----------------------------------------------------------------------------------------------------------


def test_the_least_file_quotes_three_sessions_and_hedges_in_one():
    settings = load_settings(LEAST)
    terms = name_terms(settings.name[0], MARKETS, ASSETS)
    assert set(terms.conduct) == {Session.PRE, Session.REGULAR, Session.POST}
    assert [session for session, how in terms.conduct.items() if how.hedges] == [Session.REGULAR]
    spot, perp = terms.markets
    assert (spot.shares_ppb, spot.part_ppm, spot.fee_ppm) == (2_500_000_000, 500_000, 200)
    assert (perp.shares_ppb, perp.part_ppm, perp.fee_ppm) == (SHARE, 500_000, 150)
    assert (terms.token_ppb, terms.token_step, terms.passed_ppm) == (2_500_000_000, 1_000, 1_000_000)
    assert total_terms(settings.total).unhedged == 2_000_000_000_000


MISTAKES = [
    ({"account": 0, "name": LEAST["name"]}, "account"),
    ({**LEAST, "speed": 1}, "unknown field `speed`"),
    ({**LEAST, "name": []}, "name"),
    ({**LEAST, "name": [*LEAST["name"], *LEAST["name"]]}, "name.symbol is said once each, got NVDA, NVDA"),
    ({**LEAST, "key": 4}, "secret_env must name the variable with the secret of key 4"),
    ({**LEAST, "beat": "0 s"}, "beat is above zero, got 0 s"),
    ({**LEAST, "silence": "soon"}, "silence"),
    ({**LEAST, "primary": {"kind": "feed"}}, "primary.feed is said where primary.kind is feed"),
    ({**LEAST, "total": {"loss": "5"}}, "total.loss"),
    (named(spot="", perp=""), "NVDA needs a spot market, a perp, or both"),
    (named(passed="120 %"), "passed is from 0 to 100 %, got 120 %"),
    (named(mint_fee="-1 bps"), "mint_fee is from 0 to 50 %, got -1 bps"),
    (named(spot_part="101 %"), "spot_part is from 0 to 100 %"),
    (named(gather="0 s"), "gather is above zero"),
    (named(base=1.5), "base"),
    (named(conduct={"regular": {"edge": "1 bps", "levels": 0}}), "levels"),
    (named(conduct={"halted": {"edge": "1 bps"}}), "halted"),
]


@pytest.mark.parametrize(("said", "words"), MISTAKES, ids=[one[1][:40] for one in MISTAKES])
def test_a_mistake_in_the_file_is_told_with_its_place(said, words):
    with pytest.raises(ConfigError) as raised:
        load_settings(said)
    assert words in raised.value.sentence


UNFIT = [
    (named(token="tX"), "the venue has no tX"),
    (named(underlying="AAPL"), "tNVDA is a token of NVDA, not AAPL"),
    (named(spot="NVDA-PERP"), "the venue has no spot market NVDA-PERP of NVDA"),
    (named(perp="X"), "the venue has no perp X of NVDA"),
]


@pytest.mark.parametrize(("said", "words"), UNFIT, ids=[one[1] for one in UNFIT])
def test_names_that_the_venue_does_not_have_are_refused(said, words):
    with pytest.raises(ConfigError) as raised:
        name_terms(load_settings(said).name[0], MARKETS, ASSETS)
    assert words in raised.value.sentence


# --- what is kept ------------------------------------------------------------------------------------------------------


def test_what_was_known_comes_back_whole(tmp_path):
    toy, day = Toy(1), Day(tmp_path)
    assert day.read() is None
    for _ in range(5):
        toy.step(trades=2)
    toy.name.inventory.flights[77] = Flight(True, 5)
    day.write(keep(toy.machine, "2025-10-09", 41, 900))
    again = Toy(2)
    kept = day.read()
    restore(again.machine, kept)
    assert (kept.day, kept.heard, kept.reference) == ("2025-10-09", 41, 900)
    for part in ("tokens", "perps", "flights", "cash", "traded"):
        assert getattr(again.name.inventory, part) == getattr(toy.name.inventory, part), part
    again.machine.hear(facts.RequestMoved(77, RequestState.REJECTED))
    assert 77 not in again.name.inventory.flights


def test_a_damaged_day_is_refused_and_a_damaged_stop_is_a_stop(tmp_path):
    day = Day(tmp_path)
    assert day.stops() == ()
    assert not day.resume()
    drill = Stop("a drill", "ann", 5, hedges=False)
    day.stop(Stop("an earlier one", "bob", 4))
    day.stop(drill)
    assert Day(tmp_path).stops() == (drill,), "a person's last word"
    for name in ("stop", "losses"):
        (tmp_path / "bridge" / f"{name}.json").write_text("{")
        assert f"{name}.json can't be read" in {one.reason for one in day.stops()}
    day.lose([Stop("loss_of_the_name", "bridge", 6, symbol="X")])
    assert [(one.reason, one.symbol) for one in day.stops()][1:] == [
        ("losses.json can't be read", ""),
        ("loss_of_the_name", "X"),
    ]
    assert day.resume()
    assert day.stops() == ()
    (tmp_path / "bridge" / "day.json").write_text('{"day": 5}')
    with pytest.raises(DataError, match="is not what a bridge keeps"):
        day.read()


def bridge_of(home, machine=None) -> Bridge:
    """A bridge whose venue is never asked."""
    found = Bridge(home, load_settings(LEAST), None, None, lambda: 7)
    found._machine = machine or Toy(1).machine
    return found


def test_every_stop_outlives_the_process_whoever_wrote_it_and_when(tmp_path):
    """A limit is passed, a person writes a stop before the bridge keeps its own, and one of a name that is not there any more."""
    toy, day = Toy(1, terms(loss=10 * 10**6)), Day(tmp_path)
    bridge = bridge_of(tmp_path, toy.machine)
    day.lose([Stop("loss_of_the_name", "bridge", 5, symbol="GONE")])
    toy.step()
    toy.name.carry(-11 * 10**6)
    toy.step()
    assert toy.name.stopped == "loss_of_the_name"
    person = Stop("a drill", "ann", 5, hedges=False)
    day.stop(person)
    bridge._keep_losses()
    bridge._keep_losses()
    assert [(one.reason, one.symbol) for one in day.stops()] == [
        ("a drill", ""),
        ("loss_of_the_name", "GONE"),
        ("loss_of_the_name", "X"),
    ]
    again = Toy(2)
    after = bridge_of(tmp_path, again.machine)
    for _ in range(2):
        after._take_stops()
        assert (again.name.stopped, again.name.hedges_when_stopped) == ("a drill", False)
    (tmp_path / "bridge" / "stop.json").unlink()
    after._take_stops()
    assert (again.name.stopped, again.name.hedges_when_stopped) == ("loss_of_the_name", True)
    day.resume()
    after._take_stops()
    assert not again.name.stopped


def test_how_it_stands_is_told_whether_it_runs_or_not(tmp_path):
    assert list(lines(report(tmp_path))) == ["The bridge does not run."]
    toy = Toy(1)
    toy.step(trades=1)
    values = {"line": {"connected": True}, **toy.machine.values()}
    write_health(tmp_path, "bridge", values)
    said = list(lines(report(tmp_path, [Stop("a drill", "ann", 5)])))
    assert said[0] == "Stopped by ann: a drill"
    kept = [Stop("a drill", "ann", 5, hedges=False), Stop("loss_of_the_name", "bridge", 6, symbol="X")]
    assert list(lines(report(tmp_path, kept)))[:2] == [
        "Stopped by ann: a drill, not hedged",
        "Stopped by bridge: loss_of_the_name, X",
    ]
    assert said[1].startswith("Line to the venue: up; result of the day")
    assert "X: withdrawn" in said[2] or "X: quoting" in said[2]


def test_a_venue_starts_a_bridge_where_one_is_configured(tmp_path):
    assert "bridge" not in [one.name for one in Plan(home=tmp_path).processes()]
    (tmp_path / "bridge.toml").write_text("account = 9")
    found = {one.name: one for one in Plan(home=tmp_path, port=9000).processes()}
    assert found["bridge"].arguments == ("bridge", "run", str(tmp_path), "--url", "http://127.0.0.1:9000")
    assert "bridge" not in [
        one.name for one in Plan(home=tmp_path, without=frozenset({"bridge"})).processes()
    ]


# --- splits ------------------------------------------------------------------------------------------------------------


class Listed:
    """A client that says what the venue lists, and nothing else."""

    def __init__(self) -> None:
        coin = answers.Asset(
            name="USDC",
            kind="stablecoin",
            underlying="USDC",
            decimals=6,
            shares_per_token=Decimal(0),
            can_be_lent=False,
        )
        self.listed_markets, self.listed_assets = list(MARKETS.values()), [coin, *ASSETS.values()]

    async def markets(self):
        return self.listed_markets

    async def assets(self):
        return self.listed_assets

    def split(self, ratio: int) -> None:
        """More shares behind a token and in a lot, at a smaller price."""
        coin, token = self.listed_assets
        spot, perp = self.listed_markets
        self.listed_assets = [coin, structs.replace(token, shares_per_token=token.shares_per_token * ratio)]
        self.listed_markets = [
            spot,
            structs.replace(
                perp, price_step=perp.price_step / ratio, quantity_step=perp.quantity_step * ratio
            ),
        ]


def shows(machine: Machine, cents: int) -> None:
    """Primary market and venue agree on a price."""
    machine.book(book(cents / 100 - 0.01, cents / 100 + 0.01)._replace(symbol="NVDA"))
    machine.price("NVDA", Price(cents * SHARE // 100, Quality.LIVE, Session.REGULAR))
    machine.capacity("tNVDA", Capacity(10**14, 10**14))
    machine.purse = Purse(10**14, 10**14)
    for now in (1, 2 * SHARE, 4 * SHARE):
        machine.act(now)


@pytest.mark.parametrize("restarts", [False, True])
def test_after_a_split_it_quotes_at_the_new_ratio_and_nothing_was_won_or_lost_by_it(tmp_path, restarts):
    """Two for one: 400 tokens of 2.5 shares, of which 360 are the owner's, and 30 shares sold on the perp."""
    venue = Listed()
    bridge = Bridge(tmp_path, load_settings(named(base="360")), venue, None, lambda: 7)
    machine = bridge._machine = asyncio.run(bridge._made())
    machine.begin({"NVDA": facts.Holding(400 * SHARE, {"NVDA-PERP": -30 * SHARE}, {})})
    machine.new_day()
    shows(machine, 10_000)
    machine.names["NVDA"].carry(-5_000_000)
    shows(machine, 10_010)
    before = machine.result()
    assert before == -5_000_000 + 70 * 100_000
    venue.split(2)
    if restarts:
        kept = keep(machine, "2025-10-09", 1, 1)
        machine = bridge._machine = asyncio.run(bridge._made())
        restore(machine, kept)
    machine.terms(asyncio.run(bridge._terms()))
    machine.begin({"NVDA": facts.Holding(400 * SHARE, {"NVDA-PERP": -60 * SHARE}, {})})
    assert machine.result() == before
    name = machine.names["NVDA"]
    assert name.inventory.open_shares() == 140 * SHARE
    assert name.terms.markets[0].shares_ppb == 5 * SHARE
    shows(machine, 5_005)
    assert machine.result() == before
    assert not name.stopped
    shows(machine, 5_015)
    assert machine.result() == before + 140 * 100_000


@pytest.mark.parametrize(
    "told", ["position_adjusted", "balance_adjusted", "cancel_after_fired", "order_cancelled"]
)
def test_what_a_corporate_action_changes_is_read_anew(tmp_path, told):
    bridge = Bridge(tmp_path, load_settings(LEAST), Listed(), None, lambda: 7)
    machine = bridge._machine = asyncio.run(bridge._made())
    machine.begin({})
    bridge._known = True
    bridge._tell(event(told, asset="tNVDA", order="5"))
    assert bridge._known == (told == "order_cancelled")
    assert (machine.names["NVDA"].stance is Stance.STARTING) != bridge._known
    renumbered = [Stop("tokens_renumbered", "bridge", 7, hedges=False, symbol="NVDA")]
    assert list(Day(tmp_path).stops()) == (renumbered if told == "balance_adjusted" else [])
    assert machine.names["NVDA"].hedges_when_stopped == (told != "balance_adjusted")


# --- what is heard -----------------------------------------------------------------------------------------------------


def event(name: str, number: int = 1, **data) -> answers.Event:
    """An event as the client gives it: with its own struct."""
    fields = {field: data.get(field) for field in happenings()[name].data.__struct_fields__}
    return answers.Event(
        event=name,
        seq=1,
        index=0,
        ts_ns=1,
        data=happenings()[name].data(**fields),
        account="9",
        account_seq=number,
    )


HEARD = [
    (
        event("order_placed", order="5", market="M", side="bid", price="1.25", quantity="3", client_id="a1"),
        [facts.OrderRests("a1", 5, "M", Side.BID, 1_250_000_000, 3 * SHARE)],
    ),
    (event("order_placed", order="5", market="M", side="bid", price=None, quantity="3"), []),
    (event("order_amended", order="5", price="2", remaining="0.5"), [facts.OrderChanged(5, 2 * SHARE, SHARE // 2)]),
    (event("order_cancelled", order="5", market="M", side="ask", quantity="1"), [facts.OrderLeft(5, 0)]),
    (event("order_decremented", order="5", remaining="1"), [facts.OrderLeft(5, SHARE)]),
    (
        event("order_filled", order="5", market="M", side="ask", price="10.01", quantity="3", remaining="2", fee="-0.5"),
        [facts.OrderFilled(5, "M", Side.ASK, 3 * SHARE, 30_030_000, -500_000, 2 * SHARE)],
    ),
    (event("settled", market="M", funding="-1.5"), [facts.Carried("M", -1_500_000)]),
    (event("settled", market="M", funding="0"), []),
    (event("request_reserved", request="7", kind="mint", token="tX", amount="100"), [facts.RequestHeld(7, "tX", True, 100_000_000)]),
    (event("request_reserved", request="7", kind="redeem", token="tX", amount="2"), [facts.RequestHeld(7, "tX", False, 2 * SHARE)]),
    (event("request_reserved", request="7", kind="mint_in_kind", token="tX", amount="2"), []),
    (event("tokens_issued", request="7", token="tX", units="3", cost=100, fee=5), [facts.Issued(7, "tX", 3 * SHARE, 105)]),
    (event("tokens_redeemed", request="7", token="tX", units="3", due=100, fee=5), [facts.Redeemed(7, "tX", 3 * SHARE, 95)]),
    (event("request_returned", request="7", asset="USDC", amount="0.5"), [facts.Returned(7, SHARE // 2)]),
    (event("request_state_changed", request="7", before="routed", after="rejected"), [facts.RequestMoved(7, RequestState.REJECTED)]),
    (event("cancel_after_set", due_ns=5), []),
]  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), HEARD, ids=[one[0].event for one in HEARD])
def test_events_become_facts(told, expected):
    assert list(hearing.heard(told)) == expected


def test_an_account_and_its_requests_become_a_holding():
    terms = name_terms(load_settings(LEAST).name[0], MARKETS, ASSETS)
    standing = answers.Standing(
        account="9",
        owner="9",
        state="green",
        in_liquidation=False,
        equity=Decimal(1),
        requirements=(),
        excess=(),
    )
    zero = Decimal(0)
    account = answers.Account(
        sequence=1,
        time_ns=1,
        line=standing,
        balances=(
            answers.Balance(asset="tNVDA", pledged=Decimal("12.5"), lent=zero, reserved=zero, held=zero, escrowed=zero, value=zero),
        ),
        positions=(
            answers.Position(
                market="NVDA-PERP", perp=True, quantity=Decimal(-3), cost=zero, value=zero, result=zero, bid_quantity=zero,
                ask_quantity=zero,
            ),
        ),
        orders=(),
    )  # fmt: skip
    requests = [
        {"request": "1", "token": "tNVDA", "kind": "mint", "state": "routed", "held": "100"},
        {"request": "2", "token": "tNVDA", "kind": "redeem", "state": "unknown", "held": "2"},
        {"request": "3", "token": "tNVDA", "kind": "redeem", "state": "settled", "held": "0"},
        {"request": "4", "token": "tAAPL", "kind": "mint", "state": "routed", "held": "5"},
        {"request": "5", "token": "tNVDA", "kind": "mint_in_kind", "state": "reserved", "held": "5"},
    ]
    held = hearing.holding(terms, account, requests)
    assert (held.tokens, held.perps) == (12_500_000_000, {"NVDA-PERP": -3 * SHARE})
    assert held.flights == {1: Flight(True, 100_000_000), 2: Flight(False, 2 * SHARE)}


@given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_events_are_told_once_each_and_in_order_however_they_come(order, streamed_from):
    told = []

    async def hear():
        story = Story(lambda one: told.append(one.account_seq))
        story.replied([event("cancel_after_set", 5, due_ns=1)])  # nobody knows yet where the story begins
        assert told == []
        story.streamed(event("cancel_after_set", 1, due_ns=1))
        for number in order:
            story.replied([event("cancel_after_set", number, due_ns=1)])
        for number in range(streamed_from, 9):
            story.streamed(event("cancel_after_set", number, due_ns=1))
        assert await story.reach(8, 0.1)
        assert not await story.reach(9, 0.01)

    asyncio.run(hear())
    assert told == list(range(1, 9))


def test_a_gap_is_stepped_over():
    told = []

    async def hear():
        story = Story(lambda one: told.append(one.account_seq), 3)
        story.streamed(event("cancel_after_set", 4, due_ns=1))
        story.replied([event("cancel_after_set", 9, due_ns=1)])
        story.skip(8)

    asyncio.run(hear())
    assert told == [4, 9]


def test_beside_a_venue_a_request_that_is_not_its_own_answers_none_of_its_own():
    """Tokens of its account are redeemed to collect a debt, before, between and after its own requests."""
    listing = load_listing(packaged_text(), underlyings=["NVDA"])
    desk = LockstepBridge(listing, 9, load_settings(LEAST).name, TotalSettings(), "desk")
    desk.machine.begin({})
    name = desk.machine.names["NVDA"]

    def tell(body) -> None:
        desk.see(EventMessage(Header(0, body.KIND, 1, 9, 0, 0, 1, 0), 0, 0, 1, body))

    def reserved(request: int, reference: int) -> None:
        token = listing.asset["tNVDA"]
        tell(
            RequestReserved(
                request=request, kind=RequestKind.REDEEM, token=token, asset=token, amount=10**6, price=0, reference=reference
            )
        )  # fmt: skip

    def ask() -> int:
        name.asked = True
        return desk._command(Ask("NVDA", Burn("tNVDA", SHARE))).reference

    refused = CommandRefused(code=1, command=RequestRedemption.KIND, field=0, retry=0, value=0, limit=0)
    reserved(1, 0)
    own = ask()
    reserved(2, 0)
    assert name.asked, "another's request answers nothing"
    reserved(3, own)
    assert not name.asked
    ask()
    tell(refused)
    assert not name.asked
    tell(refused)
    reserved(4, 0)
    assert set(name.inventory.flights) == {1, 2, 3, 4}


# --- the primary market ------------------------------------------------------------------------------------------------


def test_a_file_of_books_is_read_as_it_was_written_and_a_bad_one_shows_nothing(tmp_path):
    path = tmp_path / "primary.json"
    market = BookFile(path)
    assert market.book("X") is None
    write_books(path, [book(at_ns=7)])
    assert market.book("X") == book(at_ns=7)
    assert market.book("Y") is None
    for bad in (
        "{",
        '{"X": {"session": "noon", "at_ns": 1}}',
        '{"X": {"session": "pre", "at_ns": 1, "bids": [["x", "1"]]}}',
    ):
        path.write_text(bad)
        assert market.book("X") is None
    assert market.mistakes == 3
    write_books(path, [book(bid=99.0, ask=99.5, session=Session.PRE)])
    assert market.book("X").session is Session.PRE
    path.unlink()
    assert market.book("X") is None


def test_an_exchange_of_its_own_shows_books_at_the_venue_s_time(tmp_path):
    now = 1_760_018_400 * 10**9  # Thursday, 10:00 in New York
    (tmp_path / "exchange.toml").write_text(
        '[broker.alpha]\ncash = "1 M USD"\n\n[stock.ACME]\nprice = "100.00"\nseed = 1\n'
    )
    clock = iter(range(now, now + 10**12, 10**9))
    market = primary_of(PrimarySettings(kind="exchange", path="exchange.toml"), tmp_path, lambda: next(clock))
    assert isinstance(market, ExchangeMarket)
    shown = [market.book("ACME") for _ in range(5)]
    assert all(one.session is Session.REGULAR and one.bids[0].price < one.asks[0].price for one in shown)
    assert len({one.at_ns for one in shown}) > 1


def test_quotes_of_a_feed_become_books_of_one_level():
    """A real socket: two quotes, the second without anybody who asks."""
    now = 1_760_018_400 * 10**9
    said = [
        {"op": "quotes", "s": "NVDA.O", "at": now, "b": "180.00", "bs": "5", "a": "180.02", "as": "7"},
        {"op": "quotes", "s": "NVDA.O", "at": now, "b": "180.01", "bs": "2", "a": "0", "as": "0"},
    ]
    more = threading.Event()

    def speak(connection) -> None:
        connection.send(json.dumps(said[0]))
        more.wait(10)
        connection.send(json.dumps(said[1]))
        more.clear()
        connection.recv()

    with serve(speak, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        settings = load_settings(
            {
                **LEAST,
                "primary": {
                    "kind": "feed",
                    "feed": {
                        "name": "desk", "kind": "json", "url": url, "unit": "100", "symbols": {"NVDA.O": {"underlying": "NVDA", "source": 1}},
                        "json": {
                            "match": {"op": "quotes"}, "symbol": "s", "time": "at", "time_unit": "ns", "bid": "b", "bid_size": "bs",
                            "ask": "a", "ask_size": "as",
                        },
                    },
                },
            }
        )  # fmt: skip
        market = primary_of(settings.primary, Path(), lambda: now)
        assert isinstance(market, FeedMarket)
        first = eventually(lambda: market.book("NVDA"))
        assert first == PrimaryBook(
            "NVDA",
            (Level(180 * SHARE, 500 * SHARE),),
            (Level(18_002 * SHARE // 100, 700 * SHARE),),
            Session.REGULAR,
            now,
        )
        more.set()
        second = eventually(lambda: market.book("NVDA") if market.book("NVDA") != first else None)
        assert (second.bids, second.asks) == ((Level(18_001 * SHARE // 100, 200 * SHARE),), ())
        assert market.values()["kind"] == "feed"
        server.shutdown()


def test_what_it_asks_is_what_any_holder_may_ask():
    for name in ASKED["operations"]:
        action = ACTIONS[operation(name).command.__name__]
        assert action.scope.name == "TRADE", name
        assert not action.venue_roles
    access = {read.path: read.access for read in READS}
    for path in ASKED["questions"]:
        expected = Access.ACCOUNT if "{own}" in path else Access.PUBLIC
        assert access[path.replace("{own}", "{account}")] is expected
