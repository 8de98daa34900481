//! An outside witness: an address beside the district that hears every minute that this hub lives, and
//! that misses it when it does not.
//!
//! Nobody on a dead box can say that it is dead. So somebody else is told that it lives: a service that
//! waits for such words, or a second hub, whose `[signals.NAME]` reads this body as a device's heartbeat
//! and whose supervision calls people when it stays away. What is told is the desk's own life and not
//! the task's: a word goes out only if the desk has come around since the last one, so a hub whose loop
//! hangs falls silent though its network works. Nothing is repeated and nothing is owed; the next word
//! is the repeat.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::wire::{Reply, TlsFiles, Wire, WireError};
use crate::terms::{HubId, Secret, Wait};

/// Words in a row that were not taken before that is a trouble. Own choice: a minute each, so that one
/// lost packet is none.
pub const FAILED_MAX: u32 = 3;
/// How long one word may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A witness, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSettings {
    /// This hub, as the witness knows it.
    pub hub: HubId,
    /// Where to, `http://` or `https://`.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// How often.
    pub every: Wait,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// A witness that is told, until this is dropped.
#[derive(Debug)]
pub struct Witness {
    beats: watch::Sender<u64>,
    trouble: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Begins to tell it. Call it on the runtime.
    ///
    /// # Errors
    /// [`WireError`]: the address or its certificates cannot be used, or the token fits in no header.
    pub fn keep(settings: &WitnessSettings) -> Result<Self, WireError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(secret) = &settings.bearer {
            let line = [b"Bearer ", secret.expose()].concat();
            let mut bearer = HeaderValue::from_bytes(&line).map_err(|_| WireError::Url)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let files = TlsFiles { ca_file: settings.ca_file.clone(), client: None };
        let wire = Wire::new(&settings.url, headers, TIME_LIMIT, &files)?;
        let (beats, heard) = watch::channel(0);
        let (tell, trouble) = watch::channel(None);
        let body = format!("{{\"v\":1,\"device\":\"{}\",\"kind\":\"heartbeat\"}}", settings.hub);
        let telling = Telling { wire, body: Bytes::from(body), heard, tell, failed: 0 };
        let task = tokio::spawn(telling.go_on(settings.every.std()));
        Ok(Self { beats, trouble, task })
    }

