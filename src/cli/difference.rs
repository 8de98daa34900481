//! An import's difference as a person reads it: lists, notes on open calls, bad rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::lists::List;
use super::loading::Loaded;
use crate::config::settings::Reach;
use crate::counter::{IncidentView, RegistryView};
use crate::incident::Responder;
use crate::registry::csv::{RowProblem, Severity, Table};
use crate::registry::{Change, Difference, Family, Judged, Row, RowId};
use crate::terms::{DeviceId, PersonId};

/// Most rows of one list's difference that are shown without `--all`. Own choice: a screen.
const SHOWN_MAX: usize = 40;
/// Most problems and most warnings of one file that are shown; the rest are counted. Own choice: more
/// than anybody mends before trying again.
const TOLD_MAX: usize = 250;

/// One list: what was read, and what would change.
pub(super) fn shown(list: &List, difference: &Difference, remove: bool, all: bool) -> String {
    let Difference { added, changed, missing } = difference;
    let (path, rows, saved) = (list.path.display(), list.brought.rows.len(), &list.saved);
    let all_columns = list.brought.table.columns().iter().map(|column| column.name);
    let absent: Vec<&str> =
        all_columns.filter(|name| !list.brought.columns.contains(name)).collect();
    let without = match absent.as_slice() {
        [] => String::new(),
        absent => format!("; without {}, left as on record", absent.join(", ")),
    };
    let mut text = format!("{path} ({}, {saved}{without}): ", counted(rows, "row"));
    if difference.is_none() {
        text.push_str("no difference\n");
        return text;
    }
    let gone = if remove { "removed" } else { "missing here and kept: --remove takes it out" };
    let counts =
        [('+', added.len(), "new"), ('~', changed.len(), "changed"), ('−', missing.len(), gone)];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(sign, count, what)| format!("{sign} {count} {what}"))
        .collect();
    let _ = writeln!(text, "{}", counts.join(", "));
    let lines = added.iter().map(|row| format!("  + {}", label(row)));
    let lines = lines.chain(changed.iter().map(|change| {
        let cells: Vec<String> = change
            .cells()
            .into_iter()
            .map(|(column, before, after)| {
                format!("{column}: {} → {}", said(&before), said(&after))
            })
            .collect();
        format!("  ~ {}  {}", label(&change.before), cells.join("; "))
    }));
    let lines = lines.chain(missing.iter().map(|row| format!("  − {}", label(row))));
    let most = if all { usize::MAX } else { SHOWN_MAX };
    let total = added.len() + changed.len() + missing.len();
    for line in lines.take(most) {
        let _ = writeln!(text, "{line}");
    }
    if total > most {
        let _ = writeln!(text, "  … and {} more: --all shows them", total - most);
    }
    text
}

/// A number with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A row by its id and what people call it.
fn label(row: &Row) -> String {
    let (id, words) = match row {
        Row::Resident(r) => (r.id.as_str(), r.name.as_str()),
        Row::Home(h) => (h.id.as_str(), h.place.as_str()),
        Row::Device(d) => (d.id.as_str(), d.spot.as_str()),
        Row::Person(p) => (p.id.as_str(), p.name.as_str()),
        Row::Contact(c) => (c.id.as_str(), c.name.as_str()),
        Row::Bed(b) => (b.id.as_str(), b.resident.as_str()),
    };
    format!("{id} {words}").trim_end().to_owned()
}

fn said(cell: &str) -> &str {
    if cell.is_empty() { "(empty)" } else { cell }
}

