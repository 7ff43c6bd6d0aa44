//! A random stream under governance: every account has its own key, and changes, approvals, emergency powers, classes and owners'
//! own rules come between its trades.

use super::stream::{OWNERS, Stream};
use super::stream_liquidation::BACKSTOP;
use super::venue::GOVERNED;
use super::wire::Event;
use novate_core::codec::Body;
use novate_core::command::*;
use novate_core::units::{SECOND, YEAR};

/// Keys that run the venue or watch it: 1 and 3 are one person's.
const STAFF: [u64; 7] = [1, 2, 3, 4, 5, 71, 72];

impl Stream {
    /// A stream whose venue is governed from the first step on.
    pub fn governed(seed: u64) -> Self {
        let mut s = Self::new(seed);
        let lines: Vec<&str> = GOVERNED.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
        for line in &lines[..lines.len() - 1] {
            s.venue.tell(line);
        }
        for person in [71, 72] {
            s.venue.tell(&format!("RegisterActor actor={person} person={person}"));
            s.venue.tell(&format!("GrantRole actor={person} role=5"));
        }
        for (account, owner) in (1..).zip(OWNERS).chain([BACKSTOP]) {
            s.venue.tell(&format!("RegisterActor actor={key} person={key} owner={owner}", key = 100 + account));
            for role in [0, 2] {
                let granted = s.venue.say(account, &format!("GrantRole actor={} role={role}", 100 + account));
                assert!(granted.iter().all(|e| e.refusal().is_none()), "the key of account {account}");
            }
        }
        s.venue.tell(lines[lines.len() - 1]);
        s.venue.keys = true;
        s
    }

    /// One random command of the area.
    pub fn governance_step(&mut self) -> Vec<Event> {
        let open: Vec<u64> = self.venue.state().governance.changes.keys().copied().collect();
        let change = if open.is_empty() { 1 } else { self.chance.pick(&open) };
        let actor = self.chance.pick(&STAFF);
        match self.chance.range(0, 15) {
            0..=4 => self.propose(actor),
            5..=8 => self.sent_by(actor, 0, &ApproveChange { change }),
            9 => self.sent_by(actor, 0, &RejectChange { change }),
            10..=12 => self.restrict(actor),
            13 => {
                let (owner, holder_class) = (self.chance.range(1, 5) as u32, self.chance.range(1, 2) as u32);
                let expires_ns = self.venue.now + self.chance.range(1, 40_000) * SECOND;
                self.venue.send(0, &ClassifyOwner { owner, holder_class, expires_ns, salted_id: vec![1].into() })
            }
            _ => self.own_rules(),
        }
    }

    fn sent_by<B: Body>(&mut self, actor: u64, account: u64, body: &B) -> Vec<Event> {
        let before = std::mem::replace(&mut self.venue.actor, actor);
        let answer = self.venue.send(account, body);
        self.venue.actor = before;
        answer
    }

    fn restrict(&mut self, actor: u64) -> Vec<Event> {
        let c = &mut self.chance;
        let power = c.pick(&[0, 1, 1, 2, 3, 4, 4, 5, 5, 6]);
        let id = match power {
            2 => 0,
            3 | 4 => c.range(2, 3) as u32,
            _ => c.range(1, 5) as u32,
        };
        let state = self.venue.state();
        let limit = match power {
            4 => state.known_asset(id).admitted / self.chance.range(1, 3),
            5 => state.known_market(id).open_interest * self.chance.range(0, 2),
            _ => 0,
        };
        self.sent_by(actor, 0, &Restrict { power, id, limit, reason: "chance".to_owned() })
    }

