"""Reports as they are told: the table is complete, real reports read as worked out by hand, and every view fits its schema."""

import json
from enum import IntEnum
from importlib import import_module
from inspect import isclass
from pkgutil import iter_modules
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.messages import (
    CapKind,
    CommandRefused,
    FundPool,
    Lend,
    ListPool,
    PlaceOrder,
    PlaceOrderFull,
    PlaceTwap,
    Role,
    TriggerKind,
    reports,
)  # fmt: skip
from novate.messages.reports import (
    clearing,
    governance,
    lending,
    liquidation,
    orders,
    packages,
    portfolios,
    prices,
)
from novate.messages.reports.base import Report
from novate.schema import views
from novate.schema.catalogue import Catalogue
from novate.schema.reports import READS, Form
from novate.schema.views import NotListed, component, components, field_names, view, view_schema
from venues import TOKEN, USD, M, PlainVenue, open_plain_venue

QUESTIONS = {reports.Trade, reports.Order, reports.BalanceChange, reports.Shift}
COLUMNS = {
    portfolios.SessionRow, portfolios.Moments, portfolios.Holdings, portfolios.Parts, portfolios.Sheet, portfolios._Answer,
}  # fmt: skip
"""Not answers: what one asks with, and what `portfolios` asks and answers in whole columns."""


def answers() -> set[type]:
    """Every report and row of one that the modules of reports define."""
    modules = [
        reports,
        *(import_module(f"novate.messages.reports.{one.name}") for one in iter_modules(reports.__path__)),
    ]
    found = {one for module in modules for one in vars(module).values() if isclass(one) and field_names(one)}
    here = {one for one in found if one.__module__.startswith("novate.messages.reports")}
    return {one for one in here if one is not Report} - QUESTIONS - COLUMNS


@pytest.fixture(scope="module")
def venue() -> PlainVenue:
    found = open_plain_venue({7: 70, 8: 80})
    found.must(PlaceOrder(market=1, side=1, price=10_000, lots=1_000), 8)
    found.must(PlaceOrder(market=1, side=0, price=10_000, lots=1_000), 7)
    found.must(PlaceOrder(market=1, side=0, price=9_950, lots=250, flags=1), 7)
    found.must(PlaceOrder(market=3, side=1, price=10_101, lots=300), 8)
    found.must(
        PlaceOrderFull(
            market=1, side=1, price=9_000, lots=100, trigger=TriggerKind.STOP, trigger_price=9_501
        ),
        7,
    )
    found.must(
        PlaceTwap(market=1, side=0, lots=400, price=10_200, interval_ns=10**9, duration_ns=4 * 10**9), 7
    )
    found.must(
        ListPool(
            asset=USD, rate_ppm=80_000, reserve_ppm=100_000, owner_cap=10**12, venue_cap=10**13, utilisation_ppm=(800_000, M),
            rates_ppm=(80_000, 500_000), locked_deposit=10**6, reserve_target=10**9, insurance_bucket=1, lent_charge_ppm=0,
        )
    )  # fmt: skip
    found.must(FundPool(asset=USD, amount=10**6))
    found.must(Lend(asset=USD, amount=1_500_000), 8)
    return found


@pytest.fixture(scope="module")
def catalogue(venue: PlainVenue) -> Catalogue:
    return Catalogue.of(venue.engine)


# --- the table ---------------------------------------------------------------------------------------------------------


def test_every_report_has_an_entry_and_no_entry_is_of_nothing() -> None:
    assert set(READS) == answers()


@pytest.mark.parametrize("report", READS, ids=component)
def test_every_field_has_a_kind_and_every_scale_a_source(report: type) -> None:
    assert set(READS[report].fields) == set(field_names(report))
    assert views._columns(report)


@pytest.mark.parametrize("report", READS, ids=component)
def test_kinds_fit_the_types(report: type) -> None:
    """Only whole numbers are scaled or named, and what is told as it is has a type that JSON has."""
    hints = get_type_hints(report)
    for name, kind in READS[report].fields.items():
        inner = views._shape(kind, hints[name]).hint
        match kind.form:
            case Form.PLAIN:
                assert inner in {bool, str}, name
            case Form.BYTES:
                assert inner is bytes, name
            case Form.NESTED:
                assert inner in READS, name
            case Form.ROW:
                assert len(get_args(inner)) == len(kind.parts), name
            case _ if kind.form is not Form.BY:
                assert inner is int or issubclass(inner, IntEnum), name


def test_a_report_that_lost_a_field_or_its_context_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = READS[reports.BookLevel]
    for changed in (whole._replace(fields={"price": whole.fields["price"]}), whole._replace(needs=())):
        monkeypatch.setitem(READS, reports.BookLevel, changed)
        with pytest.raises(LookupError):
            views._columns.__wrapped__(reports.BookLevel)


