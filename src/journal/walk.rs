//! Reads segments in order and holds the chain together: what is expected next, what is missing,
//! what was left over by a failing disk. Start, scrub, verify, export and tail all read through it,
//! so they cannot disagree about what stands in the journal.
//!
//! A segment begun *again* is anchored at the last frame that is known to be on disk. What stands
//! behind that frame in the segments before it was never answered, or stands again in the new one:
//! it is passed by. Everything else that does not follow is reported, and reading goes on behind it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use crate::terms::{At, Seq};

use super::chain::{Hash, Head};
use super::disk::{Disk, twice};
use super::entry::Lying;
use super::finding::{Finding, Lost, Why};
use super::frame::{Frame, FrameKind};
use super::scan::{Piece, Scan, Seen};
use super::segment::{HeadFault, Listed, Reason, SEGMENT_HEAD, SegmentHead};

/// A frame in its place.
pub(super) struct Placed<'a> {
    pub frame: Frame<'a>,
    /// The chain's head once the frame stands.
    pub head: Head,
    /// Sequences up to this one were read before: a frame may overlap after damage.
    pub known: Seq,
}

impl<'a> Placed<'a> {
    /// The entries that were not read before.
    pub(super) fn entries(&self) -> impl Iterator<Item = Lying<'a>> + use<'a> {
        let known = self.known;
        self.frame.entries().filter(move |entry| entry.seq > known)
    }
}

/// Who is shown what is read.
pub(super) trait Reader {
    /// A good frame; `Break` ends the walk.
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()>;
    /// Something a person should know.
    fn finding(&mut self, finding: Finding);
}

/// How the last segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// With a good frame, or a good header and no frame.
    Whole,
    /// With a torn write from `offset` on.
    Torn { offset: u64, bytes: u64 },
    /// Before its header was finished.
    Unbegun { bytes: u64 },
    /// With damage.
    Damaged,
}

/// Where a walk came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The newest good frame.
    pub head: Head,
    /// The highest sequence that may have been given out; above `head.seq` only after damage.
    pub highest: Seq,
    /// Whether the newest frame is a closing record and nothing stands behind it.
    pub closed: bool,
    /// How the last segment ends.
    pub tail: Tail,
    /// Hub time of the newest entry, as far as it was read.
    pub newest: At,
    /// From where on the last segment may not be on disk.
    pub unsettled: Unsettled,
    /// Whether anything in the last segment is not as it should be.
    pub last_is_flawed: bool,
}

/// A place in the last segment behind which nothing proves that it was forced: the start of the
/// newest frame that says that everything before it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsettled {
    pub offset: u64,
    /// Where the chain stands before it.
    pub before: Head,
}

/// How many sequences are passed over for a file that cannot even be opened. Own choice: more than
/// the largest segment can hold.
const UNKNOWN_LEAP: u64 = 1 << 26;

struct Pending {
    segment: String,
    offset: u64,
    bytes: u64,
    why: Why,
}

struct Walk<'r, R> {
    reader: &'r mut R,
    /// Unknown only until the first good header or frame.
    hash: Option<Hash>,
    seq: Seq,
    highest: Seq,
    pending: Vec<Pending>,
    closed: bool,
    tail: Tail,
    newest: At,
    unsettled: Unsettled,
    flawed: bool,
    /// For each anchor of a segment begun again, the last such segment, and the number of the oldest
    /// one that it passes by.
    restarts: BTreeMap<(Seq, Hash), (usize, u64)>,
}

/// How many damaged places may wait for a good frame that tells what was lost. Own choice: a whole
/// folder of damaged segments; beyond it they are reported without the sequences.
const PENDING_MAX: usize = 1024;

/// Reads `segments[from..to]`; the list is whole, because later headers tell about earlier files.
pub(super) fn walk<R: Reader>(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Listed],
    range: std::ops::Range<usize>,
    reader: &mut R,
) -> Outcome {
    let mut walk = Walk::begin(segments, range.start, reader);
    let mut index = range.start;
    while index < range.end {
        if let Some(restart) = walk.restart_after(index, segments[index].number) {
            for skipped in &segments[index..restart.min(range.end)] {
                let bytes = length_of(disk, dir, skipped);
                walk.superseded(&skipped.name, 0, bytes);
            }
            index = restart;
            continue;
        }
        if walk.segment(disk, dir, segments, index).is_break() {
            return walk.finish();
        }
        index += 1;
    }
    if let Some(behind) = segments.get(index)
        && let Ok(head) = behind.head
    {
        walk.anchored(behind, &head);
    }
    walk.finish()
}

