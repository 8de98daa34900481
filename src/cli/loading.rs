//! Reading the config for a command.

use std::path::{Path, PathBuf};

use super::{Dirs, Failure};
use crate::config::{self, Checked, Files, Problem, Secrets, Settings, Severity, accepted};
use crate::counter::{Ask, Reply};
use crate::{desk, exit};

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
pub(super) fn load(dirs: Dirs<'_>) -> Result<Loaded, Failure> {
    let files = config::read(dirs.config);
    let Checked { settings, problems, .. } = config::check(&files);
    match settings {
        Some(settings) => Ok(loaded(dirs, files, settings, false)),
        None => Err(Failure::new(exit::CONFIG, unusable(dirs.config, &problems))),
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
pub(super) fn load_or_accepted(dirs: Dirs<'_>) -> Result<Loaded, Failure> {
    let refused = match load(dirs) {
        Ok(loaded) => return Ok(loaded),
        Err(refused) => refused,
    };
    let said =
        dirs.state.map(Path::to_owned).or_else(|| config::state_dir(&config::read(dirs.config)));
    let state = said.unwrap_or_else(|| config::STATE_DIR.into());
    match accepted::load(&state) {
        Ok(Some(files)) => match config::check(&files).settings {
            Some(settings) => {
                Ok(loaded(Dirs { state: Some(&state), ..dirs }, files, settings, true))
            }
            None => Err(refused),
        },
        Ok(None) => {
            let (says, state) = (refused.says, state.display());
            let says = format!(
                "{says}. None was accepted in {state} either: name the hub's state directory with \
                 --state"
            );
            Err(Failure::new(exit::CONFIG, says))
        }
        Err(error) => Err(Failure::new(exit::CONFIG, format!("{}; {error}", refused.says))),
    }
}

/// The state directory: the one that is named, else the one in gateway.toml, however wrong the rest
/// of the config is.
pub(super) fn state_dir(dirs: Dirs<'_>) -> Result<PathBuf, Failure> {
    let said = dirs.state.map(Path::to_owned);
    match said.or_else(|| config::state_dir(&config::read(dirs.config))) {
        Some(state) => Ok(state),
        None => Ok(load(dirs)?.state_dir),
    }
}

fn loaded(dirs: Dirs<'_>, files: Files, settings: Settings, old: bool) -> Loaded {
    let state_dir = dirs.state.map_or_else(|| settings.gateway.state_dir.clone(), Path::to_owned);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let secrets = Secrets::of(credentials, &state_dir, dirs.config);
    Loaded { settings, files, secrets, state_dir, old }
}

/// Asks the running hub of a config directory.
pub(super) fn ask(dirs: Dirs<'_>, question: &Ask) -> Result<Reply, Failure> {
    ask_of(&load_or_accepted(dirs)?, question)
}

/// Asks the hub that runs on this config.
pub(super) fn ask_of(loaded: &Loaded, ask: &Ask) -> Result<Reply, Failure> {
    ask_at(&loaded.settings.gateway.socket, ask).map_err(|failure| {
        if failure.code != exit::UNREACHABLE || !loaded.old {
            return failure;
        }
        let (says, state) = (failure.says, loaded.state_dir.display());
        let says = format!(
            "{says}. The config on disk cannot be used, so the last accepted one in {state} was \
             asked for the address: --state names another"
        );
        Failure::new(exit::UNREACHABLE, says)
    })
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
