//! `POST /api/v1/signals`: machines that know HTTP and nothing else hand in what they have to say:
//! check-up machines, card readers, Alertmanager.
//!
//! It is, beside the page behind a link, the one POST that the network reaches, so it asks for more and
//! gives less than the rest: a token of its own for each source, which says what its body looks like
//! and whose devices it speaks of; [`SIGNAL_MAX`] bytes; [`BURST`] requests at once and [`PER_SECOND`]
//! a second from each source. It tells nothing about the house. What it hands in goes the way of every
//! wire's message and is answered with 202 once it is on disk, never before; while the disk fails it
//! is heard and carried all the same, and answered with 503.
//!
//! A sender that got no answer says it again. Under an `Idempotency-Key` that counts once, as long as
//! the hub runs: the newest [`KEYS_MAX`] keys of a source are remembered, here and not in the record,
//! because a repeat across a restart is one press too many and never one too few.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::incidents::key;
use super::params::Params;
use super::problem::{IDEMPOTENCY_KEY, Problem, Wrong};
use super::{ANSWER_WITHIN, Counter};
use crate::incident::WordId;
use crate::terms::{At, Inbound, LinkId, Receipt, Secret, Verdict, Wall};

/// Longest body in bytes: what a decoder of JSON reads at most.
pub(super) const SIGNAL_MAX: usize = 32 << 10;
/// Requests of one source at once. Own choice: a ward of machines after a power cut.
const BURST: u64 = 60;
/// Requests of one source a second, in the long run. Own choice: ten times a canteen at noon.
const PER_SECOND: u64 = 10;
/// Keys remembered of each source; the oldest go first. Own choice: minutes at the highest rate.
const KEYS_MAX: usize = 4_096;
/// Shortest token in bytes: below it one could be guessed. Own choice: 96 random bits in base64.
pub const TOKEN_MIN: usize = 16;

type Sum = [u8; 32];

/// Who may hand in signals.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSource {
    /// Its link, `signals.NAME`.
    pub link: LinkId,
    /// What it shows, at least [`TOKEN_MIN`] bytes.
    pub token: Secret,
}

/// The way in: who may hand in, and where it goes.
#[derive(Clone)]
pub struct Signals(Arc<Inner>);

struct Inner {
    inbox: mpsc::Sender<Inbound>,
    now: Box<dyn Fn() -> At + Send + Sync>,
    sources: Mutex<Vec<Source>>,
}

struct Source {
    link: LinkId,
    /// Tokens are compared by their sums: how long that takes tells nothing about the token.
    token: Sum,
    allowance: Allowance,
    keys: VecDeque<Known>,
}

/// A key that was heard.
struct Known {
    key: WordId,
    body: Sum,
    /// When it was on disk; before that it is on its way.
    stored_at: Option<Wall>,
}

/// What a source may still ask: a bucket that fills itself.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// Thousandths of a request.
    left: u64,
    at: At,
}

impl Allowance {
    fn full(at: At) -> Self {
        Self { left: BURST * 1_000, at }
    }

    /// Takes one, if one is left.
    fn take(&mut self, now: At) -> bool {
        let filled = (now - self.at).0.saturating_mul(PER_SECOND);
        (self.left, self.at) = (self.left.saturating_add(filled).min(BURST * 1_000), now);
        let after = self.left.checked_sub(1_000);
        self.left = after.unwrap_or(self.left);
        after.is_some()
    }
}

/// What a signal under a key has to do.
enum Turn {
    /// It goes to the desk.
    Goes,
    /// It was on disk at that time already.
    Stored(Wall),
}

impl Signals {
    /// The way to `inbox`; nobody may hand in until [`Signals::set`].
    pub fn new(inbox: mpsc::Sender<Inbound>, now: impl Fn() -> At + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { inbox, now: Box::new(now), sources: Mutex::new(Vec::new()) }))
    }

    /// Who may hand in from now on. What is known of a source that stays is kept.
    pub fn set(&self, sources: &[SignalSource]) {
        let now = (self.0.now)();
        let mut known = self.0.sources();
        let mut before = std::mem::take(&mut *known);
        known.extend(sources.iter().map(|source| {
            let token = Sha256::digest(source.token.expose()).into();
            match before.iter().position(|before| before.link == source.link) {
                Some(at) => Source { token, ..before.swap_remove(at) },
                None => Source {
                    link: source.link.clone(),
                    token,
                    allowance: Allowance::full(now),
                    keys: VecDeque::new(),
                },
            }
        }));
    }
}

