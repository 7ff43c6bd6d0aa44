"""A venue of one page for the bridge's machine: it does what the machine sends, fills what rests, and makes and unmakes tokens.

Responsible for: chance, lateness, and telling every event. What it knows is the truth that tests compare the machine with.
"""

import random
from dataclasses import dataclass, field

from novate.bridge import facts
from novate.bridge.hedging import Mint
from novate.bridge.limits import Capacity, Price, Purse
from novate.bridge.machine import Ask, Machine
from novate.bridge.orders import Amend, Cancel, Place
from novate.bridge.terms import Conduct, Market, NameTerms, TotalTerms
from novate.broker.port import Level, PrimaryBook
from novate.messages.codes import Quality, RequestState, Session, Side

DOLLAR, SHARE, SECOND = 10**9, 10**9, 10**9
MICRO = 10**6
SPOT = Market(
    name="tX-USDC",
    spot=True,
    price_step=DOLLAR // 100,
    quantity_step=SHARE // 100,
    fee_ppm=200,
    part_ppm=600_000,
)
PERP = Market(
    name="X-PERP",
    spot=False,
    price_step=DOLLAR // 100,
    quantity_step=SHARE // 100,
    fee_ppm=150,
    part_ppm=400_000,
)
TOTAL = TotalTerms(unhedged=10**13, net=10**13, gross=10**15, loss=10**12, excess=0, cash=0)
PLENTY = 10**14


def conduct(**change) -> Conduct:
    """A regular session's."""
    usual = {
        "edge_ppm": 50, "size_ppm": 1_000_000, "levels": 3, "unhedged": 200_000 * MICRO, "stale_ns": 5 * SECOND, "hedges": True,
    }  # fmt: skip
    return Conduct(**(usual | change))


def terms(**change) -> NameTerms:
    """A name quoted on both its markets."""
    usual = {
        "symbol": "X", "underlying": "X", "token": "tX", "token_ppb": SHARE, "token_step": 1_000, "markets": (SPOT, PERP),
        "conduct": {Session.REGULAR: conduct(), Session.PRE: conduct(edge_ppm=1_000, unhedged=20_000 * MICRO, hedges=False)},
        "mint_fee_ppm": 500, "redeem_fee_ppm": 500, "passed_ppm": 1_000_000, "base": 5_000 * SHARE, "request_min": 100 * MICRO,
        "request_max": 2_000_000 * MICRO, "gather_ns": 1, "retry_ns": SECOND, "doubt_edge_ppm": 1_000, "doubt_size_ppm": 250_000,
        "sanity_ppm": 5_000, "calm_ns": 1, "gross": 10**13, "loss": 20_000 * MICRO,
    }  # fmt: skip
    return NameTerms(**(usual | change))


