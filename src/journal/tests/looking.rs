//! Those who only look: scrub, verify, tail, export, and a real disk with a real amount on it.

use std::sync::Mutex;

use super::super::snapshot::write_snapshot;
use super::*;

fn exported(disk: &Scripted, range: std::ops::RangeInclusive<u64>) -> (Exported, String) {
    let mut out = Vec::new();
    let range = Seq(*range.start())..=Seq(*range.end());
    let done = export(disk, dir(), range, &mut out).unwrap();
    (done, String::from_utf8(out).unwrap())
}

#[test]
fn verify_beside_a_running_hub_sees_what_is_there_and_changes_nothing() {
    let disk = disk_with(12, small_segments());
    let (opened, _) = open(&disk, small_segments());
    let files = disk.files();
    let report = verify(&disk, dir()).unwrap();
    assert_eq!((report.entries, report.findings.len()), (12, 0));
    assert_eq!(report.first.unwrap().seq, Seq(1));
    assert_eq!(report.last.unwrap().at, At(1012));
    assert_eq!(report.head, opened.journal.durable().head);
    assert!(report.is_sound() && !report.closed && report.segments > 2);
    assert_eq!(disk.files(), files);
    assert!(report.to_string().ends_with("sound"));
}

#[test]
fn verify_names_file_offset_and_entries_of_a_bad_frame() {
    let disk = disk_with(12, small_segments());
    let second = disk.segment(1);
    disk.tamper(&second, |bytes| bytes[100] ^= 1);
    let report = verify(&disk, dir()).unwrap();
    let [Finding::Damaged { segment, offset, lost: Some(_), .. }] = &report.findings[..] else {
        panic!("{report}")
    };
    assert!(second.ends_with(segment) && *offset == 80 && !report.is_sound());
}

#[test]
fn tail_gives_the_newest_records_across_segments() {
    let disk = disk_with(12, small_segments());
    assert_eq!(seqs(&tail(&disk, dir(), 2).unwrap()), [11, 12]);
    assert_eq!(seqs(&tail(&disk, dir(), 9).unwrap()), (4..=12).collect::<Vec<_>>());
    assert_eq!(tail(&disk, dir(), 900).unwrap().len(), 12);
    assert_eq!(tail(&disk, dir(), 0).unwrap(), []);
}

#[derive(Default)]
struct Seen {
    refuses: usize,
    snapshots: Vec<Vec<u8>>,
    records: Vec<u64>,
}

impl Onlooker for Seen {
    fn snapshot(&mut self, bytes: &[u8]) -> bool {
        self.snapshots.push(bytes.to_vec());
        self.snapshots.len() > self.refuses
    }
    fn record(&mut self, record: Record) {
        self.records.push(record.seq.0);
    }
}

#[test]
fn an_onlooker_sees_the_newest_snapshot_of_use_and_what_follows_it() {
    let disk = disk_with(12, small_segments());
    for seq in [5, 9] {
        let body = format!("state at {seq}");
        write_snapshot(&disk, dir(), Seq(seq), Head::START, body.as_bytes()).unwrap();
    }
    let files = disk.files();
    for (refuses, from) in [(0, 10), (1, 6), (9, 1)] {
        let mut seen = Seen { refuses, ..Seen::default() };
        look(&disk, dir(), &mut seen).unwrap();
        assert_eq!(seen.records, (from..=12).collect::<Vec<_>>());
        assert_eq!(seen.snapshots[0], b"state at 9");
    }
    assert_eq!(disk.files(), files);
}

