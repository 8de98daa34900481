//! From the plan's civil times to moments, in the roster's time zone.
//!
//! A rule's edge is one moment: an edge that summer time repeats is its first passing, an edge that
//! summer time leaves out moves as far ahead as the clocks do (the rule of RFC 5545). So two rules
//! that meet in the plan meet on every day of the year, and a shift is never entered twice. Chosen
//! over comparing the civil minute of a moment, where the repeated hour of autumn brings the earlier
//! shift back after its handover. The zone file is the one built in: what the machine has installed
//! must not change who is called. It is read once in a process and kept by the library.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use super::duty::Hours;
use crate::terms::Wall;

/// Minutes of a day.
pub(super) const DAY_MINUTES: u16 = 24 * 60;

/// Whether this IANA name is in the built-in zone file. A roster whose zone is not answers as if the
/// clock could not be trusted.
pub fn known_zone(name: &str) -> bool {
    zone(name).is_some()
}

/// The zone of a name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The moment of a wall time; none outside the years −9999 to 9999.
pub(super) fn moment(wall: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(wall.0).ok()
}

/// The wall time of a moment.
pub(super) fn wall(moment: Timestamp) -> Wall {
    Wall(moment.as_millisecond())
}

/// A stretch of time from its first moment to the first one after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Stretch {
    pub(super) fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// These hours as they begin on this day; none where summer time leaves nothing of them.
pub(super) fn stretch(zone: &TimeZone, day: Date, hours: Hours) -> Option<Stretch> {
    let (first, after) = hours.minutes();
    let from = edge(zone, day, first)?;
    let to = edge(zone, day, after)?;
    (from < to).then_some(Stretch { from, to })
}

/// The moment at which a day's minute begins; minutes from 1440 to 2879 lie in the day after.
fn edge(zone: &TimeZone, day: Date, minute: u16) -> Option<Timestamp> {
    let day = if minute < DAY_MINUTES { day } else { day.tomorrow().ok()? };
    let (hour, minute) = (minute % DAY_MINUTES / 60, minute % 60);
    let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
    zone.to_timestamp(DateTime::from_parts(day, time)).ok()
}

/// The days on which hours that hold this moment can begin: the day itself and two before it, for
/// shifts of up to 24 h and zones that have skipped a whole day, and one after it, for zones that
/// have set their clocks back over midnight.
pub(super) fn days_around(zone: &TimeZone, at: Timestamp) -> impl Iterator<Item = Date> {
    let today = zone.to_datetime(at).date();
    (-2..=1).filter_map(move |days: i32| today.checked_add(days.days()).ok())
}

/// The days after that: within them something that happens on workdays begins again, behind the longest
/// holidays and in a zone that skips a day. Spring Festival takes nine days at most so far.
pub(super) fn days_after(zone: &TimeZone, at: Timestamp) -> impl Iterator<Item = Date> {
    let today = zone.to_datetime(at).date();
    (2..=30).filter_map(move |days: i32| today.checked_add(days.days()).ok())
}

/// The day's weekday as rules count it, 1 = Monday … 7 = Sunday.
pub(super) fn weekday(day: Date) -> u8 {
    day.weekday().to_monday_one_offset().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(text: &str) -> Timestamp {
        let zone = zone("Europe/Berlin").unwrap();
        zone.to_timestamp(text.parse().unwrap()).unwrap()
    }

    fn in_berlin(day: &str, from: u16, to: u16) -> Option<Stretch> {
        let zone = zone("Europe/Berlin").unwrap();
        stretch(&zone, day.parse().unwrap(), Hours { from, to })
    }

    fn hours_long(stretch: Stretch) -> i64 {
        (stretch.to.as_second() - stretch.from.as_second()) / 3600
    }

    #[test]
    fn a_zone_is_known_by_its_name_only() {
        for name in ["Asia/Shanghai", "Europe/Berlin", "UTC"] {
            assert!(known_zone(name), "{name}");
        }
        for name in ["", "Asia/Shangai", "+08:00", "Etc/Unknown", "../etc/passwd"] {
            assert!(!known_zone(name), "{name}");
        }
    }

    #[test]
    fn a_night_over_the_summer_time_change_is_an_hour_shorter_or_longer() {
        assert_eq!(hours_long(in_berlin("2026-03-28", 22 * 60, 6 * 60).unwrap()), 7);
        assert_eq!(hours_long(in_berlin("2026-10-24", 22 * 60, 6 * 60).unwrap()), 9);
        assert_eq!(hours_long(in_berlin("2026-03-29", 0, 1440).unwrap()), 23);
        assert_eq!(hours_long(in_berlin("2026-10-25", 0, 1440).unwrap()), 25);
    }

    #[test]
    fn an_hour_that_summer_time_leaves_out_has_no_length_and_its_neighbours_meet() {
        assert_eq!(in_berlin("2026-03-29", 120, 180), None);
        let before = in_berlin("2026-03-29", 60, 150).unwrap();
        let after = in_berlin("2026-03-29", 150, 300).unwrap();
        assert_eq!(before.to, after.from);
        assert_eq!(before.to, berlin("2026-03-29T03:30"));
    }

    #[test]
    fn an_edge_that_is_passed_twice_counts_the_first_time() {
        let early = in_berlin("2026-10-25", 60, 150).unwrap();
        let late = in_berlin("2026-10-25", 150, 300).unwrap();
        assert_eq!(early.to, late.from);
        assert_eq!(hours_long(late), 3);
    }

    #[test]
    fn a_stretch_of_24_hours_begins_at_its_own_hour() {
        let stretch = in_berlin("2026-06-01", 480, 480).unwrap();
        assert_eq!(
            (stretch.from, stretch.to),
            (berlin("2026-06-01T08:00"), berlin("2026-06-02T08:00"))
        );
    }
}
