//! The roster and its answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::registry::Registry;
use crate::terms::{LineId, PersonId, Wait, WallReading};

/// A span of the day in minutes since midnight, 0–1440; one that ends before it begins runs over
/// midnight, one that begins and ends alike is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute.
    pub from: u16,
    /// First minute after.
    pub to: u16,
}

/// One weekly rule: on these days, in these hours, these people stand on this line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in `roster.toml`.
    pub name: String,
    /// The line it fills.
    pub line: LineId,
    /// Weekdays it begins on, 1 = Monday … 7 = Sunday.
    pub days: Vec<u8>,
    /// Hours of the day; over midnight they run into the next day.
    pub hours: Hours,
    /// Who stands there.
    pub people: Vec<PersonId>,
}

/// One line of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What staff call it, 一线; may be empty.
    pub label: String,
    /// Who is asked when no rule fits.
    pub fallback: Vec<PersonId>,
}

/// The plan: lines, weekly rules, the centre's time zone, its night and its working hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// IANA name of the time zone, `Asia/Shanghai`.
    pub zone: String,
    /// Lines by id.
    pub lines: BTreeMap<LineId, Line>,
    /// Weekly rules, as they stand in the file.
    pub rules: Vec<Rule>,
    /// When it is night: coverage losses then go to the lead and the district only.
    pub night: Hours,
    /// When faults and services are worked on.
    pub work: Hours,
}

/// By what somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyBy {
    /// By a weekly rule.
    Rule,
    /// No rule fits: the line's fallback.
    Fallback,
    /// No rule and no fallback: everybody of the house.
    Everybody,
    /// The clock is not trusted: everybody who could be on this line.
    Union,
}

/// Who is on duty, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The people, without repeats, in the order of the plan; empty only if nobody is registered.
    pub people: Vec<PersonId>,
    /// By what.
    pub by: DutyBy,
}

impl Roster {
    /// Who is on `line` at `when`. People who stand in no registry row are left out.
    pub fn on_duty(&self, registry: &Registry, line: &LineId, when: WallReading) -> Duty {
        let _ = (registry, line, when);
        Duty { people: Vec::new(), by: DutyBy::Everybody }
    }

    /// Whether it is night; an untrusted clock says no, because day is louder.
    pub fn is_night(&self, when: WallReading) -> bool {
        let _ = when;
        false
    }

    /// How long until working hours; zero within them and when the clock is not trusted.
    pub fn until_work(&self, when: WallReading) -> Wait {
        let _ = when;
        Wait::ZERO
    }
}
