//! The pages: for now the one behind a link in a message, and whether the hub is alive and ready.
//!
//! A page asks at the counter like any command and knows nothing else. It says only what is on disk.
//! The page behind a link shows the call and needs a tap: previews of links by chat programs fetch
//! the page and must not accept by that. It works without scripts on the cheapest phone.

mod door;
mod page;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::counter::{Ask, Asked, Reply};
use crate::terms::{Secret, Wall};

/// How long a page waits for the desk.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// Largest form that is read: a note and a few fields.
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

/// What every page needs.
#[derive(Clone)]
struct Counter {
    asks: mpsc::Sender<Asked>,
    key: Secret,
    now: Arc<dyn Fn() -> Wall + Send + Sync>,
}

impl Counter {
    /// Asks the desk; `None` when it is busy, stopping or silent.
    async fn ask(&self, ask: Ask) -> Option<Reply> {
        let (reply, told) = oneshot::channel();
        self.asks.try_send(Asked { ask, reply }).ok()?;
        timeout(ANSWER_WITHIN, told).await.ok()?.ok()
    }
}

/// Pages that are being served; when this is dropped nobody more comes in.
#[derive(Debug)]
pub struct Console {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Console {
    /// Where the first of its addresses listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Serves pages on every address given; there is at least one. Port 0 takes a free one.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn serve(
    listen: &[SocketAddr],
    asks: mpsc::Sender<Asked>,
    key: Secret,
    now: Arc<dyn Fn() -> Wall + Send + Sync>,
) -> Result<Console, ConsoleError> {
    let pages = router(Counter { asks, key, now });
    let mut console = None;
    for address in listen {
        let refused = |source| ConsoleError::Listen { address: *address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let pages = pages.clone();
        let task = tokio::spawn(door::keep(listener, pages, door::LIMITS));
        let known = console.get_or_insert(Console { address: bound, tasks: Vec::new() });
        known.tasks.push(task);
    }
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(console.unwrap_or(Console { address: nowhere, tasks: Vec::new() }))
}

fn router(counter: Counter) -> Router {
    Router::new()
        .route("/a/{pass}", get(page::show).post(page::say))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(axum::extract::DefaultBodyLimit::max(FORM_MAX))
        .with_state(counter)
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
