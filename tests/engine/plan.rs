//! The small centre the stories happen in: who lives there, who is called, and by which ladders.

use std::collections::{BTreeMap, BTreeSet};

use anling::incident::{Carrier, Ladder, Policy, Rung, Subscription, Waits, Who};
use anling::registry::{
    Change, Device, DeviceType, DeviceTypes, Family, Home, Person, Resident, Role, Row,
};
use anling::roster::{DayTypes, Hours, Line, Roster, Rule, RuleDays};
use anling::terms::{Class, DeviceId, EndpointId, HomeId, LineId, PersonId, ResidentId, Wait};

pub const BOTH: [Carrier; 2] = [Carrier::Screen, Carrier::Mail];

/// Who may be called: `id`, what they do, whether they have a mail address.
pub const PEOPLE: [(&str, Role, bool); 7] = [
    ("zhangmin", Role::Staff, true),
    ("lina", Role::Staff, true),
    ("wangqiang", Role::Staff, false),
    ("chenjie", Role::Staff, false),
    ("zhaolei", Role::Lead, true),
    ("sunwei", Role::Technician, true),
    ("quzhi", Role::District, true),
];

/// The devices: `id`, type, home, resident.
const DEVICES: [(&str, &str, Option<&str>, Option<&str>); 8] = [
    ("B-14", "button", Some("3-2-501"), Some("R1")),
    ("B-15", "button", Some("3-2-502"), None),
    ("B-16", "button", Some("3-2-503"), Some("R4")),
    ("B-20", "button", Some("day-room"), Some("R5")),
    ("cord", "button", Some("corridor"), None),
    ("smoke-1", "smoke", Some("3-2-501"), None),
    ("bed-7", "bed", Some("3-2-503"), Some("R4")),
    ("temp-3", "thermometer", Some("3-2-503"), None),
];

pub fn person(id: &str) -> PersonId {
    PersonId::new(id).unwrap()
}

pub fn device(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

pub fn endpoint(id: &str) -> EndpointId {
    EndpointId::new(id).unwrap()
}

pub fn line(id: &str) -> Who {
    Who::Line(LineId::new(id).unwrap())
}

pub fn person_row(id: &str, role: Role, mail: bool) -> Change {
    Change::Set(Row::Person(Person {
        id: person(id),
        name: id.to_owned(),
        role,
        phone: String::new(),
        email: if mail { format!("{id}@example.org") } else { String::new() },
    }))
}

pub fn registry() -> Vec<Change> {
    let homes = ["3-2-501", "3-2-502", "3-2-503", "corridor", "day-room"].map(|id| {
        Change::Set(Row::Home(Home {
            id: HomeId::new(id).unwrap(),
            place: format!("{id}室"),
            short: id.to_owned(),
            grid: String::new(),
            on_site: id == "day-room",
            station: None,
        }))
    });
    let lives_in = ["3-2-501", "3-2-502", "3-2-502", "3-2-503", "day-room"];
    let residents = (1..=8).map(|n| {
        Change::Set(Row::Resident(Resident {
            id: ResidentId::new(&format!("R{n}")).unwrap(),
            name: format!("老人{n}"),
            born: Some(1944),
            home: lives_in.get(n - 1).map(|id| HomeId::new(id).unwrap()),
            phone: String::new(),
            access: String::new(),
            owner: None,
        }))
    });
    let devices = DEVICES.map(|(id, type_name, home, resident)| {
        Change::Set(Row::Device(Device {
            id: device(id),
            type_name: type_name.to_owned(),
            heard_as: String::new(),
            home: home.map(|h| HomeId::new(h).unwrap()),
            resident: resident.map(|r| ResidentId::new(r).unwrap()),
            spot: String::new(),
        }))
    });
    let people = PEOPLE.map(|(id, role, mail)| person_row(id, role, mail));
    homes.into_iter().chain(residents).chain(devices).chain(people).collect()
}

pub fn types() -> DeviceTypes {
    let of = |name: &str, life_safety| {
        let made = DeviceType {
            family: Family::NativeMqtt,
            label: name.to_owned(),
            life_safety,
            actions: BTreeMap::new(),
            watch: Default::default(),
            test_every: None,
            zigbee: Default::default(),
            bridged: Default::default(),
        };
        (name.to_owned(), made)
    };
    [of("button", true), of("smoke", true), of("bed", false), of("thermometer", false)].into()
}

/// Zhang Min stands on the first line, Li Na and Wang Qiang on the second, Zhao Lei leads; nights
/// are from 22 to 6, work is from 8 to 18.
pub fn roster() -> Roster {
    let rule = |line: &str, people: &[&str]| Rule {
        name: line.to_owned(),
        line: LineId::new(line).unwrap(),
        days: RuleDays::every(),
        hours: Hours { from: 0, to: 0 },
        people: people.iter().map(|p| person(p)).collect(),
    };
    let empty = || Line { label: String::new(), fallback: Vec::new() };
    Roster {
        zone: "Asia/Shanghai".to_owned(),
        lines: ["first", "second", "lead"].map(|l| (LineId::new(l).unwrap(), empty())).into(),
        rules: vec![
            rule("first", &["zhangmin"]),
            rule("second", &["lina", "wangqiang"]),
            rule("lead", &["zhaolei"]),
        ],
        night: Hours { from: 22 * 60, to: 6 * 60 },
        work: Hours { from: 8 * 60, to: 18 * 60 },
        work_days: RuleDays::every(),
        day_types: DayTypes::default(),
        changes: BTreeMap::new(),
        stations: BTreeMap::new(),
    }
}

fn rung(who: Who, wait: Wait) -> Rung {
    Rung { who: vec![who], by: BOTH.to_vec(), wait }
}

/// Three steps of 60 s for an emergency; a welfare check of 10 and 20 min that becomes one; faults
/// for the technician and services for the first line in working hours.
pub fn policy() -> Policy {
    let minute = Wait::secs(60);
    let three = || {
        vec![rung(line("first"), minute), rung(line("second"), minute), rung(line("lead"), minute)]
    };
    let mut ladders = BTreeMap::new();
    for class in Class::ALL {
        let rungs = match class {
            Class::Hazard => vec![rung(Who::Everyone, minute)],
            Class::Emergency | Class::Coverage => three(),
            Class::Welfare => {
                vec![rung(line("first"), Wait::mins(10)), rung(line("second"), Wait::mins(20))]
            }
            Class::Fault => vec![rung(Who::Person(person("sunwei")), Wait::hours(4))],
            Class::Service | Class::Test => vec![rung(line("first"), Wait::mins(15))],
        };
        let night = match class {
            Class::Coverage => vec![rung(line("lead"), Wait::mins(5))],
            _ => Vec::new(),
        };
        ladders.insert(class, Ladder { rungs, night, ..Ladder::with_defaults(class) });
    }
    let fire = Subscription { classes: BTreeSet::from([Class::Hazard]), ..Subscription::default() };
    Policy {
        ladders,
        waits: Waits::default(),
        lead: vec![line("lead")],
        lead_by: BOTH.to_vec(),
        second: vec![line("second")],
        endpoints: BTreeMap::from([
            (endpoint("district"), Subscription::default()),
            (endpoint("fire"), fire),
        ]),
    }
}
