"""What the venue did besides trading, in the report: each figure once, and a check that fails when a figure is off."""

import html
import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests import sample_operations as sample
from tests.sample_safeguards import ns, usd
from tests.unit.test_report import report, terminal

from novate.reports import checks, render
from novate.reports import operations as o
from novate.reports.operation_sheets import TITLE, life, operation_sheets, standing

SUPPLY = "Settled + bought - sold + shortage = tokens x multiplier + surplus"
REQUESTS = "What requests held was spent, burned or returned"
PACKAGE = "The package needs less than its legs alone"
DIVIDEND = "Token against short perp is flat through the dividend, by two people"
CHANGES = "Rules changed by two people, after the delay their effect asks"
LIFE = (
    "reserved Thu 09 Oct 10:15, routed 10:15, partly filled 10:16, filled 10:16, settled Fri 10 Oct 09:00, "
    "delivered 09:00"
)
LOAN = "What was sold short of tAAPL is owed, and its lender is owed no less than it lent"


def words(text: str) -> str:
    """Text on one line, single spaces."""
    return " ".join(text.split())


def failed(done: o.Operations) -> set[str]:
    """Names of the checks that do not hold for a report with these operations."""
    return {check.name for check in checks(replace(report(), operations=done)) if not check.ok}


def test_every_part_has_its_table_in_reading_order() -> None:
    assert [(sheet.title, len(sheet.rows)) for sheet in operation_sheets(report())] == [
        ("Tokens issued and redeemed", 2),
        ("What stands behind tAAPL", 4),
        ("A hedge in one trade", 4),
        ("A dividend of $0.91 on MSFT", 5),
        ("Rules changed by two people", 2),
        ("What a changed rule would ask", 1),
        ("A stock loan", 1),
    ]
    for sheet in operation_sheets(report()):
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)


def test_a_request_is_followed_from_the_click_to_the_exchange_to_the_token() -> None:
    """Bought at 250.02 and 250.06 in a market of 249.98 / 250.02: the spread is against 250.00, when the order left."""
    click = ns(9, 10, 15)
    traded = [("X1", 60, 250_020_000_000, 90_000), ("X2", 40, 250_060_000_000, 60_000)]
    executions = tuple(
        o.Execution(
            id=name,
            traded_ns=click,
            shares=shares * 10**9,
            price_e9=price,
            fee_micro=fee,
            settles="2025-10-10",
        )
        for name, shares, price, fee in traded
    )
    leg = o.BrokerLeg(
        order=2, client_id="ABC-2", broker="Prime", symbol="AAPL", buys=True, sent_ns=click, bid_e9=249_980_000_000,
        ask_e9=250_020_000_000, accepted_ns=click + 5 * 10**9, executions=executions,
    )  # fmt: skip
    done = request_with(legs=(leg,))
    sheet = operation_sheets(replace(report(), operations=done))[1]
    assert sheet.title == "From the click to the exchange: tAAPL issued"
    said = [(row[1], row[2], row[3]) for row in sheet.rows]
    assert said == [
        ("0 s", "the request: $25,013 held", ""),
        ("0 s", "order ABC-2 to buy AAPL left for Prime, market $249.98 / $250.02", ""),
        ("0 s", "60 shares at $250.02", "$1.20 spread, $0.09 fees"),
        ("0 s", "40 shares at $250.06", "$2.40 spread, $0.06 fees"),
        ("5 s", "the exchange has it", ""),
        ("60 s", "60 tAAPL issued for $15,000.00", "$7.50 fee"),
        ("60 s", "40 tAAPL issued for $10,000.00", "$5.00 fee"),
        ("22 h", "settled", ""),
        ("22 h", "delivered", ""),
        ("", "all of it", "$16.25, 0.065 %"),
    ]
    forced = replace(sample.issuance().requests[1], forced=True, legs=(replace(leg, buys=False),))
    both = issuance_with(requests=(sample.issuance().requests[0], forced))
    assert operation_sheets(replace(report(), operations=both))[1].title.endswith(
        "tAAPL redeemed by a liquidation"
    )


