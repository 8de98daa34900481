//! A segment: one file of frames behind a header of 80 bytes that says where in the chain it goes
//! on, so that older segments can be retired, and broken ones stand aside, without breaking the
//! chain. Its name holds a running number, never used twice, and the first sequence in it.
//!
//! | at | bytes | what (little-endian) |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 2 | format version, 1 |
//! | 10 | 1 | reason: 0 next, 1 again, 2 after damage |
//! | 11 | 5 | 0 |
//! | 16 | 8 | number |
//! | 24 | 8 | newest sequence before it |
//! | 32 | 32 | SHA-256 of the frame before it |
//! | 64 | 8 | for *again*: the number of the oldest segment that it passes by, else 0 |
//! | 72 | 4 | CRC-32C of bytes 0–71 |
//! | 76 | 4 | 0 |

use std::io;
use std::path::Path;

use crate::terms::Seq;

use super::chain::{Hash, Head};
use super::disk::{Disk, DiskFile, twice};

/// The newest format this program writes and reads.
pub const SEGMENT_VERSION: u16 = 1;

pub(super) const SEGMENT_HEAD: usize = 80;
const CRC_AT: usize = 72;
const MAGIC: [u8; 8] = [0xA7, b'A', b'n', b'l', b'S', b'e', 0x0D, 0x0A];
const NAME_END: &str = ".segment";

/// Highest sequence a name or header may give, so that no sum of sequences wraps.
const SEQ_MAX: u64 = u64::MAX / 4;

/// Why a segment was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The one before was full, or there was none.
    Next,
    /// The one before was damaged; both sides are kept.
    AfterDamage,
    /// What stands behind its anchor in the segments from number `since` on may not be on disk and
    /// was never relied on, or stands again here, byte for byte: it is passed by.
    Again { since: u64 },
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub number: u64,
    pub reason: Reason,
    pub anchor: Head,
}

impl Listed {
    /// From which segment on one begun again at this one's end must pass by: this one, or, where it
    /// was itself begun again, as far back as it does.
    pub(super) fn since(&self) -> u64 {
        match self.head {
            Ok(SegmentHead { reason: Reason::Again { since }, .. }) => since.min(self.number),
            _ => self.number,
        }
    }
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadFault {
    /// The file ends before the header does, or in nothing but zeros: it was being begun.
    Unfinished,
    /// The header is whole and wrong.
    Wrong,
    /// Written by a newer program.
    Newer,
}

/// A segment in the folder's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub name: String,
    pub number: u64,
    /// The first sequence, by the name.
    pub first: Seq,
    pub head: Result<SegmentHead, HeadFault>,
}

pub(super) fn segment_name(number: u64, first: Seq) -> String {
    format!("{number:08}-{:020}{NAME_END}", first.0)
}

fn parse_name(name: &str) -> Option<(u64, Seq)> {
    let (number, first) = name.strip_suffix(NAME_END)?.split_once('-')?;
    Some((number.parse().ok()?, Seq(first.parse().ok().filter(|seq| (1..=SEQ_MAX).contains(seq))?)))
}

