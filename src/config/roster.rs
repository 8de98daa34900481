//! `roster.toml`: lines, weekly rules, the zone, the night and the working hours.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::devices::bad_word;
use super::problem::{Findings, Said, Spot};
use super::section::Section;
use super::values::{self, DAYS, closest};
use crate::roster::{Hours, Line, Roster, Rule, known_zone};
use crate::terms::{LineId, PersonId};

/// What stands in the file, with a place for every name that another file must know.
pub(super) struct RosterRead {
    pub(super) roster: Roster,
    /// Everybody named, with what names them.
    pub(super) people: Vec<(String, Said<PersonId>)>,
}

/// 21:00 to 07:00. Own choice: when a centre is asleep.
const NIGHT: Hours = Hours { from: 1260, to: 420 };
/// 08:30 to 17:30. Own choice: office hours of a centre.
const WORK: Hours = Hours { from: 510, to: 1050 };

pub(super) fn read(mut top: Section<'_>, out: &mut Findings<'_>) -> RosterRead {
    let zone = zone(&mut top, out);
    let night = hours(&mut top, out, "night").unwrap_or(NIGHT);
    let work = hours(&mut top, out, "work").unwrap_or(WORK);
    let mut people = Vec::new();
    let mut lines = BTreeMap::new();
    for (name, section) in top.named(out, "line") {
        let title = section.title.clone();
        let line = line(section, out, (&title, &mut people));
        if let Some(id) = line_id(&name, out) {
            lines.insert(id, line);
        }
    }
    let mut rules: Vec<Rule> = Vec::new();
    for (name, section) in top.named(out, "rule") {
        let title = section.title.clone();
        let (rule, at) = rule(&name, section, out, (&lines, (&title, &mut people)));
        let Some(rule) = rule else { continue };
        let same = |other: &&Rule| {
            (&other.line, &other.days, other.hours, &other.people)
                == (&rule.line, &rule.days, rule.hours, &rule.people)
        };
        if let Some(other) = rules.iter().find(same) {
            let message = format!("{} says the same as {}", rule.name, other.name);
            out.add(&codes::RULE_TWICE, &at, message, "take one of them out");
        }
        rules.push(rule);
    }
    top.later(out, "day_type", "holidays and make-up workdays come");
    if lines.is_empty() && !top.has("line") && out.is_whole(top.at.file) {
        top.missing(out, "[line.NAME]", "add [line.first] with a label and a fallback");
    }
    top.end(out);
    RosterRead {
        roster: Roster { zone, lines, rules, night, work, stations: BTreeMap::new() },
        people,
    }
}

fn zone(top: &mut Section<'_>, out: &mut Findings<'_>) -> String {
    let Some(said) = top.need_text(out, "zone", "add zone = \"Asia/Shanghai\"") else {
        return "Asia/Shanghai".to_owned();
    };
    if !known_zone(said.value) {
        let help = match closest(said.value, ZONES) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "write it as \"Asia/Shanghai\"".to_owned(),
        };
        out.add(&codes::UNKNOWN_ZONE, &said.at, format!("no time zone {:?}", said.value), help);
    }
    said.value.to_owned()
}

