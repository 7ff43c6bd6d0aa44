"""What is said to onboarding and by it, in the public language: names, decimal text, ids as text.

Responsible for: one struct a wish, and an application as it is shown, whichever door it goes through. Never: decides.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from novate.errors import DataError, UnitError
from novate.messages.codes import HolderType
from novate.onboarding.records import Application, Document, Person, Terms
from novate.schema.catalogue import Catalogue, named
from novate.schema.operations import SchemaError
from novate.schema.scale import DOLLARS
from novate.schema.values import Decimal, Number, Word

Ns = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ApplicationWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application.

    Attributes:
        holder_type: `person`, `firm`, `fund` or `dealer`.
        jurisdiction: Two capital letters.
        person: Who applies; kept in the erasable store alone.
        owner: Whose; needed from the venue's people, who apply for somebody else.
    """

    holder_type: Word
    jurisdiction: Word
    person: Person
    owner: Number | None = None


class DocumentWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document, by reference; never the document itself.

    Attributes:
        kind: What it proves.
        reference: Where it is kept, with a scheme: `vault:kyc/8812`.
        sha256: Of its bytes, hexadecimal.
        expires_ns: Until when it counts; 0 without end.
    """

    kind: Word
    reference: Annotated[str, msgspec.Meta(max_length=512)]
    sha256: Annotated[str, msgspec.Meta(max_length=64)]
    expires_ns: Ns = 0


class ClassificationWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Class and limits that are to be approved.

    Attributes:
        holder_class: The engine's class of holders, once active.
        trial_class: The class until then; absent for the same.
        tier: Of the identity check.
        expires_ns: Until when the check counts.
        order_cap: Dollars that one order may be worth at most once active; absent without limit.
        trial_order_cap: The same until then.
        test_asset: What the first deposit is in.
        test_least: At least so much.
        test_most: And at most so much.
        reason: Why; kept for ever, so it names nobody.
    """

    holder_class: Number
    tier: Annotated[int, msgspec.Meta(ge=0, le=255)]
    expires_ns: Ns
    trial_order_cap: Decimal
    test_asset: Word
    test_least: Decimal
    test_most: Decimal
    reason: Annotated[str, msgspec.Meta(max_length=256)]
    trial_class: Number | None = None
    order_cap: Decimal | None = None


class ReasonWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An act that takes a reason.

    Attributes:
        reason: Why; kept for ever, so it names nobody.
    """

    reason: Annotated[str, msgspec.Meta(max_length=256)]


def holder_type(word: str) -> HolderType:
    """`person` to its code. Raises SchemaError."""
    try:
        return HolderType[word.upper()]
    except KeyError:
        known = ", ".join(one.name.lower() for one in HolderType)
        raise SchemaError(f"A holder is one of {known}.", field="holder_type") from None


def document_of(wish: DocumentWish, now_ns: int) -> Document:
    """The document that was said to have come now."""
    return Document(
        kind=wish.kind,
        reference=wish.reference,
        sha256=wish.sha256,
        received_ns=now_ns,
        expires_ns=wish.expires_ns,
    )


def terms_of(catalogue: Catalogue, wish: ClassificationWish) -> Terms:
    """Class and limits in whole units. Raises SchemaError for an asset that nothing is, or an amount between two units."""
    try:
        asset = named(catalogue.asset_ids, wish.test_asset, "asset")
        amount = catalogue.amounts[asset]
        return Terms(
            holder_class=int(wish.holder_class),
            trial_class=int(wish.trial_class or 0),
            tier=wish.tier,
            expires_ns=wish.expires_ns,
            order_cap=0 if wish.order_cap is None else DOLLARS.units(wish.order_cap, "order_cap"),
            trial_order_cap=DOLLARS.units(wish.trial_order_cap, "trial_order_cap"),
            test_asset=asset,
            test_least=amount.units(wish.test_least, "test_least"),
            test_most=amount.units(wish.test_most, "test_most"),
        )
    except (UnitError, DataError) as error:
        raise SchemaError(error.sentence) from None


def shown(catalogue: Catalogue | None, found: Application, now_ns: int) -> dict[str, Any]:
    """An application as it is told: never a name. Without names and scales its class and limits are left out."""
    return {
        "application": str(found.number),
        "owner": str(found.owner),
        "salted_id": found.salted_id,
        "holder_type": found.holder_type.name.lower(),
        "jurisdiction": found.jurisdiction,
        "state": found.state.value,
        "applied_ns": found.applied_ns,
        "deadline_ns": found.deadline_ns,
        "missing": list(found.missing(now_ns)),
        "account": str(found.account) if found.account else None,
        "in_the_engine": bool(found.carried) and found.carried == found.state,
        "seq": found.sequence,
        "problem": found.problem or None,
        "erased_ns": found.erased_ns,
        "terms": None if found.terms is None or catalogue is None else _terms(catalogue, found.terms),
        "documents": [msgspec.structs.asdict(one) for one in found.documents],
        "decisions": [
            {
                "decision": str(one.number), "at_ns": one.at_ns, "event": one.event.value, "before": one.before.value,
                "after": one.after.value, "by": one.by, "reason": one.reason, "seq": one.sequence,
            }
            for one in found.decisions
        ],
    }  # fmt: skip


def _terms(catalogue: Catalogue, terms: Terms) -> dict[str, Any]:
    amount = catalogue.amounts[terms.test_asset]
    return {
        "holder_class": str(terms.holder_class),
        "trial_class": str(terms.trial_class or terms.holder_class),
        "tier": terms.tier,
        "expires_ns": terms.expires_ns,
        "order_cap": DOLLARS.text(terms.order_cap) if terms.order_cap else None,
        "trial_order_cap": DOLLARS.text(terms.trial_order_cap),
        "test_asset": catalogue.assets[terms.test_asset].name,
        "test_least": amount.text(terms.test_least),
        "test_most": amount.text(terms.test_most),
    }
