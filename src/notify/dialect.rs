//! What group bots and push servers are told, and what they mean by what they answer.
//!
//! - All text goes out as plain text, never as markdown: what somebody typed into a registry can then
//!   mean nothing but itself, and WeCom mentions nobody by telephone in markdown. Lengths are counted in
//!   bytes, as the providers do, and the text is cut before the names of those who were called.
//! - The code in the body says whether a bot took it, and HTTP 200 alone says nothing: a hotel's login
//!   page answers 200 as well. Without a code nobody knows. A rate code names how long the bot is silent;
//!   any code nobody knows is a refusal, so that another way is tried at once.
//! - DingTalk signs with the secret as key and time and secret as message, Feishu with both as key and
//!   an empty message (vectors: `tests/notify/signs.toml`).
//!
//! Pure: a body and a status in, bytes and a verdict out. Formats and codes: oncall.md 4.1 to 4.4.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;

use super::fit::cut;
use super::pace::Limit;
use crate::incident::Carrier;
use crate::terms::{Class, Phone, Secret, Wait};

/// Longest text in bytes. WeCom's is documented; DingTalk and Feishu take 20 kB of body, of which the
/// rest is mentions; ntfy makes a file of what is longer; the others are own choices alike.
const WECOM_BYTES: usize = 2_048;
const BODY_BYTES: usize = 12_000;
const PUSH_BYTES: usize = 4_096;
/// How long a bot is silent after it was told that it posts too often: WeCom counts a minute (one library
/// waits 65 s), DingTalk mutes for ten; for the others the shortest that is surely enough.
const WECOM_HOLD: Wait = Wait::secs(65);
const DINGTALK_HOLD: Wait = Wait::mins(10);
const HOLD: Wait = Wait::secs(60);
/// Longest silence that a `Retry-After` is honoured for. Own choice: DingTalk's.
const HOLD_MAX: Wait = DINGTALK_HOLD;

/// What a bot is, with what it needs to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A group bot of WeCom.
    Wecom {
        /// `key` of its address.
        key: Secret,
    },
    /// A group bot of DingTalk.
    Dingtalk {
        /// `access_token` of its address.
        token: Secret,
        /// With which posts are signed, where the bot asks for it.
        sign: Option<Secret>,
        /// A word that must stand in every post, where the bot asks for one.
        keyword: Option<String>,
    },
    /// A group bot of Feishu.
    Feishu {
        /// The last part of its address.
        token: Secret,
        /// As with DingTalk.
        sign: Option<Secret>,
        /// As with DingTalk.
        keyword: Option<String>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Its name.
        topic: String,
        /// The access token, where the server asks for one.
        token: Option<Secret>,
    },
    /// An application of a Gotify server.
    Gotify {
        /// Its token.
        token: Secret,
    },
    /// Telephones with Bark.
    Bark {
        /// Their keys.
        device_keys: Vec<Secret>,
    },
}

/// Somebody who is called by a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The name, in plain text.
    pub name: String,
    /// The number under which the provider may know them.
    pub phone: Option<Phone>,
}

/// One post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What a telephone shows above it.
    pub title: String,
    /// What it says.
    pub text: String,
    /// Who is called by it.
    pub called: Vec<Mention>,
    /// The class of what it is about.
    pub class: Class,
}

/// What a bot's answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is posted.
    Taken,
    /// It is not, and the bot is to be left alone.
    Hold {
        /// For so long.
        wait: Wait,
        /// Why, in a few words.
        why: String,
    },
    /// It is not, and this bot will not take it until somebody mends something.
    Refused {
        /// Why, in a few words.
        why: String,
        /// Whether the signature was refused: the time may have been wrong.
        sign: bool,
    },
    /// It is not; it may be soon.
    Later {
        /// Why, in a few words.
        why: String,
    },
    /// Nobody knows.
    Lost {
        /// Why, in a few words.
        why: String,
    },
}

