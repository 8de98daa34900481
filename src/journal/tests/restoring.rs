//! A dead box's record on a new box: whole or not at all, and never over another.

use std::io::ErrorKind;

use super::super::disk::Disk as _;
use super::super::snapshot::write_snapshot;
use super::scripted::{Call, Model};
use super::*;

const NEW: &str = "/new/journal";
const NOTE: &[u8] = b"{\"taken\":true}";

fn new() -> &'static Path {
    Path::new(NEW)
}

fn from_folder(disk: &Scripted, older: bool) -> Result<Restored, JournalError> {
    let source = Source::Folder { dir: dir(), older };
    restore(Arc::new(disk.clone()), source, new(), |_| NOTE.to_vec())
}

fn from_export(disk: &Scripted, text: &str) -> Result<Restored, JournalError> {
    let source = Source::Export(&mut text.as_bytes());
    restore(Arc::new(disk.clone()), source, new(), |_| NOTE.to_vec())
}

/// The new box's journal; its first entry gets the sequence that is said, too.
fn open_new(disk: &Scripted) -> (Opened, Vec<Record>, u64) {
    let mut records = Vec::new();
    let opening = Journal::open(Arc::new(disk.clone()), new(), small_segments()).unwrap();
    let covered = opening.snapshot().map_or(0, |snapshot| snapshot.seq.0);
    let opened = opening.replay(|record| records.push(record));
    (opened, records, covered)
}

fn new_files(disk: &Scripted) -> Vec<String> {
    disk.list(new()).unwrap()
}

#[test]
fn a_dead_boxs_folder_goes_on_on_a_new_one_with_the_next_sequence_and_one_chain() {
    let disk = disk_with(12, small_segments());
    let head = verify(&disk, dir()).unwrap().head;
    write_snapshot(&disk, dir(), Seq(9), head, b"state").unwrap();
    let restored = from_folder(&disk, false).unwrap();
    assert_eq!((restored.report.entries, restored.report.head, restored.left_out), (12, head, 0));
    assert!(restored.unread.is_empty() && restored.report.is_sound());
    let (mut opened, records, covered) = open_new(&disk);
    assert_eq!((seqs(&records), covered), (vec![10, 11, 12], 9));
    assert_as_written(&records);
    assert_eq!(opened.note.as_deref(), Some(NOTE));
    write(&mut opened.journal, 13, 14);
    drop(opened);
    let report = verify(&disk, new()).unwrap();
    assert!(report.is_sound() && report.findings.is_empty(), "{report}");
    assert_eq!((report.first.unwrap().seq, report.last.unwrap().seq), (Seq(1), Seq(14)));
}

#[test]
fn a_torn_end_and_damage_come_along_and_are_said() {
    let disk = disk_with(12, small_segments());
    disk.tamper(&disk.segment(1), |bytes| bytes[100] ^= 1);
    let whole = verify(&disk, dir()).unwrap();
    let restored = from_folder(&disk, false).unwrap();
    assert!(!restored.report.is_sound());
    assert_eq!(restored.report, whole);
    let disk = disk_with(3, limits());
    disk.tamper(&disk.segment(0), |bytes| bytes.extend_from_slice(&[0xA7, b'A']));
    from_folder(&disk, false).unwrap();
    let (opened, records, _) = open_new(&disk);
    assert_eq!(seqs(&records), [1, 2, 3]);
    assert!(matches!(&opened.findings[..], [Finding::TornTail { .. }]), "{:?}", opened.findings);
}

#[test]
fn what_a_dying_disk_does_not_give_is_said_and_the_rest_is_taken_over() {
    let disk = disk_with(400, limits());
    disk.spoil(&disk.segment(0), 8192);
    let restored = from_folder(&disk, false).unwrap();
    assert!(matches!(&restored.unread[..], [Finding::Damaged { .. }]), "{:?}", restored.unread);
    let (opened, records, _) = open_new(&disk);
    assert!(records.len() > 300 && records.len() < 400, "{}", records.len());
    assert_eq!(records.last().unwrap().seq, Seq(400));
    assert!(opened.findings.iter().any(Finding::is_damage));
}

