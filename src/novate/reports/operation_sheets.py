"""The tables about what the venue did besides trading, once for the terminal and the page.

Responsible for: titles, one explaining sentence each, headings and written figures.
Never: a figure that operations.py does not carry, or the look of a table.
"""

from collections.abc import Iterator

from novate.reports.figures import clock, minute, money, percent, price, quantity
from novate.reports.model import Report
from novate.reports.operations import Backing, BrokerLeg, Dividend, Execution, Package, Request, RuleChange
from novate.reports.sheets import Sheet

TITLE = "What the venue did besides trading"
_DONE = {"issue": "issued", "redeem": "redeemed"}
MILLION = 1_000_000


def operation_sheets(report: Report) -> tuple[Sheet, ...]:
    """Every table that has a row, in reading order."""
    return tuple(sheet for sheet in _all(report) if sheet.rows)


def _all(report: Report) -> Iterator[Sheet]:
    yield _requests(report)
    yield from (_chain(report, request) for request in _chained(report))
    yield _bridge(report)
    yield _backing(report)
    yield from (_package(report, package) for package in report.operations.packages)
    yield from (_dividend(report, item) for item in report.operations.dividends)
    yield _changes(report)
    yield _effects(report)
    yield _loans(report)


def _requests(report: Report) -> Sheet:
    issuance = report.operations.issuance
    broker = issuance.broker if issuance else ""
    return Sheet(
        title="Tokens issued and redeemed",
        note=f"Tokens are made when shares are bought at a broker and unmade when shares are sold. The exchange behind the broker here "
        f"({broker}) is simulated: it plays the replayed prices with a modelled book around them, and cannot react as a real one would.",
        columns=("request", "what happened to it", "shares", "average price", "tokens", "cash", "fee"),
        rows=tuple(_request(report, request) for request in _asked(report)),
        left=2,
    )


def _asked(report: Report) -> list[Request]:
    """All requests but those of the bridge, of which there are too many to read."""
    operations = report.operations
    bridge = operations.bridge.account if operations.bridge else 0
    return (
        [one for one in operations.issuance.requests if one.account != bridge] if operations.issuance else []
    )


def _request(report: Report, request: Request) -> tuple[str, ...]:
    asked = (
        f"{money(request.held)} into {request.token}"
        if request.way == "issue"
        else f"{quantity(request.held)} {request.token} into cash"
    )
    shares = sum(fill.shares for fill in request.fills)
    cash = sum(fill.cash_micro for fill in request.fills)
    return (
        f"{report.name_of(request.account)}: {asked}",
        life(request),
        quantity(shares, 9),
        price(_average(request)),
        quantity(sum(fill.units for fill in request.fills)),
        money(cash, 2),
        money(sum(fill.fee_micro for fill in request.fills), 2),
    )


def _chained(report: Report) -> list[Request]:
    """The first request of each kind that went to the exchange: issued, redeemed by its holder, redeemed by a liquidation."""
    found: dict[tuple[str, bool], Request] = {}
    for request in _asked(report):
        if any(leg.executions for leg in request.legs):
            found.setdefault((request.way, request.forced), request)
    return list(found.values())


def _chain(report: Report, request: Request) -> Sheet:
    """One request from the click to the exchange and back, with times and costs."""
    begun = request.steps[0].time_ns
    rows = list(_links(request, begun))
    asked = "The liquidation asked" if request.forced else f"{report.name_of(request.account)} asked"
    way = "sold" if request.way == "redeem" else "bought"
    return Sheet(
        title=f"From the click to the exchange: {request.token} {'redeemed by a liquidation' if request.forced else _DONE[request.way]}",
        note=f"{asked} at {clock(begun)}. Shares were {way} at the exchange, against its best bid and ask when the order left; the spread "
        "is what an execution cost against the middle of the two. The replay moves in steps of five seconds, and so do these times.",
        columns=("when", "after", "what happened", "cost"),
        rows=(*rows, ("", "", "all of it", _whole_cost(request))),
        left=3,
    )


def _links(request: Request, begun: int) -> Iterator[tuple[str, ...]]:
    told: list[tuple[int, int, str, str]] = []

    def tell(at: int, rank: int, said: str, cost: str = "") -> None:
        told.append((at, rank, said, cost))

    held = money(request.held) if request.way == "issue" else f"{quantity(request.held)} {request.token}"
    tell(begun, 0, f"the request: {held} held")
    for leg in request.legs:
        side = "buy" if leg.buys else "sell"
        market = (
            f", market {price(leg.bid_e9 // 1_000)} / {price(leg.ask_e9 // 1_000)}"
            if leg.bid_e9 and leg.ask_e9
            else ""
        )
        tell(leg.sent_ns, 1, f"order {leg.client_id} to {side} {leg.symbol} left for {leg.broker}{market}")
        for done in leg.executions:
            cost = f"{money(_spread(leg, done), 2)} spread, {money(done.fee_micro, 2)} fees"
            tell(
                done.traded_ns,
                2,
                f"{quantity(done.shares, 9)} shares at {price(done.price_e9 // 1_000)}",
                cost,
            )
        if leg.accepted_ns:
            tell(leg.accepted_ns, 3, "the exchange has it")
    made = "issued" if request.way == "issue" else "burned"
    for fill in request.fills:
        said = f"{quantity(fill.units)} {request.token} {made} for {money(fill.cash_micro, 2)}"
        tell(fill.time_ns, 4, said, f"{money(fill.fee_micro, 2)} fee")
    for state in ("settled", "delivered"):
        at = next((step.time_ns for step in request.steps if step.state == state), 0)
        if at:
            tell(at, 5, state)
    for at, _, said, cost in sorted(told, key=lambda one: one[:2]):
        yield clock(at), _after(at - begun), said, cost


