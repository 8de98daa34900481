//! Applying a fact: the only way state changes, live and in replay alike.
//!
//! A fact about an incident that is not in memory changes nothing: the record may be read from the
//! middle. Programmer errors cannot be told from damage here, so nothing asserts.

use std::sync::Arc;

use super::stage::PRESSES_KEPT;
use super::{
    Effect, Entry, Fact, Incident, IncidentBook, Notice, OrderId, OrderState, Policy, Responder,
    Resumed, Stage, StoryKind, Why,
};
use crate::terms::{
    At, Class, DeviceId, EndpointId, IncidentId, Kind, Mark, NoteId, PersonId, Report, Wall, What,
};

impl IncidentBook {
    /// Applies one entry and returns what has to leave the house because of it, once it is on disk.
    /// A replay drops what is returned: see the drain law at the head of the book.
    pub fn apply(&mut self, entry: &Entry) -> Vec<Effect> {
        self.heed_clock(entry);
        self.life.note_entry(entry);
        let mut effects = Vec::new();
        match &entry.fact {
            Fact::PolicyTaken { text } => self.take_policy(text),
            Fact::RegistryChanged { change } => self.change_registry(entry.seq, change),
            Fact::RegistryBrought { import, change } => self.bring(*import, change),
            Fact::RegistryTaken { import, .. } => self.take(entry.seq, *import),
            Fact::HubStarted { hub, .. } => {
                self.drop_unfinished();
                self.start_as(hub.as_ref());
            }
            Fact::ClockResumed { how, boot, .. } => {
                self.boot = Some((boot.clone(), entry.at));
                if *how == Resumed::Unknown {
                    self.everything_due(entry.at);
                }
            }
            Fact::NoteKept { note, text } => {
                self.last_note = self.last_note.max(note.0);
                self.notes.insert(*note, (None, text.clone()));
            }
            Fact::AnswerHeard { answer, ignored } => {
                self.words.hear(answer, *ignored, entry.wall);
                if let Some(note) = answer.note {
                    self.pin_note(note, answer.incident);
                }
            }
            Fact::Reported { report } => self.note_report(entry.wall, report, &mut effects),
            Fact::OutcomeHeard { order, outcome, retry } => {
                self.settle_order(entry, order, outcome, *retry, &mut effects);
            }
            Fact::Delivered { endpoint, took, refused } => {
                let gone = took.iter().chain(refused.iter().map(|(seq, _)| seq));
                gone.for_each(|seq| self.settle_story(endpoint, *seq));
            }
            Fact::DeadlineCame { why: Why::Retry(order), .. } => self.retry(order, &mut effects),
            Fact::SegmentsRetired { retired } => self.retired = self.retired.max(retired.through),
            Fact::EndpointGivenUp { endpoint, .. } => self.give_up(endpoint),
            Fact::BoxReplaced { taken } => self.leave_out(entry, taken.left_out),
            Fact::WorkBegun { .. }
            | Fact::WorkEnded { .. }
            | Fact::PointTested { .. }
            | Fact::HeldBack { .. }
            | Fact::DeviceSwapped { .. } => self.apply_to_work(entry, &entry.fact),
            Fact::LifePlanTaken { .. }
            | Fact::SignOfLife { .. }
            | Fact::WindowJudged { .. }
            | Fact::WindowMissed { .. }
            | Fact::AwaySaid { .. } => self.apply_to_life(entry),
            Fact::DutyChanged { .. } | Fact::DutyUndone { .. } => self.apply_to_duty(entry),
            Fact::PowerSaid { .. } | Fact::HubTrouble { .. } => self.apply_to_power(entry),
            Fact::BedEnding { .. } => self.note_bed(entry),
            Fact::MessagesMissed { device, count } => self.note_missed(entry, device, *count),
            Fact::BatteryLevel { device, percent } => self.note_level(entry.wall, device, *percent),
            Fact::HubStopped
            | Fact::RosterTaken { .. }
            | Fact::SignalRefused { .. }
            | Fact::DeadlineCame { .. }
            | Fact::Found { .. } => {}
            about_an_incident => self.apply_to_incident(entry, about_an_incident, &mut effects),
        }
        effects
    }

    /// An order that waited for another try is to be sent now.
    fn retry(&mut self, order: &OrderId, effects: &mut Vec<Effect>) {
        if let Some(held) = self.orders.get_mut(order)
            && let OrderState::Later(at) = held.state
        {
            held.state = OrderState::Pending;
            self.retries.remove(&(at, order.clone()));
            effects.push(Effect::Order(order.clone()));
        }
    }

    fn note_missed(&mut self, entry: &Entry, device: &DeviceId, count: u32) {
        let memory = self.devices.entry(device.clone()).or_default();
        memory.note_missed(entry.at, entry.wall, count);
    }

