"""The tables about the venue's safeguards, once for the terminal and the page.

Responsible for: titles, one explaining sentence each, headings and written figures.
Never: a figure that safeguards.py does not carry, or the look of a table.
"""

from collections.abc import Iterator

import msgspec

from novate.reports.figures import minute, money, percent, price
from novate.reports.model import Report
from novate.reports.safeguards import Closure, Stop

MILLION = 1_000_000


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A table in words: the first `left` columns are text, the others figures."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


def sheets(report: Report) -> tuple[Sheet, ...]:
    """Every table that has a row, in reading order."""
    return tuple(sheet for sheet in _all(report) if sheet.rows)


def _all(report: Report) -> Iterator[Sheet]:
    yield _pools(report)
    yield _covers(report)
    yield _tranches(report)
    yield _winners(report)
    yield _stops(report)
    yield _closure(report)


def _pools(report: Report) -> Sheet:
    return Sheet(
        title="Lending pools",
        note="Whole units of the asset. What is lent out can't be taken out until it is repaid; the rate rises with the use.",
        columns=("pool", "rate a year", "used", "most used", "lent", "borrowed", "can be taken out"),
        rows=tuple(
            (
                pool.asset,
                percent(pool.rate_ppm, MILLION, 2),
                percent(pool.utilisation_ppm, MILLION),
                percent(pool.most_used_ppm, MILLION),
                *(f"{units // MILLION:,}" for units in (pool.lent, pool.borrowed, pool.withdrawable)),
            )
            for pool in report.safeguards.pools
        ),
    )


def _covers(report: Report) -> Sheet:
    return Sheet(
        title="Insurance per bucket",
        note="The operator's tranche pays first. The target is what the two largest owners would lose beyond their money in the "
        "worst listed row; below it open-interest caps shrink to this part.",
        columns=("bucket", "insurance", "operator's", "target", "caps at"),
        rows=tuple(
            (
                cover.bucket,
                *(money(m) for m in (cover.insurance_micro, cover.operator_micro, cover.target_micro)),
                percent(cover.open_interest_ppm, MILLION),
            )
            for cover in report.safeguards.covers
        ),
    )


def _tranches(report: Report) -> Sheet:
    return Sheet(
        title="Backstop tranches",
        note="A provider takes the legs of an account below close-out from its discount on, no more than committed from one auction, "
        "until it has lost its limit.",
        columns=("provider", "state", "from", "committed", "used", "slices", "lost", "limit"),
        rows=tuple(
            (
                report.name_of(item.account),
                "exhausted" if item.exhausted else "stands",
                percent(item.discount_ppm, MILLION, 2),
                money(item.committed_micro),
                money(item.taken_micro),
                f"{item.slices}",
                money(item.loss_micro),
                money(item.loss_limit_micro),
            )
            for item in report.safeguards.tranches
        ),
        left=2,
    )


def _winners(report: Report) -> Sheet:
    return Sheet(
        title="Who would be deleveraged first",
        note="Winning positions with an unhedged part, by market. Only what backstop and insurance leave is closed against them.",
        columns=("account", "market", "unhedged", "profit", "rank"),
        rows=tuple(
            (
                report.name_of(winner.account),
                winner.market,
                winner.unhedged,
                money(winner.profit_micro),
                f"{winner.rank} of {winner.of}",
            )
            for winner in report.safeguards.winners
        ),
        left=2,
    )


def _stops(report: Report) -> Sheet:
    return Sheet(
        title="Stop orders",
        note="A stop waits for the mark, not for a trade; it reserves nothing and is margined when it fires.",
        columns=("account", "order", "what became of it"),
        rows=tuple(
            (report.name_of(stop.account), _order(stop), outcome(stop)) for stop in report.safeguards.stops
        ),
        left=3,
    )


def _order(stop: Stop) -> str:
    way = "below" if stop.side == "sell" else "above"
    return f"{stop.side} {stop.quantity} {stop.market} at a mark of {price(stop.trigger_e6)} or {way}"


def outcome(stop: Stop) -> str:
    """What became of a stop, in words."""
    when = minute(stop.time_ns)
    if stop.outcome == "fired":
        traded = (
            f"{stop.filled} traded at {price(stop.price_e6)} on average" if stop.filled else "nothing traded"
        )
        return f"fired {when} at a mark of {price(stop.mark_e6)}: {traded}"
    if stop.outcome == "refused":
        return f"fired {when} at a mark of {price(stop.mark_e6)} and was refused: {stop.reason}"
    if stop.outcome == "ended":
        return f"ended {when} without firing: {stop.reason}"
    return f"still waits since {when}"


def _closure(report: Report) -> Sheet:
    closure = report.safeguards.closure
    return Sheet(
        title="A closed index drifts inside bounds",
        note="The longest closure of one stock. Its own book moves the index, its bounds hold it; margin below initial keeps the last "
        "price from outside.",
        columns=("stock", "closed", "last external", "bounds", "index at the end", "reopened"),
        rows=(_closed(closure),) if closure else (),
        left=2,
    )


def _closed(closure: Closure) -> tuple[str, ...]:
    return (
        closure.underlying,
        f"{minute(closure.start_ns)} to {minute(closure.end_ns)}",
        price(closure.external_e6),
        f"{price(closure.low_e6)} to {price(closure.high_e6)}",
        price(closure.last_e6),
        price(closure.reopened_e6 or None),
    )
