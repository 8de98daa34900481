//! The house's plan, held: a room imports only what its row names, files and functions keep their
//! size, and marks of unfinished work do not stay.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import: `README.md`, "The rooms".
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("terms", &[]),
    ("clock", &["terms"]),
    ("contract", &["terms"]),
    ("link", &["terms"]),
    ("journal", &["terms"]),
    ("registry", &["terms"]),
    ("roster", &["terms", "registry"]),
    ("incident", &["terms", "registry", "roster"]),
    ("archive", &["terms", "registry", "incident"]),
    ("notify", &["terms", "link", "incident"]),
    ("district", &["terms", "link", "incident", "notify"]),
    ("counter", &["terms", "registry", "roster", "incident"]),
    ("console", &["terms", "registry", "roster", "incident", "counter"]),
    ("config", &["terms", "registry", "roster", "incident"]),
    ("exit", &[]),
    (
        "desk",
        &[
            "terms", "clock", "contract", "link", "journal", "registry", "roster", "incident",
            "archive", "notify", "district", "counter", "console", "config", "exit",
        ],
    ),
    (
        "cli",
        &[
            "terms", "clock", "contract", "journal", "registry", "roster", "incident", "counter",
            "config", "desk", "exit",
        ],
    ),
];

/// Rooms that take time and facts in and give facts and orders out.
const PURE: [&str; 4] = ["contract", "registry", "roster", "incident"];

/// What a pure room must not name.
const IMPURE: [&str; 8] =
    ["std::fs", "std::net", "std::thread", "tokio", "tracing", "rand", "HashMap", "HashSet"];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![under.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The room a file of `src/` belongs to; none for `lib.rs` and `main.rs`.
fn room(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next()?.as_os_str().to_str()?;
    let name = first.trim_end_matches(".rs").to_owned();
    (!matches!(name.as_str(), "lib" | "main")).then_some(name)
}

/// Code without comments and string contents of one line, as far as imports and names go.
fn code(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// Rooms named behind `crate::`, also within braces.
fn imported(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(inner) => {
                // Only the outermost names within the braces are rooms.
                let mut depth = 0;
                let end = inner.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                });
                let inner = &inner[..end.unwrap_or(inner.len())];
                let mut depth = 0;
                inner
                    .split(|c| {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        c == ',' && depth == 0
                    })
                    .collect()
            }
            None => vec![rest],
        };
        for name in names {
            let name = name.trim_start();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            rooms.insert(name[..end].to_owned());
        }
    }
    rooms
}

#[test]
fn a_room_imports_only_what_its_row_names() {
    let rows: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let Some(room) = room(&path) else { continue };
        let Some(allowed) = rows.get(room.as_str()) else {
            wrong.push(format!("{} is in a room without a row: {room}", path.display()));
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        for other in imported(&code(&text)) {
            let known = rows.contains_key(other.as_str());
            if known && other != room && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{}: {room} may not import {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_desk_and_the_commands_see_the_settings_and_only_config_its_raw_texts() {
    for path in sources(&root().join("src")) {
        let room = room(&path);
        let text = code(&std::fs::read_to_string(&path).unwrap());
        let reads_raw = text.contains("config::section") || text.contains("config::values");
        assert!(!reads_raw || room.as_deref() == Some("config"), "{}", path.display());
    }
}

#[test]
fn every_row_is_a_room_and_the_arrows_have_no_circle() {
    let rooms: BTreeSet<String> =
        sources(&root().join("src")).iter().filter_map(|path| room(path)).collect();
    let rows: BTreeSet<String> = MAY_IMPORT.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rooms, rows);
    let mut above = BTreeSet::new();
    for (room, imports) in MAY_IMPORT {
        if *room != "config" && *room != "exit" {
            for import in *imports {
                assert!(above.contains(import) || *import == "exit", "{room} → {import}");
            }
        }
        above.insert(*room);
    }
}

#[test]
fn a_pure_room_names_nothing_that_could_make_it_answer_differently_twice() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let Some(room) = room(&path) else { continue };
        let tests = path.to_string_lossy().contains("test");
        if !PURE.contains(&room.as_str()) || tests {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = code(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        for word in IMPURE {
            if text.contains(word) {
                wrong.push(format!("{}: {room} is pure and names {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Longest file, tests included, and longest function, in lines.
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn no_file_is_longer_than_600_lines() {
    let mut wrong = Vec::new();
    for under in ["src", "tests"] {
        for path in sources(&root().join(under)) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            if lines > FILE_LINES_MAX {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_fn = line.trim_start().split(' ').any(|word| word == "fn")
                && !line.trim_start().starts_with("//");
            if !is_fn || line.trim_end().ends_with(';') {
                continue;
            }
            // rustfmt closes a function at the indent it began at.
            let close = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| **line == close);
            if let Some(length) = length.filter(|length| length + 1 > FUNCTION_LINES_MAX) {
                wrong.push(format!("{}:{}: {} lines", path.display(), start + 1, length + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_mark_of_unfinished_work_and_no_room_for_everything() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for path in sources(&root().join("src")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "manager", "helpers", "misc"].contains(&name.as_str()),
            "{name}"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} holds {mark}", path.display());
        }
    }
}

#[test]
fn the_reader_of_imports_reads_imports() {
    let text = "use crate::terms::At;\nuse crate::{desk, exit};\nuse crate::config::{self, x};\n\
                let y = crate::link::broker::z();\nuse crate::{a::{b, c}, notify};";
    let found: Vec<String> = imported(text).into_iter().collect();
    assert_eq!(found, ["a", "config", "desk", "exit", "link", "notify", "terms"]);
}
