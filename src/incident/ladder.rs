//! Ladders: whom a step calls, and what comes after it.
//!
//! A step adds people and never cuts short what earlier ones were asked. The end of a ladder is not
//! an end: everybody is called, lap after lap, at most five minutes apart, until a person accepts.

use std::collections::BTreeSet;

use super::{
    Call, Carrier, Fact, Incident, IncidentBook, Ladder, Notice, Responder, Rung, Stage, Standing,
    Who,
};
use crate::registry::Role;
use crate::terms::{At, Class, HomeId, IncidentId, PersonId, Phone, ResidentId, StationId, Wait};

/// From the beginning of a hazard's call until the district is asked to take over. 180 s: the outer
/// bound for an emergency nobody accepts (oncall.md 3.3); a hazard has no steps to count instead.
const HAZARD_EXHAUSTED_AFTER: Wait = Wait::secs(180);

/// One decision about one incident: what it may look at.
pub(super) struct Step<'a> {
    pub(super) book: &'a IncidentBook,
    pub(super) standing: &'a Standing<'a>,
    pub(super) at: At,
    pub(super) incident: &'a Incident,
    pub(super) ladder: Ladder,
}

/// Which step to call, and how.
pub(super) struct Next {
    /// The rung, from 0; beyond the last it means the end of the ladder.
    pub(super) rung: usize,
    /// The epoch it belongs to.
    pub(super) epoch: u32,
    /// What people are told.
    pub(super) notice: Notice,
    /// Whether the first rung's people are called as well.
    pub(super) with_first: bool,
}

impl IncidentBook {
    pub(super) fn step<'a>(
        &'a self,
        at: At,
        standing: &'a Standing<'a>,
        incident: &'a Incident,
    ) -> Step<'a> {
        Step { book: self, standing, at, incident, ladder: self.ladder_of(incident) }
    }

    /// The people behind `who`, each once, in order, with the carriers that can reach them. Which line
    /// is meant and whose contacts is for the incident to say; without one, the shared lines and none.
    pub(super) fn calls(
        &self,
        standing: &Standing<'_>,
        about: Option<&Incident>,
        who: &[Who],
        by: &[Carrier],
    ) -> Vec<Call> {
        let mut seen = BTreeSet::new();
        who.iter()
            .flat_map(|who| self.people(standing, about, who))
            .filter(|person| seen.insert(person.clone()))
            .map(|person| Call { by: self.reachable(&person, by), person })
            .collect()
    }

    fn people(
        &self,
        standing: &Standing<'_>,
        about: Option<&Incident>,
        who: &Who,
    ) -> Vec<PersonId> {
        let registry = &self.registry;
        match who {
            Who::Line(line) => {
                let station = about.and_then(|incident| self.station_of(incident));
                let line = standing.roster.line_at(station, line);
                standing.roster.on_duty(registry, line, standing.wall).people
            }
            Who::Person(id) => {
                let contact = || registry.contact(id).filter(|one| one.agrees(standing.today()));
                let known = registry.person(id).is_some() || contact().is_some();
                known.then(|| id.clone()).into_iter().collect()
            }
            Who::Contact(relation) => {
                let Some(incident) = about else { return Vec::new() };
                let (residents, home) = (self.residents_in(incident), self.home_of(incident));
                let found = registry.contacts_for(*relation, &residents, home, standing.today());
                found.into_iter().map(|contact| contact.id.clone()).collect()
            }
            Who::Everyone => self.everybody(),
        }
    }

    /// Where an incident is: the device's home, else its resident's.
    fn home_of<'b>(&'b self, incident: &'b Incident) -> Option<&'b HomeId> {
        let lives = || self.registry.resident(incident.resident.as_ref()?)?.home.as_ref();
        incident.home.as_ref().or_else(lives)
    }

    /// Whom it may be about: the one resident who is known, else all who live there.
    fn residents_in(&self, incident: &Incident) -> Vec<ResidentId> {
        match (&incident.resident, self.home_of(incident)) {
            (Some(one), _) => vec![one.clone()],
            (None, Some(home)) => self.registry.residents_of(home).cloned().collect(),
            (None, None) => Vec::new(),
        }
    }

    fn station_of(&self, incident: &Incident) -> Option<&StationId> {
        self.registry.home(self.home_of(incident)?)?.station.as_ref()
    }

    /// Everybody of the house; when only the district is registered, the district.
    pub(super) fn everybody(&self) -> Vec<PersonId> {
        let all = || self.registry.people();
        let house: Vec<PersonId> =
            all().filter(|p| p.role != Role::District).map(|p| p.id.clone()).collect();
        if house.is_empty() { all().map(|p| p.id.clone()).collect() } else { house }
    }

    /// The carriers of `by` that this person has an address for; the screen where none is left.
    fn reachable(&self, person: &PersonId, by: &[Carrier]) -> Vec<Carrier> {
        let row = self.registry.person(person);
        let contact = self.registry.contact(person).filter(|_| row.is_none());
        let email = row.map(|p| &p.email).or(contact.map(|c| &c.email));
        let phone = row.map(|p| &p.phone).or(contact.map(|c| &c.phone));
        let has = |carrier: &Carrier| match carrier {
            // A contact does not sit in the duty room; it speaks for them where nothing else does.
            Carrier::Screen => contact.is_none(),
            Carrier::Mail => email.is_some_and(|email| !email.trim().is_empty()),
            Carrier::Sms | Carrier::Voice => {
                phone.is_some_and(|phone| Phone::parse(phone).is_some())
            }
            // A group is of the house: what is said of a contact's incident there is said to staff.
            _ => contact.is_none(),
        };
        let mut left: Vec<Carrier> = Vec::new();
        for carrier in by.iter().copied().filter(has) {
            if !left.contains(&carrier) {
                left.push(carrier);
            }
        }
        if left.is_empty() { vec![Carrier::Screen] } else { left }
    }
}

