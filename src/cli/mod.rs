//! The commands: each reads its arguments, does one thing, and ends with one of the fixed codes.
//!
//! Every error is one or two sentences that say what to do next. `--json` is for scripts and stays
//! stable; everything else is for people and may be worded better at any time. Colours only on a
//! terminal without `NO_COLOR`. A reader that has gone away ends a command quietly: the code is the
//! one it would have had, so that `journal verify | head -1` still says that a chain is broken.

mod away;
mod batteries;
mod button;
mod check;
mod commission;
mod conform;
mod coverage;
mod demo;
mod devices;
mod difference;
mod duty;
mod export;
mod import;
mod incident;
mod incidents;
mod journal;
mod lists;
mod loading;
mod log;
mod press;
mod reload;
mod restore;
mod roster;
mod run;
mod status;
mod swap;
mod work;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::exit;
use crate::terms::{is_plain, plain};

/// Where the config is looked for: `config/`, or what a package sets when it is built.
const CONFIG_DIR: &str = match option_env!("ANLING_CONFIG_DIR") {
    Some(dir) => dir,
    None => "config",
};

/// 安铃 — hears emergency buttons, writes each call to disk, and calls people until one comes.
#[derive(Debug, Parser)]
#[command(name = "anling", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// The config directory
    #[arg(long, global = true, value_name = "DIR", default_value = CONFIG_DIR)]
    config: PathBuf,
    /// Where the hub keeps its state, in place of `state` in gateway.toml
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// Where a command finds the hub.
#[derive(Debug, Clone, Copy)]
struct Dirs<'a> {
    /// The config directory.
    config: &'a Path,
    /// The state directory, where one is named.
    state: Option<&'a Path>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub in the foreground
    Run(run::Args),
    /// The whole story on this machine: a press, the calls, a person accepting, arriving, closing
    Demo(demo::Args),
    /// Every problem of the config directory at once
    Check(check::Args),
    /// Pretend to be a device, over MQTT, and wait until the hub has stored it
    Press(press::Args),
    /// How the hub is, in ten lines
    Status(status::Args),
    /// The incidents
    Incidents(incidents::Args),
    /// See an incident, or move it as a named person
    Incident(incident::Args),
    /// Every device: its place, when it was last heard, its battery
    Devices(devices::Args),
    /// Does this device keep the firmware contract? Pass or fail for each clause
    Conform(conform::Args),
    /// Register a home's devices, press every point, and see that each reaches somebody
    Commission(commission::Args),
    /// Press every point and see that it is heard; nobody is called for them
    WalkTest(work::WalkTest),
    /// Work on devices: what they say is held back for a while, fire and gas excepted
    Maintenance(work::Maintenance),
    /// Say that a resident is away, and until when: nobody asks after them
    Away(away::Away),
    /// Say that you spoke with a resident or saw them: a sign of life
    Seen(away::Seen),
    /// Give a point another device
    Swap(swap::Args),
    /// Take over the record of a box that is dead
    Restore(restore::Args),
    /// Who is on duty
    Roster(roster::Args),
    /// Show what lists would change in the hub's registry, ask, and take them into use
    Import(import::Args),
    /// Write the hub's registry as lists
    Export(export::Args),
    /// The hash-chained record
    Journal(journal::Args),
}

/// Why a command ends otherwise than asked.
#[derive(Debug)]
struct Failure {
    code: i32,
    says: String,
}

impl Failure {
    fn new(code: i32, says: impl Into<String>) -> Self {
        Self { code, says: says.into() }
    }

    /// An error with everything behind it, in one line; what a cause says again is said once.
    fn of(code: i32, error: &dyn std::error::Error) -> Self {
        let mut says = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let why = error.to_string();
            if !says.contains(&why) {
                says.push_str(&format!(": {why}"));
            }
            cause = error.source();
        }
        Self { code, says }
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command line and gives the exit code.
pub fn main() -> i32 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and are no mistake.
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            let _ = error.print();
            return code;
        }
    };
    // A second provider cannot be there yet; if it were, it would serve as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dirs = Dirs { config: &cli.config, state: cli.state.as_deref() };
    let outcome = match cli.command {
        Command::Run(args) => run::run(dirs, &args),
        Command::Demo(args) => demo::demo(&args),
        Command::Check(args) => check::check(dirs, &args),
        Command::Press(args) => press::press(dirs, &args),
        Command::Status(args) => status::status(dirs, &args),
        Command::Devices(args) => devices::devices(dirs, &args),
        Command::Incidents(args) => incidents::incidents(dirs, &args),
        Command::Incident(args) => incident::incident(dirs, &args),
        Command::Conform(args) => conform::conform(&args),
        Command::Commission(args) => commission::commission(dirs, &args),
        Command::WalkTest(args) => work::walk_test(dirs, &args),
        Command::Maintenance(args) => work::maintenance(dirs, &args),
        Command::Away(args) => away::away(dirs, &args),
        Command::Seen(args) => away::seen(dirs, &args),
        Command::Swap(args) => swap::swap(dirs, &args),
        Command::Restore(args) => restore::restore(dirs, &args),
        Command::Roster(args) => roster::roster(dirs, &args),
        Command::Import(args) => import::import(dirs, &args),
        Command::Export(args) => export::export(dirs, &args),
        Command::Journal(args) => journal::journal(dirs, &args),
    };
    match outcome {
        Ok(()) => exit::OK,
        Err(Failure { code, says }) => {
            if !says.is_empty() {
                remark(&says);
            }
            code
        }
    }
}

/// A runtime for commands that talk to a hub.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(exit::BUG, &error))
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Outcome {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::of(exit::BUG, &error))?;
    print_as_it_is(&format!("{}\n", escaped(&text)))
}

/// JSON in which every character that a terminal or a reader's eye might obey is written by its
/// number: nothing is lost, and nothing turns the line around.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => text.push(c),
            c if is_plain(c) => text.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text
}

/// Prints text for people: whatever was typed into a note or a list commands no terminal.
fn print_text(text: &str) -> Outcome {
    print_as_it_is(&lines_of(text))
}

/// The lines, each without what cannot be seen.
fn lines_of(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Prints text whose colours, if it has any, are our own.
fn print_as_it_is(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if has_gone_away(&error) => Ok(()),
        Err(error) => {
            let says = format!("standard output takes nothing more: {error}; send it elsewhere");
            Err(Failure::new(exit::NOT_RIGHT, says))
        }
    }
}

/// Whether the reader has seen enough (`| head`): a quiet end, because nothing is wrong here.
fn has_gone_away(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// One line beside the output. A closed standard error is nobody to tell.
fn remark(says: &str) {
    let _ = writeln!(io::stderr().lock(), "anling: {}", lines_of(says));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_loses_nothing_and_turns_no_line_around() {
        let said = serde_json::json!({ "note": "左\u{202e}膝\u{9b}2J 👍\n" });
        let text = escaped(&serde_json::to_string_pretty(&said).unwrap());
        assert!(text.chars().all(|c| c == '\n' || is_plain(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), said);
    }

    #[test]
    fn people_read_lines_and_nothing_that_a_terminal_obeys() {
        assert_eq!(lines_of("a\u{1b}[2J\nb\u{202e}c\n"), "a [2J\nbc\n");
    }
}
