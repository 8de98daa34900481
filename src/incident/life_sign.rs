//! What counts as a sign that a resident is up and well.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::terms::{Kind, Sign, What};

/// A sign of life, in the words of `[life.NAME]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeSign {
    /// A door or window was opened or closed.
    Door,
    /// Something moved, or somebody is there.
    Motion,
    /// Somebody left the bed.
    Bed,
    /// Water was used.
    Water,
    /// A meal was taken.
    Meal,
    /// The resident pressed a key: the check-in key, or any other.
    CheckIn,
    /// A person spoke with the resident, or saw them.
    CallBack,
}

impl LifeSign {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Door,
        Self::Motion,
        Self::Bed,
        Self::Water,
        Self::Meal,
        Self::CheckIn,
        Self::CallBack,
    ];

    /// The word in config and facts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Door => "door",
            Self::Motion => "motion",
            Self::Bed => "bed",
            Self::Water => "water",
            Self::Meal => "meal",
            Self::CheckIn => "check_in",
            Self::CallBack => "call_back",
        }
    }

    /// The sign of a word, the inverse of [`LifeSign::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sign| sign.word() == word)
    }

    /// Whether a person did it on purpose: such a sign counts wherever signs of life are asked for.
    pub fn is_deliberate(self) -> bool {
        matches!(self, Self::Meal | Self::CheckIn | Self::CallBack)
    }

    /// What a message is a sign of by itself; none where nobody needs to have done anything.
    pub fn of(what: What) -> Option<Self> {
        match what {
            What::Sign(Sign::Open | Sign::Closed) => Some(Self::Door),
            What::Sign(Sign::Motion | Sign::Present) => Some(Self::Motion),
            What::Pulse(Kind::BedExit) => Some(Self::Bed),
            What::Pulse(Kind::Sos | Kind::Service) | What::Cancel => Some(Self::CheckIn),
            What::Sign(Sign::Still | Sign::Absent)
            | What::Pulse(_)
            | What::Level { .. }
            | What::Presence { .. }
            | What::Telemetry => None,
        }
    }
}

impl fmt::Display for LifeSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