fn length_of(disk: &dyn Disk, dir: &Path, segment: &Listed) -> u64 {
    disk.open_read(&dir.join(&segment.name)).and_then(|file| file.length()).unwrap_or(0)
}

impl<'r, R: Reader> Walk<'r, R> {
    fn begin(segments: &[Listed], from: usize, reader: &'r mut R) -> Self {
        let restarts = segments
            .iter()
            .enumerate()
            .filter_map(|(index, segment)| match segment.head {
                Ok(SegmentHead { reason: Reason::Again { since }, anchor, .. }) => {
                    Some(((anchor.seq, anchor.hash), (index, since)))
                }
                _ => None,
            })
            .collect();
        let first = segments.get(from);
        let start = first.map_or(Head::START, |segment| match segment.head {
            Ok(head) => head.anchor,
            Err(_) => Head { seq: Seq(segment.first.0 - 1), hash: Hash::NONE },
        });
        let known = first.is_none_or(|segment| segment.head.is_ok() || segment.number <= 1);
        Self {
            reader,
            hash: known.then_some(start.hash),
            seq: start.seq,
            highest: start.seq,
            pending: Vec::new(),
            closed: false,
            tail: Tail::Whole,
            newest: At(0),
            unsettled: Unsettled { offset: SEGMENT_HEAD as u64, before: start },
            flawed: false,
            restarts,
        }
    }

    /// The segment to go on with instead of what is left of this one.
    fn restart_after(&self, index: usize, number: u64) -> Option<usize> {
        let (restart, since) = *self.restarts.get(&(self.seq, self.hash?))?;
        (restart > index && number >= since).then_some(restart)
    }

    fn superseded(&mut self, segment: &str, offset: u64, bytes: u64) {
        if bytes > 0 {
            let segment = segment.to_owned();
            self.reader.finding(Finding::Superseded { segment, offset, bytes });
        }
    }

    fn segment(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        segments: &[Listed],
        index: usize,
    ) -> ControlFlow<()> {
        let (segment, next) = (&segments[index], segments.get(index + 1));
        self.tail = Tail::Whole;
        self.flawed = false;
        let path = dir.join(&segment.name);
        let opened = twice(|| Scan::new(disk.open_read(&path)?, SEGMENT_HEAD as u64));
        let mut scan = match opened {
            Ok(scan) => scan,
            Err(error) => {
                self.damaged(&segment.name, 0, 0, Why::Unreadable(error.to_string()));
                self.highest = Seq(self.highest.0 + UNKNOWN_LEAP);
                return ControlFlow::Continue(());
            }
        };
        match segment.head {
            Ok(head) => self.anchored(segment, &head),
            Err(HeadFault::Unfinished) if scan.length() <= SEGMENT_HEAD as u64 => {
                let bytes = scan.length();
                match next {
                    None => self.tail = Tail::Unbegun { bytes },
                    Some(_) => self.damaged(&segment.name, 0, bytes, Why::Header),
                }
                return ControlFlow::Continue(());
            }
            Err(HeadFault::Newer) => {
                self.damaged(&segment.name, 0, scan.length(), Why::Newer);
                self.highest = Seq(self.highest.0 + scan.length() / 20);
                return ControlFlow::Continue(());
            }
            Err(_) => self.damaged(&segment.name, 0, SEGMENT_HEAD as u64, Why::Header),
        }
        self.unsettled = Unsettled { offset: SEGMENT_HEAD as u64, before: self.head() };
        self.pieces(&mut scan, segment, index, next)
    }

    /// Takes up a segment's anchor.
    fn anchored(&mut self, segment: &Listed, head: &SegmentHead) {
        let anchor = head.anchor;
        if self.hash == Some(anchor.hash) && self.seq == anchor.seq {
            return;
        }
        if anchor.seq > self.seq {
            self.lost_until(&segment.name, anchor.seq);
        } else if self.hash.is_some() && self.pending.is_empty() {
            let segment = segment.name.clone();
            self.reader.finding(Finding::ChainBroken { segment, offset: 0, seq: anchor.seq });
        }
        self.hash = Some(anchor.hash);
        self.seq = self.seq.max(anchor.seq);
        self.highest = self.highest.max(self.seq);
    }

