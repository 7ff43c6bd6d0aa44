"""Who takes part: the roles of the demo, fitted to the names a scenario has.

Responsible for: sizes and choices, in one place. The same roles play on recorded and on packaged data.
"""

from __future__ import annotations

from dataclasses import dataclass

from novate.config import Listing
from novate.demo.borrower import StockBorrower
from novate.demo.bridging import Bridging
from novate.demo.debtor import Debtor
from novate.demo.maker import Book, Maker
from novate.demo.minter import Minter
from novate.demo.packager import Packager
from novate.demo.participants import (
    MINUTE,
    Backstop,
    Holder,
    Lender,
    PanicSeller,
    Participant,
    Protection,
    Target,
    lots_of,
    lots_worth,
)
from novate.marketdata import Scenario
from novate.messages import ListAsset, ListMarket

(
    MAKER, HEDGER, BASIS, CRYPTO_LONG, BILL_SHORT, LENDER, PANIC, HOLDER, BACKSTOP, PACKAGER, MINTER, BORROWER, DEBTOR,
    BRIDGE,
) = range(1, 15)  # fmt: skip
PAIRED = "MSFT"
USDC = 1_000_000
TOKEN = 1_000_000


@dataclass(frozen=True, slots=True)
class Cast:
    """Everyone, and the parts the report looks at closely."""

    people: tuple[Participant, ...]
    hero_market: str
    second: str
    """Name that the T-bill holder shorts."""
    paired: str
    """Name of the package, on which the dividend is paid."""
    issued: str
    """Token that is issued, redeemed, lent and borrowed."""


