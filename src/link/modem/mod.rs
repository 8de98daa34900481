//! A 4G modem on a serial line: short messages out and in, and calls that are heard, on the same line.
//!
//! One task owns the port and says one command at a time ([`line`]); [`talk`] parts replies from what a
//! modem says unasked, [`pdu`] is the messages' form, [`profile`] what differs from make to make. A
//! message that came in stays in the modem's own store until its [`Receipt`] says that it is on disk:
//! then it is deleted, because a full store takes no answers any more and says so to nobody. What was
//! sent is known again when its delivery report comes ([`reports`](self)).
//!
//! A modem that does not answer is opened anew, then reset, then its power is taken, over and over with
//! growing pauses; one without SIM, PIN or network says which, and goes on as soon as it can. What the
//! texts mean is not known here. No text, no PIN and no whole number stands in a log above debug. Chosen
//! over ModemManager and gammu's daemon: both keep messages and retries of their own behind the back of
//! the record, and neither says when a message may be forgotten.

mod call;
mod cms;
mod line;
mod parts;
pub mod pdu;
pub mod profile;
mod reports;
mod send;
mod septets;
mod start;
mod store;
pub mod talk;
pub mod voice;
mod wire;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod line_tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use self::call::{HOLDS_MAX, MENUS};
pub use self::cms::Fault;
pub use self::line::Modem;
use self::profile::Profile;
use crate::terms::{At, LinkId, Phone, Receipt, Secret, Wait};

/// Messages waiting for one modem. Own choice: whoever sends has a queue of their own, and hands in
/// one or two at a time.
const JOBS_MAX: usize = 8;
/// Calls waiting for one modem: one is made at a time.
const CALLS_MAX: usize = 2;
/// Below this a message may take long or fail (field notes: less than 8 of 31 is weak).
pub const SIGNAL_WEAK: u8 = 8;

/// How long a modem counts as failing after a message did not get out over it; then it is tried like
/// any other. Own choice: as long as a call over the next modem takes to be answered.
pub const FAILING_FOR: Wait = Wait::mins(5);

/// What a modem is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemSettings {
    /// The link's name, `modem.front`.
    pub link: LinkId,
    /// The port, by a path that stays the same when it is plugged in again.
    pub path: PathBuf,
    /// Speed in baud; a USB modem ignores it.
    pub baud: u32,
    /// The make.
    pub profile: &'static Profile,
    /// The SIM's PIN, where it asks for one. A wrong one is tried once, or the SIM would lock itself.
    pub pin: Option<Secret>,
    /// The service centre's number, where the SIM's own is missing or wrong.
    pub centre: Option<Phone>,
    /// A program that takes the modem's power and gives it back, with its arguments; may be empty.
    pub power_cycle: Vec<String>,
    /// How often it is asked whether it lives: 10 s (oncall.md 4.8).
    pub probe: Wait,
}

/// Where a modem stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its port is not open, and why.
    Closed(String),
    /// Its port is open, and it does not answer.
    Mute,
    /// It is being set up.
    Starting,
    /// It has no SIM.
    NoSim,
    /// Its SIM is locked, and how.
    Locked(&'static str),
    /// The SIM names no service centre, and the config names none.
    NoCentre,
    /// No network so far.
    Searching,
    /// The network refuses this SIM.
    Denied,
    /// It can send.
    Ready,
}

/// How a modem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemState {
    /// Where it stands.
    pub standing: Standing,
    /// The network's name.
    pub operator: Option<String>,
    /// 0 to 31; `None` where unknown.
    pub signal: Option<u8>,
    /// Places of its message store that are taken, and how many there are.
    pub store: Option<(u16, u16)>,
    /// The network has refused to carry messages of this SIM, and none was carried since.
    pub barred: bool,
    /// Why its last message did not get out, for [`FAILING_FOR`].
    pub failing: Option<String>,
}

impl ModemState {
    /// Nothing is known but why it is not open.
    pub fn closed(why: &str) -> Self {
        let standing = Standing::Closed(why.to_owned());
        Self { standing, operator: None, signal: None, store: None, barred: false, failing: None }
    }

    /// Whether it can send.
    pub fn is_ready(&self) -> bool {
        self.standing == Standing::Ready
    }

    /// Whether its store has no room for answers.
    pub fn is_full(&self) -> bool {
        self.store.is_some_and(|(used, total)| total > 0 && used >= total)
    }

    /// Why it cannot send or hear, in one fragment.
    pub fn trouble(&self) -> Option<String> {
        Some(match &self.standing {
            Standing::Closed(why) => why.clone(),
            Standing::Mute => "it does not answer: see its power and its cable".to_owned(),
            Standing::Starting => "it is being set up".to_owned(),
            Standing::NoSim => "it has no SIM: put one in".to_owned(),
            Standing::Locked(how) => (*how).to_owned(),
            Standing::NoCentre => {
                "its SIM names no service centre: write smsc into links.toml".to_owned()
            }
            Standing::Searching => "it finds no network: see its aerial".to_owned(),
            Standing::Denied => "the network refuses its SIM: ask the operator".to_owned(),
            Standing::Ready if self.barred => {
                "the network carries no messages of its SIM: ask the operator".to_owned()
            }
            Standing::Ready if self.is_full() => {
                "its message store is full: answers do not come in".to_owned()
            }
            Standing::Ready => {
                let why = self.failing.as_ref()?;
                format!("its last message did not get out: {why}")
            }
        })
    }
}

