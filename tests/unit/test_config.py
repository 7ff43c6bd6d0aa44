"""A configuration file is right as a whole or refused in one sentence that names section, key and value."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from novate import units
from novate._core import Engine, release, ruleset
from novate.config import Listing, load_listing
from novate.errors import ConfigError, UnitError
from novate.messages import (
    ActivateRelease,
    AttestBacking,
    BackingAttested,
    BrokerFunded,
    CapacityChanged,
    Command,
    CommandRefused,
    FundBroker,
    FundPool,
    ListAsset,
    ListBroker,
    ListDatedRow,
    Listed,
    ListIssuance,
    ListMarket,
    ListPool,
    ListUnderlying,
    PoolFunded,
    VenueConfigured,
    encode,
    explain,
    iter_events,
)

DEMO = resources.files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8")
LISTING = load_listing(DEMO)


def edited(old: str, new: str, count: int = 1) -> str:
    """The demo's file with one thing changed."""
    assert old in DEMO, f"the demo listing has no {old!r} to change"
    return DEMO.replace(old, new, count)


def apply(commands: list[Command]) -> list[object]:
    """What a fresh engine says to these commands after `ActivateRelease`."""
    first = ActivateRelease(release=release(), ruleset=ruleset())
    buffer = b"".join(encode(command, sequence=at) for at, command in enumerate([first, *commands], 1))
    return [event.body for event in iter_events(Engine().apply(buffer)) if event.header.sequence > 1]


# --- the demo listing --------------------------------------------------------------------------------------------------


def test_a_real_engine_takes_every_command_of_the_demo_listing() -> None:
    events = apply([*LISTING.commands])
    refused = [explain(event) for event in events if isinstance(event, CommandRefused)]
    assert refused == []
    assert isinstance(events[0], VenueConfigured)
    areas = [event for event in events[1:] if type(event).__name__.endswith("Configured")]
    listed = [event for event in events[1 + len(areas) :] if not isinstance(event, CapacityChanged)]
    taken = Listed | PoolFunded | BrokerFunded | BackingAttested
    assert all(isinstance(event, taken) for event in listed)
    assert 1 + len(areas) + len(listed) == len(LISTING.commands)


def test_the_buffer_is_the_commands() -> None:
    assert LISTING.buffer() == b"".join(encode(command) for command in LISTING.commands)


DATED_ROWS = """
2008-10-13  +11.3      0      0
2008-10-15   -9.2      0      0
2010-05-06   -3.5      0   +1.1
2020-03-12   -9.6  -37.2   +0.1
2020-03-16  -10.9   -7.0   +2.6
2022-05-09   -3.2  -11.1   +0.7
2023-03-13   -0.1   +9.2   +1.2
2024-08-05   -2.9   -7.1   +0.1
2025-04-04   -5.9   +0.9   +0.3
2025-04-09  +10.5   +8.3   -0.3
2025-10-10   -2.7  -12.6   +0.5
"""


def test_the_dated_rows_are_the_published_moves() -> None:
    expected = {
        date: tuple(units.rate_ppm(f"{move} %") for move in moves)
        for date, *moves in (line.split() for line in DATED_ROWS.strip().splitlines())
    }
    assert list(LISTING.bucket) == ["us_equity", "crypto", "rates"]
    assert {date: row.moves_ppm for date, row in LISTING.dated_rows.items()} == expected


