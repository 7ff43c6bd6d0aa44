"""Alerts and margin calls on a real engine: what is told at which mark, whether a remedy cures, and what a restart repeats."""

import sqlite3
from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.calendar import HOUR_NS, SECOND_NS, trading_days
from novate.errors import ConfigError, DataError
from novate.keepers.alert_book import Alert, AlertBook, Reached
from novate.keepers.alert_keeper import AlertKeeper, Dispatcher
from novate.keepers.channels import Email, Undelivered, Wanted, Webhook, sign, sign_by_all, verify
from novate.keepers.margin_calls import nth_open, regular_time, remedies
from novate.messages import AdvanceTime, Deposit, OpenAccount, PlaceOrder, PostPrice, Side, encode, reports
from novate.messages.reports import Level
from novate.messages.reports.lending import Call
from novate.messages.reports.portfolios import listed
from novate.prices.credentials import credentials
from novate.units import scaled
from venues import CASH, DOLLARS, NAME, SIZE, USD, M, PlainVenue, open_plain_venue

DESK, RICH = 1, 2
CASH_DOLLARS = 1_000
LOTS = 4_500


def venue_with_a_long(lots: int = LOTS) -> PlainVenue:
    """An account of 1,000 dollars that is long so many lots of one dollar each; its requirement is most of its equity."""
    venue = open_plain_venue({RICH: RICH})
    venue.must(OpenAccount(owner=DESK), DESK)
    venue.must(Deposit(asset=USD, amount=CASH_DOLLARS * M, reference=1), DESK)
    trade(venue, lots, Side.BID)
    return venue


def trade(venue: PlainVenue, lots: int, side: Side, price: int = DOLLARS * 100) -> None:
    venue.must(PlaceOrder(market=1, side=Side(1 - side), price=price, lots=lots), RICH)
    venue.must(PlaceOrder(market=1, side=side, price=price, lots=lots), DESK)


def move(venue: PlainVenue, cents: int) -> None:
    """Both sources say a price, twice, and time passes."""
    for _ in range(2):
        venue.advance(1)
        for source in (1, 2):
            venue.must(
                PostPrice(
                    underlying=NAME,
                    source=source,
                    price=cents * 10_000,
                    venue_time_ns=venue.time_ns,
                    size=SIZE,
                )
            )
            venue.must(
                PostPrice(underlying=CASH, source=source, price=M, venue_time_ns=venue.time_ns, size=SIZE)
            )
    venue.advance(1)


def keeper_of(venue: PlainVenue, book: AlertBook, **options) -> AlertKeeper:
    return AlertKeeper(venue.engine, book, route=lambda _: ("desk",), **options)


def looked(venue: PlainVenue, keeper: AlertKeeper) -> None:
    keeper.look(reports.account(venue.engine, DESK).line, venue.time_ns)


