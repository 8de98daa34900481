//! The task of one modem: keeps its port open, looks after it, and gives it what is to be sent.
//!
//! Everything that is said to the modem is said from here, one thing after the other. A modem that is
//! silent for [`MISSES_MAX`] looks is rescued step by step ([`Rescue`]); what waits meanwhile is given
//! back at once, because another modem may take it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, error, info, warn};

use super::cms::Fault;
use super::parts::Parts;
use super::reports::Reports;
use super::start::REPLY_WITHIN;
use super::wire::{Lost, Wire};
use super::{
    CALLS_MAX, Call, JOBS_MAX, Job, ModemLine, ModemNews, ModemSettings, ModemState, Sent, Standing,
};
use crate::link::pause::{Chance, Growing};
use crate::terms::{At, LinkId, Verdict, Wait};

/// Looks without an answer until a modem counts as mute (oncall.md 4.8).
pub(super) const MISSES_MAX: u32 = 3;
/// Pauses before a port is tried again. The longest is short: a cable put back is heard within it.
const REOPEN: Growing =
    Growing { first: Duration::from_millis(500), longest: Duration::from_secs(10) };
/// How long the program that takes its power may run.
const POWER_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked whether that program has ended.
const POWER_LOOK: Duration = Duration::from_millis(100);
/// What a modem says when somebody calls it, and how often that is answered: it says so every 3 to 6 s.
const RING: &str = "RING";
const REJECTS_APART: Wait = Wait::secs(10);
/// Places that wait to be deleted. A store has at most 255, and each is settled once.
const SETTLED_MAX: usize = 512;

/// What the desk has settled: where a message lay, and how.
pub(super) type Settled = (Vec<u16>, Verdict);

/// What is done for a modem that does not answer, one after the other, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rescue {
    /// Open its port anew.
    Reopen,
    /// Tell it to start anew.
    Reset,
    /// Take its power and give it back.
    PowerCycle,
}

impl Rescue {
    /// The step after so many times in a row that it was mute.
    fn after(mute: u32) -> Self {
        match mute % 3 {
            2 => Self::Reset,
            0 if mute > 0 => Self::PowerCycle,
            _ => Self::Reopen,
        }
    }
}

/// Why a port is served no longer.
#[derive(Debug)]
pub(super) enum End {
    /// It is gone.
    Port(String),
    /// Nobody answers behind it.
    Mute,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Port(why) => Self::Port(why),
            Lost::Mute => Self::Mute,
        }
    }
}

/// A modem that is kept open. Dropping it closes it at once.
#[derive(Debug)]
pub struct Modem {
    line: ModemLine,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Modem {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Modem {
    /// Keeps a modem open from now on; what happens to it, and what comes in, goes to `news`.
    pub fn keep(
        settings: ModemSettings,
        now: impl Fn() -> At + Send + Sync + 'static,
        news: mpsc::Sender<(LinkId, ModemNews)>,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let (calls, asked) = mpsc::channel(CALLS_MAX);
        let (closing, closed) = watch::channel(false);
        let (tell, state) = watch::channel(ModemState::closed("it was not opened so far"));
        let (settle, settled) = mpsc::channel(SETTLED_MAX);
        let busy = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            settings,
            now: Box::new(now),
            news,
            tell,
            busy: Arc::clone(&busy),
            reports: Reports::default(),
            parts: Parts::default(),
            at_the_desk: BTreeSet::new(),
            settle,
            sim_is_up: false,
            pin_was_tried: false,
            misses: 0,
            looks: 0,
            sweep: false,
            failed_at: None,
            held: VecDeque::new(),
            rejected_at: None,
            turns: AtomicU64::new(0),
        };
        let line = ModemLine { jobs, calls, state, busy };
        let asked = Asked { jobs: waiting, calls: asked };
        Self { line, closing, task: tokio::spawn(keeper.run(asked, settled, closed)) }
    }

    /// The way to it.
    pub fn line(&self) -> ModemLine {
        self.line.clone()
    }

    /// Finishes what is under way, within `limit`, and closes.
    pub async fn stop(mut self, limit: Wait) {
        self.closing.send_replace(true);
        // What was not sent in time is still owed by the record.
        let _ = timeout(limit.std(), &mut self.task).await;
    }
}

/// What a modem is asked to send and to call.
struct Asked {
    jobs: mpsc::Receiver<Job>,
    calls: mpsc::Receiver<Call>,
}

/// One modem's task.
pub(super) struct Keeper {
    pub(super) settings: ModemSettings,
    now: Box<dyn Fn() -> At + Send + Sync>,
    news: mpsc::Sender<(LinkId, ModemNews)>,
    tell: watch::Sender<ModemState>,
    pub(super) busy: Arc<AtomicBool>,
    pub(super) reports: Reports,
    pub(super) parts: Parts,
    /// Where messages lie that the desk has and has not settled.
    pub(super) at_the_desk: BTreeSet<u16>,
    pub(super) settle: mpsc::Sender<Settled>,
    /// The SIM's side is set up since the module's last start.
    pub(super) sim_is_up: bool,
    pub(super) pin_was_tried: bool,
    pub(super) misses: u32,
    pub(super) looks: u64,
    /// The message store is to be read soon.
    pub(super) sweep: bool,
    /// When a message last did not get out.
    pub(super) failed_at: Option<At>,
    /// Messages that came while a call was under way, at most [`JOBS_MAX`]: they go right after it.
    pub(super) held: VecDeque<Job>,
    /// When somebody's call to us was last rejected.
    rejected_at: Option<At>,
    turns: AtomicU64,
}

impl Keeper {
    pub(super) fn now(&self) -> At {
        (self.now)()
    }

