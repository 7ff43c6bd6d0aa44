"""The asyncio client: place an order, and hear of it from the book, the account and the trades at once."""

import asyncio
from decimal import Decimal

from novate.client import AsyncClient, Event, VenueRefused, local_venue

ANN, BOB, MARKET = 1, 2, "NVDA-PERP"


async def watch_book(client: AsyncClient) -> None:
    """Until something rests on the bid."""
    async with client.follow_book(MARKET) as books:
        async for book in books:
            if bids := book.bids(1):
                print(f"book: best bid {bids[0].price} for {bids[0].quantity}")
                return


async def watch_account(client: AsyncClient) -> None:
    """Until the first fill."""
    async with client.follow_account(ANN, resume_from=0) as events:
        async for event in events:
            if isinstance(event, Event) and event.event == "order_filled":
                print(f"account: filled {event.data.quantity} at {event.data.price}, fee {event.data.fee}")
                return


async def main(url: str) -> None:
    """Two accounts trade."""
    async with AsyncClient(url) as client:
        book, account = (asyncio.create_task(watch(client)) for watch in (watch_book, watch_account))
        order = await client.place(ANN, MARKET, "bid", 5, Decimal("179.50"))
        await book
        await client.place(BOB, MARKET, "ask", 2, "179.50")
        await account
        print(f"order: {order.status}, {order.filled} filled, {order.remaining} to go")
        trade = (await client.trades(MARKET))[0]
        print(f"trade: {trade.quantity} at {trade.price}, {trade.side} took")
        try:
            await client.place(ANN, MARKET, "bid", 5, 400)
        except VenueRefused as refused:
            print(
                f"refused by rule {refused.number}, {refused.rule}: {refused.field} {refused.problem.value}"
            )


with local_venue() as venue:
    venue.price(NVDA="180.00")
    for account in (ANN, BOB):
        venue.fund(account, USDC=100_000)
    asyncio.run(main(venue.url))
