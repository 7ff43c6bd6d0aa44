"""The demo as a person gets it: a whole replay on packaged data, twice, checked against its own journal."""

from __future__ import annotations

import json
from datetime import date, time
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from novate._core import Engine, ruleset
from novate.calendar import new_york_date, new_york_ns
from novate.demo.cast import (
    BACKSTOP,
    BILL_SHORT,
    BORROWER,
    BRIDGE,
    CRYPTO_LONG,
    DEBTOR,
    HEDGER,
    MINTER,
    PACKAGER,
    PANIC,
)
from novate.demo.run import OPERATOR_DOLLARS, DemoOptions, DemoResult, run_demo
from novate.demo.staff import HOUR, STAFF, key_of
from novate.journal import verify_journal
from novate.marketdata import find_data
from novate.messages import AdvanceTime, CommandRefused, encode, iter_events, rule
from novate.messages.reports import governance
from novate.reader import Reader
from novate.reports import checks
from novate.reports.operation_sheets import operation_sheets
from novate.reports.operations import Operations
from novate.reports.safeguards import Safeguards


def play(home: Path, **options: object) -> DemoResult:
    """A quiet run."""
    return run_demo(DemoOptions(home=home, **options), lambda *_: None, Console(quiet=True))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoResult, Path]:
    """The whole packaged scenario, once."""
    home = tmp_path_factory.mktemp("venue")
    return play(home, scenario="october-2008", advance_ms=5_000), home


def test_the_report_agrees_with_itself(packaged: tuple[DemoResult, Path]) -> None:
    failed = [check for check in checks(packaged[0].report) if not check.ok]
    assert failed == []


def test_conservation_is_zero_in_every_asset(packaged: tuple[DemoResult, Path]) -> None:
    conservation = packaged[0].json["conservation"]
    assert len(conservation) > 5
    assert set(conservation.values()) == {0}


