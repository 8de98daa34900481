//! What was good and is not any more: both sides are kept, the hole is named.

use super::super::snapshot::write_snapshot;
use super::*;

/// Where frame `n` (from 1) of a disk with one frame per entry begins.
fn frame_at(n: u64) -> usize {
    let disk = disk_with(n - 1, limits());
    disk.contents(&disk.segment(0)).len()
}

fn lost(first: u64, last: u64) -> Option<Lost> {
    Some(Lost { first: Seq(first), last: Some(Seq(last)) })
}

#[test]
fn a_flipped_byte_anywhere_in_a_middle_frame_costs_that_frame_only() {
    let (from, to) = (frame_at(3), frame_at(4));
    for place in from..to {
        let disk = disk_with(5, limits());
        disk.tamper(&disk.segment(0), |bytes| bytes[place] ^= 0x10);
        let (opened, records) = open(&disk, limits());
        assert_eq!(seqs(&records), [1, 2, 4, 5], "byte {place}");
        let [Finding::Damaged { offset, bytes, lost: said, .. }] = &opened.findings[..] else {
            panic!("{:?}", opened.findings)
        };
        assert_eq!((*offset, *bytes), (from as u64, (to - from) as u64));
        assert_eq!(*said, lost(3, 3));
    }
}

#[test]
fn two_good_frames_around_a_bad_one_are_both_kept_and_writing_goes_on() {
    let disk = disk_with(3, limits());
    let place = frame_at(2) + 70;
    disk.tamper(&disk.segment(0), |bytes| bytes[place] ^= 1);
    let findings = reads_and_goes_on(&disk, limits(), &[1, 3]);
    assert!(matches!(&findings[..], [Finding::Damaged { .. }]));
    assert!(!verify(&disk, dir()).unwrap().is_sound());
}

#[test]
fn a_wrong_last_frame_is_damage_and_its_sequence_is_never_given_again() {
    for flip in [20, 70] {
        let disk = disk_with(4, limits());
        let place = frame_at(4) + flip;
        disk.tamper(&disk.segment(0), |bytes| bytes[place] ^= 1);
        let (opened, _) = open(&disk.reboot(scripted::Model::Lenient), limits());
        assert!(opened.journal.next() > Seq(4), "{}", opened.journal.next());
        let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
        let [Finding::Damaged { lost: Some(lost), .. }] = &findings[..] else {
            panic!("{findings:?}")
        };
        assert_eq!(lost.first, Seq(4));
        let report = verify(&disk, dir()).unwrap();
        assert!(!report.is_sound() && report.findings.len() == 1, "{report}");
    }
}

#[test]
fn a_flipped_byte_in_an_anchor_costs_no_entry() {
    let disk = disk_with(12, small_segments());
    for place in 0..76 {
        let disk = disk.reboot(scripted::Model::Lenient);
        disk.tamper(&disk.segment(1), |bytes| bytes[place] ^= 4);
        let (opened, records) = open(&disk, small_segments());
        assert_eq!(seqs(&records), (1..=12).collect::<Vec<_>>());
        let [Finding::Damaged { lost: None, .. }] = &opened.findings[..] else {
            panic!("{:?}", opened.findings)
        };
    }
}

#[test]
fn a_missing_segment_is_named_with_what_it_held() {
    let disk = disk_with(12, small_segments());
    let (first, second) = (disk.segment(1), disk.segment(2));
    let start = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.split(['-', '.']).nth(1).unwrap().parse::<u64>().unwrap()
    };
    let (from, to) = (start(&first), start(&second));
    disk.delete(&first);
    let expected: Vec<u64> = (1..from).chain(to..=12).collect();
    let findings = reads_and_goes_on(&disk, small_segments(), &expected);
    let [Finding::Missing { lost: said, .. }] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!(Some(*said), lost(from, to - 1));
}

#[test]
fn the_oldest_segments_may_be_gone_when_a_snapshot_stands_for_them() {
    let disk = disk_with(12, small_segments());
    write_snapshot(&disk, dir(), Seq(12), Head::START, b"all").unwrap();
    disk.delete(&disk.segment(0));
    let (opened, records) = open(&disk, small_segments());
    assert_eq!((records.len(), &opened.findings[..]), (0, &[][..]));
    assert!(verify(&disk, dir()).unwrap().is_sound());
}

#[test]
fn a_repeated_frame_is_read_once() {
    let disk = disk_with(3, limits());
    let (from, to) = (frame_at(3), frame_at(4));
    disk.tamper(&disk.segment(0), |bytes| bytes.extend_from_within(from..to));
    let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
    assert!(matches!(&findings[..], [Finding::Repeated { seq: Seq(3), .. }]), "{findings:?}");
}

#[test]
fn a_frame_that_was_put_in_breaks_the_chain_and_is_reported() {
    let disk = disk_with(3, limits());
    let other = disk_with(2, limits());
    let (mut opened, _) = open(&other, limits());
    opened.journal.append(&mut vec![draft(8)]);
    opened.journal.append(&mut vec![draft(4)]);
    let foreign = other.contents(&other.segment(0));
    let from = foreign.len() - (frame_at(5) - frame_at(4));
    disk.tamper(&disk.segment(0), |bytes| bytes.extend_from_slice(&foreign[from..]));
    let (opened, records) = open(&disk, limits());
    assert_eq!(seqs(&records), [1, 2, 3, 4]);
    assert!(matches!(&opened.findings[..], [Finding::ChainBroken { seq: Seq(4), .. }]));
}

