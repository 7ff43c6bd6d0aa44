"""A venue, a primary exchange, a broker's desk, customers, a market maker and a bridge in one thread and in virtual time.

Responsible for: one day, step by step. Within a step everybody acts on what was shown at the end of the one before: the bridge's orders, the
desk's orders and its reports are all one step late. Never: computes a figure (`bridge_day.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from novate.bridge.lockstep import WATCHED, LockstepBridge
from novate.bridge.settings import NameSettings, TotalSettings
from novate.broker.custody import Opening
from novate.broker.displayed import Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.floor import Floor
from novate.broker.hours import Hours
from novate.broker.port import (
    Accepted,
    Cancelled,
    CancelOrder,
    Filled,
    Heard,
    NewOrder,
    PrimaryBook,
    Rejected,
    execution_bytes,
)
from novate.broker.simulated import SimulatedBroker
from novate.broker.tape import Tape
from novate.config import Listing, load_listing
from novate.config.load import packaged_text
from novate.demo.maker import Book, Maker
from novate.demo.market import WANTED, Market
from novate.messages import (
    AdvanceTime,
    BrokerCancelRaised,
    BrokerOrderRaised,
    Command,
    CommandRefused,
    Deposit,
    ListMarket,
    OpenAccount,
    OrderFilled,
    OrderKind,
    PlaceOrder,
    PostDepth,
    PostPrice,
    PriceKind,
    ReportBrokerAccepted,
    ReportBrokerCancelled,
    ReportBrokerFill,
    ReportBrokerReject,
    RequestIssuance,
    RequestRedemption,
    RequestReserved,
    RequestStateChanged,
    SetSession,
    TimeInForce,
    TokensIssued,
    TokensRedeemed,
    encode,
    explain,
    iter_events,
)
from novate.messages.codes import RequestKind, RequestState, Session, Side
from novate.venue import Venue

SECOND = 1_000_000_000
BRIDGE, MAKER, CUSTOMER, MINTER = 1, 2, 3, 4
BROKER, TEMPLATE = "Simulated Prime", "AAPL"
CUSTOMER_DOLLARS = (10_000, 50_000, 100_000, 250_000, 1_000_000)
CUSTOMER_ODDS = (40, 30, 20, 8, 2)
DOLLAR = 1_000_000
CASH, TOKENS = 400_000_000, 2_000_000
"""Dollars and tokens of each big account."""
BASE = 1_000_000
KINDS = (*WATCHED, *WANTED, BrokerOrderRaised, BrokerCancelRaised, RequestStateChanged, CommandRefused)


@dataclass(frozen=True)
class Plan:
    """A day to measure."""

    title: str
    symbol: str
    tape: Tape
    start_ns: int
    end_ns: int
    step_ns: int
    impact: int
    """In 1000: what is taken stays away so many times."""
    seed: int = 1
    bridge: bool = True
    maker: bool = True
    """Whether the demo's market maker quotes too."""
    maker_keeps: int = 1_000_000
    """Dollars of tokens, more or less than at first, beyond which it redeems or has some made; 0: it does neither."""
    passed: str = "0 %"
    """Part of the issuance fee that quotes earn back."""
    fee: str = "5 bps"
    every_ns: int = 15 * SECOND
    """A customer trades so often."""
    tick: str = "0.001 USD"


def listing_of(plan: Plan) -> Listing:
    """The packaged listing with one name, limits that bind nothing, and a fine price step."""
    text = packaged_text()
    if plan.symbol != TEMPLATE:  # the name takes the template's place; one that is listed too makes room
        text = text.replace(plan.symbol, "ZVZZT").replace(TEMPLATE, plan.symbol)
    section = f"issuance.t{plan.symbol}"
    limits = {
        "account_limit": "1,000 M USD",
        "token_limit": "1,000 M USD",
        "request_max": "20 M USD",
        "statement_age": "30 d",
    }
    return load_listing(
        text,
        underlyings=[plan.symbol],
        overrides={
            section: {
                **limits, "attested": f"9,000,000 t{plan.symbol}", "mint_fee": plan.fee, "redeem_fee": plan.fee, "sanity": "3 %",
            },
            "broker.Simulated Prime": {"custody_limit": "9,000 M USD", "order_limit": "50 M USD", "prefunded": "1,000 M USD"},
            "class.mega_cap": {"tick": plan.tick},
            "prices": {"outage": "10 min"},
        },
        sources=[(plan.symbol, 1, "tape"), ("USDC", 1, "issuer")],
    )  # fmt: skip


