"""FIX messages to reports and instructions to messages, by the tables, without a session."""

import random
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.broker import (
    Accepted,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    Filled,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
    Settled,
)
from novate.broker.fix import fix_acceptor, fix_broker, writing
from novate.broker.fix.frame import Frame, Unreadable, number_text, time_text
from novate.broker.fix.orders import Order, SaidBefore, SessionBook
from novate.broker.fix.reading import Reader, fee_of
from novate.broker.fix.settings import (
    AcceptorSettings,
    Client,
    FixSettings,
    acceptor_text,
    dictionary_path,
    fix_settings,
    initiator_text,
    load_fix,
)
from novate.broker.fix.tags import ExecType, Kind, OrdStatus, Tag
from novate.errors import ConfigError, DataError
from novate.messages.codes import Side

SHARE = DOLLAR = 10**9
AT_NS = 1_795_000_000 * 10**9
ASKED = NewOrder(order="N-1", symbol="NVDA", side=Side.BID, shares=100 * SHARE, dollars=0, limit=181 * DOLLAR)
SETTINGS = {"name": "prime", "host": "127.0.0.1", "port": 9876, "sender": "NOVATE", "target": "PRIME"}


@pytest.fixture
def book(tmp_path) -> SessionBook:
    book = SessionBook(tmp_path / "session.db")
    book.keep(Order(asked=ASKED, shares=ASKED.shares, limit=ASKED.limit, works_as="N-1", said=1))
    yield book
    book.close()


def report(kind: str, status: str, **fields: str) -> Frame:
    """An ExecutionReport with what the standard wants of each."""
    said = {"CL_ORD_ID": "N-1", "ORDER_ID": "B-1", "EXEC_ID": "X-1", "SYMBOL": "NVDA", "SIDE": "1", "CUM_QTY": "0", "LEAVES_QTY": "100", "AVG_PX": "0"}  # fmt: skip
    said |= {"EXEC_TYPE": kind, "ORD_STATUS": status} | fields
    return Frame(Kind.EXECUTION_REPORT, {Tag[name]: value for name, value in said.items() if value}, seq=7)


TRADE = {
    "LAST_QTY": "40",
    "LAST_PX": "180.5",
    "TRANSACT_TIME": "20261118-11:06:40.250",
    "SETTL_DATE": "20261119",
}


def read(book: SessionBook, frame: Frame):
    return Reader(book).read(frame, epoch="e", at_ns=AT_NS)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (report("0", "0"), Accepted(order="N-1", broker_order="B-1")),
        (report("8", "8", TEXT="no borrow"), Rejected(order="N-1", reason="no borrow")),
        (report("8", "8", ORD_REJ_REASON="2"), Rejected(order="N-1", reason="reason 2")),
        (report("4", "4"), Cancelled(order="N-1", asked=False)),
        (report("C", "C"), Cancelled(order="N-1", asked=False, reason="the day is over")),
        (report("3", "3", TEXT="done"), Cancelled(order="N-1", asked=False, reason="done")),
        (report("5", "0", CL_ORD_ID="N-1.R1", ORIG_CL_ORD_ID="N-1", ORDER_QTY="60", PRICE="182"), Replaced(order="N-1", shares=60 * SHARE, limit=182 * DOLLAR)),
        (report("D", "0", ORDER_QTY="50", PRICE="181"), Replaced(order="N-1", shares=50 * SHARE, limit=181 * DOLLAR)),
        (report("D", "4", TEXT="partial decline"), Cancelled(order="N-1", asked=False, reason="partial decline")),
        (report("H", "0", EXEC_REF_ID="X-0"), Busted(execution="X-0")),
        (report("G", "1", EXEC_REF_ID="X-0", LAST_QTY="39", LAST_PX="180"), Corrected(execution="X-0", shares=39 * SHARE, price=180 * DOLLAR)),
        (report("I", "8", ORD_REJ_REASON="5"), NotKnown(order="N-1")),
        (report("I", "8", CL_ORD_ID="N-9", ORD_REJ_REASON="5"), NotKnown(order="N-9")),
        (report("I", "1", CUM_QTY="0"), Accepted(order="N-1", broker_order="B-1")),
        (report("I", "6"), Accepted(order="N-1", broker_order="B-1")),
        (report("I", "4", TEXT="gone"), Cancelled(order="N-1", asked=False, reason="gone")),
        (Frame(Kind.TRADE_CAPTURE_REPORT, {Tag.TRADE_REPORT_ID: "T", Tag.EXEC_ID: "X-1", Tag.SETTLED: "N"}), Settled(execution="X-1", settled=False)),
    ],
)  # fmt: skip
def test_a_message_means_one_report(book, frame, said):
    assert [told.report for told in read(book, frame).told] == [said]


