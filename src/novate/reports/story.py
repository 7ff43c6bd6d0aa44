"""The sentences and summaries that the terminal and the page share.

Responsible for: turning figures of the report into plain words and small totals.
Never: new figures about risk. Everything here is a sum, a ratio or a sentence of what the report carries.
"""

import msgspec

from novate.reports.figures import compact, money, percent, size_of
from novate.reports.model import (
    TERMS,
    Account,
    BalanceSheet,
    Distance,
    FundingHour,
    HedgeProof,
    LineGroup,
    Liquidation,
    MarginView,
    Report,
    VenueFacts,
)
from novate.risk.peers import PeerResult

GROUPS: tuple[tuple[LineGroup, str], ...] = (
    ("cash", "Cash"),
    ("asset", "Tokens"),
    ("perp", "Perp P&L"),
    ("claim", "Claims"),
    ("loan", "Loans"),
)


def answer(report: Report) -> str:
    """The one sentence the report opens with: the hero's margin, why, and what would liquidate it."""
    hero = report.account(report.hero)
    share = percent(hero.before.initial_micro, hero.exposure_micro)
    text = f"Its margin is {money(hero.before.initial_micro)}, {share} of what it holds and shorts, because "
    text += hero.before.binding.rstrip(".") or "no scenario costs it anything"
    return f"{text}; it would be liquidated if {liquidated_if(hero).rstrip('.')}."


def liquidated_if(account: Account) -> str:
    """The caller's words, or else the distance to maintenance."""
    if account.liquidated_if:
        return account.liquidated_if
    level = account.before.level("maintenance")
    distance = level.excess_micro if level else account.before.equity_micro
    return f"its equity fell by {money(distance)} with its requirement unchanged"


STATES = ("yellow", "orange", "red", "black")


def distances(row: Distance) -> tuple[tuple[str, str], ...]:
    """(fall, rise) that lead to each state: `-12.3 %`, or `none`."""
    return tuple((_move(fall), _move(rise)) for fall, rise in zip(row.falls, row.rises, strict=True))


def _move(ppm: int | None) -> str:
    return "none" if ppm is None else percent(ppm, 1_000_000)


def in_short(what: tuple[str, ...], most: int = 2) -> str:
    """The first few things that happen at a boundary, and how many more."""
    more = len(what) - most
    return ", ".join(what[:most]) + (f" and {more} more" if more > 0 else "")


def outcome(report: Report) -> str:
    """What the crash did to the hero and to the others, in one sentence."""
    hero = report.account(report.hero)
    change = hero.after.equity_micro - hero.before.equity_micro
    hurt = {item.account for item in report.liquidations}
    fate = "was liquidated" if hero.id in hurt else "was never touched"
    text = f"Through the crash it {fate} and {_changed(change, hero.before.equity_micro)}"
    if not hurt:
        return text + "; nobody was liquidated."
    names = ", ".join(report.name_of(number) for number in sorted(hurt))
    return f"{text}; liquidated: {names}."


def _changed(change: int, equity: int) -> str:
    if money(change) == "$0":
        return "its equity is the same to the dollar"
    word = "gained" if change > 0 else "lost"
    return f"{word} {money(abs(change))} ({percent(abs(change), equity, 2)} of its equity)"


def versus(account: Account, rule: str) -> PeerResult | None:
    """That rule's answer for the account's book before the crash."""
    return next((peer for peer in account.peers if peer.rule == rule), None)


def rules(report: Report) -> tuple[tuple[str, str], ...]:
    """(rule, title) of every compared rule that any account carries, first seen first."""
    seen = {peer.rule: peer.title for account in report.accounts for peer in account.peers}
    return tuple(seen.items())


def group_total(sheet: BalanceSheet, group: LineGroup) -> int:
    """Sum of one group's lines."""
    return sum(line.value_micro for line in sheet.lines if line.group == group)


class LiquidationTotal(msgspec.Struct, frozen=True, kw_only=True):
    """All slices of one account: how many, when, how much, and what it cost against the index, fees apart."""

    account: int
    slices: int
    first_ns: int
    last_ns: int
    notional_micro: int
    slippage_micro: int
    fees_micro: int


