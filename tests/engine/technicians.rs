//! A technician's work: walk tests, maintenance, swaps, and devices that say too much.

use anling::incident::{Contact, Ending, Fact, Move, Scope, Stimulus, WorkAsked, WorkKind};
use anling::registry::Change;
use anling::terms::{DeviceId, HomeId, Kind, Mark, Report, Resumed, Wait, Wall, What, WorkId};

use crate::house::{BY_PHONE, HELPED, House};
use crate::plan::{device, person};

fn home(id: &str) -> Scope {
    Scope::Home(HomeId::new(id).unwrap())
}

fn begins(house: &mut House, kind: WorkKind, scope: Scope, mins: u64) {
    let asked = WorkAsked {
        kind,
        scope: vec![scope],
        by: person("sunwei"),
        lasts: Wait::mins(mins),
        reason: Some("换电池".to_owned()),
    };
    house.takes(&Stimulus::Work(Box::new(asked)));
}

fn is_noted(house: &House, named: &str) -> bool {
    house.facts.iter().any(|fact| fact.name() == named)
}

// ---- walk tests ----

#[test]
fn in_a_walk_test_a_listed_device_is_noted_and_nobody_is_called_and_an_unlisted_one_calls() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.press("B-14");
    assert!(is_noted(&house, "point_tested"));
    house.level("smoke-1", Kind::Smoke, true);
    assert!(is_noted(&house, "point_tested"));
    assert_eq!(house.book.open_count(), 0);
    let work = house.book.works().next().unwrap();
    assert_eq!(work.heard.len(), 2, "{work:?}");
    house.press("B-15");
    assert_eq!(house.book.open_count(), 1);
    assert_eq!(house.it().device, device("B-15"));
    house.restarts();
    assert_eq!(house.book.works().count(), 1, "the window outlives a restart");
}

#[test]
fn smoke_that_goes_on_for_five_minutes_of_a_walk_test_calls_within_it() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 240);
    house.minutes(2);
    house.level("smoke-1", Kind::Smoke, true);
    house.press("B-14");
    house.minutes(4);
    assert_eq!(house.book.open_count(), 0);
    house.restarts();
    house.minutes(1);
    assert_eq!(house.book.open_count(), 1, "the press is a test, the smoke is a fire");
    assert_eq!(house.it().kind, Kind::Smoke);
    // Closed while the detector is still on: it was looked at, and does not call again for that.
    house.says("lina", Move::Accept);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    assert_eq!(house.book.open_count(), 0);
    house.minutes(60);
    assert_eq!(house.book.open_count(), 0);
    // On anew it is anew a test, and a danger when it stays.
    house.level("smoke-1", Kind::Smoke, false);
    house.level("smoke-1", Kind::Smoke, true);
    assert_eq!(house.book.open_count(), 0);
    house.minutes(5);
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn a_walk_test_begun_anew_before_the_first_one_ends_hides_no_fire() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 3);
    house.level("smoke-1", Kind::Smoke, true);
    house.minutes(1);
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 3);
    house.minutes(2);
    assert_eq!((house.book.works().count(), house.book.open_count()), (1, 0));
    house.minutes(1);
    assert_eq!(house.it().kind, Kind::Smoke, "the end of the second one tells it");
    // A longer second one tells it five minutes after the smoke came on.
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 1);
    house.level("smoke-1", Kind::Smoke, true);
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 240);
    house.minutes(5);
    assert_eq!(house.it().kind, Kind::Smoke);
}

#[test]
fn a_walk_test_ends_by_itself_and_smoke_that_is_still_on_calls_then() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.minutes(26);
    house.level("smoke-1", Kind::Smoke, true);
    house.minutes(3);
    assert_eq!(house.book.open_count(), 0);
    house.minutes(1);
    assert_eq!(house.book.works().count(), 0);
    assert_eq!(house.it().kind, Kind::Smoke);
    house.press("B-14");
    assert_eq!(house.book.open_count(), 2, "the window is closed: a press calls");
}

