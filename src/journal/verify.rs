//! Reads the whole journal without changing it, also beside a running hub, and says whether it is
//! as it was written; and gives its newest records.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use crate::terms::{At, Seq, Wall};

use super::chain::{Hash, Head};
use super::disk::Disk;
use super::entry::Record;
use super::error::JournalError;
use super::finding::Finding;
use super::segment::{Listed, list_segments};
use super::snapshot::{list_snapshots, read_snapshot};
use super::walk::{Placed, Reader, Tail, walk};

/// Most records [`tail`] gives. Own choice: what fits on a screen a thousand times over.
pub const TAIL_MAX: usize = 100_000;

/// One end of what stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its sequence.
    pub seq: Seq,
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
}

/// What a reading of the whole journal came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files with records.
    pub segments: usize,
    /// Good frames.
    pub frames: u64,
    /// Entries in them.
    pub entries: u64,
    /// Where the chain stood before the oldest frame; above 0 where the beginning is not here.
    pub before: Head,
    /// The oldest entry.
    pub first: Option<End>,
    /// The newest entry.
    pub last: Option<End>,
    /// Where the chain stands.
    pub head: Head,
    /// Snapshots that can be used.
    pub snapshots: usize,
    /// Whether the newest frame is a closing record.
    pub closed: bool,
    /// What is not as it should be, in the order of the files. A torn tail here is also what a
    /// running hub is just writing.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether everything that stands there is as it was written, and nothing is missing.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(Finding::is_damage)
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} entries in {} frames and {} files, {} snapshots",
            self.entries, self.frames, self.segments, self.snapshots
        )?;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            writeln!(f, "entries {} to {}", first.seq, last.seq)?;
        }
        writeln!(f, "chain {} at entry {}", self.head.hash, self.head.seq)?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        f.write_str(match self.closed {
            true => "closed in order\n",
            false => "not closed: a hub is running on it, or ended without warning\n",
        })?;
        f.write_str(if self.is_sound() { "sound" } else { "NOT sound" })
    }
}

/// The folder's segments, or why they cannot be listed.
pub(super) fn listed(disk: &dyn Disk, dir: &Path) -> Result<Vec<Listed>, JournalError> {
    list_segments(disk, dir)
        .map_err(|source| JournalError::Unreadable { path: dir.display().to_string(), source })
}

/// Reads everything and reports.
///
/// # Errors
/// [`JournalError::Unreadable`] when the folder cannot be listed; whatever is wrong inside it is in
/// the report.
pub fn verify(disk: &dyn Disk, dir: &Path) -> Result<VerifyReport, JournalError> {
    verify_reading(disk, dir, &mut |_| {})
}

/// The same, and shows every record on the way; a second time if a running hub retired the oldest
/// file meanwhile.
///
/// # Errors
/// As [`verify`].
pub fn verify_reading(
    disk: &dyn Disk,
    dir: &Path,
    each: &mut dyn FnMut(Record),
) -> Result<VerifyReport, JournalError> {
    let oldest = |segments: &[Listed]| segments.first().map(|oldest| oldest.number);
    let segments = listed(disk, dir)?;
    let report = verify_these(disk, dir, &segments, each)?;
    let now = listed(disk, dir)?;
    match oldest(&now) == oldest(&segments) {
        true => Ok(report),
        false => verify_these(disk, dir, &now, each),
    }
}

fn verify_these(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Listed],
    each: &mut dyn FnMut(Record),
) -> Result<VerifyReport, JournalError> {
    let mut check =
        Check { each, frames: 0, entries: 0, first: None, last: None, findings: Vec::new() };
    let outcome = walk(disk, dir, segments, 0..segments.len(), &mut check);
    if let (Some(last), Tail::Torn { offset, bytes }) = (segments.last(), outcome.tail) {
        let segment = last.name.clone();
        check.findings.push(Finding::TornTail { segment, offset, bytes, kept_in: None });
    }
    let mut snapshots = 0;
    for seq in list_snapshots(disk, dir).unwrap_or_default() {
        match read_snapshot(disk, dir, seq) {
            Ok(_) => snapshots += 1,
            Err(finding) => check.findings.push(finding),
        }
    }
    Ok(VerifyReport {
        segments: segments.len(),
        frames: check.frames,
        entries: check.entries,
        before: match segments.first() {
            Some(Listed { head: Ok(head), .. }) => head.anchor,
            Some(Listed { first, .. }) => Head { seq: Seq(first.0 - 1), hash: Hash::NONE },
            None => Head::START,
        },
        first: check.first,
        last: check.last,
        head: outcome.head,
        snapshots,
        closed: outcome.closed,
        findings: check.findings,
    })
}

