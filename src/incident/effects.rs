//! What a fact causes: orders to people, events to machines, feedback to the device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::apply::by_of;
use super::book::OWED_MAX;
use super::{
    Call, Carrier, Effect, Entry, Fact, Incident, IncidentBook, Notice, Order, OrderId, OrderState,
    Outcome, Responder, Stage, StageName, Story, StoryKind,
};
use crate::terms::{
    At, Class, Command, DeviceId, EndpointId, FeedbackStage, IncidentId, PersonId, Report, Seq,
    What,
};

/// How many unsettled orders of one kind one person may have from one incident by one carrier. Own
/// choice: the oldest, the one before and the newest; see [`IncidentBook::thin_out`].
const ALIKE_MAX: usize = 3;

impl IncidentBook {
    /// People move: somebody accepts, sets out, arrives, gives it back, is counted out.
    pub(super) fn move_person(&mut self, entry: &Entry, fact: &Fact, effects: &mut Vec<Effect>) {
        let (incident, event) = match fact {
            Fact::Accepted { incident, .. } => (*incident, Some(StoryKind::Accepted)),
            Fact::SetOut { incident, .. } => (*incident, Some(StoryKind::OnTheWay)),
            Fact::Arrived { incident, .. } => (*incident, Some(StoryKind::OnScene)),
            Fact::Declined { incident, .. } | Fact::ArrivalMissed { incident } => (*incident, None),
            _ => return,
        };
        let wall = entry.wall;
        let before = self.incident(incident).map_or(0, |i| i.active().count());
        self.change(incident, |i| match fact {
            Fact::Accepted { by, enough, remind, arrive_by, takes_over, .. } => {
                if *takes_over {
                    i.release_coming(by);
                }
                if !i.responder(by).is_some_and(Responder::is_active) {
                    i.set_responder(by, Responder::Accepted);
                }
                i.times.accepted.get_or_insert(wall);
                let fresh = matches!(i.stage, Stage::Calling { .. } | Stage::Queued { .. });
                let there = matches!(i.stage, Stage::OnScene { .. });
                if (fresh && *enough) || (!fresh && !there && *takes_over) {
                    i.stage = Stage::Accepted { remind: Some(*remind), arrive_by: *arrive_by };
                }
            }
            Fact::SetOut { by, .. } => {
                i.set_responder(by, Responder::OnTheWay);
                i.times.on_the_way.get_or_insert(wall);
                if let Stage::Accepted { remind, arrive_by } = i.stage {
                    i.stage = Stage::OnTheWay { remind, arrive_by };
                }
            }
            Fact::Arrived { by, next, .. } => {
                i.set_responder(by, Responder::OnScene);
                i.times.on_scene.get_or_insert(wall);
                i.stage = Stage::OnScene { asked: 0, next: *next };
            }
            Fact::Declined { by, .. } => i.set_responder(by, Responder::Declined),
            _ => {
                for (_, what) in i.responders.iter_mut().filter(|(_, w)| w.is_active()) {
                    *what = Responder::TimedOut;
                }
            }
        });
        let joined = self.incident(incident).is_some_and(|i| i.active().count() > before);
        self.withdraw_pointless(incident, joined, effects);
        if event.is_some_and(|e| e != StoryKind::OnTheWay) {
            self.tell_device(incident, effects);
        }
        if let Some(event) = event {
            self.tell_story(entry, incident, event, &by_of(fact), effects);
        }
    }