@pytest.mark.parametrize(
    ("name", "kind", "beta", "down", "up", "gap", "basis", "wrap", "loan_to_value"),
    [
        ("SPY", "broad_etf", "1.0", 9, 8, 0, "0.4", 1, 75),
        ("QQQ", "broad_etf", "1.2", 9, 8, 0, "0.4", 1, 75),
        ("NVDA", "mega_cap", "1.8", 9, 9, 6, "1", 2, 65),
        ("AAPL", "mega_cap", "1.1", 9, 9, 6, "1", 2, 65),
        ("MSFT", "mega_cap", "1.0", 9, 9, 6, "1", 2, 65),
        ("TSLA", "mega_cap", "2.0", 9, 9, 6, "1", 2, 65),
        ("GOOG", "mega_cap", "1.1", 9, 9, 6, "1", 2, 65),
        ("IBM", "mega_cap", "0.8", 9, 9, 6, "1", 2, 65),
        ("COIN", "stock", "2.5", 9, 9, 20, "2", 3, 65),
        ("MSTR", "stock", "2.5", 9, 9, 20, "2", 3, 65),
        ("IBIT", "crypto_etf", "1.0", 16, 16, 4, "1", 2, 65),
        ("ETHA", "crypto_etf", "1.2", 15, 15, 4, "1", 2, 65),
        ("BTC", "crypto", "1.0", 16, 16, 3, "0.7", 1, 70),
        ("ETH", "crypto", "1.2", 15, 15, 4, "1", 1, 70),
        ("BILL", "bill", "0.3", 1, 1, 0, "0", 1, 90),
    ],
)
def test_the_risk_table(
    name: str, kind: str, beta: str, down: int, up: int, gap: int, basis: str, wrap: int, loan_to_value: int
) -> None:
    terms, token = LISTING.terms[name], LISTING.assets[LISTING.token_of_underlying[name]]
    assert LISTING.class_of[name] == kind
    assert terms.beta_ppm == units.scaled(beta, 6)
    assert (terms.shock_down_ppm, terms.shock_up_ppm, terms.gap_ppm) == (
        down * 10_000,
        up * 10_000,
        gap * 10_000,
    )
    assert terms.basis_ppm == units.rate_ppm(f"{basis} %")
    assert (token.wrap_ppm, token.loan_to_value_ppm) == (wrap * 10_000, loan_to_value * 10_000)


def test_a_fund_and_the_coin_it_holds_are_one_gap_group() -> None:
    group = {name: terms.gap_group for name, terms in LISTING.terms.items()}
    assert group["IBIT"] == group["BTC"]
    assert group["ETHA"] == group["ETH"]
    assert len(set(group.values())) == len(group) - 2


@pytest.mark.parametrize(
    ("market", "tick_usd", "lot", "quote_units"),
    [
        ("NVDA-PERP", "0.01", "0.01", 100),
        ("tNVDA-USDC", "0.01", "0.01", 100),
        ("BTC-PERP", "0.1", "0.0001", 10),
        ("tBTC-USDC", "0.1", "0.0001", 10),
        ("ETH-PERP", "0.01", "0.001", 10),
        ("tETH-USDC", "0.01", "0.001", 10),
        ("tBILL-USDC", "0.01", "0.01", 100),
    ],
)
def test_steps_of_markets(market: str, tick_usd: str, lot: str, quote_units: int) -> None:
    assert LISTING.tick_size(market) == units.price_e6(tick_usd)
    assert LISTING.lot_size(market) == units.scaled(lot, LISTING.lot_decimals(market))
    assert LISTING.quote_units(market) == quote_units


def test_one_tick_of_one_lot_is_worth_its_quote_units() -> None:
    for name in LISTING.market:
        tick = units.decimal(LISTING.tick_size(name), 6)
        lot = units.decimal(LISTING.lot_size(name), LISTING.lot_decimals(name))
        assert units.scaled(tick * lot, LISTING.decimals("USDC")) == LISTING.quote_units(name)


def test_every_name_has_its_token_and_markets() -> None:
    for name in LISTING.underlying:
        if name == "USDC":
            continue
        assert LISTING.token_of_underlying[name] == f"t{name}"
        assert LISTING.underlying_of_asset[f"t{name}"] == name
        assert LISTING.underlying_of_market[f"t{name}-USDC"] == name
        assert (f"{name}-PERP" in LISTING.market) == (name != "BILL")
    assert LISTING.class_of["USDC"] == "stable"
    assert "USDC" not in LISTING.token_of_underlying


# --- brokers, issuance and pools of tokens -----------------------------------------------------------------------------


def of_kind(kind: type[Command], listing: Listing = LISTING) -> list[Command]:
    return [command for command in listing.commands if isinstance(command, kind)]


def test_a_broker_comes_with_its_dollars() -> None:
    (broker,) = of_kind(ListBroker)
    assert (broker.broker, broker.name, broker.fractional) == (1, "Simulated Prime", 1)
    assert (broker.custody_limit, broker.order_limit) == (500 * 10**12, 5 * 10**12)
    assert of_kind(FundBroker) == [FundBroker(broker=1, amount=10 * 10**12)]
    assert LISTING.broker == {"Simulated Prime": 1}