#[test]
fn a_record_that_stands_there_is_never_written_over() {
    let disk = disk_with(3, limits());
    from_folder(&disk, false).unwrap();
    let (mut opened, ..) = open_new(&disk);
    write(&mut opened.journal, 4, 4);
    drop(opened);
    let before = new_files(&disk);
    let refused = from_folder(&disk, false).unwrap_err();
    assert!(matches!(refused, JournalError::Occupied { .. }), "{refused}");
    assert_eq!(new_files(&disk), before);
    assert_eq!(open_new(&disk).1.len(), 4);
}

#[test]
fn a_ballast_alone_is_no_record() {
    let disk = disk_with(3, limits());
    disk.create(&new().join("ballast")).unwrap();
    from_folder(&disk, false).unwrap();
    assert_eq!(open_new(&disk).1.len(), 3);
}

#[test]
fn nothing_is_restored_from_nothing_nor_from_under_a_running_hub() {
    let disk = Scripted::new();
    let refused = from_folder(&disk, false).unwrap_err();
    assert!(matches!(refused, JournalError::Unreadable { .. }), "{refused}");
    let disk = disk_with(3, limits());
    let (running, _) = open(&disk, limits());
    assert!(matches!(from_folder(&disk, false), Err(JournalError::Held)));
    drop(running);
    disk.tamper(&disk.segment(0), Vec::clear);
    assert!(matches!(from_folder(&disk, false), Err(JournalError::Unreadable { .. })));
    assert!(new_files(&disk).is_empty());
}

#[test]
fn behind_an_older_copy_no_sequence_is_used_that_the_old_box_may_have_used() {
    let disk = disk_with(5, limits());
    let restored = from_folder(&disk, true).unwrap();
    assert_eq!(restored.left_out, LEFT_OUT);
    let (mut opened, records, _) = open_new(&disk);
    assert_eq!(seqs(&records), [1, 2, 3, 4, 5]);
    assert_eq!(opened.journal.next(), Seq(6 + LEFT_OUT));
    opened.journal.append(&mut vec![draft(6)]);
    opened.journal.force();
    assert!(opened.journal.durable().covers(Seq(6 + LEFT_OUT)));
    let report = verify(&disk, new()).unwrap();
    assert!(report.is_sound(), "{report}");
    let lost = Lost { first: Seq(6), last: Some(Seq(5 + LEFT_OUT)) };
    assert_eq!(report.findings, [Finding::Gap { lost }]);
}