def settings_of(plan: Plan) -> NameSettings:
    """The bridge's, with what differs from the defaults.

    Fees and what of them is passed on, as the plan says; limits out of the way (requests of 10 M USD, 1,000 M USD
    gross, 20 M USD open in the regular session, a loss of 10 M USD); 60 % shown on the spot market, not 50; 1 % from the index, not 50 bps; 10
    levels in the regular session, not 5; books believed for 30 s, not 5, and for 120 s, not 60, before and after it; no edge for a book's age.
    """
    symbol = plan.symbol
    return msgspec.convert(
        {
            "symbol": symbol, "token": f"t{symbol}", "spot": f"t{symbol}-USDC", "perp": f"{symbol}-PERP",
            "mint_fee": plan.fee, "redeem_fee": plan.fee, "passed": plan.passed, "base": str(BASE), "request_max": "10 M USD",
            "gross": "1,000 M USD", "loss": "10 M USD", "spot_part": "60 %", "sanity": "1 %",
            "conduct": {
                "regular": {"edge": "0.5 bps", "levels": 10, "hedges": True, "unhedged": "20 M USD", "stale": "30 s"},
                "pre": {"edge": "10 bps", "size": "25 %", "levels": 2, "unhedged": "100,000 USD", "stale": "120 s"},
                "post": {"edge": "10 bps", "size": "25 %", "levels": 2, "unhedged": "100,000 USD", "stale": "120 s"},
            },
        },
        NameSettings,
    )  # fmt: skip


@dataclass
class Click:
    """A customer's wish for tokens: when it was said, when the first came, when all had."""

    said_ns: int
    first_ns: int = 0
    all_ns: int = 0


