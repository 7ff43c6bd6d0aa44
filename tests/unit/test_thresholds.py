"""What can be asked before it hurts: place in the redemption queue, rank in a deleveraging, insurance and its target, caps."""

from tests.properties.test_differential_clearing import ISSUED, M, issuing_venue
from tests.venues import NAME

from novate.messages import PauseIssuance, RequestRedemption, SetSession
from novate.messages.reports import clearing, liquidation


def test_a_request_knows_its_place_in_the_queue() -> None:
    """While the channel is shut requests wait; each knows how many are ahead and what they hold."""
    venue = issuing_venue()
    (before,) = [line for line in clearing.capacity(venue.engine) if line.direction == 1]
    assert before.dollars > 0
    venue.must(SetSession(underlying=NAME, session=3, next_session=2, next_time_ns=0))
    venue.must(RequestRedemption(token=ISSUED, amount=10**9, reference=1), 1)
    venue.must(PauseIssuance(token=ISSUED, mint=0, redeem=1))
    (request,) = clearing.requests(venue.engine, 1)
    assert (request.forced, request.priority) == (False, 2)
    assert request.ahead == (-1 if request.order else 0)
    assert request.ahead_held == 0


def test_every_threshold_of_an_account_and_a_bucket_can_be_asked_for() -> None:
    """An account without a position stands at its excess; a bucket has balance, target and the factor of its caps."""
    venue = issuing_venue()
    standing = liquidation.standing(venue.engine, 1)
    assert len(standing.excess) == 4
    assert (standing.ranks, standing.freed, standing.cash_due) == ((), (), (0, 0))
    assert standing.net_value > M
    buckets = liquidation.insurance(venue.engine)
    assert all(line.open_interest_ppm == M and line.balance >= 0 for line in buckets)
    lines = liquidation.open_interest(venue.engine)
    assert all((line.cap, line.underlying_cap, line.open_interest_ppm) == (-1, -1, M) for line in lines)
    assert liquidation.tranches(venue.engine) == []
    assert liquidation.auctions(venue.engine) == []
