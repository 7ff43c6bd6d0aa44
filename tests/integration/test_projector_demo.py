"""The packaged crash, weekend included, as read models: every unit of every account has a cause, and every day's statement adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy import select

from novate.demo.run import DemoOptions, run_demo
from novate.projections import operator, schema, statements
from novate.projections.periods import day, month
from novate.projections.store import connect
from novate.projector import project
from projecting import differences


@pytest.mark.long
def test_a_crash_weekend_re_adds_for_every_account_and_day(tmp_path):
    run_demo(
        DemoOptions(home=tmp_path, scenario="october-2008", advance_ms=60_000),
        lambda *_: None,
        Console(quiet=True),
    )
    url = f"sqlite:///{tmp_path}/models.db"
    project(tmp_path, url)
    engine = connect(url)
    with engine.connect() as connection:
        assert differences(connection, tmp_path) == {}
        assert connection.execute(select(schema.differences)).fetchall() == []
        cuts = connection.execute(select(schema.samples.c.boundary_ns).where(schema.samples.c.full == 1))
        dates = sorted(datetime.fromtimestamp(ns // 10**9, UTC).date() for ns in cuts.scalars())
        first, last = dates[0], dates[-1]
        periods = [
            day(first + timedelta(days=n), zone)
            for n in range((last - first).days)
            for zone in ("UTC", "America/New_York")
        ]
        made = fees = 0
        for period in periods:
            try:
                fees += sum(line.value for line in operator.operator_day(connection, period).earned)
                for account in statements.accounts(connection):
                    one = statements.statement(connection, account, period)
                    assert one.opening + sum(line.value for line in one.lines) == one.closing
                    made += 1
            except statements.PeriodOpen:
                continue
        assert made > 50
        assert fees > 0
        with pytest.raises(statements.PeriodOpen):
            statements.statement(connection, 1, month(last.year, last.month))
    engine.dispose()