    pub(super) fn link(&self) -> &LinkId {
        &self.settings.link
    }

    pub(super) async fn say(&self, news: ModemNews) {
        // A desk that has ended hears no more.
        let _ = self.news.send((self.settings.link.clone(), news)).await;
    }

    pub(super) fn state(&self) -> ModemState {
        self.tell.borrow().clone()
    }

    /// Changes how the modem is known to be, and says so if it is otherwise.
    pub(super) async fn turns(&self, change: impl FnOnce(&mut ModemState)) {
        let mut state = self.state();
        change(&mut state);
        if state == *self.tell.borrow() {
            return;
        }
        self.tell.send_replace(state.clone());
        self.say(ModemNews::State(state)).await;
    }

    pub(super) async fn stands(&self, standing: Standing) {
        self.turns(|state| state.standing = standing).await;
    }

    async fn run(
        mut self,
        mut asked: Asked,
        mut settled: mpsc::Receiver<Settled>,
        mut closed: watch::Receiver<bool>,
    ) {
        let chance = Chance::default();
        let (mut mute, mut failures) = (0_u32, 0_u32);
        loop {
            let end = match Wire::open(&self.settings.path, self.settings.baud).await {
                Ok(mut wire) => {
                    let served = self.serve(&mut wire, &mut asked, &mut settled, &mut closed, mute);
                    let end = served.await;
                    wire.close().await;
                    end
                }
                Err(why) => Some(End::Port(format!("it cannot be opened: {why}"))),
            };
            self.busy.store(false, Ordering::Release);
            self.sim_is_up = false;
            for job in std::mem::take(&mut self.held) {
                self.gives_back(&job);
            }
            // What the desk settles from now on is looked for anew by what lies in the store.
            match end {
                None => {
                    while let Ok(job) = asked.jobs.try_recv() {
                        self.gives_back(&job);
                    }
                    while let Ok(call) = asked.calls.try_recv() {
                        self.hands_back(&call);
                    }
                    return;
                }
                Some(End::Port(why)) => {
                    (failures, mute) = (failures + 1, 0);
                    self.stands(Standing::Closed(why)).await;
                }
                Some(End::Mute) => {
                    // One that had answered meanwhile begins its rescue anew.
                    let answered = self.looks > 0;
                    mute = if answered { 1 } else { mute + 1 };
                    failures = 0;
                    self.stands(Standing::Mute).await;
                    warn!(link = %self.link(), step = ?Rescue::after(mute), "the modem does not answer");
                    if Rescue::after(mute) == Rescue::PowerCycle {
                        self.cycle_power().await;
                    }
                }
            }
            self.looks = 0;
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            let pause = REOPEN.after(failures.saturating_sub(1), chance.of(turn));
            if self.waits(pause, &mut asked, &mut closed).await.is_none() {
                return;
            }
        }
    }

