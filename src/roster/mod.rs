//! Who is on duty at a moment: weekly rules by line, then the fallback, then everybody.
//!
//! An empty answer is impossible while one person is registered: a gap in the plan is answered by
//! the line's fallback, a missing fallback by everybody. An untrusted clock gets the union of what
//! could be true. Times are civil times of one zone (China has had one zone and no summer time since
//! 1991, but rules are kept in civil time, so another zone's changes are handled by the zone file).

mod civil;
mod daily;
mod duty;
mod plan;
mod station;

pub use civil::known_zone;
pub use duty::{Duty, DutyBy, Hours, Line, Roster, Rule, everybody};
pub use plan::{PLAN_DAYS_MAX, Shift};
pub use station::Station;
