//! A dead box's record on a new box: its journal folder, or an export, becomes this box's journal.
//!
//! Everything is written into a folder beside the journal's, forced, and renamed into its place as
//! the last step, so that a restore that was cut leaves no half journal: the next one begins anew,
//! and a hub refuses to begin an empty record beside it, because its sequences would name events
//! that other systems know already. A record that stands there is never written over. The source is
//! read once, since a dying disk may not give it twice; what it does not give is filled with zeros,
//! which every reader reports as damage, and the rest is taken over all the same. A source that may
//! be older than its box's end leaves sequences out, so that no event's name is used twice. Chosen
//! over a mark in the journal's folder, which every reader would have to know.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::terms::Seq;

use super::chain::Head;
use super::disk::{DirLock, Disk, DiskFile, PASSING, read_whole, twice, write_whole};
use super::durable::Limits;
use super::error::JournalError;
use super::export::{Rebuilt, read_export};
use super::finding::{Finding, Why};
use super::log::Journal;
use super::segment::{Reason, SEGMENT_HEAD, SegmentHead, begin_segment};
use super::snapshot::{Snapshot, write_snapshot};
use super::verify::{VerifyReport, verify};

/// Sequences left out behind a source that may be older than its box's end. Own choice: more than a
/// hub gives out in a hundred years of 1,000 alarms a day.
pub const LEFT_OUT: u64 = 1 << 32;

/// Longest note in bytes.
pub const NOTE_MAX: u64 = 4096;

/// How much is copied at a time.
const PIECE: usize = 1024 * 1024;
/// What is left out where a disk refuses to read: one block of every common file system.
const BLOCK: usize = 4096;
/// After so many unreadable blocks the rest of a file counts as unreadable: a dying disk may take
/// seconds over each.
const UNREADABLE_BLOCKS_MAX: u32 = 64;

/// The caller's word to the next start, in the journal's folder.
const NOTE: &str = "replaced";

/// What a record is taken over from.
pub enum Source<'s> {
    /// The journal folder of another box.
    Folder {
        /// The folder.
        dir: &'s Path,
        /// It is an older copy and not the dead box's own disk.
        older: bool,
    },
    /// An export, which always counts as older than its box's end.
    Export(&'s mut dyn BufRead),
}

/// What was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What a reading of it came to, before anything was left out.
    pub report: VerifyReport,
    /// What the source's disk did not give.
    pub unread: Vec<Finding>,
    /// How many sequences were left out behind it.
    pub left_out: u64,
}

/// Makes the journal folder `to` from a source. `note` is made from what was taken over and given to
/// the next start ([`super::Opened::note`]).
///
/// # Errors
/// [`JournalError::Occupied`] when a record stands there, [`JournalError::Held`] when a hub runs on
/// the source or another restore is under way, [`JournalError::Unreadable`] when the source holds no
/// record, [`JournalError::ExportWrong`], [`JournalError::Unwritable`]. Nothing stands in `to` then.
pub fn restore(
    disk: Arc<dyn Disk>,
    source: Source<'_>,
    to: &Path,
    note: impl FnOnce(&Restored) -> Vec<u8>,
) -> Result<Restored, JournalError> {
    let mut place = Place::take(disk, to)?;
    let (unread, older) = match source {
        Source::Folder { dir, older } => (place.copy_folder(dir)?, older),
        Source::Export(lines) => {
            place.rebuild(lines)?;
            (Vec::new(), true)
        }
    };
    let report = verify(place.disk.as_ref(), &place.aside)?;
    if report.entries == 0 && report.snapshots == 0 {
        let source = io::Error::new(io::ErrorKind::NotFound, "no entry in it can be read");
        return Err(JournalError::Unreadable { path: "the source".to_owned(), source });
    }
    let left_out = if older { LEFT_OUT } else { 0 };
    let restored = Restored { report, unread, left_out };
    place.finish(left_out, &note(&restored)).map_err(unwritable)?;
    Ok(restored)
}

fn unwritable(source: io::Error) -> JournalError {
    JournalError::Unwritable { what: "restored record", source }
}

