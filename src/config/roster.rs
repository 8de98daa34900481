//! `roster.toml`: lines, weekly rules, the zone, the night and the working hours.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::codes;
use super::devices::bad_word;
use super::problem::{Findings, Said, Spot};
use super::section::Section;
use super::values::{self, DAYS, closest};
use crate::roster::{
    DayType, DayTypes, Hours, Line, Roster, Rule, RuleDays, TYPED_DATES_MAX, known_zone,
};
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
    let work_days = match top.has("work_days") {
        true => days(&mut top, out, "work_days"),
        false => RuleDays::every(),
    };
    let day_types = day_types(&mut top, out);
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
    if lines.is_empty() && !top.has("line") && out.is_whole(top.at.file) {
        top.missing(out, "[line.NAME]", "add [line.first] with a label and a fallback");
    }
    top.end(out);
    let (changes, stations) = (BTreeMap::new(), BTreeMap::new());
    let roster =
        Roster { zone, lines, rules, night, work, work_days, day_types, changes, stations };
    RosterRead { roster, people }
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
    let days = match (section.has("days"), section.has("dates")) {
        (_, true) => RuleDays::Dates(dates(&mut section, out, "dates").into_keys().collect()),
        (true, false) => days(&mut section, out, "days"),
        (false, false) => {
            section.missing(out, "days", "add days = [\"mon\", \"tue\", …] or [\"workday\"]");
            RuleDays::every()
        }
    };
    if section.has("dates") && section.has("days") {
        let help = "keep dates = […] here and give the days a rule of their own";
        out.add(&codes::DAYS_AND_DATES, &at, "days and dates stand in one rule", help);
        let _ = section.words(out, "days");
    }
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
        days,
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

/// A kind of day in a list of days.
const TYPES: [(&str, DayType); 2] = [("workday", DayType::Work), ("restday", DayType::Rest)];

fn days(section: &mut Section<'_>, out: &mut Findings<'_>, key: &'static str) -> RuleDays {
    let Some(list) = section.words(out, key) else { return RuleDays::every() };
    if list.value.is_empty() {
        let help = "name at least one day, or take the rule out";
        out.add(&codes::EMPTY_LIST, &list.at, format!("{key} is empty"), help);
    }
    let of_type = |word: &str| TYPES.iter().find(|(known, _)| *known == word);
    if let [said] = list.value.as_slice()
        && let Some((_, is)) = of_type(said.value)
    {
        return RuleDays::OfType(*is);
    }
    let mut days = BTreeSet::new();
    for said in list.value {
        match (1u8..).zip(DAYS).find(|(_, word)| *word == said.value) {
            Some((day, _)) => drop(days.insert(day)),
            None if of_type(said.value).is_some() => {
                let message = format!("{} stands beside other days", said.value);
                let help = "let it stand alone, and give the other days a rule of their own";
                out.add(&codes::DAYS_AND_DATES, &said.at, message, help);
            }
            None => {
                let known: Vec<&str> =
                    DAYS.into_iter().chain(TYPES.map(|(word, _)| word)).collect();
                bad_word(&said, "day", &known, out);
            }
        }
    }
    RuleDays::Weekly(days.into_iter().collect())
}

/// `[day_type.2026]`: the year's rest days and make-up workdays.
fn day_types(top: &mut Section<'_>, out: &mut Findings<'_>) -> DayTypes {
    let mut types = DayTypes::default();
    for (name, mut section) in top.named(out, "day_type") {
        let year = name.value.parse::<i16>().ok().filter(|year| YEARS.contains(year));
        let Some(year) = year else {
            let message = format!("not a year: {:?}", name.value);
            out.add(&codes::BAD_DATE, &name.at, message, "write it as [day_type.2026]");
            section.end(out);
            continue;
        };
        types.know(year);
        for (key, is) in [("rest", DayType::Rest), ("work", DayType::Work)] {
            for (date, at) in dates(&mut section, out, key) {
                if date.year() != year {
                    let message = format!("{date} is not in {year}");
                    out.add(&codes::BAD_DATE, &at, message, "write it into its own year's table");
                } else if types.put(date, is).is_some() {
                    let message = format!("{date} is a rest day and a workday");
                    out.add(&codes::BAD_DATE, &at, message, "keep it in one of the two lists");
                }
            }
        }
        if types.len() > TYPED_DATES_MAX {
            let message = format!("more than {TYPED_DATES_MAX} dates");
            out.add(&codes::BAD_DATE, &section.at, message, "take old years out");
        }
        section.end(out);
    }
    types
}

/// Years that a table may be for. Own choice: this century.
const YEARS: std::ops::RangeInclusive<i16> = 2020..=2099;
/// Longest span of dates: a month.
const SPAN_MAX: i32 = 31;

/// Dates as `2026-10-01`, spans as `2026-10-01..2026-10-07`.
fn dates(
    section: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
) -> BTreeMap<Date, Spot> {
    let mut dates = BTreeMap::new();
    let Some(list) = section.words(out, key) else { return dates };
    for said in list.value {
        let (first, last) = said.value.split_once("..").unwrap_or((said.value, said.value));
        let span = first.trim().parse::<Date>().ok().zip(last.trim().parse::<Date>().ok());
        let span = span.filter(|(first, last)| {
            first.until(*last).is_ok_and(|span| (0..SPAN_MAX).contains(&span.get_days()))
        });
        let Some((first, last)) = span else {
            let message = format!("not a date: {:?}", said.value);
            let help = "write 2026-10-01, or 2026-10-01..2026-10-07 for up to 31 days";
            out.add(&codes::BAD_DATE, &said.at, message, help);
            continue;
        };
        dates
            .extend(first.series(1.day()).take_while(|d| *d <= last).map(|d| (d, said.at.clone())));
    }
    dates
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