def test_a_token_for_issuance_comes_with_what_is_attested() -> None:
    terms = LISTING.issuance["tAAPL"]
    assert (terms.token, terms.cash) == (LISTING.asset["tAAPL"], LISTING.asset["USDC"])
    assert (terms.mint_fee_ppm, terms.redeem_fee_ppm, terms.sanity_ppm) == (500, 500, 10_000)
    assert (terms.request_min, terms.request_max) == (100 * 10**6, 2 * 10**12)
    attested = next(c for c in of_kind(AttestBacking) if c.token == terms.token)
    assert (attested.broker, attested.units, attested.shares) == (1, 500_000 * 10**6, 500_000 * 10**9)
    assert LISTING.commands.index(attested) == LISTING.commands.index(terms) + 1


def test_what_a_session_allows_is_a_mask_in_the_order_of_the_sessions() -> None:
    assert LISTING.issuance["tAAPL"].sessions == (16, 16, 31, 16, 16, 0)
    changed = load_listing(edited('pre = "queue"', 'pre = "issue, redeem_in_kind"'))
    assert changed.issuance["tAAPL"].sessions == (16, 1 + 8, 31, 16, 16, 0)


def test_nothing_attested_and_nothing_prefunded_sends_nothing() -> None:
    text = edited('attested = "500,000 tAAPL"', 'attested = "0 tAAPL"').replace(
        'prefunded = "10 M USD"', 'prefunded = "0 USD"'
    )
    text = text[: text.index("[pool.tAAPL]")] + text[text.index("[pool.tGOOG]") :]
    bare = load_listing(text)
    assert of_kind(FundBroker, bare) == []
    assert [c.token for c in of_kind(AttestBacking, bare)] == [LISTING.asset["tGOOG"]]


def test_shares_behind_attested_tokens_follow_the_multiplier_and_round_up() -> None:
    split = load_listing(edited('name = "AAPL"', 'name = "AAPL"\nshares_per_token = "0.333333333"'))
    attested = next(c for c in of_kind(AttestBacking, split) if c.token == LISTING.asset["tAAPL"])
    assert attested.shares == 500_000 * 333_333_333


def test_a_token_has_a_pool_like_a_coin() -> None:
    pool = LISTING.pools["tGOOG"]
    assert isinstance(pool, ListPool)
    assert (pool.asset, pool.insurance_bucket) == (LISTING.asset["tGOOG"], LISTING.bucket["us_equity"])
    assert (pool.owner_cap, pool.locked_deposit) == (20_000 * 10**6, 10 * 10**6)
    assert FundPool(asset=pool.asset, amount=pool.locked_deposit) in LISTING.commands
    assert set(LISTING.pools) == {"USDC", "tAAPL", "tGOOG"}


@pytest.mark.parametrize(
    ("chosen", "tokens"), [(["GOOG"], ["tGOOG"]), (["SPY"], []), (["AAPL", "GOOG"], ["tAAPL", "tGOOG"])]
)
def test_issuance_and_pools_go_with_their_underlying(chosen: list[str], tokens: list[str]) -> None:
    part = load_listing(DEMO, underlyings=chosen)
    assert list(part.issuance) == tokens
    assert set(part.pools) == {"USDC", *tokens}
    assert len(of_kind(AttestBacking, part)) == len(of_kind(ListIssuance, part)) == len(tokens)
    assert not [event for event in apply([*part.commands]) if isinstance(event, CommandRefused)]


# --- choosing and changing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [["NVDA", "BTC"], ["BTC", "USDC", "BILL"], [], ["SPY"]])
def test_a_choice_keeps_the_ids_and_leaves_the_rest_out(chosen: list[str]) -> None:
    part = load_listing(DEMO, underlyings=chosen)
    assert set(part.underlying) == {*chosen, "USDC"}
    assert part.class_of.keys() == part.underlying.keys()
    for mine, whole in (
        (part.underlying, LISTING.underlying),
        (part.asset, LISTING.asset),
        (part.market, LISTING.market),
        (part.bucket, LISTING.bucket),
    ):
        assert mine.items() <= whole.items()
    numbers = set(part.underlying.values())
    for command in part.commands:
        if isinstance(command, ListUnderlying | ListAsset | ListMarket):
            assert command.underlying in numbers
    assert not [event for event in apply([*part.commands]) if isinstance(event, CommandRefused)]


def test_a_row_can_be_left_out_and_the_others_keep_their_numbers() -> None:
    for listing in (LISTING.without_row("2025-10-10"), load_listing(DEMO, omit_dated_row="2025-10-10")):
        rows = {c.date: c.row for c in listing.commands if isinstance(c, ListDatedRow)}
        assert "2025-10-10" not in rows
        assert rows == {date: row.row for date, row in LISTING.dated_rows.items() if date != "2025-10-10"}
        assert len(listing.commands) == len(LISTING.commands) - 1
        assert listing.market == LISTING.market
    assert "2025-10-10" in LISTING.dated_rows


