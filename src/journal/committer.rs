//! The one thread that writes. It takes what is queued, up to 512 entries, appends it as one frame,
//! forces once and answers all; while it forces, the next frame gathers in the queue, so that many
//! writers share one force and a single one pays for one only.
//!
//! *Unhurried* batches are written at once, so that a killed process loses nothing, and forced with
//! the next urgent one or within [`super::Limits::force_within`]. While the journal is volatile,
//! batches are answered as such at once, and a fresh segment is tried every
//! [`super::Limits::retry_every`]; the watched [`Durable`] then moves and receipts can go out.
//!
//! The thread reads no clock: a second, sleeping thread tells it when a wait is over. It was chosen
//! over writing in the async runtime because a force blocks for as long as the disk likes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::terms::{At, Seq, Wait, Wall};

use super::ballast::Ballast;
use super::disk::Disk;
use super::durable::{Durable, Limits};
use super::entry::Draft;
use super::error::JournalError;
use super::frame::FRAME_ENTRIES_MAX;
use super::log::Journal;
use super::restore::remove_note;
use super::retire::{Keep, Retirable, drop_aside, retirable, retire};
use super::snapshot::write_snapshot;

/// Most entries in one batch; it may then span several frames, forced once. Own choice.
pub const BATCH_MAX: usize = 8192;

/// Batches that may wait for the committer; beyond it [`CommitterHandle::commit`] waits and
/// [`CommitterHandle::try_commit`] gives the batch back. Own choice: 256 writers, four deep.
pub const QUEUE_MAX: usize = 1024;

/// How often the committer looks for the next batch before it sleeps: who was just answered often
/// comes again at once, and a wake-up costs a quarter of a force on a fast disk. Each look gives the
/// processor away, so that nobody waits for it. Own choice: about 30 µs.
const LINGER: usize = 64;

/// How soon a batch must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Now: somebody waits for it.
    Urgent,
    /// Soon: with the next urgent batch, or within [`super::Limits::force_within`].
    Unhurried,
}

/// Entries that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    first: Option<Seq>,
    drafts: Vec<Draft>,
    urgency: Urgency,
}

impl Batch {
    /// A batch whose sequences the committer gives: for many writers.
    ///
    /// # Errors
    /// [`JournalError::TooLong`] beyond [`BATCH_MAX`] entries.
    pub fn new(drafts: Vec<Draft>, urgency: Urgency) -> Result<Self, JournalError> {
        if drafts.len() > BATCH_MAX {
            let found = drafts.len();
            return Err(JournalError::TooLong { what: "batch", found, limit: BATCH_MAX });
        }
        Ok(Self { first: None, drafts, urgency })
    }

    /// The same with a first sequence that the caller, then the only writer, has counted itself. It
    /// is refused when the journal has counted otherwise.
    pub fn beginning_at(self, first: Seq) -> Self {
        Self { first: Some(first), ..self }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It survives a power cut; its first sequence.
    Durable(Seq),
    /// The disk fails: it has its sequences and is in memory, or counted as a gap where memory ran
    /// out. Watch [`Durable`] for the time when it is safe.
    Volatile(Seq),
    /// Nothing was taken: the caller's count is wrong, a bug; the sequence that comes next.
    OutOfOrder {
        /// What the journal would give next.
        next: Seq,
    },
}

/// The answer to come.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Answer>);

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when the committer ended before it answered.
    pub async fn answer(self) -> Result<Answer, JournalError> {
        self.0.await.map_err(|_| JournalError::Gone)
    }

    /// The same, on a thread outside the async runtime.
    ///
    /// # Errors
    /// As [`Pending::answer`].
    pub fn wait(self) -> Result<Answer, JournalError> {
        self.0.blocking_recv().map_err(|_| JournalError::Gone)
    }
}

enum Message {
    Commit(Batch, oneshot::Sender<Answer>),
    Covered(Seq),
    Retry,
    /// A wait is over; the flag says so too.
    Wake,
    Close {
        at: At,
        wall: Wall,
        done: oneshot::Sender<Durable>,
    },
}

/// The way to the committer; clones share it.
#[derive(Clone)]
pub struct CommitterHandle {
    queue: mpsc::Sender<Message>,
    durable: watch::Receiver<Durable>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    ballast: Arc<Ballast>,
    snapshots: Arc<Mutex<()>>,
}

