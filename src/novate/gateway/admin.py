"""The admin door: TLS in which both sides show a certificate of the venue's own authority, and what that lets a client do.

Responsible for: the context of the handshake, kept in step with the files; who a connection's certificate is of; and that it is the key's that
signs. Never: a transport, or a right: what a key may do is its own (`gate.py`). Decision 26.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from novate.errors import ConfigError, NovateError
from novate.gateway.gate import now
from novate.identity import IdentityRefused, Principal, PrincipalKind
from novate.identity.certificates import Certificates, Issued
from novate.identity.refusals import Rule

_LOOK_S: Final = 0.5
_log: Final = logging.getLogger("novate.gateway")


class AdminDoor:
    """For one event loop."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where the certificates can't be used."""
        self._certificates = Certificates(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(self._certificates.authority_path)
        self._taken = self._stamp()
        try:
            self.context.load_cert_chain(*self._certificates.server_paths)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"The admin door's certificate in {folder} can't be used: {error}.") from None

    async def follow(self) -> None:
        """Takes up a renewed certificate for the next connections, without an end of the open ones."""
        while True:
            await asyncio.sleep(_LOOK_S)
            stamp = self._stamp()
            if stamp == self._taken:
                continue
            self._taken = stamp
            try:
                self.context.load_cert_chain(*self._certificates.server_paths)
            except (OSError, ssl.SSLError):
                _log.warning("the admin door's new certificate can't be used; the one before goes on")

    def of_connection(self, transport: Any) -> Issued | None:
        """Whose certificate a connection showed; None where it can't be read, and then nothing is allowed."""
        shown = transport.get_extra_info("ssl_object")
        raw = shown.getpeercert(binary_form=True) if shown is not None else None
        try:
            return self._certificates.shown(raw) if raw else None
        except (ValueError, NovateError):
            return None

    def bound(self, principal: Principal, shown: Issued | None) -> Principal:
        """The principal with the certificate as evidence. Raises IdentityRefused: revoked, ended, or another key's."""
        if shown is None:
            raise IdentityRefused(Rule.CERTIFICATE_MUST_BE_IN_FORCE)
        self._certificates.check(shown, now())
        if principal.kind is PrincipalKind.ANONYMOUS:
            return principal
        if principal.actor != shown.actor:
            raise IdentityRefused(
                Rule.CERTIFICATE_MUST_BE_THE_KEYS, key=principal.actor, certificate=shown.serial
            )
        return replace(principal, certificate=shown.evidence)

    def _stamp(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in self._certificates.server_paths)
        except OSError:
            return ()
