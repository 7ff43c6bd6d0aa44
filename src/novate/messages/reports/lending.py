"""Lending as lenders and borrowers see it: rates, use, what can be taken out now, who bears what, loans, calls and lines.

Responsible for: one class per answer of `crates/novate-core/src/query/lending.rs`, one function per question. Never computes.
"""

from novate.messages.reports.base import Answers, Report, ask


class Pool(Report, frozen=True, kw_only=True):
    """A lending pool now.

    Attributes:
        asset: What is lent.
        name: Its name.
        rate_ppm: Yearly rate that borrowers pay at the present use.
        supply_rate_ppm: Yearly rate that lenders get of it.
        utilisation_ppm: Used part: loans and kept room of what lenders and the reserve have.
        owed: All loans, interest to the last minute included.
        reserved: Room kept for open orders and committed lines.
        claims: All claims, interest included.
        available: What is there and free, less what lenders wait for.
        waiting: Units that lenders wait for.
        closed: Whether it takes no new loans.
        above_since_ns: Since when it has been used above the venue's limit; 0 while it is not.
        bears: What bears a loan that is not paid, in this order: insurance of the pool's bucket, its reserve, its lenders.
    """

    asset: int
    name: str
    rate_ppm: int
    supply_rate_ppm: int
    utilisation_ppm: int
    owed: int
    reserved: int
    claims: int
    available: int
    waiting: int
    closed: bool
    above_since_ns: int
    bears: tuple[int, int, int]


class Claim(Report, frozen=True, kw_only=True):
    """What an account has lent to one pool.

    Attributes:
        asset: The pool.
        claim: Units, interest to the last minute included.
        rate_ppm: Yearly rate that it earns at the present use.
        utilisation_ppm: Used part of the pool.
        withdrawable: What the account can take back now.
        waiting: What it waits for.
        ahead: What others wait for before it.
        charge_ppm: Part of the claim's value that is added to the account's requirement.
        before_lenders: What bears a loan that is not paid before lenders do.
        share_ppm: The account's part of what then falls on them.
    """

    asset: int
    claim: int
    rate_ppm: int
    utilisation_ppm: int
    withdrawable: int
    waiting: int
    ahead: int
    charge_ppm: int
    before_lenders: int
    share_ppm: int


class Call(Report, frozen=True, kw_only=True):
    """Money or tokens that an account must bring.

    Attributes:
        call_kind: 0 cash for an unsettled perp debt, 1 a called loan.
        reason: For a loan 0 when its pool is used above the limit, 1 when a lender wants its tokens back.
        market: The market of the debt; 0 for a loan.
        asset: What is owed.
        name: Its name.
        decimals: Of its smallest unit.
        open: What is still to be brought, in smallest units.
        made_ns: When it was made.
        regular_ns: Regular hours left, for a cash call.
        due_ns: When a called loan is overdue; 0 otherwise.
        opens: Regular openings left, for a recall.
        overdue: Whether the time is over: collateral is being sold, or the tokens bought.
        accepted: Assets that answer it, the first one at once.
    """

    call_kind: int
    reason: int
    market: int
    asset: int
    name: str
    decimals: int
    open: int
    made_ns: int
    regular_ns: int
    due_ns: int
    opens: int
    overdue: bool
    accepted: tuple[int, ...]


class Loan(Report, frozen=True, kw_only=True):
    """What an account owes to one pool, and what it could.

    Attributes:
        asset: The pool.
        owed: Units, interest to the last minute included.
        inside_line: The part of it inside the account's committed line.
        rate_ppm: Yearly rate outside a line.
        line_rate_ppm: Yearly rate inside the account's line.
        room: What the pool and the caps would still lend; margin may allow less.
        line: Type of the account's committed line; 0 for none.
        size: Its size.
        paid_until_ns: Until when its fee is paid.
        ends_ns: When it ends after a notice; 0 for none.
    """

    asset: int
    owed: int
    inside_line: int
    rate_ppm: int
    line_rate_ppm: int
    room: int
    line: int
    size: int
    paid_until_ns: int
    ends_ns: int


class LineType(Report, frozen=True, kw_only=True):
    """A type of committed line on sale.

    Attributes:
        asset: The pool.
        line: The type.
        rate_cap_ppm: Highest yearly rate inside it.
        fee_ppm: Fee for one period, as a part of the size.
        notice_ns: Length of a period and of the venue's notice.
        least: Smallest size.
        most: Largest size.
        available: The largest size that the pool can lend at present.
    """

    asset: int
    line: int
    rate_cap_ppm: int
    fee_ppm: int
    notice_ns: int
    least: int
    most: int
    available: int


def pools(engine: Answers) -> tuple[Pool, ...]:
    """All pools, ascending by asset."""
    return ask(engine, tuple[Pool, ...], 700)


def claims(engine: Answers, account: int) -> tuple[Claim, ...]:
    """What an account has lent, ascending by asset. Raises ValueError for an account that does not exist."""
    return ask(engine, tuple[Claim, ...], 701, account)


def calls(engine: Answers, account: int) -> tuple[Call, ...]:
    """What an account must bring: cash calls by market, then loans by asset. Raises ValueError for an account that does not exist."""
    return ask(engine, tuple[Call, ...], 702, account)


def loans(engine: Answers, account: int) -> tuple[Loan, ...]:
    """One line per pool, ascending by asset. Raises ValueError for an account that does not exist."""
    return ask(engine, tuple[Loan, ...], 703, account)


def line_types(engine: Answers) -> tuple[LineType, ...]:
    """Committed lines on sale, by pool and type."""
    return ask(engine, tuple[LineType, ...], 704)
