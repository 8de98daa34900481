//! One beat for all who follow: asked of the desk every 2 s while anybody listens, however many.
//!
//! A page that hears no beat for a while has gone stale and says so; a desk that hangs answers none,
//! and nothing here makes one up.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::counter::{Ask, Asked, Beat, Reply};

/// How often, as `interface.md` has it.
const EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// The beat, as each follower holds it.
#[derive(Clone)]
pub(super) struct Pulse {
    asks: mpsc::Sender<Asked>,
    beat: Arc<watch::Sender<Option<Arc<Beat>>>>,
}

impl Pulse {
    pub(super) fn new(asks: mpsc::Sender<Asked>) -> Self {
        Self { asks, beat: Arc::new(watch::Sender::new(None)) }
    }

    /// Every beat from now on.
    pub(super) fn listen(&self) -> watch::Receiver<Option<Arc<Beat>>> {
        self.beat.subscribe()
    }

    /// A beat of this moment.
    pub(super) async fn now(&self) -> Option<Arc<Beat>> {
        let (reply, told) = oneshot::channel();
        self.asks.try_send(Asked { ask: Ask::Beat, reply }).ok()?;
        match timeout(EVERY, told).await.ok()?.ok()? {
            Reply::Beat(beat) => Some(Arc::from(beat)),
            _ => None,
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn go_on(self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.beat.receiver_count() == 0 {
                continue;
            }
            if let Some(beat) = self.now().await {
                self.beat.send_replace(Some(beat));
            }
        }
    }
}
