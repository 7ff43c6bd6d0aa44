"""A name's file: drafted from a peer and bars, read as the venue's own listing, every mistake named."""

import math
import tomllib
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from novate import client
from novate.client import Persistence, VenueUnreachable
from novate.config import load_listing
from novate.config.load import packaged_text
from novate.errors import ConfigError, DataError
from novate.listing_desk.commands import delisting, listing
from novate.listing_desk.draft import Wish, drafted
from novate.listing_desk.plan import read_plan, recorded
from novate.listing_desk.series import read_series
from novate.messages import ChangeTerms, ListAsset, ListMarket, ListSource, ListUnderlying, SetLimit, encode
from novate.messages.codes import CapKind

BASE = packaged_text()
PEERS = [one["name"] for one in tomllib.loads(BASE)["underlying"] if one["perp"]]


def wish(like="NVDA", price="110", series=None, **more):
    given = {"token": "", "sector": "", "sources": ("a", "b"), "origin": "bars.csv"} | more
    return Wish(name="NFLX", like=like, price=Decimal(price) if price else None, series=series, **given)


def bars(path, sigma=0.02, night=0.1, volume=4_000_000, days=90):
    lines, close, day = ["date,open,close,volume"], 100.0, date(2026, 1, 5)
    for number in range(days):
        opened = close * (1 + night if number == 10 else 1)
        close = opened * (1 + sigma * math.sqrt(2) * math.sin(number))
        lines.append(f"{day + timedelta(number)},{opened:.6f},{close:.6f},{volume}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def text():
    return drafted(wish(), BASE)


@pytest.fixture(scope="module")
def plan(text):
    return read_plan(text, BASE, "NFLX.toml")


@pytest.mark.parametrize("peer", PEERS)
def test_a_draft_after_every_peer_is_a_plan(peer):
    made = read_plan(drafted(wish(peer), BASE), BASE, "x")
    assert made.like == peer and made.quorum == 2 and made.perp.opens_by_auction == 1
    assert [step.number for step in made.steps] == [1, 2, 3]


def test_what_a_plan_lists_and_in_which_order(plan):
    kinds = [type(one.command) for one in plan.listing]
    assert kinds == [ListUnderlying, ListSource, ListSource, ListAsset, ListMarket, ListMarket]
    base = load_listing(BASE)
    terms = plan.terms
    assert terms.underlying == max(base.underlying.values()) + 1
    assert {market.market for market in plan.markets} == {2 * terms.underlying - 1, 2 * terms.underlying}
    assert terms.gap_group == terms.underlying and terms.bucket == base.terms["NVDA"].bucket
    assert terms.sector == base.terms["NVDA"].sector and terms.beta_ppm == base.terms["NVDA"].beta_ppm
    spot = next(one for one in plan.listing if one.what == "market tNFLX-USDC")
    assert spot.needs == ("NFLX", "tNFLX") and plan.listing[0].needs == ()


def test_steps_rise_and_carry_the_tokens_caps(plan, text):
    for before, after in zip(plan.steps, plan.steps[1:], strict=False):
        for least, most in zip(before.caps, after.caps, strict=True):
            assert (
                least.command.most <= most.command.most
                and least.command.closed_most == least.command.most // 2
            )
    kinds = [one.command.cap_kind for one in plan.steps[0].caps]
    assert kinds == [CapKind.ACCOUNT, CapKind.OBLIGOR, CapKind.OPEN_INTEREST, CapKind.UNDERLYING]
    assert all(isinstance(one.command, SetLimit) for one in plan.steps[0].caps)
    terms = plan.steps[1].collateral[0].command
    assert isinstance(terms, ChangeTerms)
    said = tomllib.loads(text)["step"][1]
    owner, venue = (
        int(said[f"{who}_collateral"].removesuffix(" tokens").replace(",", "")) * 10**6
        for who in ("owner", "venue")
    )
    assert terms.terms[2:] == encode(replace(plan.token, owner_cap=owner, venue_cap=venue))[48:]
    assert owner > plan.token.owner_cap > 0 and venue > plan.token.venue_cap > 0
    assert plan.before_opening == plan.listing + plan.steps[0].caps


def test_numbers_from_bars(tmp_path):
    series = read_series(bars(tmp_path / "bars.csv"))
    assert abs(series.sigma_ppm - 20_000) < 600 and series.gap_ppm in {100_000, 100_001}
    assert series.adv_usd > 0 and series.days == 90
    made = read_plan(drafted(wish(like="", price="", series=series), BASE), BASE, "x")
    assert made.terms.gap_ppm == 130_000 and made.terms.sigma_ppm >= series.sigma_ppm
    assert made.price == Decimal(str(series.close))
    interest = made.steps[-1].caps[2].command
    dollars = interest.most * made.perp.lot_size * made.price / 10**9
    assert dollars <= Decimal(series.adv_usd) / 20 < dollars * 12 / 10


@pytest.mark.parametrize(
    ("sigma", "volume", "near"),
    [(0.02, 10_000_000, {"NVDA", "AAPL", "MSFT"}), (0.01, 50_000_000, {"SPY", "QQQ"})],
)
def test_the_nearest_peer_is_one_of_its_kind(tmp_path, sigma, volume, near):
    series = read_series(bars(tmp_path / "bars.csv", sigma=sigma, night=0, volume=volume))
    like = read_plan(drafted(wish(like="", series=series), BASE), BASE, "x").like
    kinds = {one["name"]: one["class"] for one in tomllib.loads(BASE)["underlying"]}
    assert kinds[like] in {kinds[one] for one in near}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"like": ""}, "Which listed name is NFLX like"),
        ({"like": "TSLB"}, "TSLB is no peer"),
        ({"price": ""}, "What does NFLX cost"),
    ],
)
def test_what_a_draft_asks_for(given, said):
    with pytest.raises(ConfigError, match=said):
        drafted(wish(**given), BASE)