    fn give_up(&mut self, endpoint: &EndpointId) {
        for seq in self.owed.get(endpoint).cloned().unwrap_or_default() {
            self.settle_story(endpoint, seq);
        }
        self.dropped.remove(endpoint);
    }

    /// Another box may have used the numbers up to here.
    fn leave_out(&mut self, entry: &Entry, count: u64) {
        if count > 0 {
            self.last_incident = self.last_incident.saturating_add(count);
            self.last_note = self.last_note.saturating_add(count);
            self.left_out = (entry.seq, self.left_out.1.saturating_add(count));
        }
    }

    fn apply_to_incident(&mut self, entry: &Entry, fact: &Fact, effects: &mut Vec<Effect>) {
        match fact {
            Fact::Raised { incident, .. } => {
                self.raise(entry, fact);
                self.tell_story(entry, *incident, StoryKind::Raised, &[], effects);
            }
            Fact::Called { .. } => self.call(entry, fact, effects),
            Fact::Told { incident, notice, to } => {
                if notice.is_call() {
                    self.change(*incident, |i| {
                        for call in to {
                            if !i.responder(&call.person).is_some_and(Responder::is_active) {
                                i.set_responder(&call.person, Responder::Called);
                            }
                        }
                    });
                }
                if *notice == Notice::PressedMeanwhile {
                    self.change(*incident, |i| i.told_of_press = Some(entry.at));
                }
                self.give_orders(entry, *incident, notice, to, effects);
            }
            Fact::PressedAgain { incident, mark, moved, kind } => {
                self.press_again(entry.at, *incident, *mark, *moved);
                if let Some(kind) = *kind {
                    self.change(*incident, |i| i.kind = kind);
                }
                self.tell_device(*incident, effects);
            }
            Fact::ClassChanged { incident, to } => self.change_class(*incident, *to),
            Fact::Resolved { incident, .. } => {
                self.resolve(entry, fact, effects);
                self.tell_story(entry, *incident, StoryKind::Resolved, &by_of(fact), effects);
            }
            Fact::Reopened { incident, mark } => {
                self.reopen(entry.at, *incident, *mark);
                self.tell_story(entry, *incident, StoryKind::Reopened, &[], effects);
            }
            Fact::Filed { incident } => self.file(*incident, effects),
            Fact::Accepted { .. }
            | Fact::SetOut { .. }
            | Fact::Arrived { .. }
            | Fact::Declined { .. }
            | Fact::ArrivalMissed { .. } => self.move_person(entry, fact, effects),
            other => self.annotate(entry, other, effects),
        }
    }

    /// Changes one incident and keeps the derived tables in step.
    pub(super) fn change(&mut self, id: IncidentId, change: impl FnOnce(&mut Incident)) -> bool {
        let Some(held) = self.incidents.get_mut(&id) else { return false };
        if let Some((at, _)) = held.next_deadline() {
            self.deadlines.remove(&(at, id));
        }
        let incident = Arc::make_mut(held);
        change(incident);
        if let Some((at, _)) = incident.next_deadline() {
            self.deadlines.insert((at, id));
        }
        let (home, is_open) = (incident.home.clone(), incident.stage.is_open());
        match is_open {
            true => self.open.insert(id),
            false => self.open.remove(&id),
        };
        if let Some(home) = home {
            let of_home = self.open_by_home.entry(home.clone()).or_default();
            match is_open {
                true => of_home.insert(id),
                false => of_home.remove(&id),
            };
            if of_home.is_empty() {
                self.open_by_home.remove(&home);
            }
        }
        true
    }

    fn take_policy(&mut self, text: &str) {
        let hash = Policy::hash_of(text);
        // What is owed stays owed when nobody can read to whom.
        let endpoints = || self.policy().endpoints.clone();
        let policy = Policy::from_text(text)
            .unwrap_or_else(|| Policy { endpoints: endpoints(), ..Policy::loud() });
        self.owed.retain(|endpoint, _| policy.endpoints.contains_key(endpoint));
        for endpoint in policy.endpoints.keys() {
            self.owed.entry(endpoint.clone()).or_default();
        }
        let owed = &self.owed;
        self.stories.retain(|seq, _| owed.values().any(|seqs| seqs.contains(seq)));
        self.policies.insert(hash.clone(), Arc::new(policy));
        let incidents = &self.incidents;
        self.policies
            .retain(|known, _| *known == hash || incidents.values().any(|i| i.policy == *known));
        self.policy = Some(hash);
    }

