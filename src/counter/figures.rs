//! The hub in numbers, for machines that draw curves and raise alarms: counts and sizes, and no name,
//! place or id of a person or a device.

use serde::{Deserialize, Serialize};

use super::Status;
use crate::incident::StageName;
use crate::terms::Class;

/// The hub in numbers. Counts grow from the start on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What people are told; names in it are for them.
    pub status: Status,
    /// Open incidents by class and stage.
    pub open: Vec<OpenAt>,
    /// Readings of devices that were understood, by what they were.
    pub heard: Vec<(String, u64)>,
    /// Messages on the built-in broker that were acknowledged after they were stored.
    pub stored: u64,
    /// Messages on it that were not acknowledged, so that their sender repeats them.
    pub unstored: u64,
    /// Completed turns of the desk.
    pub turns: u64,
    /// How long turns waited until their facts were forced to disk.
    pub forced: Histogram,
    /// Orders that are not settled.
    pub orders: usize,
    /// Wall boards heard within the last minute, and of those the audible ones.
    pub boards: (usize, usize),
}

/// How many incidents of a class stand at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpenAt {
    /// The class.
    pub class: Class,
    /// The stage.
    pub stage: StageName,
    /// How many.
    pub count: usize,
}

/// Upper bounds of [`Histogram`]'s buckets in seconds; what is longer counts beyond the last. From a
/// fast disk to the patience of a device, which repeats after 2 s.
pub const FORCE_BOUNDS: [f64; 11] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many fell into each bucket, and last those beyond all.
    pub counts: [u64; FORCE_BOUNDS.len() + 1],
    /// All together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts one that took so long.
    pub fn add(&mut self, took: std::time::Duration) {
        let secs = took.as_secs_f64();
        let bucket = FORCE_BOUNDS.iter().position(|bound| secs <= *bound);
        self.counts[bucket.unwrap_or(FORCE_BOUNDS.len())] += 1;
        self.sum += secs;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_falls_into_the_first_bucket_that_holds_it() {
        let mut forced = Histogram::default();
        for ms in [0, 1, 2, 3, 2_000, 2_001] {
            forced.add(Duration::from_millis(ms));
        }
        assert_eq!(forced.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((forced.sum - 4.007).abs() < 1e-9);
    }
}