impl Inner {
    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose token it is, where it may ask now.
    fn admitted(&self, token: &[u8]) -> Result<LinkId, Problem> {
        let sum: Sum = Sha256::digest(token).into();
        let mut sources = self.sources();
        let Some(source) = sources.iter_mut().find(|source| source.token == sum) else {
            return Err(Wrong::NoToken.because(TOKEN_ADVICE));
        };
        if !source.allowance.take((self.now)()) {
            let most = format!("a source may ask {PER_SECOND} times a second: ask again later");
            return Err(Wrong::TooMany.because(most));
        }
        Ok(source.link.clone())
    }

    /// Notes a key, or says what became of it.
    fn begin(&self, link: &LinkId, key: &WordId, body: Sum) -> Result<Turn, Problem> {
        let mut sources = self.sources();
        let Some(source) = sources.iter_mut().find(|source| source.link == *link) else {
            return Err(Wrong::NoToken.because(TOKEN_ADVICE));
        };
        match source.keys.iter().find(|known| known.key == *key) {
            Some(known) if known.body != body => {
                Err(Wrong::KeyTaken.because("this key stands for another signal: choose a new one"))
            }
            Some(Known { stored_at: Some(at), .. }) => Ok(Turn::Stored(*at)),
            Some(_) => Err(Problem::busy()),
            None => {
                if source.keys.len() >= KEYS_MAX {
                    source.keys.pop_front();
                }
                source.keys.push_back(Known { key: key.clone(), body, stored_at: None });
                Ok(Turn::Goes)
            }
        }
    }

    /// Notes that what a key stands for is on disk, or forgets it.
    fn end(&self, link: &LinkId, key: &WordId, stored_at: Option<Wall>) {
        let mut sources = self.sources();
        let Some(source) = sources.iter_mut().find(|source| source.link == *link) else { return };
        match stored_at {
            Some(_) => {
                let mut keys = source.keys.iter_mut();
                if let Some(known) = keys.find(|known| known.key == *key) {
                    known.stored_at = stored_at;
                }
            }
            None => source.keys.retain(|known| known.key != *key),
        }
    }
}

const TOKEN_ADVICE: &str =
    "send authorization: Bearer with the token of one [signals.NAME] in links.toml";

