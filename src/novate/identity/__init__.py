"""Who speaks at a venue, and what they may do: the library that a gateway asks before a command goes to the core.

    refusals     every "no" with its number, 2001 to 2049
    principals   scopes, roles granted, keys, and as whom a request acts
    canonical    the string that API keys sign, and their credentials
    proofs       Ed25519 and HMAC
    typed        what wallets sign: EIP-712 types and digests
    wallets      who signed it, recovered in threads
    authority    what a principal may do: one table
    escalation   who may make keys, and how much they may give
    nonces       each nonce once, across restarts and gateways
    budgets      how many requests
    audit        the hash-chained log
    sealing      the home's key, secrets at rest
    tables       the store's tables and versions
    store        owners, accounts and keys in SQL
    bell         tells the processes of a home that the store changed
    keyring      the keys in memory
    service      all of it as one object, `Identity`

No HTTP, no engine, no clock: time is an argument. docs/concepts/identity.md says what is promised, docs/reference/signing.md what is signed.
"""

from novate.identity.audit import AuditDamaged, AuditReport, verify_audit
from novate.identity.authority import ACTIONS, Action, authorise, authorise_owner
from novate.identity.budgets import BudgetLimits, Budgets, Limit, Standing
from novate.identity.canonical import (
    Credentials,
    SignedRequest,
    canonical_string,
    credentials_from,
    headers_of,
)
from novate.identity.principals import (
    ANONYMOUS,
    DEV,
    VENUE,
    Grant,
    KeyKind,
    KeyRecord,
    KeyTerms,
    Principal,
    PrincipalKind,
    Scope,
)
from novate.identity.refusals import RULES, IdentityRefused, Rule
from novate.identity.service import Identity, Verdict
from novate.identity.store import IdentityStore, NewKey
from novate.identity.typed import Domain, typed_data
from novate.identity.wallets import WalletRequest

__all__ = [
    "ACTIONS",
    "ANONYMOUS",
    "DEV",
    "RULES",
    "VENUE",
    "Action",
    "AuditDamaged",
    "AuditReport",
    "BudgetLimits",
    "Budgets",
    "Credentials",
    "Domain",
    "Grant",
    "Identity",
    "IdentityRefused",
    "IdentityStore",
    "KeyKind",
    "KeyRecord",
    "KeyTerms",
    "Limit",
    "NewKey",
    "Principal",
    "PrincipalKind",
    "Rule",
    "Scope",
    "SignedRequest",
    "Standing",
    "Verdict",
    "WalletRequest",
    "authorise",
    "authorise_owner",
    "canonical_string",
    "credentials_from",
    "headers_of",
    "typed_data",
    "verify_audit",
]
