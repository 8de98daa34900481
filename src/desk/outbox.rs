//! Orders and events on their way out: what waits, what a carrier holds, what it said.
//!
//! The book owns what is owed; this is only which part of it has been handed out in this run. A
//! full carrier keeps nobody waiting: the rest stays here, urgent classes first, and follows as
//! outcomes come in. After a restart everything outstanding is offered again under its old name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::sync::watch;
use tracing::{info, warn};

use super::letters::Writer;
use super::{Desk, Turn};
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::incident::{
    Answer, Carrier, Effect, IncidentBook, Move, OWED_MAX, OrderId, Outcome, Stimulus, Story,
    StoryKind, Trouble, Via,
};
use crate::notify::Still;
use crate::notify::endpoint::{
    EndpointHandle, EndpointReport, Health, LifeSign, Settled, StoryLetter,
};
use crate::notify::post::{CarrierHandle, Ended};
use crate::terms::{Class, EndpointId, Kind, Seq, Wait, Wall};

/// How many events a [`crate::incident::Fact::Delivered`] names, so that it fits an entry.
const SETTLED_PER_FACT: usize = 512;
/// How long carriers and endpoints may take to finish what is under way at an orderly stop.
pub(super) const STOP_WITHIN: Wait = Wait::secs(3);
/// Events of one endpoint that are written before their fact is on disk; the rest are written when
/// it is their turn. Own choice: two full turns, about 1 MB.
const WRITTEN_MAX: usize = 1_024;
/// Events of a backlog that one turn writes for one endpoint; the next turn follows at once. Own
/// choice: a press that comes meanwhile waits half a millisecond for them.
const ANEW_PER_TURN: usize = 32;
/// Tries in a row that must fail before a carrier is in trouble: one relay's hiccup is none.
const TROUBLE_AFTER: u32 = 3;

/// One carrier.
#[derive(Default)]
pub(super) struct CarrierOut {
    handle: Option<CarrierHandle>,
    /// Not handed out, the highest class first; urgent ones apart, since they have a lane of
    /// their own.
    urgent: BTreeSet<(Class, OrderId)>,
    quiet: BTreeSet<(Class, OrderId)>,
    held: BTreeMap<OrderId, Still>,
    resent: BTreeSet<OrderId>,
    failed: u32,
    pub(super) last_handed_over: Option<Wall>,
    pub(super) trouble: Option<String>,
}

/// One endpoint.
#[derive(Default)]
pub(super) struct EndpointOut {
    handle: Option<EndpointHandle>,
    /// Takes over when the one before has ended.
    pub(super) next: Option<EndpointHandle>,
    waiting: BTreeSet<Seq>,
    /// Incidents raised while the endpoint answers: they go before what an outage has left.
    alarms: BTreeSet<Seq>,
    /// Events written before it was their turn.
    written: BTreeMap<Seq, Bytes>,
    /// Events it has refused for good since the start.
    pub(super) refused: u64,
    pub(super) trouble: Option<String>,
    /// The topic that its broker does not let us hear.
    pub(super) unheard: Option<String>,
    /// Until when it asked to be left alone.
    pub(super) held_until: Option<Wall>,
}

/// What a replaced carrier had in its hands; those it did not end are offered to the new one.
#[derive(Debug)]
pub(super) struct Leaving {
    carrier: Carrier,
    held: Vec<OrderId>,
}

/// All ways out.
pub(super) struct Outbox {
    pub(super) carriers: BTreeMap<Carrier, CarrierOut>,
    pub(super) endpoints: BTreeMap<EndpointId, EndpointOut>,
    pub(super) writer: Writer,
    /// Orders that nobody can carry, with the reason.
    dead: VecDeque<(OrderId, String)>,
    /// What replaced carriers still have in their hands.
    leaving: BTreeMap<OrderId, Still>,
    /// When monitors were last told what is open.
    pub(super) said_again: super::alerts::SaidAgain,
    /// A turn was over before endpoints had all that they would take.
    more_to_tell: bool,
}

impl CarrierOut {
    /// How many letters are here or with the carrier; those that wait for another try are in the book.
    pub(super) fn waiting(&self) -> usize {
        self.urgent.len() + self.quiet.len() + self.held.len()
    }
}

