//! The start, as a checklist: record, state, time, facts of the start, ways out, ways in, people.
//!
//! A start succeeds on an unwritable, full or damaged disk, with missing secrets, with a taken HTTP
//! port and without its command socket; it fails only where going on would be worse: another hub on
//! the same record, a restore that was cut, or a broker that cannot listen.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::held::Held;
use super::intake::Intake;
use super::listing::Programs;
use super::lookup::{Lookup, Record};
use super::platforms::Platforms;
use super::reload::{DIRECTORY, RELOADS_MAX, Reload, TLS_FILES, kind_of_way};
use super::supervision::Supervision;
use super::turn::Turn;
use super::vitals::{self, Vitals};
use super::ways::open_ways;
use super::wiring::{Parts, TLS};
use super::{Desk, Ears, socket};
use crate::archive::{Archivist, Place, QUESTIONS_MAX};
use crate::clock::{Clock, Last, Resumption, Vouch};
use crate::config::{Secrets, Settings};
use crate::console::{self, Console};
use crate::counter::{ASKS_MAX, Asked};
use crate::incident::{Entry, IncidentBook, Stimulus, TakenOver, Trouble};
use crate::journal::{
    Committer, CommitterHandle, Disk, Finding, Journal, JournalError, Limits, OsDisk, SCRUB_PACE,
    Scrub,
};
use crate::link::LinkError;
use crate::terms::{HubId, Kind, Seq, Wait};

/// Findings of the journal waiting for the desk; the scrub waits at more.
const FINDINGS_MAX: usize = 64;
/// How long a reload may wait for the desk, which waits 2 s for a disk at most.
pub const RELOAD_WITHIN: Wait = Wait::secs(10);
/// The subjects of the faults while commands, or pages, cannot come in.
const SOCKET: &str = "storage.socket";
const PAGES: &str = "console.listen";
/// The subject of the fault while the record is another hub's.
const HUB_ID: &str = "hub.id";
/// The folder of the record in the state directory.
pub const JOURNAL_DIR: &str = "journal";
/// The folder of the archive beside it.
pub const ARCHIVE_DIR: &str = "archive";

/// Why the desk cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The record cannot be used: another hub holds it, or its writer has ended.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A wire cannot be opened.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The disk hangs and memory is full of what it should have taken.
    #[error("the disk has not answered for too long: look at it, then start the hub again")]
    DiskHangs,
    /// The system gave no thread.
    #[error("the system gave no thread: raise the service's task limit")]
    Thread(#[source] std::io::Error),
    /// The journal and the desk count differently.
    #[error("the record continues at {next} where the desk did not expect it: restart the hub")]
    OutOfStep {
        /// What the journal would give next.
        next: Seq,
    },
    /// The desk's task ended without a word.
    #[error("the desk ended unexpectedly: restart the hub and report its log")]
    Ended,
}

/// What to start with.
#[derive(Debug)]
pub struct Options {
    /// The checked settings.
    pub settings: Settings,
    /// Where secrets are looked up.
    pub secrets: Secrets,
    /// Where the record and the keys are.
    pub state_dir: PathBuf,
    /// The settings are the last accepted ones, because those on disk cannot be used.
    pub old_config: bool,
    /// Who vouches for the wall clock.
    pub vouch: Vouch,
}

/// A running hub.
#[derive(Debug)]
pub struct House {
    /// Where devices connect.
    pub broker: Option<SocketAddr>,
    /// Where pages are.
    pub console: Option<SocketAddr>,
    /// Where questions go.
    pub asks: mpsc::Sender<Asked>,
    reloads: mpsc::Sender<Reload>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), DeskError>>,
}

impl House {
    /// Stops in order.
    ///
    /// # Errors
    /// When the last facts could not be written.
    pub async fn stop(mut self) -> Result<(), DeskError> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.task.await.map_err(|_| DeskError::Ended)?
    }

    /// Takes another config into use; what of it waits for a restart, in config words. What cannot be
    /// opened stays as it was, loudly.
    ///
    /// # Errors
    /// When the desk does not answer in [`RELOAD_WITHIN`]; it may still take the config into use.
    pub async fn reload(
        &self,
        settings: Settings,
        secrets: Secrets,
    ) -> Result<Vec<&'static str>, DeskError> {
        let read = move || {
            let parts = Parts::of(&settings, &secrets);
            Box::new((settings, parts))
        };
        let next = tokio::task::spawn_blocking(read).await.map_err(|_| DeskError::Ended)?;
        self.bring(|tell| Reload::Good(next, tell)).await
    }

    /// The config directory has problems: the old set goes on, and people are told.
    ///
    /// # Errors
    /// As [`House::reload`].
    pub async fn config_broken(&self) -> Result<(), DeskError> {
        self.bring(Reload::Broken).await.map(drop)
    }

    async fn bring(
        &self,
        reload: impl FnOnce(oneshot::Sender<Vec<&'static str>>) -> Reload,
    ) -> Result<Vec<&'static str>, DeskError> {
        let (tell, told) = oneshot::channel();
        let answered = async {
            self.reloads.send(reload(tell)).await.ok()?;
            told.await.ok()
        };
        timeout(RELOAD_WITHIN.std(), answered).await.ok().flatten().ok_or(DeskError::Ended)
    }

    /// Waits until the desk ends by itself, which it only does when it cannot go on.
    pub async fn ended(&mut self) -> DeskError {
        match (&mut self.task).await {
            Ok(Err(why)) => why,
            Ok(Ok(())) | Err(_) => DeskError::Ended,
        }
    }
}

