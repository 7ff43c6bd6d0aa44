"""Announcements: files are read strictly, sources told apart by one table, windows and terms by the calendar; dividends against what is receivable."""

import itertools
import json
from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from novate.broker.announcements import Announcement, DividendPaid, Kind
from novate.clearing.actions_book import ActionsBook
from novate.clearing.break_book import BreakBook, arrival, numbered
from novate.clearing.corporate_actions import (
    TABLE,
    Hearing,
    Matter,
    State,
    choose,
    differences,
    heard,
    hearing,
    name_of,
    read_announcements,
    terms_of,
    window_of,
)
from novate.clearing.dividends import (
    Expected,
    Line,
    Parcel,
    arrivals,
    breaks_of,
    commands_of,
    ex_date_of,
    match,
    read_paid,
)
from novate.errors import DataError
from novate.messages import FundBroker, FundDistributions, FundInventory, PayDistribution
from novate.messages.codes import CorporateActionKind
from novate.messages.reports.portfolios import Listed, UnderlyingName

NVDA = Announcement(
    source="company",
    key="nvda-2024",
    symbol="NVDA",
    kind=Kind.SPLIT,
    ex_date=date(2024, 6, 10),
    ratio_new=10,
    ratio_old=1,
)
AAPL = Announcement(
    source="company",
    key="aapl-2014",
    symbol="AAPL",
    kind=Kind.SPLIT,
    ex_date=date(2014, 6, 9),
    ratio_new=7,
    ratio_old=1,
)
DIVIDEND = Announcement(
    source="alpaca",
    key="d1",
    symbol="NVDA",
    kind=Kind.CASH_DIVIDEND,
    ex_date=date(2024, 6, 11),
    amount=10_000_000,
)


def underlying(number, name, decimals=6):
    return UnderlyingName(
        underlying=number,
        name=name,
        decimals=decimals,
        price_min=1,
        price_max=10**12,
        nav=False,
        closes=True,
        sources=(),
    )


NAMES = Listed(
    underlyings=(underlying(6, "NVDA"), underlying(7, "AAPL"), underlying(8, "META")), assets=(), markets=()
)

# --- files ---------------------------------------------------------------------------------------------------------------

TOML = """
[[action]]
symbol = "NVDA"
kind = "split"
ex_date = 2024-06-10
ratio = "10:1"
source = "company"
key = "nvda-2024"

[[action]]
symbol = "AAPL"
kind = "split"
ex_date = "2014-06-09"
ratio = "7:1"
source = "company"
key = "aapl-2014"
"""
ROWS = [
    {"symbol": "NVDA", "kind": "split", "ex_date": "2024-06-10", "ratio": "10:1", "source": "company", "key": "nvda-2024"},
    {"symbol": "AAPL", "kind": "split", "ex_date": "2014-06-09", "ratio": "7:1", "source": "company", "key": "aapl-2014"},
]  # fmt: skip
CSV = "symbol,kind,ex_date,ratio,amount,source,key\nNVDA,split,2024-06-10,10:1,,company,nvda-2024\nAAPL,split,2014-06-09,7:1,,company,aapl-2014\n"


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.json", json.dumps(ROWS)), ("a.csv", CSV)])
def test_three_formats_say_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_announcements(tmp_path / name)
    assert found.announcements == (NVDA, AAPL) and found.name == name and len(found.sha256) == 64


def test_a_file_without_source_and_key_names_itself(tmp_path):
    (tmp_path / "june.csv").write_text("symbol,kind,ex_date,amount\nNVDA,cash_dividend,2024-06-11,0.01\n")
    (one,) = read_announcements(tmp_path / "june.csv").announcements
    assert (one.source, one.key, one.amount) == ("june.csv", "NVDA cash_dividend 2024-06-11", 10_000_000)