    fn pieces(
        &mut self,
        scan: &mut Scan,
        segment: &Listed,
        index: usize,
        next: Option<&Listed>,
    ) -> ControlFlow<()> {
        loop {
            if self.restart_after(index, segment.number).is_some() {
                self.superseded(&segment.name, scan.offset(), scan.length() - scan.offset());
                return ControlFlow::Continue(());
            }
            match scan.next_piece() {
                Piece::End => return ControlFlow::Continue(()),
                Piece::Torn { offset, bytes } => match next {
                    None => {
                        self.tail = Tail::Torn { offset, bytes };
                        self.closed = false;
                    }
                    Some(_) => self.damaged(&segment.name, offset, bytes, Why::CutShort),
                },
                Piece::Wrong { offset, bytes, why, seen } => {
                    self.damaged(&segment.name, offset, bytes, why);
                    let seen = match seen {
                        Seen::UpTo(seq) => seq,
                        Seen::AtMost(entries) => Seq(self.seq.0 + entries),
                    };
                    self.highest = self.highest.max(seen);
                }
                Piece::Frame { offset, frame } => {
                    self.tail = Tail::Whole;
                    self.take(&segment.name, offset, frame)?;
                }
            }
        }
    }

    fn take(&mut self, segment: &str, offset: u64, frame: Frame<'_>) -> ControlFlow<()> {
        let follows = self.hash.is_none_or(|hash| hash == frame.prev);
        let named = || segment.to_owned();
        if frame.last() <= self.seq && frame.kind == FrameKind::Batch {
            let finding = Finding::Repeated { segment: named(), offset, seq: frame.first };
            self.reader.finding(finding);
            self.flawed = true;
            return ControlFlow::Continue(());
        }
        if frame.first > self.seq.next() {
            self.lost_until(segment, Seq(frame.first.0 - 1));
        } else if !self.pending.is_empty() {
            let until =
                if matches!(frame.kind, FrameKind::Gap { .. }) { frame.last() } else { self.seq };
            self.lost_until(segment, until);
        } else if !follows || frame.first <= self.seq {
            let finding = Finding::ChainBroken { segment: named(), offset, seq: frame.first };
            self.reader.finding(finding);
            self.flawed = true;
        }
        let known = self.seq;
        if frame.settled {
            self.unsettled = Unsettled { offset, before: self.head() };
        }
        let head = frame.head();
        self.hash = Some(head.hash);
        self.seq = self.seq.max(head.seq);
        self.highest = self.seq;
        self.closed = matches!(frame.kind, FrameKind::Closing { .. });
        if let FrameKind::Closing { at, .. } = frame.kind {
            self.newest = self.newest.max(at);
        }
        if let FrameKind::Gap { last } = frame.kind
            && last > known
        {
            let lost = Lost { first: known.next(), last: Some(last) };
            self.reader.finding(Finding::Gap { lost });
        }
        if let Some(newest) = frame.entries().map(|entry| entry.at).max() {
            self.newest = self.newest.max(newest);
        }
        self.reader.frame(&Placed { frame, head, known })
    }

    fn damaged(&mut self, segment: &str, offset: u64, bytes: u64, why: Why) {
        self.tail = Tail::Damaged;
        self.flawed = true;
        self.closed = false;
        let pending = Pending { segment: segment.to_owned(), offset, bytes, why };
        if self.pending.len() < PENDING_MAX {
            self.pending.push(pending);
        } else {
            self.report(pending, None);
        }
    }

    fn report(&mut self, pending: Pending, lost: Option<Lost>) {
        let Pending { segment, offset, bytes, why } = pending;
        self.reader.finding(Finding::Damaged { segment, offset, bytes, lost, why });
    }

    /// The sequences up to `last` are not there: lost to the damage just passed, or else missing.
    fn lost_until(&mut self, segment: &str, last: Seq) {
        let lost = (last > self.seq).then(|| Lost { first: self.seq.next(), last: Some(last) });
        let mut unexplained = lost;
        for pending in std::mem::take(&mut self.pending) {
            self.report(pending, lost);
            unexplained = None;
        }
        if let Some(lost) = unexplained {
            self.reader.finding(Finding::Missing { before: segment.to_owned(), lost });
        }
        self.seq = self.seq.max(last);
    }

    fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.unwrap_or(Hash::NONE) }
    }

    fn finish(mut self) -> Outcome {
        let lost = Lost { first: self.seq.next(), last: None };
        let lost = (self.highest > self.seq).then_some(lost);
        for pending in std::mem::take(&mut self.pending) {
            self.report(pending, lost);
        }
        Outcome {
            head: self.head(),
            highest: self.highest.max(self.seq),
            closed: self.closed,
            tail: self.tail,
            newest: self.newest,
            unsettled: self.unsettled,
            last_is_flawed: self.flawed,
        }
    }
}
