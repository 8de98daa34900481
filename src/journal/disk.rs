//! The few file-system calls the journal makes, behind a trait, so that tests can let any one of
//! them fail and can cut the power after it. [`OsDisk`] is the real one: `fdatasync` for contents,
//! `fsync` on folders for names, `flock` on the folder itself, which works on a read-only disk too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, fdatasync, flock, fsync, statvfs};

/// A file system, reduced to what the journal needs. Every call may fail, and what it did before it
/// failed is unknown.
pub trait Disk: Send + Sync {
    /// Makes the folder and those above it; one that stands already is fine.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the folder for this process alone. `None`: another process holds it. Kept until the
    /// value is dropped.
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn DirLock>>>;
    /// The names of everything in the folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a file that must not exist yet, for appending and reading.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for appending, cutting and reading.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name in the same folder, replacing one that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Forces the folder's names to disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes an ordinary process may still write in the folder.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// The hold on a folder; dropping it gives the folder free.
pub trait DirLock: Send + Sync {}

/// One open file.
pub trait DiskFile: Send {
    /// Writes all bytes at the end of the file. After an error, some of them may stand there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Forces the contents and the length to disk.
    fn force(&mut self) -> io::Result<()>;
    /// Reads at `offset` into `into`; fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts everything from `length` on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

struct OsFile(File);

struct OsLock {
    _held: File,
}

impl DirLock for OsLock {}

impl Disk for OsDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        let folder = File::open(dir)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(OsLock { _held: folder }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path)?;
        Ok(Box::new(OsFile(file)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OsFile(File::open(path)?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Box::new(OsFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(fsync(File::open(dir)?)?)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let said = statvfs(dir)?;
        Ok(said.f_bavail.saturating_mul(said.f_frsize))
    }
}

impl DiskFile for OsFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn force(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.0)?)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.0.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// Writes a whole file so that after a cut either all of it stands under its name or none: under
/// the passing name `<name>.new`, forced, renamed, folder forced.
pub(super) fn write_whole(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    parts: &[&[u8]],
) -> io::Result<()> {
    let passing = dir.join(format!("{name}{PASSING}"));
    let mut made = disk.create(&passing);
    if matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        disk.remove(&passing)?;
        made = disk.create(&passing);
    }
    let written = made.and_then(|mut file| {
        for part in parts {
            file.append(part)?;
        }
        file.force()
    });
    let named = written.and_then(|()| disk.rename(&passing, &dir.join(name)));
    if let Err(error) = named {
        // What stands under the passing name has no meaning; the next start removes it too.
        let _ = disk.remove(&passing);
        return Err(error);
    }
    disk.sync_dir(dir)
}

/// The end of a name that a file has only while it is being written.
pub(super) const PASSING: &str = ".new";

/// Does something a second time if it fails once. For reading only: a disk may stumble over a read
/// and give it at the next try, but what a failed write or force has done is unknown.
pub(super) fn twice<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    read().or_else(|_| read())
}

/// Reads a whole file of at most `most` bytes.
pub(super) fn read_whole(disk: &dyn Disk, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = disk.open_read(path)?;
    let length = file.length()?;
    if length > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the file is longer than any the hub writes: keep it aside",
        ));
    }
    let mut bytes = vec![0; length as usize];
    let got = file.read_at(0, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_hub_only_until_it_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let held = OsDisk.lock_dir(dir.path()).unwrap();
        assert!(held.is_some());
        assert!(OsDisk.lock_dir(dir.path()).unwrap().is_none());
        drop(held);
        assert!(OsDisk.lock_dir(dir.path()).unwrap().is_some());
    }

    #[test]
    fn a_file_written_whole_replaces_the_older_one_and_leaves_no_passing_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.new"), b"left by a cut").unwrap();
        write_whole(&OsDisk, dir.path(), "a", &[b"one"]).unwrap();
        write_whole(&OsDisk, dir.path(), "a", &[b"t", b"wo"]).unwrap();
        assert_eq!(read_whole(&OsDisk, &dir.path().join("a"), 10).unwrap(), b"two");
        assert_eq!(OsDisk.list(dir.path()).unwrap(), ["a"]);
        assert!(read_whole(&OsDisk, &dir.path().join("a"), 2).is_err());
        assert!(OsDisk.free_bytes(dir.path()).unwrap() > 0);
    }

    #[test]
    fn appending_after_a_cut_goes_on_at_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut file = OsDisk.create(&path).unwrap();
        file.append(b"good torn").unwrap();
        drop(file);
        let mut file = OsDisk.open_append(&path).unwrap();
        file.cut(4).unwrap();
        file.append(b"!").unwrap();
        file.force().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"good!");
        assert!(OsDisk.create(&path).is_err());
    }
}
