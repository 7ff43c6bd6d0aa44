//! Who may do what: the table from command to authority is the page, every command meets every role, no privileged change is without
//! its people and its delay, and a command that panics can be put aside.

mod common;

use common::stream::Stream;
use common::venue::Venue;
use common::wire::{self, Event};
use common::{chance::Chance, invariants, length, told};
use novate_core::authority::{self, Authority};
use novate_core::codec::{Body, Header, VERSION};
use novate_core::command::{ApproveChange, ChangeTerms, Command, ListMarket, ProposeChange, QuarantineCommand, RejectChange, Restrict};
use novate_core::engine::Engine;
use novate_core::event::{
    ChangeApproved, ChangeEnded, ChangeExecuted, ChangeProposed, CommandQuarantined, CorporateActionTaken, Restricted, RestrictionEnded, TermsChanged,
};
use novate_core::margin::Level;
use novate_core::reject::Reject;
use novate_core::state::governance::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/authority.md");

/// Every command with all fields zero or empty.
fn every_command() -> Vec<(String, u16, Vec<u8>, Command)> {
    let all = wire::definitions().into_iter().map(|d| {
        let (kind, body) = wire::encode(&d.name).expect("its own fields");
        let command = Command::take(&Header { kind, version: VERSION, ..Header::default() }, &body).expect("canonical");
        (d.name, kind, body, command)
    });
    all.collect()
}

#[test]
fn the_page_says_what_the_table_says() {
    let mut page = String::from(
        "# Who may send what\n\nGenerated from `crates/novate-core/src/authority.rs`; `NOVATE_WRITE=1 cargo test -p novate-core --test governance` writes it\nanew. Until a venue sends `ConfigureGovernance`, every command acts for whoever sends it.\n\n| command | who | how many |\n|---|---|---|\n",
    );
    for (name, kind, _, command) in every_command() {
        let (who, many) = authority::words(authority::of(&command));
        page += &format!("| {kind} `{name}` | {who} | {many} |\n");
    }
    #[allow(clippy::disallowed_methods, reason = "a test may read the environment; the engine may not")]
    if std::env::var("NOVATE_WRITE").is_ok() {
        std::fs::write(PAGE, &page).expect("the page can be written");
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap_or_default(), page, "docs/reference/authority.md is stale");
}

/// Refusals that say that the sender has not the authority.
const NO_AUTHORITY: [Reject; 3] = [Reject::actor_must_be_known, Reject::actor_must_have_the_role, Reject::change_must_be_proposed_and_approved];

/// Every command with every role, at the venue and at an account: it meets a refusal of authority exactly when the table says so.
#[test]
fn every_command_meets_every_role() {
    let (mut pairs, mut allowed) = (0, 0);
    for place in [0, 1] {
        for role in Role::ALL {
            let mut venue = Venue::standard();
            for line in common::venue::GOVERNED.lines().filter(|l| !l.starts_with("ConfigureGovernance") && !l.starts_with('#') && !l.is_empty()) {
                venue.tell(line);
            }
            venue.say(1, "OpenAccount owner=1");
            venue.tell(&format!("RegisterActor actor=50 person=50 owner={place}"));
            let granted = venue.say(place, &format!("GrantRole actor=50 role={}", role as u8));
            if granted.iter().any(|e| e.refusal().is_some()) {
                assert!(place == 1 && role as u8 > 2, "{role:?} at {place}");
                continue;
            }
            let line = common::venue::GOVERNED.lines().find(|l| l.starts_with("ConfigureGovernance")).expect("it is there");
            venue.tell(line);
            venue.actor = 50;
            for (name, kind, body, command) in every_command() {
                let mut copy = venue.clone();
                let answer = copy.raw(Header { kind, account: place, version: VERSION, ..Header::default() }, &body);
                let refusal = answer.iter().find_map(Event::refusal);
                if refusal == Some(Reject::command_must_not_name_an_account as u16) {
                    continue;
                }
                let expected = match authority::of(&command) {
                    Authority::Account(roles, _) => place == 1 && roles.contains(&role),
                    Authority::Fact => place == 0 && role == Role::Keeper,
                    Authority::Staff(roles) => place == 0 && roles.contains(&role),
                    Authority::Change(..) => false,
                    Authority::AccountOrChange(..) => place == 1 && role == Role::Treasurer,
                    Authority::Wrapped => true,
                };
                let refused = NO_AUTHORITY.iter().any(|r| refusal == Some(*r as u16)) && !(expected && matches!(command, Command::RevokeActor(_) | Command::RegisterActor(_) | Command::GrantRole(_) | Command::RevokeRole(_)));
                assert_eq!(!refused, expected, "{name} by {role:?} at {place}: refusal {refusal:?}");
                pairs += 1;
                allowed += u64::from(expected);
            }
        }
    }
    told(&format!("{pairs} pairs of command and role, {allowed} with authority"));
    assert!(allowed > 100);
}

