//! The benchmark of the whole house: `cargo bench --bench house [-- SECTION… --short --out FILE]`.
//!
//! Every figure that depends on the machine stands beside a floor measured in the same run, on the
//! same disk, with the same receiver and the same sizes: append, `fdatasync`, HTTP POST, and nothing
//! else. The hub runs as its own process from the optimised binary; presses come over raw MQTT, and a
//! press counts from the moment its bytes are handed to the kernel until the receiver has the whole
//! event. Figures are medians over rounds, because a disk shared with others jumps. It is a command
//! and no test: nothing fails here because a machine is slow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on has nothing to report"
)]

mod buttons;
mod decode;
mod devices;
mod district;
mod duty_plan;
mod faults;
mod floor;
mod house;
mod idle;
mod latency;
mod machine;
mod open_cost;
mod past;
mod receiver;
mod record;
mod serial;
mod start;
mod storm;
mod table;
mod wear;

use std::path::PathBuf;

use table::Table;

/// What was asked for.
pub struct Run {
    /// Shorter rounds, for a look in under two minutes.
    pub short: bool,
    /// Where houses are built; on the disk that is measured.
    pub dir: PathBuf,
}

impl Run {
    /// One of two numbers: for a full run, for a short one.
    pub fn pick<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

type Section = (&'static str, fn(&Run, &mut Table));

const SECTIONS: [Section; 13] = [
    ("latency", latency::measure),
    ("serial", serial::measure),
    ("storm", storm::measure),
    ("journal", record::measure),
    ("start", start::measure),
    ("idle", idle::measure),
    ("cost", open_cost::measure),
    ("decode", decode::measure),
    ("devices", devices::measure),
    ("faults", faults::measure),
    ("district", district::measure),
    ("duty", duty_plan::measure),
    ("wear", wear::measure),
];

fn main() {
    let mut wanted: Vec<String> = Vec::new();
    let (mut short, mut out) = (false, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // cargo says this to every benchmark.
            "--bench" => {}
            "--short" => short = true,
            "--out" => out = words.next().map(PathBuf::from),
            section if SECTIONS.iter().any(|(name, _)| *name == section) => {
                wanted.push(section.to_owned());
            }
            other => {
                let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
                eprintln!("{other}: unknown; use --short, --out FILE or {}", names.join(", "));
                std::process::exit(2);
            }
        }
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let run = Run { short, dir: place.path().to_owned() };
    let mut table = Table::default();
    machine::facts(&run, &mut table);
    for (name, measure) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("… {name}");
            measure(&run, &mut table);
        }
    }
    let text = table.to_string();
    print!("{text}");
    if let Some(path) = out {
        std::fs::write(path, text).unwrap();
    }
}