#[test]
fn what_was_let_go_before_the_end_of_the_test_calls_nobody() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.level("smoke-1", Kind::Smoke, true);
    house.level("smoke-1", Kind::Smoke, false);
    house.takes(&Stimulus::WorkOver { work: WorkId(1), by: person("sunwei") });
    assert!(is_noted(&house, "work_ended"));
    assert_eq!(house.book.open_count(), 0);
}

#[test]
fn a_call_that_is_open_already_goes_on_through_a_walk_test() {
    let mut house = House::new();
    house.press("B-14");
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.minutes(1);
    house.press("B-14");
    assert_eq!(house.it().presses, 2);
    assert!(is_noted(&house, "pressed_again"));
}

#[test]
fn a_walk_test_notes_when_a_point_was_seen_to_work() {
    let mut house = House::new();
    assert_eq!(house.book.device(&device("B-14")).and_then(|known| known.tested), None);
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.press("B-14");
    let tested = house.book.device(&device("B-14")).unwrap().tested;
    assert_eq!(tested, Some(house.wall));
    // A real press proves as much.
    house.press("B-16");
    assert!(house.book.device(&device("B-16")).unwrap().tested.is_some());
}

#[test]
fn a_broken_point_is_told_during_its_test() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    house.level("B-14", Kind::LowBattery, true);
    assert_eq!(house.it().kind, Kind::LowBattery);
}

#[test]
fn two_walk_tests_of_one_point_both_note_its_press() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("3-2-501"), 30);
    begins(&mut house, WorkKind::WalkTest, Scope::Device(device("B-14")), 30);
    house.press("B-14");
    assert!(house.book.works().all(|work| work.heard.contains_key(&device("B-14"))));
}

#[test]
fn what_is_about_to_be_registered_calls_nobody_while_it_is_and_everything_else_does() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, Scope::HeardAs("0A17".to_owned()), 30);
    heard_under(&mut house, "0A17", What::Pulse(Kind::Sos));
    assert!(is_noted(&house, "point_tested"));
    assert_eq!(house.book.open_count(), 0);
    heard_under(&mut house, "0A18", What::Pulse(Kind::Sos));
    assert_eq!(house.book.open_count(), 1);
    let is_kept = |house: &House, name: &str| {
        house.book.device(&DeviceId::unregistered("native-mqtt", name)).is_some()
    };
    assert!(is_kept(&house, "0A17") && is_kept(&house, "0A18"));
    house.takes(&Stimulus::WorkOver { work: WorkId(1), by: person("sunwei") });
    assert!(!is_kept(&house, "0A17"), "nobody registered it");
    assert!(is_kept(&house, "0A18"), "it calls");
}

#[test]
fn work_names_somebody_and_something_that_exist() {
    let mut house = House::new();
    begins(&mut house, WorkKind::WalkTest, home("nowhere"), 30);
    assert!(house.facts.is_empty());
    let asked = WorkAsked {
        kind: WorkKind::WalkTest,
        scope: vec![home("3-2-501")],
        by: person("nobody"),
        lasts: Wait::mins(30),
        reason: None,
    };
    house.takes(&Stimulus::Work(Box::new(asked)));
    assert!(house.facts.is_empty());
}

// ---- maintenance ----

#[test]
fn in_maintenance_a_press_is_held_back_and_fire_is_not() {
    let mut house = House::new();
    begins(&mut house, WorkKind::Maintenance, home("3-2-501"), 60);
    house.press("B-14");
    assert!(is_noted(&house, "held_back"));
    house.level("B-14", Kind::Tamper, true);
    house.garbage("B-14");
    assert_eq!(house.book.open_count(), 0);
    house.level("smoke-1", Kind::Smoke, true);
    assert_eq!(house.it().kind, Kind::Smoke);
}

#[test]
fn what_is_still_broken_after_maintenance_is_told_at_its_end() {
    let mut house = House::new();
    begins(&mut house, WorkKind::Maintenance, home("3-2-501"), 60);
    house.level("B-14", Kind::Tamper, true);
    house.says_of("smoke-1", What::Presence { online: false });
    assert_eq!(house.book.open_count(), 0);
    house.minutes(60);
    let kinds: Vec<Kind> = house.book.open().map(|open| open.kind).collect();
    assert_eq!(kinds, [Kind::Tamper, Kind::Silent]);
}

