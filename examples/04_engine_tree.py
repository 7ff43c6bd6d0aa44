"""The venue in a notebook: list it, trade, and grow a tree of what-ifs from one state; the trunk never learns of its branches."""

import novate
from novate.messages import OrderFilled

engine = novate.Engine()
engine.list(underlyings=["NVDA", "BTC"])
engine.price(NVDA=190, BTC=120_000)
ann, maker = engine.open_account(), engine.open_account()
engine.deposit(maker, "USDC", 50_000_000)
engine.deposit(ann, "tNVDA", 1_000)
engine.deposit(ann, "USDC", 5_000)
for market, size in (("NVDA-PERP", 5_000), ("BTC-PERP", 20)):
    engine.quote(maker, market, size)
engine.buy(ann, "BTC-PERP", "2.5")
print(engine.explain(ann))
trunk = engine.state_hash()


def tell(name: str, branch: novate.Engine) -> None:
    """How the account stands there."""
    line, held = branch.accounts().loc[ann], branch.holdings(ann)["quantity"]
    perps = ", ".join(f"{held[perp]:g} {perp}" for perp in held.index if perp.endswith("PERP"))
    print(f"{name:44} {line['state']:7} excess {line['excess']:>12,.2f}   {perps}")


print()
crash = engine.fork()
fall = crash.price(NVDA=150, BTC=92_000)
crash.advance("1 min")
tell("NVDA 150, BTC 92,000", crash)

hedged = engine.fork()
hedged.sell(ann, "NVDA-PERP", 1_000)
tell("first sells 1,000 of the NVDA perp", hedged)
later = hedged.fork()
later.price(NVDA=150, BTC=92_000)
later.advance("1 min")
tell("    then the same fall", later)
weekend = later.fork()
weekend.session("weekend")
tell("        and the weekend", weekend)

print("\nwhat its liquidation sold:")
sold = fall.of(OrderFilled, account=ann)
for fill in sold.frame()["details"]:
    print(f"    {fill}")
print(f"trunk unchanged: {engine.state_hash() == trunk}")
print(f"conservation: {[n for n, d in weekend.conservation() if d] or 'zero in every asset'}")
