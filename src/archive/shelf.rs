//! The shelf: sled, opened by the rules that make it bearable, and keys in which a range is what
//! somebody asks for.
//!
//! | key | value |
//! |---|---|
//! | `m` | how far the archive has come |
//! | `i` id | an incident's sheet |
//! | `w` wall id | nothing: incidents by the day they began on |
//! | `c` letter number id | nothing: incidents by code |
//! | `h` device 0 sequence | one trace of a device |
//! | `l` device | when the device was last heard |
//!
//! Everything is in one tree, so that a batch with its mark is in it whole or not at all. A value
//! begins with a CRC-32C over key and text: what sled gives back wrong is noticed, not believed.
//! Every call into sled is caught: it panics where others return an error.

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ArchiveError;
use crate::terms::{Code, DeviceId, IncidentId, Seq, Wall};

/// sled's cache in bytes: the lower end of what was measured to serve.
const CACHE_BYTES: u64 = 16 << 20;
/// How often sled writes on its own, in ms; never left to chance.
const FLUSH_EVERY_MS: u64 = 500;
/// How long a lock left by a hub that is just ending is waited for, in tries of [`LOCK_NAP`]: 2 s.
const LOCK_TRIES: u32 = 20;
const LOCK_NAP: Duration = Duration::from_millis(100);
/// Longest value in bytes.
const VALUE_MAX: usize = 16 * 1024;
/// The file that says that the archive was whole once: an empty tree beside it is a loss.
const WHOLE_ONCE: &str = "whole-once";

/// The open shelf.
pub(super) struct Shelf {
    db: sled::Db,
}

/// Keys and values to be written together.
#[derive(Default)]
pub(super) struct Writes {
    batch: sled::Batch,
    count: usize,
}

impl Writes {
    /// A value under a key, sealed; whether it was short enough to be written.
    pub(super) fn put(&mut self, key: &[u8], value: &impl Serialize) -> bool {
        let sealed = seal(key, value);
        let fits = sealed.is_some();
        if let Some(sealed) = sealed {
            self.batch.insert(key, sealed);
            self.count += 1;
        }
        fits
    }

    /// A key that stands for itself.
    pub(super) fn mark(&mut self, key: &[u8]) {
        self.batch.insert(key, &[] as &[u8]);
        self.count += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The bytes of a value; none when they would be longer than [`VALUE_MAX`].
fn seal(key: &[u8], value: &impl Serialize) -> Option<Vec<u8>> {
    let mut sealed = vec![0; 4];
    serde_json::to_writer(&mut sealed, value).ok()?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &sealed[4..]);
    sealed[..4].copy_from_slice(&crc.to_le_bytes());
    (sealed.len() <= VALUE_MAX).then_some(sealed)
}

/// Reads a value back.
pub(super) fn unseal<T: DeserializeOwned>(key: &[u8], sealed: &[u8]) -> Result<T, ArchiveError> {
    let wrong = || ArchiveError::Damaged { what: "a value is not what was written".into() };
    let (crc, text) = sealed.split_first_chunk::<4>().ok_or_else(wrong)?;
    if crc32c::crc32c_append(crc32c::crc32c(key), text) != u32::from_le_bytes(*crc) {
        return Err(wrong());
    }
    serde_json::from_slice(text).map_err(|_| wrong())
}

impl Shelf {
    /// Opens the folder, made if need be.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] when what stands there is not a shelf, [`ArchiveError::Unusable`]
    /// when the disk does not let it be opened at the moment.
    pub(super) fn open(dir: &Path) -> Result<Self, ArchiveError> {
        match fs::symlink_metadata(dir) {
            Ok(found) if !found.is_dir() => {
                let what = "something else stands in its place".to_owned();
                return Err(ArchiveError::Damaged { what });
            }
            _ => fs::create_dir_all(dir).map_err(ArchiveError::unusable)?,
        }
        clear_half_made(dir).map_err(ArchiveError::unusable)?;
        let mut tries = 0;
        loop {
            let config = sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(Some(FLUSH_EVERY_MS));
            match guarded(|| config.open()) {
                Err(ArchiveError::Held) if tries < LOCK_TRIES => {
                    tries += 1;
                    sleep(LOCK_NAP);
                }
                opened => return opened.map(|db| Self { db }),
            }
        }
    }

    /// Whether nothing stands on it although it was whole once.
    pub(super) fn has_lost_everything(&self, dir: &Path) -> Result<bool, ArchiveError> {
        Ok(guarded(|| Ok(self.db.is_empty()))? && dir.join(WHOLE_ONCE).exists())
    }

