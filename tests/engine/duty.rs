//! Somebody steps in, two trade their shifts, somebody is away: in the record, and in the next call.

use anling::incident::{DutyAsked, Move, NoDutyChange, Notice, Stage, Stimulus};
use anling::roster::{DUTY_CHANGES_MAX, DutyChanged};
use anling::terms::{DutyChangeId, LineId, PersonId, Wall};

use crate::house::House;
use crate::plan::person;

const HOUR: i64 = 3_600_000;

fn asked(house: &House, hours: (i64, i64), what: DutyChanged) -> DutyAsked {
    let (from, to) = (Wall(house.wall.0 + hours.0 * HOUR), Wall(house.wall.0 + hours.1 * HOUR));
    DutyAsked { from, to, what, by: person("zhaolei") }
}

/// Takes a change and the plan that results, as the desk does.
fn changes(house: &mut House, hours: (i64, i64), what: DutyChanged) {
    let asked = asked(house, hours, what);
    house.takes(&Stimulus::Duty(Box::new(asked)));
    plans(house);
}

fn plans(house: &mut House) {
    house.roster.changes =
        house.book.duty_changes().map(|change| (change.id, change.clone())).collect();
}

fn put(people: &[&str]) -> DutyChanged {
    let people = people.iter().map(|id| person(id)).collect();
    DutyChanged::Override { line: LineId::new("first").unwrap(), people }
}

fn leave(who: &str) -> DutyChanged {
    DutyChanged::Leave { who: person(who) }
}

#[test]
fn who_steps_in_is_called_and_who_was_planned_is_not_and_both_outlive_a_restart() {
    let mut house = House::new();
    changes(&mut house, (0, 8), put(&["lina"]));
    house.restarts();
    plans(&mut house);
    house.press("B-14");
    house.only_called(&["lina"], &Notice::Called);
}

#[test]
fn a_change_for_later_calls_nobody_today_and_one_that_is_taken_back_calls_nobody_at_all() {
    let mut house = House::new();
    changes(&mut house, (24, 32), put(&["lina"]));
    house.press("B-14");
    house.only_called(&["zhangmin"], &Notice::Called);
    changes(&mut house, (0, 8), put(&["wangqiang"]));
    let taken_back = Stimulus::DutyUndone { change: DutyChangeId(2), by: person("zhaolei") };
    house.takes(&taken_back);
    plans(&mut house);
    house.press("B-15");
    house.only_called(&["zhangmin"], &Notice::Called);
    house.takes(&taken_back);
    assert!(house.facts.is_empty(), "it is gone already");
}

#[test]
fn whom_an_open_call_has_reached_may_accept_though_they_are_away_by_now() {
    let mut house = House::new();
    house.press("B-14");
    changes(&mut house, (0, 8), leave("zhangmin"));
    house.says("zhangmin", Move::Accept);
    assert!(!matches!(house.it().stage, Stage::Calling { .. }), "{:?}", house.it().stage);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let house = House::new();
    let check = |asked: &DutyAsked| asked.check(house.book.registry(), &house.roster, house.wall);
    let why = |hours, what| check(&asked(&house, hours, what));
    assert_eq!(why((0, 8), leave("lina")), Ok(()));
    assert_eq!(why((-2, 8), leave("lina")), Ok(()), "somebody fell ill this morning");
    for hours in [(8, 8), (8, 7), (-3, -1), (0, 24 * 400)] {
        assert_eq!(why(hours, leave("lina")), Err(NoDutyChange::Hours), "{hours:?}");
    }
    let swap =
        |one: &str, other: &str| DutyChanged::Swap { one: person(one), other: person(other) };
    let crowd: Vec<PersonId> = (0..17).map(|n| person(&format!("p{n}"))).collect();
    let line = LineId::new("first").unwrap();
    for what in [
        leave("nobody"),
        swap("lina", "lina"),
        swap("lina", "nobody"),
        put(&[]),
        put(&["lina", "lina"]),
        DutyChanged::Override { line, people: crowd },
    ] {
        assert_eq!(why((0, 8), what.clone()), Err(NoDutyChange::People), "{what:?}");
    }
    let line = LineId::new("third").unwrap();
    let what = DutyChanged::Override { line, people: vec![person("lina")] };
    assert_eq!(why((0, 8), what), Err(NoDutyChange::Line));
}

#[test]
fn changes_that_are_over_go_after_a_week_and_the_limit_holds() {
    let mut house = House::new();
    for _ in 0..DUTY_CHANGES_MAX + 1 {
        changes(&mut house, (0, 1), leave("lina"));
    }
    assert_eq!(house.book.duty_changes().count(), DUTY_CHANGES_MAX);
    assert!(house.facts.is_empty(), "one more is not taken");
    house.minutes(8 * 24 * 60);
    changes(&mut house, (0, 1), leave("lina"));
    assert_eq!(house.book.duty_changes().count(), 1, "a week later the old ones are let go");
}
