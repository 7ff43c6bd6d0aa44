"""The same bridge beside a venue in the same process and in virtual time: engine events in, commands of its account out.

    desk = LockstepBridge(listing, account, [settings], total, seed)
    desk.see(event)                                 every event of the venue
    desk.market(book); commands = desk.act(now_ns)  commands of `account`, for the next frame

Responsible for: events and answers of an engine to facts, and actions to commands, for demos, notebooks and measurements. It takes nothing that
the API would not tell this account or everybody. Never: the rules, which are the machine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from novate._core import Engine
from novate.bridge import facts
from novate.bridge.hedging import Mint
from novate.bridge.limits import Capacity, Price, Purse
from novate.bridge.machine import Action, Ask, Machine
from novate.bridge.orders import Amend, Cancel, Place
from novate.bridge.settings import NameSettings, TotalSettings, name_terms, total_terms
from novate.broker.port import PrimaryBook
from novate.client import answers
from novate.config import Listing
from novate.messages import (
    AmendOrder,
    CancelOrder,
    Command,
    CommandRefused,
    Event,
    EventMessage,
    Flags,
    IndexChanged,
    OrderAmended,
    OrderCancelled,
    OrderDecremented,
    OrderFilled,
    OrderKind,
    OrderPlaced,
    PlaceOrder,
    RequestIssuance,
    RequestRedemption,
    RequestReserved,
    RequestReturned,
    RequestStateChanged,
    Settled,
    Side,
    TimeInForce,
    TokensIssued,
    TokensRedeemed,
    reports,
)
from novate.messages.codes import MarketKind, Quality, RequestKind, RequestState, Session
from novate.messages.reports import clearing
from novate.units import decimal

WATCHED: Final[tuple[type[Event], ...]] = (
    CommandRefused, IndexChanged, OrderAmended, OrderCancelled, OrderDecremented, OrderFilled, OrderPlaced, RequestReserved,
    RequestReturned, RequestStateChanged, Settled, TokensIssued, TokensRedeemed,
)  # fmt: skip
_E6_TO_E9: Final = 1_000


class LockstepBridge:
    """A bridge on an account of a venue in this process. Prices of the listing are at 1e-6 dollars."""

    def __init__(
        self,
        listing: Listing,
        account: int,
        names: Sequence[NameSettings],
        total: TotalSettings,
        session: str,
    ) -> None:
        self.account = account
        self._listing = listing
        markets, assets = _markets(listing), _assets(listing)
        self.machine = Machine(
            [name_terms(one, markets, assets) for one in names], total_terms(total), session
        )
        self._market = {number: name for name, number in listing.market.items()}
        self._asset = {number: name for name, number in listing.asset.items()}
        self._underlying = {number: name for name, number in listing.underlying.items()}
        self._asked: dict[int, str] = {}
        """Symbols of requests that were sent and not answered, by reference, in the order in which they are answered."""
        self._reference = 0
        self.refused: dict[int, int] = {}
        """How often each rule refused something, by its number."""

    def begin(self, engine: Engine) -> None:
        """Knows what the account has; once, before it acts."""
        self.look(engine)
        held = reports.account(engine, self.account)
        holdings = {}
        for symbol, name in self.machine.names.items():
            terms = name.terms
            units = sum(one.pledged for one in held.balances if one.name == terms.token)
            perps = {
                self._market[one.market]: one.lots * self._listing.lot_size(self._market[one.market])
                for one in held.positions
                if one.perp and self._market[one.market] in {market.name for market in terms.markets}
            }
            holdings[symbol] = facts.Holding(units * terms.token_step, perps, {})
        self.machine.begin(holdings)
        self.machine.new_day()

    def look(self, engine: Engine) -> None:
        """Cash, excess and capacity, as the API says them to this account and to everybody."""
        held = reports.account(engine, self.account)
        cash = next((one for one in held.balances if one.name == "USDC"), None)
        self.machine.purse = Purse(cash.pledged - cash.reserved if cash else 0, held.line.excess[0])
        ways: dict[str, list[int]] = {}
        for line in clearing.capacity(engine):
            ways.setdefault(self._asset[line.token], [0, 0])[line.direction] = line.dollars
        for token, (mint, redeem) in ways.items():
            self.machine.capacity(token, Capacity(mint, redeem))

    def see(self, event: EventMessage) -> None:
        """Takes one event in: of its account, or public."""
        body = event.body
        if isinstance(body, IndexChanged):
            price = Price(body.index * _E6_TO_E9, Quality(body.quality), Session(body.session))
            self.machine.price(self._underlying[body.underlying], price)
        elif event.header.account != self.account:
            return
        elif isinstance(body, CommandRefused):
            self._refusal(body, event.header.time_ns)
        else:
            for fact in self._facts(event):
                self.machine.hear(fact)

    def act(self, now_ns: int) -> list[Command]:
        """What it sends now."""
        return [self._command(one) for one in self.machine.act(now_ns)]

    # --- events to facts -----------------------------------------------------------------------------------------------

    def _facts(self, event: EventMessage) -> Iterable[facts.Fact]:
        match body := event.body:
            case OrderPlaced():
                market = self._market[body.market]
                client = body.client_id.rstrip(b"\0").decode("ascii", "replace")
                yield facts.OrderRests(
                    client,
                    body.order,
                    market,
                    Side(body.side),
                    self._price(market, body.price),
                    self._quantity(market, body.lots),
                )
            case OrderAmended():
                market = self._market[body.market]
                yield facts.OrderChanged(
                    body.order, self._price(market, body.price), self._quantity(market, body.leaves)
                )
            case OrderDecremented():
                yield facts.OrderLeft(body.order, self._quantity(self._market[body.market], body.leaves))
            case OrderCancelled():
                yield facts.OrderLeft(body.order, 0)
            case OrderFilled():
                market = self._market[body.market]
                value = body.price * body.lots * self._listing.quote_units(market)
                yield facts.OrderFilled(
                    body.order, market, Side(body.side), self._quantity(market, body.lots), value, body.fee,
                    self._quantity(market, body.leaves),
                )  # fmt: skip
            case Settled() if body.funding:
                yield facts.Carried(self._market[body.market], body.funding)
            case RequestReserved() if body.kind in (RequestKind.MINT, RequestKind.REDEEM):
                token, mints = self._asset[body.token], body.kind == RequestKind.MINT
                self._answered(body.reference, taken=True, now_ns=event.header.time_ns)
                held = body.amount if mints else body.amount * self._step(token)
                yield facts.RequestHeld(body.request, token, mints, held)
            case RequestStateChanged():
                yield facts.RequestMoved(body.request, RequestState(body.after))
            case TokensIssued():
                token = self._asset[body.token]
                yield facts.Issued(body.request, token, body.units * self._step(token), body.cost + body.fee)
            case TokensRedeemed():
                token = self._asset[body.token]
                yield facts.Redeemed(body.request, token, body.units * self._step(token), body.due - body.fee)
            case RequestReturned():
                yield facts.Returned(body.request, body.amount * self._step(self._asset[body.asset]))
            case _:
                pass

    def _price(self, market: str, ticks: int) -> int:
        return ticks * self._tick(market)

    def _quantity(self, market: str, lots: int) -> int:
        return lots * self._lot(market)

    def _tick(self, market: str) -> int:
        return self._listing.tick_size(market) * _E6_TO_E9

    def _lot(self, market: str) -> int:
        return self._listing.lot_size(market) * int(10 ** (9 - self._listing.lot_decimals(market)))

    def _step(self, asset: str) -> int:
        return int(10 ** (9 - self._listing.decimals(asset)))

    def _refusal(self, refused: CommandRefused, now_ns: int) -> None:
        self.refused[refused.code] = self.refused.get(refused.code, 0) + 1
        if refused.command in {RequestIssuance.KIND, RequestRedemption.KIND}:
            self._answered(next(iter(self._asked), 0), taken=False, now_ns=now_ns)

    def _answered(self, reference: int, *, taken: bool, now_ns: int) -> None:
        """A request of its own; one that the venue made, to collect a debt, is none."""
        symbol = self._asked.pop(reference, "")
        if symbol:
            self.machine.answered(symbol, taken=taken, now_ns=now_ns)

    # --- actions to commands -------------------------------------------------------------------------------------------

    def _command(self, action: Action) -> Command:
        match action:
            case Place():
                return PlaceOrder(
                    market=self._listing.market[action.market],
                    side=action.side,
                    kind=OrderKind.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    flags=Flags.POST_ONLY,
                    price=self._ticks(action.market, action.price),
                    lots=action.quantity // self._lot(action.market),
                    client_id=_client(action.client_id),
                )
            case Amend():
                return AmendOrder(
                    order=0,
                    client_id=_client(action.client_id),
                    price=self._ticks(action.market, action.price),
                    lots=action.quantity // self._lot(action.market),
                )
            case Cancel():
                return CancelOrder(order=0, client_id=_client(action.client_id))
            case Ask(symbol, request):
                self._reference += 1
                self._asked[self._reference] = symbol
                token = self._listing.asset[request.token]
                if isinstance(request, Mint):
                    return RequestIssuance(token=token, amount=request.cash, reference=self._reference)
                units = request.tokens // self._step(request.token)
                return RequestRedemption(token=token, amount=units, reference=self._reference)

    def market(self, book: PrimaryBook) -> None:
        """The primary market of a name."""
        self.machine.book(book)

    def _ticks(self, market: str, price: int) -> int:
        return price // self._tick(market)


def _client(text: str) -> bytes:
    return text.encode().ljust(16, b"\0")


def _markets(listing: Listing) -> Mapping[str, answers.Market]:
    names = {number: name for name, number in listing.asset.items()}
    return {
        name: answers.Market(
            name=name,
            kind="perp" if one.market_kind == MarketKind.PERP else "spot",
            underlying=listing.underlying_of_market[name],
            base=names.get(one.base),
            quote=names[one.quote],
            price_step=decimal(one.tick_size, 6),
            quantity_step=decimal(one.lot_size, listing.lot_decimals(name)),
        )
        for name, one in listing.markets.items()
    }


def _assets(listing: Listing) -> Mapping[str, answers.Asset]:
    return {
        name: answers.Asset(
            name=name,
            kind="token",
            underlying=listing.underlying_of_asset[name],
            decimals=one.decimals,
            shares_per_token=decimal(one.multiplier_ppb, 9),
            can_be_lent=False,
        )
        for name, one in listing.assets.items()
    }