/// What staff call the wire that a trouble is named by: a panel by its label, a bridge by what it
/// bridges, a line or a broker by its name.
fn called(subject: &str) -> String {
    let last = subject.rsplit('.').next().unwrap_or_default();
    if last == "zigbee2mqtt" { "Zigbee网桥".to_owned() } else { last.to_owned() }
}

impl Outbox {
    pub(super) fn new(
        carriers: impl IntoIterator<Item = (Carrier, Option<CarrierHandle>)>,
        endpoints: impl IntoIterator<Item = (EndpointId, Option<EndpointHandle>)>,
        writer: Writer,
    ) -> Self {
        let carriers = carriers
            .into_iter()
            .map(|(carrier, handle)| (carrier, CarrierOut { handle, ..CarrierOut::default() }));
        let endpoints = endpoints
            .into_iter()
            .map(|(endpoint, handle)| (endpoint, EndpointOut { handle, ..EndpointOut::default() }));
        Self {
            carriers: carriers.collect(),
            endpoints: endpoints.collect(),
            writer,
            dead: VecDeque::new(),
            leaving: BTreeMap::new(),
            said_again: BTreeMap::new(),
            more_to_tell: false,
        }
    }

    /// Another way out in place of a carrier, or none. The one before, to be ended, with what it has
    /// in its hands; and whether it was in trouble.
    pub(super) fn replace_carrier(
        &mut self,
        book: &IncidentBook,
        carrier: Carrier,
        handle: Option<CarrierHandle>,
    ) -> (Option<(CarrierHandle, Leaving)>, bool) {
        let is_set_up = handle.is_some();
        let before = self.carriers.remove(&carrier).unwrap_or_default();
        let held: Vec<OrderId> = before.held.keys().cloned().collect();
        self.leaving.extend(before.held);
        if is_set_up {
            self.carriers.insert(carrier, CarrierOut { handle, ..CarrierOut::default() });
        }
        for (_, id) in before.urgent.into_iter().chain(before.quiet) {
            let again = before.resent.contains(&id);
            self.offer_order(book, &id, again);
        }
        let ended = before.handle.map(|handle| (handle, Leaving { carrier, held }));
        (ended, before.trouble.is_some())
    }

    /// A carrier that is configured and cannot be opened shows, and what it has goes on.
    pub(super) fn set_up(&mut self, carrier: Carrier) {
        self.carriers.entry(carrier).or_default();
    }

    /// A replaced carrier has ended: what it did not end is offered again, under its old name.
    pub(super) fn offer_left(&mut self, book: &IncidentBook, left: &Leaving) {
        for id in &left.held {
            if self.leaving.remove(id).is_some() {
                info!(carrier = %left.carrier, order = %id, "offered again after a reload");
                self.offer_order(book, id, true);
            }
        }
    }

    /// Another endpoint in place of one, or none; what the one before had as troubles. It is told
    /// nothing before the one before has ended, or the order of an incident's events would be lost.
    pub(super) fn replace_endpoint(
        &mut self,
        endpoint: &EndpointId,
        handle: Option<EndpointHandle>,
    ) -> (Option<EndpointHandle>, Vec<Kind>) {
        let before = self.endpoints.remove(endpoint).unwrap_or_default();
        if handle.is_some() {
            let out = EndpointOut { next: handle, ..EndpointOut::default() };
            self.endpoints.insert(endpoint.clone(), out);
        }
        let troubles = [
            before.trouble.is_some().then_some(Kind::Endpoint),
            before.unheard.is_some().then_some(Kind::Access),
        ];
        (before.handle, troubles.into_iter().flatten().collect())
    }

    /// The endpoint before has ended: all that is owed up to `until` goes to this one.
    pub(super) fn open_endpoint(&mut self, book: &IncidentBook, endpoint: &EndpointId, until: Seq) {
        let Some(out) = self.endpoints.get_mut(endpoint) else { return };
        let Some(next) = out.next.take() else { return };
        out.handle = Some(next);
        out.written.clear();
        let owed = book.owed(endpoint).map(|story| story.seq);
        out.waiting.extend(owed.filter(|seq| *seq <= until));
        // They are owed as well, and must not go twice.
        out.waiting.append(&mut out.alarms);
    }

    /// After a restart: everything that was not settled is offered again under its old name.
    pub(super) fn resume(&mut self, book: &IncidentBook) {
        for order in book.outstanding() {
            self.offer_order(book, &order.id, true);
        }
        for (endpoint, out) in &mut self.endpoints {
            out.waiting.extend(book.owed(endpoint).map(|story| story.seq));
        }
    }