/// The record as it was read.
struct Read {
    book: IncidentBook,
    journal: Journal,
    unread: crate::journal::Unread,
    found: Found,
}

/// What the reading of the record has to tell the desk.
struct Found {
    clean: bool,
    unreadable: u64,
    findings: Vec<Finding>,
    note: Option<Vec<u8>>,
    /// The entry before the oldest one in the record.
    begins: Seq,
}

impl Read {
    /// Where hub time stood; none on a new record.
    fn last(&self) -> Option<Last> {
        (self.book.last_seq() > Seq(0)).then(|| Last {
            boot: self.book.boot().cloned(),
            at: self.book.last_at(),
            wall: self.book.last_wall(),
            trusted: self.book.last_trusted(),
        })
    }
}

/// Starts a hub.
///
/// # Errors
/// See [`DeskError`]; whatever else is wrong is said in the log and becomes a trouble.
pub async fn start(options: Options) -> Result<House, DeskError> {
    start_on(Arc::new(OsDisk), options).await
}

/// The same on a disk that a test holds in its hands.
pub(super) async fn start_on(disk: Arc<dyn Disk>, options: Options) -> Result<House, DeskError> {
    let Options { settings, secrets, state_dir, old_config, vouch } = options;
    let settings = Arc::new(settings);
    let dir = state_dir.join(JOURNAL_DIR);
    let record = || Record { disk: Arc::clone(&disk), dir: dir.clone() };
    let (record, also) = (record(), record());
    let read = read_beside(disk, dir, limits(&settings)).await?;
    let (clock, resumption) = Clock::resume(read.last().as_ref(), vouch);
    let ways = open_ways(&settings, &secrets, &state_dir, &clock, read.book.registry()).await?;
    let page_key = ways.outbox.writer.page_key.clone();
    let (reloads, reloaded) = mpsc::channel(RELOADS_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let (stop, stopped) = oneshot::channel();
    let (tell_finding, findings) = mpsc::channel(FINDINGS_MAX);
    let Read { book, journal, unread, found } = read;
    let next_seq = journal.next();
    let journal = Committer::spawn(journal)?;
    let programs = Programs::new(also, journal.durable().borrow().head.seq);
    let archive = open_archive(record, &state_dir, &settings, &journal)?;
    let (tell_sought, sought) = mpsc::channel(QUESTIONS_MAX);
    let broker_address = ways.broker.as_ref().map(|opened| opened.address);
    let mut desk = Desk {
        intake: Intake::new(&settings, book.registry()),
        vitals: Vitals::new(clock.now(), book.last_seq()),
        outbox: ways.outbox,
        platforms: Platforms::default(),
        book,
        next_seq,
        ears: Ears {
            inbox: ways.heard,
            asks: asked,
            ends: ways.out_ears.ends,
            reports: ways.out_ears.reports,
            said: ways.out_ears.said,
            news: ways.news,
            port_news: ways.port_news,
            outside_news: ways.outside_news,
            modem_news: ways.modems_heard,
            findings,
            reloads: reloaded,
            gone: ways.gone,
            sought,
            durable: journal.durable(),
            stop: stopped,
        },
        journal,
        held: Held::default(),
        unsent: VecDeque::new(),
        archive,
        lookup: Lookup::new(tell_sought, clock.now()),
        programs,
        broker_tls: ways.broker.as_ref().and_then(|opened| opened.tls).map(|a| a.to_string()),
        broker: ways.broker.map(|opened| opened.broker),
        broker_address: broker_address.map(|a| a.to_string()),
        ports: ways.ports,
        outside: ways.outside,
        modems: ways.modems,
        supervision: Supervision::new(clock.now(), resumption.gap).powered(settings.power.as_ref()),
        wires: ways.wires,
        old_config,
        importing: None,
        own: VecDeque::new(),
        beat: Arc::new(AtomicU64::new(clock.now().0)),
        settings,
        clock,
    };
    desk.begin(resumption, found).await?;
    let broker = broker_address;
    open_doors(desk, Doors { unread, tell_finding, asks, reloads, stop, page_key, broker }).await
}

/// What is needed once the desk has begun.
struct Doors {
    unread: crate::journal::Unread,
    tell_finding: mpsc::Sender<Finding>,
    asks: mpsc::Sender<Asked>,
    reloads: mpsc::Sender<Reload>,
    stop: oneshot::Sender<()>,
    page_key: crate::terms::Secret,
    broker: Option<SocketAddr>,
}

/// Reads the old record in the background, lets people in, and sets the desk to work.
async fn open_doors(mut desk: Desk, doors: Doors) -> Result<House, DeskError> {
    let Doors { unread, tell_finding, asks, reloads, stop, page_key, broker } = doors;
    let settings = Arc::clone(&desk.settings);
    let scrub = Scrub::spawn(unread, SCRUB_PACE, move |finding| {
        // A stopping desk hears no more; the next start scrubs again.
        let _ = tell_finding.blocking_send(finding);
    })?;
    vitals::watch(Arc::clone(&desk.beat)).map_err(DeskError::Thread)?;
    let path = settings.gateway.socket.clone();
    let listening = socket::listen(&path, asks.clone()).map_err(|why| {
        error!(socket = %path.display(), %why, "no commands: choose another socket in gateway.toml");
    });
    let pages = open_console(&settings, &desk, &asks, page_key).await;
    for (subject, broken) in [(SOCKET, listening.is_err()), (PAGES, pages.is_none())] {
        let trouble = Trouble { kind: Kind::Config, subject: subject.to_owned(), broken };
        desk.own.push_back(Stimulus::Trouble(trouble));
    }
    let console = pages.as_ref().map(Console::address);
    info!(?broker, ?console, "ready");
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    let beat = Arc::clone(&desk.beat);
    let task = tokio::spawn(async move {
        let ended = desk.run().await;
        beat.store(u64::MAX, std::sync::atomic::Ordering::Release);
        scrub.stop();
        if let Some(pages) = &pages {
            pages.farewell().await;
        }
        drop((listening, pages));
        ended
    });
    Ok(House { broker, console, asks, reloads, stop: Some(stop), task })
}

async fn open_console(
    settings: &Settings,
    desk: &Desk,
    asks: &mpsc::Sender<Asked>,
    key: crate::terms::Secret,
) -> Option<Console> {
    let clock = desk.clock.clone();
    let desk = console::Desk {
        asks: asks.clone(),
        key,
        now: Arc::new(move || clock.wall().wall),
        feed: desk.programs.feed.door(),
        hub: settings.gateway.hub.clone(),
        signals: desk.wires.signals.clone(),
    };
    let listen: Vec<SocketAddr> =
        std::iter::once(settings.gateway.listen).chain(settings.gateway.lan).collect();
    match console::serve(&listen, desk).await {
        Ok(console) => Some(console),
        Err(why) => {
            error!(%why, "no pages: calls are heard and carried all the same");
            None
        }
    }
}

/// Sets the archivist to work in the background.
fn open_archive(
    record: Record,
    state_dir: &Path,
    settings: &Settings,
    journal: &CommitterHandle,
) -> Result<Archivist, DeskError> {
    let on_disk = journal.durable().borrow().head.seq;
    let place =
        Place { dir: state_dir.join(ARCHIVE_DIR), min_free: settings.gateway.min_free_bytes };
    Archivist::spawn(place, record, on_disk).map_err(DeskError::Thread)
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        segment_max_bytes: settings.gateway.segment_bytes,
        ballast_bytes: settings.gateway.ballast_bytes,
        ..Limits::default()
    }
}

