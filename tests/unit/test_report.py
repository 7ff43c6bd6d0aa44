"""The report on a synthetic but plausible crash: what it says, that it adds up, escapes, and stays off the network."""

import io
import json
import math
import random
import re
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.sample_operations import done
from tests.sample_safeguards import safeguards

from novate.reports import checks, print_report, render, write_page
from novate.reports import model as m
from novate.reports.charts import STEP_NS, thin, thin_path
from novate.reports.figures import NEW_YORK, clock, compact, money, percent, price, rate, size_of
from novate.reports.safeguards import Safeguards
from novate.reports.story import answer, liquidation_totals, slippage_micro
from novate.risk import AssetClass, Leg, LegKind, Portfolio, Standalone, compare

MILLION = 1_000_000
MINUTE = 60 * 1_000_000_000


def ns(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2025, 10, day, hour, minute, tzinfo=NEW_YORK).timestamp()) * 1_000_000_000


START, CRASH, END = ns(9, 4), ns(10, 16, 50), ns(13, 16)
NAMES: dict[str, tuple[AssetClass, float, float, float, bool]] = {
    # name: (class, price, fall on Friday's session, further fall in the night, headline)
    "SPY": ("broad_etf", 671.2, 0.027, 0.0, True),
    "QQQ": ("broad_etf", 611.4, 0.035, 0.0, False),
    "NVDA": ("mega_cap", 192.6, 0.049, 0.0, True),
    "AAPL": ("mega_cap", 254.1, 0.034, 0.0, False),
    "MSFT": ("mega_cap", 522.4, 0.022, 0.0, False),
    "TSLA": ("mega_cap", 435.5, 0.051, 0.0, False),
    "COIN": ("stock", 387.2, 0.077, 0.0, False),
    "MSTR": ("stock", 320.3, 0.048, 0.0, False),
    "IBIT": ("crypto_etf", 69.1, 0.037, 0.03, False),
    "BTC": ("crypto", 121_600.0, 0.06, 0.10, True),
    "ETH": ("crypto", 4_360.0, 0.08, 0.14, True),
}


def usd(dollars: float) -> int:
    return round(dollars * MILLION)


@cache
def price_paths() -> tuple[m.PricePath, ...]:
    """One value a minute: finer than anything a page may embed."""
    rng = random.Random(7)
    paths = []
    for name, (kind, start, day, night, headline) in NAMES.items():
        points: list[m.PricePoint] = []
        wobble = 0.0
        for stamp in range(START, END, MINUTE):
            wobble = 0.995 * wobble + rng.gauss(0, 0.0004 if kind != "crypto" else 0.0007)
            hours = (stamp - ns(10, 10, 50)) / 3.6e12
            fall = day * min(1.0, max(0.0, hours / 5.2))
            after = (stamp - CRASH) / 3.6e12
            shock = night * math.exp(-after / 9) * min(1.0, after * 3) if after > 0 else 0.0
            recover = 0.4 * day * min(1.0, max(0.0, (stamp - ns(12, 18)) / 4e13))
            open_now = kind == "crypto" or is_open(stamp)
            value = start * (1 - fall - shock + recover) * (1 + wobble)
            if not open_now and points:
                value = points[-1].index_e6 / 1e6
            basis = 1 + rng.gauss(0, 0.0003) - 0.6 * shock * rng.random() * 0.1
            points.append(m.PricePoint(time_ns=stamp, index_e6=usd(value), mark_e6=usd(value * basis)))
        paths.append(m.PricePath(underlying=name, asset_class=kind, points=tuple(points), headline=headline))
    return tuple(paths)


def is_open(stamp: int) -> bool:
    return any(ns(day, 9, 30) <= stamp < ns(day, 16) for day in (9, 10, 13))


def sessions() -> tuple[m.SessionBand, ...]:
    bands: list[m.SessionBand] = []
    for day in (9, 10, 13):
        bands.append(m.SessionBand(start_ns=ns(day, 4), end_ns=ns(day, 9, 30), session="pre"))
        bands.append(m.SessionBand(start_ns=ns(day, 9, 30), end_ns=ns(day, 16), session="regular"))
    bands += [m.SessionBand(start_ns=ns(day, 16), end_ns=ns(day, 20), session="post") for day in (9, 10)]
    bands.append(m.SessionBand(start_ns=ns(9, 20), end_ns=ns(10, 4), session="overnight"))
    bands.append(m.SessionBand(start_ns=ns(10, 20), end_ns=ns(12, 20), session="closed"))
    bands.append(m.SessionBand(start_ns=ns(12, 20), end_ns=ns(13, 4), session="overnight"))
    return tuple(bands)