    /// Nobody knows how long the hub was away: every open deadline is due now.
    fn everything_due(&mut self, now: At) {
        for id in self.open.clone() {
            self.change(id, |i| {
                match &mut i.stage {
                    Stage::Queued { until: at }
                    | Stage::Calling { next: at, .. }
                    | Stage::OnScene { next: at, .. } => *at = now.min(*at),
                    Stage::Accepted { remind, arrive_by }
                    | Stage::OnTheWay { remind, arrive_by } => {
                        *remind = remind.map(|at| now.min(at));
                        *arrive_by = now.min(*arrive_by);
                    }
                    Stage::Resolved { .. } | Stage::FollowedUp { .. } => {}
                }
                i.repeat = i.repeat.map(|at| now.min(at));
                i.silenced = i.silenced.map(|at| now.min(at));
            });
        }
        for (at, id) in std::mem::take(&mut self.retries) {
            if let Some(order) = self.orders.get_mut(&id) {
                order.state = OrderState::Later(now.min(at));
            }
            self.retries.insert((now.min(at), id));
        }
    }

    fn note_report(&mut self, wall: Wall, report: &Report, effects: &mut Vec<Effect>) {
        let at = report.heard_at;
        if report.what.must_survive() && !matches!(report.what, What::Presence { .. }) {
            effects.push(Effect::Feedback(self.answer_to(report)));
        }
        // What a stranger said in a test, with the cancel key or of its battery is not worth a place
        // for ever.
        let stranger = self.registry.device(&report.device).is_none();
        let passing = match report.what {
            What::Cancel => true,
            What::Level { kind, .. } if kind.class() == Class::Fault => true,
            _ => report.test,
        };
        if stranger && passing && !self.devices.contains_key(&report.device) {
            return;
        }
        let memory = self.devices.entry(report.device.clone()).or_default();
        match report.what {
            What::Presence { online } => memory.online = Some(online),
            // A test must not hide what is real: neither as a repeat, nor as a known level.
            _ if report.test => {
                memory.note(report.mark, None, at);
                memory.tested = Some(wall);
            }
            What::Pulse(kind) => {
                memory.note(report.mark, Some(kind), at);
                memory.count_alarm(at);
                // A real call proves the point as well as a test does.
                memory.tested = Some(wall);
                if kind == Kind::Service {
                    memory.service.push(at);
                    let extra = memory.service.len().saturating_sub(PRESSES_KEPT);
                    memory.service.drain(..extra);
                }
            }
            What::Level { kind, on } => {
                memory.note(report.mark, None, at);
                memory.levels.insert(kind, super::Level { on, since: at });
            }
            What::Cancel | What::Sign(_) | What::Telemetry => memory.note(report.mark, None, at),
        }
    }

    fn raise(&mut self, entry: &Entry, fact: &Fact) {
        let Some(mut raised) = Incident::begun(entry.at, entry.wall, fact) else { return };
        raised.clock_trusted = entry.trusted;
        let id = raised.id;
        self.last_incident = self.last_incident.max(id.0);
        let pool = self.codes.entry(raised.code.letter()).or_default();
        pool.take(raised.code.number(), entry.at);
        self.by_code.insert((raised.code, id));
        let memory = self.devices.entry(raised.device.clone()).or_default();
        memory.open.insert(raised.class, id);
        self.incidents.insert(id, Arc::new(raised));
        self.change(id, |_| {});
    }

    fn call(&mut self, entry: &Entry, fact: &Fact, effects: &mut Vec<Effect>) {
        let Fact::Called { incident, epoch, rung, lap, notice, calls, next } = fact else { return };
        let restarts = self.incident(*incident).is_some_and(|i| *epoch > i.epoch);
        self.change(*incident, |i| {
            if restarts {
                i.epoch = *epoch;
                i.exhausted = None;
            }
            i.rung_reached = i.rung_reached.max(*rung);
            i.stage = Stage::Calling { rung: *rung, lap: *lap, since: entry.at, next: *next };
            for call in calls {
                if !i.responder(&call.person).is_some_and(Responder::is_active) {
                    i.set_responder(&call.person, Responder::Called);
                }
            }
        });
        if restarts {
            self.withdraw(*incident, |order| order.notice.belongs_to_its_epoch(), effects);
            self.tell_device(*incident, effects);
        }
        self.give_orders(entry, *incident, notice, calls, effects);
        if notice.is_later_step() {
            let people: Vec<_> = calls
                .iter()
                .flat_map(|c| c.by.iter().map(|by| (c.person.clone(), Some(*by))))
                .collect();
            self.tell_story(entry, *incident, StoryKind::Escalated, &people, effects);
        }
    }

    fn press_again(&mut self, at: At, incident: IncidentId, mark: Option<Mark>, moved: bool) {
        self.change(incident, |i| {
            i.presses = i.presses.saturating_add(1);
            i.recent.push(at);
            let extra = i.recent.len().saturating_sub(PRESSES_KEPT);
            i.recent.drain(..extra);
            i.mark = mark.or(i.mark);
            i.cancelled = false;
            i.back_to_normal = false;
            if moved {
                i.moved = Some(at);
            }
        });
    }