    pub(super) fn offer_order(&mut self, book: &IncidentBook, id: &OrderId, again: bool) {
        let Some(order) = book.order(id) else { return };
        match self.carriers.get_mut(&id.carrier) {
            Some(out) if out.handle.is_some() => {
                let lane = if order.class.is_urgent() { &mut out.urgent } else { &mut out.quiet };
                lane.insert((order.class, id.clone()));
                if again {
                    out.resent.insert(id.clone());
                }
            }
            _ => self.dead.push_back((id.clone(), format!("{} is not set up", id.carrier))),
        }
    }

    pub(super) fn offer_story(&mut self, book: &IncidentBook, endpoint: &EndpointId, seq: Seq) {
        let Some(out) = self.endpoints.get_mut(endpoint) else { return };
        let raised = book.story(seq).is_some_and(|story| story.event == StoryKind::Raised);
        let set = if raised && out.trouble.is_none() { &mut out.alarms } else { &mut out.waiting };
        set.insert(seq);
        if out.waiting.len() > OWED_MAX {
            // The book has dropped its oldest as well.
            out.waiting.pop_first();
        }
    }

    /// Takes an order back wherever it is; what is already on the wire cannot be stopped.
    pub(super) fn withdraw(&mut self, id: &OrderId) {
        if let Some(still) = self.leaving.get(id) {
            still.take_back();
        }
        let Some(out) = self.carriers.get_mut(&id.carrier) else { return };
        for class in Class::ALL {
            let key = (class, id.clone());
            out.urgent.remove(&key);
            out.quiet.remove(&key);
        }
        out.resent.remove(id);
        if let Some(still) = out.held.get(id) {
            still.take_back();
        }
    }

    /// Writes an event while its fact is on the way to the disk, so that only the sending is left.
    pub(super) fn prepare(&mut self, effect: &Effect, settings: &Settings, book: &IncidentBook) {
        let Effect::Story(seq, endpoint) = effect else { return };
        let Some(out) = self.endpoints.get_mut(endpoint) else { return };
        if out.handle.is_none() || out.written.len() >= WRITTEN_MAX {
            return;
        }
        if let Some(story) = book.story(*seq) {
            let body = self.writer.event(story, endpoint, settings, book);
            out.written.insert(*seq, body.into());
        }
    }

    /// Hands out as much as endpoints take.
    pub(super) fn tell_endpoints(&mut self, settings: &Settings, book: &IncidentBook) {
        self.more_to_tell = false;
        for (endpoint, out) in &mut self.endpoints {
            self.more_to_tell |= out.pump(endpoint, &self.writer, settings, book);
        }
    }

    /// Whether an endpoint would take more at once.
    pub(super) fn has_more_to_tell(&self) -> bool {
        self.more_to_tell
    }

    /// Where an endpoint takes signs of life; none before the one it replaces has ended.
    pub(super) fn life(&self, endpoint: &EndpointId) -> Option<&watch::Sender<Option<LifeSign>>> {
        self.endpoints.get(endpoint)?.handle.as_ref()?.life.as_ref()
    }

    /// Hands out as much as carriers take.
    pub(super) fn call_people(&mut self, settings: &Settings, book: &IncidentBook, clock: &Clock) {
        for out in self.carriers.values_mut() {
            out.pump(&self.writer, settings, book, clock);
        }
    }

    /// Ends carriers and endpoints; what is not settled stays outstanding.
    pub(super) async fn stop(&mut self) {
        let limit = STOP_WITHIN.std();
        let carriers = self.carriers.values_mut().filter_map(|out| out.handle.take());
        let endpoints =
            self.endpoints.values_mut().flat_map(|out| [out.handle.take(), out.next.take()]);
        let mut ending = tokio::task::JoinSet::new();
        for carrier in carriers {
            ending.spawn(carrier.stop(limit));
        }
        for endpoint in endpoints.flatten() {
            ending.spawn(endpoint.stop(limit));
        }
        while ending.join_next().await.is_some() {}
    }
}