    /// The desk has come around once more.
    pub fn beat(&self) {
        self.beats.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Why it is not told at the moment.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Telling {
    wire: Wire,
    body: Bytes,
    heard: watch::Receiver<u64>,
    tell: watch::Sender<Option<String>>,
    failed: u32,
}

impl Telling {
    async fn go_on(mut self, every: Duration) {
        let mut turns = interval(every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one is over at once, and the desk has not come around yet.
        turns.tick().await;
        let mut told = 0;
        loop {
            turns.tick().await;
            let beat = *self.heard.borrow_and_update();
            if beat == told {
                warn!("the hub stands still: the outside witness is not told that it lives");
                continue;
            }
            told = beat;
            let why = refusal(&self.wire.post(self.body.clone()).await);
            self.failed = why.map_or(0, |_| self.failed.saturating_add(1));
            let lasting = why.filter(|_| self.failed >= FAILED_MAX);
            self.tell.send_if_modified(|said| {
                let turned = said.is_some() != lasting.is_some();
                *said = lasting.map(str::to_owned);
                turned
            });
        }
    }
}

/// Why a word was not taken.
fn refusal(reply: &Reply) -> Option<&'static str> {
    match reply {
        Reply::Answered { status, .. } if status.is_success() => None,
        Reply::Answered { status, .. } if status.is_redirection() => {
            Some("it sends us elsewhere: write the address it names")
        }
        Reply::Answered { status, .. } if status.is_client_error() => {
            Some("it refuses us: check the address and the secret")
        }
        Reply::Answered { .. } => Some("it has a failure of its own"),
        Reply::NoConnection => Some("no connection"),
        Reply::Broken => Some("the connection broke"),
        Reply::NoAnswer => Some("no answer"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::{sleep, timeout};

    use super::*;

    const EVERY: Wait = Wait(40);
    /// No step takes this long unless something hangs.
    const HANG_GUARD: Duration = Duration::from_secs(20);

    /// Somebody outside: what it heard, and the status it answers with.
    #[derive(Clone, Default)]
    struct Outside(Arc<Mutex<(Vec<String>, u16)>>);

    impl Outside {
        fn heard(&self) -> Vec<String> {
            self.0.lock().unwrap().0.clone()
        }

        fn answers(&self, status: u16) {
            self.0.lock().unwrap().1 = status;
        }

        async fn listens() -> (Self, String) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/ping/zs", listener.local_addr().unwrap());
            let outside = Self::default();
            outside.answers(200);
            let noting = outside.clone();
            tokio::spawn(async move {
                loop {
                    let (mut caller, _) = listener.accept().await.unwrap();
                    let noting = noting.clone();
                    tokio::spawn(async move {
                        let mut space = [0; 4096];
                        while let Ok(count @ 1..) = caller.read(&mut space).await {
                            let status = {
                                let mut noted = noting.0.lock().unwrap();
                                noted.0.push(String::from_utf8_lossy(&space[..count]).into());
                                noted.1
                            };
                            let answer =
                                format!("HTTP/1.1 {status} .\r\ncontent-length: 0\r\n\r\n");
                            let _ = caller.write_all(answer.as_bytes()).await;
                        }
                    });
                }
            });
            (outside, url)
        }
    }

    fn kept(url: &str) -> Witness {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Witness::keep(&WitnessSettings {
            hub: HubId::new("zs").unwrap(),
            url: url.to_owned(),
            bearer: Some(Secret::new(b"only-for-this-test".to_vec())),
            every: EVERY,
            ca_file: None,
        })
        .unwrap()
    }

    async fn until(mut is: impl FnMut() -> bool) {
        let wait = async {
            while !is() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(HANG_GUARD, wait).await.expect("it happens");
    }

    #[tokio::test]
    async fn while_the_desk_comes_around_it_is_told_and_when_it_stands_still_it_is_not() {
        let (outside, url) = Outside::listens().await;
        let witness = kept(&url);
        witness.beat();
        until(|| outside.heard().len() == 1).await;
        let said = outside.heard()[0].clone();
        assert!(said.starts_with("POST /ping/zs HTTP/1.1"), "{said}");
        assert!(said.to_lowercase().contains("authorization: bearer only-for-this-test"), "{said}");
        assert!(said.ends_with(r#"{"v":1,"device":"zs","kind":"heartbeat"}"#), "{said}");
        // Ten more words would be due.
        sleep(EVERY.std() * 10).await;
        assert_eq!(outside.heard().len(), 1, "a hub that stands still says nothing");
        assert_eq!(witness.trouble(), None, "and that is no fault of the witness");
        witness.beat();
        until(|| outside.heard().len() == 2).await;
    }

    #[tokio::test]
    async fn one_that_does_not_take_it_is_a_trouble_after_three_words_until_it_does() {
        let (outside, url) = Outside::listens().await;
        let witness = kept(&url);
        outside.answers(403);
        let mut heard_at_trouble = 0;
        until(|| {
            witness.beat();
            heard_at_trouble = outside.heard().len();
            witness.trouble().is_some()
        })
        .await;
        assert!(heard_at_trouble >= FAILED_MAX as usize, "{heard_at_trouble}");
        assert_eq!(witness.trouble().as_deref(), refusal(&answered(403)));
        outside.answers(204);
        until(|| {
            witness.beat();
            witness.trouble().is_none()
        })
        .await;
    }

    fn answered(status: u16) -> Reply {
        let status = hyper::StatusCode::from_u16(status).unwrap();
        Reply::Answered { status, retry_after: None, date: None, body: Bytes::new() }
    }

    #[test]
    fn only_a_success_is_one() {
        assert_eq!(refusal(&answered(204)), None);
        for reply in
            [answered(302), answered(404), answered(500), Reply::NoConnection, Reply::NoAnswer]
        {
            assert!(refusal(&reply).is_some(), "{reply:?}");
        }
    }
}
