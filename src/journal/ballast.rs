//! A really written file that is given up when the disk is full, so that what is open can still be
//! written. Its bytes are no zeros, or a clever file system would not keep room for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::disk::Disk;

/// Free space that must remain once the ballast lies, in bytes (below this
/// a fault is raised).
pub const FREE_FLOOR: u64 = 64 * 1024 * 1024;

const NAME: &str = "ballast";
const PIECE: usize = 256 * 1024;

/// The ballast of one journal folder.
pub(super) struct Ballast {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    dir: PathBuf,
    size: u64,
    laying: Mutex<()>,
    needed: AtomicBool,
}

impl Ballast {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path, size: u64) -> Self {
        Self {
            disk,
            path: dir.join(NAME),
            dir: dir.to_owned(),
            size,
            laying: Mutex::new(()),
            needed: AtomicBool::new(false),
        }
    }

    /// Writes the ballast where it does not lie already and [`FREE_FLOOR`] stays free behind it.
    /// Whether it lies now. Given up in the middle when [`Ballast::give_up`] is called.
    pub(super) fn lay(&self) -> io::Result<bool> {
        if self.size == 0 {
            return Ok(false);
        }
        let _one_at_a_time = self.laying.lock().unwrap_or_else(PoisonError::into_inner);
        self.needed.store(false, Ordering::Release);
        let there = self.disk.open_read(&self.path).and_then(|file| file.length()).unwrap_or(0);
        if there >= self.size {
            return Ok(true);
        }
        if there > 0 {
            self.disk.remove(&self.path)?;
        }
        if self.disk.free_bytes(&self.dir)? < self.size.saturating_add(FREE_FLOOR) {
            return Ok(false);
        }
        let laid = self.write();
        if !matches!(laid, Ok(true)) {
            // Half a ballast only takes room; if it stays, the next call removes it.
            let _ = self.disk.remove(&self.path);
        }
        laid
    }

    fn write(&self) -> io::Result<bool> {
        let piece: Vec<u8> = (0..PIECE).map(|n| (n * 131 + n / 251) as u8 | 1).collect();
        let mut file = match self.disk.create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(&self.path)?;
                self.disk.create(&self.path)?
            }
            other => other?,
        };
        let mut left = self.size;
        while left > 0 {
            if self.needed.load(Ordering::Acquire) {
                return Ok(false);
            }
            let now = left.min(PIECE as u64);
            file.append(&piece[..now as usize])?;
            left -= now;
        }
        file.force()?;
        self.disk.sync_dir(&self.dir)?;
        Ok(true)
    }

    /// Gives the room free. Whether there was any to give.
    pub(super) fn give_up(&self) -> bool {
        if self.size == 0 {
            return false;
        }
        self.needed.store(true, Ordering::Release);
        let _one_at_a_time = self.laying.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.disk.remove(&self.path).is_ok();
        if gone {
            // The room is free at once; that the name is gone may as well be learned after a cut.
            let _ = self.disk.sync_dir(&self.dir);
        }
        gone
    }
}
