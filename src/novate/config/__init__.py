"""A venue's configuration: a TOML file in plain words becomes the commands that list a venue.

    listing = load_listing(Path("listing.toml"))
    listing.commands                 # ConfigureVenue, buckets, dated rows, underlyings, assets, markets, pools
    listing.market["NVDA-PERP"]      # ids by name

`keys` says what a file may hold, `document` reads it into sections, `build` turns sections into commands, `load`
asks the engine whether it takes them, `listing` is the result. Never sends a command, and has no default for a parameter: what is
missing is refused. docs/reference/configuration.md is the reference.
"""

from novate.config.listing import Listing
from novate.config.load import load_listing, packaged_listing

__all__ = ["Listing", "load_listing", "packaged_listing"]
