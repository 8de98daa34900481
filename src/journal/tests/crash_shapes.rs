//! One test for each shape a cut can leave.

use std::io::ErrorKind;

use super::super::snapshot::write_snapshot;
use super::scripted::{Call, Model};
use super::*;

const EACH: [Model; 3] = [Model::Strict, Model::Ordered(7), Model::Lenient];

/// Entries 1 to 3, and behind them only `left` bytes of the fourth frame.
fn cut_in_the_fourth(left: usize) -> Scripted {
    let disk = disk_with(4, limits());
    let segment = disk.segment(0);
    let whole = disk.contents(&segment).len();
    let third = {
        let shorter = disk_with(3, limits());
        shorter.contents(&shorter.segment(0)).len()
    };
    assert!(third + left < whole);
    disk.tamper(&segment, |bytes| bytes.truncate(third + left));
    disk
}

fn is_torn(finding: &Finding, length: u64) -> bool {
    matches!(finding, Finding::TornTail { bytes, kept_in: Some(_), .. } if *bytes == length)
}

#[test]
fn a_cut_inside_the_last_frames_head_is_a_torn_tail() {
    for left in [1, 8, 30, 59] {
        let findings = reads_and_goes_on(&cut_in_the_fourth(left), limits(), &[1, 2, 3]);
        assert!(matches!(&findings[..], [torn] if is_torn(torn, left as u64)), "{findings:?}");
    }
}

#[test]
fn a_cut_inside_the_last_frames_body_is_a_torn_tail_and_its_bytes_are_kept() {
    let disk = cut_in_the_fourth(75);
    let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
    let [Finding::TornTail { kept_in: Some(name), .. }] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(disk.contents(&dir().join(name)).len(), 75);
}

#[test]
fn zeros_behind_a_cut_frame_are_a_torn_tail() {
    for left in [0, 1, 30, 59, 70] {
        let disk = cut_in_the_fourth(left);
        disk.tamper(&disk.segment(0), |bytes| bytes.resize(bytes.len() + 8192, 0));
        let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
        assert!(matches!(&findings[..], [torn] if is_torn(torn, left as u64 + 8192)));
    }
}

#[test]
fn a_cut_after_the_write_and_before_the_force_loses_only_what_nobody_was_told() {
    for model in EACH {
        let disk = disk_with(3, limits());
        let (mut opened, _) = open(&disk, limits());
        opened.journal.append(&mut vec![draft(4)]);
        assert!(!opened.journal.durable().covers(Seq(4)));
        let disk = disk.reboot(model);
        let (_, records) = open(&disk, limits());
        assert!(seqs(&records).starts_with(&[1, 2, 3]), "{model:?}");
        assert_as_written(&records);
    }
}

#[test]
fn a_kill_after_the_write_and_before_the_force_loses_nothing() {
    let disk = disk_with(3, limits());
    let (mut opened, _) = open(&disk, limits());
    opened.journal.append(&mut vec![draft(4), draft(5)]);
    let findings = reads_and_goes_on(&disk.reboot(Model::Lenient), limits(), &[1, 2, 3, 4, 5]);
    assert_eq!(findings, []);
}

#[test]
fn what_a_killed_process_left_unforced_is_forced_by_the_next_start() {
    let disk = disk_with(3, limits());
    let (mut opened, _) = open(&disk, limits());
    opened.journal.append(&mut vec![draft(4)]);
    drop(opened);
    let (_, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3, 4]);
    let (_, records) = open(&disk.reboot(Model::Strict), limits());
    assert_eq!(seqs(&records), [1, 2, 3, 4]);
}

#[test]
fn a_cut_after_the_force_and_before_the_answer_keeps_the_entry() {
    for model in EACH {
        let disk = disk_with(3, limits()).reboot(model);
        assert_eq!(reads_and_goes_on(&disk, limits(), &[1, 2, 3]), [], "{model:?}");
    }
}

#[test]
fn a_cut_at_any_step_of_a_segment_change_loses_no_answered_entry() {
    let before = disk_with(4, small_segments()).calls();
    let after = disk_with(9, small_segments()).calls();
    for at in before..=after {
        for model in EACH {
            let disk = Scripted::new();
            disk.cut_power_at(at);
            let (mut opened, _) = open(&disk, small_segments());
            let mut answered = 0;
            for n in 1..=9 {
                opened.journal.append(&mut vec![draft(n)]);
                opened.journal.force();
                if opened.journal.durable().covers(Seq(n)) {
                    answered = n;
                }
            }
            let (opened, records) = open(&disk.reboot(model), small_segments());
            let expected: Vec<u64> = (1..=answered).collect();
            assert!(seqs(&records).starts_with(&expected), "call {at}, {model:?}");
            let damage: Vec<_> = opened.findings.iter().filter(|f| f.is_damage()).collect();
            assert!(damage.is_empty(), "call {at}, {model:?}: {damage:?}");
        }
    }
}

