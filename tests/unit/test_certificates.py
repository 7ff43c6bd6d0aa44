"""Certificates of the admin door: who gets one, how it ends, and what is read of one that is shown."""

import os
import stat
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from novate.cli import cli
from novate.errors import ConfigError
from novate.files import write_private
from novate.identity import Grant, Identity, IdentityRefused, KeyKind, KeyTerms, Scope
from novate.identity.certificates import CLIENT_DAYS, FOLDER, Certificates
from novate.identity.refusals import Rule
from novate.messages.codes import Role
from novate.operations.settings import certificates_of

DAY = 86_400 * 10**9
NOW = time.time_ns()


@pytest.fixture
def home(tmp_path):
    Certificates.begin(tmp_path / FOLDER, "v", NOW)
    return tmp_path


@pytest.fixture
def people(home):
    with Identity.open(home, NOW, venue="v", chain_id=1) as identity:
        terms = KeyTerms(
            owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(Role.OPERATOR, 0)}), label="Ada"
        )
        operator = identity.create_key(None, KeyKind.HMAC, terms, NOW).record
        identity.store.add_owner(NOW, owner=7)
        customer = identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=7), NOW).record
    return operator, customer


def test_a_persons_certificate_names_the_key_and_is_its_owners_alone(home, people):
    folder = Certificates(home / FOLDER)
    made = folder.issue_client(people[0], home / "ada.pem", NOW)
    assert (made.kind, made.label, made.actor, made.revoked) == ("client", "Ada", people[0].actor, False)
    assert made.ends_ns // DAY == (NOW + CLIENT_DAYS * DAY) // DAY
    assert stat.S_IMODE((home / "ada.pem").stat().st_mode) == 0o600
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (home / FOLDER).rglob("*"))
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        folder.issue_client(people[0], home / "ada.pem", NOW)
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        Certificates.begin(home / FOLDER, "v", NOW)


def test_none_for_a_customer_or_a_key_that_ended(home, people):
    folder = Certificates(home / FOLDER)
    with Identity.open(home, NOW, venue="v", chain_id=1) as identity:
        identity.revoke_key(None, people[0].actor, NOW)
        ended = identity.store.key(people[0].actor)
    for record in (people[1], ended):
        with pytest.raises(ConfigError, match="none in force of the venue's own people"):
            folder.issue_client(record, home / "no.pem", NOW)
    assert not (home / "no.pem").exists()


def test_an_end_is_for_ever_and_seen_by_whoever_holds_the_folder_open(home, people):
    door, console = Certificates(home / FOLDER), Certificates(home / FOLDER)
    made = [console.issue_client(people[0], home / f"{n}.pem", NOW) for n in range(3)]
    raw = x509.load_pem_x509_certificate((home / "0.pem").read_bytes()).public_bytes(
        serialization.Encoding.DER
    )
    shown = door.shown(raw)
    assert shown == made[0]
    door.check(shown, NOW)
    assert console.revoke(made[0].serial, NOW + DAY).revoked
    assert console.revoke(made[1].serial, NOW + DAY).revoked
    for one in made[:2]:
        with pytest.raises(IdentityRefused) as refusal:
            door.check(one, NOW)
        assert refusal.value.rule is Rule.CERTIFICATE_MUST_BE_IN_FORCE
    door.check(made[2], NOW)
    with pytest.raises(IdentityRefused):
        door.check(made[2], made[2].ends_ns)
    with pytest.raises(ConfigError, match="was issued"):
        console.revoke("abc", NOW)
    assert {one.serial: one.revoked for one in console.all() if one.kind == "client"} == {
        made[0].serial: True, made[1].serial: True, made[2].serial: False,
    }  # fmt: skip


@pytest.mark.parametrize("how", ["gone", "garbled", "of another authority"])
def test_without_a_list_of_revocations_nobody_comes_in(home, people, how):
    folder = Certificates(home / FOLDER)
    made = folder.issue_client(people[0], home / "ada.pem", NOW)
    path = home / FOLDER / "crl.pem"
    if how == "gone":
        path.unlink()
    elif how == "garbled":
        path.write_text("-----BEGIN X509 CRL-----\n")
    else:
        Certificates.begin(home / "other", "v", NOW)
        (home / "other/crl.pem").replace(path)
    with pytest.raises(ConfigError, match="revoked certificates"):
        folder.check(made, NOW)