impl CarrierOut {
    fn pump(&mut self, writer: &Writer, settings: &Settings, book: &IncidentBook, clock: &Clock) {
        let Some(handle) = &self.handle else { return };
        for lane in [&mut self.urgent, &mut self.quiet] {
            while let Some((_, id)) = lane.first() {
                let again = self.resent.contains(id);
                let order = book.order(id);
                let letter = order.and_then(|o| writer.letter(o, settings, book, clock, again));
                if let Some(letter) = letter {
                    let still = letter.still.clone();
                    if handle.lane(&letter).try_send(letter).is_err() {
                        break;
                    }
                    self.held.insert(id.clone(), still);
                }
                if let Some((_, id)) = lane.pop_first() {
                    self.resent.remove(&id);
                }
            }
        }
    }
}

/// Whether an event says that somebody's life may be in danger now.
fn is_urgent(story: &Story) -> bool {
    matches!(story.class, Class::Emergency | Class::Hazard)
        && matches!(story.event, StoryKind::Raised | StoryKind::Reopened)
}

impl EndpointOut {
    /// Hands out as much as the endpoint takes, some in each turn; whether it would take more.
    fn pump(
        &mut self,
        endpoint: &EndpointId,
        writer: &Writer,
        settings: &Settings,
        book: &IncidentBook,
    ) -> bool {
        let Some(handle) = &self.handle else { return false };
        let mut anew = 0;
        if handle.alarms.is_none() {
            // One by one: `append` would build the whole backlog anew.
            self.waiting.extend(std::mem::take(&mut self.alarms));
        }
        // Alarms first and to the last one: an incident's later events stand among the others.
        let alarms = handle.alarms.as_ref().map(|way| (&mut self.alarms, way));
        for (set, way) in alarms.into_iter().chain([(&mut self.waiting, &handle.offer)]) {
            while let Some(seq) = set.first().copied() {
                if anew >= ANEW_PER_TURN {
                    return true;
                }
                let Ok(place) = way.try_reserve() else { return false };
                set.pop_first();
                let written = self.written.remove(&seq);
                let Some(story) = book.story(seq).filter(|_| book.owes(endpoint, seq)) else {
                    continue;
                };
                anew += usize::from(written.is_none());
                let body =
                    written.unwrap_or_else(|| writer.event(story, endpoint, settings, book).into());
                let urgent = is_urgent(story);
                place.send(StoryLetter { seq, incident: story.incident, body, urgent });
            }
        }
        false
    }
}

impl Desk {
    /// A carrier is done with a letter.
    pub(super) fn end_order(&mut self, turn: &mut Turn, id: &OrderId, end: Ended) {
        self.outbox.leaving.remove(id);
        if let Some(out) = self.outbox.carriers.get_mut(&id.carrier) {
            out.held.remove(id);
        }
        let outcome = match end {
            Ended::Superseded => return,
            Ended::Answered { says, epoch } => return self.end_answered(turn, id, says, epoch),
            Ended::NotTaken(outcome) => outcome,
            Ended::Tried(outcome) => {
                self.note_carrier(turn, id.carrier, &outcome);
                outcome
            }
        };
        self.decide(turn, &Stimulus::Outcome(id.clone(), outcome));
    }

    /// The person heard it and pressed a key. What they heard is written down first: an answer takes the
    /// order back.
    fn end_answered(&mut self, turn: &mut Turn, id: &OrderId, says: Move, epoch: u32) {
        self.note_carrier(turn, id.carrier, &Outcome::Seen);
        self.decide(turn, &Stimulus::Outcome(id.clone(), Outcome::Seen));
        let (incident, by) = (id.incident, id.person.clone());
        let (epoch, via) = (Some(epoch), Via::Voice);
        let answer = Answer { incident, by, via, epoch, says, note: None, word: None };
        self.decide(turn, &Stimulus::Answered(answer, None));
    }

    /// Orders that nobody can carry are refused here, so that the person is reached otherwise.
    pub(super) fn refuse_dead(&mut self, turn: &mut Turn) {
        while let Some((id, why)) = self.outbox.dead.pop_front() {
            self.decide(turn, &Stimulus::Outcome(id, Outcome::Refused { why }));
        }
    }