def _after(elapsed_ns: int) -> str:
    seconds = elapsed_ns // 1_000_000_000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60:,} min" if seconds < 7_200 else f"{seconds // 3_600:,} h"


def _spread(leg: BrokerLeg, done: Execution) -> int:
    """Micro-dollars that an execution cost against the middle when its order left; 0 where a side was empty."""
    if not (leg.bid_e9 and leg.ask_e9):
        return 0
    away = 2 * done.price_e9 - leg.bid_e9 - leg.ask_e9
    return (away if leg.buys else -away) * done.shares // (2 * 10**12)


def _whole_cost(request: Request) -> str:
    """Spread and fees together, in dollars and in basis points of what was traded."""
    executions = [(leg, done) for leg in request.legs for done in leg.executions]
    cost = sum(_spread(leg, done) + done.fee_micro for leg, done in executions)
    cost += sum(fill.fee_micro for fill in request.fills)
    traded = sum(done.shares * done.price_e9 // 10**12 for _, done in executions)
    return f"{money(cost, 2)}, {percent(cost, traded, 3)}"


def _average(request: Request) -> int | None:
    """Average price of the fills, 1e-6 dollar a share."""
    shares = sum(fill.shares for fill in request.fills)
    return sum(fill.shares * fill.price_e6 for fill in request.fills) // shares if shares else None


def life(request: Request) -> str:
    """The states that a request went through, each with the time at which it was first reached."""
    parts: list[str] = []
    last = ""
    for step in request.steps:
        if step.state == last:
            continue
        last, when = step.state, minute(step.time_ns)
        day = when[:11] if not parts or when[:11] not in "".join(parts) else ""
        parts.append(f"{step.state} {(day + when[-5:]) if day else when[-5:]}")
    return ", ".join(parts)


def _bridge(report: Report) -> Sheet:
    bridge = report.operations.bridge
    rows = (
        [
            (f"traded {fill.market}", f"{fill.fills:,} fills", money(fill.volume_micro))
            for fill in bridge.fills
        ]
        if bridge
        else []
    )
    if bridge:
        rows.append((f"{bridge.token} made for it", quantity(bridge.issued_units), ""))
        rows.append((f"{bridge.token} unmade for it", quantity(bridge.redeemed_units), ""))
    return Sheet(
        title="What the bridge did",
        note="It quotes the venue's books from the exchange's best bid and ask with the size that is there, and hedges what it trades by having "
        "tokens made and unmade. An ordinary account: it sees no event earlier than anybody.",
        columns=("what", "how often or how much", "worth"),
        rows=tuple(rows),
    )


def _backing(report: Report) -> Sheet:
    issuance = report.operations.issuance
    lines = issuance.backing if issuance else ()
    tokens = dict.fromkeys(item.token for item in lines)
    asked = f" The venue was asked {issuance.checked:,} times." if issuance else ""
    return Sheet(
        title=f"What stands behind {' and '.join(tokens)}",
        note="After every command, in shares: settled + bought unsettled - sold unsettled + shortage = tokens x multiplier, rounded "
        "up, + surplus." + asked,
        columns=("after", "settled", "+ bought", "- sold", "+ shortage", "= required", "+ surplus"),
        rows=tuple(_stands(item, len(tokens) > 1) for item in lines),
    )


def _stands(item: Backing, named: bool) -> tuple[str, ...]:
    shares = (item.settled, item.bought, item.sold, item.shortage, item.required)
    token = f"{item.token} " if named else ""
    return (
        f"{minute(item.time_ns)} {token}{item.when}",
        *(quantity(value, 9, 3) for value in shares),
        quantity(item.surplus, 9, 9),
    )


def _package(report: Report, package: Package) -> Sheet:
    alone = sum(leg.alone_micro for leg in package.legs)
    saved = percent(alone - package.requirement_micro, alone)
    rows = [
        (
            f"{leg.side} {leg.quantity} {leg.market}",
            price(leg.price_e6),
            money(leg.notional_micro),
            money(leg.fee_micro, 2),
            money(leg.alone_micro),
        )
        for leg in package.legs
    ]
    fees = money(sum(leg.fee_micro for leg in package.legs), 2)
    rows.append(("the legs alone, added up", "", "", "", money(alone)))
    rows.append((f"as one package: {saved} less", "", "", fees, money(package.requirement_micro)))
    return Sheet(
        title="A hedge in one trade",
        note=f"{report.name_of(package.account)}, {clock(package.time_ns)}: both legs traded in one command, or neither would have; "
        "the requirement is that of the end state, the rest of the account included.",
        columns=("leg", "price", "notional", "fee", "initial requirement"),
        rows=tuple(rows),
    )


def _dividend(report: Report, item: Dividend) -> Sheet:
    return Sheet(
        title=f"A dividend of {money(item.amount_e6, 2)} on {item.underlying}",
        note=f"{item.note} {percent(item.withheld_ppm, MILLION, 0)} is withheld, on the token and on the perp alike.",
        columns=("step", "when", "what"),
        rows=tuple(_dividend_rows(report, item)),
        left=3,
    )


def _dividend_rows(report: Report, item: Dividend) -> Iterator[tuple[str, str, str]]:
    window = f"halt window {minute(item.window_start_ns)} to {minute(item.window_end_ns)[-5:]}"
    yield "scheduled", minute(item.scheduled_ns), f"by {item.scheduled_by}; {window}"
    if not item.confirmed_ns:
        return
    change = item.account_after_micro - item.account_before_micro
    rehearsed = f"{item.rehearsed_accounts} accounts touched; {report.name_of(item.account)}'s equity changes by {money(change, 2)}"
    yield "dry run", minute(item.confirmed_ns), rehearsed
    yield "confirmed", minute(item.confirmed_ns), f"by {item.confirmed_by}, another person"
    if not item.effective_ns:
        return
    moved = f"index {price(item.index_before_e6)} to {price(item.index_after_e6)} at one sequence, {item.sequence:,}"
    yield "in effect", clock(item.effective_ns), moved
    shares = quantity(item.shares, 9)
    pair = f"tokens of {shares} shares against {shares} shares short"
    flat = f"{money(item.token_micro, 2)} receivable, {money(item.perp_micro, 2)} from the perp: {money(item.token_micro + item.perp_micro, 2)}"
    yield report.name_of(item.account), "", f"{pair}: {flat}"


def _changes(report: Report) -> Sheet:
    return Sheet(
        title="Rules changed by two people",
        note="The effect on every account is asked before anybody approves. A change that raises somebody's requirement waits the "
        "long delay, any other the short one.",
        columns=("change", "proposed", "approved", "delay", "stands"),
        rows=tuple(_change(item) for item in report.operations.changes),
        left=5,
    )


def _change(item: RuleChange) -> tuple[str, ...]:
    raised = sum(e.requirement_after_micro > e.requirement_before_micro for e in item.effects)
    effect = (
        f"asks more of {raised} of {item.measured} accounts"
        if raised
        else f"asks more of none of {item.measured} accounts"
    )
    approved = f"{minute(item.approved_ns)} by {item.approved_by}" if item.approved_ns else "not yet"
    return (
        f"{item.what} ({effect})",
        f"{minute(item.proposed_ns)} by {item.proposed_by}",
        approved,
        "long" if item.long_delay else "short",
        standing(item),
    )


def standing(item: RuleChange) -> str:
    """Where a change stands, in words."""
    if item.stage == "in force":
        return f"in force since {minute(item.in_force_ns)}"
    if item.stage == "approved":
        return (
            f"waits: {item.opens_left} regular opens left"
            if not item.due_ns
            else f"waits until {minute(item.due_ns)}"
        )
    return "waits for a second person" if item.stage == "proposed" else "ended without effect"


def _effects(report: Report) -> Sheet:
    return Sheet(
        title="What a changed rule would ask",
        note="As the venue answered before the proposal; accounts that it leaves alone are not listed.",
        columns=("change", "account", "initial before", "after", "excess before", "after"),
        rows=tuple(
            (
                item.what,
                report.name_of(effect.account),
                money(effect.requirement_before_micro),
                money(effect.requirement_after_micro),
                money(effect.excess_before_micro),
                money(effect.excess_after_micro),
            )
            for item in report.operations.changes
            for effect in item.effects
        ),
        left=2,
    )


def _loans(report: Report) -> Sheet:
    return Sheet(
        title="A stock loan",
        note="Whoever sells a token that it does not hold borrows it from the token's pool by that sale; interest is in tokens, by the "
        "minute.",
        columns=(
            "lender",
            "borrower",
            "lent",
            "claim at the end",
            "sold",
            "for",
            "owed at the end",
            "rate a year",
        ),
        rows=tuple(
            (
                report.name_of(loan.lender),
                report.name_of(loan.borrower),
                f"{quantity(loan.lent_units)} {loan.token}",
                quantity(loan.claim_units, places=4),
                quantity(loan.sold_units),
                money(loan.sold_micro),
                quantity(loan.owed_units, places=4),
                percent(loan.rate_ppm, MILLION, 2),
            )
            for loan in report.operations.loans
        ),
        left=2,
    )
