//! Stations: several centres on one hub, each with people of its own on some lines.
//!
//! A ladder says `line:first` once for all. A station may name a line of its own in its place; where it
//! names none, the shared one answers, so that a station without a plan of its own is never without
//! people.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Roster;
use crate::terms::{LineId, StationId, WallReading};

/// One of several stations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// What staff call it, 河畔驿站.
    pub label: String,
    /// Its own lines, by the line of the ladders that they stand in for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lines: BTreeMap<LineId, LineId>,
}

impl Roster {
    /// The line that answers for another one at a station.
    pub fn line_at<'l>(&'l self, station: Option<&StationId>, line: &'l LineId) -> &'l LineId {
        let station = station.and_then(|id| self.stations.get(id));
        station.and_then(|station| station.lines.get(line)).unwrap_or(line)
    }

    /// What a station is called beside others; none where the hub has one station only.
    pub fn label_of(&self, station: Option<&StationId>) -> Option<&str> {
        let label = self.stations.get(station?).map(|station| station.label.as_str());
        label.filter(|label| self.stations.len() > 1 && !label.is_empty())
    }

    /// The labels of the stations whose own line this is, by id; empty for a line that all share.
    pub fn served_by<'r>(&'r self, line: &'r LineId) -> impl Iterator<Item = &'r str> {
        let own = move |station: &&Station| station.lines.values().any(|own| own == line);
        self.stations.values().filter(own).map(|station| station.label.as_str())
    }

    /// The day at the site, by its civil time; none while the clock cannot be trusted, or where the
    /// zone is not known.
    pub fn day(&self, when: WallReading) -> Option<Date> {
        self.civil(when.wall).filter(|_| when.trusted).map(|civil| civil.date())
    }
}
