//! The committer with its thread: one writer that counts itself, many that do not, and a disk that
//! fails and comes back under them.

use std::io::ErrorKind;

use super::scripted::{Call, Model};
use super::*;

fn spawn(disk: &Scripted, limits: Limits) -> CommitterHandle {
    Committer::spawn(open(disk, limits).0.journal).unwrap()
}

fn batch(numbers: std::ops::RangeInclusive<u64>, urgency: Urgency) -> Batch {
    Batch::new(numbers.map(draft).collect(), urgency).unwrap()
}

/// Waits until the watched value is as wanted; a guard against hanging only.
async fn until(handle: &CommitterHandle, wanted: impl FnMut(&Durable) -> bool) -> Durable {
    let mut durable = handle.durable();
    let seen = tokio::time::timeout(std::time::Duration::from_secs(20), durable.wait_for(wanted));
    seen.await.unwrap().unwrap().clone()
}

#[tokio::test]
async fn an_answered_batch_survives_a_cut() {
    let disk = Scripted::new();
    let handle = spawn(&disk, limits());
    let pending = handle.commit(batch(1..=3, Urgency::Urgent).beginning_at(Seq(1))).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
    assert!(handle.durable().borrow().covers(Seq(3)));
    let (_, records) = open(&disk.reboot(Model::Strict), limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
}

#[tokio::test]
async fn a_writer_that_counts_otherwise_is_refused_and_told_the_count() {
    let handle = spawn(&Scripted::new(), limits());
    let pending = handle.commit(batch(2..=2, Urgency::Urgent).beginning_at(Seq(2))).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::OutOfOrder { next: Seq(1) });
    let pending = handle.commit(batch(1..=1, Urgency::Urgent).beginning_at(Seq(1))).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
}

#[tokio::test]
async fn an_unhurried_batch_is_written_at_once_and_forced_by_itself() {
    let disk = Scripted::new();
    let handle = spawn(&disk, Limits { force_within: Wait::secs(3600), ..limits() });
    let slow = handle.commit(batch(1..=2, Urgency::Unhurried)).await.unwrap();
    let quick = handle.commit(batch(3..=3, Urgency::Urgent)).await.unwrap();
    assert_eq!(quick.answer().await.unwrap(), Answer::Durable(Seq(3)));
    assert_eq!(slow.answer().await.unwrap(), Answer::Durable(Seq(1)));

    let alone = spawn(&Scripted::new(), Limits { force_within: Wait(1), ..limits() });
    let pending = alone.commit(batch(1..=2, Urgency::Unhurried)).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
}

