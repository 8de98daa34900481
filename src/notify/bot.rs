//! One group bot or push server: posts, and says what came of it.
//!
//! What stands in a post and what its answer means is `dialect`'s. Here are the line to it and the time it
//! signs with: the hub's own while that can be trusted, else the one that the bot's server said last,
//! because a provider refuses what is an hour off, and a box without a battery clock that comes up in
//! 1970 must be able to call. When a signature is refused and the answer tells a time not known before, it is
//! tried once more at once. Whatever is said of a bot names it, and none of its secrets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

pub use super::dialect::{Form, Mention, Posting, Verdict};
pub use super::wire::WireError;
use super::wire::{Reply, TlsFiles, Wire};
use crate::terms::{At, Wait, Wall};

/// Time limit of one post where the config names none.
pub const TIME_LIMIT: Wait = Wait::secs(10);

/// Why a bot cannot be opened. All are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BotError {
    /// Its address or its TLS.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A key, a token or a sign that is no printable ASCII.
    #[error("the secret of {name} is no key or token: write it alone into its file")]
    Secret {
        /// The bot.
        name: String,
    },
}

/// One bot, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotSettings {
    /// Its name, `NAME` of `[wecom.NAME]`.
    pub name: String,
    /// The provider's address without the path of the bot, `https://qyapi.weixin.qq.com`.
    pub url: String,
    /// What it is.
    pub form: Form,
    /// Whether residents' names are posted.
    pub names: bool,
    /// How long one post may take, [`TIME_LIMIT`] unless told.
    pub time_limit: Wait,
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// What the hub's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
    /// Whether the wall time can be trusted.
    pub trusted: bool,
}

/// Where a bot asks for the time.
pub type TellTime = Arc<dyn Fn() -> Moment + Send + Sync>;

/// An open bot.
pub(super) struct Bot {
    pub(super) name: String,
    pub(super) names: bool,
    pub(super) form: Form,
    base: String,
    wire: Wire,
    time: TellTime,
    /// What its server said the time was, and when it said so.
    heard: Mutex<Option<(i64, At)>>,
}

impl Bot {
    /// Checks the settings and reads the CA file. Nothing is connected yet.
    pub(super) fn open(settings: BotSettings, time: TellTime) -> Result<Self, BotError> {
        let BotSettings { name, url, form, names, time_limit, ca_file } = settings;
        if !form.is_sound() {
            return Err(BotError::Secret { name });
        }
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        if let Some((header, value)) = form.header() {
            let value = HeaderValue::from_bytes(&value);
            let mut value = value.map_err(|_| BotError::Secret { name: name.clone() })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(header), value);
        }
        let base = Url::parse(&url).map_err(|_| WireError::Url)?.path().to_owned();
        let files = TlsFiles { ca_file, client: None };
        let wire = Wire::new(&url, headers, time_limit.std(), &files)?;
        Ok(Self { name, names, form, base, wire, time, heard: Mutex::default() })
    }

    /// Hub time.
    pub(super) fn now(&self) -> At {
        (self.time)().at
    }

    /// Wall time.
    pub(super) fn wall(&self) -> Wall {
        (self.time)().wall
    }

    /// Posts once, and once more where only the time was wrong.
    pub(super) async fn post(&self, posting: &Posting) -> Verdict {
        let (signed, own) = self.time_to_sign();
        let verdict = self.post_at(posting, signed).await;
        let (again, still_own) = self.time_to_sign();
        match verdict {
            Verdict::Refused { sign: true, .. } if own && !still_own => {
                self.post_at(posting, again).await
            }
            verdict => verdict,
        }
    }

    /// The time in ms, and whether it is the hub's own.
    fn time_to_sign(&self) -> (i64, bool) {
        let now = (self.time)();
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match heard.filter(|_| !now.trusted) {
            Some((ms, at)) => {
                let since = i64::try_from((now.at - at).0).unwrap_or(0);
                (ms.saturating_add(since), false)
            }
            None => (now.wall.0, true),
        }
    }

    async fn post_at(&self, posting: &Posting, ms: i64) -> Verdict {
        let body = Bytes::from(self.form.body(posting, ms).to_string());
        let reply = self.wire.post_to(&self.form.target(&self.base, ms), body).await;
        let lost = |why: &str| Verdict::Lost { why: why.to_owned() };
        match reply {
            Reply::Answered { status, retry_after, date, body } => {
                if let Some(date) = date {
                    let heard = Some((date, self.now()));
                    *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
                }
                self.form.judge(status, retry_after, &body)
            }
            Reply::NoConnection => Verdict::Later { why: "no connection".to_owned() },
            Reply::Broken => lost("the connection broke"),
            Reply::NoAnswer => lost("no answer in time"),
        }
    }
}
