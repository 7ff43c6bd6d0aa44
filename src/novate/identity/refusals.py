"""Every "no" of who may speak and what a key may do: number, name, sentence, retry, HTTP status, in one table.

Responsible for: the numbers 2001 to 2049 of the gateway's refusals and the error that carries one. Never: decides; whoever checks a
rule raises `IdentityRefused` with its row. Numbers are never reused. 2050 and above belong to the gateway.
"""

from __future__ import annotations

from enum import Enum

from novate.errors import Fact, NovateError


class Rule(Enum):
    """One rule a request can break. The member's name in lower case is the rule's public name."""

    # fmt: off
    SIGNATURE_MUST_VERIFY = (2001, 401, False, "The signature is not the claimed key's over this request.")
    DUPLICATE_NONCE = (2002, 409, True, "The nonce was used before; sign again with a new one.")
    TIMESTAMP_MUST_BE_IN_WINDOW = (2003, 401, True, "The timestamp is too far from the venue's clock.")
    KEY_MUST_EXIST = (2004, 401, False, "The venue knows no such key, wallet or agent.")
    KEY_MUST_NOT_BE_REVOKED = (2005, 401, False, "The key was revoked, for ever.")
    KEY_MUST_NOT_BE_EXPIRED = (2006, 401, False, "The key has expired.")
    ADDRESS_MUST_BE_ON_THE_LIST = (2007, 403, False, "The key may not be used from this network address.")
    SCOPE_MUST_COVER = (2008, 403, False, "The key's scopes do not cover this action.")
    ACCOUNT_MUST_BE_ONES_OWN = (2009, 403, False, "The account is not one the key may act for.")
    MARKET_MUST_BE_ALLOWED = (2010, 403, False, "The key may not act in this market.")
    NOTIONAL_MUST_NOT_EXCEED_CAP = (2011, 403, False, "The order is worth more than the key may send at once.")
    ROLE_MUST_ALLOW = (2012, 403, False, "None of the key's roles allows this action here.")
    DOMAIN_MUST_BE_THE_VENUES = (2013, 401, False, "The typed data was signed for another domain than this venue's.")
    SIGNATURE_MUST_HAVE_65_BYTES = (2014, 400, False, "A wallet's signature is 65 bytes, r, s and v; the compact form is not taken.")
    SIGNATURE_S_MUST_BE_LOW = (2015, 400, False, "The signature's s is in the upper half of its range.")
    SIGNER_MUST_NOT_BE_ZERO = (2016, 400, False, "The zero address signs nothing.")
    RECOVERY_ID_MUST_BE_27_OR_28 = (2017, 400, False, "The signature's last byte must be 27 or 28.")
    SIGNATURE_VALUES_MUST_BE_IN_RANGE = (2018, 400, False, "The signature's r and s must be above zero and below the curve's order.")
    REQUEST_MUST_NOT_BE_EXPIRED = (2019, 401, False, "The request's own expiry has passed.")
    CREDENTIALS_MUST_BE_WELL_FORMED = (2020, 400, False, "A credential is missing, malformed or out of range.")
    PUBLIC_KEY_MUST_BE_NEW = (2021, 409, False, "This public key, secret or address was registered before.")
    PUBLIC_KEY_MUST_BE_VALID = (2022, 400, False, "This is not a public key or address that can be registered.")
    GRANT_MUST_NOT_EXCEED_ONES_OWN = (2023, 403, False, "Nobody gives a key more than they may do themselves.")
    WITHDRAWAL_MUST_USE_A_KEY_WITHOUT_TRADE = (2024, 403, False, "Money leaves the venue only by a key that cannot trade.")
    ACTION_MUST_BE_KNOWN = (2025, 404, False, "There is no such action.")
    MARKET_MUST_BE_STATED = (2026, 400, False, "The key is limited to markets, and the request does not say which it is for.")
    RATE_MUST_NOT_EXCEED_BUDGET = (2027, 429, True, "The budget of requests is used up; wait for it to refill.")
    CREDENTIALS_MUST_BE_GIVEN = (2028, 401, False, "This action needs a signed request or a login.")
    NOTIONAL_MUST_BE_STATED = (2029, 400, False, "The key has a cap, and what the order is worth is not known.")
    NONCES_MUST_FIT_THE_WINDOW = (2030, 429, True, "Too many nonces in one window; wait until older ones lapse.")
    TYPED_DATA_MUST_FIT_ITS_TYPE = (2031, 400, False, "The typed data is not exactly what its type says.")
    WALLET_MUST_SIGN_ITSELF = (2032, 403, False, "Only the wallet itself approves and revokes its agents.")
    OWNER_MUST_EXIST = (2033, 404, False, "There is no such owner.")
    OWNER_MUST_HAVE_THE_ACCOUNT = (2034, 400, False, "The account does not belong to that owner.")
    TERMS_MUST_BE_POSSIBLE = (2035, 400, False, "The key's terms contradict each other or are out of range.")
    CERTIFICATE_MUST_BE_IN_FORCE = (2036, 401, False, "The client certificate has ended, was revoked, or names nobody.")
    CERTIFICATE_MUST_BE_THE_KEYS = (2037, 403, False, "The client certificate is another key's than the one that signs.")
    # fmt: on

    def __init__(self, number: int, http_status: int, retryable: bool, sentence: str) -> None:
        self.number = number
        """20xx, never reused."""
        self.http_status = http_status
        self.retryable = retryable
        """Whether the same wish, signed anew, may succeed later."""
        self.sentence = sentence

    @property
    def label(self) -> str:
        """The public name, which states the rule: `duplicate_nonce`."""
        return self.name.lower()


RULES: dict[int, Rule] = {rule.number: rule for rule in Rule}
"""All rules by number."""


class IdentityRefused(NovateError):
    """A request was refused before it reached the engine. `rule` says which rule it broke; facts are what was compared."""

    code = "identity_refused"

    def __init__(self, rule: Rule, detail: str = "", **facts: Fact) -> None:
        super().__init__(f"{rule.sentence} {detail}" if detail else rule.sentence, **facts)
        self.rule = rule

    def as_answer(self) -> dict[str, Fact]:
        """For who is refused: number, name, sentence and whether a retry can help, then the facts, flat and JSON-ready."""
        row = self.rule
        return {
            "code": row.number,
            "name": row.label,
            "message": self.sentence,
            "retryable": row.retryable,
            **self.facts,
        }