impl CommitterHandle {
    /// Hands a batch in, waiting for room in the queue.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when the committer has ended.
    pub async fn commit(&self, batch: Batch) -> Result<Pending, JournalError> {
        let (answer, pending) = oneshot::channel();
        let sent = self.queue.send(Message::Commit(batch, answer)).await;
        sent.map(|()| Pending(pending)).map_err(|_| JournalError::Gone)
    }

    /// The same, on a thread outside the async runtime.
    ///
    /// # Errors
    /// As [`CommitterHandle::commit`].
    pub fn commit_blocking(&self, batch: Batch) -> Result<Pending, JournalError> {
        let (answer, pending) = oneshot::channel();
        let sent = self.queue.blocking_send(Message::Commit(batch, answer));
        sent.map(|()| Pending(pending)).map_err(|_| JournalError::Gone)
    }

    /// Hands a batch in only if there is room; otherwise it comes back.
    ///
    /// # Errors
    /// [`JournalError::Full`] or [`JournalError::Gone`], with the batch.
    pub fn try_commit(&self, batch: Batch) -> Result<Pending, (JournalError, Batch)> {
        let (answer, pending) = oneshot::channel();
        let (error, message) = match self.queue.try_send(Message::Commit(batch, answer)) {
            Ok(()) => return Ok(Pending(pending)),
            Err(mpsc::error::TrySendError::Full(message)) => (JournalError::Full, message),
            Err(mpsc::error::TrySendError::Closed(message)) => (JournalError::Gone, message),
        };
        let batch = match message {
            Message::Commit(batch, _) => batch,
            _ => Batch { first: None, drafts: Vec::new(), urgency: Urgency::Unhurried },
        };
        Err((error, batch))
    }

    /// How far everything is safe; changes are seen here first.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }

    /// Tries a fresh segment now, if the journal is volatile. Without effect when the queue is full:
    /// the regular try comes anyway.
    pub fn retry_now(&self) {
        let _ = self.queue.try_send(Message::Retry);
    }

    /// Writes a snapshot that stands for all entries up to `seq`, which should be covered already.
    /// Blocks on the disk: call it where blocking is allowed. The committer goes on meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when it does not stand on disk now; the older ones do.
    pub fn write_snapshot(&self, seq: Seq, bytes: &[u8]) -> Result<(), JournalError> {
        let _one_at_a_time = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.durable.borrow().head;
        write_snapshot(self.disk.as_ref(), &self.dir, seq, head, bytes)
            .map_err(|source| JournalError::Unwritable { what: "snapshot", source })?;
        self.queue.blocking_send(Message::Covered(seq)).map_err(|_| JournalError::Gone)
    }

    /// Lays the ballast again after it was given up, where there is room for it. Blocks. Whether it
    /// lies now.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when the disk refuses.
    pub fn lay_ballast(&self) -> Result<bool, JournalError> {
        self.ballast.lay().map_err(|source| JournalError::Unwritable { what: "ballast", source })
    }

    /// The oldest segments that may go, or none. Blocks: it reads them.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] when the folder cannot be listed: look again later.
    pub fn retirable(&self, keep: &Keep) -> Result<Option<Retirable>, JournalError> {
        let path = || self.dir.display().to_string();
        retirable(self.disk.as_ref(), &self.dir, keep)
            .map_err(|source| JournalError::Unreadable { path: path(), source })
    }

    /// Removes them, once it is on disk that they will go. Blocks. How many files there were.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when the disk refuses: what is left goes with the next.
    pub fn retire(&self, going: &Retirable) -> Result<usize, JournalError> {
        retire(self.disk.as_ref(), &self.dir, going.through)
            .map_err(|source| JournalError::Unwritable { what: "retired segments", source })
    }

    /// Removes what was set aside in the journal's folder, to make room. Blocks. How many files.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when the disk refuses.
    pub fn drop_aside(&self) -> Result<usize, JournalError> {
        drop_aside(self.disk.as_ref(), &self.dir)
            .map_err(|source| JournalError::Unwritable { what: "files set aside", source })
    }

    /// Removes what a restore had to tell, once it is written down. Blocks.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] when the disk refuses: the next start is told again.
    pub fn forget_note(&self) -> Result<(), JournalError> {
        remove_note(self.disk.as_ref(), &self.dir)
            .map_err(|source| JournalError::Unwritable { what: "restored record", source })
    }

