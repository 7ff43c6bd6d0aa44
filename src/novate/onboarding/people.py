"""The erasable store: who the applicants are, sealed under the home's key, and gone once erased.

HOME/people.db holds one row a salted id: salt and person, AES-256-GCM under a key derived from the home's. The salted id is SHA-256 over salt
and person, so the row proves whom an id in the journal stands for; without the row nobody can tell, not even who guesses the name.

Responsible for: putting, reading, and erasing so that the file's free pages hold nothing of it. Never: an index of names, or a second copy.
A backup made before an erasure holds the row until it is thrown away.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from novate.identity.sealing import Seal, SealBroken
from novate.identity.store import database
from novate.onboarding.records import Person

FILE: Final = "people.db"
_NONCE: Final = 12
_SALT: Final = 32

_ALL = sa.MetaData()
PEOPLE = sa.Table(
    "people",
    _ALL,
    sa.Column("salted_id", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)


class People:
    """The people of one venue. Any thread."""

    def __init__(self, engine: sa.Engine, seal: Seal) -> None:
        self._engine = engine
        self._cipher = AESGCM(hmac.digest(seal.key, b"novate people", "sha256"))

    @classmethod
    def open(cls, home: Path, seal: Seal) -> Self:
        """Opens or makes HOME/people.db. No write-ahead log: what is erased is not kept in a second file."""
        return cls(database(home / FILE, _ALL, forgets=True), seal)

    def put(self, person: Person) -> str:
        """Keeps a person, under a new salt; returns the salted id."""
        salt = secrets.token_bytes(_SALT)
        told = msgspec.json.encode(person)
        salted_id = sha256(salt + told).hexdigest()
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, salt + told, salted_id.encode())
        with self._engine.begin() as connection:
            connection.execute(PEOPLE.insert().values(salted_id=salted_id, sealed=sealed))
        return salted_id

    def get(self, salted_id: str) -> Person | None:
        """The person; None once erased. Raises SealBroken where the row is not the one that was written under this home's key."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(PEOPLE).where(PEOPLE.c.salted_id == salted_id)).one_or_none()
        if row is None:
            return None
        try:
            told = self._cipher.decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], salted_id.encode())
        except InvalidTag as error:
            raise SealBroken("A person was not sealed under this home's key.") from error
        if sha256(told).hexdigest() != salted_id:
            raise SealBroken("A person is not the one that the salted id stands for.")
        return msgspec.json.decode(told[_SALT:], type=Person)

    def erase(self, salted_id: str) -> bool:
        """Removes a person for ever; whether there was one."""
        with self._engine.begin() as connection:
            return bool(connection.execute(PEOPLE.delete().where(PEOPLE.c.salted_id == salted_id)).rowcount)

    def close(self) -> None:
        """Closes the file."""
        self._engine.dispose()
