"""Corporate actions as Alpaca announces them, through the vendor's client for historical data.

Splits, cash dividends, spin-offs, mergers and new names come as the exact numbers that the venue schedules; what the venue has no exact words
for comes as a sentence for people to read. Nothing announced is scheduled by itself: two people confirm it.

Responsible for: one list of announcements of a span of days. Never: schedules, or decides what an action means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, Final

from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import CorporateActionsRequest

from novate.broker.alpaca.desk import encoded
from novate.broker.alpaca.exact import Json, day_of, nano, said
from novate.broker.alpaca.http import Exact
from novate.broker.alpaca.settings import AlpacaSettings, Key
from novate.broker.announcements import Announced, Announcement, Kind, check
from novate.errors import DataError

SOURCE: Final = "alpaca"
_LONGEST: Final = 200
_READ: Final[Mapping[str, tuple[Kind, str]]] = {
    "forward_splits": (Kind.SPLIT, "symbol"),
    "reverse_splits": (Kind.SPLIT, "symbol"),
    "cash_dividends": (Kind.CASH_DIVIDEND, "symbol"),
    "spin_offs": (Kind.SPIN_OFF, "source_symbol"),
    "cash_mergers": (Kind.MERGER, "acquiree_symbol"),
    "stock_mergers": (Kind.MERGER, "acquiree_symbol"),
    "stock_and_cash_mergers": (Kind.MERGER, "acquiree_symbol"),
    "name_changes": (Kind.SYMBOL_CHANGE, "old_symbol"),
}
"""What the broker calls it: the venue's kind, and the field that says whose it is."""
_RATIOS: Final[Mapping[str, tuple[str, str]]] = {
    "forward_splits": ("new_rate", "old_rate"),
    "reverse_splits": ("new_rate", "old_rate"),
    "spin_offs": ("new_rate", "source_rate"),
    "stock_mergers": ("acquirer_rate", "acquiree_rate"),
    "stock_and_cash_mergers": ("acquirer_rate", "acquiree_rate"),
}
_AMOUNTS: Final[Mapping[str, str]] = {
    "cash_dividends": "rate",
    "cash_mergers": "rate",
    "stock_and_cash_mergers": "cash_rate",
}
_OTHERS: Final[Mapping[str, str]] = {
    "spin_offs": "new_symbol",
    "stock_mergers": "acquirer_symbol",
    "stock_and_cash_mergers": "acquirer_symbol",
}


class AnnouncementsApi(Exact, CorporateActionsClient):
    """The vendor's client for corporate actions, with exact numbers."""


def announcements_api(settings: AlpacaSettings, key: Key) -> AnnouncementsApi:
    """A client; nothing is sent before it is used."""
    client = AnnouncementsApi(
        api_key=key.id, secret_key=key.secret, raw_data=True, url_override=settings.data()
    )
    client.prepare(settings)
    return client


def announced(api: AnnouncementsApi, symbols: Sequence[str], first: date, last: date) -> Announced:
    """What is announced for symbols with a date in a span, both ends included, by day. Raises NotReached, NoAnswer, Refusal, DataError."""
    asked = CorporateActionsRequest(symbols=list(symbols), start=first, end=last, limit=None)
    answer: Any = api.get_corporate_actions(asked)
    found, unread = [], []
    for kind, actions in dict(answer or {}).items():
        for action in actions:
            try:
                found.append(read(kind, action))
            except DataError as error:
                unread.append(
                    f"{kind} {said(action, 'id')}: {error.sentence} {encoded(action)[:_LONGEST].decode()}"
                )
    found.sort(key=lambda one: (one.ex_date, one.symbol, one.kind))
    return Announced(found, unread)


def read(kind: str, action: Json) -> Announcement:
    """One announcement, in exact numbers. Raises DataError for a kind without such words here, and for what can't be right."""
    if kind not in _READ:
        raise DataError(f"There are no exact terms for {kind}.", field="kind")
    means, whose = _READ[kind]
    if means is Kind.CASH_DIVIDEND and action.get("special"):
        means = Kind.SPECIAL_DIVIDEND
    effective = action.get("ex_date") or action.get("effective_date") or action.get("process_date")
    new, old = _ratio(kind, action)
    one = Announcement(
        source=SOURCE,
        key=said(action, "id"),
        symbol=said(action, whose),
        kind=means,
        ex_date=day_of(effective, "ex_date"),
        ratio_new=new,
        ratio_old=old,
        amount=nano(action.get(_AMOUNTS[kind]), _AMOUNTS[kind]) if kind in _AMOUNTS else 0,
        other_symbol=said(action, _OTHERS[kind]) if kind in _OTHERS else "",
        name=said(action, "new_symbol") if means is Kind.SYMBOL_CHANGE else "",
        record_date=_day(action, "record_date"),
        payable_date=_day(action, "payable_date"),
    )
    check(one)
    return one


def _ratio(kind: str, action: Json) -> tuple[int, int]:
    """Shares after for shares before, in lowest terms; zeros without a ratio."""
    if kind not in _RATIOS:
        return 0, 0
    after, before = _RATIOS[kind]
    old = nano(action.get(before), before)
    if old <= 0:
        raise DataError(f"{before} must be above 0.", field=before)
    ratio = Fraction(nano(action.get(after), after), old)
    return ratio.numerator, ratio.denominator


def _day(action: Json, field: str) -> date | None:
    return day_of(action[field], field) if action.get(field) else None
