"""What the venue must tell everybody, from its events: halts, restrictions, changes that two people agreed on, listings, releases.

Responsible for: which event makes a public notice, what it says, and which later event ends it. A notice is known by the place of its event in
the journal, so no restart and no rebuild doubles it. Never: an owner: a freeze, a change of one account and the like are nobody else's business.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from novate.messages import (
    ChangeApproved,
    ChangeEnded,
    ChangeExecuted,
    ChangePostponed,
    ChangeProposed,
    Event,
    HaltSettlementEnded,
    HaltSettlementStarted,
    IssuancePaused,
    LimitSet,
    Listed,
    MarketPhaseChanged,
    OutageEnded,
    ReleaseEntered,
    ReleasePermitted,
    Restricted,
    RestrictionEnded,
    SessionChanged,
    TermsChanged,
)
from novate.messages.codes import CapKind, ChangeOutcome, MarketPhase, Power, Session
from novate.messages.layout import COMMAND_KINDS
from novate.projections.running import At, Running
from novate.schema.operations import name_of

_DAY_NS: Final = 86_400 * 10**9
_LONGEST: Final = 400
TAKEN: Final = (
    MarketPhaseChanged, SessionChanged, Restricted, RestrictionEnded, OutageEnded, HaltSettlementStarted, HaltSettlementEnded,
    IssuancePaused, ChangeProposed, ChangeApproved, ChangePostponed, ChangeExecuted, ChangeEnded, Listed, TermsChanged, LimitSet,
    ReleasePermitted, ReleaseEntered,
)  # fmt: skip
"""Events that make, change or end a notice."""
_PRIVATE: Final = frozenset(
    {
        "AddAddress", "AuthoriseParticipant", "ClassifyOwner", "CollectFees", "CompensateError", "ConfirmRestriction", "GrantRole", "Hold",
        "JoinOwners", "MoveOwnership", "Pledge", "RegisterActor", "RemoveAddress", "RequestInKind", "RequestWithdrawal", "ResolveBreak",
        "RevokeActor", "RevokeRole", "SetOwnerPolicy", "Transfer", "WithdrawTo",
    }
)  # fmt: skip
"""Commands whose changes are about one owner or the venue's own people."""
_LISTED: Final = {"asset": "Asset", "market": "Market", "pool": "Lending pool", "underlying": "Underlying"}
_OF_MARKET: Final = frozenset({Power.CANCEL_ONLY, Power.REDUCE_ONLY, Power.OPEN_INTEREST})
_POWERS: Final = {
    Power.CANCEL_ONLY: "{} takes only cancellations",
    Power.REDUCE_ONLY: "{} takes only orders that reduce",
    Power.WITHDRAWALS: "No withdrawal is taken",
    Power.ISSUANCE: "No {} is issued",
    Power.COLLATERAL_CAP: "Less {} counts as unhedged collateral",
    Power.OPEN_INTEREST: "{} has a lower cap of open interest",
}
_PHASES: Final = {
    MarketPhase.CANCEL_ONLY: "{} takes only cancellations",
    MarketPhase.CALL: "{} gathers orders for an auction",
    MarketPhase.CLOSED: "{} is closed",
}
_CAPS: Final = {
    CapKind.ACCOUNT: "position of an account", CapKind.OBLIGOR: "positions of an obligor", CapKind.OPEN_INTEREST: "open interest",
    CapKind.UNDERLYING: "open interest",
}  # fmt: skip


class Kind(StrEnum):
    """What a notice is about."""

    HALT = "halt"
    INCIDENT = "incident"
    LISTING = "listing"
    PARAMETERS = "parameters"
    RELEASE = "release"
    MAINTENANCE = "maintenance"
    OTHER = "other"


