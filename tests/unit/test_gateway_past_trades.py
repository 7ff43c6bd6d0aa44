"""Both sides of what traded become public trades, once, in order, beside those that were heard."""

import pytest

from novate.gateway.streams import KEPT_TRADES, Streams
from novate.projections.rows import FillRow
from novate.schema.catalogue import Catalogue
from venues import open_plain_venue


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue.of(open_plain_venue({1: 1}).engine)


def fill(market, trade, maker, side=0, origin=0, liquidation=False):
    return FillRow(
        sequence=trade, idx=maker, leg=0, time_ns=trade, account=1, order_id=1, trade=trade, market=market, side=side, maker=bool(maker),
        liquidation=liquidation, origin=origin, price=18_000, lots=100, leaves=0, fee=0, realised=0,
    )  # fmt: skip


# sides in order: trade number, m for the side that rested, t for who took, b for a block || trades that are told
FILLS = """
1m 1t 2m 2t   || 1 2
1t 2m 2t      || 1 2
1m 2m 2t      || 2
3m 3m 4m 4t   || 3 4
1m 1t 2b 2b   || 1
1m 1t 9m      || 1
"""


@pytest.mark.parametrize("line", FILLS.strip().splitlines())
def test_what_is_told_of_both_sides(catalogue, line):
    sides, _, wanted = line.partition("||")
    market = next(iter(catalogue.markets))
    streams = Streams("e", lambda: catalogue)
    rows = [
        fill(
            market,
            int(word[:-1]),
            int(word[-1] == "m"),
            side=int(word[-1] == "t"),
            origin=int(word[-1] == "b"),
        )
        for word in sides.split()
    ]
    streams.put_past_trades(market, rows)
    assert [one.trade for one in streams.trades[market]] == wanted.split()
    if "3m 3m" in line:
        assert streams.trades[market][0].side == "auction"
    before = list(streams.trades[market])
    streams.put_past_trades(market, rows)
    assert list(streams.trades[market]) == before, "the same again changes nothing"


def test_what_was_heard_stays_behind_what_was_before_and_only_the_last_are_kept(catalogue):
    market = next(iter(catalogue.markets))
    streams = Streams("e", lambda: catalogue)
    streams.put_past_trades(market, [fill(market, 5_000, 0)])
    heard = streams.trades[market][-1]
    streams.put_past_trades(market, [fill(market, 1 + trade, 0) for trade in range(1_500)])
    told = streams.trades[market]
    assert len(told) == KEPT_TRADES and told[-1] is heard and told[-2].trade == "1500"
    streams.put_past_trades(10**6, [fill(10**6, 1, 0)])
    assert 10**6 not in streams.trades
