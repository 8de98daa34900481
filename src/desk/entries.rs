//! Entries of the record for those who list or follow them, read beside the loop: the desk only says
//! how far the disk is and goes on.
//!
//! A reading walks the segment that the first entry stands in, so few may go on at once; the next one
//! waits a while, and is then told to come again.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::lookup::Record;
use crate::archive::Source as _;
use crate::counter::{Amiss, ENTRIES_MAX, EntriesView, EntryView, Reply};
use crate::terms::{Seq, Wait};

/// Readings at once. Own choice: one of two cores stays free.
const READINGS_MAX: usize = 2;
/// How long a reading may wait for its turn. Own choice: less than whoever asks waits.
const TURN_WITHIN: Wait = Wait::secs(5);

/// The readings.
pub(super) struct Readings {
    record: Arc<Record>,
    places: Arc<Semaphore>,
}

impl Readings {
    pub(super) fn new(record: Record) -> Self {
        Self { record: Arc::new(record), places: Arc::new(Semaphore::new(READINGS_MAX)) }
    }

    /// Reads at most `most` entries behind `after` of those that are `on_disk`, and answers. It is
    /// called from the desk and returns at once.
    pub(super) fn read(
        &self,
        after: Seq,
        on_disk: Seq,
        most: usize,
        reply: oneshot::Sender<Reply>,
    ) {
        let (record, places) = (Arc::clone(&self.record), Arc::clone(&self.places));
        tokio::spawn(async move {
            let Ok(Ok(place)) = timeout(TURN_WITHIN.std(), places.acquire_owned()).await else {
                // Nobody may be waiting any more.
                let _ = reply.send(busy());
                return;
            };
            let read = move || {
                let told = entries(&record, after, on_disk, most.min(ENTRIES_MAX));
                drop(place);
                told
            };
            let told = tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| busy());
            let _ = reply.send(told);
        });
    }
}

fn entries(record: &Record, after: Seq, on_disk: Seq, most: usize) -> Reply {
    let mut entries: Vec<EntryView> = Vec::new();
    let read = record.read(after, on_disk, &mut |entry| {
        entries.push(entry.into());
        match entries.len() < most {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    if read.is_err() {
        return busy();
    }
    let upto = match entries.last() {
        Some(last) if entries.len() >= most => last.seq,
        // All of it was read, whatever of it can no longer be.
        _ => on_disk.max(after),
    };
    Reply::Entries(Box::new(EntriesView { entries, upto, newest: on_disk }))
}

fn busy() -> Reply {
    let why = "the record cannot be read at the moment: ask again in a moment".to_owned();
    Reply::Refused { why, amiss: Amiss::NotNow }
}
