//! The archivist's thread: opens, reads on, files, answers, and begins anew when it has to.
//!
//! It never gives up: a folder that cannot be used is tried again, at first soon, then every ten
//! minutes; a damaged one is set aside at once, the one from before making room for it. While it
//! reads the record it answers between two stretches from what it has so far, with how far that is.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::ArchiveError;
use super::desk_end::{Errand, Shared};
use super::figures::{Figures, State};
use super::keeping::{Keeping, aside, has_room, set_aside};
use super::question::{Answer, Found};
use super::shelf::Shelf;
use crate::incident::Entry;
use crate::terms::Seq;

/// How far the thread, and sled's with it, stand back. Own choice: a tenth of a core where all else
/// wants it too; at the lowest, 19, a rebuild beside other programs would hardly come to an end.
const NICE: i32 = 10;
/// The first wait before a folder is tried again; each next one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// How long nothing comes before the archivist looks whether it has missed something.
const LULL: Duration = Duration::from_millis(500);
/// Stretches between two looks at the free space while the record is read.
const LOOK_EVERY: usize = 32;
/// Pages and lulls after which everything is forced to the disk: a damaged disk is noticed then.
const FORCE_EVERY: u32 = 64;

/// Where the archive stands, and how much must stay free beside it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its folder.
    pub dir: PathBuf,
    /// Below so many free bytes nothing is written: the rest is for the record.
    pub min_free: u64,
}