#[test]
fn a_segment_that_was_only_begun_is_taken_away_and_begun_anew() {
    let disk = disk_with(9, small_segments());
    let last = disk.segment(disk.files().len() - 1);
    for left in [0, 1, 79] {
        let disk = disk.reboot(Model::Lenient);
        let header = disk.contents(&last)[..left].to_vec();
        let kept: u64 = {
            disk.tamper(&last, |bytes| *bytes = header);
            let (_, records) = open(&disk.reboot(Model::Lenient), small_segments());
            records.last().unwrap().seq.0
        };
        let expected: Vec<u64> = (1..=kept).collect();
        let findings = reads_and_goes_on(&disk, small_segments(), &expected);
        assert!(matches!(&findings[..], [torn] if is_torn(torn, left as u64)), "{findings:?}");
    }
}

#[test]
fn an_empty_folder_begins_at_one() {
    let findings = reads_and_goes_on(&Scripted::new(), limits(), &[]);
    assert_eq!(findings, []);
}

#[test]
fn an_empty_file_under_a_segments_name_is_a_torn_beginning() {
    let disk = disk_with(1, limits());
    let segment = disk.segment(0);
    disk.tamper(&segment, Vec::clear);
    let findings = reads_and_goes_on(&disk, limits(), &[]);
    assert!(matches!(&findings[..], [Finding::TornTail { bytes: 0, .. }]), "{findings:?}");
}

#[test]
fn a_cut_at_any_step_of_a_snapshot_leaves_the_older_one_or_the_new_one() {
    let calls = {
        let disk = disk_with(6, limits());
        write_snapshot(&disk, dir(), Seq(3), Head::START, b"three").unwrap();
        let before = disk.calls();
        write_snapshot(&disk, dir(), Seq(5), Head::START, b"five").unwrap();
        disk.calls() - before
    };
    for step in 1..=calls {
        for model in EACH {
            let disk = disk_with(6, limits());
            write_snapshot(&disk, dir(), Seq(3), Head::START, b"three").unwrap();
            disk.cut_power_at(disk.calls() + step);
            let _ = write_snapshot(&disk, dir(), Seq(5), Head::START, b"five");
            let disk = disk.reboot(model);
            let opening = Journal::open(Arc::new(disk.clone()), dir(), limits()).unwrap();
            let snapshot = opening.snapshot().unwrap().clone();
            let mut records = Vec::new();
            let opened = opening.replay(|record| records.push(record));
            match snapshot.seq {
                Seq(3) => assert_eq!(
                    (&snapshot.bytes[..], &seqs(&records)[..]),
                    (&b"three"[..], &[4, 5, 6][..])
                ),
                Seq(5) => {
                    assert_eq!((&snapshot.bytes[..], &seqs(&records)[..]), (&b"five"[..], &[6][..]))
                }
                other => panic!("{other}"),
            }
            assert_eq!(opened.findings, [], "step {step}, {model:?}");
            assert!(!disk.files().iter().any(|name| name.ends_with(".new")));
        }
    }
}

#[test]
fn a_cut_at_any_step_of_closing_loses_nothing_and_is_no_clean_stop_unless_it_is_one() {
    let disk = disk_with(3, limits());
    let (opened, _) = open(&disk, limits());
    let before = disk.calls();
    opened.journal.close(At(9), Wall(9));
    let steps = disk.calls() - before;
    assert!(open(&disk.reboot(Model::Strict), limits()).0.clean_stop);
    for step in 1..=steps {
        for model in EACH {
            let disk = disk_with(3, limits());
            let (opened, _) = open(&disk, limits());
            disk.cut_power_at(disk.calls() + step);
            let said = opened.journal.close(At(9), Wall(9));
            assert!(said.is_volatile());
            let (opened, records) = open(&disk.reboot(model), limits());
            assert_eq!(seqs(&records), [1, 2, 3]);
            assert!(!opened.findings.iter().any(Finding::is_damage));
            if model == Model::Strict {
                assert!(!opened.clean_stop);
            }
        }
    }
}

#[test]
fn a_torn_tail_that_cannot_be_kept_aside_stays_where_it_is_and_is_passed_by() {
    let disk = cut_in_the_fourth(40);
    disk.fail_next(Call::Create, 1, ErrorKind::Other);
    let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
    assert!(matches!(&findings[..], [Finding::TornTail { kept_in: None, .. }]), "{findings:?}");
    let report = verify(&disk, dir()).unwrap();
    assert!(matches!(&report.findings[..], [Finding::Superseded { .. }]), "{report}");
}

#[test]
fn a_hub_that_starts_again_and_again_does_not_fill_the_folder() {
    let disk = disk_with(2, limits());
    for n in 3..40 {
        let (mut opened, records) = open(&disk, limits());
        assert_eq!(records.len() as u64, n - 1);
        write(&mut opened.journal, n, n);
    }
    assert_eq!(disk.files().len(), 1);
    assert_eq!(verify(&disk, dir()).unwrap().findings, []);
}

#[test]
fn what_the_last_run_could_not_force_is_not_believed_because_memory_shows_it() {
    let disk = disk_with(3, limits());
    let (mut opened, _) = open(&disk, limits());
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(4)]);
    opened.journal.force();
    drop(opened);
    let (opened, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3, 4]);
    assert!(opened.journal.durable().covers(Seq(4)));
    let (_, records) = open(&disk.reboot(Model::Strict), limits());
    assert_eq!(seqs(&records), [1, 2, 3, 4]);
}
