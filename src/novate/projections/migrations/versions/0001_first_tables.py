"""The first tables of the read models, as they were when there were none."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "accounts",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("opened_sequence", sa.BigInteger(), nullable=False),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("liquidating", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_accounts")),
    )
    op.create_table(
        "assets",
        sa.Column("asset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("decimals", sa.SmallInteger(), nullable=False),
        sa.Column("stablecoin", sa.SmallInteger(), nullable=False),
        sa.Column("underlying", sa.BigInteger(), nullable=False),
        sa.Column("multiplier_ppb", sa.BigInteger(), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("asset", name=op.f("pk_assets")),
    )
    op.create_table(
        "candles",
        sa.Column("market", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("close", sa.BigInteger(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("last_trade", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("market", "interval_s", "start_ns", name=op.f("pk_candles")),
    )
    op.create_table(
        "fills",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("leg", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("trade", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("maker", sa.SmallInteger(), nullable=False),
        sa.Column("liquidation", sa.SmallInteger(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("realised", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", "leg", name=op.f("pk_fills")),
    )
    op.create_index(
        op.f("ix_fills_account_sequence_idx"), "fills", ["account", "sequence", "idx"], unique=False
    )
    op.create_index(op.f("ix_fills_market_sequence"), "fills", ["market", "sequence"], unique=False)
    op.create_table(
        "funding",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("debt", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_funding")),
    )
    op.create_index(
        op.f("ix_funding_account_sequence_idx"), "funding", ["account", "sequence", "idx"], unique=False
    )
    op.create_table(
        "funding_rates",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("rate_ppb", sa.BigInteger(), nullable=False),
        sa.Column("premium_ppb", sa.BigInteger(), nullable=False),
        sa.Column("index_price", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_funding_rates")),
    )
    op.create_index(
        op.f("ix_funding_rates_market_sequence"), "funding_rates", ["market", "sequence"], unique=False
    )
    op.create_table(
        "holdings",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("market", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", "market", name=op.f("pk_holdings")),
    )
    op.create_table(
        "interest",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_interest")),
    )
    op.create_index(
        op.f("ix_interest_account_sequence_idx"), "interest", ["account", "sequence", "idx"], unique=False
    )
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("leg", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=24), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", "leg", name=op.f("pk_ledger")),
    )
    op.create_index(
        op.f("ix_ledger_account_sequence_idx_leg"),
        "ledger",
        ["account", "sequence", "idx", "leg"],
        unique=False,
    )
    op.create_index(op.f("ix_ledger_time_ns"), "ledger", ["time_ns"], unique=False)
    op.create_table(
        "ledger_differences",
        sa.Column("boundary_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("market", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("difference", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "boundary_ns", "account", "asset", "market", name=op.f("pk_ledger_differences")
        ),
    )
    op.create_table(
        "liquidations",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("notional", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("requirement_before", sa.BigInteger(), nullable=False),
        sa.Column("requirement_after", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_liquidations")),
    )
    op.create_index(
        op.f("ix_liquidations_account_sequence_idx"),
        "liquidations",
        ["account", "sequence", "idx"],
        unique=False,
    )
    op.create_table(
        "margins",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("equity", sa.BigInteger(), nullable=False),
        sa.Column("initial", sa.BigInteger(), nullable=False),
        sa.Column("liquidation_end", sa.BigInteger(), nullable=False),
        sa.Column("maintenance", sa.BigInteger(), nullable=False),
        sa.Column("close_out", sa.BigInteger(), nullable=False),
        sa.Column("binding", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", "account", name=op.f("pk_margins")),
    )
    op.create_index(
        op.f("ix_margins_account_sequence_idx"), "margins", ["account", "sequence", "idx"], unique=False
    )
    op.create_table(
        "markets",
        sa.Column("market", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("perp", sa.SmallInteger(), nullable=False),
        sa.Column("underlying", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("quote", sa.BigInteger(), nullable=False),
        sa.Column("tick_size", sa.BigInteger(), nullable=False),
        sa.Column("lot_size", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("last_trade", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("market", name=op.f("pk_markets")),
    )
    op.create_table(
        "operator_funds",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_operator_funds")),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("time_in_force", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("filled_lots", sa.BigInteger(), nullable=False),
        sa.Column("filled_ticks", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("client_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("placed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("placed_idx", sa.BigInteger(), nullable=False),
        sa.Column("placed_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_account_client_id"), "orders", ["account", "client_id"], unique=False)
    op.create_index(
        op.f("ix_orders_account_placed_sequence_placed_idx"),
        "orders",
        ["account", "placed_sequence", "placed_idx"],
        unique=False,
    )
    op.create_index(op.f("ix_orders_account_status"), "orders", ["account", "status"], unique=False)
    op.create_table(
        "position",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("next_sample_ns", sa.BigInteger(), nullable=False),
        sa.Column("journal", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_position")),
    )
    op.create_table(
        "requests",
        sa.Column("request", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_requests")),
    )
    op.create_index(
        op.f("ix_requests_account_sequence_idx"), "requests", ["account", "sequence", "idx"], unique=False
    )
    op.create_table(
        "sampled_holdings",
        sa.Column("boundary_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("market", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("booked", sa.BigInteger(), nullable=False),
        sa.Column("lots", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("booked_value", sa.BigInteger(), nullable=False),
        sa.Column("notional", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "boundary_ns", "account", "asset", "market", name=op.f("pk_sampled_holdings")
        ),
    )
    op.create_index(
        op.f("ix_sampled_holdings_account_boundary_ns"),
        "sampled_holdings",
        ["account", "boundary_ns"],
        unique=False,
    )
    op.create_table(
        "sampled_venue",
        sa.Column("boundary_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("boundary_ns", "asset", "party", name=op.f("pk_sampled_venue")),
    )
    op.create_table(
        "samples",
        sa.Column("boundary_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("full", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("boundary_ns", name=op.f("pk_samples")),
    )
    op.create_table(
        "transfers",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("counterparty", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "idx", name=op.f("pk_transfers")),
    )
    op.create_index(
        op.f("ix_transfers_account_sequence_idx"), "transfers", ["account", "sequence", "idx"], unique=False
    )
    op.create_table(
        "underlyings",
        sa.Column("underlying", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("decimals", sa.SmallInteger(), nullable=False),
        sa.Column("index_price", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("underlying", name=op.f("pk_underlyings")),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("underlyings")
    op.drop_index(op.f("ix_transfers_account_sequence_idx"), table_name="transfers")
    op.drop_table("transfers")
    op.drop_table("samples")
    op.drop_table("sampled_venue")
    op.drop_index(op.f("ix_sampled_holdings_account_boundary_ns"), table_name="sampled_holdings")
    op.drop_table("sampled_holdings")
    op.drop_index(op.f("ix_requests_account_sequence_idx"), table_name="requests")
    op.drop_table("requests")
    op.drop_table("position")
    op.drop_index(op.f("ix_orders_account_status"), table_name="orders")
    op.drop_index(op.f("ix_orders_account_placed_sequence_placed_idx"), table_name="orders")
    op.drop_index(op.f("ix_orders_account_client_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_table("operator_funds")
    op.drop_table("markets")
    op.drop_index(op.f("ix_margins_account_sequence_idx"), table_name="margins")
    op.drop_table("margins")
    op.drop_index(op.f("ix_liquidations_account_sequence_idx"), table_name="liquidations")
    op.drop_table("liquidations")
    op.drop_table("ledger_differences")
    op.drop_index(op.f("ix_ledger_time_ns"), table_name="ledger")
    op.drop_index(op.f("ix_ledger_account_sequence_idx_leg"), table_name="ledger")
    op.drop_table("ledger")
    op.drop_index(op.f("ix_interest_account_sequence_idx"), table_name="interest")
    op.drop_table("interest")
    op.drop_table("holdings")
    op.drop_index(op.f("ix_funding_rates_market_sequence"), table_name="funding_rates")
    op.drop_table("funding_rates")
    op.drop_index(op.f("ix_funding_account_sequence_idx"), table_name="funding")
    op.drop_table("funding")
    op.drop_index(op.f("ix_fills_market_sequence"), table_name="fills")
    op.drop_index(op.f("ix_fills_account_sequence_idx"), table_name="fills")
    op.drop_table("fills")
    op.drop_table("candles")
    op.drop_table("assets")
    op.drop_table("accounts")
