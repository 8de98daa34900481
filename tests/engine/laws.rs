//! What holds after every step of every story, whatever came in.

use std::collections::{BTreeMap, BTreeSet};

use anling::incident::{
    Call, Effect, Fact, Incident, IncidentBook, Notice, Order, Stage, StageName, Stimulus, Via,
};
use anling::registry::Role;
use anling::terms::{
    At, Class, Command, DeviceId, FeedbackStage, IncidentId, Mark, PersonId, Wait, What,
};

const STEP_MAX: Wait = Wait::secs(120);
const LAP_MAX: Wait = Wait::secs(300);
const ARRIVE_MAX: Wait = Wait::mins(45);

/// What the laws remember of the steps before.
#[derive(Default)]
pub struct Laws {
    /// When somebody was last asked to come to each urgent incident.
    last_call: BTreeMap<IncidentId, At>,
    /// How far each device was told that its call has come.
    lights: BTreeMap<(DeviceId, Option<Mark>), FeedbackStage>,
}

impl Laws {
    pub fn hold(
        &mut self,
        before: &IncidentBook,
        after: &IncidentBook,
        now: At,
        stimulus: &Stimulus,
        facts: &[Fact],
        effects: &[Effect],
    ) {
        only_people_make_it_quieter(before, after, stimulus);
        strangers_change_nothing(before, stimulus, facts);
        a_cancel_key_stops_nothing(before, after, stimulus, effects);
        a_test_calls_nobody(stimulus, facts);
        for fact in facts {
            nobody_is_called_twice_or_while_coming(before, after, facts, fact);
            arrival_has_a_limit(now, fact);
        }
        epochs_rise(before, after, facts);
        every_open_incident_has_one_deadline(after);
        device_and_class_and_code_are_its_own(after);
        orders_belong_to_incidents(after);
        self.lights_do_not_go_back(before, after, facts, effects);
        for effect in effects {
            if let Effect::Order(id) = effect
                && after.order(id).is_some_and(|o| o.notice.is_call())
            {
                self.last_call.insert(id.incident, now);
            }
        }
    }

    /// Once all that was due is done: law 4, and the 300 s of an emergency nobody has accepted.
    pub fn nobody_waits_in_silence(&self, book: &IncidentBook, now: At) {
        if let Some((due, id, why)) = book.next_deadline() {
            assert!(due > now, "{id} {why:?} is overdue");
        }
        if book.registry().people().next().is_none() {
            return;
        }
        for incident in book.open().filter(|i| i.class == Class::Emergency) {
            if let Stage::Calling { .. } = incident.stage {
                let last = self.last_call.get(&incident.id).copied().unwrap_or_default();
                assert!(now - last <= LAP_MAX, "{:?} is silent since {last:?}", incident.code);
            }
        }
    }

    /// `stored` after `accepted` only when the call really started again. Looked at while a device has
    /// one call: of two, the more urgent one may be less far.
    fn lights_do_not_go_back(
        &mut self,
        before: &IncidentBook,
        after: &IncidentBook,
        facts: &[Fact],
        effects: &[Effect],
    ) {
        let calls =
            |book: &IncidentBook, id: &DeviceId| book.device(id).map_or(0, |m| m.open.len());
        self.lights.retain(|(id, _), _| calls(before, id) <= 1 && calls(after, id) <= 1);
        let again = facts.iter().any(|fact| match fact {
            Fact::Reopened { .. } | Fact::Raised { .. } => true,
            Fact::Called { epoch, .. } => *epoch > 0,
            _ => false,
        });
        for effect in effects {
            let Effect::Feedback(Command { device, mark, stage }) = effect else { continue };
            if calls(after, device) > 1 {
                continue;
            }
            let light = self.lights.entry((device.clone(), *mark)).or_insert(*stage);
            let closed_or_back = *stage >= *light || again;
            assert!(closed_or_back, "{device} {mark:?}: {light:?} then {stage:?} by {facts:?}");
            *light = *stage;
        }
    }
}

fn rank(stage: StageName) -> u8 {
    match stage {
        StageName::Queued | StageName::Calling => 0,
        StageName::Accepted => 1,
        StageName::OnTheWay => 2,
        StageName::OnScene => 3,
        StageName::Resolved => 4,
        StageName::FollowedUp => 5,
    }
}