/// A message that came in.
#[derive(Debug)]
pub struct Text {
    /// The sender: digits, with `+` where they begin with a country's prefix, or a name.
    pub from: String,
    /// What it says.
    pub text: String,
    /// When the network took it, in its own digits: with the sender and the text, its name.
    pub sent: String,
    /// When it was read.
    pub received: At,
    /// It is deleted from the modem once this says that it is on disk.
    pub receipt: Receipt,
}

/// What happened to a modem.
#[derive(Debug)]
pub enum ModemNews {
    /// It is otherwise than before.
    State(ModemState),
    /// The network took a message.
    Taken,
    /// A call has ended: see [`Called::word`].
    Called(&'static str),
    /// Somebody wrote.
    Text(Text),
    /// Something came in that cannot be read; it was deleted.
    Unread(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The network took it.
    Taken,
    /// It did not leave.
    Not {
        /// What that means.
        fault: Fault,
        /// Why, in a few words without names.
        why: String,
    },
    /// It left, and nobody can say whether the network has it.
    Unknown {
        /// Why, in a few words without names.
        why: String,
    },
}

/// A message to be sent.
pub struct Job {
    /// To whom.
    pub to: Phone,
    /// At most [`pdu::UNITS_MAX`] UTF-16 units.
    pub text: String,
    /// Told once if a delivery report comes: whether it arrived.
    pub report: Box<dyn FnOnce(bool) + Send + Sync>,
    /// Where the end is told, with `tag`. Once nobody listens there, a message that was not begun is
    /// not sent.
    pub done: mpsc::Sender<(usize, Sent)>,
    /// Whatever the caller knows it by.
    pub tag: usize,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job(to {})", self.to.masked())
    }
}

/// What is said into a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// This, by the module's own voice.
    Text(String),
    /// This file on the module's own store.
    File(String),
}

/// A call to be made.
pub struct Call {
    /// To whom.
    pub to: Phone,
    /// What is said, with its keys: 1 accepts, 2 says it again, 0 declines.
    pub says: Says,
    /// How long it rings.
    pub ring: Duration,
    /// Whether it is still wanted: asked before it is dialled, while it rings, and before it is said.
    pub still: Box<dyn Fn() -> bool + Send + Sync>,
    /// Where the end is told, with `tag`. Once nobody listens there, a call that was not begun is not
    /// made.
    pub done: mpsc::Sender<(usize, Called)>,
    /// Whatever the caller knows it by.
    pub tag: usize,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call(to {})", self.to.masked())
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// The person pressed 1.
    Accepted,
    /// The person pressed 0.
    Declined,
    /// It was answered, and no key was pressed: a mail box, or nobody.
    NoKey,
    /// It was answered, and the other end hung up without a key.
    HungUp,
    /// The person speaks already, or refused it.
    Busy,
    /// It rang, and nobody took it.
    NoAnswer,
    /// The network finds no way to the telephone.
    NotConnected,
    /// It was ended, because a message waited for the modem or the hub stops.
    CutShort,
    /// Nobody needs the person any more.
    TakenBack,
    /// The modem could not make it.
    Not {
        /// Why, in a few words without names.
        why: String,
    },
}

impl Called {
    /// The same in a few words.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted with key 1",
            Self::Declined => "declined with key 0",
            Self::NoKey => "answered, no key pressed",
            Self::HungUp => "hung up without a key",
            Self::Busy => "busy",
            Self::NoAnswer => "no answer",
            Self::NotConnected => "not connected",
            Self::CutShort => "cut short: a message waited",
            Self::TakenBack => "taken back",
            Self::Not { .. } => "not made",
        }
    }
}

/// The way to one modem.
#[derive(Debug, Clone)]
pub struct ModemLine {
    jobs: mpsc::Sender<Job>,
    calls: mpsc::Sender<Call>,
    state: watch::Receiver<ModemState>,
    busy: Arc<AtomicBool>,
}

impl ModemLine {
    /// How it is.
    pub fn state(&self) -> ModemState {
        self.state.borrow().clone()
    }

    /// Whether it is sending or calling at the moment.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Hands in a message; gives it back when too many wait. Never waits.
    ///
    /// # Errors
    /// The job, untouched.
    pub fn hand_in(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job) => job,
        })
    }
}

impl ModemLine {
    /// Hands in a call; gives it back when too many wait. Never waits.
    ///
    /// # Errors
    /// The call, untouched.
    pub fn call(&self, call: Call) -> Result<(), Call> {
        self.calls.try_send(call).map_err(|error| match error {
            mpsc::error::TrySendError::Full(call) | mpsc::error::TrySendError::Closed(call) => call,
        })
    }
}

/// The modems that are open at the moment, by their names: whoever sends looks here each time, so that
/// a modem can be replaced while messages wait.
#[derive(Debug, Clone, Default)]
pub struct Rack(Arc<Mutex<BTreeMap<String, ModemLine>>>);

impl Rack {
    fn lines(&self) -> MutexGuard<'_, BTreeMap<String, ModemLine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A modem is there.
    pub fn put(&self, name: &str, line: ModemLine) {
        self.lines().insert(name.to_owned(), line);
    }

    /// It is no longer.
    pub fn take(&self, name: &str) {
        self.lines().remove(name);
    }

    /// The modem of this name, if it is there.
    pub fn line(&self, name: &str) -> Option<ModemLine> {
        self.lines().get(name).cloned()
    }
}