#[test]
fn maintenance_of_more_than_eight_hours_is_held_to_eight() {
    let mut house = House::new();
    begins(&mut house, WorkKind::Maintenance, home("3-2-501"), 100 * 60);
    let work = house.book.works().next().unwrap();
    assert_eq!(work.until - work.since, Wait::hours(8));
    assert_eq!(work.reason.as_deref(), Some("换电池"));
}

// ---- swaps ----

fn swaps(house: &mut House, point: &str, heard_as: &str) {
    let (device, by) = (device(point), person("sunwei"));
    house.takes(&Stimulus::Swapped { device, heard_as: heard_as.to_owned(), by });
}

fn heard_under(house: &mut House, address: &str, what: What) {
    let report = house.report(&device("B-14"), what);
    let device = DeviceId::unregistered("native-mqtt", address);
    house.hears(Report { device, ..report });
}

#[test]
fn a_swapped_point_keeps_its_history_and_its_old_device_is_told_once_when_heard() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    swaps(&mut house, "B-14", "B-14-new");
    let row = house.book.registry().device(&device("B-14")).unwrap();
    assert_eq!((row.heard_as.as_str(), row.spot.is_empty()), ("B-14-new", true));
    let memory = house.book.device(&device("B-14")).unwrap();
    assert_eq!((memory.tested, memory.over.len()), (None, 1), "its history stays; it is untested");
    // The new device counts from one, too; within ten minutes it is the same call again.
    let first = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    house.hears(Report { mark: Some(Mark { boot: 1, seq: 1 }), ..first });
    assert!(is_noted(&house, "reopened"));
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    heard_under(&mut house, "B-14", What::Telemetry);
    assert_eq!(house.it().kind, Kind::OldDevice);
    assert_eq!(house.it().home, Some(HomeId::new("3-2-501").unwrap()));
    heard_under(&mut house, "B-14", What::Telemetry);
    assert!(house.facts.is_empty(), "told once");
}

#[test]
fn a_press_of_the_old_device_calls_as_any_strangers_does() {
    let mut house = House::new();
    swaps(&mut house, "B-14", "B-14-new");
    heard_under(&mut house, "B-14", What::Pulse(Kind::Sos));
    let call = house.book.open().next().unwrap();
    assert_eq!(call.kind, Kind::Sos);
    assert!(call.device.is_unregistered());
    assert_eq!(call.home, Some(HomeId::new("3-2-501").unwrap()), "looked for where it was");
    assert_eq!(house.it().kind, Kind::OldDevice, "and that it is an old one is told at once");
}

#[test]
fn a_swap_for_the_same_device_changes_nothing() {
    let mut house = House::new();
    swaps(&mut house, "B-14", "B-14");
    assert!(house.facts.is_empty());
}

// ---- stuck and suspect ----

#[test]
fn a_stuck_transmitter_is_one_call_and_one_fault_and_climbs_by_time_alone() {
    let mut house = House::new();
    for _ in 0..25 {
        house.press("B-14");
        house.turns_to(house.now + Wait(2_000));
    }
    let kinds: Vec<Kind> = house.book.open().map(|open| open.kind).collect();
    assert_eq!(kinds, [Kind::Sos, Kind::Stuck]);
    for _ in 0..100 {
        house.press("B-14");
        assert!(is_noted(&house, "reported"), "each is written down before it is answered");
        assert!(!is_noted(&house, "called"), "and none of them climbs");
    }
    assert_eq!(house.book.open_count(), 2);
    assert_eq!(house.book.open().next().unwrap().presses, 125);
    house.passes(60);
    house.called_at_all("zhaolei");
}

#[test]
fn a_burst_and_a_call_that_somebody_has_taken_are_found_stuck_as_well() {
    let mut house = House::new();
    (0..25).for_each(|_| house.press("B-14"));
    assert!(house.book.open().any(|open| open.kind == Kind::Stuck), "within one moment");
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    (0..25).for_each(|_| house.press("B-14"));
    assert!(house.book.open().any(|open| open.kind == Kind::Stuck), "after acceptance");
}

