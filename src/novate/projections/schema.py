"""The tables of the read models: what each row is, its key and its units.

Responsible for: one declaration of every table for SQLite and PostgreSQL alike. Never holds a number that is not an integer: amounts are
in the asset's smallest unit, prices in ticks or at the underlying's scale, values in micro-dollars, times in ns since 1970 UTC.

Every row that an event made carries (`sequence`, `idx`): the command's place in the journal and the event's place in the command. Rows
are never changed once written, but for those of `orders`, `requests`, `candles` and the small tables that say how things stand now.
Ids that are unsigned 64 bits in the journal stand as their two's complement (see `store.signed`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata: Final = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _small(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False)


def _text(name: str, length: int) -> Column[str]:
    return Column(name, String(length), nullable=False)


def _numbers(*names: str) -> list[Column[int]]:
    return [_number(name) for name in names]


def _place() -> list[Column[int]]:
    return [_key("sequence"), Column("idx", Integer, primary_key=True, autoincrement=False)]


# --- where the projection stands, and what is listed -------------------------------------------------------------------

position: Final = Table(
    "position", metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    *_numbers("sequence", "time_ns", "next_sample_ns"),
    Column("journal", LargeBinary(32), nullable=False),
)  # fmt: skip
"""One row: the last command that the rows hold, the next moment to sample at, and SHA-256 of the journal's first frame."""

assets: Final = Table(
    "assets", metadata, _key("asset"), _text("name", 64), _small("decimals"), _small("stablecoin"),
    *_numbers("underlying", "multiplier_ppb", "cash"),
)  # fmt: skip
"""Dimension: assets and the scale of their amounts; `cash` is what pays for issuance of a token, 0 as long as none was seen."""

markets: Final = Table(
    "markets", metadata, _key("market"), _text("name", 64), _small("perp"),
    *_numbers("underlying", "base", "quote", "tick_size", "lot_size", "unit", "last_trade"),
)  # fmt: skip
"""Dimension: markets. `unit` is quote units of one tick of one lot; `last_trade` the last trade that candles counted."""

underlyings: Final = Table(
    "underlyings", metadata, _key("underlying"), _text("name", 64), _small("decimals"), _number("index_price"),
)  # fmt: skip
"""Dimension: underlyings, the scale of their prices, and the last index."""

accounts: Final = Table(
    "accounts", metadata, _key("account"), *_numbers("owner", "opened_sequence", "opened_ns"), _small("liquidating"),
)  # fmt: skip
"""Accounts, and whether a liquidation runs."""

holdings: Final = Table(
    "holdings", metadata, _key("account"), _key("asset"), _key("market"), *_numbers("amount", "owed"),
)  # fmt: skip
"""The ledger's sums now. Market 0: units of the asset in all pockets. A perp market: quote units of what is owed less cost; `owed` alone
is what is realised and unpaid."""

# --- orders, fills, candles --------------------------------------------------------------------------------------------

orders: Final = Table(
    "orders", metadata, _key("order_id"),
    *_numbers("account", "market"),
    *(_small(name) for name in ("side", "kind", "time_in_force", "flags")),
    *_numbers("price", "lots", "leaves", "filled_lots", "filled_ticks", "fee"),
    _small("status"), _small("reason"), Column("client_id", LargeBinary(16), nullable=False),
    *_numbers("placed_sequence", "placed_idx", "placed_ns", "changed_sequence", "changed_ns", "revision"),
    Index(None, "account", "placed_sequence", "placed_idx"), Index(None, "account", "status"),
    Index(None, "account", "client_id"),
)  # fmt: skip
"""One row an order, as it stands; `filled_ticks` is the sum of price times lots."""

fills: Final = Table(
    "fills", metadata, *_place(), Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    *_numbers("time_ns", "account", "order_id", "trade", "market"),
    *(_small(name) for name in ("side", "maker", "liquidation", "origin")),
    *_numbers("price", "lots", "leaves", "fee", "realised"),
    Index(None, "account", "sequence", "idx"), Index(None, "market", "sequence"),
)  # fmt: skip
"""One side of a trade. `origin` 0 the book, 1 a block, 2 a quote; `leg` counts the markets of the latter two."""

candles: Final = Table(
    "candles", metadata, _key("market"), _key("interval_s"), _key("start_ns"),
    *_numbers("open", "high", "low", "close", "lots", "ticks", "trades", "last_trade"),
)  # fmt: skip
"""Trades of the book by minute, five minutes, hour and day; `ticks` is the sum of price times lots."""

# --- money -------------------------------------------------------------------------------------------------------------

ledger: Final = Table(
    "ledger", metadata, *_place(), Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    *_numbers("time_ns", "account", "asset", "market"), _text("cause", 24), *_numbers("amount", "value", "after"),
    Index(None, "account", "sequence", "idx", "leg"), Index(None, "time_ns"),
)  # fmt: skip
"""Every change of what an account owns: by how much, worth what at that moment (micro-dollars), why, and the sum after it."""