def test_the_authoritys_key_may_lie_elsewhere_and_no_certificate_outlives_it(home, people, tmp_path):
    away = tmp_path / "away.key"
    (home / FOLDER / "ca.key").replace(away)
    folder = Certificates(home / FOLDER)
    with pytest.raises(ConfigError, match="private key can't be read"):
        folder.issue_client(people[0], home / "ada.pem", NOW)
    late = folder.issue_client(
        people[0], home / "ada.pem", NOW + 3600 * DAY, days=3000, authority_key=away
    ).ends_ns
    assert late <= NOW + 3650 * DAY
    Certificates.begin(home / "other", "v", NOW)
    with pytest.raises(ConfigError, match="not the authority's"):
        folder.revoke(folder.all()[0].serial, NOW, authority_key=home / "other/ca.key")


def test_the_commands(tmp_path):
    run = CliRunner().invoke
    key = '"key": "1"'
    made = run(
        cli,
        [
            "keys",
            "create",
            str(tmp_path),
            "--owner",
            "0",
            "--scope",
            "admin",
            "--role",
            "operator",
            "--label",
            "Ada",
        ],
    )
    assert made.exit_code == 0 and key in made.output
    assert run(cli, ["keys", "certificates", "begin", str(tmp_path)]).exit_code == 0
    pem = str(tmp_path / "ada.pem")
    issued = run(
        cli, ["keys", "certificates", "client", str(tmp_path), "--key", "1", "--to", pem, "--days", "5"]
    )
    assert issued.exit_code == 0 and key in issued.output
    assert (
        run(cli, ["keys", "certificates", "server", str(tmp_path), "--host", "admin.example.com"]).exit_code
        == 0
    )
    names = x509.load_pem_x509_certificate((tmp_path / FOLDER / "server.pem").read_bytes())
    san = names.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "admin.example.com" in san.get_values_for_type(x509.DNSName)
    serial = Certificates(tmp_path / FOLDER).all()[-1].serial
    assert (
        '"revoked": true'
        in run(cli, ["keys", "certificates", "revoke", str(tmp_path), "--serial", serial]).output
    )
    listed = run(cli, ["keys", "certificates", "list", str(tmp_path), "--json"])
    assert listed.output.count("serial") == 3
    log = (tmp_path / "audit.log").read_text()
    assert log.count("certificate_issued") == 2 and "certificate_revoked" in log and "authority_begun" in log


VENUE = """
[process]
venue = "my-venue"
[process.admin]
certificates = "tls"
"""


def test_the_commands_keep_certificates_where_the_venues_file_says(tmp_path):
    (tmp_path / "venue.toml").write_text(VENUE)
    run = CliRunner().invoke
    begun = run(cli, ["keys", "certificates", "begin", str(tmp_path), "--venue", "my-venue"])
    assert begun.exit_code == 0, begun.output
    assert Certificates(tmp_path / "tls").server().kind == "server" and not (tmp_path / FOLDER).exists()
    renewed = run(cli, ["keys", "certificates", "server", str(tmp_path), "--venue", "my-venue"])
    assert renewed.exit_code == 0 and len(Certificates(tmp_path / "tls").all()) == 2
    assert certificates_of(tmp_path) == tmp_path / "tls"
    assert certificates_of(tmp_path / "elsewhere") == tmp_path / "elsewhere" / FOLDER


def test_a_file_is_written_whole_for_its_owner_alone_and_its_name_is_synced(tmp_path, monkeypatch):
    path, order = tmp_path / "secret", []
    path.write_bytes(b"before")
    path.chmod(0o644)
    fsync, rename = os.fsync, Path.rename
    folder = tmp_path.stat().st_ino
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (order.append("folder" if os.fstat(fd).st_ino == folder else "file"), fsync(fd)),
    )
    monkeypatch.setattr(Path, "rename", lambda self, to: (order.append("rename"), rename(self, to))[1])
    write_private(path, b"after")
    assert order == ["file", "rename", "folder"]
    assert path.read_bytes() == b"after" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]
