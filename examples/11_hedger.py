"""A hedger: watches an account buy shares in tokens, sells the perp against each fill, and sees first what that does to its margin."""

from decimal import Decimal

from novate.client import Client, Event, leg, local_venue

HEDGER, DEALER = 1, 2
TOKEN, SPOT, PERP = "tNVDA", "tNVDA-USDC", "NVDA-PERP"


def open_shares(client: Client) -> Decimal:
    """Shares that tokens and perp together are long, or short if negative."""
    per_token = next(one.shares_per_token for one in client.assets() if one.name == TOKEN)
    account = client.account(HEDGER)
    return account.balance(TOKEN) * per_token + account.position(PERP)


def hedge(client: Client) -> None:
    """Trades the perp until the account holds as many shares long as short, if it would be margined better for it."""
    shares = open_shares(client)
    if not shares:
        return
    order = {"market": PERP, "side": "ask" if shares > 0 else "bid", "quantity": abs(shares)}
    before = client.margin(HEDGER).initial
    then = client.what_if(HEDGER, [leg("place_order", **order, kind="market", time_in_force="ioc")])
    print(
        f"  open {shares} shares, requirement {before.requirement:,.0f}, hedged {then.margin.initial.requirement:,.0f}"
    )
    if then.accepted and then.margin.initial.excess >= before.excess:
        done = client.place(HEDGER, **order)
        print(f"  {done.side} {done.filled} {PERP}: {open_shares(client)} open")


with local_venue() as venue, Client(venue.url) as client:
    venue.price(NVDA="180.00")
    venue.fund(HEDGER, USDC=1_000_000)
    venue.fund(DEALER, USDC=1_000_000, tNVDA=1_000)
    client.place(DEALER, PERP, "bid", 1_000, "179.95")
    client.place(DEALER, PERP, "ask", 1_000, "180.05")
    with client.follow_account(HEDGER) as events:
        events.next(0.2)
        client.place(HEDGER, SPOT, "bid", 500, "180.00")  # a broker's customer wants tokens
        for quantity in (200, 300):
            client.place(DEALER, SPOT, "ask", quantity, "180.00")
            while (event := events.next(0.5)) is not None:
                if isinstance(event, Event) and event.event == "order_filled" and event.data.market == SPOT:
                    print(f"filled {event.data.quantity} {TOKEN} at {event.data.price}")
                    hedge(client)
    print(client.explain(HEDGER).sentence)
