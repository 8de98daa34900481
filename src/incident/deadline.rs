//! What passes by itself: steps, reminders, missed arrivals. A deadline only ever makes an incident
//! louder, or asks.

use super::ladder::{Next, Step};
use super::{Carrier, Fact, IncidentBook, Notice, Responder, Stage, Standing, Why};
use crate::terms::{At, Class, PersonId};

/// From the third time on that nobody says they are still on scene, the district is told.
pub(super) const ASKED_UNTIL_DISTRICT: u32 = 3;

impl IncidentBook {
    /// Decides about the earliest deadline, if it has passed.
    pub(super) fn on_deadline(&self, at: At, standing: &Standing<'_>) -> Vec<Fact> {
        let deadline = self.next_deadline();
        if let Some((due, device, kind)) = self.next_going_on().filter(|(due, ..)| *due <= at)
            && deadline.as_ref().is_none_or(|(earliest, ..)| *earliest > due)
        {
            return self.raised_of(at, standing, device, kind);
        }
        if let Some((until, work)) = self.next_work_end().filter(|(until, _)| *until <= at)
            && deadline.as_ref().is_none_or(|(due, ..)| *due > until)
        {
            return self.on_work_end(at, standing, work, None);
        }
        let Some((due, id, why)) = deadline else { return Vec::new() };
        let Some(incident) = self.incident(id).filter(|_| due <= at) else { return Vec::new() };
        if let Why::Retry(order) = &why {
            return self.on_retry(at, standing, order);
        }
        let step = self.step(at, standing, incident);
        let mut facts = vec![Fact::DeadlineCame { incident: id, why: why.clone() }];
        match why {
            Why::WorkBegins => facts.extend(step.first()),
            Why::NextRung => {
                if let Stage::Calling { rung, lap, .. } = incident.stage {
                    facts.extend(step.after(rung, lap));
                }
            }
            Why::RemindArrival => facts.extend(step.arrival_reminder()),
            Why::MissedArrival => facts.extend(step.missed_arrival()),
            Why::StillOnScene => facts.extend(step.still_on_scene()),
            Why::Repeat => facts.extend(step.repeat()),
            Why::SilenceEnds => facts.extend(step.silence_ends()),
            Why::FollowUp => facts.extend(step.follow_up_due()),
            Why::File => facts.push(Fact::Filed { incident: id }),
            Why::Retry(_) => {}
        }
        facts
    }
}

impl Step<'_> {
    fn arrival_reminder(&self) -> Vec<Fact> {
        let incident = self.incident.id;
        vec![
            Fact::ArrivalReminded { incident },
            Fact::Told { incident, notice: Notice::ArrivalReminder, to: self.active_and_lead() },
        ]
    }

    /// Nobody arrived: the call starts again, at the second rung or beyond, first rung included.
    fn missed_arrival(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::ArrivalMissed { incident: self.incident.id }];
        let mut after = self.incident.clone();
        for (_, what) in after.responders.iter_mut().filter(|(_, what)| what.is_active()) {
            *what = Responder::TimedOut;
        }
        let step = self.book.step(self.at, self.standing, &after);
        facts.extend(step.begin(&Next {
            rung: (usize::from(after.rung_reached) + 1).max(1),
            epoch: after.epoch.saturating_add(1),
            notice: Notice::NotArrived,
            with_first: true,
        }));
        facts
    }

    fn still_on_scene(&self) -> Vec<Fact> {
        let Stage::OnScene { asked, .. } = self.incident.stage else { return Vec::new() };
        let incident = self.incident.id;
        let asked = asked.saturating_add(1);
        let mut to = self.tell(self.incident.active().cloned());
        if asked > 1 || to.is_empty() {
            to = self.active_and_lead();
        }
        vec![
            Fact::SceneAsked { incident, asked, next: self.scene_asked_next(asked) },
            Fact::Told { incident, notice: Notice::StillOnScene, to },
        ]
    }

    /// Calls beside the stage: a hazard until enough people are there, help until enough come.
    fn repeat(&self) -> Vec<Fact> {
        let incident = self.incident.id;
        let (notice, to) = match self.incident.class {
            Class::Hazard => (Notice::HazardGoesOn, self.hazard_people()),
            _ => (Notice::Reinforce, self.more_hands()),
        };
        let enough = match self.incident.class {
            Class::Hazard => self.incident.on_scene() >= usize::from(self.waits().hazard_on_scene),
            _ => self.incident.active().count() >= usize::from(self.incident.needs),
        };
        if enough || matches!(self.incident.stage, Stage::Calling { .. }) {
            return vec![Fact::RepeatSet { incident, next: None }];
        }
        let told = (!to.is_empty()).then_some(Fact::Told { incident, notice, to });
        let next = Some(self.at + self.repeat_wait());
        told.into_iter().chain([Fact::RepeatSet { incident, next }]).collect()
    }

    /// The sounder comes back when nobody has accepted meanwhile.
    fn silence_ends(&self) -> Vec<Fact> {
        let incident = self.incident.id;
        let mut facts = vec![Fact::SilenceEnded { incident }];
        if matches!(self.incident.stage, Stage::Calling { .. }) {
            let called: Vec<PersonId> = self
                .incident
                .responders
                .iter()
                .filter(|(_, what)| *what == Responder::Called)
                .map(|(who, _)| who.clone())
                .collect();
            let mut to = self.tell(called);
            to.iter_mut().for_each(|call| call.by = vec![Carrier::Screen]);
            if to.is_empty() {
                return facts;
            }
            facts.push(Fact::Told { incident, notice: Notice::Escalated, to });
        }
        facts
    }

    fn follow_up_due(&self) -> Vec<Fact> {
        let Stage::Resolved { since, follow_up: Some(due), .. } = self.incident.stage else {
            return Vec::new();
        };
        let incident = self.incident.id;
        let wait = self.follow_up_wait();
        let first = due <= since + wait;
        let next = first.then_some(self.at + wait);
        vec![
            Fact::FollowUpAsked { incident, next },
            Fact::Told { incident, notice: Notice::FollowUpDue, to: self.lead() },
        ]
    }
}
