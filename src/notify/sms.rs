//! Short messages: one letter, one message of one part, by the first modem that gets it out.
//!
//! - Modems are tried in the order of the config, those that can send and are idle first. What did not
//!   leave goes to the next at once; a modem that has not answered in [`NEXT_AFTER`] is waited for while
//!   the next one tries, because a call may not hang on a lost `OK`. So a message may come twice where
//!   nobody knows whether it came once, and never otherwise.
//! - What a refusal means stands in [`Fault`]: this number will never do, this SIM may not, or not now.
//! - The network's word on a message comes later, if at all: then the order is said to have arrived, or
//!   not to have. None is no failure: many networks never say it.
//! - The hub's own answers to people ([`Office`]) take the same way with the same turn ([`super::gate`]).
//!
//! The text is [`text::short`]: where, who, when, what to answer, the code, within 70 units; it is
//! shortened there and never here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::gate::Gate;
use super::post::{Carry, Ended, Turn};
use super::{Letter, text};
use crate::incident::{OrderId, Outcome};
use crate::link::modem::{Fault, Job, Rack, Sent};
use crate::terms::{At, Class, Phone};

/// A modem that has not answered by then is waited for beside the next one. The notes ask for the next
/// way within 10 s of a failure; networks take 3 to 5 s.
const NEXT_AFTER: Duration = Duration::from_secs(8);
/// Limit of one message over all modems: the slowest answer of a network, and a turn of each modem.
pub const SMS_LIMIT: Duration = Duration::from_secs(100);
/// Letters that wait side by side for their turn. Own choice: as many as the desk hands out at once.
pub const PARALLEL: usize = super::post::URGENT_MAX;
/// The hub's own answers under way or waiting; beyond it one is dropped and said to be.
const ANSWERS_MAX: usize = 64;
/// How often an answer is tried, and how long after each other.
const ANSWER_TRIES: u32 = 3;
const ANSWER_AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked whether a message waits, before a call goes out.
const PASS_LOOKS: u32 = 4;
/// Most modems. Own choice: with more, the last would have no time within [`SMS_LIMIT`].
pub const MODEMS_MAX: usize = 4;

/// SMS, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsSettings {
    /// The modems' names in the order they are tried, one to [`MODEMS_MAX`].
    pub modems: Vec<String>,
    /// Whether titles stand between 【】; some networks take that for advertising.
    pub brackets: bool,
    /// How many messages a SIM may send in an hour beside emergencies and hazards.
    pub per_hour: usize,
}

/// What the hub itself has to say to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// To whom.
    pub to: Phone,
    /// At most 70 units.
    pub text: String,
    /// How urgent what it is about is.
    pub class: Class,
}

/// What letters and answers share.
#[derive(Debug)]
struct Counter {
    settings: SmsSettings,
    rack: Rack,
    gate: Arc<Gate>,
}

/// Where the hub's own answers go out; the same for one carrier after the other.
#[derive(Debug, Clone)]
pub struct Office {
    counter: Arc<Mutex<Option<Arc<Counter>>>>,
    places: Arc<Semaphore>,
}

impl Default for Office {
    fn default() -> Self {
        Self { counter: Arc::default(), places: Arc::new(Semaphore::new(ANSWERS_MAX)) }
    }
}

impl Office {
    fn counter(&self) -> Option<Arc<Counter>> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no message of an emergency or hazard waits or is under way; those that `come` in so
    /// long count.
    pub async fn lets_pass(&self, come: Duration) {
        let Some(counter) = self.counter() else { return };
        let urgent = |class| matches!(class, Class::Emergency | Class::Hazard);
        let mut quiet = 0;
        while quiet < PASS_LOOKS {
            sleep(come / PASS_LOOKS).await;
            quiet = if counter.gate.is_wanted(urgent) { 0 } else { quiet + 1 };
        }
    }

    /// Sends an answer as soon as it is its turn. Call it on the runtime; it never waits. An answer that
    /// does not get out is dropped: whoever asked sees that nothing came and asks again.
    pub fn say(&self, plain: Plain) {
        let Some(counter) = self.counter() else { return };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            warn!(to = plain.to.masked(), "too many answers wait for a modem: one is dropped");
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            for _ in 0..ANSWER_TRIES {
                let turn = counter.gate.enter(plain.class).await;
                let nobody: Tell = Arc::new(|_| {});
                let sent = counter.send(&plain, &|| true, &nobody);
                // Without a word from the modem it may be out: an answer is not worth a doubt.
                let sent = timeout(SMS_LIMIT, sent).await;
                if !matches!(sent, Ok(Outcome::TryLater { .. })) {
                    return;
                }
                drop(turn);
                sleep(ANSWER_AGAIN).await;
            }
            warn!(to = plain.to.masked(), "an answer could not be sent");
        });
    }
}

