"""The plain data a report prints, and nothing of how it is printed or where it came from.

Responsible for: the shape of a report, in integers and text, ready for JSON.
Never: computing a margin, reading a journal, formatting. Whoever runs the venue fills it in.

Units are in the names: `_micro` is micro-dollars, `_e6` is 1e-6 dollar a share or coin, `_ns` is nanoseconds UTC,
`_e9` is parts per billion. Sequences are tuples in the order they should be shown.
"""

from typing import Literal

import msgspec

from novate.reports.operations import Operations
from novate.reports.safeguards import Safeguards
from novate.risk.peers import PeerResult

SeriesQuality = Literal["real", "derived", "simulated"]
PriceQuality = Literal["live", "closed", "degraded", "suspect", "stale", "halted"]
SessionName = Literal["regular", "pre", "post", "overnight", "closed", "halted"]
LineGroup = Literal["cash", "asset", "perp", "claim", "loan"]
TERMS = ("SR", "GAP", "BASIS", "WRAP", "FX", "LIQ", "CROWD", "LENT", "ORD")
"""The terms of the venue's requirement, in the order of its formula."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One source of prices for one underlying. `bars` are those used, `stray_bars` those ignored."""

    underlying: str
    source: str
    quality: SeriesQuality
    kind: str = ""
    bars: int = 0
    stray_bars: int = 0
    first_ns: int = 0
    last_ns: int = 0
    note: str = ""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What was replayed. `headline` says which series are real, derived or simulated, and is printed first."""

    name: str
    title: str
    headline: str
    story: str
    start_ns: int
    end_ns: int
    data_source: str
    series: tuple[Series, ...] = ()


class AssetDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Credits less debits of one asset over the whole ledger, in its smallest unit; anything but 0 is a fault."""

    asset: str
    difference: int


class VenueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the run was and how to check it. `verify_command` replays the journal and compares the state hash."""

    commands: int
    events: int
    frames: int
    journal_bytes: int
    state_hash: str
    conservation: tuple[AssetDifference, ...]
    wall_s: float
    advance_ms: int
    seed: int
    release: str
    ruleset: int
    verify_command: str
    home: str = ""
    first_frame_s: float | None = None


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a balance sheet. For a perp `value_micro` is unrealised profit and `exposure_micro` its notional."""

    group: LineGroup
    name: str
    quantity: str
    value_micro: int
    exposure_micro: int = 0
    price_e6: int | None = None


class BalanceSheet(msgspec.Struct, frozen=True, kw_only=True):
    """All an account has and owes at one time; the values of the lines add up to its equity."""

    time_ns: int
    lines: tuple[BalanceLine, ...]
    equity_micro: int


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One margin level, each its own evaluation: what is asked, and what is left above it (negative: short)."""

    name: str
    requirement_micro: int
    excess_micro: int


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One term of the initial requirement, named as in TERMS."""

    name: str
    amount_micro: int


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one position adds to the initial requirement; all together are the requirement exactly."""

    position: str
    amount_micro: int


class MarginView(msgspec.Struct, frozen=True, kw_only=True):
    """An account's margin at one time. `binding` says in words which scenario and gap groups decide it."""

    time_ns: int
    equity_micro: int
    state: str
    binding: str
    levels: tuple[Level, ...]
    terms: tuple[Term, ...]
    contributions: tuple[Contribution, ...] = ()

    def level(self, name: str) -> Level | None:
        """The level of that name, or None where the report does not carry it."""
        return next((level for level in self.levels if level.name == name), None)

    @property
    def initial_micro(self) -> int:
        """The initial requirement; 0 where the report carries no initial level."""
        level = self.level("initial")
        return level.requirement_micro if level else 0


class DatedRow(msgspec.Struct, frozen=True, kw_only=True):
    """Initial requirement with and without the dated stress row of the very day that is replayed."""

    name: str
    time_ns: int
    without_micro: int
    with_micro: int


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest move of one underlying, ppm, that leads to yellow, orange, red and black; None where none does."""

    underlying: str
    falls: tuple[int | None, ...]
    rises: tuple[int | None, ...]


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one session boundary ahead, prices unchanged."""

    time_ns: int
    what: tuple[str, ...]
    initial_micro: int
    maintenance_micro: int
    state: str


class PathPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of an account's path."""

    time_ns: int
    equity_micro: int
    initial_micro: int
    maintenance_micro: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the account paid over the run (negative: received), and how often it traded."""

    fills: int = 0
    volume_micro: int = 0
    fees_micro: int = 0
    funding_micro: int = 0
    interest_micro: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account's whole story. `worst` is the sample with the smallest maintenance excess.

    `exposure_micro` is gross: the sum of |token value| and |perp notional| before the crash. `peers` are the other
    rules on the book as it was before, `peers_worst` on the book at its worst. `liquidated_if` completes the sentence
    "it would be liquidated if ...", before the crash; `distances` and `ahead` are of that moment, too.
    """

    id: int
    name: str
    story: str
    rule: str
    exposure_micro: int
    balance_before: BalanceSheet
    balance_after: BalanceSheet
    before: MarginView
    worst: MarginView
    after: MarginView
    peers: tuple[PeerResult, ...] = ()
    peers_worst: tuple[PeerResult, ...] = ()
    path: tuple[PathPoint, ...] = ()
    costs: Costs = Costs()
    liquidated_if: str = ""
    distances: tuple[Distance, ...] = ()
    ahead: tuple[Milestone, ...] = ()
    dated_row: DatedRow | None = None


