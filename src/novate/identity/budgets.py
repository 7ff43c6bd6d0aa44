"""Rate budgets: how many requests a key, an owner and a network address may send, with more room for what reduces risk.

Responsible for: token buckets in whole nanoseconds, and the figures that a client is told. Never: reads a clock, knows a request, or is
shared between processes: with several gateways each holds its part (`BudgetLimits.of_one_in`).

A request is paid by its key's bucket and by its owner's, so that many keys of one owner have no more than one owner's budget. Cancels and
orders that only reduce have buckets of their own, larger ones: a client whose orders ran into the limit can still get out. Who gave no
credentials pays by network address; of IPv6 the first 64 bits count, as one household has them all.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from novate.errors import ConfigError
from novate.identity.principals import Principal
from novate.identity.refusals import IdentityRefused, Rule

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's size and how fast it refills."""

    per_second: int
    burst: int

    def __post_init__(self) -> None:
        if self.per_second < 1 or self.burst < 1:
            raise ConfigError(f"A budget is at least one request a second and one at once, not {self}.")


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The budgets of one process."""

    key: Limit = Limit(200, 400)
    owner: Limit = Limit(400, 800)
    key_relief: Limit = Limit(1_000, 2_000)
    """For cancels and orders that only reduce."""
    owner_relief: Limit = Limit(2_000, 4_000)
    address: Limit = Limit(20, 60)
    """For who gave no credentials."""
    most_buckets: int = 200_000
    """Buckets kept in memory; full ones are forgotten first."""

    def of_one_in(self, gateways: int) -> BudgetLimits:
        """The part of one of so many gateways, rounded up: all of them together allow these limits, plus one a second each."""

        def part(limit: Limit) -> Limit:
            return Limit(-(-limit.per_second // gateways), -(-limit.burst // gateways))

        return BudgetLimits(
            key=part(self.key),
            owner=part(self.owner),
            key_relief=part(self.key_relief),
            owner_relief=part(self.owner_relief),
            address=part(self.address),
            most_buckets=self.most_buckets,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a budget, for the headers of an answer."""

    limit: int
    remaining: int
    reset_ns: int
    """Until the bucket is full again."""


class Budgets:
    """All buckets of one process. For one thread."""

    def __init__(self, limits: BudgetLimits | None = None) -> None:
        self._limits = limits or BudgetLimits()
        self._full_at: dict[tuple[str, object], int] = {}

    def spend(
        self, principal: Principal, now_ns: int, *, weight: int = 1, relief: bool = False, address: str = ""
    ) -> Standing:
        """Pays for a request; returns what is left of the scarcer budget.

        Takes from every bucket or from none. Raises IdentityRefused (`rate_must_not_exceed_budget`) with `retry_after_ns`.
        """
        limits = self._limits
        if not principal.actor:
            return self._pay(now_ns, weight, (("address", network(address), limits.address),))
        key = limits.key_relief if relief else limits.key
        owner = limits.owner_relief if relief else limits.owner
        lane = "relief" if relief else "request"
        return self._pay(
            now_ns,
            weight,
            ((f"key {lane}", principal.actor, key), (f"owner {lane}", principal.owner, owner)),
        )

    def _pay(self, now_ns: int, weight: int, buckets: tuple[tuple[str, object, Limit], ...]) -> Standing:
        """A bucket is the time at which it is full: it holds burst - (time until then) x rate."""
        if weight < 1:
            raise ConfigError("A request weighs at least 1.")
        due: list[tuple[tuple[str, object], int]] = []
        scarcest: Standing | None = None
        for kind, holder, limit in buckets:
            name = (kind, holder)
            full_at = max(self._full_at.get(name, now_ns), now_ns) + weight * _SECOND // limit.per_second
            over_ns = full_at - now_ns - limit.burst * _SECOND // limit.per_second
            if over_ns > 0:
                raise IdentityRefused(
                    Rule.RATE_MUST_NOT_EXCEED_BUDGET,
                    retry_after_ns=over_ns,
                    budget=kind,
                    limit=limit.burst,
                    remaining=self._left(name, limit, now_ns),
                )
            due.append((name, full_at))
            left = limit.burst - -(-(full_at - now_ns) * limit.per_second // _SECOND)
            if scarcest is None or left < scarcest.remaining:
                scarcest = Standing(limit.burst, left, full_at - now_ns)
        if len(self._full_at) >= self._limits.most_buckets:
            self._forget(now_ns)
        self._full_at.update(due)
        assert scarcest is not None  # noqa: S101 - there is always a bucket
        return scarcest

    def _left(self, name: tuple[str, object], limit: Limit, now_ns: int) -> int:
        waiting = max(self._full_at.get(name, now_ns) - now_ns, 0)
        return max(limit.burst - -(-waiting * limit.per_second // _SECOND), 0)

    def _forget(self, now_ns: int) -> None:
        """Full buckets are as good as none. If none is full the ones nearest to it go: the emptiest are those that matter."""
        kept = {name: full_at for name, full_at in self._full_at.items() if full_at > now_ns}
        if len(kept) >= self._limits.most_buckets:
            fullest_last = sorted(kept.items(), key=lambda item: -item[1])
            kept = dict(fullest_last[: self._limits.most_buckets // 2])
        self._full_at = kept


def network(address: str) -> str:
    """Who counts as one: an address, of IPv6 its network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
