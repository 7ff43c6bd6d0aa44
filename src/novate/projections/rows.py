"""The rows of the read models as typed values: what queries return and the API sends.

Responsible for: one class per table, field by field. Never computes: amounts are in the asset's smallest unit, prices in ticks, values in
micro-dollars, times in ns since 1970 UTC. `sequence` and `idx` are the cursor of a row.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all rows."""


class AssetRow(Record, frozen=True, kw_only=True):
    """An asset and the scale of its amounts."""

    asset: int
    name: str
    decimals: int
    stablecoin: bool
    underlying: int
    multiplier_ppb: int


class MarketRow(Record, frozen=True, kw_only=True):
    """A market; `unit` is quote units of one tick of one lot."""

    market: int
    name: str
    perp: bool
    underlying: int
    base: int
    quote: int
    tick_size: int
    lot_size: int
    unit: int


class OrderRow(Record, frozen=True, kw_only=True):
    """An order as it stands; `status` is `OrderStatus`, `kind` is `OrderKindShown`, `filled_ticks` the sum of price times lots."""

    order_id: int
    account: int
    market: int
    side: int
    kind: int
    time_in_force: int
    flags: int
    price: int
    lots: int
    leaves: int
    filled_lots: int
    filled_ticks: int
    fee: int
    status: int
    reason: int
    client_id: bytes
    sequence: int
    idx: int
    time_ns: int
    changed_sequence: int
    changed_ns: int
    revision: int


class FillRow(Record, frozen=True, kw_only=True):
    """One side of a trade; `origin` 0 the book, 1 a block, 2 a quote. `leg` numbers the markets of the latter two."""

    sequence: int
    idx: int
    leg: int
    time_ns: int
    account: int
    order_id: int
    trade: int
    market: int
    side: int
    maker: bool
    liquidation: bool
    origin: int
    price: int
    lots: int
    leaves: int
    fee: int
    realised: int


class TransferRow(Record, frozen=True, kw_only=True):
    """An arrival, a departure, or a move between accounts; signed towards the account."""

    sequence: int
    idx: int
    time_ns: int
    account: int
    kind: str
    counterparty: int
    asset: int
    amount: int
    reference: int


class LedgerRow(Record, frozen=True, kw_only=True):
    """A change of what the account owns, and the sum after it. `market` 0: units of the asset; else quote units unpaid in that perp."""

    sequence: int
    idx: int
    leg: int
    time_ns: int
    account: int
    asset: int
    market: int
    cause: str
    amount: int
    value: int
    after: int


class FundingRateRow(Record, frozen=True, kw_only=True):
    """The hour's rate of a perp."""

    sequence: int
    idx: int
    time_ns: int
    market: int
    rate_ppb: int
    premium_ppb: int
    index_price: int
    reason: int


class FundingRow(Record, frozen=True, kw_only=True):
    """An account's settlement in a perp; `amount` is its funding, negative is paid."""

    sequence: int
    idx: int
    time_ns: int
    account: int
    market: int
    price: int
    result: int
    amount: int
    cash: int
    claim: int
    debt: int


class InterestRow(Record, frozen=True, kw_only=True):
    """Interest paid (negative) or earned; `kind` is interest, line_fee or lender_loss."""

    sequence: int
    idx: int
    time_ns: int
    account: int
    asset: int
    amount: int
    balance: int
    kind: str


class LiquidationRow(Record, frozen=True, kw_only=True):
    """An event of a liquidation; `detail` is the whole of it as JSON."""

    sequence: int
    idx: int
    time_ns: int
    account: int
    kind: str
    market: int
    lots: int
    notional: int
    fee: int
    requirement_before: int
    requirement_after: int
    detail: bytes


class RequestRow(Record, frozen=True, kw_only=True):
    """A request to issue or redeem, as it stands."""

    request: int
    account: int
    kind: int
    state: int
    token: int
    asset: int
    amount: int
    units: int
    cost: int
    fee: int
    sequence: int
    idx: int
    time_ns: int


class MarginRow(Record, frozen=True, kw_only=True):
    """Equity and requirements at a change of state, or (`idx` -1) at a full hour; an event has no requirement at liquidation-end: 0."""

    sequence: int
    idx: int
    account: int
    state: int
    time_ns: int
    equity: int
    initial: int
    liquidation_end: int
    maintenance: int
    close_out: int
    binding: str


class CandleRow(Record, frozen=True, kw_only=True):
    """Trades of a span; prices in ticks; `ticks` is the sum of price times lots."""

    market: int
    interval_s: int
    start_ns: int
    open: int
    high: int
    low: int
    close: int
    lots: int
    ticks: int
    trades: int


class HoldingRow(Record, frozen=True, kw_only=True):
    """A sum of the ledger. `market` 0: units of the asset in all pockets; else quote units unpaid in that perp."""

    account: int
    asset: int
    market: int
    amount: int


class Position(Record, frozen=True, kw_only=True):
    """Where the rows stand: the last command in them, and its time."""

    sequence: int
    time_ns: int
