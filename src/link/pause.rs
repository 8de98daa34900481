//! Pauses that grow, for whatever is tried again. Pure.
//!
//! Each failure in a row doubles the pause up to a longest one, and chance shortens it by up to half,
//! so that several clients of one broker, or the 450 hubs of one district, do not come all at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A first pause and the longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growing {
    /// After the first failure.
    pub first: Duration,
    /// However many follow.
    pub longest: Duration,
}

impl Growing {
    /// The pause after one more failure than `before`. `chance` is any number.
    pub fn after(self, before: u32, chance: u64) -> Duration {
        let half = self.first.saturating_mul(1 << before.min(16)).min(self.longest) / 2;
        let part = u32::try_from(chance % 1_024).unwrap_or(0);
        half + half * part / 1_023
    }
}

/// Numbers that differ from process to process, which is all that a pause asks of them.
#[derive(Debug, Default)]
pub struct Chance(RandomState);

impl Chance {
    /// The number of a turn.
    pub fn of(&self, turn: u64) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(turn);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_longest_and_chance_halves_it_at_most() {
        let growing =
            Growing { first: Duration::from_millis(500), longest: Duration::from_secs(30) };
        for before in 0..200 {
            let full = growing.after(before, 1_023);
            assert_eq!(growing.after(before, 0), full / 2, "{before}");
            assert!(full <= growing.longest, "{before}");
        }
        assert_eq!(growing.after(0, 1_023), growing.first);
        assert_eq!(growing.after(1, 1_023), growing.first * 2);
        assert_eq!(growing.after(40, 1_023), growing.longest);
    }
}
