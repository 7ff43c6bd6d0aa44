"""How figures are written, the same on the terminal and on the page.

Responsible for: turning scaled integers into text, exactly, by integer arithmetic.
Never: floats, locale, colour.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MILLION = 1_000_000
BILLION = 1_000_000_000


def _fixed(value: int, scale_digits: int, places: int) -> str:
    """A non-negative scaled integer with thousands separators, half away from zero at `places` decimals."""
    drop = 10 ** (scale_digits - places)
    rounded = (value + drop // 2) // drop
    whole, part = divmod(rounded, 10**places)
    return f"{whole:,}" + (f".{part:0{places}d}" if places else "")


def money(micro: int, places: int = 0) -> str:
    """Micro-dollars as `$1,234` or `($1,234)`; `places` from 0 to 6. What rounds to nothing has no sign."""
    text = "$" + _fixed(abs(micro), 6, places)
    return f"({text})" if micro < 0 and text.strip("$0.,") else text


def compact(micro: int) -> str:
    """Micro-dollars for a headline: `$1.24m` from a million on, `$865,400` below."""
    size = abs(micro)
    if size < MILLION * MILLION:
        return money(micro)
    text = "$" + _fixed(size, 12, 2) + "m"
    return f"({text})" if micro < 0 else text


def price(price_e6: int | None) -> str:
    """A price a share or coin; cents, or more places below a dollar. None is a dash."""
    if price_e6 is None:
        return "–"
    return money(price_e6, places=2 if abs(price_e6) >= MILLION else 4)


def percent(part: int, whole: int, places: int = 1) -> str:
    """`part / whole` in percent; a dash when there is no whole."""
    if whole == 0:
        return "–"
    negative = (part < 0) != (whole < 0)
    scaled = (abs(part) * 10 ** (places + 3) // abs(whole) + 5) // 10
    text = _fixed(scaled, places, places) + " %"
    return f"-{text}" if negative and scaled else text


def quantity(value: int, decimals: int = 6, places: int = 2) -> str:
    """A quantity with so many `decimals`, rounded to `places` of them; zeros at the end are left out."""
    text = _fixed(abs(value), decimals, places)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"-{text}" if value < 0 and text.strip("0.,") else text


def rate(rate_e9: int) -> str:
    """An hourly rate in percent with five decimals: `0.00125 %`."""
    text = _fixed(abs(rate_e9), 7, 5) + " %"
    return f"-{text}" if rate_e9 < 0 else text


def new_york(time_ns: int) -> datetime:
    """New York wall time, whole seconds, without a zone: what a reader's watch showed."""
    moment = datetime.fromtimestamp(time_ns // BILLION, UTC)
    return moment.astimezone(NEW_YORK).replace(tzinfo=None)


def clock(time_ns: int) -> str:
    """`Fri 10 Oct 16:50:05`, New York."""
    return f"{new_york(time_ns):%a %d %b %H:%M:%S}"


def minute(time_ns: int) -> str:
    """`Fri 10 Oct 16:50`, New York."""
    return f"{new_york(time_ns):%a %d %b %H:%M}"


def size_of(count: int) -> str:
    """Bytes as `12.3 MB`, decimal units."""
    for unit, digits in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**digits:
            return f"{_fixed(count, digits, 1)} {unit}"
    return f"{count} B"