/// Reads the record on a thread that may block.
async fn read_beside(disk: Arc<dyn Disk>, dir: PathBuf, limits: Limits) -> Result<Read, DeskError> {
    let read = tokio::task::spawn_blocking(move || read_record(disk, &dir, limits));
    Ok(read.await.map_err(|_| DeskError::Ended)??)
}

/// Reads the newest snapshot that can be used and every record after it.
fn read_record(disk: Arc<dyn Disk>, dir: &Path, limits: Limits) -> Result<Read, JournalError> {
    let mut opening = Journal::open(disk, dir, limits)?;
    let mut book = IncidentBook::default();
    while let Some(snapshot) = opening.snapshot() {
        match serde_json::from_slice(&snapshot.bytes) {
            Ok(kept) => {
                book = kept;
                break;
            }
            Err(why) => {
                warn!(%why, seq = snapshot.seq.0, "a snapshot cannot be used; an older one is");
                opening.reject_snapshot();
            }
        }
    }
    let mut unreadable = 0;
    let opened = opening.replay(|record| {
        match Entry::from_body(record.seq, record.at, record.wall, &record.body) {
            // What a replay causes was carried out, or is still outstanding in the book.
            Ok(entry) => drop(book.apply(&entry)),
            Err(why) => {
                unreadable += 1;
                warn!(%why, seq = record.seq.0, "a record cannot be read: is it from a newer hub?");
            }
        }
    });
    Ok(Read {
        book,
        journal: opened.journal,
        unread: opened.unread,
        found: Found {
            clean: opened.clean_stop,
            unreadable,
            findings: opened.findings,
            note: opened.note,
            begins: opened.begins.seq,
        },
    })
}

