"""`novate.Engine`: the whole venue in memory, by names and decimals, for notebooks and programs that embed it.

    engine = novate.Engine()
    engine.list(underlyings=["NVDA"])
    engine.price(NVDA=190)
    ann = engine.open_account()
    engine.deposit(ann, "tNVDA", 1_000)
    engine.explain(ann)

Responsible for: turning what people write into commands of the compiled engine (`Engine.core`), and its answers into frames.
Writes no journal and reads no clock: time is what `advance` makes it. Never contains a rule.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from novate import calendar, explain, units
from novate._core import Engine as Core
from novate._core import release, ruleset
from novate.calendar import SessionChange
from novate.config import Listing, load_listing, packaged_listing
from novate.config.load import packaged_text
from novate.embedding import views
from novate.embedding.columns import Positions, units_of
from novate.embedding.instruments import Instruments, unknown
from novate.embedding.margin import Rules, contributions, margin, never_close
from novate.embedding.sessions import CALENDAR, EXPECTED, FAR, NAMES
from novate.embedding.views import Explained
from novate.embedding.words import Events, lots_in, moment, tick_of, to_ns
from novate.errors import ConfigError, DataError, JournalError, Refused
from novate.explain import Outcome, Wish
from novate.journal.envelope import stamp
from novate.journal.recovery import HomePaths, judge, rebuild
from novate.journal.scan import segment_paths
from novate.messages import (
    ActivateRelease,
    AdvanceTime,
    CancelAll,
    Command,
    CommandRefused,
    Deposit,
    EventMessage,
    Flags,
    ListAsset,
    ListMarket,
    ListSource,
    ListUnderlying,
    OpenAccount,
    OrderKind,
    PlaceOrder,
    PostPrice,
    PriceKind,
    Quality,
    RequestWithdrawal,
    SetSession,
    Side,
    TimeInForce,
    encode,
    iter_events,
    reports,
    rule,
)
from novate.messages import explain as in_words
from novate.messages.reports import explain as questions
from novate.messages.reports.portfolios import MarketName, SessionRow
from novate.messages.wire import checked_integer
from novate.reader import Reader

START: Final = "2026-01-05 09:30"
"""Where an engine's time begins, New York: a Monday's regular open."""
SOURCES: Final = 3
"""Price sources of each name: three stand behind an index, so a move counts at once, a liquidation's too."""
_DEEP: Final = 10**15
"""Micro-dollars behind a posted price: more than any listing asks of one."""
_PATIENCE: Final = 6
"""Half minutes for which a price that the venue doubts is posted again."""
_BLEND: Final = 3
"""Rounds of half a minute that an opening takes to reach the outside price."""
_AT_ONCE: Final = 50_000
"""Commands that one buffer of `advance` holds at most."""

Number = Any
"""An int, a float, text or a Decimal; a float is rounded as in a frame (`novate.embedding.columns`)."""


