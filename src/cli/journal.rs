//! `anling journal tail|verify|export`: the record, read without touching it, also beside a running
//! hub.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::loading::{ask, odd_answer, state_dir};
use super::{Dirs, Failure, Outcome, escaped, has_gone_away, print_as_it_is, print_text, remark};
use crate::counter::{Ask, Reply};
use crate::desk::JOURNAL_DIR;
use crate::exit;
use crate::incident::{Entry, Fact, Retired};
use crate::journal::{
    Finding, Head, JournalError, Lost, OsDisk, Record, export, tail, verify_reading,
};
use crate::terms::{EndpointId, Seq, Wait, Wall};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    /// Give up what a webhook or platform is owed and cannot be told any more, so that the record may grow old
    GiveUp {
        /// Its name in notify.toml or district.toml
        endpoint: String,
        /// Who gives it up: a person's id, or a name that only one person has
        #[arg(long = "as", value_name = "PERSON")]
        by: String,
    },
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

pub(super) fn journal(dirs: Dirs<'_>, args: &Args) -> Outcome {
    if let Does::GiveUp { endpoint, by } = &args.does {
        return give_up(dirs, endpoint, by);
    }
    let dir = state_dir(dirs)?.join(JOURNAL_DIR);
    match &args.does {
        Does::Tail { lines } => print_tail(&dir, *lines),
        Does::Verify => print_verify(&dir),
        Does::GiveUp { .. } => Ok(()),
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
        out.push_str(&format!("{}\n", escaped(&line.to_string())));
    }
    print_as_it_is(&out)
}

fn give_up(dirs: Dirs<'_>, endpoint: &str, by: &str) -> Outcome {
    let by = super::incident::person(dirs, by)?;
    let named = EndpointId::new(endpoint);
    let named = named.map_err(|error| Failure::of(exit::USAGE, &error))?;
    match ask(dirs, &Ask::GiveUp { endpoint: named, by })? {
        Reply::GivenUp { events } => print_text(&format!(
            "{endpoint}: {events} events given up; it is never told them, the record keeps them\n"
        )),
        _ => Err(odd_answer()),
    }
}

/// What the record says about its own beginning.
fn retirings(record: &Record, said: &mut Vec<(Wall, Retired)>) {
    const NAME: &[u8] = b"\"segments_retired\"";
    if !record.body.windows(NAME.len()).any(|bytes| bytes == NAME) {
        return;
    }
    let entry = Entry::from_body(record.seq, record.at, record.wall, &record.body);
    if let Ok(Entry { fact: Fact::SegmentsRetired { retired }, .. }) = entry {
        said.push((record.wall, retired));
    }
}

/// Why the record begins where it does; `None` where nothing in it says so.
fn beginning(before: Head, said: &[(Wall, Retired)]) -> Option<String> {
    let Head { seq, hash } = before;
    let names = |retired: &Retired| {
        retired.through > seq || (retired.through == seq && retired.chain == hash.to_string())
    };
    let (wall, retired) = said.iter().find(|(_, retired)| names(retired))?;
    let day = jiff::Timestamp::from_millisecond(wall.0).map_or_else(
        |_| "a day that no calendar has".to_owned(),
        |time| time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
    );
    let days = retired.older_than.0 / Wait::hours(24).0;
    Some(format!(
        "entries 1 to {seq} were retired on {day}: older than {days} days, not among the newest {}, \
         delivered or given up, and stood for by two snapshots\n",
        retired.newest
    ))
}

fn print_verify(dir: &Path) -> Outcome {
    let mut said = Vec::new();
    let report = verify_reading(&OsDisk, dir, &mut |record| retirings(&record, &mut said));
    let mut report = report.map_err(|error| storage(&error))?;
    let mut why = String::new();
    if report.before.seq > Seq(0) {
        match beginning(report.before, &said) {
            Some(sentence) => why = sentence,
            None => {
                let lost = Lost { first: Seq(1), last: Some(report.before.seq) };
                let before = "the oldest file, and nothing says that they were retired".to_owned();
                report.findings.insert(0, Finding::Missing { before, lost });
            }
        }
    }
    print_text(&format!("{why}{report}\n"))?;
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