class Liquidation(msgspec.Struct, frozen=True, kw_only=True):
    """One slice the venue traded for an account. `step` is the stage's name, price and index are per share."""

    account: int
    time_ns: int
    step: str
    market: str
    underlying: str
    side: Literal["buy", "sell"]
    quantity: str
    notional_micro: int
    price_e6: int
    index_e6: int
    fee_micro: int
    reason: str = ""


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """A debt left below zero after liquidation, not yet shared out."""

    account: int
    asset: str
    amount_micro: int


class Insurance(msgspec.Struct, frozen=True, kw_only=True):
    """One insurance fund before and after the run."""

    bucket: str
    before_micro: int
    after_micro: int


class FundingHour(msgspec.Struct, frozen=True, kw_only=True):
    """One market's funding at one hour: the rate, and what longs paid shorts in all (negative: shorts paid)."""

    market: str
    time_ns: int
    rate_e9: int
    paid_micro: int = 0


class PricePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's own index and mark at one time."""

    time_ns: int
    index_e6: int
    mark_e6: int


class PricePath(msgspec.Struct, frozen=True, kw_only=True):
    """One underlying's path. `headline` names are drawn strong, the others as background."""

    underlying: str
    asset_class: str
    points: tuple[PricePoint, ...]
    headline: bool = False


class QualityBand(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one price quality of one underlying, end excluded."""

    underlying: str
    start_ns: int
    end_ns: int
    quality: PriceQuality


class SessionBand(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one session of the primary market, end excluded."""

    start_ns: int
    end_ns: int
    session: SessionName


class HedgeProof(msgspec.Struct, frozen=True, kw_only=True):
    """Why the hedged holder was untouched: his excess moved only by what the hedge-invariance rule allows.

    Every part is signed as it moved excess, at the named level and already scaled by that level's factor: a charge
    that grew is negative. `checked` is the number of instants tested, `worst_unexplained_micro` the largest distance
    between excess and its explanation over all of them, `tolerance_micro` the rounding allowed. `spot_micro` is the
    value of the hedged tokens at the start; 0 leaves the line "without the short" out of the chart.
    """

    account: int
    underlying: str
    level: str
    start_ns: int
    end_ns: int
    price_move_ppm: int
    spot_micro: int = 0
    excess_move_micro: int
    carry_micro: int
    premium_micro: int
    basis_micro: int
    wrap_micro: int
    fx_micro: int
    liq_micro: int
    checked: int
    worst_unexplained_micro: int
    tolerance_micro: int

    @property
    def explained_micro(self) -> int:
        """Sum of the allowed parts."""
        parts = (self.carry_micro, self.premium_micro, self.basis_micro, self.wrap_micro, self.fx_micro)
        return sum(parts) + self.liq_micro

    @property
    def unexplained_micro(self) -> int:
        """What the allowed parts leave over between start and end."""
        return self.excess_move_micro - self.explained_micro

    @property
    def holds(self) -> bool:
        """Whether every checked instant and the whole span stay inside the rounding allowed."""
        worst = max(abs(self.unexplained_micro), abs(self.worst_unexplained_micro))
        return self.checked > 0 and worst <= self.tolerance_micro


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `hero` is the account the report opens with, `featured` those whose path is drawn."""

    scenario: Scenario
    venue: VenueFacts
    accounts: tuple[Account, ...]
    hero: int
    featured: tuple[int, ...] = ()
    liquidations: tuple[Liquidation, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    insurance: tuple[Insurance, ...] = ()
    funding: tuple[FundingHour, ...] = ()
    prices: tuple[PricePath, ...] = ()
    quality: tuple[QualityBand, ...] = ()
    sessions: tuple[SessionBand, ...] = ()
    hedge: HedgeProof | None = None
    safeguards: Safeguards = Safeguards()
    operations: Operations = Operations()

    def account(self, number: int) -> Account:
        """The account of that id; KeyError when the report has none."""
        for account in self.accounts:
            if account.id == number:
                return account
        raise KeyError(f"the report has no account {number}")

    def name_of(self, number: int) -> str:
        """An account's name, or its number where the report does not carry it."""
        return next((a.name for a in self.accounts if a.id == number), f"account {number}")

    def shown(self) -> tuple[int, ...]:
        """Accounts whose path is drawn: the featured ones, else the hero and the first one liquidated."""
        if self.featured:
            return self.featured
        others = [item.account for item in self.liquidations if item.account != self.hero]
        return (self.hero, *others[:1])