impl Form {
    /// The carrier it belongs to.
    pub fn carrier(&self) -> Carrier {
        match self {
            Self::Wecom { .. } => Carrier::Wecom,
            Self::Dingtalk { .. } => Carrier::Dingtalk,
            Self::Feishu { .. } => Carrier::Feishu,
            Self::Ntfy { .. } => Carrier::Ntfy,
            Self::Gotify { .. } => Carrier::Gotify,
            Self::Bark { .. } => Carrier::Bark,
        }
    }

    /// How often it may post: documented for the group bots and for ntfy (60 at once, then one in 5 s,
    /// which is 60 in 5 min at worst); own choice for servers of one's own.
    pub(super) fn limits(&self) -> &'static [Limit] {
        const TWENTY: &[Limit] = &[(20, Wait::mins(1))];
        const FEISHU: &[Limit] = &[(100, Wait::mins(1)), (5, Wait::secs(1))];
        const NTFY: &[Limit] = &[(60, Wait::mins(5))];
        const SIXTY: &[Limit] = &[(60, Wait::mins(1))];
        match self {
            Self::Wecom { .. } | Self::Dingtalk { .. } => TWENTY,
            Self::Feishu { .. } => FEISHU,
            Self::Ntfy { .. } => NTFY,
            Self::Gotify { .. } | Self::Bark { .. } => SIXTY,
        }
    }

    /// Whether its secrets can be sent: printable ASCII.
    pub(super) fn is_sound(&self) -> bool {
        let texts = |secrets: &[&Secret]| {
            secrets.iter().all(|secret| {
                let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
                secret.expose_text().is_some_and(plain)
            })
        };
        match self {
            Self::Wecom { key: one } | Self::Gotify { token: one } => texts(&[one]),
            Self::Dingtalk { token, sign, .. } | Self::Feishu { token, sign, .. } => {
                texts(&[token]) && sign.iter().all(|sign| texts(&[sign]))
            }
            Self::Ntfy { token, .. } => token.iter().all(|token| texts(&[token])),
            Self::Bark { device_keys } => texts(&device_keys.iter().collect::<Vec<_>>()),
        }
    }

    /// The path with its query, behind what the address itself holds, at wall time `ms`.
    pub(super) fn target(&self, base: &str, ms: i64) -> String {
        let base = base.trim_end_matches('/');
        match self {
            Self::Wecom { key } => format!("{base}/cgi-bin/webhook/send?key={}", quoted(key)),
            Self::Dingtalk { token, sign, .. } => {
                let mut target = format!("{base}/robot/send?access_token={}", quoted(token));
                if let Some(secret) = sign {
                    let sign = escaped(dingtalk_sign(ms, secret).as_bytes());
                    target.push_str(&format!("&timestamp={ms}&sign={sign}"));
                }
                target
            }
            Self::Feishu { token, .. } => format!("{base}/open-apis/bot/v2/hook/{}", quoted(token)),
            Self::Ntfy { .. } => format!("{base}/"),
            Self::Gotify { .. } => format!("{base}/message"),
            Self::Bark { .. } => format!("{base}/push"),
        }
    }

    /// The header that lets it in, where there is one.
    pub(super) fn header(&self) -> Option<(&'static str, Vec<u8>)> {
        match self {
            Self::Ntfy { token: Some(token), .. } => {
                Some(("authorization", [b"Bearer ", token.expose()].concat()))
            }
            Self::Gotify { token } => Some(("x-gotify-key", token.expose().to_vec())),
            _ => None,
        }
    }

    /// The body at wall time `ms`.
    pub(super) fn body(&self, posting: &Posting, ms: i64) -> Value {
        let phones = || posting.called.iter().filter_map(|who| who.phone.as_ref());
        let numbers: Vec<&str> = phones().map(Phone::at_home).collect();
        match self {
            Self::Wecom { .. } => json!({
                "msgtype": "text",
                "text": { "content": said(posting, WECOM_BYTES, ""), "mentioned_mobile_list": numbers },
            }),
            Self::Dingtalk { keyword, .. } => {
                // Whom it rings for must stand in the text as well.
                let mut ends: String = numbers.iter().map(|number| format!(" @{number}")).collect();
                ends.push_str(&missing(posting, keyword));
                json!({
                    "msgtype": "text",
                    "text": { "content": said(posting, BODY_BYTES, &ends) },
                    "at": { "atMobiles": numbers, "isAtAll": false },
                })
            }
            Self::Feishu { sign, keyword, .. } => {
                // It knows no telephone numbers: all, where somebody is in danger.
                let all = "\n<at user_id=\"all\">所有人</at>";
                let mut ends = missing(posting, keyword);
                ends.push_str(if posting.class <= Class::Emergency { all } else { "" });
                let plain = Posting {
                    text: posting.text.replace('<', "‹").replace('>', "›"),
                    ..posting.clone()
                };
                let mut body = json!({
                    "msg_type": "text",
                    "content": { "text": said(&plain, BODY_BYTES, &ends) },
                });
                if let Some(secret) = sign {
                    let seconds = ms.div_euclid(1_000);
                    body["timestamp"] = json!(seconds.to_string());
                    body["sign"] = json!(feishu_sign(seconds, secret));
                }
                body
            }
            _ => self.push(posting),
        }
    }

    /// The body for a push server.
    fn push(&self, posting: &Posting) -> Value {
        match self {
            Self::Ntfy { topic, .. } => json!({
                "topic": topic,
                "title": posting.title,
                "message": said(posting, PUSH_BYTES, ""),
                "priority": match posting.class {
                    Class::Hazard | Class::Emergency => 5,
                    Class::Welfare | Class::Coverage => 4,
                    Class::Fault | Class::Service | Class::Test => 3,
                },
            }),
            Self::Gotify { .. } => json!({
                "title": posting.title,
                "message": said(posting, PUSH_BYTES, ""),
                "priority": match posting.class {
                    Class::Hazard | Class::Emergency => 10,
                    Class::Welfare | Class::Coverage => 7,
                    Class::Fault | Class::Service | Class::Test => 4,
                },
            }),
            Self::Bark { device_keys } => {
                let keys: Vec<&str> = device_keys.iter().filter_map(Secret::expose_text).collect();
                let mut body = json!({
                    "title": posting.title,
                    "body": said(posting, PUSH_BYTES, ""),
                    "device_keys": keys,
                    "group": "anling",
                    "level": match posting.class {
                        Class::Hazard | Class::Emergency => "critical",
                        Class::Welfare | Class::Coverage => "timeSensitive",
                        Class::Fault | Class::Service | Class::Test => "active",
                    },
                });
                if posting.class <= Class::Emergency {
                    body["call"] = json!("1");
                }
                body
            }
            _ => Value::Null,
        }
    }

    /// What an answer means.
    pub(super) fn judge(
        &self,
        status: StatusCode,
        after: Option<Duration>,
        body: &[u8],
    ) -> Verdict {
        let body: Option<Value> = serde_json::from_slice(body).ok().filter(Value::is_object);
        let own_hold = match self {
            Self::Wecom { .. } => WECOM_HOLD,
            Self::Dingtalk { .. } => DINGTALK_HOLD,
            _ => HOLD,
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            let asked =
                after.map(|after| Wait(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
            let wait = asked.map_or(own_hold, |asked| asked.clamp(Wait::secs(1), HOLD_MAX));
            return Verdict::Hold { wait, why: "answered 429: too often".to_owned() };
        }
        let code = body.as_ref().and_then(|body| self.code(body, status));
        let Some(code) = code else { return without_code(status) };
        let why = || format!("code {code}: {}", self.meaning(code));
        match (self, code) {
            (Self::Bark { .. }, 200) | (_, 0) => Verdict::Taken,
            (Self::Wecom { .. }, 45_009)
            | (Self::Dingtalk { .. }, 130_101)
            | (Self::Feishu { .. }, 11_232) => Verdict::Hold { wait: own_hold, why: why() },
            (Self::Wecom { .. } | Self::Dingtalk { .. }, -1) => Verdict::Later { why: why() },
            (Self::Bark { .. } | Self::Ntfy { .. } | Self::Gotify { .. }, 500..=599) => {
                Verdict::Later { why: why() }
            }
            (Self::Dingtalk { .. }, 310_000) | (Self::Feishu { .. }, 19_021) => {
                Verdict::Refused { why: why(), sign: true }
            }
            _ => Verdict::Refused { why: why(), sign: false },
        }
    }

    /// The code in a body; 0 is taken, with Bark 200.
    fn code(&self, body: &Value, status: StatusCode) -> Option<i64> {
        let number = |key: &str| body.get(key).and_then(Value::as_i64);
        match self {
            Self::Wecom { .. } | Self::Dingtalk { .. } => number("errcode"),
            Self::Feishu { .. } => number("code").or_else(|| number("StatusCode")),
            Self::Bark { .. } => number("code"),
            // They have none: what they took has an id, and an error repeats the status.
            Self::Ntfy { .. } | Self::Gotify { .. } => match status.is_success() {
                true => body.get("id").map(|_| 0),
                false => number("http")
                    .or_else(|| number("errorCode"))
                    .filter(|code| *code == i64::from(status.as_u16())),
            },
        }
    }

    /// What to do about a code.
    fn meaning(&self, code: i64) -> &'static str {
        match (self, code) {
            (_, 45_009 | 130_101 | 11_232) => "too often",
            (Self::Wecom { .. }, 93_000) => "the key is not known, copy it from the group again",
            (Self::Dingtalk { .. }, 300_001) => {
                "the token is not known, copy it from the group again"
            }
            (Self::Dingtalk { .. }, 310_000) => {
                "sign, keyword or address: compare the bot's settings"
            }
            (Self::Feishu { .. }, 19_021) => "the sign or the clock: compare the bot's settings",
            (Self::Feishu { .. }, 19_022) => "this address may not post: see the bot's settings",
            (Self::Feishu { .. }, 19_024) => {
                "its keyword is missing: set keyword as the bot has it"
            }
            (Self::Wecom { .. } | Self::Dingtalk { .. }, -1) => "busy",
            (Self::Ntfy { .. } | Self::Gotify { .. }, 401 | 403) => "not let in: check the token",
            _ => "not taken: see the provider's list of codes",
        }
    }
}