impl Step<'_> {
    fn id(&self) -> IncidentId {
        self.incident.id
    }

    /// The people behind `who` for this incident.
    fn calls(&self, who: &[Who], by: &[Carrier]) -> Vec<Call> {
        self.book.calls(self.standing, Some(self.incident), who, by)
    }

    /// The steps that hold for this incident.
    pub(super) fn rungs(&self) -> &[Rung] {
        if self.incident.night && !self.ladder.night.is_empty() {
            &self.ladder.night
        } else {
            &self.ladder.rungs
        }
    }

    /// The first call of all.
    pub(super) fn first(&self) -> Vec<Fact> {
        let epoch = self.incident.epoch;
        self.begin(&Next { rung: 0, epoch, notice: Notice::Called, with_first: false })
    }

    /// The first call of an epoch. A hazard calls everybody; so does anything while the record is in
    /// memory only, because a restart would forget it.
    pub(super) fn begin(&self, next: &Next) -> Vec<Fact> {
        if self.incident.class == Class::Hazard {
            return vec![self.hazard_call(next.epoch, 0, next.notice.clone())];
        }
        match self.loud_call(next) {
            Some(called) => vec![called],
            None => self.call(next),
        }
    }

    /// Everybody at once, while the record cannot be written.
    pub(super) fn loud_call(&self, next: &Next) -> Option<Fact> {
        if self.standing.safe || !self.incident.class.is_urgent() {
            return None;
        }
        let lap = match self.incident.stage {
            Stage::Calling { lap, .. } if next.epoch == self.incident.epoch => lap,
            _ => 0,
        };
        let notice = match &next.notice {
            Notice::Called | Notice::Escalated => Notice::AllHands,
            told => told.clone(),
        };
        Some(self.end_call(self.everybody(), lap, next.epoch, notice))
    }

    /// The next step after the deadline of the one before.
    pub(super) fn after(&self, rung: u8, lap: u32) -> Vec<Fact> {
        let epoch = self.incident.epoch;
        if self.incident.class == Class::Hazard {
            let mut facts = Vec::new();
            let long = self.at - self.incident.raised_at >= HAZARD_EXHAUSTED_AFTER;
            if long && self.incident.exhausted.is_none() {
                facts.push(Fact::Exhausted { incident: self.id() });
            }
            facts.push(self.hazard_call(epoch, lap.saturating_add(1), Notice::HazardGoesOn));
            return facts;
        }
        let rung = if lap > 0 { self.rungs().len() } else { usize::from(rung) + 1 };
        self.call(&Next { rung, epoch, notice: Notice::Escalated, with_first: false })
    }

    /// Calls a rung, or what stands beyond the last one. A rung nobody stands on is answered with
    /// the ladder's end, one of contacts whom this incident has none of with the next; one where everybody has said no or is coming, with the rung after it.
    pub(super) fn call(&self, next: &Next) -> Vec<Fact> {
        for (place, rung) in self.rungs().iter().enumerate().skip(next.rung) {
            let mut calls = self.on_rung(rung, next.with_first);
            let of_contacts = rung.who.iter().all(|who| matches!(who, Who::Contact(_)));
            match calls.is_empty() {
                // Not everybody has a neighbour who agreed.
                true if of_contacts => continue,
                true => break,
                false => {}
            }
            calls.retain(|call| match self.incident.responder(&call.person) {
                Some(what) => what != Responder::Declined && !what.is_active(),
                None => true,
            });
            if calls.is_empty() {
                continue;
            }
            return vec![Fact::Called {
                incident: self.id(),
                epoch: next.epoch,
                rung: u8::try_from(place).unwrap_or(u8::MAX),
                lap: 0,
                notice: next.notice.clone(),
                calls,
                next: self.at + self.step_wait(rung),
            }];
        }
        self.beyond(next)
    }

    fn on_rung(&self, rung: &Rung, with_first: bool) -> Vec<Call> {
        let calls = self.calls(&rung.who, &rung.by);
        match self.rungs().first().filter(|_| with_first) {
            Some(first) => joined(calls, self.calls(&first.who, &first.by)),
            None => calls,
        }
    }

    /// The ladder's end: a higher class, everybody, or the last step again.
    fn beyond(&self, next: &Next) -> Vec<Fact> {
        if let Some(higher) = self.higher_class() {
            return self.become_class(higher, next.epoch);
        }
        let lap = match self.incident.stage {
            Stage::Calling { lap, .. } if next.epoch == self.incident.epoch => {
                lap.saturating_add(1)
            }
            _ => 1,
        };
        let notice = match next.notice {
            Notice::Escalated if self.ends_with_everybody() => Notice::AllHands,
            ref told => told.clone(),
        };
        let calls = match self.rungs().last() {
            Some(last) if !self.ends_with_everybody() => {
                self.not_coming(self.on_rung(last, next.with_first))
            }
            _ => Vec::new(),
        };
        let calls = if calls.is_empty() { self.everybody() } else { calls };
        let called = self.end_call(calls, lap, next.epoch, notice);
        let fresh = next.epoch > self.incident.epoch || self.incident.exhausted.is_none();
        match fresh && self.incident.class.is_urgent() {
            // The call comes first: it opens the epoch that is exhausted.
            true => vec![called, Fact::Exhausted { incident: self.id() }],
            false => vec![called],
        }
    }

    /// A lost coverage wakes the lead by night and everybody by day.
    fn ends_with_everybody(&self) -> bool {
        let by_night = self.incident.night && !self.ladder.night.is_empty();
        let spared = by_night && self.standing.roster.is_night(self.standing.wall);
        self.ladder.all_hands && !spared
    }

    fn higher_class(&self) -> Option<Class> {
        let higher = self.ladder.becomes.filter(|to| *to < self.incident.class)?;
        let memory = self.book.device(&self.incident.device);
        let taken = memory.is_some_and(|m| m.open.contains_key(&higher));
        (!taken).then_some(higher)
    }

    /// Who could not come for the lower class is asked again for the higher one.
    fn become_class(&self, to: Class, epoch: u32) -> Vec<Fact> {
        let mut changed = Incident { class: to, night: false, ..self.incident.clone() };
        changed.forget_refusals();
        let step = self.book.step(self.at, self.standing, &changed);
        let mut facts = vec![Fact::ClassChanged { incident: self.id(), to }];
        facts.extend(step.begin(&Next {
            rung: 0,
            epoch: epoch.saturating_add(1),
            notice: Notice::Escalated,
            with_first: false,
        }));
        facts
    }

    /// A call at or beyond the ladder's end.
    fn end_call(&self, calls: Vec<Call>, lap: u32, epoch: u32, notice: Notice) -> Fact {
        Fact::Called {
            incident: self.id(),
            epoch,
            rung: u8::try_from(self.rungs().len().saturating_sub(1)).unwrap_or(u8::MAX),
            lap,
            notice,
            calls,
            next: self.at + self.lap_wait(lap, epoch),
        }
    }

    fn hazard_call(&self, epoch: u32, lap: u32, notice: Notice) -> Fact {
        Fact::Called {
            incident: self.id(),
            epoch,
            rung: 0,
            lap,
            notice,
            calls: self.hazard_people(),
            next: self.at + self.repeat_wait(),
        }
    }

    /// Everybody who is not coming; where everybody is, everybody again: a call to nobody would be
    /// silence.
    fn everybody(&self) -> Vec<Call> {
        let everybody = self.calls(&[Who::Everyone], &self.all_carriers());
        let others = self.not_coming(everybody.clone());
        if others.is_empty() { everybody } else { others }
    }

    fn not_coming(&self, mut calls: Vec<Call>) -> Vec<Call> {
        calls.retain(|c| !self.incident.responder(&c.person).is_some_and(Responder::is_active));
        calls
    }

    /// Everybody who has not answered; when all have said that they cannot come, everybody again.
    pub(super) fn hazard_people(&self) -> Vec<Call> {
        let mut everybody = self.calls(&[Who::Everyone], &self.all_carriers());
        let answer = |call: &Call| self.incident.responder(&call.person);
        everybody.retain(|call| !answer(call).is_some_and(Responder::is_active));
        let waiting = |call: &Call| answer(call) != Some(Responder::Declined);
        if everybody.iter().any(waiting) {
            everybody.retain(waiting);
        }
        everybody
    }

    /// Everybody who is not coming, for help asked for on scene.
    pub(super) fn more_hands(&self) -> Vec<Call> {
        self.not_coming(self.calls(&[Who::Everyone], &self.all_carriers()))
    }

    /// The lead, or everybody where no lead is set.
    pub(super) fn lead(&self) -> Vec<Call> {
        let policy = self.book.policy_of(self.incident);
        let lead = self.calls(&policy.lead, &policy.lead_by);
        match lead.is_empty() {
            true => self.calls(&[Who::Everyone], &policy.lead_by),
            false => lead,
        }
    }

    /// The second line that hard pressing adds, or everybody where none is set.
    pub(super) fn second_line(&self) -> Vec<Call> {
        let policy = self.book.policy_of(self.incident);
        let second = self.calls(&policy.second, &self.all_carriers());
        if second.is_empty() { self.more_hands() } else { self.not_coming(second) }
    }

    /// Those who are coming or there, and the lead.
    pub(super) fn active_and_lead(&self) -> Vec<Call> {
        joined(self.tell(self.incident.active().cloned()), self.lead())
    }

    /// Those of `people` who are still registered, with the carriers of the ladder.
    pub(super) fn tell(&self, people: impl IntoIterator<Item = PersonId>) -> Vec<Call> {
        let who: Vec<Who> = people.into_iter().map(Who::Person).collect();
        self.calls(&who, &self.all_carriers())
    }

    /// Every carrier that any step of the ladder uses.
    pub(super) fn all_carriers(&self) -> Vec<Carrier> {
        let mut all: Vec<Carrier> =
            self.rungs().iter().flat_map(|rung| rung.by.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() { vec![Carrier::Screen] } else { all }
    }
}

/// Both lists, each person once.
pub(super) fn joined(mut calls: Vec<Call>, more: Vec<Call>) -> Vec<Call> {
    for call in more {
        if calls.iter().all(|c| c.person != call.person) {
            calls.push(call);
        }
    }
    calls
}
