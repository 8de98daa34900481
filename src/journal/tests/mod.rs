//! The journal's promises, told on a disk that can fail at any call.

mod committing;
mod crash_shapes;
mod damage;
mod disk_failures;
mod looking;
mod restoring;
mod retiring;
mod scripted;
mod sweep;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::terms::{At, Seq, Wait, Wall};
use scripted::Scripted;

fn dir() -> &'static Path {
    Path::new("/journal")
}

fn limits() -> Limits {
    Limits { ballast_bytes: 0, ..Limits::default() }
}

fn small_segments() -> Limits {
    Limits { segment_max_bytes: 500, ..limits() }
}

/// An entry whose bytes are known by its number.
fn draft(n: u64) -> Draft {
    Draft::new(At(1000 + n), Wall(1_795_000_000_000 + n as i64), body(n)).unwrap()
}

fn body(n: u64) -> Vec<u8> {
    format!(r#"{{"n":{n},"said":"{}"}}"#, "响".repeat(n as usize % 7)).into_bytes()
}

fn open(disk: &Scripted, limits: Limits) -> (Opened, Vec<Record>) {
    let mut records = Vec::new();
    let opening = Journal::open(Arc::new(disk.clone()), dir(), limits).unwrap();
    let opened = opening.replay(|record| records.push(record));
    (opened, records)
}

/// Writes entries `from..=to`, each in its own frame, forced.
fn write(journal: &mut Journal, from: u64, to: u64) {
    for n in from..=to {
        let seq = journal.append(&mut vec![draft(n)]);
        assert_eq!(seq, Seq(n));
        journal.force();
    }
}

/// A disk with entries `1..=to` in it, forced, stopped without a word.
fn disk_with(to: u64, limits: Limits) -> Scripted {
    let disk = Scripted::new();
    let (mut opened, _) = open(&disk, limits);
    write(&mut opened.journal, 1, to);
    assert!(opened.journal.durable().covers(Seq(to)));
    drop(opened);
    disk
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq.0).collect()
}

/// Every record is the one that was written under its number.
fn assert_as_written(records: &[Record]) {
    for record in records {
        assert_eq!(record.body, body(record.seq.0), "entry {}", record.seq);
        assert_eq!(record.at, At(1000 + record.seq.0));
    }
}

/// Opens again, expects exactly these entries, goes on writing, and opens a last time: whatever the
/// shape was, the journal is well afterwards.
fn reads_and_goes_on(disk: &Scripted, limits: Limits, expected: &[u64]) -> Vec<Finding> {
    let (mut opened, records) = open(disk, limits.clone());
    assert_eq!(seqs(&records), expected);
    assert_as_written(&records);
    let next = opened.journal.next().0;
    write(&mut opened.journal, next, next + 2);
    assert!(opened.journal.durable().covers(Seq(next + 2)));
    let findings = opened.findings;
    assert_eq!(opened.journal.close(At(1), Wall(1)).standing, Standing::Safe);
    let (opened, records) = open(disk, limits);
    let expected: Vec<u64> = expected.iter().copied().chain(next..=next + 2).collect();
    assert_eq!(seqs(&records), expected);
    assert!(opened.clean_stop);
    findings
}
