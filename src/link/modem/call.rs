//! One call, from its number to its end: it rings, somebody takes it, hears what is the matter and
//! presses a key, or not.
//!
//! Only a key counts: a mail box answers as well, and says nothing. The menu is said [`MENUS`] times;
//! then, and however else it ends, the modem hangs up. A word of the network that a call is over is
//! believed once the modem's own list says so too, because the end of the call before may come late. What
//! must not hang on one call: it rings and talks for a stated time, ends within [`HOLDS_MAX`] once a
//! message waits for the modem, and stops ringing when nobody needs the person any more. Chosen over a
//! sound line of the hub's own (PCM over USB): keys and speech by the module need no codec and no driver.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, Sleep, interval, sleep};
use tracing::{debug, info, warn};

use super::line::{Keeper, told};
use super::start::REPLY_WITHIN;
use super::talk::End;
use super::voice::{Heard, Over, Step, Voice, ucs2};
use super::wire::{Lost, Wire};
use super::{Call, Called, JOBS_MAX, Job, ModemNews, Says};

/// How often the menu is said (oncall.md 4.8).
pub const MENUS: u32 = 3;
/// Longest time of one call after it was answered. Own choice: three menus of 12 s, a key's wait after
/// each, and one said again.
const TALK_MAX: Duration = Duration::from_secs(75);
/// A call ends at the latest so long after a message began to wait for its modem: most modules cannot do
/// both. Own choice: as long as a telephone rings.
pub const HOLDS_MAX: Duration = Duration::from_secs(30);
/// How long a modem may take to dial.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// How often it is asked whether the call is still wanted, and every how many times the modem is asked
/// how far it is.
const LOOK: Duration = Duration::from_millis(250);
const LIST_EVERY: u32 = 8;
/// Questions without an answer until the modem counts as mute.
const MUTE_MAX: u32 = 2;
/// How long speech takes at most where the module does not say that it has ended.
const PER_UNIT: Duration = Duration::from_millis(300);
const SPEECH_MORE: Duration = Duration::from_secs(3);

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Dialling,
    Ringing,
    /// The menu is being said, for the time that this names; whether it was asked for again.
    Speaking {
        menu: u32,
        again: bool,
    },
    /// A key is waited for.
    Listening {
        menu: u32,
    },
}

impl Phase {
    fn is_answered(self) -> bool {
        matches!(self, Self::Speaking { .. } | Self::Listening { .. })
    }
}

/// One call under way.
struct Course<'c> {
    call: &'c Call,
    voice: &'static Voice,
    phase: Phase,
    /// The end of the phase.
    until: Pin<Box<Sleep>>,
    /// The end of the whole.
    end: Pin<Box<Sleep>>,
    /// The modem's list has named this call.
    listed: bool,
    mute: u32,
}

/// How the modem's list names a call.
enum Listed {
    At(Step),
    Nowhere,
    /// It did not say.
    Unknown,
}

impl Keeper {
    /// Makes one call, if anybody still waits for it, and hangs up.
    pub(super) async fn calls(
        &mut self,
        wire: &mut Wire,
        jobs: &mut mpsc::Receiver<Job>,
        closed: &mut watch::Receiver<bool>,
        call: Call,
    ) -> Result<(), Lost> {
        if call.done.is_closed() {
            return Ok(());
        }
        if !self.state().is_ready() {
            self.hands_back(&call);
            return Ok(());
        }
        self.busy.store(true, Ordering::Release);
        let ended = self.rings(wire, jobs, closed, &call).await;
        let (called, lost) = match ended {
            Ok((called, dialled)) => {
                let hung = if dialled { self.hangs_up(wire).await } else { Ok(()) };
                (called, hung)
            }
            Err(lost) => {
                let why = "the modem was lost in the middle of the call".to_owned();
                if let Lost::Mute = lost {
                    let _ = self.hangs_up(wire).await;
                }
                (Called::Not { why }, Err(lost))
            }
        };
        self.busy.store(false, Ordering::Release);
        let to = call.to.masked();
        match &called {
            Called::Not { why } => warn!(link = %self.link(), to, why, "a call could not be made"),
            other => info!(link = %self.link(), to, ended = other.word(), "a call has ended"),
        }
        let word = called.word();
        let _ = call.done.try_send((call.tag, called));
        self.say(ModemNews::Called(word)).await;
        lost
    }

    pub(super) fn hands_back(&self, call: &Call) {
        let why = self.state().trouble().unwrap_or_else(|| "it is not ready".to_owned());
        // Nobody may be waiting any more.
        let _ = call.done.try_send((call.tag, Called::Not { why }));
    }

