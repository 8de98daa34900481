//! The district's copy: a platform that keeps what it was told of the record.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How many events are kept; a demo makes about a dozen, and one left running forgets the oldest.
const KEPT_MAX: usize = 1_000;

/// One event as it came.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// The CloudEvent's id.
    pub(super) id: String,
    /// The last part of its type: `raised`.
    pub(super) event: String,
    /// The rung it names.
    pub(super) rung: u64,
    /// Names of the people in it.
    pub(super) people: Vec<String>,
}

type Kept = Arc<Mutex<Vec<Told>>>;

/// The receiver.
pub(super) struct District {
    address: SocketAddr,
    kept: Kept,
    task: JoinHandle<()>,
}

impl Drop for District {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl District {
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let app = Router::new().route("/", post(take)).with_state(Arc::clone(&kept));
        let task = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, kept, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it was told so far, each event once.
    pub(super) fn told(&self) -> Vec<Told> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was told something that `is_it`; `None` after `within`.
    pub(super) async fn until(
        &self,
        within: Duration,
        is_it: impl Fn(&Told) -> bool,
    ) -> Option<Told> {
        let look = async {
            loop {
                if let Some(found) = self.told().into_iter().find(&is_it) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, look).await.ok()
    }
}

async fn take(State(kept): State<Kept>, body: String) -> StatusCode {
    let Ok(event) = serde_json::from_str::<serde_json::Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    if event["type"] == "anling.hub.alive" {
        return StatusCode::NO_CONTENT;
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let data = &event["data"];
    let people = data["people"].as_array().into_iter().flatten();
    let told = Told {
        id: text(&event["id"]),
        event: text(&event["type"]).rsplit('.').next().unwrap_or_default().to_owned(),
        rung: data["incident"]["rung"].as_u64().unwrap_or_default(),
        people: people.map(|person| text(&person["name"])).collect(),
    };
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    // A repeat carries the same id and is thrown away, as every receiver does.
    if kept.iter().all(|known| known.id != told.id) {
        kept.push(told);
    }
    if kept.len() > KEPT_MAX {
        kept.remove(0);
    }
    StatusCode::NO_CONTENT
}
