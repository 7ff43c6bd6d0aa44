"""What every request of HTTP says and every answer carries besides its envelope, whichever application serves it.

Responsible for: who speaks, from where, ids in paths, and headers of budgets. Never: what is asked for, or done.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from novate.errors import NovateError
from novate.gateway.door import Door
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.gate import now
from novate.identity import Principal, Standing

Scope = MutableMapping[str, Any]
SHOWN: Final = "novate.certificate"
"""Extension of the ASGI scope that has the client certificate of the connection."""
_LARGEST: Final = 2**64


def speaker(door: Door, scope: Scope, body: bytes) -> Principal:
    """Who sent a request, by its headers and, at the admin door, its connection's certificate. Raises IdentityRefused."""
    raw, query = scope.get("raw_path", b"").decode("ascii", "replace"), scope.get("query_string", b"")
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name.startswith(b"novate-")
    }
    target = f"{raw}?{query.decode('ascii', 'replace')}" if query else raw
    principal = door.gate.of_request(scope["method"], target, headers, body, address_of(scope))
    if door.admin is None:
        return principal
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return door.admin.bound(principal, extensions.get(SHOWN))


def address_of(scope: Scope) -> str:
    """Where a request came from."""
    client = scope.get("client")
    return client[0] if client else ""


def budget_headers(standing: Standing | None) -> dict[str, str]:
    """The gateway's time, and what is left of the sender's budget."""
    headers = {"novate-time": str(now())}
    if standing is not None:
        headers |= {
            "ratelimit-limit": str(standing.limit),
            "ratelimit-remaining": str(standing.remaining),
            "ratelimit-reset": str(-(-standing.reset_ns // 1_000_000_000)),
        }
    return headers


def wait_headers(error: NovateError) -> dict[str, str]:
    """When to try again, of a refusal that says so. Who gave no credentials and has no budget left does not keep the connection either."""
    retry_after_ns: Any = error.facts.get("retry_after_ns")
    if not retry_after_ns:
        return {}
    headers = {"retry-after": str(-(-int(retry_after_ns) // 1_000_000_000))}
    return headers | {"connection": "close"} if error.facts.get("budget") == "address" else headers


def whole_number(text: str, field: str) -> int:
    """An id as it stands in a path. Raises GatewayRefused."""
    if text.isascii() and text.isdigit() and (number := int(text)) < _LARGEST:
        return number
    raise GatewayRefused(
        Rule.FIELDS_MUST_FIT_THE_OPERATION, f"{field} must be a whole number of 64 bits.", field=field
    )
