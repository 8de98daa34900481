//! The start. It reads the newest good snapshot and the records after it, decides what the end of
//! the last segment is, and opens the journal for writing. It succeeds on an unwritable, full or
//! damaged disk; the two refusals are a folder that another process holds and a restore that was cut.
//!
//! - A torn tail is kept in a `torn-…` file.
//! - Damage stays where it is; sequences go on behind the highest that may have been given out, so
//!   that no event id is ever used twice. What lies between is written down as a gap.
//! - Frames at the end that nothing proves to be on disk (the last run may have failed to force them,
//!   and the system's memory shows them all the same) are copied, byte for byte, into a new segment
//!   that is forced under a passing name before it counts. Forcing the old file instead would prove
//!   nothing: after a failed force, Linux lets the next one succeed. If the copy fails, the entries
//!   are held in memory and written again when the disk is well.

use std::collections::VecDeque;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::terms::Seq;

use super::ballast::Ballast;
use super::chain::Head;
use super::disk::{DirLock, Disk, PASSING, twice, write_whole};
use super::durable::Limits;
use super::entry::{Draft, Lying, Record};
use super::error::JournalError;
use super::finding::{Finding, Lost, Why};
use super::log::{Begun, Journal, Writing};
use super::restore::{is_half_restored, read_note};
use super::scrub::Unread;
use super::segment::{
    HeadFault, Listed, Reason, SEGMENT_HEAD, SegmentHead, begin_segment, encode_segment_head,
    list_segments, segment_name,
};
use super::snapshot::{Snapshot, list_snapshots, read_snapshot, remove_passing, set_aside};
use super::walk::{Outcome, Placed, Reader, Tail, Unsettled, walk};

/// A journal whose folder is taken and whose snapshot is read; its records come next.
pub struct Opening {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    lock: Option<Box<dyn DirLock>>,
    /// What stood in the way of reading the folder.
    unread: Option<io::Error>,
    segments: Vec<Listed>,
    /// Segments at the end whose header was never finished: nothing ever stood in them.
    unbegun: Vec<Listed>,
    next_number: u64,
    snapshot: Option<Snapshot>,
    older: VecDeque<Seq>,
    findings: Vec<Finding>,
}

/// What a start brought to light, and the journal to go on with.
pub struct Opened {
    /// Open for writing, or volatile from the beginning.
    pub journal: Journal,
    /// What a person should know; each belongs into the record as a fact.
    pub findings: Vec<Finding>,
    /// Whether the last run stopped as asked.
    pub clean_stop: bool,
    /// The segments that were not read, for [`super::Scrub`].
    pub unread: Unread,
    /// Where the chain stands before the oldest segment: above 0 where the beginning is not here.
    pub begins: Head,
    /// What a restore has to tell this start; see [`super::CommitterHandle::forget_note`].
    pub note: Option<Vec<u8>>,
}

impl Journal {
    /// Takes the folder (made if need be) and reads the newest good snapshot.
    ///
    /// # Errors
    /// [`JournalError::Held`] when another process holds the folder, [`JournalError::HalfRestored`]
    /// when a restore into it was cut; nothing else stops a start.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, limits: Limits) -> Result<Opening, JournalError> {
        let mut opening = Opening {
            disk,
            dir: dir.to_owned(),
            limits,
            lock: None,
            unread: None,
            segments: Vec::new(),
            unbegun: Vec::new(),
            next_number: 1,
            snapshot: None,
            older: VecDeque::new(),
            findings: Vec::new(),
        };
        // A folder that stands but may not be made is one that can be read.
        let _ = opening.disk.make_dir(dir);
        let locked = opening.disk.lock_dir(dir);
        if matches!(locked, Ok(None)) {
            return Err(JournalError::Held);
        }
        if is_half_restored(opening.disk.as_ref(), dir) {
            return Err(JournalError::HalfRestored { path: dir.display().to_string() });
        }
        opening.unread = opening.look().err();
        match locked {
            Ok(lock) => opening.lock = lock,
            Err(error) if opening.unread.is_none() => {
                opening.findings.push(Finding::Unlocked { error: error.to_string() });
            }
            Err(_) => {}
        }
        opening.reject_snapshot();
        Ok(opening)
    }
}