    fn note_carrier(&mut self, turn: &mut Turn, carrier: Carrier, outcome: &Outcome) {
        let wall = self.clock.wall().wall;
        let Some(out) = self.outbox.carriers.get_mut(&carrier) else { return };
        let subject = carrier.word().to_owned();
        match outcome {
            Outcome::HandedOver | Outcome::Arrived | Outcome::Seen => {
                out.failed = 0;
                // The first one of a run settles what an earlier run has left.
                let first = out.last_handed_over.replace(wall).is_none();
                if out.trouble.take().is_some() || first {
                    info!(%carrier, "the carrier works");
                    self.trouble(turn, Kind::Carrier, subject, false);
                }
            }
            Outcome::TryLater { why, .. } | Outcome::Unknown { why } => {
                out.failed += 1;
                if out.failed == TROUBLE_AFTER && out.trouble.is_none() {
                    warn!(%carrier, %why, "the carrier fails");
                    out.trouble = Some(why.clone());
                    self.trouble(turn, Kind::Carrier, subject, true);
                }
            }
            // Of a group it says nothing about a person: a key, a sign or a keyword is wrong, and stays so.
            Outcome::Refused { why } if carrier.is_group() => {
                if out.trouble.is_none() {
                    warn!(%carrier, %why, "the carrier refuses everything");
                    out.trouble = Some(why.clone());
                    self.trouble(turn, Kind::Carrier, subject, true);
                }
            }
            // This person, not this carrier: the lead is told about the person.
            Outcome::Refused { .. } | Outcome::Superseded => {}
        }
    }

    /// An endpoint settled events, or its health changed.
    pub(super) fn end_stories(&mut self, turn: &mut Turn, report: EndpointReport) {
        let EndpointReport { endpoint, settled, health, hearing } = report;
        let name = self.wires.parts.subject(&endpoint);
        let mut dead = false;
        for part in settled.chunks(SETTLED_PER_FACT) {
            let (mut took, mut refused) = (Vec::new(), Vec::new());
            for (seq, how) in part {
                match how {
                    Settled::HandedOver => took.push(*seq),
                    Settled::DeadLetter { why } => refused.push((*seq, why.clone())),
                }
            }
            dead |= !refused.is_empty();
            self.decide(turn, &Stimulus::Delivered { endpoint: endpoint.clone(), took, refused });
        }
        if dead {
            if let Some(out) = self.outbox.endpoints.get_mut(&endpoint) {
                let is_dead = |how: &&(Seq, Settled)| matches!(how.1, Settled::DeadLetter { .. });
                out.refused += settled.iter().filter(is_dead).count() as u64;
            }
            warn!(%endpoint, "the endpoint refuses events for good");
            self.trouble(turn, Kind::EndpointRefuses, name.clone(), true);
        }
        if let Some(hearing) = hearing {
            self.note_hearing(turn, &endpoint, name.clone(), hearing);
        }
        let Some(health) = health else { return };
        let wall = self.clock.wall().wall;
        let Some(out) = self.outbox.endpoints.get_mut(&endpoint) else { return };
        if out.next.is_some() {
            // The last words of one that is replaced say nothing of the next.
            return;
        }
        out.held_until = None;
        let trouble = match health {
            Health::Up => None,
            Health::Down { why } => Some(why),
            Health::HeldBack { why, pause } => {
                info!(%endpoint, why, ?pause, "the endpoint asks for a pause");
                let ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                out.held_until = Some(Wall(wall.0.saturating_add(ms)));
                return;
            }
        };
        let broken = trouble.is_some();
        match &trouble {
            Some(why) => warn!(%endpoint, %why, "the endpoint takes nothing"),
            None => info!(%endpoint, "the endpoint takes events"),
        }
        let known = out.trouble.is_some() && broken;
        out.trouble = trouble;
        if broken {
            out.waiting.append(&mut out.alarms);
        }
        // Another reason is shown, and is no other trouble: reasons may change with every try.
        if !known {
            self.trouble(turn, Kind::Endpoint, name, broken);
        }
    }

    pub(super) fn trouble(&mut self, turn: &mut Turn, kind: Kind, subject: String, broken: bool) {
        let trouble = Trouble { kind, subject, broken };
        match self.silenced_by(&trouble).filter(|count| *count > 0) {
            Some(count) => {
                let what = called(&trouble.subject);
                self.outbox.writer.silenced.insert(trouble.device(), (count, what));
            }
            None => drop(self.outbox.writer.silenced.remove(&trouble.device())),
        }
        self.decide(turn, &Stimulus::Trouble(trouble));
    }
}
