"""The words of FIX 4.4 that this line speaks: tags, kinds of messages and values, by the names that the standard gives them.

Responsible for: names. Never: a message's text; QuickFIX reads and writes that, with the data dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

from novate.messages.codes import Side


class Tag(IntEnum):
    """A field. The names are the dictionary's, in capitals."""

    ACCOUNT = 1
    AVG_PX = 6
    CL_ORD_ID = 11
    COMMISSION = 12
    COMM_TYPE = 13
    CUM_QTY = 14
    CURRENCY = 15
    EXEC_ID = 17
    EXEC_REF_ID = 19
    HANDL_INST = 21
    LAST_PX = 31
    LAST_QTY = 32
    ORDER_ID = 37
    ORDER_QTY = 38
    ORD_STATUS = 39
    ORD_TYPE = 40
    ORIG_CL_ORD_ID = 41
    PRICE = 44
    REF_SEQ_NUM = 45
    SIDE = 54
    SYMBOL = 55
    TEXT = 58
    TIME_IN_FORCE = 59
    TRANSACT_TIME = 60
    SETTL_DATE = 64
    TRADE_DATE = 75
    CXL_REJ_REASON = 102
    ORD_REJ_REASON = 103
    TEST_REQ_ID = 112
    EXEC_TYPE = 150
    LEAVES_QTY = 151
    CASH_ORDER_QTY = 152
    REF_TAG_ID = 371
    REF_MSG_TYPE = 372
    SESSION_REJECT_REASON = 373
    BUSINESS_REJECT_REF_ID = 379
    BUSINESS_REJECT_REASON = 380
    CXL_REJ_RESPONSE_TO = 434
    PREVIOUSLY_REPORTED = 570
    TRADE_REPORT_ID = 571
    ORD_STATUS_REQ_ID = 790
    SETTLED = 9701  # of this line's own: FIX 4.4 has no word for it. Y or N, in a TradeCaptureReport


class Header(IntEnum):
    """A field of a message's head."""

    MSG_SEQ_NUM = 34
    MSG_TYPE = 35
    POSS_DUP_FLAG = 43
    POSS_RESEND = 97


NO_MISC_FEES: Final = 136
MISC_FEE_AMT: Final = 137
USERNAME: Final = 553
PASSWORD: Final = 554
SECRET_TAGS: Final = (PASSWORD, 925, 96, 89)
"""Password, NewPassword, RawData, Signature."""


class Kind(StrEnum):
    """A kind of message (35); UNKNOWN is every other."""

    HEARTBEAT = "0"
    TEST_REQUEST = "1"
    REJECT = "3"
    LOGOUT = "5"
    EXECUTION_REPORT = "8"
    ORDER_CANCEL_REJECT = "9"
    LOGON = "A"
    NEW_ORDER_SINGLE = "D"
    ORDER_CANCEL_REQUEST = "F"
    ORDER_CANCEL_REPLACE_REQUEST = "G"
    ORDER_STATUS_REQUEST = "H"
    TRADE_CAPTURE_REPORT = "AE"
    BUSINESS_MESSAGE_REJECT = "j"
    UNKNOWN = ""


class ExecType(StrEnum):
    """What an ExecutionReport is about (150)."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class OrdStatus(StrEnum):
    """How an order stands (39)."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    ACCEPTED_FOR_BIDDING = "D"
    PENDING_REPLACE = "E"


ENDED: Final = frozenset(
    {OrdStatus.FILLED, OrdStatus.DONE_FOR_DAY, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED}
)
"""Nothing more is traded for an order that stands so."""

PENDING: Final = frozenset({OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE})
"""How it stands is told by what is left of it."""

SIDES: Final[Mapping[str, Side]] = {"1": Side.BID, "2": Side.ASK}
SIDE_TEXT: Final[Mapping[Side, str]] = {side: said for said, side in SIDES.items()}

COMMISSION_PER_UNIT: Final = "1"
COMMISSION_PERCENT: Final = "2"
COMMISSION_ABSOLUTE: Final = "3"

DUPLICATE_ORDER: Final = "6"
"""OrdRejReason, and CxlRejReason: the id was used before."""
UNKNOWN_ORDER: Final = "5"
"""OrdRejReason."""
CANCEL_TOO_LATE: Final = "0"
CANCEL_UNKNOWN_ORDER: Final = "1"
OTHER_REASON: Final = "99"
BUSINESS_UNKNOWN_ID: Final = "1"
BUSINESS_NOT_AVAILABLE: Final = "4"
REJECT_OF_CANCEL: Final = "1"
REJECT_OF_REPLACE: Final = "2"

NO_SYMBOL: Final = "[N/A]"
"""What the standard says where a symbol is asked for and there is none."""