    /// A change of the venue, of many kinds; some would be refused.
    fn propose(&mut self, actor: u64) -> Vec<Event> {
        let c = &mut self.chance;
        let (market, owner) = (c.range(1, 5) as u32, c.range(1, 5) as u32);
        let (kind, ppm) = (c.range(0, 13), c.range(1, 20) * 10_000);
        let state = self.venue.state();
        let wrapped = match kind {
            0 | 1 => terms(&ListMarket { band_ppm: 200_000 + ppm, ..state.known_market(market).terms.clone() }),
            2 => {
                let listed = state.known_underlying(market.min(3)).terms.clone();
                terms(&ListUnderlying { shock_down_ppm: 80_000 + ppm / 4, shock_up_ppm: 80_000 + ppm / 4, ..listed })
            }
            3 | 4 => {
                let most = state.known_market(market).open_interest.max(1) * (ppm / 10_000);
                bytes(&SetLimit { cap_kind: (ppm / 10_000 % 3) as u8, id: market, most, closed_most: most / 2 })
            }
            5 => bytes(&JoinOwners { owner, into: owner % 5 + 1 }),
            6 => bytes(&MoveOwnership { account: u64::from(market), owner }),
            7 => {
                let r = state.governance.restrictions.keys().next().copied();
                let (power, id) = r.map_or((0, 1), |(power, id)| (power as u8, id));
                if ppm > 60_000 { bytes(&LiftRestriction { power, id }) } else { bytes(&ConfirmRestriction { power, id }) }
            }
            8 => bytes(&ConfigureEligibility { excluded_jurisdiction: "US".to_owned(), restricted_buckets: vec![1], notice_ns: 60 * SECOND, reduce_only_ns: 60 * SECOND }),
            9 => {
                let holder_class = owner % 2 + 1;
                let jurisdiction = if holder_class == 1 { "DE" } else { "US" }.to_owned();
                bytes(&ListHolderClass { holder_class, name: format!("class{holder_class}"), jurisdiction, holder_type: 0, tier: 1 })
            }
            10 => bytes(&SetEligibility { subject: 0, id: 2, holder_class: owner % 2 + 1, admits: u8::from(ppm > 100_000), from_ns: 0, until_ns: 0 }),
            11 => bytes(&FundPool { asset: 1, amount: ppm }),
            12 => {
                let action = self.action.max(1);
                bytes(&CorrectCorporateAction { action, amount: ppm })
            }
            _ => bytes(&PauseIssuance { token: 2, mint: u8::from(ppm > 100_000), redeem: 0 }),
        };
        self.sent_by(actor, 0, &ProposeChange { account: 0, command: wrapped.into(), reason: "chance".to_owned() })
    }

    /// An owner's own rules, address book, and withdrawals that name an address.
    fn own_rules(&mut self) -> Vec<Event> {
        let account = self.chance.range(1, 8) as u64;
        let c = &mut self.chance;
        let (amount, address) = (c.magnitude(10, 34), vec![c.range(1, 3) as u8]);
        match c.range(0, 6) {
            0 => {
                let withdrawals = u8::from(c.one_in(4));
                self.venue.send(account, &SetOwnerPolicy { withdrawals, keys: 0, cooling_ns: 600 * SECOND })
            }
            1 => self.venue.send(account, &AddAddress { address: address.into() }),
            2 => self.venue.send(account, &RemoveAddress { address: address.into() }),
            3 | 4 => {
                let from_held = u8::from(c.one_in(2));
                self.venue.send(account, &WithdrawTo { asset: 1, amount, address: address.into(), from_held })
            }
            5 => {
                // A new owner's key, as the venue would give it after a move.
                let expires_ns = self.venue.now + YEAR;
                let wrapped = bytes(&GrantRole { actor: 100 + account, role: 0, markets: vec![], order_notional: 0, position_notional: 0, expires_ns });
                self.sent_by(1, 0, &ProposeChange { account, command: wrapped.into(), reason: "chance".to_owned() })
            }
            _ => self.venue.send(account, &Hold { asset: 1, amount }),
        }
    }
}

fn bytes<B: Body>(body: &B) -> Vec<u8> {
    let mut found = B::KIND.to_le_bytes().to_vec();
    body.put(&mut found);
    found
}

fn terms<B: Body>(body: &B) -> Vec<u8> {
    bytes(&ChangeTerms { terms: bytes(body).into() })
}
