//! The desk: the one loop that hears, decides, writes down and hands out.
//!
//! The eight laws:
//! 1. Nothing leaves the house before it is on disk: no acknowledgement, no message, no event.
//! 2. State changes only by applying a fact. A restart is a replay: there is no recovery path.
//! 3. Facts are replayed, decisions are not: a new version never rewrites what happened.
//! 4. An open incident always has an order outstanding or a deadline with a reason.
//! 5. Handed over is not heard. Only a person accepts, arrives or closes.
//! 6. If the disk fails, still alert: say loudly that memory is at risk, and hold receipts back.
//!    (The one exception to law 1.)
//! 7. When unsure whether two reports are one press, they are two; what a life-safety signal means
//!    when unsure is an emergency.
//! 8. Every queue, retry, file and loop has a stated limit, and a stated behaviour at it.
//!
//! One turn: take in a batch; for each: decide, apply in memory; force the batch's facts to disk
//! once; then release receipts, hand out orders and answer people. Outcomes, answers and deadlines
//! take the same way as presses. One task owns all state; everything else speaks to it through
//! bounded channels. Chosen over locks shared by tasks, because two presses in one batch then see
//! each other and a crash has one shape.

mod alerts;
mod answers;
mod boards;
mod bots;
mod duty;
mod entries;
mod gaps;
mod held;
mod import;
mod intake;
mod keeping;
mod letters;
mod life;
mod lines;
mod listing;
mod lookup;
mod modems;
mod outbox;
mod outside;
mod panels;
mod platforms;
mod ports;
mod power;
mod readers;
mod reload;
mod socket;
mod start;
mod strangers;
mod supervision;
#[cfg(test)]
mod tests;
mod texts;
mod turn;
mod vitals;
mod ways;
mod wiring;
mod witnesses;
mod work;

pub use import::{Recorded, recorded};
pub use socket::{SOCKET_LINE_MAX, ask};
pub use start::{DeskError, House, JOURNAL_DIR, Options, start};
pub use wiring::PAGE_KEY;
use witnesses::Witnesses;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use crate::archive::Archivist;
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::counter::Asked;
use crate::district::Heard;
use crate::incident::{IncidentBook, OrderId, Standing, Stimulus};
use crate::journal::{BATCH_MAX, Batch, CommitterHandle, Durable, FRAME_ENTRIES_MAX, Finding};
use crate::link::broker::{Broker, SessionNews};
use crate::link::modem::ModemNews;
use crate::link::mqtt::MqttNews;
use crate::link::plug::PortNews;
use crate::notify::endpoint::EndpointReport;
use crate::notify::post::Ended;
use crate::terms::{At, Inbound, LinkId, Seq, Wait};

use held::Held;
use import::Importing;
use intake::Intake;
use listing::Programs;
use lookup::{Lookup, Sought};
use modems::Modems;
use outbox::Outbox;
use outside::Outside;
use platforms::Platforms;
use ports::Ports;
use reload::{Gone, Reload, Wires};
use supervision::Supervision;
use turn::Turn;
use vitals::Vitals;

/// Messages, answers or outcomes that one turn takes in of each kind; the rest comes in the next.
/// Own choice: in a quiet house never reached.
const EACH_MAX: usize = 512;
/// Entries after which a turn takes in no more calls: what the journal writes as one frame, so that
/// in a storm the first calls do not wait for the disk with all that stand behind them. A press
/// makes about four.
const CALL_ENTRIES_MAX: usize = FRAME_ENTRIES_MAX;
/// Entries after which a turn takes in nothing but deadlines. Half of what is forced at once, so that
/// the deadlines, with what they cause, fit beside it; a turn that has more all the same is written
/// as several batches, and nothing of it is lost.
const ENTRIES_MAX: usize = BATCH_MAX / 2;
/// Messages from wires waiting for the desk; beyond it the wire itself is held back.
pub const INBOX_MAX: usize = 4_096;
/// Outcomes and endpoint reports waiting for the desk; beyond it carriers wait.
const ENDS_MAX: usize = 4_096;
/// What platforms say, waiting for the desk; beyond it they are read no further. Own choice: as many as
/// one platform may have on the way to the disk.
const SAID_MAX: usize = 64;
/// Session news waiting for the desk; beyond it a device hears its stages at its next repeat.
const NEWS_MAX: usize = 1_024;
/// Deadlines decided about in one turn; the rest come in the next.
const DUE_MAX: usize = 256;
/// Longest sleep. The runtime's timers stand still while a box sleeps, hub time does not.
const NAP_MAX: Wait = Wait::secs(1);

