//! A disk that refuses: nobody is told a lie, nothing is lost that need not be, and when it is well
//! again everything is written in order.

use std::io::ErrorKind;

use super::scripted::{Call, Model};
use super::*;

const WRITES: [Call; 7] = [
    Call::MakeDir,
    Call::Create,
    Call::Rename,
    Call::Remove,
    Call::SyncDir,
    Call::Append,
    Call::Force,
];

fn is_volatile(journal: &Journal) -> bool {
    journal.durable().is_volatile()
}

#[test]
fn an_error_at_a_force_answers_nobody_and_the_next_segment_takes_everything() {
    let disk = disk_with(2, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(3)]);
    opened.journal.force();
    assert!(is_volatile(&opened.journal) && !opened.journal.durable().covers(Seq(3)));
    opened.journal.append(&mut vec![draft(4)]);
    opened.journal.force();
    assert!(!opened.journal.durable().covers(Seq(3)));
    assert!(opened.journal.durable().covers(Seq(2)));
    assert!(opened.journal.retry());
    assert!(opened.journal.durable().covers(Seq(4)));
    write(&mut opened.journal, 5, 5);
    for model in [Model::Strict, Model::Lenient] {
        let (opened, records) = open(&disk.reboot(model), limits());
        assert_eq!(seqs(&records), [1, 2, 3, 4, 5]);
        assert!(!opened.findings.iter().any(Finding::is_damage), "{:?}", opened.findings);
    }
    assert!(verify(&disk, dir()).unwrap().is_sound());
}

#[test]
fn a_force_that_failed_is_never_tried_again_on_the_same_file() {
    let disk = disk_with(1, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(2)]);
    opened.journal.force();
    let (forces, files) = (disk.count(Call::Force), disk.files().len());
    opened.journal.force();
    assert_eq!(disk.count(Call::Force), forces);
    opened.journal.retry();
    assert_eq!(disk.files().len(), files + 1);
}

