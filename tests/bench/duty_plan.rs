//! The duty plan of a full centre, proven for sixty days: 200 people on 20 lines in three shifts.

use std::collections::BTreeMap;

use anling::incident::coverage::uncovered;
use anling::incident::{Carrier, Ladder, Policy, Rung, Who};
use anling::registry::{Change, Person, Registry, Role, Row};
use anling::roster::{DayTypes, Hours, Line, Roster, Rule, RuleDays};
use anling::terms::{Class, LineId, PersonId, Wait, Wall};

use super::Run;
use super::machine::{median, ms, now};
use super::table::Table;

const LINES: u16 = 20;
const PEOPLE: u16 = 200;
const DAYS: u16 = 60;
/// 1 October 2026, 00:00 in Shanghai.
const FROM: Wall = Wall(1_790_784_000_000);

pub fn measure(run: &Run, table: &mut Table) {
    let (registry, roster, policy) = (registry(), roster(), policy());
    let mut took = Vec::new();
    let mut gaps = 0;
    for _ in 0..run.pick(11, 3) {
        let began = now();
        gaps = uncovered(&policy, &roster, &registry, (FROM, DAYS)).len();
        took.push(ms(now() - began));
    }
    // One shift of the first line is left open: one minute a week.
    assert!(gaps > 0, "the planted gaps are not found");
    let rules = roster.rules.len();
    let name = format!("duty plan of {PEOPLE} people, {rules} rules, {DAYS} days proven");
    table.row(&name, &format!("{:.0} ms", median(took)), "≤ 1 s");
}

fn person(n: u16) -> PersonId {
    PersonId::new(&format!("P-{:03}", n % PEOPLE)).unwrap()
}

fn line(n: u16) -> LineId {
    LineId::new(&format!("line-{n:02}")).unwrap()
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for n in 0..PEOPLE {
        registry.apply(&Change::Set(Row::Person(Person {
            id: person(n),
            name: String::new(),
            role: Role::Staff,
            phone: String::new(),
            email: "p@test.example".to_owned(),
        })));
    }
    registry
}

fn roster() -> Roster {
    let mut rules = Vec::new();
    for on in 0..LINES {
        for day in 1..=7u8 {
            for shift in 0..3u16 {
                let open = u16::from(on == 0 && day == 6 && shift == 2);
                rules.push(Rule {
                    name: format!("{on}-{day}-{shift}"),
                    line: line(on),
                    days: RuleDays::Weekly(vec![day]),
                    hours: Hours { from: shift * 480, to: (shift + 1) * 480 - open },
                    people: vec![person(on * 10 + u16::from(day) + shift)],
                });
            }
        }
    }
    let lines =
        (0..LINES).map(|n| (line(n), Line { label: String::new(), fallback: vec![person(n)] }));
    Roster {
        zone: "Asia/Shanghai".to_owned(),
        lines: lines.collect(),
        rules,
        night: Hours { from: 1260, to: 420 },
        work: Hours { from: 480, to: 1020 },
        work_days: RuleDays::every(),
        day_types: DayTypes::default(),
        changes: BTreeMap::new(),
        stations: BTreeMap::new(),
    }
}

fn policy() -> Policy {
    let mut policy = Policy::loud();
    let rung = |from: u16| Rung {
        who: (from..from + 10).map(|n| Who::Line(line(n))).collect(),
        by: vec![Carrier::Screen, Carrier::Mail],
        wait: Wait::secs(60),
    };
    for class in [Class::Emergency, Class::Hazard, Class::Welfare, Class::Coverage] {
        let ladder = Ladder { rungs: vec![rung(0), rung(10)], ..Ladder::loud(class) };
        policy.ladders.insert(class, ladder);
    }
    policy
}