def slippage_micro(item: Liquidation) -> int:
    """Cost of one slice against the index, rounded up; negative when it traded better than the index."""
    worse = item.index_e6 - item.price_e6 if item.side == "sell" else item.price_e6 - item.index_e6
    return -(-abs(item.notional_micro) * worse // item.price_e6) if item.price_e6 else 0


def liquidation_totals(report: Report) -> tuple[LiquidationTotal, ...]:
    """One row per liquidated account, by account id."""
    totals = []
    for number in sorted({item.account for item in report.liquidations}):
        items = [item for item in report.liquidations if item.account == number]
        totals.append(
            LiquidationTotal(
                account=number,
                slices=len(items),
                first_ns=min(item.time_ns for item in items),
                last_ns=max(item.time_ns for item in items),
                notional_micro=sum(abs(item.notional_micro) for item in items),
                slippage_micro=sum(slippage_micro(item) for item in items),
                fees_micro=sum(item.fee_micro for item in items),
            )
        )
    return tuple(totals)


class FundingTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One market's funding over the run: mean, lowest and highest hourly rate, and what longs paid shorts."""

    market: str
    hours: int
    mean_e9: int
    low_e9: int
    high_e9: int
    paid_micro: int


def funding_totals(report: Report) -> tuple[FundingTotal, ...]:
    """One row per market, in the order markets first appear."""
    markets: dict[str, list[FundingHour]] = {}
    for hour in report.funding:
        markets.setdefault(hour.market, []).append(hour)
    return tuple(
        FundingTotal(
            market=market,
            hours=len(hours),
            mean_e9=sum(h.rate_e9 for h in hours) // len(hours),
            low_e9=min(h.rate_e9 for h in hours),
            high_e9=max(h.rate_e9 for h in hours),
            paid_micro=sum(h.paid_micro for h in hours),
        )
        for market, hours in markets.items()
    )


def terms_used(views: list[MarginView]) -> tuple[str, ...]:
    """Names of the terms that are not zero in any of the views, in formula order."""
    used: dict[str, bool] = {}
    for view in views:
        for term in view.terms:
            used[term.name] = used.get(term.name, False) or term.amount_micro != 0
    return tuple(sorted((name for name, some in used.items() if some), key=_formula_order))


def _formula_order(name: str) -> tuple[int, str]:
    return (TERMS.index(name) if name in TERMS else len(TERMS), name)


def term_micro(view: MarginView, name: str) -> int:
    """Amount of one term; 0 where the view does not carry it."""
    return sum(term.amount_micro for term in view.terms if term.name == name)


def key_figures(report: Report) -> tuple[tuple[str, str, str], ...]:
    """(label, figure, remark) of the first row of the page."""
    hero = report.account(report.hero)
    isolated = versus(hero, "isolated")
    figures = [("Margin, hedged book", compact(hero.before.initial_micro), _share(hero))]
    if isolated is not None:
        figures.append(("Same book, isolated", compact(isolated.initial_micro), _standing(isolated)))
    worst = hero.worst.level("maintenance")
    if worst is not None:
        figures.append(("Excess at its worst", compact(worst.excess_micro), "above maintenance"))
    liquidated = len({item.account for item in report.liquidations})
    shortfall = sum(item.amount_micro for item in report.shortfalls)
    figures.append(("Accounts liquidated", f"{liquidated} of {len(report.accounts)}", _slices(report)))
    figures.append(
        ("Shortfall", compact(shortfall), "debt left unsettled" if shortfall else "no debt left behind")
    )
    broken = sum(1 for row in report.venue.conservation if row.difference)
    total = f"{broken}" if report.venue.conservation else "–"
    figures.append(("Assets out of balance", total, f"of {len(report.venue.conservation)}, ledger-wide"))
    return tuple(figures)


def _share(account: Account) -> str:
    return f"{percent(account.before.initial_micro, account.exposure_micro)} of gross exposure"


def _standing(peer: PeerResult) -> str:
    if peer.excess_micro < 0:
        return f"{compact(-peer.excess_micro)} more USDC needed"
    return f"{compact(peer.excess_micro)} to spare"


def _slices(report: Report) -> str:
    fees = sum(item.fee_micro for item in report.liquidations)
    return (
        f"{len(report.liquidations):,} slices, {compact(fees)} fees"
        if report.liquidations
        else "no slice traded"
    )


def hedge_rows(proof: HedgeProof) -> tuple[tuple[str, int], ...]:
    """(name, micro-dollars) of the hedge proof in the order the rule lists its parts."""
    return (
        ("carry (funding, fees, interest, accrual)", proof.carry_micro),
        ("clipped premium of mark over index", proof.premium_micro),
        ("own BASIS", proof.basis_micro),
        ("own WRAP", proof.wrap_micro),
        ("own FX", proof.fx_micro),
        ("own LIQ", proof.liq_micro),
        ("sum of what is allowed", proof.explained_micro),
        ("excess actually moved", proof.excess_move_micro),
        ("unexplained", proof.unexplained_micro),
    )


def venue_rows(venue: VenueFacts) -> tuple[tuple[str, str], ...]:
    """(name, text) of the facts that let anybody check the run."""
    first = "" if venue.first_frame_s is None else f", first frame on disk after {venue.first_frame_s:.2f} s"
    conservation = ", ".join(f"{row.asset} {row.difference}" for row in venue.conservation)
    return (
        (
            "release",
            f"{venue.release}, ruleset {venue.ruleset}, seed {venue.seed}, clock step {venue.advance_ms:,} ms",
        ),
        ("commands", f"{venue.commands:,} in {venue.frames:,} frames; {venue.events:,} events"),
        ("journal", f"{size_of(venue.journal_bytes)}{first}"),
        ("wall time", f"{venue.wall_s:.1f} s"),
        ("conservation", conservation or "not reported"),
        ("state hash", venue.state_hash),
        ("verify", venue.verify_command),
    )