#[test]
fn an_export_is_enough_to_go_on_from_with_the_same_chain() {
    let disk = disk_with(12, small_segments());
    let mut text = Vec::new();
    let done = export(&disk, dir(), Seq(1)..=Seq(u64::MAX), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let restored = from_export(&disk, &text).unwrap();
    assert_eq!((restored.report.head, restored.report.entries), (done.head, 12));
    let (opened, records, _) = open_new(&disk);
    assert_eq!(seqs(&records), (1..=12).collect::<Vec<_>>());
    assert_as_written(&records);
    assert_eq!(opened.journal.next(), Seq(13 + LEFT_OUT));
}

#[test]
fn an_export_of_a_record_without_its_beginning_brings_the_snapshot_for_it() {
    let disk = disk_with(40, small_segments());
    let head = verify(&disk, dir()).unwrap().head;
    let state: Vec<u8> = (0..100_000_u32).map(|n| (n * 7) as u8).collect();
    write_snapshot(&disk, dir(), Seq(30), head, &state).unwrap();
    write_snapshot(&disk, dir(), Seq(35), head, b"newer").unwrap();
    disk.delete(&disk.segment(0));
    let mut text = Vec::new();
    let done = export(&disk, dir(), Seq(1)..=Seq(u64::MAX), &mut text).unwrap();
    assert!(done.before.seq > Seq(0) && done.snapshot == Some(Seq(30)));
    let text = String::from_utf8(text).unwrap();
    assert_eq!(check_export(&mut text.as_bytes()).unwrap(), done);
    from_export(&disk, &text).unwrap();
    let opening = Journal::open(Arc::new(disk.clone()), new(), limits()).unwrap();
    let snapshot = opening.snapshot().unwrap();
    assert_eq!((snapshot.seq, snapshot.head, &snapshot.bytes), (Seq(30), head, &state));
    let mut records = Vec::new();
    let opened = opening.replay(|record| records.push(record));
    assert_eq!(seqs(&records), (31..=40).collect::<Vec<_>>());
    assert!(!opened.findings.iter().any(Finding::is_damage), "{:?}", opened.findings);
    // A part of it changed, or left out, or the whole of it.
    let lines: Vec<&str> = text.lines().collect();
    let part = lines.iter().position(|line| line.contains("part")).unwrap();
    let mut without = lines.clone();
    without.remove(part);
    let mut bare = lines.clone();
    bare.retain(|line| !line.contains("\"part\"") && !line.contains("\"snapshot\""));
    let changed = lines.iter().map(|line| line.replace("\"part\":\"A", "\"part\":\"B"));
    for lines in [without.join("\n"), bare.join("\n"), changed.collect::<Vec<_>>().join("\n")] {
        let fresh = Scripted::new();
        let refused = from_export(&fresh, &(lines + "\n")).unwrap_err();
        assert!(matches!(refused, JournalError::ExportWrong { .. }), "{refused}");
        assert!(fresh.list(new()).unwrap().is_empty());
    }
}

#[test]
fn wherever_a_restore_is_cut_there_is_no_half_journal_and_the_next_restore_makes_it_whole() {
    let source = || {
        let disk = disk_with(12, small_segments());
        let head = verify(&disk, dir()).unwrap().head;
        write_snapshot(&disk, dir(), Seq(9), head, b"state").unwrap();
        disk
    };
    let calls = |older| {
        let disk = source();
        let before = disk.calls();
        from_folder(&disk, older).unwrap();
        (before, disk.calls())
    };
    for older in [false, true] {
        let (before, after) = calls(older);
        let mut refused_starts = 0;
        // The last of these comes when the restore has said that it is done.
        for at in before + 1..=after + 1 {
            for (cut, model) in [
                (true, Model::Strict),
                (true, Model::Ordered(at)),
                (true, Model::Ordered(at * 31)),
                (true, Model::Lenient),
                (false, Model::Lenient),
            ] {
                let disk = source();
                if cut {
                    disk.cut_power_at(at)
                } else {
                    disk.fail_at(at)
                }
                let done = from_folder(&disk, older);
                let story = format!("call {at}, cut {cut}, {model:?}, {done:?}");
                let disk = disk.reboot(model);
                let started = Journal::open(Arc::new(disk.clone()), new(), small_segments());
                refused_starts +=
                    u32::from(matches!(started, Err(JournalError::HalfRestored { .. })));
                let (read, begun) = match started {
                    Ok(opening) => {
                        let covered = opening.snapshot().map_or(0, |s| s.seq.0);
                        let mut records = Vec::new();
                        let opened = opening.replay(|record| records.push(record));
                        let nothing = records.is_empty() && covered == 0;
                        assert!(nothing || opened.note.is_some(), "{story}");
                        (records.len() as u64 + covered, !nothing)
                    }
                    Err(_) => (0, false),
                };
                assert!(read == 0 || read == 12, "half a journal: {read}, {story}");
                assert!(done.is_err() || begun, "{story}");
                if !begun && new_files(&disk).iter().any(|n| n.ends_with(".segment")) {
                    // An empty start has begun a record: a person moves it away.
                    continue;
                }
                if !begun {
                    from_folder(&disk, older).unwrap_or_else(|why| panic!("{why}: {story}"));
                }
                let (opened, records, covered) = open_new(&disk);
                assert_eq!(records.len() as u64 + covered, 12, "{story}");
                assert!(!opened.findings.iter().any(Finding::is_damage), "{story}");
                assert!(verify(&disk, new()).unwrap().is_sound(), "{story}");
            }
        }
        assert!(refused_starts > 20, "{refused_starts}");
    }
}

#[test]
fn a_full_disk_leaves_no_half_journal_either() {
    let disk = disk_with(12, small_segments());
    disk.set_capacity(Some(disk.used() + 700));
    let refused = from_folder(&disk, false).unwrap_err();
    assert!(matches!(refused, JournalError::Unwritable { .. }), "{refused}");
    let started = Journal::open(Arc::new(disk.clone()), new(), limits());
    assert!(matches!(started, Err(JournalError::HalfRestored { .. })));
    disk.set_capacity(None);
    disk.fail_next(Call::Rename, 1, ErrorKind::Other);
    assert!(from_folder(&disk, false).is_err());
    from_folder(&disk, false).unwrap();
    assert_eq!(open_new(&disk).1.len(), 12);
}
