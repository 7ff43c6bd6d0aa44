"""The rotation drill: every kind of key is replaced on a running venue while orders go on, and what that did to them is counted.

    report = drill(Site(home, venue, chain_id, url), Load(account, market, price, quantity))

Each kind goes the same way: traffic by the old key; a new one is made; both are used; the old one ends; the old one is tried once more and
must be refused with its number; traffic by the new one. An order that is refused with a number of identity or gateway meanwhile, or that is
not answered, is one that the rotation broke.

Responsible for: keys that the drill makes itself for the account's owner and ends again, and the account of what happened. Never: touches a key
that anybody else uses; the venue's own (a webhook's secret) only where it is told to.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec
from coincurve import PrivateKey

from novate.client.signing import Ed25519Key, HmacKey, Key, Signer
from novate.errors import ConfigError, NovateError
from novate.files import write_private
from novate.identity import VENUE, Grant, Identity, KeyKind, KeyTerms, Scope
from novate.identity.certificates import FOLDER, Certificates, Issued
from novate.identity.proofs import new_ed25519
from novate.identity.refusals import Rule
from novate.identity.typed import Domain, digest, keccak
from novate.keepers.channels import Undelivered
from novate.messages.codes import Role
from novate.units import scaled

_WAIT_S: Final = 10.0
_ENGINE: Final = 2000
"""Refusals below are the engine's own: of the order, not of who sent it."""
_PHASE_S: Final = 2.0
_KEY_GONE, _CERTIFICATE_GONE = Rule.KEY_MUST_NOT_BE_REVOKED, Rule.CERTIFICATE_MUST_BE_IN_FORCE
_LABEL: Final = "rotation drill"
"""Of the drill's own keys."""
Reply = tuple[int, dict[str, Any]]


class DrillFailed(NovateError):
    """The drill found that a rotation breaks orders, that an old key still works, or that it proved nothing."""

    code = "drill_failed"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The running venue.

    Attributes:
        home: Its directory.
        venue: Its id.
        chain_id: Chain that wallets sign for.
        url: Of a gateway's HTTP.
        admin_url: Of the admin door; empty where there is none.
        certificates: Folder of its certificates; None for the one in the home.
    """

    home: Path
    venue: str
    chain_id: int
    url: str
    admin_url: str = ""
    certificates: Path | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded meanwhile: a post-only bid that does not trade, and its cancellation, again and again.

    Attributes:
        account: Whose; its owner's keys are made for the drill.
        market: Where.
        price: Of the bid, far enough below the market.
        quantity: Of the bid.
        phase_s: How long each phase takes.
    """

    account: int
    market: str
    price: str
    quantity: str
    phase_s: float = _PHASE_S