/// Where a restore gathers what is to become the journal folder.
fn aside_of(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    dir.with_file_name(name)
}

/// Whether a file belongs to a record: segments and snapshots, and what was set aside of them.
fn is_of_record(name: &str) -> bool {
    name.ends_with(".segment") || name.ends_with(".snapshot")
}

fn holds_record(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    match twice(|| disk.list(dir)) {
        Ok(names) => Ok(names.iter().any(|name| is_of_record(name))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a restore into this folder was begun and not finished.
pub(super) fn is_half_restored(disk: &dyn Disk, dir: &Path) -> bool {
    let begun = disk.list(&aside_of(dir)).is_ok_and(|names| !names.is_empty());
    begun && !holds_record(disk, dir).unwrap_or(true)
}

/// The word a restore left for the next start.
pub(super) fn read_note(disk: &dyn Disk, dir: &Path) -> Option<Vec<u8>> {
    read_whole(disk, &dir.join(NOTE), NOTE_MAX).ok()
}

pub(super) fn remove_note(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.remove(&dir.join(NOTE))?;
    disk.sync_dir(dir)
}

struct Place {
    disk: Arc<dyn Disk>,
    to: PathBuf,
    aside: PathBuf,
    lock: Option<Box<dyn DirLock>>,
}

impl Place {
    /// Makes the folder beside and empties it of what a restore left that was cut.
    fn take(disk: Arc<dyn Disk>, to: &Path) -> Result<Self, JournalError> {
        let path = to.display().to_string();
        match holds_record(disk.as_ref(), to) {
            Ok(false) => {}
            Ok(true) => return Err(JournalError::Occupied { path }),
            Err(source) => return Err(JournalError::Unreadable { path, source }),
        }
        let aside = aside_of(to);
        let made = || {
            disk.make_dir(&aside)?;
            let Some(lock) = disk.lock_dir(&aside)? else { return Ok(None) };
            for name in disk.list(&aside)? {
                disk.remove(&aside.join(name))?;
            }
            Ok(Some(lock))
        };
        let Some(lock) = made().map_err(unwritable)? else { return Err(JournalError::Held) };
        Ok(Self { disk, to: to.to_owned(), aside, lock: Some(lock) })
    }

    fn copy_folder(&self, from: &Path) -> Result<Vec<Finding>, JournalError> {
        let unreadable =
            |source| JournalError::Unreadable { path: from.display().to_string(), source };
        let names = twice(|| self.disk.list(from)).map_err(unreadable)?;
        // A disk mounted for reading only may refuse the lock; then no hub runs on it either.
        let _held = match self.disk.lock_dir(from) {
            Ok(None) => return Err(JournalError::Held),
            Ok(lock) => lock,
            Err(_) => None,
        };
        let mut unread = Vec::new();
        let mut names: Vec<String> = names.into_iter().filter(|n| is_of_record(n)).collect();
        if names.is_empty() {
            return Err(unreadable(io::Error::new(
                io::ErrorKind::NotFound,
                "no journal stands there: name the folder with the .segment files in it",
            )));
        }
        names.sort();
        for name in names {
            match twice(|| self.disk.open_read(&from.join(&name))) {
                Ok(file) => {
                    self.copy_file(file.as_ref(), &name, &mut unread).map_err(unwritable)?
                }
                Err(error) => unread.push(refused(&name, 0, 0, error.to_string())),
            }
        }
        Ok(unread)
    }

    fn copy_file(
        &self,
        from: &dyn DiskFile,
        name: &str,
        unread: &mut Vec<Finding>,
    ) -> io::Result<()> {
        let mut into = self.disk.create(&self.aside.join(name))?;
        let length = match twice(|| from.length()) {
            Ok(length) => length,
            Err(error) => {
                unread.push(refused(name, 0, 0, error.to_string()));
                0
            }
        };
        let (mut at, mut blocks) = (0, 0);
        while at < length {
            let mut piece = vec![0; (length - at).min(PIECE as u64) as usize];
            let got = match twice(|| from.read_at(at, &mut piece)) {
                Ok(got) => got,
                Err(error) => {
                    unread.push(refused(name, at, piece.len() as u64, error.to_string()));
                    read_blocks(from, at, &mut piece, &mut blocks);
                    piece.len()
                }
            };
            if got == 0 {
                break;
            }
            into.append(&piece[..got])?;
            at += got as u64;
        }
        into.force()
    }

    /// Writes the frames of an export into segments again, byte for byte.
    fn rebuild(&self, lines: &mut dyn BufRead) -> Result<(), JournalError> {
        let mut rebuilding = Rebuilding { place: self, writing: None, number: 0 };
        let done = read_export(lines, &mut rebuilding)?;
        if done.before.seq > Seq(0) && done.snapshot.is_none() {
            return Err(JournalError::ExportWrong {
                line: 1,
                why: "it begins in the middle of the record and holds no snapshot",
            });
        }
        rebuilding.close()
    }

    fn finish(&mut self, left_out: u64, note: &[u8]) -> io::Result<()> {
        if left_out > 0 {
            // The journal takes the lock itself.
            self.lock = None;
            let limits = Limits { ballast_bytes: 0, ..Limits::default() };
            let opening = Journal::open(self.disk.clone(), &self.aside, limits);
            let opened = opening.map_err(io::Error::other)?.replay(|_| {});
            let mut journal = opened.journal;
            journal.leave_out(left_out)?;
        }
        let disk = self.disk.as_ref();
        write_whole(disk, &self.aside, NOTE, &[note])?;
        // Only what no record needs can stand there, or nothing at all.
        for name in disk.list(&self.to).unwrap_or_default() {
            if name == "ballast" || name == NOTE || name.ends_with(PASSING) {
                disk.remove(&self.to.join(name))?;
            }
        }
        disk.rename(&self.aside, &self.to)?;
        match self.to.parent() {
            Some(parent) => disk.sync_dir(parent),
            None => Ok(()),
        }
    }
}

fn refused(segment: &str, offset: u64, bytes: u64, error: String) -> Finding {
    let (segment, why) = (segment.to_owned(), Why::Unreadable(error));
    Finding::Damaged { segment, offset, bytes, lost: None, why }
}

/// Reads what can be read of a piece, block by block; the rest stays zeros.
fn read_blocks(from: &dyn DiskFile, at: u64, piece: &mut [u8], blocks: &mut u32) {
    for (n, block) in piece.chunks_mut(BLOCK).enumerate() {
        let offset = at + (n * BLOCK) as u64;
        let read = *blocks < UNREADABLE_BLOCKS_MAX
            && from.read_at(offset, block).is_ok_and(|got| got == block.len());
        if !read {
            block.fill(0);
            *blocks = blocks.saturating_add(1);
        }
    }
}

struct Rebuilding<'p> {
    place: &'p Place,
    writing: Option<(Box<dyn DiskFile>, u64)>,
    number: u64,
}

impl Rebuilding<'_> {
    fn close(&mut self) -> Result<(), JournalError> {
        match self.writing.take() {
            Some((mut file, _)) => file.force().map_err(unwritable),
            None => Ok(()),
        }
    }
}

impl Rebuilt for Rebuilding<'_> {
    fn frame(&mut self, before: Head, frame: &[u8]) -> Result<(), JournalError> {
        let full = Limits::default().segment_max_bytes;
        if self.writing.as_ref().is_none_or(|(_, length)| *length >= full) {
            self.close()?;
            self.number += 1;
            let head = SegmentHead { number: self.number, reason: Reason::Next, anchor: before };
            let disk = self.place.disk.as_ref();
            let (_, file) = begin_segment(disk, &self.place.aside, &head).map_err(unwritable)?;
            self.writing = Some((file, SEGMENT_HEAD as u64));
        }
        if let Some((file, length)) = &mut self.writing {
            file.append(frame).map_err(unwritable)?;
            *length += frame.len() as u64;
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let Snapshot { seq, head, bytes } = snapshot;
        let disk = self.place.disk.as_ref();
        write_snapshot(disk, &self.place.aside, *seq, *head, bytes).map_err(unwritable)
    }
}
