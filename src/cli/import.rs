//! `anling import`: shows what files would change in the hub's record, asks, and has it recorded.
//!
//! The files are read here and the hub is asked for its registry, so that a list of 10,000 rows with
//! 50 bad ones costs the hub nothing; it only takes changes, and only on the registry they were made
//! from. Nothing is taken while a row is bad, unless bad rows are to be left out; a row that is
//! missing is kept, unless it is to be removed. Both together would remove people whose row has a
//! typing error, so they are refused; so is removal by a list without rows, an export that failed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::difference::{counted, notes, problems, shown};
use super::lists::{self, List};
use super::loading::{Loaded, ask_of, load_or_accepted, odd_answer};
use super::{Dirs, Failure, Outcome, print_text};
use crate::counter::{Ask, Import, Imported, IncidentView, RegistryView, Reply};
use crate::exit;
use crate::registry::csv::{Encoding, Table};
use crate::registry::{Brought, Change, Difference, Judged, Registry, Row, Wanted, changes, judge};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV files, or folders with them; the registry of the config directory if none is named
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Take out of the record what a file of its list does not name
    #[arg(long, conflicts_with = "skip_bad")]
    remove: bool,
    /// Leave bad rows out, and what leans on them, in place of refusing all
    #[arg(long)]
    skip_bad: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Show every row of the difference
    #[arg(long)]
    all: bool,
    /// How the files were saved, where that is not seen: utf-8 or gb18030
    #[arg(long, value_parser = encoding)]
    encoding: Option<Encoding>,
}

/// An encoding that a person names.
pub(super) fn encoding(word: &str) -> Result<Encoding, String> {
    match word.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => Ok(Encoding::Utf8),
        "gb18030" | "gbk" | "gb2312" => Ok(Encoding::Gb18030),
        _ => Err("choose utf-8 or gb18030".to_owned()),
    }
}

pub(super) fn import(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let loaded = load_or_accepted(dirs)?;
    let named =
        if args.files.is_empty() { vec![dirs.config.join("registry")] } else { args.files.clone() };
    let lists = lists::read(&named, args.encoding)?;
    let view = ask_registry(&loaded, dirs.config)?;
    if let Some(list) = lists.iter().find(|list| args.remove && list.brought.rows.is_empty()) {
        let says = format!("{} has no rows, so nothing was removed by it", list.path.display());
        return Err(Failure::new(exit::NOT_RIGHT, says));
    }
    let brought: Vec<Brought> = lists.iter().map(|list| list.brought.clone()).collect();
    let wanted = Wanted { remove: args.remove, skip_bad: args.skip_bad };
    let judged = judge(&view.registry, &view.types, brought, wanted);
    let made = made(&view.registry, &lists, &judged, args);
    let Reply::Incidents(open) = ask_of(&loaded, &Ask::Incidents { all: false })? else {
        return Err(odd_answer());
    };
    print_text(&all_of(&lists, &judged, (&view, &made, &open), &loaded, args))?;
    if !judged.usable {
        let skippable = judged.problems.iter().all(|p| p.is_of_a_row());
        let or = if skippable && !args.remove { ", or leave them out with --skip-bad" } else { "" };
        let says = format!("nothing was imported: correct what is bad above{or}");
        return Err(Failure::new(exit::NOT_RIGHT, says));
    }
    if made.is_empty() {
        return print_text("nothing to import: the hub's record says the same\n");
    }
    agree(made.len(), args)?;
    let import = Import { based_on: view.version, changes: made.clone() };
    let Reply::Imported(done) = ask_of(&loaded, &Ask::Import(import))? else {
        return Err(odd_answer());
    };
    print_text(&told(&done))?;
    print_text(&files_hint(dirs.config, &loaded, view.registry, &made))
}

/// The registry of the running hub.
fn ask_registry(loaded: &Loaded, dir: &Path) -> Result<Box<RegistryView>, Failure> {
    let before_first = |failure: Failure| {
        let begun = loaded.state_dir.join(crate::desk::JOURNAL_DIR).exists();
        match (failure.code, begun) {
            (exit::UNREACHABLE, false) => Failure::new(
                exit::UNREACHABLE,
                format!(
                    "{}. Before its first start the files in {} are enough: it takes them in",
                    failure.says,
                    dir.join("registry").display()
                ),
            ),
            _ => failure,
        }
    };
    match ask_of(loaded, &Ask::Registry).map_err(before_first)? {
        Reply::Registry(view) => Ok(view),
        _ => Err(odd_answer()),
    }
}

fn tables(lists: &[List]) -> Vec<Table> {
    lists.iter().map(|list| list.brought.table).collect()
}

fn rows(judged: &Judged) -> Vec<Row> {
    judged.rows.iter().map(|(_, row)| row.clone()).collect()
}

/// What is to be changed.
fn made(record: &Registry, lists: &[List], judged: &Judged, args: &Args) -> Vec<Change> {
    let mut made = changes(record, &tables(lists), &rows(judged));
    made.retain(|change| args.remove || matches!(change, Change::Set(_)));
    made
}

/// Everything a person has to know before they say yes.
fn all_of(
    lists: &[List],
    judged: &Judged,
    (view, made, open): (&RegistryView, &[Change], &[IncidentView]),
    loaded: &Loaded,
    args: &Args,
) -> String {
    let rows = rows(judged);
    let mut text = String::new();
    for list in lists {
        let difference = Difference::of(&view.registry, list.brought.table, &rows);
        text.push_str(&shown(list, &difference, args.remove, args.all));
    }
    for note in notes(made, view, open, loaded) {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push_str(&problems(lists, judged, args.skip_bad));
    text
}

/// Asks on a terminal; elsewhere only `--yes` is a yes.
fn agree(count: usize, args: &Args) -> Outcome {
    if args.yes {
        return Ok(());
    }
    let (input, output) = (std::io::stdin(), std::io::stdout());
    if !input.is_terminal() || !output.is_terminal() {
        let says = "nothing was imported: say --yes to take this into use without being asked";
        return Err(Failure::new(exit::NOT_RIGHT, says));
    }
    print_text(&format!("Take {} into use? [y/N] ", counted(count, "change")))?;
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    // What cannot be read is no yes.
    let _ = input.lock().read_line(&mut answer);
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" | "是" => Ok(()),
        _ => Err(Failure::new(exit::NOT_RIGHT, "nothing was imported, as you answered")),
    }
}

fn told(done: &Imported) -> String {
    let changes = counted(done.rows, "change");
    match done.stored_at {
        Some(_) => format!("{changes} in use and on disk\n"),
        None => format!(
            "{changes} in use, in memory only, because the disk fails: see `anling status`\n"
        ),
    }
}

/// The files of the config directory, which the next `check` reads, may now say otherwise.
fn files_hint(dir: &Path, loaded: &Loaded, mut record: Registry, made: &[Change]) -> String {
    made.iter().for_each(|change| record.apply(change));
    let rows = &loaded.settings.rows;
    let same = changes(&record, &Table::brought(rows), rows).is_empty();
    if same || loaded.old {
        return String::new();
    }
    let files = dir.join("registry");
    let files = files.display();
    format!("the files in {files} say otherwise: `anling export {files} --replace` writes them\n")
}
