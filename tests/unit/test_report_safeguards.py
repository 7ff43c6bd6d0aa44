"""The tables about the venue's safeguards: each figure once, the same on the terminal and on the page."""

import html
import re

import pytest
from msgspec.structs import replace
from tests.sample_safeguards import CRASH_NS, safeguards
from tests.unit.test_report import report, terminal

from novate.reports import render
from novate.reports.safeguards import Safeguards, Stop
from novate.reports.sheets import outcome, sheets

PARTS = ("pools", "covers", "tranches", "winners", "stops", "closure")


def words(text: str) -> str:
    """Text on one line, single spaces."""
    return " ".join(text.split())


def test_every_part_has_its_table_in_reading_order() -> None:
    assert [(sheet.title, len(sheet.rows)) for sheet in sheets(report())] == [
        ("Lending pools", 1),
        ("Insurance per bucket", 1),
        ("Backstop tranches", 1),
        ("Who would be deleveraged first", 1),
        ("Stop orders", 1),
        ("A closed index drifts inside bounds", 1),
    ]


@pytest.mark.parametrize(("part", "place"), [(part, place) for place, part in enumerate(PARTS)])
def test_a_part_that_a_run_lacks_leaves_no_table(part: str, place: int) -> None:
    empty = getattr(Safeguards(), part)
    lacking = replace(report(), safeguards=replace(safeguards(), **{part: empty}))
    titles = [sheet.title for sheet in sheets(report())]
    assert [sheet.title for sheet in sheets(lacking)] == titles[:place] + titles[place + 1 :]


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (0, ("USDC", "6.13 %", "81.2 %", "90.4 %", "15,001,000", "12,185,312", "2,815,688")),
        (1, ("crypto", "$252,061", "$100,000", "$469,415", "75.0 %")),
        (2, ("Basis trader", "stands", "0.50 %", "$1,000,000", "$311,207", "3", "($1,204)", "$250,000")),
        (3, ("T-bill short seller", "TSLA-PERP", "short 800", "$17,774", "1 of 2")),
        (
            4,
            (
                "Levered crypto long",
                "sell 149.4 ETH-PERP at a mark of $3,828.00 or below",
                "fired Fri 10 Oct 16:52 at a mark of $3,811.50: 149.4 traded at $3,795.25 on average",
            ),
        ),
        (
            5,
            (
                "NVDA",
                "Fri 10 Oct 20:00 to Mon 13 Oct 04:00",
                "$183.16",
                "$177.67 to $188.65",
                "$179.02",
                "$186.31",
            ),
        ),
    ],
)
def test_a_table_writes_its_figures(place: int, row: tuple[str, ...]) -> None:
    sheet = sheets(report())[place]
    assert sheet.rows == (row,)
    assert len(sheet.columns) == len(row)


def test_terminal_and_page_show_every_table() -> None:
    page = html.unescape(re.sub(r"<[^>]+>", " ", render(report()).split('id="safeguards"')[1]))
    shown = terminal(report(), width=240)
    for sheet in sheets(report()):
        for text in (sheet.title, *sheet.columns, *sheet.rows[0]):
            assert words(text) in words(page), text
            assert words(text) in words(shown), text
        assert words(sheet.note) in words(page)


def stop(**changes: object) -> Stop:
    return replace(safeguards().stops[0], **changes)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (stop(filled="", price_e6=0), "fired Fri 10 Oct 16:52 at a mark of $3,811.50: nothing traded"),
        (
            stop(outcome="refused", reason="no"),
            "fired Fri 10 Oct 16:52 at a mark of $3,811.50 and was refused: no",
        ),
        (
            stop(outcome="ended", time_ns=CRASH_NS, reason="below maintenance"),
            "ended Fri 10 Oct 16:50 without firing: below maintenance",
        ),
        (stop(outcome="waiting", time_ns=CRASH_NS), "still waits since Fri 10 Oct 16:50"),
    ],
)
def test_what_became_of_a_stop_is_said(item: Stop, said: str) -> None:
    assert outcome(item) == said


def test_a_closure_that_has_not_ended_has_no_reopening() -> None:
    closure = safeguards().closure
    assert closure is not None
    going = replace(report(), safeguards=replace(safeguards(), closure=replace(closure, reopened_e6=0)))
    assert sheets(going)[5].rows[0][-1] == "–"
