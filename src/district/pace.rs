//! When a platform that failed is tried again. Pure.
//!
//! A district has up to 450 hubs, and after its own outage they all come back: pauses grow from
//! [`FIRST`] to [`LONGEST`] and are shortened by chance by up to half, so that the hubs spread. The
//! longest is short all the same, because somebody may be waiting for the district's answer.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Pause after the first failure. Own choice.
pub(super) const FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two tries. Own choice: 450 hubs then ask at most 90 times a second.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// Longest pause that a platform may ask for (`Retry-After`). Own choice: one that asks for an hour is
/// asked every two minutes whether it means it.
pub(super) const ASKED_MAX: Duration = Duration::from_secs(120);

/// What the last tries have taught.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    chance: RandomState,
}

impl Pace {
    /// It works.
    pub(super) fn well(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after another failure; `asked` when the platform asked for a pause.
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let mut hasher = self.chance.build_hasher();
        hasher.write_u32(self.failures);
        let own = growing(self.failures - 1, hasher.finish());
        asked.unwrap_or_default().min(ASKED_MAX).max(own)
    }
}

fn growing(before: u32, chance: u64) -> Duration {
    let half = FIRST.saturating_mul(1 << before.min(16)).min(LONGEST) / 2;
    let part = u32::try_from(chance % 1_024).unwrap_or(0);
    half + half * part / 1_023
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds_and_a_success_begins_them_anew() {
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..40).map(|_| pace.failed(None)).collect();
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST / 2);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses.last().is_some_and(|pause| *pause >= LONGEST / 2));
        pace.well();
        assert!(pace.failed(None) <= FIRST);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_up_to_its_limit() {
        let mut pace = Pace::default();
        assert_eq!(pace.failed(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(pace.failed(Some(Duration::from_secs(3_600))), ASKED_MAX);
        assert!(pace.failed(Some(Duration::ZERO)) >= FIRST, "its own pause holds as well");
    }
}
