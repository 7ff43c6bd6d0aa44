"""Read models of random worlds: however events are cut, the rows are the same; every unit has a cause; statements re-add.

The journals are written here by `worlds.World`: accounts trade, borrow, lend, pay in and out and are liquidated over two days.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from novate.messages import split
from novate.projections import export, migrate, operator, queries, schema, statements
from novate.projections.causes import Cause, Source
from novate.projections.fold import Fold
from novate.projections.periods import Period, day, month
from novate.projections.store import DatabaseUnknown, ProjectionMoved, Store, connect, signed, unsigned
from novate.projections.trading import INTERVALS
from novate.projector import project
from novate.projector.past import Moments, Past
from projecting import differences, dump, world_home
from worlds import START_NS

SEEDS = (1, 4, 7)
STEPS = 1_800
START = datetime.fromtimestamp(START_NS // 10**9, UTC).date()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return world_home(tmp_path_factory.mktemp("world"), SEEDS[0], STEPS)


@pytest.fixture(scope="module")
def url(home) -> str:
    target = f"sqlite:///{home}/models.db"
    project(home, target)
    return target


@pytest.fixture
def connection(url):
    engine = connect(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def periods() -> list[Period]:
    days = [START + timedelta(days=n) for n in range(-1, 4)]
    return [day(on, zone) for on in days for zone in ("UTC", "America/New_York")]


# --- folding -----------------------------------------------------------------------------------------------------------


def test_the_world_is_worth_projecting(connection):
    for table in (
        schema.fills,
        schema.ledger,
        schema.funding,
        schema.interest,
        schema.transfers,
        schema.candles,
    ):
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() > 10, table.name
    assert connection.execute(select(func.sum(schema.samples.c.full))).scalar_one() >= 3
    causes = set(connection.execute(select(schema.ledger.c.cause).distinct()).scalars())
    assert {"trade", "fee", "settlement", "interest", "deposit"} <= causes


def events_of(home: Path) -> tuple[bytes, int, int]:
    past = Past(home)
    told = list(past.told(0, past.last_sequence))
    return b"".join(t.events for t in told), told[-1].last_sequence, told[-1].time_ns


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rows_do_not_depend_on_how_events_are_cut(home, url, tmp_path_factory, data):
    events, last, last_ns = events_of(home)
    ends: dict[int, tuple[int, int]] = {}
    at = 0
    for header, _ in split(events):
        at += header.length
        ends[header.sequence] = (at, header.time_ns)
    cuts = sorted(data.draw(st.sets(st.sampled_from(sorted(ends)), max_size=30)))
    target = f"sqlite:///{tmp_path_factory.mktemp('cut')}/models.db"
    with Store.open(target) as store:
        past = Past(home)
        begin = 0
        for number, sequence in enumerate(cuts):
            if number % 7 == 0:  # as after a restart
                run = store.load(past.identity())
                fold = Fold(run, Moments(past, past.engine_before(run.sequence)))
            end, time_ns = ends[sequence]
            fold.feed(events[begin:end], sequence, time_ns)
            store.write(run)
            begin = end
        run = store.load(past.identity())
        fold = Fold(run, Moments(past, past.engine_before(run.sequence)))
        fold.feed(events[begin:], last, last_ns)
        store.write(run)
    assert dump(target) == dump(url)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_unit_of_every_account_has_a_cause(seed, tmp_path):
    home = world_home(tmp_path / "home", seed, STEPS)
    target = f"sqlite:///{tmp_path}/models.db"
    project(home, target)
    engine = connect(target)
    with engine.connect() as connection:
        assert differences(connection, home) == {}
        assert connection.execute(select(schema.differences)).fetchall() == []
        added = 0
        for account in statements.accounts(connection):
            for period in periods():
                try:
                    one = statements.statement(connection, account, period)
                except statements.PeriodOpen:
                    continue
                assert one.opening + sum(line.value for line in one.lines) == one.closing
                for b in one.balances:
                    assert b.opening + sum(b.changes.values()) + b.accrued == b.closing
                added += 1
        assert added >= 10
    engine.dispose()


def test_an_interrupted_projection_goes_on_to_the_same_rows(home, url, tmp_path):
    target = f"sqlite:///{tmp_path}/models.db"
    last = Past(home).last_sequence
    for until in (1, last // 3, last // 2, last):
        assert project(home, target, until=until, batch_rows=50) == until
    assert dump(target) == dump(url)


def test_a_rebuild_gives_the_same_rows(home, url):
    before = dump(url)
    project(home, url, rebuild=True)
    assert dump(url) == before


# --- the database ------------------------------------------------------------------------------------------------------


def test_migrations_make_the_tables_that_the_code_knows(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/models.db")
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_a_second_writer_is_refused(home, tmp_path):
    target = f"sqlite:///{tmp_path}/models.db"
    project(home, target, until=10)
    past = Past(home)
    with Store.open(target) as one, Store.open(target) as other:
        runs = [store.load(past.identity()) for store in (one, other)]
        for run in runs:
            run.sequence = 20
        one.write(runs[0])
        with pytest.raises(ProjectionMoved):
            other.write(runs[1])


def test_only_the_two_databases_are_taken():
    with pytest.raises(DatabaseUnknown):
        connect("mssql+pyodbc://nowhere")


@pytest.mark.parametrize("number", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_ids_beyond_signed_numbers_come_back(number):
    assert unsigned(signed(number)) == number
    assert -(2**63) <= signed(number) < 2**63


# --- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [queries.fills, queries.ledger, queries.orders, queries.transfers, queries.interest,
                                 queries.funding, queries.margin_history])  # fmt: skip
def test_pages_hold_every_row_once_in_order_both_ways(connection, ask):
    account, whole = max(
        ((a, ask(connection, a, limit=queries.MOST)) for a in statements.accounts(connection)),
        key=lambda x: len(x[1]),
    )
    assert len(whole) > 7
    for newest in (False, True):
        paged, after = [], None
        while page := ask(connection, account, after=after, limit=7, newest=newest):
            paged += page
            after = queries.cursor_of(page)
        assert paged == (whole[::-1] if newest else whole)


def test_orders_say_what_their_fills_say(connection):
    for account in statements.accounts(connection):
        fills = queries.fills(connection, account, limit=queries.MOST)
        for order in queries.orders(connection, account, limit=queries.MOST):
            own = [fill for fill in fills if fill.order_id == order.order_id]
            assert order.filled_lots == sum(fill.lots for fill in own)
            assert order.filled_ticks == sum(fill.lots * fill.price for fill in own)
            assert order.fee == sum(fill.fee for fill in own)
            assert queries.order(connection, account, order.order_id) == order


def test_open_orders_are_those_of_the_engine(connection, home):
    from novate.messages import reports

    past = Past(home)
    engine = Moments(past, past.engine_before(past.last_sequence))(past.last_sequence)
    seen = 0
    for account in statements.accounts(connection):
        ours = {row.order_id: (row.price, row.leaves) for row in queries.open_orders(connection, account)}
        theirs = {row.order: (row.price, row.leaves) for row in reports.account(engine, account).orders}
        assert ours == theirs
        seen += len(ours)
    assert seen


def test_balances_then_are_the_sums_then_and_now(connection):
    last = queries.position(connection).sequence
    for account in statements.accounts(connection):
        assert queries.balances(connection, account) == queries.balances(connection, account, last)
        rows = queries.ledger(connection, account, limit=queries.MOST)
        if not rows:
            continue
        middle = rows[len(rows) // 2].sequence
        then = {(b.asset, b.market): b.amount for b in queries.balances(connection, account, middle)}
        after = {(r.asset, r.market): r.after for r in rows if r.sequence <= middle}
        assert then == {key: amount for key, amount in after.items() if amount}


def test_candles_are_the_trades(connection):
    fills = queries.fills(connection, limit=queries.MOST)
    checked = 0
    for market in {fill.market for fill in fills}:
        trades = {fill.trade: fill for fill in reversed(fills) if fill.market == market}
        for interval in INTERVALS:
            spans: dict[int, list] = {}
            for _, fill in sorted(trades.items()):
                spans.setdefault(fill.time_ns - fill.time_ns % (interval * 10**9), []).append(fill)
            for row in queries.candles(connection, market, interval, limit=queries.MOST):
                of = spans.pop(row.start_ns)
                prices = [fill.price for fill in of]
                assert (row.open, row.high, row.low, row.close) == (
                    prices[0],
                    max(prices),
                    min(prices),
                    prices[-1],
                )
                assert (row.lots, row.trades) == (sum(fill.lots for fill in of), len(of))
                checked += 1
            assert not spans
    assert checked


# --- statements --------------------------------------------------------------------------------------------------------


def first_statement(connection) -> statements.Statement:
    return statements.statement(connection, 1, day(START))


def test_a_missing_unit_is_refused_not_explained(tmp_path, home):
    target = f"sqlite:///{tmp_path}/models.db"
    project(home, target)
    engine = connect(target)
    with engine.begin() as connection:
        c = schema.ledger.c
        row = connection.execute(
            select(c.sequence, c.idx, c.leg).where(c.account == 1, c.cause == "fee").limit(1)
        ).one()
        connection.execute(
            update(schema.ledger)
            .where(c.sequence == row.sequence, c.idx == row.idx, c.leg == row.leg)
            .values(amount=c.amount + 1)
        )
        with pytest.raises(statements.StatementDoesNotAdd) as refused:
            statements.statement(connection, 1, day(START))
        assert refused.value.facts["difference"] == -1
    engine.dispose()


def test_days_add_up_to_longer_spans(connection):
    days = [day(START + timedelta(days=n)) for n in range(2)]
    parts = [statements.statement(connection, 1, period) for period in days]
    whole = statements.statement(connection, 1, Period("both", days[0].from_ns, days[1].to_ns, "UTC"))
    assert (whole.opening, whole.closing) == (parts[0].opening, parts[1].closing)
    for source in Source:
        assert whole.by_source().get(source, 0) == sum(part.by_source().get(source, 0) for part in parts)


def test_a_day_that_is_not_over_has_no_statement(connection):
    with pytest.raises(statements.PeriodOpen):
        statements.statement(connection, 1, day(START + timedelta(days=400)))


def test_fees_on_the_statement_are_those_of_the_fills(connection):
    period = day(START)
    confirms = statements.confirms(connection, 1, period)
    one = first_statement(connection)
    assert len(confirms) == one.fills > 0
    fees = sum(b.changes.get("fee", 0) for b in one.balances)
    assert fees == -sum(confirm.fill.fee for confirm in confirms)
    for confirm in confirms:
        assert confirm.net == confirm.gross - confirm.fill.fee
        assert (confirm.gross > 0) == (confirm.fill.side == 1)


def test_the_operators_result_is_what_accounts_paid(connection):
    period = day(START)
    result = operator.operator_day(connection, period)
    c = schema.ledger.c
    mutual = [Cause.TRADE, Cause.SETTLEMENT, Cause.DEPOSIT, Cause.WITHDRAWAL, Cause.TRANSFER, Cause.SET_OFF]
    paid = connection.execute(
        select(func.sum(c.value)).where(
            c.time_ns >= period.from_ns, c.time_ns < period.to_ns, c.cause.not_in([x.value for x in mutual])
        )
    ).scalar_one()
    assert result.total == -int(paid) != 0
    assert any(line.party == "Fees" and line.earned > 0 for line in result.books)
    for line in result.books:
        assert line.opening + line.funded + line.earned == line.closing


def test_files_say_what_the_statement_says(connection, tmp_path):
    one = first_statement(connection)
    rows = list(csv.DictReader(io.StringIO(export.statements_csv([one]))))
    values = [int(row["value_micro_usd"]) for row in rows]
    assert values[0] + sum(values[1:-1]) == values[-1] == one.closing
    export.statements_parquet([one], tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert [row["value_micro_usd"] for row in table] == values
    confirms = statements.confirms(connection, 1, day(START))
    export.confirms_parquet(confirms, tmp_path / "c.parquet")
    assert pq.read_table(tmp_path / "c.parquet").num_rows == len(confirms)
    assert export.confirms_csv(confirms).count("\n") == len(confirms) + 1
    text, page = export.statement_text(one), export.statement_html(one)
    assert export.decimal(one.closing, 6, grouped=True) in text
    assert export.decimal(one.opening, 6, grouped=True) in page
    assert "trading_fees" in export.operator_csv([operator.operator_day(connection, day(START))])


@pytest.mark.parametrize(
    ("units", "decimals", "grouped", "text"),
    [(0, 6, False, "0.000000"), (-1, 6, False, "-0.000001"), (1_234_567_890, 6, True, "1,234.567890"), (5, 0, False, "5"),
     (-1_500_000, 6, False, "-1.500000")],
)  # fmt: skip
def test_amounts_are_exact_text(units, decimals, grouped, text):
    assert export.decimal(units, decimals, grouped=grouped) == text


def test_days_are_as_long_as_they_are_in_new_york():
    hours = [(p.to_ns - p.from_ns) // (3_600 * 10**9) for p in
             (day(date(2026, 3, 8), "America/New_York"), day(date(2026, 11, 1), "America/New_York"), day(date(2026, 3, 8)))]  # fmt: skip
    assert hours == [23, 25, 24]
    months = [month(2026, n) for n in range(1, 13)]
    assert all(one.to_ns == following.from_ns for one, following in pairwise(months))
    assert months[-1].to_ns == month(2027, 1).from_ns