def test_names_of_schemas_differ() -> None:
    assert len(components()) == len(READS)


# --- real reports against hand-derived text ----------------------------------------------------------------------------


def test_an_account(venue: PlainVenue, catalogue: Catalogue) -> None:
    """Bought ten shares at 100 dollars, 350 ppm of 1,000 dollars owed at the next settlement; 2.5 more bid for."""
    told = view(catalogue, reports.account(venue.engine, 7))
    line = reports.account(venue.engine, 7).line
    assert told["line"]["account"] == "7"
    assert told["line"]["owner"] == "70"
    assert told["line"]["state"] == "green"
    assert told["line"]["equity"] == "19999999.65"
    assert [round(float(text) * M) for text in told["line"]["excess"]] == list(line.excess)
    assert told["balances"][0] == {
        "asset": "USDC", "name": "USDC", "pledged": "10000000", "lent": "0", "reserved": "0", "admitted": "0", "held": "0",
        "escrowed": "0", "due": "0", "value": "10000000",
    }  # fmt: skip
    assert told["positions"] == [
        {
            "market": "PERP", "name": "PERP", "perp": True, "quantity": "10", "cost": "1000", "claim": "0",
            "hedged_claim": "0", "debt": "0.35", "value": "1000", "result": "0", "bid_quantity": "2.5", "ask_quantity": "0",
        }
    ]  # fmt: skip
    (order,) = told["orders"]
    assert int(order.pop("order")) > 2**32
    assert order == {
        "market": "PERP", "side": "bid", "price": "99.5", "remaining": "2.5", "post_only": True, "reduce_only": False,
    }  # fmt: skip


def test_margin_sums_exactly_in_text(venue: PlainVenue, catalogue: Catalogue) -> None:
    told = view(catalogue, reports.margin(venue.engine, 7))
    assert [level["level"] for level in told["levels"]] == [
        "initial",
        "liquidation_end",
        "maintenance",
        "close_out",
    ]
    for level in told["levels"]:
        parts = [round(float(one["amount"]) * M) for one in level["contributions"]]
        assert sum(parts) == round(float(level["requirement"]) * M)
    named = [(one["kind"], one["id"]) for one in told["levels"][0]["contributions"]]
    assert named == [("token", "NVDAx"), ("perp", "PERP"), ("cash", "USDC"), ("orders", "NVDA")]
    assert told["levels"][0]["binding_row"]["kind"] == "dated"
    assert told["levels"][0]["gap_groups"][0]["group"] == "1"


def test_markets_underlyings_and_a_book(venue: PlainVenue, catalogue: Catalogue) -> None:
    perp, _, spot, _ = view(catalogue, reports.markets(venue.engine))
    assert (perp["market"], spot["market"]) == ("PERP", "SPOT")
    assert (perp["unit"], perp["index"], perp["last_trade"], perp["open_interest"]) == (
        "0.0001",
        "100",
        "100",
        "10",
    )
    assert (perp["best_bid"], perp["best_ask"], spot["best_ask"], perp["orders"]) == (
        "99.5",
        None,
        "101.01",
        1,
    )
    name = view(catalogue, reports.underlyings(venue.engine))[0]
    assert (name["underlying"], name["index"], name["open_interest"], name["session"]) == (
        "NVDA",
        "100",
        "1000",
        "regular",
    )
    assert (name["spot_volume"], name["sigma_ppm"]) == ("1000000000", 20_000)
    assert view(catalogue, reports.book(venue.engine, 1), market=1) == {
        "bids": [{"price": "99.5", "quantity": "2.5"}],
        "asks": [],
    }
    assert view(catalogue, reports.book(venue.engine, 3), market=3)["asks"] == [
        {"price": "101.01", "quantity": "3"}
    ]
    with pytest.raises(NotListed, match="market"):
        view(catalogue, reports.book(venue.engine, 1))


def test_a_book_order_by_order_says_nothing_of_its_owners(venue: PlainVenue, catalogue: Catalogue) -> None:
    told = view(catalogue, orders.resting(venue.engine, 1))
    assert (told["market"], told["resting"], told["next"]) == ("PERP", 1, "0")
    (order,) = told["orders"]
    assert int(order.pop("order")) > 2**32
    assert order == {"side": "bid", "price": "99.5", "quantity": "2.5"}


