"""Shipping by TCP, encrypted: TLS 1.3 in which both ends show one certificate, made of the key that both homes have.

    talk = accepted(sock, key)      at the core        plain bytes in and out of `talk`, encrypted on `sock`
    talk = connected(sock, key)     at the standby

The certificate is the same at both ends, byte by byte: nothing is issued, renewed or copied but `standby.key`, and who has another key is
refused in the handshake. What was recorded can't be read later with the key: the session's secrets are of that session alone.

Responsible for: the handshake, and carrying bytes between the two. Never: knows a record, or goes on after either end has hung up.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

from novate.core_process.shipping_wire import ShippingDenied, Why

_PURPOSE: Final = b"novate shipping tls 1"
_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""The key decides who is let in, never a date: it ends when another takes its place."""
_AT_ONCE: Final = 1 << 16
_MOST_BYTES: Final = 1 << 20
"""Held back of one direction before its source is not read any more."""
_LAST_S: Final = 5.0
"""So long what is left may take to go out, and the other end to hang up, once one's own end has."""
_NOT_NOW: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)


def accepted(sock: socket.socket, key: bytes) -> socket.socket:
    """The core's end; takes `sock` over. Raises OSError where the other end has not the key."""
    return _carried(sock, _context(ssl.PROTOCOL_TLS_SERVER, key), server=True)


def connected(sock: socket.socket, key: bytes) -> socket.socket:
    """The standby's end; takes `sock` over. Raises ShippingDenied where the other end has not the key, OSError where it hung up."""
    try:
        return _carried(sock, _context(ssl.PROTOCOL_TLS_CLIENT, key), server=False)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise
    except ssl.SSLError as error:
        raise ShippingDenied(
            f"What answers has not the key of this standby's core ({error.reason or error}).",
            why=Why.NO_PROOF,
        ) from error


def _carried(sock: socket.socket, context: ssl.SSLContext, *, server: bool) -> socket.socket:
    wait = sock.gettimeout()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    secured = context.wrap_socket(sock, server_side=server)  # shakes hands, for as long as `sock` waits
    secured.setblocking(False)
    ours, theirs = socket.socketpair()
    ours.settimeout(wait)
    theirs.setblocking(False)
    threading.Thread(target=_Carrier(secured, theirs).run, name="novate-ship-tls", daemon=True).start()
    return ours


class _Carrier:
    """Bytes between an encrypted connection and a plain one, by one thread: no TLS connection is used by two at once."""

    def __init__(self, secured: ssl.SSLSocket, plain: socket.socket) -> None:
        self._secured, self._plain = secured, plain
        self._out, self._in = bytearray(), bytearray()
        """To the network, and from it."""
        self._ends_at: float | None = None
        """Set once our own end has hung up: what it said goes out, what comes is for nobody, until the other end hangs up, too."""
        self._said_all = False
        self._hung_up = False
        """The other end has."""

    def run(self) -> None:
        with self._secured, self._plain, selectors.DefaultSelector() as selector, suppress(OSError):
            while not self._over():
                self._look(selector)
                self._take_in()
                self._put_out()

    def _over(self) -> bool:
        if self._hung_up:
            return not self._in or self._ends_at is not None
        return self._ends_at is not None and time.monotonic() > self._ends_at

    def _look(self, selector: selectors.BaseSelector) -> None:
        """Waits for what can go on."""
        reads, writes = selectors.EVENT_READ, selectors.EVENT_WRITE
        hears = not self._hung_up and len(self._in) < _MOST_BYTES
        asks = self._ends_at is None and len(self._out) < _MOST_BYTES
        for sock, events in (
            (self._secured, reads * hears | writes * bool(self._out)),
            (self._plain, reads * asks | writes * bool(self._in)),
        ):
            known = selector.get_map().get(sock)
            if known is not None and known.events != events:
                selector.unregister(sock)
            if events and (known is None or known.events != events):
                selector.register(sock, events)
        ready = hears and self._secured.pending()  # decrypted already, so that no socket says it
        selector.select(0 if ready else _LAST_S)

    def _take_in(self) -> None:
        """From the network to our own end."""
        while len(self._in) < _MOST_BYTES and not self._hung_up:
            try:
                chunk = self._secured.recv(_AT_ONCE)
            except _NOT_NOW:
                break
            except OSError:
                chunk = b""  # cut, or no more than a goodbye
            self._in += chunk
            self._hung_up = not chunk
            if self._ends_at is not None:
                self._in.clear()
        while self._in:
            try:
                del self._in[: self._plain.send(self._in[:_AT_ONCE])]
            except _NOT_NOW:
                break
            except OSError:  # nobody hears it any more
                self._in.clear()

    def _put_out(self) -> None:
        """From our own end to the network."""
        while self._ends_at is None and len(self._out) < _MOST_BYTES:
            try:
                chunk = self._plain.recv(_AT_ONCE)
            except _NOT_NOW:
                break
            except OSError:
                chunk = b""
            self._out += chunk
            if not chunk:
                self._ends_at = time.monotonic() + _LAST_S
        while self._out:
            try:
                del self._out[: self._secured.send(self._out[:_AT_ONCE])]
            except _NOT_NOW:
                return
            except OSError:  # what came before is there, and still to be read
                self._out.clear()
                self._take_in()
                self._hung_up = True
        if self._ends_at is not None and not self._said_all and not self._hung_up:
            self._said_all = True
            # Closed with something unread, a connection would take from the other end what it has not read yet.
            self._secured.shutdown(socket.SHUT_WR)


@lru_cache(maxsize=4)
def _context(side: int, key: bytes) -> ssl.SSLContext:
    """Shows the key's certificate, and takes no other."""
    private = Ed25519PrivateKey.from_private_bytes(
        HKDF(hashes.SHA256(), 32, salt=None, info=_PURPOSE).derive(key)
    )
    certificate = _certificate(private).public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate is the key's, wherever it is
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate.decode("ascii"))
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # `ssl` takes a private key from a file only: one in memory, that has no name anywhere.
    with os.fdopen(os.memfd_create("novate-shipping", os.MFD_CLOEXEC), "wb") as file:
        file.write(secret + certificate)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


def _certificate(private: Ed25519PrivateKey) -> x509.Certificate:
    """The same bytes whenever it is made of the same key: Ed25519 signs without chance."""
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "novate shipping")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(private, None)
    )
