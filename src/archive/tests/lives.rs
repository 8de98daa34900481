//! What is looked up, and how pages and readings meet.

use super::*;
use crate::terms::{Code, Wait};

#[test]
fn what_is_looked_up_is_what_the_engine_had() {
    let dir = tempfile::tempdir().unwrap();
    let mut life = Life { at: 1, ..Life::default() };
    let over: Vec<Incident> = (1..=45).map(|id| life.whole_day(id)).collect();
    life.pressed(46, "C-01", "A98");
    let kept = Kept::of(life.entries.clone());
    let archivist = open(dir.path(), &kept);
    level(&archivist);

    let all = found(&archivist, everything());
    assert_eq!(all.len(), 46);
    for (past, incident) in all.iter().zip(&over) {
        assert!(past.sheet.filed);
        assert_eq!(&past.sheet.incident, incident, "as the engine had it when it was over");
    }
    let open_one = life.book.incident(IncidentId(46)).unwrap();
    let last = &all[45].sheet;
    assert_eq!((last.filed, &last.incident.stage), (false, &open_one.stage));
    assert_eq!(last.incident.responders, open_one.responders);

    let third_day = Wall(BEGAN + 2 * DAY_MS as i64);
    let span = Question::Span { from: third_day, to: Wall(third_day.0 + DAY_MS as i64), most: 9 };
    let ids: Vec<u64> = found(&archivist, span).iter().map(|p| p.sheet.incident.id.0).collect();
    assert_eq!(ids, [3]);
    let few = Question::Span { from: Wall(i64::MIN), to: Wall(i64::MAX), most: 2 };
    match ask(&archivist, few).found {
        Found::Incidents { incidents, more } => {
            let ids: Vec<u64> = incidents.iter().map(|p| p.sheet.incident.id.0).collect();
            assert_eq!((ids, more), (vec![45, 46], true), "the newest, and that there are more");
        }
        other => panic!("{other:?}"),
    }
    // A02 was the code of the 1st and of the 41st.
    let newest = found(&archivist, Question::Code(Code::parse("A02").unwrap()));
    assert_eq!(newest[0].sheet.incident.id, IncidentId(41));
    assert_eq!(newest[0].notes, ["第41条"], "words come from the record");
    assert_eq!(found(&archivist, Question::Id(IncidentId(1)))[0].notes, ["第1条"]);
    assert_eq!(ask(&archivist, Question::Id(IncidentId(99))).found, Found::Nothing);

    let traces = history(&archivist, "B-01");
    assert_eq!(traces.len(), 2 * 7, "a press and a call on each of seven days");
    assert!(matches!(traces[0].event, TraceEvent::Said { battery: Some(84), .. }));
    assert!(matches!(traces[1].event, TraceEvent::Raised { incident: IncidentId(1), .. }));
    let figures = archivist.figures();
    assert_eq!(figures.incidents, 46);
    assert_eq!(figures.heard.len(), 8);
    let times = figures.times.unwrap();
    assert_eq!((times.incidents, times.days), (31, 30), "of the last thirty days");
    assert_eq!(times.to_accept, Some(Wait::secs(30)));
    assert_eq!(times.to_scene, Some(Wait::secs(270)));
    end(archivist);
}

#[test]
fn no_words_and_no_names_stand_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let archivist = open(dir.path(), &Kept::of(Life::of_days(3).entries));
    level(&archivist);
    end(archivist);
    for file in folders::files(&dir.path().join("archive")) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows("第1条".len()).any(|part| part == "第1条".as_bytes()));
    }
}

#[test]
fn pages_a_rebuild_and_a_second_reading_meet_without_a_gap_and_nothing_counts_twice() {
    let life = Life::of_days(40);
    let (whole, all) = (tempfile::tempdir().unwrap(), Kept::of(life.entries.clone()));
    let rebuilt = open(whole.path(), &all);
    level(&rebuilt);
    let expected = all_of(&rebuilt);
    end(rebuilt);

    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(life.entries.clone());
    let begin =
        |newest: usize| Archivist::spawn(place(dir.path()), kept.clone(), Seq(newest as u64));
    // A third is read; then pages: in order, one missing, one twice, some that overlap.
    let mut archivist = begin(100).unwrap();
    level(&archivist);
    let last = life.entries.len();
    for (first, to) in [(101, 130), (151, 180), (171, 200), (101, 130), (190, 240)] {
        archivist.keep(life.page(first, to));
        archivist.is_on_disk(Seq(to as u64));
    }
    soon("the pages' filing", || found(&archivist, everything()).len() > 18);
    end(archivist);
    // The next run finds the rest in the record, and hears the end of it twice.
    let mut archivist = begin(last).unwrap();
    level(&archivist);
    archivist.keep(life.page(last - 3, last));
    archivist.is_on_disk(Seq(last as u64));
    assert_eq!(all_of(&archivist), expected);
    end(archivist);
    let reread = kept.read_so_far();
    let again = begin(last).unwrap();
    level(&again);
    assert_eq!(all_of(&again), expected, "after one more start");
    end(again);
    assert_eq!(kept.read_so_far(), reread + 1, "which reads one entry, to see that it is the same");
}

#[test]
fn a_page_that_is_not_on_disk_is_not_filed() {
    let life = Life::of_days(2);
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(life.entries.clone());
    let mut archivist = Archivist::spawn(place(dir.path()), kept, Seq(0)).unwrap();
    level(&archivist);
    archivist.keep(life.page(1, 20));
    archivist.is_on_disk(Seq(19));
    std::thread::sleep(NAP * 10);
    assert!(found(&archivist, everything()).len() < 3, "the page was handed in too early");
    archivist.is_on_disk(Seq(20));
    soon("the page's filing", || archivist.figures().incidents > 0);
    end(archivist);
}

#[test]
fn an_archive_that_reads_holds_up_nobody_and_says_how_far_it_is() {
    let life = Life::of_days(200);
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::of(life.entries.clone());
    kept.hold(Some(Seq(1_100)));
    let mut archivist = open(dir.path(), &kept);
    soon(
        "the first stretches",
        || matches!(archivist.figures().state, State::Rebuilding { percent } if percent >= 40),
    );
    // Far more than its queue holds; each of these comes back at once.
    for _ in 0..10_000 {
        archivist.keep(life.page(1_700, 1_800));
        archivist.is_on_disk(Seq(1_800));
        archivist.hear(vec![(DeviceId::new("B-01").unwrap(), Wall(1))]);
    }
    let mut taken = 0;
    while archivist.ask(everything(), |_| {}) {
        taken += 1;
        assert!(taken <= QUESTIONS_MAX, "questions have no limit");
    }
    kept.hold(None);
    level(&archivist);
    assert_eq!(found(&archivist, everything()).len(), 202);
    end(archivist);
}
