//! Reading the config for a command.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::config::{self, Checked, Files, Secrets, Settings, Severity, accepted};
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
        None => {
            let wrong = problems.iter().filter(|p| p.severity == Severity::Problem).count();
            let dir = dir.display();
            let says = format!(
                "the config in {dir} has {wrong} problems: run `anling check --config {dir}`"
            );
            Err(Failure::new(exit::CONFIG, says))
        }
    }
}

/// The same for the daemon: where the directory cannot be used, the last accepted set is.
pub(super) fn load_or_accepted(dir: &Path, state: Option<&Path>) -> Result<Loaded, Failure> {
    let refused = match load(dir, state) {
        Ok(loaded) => return Ok(loaded),
        Err(refused) => refused,
    };
    let state_dir = state.unwrap_or(Path::new(STATE_DIR));
    match accepted::load(state_dir) {
        Ok(Some(files)) => match config::check(&files).settings {
            Some(settings) => {
                eprintln!("anling: {}; running on the last accepted config", refused.says);
                Ok(loaded(dir, files, settings, Some(state_dir), true))
            }
            None => Err(refused),
        },
        Ok(None) => Err(refused),
        Err(error) => Err(Failure::new(exit::CONFIG, format!("{}; {error}", refused.says))),
    }
}

fn loaded(dir: &Path, files: Files, settings: Settings, state: Option<&Path>, old: bool) -> Loaded {
    let state_dir = state.map_or_else(|| settings.gateway.state_dir.clone(), Path::to_owned);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let secrets = Secrets::of(credentials, &state_dir, dir);
    Loaded { settings, files, secrets, state_dir, old }
}

/// Asks the running hub of a config directory.
pub(super) fn ask(dir: &Path, ask: &Ask) -> Result<Reply, Failure> {
    let socket = load(dir, None)?.settings.gateway.socket;
    let reply = super::runtime()?.block_on(desk::ask(&socket, ask)).map_err(|error| {
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
        Reply::Refused { why } => Err(Failure::new(exit::NOT_RIGHT, why)),
        told => Ok(told),
    }
}

/// What should never come: an answer to another question.
pub(super) fn odd_answer() -> Failure {
    Failure::new(exit::UNREACHABLE, "the hub answered something else: is it another version?")
}
