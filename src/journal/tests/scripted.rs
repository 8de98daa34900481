//! A file system in memory that knows what was written and what was forced, can fail at any call,
//! and can have its power cut under three models.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::super::disk::{DirLock, Disk, DiskFile};

/// What survives a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Only what was forced: contents by `force`, names by `sync_dir`.
    Strict,
    /// Everything in the order it was done, up to some point after the last force; the seed picks
    /// the point and how much of a write was done.
    Ordered(u64),
    /// Everything: only the process was killed.
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    MakeDir,
    Lock,
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncDir,
    Append,
    Force,
    Read,
    Cut,
}

#[derive(Debug, Clone)]
enum Op {
    Create(PathBuf, usize),
    Append(usize, Vec<u8>),
    Cut(usize, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    data: Vec<u8>,
    forced: Vec<u8>,
    /// A force failed: later ones succeed and do nothing, as on Linux.
    lying: bool,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    forced_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    done: Vec<Op>,
    /// How many of `done` were there at the last force of anything.
    forced_ops: usize,
    locked: std::collections::BTreeSet<PathBuf>,
    calls: u64,
    per_call: BTreeMap<Call, u64>,
    fail_at: Option<u64>,
    fail_nth: Vec<(Call, u64, ErrorKind)>,
    broken: Vec<(Call, ErrorKind)>,
    cut_at: Option<u64>,
    capacity: Option<u64>,
    bad_blocks: Vec<(PathBuf, u64)>,
}

/// The disk; clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Scripted(Arc<Mutex<State>>);

fn eio() -> io::Error {
    io::Error::other("input/output error")
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<()> {
        self.calls += 1;
        let nth = self.per_call.entry(call).or_default();
        *nth += 1;
        let nth = *nth;
        if self.cut_at.is_some_and(|at| self.calls >= at) || self.fail_at == Some(self.calls) {
            return Err(eio());
        }
        let planned = self.fail_nth.iter().find(|(c, n, _)| (*c, *n) == (call, nth));
        let planned = planned.map(|(_, _, kind)| *kind);
        let broken = self.broken.iter().find(|(c, _)| *c == call).map(|(_, kind)| *kind);
        planned.or(broken).map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].data.len() as u64).sum()
    }

    fn apply(&mut self, op: Op) {
        match op.clone() {
            Op::Create(path, inode) => {
                self.inodes.resize(self.inodes.len().max(inode + 1), Inode::default());
                self.names.insert(path, inode);
            }
            Op::Append(inode, bytes) => self.inodes[inode].data.extend_from_slice(&bytes),
            Op::Cut(inode, length) => self.inodes[inode].data.truncate(length),
            Op::Rename(from, to) => {
                if let Some(inode) = self.names.remove(&from) {
                    self.names.insert(to, inode);
                    self.done.push(op);
                    return;
                }
                // A folder goes with all that stands in it.
                let inside: Vec<_> =
                    self.names.keys().filter(|path| path.starts_with(&from)).cloned().collect();
                for path in inside {
                    if let Some(inode) = self.names.remove(&path) {
                        self.names.insert(to.join(path.strip_prefix(&from).unwrap()), inode);
                    }
                }
            }
            Op::Remove(path) => {
                self.names.remove(&path);
            }
        }
        self.done.push(op);
    }
}

impl Scripted {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    pub(super) fn calls(&self) -> u64 {
        self.with(|s| s.calls)
    }

    pub(super) fn count(&self, call: Call) -> u64 {
        self.with(|s| s.per_call.get(&call).copied().unwrap_or(0))
    }

    /// The `n`-th call of all from the beginning fails; an append then writes half of it.
    pub(super) fn fail_at(&self, n: u64) {
        self.with(|s| s.fail_at = Some(n));
    }

    /// The `n`-th call of this kind from now on fails.
    pub(super) fn fail_next(&self, call: Call, n: u64, kind: ErrorKind) {
        let so_far = self.count(call);
        self.with(|s| s.fail_nth.push((call, so_far + n, kind)));
    }

