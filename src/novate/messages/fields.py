"""What a message field is on the wire, and the bases every message class stands on.

Responsible for: the wire type and the unit of each kind of field, said once. Never holds a message (`commands.py`,
`events.py`) and never encodes (`wire.py`).

A field's annotation carries both: `price: Ticks` is a signed 64-bit integer in ticks. Python sees an `int`.
"""

from enum import IntEnum, IntFlag
from typing import Annotated, ClassVar, NamedTuple

import msgspec

from novate.messages import codes


class Wire(NamedTuple):
    """How a field travels and what its number means."""

    type: str
    """The Rust type of the field, as the engine's definition prints it."""
    unit: str
    """Unit or code of the value, for people."""


Id = Annotated[int, Wire("u32", "id")]
LongId = Annotated[int, Wire("u64", "id")]
Number = Annotated[int, Wire("u16", "number")]
Number8 = Annotated[int, Wire("u8", "number")]
Count = Annotated[int, Wire("u32", "count")]
Reference = Annotated[int, Wire("u64", "number")]
Tier = Annotated[int, Wire("u8", "tier")]
Yes = Annotated[int, Wire("u8", "0 no, 1 yes")]
Zero8 = Annotated[int, Wire("u8", "0")]
Zero16 = Annotated[int, Wire("u16", "0")]
Zero32 = Annotated[int, Wire("u32", "0")]

Amount = Annotated[int, Wire("i64", "smallest unit of the asset")]
QuoteUnits = Annotated[int, Wire("i64", "quote units")]
MicroUsd = Annotated[int, Wire("i64", "micro-dollars")]
Price = Annotated[int, Wire("i64", "price at the listing's scale")]
Ticks = Annotated[int, Wire("i64", "ticks")]
Lots = Annotated[int, Wire("i64", "lots")]
Integer = Annotated[int, Wire("i64", "integer")]
Ppm = Annotated[int, Wire("i64", "ppm")]
Ppm32 = Annotated[int, Wire("u32", "ppm")]
Ppb = Annotated[int, Wire("i64", "1e-9")]
PicoUsd = Annotated[int, Wire("i64", "1e-12 dollars per token")]
PpmRow = Annotated[tuple[int, ...], Wire("Vec<i64>", "ppm")]
Numbers = Annotated[tuple[int, ...], Wire("Vec<i64>", "numbers")]
Nanos = Annotated[int, Wire("i64", "ns")]
TimeNs = Annotated[int, Wire("i64", "ns since 1970 UTC")]
Text = Annotated[str, Wire("String", "text")]
Bytes16 = Annotated[bytes, Wire("[u8;16]", "16 bytes")]
Bytes = Annotated[bytes, Wire("Bytes", "bytes")]
IdRow = Annotated[tuple[int, ...], Wire("Vec<i64>", "ids")]
LotsRow = Annotated[tuple[int, ...], Wire("Vec<i64>", "signed lots")]
TicksRow = Annotated[tuple[int, ...], Wire("Vec<i64>", "ticks")]
QuoteRow = Annotated[tuple[int, ...], Wire("Vec<i64>", "quote units")]

SideCode = Annotated[int, Wire("u8", "`Side`")]
OrderKindCode = Annotated[int, Wire("u8", "`OrderKind`")]
TimeInForceCode = Annotated[int, Wire("u8", "`TimeInForce`")]
FlagBits = Annotated[int, Wire("u8", "`Flags`")]
PriceKindCode = Annotated[int, Wire("u8", "`PriceKind`")]
PriceClassCode = Annotated[int, Wire("u8", "`PriceClass`")]
AssetKindCode = Annotated[int, Wire("u8", "`AssetKind`")]
MarketKindCode = Annotated[int, Wire("u8", "`MarketKind`")]
SelfTradeCode = Annotated[int, Wire("u8", "`SelfTrade`")]
SelfTradeModeCode = Annotated[int, Wire("u8", "`SelfTradeMode`")]
TriggerKindCode = Annotated[int, Wire("u8", "`TriggerKind`")]
MarketPhaseCode = Annotated[int, Wire("u8", "`MarketPhase`")]
SessionCode = Annotated[int, Wire("u8", "`Session`")]
QualityCode = Annotated[int, Wire("u8", "`Quality`")]
CancelReasonCode = Annotated[int, Wire("u8", "`CancelReason`")]
AccountStateCode = Annotated[int, Wire("u8", "`AccountState`")]
FundingReasonCode = Annotated[int, Wire("u8", "`FundingReason`")]
LiquidationSkipCode = Annotated[int, Wire("u8", "`LiquidationSkip`")]
LiquidationStageCode = Annotated[int, Wire("u8", "`LiquidationStage`")]
LiquidationCauseCode = Annotated[int, Wire("u8", "`LiquidationCause`")]
LiquidationRoleCode = Annotated[int, Wire("u8", "`LiquidationRole`")]
AuctionEndCode = Annotated[int, Wire("u8", "`AuctionEnd`")]
SaleWayCode = Annotated[int, Wire("u8", "`SaleWay`")]
HolderTypeCode = Annotated[int, Wire("u8", "`HolderType`")]
SubjectCode = Annotated[int, Wire("u8", "`Subject`")]
CorporateActionKindCode = Annotated[int, Wire("u8", "`CorporateActionKind`")]
CorporateActionStateCode = Annotated[int, Wire("u8", "`CorporateActionState`")]
LimitKindCode = Annotated[int, Wire("u8", "`LimitKind`")]
TradeSideCode = Annotated[int, Wire("u8", "`TradeSide`")]
RevealBits = Annotated[int, Wire("u8", "`Reveal`")]
OfferStateCode = Annotated[int, Wire("u8", "`OfferState`")]
TradeOriginCode = Annotated[int, Wire("u8", "`TradeOrigin`")]

