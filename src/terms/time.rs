//! Two times that must never be mixed: the hub's own milliseconds, on which every deadline runs,
//! and the wall clock, which is for people and rosters.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Hub time in milliseconds: follows the boot-time clock, is carried over restarts in the journal
/// and never runs backwards. Only [`crate::clock`] makes new ones.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct At(pub u64);

/// A span of hub time in milliseconds.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wait(pub u64);

impl Wait {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// A span of whole minutes.
    pub const fn mins(mins: u64) -> Self {
        Self::secs(mins * 60)
    }

    /// A span of whole hours.
    pub const fn hours(hours: u64) -> Self {
        Self::mins(hours * 60)
    }

    /// The span in the standard library's form.
    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl Add<Wait> for At {
    type Output = At;
    fn add(self, wait: Wait) -> At {
        At(self.0.saturating_add(wait.0))
    }
}

impl Sub<At> for At {
    type Output = Wait;
    /// How long ago `earlier` was; zero when it lies ahead.
    fn sub(self, earlier: At) -> Wait {
        Wait(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1000 => write!(f, "{ms} ms"),
            ms if ms % 1000 != 0 => write!(f, "{:.1} s", ms as f64 / 1000.0),
            ms if ms < 120_000 || ms % 60_000 != 0 => write!(f, "{} s", ms / 1000),
            ms if ms < 7_200_000 || ms % 3_600_000 != 0 => write!(f, "{} min", ms / 60_000),
            ms => write!(f, "{} h", ms / 3_600_000),
        }
    }
}

/// Wall time: milliseconds since 1970 UTC. For people, rosters and messages, never for deadlines.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// What the wall clock said, and whether it may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallReading {
    /// The time it showed.
    pub wall: Wall,
    /// Whether anything vouches for it. A roster asked with an untrusted time answers with everybody
    /// who could be on duty.
    pub trusted: bool,
}

/// How hub time went on after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resumed {
    /// Same boot: the boot-time clock says exactly how long it was.
    SameBoot,
    /// New boot, and a trusted wall clock says how long it was.
    ByWall,
    /// Nobody knows: every open deadline is due now.
    Unknown,
}

/// A boot of the box and a reading of its boot-time clock, which counts suspended time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootMark {
    /// The kernel's name for the boot.
    pub id: String,
    /// The boot-time clock, in milliseconds.
    pub ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_time_neither_wraps_nor_goes_below_zero() {
        assert_eq!(At(5) - At(9), Wait::ZERO);
        assert_eq!(At(u64::MAX) + Wait::secs(1), At(u64::MAX));
        assert_eq!(At(2000) - At(500), Wait(1500));
    }

    #[test]
    fn a_span_reads_as_a_person_would_say_it() {
        for (wait, said) in [
            (Wait(12), "12 ms"),
            (Wait(1500), "1.5 s"),
            (Wait::secs(60), "60 s"),
            (Wait::mins(10), "10 min"),
            (Wait::hours(24), "24 h"),
        ] {
            assert_eq!(wait.to_string(), said);
        }
    }
}
