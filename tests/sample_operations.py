"""One of everything that the venue does besides trading, for the tests of its words and of the report's own checks."""

from msgspec.structs import replace
from tests.sample_safeguards import ns, usd

from novate.reports import operations as o

NANO = 1_000_000_000


def request(way: o.RequestWay, number: int, held: int, fills: tuple[o.RequestFill, ...]) -> o.Request:
    states = (
        ("reserved", ns(9, 10, 15)),
        ("routed", ns(9, 10, 15)),
        ("partly filled", ns(9, 10, 16)),
        ("filled", ns(9, 10, 16)),
        ("settled", ns(10, 9)),
        ("delivered", ns(10, 9)),
    )
    steps = tuple(o.RequestStep(state=state, time_ns=at) for state, at in states)
    return o.Request(
        request=number, account=2, way=way, token="tAAPL", held=held, steps=steps, fills=fills, returned=0
    )


def fill(shares: int, price: float, cash: float, fee: float) -> o.RequestFill:
    return o.RequestFill(
        time_ns=ns(9, 10, 16),
        shares=shares * NANO,
        units=shares * 1_000_000,
        price_e6=usd(price),
        index_e6=usd(price),
        cash_micro=usd(cash),
        fee_micro=usd(fee),
    )


def backing(when: str, settled: int, bought: int, sold: int, tokens: int) -> o.Backing:
    return o.Backing(
        time_ns=ns(9, 10, 16),
        token="tAAPL",
        when=when,
        settled=settled * NANO,
        bought=bought * NANO + 7,
        sold=sold * NANO,
        shortage=0,
        required=tokens * NANO,
        surplus=7,
        units=tokens * 1_000_000,
        multiplier_ppb=NANO,
    )


def issuance() -> o.Issuance:
    bought = request("issue", 1, usd(25_012.5), (fill(60, 250, 15_000, 7.5), fill(40, 250, 10_000, 5)))
    sold = request("redeem", 2, 30 * 1_000_000, (fill(30, 251, 7_526.235, 3.765),))
    return o.Issuance(
        broker="Prime",
        requests=(bought, replace(sold, paid_micro=usd(7_526.235))),
        backing=(
            backing("opening", 1_000, 0, 0, 1_000),
            backing("issued", 1_000, 100, 0, 1_100),
            backing("redeemed", 1_000, 100, 30, 1_070),
            backing("settled", 1_070, 0, 0, 1_070),
        ),
        checked=1_234,
        worst_difference=0,
    )


def package() -> o.Package:
    leg = o.PackageLeg(
        market="tMSFT-USDC",
        side="buy",
        quantity="570",
        price_e6=usd(523.5),
        notional_micro=usd(298_395),
        fee_micro=usd(119.36),
        alone_micro=usd(61_234),
    )
    perp = replace(leg, market="MSFT-PERP", side="sell", fee_micro=usd(104.41), alone_micro=usd(52_345))
    return o.Package(
        account=2,
        time_ns=ns(9, 9, 45),
        sequence=4_711,
        legs=(leg, perp),
        requirement_micro=usd(11_222),
        excess_micro=usd(34_567),
    )


def dividend() -> o.Dividend:
    return o.Dividend(
        underlying="MSFT",
        note="Illustrative: moved into the window.",
        amount_e6=usd(0.91),
        withheld_ppm=300_000,
        scheduled_by="operations",
        scheduled_ns=ns(9, 11, 30),
        confirmed_by="risk",
        confirmed_ns=ns(9, 11, 45),
        window_start_ns=ns(9, 19, 50),
        window_end_ns=ns(9, 20, 10),
        rehearsed_accounts=3,
        rehearsed_before_micro=usd(5_000_000),
        rehearsed_after_micro=usd(4_999_000),
        account=2,
        account_before_micro=usd(345_000),
        account_after_micro=usd(345_000),
        effective_ns=ns(9, 19, 50),
        sequence=258_746,
        index_before_e6=usd(522.4),
        index_after_e6=usd(521.49),
        shares=570 * NANO,
        perp_micro=usd(-363.09),
        token_micro=usd(363.09),
    )


def changes() -> tuple[o.RuleChange, o.RuleChange]:
    effect = o.AccountEffect(
        account=5,
        requirement_before_micro=usd(150_258),
        requirement_after_micro=usd(169_172),
        excess_before_micro=usd(850_455),
        excess_after_micro=usd(831_541),
    )
    gap = o.RuleChange(
        change=1,
        what="gap of TSLA from 6 % to 8 %",
        reason="jumps",
        measured=6,
        effects=(effect,),
        long_delay=True,
        proposed_by="operations",
        proposed_ns=ns(9, 11),
        stage="approved",
        approved_by="risk",
        approved_ns=ns(9, 11, 30),
        opens_left=3,
    )
    cap = replace(
        gap,
        change=2,
        what="owner cap of tTSLA from 1,000,000 to 500,000 tokens",
        effects=(),
        long_delay=False,
        stage="in force",
        due_ns=ns(9, 15, 30),
        in_force_ns=ns(9, 15, 30),
        opens_left=0,
    )
    return gap, cap


def loan() -> o.StockLoan:
    return o.StockLoan(
        token="tAAPL",
        lender=2,
        borrower=3,
        lent_units=432_750_000,
        claim_units=432_827_100,
        owed_units=295_848_700,
        sold_ns=ns(10, 9, 45),
        sold_units=295_760_000,
        sold_micro=usd(74_321),
        rate_ppm=33_600,
    )


def done() -> o.Operations:
    return o.Operations(
        issuance=issuance(),
        packages=(package(),),
        dividends=(dividend(),),
        changes=changes(),
        loans=(loan(),),
    )
