"""Margin on a data frame: a hedge, a loan and a levered book over a week of prices, weekend included, in one call."""

import pandas as pd

import novate

positions = pd.DataFrame(
    [
        ("hedge", "tNVDA", 1_000, None),
        ("hedge", "NVDA-PERP", -1_000, 185.0),  # sold at 185: the result counts
        ("hedge", "USDC", 20_000, None),
        ("loan", "tNVDA", 1_000, None),
        ("loan", "USDC", -60_000, None),
        ("levered", "BTC-PERP", 2, None),
        ("levered", "USDC", 120_000, None),
    ],
    columns=["portfolio", "instrument", "quantity", "price"],
)
prices = pd.DataFrame(
    {"NVDA": [192.57, 183.16, 188.32], "BTC": [121_700, 113_200, 115_300]},
    index=pd.to_datetime(["2025-10-09", "2025-10-10", "2025-10-13"]).rename("date"),
)

margin = novate.margin(positions, prices, session="calendar")
print(
    margin[["equity", "requirement", "excess", "state", "binding"]].to_string(float_format="{:,.2f}".format)
)

friday = pd.Timestamp("2025-10-10")
print("\nWhy, on Friday's close, with the weekend ahead:")
for portfolio, sentence in margin.loc[friday, "explanation"].items():
    print(f"    {portfolio:8} {sentence}")

parts = novate.contributions(positions, prices, session="calendar").loc[friday]
print("\nWhich position makes how much of it:")
print(parts[["underlying", "value", "contribution"]].to_string(float_format="{:,.2f}".format))

exact = novate.contributions(positions, prices, session="calendar", exact=True)["contribution"]
whole = novate.margin(positions, prices, session="calendar", exact=True)["requirement"]
difference = exact.groupby(level=["date", "portfolio"]).sum() - whole
print(f"\nsum of contributions less requirement, micro-dollars: {set(difference)}")
