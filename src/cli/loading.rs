//! Reading the config for a command.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::config::{self, Checked, Files, Problem, Secrets, Settings, Severity, accepted};
use crate::counter::{Ask, Reply};
use crate::{desk, exit};

/// Where a broken config's state directory is looked for when nobody names one.
const STATE_DIR: &str = "/var/lib/anling";

/// A config that can be used.
pub(super) struct Loaded {
    pub(super) settings: Settings,
    pub(super) files: Files,
    pub(super) secrets: Secrets,
    pub(super) state_dir: PathBuf,
    /// It is the last accepted one, because the directory's cannot be used.
    pub(super) old: bool,
}

/// Reads and checks the directory; a command needs it to be right.
pub(super) fn load(dir: &Path, state: Option<&Path>) -> Result<Loaded, Failure> {
    let files = config::read(dir);
    let Checked { settings, problems, .. } = config::check(&files);
    match settings {
        Some(settings) => Ok(loaded(dir, files, settings, state, false)),
        None => Err(Failure::new(exit::CONFIG, unusable(dir, &problems))),
    }
}

/// What is wrong with a directory, and what to do: the problem itself where it is the only one.
fn unusable(dir: &Path, problems: &[Problem]) -> String {
    let wrong: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Problem).collect();
    let dir = dir.display();
    match wrong.as_slice() {
        [one] => {
            let file = if one.file.is_empty() { String::new() } else { format!("{}: ", one.file) };
            format!("{file}{}; {}", one.message, one.help)
        }
        many => {
            let count = many.len();
            format!("the config in {dir} has {count} problems: run `anling check --config {dir}`")
        }
    }
}

/// The same for the daemon and for those who talk to it: where the directory cannot be used, the
/// last accepted set is, because that is what a hub runs on.
pub(super) fn load_or_accepted(dir: &Path, state: Option<&Path>) -> Result<Loaded, Failure> {
    let refused = match load(dir, state) {
        Ok(loaded) => return Ok(loaded),
        Err(refused) => refused,
    };
    let named = state.map(Path::to_owned).or_else(|| state_in(dir));
    let state_dir = named.unwrap_or_else(|| STATE_DIR.into());
    match accepted::load(&state_dir) {
        Ok(Some(files)) => match config::check(&files).settings {
            Some(settings) => Ok(loaded(dir, files, settings, Some(&state_dir), true)),
            None => Err(refused),
        },
        Ok(None) => Err(refused),
        Err(error) => Err(Failure::new(exit::CONFIG, format!("{}; {error}", refused.says))),
    }
}

/// The state directory that gateway.toml names, however wrong the rest is.
fn state_in(dir: &Path) -> Option<PathBuf> {
    let files = config::read(dir);
    let gateway: toml::Table = files.text("gateway.toml")?.parse().ok()?;
    Some(gateway.get("storage")?.get("state")?.as_str()?.into())
}

fn loaded(dir: &Path, files: Files, settings: Settings, state: Option<&Path>, old: bool) -> Loaded {
    let state_dir = state.map_or_else(|| settings.gateway.state_dir.clone(), Path::to_owned);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let secrets = Secrets::of(credentials, &state_dir, dir);
    Loaded { settings, files, secrets, state_dir, old }
}

/// Asks the running hub of a config directory.
pub(super) fn ask(dir: &Path, ask: &Ask) -> Result<Reply, Failure> {
    ask_at(&load_or_accepted(dir, None)?.settings.gateway.socket, ask)
}

/// Asks the hub that answers on this socket.
pub(super) fn ask_at(socket: &Path, ask: &Ask) -> Result<Reply, Failure> {
    let reply = super::runtime()?.block_on(desk::ask(socket, ask)).map_err(|error| {
        let socket = socket.display();
        let says = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                format!("no hub answers at {socket}: start it with `anling run`")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("you may not use {socket}: ask as root or as a member of its group")
            }
            _ => format!("the hub at {socket} did not answer: {error}; see its log"),
        };
        Failure::new(exit::UNREACHABLE, says)
    })?;
    match reply {
        Reply::Refused { why, .. } => Err(Failure::new(exit::NOT_RIGHT, why)),
        told => Ok(told),
    }
}

/// What should never come: an answer to another question.
pub(super) fn odd_answer() -> Failure {
    Failure::new(exit::UNREACHABLE, "the hub answered something else: is it another version?")
}
