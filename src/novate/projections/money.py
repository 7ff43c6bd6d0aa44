"""Events that move money, as postings: by how much an account's holdings changed, and why.

Responsible for: one function per event whose amounts the event itself carries, exactly, and the list of those that do not carry them
(`UNTOLD`): for these the engine is asked at that command (see `settling.py`). Never guesses.

Three views of one account are kept apart: units of an asset in all pockets (balance, lent, held, in escrow, due) under market 0, and per
perp what is owed less cost, in quote units. Moves between pockets change nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from novate.messages import (
    BackstopSliceTaken,
    BalanceAdjusted,
    BlockTraded,
    CashCallPaid,
    CollateralPassedToRecovery,
    CompensationReceived,
    Deleveraged,
    Deposited,
    DistributionPaid,
    DistributionsFunded,
    Event,
    FeesCollected,
    HaltSettled,
    InsuranceFunded,
    InsurancePaid,
    InsuranceRepaid,
    InterestPaid,
    LentLossBorne,
    LentTransferred,
    LinePaid,
    LiquidationSlice,
    LoanShortfallAbsorbed,
    LossShared,
    OperatorTrancheFunded,
    OwnAccountSetOff,
    OwnPositionsClosed,
    PoolFunded,
    PositionAdjusted,
    PositionSettled,
    RequestsNetted,
    ResidueBought,
    Settled,
    TokensIssued,
    TokensRedeemed,
    Transferred,
    TreasuryFunded,
    WithdrawalRequested,
    WithdrawalSettled,
    WithdrawalVoided,
)
from novate.projections.causes import Cause
from novate.projections.running import At, Running, post

Handler = Callable[[Running, At, int, Any], None]
Funding = InsuranceFunded | OperatorTrancheFunded | PoolFunded | TreasuryFunded | DistributionsFunded

UNTOLD: Final[dict[type[Event], Cause]] = {
    BackstopSliceTaken: Cause.BACKSTOP,
    BalanceAdjusted: Cause.CORPORATE_ACTION,
    RequestsNetted: Cause.ISSUANCE,
    ResidueBought: Cause.RESIDUE,
    CollateralPassedToRecovery: Cause.RECOVERY,
    Deleveraged: Cause.POSITION_CLOSED,
    OwnPositionsClosed: Cause.POSITION_CLOSED,
    PositionAdjusted: Cause.CORPORATE_ACTION,
    LossShared: Cause.LOSS_SHARED,
}
"""Events that do not carry all the amounts they moved, or not to whom, and the cause of what they moved."""
ASSETS_UNTOLD: Final = (
    BackstopSliceTaken,
    BalanceAdjusted,
    RequestsNetted,
    ResidueBought,
    CollateralPassedToRecovery,
)
"""Those among them that move balances; the others move perps alone."""


def fill(
    run: Running, at: At, account: int, market: int, lots: int, price: int, fee: int, realised: int
) -> None:
    """One side of a trade: signed lots at a price in ticks. In a spot market the token is worth what was paid for it."""
    listed = run.listing.markets[market]
    quote = listed.quote
    cost = lots * price * listed.unit
    if listed.perp:
        key = (account, quote, market)
        post(run, at, key, Cause.TRADE, -cost, owed=realised)
        post(run, at, key, Cause.FEE, -fee, owed=-fee)
        return
    paid = post(run, at, (account, quote, 0), Cause.TRADE, -cost)
    post(run, at, (account, listed.base, 0), Cause.TRADE, lots * listed.lot_size, value=-paid)
    post(run, at, (account, quote, 0), Cause.FEE, -fee)


def _transfer(
    run: Running, at: At, account: int, kind: str, counterparty: int, asset: int, amount: int, number: int
) -> None:
    run.batch.appended["transfers"].append(
        (at.sequence, at.idx, at.time_ns, account, kind, counterparty, asset, amount, number)
    )


def _deposited(run: Running, at: At, account: int, body: Deposited) -> None:
    post(run, at, (account, body.asset, 0), Cause.DEPOSIT, body.amount)
    _transfer(run, at, account, "deposit", 0, body.asset, body.amount, body.reference)


def _withdrawal_requested(run: Running, at: At, account: int, body: WithdrawalRequested) -> None:
    post(run, at, (account, body.asset, 0), Cause.WITHDRAWAL, -body.amount)
    _transfer(run, at, account, "withdrawal", 0, body.asset, -body.amount, body.withdrawal)


def _withdrawal_settled(run: Running, at: At, account: int, body: WithdrawalSettled) -> None:
    _transfer(run, at, account, "withdrawal_settled", 0, body.asset, 0, body.withdrawal)


def _withdrawal_voided(run: Running, at: At, account: int, body: WithdrawalVoided) -> None:
    post(run, at, (account, body.asset, 0), Cause.WITHDRAWAL, body.amount)
    _transfer(run, at, account, "withdrawal_voided", 0, body.asset, body.amount, body.withdrawal)


def _transferred(run: Running, at: At, account: int, body: Transferred) -> None:
    post(run, at, (account, body.asset, 0), Cause.TRANSFER, body.amount)
    _transfer(run, at, account, "transfer", body.counterparty, body.asset, body.amount, 0)


def _lent_transferred(run: Running, at: At, account: int, body: LentTransferred) -> None:
    post(run, at, (account, body.asset, 0), Cause.BACKSTOP, body.amount)
    _transfer(run, at, account, "lent_claim", body.counterparty, body.asset, body.amount, 0)


def _set_off(run: Running, at: At, account: int, body: OwnAccountSetOff) -> None:
    post(run, at, (account, body.asset, 0), Cause.SET_OFF, body.amount)
    _transfer(run, at, account, "set_off", body.counterparty, body.asset, body.amount, 0)


def _fees_collected(run: Running, at: At, account: int, body: FeesCollected) -> None:
    post(run, at, (account, body.asset, 0), Cause.FEES_COLLECTED, body.amount)
    _transfer(run, at, account, "fees_collected", 0, body.asset, body.amount, 0)


def _compensated(run: Running, at: At, account: int, body: CompensationReceived) -> None:
    post(run, at, (account, body.asset, 0), Cause.COMPENSATION, body.amount)
    _transfer(run, at, account, "compensation", 0, body.asset, body.amount, body.trade)


def _settled(run: Running, at: At, account: int, body: Settled) -> None:
    quote = run.listing.markets[body.market].quote
    key = (account, quote, body.market)
    post(run, at, key, Cause.FUNDING, body.funding, owed=body.result + body.funding)
    post(run, at, key, Cause.SETTLEMENT, -body.cash, owed=-body.cash)
    post(run, at, (account, quote, 0), Cause.SETTLEMENT, body.cash)
    run.batch.appended["funding"].append(
        (at.sequence, at.idx, at.time_ns, account, body.market, body.price, body.result, body.funding, body.cash,
         body.claim, body.debt)
    )  # fmt: skip


def _cash_call_paid(run: Running, at: At, account: int, body: CashCallPaid) -> None:
    post(run, at, (account, body.asset, body.market), Cause.SETTLEMENT, body.amount, owed=body.amount)
    post(run, at, (account, body.asset, 0), Cause.SETTLEMENT, -body.amount)


def _interest(
    run: Running, at: At, account: int, asset: int, amount: int, balance: int, kind: str = "interest"
) -> None:
    run.batch.appended["interest"].append(
        (at.sequence, at.idx, at.time_ns, account, asset, amount, balance, kind)
    )


def _interest_paid(run: Running, at: At, account: int, body: InterestPaid) -> None:
    post(run, at, (account, body.asset, 0), Cause.INTEREST, body.amount)
    _interest(run, at, account, body.asset, body.amount, body.balance)


def _lent_loss(run: Running, at: At, account: int, body: LentLossBorne) -> None:
    post(run, at, (account, body.asset, 0), Cause.LENDER_LOSS, -body.amount)
    _interest(run, at, account, body.asset, -body.amount, body.lent, "lender_loss")


def _line_paid(run: Running, at: At, account: int, body: LinePaid) -> None:
    post(run, at, (account, body.asset, 0), Cause.LINE_FEE, -body.fee)
    _interest(run, at, account, body.asset, -body.fee, body.size, "line_fee")


def _slice(run: Running, at: At, account: int, body: LiquidationSlice) -> None:
    listed = run.listing.markets[body.market]
    fee = body.fee * 10 ** run.listing.assets[listed.quote].decimals // 1_000_000
    if listed.perp:
        post(run, at, (account, listed.quote, body.market), Cause.LIQUIDATION_FEE, -fee, owed=-fee)
    else:
        post(run, at, (account, listed.quote, 0), Cause.LIQUIDATION_FEE, -fee)


def _insurance_paid(run: Running, at: At, account: int, body: InsurancePaid) -> None:
    post(run, at, (account, body.asset, 0), Cause.INSURANCE, body.amount)


def _insurance_repaid(run: Running, at: At, account: int, body: InsuranceRepaid) -> None:
    post(run, at, (account, body.asset, 0), Cause.INSURANCE, -body.amount)


def _loan_absorbed(run: Running, at: At, account: int, body: LoanShortfallAbsorbed) -> None:
    # In cash the insurance part has an event of its own, InsurancePaid.
    insurance = 0 if run.listing.assets[body.asset].stablecoin else body.insurance
    post(run, at, (account, body.asset, 0), Cause.LOAN_ABSORBED, insurance + body.reserve + body.lenders)


def _loss_shared(run: Running, at: At, account: int, body: LossShared) -> None:
    quote = run.listing.markets[body.market].quote
    post(run, at, (account, quote, body.market), Cause.LOSS_SHARED, -body.amount, owed=-body.amount)


def _position_settled(run: Running, at: At, account: int, body: PositionSettled) -> None:
    listed = run.listing.markets[body.market]
    worth = body.lots * body.price * listed.unit
    post(run, at, (account, listed.quote, body.market), Cause.POSITION_CLOSED, worth, owed=body.result)


def _halt_settled(run: Running, at: At, account: int, body: HaltSettled) -> None:
    listed = run.listing.markets[body.market]
    cost = body.lots * body.price * listed.unit
    post(run, at, (account, listed.quote, body.market), Cause.POSITION_CLOSED, -cost, owed=body.realised)


def _block(run: Running, at: At, account: int, body: BlockTraded) -> None:
    legs = zip(body.markets, body.lots, body.prices, body.fees, body.realised, strict=True)
    for leg, (market, lots, price, fee, realised) in enumerate(legs):
        fill(run, at, account, market, lots, price, fee, realised)
        run.batch.appended["fills"].append(
            (at.sequence, at.idx, leg, at.time_ns, account, body.offer, body.trade + leg, market, int(lots < 0), 0, 0,
             1 + body.origin, price, abs(lots), 0, fee, realised)
        )  # fmt: skip


def _issued(run: Running, at: At, account: int, body: TokensIssued) -> None:
    request = run.requests.get(body.request)
    if body.price == 0:  # in kind: the fee is in tokens
        post(run, at, (account, body.token, 0), Cause.DEPOSIT, body.units)
        post(run, at, (account, body.token, 0), Cause.ISSUANCE_FEE, -body.fee)
    elif request is not None:
        cash = request[5]
        paid = post(run, at, (account, cash, 0), Cause.ISSUANCE, -body.cost)
        post(run, at, (account, body.token, 0), Cause.ISSUANCE, body.units, value=-paid)
        post(run, at, (account, cash, 0), Cause.ISSUANCE_FEE, -body.fee)
    if request is not None:
        request[7] += body.units
        request[8] += body.cost
        request[9] += body.fee
        run.batch.requests[body.request] = request


def _redeemed(run: Running, at: At, account: int, body: TokensRedeemed) -> None:
    request = run.requests.get(body.request)
    if body.price == 0:  # in kind: the fee is in tokens
        post(run, at, (account, body.token, 0), Cause.WITHDRAWAL, -body.units)
        post(run, at, (account, body.token, 0), Cause.ISSUANCE_FEE, -body.fee)
    else:
        cash = run.listing.cash[body.token]
        got = post(run, at, (account, cash, 0), Cause.REDEMPTION, body.due + body.fee)
        post(run, at, (account, body.token, 0), Cause.REDEMPTION, -body.units, value=-got)
        post(run, at, (account, cash, 0), Cause.ISSUANCE_FEE, -body.fee)
    if request is not None:
        request[7] += body.units
        request[8] += body.due
        request[9] += body.fee
        run.batch.requests[body.request] = request


def _distribution(run: Running, at: At, account: int, body: DistributionPaid) -> None:
    token = not run.listing.assets[body.paid_asset].stablecoin
    cause = Cause.CORPORATE_ACTION if body.retired or token else Cause.DIVIDEND
    # Tokens that come for tokens are worth something by their price alone.
    got = post(run, at, (account, body.paid_asset, 0), cause, body.amount, value=0 if token else None)
    if body.retired:
        post(run, at, (account, body.asset, 0), cause, -body.units, value=-got)


def _books_funded(run: Running, at: At, account: int, body: Funding) -> None:
    del account  # it is the venue's own
    match body:
        case InsuranceFunded(bucket=bucket):
            party = f"Insurance({bucket})"
        case OperatorTrancheFunded(bucket=bucket):
            party = f"Operator({bucket})"
        case PoolFunded():
            party = "Pool"
        case TreasuryFunded():
            party = "Treasury"
        case _:
            party = "Distributions"
    run.batch.appended["operator_funds"].append(
        (at.sequence, at.idx, at.time_ns, body.asset, party, body.amount)
    )


HANDLERS: Final[dict[type[Event], Handler]] = {
    Deposited: _deposited,
    WithdrawalRequested: _withdrawal_requested,
    WithdrawalSettled: _withdrawal_settled,
    WithdrawalVoided: _withdrawal_voided,
    Transferred: _transferred,
    LentTransferred: _lent_transferred,
    OwnAccountSetOff: _set_off,
    FeesCollected: _fees_collected,
    CompensationReceived: _compensated,
    Settled: _settled,
    CashCallPaid: _cash_call_paid,
    InterestPaid: _interest_paid,
    LentLossBorne: _lent_loss,
    LinePaid: _line_paid,
    LiquidationSlice: _slice,
    InsurancePaid: _insurance_paid,
    InsuranceRepaid: _insurance_repaid,
    LoanShortfallAbsorbed: _loan_absorbed,
    LossShared: _loss_shared,
    PositionSettled: _position_settled,
    HaltSettled: _halt_settled,
    BlockTraded: _block,
    TokensIssued: _issued,
    TokensRedeemed: _redeemed,
    DistributionPaid: _distribution,
    InsuranceFunded: _books_funded,
    OperatorTrancheFunded: _books_funded,
    PoolFunded: _books_funded,
    TreasuryFunded: _books_funded,
    DistributionsFunded: _books_funded,
}
"""What each event posts."""
