//! Who is called at which minute: handovers, gaps, doubt about the time, and people who have left.

use proptest::prelude::*;

use super::*;
use crate::registry::{Change, Person, Role, Row};
use crate::roster::{PLAN_DAYS_MAX, Shift};

fn person(id: &str, role: Role) -> Change {
    Change::Set(Row::Person(Person {
        id: PersonId::new(id).unwrap(),
        name: String::new(),
        role,
        phone: String::new(),
        email: String::new(),
    }))
}

pub(in crate::roster) fn registry(people: &[(&str, Role)]) -> Registry {
    let mut registry = Registry::default();
    people.iter().for_each(|(id, role)| registry.apply(&person(id, *role)));
    registry
}

/// zhang, li and wang are staff, chen leads, gu is the district's.
pub(in crate::roster) fn house() -> Registry {
    registry(&[
        ("zhang", Role::Staff),
        ("li", Role::Staff),
        ("wang", Role::Staff),
        ("chen", Role::Lead),
        ("gu", Role::District),
    ])
}

pub(in crate::roster) fn ids(people: &[&str]) -> Vec<PersonId> {
    people.iter().map(|id| PersonId::new(id).unwrap()).collect()
}

pub(in crate::roster) fn line(id: &str) -> LineId {
    LineId::new(id).unwrap()
}

pub(in crate::roster) const EVERY_DAY: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

pub(in crate::roster) fn rule(days: &[u8], hours: (u16, u16), people: &[&str]) -> Rule {
    Rule {
        name: "rule".to_owned(),
        line: line("first"),
        days: RuleDays::Weekly(days.to_vec()),
        hours: Hours { from: hours.0, to: hours.1 },
        people: ids(people),
    }
}

pub(in crate::roster) fn roster(zone: &str, fallback: &[&str], rules: Vec<Rule>) -> Roster {
    let first = Line { label: "一线".to_owned(), fallback: ids(fallback) };
    Roster {
        zone: zone.to_owned(),
        lines: BTreeMap::from([(line("first"), first)]),
        rules,
        night: Hours { from: 21 * 60, to: 6 * 60 },
        work: Hours { from: 8 * 60, to: 17 * 60 },
        work_days: RuleDays::every(),
        day_types: DayTypes::default(),
        changes: BTreeMap::new(),
        stations: BTreeMap::new(),
    }
}

pub(in crate::roster) fn shanghai(fallback: &[&str], rules: Vec<Rule>) -> Roster {
    roster("Asia/Shanghai", fallback, rules)
}

fn at(roster: &Roster, civil: &str) -> WallReading {
    let zone = civil::zone(&roster.zone).unwrap();
    let moment = zone.to_timestamp(civil.parse().unwrap()).unwrap();
    WallReading { wall: civil::wall(moment), trusted: true }
}

pub(in crate::roster) fn on(roster: &Roster, civil: &str) -> (Vec<String>, DutyBy) {
    let duty = roster.on_duty(&house(), &line("first"), at(roster, civil));
    (duty.people.iter().map(PersonId::to_string).collect(), duty.by)
}

fn expect(roster: &Roster, civil: &str, people: &[&str], by: DutyBy) {
    let people = people.iter().map(ToString::to_string).collect();
    assert_eq!(on(roster, civil), (people, by), "{civil}");
}

// 2026-11-23 is a Monday.

#[test]
fn the_day_hands_over_to_the_night_on_the_minute_and_over_midnight() {
    let roster = shanghai(
        &["chen"],
        vec![rule(&EVERY_DAY, (480, 1200), &["zhang"]), rule(&EVERY_DAY, (1200, 480), &["li"])],
    );
    for (civil, who) in [
        ("2026-11-23T07:59:59.999", "li"),
        ("2026-11-23T08:00", "zhang"),
        ("2026-11-23T19:59:59.999", "zhang"),
        ("2026-11-23T20:00", "li"),
        ("2026-11-24T00:00", "li"),
    ] {
        expect(&roster, civil, &[who], DutyBy::Rule);
    }
}

#[test]
fn no_minute_is_lost_around_midnight() {
    let to_midnight = rule(&EVERY_DAY, (720, 1440), &["zhang"]);
    let to_zero = Rule { hours: Hours { from: 720, to: 0 }, ..to_midnight.clone() };
    for evening in [to_midnight, to_zero] {
        let roster = shanghai(&["chen"], vec![evening, rule(&EVERY_DAY, (0, 720), &["li"])]);
        for (civil, who) in [
            ("2026-11-23T23:59", "zhang"),
            ("2026-11-23T23:59:59.999", "zhang"),
            ("2026-11-24T00:00", "li"),
            ("2026-11-24T00:01", "li"),
        ] {
            expect(&roster, civil, &[who], DutyBy::Rule);
        }
    }
}

