"""A preview of a package is what then happens, and names the rule when it would not."""

import pytest

from novate.messages import (
    BlockProposed,
    ListBlockTerms,
    PackageTraded,
    PlaceOrder,
    PlacePackage,
    ProposeBlock,
    Side,
    reports,
)
from novate.messages.reports import packages
from venues import PERP, SPOT, PlainVenue, open_plain_venue

PERP_ID, SPOT_ID = PERP[0].market, SPOT[0].market
ANN, BOB = 1, 2
LEGS = {"markets": (SPOT_ID, PERP_ID), "lots": (500, -500), "prices": (10_000, 9_990)}


@pytest.fixture
def venue() -> PlainVenue:
    """Bob offers tokens at 100.00 and bids for the perp at 99.90."""
    found = open_plain_venue({ANN: 11, BOB: 12})
    found.must(PlaceOrder(market=SPOT_ID, side=Side.ASK, price=10_000, lots=1_000), BOB)
    found.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=9_990, lots=1_000), BOB)
    return found


def test_a_preview_is_what_then_happens(venue: PlainVenue) -> None:
    foreseen = packages.package(venue.engine, ANN, **LEGS, units=3)
    assert (foreseen.refusal, foreseen.units) == (0, 2)
    events = [e.body for e in venue.must(PlacePackage(**LEGS, units=3), ANN)]
    traded = next(e for e in events if isinstance(e, PackageTraded))
    assert (sum(traded.costs), sum(traded.fees), traded.units) == (foreseen.cost, foreseen.fee, 2)
    line = reports.account(venue.engine, ANN).line
    assert (line.excess, line.requirements) == (foreseen.excess_after, foreseen.requirement_after)


def test_a_preview_names_what_would_refuse(venue: PlainVenue) -> None:
    assert (
        packages.package(venue.engine, ANN, **LEGS, units=3, least_units=3).rule == "package_must_fill_whole"
    )
    one_leg = packages.package(venue.engine, ANN, markets=(1,), lots=(1,), prices=(1,))
    assert one_leg.rule == "legs_must_be_within_limit"
    with pytest.raises(ValueError, match="account_must_exist"):
        packages.package(venue.engine, 99, **LEGS)


def test_offers_tell_what_is_open(venue: PlainVenue) -> None:
    terms = ListBlockTerms(
        market=PERP_ID, block_lots=10, quote_lots=1, fee_ppm=100, regular_ppm=10_000, extended_ppm=10_000,
        overnight_ppm=10_000, closed_ppm=10_000, publication_ns=0, mask_lots=100,
    )  # fmt: skip
    venue.must(terms)
    legs = {"markets": (PERP_ID,), "lots": (50,), "prices": (10_000,)}
    assert packages.side(venue.engine, ANN, **legs).refusal == 0
    assert packages.side(venue.engine, ANN, **legs | {"prices": (10_101,)}).rule == "price_must_be_near_index"
    expiry = venue.time_ns + 10**9
    events = venue.must(ProposeBlock(counterparty=BOB, **legs, expiry_ns=expiry), ANN)
    number = next(e.body.block for e in events if isinstance(e.body, BlockProposed))
    expected = packages.BlockLine(number, ANN, BOB, *legs.values(), expiry)
    for account in (ANN, BOB):
        assert packages.offers(venue.engine, account).blocks == (expected,)
