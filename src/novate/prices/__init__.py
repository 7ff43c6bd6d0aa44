"""Price feeds: what the outside says, as `PostPrice` commands with the hash of the message that said it.

    observation   what a message states: a quote or a print, as exact decimals
    reading       numbers, times and JSON without a float
    adapters/     one format each, sans I/O: bytes in, observations and replies out
    intake        observations to commands: symbol to underlying, scale, and what is garbage
    health        whether a feed is alive, how old each symbol is, back-off
    archive       the raw message behind each price, found by its hash
    links         the transports: a WebSocket, a vendor's SDK, ccxt
    feed          one feed: a link, an adapter, connected again for ever
    settings      what an operator writes about a feed

Nothing here judges a price: the engine does, and journals it as received. What is refused here is what is no price at all.
docs/reference/feeds.md is the reference.
"""

from novate.prices.archive import RawArchive, raw_hash
from novate.prices.feed import Feed, run_feed
from novate.prices.health import Alarm, Backoff, FeedHealth, FeedState
from novate.prices.intake import Garbage, Instrument, Intake
from novate.prices.observation import Adapter, Frame, Heard, Observation, Phase, Print, Quote
from novate.prices.settings import FeedSettings, build_feed, instruments

__all__ = [
    "Adapter", "Alarm", "Backoff", "Feed", "FeedHealth", "FeedSettings", "FeedState", "Frame", "Garbage", "Heard",
    "Instrument", "Intake", "Observation", "Phase", "Print", "Quote", "RawArchive", "build_feed", "instruments", "raw_hash",
    "run_feed",
]  # fmt: skip