#[test]
fn a_real_gap_around_midnight_is_answered_by_the_fallback() {
    let rules =
        vec![rule(&EVERY_DAY, (720, 1439), &["zhang"]), rule(&EVERY_DAY, (1, 720), &["li"])];
    let roster = shanghai(&["chen"], rules.clone());
    expect(&roster, "2026-11-23T23:58:59", &["zhang"], DutyBy::Rule);
    expect(&roster, "2026-11-23T23:59", &["chen"], DutyBy::Fallback);
    expect(&roster, "2026-11-24T00:00:59", &["chen"], DutyBy::Fallback);
    expect(&roster, "2026-11-24T00:01", &["li"], DutyBy::Rule);
    let everybody = ["chen", "li", "wang", "zhang"];
    expect(&shanghai(&[], rules), "2026-11-23T23:59", &everybody, DutyBy::Everybody);
}

#[test]
fn sundays_night_reaches_into_monday_and_no_further() {
    let roster = shanghai(&["chen"], vec![rule(&[7], (1200, 480), &["li"])]);
    expect(&roster, "2026-11-22T19:59", &["chen"], DutyBy::Fallback);
    expect(&roster, "2026-11-22T20:00", &["li"], DutyBy::Rule);
    expect(&roster, "2026-11-23T07:59", &["li"], DutyBy::Rule);
    expect(&roster, "2026-11-23T08:00", &["chen"], DutyBy::Fallback);
    expect(&roster, "2026-11-23T20:00", &["chen"], DutyBy::Fallback);
}

#[test]
fn a_whole_day_runs_24_hours_from_its_first_minute() {
    let calendar = shanghai(&["chen"], vec![rule(&[1], (0, 0), &["li"])]);
    expect(&calendar, "2026-11-22T23:59", &["chen"], DutyBy::Fallback);
    expect(&calendar, "2026-11-23T00:00", &["li"], DutyBy::Rule);
    expect(&calendar, "2026-11-23T23:59", &["li"], DutyBy::Rule);
    expect(&calendar, "2026-11-24T00:00", &["chen"], DutyBy::Fallback);
    let shift = shanghai(&["chen"], vec![rule(&[1], (480, 480), &["li"])]);
    expect(&shift, "2026-11-23T07:59", &["chen"], DutyBy::Fallback);
    expect(&shift, "2026-11-24T07:59", &["li"], DutyBy::Rule);
    expect(&shift, "2026-11-24T08:00", &["chen"], DutyBy::Fallback);
}

#[test]
fn rules_that_overlap_are_joined_in_the_order_of_the_plan_without_repeats() {
    let roster = shanghai(
        &["chen"],
        vec![
            rule(&EVERY_DAY, (480, 1200), &["zhang", "wang"]),
            rule(&[1], (540, 720), &["li", "zhang"]),
        ],
    );
    expect(&roster, "2026-11-23T10:00", &["zhang", "wang", "li"], DutyBy::Rule);
    expect(&roster, "2026-11-24T10:00", &["zhang", "wang"], DutyBy::Rule);
}

#[test]
fn people_who_left_are_skipped_down_to_the_fallback_and_then_to_everybody() {
    let roster = shanghai(&["gone", "chen"], vec![rule(&EVERY_DAY, (0, 0), &["left"])]);
    expect(&roster, "2026-11-23T10:00", &["chen"], DutyBy::Fallback);
    let roster = shanghai(&["gone"], vec![rule(&EVERY_DAY, (0, 0), &["left"])]);
    let everybody = ["chen", "li", "wang", "zhang"];
    expect(&roster, "2026-11-23T10:00", &everybody, DutyBy::Everybody);
}

#[test]
fn everybody_is_the_house_and_the_district_only_where_there_is_no_house() {
    assert_eq!(everybody(&house()), ids(&["chen", "li", "wang", "zhang"]));
    let mender = registry(&[("gu", Role::District), ("tao", Role::Technician)]);
    assert_eq!(everybody(&mender), ids(&["tao"]));
    assert_eq!(everybody(&registry(&[("gu", Role::District)])), ids(&["gu"]));
    assert_eq!(everybody(&Registry::default()), []);
}