def qualities() -> tuple[m.QualityBand, ...]:
    bands = []
    for name, (kind, *_) in NAMES.items():
        cuts: list[tuple[int, int, m.PriceQuality]]
        if kind == "crypto":
            cuts = [
                (START, CRASH, "live"),
                (CRASH, CRASH + 9 * MINUTE, "suspect"),
                (CRASH + 9 * MINUTE, END, "live"),
            ]
        else:
            cuts = [(START, ns(9, 9, 30), "closed")]
            for day, until in ((9, ns(10, 9, 30)), (10, ns(13, 9, 30)), (13, END)):
                cuts += [(ns(day, 9, 30), ns(day, 16), "live"), (ns(day, 16), until, "closed")]
            if name == "COIN":
                cuts.insert(4, (ns(10, 11, 2), ns(10, 11, 4), "degraded"))
        for start, end, quality in cuts:
            if start < end:
                bands.append(m.QualityBand(underlying=name, start_ns=start, end_ns=end, quality=quality))
    return tuple(bands)


def standalone(leg: Leg, kind: LegKind) -> Standalone:
    value = abs(leg.spot_value_micro if kind == "spot" else leg.perp_value_micro)
    share = {"broad_etf": 110, "mega_cap": 178, "crypto": 200, "bill": 20}.get(leg.asset_class, 260)
    return Standalone(-(-value * share // 1000), -(-value * share * 3 // 4000))


def view(
    time: int, equity: float, need: float, binding: str, state: str, terms: dict[str, float]
) -> m.MarginView:
    """Levels from one requirement; terms scaled to it exactly."""
    total = usd(need)
    amounts = [(name, total * round(100 * share) // 100) for name, share in terms.items()]
    rest = total - sum(amount for _, amount in amounts[1:])
    parts = tuple(m.Term(name=n, amount_micro=rest if i == 0 else a) for i, (n, a) in enumerate(amounts))
    levels = tuple(
        m.Level(
            name=name, requirement_micro=total * part // 100, excess_micro=usd(equity) - total * part // 100
        )
        for name, part in (("initial", 100), ("liquidation-end", 85), ("maintenance", 75), ("close-out", 50))
    )
    half = total // 2
    return m.MarginView(
        time_ns=time,
        equity_micro=usd(equity),
        state=state,
        binding=binding,
        levels=levels,
        terms=parts,
        contributions=(
            m.Contribution(position="tokens", amount_micro=half),
            m.Contribution(position="perps", amount_micro=total - half),
        ),
    )


def sheet(time: int, cash: float, lines: list[tuple[str, str, str, float, float]]) -> m.BalanceSheet:
    items = [m.BalanceLine(group="cash", name="USDC", quantity=f"{cash:,.0f}", value_micro=usd(cash))]
    for group, name, quantity, value, exposure in lines:
        items.append(
            m.BalanceLine(
                group=msgspec.convert(group, m.LineGroup),
                name=name,
                quantity=quantity,
                value_micro=usd(value),
                exposure_micro=usd(exposure),
            )
        )
    return m.BalanceSheet(
        time_ns=time, lines=tuple(items), equity_micro=sum(item.value_micro for item in items)
    )


def path(before: float, need: float, fall: float, need_after: float) -> tuple[m.PathPoint, ...]:
    rng = random.Random(int(before))
    points = []
    for stamp in range(START, END, MINUTE):
        hours = max(0.0, (stamp - ns(10, 10, 50)) / 3.6e12)
        equity = before * (1 - fall * min(1.0, hours / 7)) * (1 + rng.gauss(0, 0.0006))
        level = need if hours < 6.5 else need_after
        points.append(
            m.PathPoint(
                time_ns=stamp,
                equity_micro=usd(equity),
                initial_micro=usd(level),
                maintenance_micro=usd(0.75 * level),
            )
        )
    return tuple(points)


CALM = {"WRAP": 0.56, "BASIS": 0.29, "FX": 0.02, "LIQ": 0.13}
WILD = {"SR": 0.7, "GAP": 0.16, "FX": 0.02, "LIQ": 0.12}


def account(
    number: int,
    name: str,
    story: str,
    rule: str,
    portfolio: Portfolio,
    need: float,
    fall: float,
    terms: dict[str, float],
    binding: str,
    worst_state: str = "green",
    need_after: float | None = None,
) -> m.Account:
    later = need if need_after is None else need_after
    cash = portfolio.cash["USDC"] / MILLION
    before_lines, after_lines, exposure = [], [], 0.0
    for leg in portfolio.legs:
        spot, perp = leg.spot_value_micro / MILLION, leg.perp_value_micro / MILLION
        exposure += abs(spot) + abs(perp)
        if spot:
            before_lines.append(("asset", leg.token or leg.underlying, f"{spot / 192.6:,.0f}", spot, 0.0))
            after_lines.append(
                ("asset", leg.token or leg.underlying, f"{spot / 192.6:,.0f}", spot * 0.951, 0.0)
            )
        if perp:
            before_lines.append(("perp", leg.underlying, f"{perp / 192.6:,.0f}", 0.0, perp))
            if need_after != 0:
                after_lines.append(
                    ("perp", leg.underlying, f"{perp / 192.6:,.0f}", -perp * 0.049, perp * 0.951)
                )
    if portfolio.claims_micro:
        before_lines.append(("claim", "USDC pool share", "", portfolio.claims_micro / MILLION, 0.0))
        after_lines.append(("claim", "USDC pool share", "", portfolio.claims_micro / MILLION + 118.4, 0.0))
    before = sheet(START, cash, before_lines)
    after = sheet(END, cash * (1 - fall) if need_after == 0 else cash, after_lines)
    equity, last = before.equity_micro / MILLION, after.equity_micro / MILLION
    worst_equity = equity * (1 - fall)
    worst_need = need * (1 if worst_state == "green" else 1.08)
    return m.Account(
        id=number,
        name=name,
        story=story,
        rule=rule,
        exposure_micro=usd(exposure),
        balance_before=before,
        balance_after=after,
        before=view(START, equity, need, binding, "green", terms),
        worst=view(CRASH + 20 * MINUTE, worst_equity, worst_need, binding, worst_state, terms),
        after=view(END, last, later, binding if later else "nothing is held against", "green", terms),
        peers=compare(portfolio, standalone),
        path=path(equity, need, fall, later),
        costs=m.Costs(
            fills=14,
            volume_micro=usd(exposure),
            fees_micro=usd(212.5),
            funding_micro=usd(-388.12),
            interest_micro=0,
        ),
        dated_row=m.DatedRow(name="2025-10-10", time_ns=START, without_micro=usd(need), with_micro=usd(need)),
    )


def leg(name: str, spot: float = 0, perp: float = 0) -> Leg:
    return Leg(
        underlying=name,
        asset_class=NAMES[name][0] if name in NAMES else "bill",
        spot_value_micro=usd(spot),
        perp_value_micro=usd(perp),
        token=f"{name}t" if spot else "",
    )


def book(usdc: float, *legs: Leg, claims: float = 0) -> Portfolio:
    return Portfolio(cash={"USDC": usd(usdc)}, legs=legs, claims_micro=usd(claims))


@cache
def accounts() -> tuple[m.Account, ...]:
    nvda = 5_000 * 192.6
    hold = book(40_000, leg("NVDA", nvda, -nvda))
    basis = book(90_000, leg("SPY", 671_200, -671_200), leg("IBIT", 345_500), leg("BTC", perp=-345_500))
    levered = book(60_000, leg("SPY", 536_960), leg("BTC", perp=1_216_000), leg("ETH", perp=436_000))
    maker = book(2_400_000, *(leg(n, 0, 40_000 * (-1) ** i) for i, n in enumerate(NAMES)))
    bills = book(25_000, leg("BILL", 1_000_000), leg("TSLA", perp=-348_400), leg("QQQ", perp=-244_560))
    lender = book(1_000, claims=3_000_000)
    over = book(52_000, leg("ETH", perp=261_600))
    return (
        account(
            1,
            "Hedged holder",
            "Holds 5,000 NVDA tokens and shorts the perp on them.",
            "keeps token and short equal; never trades in the crash",
            hold,
            33_705,
            0.002,
            CALM,
            "token and short cancel in every stress row; what is left is basis, issuer and the cost of closing",
        ),
        account(
            2,
            "Basis trader",
            "Long SPY and IBIT tokens, short SPY and BTC perps.",
            "adds when the basis is over 20 bp, takes off at 5 bp",
            basis,
            96_400,
            0.011,
            {**CALM, "GAP": 0.16, "SR": 0.2},
            "equity -9 %, IBIT against BTC as one gap group",
        ),
        account(
            3,
            "Levered crypto long",
            "Long BTC and ETH perps backed by SPY tokens.",
            "holds; adds no margin",
            levered,
            352_000,
            0.36,
            WILD,
            "crypto -16 % with equity -9 % at the same time",
            "orange",
        ),
        account(
            4,
            "Market maker",
            "Quotes both sides of every book.",
            "quotes 5 bp around the mark, flattens over 50,000 dollars",
            maker,
            61_000,
            0.004,
            {**WILD, "ORD": 0.2},
            "crypto +16 % with all asks filled",
        ),
        account(
            5,
            "T-bill short seller",
            "Holds one million in T-bill tokens and shorts TSLA and QQQ.",
            "covers a quarter for every 3 % its way",
            bills,
            131_200,
            -0.02,
            WILD,
            "equity +9 % on TSLA and QQQ",
        ),
        account(
            6,
            "Lender",
            "Lends three million USDC to the pool.",
            "never withdraws",
            lender,
            0,
            0.0,
            CALM,
            "no stress",
        ),
        account(
            7,
            "Over-levered long",
            "Five times long ETH on cash alone.",
            "never adds margin",
            over,
            50_700,
            0.83,
            WILD,
            "crypto -18 %, tail row at twice that",
            "red",
            0,
        ),
    )


def liquidations() -> tuple[m.Liquidation, ...]:
    rng, items = random.Random(3), []
    for k in range(34):
        index = 3_780 - 9 * k
        traded = index * (1 - 0.002 - 0.002 * rng.random())
        number, market = (7, "ETH-PERP") if k < 26 else (3, "BTC-PERP")
        scale = 1 if k < 26 else 28
        items.append(
            m.Liquidation(
                account=number,
                time_ns=CRASH + k * 21_000_000_000,
                step="reduce through the book",
                market=market,
                underlying=market[:3],
                side="sell",
                quantity="2.30",
                notional_micro=usd(2.3 * traded * scale),
                price_e6=usd(traded * scale),
                index_e6=usd(index * scale),
                fee_micro=usd(2.3 * traded * 0.011 * scale),
                reason="below maintenance" if k == 0 else "",
            )
        )
    return tuple(items)


def series() -> tuple[m.Series, ...]:
    rows: list[m.Series] = []
    for name, (kind, *_) in NAMES.items():
        files = ["us_equities_1m", "us_equities_5m"] if kind != "crypto" else [f"{name.lower()}usdt_spot"]
        for file in files:
            rows.append(
                m.Series(
                    underlying=name,
                    source=file,
                    quality="derived",
                    kind="ticks from 1-minute bars",
                    bars=1_168 + len(rows),
                    stray_bars=len(rows) % 3,
                )
            )
    rows.append(
        m.Series(underlying="BILL", source="accrual", quality="simulated", kind="4 % a year, 3-month bill")
    )
    rows.append(m.Series(underlying="USDC", source="constant", quality="simulated", kind="1.00"))
    return tuple(rows)


@cache
def report() -> m.Report:
    funding = []
    for hour in range(START, END, 60 * MINUTE):
        for name in NAMES:
            stressed = CRASH < hour < CRASH + 12 * 60 * MINUTE and NAMES[name][0] == "crypto"
            amount = -180_000 if stressed else 12_500
            funding.append(
                m.FundingHour(market=f"{name}-PERP", time_ns=hour, rate_e9=amount, paid_micro=amount * 900)
            )
    hedge = m.HedgeProof(
        account=1,
        underlying="NVDA",
        level="maintenance",
        start_ns=START,
        end_ns=END,
        price_move_ppm=-48_600,
        spot_micro=usd(963_000),
        excess_move_micro=usd(1_093.41),
        carry_micro=usd(175.62),
        premium_micro=usd(-61.2),
        basis_micro=usd(347.1),
        wrap_micro=usd(694.2),
        fx_micro=usd(-2.63),
        liq_micro=usd(-59.68),
        checked=387_600,
        worst_unexplained_micro=4,
        tolerance_micro=8,
    )
    scenario = m.Scenario(
        name="crash-2025-10",
        title="The crash of 10 October 2025, Thursday to Monday",
        headline="Stock, ETF, BTC and ETH prices: derived (ticks from recorded bars). Bill and USDC: simulated.",
        story="A tariff headline on Friday takes stocks down 3 %, then crypto 12 % while New York is shut.",
        start_ns=START,
        end_ns=END,
        data_source="recorded bars",
        series=series(),
    )
    facts = m.VenueFacts(
        commands=1_482_117,
        events=2_931_442,
        frames=41_208,
        journal_bytes=231_884_912,
        state_hash="9f2c" * 16,
        conservation=tuple(
            m.AssetDifference(asset=a, difference=0) for a in ("USDC", "BILLt", *(f"{n}t" for n in NAMES))
        ),
        wall_s=214.3,
        advance_ms=1_000,
        seed=1,
        release="0.1.0",
        ruleset=1,
        verify_command="novate verify journal DIR",
        first_frame_s=0.42,
    )
    return m.Report(
        scenario=scenario,
        venue=facts,
        accounts=accounts(),
        hero=1,
        featured=(1, 7),
        liquidations=liquidations(),
        shortfalls=(m.Shortfall(account=7, asset="USDC", amount_micro=usd(812.4)),),
        insurance=(m.Insurance(bucket="crypto", before_micro=usd(250_000), after_micro=usd(252_061)),),
        funding=tuple(funding),
        prices=price_paths(),
        quality=qualities(),
        sessions=sessions(),
        hedge=hedge,
        safeguards=safeguards(),
        operations=done(),
    )


def terminal(subject: m.Report, width: int = 100) -> str:
    out = io.StringIO()
    print_report(subject, Console(file=out, width=width, no_color=True, force_terminal=False))
    return out.getvalue()


# --- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (money(1_234_567_890_000), "$1,234,568"),
        (money(-1_234_500_000), "($1,235)"),
        (money(-1), "$0"),
        (money(-499_999), "$0"),
        (money(-500_000), "($1)"),
        (money(1_005_000, 2), "$1.01"),
        (money(-4, 6), "($0.000004)"),
        (compact(999_999_499_999), "$999,999"),
        (compact(1_004_999_999_999), "$1.00m"),
        (compact(-1_240_000_000_000), "($1.24m)"),
        (price(121_600_000_000), "$121,600.00"),
        (price(123_400), "$0.1234"),
        (price(None), "–"),
        (percent(35, 1000), "3.5 %"),
        (percent(-1, 3, 2), "-33.33 %"),
        (percent(-1, 10**9), "0.0 %"),
        (percent(5, 0), "–"),
        (rate(12_500), "0.00125 %"),
        (rate(-1_000_000), "-0.10000 %"),
        (size_of(999), "999 B"),
        (size_of(231_884_912), "231.9 MB"),
        (clock(CRASH), "Fri 10 Oct 16:50:00"),
    ],
)
def test_written_figure(written: str, expected: str) -> None:
    assert written == expected


@given(st.integers(-(10**18), 10**18), st.integers(0, 6))
def test_money_reads_back_within_half_a_unit(micro: int, places: int) -> None:
    text = money(micro, places)
    digits = int(re.sub(r"[^0-9]", "", text)) * 10 ** (6 - places)
    value = -digits if text.startswith("(") else digits
    assert abs(value - micro) * 2 <= 10 ** (6 - places)


# --- the report checks itself ---------------------------------------------------------------------------------------


def test_every_check_passes_on_a_sound_report() -> None:
    assert [check.name for check in checks(report()) if not check.ok] == []
    assert len(checks(report())) == 11


def broken_reports() -> list[tuple[str, m.Report]]:
    good = report()
    first, *rest = good.accounts
    replace = msgspec.structs.replace

    def with_first(changed: m.Account) -> m.Report:
        return replace(good, accounts=(changed, *rest))

    sheet_ = replace(first.balance_after, equity_micro=first.balance_after.equity_micro + 1)
    terms = replace(first.worst, terms=(*first.worst.terms, m.Term(name="ORD", amount_micro=1)))
    parts = replace(first.before, contributions=first.before.contributions[:1])
    venue = replace(good.venue, conservation=(m.AssetDifference(asset="USDC", difference=-1),))
    assert good.hedge is not None
    return [
        ("Nothing created", replace(good, venue=venue)),
        ("Balance sheets", with_first(replace(first, balance_after=sheet_))),
        ("Terms add up", with_first(replace(first, worst=terms))),
        ("Contributions", with_first(replace(first, before=parts))),
        ("hedged holder", replace(good, hedge=replace(good.hedge, excess_move_micro=usd(1_093.42)))),
        ("hedged holder", replace(good, hedge=replace(good.hedge, worst_unexplained_micro=-9))),
    ]


@pytest.mark.parametrize(("name", "subject"), broken_reports())
def test_one_micro_dollar_off_is_reported(name: str, subject: m.Report) -> None:
    failed = [check.name for check in checks(subject) if not check.ok]
    assert len(failed) == 1 and name in failed[0]
    assert "FAILED" in terminal(subject)
    page = render(subject)
    assert "FAILS" in page and 'class="alarm"' in page


def test_a_sound_report_raises_no_alarm() -> None:
    assert 'class="alarm"' not in render(report())


# --- what it says ---------------------------------------------------------------------------------------------------


def test_the_answer_names_margin_reason_and_what_would_liquidate() -> None:
    text = answer(report())
    assert text.startswith(
        "Its margin is $33,705, 1.8 % of what it holds and shorts, because token and short cancel"
    )
    assert "it would be liquidated if its equity fell by $" in text
    assert text.count(".") - text.count("1.8") == 1


def test_slippage_is_a_cost_for_either_side_and_rounds_up() -> None:
    sold = liquidations()[0]
    assert slippage_micro(sold) > 0
    bought = msgspec.structs.replace(sold, side="buy")
    assert abs(slippage_micro(sold) + slippage_micro(bought)) <= 1


def test_liquidation_totals_lose_no_slice() -> None:
    totals = liquidation_totals(report())
    assert [row.account for row in totals] == [3, 7]
    assert sum(row.slices for row in totals) == len(report().liquidations)
    assert sum(row.fees_micro for row in totals) == sum(item.fee_micro for item in report().liquidations)


def test_report_is_json_and_back() -> None:
    small = msgspec.structs.replace(report(), prices=(), funding=(), accounts=report().accounts[:1])
    assert msgspec.json.decode(msgspec.json.encode(small), type=m.Report) == small


# --- terminal -------------------------------------------------------------------------------------------------------


def test_the_accounts_are_told_whole_on_eighty_columns() -> None:
    lines = terminal(report(), 80).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Accounts: "))
    table = lines[start : lines.index("", start)]
    assert len(table) > 2 * len(report().accounts)
    assert not any("…" in line for line in table)


def test_terminal_fits_a_hundred_columns_and_says_the_same() -> None:
    text = terminal(report())
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text
    for wanted in ("Hedged holder", "TIMS-like", "$33,705", "9f2c9f2c", "novate verify journal", "derived"):
        assert wanted in text, wanted
    assert "…" not in text, "a column was cut"


def test_terminal_never_reads_names_as_markup() -> None:
    first, *rest = report().accounts
    named = msgspec.structs.replace(first, name="[bold]A[/bold]")
    assert "[bold]A[/bold]" in terminal(msgspec.structs.replace(report(), accounts=(named, *rest)))


# --- page -----------------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Everything a browser would load, the ids, the open tags, and the visible text."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "data", "action") or (key == "href" and tag != "a"):
                self.loads.append(value or "")
            if key == "href" and tag == "a":
                self.links.append(value or "")
            if key == "id":
                self.ids.append(value or "")
            if key.startswith("on"):
                self.handlers.append(key)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    return parsed


def chart_data(page: str) -> dict[str, dict[str, list[dict[str, object]]]]:
    found = re.findall(r'<script type="application/json" id="([a-z-]+)-data">(.*?)</script>', page, re.DOTALL)
    assert not any("<" in text for _, text in found), "chart data could close its own script"
    return {name: json.loads(text) for name, text in found}


def test_page_is_one_sound_file_that_loads_nothing() -> None:
    page = render(report())
    parsed = outline(page)
    assert parsed.open == [] and parsed.loads == [] and parsed.handlers == []
    assert "default-src 'none'" in page
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link.removeprefix("#") for link in parsed.links} <= set(parsed.ids)
    assert "Plotly.react(box" in page
    assert set(chart_data(page)) == {
        "chart-crash",
        "chart-rules",
        "chart-paths",
        "chart-terms",
        "chart-basis",
        "chart-quality",
    }
    text = " ".join(parsed.text)
    for wanted in (answer(report()), "Isolated", "Plain cross", "Ondo (published)", "9f2c" * 16, "($812)"):
        assert wanted in text, wanted


def test_page_and_terminal_escape_hostile_text_everywhere() -> None:
    """Put markup into every text of the report; none of it may become an element, in HTML or inside a chart."""
    evil = "</script><img src=x onerror=alert(1)>"

    def poison(value: object, key: str = "") -> object:
        fixed = ("quality", "group", "side", "session", "asset_class", "outcome", "way", "stage")
        if isinstance(value, str):
            return value if key in fixed else evil + value
        if isinstance(value, dict):
            return {k: poison(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [poison(item, key) for item in value]
        return value

    small = msgspec.structs.replace(
        report(), prices=tuple(msgspec.structs.replace(p, points=p.points[:9]) for p in report().prices)
    )
    hostile = msgspec.convert(poison(msgspec.to_builtins(small)), m.Report)
    page = render(hostile)
    parsed = outline(page)
    assert parsed.open == [] and parsed.loads == [] and parsed.handlers == []
    for figure in chart_data(page).values():
        assert "<img" not in json.dumps(figure), "plotly renders markup in its texts"


def test_charts_never_carry_finer_than_five_minute_values() -> None:
    charts = chart_data(render(report()))
    lines = [
        t for name in ("chart-crash", "chart-basis") for t in charts[name]["data"] if t.get("mode") == "lines"
    ]
    assert len(lines) >= len(NAMES)
    most = (END - START) // STEP_NS + 1
    for trace in lines:
        assert isinstance(trace["x"], list) and len(trace["x"]) <= most


def test_thinning_keeps_the_last_price_and_the_worst_equity() -> None:
    points = price_paths()[0].points
    thinned = thin(points)
    assert thinned[-1] == points[-1] and len({p.time_ns // STEP_NS for p in thinned}) == len(thinned)
    samples = accounts()[6].path
    slack = [p.equity_micro - p.maintenance_micro for p in samples]
    assert min(p.equity_micro - p.maintenance_micro for p in thin_path(samples)) == min(slack)


def test_a_report_with_nothing_but_accounts_still_prints(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(
        report(),
        accounts=tuple(
            msgspec.structs.replace(a, peers=(), path=(), dated_row=None) for a in report().accounts
        ),
        liquidations=(),
        shortfalls=(),
        insurance=(),
        funding=(),
        prices=(),
        quality=(),
        sessions=(),
        hedge=None,
        safeguards=Safeguards(),
    )
    target = write_page(bare, tmp_path / "report.html")
    parsed = outline(target.read_text(encoding="utf-8"))
    assert parsed.open == [] and {link.removeprefix("#") for link in parsed.links} <= set(parsed.ids)
    assert "Liquidations: none" in terminal(bare)
    assert "safeguards" not in parsed.ids and "Lending pools" not in terminal(bare)


def test_unknown_hero_is_a_clear_error() -> None:
    with pytest.raises(KeyError, match="no account 99"):
        render(msgspec.structs.replace(report(), hero=99))
