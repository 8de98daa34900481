//! The archive as one thing that can be opened, read on, asked, and set aside: a shelf and the
//! filing that belongs to it.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::archivist::{Place, Source};
use super::desk_end::Page;
use super::filing::{Filing, is_same};
use super::question::{Found, Question, look_up};
use super::shelf::Shelf;
use crate::incident::{Entry, Fact};
use crate::terms::Seq;

/// Entries between two batches while the record is read. Own choice: a batch stays well below what
/// sled puts into one write.
pub(super) const STRETCH: usize = 512;
/// Entries that are read through for the words of one incident's notes. Own choice: what a busy week
/// writes.
const NOTES_SPAN: u64 = 100_000;

/// An open archive.
pub(super) struct Keeping {
    shelf: Shelf,
    pub(super) filing: Filing,
}

impl Keeping {
    /// Opens the archive and looks it through. One of another record, or of a record that is shorter
    /// than it was, is damage; a record that cannot be read at that place is not, because then the
    /// archive knows more than the record does.
    pub(super) fn open(
        place: &Place,
        source: &dyn Source,
        newest: Seq,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, ArchiveError> {
        has_room(place)?;
        let shelf = Shelf::open(&place.dir)?;
        let opened = Self::looked_through(&shelf, place, source, newest, stopped);
        match opened {
            Ok(filing) => Ok(Self { shelf, filing }),
            Err(error) => {
                shelf.close();
                Err(error)
            }
        }
    }

    fn looked_through(
        shelf: &Shelf,
        place: &Place,
        source: &dyn Source,
        newest: Seq,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Filing, ArchiveError> {
        let wrong = |what: &str| Err(ArchiveError::Damaged { what: what.to_owned() });
        if shelf.has_lost_everything(&place.dir)? {
            return wrong("nothing of what was in it is left");
        }
        let filing = Filing::resume(shelf, stopped)?;
        let cursor = filing.reached.cursor;
        if cursor > newest {
            return wrong("it goes further than the record");
        }
        let mut same = true;
        if let Some(before) = cursor.0.checked_sub(1) {
            source
                .read(Seq(before), cursor, &mut |entry| {
                    same = is_same(filing.reached.times, (entry.at, entry.wall));
                    ControlFlow::Break(())
                })
                .map_err(ArchiveError::Unread)?;
        }
        match same {
            true => Ok(filing),
            false => wrong("it belongs to another record"),
        }
    }

    /// Takes in a page that begins where the archive ends, or before; whether it did.
    pub(super) fn add(&mut self, page: Page) -> Result<bool, ArchiveError> {
        if page.first > self.filing.reached.cursor.next() {
            return Ok(false);
        }
        for entry in page.entries {
            self.filing.take(entry);
        }
        self.filing.pass(page.last);
        self.write()?;
        Ok(true)
    }

    /// Reads the record on up to `upto`; `between` is called after each stretch and may end it.
    pub(super) fn read_on(
        &mut self,
        source: &dyn Source,
        upto: Seq,
        between: &mut dyn FnMut(&mut Self) -> Result<ControlFlow<()>, ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let (mut read, mut ended) = (0_usize, Ok(ControlFlow::Continue(())));
        let after = self.filing.reached.cursor;
        source
            .read(after, upto, &mut |entry| {
                self.filing.take(entry);
                read += 1;
                if !read.is_multiple_of(STRETCH) {
                    return ControlFlow::Continue(());
                }
                ended = self.write().and_then(|()| between(self));
                match ended {
                    Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })
            .map_err(ArchiveError::Unread)?;
        if ended?.is_continue() {
            self.filing.pass(upto);
        }
        self.write()
    }

    pub(super) fn write(&mut self) -> Result<(), ArchiveError> {
        match self.filing.writes() {
            Some(writes) => self.shelf.write(writes),
            None => Ok(()),
        }
    }

    pub(super) fn flush(&self) -> Result<(), ArchiveError> {
        self.shelf.flush()
    }

    pub(super) fn close(self) {
        self.shelf.close();
    }

    /// Looks an answer up. The notes of a single incident come with their words.
    pub(super) fn answer(
        &self,
        source: &dyn Source,
        question: &Question,
    ) -> Result<Found, ArchiveError> {
        let mut found = look_up(&self.shelf, question)?;
        if let (Question::Code(_) | Question::Id(_), Found::Incidents { incidents, .. }) =
            (question, &mut found)
        {
            for past in incidents {
                past.notes = words(source, &past.sheet.notes)?;
            }
        }
        Ok(found)
    }
}

fn words(source: &dyn Source, notes: &[Seq]) -> Result<Vec<String>, ArchiveError> {
    let mut words = Vec::with_capacity(notes.len());
    let (Some(first), Some(last)) = (notes.first(), notes.last()) else { return Ok(words) };
    let upto = (*last).min(Seq(first.0 + NOTES_SPAN));
    let mut each = |entry: Entry| {
        if let (true, Fact::NoteKept { text, .. }) = (notes.contains(&entry.seq), entry.fact) {
            words.push(text);
        }
        ControlFlow::Continue(())
    };
    let read = source.read(Seq(first.0.saturating_sub(1)), upto, &mut each);
    read.map_err(ArchiveError::Unread)?;
    Ok(words)
}

/// Whether the disk has room for more than the record needs.
pub(super) fn has_room(place: &Place) -> Result<(), ArchiveError> {
    let looked_at = place.dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(looked_at).map_err(|e| ArchiveError::unusable(e.into()))?;
    match stat.f_bavail.saturating_mul(stat.f_frsize) < place.min_free {
        true => Err(ArchiveError::unusable(io::ErrorKind::StorageFull.into())),
        false => Ok(()),
    }
}

/// Sets what stands there aside, in the place of what was set aside before.
pub(super) fn set_aside(dir: &Path) -> io::Result<()> {
    let aside = aside(dir);
    if let Ok(found) = fs::symlink_metadata(&aside) {
        match found.is_dir() {
            true => fs::remove_dir_all(&aside)?,
            false => fs::remove_file(&aside)?,
        }
    }
    fs::rename(dir, aside)
}

/// Where the last damaged archive stands.
pub(super) fn aside(dir: &Path) -> PathBuf {
    dir.with_extension("damaged")
}
