//! The pass in a one-tap link: which incident, which call, which person, until when.
//!
//! A pass is those four and a tag over them (HMAC-SHA-256, cut to 16 bytes: 2¹²⁸ guesses), so the
//! hub keeps no table of links and a restart forgets none. It names one person and one call; the
//! answer it carries is judged by the engine like any other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::terms::{IncidentId, PersonId, Secret, Wall};

/// Bytes of the tag. Own choice: as strong as the key of a session, and the link still fits an SMS.
const TAG: usize = 16;
/// Bytes before the person's name: incident 8, epoch 4, expiry 8.
const HEAD: usize = 20;
/// Longest pass that is looked at, in characters: the longest id, twice over.
pub const PASS_MAX_CHARS: usize = 256;

/// What a pass says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The incident.
    pub incident: IncidentId,
    /// The call it was sent with.
    pub epoch: u32,
    /// The person it was sent to.
    pub person: PersonId,
    /// The wall time after which it changes nothing.
    pub until: Wall,
}

impl Pass {
    /// The pass as it stands in a link: letters, digits, `-` and `_`.
    pub fn sign(&self, key: &Secret) -> String {
        let mut bytes = Vec::with_capacity(HEAD + self.person.as_str().len() + TAG);
        bytes.extend(self.incident.0.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.until.0.to_be_bytes());
        bytes.extend(self.person.as_str().as_bytes());
        let tag = tagged(key, &bytes).finalize().into_bytes();
        bytes.extend(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a pass that this hub has signed; nothing else.
    pub fn verify(text: &str, key: &Secret) -> Option<Self> {
        if text.len() > PASS_MAX_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        tagged(key, said).verify_truncated_left(tag).ok()?;
        let (head, person) = said.split_at_checked(HEAD)?;
        Some(Self {
            incident: IncidentId(u64::from_be_bytes(head[..8].try_into().ok()?)),
            epoch: u32::from_be_bytes(head[8..12].try_into().ok()?),
            until: Wall(i64::from_be_bytes(head[12..].try_into().ok()?)),
            person: PersonId::new(std::str::from_utf8(person).ok()?).ok()?,
        })
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn tagged(key: &Secret, bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("any length is a key");
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() -> Pass {
        Pass {
            incident: IncidentId(17),
            epoch: 2,
            person: PersonId::new("zhangmin").unwrap(),
            until: Wall(1_795_307_405_000),
        }
    }

    #[test]
    fn a_pass_says_what_was_signed_and_fits_a_link() {
        let key = Secret::new("k");
        let text = pass().sign(&key);
        assert_eq!(Pass::verify(&text, &key), Some(pass()));
        assert!(text.len() < 80, "{text}");
    }

    #[test]
    fn no_changed_cut_or_foreign_pass_is_read() {
        let key = Secret::new("k");
        let text = pass().sign(&key);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(Pass::verify(&changed, &key), None, "changed at {at}");
            assert_eq!(Pass::verify(&text[..at], &key), None, "cut at {at}");
        }
        assert_eq!(Pass::verify(&text, &Secret::new("another hub's")), None);
        assert_eq!(Pass::verify(&"A".repeat(10_000), &key), None);
    }
}