def test_a_name_with_a_dot_and_names_that_are_none():
    made = read_plan(
        drafted(Wish("BRK.B", "NVDA", Decimal(400), None, "", "", ("a", "b"), ""), BASE), BASE, "x"
    )
    assert {market.name for market in made.markets} == {"BRK.B-PERP", "tBRK.B-USDC"}
    for bad in ("", 'X"', "a b", "x" * 21, "../x"):
        with pytest.raises(ConfigError, match="is no name"):
            drafted(Wish(bad, "NVDA", Decimal(400), None, "", "", ("a", "b"), ""), BASE)


def test_a_listed_name_is_not_drafted_again():
    again = Wish("NVDA", "AAPL", Decimal(1), None, "", "", ("a",), "")
    with pytest.raises(ConfigError, match="is listed"):
        drafted(again, BASE)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[opening]", "[opened]\nx = 1\n[opening]", r"\[opened\] is unknown"),
        ('call = "10 min"', 'call = "ten minutes"', r"\[opening\] call must be"),
        ('gap = "6 %"', 'gap = "95 %"', r"gap = \"95 %\": .* The limit is 90 %"),
        ('gap = "6 %"', "gap = 0.06", "a float is never exact"),
        ('bucket = "us_equity"', 'bucket = "tulips"', 'bucket = "tulips": expected one of us_equity'),
        ("perp = true", "perp = false", "perp = false: expected true"),
        ("sale_rank = 4", 'sale_rank = 4\nowner_cap = "1 tokens"', r"owner_cap .* the first \[\[step\]\] says it"),
        ("quorum = 2", "quorum = 2\nquorums = 2", "quorums"),
        ('closed = "50 %"', 'closed = "150 %"', r"\[step 1\] closed = \"150 %\": expected 0 % to 100 %"),
        ("after_days = 5", "after_days = -5", r"after_days"),
        ('id = 2\nname = "b"', 'id = 1\nname = "b"', "this id is already listed"),
        ("[name]", "[name]\nowner = 1", "owner"),
    ],
)  # fmt: skip
def test_every_mistake_is_named(text, old, new, said):
    assert old in text, old
    with pytest.raises(ConfigError, match=said):
        read_plan(text.replace(old, new, 1), BASE, "NFLX.toml")