#[test]
fn a_line_in_no_plan_is_answered_with_everybody() {
    let roster = shanghai(&["chen"], Vec::new());
    for trusted in [true, false] {
        let when = WallReading { trusted, ..at(&roster, "2026-11-23T10:00") };
        let duty = roster.on_duty(&house(), &line("third"), when);
        let everybody = ids(&["chen", "li", "wang", "zhang"]);
        assert_eq!(duty, Duty { people: everybody, by: DutyBy::Everybody });
    }
}

#[test]
fn doubt_about_the_time_calls_everybody_who_could_be_on_the_line() {
    let rules = vec![rule(&[1], (480, 1200), &["zhang", "left"]), rule(&[2], (0, 0), &["li"])];
    let roster = shanghai(&["chen"], rules.clone());
    let monday = at(&roster, "2026-11-23T10:00");
    let nowhere = Roster { zone: "Asia/Shangai".to_owned(), ..roster.clone() };
    for (roster, when) in [
        (&roster, WallReading { trusted: false, ..monday }),
        (&roster, WallReading { wall: Wall(i64::MAX), trusted: true }),
        (&nowhere, monday),
    ] {
        let duty = roster.on_duty(&house(), &line("first"), when);
        assert_eq!(duty, Duty { people: ids(&["zhang", "li", "chen"]), by: DutyBy::Union });
    }
    let bare = shanghai(&[], rules);
    let duty = bare.on_duty(&house(), &line("first"), WallReading { trusted: false, ..monday });
    assert_eq!(duty.people, ids(&["zhang", "li", "chen", "wang"]));
}

#[test]
fn summer_time_hands_over_once_and_leaves_no_gap() {
    let roster = roster(
        "Europe/Berlin",
        &["chen"],
        vec![rule(&EVERY_DAY, (150, 840), &["zhang"]), rule(&EVERY_DAY, (840, 150), &["li"])],
    );
    let hour = |civil: &str, after_ms: i64| {
        let start = at(&roster, civil).wall;
        let when = WallReading { wall: Wall(start.0 + after_ms), trusted: true };
        let duty = roster.on_duty(&house(), &line("first"), when);
        assert_eq!(duty.by, DutyBy::Rule);
        duty.people[0].to_string()
    };
    let minute = 60_000;
    // Autumn: 02:00–03:00 passes twice, 02:30 hands over the first time.
    assert_eq!(hour("2026-10-25T01:59", 30 * minute), "li");
    assert_eq!(hour("2026-10-25T01:59", 31 * minute), "zhang");
    assert_eq!(hour("2026-10-25T01:59", 62 * minute), "zhang");
    // Spring: 02:00–03:00 is left out, 02:30 is at 03:30.
    assert_eq!(hour("2026-03-29T01:59", minute), "li");
    assert_eq!(hour("2026-03-29T03:30", -1), "li");
    assert_eq!(hour("2026-03-29T03:30", 0), "zhang");
}

#[test]
fn a_zone_that_skipped_a_whole_day_kept_its_night_shift() {
    let roster = roster("Pacific/Apia", &["chen"], vec![rule(&[4], (1200, 480), &["li"])]);
    // Thursday 2011-12-29 was followed by Saturday the 31st.
    expect(&roster, "2011-12-29T23:59", &["li"], DutyBy::Rule);
    expect(&roster, "2011-12-31T07:59", &["li"], DutyBy::Rule);
    expect(&roster, "2011-12-31T08:00", &["chen"], DutyBy::Fallback);
}

#[test]
fn clocks_set_back_over_midnight_do_not_call_the_evening_shift_again() {
    let roster = roster("America/St_Johns", &["chen"], vec![rule(&[7], (0, 480), &["li"])]);
    // On Sunday 2010-11-07 at 00:01 the clocks went back to Saturday 23:01.
    let sunday = at(&roster, "2010-11-07T00:00").wall;
    let again = WallReading { wall: Wall(sunday.0 + 30 * 60_000), trusted: true };
    assert_eq!(roster.civil(again.wall).unwrap().to_string(), "2010-11-06T23:30:00");
    let duty = roster.on_duty(&house(), &line("first"), again);
    assert_eq!(duty, Duty { people: ids(&["li"]), by: DutyBy::Rule });
}

