//! The desk's end of the archive: hand in what is on disk, ask, and see how it is. Nothing here
//! waits, whatever the archivist is doing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::archivist::{Place, Source};
use super::figures::Figures;
use super::question::{Answer, Question};
use super::{archivist, filing};
use crate::incident::{Entry, Fact};
use crate::terms::{DeviceId, Seq, Wall};

/// Entries on a page; a longer turn is read from the record. Own choice: two frames of the record.
pub const PAGE_MAX: usize = 1024;
/// Pages that wait for the archivist; beyond it they are dropped, and it reads the record. Own
/// choice: below 8 MB of a storm's facts.
const PAGES_MAX: usize = 16;
/// Questions that wait for the archivist; the next one is told to come again.
pub const QUESTIONS_MAX: usize = 64;
/// Pages that wait for the disk, on the desk's side; beyond it the oldest is dropped.
const UNFORCED_MAX: usize = 64;

/// A stretch of the record: what the archive keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The first entry of the stretch.
    pub first: Seq,
    /// The last one.
    pub last: Seq,
    /// Those that the archive has a use for, in order.
    pub entries: Vec<Entry>,
}

/// Whether the archive has a use for a fact; all others are left off a page.
pub fn is_kept(fact: &Fact) -> bool {
    filing::is_kept(fact)
}

/// What the archivist is told.
pub(super) enum Errand {
    Page(Page),
    Heard(Vec<(DeviceId, Wall)>),
    Ask(Question, Box<dyn FnOnce(Answer) + Send>),
    /// Look at the flags.
    Wake,
}

/// What both ends see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The newest entry that is on disk.
    pub newest: AtomicU64,
    /// Pages on their way.
    pub pages: AtomicUsize,
    /// Questions on their way.
    pub questions: AtomicUsize,
    pub stop: AtomicBool,
}

/// The archive, as the desk holds it.
#[derive(Debug)]
pub struct Archivist {
    shared: Arc<Shared>,
    errands: SyncSender<Errand>,
    figures: watch::Receiver<Arc<Figures>>,
    unforced: VecDeque<Page>,
    thread: Option<JoinHandle<()>>,
}

impl Archivist {
    /// Sets the archivist to work. `newest` is the newest entry that is on disk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(
        place: Place,
        source: impl Source + 'static,
        newest: Seq,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.newest.store(newest.0, Ordering::Release);
        let (errands, queue) = sync_channel(PAGES_MAX + QUESTIONS_MAX + 2);
        let (news, figures) = watch::channel(Arc::new(Figures::at_start()));
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("archivist".to_owned())
            .spawn(move || archivist::work(place, Arc::new(source), queue, seen, news))?;
        let unforced = VecDeque::new();
        Ok(Self { shared, errands, figures, unforced, thread: Some(thread) })
    }

    /// Takes a turn's page, on disk or not.
    pub fn keep(&mut self, page: Page) {
        if page.entries.len() > PAGE_MAX {
            // Left out: the gap sends the archivist to the record.
            return;
        }
        self.unforced.push_back(page);
        if self.unforced.len() > UNFORCED_MAX {
            self.unforced.pop_front();
        }
    }

    /// Everything up to `safe` is on disk: hands over what was waiting for that.
    pub fn is_on_disk(&mut self, safe: Seq) {
        self.shared.newest.fetch_max(safe.0, Ordering::AcqRel);
        while let Some(page) = self.unforced.pop_front_if(|page| page.last <= safe) {
            if self.shared.pages.load(Ordering::Acquire) < PAGES_MAX {
                self.shared.pages.fetch_add(1, Ordering::AcqRel);
                if self.errands.try_send(Errand::Page(page)).is_err() {
                    self.shared.pages.fetch_sub(1, Ordering::AcqRel);
                }
            }
        }
    }

    /// When devices were last heard, where nothing on disk says so. What does not fit is lost: the
    /// next life sign says it again.
    pub fn hear(&self, heard: Vec<(DeviceId, Wall)>) {
        let _ = self.errands.try_send(Errand::Heard(heard));
    }

    /// Asks; `tell` is called from the archivist's thread, or dropped when it ends. Whether the
    /// question was taken.
    pub fn ask(&self, question: Question, tell: impl FnOnce(Answer) + Send + 'static) -> bool {
        if self.shared.questions.fetch_add(1, Ordering::AcqRel) < QUESTIONS_MAX
            && self.errands.try_send(Errand::Ask(question, Box::new(tell))).is_ok()
        {
            return true;
        }
        self.shared.questions.fetch_sub(1, Ordering::AcqRel);
        false
    }

    /// How it is.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.borrow().clone()
    }

    /// Tells it to write what it has and to end; the thread, to wait for.
    pub fn stop(&mut self) -> Option<JoinHandle<()>> {
        self.shared.stop.store(true, Ordering::Release);
        let _ = self.errands.try_send(Errand::Wake);
        self.thread.take()
    }
}

impl Drop for Archivist {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
