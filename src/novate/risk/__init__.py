"""Risk analysis around the engine: other rules on the same book. The venue's own margin rule lives in the core."""

from novate.risk.peers import (
    AssetClass,
    Leg,
    LegKind,
    PeerResult,
    Portfolio,
    Standalone,
    StandaloneOf,
    compare,
    isolated,
    ondo,
    plain_cross,
    tims_like,
)

__all__ = [
    "AssetClass",
    "Leg",
    "LegKind",
    "PeerResult",
    "Portfolio",
    "Standalone",
    "StandaloneOf",
    "compare",
    "isolated",
    "ondo",
    "plain_cross",
    "tims_like",
]