BAD = {
    "unknown key": ({"colour": "red"}, "entry 1, colour", "is unknown"),
    "no symbol": ({"symbol": None}, "entry 1, symbol", "is missing"),
    "no such kind": ({"kind": "merge"}, "entry 1, kind", "'merge'"),
    "a float": ({"kind": "cash_dividend", "ratio": None, "amount": 0.25}, "entry 1, amount", "is text"),
    "a number with an exponent": ({"kind": "cash_dividend", "ratio": None, "amount": "1e1"}, "entry 1, amount", "plain decimal"),
    "too many decimals": ({"kind": "cash_dividend", "ratio": None, "amount": "0.0000000001"}, "entry 1, amount", "multiple of"),
    "a dividend of nothing": ({"kind": "cash_dividend", "ratio": None}, "entry 1, amount", "above 0, or an estimate"),
    "a negative dividend": ({"kind": "cash_dividend", "ratio": None, "amount": "-1"}, "entry 1, amount", "at least 0"),
    "a split with an amount": ({"amount": "1"}, "entry 1, amount", "does not belong to a split"),
    "a split without a ratio": ({"ratio": None}, "entry 1, ratio", "belongs to a split"),
    "a ratio of one": ({"ratio": "3:3"}, "entry 1, ratio", "not one to one"),
    "a ratio of nought": ({"ratio": "10:0"}, "entry 1, ratio", "from 1 to"),
    "a ratio in words": ({"ratio": "ten to one"}, "entry 1, ratio", "such as 10:1"),
    "a dividend with a ratio": ({"kind": "cash_dividend", "amount": "1"}, "entry 1, ratio", "does not belong"),
    "a day of another form": ({"ex_date": "10.6.2024"}, "entry 1, ex_date", "not what belongs"),
    "a day that is none": ({"ex_date": "2024-02-30"}, "entry 1, ex_date", "not what belongs"),
    "a Sunday": ({"ex_date": "2024-06-09"}, "entry 1, ex_date", "no trading day"),
    "a holiday": ({"ex_date": "2024-06-19"}, "entry 1, ex_date", "no trading day"),
    "a spin-off of nobody": ({"kind": "spin_off"}, "entry 1, other", "both or none"),
    "a new name of a split": ({"name": "NVDIA"}, "entry 1, name", "belongs to a symbol change"),
    "a flag in words": ({"estimated": "maybe"}, "entry 1, estimated", "true or false"),
    "a symbol of nothing": ({"symbol": ""}, "entry 1, symbol", "1 to 64"),
    "paid before it is ex": (
        {"kind": "cash_dividend", "ratio": None, "amount": "1", "payable": "2024-06-07"}, "entry 1, payable", "not before the ex-date"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_entry_is_refused_by_entry_and_field(tmp_path, name):
    change, where, why = BAD[name]
    row = {key: value for key, value in (ROWS[0] | change).items() if value is not None}
    (tmp_path / "a.json").write_text(json.dumps([row, ROWS[1]]))
    with pytest.raises(DataError) as error:
        read_announcements(tmp_path / "a.json")
    assert where in error.value.sentence and why in error.value.sentence, error.value.sentence


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.xml", "<a/>", "is none of .toml, .json, .csv"),
        ("a.json", "{", "cannot be read"),
        ("a.json", '{"symbol": "NVDA"}', "no list of entries"),
        ("a.json", "[1]", "no list of entries"),
        ("a.toml", "[[actions]]\n", "only [[action]]"),
        ("a.toml", "x = ", "cannot be read"),
        ("a.csv", "symbol,kind,ex_date\nNVDA,split\n", "more or fewer fields"),
        ("a.csv", "symbol,kind,ex_date\nNVDA,split,2024-06-10,10:1\n", "more or fewer fields"),
        ("a.json", json.dumps([ROWS[0], ROWS[0]]), "entry 2, key: 'nvda-2024' of company stands there twice"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        read_announcements(tmp_path / name)
    assert why in error.value.sentence, error.value.sentence


# --- sources -------------------------------------------------------------------------------------------------------------

BROKER = replace(NVDA, source="alpaca", key="77")
OTHER_RATIO = replace(BROKER, ratio_new=5)
STORIES = {
    "said once": ([NVDA], "known", ["first"]),
    "said twice": ([NVDA, NVDA], "known", ["first", "repeated"]),
    "two agree": ([NVDA, BROKER], "known", ["first", "agrees"]),
    "amended": ([NVDA, replace(NVDA, ratio_new=20)], "known", ["first", "amends"]),
    "another day": ([NVDA, replace(NVDA, ex_date=date(2024, 6, 11))], "known", ["first", "amends"]),
    "two differ": ([NVDA, OTHER_RATIO], "disputed", ["first", "differs"]),
    "differ, then agree": ([NVDA, OTHER_RATIO, BROKER], "known", ["first", "differs", "agrees"]),
    "differ, and one withdraws": ([NVDA, OTHER_RATIO, replace(NVDA, withdrawn=True)], "disputed", ["first", "differs", "differs"]),
    "withdrawn": ([NVDA, replace(NVDA, withdrawn=True)], "withdrawn", ["first", "withdraws"]),
    "withdrawn by one of two": ([NVDA, BROKER, replace(BROKER, withdrawn=True)], "disputed", ["first", "agrees", "differs"]),
    "withdrawn by both": (
        [NVDA, BROKER, replace(BROKER, withdrawn=True), replace(NVDA, withdrawn=True)], "withdrawn", ["first", "agrees", "differs", "withdraws"]
    ),
    "withdrawn and back": ([NVDA, replace(NVDA, withdrawn=True), NVDA], "known", ["first", "withdraws", "amends"]),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_what_sources_say_comes_to_one_state(name):
    said, state, hearings = STORIES[name]
    known, found = None, []
    for one in said:
        known, what = heard(known, one, 1)
        found.append(what.value)
    assert (known.state.value, found) == (state, hearings)


def test_the_table_has_every_pair_that_can_come():
    """Whatever two sources say in any order, the table has the cell; and it is known exactly where all that stand agree."""
    words = [
        replace(one, withdrawn=withdrawn)
        for one in (NVDA, replace(NVDA, ratio_new=20), BROKER, OTHER_RATIO)
        for withdrawn in (False, True)
    ]
    met = set()
    for story in itertools.product(words, repeat=4):
        known = None
        for one in story:
            met.add((None if known is None else known.state, hearing(known, one)))
            known, _ = heard(known, one, 1)
        stand = {said.content for said in known.said.values() if not said.withdrawn}
        withdrew = any(said.withdrawn for said in known.said.values())
        agreed = State.DISPUTED if withdrew or len(stand) > 1 else State.KNOWN
        assert known.state is (agreed if stand else State.WITHDRAWN)
    assert met == TABLE.keys()


def test_a_person_chooses_and_a_change_undoes_the_choice():
    known, _ = heard(None, NVDA, 1)
    known, _ = heard(known, OTHER_RATIO, 2)
    assert not known.settled
    chosen = choose(known, name_of(NVDA))
    assert chosen.settled and chosen.announcement == NVDA
    again, what = heard(chosen, OTHER_RATIO, 2)
    assert what is Hearing.REPEATED and again.chosen == name_of(NVDA)
    later, _ = heard(chosen, replace(OTHER_RATIO, ratio_new=4), 2)
    assert later.state is State.DISPUTED and later.chosen == ""
    with pytest.raises(DataError, match="does not announce"):
        choose(known, "nobody:1")


# --- windows and terms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ex_date", "start"),
    [
        (
            date(2024, 6, 10),
            datetime(2024, 6, 7, 23, 50, tzinfo=UTC),
        ),  # Friday evening, before Monday's overnight session begins
        (date(2014, 6, 9), datetime(2014, 6, 6, 23, 50, tzinfo=UTC)),
        (date(2024, 6, 20), datetime(2024, 6, 18, 23, 50, tzinfo=UTC)),  # over a holiday
        (
            date(2024, 12, 10),
            datetime(2024, 12, 10, 0, 50, tzinfo=UTC),
        ),  # in winter New York is an hour later
    ],
)
def test_the_window_is_the_evening_before_the_ex_date(ex_date, start):
    from_ns, to_ns = window_of(ex_date)
    assert (from_ns, to_ns - from_ns) == (int(start.timestamp()) * 10**9, 20 * 60 * 10**9)


def test_terms_are_what_was_announced():
    terms = terms_of(NVDA, NAMES, 4)
    assert (terms.action, terms.underlying, terms.action_kind, terms.ratio_new, terms.ratio_old) == (
        4,
        6,
        CorporateActionKind.SPLIT,
        10,
        1,
    )
    assert (terms.window_start_ns, terms.window_end_ns) == window_of(NVDA.ex_date)
    assert (
        terms.token_mode == 0
        and terms.guard_ns
        and terms.scale_tolerance_ppm
        and terms.correct_until_ns > terms.window_end_ns
    )
    dividend = terms_of(DIVIDEND, NAMES, 5)
    assert (dividend.amount, dividend.guard_ns, dividend.ratio_new) == (10_000, 0, 0)
    renumbered = terms_of(NVDA, NAMES, 4, (1, 2), in_tokens=1)
    assert (renumbered.token_mode, renumbered.cash_asset, renumbered.window_start_ns) == (1, 1, 1)
    assert (
        differences(terms, replace(terms, ratio_new=5)) == ["ratio_new: 10 and 5"]
        and differences(terms, terms) == []
    )


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (replace(NVDA, symbol="GME"), "lists no GME"),
        (replace(DIVIDEND, amount=1), "more than the 6 decimals"),
        (replace(NVDA, kind=Kind.SPIN_OFF, other_symbol="XYZ"), "lists no XYZ: state what it is worth"),
    ],
)
def test_terms_that_the_venue_cannot_have_are_refused(one, why):
    with pytest.raises(DataError, match=why):
        terms_of(one, NAMES, 1)


# --- the book ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    found = ActionsBook.open(tmp_path)
    yield found
    found.close()


def test_the_same_file_twice_is_once(book):
    first = book.take((NVDA, AAPL), 1, "console", above=41)
    again = book.take((NVDA, AAPL), 2, "console")
    assert [(one.number, one.hearing.value) for one in first] == [(42, "first"), (43, "first")]
    assert [(one.number, one.hearing.value) for one in again] == [(42, "repeated"), (43, "repeated")]
    assert len(book.steps(42)) == 1 and [one.number for one in book.all()] == [43, 42]
    assert [one.number for one in book.all(date(2020, 1, 1))] == [42]


def test_an_action_that_moves_to_another_day_keeps_its_number(book):
    (one,) = book.take((NVDA,), 1, "console")
    moved = replace(NVDA, ex_date=date(2024, 6, 12))
    (again,) = book.take((moved,), 2, "console")
    assert (again.number, again.hearing) == (one.number, Hearing.AMENDS)
    (other,) = book.take((replace(BROKER, ex_date=date(2024, 6, 12)),), 3, "console")
    assert (other.number, other.hearing) == (one.number, Hearing.AGREES)


def test_a_window_moves_with_its_ex_date(book):
    usual, later = window_of(NVDA.ex_date), window_of(date(2024, 6, 12))
    book.take((NVDA,), 1, "console")
    book.arrange(1, (usual[0] + 7, usual[1] + 9), 0)
    book.take((replace(NVDA, ratio_new=11),), 2, "console")
    assert book.one(1).window == (usual[0] + 7, usual[1] + 9)
    book.take((replace(NVDA, ex_date=date(2024, 6, 12)),), 3, "console")
    assert book.one(1).window == (later[0] + 7, later[1] + 9)


def test_a_bad_announcement_keeps_all_of_them_out(book):
    with pytest.raises(DataError, match="one to one"):
        book.take((AAPL, replace(NVDA, ratio_new=1)), 1, "console")
    assert book.all() == []


def test_a_window_a_choice_and_steps_are_kept(book):
    book.take((NVDA, OTHER_RATIO), 1, "console")
    assert book.choose(1, name_of(OTHER_RATIO), 2, "key 7").matter.announcement == OTHER_RATIO
    assert book.arrange(1, (5, 6), 1).window == (5, 6) and book.one(1).in_tokens == 1
    book.note(1, "proposed", 3, "key 7", "abcd")
    assert [(one.event, one.by) for one in book.steps(1)] == [
        ("first", "console"), ("differs", "console"), ("chosen", "key 7"), ("proposed", "key 7"),
    ]  # fmt: skip
    assert isinstance(book.one(1).matter, Matter)
    with pytest.raises(DataError, match="no corporate action 9"):
        book.one(9)


# --- dividends -----------------------------------------------------------------------------------------------------------

WANTED = Expected(
    action=5, broker="Prime", broker_id=1, symbol="NVDA", ex_date=date(2024, 6, 11), amount=10_000_000, net_ppb=700_000_000,
    shares=1_000 * 10**9, of_token={6: 900 * 10**9, 16: 100 * 10**9}, each={6: 7_000_000_000}, payable=date(2024, 6, 28),
)  # fmt: skip
PAID = DividendPaid(
    broker="Prime", key="a1", symbol="NVDA", ex_date=date(2024, 6, 11), paid=date(2024, 6, 28), shares=1_000 * 10**9, gross=10_000_000,
    withheld=3_000_000,
)  # fmt: skip
ARRIVALS = {
    "as expected": ([PAID], ()),
    "a cent of rounding": ([replace(PAID, gross=10_010_000)], ()),
    "two cents are not rounding": ([replace(PAID, gross=10_020_000)], ("amount",)),
    "in two parts": (
        [replace(PAID, shares=400 * 10**9, gross=4_000_000, withheld=1_200_000), replace(PAID, key="a2", shares=600 * 10**9, gross=6_000_000, withheld=1_800_000)], ()
    ),
    "on fewer shares": ([replace(PAID, shares=900 * 10**9, gross=9_000_000, withheld=2_700_000)], ("shares",)),
    "another amount": ([replace(PAID, gross=11_000_000, withheld=3_300_000)], ("amount",)),
    "another rate": ([replace(PAID, withheld=1_500_000)], ("withheld",)),
    "nothing withheld": ([replace(PAID, withheld=0)], ("withheld",)),
    "nothing yet, and late": ([], ("not received",)),
    "of another name": ([PAID, replace(PAID, key="b", symbol="AAPL")], ("not expected",)),
    "at another broker": ([PAID, replace(PAID, key="b", broker="Other")], ("not expected",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRIVALS)
def test_a_dividend_is_what_was_receivable_or_says_what_differs(name):
    paid, differs = ARRIVALS[name]
    lines = match(paid, [WANTED], date(2024, 7, 1))
    assert sum((line.differs for line in lines), ()) == differs
    broken = breaks_of(lines)
    assert bool(broken) is bool(differs)
    for one in itertools.chain(*broken.values()):
        assert one.venue["differs"] == differs[0]


def test_a_dividend_is_not_late_on_its_payment_day():
    assert match([], [WANTED], date(2024, 6, 28))[0].differs == ()
    assert match([], [replace(WANTED, payable=None)], date(2034, 6, 28))[0].differs == ()


def test_a_difference_says_how_many_dollars():
    (line,) = match([replace(PAID, withheld=1_500_000)], [WANTED], date(2024, 7, 1))
    assert breaks_of([line])["Prime"][0].dollars == 1_500_000
    (line,) = match([], [WANTED], date(2024, 7, 1))
    assert breaks_of([line])["Prime"][0].dollars == -7_000_000


def test_dollars_are_the_treasurys_and_shares_the_houses_by_token():
    (parcel,) = arrivals(Line(expected=WANTED, paid=(PAID,), differs=()))
    assert parcel.commands == (FundBroker(broker=1, amount=7_000_000),) and parcel.name == "arrived Prime a1"
    bought = replace(PAID, reinvested=333)
    (parcel,) = arrivals(Line(expected=WANTED, paid=(bought,), differs=()))
    assert parcel.commands == (
        FundInventory(token=6, broker=1, shares=300),
        FundInventory(token=16, broker=1, shares=33),
    )
    with pytest.raises(DataError, match="nobody expects"):
        arrivals(Line(expected=None, paid=(PAID,), differs=("not expected",)))


def test_a_parcel_is_sent_once_and_a_half_sent_one_is_asked_about(tmp_path):
    book = BreakBook.open(tmp_path)
    assert book.begin_sending("arrived Prime a1", 1)
    with pytest.raises(DataError, match="begun and not ended"):
        book.begin_sending("arrived Prime a1", 2)
    book.end_sending("arrived Prime a1")
    with pytest.raises(DataError, match="or it was taken"):
        book.forget_sending("arrived Prime a1")  # what was taken is not forgotten
    for what in (book.end_sending, book.forget_sending):
        with pytest.raises(DataError, match="No command 'arrived Prime b2' was begun"):
            what("arrived Prime b2")
    assert book.begin_sending("onward 1", 4)
    book.forget_sending("onward 1")
    assert book.begin_sending("onward 1", 5)
    assert not book.begin_sending("arrived Prime a1", 3)
    book.close()


def test_a_parcel_goes_on_with_the_commands_that_it_was_begun_with(tmp_path):
    """What is paid out depends on the moment: half of one moment's and half of another's would not be the same money."""
    book = BreakBook.open(tmp_path)
    first, later = (
        Parcel(name="onward 5", commands=(FundDistributions(asset=1, amount=n), PayDistribution(asset=6, paid_asset=1, released=7)))
        for n in (70, 80)
    )  # fmt: skip
    assert commands_of(book.begin_parcel(first.name, 2, first.said)) == first.commands
    assert commands_of(book.begin_parcel(later.name, 2, later.said)) == later.commands  # nothing was begun
    assert book.parcel("onward 5") is None
    assert book.begin_sending(numbered("onward 5", 1), 1)
    assert commands_of(book.begin_parcel(first.name, 2, first.said)) == later.commands
    book.end_sending(numbered("onward 5", 1))
    assert commands_of(book.parcel("onward 5")) == later.commands and not book.is_sent("onward 5")
    book.begin_sending(numbered("onward 5", 2), 1)
    book.forget_sending(numbered("onward 5", 2))  # refused: the first was taken, so the rest of it stays
    assert commands_of(book.begin_parcel(first.name, 2, first.said)) == later.commands
    book.begin_sending(numbered("onward 5", 2), 1)
    assert not book.is_sent("onward 5")
    book.end_sending(numbered("onward 5", 2))
    assert book.is_sent("onward 5") and not book.is_sent("onward 6")
    book.close()


def test_what_arrived_is_kept_amended_until_it_is_booked_and_withdrawn(tmp_path):
    book = BreakBook.open(tmp_path)
    other = replace(PAID, key="a2", broker="Second")
    book.keep_paid([PAID], 1)
    book.keep_paid([other], 2)
    assert book.paid() == [PAID, other]
    amended = replace(PAID, withheld=0)
    book.keep_paid([amended, replace(other, withdrawn=True)], 3)
    assert book.paid() == [amended]
    name = arrival(amended)
    (parcel,) = arrivals(Line(expected=WANTED, paid=(amended,), differs=()))
    book.begin_parcel(name, 1, parcel.said)
    book.begin_sending(numbered(name, 1), 4)
    book.keep_paid([amended], 5)
    for changed in (PAID, replace(amended, withdrawn=True)):
        with pytest.raises(DataError, match="'a1' was booked"):
            book.keep_paid([other, changed], 6)
    assert book.paid() == [amended]  # all or none
    book.close()


def test_only_dividends_that_were_looked_at_are_cleared(tmp_path):
    book = BreakBook.open(tmp_path)
    late = breaks_of(match([], [WANTED, replace(WANTED, symbol="AAPL")], date(2024, 7, 1)))["Prime"]
    both = {"NVDA 2024-06-11", "AAPL 2024-06-11"}
    assert {
        one.found.subject for one in book.record_dividends("Prime", date(2024, 7, 1), 1, late, both)
    } == both
    (left,) = book.record_dividends("Prime", date(2024, 7, 2), 2, (), {"AAPL 2024-06-11"})
    assert left.found.subject == "NVDA 2024-06-11"
    assert book.record_dividends("Prime", date(2024, 7, 2), 2, (), ())
    book.close()


def test_a_file_of_dividends_is_read_strictly(tmp_path):
    path = tmp_path / "paid.csv"
    head = "broker,key,symbol,ex_date,paid,shares,gross,withheld,reinvested\n"
    path.write_text(head + "Prime,a1,NVDA,2024-06-11,2024-06-28,1000,10,3,\n")
    assert read_paid(path)[0] == [PAID]
    for row, why in (
        ("Prime,a1,NVDA,2024-06-11,2024-06-28,0,10,3,\n", "entry 1, shares: is above zero"),
        ("Prime,a1,NVDA,2024-06-11,2024-06-28,1000,10,11,\n", "entry 1, withheld"),
        ("Prime,a1,NVDA,2024-06-11,2024-06-10,1000,10,3,\n", "entry 1, paid: is not before"),
        ("Prime,a1,NVDA,2024-06-11,2024-06-28,1000,10,3,\n" * 2, "entry 2, key"),
        ("Prime,a1,NVDA,2024-06-11,2024-06-28,1000,10,3,x\n", "entry 1, reinvested"),
    ):
        path.write_text(head + row)
        with pytest.raises(DataError, match=why):
            read_paid(path)


def test_the_ex_date_follows_the_evening_of_the_window():
    assert ex_date_of(date(2024, 6, 7)) == date(2024, 6, 10)
    assert ex_date_of(date(2024, 6, 10)) == date(2024, 6, 11)
