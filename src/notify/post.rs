//! The people's side: takes letters, hands them to a carrier, says once what became of each.
//!
//! - Two bounded lanes; an urgent letter always goes before a quiet one, and one of the places for
//!   sending side by side is kept for it, so that slow quiet letters cannot hold it up.
//! - Right before sending, the letter is asked whether its order still applies. If not, it is not
//!   sent and ends as [`Ended::Superseded`]. That is a value of its own and no refusal: a refusal
//!   makes the engine tell the lead that somebody cannot be reached.
//! - A carrier may let a letter wait for its turn ([`Carry::turn`]); that has no limit, because what is
//!   no longer wanted is taken back.
//! - Every letter taken has exactly one end within its carrier's limit ([`Carry::LIMIT`]) of its turn,
//!   also when its carrier hangs or panics; an end nobody can name is "unknown", which the engine counts as not handed
//!   over. At an orderly stop what is queued has no end: its order stays outstanding and is handed
//!   out again, under the same name and marked as a repeat.
//!
//! Nothing is retried here: the engine decides when, from outcomes that are on disk.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::Letter;
use super::contained::contained;
use crate::incident::{Carrier, Move, OrderId, Outcome};

/// Urgent letters waiting for one carrier. When it is full the desk keeps the rest: orders can be
/// asked for again.
pub const URGENT_MAX: usize = 256;

/// Quiet letters waiting for one carrier.
pub const QUIET_MAX: usize = 64;

/// Longest time one letter may take once it is its turn, where its carrier names no other. Longer than
/// what the carrier itself allows, so that it is met only by a fault in the carrier.
pub const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A carrier's turn: held until the letter has ended.
pub type Turn = Option<Box<dyn Send + Sync>>;

/// A way to people.
pub trait Carry: Send + Sync + 'static {
    /// Longest time of one letter once it is its turn.
    const LIMIT: Duration = SEND_LIMIT;

    /// Waits until it is this letter's turn, where a carrier has an order and a pace of its own.
    fn turn(&self, _letter: &Letter) -> impl Future<Output = Turn> + Send {
        std::future::ready(None)
    }

    /// Hands one letter to the next machine, within [`Carry::LIMIT`].
    fn carry(&self, letter: &Letter) -> impl Future<Output = Outcome> + Send;

    /// The same with what the person answered meanwhile, for a carrier on which they can.
    fn carry_and_hear(&self, letter: &Letter) -> impl Future<Output = Ended> + Send {
        async { Ended::Tried(self.carry(letter).await) }
    }
}

/// How a letter ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The carrier tried.
    Tried(Outcome),
    /// The carrier works, and the person did not take it: to be tried again.
    NotTaken(Outcome),
    /// The person heard it, and answered at once.
    Answered {
        /// What.
        says: Move,
        /// The epoch of what they heard.
        epoch: u32,
    },
    /// Its order no longer applied when its turn came: nothing was sent, nothing is to be recorded.
    Superseded,
}

