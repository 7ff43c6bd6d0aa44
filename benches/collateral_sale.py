"""What tokens fetch when a called debt is collected: through redemption, and through the book alone, in the crash of October 2025.

    collateral_sale.py [--debtors 1,4,16] [--json]

The same replay twice for each number of debtors: once with redemption open in regular sessions, once with a listing that never opens it. Each
debtor holds tokens of one name, owes the pool all that it lends one owner, and is long an index perp whose losses are called on Friday
and collected on Monday morning. Told, a line each: what was due, what was sold, what it fetched after fees against the index at each sale
in basis points, and how long after the first overdue call nothing was due any more.

Responsible for: the measurement. The prices are recorded or drawn from bars and do not react. Redemptions are sold on the simulated
exchange, whose book around those prices is modelled and keeps what is taken away; the venue's book is the demo's market maker, with what it
quotes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path

from novate.calendar import new_york_ns
from novate.demo.cast import DEBTOR, Casting
from novate.demo.run import Stage, first_prices, listing_of
from novate.marketdata import find_data, load_scenario
from novate.messages import CashCallOverdue, CollateralSold, EventMessage, LiquidationEnded, TokensRedeemed
from novate.messages.codes import SaleWay
from novate.venue import Venue

SCENARIO = "crash-2025-10"
START, END = (date(2025, 10, 9), time(9)), (date(2025, 10, 13), time(12))
FIRST = 101
"""Account of the second debtor."""
NAME, INDEX = "AAPL", "SPY"
CLOSED = {"regular": "issue, issue_in_kind"}
"""What the token's sessions allow where nothing is redeemed."""
WATCHED = (CashCallOverdue, CollateralSold, LiquidationEnded, TokensRedeemed)


@dataclass(slots=True)
class Sale:
    """One run."""

    channel: str
    debtors: int
    due_usd: float = 0.0
    sold_usd_at_index: float = 0.0
    fetched_usd: float = 0.0
    in_book_usd: float = 0.0
    by_redemption_usd: float = 0.0
    first_ns: int = 0
    last_ns: int = 0

    def line(self) -> dict[str, object]:
        """What is told."""
        cost = self.sold_usd_at_index - self.fetched_usd
        return {
            "channel": self.channel,
            "debtors": self.debtors,
            "due_usd": round(self.due_usd),
            "sold_usd_at_index": round(self.sold_usd_at_index),
            "in_book_usd": round(self.in_book_usd),
            "by_redemption_usd": round(self.by_redemption_usd),
            "cost_bp": round(cost / self.sold_usd_at_index * 1e4, 1) if self.sold_usd_at_index else None,
            "minutes": round((self.last_ns - self.first_ns) / 60e9, 1),
            "collected_of_due": round(self.fetched_usd / self.due_usd, 3) if self.due_usd else None,
        }


def run(debtors: int, *, redeems: bool) -> Sale:
    """One replay."""
    start, end = (new_york_ns(*at) for at in (START, END))
    scenario = load_scenario(SCENARIO, find_data(None), 1, start_ns=start, end_ns=end)
    listing = listing_of(scenario, None if redeems else {f"issuance.t{NAME}": CLOSED})
    casting = Casting(listing, scenario, first_prices(scenario))
    whole = casting.cast()
    numbers = (DEBTOR, *range(FIRST, FIRST + debtors - 1))
    owing = tuple(casting.debtor(NAME, INDEX, number) for number in numbers)
    others = tuple(person for person in whole.people if person.account != DEBTOR)
    cast = replace(whole, people=(*others, *owing))
    told = Sale("redemption and book" if redeems else "book alone", debtors)
    token = listing.asset[f"t{NAME}"]

    with tempfile.TemporaryDirectory() as home, Venue.open(Path(home), start) as venue:
        stage = Stage.set(venue, scenario, Path(home), listing, cast)
        shows, stage.replay.sink = stage.replay.sink, lambda event: (shows(event), see(event))[0]
        stage.replay.also = (*stage.replay.also, *WATCHED)
        stage.replay.__post_init__()

        def see(event: EventMessage) -> None:
            body = event.body
            if event.header.account not in numbers:  # the minter and the bridge redeem too
                return
            match body:
                case CashCallOverdue():
                    told.due_usd += body.amount / 1e6
                    told.first_ns = told.first_ns or event.header.time_ns
                case CollateralSold() if body.asset == token and body.way == SaleWay.BOOK:
                    add(body.units, body.proceeds, event.header.time_ns)
                    told.in_book_usd += body.proceeds / 1e6
                case TokensRedeemed() if body.token == token:
                    add(body.units, body.due - body.fee, event.header.time_ns)
                    told.by_redemption_usd += (body.due - body.fee) / 1e6
                case _:
                    pass

        def add(units: int, fetched: int, at_ns: int) -> None:
            told.sold_usd_at_index += units / 1e6 * stage.market.price(NAME) / 1e6
            told.fetched_usd += fetched / 1e6
            told.last_ns = at_ns

        stage.play(5_000, lambda *_: None)
    return told


def main() -> None:
    """The runs asked for, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debtors", default="1,4,16")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for debtors in map(int, asked.debtors.split(",")):
        for redeems in (True, False):
            line = run(debtors, redeems=redeems).line()
            print(
                json.dumps(line) if asked.json else "  ".join(f"{k} {v}" for k, v in line.items()), flush=True
            )


if __name__ == "__main__":
    main()