@pytest.mark.parametrize("kind", ["A", "6", "E", "7", "9", "B"])
def test_what_changes_nothing_tells_nothing(book, kind):
    assert read(book, report(kind, "0" if kind == "B" else kind)).told == ()


def test_every_kind_and_every_state_of_the_standard_has_a_meaning_or_an_error(book):
    assert set(Reader._EXECUTIONS) == set(ExecType)
    assert set(Reader._STATES) == set(OrdStatus)
    for kind in (*"12JKL", ""):
        with pytest.raises(Unreadable, match=r"150 \(EXEC_TYPE\)"):
            read(book, report(kind, "0"))
    with pytest.raises(Unreadable, match=r"39 \(ORD_STATUS\) is 'Z'"):
        read(book, report("0", "Z"))


@pytest.mark.parametrize(
    ("status", "left", "complete"),
    [("1", "60", False), ("2", "0", True), ("6", "60", False), ("6", "0", True), ("E", "0", True), ("4", "0", True), ("1", "0", False)],
)  # fmt: skip
def test_a_trade_completes_its_order_by_how_the_order_stands(book, status, left, complete):
    (told,) = read(book, report("F", status, **TRADE, LEAVES_QTY=left, COMMISSION="0.30", COMM_TYPE="3")).told
    assert told.report == Filled(
        order="N-1", execution="X-1", symbol="NVDA", side=Side.BID, shares=40 * SHARE, price=180_500_000_000, fee=300_000,
        complete=complete, settles=date(2026, 11, 19), traded_ns=AT_NS + 250_000_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("20261127-15:00:00", date(2026, 11, 30)),  # Friday
        ("20261009-15:00:00", date(2026, 10, 13)),  # stocks trade on Columbus Day, banks are closed
        ("20261110-15:00:00", date(2026, 11, 12)),  # and on Veterans Day
        ("20261116-01:30:00", date(2026, 11, 17)),  # overnight, Sunday in New York: Monday's trade
        ("20261117-02:00:00", date(2026, 11, 18)),  # overnight, Monday 21:00: Tuesday's trade
    ],
)
def test_a_trade_without_its_settlement_day_settles_on_the_settlement_day_behind_its_trading_day(
    book, traded, settles
):
    (told,) = read(book, report("F", "1", **TRADE | {"TRANSACT_TIME": traded, "SETTL_DATE": ""})).told
    assert told.report.settles == settles


def test_a_trade_without_its_time_was_traded_when_it_came(book):
    (told,) = read(book, report("F", "1", **TRADE | {"TRANSACT_TIME": ""})).told
    assert told.report.traded_ns == AT_NS


def test_an_end_is_told_the_same_again_and_leaves_no_cancel_open(book):
    book.keep(msgspec.structs.replace(book.order("N-1"), cancelling="N-1.C1"))
    for frame in (report("4", "4"), report("I", "4"), report("I", "4")):
        assert read(book, frame).told[0].report == Cancelled(order="N-1", asked=True)
    assert not book.order("N-1").cancelling
    read(book, report("I", "0"))  # it works again: the broker took it back
    assert read(book, report("4", "4")).told[0].report == Cancelled(order="N-1", asked=False)


def test_a_day_that_ran_out_was_not_asked_for_whatever_was_open(book):
    book.keep(msgspec.structs.replace(book.order("N-1"), cancelling="N-1.C1"))
    for frame in (report("C", "C"), report("I", "C")):
        assert not read(book, frame).told[0].report.asked


