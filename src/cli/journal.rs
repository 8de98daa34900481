//! `anling journal tail|verify|export`: the record, read without touching it, also beside a running
//! hub.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::loading::load;
use super::{Failure, Outcome, has_gone_away, print_text, remark};
use crate::desk::JOURNAL_DIR;
use crate::exit;
use crate::journal::{JournalError, OsDisk, export, tail, verify};
use crate::terms::Seq;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the hub keeps its state, in place of `state` in gateway.toml
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    does: Does,
}

#[derive(Debug, Subcommand)]
enum Does {
    /// The newest entries, one JSON object a line
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
    },
    /// Whether everything is as it was written; names the frame that is not
    Verify,
    /// Entries with the hashes that prove them, one JSON object a line
    Export {
        /// The first sequence
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// The last sequence
        #[arg(long, default_value_t = u64::MAX)]
        to: u64,
        /// A file in place of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(super) fn journal(config: &Path, args: &Args) -> Outcome {
    let dir = match &args.state {
        Some(state) => state.join(JOURNAL_DIR),
        None => load(config, None)?.settings.gateway.state_dir.join(JOURNAL_DIR),
    };
    match &args.does {
        Does::Tail { lines } => print_tail(&dir, *lines),
        Does::Verify => print_verify(&dir),
        Does::Export { from, to, out } => write_export(&dir, *from, *to, out.as_deref()),
    }
}

fn storage(error: &dyn std::error::Error) -> Failure {
    Failure::of(exit::STORAGE, error)
}

fn print_tail(dir: &Path, lines: usize) -> Outcome {
    let records = tail(&OsDisk, dir, lines).map_err(|error| storage(&error))?;
    let mut out = String::new();
    for record in records {
        let body: serde_json::Value = serde_json::from_slice(&record.body).unwrap_or_default();
        let line = serde_json::json!({
            "seq": record.seq, "at": record.at, "wall": record.wall, "body": body,
        });
        out.push_str(&format!("{line}\n"));
    }
    print_text(&out)
}

fn print_verify(dir: &Path) -> Outcome {
    let report = verify(&OsDisk, dir).map_err(|error| storage(&error))?;
    print_text(&format!("{report}\n"))?;
    match report.is_sound() {
        true => Ok(()),
        false => Err(Failure::new(
            exit::NOT_RIGHT,
            "the record is not whole: keep a copy of the folder and report it; the hub goes on",
        )),
    }
}

fn write_export(dir: &Path, from: u64, to: u64, out: Option<&Path>) -> Outcome {
    if from > to {
        let says = format!("--from {from} comes after --to {to}: name the earlier entry first");
        return Err(Failure::new(exit::USAGE, says));
    }
    let mut lines: Box<dyn Write> = match out {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|error| storage(&error))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let range = Seq(from)..=Seq(to);
    let done = match export(&OsDisk, dir, range, &mut lines) {
        // A pipe, not the disk: a file never has a reader that goes away.
        Err(JournalError::Unwritable { source, .. }) if has_gone_away(&source) => return Ok(()),
        done => done.map_err(|error| storage(&error))?,
    };
    remark(&format!("{} entries in {} frames", done.entries, done.frames));
    match done.findings.first() {
        None => Ok(()),
        Some(finding) => Err(Failure::new(exit::NOT_RIGHT, finding.to_string())),
    }
}
