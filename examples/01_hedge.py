"""A share and a short perp on it are one position: see the requirement of each leg alone, and of both together."""

import tempfile
from importlib.resources import files

from novate import Venue
from novate.config import load_listing
from novate.messages import Deposit, OpenAccount, PlaceOrder, PostPrice, PriceKind, SetSession, Side, reports

OPENING = 1_760_016_600_000_000_000  # Thursday 9 October 2025, 09:30 in New York
ANN, MAKER = 7, 8
listing = load_listing(
    files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8"),
    underlyings=["NVDA"],
    sources=[("NVDA", 1, "example"), ("USDC", 2, "example")],
)


def order(market: str, side: Side, price: int, lots: int) -> PlaceOrder:
    """A limit order that rests."""
    number = listing.market[market]
    return PlaceOrder(
        market=number,
        side=side,
        kind=0,
        time_in_force=0,
        flags=0,
        price=price,
        lots=lots,
        client_id=bytes(16),
    )


def price(underlying: str, source: int, price_e6: int) -> PostPrice:
    """What a source says now."""
    number = listing.underlying[underlying]
    return PostPrice(
        underlying=number, source=source, price=price_e6, confidence_ppm=1_000_000, reserved0=0,
        price_kind=PriceKind.ISSUER if underlying == "USDC" else PriceKind.QUOTE, reserved1=0, venue_time_ns=OPENING,
        size=10**12, raw_hash=bytes(16),
    )  # fmt: skip


with tempfile.TemporaryDirectory() as home, Venue.open(home, OPENING) as venue:
    venue.send(*listing.commands)
    closure = dict.fromkeys(
        ("closure_step_ns", "closure_ramp_from_ns", "closure_ramp_to_ns", "closure_end_ns"), 0
    )
    for name in ("NVDA", "USDC"):
        number = listing.underlying[name]
        venue.send(SetSession(underlying=number, session=2, next_session=2, next_time_ns=0, **closure))
    venue.send(price("NVDA", 1, 190_000_000), price("USDC", 2, 1_000_000))
    for account in (ANN, MAKER):
        venue.send(OpenAccount(owner=account), account=account)
        venue.send(Deposit(asset=listing.asset["USDC"], amount=50_000_000_000, reference=1), account=account)
    venue.send(Deposit(asset=listing.asset["tNVDA"], amount=1_000_000_000, reference=1), account=ANN)

    def tell(when: str) -> None:
        """The initial requirement, and what makes it."""
        level = reports.margin(venue.engine, ANN).levels[0]
        print(
            f"{when}: requirement ${level.requirement / 1e6:,.2f} of ${level.equity / 1e6:,.2f} because {level.binding}"
        )
        for part in level.contributions:
            print(f"    {part.name:10} {part.amount / 1e6:>12,.2f}")

    tell("1,000 NVDA tokens alone")
    venue.send(order("NVDA-PERP", Side.BID, 19_000, 100_000), account=MAKER)
    venue.send(order("NVDA-PERP", Side.ASK, 19_000, 100_000), account=ANN)
    tell("with 1,000 shares of the perp sold")
    print("conservation:", {n: d for n, d in venue.engine.conservation() if d} or "zero in every asset")