def test_overrides_replace_what_a_section_says() -> None:
    changed = load_listing(
        DEMO,
        overrides={
            "underlying.NVDA": {"sigma": "31415 ppm", "quorum": 2},
            "class.mega_cap": {"sigma": "4 %"},
            "venue": {"gain_cap": "1 M USD"},
        },
    )
    assert (changed.terms["NVDA"].sigma_ppm, changed.terms["NVDA"].quorum) == (31_415, 2)
    assert changed.terms["AAPL"].sigma_ppm == 40_000
    assert changed.terms["SPY"] == LISTING.terms["SPY"]
    assert changed.commands[0].gain_cap == 10**12  # type: ignore[attr-defined]


def test_sources_are_listed_behind_their_underlyings() -> None:
    long = "btcusd_coin_margined_perp_mark_1m"
    listing = load_listing(
        DEMO, underlyings=["BTC"], sources=[("BTC", 7, long), ("USDC", 8, "dollar"), ("SPY", 1, "x")]
    )
    assert listing.sources == {("BTC", 7): long[:32], ("USDC", 8): "dollar"}
    assert not [event for event in apply([*listing.commands]) if isinstance(event, CommandRefused)]


def test_a_path_reads_like_its_text(tmp_path: Path) -> None:
    path = tmp_path / "listing.toml"
    path.write_text(DEMO, encoding="utf-8")
    assert load_listing(path).commands == load_listing(str(path)).commands == LISTING.commands


# --- bad input ---------------------------------------------------------------------------------------------------------