/// Zones that are suggested.
const ZONES: [&str; 5] = ["Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "Europe/Berlin", "UTC"];

fn hours(section: &mut Section<'_>, out: &mut Findings<'_>, key: &'static str) -> Option<Hours> {
    let said = section.text(out, key)?;
    let hours = values::hours(said.value);
    if hours.is_none() {
        let message = format!("not hours of the day: {:?}", said.value);
        out.add(&codes::BAD_HOURS, &said.at, message, values::HOURS_HELP);
    }
    hours
}

fn line_id(said: &Said<&str>, out: &mut Findings<'_>) -> Option<LineId> {
    LineId::new(said.value)
        .map_err(|error| {
            let help = "use a short word, such as first";
            out.bad_id(&said.at, "line's name", &error, help);
        })
        .ok()
}

/// What names people, and the list of those it named.
type Naming<'n> = (&'n str, &'n mut Vec<(String, Said<PersonId>)>);

fn line(mut section: Section<'_>, out: &mut Findings<'_>, naming: Naming<'_>) -> Line {
    let at = section.at.clone();
    let label = section.text(out, "label").map_or("", |said| said.value).to_owned();
    let fallback = people(&mut section, out, "fallback", naming).unwrap_or_default();
    if fallback.is_empty() && !section.has("fallback") {
        out.add(
            &codes::LINE_WITHOUT_FALLBACK,
            &at,
            format!("{} has no fallback", section.title),
            "add fallback = [\"…\"]: who is asked when no rule fits; without it, everybody is",
        );
    }
    section.end(out);
    Line { label, fallback }
}

fn rule(
    name: &Said<&str>,
    mut section: Section<'_>,
    out: &mut Findings<'_>,
    (lines, naming): (&BTreeMap<LineId, Line>, Naming<'_>),
) -> (Option<Rule>, Spot) {
    let at = section.at.clone();
    let line = section
        .need_text(out, "line", "add line = \"first\": the line this rule fills")
        .and_then(|said| known_line(&said, lines, out));
    if !section.has("days") {
        section.missing(out, "days", "add days = [\"mon\", \"tue\", …]");
    }
    let days = days(&mut section, out);
    if !section.has("hours") {
        section.missing(out, "hours", "add hours = \"08:00-20:00\"");
    }
    let hours = hours(&mut section, out, "hours");
    if !section.has("people") {
        section.missing(out, "people", "add people = [\"…\"]: who stands there");
    }
    let people = people(&mut section, out, "people", naming);
    section.end(out);
    let rule = line.zip(hours).zip(people).map(|((line, hours), people)| Rule {
        name: name.value.to_owned(),
        line,
        days: days.into_iter().collect(),
        hours,
        people,
    });
    (rule, at)
}

fn known_line(
    said: &Said<&str>,
    lines: &BTreeMap<LineId, Line>,
    out: &mut Findings<'_>,
) -> Option<LineId> {
    let id = line_id(said, out)?;
    if !lines.contains_key(&id) && out.is_whole(said.at.file) {
        let known = lines.keys().map(LineId::as_str);
        unknown_line(&id, &said.at, known, out);
    }
    Some(id)
}

/// Tells that a line is not there, with the one that was most likely meant.
pub(super) fn unknown_line<'l>(
    id: &LineId,
    at: &Spot,
    known: impl Iterator<Item = &'l str>,
    out: &mut Findings<'_>,
) {
    let help = match closest(id.as_str(), known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("add [line.{id}] to roster.toml, or name another line"),
    };
    out.add(&codes::UNKNOWN_LINE, at, format!("there is no line {id}"), help);
}

fn days(section: &mut Section<'_>, out: &mut Findings<'_>) -> BTreeSet<u8> {
    let Some(list) = section.words(out, "days") else { return BTreeSet::new() };
    if list.value.is_empty() {
        let help = "name at least one day, or take the rule out";
        out.add(&codes::EMPTY_LIST, &list.at, "days is empty", help);
    }
    let mut days = BTreeSet::new();
    for said in list.value {
        match (1u8..).zip(DAYS).find(|(_, word)| *word == said.value) {
            Some((day, _)) => drop(days.insert(day)),
            None => bad_word(&said, "day", &DAYS, out),
        }
    }
    days
}

fn people(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
    (title, named): Naming<'_>,
) -> Option<Vec<PersonId>> {
    let list = section.words(out, key)?;
    if list.value.is_empty() {
        let help = "name at least one person of registry/people.csv";
        out.add(&codes::EMPTY_LIST, &list.at, format!("{key} is empty"), help);
    }
    let mut people = Vec::new();
    for said in list.value {
        match PersonId::new(said.value) {
            Ok(id) => {
                named.push((title.to_owned(), Said { value: id.clone(), at: said.at }));
                people.push(id);
            }
            Err(error) => {
                let help = "write the id of registry/people.csv";
                out.bad_id(&said.at, "person's id", &error, help);
            }
        }
    }
    Some(people)
}
