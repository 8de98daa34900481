//! The files of a config directory as texts, and what became of those that are none.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::codes;
use super::problem::Findings;
use crate::registry::csv;

/// Largest file that is read. Own choice: a registry of 3,000 devices is about 0.3 MiB.
pub const FILE_MAX_BYTES: u64 = 4 << 20;

/// How many files that nothing reads are named.
const STRANGERS_MAX: usize = 20;

/// What was found where a file should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// Its text.
    Text(String),
    /// Nothing.
    Missing,
    /// A file that is not UTF-8; the line of the first byte that does not fit, from 1.
    NotUtf8 {
        /// The line.
        line: usize,
    },
    /// A list that is still a workbook.
    Workbook,
    /// A file larger than [`FILE_MAX_BYTES`].
    TooLarge,
    /// A file that cannot be read, and why.
    Unreadable(String),
}

/// A config directory as it was read: every later step works on these texts alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Where they were read from, for people.
    pub dir: String,
    /// Why the directory could not be read, if so.
    unreadable: Option<String>,
    found: BTreeMap<&'static str, FileText>,
    strangers: Vec<String>,
}

impl Files {
    /// Every file, in the order in which problems are told.
    pub const NAMES: [&'static str; 13] = [
        "gateway.toml",
        "links.toml",
        "devices.toml",
        "ladders.toml",
        "notify.toml",
        "roster.toml",
        "district.toml",
        "registry/residents.csv",
        "registry/homes.csv",
        "registry/devices.csv",
        "registry/people.csv",
        "registry/contacts.csv",
        "registry/beds.csv",
    ];

    /// Files that may be absent without a word.
    const OPTIONAL: [&'static str; 3] =
        ["district.toml", "registry/contacts.csv", "registry/beds.csv"];

    /// A set of texts that stands in no directory. Names that are not in [`Files::NAMES`] are
    /// ignored.
    pub fn of<'t>(dir: &str, texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut found = BTreeMap::new();
        for (name, text) in texts {
            if let Some(known) = Self::NAMES.into_iter().find(|known| *known == name) {
                found.insert(known, FileText::Text(text.to_owned()));
            }
        }
        Self { dir: dir.to_owned(), unreadable: None, found, strangers: Vec::new() }
    }

    /// A file's text, if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.found.get(name) {
            Some(FileText::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Every file that has a text, by name.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.found.iter().filter_map(|(name, found)| match found {
            FileText::Text(text) => Some((*name, text.as_str())),
            _ => None,
        })
    }

    /// The name of the whole set: the first 16 hex digits of a SHA-256 over names and texts.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        for (name, text) in self.texts() {
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Tells what is wrong with the files themselves.
    pub(super) fn report(&self, out: &mut Findings<'_>) {
        if let Some(why) = &self.unreadable {
            out.add_to_file(
                &codes::NO_CONFIG_DIR,
                "",
                format!("the config directory {} cannot be read: {why}", self.dir),
                "name another directory with --config, or copy the shipped config/ there",
            );
            Self::NAMES.into_iter().for_each(|name| out.break_file(name));
            return;
        }
        for name in Self::NAMES {
            self.report_file(name, out);
        }
        for name in &self.strangers {
            let meant = super::values::closest(name, Self::NAMES);
            let help = match meant {
                Some(meant) => format!("did you mean {meant}? rename it, or move it away"),
                None => "move it out of the config directory".to_owned(),
            };
            out.add_to_file(&codes::UNKNOWN_FILE, name, format!("nothing reads {name}"), help);
        }
    }

