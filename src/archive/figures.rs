//! What the archive says about itself without being asked: how far it is, and the response times of
//! the last weeks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::incident::Incident;
use crate::terms::{Class, DeviceId, IncidentId, Wait, Wall};

/// Days that response times are taken from.
pub const RESPONSE_DAYS: u16 = 30;
const RESPONSE_MS: i64 = RESPONSE_DAYS as i64 * 24 * 3_600_000;
/// Incidents that response times are taken from; the newest ones. Own choice: a storm of 10,000 on
/// each of three days.
const RECENT_MAX: usize = 30_000;

/// How far the archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is being opened and looked through.
    Opening,
    /// It is being made from the record; what is in it so far can be asked for.
    Rebuilding {
        /// How much of the record is in it, 0–99.
        percent: u8,
    },
    /// Everything that is on disk is in it, but for what is just under way.
    Level,
    /// It cannot be used at the moment, and is tried again.
    Off {
        /// Why, in one sentence.
        why: String,
    },
}

/// How fast people came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTimes {
    /// Over how many days.
    pub days: u16,
    /// Over how many emergencies and hazards.
    pub incidents: usize,
    /// The median time until somebody accepted; none where nobody did.
    pub to_accept: Option<Wait>,
    /// The median time until somebody was there; none where nobody was.
    pub to_scene: Option<Wait>,
}

/// What the archive says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// How far it is.
    pub state: State,
    /// How often since the start it was found damaged and set aside.
    pub damaged: u32,
    /// How many incidents are in it.
    pub incidents: u64,
    /// Response times; none where nothing was called in these days.
    pub times: Option<ResponseTimes>,
    /// When each device was last heard, as the archive knew it when it last became level.
    pub heard: Arc<BTreeMap<DeviceId, Wall>>,
}

impl Figures {
    pub(super) fn at_start() -> Self {
        let heard = Arc::default();
        Self { state: State::Opening, damaged: 0, incidents: 0, times: None, heard }
    }
}

/// How fast people came to each of the latest incidents.
#[derive(Debug, Default)]
pub(super) struct Recent {
    of: BTreeMap<IncidentId, (Wall, Option<Wait>, Option<Wait>)>,
    newest: Wall,
}

impl Recent {
    /// Takes an incident in, or its later times; only emergencies and hazards count, because the
    /// other classes wait for working hours or for nobody.
    pub(super) fn note(&mut self, incident: &Incident, accept: Option<Wait>, scene: Option<Wait>) {
        if !matches!(incident.class, Class::Emergency | Class::Hazard) {
            self.of.remove(&incident.id);
            return;
        }
        self.newest = self.newest.max(incident.raised_wall);
        self.of.insert(incident.id, (incident.raised_wall, accept, scene));
        while self.of.len() > RECENT_MAX || self.oldest_is_past() {
            self.of.pop_first();
        }
    }

    fn oldest_is_past(&self) -> bool {
        let since = self.newest.0.saturating_sub(RESPONSE_MS);
        self.of.first_key_value().is_some_and(|(_, (raised, ..))| raised.0 < since)
    }

    pub(super) fn times(&self) -> Option<ResponseTimes> {
        (!self.of.is_empty()).then(|| ResponseTimes {
            days: RESPONSE_DAYS,
            incidents: self.of.len(),
            to_accept: median(self.of.values().filter_map(|(_, accept, _)| *accept).collect()),
            to_scene: median(self.of.values().filter_map(|(_, _, scene)| *scene).collect()),
        })
    }
}

/// The middle one; the lower of two.
fn median(mut waits: Vec<Wait>) -> Option<Wait> {
    let middle = waits.len().checked_sub(1)? / 2;
    Some(*waits.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_time_that_was() {
        let waits = |all: &[u64]| all.iter().map(|ms| Wait(*ms)).collect();
        assert_eq!(median(waits(&[])), None);
        assert_eq!(median(waits(&[7])), Some(Wait(7)));
        assert_eq!(median(waits(&[9, 1])), Some(Wait(1)));
        assert_eq!(median(waits(&[900, 5, 1])), Some(Wait(5)));
    }
}
