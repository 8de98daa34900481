//! The hub's own health: the disk, the clock, the roster, the record, and the watchdog.
//!
//! What is wrong with the hub takes the same way as a press: a trouble becomes an incident, people
//! are called, and only a person closes it. The watchdog is fed by completed turns, never by a
//! timer of its own, and ends the process when none completes, because the service manager's
//! restart is a replay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tracing::{error, info, warn};

use super::keeping::Retiring;
use super::{Desk, Turn};
use crate::incident::{Stimulus, Trouble};
use crate::journal::{Finding, Standing};
use crate::roster::DutyBy;
use crate::terms::{At, Kind, LineId, Seq, Wait, Wall};

/// How often the slow questions are asked: free space, roster gaps, the clock.
const LOOK_EVERY: Wait = Wait::secs(10);
/// How long the wall clock may be untrusted before it is a fault: time servers need a while after a
/// start. Own choice.
const CLOCK_GRACE: Wait = Wait::mins(10);
/// Without a completed turn for this long the process ends. Own choice: ten times what the desk
/// waits for a disk.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// How long before its end a certificate is a fault, in ms: 30 days. Own choice: who issues them by hand
/// needs weeks, and who has them renewed by a machine does it with 30 days left.
const CERTIFICATE_WARNS_MS: i64 = 30 * 24 * 3_600_000;
/// The subject of that fault.
const CERTIFICATE: &str = "link.broker.tls.certificate";
/// How often the service manager is told within its limit. Own choice: two words may be late.
const FED_PER_LIMIT: u64 = 3;
/// How long a word of the log may take before the process ends without it.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long the last snapshot and the closing record may each take; a start does without them. With
/// what wires and carriers may take, a stop stays within 10 s.
const CLOSE_WITHIN: Wait = Wait::secs(2);
/// How often a snapshot is tried that stands for entries no disk took.
const GAP_RETRY: Wait = Wait::secs(10);
/// After this many entries a snapshot is written when the house is quiet …
const SNAPSHOT_AFTER: u64 = 20_000;
/// … and after this many in any case: a start reads fewer than twice as many.
const SNAPSHOT_BY: u64 = 100_000;
/// Quiet means: no new entry for this long.
const QUIET: Wait = Wait::secs(2);

/// How the hub is.
pub(super) struct Vitals {
    started: At,
    looked: Option<At>,
    /// The year whose day types are missing, at the last look.
    missing_year: Option<Option<i16>>,
    volatile: bool,
    /// The newest fact when the disk stopped answering.
    hangs: Option<Seq>,
    // What people were last told; none before the first look, since a trouble that was mended while
    // the hub was down is over by then, and the record still says otherwise.
    said_safe: Option<bool>,
    /// Why the disk fails, in one sentence.
    pub(super) disk_trouble: Option<String>,
    pub(super) disk_free: Option<u64>,
    pub(super) space_low: Option<bool>,
    /// Whether the ballast lies, as far as is known.
    pub(super) ballast_lies: Arc<AtomicBool>,
    pub(super) retiring: Retiring,
    clock_bad: Option<bool>,
    untrusted_since: Option<At>,
    lines_empty: BTreeMap<LineId, bool>,
    snapshot_at: Seq,
    snapshot_running: Arc<AtomicBool>,
    last_entry: (Seq, At),
    gap_tried: Option<At>,
    feed: Feed,
    certificate_ends: Option<bool>,
}

/// The service manager's watchdog: told that the desk lives, by nobody but the desk.
#[derive(Default)]
struct Feed {
    /// How often; none where nobody watches.
    every: Option<Wait>,
    fed: Option<At>,
}

impl Feed {
    fn new() -> Self {
        let mut usec = 0;
        let watched = sd_notify::watchdog_enabled(false, &mut usec);
        Self { every: watched.then_some(Wait(usec / 1_000 / FED_PER_LIMIT)), fed: None }
    }

    /// Whether it is time; it counts as fed then.
    fn is_due(&mut self, now: At) -> bool {
        let due = self.every.is_some_and(|every| self.fed.is_none_or(|fed| now - fed >= every));
        if due {
            self.fed = Some(now);
        }
        due
    }
}