    /// Ends whatever call there is. A module that does not answer this either is to be rescued.
    async fn hangs_up(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let mut answered = false;
        for command in ["AT+CHUP", "ATH"] {
            match wire.ask(command, "", REPLY_WITHIN).await {
                Ok(reply) if reply.end == End::Ok => return Ok(()),
                Ok(_) => answered = true,
                Err(Lost::Mute) => {}
                Err(lost) => return Err(lost),
            }
        }
        // With no call left, some refuse both.
        if answered { Ok(()) } else { Err(Lost::Mute) }
    }

    /// The call up to its end, and whether it was dialled.
    async fn rings(
        &mut self,
        wire: &mut Wire,
        jobs: &mut mpsc::Receiver<Job>,
        closed: &mut watch::Receiver<bool>,
        call: &Call,
    ) -> Result<(Called, bool), Lost> {
        let voice = self.settings.profile.voice;
        for command in voice.init {
            wire.ask(command, "", REPLY_WITHIN).await?;
        }
        if !(call.still)() {
            return Ok((Called::TakenBack, false));
        }
        // What is left of the call before.
        wire.forget(|line| voice.knows(line));
        let plus = if call.to.is_world() { "+" } else { "" };
        match wire.ask(&format!("ATD{plus}{};", call.to.digits()), "", DIAL_WITHIN).await {
            Ok(reply) if reply.end == End::Ok => {}
            Ok(reply) => {
                let why = format!("the modem does not dial: it says {:?}", reply.end);
                return Ok((Called::Not { why }, true));
            }
            // Some say how it went in place of an answer.
            Err(Lost::Mute) => {}
            Err(lost) => return Err(lost),
        }
        let mut course = Course {
            call,
            voice,
            phase: Phase::Dialling,
            until: Box::pin(sleep(voice.rings_within)),
            end: Box::pin(sleep(voice.rings_within + call.ring + TALK_MAX)),
            listed: false,
            mute: 0,
        };
        let called = self.follows(wire, jobs, closed, &mut course).await?;
        Ok((called, true))
    }

    async fn follows(
        &mut self,
        wire: &mut Wire,
        jobs: &mut mpsc::Receiver<Job>,
        closed: &mut watch::Receiver<bool>,
        course: &mut Course<'_>,
    ) -> Result<Called, Lost> {
        let voice = course.voice;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut held = Box::pin(sleep(HOLDS_MAX));
        let mut count = 0_u32;
        loop {
            while let Some(line) = wire.take_unasked(|line| voice.knows(line)) {
                debug!(link = %self.link(), line, "of the call");
                let Some(heard) = voice.reads(&line) else { continue };
                if let Some(called) = course.hears(wire, heard).await? {
                    return Ok(called);
                }
            }
            tokio::select! {
                biased;
                () = told(closed) => return Ok(Called::CutShort),
                heard = wire.hear() => heard?,
                Some(job) = jobs.recv(), if self.held.len() < JOBS_MAX => {
                    if self.held.is_empty() {
                        held.set(sleep(HOLDS_MAX));
                    }
                    self.held.push_back(job);
                }
                () = &mut held, if !self.held.is_empty() => return Ok(Called::CutShort),
                () = &mut course.end => return Ok(course.over_after()),
                () = &mut course.until => {
                    if let Some(called) = course.moves_on(wire).await? {
                        return Ok(called);
                    }
                }
                _ = looks.tick() => {
                    count = count.wrapping_add(1);
                    let given_up = course.call.done.is_closed();
                    if given_up || (!course.phase.is_answered() && !(course.call.still)()) {
                        return Ok(Called::TakenBack);
                    }
                    if count.is_multiple_of(LIST_EVERY)
                        && let Some(called) = course.looks(wire).await?
                    {
                        return Ok(called);
                    }
                }
            }
        }
    }
}