/// Law 5; invariants 7 and 8: nothing but an answer moves an incident on.
fn only_people_make_it_quieter(before: &IncidentBook, after: &IncidentBook, by: &Stimulus) {
    let person = matches!(by, Stimulus::Answered(..));
    for was in before.incidents() {
        let Some(is) = after.incident(was.id) else {
            assert!(!was.stage.is_open(), "{} left memory while open", was.code);
            continue;
        };
        let (from, to) = (was.stage.name(), is.stage.name());
        assert!(person || rank(to) <= rank(from), "{from:?} became {to:?} by {by:?}");
        assert!(is.class <= was.class, "a class sank");
        if to == StageName::FollowedUp && from != to {
            assert_eq!(from, StageName::Resolved);
        }
        if let Stage::Resolved { by, .. } = &is.stage
            && from != to
        {
            assert!(before.registry().person(by).is_some(), "{by} closed it");
        }
    }
}

/// Invariant 9.
fn strangers_change_nothing(before: &IncidentBook, by: &Stimulus, facts: &[Fact]) {
    let Stimulus::Answered(answer, _) = by else { return };
    let stranger = before.registry().name_of(&answer.by).is_none();
    if stranger || answer.via == Via::ExpiredPage || before.incident(answer.incident).is_none() {
        let log = |f: &Fact| {
            matches!(f, Fact::NoteKept { .. } | Fact::AnswerHeard { ignored: Some(_), .. })
        };
        assert!(facts.iter().all(log), "{facts:?}");
    }
}

/// Invariant 10.
fn a_cancel_key_stops_nothing(
    before: &IncidentBook,
    after: &IncidentBook,
    by: &Stimulus,
    effects: &[Effect],
) {
    let Stimulus::Heard(report) = by else { return };
    if report.what != What::Cancel {
        return;
    }
    for was in before.incidents() {
        let is = after.incident(was.id).unwrap();
        assert_eq!((&is.stage, &is.responders), (&was.stage, &was.responders));
        assert!(is.orders.is_superset(&was.orders), "an order went");
    }
    assert!(!effects.iter().any(|e| matches!(e, Effect::Withdrawn(_))));
}

/// Invariant 26.
fn a_test_calls_nobody(by: &Stimulus, facts: &[Fact]) {
    if let Stimulus::Heard(report) = by
        && report.test
    {
        let pages =
            |f: &Fact| matches!(f, Fact::Raised { .. } | Fact::Called { .. } | Fact::Told { .. });
        let paged = facts.iter().any(pages) && !matches!(report.what, What::Presence { .. });
        assert!(!paged, "a test paged: {facts:?}");
    }
}

/// Invariant 13 as far as it concerns those who come: one call a fact, none to who is coming, never
/// to nobody.
fn nobody_is_called_twice_or_while_coming(
    before: &IncidentBook,
    after: &IncidentBook,
    all: &[Fact],
    fact: &Fact,
) {
    let (incident, notice, calls): (_, _, &[Call]) = match fact {
        Fact::Called { incident, notice, calls, .. } => (incident, notice, calls),
        Fact::Told { incident, notice, to } => (incident, notice, to),
        _ => return,
    };
    let people: BTreeSet<&PersonId> = calls.iter().map(|c| &c.person).collect();
    assert_eq!(people.len(), calls.len(), "somebody twice in {fact:?}");
    for call in calls {
        let ways: BTreeSet<_> = call.by.iter().collect();
        assert!(!call.by.is_empty() && ways.len() == call.by.len(), "{call:?}");
    }
    let registry = after.registry();
    assert!(people.iter().all(|p| registry.name_of(p).is_some()), "a stranger in {fact:?}");
    let Some(held) = before.incident(*incident) else { return };
    if matches!(fact, Fact::Called { .. }) && registry.people().next().is_some() {
        let missed = matches!(held.class, Class::Hazard) && held.active().count() > 0;
        assert!(!calls.is_empty() || missed, "nobody is called: {fact:?}");
    }
    if !notice.is_call() {
        return;
    }
    // A missed arrival or a refusal counts people out who were coming, in the same batch.
    let missed = all.iter().any(|f| matches!(f, Fact::ArrivalMissed { .. }));
    let gone = |who: &PersonId| {
        missed || all.iter().any(|f| matches!(f, Fact::Declined { by, .. } if by == who))
    };
    let coming: BTreeSet<&PersonId> = held.active().filter(|who| !gone(who)).collect();
    let house = || registry.people().filter(|p| p.role != Role::District);
    let all_come = house().all(|p| coming.contains(&p.id));
    assert!(all_come || people.is_disjoint(&coming), "{coming:?} are coming, {fact:?}");
}