#[test]
fn twenty_presses_in_a_minute_are_a_frightened_hand() {
    let mut house = House::new();
    for _ in 0..20 {
        house.press("B-14");
        house.turns_to(house.now + Wait(2_500));
    }
    assert_eq!(house.book.open_count(), 1);
}

fn false_alarm(house: &mut House, ending: Ending) {
    house.minutes(15);
    house.press("B-14");
    let contact: Option<Contact> = BY_PHONE;
    let incident = house.book.open().find(|open| open.kind == Kind::Sos).unwrap().id;
    house.says_about(incident, "zhangmin", Move::Resolve { ending, contact });
}

#[test]
fn the_third_alarm_for_nothing_within_a_week_sends_a_technician() {
    let mut house = House::new();
    false_alarm(&mut house, Ending::Accidental);
    false_alarm(&mut house, Ending::DeviceFault);
    assert_eq!(house.book.open_count(), 0);
    false_alarm(&mut house, Ending::Accidental);
    assert_eq!(house.it().kind, Kind::Suspect);
    assert!(house.facts.iter().any(|fact| matches!(fact, Fact::Raised { .. })));
}

#[test]
fn real_calls_and_old_ones_make_nobody_suspect() {
    let mut house = House::new();
    false_alarm(&mut house, Ending::Accidental);
    false_alarm(&mut house, Ending::Accidental);
    false_alarm(&mut house, Ending::Helped);
    assert_eq!(house.book.open_count(), 0);
    house.minutes(8 * 24 * 60);
    false_alarm(&mut house, Ending::Accidental);
    assert_eq!(house.book.open_count(), 0);
}

#[test]
fn a_device_taken_out_of_the_list_leaves_its_work_in_peace() {
    let mut house = House::new();
    begins(&mut house, WorkKind::Maintenance, home("3-2-501"), 60);
    house.level("B-14", Kind::Tamper, true);
    let gone = anling::registry::RowId::Device(device("B-14"));
    house.takes(&Stimulus::Registry(vec![Change::Removed(gone)]));
    house.minutes(60);
    assert_eq!(house.book.works().count(), 0);
}

// ---- a clock that is set ----

#[test]
fn times_of_1970_are_told_right_once_the_clock_is_set_and_nothing_changes_its_order() {
    let mut house = House::new();
    let right = house.wall;
    house.wall = Wall(60_000);
    house.trusted = false;
    house.press("B-14");
    house.passes(30);
    house.press("B-15");
    let before: Vec<_> = house.book.open().map(|open| open.id).collect();
    assert_eq!(house.it().times.raised, Some(Wall(90_000)));
    // The network comes back: 45 s after the first press the clock is right.
    house.turns_to(house.now + Wait::secs(15));
    house.wall = Wall(right.0 + 45_000);
    house.trusted = true;
    house.says("zhangmin", Move::Accept);
    let raised: Vec<_> = house.book.open().map(|open| open.times.raised.unwrap()).collect();
    assert_eq!(raised, [right, Wall(right.0 + 30_000)]);
    assert!(house.book.open().all(|open| !open.clock_trusted), "that it was wrong stays said");
    assert_eq!(house.it().times.accepted, Some(Wall(right.0 + 45_000)), "said under the right one");
    let after: Vec<_> = house.book.open().map(|open| open.id).collect();
    assert_eq!(before, after);
}

#[test]
fn over_a_restart_nobody_vouches_for_the_gap_and_the_times_stay_flagged() {
    let mut house = House::new();
    let right = house.wall;
    house.wall = Wall(60_000);
    house.trusted = false;
    house.press("B-14");
    house.wall = right;
    house.trusted = true;
    house.starts(Resumed::Unknown);
    house.press("B-15");
    let first = house.book.open().next().unwrap();
    assert_eq!((first.times.raised, first.clock_trusted), (Some(Wall(60_000)), false));
}

// ---- messages that were never heard ----

fn misses(house: &mut House, device_id: &str, count: u32) {
    house.takes(&Stimulus::Missed { device: device(device_id), count });
}