@dataclass
class World:
    """Everything, at a moment."""

    plan: Plan
    listing: Listing
    venue: Venue
    floor: Floor
    line: SimulatedBroker
    market: Market
    maker: Maker
    bridge: LockstepBridge
    chance: random.Random
    book: PrimaryBook | None = None
    session: Session = Session.CLOSED
    clicks: dict[int, Click] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=lambda: {"issuance_fees": 0, "trading_fees": 0})
    """Micro-dollars that the bridge paid to the venue's operator."""
    _raised: list[BrokerOrderRaised | BrokerCancelRaised] = field(default_factory=list)
    _reports: list[Heard] = field(default_factory=list)
    _next_customer_ns: int = 0
    _next_click_ns: int = 0
    _next_return_ns: int = 0
    _next_look_ns: int = 0
    _reference: int = 0

    # --- one step ------------------------------------------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Everybody acts on what was shown before; then the market moves."""
        commands = [*self._prices(now_ns), *self._facts()]
        said = [encode(command, time_ns=now_ns) for command in commands]
        for account, own in self._people(now_ns):
            said += [encode(command, account=account, time_ns=now_ns) for command in own]
        said.append(encode(AdvanceTime(), time_ns=now_ns))
        self._send_raised()
        self._hear(self.venue.submit_stamped(b"".join(said)))
        self.floor.advance(now_ns)
        self.book = self.floor.book(self.plan.symbol)
        if self.plan.bridge and now_ns >= self._next_look_ns:
            self._next_look_ns = now_ns + SECOND
            self.bridge.look(self.venue.engine)

    def _prices(self, now_ns: int) -> Iterator[Command]:
        number = self.listing.underlying[self.plan.symbol]
        session = self.floor.exchange.session(self.plan.symbol)
        if session != self.session:
            self.session = session
            yield SetSession(
                underlying=number, session=session, next_session=session, next_time_ns=0, closure_step_ns=0, closure_ramp_from_ns=0,
                closure_ramp_to_ns=0, closure_end_ns=0,
            )  # fmt: skip
        middle = self.middle()
        if middle:
            yield PostPrice(
                underlying=number, source=1, price=middle // 1_000, confidence_ppm=1_000_000, price_kind=PriceKind.QUOTE,
                venue_time_ns=now_ns - 1, size=1_000_000 * DOLLAR, raw_hash=bytes(16),
            )  # fmt: skip
        book = self.book
        if book is not None and book.asks and book.bids and session == Session.REGULAR:
            buy, sell = (
                sum(one.price * one.shares for one in side) // 10**12 for side in (book.asks, book.bids)
            )
            yield PostDepth(underlying=number, buy=buy, sell=sell)

    def _facts(self) -> Iterator[Command]:
        """What the desk reports of the broker's answers."""
        reports, self._reports = self._reports, []
        for heard in reports:
            match heard.report:
                case Accepted(order=order):
                    yield ReportBrokerAccepted(order=int(order))
                case Rejected(order=order):
                    yield ReportBrokerReject(order=int(order))
                case Cancelled(order=order):
                    yield ReportBrokerCancelled(order=int(order))
                case Filled() as told:
                    yield ReportBrokerFill(
                        order=int(told.order), execution=execution_bytes(told.execution),
                        underlying=self.listing.underlying[self.plan.symbol], side=told.side, complete=int(told.complete),
                        shares=told.shares, price=told.price // 1_000, fee=told.fee, settle_time_ns=heard.at_ns + 86_400 * SECOND,
                    )  # fmt: skip
                case _:
                    pass

    def _send_raised(self) -> None:
        raised, self._raised = self._raised, []
        for one in raised:
            order = str(one.order)
            if isinstance(one, BrokerCancelRaised):
                self.line.send(CancelOrder(order=order))
                continue
            self.line.send(
                NewOrder(
                    order=order, symbol=self.plan.symbol, side=Side(one.side), shares=one.shares, dollars=one.dollars,
                    limit=one.limit_price * 1_000, whole=bool(one.whole),
                )
            )  # fmt: skip

    def _people(self, now_ns: int) -> Iterator[tuple[int, list[Command]]]:
        if self.plan.bridge and self.book is not None:
            self.bridge.market(self.book)
            yield BRIDGE, self.bridge.act(now_ns)
        self.market.time_ns = now_ns
        if self.plan.maker:
            yield MAKER, [*self.maker.act(self.market), *self._returns(now_ns)]
        if now_ns >= self._next_customer_ns:
            self._next_customer_ns = now_ns + round(self.chance.expovariate(1 / self.plan.every_ns))
            if self.session in (Session.PRE, Session.REGULAR, Session.POST) and self.middle():
                yield CUSTOMER, [self._customer()]
        if now_ns >= self._next_click_ns and self.session == Session.REGULAR:
            self._next_click_ns = now_ns + 120 * SECOND
            self._reference += 1
            token = self.listing.asset[f"t{self.plan.symbol}"]
            yield MINTER, [RequestIssuance(token=token, amount=100_000 * DOLLAR, reference=self._reference)]

    def _returns(self, now_ns: int) -> Iterator[Command]:
        """The market maker brings its tokens back to what it had: an authorised participant does not keep what it can make or redeem."""
        keeps = self.plan.maker_keeps * DOLLAR
        if not keeps or now_ns < self._next_return_ns or self.session != Session.REGULAR or not self.middle():
            return
        self._next_return_ns = now_ns + 60 * SECOND
        terms, token = self._spot()
        units = self.market.lots[MAKER, terms.market] * terms.lot_size
        dollars = units * self.middle() // 10**9
        if abs(dollars) > keeps:
            self._reference += 1
            if dollars > 0:
                yield RequestRedemption(token=token, amount=units, reference=self._reference)
            else:
                yield RequestIssuance(token=token, amount=-dollars, reference=self._reference)

    def _returned(self, body: TokensIssued | RequestReserved) -> None:
        """What the market maker quotes by, as its tokens come and go."""
        terms, _ = self._spot()
        if isinstance(body, TokensIssued):
            self.market.lots[MAKER, terms.market] += body.units // terms.lot_size
        elif body.kind == RequestKind.REDEEM:
            self.market.lots[MAKER, terms.market] -= body.amount // terms.lot_size

    def _spot(self) -> tuple[ListMarket, int]:
        """The token's market, and the token."""
        return self.listing.markets[f"t{self.plan.symbol}-USDC"], self.listing.asset[f"t{self.plan.symbol}"]

    def _customer(self) -> Command:
        name = self.chance.choice((f"t{self.plan.symbol}-USDC", f"{self.plan.symbol}-PERP"))
        terms = self.listing.markets[name]
        dollars = self.chance.choices(CUSTOMER_DOLLARS, CUSTOMER_ODDS)[0]
        scale = 10 ** self.listing.lot_decimals(name)
        lots = max(dollars * DOLLAR * scale * 1_000 // (self.middle() * terms.lot_size), 1)
        return PlaceOrder(
            market=terms.market, side=self.chance.choice((Side.BID, Side.ASK)), kind=OrderKind.MARKET, time_in_force=TimeInForce.IOC, flags=0,
            price=0, lots=lots, client_id=bytes(16),
        )  # fmt: skip

    def _hear(self, events: bytes) -> None:
        for event in iter_events(events, KINDS):
            self.market.see(event)
            if self.plan.bridge:
                self.bridge.see(event)
            body = event.body
            if isinstance(body, BrokerOrderRaised | BrokerCancelRaised):
                self._raised.append(body)
            elif isinstance(body, RequestStateChanged) and event.header.account == MINTER:
                self._click(body, event.header.time_ns)
            elif isinstance(body, TokensIssued | TokensRedeemed) and event.header.account == BRIDGE:
                self.paid["issuance_fees"] += body.fee
            elif isinstance(body, TokensIssued | RequestReserved) and event.header.account == MAKER:
                self._returned(body)
            elif isinstance(body, OrderFilled) and event.header.account == BRIDGE:
                self.paid["trading_fees"] += body.fee
            elif isinstance(body, CommandRefused):
                why = f"{event.header.account}: {explain(body)}"
                self.refused[why] = self.refused.get(why, 0) + 1

    def _click(self, body: RequestStateChanged, now_ns: int) -> None:
        click = self.clicks.setdefault(body.request, Click(now_ns))
        if body.after == RequestState.PARTLY_FILLED:
            click.first_ns = click.first_ns or now_ns
        if body.after == RequestState.FILLED:
            click.first_ns = click.first_ns or now_ns
            click.all_ns = now_ns

    def heard(self, heard: Heard) -> None:
        """A report of the broker's."""
        self._reports.append(heard)

    def middle(self) -> int:
        """Half way between the primary's best, 1e-9 dollars; 0 where a side is empty or they are crossed."""
        book = self.book
        if book is None or not book.bids or not book.asks or book.bids[0].price > book.asks[0].price:
            return 0
        return (book.bids[0].price + book.asks[0].price) // 2


def set_up(plan: Plan, folder: Path) -> World:
    """The world before its first step."""
    listing = listing_of(plan)
    opening = Opening(cash=10**15, shares={plan.symbol: 10**17})
    terms = Terms(hours=Hours(), impact=Impact(parts=plan.impact))
    floor = Floor(Exchange([plan.tape], {BROKER: opening}, start_ns=plan.start_ns - SECOND, terms=terms))
    floor.start(plan.start_ns - SECOND)
    venue = Venue.open(folder / "venue", plan.start_ns)
    maker = _maker(listing, plan.symbol)
    bridge = LockstepBridge(listing, BRIDGE, [settings_of(plan)], _total(), "bridge")
    market = Market(listing, time_ns=plan.start_ns)
    world = World(
        plan,
        listing,
        venue,
        floor,
        SimulatedBroker(floor, BROKER),
        market,
        maker,
        bridge,
        random.Random(plan.seed),
    )
    world.line.open(world.heard)
    floor.advance(plan.start_ns)
    token, usdc = listing.asset[f"t{plan.symbol}"], listing.asset["USDC"]
    commands: list[bytes] = [encode(one, time_ns=plan.start_ns) for one in listing.commands]
    coin = PostPrice(
        underlying=listing.underlying["USDC"], source=1, price=1_000_000, confidence_ppm=1_000_000, price_kind=PriceKind.ISSUER,
        venue_time_ns=plan.start_ns - 1, size=DOLLAR, raw_hash=bytes(16),
    )  # fmt: skip
    commands.append(encode(coin, time_ns=plan.start_ns))
    for account in (BRIDGE, MAKER, CUSTOMER, MINTER):
        tokens = BASE if account == BRIDGE else TOKENS
        arrival = (
            OpenAccount(owner=account),
            Deposit(asset=usdc, amount=CASH * DOLLAR, reference=1),
            Deposit(asset=token, amount=tokens * DOLLAR, reference=1),
        )
        commands += [encode(command, account=account, time_ns=plan.start_ns) for command in arrival]
    for event in iter_events(venue.submit_stamped(b"".join(commands)), (CommandRefused,)):
        if isinstance(event.body, CommandRefused):
            raise SystemExit(f"the world can't begin: {explain(event.body)}")
    world.book = floor.book(plan.symbol)
    if plan.bridge:
        bridge.begin(venue.engine)
    return world


def _total() -> TotalSettings:
    return TotalSettings(
        unhedged="100 M USD", net="100 M USD", gross="2,000 M USD", loss="20 M USD", excess="1 M USD"
    )


def _maker(listing: Listing, symbol: str) -> Maker:
    books = [
        Book(listing.markets[name], symbol, "mega_cap", 10**9)
        for name in (f"t{symbol}-USDC", f"{symbol}-PERP")
    ]
    return Maker(MAKER, "Market maker", "", "", listing, {}, books=books)
