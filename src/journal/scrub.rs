//! Reads, in the background and at a limited pace, the segments a start did not need, so that a
//! sector that went bad is found while the district still has a copy.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::disk::Disk;
use super::error::JournalError;
use super::finding::Finding;
use super::segment::Listed;
use super::walk::{Placed, Reader, walk};

/// How fast the scrub reads when nothing else is said, in bytes per second. Own choice: three years
/// of a busy hub in a quarter of an hour, a tenth of what the slowest eMMC gives.
pub const SCRUB_PACE: u64 = 2 * 1024 * 1024;

/// How much is read between two rests.
const STRETCH: u64 = 256 * 1024;

/// The segments before those a start has read.
pub struct Unread {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) segments: Vec<Listed>,
    pub(super) until: usize,
}

impl Unread {
    /// How many segments there are to read.
    pub fn segments(&self) -> usize {
        self.until
    }
}

/// What a scrub has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Good frames read.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Findings reported.
    pub findings: u64,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// A scrub at work.
pub struct Scrub {
    stop: SyncSender<()>,
    thread: JoinHandle<Scrubbed>,
}

impl Scrub {
    /// Begins reading in a thread of its own. `pace` is bytes per second, 0 for no rest at all;
    /// `report` gets every finding as it is made.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when the system gives no thread.
    pub fn spawn(
        unread: Unread,
        pace: u64,
        report: impl FnMut(Finding) + Send + 'static,
    ) -> Result<Self, JournalError> {
        let (stop, stopped) = sync_channel(1);
        let work = move || {
            let mut at_work =
                AtWork { pace, stopped, report, rested_at: 0, done: Scrubbed::default() };
            let Unread { disk, dir, segments, until } = unread;
            walk(disk.as_ref(), &dir, &segments, 0..until, &mut at_work);
            at_work.done
        };
        let thread = std::thread::Builder::new().name("journal-scrub".to_owned()).spawn(work);
        let thread = thread.map_err(|_| JournalError::Gone)?;
        Ok(Self { stop, thread })
    }

    /// Stops at the next frame and says what was done.
    pub fn stop(self) -> Scrubbed {
        // A thread that has ended needs no word.
        let _ = self.stop.try_send(());
        self.join()
    }

    /// Waits for the end.
    pub fn join(self) -> Scrubbed {
        let ended = Scrubbed { stopped: true, ..Scrubbed::default() };
        let Self { stop, thread } = self;
        let done = thread.join().unwrap_or(ended);
        drop(stop);
        done
    }

    /// Whether everything was read.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

struct AtWork<F> {
    pace: u64,
    stopped: Receiver<()>,
    report: F,
    rested_at: u64,
    done: Scrubbed,
}

impl<F: FnMut(Finding)> Reader for AtWork<F> {
    fn frame(&mut self, placed: &Placed<'_>) -> ControlFlow<()> {
        self.done.frames += 1;
        self.done.bytes += placed.frame.bytes.len() as u64;
        let stretch = self.done.bytes - self.rested_at;
        let rest = if self.pace == 0 || stretch < STRETCH {
            Duration::ZERO
        } else {
            self.rested_at = self.done.bytes;
            Duration::from_millis(stretch.saturating_mul(1000) / self.pace)
        };
        match self.stopped.recv_timeout(rest) {
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                self.done.stopped = true;
                ControlFlow::Break(())
            }
        }
    }

    fn finding(&mut self, finding: Finding) {
        self.done.findings += 1;
        (self.report)(finding);
    }
}
