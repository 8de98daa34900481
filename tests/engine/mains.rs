//! The mains of the hub's own box: lost, back, and the last minutes of its battery.

use anling::incident::{Fact, Notice, Power, Resumed, Stimulus, Supply};
use anling::terms::{Class, Kind, Wait};

use crate::house::{BY_PHONE, House};
use crate::plan::person;

const PATIENCE: Wait = Wait::mins(5);

fn on_battery(percent: u8, minutes: u64) -> Supply {
    let (battery, runtime) = (Some(percent), Some(Wait::mins(minutes)));
    Supply { on_battery: true, battery, runtime, low: false, patience: PATIENCE }
}

const MAINS: Supply =
    Supply { on_battery: false, battery: None, runtime: None, low: false, patience: PATIENCE };

/// What the desk asks until nothing more comes of it: the facts of all of it.
fn says(house: &mut House, supply: Supply) -> Vec<Fact> {
    let mut all = Vec::new();
    loop {
        house.takes(&Stimulus::Supply(supply));
        if house.facts.is_empty() {
            return all;
        }
        all.append(&mut house.facts);
    }
}

fn powers(facts: &[Fact]) -> Vec<Power> {
    let power = |fact: &Fact| match fact {
        Fact::PowerSaid { power } => Some(*power),
        _ => None,
    };
    facts.iter().filter_map(power).collect()
}

fn told(facts: &[Fact]) -> Vec<(Notice, usize)> {
    let told = |fact: &Fact| match fact {
        Fact::Told { notice, to, .. } => Some((notice.clone(), to.len())),
        _ => None,
    };
    facts.iter().filter_map(told).collect()
}

#[test]
fn a_cut_is_noted_at_once_and_calls_after_five_minutes() {
    let mut house = House::new();
    assert!(says(&mut house, MAINS).is_empty());
    assert_eq!(powers(&says(&mut house, on_battery(90, 60))), [Power::Lost { battery: Some(90) }]);
    house.passes(299);
    assert!(says(&mut house, on_battery(80, 50)).is_empty());
    house.passes(1);
    says(&mut house, on_battery(80, 50));
    assert_eq!((house.it().class, house.it().kind), (Class::Coverage, Kind::Mains));
    assert!(says(&mut house, on_battery(79, 49)).is_empty(), "once");
    house.minutes(3);
    let facts = says(&mut house, MAINS);
    assert_eq!(powers(&facts), [Power::Back { after: Wait::mins(8) }]);
    assert!(facts.iter().any(|fact| matches!(fact, Fact::BackToNormal { .. })));
    assert_eq!(told(&facts)[0].0, Notice::MainsBack { minutes: 8 });
    assert_eq!(house.book.cut(), None);
}

#[test]
fn a_cut_that_is_over_soon_calls_nobody() {
    let mut house = House::new();
    says(&mut house, on_battery(90, 60));
    house.passes(30);
    let facts = says(&mut house, MAINS);
    assert_eq!(powers(&facts), [Power::Back { after: Wait::secs(30) }]);
    assert_eq!((house.book.open_count(), told(&facts)), (0, vec![]));
}

#[test]
fn below_a_fifth_everybody_is_told_once_and_at_once() {
    let mut house = House::new();
    says(&mut house, on_battery(20, 12));
    house.passes(10);
    let facts = says(&mut house, on_battery(19, 12));
    assert_eq!(powers(&facts), [Power::Low { battery: Some(19), minutes: Some(12) }]);
    let all = told(&facts);
    assert_eq!(all, [(Notice::RunningLow { minutes: Some(12) }, 6)], "everybody of the house");
    assert_eq!(house.it().kind, Kind::Mains, "the call did not wait for its five minutes");
    house.restarts();
    assert!(says(&mut house, on_battery(12, 7)).is_empty(), "a restart says nothing twice");
    let facts = says(&mut house, MAINS);
    assert!(told(&facts)[0].1 >= 6, "who was warned hears that it is over: {facts:?}");
}

#[test]
fn few_minutes_left_or_the_supplys_own_word_are_low_too() {
    for supply in [on_battery(60, 4), Supply { low: true, ..on_battery(60, 60) }] {
        let mut house = House::new();
        let facts = says(&mut house, supply);
        assert_eq!(powers(&facts).len(), 2, "{supply:?}: {facts:?}");
        assert_eq!(told(&facts).len(), 1);
    }
}

#[test]
fn who_closed_it_is_not_called_again_but_for_the_last_warning() {
    let mut house = House::new();
    says(&mut house, on_battery(90, 60));
    house.minutes(5);
    says(&mut house, on_battery(80, 60));
    let ending = anling::incident::Ending::DeviceFault;
    house.says("zhaolei", anling::incident::Move::Resolve { ending, contact: BY_PHONE });
    house.minutes(20);
    assert!(says(&mut house, on_battery(50, 30)).is_empty());
    let facts = says(&mut house, on_battery(15, 9));
    assert_eq!(told(&facts).len(), 1, "{facts:?}");
    assert!(house.given.is_empty() || house.book.open_count() == 1);
    assert!(house.it().responder(&person("zhangmin")).is_some());
}

#[test]
fn a_hub_that_went_down_with_its_battery_says_how_long_the_cut_was() {
    let mut house = House::new();
    says(&mut house, on_battery(90, 60));
    house.minutes(5);
    says(&mut house, on_battery(10, 2));
    house.away_for(Wait::hours(3), Resumed::ByWall);
    let facts = says(&mut house, MAINS);
    assert_eq!(powers(&facts), [Power::Back { after: Wait::mins(185) }]);
    assert_eq!(told(&facts)[0].0, Notice::MainsBack { minutes: 185 });
}
