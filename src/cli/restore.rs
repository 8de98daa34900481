//! `anling restore`: a dead box's record taken over on a new one.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::loading::state_dir;
use super::{Dirs, Failure, Outcome, print_text, remark};
use crate::desk::{JOURNAL_DIR, PAGE_KEY};
use crate::exit;
use crate::incident::TakenOver;
use crate::journal::{JournalError, OsDisk, Restored, Source, restore as restore_record};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The other box's journal folder or state directory, or a file that `journal export` wrote
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The folder is an older copy, not the dead box's own disk: numbers are left out, so that none
    /// is used twice. An export is always taken so
    #[arg(long)]
    older: bool,
}

pub(super) fn restore(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let to = state_dir(dirs)?.join(JOURNAL_DIR);
    let disk = Arc::new(OsDisk);
    let done = if args.from.is_file() {
        let file = File::open(&args.from).map_err(|error| Failure::of(exit::STORAGE, &error))?;
        restore_record(disk, Source::Export(&mut BufReader::new(file)), &to, note)
    } else {
        let inside = args.from.join(JOURNAL_DIR);
        let dir = if inside.is_dir() { &inside } else { &args.from };
        let done = restore_record(disk, Source::Folder { dir, older: args.older }, &to, note);
        if done.is_ok() {
            take_page_key(dir, &to);
        }
        done
    };
    told(&to, &done.map_err(|error| failed(&error))?)
}

/// Takes the key of one-tap links along, so that those already sent work on this box.
fn take_page_key(from: &Path, to: &Path) {
    let key = from.join(PAGE_KEY);
    if key.is_file()
        && let Err(why) = std::fs::copy(key, to.join(PAGE_KEY))
    {
        remark(&format!(
            "links already sent will not work here: their key cannot be copied ({why})"
        ));
    }
}

fn failed(error: &JournalError) -> Failure {
    match error {
        JournalError::Held => Failure::new(
            exit::STORAGE,
            "a hub runs on that record, or another restore is under way: stop it first; two hubs \
             with one identity call people twice",
        ),
        JournalError::ExportWrong { .. } => {
            let says = format!(
                "{error} on the other box with `anling journal export --out FILE`, or restore its \
                 journal folder with `anling restore DIR`"
            );
            Failure::new(exit::NOT_RIGHT, says)
        }
        other => Failure::of(exit::STORAGE, other),
    }
}

/// What the next start writes into the record.
fn note(restored: &Restored) -> Vec<u8> {
    let head = restored.report.head;
    let (through, chain) = (head.seq, head.hash.to_string());
    let taken = TakenOver { through, chain, left_out: restored.left_out };
    serde_json::to_vec(&taken).unwrap_or_default()
}

fn told(to: &Path, restored: &Restored) -> Outcome {
    let report = &restored.report;
    let (entries, snapshots, head) = (report.entries, report.snapshots, report.head);
    let mut text = format!(
        "{entries} entries and {snapshots} snapshots stand in {}\nchain {} at entry {}\n",
        to.display(),
        head.hash,
        head.seq
    );
    for finding in restored.unread.iter().chain(&report.findings) {
        text.push_str(&format!("{finding}\n"));
    }
    if restored.left_out > 0 {
        text.push_str(&format!(
            "{} numbers are left out behind it, so that none is used twice\n",
            restored.left_out
        ));
    }
    text.push_str("next: put this hub's config and secrets in place, then `anling run`\n");
    print_text(&text)?;
    if !report.is_sound() || !restored.unread.is_empty() {
        remark(
            "the old record is damaged: what could be read stands here, and `anling run` goes on \
             with it; keep the old disk, and `anling journal verify` names what is lost",
        );
    }
    remark(
        "the old box must stay off: two hubs with one identity call people twice, and the district \
         takes the events of one for repeats of the other's",
    );
    Ok(())
}
