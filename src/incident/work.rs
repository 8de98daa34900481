//! A technician's work on devices: walk tests, maintenance, and devices that were swapped out.
//!
//! Work has a named person, a list of homes and devices, and an end that comes by itself. In a walk test
//! a device on the list is heard, answered and noted, and nobody is called; a device that is not on the
//! list calls as ever. In maintenance what a device says is written down and held back, but for fire, gas
//! and carbon monoxide, which no work holds. An incident that is open already goes on as it would: work
//! never makes a call quieter. A danger that a walk test noted and that stays on is a real one, and calls
//! within the window; when work ends, what is still on, or still gone, calls then.
//!
//! A swap gives the point's row another address; its id, its home and its history stay. The old address
//! is remembered: when it is heard again somebody still has the old device, and that is told once. Its
//! alarms call as those of any device that nobody registered, because somebody may have pressed it.
//!
//! A scope names homes, not a list of their devices as it stood: one that is added meanwhile belongs to
//! the work, too. What came of it stands in the facts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{DeviceMemory, Entry, Fact, IncidentBook, Standing};
use crate::registry::{Change, Row};
use crate::terms::{
    At, Class, DeviceId, HomeId, ID_MAX_BYTES, Kind, NoteId, PersonId, Report, Wait, What, WorkId,
};

/// How much work may be open at once. Own choice: two technicians at each of sixteen homes.
pub const WORKS_MAX: usize = 32;
/// How many homes and devices one piece of work may name. Own choice: they stand in one entry.
pub const SCOPE_MAX: usize = 48;
/// Longest walk test. Own choice: a morning's round; its usual length is 30 min (field.md 8).
pub const WALK_TEST_MAX: Wait = Wait::hours(4);
/// Longest maintenance (the project's issue: 8 h).
pub const MAINTENANCE_MAX: Wait = Wait::hours(8);
/// Longest maintenance of devices that lives hang on (field.md 8: muting).
pub const LIFE_SAFETY_MAX: Wait = Wait::hours(4);
/// Shortest of either: time to walk to the door.
pub const WORK_MIN: Wait = Wait::mins(1);
/// How long a danger may stay on in a walk test before it calls. Own choice: a can of test smoke and a
/// pulled cord are over in three minutes, and a fire is not.
pub const GOES_ON: Wait = Wait::mins(5);
/// Old addresses that are remembered; beyond it the oldest is forgotten. Own choice: each of 3,000
/// devices swapped once in ten years.
const SWAPPED_OUT_MAX: usize = 4_096;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Every point is pressed to see that it is heard.
    WalkTest,
    /// Devices are opened, moved or mended.
    Maintenance,
}

impl WorkKind {
    /// The word of commands and the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::WalkTest => "walk_test",
            Self::Maintenance => "maintenance",
        }
    }

    /// The longest it may take.
    pub fn longest(self) -> Wait {
        match self {
            Self::WalkTest => WALK_TEST_MAX,
            Self::Maintenance => MAINTENANCE_MAX,
        }
    }
}

/// What it is done to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One device.
    Device(DeviceId),
    /// Every device of a home.
    Home(HomeId),
    /// A device that nobody has registered yet, by the name it is heard under: it is about to be.
    HeardAs(String),
}

impl Scope {
    /// Whether it names a device that hangs in this home, or in none that is known.
    pub fn names(&self, device: &DeviceId, home: Option<&HomeId>) -> bool {
        match self {
            Self::Device(id) => id == device,
            Self::Home(id) => home == Some(id),
            Self::HeardAs(name) => {
                device.as_str().split_once(':').is_some_and(|(_, heard_as)| heard_as == name)
            }
        }
    }
}

/// What a technician is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkAsked {
    /// What.
    pub kind: WorkKind,
    /// To which homes and devices, 1 to [`SCOPE_MAX`].
    pub scope: Vec<Scope>,
    /// Who.
    pub by: PersonId,
    /// How long it takes at most; held to [`WorkKind::longest`].
    pub lasts: Wait,
    /// Why, in their words; none where that goes without saying.
    pub reason: Option<String>,
}

