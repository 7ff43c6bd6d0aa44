//! All accounts at once: what a look at the whole venue is made of.
//!
//! Responsible for: going over the accounts in their order, shared out to the threads that the machine gives this process, each with
//! working memory of its own. Only reads, so that an answer is the same with any number of threads (decision 32).

use super::Evaluator;
use crate::lookahead::touch_next;
use crate::state::State;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Accounts that pay for a thread.
const SHARE: u32 = 2_048;

/// What `visit` finds of every account, by dense index.
pub fn everyone<T: Send>(state: &State, visit: impl Fn(&mut Evaluator, u32) -> T + Sync) -> Vec<T> {
    gather(state, |evaluator, account, found| found.push(visit(evaluator, account)))
}

/// What `visit` adds for the accounts, in their order: nothing for one, or several things.
pub fn gather<T: Send>(state: &State, visit: impl Fn(&mut Evaluator, u32, &mut Vec<T>) + Sync) -> Vec<T> {
    let worth = state.accounts.len() as u32 / SHARE;
    // Asking costs some system calls.
    let given = if worth > 1 { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
    in_threads(state, worth.clamp(1, u32::try_from(given).unwrap_or(u32::MAX)), &visit)
}

/// The same in so many threads, this one included.
pub fn in_threads<T: Send>(state: &State, threads: u32, visit: &(impl Fn(&mut Evaluator, u32, &mut Vec<T>) + Sync)) -> Vec<T> {
    let all = state.accounts.len() as u32;
    let share = all.div_ceil(threads);
    let walk = |at: u32| {
        let (mut evaluator, mut found) = (Evaluator::default(), Vec::new());
        for account in all.min(at * share)..all.min((at + 1) * share) {
            touch_next(state, account as usize);
            visit(&mut evaluator, account, &mut found);
        }
        found
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|at| scope.spawn(move || walk(at))).collect();
        let mut found = walk(0);
        for other in others {
            found.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        found
    })
}
