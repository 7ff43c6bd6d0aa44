"""What HTTP serves beside questions and operations: one table, from which the server, its descriptions and the tests are made.

Responsible for: every such path with its method, what a caller must be allowed to do, and what it takes. Never: does it (`rest.py`).
A path that is in no table is not served; a test compares the three tables with what the server answers to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from novate.gateway.keys import KeyWish
from novate.gateway.onboarding import ACTS, APPLY, READ
from novate.gateway.wallets import WalletWish
from novate.gateway.whatif import Effect, WhatIf
from novate.notices.formats import ATOM_TYPE, JSON_TYPE
from novate.notices.records import Post, Words
from novate.onboarding.words import ApplicationWish
from novate.schema.operations import operations

SIGNED: Final = ""
"""In place of an action: the message is signed by a wallet, and what it says names the action."""


@dataclass(frozen=True, slots=True)
class Call:
    """One path and method."""

    method: str
    path: str
    name: str
    """Of the operation in OpenAPI; the server's handler has it too."""
    summary: str
    action: str
    """What `novate.identity.authority` is asked; `SIGNED` where the message proves and says it."""
    body: type[Any] | None = None
    query: tuple[str, ...] = ()
    """Names of parameters, words all."""
    media: str = ""
    """Type of an answer that is no envelope."""

    @property
    def needs_credentials(self) -> bool:
        """Whether the request itself is signed by a key."""
        return self.action not in {SIGNED, "signature.verify", "market.read"}


CALLS: Final[tuple[Call, ...]] = (
    Call("POST", "/accounts/{account}/orders", "post_order", "The operation place_order.", "PlaceOrder", operations()["place_order"].args),
    Call("DELETE", "/accounts/{account}/orders", "cancel_orders", "Cancels all orders, or those in a market.", "CancelAll", query=("market",)),
    Call("DELETE", "/accounts/{account}/orders/{order}", "delete_order", "Cancels an order.", "CancelOrder"),
    Call("POST", "/accounts/{account}/what-if", "what_if", "Operations tried on a copy of the venue: what an owner may do, and what else the key may.", "account.simulate", WhatIf, query=("min_seq",)),
    Call("POST", "/accounts/{account}/margin-calls/{call}/acknowledge", "acknowledge", "Says that a margin call was seen; by its owner's people.", "calls.acknowledge"),
    Call("POST", "/wallets", "wallet", "An operation signed by a wallet or its agent; an agent approved or revoked by its wallet.", SIGNED, WalletWish),
    Call("POST", "/wallets/verify", "verify_wallet", "What had to be signed, who signed, and what is wrong with it.", "signature.verify", WalletWish),
    Call("GET", "/keys", "list_keys", "Keys of one's owner; all keys for the venue's people who keep them.", "keys.list"),
    Call("POST", "/keys", "create_key", "A new key.", "keys.create", KeyWish),
    Call("DELETE", "/keys/{key}", "revoke_key", "Ends a key for ever.", "keys.revoke"),
    Call("POST", "/admin/effect", "effect", "What an operation of the venue's would do to every account.", "venue.read", Effect),
    Call("POST", "/owners", "create_owner", "A new owner, for whom keys can be made.", "owners.create"),
    Call("GET", "/onboarding", "list_applications", "Applications that may be seen.", READ, query=("after", "limit")),
    Call("POST", "/onboarding", "apply", "An application to become a customer.", APPLY, ApplicationWish),
    Call("GET", "/onboarding/{application}", "application", "One application.", READ),
    Call("GET", "/onboarding/{application}/person", "applicant", "Who applies; looking is recorded.", READ),
    *(
        Call("POST", f"/onboarding/{{application}}/{name}", f"application_{name}", act.summary, act.action, act.wish)
        for name, act in ACTS.items()
    ),
    Call("POST", "/notices", "post_notice", "Tells everybody something.", "notices.post", Post),
    Call("POST", "/notices/{notice}/update", "update_notice", "More about a notice.", "notices.post", Words),
    Call("POST", "/notices/{notice}/resolve", "resolve_notice", "The end of a notice.", "notices.post", Words),
    Call("GET", "/notices/feed.json", "notices_json", "The newest notices for a feed reader.", "market.read", media=JSON_TYPE),
    Call("GET", "/notices/feed.atom", "notices_atom", "The same as Atom.", "market.read", media=ATOM_TYPE),
)  # fmt: skip

DOCUMENTS: Final = ("/openapi.json", "/asyncapi.json")
"""What a gateway says of itself."""
