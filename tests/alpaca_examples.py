"""The examples that Alpaca publishes: every field and form as its pages have them, and values of our own.

Responsible for: one example per form, with the page it stands on. Never: what is expected of it.
"""

import uuid
from datetime import date
from typing import Any

ORDERS = "https://docs.alpaca.markets/docs/working-with-orders"
STREAM = "https://docs.alpaca.markets/docs/websocket-streaming"
ACCOUNT_PAGE = "https://docs.alpaca.markets/docs/working-with-account"
POSITIONS = "https://docs.alpaca.markets/docs/working-with-positions"
ACTIVITIES = "https://docs.alpaca.markets/us/docs/activities"
TOKENS = "https://docs.alpaca.markets/us/docs/tokenization-guide-for-authorized-participant"

ACCOUNT_ID = "9d1c7f0a-52b4-4c1e-8a63-2f5d8b7e6c10"
DAY = date(2026, 11, 24)
"""When everything in the record happens: a Tuesday, an hour before the open."""
_SPACE = uuid.UUID("b2b9a0f6-3d0e-4f7a-9b57-1f6c2f0f3a41")


def ident(name: str) -> str:
    """An id, the same for the same name."""
    return str(uuid.uuid5(_SPACE, name))


# --- orders and their stream -----------------------------------------------------------------------------------------------


def order(client: str, status: str, filled: str, **change: Any) -> dict[str, Any]:
    """An order as `ORDERS` and `STREAM` have it: times of its life with an offset and of its fills in UTC, numbers as text, what is not there as null."""
    return {
        "asset_class": "us_equity", "asset_id": ident("AAPL"), "cancel_requested_at": None, "canceled_at": None, "client_order_id": client,
        "created_at": "2026-11-24T09:45:04.981350886-05:00", "expired_at": None, "extended_hours": False, "failed_at": None,
        "filled_at": "2026-11-24T14:45:05.024916716Z" if status == "filled" else None, "filled_avg_price": "179.9975" if filled != "0" else None,
        "filled_qty": filled, "hwm": None, "id": ident(f"order {client}"), "legs": None, "limit_price": "180", "notional": None, "order_class": "",
        "order_type": "limit", "qty": "100", "replaced_at": None, "replaced_by": None, "replaces": None, "side": "buy", "status": status,
        "stop_price": None, "submitted_at": "2026-11-24T09:45:04.980944666-05:00", "symbol": "AAPL", "time_in_force": "day",
        "trail_percent": None, "trail_price": None, "type": "limit", "updated_at": "2026-11-24T09:45:05.027690731-05:00",
    } | change  # fmt: skip