def test_what_waits(venue: PlainVenue, catalogue: Catalogue) -> None:
    stop, parent = view(catalogue, orders.waiting(venue.engine, 7))["orders"]
    assert (stop["trigger_market"], stop["trigger_price"], stop["price"], stop["quantity"]) == (
        "PERP",
        "95.01",
        "90",
        "1",
    )
    assert (stop["side"], stop["rises"]) == ("ask", False)
    assert (parent["trigger_market"], parent["trigger_price"], parent["price"], parent["slices"]) == (
        None,
        "0",
        "102",
        4,
    )


def test_pools_standing_and_insurance(venue: PlainVenue, catalogue: Catalogue) -> None:
    (pool,) = view(catalogue, lending.pools(venue.engine))
    assert (pool["asset"], pool["claims"], pool["available"], pool["rate_ppm"]) == (
        "USDC",
        "1.5",
        "1.5",
        80_000,
    )
    assert pool["bears"] == ["0", "0", "1.5"]
    standing = view(catalogue, liquidation.standing(venue.engine, 7))
    assert standing["next_stages"] == ["cancel_risk", "reduce", "backstop", "insurance"]
    assert standing["debts"] == [{"market": "PERP", "debt": "0.35"}]
    assert standing["cash_due"] is None
    assert standing["insurance_left_today"] == "10000"
    assert (standing["ranks"][0]["quantity"], standing["ranks"][0]["unhedged_quantity"]) == ("10", "10")
    assert view(catalogue, liquidation.open_interest(venue.engine))[0]["cap"] is None
    assert view(catalogue, prices.gates(venue.engine))[0]["quality"] == "live"


# --- answers that this venue does not give, written down ----------------------------------------------------------------


def test_capacity_and_governance(catalogue: Catalogue) -> None:
    line = clearing.Capacity(token=TOKEN, direction=1, dollars=1_250_000, binding=3)
    assert view(catalogue, [line]) == [
        {"token": "NVDAx", "direction": "redeem", "dollars": "1.25", "binding": "shares"}
    ]
    grant = governance.GrantLine(
        account=0,
        role=Role.TRADER,
        markets=(1, 3),
        order_notional=5_000_000,
        position_notional=0,
        expires_ns=9,
        in_force=True,
    )
    actor = governance.ActorLine(
        actor=2**64 - 1, person=4, owner=0, revoked=False, request=8, grants=(grant,)
    )
    assert view(catalogue, actor) == {
        "actor": "18446744073709551615", "person": "4", "owner": "0", "revoked": False, "request": "8",
        "grants": [
            {
                "account": "0", "role": "trader", "markets": ["PERP", "SPOT"], "order_notional": "5", "position_notional": "0",
                "expires_ns": 9, "in_force": True,
            }
        ],
    }  # fmt: skip


def test_a_cap_is_of_what_it_is_about(catalogue: Catalogue) -> None:
    of = {"closed_most": 0, "in_force": 0, "used": 0, "by": 0}
    lots = governance.CapLine(cap_kind=CapKind.ACCOUNT, id=1, most=150, **of)
    dollars = governance.CapLine(cap_kind=CapKind.UNDERLYING, id=1, most=150, **of)
    assert (view(catalogue, lots)["id"], view(catalogue, lots)["most"]) == ("PERP", "1.5")
    assert (view(catalogue, dollars)["id"], view(catalogue, dollars)["most"]) == ("NVDA", "0.00015")


def test_a_break_is_in_what_it_counts(catalogue: Catalogue) -> None:
    def told(kind: int, token: int, number: int) -> Any:
        of = {"break_id": 1, "broker": 1, "owner": 0, "age_ns": 0, "execution": 0}
        return view(catalogue, clearing.Break(kind=kind, token=token, expected=number, found=number, **of))[
            "expected"
        ]

    assert told(0, 0, 1_500_000) == "1.5"
    assert told(0, TOKEN, 1_500_000_000) == "1.5"
    assert told(1, TOKEN, 1) == "NVDA"
    assert told(2, TOKEN, 1) == "ask"
    assert told(5, TOKEN, 99_500_000) == "99.5"
    assert told(4, TOKEN, 7) == "7"


def test_quotes_given_need_the_legs_of_their_request(catalogue: Catalogue) -> None:
    line = packages.QuoteLine(quote=5, buy_prices=(9_950,), sell_prices=(10_050,), expiry_ns=3)
    asked = packages.RequestLine(request=4, markets=(1,), lots=(-100,), side=2, expiry_ns=3, quotes=(line,))
    offers = packages.Offers(blocks=(), requests=(asked,), quotes=((4, line),))
    told = view(catalogue, offers)
    assert told["requests"][0]["quotes"][0]["buy_prices"] == ["99.5"]
    assert told["requests"][0]["quantity"] == ["-1"]
    assert told["quotes"] == [
        {"request": "4", "quote": {"quote": "5", "buy_prices": [None], "sell_prices": [None], "expiry_ns": 3}}
    ]
    assert view(catalogue, offers, legs={4: (1,)})["quotes"][0]["quote"]["sell_prices"] == ["100.5"]