/// Where the record is read.
pub trait Source: Send + Sync {
    /// Gives every entry behind `after` up to and with `upto`, in order, until `each` breaks. What
    /// cannot be read is left out.
    ///
    /// # Errors
    /// When the record cannot be read at all at the moment.
    fn read(
        &self,
        after: Seq,
        upto: Seq,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

struct AtWork {
    place: Place,
    source: Arc<dyn Source>,
    queue: Receiver<Errand>,
    shared: Arc<Shared>,
    news: watch::Sender<Arc<Figures>>,
    /// Failures since everything was in order.
    failures: u32,
}

pub(super) fn work(
    place: Place,
    source: Arc<dyn Source>,
    queue: Receiver<Errand>,
    shared: Arc<Shared>,
    news: watch::Sender<Arc<Figures>>,
) {
    // Where that is not allowed, a rebuild in a storm costs some smoothness and nothing else.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut at_work = AtWork { place, source, queue, shared, news, failures: 0 };
    while !at_work.is_stopped() {
        if let Err(error) = at_work.once() {
            at_work.failed(&error);
        }
    }
}

impl AtWork {
    /// From opening to the stop, or to what stands in the way.
    fn once(&mut self) -> Result<(), ArchiveError> {
        let shared = Arc::clone(&self.shared);
        let stopped = move || shared.stop.load(Ordering::Acquire);
        let opened = Keeping::open(&self.place, self.source.as_ref(), self.newest(), &stopped);
        let mut keeping = opened?;
        let kept = self.keep_up(&mut keeping);
        if kept.is_ok() {
            keeping.write()?;
        }
        keeping.close();
        kept
    }

    fn keep_up(&mut self, keeping: &mut Keeping) -> Result<(), ArchiveError> {
        self.catch_up(keeping)?;
        let mut since_forced = 0;
        while !self.is_stopped() {
            match self.queue.recv_timeout(LULL) {
                Ok(errand) => self.run(keeping, errand)?,
                Err(RecvTimeoutError::Timeout) => self.catch_up(keeping)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            since_forced += 1;
            if since_forced >= FORCE_EVERY {
                has_room(&self.place)?;
                keeping.flush()?;
                since_forced = 0;
            }
        }
        Ok(())
    }

    fn run(&mut self, keeping: &mut Keeping, errand: Errand) -> Result<(), ArchiveError> {
        match errand {
            Errand::Page(page) => {
                self.shared.pages.fetch_sub(1, Ordering::AcqRel);
                if !keeping.add(page)? {
                    self.catch_up(keeping)?;
                }
                self.tell(keeping, State::Level);
            }
            Errand::Heard(heard) => {
                for (device, wall) in heard {
                    keeping.filing.hear(device, wall);
                }
                keeping.write()?;
            }
            Errand::Ask(question, tell) => {
                self.shared.questions.fetch_sub(1, Ordering::AcqRel);
                let state = self.news.borrow().state.clone();
                let found = keeping.answer(self.source.as_ref(), &question)?;
                tell(Answer { state, found });
            }
            Errand::Wake => {}
        }
        Ok(())
    }

    /// Reads the record until nothing is missing.
    fn catch_up(&mut self, keeping: &mut Keeping) -> Result<(), ArchiveError> {
        let began = keeping.filing.reached.cursor;
        let level = self.news.borrow().state == State::Level;
        while keeping.filing.reached.cursor < self.newest() && !self.is_stopped() {
            if !level {
                self.tell(keeping, self.share(keeping));
            }
            has_room(&self.place)?;
            let (upto, mut stretches) = (self.newest(), 0);
            let source = Arc::clone(&self.source);
            keeping.read_on(source.as_ref(), upto, &mut |keeping| {
                stretches += 1;
                if stretches % LOOK_EVERY == 0 {
                    has_room(&self.place)?;
                }
                self.between(keeping, level)
            })?;
        }
        if !level && !self.is_stopped() {
            keeping.flush()?;
            Shelf::say_whole(&self.place.dir);
            self.failures = 0;
            let Keeping { filing, .. } = &*keeping;
            let heard = Arc::new(filing.heard.clone());
            self.news.send_modify(|figures| Arc::make_mut(figures).heard = heard);
            self.tell(keeping, State::Level);
            let (from, to) = (began.0, filing.reached.cursor.0);
            info!(from, to, incidents = filing.reached.sheets, "the archive is level");
        }
        Ok(())
    }

    /// Between two stretches: who asks is answered from what is there.
    fn between(
        &mut self,
        keeping: &mut Keeping,
        level: bool,
    ) -> Result<ControlFlow<()>, ArchiveError> {
        if !level {
            self.tell(keeping, self.share(keeping));
        }
        while let Ok(errand) = self.queue.try_recv() {
            match errand {
                // It is read from the record in a moment.
                Errand::Page(_) => {
                    self.shared.pages.fetch_sub(1, Ordering::AcqRel);
                }
                other => self.run(keeping, other)?,
            }
        }
        match self.is_stopped() {
            true => Ok(ControlFlow::Break(())),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    fn share(&self, keeping: &Keeping) -> State {
        let (done, all) = (keeping.filing.reached.cursor.0, self.newest().0.max(1));
        let percent = u8::try_from(done.saturating_mul(100) / all).unwrap_or(99).min(99);
        State::Rebuilding { percent }
    }

    fn tell(&self, keeping: &Keeping, state: State) {
        self.news.send_modify(|figures| {
            let figures = Arc::make_mut(figures);
            figures.state = state;
            figures.incidents = keeping.filing.reached.sheets;
            if figures.state == State::Level {
                figures.times = keeping.filing.recent.times();
            }
        });
    }

    /// Something stands in the way: sets aside what is damaged, says so, and waits a while.
    fn failed(&mut self, error: &ArchiveError) {
        let why = error.sentence();
        let mut set = false;
        if matches!(error, ArchiveError::Damaged { .. }) {
            let dir = &self.place.dir;
            match set_aside(dir) {
                Ok(()) => {
                    set = true;
                    let aside = aside(dir).display().to_string();
                    warn!(%why, aside, "the archive is set aside and rebuilt");
                }
                Err(cannot) => warn!(%why, %cannot, "the archive cannot be set aside"),
            }
        } else {
            warn!(%why, "the archive is off");
        }
        let first = set && self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        self.news.send_modify(|figures| {
            let figures = Arc::make_mut(figures);
            figures.damaged += u32::from(set);
            figures.state = match first {
                true => State::Rebuilding { percent: 0 },
                false => State::Off { why },
            };
        });
        if !first {
            self.wait();
        }
    }

    /// Waits before the next try, and says to whoever asks that there is nothing to look into.
    fn wait(&self) {
        let doubled = 2_u32.saturating_pow(self.failures.saturating_sub(1).min(16));
        let naps = RETRY_FIRST.saturating_mul(doubled).min(RETRY_MAX).as_millis()
            / LULL.as_millis().max(1);
        let mut left = naps;
        while left > 0 && !self.is_stopped() {
            match self.queue.recv_timeout(LULL) {
                Err(RecvTimeoutError::Timeout) => left -= 1,
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(Errand::Page(_)) => {
                    self.shared.pages.fetch_sub(1, Ordering::AcqRel);
                }
                Ok(Errand::Ask(_, tell)) => {
                    self.shared.questions.fetch_sub(1, Ordering::AcqRel);
                    let state = self.news.borrow().state.clone();
                    tell(Answer { state, found: Found::Nothing });
                }
                Ok(Errand::Heard(_) | Errand::Wake) => {}
            }
        }
    }

    fn newest(&self) -> Seq {
        Seq(self.shared.newest.load(Ordering::Acquire))
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }
}
