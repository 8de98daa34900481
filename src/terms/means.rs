//! What one word of a device means, as `devices.toml` and the tables of models write it.

use serde::{Deserialize, Serialize};

use super::{Kind, Sign, What};

/// What a word means: `sos`, `smoke`, `smoke off`, `smoke test`, `cancel`, `open`, `ignore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Means {
    /// This.
    Says(What),
    /// The device tests itself for this kind: recorded, nobody is called.
    Test(Kind),
    /// Nothing but that the device is alive.
    Nothing,
}

/// The words of signs: doors, movement, people.
const SIGNS: [(&str, Sign); 6] = [
    ("open", Sign::Open),
    ("closed", Sign::Closed),
    ("motion", Sign::Motion),
    ("still", Sign::Still),
    ("present", Sign::Present),
    ("absent", Sign::Absent),
];

impl Means {
    /// The words that may stand beside those of the kinds.
    pub const OTHER_WORDS: [&str; 8] =
        ["cancel", "ignore", "open", "closed", "motion", "still", "present", "absent"];

    /// The meaning of a word: a kind's, a kind's with `off` or `test` behind it, or one of
    /// [`Means::OTHER_WORDS`]. `off` belongs to what lasts only.
    pub fn from_word(word: &str) -> Option<Self> {
        if let Some((kind, turn)) = word.split_once(' ') {
            let kind = Kind::from_word(kind).filter(|kind| kind.is_a_devices())?;
            return match turn {
                "off" if kind.lasts() => Some(Self::Says(What::Level { kind, on: false })),
                "test" => Some(Self::Test(kind)),
                _ => None,
            };
        }
        if let Some(kind) = Kind::from_word(word).filter(|kind| kind.is_a_devices()) {
            return Some(Self::Says(What::begins(kind)));
        }
        let sign = SIGNS.iter().find(|(name, _)| *name == word).map(|(_, sign)| *sign);
        match word {
            "cancel" => Some(Self::Says(What::Cancel)),
            "ignore" => Some(Self::Nothing),
            _ => sign.map(|sign| Self::Says(What::Sign(sign))),
        }
    }

    /// The kind it is about, if it begins one.
    pub fn calls(self) -> Option<Kind> {
        match self {
            Self::Says(What::Pulse(kind) | What::Level { kind, on: true }) => Some(kind),
            _ => None,
        }
    }
}

impl TryFrom<String> for Means {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Self::from_word(&word).ok_or_else(|| format!("{word} is no meaning"))
    }
}

impl From<Means> for String {
    fn from(means: Means) -> Self {
        match means {
            Means::Says(What::Pulse(kind) | What::Level { kind, on: true }) => kind.word().into(),
            Means::Says(What::Level { kind, on: false }) => format!("{kind} off"),
            Means::Says(What::Cancel) => "cancel".into(),
            Means::Says(What::Sign(sign)) => {
                let found = SIGNS.iter().find(|(_, known)| *known == sign);
                found.map_or_else(String::new, |(word, _)| (*word).to_owned())
            }
            Means::Test(kind) => format!("{kind} test"),
            Means::Nothing | Means::Says(_) => "ignore".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_what_it_says_and_is_written_back() {
        for word in ["sos", "smoke", "smoke off", "smoke test", "water off", "cancel", "open"] {
            let means = Means::from_word(word).unwrap();
            assert_eq!(String::from(means), word);
        }
        assert_eq!(Means::from_word("fall"), Some(Means::Says(What::Pulse(Kind::Fall))));
        assert_eq!(Means::from_word("ignore"), Some(Means::Nothing));
        for none in ["", "sos off", "fire", "smoke on", "smoke  off", "cancel off", "disk"] {
            assert_eq!(Means::from_word(none), None, "{none}");
        }
        assert!(Means::OTHER_WORDS.iter().all(|word| Means::from_word(word).is_some()));
    }
}