impl Opening {
    fn look(&mut self) -> io::Result<()> {
        let (disk, dir) = (self.disk.as_ref(), self.dir.as_path());
        remove_passing(disk, dir, &twice(|| disk.list(dir))?);
        let mut segments = list_segments(disk, dir)?;
        self.next_number = segments.last().map_or(1, |segment| segment.number + 1);
        while let Some(unbegun) = segments.pop_if(|segment| self.is_unbegun(segment)) {
            self.unbegun.push(unbegun);
        }
        self.segments = segments;
        self.older = list_snapshots(disk, dir)?.into();
        Ok(())
    }

    fn is_unbegun(&self, segment: &Listed) -> bool {
        segment.head == Err(HeadFault::Unfinished)
            && self.length(segment).is_ok_and(|length| length <= SEGMENT_HEAD as u64)
    }

    fn length(&self, segment: &Listed) -> io::Result<u64> {
        self.disk.open_read(&self.dir.join(&segment.name))?.length()
    }

    /// What stands for the entries before the first one that [`Opening::replay`] gives; `None` when
    /// replay begins with the oldest entry there is.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The caller cannot use the snapshot's bytes: takes the next older good one, or none.
    pub fn reject_snapshot(&mut self) {
        self.snapshot = None;
        while let Some(seq) = self.older.pop_front() {
            match read_snapshot(self.disk.as_ref(), &self.dir, seq) {
                Ok(snapshot) => {
                    self.snapshot = Some(snapshot);
                    return;
                }
                Err(finding) => {
                    if !matches!(&finding, Finding::SnapshotDamaged { why: Why::Unreadable(_), .. })
                    {
                        set_aside(self.disk.as_ref(), &self.dir, seq);
                    }
                    self.findings.push(finding);
                }
            }
        }
    }

    /// Gives every record after the snapshot in order, then opens the journal for writing.
    pub fn replay(mut self, mut each: impl FnMut(Record)) -> Opened {
        let covered = self.snapshot.as_ref().map_or(Seq(0), |snapshot| snapshot.seq);
        let from = self.first_needed(covered);
        let range = from..self.segments.len();
        let mut replay = Replay { covered, each: &mut each, findings: &mut self.findings };
        let end = walk(self.disk.as_ref(), &self.dir, &self.segments, range, &mut replay);
        self.missing_before(from, covered);
        self.missing_behind(&end, covered);
        let begins = self.segments.first().and_then(|oldest| oldest.head.ok());
        let begins = begins.map_or(Head::START, |head| head.anchor);
        let note = read_note(self.disk.as_ref(), &self.dir);
        let clean_stop = end.closed && end.tail == Tail::Whole;
        let unread = Unread {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            segments: self.segments.clone(),
            until: from,
        };
        let (journal, findings) = self.start(&end, covered);
        Opened { journal, findings, clean_stop, unread, begins, note }
    }

    /// The last segment that begins at or before the first entry that is needed.
    fn first_needed(&self, covered: Seq) -> usize {
        self.segments.iter().rposition(|segment| segment.first <= covered.next()).unwrap_or(0)
    }

    fn missing_before(&mut self, from: usize, covered: Seq) {
        if let Some(segment) = self.segments.get(from)
            && segment.first > covered.next()
        {
            let lost = Lost { first: covered.next(), last: Some(Seq(segment.first.0 - 1)) };
            self.findings.push(Finding::Missing { before: segment.name.clone(), lost });
        }
    }

    fn missing_behind(&mut self, end: &Outcome, covered: Seq) {
        if covered > end.highest {
            let lost = Lost { first: end.head.seq.next(), last: Some(covered) };
            let before = "the newest snapshot".to_owned();
            self.findings.push(Finding::Missing { before, lost });
        }
    }