#[test]
fn missed_messages_are_noted_of_the_device_and_call_nobody() {
    let mut house = House::new();
    misses(&mut house, "B-14", 3);
    assert!(is_noted(&house, "messages_missed"));
    misses(&mut house, "B-14", 2);
    let missed = house.book.device(&device("B-14")).unwrap().missed.clone().unwrap();
    assert_eq!((missed.count, missed.last), (5, house.wall));
    assert_eq!(house.book.open_count(), 0);
    misses(&mut house, "B-14", 0);
    assert!(house.facts.is_empty());
    house.takes(&Stimulus::Missed { device: DeviceId::unregistered("x", "9"), count: 3 });
    assert!(house.facts.is_empty(), "nobody follows what nobody registered");
    house.restarts();
    assert_eq!(house.book.device(&device("B-14")).unwrap().missed.as_ref().unwrap().count, 5);
}

#[test]
fn twenty_missed_in_a_day_are_a_fault_once_and_twenty_in_a_week_are_none() {
    let mut house = House::new();
    for _ in 0..7 {
        misses(&mut house, "B-15", 3);
        house.minutes(24 * 60);
    }
    assert_eq!(house.book.open_count(), 0, "21 in a week");
    for _ in 0..12 {
        misses(&mut house, "B-14", 3);
        house.minutes(60);
    }
    assert_eq!(house.book.open_count(), 1, "36 in a day");
    assert_eq!((house.it().kind, house.it().presses), (Kind::Missed, 1));
    assert_eq!(house.it().device, device("B-14"));
}

#[test]
fn another_device_at_the_point_has_missed_nothing() {
    let mut house = House::new();
    house.press("B-14");
    misses(&mut house, "B-14", 7);
    let (device_id, by) = (device("B-14"), person("sunwei"));
    let swapped = Stimulus::Swapped { device: device_id.clone(), heard_as: "B-14b".to_owned(), by };
    house.takes(&swapped);
    assert_eq!(house.book.device(&device_id).unwrap().missed, None);
}

// ---- batteries ----

#[test]
fn a_level_is_written_down_when_it_is_another_one_and_a_swap_begins_anew() {
    let mut house = House::new();
    let says = |house: &mut House, percent: u8| {
        house.takes(&Stimulus::Battery { device: device("B-14"), percent });
        is_noted(house, "battery_level")
    };
    assert!(says(&mut house, 90) && !says(&mut house, 88) && says(&mut house, 85));
    house.minutes(60 * 24 * 20);
    assert!(says(&mut house, 75));
    let battery = house.book.device(&device("B-14")).unwrap().battery.clone().unwrap();
    let forty_more_days = house.wall.0 + 80 * 86_400_000;
    assert_eq!(battery.empty_by(house.wall, 75).map(|day| day.0), Some(forty_more_days));
    house.restarts();
    assert_eq!(house.book.device(&device("B-14")).unwrap().battery, Some(battery));
    let installed = house.book.installed(&device("B-14")).unwrap();
    assert!(installed < house.wall);
    let (device_id, by) = (device("B-14"), person("sunwei"));
    let swapped = Stimulus::Swapped { device: device_id.clone(), heard_as: "B-14b".to_owned(), by };
    house.takes(&swapped);
    assert_eq!(house.book.device(&device_id).unwrap().battery, None);
    assert_eq!(house.book.installed(&device_id), Some(house.wall));
    let gone = Change::Removed(anling::registry::RowId::Device(device_id.clone()));
    house.takes(&Stimulus::Registry(vec![gone]));
    assert_eq!(house.book.installed(&device_id), None);
}

#[test]
fn low_is_cleared_by_a_fresh_word_of_the_device_and_by_nothing_else() {
    let mut house = House::new();
    house.level("temp-3", Kind::LowBattery, true);
    assert!(house.book.says_low(&device("temp-3")));
    begins(&mut house, WorkKind::Maintenance, home("3-2-503"), 30);
    house.minutes(60);
    house.takes(&Stimulus::Battery { device: device("temp-3"), percent: 100 });
    assert!(house.book.says_low(&device("temp-3")), "nobody has heard that it is well");
    house.level("temp-3", Kind::LowBattery, false);
    assert!(!house.book.says_low(&device("temp-3")));
}
