//! Ids: short texts that people type and read, and numbers that the hub gives out itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest id in bytes. Own choice: a Zigbee2MQTT friendly name of 40 Chinese characters fits.
pub const ID_MAX_BYTES: usize = 128;

/// Why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Nothing but blanks was given.
    #[error("an id may not be empty: give it one to {ID_MAX_BYTES} bytes")]
    Empty,
    /// Longer than [`ID_MAX_BYTES`].
    #[error("an id may have at most {ID_MAX_BYTES} bytes: shorten it")]
    TooLong,
    /// A control character, a blank at either end, or one of `+ # :` that topics and addresses use.
    #[error("an id may not hold {0:?}: use letters, digits, Chinese characters, - _ . or /")]
    Character(char),
}

fn checked(text: &str) -> Result<Arc<str>, BadId> {
    if text.trim().is_empty() {
        return Err(BadId::Empty);
    }
    if text.len() > ID_MAX_BYTES {
        return Err(BadId::TooLong);
    }
    if let Some(bad) =
        text.chars().find(|c| c.is_control() || matches!(c, '+' | '#' | ':') || c.is_whitespace())
    {
        return Err(BadId::Character(bad));
    }
    Ok(Arc::from(text))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a text: 1 to [`ID_MAX_BYTES`] bytes without blanks, control
            /// characters or `+ # :`.
            pub fn new(text: &str) -> Result<Self, BadId> {
                checked(text).map(Self)
            }

            /// The id as it is written in files, topics and messages.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

text_id!(
    /// This hub, as the district knows it; the second part of every native topic.
    HubId
);
text_id!(
    /// A device. Registered ids hold no `:`; a device nobody registered is known by the address it
    /// was heard under, which always holds one (see [`DeviceId::unregistered`]).
    DeviceId
);
text_id!(
    /// A resident.
    ResidentId
);
text_id!(
    /// A home, a room of the centre, or a place like a corridor.
    HomeId
);
text_id!(
    /// A person who may be called or may answer.
    PersonId
);
text_id!(
    /// A line of the roster: `first`, `second`, `lead`.
    LineId
);
text_id!(
    /// A home-care bed: a contract for one resident at home.
    BedId
);
text_id!(
    /// A station of the site, one of several that one hub serves.
    StationId
);
text_id!(
    /// A wire into the hub: `broker`, `serial.front`.
    LinkId
);
text_id!(
    /// A machine that is told the story: the name of a webhook.
    EndpointId
);

impl DeviceId {
    /// The id of a device that stands in no list: its family and the name it was heard under.
    /// Over-long names are cut at a character, so any heard name has an id.
    pub fn unregistered(family: &str, heard_as: &str) -> Self {
        let mut text = format!("{family}:{heard_as}");
        text.retain(|c| !c.is_control());
        while text.len() > ID_MAX_BYTES {
            text.pop();
        }
        Self(Arc::from(text))
    }

    /// Whether this id is an address of a device that nobody registered.
    pub fn is_unregistered(&self) -> bool {
        self.0.contains(':')
    }
}

/// An incident's running number on this hub, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A note's running number on this hub, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoteId(pub u64);

/// An import's running number on this hub, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportId(pub u64);

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The running number of a change of the duty plan on this hub, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DutyChangeId(pub u64);

impl fmt::Display for DutyChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The running number of a technician's work on this hub, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkId(pub u64);

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sequence of an entry in the journal, from 1, without gaps.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The sequence after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The short name of an open incident that people say and type: one letter by class and at least two
/// digits, `A17`. Unique among open incidents and not given again for 24 h after closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    letter: char,
    number: u32,
}

impl Code {
    /// Highest number a code can have. Own choice: a hundred storms of 10,000 at once.
    pub const NUMBER_MAX: u32 = 999_999;

    /// A code from a letter `A`–`Z` and a number from 1 to [`Code::NUMBER_MAX`].
    pub fn new(letter: char, number: u32) -> Option<Self> {
        (letter.is_ascii_uppercase() && (1..=Self::NUMBER_MAX).contains(&number))
            .then_some(Self { letter, number })
    }

    /// The class's letter.
    pub fn letter(self) -> char {
        self.letter
    }

    /// The number behind the letter.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Reads what a person typed: full-width letters and digits, lower case and blanks are
    /// accepted.
    pub fn parse(text: &str) -> Option<Self> {
        let mut plain = text.chars().filter(|c| !c.is_whitespace()).map(half_width);
        let letter = plain.next()?.to_ascii_uppercase();
        let digits: String = plain.collect();
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        Self::new(letter, digits.parse().ok()?)
    }
}

/// Full-width letters and digits stand 0xFEE0 above their ASCII twins.
fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        other => other,
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{:02}", self.letter, self.number))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an incident code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_refuses_what_a_topic_could_not_carry() {
        assert_eq!(PersonId::new(" "), Err(BadId::Empty));
        assert_eq!(DeviceId::new("a+b"), Err(BadId::Character('+')));
        assert_eq!(DeviceId::new("z2m:x"), Err(BadId::Character(':')));
        assert_eq!(DeviceId::new(&"x".repeat(129)), Err(BadId::TooLong));
        assert!(DeviceId::new("三号楼/501-按钮").is_ok());
    }

    #[test]
    fn any_name_that_was_heard_has_an_id_and_is_marked_unregistered() {
        let id = DeviceId::unregistered("zigbee2mqtt", &"长".repeat(90));
        assert!(id.as_str().len() <= ID_MAX_BYTES && id.is_unregistered());
        assert!(!DeviceId::new("B-14").unwrap().is_unregistered());
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let a17 = Code::new('A', 17).unwrap();
        for typed in ["A17", "a17", " A 17 ", "Ａ１７", "A017"] {
            assert_eq!(Code::parse(typed), Some(a17), "{typed}");
        }
        for wrong in ["", "17", "A", "A0", "AA1", "A1x", "A9999999"] {
            assert_eq!(Code::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Code::new('S', 8).unwrap().to_string(), "S08");
    }
}