    /// Bytes that can still be written in the journal's folder; below
    /// [`super::FREE_FLOOR`] the desk raises a fault.
    ///
    /// # Errors
    /// [`JournalError::Unreadable`] when the system does not say.
    pub fn free_bytes(&self) -> Result<u64, JournalError> {
        let path = || self.dir.display().to_string();
        let free = self.disk.free_bytes(&self.dir);
        free.map_err(|source| JournalError::Unreadable { path: path(), source })
    }

    /// Stops as asked: what was handed in before is written, then the closing record. Says how far
    /// everything is safe.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when the committer has ended already.
    pub async fn close(&self, at: At, wall: Wall) -> Result<Durable, JournalError> {
        let (done, closed) = oneshot::channel();
        let sent = self.queue.send(Message::Close { at, wall, done }).await;
        sent.map_err(|_| JournalError::Gone)?;
        closed.await.map_err(|_| JournalError::Gone)
    }
}

/// The committer's thread.
pub struct Committer {
    journal: Journal,
    queue: mpsc::Receiver<Message>,
    durable: watch::Sender<Durable>,
    alarm: Alarm,
    /// Batches that were written and wait for the force.
    waiting: Vec<(oneshot::Sender<Answer>, Seq)>,
    gathered: Vec<Draft>,
    /// Batches in `gathered` and how many entries each has.
    askers: Vec<(oneshot::Sender<Answer>, usize)>,
    hurry: bool,
    armed: Option<Armed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    Force,
    Retry,
}

