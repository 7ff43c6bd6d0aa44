"""From what the venue says to what people are told: usage of requirements, margin calls, and their ends.

Level-triggered: an event only says whose account to look at soon, a sweep looks at all of them, and what is found is compared with what
the book has. So an event that was missed, a restart, or a reader that lags costs time, never an alert.

Responsible for: which alert, of which account, once; and handing each to its channels until it is delivered or a day has passed. Never:
judges an account: equity, requirement and calls are the engine's answers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from novate.calendar import SECOND_NS
from novate.keepers.alert_book import Alert, AlertBook, Due, Reached, Severity
from novate.keepers.channels import Channel, Undelivered
from novate.keepers.margin_calls import MICRO, MarginCall, engine_calls, margin_call, worst_first
from novate.keepers.thresholds import PPM, Crossing, Marks, usage_ppm
from novate.messages import (
    AccountStateChanged,
    CallEnded,
    CashCallMade,
    CashCallOverdue,
    CashCallPaid,
    LiquidationEnded,
    LiquidationStarted,
    LoanCalled,
    LoanCallOverdue,
    iter_events,
    reports,
)
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import Listed, listed
from novate.units import text

HINTS: Final = (
    AccountStateChanged, CashCallMade, CashCallPaid, CashCallOverdue, LoanCalled, LoanCallOverdue, CallEnded,
    LiquidationStarted, LiquidationEnded,
)  # fmt: skip
"""Events after which an account is looked at."""
_LOOKS: Final = 2
"""Looks after an event: the second one finds what a lagging reader did not have at the first."""
_LOOK_NS: Final = SECOND_NS
_REFRESH_NS: Final = 30 * SECOND_NS
_GIVE_UP_NS: Final = 24 * 3_600 * SECOND_NS
_LONGEST_WAIT_NS: Final = 300 * SECOND_NS

Route = Callable[[Alert], Sequence[str]]
"""The channels of an alert."""


@dataclass(slots=True)
class AlertKeeper:
    """Looks, compares, and writes to the book. Time is the venue's, told by the caller."""

    answers: Answers
    book: AlertBook
    marks: Marks = field(default_factory=Marks)
    level: int = reports.Level.INITIAL
    route: Route = lambda _: ()
    sweep_ns: int = 10 * SECOND_NS
    cure_ns: int = 0
    calls_per_sweep: int = 1_000
    """Accounts whose engine's calls one sweep asks for, round robin, besides those that events name."""
    counts: Counter[str] = field(default_factory=Counter)
    _looks: dict[int, tuple[int, int]] = field(default_factory=dict)
    _reached: dict[int, Reached] = field(default_factory=dict)
    _refreshed_ns: dict[int, int] = field(default_factory=dict)
    _listed: Listed | None = None
    _listed_until_ns: int = 0
    _next_sweep_ns: int = 0
    _turn: int = 0

    def __post_init__(self) -> None:
        self._reached = dict(self.book.all_reached())

    def on_events(self, events: bytes, now_ns: int) -> None:
        """Takes a frame of the core's events in: whose accounts to look at."""
        for event in iter_events(events, HINTS):
            if event.header.account:
                self._looks[event.header.account] = (_LOOKS, now_ns)

    def on_time(self, now_ns: int) -> None:
        """Looks at what is due. Raises what the answers raise; nothing of the book is half-written then."""
        if now_ns >= self._next_sweep_ns:
            self._sweep(now_ns)
            self._next_sweep_ns = now_ns + self.sweep_ns
        for account in [a for a, (_, due_ns) in self._looks.items() if due_ns <= now_ns]:
            left = self._looks.pop(account)[0] - 1
            if left:
                self._looks[account] = (left, now_ns + _LOOK_NS)
            try:
                line = reports.account(self.answers, account).line
            except ValueError:  # the reader does not have it yet; a sweep will
                continue
            self.look(line, now_ns)
            self.look_at_calls(account, now_ns)

    def _sweep(self, now_ns: int) -> None:
        lines = reports.accounts(self.answers)
        for line in worst_first(lines, self.level):
            self.look(line, now_ns)
        self.counts["sweeps"] += 1
        begun = {int(call.account) for call in self.book.calls() if call.kind != "margin"}
        for account in begun | set(self._in_turn([line.account for line in lines])):
            self.look_at_calls(account, now_ns)

    def _in_turn(self, accounts: Sequence[int]) -> Iterator[int]:
        count = min(len(accounts), self.calls_per_sweep)
        for step in range(count):
            yield accounts[(self._turn + step) % len(accounts)]
        self._turn = (self._turn + count) % max(len(accounts), 1)

    def look(self, line: reports.AccountLine, now_ns: int) -> None:
        """Compares one account with the mark it reached."""
        requirement = line.requirements[self.level]
        equity = requirement + line.excess[self.level]
        usage = usage_ppm(requirement, equity)
        reached = self._reached.get(line.account, Reached(0, 0))
        crossing = self.marks.step(reached.mark_ppm, usage)
        if crossing is None:
            if reached.mark_ppm >= PPM:
                self._refresh(line, now_ns)
            return
        after = Reached(crossing.mark_ppm, reached.episode + 1)
        open_call = self._open_margin_call(line.account)
        alert, call = self._told(line, crossing, after.episode, open_call, now_ns)
        alert = msgspec.structs.replace(
            alert,
            level=reports.Level(self.level).name.lower(),
            usage_ppm=usage,
            mark_ppm=crossing.mark_ppm,
            equity=text(equity, MICRO),
            requirement=text(requirement, MICRO),
        )
        self._raise(alert, reached=after, call=call)
        self._reached[line.account] = after

    def _told(
        self,
        line: reports.AccountLine,
        crossing: Crossing,
        episode: int,
        call: MarginCall | None,
        now_ns: int,
    ) -> tuple[Alert, MarginCall | None]:
        """The alert of a crossing, and the call that it makes or ends."""
        account, mark = str(line.account), crossing.mark_ppm // 10_000
        called = crossing.mark_ppm >= PPM

        def alert(kind: Any, severity: Severity, sentence: str, call: MarginCall | None = None) -> Alert:
            return Alert(
                id=f"{kind.replace('_', '-')}-{account}-{episode}",
                account=account,
                kind=kind,
                severity=severity,
                at_ns=now_ns,
                sentence=sentence,
                call=call,
            )

        if called and call is None:
            made = margin_call(
                self.answers, line, self.level, self._listing(now_ns),
                call_id=f"margin-{account}-{episode}", made_ns=now_ns, cure_ns=self.cure_ns,
            )  # fmt: skip
            said = f"Account {account} is called: it lacks ${made.amount} of its requirement."
            return alert("call", "critical", said, made), made
        if not called and call is not None:
            cured = msgspec.structs.replace(call, state="cured", amount=text(0, MICRO), remedies=())
            return alert("call_cured", "info", f"The call of account {account} is cured.", cured), cured
        if crossing.rises:
            said = f"The requirement of account {account} takes {mark} % of its equity or more."
            return alert("usage", "critical" if called else "warning", said), None
        below = f"{mark} % or more, less than before" if mark else "less than every mark"
        return alert("eased", "info", f"The requirement of account {account} takes {below}."), None

    def _refresh(self, line: reports.AccountLine, now_ns: int) -> None:
        """What an open call lacks now; nobody is told again."""
        if now_ns - self._refreshed_ns.get(line.account, 0) < _REFRESH_NS:
            return
        self._refreshed_ns[line.account] = now_ns
        call = self._open_margin_call(line.account)
        if call is not None:
            now = margin_call(
                self.answers, line, self.level, self._listing(now_ns),
                call_id=call.id, made_ns=call.made_ns, cure_ns=self.cure_ns,
            )  # fmt: skip
            late = 0 < now.deadline_ns < now_ns
            if late and call.state == "open":
                self._overdue(msgspec.structs.replace(now, state="overdue"), now_ns)
            else:
                self.book.put_call(msgspec.structs.replace(now, state=call.state))

    def _listing(self, now_ns: int) -> Listed:
        """Names and scales, asked for once in a while: listings come and never go."""
        if self._listed is None or now_ns >= self._listed_until_ns:
            self._listed, self._listed_until_ns = listed(self.answers), now_ns + _REFRESH_NS
        return self._listed

    def _open_margin_call(self, account: int) -> MarginCall | None:
        return next((call for call in self.book.calls(account) if call.kind == "margin"), None)

    def look_at_calls(self, account: int, now_ns: int) -> None:
        """Compares the engine's own calls of an account with those in the book."""
        known = {call.id: call for call in self.book.calls(account) if call.kind != "margin"}
        found = {call.id: call for call in self._calls(account, now_ns)}
        for call in found.values():
            before = known.get(call.id)
            if before is None:
                self._raise(
                    _alert_of(
                        call,
                        "call",
                        "critical",
                        f"Account {account} is called: {call.amount} {call.asset}.",
                        now_ns,
                    ),
                    call=call,
                )
            if call.state == "overdue" and (before is None or before.state == "open"):
                deadline = before.deadline_ns if before is not None else call.deadline_ns
                self._overdue(msgspec.structs.replace(call, deadline_ns=deadline), now_ns)
            elif before is not None and call.amount != before.amount:
                self.book.put_call(call)
        for call in [call for key, call in known.items() if key not in found]:
            over = msgspec.structs.replace(call, state="cured", remedies=())
            self._raise(
                _alert_of(
                    over,
                    "call_cured",
                    "info",
                    f"The call of account {account} for {call.asset} is over.",
                    now_ns,
                ),
                call=over,
            )

    def _calls(self, account: int, now_ns: int) -> Iterable[MarginCall]:
        try:
            return engine_calls(self.answers, account, self._listing(now_ns), now_ns)
        except ValueError:  # the reader does not have the account yet
            return [call for call in self.book.calls(account) if call.kind != "margin"]

    def _overdue(self, call: MarginCall, now_ns: int) -> None:
        said = f"The call of account {call.account} for {call.amount} {call.asset} is overdue."
        self._raise(_alert_of(call, "call_overdue", "critical", said, now_ns), call=call)

    def _raise(self, alert: Alert, *, reached: Reached | None = None, call: MarginCall | None = None) -> None:
        if self.book.raise_alert(alert, self.route(alert), reached=reached, call=call):
            self.counts[alert.kind] += 1

    def values(self) -> dict[str, Any]:
        """For health."""
        over = sum(reached.mark_ppm >= PPM for reached in self._reached.values())
        return {"counts": dict(sorted(self.counts.items())), "accounts_called": over, **self.book.values()}


