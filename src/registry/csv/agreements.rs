//! What contacts and beds agreed to, checked: whom it is for, from which day to which, and that no two
//! of it stand in each other's way.

use std::collections::BTreeSet;

use super::check::{problem, unknown_home, unknown_resident};
use super::problem::RowProblem;
use crate::registry::bed::Bed;
use crate::registry::contact::Contact;
use crate::registry::rows::Row;
use crate::terms::{HomeId, ResidentId};

/// What other lists have.
pub(super) struct Known<'r> {
    pub(super) homes: BTreeSet<&'r HomeId>,
    pub(super) grids: BTreeSet<&'r str>,
    pub(super) residents: BTreeSet<&'r ResidentId>,
}

impl<'r> Known<'r> {
    pub(super) fn of(rows: &'r [(u64, Row)]) -> Self {
        let (mut homes, mut grids) = (BTreeSet::new(), BTreeSet::new());
        let mut residents = BTreeSet::new();
        for (_, row) in rows {
            match row {
                Row::Home(home) => {
                    homes.insert(&home.id);
                    grids.insert(home.grid.trim());
                }
                Row::Resident(resident) => drop(residents.insert(&resident.id)),
                _ => {}
            }
        }
        Self { homes, grids, residents }
    }
}

/// What is wrong with a contact.
pub(super) fn of_contact(
    row: &Row,
    line: u64,
    contact: &Contact,
    known: &Known<'_>,
) -> Vec<RowProblem> {
    let Contact { id, resident, home, grid, consent, consent_until, .. } = contact;
    let who = format!("contact {id}");
    let mut found = Vec::new();
    found.extend(unknown_home(row, line, &who, home.as_ref(), &known.homes));
    found.extend(unknown_resident(row, line, &who, resident.as_ref(), &known.residents));
    let grid = grid.trim();
    if !grid.is_empty() && !known.grids.contains(grid) {
        let message = format!("{who} is for grid {grid}, and no home in homes.csv is in it");
        let help = "write the grid as homes.csv has it, or fill it in there";
        found.push(problem(row, line, "grid", "grid-unknown", message, help));
    }
    let said = [resident.is_some(), home.is_some(), !grid.is_empty()];
    let count = said.into_iter().filter(|said| *said).count();
    if count != 1 {
        let how = if count == 0 { "for nobody" } else { "for more than one" };
        let message = format!("{who} is {how} of resident, home and grid");
        let help = "fill in exactly one of the three; another row with its own id is for another";
        found.push(problem(row, line, "resident", "contact-for-whom", message, help));
    }
    let reversed = consent.zip(*consent_until).is_some_and(|(from, until)| until < from);
    if reversed {
        let message = format!("{who} agreed until a day before they did");
        let help = "correct one of the two days";
        found.push(problem(row, line, "consent_until", "dates-reversed", message, help));
    }
    found
}

/// What is wrong with a bed alone.
pub(super) fn of_bed(row: &Row, line: u64, bed: &Bed, known: &Known<'_>) -> Vec<RowProblem> {
    let who = format!("bed {}", bed.id);
    let mut found = Vec::new();
    found.extend(unknown_home(row, line, &who, bed.home.as_ref(), &known.homes));
    found.extend(unknown_resident(row, line, &who, Some(&bed.resident), &known.residents));
    if bed.until.is_some_and(|until| until < bed.from) {
        let message = format!("{who} ends before it begins");
        let help = "correct one of the two days";
        found.push(problem(row, line, "until", "dates-reversed", message, help));
    }
    found
}

/// Two beds of one resident at once: nobody could say which contract holds.
pub(super) fn beds_at_once(rows: &[(u64, Row)]) -> Vec<RowProblem> {
    let beds = rows.iter().filter_map(|(line, row)| match row {
        Row::Bed(bed) => Some((*line, row, bed)),
        _ => None,
    });
    let mut found = Vec::new();
    let mut by_resident: std::collections::BTreeMap<&ResidentId, Vec<&Bed>> = Default::default();
    for (line, row, bed) in beds {
        let others = by_resident.entry(&bed.resident).or_default();
        if let Some(other) = others.iter().find(|other| other.id != bed.id && other.meets(bed)) {
            let (id, resident) = (&bed.id, &bed.resident);
            let message = format!("beds {} and {id} of {resident} run at once", other.id);
            let help = "let one end before the other begins, or remove one of the two";
            found.push(problem(row, line, "from", "bed-twice", message, help));
        }
        others.push(bed);
    }
    found
}
