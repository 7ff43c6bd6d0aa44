"""A crash on one's own portfolios: October 2008 to Friday's close, on the real engine; a CSV file of yours goes the same way."""

import novate

path = novate.replay(novate.sample_portfolio(), "october-2008", until="2008-10-10 16:00")

print(path.attrs["title"])
for name, own in path.groupby(level="portfolio", sort=False):
    first, last, sold = own["equity"].iloc[0], own["equity"].iloc[-1], own["liquidated"].sum()
    print(f"{name:9} equity {first:>10,.0f} to {last:>10,.0f}, liquidated {sold:>9,.0f}")
    for (time, _), what in own["events"].items():
        if what:
            print(f"          {time:%a %H:%M} {what}")
print("conservation:", {n: d for n, d in path.attrs["conservation"].items() if d} or "zero in every asset")