    /// Facts that only note something beside the stage.
    pub(super) fn annotate(&mut self, entry: &Entry, fact: &Fact, effects: &mut Vec<Effect>) {
        match fact {
            Fact::RepeatSet { incident, next } => {
                self.change(*incident, |i| i.repeat = *next);
            }
            Fact::Exhausted { incident } => {
                self.change(*incident, |i| i.exhausted = i.exhausted.or(Some(entry.at)));
                self.tell_story(entry, *incident, StoryKind::Exhausted, &[], effects);
            }
            Fact::ArrivalReminded { incident } => {
                self.change(*incident, |i| match &mut i.stage {
                    Stage::Accepted { remind, .. } | Stage::OnTheWay { remind, .. } => {
                        *remind = None;
                    }
                    _ => {}
                });
            }
            Fact::SceneAsked { incident, asked, next } => {
                self.change(*incident, |i| {
                    if matches!(i.stage, Stage::OnScene { .. }) {
                        i.stage = Stage::OnScene { asked: *asked, next: *next };
                    }
                });
                if *asked >= super::deadline::ASKED_UNTIL_DISTRICT {
                    self.tell_story(entry, *incident, StoryKind::Escalated, &[], effects);
                }
            }
            Fact::SceneHeard { incident, next, .. } => {
                self.change(*incident, |i| {
                    if matches!(i.stage, Stage::OnScene { .. }) {
                        i.stage = Stage::OnScene { asked: 0, next: *next };
                    }
                });
            }
            Fact::HelpAsked { incident, needs } => {
                self.change(*incident, |i| i.needs = *needs);
            }
            Fact::ResidentCancelled { incident } => {
                self.change(*incident, |i| i.cancelled = true);
            }
            Fact::BackToNormal { incident } => {
                self.change(*incident, |i| i.back_to_normal = true);
            }
            Fact::Silenced { incident, until, .. } => {
                self.change(*incident, |i| i.silenced = Some(*until));
            }
            Fact::SilenceEnded { incident } => {
                self.change(*incident, |i| i.silenced = None);
            }
            Fact::FollowUpAsked { incident, next } => {
                self.change(*incident, |i| {
                    if let Stage::Resolved { follow_up, .. } = &mut i.stage {
                        *follow_up = *next;
                    }
                });
            }
            Fact::FollowedUp { incident, by, score, .. } => {
                self.change(*incident, |i| {
                    let Stage::Resolved { ending, .. } = i.stage else { return };
                    let (by, score, since) = (by.clone(), *score, entry.at);
                    i.stage = Stage::FollowedUp { by, ending, score, since };
                    i.times.followed_up.get_or_insert(entry.wall);
                });
                self.tell_story(entry, *incident, StoryKind::FollowedUp, &by_of(fact), effects);
            }
            _ => {}
        }
    }

    /// Gives one order for each person and carrier.
    pub(super) fn give_orders(
        &mut self,
        entry: &Entry,
        incident: IncidentId,
        notice: &Notice,
        calls: &[Call],
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.incidents.get(&incident) else { return };
        let (class, epoch) = (held.class, held.epoch);
        if notice.is_call() {
            let called: BTreeSet<&PersonId> = calls.iter().map(|call| &call.person).collect();
            let stale = |o: &Order| o.notice.stands_down() && called.contains(&o.id.person);
            self.withdraw(incident, stale, effects);
        }
        self.thin_out(incident, notice, calls, effects);
        let mut given = BTreeSet::new();
        for call in calls {
            for carrier in &call.by {
                let id = OrderId {
                    cause: entry.seq,
                    incident,
                    person: call.person.clone(),
                    carrier: *carrier,
                    attempt: 1,
                };
                self.orders.insert(
                    id.clone(),
                    Order {
                        id: id.clone(),
                        notice: notice.clone(),
                        class,
                        epoch,
                        state: OrderState::Pending,
                        maybe_sent: false,
                    },
                );
                given.insert(id.clone());
                effects.push(Effect::Order(id));
            }
        }
        self.change(incident, |i| {
            i.orders.append(&mut given);
            if let Notice::CannotReach { person, by } = notice {
                i.unreachable.insert((person.clone(), *by));
            }
        });
    }

