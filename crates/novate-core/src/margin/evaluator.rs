//! One account's evaluation, the way that costs least.
//!
//! Responsible for: choosing between the short way and the long one, and keeping the memory that both work in. Debug builds go both ways
//! and compare. Never decides anything.

use super::{Evaluation, Plain, Portfolio, Question, evaluate};
use crate::state::State;

/// Working memory of evaluations, of both ways.
#[derive(Debug, Default)]
pub struct Evaluator {
    plain: Plain,
    /// Of the long way: after `evaluate` with it, the exposures that the numbers came from.
    pub portfolio: Portfolio,
}

impl Evaluator {
    /// Evaluates an account, the short way where there is one. Where commands change the state in between, `State::bound_lull` comes first.
    pub fn evaluate(&mut self, state: &State, account: u32, question: &Question<'_>) -> Evaluation {
        let Self { plain, portfolio } = self;
        let Some(found) = plain.evaluate(state, account, question) else {
            return evaluate(state, account, question, portfolio);
        };
        if cfg!(debug_assertions) {
            assert_eq!(found, evaluate(state, account, question, portfolio), "account {account}: {question:?}");
            portfolio.clear();
        }
        found
    }
}