class Engine:
    """A venue in memory. Methods that act return their `Events`; one that the venue refuses raises `Refused`, and nothing happened.

    The compiled engine is `core`; its whole surface (bytes in, bytes out) is here under the same names, too.
    """

    def __init__(self, core: Core | None = None) -> None:
        self.core = Core() if core is None else core
        self._listing_text = ""
        """The listing file that `list_market` adds to, where there is one."""
        self._open_always: frozenset[str] | None = None
        self._known: tuple[int, Instruments] | None = None
        self._quotes: dict[tuple[int, str], tuple[Number, str, int]] = {}
        """(account, market) to what `quote` rests there; never changed in place, so that forks may share it."""

    # --- the compiled engine's own surface ------------------------------------------------------------------------

    def apply(self, buffer: bytes, /) -> bytes:
        """Applies stamped messages back to back and returns their events, as bytes."""
        return self.core.apply(buffer)

    def replay(self, buffer: bytes, /) -> None:
        """As `apply`, without the events: for a replay that tells nobody."""
        self.core.replay(buffer)

    def query(self, request: bytes, /) -> bytes:
        """Answers a question, MessagePack in and out: what `novate.messages.reports` asks through."""
        return self.core.query(request)

    def snapshot(self) -> bytes:
        """The whole state as bytes, for `restore`."""
        return self.core.snapshot()

    def state_hash(self) -> bytes:
        """32 bytes that are equal exactly when two engines hold the same state."""
        return self.core.state_hash()

    def conservation(self) -> Sequence[tuple[int, int]]:
        """Per asset id the difference that must be 0; `books` shows it by name."""
        return self.core.conservation()

    def quarantine(self, sequence: int, digest: bytes, /) -> None:
        """Answers the command of this sequence without applying it, as long as its message has the BLAKE3 `digest`."""
        self.core.quarantine(sequence, digest)

    def unconfirmed(self) -> Sequence[int]:
        """Commands answered unapplied that two people have not confirmed."""
        return self.core.unconfirmed()

    def rehearse_panic(self, sequence: int, /) -> None:
        """Makes the command of this sequence fail when it is applied: a rehearsal, no part of the state."""
        self.core.rehearse_panic(sequence)

    @property
    def sequence(self) -> int:
        """Sequence of the last command; 0 before the first."""
        return self.core.sequence

    @property
    def time_ns(self) -> int:
        """Time of the last command, nanoseconds UTC."""
        return self.core.time_ns

    @property
    def time(self) -> pd.Timestamp:
        """Time of the last command, in New York."""
        return moment(self.core.time_ns)

    # --- copies ---------------------------------------------------------------------------------------------------

    def fork(self) -> Self:
        """An independent copy: one branch of a what-if tree. Costs a copy of the state, no replay."""
        other = copy.copy(self)
        other.core = self.core.fork()
        return other

    @classmethod
    def restore(cls, source: bytes | Path | str, at: int | str | pd.Timestamp | None = None) -> Self:
        """The engine of a snapshot's bytes, or the venue of a journal: `source` is its home (or journal folder).

        A journal is judged as a whole, then replayed from its newest sound snapshot: what comes out is the production state, and
        goes on in memory. Nothing is written, and a running venue may go on writing.

        Args:
            source: bytes of `snapshot`, or a directory.
            at: of a journal: the state after this command (an int) or time (with its zone) instead of the last.

        Raises:
            ValueError: damaged or foreign bytes. JournalError, JournalDamaged, ReleaseMismatch: there is no journal, or it can't
                be trusted.
        """
        if not isinstance(source, str | Path):
            return cls(Core.restore(source))
        if at is not None:
            when = {"sequence": at} if isinstance(at, int) else {"time_ns": to_ns(at)}
            return cls(Reader(source).at(**when).engine)
        paths = HomePaths.of(source)
        if not segment_paths(paths.journal):
            raise JournalError(f"There is no journal in {source}.", path=str(source))
        return cls(rebuild(paths, Core, judge(paths, ruleset=ruleset())).engine)

    # --- names ----------------------------------------------------------------------------------------------------

    @property
    def instruments(self) -> Instruments:
        """Everything listed, by name."""
        sequence = self.core.sequence
        if self._known is None or self._known[0] != sequence:
            self._known = sequence, Instruments.of(self.core)
        return self._known[1]

    @property
    def rules(self) -> Rules:
        """What `margin` takes of an engine."""
        names = self.instruments
        always = self._open_always
        if always is None:
            always = frozenset(line.name for line in names.listed.underlyings if not line.closes)
        return Rules(self.core, names, always)

    def _market(self, name: str) -> MarketName:
        markets = self.instruments.markets
        if name not in markets:
            raise unknown("the market", name, markets)
        return markets[name]

    # --- sending --------------------------------------------------------------------------------------------------

    def send(self, *commands: Command, account: int = 0) -> Events:
        """Any commands of `novate.messages`, now, one after the other: refusals are events among the others.

        On a venue with governance they are sent by keys that may send them, where there are any.
        """
        events = [event for command in commands for event in explain.send(self.core, command, account)]
        return Events(tuple(events), self.instruments)

    def _do(self, *commands: Command, account: int = 0) -> Events:
        """The same where a refusal is an error."""
        events = self.send(*commands, account=account)
        for event in events:
            if isinstance(event.body, CommandRefused):
                broken = rule(event.body.code)
                raise Refused(in_words(event.body), rule=broken.name, number=broken.number)
        return events

    # --- listing --------------------------------------------------------------------------------------------------

    def list(
        self,
        listing: Listing | Path | str | None = None,
        *,
        underlyings: Sequence[str] | None = None,
        time: str | pd.Timestamp = START,
    ) -> pd.DataFrame:
        """Opens the venue with a listing, every name in its regular session and every coin at a dollar, and returns its markets.

        Args:
            listing: a `Listing`, the path (or text) of a listing file, or None for the packaged one.
            underlyings: only these names (and every stablecoin).
            time: when the venue opens; New York time where it has no zone.

        Raises:
            ConfigError: the file, as `load_listing`, or an engine that lists something already. Refused: the engine's own no.
        """
        if self.sequence:
            raise ConfigError("This engine lists a venue already: begin with a new Engine.")
        if isinstance(listing, Listing):
            chosen = listing
        elif listing is None:
            chosen = packaged_listing(underlyings=underlyings)
            self._listing_text = packaged_text()
        else:
            chosen = load_listing(listing, underlyings=underlyings)
            self._listing_text = (
                str(listing)
                if isinstance(listing, str) and "\n" in listing
                else Path(listing).read_text(encoding="utf-8")
            )
        start = to_ns(time)
        first = encode(ActivateRelease(release=release(), ruleset=ruleset()), sequence=1, time_ns=start)
        self.core.apply(first)
        self._open_always = never_close(chosen)
        self._do(*chosen.commands, *_opened(chosen.terms.values(), self._open_always))
        names = self.instruments
        coins = {names.underlying_of(line.underlying) for line in names.listed.assets if line.stablecoin}
        self._post({name: 10 ** names.underlyings[name].decimals for name in sorted(coins)})
        return self.markets()

    def list_market(
        self, name: str, like: str, *, token: str | None = None, perp: bool = True, **bounds: str
    ) -> pd.DataFrame:
        """Lists one more name from its bounds in one call: a token `tNAME` with its spot market, and a perp `NAME-PERP`.

        Args:
            name: the underlying.
            like: class of the listing file that it takes the rest from, such as "stock" or "mega_cap".
            token: name of its token; empty for none.
            perp: whether it has a perp.
            bounds: keys of `docs/reference/configuration.md` as written there: `beta="1.5"` always, and whatever differs from
                the class, such as `gap="25 %"`, `sector="energy"` or `tick="0.05 USD"`.

        Raises:
            ConfigError: an unknown class or key, a value out of bounds, a name that is there, or an engine that was not
                listed from a file.
        """
        if not self._listing_text:
            raise ConfigError("This engine was not listed from a file: list markets before you restore it.")
        keys = {"name": name, "class": like, "sector": name, "gap_group": name} | bounds
        keys["token"] = f"t{name}" if token is None else token
        entry = "".join(f'{key} = "{value}"\n' for key, value in keys.items() if key != "token" or value)
        text = f"{self._listing_text}\n[[underlying]]\n{entry}perp = {str(perp).lower()}\n"
        chosen = load_listing(text, underlyings=[name])
        number = chosen.underlying[name]
        own = [
            command
            for command in chosen.commands
            if isinstance(command, ListUnderlying | ListAsset | ListMarket) and command.underlying == number
        ]
        always = never_close(chosen)
        self._do(*own, *_opened([chosen.terms[name]], always))
        self._listing_text = text
        self._open_always = (self._open_always or frozenset()) | always
        return self.markets()

    # --- accounts and money ---------------------------------------------------------------------------------------

    def open_account(self, account: int | None = None, *, owner: int | None = None) -> int:
        """Opens an account and returns its id: the next free one, owned by itself, unless told otherwise."""
        if account is None:
            account = max((line.account for line in reports.accounts(self.core)), default=0) + 1
        self._do(OpenAccount(owner=account if owner is None else owner), account=account)
        return account

    def deposit(self, account: int, asset: str, amount: Number, *, reference: int | None = None) -> Events:
        """Tokens or coins arrive for an account. `reference`: the outside's number of the arrival, which must rise."""
        number, size = self._amount(asset, amount)
        told = self.sequence + 1 if reference is None else reference
        return self._do(Deposit(asset=number, amount=size, reference=told), account=account)

    def withdraw(self, account: int, asset: str, amount: Number) -> Events:
        """Asks for tokens or coins back; refused where the portfolio needs them."""
        number, size = self._amount(asset, amount)
        return self._do(RequestWithdrawal(asset=number, amount=size), account=account)

    def _amount(self, asset: str, amount: Number) -> tuple[int, int]:
        held = {name: one for name, one in self.instruments.held.items() if not one.perp}
        if asset not in held:
            raise unknown("the asset", asset, held)
        return held[asset].id, units_of(amount, held[asset].per_unit, "amount", asset)

    # --- trading --------------------------------------------------------------------------------------------------

    def buy(
        self, account: int, market: str, quantity: Number, price: Number = None, **options: bool
    ) -> Events:
        """Buys shares (perp) or tokens (spot): at most at `price`, or without one what the book gives now inside the collar."""
        return self.order(account, Side.BID, market, quantity, price, **options)

    def sell(
        self, account: int, market: str, quantity: Number, price: Number = None, **options: bool
    ) -> Events:
        """The same on the other side."""
        return self.order(account, Side.ASK, market, quantity, price, **options)

    def order(
        self,
        account: int,
        side: Side,
        market: str,
        quantity: Number,
        price: Number = None,
        *,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> Events:
        """One order; what does not trade at once rests at `price`, or is cancelled where there is none."""
        terms = self._market(market)
        lots = units_of(quantity, 1 / lots_in(terms, self.instruments), "quantity", market, whole="lots")
        ticks = 0 if price is None else self._ticks(price, terms)
        flags = (Flags.POST_ONLY if post_only else 0) | (Flags.REDUCE_ONLY if reduce_only else 0)
        return self._do(
            PlaceOrder(
                market=terms.market,
                side=side,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
                time_in_force=TimeInForce.IOC if price is None else TimeInForce.GTC,
                flags=flags,
                price=ticks,
                lots=lots,
            ),
            account=account,
        )

    def quote(
        self, account: int, market: str, quantity: Number, *, width: str = "20 bps", levels: int = 1
    ) -> Events:
        """Rests a bid and an ask around the index, `width` apart: a market maker in one line.

        With more `levels` the next prices are one width further out each, with the same quantity. The account's other orders in
        the market are cancelled. From now on `price` renews these quotes around the new index, before the clock runs; `cancel`
        ends that. Raises DataError: no price yet.
        """
        terms = self._market(market)
        self._quotes = self._quotes | {(account, market): (quantity, width, levels)}
        return Events(tuple(self._requote(account, terms, quantity, width, levels)), self.instruments)

    def _requote(
        self, account: int, terms: MarketName, quantity: Number, width: str, levels: int
    ) -> Sequence[EventMessage]:
        line = next(line for line in reports.markets(self.core) if line.market == terms.market)
        if line.index_ticks <= 0:
            raise DataError(f"{terms.name} has no price yet: post one first.", market=terms.name)
        half = Fraction(units.rate_ppm(width, "width"), 2_000_000)
        tick = tick_of(terms, self.instruments)
        told = [*self._do(CancelAll(market=terms.market), account=account)]
        for level in range(levels):
            away = half * (1 + 2 * level)
            bid, ask = floor(line.index_ticks * (1 - away)), ceil(line.index_ticks * (1 + away))
            told += self.buy(account, terms.name, quantity, bid * tick, post_only=True)
            told += self.sell(account, terms.name, quantity, ask * tick, post_only=True)
        return told

    def cancel(self, account: int, market: str | None = None) -> Events:
        """Cancels an account's open orders, in one market or in all."""
        number = self._market(market).market if market else 0
        self._quotes = {
            key: terms
            for key, terms in self._quotes.items()
            if key[0] != account or market not in (None, key[1])
        }
        return self._do(CancelAll(market=number), account=account)

    def _ticks(self, price: Number, terms: MarketName) -> int:
        tick = tick_of(terms, self.instruments)
        return units_of(price, 1 / tick, "price", terms.name, whole="ticks")

    # --- the outside: prices, sessions, time ----------------------------------------------------------------------

    def price(self, prices: Mapping[str, Number] | pd.Series | None = None, /, **named: Number) -> Events:
        """Every source of these names posts its price (dollars), and the venue's clock runs: marks, ladder, liquidation.

        An index that does not follow at once (a jump beyond the listing's limit behind too few sources, an opening) is posted again
        every half minute, as a market would, for three minutes at most. Raises DataError: an unknown name or no price.
        """
        told = dict(prices if prices is not None else {}) | named
        posted = {name: self._scaled(name, value) for name, value in told.items()}
        events = [*self._post(posted)]
        for patience in range(_PATIENCE):
            doubted = [
                line
                for line in reports.underlyings(self.core)
                if line.name in posted and line.quality in (Quality.SUSPECT, Quality.STALE)
            ]
            away = any(
                line.name in posted and line.index != posted[line.name] and line.quality == Quality.LIVE
                for line in reports.underlyings(self.core)
            )
            if not doubted and not (away and patience < _BLEND):
                break
            events += [*self.advance("30 s", step="30 s", keep_prices=False), *self._post(posted)]
        return Events(tuple(events), self.instruments)

    def _scaled(self, name: str, value: Number) -> int:
        names = self.instruments.underlyings
        if name not in names:
            raise unknown("the underlying", name, names)
        return units_of(value, Fraction(10 ** names[name].decimals), "price", name)

    def _post(self, prices: Mapping[str, int]) -> Sequence[EventMessage]:
        """Every source's price, then the quotes around what the index is now, then the clock."""
        names = self.instruments
        chosen = [(names.underlyings[name], price) for name, price in prices.items()]
        told = [
            *self._do(
                *(
                    _post_price(terms.underlying, source, price, self.time_ns, nav=terms.nav)
                    for terms, price in chosen
                    for source in terms.sources
                )
            )
        ]
        for (account, market), quoted in self._quotes.items():
            if names.underlying_of(names.markets[market].underlying) in prices:
                told += self._requote(account, names.markets[market], *quoted)
        return [*told, *self._do(AdvanceTime())]

    def session(self, session: str, underlyings: str | Sequence[str] | None = None) -> Events:
        """Changes the session of these names; by default of every name that closes.

        `session` as for `novate.margin`; `calendar` is the exchange's own session at the engine's time, with its closure ahead.
        """
        if session != CALENDAR and session not in NAMES:
            raise DataError(f"session = {session!r}: expected {EXPECTED}.", value=session)
        rules = self.rules
        known = rules.instruments.underlyings
        chosen = [underlyings] if isinstance(underlyings, str) else underlyings
        names = [name for name in known if name not in rules.open_always] if chosen is None else chosen
        for name in names:
            if name not in known:
                raise unknown("the underlying", name, known)
        if session == CALENDAR:
            change = calendar.session_changes(self.time_ns, self.time_ns + 1, extended=True)[0]
            commands: list[Command] = [change.command(known[name].underlying) for name in names]
        else:
            closing = {name: name not in rules.open_always for name in names}
            commands = [
                _set_session(known[name].underlying, NAMES[session], closes=closing[name]) for name in names
            ]
        return self._do(*commands, AdvanceTime())

    def advance(self, duration: str, *, step: str = "5 s", keep_prices: bool = True) -> Events:
        """Lets time pass ("90 s", "4 h", "2 d") in steps; sources repeat their last prices unless told not to.

        Each step runs what is due: settlements, interest, marks, the ladder. Time without prices makes indexes stale.
        """
        span, stride = units.duration_ns(duration, "duration"), units.duration_ns(step, "step")
        if span < 0 or stride <= 0:
            raise DataError(f"duration = {duration!r}, step = {step!r}: expected time that passes.")
        start, key = self.time_ns, explain.keys(self.core, AdvanceTime(), 0)[0]
        said = [
            (line.underlying, source.source, source.price, line.nav)
            for line in self.instruments.listed.underlyings
            for source in (questions.sources(self.core, line.underlying) if keep_prices else ())
            if source.price
        ]
        times = [*range(start + stride, start + span, stride), *([start + span] if span else [])]
        told: tuple[EventMessage, ...] = ()
        per = max(_AT_ONCE // (len(said) + 1), 1)
        for first in range(0, len(times), per):
            buffer = b"".join(
                encode(command, actor=key, time_ns=at)
                for at in times[first : first + per]
                for command in (*(_post_price(u, s, p, at, nav=nav) for u, s, p, nav in said), AdvanceTime())
            )
            filled = stamp(buffer, self.sequence + 1, None, self.time_ns)
            told += tuple(iter_events(self.core.apply(filled.payload)))
        return Events(told, self.instruments)

    # --- answers --------------------------------------------------------------------------------------------------

    def explain(self, account: int) -> Explained:
        """Why an account's margin is what it is: a sentence, its levels, what each holding makes of it, and how far each state is."""
        return Explained(explain.account(self.core, _account_id(account)))

    def what_if(self, account: int, *wishes: Wish) -> Outcome:
        """What commands and price shocks would do to an account, on a fork; see `novate.explain.what_if`."""
        return explain.what_if(self.core, _account_id(account), wishes)

    def margin(
        self, positions: Positions, prices: Any = None, session: Any = None, **options: Any
    ) -> pd.DataFrame:
        """`novate.margin` under this venue's rules, by default at its prices and sessions as they stand."""
        return margin(positions, prices, session, self, **options)

    def contributions(
        self, positions: Positions, prices: Any = None, session: Any = None, **options: Any
    ) -> pd.DataFrame:
        """`novate.contributions` under this venue's rules, by default at its prices and sessions as they stand."""
        return contributions(positions, prices, session, self, **options)

    def accounts(self) -> pd.DataFrame:
        """Every account against its requirements, dollars: equity at maintenance, excess against each level's own equity."""
        return views.accounts(self.core)

    def holdings(self, account: int) -> pd.DataFrame:
        """What an account holds: quantity in tokens, coins or shares, value at maintenance and a perp's result, dollars."""
        return views.holdings(self.core, self.instruments, _account_id(account))

    def prices(self) -> pd.DataFrame:
        """Every name's index and stable price (dollars), how far it can be trusted, and its session."""
        return views.prices(self.core, self.instruments)

    def markets(self) -> pd.DataFrame:
        """Every market with its best prices and steps, in dollars and shares or tokens."""
        return views.markets(self.core, self.instruments)

    def book(self, market: str, levels: int = 10) -> pd.DataFrame:
        """The best prices of both sides of a market: asks from the highest down, then bids."""
        return views.book(self.core, self.instruments, self._market(market), levels)

    def books(self) -> pd.DataFrame:
        """The venue's own accounts per asset, and `difference`: custody less everything owed, which is 0 always."""
        return views.books(self.core, self.instruments)

    def __repr__(self) -> str:
        if not self.sequence:
            return "Engine(nothing listed)"
        names = len(self.instruments.underlyings)
        accounts = len(reports.accounts(self.core))
        return (
            f"Engine({names} underlyings, {accounts} accounts, after command {self.sequence:,}, "
            f"{self.time:%Y-%m-%d %H:%M:%S} New York)"
        )


def _opened(names: Iterable[ListUnderlying], open_always: frozenset[str]) -> list[Command]:
    """Sources and regular sessions of newly listed names."""
    commands: list[Command] = []
    for terms in names:
        number, count = terms.underlying, max(SOURCES, terms.quorum)
        commands += [
            ListSource(underlying=number, source=at, name=f"source {at}") for at in range(1, count + 1)
        ]
        commands.append(_set_session(number, NAMES["regular"], closes=terms.name not in open_always))
    return commands


def _set_session(number: int, row: SessionRow, *, closes: bool) -> SetSession:
    """A session by name; what closes is known by a next session, whose time nobody has said."""
    session, *closure = row
    following = calendar.Session.CLOSED if closes else calendar.Session(session)
    change = SessionChange(0, calendar.Session(session), following, FAR if closes else 0, *closure)
    return change.command(number)


def _post_price(number: int, source: int, price: int, time_ns: int, *, nav: bool) -> PostPrice:
    return PostPrice(
        underlying=number,
        source=source,
        price=price,
        price_kind=PriceKind.ISSUER if nav else PriceKind.QUOTE,
        venue_time_ns=time_ns,
        size=_DEEP,
    )


def _account_id(account: int) -> int:
    """An account's id as the engine's questions take it, or a UnitError that says what was given."""
    return checked_integer(account, "u64", "account")