impl Committer {
    /// Starts the committer on an open journal, and lays its ballast in the background. It ends when
    /// the last handle is dropped (forced, without a closing record) or with
    /// [`CommitterHandle::close`].
    ///
    /// # Errors
    /// [`JournalError::Gone`] when the system gives no thread.
    pub fn spawn(journal: Journal) -> Result<CommitterHandle, JournalError> {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let (durable, watched) = watch::channel(journal.durable());
        let (disk, dir, ballast) = journal.place();
        let alarm = Alarm::spawn(sender.downgrade())?;
        let mut committer = Self {
            journal,
            queue,
            durable,
            alarm,
            waiting: Vec::new(),
            gathered: Vec::new(),
            askers: Vec::new(),
            hurry: false,
            armed: None,
        };
        committer.arm();
        Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run())
            .map_err(|_| JournalError::Gone)?;
        let laying = ballast.clone();
        // Without a ballast the journal does its work all the same.
        let _ = Builder::new().name("journal-ballast".to_owned()).spawn(move || laying.lay());
        let snapshots = Arc::default();
        Ok(CommitterHandle { queue: sender, durable: watched, disk, dir, ballast, snapshots })
    }

    /// The next message, however long it takes; `None` when nobody is left who could send one.
    fn await_message(&mut self) -> Option<Message> {
        for _ in 0..LINGER {
            match self.queue.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => std::thread::yield_now(),
            }
        }
        self.queue.blocking_recv()
    }

    fn run(mut self) {
        while let Some(first) = self.await_message() {
            let mut asked = self.take(first);
            while asked.is_none() && self.gathered.len() < FRAME_ENTRIES_MAX {
                match self.queue.try_recv() {
                    Ok(message) => asked = self.take(message),
                    Err(_) => break,
                }
            }
            self.turn();
            match asked {
                None => {}
                Some(Asked::Retry) => {
                    self.journal.retry();
                }
                Some(Asked::Covered(seq)) => self.journal.covered(seq),
                Some(Asked::Close { at, wall, done }) => {
                    self.settle(true);
                    let durable = self.journal.close(at, wall);
                    self.durable.send_replace(durable.clone());
                    // Whoever asked may be gone; the closing record stands all the same.
                    let _ = done.send(durable);
                    return;
                }
            }
            self.publish();
        }
        self.settle(true);
        self.publish();
    }

    /// Takes one message in; what is not a batch ends the gathering.
    fn take(&mut self, message: Message) -> Option<Asked> {
        match message {
            Message::Commit(batch, asker) => self.gather(batch, asker),
            Message::Wake => {}
            Message::Retry => return Some(Asked::Retry),
            Message::Covered(seq) => return Some(Asked::Covered(seq)),
            Message::Close { at, wall, done } => return Some(Asked::Close { at, wall, done }),
        }
        None
    }

    fn gather(&mut self, mut batch: Batch, asker: oneshot::Sender<Answer>) {
        let next = Seq(self.journal.next().0 + self.gathered.len() as u64);
        if batch.first.is_some_and(|first| first != next) {
            // An asker who has gone away wants no answer.
            let _ = asker.send(Answer::OutOfOrder { next });
            return;
        }
        self.hurry |= batch.urgency == Urgency::Urgent;
        self.askers.push((asker, batch.drafts.len()));
        self.gathered.append(&mut batch.drafts);
    }

    /// Writes what was gathered, forces it if it is time, and answers.
    fn turn(&mut self) {
        let mut seq = self.journal.append(&mut self.gathered);
        for (asker, entries) in self.askers.drain(..) {
            self.waiting.push((asker, seq));
            seq = Seq(seq.0 + entries as u64);
        }
        let rang = self.alarm.rang.swap(false, Ordering::AcqRel);
        let due = rang.then(|| self.armed.take()).flatten();
        if due == Some(Armed::Retry) {
            self.journal.retry();
        }
        let hurry = std::mem::take(&mut self.hurry);
        let many = self.waiting.len() >= QUEUE_MAX;
        self.settle(hurry || many || due == Some(Armed::Force));
        self.arm();
    }

    /// Answers whoever can be answered.
    fn settle(&mut self, force: bool) {
        if force {
            self.journal.force();
        }
        let durable = self.journal.durable();
        let volatile = durable.is_volatile();
        if !force && !volatile {
            return;
        }
        // Watchers see the state before anybody is answered under it.
        self.publish_this(&durable);
        for (asker, first) in self.waiting.drain(..) {
            let answer = if volatile { Answer::Volatile(first) } else { Answer::Durable(first) };
            // An asker who has gone away wants no answer.
            let _ = asker.send(answer);
        }
    }

    fn publish(&self) {
        self.publish_this(&self.journal.durable());
    }

    fn publish_this(&self, durable: &Durable) {
        self.durable.send_if_modified(|seen| {
            let changed = seen != durable;
            if changed {
                seen.clone_from(durable);
            }
            changed
        });
    }

    fn arm(&mut self) {
        let Limits { retry_every, force_within, .. } = *self.journal.limits();
        let wanted = if self.journal.durable().is_volatile() {
            Some((Armed::Retry, retry_every))
        } else if self.waiting.is_empty() {
            None
        } else {
            Some((Armed::Force, force_within))
        };
        match wanted {
            Some((armed, wait)) if self.armed != Some(armed) => {
                self.armed = Some(armed);
                self.alarm.set(wait);
            }
            _ => {}
        }
    }
}

enum Asked {
    Covered(Seq),
    Retry,
    Close { at: At, wall: Wall, done: oneshot::Sender<Durable> },
}

/// A thread that sleeps, then says so. A newer setting replaces an older one.
struct Alarm {
    rang: Arc<AtomicBool>,
    settings: SyncSender<Wait>,
}

impl Alarm {
    fn spawn(queue: mpsc::WeakSender<Message>) -> Result<Self, JournalError> {
        // Room for two: the sleeper takes a setting at once, so more never wait.
        let (settings, set) = sync_channel::<Wait>(2);
        let rang = Arc::new(AtomicBool::new(false));
        let ring = rang.clone();
        let sleep = move || {
            let Ok(mut wait) = set.recv() else { return };
            loop {
                match set.recv_timeout(wait.std()) {
                    Ok(newer) => wait = newer,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        ring.store(true, Ordering::Release);
                        let Some(queue) = queue.upgrade() else { return };
                        // A full queue wakes the committer anyway, and it looks at the flag.
                        let _ = queue.try_send(Message::Wake);
                        drop(queue);
                        let Ok(next) = set.recv() else { return };
                        wait = next;
                    }
                }
            }
        };
        Builder::new()
            .name("journal-alarm".to_owned())
            .spawn(sleep)
            .map_err(|_| JournalError::Gone)?;
        Ok(Self { rang, settings })
    }

    fn set(&self, wait: Wait) {
        self.rang.store(false, Ordering::Release);
        // The sleeper is gone only when the process is ending.
        let _ = self.settings.send(wait);
    }
}
