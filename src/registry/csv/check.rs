//! What no row can know alone: names that lead nowhere, names given twice, and nobody to call.

use std::collections::{BTreeMap, BTreeSet};

use super::Table;
use super::agreements::{Known, beds_at_once, of_bed, of_contact};
use super::problem::RowProblem;
use crate::registry::device_types::DeviceTypes;
use crate::registry::rows::{Device, Person, Resident, Role, Row, RowId};
use crate::terms::{HomeId, PersonId, ResidentId};

/// Checks the rows of all tables against each other. Where a table comes from no file, its
/// rows in the registry belong here too, as line 0.
pub fn cross_check(rows: &[(u64, Row)]) -> Vec<RowProblem> {
    let mut found = same_ids(rows);
    let known = Known::of(rows);
    let homes = &known.homes;
    let staff: BTreeSet<&PersonId> = rows
        .iter()
        .filter_map(|(_, row)| if let Row::Person(one) = row { Some(&one.id) } else { None })
        .collect();
    let residents: BTreeMap<&ResidentId, Option<&HomeId>> = rows
        .iter()
        .filter_map(|(_, row)| match row {
            Row::Resident(resident) => Some((&resident.id, resident.home.as_ref())),
            _ => None,
        })
        .collect();
    let mut heard = BTreeMap::new();
    for (line, row) in rows {
        match row {
            Row::Resident(resident) => {
                let who = format!("resident {}", resident.id);
                found.extend(unknown_home(row, *line, &who, resident.home.as_ref(), homes));
                found.extend(unknown_owner(row, *line, resident, &staff));
            }
            Row::Device(device) => {
                let who = format!("device {}", device.id);
                found.extend(unknown_home(row, *line, &who, device.home.as_ref(), homes));
                let resident = device.resident.as_ref();
                found.extend(unknown_resident(row, *line, &who, resident, &known.residents));
                found.extend(nowhere(row, *line, device, &residents));
                if let Some(first) = heard.insert(device.heard_name(), device) {
                    found.push(heard_twice(row, *line, first, device));
                }
            }
            Row::Person(person) => found.extend(unreachable(row, *line, person)),
            Row::Contact(contact) => found.extend(of_contact(row, *line, contact, &known)),
            Row::Bed(bed) => found.extend(of_bed(row, *line, bed, &known)),
            Row::Home(_) => {}
        }
    }
    found.extend(beds_at_once(rows));
    found.extend(nobody_to_call(rows));
    found
}

/// Checks that every device is of a type that `devices.toml` describes.
pub fn check_types(rows: &[(u64, Row)], types: &DeviceTypes) -> Vec<RowProblem> {
    let unknown = rows.iter().filter_map(|(line, row)| match row {
        Row::Device(device) if !types.contains_key(&device.type_name) => Some((*line, row, device)),
        _ => None,
    });
    unknown
        .map(|(line, row, device)| {
            let Device { id, type_name, .. } = device;
            let message = format!("device {id} is of type {type_name}, which is not described");
            let known: Vec<&str> = types.keys().map(String::as_str).collect();
            let help = format!("devices.toml describes {}; add it or correct it", known.join(", "));
            problem(row, line, "type", "device-type-unknown", message, &help)
        })
        .collect()
}

pub(super) fn problem(
    row: &Row,
    line: u64,
    column: &'static str,
    code: &'static str,
    message: String,
    help: &str,
) -> RowProblem {
    RowProblem::new(Table::of(row), (line, Some(column)), code, message, help)
}

fn same_ids(rows: &[(u64, Row)]) -> Vec<RowProblem> {
    let mut first: BTreeMap<RowId, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for (line, row) in rows {
        let Some(before) = first.insert(row.id(), *line) else { continue };
        first.insert(row.id(), before);
        let message = format!("this id already stands on line {before}");
        let help = "give each row its own id, or remove one of the two";
        found.push(problem(row, *line, "id", "id-twice", message, help));
    }
    found.extend(contacts_of_the_house(rows));
    found
}