    /// Every call of this kind fails until [`Scripted::mend`].
    pub(super) fn break_down(&self, calls: &[Call], kind: ErrorKind) {
        self.with(|s| s.broken.extend(calls.iter().map(|call| (*call, kind))));
    }

    pub(super) fn mend(&self) {
        self.with(|s| {
            s.broken.clear();
            s.fail_nth.clear();
            s.fail_at = None;
        });
    }

    /// From the `n`-th call on, nothing happens any more.
    pub(super) fn cut_power_at(&self, n: u64) {
        self.with(|s| s.cut_at = Some(n));
    }

    pub(super) fn set_capacity(&self, bytes: Option<u64>) {
        self.with(|s| s.capacity = bytes);
    }

    pub(super) fn used(&self) -> u64 {
        self.with(|s| s.used())
    }

    /// The block of 4096 bytes at `offset` of the file cannot be read.
    pub(super) fn spoil(&self, path: &Path, offset: u64) {
        self.with(|s| s.bad_blocks.push((path.to_owned(), offset / 4096)));
    }

    /// The disk after a power cut and a new start.
    pub(super) fn reboot(&self, model: Model) -> Self {
        let fresh = Self::new();
        self.with(|old| {
            fresh.with(|new| match model {
                Model::Strict => {
                    new.names = old.forced_names.clone();
                    new.inodes = old.inodes.clone();
                    for inode in &mut new.inodes {
                        inode.data = inode.forced.clone();
                    }
                }
                Model::Ordered(seed) => {
                    let open = old.done.len() - old.forced_ops;
                    let point = old.forced_ops + (seed as usize) % (open + 1);
                    for op in &old.done[..point] {
                        new.apply(op.clone());
                    }
                    if let Some(Op::Append(inode, bytes)) = old.done.get(point) {
                        let part = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as usize;
                        new.apply(Op::Append(*inode, bytes[..part % (bytes.len() + 1)].to_vec()));
                    }
                }
                Model::Lenient => {
                    for op in &old.done {
                        new.apply(op.clone());
                    }
                }
            });
        });
        fresh.with(|new| {
            for inode in &mut new.inodes {
                inode.forced = inode.data.clone();
                inode.lying = false;
            }
            new.forced_names = new.names.clone();
            // What survived is where the next life begins, under the ordered model too.
            new.done = Vec::new();
            for (path, inode) in new.names.clone() {
                new.done.push(Op::Create(path, inode));
                new.done.push(Op::Append(inode, new.inodes[inode].data.clone()));
            }
            new.forced_ops = new.done.len();
        });
        fresh
    }

    pub(super) fn files(&self) -> Vec<String> {
        self.with(|s| {
            s.names.keys().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        })
    }

    /// The one segment, or the `n`-th.
    pub(super) fn segment(&self, n: usize) -> PathBuf {
        self.with(|s| {
            let segments = s.names.keys().filter(|p| p.to_string_lossy().ends_with(".segment"));
            let mut kept = segments.filter(|p| !p.to_string_lossy().contains("torn-"));
            kept.nth(n).unwrap().clone()
        })
    }

    pub(super) fn contents(&self, path: &Path) -> Vec<u8> {
        self.with(|s| s.inodes[s.names[path]].data.clone())
    }

    /// Changes a file behind the journal's back.
    pub(super) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        self.with(|s| {
            let inode = s.names[path];
            let mut data = s.inodes[inode].data.clone();
            change(&mut data);
            s.apply(Op::Cut(inode, 0));
            s.apply(Op::Append(inode, data.clone()));
            s.inodes[inode].forced = data;
            s.forced_ops = s.done.len();
        });
    }

    pub(super) fn delete(&self, path: &Path) {
        self.with(|s| {
            s.apply(Op::Remove(path.to_owned()));
            s.forced_names.remove(path);
            s.forced_ops = s.done.len();
        });
    }
}

