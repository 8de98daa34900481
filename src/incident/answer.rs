//! What people say. Only a person accepts, arrives or closes; a wrong, late or repeated answer
//! changes nothing but the log.

use super::ladder::{Next, Step};
use super::{
    Answer, Contact, Ending, Fact, Ignored, Incident, IncidentBook, Move, Notice, Responder, Stage,
    Standing, Via,
};
use crate::registry::Role;
use crate::terms::{At, Class, NoteId, PersonId};

/// How many people one incident can ask for. Own choice: more than a centre has on duty.
const NEEDS_MAX: u8 = 9;

impl IncidentBook {
    /// Decides about an answer; the first fact is always the answer itself with its verdict.
    pub(super) fn on_answer(
        &self,
        at: At,
        standing: &Standing<'_>,
        answer: &Answer,
        words: Option<&str>,
    ) -> Vec<Fact> {
        let mut answer = answer.clone();
        let mut facts = Vec::new();
        let known = self.registry.person(&answer.by).is_some();
        if let Some(text) = words.filter(|text| known && !text.trim().is_empty()) {
            let note = NoteId(self.last_note + 1);
            answer.note = Some(note);
            facts.push(Fact::NoteKept { note, text: text.to_owned() });
        }
        let judged = self.judged(at, standing, &answer);
        facts.push(Fact::AnswerHeard { answer, ignored: judged.as_ref().err().copied() });
        facts.extend(judged.unwrap_or_default());
        facts
    }

    fn judged(
        &self,
        at: At,
        standing: &Standing<'_>,
        answer: &Answer,
    ) -> Result<Vec<Fact>, Ignored> {
        let person = self.registry.person(&answer.by).ok_or(Ignored::UnknownPerson)?;
        let incident = self.incident(answer.incident).ok_or(Ignored::UnknownIncident)?;
        if answer.via == Via::ExpiredPage {
            return Err(Ignored::Expired);
        }
        let says = match answer.epoch.is_some_and(|epoch| epoch < incident.epoch) {
            true => of_an_earlier_call(answer.says)?,
            false => answer.says,
        };
        let district = person.role == Role::District;
        if district && !matches!(says, Move::Accept | Move::TakeOver | Move::Note) {
            return Err(Ignored::NotTheDistricts);
        }
        let step = self.step(at, standing, incident);
        let by = &answer.by;
        match says {
            Move::Note => Ok(Vec::new()),
            Move::FollowUp { score, complaint } => follow_up(incident, by, score, complaint),
            _ if !incident.stage.is_open() => Err(Ignored::AlreadyOver),
            Move::Accept => step.accept(by, false),
            Move::TakeOver => step.accept(by, true),
            Move::Decline => step.decline(by),
            Move::OnTheWay => step.set_out(by),
            Move::Arrive => step.arrive(by),
            Move::NeedHelp => step.need_help(),
            Move::Resolve { ending, contact } => step.resolve(by, ending, contact),
            Move::FalseAlarm { contact } => step.false_alarm(by, contact),
            Move::Silence => {
                let until = at + self.policy_of(incident).waits.silence;
                let by = by.clone();
                Ok(vec![Fact::Silenced { incident: incident.id, by, until }])
            }
        }
    }
}

/// An answer to an earlier call counts as a fresh "I am coming", never as proof of anything.
fn of_an_earlier_call(says: Move) -> Result<Move, Ignored> {
    match says {
        Move::Accept | Move::OnTheWay | Move::Arrive => Ok(Move::Accept),
        Move::Note => Ok(Move::Note),
        _ => Err(Ignored::EarlierCall),
    }
}

fn follow_up(
    incident: &Incident,
    by: &PersonId,
    score: Option<u8>,
    complaint: bool,
) -> Result<Vec<Fact>, Ignored> {
    match incident.stage {
        Stage::Resolved { .. } if score.is_some_and(|s| !(1..=5).contains(&s)) => {
            Err(Ignored::BadScore)
        }
        Stage::Resolved { .. } => {
            Ok(vec![Fact::FollowedUp { incident: incident.id, by: by.clone(), score, complaint }])
        }
        Stage::FollowedUp { .. } => Err(Ignored::AlreadySaid),
        _ => Err(Ignored::NotOver),
    }
}