class Severity(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


# places in a row of `notices`
SEQUENCE, IDX, SUBJECT = 0, 1, 4
MARKETS, TITLE, TEXT, FROM, TO, PUBLISHED, RESOLVED, RESOLUTION, CHANGED = range(5, 14)


class Announcer:
    """Makes notices of events, one command after the other; what it has open stands in the running state."""

    def __init__(self) -> None:
        self._parameters: list[list[Any]] = []
        self._executed: list[list[Any]] = []

    def take(self, run: Running, at: At, body: Event) -> None:
        """One event. Before the first account is open there is nobody to tell: that is the venue's own listing."""
        if not run.accounts:
            return
        match body:
            case MarketPhaseChanged():
                self._phase(run, at, body)
            case SessionChanged():
                self._session(run, at, body)
            case Restricted() | RestrictionEnded():
                self._restriction(run, at, body)
            case OutageEnded():
                text = f"It was away for {body.outage_ns / 10**9:.0f} s; until the time above its markets only cancel."
                self._open(
                    run, at, (Kind.INCIDENT, Severity.WARNING), "", "The venue was away", text, to_ns=max(body.cancel_only_until_ns, at.time_ns + 1),
                )  # fmt: skip
            case HaltSettlementStarted() | HaltSettlementEnded():
                self._settlement(run, at, body)
            case IssuancePaused():
                self._issuance(run, at, body)
            case ChangeProposed() | ChangeApproved() | ChangePostponed() | ChangeExecuted() | ChangeEnded():
                self._change(run, at, body)
            case Listed() if body.what in _LISTED:
                markets = (body.name,) if body.what == "market" else ()
                title = f"{_LISTED[body.what]} {body.name} is listed"
                self._point(run, at, Kind.LISTING, title, markets)
            case TermsChanged() | LimitSet():
                self._parameter(run, at, body)
            case ReleasePermitted() | ReleaseEntered():
                self._release(run, at, body)
            case _:
                pass

    def close(self, run: Running) -> None:
        """The command is whole: what a change changed belongs to the change's notice, anything else is told by itself."""
        for row in self._executed:
            found = sorted({name for other in self._parameters for name in json.loads(other[MARKETS])})
            if found:
                row[MARKETS] = json.dumps(found)
        if not self._executed:
            for row in self._parameters:
                run.batch.notices[row[SEQUENCE], row[IDX]] = row
        self._parameters, self._executed = [], []

    # --- which ---------------------------------------------------------------------------------------------------------

    def _phase(self, run: Running, at: At, body: MarketPhaseChanged) -> None:
        subject, name = f"phase:{body.market}", _market(run, body.market)
        if body.phase == MarketPhase.OPEN:
            _resolve(run, at, subject, f"{name} trades.")
            return
        title = _PHASES[MarketPhase(body.phase)].format(name)
        severity = Severity.WARNING if body.phase == MarketPhase.CALL else Severity.CRITICAL
        self._again(run, at, (Kind.HALT, severity), subject, title, "", (name,))

    def _session(self, run: Running, at: At, body: SessionChanged) -> None:
        subject, name = f"session:{body.underlying}", _underlying(run, body.underlying)
        if body.session != Session.HALTED:
            _resolve(run, at, subject, f"{name} is not halted any more.")
        elif subject not in run.notices:
            kind = (Kind.HALT, Severity.CRITICAL)
            title = f"Trading in {name} is halted outside"
            self._open(run, at, kind, subject, title, "", _markets_of(run, body.underlying))

    def _restriction(self, run: Running, at: At, body: Restricted | RestrictionEnded) -> None:
        power = Power(body.power)
        if power is Power.FREEZE:
            return
        subject = f"restriction:{body.power}:{body.id}"
        if isinstance(body, RestrictionEnded):
            _resolve(run, at, subject, "Lifted by two people." if body.lifted else "Its time is over.")
            return
        name = _market(run, body.id) if power in _OF_MARKET else _asset(run, body.id)
        lighter = {Power.COLLATERAL_CAP, Power.OPEN_INTEREST}
        severity = Severity.WARNING if power in lighter else Severity.CRITICAL
        markets = (name,) if power in _OF_MARKET else ()
        title = _POWERS[power].format(name)
        self._again(run, at, (Kind.HALT, severity), subject, title, body.reason, markets, to_ns=body.until_ns)

    def _settlement(self, run: Running, at: At, body: HaltSettlementStarted | HaltSettlementEnded) -> None:
        subject, name = f"settlement:{body.underlying}", _underlying(run, body.underlying)
        if isinstance(body, HaltSettlementEnded):
            _resolve(run, at, subject, f"Perps of {name} are settled.")
            return
        title = f"Perps of {name}, which is halted, are settled"
        markets = _markets_of(run, body.underlying)
        self._open(run, at, (Kind.HALT, Severity.CRITICAL), subject, title, body.reason, markets)

    def _issuance(self, run: Running, at: At, body: IssuancePaused) -> None:
        subject, name = f"issuance:{body.token}", _asset(run, body.token)
        stopped = " and ".join(word for word, on in (("issued", body.mint), ("redeemed", body.redeem)) if on)
        if not stopped:
            _resolve(run, at, subject, f"{name} is issued and redeemed again.")
        else:
            self._again(run, at, (Kind.HALT, Severity.WARNING), subject, f"{name} is not {stopped}", "", ())

    def _change(self, run: Running, at: At, body: Any) -> None:
        subject = f"change:{body.change}"
        if isinstance(body, ChangeProposed):
            command = COMMAND_KINDS.get(body.kind)
            if command is not None and command.__name__ not in _PRIVATE:
                title = f"Change {body.change}: {name_of(command).replace('_', ' ')}"
                kind = (Kind.PARAMETERS, Severity.INFO)
                self._open(run, at, kind, subject, title, body.reason, published=False)
            return
        row = run.notices.get(subject)
        if row is None:
            return
        if isinstance(body, ChangeApproved):
            row[PUBLISHED], row[FROM] = at.time_ns, body.due_ns or at.time_ns
            _changed(run, at, row)
        elif isinstance(body, ChangePostponed):
            row[FROM] = body.due_ns or row[FROM]
            _update(run, at, row, "It takes effect later: a requirement would rise that did not before.")
        elif isinstance(body, ChangeExecuted):
            self._executed.append(row)
            _resolve(run, at, subject, "In force.")
        else:
            outcome = ChangeOutcome(body.outcome).name.lower()
            _resolve(run, at, subject, f"It has no effect: {outcome}.")

    def _parameter(self, run: Running, at: At, body: TermsChanged | LimitSet) -> None:
        if isinstance(body, LimitSet):
            whole = CapKind(body.cap_kind) is CapKind.UNDERLYING
            name = _underlying(run, body.id) if whole else _market(run, body.id)
            markets = _markets_of(run, body.id) if whole else (name,)
            title = f"{name}: cap on {_CAPS[CapKind(body.cap_kind)]}"
        else:
            what = COMMAND_KINDS[body.kind].__name__ if body.kind in COMMAND_KINDS else str(body.kind)
            markets = (_market(run, body.id),) if what == "ListMarket" else ()
            names = {"ListMarket": _market, "ListAsset": _asset, "ListUnderlying": _underlying}
            name = names[what](run, body.id) if what in names else str(body.id)
            title = f"{name}: other terms"
        self._parameters.append(
            _row(at, Kind.PARAMETERS, Severity.INFO, "", markets, title, to_ns=at.time_ns + _DAY_NS)
        )

    def _release(self, run: Running, at: At, body: ReleasePermitted | ReleaseEntered) -> None:
        subject = f"release:{body.release}"
        if isinstance(body, ReleaseEntered) and subject in run.notices:
            _resolve(run, at, subject, "It runs.")
        elif isinstance(body, ReleaseEntered):
            self._point(run, at, Kind.RELEASE, f"Release {body.release} runs", ())
        else:
            title = f"Release {body.release} is permitted"
            self._again(run, at, (Kind.RELEASE, Severity.INFO), subject, title, "", ())

    # --- how -----------------------------------------------------------------------------------------------------------

    def _point(self, run: Running, at: At, kind: Kind, title: str, markets: Sequence[str]) -> None:
        """What happened and needs no end: it is current for a day."""
        self._open(run, at, (kind, Severity.INFO), "", title, "", markets, to_ns=at.time_ns + _DAY_NS)

    def _open(
        self,
        run: Running,
        at: At,
        kind: tuple[Kind, Severity],
        subject: str,
        title: str,
        text: str,
        markets: Sequence[str] = (),
        *,
        to_ns: int = 0,
        published: bool = True,
    ) -> None:
        row = _row(at, *kind, subject, markets, title, text, to_ns=to_ns)
        if not published:
            row[PUBLISHED] = 0
        if subject:
            run.notices[subject] = row
        run.batch.notices[row[SEQUENCE], row[IDX]] = row

    def _again(
        self,
        run: Running,
        at: At,
        kind: tuple[Kind, Severity],
        subject: str,
        title: str,
        text: str,
        markets: Sequence[str],
        *,
        to_ns: int = 0,
    ) -> None:
        """A new notice, or what is so now as an update of the one that is open."""
        row = run.notices.get(subject)
        if row is None:
            self._open(run, at, kind, subject, title, text, markets, to_ns=to_ns)
            return
        row[TO] = to_ns
        _update(run, at, row, f"{title}. {text}".strip())


def _row(
    at: At, kind: Kind, severity: Severity, subject: str, markets: Sequence[str], title: str, text: str = "", *, to_ns: int = 0
) -> list[Any]:  # fmt: skip
    return [
        at.sequence, at.idx, kind.value, severity.value, subject, json.dumps(list(markets)), title[:_LONGEST], text[:_LONGEST],
        at.time_ns, to_ns, at.time_ns, 0, "", at.sequence,
    ]  # fmt: skip


def _changed(run: Running, at: At, row: list[Any]) -> None:
    row[CHANGED] = at.sequence
    run.batch.notices[row[SEQUENCE], row[IDX]] = row


def _update(run: Running, at: At, row: list[Any], text: str) -> None:
    update = (at.sequence, at.idx, at.time_ns, row[SEQUENCE], row[IDX], text[:_LONGEST])
    run.batch.appended["notice_updates"].append(update)
    _changed(run, at, row)


def _resolve(run: Running, at: At, subject: str, text: str) -> None:
    """The end of a notice; nothing where none is open."""
    row = run.notices.pop(subject, None)
    if row is not None:
        row[RESOLVED], row[RESOLUTION] = at.time_ns, text[:_LONGEST]
        _changed(run, at, row)


def _market(run: Running, number: int) -> str:
    found = run.listing.markets.get(number)
    return found.name if found else f"market {number}"


def _asset(run: Running, number: int) -> str:
    found = run.listing.assets.get(number)
    return found.name if found else f"asset {number}"


def _underlying(run: Running, number: int) -> str:
    found = run.listing.underlyings.get(number)
    return found.name if found else f"underlying {number}"


def _markets_of(run: Running, underlying: int) -> tuple[str, ...]:
    return tuple(one.name for _, one in sorted(run.listing.markets.items()) if one.underlying == underlying)
