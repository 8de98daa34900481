//! The book: all state of the engine, and the questions it answers.
//!
//! The drain law: after every change, carry out what [`IncidentBook::apply`] returned, then wait for
//! the next stimulus or the deadline of [`IncidentBook::next_deadline`], whichever comes first, and
//! decide about [`super::Stimulus::Due`] as long as that deadline has passed. After a restart, apply
//! every entry and drop what that returns; [`IncidentBook::outstanding`] and
//! [`IncidentBook::owed`] then name everything that still has to leave the house.
//!
//! `apply` returns its effects instead of leaving the caller to look for them (design.md has it
//! return nothing): finding what a fact caused would cost a search for every press of a storm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::brought::Brought;
use super::clock_set::Untrusted;
use super::codes::CodePool;
use super::duty::DutyBook;
use super::identity::Identity;
use super::life::Life;
use super::words::{HeardWord, WordId, Words};
use super::{
    BedEnd, BootMark, Carrier, Cut, DeviceMemory, Incident, Ladder, Order, OrderId, OrderState,
    Policy, PolicyHash, Story, Why, Work,
};
use crate::registry::Registry;
use crate::terms::{
    At, BedId, Class, Code, DeviceId, EndpointId, HomeId, IncidentId, Kind, NoteId, PersonId, Seq,
    Wait, Wall, WorkId,
};

/// How many events may be owed to one endpoint. Own choice: 100,000 events of 400 bytes are a week
/// of outage for a busy district. At the limit the oldest is dropped and counted; the journal
/// still has it.
pub const OWED_MAX: usize = 100_000;

/// All state of the engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct IncidentBook {
    pub(super) registry: Registry,
    pub(super) policies: BTreeMap<PolicyHash, Arc<Policy>>,
    pub(super) policy: Option<PolicyHash>,
    pub(super) incidents: BTreeMap<IncidentId, Arc<Incident>>,
    pub(super) codes: BTreeMap<char, CodePool>,
    pub(super) devices: BTreeMap<DeviceId, DeviceMemory>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) stories: BTreeMap<Seq, Arc<Story>>,
    pub(super) owed: BTreeMap<EndpointId, BTreeSet<Seq>>,
    pub(super) dropped: BTreeMap<EndpointId, u64>,
    pub(super) notes: BTreeMap<NoteId, (Option<IncidentId>, String)>,
    pub(super) words: Words,
    pub(super) identity: Identity,
    pub(super) last_incident: u64,
    pub(super) last_note: u64,
    pub(super) last_import: u64,
    pub(super) works: BTreeMap<WorkId, Work>,
    pub(super) last_work: u64,
    /// The old addresses of points, with the point and when it was swapped.
    pub(super) swapped_out: BTreeMap<DeviceId, (DeviceId, At)>,
    pub(super) life: Life,
    pub(super) duty: DutyBook,
    pub(super) cut: Option<Cut>,
    /// Of which end of which bed the work list was told, and how near it was then.
    pub(super) beds_told: BTreeMap<BedId, (Date, BedEnd)>,
    /// When each point got its device.
    pub(super) installed: BTreeMap<DeviceId, Wall>,
    pub(super) registry_at: Seq,
    pub(super) brought: Option<Brought>,
    pub(super) last_seq: Seq,
    pub(super) last_at: At,
    pub(super) last_wall: Wall,
    pub(super) last_trusted: Option<Wall>,
    pub(super) boot: Option<(BootMark, At)>,
    pub(super) untrusted: Untrusted,
    /// The newest fact that says that sequences were left out, and how many in all.
    pub(super) left_out: (Seq, u64),
    /// The newest entry that was retired.
    pub(super) retired: Seq,
    // What follows is derived from what stands above.
    pub(super) by_code: BTreeSet<(Code, IncidentId)>,
    pub(super) notes_by: BTreeMap<IncidentId, BTreeSet<NoteId>>,
    pub(super) open: BTreeSet<IncidentId>,
    pub(super) deadlines: BTreeSet<(At, IncidentId)>,
    pub(super) retries: BTreeSet<(At, OrderId)>,
    pub(super) open_by_home: BTreeMap<HomeId, BTreeSet<IncidentId>>,
}

