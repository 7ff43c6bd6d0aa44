"""The tokenisation network's own endpoints, as the issuer calls them. The vendor's client has no methods for them: its REST base does the rest.

Responsible for: paths, bodies and keys of the published endpoints. Never: decides when (`tokenization`), or retries beyond the rate limit.
"""

from __future__ import annotations

from novate.broker.alpaca.desk import object_of
from novate.broker.alpaca.exact import Json
from novate.broker.alpaca.http import BrokerApi, Refusal
from novate.broker.alpaca.tokenization import AskRedeem, ConfirmMint
from novate.errors import DataError


class Network:
    """The network for one issuer's account. Raises NotReached, NoAnswer, Refusal and DataError."""

    def __init__(self, api: BrokerApi, account_id: str) -> None:
        self._api, self._at = api, f"/accounts/{account_id}/tokenization"

    def confirm_mint(self, said: ConfirmMint) -> Json:
        """Tells of tokens in a wallet; gives the request as the network has it."""
        return object_of(self._api.post(f"{self._at}/callback/mint", dict(said.body)))

    def redeem(self, asked: AskRedeem) -> Json:
        """Asks for shares; the same again gives the same answer."""
        return object_of(self._api.post_once(f"{self._at}/callback/redeem", asked.body, asked.key))

    def request(self, issuer_id: str) -> Json | None:
        """A request by the issuer's id; None where the network has none."""
        try:
            query = {"issuer_request_id": issuer_id}
            return object_of(self._api.get(f"{self._at}/requests:by_issuer_request_id", query))
        except Refusal as refusal:
            if refusal.unknown:
                return None
            raise

    def requests(self) -> list[Json]:
        """Every request of the issuer."""
        found = self._api.get(f"{self._at}/requests")
        if not isinstance(found, list):
            raise DataError("the network's answer is no list")
        return [object_of(one) for one in found]