/// What happened to a change in a random stream.
#[derive(Default)]
struct Seen {
    proposer: u64,
    approver: u64,
    approved_ns: i64,
    long: bool,
}

/// No privileged change without its people and its delay: random keys propose, approve and reject random changes while time passes.
#[test]
fn no_change_without_its_people_and_its_delay() {
    const PEOPLE: [(u64, u64); 7] = [(1, 1), (3, 1), (2, 2), (4, 4), (5, 5), (6, 6), (9, 9)];
    let person: BTreeMap<u64, u64> = PEOPLE.into_iter().collect();
    let (mut executed, mut refused) = (0, 0);
    for seed in 0..40 * length() {
        let mut chance = Chance::new(seed);
        let mut venue = Venue::governed();
        let (mut seen, mut taken) = (BTreeMap::<u64, Seen>::new(), BTreeSet::new());
        let listed = venue.state().known_market(1).terms.clone();
        for _ in 0..200 {
            venue.actor = chance.pick(&PEOPLE).0;
            let open: Vec<u64> = venue.state().governance.changes.keys().copied().collect();
            let change = if open.is_empty() { 1 } else { chance.pick(&open) };
            let hash = venue.state().known_market(1).terms.clone();
            let answer = match chance.range(0, 9) {
                0..=2 => {
                    let terms = ListMarket { band_ppm: chance.range(100_000, 300_000), ..listed.clone() };
                    let mut inner = ListMarket::KIND.to_le_bytes().to_vec();
                    terms.put(&mut inner);
                    let mut command = ChangeTerms::KIND.to_le_bytes().to_vec();
                    ChangeTerms { terms: inner.into() }.put(&mut command);
                    venue.send(0, &ProposeChange { account: 0, command: command.into(), reason: "chance".to_owned() })
                }
                3..=5 => venue.send(0, &ApproveChange { change }),
                6 => venue.send(0, &RejectChange { change }),
                7 => venue.send(0, &Restrict { power: chance.range(0, 6) as u8, id: chance.range(0, 3) as u32, limit: 0, reason: "chance".to_owned() }),
                _ => {
                    venue.actor = 9;
                    venue.advance(chance.range(1, 40) * 60_000_000_000)
                }
            };
            invariants::hold(&venue);
            refused += u64::from(answer.iter().any(|e| e.refusal().is_some()));
            for event in &answer {
                let actor = event.header.actor;
                if let Some(e) = event.as_a::<ChangeProposed>() {
                    seen.insert(e.change, Seen { proposer: actor, long: e.long_delay == 1, ..Seen::default() });
                }
                if let Some(e) = event.as_a::<ChangeApproved>() {
                    let change = seen.get_mut(&e.change).expect("proposed before");
                    (change.approver, change.approved_ns) = (actor, event.header.time_ns);
                }
                if let Some(e) = event.as_a::<ChangeEnded>() {
                    taken.insert(e.change);
                }
                if let Some(e) = event.as_a::<ChangeExecuted>() {
                    let change = &seen[&e.change];
                    assert!(taken.insert(e.change), "a change takes effect once");
                    assert!([1, 2, 3].contains(&change.proposer) && [1, 2, 3].contains(&change.approver), "roles of change {}", e.change);
                    assert_ne!(person[&change.proposer], person[&change.approver], "two people for change {}", e.change);
                    let config = venue.state().governance.config.as_ref().expect("governed");
                    let delay = if change.long { config.long_delay_ns } else { config.short_delay_ns };
                    assert!(event.header.time_ns >= change.approved_ns + delay, "change {} waits", e.change);
                    executed += 1;
                }
            }
            let changed = venue.state().known_market(1).terms != hash;
            assert!(!changed || answer.iter().any(|e| e.as_a::<TermsChanged>().is_some() && e.header.actor == 9), "terms change by a due change alone");
        }
    }
    told(&format!("{executed} changes took effect, {refused} commands were refused"));
    assert!(executed > 40 && refused > 500);
}

