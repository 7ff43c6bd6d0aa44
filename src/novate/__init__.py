"""novate: prime brokerage for tokenised securities, one account and one portfolio.

The public face of the package. Everything a user needs is imported from here; the modules behind it may move.
"""

from novate._core import Engine
from novate._core import release as _release
from novate.venue import Venue

__version__: str = _release()

__all__ = ["Engine", "Venue", "__version__"]
