//! The same day's work, with a failure or a cut at every single call: whatever was answered is
//! there afterwards, in order, once, and the chain is good.

use super::super::snapshot::write_snapshot;
use super::scripted::Model;
use super::*;

/// A day: two runs, segment changes, batches, an unhurried batch, two snapshots, tries after
/// failures, a clean stop. Says up to which entry the journal said it was safe.
fn a_day(disk: &Scripted) -> u64 {
    let mut safe = 0;
    for run in 0..2 {
        let Ok(opening) = Journal::open(Arc::new(disk.clone()), dir(), small_segments()) else {
            return safe;
        };
        let mut opened = opening.replay(|_| ());
        let journal = &mut opened.journal;
        for turn in 0..6u64 {
            let next = journal.next().0;
            let mut batch: Vec<Draft> = (next..=next + turn % 3).map(draft).collect();
            let last = next + turn % 3;
            journal.append(&mut batch);
            if turn != 2 {
                journal.force();
            }
            journal.retry();
            let durable = journal.durable();
            if durable.covers(Seq(last)) {
                safe = safe.max(last);
            }
            if turn == 3 && durable.covers(Seq(last)) {
                let _ = write_snapshot(disk, dir(), Seq(last), durable.head, &last.to_le_bytes());
            }
        }
        if run == 0 {
            let last = journal.next().0 - 1;
            let durable = opened.journal.close(At(5), Wall(5));
            if durable.covers(Seq(last)) {
                safe = safe.max(last);
            }
        }
    }
    safe
}

fn everything_answered_is_there(disk: &Scripted, safe: u64, story: &str) {
    let opening = Journal::open(Arc::new(disk.clone()), dir(), small_segments()).unwrap();
    let covered = opening.snapshot().map_or(0, |snapshot| snapshot.seq.0);
    let mut records = Vec::new();
    let opened = opening.replay(|record| records.push(record));
    let first = covered + 1;
    let expected: Vec<u64> = (first..first + records.len() as u64).collect();
    assert_eq!(seqs(&records), expected, "{story}");
    assert_as_written(&records);
    let newest = records.last().map_or(covered, |record| record.seq.0);
    assert!(newest >= safe, "{story}: {newest} of {safe}");
    assert_eq!(opened.journal.next(), Seq(newest + 1), "{story}");
    let damage: Vec<_> = opened.findings.iter().filter(|f| f.is_damage()).collect();
    assert!(damage.is_empty(), "{story}: {damage:?}");
    drop(opened);
    let all = tail(disk, dir(), TAIL_MAX).unwrap();
    assert_eq!(seqs(&all), (1..=newest).collect::<Vec<_>>(), "{story}");
    assert_as_written(&all);
    let report = verify(disk, dir()).unwrap();
    assert!(report.is_sound(), "{story}: {report}");
}

fn calls_of_a_day() -> u64 {
    let disk = Scripted::new();
    assert_eq!(a_day(&disk), 24);
    everything_answered_is_there(&disk, 24, "nothing happened");
    let disk = Scripted::new();
    a_day(&disk);
    disk.calls()
}

#[test]
fn whatever_call_fails_once_everything_answered_is_there() {
    for at in 1..=calls_of_a_day() {
        let disk = Scripted::new();
        disk.fail_at(at);
        let safe = a_day(&disk);
        disk.mend();
        everything_answered_is_there(&disk, safe, &format!("call {at} failed"));
    }
}

#[test]
fn whatever_call_fails_before_a_cut_everything_answered_is_there() {
    for at in 1..=calls_of_a_day() {
        let disk = Scripted::new();
        disk.fail_at(at);
        let safe = a_day(&disk);
        for model in [Model::Strict, Model::Ordered(at), Model::Ordered(at * 31), Model::Lenient] {
            let story = format!("call {at} failed, then the power under {model:?}");
            everything_answered_is_there(&disk.reboot(model), safe, &story);
        }
    }
}

#[test]
fn wherever_the_power_is_cut_everything_answered_is_there() {
    for at in 1..=calls_of_a_day() {
        let disk = Scripted::new();
        disk.cut_power_at(at);
        let safe = a_day(&disk);
        let seeds = (0..6).map(|n| Model::Ordered(at * 7 + n));
        for model in [Model::Strict, Model::Lenient].into_iter().chain(seeds) {
            let story = format!("power cut at call {at}, {model:?}");
            everything_answered_is_there(&disk.reboot(model), safe, &story);
        }
    }
}

#[test]
fn a_cut_during_the_start_after_a_cut_loses_nothing_either() {
    for at in (1..=calls_of_a_day()).step_by(3) {
        let disk = Scripted::new();
        disk.cut_power_at(at);
        let safe = a_day(&disk);
        let first = disk.reboot(Model::Ordered(at));
        for again in 1..25 {
            let second = first.reboot(Model::Lenient);
            second.cut_power_at(again);
            if let Ok(opening) = Journal::open(Arc::new(second.clone()), dir(), small_segments()) {
                opening.replay(|_| ());
            }
            for model in [Model::Strict, Model::Ordered(again)] {
                let story = format!("cut at {at}, then at {again} of the start, {model:?}");
                everything_answered_is_there(&second.reboot(model), safe, &story);
            }
        }
    }
}
