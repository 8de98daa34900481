//! Reads on from a sequence beside the writer, for those who keep something derived from the record
//! and have fallen behind. Damage on the way is passed over: start, scrub and verify tell about it.

use std::ops::ControlFlow;
use std::path::Path;

use crate::terms::Seq;

use super::disk::Disk;
use super::entry::Record;
use super::error::JournalError;
use super::finding::Finding;
use super::verify::listed;
use super::walk::{Placed, Reader, walk};

/// Gives every record behind `after` up to and with `upto`, in order, until `each` breaks. The
/// caller names an `upto` that is on disk; what stands behind it may still be under way.
///
/// # Errors
/// [`JournalError::Unreadable`] when the folder cannot be listed.
pub fn follow(
    disk: &dyn Disk,
    dir: &Path,
    after: Seq,
    upto: Seq,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), JournalError> {
    let segments = listed(disk, dir)?;
    let from = segments.iter().rposition(|segment| segment.first <= after.next()).unwrap_or(0);
    let mut following = Following { after, upto, each };
    walk(disk, dir, &segments, from..segments.len(), &mut following);
    Ok(())
}

struct Following<'a> {
    after: Seq,
    upto: Seq,
    each: &'a mut dyn FnMut(Record) -> ControlFlow<()>,
}

impl Reader for Following<'_> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        for entry in placed.entries().filter(|entry| entry.seq > self.after) {
            if entry.seq > self.upto {
                return ControlFlow::Break(());
            }
            (self.each)(entry.to_record())?;
        }
        ControlFlow::Continue(())
    }

    fn finding(&mut self, _: Finding) {}
}
