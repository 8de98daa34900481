//! Parts of longer texts, joined in whichever order they come. Pure.
//!
//! A telephone cuts what has more than 70 characters, and a network may bring the second part first.
//! What is held has a limit and an age ([`SETS_MAX`], [`AGE`]); beyond either, what is there is handed in
//! as it is: half an answer may still hold its code, and nothing that somebody wrote is thrown away
//! unread. Where each part lies in the modem's store goes with it, because only then may it be deleted.

use std::collections::BTreeMap;

use super::pdu::{Deliver, Part};
use crate::terms::{At, Wait};

/// Texts of which parts are held at a time. Own choice: as many as a SIM of 50 places can hold halves of.
const SETS_MAX: usize = 24;
/// How long the parts of one text are waited for. Own choice: networks bring them within seconds.
const AGE: Wait = Wait::mins(5);

/// One text, whole as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The sender, as in [`Deliver::from`].
    pub from: String,
    /// The text.
    pub text: String,
    /// When the network took its first part.
    pub sent: String,
    /// Where its parts lie in the store.
    pub places: Vec<u16>,
}

#[derive(Debug)]
struct Set {
    since: At,
    sent: String,
    parts: BTreeMap<u8, (String, u16)>,
}

/// Who sent it, its reference, how many parts it has.
type Name = (String, u16, u8);

/// The parts that are held.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<Name, Set>);

impl Parts {
    /// Takes a message that lies at `place`; what is whole by now, oldest first.
    pub(super) fn take(&mut self, message: Deliver, place: u16, now: At) -> Vec<Whole> {
        let Deliver { from, text, sent, part } = message;
        let Some(Part { reference, total, number }) = part else {
            return vec![Whole { from, text, sent, places: vec![place] }];
        };
        let name = (from, reference, total);
        let fresh = || Set { since: now, sent, parts: BTreeMap::new() };
        let set = self.0.entry(name.clone()).or_insert_with(fresh);
        set.parts.insert(number, (text, place));
        let mut whole = Vec::new();
        if set.parts.len() == usize::from(total) {
            whole.extend(self.0.remove(&name).map(|set| joined(name, set)));
        } else if self.0.len() > SETS_MAX {
            whole.extend(self.oldest());
        }
        whole
    }

    /// What has been waited for long enough.
    pub(super) fn due(&mut self, now: At) -> Vec<Whole> {
        let mut whole = Vec::new();
        while self.0.values().any(|set| now - set.since >= AGE) {
            whole.extend(self.oldest());
        }
        whole
    }

    /// Whether the message at this place is held here.
    pub(super) fn holds(&self, place: u16) -> bool {
        self.0.values().flat_map(|set| set.parts.values()).any(|(_, held)| *held == place)
    }

    fn oldest(&mut self) -> Option<Whole> {
        let name = self.0.iter().min_by_key(|(_, set)| set.since).map(|(name, _)| name.clone())?;
        let set = self.0.remove(&name)?;
        Some(joined(name, set))
    }
}

fn joined((from, _, _): Name, set: Set) -> Whole {
    let (texts, places): (Vec<String>, Vec<u16>) = set.parts.into_values().unzip();
    Whole { from, text: texts.concat(), sent: set.sent, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(reference: u16, total: u8, number: u8) -> Deliver {
        Deliver {
            from: "+8613800138000".to_owned(),
            text: format!("{reference}/{number} "),
            sent: "26112214000023".to_owned(),
            part: Some(Part { reference, total, number }),
        }
    }

    fn texts(whole: &[Whole]) -> Vec<&str> {
        whole.iter().map(|whole| whole.text.as_str()).collect()
    }

    #[test]
    fn parts_that_come_the_wrong_way_round_are_read_the_right_way() {
        let mut parts = Parts::default();
        assert!(parts.take(part(7, 3, 3), 1, At(0)).is_empty());
        assert!(parts.take(part(7, 3, 3), 1, At(0)).is_empty(), "listed again");
        assert!(parts.take(part(8, 2, 2), 2, At(0)).is_empty());
        assert!(parts.take(part(7, 3, 1), 3, At(0)).is_empty());
        assert!(parts.holds(3) && !parts.holds(4));
        let whole = parts.take(part(7, 3, 2), 4, At(0));
        assert_eq!(texts(&whole), ["7/1 7/2 7/3 "]);
        assert_eq!(whole[0].places, [3, 4, 1]);
        assert!(!parts.holds(3) && parts.holds(2));
    }

    #[test]
    fn what_never_becomes_whole_is_handed_in_as_it_is() {
        let mut parts = Parts::default();
        parts.take(part(1, 2, 2), 1, At(0));
        assert!(parts.due(At(0) + AGE + Wait(0)).len() == 1 && parts.due(At(u64::MAX)).is_empty());
        let mut out = Vec::new();
        for n in 0..=u16::try_from(SETS_MAX).unwrap() {
            out.extend(parts.take(part(n, 2, 1), n, At(u64::from(n))));
        }
        assert_eq!(texts(&out), ["0/1 "], "the oldest makes room");
    }
}