def book(bid=100.00, ask=100.02, size=500, at_ns=0, session=Session.REGULAR, levels=3) -> PrimaryBook:
    """A primary market a cent a level."""
    cents = [round(one * 100) * DOLLAR // 100 for one in (bid, ask)]
    bids = tuple(Level(cents[0] - n * DOLLAR // 100, size * SHARE) for n in range(levels))
    asks = tuple(Level(cents[1] + n * DOLLAR // 100, size * SHARE) for n in range(levels))
    return PrimaryBook("X", bids, asks, session, at_ns)


@dataclass
class Toy:
    """One name of one account. `late`: what is sent arrives after the fills of the step."""

    seed: int
    named: NameTerms = field(default_factory=terms)
    late: bool = False
    fails: float = 0.0
    now: int = SECOND
    tokens: int = 5_000 * SHARE
    perps: int = 0
    orders: dict[str, list] = field(default_factory=dict)
    """By client id: number, market, side, price, quantity."""
    requests: dict[int, list] = field(default_factory=dict)
    """By number: whether it mints, what is held."""
    filled_late: int = 0
    """Shares that traded while changes were on their way."""

    on_the_way: int = 0
    """The same, while what was sent arrives."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.machine = Machine([self.named], TOTAL, "toy")
        self.count = 0
        self.book = book()
        self.show()
        self.machine.purse = Purse(PLENTY, PLENTY)
        self.machine.capacity("tX", Capacity(PLENTY, PLENTY))
        self.machine.begin({"X": facts.Holding(self.tokens, {"X-PERP": self.perps}, {})})
        self.machine.new_day()

    @property
    def name(self):
        return self.machine.names["X"]

    @property
    def open_shares(self) -> int:
        held = sum(one[1] for one in self.requests.values() if not one[0])
        return self.tokens + held + self.perps - self.named.base

    @property
    def reach(self) -> int:
        """What may be open, whichever of its requests fill."""
        minting = (
            sum(held for mints, held in self.requests.values() if mints)
            * 1_000_000
            // 1_000_500
            * 10**12
            // self.book.asks[0].price
        )
        burning = sum(held for mints, held in self.requests.values() if not mints)
        return max(abs(self.open_shares + minting), abs(self.open_shares - burning), abs(self.open_shares))

    def show(self, quality=Quality.LIVE) -> None:
        """The primary market and the venue's price, as of now."""
        self.machine.book(self.book._replace(at_ns=self.now))
        middle = (self.book.bids[0].price + self.book.asks[0].price) // 2
        self.machine.price("X", Price(middle, quality, self.book.session))

    def step(self, trades: int = 0) -> list:
        """A second: the machine acts, some orders fill, what it sent is done, its requests move on."""
        self.now += SECOND
        self.show()
        actions = self.machine.act(self.now)
        if self.late:
            self.filled_late = 0
            self.trade(trades)
            self.on_the_way = self.filled_late
            self.do(actions)
        else:
            self.do(actions)
            self.trade(trades)
        return actions

    def do(self, actions) -> None:
        for action in actions:
            match action:
                case Place() | Amend() if not self.covers(action):
                    pass
                case Place():
                    self.count += 1
                    self.orders[action.client_id] = [
                        self.count,
                        action.market,
                        action.side,
                        action.price,
                        action.quantity,
                    ]
                    told = facts.OrderRests(
                        action.client_id,
                        self.count,
                        action.market,
                        action.side,
                        action.price,
                        action.quantity,
                    )
                    self.machine.hear(told)
                case Amend() if action.client_id in self.orders:
                    order = self.orders[action.client_id]
                    order[3:] = [action.price, action.quantity]
                    self.machine.hear(facts.OrderChanged(order[0], action.price, action.quantity))
                case Cancel() if action.client_id in self.orders:
                    self.machine.hear(facts.OrderLeft(self.orders.pop(action.client_id)[0], 0))
                case Ask():
                    self.ask(action)
            self.uncrossed()

    def covers(self, action: Place | Amend) -> bool:
        """Tokens that are offered are there: the venue refuses the rest."""
        if isinstance(action, Place):
            market, side = action.market, action.side
        elif action.client_id in self.orders:
            market, side = self.orders[action.client_id][1:3]
        else:
            return True
        others = [
            one[4]
            for client, one in self.orders.items()
            if client != action.client_id and one[1:3] == ["tX-USDC", Side.ASK]
        ]
        return (market, side) != ("tX-USDC", Side.ASK) or sum(others) + action.quantity <= self.tokens

    def uncrossed(self) -> None:
        """No own bid stands at or above an own ask, not for a moment."""
        for market in ("tX-USDC", "X-PERP"):
            bids = [one[3] for one in self.orders.values() if one[1] == market and one[2] == Side.BID]
            asks = [one[3] for one in self.orders.values() if one[1] == market and one[2] == Side.ASK]
            assert not bids or not asks or max(bids) < min(asks), (market, max(bids), min(asks))

    def ask(self, action: Ask) -> None:
        if self.random.random() < self.fails:
            self.machine.answered("X", taken=False, now_ns=self.now)
            return
        self.count += 1
        mints = isinstance(action.request, Mint)
        held = action.request.cash if mints else action.request.tokens
        if not mints:
            offered = sum(
                one[4] for one in self.orders.values() if one[1] == "tX-USDC" and one[2] == Side.ASK
            )
            assert held + offered <= self.tokens + self.on_the_way, (
                "tokens that are not there, or are offered"
            )
            if held + offered > self.tokens:
                self.machine.answered("X", taken=False, now_ns=self.now)
                return
            self.tokens -= held
        self.requests[self.count] = [mints, held]
        self.machine.hear(facts.RequestHeld(self.count, "tX", mints, held))
        self.machine.answered("X", taken=True, now_ns=self.now)

    def fill_requests(self, part: float = 1.0) -> None:
        """The broker fills so much of every request."""
        for number in list(self.requests):
            mints, held = self.requests[number]
            used = held if part >= 1 else int(held * part)
            self.requests[number][1] -= used
            if mints:
                price = self.book.asks[0].price
                shares = used * 1_000_000 // 1_000_500 * 10**12 // price
                self.tokens += shares
                self.machine.hear(facts.Issued(number, "tX", shares, used))
            else:
                self.machine.hear(
                    facts.Redeemed(number, "tX", used, used * self.book.bids[0].price // 10**12)
                )
            if not self.requests[number][1]:
                del self.requests[number]
                self.machine.hear(facts.RequestMoved(number, RequestState.FILLED))

    def reject_requests(self) -> None:
        """The broker refuses every request: what they held is back."""
        for number in list(self.requests):
            mints, held = self.requests.pop(number)
            self.tokens += 0 if mints else held
            self.machine.hear(facts.Returned(number, held * 1_000 if mints else held))
            self.machine.hear(facts.RequestMoved(number, RequestState.REJECTED))

    def trade(self, count: int) -> None:
        """So many own orders fill, whole or in part."""
        for _ in range(count):
            if not self.orders:
                return
            client = self.random.choice(sorted(self.orders))
            self.fill(client, self.random.choice((1.0, 1.0, 0.5, 0.1)))

    def fill(self, client: str, part: float = 1.0) -> None:
        number, market, side, price, quantity = self.orders[client]
        traded = max(int(quantity * part) // 10**7 * 10**7, 10**7)
        left = max(quantity - traded, 0)
        self.filled_late += traded if self.late else 0
        sign = 1 if side == Side.BID else -1
        if market == "tX-USDC":
            self.tokens += sign * traded
        else:
            self.perps += sign * traded
        self.orders[client][4] = left
        if not left:
            del self.orders[client]
        self.machine.hear(facts.OrderFilled(number, market, side, traded, traded * price // 10**12, 0, left))