#[test]
fn many_writers_each_get_their_own_sequences_and_share_the_forces() {
    let disk = Scripted::new();
    let handle = spawn(&disk, limits());
    let before = disk.count(Call::Force);
    let writers: Vec<_> = (0..16u64)
        .map(|writer| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                (0..50u64)
                    .map(|n| {
                        let body = format!(r#"{{"writer":{writer},"n":{n}}}"#).into_bytes();
                        let draft = Draft::new(At(n), Wall(0), body.clone()).unwrap();
                        let batch = Batch::new(vec![draft], Urgency::Urgent).unwrap();
                        match handle.commit_blocking(batch).unwrap().wait().unwrap() {
                            Answer::Durable(seq) => (seq, body),
                            other => panic!("{other:?}"),
                        }
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut told: Vec<_> = writers.into_iter().flat_map(|w| w.join().unwrap()).collect();
    told.sort();
    assert!(disk.count(Call::Force) - before <= 800);
    let (_, records) = open(&disk.reboot(Model::Strict), limits());
    let read: Vec<_> = records.into_iter().map(|record| (record.seq, record.body)).collect();
    assert_eq!(read, told);
}

#[tokio::test]
async fn more_than_a_frame_of_entries_is_forced_once() {
    let disk = Scripted::new();
    let handle = spawn(&disk, limits());
    let before = disk.count(Call::Force);
    let pending = handle.commit(batch(1..=1500, Urgency::Urgent)).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
    assert_eq!(disk.count(Call::Force) - before, 1);
    assert_eq!(verify(&disk, dir()).unwrap().frames, 3);
    let many = (0..=BATCH_MAX as u64).map(draft).collect();
    assert!(matches!(Batch::new(many, Urgency::Urgent), Err(JournalError::TooLong { .. })));
}

#[tokio::test]
async fn a_failing_disk_is_seen_answered_as_volatile_and_caught_up_with_by_itself() {
    let disk = Scripted::new();
    let handle = spawn(&disk, Limits { retry_every: Wait(5), ..limits() });
    disk.break_down(&[Call::Force], ErrorKind::Other);
    for n in 1..=3 {
        let pending = handle.commit(batch(n..=n, Urgency::Urgent)).await.unwrap();
        assert_eq!(pending.answer().await.unwrap(), Answer::Volatile(Seq(n)));
        assert!(!handle.durable().borrow().covers(Seq(n)));
    }
    let seen = until(&handle, Durable::is_volatile).await;
    let Standing::Volatile { since, kept, .. } = seen.standing else { panic!() };
    assert!(since >= At(1001) && kept > 0);
    disk.mend();
    until(&handle, |durable| durable.covers(Seq(3)) && !durable.is_volatile()).await;
    let (_, records) = open(&disk.reboot(Model::Strict), limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
}

#[tokio::test]
async fn asked_to_try_now_it_does_not_wait_for_the_next_regular_try() {
    let disk = Scripted::new();
    let handle = spawn(&disk, Limits { retry_every: Wait::hours(1), ..limits() });
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    let pending = handle.commit(batch(1..=1, Urgency::Urgent)).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Volatile(Seq(1)));
    handle.retry_now();
    until(&handle, |durable| durable.covers(Seq(1))).await;
}

#[tokio::test]
async fn a_snapshot_closes_a_gap_and_the_receipts_behind_it_go_out() {
    let disk = Scripted::new();
    let few = Limits { backlog_max_entries: 2, retry_every: Wait(5), ..limits() };
    let handle = spawn(&disk, few.clone());
    disk.break_down(&[Call::Append], ErrorKind::Other);
    for n in 1..=5 {
        handle.commit(batch(n..=n, Urgency::Urgent)).await.unwrap().answer().await.unwrap();
    }
    disk.mend();
    let durable = until(&handle, |durable| !durable.is_volatile()).await;
    let gap = durable.gap.unwrap();
    assert!(durable.covers(Seq(1)) && !durable.covers(gap.first) && gap.last == Seq(5));
    let writer = handle.clone();
    let write = move || writer.write_snapshot(gap.last, b"everything up to five");
    tokio::task::spawn_blocking(write).await.unwrap().unwrap();
    until(&handle, |durable| durable.gap.is_none() && durable.covers(Seq(5))).await;
    let opening = Journal::open(Arc::new(disk.reboot(Model::Strict)), dir(), few).unwrap();
    assert_eq!(opening.snapshot().unwrap().seq, Seq(5));
    let opened = opening.replay(|record| panic!("{record:?}"));
    assert_eq!(opened.journal.next(), Seq(6));
}

#[tokio::test]
async fn closing_writes_what_waits_and_is_seen_as_a_clean_stop() {
    let disk = Scripted::new();
    let handle = spawn(&disk, Limits { force_within: Wait::secs(3600), ..limits() });
    let pending = handle.commit(batch(1..=2, Urgency::Unhurried)).await.unwrap();
    let durable = handle.close(At(9), Wall(9)).await.unwrap();
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
    assert!(durable.covers(Seq(2)));
    assert!(matches!(handle.close(At(9), Wall(9)).await, Err(JournalError::Gone)));
    let (opened, records) = open(&disk.reboot(Model::Strict), limits());
    assert!(opened.clean_stop && seqs(&records) == [1, 2]);
}

#[tokio::test]
async fn a_hub_that_drops_the_handle_loses_nothing_but_the_clean_stop() {
    let disk = Scripted::new();
    let handle = spawn(&disk, limits());
    let pending = handle.commit(batch(1..=2, Urgency::Unhurried)).await.unwrap();
    drop(handle);
    assert_eq!(pending.answer().await.unwrap(), Answer::Durable(Seq(1)));
    let opened = Journal::open(Arc::new(disk.reboot(Model::Strict)), dir(), limits()).unwrap();
    assert!(!opened.replay(|_| ()).clean_stop);
}
