//! Filing: entries in, sheets and traces out.
//!
//! Incidents that may still change are led in a small book of the engine's own, which applies their
//! facts as the desk's book did. Carriers are taken out of the calls first: orders and events are
//! the desk's business, and a storm's would double its memory.

use std::collections::{BTreeMap, BTreeSet};

use super::ArchiveError;
use super::figures::Recent;
use super::sheet::{FORMAT, NOTES_KEPT, PEOPLE_KEPT, Reached, Sheet, Trace, TraceEvent};
use super::shelf::{
    MARK, Shelf, Writes, all_of, code_key, day_key, heard_key, sheet_key, trace_key, unseal,
};
use crate::incident::{Call, Entry, Fact, Incident, IncidentBook};
use crate::terms::{At, DeviceId, IncidentId, NoteId, Seq, Wait, Wall};

/// Notes that have been kept and not yet been pinned to an incident; both stand in one batch of the
/// record. Own choice.
const UNPINNED_MAX: usize = 256;
/// Devices whose last word is remembered; strangers beyond it are not. Own choice: five times the
/// devices of the largest centre.
const HEARD_MAX: usize = 16_384;

/// What stands on a sheet beside the incident.
#[derive(Debug, Clone, Default)]
struct Beside {
    seq: Seq,
    to_accept: Option<Wait>,
    to_scene: Option<Wait>,
    notes: Vec<Seq>,
}

/// Whether the archive has any use for a fact.
pub(super) fn is_kept(fact: &Fact) -> bool {
    match fact {
        Fact::Reported { .. } | Fact::NoteKept { .. } | Fact::MessagesMissed { .. } => true,
        Fact::AnswerHeard { answer, .. } => answer.note.is_some(),
        Fact::OutcomeHeard { .. } | Fact::DeadlineCame { .. } => false,
        about => about.incident().is_some(),
    }
}

/// Leads the sheets of all incidents that may still change.
#[derive(Default)]
pub(super) struct Filing {
    book: IncidentBook,
    beside: BTreeMap<IncidentId, Beside>,
    touched: BTreeSet<IncidentId>,
    unpinned: BTreeMap<NoteId, Seq>,
    writes: Writes,
    pub(super) reached: Reached,
    pub(super) recent: Recent,
    pub(super) heard: BTreeMap<DeviceId, Wall>,
}

impl Default for Reached {
    fn default() -> Self {
        Self::new()
    }
}

impl Filing {
    /// Takes up what stands on a shelf. Every value is read once, so that damage is found at the
    /// start and not when somebody asks.
    pub(super) fn resume(shelf: &Shelf, stopped: &dyn Fn() -> bool) -> Result<Self, ArchiveError> {
        let mut filing = Self::default();
        if let Some(reached) = shelf.get::<Reached>(MARK)? {
            filing.reached = reached;
        }
        if filing.reached.format != FORMAT {
            return Err(damaged("it is of another version"));
        }
        let (mut open, mut sheets) = (Vec::new(), 0);
        shelf.each(all_of(b'i'), false, |key, value| {
            let sheet: Sheet = unseal(key, value)?;
            sheets += 1;
            filing.recent.note(&sheet.incident, sheet.to_accept, sheet.to_scene);
            if !sheet.filed {
                let Sheet { seq, to_accept, to_scene, notes, incident, .. } = sheet;
                filing.beside.insert(incident.id, Beside { seq, to_accept, to_scene, notes });
                open.push(incident);
            }
            Ok(!stopped())
        })?;
        filing.book = IncidentBook::of_incidents(open);
        shelf.each(all_of(b'l'), false, |key, value| {
            filing.heard.extend([unseal::<(DeviceId, Wall)>(key, value)?]);
            Ok(!stopped())
        })?;
        if !stopped() {
            filing.count(shelf, sheets, stopped)?;
        }
        Ok(filing)
    }

    fn count(
        &self,
        shelf: &Shelf,
        sheets: u64,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), ArchiveError> {
        let mut counts = [0, 0, 0];
        for (count, letter) in counts.iter_mut().zip(*b"wch") {
            shelf.each(all_of(letter), false, |key, value| {
                *count += 1;
                if letter == b'h' {
                    unseal::<Trace>(key, value)?;
                }
                Ok(!stopped())
            })?;
        }
        let Reached { sheets: said, traces, .. } = self.reached;
        match stopped() || (sheets == said && counts == [said, said, traces]) {
            true => Ok(()),
            false => Err(damaged("something that was written is missing")),
        }
    }

    /// Takes in one entry; those that are in already change nothing.
    pub(super) fn take(&mut self, entry: Entry) {
        if entry.seq <= self.reached.cursor {
            return;
        }
        self.reached.cursor = entry.seq;
        self.reached.times = Some((entry.at, entry.wall));
        match &entry.fact {
            Fact::Reported { report } => {
                let event = TraceEvent::Said {
                    what: report.what,
                    battery: report.battery,
                    test: report.test,
                };
                let device = report.device.clone();
                self.trace(&device, &entry, event);
                self.hear(device, entry.wall);
            }
            Fact::MessagesMissed { device, count } => {
                self.trace(device, &entry, TraceEvent::Missed { count: *count });
            }
            Fact::NoteKept { note, .. } => {
                self.unpinned.insert(*note, entry.seq);
                if self.unpinned.len() > UNPINNED_MAX {
                    self.unpinned.pop_first();
                }
            }
            Fact::AnswerHeard { answer, .. } => {
                let kept = answer.note.and_then(|note| self.unpinned.remove(&note));
                if let Some(seq) = kept {
                    self.pin(answer.incident, seq, entry.seq);
                }
            }
            Fact::Raised { .. } => self.raise(&entry),
            fact if is_kept(fact) => self.change(entry),
            _ => {}
        }
    }