def _alert_of(call: MarginCall, kind: Any, severity: Severity, sentence: str, now_ns: int) -> Alert:
    return Alert(
        id=f"{kind.replace('_', '-')}-{call.id}",
        account=call.account,
        kind=kind,
        severity=severity,
        at_ns=now_ns,
        sentence=sentence,
        call=call,
    )


_LOG: Final = logging.getLogger("novate.keepers.alerts")


@dataclass(slots=True)
class Dispatcher:
    """Hands due deliveries to their channels. Time is real time: people are not in the venue's."""

    book: AlertBook
    channels: Sequence[Channel]
    first_wait_ns: int = SECOND_NS
    give_up_ns: int = _GIVE_UP_NS

    def route(self, alert: Alert) -> tuple[str, ...]:
        """The channels that want an alert."""
        return tuple(channel.name for channel in self.channels if channel.wants(alert))

    def on_time(self, now: Callable[[], int], limit: int = 50) -> int:
        """Attempts what is due; returns how many arrived. What fails comes again, later each time, for a day."""
        by_name = {channel.name: channel for channel in self.channels}
        arrived = 0
        for due in self.book.due(now(), limit):
            channel = by_name.get(due.channel)
            if channel is None:
                self.book.failed(due, now(), "this channel is no longer configured", None)
                continue
            try:
                said = channel.send(due.alert)
            except Undelivered as error:
                self.book.failed(due, now(), error.sentence, self._next_ns(due, now()))
                _LOG.warning("alert %s by %s: %s", due.alert.id, due.channel, error.sentence)
            else:
                self.book.delivered(due, now(), said)
                arrived += 1
        return arrived

    def _next_ns(self, due: Due, now_ns: int) -> int | None:
        """When to try again: doubling, at most 5 minutes; None once that took `give_up_ns` in all."""
        waits = (min(self.first_wait_ns << min(n, 30), _LONGEST_WAIT_NS) for n in range(due.attempts))
        if sum(waits) >= self.give_up_ns:
            return None
        return now_ns + min(self.first_wait_ns << min(due.attempts, 30), _LONGEST_WAIT_NS)
