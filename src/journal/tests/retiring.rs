//! The oldest segments go by the rule, from the front, and what stays is one chain.

use std::io::ErrorKind;

use super::super::disk::Disk as _;
use super::super::retire::{drop_aside, retirable, retire};
use super::super::snapshot::write_snapshot;
use super::scripted::{Call, Model};
use super::*;

const ALL_OLD: Keep = Keep { at: At(u64::MAX), wall: Wall(i64::MAX), from: Seq(u64::MAX) };

/// Entries 1 to 40 in small segments, with two snapshots.
fn years(snapshots: [u64; 2]) -> Scripted {
    let disk = disk_with(40, small_segments());
    let head = verify(&disk, dir()).unwrap().head;
    for seq in snapshots {
        write_snapshot(&disk, dir(), Seq(seq), head, &seq.to_le_bytes()).unwrap();
    }
    disk
}

fn through(disk: &Scripted, keep: &Keep) -> u64 {
    retirable(disk, dir(), keep).unwrap().map_or(0, |going| going.through.seq.0)
}

fn segments(disk: &Scripted) -> Vec<String> {
    disk.files().into_iter().filter(|name| name.ends_with(".segment")).collect()
}

#[test]
fn only_what_is_old_by_both_clocks_delivered_covered_and_not_among_the_newest_goes() {
    let disk = years([35, 40]);
    let most = through(&disk, &ALL_OLD);
    assert!((30..=35).contains(&most), "{most}: all but what the older snapshot lacks");
    for limit in [9_u64, 17, 26] {
        let wall = Wall(1_795_000_000_000 + limit as i64);
        for keep in [
            Keep { at: At(1000 + limit), ..ALL_OLD },
            Keep { wall, ..ALL_OLD },
            Keep { from: Seq(limit + 1), ..ALL_OLD },
        ] {
            let gone = through(&disk, &keep);
            assert!(gone <= limit && gone + 8 > limit, "{keep:?}: {gone}");
        }
    }
    assert_eq!(through(&disk, &Keep { at: At(1000), ..ALL_OLD }), 0, "by the wall clock alone");
    assert_eq!(through(&disk, &Keep { from: Seq(1), ..ALL_OLD }), 0, "the first is undelivered");
}

#[test]
fn nothing_goes_that_two_good_snapshots_do_not_stand_for() {
    assert!(through(&years([12, 40]), &ALL_OLD) <= 12);
    let disk = years([35, 40]);
    disk.delete(&dir().join(format!("{:020}.snapshot", 35)));
    assert_eq!(through(&disk, &ALL_OLD), 0, "one is not enough");
    let disk = years([35, 40]);
    disk.tamper(&dir().join(format!("{:020}.snapshot", 35)), |bytes| bytes[200 - 85] ^= 1);
    assert_eq!(through(&disk, &ALL_OLD), 0, "the older one is damaged");
}

#[test]
fn what_stays_is_one_chain_from_its_anchor_and_goes_on() {
    let disk = years([35, 40]);
    let whole = verify(&disk, dir()).unwrap();
    let going = retirable(&disk, dir(), &ALL_OLD).unwrap().unwrap();
    assert_eq!(retire(&disk, dir(), going.through).unwrap(), going.files);
    let report = verify(&disk, dir()).unwrap();
    assert!(report.is_sound() && report.findings.is_empty(), "{report}");
    assert_eq!((report.before, report.head), (going.through, whole.head));
    assert_eq!(report.first.unwrap().seq, going.through.seq.next());
    // From the newest snapshot, and from the oldest that is kept.
    for reject in [false, true] {
        let mut opening = Journal::open(Arc::new(disk.clone()), dir(), small_segments()).unwrap();
        if reject {
            opening.reject_snapshot();
        }
        let covered = opening.snapshot().unwrap().seq.0;
        let mut records = Vec::new();
        let opened = opening.replay(|record| records.push(record));
        assert_eq!(seqs(&records), (covered + 1..=40).collect::<Vec<_>>());
        assert_eq!((opened.begins, opened.findings), (going.through, vec![]));
    }
    assert_eq!(through(&disk, &ALL_OLD), 0, "once is enough");
}

