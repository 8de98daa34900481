//! The start. It reads the newest good snapshot and the records after it, decides what the end of
//! the last segment is, and opens the journal for writing. It succeeds on an unwritable, full or
//! damaged disk; the one refusal is a folder that another process holds.
//!
//! - A torn tail is kept in a `torn-…` file, then cut off; a new segment follows it.
//! - Damage stays where it is; a new segment follows it, and sequences go on behind the highest that
//!   may have been given out, so that no event id is ever used twice. What lies between is written
//!   down as a gap.
//! - A whole tail is gone on with in the same file, after forcing it: a killed process may have left
//!   frames there that only the system's memory holds. If that force fails, the file's entries are
//!   held in memory and written again, as after any failed force. Where the file cannot even be
//!   opened for writing, what was read from it counts as stored.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::terms::Seq;

use super::ballast::Ballast;
use super::disk::{DirLock, Disk, write_whole};
use super::durable::Limits;
use super::entry::{Draft, Lying, Record};
use super::error::JournalError;
use super::finding::{Finding, Lost};
use super::log::{Begun, Journal, Writing};
use super::scrub::Unread;
use super::segment::{Listed, Reason, SegmentHead, begin_segment, list_segments};
use super::snapshot::{Snapshot, list_snapshots, read_snapshot, remove_passing, set_aside};
use super::walk::{Outcome, Placed, Reader, Tail, walk};

/// A journal whose folder is taken and whose snapshot is read; its records come next.
pub struct Opening {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    lock: Option<Box<dyn DirLock>>,
    /// What stood in the way of reading the folder.
    unread: Option<io::Error>,
    segments: Vec<Listed>,
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
}

impl Journal {
    /// Takes the folder (made if need be) and reads the newest good snapshot.
    ///
    /// # Errors
    /// [`JournalError::Held`] when another process holds the folder; nothing else stops a start.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, limits: Limits) -> Result<Opening, JournalError> {
        let mut opening = Opening {
            disk,
            dir: dir.to_owned(),
            limits,
            lock: None,
            unread: None,
            segments: Vec::new(),
            snapshot: None,
            older: VecDeque::new(),
            findings: Vec::new(),
        };
        let made = opening.disk.make_dir(dir);
        match opening.disk.lock_dir(dir) {
            Ok(Some(lock)) => opening.lock = Some(lock),
            Ok(None) => return Err(JournalError::Held),
            Err(error) if made.is_ok() => {
                opening.findings.push(Finding::Unlocked { error: error.to_string() });
            }
            Err(_) => {}
        }
        if let Err(error) = made.and_then(|()| opening.look()) {
            opening.unread = Some(error);
        }
        opening.reject_snapshot();
        Ok(opening)
    }
}

impl Opening {
    fn look(&mut self) -> io::Result<()> {
        let (disk, dir) = (self.disk.as_ref(), self.dir.as_path());
        remove_passing(disk, dir, &disk.list(dir)?);
        self.segments = list_segments(disk, dir)?;
        self.older = list_snapshots(disk, dir)?.into();
        Ok(())
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
                    self.findings.push(finding);
                    set_aside(self.disk.as_ref(), &self.dir, seq);
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
        let clean_stop = end.closed && end.tail == Tail::Whole;
        let unread = Unread {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            segments: self.segments.clone(),
            until: from,
        };
        let (journal, findings) = self.start(&end, covered);
        Opened { journal, findings, clean_stop, unread }
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
            next_number: self.segments.last().map_or(1, |segment| segment.number + 1),
            newest: end.newest,
        };
        let started = match self.unread.take() {
            Some(error) => Err(error),
            None => self.writing(end, &mut begun),
        };
        if let Err(error) = &started {
            self.findings.push(Finding::Unwritable { error: error.to_string() });
        }
        let journal = Journal::new(begun, started.map_err(|error| error.to_string()));
        (journal, self.findings)
    }

    fn writing(&mut self, end: &Outcome, begun: &mut Begun) -> io::Result<Writing> {
        let last = self.segments.last().cloned();
        let Some(last) = last else { return self.fresh(begun, Reason::Next) };
        match end.tail {
            Tail::Whole if begun.highest == end.head.seq && last.head.is_ok() => {
                self.go_on(&last, begun)
            }
            Tail::Whole | Tail::Damaged => {
                self.disk.open_append(&self.dir.join(&last.name))?.force()?;
                self.fresh(begun, Reason::AfterDamage)
            }
            Tail::Torn { offset, bytes } => {
                let kept_in = self.cut(&last, offset, bytes);
                let segment = last.name.clone();
                self.findings.push(Finding::TornTail { segment, offset, bytes, kept_in });
                self.disk.open_append(&self.dir.join(&last.name))?.force()?;
                self.fresh(begun, Reason::AfterTear)
            }
            Tail::Unbegun { bytes } => {
                let kept_in = self.keep_aside(&last, 0, bytes).ok();
                let removed =
                    kept_in.is_some() && self.disk.remove(&self.dir.join(&last.name)).is_ok();
                let kept_in = kept_in.filter(|_| removed);
                let segment = last.name.clone();
                self.findings.push(Finding::TornTail { segment, offset: 0, bytes, kept_in });
                self.fresh(begun, Reason::AfterTear)
            }
        }
    }

    /// Goes on in the last segment.
    fn go_on(&mut self, last: &Listed, begun: &mut Begun) -> io::Result<Writing> {
        let mut file = self.disk.open_append(&self.dir.join(&last.name))?;
        let length = file.length()?;
        if let Err(error) = file.force() {
            self.hold_again(last, begun);
            return Err(error);
        }
        Ok(Writing { name: last.name.clone(), file, length })
    }

    /// The last segment could not be forced: its entries go into memory, and the journal stands
    /// where it began.
    fn hold_again(&self, last: &Listed, begun: &mut Begun) {
        let Ok(SegmentHead { anchor, .. }) = last.head else { return };
        let mut held = Held(VecDeque::new());
        let from = self.segments.len() - 1;
        walk(self.disk.as_ref(), &self.dir, &self.segments, from..from + 1, &mut held);
        if anchor.seq.0 + held.0.len() as u64 == begun.head.seq.0 {
            begun.head = anchor;
            begun.held = held.0;
        }
    }

    fn fresh(&self, begun: &mut Begun, reason: Reason) -> io::Result<Writing> {
        let head = SegmentHead { number: begun.next_number, reason, anchor: begun.head };
        begun.next_number += 1;
        let (name, file) = begin_segment(self.disk.as_ref(), &self.dir, &head)?;
        let length = file.length()?;
        Ok(Writing { name, file, length })
    }

    /// Keeps torn bytes aside and cuts them off; they stay where they are if either fails.
    fn cut(&self, last: &Listed, offset: u64, bytes: u64) -> Option<String> {
        let kept = self.keep_aside(last, offset, bytes).ok()?;
        let cut = self.disk.open_append(&self.dir.join(&last.name)).and_then(|mut file| {
            file.cut(offset)?;
            file.force()
        });
        cut.ok().map(|()| kept)
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

struct Held(VecDeque<Draft>);

impl Reader for Held {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        self.0.extend(placed.entries().map(Lying::to_draft));
        ControlFlow::Continue(())
    }

    fn finding(&mut self, _: Finding) {}
}
