"""The clearing service on a venue of real processes, with an account at Alpaca for a broker: its endpoints on this machine, read with the vendor's own models, and the simulated exchange behind them."""

from datetime import date
from datetime import time as wall

import pytest

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")
pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install novate[feeds]")

from alpaca_exchange import Behind
from alpaca_server import KEY, SECRET, AlpacaServer
from clearings import MICRO, ONE, STOCK, cleared
from gateways import eventually
from novate.broker.custody import Opening
from novate.broker.exchange import Exchange, Terms
from novate.broker.floor import Floor
from novate.broker.tape import Depth, endless
from novate.calendar import new_york_ns
from novate.clearing.life import State
from novate.clearing.outbox import Outbox
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

SHARE = 10**9
OPEN_NS = new_york_ns(date(2025, 10, 9), wall(10))
"""A regular session of the past, so that a test may run at any hour."""
ACCOUNT = """
[[broker]]
name = "Simulated Prime"
adapter = "alpaca"
[broker.options]
account = "paper"
key_file = "alpaca.key"
secret_file = "alpaca.secret"
url = "{url}"
stream_url = "{stream}"
patience_s = 1
first_wait_s = 0.05
sweep_s = 1
"""


@pytest.fixture(scope="module")
def floor():
    """An exchange on which the account has what the venue's books begin with."""
    tape = endless(
        STOCK, start_ns=OPEN_NS, seed=1, step_ns=60 * 10**9, step_ppm=0, depth=Depth(best=1_000 * SHARE)
    )
    opening = Opening(cash=10**7 * MICRO, shares={STOCK: 10**6 * SHARE})
    found = Floor(Exchange([tape], {"one": opening}, start_ns=OPEN_NS, terms=Terms(delay_ns=2 * 10**8)))
    found.run()
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(floor):
    found = AlpacaServer().start()
    Behind(floor, "one", found)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def venue(tmp_path_factory, server):
    with cleared(tmp_path_factory.mktemp("alpaca") / "home") as found:
        (found.home / "alpaca.key").write_text(KEY)
        (found.home / "alpaca.secret").write_text(SECRET)
        settings = (found.home / "clearing.toml").read_text()
        before, second = settings.index("[[broker]]"), settings.rindex("[[broker]]")
        account = ACCOUNT.format(url=server.url, stream=server.stream_url)
        (found.home / "clearing.toml").write_text(settings[:before] + account + settings[second:])
        yield found


@pytest.fixture(autouse=True)
def over(venue, server, floor):
    """In the end every order is done, and the account has the same orders and the same shares more as the books."""
    custody = floor.exchange.desks["one"].custody
    before, books = custody.shares(STOCK), in_books(venue)
    yield
    with Outbox(venue.home) as outbox:
        eventually(lambda: not outbox.orders() and not outbox.waiting())
        assert not outbox.refused()
        ours = {order.id for order in outbox.orders(tuple(State)) if order.broker == ONE and order.sends}
    assert {one["client_order_id"] for one in server.orders.values()} == ours
    venue.stop()
    assert venue.said[-1] == "ended 0"
    venue.sound()
    assert in_books(venue) - books == custody.shares(STOCK) - before != 0


def in_books(venue) -> int:
    """Shares at this broker, settled or not, as the venue has them."""
    lines = {one.place: one.amount for one in venue.ask(questions.books) if one.token == venue.token}
    signs = {"Broker": 1, "FromBroker": 1, "ToBroker": -1, "HouseAt": 1, "HouseFrom": 1, "HouseTo": -1}
    return sum(sign * lines.get(f"{place}({ONE})", 0) for place, sign in signs.items())


def test_tokens_are_issued_and_redeemed_through_the_account(venue, server):
    venue.clear()
    venue.can()
    wish = venue.issue(10_000)
    venue.becomes(wish, S.FILLED)
    assert 90 * MICRO < venue.request(wish).units < 100 * MICRO
    back = venue.redeem(1_500 * MICRO)  # more than the treasury has: shares are sold
    venue.becomes(back, S.FILLED)
    assert [one["side"] for one in server.orders.values()] == ["buy", "sell"]


@pytest.mark.parametrize("step", ["order leaving", "order sent"])
def test_what_fills_while_the_service_is_dead_is_booked_and_bought_once(venue, server, step):
    venue.clear(kill_at=step)
    venue.can()
    venue.arm()
    before = len(server.orders)
    wish = venue.issue(5_000)
    venue.died()
    if step == "order sent":
        eventually(lambda: list(server.orders.values())[-1]["status"] == "filled")
    assert len(server.orders) == before + (step == "order sent")
    venue.clear()
    venue.becomes(wish, S.FILLED)
    assert len(server.orders) == before + 1
