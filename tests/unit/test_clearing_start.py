"""How the clearing service starts: which orders are still open, by what clock its lines go, and that what came to be listed since counts."""

import threading
from types import SimpleNamespace

import pytest

from novate.clearing import run
from novate.clearing.conversion import SimulatedChanger
from novate.clearing.names import Names
from novate.clearing.outbox import Conversion, Outbox
from novate.clearing.settings import BrokerSettings, ClearingSettings
from novate.errors import ConfigError
from novate.keepers.pace import Pace
from novate.messages import CommandRefused, encode_event, iter_commands
from novate.messages.commands.clearing import ReportBrokerAccepted
from novate.messages.refusals import number_of
from novate.messages.reports.portfolios import AssetName, Listed

SECOND = 10**9
NAME = "Prime"


class Reader:
    """Refuses what is foretold of some orders."""

    def __init__(self, refused: dict[int, str]) -> None:
        self.refused, self.min_seq = refused, 0

    def what_if(self, commands: bytes):
        events = [
            encode_event(
                CommandRefused(
                    code=number_of(self.refused[one.body.order]), command=ReportBrokerAccepted.KIND, field=1, retry=0, value=0, limit=0
                ),
                request=one.header.request,
            )
            for one in iter_commands(commands)
            if one.body.order in self.refused
        ]  # fmt: skip
        return SimpleNamespace(events=b"".join(events))


@pytest.fixture
def process(tmp_path):
    """Makes the service's process, which does nothing yet, with a reader."""
    Pace.begin(5_000 * SECOND).write(tmp_path)
    with Outbox(tmp_path) as outbox:

        def make(settings: ClearingSettings, reader=None):
            line = SimpleNamespace(submit=None)
            return run._Process(
                tmp_path, settings, lambda: reader, outbox, line, tmp_path / "core.sock", threading.Event(), lambda: None, lambda _: None
            )  # fmt: skip

        yield make


OVER = ("broker_order_must_be_open", "broker_order_must_exist")


def test_an_order_is_over_where_the_engine_says_so_of_a_state_that_is_late_enough(process):
    reader = Reader({5: OVER[0], 7: OVER[1]})
    assert process(ClearingSettings(), reader)._open_of([4, 5, 6, 7], 44) == {4, 6}
    assert reader.min_seq == 44


def test_a_refusal_that_says_nothing_of_the_order_ends_the_start(process):
    reader = Reader({4: OVER[0], 5: "actor_must_have_the_role"})
    with pytest.raises(ConfigError, match="actor_must_have_the_role"):
        process(ClearingSettings(actor=7), reader)._open_of([4, 5], 44)


def line(given):
    """What `adapter = "test_clearing_start:line"` makes."""
    return SimpleNamespace(given=given)


def test_lines_and_the_issuers_door_go_by_the_pace_that_began_last(process, monkeypatch):
    broker = BrokerSettings(name=NAME, adapter=f"{__name__}:line")
    network = SimpleNamespace(broker=NAME, answer="1 s", every="1 s", actor=0)
    found = process(ClearingSettings(broker=(broker,), network=network), SimpleNamespace(min_seq=0))
    known = [SimpleNamespace(name=NAME, broker=1, reachable=True)]
    monkeypatch.setattr(run, "listed", lambda _: Listed(underlyings=(), assets=(), markets=()))
    monkeypatch.setattr(run.questions, "brokers", lambda _: known)
    monkeypatch.setattr(run, "Issuer", lambda *said, **_: said[6])
    worker = found._worker(b"")
    clocks = (worker._lines[1].adapter.given.clock, found._network)
    found._pace = Pace.begin(9_000 * SECOND)
    assert min(clock() for clock in clocks) >= 9_000 * SECOND


@pytest.mark.parametrize(("decimals", "dollars"), [(6, 3 * 10**6), (2, 30_000 * 10**6)])
def test_a_conversion_counts_in_what_is_listed_now(decimals, dollars):
    coin = AssetName(
        asset=3,
        name="USDX",
        stablecoin=True,
        underlying=3,
        decimals=decimals,
        multiplier_ppb=10**9,
        pool=False,
    )
    names = Names.of(Listed(underlyings=(), assets=(coin,), markets=()), {})
    begun = Conversion(1, 3, 1, 1, 3 * 10**6, "sent", 0)
    assert SimulatedChanger(takes_ns=1, cost_ppm=0).look(begun, names, 1).amount == dollars
