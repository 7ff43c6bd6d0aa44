"""One account on the page: balance sheet before and after, margin at three moments, and what it is made of.

Responsible for: the card of one account.
Never: comparing accounts, or computing a margin.
"""

from novate.reports import story
from novate.reports.figures import minute, money
from novate.reports.markup import Html, table, tag
from novate.reports.model import Account, BalanceLine, MarginView


def state(name: str) -> Html:
    """A margin state as a coloured badge that also says its name."""
    css = "state " + (name if name.isalpha() else "")
    return tag("span", name, css=css.strip())


def account_card(account: Account, opened: bool = False) -> Html:
    """The card, folded unless `opened`."""
    summary = tag("summary", account.name, tag("span", account.story, css="soft"))
    body = tag(
        "div",
        tag("p", f"Account {account.id}. Follows: {account.rule}", css="soft"),
        _reasons(account),
        tag("div", tag("div", _sheet(account)), tag("div", _levels(account)), css="columns"),
        tag("div", tag("div", _terms(account)), tag("div", _contributions(account)), css="columns"),
        tag("div", tag("div", _distances(account)), tag("div", _ahead(account)), css="columns"),
        _costs(account),
    )
    return tag("details", summary, body, open="") if opened else tag("details", summary, body)


def _views(account: Account) -> tuple[tuple[str, MarginView], ...]:
    return (("before", account.before), ("at worst", account.worst), ("after", account.after))


def _reasons(account: Account) -> Html:
    items = [
        tag(
            "li",
            tag("b", f"{name.capitalize()} "),
            state(view.state),
            f" {minute(view.time_ns)}: ",
            _reason(view),
        )
        for name, view in _views(account)
    ]
    items.append(tag("li", tag("b", "Liquidated if "), story.liquidated_if(account)))
    return tag("ul", *items)


def _reason(view: MarginView) -> str:
    return f"equity {money(view.equity_micro)}, initial requirement {money(view.initial_micro)} because {view.binding}"


def _sheet(account: Account) -> Html:
    before = {(line.group, line.name): line for line in account.balance_before.lines}
    after = {(line.group, line.name): line for line in account.balance_after.lines}
    titles = dict(story.GROUPS)
    rows: list[tuple[str, ...]] = []
    for key in dict.fromkeys([*before, *after]):
        name = Html(tag("span", key[1]) + tag("span", titles[key[0]], css="sub"))
        rows.append((name, _held(before.get(key)), _held(after.get(key))))
    equity = (account.balance_before.equity_micro, account.balance_after.equity_micro)
    rows.append((tag("b", "Equity"), *(tag("b", money(amount)) for amount in equity)))
    return Html(tag("h3", "Balance sheet") + table(("", "before", "after"), rows))


def _held(line: BalanceLine | None) -> str:
    if line is None:
        return "–"
    css = "neg" if line.value_micro < 0 else ""
    detail = (
        line.quantity
        if not line.exposure_micro
        else f"{line.quantity}, notional {money(line.exposure_micro)}"
    )
    return Html(tag("span", money(line.value_micro), css=css) + tag("span", detail, css="sub"))


def _levels(account: Account) -> Html:
    rows = []
    for level in account.before.levels:
        cells: list[str] = [level.name]
        for _, view in _views(account):
            found = view.level(level.name)
            cells.append(_two(found.requirement_micro, found.excess_micro) if found else "–")
        rows.append(cells)
    return Html(
        tag("h3", "Margin: required, and excess") + table(("level", "before", "at worst", "after"), rows)
    )


def _two(requirement: int, excess: int) -> Html:
    css = "sub neg" if excess < 0 else "sub"
    return Html(tag("span", money(requirement)) + tag("span", f"{money(excess)} excess", css=css))


def _terms(account: Account) -> Html:
    views = [view for _, view in _views(account)]
    names = story.terms_used(views)
    if not names:
        return Html("")
    rows: list[tuple[str, ...]] = [
        (name, *(money(story.term_micro(view, name)) for view in views)) for name in names
    ]
    rows.append((tag("b", "Initial"), *(tag("b", money(view.initial_micro)) for view in views)))
    return Html(
        tag("h3", "Terms of the initial requirement") + table(("term", "before", "at worst", "after"), rows)
    )


def _contributions(account: Account) -> Html:
    parts = account.before.contributions
    if not parts:
        return Html("")
    rows = [(part.position, money(part.amount_micro)) for part in parts]
    rows.append((tag("b", "Sum"), tag("b", money(sum(part.amount_micro for part in parts)))))
    return Html(tag("h3", "Contribution of each position, before") + table(("position", "dollars"), rows))


def _distances(account: Account) -> Html:
    if not account.distances:
        return Html("")
    rows = [
        (
            row.underlying,
            *(Html(tag("span", fall) + tag("span", rise, css="sub")) for fall, rise in story.distances(row)),
        )
        for row in account.distances
    ]
    title = tag("h3", "How far each state was, before: one name's fall, and below it its rise")
    return Html(title + table(("underlying", *story.STATES), rows))


def _ahead(account: Account) -> Html:
    if not account.ahead:
        return Html("")
    rows = [
        (
            Html(tag("span", minute(at.time_ns)) + tag("span", story.in_short(at.what), css="sub")),
            money(at.initial_micro),
            money(at.maintenance_micro),
            state(at.state),
        )
        for at in account.ahead
    ]
    head = ("New York", "initial", "maintenance", "state")
    return Html(tag("h3", "The days ahead as seen then, prices unchanged") + table(head, rows))


def _costs(account: Account) -> Html:
    costs = account.costs
    paid = [("fees", costs.fees_micro), ("funding", costs.funding_micro), ("interest", costs.interest_micro)]
    said = [
        f"{money(abs(micro), 2)} {name} {'paid' if micro >= 0 else 'received'}"
        for name, micro in paid
        if micro
    ]
    text = f"{costs.fills:,} fills, {money(costs.volume_micro)} traded" + "".join(
        f"; {part}" for part in said
    )
    return tag("p", text + ".", css="soft")
