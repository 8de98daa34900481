//! Evidence: a run of frames as JSON lines that can be checked again without the journal.
//!
//! The first line names the range and the hash before it; each frame is a line with its kind, first
//! sequence, number of entries and hash, followed by a line per entry; the last line names the
//! totals and the hash at the end. A frame is bytes that follow from these lines alone, so a checker
//! can make it again and compare the hashes. Frames are never split: the range is widened to whole
//! ones. A body that is JSON on one line stands as it is; any other as base64.
//!
//! An export of everything must be enough to go on from. Where the beginning of the record was
//! retired, the oldest snapshot stands behind the first line, in parts, with its own SHA-256: it is
//! what the missing entries came to, and no part of the chain.

use std::io::{self, BufRead, Write};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::terms::{At, Seq, Wall};

use super::chain::{Hash, Head};
use super::disk::Disk;
use super::entry::{Draft, Lying};
use super::error::JournalError;
use super::finding::Finding;
use super::frame::{FrameKind, encode_batch, encode_closing, encode_gap};
use super::snapshot::{SNAPSHOT_MAX, Snapshot, list_snapshots, read_snapshot};
use super::verify::listed;
use super::walk::{Placed, Reader, walk};

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The chain before the first frame.
    pub before: Head,
    /// The chain at the last frame.
    pub head: Head,
    /// Frames written.
    pub frames: u64,
    /// Entries in them.
    pub entries: u64,
    /// The snapshot in it, by the newest entry it stands for.
    pub snapshot: Option<Seq>,
    /// What was not as it should be in the range; the export then holds the frames around it.
    pub findings: Vec<Finding>,
}

/// Writes the frames that hold the entries of `range`, and those between them.
///
/// # Errors
/// [`JournalError::Unreadable`] when the folder cannot be listed, [`JournalError::Unwritable`] when
/// `out` refuses.
pub fn export(
    disk: &dyn Disk,
    dir: &Path,
    range: RangeInclusive<Seq>,
    out: &mut dyn Write,
) -> Result<Exported, JournalError> {
    let segments = listed(disk, dir)?;
    let from = segments.iter().rposition(|segment| segment.first <= *range.start()).unwrap_or(0);
    let done = Exported {
        before: Head::START,
        head: Head::START,
        frames: 0,
        entries: 0,
        snapshot: None,
        findings: vec![],
    };
    let retired = segments.first().and_then(|first| first.head.ok()).map(|head| head.anchor.seq);
    let snapshot = match retired.filter(|last| *last > Seq(0) && *range.start() <= last.next()) {
        Some(last) => standing_for(disk, dir, last),
        None => None,
    };
    let mut writing = Writing { out, range, done, snapshot, failed: None };
    walk(disk, dir, &segments, from..segments.len(), &mut writing);
    let Writing { out, mut done, failed, .. } = writing;
    let ended = failed.map_or(Ok(()), Err).and_then(|()| {
        if done.frames == 0 {
            begin(out, done.before, None)?;
            done.head = done.before;
        }
        let Exported { head, frames, entries, .. } = &done;
        writeln!(
            out,
            r#"{{"end":{{"frames":{frames},"entries":{entries},"seq":{},"hash":"{}"}}}}"#,
            head.seq, head.hash
        )?;
        out.flush()
    });
    ended.map_err(|source| JournalError::Unwritable { what: "export", source })?;
    Ok(done)
}

fn begin(out: &mut dyn Write, before: Head, snapshot: Option<&Snapshot>) -> io::Result<()> {
    let Head { seq, hash } = before;
    // A checker that knows no snapshots must not take the parts for frames.
    let format = if snapshot.is_some() { 2 } else { 1 };
    writeln!(
        out,
        r#"{{"export":{{"of":"anling-journal","format":{format},"after":{seq},"hash":"{hash}"}}}}"#
    )?;
    let Some(Snapshot { seq, head, bytes }) = snapshot else { return Ok(()) };
    writeln!(
        out,
        r#"{{"snapshot":{{"seq":{seq},"after":{},"hash":"{}","bytes":{},"sha256":"{}"}}}}"#,
        head.seq,
        head.hash,
        bytes.len(),
        Hash(Sha256::digest(bytes).into())
    )?;
    for part in bytes.chunks(PART) {
        writeln!(out, r#"{{"part":"{}"}}"#, STANDARD.encode(part))?;
    }
    Ok(())
}

/// How much of a snapshot stands on one line, in bytes before base64.
const PART: usize = 30 * 1024;

/// The oldest snapshot that stands for everything up to `last`.
fn standing_for(disk: &dyn Disk, dir: &Path, last: Seq) -> Option<Snapshot> {
    let seqs = list_snapshots(disk, dir).ok()?;
    let enough = seqs.into_iter().rev().filter(|seq| *seq >= last);
    enough.filter_map(|seq| read_snapshot(disk, dir, seq).ok()).next()
}

struct Writing<'o> {
    out: &'o mut dyn Write,
    range: RangeInclusive<Seq>,
    done: Exported,
    /// What stands for the entries before the first frame, where they were retired.
    snapshot: Option<Snapshot>,
    failed: Option<io::Error>,
}

