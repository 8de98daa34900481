//! Workdays and rest days: the table of holidays and make-up workdays (调休) that the State Council
//! publishes each year.
//!
//! Monday to Friday are workdays, and a date in the table is what the table says. Nothing is built in:
//! the table is published each autumn for the next year alone, and the one public list that was found
//! had a week of it wrong (oncall.md 3.4). A year counts as known once its table is there, so that a
//! missing one can be told in time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::civil;

/// Most dates of a table. Own choice: ten years of a good month each.
pub const TYPED_DATES_MAX: usize = 400;

/// Whether people work on a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayType {
    /// A workday.
    Work,
    /// A rest day.
    Rest,
}

/// The dates that the table names, and the years it is there for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayTypes {
    dates: BTreeMap<Date, DayType>,
    years: BTreeSet<i16>,
}

impl DayTypes {
    /// Takes in that a year's table is there.
    pub fn know(&mut self, year: i16) {
        self.years.insert(year);
    }

    /// Takes in a date; what the table said of it before, where it says two things.
    pub fn put(&mut self, date: Date, is: DayType) -> Option<DayType> {
        self.dates.insert(date, is).filter(|before| *before != is)
    }

    /// How many dates it names.
    pub fn len(&self) -> usize {
        self.dates.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.dates.is_empty()
    }

    /// Whether a year's table is there.
    pub fn knows(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The years whose tables are there.
    pub fn years(&self) -> impl Iterator<Item = i16> {
        self.years.iter().copied()
    }

    /// Whether there is a table at all: without one nobody is told that a year's is missing.
    pub fn is_kept(&self) -> bool {
        !self.years.is_empty()
    }

    /// Whether nothing was ever taken in.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What the table says of a date.
    pub fn named(&self, date: Date) -> Option<DayType> {
        self.dates.get(&date).copied()
    }

    /// What a date is: as the table says, else by its weekday.
    pub fn of(&self, date: Date) -> DayType {
        let by_weekday = if civil::weekday(date) <= 5 { DayType::Work } else { DayType::Rest };
        self.named(date).unwrap_or(by_weekday)
    }
}