def told(book: AlertBook) -> list[tuple[str, int]]:
    return [(alert.kind, alert.mark_ppm // 10_000) for _, alert in book.after(0)]


# --- marks and calls ---------------------------------------------------------------------------------------------------


def test_a_falling_price_is_told_at_80_90_and_100_percent_and_its_return_is_told_too(tmp_path):
    venue = venue_with_a_long()
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        seen = []
        for cents in [*range(10_000, 9_300, -20), *range(9_300, 10_000, 20)]:
            move(venue, cents)
            looked(venue, keeper)
            if len(told(book)) > len(seen):
                seen = told(book)
        assert seen[:3] == [("usage", 80), ("usage", 90), ("call", 100)]
        # It returns to green; the slow price keeps the requirement up for half an hour, so some marks may stay reached.
        venue.must(Deposit(asset=USD, amount=2_000 * M, reference=2), DESK)
        looked(venue, keeper)
        assert told(book)[3:][0][0] in ("call_cured", "eased")
        assert told(book)[-1][1] == 0
        (call,) = book.calls(DESK, ended=True)
        assert call.state == "cured" and not book.calls(DESK)
        alerts = [alert for _, alert in book.after(0)]
        assert len({alert.id for alert in alerts}) == len(alerts)
        for alert in alerts[:3]:
            assert alert.usage_ppm >= alert.mark_ppm
            assert scaled(alert.requirement, 6) * M >= alert.mark_ppm * scaled(alert.equity, 6)


def test_a_jump_over_several_marks_is_one_alert_and_one_call(tmp_path):
    venue = venue_with_a_long()
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        move(venue, 9_300)
        for _ in range(3):
            looked(venue, keeper)
        assert told(book) == [("call", 100)]
        (call,) = book.calls(DESK)
        line = reports.account(venue.engine, DESK).line
        assert call.amount == f"{-line.excess[0] / M:.6f}"
        assert call.deadline_ns == 0 and "No time is promised" in call.deadline


@settings(max_examples=12, deadline=None)
@given(st.integers(9_150, 9_350), st.sampled_from([Level.INITIAL]))
def test_each_remedy_cures_by_itself_and_one_cent_or_lot_less_does_not(cents, level):
    venue = venue_with_a_long()
    move(venue, cents)
    line = reports.account(venue.engine, DESK).line
    shortfall = -line.excess[level]
    assert shortfall > 0
    found = remedies(venue.engine, DESK, level, shortfall, listed(venue.engine))
    assert {remedy.kind for remedy in found} == {"deposit", "close"}
    index = reports.markets(venue.engine)[0].index_ticks

    def excess(change) -> int:
        return reports.what_if(venue.engine, DESK, [change], level=level).excess

    for remedy in found:
        if remedy.kind == "deposit":
            units = scaled(remedy.amount, 6)
            assert (
                excess(reports.BalanceChange(USD, units))
                >= 0
                > excess(reports.BalanceChange(USD, units - 10_000))
            )
        else:
            lots = int(remedy.amount)
            assert 0 < lots <= LOTS
            assert excess(reports.Trade(1, -lots, index)) >= 0 > excess(reports.Trade(1, 1 - lots, index))
            assert remedy.excess_after == f"{excess(reports.Trade(1, -lots, index)) / M:.6f}"


def test_what_a_remedy_says_is_what_then_happens(tmp_path):
    venue = venue_with_a_long()
    move(venue, 9_300)
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        looked(venue, keeper)
        (call,) = book.calls(DESK)
        deposit = call.remedies[0]
        assert deposit.kind == "deposit" and deposit.name == "USDC"
        venue.must(Deposit(asset=USD, amount=scaled(deposit.amount, 6), reference=3), DESK)
        line = reports.account(venue.engine, DESK).line
        assert line.excess[0] == scaled(deposit.excess_after, 6) >= 0


def test_the_other_leg_of_a_hedge_is_no_remedy():
    """Closing a hedge raises the requirement; only what cures is offered."""
    venue = venue_with_a_long()
    move(venue, 9_300)
    line = reports.account(venue.engine, DESK).line
    everything = remedies(venue.engine, DESK, 0, 10**12, listed(venue.engine))
    assert all(r.kind == "deposit" or scaled(r.excess_after, 6) >= 0 for r in everything)
    assert line.excess[0] < 0


def test_an_operator_may_give_time_and_a_call_that_outlives_it_is_overdue_once(tmp_path):
    venue = venue_with_a_long()
    move(venue, 9_300)
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book, cure_ns=HOUR_NS)
        line, now = reports.account(venue.engine, DESK).line, venue.time_ns
        keeper.look(line, now)
        assert book.calls(DESK)[0].deadline_ns == now + HOUR_NS
        for minutes in (30, 61, 62, 120):
            keeper.look(line, now + minutes * 60 * SECOND_NS)
        assert [kind for kind, _ in told(book)] == ["call", "call_overdue"]
        assert book.calls(DESK)[0].state == "overdue"


# --- restarts and sweeps -----------------------------------------------------------------------------------------------


def test_a_restart_neither_repeats_nor_forgets(tmp_path):
    venue = venue_with_a_long()
    move(venue, 9_300)
    for _ in range(3):
        with AlertBook(tmp_path) as book:
            keeper = keeper_of(venue, book)
            keeper.on_time(venue.time_ns)
            assert told(book) == [("call", 100)]
            book.acknowledge(book.calls()[0].id, "desk", 5)
    with AlertBook(tmp_path) as book:
        (call,) = book.calls()
        assert (call.acknowledged_by, call.acknowledged_ns) == ("desk", 5)
        book.acknowledge(call.id, "somebody else", 9)
        assert book.calls()[0].acknowledged_by == "desk"
        with pytest.raises(DataError):
            book.acknowledge("no such call", "desk", 5)


def test_an_event_hurries_a_look_that_a_sweep_would_have_made(tmp_path):
    venue = venue_with_a_long()
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        keeper.on_time(venue.time_ns)
        assert told(book) == []
        keeper._next_sweep_ns = venue.time_ns + 10**18
        said = [
            PostPrice(underlying=NAME, source=source, price=93 * M, venue_time_ns=venue.time_ns, size=SIZE)
            for source in (1, 2)
        ]
        events = b""
        for command in (*said, AdvanceTime()):
            stamped = encode(command, sequence=venue.engine.sequence + 1, time_ns=venue.time_ns)
            events += venue.engine.apply(stamped)
        keeper.on_time(venue.time_ns)
        assert told(book) == []
        keeper.on_events(events, venue.time_ns)
        keeper.on_time(venue.time_ns)
        assert told(book) == [("call", 100)]


def test_a_look_that_fails_half_way_leaves_nothing(tmp_path):
    """The reader goes away between the line and the remedies: the next look finds all of it."""
    venue = venue_with_a_long()
    move(venue, 9_300)
    line = reports.account(venue.engine, DESK).line

    class Failing:
        def query(self, _request):
            raise ValueError("gone")

    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        keeper.answers = Failing()
        with pytest.raises(ValueError, match="gone"):
            keeper.look(line, venue.time_ns)
        assert told(book) == [] and book.reached(DESK) == Reached(0, 0)
        keeper.answers = venue.engine
        keeper.look(line, venue.time_ns)
        assert told(book) == [("call", 100)]


# --- the engine's own calls --------------------------------------------------------------------------------------------


class Calls:
    """Answers of a venue with these calls: the engine's own, but for one question."""

    def __init__(self, venue: PlainVenue, *calls: Call) -> None:
        self.venue, self.calls = venue, list(calls)

    def query(self, request: bytes) -> bytes:
        if msgspec.msgpack.decode(request)[0] == 702:
            return msgspec.msgpack.encode(self.calls)
        return self.venue.engine.query(request)


def cash_call(**changed) -> Call:
    told = {
        "call_kind": 0, "reason": 0, "market": 1, "asset": USD, "name": "USDC", "decimals": 6, "open": 12_500_000,
        "made_ns": 77, "regular_ns": 4 * HOUR_NS, "due_ns": 0, "opens": 0, "overdue": False, "accepted": (1, 2),
    } | changed  # fmt: skip
    return Call(**told)


def test_a_call_of_the_engine_is_told_when_made_when_overdue_and_when_over_each_once(tmp_path):
    venue = open_plain_venue({RICH: RICH})
    answers = Calls(venue, cash_call())
    with AlertBook(tmp_path) as book:
        keeper = keeper_of(venue, book)
        keeper.answers = answers
        for call in (
            cash_call(),
            cash_call(open=10_000_000),
            cash_call(overdue=True),
            cash_call(overdue=True),
        ):
            answers.calls = [call]
            for _ in range(2):
                keeper.look_at_calls(RICH, venue.time_ns)
        answers.calls = []
        keeper.look_at_calls(RICH, venue.time_ns)
        keeper.look_at_calls(RICH, venue.time_ns)
        assert [kind for kind, _ in told(book)] == ["call", "call_overdue", "call_cured"]
        first = book.after(0)[0][1]
        assert first.call.amount == "12.500000" and first.call.id == f"cash-{RICH}-1-77"
        assert [remedy.name for remedy in first.call.remedies] == ["USDC", "NVDAx"]
        (last,) = book.calls(ended=True)
        assert last.state == "cured" and last.amount == "12.500000"


def test_a_deadline_in_regular_hours_and_in_openings_is_a_time_of_the_calendar():
    friday, monday = trading_days(*(date(2026, 1, d) for d in (9, 12)))
    assert regular_time(friday.open_ns, HOUR_NS) == friday.open_ns + HOUR_NS
    assert regular_time(friday.close_ns - HOUR_NS, 3 * HOUR_NS) == monday.open_ns + 2 * HOUR_NS
    assert regular_time(friday.close_ns, HOUR_NS) == monday.open_ns + HOUR_NS
    assert nth_open(friday.open_ns, 1) == monday.open_ns
    assert nth_open(friday.open_ns - 1, 2) == monday.open_ns
    assert nth_open(friday.open_ns, 0) == 0


# --- book and deliveries -----------------------------------------------------------------------------------------------


def alert(number: int = 1, **changed) -> Alert:
    told = {
        "id": f"a-{number}",
        "account": "7",
        "kind": "usage",
        "severity": "warning",
        "at_ns": number,
        "sentence": "x",
    } | changed
    return Alert(**told)


class Post:
    """A channel that fails as told."""

    name = "desk"

    def __init__(self, *fails: bool) -> None:
        self.fails, self.sent = list(fails), []

    def wants(self, _alert: Alert) -> bool:
        return True

    def send(self, alert: Alert) -> str:
        self.sent.append(alert.id)
        if self.fails and self.fails.pop(0):
            raise Undelivered("no")
        return "ok"


def test_a_delivery_is_tried_again_later_each_time_until_it_arrives_and_the_log_has_every_attempt(tmp_path):
    post, now = Post(True, True, True), [0]
    with AlertBook(tmp_path) as book:
        dispatcher = Dispatcher(book, [post])
        assert book.raise_alert(alert(), dispatcher.route(alert()))
        assert not book.raise_alert(alert(), dispatcher.route(alert())), "the same alert is kept once"
        tried = []
        for second in range(30):
            now[0] = second * SECOND_NS
            before = len(post.sent)
            dispatcher.on_time(lambda: now[0])
            tried += [second] * (len(post.sent) - before)
        assert tried == [0, 1, 3, 7]
        assert [attempt.outcome for attempt in book.log()] == ["failed"] * 3 + ["delivered"]
        assert book.values() == {"due": 0, "done": 1, "given_up": 0, "open_calls": 0}


def test_after_a_day_a_delivery_is_given_up_and_that_is_in_the_log(tmp_path):
    post, now = Post(*[True] * 10_000), [0]
    with AlertBook(tmp_path) as book:
        book.raise_alert(alert(), ("desk",))
        dispatcher = Dispatcher(book, [post])
        while book.values()["due"]:
            dispatcher.on_time(lambda: now[0])
            now[0] += 300 * SECOND_NS
        assert 24 * HOUR_NS <= now[0] <= 25 * HOUR_NS
        assert book.log()[-1].outcome == "given_up"


def test_a_process_killed_between_sending_and_noting_sends_the_same_id_again_and_loses_nothing(tmp_path):
    with AlertBook(tmp_path) as book:
        for number in range(5):
            book.raise_alert(alert(number), ("desk",))

    class Killed(Exception):
        pass

    class Dying(Post):
        def send(self, alert: Alert) -> str:
            super().send(alert)
            if len(self.sent) == 3:
                raise Killed
            return "ok"

    dying = Dying()
    with AlertBook(tmp_path) as book, pytest.raises(Killed):
        Dispatcher(book, [dying]).on_time(lambda: 1)
    post = Post()
    with AlertBook(tmp_path) as book:
        Dispatcher(book, [post]).on_time(lambda: 1)
    assert dying.sent == ["a-0", "a-1", "a-2"] and post.sent == ["a-2", "a-3", "a-4"]


def test_the_stream_resumes_from_a_sequence_and_is_cut_by_account(tmp_path):
    with AlertBook(tmp_path) as book:
        for number in range(6):
            book.raise_alert(alert(number, account=str(number % 2)), ())
        with AlertBook(tmp_path) as other:  # a gateway's
            rows = other.after(0, limit=4)
            rows += other.after(rows[-1][0])
            assert [found.id for _, found in rows] == [f"a-{n}" for n in range(6)]
            assert [seq for seq, _ in rows] == sorted(seq for seq, _ in rows)
            assert [found.id for _, found in other.after(rows[2][0], account=1)] == ["a-3", "a-5"]


def test_an_alert_its_mark_and_its_deliveries_are_one_transaction(tmp_path):
    with AlertBook(tmp_path) as book:
        with pytest.raises(sqlite3.Error):
            book.raise_alert(alert(), (None,), reached=Reached(800_000, 1))  # a channel without a name
        assert book.after(0) == [] and book.reached(7) == Reached(0, 0)


def test_a_file_that_is_no_book_or_of_a_later_release_is_refused(tmp_path):
    (tmp_path / "alerts.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError):
        AlertBook(tmp_path)
    (tmp_path / "new").mkdir()
    with sqlite3.connect(tmp_path / "new" / "alerts.db") as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(DataError, match="99"):
        AlertBook(tmp_path / "new")


def test_a_channel_gets_what_it_wants():
    wanted = Wanted(frozenset({"7"}), "warning")
    assert wanted(alert()) and not wanted(alert(account="8")) and not wanted(alert(severity="info"))
    assert Wanted()(alert(account="8", severity="info"))


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40), st.integers(0, 2**40))
def test_a_signature_holds_for_its_body_its_secret_and_its_time_only(body, secret, at):
    signature = sign(secret, at, body)
    assert verify(secret, signature, body, at + 300)
    assert not verify(secret, signature, body, at + 301)
    assert not verify(secret + b"x", signature, body, at)
    assert not verify(secret, signature, body + b"x", at)
    assert not verify(secret, signature.replace(f"t={at}", f"t={at + 1}"), body, at)
    assert not verify(secret, "nonsense", body, at)


