//! Calls that are heard: one letter, one call, by the first modem that can make it.
//!
//! - A key is the only thing that counts ([`Called`]); a mail box that answers is nobody. Whatever else
//!   becomes of a call is told apart and tried again later, while the ladder goes on to others; it says
//!   nothing against this carrier, except that the modem cannot call or the network finds no way.
//! - One call at a time on each modem, the highest class first, and of one class those who were called
//!   least of late: so second-line people do not wait for the third call to the first.
//! - No number is called more than [`CALLS_MAX`] times in [`CALLS_PER`]: beyond it people switch the
//!   telephone off, and networks mark the caller as spam. A further call is put off and said to be;
//!   never in an emergency or hazard for somebody who is the only one left. What was called before a
//!   restart is forgotten.
//! - Messages go first: most modules cannot do both, and the message of the same order says where. A call
//!   waits for urgent ones up to [`MESSAGES_FIRST`]; one that comes later waits for a call up to
//!   [`crate::link::modem::HOLDS_MAX`].
//!
//! What is said is [`super::spoken`], by the module's own voice (`AT+CTTS`, `AT+QTTS`: built to the
//! manuals, tried on no module), or a prepared file for each class on the module's store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

use super::Letter;
use super::gate::Gate;
use super::post::{Carry, Ended, Turn};
use super::sms::Office;
use super::spoken::spoken;
use crate::incident::{Move, Outcome};
use crate::link::modem::{Call, Called, ModemLine, Rack, Says};
use crate::terms::{At, Class, Phone, Wait};

/// Most modems, as for messages.
pub const MODEMS_MAX: usize = super::sms::MODEMS_MAX;
/// Letters that wait side by side for their turn.
pub const PARALLEL: usize = super::post::URGENT_MAX;
/// Calls to one number in [`CALLS_PER`] (oncall.md 3.3).
pub const CALLS_MAX: usize = 3;
/// See [`CALLS_MAX`].
pub const CALLS_PER: Wait = Wait::mins(15);
/// How long urgent messages go first. Own choice: five people's, at 3 s each.
pub const MESSAGES_FIRST: Duration = Duration::from_secs(15);
/// Messages of the same call are handed out in the same moment; so long they have to come first.
const MESSAGES_COME: Duration = Duration::from_millis(200);
/// Limit of one letter over all modems: what a call may take (24 s, 28 s and 75 s) after the messages
/// and with its end, and a modem before it that was lost.
pub const VOICE_LIMIT: Duration = Duration::from_secs(240);
/// When somebody who did not take a call is called again at the earliest. Own choice: half a step.
const AGAIN_AFTER: Wait = Wait::secs(30);

/// Voice, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceSettings {
    /// The modems' names in the order they are tried, one to [`MODEMS_MAX`].
    pub modems: Vec<String>,
    /// How long a telephone rings.
    pub ring: Wait,
    /// The folder of prepared sentences on the modem's store; `None` lets the module speak.
    pub wav_dir: Option<String>,
}

/// When each number was called, in the last [`CALLS_PER`].
#[derive(Debug, Default)]
struct Ledger(BTreeMap<String, VecDeque<At>>);

impl Ledger {
    /// How often.
    fn count(&mut self, number: &Phone, now: At) -> usize {
        self.0.retain(|_, calls| {
            calls.retain(|at| now - *at < CALLS_PER);
            !calls.is_empty()
        });
        self.0.get(&key(number)).map_or(0, VecDeque::len)
    }

    fn called(&mut self, number: &Phone, now: At) {
        let calls = self.0.entry(key(number)).or_default();
        calls.push_back(now);
        // Whoever is never put off is called without end.
        while calls.len() > CALLS_MAX {
            calls.pop_front();
        }
    }

    /// The last one was none.
    fn was_none(&mut self, number: &Phone) {
        if let Some(calls) = self.0.get_mut(&key(number)) {
            calls.pop_back();
        }
    }
}

