"""Questions about corporate actions: what is scheduled, what one would do, and what brokers owe.

Responsible for: the shape of the answers. Never computes: the engine rehearses on a copy of its state.
"""

from novate.messages.reports.base import Answers, Report, ask

_ACTIONS, _DRY_RUN, _RECEIVABLES = 1200, 1201, 1202


class ActionLine(Report, frozen=True, kw_only=True):
    """An action and where it stands; `sequence` of its effect (0 before), `records` positions kept for corrections."""

    action: int
    underlying: int
    action_kind: int
    state: int
    scheduled_by: int
    confirmed_by: int
    sequence: int
    booked: int
    records: int


class ActionEffect(Report, frozen=True, kw_only=True):
    """One account before and after: micro-dollars at initial, liquidation-end, maintenance and close-out; (asset, units)."""

    account: int
    equity_before: tuple[int, int, int, int]
    equity: tuple[int, int, int, int]
    requirement_before: tuple[int, int, int, int]
    requirement: tuple[int, int, int, int]
    orders_cancelled: int
    tokens_before: tuple[tuple[int, int], ...]
    tokens: tuple[tuple[int, int], ...]
    cash_before: tuple[tuple[int, int], ...]
    cash: tuple[tuple[int, int], ...]


class DryRun(Report, frozen=True, kw_only=True):
    """What an action would do now; accounts for which nothing differs are left out. Equities at maintenance, all accounts."""

    action: int
    index_before: int
    index: int
    accounts: tuple[ActionEffect, ...]
    equity_before: int
    equity: int
    below_maintenance: int


class ReceivableLine(Report, frozen=True, kw_only=True):
    """What is receivable on a token: 1e-12 dollars on each, micro-dollars due from brokers."""

    asset: int
    each: int
    due_micro: int


def actions(engine: Answers) -> tuple[ActionLine, ...]:
    """All actions by id."""
    return ask(engine, tuple[ActionLine, ...], _ACTIONS)


def dry_run(engine: Answers, action: int) -> DryRun:
    """Rehearses an action that is scheduled or confirmed. ValueError: why it could not run now."""
    return ask(engine, DryRun, _DRY_RUN, action)


def receivables(engine: Answers) -> tuple[ReceivableLine, ...]:
    """Tokens with something receivable."""
    return ask(engine, tuple[ReceivableLine, ...], _RECEIVABLES)