/// Invariant 3, for acceptance.
fn arrival_has_a_limit(now: At, fact: &Fact) {
    if let Fact::Accepted { remind, arrive_by, .. } = fact {
        assert!(*arrive_by > now && remind <= arrive_by, "{fact:?}");
    }
}

/// Invariant 12.
fn epochs_rise(before: &IncidentBook, after: &IncidentBook, facts: &[Fact]) {
    for was in before.incidents() {
        let Some(is) = after.incident(was.id) else { continue };
        assert!(is.epoch >= was.epoch && is.presses >= was.presses);
    }
    for fact in facts {
        if let Fact::ArrivalMissed { incident } = fact {
            let (was, is) =
                (before.incident(*incident).unwrap(), after.incident(*incident).unwrap());
            assert!(is.epoch > was.epoch && is.stage.name() == StageName::Calling);
        }
    }
}

/// Invariant 3, as the state shows it.
fn every_open_incident_has_one_deadline(book: &IncidentBook) {
    for incident in book.open() {
        let (due, _) = incident.next_deadline().unwrap();
        let urgent = incident.class.is_urgent();
        match incident.stage {
            Stage::Queued { .. } => assert!(!urgent, "{} waits for work", incident.code),
            Stage::Calling { lap, since, next, .. } => {
                assert!(next > since || next <= book.last_at(), "a step of no length");
                let bound = match incident.class {
                    Class::Emergency if lap == 0 => STEP_MAX,
                    _ if lap > 0 && urgent => LAP_MAX,
                    _ => Wait::hours(24 * 7),
                };
                // The first call to everybody while the record is not safe is as long as a lap.
                assert!(
                    next - since <= bound.max(Wait(0)),
                    "{} {:?}",
                    incident.code,
                    incident.stage
                );
                assert!(due <= next);
            }
            Stage::Accepted { remind, arrive_by } | Stage::OnTheWay { remind, arrive_by } => {
                assert!(remind.is_none_or(|r| r <= arrive_by) && due <= arrive_by);
                assert!(!urgent || arrive_by - book.last_at() <= ARRIVE_MAX);
                assert!(incident.active().next().is_some(), "accepted by nobody");
            }
            Stage::OnScene { next, .. } => {
                assert!(due <= next);
                assert!(incident.on_scene() > 0, "on scene without anybody");
            }
            Stage::Resolved { .. } | Stage::FollowedUp { .. } => panic!("open, and over"),
        }
    }
    assert!(book.open().next().is_none() || book.next_deadline().is_some());
}

/// Invariant 20, and codes that name one open incident.
fn device_and_class_and_code_are_its_own(book: &IncidentBook) {
    let mut places = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for i in book.open() {
        assert!(places.insert((i.device.clone(), i.class)), "two of {} {}", i.device, i.class);
        assert!(codes.insert(i.code), "two named {}", i.code);
        assert_eq!(book.by_code(i.code).map(|i| i.id), Some(i.id));
        let memory = book.device(&i.device).unwrap();
        assert_eq!(memory.open.get(&i.class), Some(&i.id));
    }
}

fn orders_belong_to_incidents(book: &IncidentBook) {
    let known = |order: &Order| {
        let held: &Incident = book.incident(order.id.incident).unwrap();
        let after_the_end = matches!(
            order.notice,
            Notice::Closed | Notice::FollowUpDue | Notice::CannotReach { .. }
        );
        assert!(held.orders.contains(&order.id));
        assert!(held.stage.is_open() || after_the_end, "{order:?} outlives its incident");
    };
    book.outstanding().for_each(known);
    let counted: usize = book.incidents().map(|i| i.orders.len()).sum();
    assert_eq!(counted, book.order_count());
    for incident in book.incidents() {
        let mut calls: BTreeMap<_, usize> = BTreeMap::new();
        for id in &incident.orders {
            let order = book.order(id).unwrap();
            if order.notice.is_call() {
                *calls.entry((&id.person, id.carrier)).or_default() += 1;
            }
        }
        assert!(calls.values().all(|n| *n <= 3), "calls pile up: {calls:?}");
    }
}
