//! Who is on duty at a moment: an override, else the rules of the line with swaps and leave applied,
//! those of a date or a kind of day before those of a weekday; then the fallback, then everybody.
//!
//! An empty answer is impossible while one person is registered: a gap in the plan is answered by
//! the line's fallback, a missing fallback by everybody. An untrusted clock gets the union of what
//! could be true. Times are civil times of one zone (China has had one zone and no summer time since
//! 1991, but rules are kept in civil time, so another zone's changes are handled by the zone file).

mod change;
mod civil;
mod daily;
mod day_types;
mod duty;
mod plan;
mod station;

pub use change::{
    DUTY_CHANGE_LONGEST, DUTY_CHANGES_MAX, DutyChange, DutyChanged, OVERRIDE_PEOPLE_MAX,
};
pub use civil::known_zone;
pub use day_types::{DayType, DayTypes, TYPED_DATES_MAX};
pub use duty::{Duty, DutyBy, Hours, Line, Roster, Rule, RuleDays, everybody};
pub use plan::{PLAN_DAYS_MAX, Shift};
pub use station::Station;

#[cfg(test)]
mod layers_tests;
