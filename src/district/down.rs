//! What a platform says to us: a take-over or a note, one JSON object each.
//!
//! `{"id": "…", "type": "take-over" | "note", "incident": "A01", "text": "…"}`. The id is the
//! platform's own; the record knows it, so the same message counts once however often it comes. The
//! incident is named by its code, or by its number where the platform kept that. Codes are given
//! again after a day, so a message may say with `hub` and `epoch` what it means more exactly. What
//! cannot be read is never acted on: it is told to the desk as what it is, and under its id where that
//! can be read, so that the platform may hear that it has come.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::incident::{Move, WordId};
use crate::terms::{Code, EndpointId, HubId, IncidentId, Receipt};

/// Longest message in bytes. Own choice: the longest note with everything around it, twice.
pub const MESSAGE_MAX_BYTES: usize = 8 * 1024;

/// Messages that one answer over HTTPS may bring; the rest is left out and comes again.
pub const MESSAGES_MAX: usize = 32;

/// A message on its way to the desk.
#[derive(Debug)]
pub struct Heard {
    /// Which platform said it.
    pub platform: EndpointId,
    /// The platform's own name for it, where it can be read, also of what means nothing.
    pub id: Option<WordId>,
    /// SHA-256 of what came, where it has no such name: by it the same is known again. `None` where it
    /// was too large to be read.
    pub digest: Option<[u8; 32]>,
    /// What it said, or why that means nothing.
    pub message: Result<Message, Misfit>,
    /// Settled once it is on disk.
    pub receipt: Receipt,
}

/// An incident as a platform names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// By its code.
    Code(Code),
    /// By its number.
    Number(IncidentId),
}

/// What a platform said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The platform's own name for it.
    pub id: WordId,
    /// About which incident.
    pub incident: Meant,
    /// The epoch it answers to, where it says so.
    pub epoch: Option<u32>,
    /// [`Move::TakeOver`] or [`Move::Note`].
    pub says: Move,
    /// In these words; a note has some.
    pub text: Option<String>,
}

/// Why a message means nothing, as a sentence's end: "… said something that …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Misfit {
    /// Longer than [`MESSAGE_MAX_BYTES`].
    #[error("is longer than {MESSAGE_MAX_BYTES} bytes")]
    TooLong,
    /// Longer than any packet that is taken, which costs the session.
    #[error(
        "is longer than a packet may be; what was said right after it may be lost: have it said again"
    )]
    NoPacket,
    /// Not a JSON object.
    #[error("is no JSON object")]
    NoObject,
    /// Without an id that can be kept.
    #[error("has no `id` of 1 to 128 visible ASCII characters")]
    NoId,
    /// Its `type` is none of ours.
    #[error("is neither a take-over nor a note")]
    UnknownType,
    /// Its `incident` is neither code nor number.
    #[error("names no incident by code or number")]
    NoIncident,
    /// Its `hub` is another one.
    #[error("is for another hub")]
    AnotherHub,
    /// A note without words.
    #[error("is a note without `text`")]
    NoText,
    /// A value of the wrong type.
    #[error("has a `text`, `hub` or `epoch` of the wrong type")]
    WrongType,
}

/// One message as it came.
pub(super) struct Told {
    pub(super) id: Option<WordId>,
    pub(super) digest: Option<[u8; 32]>,
    pub(super) message: Result<Message, Misfit>,
}

impl Told {
    /// A packet that was too large to be read.
    pub(super) fn unread() -> Self {
        Self { id: None, digest: None, message: Err(Misfit::NoPacket) }
    }

    /// Something without a name that means nothing.
    fn misfit(why: Misfit, bytes: &[u8]) -> Self {
        Self { id: None, digest: Some(Sha256::digest(bytes).into()), message: Err(why) }
    }

    fn of(value: &Value, message: Result<Message, Misfit>) -> Self {
        let id = id(value);
        let digest = id.is_none().then(|| Sha256::digest(value.to_string()).into());
        Self { id, digest, message }
    }

    /// Reads one message.
    pub(super) fn read(bytes: &[u8], hub: &HubId) -> Self {
        if bytes.len() > MESSAGE_MAX_BYTES {
            return Self::misfit(Misfit::TooLong, bytes);
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => Self::of(&value, Message::of(&value, hub)),
            Err(_) => Self::misfit(Misfit::NoObject, bytes),
        }
    }

    /// The messages that an answer over HTTPS brings in its `down`, each with the length it has as
    /// text.
    pub(super) fn all(down: &Value, hub: &HubId) -> Vec<Self> {
        let Some(list) = down.as_array() else {
            return vec![Self::of(down, Err(Misfit::NoObject))];
        };
        let long = |value: &Value| value.to_string().len() > MESSAGE_MAX_BYTES;
        let read = |value: &Value| {
            let message = match long(value) {
                true => Err(Misfit::TooLong),
                false => Message::of(value, hub),
            };
            Self::of(value, message)
        };
        list.iter().take(MESSAGES_MAX).map(read).collect()
    }
}

/// The platform's own name for a message, where it can be kept.
fn id(value: &Value) -> Option<WordId> {
    value.get("id")?.as_str().and_then(|id| WordId::new(id).ok())
}