/// What an answer without a code means. Nothing is followed and nothing between us and a bot may answer
/// for it.
fn without_code(status: StatusCode) -> Verdict {
    let why = format!("answered {} without a code", status.as_u16());
    let never_there = status.is_redirection()
        || status.is_client_error()
        || status == StatusCode::SERVICE_UNAVAILABLE
        || status == StatusCode::BAD_GATEWAY;
    if never_there { Verdict::Later { why } } else { Verdict::Lost { why } }
}

/// The text with who is called by it and `ends`, within so many bytes; where they do not fit, the names are cut.
fn said(posting: &Posting, bytes: usize, ends: &str) -> String {
    let names: Vec<&str> = posting.called.iter().map(|who| who.name.as_str()).collect();
    let mut text = cut(&posting.text, bytes.saturating_sub(ends.len())).to_owned();
    if !names.is_empty() {
        let line = format!("\n呼叫：{}", names.join("、"));
        let room = bytes.saturating_sub(ends.len() + text.len());
        match line.len() <= room {
            true => text.push_str(&line),
            false => text.push_str(cut(&format!("\n呼叫{}人", names.len()), room)),
        }
    }
    text.push_str(cut(ends, bytes));
    text
}

/// The bot's keyword where the text does not hold it.
fn missing(posting: &Posting, keyword: &Option<String>) -> String {
    match keyword {
        Some(word) if !posting.text.contains(word.as_str()) => format!("\n{word}"),
        _ => String::new(),
    }
}

fn quoted(secret: &Secret) -> String {
    escaped(secret.expose())
}

fn escaped(bytes: &[u8]) -> String {
    url::form_urlencoded::byte_serialize(bytes).collect()
}

fn mac(key: &[u8], message: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

fn dingtalk_sign(ms: i64, secret: &Secret) -> String {
    let message = [ms.to_string().as_bytes(), b"\n", secret.expose()].concat();
    mac(secret.expose(), &message)
}

fn feishu_sign(seconds: i64, secret: &Secret) -> String {
    mac(&[seconds.to_string().as_bytes(), b"\n", secret.expose()].concat(), b"")
}