@pytest.mark.parametrize(
    ("change", "tag", "said"),
    [
        ({"LAST_PX": ""}, "LAST_PX", "is missing"),
        ({"LAST_QTY": "0"}, "LAST_QTY", "'0'"),
        ({"LAST_PX": "1e3"}, "LAST_PX", "'1e3'"),
        ({"LAST_PX": "180.1234567891"}, "LAST_PX", "more than 9 decimals"),
        ({"LAST_QTY": "-1"}, "LAST_QTY", "not below 0"),
        ({"LAST_QTY": "99999999999999"}, "LAST_QTY", "64 bits"),
        ({"EXEC_ID": ""}, "EXEC_ID", "is missing"),
        ({"SYMBOL": ""}, "SYMBOL", "is missing"),
        ({"SIDE": "5"}, "SIDE", "only 1"),
        ({"TRANSACT_TIME": "yesterday"}, "TRANSACT_TIME", "a time is"),
        ({"SETTL_DATE": "20261131"}, "SETTL_DATE", "a day is"),
        ({"COMMISSION": "1", "COMM_TYPE": "4"}, "COMM_TYPE", "one of 1, 2, 3"),
    ],
)
def test_a_trade_that_can_not_be_is_refused_with_the_tag_and_changes_nothing(book, change, tag, said):
    before = book.order("N-1")
    with pytest.raises(Unreadable, match=rf"Tag {int(Tag[tag])} \({tag}\) .*{said}") as refused:
        read(book, report("F", "2", **TRADE | change))
    assert refused.value.facts["tag"] == int(Tag[tag])
    assert book.order("N-1") == before
    assert book.fills("N-1") == []


@pytest.mark.parametrize(
    ("fields", "fees", "micro"),
    [
        ({}, (), 0),
        ({Tag.COMMISSION: "1.25"}, (), 1_250_000),
        ({Tag.COMMISSION: "0.005", Tag.COMM_TYPE: "1"}, (), 200_000),
        ({Tag.COMMISSION: "0.0001", Tag.COMM_TYPE: "2"}, (), 722_000),
        ({Tag.COMMISSION: "0.000000001", Tag.COMM_TYPE: "1"}, (), 1),
        ({Tag.COMMISSION: "1", Tag.COMM_TYPE: "3"}, ("0.02", "0.000001"), 1_020_001),
    ],
)
def test_fees_are_added_up_and_rounded_up(fields, fees, micro):
    frame = Frame(Kind.EXECUTION_REPORT, fields, fees)
    assert fee_of(frame, 40 * SHARE, 180_500_000_000) == micro


def test_the_same_said_again_has_the_same_key_and_anything_else_another(book):
    keys = [
        read(book, frame).told[0].key
        for frame in (
            report("F", "1", **TRADE),
            report("F", "1", **TRADE)._replace(poss_resend=True, seq=9),
            report("F", "2", **TRADE, CUM_QTY="100", LEAVES_QTY="0"),
            report("F", "1", **TRADE | {"LAST_QTY": "41"}),
            report("F", "1", **TRADE, EXEC_ID="X-2"),
        )
    ]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 3


def test_a_correction_of_a_correction_names_the_execution_that_was_told_first(book):
    read(book, report("G", "1", EXEC_ID="X-2", EXEC_REF_ID="X-1", LAST_QTY="39", LAST_PX="180"))
    (told,) = read(
        book, report("G", "1", EXEC_ID="X-3", EXEC_REF_ID="X-2", LAST_QTY="38", LAST_PX="180")
    ).told
    assert told.report.execution == "X-1"
    (bust,) = read(book, report("H", "0", EXEC_ID="X-4", EXEC_REF_ID="X-3")).told
    assert bust.report.execution == "X-1"


