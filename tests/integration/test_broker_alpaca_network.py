"""Beside the line to Alpaca: statements, announcements, and the network that an issuer answers."""

import time
from collections.abc import Iterator
from datetime import date
from datetime import time as clock_time
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")
pytest.importorskip("aiohttp", reason="the server of these tests needs aiohttp, which ccxt brings along")

from alpaca_lines import SHARE, Ears, buy, settings_of
from alpaca_server import ACCOUNT, AlpacaServer
from gateways import eventually
from novate.broker import LineUp
from novate.broker.alpaca.adapter import AlpacaBroker
from novate.broker.alpaca.http import NoAnswer, Refusal, broker_api
from novate.broker.alpaca.network import Network
from novate.broker.alpaca.settings import AlpacaSettings, NetworkSettings
from novate.broker.alpaca.tokenization import AskRedeem, ConfirmMint
from novate.broker.announcements import Announcements, Kind
from novate.calendar import new_york_ns
from novate.errors import DataError


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    server = AlpacaServer().start()
    server.on_submit = lambda order: server.accept(order["id"])
    yield server
    server.stop()


@pytest.fixture
def settings(server: AlpacaServer, tmp_path: Path) -> AlpacaSettings:
    return settings_of(server, tmp_path)


@pytest.fixture
def broker(settings: AlpacaSettings, tmp_path: Path) -> Iterator[AlpacaBroker]:
    broker = AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns)
    yield broker
    broker.close()


def test_an_evening_has_its_dividends_and_fees(
    server: AlpacaServer, tmp_path: Path, settings: AlpacaSettings
) -> None:
    clock = [new_york_ns(date(2026, 11, 24), clock_time(11))]
    server.clock_ns = lambda: clock[0]
    broker = AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns)
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    broker.send(buy())
    server.fill("n-1", "100", "179.995", last=True)
    server.note("DIV", "12.345678", activity_subtype="CDIV", qty="100", details={"symbol": "AAPL"})
    server.note("FEE", "-0.02", activity_subtype="TAF")
    with pytest.raises(DataError, match="not over"):
        broker.end_of_day(date(2026, 11, 24))
    with pytest.raises(DataError, match="no trading day"):
        broker.end_of_day(date(2026, 11, 22))
    clock[0] = new_york_ns(date(2026, 11, 25), clock_time(11))
    broker.send(buy("n-2"))
    server.fill("n-2", "50", "180", last=True)
    said = broker.end_of_day(date(2026, 11, 24))
    broker.close()
    assert [(one.symbol, one.settled, one.unsettled) for one in said.positions] == [("AAPL", 0, 100 * SHARE)]
    assert (said.cash.settled, said.cash.unsettled) == (1_000_012_325_678, -17_999_500_000)
    assert [(one.order, one.price, one.settles) for one in said.trades] == [
        ("n-1", 179_995_000_000, date(2026, 11, 25))
    ]


def test_a_statement_while_the_account_moves_is_read_again(
    server: AlpacaServer, broker: AlpacaBroker
) -> None:
    server.clock_ns = lambda: new_york_ns(date(2026, 11, 24), clock_time(21))
    positions, moves = server.positions, [3]

    def moving() -> object:
        if moves[0]:
            moves[0] -= 1
            server.note("CSD", "1")
        return positions()

    server.positions = moving  # type: ignore[assignment]
    assert broker.end_of_day(date(2026, 11, 24)).cash.settled == 1_000_000_000_000
    moves[0] = 1_000
    with pytest.raises(DataError, match="while the account moves"):
        broker.end_of_day(date(2026, 11, 24))


