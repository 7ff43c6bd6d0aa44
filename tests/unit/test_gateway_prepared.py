"""What the gateway knows of a command before it is sent: the market by which a key's limits are judged."""

import json
from types import SimpleNamespace

import pytest

from novate.gateway.actions import Actions
from novate.schema.catalogue import Catalogue
from novate.schema.operations import operations, parse
from novate.schema.values import How, outer
from said import arguments
from venues import open_plain_venue

OF_A_MARKET = sorted(
    name
    for name, op in operations().items()
    if any(one.name == "market" and one.how is How.NAME for one in outer(op.command))
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.of(open_plain_venue({7: 70}).engine)


@pytest.mark.parametrize("name", OF_A_MARKET)
def test_a_command_that_names_a_market_is_of_that_market(catalogue: Catalogue, name: str) -> None:
    """Whether it is taken by its record or by its fields: a key that is limited to markets is judged by it."""
    streams = SimpleNamespace(orders_by_client={}, market_of=lambda _: 0)
    actions = Actions(SimpleNamespace(catalogue=catalogue), streams, None, None)  # type: ignore[arg-type]
    op = operations()[name]
    market, line = next(iter(catalogue.market_ids.items()))
    said = json.dumps(arguments(op, catalogue) | {"market": market}).encode()
    prepared = actions.prepared(op, 7, said)
    assert prepared is not None and prepared.market == line
    assert actions._of_args(op, 7, parse(op, said), 0).market == line