/// A contact answers under their id as a person does: it must be one or the other. Told where it was
/// brought, which may be either list.
fn contacts_of_the_house(rows: &[(u64, Row)]) -> Vec<RowProblem> {
    let staff: BTreeMap<&PersonId, (u64, &Row)> = rows
        .iter()
        .filter_map(|(line, row)| match row {
            Row::Person(person) => Some((&person.id, (*line, row))),
            _ => None,
        })
        .collect();
    let both = rows.iter().filter_map(|(line, row)| match row {
        Row::Contact(contact) => Some((*line, row, *staff.get(&contact.id)?, &contact.id)),
        _ => None,
    });
    both.map(|(line, row, (at, person), id)| {
        let message = format!("{id} is the id of a person of the house and of a contact");
        let help = "give one of the two another id";
        match line {
            0 => problem(person, at, "id", "id-twice", message, help),
            line => problem(row, line, "id", "id-twice", message, help),
        }
    })
    .collect()
}

pub(super) fn unknown_home(
    row: &Row,
    line: u64,
    who: &str,
    home: Option<&HomeId>,
    homes: &BTreeSet<&HomeId>,
) -> Option<RowProblem> {
    let home = home.filter(|home| !homes.contains(home))?;
    let message = format!("{who} names home {home}, which is not in homes.csv");
    let help = "add the home to homes.csv, or correct or empty the cell";
    Some(problem(row, line, "home", "home-unknown", message, help))
}

/// The person who is asked first must be somebody of the house.
fn unknown_owner(
    row: &Row,
    line: u64,
    resident: &Resident,
    staff: &BTreeSet<&PersonId>,
) -> Option<RowProblem> {
    let owner = resident.owner.as_ref().filter(|owner| !staff.contains(owner))?;
    let message = format!("resident {} names owner {owner}, who is not in people.csv", resident.id);
    let help = "add them to people.csv, or correct or empty the cell";
    Some(problem(row, line, "owner", "owner-unknown", message, help))
}

pub(super) fn unknown_resident(
    row: &Row,
    line: u64,
    who: &str,
    resident: Option<&ResidentId>,
    residents: &BTreeSet<&ResidentId>,
) -> Option<RowProblem> {
    let resident = resident.filter(|id| !residents.contains(id))?;
    let message = format!("{who} names resident {resident}, who is not in residents.csv");
    let help = "add the resident to residents.csv, or correct or empty the cell";
    Some(problem(row, line, "resident", "resident-unknown", message, help))
}

fn nowhere(
    row: &Row,
    line: u64,
    device: &Device,
    residents: &BTreeMap<&ResidentId, Option<&HomeId>>,
) -> Option<RowProblem> {
    let lives = device.resident.as_ref().and_then(|id| residents.get(id).copied().flatten());
    if device.home.is_some() || lives.is_some() || !device.spot.is_empty() {
        return None;
    }
    let message = format!("nothing says where device {} is", device.id);
    let help = "fill in its home; until then people are sent to the screen in the duty room";
    Some(problem(row, line, "home", "device-nowhere", message, help))
}

/// Even of two families: a name on a button's label must mean one place.
fn heard_twice(row: &Row, line: u64, first: &Device, second: &Device) -> RowProblem {
    let message = format!(
        "device {} would be heard as {}, and so would device {}",
        second.id,
        second.heard_name(),
        first.id
    );
    let help = "give one of them another name, here and in the device or its bridge";
    problem(row, line, "heard_as", "heard-name-twice", message, help)
}

fn unreachable(row: &Row, line: u64, person: &Person) -> Option<RowProblem> {
    if !person.phone.is_empty() || !person.email.is_empty() {
        return None;
    }
    let message = format!("{} has neither telephone nor mail address", person.id);
    let help = "fill in one of them; until then only the screen in the duty room calls them";
    Some(problem(row, line, "phone", "person-unreachable", message, help))
}

fn nobody_to_call(rows: &[(u64, Row)]) -> Option<RowProblem> {
    let calls =
        |row: &Row| matches!(row, Row::Person(p) if matches!(p.role, Role::Staff | Role::Lead));
    if rows.iter().any(|(_, row)| calls(row)) {
        return None;
    }
    let message = "nobody has the role staff or lead".to_owned();
    let help = "add at least one person who comes when a resident calls";
    Some(RowProblem::new(Table::People, (1, Some("role")), "nobody-to-call", message, help))
}