    fn start(mut self, end: &Outcome, covered: Seq) -> (Journal, Vec<Finding>) {
        let mut begun = Begun {
            ballast: Arc::new(Ballast::new(
                self.disk.clone(),
                &self.dir,
                self.limits.ballast_bytes,
            )),
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            limits: self.limits.clone(),
            lock: self.lock.take(),
            read: self.unread.is_none(),
            head: match &self.snapshot {
                Some(snapshot) if self.segments.is_empty() => snapshot.head,
                _ => end.head,
            },
            held: VecDeque::new(),
            highest: end.highest.max(covered),
            since: self.segments.last().map_or(1, Listed::since),
            next_number: self.next_number,
            newest: end.newest,
        };
        let started = match self.unread.take() {
            Some(error) => Err(error),
            None => self.writing(end, &mut begun),
        };
        let mut full = false;
        let mut unwritable = None;
        if let Err(error) = &started {
            full = error.kind() == io::ErrorKind::StorageFull;
            unwritable = Some(Finding::Unwritable { error: error.to_string() });
            if begun.read && end.tail != Tail::Damaged {
                self.hold_unsettled(end, &mut begun);
            }
        }
        let mut journal = Journal::new(begun, started.map_err(|error| error.to_string()));
        // What a ballast of an earlier run makes free is room to begin in.
        if !full || !journal.retry() {
            self.findings.extend(unwritable);
        }
        (journal, self.findings)
    }

    fn writing(&mut self, end: &Outcome, begun: &mut Begun) -> io::Result<Writing> {
        for unbegun in std::mem::take(&mut self.unbegun) {
            self.clear_away(&unbegun);
        }
        let Some(last) = self.segments.last().cloned() else {
            return self.fresh(begun, Reason::Next);
        };
        let mut flawed = end.last_is_flawed;
        let good_end = match end.tail {
            Tail::Whole => self.length(&last)?,
            Tail::Torn { offset, bytes } => {
                let kept_in = self.keep_aside(&last, offset, bytes).ok();
                flawed |= kept_in.is_none();
                let segment = last.name.clone();
                self.findings.push(Finding::TornTail { segment, offset, bytes, kept_in });
                offset
            }
            Tail::Damaged | Tail::Unbegun { .. } => {
                self.disk.open_append(&self.dir.join(&last.name))?.force()?;
                return self.fresh(begun, Reason::AfterDamage);
            }
        };
        match last.head {
            Ok(SegmentHead { anchor, .. }) if !flawed && good_end <= MOVED_MAX => {
                let writing = self.copy(&last, SEGMENT_HEAD as u64..good_end, anchor, begun)?;
                // If it stays, the copy's anchor passes it by.
                let _ = self.disk.remove(&self.dir.join(&last.name));
                Ok(writing)
            }
            _ => {
                let Unsettled { offset, before } = end.unsettled;
                let writing = self.copy(&last, offset..good_end, before, begun)?;
                if !flawed {
                    // What stays is passed by as well.
                    let _ =
                        self.disk.open_append(&self.dir.join(&last.name)).and_then(|mut file| {
                            file.cut(offset)?;
                            file.force()
                        });
                }
                Ok(writing)
            }
        }
    }

    /// Keeps aside what a cut left of a segment's beginning.
    fn clear_away(&mut self, unbegun: &Listed) {
        let bytes = self.length(unbegun).unwrap_or(0);
        let kept_in = self.keep_aside(unbegun, 0, bytes).ok();
        let removed = kept_in.is_some() && self.disk.remove(&self.dir.join(&unbegun.name)).is_ok();
        let kept_in = kept_in.filter(|_| removed);
        let segment = unbegun.name.clone();
        self.findings.push(Finding::TornTail { segment, offset: 0, bytes, kept_in });
    }

