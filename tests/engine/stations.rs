//! Several stations on one hub: whose line answers, and who is asked first.

use std::collections::BTreeMap;

use anling::incident::{Fact, LifeLook, LifePlan, LifeRule, LifeSign, Notice, Stimulus};
use anling::registry::{Change, Row};
use anling::roster::{Hours, Rule, Station};
use anling::terms::{HomeId, LineId, ResidentId, StationId};

use crate::house::House;
use crate::plan;

fn line(id: &str) -> LineId {
    LineId::new(id).unwrap()
}

/// 3-2-501 belongs to the riverside station, on whose own first line stands Chen Jie.
fn house() -> House {
    let mut house = House::new();
    let rule = Rule { people: vec![plan::person("chenjie")], ..house.roster.rules[0].clone() };
    house.roster.rules.push(Rule { line: line("first-hepan"), ..rule });
    let station = |label: &str, lines| Station { label: label.to_owned(), lines };
    let own = BTreeMap::from([(line("first"), line("first-hepan"))]);
    house.roster.stations = BTreeMap::from([
        (StationId::new("hepan").unwrap(), station("河畔驿站", own)),
        (StationId::new("dongmen").unwrap(), station("东门驿站", BTreeMap::new())),
    ]);
    for (home, station) in [("3-2-501", "hepan"), ("3-2-502", "dongmen")] {
        let id = HomeId::new(home).unwrap();
        let mut row = house.book.registry().home(&id).unwrap().clone();
        row.station = Some(StationId::new(station).unwrap());
        house.takes(&Stimulus::Registry(vec![Change::Set(Row::Home(row))]));
    }
    house
}

#[test]
fn a_stations_own_line_answers_for_its_homes_and_the_shared_one_for_all_others() {
    let mut house = house();
    house.press("B-14");
    house.only_called(&["chenjie"], &Notice::Called);
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    for device in ["B-15", "cord"] {
        house.press(device);
        house.only_called(&["zhangmin"], &Notice::Called);
    }
}

#[test]
fn a_device_that_names_its_resident_only_belongs_to_the_station_of_their_home() {
    let mut house = house();
    let row = serde_json::json!({ "id": "B-77", "type": "button", "resident": "R1" });
    let row = Change::Set(Row::Device(serde_json::from_value(row).unwrap()));
    house.takes(&Stimulus::Registry(vec![row]));
    house.press("B-77");
    house.only_called(&["chenjie"], &Notice::Called);
}

#[test]
fn the_owner_of_a_resident_is_asked_first_and_the_rules_own_choice_where_there_is_none() {
    let asked_first = |owner: Option<&str>| {
        let mut house = House::new();
        let rule = LifeRule {
            windows: vec![Hours { from: 660, to: 780 }],
            signs: [LifeSign::Door].into(),
            homes: [HomeId::new("3-2-501").unwrap()].into(),
            owner: Some(plan::person("zhaolei")),
            ..LifeRule::default()
        };
        house.takes(&Stimulus::LifePlan(LifePlan::from([("day".to_owned(), rule)])));
        let id = ResidentId::new("R1").unwrap();
        let mut row = house.book.registry().resident(&id).unwrap().clone();
        row.owner = owner.map(plan::person);
        house.takes(&Stimulus::Registry(vec![Change::Set(Row::Resident(row))]));
        house.minutes(180);
        let facts = house.looks(&LifeLook::default());
        let calls = facts.into_iter().find_map(|fact| match fact {
            Fact::Called { calls, .. } => Some(calls),
            _ => None,
        });
        calls.unwrap().into_iter().map(|call| call.person.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(asked_first(Some("lina")), ["lina", "zhangmin"]);
    assert_eq!(asked_first(Some("zhangmin")), ["zhangmin"], "on the first line as well: once");
    assert_eq!(asked_first(None), ["zhaolei", "zhangmin"]);
    assert_eq!(asked_first(Some("gone")), ["zhangmin"]);
}