class Count(msgspec.Struct, kw_only=True):
    """Orders of one phase.

    Attributes:
        accepted: Placed or cancelled.
        refused_by_rules: Refused by the engine, which has nothing to do with keys.
        broken: Refused for the key's sake, or without an answer.
    """

    accepted: int = 0
    refused_by_rules: int = 0
    broken: int = 0


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of key, replaced.

    Attributes:
        kind: hmac, ed25519, agent, admin client certificate, admin server certificate, webhook secret.
        old: What ended: a key's number, a certificate's serial number.
        new: What took its place.
        by: Who did it.
        made_ns: When the new one was made; both were good from then on.
        ended_ns: When the old one ended.
        old_last_used_ns: When the old one was accepted for the last time.
        old_refused_with: Number by which the old one was refused afterwards; 0 where it is nobody's to refuse.
        before: Orders by the old key alone.
        overlap: Orders by both.
        after: Orders by the new one alone, from the old one's end on.
        faults: What must not be so.
    """

    kind: str
    old: str
    new: str
    by: str
    made_ns: int
    ended_ns: int
    old_last_used_ns: int
    old_refused_with: int
    before: Count
    overlap: Count
    after: Count
    faults: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found.

    Attributes:
        venue: Its id.
        began_ns: From when.
        ended_ns: To when.
        rotations: One for each kind, in order.
        by_hand: What was not rotated, and how it is.
        others_refused: Requests of keys that are not the drill's, refused for their key's sake meanwhile, from the log of who did what.
    """

    venue: str
    began_ns: int
    ended_ns: int
    rotations: tuple[Rotation, ...]
    by_hand: tuple[str, ...]
    others_refused: int

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that must not be so."""
        found = [f"{one.kind}: {fault}" for one in self.rotations for fault in one.faults]
        if self.others_refused:
            found.append(f"{self.others_refused} requests of other keys were refused for their key's sake.")
        return tuple(found)


BY_HAND: Final = (
    "Feed credentials: put the new one into the file of VARIABLE_FILE, and end the process `keeper prices`; its supervisor starts it with them.",
    "The home's key (identity.key): seals HMAC secrets and the log; it is replaced by new HMAC keys in a new home, with the venue stopped.",
    "The keepers' key: a number that the core writes beside facts. It signs nothing: who may open the core's socket has the files of the home.",
)


class Sender(Protocol):
    """A key as the drill uses it."""

    def __call__(self, op: str, args: dict[str, Any]) -> Reply:
        """Sends an operation for the account."""
        ...


class _Http:
    """One connection a thread, opened again when it breaks before anything was sent on it."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self._at, self._context, self._kept = urlsplit(url), context, threading.local()
        self._made: list[http.client.HTTPConnection] = []

    def __call__(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        connection = getattr(self._kept, "connection", None) or self.connect()
        self._kept.connection = connection
        try:
            connection.request(method, path, body, headers | {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            self._kept.connection = None
            raise

    def connect(self) -> http.client.HTTPConnection:
        """A connection."""
        host, port = self._at.hostname or "", self._at.port
        made = (
            http.client.HTTPSConnection(host, port, timeout=_WAIT_S, context=self._context)
            if self._at.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=_WAIT_S)
        )
        self._made.append(made)
        return made

    def close(self) -> None:
        """Closes every connection."""
        for connection in self._made:
            connection.close()


class _Traffic:
    """Orders without a pause, by the keys that are in use, counted by phase."""

    def __init__(self, load: Load) -> None:
        self._load, self._senders = load, ()  # type: Load, Sequence[tuple[str, Sender]]
        self._lock, self._ending = threading.Lock(), False
        self.count = Count()
        self.last_used: dict[str, int] = {}
        self.words: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="novate-drill", daemon=True)

    def use(self, *senders: tuple[str, Sender]) -> Count:
        """From now on orders come by these in turn; what was counted until now. Waits for the order that is on its way."""
        with self._lock:
            counted, self.count = self.count, Count()
            self._senders = senders
        return counted

    @contextmanager
    def running(self) -> Iterator[_Traffic]:
        """Trades meanwhile."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ending = True
            self._thread.join(_WAIT_S * 3)

    def _run(self) -> None:
        turn = 0
        while not self._ending:
            with self._lock:
                if self._senders:
                    turn += 1
                    self._trade(*self._senders[turn % len(self._senders)])
            time.sleep(0.005)

    def _trade(self, name: str, send: Sender) -> None:
        client = f"d{secrets.token_hex(7)}"
        bid = {
            "market": self._load.market, "side": "bid", "price": self._load.price, "quantity": self._load.quantity,
            "post_only": True, "client_id": client,
        }  # fmt: skip
        if self._tried(name, send, "place_order", bid):
            self._tried(name, send, "cancel_order", {"client_id": client})

    def _tried(self, name: str, send: Sender, op: str, args: dict[str, Any]) -> bool:
        try:
            _, reply = send(op, args)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.count.broken += 1
            self.words[name] = str(error) or type(error).__name__
            return False
        if reply["ok"]:
            self.count.accepted += 1
            self.last_used[name] = time.time_ns()
            return True
        error_said = reply["error"]
        if error_said["number"] < _ENGINE:
            self.count.refused_by_rules += 1
        else:
            self.count.broken += 1
        self.words[name] = f"{error_said['number']} {error_said['code']}"
        return False


class _Made(NamedTuple):
    """A key that the drill made: its name in the report, how it sends, how it ends."""

    name: str
    send: Sender
    end: Callable[[], object]


class _Drill:
    def __init__(self, site: Site, load: Load, identity: Identity, say: Callable[[str], None]) -> None:
        self.site, self.load, self.identity, self.say = site, load, identity, say
        self.http = _Http(site.url)
        identity.keyring.freshen(time.time_ns())
        owner = identity.keyring.owner_of(load.account)
        if owner is None:
            raise ConfigError(f"There is no account {load.account} at the venue in {site.home}.")
        self.owner = owner
        self.made: list[int] = []

    # --- keys of traders

    def hmac_key(self) -> _Made:
        made = self._create(KeyKind.HMAC, b"")
        return self._by_key(HmacKey(made.record.actor, made.secret))

    def ed25519_key(self) -> _Made:
        seed, public = new_ed25519()
        return self._by_key(Ed25519Key(self._create(KeyKind.ED25519, public).record.actor, seed))

    def agents(self) -> Callable[[], _Made]:
        """Makes agents of one wallet, as its owner would: by messages that the wallet signs."""
        wallet = PrivateKey()
        self._create(KeyKind.WALLET, _address(wallet))

        def make() -> _Made:
            agent = PrivateKey()
            said = {
                "agent": _text(agent), "label": _LABEL, "scopes": ["read", "trade"], "accounts": [], "markets": [],
                "capMicroUsd": "0", "networks": [], "expiresNs": "0",
            }  # fmt: skip
            reply = self._signed("ApproveAgent", said, wallet, wallet)
            key = int(reply["result"]["key"])
            return _Made(
                f"agent {key}",
                lambda op, args: self._order_of(wallet, agent, op, args),
                lambda: self._signed("RevokeAgent", {"agent": _text(agent)}, wallet, wallet),
            )

        return make

    def _create(self, kind: KeyKind, public: bytes) -> Any:
        terms = KeyTerms(
            owner=self.owner,
            scopes=Scope.READ | Scope.TRADE,
            accounts=frozenset({self.load.account}),
            label=_LABEL,
        )
        made = self.identity.create_key(None, kind, terms, time.time_ns(), public=public)
        self.made.append(made.record.actor)
        return made

    def _by_key(self, key: Key) -> _Made:
        signer = Signer(self.site.venue, key)

        def send(op: str, args: dict[str, Any]) -> Reply:
            body, path = msgspec.json.encode(args), f"/v1/accounts/{self.load.account}/operations/{op}"
            return self.http("POST", path, body, signer.headers("POST", path, body))

        return _Made(f"key {key.id}", send, lambda: self._end(key.id))

    def _end(self, actor: int) -> object:
        return self.identity.revoke_key(None, actor, time.time_ns(), _LABEL)

    def _order_of(self, wallet: PrivateKey, agent: PrivateKey, op: str, args: dict[str, Any]) -> Reply:
        client = "0x" + str(args["client_id"]).encode().ljust(16, b"\0").hex()
        account: dict[str, Any] = {"account": str(self.load.account)}
        if op == "cancel_order":
            return self._post("CancelOrder", account | {"order": "0", "clientId": client}, agent, wallet)
        said = account | {
            "market": args["market"], "side": args["side"], "kind": "limit", "timeInForce": "gtc", "postOnly": True, "reduceOnly": False,
            "priceE9": str(scaled(args["price"], 9, "price")), "quantityE9": str(scaled(args["quantity"], 9, "quantity")), "selfTrade": "cancel_newest", "clientId": client,
        }  # fmt: skip
        return self._post("PlaceOrder", said, agent, wallet)

    def _post(self, kind: str, said: dict[str, Any], by: PrivateKey, wallet: PrivateKey) -> Reply:
        sealed = said | {
            "timeNs": str(time.time_ns()),
            "expiresAfterNs": "0",
            "nonce": str(secrets.randbits(63)),
        }
        raw = by.sign_recoverable(
            digest(Domain(self.site.venue, self.site.chain_id), kind, sealed), hasher=None
        )
        wish = {
            "kind": kind, "message": sealed, "wallet": _text(wallet),
            "signature": "0x" + raw[:64].hex() + f"{raw[64] + 27:02x}",
        } | ({} if by is wallet else {"agent": _text(by)})  # fmt: skip
        return self.http("POST", "/v1/wallets", msgspec.json.encode(wish), {})

    def _signed(self, kind: str, said: dict[str, Any], by: PrivateKey, wallet: PrivateKey) -> dict[str, Any]:
        _, reply = self._post(kind, said, by, wallet)
        if not reply["ok"]:
            raise DrillFailed(f"{kind} of the drill's own wallet was refused: {reply['error']['message']}")
        return reply

    # --- the way of every kind

    def rotate(self, kind: str, make: Callable[[], _Made], traffic: _Traffic) -> Rotation:
        """Old key, both, new key, while orders go on by them."""
        self.say(f"{kind}: orders by the old key")
        old = make()
        traffic.use((old.name, old.send))
        time.sleep(self.load.phase_s)
        new, made_ns = make(), time.time_ns()
        self.say(f"{kind}: {new.name} is made; both are used")
        before = traffic.use((old.name, old.send), (new.name, new.send))
        time.sleep(self.load.phase_s)
        overlap = traffic.use((new.name, new.send))  # whoever uses a key stops before it ends
        old.end()
        ended_ns = time.time_ns()
        number = _refusal(old.send)
        self.say(f"{kind}: {old.name} has ended and is refused with {number}")
        time.sleep(self.load.phase_s)
        after = traffic.use()
        faults = [
            f"{count.broken} orders were refused for the key's sake {when} ({traffic.words})"
            for when, count in (("before", before), ("with both keys", overlap), ("afterwards", after))
            if count.broken
        ]
        faults += [
            f"no order was accepted {when}, so nothing is proved ({traffic.words})"
            for when, count in (("before", before), ("with both keys", overlap), ("afterwards", after))
            if not count.accepted
        ]
        if number != _KEY_GONE.number:
            faults.append(f"the old key was refused with {number}, not {_KEY_GONE.number}")
        new.end()
        return Rotation(
            kind=kind, old=old.name, new=new.name, by="its wallet" if kind == "agent" else "console", made_ns=made_ns, ended_ns=ended_ns,
            old_last_used_ns=traffic.last_used.get(old.name, 0), old_refused_with=number, before=before, overlap=overlap,
            after=after, faults=tuple(faults),
        )  # fmt: skip

    # --- what is no trader's: orders go on by a key that stays

    def beside(
        self, kind: str, traffic: _Traffic, steps: Callable[[Callable[[], Count]], Rotation]
    ) -> Rotation:
        """Runs the steps while orders go on by one key, and adds what became of them; `steps` gets what cuts the count."""
        stays = self.hmac_key()
        traffic.use((stays.name, stays.send))
        time.sleep(self.load.phase_s)
        try:
            done = steps(lambda: traffic.use((stays.name, stays.send)))
            time.sleep(self.load.phase_s)
        finally:
            after = traffic.use()
            stays.end()
        broken = sum(count.broken for count in (done.before, done.overlap, after))
        more = (f"{broken} orders were refused meanwhile ({traffic.words})",) if broken else ()
        self.say(f"{kind}: {done.old} has ended, {done.new} took its place")
        return msgspec.structs.replace(done, after=after, faults=done.faults + more)

    def client_certificate(self, cut: Callable[[], Count]) -> Rotation:
        """A person's certificate for the admin door."""
        certificates, now = self._certificates(), time.time_ns()
        terms = KeyTerms(
            owner=VENUE,
            scopes=Scope.READ,
            grants=frozenset({Grant(Role.VIEWER, VENUE)}),
            label=_LABEL,
        )
        made = self.identity.create_key(None, KeyKind.HMAC, terms, now)
        self.made.append(made.record.actor)
        signer, paths, shown = Signer(self.site.venue, HmacKey(made.record.actor, made.secret)), [], []

        doors: list[_Http] = []

        def certify() -> Callable[[], Reply]:
            path = self.site.home / f".drill-{secrets.token_hex(8)}.pem"
            paths.append(path)
            shown.append(certificates.issue_client(made.record, path, time.time_ns(), days=1))
            http_ = _Http(self.site.admin_url, _context(certificates, path))
            doors.append(http_)
            target = "/v1/admin/caps"
            return lambda: http_("GET", target, b"", signer.headers("GET", target, b""))

        try:
            old = certify()
            faults = _must(old, "the old certificate")
            before = cut()
            new, made_ns = certify(), time.time_ns()
            faults += _must(old, "the old certificate, beside the new one,") + _must(
                new, "the new certificate"
            )
            last, overlap = time.time_ns(), cut()
            certificates.revoke(shown[0].serial, time.time_ns())
            ended_ns, number = time.time_ns(), _number(old())
            if number != _CERTIFICATE_GONE.number:
                faults.append(
                    f"the revoked certificate was refused with {number}, not {_CERTIFICATE_GONE.number}"
                )
            faults += _must(new, "the new certificate, after the old one's end,")
            certificates.revoke(shown[1].serial, time.time_ns())
        finally:
            for door in doors:
                door.close()
            for path in paths:
                path.unlink(missing_ok=True)
        return _rotation(
            "admin client certificate", shown, made_ns, ended_ns, last, number, before, overlap, faults
        )

    def server_certificate(self, cut: Callable[[], Count]) -> Rotation:
        """The admin door's own certificate."""
        certificates = self._certificates()
        before, old = cut(), certificates.server()
        names = certificates.server_names()
        new, made_ns = certificates.issue_server(time.time_ns(), hosts=names), time.time_ns()
        end, faults = time.monotonic() + _WAIT_S, []
        while (seen := _shown_by(self.site.admin_url, certificates)) != new.serial and time.monotonic() < end:
            time.sleep(0.1)
        if seen != new.serial:
            faults.append(f"the door still shows {seen} after {_WAIT_S:.0f} s")
        last, overlap = time.time_ns(), cut()
        certificates.revoke(old.serial, time.time_ns())
        return _rotation(
            "admin server certificate", [old, new], made_ns, time.time_ns(), last, 0, before, overlap, faults
        )

    def _certificates(self) -> Certificates:
        return Certificates(self.site.certificates or self.site.home / FOLDER)


class HookSecret(NamedTuple):
    """A webhook whose signing secret is rotated for good."""

    path: Path
    """The file with the secret."""
    deliver: Callable[[], object]
    """Sends one alert. Raises Undelivered where the receiver does not take it."""
    hand_over: Callable[[str], object]
    """Returns once the receiver knows this secret."""


def rotate_secret(hook: HookSecret, cut: Callable[[], Count]) -> Rotation:
    """Signed by the old one, by both until the receiver has the new one, then by that alone; the receiver takes each."""
    old, new = hook.path.read_text(encoding="utf-8").split()[0], secrets.token_urlsafe(32)
    faults: list[str] = []

    def delivered(when: str) -> None:
        try:
            hook.deliver()
        except Undelivered as error:
            faults.append(f"the receiver did not take an alert {when}: {error.sentence}")

    delivered("before")
    before = cut()
    write_private(hook.path, f"{new}\n{old}\n".encode())
    made_ns = time.time_ns()
    delivered("signed by both, with the old secret")
    hook.hand_over(new)
    delivered("signed by both, with the new secret")
    last, overlap = time.time_ns(), cut()
    write_private(hook.path, f"{new}\n".encode())
    delivered("signed by the new secret")
    return Rotation(
        kind="webhook secret", old="the secret before", new="32 random bytes", by="console", made_ns=made_ns, ended_ns=time.time_ns(),
        old_last_used_ns=last, old_refused_with=0, before=before, overlap=overlap, after=Count(), faults=tuple(faults),
    )  # fmt: skip


def drill(
    site: Site,
    load: Load,
    *,
    webhook: HookSecret | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Rotates every kind of key in turn while orders go on.

    Args:
        site: The running venue.
        load: What is traded meanwhile.
        webhook: A webhook whose secret is rotated for good.
        say: Gets what happens, in words.

    Raises ConfigError for an account that is none; what opening the home's identity raises. Keys that the drill made have ended when it returns.
    """
    began_ns = time.time_ns()
    with Identity.open(site.home, began_ns, venue=site.venue, chain_id=site.chain_id) as identity:
        run = _Drill(site, load, identity, say)
        done: list[Rotation] = []
        try:
            with _Traffic(load).running() as traffic:
                done.append(run.rotate("hmac", run.hmac_key, traffic))
                done.append(run.rotate("ed25519", run.ed25519_key, traffic))
                done.append(run.rotate("agent", run.agents(), traffic))
                if site.admin_url:
                    done.append(run.beside("admin client certificate", traffic, run.client_certificate))
                    done.append(run.beside("admin server certificate", traffic, run.server_certificate))
                if webhook is not None:
                    hook = webhook
                    done.append(run.beside("webhook secret", traffic, lambda cut: rotate_secret(hook, cut)))
        finally:
            run.http.close()
            for actor in run.made:
                identity.revoke_key(None, actor, time.time_ns(), "the rotation drill has ended")
        others = _others_refused(site.home, began_ns, _others_in_force(identity, began_ns))
    return Report(
        venue=site.venue, began_ns=began_ns, ended_ns=time.time_ns(), rotations=tuple(done), others_refused=others,
        by_hand=BY_HAND + (() if site.admin_url else ("Admin certificates: the venue has no admin door.",))
        + (() if webhook else ("Webhook secrets: name one with --webhook.",)),
    )  # fmt: skip


def text_of(report: Report) -> str:
    """The report for people, in Markdown."""
    lines = [
        f"# Rotation drill at {report.venue}",
        "",
        f"{_utc(report.began_ns)} to {_utc(report.ended_ns)}",
        "",
    ]
    lines.append(
        "| kind | old | new | by | new from | old ended | old last used | refused with | orders before / both / after | broken |"
    )
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for one in report.rotations:
        counts = (one.before, one.overlap, one.after)
        lines.append(
            f"| {one.kind} | {one.old} | {one.new} | {one.by} | {_utc(one.made_ns)} | {_utc(one.ended_ns)} | {_utc(one.old_last_used_ns)} "
            f"| {one.old_refused_with or '-'} | {' / '.join(str(count.accepted) for count in counts)} | {sum(count.broken for count in counts)} |"
        )
    lines += ["", "Not rotated here:", "", *(f"* {words}" for words in report.by_hand), ""]
    faults = report.faults
    lines += (
        ["Faults:", "", *(f"* {words}" for words in faults)]
        if faults
        else ["No order was refused because of a rotation."]
    )
    return "\n".join(lines) + "\n"


# --- small things ----------------------------------------------------------------------------------------------------------


def _others_in_force(identity: Identity, at_ns: int) -> set[str]:
    """Keys that were good at a time and are not the drill's."""
    return {
        str(one.actor)
        for one in identity.store.keys(None)
        if one.created_ns < at_ns and not 0 < one.revoked_ns < at_ns and one.terms.label != _LABEL
    }


def _others_refused(home: Path, since_ns: int, others: set[str]) -> int:
    """Requests in the log by keys that were good when the drill began, are not its own, and ended meanwhile.

    A wrong signature is not counted, nor a key that ended before: strangers may send either at any time, and no drill makes one.
    """
    found = 0
    with (home / "audit.log").open("rb") as log:
        for line in log:
            if not line.endswith(b"\n"):  # it is being written
                break
            entry = msgspec.json.decode(line)
            if entry["kind"] == "refused" and entry["time_ns"] >= since_ns:
                facts = entry["facts"]
                found += facts.get("rule") == _KEY_GONE.label and str(facts.get("claimed")) in others
    return found


def _refusal(send: Sender) -> int:
    return _number(send("cancel_order", {"client_id": "none"}))


def _number(reply: Reply) -> int:
    return 0 if reply[1]["ok"] else int(reply[1]["error"]["number"])


def _must(call: Callable[[], Reply], who: str) -> list[str]:
    number = _number(call())
    return [f"{who} was refused with {number}"] if number else []


def _rotation(
    kind: str, shown: Sequence[Issued], made_ns: int, ended_ns: int, last: int, number: int, before: Count, overlap: Count,
    faults: list[str],
) -> Rotation:  # fmt: skip
    return Rotation(
        kind=kind, old=shown[0].serial, new=shown[1].serial, by="console", made_ns=made_ns, ended_ns=ended_ns, old_last_used_ns=last,
        old_refused_with=number, before=before, overlap=overlap, after=Count(), faults=tuple(faults),
    )  # fmt: skip


def _context(certificates: Certificates, person: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.authority_path))
    if person is not None:
        context.load_cert_chain(person)
    return context


def _shown_by(url: str, certificates: Certificates) -> str:
    """Serial number of the certificate that the admin door shows to a new connection."""
    connection = _Http(url, _context(certificates, None)).connect()
    try:
        connection.connect()
        shown: Any = connection.sock
        return certificates.shown(shown.getpeercert(binary_form=True)).serial
    finally:
        connection.close()


def _address(key: PrivateKey) -> bytes:
    return keccak(key.public_key.format(compressed=False)[1:])[-20:]


def _text(key: PrivateKey) -> str:
    return "0x" + _address(key).hex()


def _utc(at_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ns / 1e9)) if at_ns else "-"
