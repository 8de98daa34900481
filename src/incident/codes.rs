//! Codes: which short names are free.
//!
//! A letter's numbers are given in a circle, so that the same code does not come back soon; when
//! nearly all of a width are taken or resting, the next width is used (`A99` → `A100`), so a storm
//! of ten thousand finds a code as fast as a single press does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::terms::{At, Code};

/// The numbers of one letter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CodePool {
    /// The number given last, by width (two digits, three, …).
    last: BTreeMap<u32, u32>,
    /// Numbers that may not be given: `None` while open, else until that time.
    taken: BTreeMap<u32, Option<At>>,
    /// How many of them each width has.
    full: BTreeMap<u32, u32>,
    /// Those that rest, by the end of their rest.
    resting: BTreeSet<(At, u32)>,
}

/// Highest number of each width; a width is left once it is nine tenths full.
const WIDTHS: [u32; 5] = [99, 999, 9_999, 99_999, Code::NUMBER_MAX];

impl CodePool {
    /// The next free number; changes nothing. `None` only when every number is taken.
    pub(super) fn next(&self, now: At) -> Option<u32> {
        let mut first = 1;
        for top in WIDTHS {
            let room = top - first + 1;
            let taken = self.full.get(&top).copied().unwrap_or(0);
            if taken < room - room / 10 {
                let last = self.last.get(&top).copied().unwrap_or(top);
                let circle = (last + 1..=top).chain(first..=last.min(top));
                if let Some(free) = circle.into_iter().find(|n| self.is_free(*n, now)) {
                    return Some(free);
                }
            }
            first = top + 1;
        }
        (1..=Code::NUMBER_MAX).find(|n| self.is_free(*n, now))
    }

    fn is_free(&self, number: u32, now: At) -> bool {
        match self.taken.get(&number) {
            None => true,
            Some(None) => false,
            Some(Some(until)) => *until <= now,
        }
    }

    /// Notes that a number is in use.
    pub(super) fn take(&mut self, number: u32, now: At) {
        self.forget_rested(now);
        self.last.insert(width(number), number);
        self.set(number, None);
    }

    /// Notes that a number rests until then.
    pub(super) fn rest(&mut self, number: u32, until: At) {
        self.set(number, Some(until));
    }

    fn set(&mut self, number: u32, until: Option<At>) {
        match self.taken.insert(number, until) {
            None => *self.full.entry(width(number)).or_default() += 1,
            Some(Some(was)) => {
                self.resting.remove(&(was, number));
            }
            Some(None) => {}
        }
        if let Some(until) = until {
            self.resting.insert((until, number));
        }
    }

    /// Drops a few numbers whose rest is over, so that the table stays as small as what is open.
    fn forget_rested(&mut self, now: At) {
        /// Two a code given is enough to shrink, and keeps each step cheap.
        const PER_STEP: usize = 2;
        for _ in 0..PER_STEP {
            let Some((until, number)) = self.resting.first().copied() else { return };
            if until > now {
                return;
            }
            self.resting.pop_first();
            self.taken.remove(&number);
            if let Some(full) = self.full.get_mut(&width(number)) {
                *full = full.saturating_sub(1);
            }
        }
    }
}

fn width(number: u32) -> u32 {
    WIDTHS.into_iter().find(|top| number <= *top).unwrap_or(Code::NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Wait;

    #[test]
    fn codes_go_round_and_do_not_come_back_while_they_rest() {
        let mut pool = CodePool::default();
        let (start, rest) = (At(0), Wait::hours(24));
        assert_eq!(pool.next(start), Some(1));
        pool.take(1, start);
        pool.rest(1, start + rest);
        assert_eq!(pool.next(start), Some(2));
        for n in 2..=80 {
            pool.take(n, start);
            pool.rest(n, start + rest);
        }
        assert_eq!(pool.next(start), Some(81));
        assert_eq!(pool.next(start + rest), Some(81), "the circle goes on before it starts again");
    }

    #[test]
    fn a_storm_of_ten_thousand_gets_ten_thousand_codes() {
        let mut pool = CodePool::default();
        let mut given = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let number = pool.next(At(0)).unwrap();
            pool.take(number, At(0));
            assert!(given.insert(number), "{number} twice");
        }
    }
}
