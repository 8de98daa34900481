//! The unit on disk: one frame per batch, little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic; its first byte is no UTF-8, so no JSON text can hold it |
//! | 8 | 4 | length of the body |
//! | 12 | 1 | kind: 1 batch, 2 closing, 3 gap |
//! | 13 | 1 | 1 when everything before was forced as this was begun, else 0 |
//! | 14 | 2 | entries in the body |
//! | 16 | 8 | first sequence; for closing and gap the next one that would have been written |
//! | 24 | 32 | SHA-256 of the whole frame before |
//! | 56 | 4 | CRC-32C of bytes 0–55 |
//! | 60 | n | body |
//! | 60+n | 4 | CRC-32C of everything before |
//! | 64+n | 4 | end mark |
//!
//! The head has its own CRC so that a wrong length is known as wrong, and the end mark stands last
//! so that a file whose length reached the disk before its contents (zeros) is known as unfinished:
//! a frame without its end mark is *torn*, one with it that does not check is *damaged*.

use sha2::{Digest, Sha256};

use crate::terms::{At, Seq, Wall};

use super::chain::{Hash, Head};
use super::entry::{Draft, ENTRY_HEAD, ENTRY_MAX, Lying, take_entry};

/// Most entries in one frame.
pub const FRAME_ENTRIES_MAX: usize = 512;

pub(super) const MAGIC: [u8; 8] = [0xA7, b'A', b'n', b'l', b'F', b'r', 0x0D, 0x0A];
const END_MARK: [u8; 4] = [0xE5, b'E', b'n', b'd'];
pub(super) const FRAME_HEAD: usize = 60;
pub(super) const FRAME_FOOT: usize = 8;
const BODY_MAX: usize = FRAME_ENTRIES_MAX * (ENTRY_HEAD + ENTRY_MAX);

/// Highest sequence a frame may name, so that no sum of sequences wraps.
const SEQ_MAX: u64 = u64::MAX / 4;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Entries.
    Batch,
    /// The hub stopped as asked; nothing is missing behind it.
    Closing { at: At, wall: Wall },
    /// Sequences that were given out and never written, up to `last`.
    Gap { last: Seq },
}

/// What a frame's head says, once its own CRC is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub body_length: usize,
    kind: u8,
    count: u16,
    first: Seq,
    pub prev: Hash,
    settled: bool,
}

impl FrameHead {
    /// Length of the whole frame.
    pub(super) fn frame_length(&self) -> usize {
        FRAME_HEAD + self.body_length + FRAME_FOOT
    }

    /// The highest sequence the frame gives out, as far as the head tells.
    pub(super) fn last_named(&self) -> Seq {
        Seq((self.first.0 + u64::from(self.count)).saturating_sub(1))
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameFault {
    /// The file ends before the frame does.
    Short,
    /// No magic, a wrong head CRC, or values no frame can have.
    Head,
    /// The end mark is not there although the file is long enough.
    Unended,
    /// The CRC over the whole is wrong.
    Checksum,
    /// The CRC is right and the entries make no sense: written by something else.
    Entries,
}

/// A frame that checked, lying in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub kind: FrameKind,
    pub first: Seq,
    pub count: u16,
    pub prev: Hash,
    /// Everything before this frame was forced when it was begun: what a start may rely on.
    pub settled: bool,
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The highest sequence that is used up once this frame stands.
    pub(super) fn last(&self) -> Seq {
        match self.kind {
            FrameKind::Batch | FrameKind::Closing { .. } => {
                Seq((self.first.0 + u64::from(self.count)).saturating_sub(1))
            }
            FrameKind::Gap { last } => last,
        }
    }

    /// The chain's head once this frame stands: one SHA-256 over its bytes.
    pub(super) fn head(&self) -> Head {
        Head { seq: self.last(), hash: hash_of(self.bytes) }
    }

    /// The entries in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Lying<'a>> + use<'a> {
        let mut rest = &self.bytes[FRAME_HEAD..self.bytes.len() - FRAME_FOOT];
        let (first, count) = (self.first.0, u64::from(self.count));
        (0..count).map_while(move |n| take_entry(&mut rest, Seq(first + n)))
    }
}