impl Message {
    fn of(value: &Value, hub: &HubId) -> Result<Self, Misfit> {
        let object = value.as_object().ok_or(Misfit::NoObject)?;
        let id = id(value).ok_or(Misfit::NoId)?;
        let says = match text(object, "type")? {
            Some("take-over") => Move::TakeOver,
            Some("note") => Move::Note,
            _ => return Err(Misfit::UnknownType),
        };
        if text(object, "hub")?.is_some_and(|named| named != hub.as_str()) {
            return Err(Misfit::AnotherHub);
        }
        let incident = match object.get("incident") {
            Some(Value::String(code)) => Code::parse(code).map(Meant::Code),
            Some(Value::Number(number)) => number.as_u64().map(|id| Meant::Number(IncidentId(id))),
            _ => None,
        };
        let epoch = match object.get("epoch") {
            None | Some(Value::Null) => None,
            Some(said) => {
                let number = said.as_u64().and_then(|number| u32::try_from(number).ok());
                Some(number.ok_or(Misfit::WrongType)?)
            }
        };
        let text = text(object, "text")?.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        if says == Move::Note && text.is_none() {
            return Err(Misfit::NoText);
        }
        Ok(Self { id, incident: incident.ok_or(Misfit::NoIncident)?, epoch, says, text })
    }
}

fn text<'o>(object: &'o Map<String, Value>, key: &str) -> Result<Option<&'o str>, Misfit> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) if key == "type" => Err(Misfit::UnknownType),
        Some(_) => Err(Misfit::WrongType),
    }
}

/// The topic of events to a platform.
pub fn up_topic(hub: &HubId) -> String {
    format!("anling/v1/{hub}/up")
}

/// The topic on which a platform speaks.
pub fn down_topic(hub: &HubId) -> String {
    format!("anling/v1/{hub}/down")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> HubId {
        HubId::new("zs-yunjian").unwrap()
    }

    fn read(text: &str) -> Result<Message, Misfit> {
        Told::read(text.as_bytes(), &hub()).message
    }

    #[test]
    fn what_means_nothing_has_its_name_all_the_same() {
        let long = "x".repeat(MESSAGE_MAX_BYTES);
        let down = serde_json::json!([
            {"id": "80", "type": "resolve"},
            {"id": "81", "type": "note", "text": long},
            {"id": "a b"},
            {"id": 7},
            "x",
        ]);
        let names: Vec<Option<String>> =
            Told::all(&down, &hub()).into_iter().map(|told| Some(told.id?.to_string())).collect();
        assert_eq!(names, [Some("80".to_owned()), Some("81".to_owned()), None, None, None]);
    }

    #[test]
    fn what_has_no_name_is_known_by_its_content() {
        let all = |down: Value| -> Vec<Option<[u8; 32]>> {
            Told::all(&down, &hub()).into_iter().map(|told| told.digest).collect()
        };
        let came = all(serde_json::json!([{"type": "note"}, {"type": "take-over"}, {"id": "1"}]));
        assert!(came[0].is_some() && came[1].is_some() && came[0] != came[1]);
        assert_eq!(came[2], None, "it has a name");
        assert_eq!(all(serde_json::json!([{"type": "note"}])), came[..1]);
        assert!(all(serde_json::json!("x"))[0].is_some());
        let read = |bytes: &[u8]| Told::read(bytes, &hub()).digest;
        assert!(read(b"{").is_some() && read(b"{") != read(b"["));
    }

    #[test]
    fn a_take_over_needs_no_words_and_a_note_does() {
        let said = read(r#"{"id":"7f","type":"take-over","incident":"A01"}"#).unwrap();
        assert_eq!((said.says, said.text), (Move::TakeOver, None));
        assert_eq!(said.incident, Meant::Code(Code::new('A', 1).unwrap()));
        let note = r#"{"id":"8","type":"note","incident":12,"hub":"zs-yunjian","epoch":2,"text":"家属已通知"}"#;
        let said = read(note).unwrap();
        assert_eq!((said.incident, said.epoch), (Meant::Number(IncidentId(12)), Some(2)));
        assert_eq!(said.text.as_deref(), Some("家属已通知"));
        assert_eq!(
            read(r#"{"id":"8","type":"note","incident":"A01","text":" "}"#),
            Err(Misfit::NoText)
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told_as_what_it_is() {
        for (text, why) in [
            ("", Misfit::NoObject),
            ("[]", Misfit::NoObject),
            ("{\"id\":\"1\"", Misfit::NoObject),
            (r#"{"type":"note","incident":"A01","text":"x"}"#, Misfit::NoId),
            (r#"{"id":7,"type":"note","incident":"A01","text":"x"}"#, Misfit::NoId),
            (r#"{"id":"a b","type":"note","incident":"A01","text":"x"}"#, Misfit::NoId),
            (r#"{"id":"1","type":"resolve","incident":"A01"}"#, Misfit::UnknownType),
            (r#"{"id":"1","type":"take-over"}"#, Misfit::NoIncident),
            (r#"{"id":"1","type":"take-over","incident":"../A01"}"#, Misfit::NoIncident),
            (r#"{"id":"1","type":"take-over","incident":-1}"#, Misfit::NoIncident),
            (
                r#"{"id":"1","type":"take-over","incident":"A01","hub":"zs-other"}"#,
                Misfit::AnotherHub,
            ),
            (r#"{"id":"1","type":"take-over","incident":"A01","hub":3}"#, Misfit::WrongType),
            (r#"{"id":"1","type":"take-over","incident":"A01","epoch":-3}"#, Misfit::WrongType),
            (r#"{"id":"1","type":"note","incident":"A01","text":3}"#, Misfit::WrongType),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
        let long =
            format!(r#"{{"id":"1","type":"note","text":"{}"}}"#, "x".repeat(MESSAGE_MAX_BYTES));
        assert_eq!(read(&long), Err(Misfit::TooLong));
    }

    #[test]
    fn no_bytes_stop_the_reader() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300))| {
            let _ = Told::read(&bytes, &hub());
        });
    }
}
