//! Retiring the oldest segments, whole ones only and from the front, so that what stays is one
//! chain that begins at an anchor.
//!
//! A segment may go when every entry in it is older than the limit by hub time *and* by the wall
//! clock (hub time never runs ahead, so a wall clock that jumps retires nothing), when nothing in it
//! must stay (undelivered, or among the newest), when every snapshot that is kept stands for it, and
//! when as many are kept as there should be. The caller writes down what will go before it goes;
//! files are removed oldest first with the folder forced after each, so that a cut leaves fewer gone
//! files and never a hole. Chosen over compaction, which would write what is evidence anew.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use crate::terms::{At, Seq, Wall};

use super::chain::Head;
use super::disk::Disk;
use super::finding::Finding;
use super::segment::{Listed, list_segments};
use super::snapshot::{SNAPSHOTS_KEPT, list_snapshots, read_snapshot};
use super::walk::{Placed, Reader, walk};

/// What must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Entries after this hub time stay.
    pub at: At,
    /// Entries after this wall time stay.
    pub wall: Wall,
    /// This entry and all after it stay.
    pub from: Seq,
}

/// Segments that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirable {
    /// Where the chain stands behind the last of them: the anchor of what stays.
    pub through: Head,
    /// How many files.
    pub files: usize,
}

/// The longest run of oldest segments that may go; `None` when none may.
pub(super) fn retirable(disk: &dyn Disk, dir: &Path, keep: &Keep) -> io::Result<Option<Retirable>> {
    let kept = list_snapshots(disk, dir)?;
    let oldest = kept.last().filter(|_| kept.len() >= SNAPSHOTS_KEPT);
    let Some(covered) = oldest.copied() else { return Ok(None) };
    let segments = list_segments(disk, dir)?;
    let most = (1..segments.len()).rev().find(|at| {
        anchor_of(&segments, *at)
            .is_some_and(|anchor| anchor.seq < keep.from && anchor.seq <= covered)
    });
    let Some(most) = most else { return Ok(None) };
    let mut old = Old { keep, through: Seq(0) };
    walk(disk, dir, &segments, 0..most, &mut old);
    let Some(last_old) = anchor_of(&segments, most).map(|end| old.through.min(end.seq)) else {
        return Ok(None);
    };
    let may_go =
        |at: &usize| anchor_of(&segments, *at).is_some_and(|a| a.seq <= last_old && a.seq > Seq(0));
    let Some(files) = (1..=most).rev().find(may_go) else { return Ok(None) };
    let Some(through) = anchor_of(&segments, files) else { return Ok(None) };
    let good = kept.iter().all(|seq| read_snapshot(disk, dir, *seq).is_ok());
    Ok(good.then_some(Retirable { through, files }))
}

/// The anchor of the segment at this place, if the segments from there on can stand without those
/// before: none of them goes back behind it.
fn anchor_of(segments: &[Listed], at: usize) -> Option<Head> {
    let anchor = segments.get(at)?.head.ok()?.anchor;
    let stands = segments[at..].iter().all(|later| match later.head {
        Ok(head) => head.anchor.seq >= anchor.seq,
        Err(_) => later.first > anchor.seq,
    });
    stands.then_some(anchor)
}

struct Old<'k> {
    keep: &'k Keep,
    /// Everything up to here is old.
    through: Seq,
}

impl Reader for Old<'_> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        let stays = |entry: &super::entry::Lying<'_>| {
            entry.at > self.keep.at || entry.wall > self.keep.wall
        };
        if placed.entries().any(|entry| stays(&entry)) {
            return ControlFlow::Break(());
        }
        self.through = placed.head.seq;
        ControlFlow::Continue(())
    }

    // What is damaged was reported when it was found, and grows old with the rest.
    fn finding(&mut self, _: Finding) {}
}

/// Removes the segments before the one that is anchored at `through`; how many there were.
pub(super) fn retire(disk: &dyn Disk, dir: &Path, through: Head) -> io::Result<usize> {
    let segments = list_segments(disk, dir)?;
    let stays = (0..segments.len()).find(|at| anchor_of(&segments, *at) == Some(through));
    let going = &segments[..stays.unwrap_or(0)];
    for segment in going {
        disk.remove(&dir.join(&segment.name))?;
        disk.sync_dir(dir)?;
    }
    Ok(going.len())
}

/// Removes what was set aside: torn ends, which nobody was answered for, and snapshots that cannot
/// be used. How many files there were.
pub(super) fn drop_aside(disk: &dyn Disk, dir: &Path) -> io::Result<usize> {
    let aside = |name: &String| name.starts_with("torn-") || name.starts_with("damaged-");
    let names: Vec<String> = disk.list(dir)?.into_iter().filter(aside).collect();
    for name in &names {
        disk.remove(&dir.join(name))?;
    }
    Ok(names.len())
}