impl Writing<'_> {
    fn write(&mut self, placed: &Placed<'_>) -> io::Result<()> {
        let frame = &placed.frame;
        if self.done.frames == 0 {
            self.done.before = Head { seq: Seq(frame.first.0 - 1), hash: frame.prev };
            begin(self.out, self.done.before, self.snapshot.as_ref())?;
            self.done.snapshot = self.snapshot.take().map(|snapshot| snapshot.seq);
        }
        let (first, count, hash) = (frame.first, frame.count, placed.head.hash);
        let settled = frame.settled;
        let kind = match frame.kind {
            FrameKind::Batch => r#""batch""#.to_owned(),
            FrameKind::Closing { at, wall } => {
                format!(r#""closing","at":{},"wall":{}"#, at.0, wall.0)
            }
            FrameKind::Gap { last } => format!(r#""gap","last":{last}"#),
        };
        writeln!(
            self.out,
            r#"{{"frame":{{"first":{first},"entries":{count},"settled":{settled},"hash":"{hash}","kind":{kind}}}}}"#
        )?;
        for entry in frame.entries() {
            write_entry(self.out, entry)?;
            self.done.entries += 1;
        }
        self.done.frames += 1;
        self.done.head = placed.head;
        Ok(())
    }
}

fn write_entry(out: &mut dyn Write, entry: Lying<'_>) -> io::Result<()> {
    write!(out, r#"{{"seq":{},"at":{},"wall":{},"#, entry.seq, entry.at.0, entry.wall.0)?;
    let one_line = !entry.body.contains(&b'\n') && !entry.body.contains(&b'\r');
    let trimmed = entry.body.trim_ascii() == entry.body;
    if one_line && trimmed && serde_json::from_slice::<IgnoredAny>(entry.body).is_ok() {
        out.write_all(br#""body":"#)?;
        out.write_all(entry.body)?;
    } else {
        write!(out, r#""base64":"{}""#, STANDARD.encode(entry.body))?;
    }
    out.write_all(b"}\n")
}

impl Reader for Writing<'_> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        if placed.frame.first > *self.range.end() {
            return ControlFlow::Break(());
        }
        if placed.frame.last() < *self.range.start() {
            return ControlFlow::Continue(());
        }
        match self.write(placed) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn finding(&mut self, finding: Finding) {
        self.done.findings.push(finding);
    }
}

/// Longest line of an export that is read, in bytes. Own choice: twice the longest entry in base64.
const LINE_MAX: u64 = 64 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Marked {
    Export {
        after: u64,
        hash: String,
    },
    Frame {
        first: u64,
        entries: usize,
        settled: bool,
        hash: String,
        kind: String,
        at: Option<u64>,
        wall: Option<i64>,
        last: Option<u64>,
    },
    Snapshot {
        seq: u64,
        after: u64,
        hash: String,
        bytes: u64,
        sha256: String,
    },
    Part(String),
    End {
        frames: u64,
        entries: u64,
        hash: String,
    },
}

#[derive(Deserialize)]
struct EntryLine {
    seq: u64,
    at: u64,
    wall: i64,
    base64: Option<String>,
}

/// Makes every frame of an export again and compares the hashes; the answer holds no findings.
/// Where a hole lies between two frames, as after damage, the export is refused there.
///
/// # Errors
/// [`JournalError::ExportWrong`] at the first line that does not agree, [`JournalError::Unreadable`]
/// when `lines` cannot be read.
pub fn check_export(lines: &mut dyn BufRead) -> Result<Exported, JournalError> {
    read_export(lines, &mut Unkept)
}

/// Who takes what an export holds, once its hashes agree.
pub(super) trait Rebuilt {
    /// The next frame, as it stood in the journal.
    fn frame(&mut self, before: Head, frame: &[u8]) -> Result<(), JournalError>;
    /// The snapshot, before any frame.
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError>;
}

struct Unkept;

impl Rebuilt for Unkept {
    fn frame(&mut self, _: Head, _: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }
    fn snapshot(&mut self, _: &Snapshot) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Reads an export through, as [`check_export`] does, and hands on what it holds.
pub(super) fn read_export(
    lines: &mut dyn BufRead,
    into: &mut dyn Rebuilt,
) -> Result<Exported, JournalError> {
    let mut check = Checking { lines, line: 0, text: String::new() };
    let Some(Marked::Export { after, hash }) = check.marked()? else {
        return Err(check.wrong("it does not begin as an export does"));
    };
    let hash = Hash::from_hex(&hash).ok_or_else(|| check.wrong("the hash is no hash"))?;
    let before = Head { seq: Seq(after), hash };
    let mut done =
        Exported { before, head: before, frames: 0, entries: 0, snapshot: None, findings: vec![] };
    loop {
        match check.marked()? {
            Some(Marked::Frame { first, entries, settled, hash, kind, at, wall, last }) => {
                if first != done.head.seq.next().0 {
                    return Err(check.wrong("frames are missing before this one"));
                }
                let mut bytes = Vec::new();
                let (at, wall) = (At(at.unwrap_or(0)), Wall(wall.unwrap_or(0)));
                let head = match kind.as_str() {
                    "batch" => {
                        let drafts = check.entries(first, entries)?;
                        encode_batch(&mut bytes, done.head, settled, drafts.iter())
                    }
                    "closing" => encode_closing(&mut bytes, done.head, settled, at, wall),
                    "gap" => encode_gap(&mut bytes, done.head, settled, Seq(last.unwrap_or(first))),
                    _ => return Err(check.wrong("no such kind of frame")),
                };
                if head.hash.to_string() != hash {
                    return Err(check.wrong("the frame before this line does not have this hash"));
                }
                into.frame(done.head, &bytes)?;
                (done.head, done.frames) = (head, done.frames + 1);
                done.entries += entries as u64;
            }
            Some(Marked::Snapshot { seq, after, hash, bytes, sha256 })
                if done.frames == 0 && done.snapshot.is_none() && Seq(seq) >= before.seq =>
            {
                let hash = Hash::from_hex(&hash).ok_or_else(|| check.wrong("no hash"))?;
                let bytes = check.parts(bytes, &sha256)?;
                let head = Head { seq: Seq(after), hash };
                into.snapshot(&Snapshot { seq: Seq(seq), head, bytes })?;
                done.snapshot = Some(Seq(seq));
            }
            Some(Marked::End { frames, entries, hash }) => {
                let agrees = (frames, entries) == (done.frames, done.entries)
                    && hash == done.head.hash.to_string();
                return if agrees { Ok(done) } else { Err(check.wrong("the totals disagree")) };
            }
            Some(Marked::Export { .. } | Marked::Snapshot { .. } | Marked::Part(_)) | None => {
                return Err(check.wrong("neither a frame nor the end"));
            }
        }
    }
}

struct Checking<'l> {
    lines: &'l mut dyn BufRead,
    line: usize,
    text: String,
}

impl Checking<'_> {
    fn wrong(&self, why: &'static str) -> JournalError {
        JournalError::ExportWrong { line: self.line, why }
    }

    fn next_line(&mut self) -> Result<&str, JournalError> {
        self.text.clear();
        self.line += 1;
        let read = io::Read::take(&mut self.lines, LINE_MAX).read_line(&mut self.text);
        read.map_err(|source| JournalError::Unreadable { path: "the export".to_owned(), source })?;
        Ok(self.text.trim_end_matches('\n'))
    }

    fn marked(&mut self) -> Result<Option<Marked>, JournalError> {
        Ok(serde_json::from_str(self.next_line()?).ok())
    }

    /// The parts of a snapshot of so many bytes.
    fn parts(&mut self, length: u64, sha256: &str) -> Result<Vec<u8>, JournalError> {
        if length > SNAPSHOT_MAX {
            return Err(self.wrong("no snapshot is that long"));
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            let part = match self.marked()? {
                Some(Marked::Part(part)) => STANDARD.decode(part).ok(),
                _ => None,
            };
            match part.filter(|part| !part.is_empty()) {
                Some(mut part) => bytes.append(&mut part),
                None => return Err(self.wrong("not a part of the snapshot")),
            }
        }
        let agrees = bytes.len() as u64 == length
            && Hash(Sha256::digest(&bytes).into()).to_string() == sha256;
        if agrees { Ok(bytes) } else { Err(self.wrong("the snapshot has another hash")) }
    }

    fn entries(&mut self, first: u64, count: usize) -> Result<Vec<Draft>, JournalError> {
        if !(1..=super::frame::FRAME_ENTRIES_MAX).contains(&count) {
            return Err(self.wrong("a frame holds 1 to 512 entries"));
        }
        (0..count as u64).map(|n| self.entry(first + n)).collect()
    }

    fn entry(&mut self, seq: u64) -> Result<Draft, JournalError> {
        let text = self.next_line()?;
        let Ok(line) = serde_json::from_str::<EntryLine>(text) else {
            return Err(self.wrong("not an entry"));
        };
        let body = match &line.base64 {
            Some(encoded) => STANDARD.decode(encoded).ok(),
            None => raw_body(text).map(|body| body.as_bytes().to_vec()),
        };
        let Some(body) = body.filter(|_| line.seq == seq) else {
            return Err(self.wrong("not the entry that comes next"));
        };
        Draft::new(At(line.at), Wall(line.wall), body)
    }
}

/// The body as it stands, byte for byte, behind the first `"body":`, which no number before it can
/// hold.
fn raw_body(line: &str) -> Option<&str> {
    line.split_once(r#""body":"#)?.1.strip_suffix('}')
}