#[test]
fn it_is_night_from_nine_to_six_and_never_by_a_doubtful_clock() {
    let roster = shanghai(&[], Vec::new());
    for (civil, night) in [
        ("2026-11-23T20:59:59", false),
        ("2026-11-23T21:00", true),
        ("2026-11-24T00:00", true),
        ("2026-11-24T05:59:59", true),
        ("2026-11-24T06:00", false),
    ] {
        assert_eq!(roster.is_night(at(&roster, civil)), night, "{civil}");
    }
    let doubtful = WallReading { trusted: false, ..at(&roster, "2026-11-24T00:00") };
    assert!(!roster.is_night(doubtful));
}

#[test]
fn work_waits_for_the_next_morning_and_never_by_a_doubtful_clock() {
    let roster = shanghai(&[], Vec::new());
    for (civil, wait) in [
        ("2026-11-23T07:59:59", Wait::secs(1)),
        ("2026-11-23T08:00", Wait::ZERO),
        ("2026-11-23T16:59:59", Wait::ZERO),
        ("2026-11-23T17:00", Wait::hours(15)),
        ("2026-11-23T23:00", Wait::hours(9)),
    ] {
        assert_eq!(roster.until_work(at(&roster, civil)), wait, "{civil}");
    }
    let doubtful = WallReading { trusted: false, ..at(&roster, "2026-11-23T23:00") };
    assert_eq!(roster.until_work(doubtful), Wait::ZERO);
    let over_midnight = Roster { work: Hours { from: 1320, to: 360 }, ..roster.clone() };
    assert_eq!(over_midnight.until_work(at(&roster, "2026-11-24T00:00")), Wait::ZERO);
    let round_the_clock = Roster { work: Hours { from: 480, to: 480 }, ..roster.clone() };
    assert_eq!(round_the_clock.until_work(at(&roster, "2026-11-24T03:00")), Wait::ZERO);
}

#[test]
fn a_plan_says_each_handover_and_each_gap() {
    let roster = shanghai(
        &["chen"],
        vec![rule(&[1], (480, 1200), &["zhang"]), rule(&[1], (1200, 480), &["li"])],
    );
    let from = at(&roster, "2026-11-23T00:00").wall;
    let said: Vec<(String, String, DutyBy)> = roster
        .plan(&house(), from, 2)
        .into_iter()
        .map(|shift| {
            let civil = roster.civil(shift.from).unwrap().strftime("%a %H:%M").to_string();
            (civil, shift.duty.people[0].to_string(), shift.duty.by)
        })
        .collect();
    let shift = |civil: &str, who: &str, by| (civil.to_owned(), who.to_owned(), by);
    assert_eq!(
        said,
        [
            shift("Mon 00:00", "chen", DutyBy::Fallback),
            shift("Mon 08:00", "zhang", DutyBy::Rule),
            shift("Mon 20:00", "li", DutyBy::Rule),
            shift("Tue 08:00", "chen", DutyBy::Fallback),
        ]
    );
}

#[test]
fn a_line_that_never_hands_over_is_one_shift() {
    let roster = shanghai(&[], vec![rule(&EVERY_DAY, (0, 0), &["li"])]);
    let from = at(&roster, "2026-11-23T09:13").wall;
    let plan = roster.plan(&house(), from, 14);
    let to = at(&roster, "2026-12-07T09:13").wall;
    let duty = Duty { people: ids(&["li"]), by: DutyBy::Rule };
    assert_eq!(plan, [Shift { line: line("first"), from, to, duty }]);
}

#[test]
fn a_plan_of_no_days_is_empty_and_an_endless_one_is_cut_at_a_year() {
    let roster = shanghai(&["chen"], Vec::new());
    let from = at(&roster, "2026-11-23T00:00").wall;
    assert_eq!(roster.plan(&house(), from, 0), []);
    let plan = roster.plan(&house(), from, u16::MAX);
    assert_eq!(plan[0].to.0 - plan[0].from.0, i64::from(PLAN_DAYS_MAX) * 86_400_000);
    assert_eq!(roster.plan(&house(), Wall(i64::MAX), 1), []);
}

#[test]
fn a_roster_reads_back_as_it_was_written() {
    let roster = shanghai(&["chen"], vec![rule(&[1, 2], (480, 1200), &["zhang"])]);
    let text = serde_json::to_string(&roster).unwrap();
    assert_eq!(serde_json::from_str::<Roster>(&text).unwrap(), roster);
}

// Any small plan, in zones with and without summer time, around its changes.

const ZONES: [&str; 4] =
    ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"];
const PEOPLE: [&str; 5] = ["chen", "gu", "li", "wang", "zhang"];

fn some_people(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    let anybody = proptest::sample::select(vec!["chen", "gu", "li", "wang", "zhang", "left"]);
    proptest::collection::vec(anybody, 0..=most)
}