BAD = {
    # what is wrong: (old, new, section, key, value as the sentence shows it, a word of what is expected)
    "unknown key in venue": ("gain_cap =", "gain_kap = 1\ngain_cap =", "venue", "gain_kap", "1", "unknown"),
    "unknown key in a bucket": ('gain = "70 %"', 'gain = "70 %"\nphi = 1', "bucket.us_equity", "phi", "1", "unknown"),
    "unknown key in a class": ("[class.bill]", "[class.bill]\nhaircut = 1", "class.bill", "haircut", "1", "unknown"),
    "unknown key of a name": ('token = "tSPY"', 'tokens = "tSPY"', "underlying.SPY", "tokens", '"tSPY"', "unknown"),
    "unknown key in spot terms": ('maker_fee = "2 bps"', 'maker_fee = "2 bps"\nfee = 1', "spot_terms.standard", "fee", "1", "unknown"),
    "unknown key in a pool": ('rate = "5 %"', 'rate = "5 %"\nkinks = 1', "pool.USDC", "kinks", "1", "unknown"),
    "unknown key of a coin": ('depeg = "1 %"', 'depeg = "1 %"\npeg = 1', "stablecoin.USDC", "peg", "1", "unknown"),
    "unknown bucket in a row": ('crypto = "-"', 'crypto = "-"\ngold = "-"', "dated_row.2008-10-13", "gold", '"-"', "unknown"),
    "a class's token": ("[class.bill]", '[class.bill]\ntoken = "x"', "class.bill", "token", '"x"', "unknown"),
    "a float": ('beta = "1.8"', "beta = 1.8", "underlying.NVDA", "beta", "1.8", "float"),
    "a float for money": ('gain_cap = "100,000 USD"', "gain_cap = 1e5", "venue", "gain_cap", "100000.0", "float"),
    "infinity": ('beta = "1.8"', "beta = inf", "underlying.NVDA", "beta", "inf", "float"),
    "not a number as text": ('beta = "1.8"', 'beta = "nan"', "underlying.NVDA", "beta", '"nan"', "plain number"),
    "a number for a rate": ('gap = "6 %"', "gap = 6", "class.mega_cap", "gap", "6", "rate"),
    "a rate without unit": ('maintenance = "75 %"', 'maintenance = "75"', "venue", "maintenance", '"75"', "unit"),
    "a factor with unit": ('overnight = "1.3"', 'overnight = "130 %"', "bucket.us_equity", "overnight", '"130 %"', "plain number"),
    "a rate finer than it can be": ('gap = "6 %"', 'gap = "6.00001 %"', "class.mega_cap", "gap", '"6.00001 %"', "rate"),
    "text for a count": ("confirm_quotes = 3", 'confirm_quotes = "3"', "venue", "confirm_quotes", '"3"', "whole number"),
    "true for a count": ("confirm_quotes = 3", "confirm_quotes = true", "venue", "confirm_quotes", "true", "whole number"),
    "a negative count": ("confirm_quotes = 3", "confirm_quotes = -3", "venue", "confirm_quotes", "-3", "at least 0"),
    "a count beyond its type": ("confirm_quotes = 3", "confirm_quotes = 99999999999", "venue", "confirm_quotes", "99999999999", "2^32"),
    "a time without unit": ('flag_after = "5 s"', 'flag_after = "5"', "venue", "flag_after", '"5"', "duration"),
    "a time in fortnights": ('flag_after = "5 s"', 'flag_after = "5 w"', "venue", "flag_after", '"5 w"', "duration"),
    "money without unit": ('gain_cap = "100,000 USD"', 'gain_cap = "100,000"', "venue", "gain_cap", '"100,000"', "dollars"),
    "money in another coin": ('owner_cap = "1 M USDC"', 'owner_cap = "1 M USD"', "pool.USDC", "owner_cap", '"1 M USD"', "USDC"),
    "badly grouped money": ('gain_cap = "100,000 USD"', 'gain_cap = "10,00 USD"', "venue", "gain_cap", '"10,00 USD"', "dollars"),
    "money beyond 64 bits": ('gain_cap = "100,000 USD"', 'gain_cap = "9999999 bn USD"', "venue", "gain_cap", '"9999999 bn USD"', "dollars"),
    "text for a flag": ("perp = true", 'perp = "yes"', "underlying.SPY", "perp", '"yes"', "true or false"),
    "a list for a rate": ('gap = "6 %"', "gap = [6]", "class.mega_cap", "gap", "[6]", "rate"),
    "a date without quotes": ('date = "2008-10-13"', "date = 2008-10-13", "dated_row 1", "date", "2008-10-13", "text"),
    "a date that is none": ('date = "2008-10-13"', 'date = "2008-13-10"', "dated_row.2008-13-10", "date", '"2008-13-10"', "day"),
    "an empty name": ('name = "SPY"', 'name = ""', "underlying 1", "name", '""', "names the entry"),
    "an unknown word": ('price_class = "nav"', 'price_class = "daily"', "class.bill", "price_class", '"daily"', '"continuous"'),
    "a price finer than its scale": ('tick = "0.1 USD"', 'tick = "0.1234567 USD"', "underlying.BTC", "tick", '"0.1234567 USD"', "6 decimals"),
    "a quantity finer than its token": ('lot = "0.0001"', 'lot = "0.0000001"', "underlying.BTC", "lot", '"0.0000001"', "6 decimals"),
    "too many decimals": ("token_decimals = 6", "token_decimals = 19", "class.broad_etf", "token_decimals", "19", "0 to 9"),
    "a class that is not there": ('class = "broad_etf"', 'class = "etf"', "underlying.SPY", "class", '"etf"', "broad_etf"),
    "a bucket that is not there": ('bucket = "us_equity"', 'bucket = "equity"', "class.broad_etf", "bucket", '"equity"', "us_equity"),
    "a gap group that is not there": ('gap_group = "SPY"', 'gap_group = "S&P"', "underlying.SPY", "gap_group", '"S&P"', "SPY"),
    "a quote that is not there": ('quote = "USDC"', 'quote = "USDT"', "class.broad_etf", "quote", '"USDT"', "USDC"),
    "terms that are not there": ('perp_terms = "equity"', 'perp_terms = "stock"', "class.broad_etf", "perp_terms", '"stock"', "crypto"),
    "a pool of nothing": ("[pool.USDC]", "[pool.USDT]", "pool.USDT", "pool", '"USDT"', "USDC"),
    "a pool in another asset": ('locked_deposit = "10 tAAPL"', 'locked_deposit = "10 USDC"', "pool.tAAPL", "locked_deposit", '"10 USDC"', "tAAPL"),
    "unknown key of a broker": ('prefunded = "10 M USD"', 'prefunded = "10 M USD"\ncash = 1', "broker.Simulated Prime", "cash", "1", "unknown"),
    "a broker without a name": ('name = "Simulated Prime"', 'name = ""', "broker 1", "name", '""', "names the entry"),
    "text for a broker's flag": ("fractional = true", 'fractional = "yes"', "broker.Simulated Prime", "fractional", '"yes"', "true or false"),
    "issuance of nothing": ("[issuance.tAAPL]", "[issuance.AAPL]", "issuance.AAPL", "issuance", '"AAPL"', "tAAPL"),
    "issuance of a coin": ("[issuance.tAAPL]", "[issuance.USDC]", "issuance.USDC", "issuance", '"USDC"', "name of a token"),
    "unknown key of an issuance": ('sanity = "1 %"', 'sanity = "1 %"\nspread = 1', "issuance.tAAPL", "spread", "1", "unknown"),
    "issuance for a token": ('cash = "USDC"', 'cash = "tAAPL"', "issuance.tAAPL", "cash", '"tAAPL"', "USDC"),
    "attested at a broker that is not there": ('attested_at = "Simulated Prime"', 'attested_at = "Prime"', "issuance.tAAPL", "attested_at", '"Prime"', "Simulated Prime"),
    "attested in another token": ('attested = "500,000 tAAPL"', 'attested = "500,000 tGOOG"', "issuance.tAAPL", "attested", '"500,000 tGOOG"', "tAAPL"),
    "attested finer than its token": ('attested = "500,000 tAAPL"', 'attested = "0.0000001 tAAPL"', "issuance.tAAPL", "attested", '"0.0000001 tAAPL"', "6 decimals"),
    "a channel that is none": ('halted = "nothing"', 'halted = "mint"', "issuance.tAAPL", "halted", '"mint"', "redeem_in_kind"),
    "a channel twice": ('closed = "queue"', 'closed = "queue, queue"', "issuance.tAAPL", "closed", '"queue, queue"', "queue"),
    "nothing and something": ('halted = "nothing"', 'halted = "nothing, queue"', "issuance.tAAPL", "halted", '"nothing, queue"', '"nothing"'),
    "a name twice": ('name = "QQQ"', 'name = "SPY"', "underlying.SPY", "name", '"SPY"', "no earlier"),
    "a token twice": ('token = "tQQQ"', 'token = "tSPY"', "underlying.QQQ", "token", '"tSPY"', "no other"),
    "a token named like a coin": ('token = "tQQQ"', 'token = "USDC"', "underlying.QQQ", "token", '"USDC"', "no other"),
    "a name of a coin": ('name = "QQQ"', 'name = "USDC"', "underlying.USDC", "name", '"USDC"', "no stablecoin"),
    "accrual without nav": ('beta = "1.8"', 'beta = "1.8"\naccrual = "4 %"', "underlying.NVDA", "accrual", '"4 %"', "nav"),
    "basis without a perp": ('beta = "0.3"', 'beta = "0.3"\nbasis = "1 %"', "underlying.BILL", "basis", '"1 %"', "perp = true"),
    "wrap without a token": ('token = "tSPY"', 'wrap = "1 %"', "underlying.SPY", "wrap", '"1 %"', "token"),
    # the engine's own bounds, in the words of the file
    "levels out of order": ('maintenance = "75 %"', 'maintenance = "90 %"', "venue", "liquidation_end", '"85 %"', "limit is 90 %"),
    "a negative rate": ('gap = "6 %"', 'gap = "-6 %"', "class.mega_cap", "gap", '"-6 %"', "limit is 0 %"),
    "an absurd gap": ('gap = "6 %"', 'gap = "95 %"', "class.mega_cap", "gap", '"95 %"', "limit is 90 %"),
    "an absurd time": ('settle_every = "1 h"', 'settle_every = "2 d"', "venue", "settle_every", '"2 d"', "limit is 86400 s"),
    "absurd money": ('perp_volume = "2 bn USD"', 'perp_volume = "6000 bn USD"', "underlying.BTC", "perp_volume", '"6000 bn USD"', "5,000,000,000,000 USD"),
    "an absurd count": ("quorum = 1", "quorum = 17", "class.broad_etf", "quorum", "17", "limit is 16"),
    "a name too long": ('name = "rates"', f'name = "{"r" * 33}"', f"bucket.{'r' * 33}", "name", f'"{"r" * 33}"', "32"),
    "a name beyond ASCII": ('token = "tSPY"', 'token = "tSPÝ"', "underlying.SPY", "token", '"tSPÝ"', "ASCII"),
    "a tick too fine for its lot": ('tick = "0.1 USD"', 'tick = "0.001 USD"', "underlying.BTC", "lot", '"0.0001"', "whole number"),
    "an absurd issuance fee": ('mint_fee = "5 bps"', 'mint_fee = "6 %"', "issuance.tAAPL", "mint_fee", '"6 %"', "limit is 5 %"),
    "a smallest request above the largest": ('request_min = "100 USD"', 'request_min = "3 M USD"', "issuance.tAAPL", "request_min", '"3 M USD"', "2,000,000 USD"),
    "a window of no time": ('window = "1 d"', 'window = "0 s"', "issuance.tAAPL", "window", '"0 s"', "limit is 1 s"),
    "too much attested": ('attested = "500,000 tAAPL"', 'attested = "9 bn tAAPL"', "issuance.tAAPL", "attested", '"9 bn tAAPL"', "does not fit"),
    "attested beyond 64 bits": ('attested = "500,000 tAAPL"', 'attested = "9,000 bn tAAPL"', "issuance.tAAPL", "attested", '"9,000 bn tAAPL"', "64 bits"),
    "a deposit that nobody attested": ('attested = "500,000 tAAPL"', 'attested = "5 tAAPL"', "pool.tAAPL", "locked_deposit", '"10 tAAPL"', "limit is"),
    "a taker cheaper than the maker": ('taker_fee = "3.5 bps"', 'taker_fee = "1 bps"', "perp_terms.equity", "taker_fee", '"1 bps"', "0.015 %"),
}  # fmt: skip


