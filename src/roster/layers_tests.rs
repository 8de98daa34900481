//! The layers: an override over a swap over a holiday's rule over a weekday's, and who is away.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::duty::tests::{EVERY_DAY, house, ids, line, on, rule, shanghai};
use super::{DayType, DutyBy, DutyChange, DutyChanged, Roster, Rule, RuleDays};
use crate::terms::{DutyChangeId, PersonId, Wait, Wall, WallReading};

fn of_type(is: DayType, hours: (u16, u16), people: &[&str]) -> Rule {
    Rule { days: RuleDays::OfType(is), ..rule(&EVERY_DAY, hours, people) }
}

fn on_dates(dates: &[Date], hours: (u16, u16), people: &[&str]) -> Rule {
    Rule { days: RuleDays::Dates(dates.to_vec()), ..rule(&EVERY_DAY, hours, people) }
}

/// The week around the National Day of 2026, as published: rest from 1 to 7 October, work on
/// Saturday the 10th.
fn october(mut roster: Roster) -> Roster {
    for day in 1..=7 {
        roster.day_types.put(date(2026, 10, day), DayType::Rest);
    }
    roster.day_types.put(date(2026, 10, 10), DayType::Work);
    roster.day_types.know(2026);
    roster
}

fn wall(roster: &Roster, civil: &str) -> Wall {
    roster.moment(civil.parse().unwrap()).unwrap()
}

fn change(roster: &mut Roster, from: &str, to: &str, what: DutyChanged) {
    let id = DutyChangeId(roster.changes.len() as u64 + 1);
    let (from, to) = (wall(roster, from), wall(roster, to));
    let by = PersonId::new("chen").unwrap();
    roster.changes.insert(id, DutyChange { id, from, to, what, by });
}

fn who(roster: &Roster, civil: &str) -> Vec<String> {
    on(roster, civil).0
}

fn person(id: &str) -> PersonId {
    PersonId::new(id).unwrap()
}

fn swap(one: &str, other: &str) -> DutyChanged {
    DutyChanged::Swap { one: person(one), other: person(other) }
}

fn leave(who: &str) -> DutyChanged {
    DutyChanged::Leave { who: person(who) }
}

fn put(people: &[&str]) -> DutyChanged {
    DutyChanged::Override { line: line("first"), people: ids(people) }
}

#[test]
fn a_make_up_workday_has_the_workdays_people_and_a_holiday_the_rest_days() {
    let rules = vec![
        of_type(DayType::Work, (480, 1200), &["zhang"]),
        of_type(DayType::Rest, (480, 1200), &["wang"]),
    ];
    let roster = october(shanghai(&["li"], rules));
    for (when, expected) in [
        ("2026-09-30T09:00", "zhang"),
        ("2026-10-01T09:00", "wang"),
        ("2026-10-07T19:59", "wang"),
        ("2026-10-08T09:00", "zhang"),
        ("2026-10-10T09:00", "zhang"),
        ("2026-10-11T09:00", "wang"),
        ("2026-10-17T09:00", "wang"),
        ("2026-10-10T21:00", "li"),
    ] {
        assert_eq!(who(&roster, when), [expected], "{when}");
    }
}

#[test]
fn on_a_holiday_its_own_rule_goes_before_the_weekdays_and_where_it_is_silent_the_weekday_holds() {
    let rules = vec![
        rule(&EVERY_DAY, (0, 1440), &["zhang"]),
        of_type(DayType::Rest, (480, 1200), &["wang"]),
        on_dates(&[date(2026, 10, 3)], (600, 660), &["chen"]),
    ];
    let roster = october(shanghai(&["li"], rules));
    assert_eq!(who(&roster, "2026-10-02T09:00"), ["wang"]);
    assert_eq!(who(&roster, "2026-10-02T21:00"), ["zhang"], "the night of a holiday is the week's");
    assert_eq!(who(&roster, "2026-10-03T10:30"), ["chen"], "a date goes before its kind");
    assert_eq!(who(&roster, "2026-10-03T11:00"), ["wang"]);
    // A Sunday that no table names: both rules are of the week.
    assert_eq!(who(&roster, "2026-10-18T09:00"), ["zhang", "wang"]);
}

#[test]
fn two_trade_their_shifts_for_a_night_over_midnight() {
    let rules = vec![rule(&[1], (1200, 480), &["zhang"]), rule(&[2], (1200, 480), &["wang"])];
    let mut roster = shanghai(&["li"], rules);
    change(&mut roster, "2026-11-23T20:00", "2026-11-24T08:00", swap("zhang", "wang"));
    assert_eq!(who(&roster, "2026-11-23T23:00"), ["wang"]);
    assert_eq!(who(&roster, "2026-11-24T07:59"), ["wang"], "the same shift after midnight");
    assert_eq!(
        who(&roster, "2026-11-24T20:00"),
        ["wang"],
        "his own, outside the hours of the swap"
    );
    change(&mut roster, "2026-11-24T20:00", "2026-11-25T08:00", swap("wang", "zhang"));
    assert_eq!(who(&roster, "2026-11-24T23:00"), ["zhang"]);
}