#[test]
fn an_export_is_checked_again_without_the_journal() {
    let disk = disk_with(12, small_segments());
    let (mut opened, _) = open(&disk, small_segments());
    let odd = [&b"not json"[..], b"{\n}", b" 1", b"", b"\xFF", b"\"\xE5\x93\x8D\""];
    let odd = odd.map(|body| Draft::new(At(1), Wall(-1), body.to_vec()).unwrap());
    opened.journal.append(&mut odd.to_vec());
    opened.journal.close(At(77), Wall(78));
    for range in [1..=19, 5..=9, 13..=13, 1..=1] {
        let (done, text) = exported(&disk, range.clone());
        let checked = check_export(&mut text.as_bytes()).unwrap();
        assert_eq!(checked, done, "{range:?}");
        assert_eq!(done.findings, []);
    }
    let (done, text) = exported(&disk, 1..=19);
    assert_eq!((done.entries, done.before), (18, Head::START));
    assert!(text.contains(r#""body":{"n":3,"#) && text.contains(r#""kind":"closing""#));
    let (none, text) = exported(&disk, 50..=60);
    assert_eq!((none.entries, check_export(&mut text.as_bytes()).unwrap().frames), (0, 0));
}

#[test]
fn an_export_in_which_anything_was_changed_is_refused() {
    let (_, text) = exported(&disk_with(3, limits()), 1..=3);
    let lines: Vec<&str> = text.lines().collect();
    let refused = |lines: &[&str]| {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        matches!(check_export(&mut text.as_bytes()), Err(JournalError::ExportWrong { .. }))
    };
    assert!(!refused(&lines));
    for left_out in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(left_out);
        assert!(refused(&fewer), "without line {left_out}");
    }
    for (from, to) in [("1001", "1002"), (r#""n":2"#, r#""n":7"#), ("响", "想"), ("true", "false")]
    {
        assert!(text.contains(from));
        let changed = text.replacen(from, to, 1);
        assert!(check_export(&mut changed.as_bytes()).is_err(), "{from}");
    }
}

#[test]
fn a_scrub_reads_what_the_start_did_not_need_and_reports_damage() {
    let disk = disk_with(40, small_segments());
    write_snapshot(&disk, dir(), Seq(38), Head::START, b"thirty-eight").unwrap();
    let first = disk.segment(0);
    disk.tamper(&first, |bytes| bytes[90] ^= 1);
    let (opened, records) = open(&disk, small_segments());
    assert_eq!((seqs(&records), &opened.findings[..]), (vec![39, 40], &[][..]));
    assert!(opened.unread.segments() > 5);
    let found: Arc<Mutex<Vec<Finding>>> = Arc::default();
    let report = found.clone();
    let scrub = Scrub::spawn(opened.unread, 0, move |f| report.lock().unwrap().push(f)).unwrap();
    let scrubbed = scrub.join();
    assert!(!scrubbed.stopped && scrubbed.findings == 1 && scrubbed.frames > 20);
    let found = found.lock().unwrap();
    assert!(matches!(&found[..], [Finding::Damaged { offset: 80, .. }]), "{found:?}");
}

#[test]
fn a_scrub_can_be_stopped_while_it_rests() {
    let disk = Scripted::new();
    let (mut opened, _) = open(&disk, Limits { segment_max_bytes: 1 << 20, ..limits() });
    for n in 0..200 {
        let long = Draft::new(At(n), Wall(0), vec![b'x'; 16_000]).unwrap();
        opened.journal.append(&mut vec![long]);
    }
    opened.journal.force();
    drop(opened);
    write_snapshot(&disk, dir(), Seq(200), Head::START, b"").unwrap();
    let (opened, _) = open(&disk, limits());
    let scrub = Scrub::spawn(opened.unread, 1, |_| ()).unwrap();
    assert!(!scrub.is_finished());
    assert!(scrub.stop().stopped);
}

#[test]
fn a_real_disk_keeps_everything_and_a_start_reads_only_what_the_snapshot_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("journal");
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let limits = Limits { segment_max_bytes: 1 << 20, ballast_bytes: 1 << 20, ..Limits::default() };
    let opened = Journal::open(disk.clone(), &dir, limits.clone()).unwrap().replay(|_| ());
    let handle = Committer::spawn(opened.journal).unwrap();
    for turn in 0..100u64 {
        let drafts = (turn * 300 + 1..=turn * 300 + 300).map(draft).collect();
        let batch = Batch::new(drafts, Urgency::Urgent).unwrap().beginning_at(Seq(turn * 300 + 1));
        let answer = handle.commit_blocking(batch).unwrap().wait().unwrap();
        assert_eq!(answer, Answer::Durable(Seq(turn * 300 + 1)));
    }
    handle.write_snapshot(Seq(29_000), b"state").unwrap();
    assert!(handle.lay_ballast().unwrap() && handle.free_bytes().unwrap() > 0);
    assert!(dir.join("ballast").exists());
    assert!(matches!(Journal::open(disk.clone(), &dir, limits.clone()), Err(JournalError::Held)));
    drop(handle);
    assert!(verify(disk.as_ref(), &dir).unwrap().is_sound());
    let mut opening = Journal::open(disk.clone(), &dir, limits.clone());
    while matches!(opening, Err(JournalError::Held)) {
        // The writer lets the folder go a moment after its last handle is dropped.
        std::thread::yield_now();
        opening = Journal::open(disk.clone(), &dir, limits.clone());
    }
    let mut records = Vec::new();
    let opened = opening.unwrap().replay(|record| records.push(record));
    assert_eq!(seqs(&records), (29_001..=30_000).collect::<Vec<_>>());
    assert_as_written(&records);
    assert_eq!((opened.findings, opened.journal.next()), (vec![], Seq(30_001)));
}