/// Work that is being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its number.
    pub id: WorkId,
    /// What.
    pub kind: WorkKind,
    /// To which homes and devices.
    pub scope: Vec<Scope>,
    /// By whom.
    pub by: PersonId,
    /// Since when.
    pub since: At,
    /// When it ends by itself.
    pub until: At,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was heard of its devices: noted in a walk test, held back in maintenance.
    pub heard: BTreeMap<DeviceId, BTreeSet<Kind>>,
}

impl IncidentBook {
    /// The work that is being done, oldest first.
    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.works.values()
    }

    /// One piece of work that is being done.
    pub fn work(&self, id: WorkId) -> Option<&Work> {
        self.works.get(&id)
    }

    /// Whether a piece of work is about a device.
    pub fn is_worked_on(&self, work: &Work, device: &DeviceId) -> bool {
        let home = self.registry.device(device).and_then(|row| row.home.as_ref());
        work.scope.iter().any(|scope| scope.names(device, home))
    }

    /// The registered devices a piece of work is about, by id.
    pub fn devices_of<'b>(&'b self, work: &'b Work) -> impl Iterator<Item = &'b DeviceId> {
        let all = self.registry.devices().map(|row| &row.id);
        all.filter(|device| self.is_worked_on(work, device))
    }

    /// The point whose old address this is.
    pub fn swapped_out(&self, address: &DeviceId) -> Option<&DeviceId> {
        self.swapped_out.get(address).map(|(point, _)| point)
    }

    /// When the earliest work ends by itself.
    pub(super) fn next_work_end(&self) -> Option<(At, WorkId)> {
        self.works.values().map(|work| (work.until, work.id)).min()
    }

    /// What a walk test noted, and that calls because it stays on: the earliest, and when it does.
    pub(super) fn next_going_on(&self) -> Option<(At, &DeviceId, Kind)> {
        let tests = self.works.values().filter(|work| work.kind == WorkKind::WalkTest);
        let devices = tests.flat_map(|work| work.heard.keys());
        let going_on = devices.flat_map(|device| {
            let is_danger = |kind: &Kind| matches!(kind.class(), Class::Hazard | Class::Emergency);
            self.unheard_levels(device).into_iter().filter(is_danger).filter_map(move |kind| {
                let memory = self.devices.get(device)?;
                let since = memory.levels.get(&kind)?.since;
                // What somebody has closed since it came on has had its call.
                let had = memory.over.get(&kind.class()).is_some_and(|(_, ended)| *ended >= since);
                (!had).then_some((since + GOES_ON, device, kind))
            })
        });
        going_on.min()
    }

    /// Decides about work that begins; empty where it names nothing, nobody, or too much is being done.
    pub(super) fn on_work(&self, at: At, asked: &WorkAsked) -> Vec<Fact> {
        let scope: BTreeSet<Scope> = asked.scope.iter().cloned().collect();
        let is_known = |scope: &Scope| match scope {
            Scope::Device(id) => self.registry.device(id).is_some(),
            Scope::Home(id) => self.registry.home(id).is_some(),
            Scope::HeardAs(name) => (1..=ID_MAX_BYTES).contains(&name.len()),
        };
        let is_room = self.works.len() < WORKS_MAX && scope.len() <= SCOPE_MAX;
        let by = self.registry.person(&asked.by).map(|person| person.id.clone());
        let (Some(by), true) = (by, is_room && !scope.is_empty() && scope.iter().all(is_known))
        else {
            return Vec::new();
        };
        let lasts = asked.lasts.clamp(WORK_MIN, asked.kind.longest());
        let note = NoteId(self.last_note.saturating_add(1));
        let reason = asked.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let kept = reason.map(|reason| Fact::NoteKept { note, text: reason.to_owned() });
        let begun = Fact::WorkBegun {
            work: WorkId(self.last_work.saturating_add(1)),
            kind: asked.kind,
            scope: scope.into_iter().collect(),
            by,
            until: at + lasts,
            reason: kept.is_some().then_some(note),
        };
        kept.into_iter().chain([begun]).collect()
    }

    /// Decides about the end of work: what is still on, or still gone, calls now.
    pub(super) fn on_work_end(
        &self,
        at: At,
        standing: &Standing<'_>,
        id: WorkId,
        by: Option<&PersonId>,
    ) -> Vec<Fact> {
        let Some(work) = self.works.get(&id) else { return Vec::new() };
        // Each call takes the next number: decided on a copy that goes along.
        let mut after = self.clone();
        let mut facts = Vec::new();
        let ended = Fact::WorkEnded { work: id, by: by.cloned() };
        after.goes_along(at, standing, ended, &mut facts);
        for device in work.heard.keys() {
            for kind in after.unheard_dangers(device) {
                for fact in after.raised_of(at, standing, device, kind) {
                    after.goes_along(at, standing, fact, &mut facts);
                }
            }
        }
        facts
    }

    /// What a device says is on and no incident tells of.
    pub fn unheard_levels(&self, device: &DeviceId) -> Vec<Kind> {
        let Some(memory) = self.devices.get(device) else { return Vec::new() };
        let on = memory.levels.iter().filter(|(_, level)| level.on).map(|(kind, _)| *kind);
        on.filter(|kind| !memory.open.contains_key(&kind.class())).collect()
    }

    /// What a device says is wrong and no incident tells of, the worst first.
    fn unheard_dangers(&self, device: &DeviceId) -> Vec<Kind> {
        if self.works.values().any(|work| self.is_worked_on(work, device)) {
            return Vec::new();
        }
        let Some(memory) = self.devices.get(device) else { return Vec::new() };
        let gone = memory.online == Some(false) && !memory.open.contains_key(&Class::Fault);
        let mut kinds = self.unheard_levels(device);
        kinds.extend(gone.then_some(Kind::Silent));
        kinds.sort_by_key(|kind| kind.class());
        kinds.dedup_by_key(|kind| kind.class());
        kinds
    }

    /// What a piece of work makes of a report; `None` where the report goes on as it would.
    pub(super) fn on_report_at_work(&self, report: &Report) -> Option<Vec<Fact>> {
        let kind = match report.what {
            _ if report.retained || self.works.is_empty() => return None,
            What::Pulse(kind) | What::Level { kind, on: true } => kind,
            What::Presence { online: false } => Kind::Silent,
            _ => return None,
        };
        let (device, class) = (&report.device, kind.class());
        let memory = self.devices.get(device);
        let is_open = |memory: &DeviceMemory| memory.open.contains_key(&class);
        if !report.test && memory.is_some_and(is_open) {
            return None;
        }
        let known = memory.is_some_and(|memory| match report.what {
            What::Level { kind, .. } => memory.levels.get(&kind).is_some_and(|level| level.on),
            What::Presence { online } => memory.online == Some(online),
            _ => false,
        });
        let noted = self.noted_by(device, kind, report.test);
        if noted.is_empty() {
            return None;
        }
        let reported = Fact::Reported { report: report.clone() };
        Some(if known { Vec::new() } else { [reported].into_iter().chain(noted).collect() })
    }

    /// What work makes of a signal that cannot be read.
    pub(super) fn on_unread_at_work(&self, device: &DeviceId) -> Option<Fact> {
        let memory = self.devices.get(device);
        if memory.is_some_and(|memory| memory.open.contains_key(&Class::Emergency)) {
            return None;
        }
        let work = self.works.values().find(|work| self.is_worked_on(work, device))?;
        let (work, device, kind) = (work.id, device.clone(), Kind::Unreadable);
        Some(Fact::HeldBack { work, device, kind })
    }

    /// What the work on a device makes of what it says: every walk test that names it notes it, and where
    /// there is none maintenance holds it back. A walk test goes first, since somebody is pressing.
    fn noted_by(&self, device: &DeviceId, kind: Kind, test: bool) -> Vec<Fact> {
        let of = |wanted: WorkKind| {
            let of_kind = self.works.values().filter(move |work| work.kind == wanted);
            of_kind.filter(|work| self.is_worked_on(work, device)).map(|work| work.id)
        };
        // What is broken is told in a walk test, too: that is what it is for.
        let tested = of(WorkKind::WalkTest).filter(|_| kind.class() != Class::Fault);
        let tested: Vec<Fact> =
            tested.map(|work| Fact::PointTested { work, device: device.clone(), kind }).collect();
        if !tested.is_empty() || test || kind.class() == Class::Hazard {
            return tested;
        }
        let held = of(WorkKind::Maintenance).next();
        held.map(|work| Fact::HeldBack { work, device: device.clone(), kind }).into_iter().collect()
    }

    /// Decides about a swap: the point's row gets another address, and the old one is remembered. Empty
    /// where there is no such point or nothing changes.
    pub(super) fn on_swap(
        &self,
        standing: &Standing<'_>,
        device: &DeviceId,
        heard_as: &str,
        by: &PersonId,
    ) -> Vec<Fact> {
        let Some(row) = self.registry.device(device) else { return Vec::new() };
        if row.heard_name() == heard_as || self.registry.person(by).is_none() {
            return Vec::new();
        }
        let address = standing.types.get(&row.type_name).map(|kind| {
            let family = kind.family.word();
            DeviceId::unregistered(family, row.heard_name())
        });
        let row = crate::registry::Device { heard_as: heard_as.to_owned(), ..row.clone() };
        let swapped = Fact::DeviceSwapped { device: device.clone(), address, by: by.clone() };
        vec![swapped, Fact::RegistryChanged { change: Change::Set(Row::Device(row)) }]
    }

    /// Facts about work and points.
    pub(super) fn apply_to_work(&mut self, entry: &Entry, fact: &Fact) {
        match fact {
            Fact::WorkBegun { work, kind, scope, by, until, reason } => {
                self.last_work = self.last_work.max(work.0);
                let reason = reason.and_then(|note| self.notes.remove(&note));
                let (id, kind, scope, by) = (*work, *kind, scope.clone(), by.clone());
                let (since, until, heard) = (entry.at, *until, BTreeMap::new());
                let reason = reason.map(|(_, text)| text);
                let begun = Work { id, kind, scope, by, since, until, reason, heard };
                self.works.insert(id, begun);
            }
            Fact::WorkEnded { work, .. } => {
                if let Some(work) = self.works.remove(work) {
                    self.hand_on(&work);
                    self.forget_strangers(&work);
                }
            }
            Fact::PointTested { work, device, kind } => {
                self.note_work(*work, device, *kind);
                if let Some(memory) = self.devices.get_mut(device) {
                    memory.tested = Some(entry.wall);
                }
            }
            Fact::HeldBack { work, device, kind } => self.note_work(*work, device, *kind),
            Fact::DeviceSwapped { device, address, .. } => {
                self.installed.insert(device.clone(), entry.wall);
                if let Some(memory) = self.devices.get_mut(device) {
                    memory.forget_the_device();
                }
                if let Some(address) = address {
                    self.remember_address(address.clone(), device.clone(), entry.at);
                }
            }
            _ => {}
        }
    }

    /// What other work still covers is that work's to tell: a window that is opened anew before the first
    /// one ends hides nothing.
    fn hand_on(&mut self, ended: &Work) {
        for (device, kinds) in &ended.heard {
            let home = self.registry.device(device).and_then(|row| row.home.as_ref());
            for work in self.works.values_mut() {
                if work.scope.iter().any(|scope| scope.names(device, home)) {
                    work.heard.entry(device.clone()).or_default().extend(kinds);
                }
            }
        }
    }

    /// What was about to be registered and was not is a stranger again: nothing of it is kept, but for
    /// an incident that is open.
    fn forget_strangers(&mut self, work: &Work) {
        let strange = work.scope.iter().any(|scope| matches!(scope, Scope::HeardAs(_)));
        for device in work.heard.keys().filter(|_| strange) {
            let is_done = |memory: &DeviceMemory| memory.open.is_empty();
            if self.registry.device(device).is_none()
                && self.devices.get(device).is_some_and(is_done)
            {
                self.devices.remove(device);
            }
        }
    }

    fn note_work(&mut self, work: WorkId, device: &DeviceId, kind: Kind) {
        if let Some(work) = self.works.get_mut(&work) {
            work.heard.entry(device.clone()).or_default().insert(kind);
        }
    }

    fn remember_address(&mut self, address: DeviceId, point: DeviceId, at: At) {
        let full = self.swapped_out.len() >= SWAPPED_OUT_MAX;
        if full && !self.swapped_out.contains_key(&address) {
            let by_age = |(address, (_, at)): (&DeviceId, &(DeviceId, At))| (*at, address.clone());
            if let Some((_, oldest)) = self.swapped_out.iter().map(by_age).min() {
                self.swapped_out.remove(&oldest);
            }
        }
        self.swapped_out.insert(address, (point, at));
    }
}