/// The book as a snapshot keeps it: no derived tables, and no keys that JSON cannot have.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    registry: Registry,
    policies: BTreeMap<PolicyHash, Arc<Policy>>,
    policy: Option<PolicyHash>,
    incidents: Vec<Arc<Incident>>,
    codes: BTreeMap<char, CodePool>,
    devices: BTreeMap<DeviceId, DeviceMemory>,
    orders: Vec<Order>,
    stories: Vec<Arc<Story>>,
    owed: BTreeMap<EndpointId, BTreeSet<Seq>>,
    dropped: BTreeMap<EndpointId, u64>,
    notes: BTreeMap<NoteId, (Option<IncidentId>, String)>,
    #[serde(default)]
    words: Words,
    #[serde(default)]
    identity: Identity,
    last_incident: u64,
    last_note: u64,
    #[serde(default)]
    last_import: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    works: Vec<Work>,
    #[serde(default, skip_serializing_if = "is_zero")]
    last_work: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    swapped_out: BTreeMap<DeviceId, (DeviceId, At)>,
    #[serde(default, skip_serializing_if = "Life::is_idle")]
    life: Life,
    #[serde(default, skip_serializing_if = "DutyBook::is_idle")]
    duty: DutyBook,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beds_told: BTreeMap<BedId, (Date, BedEnd)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    installed: BTreeMap<DeviceId, Wall>,
    #[serde(default)]
    registry_at: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    brought: Option<Brought>,
    last_seq: Seq,
    last_at: At,
    last_wall: Wall,
    last_trusted: Option<Wall>,
    boot: Option<(BootMark, At)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    untrusted: Untrusted,
    #[serde(default)]
    left_out: (Seq, u64),
    #[serde(default)]
    retired: Seq,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<IncidentBook> for Stored {
    fn from(book: IncidentBook) -> Self {
        Self {
            registry: book.registry,
            policies: book.policies,
            policy: book.policy,
            incidents: book.incidents.into_values().collect(),
            codes: book.codes,
            devices: book.devices,
            orders: book.orders.into_values().collect(),
            stories: book.stories.into_values().collect(),
            owed: book.owed,
            dropped: book.dropped,
            notes: book.notes,
            words: book.words,
            identity: book.identity,
            last_incident: book.last_incident,
            last_note: book.last_note,
            last_import: book.last_import,
            works: book.works.into_values().collect(),
            last_work: book.last_work,
            swapped_out: book.swapped_out,
            life: book.life,
            duty: book.duty,
            cut: book.cut,
            beds_told: book.beds_told,
            installed: book.installed,
            registry_at: book.registry_at,
            brought: book.brought,
            last_seq: book.last_seq,
            last_at: book.last_at,
            last_wall: book.last_wall,
            last_trusted: book.last_trusted,
            boot: book.boot,
            untrusted: book.untrusted,
            left_out: book.left_out,
            retired: book.retired,
        }
    }
}

impl From<Stored> for IncidentBook {
    fn from(stored: Stored) -> Self {
        let mut book = Self {
            registry: stored.registry,
            policies: stored.policies,
            policy: stored.policy,
            incidents: stored.incidents.into_iter().map(|i| (i.id, i)).collect(),
            codes: stored.codes,
            devices: stored.devices,
            orders: stored.orders.into_iter().map(|o| (o.id.clone(), o)).collect(),
            stories: stored.stories.into_iter().map(|s| (s.seq, s)).collect(),
            owed: stored.owed,
            dropped: stored.dropped,
            notes: stored.notes,
            words: stored.words,
            identity: stored.identity,
            last_incident: stored.last_incident,
            last_note: stored.last_note,
            last_import: stored.last_import,
            works: stored.works.into_iter().map(|work| (work.id, work)).collect(),
            last_work: stored.last_work,
            swapped_out: stored.swapped_out,
            life: stored.life,
            duty: stored.duty,
            cut: stored.cut,
            beds_told: stored.beds_told,
            installed: stored.installed,
            registry_at: stored.registry_at,
            brought: stored.brought,
            last_seq: stored.last_seq,
            last_at: stored.last_at,
            last_wall: stored.last_wall,
            last_trusted: stored.last_trusted,
            boot: stored.boot,
            untrusted: stored.untrusted,
            left_out: stored.left_out,
            retired: stored.retired,
            ..Self::default()
        };
        for incident in book.incidents.values() {
            book.by_code.insert((incident.code, incident.id));
            if incident.stage.is_open() {
                book.open.insert(incident.id);
                if let Some(home) = &incident.home {
                    book.open_by_home.entry(home.clone()).or_default().insert(incident.id);
                }
            }
            if let Some((at, _)) = incident.next_deadline() {
                book.deadlines.insert((at, incident.id));
            }
        }
        for (note, (incident, _)) in &book.notes {
            if let Some(incident) = incident {
                book.notes_by.entry(*incident).or_default().insert(*note);
            }
        }
        for order in book.orders.values() {
            if let OrderState::Later(at) = order.state {
                book.retries.insert((at, order.id.clone()));
            }
        }
        book
    }
}

