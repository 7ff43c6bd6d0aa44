"""What people and programs see of clearing: rows of the outbox and answers of the venue, in words.

Responsible for: the views behind `novate clearing`. Never: changes anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from novate.clearing import channels
from novate.clearing.life import OPEN, State
from novate.clearing.outbox import FILE, FOLDER, Kept, Outbox
from novate.clearing.run import HEALTH
from novate.errors import DataError
from novate.keepers.health import read_health
from novate.messages import RequestKind, Side
from novate.messages.codes import BreakKind, CapacityTerm, RequestDirection
from novate.messages.refusals import rules
from novate.messages.reports import clearing as questions
from novate.messages.reports.portfolios import listed
from novate.reader_process import ReaderClient
from novate.units import text

_MOST: Final = 1_000
"""Orders shown at once."""
_OLD_NS: Final = 10 * 10**9
_NANO: Final = 9
_MICRO: Final = 6


def opened(home: Path) -> Outbox:
    """The outbox of a home, to look at or to leave a word in. Raises DataError where there is none."""
    if not (home / FOLDER / FILE).is_file():
        raise DataError(f"Nothing was ever cleared in {home}: it has no {FOLDER}/{FILE}.", file=str(home))
    return Outbox(home)


def status_of(home: Path, now_ns: int) -> dict[str, Any]:
    """How the service stands: what it says of itself, and what waits on disk."""
    said = read_health(home).get(HEALTH, {})
    with opened(home) as outbox:
        kept = outbox.values()
        lines = {str(broker): up for broker, up in outbox.lines().items()}
        refused = [_refused(one, code) for one, code in outbox.refused()]
    serves = bool(said) and now_ns - int(said.get("at_ns", 0)) < _OLD_NS
    return {
        "serves": serves,
        **kept,
        "lines": said["lines"] if serves else dict.fromkeys(lines, False),
        "refused": refused,
        "problems": said.get("problems", {}),
        "quoted": said.get("quoted", 0),
        "unquoted": said.get("unquoted", {}),
    }


def _refused(one: Kept, code: int) -> dict[str, Any]:
    rule = rules().get(code)
    return {
        "row": one.row,
        "broker": one.broker,
        "word": type(one.word).__name__,
        "code": code,
        "rule": rule.name if rule else "it fits nothing that is known here",
    }


def orders_of(home: Path, *, everything: bool = False) -> tuple[list[dict[str, Any]], int]:
    """Orders, newest first, and how many older ones are left out."""
    states = tuple(State) if everything else OPEN
    with opened(home) as outbox:
        found = outbox.newest(states, _MOST)
        counts = outbox.counts()
    lines = [
        {
            "order": one.id,
            "number": one.number,
            "broker": one.broker,
            "state": one.state.value,
            "symbol": one.said.symbol,
            "side": "buy" if one.said.side == Side.BID else "sell",
            "wanted": f"{text(one.said.shares, _NANO)} shares"
            if one.said.shares
            else f"{text(one.said.dollars, _MICRO)} USD",
            "filled": text(one.shares, _NANO),
            "request": one.request,
            "sends": one.sends,
            "asks": one.asks,
            "unwanted": one.unwanted,
            "raised_ns": str(one.raised_ns),
            "changed_ns": str(one.changed_ns),
        }
        for one in found
    ]
    return lines, sum(counts.get(state, 0) for state in states) - len(lines)


def money_of(home: Path) -> list[dict[str, Any]]:
    """Conversions that are on their way."""
    with opened(home) as outbox:
        found = outbox.conversions()
    return [
        {
            "conversion": one.conversion,
            "broker": one.broker,
            "asset": one.asset,
            "way": "to dollars" if one.to_dollars else "to the stablecoin",
            "amount": str(one.amount),
            "state": one.state,
        }
        for one in found
    ]


def in_kind_of(home: Path) -> list[dict[str, Any]]:
    """Requests in kind whose shares are to be brought or taken."""
    with opened(home) as outbox:
        found = outbox.requests(RequestKind.MINT_IN_KIND, RequestKind.REDEEM_IN_KIND)
    return [
        {
            "request": request,
            "way": "brings shares" if kind == RequestKind.MINT_IN_KIND else "takes shares",
            "account": str(account),
            "token": token,
            "amount": str(amount),
        }
        for request, kind, account, token, amount in found
    ]


def overdue_of(home: Path) -> list[dict[str, Any]]:
    """Executions past their settlement day without a report."""
    with opened(home) as outbox:
        found = outbox.overdue()
    return [
        {"execution": execution, "order": number, "broker": broker, "since_ns": str(since)}
        for execution, number, broker, since in found
    ]


def capacity_of(home: Path) -> list[dict[str, Any]]:
    """What can be issued and redeemed now, and the term that binds."""
    with ReaderClient.connect(home / "reader.sock") as reader:
        names = {asset.asset: asset.name for asset in listed(reader).assets}
        found = questions.capacity(reader)
    return [
        {
            "token": names.get(line.token, str(line.token)),
            "direction": RequestDirection(line.direction).name.lower(),
            "dollars": text(line.dollars, _MICRO),
            "binding": CapacityTerm(line.binding).name.lower(),
        }
        for line in found
    ]


def breaks_of(home: Path) -> list[dict[str, Any]]:
    """Open breaks, as the engine has them."""
    with ReaderClient.connect(home / "reader.sock") as reader:
        found = questions.breaks(reader)
    return [
        {
            "break": line.break_id,
            "token": line.token,
            "broker": line.broker,
            "kind": BreakKind(line.kind).name.lower(),
            "owner": line.owner,
            "age_s": line.age_ns // 10**9,
            "expected": str(line.expected),
            "found": str(line.found),
        }
        for line in found
    ]


def channels_of(home: Path) -> list[dict[str, str]]:
    """The table of sessions and channels of every token."""
    with ReaderClient.connect(home / "reader.sock") as reader:
        return channels.table(questions.terms(reader), listed(reader))
