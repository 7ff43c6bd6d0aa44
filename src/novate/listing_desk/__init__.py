"""A name from its draft to its delisting, as an operator takes it through a running venue: `novate list`, `novate delist`.

    series      what daily bars say: volatility, overnight gaps, dollars a day
    draft       a commented file of one name, with defaults from a listed peer and from bars
    plan        that file as the commands which list the name, what each waits for, and the caps by step
    live        a running venue by its API: what is listed, capped, proposed, priced
    review      what must be so before a name is proposed, red or green; and what it does to every account
    desk        propose, approve, open by auction, raise the caps, and where a name stands
    delisting   notice, reduce-only, settlement
    telling     all of it in words
    commands    all of it on the command line

Responsible for: which command comes next, and that a second person sees what he approves. Never: a rule or a bound of the venue: the engine
has them, and each refusal is shown as the engine said it. docs/guides/list-a-name.md is the guide.
"""
