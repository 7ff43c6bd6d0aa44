"""A venue with a public and an admin door, its people's keys and certificates, and how a client comes through the second."""

import asyncio
import ssl
import time
from contextlib import contextmanager

import httpx
from anyio.from_thread import start_blocking_portal
from websockets.asyncio.client import connect

from gateways import Key, RunningVenue, Speaker, free_port, patient_listing
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
from novate.identity.certificates import Certificates
from novate.messages.codes import Role
from novate.up.genesis import begin

PEOPLE = {"operator": Role.OPERATOR, "risk": Role.RISK, "compliance": Role.COMPLIANCE, "keeper": Role.KEEPER}


class TlsSocket:
    """`send` and `recv` of the asyncio client, called from here.

    The client of `websockets.sync` reads in a thread beside the one that writes, and one TLS object in two threads loses bytes now and then:
    python/cpython#143756.
    """

    def __init__(self, portal, connection):
        self._portal, self._connection = portal, connection

    def send(self, message):
        self._portal.call(self._connection.send, message)

    def recv(self, timeout):
        return self._portal.call(asyncio.wait_for, self._connection.recv(), timeout)


class AdminVenue(RunningVenue):
    """`keys` are the people's, `certificates` the authority."""

    def __init__(self, home, **options):
        super().__init__(home, dev=False, **options)
        self.admin_port = free_port()
        self.surface = {"gateway": ["--surface", "public"], "gateway admin": ["--surface", "admin"]}
        self.identity = Identity.open(home, time.time_ns(), venue=self.name, chain_id=1)
        self.certificates = Certificates.begin(home / "certificates", self.name, time.time_ns())
        self.keys, self.records, self.issued = {}, {}, {}
        for name, role in PEOPLE.items():
            terms = KeyTerms(
                owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(role, 0)}), label=name
            )
            self.add(name, terms)
            self.certify(name)

    def add(self, name, terms):
        made = self.identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
        self.records[name] = made.record
        self.keys[name] = Key(self.name, str(made.record.actor), secret=made.secret)

    def certify(self, name, file="", **options):
        """A certificate for a person; the path of certificate and private key."""
        path = self.home / f"{file or name}.pem"
        self.issued[file or name] = self.certificates.issue_client(
            self.records[name], path, time.time_ns(), **options
        )
        return path

    def context(self, name=""):
        """TLS of a client that shows a person's certificate, or none."""
        found = ssl.create_default_context(cafile=str(self.certificates.authority_path))
        if name:
            found.load_cert_chain(self.home / f"{name}.pem")
        return found

    @contextmanager
    def through(self, name):
        """Calls in here go through the admin door with a person's certificate."""
        public, url = self.http, f"https://127.0.0.1:{self.admin_port}"
        self.http = httpx.Client(base_url=url, timeout=20, verify=self.context(name))
        try:
            yield self
        finally:
            self.http.close()
            self.http = public

    @contextmanager
    def admin_socket(self, certificate, key=None):
        url = f"wss://127.0.0.1:{self.admin_port + 1}/v1/ws"
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(
                connect(url, max_size=None, ssl=self.context(certificate))
            ) as raw,
        ):
            speaker = Speaker(TlsSocket(portal, raw))
            if key is not None:
                reply = speaker.ask("login", key.login())
                assert reply["ok"], reply
            yield speaker

    def close(self):
        super().close()
        self.identity.close()


@contextmanager
def admin_venue(home):
    """Core, time, reader and both doors; accounts 11 and 12 with cash and an owner's key each."""
    begin(home, patient_listing(home.with_name(f"{home.name}.toml")))
    venue = AdminVenue(home)
    try:
        venue.start("core", "keeper time", "reader", "gateway", "gateway admin")
        with venue.through("keeper"):
            venue.prices(key=venue.keys["keeper"])
        for account in (11, 12):
            with venue.through("compliance"):
                venue.do("open_account", account, venue.keys["compliance"], owner=str(account))
            with venue.through("keeper"):
                venue.do(
                    "deposit",
                    account,
                    venue.keys["keeper"],
                    asset="USDC",
                    amount="1000000",
                    reference=str(account),
                )
            if account not in venue.identity.store.owners():
                venue.identity.store.add_owner(time.time_ns(), owner=account)
            venue.add(
                f"owner {account}", KeyTerms(owner=account, scopes=Scope.READ | Scope.TRADE | Scope.ADMIN)
            )
        yield venue
    finally:
        venue.close()
