//! The writer. It takes drafts, gives them sequences, appends frames and forces them; it is always
//! in one of two modes. *Safe*: a segment is open, and what was appended but not yet forced is still
//! held in memory. *Volatile*: a write or a sync failed, the segment is let go for good (a second
//! sync of the same file may lie), and drafts are only held, in order, up to a limit. A fresh
//! segment, anchored at the last forced frame, takes what is held; when it was forced, the mode is
//! safe again. Nothing is said to be durable before its force returned.
//!
//! No thread and no waiting here: [`super::Committer`] drives it, and the tests can stop it between
//! any two calls.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::terms::{At, Seq, Wall};

use super::ballast::Ballast;
use super::chain::Head;
use super::disk::{DirLock, Disk, DiskFile};
use super::durable::{Durable, Gap, Limits, Standing};
use super::entry::Draft;
use super::frame::{FRAME_ENTRIES_MAX, encode_batch, encode_closing, encode_gap};
use super::segment::{Reason, SEGMENT_HEAD, SegmentHead, begin_segment, list_segments};

/// The write buffer keeps at most this many bytes between frames. Own choice.
const BUFFER_KEPT: usize = 1024 * 1024;

/// The segment that is open for writing.
pub(super) struct Writing {
    pub name: String,
    /// From which segment on one begun again at its end passes by.
    pub since: u64,
    pub file: Box<dyn DiskFile>,
    pub length: u64,
}

enum Mode {
    Safe(Writing),
    Volatile { since: At, error: Arc<str> },
}

/// What the start found out about the folder.
pub(super) struct Begun {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub limits: Limits,
    pub lock: Option<Box<dyn DirLock>>,
    /// Whether the folder's contents were read. If not, nothing is written beside what may be there.
    pub read: bool,
    pub head: Head,
    /// Entries behind `head` that were read but may not be on disk.
    pub held: VecDeque<Draft>,
    /// The highest sequence that was ever given out, as far as is known.
    pub highest: Seq,
    /// From which segment on one begun again passes by, if none can be begun now.
    pub since: u64,
    pub next_number: u64,
    pub newest: At,
    pub ballast: Arc<Ballast>,
}

/// The journal, open for writing. One per folder and machine.
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    lock: Option<Box<dyn DirLock>>,
    read: bool,
    mode: Mode,
    /// The newest frame appended.
    head: Head,
    /// The newest frame forced.
    durable: Head,
    /// Entries behind `durable`, in order.
    held: VecDeque<Draft>,
    held_bytes: usize,
    /// Sequences up to this one were lost before this run, which is not yet written down.
    skip: Seq,
    /// Entries behind `held` that were dropped and are not yet written down as such.
    dropped: Option<Gap>,
    /// Entries that a snapshot must stand for.
    gap: Option<Gap>,
    next: Seq,
    /// From which segment on one begun again passes by: the newest that was written safely.
    since: u64,
    next_number: u64,
    newest: At,
    buffer: Vec<u8>,
    ballast: Arc<Ballast>,
}

impl Journal {
    pub(super) fn new(begun: Begun, started: Result<Writing, String>) -> Self {
        let since = started.as_ref().map_or(begun.since, |writing| writing.since);
        let mode = match started {
            Ok(writing) => Mode::Safe(writing),
            Err(error) => Mode::Volatile { since: begun.newest, error: error.into() },
        };
        let mut journal = Self {
            disk: begun.disk,
            dir: begun.dir,
            limits: begun.limits,
            lock: begun.lock,
            read: begun.read,
            mode,
            head: begun.head,
            durable: begun.head,
            held_bytes: begun.held.iter().map(Draft::length).sum(),
            skip: if begun.held.is_empty() { begun.highest } else { Seq(0) },
            held: begun.held,
            dropped: None,
            gap: None,
            next: begun.highest.next(),
            since,
            next_number: begun.next_number,
            newest: begun.newest,
            buffer: Vec::new(),
            ballast: begun.ballast,
        };
        if journal.is_safe() {
            match journal.write_skip() {
                Ok(()) => journal.force(),
                Err(error) => journal.fail(&error),
            }
        }
        journal
    }

    /// The sequence the next entry gets.
    pub fn next(&self) -> Seq {
        self.next
    }

    /// How far everything is safe.
    pub fn durable(&self) -> Durable {
        let standing = match &self.mode {
            Mode::Safe(_) => Standing::Safe,
            Mode::Volatile { since, error } => {
                Standing::Volatile { since: *since, error: error.clone(), kept: self.held.len() }
            }
        };
        let gap = match (self.gap, self.dropped) {
            (Some(old), Some(new)) => Some(Gap { first: old.first, last: new.last }),
            (old, new) => old.or(new),
        };
        Durable { head: self.durable, standing, gap }
    }

