//! `anling export`: the registry as files, from the running hub or from its record.
//!
//! UTF-8 with a byte order mark unless told otherwise: every Excel since 2007 and WPS read it right
//! on any Windows, and it holds the rare characters of names that GB 2312 programs lose; GB 18030 is
//! there for what knows nothing else. What a spreadsheet would calculate with or change is marked as
//! text, which `import` takes away again; `--plain` writes without mark and without guard, for
//! programs and comparisons.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::difference::counted;
use super::import::encoding;
use super::loading::{Loaded, ask_of, load_or_accepted};
use super::{Dirs, Failure, Outcome, print_text};
use crate::counter::{Ask, Reply};
use crate::registry::Registry;
use crate::registry::csv::{self, Encoding, Form, Table};
use crate::{desk, exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the lists go
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Write over files that say otherwise
    #[arg(long)]
    replace: bool,
    /// Cells as they are, without what keeps a spreadsheet from changing them
    #[arg(long)]
    plain: bool,
    /// utf-8 or gb18030
    #[arg(long, value_parser = encoding, default_value = "utf-8")]
    encoding: Encoding,
}

pub(super) fn export(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let registry = registry(&load_or_accepted(dirs)?)?;
    // Nobody needs an empty list of what the centre has none of, unless one lies there.
    let wanted = |table: &Table| {
        let empty = table.rows(&registry).is_empty();
        !(table.is_optional() && empty) || args.to.join(table.file_name()).exists()
    };
    let files = Table::ALL
        .into_iter()
        .filter(wanted)
        .map(|table| Ok((table, args.to.join(table.file_name()), bytes(table, &registry, args)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let stands = |(_, path, bytes): &&(Table, PathBuf, Vec<u8>)| {
        path.exists() && std::fs::read(path).ok().as_ref() != Some(bytes)
    };
    let others: Vec<String> =
        files.iter().filter(stands).map(|(_, path, _)| path.display().to_string()).collect();
    if !others.is_empty() && !args.replace {
        let others = others.join(", ");
        let says =
            format!("already there and different: {others}; choose another folder, or --replace");
        return Err(Failure::new(exit::NOT_RIGHT, says));
    }
    let storage = |path: &Path, error: io::Error| {
        Failure::new(exit::STORAGE, format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(&args.to).map_err(|error| storage(&args.to, error))?;
    let mut text = String::new();
    for (table, path, bytes) in files {
        write(&path, &bytes).map_err(|error| storage(&path, error))?;
        let rows = counted(table.rows(&registry).len(), "row");
        text.push_str(&format!("{}: {rows}\n", path.display()));
    }
    print_text(&text)
}

/// What the hub runs on; where none answers, what its record says.
fn registry(loaded: &Loaded) -> Result<Registry, Failure> {
    match ask_of(loaded, &Ask::Registry) {
        Ok(Reply::Registry(view)) => Ok(view.registry),
        Ok(_) => Err(super::loading::odd_answer()),
        Err(failure) => match desk::recorded(&loaded.state_dir) {
            Ok(Some(recorded)) => Ok(recorded.registry),
            Ok(None) => Err(failure),
            Err(error) => Err(Failure::of(exit::STORAGE, &error)),
        },
    }
}

fn bytes(table: Table, registry: &Registry, args: &Args) -> Result<Vec<u8>, Failure> {
    let form = if args.plain { Form::Plain } else { Form::Spreadsheet };
    let text = csv::write(table, registry, form);
    if args.plain && args.encoding == Encoding::Utf8 {
        return Ok(text.into_bytes());
    }
    csv::encode(&text, args.encoding).map_err(|c| {
        let (file, name) = (table.file_name(), args.encoding.name());
        let says = format!("{file} holds {c:?}, which {name} does not have: leave out --encoding");
        Failure::new(exit::NOT_RIGHT, says)
    })
}

/// Writes aside and renames, so that nobody reads half a list. A new file is its owner's alone, since
/// it holds names and telephone numbers; one that is replaced keeps its owner and mode.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("csv.new");
    let before = std::fs::metadata(path).ok();
    let mode = before.as_ref().map_or(0o600, |file| file.mode() & 0o777);
    let _ = std::fs::remove_file(&aside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if let Some(before) = before {
        // Only root may give a file away; for others it is theirs already.
        let _ = std::os::unix::fs::chown(&aside, Some(before.uid()), Some(before.gid()));
    }
    std::fs::rename(&aside, path)
}