    /// Makes room for one more order of its kind to each person by each carrier. The oldest keeps its
    /// place in a carrier's queue, so that a storm starves nobody; the newest says how things stand,
    /// so that a carrier that forgot the oldest is asked again; what lies between is withdrawn.
    fn thin_out(
        &mut self,
        incident: IncidentId,
        notice: &Notice,
        calls: &[Call],
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.incidents.get(&incident) else { return };
        let mut waiting: BTreeMap<(&PersonId, Carrier), Vec<&OrderId>> = BTreeMap::new();
        for id in &held.orders {
            if self.orders.get(id).is_some_and(|order| notice.is_alike(&order.notice)) {
                waiting.entry((&id.person, id.carrier)).or_default().push(id);
            }
        }
        let mut between = BTreeSet::new();
        for call in calls {
            for carrier in &call.by {
                let ids = waiting.get(&(&call.person, *carrier)).map_or(&[][..], Vec::as_slice);
                if let [_, middle @ .., _] = ids
                    && ids.len() >= ALIKE_MAX
                {
                    between.extend(middle.iter().map(|id| (*id).clone()));
                }
            }
        }
        self.withdraw(incident, |order| between.contains(&order.id), effects);
    }

    /// Settles an order, or puts it off as the next attempt.
    pub(super) fn settle_order(
        &mut self,
        entry: &Entry,
        id: &OrderId,
        outcome: &Outcome,
        retry: Option<At>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(order) = self.drop_order(id) else { return };
        self.change(id.incident, |i| {
            i.orders.remove(id);
        });
        if let Some(at) = retry {
            let next = OrderId { attempt: id.attempt.saturating_add(1), ..id.clone() };
            self.retries.insert((at, next.clone()));
            self.change(id.incident, |i| {
                i.orders.insert(next.clone());
            });
            let state = OrderState::Later(at);
            let maybe_sent = order.maybe_sent || matches!(outcome, Outcome::Unknown { .. });
            self.orders.insert(next.clone(), Order { id: next, state, maybe_sent, ..order });
            return;
        }
        if outcome.is_handed_over() {
            self.reached(&order, effects);
            if id.carrier == Carrier::Sms {
                let (person, epoch) = (id.person.clone(), order.epoch);
                self.change(id.incident, |i| {
                    let newest = i.texted.entry(person).or_insert(epoch);
                    *newest = epoch.max(*newest);
                });
            }
        }
        if order.notice.is_call() && outcome.is_handed_over() {
            let told = [(id.person.clone(), Some(id.carrier))];
            self.tell_story(entry, id.incident, StoryKind::Notified, &told, effects);
        }
    }

    /// A person was reached: what older orders were to say there is said, and nobody needs to hear
    /// that they could not be reached.
    fn reached(&mut self, order: &Order, effects: &mut Vec<Effect>) {
        let OrderId { cause, incident, person, carrier, .. } = &order.id;
        let missing = Notice::CannotReach { person: person.clone(), by: *carrier };
        let said = |o: &Order| {
            let same_way = o.id.person == *person && o.id.carrier == *carrier;
            same_way && o.id.cause < *cause && order.notice.is_alike(&o.notice)
        };
        self.withdraw(*incident, |o| o.notice == missing || said(o), effects);
        let way = (person.clone(), *carrier);
        if self.incident(*incident).is_some_and(|held| held.unreachable.contains(&way)) {
            self.change(*incident, |i| {
                i.unreachable.remove(&way);
            });
        }
    }

    /// Takes an order out of every table.
    pub(super) fn drop_order(&mut self, id: &OrderId) -> Option<Order> {
        let order = self.orders.remove(id)?;
        if let OrderState::Later(at) = order.state {
            self.retries.remove(&(at, id.clone()));
        }
        Some(order)
    }

    /// Withdraws an incident's orders that `pointless` picks.
    pub(super) fn withdraw(
        &mut self,
        incident: IncidentId,
        pointless: impl Fn(&Order) -> bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.incidents.get(&incident) else { return };
        let gone: Vec<OrderId> = held
            .orders
            .iter()
            .filter(|id| self.orders.get(id).is_some_and(&pointless))
            .cloned()
            .collect();
        if gone.is_empty() {
            return;
        }
        self.change(incident, |i| {
            for id in &gone {
                i.orders.remove(id);
            }
        });
        for id in gone {
            self.drop_order(&id);
            effects.push(Effect::Withdrawn(id));
        }
    }

