"""A random world whose tokens are issued and redeemed: escrow and cash due enter the accounts of `worlds.World` by real commands.

Responsible for: listing brokers and tokens for issuance, wishes of accounts, and what the broker answers. Never looks at how the
engine decides; executions are new, whole or in parts, near the index.
"""

from novate.messages import (
    AssetKind,
    AttestBacking,
    BrokerOrderRaised,
    ConfigureClearing,
    EventMessage,
    FundBroker,
    ListBroker,
    ListIssuance,
    PostDepth,
    ReportBrokerFill,
    RequestIssuance,
    RequestRedemption,
)
from worlds import HOUR, SECOND, USD, World

DAY = 24 * HOUR
PLENTY = 10**14
"""Micro-dollars that stand in no way."""
MIX = {"request": 12, "report": 14}
"""How often the steps of issuance are drawn, beside those of `worlds.MIX`."""


class IssuingWorld(World):
    """A world in which every token is under the supply invariant, with one broker."""

    clearing: ConfigureClearing
    references = 0
    executions = 0

    def _open_sessions(self) -> None:
        """Before anything is funded: a token is listed for issuance before any of it is in the vault."""
        super()._open_sessions()
        self.raised: list[BrokerOrderRaised] = []
        self.clearing = ConfigureClearing(
            quote_life_ns=30 * SECOND, queue_life_ns=DAY, default_freeze_ns=10 * DAY, peg_ppm=5_000, conversion_limit=10**12,
            conversion_cutoff_ns=DAY, shortage_cap=10**12, due_ppm=self.random.randint(950_000, 980_000), depth_age_ns=DAY,
            kept_ns=10 * DAY, queue_accounts=100,
        )  # fmt: skip
        self._list(self.clearing)
        self._list(ListBroker(broker=1, name="Prime", fractional=1, custody_limit=10**15, order_limit=PLENTY))
        self._list(FundBroker(broker=1, amount=PLENTY))
        for asset in self.tokens():
            token = self.assets[asset]
            self._list(
                ListIssuance(
                    token=asset, cash=USD, mint_fee_ppm=self.random.randint(0, 2_000),
                    redeem_fee_ppm=self.random.randint(0, 2_000), sanity_ppm=200_000, request_min=1, request_max=PLENTY,
                    account_limit=PLENTY, token_limit=PLENTY, window_ns=DAY, sessions=(31,) * 6, statement_age_ns=30 * DAY,
                )
            )  # fmt: skip
            units = self.units(asset, 10_000_000)
            shares = -(-units * token.multiplier_ppb // 10**token.decimals)
            self._list(AttestBacking(token=asset, broker=1, units=units, shares=shares))
        for underlying in sorted({self.assets[asset].underlying for asset in self.tokens()}):
            self._list(PostDepth(underlying=underlying, buy=PLENTY, sell=PLENTY))

    def tokens(self) -> list[int]:
        """Ids of the tokens, in the order of their listing."""
        return [asset for asset, listed in self.assets.items() if listed.asset_kind == AssetKind.TOKEN]

    def _raise(self, events: list[EventMessage]) -> None:
        self.raised += [event.body for event in events if isinstance(event.body, BrokerOrderRaised)]

    def _step_request(self) -> None:
        """An account wants tokens for cash, or cash for tokens."""
        token, account = self.random.choice(self.tokens()), self.any_account()
        self.references += 1
        dollars = self.random.choice((50, 1_000, 10_000))
        if self.odds(0.4):
            amount = self.near(self.units(USD, dollars), 200_000)
            wish = RequestIssuance(token=token, amount=amount, reference=self.references)
        else:
            amount = self.near(self.units(token, dollars), 200_000)
            wish = RequestRedemption(token=token, amount=amount, reference=self.references)
        self._raise(self.submit(wish, account))

    def _step_report(self) -> None:
        """The broker fills an order, in part or whole."""
        if not self.raised:
            return
        order = self.random.choice(self.raised[-12:])
        index, listed = self.price[order.underlying], self.underlyings[order.underlying]
        whole = order.shares or order.dollars * 10 ** (listed.decimals + 3) // index
        self.executions += 1
        price = max(1, index * self.random.randint(995_000, 1_005_000) // 10**6)
        self._raise(
            self.submit(
                ReportBrokerFill(
                    order=order.order, execution=self.executions.to_bytes(16, "big"), underlying=order.underlying, side=order.side,
                    complete=int(self.odds(0.2)), shares=max(1, whole // self.random.choice((1, 3, 4))), price=price, fee=0,
                    settle_time_ns=self.time_ns + DAY,
                )
            )
        )  # fmt: skip
