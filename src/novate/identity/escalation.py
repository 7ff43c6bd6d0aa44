"""Who may make and revoke keys, and how much they may give: never more than they have.

Responsible for: the two checks that keep a key from making itself a greater one. Never: makes or revokes one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from novate.identity.authority import authorise_owner
from novate.identity.principals import VENUE, KeyTerms, Principal, PrincipalKind
from novate.identity.refusals import IdentityRefused, Rule


def check_may_keep_keys(by: Principal, owner: int, action: str) -> None:
    """Raises IdentityRefused unless `by` may create or revoke keys of an owner.

    That is: the venue's own people whom the table names, or a key of the owner with scope admin, a role that the table names at every
    account, and no limit to single accounts.
    """
    authorise_owner(by, action, owner)


def check_may_give(by: Principal, terms: KeyTerms, networks: Iterable[str] | None) -> None:
    """Raises IdentityRefused (`grant_must_not_exceed_ones_own`) for terms that exceed the giver's own, and says in what.

    The venue's people who run it give customers' keys any terms; at the venue they give the roles and scopes they hold themselves. An
    owner's person, who has all the owner's accounts, gives no scope, market, cap, network or time beyond their own, and no role at the
    venue; a role without its scope does nothing, so scopes bound the roles given.
    """
    if by.kind is PrincipalKind.DEV:
        return
    of_venue = {grant.role for grant in terms.grants if grant.account == VENUE}
    if of_venue - by.venue_roles:
        raise _exceeds("roles at the venue")
    if by.venue_roles and terms.owner != by.owner and not of_venue:
        return
    if terms.scopes & ~by.scopes:
        raise _exceeds("scopes")
    if by.markets is not None and (terms.markets is None or terms.markets - by.markets):
        raise _exceeds("markets")
    if by.cap_micro_usd and not 0 < terms.cap_micro_usd <= by.cap_micro_usd:
        raise _exceeds("cap")
    if by.expires_ns and not 0 < terms.expires_ns <= by.expires_ns:
        raise _exceeds("expiry")
    if networks and not _inside(terms.networks, tuple(networks)):
        raise _exceeds("networks")


def _inside(networks: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    if not networks:
        return False
    try:
        wanted = [ipaddress.ip_network(network) for network in networks]
    except ValueError:
        return False
    around = [ipaddress.ip_network(network) for network in allowed]
    return all(
        any(
            (
                isinstance(one, ipaddress.IPv4Network)
                and isinstance(other, ipaddress.IPv4Network)
                and one.subnet_of(other)
            )
            or (
                isinstance(one, ipaddress.IPv6Network)
                and isinstance(other, ipaddress.IPv6Network)
                and one.subnet_of(other)
            )
            for other in around
        )
        for one in wanted
    )


def _exceeds(what: str) -> IdentityRefused:
    return IdentityRefused(Rule.GRANT_MUST_NOT_EXCEED_ONES_OWN, f"It exceeds them in {what}.", exceeds=what)