def test_a_password_is_not_sent_in_the_clear_and_a_webhook_is_an_http_address():
    with pytest.raises(ConfigError, match="TLS"):
        Email("m", "localhost", 25, "a@b", "c@d", starttls=False, user="u")
    for url in ("ftp://x", "file:///etc/passwd", "x", "http://"):
        with pytest.raises(ConfigError):
            Webhook("w", url, b"s")


def test_while_a_secret_is_rotated_a_receiver_with_either_takes_what_is_sent(tmp_path):
    path, body, at = tmp_path / "secret", b"{}", 1_700_000_000
    environment = {"DESK_FILE": str(path), "DESK": "in the variable"}
    path.write_text("new\nold\n")
    both = credentials("DESK", environment)
    assert both == ("new", "old")
    signature = sign_by_all((one.encode() for one in both), at, body)
    assert all(verify(one, signature, body, at) for one in (b"old", b"new"))
    assert not verify(b"other", signature, body, at)
    assert sign_by_all([b"old"], at, body) == sign(b"old", at, body)
    path.write_text("new\n")
    alone = sign_by_all((one.encode() for one in credentials("DESK", environment)), at, body)
    assert verify(b"new", alone, body, at) and not verify(b"old", alone, body, at)
    assert (
        credentials("DESK", {"DESK": "x"}) == ("x",) and credentials("DESK", {}) == credentials("", {}) == ()
    )
    for text in ("", " \n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="holds no secret"):
            credentials("DESK", environment)
    path.unlink()
    webhook = Webhook("w", "http://127.0.0.1:1/", b"s", read=lambda: credentials("DESK", environment))
    with pytest.raises(Undelivered, match="can't be read"):
        webhook.send(Alert(id="1", at_ns=1, account="0", kind="drill", severity="info", sentence="x"))