#[test]
fn a_segment_that_goes_back_behind_the_anchor_keeps_those_it_goes_back_to() {
    let disk = disk_with(10, limits());
    let (mut opened, _) = open(&disk, limits());
    // The force fails and nothing can be removed: the old segment stays beside the one begun again.
    disk.fail_next(Call::Force, 1, ErrorKind::Other);
    opened.journal.append(&mut vec![draft(11)]);
    opened.journal.force();
    assert!(opened.journal.retry());
    write(&mut opened.journal, 12, 14);
    drop(opened);
    let head = verify(&disk, dir()).unwrap().head;
    for seq in [13, 14] {
        write_snapshot(&disk, dir(), Seq(seq), head, b"state").unwrap();
    }
    let going = retirable(&disk, dir(), &ALL_OLD).unwrap().unwrap();
    assert_eq!(going.through.seq, Seq(10));
    retire(&disk, dir(), going.through).unwrap();
    let report = verify(&disk, dir()).unwrap();
    assert!(report.findings.is_empty() && report.first.unwrap().seq == Seq(11), "{report}");
}

#[test]
fn wherever_a_retiring_is_cut_there_is_no_hole_and_the_next_one_ends_it() {
    let (before, after) = {
        let disk = years([35, 40]);
        let before = disk.calls();
        let going = retirable(&disk, dir(), &ALL_OLD).unwrap().unwrap();
        retire(&disk, dir(), going.through).unwrap();
        (before, disk.calls())
    };
    for at in before + 1..=after {
        for cut in [true, false] {
            for model in [Model::Strict, Model::Ordered(at), Model::Ordered(at * 7), Model::Lenient]
            {
                let disk = years([35, 40]);
                if cut {
                    disk.cut_power_at(at)
                } else {
                    disk.fail_at(at)
                }
                let story = format!("call {at}, cut {cut}, {model:?}");
                if let Ok(Some(going)) = retirable(&disk, dir(), &ALL_OLD) {
                    let _ = retire(&disk, dir(), going.through);
                }
                let disk = disk.reboot(model);
                let report = verify(&disk, dir()).unwrap();
                assert!(report.findings.is_empty(), "{story}: {report}");
                assert_eq!(report.last.unwrap().seq, Seq(40), "{story}");
                if let Some(going) = retirable(&disk, dir(), &ALL_OLD).unwrap() {
                    retire(&disk, dir(), going.through).unwrap();
                }
                assert!(through(&disk, &ALL_OLD) == 0 && segments(&disk).len() < 4, "{story}");
                reads_and_goes_on_from_snapshot(&disk);
            }
        }
    }
}

fn reads_and_goes_on_from_snapshot(disk: &Scripted) {
    let (mut opened, records) = open(disk, small_segments());
    assert_eq!((seqs(&records), opened.findings.len()), (vec![], 0));
    write(&mut opened.journal, 41, 45);
    drop(opened);
    assert!(verify(disk, dir()).unwrap().is_sound());
}

#[test]
fn what_was_set_aside_makes_room_and_nothing_else_goes() {
    let disk = years([35, 40]);
    disk.tamper(&disk.segment(segments(&disk).len() - 1), |bytes| bytes.push(0xA7));
    let (opened, _) = open(&disk, small_segments());
    assert!(matches!(&opened.findings[..], [Finding::TornTail { kept_in: Some(_), .. }]));
    drop(opened);
    disk.create(&dir().join("damaged-7.snapshot")).unwrap();
    let before = verify(&disk, dir()).unwrap();
    assert_eq!(drop_aside(&disk, dir()).unwrap(), 2);
    assert_eq!(verify(&disk, dir()).unwrap(), before);
    assert_eq!(drop_aside(&disk, dir()).unwrap(), 0);
}
