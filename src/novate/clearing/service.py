"""The service's one worker: what was heard becomes commands, what is wanted goes to brokers, each step kept before it is taken.

    work = Clearing(outbox, brokers, submit, ...)
    work.open()
    while True:
        work.heard(told)        # events of the core
        work.step(now_ns)       # everything that is due

Responsible for: the order of things, so that a kill between any two of them loses nothing and does nothing twice. An order is kept as leaving
before it leaves; a report is kept before the broker may forget it; a word is over in the same transaction in which its order moves on. Never:
decides a rule of the venue, waits, or opens a socket.

`on_step` is called at each boundary with its name (`STEPS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from novate.broker import (
    AskOrder,
    Broker,
    CancelOrder,
    Hear,
    Heard,
    Instruction,
    LineDown,
    LineLost,
    LineUp,
    PrimaryMarket,
)
from novate.clearing.conversion import Changer
from novate.clearing.desk import DeskTerms, Why, Wish, depth, firm_price
from novate.clearing.intake import RENAMES, Intake
from novate.clearing.life import AWAY, State
from novate.clearing.names import Names
from novate.clearing.outbox import Kept, Order, Outbox
from novate.clearing.reporting import ALONE, ONCE, Told, is_no_news, leaves_open, told
from novate.clearing.words import Over, PriceAsked, Returned
from novate.core_process import Answered
from novate.errors import MessageError
from novate.messages import AdvanceTime, BrokerOrderRaised, CommandRefused, encode, iter_events
from novate.messages.commands.clearing import GiveFirmPrice, PostDepth
from novate.messages.events.clearing import BreakOpened
from novate.messages.refusals import rule

STEPS: Final = (
    "report kept", "events kept", "order leaving", "order sent", "asking", "asked", "cancelling", "cancelled", "words told", "words over",
    "given back", "telling once", "conversion sent", "conversion ended",
)  # fmt: skip
"""Where a kill is tested."""
_AT_ONCE: Final = 64
"""Words told in one buffer."""
_MOST_SENDS: Final = 5
"""An order that a broker so often never had goes back to the engine."""
_QUIET_NS: Final = 10**9
"""How long nothing is said on a line where something did not leave."""
_MOST_PROBLEMS: Final = 100
_FORGET_EVERY_NS: Final = 600 * 10**9
_PLACE_EVERY_NS: Final = 10**9
"""How often it is kept how far the venue was heard, where it says nothing of interest."""

Submit = Callable[[bytes, int], Answered | None]
"""Sends a buffer of so many commands; None where the line was cut before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the service goes by. Times are of the venue's clock.

    Attributes:
        actor: Key of the service; 0 on a venue without governance.
        for_clients: Key by which it acts for accounts of clients of the tokenisation network.
        patience_ns: How long an order waits for a line before the engine sends it elsewhere.
        answer_ns: How long an order may stay unacknowledged before the broker is asked about it.
        kept_ns: How long what is over is remembered.
        depth_ns: How often depth is posted.
        quote_ns: How old a question for a price may be.
        desk: How prices are made.
    """

    actor: int = 0
    for_clients: int = 0
    patience_ns: int = 5 * 10**9
    answer_ns: int = 30 * 10**9
    kept_ns: int = 100 * 86_400 * 10**9
    depth_ns: int = 10 * 10**9
    quote_ns: int = 20 * 10**9
    desk: DeskTerms


@dataclass(slots=True)
class _Line:
    """A broker as it is seen from here."""

    adapter: Broker
    up: bool = False
    """As its last word says: a send that fails says only that nothing left just now."""
    heard: bool = False
    """Whether it had a word since the start."""
    since_ns: int = 0
    quiet_until_ns: int = 0
    """Nothing is said before then."""
    owed: list[str] = field(default_factory=list)
    """Orders that are still to be asked about since it came up."""

    def stands(self, now_ns: int) -> bool:
        """Whether something can be said on it now."""
        return self.up and now_ns >= self.quiet_until_ns


@dataclass(slots=True)
class Seen:
    """What the worker counts and complains about, for health."""

    quoted: int = 0
    unquoted: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    """What a person has to look at, by what it is about."""


@dataclass(slots=True)
class _Answer:
    """What the engine said to words, by row: why it refused one, and which of them opened a break."""

    refused: dict[int, CommandRefused] = field(default_factory=dict)
    broke: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, answer: Answered) -> _Answer:
        found = cls()
        for event in iter_events(answer.events, (CommandRefused, BreakOpened)):
            row = event.header.request & 0xFFFF_FFFF
            if isinstance(event.body, CommandRefused):
                found.refused[row] = event.body
            else:
                found.broke.add(row)
        return found


class Clearing:
    """The worker. For one thread; `hear` of its brokers may be called from theirs."""

    def __init__(
        self,
        outbox: Outbox,
        intake: Intake,
        brokers: Mapping[int, Broker],
        submit: Submit,
        terms: Terms,
        *,
        market: PrimaryMarket | None,
        changer: Changer,
        names: Callable[[int], Names],
        wake: Callable[[], None] = lambda: None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.seen = Seen()
        self._outbox, self._intake, self._submit, self._terms = outbox, intake, submit, terms
        self._market, self._changer, self._ask_names = market, changer, names
        self._wake, self._mark = wake, on_step
        self._lines = {number: _Line(adapter) for number, adapter in brokers.items()}
        place = outbox.place
        self._salt = place.salt
        self._heard = self._kept = place.sequence
        """How far the venue was heard, and how far the outbox says so: a worker after this one hears the rest again."""
        self._kept_ns = 0
        self._fence = 0
        """Once the venue was heard up to here, what was told before this process is known to be in the journal or not."""
        self._posted: dict[int, tuple[int, int, int]] = {}
        self._forgot_ns = 0
        self._began_ns = 0

    # --- hearing -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens every line, each behind what was kept of it."""
        self._outbox.no_lines()
        for number, line in self._lines.items():
            line.adapter.open(self.hear(number), self._outbox.cursor(number))

    def close(self) -> None:
        """Closes every line."""
        for line in self._lines.values():
            line.adapter.close()

    def hear(self, broker: int) -> Hear:
        """What a broker's adapter calls with its reports."""

        def kept(heard: Heard) -> None:
            self._outbox.hear(broker, heard)
            self._mark("report kept")
            self._wake()

        return kept

    def heard(self, sequence: int, events: bytes) -> None:
        """Events of the venue up to command `sequence`; what was heard before is passed over."""
        self.heard_all(((sequence, events),))

    def heard_all(self, told: Iterable[tuple[int, bytes]]) -> None:
        """The same for all that came at once, as one transaction; none where nothing in it is of interest (`step` keeps the place)."""
        new = [(sequence, events) for sequence, events in told if sequence > self._heard]
        if not new:
            return
        until = new[-1][0]
        wanted = [event for _, events in new for event in iter_events(events, self._intake.watched)]
        if wanted:
            self._know(wanted, until)
            with self._outbox.heard_until(until):
                self._intake.take(wanted)
            self._kept = until
        self._heard = until
        if wanted:
            self._mark("events kept")

    def _keep_place(self, now_ns: int) -> None:
        """Keeps how far the venue was heard, when it is time."""
        if self._heard == self._kept or 0 <= now_ns - self._kept_ns < _PLACE_EVERY_NS:
            return
        with self._outbox.heard_until(self._heard):
            self._kept, self._kept_ns = self._heard, now_ns

    def _know(self, events: Iterable[Any], sequence: int) -> None:
        """Learns what was listed or split since, before anything of it is kept or priced."""
        known = self._intake.names.underlyings
        for body in (event.body for event in events):
            strange = isinstance(body, BrokerOrderRaised) and body.underlying not in known
            if strange or isinstance(body, RENAMES):
                self._intake.names = self._ask_names(sequence)
                return

    @property
    def sequence(self) -> int:
        """The last command of which it heard."""
        return self._heard

    @property
    def names(self) -> Names:
        """What is listed, as of the last event that changed it."""
        return self._intake.names

    # --- working -------------------------------------------------------------------------------------------------------

    def step(self, now_ns: int) -> bool:
        """Does all that is due; whether the core answered."""
        self._began_ns = self._began_ns or now_ns
        self._keep_place(now_ns)
        self._miss_lines(now_ns)
        answered = self._tell(now_ns)
        self._send(now_ns)
        self._question(now_ns)
        self._change(now_ns)
        if answered:
            answered = self._post_depth(now_ns)
        if now_ns - self._forgot_ns > _FORGET_EVERY_NS:
            self._forgot_ns = now_ns
            self._outbox.forget(now_ns - self._terms.kept_ns)
            if self._intake.network is not None:
                self._intake.network.forget(now_ns - self._terms.kept_ns)
        return answered

    def _miss_lines(self, now_ns: int) -> None:
        """A line of which nothing was heard since the start is lost: the engine must not count on it."""
        if now_ns - self._began_ns < self._terms.patience_ns:
            return
        for number, line in self._lines.items():
            if not line.heard:
                line.heard = True
                self._outbox.miss_line(number, LineLost(reason="not up since the start"), now_ns)

    # --- words to the core ---------------------------------------------------------------------------------------------

    def _tell(self, now_ns: int) -> bool:
        """Tells the core what waits, in order; False where it does not answer."""
        while True:
            waiting = self._outbox.waiting(_AT_ONCE)
            if not waiting:
                return True
            first = waiting[0]
            if isinstance(first.word, ONCE):
                if first.state == "telling" and not self._behind_fence():
                    return self._fence > 0
                answered = self._tell_once(first, now_ns)
            else:
                # One that must be told alone is a buffer of its own, and so is what comes before it.
                alone = (n for n, one in enumerate(waiting) if isinstance(one.word, ALONE))
                answered = self._tell_all(waiting[: next(alone, len(waiting)) or 1], now_ns)
            if not answered:
                return False

    def _tell_once(self, kept: Kept, now_ns: int) -> bool:
        """Tells what must not be told twice and, by the journal, was not."""
        self._outbox.telling((kept.row,))
        self._mark("telling once")
        return self._tell_all((kept,), now_ns)

    def _behind_fence(self) -> bool:
        """Whether everything told before now was heard of, if it is in the journal: a command of ours behind it was."""
        if self._fence == 0:
            answer = self._submit(encode(AdvanceTime(), actor=self._terms.actor), 1)
            if answer is None:
                return False
            self._fence = answer.first_sequence
        return self._heard >= self._fence

    def _tell_all(self, words: Sequence[Kept], now_ns: int) -> bool:
        """Tells some words as one buffer, and keeps what became of them as one transaction."""
        came = {kept.row: self._become(kept, now_ns) for kept in words}
        commands = {row: one for row, one in came.items() if one.command is not None}
        heard = _Answer()
        if commands:
            answer = self._submit(self._encoded(commands), len(commands))
            if answer is None:
                self._fence = 0
                return False
            self._mark("words told")
            heard = _Answer.of(answer)
        done: dict[int, int] = {}
        refused: dict[int, int] = {}
        more = []
        for kept in words:
            one, said = came[kept.row], heard.refused.get(kept.row)
            took = not one.problem and (said is None or is_no_news(kept.word, said, self._outbox))
            (done if took else refused)[kept.row] = said.code if said is not None else 0
            if leaves_open(kept.word, done.get(kept.row, 0), broke=kept.row in heard.broke):
                more.append((f"over:{one.order}", Over(order=one.order)))
        steps = [(one.order, one.event) for row, one in came.items() if one.event is not None and row in done]
        with self._outbox.within():
            self._outbox.over(done, refused, steps, more, now_ns)
            if self._intake.network is not None:
                for kept in words:
                    self._intake.network.answered(kept.word, heard.refused.get(kept.row), now_ns)
        self._mark("words over")
        for kept in words:
            self._after(kept, came[kept.row], refused.get(kept.row), now_ns)
        return True

    def _become(self, kept: Kept, now_ns: int) -> Told:
        if isinstance(kept.word, PriceAsked):
            return self._priced(kept.word, now_ns)
        return told(kept, self._outbox, self._intake.names, now_ns)

    def _encoded(self, commands: Mapping[int, Told]) -> bytes:
        actors = (self._terms.actor, self._terms.for_clients)
        return b"".join(
            encode(one.command, one.account, actors[one.account != 0], self._salt << 32 | row)
            for row, one in commands.items()
            if one.command is not None
        )

    def _after(self, kept: Kept, came: Told, refused: int | None, now_ns: int) -> None:
        """What follows once a word is over: a line's state, and what a person must see."""
        line = self._lines.get(kept.broker)
        if line is not None and isinstance(kept.word, LineUp | LineLost):
            line.up, line.heard = isinstance(kept.word, LineUp), True
            line.since_ns, line.quiet_until_ns = now_ns, 0
            line.owed = [order.id for order in self._outbox.orders(AWAY, kept.broker)] if line.up else []
            self._ask_owed(line, now_ns)
        if refused is not None:
            self._complain(f"word {kept.row}", came.problem or rule(refused).name)

    def _complain(self, what: str, why: str) -> None:
        """The newest problems, for health; what was refused is in the outbox."""
        self.seen.problems[what] = why
        while len(self.seen.problems) > _MOST_PROBLEMS:
            del self.seen.problems[next(iter(self.seen.problems))]

    # --- orders to brokers ---------------------------------------------------------------------------------------------

    def _send(self, now_ns: int) -> None:
        """Hands over what waits, to lines that stand; gives back what waited too long."""
        for order in self._outbox.orders((State.WAITING,)):
            line = self._lines.get(order.broker)
            if order.unwanted:
                self._give_back(order, now_ns, wanted=False)
            elif line is None or not order.said.symbol or order.sends >= _MOST_SENDS:
                self._give_back(order, now_ns, wanted=True)
            elif line.stands(now_ns):
                self._hand_over(order, line, now_ns)
            elif now_ns - max(order.raised_ns, self._began_ns) > self._terms.patience_ns:
                self._give_back(order, now_ns, wanted=True)

    def _hand_over(self, order: Order, line: _Line, now_ns: int) -> None:
        self._outbox.hand_over(order, now_ns)
        self._mark("order leaving")
        leaving = order._replace(state=State.LEAVING)
        try:
            left = self._said(line, order.said, now_ns)
        except MessageError as error:  # the adapter can't say it: nothing left, and nothing ever will
            self._complain(f"order {order.id}", error.sentence)
            self._outbox.not_left(leaving, now_ns)
            self._give_back(order, now_ns, wanted=True)
            return
        if left:
            self._mark("order sent")
        else:
            self._outbox.not_left(leaving, now_ns)

    def _give_back(self, order: Order, now_ns: int, *, wanted: bool) -> None:
        self._outbox.give_back(order, Returned(order=order.id, wanted=wanted), now_ns)
        self._mark("given back")

    def _question(self, now_ns: int) -> None:
        """Asks about what was handed over and not acknowledged for long, and for the end of what is not wanted any more."""
        for one in self._lines.values():
            self._ask_owed(one, now_ns)
        for order in self._outbox.questionable():
            line = self._lines.get(order.broker)
            if line is None or not line.stands(now_ns):
                continue
            silent = now_ns - max(order.changed_ns, line.since_ns) > self._terms.answer_ns
            if order.state is State.LEAVING and not order.asked and silent:
                self._ask(order, line, now_ns)
            if order.unwanted and not order.cancelling and line.stands(now_ns):
                self._outbox.cancelling(order)
                self._mark("cancelling")
                if self._said(line, CancelOrder(order=order.id, attempt=order.cancels + 1), now_ns):
                    self._mark("cancelled")
                else:
                    self._outbox.not_asked(order)

    def _ask_owed(self, line: _Line, now_ns: int) -> None:
        """Asks about every order that was away when the line came up, once."""
        while line.owed and line.stands(now_ns):
            order = self._outbox.order(line.owed[0])
            if order is not None and order.state in AWAY and not self._ask(order, line, now_ns):
                return
            del line.owed[0]

    def _ask(self, order: Order, line: _Line, now_ns: int) -> bool:
        """Asks what became of an order; False where the question did not leave."""
        self._outbox.asking(order)
        self._mark("asking")
        if not self._said(line, AskOrder(order=order.id, attempt=order.asks + 1), now_ns):
            self._outbox.not_asked(order)
            return False
        self._mark("asked")
        return True

    def _said(self, line: _Line, instruction: Instruction, now_ns: int) -> bool:
        """Says something to a broker; False where nothing left: the line is tried again a little later, unless its own word says more."""
        try:
            line.adapter.send(instruction)
        except LineDown:
            line.quiet_until_ns = now_ns + _QUIET_NS
            return False
        return True

    # --- prices, depth, money ------------------------------------------------------------------------------------------

    def _priced(self, asked: PriceAsked, now_ns: int) -> Told:
        wish = Wish(asked.token, asked.direction, asked.amount)
        late = now_ns - asked.asked_ns > self._terms.quote_ns
        price = (
            Why.LATE if late else firm_price(wish, self._intake.names, self._market, self._terms.desk, now_ns)
        )
        if isinstance(price, Why):
            self.seen.unquoted[price] = self.seen.unquoted.get(price, 0) + 1
            return Told()
        self.seen.quoted += 1
        return Told(GiveFirmPrice(quote=asked.quote, price=price))

    def _post_depth(self, now_ns: int) -> bool:
        """Posts the depth of every name with a token, when it is time; False where the core does not answer."""
        if self._market is None:
            return True
        names = self._intake.names
        due: dict[int, tuple[int, int, int]] = {}
        for underlying in sorted(
            {asset.underlying for asset in names.assets.values() if not asset.stablecoin}
        ):
            buy, sell = depth(names, underlying, self._market, self._terms.desk, now_ns)
            if self._depth_is_due(underlying, buy, sell, now_ns):
                due[underlying] = (now_ns, buy, sell)
        posts = (PostDepth(underlying=one, buy=buy, sell=sell) for one, (_, buy, sell) in due.items())
        buffer = b"".join(encode(post, actor=self._terms.actor) for post in posts)
        if due and self._submit(buffer, len(due)) is None:
            return False
        self._posted.update(due)
        return True

    def _depth_is_due(self, underlying: int, buy: int, sell: int, now_ns: int) -> bool:
        """When it is time; sooner when a quarter of it came or went; at once when all of it did."""
        at, *before = self._posted.get(underlying, (0, 0, 0))
        is_there, was_there = (buy, sell) != (0, 0), before != [0, 0]
        if is_there != was_there or not is_there:
            return is_there != was_there
        moved = any(4 * abs(came - then) > then for came, then in zip((buy, sell), before, strict=True))
        return now_ns - at >= (self._terms.depth_ns // 10 if moved else self._terms.depth_ns)

    def _change(self, now_ns: int) -> None:
        """Begins conversions, and keeps what came of them."""
        for one in self._outbox.conversions("asked"):
            self._changer.begin(one, now_ns)
            self._outbox.move_conversion(one.conversion, "sent", now_ns)
            self._mark("conversion sent")
        for one in self._outbox.conversions("sent"):
            came = self._changer.look(one, self._intake.names, now_ns)
            if came is not None and self._outbox.say(f"converted:{one.conversion}", came, now_ns):
                self._mark("conversion ended")

    # --- looking ---------------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """For health."""
        return {
            "lines": {str(number): line.up for number, line in self._lines.items()},
            "quoted": self.seen.quoted,
            "unquoted": dict(self.seen.unquoted),
            "problems": dict(self.seen.problems),
            **self._outbox.values(),
            **({"network": self._intake.network.values()} if self._intake.network is not None else {}),
        }