def test_steps_that_fall_or_stand_are_refused(text):
    first = text[text.index("[[step]]") : text.index("[[step]]", text.index("[[step]]") + 1)]
    with pytest.raises(ConfigError, match=r"step 2.* caps nothing higher than step 1"):
        read_plan(text[: text.index("[[step]]")] + first + first, BASE, "x")
    number = next(line for line in first.splitlines() if line.startswith("account"))
    lower = first.replace(number, 'account = "0.01 shares"', 1)
    with pytest.raises(ConfigError, match="cap account NFLX-PERP is lower than step 1"):
        read_plan(text[: text.index("[[step]]")] + first + lower, BASE, "x")
    with pytest.raises(ConfigError, match=r"whole lots of 0\.01 shares"):
        read_plan(text.replace(number, 'account = "0.005 shares"', 1), BASE, "x")


def test_what_is_recorded_lists_the_same_and_the_next_name_comes_after(tmp_path, text, plan):
    file, base = tmp_path / "NFLX.toml", tmp_path / "listing.toml"
    file.write_text(text)
    base.write_text(BASE)
    base.write_text(recorded(file, base))
    whole = load_listing(base)
    assert whole.terms["NFLX"] == plan.terms and whole.assets["tNFLX"] == plan.token
    assert {whole.markets[one.name] for one in plan.markets} == set(plan.markets)
    again = read_plan(text, base.read_text(), "x")
    assert [one.command for one in again.everything] == [one.command for one in plan.everything]
    other = drafted(Wish("UBER", "NFLX", Decimal(80), None, "", "", ("a", "b"), ""), base.read_text())
    assert read_plan(other, base.read_text(), "x").terms.underlying == plan.terms.underlying + 1
    with pytest.raises(ConfigError, match="holds NFLX already"):
        recorded(file, base)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["date,open", "2026-01-05,1"], "no column 'close'"),
        (["date,close", "2026-01-05,1"], "at least 11"),
        (["date,close", "2026-01-06,1", "2026-01-05,1"], "stands after"),
        (["date,close", "2026-01-05,-1"], "above zero"),
        (["date,close", "2026-01-05,nan"], "above zero"),
        (["date,close", "yesterday,1"], "line 2"),
        (["date,close", "2026-01-05,x"], "line 2"),
    ],
)
def test_bars_that_cannot_be_used(tmp_path, rows, said):
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=said):
        read_series(path)


def test_the_first_word_may_be_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(listing, ["UBER", "--like", "NVDA", "--price", "80", "--json"])
    assert shown.exit_code == 0, shown.output
    assert Path("UBER.toml").exists()
    again = CliRunner().invoke(listing, ["UBER", "--like", "NVDA", "--price", "80"])
    assert again.exit_code == 2 and "nothing is overwritten" in again.output
    for bad in ("0", "nan", "x", "-1"):
        assert CliRunner().invoke(listing, ["X", "--like", "NVDA", "--price", bad]).exit_code == 2
    lost = CliRunner().invoke(listing, ["check", "NOPE"])
    assert lost.exit_code == 2 and "draft it with" in lost.output
    half = CliRunner().invoke(listing, ["status", "UBER", "--key", "3"])
    assert half.exit_code == 2 and "--seed" in half.output
    for content in ("xyz", "aa" * 31):
        Path("seed").write_text(content)
        bad = CliRunner().invoke(listing, ["status", "UBER", "--key", "3", "--seed", "seed"])
        assert bad.exit_code == 2 and "64 hexadecimal digits" in bad.output
    helped = CliRunner().invoke(delisting, ["--help"])
    assert {"notice", "reduce-only", "settle", "confirm", "pay"} <= set(helped.output.split())


def test_a_venue_that_does_not_answer_is_told_of_once_while_it_is_tried(monkeypatch):
    tried = Persistence(attempts=4, pause_s=0.001)
    monkeypatch.setattr(client.aio, "Persistence", lambda: tried)
    shown = CliRunner().invoke(delisting, ["UBER", "--url", "http://127.0.0.1:1"])
    assert isinstance(shown.exception, VenueUnreachable)
    assert shown.stderr.count("http://127.0.0.1:1 does not answer as it should") == 1
