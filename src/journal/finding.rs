//! What reading the journal brought to light. A finding is a value: the desk writes it down as a
//! fact and raises a fault; it never stops a start.

use std::fmt;

use crate::terms::Seq;

/// Something about the journal that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The last write was cut off by a power cut or a kill; nobody had been answered for it.
    TornTail {
        /// The file.
        segment: String,
        /// Where the torn bytes began.
        offset: u64,
        /// How many there were.
        bytes: u64,
        /// The file that keeps them now; `None` while they still stand where they were.
        kept_in: Option<String>,
    },
    /// Bytes that were once good are not any more. They stay where they are.
    Damaged {
        /// The file.
        segment: String,
        /// Where the damage begins.
        offset: u64,
        /// How many bytes cannot be used.
        bytes: u64,
        /// The entries that are lost with them; `None` when none are.
        lost: Option<Lost>,
        /// What is wrong.
        why: Why,
    },
    /// Entries that should stand before this file are in no file.
    Missing {
        /// The file after the hole.
        before: String,
        /// The entries.
        lost: Lost,
    },
    /// A good frame does not follow from the one before it: something was changed or put in.
    ChainBroken {
        /// The file.
        segment: String,
        /// Where the frame begins.
        offset: u64,
        /// The frame's first sequence.
        seq: Seq,
    },
    /// A frame stands twice; the second one was skipped.
    Repeated {
        /// The file.
        segment: String,
        /// Where the second one begins.
        offset: u64,
        /// Its first sequence.
        seq: Seq,
    },
    /// Bytes that may never have reached the disk; what they held stands again in a later file.
    Superseded {
        /// The file.
        segment: String,
        /// Where they begin.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
    /// Sequences that were left out: their entries never reached the disk and a snapshot stands for
    /// them, or a box was replaced and nobody knows whether the old one had used them.
    Gap {
        /// The entries.
        lost: Lost,
    },
    /// A snapshot cannot be used; an older one, or the records themselves, took its place.
    SnapshotDamaged {
        /// The file's name before it was set aside.
        file: String,
        /// What is wrong.
        why: Why,
    },
    /// The disk cannot be written: the journal runs in memory.
    Unwritable {
        /// What the system said.
        error: String,
    },
    /// The folder could not be taken for this process alone; it runs without that protection.
    Unlocked {
        /// What the system said.
        error: String,
    },
}

/// A run of lost sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The first one.
    pub first: Seq,
    /// The last one; `None` when nothing behind the damage tells.
    pub last: Option<Seq>,
}

/// What is wrong with damaged bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A checksum disagrees.
    Checksum,
    /// No frame begins where one should.
    NoFrame,
    /// The entries inside make no sense.
    Entries,
    /// A file ends in the middle of a frame although others follow it.
    CutShort,
    /// The file's header is wrong.
    Header,
    /// The file was written by a newer program.
    Newer,
    /// The disk refuses to read it.
    Unreadable(String),
}

impl Finding {
    /// Whether something that was once written is not as it was. A torn tail, a gap that was
    /// counted and what a failing disk left over are not damage.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::ChainBroken { .. }
            | Self::Repeated { .. }
            | Self::SnapshotDamaged { .. } => true,
            Self::TornTail { .. }
            | Self::Superseded { .. }
            | Self::Gap { .. }
            | Self::Unwritable { .. }
            | Self::Unlocked { .. } => false,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "entry {}", self.first),
            Some(last) => write!(f, "entries {} to {last}", self.first),
            None => write!(f, "entries from {} on", self.first),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("the checksum is wrong"),
            Self::NoFrame => f.write_str("no frame begins here"),
            Self::Entries => f.write_str("the entries make no sense"),
            Self::CutShort => f.write_str("it ends in the middle"),
            Self::Header => f.write_str("the file's header is wrong"),
            Self::Newer => f.write_str("a newer program wrote it"),
            Self::Unreadable(error) => write!(f, "the disk cannot read it ({error})"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { segment, offset, bytes, kept_in } => {
                write!(
                    f,
                    "{segment} at {offset}: the last {bytes} bytes were still being written; "
                )?;
                match kept_in {
                    Some(file) => {
                        write!(f, "nobody was answered for them, they are kept in {file}")
                    }
                    None => f.write_str("nobody was answered for them"),
                }
            }
            Self::Damaged { segment, offset, bytes, lost, why } => {
                write!(f, "{segment} at {offset}: {bytes} bytes are damaged, {why}; ")?;
                match lost {
                    Some(lost) => {
                        write!(f, "{lost} lost, check the disk and restore from the district")
                    }
                    None => f.write_str("no entry is lost, check the disk"),
                }
            }
            Self::Missing { before, lost } => {
                write!(f, "{lost} missing before {before}; look for a deleted or moved file")
            }
            Self::ChainBroken { segment, offset, seq } => {
                write!(
                    f,
                    "{segment} at {offset}: entry {seq} does not follow from what stands before it; keep a copy and find out who changed the file"
                )
            }
            Self::Repeated { segment, offset, seq } => {
                write!(
                    f,
                    "{segment} at {offset}: entry {seq} stands here a second time and was skipped"
                )
            }
            Self::Superseded { segment, offset, bytes } => {
                write!(
                    f,
                    "{segment} at {offset}: {bytes} bytes count no more; what they held stands again in a later file"
                )
            }
            Self::Gap { lost } => {
                write!(f, "{lost} left out: no disk took them, or the box was replaced")
            }
            Self::SnapshotDamaged { file, why } => {
                write!(
                    f,
                    "{file} cannot be used, {why}; an older one or the records took its place"
                )
            }
            Self::Unwritable { error } => {
                write!(
                    f,
                    "the journal cannot be written ({error}) and runs in memory; replace or free the disk"
                )
            }
            Self::Unlocked { error } => {
                write!(
                    f,
                    "the journal folder could not be locked ({error}); make sure that only one hub uses it"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_sentence_that_says_where_and_what() {
        let lost = Some(Lost { first: Seq(4), last: Some(Seq(9)) });
        let damaged = Finding::Damaged {
            segment: "00000001.segment".into(),
            offset: 80,
            bytes: 300,
            lost,
            why: Why::Checksum,
        };
        assert_eq!(
            damaged.to_string(),
            "00000001.segment at 80: 300 bytes are damaged, the checksum is wrong; entries 4 to 9 \
             lost, check the disk and restore from the district"
        );
        assert!(damaged.is_damage());
        assert!(!Finding::Unwritable { error: "full".into() }.is_damage());
    }
}