    /// The settings it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn place(&self) -> (Arc<dyn Disk>, PathBuf, Arc<Ballast>) {
        (self.disk.clone(), self.dir.clone(), self.ballast.clone())
    }

    /// Gives the drafts the next sequences and writes them, in frames of at most
    /// [`FRAME_ENTRIES_MAX`]; says the first sequence. A killed process loses nothing from here on; a
    /// power cut may, until [`Journal::force`]. While volatile they are held in memory, and beyond
    /// the limits dropped and counted in [`Durable::gap`]. `drafts` is emptied.
    pub fn append(&mut self, drafts: &mut Vec<Draft>) -> Seq {
        let first = self.next;
        if drafts.is_empty() {
            return first;
        }
        self.make_room(drafts);
        self.next = Seq(first.0 + drafts.len() as u64);
        let written = self.held.len();
        for draft in drafts.drain(..) {
            self.newest = self.newest.max(draft.at());
            self.hold(draft);
        }
        if self.is_safe()
            && let Err(error) = self.write_held(written)
        {
            self.fail(&error);
        }
        first
    }

    /// Forces everything appended; what was answered after this survives a power cut. While volatile
    /// it does nothing: see [`Journal::retry`].
    pub fn force(&mut self) {
        if self.settled() {
            return;
        }
        if let Mode::Safe(writing) = &mut self.mode {
            match writing.file.force() {
                Ok(()) => self.forced(),
                Err(error) => self.fail(&error),
            }
        }
    }

    /// While volatile: tries a fresh segment with everything held, and on a full disk a second time
    /// in the ballast's place. Whether the journal is safe now.
    pub fn retry(&mut self) -> bool {
        if self.is_safe() {
            return true;
        }
        let mut tried = self.recover();
        let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        if tried.as_ref().is_err_and(full) && self.ballast.give_up() {
            tried = self.recover();
        }
        match tried {
            Ok(()) => true,
            Err(error) => {
                self.turn_volatile(&error);
                false
            }
        }
    }

    /// Leaves the next `count` sequences out, and says so in the record: they may have been given
    /// out where nobody can look any more.
    pub(super) fn leave_out(&mut self, count: u64) -> io::Result<()> {
        self.force();
        let last = Seq(self.next.0 - 1 + count);
        let mut buffer = Vec::new();
        let head = encode_gap(&mut buffer, self.head, self.settled(), last);
        self.write(&buffer, head)?;
        self.next = last.next();
        self.force();
        match &self.mode {
            Mode::Safe(_) if self.durable == head => Ok(()),
            Mode::Safe(_) => Err(io::Error::other("the disk did not take it")),
            Mode::Volatile { error, .. } => Err(io::Error::other(error.to_string())),
        }
    }

    /// A snapshot at `seq` was written: it stands for a gap up to there.
    pub fn covered(&mut self, seq: Seq) {
        if self.gap.is_some_and(|gap| gap.last <= seq) {
            self.gap = None;
        }
    }

    /// Stops as asked: tries a last time if volatile, writes the closing record and forces it. The
    /// answer says how far everything is safe for good.
    pub fn close(mut self, at: At, wall: Wall) -> Durable {
        self.force();
        if self.retry() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let head = encode_closing(&mut buffer, self.head, self.settled(), at, wall);
            match self.write(&buffer, head) {
                Ok(()) => self.force(),
                Err(error) => self.fail(&error),
            }
        }
        self.durable()
    }

    fn settled(&self) -> bool {
        self.head == self.durable
    }

    fn is_safe(&self) -> bool {
        matches!(self.mode, Mode::Safe(_))
    }

    /// Begins the next segment when this one has grown enough, and forces what waits when the
    /// drafts would not fit beside it into what may be held.
    fn make_room(&mut self, drafts: &[Draft]) {
        let bytes: usize = drafts.iter().map(Draft::length).sum();
        if self.held.len() + drafts.len() > self.limits.backlog_max_entries
            || self.held_bytes + bytes > self.limits.backlog_max_bytes
        {
            self.force();
        }
        let full = matches!(&self.mode, Mode::Safe(writing)
            if writing.length >= self.limits.segment_max_bytes);
        if full {
            self.force();
            if self.is_safe()
                && let Err(error) = self.roll()
            {
                self.fail(&error);
            }
        }
    }

    /// Keeps a draft behind the others. While the disk takes what it is given, one batch may go
    /// beyond the limit; while it does not, the newest are dropped there and counted.
    fn hold(&mut self, draft: Draft) {
        let full = self.held.len() >= self.limits.backlog_max_entries
            || self.held_bytes + draft.length() > self.limits.backlog_max_bytes;
        if !self.is_safe() && (full || self.dropped.is_some()) {
            let held_from = self.durable.seq.max(self.skip);
            let behind_held = Seq(held_from.0 + self.held.len() as u64 + 1);
            let (first, last) =
                self.dropped.map_or((behind_held, behind_held), |gap| (gap.first, gap.last.next()));
            self.dropped = Some(Gap { first, last });
            return;
        }
        self.held_bytes += draft.length();
        self.held.push_back(draft);
    }

    /// Appends what is held from `from` on.
    fn write_held(&mut self, mut from: usize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut written = Ok(());
        while from < self.held.len() && written.is_ok() {
            let to = self.held.len().min(from + FRAME_ENTRIES_MAX);
            let head =
                encode_batch(&mut buffer, self.head, self.settled(), self.held.range(from..to));
            written = self.write(&buffer, head);
            from = to;
        }
        buffer.clear();
        buffer.shrink_to(BUFFER_KEPT);
        self.buffer = buffer;
        written
    }

    /// Writes down that the sequences up to [`Self::skip`] are lost.
    fn write_skip(&mut self) -> io::Result<()> {
        if self.skip <= self.head.seq {
            return Ok(());
        }
        let mut buffer = Vec::new();
        let head = encode_gap(&mut buffer, self.head, self.settled(), self.skip);
        self.write(&buffer, head)
    }

    /// Appends one frame, in one call.
    fn write(&mut self, frame: &[u8], head: Head) -> io::Result<()> {
        if let Mode::Safe(writing) = &mut self.mode {
            writing.file.append(frame)?;
            writing.length += frame.len() as u64;
            self.head = head;
        }
        Ok(())
    }

    fn forced(&mut self) {
        self.durable = self.head;
        self.held.clear();
        self.held_bytes = 0;
    }

    fn roll(&mut self) -> io::Result<()> {
        let writing = self.begin(Reason::Next)?;
        self.since = writing.since;
        self.mode = Mode::Safe(writing);
        Ok(())
    }

    fn begin(&mut self, reason: Reason) -> io::Result<Writing> {
        let number = self.next_number;
        self.next_number += 1;
        let head = SegmentHead { number, reason, anchor: self.durable };
        let (name, file) = begin_segment(self.disk.as_ref(), &self.dir, &head)?;
        let since = if let Reason::Again { since } = reason { since } else { number };
        Ok(Writing { name, since, file, length: SEGMENT_HEAD as u64 })
    }

    /// Lets the segment go for good. On a full disk the ballast makes room at once.
    fn fail(&mut self, error: &io::Error) {
        self.turn_volatile(error);
        if error.kind() == io::ErrorKind::StorageFull && self.ballast.give_up() {
            self.retry();
        }
    }

    fn turn_volatile(&mut self, error: &io::Error) {
        let since = match &self.mode {
            Mode::Safe(_) => self.newest,
            Mode::Volatile { since, .. } => *since,
        };
        self.mode = Mode::Volatile { since, error: error.to_string().into() };
        self.head = self.durable;
    }

    fn recover(&mut self) -> io::Result<()> {
        self.take_folder()?;
        let writing = self.begin(Reason::Again { since: self.since })?;
        let path = self.dir.join(&writing.name);
        let since = match &self.mode {
            Mode::Safe(_) => self.newest,
            Mode::Volatile { since, .. } => *since,
        };
        self.mode = Mode::Safe(writing);
        match self.write_all_held() {
            Ok(()) => {
                self.forced();
                if let Some(dropped) = self.dropped.take() {
                    let first = self.gap.map_or(dropped.first, |gap| gap.first);
                    self.gap = Some(Gap { first, last: dropped.last });
                }
                Ok(())
            }
            Err(error) => {
                self.mode = Mode::Volatile { since, error: error.to_string().into() };
                self.head = self.durable;
                // Nobody was answered for what it holds; where it stays, a later anchor passes it by.
                let _ = self.disk.remove(&path);
                Err(error)
            }
        }
    }

    fn write_all_held(&mut self) -> io::Result<()> {
        self.write_skip()?;
        self.write_held(0)?;
        if let Some(dropped) = self.dropped {
            let mut buffer = Vec::new();
            let head = encode_gap(&mut buffer, self.head, self.settled(), dropped.last);
            self.write(&buffer, head)?;
        }
        match &mut self.mode {
            Mode::Safe(writing) => writing.file.force(),
            Mode::Volatile { .. } => Ok(()),
        }
    }

    /// Makes up for what the start could not do: the folder, its lock, a look into it.
    fn take_folder(&mut self) -> io::Result<()> {
        if self.lock.is_none() {
            self.disk.make_dir(&self.dir)?;
            match self.disk.lock_dir(&self.dir) {
                Ok(Some(lock)) => self.lock = Some(lock),
                Ok(None) => {
                    return Err(io::Error::other("another hub took the journal: stop it"));
                }
                // The start said so already; a folder that cannot be locked is better than none.
                Err(_) => {}
            }
        }
        if !self.read {
            if !list_segments(self.disk.as_ref(), &self.dir)?.is_empty() {
                return Err(io::Error::other(
                    "the folder holds a journal this run has not read: restart the hub to take it up",
                ));
            }
            self.read = true;
        }
        Ok(())
    }
}
