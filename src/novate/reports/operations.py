"""What the venue did besides trading, as the report carries it: issuance, packages, dividends, changes of rules, stock loans.

Responsible for: the types. Every figure is an answer of the venue or an event it told.
Never: words (operation_sheets.py has them) or sums.

Shares are in 1e-9 and token units in 1e-6 where a name says `shares` or `units`; otherwise as in model.py.
"""

from typing import Literal

import msgspec

RequestWay = Literal["issue", "redeem"]
ChangeStage = Literal["proposed", "approved", "in force", "ended"]


class RequestStep(msgspec.Struct, frozen=True, kw_only=True):
    """A state that a request reached, and when."""

    state: str
    time_ns: int


class RequestFill(msgspec.Struct, frozen=True, kw_only=True):
    """One broker fill of a request: shares at a price, beside the index then, and the tokens it made or unmade.

    `cash_micro` is what an issuance paid for them, its fee apart, or what a redemption is due after its fee.
    """

    time_ns: int
    shares: int
    units: int
    price_e6: int
    index_e6: int
    cash_micro: int
    fee_micro: int


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution at the exchange; its price in 1e-9 dollars."""

    id: str
    traded_ns: int
    shares: int
    price_e9: int
    fee_micro: int
    settles: str


class BrokerLeg(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a request at the exchange: when it left, when the venue heard that it arrived (0: not), and what was done of it.

    `bid_e9` and `ask_e9` are the exchange's best when it left, in 1e-9 dollars; 0 where a side was empty.
    """

    order: int
    client_id: str
    broker: str
    symbol: str
    buys: bool
    sent_ns: int
    bid_e9: int = 0
    ask_e9: int = 0
    accepted_ns: int = 0
    executions: tuple[Execution, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to issue or redeem from its reservation on.

    `held` is what was set aside for it: micro-dollars to issue, token units to redeem. `paid_micro` is a redemption's cash once it is
    paid, `returned` what was held and not used. `forced` where a liquidation asked, not the holder; `legs` are its orders at the exchange.
    """

    request: int
    account: int
    way: RequestWay
    token: str
    held: int
    steps: tuple[RequestStep, ...]
    fills: tuple[RequestFill, ...] = ()
    returned: int = 0
    paid_micro: int = 0
    forced: bool = False
    legs: tuple[BrokerLeg, ...] = ()


class Backing(msgspec.Struct, frozen=True, kw_only=True):
    """A token's backing against its supply at one moment, all in shares but `units`, the tokens in existence.

    The rule: settled + bought - sold + shortage = required + surplus, and required = units x multiplier, rounded up.
    """

    time_ns: int
    token: str
    when: str
    settled: int
    bought: int
    sold: int
    shortage: int
    required: int
    surplus: int
    units: int
    multiplier_ppb: int


class Issuance(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a run, and the backing around them.

    `checked` is how often the venue was asked for the backing of every issued token, `worst_difference` the largest difference it
    ever told, in 1e-9 shares.
    """

    broker: str
    requests: tuple[Request, ...]
    backing: tuple[Backing, ...]
    checked: int
    worst_difference: int


class BridgeFills(msgspec.Struct, frozen=True, kw_only=True):
    """How much a bridge traded in one market."""

    market: str
    fills: int
    volume_micro: int


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    """What a bridge traded here, and the tokens it had made and unmade against it."""

    account: int
    token: str
    fills: tuple[BridgeFills, ...]
    issued_units: int
    redeemed_units: int


class PackageLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as it traded; `alone_micro` is the initial requirement of that leg by itself, as the venue margins it."""

    market: str
    side: Literal["buy", "sell"]
    quantity: str
    price_e6: int
    notional_micro: int
    fee_micro: int
    alone_micro: int


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One atomic trade of several legs, and the account's initial requirement and excess right after it."""

    account: int
    time_ns: int
    sequence: int
    legs: tuple[PackageLeg, ...]
    requirement_micro: int
    excess_micro: int


class Dividend(msgspec.Struct, frozen=True, kw_only=True):
    """One cash dividend from its terms to its effect, and what it did to one hedged account.

    `amount_e6` is before what is withheld. `rehearsed_*` is the dry run before the second person confirmed: the equity of all accounts
    that it would touch, and of the hedged one, at maintenance. `perp_micro` is what the short perp paid (negative), `token_micro` what
    became receivable on the tokens that stand for `shares`. `effective_ns` is 0 while it has not taken effect.
    """

    underlying: str
    note: str
    amount_e6: int
    withheld_ppm: int
    scheduled_by: str
    scheduled_ns: int
    confirmed_by: str
    confirmed_ns: int
    window_start_ns: int
    window_end_ns: int
    rehearsed_accounts: int
    rehearsed_before_micro: int
    rehearsed_after_micro: int
    account: int
    account_before_micro: int
    account_after_micro: int
    effective_ns: int = 0
    sequence: int = 0
    index_before_e6: int = 0
    index_after_e6: int = 0
    shares: int = 0
    perp_micro: int = 0
    token_micro: int = 0


class AccountEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What a change would do to one account at initial; only accounts for which something differs are listed."""

    account: int
    requirement_before_micro: int
    requirement_after_micro: int
    excess_before_micro: int
    excess_after_micro: int


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of rules by two people: its effect asked first, who proposed and approved it, and how long it waits.

    `measured` is how many accounts the effect was computed for, `effects` those it would touch. `due_ns` is 0 while it counts regular
    opens; `opens_left` of them are left.
    """

    change: int
    what: str
    reason: str
    measured: int
    effects: tuple[AccountEffect, ...]
    long_delay: bool
    proposed_by: str
    proposed_ns: int
    stage: ChangeStage
    approved_by: str = ""
    approved_ns: int = 0
    due_ns: int = 0
    opens_left: int = 0
    in_force_ns: int = 0


class StockLoan(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was sold without being held: who lent it, who owes it, and how much, interest included, at the end."""

    token: str
    lender: int
    borrower: int
    lent_units: int
    claim_units: int
    owed_units: int
    sold_ns: int
    sold_units: int
    sold_micro: int
    rate_ppm: int


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; what a run does not have is empty."""

    issuance: Issuance | None = None
    packages: tuple[Package, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    changes: tuple[RuleChange, ...] = ()
    loans: tuple[StockLoan, ...] = ()
    bridge: Bridge | None = None