/// What is done with the network's word on a message.
type Tell = Arc<dyn Fn(bool) + Send + Sync>;

/// The SMS carrier.
pub struct Sms {
    counter: Arc<Counter>,
    ends: mpsc::Sender<(OrderId, Ended)>,
}

impl Sms {
    /// Opens the carrier over the modems of `rack`; from now on `office` answers over the same. What
    /// becomes known of a message later is told to `ends`.
    pub fn open(
        settings: SmsSettings,
        rack: Rack,
        now: impl Fn() -> At + Send + Sync + 'static,
        office: &Office,
        ends: mpsc::Sender<(OrderId, Ended)>,
    ) -> Self {
        let gate = Gate::new(settings.modems.len(), settings.per_hour, now);
        let counter = Arc::new(Counter { settings, rack, gate });
        let mut open = office.counter.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some(Arc::clone(&counter));
        drop(open);
        Self { counter, ends }
    }

    /// Tells the desk what the network says of an order, the first word only.
    fn tell(&self, order: &OrderId) -> Tell {
        let (ends, order, told) = (self.ends.clone(), order.clone(), AtomicBool::new(false));
        Arc::new(move |arrived| {
            if told.swap(true, Ordering::AcqRel) {
                return;
            }
            let outcome = match arrived {
                true => Outcome::Arrived,
                false => {
                    Outcome::Refused { why: "the network could not deliver the message".to_owned() }
                }
            };
            // A desk with no room hears nothing more of it: it was handed over, and stays so.
            let _ = ends.try_send((order.clone(), Ended::Tried(outcome)));
        })
    }
}

impl Carry for Sms {
    const LIMIT: Duration = SMS_LIMIT;

    async fn turn(&self, letter: &Letter) -> Turn {
        let turn: Box<dyn Send + Sync> = Box::new(self.counter.gate.enter(letter.class).await);
        Some(turn)
    }

    async fn carry(&self, letter: &Letter) -> Outcome {
        let number = letter.to.phone.trim();
        let Some(to) = Phone::parse(number) else {
            let why = if number.is_empty() { "no telephone number" } else { "no mobile number" };
            return Outcome::Refused { why: why.to_owned() };
        };
        let plain = Plain { to, text: text::short(letter), class: letter.class };
        self.counter.send(&plain, &|| letter.still.applies(), &self.tell(&letter.id)).await
    }
}

/// How the tries of one message stand.
#[derive(Debug, Default)]
struct Tries {
    under_way: usize,
    lost: Option<String>,
    forms: usize,
    whys: Vec<String>,
}

impl Tries {
    /// One has ended; what the whole comes to, where that is clear.
    fn ended(&mut self, name: &str, sent: Sent) -> Option<Outcome> {
        self.under_way = self.under_way.saturating_sub(1);
        match sent {
            Sent::Taken => return Some(Outcome::HandedOver),
            Sent::Unknown { why } => self.lost = Some(format!("{name}: {why}")),
            Sent::Not { fault: Fault::Number, why } => return Some(Outcome::Refused { why }),
            Sent::Not { fault, why } => {
                self.forms += usize::from(fault == Fault::Form);
                self.whys.push(format!("{name}: {why}"));
            }
        }
        None
    }

    /// What it comes to when no modem is left.
    fn verdict(self) -> Outcome {
        let why = self.whys.join("; ");
        match self.lost {
            Some(why) => Outcome::Unknown { why },
            None if self.forms > 0 && self.forms == self.whys.len() => Outcome::Refused { why },
            None if why.is_empty() => {
                Outcome::TryLater { why: "no modem is there".to_owned(), after: None }
            }
            None => Outcome::TryLater { why, after: None },
        }
    }
}