    /// Remembers that it is whole.
    pub(super) fn say_whole(dir: &Path) {
        let path = dir.join(WHOLE_ONCE);
        if !path.exists() {
            // Without it a loss is taken for a beginning: the archive is rebuilt all the same.
            let _ = fs::write(path, "");
        }
    }

    pub(super) fn write(&self, writes: Writes) -> Result<(), ArchiveError> {
        guarded(|| self.db.apply_batch(writes.batch))
    }

    pub(super) fn flush(&self) -> Result<(), ArchiveError> {
        guarded(|| self.db.flush().map(drop))
    }

    /// A value, if it is there.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, ArchiveError> {
        match guarded(|| self.db.get(key))? {
            Some(sealed) => unseal(key, &sealed).map(Some),
            None => Ok(None),
        }
    }

    /// Every key of a range with its sealed value, in order or from the end, until `each` says
    /// that it has enough.
    pub(super) fn each(
        &self,
        range: impl std::ops::RangeBounds<Vec<u8>>,
        from_end: bool,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut found = guarded(|| Ok(self.db.range(range)))?;
        while let Some((key, value)) = guarded(|| {
            match from_end {
                true => found.next_back(),
                false => found.next(),
            }
            .transpose()
        })? {
            if !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Lets go of the folder.
    pub(super) fn close(self) {
        let _ = self.flush();
        let db = AssertUnwindSafe(self.db);
        let _ = catch_unwind(move || drop({ db }.0));
    }
}

/// Calls sled and turns whatever it does into an answer.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, ArchiveError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(given)) => Ok(given),
        Ok(Err(sled::Error::Io(error))) => Err(of_io(error)),
        Ok(Err(error)) => Err(ArchiveError::Damaged { what: error.to_string() }),
        Err(panic) => Err(ArchiveError::Damaged { what: said_in(panic.as_ref()) }),
    }
}

/// Which error of the disk passes by itself, and which says that the files are wrong.
fn of_io(error: io::Error) -> ArchiveError {
    match error.kind() {
        ErrorKind::StorageFull
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::QuotaExceeded => ArchiveError::unusable(error),
        _ if error.to_string().contains("could not acquire lock") => ArchiveError::Held,
        _ => ArchiveError::Damaged { what: error.to_string() },
    }
}

fn said_in(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

/// Removes what a killed open leaves behind: with it sled never opens again.
fn clear_half_made(dir: &Path) -> io::Result<()> {
    let mut removed = false;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
            removed = true;
        }
    }
    match removed {
        true => fs::File::open(dir)?.sync_all(),
        false => Ok(()),
    }
}

/// The key of the archive's own mark.
pub(super) const MARK: &[u8] = b"m";

pub(super) fn sheet_key(id: IncidentId) -> Vec<u8> {
    [b"i".as_slice(), &id.0.to_be_bytes()].concat()
}

/// The incidents that began at a time, by number.
pub(super) fn day_key(began: Wall, id: IncidentId) -> Vec<u8> {
    // Turned so that times before 1970 sort before those after.
    let sorts = began.0.cast_unsigned() ^ (1 << 63);
    [b"w".as_slice(), &sorts.to_be_bytes(), &id.0.to_be_bytes()].concat()
}

pub(super) fn code_key(code: Code, id: IncidentId) -> Vec<u8> {
    let letter = u32::from(code.letter());
    let number = code.number().to_be_bytes();
    [b"c".as_slice(), &letter.to_be_bytes(), &number, &id.0.to_be_bytes()].concat()
}

pub(super) fn trace_key(device: &DeviceId, seq: Seq) -> Vec<u8> {
    [b"h".as_slice(), device.as_str().as_bytes(), &[0], &seq.0.to_be_bytes()].concat()
}

pub(super) fn heard_key(device: &DeviceId) -> Vec<u8> {
    [b"l".as_slice(), device.as_str().as_bytes()].concat()
}

/// The incident's number at the end of a key of an index.
pub(super) fn id_in(key: &[u8]) -> Option<IncidentId> {
    Some(IncidentId(u64::from_be_bytes(*key.last_chunk::<8>()?)))
}

/// Every key that begins with this letter.
pub(super) fn all_of(letter: u8) -> std::ops::Range<Vec<u8>> {
    vec![letter]..vec![letter + 1]
}