    /// Gives back what comes to be sent while the modem cannot; `None` when it is to be closed.
    async fn waits(
        &self,
        pause: Duration,
        asked: &mut Asked,
        closed: &mut watch::Receiver<bool>,
    ) -> Option<()> {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = told(closed) => return None,
                () = &mut over => return Some(()),
                Some(job) = asked.jobs.recv() => self.gives_back(&job),
                Some(call) = asked.calls.recv() => self.hands_back(&call),
            }
        }
    }

    pub(super) fn gives_back(&self, job: &Job) {
        let why = self.state().trouble().unwrap_or_else(|| "it is not ready".to_owned());
        // Nobody may be waiting any more.
        let _ = job.done.try_send((job.tag, Sent::Not { fault: Fault::Modem, why }));
    }

    /// Serves an open port; `None` when it is to be closed.
    async fn serve(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked,
        settled: &mut mpsc::Receiver<Settled>,
        closed: &mut watch::Receiver<bool>,
        mute: u32,
    ) -> Option<End> {
        self.stands(Standing::Starting).await;
        let begun = tokio::select! {
            begun = self.begin(wire, Rescue::after(mute) == Rescue::Reset) => begun,
            () = told(closed) => return None,
        };
        if let Err(lost) = begun {
            return Some(lost.into());
        }
        let mut looks = interval(self.settings.probe.std());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset();
        loop {
            if let Err(lost) = self.heeds(wire).await {
                return Some(lost.into());
            }
            if let Some(job) = self.held.pop_front() {
                if let Err(lost) = self.sends(wire, job).await {
                    return Some(lost.into());
                }
                continue;
            }
            let done = tokio::select! {
                biased;
                () = told(closed) => return None,
                Some((places, verdict)) = settled.recv() => {
                    self.settled(wire, places, verdict).await
                }
                Some(job) = asked.jobs.recv() => self.sends(wire, job).await,
                Some(call) = asked.calls.recv() => {
                    self.calls(wire, &mut asked.jobs, closed, call).await
                }
                heard = wire.listen() => heard,
                _ = looks.tick() => self.look(wire).await,
            };
            if let Err(lost) = done {
                return Some(lost.into());
            }
        }
    }

    /// Acts on what was said unasked, and reads the store if something waits there.
    async fn heeds(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let (mut started, mut sim) = (false, false);
        while let Some((line, digits)) = wire.next_unasked() {
            let profile = self.settings.profile;
            let is = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
            if is(profile.started) {
                started = true;
            } else if is(profile.sim) {
                sim = true;
            } else if is(&[RING]) {
                self.rejects(wire).await?;
            } else {
                self.heeds_message(wire, &line, digits.as_deref()).await?;
            }
        }
        if started {
            info!(link = %self.link(), "the modem has started anew by itself");
            self.sim_is_up = false;
            self.stands(Standing::Starting).await;
            self.begin(wire, false).await?;
        } else if sim {
            self.look(wire).await?;
        }
        if std::mem::take(&mut self.sweep) && self.sim_is_up {
            self.sweeps(wire).await?;
        }
        Ok(())
    }

    /// Somebody calls the hub: nobody would answer, and meanwhile it can call nobody.
    async fn rejects(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let now = self.now();
        let lately = self.rejected_at.is_some_and(|at| now - at < REJECTS_APART);
        if lately || !self.settings.profile.voice.rejects {
            return Ok(());
        }
        self.rejected_at = Some(now);
        debug!(link = %self.link(), "a call to the hub is rejected");
        match wire.ask("AT+CHUP", "", REPLY_WITHIN).await {
            // The next look finds out how it is.
            Ok(_) | Err(Lost::Mute) => Ok(()),
            Err(lost) => Err(lost),
        }
    }

    /// Runs the program that takes the modem's power, if there is one.
    async fn cycle_power(&self) {
        let [program, arguments @ ..] = &self.settings.power_cycle[..] else { return };
        let (program, arguments) = (program.clone(), arguments.to_vec());
        warn!(link = %self.link(), program, "the modem's power is taken and given back");
        let running = spawn_blocking(move || {
            let mut child = std::process::Command::new(&program)
                .args(arguments)
                .stdin(std::process::Stdio::null())
                // The hub's standard output may be the duty room's screen.
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .map_err(|why| why.to_string())?;
            let naps = POWER_WITHIN.as_millis() / POWER_LOOK.as_millis();
            for _ in 0..naps {
                match child.try_wait() {
                    Ok(Some(ended)) if ended.success() => return Ok(()),
                    Ok(Some(ended)) => return Err(ended.to_string()),
                    Ok(None) => std::thread::sleep(POWER_LOOK),
                    Err(why) => return Err(why.to_string()),
                }
            }
            let _ = child.kill();
            let _ = child.wait();
            Err("it took too long and was ended".to_owned())
        });
        match running.await {
            Ok(Ok(())) => debug!(link = %self.link(), "the modem has its power again"),
            Ok(Err(why)) => {
                error!(link = %self.link(), why, "the modem's power could not be taken")
            }
            Err(_) => error!(link = %self.link(), "the modem's power could not be taken"),
        }
    }
}

/// Waits until the modem is to be closed.
pub(super) async fn told(closed: &mut watch::Receiver<bool>) {
    // Nobody is left to say it: the modem itself is gone.
    let _ = closed.wait_for(|closed| *closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_modem_is_opened_anew_then_reset_then_without_power_and_again() {
        let steps: Vec<Rescue> = (0..8).map(Rescue::after).collect();
        use Rescue::{PowerCycle, Reopen, Reset};
        assert_eq!(steps, [Reopen, Reopen, Reset, PowerCycle, Reopen, Reset, PowerCycle, Reopen]);
    }
}