fn hash_of(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// What goes before a frame's body.
struct Before {
    head: Head,
    settled: bool,
}

fn begin(out: &mut Vec<u8>, kind: u8, count: u16, before: Before, body_length: usize) {
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&(body_length as u32).to_le_bytes());
    out.extend_from_slice(&[kind, u8::from(before.settled)]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&before.head.seq.next().0.to_le_bytes());
    out.extend_from_slice(&before.head.hash.0);
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

fn end(out: &mut Vec<u8>, last: Seq) -> Head {
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&END_MARK);
    Head { seq: last, hash: hash_of(out) }
}

/// Puts a batch of 1 to [`FRAME_ENTRIES_MAX`] drafts after `head` into `out` (emptied first) and
/// says what the chain's head is once it is written. `settled`: everything up to `head` was forced.
pub(super) fn encode_batch<'d>(
    out: &mut Vec<u8>,
    head: Head,
    settled: bool,
    drafts: impl ExactSizeIterator<Item = &'d Draft> + Clone,
) -> Head {
    let count = drafts.len();
    assert!((1..=FRAME_ENTRIES_MAX).contains(&count), "a batch frame holds 1 to 512 entries");
    let body_length = drafts.clone().map(Draft::length).sum();
    begin(out, 1, count as u16, Before { head, settled }, body_length);
    for draft in drafts {
        draft.write_to(out);
    }
    end(out, Seq(head.seq.0 + count as u64))
}

/// Puts the closing record after `head` into `out`.
pub(super) fn encode_closing(
    out: &mut Vec<u8>,
    head: Head,
    settled: bool,
    at: At,
    wall: Wall,
) -> Head {
    begin(out, 2, 0, Before { head, settled }, 16);
    out.extend_from_slice(&at.0.to_le_bytes());
    out.extend_from_slice(&wall.0.to_le_bytes());
    end(out, head.seq)
}

