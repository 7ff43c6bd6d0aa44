"""Corporate actions: schedule, effect, receivables and corrections: commands 1200 to 1249.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/corporate.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Command,
    CorporateActionKindCode,
    Id,
    Integer,
    LongId,
    Nanos,
    PicoUsd,
    Ppb,
    Ppm,
    Price,
    Text,
    TimeNs,
    Yes,
)


class ScheduleCorporateAction(Command, frozen=True, kw_only=True):
    """Announces or schedules an action, or amends one that has not run. Without a window it is only announced.

    Attributes:
        action: Its id, chosen by the sender; the same id again amends.
        underlying: Whose shares.
        action_kind: What happens.
        ratio_new: Split: shares after for `ratio_old` before. Spin-off, merger: shares of the other company.
        ratio_old: For so many shares of this one.
        amount: Dollars per share: dividend, value of a right or of the spun-off part, cash of a merger, last price of a delisting.
        estimated: The amount is an estimate (it may be 0); a correction follows.
        other_underlying: Spin-off, merger: the other company; 0 none.
        token_mode: Split: whether the number of tokens changes instead of the multiplier.
        cash_asset: With `token_mode` 1: the stablecoin that fractions are paid in; else 0.
        name: Symbol change: the new name; else empty.
        window_start_ns: The halt window's start (19:50 New York on the evening before the ex-date); 0: announced only.
        window_end_ns: Its end.
        correct_until_ns: Corrections are taken, and holders of record kept, until then.
        scale_tolerance_ppm: Split: prints this near to the other scale do not count.
        guard_ns: .. until so long after the window.
    """

    KIND: ClassVar[int] = 1200

    action: LongId
    underlying: Id
    action_kind: CorporateActionKindCode
    ratio_new: Integer = 0
    ratio_old: Integer = 0
    amount: Price = 0
    estimated: Yes = 0
    other_underlying: Id = 0
    token_mode: Yes = 0
    cash_asset: Id = 0
    name: Text = ""
    window_start_ns: TimeNs = 0
    window_end_ns: TimeNs = 0
    correct_until_ns: TimeNs = 0
    scale_tolerance_ppm: Ppm = 0
    guard_ns: Nanos = 0


class ConfirmCorporateAction(Command, frozen=True, kw_only=True):
    """A second actor agrees to the terms as scheduled.

    Attributes:
        action: Which.
    """

    KIND: ClassVar[int] = 1201

    action: LongId


class CancelCorporateAction(Command, frozen=True, kw_only=True):
    """It will not happen.

    Attributes:
        action: Which.
    """

    KIND: ClassVar[int] = 1202

    action: LongId


class CorrectCorporateAction(Command, frozen=True, kw_only=True):
    """The amount per share that an action which ran should have had; the difference goes to the holders of record.

    Attributes:
        action: Which.
        amount: Dollars per share, before withholding.
    """

    KIND: ClassVar[int] = 1203

    action: LongId
    amount: Price


class ListWithholding(Command, frozen=True, kw_only=True):
    """The part of a dividend that does not reach the holder of a token, or of a perp.

    Attributes:
        asset: The token; 0 for a perp.
        market: The perp; 0 for a token.
        withholding_ppm: What is withheld.
    """

    KIND: ClassVar[int] = 1204

    asset: Id = 0
    market: Id = 0
    withholding_ppm: Ppm


class FundDistributions(Command, frozen=True, kw_only=True):
    """Money, or tokens handed out, that brokers paid for holders.

    Attributes:
        asset: What.
        amount: How much.
    """

    KIND: ClassVar[int] = 1205

    asset: Id
    amount: Amount


class BookReinvestment(Command, frozen=True, kw_only=True):
    """Shares bought with dividends are booked: less is receivable, each token is more shares.

    Attributes:
        asset: The token.
        multiplier_ppb: Shares per token from now on.
        released: What is no longer receivable.
        tolerance_ppm: How far the growth at the index may be from what is released.
    """

    KIND: ClassVar[int] = 1206

    asset: Id
    multiplier_ppb: Ppb
    released: PicoUsd
    tolerance_ppm: Ppm


class PayDistribution(Command, frozen=True, kw_only=True):
    """Pays the holders of a token what is receivable, or what the token became.

    Attributes:
        asset: The token.
        paid_asset: What holders get.
        released: What is paid.
        units: When a token is paid: units of it per 1e9 units of the holder's; 0 for a stablecoin, which is paid at face.
        retire: The token's underlying has ended: its units are gone after this.
    """

    KIND: ClassVar[int] = 1207

    asset: Id
    paid_asset: Id
    released: PicoUsd
    units: Integer = 0
    retire: Yes = 0


COMMANDS: tuple[type[Command], ...] = (
    ScheduleCorporateAction,
    ConfirmCorporateAction,
    CancelCorporateAction,
    CorrectCorporateAction,
    ListWithholding,
    FundDistributions,
    BookReinvestment,
    PayDistribution,
)
"""By number."""
