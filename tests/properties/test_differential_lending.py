"""A pool in the engine against the plain reference: rates, indexes, every loan and claim, calls, losses."""

from random import Random

from novate.messages import (
    AdvanceTime,
    CommandRefused,
    Deposit,
    FundInsurance,
    FundPool,
    Lend,
    ListPool,
    LoanCalled,
    LoanShortfallAbsorbed,
    PoolRateChanged,
    Recall,
    RequestWithdrawal,
)
from novate.messages.reports import lending
from reference.lending import ONE, Pool, curve
from venues import CASH, DOLLARS, NAME, SECOND, TOKEN, USD, M, open_plain_venue

LENDERS, BORROWERS = (1, 2), (3, 4, 5)
POINTS = ((800_000, 50_000), (1_000_000, 600_000))
HOUR = 3_600 * SECOND


class Twin:
    """A plain venue and a reference pool that do the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.venue = open_plain_venue({account: 10 + account for account in (*LENDERS, *BORROWERS)})
        self.venue.must(
            ListPool(
                asset=USD, rate_ppm=50_000, reserve_ppm=100_000, owner_cap=10**15, venue_cap=10**15,
                utilisation_ppm=tuple(p[0] for p in POINTS), rates_ppm=tuple(p[1] for p in POINTS), locked_deposit=M,
                reserve_target=10**14, insurance_bucket=1, lent_charge_ppm=100_000,
            )
        )  # fmt: skip
        self.venue.must(FundPool(asset=USD, amount=M))
        self.pool = Pool(50_000, POINTS, 100_000, locked=M)
        self.minute = self.venue.time_ns // (60 * SECOND)
        self.hour = self.venue.time_ns // HOUR
        self.references = 1
        self.indexes = 0
        for account in BORROWERS:
            self.venue.must(RequestWithdrawal(asset=USD, amount=10**13), account)
        for account in LENDERS:
            self.venue.must(Lend(asset=USD, amount=10**12), account)
            self.pool.lend(account, 10**12)

    def deposit(self, account: int, amount: int) -> None:
        """Cash comes in and repays."""
        self.references += 1
        self.venue.must(Deposit(asset=USD, amount=amount, reference=self.references), account)

    def pass_time(self, seconds: int, price: int = DOLLARS * M) -> list[object]:
        """Minutes of both, and at the hour everybody is brought up."""
        self.venue.time_ns += seconds * SECOND
        self.venue.price(NAME, price)
        self.venue.price(CASH, M)
        events = self.venue.must(AdvanceTime())
        now = self.venue.time_ns // (60 * SECOND)
        for _ in range(now - self.minute):
            self.pool.minute()
        self.minute = now
        for event in events:
            if isinstance(event.body, PoolRateChanged) and event.body.asset == USD:
                assert (event.body.borrow_index, event.body.supply_index) == (
                    self.pool.borrow_index,
                    self.pool.supply_index,
                )
                assert (event.body.utilisation_ppm, event.body.rate_ppm) == (
                    self.pool.used(),
                    self.pool.rate(),
                )
                self.indexes += 1
        if self.venue.time_ns // HOUR != self.hour:
            self.hour = self.venue.time_ns // HOUR
            for account in self.pool.loans:
                self.pool.borrow(account, 0)
            for account in self.pool.claims:
                self.pool.lend(account, 0)
        return [event.body for event in events]

    def step(self) -> None:
        """Somebody lends, takes back, borrows or repays; or time passes."""
        kind, amount = self.chance.randrange(6), self.chance.randrange(1, 4 * 10**11)
        if kind == 0:
            account = self.chance.choice(LENDERS)
            self.venue.must(Lend(asset=USD, amount=amount // 8 + 1), account)
            self.pool.lend(account, amount // 8 + 1)
        elif kind == 1:
            account = self.chance.choice(LENDERS)
            there = sum(c.withdrawable for c in lending.claims(self.venue.engine, account) if c.asset == USD)
            if (taken := min(amount, there)) > 0:
                self.venue.must(Recall(asset=USD, amount=taken), account)
                self.pool.lend(account, -taken)
        elif kind in (2, 3):
            account = self.chance.choice(BORROWERS)
            room = next(p.available for p in lending.pools(self.venue.engine) if p.asset == USD)
            if (taken := min(amount, room)) > 0:
                events = self.venue.send(RequestWithdrawal(asset=USD, amount=taken), account)
                if not any(
                    isinstance(event.body, CommandRefused) for event in events
                ):  # or a loan of it is called
                    self.pool.borrow(account, taken)
        elif kind == 4:
            account = self.chance.choice(BORROWERS)
            if paid := min(amount, self.pool.owed(account)):
                self.deposit(account, paid)
                self.pool.borrow(account, -paid)
        else:
            self.pass_time(self.chance.randrange(1, 900))
        self.compare()

    def compare(self) -> None:
        """Every number that a lender or a borrower can ask for."""
        told = next(p for p in lending.pools(self.venue.engine) if p.asset == USD)
        assert (told.rate_ppm, told.utilisation_ppm) == (self.pool.rate(), self.pool.used())
        assert told.bears[1] == self.pool.reserve
        for account in LENDERS:
            found = {c.asset: c.claim for c in lending.claims(self.venue.engine, account)}
            assert found.get(USD, 0) == self.pool.claim(account)
        for account in BORROWERS:
            found = {loan.asset: loan.owed for loan in lending.loans(self.venue.engine, account)}
            assert found[USD] == self.pool.owed(account)


def test_a_pool_is_what_the_rule_says() -> None:
    """Random lenders and borrowers over hours: rates, indexes, loans, claims and the reserve, to the unit."""
    for seed in range(6):
        twin = Twin(seed)
        for _ in range(120):
            twin.step()
        assert twin.indexes > 5, "rates moved"


def test_who_is_called_and_for_how_much() -> None:
    """A pool at its limit for an hour calls loans pro rata by size."""
    for seed in range(4):
        twin = Twin(100 + seed)
        left = lending.pools(twin.venue.engine)[0].available
        for account, part in zip(BORROWERS, (2, 3, 5), strict=True):
            amount = left * part // 10 - twin.chance.randrange(10**6)
            twin.venue.must(RequestWithdrawal(asset=USD, amount=amount), account)
            twin.pool.borrow(account, amount)
        found: list[LoanCalled] = []
        for _ in range(64):
            found += [body for body in twin.pass_time(60) if isinstance(body, LoanCalled)]
            if found:
                break
        assert [call.amount for call in found] == list(twin.pool.called(950_000).values())
        assert all(call.due_ns == twin.venue.time_ns + 86_400 * SECOND for call in found)


def test_who_bears_a_loss() -> None:
    """Every token of a borrower falls by nine tenths: insurance, reserve and lenders bear what the rule says."""
    twin = Twin(7)
    bucket, cover = 1, 3 * 10**9
    twin.venue.must(FundInsurance(bucket=bucket, asset=USD, amount=cover))
    twin.venue.must(RequestWithdrawal(asset=USD, amount=2 * 10**12 - 10), 3)
    twin.pool.borrow(3, 2 * 10**12 - 10)
    absorbed: list[LoanShortfallAbsorbed] = []
    for _ in range(60):  # the slower price needs its half hour
        told = twin.pass_time(60, DOLLARS * M // 10)
        absorbed = [body for body in told if isinstance(body, LoanShortfallAbsorbed)]
        if absorbed:
            break
    assert absorbed
    first = absorbed[0]
    assert (first.insurance, first.reserve, first.lenders) == twin.pool.bear(
        first.insurance + first.reserve + first.lenders, cover
    )
    for account in LENDERS:
        found = {c.asset: c.claim for c in lending.claims(twin.venue.engine, account)}
        assert found[USD] == twin.pool.claim(account) or len(absorbed) > 1


def test_the_reference_itself() -> None:
    """The curve goes through its points, interest is conserved, lenders never outgrow borrowers."""
    assert [curve(50_000, POINTS, u) for u in (0, 800_000, 900_000, M)] == [50_000, 50_000, 325_000, 600_000]
    pool = Pool(50_000, POINTS, 100_000, locked=M)
    pool.lend(1, 10**12)
    pool.borrow(2, 9 * 10**11)
    for _ in range(10_000):
        pool.minute()
    assert pool.owed(2) - 9 * 10**11 >= pool.claim(1) - 10**12 + pool.reserve
    assert ONE < pool.supply_index < pool.borrow_index
    assert pool.bear(10**12, 0)[1] > 0 and TOKEN == 2