#[test]
fn who_is_away_is_not_called_and_a_line_that_this_empties_is_answered_by_its_fallback() {
    let mut roster = shanghai(&["li"], vec![rule(&EVERY_DAY, (0, 1440), &["zhang", "wang"])]);
    change(&mut roster, "2026-11-23T08:00", "2026-11-24T08:00", leave("zhang"));
    assert_eq!(who(&roster, "2026-11-23T09:00"), ["wang"]);
    change(&mut roster, "2026-11-23T12:00", "2026-11-23T13:00", leave("wang"));
    assert_eq!(on(&roster, "2026-11-23T12:30"), (vec!["li".to_owned()], DutyBy::Fallback));
    change(&mut roster, "2026-11-23T12:00", "2026-11-23T13:00", leave("li"));
    assert_eq!(who(&roster, "2026-11-23T12:30"), ["li"], "before the line is empty");
    assert_eq!(who(&roster, "2026-11-24T08:00"), ["zhang", "wang"]);
}

#[test]
fn who_stands_in_for_somebody_and_is_away_does_not_stand_there() {
    let mut roster = shanghai(&["li"], vec![rule(&EVERY_DAY, (0, 1440), &["zhang"])]);
    change(&mut roster, "2026-11-23T08:00", "2026-11-24T08:00", swap("zhang", "wang"));
    change(&mut roster, "2026-11-23T12:00", "2026-11-23T13:00", leave("wang"));
    assert_eq!(who(&roster, "2026-11-23T11:00"), ["wang"]);
    assert_eq!(who(&roster, "2026-11-23T12:30"), ["li"]);
}

#[test]
fn an_override_goes_before_everything_and_the_newest_before_an_older_one() {
    let mut roster = shanghai(&["li"], vec![rule(&EVERY_DAY, (0, 1440), &["zhang"])]);
    change(&mut roster, "2026-11-23T08:00", "2026-11-23T20:00", leave("wang"));
    change(&mut roster, "2026-11-23T08:00", "2026-11-23T20:00", put(&["wang"]));
    assert_eq!(on(&roster, "2026-11-23T09:00"), (vec!["wang".to_owned()], DutyBy::Override));
    change(&mut roster, "2026-11-23T10:00", "2026-11-23T11:00", put(&["chen", "li"]));
    assert_eq!(who(&roster, "2026-11-23T10:00"), ["chen", "li"]);
    assert_eq!(who(&roster, "2026-11-23T11:00"), ["wang"]);
    assert_eq!(who(&roster, "2026-11-23T20:00"), ["zhang"]);
    change(&mut roster, "2026-11-23T12:00", "2026-11-23T13:00", put(&["gone"]));
    assert_eq!(
        who(&roster, "2026-11-23T12:30"),
        ["zhang"],
        "people who have left put nobody there"
    );
}

#[test]
fn who_was_put_there_and_falls_ill_after_that_does_not_stand_there() {
    let mut roster = shanghai(&["li"], vec![rule(&EVERY_DAY, (0, 1440), &["zhang"])]);
    change(&mut roster, "2026-11-23T08:00", "2026-11-23T20:00", put(&["wang", "chen"]));
    change(&mut roster, "2026-11-23T10:00", "2026-11-23T20:00", leave("wang"));
    assert_eq!(who(&roster, "2026-11-23T09:00"), ["wang", "chen"]);
    assert_eq!(who(&roster, "2026-11-23T10:00"), ["chen"]);
    change(&mut roster, "2026-11-23T12:00", "2026-11-23T20:00", leave("chen"));
    assert_eq!(who(&roster, "2026-11-23T12:00"), ["zhang"], "the plan is asked again");
}

#[test]
fn a_clock_in_doubt_calls_those_who_were_put_there_and_those_who_trade_as_well() {
    let mut roster = shanghai(&["li"], vec![rule(&[1], (480, 1200), &["zhang"])]);
    change(&mut roster, "2026-11-23T08:00", "2026-11-23T20:00", put(&["wang"]));
    change(&mut roster, "2026-11-23T08:00", "2026-11-23T20:00", swap("zhang", "chen"));
    let when = WallReading { wall: Wall(0), trusted: false };
    let duty = roster.on_duty(&house(), &line("first"), when);
    let people: BTreeSet<PersonId> = duty.people.into_iter().collect();
    assert_eq!(people, ids(&["zhang", "wang", "chen", "li"]).into_iter().collect());
}

