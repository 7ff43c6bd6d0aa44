"""Ask before you trade: a preview, a shock, what would liquidate you, and what the weekend will ask."""

import tempfile
from importlib.resources import files

from novate import Venue, explain
from novate.calendar import session_changes
from novate.config import load_listing
from novate.explain import Shock
from novate.messages import Deposit, OpenAccount, PlaceOrder, PostPrice, Side

THURSDAY = 1_760_016_600_000_000_000  # 9 October 2025, 09:30 in New York
MILLION = 1_000_000_000_000  # micro-dollars behind a price: one that nothing stands behind does not count
ANN, MAKER = 7, 8
listing = load_listing(
    files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8"),
    underlyings=["NVDA"],
    sources=[("NVDA", 1, "example"), ("USDC", 2, "example")],
)
NVDA, PERP = listing.underlying["NVDA"], listing.market["NVDA-PERP"]


def short(shares: int) -> PlaceOrder:
    """Sells the perp at 190."""
    return PlaceOrder(market=PERP, side=Side.ASK, price=19_000, lots=shares * 100)


with tempfile.TemporaryDirectory() as home, Venue.open(home, THURSDAY) as venue:
    venue.send(*listing.commands)
    week = THURSDAY + 7 * 24 * 3_600 * 1_000_000_000
    venue.send(session_changes(THURSDAY, week, extended=True)[0].command(NVDA))
    for name, source, price in (("NVDA", 1, 190_000_000), ("USDC", 2, 1_000_000)):
        venue.send(
            PostPrice(
                underlying=listing.underlying[name],
                source=source,
                price=price,
                venue_time_ns=THURSDAY,
                size=MILLION,
            )
        )
    for account in (ANN, MAKER):
        venue.send(OpenAccount(owner=account), account=account)
        venue.send(Deposit(asset=listing.asset["USDC"], amount=50_000_000_000, reference=1), account=account)
    venue.send(Deposit(asset=listing.asset["tNVDA"], amount=1_000_000_000, reference=1), account=ANN)
    venue.send(PlaceOrder(market=PERP, side=Side.BID, price=19_000, lots=100_000), account=MAKER)

    print(explain.account(venue.engine, ANN).sentence)
    for shares in (500, 1_000, 2_000):
        seen = explain.preview(venue.engine, ANN, short(shares))
        after = f"excess ${seen.excess_before[0] / 1e6:,.0f} to ${seen.excess_after[0] / 1e6:,.0f}"
        print(
            f"sell {shares:,}: {seen.filled // 100:,} fill, {seen.rests // 100:,} rest, fee ${seen.fee / 1e6:,.2f}, {after}"
        )
    venue.send(short(1_000), account=ANN)
    print(explain.account(venue.engine, ANN).sentence)
    crash = explain.what_if(venue.engine, ANN, [Shock("NVDA", -300_000)])
    print(f"NVDA -30 %: {crash.after.state}, excess ${crash.after.initial.excess / 1e6:,.0f}")
    print("Maker's days ahead, initial requirement:")
    for ahead in explain.projection(venue.engine, MAKER, days=5)[:6]:
        print(f"    {ahead.what[0]:40} ${ahead.requirements[0] / 1e6:>10,.2f} {ahead.state}")