/// The channels into the desk.
struct Ears {
    inbox: mpsc::Receiver<Inbound>,
    asks: mpsc::Receiver<Asked>,
    ends: mpsc::Receiver<(OrderId, Ended)>,
    reports: mpsc::Receiver<EndpointReport>,
    said: mpsc::Receiver<Heard>,
    news: mpsc::Receiver<SessionNews>,
    outside_news: mpsc::Receiver<(LinkId, MqttNews)>,
    port_news: mpsc::Receiver<(LinkId, PortNews)>,
    modem_news: mpsc::Receiver<(LinkId, ModemNews)>,
    findings: mpsc::Receiver<Finding>,
    reloads: mpsc::Receiver<Reload>,
    gone: mpsc::Receiver<Gone>,
    sought: mpsc::Receiver<Sought>,
    durable: watch::Receiver<Durable>,
    stop: oneshot::Receiver<()>,
}

/// The desk itself.
struct Desk {
    clock: Clock,
    settings: Arc<Settings>,
    book: IncidentBook,
    next_seq: Seq,
    journal: CommitterHandle,
    ears: Ears,
    intake: Intake,
    held: Held,
    /// Batches the record's writer had no room for.
    unsent: VecDeque<Batch>,
    outbox: Outbox,
    platforms: Platforms,
    archive: Archivist,
    lookup: Lookup,
    programs: Programs,
    broker: Option<Broker>,
    broker_address: Option<String>,
    outside: Outside,
    supervision: Supervision,
    broker_tls: Option<String>,
    ports: Ports,
    modems: Modems,
    witnesses: Witnesses,
    wires: Wires,
    old_config: bool,
    vitals: Vitals,
    /// The import that is being written down, a part in each turn.
    importing: Option<Importing>,
    /// What the desk has to say to itself in the next turn.
    own: VecDeque<Stimulus>,
    /// Hub time of the last completed turn, for the watchdog.
    beat: Arc<AtomicU64>,
}

impl Desk {
    /// Runs until told to stop; returns when everything is written and closed.
    async fn run(mut self) -> Result<(), DeskError> {
        loop {
            let stopping = self.one_turn().await?;
            let now = self.clock.now();
            self.beat.store(now.0, Ordering::Release);
            self.vitals.feed(now);
            self.programs.counts.turns += 1;
            if stopping {
                return self.close().await;
            }
        }
    }

    /// One turn; whether the desk was told to stop.
    async fn one_turn(&mut self) -> Result<bool, DeskError> {
        let mut turn = Turn::new(self.next_seq).followed(self.programs.feed.is_followed());
        let mut stopping = false;
        if self.own.is_empty() && self.importing.is_none() {
            let nap = self.nap();
            let ears = &mut self.ears;
            tokio::select! {
                biased;
                _ = &mut ears.stop => stopping = true,
                Ok(()) = ears.durable.changed() => {}
                Some(inbound) = ears.inbox.recv() => self.hear(&mut turn, inbound),
                Some(asked) = ears.asks.recv() => self.answer(&mut turn, asked),
                Some((order, end)) = ears.ends.recv() => self.end_order(&mut turn, &order, end),
                Some(report) = ears.reports.recv() => self.end_stories(&mut turn, report),
                Some(said) = ears.said.recv() => self.hear_platform(&mut turn, said),
                Some(news) = ears.news.recv() => self.tell_again(&mut turn, &news),
                Some(news) = ears.outside_news.recv() => self.hear_outside(&mut turn, news),
                Some(news) = ears.port_news.recv() => self.hear_port(&mut turn, news),
                Some(news) = ears.modem_news.recv() => self.hear_modem(&mut turn, news),
                Some(finding) = ears.findings.recv() => self.own_finding(&finding),
                Some(reload) = ears.reloads.recv() => self.reload(&mut turn, reload),
                Some(gone) = ears.gone.recv() => self.part_gone(&mut turn, gone),
                Some(sought) = ears.sought.recv() => self.found(&mut turn, sought),
                () = tokio::time::sleep(nap) => {}
            }
        }
        self.gather(&mut turn);
        self.tick(&mut turn);
        self.write_down(turn).await?;
        self.snapshot_if_due();
        Ok(stopping)
    }

