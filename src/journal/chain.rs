//! The hash chain: every frame names the SHA-256 of the frame before it, so that nothing can be
//! taken out, changed or put in without every later hash being wrong.

use std::fmt;

use crate::terms::Seq;

/// A SHA-256 of one whole frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first frame of all.
    pub const NONE: Self = Self([0; 32]);

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = Self::NONE;
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, place) in hash.0.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
        }
        Some(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// Where the chain stands: the newest sequence and the hash of the newest frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The newest sequence; 0 in an empty journal.
    pub seq: Seq,
    /// The newest frame's hash.
    pub hash: Hash,
}

impl Head {
    /// The head of a journal in which nothing stands.
    pub const START: Self = Self { seq: Seq(0), hash: Hash::NONE };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_read_as_hexadecimal_digits() {
        let hash = Hash(std::array::from_fn(|n| n as u8 * 8));
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(Hash::from_hex("00"), None);
        assert_eq!(Hash::from_hex(&"zz".repeat(32)), None);
    }
}
