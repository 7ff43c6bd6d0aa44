"""Alpaca's REST API through the vendor's client: its addresses, paths and authentication, with exact numbers, time limits and honest endings.

What the vendor's client does not do and is done here: numbers are read from their own digits; an answer may take only so long; the wait after a
refusal for the rate limit is the one the broker asks for; and an ending says whether the request can have been taken.

Responsible for: one request and one answer. Never: logs a key, follows a redirect, or reads the environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import requests
import sseclient
from alpaca.broker import BrokerClient
from alpaca.common.exceptions import RetryException
from alpaca.common.rest import RESTClient
from alpaca.trading.client import TradingClient

from novate.broker.alpaca.exact import Json, read_json
from novate.broker.alpaca.settings import AlpacaSettings, Key
from novate.errors import DataError, NovateError

Sleep = Callable[[float], None]

_TOO_MANY: Final = 429
_FIRST_FAULT_OF_THEIRS: Final = 500
_NO_SUCH: Final = 404
_DUPLICATE: Final = "must be unique"
_LONGEST_REASON: Final = 300


class NotReached(NovateError):
    """The request can't have been taken: nobody was there, or the broker said so."""

    code = "broker_not_reached"


class NoAnswer(NovateError):
    """The request may have been taken: it left, and no answer came that says."""

    code = "broker_gave_no_answer"


class Refusal(NovateError):
    """The broker read the request and refused it. Facts: `status`, `number` (the broker's own)."""

    code = "broker_refused"

    @property
    def unknown(self) -> bool:
        """Whether there is no such thing."""
        return self.facts["status"] == _NO_SUCH

    @property
    def duplicate(self) -> bool:
        """Whether the client order id was used before."""
        return _DUPLICATE in self.sentence


class Exact(RESTClient):
    """The vendor's client with the endings of this module."""

    _wait_most: float
    _patience: float

    def prepare(self, settings: AlpacaSettings) -> None:
        """Sets time limits and repetitions; the environment's proxies and .netrc are left alone."""
        self._retry, self._retry_wait = settings.retries, 0
        self._wait_most, self._patience = settings.longest_wait_s, settings.patience_s
        self._session.trust_env = False

    def close(self) -> None:
        """Closes its connections; it may be used again."""
        self._session.close()

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        answer = self._answer(method, url, opts)
        if answer.status_code == _TOO_MANY:
            if retry > 0:
                self._retry_wait = self._asked_wait(answer)  # type: ignore[assignment]
                raise RetryException
            raise NotReached("Alpaca's rate limit is used up", status=_TOO_MANY)
        if answer.status_code >= _FIRST_FAULT_OF_THEIRS:
            raise NoAnswer(f"Alpaca answered {answer.status_code}", status=answer.status_code)
        if not answer.ok:
            raise _refusal(answer)
        return read_json(answer.content) if answer.content else None

    def _answer(self, method: str, url: str, opts: dict[str, Any]) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=(self._patience, self._patience), **opts)
        except requests.exceptions.ConnectTimeout as error:
            raise NotReached(f"Alpaca can't be reached: {type(error).__name__}") from None
        except requests.exceptions.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise NotReached("Alpaca can't be reached") from None
            raise NoAnswer("the connection to Alpaca broke") from None
        except requests.exceptions.RequestException as error:
            raise NoAnswer(f"Alpaca gave no answer: {type(error).__name__}") from None

    def _asked_wait(self, answer: requests.Response) -> float:
        asked = answer.headers.get("Retry-After", "")
        return min(float(asked) if asked.isascii() and asked.isdigit() else 1.0, self._wait_most)

    def events(self, path: str, params: dict[str, str], version: str) -> Iterator[tuple[Json, bytes]]:
        """A finite stream of server-sent events: each as JSON and as it came. Raises NoAnswer where it breaks off."""
        url = f"{self._base_url}/{version}{path}"
        opts = {"headers": self._get_default_headers() | {"Accept": "text/event-stream"}, "params": params}
        answer = self._answer("GET", url, opts | {"stream": True, "allow_redirects": False})
        with answer:
            if answer.status_code != requests.codes.ok:
                raise (
                    _refusal(answer) if answer.status_code < _FIRST_FAULT_OF_THEIRS else NoAnswer("no events")
                )
            try:
                for event in sseclient.SSEClient(answer.iter_content(None)).events():
                    yield _object(event.data), event.data.encode()
            except requests.exceptions.RequestException as error:
                raise NoAnswer(f"Alpaca's events broke off: {type(error).__name__}") from None


class TradingApi(Exact, TradingClient):
    """The trading API of one account."""


class BrokerApi(Exact, BrokerClient):
    """The broker API, which the tokenisation network is part of."""

    def post_once(self, path: str, body: Json, key: str) -> Any:
        """Posts with an idempotency key: the same again is never a second request."""
        opts = {"headers": self._get_default_headers() | {"Idempotency-Key": key}, "json": body}
        url = f"{self._base_url}/{self._api_version}{path}"
        for left in range(self._retry, -1, -1):
            try:
                return self._one_request("POST", url, opts | {"allow_redirects": False}, left)
            except RetryException:
                time.sleep(self._retry_wait)
        raise NotReached("Alpaca's rate limit is used up", status=_TOO_MANY)


def trading_api(settings: AlpacaSettings, key: Key) -> TradingApi:
    """A client of the trading API; nothing is sent before it is used."""
    client = TradingApi(
        api_key=key.id,
        secret_key=key.secret,
        paper=settings.account == "paper",
        raw_data=True,
        url_override=settings.rest(),
    )
    client.prepare(settings)
    return client


def broker_api(settings: AlpacaSettings, key: Key) -> BrokerApi:
    """A client of the broker API; nothing is sent before it is used."""
    client = BrokerApi(
        api_key=key.id,
        secret_key=key.secret,
        sandbox=settings.account == "paper",
        raw_data=True,
        url_override=settings.broker(),
    )
    client.prepare(settings)
    return client


def _refusal(answer: requests.Response) -> Refusal:
    number, message = "", answer.text[:_LONGEST_REASON]
    try:
        body = read_json(answer.content)
        number, message = str(body["code"]), str(body["message"])[:_LONGEST_REASON]
    except (DataError, KeyError, TypeError):
        pass
    sentence = f"{number}: {message}" if number else message
    return Refusal(sentence, status=answer.status_code, number=number)


def _object(said: str) -> Json:
    found = read_json(said)
    if not isinstance(found, dict):
        raise DataError("Alpaca's event is no object")
    return found