def test_the_hedged_holder_is_untouched_and_the_proof_holds(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    assert report.hedge is not None
    assert report.hedge.holds, report.hedge
    assert report.hedge.checked > 500
    assert all(item.account != HEDGER for item in report.liquidations)
    assert report.account(HEDGER).after.state == "green"


def test_the_over_leveraged_one_is_liquidated_and_nobody_hedged(packaged: tuple[DemoResult, Path]) -> None:
    liquidated = {item.account for item in packaged[0].report.liquidations}
    assert PANIC in liquidated


def test_every_compared_rule_asks_more_of_the_hedged_holder(packaged: tuple[DemoResult, Path]) -> None:
    hero = packaged[0].report.account(HEDGER)
    ours = hero.before.initial_micro
    assert {peer.rule for peer in hero.peers} == {"isolated", "cross", "ondo", "tims"}
    assert all(peer.locked_micro > ours for peer in hero.peers if peer.rule != "tims")


def test_pools_and_insurance_are_told_as_the_ledger_has_them(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    pools = {pool.asset: pool for pool in report.safeguards.pools}
    assert set(pools) == {"USDC", "tAAPL", "tGOOG"}
    pool = pools["USDC"]
    assert 0 < pool.utilisation_ppm <= pool.most_used_ppm <= 1_000_000
    assert 0 < pool.borrowed <= pool.lent
    assert 0 < pool.withdrawable <= pool.lent - pool.borrowed + pool.lent // 10
    after = {fund.bucket: fund.after_micro for fund in report.insurance}
    assert {cover.bucket: cover.insurance_micro for cover in report.safeguards.covers} == after
    assert all(cover.operator_micro <= OPERATOR_DOLLARS * 10**6 for cover in report.safeguards.covers)
    assert any(cover.target_micro for cover in report.safeguards.covers)
    for cover in report.safeguards.covers:
        short = cover.target_micro > cover.insurance_micro + cover.operator_micro
        assert (cover.open_interest_ppm < 1_000_000) == short


def test_only_winners_with_an_unhedged_part_are_ranked(packaged: tuple[DemoResult, Path]) -> None:
    winners = packaged[0].report.safeguards.winners
    assert winners
    assert all(winner.profit_micro > 0 and 1 <= winner.rank <= winner.of for winner in winners)
    assert HEDGER not in {winner.account for winner in winners}


def test_the_backstop_provider_stands_behind_the_venue(packaged: tuple[DemoResult, Path]) -> None:
    (tranche,) = packaged[0].report.safeguards.tranches
    assert tranche.account == BACKSTOP
    assert (tranche.committed_micro, tranche.loss_limit_micro) == (10**12, 250_000 * 10**6)
    assert tranche.exhausted == (tranche.loss_micro >= tranche.loss_limit_micro)
    assert (tranche.slices > 0) == (tranche.taken_micro > 0)


def test_the_stop_of_the_levered_long_has_an_outcome(packaged: tuple[DemoResult, Path]) -> None:
    (stop,) = packaged[0].report.safeguards.stops
    assert (stop.account, stop.market, stop.side) == (CRYPTO_LONG, "ETH-PERP", "sell")
    assert stop.outcome == "fired"
    assert 0 < stop.mark_e6 <= stop.trigger_e6
    assert stop.filled and abs(stop.price_e6 - stop.mark_e6) * 10 < stop.mark_e6


def test_the_closed_index_stays_inside_its_bounds(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    closure = report.safeguards.closure
    assert closure is not None
    assert closure.end_ns - closure.start_ns > 24 * 3600 * 10**9, "the weekend"
    assert 0 < closure.low_e6 <= closure.last_e6 <= closure.high_e6
    assert closure.end_ns < closure.reopened_ns and closure.reopened_e6 > 0


def test_tokens_are_issued_and_redeemed_through_their_whole_life(packaged: tuple[DemoResult, Path]) -> None:
    issuance = packaged[0].report.operations.issuance
    assert issuance is not None
    issued, redeemed = (one for one in issuance.requests if one.account == MINTER)
    whole = ["reserved", "routed", "partly filled", "filled", "settled", "delivered"]
    for request, way in ((issued, "issue"), (redeemed, "redeem")):
        assert (request.account, request.way, request.token) == (MINTER, way, "tGOOG")
        assert [step.state for step in request.steps] == whole
        at = {step.state: step.time_ns for step in request.steps}
        assert new_york_date(at["filled"]) == date(2008, 10, 9)
        assert new_york_date(at["settled"]) == date(2008, 10, 10), "the next trading day"
        assert all(abs(f.price_e6 - f.index_e6) * 200 < f.index_e6 for f in request.fills), (
            "the replayed price"
        )
        (leg,) = request.legs
        assert at["routed"] <= leg.sent_ns <= leg.accepted_ns <= at["filled"]
        assert sum(done.shares for done in leg.executions) == sum(fill.shares for fill in request.fills)
        for done in leg.executions:
            assert done.price_e9 > leg.bid_e9 if leg.buys else done.price_e9 < leg.ask_e9
    cash = sum(fill.cash_micro for fill in redeemed.fills)
    assert redeemed.paid_micro == cash > 0, "due after its fee, and paid"


def test_the_backing_is_shown_before_between_and_after(packaged: tuple[DemoResult, Path]) -> None:
    issuance = packaged[0].report.operations.issuance
    assert issuance is not None
    told = [item.when for item in issuance.backing]
    assert told[0] == "opening" and {"issued", "redeemed", "settled"} <= set(", ".join(told).split(", "))
    opening, *_, last = issuance.backing
    assert any(item.bought > 0 and item.sold > 0 for item in issuance.backing), "both legs unsettled at once"
    for item in issuance.backing:
        assert item.settled + item.bought - item.sold + item.shortage == item.required + item.surplus
    assert last.required != opening.required
    assert issuance.checked > 1_000
    assert issuance.worst_difference == 0


def test_a_liquidation_sells_through_redemption(packaged: tuple[DemoResult, Path]) -> None:
    issuance = packaged[0].report.operations.issuance
    assert issuance is not None
    forced = [one for one in issuance.requests if one.forced]
    assert forced and {one.account for one in forced} == {DEBTOR}
    assert any(done.shares for one in forced for leg in one.legs for done in leg.executions), (
        "at the exchange"
    )
    assert not any(leg.buys for one in forced for leg in one.legs)


def test_the_bridge_quotes_and_hedges(packaged: tuple[DemoResult, Path]) -> None:
    bridge = packaged[0].report.operations.bridge
    assert bridge is not None and bridge.account == BRIDGE
    assert sum(fill.fills for fill in bridge.fills) > 0
    assert bridge.issued_units + bridge.redeemed_units > 0


def test_the_package_is_margined_on_its_end_state(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    (package,) = report.operations.packages
    assert package.account == PACKAGER
    assert [(leg.side, leg.market) for leg in package.legs] == [("buy", "tMSFT-USDC"), ("sell", "MSFT-PERP")]
    assert package.legs[0].quantity == package.legs[1].quantity
    assert package.requirement_micro * 5 < sum(leg.alone_micro for leg in package.legs)
    assert report.account(PACKAGER).worst.state == "green"


def test_the_dividend_leaves_the_pair_flat(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    (item,) = report.operations.dividends
    assert (item.underlying, item.account) == ("MSFT", PACKAGER)
    assert item.note.startswith("Illustrative")
    assert (
        item.scheduled_ns < item.confirmed_ns < item.window_start_ns <= item.effective_ns < item.window_end_ns
    )
    assert item.scheduled_by != item.confirmed_by
    assert item.rehearsed_accounts > 1
    assert item.account_before_micro == item.account_after_micro > 0
    assert item.index_before_e6 - item.index_after_e6 == item.amount_e6
    assert item.token_micro == -item.perp_micro == 13_000 * 91_000, "70 % of 0.13 dollars a share"
    claims = [line for line in report.account(PACKAGER).balance_after.lines if line.name == "tMSFT dividend"]
    assert [line.value_micro for line in claims] == [item.token_micro]


def test_rules_change_by_two_people_after_a_delay(packaged: tuple[DemoResult, Path]) -> None:
    gap, cap = packaged[0].report.operations.changes
    assert (gap.long_delay, gap.stage, gap.opens_left) == (True, "approved", 3)
    assert BILL_SHORT in {effect.account for effect in gap.effects}
    assert all(e.requirement_after_micro > e.requirement_before_micro for e in gap.effects)
    assert (cap.long_delay, cap.stage, cap.effects) == (False, "in force", ())
    assert cap.in_force_ns == cap.due_ns == cap.approved_ns + 4 * HOUR
    assert {gap.proposed_by, gap.approved_by} == {cap.proposed_by, cap.approved_by} == {"operations", "risk"}
    assert gap.measured == cap.measured == len(packaged[0].report.accounts)


def test_a_short_seller_borrows_from_the_one_who_lends(packaged: tuple[DemoResult, Path]) -> None:
    report = packaged[0].report
    (loan,) = report.operations.loans
    assert (loan.token, loan.lender, loan.borrower) == ("tGOOG", MINTER, BORROWER)
    assert loan.sold_units < loan.owed_units < loan.sold_units * 1.001
    assert loan.lent_units < loan.claim_units
    borrowed = [x for x in report.account(BORROWER).balance_after.lines if x.name == "tGOOG borrowed"]
    assert len(borrowed) == 1 and borrowed[0].group == "loan" and borrowed[0].value_micro < 0


def test_governance_is_on_and_everything_has_a_sender(packaged: tuple[DemoResult, Path]) -> None:
    """Commands are refused only for what they ask, never for who sends them; and nobody else may send any."""
    home = packaged[1]
    moment = Reader(home).at(sequence=5_000)
    people = {line.actor for line in governance.actors(moment.engine)}
    assert people == {*STAFF, *(key_of(account.id) for account in packaged[0].report.accounts)}
    stranger = encode(AdvanceTime(), sequence=moment.engine.sequence + 1, time_ns=moment.engine.time_ns)
    (refused,) = iter_events(moment.engine.fork().apply(stranger))
    assert isinstance(refused.body, CommandRefused)
    assert rule(refused.body.code).name == "actor_must_be_known"


def test_the_summary_has_the_operations_of_the_report(packaged: tuple[DemoResult, Path]) -> None:
    result = packaged[0]
    told = json.loads(json.dumps(result.json["operations"]))
    assert msgspec.convert(told, Operations) == result.report.operations


def test_the_summary_has_the_safeguards_of_the_report(packaged: tuple[DemoResult, Path]) -> None:
    result = packaged[0]
    told = json.loads(json.dumps(result.json["safeguards"]))
    assert msgspec.convert(told, Safeguards) == result.report.safeguards


def test_the_journal_replays_to_the_same_state(packaged: tuple[DemoResult, Path]) -> None:
    result, home = packaged
    report = verify_journal(home, Engine, ruleset=ruleset())
    assert report.ok
    assert report.truncated_tail_bytes == 0
    assert report.state_hash == result.json["state_hash"]
    assert report.commands == result.json["commands"]


def test_the_summary_is_json_and_complete(packaged: tuple[DemoResult, Path]) -> None:
    told = json.loads(json.dumps(packaged[0].json))
    for key in (
        "state_hash",
        "data_source",
        "commands",
        "events",
        "conservation",
        "liquidations",
        "accounts",
        "wall_s",
    ):
        assert key in told
    assert told["data_source"] == "package"
    for account in told["accounts"]:
        assert {"equity", "requirement", "binding", "compared"} <= account.keys()


def test_the_page_stands_alone(packaged: tuple[DemoResult, Path]) -> None:
    page = packaged[0].report_path.read_text(encoding="utf-8")
    assert "Hedged holder" in page
    for sheet in operation_sheets(packaged[0].report):
        assert sheet.title in page
    assert 'src="http' not in page


def test_two_runs_give_one_hash(tmp_path: Path) -> None:
    window = {
        "start_ns": new_york_ns(date(2008, 10, 10), time(9, 0)),
        "end_ns": new_york_ns(date(2008, 10, 10), time(11, 0)),
    }
    first = play(tmp_path / "a", scenario="october-2008", **window)
    second = play(tmp_path / "b", scenario="october-2008", **window)
    assert first.json["state_hash"] == second.json["state_hash"]
    other = play(tmp_path / "c", scenario="october-2008", seed=2, **window)
    assert other.json["state_hash"] != first.json["state_hash"]


@pytest.mark.skipif(find_data() is None, reason="recorded data not found")
def test_the_recorded_crash_plays(tmp_path: Path) -> None:
    result = play(tmp_path / "venue", scenario="crash-2025-10-mini")
    assert result.json["data_source"] == "recorded"
    assert set(result.json["conservation"].values()) == {0}
    assert all(check.ok for check in checks(result.report) if not check.name.startswith("The hedged"))