pub(super) fn encode_segment_head(head: &SegmentHead) -> [u8; SEGMENT_HEAD] {
    let mut bytes = [0; SEGMENT_HEAD];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
    bytes[10] = match head.reason {
        Reason::Next => 0,
        Reason::Again { .. } => 1,
        Reason::AfterDamage => 2,
    };
    bytes[16..24].copy_from_slice(&head.number.to_le_bytes());
    bytes[24..32].copy_from_slice(&head.anchor.seq.0.to_le_bytes());
    bytes[32..64].copy_from_slice(&head.anchor.hash.0);
    if let Reason::Again { since } = head.reason {
        bytes[64..72].copy_from_slice(&since.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes[..CRC_AT]);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn crc_of(head: &[u8; SEGMENT_HEAD]) -> u32 {
    crc32c::crc32c(&head[..CRC_AT])
}

fn crc_said(head: &[u8; SEGMENT_HEAD]) -> u32 {
    u32::from_le_bytes([head[CRC_AT], head[CRC_AT + 1], head[CRC_AT + 2], head[CRC_AT + 3]])
}

/// Reads a header from the first bytes of a file; `bytes` are shorter only if the file is.
pub(super) fn read_segment_head(bytes: &[u8]) -> Result<SegmentHead, HeadFault> {
    let Some(head) = bytes.first_chunk::<SEGMENT_HEAD>() else {
        return Err(HeadFault::Unfinished);
    };
    if head[CRC_AT + 3..].iter().all(|byte| *byte == 0) && crc_said(head) != crc_of(head) {
        return Err(HeadFault::Unfinished);
    }
    if head[..8] != MAGIC || crc_of(head) != crc_said(head) {
        return Err(HeadFault::Wrong);
    }
    if u16::from_le_bytes([head[8], head[9]]) > SEGMENT_VERSION {
        return Err(HeadFault::Newer);
    }
    let number_at = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let reason = match head[10] {
        0 => Reason::Next,
        1 => Reason::Again { since: number_at(64) },
        2 => Reason::AfterDamage,
        _ => return Err(HeadFault::Wrong),
    };
    let mut hash = Hash::NONE;
    hash.0.copy_from_slice(&head[32..64]);
    let anchor = Head { seq: Seq(number_at(24)), hash };
    if anchor.seq.0 > SEQ_MAX {
        return Err(HeadFault::Wrong);
    }
    Ok(SegmentHead { number: number_at(16), reason, anchor })
}

/// Begins a segment: file, header, both forced, before a frame may stand in it. What was made on the
/// way to an error is removed if the disk lets it; nothing in it was ever answered.
pub(super) fn begin_segment(
    disk: &dyn Disk,
    dir: &Path,
    head: &SegmentHead,
) -> io::Result<(String, Box<dyn DiskFile>)> {
    let name = segment_name(head.number, head.anchor.seq.next());
    let path = dir.join(&name);
    let mut file = disk.create(&path)?;
    let stands = file
        .append(&encode_segment_head(head))
        .and_then(|()| file.force())
        .and_then(|()| disk.sync_dir(dir));
    match stands {
        Ok(()) => Ok((name, file)),
        Err(error) => {
            drop(file);
            let _ = disk.remove(&path);
            Err(error)
        }
    }
}

/// The segments in the folder in the order in which they were begun, each with what its header says.
/// A header that cannot be read counts as wrong: the frames behind it are looked at all the same.
pub(super) fn list_segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Listed>> {
    let mut segments: Vec<Listed> = twice(|| disk.list(dir))?
        .into_iter()
        .filter_map(|name| {
            let (number, first) = parse_name(&name)?;
            Some(Listed { name, number, first, head: Err(HeadFault::Wrong) })
        })
        .collect();
    segments.sort_by_key(|segment| segment.number);
    for segment in &mut segments {
        let mut bytes = [0; SEGMENT_HEAD];
        let path = dir.join(&segment.name);
        let read = twice(|| disk.open_read(&path).and_then(|file| file.read_at(0, &mut bytes)));
        if let Ok(read) = read {
            segment.head = read_segment_head(&bytes[..read]);
        }
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: SegmentHead = SegmentHead {
        number: 12,
        reason: Reason::Again { since: 9 },
        anchor: Head { seq: Seq(900), hash: Hash([7; 32]) },
    };

    #[test]
    fn a_header_is_read_back_and_a_cut_one_was_being_begun() {
        let bytes = encode_segment_head(&HEAD);
        assert_eq!(read_segment_head(&bytes), Ok(HEAD));
        for cut in 0..SEGMENT_HEAD {
            assert_eq!(read_segment_head(&bytes[..cut]), Err(HeadFault::Unfinished));
        }
        assert_eq!(read_segment_head(&[0; SEGMENT_HEAD]), Err(HeadFault::Unfinished));
    }

    #[test]
    fn a_newer_format_is_said_to_be_newer_and_not_taken_for_damage() {
        let mut bytes = encode_segment_head(&HEAD);
        bytes[8] = 2;
        let crc = crc_of(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_segment_head(&bytes), Err(HeadFault::Newer));
    }

    #[test]
    fn names_sort_by_number_and_others_are_not_segments() {
        assert_eq!(parse_name(&segment_name(3, Seq(77))), Some((3, Seq(77))));
        for other in ["ballast", "torn-1-2.segment", "1-0.segment", "snapshot-5", "1-2.segment.new"]
        {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn one_flipped_bit_in_what_the_checksum_covers_is_noticed(byte in 0..76usize, bit in 0..8u8) {
            let mut bytes = encode_segment_head(&HEAD);
            bytes[byte] ^= 1 << bit;
            prop_assert!(read_segment_head(&bytes).is_err());
        }
    }
}
