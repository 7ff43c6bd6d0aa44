"""The bridge's machine: what it quotes, when it does not, what it hedges, and what it never does."""

from dataclasses import replace
from datetime import date, time
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.bridge import facts
from novate.bridge.day import Day, keep, restore
from novate.bridge.hedging import Burn, Hedger, Mint, cost_of
from novate.bridge.hours import closure
from novate.bridge.inventory import Flight, Inventory
from novate.bridge.limits import (
    TABLE,
    Capacity,
    Doubt,
    Happening,
    Price,
    Purse,
    Room,
    Stance,
    StanceError,
    after,
    doubt,
)
from novate.bridge.machine import Ask, Closure, Machine
from novate.bridge.orders import Amend, Cancel, Place
from novate.bridge.quoting import targets, without
from novate.bridge.terms import PPM, Market
from novate.broker.port import Level, PrimaryBook
from novate.calendar import new_york_ns
from novate.errors import ConfigError
from novate.messages.codes import Quality, RequestState, Session, Side
from toy_venue import DOLLAR, MICRO, PERP, PLENTY, SECOND, SHARE, SPOT, TOTAL, Toy, book, conduct, terms

WIDE = Room(*(10**15,) * 6)
CENT = DOLLAR // 100

# --- quoting -----------------------------------------------------------------------------------------------------------

QUOTES = """
# market  side  edge  passed  size  room  owed   best price and size, next price and size
spot      ask   0.5   100     100   all   0      100.10 300   100.11 300     | 100.02 + 7.5 bps, up to a cent; 60 % of 500 shares
spot      bid   0.5   100     100   all   0       99.92 300    99.91 300     | 100.00 - 7.5 bps, down to a cent
perp      ask   0.5   100     100   all   0      100.10 200   100.11 200     | 1.5 bps less than the spot market asks, the other 40 %
spot      ask   0.5   0       100   all   0      100.05 300   100.06 300     | the fee of an issuance is not passed on
spot      ask   10    0       25    all   0      100.15 75    100.16 75      | an extended session
spot      ask   0.5   100     100   400   0      100.10 240                  | room for 400 shares, 60 % of them here
spot      ask   0.5   100     100   all   700    100.11 180   100.12 300     | 700 are still to be bought: they are not there twice
spot      bid   0.5   100     100   all   700     99.92 300    99.91 300     | which says nothing of the bids
spot      ask   0.5   100     100   0     0                                  | no room
"""


@pytest.mark.parametrize("line", [one for one in QUOTES.strip().splitlines() if not one.startswith("#")])
def test_quotes(line):
    said = line.partition("|")[0].split()
    market, side, edge, passed, size, left, owed = said[:7]
    expected = [
        (round(float(p) * 100) * CENT, int(q) * SHARE) for p, q in zip(said[7::2], said[8::2], strict=True)
    ]
    room = WIDE if left == "all" else Room(*(int(left) * SHARE,) * 6)
    named = terms(passed_ppm=int(passed) * 10_000)
    how = conduct(edge_ppm=round(float(edge) * 100), size_ppm=int(size) * 10_000)
    found = targets(named, how, book(), room, -int(owed) * SHARE)
    at = "tX-USDC" if market == "spot" else "X-PERP", Side.ASK if side == "ask" else Side.BID
    assert [tuple(one) for one in found[at][: len(expected)]] == expected
    assert bool(found[at]) == bool(expected)


levels = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 3_000)), min_size=1, max_size=6)


def a_book(bids, asks, middle=10_000) -> PrimaryBook:
    """A book of cents away from a middle, nearest first."""
    down = sorted({middle - away: shares for away, shares in bids}.items(), reverse=True)
    up = sorted({middle + away: shares for away, shares in asks}.items())
    sides = [tuple(Level(cents * CENT, shares * SHARE) for cents, shares in side) for side in (down, up)]
    return PrimaryBook("X", sides[0], sides[1], Session.REGULAR, 0)


