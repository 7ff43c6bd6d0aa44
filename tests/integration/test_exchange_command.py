"""`novate exchange`: what it does when it can't go on."""

import subprocess
import sys
import time

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

from click.testing import CliRunner

from gateways import free_port
from novate.broker import commands, exchange_settings
from novate.broker.floor import Floor
from novate.errors import DataError

EXCHANGE = """
start = "2025-10-09 10:00"
journal = "exchange.db"
[broker.alpha]
cash = "1 M USD"
[stock.ACME]
price = "100"
"""


@pytest.fixture
def folder(tmp_path):
    port = free_port()
    (tmp_path / "exchange.toml").write_text(EXCHANGE)
    client = f'port = {port}\nexchange = "FLOOR-{port}"\n[[clients]]\nid = "NOV"\nbroker = "alpha"\n'
    (tmp_path / "acceptor.toml").write_text(client)
    return tmp_path


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exchange_that_breaks_ends_with_an_error_and_lets_go_of_everything(folder, monkeypatch):
    make = exchange_settings.make_floor

    def breaks(*said) -> Floor:
        floor = make(*said)
        floor.exchange.at(floor.now_ns() + 10**8, lambda: 1 // 0)
        return floor

    monkeypatch.setattr(exchange_settings, "make_floor", breaks)
    began = time.monotonic()
    ran = CliRunner().invoke(commands.exchange, [str(folder)])
    assert isinstance(ran.exception, DataError)
    assert "ZeroDivisionError" in ran.exception.sentence
    assert time.monotonic() - began < 20
    monkeypatch.undo()
    again = make(exchange_settings.load_exchange_settings(folder / "exchange.toml"), folder, time.time_ns())
    again.start(0)  # the journal is nobody's
    again.close()


def test_two_exchanges_on_one_port_are_one_and_an_error(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("exchange.toml", "acceptor.toml"):
        (other / name).write_text((folder / name).read_text())
    command = (sys.executable, "-m", "novate.cli", "exchange")
    with subprocess.Popen([*command, folder], stderr=subprocess.PIPE, text=True) as first:
        try:
            assert first.stderr is not None
            assert first.stderr.readline().startswith("ready")
            second = subprocess.run(
                [*command, other], capture_output=True, text=True, timeout=30, check=False
            )
            assert second.returncode not in (0, -6, -11)
            assert "listen to port" in second.stderr
        finally:
            first.terminate()
        assert first.wait(20) == 0