impl Vitals {
    pub(super) fn new(now: At, snapshot_at: Seq) -> Self {
        Self {
            started: now,
            looked: None,
            missing_year: None,
            volatile: false,
            hangs: None,
            said_safe: None,
            disk_trouble: None,
            disk_free: None,
            space_low: None,
            ballast_lies: Arc::default(),
            retiring: Retiring::Resting { since: None },
            clock_bad: None,
            untrusted_since: None,
            lines_empty: Default::default(),
            snapshot_at,
            snapshot_running: Arc::default(),
            last_entry: (snapshot_at, now),
            gap_tried: None,
            feed: Feed::new(),
            certificate_ends: None,
        }
    }

    /// A turn is completed.
    pub(super) fn feed(&mut self, now: At) {
        if self.feed.is_due(now) {
            let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
        }
    }

    /// Whether what is written down is on disk.
    pub(super) fn is_safe(&self) -> bool {
        !self.volatile && self.hangs.is_none()
    }

    /// Why what is written down is in memory only, in one sentence; none while it is safe.
    pub(super) fn trouble(&self) -> Option<&str> {
        let why = self.disk_trouble.as_deref().unwrap_or("the disk does not answer");
        (!self.is_safe()).then_some(why)
    }

    /// Whether the disk has stopped answering.
    pub(super) fn hangs(&self) -> bool {
        self.hangs.is_some()
    }

    /// The disk has not answered for what was written up to `newest`.
    pub(super) fn disk_hangs(&mut self, newest: Seq) {
        self.hangs.get_or_insert(newest);
    }

    pub(super) fn up(&self, now: At) -> Wait {
        now - self.started
    }
}

/// Keeps what is so now; what was said before, if that was something else.
pub(super) fn turned(said: &mut Option<bool>, now: bool) -> Option<Option<bool>> {
    let before = said.replace(now);
    (before != Some(now)).then_some(before)
}

/// Whether something that holds `until` then ends soon.
fn ends_soon(until: Wall, now: Wall) -> bool {
    until.0.saturating_sub(now.0) < CERTIFICATE_WARNS_MS
}

impl Desk {
    /// Looks at the journal's own word on the disk and raises or settles the trouble. A disk that
    /// hung answers again once what it hung on and everything `before` this turn is safe: this turn's
    /// own facts may still be under way, and in a storm always are.
    pub(super) fn look_at_disk(&mut self, before: Seq) {
        // Marked as seen, or the loop would wake once more for what this very turn has forced.
        let durable = self.ears.durable.borrow_and_update().clone();
        let hung_on = self.vitals.hangs.unwrap_or(before).max(before);
        if (durable.head.seq >= hung_on && self.unsent.is_empty()) || durable.is_volatile() {
            self.vitals.hangs = None;
        }
        self.vitals.volatile = durable.is_volatile();
        self.vitals.disk_trouble = match &durable.standing {
            Standing::Volatile { error, .. } => Some(error.to_string()),
            Standing::Safe if self.vitals.hangs() => Some("the disk does not answer".to_owned()),
            Standing::Safe => None,
        };
        let safe = self.vitals.is_safe();
        if let Some(said) = turned(&mut self.vitals.said_safe, safe) {
            let trouble =
                Trouble { kind: Kind::Memory, subject: "journal".to_owned(), broken: !safe };
            self.own.push_back(Stimulus::Trouble(trouble));
            match &self.vitals.disk_trouble {
                Some(why) => error!(%why, "the disk fails: calls are held in memory only"),
                None if said.is_none() => {}
                None => info!("the disk works again: everything is written down"),
            }
        }
        let now = self.clock.now();
        let tried = self.vitals.gap_tried;
        if durable.gap.is_some() && safe && tried.is_none_or(|at| now - at >= GAP_RETRY) {
            self.vitals.gap_tried = Some(now);
            self.snapshot();
        }
    }

    /// Asks the slow questions when it is time.
    pub(super) fn tick(&mut self, turn: &mut Turn) {
        self.refuse_dead(turn);
        self.look_at_outside(turn);
        self.look_at_ports(turn);
        self.look_at_modems(turn);
        self.look_at_power(turn);
        self.look_at_witnesses(turn);
        self.say_alive();
        self.say_again();
        self.retire_old(turn);
        let now = self.clock.now();
        if self.vitals.looked.is_some_and(|at| now - at < LOOK_EVERY) {
            return;
        }
        self.vitals.looked = Some(now);
        self.look_at_space(turn);
        self.look_at_roster(turn);
        self.look_at_clock(turn, now);
        self.look_at_day_types(turn);
        self.look_at_archive(turn, now);
        self.look_at_devices(turn);
        self.look_at_gaps(turn);
        self.look_at_life(turn);
        self.look_at_beds(turn);
        self.look_at_certificate(turn);
    }