@dataclass(frozen=True, slots=True)
class Casting:
    """Builds the roles for one scenario."""

    listing: Listing
    scenario: Scenario
    first_prices: dict[str, int]

    def cast(self) -> Cast:
        """All participants in the order of their account numbers."""
        hero = next(n for n in ("NVDA", "AAPL") if n in self.scenario.underlyings)
        second = next(n for n in ("TSLA", "IBM") if n in self.scenario.underlyings)
        issued = next(n for n in ("AAPL", "GOOG") if n in self.scenario.underlyings and n != hero)
        people = (
            self._maker(),
            self._hedger(hero),
            self._basis("BTC"),
            self._crypto_long("ETH", "SPY"),
            self._bill_short(second),
            self._lender(),
            self._panic("ETH"),
            self._holder(hero),
            self._backstop(),
            self._packager(PAIRED),
            self._minter(issued),
            self._borrower(issued),
            self.debtor(issued, "SPY"),
            self._bridge(issued),
        )
        return Cast(people, f"{hero}-PERP", second, PAIRED, self._token(issued))

    def services(self) -> tuple[Participant, ...]:
        """Those whom anybody's trades, loans and liquidations meet: the market maker, the lender and the backstop."""
        return (self._maker(), self._lender(), self._backstop())

    def _perp(self, name: str) -> ListMarket:
        return self.listing.markets[f"{name}-PERP"]

    def _token(self, name: str) -> str:
        return self.listing.token_of_underlying[name]

    def _spot(self, name: str) -> ListMarket:
        number = self.listing.asset[self._token(name)]
        markets = (c for c in self.listing.commands if isinstance(c, ListMarket))
        return next(m for m in markets if m.market_kind == 0 and m.base == number)

    def _worth(self, terms: ListMarket, dollars: int, name: str) -> int:
        return lots_worth(terms, dollars, self.first_prices[name])

    def _tokens_worth(self, dollars: int, name: str) -> int:
        return dollars * 1_000_000 * TOKEN // self.first_prices[name]

    def _shares(self, dollars: int, name: str) -> int:
        """A round number of shares worth about so many dollars."""
        shares = dollars * 1_000_000 // self.first_prices[name]
        return shares - shares % 500 if shares > 500 else shares

    def _maker(self) -> Maker:
        assets = {c.asset: c for c in self.listing.commands if isinstance(c, ListAsset)}
        names = {number: name for name, number in self.listing.underlying.items()}
        books = []
        holdings = {"USDC": 60_000_000 * USDC}
        for terms in (c for c in self.listing.commands if isinstance(c, ListMarket)):
            name = names[terms.underlying]
            multiplier = assets[terms.base].multiplier_ppb if terms.market_kind == 0 else 10**9
            books.append(Book(terms, name, self.scenario.asset_class[name], multiplier))
            if terms.market_kind == 0:
                holdings[assets[terms.base].name] = self._tokens_worth(6_000_000, name)
        return Maker(
            account=MAKER,
            name="Market maker",
            story="quotes both sides of every perp and token book, around the clock",
            rule="Two prices a side around the public index, leaning against its inventory; four times wider while "
            "the primary market is closed; withdraws when a price is not trusted.",
            listing=self.listing,
            holdings=holdings,
            books=books,
            started_ns=1,
        )

    def _hedger(self, name: str) -> Holder:
        shares = self._shares(1_000_000, name)
        terms = self._perp(name)
        return Holder(
            account=HEDGER,
            name="Hedged holder",
            story=f"holds {shares:,} {name} tokens and T-bills, and shorts the perp on {name}, share for share",
            rule="Sells the perp on Thursday's opening against tokens it already holds, and then does nothing.",
            listing=self.listing,
            holdings={
                self._token(name): shares * TOKEN,
                self._token("BILL"): 1_500 * TOKEN,
                "USDC": 40_000 * USDC,
            },
            opens_with=name,
            targets=[Target(terms, -lots_of(terms, shares), lots_of(terms, max(shares // 6, 1)))],
        )

    def _holder(self, name: str) -> Holder:
        shares = self._shares(1_000_000, name)
        return Holder(
            account=HOLDER,
            name="Unhedged twin",
            story=f"holds the same {shares:,} {name} tokens and T-bills, and shorts nothing",
            rule="Does nothing: what the hedged holder would be without the short.",
            listing=self.listing,
            holdings={
                self._token(name): shares * TOKEN,
                self._token("BILL"): 1_500 * TOKEN,
                "USDC": 40_000 * USDC,
            },
            opens_with=name,
            targets=[],
        )

    def _basis(self, name: str) -> Holder:
        perp, spot = self._perp(name), self._spot(name)
        lots = self._worth(spot, 1_800_000, name)
        perp_lots = lots * spot.lot_size * 1_000 // perp.lot_size
        return Holder(
            account=BASIS,
            name="Basis trader",
            story=f"buys {name} tokens, half of them on a pool loan, and shorts the {name} perp against all of them",
            rule="Puts both legs on together in ten clips; earns funding, pays interest.",
            listing=self.listing,
            holdings={"USDC": 1_000_000 * USDC},
            opens_with=name,
            targets=[Target(perp, -perp_lots, -(-perp_lots // 10)), Target(spot, lots, -(-lots // 10))],
        )

    def _crypto_long(self, name: str, backing: str) -> Holder:
        perp = self._perp(name)
        shares = self._shares(2_000_000, backing)
        lots = self._worth(perp, 2_600_000, name)
        return Holder(
            account=CRYPTO_LONG,
            name="Crypto long on ETF collateral",
            story=f"holds {shares:,} {backing} tokens and is long the {name} perp for more than they are worth",
            rule="Buys in clips on the first morning, leaves a stop for a quarter of it 12 % below, and holds the rest.",
            listing=self.listing,
            holdings={self._token(backing): shares * TOKEN, "USDC": 20_000 * USDC},
            opens_with=backing,
            targets=[Target(perp, lots, -(-lots // 12))],
            protection=Protection(perp, lots // 4, falls_ppm=120_000),
        )

    def _bill_short(self, name: str) -> Holder:
        perp = self._perp(name)
        lots = self._worth(perp, 900_000, name)
        return Holder(
            account=BILL_SHORT,
            name="T-bill holder who shorts",
            story=f"keeps its money in T-bills and shorts the {name} perp on them",
            rule="Shorts in clips on the first morning; posts no cash at all.",
            listing=self.listing,
            holdings={self._token("BILL"): 10_000 * TOKEN},
            opens_with=name,
            targets=[Target(perp, -lots, -(-lots // 8))],
        )

    def _lender(self) -> Lender:
        return Lender(
            account=LENDER,
            name="Lender",
            story="lends dollars to the cash pool and never trades",
            rule="Lends three quarters of its dollars on the first day.",
            listing=self.listing,
            holdings={"USDC": 20_000_000 * USDC},
            amount=15_000_000 * USDC,
        )

    def _panic(self, name: str) -> PanicSeller:
        return PanicSeller(
            account=PANIC,
            name="Over-leveraged short",
            story=f"shorts as much {name} as the venue allows, half a day after the crash",
            rule=f"Waits until {name} is 13 % below Thursday, sleeps on it for twelve hours, sells the perp until the "
            "engine refuses, and never covers.",
            listing=self.listing,
            holdings={"USDC": 250_000 * USDC},
            underlying=name,
            market_name=f"{name}-PERP",
        )

    def _backstop(self) -> Backstop:
        return Backstop(
            account=BACKSTOP,
            name="Backstop provider",
            story="commits dollars to take over the legs of an account below close-out, at a discount",
            rule="Commits one million dollars an auction from a discount of 0.5 % on, and may lose 250,000.",
            listing=self.listing,
            holdings={"USDC": 3_000_000 * USDC},
            discount_ppm=5_000,
            notional=1_000_000 * USDC,
            loss_limit=250_000 * USDC,
        )

    def _packager(self, name: str) -> Packager:
        spot, perp = self._spot(name), self._perp(name)
        shares = self._shares(300_000, name)
        return Packager(
            account=PACKAGER,
            name="Package hedger",
            story=f"buys {shares:,} {name} tokens and shorts the perp on as many shares, in one atomic package",
            rule="Sends one package on Thursday's opening, all or none, and holds it through a dividend and the crash.",
            listing=self.listing,
            holdings={"USDC": 345_000 * USDC},
            spot=spot,
            perp=perp,
            opens_with=name,
            units=lots_of(spot, shares),
        )

    def _minter(self, name: str) -> Minter:
        token = self._token(name)
        return Minter(
            account=MINTER,
            name="Token minter",
            story=f"has {token} issued against {name} shares bought at a broker, and redeems a part",
            rule="Asks for $500,000 of tokens on Thursday morning, redeems 40 % in the afternoon, and lends half of the rest when "
            "both have settled.",
            listing=self.listing,
            holdings={"USDC": 600_000 * USDC},
            token=token,
            cash=500_000 * USDC,
            redeems_ppm=400_000,
            lends_ppm=500_000,
        )

    def _borrower(self, name: str) -> StockBorrower:
        spot = self._spot(name)
        lots = self._worth(spot, 100_000, name)
        return StockBorrower(
            account=BORROWER,
            name="Stock borrower",
            story=f"sells {self._token(name)} that it does not hold: the sale borrows them from the pool",
            rule="Sells in clips on Friday's opening once somebody lends the token, and holds the short.",
            listing=self.listing,
            holdings={"USDC": 100_000 * USDC},
            opens_with=name,
            wait_ns=15 * MINUTE,
            targets=[Target(spot, -lots, -(-lots // 4))],
            token=self._token(name),
        )

    def _bridge(self, name: str) -> Bridging:
        tokens = self._shares(2_000_000, name)
        return Bridging(
            account=BRIDGE,
            name="Bridge",
            story=f"quotes {self._token(name)} and the {name} perp from the exchange's best bid and ask, with the size that is there",
            rule="In regular hours only; hedges what it trades by having tokens made and unmade, and becomes flat before a long closure.",
            listing=self.listing,
            holdings={"USDC": 8_000_000 * USDC, self._token(name): tokens * TOKEN},
            symbol=name,
            base=tokens,
        )

    def debtor(self, name: str, index: str, account: int = DEBTOR) -> Debtor:
        """Who has tokens, a loan up to the pool's cap for one owner, and losses that nobody lends for any more."""
        spot, perp = self._spot(name), self._perp(index)
        lots, perp_lots = self._worth(spot, 985_000, name), self._worth(perp, 5_000_000, index)
        return Debtor(
            account=account,
            name="Debtor",
            story=f"bought a quarter of its {self._token(name)} on a pool loan, all that the pool lends one owner, and is long the {index} perp",
            rule="Puts both on in clips on Thursday's opening; brings no cash when its losses are called, and sells a fifth of what it bought "
            "after they were collected.",
            listing=self.listing,
            holdings={self._token(name): self._tokens_worth(2_600_000, name)},
            opens_with=name,
            targets=[Target(spot, lots, -(-lots // 8)), Target(perp, perp_lots, -(-perp_lots // 20))],
            sells=Target(spot, lots * 4 // 5, -(-lots // 40)),
        )
