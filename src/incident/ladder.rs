//! Ladders: whom a step calls, and what comes after it.
//!
//! A step adds people and never cuts short what earlier ones were asked. The end of a ladder is not
//! an end: everybody is called, lap after lap, at most five minutes apart, until a person accepts.

use super::{
    Call, Carrier, Fact, Incident, IncidentBook, Ladder, Notice, Responder, Rung, Standing, Who,
};
use crate::registry::Role;
use crate::terms::{At, Class, IncidentId, PersonId, Wait};

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

    /// The people behind `who`, each once, in order, with the carriers that can reach them.
    pub(super) fn calls(&self, standing: &Standing<'_>, who: &[Who], by: &[Carrier]) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        for person in who.iter().flat_map(|who| self.people(standing, who)) {
            if calls.iter().all(|call| call.person != person) {
                let by = self.reachable(&person, by);
                calls.push(Call { person, by });
            }
        }
        calls
    }

    fn people(&self, standing: &Standing<'_>, who: &Who) -> Vec<PersonId> {
        match who {
            Who::Line(line) => standing.roster.on_duty(&self.registry, line, standing.wall).people,
            Who::Person(person) => {
                self.registry.person(person).map(|p| p.id.clone()).into_iter().collect()
            }
            Who::Everyone => self.everybody(),
        }
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
        let has = |carrier: &Carrier| match carrier {
            Carrier::Screen => true,
            Carrier::Mail => row.is_some_and(|p| !p.email.trim().is_empty()),
        };
        let left: Vec<Carrier> = by.iter().copied().filter(has).collect();
        if left.is_empty() { vec![Carrier::Screen] } else { left }
    }
}

