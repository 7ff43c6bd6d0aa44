"""What REST serves: one table, from which the server, its description and the tests are made.

Responsible for: every path with its method, access, parameters and answer. Never: speaks HTTP (`rest.py`), decides who may (`gate.py`), or
computes: an answer is a report of the engine in the public language.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import msgspec

from novate import explain
from novate.gateway.book_orders import BookOrdersSnapshot, whole_snapshot
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.history import ZONES, period, statement_of, told
from novate.messages import refusals as engine_rules
from novate.messages import reports
from novate.messages.reports import (
    clearing,
    corporate,
    governance,
    lending,
    liquidation,
    orders,
    packages,
    prices,
)
from novate.messages.reports import explain as thresholds
from novate.messages.reports.base import Answers
from novate.projections import queries
from novate.projections.statements import PeriodOpen
from novate.reader_process import whole_book
from novate.schema.operations import client_id
from novate.schema.views import view


class Access(Enum):
    """Who may ask."""

    PUBLIC = "anybody"
    ACCOUNT = "who may read the account"
    VENUE = "the venue's own people"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number in the query string."""

    name: str
    meaning: str
    least: int
    most: int
    default: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A word in the query string."""

    name: str
    meaning: str
    words: tuple[str, ...]
    """The first is the default."""


@dataclass(frozen=True, slots=True)
class Read:
    """A question: path, access, and the report that answers it."""

    path: str
    summary: str
    access: Access
    answer: Callable[[Asked], Awaitable[tuple[Any, int]]]
    reports: tuple[type, ...] = ()
    """What the answer is made of, for its description; the last is wrapped in a list where `many`."""
    many: bool = False
    parameters: tuple[Parameter, ...] = ()
    weight: int = 1
    """What it costs of the budget."""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question came with."""

    door: Any
    """The gateway's parts: `link`, `streams`, `epoch`."""
    account: int = 0
    market: str = ""
    name: str = ""
    """Order, client id, period or corporate action in the path."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    min_seq: int = 0
    """The answer is of this position in the journal at least."""

    async def past(self, query: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, int]:
        """Asks the read models, which may be behind the gateway. Raises GatewayRefused."""
        if self.min_seq:
            await self.door.history.reached(self.min_seq)
        found: tuple[Any, int] = await self.door.history.ask(query, *args, **kwargs)
        return found

    def market_id(self) -> int:
        """Id of the market in the path. Raises GatewayRefused."""
        found = self.door.catalogue.market_ids.get(self.market)
        if found is None:
            raise GatewayRefused(
                Rule.THING_MUST_EXIST, f"There is no market {self.market[:40]!r}.", field="market"
            )
        return int(found)


def _of_account(question: Callable[[Answers, int], Any]) -> Callable[[Asked], Awaitable[tuple[Any, int]]]:
    async def answer(asked: Asked) -> tuple[Any, int]:
        report, seq = await asked.door.link.ask(question, asked.account)
        return view(asked.door.catalogue, report), seq

    return answer


def _of_venue(question: Callable[[Answers], Any]) -> Callable[[Asked], Awaitable[tuple[Any, int]]]:
    async def answer(asked: Asked) -> tuple[Any, int]:
        report, seq = await asked.door.link.ask(question)
        return view(asked.door.catalogue, report), seq

    return answer


def _of_everybody(question: Callable[[Answers], Any]) -> Callable[[Asked], Awaitable[tuple[Any, int]]]:
    """The same for a question that walks every account: one answer for all who ask within a while."""
    answer = _of_venue(question)

    async def shared(asked: Asked) -> tuple[Any, int]:
        found: tuple[Any, int] = await asked.door.shared.of(question, lambda: answer(asked), asked.min_seq)
        return found

    return shared


async def _markets(asked: Asked) -> tuple[Any, int]:
    (names, live), seq = await asked.door.link.ask(
        lambda engine: (asked.door.catalogue, reports.markets(engine))
    )
    found = [
        _market(names.markets[line.market], view(names, line))
        for line in live
        if line.market in names.markets
    ]
    return (next((one for one in found if one["name"] == asked.market), None) if asked.market else found), seq


def _market(market: Any, live: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": market.name,
        "kind": "perp" if market.perp else "spot",
        "underlying": market.underlying.name,
        "base": market.base.name if market.base else None,
        "quote": market.quote.name,
        "price_step": market.price.text(1),
        "quantity_step": market.quantity.text(1),
        **{name: value for name, value in live.items() if name not in {"market", "name", "perp", "unit"}},
    }


async def _one_market(asked: Asked) -> tuple[Any, int]:
    asked.market_id()
    return await _markets(asked)


async def _auction(asked: Asked) -> tuple[Any, int]:
    report, seq = await asked.door.link.ask(orders.auction, asked.market_id())
    return view(asked.door.catalogue, report), seq


async def _listing(asked: Asked) -> tuple[Any, int]:
    """Ids and scales as the engine has them: whoever lists more must know which are taken, and may use their names from then on."""
    found = await asked.door.link.renew_catalogue()
    plain = msgspec.to_builtins(found.listed)
    for line in (line for lines in plain.values() for line in lines):
        line |= {name: str(line[name]) for name in _IDS & line.keys()}
        if "sources" in line:
            line["sources"] = [str(number) for number in line["sources"]]
    return plain, asked.door.link.sequence


async def _dry_run(asked: Asked) -> tuple[Any, int]:
    if not asked.name.isascii() or not asked.name.isdigit() or int(asked.name) >= 2**64:
        raise GatewayRefused(Rule.THING_MUST_EXIST, "A corporate action is a whole number.", field="action")
    number = int(asked.name)
    known, _ = await asked.door.link.ask(corporate.actions)
    underlying = next((one.underlying for one in known if one.action == number), 0)
    report, seq = await asked.door.link.ask(corporate.dry_run, number)
    return view(asked.door.catalogue, report, underlying=underlying), seq


async def _book(asked: Asked) -> tuple[Any, int]:
    asked.market_id()
    await asked.door.link.fall_in_step()
    book = asked.door.streams.book(asked.market)
    return book.snapshot(asked.numbers["depth"]), book.seq


async def _book_orders(asked: Asked) -> tuple[Any, int]:
    """As the reader has it, all of one moment; made into text off the event loop, for a book may be long."""
    listed = asked.door.catalogue.markets[asked.market_id()]

    def told(engine: Any) -> BookOrdersSnapshot:
        return whole_snapshot(listed, asked.door.epoch, whole_book(engine, listed.id))

    found, _ = await asked.door.link.ask(told)
    return found, found.seq


async def _trades(asked: Asked) -> tuple[Any, int]:
    await asked.door.link.fall_in_step()
    await asked.door.past_trades.fall_in_step()
    kept = asked.door.streams.trades.get(asked.market_id(), ())
    return list(kept)[-asked.numbers["limit"] :][::-1], asked.door.link.sequence


async def _prices(asked: Asked) -> tuple[Any, int]:
    await asked.door.link.fall_in_step()
    return list(asked.door.streams.prices.values()), asked.door.link.sequence


async def _assets(asked: Asked) -> tuple[Any, int]:
    catalogue = asked.door.catalogue
    found = [
        {
            "name": line.name,
            "kind": "stablecoin" if line.stablecoin else "token",
            "underlying": catalogue.underlyings[line.underlying].name,
            "decimals": line.decimals,
            "shares_per_token": catalogue.shares_text(line),
            "can_be_lent": line.pool,
        }
        for line in catalogue.assets.values()
    ]
    return found, asked.door.link.sequence


async def _time(asked: Asked) -> tuple[Any, int]:
    link = asked.door.link
    return {"ts_ns": link.time_ns, "seq": link.sequence, "epoch": asked.door.epoch}, link.sequence


async def _status(asked: Asked) -> tuple[Any, int]:
    return asked.door.status() | {"notices": asked.door.notices.current()}, asked.door.link.sequence


async def _notices(asked: Asked) -> tuple[Any, int]:
    numbers = asked.numbers
    current = bool(numbers["current"])
    page = await asked.door.notices.page(numbers["before_ns"], numbers["limit"], current=current)
    return page, asked.door.link.sequence


async def _limits(asked: Asked) -> tuple[Any, int]:
    return asked.door.limits(), asked.door.link.sequence


async def _refusals(asked: Asked) -> tuple[Any, int]:
    found = [
        {"number": one.number, "code": one.name, "message": one.sentence, "retryable": one.retry}
        for one in engine_rules.rules().values()
    ]
    found += asked.door.own_refusals()
    return sorted(found, key=lambda one: one["number"]), asked.door.link.sequence


async def _explain(asked: Asked) -> tuple[Any, int]:
    found, seq = await asked.door.link.ask(explain.account, asked.account)
    catalogue = asked.door.catalogue
    return {
        "sentence": found.sentence,
        "account": view(catalogue, found.holdings),
        "margin": view(catalogue, found.margin),
        "thresholds": view(catalogue, found.thresholds),
    }, seq


async def _margin_calls(asked: Asked) -> tuple[Any, int]:
    return await asked.door.alerts(lambda book: book.calls(asked.account)), asked.door.link.sequence


async def _alerts(asked: Asked) -> tuple[Any, int]:
    numbers = asked.numbers
    found = await asked.door.alerts(
        lambda book: book.after(numbers["after"], asked.account, numbers["limit"])
    )
    return [{"number": number, "alert": alert} for number, alert in found], asked.door.link.sequence


def _page(asked: Asked) -> dict[str, Any]:
    """The page that the parameters name."""
    numbers = asked.numbers
    after = (numbers["after_seq"], numbers["after_index"] - 1) if numbers["after_seq"] else None
    return {"after": after, "limit": numbers["limit"], "newest": bool(numbers["newest"])}


def _past(query: Callable[..., Any]) -> Callable[[Asked], Awaitable[tuple[Any, int]]]:
    async def answer(asked: Asked) -> tuple[Any, int]:
        rows, seq = await asked.past(query, asked.account, **_page(asked))
        return told(asked.door.catalogue, rows), seq

    return answer


async def _public_liquidations(asked: Asked) -> tuple[Any, int]:
    rows, seq = await asked.past(queries.liquidations, None, **_page(asked))
    return [
        {name: one for name, one in row.items() if name != "account"}
        for row in told(asked.door.catalogue, rows)
    ], seq


async def _funding_rates(asked: Asked) -> tuple[Any, int]:
    rows, seq = await asked.past(queries.funding_rates, asked.market_id(), **_page(asked))
    return told(asked.door.catalogue, rows), seq


async def _candles(asked: Asked) -> tuple[Any, int]:
    numbers = asked.numbers
    rows, seq = await asked.past(
        queries.candles, asked.market_id(), numbers["interval_s"], limit=numbers["limit"], newest=True
    )
    return told(asked.door.catalogue, rows), seq


async def _holdings(asked: Asked) -> tuple[Any, int]:
    at = asked.numbers["at_seq"] or None
    rows, seq = await asked.past(queries.balances, asked.account, at)
    return told(asked.door.catalogue, rows), seq


async def _by_client_id(asked: Asked) -> tuple[Any, int]:
    """Never older than what was acknowledged: waits for the read models to come so far."""
    await asked.door.history.reached(asked.door.link.sequence)
    row, seq = await asked.past(queries.order_by_client_id, asked.account, client_id(asked.name))
    if row is None:
        raise GatewayRefused(
            Rule.THING_MUST_EXIST, "The account sent no order under this client id.", field="client_id"
        )
    return told(asked.door.catalogue, [row])[0], seq


async def _order(asked: Asked) -> tuple[Any, int]:
    if not asked.name.isascii() or not asked.name.isdigit() or int(asked.name) >= 2**64:
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, "An order is a whole number of 64 bits.", field="order"
        )
    await asked.door.history.reached(asked.door.link.sequence)
    row, seq = await asked.past(queries.order, asked.account, int(asked.name))
    if row is None:
        raise GatewayRefused(Rule.THING_MUST_EXIST, "The account has and had no such order.", field="order")
    return told(asked.door.catalogue, [row])[0], seq


async def _events(asked: Asked) -> tuple[Any, int]:
    door, numbers = asked.door, asked.numbers
    await door.link.fall_in_step()
    found = await door.backlog.events(asked.account, numbers["after"], numbers["limit"])
    teller = door.streams.teller()
    return [msgspec.Raw(teller.tell(one)) for one in found.events], found.sequence


async def _statement(asked: Asked) -> tuple[Any, int]:
    try:
        zone = ZONES[asked.words["day"]]
        found: tuple[Any, int] = await asked.past(statement_of, asked.account, period(asked.name, zone))
    except PeriodOpen as error:
        raise GatewayRefused(Rule.THING_MUST_EXIST, error.sentence, field="period") from error
    return found


_IDS: Final = frozenset(("underlying", "asset", "market", "base", "quote"))
DEPTH: Final = Parameter("depth", "Levels a side.", 1, 1000, 50)
LIMIT: Final = Parameter("limit", "How many, newest first.", 1, 1000, 100)
MOST: Final = Parameter("limit", "How many at most.", 1, 1000, 100)
PAGE: Final = (
    Parameter(
        "after_seq",
        "Rows behind this position (before it, where newest come first); 0 for the first page.",
        0,
        2**62,
        0,
    ),
    Parameter("after_index", "And behind this index there.", 0, 2**31, 0),
    Parameter("limit", "How many.", 1, 1000, 100),
    Parameter("newest", "1: newest first.", 0, 1, 1),
)
NOTICES: Final = (
    Parameter("before_ns", "Published before this time; 0 for the newest.", 0, 2**63 - 1, 0),
    Parameter("limit", "How many; more where several were published at one moment.", 1, 1000, 100),
    Parameter("current", "1: only those that are not over.", 0, 1, 0),
)
INTERVAL: Final = Parameter("interval_s", "Seconds of a candle: 60, 300, 3600 or 86400.", 60, 86_400, 60)
AFTER: Final = Parameter("after", "Alerts behind this number; 0 for all.", 0, 2**62, 0)
AFTER_EVENT: Final = Parameter("after", "Events behind this number of the account's.", 0, 2**62, 0)
AT: Final = Parameter("at_seq", "As of this position in the journal; 0 for the last one.", 0, 2**62, 0)
MIN_SEQ: Final = Parameter(
    "min_seq",
    "Waits until the answer is of this position in the journal at least; 0 for none.",
    0,
    2**63 - 1,
    0,
)
"""Taken by every question."""
DAY: Final = Choice(
    "day", "Where a day begins: at midnight in UTC, or in New York, daylight saving included.", tuple(ZONES)
)

READS: Final[tuple[Read, ...]] = (
    Read("/time", "The venue's time and the journal's position.", Access.PUBLIC, _time),
    Read("/status", "Whether the venue takes commands, as of when, and the notices that are current or to come.", Access.PUBLIC, _status),
    Read("/notices", "What the venue tells everybody, newest first; `next_before_ns` asks for the next page.", Access.PUBLIC, _notices, parameters=NOTICES),
    Read("/limits", "What a connection, a key and an owner may send.", Access.PUBLIC, _limits),
    Read("/refusals", "Every numbered refusal.", Access.PUBLIC, _refusals),
    Read("/markets", "What trades, with its steps and its state.", Access.PUBLIC, _markets),
    Read("/markets/{market}", "One market.", Access.PUBLIC, _one_market),
    Read("/markets/{market}/book", "A book, best levels first.", Access.PUBLIC, _book, parameters=(DEPTH,)),
    Read("/markets/{market}/auction", "Its phase and, while orders gather, what its auction would trade now.", Access.PUBLIC, _auction, (orders.Auction,)),
    Read("/markets/{market}/book/orders", "The whole book, order by order, those that trade first in front; without whose they are.", Access.PUBLIC, _book_orders, weight=10),
    Read("/markets/{market}/trades", "The latest trades.", Access.PUBLIC, _trades, parameters=(LIMIT,)),
    Read("/assets", "What can be held.", Access.PUBLIC, _assets),
    Read("/prices", "Index, stable price, quality, session, marks and funding of every underlying.", Access.PUBLIC, _prices),
    Read("/underlyings", "Every underlying as the engine sees it.", Access.PUBLIC, _of_venue(reports.underlyings), (reports.UnderlyingLine,), True),
    Read("/gates", "What is allowed at each underlying's price quality now.", Access.PUBLIC, _of_venue(prices.gates), (prices.Gate,), True),
    Read("/pools", "Lending pools: rate, utilisation, what can be withdrawn now.", Access.PUBLIC, _of_venue(lending.pools), (lending.Pool,), True),
    Read("/lines", "Committed lines that can be bought.", Access.PUBLIC, _of_venue(lending.line_types), (lending.LineType,), True),
    Read("/capacity", "What can be issued and redeemed now, and what binds it.", Access.PUBLIC, _of_venue(clearing.capacity), (clearing.Capacity,), True),
    Read("/issuance-terms", "Fees, limits and the table of sessions and channels of every token that is issued and redeemed here.", Access.PUBLIC, _of_venue(clearing.terms), (clearing.IssuanceTerms,), True),
    Read("/supply", "Backing of every token against what is out.", Access.PUBLIC, _of_venue(clearing.supply), (clearing.Supply,), True),
    Read("/insurance", "Insurance by bucket: balance, target, draws; as of a few seconds ago where `min_seq` asks for no more.", Access.PUBLIC, _of_everybody(liquidation.insurance), (liquidation.BucketInsurance,), True),
    Read("/open-interest", "Open interest and its caps.", Access.PUBLIC, _of_venue(liquidation.open_interest), (liquidation.OpenInterest,), True),
    Read("/auctions", "Backstop auctions that run.", Access.PUBLIC, _of_venue(liquidation.auctions), (liquidation.Auction,), True),
    Read("/conservation", "Per asset what is in custody less all that is owed, and per market what its positions come to: 0 always; as of a few seconds ago where `min_seq` asks for no more.", Access.PUBLIC, _of_everybody(reports.ledger), (reports.LedgerReport,)),
    Read("/accounts/{account}", "Equity, requirements, balances, positions and open orders.", Access.ACCOUNT, _of_account(reports.account), (reports.AccountReport,)),
    Read("/accounts/{account}/margin", "Why the requirement is what it is, by term and position; it sums exactly.", Access.ACCOUNT, _of_account(reports.margin), (reports.MarginReport,)),
    Read("/accounts/{account}/explain", "In one sentence why its margin is what it is and what would liquidate it, and the figures behind it.", Access.ACCOUNT, _explain),
    Read("/accounts/{account}/distance", "How far each price is from liquidating the account.", Access.ACCOUNT, _of_account(reports.distance), (reports.Distance,), True),
    Read("/accounts/{account}/thresholds", "At which prices it comes into each state.", Access.ACCOUNT, _of_account(thresholds.thresholds), (thresholds.Thresholds,), True),
    Read("/accounts/{account}/waiting", "Triggers, parent orders and the dead-man switch.", Access.ACCOUNT, _of_account(orders.waiting), (orders.Waiting,)),
    Read("/accounts/{account}/standing", "Liquidation state, stages ahead, and its rank for deleveraging.", Access.ACCOUNT, _of_account(liquidation.standing), (liquidation.Standing,), weight=10),
    Read("/accounts/{account}/claims", "What it lends.", Access.ACCOUNT, _of_account(lending.claims), (lending.Claim,), True),
    Read("/accounts/{account}/loans", "What it borrows.", Access.ACCOUNT, _of_account(lending.loans), (lending.Loan,), True),
    Read("/accounts/{account}/calls", "Cash calls and called loans.", Access.ACCOUNT, _of_account(lending.calls), (lending.Call,), True),
    Read("/accounts/{account}/requests", "Issuance and redemption requests.", Access.ACCOUNT, _of_account(clearing.requests), (clearing.Request,), True),
    Read("/accounts/{account}/offers", "Blocks, requests for quotes and quotes.", Access.ACCOUNT, _of_account(packages.offers), (packages.Offers,)),
    Read("/markets/{market}/candles", "Candles from trades, newest first.", Access.PUBLIC, _candles, parameters=(INTERVAL, LIMIT)),
    Read("/markets/{market}/funding", "The hours' funding rates.", Access.PUBLIC, _funding_rates, parameters=PAGE),
    Read("/liquidations", "Liquidations, without whose.", Access.PUBLIC, _public_liquidations, parameters=PAGE),
    Read("/accounts/{account}/orders", "Orders, live and ended.", Access.ACCOUNT, _past(queries.orders), parameters=PAGE),
    Read("/accounts/{account}/orders/{order}", "One order.", Access.ACCOUNT, _order),
    Read("/accounts/{account}/client-orders/{client_id}", "The newest order under a client id; as of the last acknowledgement at least.", Access.ACCOUNT, _by_client_id),
    Read("/accounts/{account}/fills", "Fills.", Access.ACCOUNT, _past(queries.fills), parameters=PAGE),
    Read("/accounts/{account}/events", "What it was told, oldest first, by the same numbers as the account channel.", Access.ACCOUNT, _events, parameters=(AFTER_EVENT, MOST)),
    Read("/accounts/{account}/transfers", "What arrived, left, or moved between accounts.", Access.ACCOUNT, _past(queries.transfers), parameters=PAGE),
    Read("/accounts/{account}/ledger", "Every change of what the account owns, with its cause and the sum after it.", Access.ACCOUNT, _past(queries.ledger), parameters=PAGE),
    Read("/accounts/{account}/holdings", "What it owned at any position in the journal.", Access.ACCOUNT, _holdings, parameters=(AT,)),
    Read("/accounts/{account}/funding", "Settlements of its perps.", Access.ACCOUNT, _past(queries.funding), parameters=PAGE),
    Read("/accounts/{account}/interest", "Interest paid and earned.", Access.ACCOUNT, _past(queries.interest), parameters=PAGE),
    Read("/accounts/{account}/liquidations", "Its liquidations.", Access.ACCOUNT, _past(queries.liquidations), parameters=PAGE),
    Read("/accounts/{account}/margin-history", "Equity and requirements through time.", Access.ACCOUNT, _past(queries.margin_history), parameters=PAGE),
    Read("/accounts/{account}/margin-calls", "What it must bring, by when, and what would cure it.", Access.ACCOUNT, _margin_calls),
    Read("/accounts/{account}/alerts", "Its alerts, oldest first.", Access.ACCOUNT, _alerts, parameters=(AFTER, LIMIT)),
    Read("/accounts/{account}/statements/{period}", "A day's or month's statement: opening to closing equity, by source.", Access.ACCOUNT, _statement, choices=(DAY,)),
    Read("/corporate-actions", "Corporate actions that are announced or scheduled, delistings among them, and those of which records are kept.", Access.PUBLIC, _of_venue(corporate.actions), (corporate.ActionLine,), True),
    Read("/admin/listing", "Everything listed, with its ids; prices, steps and sizes are whole numbers at the scales that stand beside them.", Access.VENUE, _listing),
    Read("/admin/corporate-actions/{action}/dry-run", "What a corporate action would do to every account now, carried out on a copy.", Access.VENUE, _dry_run, (corporate.DryRun,)),
    Read("/admin/accounts", "Every account against its requirements.", Access.VENUE, _of_venue(reports.accounts), (reports.AccountLine,), True),
    Read("/admin/actors", "Keys as the engine has them, with roles.", Access.VENUE, _of_venue(governance.actors), (governance.ActorLine,), True),
    Read("/admin/changes", "Open changes.", Access.VENUE, _of_venue(governance.changes), (governance.ChangeLine,), True),
    Read("/admin/restrictions", "Restrictions in force.", Access.VENUE, _of_venue(governance.restrictions), (governance.RestrictionLine,), True),
    Read("/admin/caps", "Caps in force and how much is used.", Access.VENUE, _of_venue(governance.caps), (governance.CapLine,), True),
    Read("/admin/breaks", "Breaks between the ledger and the brokers.", Access.VENUE, _of_venue(clearing.breaks), (clearing.Break,), True),
    Read("/admin/brokers", "Brokers and their balances.", Access.VENUE, _of_venue(clearing.brokers), (clearing.Broker,), True),
)  # fmt: skip