def test_a_run_without_any_has_no_section() -> None:
    bare = replace(report(), operations=o.Operations())
    assert operation_sheets(bare) == ()
    assert TITLE not in render(bare)
    assert TITLE not in terminal(bare, width=240)
    assert not {SUPPLY, REQUESTS, PACKAGE, DIVIDEND, CHANGES, LOAN} & {check.name for check in checks(bare)}


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (
            0,
            (
                "Basis trader: $25,013 into tAAPL",
                LIFE,
                "100",
                "$250.00",
                "100",
                "$25,000.00",
                "$12.50",
            ),
        ),
        (
            1,
            ("Thu 09 Oct 10:16 opening", "1,000", "0", "0", "0", "1,000", "0.000000007"),
        ),
        (2, ("buy 570 tMSFT-USDC", "$523.50", "$298,395", "$119.36", "$61,234")),
        (3, ("scheduled", "Thu 09 Oct 11:30", "by operations; halt window Thu 09 Oct 19:50 to 20:10")),
        (
            4,
            (
                "gap of TSLA from 6 % to 8 % (asks more of 1 of 6 accounts)",
                "Thu 09 Oct 11:00 by operations",
                "Thu 09 Oct 11:30 by risk",
                "long",
                "waits: 3 regular opens left",
            ),
        ),
        (
            5,
            (
                "gap of TSLA from 6 % to 8 %",
                "T-bill short seller",
                "$150,258",
                "$169,172",
                "$850,455",
                "$831,541",
            ),
        ),
        (
            6,
            (
                "Basis trader",
                "Levered crypto long",
                "432.75 tAAPL",
                "432.8271",
                "295.76",
                "$74,321",
                "295.8487",
                "3.36 %",
            ),
        ),
    ],
)
def test_a_table_writes_its_figures(place: int, row: tuple[str, ...]) -> None:
    assert operation_sheets(report())[place].rows[0] == row


def test_the_package_is_compared_with_its_legs() -> None:
    *_, alone, together = operation_sheets(report())[2].rows
    assert alone == ("the legs alone, added up", "", "", "", "$113,579")
    assert together == ("as one package: 90.1 % less", "", "", "$223.77", "$11,222")


def test_the_dividend_says_what_it_did_to_the_pair() -> None:
    *_, dry, _, effect, pair = operation_sheets(report())[3].rows
    assert dry[2] == "3 accounts touched; Basis trader's equity changes by $0.00"
    assert effect[2] == "index $522.40 to $521.49 at one sequence, 258,746"
    assert pair[2].endswith("570 shares short: $363.09 receivable, ($363.09) from the perp: $0.00")


def test_terminal_and_page_show_every_table() -> None:
    page = html.unescape(re.sub(r"<[^>]+>", " ", render(report()).split('id="operations"')[1]))
    shown = terminal(report(), width=240)
    assert TITLE in page and TITLE in shown
    for sheet in operation_sheets(report()):
        for text in (sheet.title, sheet.note, *sheet.columns, *sheet.rows[0]):
            assert words(text) in words(page), text
        for text in (sheet.title, *sheet.columns, *sheet.rows[0]):
            assert words(text) in words(shown), text


def test_the_token_is_named_where_there_is_more_than_one() -> None:
    first, *more = sample.issuance().backing
    two = issuance_with(backing=(replace(first, token="tGOOG"), *more))
    sheet = operation_sheets(replace(report(), operations=two))[1]
    assert sheet.title == "What stands behind tGOOG and tAAPL"
    assert sheet.rows[0][0] == "Thu 09 Oct 10:16 tGOOG opening"


# --- words -------------------------------------------------------------------------------------------------------------


def test_a_state_that_is_entered_again_is_said_once() -> None:
    item = sample.issuance().requests[0]
    twice = replace(item, steps=(*item.steps[:3], item.steps[2], *item.steps[3:]))
    assert life(twice) == life(item)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage": "proposed"}, "waits for a second person"),
        ({"stage": "approved", "due_ns": ns(9, 15, 30)}, "waits until Thu 09 Oct 15:30"),
        ({"stage": "in force", "in_force_ns": ns(9, 15, 30)}, "in force since Thu 09 Oct 15:30"),
        ({"stage": "ended"}, "ended without effect"),
    ],
)
def test_where_a_change_stands_is_said(change: dict[str, object], said: str) -> None:
    assert standing(replace(sample.changes()[0], **change)) == said