impl IncidentBook {
    /// A book that knows these incidents and nothing else: for whoever follows incidents alone.
    /// Applying their facts changes them as in the whole book, but for what a policy supplies.
    pub fn of_incidents(incidents: impl IntoIterator<Item = Incident>) -> Self {
        let mut stored = Stored::from(Self::default());
        stored.incidents = incidents.into_iter().map(Arc::new).collect();
        Self::from(stored)
    }

    /// Residents, homes, devices and people.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The sequence of the last applied entry.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The time of the last applied entry.
    pub fn last_at(&self) -> At {
        self.last_at
    }

    /// The wall time of the last applied entry.
    pub fn last_wall(&self) -> Wall {
        self.last_wall
    }

    /// The last wall time that could be trusted.
    pub fn last_trusted(&self) -> Option<Wall> {
        self.last_trusted
    }

    /// The boot that hub time last resumed on, and the hub time then.
    pub fn boot(&self) -> Option<&(BootMark, At)> {
        self.boot.as_ref()
    }

    /// An incident in memory, by number.
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id).map(Arc::as_ref)
    }

    /// The incident that has this code now, or had it last and is still in memory.
    pub fn by_code(&self, code: Code) -> Option<&Incident> {
        let of_code = (code, IncidentId(0))..=(code, IncidentId(u64::MAX));
        self.by_code.range(of_code).next_back().and_then(|(_, id)| self.incident(*id))
    }

    /// Every incident in memory, oldest first.
    pub fn incidents(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.incidents.values().map(Arc::as_ref)
    }

    /// Every open incident, oldest first.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.open.iter().filter_map(|id| self.incident(*id))
    }

    /// How many incidents are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// What an incident is about: every level of its device that is on, the oldest first, as smoke and
    /// then gas of one detector; its kind alone where that is no level, where nothing is on any more,
    /// and once it is over. Never empty.
    pub fn dangers(&self, incident: &Incident) -> Vec<Kind> {
        let Incident { kind, class, .. } = incident;
        let lasts = kind.lasts() && *class != Class::Test && incident.stage.is_open();
        let memory = self.devices.get(&incident.device).filter(|_| lasts);
        let on = memory.map(|memory| memory.on(kind.class())).unwrap_or_default();
        if on.is_empty() { vec![*kind] } else { on }
    }

    /// What is remembered of a device.
    pub fn device(&self, id: &DeviceId) -> Option<&DeviceMemory> {
        self.devices.get(id)
    }

    /// Every order that is to be sent now, the oldest cause first; those that wait for another try
    /// are left out.
    pub fn outstanding(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| order.state == OrderState::Pending)
    }

    /// An order that is not settled.
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// How many orders by a carrier wait for another try.
    pub fn put_off(&self, carrier: Carrier) -> usize {
        self.retries.iter().filter(|(_, id)| id.carrier == carrier).count()
    }

    /// How many orders are not settled, waiting ones included.
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// The events owed to an endpoint, oldest first.
    pub fn owed(&self, endpoint: &EndpointId) -> impl Iterator<Item = &Story> {
        self.owed.get(endpoint).into_iter().flatten().filter_map(|seq| self.story(*seq))
    }

    /// How many events are owed to an endpoint.
    pub fn owed_to(&self, endpoint: &EndpointId) -> usize {
        self.owed.get(endpoint).map_or(0, BTreeSet::len)
    }

    /// How many events are owed to each endpoint.
    pub fn owed_counts(&self) -> impl Iterator<Item = (&EndpointId, usize)> {
        self.owed.iter().map(|(endpoint, owed)| (endpoint, owed.len()))
    }

    /// How many events each endpoint was never told because [`OWED_MAX`] was reached.
    pub fn dropped(&self) -> &BTreeMap<EndpointId, u64> {
        &self.dropped
    }

    /// How many events an endpoint was not told so far: owed, or dropped at [`OWED_MAX`].
    pub fn undelivered(&self, endpoint: &EndpointId) -> u64 {
        let owed = self.owed.get(endpoint).map_or(0, BTreeSet::len);
        self.dropped.get(endpoint).copied().unwrap_or(0) + owed as u64
    }

    /// The oldest entry that an endpoint in use has not been told; the first of all where events
    /// were dropped, because nobody remembers which.
    pub fn first_undelivered(&self) -> Option<Seq> {
        let of = |(endpoint, owed): (&EndpointId, &BTreeSet<Seq>)| match self.dropped.get(endpoint)
        {
            Some(_) => Some(Seq(1)),
            None => owed.first().copied(),
        };
        self.owed.iter().filter_map(of).min()
    }

    /// The first of the newest `count` entries; what was left out when a box was replaced is not
    /// counted.
    pub fn first_of_newest(&self, count: u64) -> Seq {
        let first = self.last_seq.0.saturating_sub(count);
        let (said_at, left_out) = self.left_out;
        Seq(if first < said_at.0 { first.saturating_sub(left_out) } else { first }.max(1))
    }

    /// How many entries stand in the record: what was retired, and what was left out when a box was
    /// replaced, does not.
    pub fn entries(&self) -> u64 {
        let (said_at, left_out) = self.left_out;
        let left_out = if said_at > self.retired { left_out } else { 0 };
        self.last_seq.0.saturating_sub(self.retired.0).saturating_sub(left_out)
    }

    /// The newest entry that was retired; 0 when none was.
    pub fn retired(&self) -> Seq {
        self.retired
    }

    /// An event that is still owed to somebody.
    pub fn story(&self, seq: Seq) -> Option<&Story> {
        self.stories.get(&seq).map(Arc::as_ref)
    }

    /// Whether an event is still owed to an endpoint.
    pub fn owes(&self, endpoint: &EndpointId, seq: Seq) -> bool {
        self.owed.get(endpoint).is_some_and(|owed| owed.contains(&seq))
    }

    /// The words of a note.
    pub fn note(&self, note: NoteId) -> Option<&str> {
        self.notes.get(&note).map(|(_, text)| text.as_str())
    }

    /// An incident's notes, oldest first.
    pub fn notes_of(&self, incident: IncidentId) -> impl Iterator<Item = &str> {
        let of_incident = self.notes_by.get(&incident).into_iter().flatten();
        of_incident.filter_map(|note| self.note(*note))
    }

    /// Whether a device was last said to be gone: by its own bridge, or because it fell silent.
    pub fn is_offline(&self, device: &DeviceId) -> bool {
        self.devices.get(device).is_some_and(|memory| memory.online == Some(false))
    }

    /// What became of a named answer of this person, while it is remembered.
    pub fn heard_word(&self, by: &PersonId, word: &WordId) -> Option<&HeardWord> {
        self.words.get(by, word)
    }

    /// The earliest deadline and which one that is; `None` when nothing is open and nothing waits.
    pub fn next_deadline(&self) -> Option<(At, IncidentId, Why)> {
        let stage = self.deadlines.first().and_then(|(_, id)| {
            let (at, why) = self.incident(*id)?.next_deadline()?;
            Some((at, *id, why))
        });
        let retry = self
            .retries
            .first()
            .map(|(at, order)| (*at, order.incident, Why::Retry(order.clone())));
        match (stage, retry) {
            (Some(stage), Some(retry)) => Some(if retry.0 < stage.0 { retry } else { stage }),
            (stage, retry) => stage.or(retry),
        }
    }

    /// When something is due next by itself: a deadline of an incident, the end of work, or a danger that
    /// stays on in it.
    pub fn next_due(&self) -> Option<At> {
        let deadline = self.next_deadline().map(|(at, ..)| at);
        let work = self.next_work_end().map(|(at, _)| at);
        let going_on = self.next_going_on().map(|(at, ..)| at);
        deadline.into_iter().chain(work).chain(going_on).min()
    }

    /// How long the earliest deadline of any incident has been waiting; zero when none has passed.
    pub fn overdue(&self, now: At) -> Wait {
        self.deadlines.first().map_or(Wait::ZERO, |(at, _)| now - *at)
    }

    /// The policy in use, or the loud one where none was ever taken.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy
            .as_ref()
            .and_then(|hash| self.policies.get(hash))
            .cloned()
            .unwrap_or_else(|| Arc::new(Policy::loud()))
    }

    /// The policy an incident keeps.
    pub fn policy_of(&self, incident: &Incident) -> Arc<Policy> {
        self.policies.get(&incident.policy).cloned().unwrap_or_else(|| Arc::new(Policy::loud()))
    }

    /// The ladder an incident is on.
    pub fn ladder_of(&self, incident: &Incident) -> Ladder {
        let policy = self.policy_of(incident);
        match policy.ladders.get(&incident.class) {
            Some(ladder) if !ladder.rungs.is_empty() => ladder.clone(),
            _ => Ladder::loud(incident.class),
        }
    }
}