    /// A line that only everybody can answer for is a gap in the plan.
    fn look_at_roster(&mut self, turn: &mut Turn) {
        let wall = self.clock.wall();
        let lines: Vec<_> = self.settings.roster.lines.keys().cloned().collect();
        for line in lines {
            let duty = self.settings.roster.on_duty(self.book.registry(), &line, wall);
            let empty = duty.by == DutyBy::Everybody;
            let subject = line.to_string();
            if self.vitals.lines_empty.insert(line, empty) == Some(empty) {
                continue;
            }
            self.trouble(turn, Kind::NobodyOnDuty, subject, empty);
        }
    }

    /// Who is missing on a changed plan is known before the next look.
    pub(super) fn looks_soon(&mut self) {
        self.vitals.looked = None;
    }

    /// A line that a new roster does not have lacks nobody.
    pub(super) fn forget_lines(&mut self, turn: &mut Turn) {
        let roster = Arc::clone(&self.settings);
        let roster = &roster.roster;
        let empty = std::mem::take(&mut self.vitals.lines_empty).into_iter();
        let (stay, gone): (BTreeMap<LineId, bool>, BTreeMap<LineId, bool>) =
            empty.partition(|(line, _)| roster.lines.contains_key(line));
        self.vitals.lines_empty = stay;
        for line in gone.into_keys() {
            self.trouble(turn, Kind::NobodyOnDuty, line.to_string(), false);
        }
        self.looks_soon();
    }

    /// A certificate that ends soon is a fault while there is time to replace it.
    fn look_at_certificate(&mut self, turn: &mut Turn) {
        let wall = self.clock.wall();
        let until = self.broker.as_ref().and_then(crate::link::broker::Broker::tls_until);
        let Some(until) = until.filter(|_| wall.trusted) else { return };
        let ends = ends_soon(until, wall.wall);
        if turned(&mut self.vitals.certificate_ends, ends).is_some() {
            if ends {
                warn!(
                    "the certificate of the broker's TLS ends in less than 30 days: replace it, then reload"
                );
            }
            self.trouble(turn, Kind::Config, CERTIFICATE.to_owned(), ends);
        }
    }

    /// The next year's table of holidays comes in autumn; from December on its absence is a fault.
    fn look_at_day_types(&mut self, turn: &mut Turn) {
        let missing = self.settings.roster.missing_year(self.clock.wall());
        let before = self.vitals.missing_year.replace(missing);
        if before == Some(missing) {
            return;
        }
        // An earlier run may have missed a year that is there by now.
        let known = self.settings.roster.day_types.years().collect::<Vec<_>>().into_iter();
        for year in known.chain(before.flatten()).filter(|year| missing != Some(*year)) {
            self.trouble(turn, Kind::DayTypes, year.to_string(), false);
        }
        if let Some(year) = missing {
            warn!(year, "the table of holidays and make-up workdays is missing: see roster.toml");
            self.trouble(turn, Kind::DayTypes, year.to_string(), true);
        }
    }

    fn look_at_clock(&mut self, turn: &mut Turn, now: At) {
        let trusted = self.clock.wall().trusted;
        self.vitals.untrusted_since = match (trusted, self.vitals.untrusted_since) {
            (true, _) => None,
            (false, since) => since.or(Some(now)),
        };
        let bad = self.vitals.untrusted_since.is_some_and(|since| now - since >= CLOCK_GRACE);
        // Untrusted for a short while is neither.
        if (bad || trusted) && turned(&mut self.vitals.clock_bad, bad).is_some() {
            self.trouble(turn, Kind::Clock, "wall".to_owned(), bad);
        }
    }

    /// Something the journal found about itself: damage is a trouble, the rest is only said.
    pub(super) fn own_finding(&mut self, finding: &Finding) {
        warn!("{finding}");
        self.own.push_back(Stimulus::Found(finding.to_string()));
        if finding.is_damage() {
            let subject = "journal".to_owned();
            let trouble = Trouble { kind: Kind::Record, subject, broken: true };
            self.own.push_back(Stimulus::Trouble(trouble));
        }
    }

    /// Writes a snapshot when enough has happened and nobody waits.
    pub(super) fn snapshot_if_due(&mut self) {
        let now = self.clock.now();
        let newest = self.book.last_seq();
        if self.vitals.last_entry.0 != newest {
            self.vitals.last_entry = (newest, now);
        }
        let since = newest.0.saturating_sub(self.vitals.snapshot_at.0);
        let quiet = now - self.vitals.last_entry.1 >= QUIET;
        if self.vitals.is_safe() && (since >= SNAPSHOT_BY || (quiet && since >= SNAPSHOT_AFTER)) {
            self.snapshot();
        }
    }