    fn change_class(&mut self, incident: IncidentId, to: Class) {
        let Some(held) = self.incidents.get(&incident).cloned() else { return };
        let memory = self.devices.entry(held.device.clone()).or_default();
        memory.open.remove(&held.class);
        memory.open.insert(to, incident);
        self.change(incident, |i| {
            i.class = to;
            i.rung_reached = 0;
            i.night = false;
            i.forget_refusals();
        });
        let needs = self.needs_of(incident).max(held.needs);
        self.change(incident, |i| i.needs = needs);
    }

    fn resolve(&mut self, entry: &Entry, fact: &Fact, effects: &mut Vec<Effect>) {
        let Fact::Resolved { incident, by, ending, follow_up, .. } = fact else { return };
        let Some(held) = self.incidents.get(incident).cloned() else { return };
        let waits = self.policy_of(&held).waits;
        self.change(*incident, |i| {
            i.stage = Stage::Resolved {
                by: by.clone(),
                ending: *ending,
                since: entry.at,
                follow_up: *follow_up,
            };
            for (_, what) in &mut i.responders {
                if what.is_active() || *what == Responder::Called {
                    *what = Responder::Done;
                }
            }
            i.repeat = None;
            i.silenced = None;
            i.file_at = Some(entry.at + waits.keep);
            i.times.resolved = Some(entry.wall);
        });
        let pool = self.codes.entry(held.code.letter()).or_default();
        // As long as it may be reopened, nobody else may have its code.
        pool.rest(held.code.number(), entry.at + waits.code_rest.max(waits.reopen));
        let memory = self.devices.entry(held.device.clone()).or_default();
        memory.open.remove(&held.class);
        memory.over.insert(held.class, (*incident, entry.at));
        if held.class.is_urgent() && ending.was_nothing() {
            memory.note_false_alarm(entry.at);
        }
        self.agree_to_hub(held.kind);
        self.withdraw(*incident, |_| true, effects);
        self.tell_device(*incident, effects);
    }

    fn reopen(&mut self, at: At, incident: IncidentId, mark: Option<Mark>) {
        let Some(held) = self.incidents.get(&incident).cloned() else { return };
        self.codes.entry(held.code.letter()).or_default().take(held.code.number(), at);
        let memory = self.devices.entry(held.device.clone()).or_default();
        memory.over.remove(&held.class);
        memory.open.insert(held.class, incident);
        let needs = self.needs_of(incident);
        self.change(incident, |i| {
            i.stage = Stage::Queued { until: at };
            i.file_at = None;
            i.needs = needs;
            i.forget_refusals();
        });
        self.press_again(at, incident, mark, false);
    }

    /// How many people the incident's ladder asks for.
    fn needs_of(&self, incident: IncidentId) -> u8 {
        self.incident(incident).map_or(1, |i| self.ladder_of(i).needs.max(1))
    }

    fn file(&mut self, incident: IncidentId, effects: &mut Vec<Effect>) {
        self.withdraw(incident, |_| true, effects);
        let Some(held) = self.incidents.remove(&incident) else { return };
        if let Some((at, _)) = held.next_deadline() {
            self.deadlines.remove(&(at, incident));
        }
        self.open.remove(&incident);
        self.by_code.remove(&(held.code, incident));
        for note in self.notes_by.remove(&incident).unwrap_or_default() {
            self.notes.remove(&note);
        }
        if let Some(memory) = self.devices.get_mut(&held.device) {
            memory.over.retain(|_, (id, _)| *id != incident);
        }
        self.forget_device(&held.device);
    }

    /// A device in no list is remembered as long as an incident of it is.
    pub(super) fn forget_device(&mut self, device: &DeviceId) {
        let idle = |m: &super::DeviceMemory| m.open.is_empty() && m.over.is_empty();
        if self.registry.device(device).is_none() && self.devices.get(device).is_some_and(idle) {
            self.devices.remove(device);
        }
    }

    /// A note belongs to an incident in memory, or goes: the record keeps its words.
    fn pin_note(&mut self, note: NoteId, incident: IncidentId) {
        if !self.incidents.contains_key(&incident) {
            self.notes.remove(&note);
        } else if let Some(kept) = self.notes.get_mut(&note) {
            kept.0 = Some(incident);
            self.notes_by.entry(incident).or_default().insert(note);
        }
    }
}

/// Whom a fact is about, as events tell it.
pub(super) fn by_of(fact: &Fact) -> Vec<(PersonId, Option<super::Carrier>)> {
    match fact {
        Fact::Accepted { by, .. }
        | Fact::SetOut { by, .. }
        | Fact::Arrived { by, .. }
        | Fact::Declined { by, .. }
        | Fact::Resolved { by, .. }
        | Fact::FollowedUp { by, .. } => vec![(by.clone(), None)],
        _ => Vec::new(),
    }
}