/// Whoever makes something of a journal without opening it.
pub trait Onlooker {
    /// The newest good snapshot; when its bytes are of no use, the next older one is shown.
    fn snapshot(&mut self, bytes: &[u8]) -> bool;
    /// A record after it, in order.
    fn record(&mut self, record: Record);
}

/// Shows the newest snapshot that is of use and every record after it, also beside a running hub.
///
/// # Errors
/// [`JournalError::Unreadable`] when the folder cannot be listed; damaged places are passed over.
pub fn look(disk: &dyn Disk, dir: &Path, by: &mut impl Onlooker) -> Result<(), JournalError> {
    let segments = listed(disk, dir)?;
    let snapshots = list_snapshots(disk, dir).unwrap_or_default();
    let covered = snapshots.into_iter().find(|seq| {
        read_snapshot(disk, dir, *seq).is_ok_and(|snapshot| by.snapshot(&snapshot.bytes))
    });
    let covered = covered.unwrap_or(Seq(0));
    let from = segments.iter().rposition(|s| s.first <= covered.next()).unwrap_or(0);
    walk(disk, dir, &segments, from..segments.len(), &mut Behind { covered, by });
    Ok(())
}

struct Behind<'b, B> {
    covered: Seq,
    by: &'b mut B,
}

impl<B: Onlooker> Reader for Behind<'_, B> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        let covered = self.covered;
        for entry in placed.entries().filter(|entry| entry.seq > covered) {
            self.by.record(entry.to_record());
        }
        ControlFlow::Continue(())
    }

    fn finding(&mut self, _: Finding) {}
}

struct Check<'e> {
    each: &'e mut dyn FnMut(Record),
    frames: u64,
    entries: u64,
    first: Option<End>,
    last: Option<End>,
    findings: Vec<Finding>,
}

impl Reader for Check<'_> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        self.frames += 1;
        for entry in placed.entries() {
            self.entries += 1;
            let end = End { seq: entry.seq, at: entry.at, wall: entry.wall };
            self.first.get_or_insert(end);
            self.last = Some(end);
            (self.each)(entry.to_record());
        }
        ControlFlow::Continue(())
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The newest `count` records (at most [`TAIL_MAX`]), oldest first.
///
/// # Errors
/// [`JournalError::Unreadable`] when the folder cannot be listed.
pub fn tail(disk: &dyn Disk, dir: &Path, count: usize) -> Result<Vec<Record>, JournalError> {
    let segments = listed(disk, dir)?;
    let count = count.min(TAIL_MAX);
    let mut newest = Newest { count, records: VecDeque::new() };
    let Some(last) = segments.last() else { return Ok(Vec::new()) };
    walk(disk, dir, &segments, segments.len() - 1..segments.len(), &mut newest);
    if newest.records.len() < count {
        let enough = |segment: &Listed| segment.first.0 + count as u64 <= last.first.0;
        let from = segments.iter().rposition(enough).unwrap_or(0);
        newest.records.clear();
        walk(disk, dir, &segments, from..segments.len(), &mut newest);
    }
    Ok(newest.records.into())
}

struct Newest {
    count: usize,
    records: VecDeque<Record>,
}

impl Reader for Newest {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        for entry in placed.entries() {
            if self.records.len() == self.count {
                self.records.pop_front();
            }
            if self.count > 0 {
                self.records.push_back(entry.to_record());
            }
        }
        ControlFlow::Continue(())
    }

    fn finding(&mut self, _: Finding) {}
}