def update(event: str, said: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message of the stream."""
    return {"stream": "trade_updates", "data": {"event": event, "order": said, **more}}


def stream_of(client: str) -> list[dict[str, Any]]:
    """The life of an order: routed, filled in two parts, the second one taken back, the first one corrected."""
    filled = {"position_qty": "100", "timestamp": "2026-11-24T14:45:05.024916716Z"}
    return [
        update("new", order(client, "new", "0"), execution_id=ident("new"), timestamp="2026-11-24T14:45:04.99Z"),
        update("partial_fill", order(client, "partially_filled", "40"), execution_id=ident("part"), price="179.99", qty="40", **filled | {"position_qty": "40"}),
        update("fill", order(client, "filled", "100"), execution_id=ident("rest"), price="180", qty="60", **filled),
        update("trade_bust", order(client, "filled", "40"), execution_id=ident("bust"), previous_execution_id=ident("rest"), price="180", qty="60", timestamp="2026-11-24T15:02:00Z"),
        update("trade_correct", order(client, "filled", "40"), execution_id=ident("correct"), previous_execution_id=ident("part"), price="179.95", qty="40", timestamp="2026-11-24T15:03:00Z"),
    ]  # fmt: skip


def record_of(client: str) -> list[dict[str, Any]]:
    """The same executions as activities."""

    def details(kind: str, done: str, left: str) -> dict[str, Any]:
        return {
            "asset_id": ident("AAPL"), "order_id": ident(f"order {client}"), "client_order_id": client, "side": "buy",
            "order_status": "filled" if left == "0" else "partially_filled", "execution_type": kind, "symbol": "AAPL", "cum_qty": done, "leaves_qty": left,
        }  # fmt: skip

    at = "2026-11-24T14:45:05.024916Z"
    return [
        activity("part", "TRD", "40", "-7199.6", details("partial_fill", "40", "60"), price="179.99", at=at),
        activity("rest", "TRD", "60", "-10800", details("fill", "100", "0"), price="180", at=at),
        activity("bust", "TRD", "60", "10800", details("trade_bust", "40", "60"), price="180", at="2026-11-24T15:02:00Z", previous_id=ident("rest")),
        activity("correct", "TRD", "40", "-7198", details("trade_correct", "40", "60"), price="179.95", at="2026-11-24T15:03:00Z", previous_id=ident("part")),
    ]  # fmt: skip


# --- what is held ----------------------------------------------------------------------------------------------------------


def account(cash: str) -> dict[str, Any]:
    """As `ACCOUNT_PAGE` has it."""
    return {
        "id": ACCOUNT_ID, "account_number": "PA0N0VATE", "status": "ACTIVE", "crypto_status": "ACTIVE", "currency": "USD", "buying_power": "262113.632",
        "regt_buying_power": "80680.36", "daytrading_buying_power": "262113.632", "non_marginable_buying_power": "11023.7", "cash": cash,
        "accrued_fees": "0", "portfolio_value": "103820.56", "pattern_day_trader": False, "trading_blocked": False, "transfers_blocked": False,
        "account_blocked": False, "created_at": "2026-06-12T22:47:07.99658Z", "trade_suspended_by_user": False, "multiplier": "4",
        "shorting_enabled": True, "equity": "103820.56", "last_equity": "103529.24", "long_market_value": "126960.76", "short_market_value": "0",
        "initial_margin": "63480.38", "maintenance_margin": "38088.228", "last_maintenance_margin": "38000.832", "sma": "0", "daytrade_count": 0,
    }  # fmt: skip


def position(symbol: str, qty: str) -> dict[str, Any]:
    """As `POSITIONS` has it."""
    return {
        "asset_id": ident(symbol), "symbol": symbol, "exchange": "NASDAQ", "asset_class": "us_equity", "asset_marginable": True, "qty": qty,
        "qty_available": qty, "avg_entry_price": "100.0", "side": "short" if qty.startswith("-") else "long", "market_value": "600.0",
        "cost_basis": "500.0", "unrealized_pl": "100.0", "unrealized_plpc": "0.20", "unrealized_intraday_pl": "10.0",
        "unrealized_intraday_plpc": "0.0084", "current_price": "120.0", "lastday_price": "119.0", "change_today": "0.0084",
    }  # fmt: skip


# --- the record ------------------------------------------------------------------------------------------------------------


def activity(
    name: str, kind: str, qty: str, net: str, details: dict[str, Any], *, subtype: str = "", price: str = "0", at: str = "2026-11-24T13:30:08.514798Z",
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """An event as `ACTIVITIES` has it: what all have in common, and details of its kind."""
    return {
        "account_id": ACCOUNT_ID, "event_id": f"01KANV{sum(name.encode()):020d}", "ref_id": ident(name), "activity_type": kind,
        **({"activity_subtype": subtype} if subtype else {}),
        "qty": qty, "price": price, "currency": "USD", "net_amount": net, "status": "executed", "at": at, "executed_at": at,
        "settle_date": "2026-11-25", "details": details,
    } | more  # fmt: skip


def _of_action(**details: Any) -> dict[str, Any]:
    days = dict.fromkeys(("record_date", "system_date", "payable_date", "position_date"), "2026-11-24")
    return {"ca_id": ident("action"), "group_id": ident("group"), **details, **days}


_CASH_MERGER = {"acquiree_qty": "0.045", "acquiree_symbol": "OLDC", "acquiree_cusip": "000000001", "cash_rate": "0.58", "cash_payout": "0.03", "effective_date": "2026-11-20"}  # fmt: skip
_MERGER = {
    "acquiree_qty": "2000", "acquirer_qty": "200", "acquiree_rate": "1", "acquirer_rate": "0.1", "acquiree_symbol": "OLDC", "acquirer_symbol": "NEWC",
    "acquiree_cusip": "000000001", "acquirer_cusip": "000000002", "effective_date": "2026-11-23",
}  # fmt: skip
_NAME = {"old_symbol": "OLDC", "new_symbol": "NEWC", "position_qty": "7.30762391"}
_SPLIT = {"reorg_id": "3000001", "symbol": "SPLT", "old_qty": "0.54796447", "new_qty": "0.821946705", "old_rate": "1", "new_rate": "1.5", "ex_date": "2026-11-24", "due_bill_redemption_date": "2026-11-24"}  # fmt: skip
_UNIT = {
    "old_symbol": "UNIU", "new_symbol": "UNIT", "alternate_symbol": "UNIT.WS", "old_qty": "8", "new_qty": "8", "alternate_qty": "2", "old_rate": "1",
    "new_rate": "1", "alternate_rate": "0.25", "effective_date": "2026-11-24",
}  # fmt: skip
_SPIN = {
    "reorg_id": "3000002", "new_symbol": "SPUN", "source_symbol": "PRNT", "new_qty": "0.2", "source_qty": "2", "new_rate": "0.1", "source_rate": "1",
    "new_price": "0", "source_price": "72.82", "ex_date": "2026-11-24",
}  # fmt: skip
_REORG = {"reorg_id": "12345", "source_symbol": "PRNT", "source_cusip": "12345A678", "source_isin": "US1234567890", "effective_date": "2026-11-24"}  # fmt: skip
_DIVIDEND = {"symbol": "PAYR", "cusip": "000000003", "entitled_qty": "113", "rate": "0.25", "cash_payout": "28.25", "foreign": "false", "special": "false", "ex_date": "2026-11-24"}  # fmt: skip
_RIGHTS = {"reorg_id": "3000003", "new_symbol": "HYTR.RT", "source_symbol": "HYTR", "new_qty": "9.975695601", "source_qty": "9.975695601", "rate": "1", "ex_date": "2026-11-24", "expiration_date": "2026-12-26"}  # fmt: skip
_SYSTEM = {"system_date": "2026-11-24"}
_CONTRACT = {"symbol": "PAYR", "old_contract_symbol": "PAYR261218P00030000", "new_contract_symbol": "PAYR261218P00026750", "qty": "7"}  # fmt: skip

RECORD: dict[str, list[dict[str, Any]]] = {
    "TRD": [
        activity(
            "trade", "TRD", "0.04", "-19.21",
            {
                "asset_id": ident("MSFT"), "order_id": ident("an order"), "client_order_id": ident("of a person"), "side": "buy", "order_status": "filled",
                "execution_type": "fill", "symbol": "MSFT", "cum_qty": "0.04", "leaves_qty": "0",
            },
            price="480.338",
        )
    ],
    "CSD": [activity("in", "CSD", "0", "1382000", _SYSTEM)],
    "CSW": [activity("out", "CSW", "0", "-7", _SYSTEM)],
    "JNLC": [activity("cash journal", "JNLC", "0", "-4.81", {"journal_id": ident("j1"), **_SYSTEM})],
    "JNLS": [activity("share journal", "JNLS", "0.00911", "0", {"journal_id": ident("j2"), "symbol": "AAPL", **_SYSTEM}, price="638.2799")],
    "FEE TAF": [activity("taf", "FEE", "0", "-0.01", _SYSTEM, subtype="TAF")],
    "FEE": [activity("fee", "FEE", "0", "-0.02", {"parent_id": ident("trade"), **_SYSTEM})],
    "ACATC": [activity("acatc", "ACATC", "0", "118.79", {"request_id": ident("r"), "external_id": "20261110012345@000031", "hold_date": "2026-12-08", **_SYSTEM})],
    "ACATS": [activity("acats", "ACATS", "4", "0", {"request_id": ident("r"), "external_id": "20261120054321@000007", "symbol": "AAPL", "hold_date": "2026-12-08", **_SYSTEM}, price="157.44")],
    "FOPT": [activity("fopt", "FOPT", "10", "0", {"external_id": "DEF5GRE2E5CW1F09", "contra": "00000632", "symbol": "IBM", **_SYSTEM}, price="100")],
    "INT MGN": [activity("interest", "INT", "0", "-3.01", _SYSTEM, subtype="MGN")],
    "INT FPSL": [activity("lending", "INT", "0", "0.01", _SYSTEM, subtype="FPSL")],
    "DIV CDIV": [activity("dividend", "DIV", "0", "28.25", _of_action(**_DIVIDEND), subtype="CDIV")],
    "DIV ROC": [activity("capital", "DIV", "0", "28.25", _of_action(**_DIVIDEND), subtype="ROC")],
    "DIV SDIV": [activity("stock dividend", "DIV", "0.002709921", "0", _of_action(symbol="PAYR", new_qty="0.094116171", entitled_qty="0.09140625", paid_qty="0.002709921", rate="1.029647", ex_date="2026-11-24"), subtype="SDIV")],
    "DIV SPD": [activity("substitute", "DIV", "0", "-0.03", _of_action(**_DIVIDEND, due_bill_on_date="2026-11-03"), subtype="SPD", currency="", settle_date="2026-11-25T00:00:00Z")],
    "DIVNRA": [activity("withheld", "DIVNRA", "0", "-8.47", {"symbol": "PAYR", "cusip": "000000003", "parent_id": ident("dividend"), **_SYSTEM})],
    "CGD": [activity(f"gain {kind}", "CGD", "0", net, _of_action(symbol="PAYR", cusip="000000003", entitled_qty="100", cash_payout=f"{net}5", rate="0.45", ex_date="2026-11-24"), subtype=kind) for kind, net in (("LTCG", "45.86"), ("STCG", "11.02"))],
    "MA CMA": [
        activity("bought out", "MA", "0", "0.03", _of_action(**_CASH_MERGER), subtype="CMA"),
        activity("bought out, shares", "MA", "-0.045", "0", _of_action(**_CASH_MERGER), subtype="CMA"),
    ],
    "MA SMA": [
        activity("merged", "MA", "-2000", "0", _of_action(**_MERGER), subtype="SMA", price="0.8"),
        activity("merged into", "MA", "200", "0", _of_action(**_MERGER), subtype="SMA", price="8"),
    ],
    "MA SCMA": [
        activity("both, cash", "MA", "0", "8.29", _of_action(**_MERGER, cash_rate="21", cash_payout="8.29"), subtype="SCMA", previous_id=ident("p1")),
        activity("both, left", "MA", "-0.394803871", "0", _of_action(**_MERGER), subtype="SCMA", price="15.704", previous_id=ident("p2")),
        activity("both, came", "MA", "0.394803871", "0", _of_action(**_MERGER), subtype="SCMA", previous_id=ident("p3")),
    ],
    "NC SNC": [
        activity("renamed", "NC", "-7.30762391", "0", _of_action(**_NAME), subtype="SNC", price="328.77"),
        activity("renamed to", "NC", "7.30762391", "0", _of_action(**_NAME), subtype="SNC", price="328.77"),
    ],
    "NC CNC": [activity(f"number {qty}", "NC", qty, "0", _of_action(old_symbol="BRFX", new_symbol="BRFX", position_qty="4.68546239"), subtype="CNC", price="26.89") for qty in ("-4.68546239", "4.68546239")],
    "SPLIT FSPLIT": [
        activity("split, left", "SPLIT", "-0.54796447", "0", _of_action(**_SPLIT), subtype="FSPLIT", price="62.32"),
        activity("split, came", "SPLIT", "0.821946705", "0", _of_action(**_SPLIT), subtype="FSPLIT", price="41.5467"),
    ],
    "SPLIT RSPLIT": [activity(f"reverse {qty}", "SPLIT", qty, "0", _of_action(**_SPLIT | {"old_qty": "33", "new_qty": "1.65", "old_rate": "20", "new_rate": "1"}), subtype="RSPLIT", price=price) for qty, price in (("-33", "7"), ("1.65", "140"))],
    "SPLIT USPLIT": [activity(f"unit {qty}", "SPLIT", qty, "0", _of_action(**_UNIT), subtype="USPLIT", price=price) for qty, price in (("-8", "26.31"), ("8", "26.31"), ("2", "0"))],
    "SPIN": [activity("spun", "SPIN", "0.2", "0", _of_action(**_SPIN))],
    "VOF VDST": [activity("rights", "VOF", "9.975695601", "0", _of_action(**_RIGHTS), subtype="VDST")],
    "REORG WRM": [activity("worthless", "REORG", "-200", "0", _of_action(symbol="NULLW", removed_qty="200"), subtype="WRM")],
    "REO REOSC": [
        activity("reorganised, left", "REO", "-50", "0", _of_action(**_REORG, removed_qty="50"), subtype="REOSC", price="12.69"),
        activity("reorganised, cash", "REO", "0", "150", _of_action(**_REORG, source_qty="50", cash_rate="3", cash_payout="150"), subtype="REOSC"),
        activity("reorganised, came", "REO", "25", "0", _of_action(**_REORG, source_qty="50", symbol="NEWC", source_rate="1", new_rate="0.5", qty="25"), subtype="REOSC", price="12.69"),
    ],
    "OPCA DIV.CDIV": [activity(f"contract {qty}", "OPCA", qty, net, _of_action(**_CONTRACT), subtype="DIV.CDIV", price="0.19") for qty, net in (("-7", "133"), ("7", "-133"))],
}  # fmt: skip
"""An example of each kind of activity that an account with shares may see."""


def tokenization_request(issuer_request: str, status: str) -> dict[str, Any]:
    """A request of the network, as the page for participants lists it."""
    return {
        "tokenization_request_id": ident("tokens"), "issuer_request_id": issuer_request, "created_at": "2026-11-24T17:28:48.642437-05:00",
        "updated_at": "2026-11-24T17:28:48.642437-05:00", "type": "redeem", "status": status, "underlying_symbol": "TSLA", "token_symbol": "TSLAx",
        "qty": "123.45", "issuer": "novate", "network": "solana", "wallet_address": "0x1234567A", "tx_hash": "0x1234567B", "fees": "0.567",
    }  # fmt: skip
