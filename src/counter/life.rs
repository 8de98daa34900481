//! Signs of life, as they are asked about and said.

use serde::{Deserialize, Serialize};

use super::When;
use crate::terms::{PersonId, ResidentId, Wall};

/// What a person says of a resident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeAsk {
    /// They are away, or back.
    Away {
        /// Who.
        resident: ResidentId,
        /// Until when; none says that they are back.
        until: Option<When>,
        /// Who says so.
        by: PersonId,
    },
    /// Somebody spoke with them or saw them: a sign of life.
    Well {
        /// Who.
        resident: ResidentId,
        /// Who says so.
        by: PersonId,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidentView {
    /// Who.
    pub resident: ResidentId,
    /// Their name; may be empty.
    pub name: String,
    /// Until when they are away, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_until: Option<Wall>,
    /// Whether this is on disk.
    pub on_disk: bool,
}

/// How signs of life stand, one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeView {
    /// The rule.
    pub rule: String,
    /// How many residents it watches.
    pub watched: usize,
    /// How many of them are away.
    pub away: usize,
    /// When its last window ended, where one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
    /// The places of those who gave no sign in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// How many could not be heard in it.
    #[serde(default)]
    pub unheard: u32,
    /// Why nobody was judged in it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<String>,
}
