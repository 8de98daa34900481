//! `[life.NAME]` of `devices.toml`: when signs of life are awaited, which, and whose.
//!
//! They stand beside the types and not in `roster.toml`, although they are hours of the day: a rule
//! says what a silence of the devices means, as `silent_after` does, and names types of them.

use std::collections::BTreeSet;

use super::codes;
use super::devices::bad_word;
use super::problem::{Findings, Said};
use super::section::Section;
use super::values::{self, closest};
use crate::incident::{LifePlan, LifeRule, LifeSign};
use crate::registry::DeviceTypes;
use crate::terms::{HomeId, PersonId, ResidentId};

/// Windows of one rule. Own choice: every two hours.
const WINDOWS_MAX: usize = 12;

/// The rules, and whom they name, with what names them.
pub(super) struct LifeRead {
    pub(super) plan: LifePlan,
    pub(super) owners: Vec<(String, Said<PersonId>)>,
}

pub(super) fn read(top: &mut Section<'_>, types: &DeviceTypes, out: &mut Findings<'_>) -> LifeRead {
    let mut owners = Vec::new();
    let mut plan = LifePlan::new();
    for (name, section) in top.named(out, "life") {
        let title = section.title.clone();
        let (rule, owner) = read_rule(section, types, out);
        owners.extend(owner.map(|owner| (title, owner)));
        plan.insert(name.value.to_owned(), rule);
    }
    LifeRead { plan, owners }
}

fn read_rule(
    mut section: Section<'_>,
    types: &DeviceTypes,
    out: &mut Findings<'_>,
) -> (LifeRule, Option<Said<PersonId>>) {
    let mut rule = LifeRule { windows: windows(&mut section, out), ..LifeRule::default() };
    let said = section.words(out, "signs");
    if said.as_ref().is_none_or(|said| said.value.is_empty()) {
        section.missing(out, "signs", "name what counts, such as signs = [\"door\", \"motion\"]");
    }
    rule.signs =
        said.into_iter().flat_map(|said| said.value).filter_map(|word| sign(&word, out)).collect();
    for (name, means) in section.pairs(out, "types") {
        let known = types.contains_key(name.value);
        if !known && out.is_whole("devices.toml") {
            let message = format!("no type is called {}", name.value);
            let help = match closest(name.value, types.keys().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "write the name of a [type.NAME]".to_owned(),
            };
            out.add(&codes::BAD_WORD, &name.at, message, help);
        }
        if let Some(sign) = sign(&means, out) {
            rule.types.insert(name.value.to_owned(), sign);
        }
    }
    rule.homes = ids(&mut section, out, "homes", HomeId::new);
    rule.without = ids(&mut section, out, "without", ResidentId::new);
    if rule.homes.is_empty() && rule.types.is_empty() {
        let help =
            "name homes = [\"…\"], or types = { a type = \"door\" } for everybody who has one";
        section.missing(out, "homes", help);
    }
    let owner = section.text(out, "owner").and_then(|said| {
        let help = "write the id of a person, as in people.csv";
        match PersonId::new(said.value) {
            Ok(value) => Some(Said { value, at: said.at }),
            Err(error) => {
                out.bad_id(&said.at, "person's id", &error, help);
                None
            }
        }
    });
    rule.owner = owner.as_ref().map(|said| said.value.clone());
    section.end(out);
    (rule, owner)
}

fn windows(section: &mut Section<'_>, out: &mut Findings<'_>) -> Vec<crate::roster::Hours> {
    let said = section.words(out, "windows");
    if said.as_ref().is_none_or(|said| said.value.is_empty()) {
        section.missing(out, "windows", "name hours of the day: windows = [\"06:00-10:00\"]");
    }
    let mut windows = Vec::new();
    for word in said.into_iter().flat_map(|said| said.value) {
        match values::hours(word.value) {
            Some(hours) if windows.len() < WINDOWS_MAX => windows.push(hours),
            Some(_) => {
                let message = format!("more than {WINDOWS_MAX} windows");
                let help = "take some out: a window is hours, not minutes";
                out.add(&codes::OUT_OF_RANGE, &word.at, message, help);
            }
            None => {
                let message = format!("not hours of the day: {:?}", word.value);
                out.add(&codes::BAD_HOURS, &word.at, message, values::HOURS_HELP);
            }
        }
    }
    windows
}

fn sign(said: &Said<&str>, out: &mut Findings<'_>) -> Option<LifeSign> {
    let found = LifeSign::from_word(said.value);
    if found.is_none() {
        bad_word(said, "sign of life", &LifeSign::ALL.map(LifeSign::word), out);
    }
    found
}

fn ids<Id: Ord>(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
    new: impl Fn(&str) -> Result<Id, crate::terms::BadId>,
) -> BTreeSet<Id> {
    let said = section.words(out, key).into_iter().flat_map(|said| said.value);
    let mut ids = BTreeSet::new();
    for word in said {
        match new(word.value) {
            Ok(id) => drop(ids.insert(id)),
            Err(error) => out.bad_id(&word.at, "id", &error, "write it as in the registry's lists"),
        }
    }
    ids
}