def test_what_the_broker_did_and_never_told_is_noticed(book):
    read(book, report("F", "1", **TRADE, CUM_QTY="40"))
    assert read(book, report("I", "1", CUM_QTY="40")).missed == ""
    assert "60000000000 shares are done and 40000000000" in read(book, report("I", "1", CUM_QTY="60")).missed
    read(book, report("G", "1", EXEC_ID="X-2", EXEC_REF_ID="X-1", LAST_QTY="60", LAST_PX="180"))
    assert read(book, report("I", "1", CUM_QTY="60")).missed == ""
    read(book, report("H", "0", EXEC_ID="X-3", EXEC_REF_ID="X-2"))
    assert read(book, report("I", "1", CUM_QTY="0")).missed == ""
    assert read(book, report("I", "1", CUM_QTY="1")).missed


def test_a_refusal_by_number_is_the_refusal_of_what_left_under_it(book):
    refusal = Frame(Kind.REJECT, {Tag.REF_SEQ_NUM: "4", Tag.TEXT: "no tag 1"})
    with pytest.raises(Unreadable, match="no order or request left under this number"):
        read(book, refusal)
    book.says("e", 4, SaidBefore("F", "N-1.C1"))
    assert read(book, refusal).told[0].report == CancelRefused(order="N-1", reason="no tag 1")
    book.says("e", 4, SaidBefore("D", "N-1"))
    assert read(book, refusal).told[0].report == Rejected(order="N-1", reason="no tag 1")
    book.says("e", 4, SaidBefore("H", "N-1"))
    with pytest.raises(Unreadable, match="was not answered"):
        read(book, refusal)
    unknown = Frame(Kind.BUSINESS_MESSAGE_REJECT, {Tag.REF_SEQ_NUM: "4", Tag.BUSINESS_REJECT_REASON: "1"})
    assert read(book, unknown).told[0].report == NotKnown(order="N-1")
    book.begins("another epoch")
    assert book.said("e", 4) is None


def test_what_left_is_known_by_its_number_for_a_while(book):
    for seq in (1, 2, 3, 65_538):
        book.says("e", seq, SaidBefore("D", f"N-{seq}"))
    assert [seq for seq in (1, 2, 3, 65_538) if book.said("e", seq)] == [3, 65_538]


def test_an_order_said_twice_and_refused_once_is_asked_for(book):
    book.keep(msgspec.structs.replace(book.order("N-1"), said=2))
    assert read(book, report("8", "8", TEXT="duplicate")) == ((), ("N-1",), "")
    assert not book.order("N-1").ended


# --- numbers -------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.sampled_from([6, 9]))
def test_a_number_is_said_and_read_exactly(units, decimals):
    said = number_text(units, decimals)
    assert Decimal(said) * 10**decimals == units
    frame = Frame(Kind.EXECUTION_REPORT, {Tag.LAST_QTY: said})
    assert (frame.shares(Tag.LAST_QTY) if decimals == 9 else frame.dollars(Tag.LAST_QTY)) == units


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_said_in_milliseconds_and_read_back(at_ms):
    frame = Frame(Kind.EXECUTION_REPORT, {Tag.TRANSACT_TIME: time_text(at_ms * 10**6 + 999_999)})
    assert frame.time(Tag.TRANSACT_TIME) == at_ms * 10**6