DirectionCode = Annotated[int, Wire("u8", "`RequestDirection`")]
RequestKindCode = Annotated[int, Wire("u8", "`RequestKind`")]
RequestStateCode = Annotated[int, Wire("u8", "`RequestState`")]
PurposeCode = Annotated[int, Wire("u8", "`BrokerPurpose`")]
CarriedReasonCode = Annotated[int, Wire("u8", "`CarriedReason`")]
BreakKindCode = Annotated[int, Wire("u8", "`BreakKind`")]
ResolutionCode = Annotated[int, Wire("u8", "`BreakResolution`")]
CapacityTermCode = Annotated[int, Wire("u8", "`CapacityTerm`")]
NanoShares = Annotated[int, Wire("i64", "1e-9 shares")]
Masks = Annotated[tuple[int, ...], Wire("Vec<i64>", "mask per session")]
RoleCode = Annotated[int, Wire("u8", "`Role`")]
PowerCode = Annotated[int, Wire("u8", "`Power`")]
CapKindCode = Annotated[int, Wire("u8", "`CapKind`")]
LapseStageCode = Annotated[int, Wire("u8", "`LapseStage`")]
ChangeOutcomeCode = Annotated[int, Wire("u8", "`ChangeOutcome`")]

CODES: dict[str, type[IntEnum] | type[IntFlag]] = {
    f"`{code.__name__}`": code
    for code in (
        codes.Side, codes.OrderKind, codes.TimeInForce, codes.Flags, codes.PriceKind, codes.PriceClass,
        codes.AssetKind, codes.MarketKind, codes.SelfTrade, codes.SelfTradeMode, codes.TriggerKind, codes.MarketPhase,
        codes.Session, codes.Quality, codes.CancelReason, codes.AccountState, codes.FundingReason,
        codes.LiquidationSkip, codes.HolderType, codes.Subject, codes.LiquidationStage, codes.LiquidationCause,
        codes.LiquidationRole, codes.AuctionEnd, codes.SaleWay,
        codes.CorporateActionKind, codes.CorporateActionState,
        codes.LimitKind, codes.TradeSide, codes.Reveal, codes.OfferState, codes.TradeOrigin,
        codes.RequestDirection, codes.RequestKind, codes.RequestState, codes.BrokerPurpose, codes.CarriedReason, codes.BreakKind, codes.BreakResolution, codes.CapacityTerm,
        codes.Role, codes.Power, codes.CapKind, codes.LapseStage, codes.ChangeOutcome,
    )
}  # fmt: skip
"""Unit text of a coded field to the enumeration of its values."""

NO_CLIENT_ID = bytes(16)
"""The client id that means "none"."""


class Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """A message body. Immutable; fields by keyword; equal bodies are equal bytes."""

    KIND: ClassVar[int]
    """Type number on the wire; append-only, never reused."""
    FORM: ClassVar[str] = "document"
    """`record`: fixed little-endian fields. `document`: a MessagePack array of the fields."""


class Command(Message, frozen=True, kw_only=True):
    """Base of all commands: a wish, an outside fact, or time. Rare ones are documents."""


class HotCommand(Command, frozen=True, kw_only=True):
    """Base of the commands that come by the million: fixed records."""

    FORM: ClassVar[str] = "record"


class Event(Message, frozen=True, kw_only=True):
    """Base of all events: what happened, in the past tense. Rare ones are documents."""


class HotEvent(Event, frozen=True, kw_only=True):
    """Base of the events that come by the million: fixed records."""

    FORM: ClassVar[str] = "record"
