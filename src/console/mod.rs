//! The pages and the HTTP API.
//!
//! All of it asks at the counter like any command and knows nothing else; it says only what is on
//! disk. Which address answers what stands in one table, `routes.rs`, and the document beside it. On
//! loopback everything answers, for programs on the box ([`guard`]); on the network only the page
//! behind a link in a message, the place where machines with a token hand in signals, and whether the
//! hub is alive and ready. That page shows the call and
//! needs a tap: previews of links by chat programs fetch the page and must not accept by that. It works
//! without scripts on the cheapest phone.

mod answer;
mod boards;
mod door;
mod duty;
mod entries;
mod events;
mod guard;
mod incidents;
mod metrics;
mod page;
mod params;
mod problem;
mod pulse;
mod registered;
mod routes;
mod signals;
mod work;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::counter::{Ask, Asked, FeedDoor, Reply};
use crate::terms::{HubId, Secret, Wall};

pub use signals::{SignalSource, Signals, TOKEN_MIN};

use problem::{Problem, Wrong};
use pulse::Pulse;

/// How long a page waits for the desk.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a stop waits for those who follow events to be told.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);
/// Largest form or body that is read: a note and a few fields.
const FORM_MAX: usize = 16 << 10;

/// Why no page can be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address cannot be used.
    #[error("pages cannot listen on {address}: free the port or change `listen` in gateway.toml")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What pages and the API are served from.
#[derive(Clone)]
pub struct Desk {
    /// Where questions go.
    pub asks: mpsc::Sender<Asked>,
    /// What is behind a link is signed with this.
    pub key: Secret,
    /// The wall clock.
    pub now: Arc<dyn Fn() -> Wall + Send + Sync>,
    /// Where facts can be followed.
    pub feed: FeedDoor,
    /// The hub's name in events.
    pub hub: HubId,
    /// Where signals are handed in.
    pub signals: Signals,
}

/// What every page needs.
#[derive(Clone)]
struct Counter {
    asks: mpsc::Sender<Asked>,
    key: Secret,
    now: Arc<dyn Fn() -> Wall + Send + Sync>,
    feed: FeedDoor,
    hub: HubId,
    pulse: Pulse,
    signals: Signals,
}

impl Counter {
    /// Asks the desk; `None` when it is busy, stopping or silent.
    async fn ask(&self, ask: Ask) -> Option<Reply> {
        let (reply, told) = oneshot::channel();
        self.asks.try_send(Asked { ask, reply }).ok()?;
        timeout(ANSWER_WITHIN, told).await.ok()?.ok()
    }

    /// The same; what is refused is a problem.
    async fn told(&self, ask: Ask) -> Result<Reply, Problem> {
        match self.ask(ask).await {
            Some(Reply::Refused { why, amiss }) => Err(Wrong::from(amiss).because(why)),
            Some(told) => Ok(told),
            None => Err(Problem::busy()),
        }
    }
}

/// Pages that are being served; when this is dropped nobody more comes in.
#[derive(Debug)]
pub struct Console {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    feed: FeedDoor,
}

impl Console {
    /// Where the first of its addresses listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits a moment for those who follow events: the feed has ended, and each is told so.
    pub async fn farewell(&self) {
        let gone = async {
            while self.feed.followers() > 0 {
                tokio::time::sleep(FAREWELL / 100).await;
            }
        };
        // Whoever does not read comes again by the last event it has.
        let _ = timeout(FAREWELL, gone).await;
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves on every address given, the API on loopback only. Port 0 takes a free one.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn serve(listen: &[SocketAddr], desk: Desk) -> Result<Console, ConsoleError> {
    let Desk { asks, key, now, feed, hub, signals } = desk;
    let pulse = Pulse::new(asks.clone());
    let mut tasks = vec![tokio::spawn(pulse.clone().go_on())];
    let counter = Counter { asks, key, now, feed: feed.clone(), hub, pulse, signals };
    let (here, lan) = (routes::here(counter.clone()), routes::lan(counter));
    let mut first = None;
    for address in listen {
        let refused = |source| ConsoleError::Listen { address: *address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let pages = if bound.ip().is_loopback() { here.clone() } else { lan.clone() };
        tasks.push(tokio::spawn(door::keep(listener, pages, door::LIMITS)));
        first.get_or_insert(bound);
    }
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Console { address: first.unwrap_or(nowhere), tasks, feed })
}

/// Alive: something answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// Ready means: the desk answers and what it is told is on disk.
async fn ready(State(counter): State<Counter>) -> Response {
    match counter.ask(Ask::Status).await {
        Some(Reply::Status(status)) => match status.record {
            crate::counter::RecordView::Safe => "ready\n".into_response(),
            crate::counter::RecordView::Volatile { why } => {
                let said = format!("calls are carried, but held in memory only: {why}\n");
                (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
            }
        },
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the desk does not answer\n").into_response(),
    }
}
