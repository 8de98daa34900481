//! What the desk and whoever is told the story say to each other, be it a webhook or a district's
//! platform: events to go, what became of them, how the endpoint stands.
//!
//! Nothing here knows a protocol. An endpoint reports what was settled and, only when that changed,
//! how it stands; the desk owns what is owed and offers it through the handle.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::terms::{EndpointId, IncidentId, Seq};

/// Failures in a row after which an endpoint is reported as down: one alone is an ordinary hiccup.
pub const DOWN_AFTER: usize = 2;

/// Answers that would not change if the same event were sent again. Own choice among the 4xx: those
/// that speak of the request's content, none that speak of the sender or the address.
pub const BLAMES_THE_EVENT: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// One event for one endpoint.
#[derive(Debug, Clone)]
pub struct StoryLetter {
    /// The fact's sequence.
    pub seq: Seq,
    /// Its incident: events of one incident keep their order.
    pub incident: IncidentId,
    /// The CloudEvent.
    pub body: Bytes,
    /// Whether it says that somebody's life may be in danger now: a pause is cut short for it.
    pub urgent: bool,
}

/// How an event was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The endpoint took it.
    HandedOver,
    /// The endpoint will never take it.
    DeadLetter {
        /// Why, in a few words.
        why: String,
    },
}

/// Whether an endpoint can be told anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Up,
    /// It asked for a pause, once: what is owed waits for that.
    HeldBack {
        /// Why, in a few words.
        why: String,
        /// How long it is left alone from now on.
        pause: Duration,
    },
    /// It does not; what is owed waits here.
    Down {
        /// Why, in a few words.
        why: String,
    },
}

/// Whether an endpoint's broker lets us hear what the endpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hearing {
    /// It does, or nobody may speak for the endpoint and nothing is asked.
    Granted,
    /// It refuses us this topic.
    Refused {
        /// Which.
        topic: String,
    },
}

/// What an endpoint has to say to the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointReport {
    /// Which one.
    pub endpoint: EndpointId,
    /// What was settled since the last report, in the order of the answers.
    pub settled: Vec<(Seq, Settled)>,
    /// Its health, only when that changed.
    pub health: Option<Health>,
    /// Whether it is heard, only when that changed; `None` for ever where nothing is subscribed to.
    pub hearing: Option<Hearing>,
}

/// The desk's end of an endpoint.
#[derive(Debug)]
pub struct EndpointHandle {
    /// Which one.
    pub endpoint: EndpointId,
    /// Takes events; full when the endpoint is behind, and then the desk keeps them.
    pub offer: mpsc::Sender<StoryLetter>,
    /// Takes first events of incidents, to go before the others. An incident's later events are
    /// offered only after its first is in here. `None` where everything keeps one order.
    pub alarms: Option<mpsc::Sender<StoryLetter>>,
    /// Takes signs of life, where they are wanted, or what is to be said again of what is open: a newer one replaces one that waits.
    pub life: Option<watch::Sender<Option<LifeSign>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A sign of the hub's life for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeSign {
    /// The event's id.
    pub id: String,
    /// The CloudEvent.
    pub body: Bytes,
}

impl EndpointHandle {
    /// The end of an endpoint that keeps the order within each incident, and lets alarms go first.
    pub fn by_incident(
        endpoint: EndpointId,
        offer: mpsc::Sender<StoryLetter>,
        alarms: mpsc::Sender<StoryLetter>,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    ) -> Self {
        Self { endpoint, offer, alarms: Some(alarms), life: None, stop, task }
    }

    /// The end of an endpoint that keeps everything in one order and takes signs of life.
    pub fn in_order(
        endpoint: EndpointId,
        offer: mpsc::Sender<StoryLetter>,
        life: watch::Sender<Option<LifeSign>>,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    ) -> Self {
        Self { endpoint, offer, alarms: None, life: Some(life), stop, task }
    }

    /// Sends nothing more, waits at most `limit` for the answers to what is under way, and ends.
    /// What is not settled by then stays owed.
    pub async fn stop(self, limit: Duration) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}
