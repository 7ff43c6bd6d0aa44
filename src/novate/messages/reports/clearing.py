"""Issuance and redemption: what stands behind each token, how much can be issued now, requests, breaks and books.

    from novate.messages.reports import clearing
    [line.difference for line in clearing.supply(engine)]       # zero, always

Responsible for: one class per answer of `crates/novate-core/src/query/clearing.rs`, and one function per question. Never computes.
"""

from novate.messages.reports.base import Answers, Report, ask


class Supply(Report, frozen=True, kw_only=True):
    """A token's backing against its supply: settled + bought - sold + shortage = required + surplus.

    Attributes:
        token: The token.
        settled: Shares (1e-9) settled behind it, at all brokers.
        bought: Bought and not settled.
        sold: Sold and not settled.
        shortage: The treasury's debt to it.
        required: What holders are entitled to: tokens times multiplier, rounded up.
        surplus: What rounding left; never negative.
        difference: Left minus right side: zero, always.
        issued: Tokens in existence, in the asset's smallest unit.
        inside: Of those, in the vault.
        outside: And outside the venue.
        house: House shares, apart from all that.
        locked: Tokens that may not leave yet.
    """

    token: int
    settled: int
    bought: int
    sold: int
    shortage: int
    required: int
    surplus: int
    difference: int
    issued: int
    inside: int
    outside: int
    house: int
    locked: int


class Capacity(Report, frozen=True, kw_only=True):
    """How much of a token can be issued (0) or redeemed (1) at once.

    Attributes:
        token: The token.
        direction: See `RequestDirection`.
        dollars: Micro-dollars at the index.
        binding: The term that binds; see `CapacityTerm`.
    """

    token: int
    direction: int
    dollars: int
    binding: int


class Request(Report, frozen=True, kw_only=True):
    """A request of an account.

    Attributes:
        request: Its id.
        token: The token.
        kind: See `RequestKind`.
        state: See `RequestState`.
        price: Firm price; 0 at market.
        amount: Cash or tokens held at the start.
        held: Of those, still held.
        units: Tokens minted or burned so far.
        shares: Shares (1e-9) filled so far.
        due: Cash still to be paid.
        order: Its open broker order; 0 when none is.
        expires_ns: In the queue no longer than this.
        forced: Whether the holder did not ask for it.
        priority: 0 tokens freed by a deleveraging, 1 liquidation, 2 everybody.
        ahead: Requests of its token and direction that go before it; -1 when it does not wait.
        ahead_held: Cash or token units that those hold.
    """

    request: int
    token: int
    kind: int
    state: int
    price: int
    amount: int
    held: int
    units: int
    shares: int
    due: int
    order: int
    expires_ns: int
    forced: bool
    priority: int
    ahead: int
    ahead_held: int


class Break(Report, frozen=True, kw_only=True):
    """An open difference.

    Attributes:
        break_id: Its id.
        token: The token whose issuance it stops; 0 all.
        broker: The broker it is with.
        kind: See `BreakKind`.
        owner: Who works on it; 0 nobody yet.
        age_ns: How long it is open.
        expected: What the books or the order say.
        found: What was reported.
        execution: The execution in quarantine behind it; 0 when none is.
    """

    break_id: int
    token: int
    broker: int
    kind: int
    owner: int
    age_ns: int
    expected: int
    found: int
    execution: int


class BookLine(Report, frozen=True, kw_only=True):
    """A balance outside the vault, in the normal sign of its place.

    Attributes:
        token: The token whose shares (1e-9) they are; 0 for micro-dollars.
        place: Where it is, or whose it is.
        amount: How much.
    """

    token: int
    place: str
    amount: int


class Broker(Report, frozen=True, kw_only=True):
    """A broker now.

    Attributes:
        broker: Its id.
        name: Its name.
        reachable: Whether orders may go there.
        frozen_until_ns: In default until then; 0 when it is not.
        dollars: Settled micro-dollars there.
        committed: Micro-dollars that open orders may still spend.
    """

    broker: int
    name: str
    reachable: bool
    frozen_until_ns: int
    dollars: int
    committed: int


class IssuanceTerms(Report, frozen=True, kw_only=True):
    """A token's terms of issuance and redemption. Amounts in micro-dollars.

    Attributes:
        token: The token.
        cash: The stablecoin that pays and is paid.
        mint_fee_ppm: Fee of an issuance.
        redeem_fee_ppm: Fee of a redemption.
        sanity_ppm: Largest distance of a quote or fill from the index.
        request_min: Smallest request.
        request_max: Largest request.
        account_limit: Most of an account in a window.
        token_limit: Most of all accounts in a window.
        window_ns: Length of a window.
        sessions: One mask per `Session`: 1 issue, 2 redeem, 4 issue in kind, 8 redeem in kind, 16 queue what is not open.
        statement_age_ns: Greatest age of a custodian's statement for issuance to go on.
    """

    token: int
    cash: int
    mint_fee_ppm: int
    redeem_fee_ppm: int
    sanity_ppm: int
    request_min: int
    request_max: int
    account_limit: int
    token_limit: int
    window_ns: int
    sessions: tuple[int, ...]
    statement_age_ns: int


def supply(engine: Answers) -> list[Supply]:
    """Every token with issuance terms."""
    return ask(engine, list[Supply], 900)


def capacity(engine: Answers) -> list[Capacity]:
    """Both directions of every token with issuance terms."""
    return ask(engine, list[Capacity], 901)


def requests(engine: Answers, account: int) -> list[Request]:
    """Requests of an account that the venue remembers."""
    return ask(engine, list[Request], 902, account)


def breaks(engine: Answers) -> list[Break]:
    """Open breaks."""
    return ask(engine, list[Break], 903)


def books(engine: Answers) -> list[BookLine]:
    """Shares and dollars outside the vault."""
    return ask(engine, list[BookLine], 904)


def brokers(engine: Answers) -> list[Broker]:
    """Every broker."""
    return ask(engine, list[Broker], 905)


def terms(engine: Answers) -> list[IssuanceTerms]:
    """What every token was put under issuance with."""
    return ask(engine, list[IssuanceTerms], 906)