/// Puts the word that the sequences after `head` up to `last` are not in the journal into `out`.
pub(super) fn encode_gap(out: &mut Vec<u8>, head: Head, settled: bool, last: Seq) -> Head {
    begin(out, 3, 0, Before { head, settled }, 8);
    out.extend_from_slice(&last.0.to_le_bytes());
    end(out, last)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// Reads a head from the front of `bytes`.
pub(super) fn read_head(bytes: &[u8]) -> Result<FrameHead, FrameFault> {
    let Some(head) = bytes.first_chunk::<FRAME_HEAD>() else { return Err(FrameFault::Short) };
    let crc = u32::from_le_bytes([head[56], head[57], head[58], head[59]]);
    if head[..8] != MAGIC || crc32c::crc32c(&head[..56]) != crc {
        return Err(FrameFault::Head);
    }
    let body_length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
    let (kind, count) = (head[12], u16::from_le_bytes([head[14], head[15]]));
    let first = Seq(u64_at(head, 16).unwrap_or(u64::MAX));
    let fits = match kind {
        1 => (1..=FRAME_ENTRIES_MAX).contains(&usize::from(count)) && body_length <= BODY_MAX,
        2 => count == 0 && body_length == 16,
        3 => count == 0 && body_length == 8,
        _ => false,
    };
    if !fits || head[13] > 1 || first.0 == 0 || first.0 > SEQ_MAX {
        return Err(FrameFault::Head);
    }
    let mut prev = Hash::NONE;
    prev.0.copy_from_slice(&head[24..56]);
    Ok(FrameHead { body_length, kind, count, first, prev, settled: head[13] == 1 })
}

/// Checks the frame that `head` was read from; `bytes` begin with it and may go on behind it.
pub(super) fn read_frame<'a>(head: &FrameHead, bytes: &'a [u8]) -> Result<Frame<'a>, FrameFault> {
    let Some(bytes) = bytes.get(..head.frame_length()) else { return Err(FrameFault::Short) };
    let (checked, foot) = bytes.split_at(bytes.len() - FRAME_FOOT);
    if foot[4..] != END_MARK {
        return Err(FrameFault::Unended);
    }
    if crc32c::crc32c(checked).to_le_bytes() != foot[..4] {
        return Err(FrameFault::Checksum);
    }
    let body = &checked[FRAME_HEAD..];
    let kind = match head.kind {
        1 => {
            let mut rest = body;
            let whole = (0..head.count).all(|_| take_entry(&mut rest, head.first).is_some());
            (whole && rest.is_empty()).then_some(FrameKind::Batch)
        }
        2 => u64_at(body, 0)
            .zip(u64_at(body, 8))
            .map(|(at, wall)| FrameKind::Closing { at: At(at), wall: Wall(wall.cast_signed()) }),
        _ => u64_at(body, 0)
            .filter(|last| (head.first.0..=SEQ_MAX).contains(last))
            .map(|last| FrameKind::Gap { last: Seq(last) }),
    };
    let kind = kind.ok_or(FrameFault::Entries)?;
    let FrameHead { first, count, prev, settled, .. } = *head;
    Ok(Frame { kind, first, count, prev, settled, bytes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Frame<'_>, FrameFault> {
        read_head(bytes).and_then(|head| read_frame(&head, bytes))
    }

    fn drafts() -> impl Strategy<Value = Vec<Draft>> {
        let body = proptest::collection::vec(any::<u8>(), 0..200);
        let draft = (any::<u64>(), any::<i64>(), body)
            .prop_map(|(at, wall, body)| Draft::new(At(at), Wall(wall), body).unwrap());
        proptest::collection::vec(draft, 1..20)
    }

    proptest! {
        #[test]
        fn a_batch_is_read_back_as_it_was_written(
            drafts in drafts(), seq in 0..SEQ_MAX / 2, hash in any::<[u8; 32]>(),
        ) {
            let before = Head { seq: Seq(seq), hash: Hash(hash) };
            let mut bytes = Vec::new();
            let after = encode_batch(&mut bytes, before, true, drafts.iter());
            let frame = read(&bytes).unwrap();
            prop_assert_eq!(frame.head(), after);
            prop_assert_eq!(frame.prev, before.hash);
            let back: Vec<_> = frame.entries().map(Lying::to_draft).collect();
            prop_assert_eq!(back, drafts);
            prop_assert_eq!(frame.entries().next().unwrap().seq, Seq(seq + 1));
        }

        #[test]
        fn one_flipped_bit_anywhere_is_noticed(
            drafts in drafts(), place in any::<prop::sample::Index>(), bit in 0..8u8,
        ) {
            let mut bytes = Vec::new();
            encode_batch(&mut bytes, Head::START, true, drafts.iter());
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_frame_cut_anywhere_is_short_and_never_damaged(
            drafts in drafts(), place in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            encode_batch(&mut bytes, Head::START, true, drafts.iter());
            bytes.truncate(place.index(bytes.len()));
            prop_assert_eq!(read(&bytes).unwrap_err(), FrameFault::Short);
        }

        #[test]
        fn arbitrary_bytes_never_stop_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let mut signed = MAGIC.to_vec();
            signed.extend_from_slice(&bytes);
            signed.resize(signed.len().max(56), 0);
            let crc = crc32c::crc32c(&signed[..56]);
            signed.splice(56..signed.len().min(60), crc.to_le_bytes());
            let _ = read(&signed);
        }
    }

    #[test]
    fn closing_and_gap_frames_say_what_they_are() {
        let before = Head { seq: Seq(7), hash: Hash([3; 32]) };
        let mut bytes = Vec::new();
        assert_eq!(encode_closing(&mut bytes, before, true, At(5), Wall(-6)).seq, Seq(7));
        let kind = read(&bytes).unwrap().kind;
        assert_eq!(kind, FrameKind::Closing { at: At(5), wall: Wall(-6) });
        assert_eq!(encode_gap(&mut bytes, before, false, Seq(20)).seq, Seq(20));
        let gap = read(&bytes).unwrap();
        assert_eq!(
            (gap.kind, gap.first, gap.last()),
            (FrameKind::Gap { last: Seq(20) }, Seq(8), Seq(20))
        );
    }

    #[test]
    fn a_frame_whose_length_came_before_its_contents_is_unfinished() {
        let draft = Draft::new(At(1), Wall(1), b"{}".to_vec()).unwrap();
        let mut bytes = Vec::new();
        encode_batch(&mut bytes, Head::START, true, [draft].iter());
        let length = bytes.len();
        bytes[length - 4..].fill(0);
        assert_eq!(read(&bytes).unwrap_err(), FrameFault::Unended);
    }
}