fn some_rule() -> impl Strategy<Value = Rule> {
    let days = proptest::collection::vec(1u8..=7, 0..5);
    (days, 0u16..=1440, 0u16..=1440, some_people(2))
        .prop_map(|(days, from, to, people)| rule(&days, (from, to), &people))
}

fn some_roster() -> impl Strategy<Value = Roster> {
    let rules = proptest::collection::vec(some_rule(), 0..5);
    (proptest::sample::select(ZONES.to_vec()), some_people(2), rules)
        .prop_map(|(zone, fallback, rules)| roster(zone, &fallback, rules))
}

fn some_registry() -> impl Strategy<Value = Registry> {
    let roles = proptest::sample::select(Role::ALL.to_vec());
    proptest::collection::btree_map(proptest::sample::select(PEOPLE.to_vec()), roles, 1..5)
        .prop_map(|people| registry(&people.into_iter().collect::<Vec<_>>()))
}

/// 2026, to the second.
fn some_wall() -> impl Strategy<Value = Wall> {
    (1_767_225_600i64..1_798_761_600).prop_map(|seconds| Wall(seconds * 1000))
}

proptest! {
    #[test]
    fn while_one_person_is_registered_somebody_is_on_duty(
        roster in some_roster(), registry in some_registry(), wall: i64, trusted: bool,
    ) {
        for line in [line("first"), line("third")] {
            let duty = roster.on_duty(&registry, &line, WallReading { wall: Wall(wall), trusted });
            prop_assert!(!duty.people.is_empty());
            let unique: BTreeSet<_> = duty.people.iter().collect();
            prop_assert_eq!(unique.len(), duty.people.len());
            prop_assert!(duty.people.iter().all(|id| registry.person(id).is_some()));
        }
    }

    #[test]
    fn the_union_holds_every_answer_a_true_clock_could_have_given(
        roster in some_roster(), registry in some_registry(), wall in some_wall(),
    ) {
        let doubtful = WallReading { wall: Wall(0), trusted: false };
        let union = roster.on_duty(&registry, &line("first"), doubtful);
        prop_assert_eq!(union.by, DutyBy::Union);
        let duty = roster.on_duty(&registry, &line("first"), WallReading { wall, trusted: true });
        prop_assert!(duty.people.iter().all(|id| union.people.contains(id)));
    }

    #[test]
    fn a_plan_says_at_every_moment_what_the_roster_answers(
        roster in some_roster(),
        registry in some_registry(),
        from in some_wall(),
        moments in proptest::collection::vec(0i64..10 * 86_400_000, 20),
    ) {
        let plan = roster.plan(&registry, from, 10);
        prop_assert_eq!(plan[0].from, from);
        prop_assert_eq!(plan[plan.len() - 1].to, Wall(from.0 + 10 * 86_400_000));
        for pair in plan.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
            prop_assert_ne!(&pair[0].duty, &pair[1].duty);
        }
        let edges = plan.iter().flat_map(|s| [s.from, Wall(s.to.0 - 1)]);
        for wall in moments.into_iter().map(|ms| Wall(from.0 + ms)).chain(edges) {
            let shift = plan.iter().find(|s| s.from <= wall && wall < s.to).unwrap();
            let when = WallReading { wall, trusted: true };
            prop_assert_eq!(&shift.duty, &roster.on_duty(&registry, &line("first"), when));
        }
    }

    #[test]
    fn without_summer_time_a_rule_holds_exactly_the_civil_minutes_it_names(
        only in some_rule(), wall in some_wall(),
    ) {
        let roster = shanghai(&[], vec![Rule { people: ids(&["li"]), ..only.clone() }]);
        let civil = roster.civil(wall).unwrap();
        let day = u8::try_from(civil.weekday().to_monday_one_offset()).unwrap();
        let eve = if day == 1 { 7 } else { day - 1 };
        let minute = u16::try_from(civil.hour()).unwrap() * 60 + u16::try_from(civil.minute()).unwrap();
        let from = only.hours.from % 1440;
        let RuleDays::Weekly(days) = &only.days else { panic!("weekdays only") };
        let holds = if from < only.hours.to {
            days.contains(&day) && from <= minute && minute < only.hours.to
        } else {
            (days.contains(&day) && from <= minute)
                || (days.contains(&eve) && minute < only.hours.to)
        };
        let duty = roster.on_duty(&house(), &line("first"), WallReading { wall, trusted: true });
        prop_assert_eq!(duty.by == DutyBy::Rule, holds);
    }
}
