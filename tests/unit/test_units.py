"""Numbers cross the border exactly or not at all."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate import units
from novate.errors import UnitError

I64 = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.integers(0, units.MAX_DECIMALS)


@given(I64, DECIMALS)
def test_there_and_back_is_the_same_integer(number: int, decimals: int) -> None:
    assert units.scaled(units.decimal(number, decimals), decimals) == number
    assert units.scaled(units.text(number, decimals), decimals) == number


@given(I64, DECIMALS)
def test_the_text_is_the_number_divided_by_its_scale(number: int, decimals: int) -> None:
    text = units.text(number, decimals)
    assert Decimal(text) * 10**decimals == number or len(str(number)) > 19
    assert "E" not in text
    assert len(text.partition(".")[2]) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        ("1234.56", 6, 1_234_560_000),
        ("1_000.25", 2, 100_025),
        (".5", 1, 5),
        ("-0.000001", 6, -1),
        ("+7", 0, 7),
        (" 7 ", 0, 7),
        ("1.50", 1, 15),
        ("-0", 6, 0),
        (5, 6, 5_000_000),
        (Decimal("1E+3"), 2, 100_000),
        (Decimal("0.10"), 1, 1),
        (Decimal("0E-40"), 6, 0),
        ("9223372036854775807", 0, 2**63 - 1),
        ("-9223372036854.775808", 6, -(2**63)),
    ],
)
def test_plain_numbers(value: str | Decimal | int, decimals: int, expected: int) -> None:
    assert units.scaled(value, decimals) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.1, 'not float; write it as text, "0.1"'),
        (float("nan"), "not float"),
        (np.float64(1.5), "not float64"),
        (np.int64(1), "not int64"),
        (True, "not bool"),
        (None, "not NoneType"),
        (b"1", "not bytes"),
        ("", "plain number"),
        (".", "plain number"),
        ("-", "plain number"),
        ("1e6", "plain number"),
        ("NaN", "plain number"),
        ("Infinity", "plain number"),
        ("1,000", "plain number"),
        ("1__0", "plain number"),
        ("\u0663", "plain number"),
        ("1" * 65, "plain number"),
        (Decimal("NaN"), "finite"),
        (Decimal("sNaN"), "finite"),
        (Decimal("-Infinity"), "finite"),
        ("0.0000001", "more than 6 decimals"),
        (Decimal("1E-400000"), "more than 6 decimals"),
        ("9223372036854.775808", "64 bits"),
        ("-9223372036854.775809", "64 bits"),
        (Decimal("1E+400000"), "64 bits"),
        pytest.param(10**5000, "64 bits", id="huge"),
    ],
)
def test_what_is_not_exact_is_refused(value: object, reason: str) -> None:
    with pytest.raises(UnitError, match=reason) as refused:
        units.scaled(value, 6, "limit")  # type: ignore[arg-type]
    assert str(refused.value).startswith("limit ")


@pytest.mark.parametrize("decimals", [-1, 10, 1.0, True, "6"])
def test_a_scale_has_0_to_9_decimals(decimals: object) -> None:
    for call in (units.scaled, units.decimal, units.text):
        with pytest.raises(UnitError, match="decimals must be 0 to 9"):
            call(1, decimals)  # type: ignore[operator]


@pytest.mark.parametrize("number", [1.0, True, "1", Decimal(1)])
def test_only_integers_come_back(number: object) -> None:
    with pytest.raises(UnitError, match="units must be an int"):
        units.text(number, 6)  # type: ignore[arg-type]


def test_hidden_decimals_are_zeros() -> None:
    assert units.text(-1_500_000, 6) == "-1.500000"
    assert units.text(-1_500_000, 6, places=2) == "-1.50"
    assert units.text(5, 0, places=2) == "5"
    with pytest.raises(UnitError, match="more than 2 decimals"):
        units.text(1_234_567, 6, places=2)


@pytest.mark.parametrize(
    ("rate", "ppm"),
    [
        ("1.5 %", 15_000),
        ("1.5%", 15_000),
        ("3.5 bps", 350),
        ("-250 ppm", -250),
        ("0.04", 40_000),
        (Decimal("0.000001"), 1),
    ],
)
def test_rates_say_their_unit(rate: str | Decimal, ppm: int) -> None:
    assert units.rate_ppm(rate) == ppm


@pytest.mark.parametrize("rate", ["0.00001 %", "0.5 ppm", "%", "1 %%", "1 pct"])
def test_a_rate_finer_than_a_millionth_is_refused(rate: str) -> None:
    with pytest.raises(UnitError):
        units.rate_ppm(rate)


def test_a_price_is_above_zero() -> None:
    assert units.price_e6("187.25") == 187_250_000
    assert units.micro_usd("-12.5") == -12_500_000
    for price in ("0", "-1"):
        with pytest.raises(UnitError, match="above zero"):
            units.price_e6(price)