#[test]
fn a_damaged_newest_snapshot_gives_way_to_the_older_one() {
    let disk = disk_with(9, limits());
    write_snapshot(&disk, dir(), Seq(4), Head::START, b"four").unwrap();
    write_snapshot(&disk, dir(), Seq(8), Head::START, b"eight").unwrap();
    let newest = dir().join(format!("{:020}.snapshot", 8));
    disk.tamper(&newest, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let opening = Journal::open(Arc::new(disk.clone()), dir(), limits()).unwrap();
    assert_eq!(opening.snapshot().unwrap().bytes, b"four");
    let mut records = Vec::new();
    let opened = opening.replay(|record| records.push(record));
    assert_eq!(seqs(&records), [5, 6, 7, 8, 9]);
    assert!(matches!(&opened.findings[..], [Finding::SnapshotDamaged { .. }]));
    assert!(disk.files().iter().any(|name| name.starts_with("damaged-")));
}

#[test]
fn without_a_good_snapshot_every_record_is_read() {
    let disk = disk_with(3, limits());
    write_snapshot(&disk, dir(), Seq(3), Head::START, b"three").unwrap();
    disk.tamper(&dir().join(format!("{:020}.snapshot", 3)), Vec::clear);
    let findings = reads_and_goes_on(&disk, limits(), &[1, 2, 3]);
    assert!(matches!(&findings[..], [Finding::SnapshotDamaged { .. }]));
}

#[test]
fn a_snapshot_the_caller_cannot_use_gives_way_too() {
    let disk = disk_with(3, limits());
    write_snapshot(&disk, dir(), Seq(2), Head::START, b"of a newer hub").unwrap();
    let mut opening = Journal::open(Arc::new(disk), dir(), limits()).unwrap();
    opening.reject_snapshot();
    assert_eq!(opening.snapshot(), None);
    let mut count = 0;
    opening.replay(|_| count += 1);
    assert_eq!(count, 3);
}

#[test]
fn a_snapshot_ahead_of_a_lost_journal_is_gone_on_from() {
    let disk = disk_with(9, limits());
    let head = open(&disk, limits()).0.journal.durable().head;
    write_snapshot(&disk, dir(), Seq(9), head, b"nine").unwrap();
    disk.delete(&disk.segment(0));
    let (mut opened, records) = open(&disk, limits());
    assert_eq!((records.len(), opened.journal.next()), (0, Seq(10)));
    write(&mut opened.journal, 10, 11);
    drop(opened);
    let (opened, records) = open(&disk, limits());
    assert_eq!((seqs(&records), opened.findings), (vec![10, 11], vec![]));
    assert_eq!(verify(&disk, dir()).unwrap().findings, []);
}

#[test]
fn an_unreadable_block_costs_the_frames_it_touches() {
    let disk = Scripted::new();
    let (mut opened, _) = open(&disk, limits());
    write(&mut opened.journal, 1, 300);
    drop(opened);
    disk.spoil(&disk.segment(0), 8192);
    let (opened, records) = open(&disk, limits());
    let [Finding::Damaged { lost: Some(lost), why: Why::Unreadable(_), .. }] = &opened.findings[..]
    else {
        panic!("{:?}", opened.findings)
    };
    let count = lost.last.unwrap().0 - lost.first.0 + 1;
    assert!(count > 10 && count < 60, "{lost}");
    assert_eq!(records.len() as u64, 300 - count);
    assert_eq!(opened.journal.next(), Seq(301));
}

#[test]
fn a_segment_of_a_newer_program_is_left_alone_and_passed_by() {
    let disk = disk_with(3, limits());
    disk.tamper(&disk.segment(0), |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..72]);
        bytes[72..76].copy_from_slice(&crc.to_le_bytes());
    });
    let before = disk.contents(&disk.segment(0));
    let (mut opened, records) = open(&disk, limits());
    assert_eq!(records, []);
    assert!(opened.journal.next() > Seq(3));
    let next = opened.journal.next().0;
    write(&mut opened.journal, next, next);
    assert!(matches!(&opened.findings[..], [Finding::Damaged { why: Why::Newer, .. }]));
    assert_eq!(disk.contents(&disk.segment(0)), before);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_stands_in_a_segment_a_start_succeeds_and_the_next_entry_is_kept(
        junk in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        at in proptest::prelude::any::<proptest::sample::Index>(),
        over in proptest::prelude::any::<bool>(),
    ) {
        let disk = disk_with(5, limits());
        disk.tamper(&disk.segment(0), |bytes| {
            let at = at.index(bytes.len() + 1);
            let end = if over { (at + junk.len()).min(bytes.len()) } else { at };
            bytes.splice(at..end, junk);
        });
        let (mut opened, _) = open(&disk, limits());
        let next = opened.journal.next().0;
        write(&mut opened.journal, next, next);
        assert!(opened.journal.durable().covers(Seq(next)));
        drop(opened);
        let (_, records) = open(&disk, limits());
        assert_eq!(records.last().unwrap().seq, Seq(next));
        assert_as_written(&records);
    }
}
