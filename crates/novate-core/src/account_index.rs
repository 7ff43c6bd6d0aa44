//! Where an account stands among the venue's: its id to its dense index.
//!
//! Responsible for: finding, with one look at four bytes where ids are given out more or less in turn, as venues do; by a hash
//! otherwise. Follows from the accounts, so no snapshot holds it. Never looks at an account.

use rustc_hash::FxHashMap;

/// Ids below this have a place in the table from the first account on.
const LEAST: u64 = 1024;
/// Places of the table an account: so sparse ids may be.
const PLACES: u64 = 4;
/// No account has this id.
const NONE: u32 = u32::MAX;

/// Dense indexes by account id.
#[derive(Clone, Debug, Default)]
pub struct AccountIndex {
    /// By id; `NONE` where there is no account, or it came when its id was beyond the table.
    near: Vec<u32>,
    /// All that are not in the table.
    far: FxHashMap<u64, u32>,
    accounts: u64,
}

impl AccountIndex {
    /// The index of an account.
    #[inline]
    #[must_use]
    pub fn get(&self, id: u64) -> Option<u32> {
        match usize::try_from(id).ok().and_then(|at| self.near.get(at)) {
            Some(&found) if found != NONE => Some(found),
            _ => self.far.get(&id).copied(),
        }
    }

    /// Where the table holds an id, for looking ahead.
    #[inline]
    #[must_use]
    pub fn peek(&self, id: u64) -> Option<&u32> {
        self.near.get(usize::try_from(id).ok()?)
    }

    /// Adds an account. Its id is a new one.
    pub fn insert(&mut self, id: u64, index: u32) {
        self.accounts += 1;
        if id < LEAST.max(PLACES * self.accounts) {
            let at = id as usize;
            if at >= self.near.len() {
                self.near.resize(at + 1, NONE);
            }
            self.near[at] = index;
        } else {
            self.far.insert(id, index);
        }
    }
}

impl FromIterator<(u64, u32)> for AccountIndex {
    fn from_iter<T: IntoIterator<Item = (u64, u32)>>(accounts: T) -> Self {
        let mut found = Self::default();
        accounts.into_iter().for_each(|(id, index)| found.insert(id, index));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(ids in prop::collection::btree_set(prop_oneof![0..5_000_u64, any::<u64>()], 0..400), other in any::<u64>()) {
            let index: AccountIndex = ids.iter().zip(0..).map(|(&id, at)| (id, at)).collect();
            for (&id, at) in ids.iter().zip(0..) {
                prop_assert_eq!(index.get(id), Some(at));
            }
            for id in (0..6_000).chain([other, u64::MAX]).filter(|id| !ids.contains(id)) {
                prop_assert_eq!(index.get(id), None);
            }
        }
    }
}