impl Desk {
    /// Another box's record was restored here: says so in it. Whether the restore left a word.
    fn go_on_for(&mut self, turn: &mut Turn, note: &[u8]) -> bool {
        match serde_json::from_slice::<TakenOver>(note) {
            Ok(taken) => {
                warn!(
                    through = taken.through.0,
                    "this box goes on for another: see that the other one stays off"
                );
                self.decide(turn, &Stimulus::BoxReplaced(taken))
            }
            Err(why) => {
                warn!(%why, "what the restore has to tell cannot be read");
                false
            }
        }
    }

    /// Whether this hub was started as another than the one whose record it goes on with.
    pub(super) fn is_another(&self, record: &HubId) -> bool {
        *record != self.settings.gateway.hub
    }

    /// Every topic and the name of every event carry the hub's id.
    fn look_at_id(&mut self, turn: &mut Turn) {
        let of = self.book.hub().filter(|hub| self.is_another(hub));
        if let Some(of) = of {
            let now = &self.settings.gateway.hub;
            error!(
                record = %of, %now,
                "hub.id has changed: devices that speak to the old topics are not heard; change it \
                 back in gateway.toml and start again, or close the fault if it is meant"
            );
        }
        let broken = of.is_some();
        self.trouble(turn, Kind::HubId, HUB_ID.to_owned(), broken);
    }

    /// Writes down the start, takes the config into use and offers what is outstanding.
    async fn begin(&mut self, resumption: Resumption, told: Found) -> Result<(), DeskError> {
        self.look_at_disk(Seq(self.next_seq.0.saturating_sub(1)));
        // Before anything new is ordered: only what an earlier run left is sent as a repeat.
        self.outbox.resume(&self.book);
        let mut turn = Turn::new(self.next_seq);
        let Resumption { gap, how, boot } = resumption;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (hub, clean) = (self.settings.gateway.hub.clone(), told.clean);
        self.plan_duty();
        self.decide(&mut turn, &Stimulus::Started { version, hub, clean, gap, how, boot });
        self.look_at_id(&mut turn);
        let replaced = told.note.as_deref().is_some_and(|note| self.go_on_for(&mut turn, note));
        if self.book.registry().is_empty() {
            turn = self.take_in_files(turn).await?;
        }
        self.compare_registry();
        let policy = Stimulus::Policy(Box::new(self.settings.policy.clone()));
        let roster = Stimulus::Roster(Box::new(self.settings.roster.clone()));
        for plan in [policy, roster] {
            if !self.decide(&mut turn, &plan) {
                // `check` refuses such a config; one that was accepted by an older hub may get here.
                error!("the ladders or the roster are too long for the record: shorten them");
            }
        }
        self.take_life_plan(&mut turn);
        for finding in &told.findings {
            self.own_finding(finding);
        }
        self.look_at_beginning(told.begins);
        self.trouble(&mut turn, Kind::Record, "unreadable".to_owned(), told.unreadable > 0);
        // What opens now settles what an earlier run left; carriers and endpoints say so themselves
        // with the first message that gets through.
        let out = self.wires.out.clone();
        let wires = [TLS, TLS_FILES].map(str::to_owned);
        let all: BTreeSet<String> = out.iter().cloned().chain(wires).collect();
        for subject in all {
            let broken = out.contains(&subject);
            self.trouble(&mut turn, kind_of_way(&subject), subject, broken);
        }
        // A good directory settles what a broken one left open.
        let (kind, subject, broken) = (Kind::Config, DIRECTORY.to_owned(), self.old_config);
        self.own.push_back(Stimulus::Trouble(Trouble { kind, subject, broken }));
        self.write_down(turn).await?;
        if replaced && self.vitals.is_safe() {
            let journal = self.journal.clone();
            // Left there, the next start says it once more.
            tokio::task::spawn_blocking(move || journal.forget_note());
        }
        // Registered devices are known now; the readers learn their names.
        self.intake = Intake::new(&self.settings, self.book.registry());
        Ok(())
    }
}
