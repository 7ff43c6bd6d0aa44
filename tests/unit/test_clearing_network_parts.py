"""The issuer's door in parts: settings, quantities, and whose key acts for whom."""

import pytest

from novate.clearing.conversion import ByHand
from novate.clearing.desk import DeskTerms
from novate.clearing.intake import Intake
from novate.clearing.names import Names
from novate.clearing.network_book import NetworkBook, reason_of
from novate.clearing.network_terms import shares_of, units_of
from novate.clearing.outbox import Outbox
from novate.clearing.service import Clearing, Terms
from novate.clearing.settings import load_clearing
from novate.clearing.words import Deliver, EndInKind, PaidOut, PayOut, ReserveInKind
from novate.errors import ConfigError
from novate.messages import CancelRequest, RequestWithdrawal, SettleWithdrawal, iter_commands
from novate.messages.commands.clearing import DeliverRequest, RequestInKind
from novate.messages.refusals import number_of, rules
from novate.messages.reports.portfolios import AssetName

SHARE = 10**9
ALICE, SERVICE, ISSUER = 11, 901, 902
SETTINGS = """
[[broker]]
name = "Alpaca"
adapter = "alpaca"
[[broker]]
name = "Prime"
adapter = "fix"
[network]
broker = "Alpaca"
keys_file = "k"
[network.tokens.AAPLx]
networks = ["base"]
[network.clients.a]
account = 11
wallets = ["w"]
"""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({'broker = "Alpaca"': 'broker = "Prime"'}, "network.broker"),
        ({'keys_file = "k"': ""}, "one of keys_file and signers"),
        ({'keys_file = "k"': 'keys_file = "k"\nsigners = { a = "b" }'}, "one of keys_file and signers"),
        ({'keys_file = "k"': 'signers = { a = "b" }'}, "network.address"),
        ({'keys_file = "k"': 'keys_file = "k"\nlisten = "0.0.0.0:80"'}, "no certificate"),
        ({'keys_file = "k"': 'keys_file = "k"\ncertificate = "c"'}, "both of certificate"),
        ({'keys_file = "k"': 'keys_file = "k"\nlisten = "127.0.0.1"'}, "host:port"),
        ({'keys_file = "k"': 'keys_file = "k"\nlisten = "127.0.0.1:http"'}, "host:port"),
        ({'keys_file = "k"': 'keys_file = "k"\nevery = "0 s"'}, "network.every is above zero"),
        ({'wallets = ["w"]': 'wallets = ["w"]\n[network.clients.b]\naccount = 12\nwallets = ["w"]'}, "two clients"),
        (
            {'wallets = ["w"]': 'wallets = ["w"]\nemail = "A@b.example"\n[network.clients.b]\naccount = 12\nwallets = ["v"]\nemail = "a@B.example"'},
            "one e-mail address",
        ),
        ({"account = 11": "account = 0"}, "account"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_settings_is_one_clear_error(change, why):
    assert load_clearing(SETTINGS).network is not None
    text = SETTINGS
    for old, new in change.items():
        text = text.replace(old, new)
    with pytest.raises(ConfigError, match=why):
        load_clearing(text)


def asset(decimals: int, multiplier_ppb: int) -> AssetName:
    return AssetName(
        asset=3, name="tAAPL", stablecoin=False, underlying=7, decimals=decimals, multiplier_ppb=multiplier_ppb, pool=False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("decimals", "multiplier", "shares", "units"),
    [
        (6, SHARE, 10 * SHARE, 10**7),
        (6, SHARE, 1_000, 1),
        (6, SHARE, 1_001, None),
        (6, SHARE, 999, None),
        (9, SHARE, 1, 1),
        (6, 1_020_000_000, 1_020_000_000, 10**6),
        (6, 1_020_000_000, SHARE, None),
    ],
)
def test_a_quantity_of_shares_is_whole_units_or_none(decimals, multiplier, shares, units):
    assert units_of(asset(decimals, multiplier), shares) == units
    if units is not None:
        assert shares_of(asset(decimals, multiplier), units) == shares


def test_every_refusal_has_one_of_the_guides_reasons():
    reasons = {reason_of(code).partition(" (")[0] for code in rules()}
    assert reasons == {
        "Failed Validation: Invalid data payload",
        "Insufficient Eligibility: Client not eligible",
        "Invalid Token: Token not available on the network",
    }
    assert "Eligibility" in reason_of(number_of("actor_must_have_the_role"))


def test_the_issuers_key_acts_for_clients_and_the_services_for_the_venue(tmp_path):
    sent = []
    with Outbox(tmp_path) as outbox:
        names = Names({}, {}, {})
        intake = Intake(outbox, names, b"", deliver=True, network=NetworkBook(outbox))
        terms = Terms(
            actor=SERVICE,
            for_clients=ISSUER,
            desk=DeskTerms(spread_ppm={}, age_ppm=0, oldest_ns=1, reach_ppm=0),
        )
        for n, word in enumerate(
            (
                EndInKind(id="a", account=ALICE, request=5),
                Deliver(request=5),
                PayOut(id="a", account=ALICE, asset=3, amount=7),
                ReserveInKind(id="a", account=ALICE, token=3, direction=0, amount=7, broker=1, reference=1),
                PaidOut(id="a", withdrawal=9, by="tess"),
            )
        ):  # fmt: skip
            outbox.say(f"w:{n}", word, 1)
        work = Clearing(
            outbox,
            intake,
            {},
            lambda buffer, _: sent.append(buffer),
            terms,
            market=None,
            changer=ByHand(),
            names=lambda: names,
        )
        for kept in outbox.waiting():
            work._tell_all((kept,), 1)
    kinds = (CancelRequest, DeliverRequest, RequestWithdrawal, RequestInKind, SettleWithdrawal)
    told = [one for buffer in sent for one in iter_commands(buffer, kinds)]
    assert [type(one.body) for one in told] == list(kinds)
    assert [(one.header.actor, one.header.account) for one in told] == [
        (ISSUER, ALICE), (SERVICE, 0), (ISSUER, ALICE), (ISSUER, ALICE), (SERVICE, 0),
    ]  # fmt: skip