impl Course<'_> {
    /// Something was said of the call; how it ended, if that is its end.
    async fn hears(&mut self, wire: &mut Wire, heard: Heard) -> Result<Option<Called>, Lost> {
        match (heard, self.phase) {
            (Heard::Step(Step::Over(over)), _) => return self.is_over(wire, over).await,
            (Heard::Step(Step::Ringing), Phase::Dialling) => {
                self.enters(Phase::Ringing, self.call.ring);
            }
            (Heard::Step(Step::Answered), Phase::Dialling | Phase::Ringing) => {
                // Somebody may have taken it while this one rang.
                if !(self.call.still)() {
                    return Ok(Some(Called::TakenBack));
                }
                self.end.set(sleep(TALK_MAX));
                return self.speaks(wire, 1).await;
            }
            (Heard::Key(key), phase) if phase.is_answered() => match key {
                '1' => return Ok(Some(Called::Accepted)),
                '0' => return Ok(Some(Called::Declined)),
                '2' => return self.says_again(wire).await,
                _ => {}
            },
            (Heard::SpeechOver, Phase::Speaking { menu, again }) => {
                return self.has_said(wire, menu, again).await;
            }
            _ => {}
        }
        Ok(None)
    }

    fn enters(&mut self, phase: Phase, wait: Duration) {
        self.phase = phase;
        self.until.set(sleep(wait));
    }

    /// The time of a phase is over.
    async fn moves_on(&mut self, wire: &mut Wire) -> Result<Option<Called>, Lost> {
        match self.phase {
            Phase::Dialling => Ok(Some(Called::NotConnected)),
            Phase::Ringing => Ok(Some(Called::NoAnswer)),
            Phase::Speaking { menu, again } => self.has_said(wire, menu, again).await,
            Phase::Listening { menu } if menu < MENUS && (self.call.still)() => {
                self.speaks(wire, menu + 1).await
            }
            Phase::Listening { .. } => Ok(Some(Called::NoKey)),
        }
    }

    async fn has_said(
        &mut self,
        wire: &mut Wire,
        menu: u32,
        again: bool,
    ) -> Result<Option<Called>, Lost> {
        if again {
            return self.speaks(wire, menu).await;
        }
        self.enters(Phase::Listening { menu }, self.voice.key_within);
        Ok(None)
    }

    async fn says_again(&mut self, wire: &mut Wire) -> Result<Option<Called>, Lost> {
        match self.phase {
            // It cannot say two things at once.
            Phase::Speaking { menu, .. } => self.phase = Phase::Speaking { menu, again: true },
            Phase::Listening { menu } => return self.speaks(wire, menu).await,
            Phase::Dialling | Phase::Ringing => {}
        }
        Ok(None)
    }

    /// Says the menu for the so many-th time.
    async fn speaks(&mut self, wire: &mut Wire, menu: u32) -> Result<Option<Called>, Lost> {
        let voice = self.voice;
        let (saying, what, units) = match &self.call.says {
            Says::Text(text) => (&voice.speech, ucs2(text), text.encode_utf16().count()),
            Says::File(path) => (&voice.wav, path.clone(), FILE_UNITS),
        };
        let command = format!("{}{what}{}", saying.before, saying.behind);
        let reply = wire.ask(&command, "", REPLY_WITHIN).await?;
        if reply.end != End::Ok {
            let why = format!("the module cannot say it: it answers {:?}", reply.end);
            return Ok(Some(Called::Not { why }));
        }
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let wait = PER_UNIT.saturating_mul(units).saturating_add(SPEECH_MORE);
        self.enters(Phase::Speaking { menu, again: false }, wait);
        Ok(None)
    }

    /// The network says that it is over: unless the modem's list names it still.
    async fn is_over(&mut self, wire: &mut Wire, over: Over) -> Result<Option<Called>, Lost> {
        if let Listed::At(step) = self.lists(wire).await?
            && !matches!(step, Step::Over(_))
        {
            return Ok(None);
        }
        Ok(Some(match (over, self.phase.is_answered()) {
            (_, true) => Called::HungUp,
            (Over::Busy, false) => Called::Busy,
            (Over::NoAnswer, false) => Called::NoAnswer,
            (Over::NoCarrier, false) => Called::NotConnected,
        }))
    }

    /// Looks how far it is, where the modem does not say so unasked.
    async fn looks(&mut self, wire: &mut Wire) -> Result<Option<Called>, Lost> {
        let was_listed = self.listed;
        match self.lists(wire).await? {
            Listed::At(Step::Over(_)) => Ok(Some(self.over_after())),
            Listed::At(step) => Box::pin(self.hears(wire, Heard::Step(step))).await,
            Listed::Nowhere if was_listed => Ok(Some(self.over_after())),
            Listed::Nowhere | Listed::Unknown => Ok(None),
        }
    }

    async fn lists(&mut self, wire: &mut Wire) -> Result<Listed, Lost> {
        let reply = match wire.ask("AT+CLCC", "+CLCC:", REPLY_WITHIN).await {
            Ok(reply) => reply,
            Err(Lost::Mute) if self.mute < MUTE_MAX => {
                self.mute += 1;
                return Ok(Listed::Unknown);
            }
            Err(lost) => return Err(lost),
        };
        self.mute = 0;
        if reply.end != End::Ok {
            return Ok(Listed::Unknown);
        }
        let step = reply.lines.iter().find_map(|line| match self.voice.reads(line) {
            Some(Heard::Step(step)) => Some(step),
            _ => None,
        });
        self.listed |= step.is_some();
        Ok(step.map_or(Listed::Nowhere, Listed::At))
    }

    /// What it comes to when it ends here without a word.
    fn over_after(&self) -> Called {
        match self.phase {
            Phase::Dialling | Phase::Ringing => Called::NotConnected,
            Phase::Speaking { .. } | Phase::Listening { .. } => Called::HungUp,
        }
    }
}

/// What a file counts as, where the module does not say that it has ended: 15 s.
const FILE_UNITS: usize = 50;