    /// Once somebody has it, calls to the others are pointless; calls to those who have answered
    /// always are. A hazard calls everybody who has not answered; a call for more hands becomes
    /// pointless only when somebody `joined`, because it was made while enough were coming.
    fn withdraw_pointless(
        &mut self,
        incident: IncidentId,
        joined: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.incidents.get(&incident) else { return };
        if held.orders.is_empty() {
            return;
        }
        let held = held.clone();
        self.withdraw(incident, |order| held.has_no_use_for(order, joined), effects);
    }

    /// Owes an event to every endpoint that asks for it.
    pub(super) fn tell_story(
        &mut self,
        entry: &Entry,
        incident: IncidentId,
        event: StoryKind,
        people: &[(PersonId, Option<Carrier>)],
        effects: &mut Vec<Effect>,
    ) {
        let Some(held) = self.incidents.get(&incident).cloned() else { return };
        let policy = self.policy();
        let mut story = None;
        for (endpoint, wants) in &policy.endpoints {
            if !wants.wants(held.class, event) {
                continue;
            }
            story.get_or_insert_with(|| Story::of(entry, &held, event, people));
            let owed = self.owed.entry(endpoint.clone()).or_default();
            owed.insert(entry.seq);
            effects.push(Effect::Story(entry.seq, endpoint.clone()));
            if owed.len() > OWED_MAX
                && let Some(oldest) = owed.pop_first()
            {
                *self.dropped.entry(endpoint.clone()).or_default() += 1;
                self.forget_story(oldest);
            }
        }
        if let Some(story) = story {
            self.stories.insert(entry.seq, Arc::new(story));
        }
    }

    /// Notes that an endpoint is done with an event.
    pub(super) fn settle_story(&mut self, endpoint: &EndpointId, seq: Seq) {
        if self.owed.get_mut(endpoint).is_some_and(|owed| owed.remove(&seq)) {
            self.forget_story(seq);
        }
    }

    fn forget_story(&mut self, seq: Seq) {
        if !self.owed.values().any(|owed| owed.contains(&seq)) {
            self.stories.remove(&seq);
        }
    }

    /// Tells a device how far its call has come.
    pub(super) fn tell_device(&self, incident: IncidentId, effects: &mut Vec<Effect>) {
        effects.extend(self.feedback(incident).map(Effect::Feedback));
    }

    /// What a report's sender is told at once: stored, or how far the call already is that it
    /// belongs to, so that a light that says "somebody is coming" does not go back. What begins no
    /// call, a cancel key, a test, an empty battery, belongs to the most urgent one of its device.
    pub(super) fn answer_to(&self, report: &Report) -> Command {
        let class = match report.what {
            What::Pulse(kind) | What::Level { kind, .. } => Some(kind.class()),
            What::Cancel | What::Presence { .. } | What::Sign(_) | What::Telemetry => None,
        };
        let begins = class.filter(|class| !report.test && answers_a_resident(*class));
        let open = self.devices.get(&report.device).and_then(|memory| match begins {
            Some(class) => memory.open.get(&class),
            None => memory.open.iter().find(|(c, _)| answers_a_resident(**c)).map(|(_, id)| id),
        });
        let stage = open
            .and_then(|id| self.incident(*id))
            .map_or(FeedbackStage::Stored, |held| feedback_stage(held.stage.name()));
        Command { device: report.device.clone(), mark: report.mark, stage }
    }

    /// Nothing for what a resident did not ask for, and nothing where a higher class answers the
    /// same signal: a closed order must not put out the light of an emergency.
    fn feedback(&self, incident: IncidentId) -> Option<Command> {
        let held = self.incident(incident)?;
        if !answers_a_resident(held.class) {
            return None;
        }
        let higher = self.devices.get(&held.device).into_iter().flat_map(|memory| &memory.open);
        let mut higher = higher.filter(|(class, _)| **class < held.class);
        if higher.any(|(_, id)| self.incident(*id).is_some_and(|other| other.mark == held.mark)) {
            return None;
        }
        let stage = feedback_stage(held.stage.name());
        Some(Command { device: held.device.clone(), mark: held.mark, stage })
    }

