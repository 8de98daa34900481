//! When a platform that failed is tried again. Pure.
//!
//! A district has up to 450 hubs, and after its own outage they all come back: pauses grow, and chance
//! spreads the hubs. The longest is short all the same, because somebody may be waiting for the
//! district's answer.

use std::time::Duration;

use crate::link::pause::{Chance, Growing};

/// Pauses between two tries. Own choice: 450 hubs then ask at most 90 times a second.
const PAUSES: Growing =
    Growing { first: Duration::from_millis(250), longest: Duration::from_secs(10) };
/// Longest pause that a platform may ask for (`Retry-After`). Own choice: one that asks for an hour is
/// asked every two minutes whether it means it.
pub(super) const ASKED_MAX: Duration = Duration::from_secs(120);

/// What the last tries have taught.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    chance: Chance,
}

impl Pace {
    /// It works.
    pub(super) fn well(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after another failure; `asked` when the platform asked for a pause.
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let chance = self.chance.of(u64::from(self.failures));
        let own = PAUSES.after(self.failures - 1, chance);
        asked.unwrap_or_default().min(ASKED_MAX).max(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds_and_a_success_begins_them_anew() {
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..40).map(|_| pace.failed(None)).collect();
        assert!(pauses[0] <= PAUSES.first && pauses[0] >= PAUSES.first / 2);
        assert!(pauses.iter().all(|pause| *pause <= PAUSES.longest));
        assert!(pauses.last().is_some_and(|pause| *pause >= PAUSES.longest / 2));
        pace.well();
        assert!(pace.failed(None) <= PAUSES.first);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_up_to_its_limit() {
        let mut pace = Pace::default();
        assert_eq!(pace.failed(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(pace.failed(Some(Duration::from_secs(3_600))), ASKED_MAX);
        assert!(pace.failed(Some(Duration::ZERO)) >= PAUSES.first, "its own pause holds as well");
    }
}
