//! One message on its way out: offered, asked for, given, taken; and what each break in between means.
//!
//! Before the message itself has gone nothing was sent, and another way may be taken without doubt. After
//! that only the modem's answer says what became of it: without one it is unknown, never "not sent".

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::cms::Fault;
use super::line::Keeper;
use super::pdu::{Submit, Written};
use super::talk::{End, Reply};
use super::wire::{Lost, Offered, Wire};
use super::{Job, ModemNews, Sent};

/// How long the network may try: an hour, in the standard's relative form. A call that is older says
/// nothing any more.
const VALIDITY: u8 = 11;
/// Once the number of a message has come, how long its `OK` may take: the message is out by then.
const OK_WITHIN: Duration = Duration::from_secs(2);
/// How long a modem may take to take back an offer.
const CALM_WITHIN: Duration = Duration::from_secs(2);
/// Its store is full: nothing comes in.
const STORE_FULL: u16 = 322;

/// How a send ended, and the number the modem gave it.
type Ended = (Sent, Option<u8>);

impl Keeper {
    /// Sends one message, if anybody still waits for it.
    pub(super) async fn sends(&mut self, wire: &mut Wire, job: Job) -> Result<(), Lost> {
        if job.done.is_closed() {
            return Ok(());
        }
        if !self.state().is_ready() {
            self.gives_back(&job);
            return Ok(());
        }
        let centre = self.settings.centre.as_ref();
        let submit =
            Submit { to: &job.to, text: &job.text, report: true, validity: Some(VALIDITY), centre };
        let written = match submit.write() {
            Ok(written) => written,
            Err(why) => {
                let why = why.to_string();
                let _ = job.done.try_send((job.tag, Sent::Not { fault: Fault::Form, why }));
                return Ok(());
            }
        };
        self.busy.store(true, Ordering::Release);
        let (ended, after) = self.offers(wire, &written).await;
        self.busy.store(false, Ordering::Release);
        self.notes(job, ended).await;
        after
    }

    /// Offers and gives the message; how that ended, and whether the port still stands.
    async fn offers(&mut self, wire: &mut Wire, message: &Written) -> (Ended, Result<(), Lost>) {
        let not = |fault, why: &str| (Sent::Not { fault, why: why.to_owned() }, None);
        let profile = self.settings.profile;
        match wire.offer(message.length, profile.prompt_within).await {
            Ok(Offered::Prompt) => {}
            Ok(Offered::Answer(reply)) => return (self.answered(&reply, message), Ok(())),
            Err(Lost::Mute) => {
                let after = wire.withdraw().await;
                let calm = match after {
                    Ok(()) => match wire.ask("AT", "", CALM_WITHIN).await {
                        Err(Lost::Port(why)) => Err(Lost::Port(why)),
                        _ => Ok(()),
                    },
                    lost => lost,
                };
                return (not(Fault::Modem, "the modem asks for no message"), calm);
            }
            Err(lost) => return (not(Fault::Modem, "the modem's port is gone"), Err(lost)),
        }
        let unknown = |why: &str| (Sent::Unknown { why: why.to_owned() }, None);
        if let Err(lost) = wire.give(&message.hex).await {
            return (unknown("the modem's port went while the message did"), Err(lost));
        }
        match self.awaits(wire).await {
            Ok(reply) => (self.answered(&reply, message), Ok(())),
            Err(Lost::Mute) => match reference(wire.so_far()) {
                Some(number) => ((Sent::Taken, Some(number)), Ok(())),
                None => (unknown("the modem does not say what became of the message"), Ok(())),
            },
            Err(lost) => (unknown("the modem's port went before its answer came"), Err(lost)),
        }
    }

    /// The answer to a message that has gone; not waited for long once its number is there.
    async fn awaits(&self, wire: &mut Wire) -> Result<Reply, Lost> {
        let sent_within = self.settings.profile.sent_within;
        let slices = sent_within.as_millis() / OK_WITHIN.as_millis();
        for _ in 0..slices.max(1) {
            match wire.reply(OK_WITHIN.min(sent_within)).await {
                Err(Lost::Mute) if reference(wire.so_far()).is_none() => {}
                other => return other,
            }
        }
        Err(Lost::Mute)
    }

    fn answered(&self, reply: &Reply, message: &Written) -> Ended {
        let not = |fault, why: String| (Sent::Not { fault, why }, None);
        match reply.end {
            End::Ok => (Sent::Taken, reference(&reply.lines)),
            End::Cms(number) => {
                let fault = Fault::of(number);
                if fault == Fault::Form {
                    error!(link = %self.link(), number, "the modem refuses a message's form: report this bug");
                    debug!(link = %self.link(), message.hex, "this one");
                }
                not(fault, format!("the modem says CMS error {number}"))
            }
            End::Cme(number) => not(Fault::Modem, format!("the modem says CME error {number}")),
            End::Error => not(Fault::Later, "the modem says error".to_owned()),
        }
    }

    async fn notes(&mut self, job: Job, (sent, number): Ended) {
        let to = job.to.masked();
        match &sent {
            Sent::Taken => info!(link = %self.link(), to, "a message was taken by the network"),
            Sent::Not { fault, why } => {
                warn!(link = %self.link(), to, ?fault, why, "a message was not taken");
            }
            Sent::Unknown { why } => {
                warn!(link = %self.link(), to, why, "it is not known what became of a message");
            }
        }
        let (fault, why) = match &sent {
            Sent::Not { fault, why } => (Some(*fault), Some(why.clone())),
            Sent::Unknown { why } => (None, Some(why.clone())),
            Sent::Taken => (None, None),
        };
        let (taken, full) = (sent == Sent::Taken, says_full(&sent));
        // A wrong number or a fault of ours says nothing of the modem.
        if taken || !matches!(fault, Some(Fault::Number | Fault::Form)) {
            self.failed_at = (!taken).then(|| self.now());
            let failing = why.filter(|_| !taken);
            self.turns(|state| {
                state.barred = !taken && (state.barred || fault == Some(Fault::Barred));
                state.failing = failing;
            })
            .await;
        }
        // A module that has lost its settings unheard takes every message for a malformed one.
        self.sim_is_up &= fault != Some(Fault::Form);
        // The state first: whoever is told may choose the next modem by it.
        let _ = job.done.try_send((job.tag, sent));
        if let Some(number) = number {
            let now = self.now();
            self.reports.sent(number, job.to, job.report, now);
        }
        if taken {
            self.say(ModemNews::Taken).await;
        }
        // Whatever it was, what lies in the store may be it.
        self.sweep |= full;
    }
}

fn says_full(sent: &Sent) -> bool {
    matches!(sent, Sent::Not { why, .. } if why.ends_with(&STORE_FULL.to_string()))
}

/// The number that the modem gave the message.
fn reference(lines: &[String]) -> Option<u8> {
    let number = lines.iter().find_map(|line| line.strip_prefix("+CMGS:"))?;
    number.split(',').next()?.trim().parse().ok()
}