@given(
    dollars=st.integers(1, 10**13), limit=st.integers(1, 10**13), ppm=st.integers(0, 10_000), each=st.integers(0, 10**8),
    decimals=st.integers(0, 9), price_part=st.integers(1, 1000),
)  # fmt: skip
def test_computed_shares_never_cost_more_than_the_dollars_and_one_step_more_would(
    dollars, limit, ppm, each, decimals, price_part
):
    settings = FixSettings(
        **SETTINGS, fraction_decimals=decimals, fee_rate=f"{ppm} ppm", fee_per_share=number_text(each, 9)
    )
    asked = NewOrder(order="N", symbol="A", side=Side.BID, shares=0, dollars=dollars, limit=limit)
    shares = writing.shares_said(asked, settings)

    def costs(bought: int, price: int) -> int:  # 1e-24 dollars
        return bought * (price * (10**6 + ppm) + each * 10**6)

    assert shares % 10 ** (9 - decimals) == 0
    assert costs(shares, limit) <= dollars * 10**18
    assert costs(shares, limit * price_part // 1000) <= dollars * 10**18
    assert costs(shares + 10 ** (9 - decimals), limit) > dollars * 10**18


def test_both_shares_and_dollars_are_limits():
    settings = FixSettings(**SETTINGS)
    asked = NewOrder(
        order="N", symbol="A", side=Side.BID, shares=7 * SHARE, dollars=1_000 * 10**6, limit=100 * DOLLAR
    )
    assert writing.shares_said(asked, settings) == 7 * SHARE
    assert writing.shares_said(msgspec.structs.replace(asked, shares=70 * SHARE), settings) == 10 * SHARE


# --- what is said --------------------------------------------------------------------------------------------------------------


def test_an_order_is_said_with_everything_the_broker_wants():
    settings = FixSettings(**SETTINGS, account="NOV-1", order_fields={"9001": "algo"})
    order = Order(asked=ASKED, shares=ASKED.shares, limit=ASKED.limit, works_as="N-1")
    frame = writing.new_order(order, settings, AT_NS)
    assert frame == Frame(
        Kind.NEW_ORDER_SINGLE,
        {11: "N-1", 1: "NOV-1", 21: "1", 55: "NVDA", 54: "1", 60: "20261118-11:06:40.000", 38: "100", 40: "2", 44: "181", 15: "USD", 59: "0", 9001: "algo"},
    )  # fmt: skip
    assert writing.new_order(msgspec.structs.replace(order, said=1), settings, AT_NS).poss_resend


def test_an_order_in_dollars_is_said_in_dollars_where_the_broker_takes_them():
    asked = msgspec.structs.replace(ASKED, shares=0, dollars=1_234_560_000)
    order = Order(asked=asked, shares=0, limit=asked.limit, works_as="N-1")
    fields = writing.new_order(order, FixSettings(**SETTINGS, cash_orders=True), AT_NS).fields
    assert (fields[Tag.CASH_ORDER_QTY], Tag.ORDER_QTY in fields) == ("1234.56", False)


def test_requests_name_the_id_that_the_order_works_as():
    settings = FixSettings(**SETTINGS)
    order = Order(asked=ASKED, shares=ASKED.shares, limit=ASKED.limit, works_as="N-1.R2", broker_order="B-1")
    cancel = writing.cancel(order, CancelOrder(order="N-1", attempt=3), settings, AT_NS).fields
    assert (cancel[Tag.CL_ORD_ID], cancel[Tag.ORIG_CL_ORD_ID], cancel[Tag.ORDER_ID]) == (
        "N-1.C3",
        "N-1.R2",
        "B-1",
    )
    parts = ReplaceOrder(order="N-1", shares=SHARE * 5 // 2, limit=DOLLAR)
    assert writing.replace(order, parts, settings, AT_NS).fields[Tag.ORDER_QTY] == "2"
    tenths = FixSettings(**SETTINGS, fraction_decimals=1)
    assert writing.replace(order, parts, tenths, AT_NS).fields[Tag.ORDER_QTY] == "2.5"
    replace = writing.replace(
        order, ReplaceOrder(order="N-1", shares=SHARE, limit=DOLLAR, attempt=4), settings, AT_NS
    ).fields
    assert (replace[Tag.CL_ORD_ID], replace[Tag.ORDER_QTY], replace[Tag.PRICE]) == ("N-1.R4", "1", "1")
    assert writing.status(order, "N-1.S1", settings).fields[Tag.CL_ORD_ID] == "N-1.R2"


# --- the book ------------------------------------------------------------------------------------------------------------------


def test_what_fails_inside_is_not_kept(book):
    def half() -> None:
        with book.together():
            book.keep(msgspec.structs.replace(book.order("N-1"), ended=True))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert [order.id for order in book.open_orders()] == ["N-1"]


def test_a_book_of_another_version_is_refused(tmp_path):
    book = SessionBook(tmp_path / "session.db")
    book._db.execute("pragma user_version = 9")
    book.close()
    with pytest.raises(DataError, match="is of version 9"):
        SessionBook(tmp_path / "session.db")


# --- settings ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": 0}, "port"),
        ({"sender": "A B"}, "sender"),
        ({"target": "NOVATE"}, "two sides"),
        ({"session_from": "08:00:00"}, "set together"),
        ({"session_from": "8:00", "session_to": "20:00:00"}, "session_from"),
        ({"fraction_decimals": 10}, "fraction_decimals"),
        ({"fee_rate": "five"}, "fee_rate"),
        ({"fee_per_share": "-0.01"}, "not below 0"),
        ({"order_fields": {"zero": "x"}}, "order_fields"),
        ({"order_fields": {"9001": "a\x01b"}}, "ends a field"),
        ({"hearbeat": 30}, "hearbeat"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(change, said):
    with pytest.raises(ConfigError, match=said):
        fix_settings(SETTINGS | change)


def test_settings_are_read_from_a_file(tmp_path):
    path = tmp_path / "broker.toml"
    path.write_text(
        '[fix]\nname = "prime"\nhost = "h"\nport = 1\nsender = "A"\ntarget = "B"\nfee_rate = "5 bps"\n'
    )
    assert load_fix(path).fee_ppm == 500
    path.write_text("[other]\n")
    with pytest.raises(ConfigError, match=r"no table \[fix\]"):
        load_fix(path)
    with pytest.raises(ConfigError, match="can't be read"):
        load_fix(tmp_path / "nothing.toml")


def test_the_dictionary_is_found_or_its_absence_said(tmp_path):
    with pytest.raises(ConfigError, match="is not there"):
        dictionary_path(str(tmp_path / "FIX44.xml"))
    with pytest.raises(ConfigError, match="QuickFIX installs it under share/quickfix"):
        dictionary_path("", iter([tmp_path]))
    (tmp_path / "share" / "quickfix").mkdir(parents=True)
    (tmp_path / "share" / "quickfix" / "FIX44.xml").write_text("<fix/>")
    assert dictionary_path("", iter([tmp_path])).parent.name == "quickfix"


def test_a_line_without_quickfix_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "quickfix", None)
    with pytest.raises(ConfigError, match=r"pip install novate\[fix\]"):
        fix_broker(FixSettings(**SETTINGS), tmp_path)
    with pytest.raises(ConfigError, match=r"pip install novate\[fix\]"):
        fix_acceptor(AcceptorSettings(port=1, exchange="X", clients=(Client(id="A"),)), tmp_path, {})


def test_quickfix_is_told_to_keep_no_order_and_to_check_by_the_dictionary():
    text = initiator_text(FixSettings(**SETTINGS), Path("home"), Path("FIX44.xml"))
    for line in (
        "PersistMessages=N",
        "UseDataDictionary=Y",
        "NonStopSession=Y",
        "ResetOnLogon=N",
        "HeartBtInt=30",
    ):
        assert line in text.splitlines()
    daily = FixSettings(**SETTINGS, session_from="08:00:00", session_to="23:00:00")
    assert "StartTime=08:00:00" in initiator_text(daily, Path("home"), Path("FIX44.xml"))
    two = AcceptorSettings(port=1, exchange="X", clients=(Client(id="A"), Client(id="B")))
    assert acceptor_text(two, Path("home"), Path("FIX44.xml")).count("[SESSION]") == 2
    with pytest.raises(ValueError, match="two parties have one id"):
        AcceptorSettings(port=1, exchange="X", clients=(Client(id="X"),))


def test_nonsense_is_refused_and_never_anything_else(book):
    """Random fields in every kind of message: a report or a clear refusal."""
    dice = random.Random(7)
    values = [
        "",
        "0",
        "1",
        "8",
        "F",
        "I",
        "N-1",
        "X-1",
        "-1",
        "1.5",
        "abc",
        "20261118",
        "20261118-11:06:40",
        "\u00e9",
        "9" * 30,
    ]
    seen = {True: 0, False: 0}
    for _ in range(3_000):
        fields = {tag: said for tag in Tag if (said := dice.choice(values))}
        frame = Frame(
            dice.choice(list(Kind)), fields, tuple(dice.choices(values[1:], k=dice.randrange(2))), seq=3
        )
        try:
            read(book, frame)
            seen[True] += 1
        except Unreadable:
            seen[False] += 1
    assert all(seen.values())