impl Step<'_> {
    fn is_active(&self, by: &PersonId) -> bool {
        self.incident.responder(by).is_some_and(Responder::is_active)
    }

    /// How many people are coming or there once `by` is one of them.
    fn active_with(&self, by: &PersonId) -> usize {
        self.incident.active().filter(|who| *who != by).count() + 1
    }

    /// Those who were called and have not answered, `by` left out.
    fn others(&self, by: &PersonId) -> Vec<PersonId> {
        let waiting =
            |(who, what): &&(PersonId, Responder)| *what == Responder::Called && who != by;
        self.incident.responders.iter().filter(waiting).map(|(who, _)| who.clone()).collect()
    }

    fn accept(&self, by: &PersonId, takes_over: bool) -> Result<Vec<Fact>, Ignored> {
        let id = self.incident.id;
        let alone = self.incident.active().all(|who| who == by);
        if self.is_active(by) && (alone || !takes_over) {
            return Err(Ignored::AlreadySaid);
        }
        let (remind, arrive_by) = self.arrival();
        let coming = if takes_over { 1 } else { self.active_with(by) };
        let enough = coming >= usize::from(self.incident.needs) || takes_over;
        let mut facts = vec![Fact::Accepted {
            incident: id,
            by: by.clone(),
            enough,
            remind,
            arrive_by,
            takes_over,
        }];
        facts.extend(self.told_that_taken(by, enough, takes_over));
        facts.extend(self.repeats_after(by, enough, Responder::Accepted));
        Ok(facts)
    }

    /// The accepting person is told what to do next; the others that somebody has it.
    fn told_that_taken(&self, by: &PersonId, enough: bool, takes_over: bool) -> Vec<Fact> {
        let id = self.incident.id;
        let mut facts = vec![Fact::Told {
            incident: id,
            notice: Notice::YouAccepted,
            to: self.tell([by.clone()]),
        }];
        let mut others = self.others(by);
        if takes_over {
            others.extend(self.incident.active().filter(|who| *who != by).cloned());
        }
        if enough && self.incident.class != Class::Hazard && !others.is_empty() {
            let notice = Notice::Taken { by: by.clone() };
            facts.push(Fact::Told { incident: id, notice, to: self.tell(others) });
        }
        facts
    }

    /// Keeps or ends the calls beside the stage after `by` became `what`.
    fn repeats_after(&self, by: &PersonId, enough: bool, what: Responder) -> Option<Fact> {
        let waits = self.book.policy_of(self.incident).waits;
        let incident = self.incident.id;
        if self.incident.class == Class::Hazard {
            let others = self.incident.on_scene()
                - usize::from(self.incident.responder(by) == Some(Responder::OnScene));
            let there = others + usize::from(what == Responder::OnScene);
            let done = there >= usize::from(waits.hazard_on_scene);
            let next = (!done).then_some(self.at + waits.hazard_repeat);
            return Some(Fact::RepeatSet { incident, next });
        }
        (enough && self.incident.repeat.is_some())
            .then_some(Fact::RepeatSet { incident, next: None })
    }

    fn set_out(&self, by: &PersonId) -> Result<Vec<Fact>, Ignored> {
        let facts = match self.incident.responder(by) {
            Some(Responder::OnTheWay | Responder::OnScene) => return Err(Ignored::AlreadySaid),
            Some(Responder::Accepted) => Vec::new(),
            _ => self.accept(by, false)?,
        };
        let set_out = Fact::SetOut { incident: self.incident.id, by: by.clone() };
        Ok(facts.into_iter().chain([set_out]).collect())
    }

    fn arrive(&self, by: &PersonId) -> Result<Vec<Fact>, Ignored> {
        let incident = self.incident.id;
        if self.incident.responder(by) == Some(Responder::OnScene) {
            return Err(Ignored::AlreadySaid);
        }
        let next = self.at + self.book.policy_of(self.incident).waits.scene_remind;
        let mut facts = vec![Fact::Arrived { incident, by: by.clone(), next }];
        let enough = self.active_with(by) >= usize::from(self.incident.needs);
        let others = self.others(by);
        let nobody_was_coming = self.incident.active().next().is_none();
        if nobody_was_coming && self.incident.class != Class::Hazard && !others.is_empty() {
            let notice = Notice::Taken { by: by.clone() };
            facts.push(Fact::Told { incident, notice, to: self.tell(others) });
        }
        if !enough && self.incident.repeat.is_none() {
            facts.extend(self.call_for_more());
        }
        facts.extend(self.repeats_after(by, enough, Responder::OnScene));
        Ok(facts)
    }

    fn need_help(&self) -> Result<Vec<Fact>, Ignored> {
        if self.incident.active().next().is_none() {
            return Err(Ignored::NobodyToHelp);
        }
        let coming = u8::try_from(self.incident.active().count()).unwrap_or(NEEDS_MAX);
        let needs = coming.max(self.incident.needs).saturating_add(1).min(NEEDS_MAX);
        let mut facts = vec![Fact::HelpAsked { incident: self.incident.id, needs }];
        facts.extend(self.call_for_more());
        Ok(facts)
    }

    fn call_for_more(&self) -> [Fact; 2] {
        let incident = self.incident.id;
        let wait = self.book.policy_of(self.incident).waits.hazard_repeat;
        [
            Fact::Told { incident, notice: Notice::Reinforce, to: self.more_hands() },
            Fact::RepeatSet { incident, next: Some(self.at + wait) },
        ]
    }

    fn decline(&self, by: &PersonId) -> Result<Vec<Fact>, Ignored> {
        let incident = self.incident.id;
        if self.incident.responder(by) == Some(Responder::Declined) {
            return Err(Ignored::AlreadySaid);
        }
        let was_active = self.is_active(by);
        let mut facts = vec![Fact::Declined { incident, by: by.clone() }];
        let mut after = self.incident.clone();
        after.set_responder(by, Responder::Declined);
        let step = self.book.step(self.at, self.standing, &after);
        let nobody_left = after.active().next().is_none();
        match self.incident.stage {
            Stage::Calling { rung, lap, .. } => {
                let waiting = after.responders.iter().any(|(_, what)| *what == Responder::Called);
                // Laps have their own waits, or a string of refusals would call without end.
                if nobody_left && !waiting && lap == 0 && after.class != Class::Hazard {
                    facts.extend(step.after(rung, lap));
                }
            }
            Stage::Queued { .. } => {}
            _ if was_active && nobody_left => {
                if after.class == Class::Hazard {
                    facts.extend(step.first_of_epoch(Notice::Declined));
                } else {
                    facts.extend(step.call(&Next {
                        rung: usize::from(after.rung_reached),
                        epoch: after.epoch + 1,
                        notice: Notice::Declined,
                        with_first: false,
                    }));
                }
            }
            _ => {}
        }
        Ok(facts)
    }

    fn resolve(
        &self,
        by: &PersonId,
        ending: Ending,
        contact: Option<Contact>,
    ) -> Result<Vec<Fact>, Ignored> {
        let needs_somebody_there =
            matches!(self.incident.class, Class::Hazard | Class::Emergency | Class::Welfare);
        let there = matches!(self.incident.stage, Stage::OnScene { .. });
        if needs_somebody_there && !there && contact.is_none() {
            return Err(Ignored::NobodyOnScene);
        }
        Ok(self.closed(by, ending, contact))
    }

    fn false_alarm(&self, by: &PersonId, contact: Option<Contact>) -> Result<Vec<Fact>, Ignored> {
        let there = self.incident.responder(by) == Some(Responder::OnScene);
        let contact = contact.or(there.then_some(Contact::Visit)).ok_or(Ignored::NoContact)?;
        Ok(self.closed(by, Ending::Accidental, Some(contact)))
    }

    fn closed(&self, by: &PersonId, ending: Ending, contact: Option<Contact>) -> Vec<Fact> {
        let incident = self.incident.id;
        let asked_after =
            matches!(self.incident.class, Class::Hazard | Class::Emergency | Class::Welfare)
                && !matches!(ending, Ending::Test | Ending::Drill | Ending::Duplicate);
        let wait = self.book.policy_of(self.incident).waits.follow_up;
        let told: Vec<PersonId> = self
            .incident
            .responders
            .iter()
            .filter(|(who, what)| who != by && *what != Responder::Declined)
            .map(|(who, _)| who.clone())
            .collect();
        let mut facts = vec![Fact::Resolved {
            incident,
            by: by.clone(),
            ending,
            contact,
            follow_up: asked_after.then_some(self.at + wait),
        }];
        if !told.is_empty() && self.incident.class.is_urgent() {
            facts.push(Fact::Told { incident, notice: Notice::Closed, to: self.tell(told) });
        }
        facts
    }
}