#[derive(Serialize)]
struct Taken {
    stored_at: Wall,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

/// `POST /api/v1/signals`: answers once it is on disk.
pub(super) async fn take(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let signals = &counter.signals.0;
    let link = signals.admitted(token(&headers)?)?;
    Params::read(query.as_deref(), &[])?;
    let body = body.map_err(|_| {
        Wrong::TooLarge
            .because(format!("a signal has at most {SIGNAL_MAX} bytes: send less at once"))
    })?;
    if body.is_empty() {
        return Err(Wrong::Unread.because("the body is empty: send the signal"));
    }
    let key = headers.contains_key(IDEMPOTENCY_KEY).then(|| key(&headers)).transpose()?;
    if let Some(key) = &key
        && let Turn::Stored(at) = signals.begin(&link, key, Sha256::digest(&body).into())?
    {
        return Ok(taken(at, true));
    }
    let (settled, verdict) = oneshot::channel();
    let (inner, now, of) = (Arc::clone(signals), Arc::clone(&counter.now), link.clone());
    let receipt = Receipt::new(move |verdict| {
        let stored_at = (verdict == Verdict::Stored).then(|| now());
        if let Some(key) = &key {
            inner.end(&of, key, stored_at);
        }
        // The sender may have gone; under its key it hears of it when it comes again.
        let _ = settled.send((verdict, stored_at));
    });
    let topic = Arc::from(link.as_str().replacen('.', "/", 1));
    let (received, bytes) = ((signals.now)(), body.to_vec());
    let inbound = Inbound { link, topic, retained: false, received, bytes, receipt };
    // What is refused here takes its receipt with it, and so its key.
    signals.inbox.try_send(inbound).map_err(|_| Problem::busy())?;
    match timeout(ANSWER_WITHIN, verdict).await {
        Ok(Ok((Verdict::Stored, Some(at)))) => Ok(taken(at, false)),
        Ok(Ok((Verdict::Unread, _))) => Err(Wrong::Unread.because(
            "the body has not the form that links.toml says: see `anling devices --heard`",
        )),
        _ => Err(Problem::busy()),
    }
}

fn taken(stored_at: Wall, repeated: bool) -> Response {
    let mut response = super::answer::json(&Taken { stored_at, repeated });
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn token(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut said = headers.get_all(header::AUTHORIZATION).iter();
    let one = said.next().filter(|_| said.next().is_none()).map(|value| value.as_bytes());
    let token = one.and_then(|bytes| {
        let (scheme, token) = bytes.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    token.filter(|token| !token.is_empty()).ok_or_else(|| Wrong::NoToken.because(TOKEN_ADVICE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Wait;

    fn link(name: &str) -> LinkId {
        LinkId::new(&format!("signals.{name}")).unwrap()
    }

    fn source(name: &str, token: &str) -> SignalSource {
        SignalSource { link: link(name), token: Secret::new(token) }
    }

    fn signals() -> (Signals, mpsc::Receiver<Inbound>) {
        let (inbox, heard) = mpsc::channel(4);
        (Signals::new(inbox, || At(1_000)), heard)
    }

    #[test]
    fn a_token_is_one_sources_and_ends_with_it() {
        let (signals, _heard) = signals();
        assert!(signals.0.admitted(b"").is_err(), "nobody may hand in");
        signals.set(&[source("canteen", "canteen-token"), source("kiosk", "kiosk-token")]);
        assert_eq!(signals.0.admitted(b"kiosk-token"), Ok(link("kiosk")));
        assert_eq!(signals.0.admitted(b"canteen-token"), Ok(link("canteen")));
        for bad in [&b"canteen"[..], b"canteen-token2", b"CANTEEN-TOKEN", b""] {
            assert!(signals.0.admitted(bad).is_err());
        }
        signals.set(&[source("canteen", "another-token")]);
        for gone in [&b"kiosk-token"[..], b"canteen-token"] {
            assert!(signals.0.admitted(gone).is_err());
        }
        assert_eq!(signals.0.admitted(b"another-token"), Ok(link("canteen")));
    }

    #[test]
    fn a_flood_is_held_back_and_a_reload_gives_it_no_second_burst() {
        let (signals, _heard) = signals();
        let sources = [source("canteen", "canteen-token"), source("kiosk", "kiosk-token")];
        signals.set(&sources);
        for _ in 0..BURST {
            assert!(signals.0.admitted(b"canteen-token").is_ok());
        }
        signals.set(&sources);
        let more = signals.0.admitted(b"canteen-token").unwrap_err();
        assert!(more.is_alike(&Wrong::TooMany.because("")), "{more:?}");
        assert!(signals.0.admitted(b"kiosk-token").is_ok(), "another source is not held back");
    }

    #[test]
    fn an_allowance_fills_itself_up_to_the_burst() {
        let mut allowance = Allowance::full(At(0));
        let mut taken = |at: At| (0..1_000).take_while(|_| allowance.take(at)).count();
        assert_eq!(taken(At(0)), usize::try_from(BURST).unwrap());
        assert_eq!(taken(At(99)), 0);
        assert_eq!(taken(At(1_000)), usize::try_from(PER_SECOND).unwrap());
        assert_eq!(taken(At(1_000) + Wait::hours(1)), usize::try_from(BURST).unwrap());
    }

    #[test]
    fn a_key_stands_for_one_signal_until_it_was_not_stored() {
        let (signals, _heard) = signals();
        signals.set(&[source("canteen", "canteen-token")]);
        let (canteen, key) = (link("canteen"), WordId::new("k").unwrap());
        let begin = |body| signals.0.begin(&canteen, &key, [body; 32]);
        assert!(matches!(begin(1), Ok(Turn::Goes)));
        assert!(begin(1).is_err_and(|why| why.is_alike(&Problem::busy())), "on its way");
        assert!(begin(2).is_err_and(|why| why.is_alike(&Wrong::KeyTaken.because(""))));
        signals.0.end(&canteen, &key, None);
        assert!(matches!(begin(1), Ok(Turn::Goes)), "it was not stored: say it again");
        signals.0.end(&canteen, &key, Some(Wall(7)));
        assert!(matches!(begin(1), Ok(Turn::Stored(Wall(7)))));
        for n in 0..KEYS_MAX {
            let other = WordId::new(&n.to_string()).unwrap();
            assert!(signals.0.begin(&canteen, &other, [0; 32]).is_ok());
        }
        assert!(matches!(begin(1), Ok(Turn::Goes)), "the oldest key is forgotten");
    }

    #[test]
    fn a_token_is_read_in_its_one_form() {
        let of = |said: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            token(&headers).map(<[u8]>::to_vec).ok()
        };
        assert_eq!(of(&["Bearer abc"]), Some(b"abc".to_vec()));
        assert_eq!(of(&["bearer  abc "]), Some(b"abc".to_vec()));
        for bad in [&[][..], &["abc"], &["Bearer "], &["Basic abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