    /// A page without anything to keep, or a stretch of the record that cannot be read.
    pub(super) fn pass(&mut self, upto: Seq) {
        if upto > self.reached.cursor {
            self.reached.cursor = upto;
            self.reached.times = None;
        }
    }

    /// A device was heard.
    pub(super) fn hear(&mut self, device: DeviceId, wall: Wall) {
        if self.heard.len() < HEARD_MAX || self.heard.contains_key(&device) {
            self.writes.put(&heard_key(&device), &(&device, wall));
            self.heard.insert(device, wall);
        }
    }

    /// Everything that changed since the last time, with the mark of how far it goes.
    pub(super) fn writes(&mut self) -> Option<Writes> {
        for id in std::mem::take(&mut self.touched) {
            self.put_sheet(id, false);
        }
        self.writes.put(MARK, &self.reached);
        Some(std::mem::take(&mut self.writes)).filter(|writes| !writes.is_empty())
    }

    fn trace(&mut self, device: &DeviceId, entry: &Entry, event: TraceEvent) {
        let trace = Trace { seq: entry.seq, at: entry.at, wall: entry.wall, event };
        self.writes.put(&trace_key(device, entry.seq), &trace);
        self.reached.traces += 1;
    }

    fn raise(&mut self, entry: &Entry) {
        let Fact::Raised { incident, code, class, kind, device, .. } = &entry.fact else { return };
        self.book.apply(entry);
        self.beside.insert(*incident, Beside { seq: entry.seq, ..Beside::default() });
        self.writes.mark(&day_key(entry.wall, *incident));
        self.writes.mark(&code_key(*code, *incident));
        self.reached.sheets += 1;
        self.touched.insert(*incident);
        let (incident, code, class, kind) = (*incident, *code, *class, *kind);
        let event = TraceEvent::Raised { incident, code, class, kind };
        self.trace(device, entry, event);
    }

    fn change(&mut self, mut entry: Entry) {
        let Some(id) = entry.fact.incident() else { return };
        if self.beside.get(&id).is_none_or(|beside| beside.seq >= entry.seq) {
            return;
        }
        if matches!(entry.fact, Fact::Filed { .. }) {
            self.put_sheet(id, true);
            self.beside.remove(&id);
            self.touched.remove(&id);
        }
        without_carriers(&mut entry.fact);
        let before = self.book.incident(id).map(|i| (i.times.accepted, i.times.on_scene));
        self.book.apply(&entry);
        let (Some(incident), Some(beside)) = (self.book.incident(id), self.beside.get_mut(&id))
        else {
            return;
        };
        beside.seq = entry.seq;
        let so_far = entry.at - incident.raised_at;
        if let Some((accepted, on_scene)) = before {
            if accepted.is_none() && incident.times.accepted.is_some() {
                beside.to_accept = Some(so_far);
            }
            if on_scene.is_none() && incident.times.on_scene.is_some() {
                beside.to_scene = Some(so_far);
            }
        }
        self.touched.insert(id);
    }

    fn pin(&mut self, id: IncidentId, note: Seq, seq: Seq) {
        if let Some(beside) = self.beside.get_mut(&id).filter(|beside| beside.seq < seq) {
            beside.seq = seq;
            beside.notes.push(note);
            let extra = beside.notes.len().saturating_sub(NOTES_KEPT);
            beside.notes.drain(..extra);
            self.touched.insert(id);
        }
    }

    fn put_sheet(&mut self, id: IncidentId, filed: bool) {
        let Some((incident, beside)) = self.book.incident(id).zip(self.beside.get(&id)) else {
            return;
        };
        let Beside { seq, to_accept, to_scene, notes } = beside.clone();
        self.recent.note(incident, to_accept, to_scene);
        let incident = incident.clone();
        let mut sheet = Sheet { seq, filed, incident, to_accept, to_scene, notes };
        let key = sheet_key(id);
        if !self.writes.put(&key, &sheet) {
            shorten(&mut sheet.incident);
            self.writes.put(&key, &sheet);
        }
    }
}

/// Leaves out what nobody looks up, so that the sheet of the longest incident fits a value.
fn shorten(incident: &mut Incident) {
    incident.linked.clear();
    incident.unreachable.clear();
    incident.responders.truncate(PEOPLE_KEPT);
}

fn without_carriers(fact: &mut Fact) {
    let calls: &mut [Call] = match fact {
        Fact::Called { calls, .. } => calls,
        Fact::Told { to, .. } => to,
        _ => return,
    };
    calls.iter_mut().for_each(|call| call.by.clear());
}

fn damaged(what: &str) -> ArchiveError {
    ArchiveError::Damaged { what: what.to_owned() }
}

/// Whether an entry in the record is the one that the archive saw there.
pub(super) fn is_same(seen: Option<(At, Wall)>, found: (At, Wall)) -> bool {
    seen.is_none_or(|seen| seen == found)
}
