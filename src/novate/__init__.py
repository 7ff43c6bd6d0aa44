"""novate: prime brokerage for tokenised securities, one account and one portfolio.

The public face of the package. Everything a user needs is imported from here; the modules behind it may move.

    novate.margin(positions, prices)        requirement and explanation of portfolios by dates, as a frame
    novate.contributions(positions, prices) what each holding makes of them
    novate.replay("portfolio.csv")          one's own portfolio through a crash
    novate.sample_portfolio()               portfolios to begin with
    novate.Engine()                         the venue in memory, for notebooks and what-if trees
    novate.Venue.open(home)                 a venue with its journal

Each name is loaded when it is first used, so that a program pays only for what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from novate._core import release as _release

if TYPE_CHECKING:
    from novate.demo.crash import replay
    from novate.embedding.columns import sample_portfolio
    from novate.embedding.engine import Engine
    from novate.embedding.margin import contributions, margin
    from novate.venue import Venue

__version__: str = _release()

__all__ = ["Engine", "Venue", "__version__", "contributions", "margin", "replay", "sample_portfolio"]

_HOMES = {
    "Engine": "novate.embedding.engine",
    "Venue": "novate.venue",
    "contributions": "novate.embedding.margin",
    "margin": "novate.embedding.margin",
    "replay": "novate.demo.crash",
    "sample_portfolio": "novate.embedding.columns",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'novate' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__]
