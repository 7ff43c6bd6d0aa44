"""Changes of the venue's rules during the run: each proposed by one person, approved by another, and in force after its delay.

Responsible for: which rules change and when, asking for the effect on every account first, and what became of each. What may change,
and how long it waits, is the venue's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import OPERATOR, RISK, Signed, name_of
from novate.messages import (
    ApproveChange,
    ChangeApproved,
    ChangeEnded,
    ChangeExecuted,
    ChangePostponed,
    ChangeProposed,
    ChangeTerms,
    Event,
    EventMessage,
    ListAsset,
    ListUnderlying,
    ProposeChange,
    encode,
)
from novate.messages.reports import Level, governance
from novate.reports import operations

WATCHED: Final = (ChangeApproved, ChangeEnded, ChangeExecuted, ChangePostponed, ChangeProposed)
MINUTE: Final = 60_000_000_000
APPROVED_AFTER: Final = 30 * MINUTE


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that somebody has in mind."""

    what: str
    reason: str
    terms: ListUnderlying | ListAsset

    @property
    def command(self) -> ChangeTerms:
        """The change as a command: the whole new document."""
        message = encode(self.terms)
        return ChangeTerms(terms=message[4:6] + message[48:])


@dataclass(slots=True)
class Rulebook:
    """Proposes its plans at one moment and has them approved half an hour later."""

    engine: Engine
    listing: Listing
    plans: tuple[Plan, ...]
    proposed_at_ns: int
    _changes: dict[int, operations.RuleChange] = field(default_factory=dict)
    _asked: list[operations.RuleChange] = field(default_factory=list)
    _sent: bool = False

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, at = event.body, event.header.time_ns
        if isinstance(body, ChangeProposed):
            asked = self._asked.pop(0)
            self._changes[body.change] = replace(
                asked, change=body.change, long_delay=bool(body.long_delay), proposed_ns=at
            )
        elif isinstance(body, ChangeApproved):
            self._put(
                body.change, stage="approved", approved_by=name_of(RISK), approved_ns=at, due_ns=body.due_ns,
                opens_left=body.opens_left,
            )  # fmt: skip
        elif isinstance(body, ChangePostponed):
            self._put(body.change, long_delay=True, due_ns=body.due_ns)
        elif isinstance(body, ChangeExecuted):
            self._put(body.change, stage="in force", in_force_ns=at, opens_left=0)
        elif isinstance(body, ChangeEnded):
            self._put(body.change, stage="ended")

    def _put(self, change: int, **now: object) -> None:
        self._changes[change] = replace(self._changes[change], **now)

    def act(self, market: Market) -> Iterator[Signed]:
        """The proposals, each after its effect was asked for; later the approvals."""
        if not self._sent and market.time_ns >= self.proposed_at_ns:
            self._sent = True
            for plan in self.plans:
                self._asked.append(self._ask(plan))
                message = encode(plan.command)
                proposal = ProposeChange(account=0, command=message[4:6] + message[48:], reason=plan.reason)
                yield Signed(OPERATOR, proposal)
        for number, change in self._changes.items():
            if change.stage == "proposed" and market.time_ns >= change.proposed_ns + APPROVED_AFTER:
                yield Signed(RISK, ApproveChange(change=number))

    def _ask(self, plan: Plan) -> operations.RuleChange:
        effect = governance.effect_of(self.engine, plan.command)
        initial = Level.INITIAL
        return operations.RuleChange(
            change=0,
            what=plan.what,
            reason=plan.reason,
            measured=effect.accounts,
            effects=tuple(
                operations.AccountEffect(
                    account=line.account,
                    requirement_before_micro=line.requirements_before[initial],
                    requirement_after_micro=line.requirements_after[initial],
                    excess_before_micro=line.excess_before[initial],
                    excess_after_micro=line.excess_after[initial],
                )
                for line in effect.lines
                if line.requirements_before != line.requirements_after
                or line.excess_before != line.excess_after
            ),
            long_delay=False,
            proposed_by=name_of(OPERATOR),
            proposed_ns=0,
            stage="proposed",
        )

    def after_frame(self, time_ns: int) -> None:
        """Asks nothing."""
        del time_ns

    def result(self) -> tuple[operations.RuleChange, ...]:
        """What the report carries, with the opens that are left now."""
        waiting = {line.change: line.opens_left for line in governance.changes(self.engine)}
        return tuple(
            replace(change, opens_left=waiting.get(number, 0)) for number, change in self._changes.items()
        )
