"""Certificates of the admin door: the venue's own authority, the door's certificate, and one for each person who comes through it.

    HOME/certificates/ca.pem ca.key          the authority; its key may lie elsewhere, and is needed to issue and revoke only
                     /server.pem server.key  what the door shows
                     /crl.pem                what was revoked, signed by the authority (RFC 5280)
                     /issued/SERIAL.pem      every certificate that was ever issued

A person's certificate names the person's key: `CN` is its label, `UID` its number. It opens nothing alone: each request is also signed by that
key. Private keys of people are written where they are told to, once, and are not kept.

Responsible for: these files, and what a certificate that is shown stands for. Never: serves TLS, or knows a role: that is the key's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from novate.errors import ConfigError
from novate.files import write_private
from novate.identity.principals import VENUE, KeyRecord
from novate.identity.refusals import IdentityRefused, Rule

FOLDER: Final = "certificates"
"""In a venue's home."""
AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397
CLIENT_DAYS: Final = 90
_SKEW: Final = timedelta(minutes=5)
"""A new certificate holds a little before it was made: clocks differ."""
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as its authority knows it."""

    serial: str
    """Hexadecimal, as in the names of files and in the log."""
    kind: str
    """`server` or `client`."""
    label: str
    actor: int
    """The key of whom it is; 0 for the door's own."""
    ends_ns: int
    """When it ends, ns since 1970 UTC."""
    revoked: bool

    def is_in_force(self, now_ns: int) -> bool:
        """Whether it neither ended nor was revoked."""
        return not self.revoked and now_ns < self.ends_ns

    @property
    def evidence(self) -> str:
        """For the log of who did what."""
        return f"{self.serial} {self.label}"