    /// Writes a snapshot beside the loop; one at a time.
    fn snapshot(&mut self) {
        if self.vitals.snapshot_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let seq = self.book.last_seq();
        self.vitals.snapshot_at = seq;
        let (book, journal) = (self.book.clone(), self.journal.clone());
        let running = Arc::clone(&self.vitals.snapshot_running);
        tokio::task::spawn_blocking(move || {
            write_snapshot(&book, &journal, seq);
            running.store(false, Ordering::Release);
        });
    }

    /// Stops in order: wires first, so that unacknowledged calls stay with their senders, then what
    /// is left is written down, carriers finish what is under way, and the record is closed.
    pub(super) async fn close(mut self) -> Result<(), super::DeskError> {
        info!("stopping");
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
        self.programs.feed.end();
        self.ports.stop_reading();
        let broker = self.broker.take().map(|b| tokio::spawn(b.stop(Wait::secs(3))));
        let mut outside = self.outside.stop(super::outside::STOP_WITHIN);
        for _ in 0..4 {
            let mut turn = Turn::new(self.next_seq);
            self.gather(&mut turn);
            if turn.entries() == 0 && turn.receipts.is_empty() {
                break;
            }
            self.write_down(turn).await?;
        }
        self.outbox.stop().await;
        self.modems.stop().await;
        let mut turn = Turn::new(self.next_seq);
        self.gather(&mut turn);
        self.decide(&mut turn, &Stimulus::Stopping);
        self.write_down(turn).await?;
        if let Some(broker) = broker {
            let _ = broker.await;
        }
        while outside.join_next().await.is_some() {}
        self.ports.stop().await;
        if self.vitals.is_safe() && self.unsent.is_empty() {
            let (book, journal) = (self.book.clone(), self.journal.clone());
            let seq = book.last_seq();
            let written = tokio::task::spawn_blocking(move || write_snapshot(&book, &journal, seq));
            // Without it the next start reads more records, and nothing else.
            let _ = timeout(CLOSE_WITHIN.std(), written).await;
        }
        self.tell_last_heard(At(0));
        let archivist = self.archive.stop();
        let closing = self.journal.close(self.clock.now(), self.clock.wall().wall);
        match timeout(CLOSE_WITHIN.std(), closing).await {
            Ok(closed) => closed.map(drop)?,
            Err(_) => return Err(super::DeskError::DiskHangs),
        }
        if let Some(archivist) = archivist {
            let ended = tokio::task::spawn_blocking(move || archivist.join());
            // What it could not write it reads from the record at the next start.
            let _ = timeout(CLOSE_WITHIN.std(), ended).await;
        }
        Ok(())
    }
}

fn write_snapshot(
    book: &crate::incident::IncidentBook,
    journal: &crate::journal::CommitterHandle,
    seq: Seq,
) {
    let bytes = match serde_json::to_vec(book) {
        Ok(bytes) => bytes,
        Err(why) => return error!(%why, "the state cannot be written as a snapshot"),
    };
    match journal.write_snapshot(seq, &bytes) {
        Ok(()) => info!(seq = seq.0, bytes = bytes.len(), "snapshot written"),
        Err(why) => warn!(%why, "no snapshot"),
    }
}

/// Ends the process when the desk completes no turn; the service manager starts it anew. It counts
/// its own naps and not hub time, which jumps when a box wakes from sleep.
pub(super) fn watch(beat: Arc<AtomicU64>) -> std::io::Result<()> {
    const NAPS: u32 = 6;
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let (mut seen, mut still) = (beat.load(Ordering::Acquire), 0);
        loop {
            std::thread::sleep(STUCK_AFTER / NAPS);
            let last = beat.load(Ordering::Acquire);
            if last == u64::MAX {
                return;
            }
            still = if last == seen { still + 1 } else { 0 };
            seen = last;
            if still >= NAPS {
                // The log may be what the desk hangs on.
                let word =
                    || error!("the desk has completed no turn for {STUCK_AFTER:?}: restarting");
                let said = std::thread::Builder::new().spawn(word);
                std::thread::sleep(LAST_WORD);
                drop(said);
                std::process::exit(crate::exit::BUG);
            }
        }
    })?;
    Ok(())
}
