"""A broker that announces, for the tests of `novate actions fetch`: an adapter of one's own, named in clearing.toml."""

from datetime import date

from novate.broker.announcements import Announced, Announcement, Kind

SYMBOL = "NVDA.O"
"""What this broker calls NVDA."""
OTHER = "AAPL.O"
"""And AAPL."""


class Mute:
    def open(self, hear, since=""):
        raise AssertionError("who only asks for announcements opens no line", hear, since)

    def send(self, instruction):
        raise AssertionError(instruction)

    def close(self):
        pass


class Announcing(Mute):
    def announced(self, symbols, first, last):
        assert SYMBOL in symbols and "USDC" not in symbols
        one = Announcement(
            source="vendor", key="x-1", symbol=SYMBOL, kind=Kind.CASH_DIVIDEND, ex_date=date(2031, 6, 10), amount=40_000_000
        )  # fmt: skip
        merger = Announcement(
            source="vendor", key="x-2", symbol=SYMBOL, kind=Kind.MERGER, ex_date=date(2031, 6, 12), ratio_new=1, ratio_old=2, other_symbol=OTHER
        )  # fmt: skip
        found = [each for each in (one, merger) if first <= each.ex_date <= last]
        return Announced(found, ["rights_distributions 77: There are no exact terms."])


def line(_):
    return Announcing()


def mute(_):
    return Mute()
