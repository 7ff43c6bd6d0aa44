//! What every handler works with: the state, the event outlet, and scratch space that is never part of the state.
//!
//! Responsible for: numbering events per account. Never contains a rule.

use crate::codec::Body;
use crate::event::EventWriter;
use crate::margin::{Evaluation, Evaluator, Question, evaluate};
use crate::state::State;

/// Scratch space that outlives commands so that the hot path allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The margin rule's working memory.
    pub evaluator: Evaluator,
    /// Orders that were taken without an evaluation.
    pub spared: u64,
    /// Accounts found green without one.
    pub passed: u64,
    /// Accounts the current command touched.
    pub touched: Vec<u32>,
    /// A deleveraging looked at every account in this command; no other one does.
    pub deleveraged: bool,
    /// A change that two people agreed on is being carried out.
    pub governed: bool,
    /// Hash of the state before the command, when it enters a release.
    pub state_before: Option<[u8; 32]>,
}

/// One command's working set.
pub struct Context<'a> {
    /// The venue.
    pub state: &'a mut State,
    /// Events of the command.
    pub events: &'a mut EventWriter,
    /// Working memory.
    pub scratch: &'a mut Scratch,
}

impl Context<'_> {
    /// An event of the venue.
    pub fn tell<B: Body>(&mut self, body: &B) {
        self.events.emit(0, 0, body);
    }

    /// An event of an account, by dense index.
    pub fn tell_account<B: Body>(&mut self, account: u32, body: &B) {
        let account = &mut self.state.accounts[account as usize];
        account.event_sequence += 1;
        self.events.emit(account.id, account.event_sequence, body);
    }

    /// Evaluates an account: the short way where there is one, which leaves no exposures in the scratch space that mean anything.
    pub fn evaluate(&mut self, account: u32, question: &Question<'_>) -> Evaluation {
        self.state.bound_lull();
        self.scratch.evaluator.evaluate(self.state, account, question)
    }

    /// The same; after it the scratch space holds the exposures the numbers came from.
    pub fn evaluate_exposures(&mut self, account: u32, question: &Question<'_>) -> Evaluation {
        evaluate(self.state, account, question, &mut self.scratch.evaluator.portfolio)
    }

    /// Remembers an account for the check at the end of the command.
    pub fn touch(&mut self, account: u32) {
        if !self.scratch.touched.contains(&account) {
            self.scratch.touched.push(account);
        }
    }
}