impl Step<'_> {
    fn id(&self) -> IncidentId {
        self.incident.id
    }

    /// The steps that hold for this incident.
    pub(super) fn rungs(&self) -> &[Rung] {
        if self.incident.night && !self.ladder.night.is_empty() {
            &self.ladder.night
        } else {
            &self.ladder.rungs
        }
    }

    /// The first call. A hazard calls everybody; so does anything while the record is in memory
    /// only, because a restart would forget it.
    pub(super) fn first(&self) -> Vec<Fact> {
        let epoch = self.incident.epoch;
        if self.incident.class == Class::Hazard {
            return vec![self.hazard_call(0, Notice::Called)];
        }
        if !self.standing.safe && self.incident.class.is_urgent() {
            return vec![self.everybody_called(0, epoch, Notice::AllHands)];
        }
        self.call(&Next { rung: 0, epoch, notice: Notice::Called, with_first: false })
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
            facts.push(self.hazard_call(lap + 1, Notice::HazardGoesOn));
            return facts;
        }
        let rung = if lap > 0 { self.rungs().len() } else { usize::from(rung) + 1 };
        self.call(&Next { rung, epoch, notice: Notice::Escalated, with_first: false })
    }

    /// Calls a rung, or what stands beyond the last one.
    pub(super) fn call(&self, next: &Next) -> Vec<Fact> {
        let Some(rung) = self.rungs().get(next.rung) else { return self.beyond(next) };
        let mut calls = self.book.calls(self.standing, &rung.who, &rung.by);
        if next.with_first
            && let Some(first) = self.rungs().first()
        {
            for call in self.book.calls(self.standing, &first.who, &first.by) {
                if calls.iter().all(|c| c.person != call.person) {
                    calls.push(call);
                }
            }
        }
        let declined =
            |person: &PersonId| self.incident.responder(person) == Some(Responder::Declined);
        if calls.iter().any(|c| !declined(&c.person)) {
            calls.retain(|c| !declined(&c.person));
        }
        if calls.is_empty() {
            return self.beyond(next);
        }
        vec![Fact::Called {
            incident: self.id(),
            epoch: next.epoch,
            rung: u8::try_from(next.rung).unwrap_or(u8::MAX),
            lap: 0,
            notice: next.notice.clone(),
            calls,
            next: self.at + rung.wait,
        }]
    }

    /// The ladder's end: a higher class, everybody, or the last step again.
    fn beyond(&self, next: &Next) -> Vec<Fact> {
        if let Some(higher) = self.higher_class() {
            return self.become_class(higher, next.epoch);
        }
        let lap = match self.incident.stage {
            super::Stage::Calling { lap, .. } if next.epoch == self.incident.epoch => lap + 1,
            _ => 1,
        };
        if !self.ladder.all_hands {
            return vec![self.last_again(lap, next.epoch, next.notice.clone())];
        }
        let notice = match next.notice {
            Notice::Escalated => Notice::AllHands,
            ref told => told.clone(),
        };
        let called = self.everybody_called(lap, next.epoch, notice);
        let fresh = next.epoch > self.incident.epoch || self.incident.exhausted.is_none();
        match fresh {
            // The call comes first: it opens the epoch that is exhausted.
            true => vec![called, Fact::Exhausted { incident: self.id() }],
            false => vec![called],
        }
    }

    fn higher_class(&self) -> Option<Class> {
        let higher = self.ladder.becomes.filter(|to| *to < self.incident.class)?;
        let memory = self.book.device(&self.incident.device);
        let taken = memory.is_some_and(|m| m.open.contains_key(&higher));
        (!taken).then_some(higher)
    }

    fn become_class(&self, to: Class, epoch: u32) -> Vec<Fact> {
        let changed = Incident { class: to, night: false, ..self.incident.clone() };
        let step = self.book.step(self.at, self.standing, &changed);
        let mut facts = vec![Fact::ClassChanged { incident: self.id(), to }];
        facts.extend(step.call(&Next {
            rung: 0,
            epoch: epoch + 1,
            notice: Notice::Escalated,
            with_first: false,
        }));
        facts
    }

    fn everybody_called(&self, lap: u32, epoch: u32, notice: Notice) -> Fact {
        let everybody = self.book.calls(self.standing, &[Who::Everyone], &self.all_carriers());
        Fact::Called {
            incident: self.id(),
            epoch,
            rung: self.last_rung(),
            lap,
            notice,
            calls: everybody,
            next: self.at + self.lap_wait(),
        }
    }

    fn last_again(&self, lap: u32, epoch: u32, notice: Notice) -> Fact {
        let last = self.rungs().last();
        let calls = last
            .map(|rung| self.book.calls(self.standing, &rung.who, &rung.by))
            .unwrap_or_default();
        Fact::Called {
            incident: self.id(),
            epoch,
            rung: self.last_rung(),
            lap,
            notice,
            calls,
            next: self.at + self.lap_wait(),
        }
    }

    fn hazard_call(&self, lap: u32, notice: Notice) -> Fact {
        let waits = self.book.policy_of(self.incident).waits;
        Fact::Called {
            incident: self.id(),
            epoch: self.incident.epoch,
            rung: 0,
            lap,
            notice,
            calls: self.hazard_people(),
            next: self.at + waits.hazard_repeat,
        }
    }

    /// Everybody who has not answered; when all have said that they cannot come, everybody again.
    pub(super) fn hazard_people(&self) -> Vec<Call> {
        let mut everybody = self.book.calls(self.standing, &[Who::Everyone], &self.all_carriers());
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
        let mut calls = self.book.calls(self.standing, &[Who::Everyone], &self.all_carriers());
        calls.retain(|c| !self.incident.responder(&c.person).is_some_and(Responder::is_active));
        calls
    }

    /// The lead, or everybody where no lead is set.
    pub(super) fn lead(&self) -> Vec<Call> {
        let policy = self.book.policy_of(self.incident);
        self.book.calls(self.standing, &policy.lead, &policy.lead_by)
    }

    /// Those of `people` who are still registered, with the carriers of the ladder.
    pub(super) fn tell(&self, people: impl IntoIterator<Item = PersonId>) -> Vec<Call> {
        let who: Vec<Who> = people.into_iter().map(Who::Person).collect();
        self.book.calls(self.standing, &who, &self.all_carriers())
    }

    /// Every carrier that any step of the ladder uses.
    pub(super) fn all_carriers(&self) -> Vec<Carrier> {
        let mut all: Vec<Carrier> =
            self.rungs().iter().flat_map(|rung| rung.by.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() { vec![Carrier::Screen] } else { all }
    }

    fn last_rung(&self) -> u8 {
        u8::try_from(self.rungs().len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    fn lap_wait(&self) -> Wait {
        match self.incident.exhausted {
            Some(since) if self.at - since >= self.ladder.lap_settles_after => {
                self.ladder.lap_later
            }
            _ => self.ladder.lap,
        }
    }

    /// The reminder and the arrival limit for somebody who accepts now.
    pub(super) fn arrival(&self) -> (At, At) {
        let on_site = self.book.registry.whereabouts(&self.incident.device).on_site;
        match on_site {
            true => (self.at + self.ladder.remind_on_site, self.at + self.ladder.arrive_on_site),
            false => (self.at + self.ladder.remind, self.at + self.ladder.arrive),
        }
    }
}
