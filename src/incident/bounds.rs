//! Waits, held to their bounds.
//!
//! The config check refuses a policy outside these bounds; a recorded one that breaks them all the
//! same (an older version's, a damaged one) is held to them here, because a wait of a day is silence
//! and a wait of nothing is a loop without an end.

use super::ladder::Step;
use super::{Incident, Rung, Waits};
use crate::terms::{At, Class, Wait};

/// Shortest wait between two calls. Own choice: a person cannot answer faster, and a deadline that
/// is due again at once would never let go of the desk.
const SHORTEST: Wait = Wait::secs(1);
/// Longest step of an emergency (oncall.md 3.3).
const STEP_MAX: Wait = Wait::secs(120);
/// Longest lap of what is urgent (oncall.md 3.3).
const LAP_MAX: Wait = Wait::secs(300);
/// Longest time to arrive for what is urgent (oncall.md 3.3).
const ARRIVE_MAX: Wait = Wait::mins(45);
/// Longest wait of what is not urgent. Own choice: a fault nobody looks at is told once a week.
const QUIET_MAX: Wait = Wait::hours(24 * 7);

impl Step<'_> {
    /// How long a rung has before the next one is called.
    pub(super) fn step_wait(&self, rung: &Rung) -> Wait {
        rung.wait.clamp(SHORTEST, self.step_max())
    }

    /// How long a call to everybody has, `lap` laps after the ladder's end; 0 is a call to everybody
    /// in the place of a step.
    pub(super) fn lap_wait(&self, lap: u32, epoch: u32) -> Wait {
        let exhausted = self.incident.exhausted.filter(|_| epoch == self.incident.epoch);
        let wait = match exhausted {
            _ if lap == 0 => self.ladder.lap.min(self.step_max()),
            Some(since) if self.at - since >= self.ladder.lap_settles_after => {
                self.ladder.lap_later
            }
            _ => self.ladder.lap,
        };
        wait.clamp(SHORTEST, self.unless_urgent(LAP_MAX))
    }

    /// How long until a call to everybody, a hazard's or for help on scene, is repeated.
    pub(super) fn repeat_wait(&self) -> Wait {
        self.waits().hazard_repeat.clamp(SHORTEST, LAP_MAX)
    }

    /// The reminder and the arrival limit for somebody who accepts now.
    pub(super) fn arrival(&self) -> (At, At) {
        let Incident { device, home, resident, .. } = self.incident;
        let registry = &self.book.registry;
        let place = registry.whereabouts_of_call(device, home.as_ref(), resident.as_ref());
        let (remind, arrive) = match place.on_site {
            true => (self.ladder.remind_on_site, self.ladder.arrive_on_site),
            false => (self.ladder.remind, self.ladder.arrive),
        };
        let arrive = arrive.clamp(SHORTEST, self.unless_urgent(ARRIVE_MAX));
        (self.at + remind.min(arrive), self.at + arrive)
    }

    /// When those on scene are asked next whether they still are, after `asked` times.
    pub(super) fn scene_asked_next(&self, asked: u32) -> At {
        let Waits { scene_remind, scene_lead, scene_district, .. } = self.waits();
        let wait = match asked {
            0 => scene_remind.0,
            1 => scene_lead.0.saturating_sub(scene_remind.0),
            2 => scene_district.0.saturating_sub(scene_lead.0),
            _ => scene_district.0,
        };
        self.at + Wait(wait).clamp(SHORTEST, QUIET_MAX)
    }

    /// How long until a follow-up is asked for.
    pub(super) fn follow_up_wait(&self) -> Wait {
        self.waits().follow_up.clamp(SHORTEST, QUIET_MAX)
    }

    /// The waits of the incident's policy that are the same for every class.
    pub(super) fn waits(&self) -> Waits {
        self.book.policy_of(self.incident).waits
    }

    fn step_max(&self) -> Wait {
        if self.incident.class == Class::Emergency { STEP_MAX } else { QUIET_MAX }
    }

    fn unless_urgent(&self, longest: Wait) -> Wait {
        if self.incident.class.is_urgent() { longest } else { QUIET_MAX }
    }
}
