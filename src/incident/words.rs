//! Answers with a name of their own, so that a machine may say the same twice and it counts once.
//!
//! A program that got no reply cannot know whether its answer was taken; it says it again under the
//! same name, also after a restart of the hub. The names stand in the answers' facts and the newest of
//! them in the book, so that a repeat is known by the record and not by a memory that a cut may end.
//! A name belongs to the person it was said as: nobody can use up another's. Beyond [`WORDS_MAX`] the
//! oldest is forgotten; what is repeated after that is judged as new, and most moves are harmless twice.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Ignored, Move};
use crate::terms::{IncidentId, NoteId, PersonId, Wall};

/// Longest name of an answer in bytes. Own choice: three UUIDs.
pub const WORD_MAX_BYTES: usize = 128;

/// Names that are remembered. Own choice: the answers to 400 calls, weeks of a centre.
pub const WORDS_MAX: usize = 4_096;

/// What a program calls one answer, so that its repeat is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WordId(Arc<str>);

/// Why a text cannot name an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name for an answer has 1 to {WORD_MAX_BYTES} visible ASCII characters: use a UUID")]
pub struct BadWord;

impl WordId {
    /// Takes 1 to [`WORD_MAX_BYTES`] visible ASCII characters.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn new(text: &str) -> Result<Self, BadWord> {
        let fits = (1..=WORD_MAX_BYTES).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && visible { Ok(Self(Arc::from(text))) } else { Err(BadWord) }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is remembered of a named answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardWord {
    /// The incident.
    pub incident: IncidentId,
    /// What was said.
    pub says: Move,
    /// The note left with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteId>,
    /// Why it changed nothing, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
    /// When it was written down.
    pub wall: Wall,
}

/// The newest named answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(PersonId, WordId, HeardWord)>", into = "Vec<(PersonId, WordId, HeardWord)>")]
pub(super) struct Words {
    heard: BTreeMap<(PersonId, WordId), HeardWord>,
    /// Oldest first.
    order: VecDeque<(PersonId, WordId)>,
}

impl From<Vec<(PersonId, WordId, HeardWord)>> for Words {
    fn from(kept: Vec<(PersonId, WordId, HeardWord)>) -> Self {
        let mut words = Self::default();
        for (by, word, heard) in kept {
            words.keep((by, word), heard);
        }
        words
    }
}

impl From<Words> for Vec<(PersonId, WordId, HeardWord)> {
    fn from(mut words: Words) -> Self {
        let order = std::mem::take(&mut words.order);
        let one = |key: (PersonId, WordId)| {
            let heard = words.heard.remove(&key)?;
            Some((key.0, key.1, heard))
        };
        order.into_iter().filter_map(one).collect()
    }
}

impl Words {
    pub(super) fn get(&self, by: &PersonId, word: &WordId) -> Option<&HeardWord> {
        self.heard.get(&(by.clone(), word.clone()))
    }

    pub(super) fn hear(&mut self, answer: &Answer, ignored: Option<Ignored>, wall: Wall) {
        let Some(word) = answer.word.clone() else { return };
        let Answer { incident, says, note, .. } = *answer;
        let heard = HeardWord { incident, says, note, ignored, wall };
        self.keep((answer.by.clone(), word), heard);
    }

    fn keep(&mut self, key: (PersonId, WordId), heard: HeardWord) {
        if self.heard.insert(key.clone(), heard).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > WORDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.heard.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Via;

    fn answer(word: &str) -> Answer {
        Answer {
            incident: IncidentId(1),
            by: PersonId::new("lina").unwrap(),
            via: Via::Http,
            epoch: None,
            says: Move::Accept,
            note: None,
            word: Some(WordId::new(word).unwrap()),
        }
    }

    #[test]
    fn a_name_is_visible_and_not_too_long() {
        let longest = "x".repeat(WORD_MAX_BYTES);
        for good in ["1", "4dc34b9e-1", longest.as_str(), "a:b/c#+"] {
            assert_eq!(WordId::new(good).unwrap().as_str(), good);
        }
        let longer = "x".repeat(WORD_MAX_BYTES + 1);
        for bad in ["", " ", "a b", "a\n", "安", longer.as_str()] {
            assert_eq!(WordId::new(bad), Err(BadWord), "{bad:?}");
        }
    }

    #[test]
    fn the_oldest_name_is_forgotten_first_and_a_snapshot_keeps_their_order() {
        let mut words = Words::default();
        for n in 0..=WORDS_MAX {
            words.hear(&answer(&n.to_string()), None, Wall(1));
        }
        let by = PersonId::new("lina").unwrap();
        let known = |words: &Words, n: usize| {
            words.get(&by, &WordId::new(&n.to_string()).unwrap()).is_some()
        };
        assert!(!known(&words, 0) && known(&words, 1) && known(&words, WORDS_MAX));
        let text = serde_json::to_string(&words).unwrap();
        let mut back: Words = serde_json::from_str(&text).unwrap();
        assert_eq!(back, words);
        back.hear(&answer("new"), None, Wall(1));
        assert!(!known(&back, 1) && known(&back, 2));
    }
}
