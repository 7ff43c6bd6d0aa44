"""One of everything that the report says of the venue's safeguards, for the tests of its words."""

from datetime import datetime

from novate.reports import safeguards as s
from novate.reports.figures import NEW_YORK

MILLION = 1_000_000


def usd(dollars: float) -> int:
    return round(dollars * MILLION)


def ns(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2025, 10, day, hour, minute, tzinfo=NEW_YORK).timestamp()) * 1_000_000_000


CRASH_NS = ns(10, 16, 50)


def safeguards() -> s.Safeguards:
    fired = s.Stop(
        account=3,
        market="ETH-PERP",
        side="sell",
        quantity="149.4",
        trigger_e6=usd(3_828),
        outcome="fired",
        time_ns=CRASH_NS + 120 * 10**9,
        mark_e6=usd(3_811.5),
        filled="149.4",
        price_e6=usd(3_795.25),
    )
    return s.Safeguards(
        pools=(
            s.Pool(
                asset="USDC",
                rate_ppm=61_250,
                utilisation_ppm=812_300,
                most_used_ppm=904_100,
                most_used_ns=CRASH_NS,
                lent=15_001_000 * MILLION,
                borrowed=12_185_312 * MILLION,
                withdrawable=2_815_688 * MILLION,
            ),
        ),
        covers=(
            s.Cover(
                bucket="crypto",
                insurance_micro=usd(252_061),
                operator_micro=usd(100_000),
                target_micro=usd(469_415),
                open_interest_ppm=750_000,
            ),
        ),
        winners=(
            s.Winner(
                account=5,
                market="TSLA-PERP",
                unhedged="short 800",
                profit_micro=usd(17_774),
                rank=1,
                of=2,
            ),
        ),
        tranches=(
            s.Tranche(
                account=2,
                discount_ppm=5_000,
                committed_micro=usd(1_000_000),
                slices=3,
                taken_micro=usd(311_207),
                loss_micro=usd(-1_204),
                loss_limit_micro=usd(250_000),
                exhausted=False,
            ),
        ),
        stops=(fired,),
        closure=s.Closure(
            underlying="NVDA",
            start_ns=ns(10, 20),
            end_ns=ns(13, 4),
            external_e6=usd(183.16),
            low_e6=usd(177.67),
            high_e6=usd(188.65),
            last_e6=usd(179.02),
            reopened_ns=ns(13, 4, 5),
            reopened_e6=usd(186.31),
        ),
    )
