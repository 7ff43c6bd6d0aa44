"""A market maker: quotes around the index, leans against its inventory, and leaves nothing behind when it falls silent."""

import time
from decimal import Decimal

from novate.client import Client, Order, local_venue

MAKER, TAKER, MARKET = 1, 2, "NVDA-PERP"
SIZE, HALF_SPREAD, LEAN = 10, Decimal("0.10"), Decimal("0.01")  # dollars the middle gives way per share held


class MarketMaker:
    """Two orders, amended rather than replaced."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.events = client.follow_account(MAKER)  # keeps what the orders are up to date
        self.events.next(0.2)
        self.quotes: dict[str, Order] = {}
        self.middle = Decimal(0)

    def quote(self, why: str) -> None:
        """Both sides where they belong now; all of them are cancelled when this is not called for two seconds."""
        while self.events.next(0.1) is not None:
            pass
        self.client.cancel_after(MAKER, 2)
        index = self.client.prices()["NVDA"].index or Decimal(0)
        held = self.client.account(MAKER).position(MARKET)
        middle = index - LEAN * held
        wanted = {"ask": middle + HALF_SPREAD, "bid": middle - HALF_SPREAD}
        for side in wanted if middle > self.middle else reversed(wanted):  # never into its own other side
            price = wanted[side]
            order = self.quotes.get(side)
            if order is None or not order.alive:
                self.quotes[side] = self.client.place(MAKER, MARKET, side, SIZE, price, post_only=True)
            elif (order.price, order.remaining) != (price, SIZE):
                self.client.amend(order, price, SIZE)
        self.middle = middle
        bid, ask = self.quotes["bid"], self.quotes["ask"]
        print(f"{why}: index {index}, holds {held}, quotes {bid.price} / {ask.price}")


with local_venue() as venue, Client(venue.url) as client:
    venue.price(NVDA="180.00")
    venue.fund(MAKER, USDC=1_000_000)
    venue.fund(TAKER, USDC=1_000_000)
    maker = MarketMaker(client)
    maker.quote("at first")
    bought = client.place(TAKER, MARKET, "bid", 4)
    maker.quote(f"someone bought {bought.filled}")
    bought = client.place(TAKER, MARKET, "bid", SIZE)
    maker.quote(f"someone bought {bought.filled} more")
    venue.price(NVDA="180.50")
    maker.quote("the price rose")
    while client.account(MAKER).orders:  # two silent seconds
        time.sleep(0.1)
    print("fell silent: no orders are left")
