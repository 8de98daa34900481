//! A snapshot stands for every entry up to its sequence, so that a start need not read them. Two are
//! kept: written under a passing name, forced, renamed, folder forced, and only then the third is
//! removed. A damaged one is set aside and the older one used; without any, all records are read.
//!
//! Layout, little-endian: magic 8, version u16, six zeros, sequence u64, chain head's sequence u64
//! and hash 32 when it was written (a witness; it may lie ahead of the sequence), body length u64,
//! SHA-256 of the body 32, CRC-32C of all these u32, four zeros, body.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::terms::Seq;

use super::chain::{Hash, Head};
use super::disk::{Disk, PASSING, read_whole, twice, write_whole};
use super::finding::{Finding, Why};

/// The newest snapshot format this program writes and reads; what the body means is the writer's.
pub const SNAPSHOT_VERSION: u16 = 1;

/// How many snapshots are kept.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Longest snapshot in bytes. Own choice: a hub of 500 residents needs below 10 MiB.
pub const SNAPSHOT_MAX: u64 = 256 * 1024 * 1024;

const MAGIC: [u8; 8] = [0xA7, b'A', b'n', b'l', b'S', b'n', 0x0D, 0x0A];
const HEAD: usize = 112;
const CRC_AT: usize = 104;
const NAME_END: &str = ".snapshot";

/// What stands for all entries up to `seq`.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The newest entry it stands for.
    pub seq: Seq,
    /// Where the chain stood when it was written.
    pub head: Head,
    /// What the writer gave.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({}, {} bytes)", self.seq, self.bytes.len())
    }
}

fn snapshot_name(seq: Seq) -> String {
    format!("{:020}{NAME_END}", seq.0)
}

fn parse_name(name: &str) -> Option<Seq> {
    name.strip_suffix(NAME_END)?.parse().ok().map(Seq)
}

fn encode_head(seq: Seq, head: Head, body: &[u8]) -> [u8; HEAD] {
    let mut bytes = [0; HEAD];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&seq.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&head.seq.0.to_le_bytes());
    bytes[32..64].copy_from_slice(&head.hash.0);
    bytes[64..72].copy_from_slice(&(body.len() as u64).to_le_bytes());
    bytes[72..104].copy_from_slice(&Sha256::digest(body));
    let crc = crc32c::crc32c(&bytes[..CRC_AT]);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

fn decode(mut bytes: Vec<u8>) -> Result<Snapshot, Why> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Err(Why::CutShort) };
    if head[..8] != MAGIC
        || crc32c::crc32c(&head[..CRC_AT]).to_le_bytes() != head[CRC_AT..CRC_AT + 4]
    {
        return Err(Why::Header);
    }
    if u16::from_le_bytes([head[8], head[9]]) > SNAPSHOT_VERSION {
        return Err(Why::Newer);
    }
    let mut hash = Hash::NONE;
    hash.0.copy_from_slice(&head[32..64]);
    let chain = Head { seq: Seq(u64_at(head, 24)), hash };
    let seq = Seq(u64_at(head, 16));
    let body = &bytes[HEAD..];
    if body.len() as u64 != u64_at(head, 64) {
        return Err(Why::CutShort);
    }
    if Sha256::digest(body)[..] != head[72..104] {
        return Err(Why::Checksum);
    }
    bytes.drain(..HEAD);
    Ok(Snapshot { seq, head: chain, bytes })
}

/// The snapshots in the folder, newest first.
pub(super) fn list_snapshots(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Seq>> {
    let mut seqs: Vec<Seq> =
        twice(|| disk.list(dir))?.iter().filter_map(|name| parse_name(name)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(seqs)
}

/// Reads one snapshot.
pub(super) fn read_snapshot(disk: &dyn Disk, dir: &Path, seq: Seq) -> Result<Snapshot, Finding> {
    let file = snapshot_name(seq);
    let path = dir.join(&file);
    let read = twice(|| read_whole(disk, &path, SNAPSHOT_MAX + HEAD as u64));
    match read.map_err(|error| Why::Unreadable(error.to_string())).and_then(decode) {
        Ok(snapshot) if snapshot.seq == seq => Ok(snapshot),
        Ok(_) => Err(Finding::SnapshotDamaged { file, why: Why::Header }),
        Err(why) => Err(Finding::SnapshotDamaged { file, why }),
    }
}

/// Gives a snapshot that cannot be used a name under which no start looks for it.
pub(super) fn set_aside(disk: &dyn Disk, dir: &Path, seq: Seq) {
    let name = snapshot_name(seq);
    // Left under its old name it is found damaged again at the next start: no harm.
    let _ = disk.rename(&dir.join(&name), &dir.join(format!("damaged-{name}")));
}

/// Writes a snapshot and then removes all but the newest [`SNAPSHOTS_KEPT`] and itself.
pub(super) fn write_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    seq: Seq,
    head: Head,
    body: &[u8],
) -> io::Result<()> {
    write_whole(disk, dir, &snapshot_name(seq), &[&encode_head(seq, head, body), body])?;
    let kept = list_snapshots(disk, dir).unwrap_or_default();
    for old in kept.into_iter().skip(SNAPSHOTS_KEPT).filter(|old| *old != seq) {
        // The new one stands; what could not be removed now goes with the next.
        let _ = disk.remove(&dir.join(snapshot_name(old)));
    }
    Ok(())
}

/// Removes what a cut left under a passing name.
pub(super) fn remove_passing(disk: &dyn Disk, dir: &Path, names: &[String]) {
    for name in names.iter().filter(|name| name.ends_with(PASSING)) {
        let _ = disk.remove(&dir.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::OsDisk;
    use super::*;

    #[test]
    fn two_snapshots_are_kept_and_the_newest_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for seq in [3, 9, 20] {
            write_snapshot(&OsDisk, dir.path(), Seq(seq), Head::START, b"state").unwrap();
        }
        assert_eq!(list_snapshots(&OsDisk, dir.path()).unwrap(), [Seq(20), Seq(9)]);
        assert_eq!(read_snapshot(&OsDisk, dir.path(), Seq(20)).unwrap().bytes, b"state");
    }

    #[test]
    fn a_flipped_byte_anywhere_in_a_snapshot_is_noticed() {
        let mut whole = encode_head(Seq(5), Head::START, b"state").to_vec();
        whole.extend_from_slice(b"state");
        assert!(decode(whole.clone()).is_ok());
        for place in (0..CRC_AT + 4).chain(HEAD..whole.len()) {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x40;
            assert!(decode(flipped).is_err(), "byte {place}");
        }
        for cut in 0..whole.len() {
            assert!(decode(whole[..cut].to_vec()).is_err(), "cut {cut}");
        }
    }
}
