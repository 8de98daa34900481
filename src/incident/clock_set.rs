//! A wall clock that was wrong and is set: what was written under the wrong one is told by the right one.
//!
//! The record stays as it was written, in its order and with its flag. But hub time ran on evenly, so from
//! the first entry under a trusted clock it is known what the wall clock should have said before, and the
//! times of incidents in memory are moved by that much. Only within one run of the hub: over a restart
//! nobody can vouch for the gap. That an incident was raised under a clock that could not be trusted stays
//! said of it.

use super::{Entry, Fact, IncidentBook, StageTimes};
use crate::terms::{At, IncidentId, Wall};

/// The first entry under a clock that could not be trusted, in this run.
pub(super) type Untrusted = Option<(At, Wall)>;

impl IncidentBook {
    /// Takes an entry's number and its times, before the entry is applied.
    pub(super) fn heed_clock(&mut self, entry: &Entry) {
        if matches!(entry.fact, Fact::HubStarted { .. }) {
            self.untrusted = None;
        }
        match (entry.trusted, self.untrusted) {
            (false, None) => self.untrusted = Some((entry.at, entry.wall)),
            (true, Some((since, first))) => {
                self.untrusted = None;
                let wrong = offset(self.last_at, self.last_wall);
                self.move_times(since, first, offset(entry.at, entry.wall).saturating_sub(wrong));
            }
            _ => {}
        }
        self.last_seq = entry.seq;
        self.last_at = self.last_at.max(entry.at);
        self.last_wall = entry.wall;
        if entry.trusted {
            self.last_trusted = self.last_trusted.max(Some(entry.wall));
        }
    }

    /// Moves what was written between the first and the last entry under the wrong clock.
    fn move_times(&mut self, since: At, first: Wall, by: i64) {
        let wrong = first..=self.last_wall;
        let touched = |at: At, trusted: bool| at >= since && !trusted;
        let ids: Vec<IncidentId> = self
            .incidents
            .values()
            .filter(|incident| touched(incident.raised_at, incident.clock_trusted))
            .map(|incident| incident.id)
            .collect();
        for id in ids {
            self.change(id, |incident| {
                let mut set = |wall: &mut Wall| {
                    if wrong.contains(wall) {
                        wall.0 = wall.0.saturating_add(by);
                    }
                };
                set(&mut incident.raised_wall);
                let StageTimes { raised, accepted, on_the_way, on_scene, resolved, followed_up } =
                    &mut incident.times;
                for time in [raised, accepted, on_the_way, on_scene, resolved, followed_up] {
                    time.as_mut().map(&mut set);
                }
            });
        }
    }
}

/// What the wall clock says beside hub time.
fn offset(at: At, wall: Wall) -> i64 {
    wall.0.saturating_sub(i64::try_from(at.0).unwrap_or(i64::MAX))
}