    fn report_file(&self, name: &'static str, out: &mut Findings<'_>) {
        match self.found.get(name).unwrap_or(&FileText::Missing) {
            FileText::Text(_) => return,
            FileText::Missing if Self::OPTIONAL.contains(&name) => return,
            FileText::Missing if name.starts_with("registry/") => out.add_to_file(
                &codes::REGISTRY_FILE_MISSING,
                name,
                format!("{name} is not there"),
                "names in the other files are not checked against it; write it with `anling export`",
            ),
            FileText::Missing => out.add_to_file(
                &codes::FILE_MISSING,
                name,
                format!("{name} is not there"),
                "copy it from the shipped config/ and change what is different here",
            ),
            FileText::NotUtf8 { line } if name.ends_with(".csv") => out.add_to_file(
                &codes::FILE_NOT_UTF8,
                name,
                format!("{name} is neither UTF-8 nor GB 18030 (line {line})"),
                "save it as UTF-8; a spreadsheet calls that “CSV UTF-8”",
            ),
            FileText::Workbook => out.add_to_file(
                &codes::FILE_NOT_UTF8,
                name,
                format!("{name} is a workbook and not CSV"),
                "open it and save it as “CSV UTF-8”",
            ),
            FileText::NotUtf8 { line } => out.add_to_file(
                &codes::FILE_NOT_UTF8,
                name,
                format!("{name} is not UTF-8 (line {line})"),
                "save it as UTF-8; a spreadsheet calls that “CSV UTF-8”",
            ),
            FileText::TooLarge => out.add_to_file(
                &codes::FILE_TOO_LARGE,
                name,
                format!("{name} is larger than {} MiB", FILE_MAX_BYTES >> 20),
                "put the right file there",
            ),
            FileText::Unreadable(why) => out.add_to_file(
                &codes::FILE_UNREADABLE,
                name,
                format!("{name} cannot be read: {why}"),
                "let the user that runs anling read it",
            ),
        }
        out.break_file(name);
    }
}

/// Reads a config directory. Never fails: what cannot be read becomes a problem of
/// [`super::check`].
pub fn read(dir: &Path) -> Files {
    let mut files = Files::of(&dir.display().to_string(), []);
    match list(dir) {
        Ok(strangers) => files.strangers = strangers,
        Err(error) => {
            files.unreadable = Some(error.to_string());
            return files;
        }
    }
    for name in Files::NAMES {
        files.found.insert(name, read_file(&dir.join(name)));
    }
    files
}

/// TOML and CSV files in the directory that nothing reads.
fn list(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut strangers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let ours = [".toml", ".csv"].iter().any(|ending| name.ends_with(ending));
        if ours && !name.starts_with('.') && !Files::NAMES.contains(&name.as_str()) {
            strangers.push(name);
        }
    }
    strangers.sort();
    strangers.truncate(STRANGERS_MAX);
    Ok(strangers)
}

fn read_file(path: &Path) -> FileText {
    match fs::metadata(path) {
        Ok(about) if about.len() > FILE_MAX_BYTES => return FileText::TooLarge,
        Ok(about) if !about.is_file() => return FileText::Unreadable("not a file".to_owned()),
        _ => {}
    }
    match fs::read(path) {
        Ok(bytes) if path.extension().is_some_and(|ending| ending == "csv") => list_text(&bytes),
        Ok(bytes) => String::from_utf8(bytes).map_or_else(
            |error| {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                FileText::NotUtf8 { line: good.iter().filter(|byte| **byte == b'\n').count() + 1 }
            },
            FileText::Text,
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => FileText::Missing,
        Err(error) => FileText::Unreadable(error.to_string()),
    }
}

/// A list's text: as a spreadsheet saved it.
fn list_text(bytes: &[u8]) -> FileText {
    match csv::decode(bytes, None) {
        Ok((text, _)) => FileText::Text(text),
        Err(csv::NotText::Workbook) => FileText::Workbook,
        Err(csv::NotText::Unknown { line }) => FileText::NotUtf8 { line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_whatever_lies_in_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("gateway.toml"), "x = 1").unwrap();
        fs::write(dir.path().join("roster.toml"), b"ok = 1\nname = \"\xcd\xf5\"").unwrap();
        fs::create_dir(dir.path().join("links.toml")).unwrap();
        fs::write(dir.path().join("ladder.toml"), "").unwrap();
        let files = read(dir.path());
        assert_eq!(files.text("gateway.toml"), Some("x = 1"));
        assert_eq!(files.found["roster.toml"], FileText::NotUtf8 { line: 2 });
        assert!(matches!(files.found["links.toml"], FileText::Unreadable(_)));
        assert_eq!(files.found["notify.toml"], FileText::Missing);
        assert_eq!(files.strangers, ["ladder.toml"]);
        assert!(read(&dir.path().join("nowhere")).unreadable.is_some());
    }

    #[test]
    fn the_name_of_a_set_changes_with_any_byte_of_it() {
        let set =
            |gateway, links| Files::of("x", [("gateway.toml", gateway), ("links.toml", links)]);
        assert_eq!(set("a", "b").hash(), set("a", "b").hash());
        assert_ne!(set("a", "b").hash(), set("ab", "").hash());
        assert_eq!(set("a", "b").hash().len(), 16);
    }
}