def test_what_is_announced(server: AlpacaServer, settings: AlpacaSettings, tmp_path: Path) -> None:
    server.announced = {
        "forward_splits": [
            {
                "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b0", "symbol": "NVDA", "cusip": "67066G104", "new_rate": 10, "old_rate": 1,
                "process_date": "2026-12-10", "ex_date": "2026-12-10", "payable_date": "2026-12-09",
            }
        ],
        "reverse_splits": [
            {
                "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b1", "symbol": "ODD", "old_cusip": "1", "new_cusip": "2", "new_rate": 0.4,
                "old_rate": 1.5, "process_date": "2026-12-01", "ex_date": "2026-12-01",
            }
        ],
        "cash_dividends": [
            {
                "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b2", "symbol": "T", "cusip": "00206R102", "rate": 0.2775, "special": False,
                "foreign": False, "process_date": "2026-12-02", "ex_date": "2026-12-02", "payable_date": "2027-01-04",
            }
        ],
        "cash_mergers": [
            {
                "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b3", "acquiree_symbol": "OLD", "acquiree_cusip": "3", "rate": 12.5,
                "process_date": "2026-12-03", "effective_date": "2026-12-04",
            }
        ],
    }  # fmt: skip
    server.announced["spin_offs"] = [
        {
            "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b4", "source_symbol": "T", "source_cusip": "00206R102", "new_symbol": "NEW",
            "new_cusip": "5", "source_rate": 1, "new_rate": 0.241917, "process_date": "2026-12-07", "ex_date": "2026-12-07",
        }
    ]  # fmt: skip
    server.announced["worthless_removals"] = [
        {
            "id": "7d56753c-ecfa-4077-8e05-64fae3d2f3b5",
            "symbol": "ODD",
            "cusip": "1",
            "process_date": "2026-12-09",
        }
    ]
    broker = AlpacaBroker(
        msgspec.structs.replace(settings, data_url=server.url), tmp_path, clock_ns=time.time_ns
    )
    assert isinstance(broker, Announcements)
    told = broker.announced(["NVDA", "ODD", "T", "OLD"], date(2026, 12, 1), date(2026, 12, 31))
    shown = [
        (one.kind, one.symbol, one.ex_date.day, one.ratio_new, one.ratio_old, one.amount, one.other_symbol)
        for one in told.announcements
    ]
    assert shown == [
        (Kind.SPLIT, "ODD", 1, 4, 15, 0, ""),
        (Kind.CASH_DIVIDEND, "T", 2, 0, 0, 277_500_000, ""),
        (Kind.MERGER, "OLD", 4, 0, 0, 12_500_000_000, ""),
        (Kind.SPIN_OFF, "T", 7, 241_917, 1_000_000, 0, "NEW"),
        (Kind.SPLIT, "NVDA", 10, 10, 1, 0, ""),
    ]
    assert told.announcements[1].payable_date == date(2027, 1, 4)
    assert len({one.key for one in told.announcements}) == len(told.announcements)
    (unread,) = told.unread
    assert "worthless_removals" in unread and "2026-12-09" in unread, "a person reads what has no exact words"


@pytest.fixture
def network(server: AlpacaServer, settings: AlpacaSettings, tmp_path: Path) -> Network:
    issuer = NetworkSettings(
        account_id=ACCOUNT, name="novate", key_file="key", secret_file="secret", url=server.url
    )
    return Network(
        broker_api(msgspec.structs.replace(settings, network=issuer), settings.key(tmp_path)), ACCOUNT
    )


REDEEM = AskRedeem(
    body={
        "issuer_request_id": "0b3f9a52-5a6e-4b0c-8f0d-1b2c3d4e5f60", "underlying_symbol": "AAPL", "token_symbol": "AAPLx",
        "client_external_account_id": "ap-7", "qty": "0.300000003", "network": "base", "wallet_address": "W1", "tx_hash": "0xabc",
    },
    key="0b3f9a52-5a6e-4b0c-8f0d-1b2c3d4e5f61",
)  # fmt: skip


@pytest.mark.parametrize(
    "fault", [None, {"after": True, "drop": True}, {"after": True, "status": 500}, {"status": 429}]
)
def test_a_redemption_that_is_asked_for_again_is_one(
    server: AlpacaServer, network: Network, fault: dict[str, object] | None
) -> None:
    if fault is not None:
        server.fault(f"POST /v1/accounts/{ACCOUNT}/tokenization/callback/redeem", **fault)
        if fault != {"status": 429}:
            with pytest.raises(NoAnswer):
                network.redeem(REDEEM)
    answer = network.redeem(REDEEM)
    assert answer == network.redeem(REDEEM)
    assert (answer["status"], answer["qty"]) == ("pending", "0.300000003")
    assert network.request(REDEEM.body["issuer_request_id"]) == answer
    assert network.requests() == [answer]
    assert network.request("another") is None
    assert {key for _, _, key in server.network} == {REDEEM.key}


def test_another_redemption_under_the_same_key_is_refused(network: Network) -> None:
    network.redeem(REDEEM)
    with pytest.raises(Refusal, match="key reused"):
        network.redeem(AskRedeem(body=REDEEM.body | {"qty": "2"}, key=REDEEM.key))


def test_a_mint_is_confirmed_with_what_the_table_says(server: AlpacaServer, network: Network) -> None:
    said = ConfirmMint(
        body={
            "tokenization_request_id": "0b3f9a52-5a6e-4b0c-8f0d-1b2c3d4e5f62", "client_external_account_id": "ap-7",
            "wallet_address": "W1", "tx_hash": "0xfeed", "network": "solana",
        }
    )  # fmt: skip
    assert network.confirm_mint(said)["status"] == "completed"
    assert server.network == [("mint", said.body, "")]
    with pytest.raises(Refusal, match="tx_hash is required"):
        network.confirm_mint(ConfirmMint(body=said.body | {"tx_hash": ""}))