transfers: Final = Table(
    "transfers", metadata, *_place(), *_numbers("time_ns", "account"), _text("kind", 24),
    *_numbers("counterparty", "asset", "amount", "reference"), Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""Arrivals, departures and moves between accounts; signed towards the account. `reference` is the outside's or the withdrawal's number."""

funding_rates: Final = Table(
    "funding_rates", metadata, *_place(), *_numbers("time_ns", "market", "rate_ppb", "premium_ppb", "index_price"), _small("reason"),
    Index(None, "market", "sequence"),
)  # fmt: skip
"""The hour's rate of each perp."""

funding: Final = Table(
    "funding", metadata, *_place(), *_numbers("time_ns", "account", "market", "price", "result", "amount", "cash", "claim", "debt"),
    Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""Settlements of an account in a perp: `amount` is the funding, negative is paid."""

interest: Final = Table(
    "interest", metadata, *_place(), *_numbers("time_ns", "account", "asset", "amount", "balance"), _text("kind", 24),
    Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""Interest paid and earned, fees of committed lines, losses of lenders; negative is paid."""

liquidations: Final = Table(
    "liquidations", metadata, *_place(), *_numbers("time_ns", "account"), _text("kind", 32),
    *_numbers("market", "lots", "notional", "fee", "requirement_before", "requirement_after"), Column("detail", LargeBinary, nullable=False),
    Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""What happened in liquidations; `detail` is the whole event as JSON."""

requests: Final = Table(
    "requests", metadata, _key("request"), *_numbers("account"), _small("kind"), _small("state"),
    *_numbers("token", "asset", "amount", "units", "cost", "fee", "sequence", "idx", "time_ns"),
    Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""Requests to issue or redeem, as they stand."""

account_events: Final = Table(
    "account_events", metadata, _key("account"), _key("number"), Column("event", LargeBinary, nullable=False), sqlite_with_rowid=False,
)  # fmt: skip
"""What each account was told, whole, as the engine wrote it; `number` is its place among the account's events, from 1 without a gap."""

# --- what everybody is told --------------------------------------------------------------------------------------------

notices: Final = Table(
    "notices", metadata, *_place(), _text("kind", 16), _text("severity", 16), _text("subject", 80),
    Column("markets", Text, nullable=False), _text("title", 400), _text("text", 400),
    *_numbers("from_ns", "to_ns", "published_ns", "resolved_ns"), _text("resolution", 400), _number("changed_sequence"),
    Index(None, "published_ns"), Index(None, "changed_sequence"),
)  # fmt: skip
"""Public notices by the event that made them. `markets` are names, JSON; `to_ns` 0 without end; `published_ns` 0 as long as nobody may see it."""

notice_updates: Final = Table(
    "notice_updates", metadata, *_place(), *_numbers("time_ns", "notice_sequence", "notice_idx"), _text("text", 400),
    Index(None, "notice_sequence", "notice_idx"),
)  # fmt: skip
"""What was said of a notice later."""

# --- samples at stated moments -----------------------------------------------------------------------------------------

margins: Final = Table(
    "margins", metadata, *_place(), _key("account"), _small("state"),
    *_numbers("time_ns", "equity", "initial", "liquidation_end", "maintenance", "close_out"), _text("binding", 200),
    Index(None, "account", "sequence", "idx"),
)  # fmt: skip
"""Margin history: at each change of state (`idx` of the event) and at each full hour (`idx` -1). Micro-dollars; requirements."""

samples: Final = Table("samples", metadata, _key("boundary_ns"), _number("sequence"), _small("full"))
"""Moments the engine was asked at: after command `sequence`, the last before `boundary_ns`. `full`: with holdings."""

sampled: Final = Table(
    "sampled_holdings", metadata, _key("boundary_ns"), _key("account"), _key("asset"), _key("market"),
    *_numbers("amount", "booked", "lots", "price", "value", "booked_value", "notional"), Index(None, "account", "boundary_ns"),
)  # fmt: skip
"""What an account had by the engine: `amount` with interest to the minute, worth `value`; `booked` by the ledger, worth `booked_value`;
tokens at `price`, the index. Of a perp also the lots, and their `notional` at `price` ticks. Equity is all values and notionals."""

sampled_venue: Final = Table(
    "sampled_venue", metadata, _key("boundary_ns"), _key("asset"), Column("party", String(32), primary_key=True), _number("amount"),
)  # fmt: skip
"""Balances of the venue's own books by the engine."""

differences: Final = Table(
    "ledger_differences", metadata, _key("boundary_ns"), _key("account"), _key("asset"), _key("market"), _number("difference"),
)  # fmt: skip
"""Where the ledger's sums are not what the engine has: empty, or statements refuse."""

operator_funds: Final = Table(
    "operator_funds", metadata, *_place(), *_numbers("time_ns", "asset"), _text("party", 32), _number("amount"),
)  # fmt: skip
"""Money that the operator or brokers brought into the venue's own books."""

APPENDED: Final = (
    fills, ledger, transfers, funding_rates, funding, interest, liquidations, account_events, margins, samples, sampled, sampled_venue, differences,
    operator_funds, notice_updates,
)  # fmt: skip
"""Tables whose rows are written once."""
CURRENT: Final = (assets, markets, underlyings, accounts, holdings, orders, candles, requests, notices)
"""Tables whose rows say how things stand."""