class Certificates:
    """The certificates in a folder. Any thread; changes take one writer."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where the folder holds no authority."""
        self.folder = folder
        self._authority = _read_certificate(folder / "ca.pem")
        self._crl_seen: tuple[int, int] = (0, 0)
        self._revoked: frozenset[int] = frozenset()

    @classmethod
    def begin(cls, folder: Path, venue: str, now_ns: int, *, hosts: Sequence[str] = ()) -> Certificates:
        """Makes an authority and the door's certificate. Raises ConfigError where there is one: nothing is overwritten."""
        if (folder / "ca.pem").exists():
            raise ConfigError(f"{folder} has an authority already; nothing is overwritten.")
        (folder / "issued").mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, venue),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{venue} admin authority"),
            ]
        )
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = (
            _builder(name, name, key.public_key(), now_ns, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(folder / "ca.key", _private(key))
        _write(folder / "ca.pem", _pem(made))
        found = cls(folder)
        found._write_crl([], now_ns)
        found.issue_server(now_ns, hosts=hosts)
        return found

    @property
    def authority_path(self) -> Path:
        """What both sides trust."""
        return self.folder / "ca.pem"

    @property
    def server_paths(self) -> tuple[Path, Path]:
        """The door's certificate and private key."""
        return self.folder / "server.pem", self.folder / "server.key"

    def issue_server(
        self,
        now_ns: int,
        *,
        hosts: Sequence[str] = (),
        days: int = SERVER_DAYS,
        authority_key: Path | None = None,
    ) -> Issued:
        """A new certificate of the door, for this machine's own names and `hosts`; a running door takes it up by itself."""
        names = dict.fromkeys(("localhost", "127.0.0.1", "::1", *hosts))
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin door")])
        made = self._sign(subject, key, now_ns, days, _SERVER, authority_key, list(map(_general, names)))
        certificate, private = self.server_paths
        # The key goes first: a door that reads between the two finds that they do not fit, and reads again.
        _write(private, _private(key), over=True)
        _write(certificate, _pem(made), over=True)
        return self._keep(made)

    def issue_client(
        self,
        record: KeyRecord,
        to: Path,
        now_ns: int,
        *,
        days: int = CLIENT_DAYS,
        authority_key: Path | None = None,
    ) -> Issued:
        """A certificate for who holds a key of the venue's own people, written to `to` with its private key, readable by its owner alone.

        Raises ConfigError for a customer's key, one that ended, or a file that exists.
        """
        if record.terms.owner != VENUE or record.revoked_ns or 0 < record.terms.expires_ns <= now_ns:
            raise ConfigError(
                f"Key {record.actor} is none in force of the venue's own people: the admin door is theirs.",
                key=record.actor,
            )
        if to.exists():
            raise ConfigError(f"{to} exists; nothing is overwritten.", file=str(to))
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, record.terms.label or f"key {record.actor}"),
                x509.NameAttribute(NameOID.USER_ID, str(record.actor)),
            ]
        )
        made = self._sign(subject, key, now_ns, days, _CLIENT, authority_key, [])
        _write(to, _private(key) + _pem(made))
        return self._keep(made)

    def revoke(self, serial: str, now_ns: int, *, authority_key: Path | None = None) -> Issued:
        """Ends a certificate for ever; doors refuse it from their next look on, on open connections too. Raises ConfigError."""
        found = next((one for one in self.all() if one.serial == serial.lower()), None)
        if found is None:
            raise ConfigError(f"No certificate {serial[:64]!r} was issued.", serial=serial[:64])
        if not found.revoked:
            self._write_crl([*self._entries(), _revocation(int(serial, 16), now_ns)], now_ns, authority_key)
        return next(one for one in self.all() if one.serial == found.serial)

    def all(self) -> list[Issued]:
        """Every certificate that was issued, the ones that end last first."""
        found = [self._issued(_read_certificate(path)) for path in (self.folder / "issued").glob("*.pem")]
        return sorted(found, key=lambda one: (-one.ends_ns, one.serial))

    def server(self) -> Issued:
        """The door's own certificate. Raises ConfigError."""
        return self._issued(_read_certificate(self.server_paths[0]))

    def server_names(self) -> list[str]:
        """The names and addresses that the door's certificate holds for."""
        one = _read_certificate(self.server_paths[0])
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [str(name.value) for name in names]

    def shown(self, raw: bytes) -> Issued:
        """What a certificate stands for that a client showed in a handshake which compared it with the authority."""
        return self._issued(x509.load_der_x509_certificate(raw))

    def check(self, shown: Issued, now_ns: int) -> None:
        """Raises IdentityRefused (`certificate_must_be_in_force`) once a certificate ended or was revoked."""
        if now_ns >= shown.ends_ns or int(shown.serial, 16) in self._revoked_now():
            raise IdentityRefused(Rule.CERTIFICATE_MUST_BE_IN_FORCE, certificate=shown.serial)

    # --- inside ----------------------------------------------------------------------------------------------------------

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, now_ns: int, days: int, use: x509.ObjectIdentifier,
        authority_key: Path | None, names: list[x509.GeneralName],
    ) -> x509.Certificate:  # fmt: skip
        """A certificate by the authority; none outlives it."""
        signer = self._signer(authority_key)
        left = (self._authority.not_valid_after_utc - _at(now_ns)).days
        if left < 1:
            raise ConfigError(f"The authority in {self.folder} has ended; begin another one.")
        builder = (
            _builder(subject, self._authority.subject, key.public_key(), now_ns, min(days, left))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority_public()), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256())

    def _signer(self, path: Path | None) -> ec.EllipticCurvePrivateKey:
        where = path or self.folder / "ca.key"
        try:
            key = serialization.load_pem_private_key(where.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise ConfigError(f"The authority's private key can't be read from {where}: {error}.") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._authority_public():
            raise ConfigError(f"The private key in {where} is not the authority's.")
        return key

    def _authority_public(self) -> ec.EllipticCurvePublicKey:
        public = self._authority.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise ConfigError(f"The authority in {self.folder} was not made by novate.")
        return public

    def _keep(self, made: x509.Certificate) -> Issued:
        _write(self.folder / "issued" / f"{made.serial_number:x}.pem", _pem(made))
        return self._issued(made)

    def _issued(self, one: x509.Certificate) -> Issued:
        uses = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        said = {attribute.oid: str(attribute.value) for attribute in one.subject}
        number = said.get(NameOID.USER_ID, "0")
        return Issued(
            serial=f"{one.serial_number:x}",
            kind="client" if _CLIENT in uses else "server",
            label=said.get(NameOID.COMMON_NAME, ""),
            actor=int(number) if number.isascii() and number.isdigit() else 0,
            ends_ns=int(one.not_valid_after_utc.timestamp()) * 10**9,
            revoked=one.serial_number in self._revoked_now(),
        )

    def _revoked_now(self) -> frozenset[int]:
        """Serial numbers in the list of revocations, read again when the file changed. Raises ConfigError: without it nobody is let in."""
        path = self.folder / "crl.pem"
        try:
            stat = path.stat()
            if (stat.st_mtime_ns, stat.st_ino) != self._crl_seen:
                self._revoked = frozenset(one.serial_number for one in self._entries())
                self._crl_seen = (stat.st_mtime_ns, stat.st_ino)
        except OSError as error:
            raise ConfigError(f"The list of revoked certificates {path} can't be read: {error}.") from None
        return self._revoked

    def _entries(self) -> list[x509.RevokedCertificate]:
        path = self.folder / "crl.pem"
        try:
            found = x509.load_pem_x509_crl(path.read_bytes())
        except ValueError as error:
            raise ConfigError(f"The list of revoked certificates {path} can't be read: {error}.") from None
        if not found.is_signature_valid(self._authority_public()):
            raise ConfigError(f"The list of revoked certificates {path} is not signed by the authority.")
        return list(found)

    def _write_crl(
        self, entries: Sequence[x509.RevokedCertificate], now_ns: int, authority_key: Path | None = None
    ) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._authority.subject)
            .last_update(_at(now_ns))
            .next_update(self._authority.not_valid_after_utc)
        )
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        made = builder.sign(self._signer(authority_key), hashes.SHA256())
        _write(self.folder / "crl.pem", made.public_bytes(serialization.Encoding.PEM), over=True)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now_ns: int, days: int
) -> x509.CertificateBuilder:
    now = _at(now_ns)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _revocation(serial: int, now_ns: int) -> x509.RevokedCertificate:
    return x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_at(now_ns)).build()


def _at(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns // 10**9, UTC)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"The certificate {path} can't be read: {error}.", file=str(path)) from None


def _pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, over: bool = False) -> None:
    """A file readable by its owner alone, whole or not at all."""
    if path.exists() and not over:
        raise ConfigError(f"{path} exists; nothing is overwritten.", file=str(path))
    write_private(path, content)
