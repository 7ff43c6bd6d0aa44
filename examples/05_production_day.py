"""Continue a production day: restore a venue from its journal, ask what nobody dared to try, and leave production alone."""

import tempfile

import novate
from novate.calendar import session_changes
from novate.config import packaged_listing
from novate.messages import Deposit, OpenAccount, PostPrice

THURSDAY = 1_760_016_600_000_000_000  # 9 October 2025, 09:30 in New York
ANN = 7
listing = packaged_listing(underlyings=["NVDA"], sources=[("NVDA", 1, "tape")])
NVDA = listing.underlying["NVDA"]

with tempfile.TemporaryDirectory() as home:
    with novate.Venue.open(home, THURSDAY) as venue:  # the production venue, and its day
        venue.send(*listing.commands)
        venue.send(session_changes(THURSDAY, THURSDAY + 1, extended=True)[0].command(NVDA))
        venue.send(
            PostPrice(underlying=NVDA, source=1, price=190_000_000, venue_time_ns=THURSDAY, size=10**12)
        )
        venue.send(OpenAccount(owner=ANN), account=ANN)
        venue.sequencer.snapshot()
        venue.send(Deposit(asset=listing.asset["tNVDA"], amount=1_000_000_000, reference=1), account=ANN)
        production = venue.engine.state_hash()

    day = novate.Engine.restore(home)
    print(day)
    print(f"same state as production: {day.state_hash() == production}")
    print(day.explain(ANN).sentence)
    yesterday = novate.Engine.restore(home, at=day.sequence - 1)
    print(f"one command earlier the account held {len(yesterday.holdings(ANN))} assets")

    day.price(NVDA=150)
    print(f"at 150, {day.time:%A %H:%M:%S}: {day.explain(ANN).sentence}")
    print(day.prices().loc["NVDA", ["index", "quality", "session"]].to_dict())
    again = novate.Engine.restore(home)
    print(f"the journal knows nothing of it: {again.state_hash() == production}")