    /// What a device that has just come back has to be told: how far each of its calls has come.
    pub fn feedback_for(&self, device: &DeviceId) -> Vec<Command> {
        let Some(memory) = self.devices.get(device) else { return Vec::new() };
        let over = memory.over.values().map(|(id, _)| id).filter(|_| memory.open.is_empty());
        memory.open.values().chain(over).filter_map(|id| self.feedback(*id)).collect()
    }
}

/// Whether a resident waits for an answer by a light.
fn answers_a_resident(class: Class) -> bool {
    !matches!(class, Class::Coverage | Class::Fault)
}

fn feedback_stage(stage: StageName) -> FeedbackStage {
    match stage {
        StageName::Queued | StageName::Calling => FeedbackStage::Stored,
        StageName::Accepted | StageName::OnTheWay => FeedbackStage::Accepted,
        StageName::OnScene => FeedbackStage::OnScene,
        StageName::Resolved | StageName::FollowedUp => FeedbackStage::Closed,
    }
}

impl Incident {
    /// Whether an order has become pointless; see [`IncidentBook::withdraw_pointless`].
    pub(super) fn has_no_use_for(&self, order: &Order, joined: bool) -> bool {
        let calling = matches!(self.stage, Stage::Calling { .. } | Stage::Queued { .. });
        let wanted =
            calling || self.class == Class::Hazard || self.active().count() < self.needs.into();
        let has_answered = |person| self.responder(person).is_some_and(|r| r != Responder::Called);
        if let Notice::CannotReach { person, .. } = &order.notice {
            return !wanted || has_answered(person);
        }
        let answered = has_answered(&order.id.person);
        let unwanted = !wanted && (joined || order.notice != Notice::Reinforce);
        order.notice.is_call() && (unwanted || answered)
    }
}

impl Outcome {
    /// Whether the message left the house.
    pub fn is_handed_over(&self) -> bool {
        matches!(self, Self::HandedOver | Self::Arrived | Self::Seen)
    }
}

impl Story {
    fn of(
        entry: &Entry,
        incident: &Incident,
        event: StoryKind,
        people: &[(PersonId, Option<Carrier>)],
    ) -> Self {
        Self {
            seq: entry.seq,
            event,
            wall: entry.wall,
            clock_trusted: entry.trusted,
            incident: incident.id,
            code: incident.code,
            class: incident.class,
            kind: incident.kind,
            stage: match incident.stage {
                // Its first call stands beside it in the same batch.
                Stage::Queued { until } if until <= entry.at => StageName::Calling,
                _ => incident.stage.name(),
            },
            epoch: incident.epoch,
            rung: incident.rung(),
            press_count: incident.presses,
            device: incident.device.clone(),
            resident: incident.resident.clone(),
            times: incident.times,
            people: people.to_vec(),
            test: incident.class == Class::Test,
            bed: incident.bed.clone(),
        }
    }
}

impl Notice {
    /// Whether it belongs to a step after the first: the outside is told that it escalated.
    pub(super) fn is_later_step(&self) -> bool {
        matches!(self, Self::Escalated | Self::PressedAgain | Self::NotArrived | Self::Declined)
    }

    /// Whether the newer of the two says all that the older one does.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        (self.is_call() && other.is_call()) || self == other
    }

    /// Whether it tells somebody that they need not come: wrong for whoever is called after it.
    pub(super) fn stands_down(&self) -> bool {
        matches!(self, Self::Taken { .. } | Self::Closed)
    }

    /// Whether it speaks of a call that is over once another epoch begins.
    pub(super) fn belongs_to_its_epoch(&self) -> bool {
        self.stands_down()
            || matches!(self, Self::YouAccepted | Self::ArrivalReminder | Self::FollowUpDue)
    }
}
