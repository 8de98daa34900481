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
    /// Decides about an answer: the words of its note, the answer with its verdict, what it led to.
    pub(super) fn on_answer(
        &self,
        at: At,
        standing: &Standing<'_>,
        answer: &Answer,
        words: Option<&str>,
    ) -> Vec<Fact> {
        let again = answer.word.as_ref().and_then(|word| self.heard_word(&answer.by, word));
        if again.is_some() {
            return Vec::new();
        }
        let mut answer = answer.clone();
        let mut facts = Vec::new();
        let known = self.may_speak(&answer);
        if let Some(text) = words.filter(|text| known && !text.trim().is_empty()) {
            let note = NoteId(self.last_note + 1);
            answer.note = Some(note);
            facts.push(Fact::NoteKept { note, text: text.to_owned() });
        }
        let judged = self.judged(at, standing, &answer);
        facts.push(Fact::AnswerHeard { answer, ignored: judged.as_ref().err().copied() });
        let judged = judged.unwrap_or_default();
        let suspect = self.on_false_alarm(at, standing, &judged);
        facts.extend(judged.into_iter().chain(suspect));
        facts
    }

    /// Whether the words of a note are kept: of anybody of the house or the district, and of a contact
    /// who was called for it.
    fn may_speak(&self, answer: &Answer) -> bool {
        let called = || self.incident(answer.incident)?.responder(&answer.by);
        let contact = || self.registry.contact(&answer.by).and_then(|_| called());
        self.registry.person(&answer.by).is_some() || contact().is_some()
    }

    fn judged(
        &self,
        at: At,
        standing: &Standing<'_>,
        answer: &Answer,
    ) -> Result<Vec<Fact>, Ignored> {
        let person = self.registry.person(&answer.by);
        if person.is_none() && self.registry.contact(&answer.by).is_none() {
            return Err(Ignored::UnknownPerson);
        }
        let incident = self.incident(answer.incident).ok_or(Ignored::UnknownIncident)?;
        if answer.via == Via::ExpiredPage {
            return Err(Ignored::Expired);
        }
        let says = match answer.epoch.is_some_and(|epoch| epoch < incident.epoch) {
            true => of_an_earlier_call(answer.says)?,
            false => answer.says,
        };
        match person {
            Some(person) if person.role == Role::District && !is_the_districts(says) => {
                return Err(Ignored::NotTheDistricts);
            }
            Some(_) => {}
            None if incident.responder(&answer.by).is_none() => return Err(Ignored::NotCalledFor),
            None if !is_a_contacts(says) => return Err(Ignored::NotAContacts),
            None => {}
        }
        let step = self.step(at, standing, incident);
        let by = &answer.by;
        match says {
            Move::Note => Ok(step.heard_from(by).into_iter().collect()),
            Move::FollowUp { score, complaint } => follow_up(incident, by, score, complaint),
            _ if !incident.stage.is_open() => Err(Ignored::AlreadyOver),
            Move::Accept => step.accept(by, false),
            Move::TakeOver => step.accept(by, true),
            Move::Decline => step.decline(by),
            Move::OnTheWay => step.set_out(by),
            Move::Arrive => step.arrive(by),
            Move::StillHere => step.heard_from(by).map(|h| vec![h]).ok_or(Ignored::NotOnScene),
            Move::NeedHelp => step.need_help(by),
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

fn is_the_districts(says: Move) -> bool {
    matches!(says, Move::Accept | Move::TakeOver | Move::Note)
}

/// What somebody outside of the house may say: whatever brings help, and nothing that ends it.
fn is_a_contacts(says: Move) -> bool {
    matches!(
        says,
        Move::Accept
            | Move::Decline
            | Move::OnTheWay
            | Move::Arrive
            | Move::StillHere
            | Move::NeedHelp
            | Move::Note
    )
}

/// An answer to an earlier call counts as a fresh "I am coming", never as proof of anything.
fn of_an_earlier_call(says: Move) -> Result<Move, Ignored> {
    match says {
        Move::Accept | Move::TakeOver | Move::OnTheWay | Move::Arrive => Ok(Move::Accept),
        // Asking for help only makes it louder, whichever call it answers.
        Move::NeedHelp => Ok(Move::NeedHelp),
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

    fn is_there(&self, by: &PersonId) -> bool {
        self.incident.responder(by) == Some(Responder::OnScene)
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

    /// "I am coming". Taking over releases those who were coming; whoever is there stays there.
    fn accept(&self, by: &PersonId, takes_over: bool) -> Result<Vec<Fact>, Ignored> {
        let id = self.incident.id;
        let stays = |what: Responder| match takes_over {
            true => what == Responder::OnScene,
            false => what.is_active(),
        };
        let others = self.incident.responders.iter().filter(|(who, _)| who != by);
        let staying = others.clone().filter(|(_, what)| stays(*what)).count();
        let releases = others.clone().any(|(_, what)| what.is_active() && !stays(*what));
        let stays_here =
            |who: &PersonId| who == by || self.incident.responder(who).is_some_and(stays);
        // Where everybody of the house is coming, more than that cannot be asked for.
        let enough = staying + 1 >= usize::from(self.incident.needs)
            || self.book.everybody().iter().all(stays_here);
        let calling = matches!(self.incident.stage, Stage::Calling { .. });
        if self.is_active(by) && !releases && !(calling && enough) {
            return Err(Ignored::AlreadySaid);
        }
        let (remind, arrive_by) = self.arrival();
        let mut facts = vec![Fact::Accepted {
            incident: id,
            by: by.clone(),
            enough,
            remind,
            arrive_by,
            takes_over,
        }];
        facts.extend(self.told_that_taken(by, enough, takes_over));
        if !enough && !calling && self.incident.repeat.is_none() {
            facts.extend(self.call_for_more(by));
        }
        facts.extend(self.repeats_after(by, enough, Responder::Accepted));
        Ok(facts)
    }

    /// The accepting person is told what to do next; the others that somebody has it, once.
    fn told_that_taken(&self, by: &PersonId, enough: bool, takes_over: bool) -> Vec<Fact> {
        let id = self.incident.id;
        let to = self.tell([by.clone()]);
        let mut facts = vec![Fact::Told { incident: id, notice: Notice::YouAccepted, to }];
        let mut others = if self.still_asks() { self.others(by) } else { Vec::new() };
        if takes_over {
            let coming = |what: Responder| what.is_active() && what != Responder::OnScene;
            let released = self.incident.responders.iter().filter(|(_, what)| coming(*what));
            others.extend(released.map(|(who, _)| who.clone()).filter(|who| who != by));
        }
        facts.extend(self.taken(by, others).filter(|_| enough));
        facts
    }

    /// Whether people are being asked to come at the moment.
    fn still_asks(&self) -> bool {
        matches!(self.incident.stage, Stage::Calling { .. } | Stage::Queued { .. })
            || self.incident.repeat.is_some()
    }

    /// A hazard asks everybody to come, whoever else does.
    fn taken(&self, by: &PersonId, others: Vec<PersonId>) -> Option<Fact> {
        let to = self.tell(others);
        let notice = Notice::Taken { by: by.clone() };
        (self.incident.class != Class::Hazard && !to.is_empty()).then_some(Fact::Told {
            incident: self.incident.id,
            notice,
            to,
        })
    }

    /// Keeps or ends the calls beside the stage after `by` became `what`.
    fn repeats_after(&self, by: &PersonId, enough: bool, what: Responder) -> Option<Fact> {
        let incident = self.incident.id;
        if self.incident.class == Class::Hazard {
            let others = self.incident.on_scene()
                - usize::from(self.incident.responder(by) == Some(Responder::OnScene));
            let there = others + usize::from(what == Responder::OnScene);
            let done = there >= usize::from(self.waits().hazard_on_scene);
            let next = self.incident.repeat.unwrap_or(self.at + self.repeat_wait());
            return Some(Fact::RepeatSet { incident, next: (!done).then_some(next) });
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
        let next = self.scene_asked_next(0);
        let mut facts = vec![Fact::Arrived { incident, by: by.clone(), next }];
        let enough = self.active_with(by) >= usize::from(self.incident.needs);
        if enough && self.still_asks() {
            facts.extend(self.taken(by, self.others(by)));
        }
        if !enough && self.incident.repeat.is_none() {
            facts.extend(self.call_for_more(by));
        }
        facts.extend(self.repeats_after(by, enough, Responder::OnScene));
        Ok(facts)
    }

    fn need_help(&self, by: &PersonId) -> Result<Vec<Fact>, Ignored> {
        if self.incident.active().next().is_none() {
            return Err(Ignored::NobodyToHelp);
        }
        let coming = u8::try_from(self.incident.active().count()).unwrap_or(NEEDS_MAX);
        let needs = coming.max(self.incident.needs).saturating_add(1).min(NEEDS_MAX);
        let mut facts = vec![Fact::HelpAsked { incident: self.incident.id, needs }];
        facts.extend(self.call_for_more(by));
        facts.extend(self.heard_from(by));
        Ok(facts)
    }

    /// A word from somebody on scene ends the quiet that they are asked about (oncall.md 3.2: "quiet
    /// 20 min"); whoever else speaks says nothing about those there.
    fn heard_from(&self, by: &PersonId) -> Option<Fact> {
        let on_scene = matches!(self.incident.stage, Stage::OnScene { .. }) && self.is_there(by);
        let (incident, by, next) = (self.incident.id, by.clone(), self.scene_asked_next(0));
        on_scene.then_some(Fact::SceneHeard { incident, by, next })
    }

    /// Everybody who is not coming is called now and again each minute; `by` has just spoken.
    fn call_for_more(&self, by: &PersonId) -> Vec<Fact> {
        let incident = self.incident.id;
        let mut to = self.more_hands();
        to.retain(|call| call.person != *by);
        let told = Fact::Told { incident, notice: Notice::Reinforce, to };
        let next = Some(self.at + self.repeat_wait());
        vec![told, Fact::RepeatSet { incident, next }]
    }

    /// "I cannot come", or gone from the registry.
    pub(super) fn decline(&self, by: &PersonId) -> Result<Vec<Fact>, Ignored> {
        let incident = self.incident.id;
        if self.incident.responder(by) == Some(Responder::Declined) {
            return Err(Ignored::AlreadySaid);
        }
        let mut facts = vec![Fact::Declined { incident, by: by.clone() }];
        let mut after = self.incident.clone();
        after.set_responder(by, Responder::Declined);
        let step = self.book.step(self.at, self.standing, &after);
        match self.incident.stage {
            Stage::Calling { rung, lap, .. } => {
                let waits = |what: Responder| what.is_active() || what == Responder::Called;
                let waiting = after.responders.iter().any(|(_, what)| waits(*what));
                // Laps have their own waits, or a string of refusals would call without end.
                if !waiting && lap == 0 && after.class != Class::Hazard {
                    facts.extend(step.after(rung, lap));
                }
            }
            Stage::Queued { .. } | Stage::Resolved { .. } | Stage::FollowedUp { .. } => {}
            Stage::Accepted { .. } | Stage::OnTheWay { .. } | Stage::OnScene { .. } => {
                if self.is_active(by) {
                    facts.extend(step.given_back(by));
                }
            }
        }
        Ok(facts)
    }

    /// `by` was coming or there and no longer is. Without anybody left, or with the last one gone
    /// from the scene, the same rung is called again; with too few left, more are called.
    fn given_back(&self, by: &PersonId) -> Vec<Fact> {
        let there = matches!(self.incident.stage, Stage::OnScene { .. });
        let nobody_left = self.incident.active().next().is_none();
        if nobody_left || (there && self.incident.on_scene() == 0) {
            return self.begin(&Next {
                rung: usize::from(self.incident.rung_reached),
                epoch: self.incident.epoch.saturating_add(1),
                notice: Notice::Declined,
                with_first: false,
            });
        }
        let too_few = self.incident.active().count() < usize::from(self.incident.needs);
        match (self.incident.repeat, self.incident.class) {
            (Some(_), _) => Vec::new(),
            (None, Class::Hazard) => vec![Fact::RepeatSet {
                incident: self.incident.id,
                next: Some(self.at + self.repeat_wait()),
            }],
            (None, _) if too_few => self.call_for_more(by),
            (None, _) => Vec::new(),
        }
    }

    /// Over, where a resident may be in need: said by who stands there, or by who says how else they
    /// know (oncall.md 3.2: on scene, or verified by phone). No role may close from afar; whoever
    /// takes it down in the duty room for somebody speaks as that person.
    fn resolve(
        &self,
        by: &PersonId,
        ending: Ending,
        contact: Option<Contact>,
    ) -> Result<Vec<Fact>, Ignored> {
        let needs_somebody_there =
            matches!(self.incident.class, Class::Hazard | Class::Emergency | Class::Welfare);
        if needs_somebody_there && contact.is_none() && !self.is_there(by) {
            return Err(match self.incident.on_scene() {
                0 => Ignored::NobodyOnScene,
                _ => Ignored::OthersOnScene,
            });
        }
        Ok(self.closed(by, ending, contact))
    }

    fn false_alarm(&self, by: &PersonId, contact: Option<Contact>) -> Result<Vec<Fact>, Ignored> {
        let contact = contact.or(self.is_there(by).then_some(Contact::Visit));
        let contact = contact.ok_or(Ignored::NoContact)?;
        Ok(self.closed(by, Ending::Accidental, Some(contact)))
    }

    fn closed(&self, by: &PersonId, ending: Ending, contact: Option<Contact>) -> Vec<Fact> {
        let incident = self.incident.id;
        let asked_after =
            matches!(self.incident.class, Class::Hazard | Class::Emergency | Class::Welfare)
                && !matches!(ending, Ending::Test | Ending::Drill | Ending::Duplicate);
        let wait = self.follow_up_wait();
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
