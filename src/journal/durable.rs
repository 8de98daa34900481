//! How far the journal is safe. The desk watches this value: receipts are released for what it
//! covers, and a coverage incident is open while it says volatile.

use std::sync::Arc;

use crate::terms::{At, Seq, Wait};

use super::chain::Head;

/// Settings of the journal, each with a stated default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A segment that would grow beyond this is followed by another; 1 MiB to 1 GiB. Default 16 MiB
    /// (own choice: a year of a quiet hub, read in well under a second).
    pub segment_max_bytes: u64,
    /// Most entries kept in memory while the disk fails. Default 65,536: a storm of 10,000 alarms
    /// with what it leads to.
    pub backlog_max_entries: usize,
    /// Most bytes kept in memory while the disk fails. Default 64 MiB.
    pub backlog_max_bytes: usize,
    /// Size of the ballast file that is given up when the disk is full; 0 for none. Default 32 MiB
    /// (own choice: what is open in the worst storm, ten times over).
    pub ballast_bytes: u64,
    /// How often a fresh segment is tried while the disk fails. Default 10 s (own choice: a disk that comes back is used soon, one that does not is left in peace).
    pub retry_every: Wait,
    /// How long an unhurried batch may wait to be forced. Default 100 ms (own choice).
    pub force_within: Wait,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_max_bytes: 16 * 1024 * 1024,
            backlog_max_entries: 65_536,
            backlog_max_bytes: 64 * 1024 * 1024,
            ballast_bytes: 32 * 1024 * 1024,
            retry_every: Wait::secs(10),
            force_within: Wait(100),
        }
    }
}

/// Entries that were given a sequence and did not reach the disk before memory ran out. They are
/// gone from the journal for ever; a snapshot at or behind `last` must be written to stand for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first one.
    pub first: Seq,
    /// The last one so far.
    pub last: Seq,
}

/// Whether the disk takes what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Safe,
    /// It does not: entries are kept in memory and are lost if the process ends.
    Volatile {
        /// Hub time of the newest entry when it began.
        since: At,
        /// What the system said.
        error: Arc<str>,
        /// Entries kept in memory.
        kept: usize,
    },
}

/// How far the journal is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable {
    /// The newest frame that was forced. Ask [`Durable::covers`], not this, about an entry.
    pub head: Head,
    /// Whether the disk takes what it is given.
    pub standing: Standing,
    /// Entries that need a snapshot to stand for them: write one at or behind `last`.
    pub gap: Option<Gap>,
}

impl Durable {
    /// Whether the entry survives a power cut now: its receipt may be released.
    pub fn covers(&self, seq: Seq) -> bool {
        let in_gap = self.gap.is_some_and(|gap| (gap.first..=gap.last).contains(&seq));
        seq <= self.head.seq && !in_gap
    }

    /// Whether entries are in memory only.
    pub fn is_volatile(&self) -> bool {
        matches!(self.standing, Standing::Volatile { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Hash;
    use super::*;

    #[test]
    fn an_entry_in_a_gap_is_not_safe_although_newer_ones_are() {
        let durable = Durable {
            head: Head { seq: Seq(90), hash: Hash::NONE },
            standing: Standing::Safe,
            gap: Some(Gap { first: Seq(40), last: Seq(49) }),
        };
        let covered = [39, 40, 49, 50, 90, 91].map(|seq| durable.covers(Seq(seq)));
        assert_eq!(covered, [true, false, false, true, true, false]);
    }
}