    /// Begins a segment after `anchor` with the frames of `range`, so that it stands whole or not at
    /// all.
    fn copy(
        &self,
        last: &Listed,
        range: Range<u64>,
        anchor: Head,
        begun: &mut Begun,
    ) -> io::Result<Writing> {
        let number = begun.next_number;
        begun.next_number += 1;
        let since = last.since();
        let head = SegmentHead { number, reason: Reason::Again { since }, anchor };
        let name = segment_name(number, anchor.seq.next());
        let passing = self.dir.join(format!("{name}{PASSING}"));
        let from = self.disk.open_read(&self.dir.join(&last.name))?;
        let mut file = self.disk.create(&passing)?;
        let mut frames = || {
            file.append(&encode_segment_head(&head))?;
            let mut at = range.start;
            while at < range.end {
                let mut piece = vec![0; (range.end - at).min(PIECE) as usize];
                let got = twice(|| from.read_at(at, &mut piece))?;
                if got < piece.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                file.append(&piece)?;
                at += got as u64;
            }
            file.force()?;
            self.disk.rename(&passing, &self.dir.join(&name))?;
            self.disk.sync_dir(&self.dir)
        };
        if let Err(error) = frames() {
            // Under a passing name it means nothing, and the next start removes it.
            let _ = self.disk.remove(&passing);
            return Err(error);
        }
        let length = SEGMENT_HEAD as u64 + (range.end - range.start);
        Ok(Writing { name, since, file, length })
    }

    /// What may not be on disk could not be copied: it goes into memory, and the journal stands
    /// where it is known to be safe.
    fn hold_unsettled(&self, end: &Outcome, begun: &mut Begun) {
        let before = end.unsettled.before;
        let Some(from) = self.segments.len().checked_sub(1) else { return };
        let mut held = Held { after: before.seq, drafts: VecDeque::new() };
        walk(self.disk.as_ref(), &self.dir, &self.segments, from..from + 1, &mut held);
        if before.seq.0 + held.drafts.len() as u64 == begun.highest.0 {
            begun.head = before;
            begun.held = held.drafts;
        }
    }

    fn fresh(&self, begun: &mut Begun, reason: Reason) -> io::Result<Writing> {
        let number = begun.next_number;
        begun.next_number += 1;
        let head = SegmentHead { number, reason, anchor: begun.head };
        let (name, file) = begin_segment(self.disk.as_ref(), &self.dir, &head)?;
        let length = file.length()?;
        Ok(Writing { name, since: number, file, length })
    }

    fn keep_aside(&self, last: &Listed, offset: u64, bytes: u64) -> io::Result<String> {
        let file = self.disk.open_read(&self.dir.join(&last.name))?;
        let mut torn = vec![0; bytes.min(TORN_MAX) as usize];
        let got = file.read_at(offset, &mut torn)?;
        let name = format!("torn-{offset}-{}", last.name);
        write_whole(self.disk.as_ref(), &self.dir, &name, &[&torn[..got]])?;
        Ok(name)
    }
}

/// A last segment up to this length is moved whole into the new one, so that a hub that restarts
/// again and again does not fill the folder with small files. Own choice: copied in milliseconds.
const MOVED_MAX: u64 = 256 * 1024;

/// How much is copied at a time.
const PIECE: u64 = 1024 * 1024;

/// Most torn bytes that are kept; zeros behind them are not. Own choice: above the longest frame.
const TORN_MAX: u64 = 9 * 1024 * 1024;

struct Replay<'a, F> {
    covered: Seq,
    each: &'a mut F,
    findings: &'a mut Vec<Finding>,
}

impl<F: FnMut(Record)> Reader for Replay<'_, F> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        for entry in placed.entries().filter(|entry| entry.seq > self.covered) {
            (self.each)(entry.to_record());
        }
        ControlFlow::Continue(())
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

struct Held {
    after: Seq,
    drafts: VecDeque<Draft>,
}

impl Reader for Held {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        let behind = placed.entries().filter(|entry| entry.seq > self.after);
        self.drafts.extend(behind.map(Lying::to_draft));
        ControlFlow::Continue(())
    }

    fn finding(&mut self, _: Finding) {}
}