def put_in_place(old: str, new: str, name: str) -> str:
    """Most cases change the first place; buckets that rename themselves take their rows and references along."""
    text = edited(old, new)
    if name == "a name too long":
        text = text.replace('bucket = "rates"', f'bucket = "{"r" * 33}"').replace(
            "\nrates =", f"\n{'r' * 33} ="
        )
    return text


@pytest.mark.parametrize(("name", "case"), BAD.items(), ids=BAD)
def test_bad_input_is_one_sentence_that_names_the_place(name: str, case: tuple[str, ...]) -> None:
    old, new, section, key, value, expected = case
    with pytest.raises(ConfigError) as caught:
        load_listing(put_in_place(old, new, name))
    sentence = caught.value.sentence
    assert sentence.startswith(f"[{section}] {key} = {value}: ")
    assert expected in sentence.partition(": ")[2]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert (caught.value.facts["section"], caught.value.facts["key"]) == (section, key)


def assignments() -> Iterator[tuple[str, int, int]]:
    """Every kind of parameter in the file once: `kind.key` and where its line is."""
    seen = set()
    kind, at = "", 0
    for line in DEMO.splitlines(keepends=True):
        if head := re.match(r"\[+(\w+)", line):
            kind = head[1]
        if (found := re.match(r"(\w+) = ", line)) and (kind, found[1]) not in seen:
            seen.add((kind, found[1]))
            yield f"{kind}.{found[1]}", at, at + len(line)
        at += len(line)