/// One telephone, however its number is written.
fn key(number: &Phone) -> String {
    let digits = number.digits();
    let home = number.is_world().then(|| digits.strip_prefix("86")).flatten();
    home.unwrap_or(digits).to_owned()
}

/// The voice carrier.
pub struct Voice {
    settings: VoiceSettings,
    rack: Rack,
    gate: Arc<Gate>,
    office: Office,
    ledger: Mutex<Ledger>,
    now: Box<dyn Fn() -> At + Send + Sync>,
}

impl Voice {
    /// Opens the carrier over the modems of `rack`; messages of `office` go first.
    pub fn open(
        settings: VoiceSettings,
        rack: Rack,
        now: impl Fn() -> At + Send + Sync + Clone + 'static,
        office: Office,
    ) -> Self {
        let gate = Gate::new(settings.modems.len(), usize::MAX, now.clone());
        let (ledger, now) = (Mutex::default(), Box::new(now));
        Self { settings, rack, gate, office, ledger, now }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says(&self, letter: &Letter) -> Says {
        match &self.settings.wav_dir {
            Some(dir) => Says::File(format!("{dir}{}.wav", letter.class.word())),
            None => Says::Text(spoken(letter)),
        }
    }

    /// The modems that can call, idle ones first, with the names of the others and why they cannot.
    fn in_order(&self) -> (Vec<(usize, ModemLine)>, Vec<String>) {
        let (mut able, mut whys) = (Vec::new(), Vec::new());
        for (index, name) in self.settings.modems.iter().enumerate() {
            match self.rack.line(name) {
                Some(line) if line.state().is_ready() => able.push((index, line)),
                Some(line) => {
                    let why = line.state().trouble().unwrap_or_default();
                    whys.push(format!("{name}: {why}"));
                }
                None => whys.push(format!("{name}: it is not set up")),
            }
        }
        able.sort_by_key(|(index, line)| (line.is_busy(), *index));
        (able, whys)
    }

    /// Calls one number by the first modem that can.
    async fn calls(&self, letter: &Letter, to: &Phone) -> Ended {
        let (able, mut whys) = self.in_order();
        for (index, line) in able {
            if !letter.still.applies() {
                return Ended::Superseded;
            }
            let (done, mut ends) = mpsc::channel(1);
            let (still, name) = (letter.still.clone(), &self.settings.modems[index]);
            let call = Call {
                to: to.clone(),
                says: self.says(letter),
                ring: self.settings.ring.std(),
                still: Box::new(move || still.applies()),
                done,
                tag: index,
            };
            self.ledger().called(to, (self.now)());
            if line.call(call).is_err() {
                self.ledger().was_none(to);
                whys.push(format!("{name}: too many calls wait for it"));
                continue;
            }
            let called = ends.recv().await.map(|(_, called)| called);
            debug!(modem = name, ?called, "a call");
            match called {
                Some(Called::Not { why }) => {
                    self.ledger().was_none(to);
                    whys.push(format!("{name}: {why}"));
                }
                None => whys.push(format!("{name}: it was closed")),
                Some(called) => {
                    if called == Called::TakenBack {
                        self.ledger().was_none(to);
                    }
                    return ended(&called, letter.epoch);
                }
            }
        }
        let why = if whys.is_empty() { "no modem is there".to_owned() } else { whys.join("; ") };
        Ended::Tried(Outcome::TryLater { why, after: None })
    }
}

/// What a call comes to.
fn ended(called: &Called, epoch: u32) -> Ended {
    let later = || Outcome::TryLater { why: called.word().to_owned(), after: Some(AGAIN_AFTER) };
    match called {
        Called::Accepted => Ended::Answered { says: Move::Accept, epoch },
        Called::Declined => Ended::Answered { says: Move::Decline, epoch },
        Called::TakenBack => Ended::Superseded,
        Called::NotConnected | Called::Not { .. } => Ended::Tried(later()),
        Called::NoKey | Called::HungUp | Called::Busy | Called::NoAnswer | Called::CutShort => {
            Ended::NotTaken(later())
        }
    }
}

/// Whether a further call waits.
fn is_put_off(calls: usize, letter: &Letter) -> bool {
    let spared = letter.alone && matches!(letter.class, Class::Emergency | Class::Hazard);
    calls >= CALLS_MAX && !spared
}

impl Carry for Voice {
    const LIMIT: Duration = VOICE_LIMIT;