#[test]
fn half_a_write_and_an_error_leave_no_trace_in_what_is_read() {
    let disk = disk_with(2, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.fail_next(Call::Append, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(3)]);
    assert!(is_volatile(&opened.journal));
    assert!(opened.journal.retry());
    let (opened, records) = open(&disk.reboot(Model::Strict), limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
    assert_eq!(opened.findings, []);
    let report = verify(&disk, dir()).unwrap();
    assert!(matches!(&report.findings[..], [Finding::Superseded { .. }]), "{report}");
}

#[test]
fn tries_that_fail_leave_no_files_behind_and_keep_everything() {
    let disk = disk_with(1, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.break_down(&[Call::Force], ErrorKind::Other);
    opened.journal.append(&mut vec![draft(2)]);
    opened.journal.force();
    for _ in 0..20 {
        assert!(!opened.journal.retry());
    }
    assert_eq!(disk.files().len(), 1);
    disk.mend();
    assert!(opened.journal.retry());
    drop(opened);
    reads_and_goes_on(&disk.reboot(Model::Strict), limits(), &[1, 2]);
}

#[test]
fn tries_that_fail_and_cannot_be_removed_are_passed_by() {
    let disk = disk_with(1, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.break_down(&[Call::Force, Call::Remove], ErrorKind::Other);
    opened.journal.append(&mut vec![draft(2)]);
    opened.journal.force();
    for call in [Call::Append, Call::SyncDir, Call::Force] {
        disk.fail_next(call, 1, ErrorKind::Other);
        assert!(!opened.journal.retry());
    }
    disk.mend();
    assert!(opened.journal.retry());
    write(&mut opened.journal, 3, 3);
    assert!(disk.files().len() > 2);
    drop(opened);
    for model in [Model::Strict, Model::Lenient] {
        let findings = reads_and_goes_on(&disk.reboot(model), limits(), &[1, 2, 3]);
        assert!(!findings.iter().any(Finding::is_damage), "{findings:?}");
    }
}

#[test]
fn a_start_on_an_unwritable_disk_runs_in_memory_and_catches_up() {
    let disk = disk_with(3, limits());
    disk.break_down(&WRITES, ErrorKind::ReadOnlyFilesystem);
    let (mut opened, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
    assert!(matches!(&opened.findings[..], [Finding::Unwritable { .. }]));
    opened.journal.append(&mut vec![draft(4)]);
    assert!(is_volatile(&opened.journal) && !opened.journal.durable().covers(Seq(4)));
    assert!(!opened.journal.retry());
    disk.mend();
    assert!(opened.journal.retry());
    assert!(opened.journal.durable().covers(Seq(4)));
    drop(opened);
    reads_and_goes_on(&disk.reboot(Model::Strict), limits(), &[1, 2, 3, 4]);
}

#[test]
fn a_start_whose_first_force_fails_does_not_call_durable_what_may_not_be() {
    let disk = disk_with(3, limits());
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    let (mut opened, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
    assert!(!opened.journal.durable().covers(Seq(3)));
    assert_eq!(opened.journal.next(), Seq(4));
    opened.journal.append(&mut vec![draft(4)]);
    assert!(opened.journal.retry());
    assert!(opened.journal.durable().covers(Seq(4)));
    drop(opened);
    reads_and_goes_on(&disk.reboot(Model::Strict), limits(), &[1, 2, 3, 4]);
}

#[test]
fn a_start_without_any_folder_runs_in_memory_and_takes_the_folder_when_it_comes() {
    let disk = Scripted::new();
    disk.break_down(&WRITES, ErrorKind::PermissionDenied);
    disk.break_down(&[Call::Lock, Call::List, Call::Open], ErrorKind::NotFound);
    let (mut opened, _) = open(&disk, limits());
    opened.journal.append(&mut vec![draft(1), draft(2)]);
    assert!(!opened.journal.retry());
    disk.mend();
    assert!(opened.journal.retry());
    assert!(Journal::open(Arc::new(disk.clone()), dir(), limits()).is_err());
    drop(opened);
    reads_and_goes_on(&disk.reboot(Model::Strict), limits(), &[1, 2]);
}

#[test]
fn a_journal_that_could_not_be_read_at_the_start_is_never_written_into() {
    let disk = disk_with(3, limits());
    disk.break_down(&[Call::List], ErrorKind::Other);
    let (mut opened, records) = open(&disk, limits());
    assert_eq!(records, []);
    opened.journal.append(&mut vec![draft(1)]);
    disk.mend();
    assert!(!opened.journal.retry());
    let Standing::Volatile { error, .. } = opened.journal.durable().standing else { panic!() };
    assert!(error.contains("restart the hub"), "{error}");
    drop(opened);
    reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
}

#[test]
fn a_second_hub_on_the_same_folder_is_refused() {
    let disk = Scripted::new();
    let (opened, _) = open(&disk, limits());
    let refused = Journal::open(Arc::new(disk.clone()), dir(), limits());
    assert!(matches!(refused, Err(JournalError::Held)));
    drop(opened);
    open(&disk, limits());
}

#[test]
fn a_folder_that_cannot_be_locked_is_used_and_reported() {
    let disk = Scripted::new();
    disk.break_down(&[Call::Lock], ErrorKind::Unsupported);
    let (mut opened, _) = open(&disk, limits());
    assert!(matches!(&opened.findings[..], [Finding::Unlocked { .. }]));
    write(&mut opened.journal, 1, 1);
    assert!(opened.journal.durable().covers(Seq(1)));
}

#[test]
fn on_a_full_disk_the_ballast_makes_room_and_nobody_notices() {
    let disk = Scripted::new();
    let with_ballast = Limits { ballast_bytes: 4096, ..limits() };
    let (mut opened, _) = open(&disk, with_ballast.clone());
    let (_, _, ballast) = opened.journal.place();
    assert!(ballast.lay().unwrap());
    write(&mut opened.journal, 1, 2);
    disk.set_capacity(Some(disk.used() + 50));
    write(&mut opened.journal, 3, 6);
    assert!(!is_volatile(&opened.journal) && opened.journal.durable().covers(Seq(6)));
    assert!(!disk.files().iter().any(|name| name == "ballast"));
    drop(opened);
    let (opened, records) = open(&disk.reboot(Model::Strict), with_ballast);
    assert_eq!((seqs(&records), opened.findings), (vec![1, 2, 3, 4, 5, 6], vec![]));
}

#[test]
fn on_a_full_disk_without_ballast_it_goes_on_in_memory_until_there_is_room() {
    let disk = disk_with(2, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.set_capacity(Some(disk.used() + 10));
    opened.journal.append(&mut vec![draft(3)]);
    opened.journal.force();
    assert!(is_volatile(&opened.journal) && !opened.journal.retry());
    disk.set_capacity(None);
    assert!(opened.journal.retry());
    drop(opened);
    reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
}

#[test]
fn a_start_on_a_full_disk_succeeds() {
    let disk = disk_with(3, limits());
    disk.tamper(&disk.segment(0), |bytes| bytes.extend_from_slice(&[0xA7, b'A']));
    disk.set_capacity(Some(0));
    let (mut opened, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3]);
    opened.journal.append(&mut vec![draft(4)]);
    disk.set_capacity(None);
    assert!(opened.journal.retry());
    drop(opened);
    let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3, 4]);
    assert!(!findings.iter().any(Finding::is_damage), "{findings:?}");
}

#[test]
fn a_start_on_a_full_disk_writes_in_the_place_of_the_ballast_an_earlier_run_laid() {
    for torn in [false, true] {
        let disk = disk_with(3, limits());
        let with_ballast = Limits { ballast_bytes: 4096, ..limits() };
        let (opened, _) = open(&disk, with_ballast.clone());
        assert!(opened.journal.place().2.lay().unwrap());
        drop(opened);
        let disk = disk.reboot(Model::Lenient);
        if torn {
            disk.tamper(&disk.segment(0), |bytes| bytes.extend_from_slice(&[0xA7, b'A']));
        }
        disk.set_capacity(Some(disk.used()));
        let (mut opened, records) = open(&disk, with_ballast.clone());
        assert_eq!(seqs(&records), [1, 2, 3]);
        let unwritable = |f: &Finding| matches!(f, Finding::Unwritable { .. });
        assert!(!opened.findings.iter().any(unwritable), "{:?}", opened.findings);
        write(&mut opened.journal, 4, 5);
        assert!(!is_volatile(&opened.journal) && opened.journal.durable().covers(Seq(5)));
        drop(opened);
        let disk = disk.reboot(Model::Strict);
        disk.set_capacity(None);
        reads_and_goes_on(&disk, with_ballast, &[1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_hub_that_began_in_memory_takes_the_ballasts_room_when_it_tries_again() {
    let disk = disk_with(2, limits());
    let (mut opened, _) = open(&disk, Limits { ballast_bytes: 4096, ..limits() });
    assert!(opened.journal.place().2.lay().unwrap());
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(3)]);
    opened.journal.force();
    disk.set_capacity(Some(disk.used()));
    assert!(is_volatile(&opened.journal) && opened.journal.retry());
    drop(opened);
    disk.set_capacity(None);
    reads_and_goes_on(&disk.reboot(Model::Strict), limits(), &[1, 2, 3]);
}

#[test]
fn a_ballast_is_not_laid_where_it_would_take_the_last_room() {
    let disk = Scripted::new();
    let (opened, _) = open(&disk, Limits { ballast_bytes: 4096, ..limits() });
    let (_, _, ballast) = opened.journal.place();
    disk.set_capacity(Some(FREE_FLOOR));
    assert!(!ballast.lay().unwrap());
    assert!(!ballast.give_up());
    disk.set_capacity(Some(FREE_FLOOR + 100_000));
    assert!(ballast.lay().unwrap() && ballast.lay().unwrap());
}

#[test]
fn beyond_the_limit_the_newest_are_counted_as_a_gap_that_a_snapshot_closes() {
    let few = Limits { backlog_max_entries: 3, ..limits() };
    let disk = disk_with(1, few.clone());
    let (mut opened, _) = open(&disk, few.clone());
    disk.break_down(&[Call::Append], ErrorKind::Other);
    for n in 2..=7 {
        assert_eq!(opened.journal.append(&mut vec![draft(n)]), Seq(n));
    }
    let gap = Some(Gap { first: Seq(5), last: Seq(7) });
    assert_eq!(opened.journal.durable().gap, gap);
    disk.mend();
    assert!(opened.journal.retry());
    write(&mut opened.journal, 8, 8);
    let durable = opened.journal.durable();
    assert_eq!(durable.gap, gap);
    assert!([1, 2, 3, 4, 8].iter().all(|n| durable.covers(Seq(*n))));
    assert!([5, 6, 7].iter().all(|n| !durable.covers(Seq(*n))));
    opened.journal.covered(Seq(6));
    assert!(!opened.journal.durable().covers(Seq(5)));
    opened.journal.covered(Seq(8));
    assert!(opened.journal.durable().covers(Seq(5)));
    drop(opened);
    let (opened, records) = open(&disk, few);
    assert_eq!(seqs(&records), [1, 2, 3, 4, 8]);
    let lost = Lost { first: Seq(5), last: Some(Seq(7)) };
    assert!(opened.findings.contains(&Finding::Gap { lost }));
    assert!(!opened.findings.iter().any(Finding::is_damage));
    assert!(verify(&disk, dir()).unwrap().is_sound());
}

#[test]
fn closing_while_the_disk_fails_says_what_is_not_safe() {
    let disk = disk_with(2, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.break_down(&[Call::Force], ErrorKind::Other);
    opened.journal.append(&mut vec![draft(3)]);
    let durable = opened.journal.close(At(9), Wall(9));
    assert!(durable.is_volatile() && !durable.covers(Seq(3)) && durable.covers(Seq(2)));
}