struct Lock(Scripted, PathBuf);

impl DirLock for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.with(|s| s.locked.remove(&self.1));
    }
}

impl Disk for Scripted {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        self.with(|s| s.call(Call::MakeDir))
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn DirLock>>> {
        let taken = self.with(|s| {
            s.call(Call::Lock)?;
            Ok::<_, io::Error>(s.locked.insert(dir.to_owned()))
        })?;
        Ok(if taken { Some(Box::new(Lock(self.clone(), dir.to_owned()))) } else { None })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.with(|s| {
            s.call(Call::List)?;
            let inside = s.names.keys().filter(|path| path.parent() == Some(dir));
            Ok(inside.map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.with(|s| {
            s.call(Call::Create)?;
            if s.names.contains_key(path) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let inode = s.inodes.len();
            s.apply(Op::Create(path.to_owned(), inode));
            Ok(Box::new(Open { disk: self.clone(), inode, path: path.to_owned() }) as _)
        })
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.with(|s| {
            s.call(Call::Open)?;
            let inode = *s.names.get(path).ok_or(ErrorKind::NotFound)?;
            Ok(Box::new(Open { disk: self.clone(), inode, path: path.to_owned() }) as _)
        })
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|s| {
            s.call(Call::Rename)?;
            s.apply(Op::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|s| {
            s.call(Call::Remove)?;
            if !s.names.contains_key(path) {
                return Err(ErrorKind::NotFound.into());
            }
            s.apply(Op::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.with(|s| {
            s.call(Call::SyncDir)?;
            s.forced_names = s.names.clone();
            s.forced_ops = s.done.len();
            Ok(())
        })
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        self.with(|s| Ok(s.capacity.map_or(u64::MAX / 4, |all| all.saturating_sub(s.used()))))
    }
}

struct Open {
    disk: Scripted,
    inode: usize,
    path: PathBuf,
}

impl DiskFile for Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.with(|s| {
            let called = s.call(Call::Append);
            if let Err(error) = called {
                // After the cut nothing is written; at a failing call, and at the cut itself, half.
                if s.cut_at.is_none_or(|at| s.calls == at) {
                    s.apply(Op::Append(self.inode, bytes[..bytes.len() / 2].to_vec()));
                }
                return Err(error);
            }
            let free = s.capacity.map_or(u64::MAX, |all| all.saturating_sub(s.used()));
            if (bytes.len() as u64) > free {
                s.apply(Op::Append(self.inode, bytes[..free as usize].to_vec()));
                return Err(ErrorKind::StorageFull.into());
            }
            s.apply(Op::Append(self.inode, bytes.to_vec()));
            Ok(())
        })
    }

    fn force(&mut self) -> io::Result<()> {
        self.disk.with(|s| {
            let called = s.call(Call::Force);
            let inode = &mut s.inodes[self.inode];
            if called.is_err() {
                inode.lying = true;
                return called;
            }
            if !inode.lying {
                inode.forced = inode.data.clone();
                s.forced_ops = s.done.len();
            }
            Ok(())
        })
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.with(|s| {
            s.call(Call::Read)?;
            let last = (offset + into.len() as u64).saturating_sub(1) / 4096;
            let touched = offset / 4096..=last;
            if s.bad_blocks
                .iter()
                .any(|(path, block)| *path == self.path && touched.contains(block))
            {
                return Err(eio());
            }
            let data = &s.inodes[self.inode].data;
            let from = (offset as usize).min(data.len());
            let got = into.len().min(data.len() - from);
            into[..got].copy_from_slice(&data[from..from + got]);
            Ok(got)
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.with(|s| Ok(s.inodes[self.inode].data.len() as u64))
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.with(|s| {
            s.call(Call::Cut)?;
            s.apply(Op::Cut(self.inode, length as usize));
            Ok(())
        })
    }
}
