//! A fact with its place in the record, and the bytes that the journal keeps of it.

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::terms::{At, Seq, Wall};

/// One applied or applicable fact with its place in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence.
    pub seq: Seq,
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
    /// Whether the wall time could be trusted.
    pub trusted: bool,
    /// What happened.
    pub fact: Fact,
}

/// The part of an entry that the journal keeps as bytes; sequence and times stand in its frame.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untrusted: bool,
    fact: std::borrow::Cow<'a, Fact>,
}

impl Entry {
    /// The bytes the journal keeps: one JSON object.
    pub fn to_body(&self) -> Vec<u8> {
        let body = Body { untrusted: !self.trusted, fact: std::borrow::Cow::Borrowed(&self.fact) };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Reads an entry back from the journal's bytes; an error names what is wrong with them.
    pub fn from_body(
        seq: Seq,
        at: At,
        wall: Wall,
        bytes: &[u8],
    ) -> Result<Self, serde_json::Error> {
        let body: Body<'_> = serde_json::from_slice(bytes)?;
        let fact = body.fact.into_owned();
        Ok(Self { seq, at, wall, trusted: !body.untrusted, fact })
    }
}