/// A command that panics makes the engine unusable; quarantined by two people in the journal it is answered unapplied, and the venue goes
/// on to the same state on every replay.
#[test]
fn a_command_that_panics_is_put_aside_by_two_people() {
    let mut venue = Venue::governed();
    let mut journal: Vec<Vec<u8>> = Vec::new();
    let before = venue.engine.snapshot();
    for _ in 0..3 {
        venue.advance(1_000_000_000);
        journal.push(venue.message.clone());
    }
    let bad = Header::read(&journal[1]).expect("a header").sequence;
    let digest = *blake3::hash(&journal[1]).as_bytes();
    // What recovery does after the panic: the good commands, the bad one, then the two people's quarantine.
    let mut after = Venue { engine: Engine::restore(&before).expect("its own snapshot"), ..Venue::governed() };
    after.engine.rehearse_panic(bad);
    after.apply(&journal[0]);
    let panicked = catch_unwind(AssertUnwindSafe(|| after.engine.apply(&journal[1], &mut Vec::new())));
    assert!(panicked.is_err(), "the rehearsed command panics");

    let replay = |two: bool| {
        let mut again = Venue { engine: Engine::restore(&before).expect("its own snapshot"), ..Venue::governed() };
        again.engine.rehearse_panic(bad);
        again.engine.quarantine(bad, digest);
        again.now = venue.now;
        again.apply(&journal[0]);
        let answer = again.apply(&journal[1]);
        assert_eq!(answer.iter().find_map(Event::refusal), Some(Reject::command_quarantined as u16));
        assert_eq!(again.engine.unconfirmed(), vec![bad]);
        again.apply(&journal[2]);
        let quarantine = QuarantineCommand { quarantined: bad, digest: digest.to_vec().into() };
        again.actor = 1;
        assert!(again.send(0, &quarantine).iter().any(|e| e.as_a::<CommandQuarantined>().is_some()));
        again.actor = 3;
        assert_eq!(again.send(0, &quarantine).iter().find_map(Event::refusal), Some(Reject::quarantine_takes_two_people as u16));
        assert_eq!(again.engine.unconfirmed(), vec![bad], "two keys of one person are one person");
        if two {
            again.actor = 2;
            again.send(0, &quarantine);
            assert!(again.engine.unconfirmed().is_empty());
        }
        invariants::hold(&again);
        again.engine.state_hash()
    };
    assert_eq!(replay(true), replay(true));
    assert_ne!(replay(true), replay(false));
}

/// Trades, loans, requests, corporate actions and liquidations under governance, every invariant after every step; an emergency
/// power never lowers anybody's excess at maintenance.
#[test]
fn invariants_hold_under_governance() {
    let (mut seen, mut refused) = (BTreeMap::<u16, u64>::new(), BTreeMap::<u16, u64>::new());
    for seed in 20_000..20_000 + 24 * length() {
        let mut stream = Stream::governed(seed);
        for n in 0..600 {
            let (events, before) = if stream.chance.one_in(5) {
                let before = stream.venue.clone();
                (stream.governance_step(), Some(before))
            } else {
                (stream.step().events, None)
            };
            invariants::hold(&stream.venue);
            events.iter().for_each(|e| *seen.entry(e.header.kind).or_default() += 1);
            events.iter().filter_map(Event::refusal).for_each(|r| *refused.entry(r).or_default() += 1);
            let Some(before) = before.filter(|_| events.iter().any(|e| e.as_a::<Restricted>().is_some())) else { continue };
            for account in 1..=9 {
                let (was, is) = (before.excess(account, Level::Maintenance), stream.venue.excess(account, Level::Maintenance));
                assert!(is >= was, "seed {seed}, step {n}: an emergency power took {account} from {was} to {is}");
            }
        }
    }
    told(&format!("events by type {seen:?}; refusals {refused:?}"));
    for kind in [ChangeProposed::KIND, ChangeApproved::KIND, ChangeExecuted::KIND, ChangeEnded::KIND, Restricted::KIND, RestrictionEnded::KIND, CorporateActionTaken::KIND] {
        assert!(seen.contains_key(&kind), "the streams never caused an event of type {kind}");
    }
}