    /// Takes in what else is waiting, some of each kind in every turn, so that a flood of one holds
    /// up no other; deadlines last, so that an answer given just in time still counts.
    fn gather(&mut self, turn: &mut Turn) {
        while turn.entries() < ENTRIES_MAX
            && let Some(stimulus) = self.own.pop_front()
        {
            self.decide(turn, &stimulus);
        }
        self.take_in(turn);
        self.take_reloads(turn);
        self.import_part(turn);
        for _ in 0..EACH_MAX {
            let Ok(news) = self.ears.news.try_recv() else { break };
            self.tell_again(turn, &news);
        }
        for _ in 0..EACH_MAX {
            let Ok(news) = self.ears.outside_news.try_recv() else { break };
            self.hear_outside(turn, news);
        }
        for _ in 0..EACH_MAX {
            let Ok(news) = self.ears.port_news.try_recv() else { break };
            self.hear_port(turn, news);
        }
        if let Ok(finding) = self.ears.findings.try_recv() {
            self.own_finding(&finding);
        }
        if let Ok(sought) = self.ears.sought.try_recv() {
            self.found(turn, sought);
        }
        for _ in 0..DUE_MAX {
            let now = self.clock.now();
            if self.book.next_due().is_none_or(|at| at > now) {
                break;
            }
            if !self.decide(turn, &Stimulus::Due) {
                break;
            }
        }
    }

    /// Calls before answers before outcomes.
    fn take_in(&mut self, turn: &mut Turn) {
        for _ in 0..EACH_MAX {
            let Ok(inbound) = self.ears.inbox.try_recv() else { break };
            self.hear(turn, inbound);
            if turn.entries() >= CALL_ENTRIES_MAX {
                break;
            }
        }
        for _ in 0..EACH_MAX {
            let Ok(asked) = self.ears.asks.try_recv() else { break };
            self.answer(turn, asked);
            if turn.entries() >= ENTRIES_MAX {
                return;
            }
        }
        for _ in 0..EACH_MAX {
            let Ok(news) = self.ears.modem_news.try_recv() else { break };
            self.hear_modem(turn, news);
            if turn.entries() >= ENTRIES_MAX {
                return;
            }
        }
        for _ in 0..SAID_MAX {
            let Ok(said) = self.ears.said.try_recv() else { break };
            self.hear_platform(turn, said);
        }
        for _ in 0..EACH_MAX {
            let Ok((order, end)) = self.ears.ends.try_recv() else { break };
            self.end_order(turn, &order, end);
            if turn.entries() >= ENTRIES_MAX {
                return;
            }
        }
        for _ in 0..EACH_MAX {
            let Ok(report) = self.ears.reports.try_recv() else { break };
            self.end_stories(turn, report);
            if turn.entries() >= ENTRIES_MAX {
                return;
            }
        }
    }

    /// How long nothing is due.
    fn nap(&self) -> std::time::Duration {
        let now = self.clock.now();
        let due = self.book.next_due();
        let held = self.held.next_limit();
        let next: Option<At> = [due, held].into_iter().flatten().min();
        if self.outbox.has_more_to_tell() {
            return std::time::Duration::ZERO;
        }
        next.map_or(NAP_MAX, |at| (at - now).min(NAP_MAX)).std()
    }

    /// Decides about a stimulus; whether what came of it is on its way to disk. When it is not,
    /// nothing has happened, and whoever waits for it must not hear that it has.
    fn decide(&mut self, turn: &mut Turn, stimulus: &Stimulus) -> bool {
        let at = self.clock.now().max(self.book.last_at());
        let wall = self.clock.wall();
        let standing = Standing {
            wall,
            roster: &self.settings.roster,
            types: &self.settings.device_types,
            safe: self.vitals.is_safe(),
        };
        let facts = self.book.decide(at, &standing, stimulus);
        let recorded = turn.record(&mut self.book, at, wall, facts);
        self.next_seq = turn.newest().next();
        recorded
    }
}
