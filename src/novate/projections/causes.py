"""Why a balance changed, and under which line of a statement that stands.

Responsible for: the closed list of causes. There is none for "unexplained": what no cause covers is a difference between ledger and
engine, which is kept apart and refused by statements.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """Why an amount moved."""

    TRADE = "trade"
    FEE = "fee"
    FUNDING = "funding"
    SETTLEMENT = "settlement"
    """Cash between a perp and the balance; zero in all."""
    INTEREST = "interest"
    LENDER_LOSS = "lender_loss"
    LINE_FEE = "line_fee"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    SET_OFF = "set_off"
    ISSUANCE = "issuance"
    REDEMPTION = "redemption"
    ISSUANCE_FEE = "issuance_fee"
    DIVIDEND = "dividend"
    CORPORATE_ACTION = "corporate_action"
    LIQUIDATION_FEE = "liquidation_fee"
    POSITION_CLOSED = "position_closed"
    """Lots that moved outside a book: deleveraging, set-off within an owner, settlement of a market."""
    BACKSTOP = "backstop"
    INSURANCE = "insurance"
    LOSS_SHARED = "loss_shared"
    LOAN_ABSORBED = "loan_absorbed"
    RESIDUE = "residue"
    RECOVERY = "recovery"
    COMPENSATION = "compensation"
    FEES_COLLECTED = "fees_collected"


class Source(StrEnum):
    """A line of a statement."""

    PRICE = "price"
    FUNDING = "funding"
    INTEREST_PAID = "interest_paid"
    INTEREST_EARNED = "interest_earned"
    BORROW = "borrow"
    FEES = "fees"
    DIVIDENDS = "dividends"
    TRANSFERS_IN = "transfers_in"
    TRANSFERS_OUT = "transfers_out"
    LIQUIDATION = "liquidation"
    COMPENSATION = "compensation"
    FEES_COLLECTED = "fees_collected"


PRICED: Final = frozenset(
    {
        Cause.TRADE,
        Cause.SETTLEMENT,
        Cause.ISSUANCE,
        Cause.REDEMPTION,
        Cause.POSITION_CLOSED,
        Cause.CORPORATE_ACTION,
    }
)
"""Causes that exchange one holding for another: what they make is the price line of the instrument."""

_BOTH: Final = {Cause.DEPOSIT, Cause.WITHDRAWAL, Cause.TRANSFER, Cause.SET_OFF}
_ONE: Final = {
    Cause.FEE: Source.FEES,
    Cause.ISSUANCE_FEE: Source.FEES,
    Cause.FUNDING: Source.FUNDING,
    Cause.LENDER_LOSS: Source.INTEREST_EARNED,
    Cause.LINE_FEE: Source.BORROW,
    Cause.DIVIDEND: Source.DIVIDENDS,
    Cause.LIQUIDATION_FEE: Source.LIQUIDATION,
    Cause.BACKSTOP: Source.LIQUIDATION,
    Cause.INSURANCE: Source.LIQUIDATION,
    Cause.LOSS_SHARED: Source.LIQUIDATION,
    Cause.LOAN_ABSORBED: Source.LIQUIDATION,
    Cause.RESIDUE: Source.LIQUIDATION,
    Cause.RECOVERY: Source.LIQUIDATION,
    Cause.COMPENSATION: Source.COMPENSATION,
    Cause.FEES_COLLECTED: Source.FEES_COLLECTED,
}


def source_of(cause: Cause, amount: int, *, stablecoin: bool) -> Source:
    """The line that an amount of this cause belongs to; interest on borrowed tokens is a borrow fee."""
    if cause in PRICED:
        return Source.PRICE
    if cause in _BOTH:
        return Source.TRANSFERS_IN if amount >= 0 else Source.TRANSFERS_OUT
    if cause is Cause.INTEREST:
        if amount >= 0:
            return Source.INTEREST_EARNED
        return Source.INTEREST_PAID if stablecoin else Source.BORROW
    return _ONE[cause]