ASSIGNMENTS = list(assignments())
NAMES = {"bucket.name", "dated_row.date", "underlying.name", "broker.name"}
FREE_TEXT = {*NAMES, "class.sector", "underlying.sector", "underlying.token"} - {"dated_row.date"}


def test_there_is_a_parameter_for_every_rule() -> None:
    assert len(ASSIGNMENTS) > 120
    assert len({name for name, _, _ in ASSIGNMENTS}) == len(ASSIGNMENTS)


@pytest.mark.parametrize(("name", "start", "end"), ASSIGNMENTS, ids=[name for name, _, _ in ASSIGNMENTS])
def test_no_parameter_has_a_default(name: str, start: int, end: int) -> None:
    """Taken out, it is missed by name; own values that stand over a class's, and the token, are the only choices."""
    key = name.partition(".")[2]
    text = DEMO[:start] + DEMO[end:]
    if name in {"underlying.shock_down", "underlying.shock_up"}:
        assert load_listing(text).terms["ETHA"] != LISTING.terms["ETHA"]
    elif name == "underlying.token":
        assert "tSPY-USDC" not in load_listing(text).market
    else:
        with pytest.raises(ConfigError, match=rf"\b{key}\b"):
            load_listing(text)


@pytest.mark.parametrize(("name", "start", "end"), ASSIGNMENTS, ids=[name for name, _, _ in ASSIGNMENTS])
def test_no_parameter_takes_a_float_or_nonsense(name: str, start: int, end: int) -> None:
    key = name.partition(".")[2]
    for wrong in ("0.5", "[]", '"nonsense"'):
        if wrong == '"nonsense"' and name in FREE_TEXT:
            continue
        with pytest.raises(ConfigError, match=rf"\b{key}\b"):
            load_listing(f"{DEMO[:start]}{key} = {wrong}\n{DEMO[end:]}")