@given(
    levels, levels, st.integers(0, 3_000), st.integers(0, 2_000), st.integers(0, PPM), st.integers(-5_000, 5_000), st.integers(0, 4_000),
    st.sampled_from([SHARE, SHARE // 3, 7 * SHARE]), st.booleans(),
)  # fmt: skip
def test_it_never_quotes_through_the_primary_market_and_its_fees_nor_more_than_is_there(
    bids, asks, edge, fee, passed, gap, left, ppb, degraded
):
    spot = Market(
        name="tX-USDC",
        spot=True,
        price_step=CENT,
        quantity_step=CENT,
        shares_ppb=ppb,
        fee_ppm=200,
        part_ppm=600_000,
    )
    named = terms(
        markets=(spot, PERP), token_ppb=ppb, mint_fee_ppm=fee, redeem_fee_ppm=fee, passed_ppm=passed
    )
    shown, room = a_book(bids, asks), Room(*(left * SHARE,) * 6)
    found = targets(named, conduct(edge_ppm=edge, levels=10), shown, room, gap * SHARE, degraded=degraded)
    for side, there in ((Side.ASK, shown.asks), (Side.BID, shown.bids)):
        owed = max(-gap, 0) if side == Side.ASK else max(gap, 0)
        free = without(there, owed * SHARE)
        total = 0
        for market in named.markets:
            quotes = found[market.name, side]
            cost = named.fees_ppm(market, side)
            prices = [one.price for one in quotes]
            assert prices == sorted(set(prices), reverse=side == Side.BID)
            assert all(
                one.price % market.price_step == 0 and one.quantity % market.quantity_step == 0
                for one in quotes
            )
            total += sum(market.shares(one.quantity) for one in quotes)
            for one in quotes:  # what the primary market asks, or bids, for as much with all fees: worse, or equal, for the taker
                best = free[0].price * market.shares_ppb
                if side == Side.ASK:
                    assert one.price * SHARE * PPM >= best * (PPM + cost)
                else:
                    assert one.price * SHARE * PPM <= best * (PPM - cost)
        assert total <= sum(one.shares for one in free)
        assert total <= left * SHARE


@given(levels, st.integers(0, 20_000))
def test_shares_that_are_taken_come_from_the_best_prices(asks, shares):
    shown = a_book(asks, asks).asks
    left = without(shown, shares)
    there = sum(one.shares for one in shown)
    assert sum(one.shares for one in left) == max(there - shares, 0)
    assert [one.price for one in left] == [one.price for one in shown][len(shown) - len(left) :]
    # the cost of all that was taken and of all that is left is the cost of the whole, but for rounding up
    assert (
        0
        <= cost_of(shown, min(shares, there))
        + cost_of(left, there - min(shares, there))
        - cost_of(shown, there)
        <= len(shown) + 1
    )


def test_parts_of_a_name_are_not_shown_twice():
    with pytest.raises(ConfigError, match="sum to one at most, got 1200000 ppm"):
        terms(markets=(SPOT, Market(name="Y", spot=False, price_step=1, quantity_step=1, part_ppm=600_000)))


# --- stances and doubts ------------------------------------------------------------------------------------------------

STANCES = """
           known      cut       doubt      clear    closure     over       stop     resume
starting   withdrawn  starting  -          -        -           -          -        -
withdrawn  -          starting  withdrawn  quoting  flattening  -          stopped  -
quoting    -          starting  withdrawn  quoting  flattening  -          stopped  -
flattening -          starting  -          -        -           withdrawn  stopped  -
stopped    -          starting  -          -        -           -          -        withdrawn
"""


def test_every_stance_and_happening():
    head, *lines = STANCES.strip().splitlines()
    happenings = [Happening(one) for one in head.split()]
    for line in lines:
        stance, *nexts = line.split()
        for happening, next_ in zip(happenings, nexts, strict=True):
            if next_ == "-":
                with pytest.raises(
                    StanceError, match=f"{happening.value} can't happen to a name that is {stance}"
                ):
                    after(Stance(stance), happening)
            else:
                assert after(Stance(stance), happening) == next_
    assert len(TABLE) == sum(one != "-" for line in lines for one in line.split()[1:])


def dark(**change) -> PrimaryBook:
    return book()._replace(**change)


DOUBTS = [
    ("nothing is doubtful", {}, None),
    ("nobody shows the primary market", {"book": None}, Doubt.NO_PRIMARY),
    ("the venue has no price", {"value": 0}, Doubt.NO_VENUE_PRICE),
    ("nobody asks", {"book": dark(asks=())}, Doubt.PRIMARY_ONE_SIDED),
    ("bids stand above asks", {"book": book(bid=100.03, ask=100.02)}, Doubt.PRIMARY_CROSSED),
    ("bids stand at asks", {"book": book(bid=100.02, ask=100.02)}, None),
    ("nothing changed for as long as may be", {"now": 5 * SECOND}, None),
    ("nothing changed for longer", {"now": 5 * SECOND + 1}, Doubt.PRIMARY_STALE),
    ("the venue is in another session", {"session": Session.POST}, Doubt.SESSIONS_DIFFER),
    ("an early session", {"book": dark(session=Session.PRE), "session": Session.PRE}, None),
    (
        "a session without terms",
        {"book": dark(session=Session.OVERNIGHT), "session": Session.OVERNIGHT},
        Doubt.SESSION_NOT_QUOTED,
    ),
    ("closed", {"book": dark(session=Session.CLOSED), "session": Session.CLOSED}, Doubt.SESSION_NOT_QUOTED),
    ("halted", {"book": dark(session=Session.HALTED), "session": Session.HALTED}, Doubt.SESSION_NOT_QUOTED),
    ("degraded is believed, with more edge", {"quality": Quality.DEGRADED}, None),
    ("suspect", {"quality": Quality.SUSPECT}, Doubt.VENUE_QUALITY),
    ("stale", {"quality": Quality.STALE}, Doubt.VENUE_QUALITY),
    ("halted by quality", {"quality": Quality.HALTED}, Doubt.VENUE_QUALITY),
    ("as far from the index as may be", {"value": 100_010_000_000 * 1_000_000 // 1_005_000 + 1}, None),
    ("further", {"value": 99 * DOLLAR}, Doubt.INDEX_FAR),
]


@pytest.mark.parametrize(("why", "change", "expected"), DOUBTS, ids=[one[0] for one in DOUBTS])
def test_doubts(why, change, expected):
    del why
    shown = change.get("book", book())
    price = Price(
        change.get("value", 100 * DOLLAR),
        change.get("quality", Quality.LIVE),
        change.get("session", Session.REGULAR),
    )
    assert doubt(terms(), shown, price, change.get("now", 0)) == expected


def test_on_a_primary_book_that_ages_it_keeps_more():
    how = conduct(edge_ppm=50, age_ppm=200, stale_ns=8 * SECOND)
    assert [how.edge_at(second * SECOND) for second in range(10)] == [
        50,
        50,
        100,
        100,
        150,
        150,
        200,
        200,
        250,
        250,
    ]
    at = "tX-USDC", Side.ASK
    young, old = (targets(terms(), how, book(), WIDE, 0, age_ns=age * SECOND)[at][0].price for age in (0, 8))
    assert (young, old) == (10_010 * CENT, 10_012 * CENT)


@pytest.mark.parametrize(("session", "quality"), list(product(Session, Quality)))
def test_it_rests_on_the_venue_only_in_sessions_with_terms_and_at_prices_that_are_believed(session, quality):
    toy = Toy(1)
    toy.step()
    toy.step()
    assert toy.orders
    toy.book = book(session=session)
    toy.show(quality)
    actions = toy.machine.act(toy.now)
    toy.do(actions)
    quotes = session in (Session.REGULAR, Session.PRE) and quality in (
        Quality.LIVE,
        Quality.DEGRADED,
        Quality.CLOSED,
    )
    assert bool(toy.orders) == quotes
    if quotes and quality == Quality.DEGRADED:
        asks = [one[3] for one in toy.orders.values() if one[2] == Side.ASK]
        assert min(asks) >= 10_002 * CENT * (PPM + 1_000) // PPM, "degraded: more edge"


def test_it_waits_until_nothing_was_doubtful_for_a_while():
    toy = Toy(1, terms(calm_ns=3 * SECOND))
    shown = []
    for second in range(8):
        toy.book = book(session=Session.HALTED) if second == 4 else book()
        toy.step()
        shown.append(bool(toy.orders))
    # three seconds at first; the doubt withdraws at once, and the three seconds begin anew
    assert shown == [False, False, False, True, False, False, False, False]


# --- hedging -----------------------------------------------------------------------------------------------------------

HEDGES = [
    ("nothing is open", {}, None),
    ("less than a request's least is open", {"perps": -SHARE // 2}, None),
    # 100 shares at 100.02 and 5 bps of fee, rounded up
    ("short: tokens are made", {"perps": -100 * SHARE}, Mint("tX", 10_007_001_000)),
    ("long: tokens are unmade", {"perps": 100 * SHARE}, Burn("tX", 100 * SHARE)),
    ("tokens sold are short too", {"tokens": 4_900 * SHARE}, Mint("tX", 10_007_001_000)),
    ("beyond the best level the next one pays", {"perps": -600 * SHARE}, Mint("tX", 60_043_006_500)),
    ("tokens against a perp of as many shares", {"tokens": 5_100 * SHARE, "perps": -100 * SHARE}, None),
    ("a request under way is not asked for again", {"perps": -100 * SHARE, "flight": Flight(True, 10_007_001_000)}, None),
    ("one that covers half leaves half", {"perps": -100 * SHARE, "flight": Flight(True, 5_003_500_500)}, Mint("tX", 5_003_000_201)),
    ("tokens that are not there can't be unmade", {"perps": 6_000 * SHARE, "tokens": 5_000 * SHARE}, Burn("tX", 5_000 * SHARE)),
    ("nor those that are offered", {"perps": 6_000 * SHARE, "offered": 4_000 * SHARE}, Burn("tX", 1_000 * SHARE)),
    ("no more than one request takes", {"perps": -40_000 * SHARE}, Mint("tX", 2_000_000 * MICRO)),
    ("no more than there is cash", {"perps": -100 * SHARE, "cash": 5_000 * MICRO}, Mint("tX", 5_000 * MICRO)),
    ("no more than the venue can issue", {"perps": -100 * SHARE, "mint": 300 * MICRO}, Mint("tX", 300 * MICRO)),
    ("nothing where it can't", {"perps": -100 * SHARE, "mint": 0}, None),
    (
        "requests both ways: no more tokens than may be open when those under way fail",  # 1,000 USD less 8 shares at 100.01, and the fee
        {"tokens": 4_900 * SHARE, "perps": 8 * SHARE, "flight": Flight(False, 100 * SHARE), "unhedged": 1_000 * MICRO}, Mint("tX", 200_019_960),
    ),
    (
        "nor are more unmade", {"perps": -8 * SHARE, "flight": Flight(True, 10_007_001_000), "unhedged": 1_000 * MICRO},
        Burn("tX", 1_999_000_000),
    ),
    ("beyond what may be open, nothing that would go further", {"tokens": 4_900 * SHARE, "perps": 12 * SHARE, "flight": Flight(False, 100 * SHARE), "unhedged": 1_000 * MICRO}, None),
    ("no more than the venue can redeem", {"perps": 100 * SHARE, "redeem": 1_000 * MICRO}, Burn("tX", 9_999_000_000)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "given_", "expected"), HEDGES, ids=[one[0] for one in HEDGES])
def test_hedges(why, given_, expected):
    named = terms()
    held = Inventory(named, given_.get("tokens", 5_000 * SHARE), {"X-PERP": given_.get("perps", 0)})
    if "flight" in given_:
        held.flights[1] = given_["flight"]
    hedger = Hedger(named)
    purse, capacity = (
        Purse(given_.get("cash", PLENTY), PLENTY),
        Capacity(given_.get("mint", PLENTY), given_.get("redeem", PLENTY)),
    )
    rest = purse, capacity, given_.get("unhedged", PLENTY)
    hedger.next(held, book(), *rest, SECOND)
    found = hedger.next(held, book(), *rest, SECOND + named.gather_ns, given_.get("offered", 0))
    assert found == expected, why


def test_tokens_that_a_redemption_asks_for_are_not_offered_meanwhile():
    """Few tokens are at hand, and 200 shares are to be unmade: the venue takes no request for tokens that orders offer."""
    toy = Toy(1, terms(base=2_000 * SHARE), tokens=500 * SHARE, perps=1_700 * SHARE)
    for _ in range(6):
        toy.step()  # the venue of the test refuses no such request: it fails
    assert [held for mints, held in toy.requests.values() if not mints] == [200 * SHARE]


def test_opposite_fills_meet_before_anything_is_asked_for():
    toy = Toy(1, terms(gather_ns=3 * SECOND))
    toy.step()
    toy.step()
    ask = next(client for client, one in toy.orders.items() if one[2] == Side.ASK)
    quantity = toy.orders[ask][4]
    toy.fill(ask)
    assert not [one for one in toy.step() if isinstance(one, Ask)]
    bid = next(client for client, one in toy.orders.items() if one[2] == Side.BID and one[4] >= quantity)
    toy.fill(bid, quantity / toy.orders[bid][4])
    assert not [one for _ in range(6) for one in toy.step() if isinstance(one, Ask)]
    assert toy.open_shares == 0


def test_after_refusals_it_asks_more_and_more_rarely_and_quotes_no_more_than_may_be_open():
    toy = Toy(1, terms(conduct={Session.REGULAR: conduct(unhedged=60_000 * MICRO)}), fails=1.0)
    asked = []
    for _ in range(90):
        before = toy.now
        if any(isinstance(one, Ask) for one in toy.step(trades=1)):
            asked.append(before // SECOND)
    assert [later - earlier for earlier, later in pairwise(asked)][:6] == [
        1,
        2,
        4,
        8,
        16,
        16,
    ]
    for _ in range(20):
        toy.step()
        for client in [one for one, order in toy.orders.items() if order[2] == Side.ASK]:
            toy.fill(client)
    assert 59_000 * MICRO < abs(toy.open_shares) * 100_010_000_000 // 10**12 <= 60_000 * MICRO


SPARES = """
# unhedged  net  open X  minting  burning   open Y  minting  burning   may be sold and bought
60          60   0       0        0         0       0        0         60   60    | nothing is open
60          90   20      0        0         -10     0        0         30   30    | both count, without their signs
90          60   20      0        0         -10     0        0         60   50    | and with them
60          60   0       40       0         0       0        0         20   20    | what may be made is open if it fills
60          60   0       0        40        0       0        0         20   20    | what may be unmade is, too
60          60   -40     40       0         0       0        0         20   20    | a hedge may fail
60          60   -40     60       0         0       0        0         20   20    | or fill whole
90          60   -40     60       0         0       0        0         20   40    | and net, each end by itself
90          60   -40     60       0         10      0        30        0    30    | of all names together
60          60   -40     60       0         10      0        30        0    0     | no room is left by less than nothing
"""


@pytest.mark.parametrize("line", [one for one in SPARES.strip().splitlines() if not one.startswith("#")])
def test_limits_over_all_names_hold_whether_requests_fill_or_not(line):
    said = [int(one) for one in line.partition("|")[0].split()]
    dollar = 10**12 // 100  # a thousand dollars at a hundred a share, in 1e-9 shares
    thousand = 1_000 * MICRO
    machine = Machine(
        [terms(mint_fee_ppm=0), terms(symbol="Y", underlying="Y", token="tY", markets=(replace(PERP, name="Y-PERP"),), mint_fee_ppm=0)],
        replace(TOTAL, unhedged=said[0] * thousand, net=said[1] * thousand),
        "all",
    )  # fmt: skip
    for symbol, (open_, minting, burning) in (("X", said[2:5]), ("Y", said[5:8])):
        name = machine.names[symbol]
        name.mark = 100 * DOLLAR
        name.inventory.tokens = name.terms.base + (open_ - burning) * dollar
        name.inventory.flights = {1: Flight(True, minting * thousand), 2: Flight(False, burning * dollar)}
        assert name.inventory.open_shares() == open_ * dollar
    spare = machine._spare()
    assert (spare.sell * 2 // thousand, spare.buy * 2 // thousand) == tuple(said[8:])


# --- the whole ---------------------------------------------------------------------------------------------------------


TIGHT = 60_000 * MICRO


def tight(
    seed: int, *, late: bool, fails: float = 0.0, base: int = 5_000, tokens: int = 5_000
) -> tuple[Toy, int]:
    """A venue whose bridge may have little open, and how many shares that is; what it lacks in tokens it has in perps."""
    named = terms(conduct={Session.REGULAR: conduct(unhedged=TIGHT)}, base=base * SHARE)
    toy = Toy(seed, named, late=late, fails=fails, tokens=tokens * SHARE, perps=(base - tokens) * SHARE)
    return toy, TIGHT * 10**12 // (10_001 * CENT)


@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from([0, 300, 2_000, 5_000]),
    st.sampled_from([0, 300, 500, 5_000]),
)
def test_what_is_open_never_passes_the_limit_by_more_than_what_traded_while_changes_were_on_their_way(
    seed, late, base, tokens
):
    toy, limit = tight(seed, late=late, fails=0.2, base=base, tokens=tokens)
    reach = 0
    for _ in range(60):
        toy.step(trades=toy.random.randint(0, 4))
        match toy.random.randint(0, 5):
            case 0:
                toy.reject_requests()
            case 1:
                toy.fill_requests(0.4)
            case 2 | 3:
                toy.fill_requests()
        # beyond the limit it goes only by what traded on the way in this step, and a request never takes it further
        assert toy.reach <= max(limit, reach) + toy.filled_late
        reach = toy.reach
        assert toy.name.inventory.open_shares() == toy.open_shares
        assert toy.name.inventory.tokens == toy.tokens >= 0
        assert {n: f.held for n, f in toy.name.inventory.flights.items()} == {
            n: r[1] for n, r in toy.requests.items()
        }
    toy.machine.stop("a test")
    toy.fails = 0.0
    for _ in range(60):
        toy.step()
        toy.fill_requests()
    assert not toy.orders
    assert not toy.requests
    assert abs(toy.open_shares) * 100 // SHARE <= 100 * 101, (
        "what is left is less than a request's least, and its rounding"
    )


@given(st.integers(0, 10**6))
def test_customers_who_turn_while_requests_hang_never_bring_it_past_the_limit(seed):
    """All of one side trades, then all of the other, while the broker answers seldom: requests both ways are under way."""
    toy, limit = tight(seed, late=True)
    chance, reach = toy.random, 0

    def trade(_) -> None:
        side = chance.choice((Side.BID, Side.ASK, None))
        for client in [client for client, one in toy.orders.items() if one[2] == side]:
            toy.fill(client, chance.choice((1.0, 1.0, 0.5)))

    toy.trade = trade
    for _ in range(120):
        toy.step(1)
        match chance.randint(0, 12):
            case 0:
                toy.reject_requests()
            case 1:
                toy.fill_requests(0.4)
            case 2:
                toy.fill_requests()
        assert toy.reach <= max(limit, reach) + toy.filled_late
        reach = toy.reach


@given(st.integers(0, 10**6))
def test_prices_that_move_never_bring_its_own_bid_to_its_own_ask(seed):
    toy = Toy(seed)
    price = 10_000
    for _ in range(60):
        price += toy.random.randint(-40, 40)
        spread = toy.random.randint(0, 10)
        toy.book = book(
            price / 100, (price + spread) / 100, toy.random.randint(1, 900), levels=toy.random.randint(1, 4)
        )
        toy.step(trades=toy.random.randint(0, 1))  # `do` looks after each change
        toy.fill_requests()


@given(st.integers(0, 10**6))
def test_it_is_flat_before_a_long_closure(seed):
    toy = Toy(seed)
    closes = toy.now + 60 * SECOND
    toy.machine.closure("X", Closure(closes - 20 * SECOND, closes + 100 * SECOND))
    while toy.now < closes:
        toy.step(trades=2)
        toy.fill_requests()
    assert toy.name.stance is Stance.FLATTENING
    assert not toy.orders
    assert abs(toy.open_shares) * 100 // SHARE <= 100 * 101
    while toy.now < closes + 110 * SECOND:
        toy.step()
    assert toy.name.stance is Stance.QUOTING


def test_a_loss_beyond_its_limit_stops_it_until_a_person_resumes_it():
    toy = Toy(1, terms(loss=10 * MICRO, gather_ns=10**12))
    for _ in range(4):
        toy.step()
    sells = [client for client, one in toy.orders.items() if one[2] == Side.ASK]
    for client in sells:
        toy.fill(client)
    toy.book = book(100.40, 100.42)
    toy.step()
    assert toy.name.stance is Stance.STOPPED
    assert toy.name.stopped == "loss_of_the_name"
    assert not toy.orders
    toy.machine.resume()
    toy.machine.new_day()
    toy.step()
    toy.step()
    assert toy.orders


def sold(**change) -> Toy:
    """A toy that sold everything it asked, and hedges none of it."""
    toy = Toy(1, terms(gather_ns=10**18, **change))
    for _ in range(3):
        toy.step()
    for client in [client for client, one in toy.orders.items() if one[2] == Side.ASK]:
        toy.fill(client)
    toy.step()
    return toy


@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
def test_after_a_restart_nothing_is_judged_before_the_primary_market_shows(tmp_path, sign):
    """300 shares are open and 90 dollars lost when it is killed; the new process knows of no price at first."""
    before = Toy(1)
    before.step()
    before.name.inventory.perps = {PERP.name: sign * 300 * SHARE}
    before.name.carry(-90 * MICRO)
    Day(tmp_path).write(keep(before.machine, "2025-10-09", 1, 1))
    machine = Machine([before.named], TOTAL, "again")
    restore(machine, Day(tmp_path).read())
    assert not machine.begin({"X": facts.Holding(5_000 * SHARE, {PERP.name: sign * 300 * SHARE}, {})})
    machine.purse = Purse(PLENTY, PLENTY)
    name = machine.names["X"]
    machine.act(before.now)
    assert (name.stance, name.stopped, machine.result()) == (Stance.WITHDRAWN, "", -90 * MICRO)
    machine.book(book(101, 101.02)._replace(at_ns=before.now))
    machine.price("X", Price(101_010_000_000, Quality.LIVE, Session.REGULAR))
    machine.act(before.now)
    assert machine.result() == -90 * MICRO + sign * 300 * MICRO, "a dollar a share since"


def test_what_is_found_before_any_price_is_known_is_bought_at_the_first_and_so_is_a_new_day_s(tmp_path):
    machine = Machine([terms()], TOTAL, "first")
    machine.purse = Purse(PLENTY, PLENTY)
    machine.begin({"X": facts.Holding(4_000 * SHARE, {}, {})})
    machine.new_day()
    machine.act(SECOND)
    name = machine.names["X"]
    assert (name.stance, name.stopped, machine.result()) == (Stance.WITHDRAWN, "", 0)
    Day(tmp_path).write(keep(machine, "2025-10-09", 1, 1))
    again = Machine([terms()], TOTAL, "again")
    restore(again, Day(tmp_path).read())
    again.purse = machine.purse
    again.begin({"X": facts.Holding(4_100 * SHARE, {}, {})})
    for dollars, result in ((100, 0), (101, -900 * MICRO), (130, -27_000 * MICRO)):
        again.book(book(dollars, dollars + 0.02)._replace(at_ns=SECOND))
        again.price("X", Price(dollars * DOLLAR + CENT, Quality.LIVE, Session.REGULAR))
        again.act(SECOND)
        assert again.result() == result
    assert again.names["X"].stopped == "loss_of_the_name", "and then the limits hold"


STUBS = [
    ("an ask that nobody means", book(ask=200_000), {}),
    ("in another session too", book(ask=200_000, session=Session.PRE), {}),
    ("in one without terms", book(ask=200_000, session=Session.OVERNIGHT), {}),
    ("while the venue's price is suspect", book(ask=200_000), {"quality": Quality.SUSPECT}),
    ("crossed", book(bid=180, ask=99.99), {}),
    ("crossed, in another session", book(bid=100.04, ask=100, session=Session.PRE), {}),
    ("far from the index", book(150, 150.02), {}),
    ("without an index to compare it with", book(150, 150.02), {"value": 0}),
    ("old", book(100.30, 100.32, at_ns=-(10**12)), {}),
    ("one side", book(ask=150)._replace(bids=()), {}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "shown", "said"), STUBS, ids=[one[0] for one in STUBS])
def test_a_book_that_is_not_believed_stops_nothing_and_sizes_nothing(why, shown, said):
    del why
    toy = sold(loss=100 * MICRO)
    short, mark = toy.open_shares, toy.name.mark
    assert short < 0
    toy.name.hedger.terms = terms()
    toy.machine.book(shown._replace(at_ns=toy.now + shown.at_ns))
    price = Price(said.get("value", 100 * DOLLAR + CENT), said.get("quality", Quality.LIVE), Session.REGULAR)
    toy.machine.price("X", price)
    asked = [one for _ in range(3) for one in toy.machine.act(toy.now + 2) if isinstance(one, Ask)]
    assert (toy.name.mark, toy.name.stopped) == (mark, "")
    worth = -short * 100_050_000_000 // 10**12 * 10_005 // 10_000
    for one in asked:
        assert abs(one.request.cash - worth) * 1_000 < worth
    hedges = shown.session == Session.REGULAR
    assert len(asked) == hedges


def test_a_book_that_is_believed_is_the_mark_whether_it_is_quoted_or_not():
    toy = sold()
    for shown, quality in (
        (book(100.10, 100.12, session=Session.OVERNIGHT), Quality.LIVE),
        (book(100.20, 100.22), Quality.STALE),
        (book(100.30, 100.32, session=Session.PRE), Quality.SUSPECT),
    ):
        toy.machine.book(shown._replace(at_ns=toy.now))
        toy.machine.price("X", Price(100_210_000_000, quality, Session.REGULAR))
        toy.machine.act(toy.now)
        assert toy.name.stance is Stance.WITHDRAWN
        assert toy.name.mark == (shown.bids[0].price + shown.asks[0].price) // 2


def test_stopped_it_still_hedges_unless_it_was_told_not_to():
    for hedges in (True, False):
        toy = Toy(1)
        toy.step()
        toy.step()
        toy.fill(next(client for client, one in toy.orders.items() if one[2] == Side.ASK))
        toy.machine.stop("a person", hedges=hedges)
        asked = [one for _ in range(4) for one in toy.step() if isinstance(one, Ask)]
        assert bool(asked) == hedges


@pytest.mark.parametrize("whose", ["loss_of_the_name", "loss_of_all_names"])
def test_a_loss_beyond_its_limit_does_not_override_a_person_who_wants_no_hedge(whose):
    of_all = whose == "loss_of_all_names"
    toy = Toy(1, terms() if of_all else terms(loss=10 * MICRO))
    toy.machine.total = replace(TOTAL, loss=10 * MICRO) if of_all else TOTAL
    for _ in range(3):
        toy.step()
    for client in [client for client, one in toy.orders.items() if one[2] == Side.ASK]:
        toy.fill(client)
    toy.machine.stop("a person", hedges=False)
    toy.book = book(100.40, 100.42)
    assert not [one for _ in range(4) for one in toy.step() if isinstance(one, Ask)]
    assert toy.machine.result() < -10 * MICRO
    assert (toy.name.stopped, toy.machine.losses) == ("a person", [])
    toy.machine.resume()
    assert [one for _ in range(2) for one in toy.step() if isinstance(one, Ask)], (
        "resumed, and stopped by the limit: it hedges"
    )
    assert toy.machine.losses == [("" if of_all else "X", whose)]
    toy.machine.stop("a person", hedges=False)
    assert not toy.name.hedges_when_stopped


def test_after_a_cut_nothing_is_done_before_the_account_is_known():
    toy = Toy(1)
    toy.step()
    toy.step()
    toy.machine.cut()
    assert not toy.machine.act(toy.now + SECOND) or all(
        isinstance(one, Cancel) for one in toy.machine.act(toy.now + SECOND)
    )
    toy.orders = {}
    differ = toy.machine.begin({"X": facts.Holding(4_000 * SHARE, {"X-PERP": 0}, {})})
    assert differ == ["X"]
    toy.tokens = 4_000 * SHARE
    result = toy.machine.result()
    asked = [one for _ in range(3) for one in toy.step() if isinstance(one, Ask)]
    assert isinstance(asked[0].request, Mint)
    assert toy.machine.result() == result == 0, "what was found is neither won nor lost"


def test_a_small_change_of_size_is_left_alone_and_a_smaller_size_is_not():
    toy = Toy(1)
    toy.step()
    toy.step()
    toy.book = book(size=520)
    assert not toy.step()
    toy.book = book(size=499)
    changes = toy.step()
    assert changes
    assert all(isinstance(one, Amend) for one in changes)
    toy.book = book(size=499, levels=1)
    assert {type(one) for one in toy.step()} == {Cancel}
    toy.book = book(size=499, levels=2)
    assert {type(one) for one in toy.step()} == {Place}


def test_results_are_what_was_paid_and_received_and_what_is_open():
    held = Inventory(terms(), 5_000 * SHARE)
    toy = Toy(1)
    toy.machine.names["X"].inventory = held
    toy.machine.hear(facts.OrderFilled(1, "tX-USDC", Side.ASK, 100 * SHARE, 10_010 * MICRO, 2 * MICRO, 0))
    assert held.result(100 * DOLLAR) == 10_010 * MICRO - 2 * MICRO - 10_000 * MICRO
    toy.machine.hear(facts.RequestHeld(5, "tX", True, 10_100 * MICRO))
    assert held.open_shares() == -100 * SHARE, "a request under way hedges nothing"
    toy.machine.hear(facts.Issued(5, "tX", 100 * SHARE, 10_005 * MICRO))
    toy.machine.hear(facts.Returned(5, 95 * DOLLAR))
    toy.machine.hear(facts.RequestMoved(5, RequestState.FILLED))
    assert (held.open_shares(), held.flights, held.result(100 * DOLLAR)) == (0, {}, 3 * MICRO)
    toy.machine.hear(facts.Carried("X-PERP", -MICRO))
    assert held.result(90 * DOLLAR) == 2 * MICRO, "the owner's own tokens are the owner's risk"


CLOSURES = [
    (date(2025, 10, 8), time(15, 50), None, "a night is not long"),
    (
        date(2025, 10, 10),
        time(15, 50),
        (date(2025, 10, 10), time(15, 45), date(2025, 10, 12), time(20)),
        "a weekend",
    ),
    (
        date(2025, 10, 11),
        time(12),
        (date(2025, 10, 10), time(15, 45), date(2025, 10, 12), time(20)),
        "within it",
    ),
    (
        date(2025, 11, 27),
        time(12),
        (date(2025, 11, 26), time(15, 45), date(2025, 11, 27), time(20)),
        "Thanksgiving",
    ),
    (
        date(2025, 11, 28),
        time(12, 50),
        (date(2025, 11, 28), time(12, 45), date(2025, 11, 30), time(20)),
        "an early close",
    ),
]


@pytest.mark.parametrize(("day", "at", "expected", "why"), CLOSURES, ids=[one[3] for one in CLOSURES])
def test_long_closures(day, at, expected, why):
    del why
    now = new_york_ns(day, at)
    found = closure(now, 15 * 60 * SECOND)
    assert found is not None
    if expected is None:
        assert found.from_ns > now
    else:
        assert found == (new_york_ns(*expected[:2]), new_york_ns(*expected[2:]))