/// What a change means for calls that are open, for the roster and for the broker.
pub(super) fn notes(
    made: &[Change],
    view: &RegistryView,
    open: &[IncidentView],
    loaded: &Loaded,
) -> Vec<String> {
    let mut notes = Vec::new();
    for change in made {
        match change {
            Change::Removed(RowId::Device(id)) => {
                notes.extend(open.iter().filter(|call| call.device == *id).map(|call| {
                    format!("{id} has an open call, {}: it goes on, at its place", call.code)
                }));
            }
            Change::Removed(RowId::Person(id) | RowId::Contact(id)) => {
                notes.extend(of_person(id, open, loaded));
            }
            Change::Set(Row::Device(device)) => {
                let moved = view.registry.device(&device.id).is_some_and(|d| d.home != device.home);
                let calls = open.iter().filter(|call| moved && call.device == device.id);
                notes.extend(calls.map(|call| {
                    let (id, code) = (&device.id, call.code);
                    format!("{id} has an open call, {code}: further messages name its new home")
                }));
                let new = view.registry.device(&device.id).is_none();
                let family = view.types.get(&device.type_name).map(|kind| kind.family);
                if new && family == Some(Family::NativeMqtt) && !signs_in(&device.id, loaded) {
                    notes.push(format!(
                        "{} has no account in links.toml: until it has one it cannot sign in",
                        device.id
                    ));
                }
            }
            _ => {}
        }
    }
    notes
}

fn of_person(id: &PersonId, open: &[IncidentView], loaded: &Loaded) -> Vec<String> {
    let part = |call: &IncidentView| call.people.iter().find(|p| p.id == *id).map(|p| p.is);
    let mut notes: Vec<String> = open
        .iter()
        .filter_map(|call| {
            let code = call.code;
            match part(call)? {
                is if is.is_active() => Some(format!(
                    "{id} is on the open call {code}: others are called in their place"
                )),
                Responder::Called => {
                    Some(format!("{id} was called for the open call {code}: it goes on without"))
                }
                _ => None,
            }
        })
        .collect();
    let roster = &loaded.settings.roster;
    let ruled = roster.rules.iter().flat_map(|rule| &rule.people);
    let planned: BTreeSet<&PersonId> =
        ruled.chain(roster.lines.values().flat_map(|line| &line.fallback)).collect();
    if planned.contains(id) {
        notes.push(format!("{id} still stands in roster.toml: take them out there too"));
    }
    notes
}

fn signs_in(id: &DeviceId, loaded: &Loaded) -> bool {
    let accounts = loaded.settings.broker.iter().flat_map(|broker| &broker.accounts);
    accounts.into_iter().any(|account| matches!(&account.reach, Reach::Device(of) if of == id))
}

/// Every bad row with its file, line and column, what is wrong and what to write instead; then what
/// somebody should look at.
pub(super) fn problems(lists: &[List], judged: &Judged, skipping: bool) -> String {
    let mut text = String::new();
    for severity in [Severity::Problem, Severity::Warning] {
        for table in Table::ALL {
            let of = |p: &&RowProblem| p.severity == severity && p.table == table;
            let mut found: Vec<&RowProblem> = judged.problems.iter().filter(of).collect();
            found.sort_by_key(|p| p.line);
            for problem in found.iter().take(TOLD_MAX) {
                let _ = writeln!(text, "{}", one(problem, lists));
            }
            if found.len() > TOLD_MAX {
                let _ = writeln!(text, "… and {} more", found.len() - TOLD_MAX);
            }
        }
    }
    let bad = judged.problems.iter().filter(|p| p.severity == Severity::Problem);
    let mut rows: BTreeMap<(Table, u64), usize> = BTreeMap::new();
    bad.for_each(|p| *rows.entry((p.table, p.line)).or_default() += 1);
    if !rows.is_empty() {
        let left = if skipping && judged.usable { ", left out" } else { "" };
        let _ = writeln!(text, "{}{left}", counted(rows.len(), "bad row"));
    }
    text
}

fn one(problem: &RowProblem, lists: &[List]) -> String {
    let RowProblem { table, line, column, severity, message, help, .. } = problem;
    let file = lists.iter().find(|list| list.brought.table == *table);
    let file = file.map_or(table.file_name().into(), |list| list.path.display().to_string());
    let place = match line {
        0 => format!("{file}, in the record"),
        line => format!("{file}:{line}"),
    };
    let column = column.map(|name| format!(" {name}")).unwrap_or_default();
    let mark = if *severity == Severity::Warning { "warning: " } else { "" };
    format!("{mark}{place}{column}: {message}; {help}")
}
