//! One entry: a time of the hub, a time for people, and bytes whose meaning other rooms know.
//! On disk: `at` u64, `wall` i64, length u32, all little-endian, then the bytes. The sequence is not
//! written; it follows from the frame's first one.

use crate::terms::{At, Seq, Wall};

use super::error::JournalError;

/// Longest body of an entry in bytes (16 KiB). Own choice: the largest
/// fact, a policy's text, fits with room to spare.
pub const ENTRY_MAX: usize = 16 * 1024;

/// Bytes an entry has on disk beside its body.
pub(super) const ENTRY_HEAD: usize = 20;

/// An entry that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    at: At,
    wall: Wall,
    body: Vec<u8>,
}

impl Draft {
    /// Takes an entry's body of at most [`ENTRY_MAX`] bytes.
    ///
    /// # Errors
    /// [`JournalError::TooLong`] when the body is longer.
    pub fn new(at: At, wall: Wall, body: Vec<u8>) -> Result<Self, JournalError> {
        if body.len() > ENTRY_MAX {
            return Err(JournalError::TooLong {
                what: "entry",
                found: body.len(),
                limit: ENTRY_MAX,
            });
        }
        Ok(Self { at, wall, body })
    }

    /// Hub time.
    pub fn at(&self) -> At {
        self.at
    }

    /// Wall time.
    pub fn wall(&self) -> Wall {
        self.wall
    }

    /// What is to be remembered.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes on disk.
    pub(super) fn length(&self) -> usize {
        ENTRY_HEAD + self.body.len()
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.at.0.to_le_bytes());
        out.extend_from_slice(&self.wall.0.to_le_bytes());
        out.extend_from_slice(&(self.body.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.body);
    }
}

/// An entry that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal.
    pub seq: Seq,
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
    /// What was remembered, byte for byte.
    pub body: Vec<u8>,
}

/// An entry as it lies in a frame, not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lying<'a> {
    pub seq: Seq,
    pub at: At,
    pub wall: Wall,
    pub body: &'a [u8],
}

impl Lying<'_> {
    pub(super) fn to_record(self) -> Record {
        Record { seq: self.seq, at: self.at, wall: self.wall, body: self.body.to_vec() }
    }

    pub(super) fn to_draft(self) -> Draft {
        Draft { at: self.at, wall: self.wall, body: self.body.to_vec() }
    }
}

/// Takes the next entry off the front of `rest`; `None` when none lies there whole.
pub(super) fn take_entry<'a>(rest: &mut &'a [u8], seq: Seq) -> Option<Lying<'a>> {
    let (at, after) = rest.split_first_chunk::<8>()?;
    let (wall, after) = after.split_first_chunk::<8>()?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > ENTRY_MAX {
        return None;
    }
    let (body, after) = after.split_at_checked(length)?;
    *rest = after;
    let (at, wall) = (At(u64::from_le_bytes(*at)), Wall(i64::from_le_bytes(*wall)));
    Some(Lying { seq, at, wall, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_beyond_sixteen_kib_is_refused_where_it_is_made() {
        assert!(Draft::new(At(1), Wall(1), vec![b'x'; ENTRY_MAX]).is_ok());
        let refused = Draft::new(At(1), Wall(1), vec![b'x'; ENTRY_MAX + 1]);
        assert!(
            matches!(refused, Err(JournalError::TooLong { found, .. }) if found == ENTRY_MAX + 1)
        );
    }
}