def test_what_has_not_happened_yet_is_not_said() -> None:
    early = replace(sample.dividend(), confirmed_ns=0, confirmed_by="", effective_ns=0)
    done = replace(sample.done(), dividends=(early,))
    sheet = operation_sheets(replace(report(), operations=done))[3]
    assert [row[0] for row in sheet.rows] == ["scheduled"]
    assert DIVIDEND not in {check.name for check in checks(replace(report(), operations=done))}


# --- the report's own checks -------------------------------------------------------------------------------------------


def test_every_part_is_checked_and_holds() -> None:
    names = {check.name for check in checks(report())}
    assert {SUPPLY, REQUESTS, PACKAGE, DIVIDEND, CHANGES, LOAN} <= names
    assert failed(sample.done()) == set()


def issuance_with(**changes: object) -> o.Operations:
    return replace(sample.done(), issuance=replace(sample.issuance(), **changes))


def backing_with(**changes: object) -> o.Operations:
    *rest, last = sample.issuance().backing
    return issuance_with(backing=(*rest, replace(last, **changes)))


def request_with(**changes: object) -> o.Operations:
    first, second = sample.issuance().requests
    return issuance_with(requests=(replace(first, **changes), second))


def priced_at(price: float) -> o.Operations:
    first, *more = sample.issuance().requests[0].fills
    return request_with(fills=(replace(first, price_e6=usd(price)), *more))


def package_with(**changes: object) -> o.Operations:
    return replace(sample.done(), packages=(replace(sample.package(), **changes),))


def dividend_with(**changes: object) -> o.Operations:
    return replace(sample.done(), dividends=(replace(sample.dividend(), **changes),))


def change_with(place: int, **changes: object) -> o.Operations:
    items = list(sample.changes())
    items[place] = replace(items[place], **changes)
    return replace(sample.done(), changes=tuple(items))


def loan_with(**changes: object) -> o.Operations:
    return replace(sample.done(), loans=(replace(sample.loan(), **changes),))


@pytest.mark.parametrize(
    ("make", "broken"),
    [
        (lambda: issuance_with(worst_difference=1), SUPPLY),
        (lambda: issuance_with(checked=0), SUPPLY),
        (lambda: backing_with(settled=1_070 * sample.NANO + 1), SUPPLY),
        (lambda: backing_with(shortage=1), SUPPLY),
        (lambda: backing_with(multiplier_ppb=sample.NANO + 1), SUPPLY),
        (lambda: request_with(held=usd(25_012.51)), REQUESTS),
        (lambda: request_with(returned=1), REQUESTS),
        (lambda: request_with(fills=()), REQUESTS),
        (lambda: priced_at(249.99), REQUESTS),
        (lambda: package_with(requirement_micro=usd(113_579)), PACKAGE),
        (lambda: package_with(excess_micro=-1), PACKAGE),
        (lambda: package_with(legs=sample.package().legs[:1]), PACKAGE),
        (lambda: dividend_with(perp_micro=usd(-363.07)), DIVIDEND),
        (lambda: dividend_with(perp_micro=usd(-363), token_micro=usd(363)), DIVIDEND),
        (lambda: dividend_with(account_after_micro=usd(345_000.02)), DIVIDEND),
        (lambda: dividend_with(index_after_e6=usd(521.48)), DIVIDEND),
        (lambda: dividend_with(confirmed_by="operations"), DIVIDEND),
        (lambda: dividend_with(shares=0, perp_micro=0, token_micro=0), DIVIDEND),
        (lambda: change_with(0, long_delay=False), CHANGES),
        (lambda: change_with(0, approved_by="operations"), CHANGES),
        (lambda: change_with(1, in_force_ns=ns(9, 15, 29)), CHANGES),
        (lambda: change_with(1, in_force_ns=ns(9, 11), due_ns=0), CHANGES),
        (lambda: loan_with(owed_units=295_759_999), LOAN),
        (lambda: loan_with(claim_units=432_749_999), LOAN),
    ],
)
def test_a_figure_that_is_off_fails_its_check(make: Callable[[], o.Operations], broken: str) -> None:
    assert failed(make()) == {broken}