/// The desk's end of a carrier.
#[derive(Debug)]
pub struct CarrierHandle {
    /// Which one.
    pub carrier: Carrier,
    /// Takes letters of classes that are urgent.
    pub urgent: mpsc::Sender<Letter>,
    /// Takes all others.
    pub quiet: mpsc::Sender<Letter>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl CarrierHandle {
    /// The lane of a letter.
    pub fn lane(&self, letter: &Letter) -> &mpsc::Sender<Letter> {
        if letter.class.is_urgent() { &self.urgent } else { &self.quiet }
    }

    /// Begins no further letter, waits at most `limit` for those under way, and ends.
    pub async fn stop(self, limit: Duration) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Opens a carrier that sends `parallel` letters side by side (at least one) and reports each end to
/// `ends`. Call it on the runtime.
pub fn open<C: Carry>(
    carrier: Carrier,
    carry: C,
    parallel: usize,
    ends: mpsc::Sender<(OrderId, Ended)>,
) -> CarrierHandle {
    open_within(C::LIMIT, carrier, carry, parallel, ends)
}

fn open_within(
    limit: Duration,
    carrier: Carrier,
    carry: impl Carry,
    parallel: usize,
    ends: mpsc::Sender<(OrderId, Ended)>,
) -> CarrierHandle {
    let (urgent, urgent_letters) = mpsc::channel(URGENT_MAX);
    let (quiet, quiet_letters) = mpsc::channel(QUIET_MAX);
    let (stop, stopped) = oneshot::channel();
    let post = Post {
        limit,
        carry: Arc::new(carry),
        parallel: parallel.max(1),
        urgent: urgent_letters,
        quiet: quiet_letters,
        under_way: JoinSet::new(),
        ends,
    };
    let task = tokio::spawn(post.serve(stopped));
    CarrierHandle { carrier, urgent, quiet, stop, task }
}

struct Post<C> {
    limit: Duration,
    carry: Arc<C>,
    parallel: usize,
    urgent: mpsc::Receiver<Letter>,
    quiet: mpsc::Receiver<Letter>,
    under_way: JoinSet<()>,
    ends: mpsc::Sender<(OrderId, Ended)>,
}

impl<C: Carry> Post<C> {
    async fn serve(mut self, mut stopped: oneshot::Receiver<()>) {
        let for_quiet = self.parallel.saturating_sub(1).max(1);
        let (mut urgent_open, mut quiet_open) = (true, true);
        while urgent_open || quiet_open {
            let sending = self.under_way.len();
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(_) = self.under_way.join_next() => {}
                letter = self.urgent.recv(), if urgent_open && sending < self.parallel => {
                    match letter {
                        Some(letter) => self.send(letter),
                        None => urgent_open = false,
                    }
                }
                letter = self.quiet.recv(), if quiet_open && sending < for_quiet => {
                    match letter {
                        Some(letter) => self.send(letter),
                        None => quiet_open = false,
                    }
                }
            }
        }
        while self.under_way.join_next().await.is_some() {}
    }

    fn send(&mut self, letter: Letter) {
        let carry = self.carry.clone();
        let ends = self.ends.clone();
        let limit = self.limit;
        self.under_way.spawn(async move {
            let _turn = carry.turn(&letter).await;
            let end = if letter.still.applies() {
                attempt(limit, &*carry, &letter).await
            } else {
                Ended::Superseded
            };
            tracing::debug!(order = %letter.id, code = %letter.code, ?end, "letter ended");
            let _ = ends.send((letter.id, end)).await;
        });
    }
}

async fn attempt(limit: Duration, carry: &impl Carry, letter: &Letter) -> Ended {
    Ended::Tried(match timeout(limit, contained(carry.carry_and_hear(letter))).await {
        Ok(Some(ended)) => return ended,
        Ok(None) => {
            tracing::error!(order = %letter.id, "carrier broke down on a letter: report this bug");
            Outcome::Unknown { why: "the carrier broke down".to_owned() }
        }
        Err(_) => Outcome::Unknown { why: "the carrier gave no answer in time".to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::{Class, IncidentId};

    /// Hangs on the first letter.
    struct Hanging;

    impl Carry for Hanging {
        async fn carry(&self, letter: &Letter) -> Outcome {
            if letter.id.incident == IncidentId(1) {
                std::future::pending::<()>().await;
            }
            Outcome::HandedOver
        }
    }

    #[tokio::test]
    async fn a_carrier_that_hangs_still_gives_an_end_and_the_next_goes_out() {
        let (sender, mut ends) = mpsc::channel(8);
        let limit = Duration::from_millis(50);
        let handle = open_within(limit, Carrier::Mail, Hanging, 1, sender);
        for n in 1..=2 {
            handle.urgent.send(Letter::sample(Class::Emergency, n)).await.unwrap();
        }
        let (order, end) = ends.recv().await.unwrap();
        assert_eq!(order.incident, IncidentId(1));
        assert!(matches!(end, Ended::Tried(Outcome::Unknown { .. })), "{end:?}");
        assert_eq!(ends.recv().await.unwrap().1, Ended::Tried(Outcome::HandedOver));
    }
}