    async fn turn(&self, letter: &Letter) -> Turn {
        let to = Phone::parse(letter.to.phone.trim());
        let calls = to.map_or(0, |to| self.ledger().count(&to, (self.now)()));
        let turn: Box<dyn Send + Sync> = Box::new(self.gate.enter_after(letter.class, calls).await);
        Some(turn)
    }

    async fn carry_and_hear(&self, letter: &Letter) -> Ended {
        let Some(to) = Phone::parse(letter.to.phone.trim()) else {
            return Ended::Tried(Outcome::Refused { why: "no mobile number".to_owned() });
        };
        let calls = self.ledger().count(&to, (self.now)());
        if is_put_off(calls, letter) {
            let why = format!("put off: called {calls} times in 15 min");
            return Ended::NotTaken(Outcome::TryLater { why, after: Some(AGAIN_AFTER) });
        }
        // Whatever still waits then goes right after the call, or ends it.
        let _ = timeout(MESSAGES_FIRST, self.office.lets_pass(MESSAGES_COME)).await;
        match letter.still.applies() {
            true => self.calls(letter, &to).await,
            false => Ended::Superseded,
        }
    }

    async fn carry(&self, letter: &Letter) -> Outcome {
        match self.carry_and_hear(letter).await {
            Ended::Tried(outcome) | Ended::NotTaken(outcome) => outcome,
            Ended::Answered { .. } => Outcome::Seen,
            Ended::Superseded => Outcome::Superseded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &str) -> Phone {
        Phone::parse(digits).unwrap()
    }

    #[test]
    fn no_number_is_called_a_fourth_time_in_a_quarter_of_an_hour_however_it_is_written() {
        let mut ledger = Ledger::default();
        let (one, same) = (number("13800138000"), number("+8613800138000"));
        for minute in 0..3 {
            ledger.called(if minute == 1 { &same } else { &one }, At(minute * 60_000));
        }
        let soon = At(14 * 60_000);
        assert_eq!((ledger.count(&one, soon), ledger.count(&number("13800138001"), soon)), (3, 0));
        let (mut call, mut alone) =
            (Letter::sample(Class::Emergency, 1), Letter::sample(Class::Hazard, 1));
        assert!(is_put_off(3, &call) && !is_put_off(2, &call));
        alone.alone = true;
        assert!(!is_put_off(3, &alone), "the only one left is called on");
        call = Letter { alone: true, ..Letter::sample(Class::Welfare, 1) };
        assert!(is_put_off(3, &call), "what may wait waits");
        assert_eq!(ledger.count(&one, At(15 * 60_000)), 2, "the first is a quarter of an hour ago");
        ledger.was_none(&same);
        assert_eq!(ledger.count(&one, At(15 * 60_000)), 1);
    }

    #[test]
    fn only_a_key_is_an_answer_and_only_the_way_itself_is_the_carriers_fault() {
        let says = |called| ended(&called, 2);
        assert_eq!(says(Called::Accepted), Ended::Answered { says: Move::Accept, epoch: 2 });
        assert_eq!(says(Called::Declined), Ended::Answered { says: Move::Decline, epoch: 2 });
        let mut words = Vec::new();
        for called in
            [Called::NoKey, Called::HungUp, Called::Busy, Called::NoAnswer, Called::CutShort]
        {
            let Ended::NotTaken(Outcome::TryLater { why, .. }) = says(called) else { panic!() };
            words.push(why);
        }
        let Ended::Tried(Outcome::TryLater { why, .. }) = says(Called::NotConnected) else {
            panic!("no way is the carrier's fault")
        };
        words.push(why);
        words.sort();
        words.dedup();
        assert_eq!(words.len(), 6, "told apart: {words:?}");
    }
}