#[test]
fn work_on_workdays_begins_behind_the_holidays_and_on_a_make_up_saturday() {
    let mut roster = october(shanghai(&["li"], Vec::new()));
    roster.work_days = RuleDays::OfType(DayType::Work);
    let until = |civil: &str| {
        let reading = WallReading { wall: wall(&roster, civil), trusted: true };
        roster.until_work(reading)
    };
    assert_eq!(until("2026-09-30T17:00"), Wait::hours(7 * 24 + 15), "eight days later at 8");
    assert_eq!(until("2026-10-10T09:00"), Wait::ZERO);
    assert_eq!(until("2026-10-10T17:00"), Wait::hours(39), "Sunday is none");
}

#[test]
fn from_december_on_the_next_years_table_is_missed_where_anybody_keeps_one() {
    let roster = october(shanghai(&["li"], Vec::new()));
    let missing = |civil: &str, trusted| {
        roster.missing_year(WallReading { wall: wall(&roster, civil), trusted })
    };
    assert_eq!(missing("2026-11-30T23:59", true), None);
    assert_eq!(missing("2026-12-01T00:00", true), Some(2027));
    assert_eq!(missing("2027-02-01T00:00", true), Some(2027));
    assert_eq!(missing("2026-12-01T00:00", false), None);
    let none = shanghai(&["li"], Vec::new());
    let december = WallReading { wall: wall(&none, "2026-12-01T00:00"), trusted: true };
    assert_eq!(none.missing_year(december), None);
}

#[test]
fn the_plan_shows_a_gap_of_one_minute_on_a_make_up_workday() {
    let rules = vec![
        of_type(DayType::Rest, (0, 1440), &["wang"]),
        of_type(DayType::Work, (0, 1439), &["zhang"]),
        rule(&[1, 2, 3, 4, 5], (1439, 1440), &["zhang"]),
    ];
    let roster = october(shanghai(&["li"], rules));
    let from = wall(&roster, "2026-10-08T00:00");
    let plan = roster.plan(&house(), from, 14);
    let gaps: Vec<_> = plan.iter().filter(|shift| shift.duty.by == DutyBy::Fallback).collect();
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(gap.from, wall(&roster, "2026-10-10T23:59"));
    assert_eq!(gap.to, wall(&roster, "2026-10-11T00:00"));
}

prop_compose! {
    fn some_change(number: u64)(
        start in 0i64..14 * 1440,
        length in 1i64..3 * 1440,
        kind in 0..3,
        one in 0..4usize,
        other in 0..4usize,
    ) -> DutyChange {
        const PEOPLE: [&str; 4] = ["zhang", "li", "wang", "chen"];
        let what = match kind {
            0 => put(&[PEOPLE[one], PEOPLE[other]]),
            1 => swap(PEOPLE[one], PEOPLE[other]),
            _ => leave(PEOPLE[one]),
        };
        // From 1 October 2026, 00:00 in Shanghai.
        let from = 1_790_784_000_000 + start * 60_000;
        let (from, to) = (Wall(from), Wall(from + length * 60_000));
        DutyChange { id: DutyChangeId(number), from, to, what, by: person("chen") }
    }
}

proptest! {
    #[test]
    fn the_plan_says_at_every_moment_what_the_layers_answer(
        changes in (some_change(1), some_change(2), some_change(3), some_change(4)),
        moments in proptest::collection::vec(0i64..14 * 86_400_000, 40),
    ) {
        let rules = vec![
            rule(&[1, 2, 3, 4, 5], (480, 1200), &["zhang"]),
            of_type(DayType::Rest, (480, 1200), &["wang"]),
            on_dates(&[date(2026, 10, 3)], (1200, 480), &["chen"]),
        ];
        let mut roster = october(shanghai(&["li"], rules));
        let (a, b, c, d) = changes;
        roster.changes = [a, b, c, d].into_iter().map(|change| (change.id, change)).collect();
        let from = wall(&roster, "2026-10-01T00:00");
        let plan = roster.plan(&house(), from, 14);
        prop_assert!(plan.windows(2).all(|pair| pair[0].to == pair[1].from));
        let edges = plan.iter().flat_map(|shift| [shift.from, Wall(shift.to.0 - 1)]);
        for at in moments.into_iter().map(|ms| Wall(from.0 + ms)).chain(edges) {
            let shift = plan.iter().find(|shift| shift.from <= at && at < shift.to).unwrap();
            let when = WallReading { wall: at, trusted: true };
            prop_assert_eq!(&shift.duty, &roster.on_duty(&house(), &line("first"), when));
            prop_assert!(!shift.duty.people.is_empty());
        }
    }
}