impl Counter {
    /// Sends one message by the first modem that gets it out, while `still` says so.
    async fn send(&self, plain: &Plain, still: &(dyn Fn() -> bool + Sync), tell: &Tell) -> Outcome {
        let text =
            if self.settings.brackets { plain.text.clone() } else { unbracketed(&plain.text) };
        let (done, mut ends) = mpsc::channel(MODEMS_MAX);
        let mut tries = Tries::default();
        let mut left = self.in_order(&mut tries).into_iter();
        loop {
            let next = left.next().filter(|_| tries.under_way == 0 || still());
            let more = next.is_some();
            if let Some(index) = next
                && still()
                && let Some(line) = self.rack.line(&self.settings.modems[index])
            {
                let told = Arc::clone(tell);
                let report = Box::new(move |arrived| told(arrived));
                let (to, text, done) = (plain.to.clone(), text.clone(), done.clone());
                match line.hand_in(Job { to, text, report, done, tag: index }) {
                    Ok(()) => tries.under_way += 1,
                    Err(_) => tries.whys.push("too many messages wait for it".to_owned()),
                }
            }
            // The last one is waited for as long as it takes; whoever called has a limit.
            let patience = if more { NEXT_AFTER } else { SMS_LIMIT };
            while tries.under_way > 0 {
                let Ok(Some((index, sent))) = timeout(patience, ends.recv()).await else { break };
                let name = &self.settings.modems[index];
                debug!(modem = name, ?sent, "a message");
                if matches!(sent, Sent::Taken | Sent::Unknown { .. }) {
                    self.gate.sent(plain.class);
                }
                if let Some(outcome) = tries.ended(name, sent) {
                    return outcome;
                }
                if more {
                    break;
                }
            }
            if !more {
                return tries.verdict();
            }
        }
    }

    /// The modems that can send, those that are idle and did not fail last first; why the others cannot goes
    /// to `tries`.
    fn in_order(&self, tries: &mut Tries) -> Vec<usize> {
        let mut able = Vec::new();
        for (index, name) in self.settings.modems.iter().enumerate() {
            let line = self.rack.line(name);
            let state = line.as_ref().map(crate::link::modem::ModemLine::state);
            match (line, state) {
                (Some(line), Some(state)) if state.is_ready() => {
                    let fails = state.barred || state.failing.is_some();
                    able.push((fails, line.is_busy(), index));
                }
                (_, state) => {
                    let why = state.and_then(|state| state.trouble());
                    let why = why.unwrap_or_else(|| "it is not set up".to_owned());
                    tries.whys.push(format!("{name}: {why}"));
                }
            }
        }
        able.sort_unstable();
        able.into_iter().map(|(.., index)| index).collect()
    }
}

/// The same text with its titles in plain words: `紧急求助：…` in place of `【紧急求助】…`.
fn unbracketed(text: &str) -> String {
    text.replace('【', "").replace('】', "：")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not(fault: Fault) -> Sent {
        Sent::Not { fault, why: format!("{fault:?}") }
    }

    fn verdict(ends: Vec<Sent>) -> Outcome {
        let mut tries = Tries::default();
        for sent in ends {
            if let Some(outcome) = tries.ended("a", sent) {
                return outcome;
            }
        }
        tries.verdict()
    }

    #[test]
    fn what_all_modems_say_comes_to_one_word() {
        let lost = || Sent::Unknown { why: "no answer".to_owned() };
        assert_eq!(verdict(vec![not(Fault::Modem), Sent::Taken]), Outcome::HandedOver);
        assert!(matches!(verdict(vec![not(Fault::Number), Sent::Taken]), Outcome::Refused { .. }));
        assert!(matches!(verdict(vec![lost(), not(Fault::Later)]), Outcome::Unknown { .. }));
        assert_eq!(verdict(vec![lost(), Sent::Taken]), Outcome::HandedOver);
        for fault in [Fault::Later, Fault::Barred, Fault::Modem] {
            let both = vec![not(Fault::Form), not(fault)];
            assert!(matches!(verdict(both), Outcome::TryLater { .. }), "{fault:?}");
        }
        let forms = vec![not(Fault::Form), not(Fault::Form)];
        assert!(matches!(verdict(forms), Outcome::Refused { .. }));
        assert!(matches!(verdict(vec![]), Outcome::TryLater { .. }));
    }

    #[test]
    fn titles_without_brackets_are_still_titles() {
        assert_eq!(unbracketed("【测试】【升级】3-2-501"), "测试：升级：3-2-501");
    }
}
