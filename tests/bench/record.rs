//! Entries made durable a second, in-process. The floor is the same number of threads that append
//! and force with a group commit of ten lines: whoever finds no force running forces for all.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anling::journal::{Batch, Committer, Draft, Journal, Limits, OsDisk, Urgency};
use anling::terms::{At, Wall};

use super::Run;
use super::machine::{median, now};
use super::table::Table;

const BYTES: usize = 300;
/// One turn of either side: short, so that both meet a shared disk in all its moods.
const SPAN: Duration = Duration::from_millis(400);
const WRITERS: [usize; 3] = [1, 16, 256];

pub fn measure(run: &Run, table: &mut Table) {
    for writers in WRITERS {
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for round in 0..run.pick(25, 7) {
            let dir = run.dir.join(format!("journal-{writers}-{round}"));
            std::fs::create_dir_all(&dir).unwrap();
            ours.push(journal(&dir, writers));
            floors.push(bare(&dir, writers));
        }
        let name = format!("journal, {writers} writers: entries a second");
        table.beside(&name, (median(ours), median(floors)), "/s", "≥ 0.9 × floor");
    }
}

/// Runs `write` on that many threads for [`SPAN`]; how often a second it came back.
fn rate(writers: usize, write: impl Fn() + Sync) -> f64 {
    let (count, began) = (AtomicU64::new(0), now());
    let end = began + SPAN.as_nanos() as u64;
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while now() < end {
                    write();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / ((now() - began) as f64 / 1e9)
}

fn journal(dir: &Path, writers: usize) -> f64 {
    let limits = Limits { ballast_bytes: 0, ..Limits::default() };
    let opening = Journal::open(Arc::new(OsDisk), &dir.join("journal"), limits).unwrap();
    let handle = Committer::spawn(opening.replay(|_| {}).journal).unwrap();
    rate(writers, || {
        let draft = Draft::new(At(1), Wall(1), vec![b'x'; BYTES]).unwrap();
        let batch = Batch::new(vec![draft], Urgency::Urgent).unwrap();
        handle.commit_blocking(batch).unwrap().wait().unwrap();
    })
}

#[derive(Default)]
struct Group {
    gathered: Vec<u8>,
    /// Entries gathered and forced since the beginning.
    taken: u64,
    forced: u64,
    forcing: bool,
}

fn bare(dir: &Path, writers: usize) -> f64 {
    let file = Mutex::new(File::create(dir.join("bare")).unwrap());
    let (group, done) = (Mutex::new(Group::default()), Condvar::new());
    rate(writers, || {
        let mut held = group.lock().unwrap();
        held.gathered.extend_from_slice(&[b'x'; BYTES]);
        held.taken += 1;
        let mine = held.taken;
        while held.forced < mine {
            if held.forcing {
                held = done.wait(held).unwrap();
                continue;
            }
            held.forcing = true;
            let (bytes, upto) = (std::mem::take(&mut held.gathered), held.taken);
            drop(held);
            let mut file = file.lock().unwrap();
            file.write_all(&bytes).unwrap();
            rustix::fs::fdatasync(&*file).unwrap();
            drop(file);
            held = group.lock().unwrap();
            (held.forcing, held.forced) = (false, upto);
            done.notify_all();
        }
    })
}
