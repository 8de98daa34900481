//! The files that `import` is given: which list each is, how it was saved, what stands in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::config::FILE_MAX_BYTES;
use crate::exit;
use crate::registry::Brought;
use crate::registry::csv::{self, Encoding, NotText, Separator, Table};

/// One file.
pub(super) struct List {
    pub(super) path: PathBuf,
    /// How it was saved, for people: `GB 18030, semicolon`.
    pub(super) saved: String,
    pub(super) brought: Brought,
}

/// Reads files, and the lists that lie in folders; each table at most once.
pub(super) fn read(paths: &[PathBuf], said: Option<Encoding>) -> Result<Vec<List>, Failure> {
    let mut lists = BTreeMap::new();
    for path in found(paths)? {
        let list = read_one(&path, said)?;
        let table = list.brought.table;
        if let Some(List { path: before, .. }) = lists.insert(table, list) {
            let (before, path, name) = (before.display(), path.display(), table.file_name());
            let says = format!("{before} and {path} are both {name}: name one of them");
            return Err(Failure::new(exit::USAGE, says));
        }
    }
    Ok(lists.into_values().collect())
}

/// The files themselves; of a folder those that have a list's own name.
fn found(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let lists = Table::ALL.map(|table| path.join(table.file_name()));
        let before = found.len();
        found.extend(lists.into_iter().filter(|list| list.exists()));
        if found.len() == before {
            let names = Table::ALL.map(Table::file_name).join(", ");
            let says = format!("{} holds none of {names}", path.display());
            return Err(Failure::new(exit::USAGE, says));
        }
    }
    Ok(found)
}

fn read_one(path: &Path, said: Option<Encoding>) -> Result<List, Failure> {
    let shown = path.display();
    let Some(table) = table_of(path) else {
        let says = format!(
            "{shown} does not say which list it is: let its name begin with residents, homes, \
             devices, people, contacts or beds"
        );
        return Err(Failure::new(exit::USAGE, says));
    };
    let unreadable = |error: std::io::Error| {
        Failure::new(exit::USAGE, format!("{shown} cannot be read: {error}"))
    };
    let wrong = |why: String| Failure::new(exit::NOT_RIGHT, format!("{shown} {why}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX_BYTES {
        return Err(wrong(format!(
            "is larger than {} MiB: is it the right file?",
            FILE_MAX_BYTES >> 20
        )));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let (text, encoding) = csv::decode(&bytes, said).map_err(|why| match (why, said) {
        (NotText::Workbook, _) => {
            wrong("is a workbook: open it and save it as “CSV UTF-8”".to_owned())
        }
        (NotText::Unknown { line }, Some(said)) => {
            wrong(format!("is not {} (line {line}): leave out --encoding", said.name()))
        }
        (NotText::Unknown { line }, None) => {
            wrong(format!("is neither UTF-8 nor GB 18030 (line {line}): save it as “CSV UTF-8”"))
        }
    })?;
    let (rows, problems) = csv::read(table, &text);
    let saved = format!("{}, {}", encoding.name(), Separator::of(&text).name());
    let columns = csv::columns(table, &text);
    Ok(List { path: path.to_owned(), saved, brought: Brought { table, columns, rows, problems } })
}

/// The list a file name begins with, in English or Chinese: `residents (2).csv`, 老人名单.csv.
fn table_of(path: &Path) -> Option<Table> {
    let stem = path.file_stem()?.to_string_lossy().to_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| stem.starts_with(word));
    Table::ALL.into_iter().find(|table| match table {
        Table::Residents => begins(&["residents", "老人"]),
        Table::Homes => begins(&["homes", "住所", "房间"]),
        Table::Devices => begins(&["devices", "设备"]),
        Table::People => begins(&["people", "人员", "员工"]),
        Table::Contacts => begins(&["contacts", "联系人", "家属"]),
        Table::Beds => begins(&["beds", "床位"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_known_by_what_its_name_begins_with() {
        for (name, table) in [
            ("/a/residents.csv", Some(Table::Residents)),
            ("People (2).csv", Some(Table::People)),
            ("老人名单2026.csv", Some(Table::Residents)),
            ("设备.txt", Some(Table::Devices)),
            ("联系人.csv", Some(Table::Contacts)),
            ("床位名单.csv", Some(Table::Beds)),
            ("list.csv", None),
        ] {
            assert_eq!(table_of(Path::new(name)), table, "{name}");
        }
    }

    #[test]
    fn two_files_of_one_list_and_a_folder_of_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&[dir.path().into()], None).err().unwrap().code, exit::USAGE);
        let files = ["homes.csv", "homes-new.csv"].map(|name| dir.path().join(name));
        files.iter().for_each(|file| std::fs::write(file, "id\nH1\n").unwrap());
        let refused = read(&files, None).err().unwrap();
        assert_eq!(refused.code, exit::USAGE);
        assert!(refused.says.contains("homes-new.csv"), "{refused:?}");
        assert_eq!(read(&[dir.path().into()], None).unwrap().len(), 1);
    }
}