def test_what_the_catalogue_lacks_is_said(catalogue: Catalogue) -> None:
    with pytest.raises(NotListed, match="99"):
        view(catalogue, reports.VenueBalance(asset=99, party="Fees", amount=1))


# --- schemas -----------------------------------------------------------------------------------------------------------

DOCUMENT = {"components": {"schemas": components()}}


def check(report: type, told: Any) -> None:
    jsonschema.Draft202012Validator({**view_schema(report), **DOCUMENT}).validate(
        json.loads(json.dumps(told))
    )


@pytest.mark.parametrize("report", READS, ids=component)
def test_schemas_are_schemas_with_descriptions(report: type) -> None:
    found = view_schema(report)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["description"]
    assert "micro" not in json.dumps(found["properties"]).lower()


def test_real_views_fit_their_schemas(venue: PlainVenue, catalogue: Catalogue) -> None:
    engine = venue.engine
    for found in (
        reports.account(engine, 7), reports.margin(engine, 7), reports.ledger(engine), *reports.markets(engine),
        *reports.underlyings(engine), *lending.pools(engine), *lending.claims(engine, 8), orders.waiting(engine, 7),
        orders.resting(engine, 1), liquidation.standing(engine, 7), *liquidation.open_interest(engine), *prices.gates(engine), portfolios.listed(engine),
        packages.package(engine, 7, markets=(1, 2), lots=(100, -100), prices=(10_100, 9_900)), governance.releases(engine),
    ):  # fmt: skip
        check(type(found), view(catalogue, found))


IDS = {
    "market": (1, 3), "trigger_market": (1, 2), "markets": (1,), "asset": (USD, TOKEN), "token": (TOKEN,), "base": (TOKEN,),
    "quote": (USD,), "cash": (USD,), "underlying": (1, 2), "accepted": (USD,), "id": (1, 2), "account": (7,),
}  # fmt: skip


def made(draw: Any, report: type) -> Any:
    """Any instance of a report that names only what the venue lists."""
    fields = {
        name: drawn(draw, name, hint, READS[report].fields[name])
        for name, hint in get_type_hints(report).items()
    }
    for name in ("lots", "prices", "buy_prices", "sell_prices"):
        if isinstance(fields.get(name), tuple):
            fields[name] = (draw(st.integers(-(2**63), 2**63 - 1)),)
    return report(**fields)


def drawn(draw: Any, name: str, hint: Any, kind: Any) -> Any:
    if get_origin(hint) in {Union, UnionType}:
        return draw(st.none()) if draw(st.booleans()) else drawn(draw, name, get_args(hint)[0], kind)
    if get_origin(hint) in {tuple, list}:
        inner = [one for one in get_args(hint) if one is not Ellipsis]
        if kind.form is Form.ROW and get_origin(inner[0]) is not tuple:
            return tuple(
                drawn(draw, part, part_hint, how)
                for (part, how), part_hint in zip(kind.parts.items(), inner, strict=True)
            )
        return tuple(drawn(draw, name, one, kind) for one in inner)
    if hint in READS:
        return made(draw, hint)
    if hint is bool:
        return draw(st.booleans())
    if hint is str:
        return draw(st.sampled_from(("token", "perp", "cash", "orders")))
    if hint is bytes:
        return draw(st.binary(max_size=20))
    if kind.code is not None and kind.form is Form.CODE:
        return draw(st.sampled_from(list(kind.code)))
    if kind.form is Form.WORD:
        return draw(st.integers(0, len(kind.words) - 1))
    if kind.form is Form.BITS:
        return draw(st.integers(0, 3))
    if kind.form is Form.OPERATION:
        return draw(st.sampled_from((1, 2, 902)))
    if name == "reason":
        return draw(st.integers(0, 1))
    if name in {"expected", "found"}:
        return 1
    if name in IDS:
        return draw(st.sampled_from(IDS[name]))
    least = 0 if kind.form is Form.ID else -(2**63)
    return draw(st.integers(least, 2**63 - 1))


@pytest.mark.parametrize("report", READS, ids=component)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_any_view_fits_its_schema(catalogue: Catalogue, report: type, data: st.DataObject) -> None:
    one = made(data.draw, report)
    told = view(catalogue, one, market=1, underlying=1, cash=USD)
    check(report, told)


def test_no_refusal_is_left_in_the_scenario(venue: PlainVenue) -> None:
    assert not [
        one for one in venue.send(Lend(asset=USD, amount=10**6), 8) if isinstance(one.body, CommandRefused)
    ]