def test_a_long_dollar_charged_too_much_is_refused() -> None:
    """No single key is at fault: shock, wrap and exit cost together pass the limit."""
    with pytest.raises(ConfigError, match=r"\[underlying\.ETH\] .*limit 95 %"):
        load_listing(edited('name = "ETH"', 'name = "ETH"\nwrap = "20 %"'))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[venue\n", "not TOML.*line 1"),
        ("a = 1\na = 2\n", "not TOML"),
        ("[process]\nport = 1\n", r"\[process\] is unknown"),
        ("venue = 3\n", r"expected a section \[venue\]"),
        ("[underlying]\nname = 'x'\n", r"\[\[underlying\]\]"),
        ("\n", r"\[venue\] liquidation_end is missing"),
    ],
)
def test_what_is_no_configuration_says_so(content: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_listing(content)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path / "none.toml", "There is no"),
        (tmp_path, "cannot be read"),
        (binary, "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            load_listing(path)
        assert str(path) in caught.value.sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"underlyings": ["NVDA", "TSMC"]}, "no underlying TSMC"),
        ({"omit_dated_row": "1987-10-19"}, "no dated row 1987-10-19; there are 2008-10-13"),
        ({"overrides": {"underlying.TSMC": {"beta": "1"}}}, r"no section \[underlying.TSMC\]"),
        ({"overrides": {"underlying.NVDA": {"bet": "1"}}}, r"\[underlying.NVDA\] bet"),
        ({"overrides": {"underlying.NVDA": {"sigma": 0.02}}}, r"\[underlying.NVDA\] sigma = 0.02: .*float"),
        ({"overrides": {"underlying.NVDA": {"name": "X"}}}, r"names the section"),
        ({"sources": [("TSMC", 1, "x")]}, r"\[sources\] underlying = \"TSMC\""),
        ({"sources": [("NVDA", 1, "x"), ("NVDA", 1, "y")]}, r"\[sources.NVDA\].*already listed"),
        ({"sources": [("NVDA", 1, "")]}, r"\[sources.NVDA\].*1 to 32"),
    ],
)
def test_wrong_choices_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_listing(DEMO, **options)  # type: ignore[arg-type]


def test_a_listing_does_not_change() -> None:
    with pytest.raises(AttributeError):
        LISTING.commands = ()  # type: ignore[misc]
    with pytest.raises(ConfigError, match="no dated row"):
        LISTING.without_row("2025-10-10").without_row("2025-10-10")
    assert isinstance(LISTING, Listing)


# --- text to integers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 s", 30 * 10**9),
        ("1.5 h", 5_400 * 10**9),
        ("4 d", 345_600 * 10**9),
        ("6 min", 360 * 10**9),
        ("0.25 ms", 250_000),
        ("1 ns", 1),
        ("  5   s ", 5 * 10**9),
    ],
)
def test_a_duration_is_exact(text: str, expected: int) -> None:
    assert units.duration_ns(text) == expected


@pytest.mark.parametrize(
    "wrong", ["30", "s", "30 sec", "x s", "0.1 ns", "1 2 s", "nan s", "1e3 s", "99999999999 d", 30, 3.5, None]
)
def test_a_wrong_duration_is_refused(wrong: object) -> None:
    with pytest.raises(UnitError):
        units.duration_ns(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100,000 USD", 100_000),
        ("2 bn USD", 2 * 10**9),
        ("1.5 M USD", 1_500_000),
        ("0.01 USD", "0.01"),
        ("1_000 USD", 1_000),
    ],
)
def test_a_quantity_is_exact(text: str, expected: int | str) -> None:
    assert units.quantity(text, "USD") == units.decimal(units.scaled(str(expected), 6), 6)


def test_a_long_quantity_is_not_rounded() -> None:
    digits = "1234567890" * 5
    assert str(units.quantity(f"{digits} M USD", "USD")) == digits + "000000"


@pytest.mark.parametrize(
    "wrong",
    ["5", "5 EUR", "5 k USD", "1,00 USD", ",100 USD", "1,0000 USD", "M USD", "5 M M USD", 5, 5.0, None],
)
def test_a_wrong_quantity_is_refused(wrong: object) -> None:
    with pytest.raises(UnitError):
        units.quantity(wrong, "USD")  # type: ignore[arg-type]
