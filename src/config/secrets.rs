//! Secrets: looked up by name, never written in a config file.
//!
//! A name is a file: in the directory of systemd credentials if there is one (there also with
//! `secret_` before it, as a unit that hands over a whole directory names it), else in `secrets/` of
//! the state directory, else in `secrets/` of the config directory, each with mode 0600. A
//! secret that is not there is a warning of `check`, so that a fresh directory can be checked
//! before anything is secret; at `run` whatever needs it stays out, loudly, and all else runs. A
//! file that others can read is a problem, because then it is no secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::codes::{self, Code};
use super::files::Files;
use super::problem::{Findings, Problem, Said, Spot};
use crate::terms::Secret;

/// Longest secret in bytes. Own choice: a bearer token with claims fits.
pub const SECRET_MAX_BYTES: u64 = 8 << 10;

/// What systemd puts before the names of a directory's files: `LoadCredential=secret:DIRECTORY`.
const CREDENTIAL_PREFIX: &str = "secret_";

/// How many names one warning lists.
const NAMED_MAX: usize = 6;

/// A place in a config file that names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The secret's name.
    pub name: String,
    pub(super) at: Spot,
}

/// Where secrets are looked up, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The directory of systemd credentials; its files are systemd's own, whatever their mode.
    pub credentials: Option<PathBuf>,
    /// Directories of files with mode 0600.
    pub dirs: Vec<PathBuf>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is in no place.
    #[error("there is no secret {name}: write it to {} with mode 0600", .wanted.display())]
    Missing {
        /// Its name.
        name: String,
        /// Where it should stand.
        wanted: PathBuf,
    },
    /// Others can read its file.
    #[error("others can read {}: set its mode to 0600", .path.display())]
    Mode {
        /// The file.
        path: PathBuf,
    },
    /// It is empty or too long.
    #[error("{} is empty or longer than {SECRET_MAX_BYTES} bytes: write the secret alone into it", .path.display())]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// Its file cannot be read.
    #[error("{} cannot be read: let the user that runs anling read it", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Secrets {
    /// The places of a hub: `credentials` is the value of `CREDENTIALS_DIRECTORY`.
    pub fn of(credentials: Option<PathBuf>, state_dir: &Path, config_dir: &Path) -> Self {
        Self { credentials, dirs: vec![state_dir.join("secrets"), config_dir.join("secrets")] }
    }

    /// Reads a secret. One line end after it is not part of it. A place that cannot be read does not
    /// hide the next one: a hub whose state directory is gone must still let its devices sign in.
    pub fn find(&self, name: &str) -> Result<Secret, SecretError> {
        let wanted = self.dirs.first().or(self.credentials.as_ref());
        let missing = || SecretError::Missing {
            name: name.to_owned(),
            wanted: wanted.map(|dir| dir.join(name)).unwrap_or_default(),
        };
        if !is_secret_name(name) {
            return Err(missing());
        }
        let handed_over = self.credentials.iter().flat_map(|dir| {
            [(dir.join(name), false), (dir.join(format!("{CREDENTIAL_PREFIX}{name}")), false)]
        });
        let mut unreadable = None;
        for (path, needs_mode) in
            handed_over.chain(self.dirs.iter().map(|dir| (dir.join(name), true)))
        {
            match read(&path, needs_mode) {
                Ok(Some(secret)) => return Ok(secret),
                Ok(None) => {}
                Err(why @ SecretError::Read { .. }) => unreadable = unreadable.or(Some(why)),
                Err(why) => return Err(why),
            }
        }
        Err(unreadable.unwrap_or_else(missing))
    }

    /// Looks up every secret that is named and tells what is wrong with them; missing ones are one
    /// warning a file.
    pub fn check(&self, uses: &[SecretUse], files: &Files) -> Vec<Problem> {
        let mut out = Findings::new(files);
        let mut missing: BTreeMap<&str, Vec<(&SecretUse, SecretError)>> = BTreeMap::new();
        for wanted in uses {
            match self.find(&wanted.name) {
                Ok(_) => {}
                Err(error @ SecretError::Missing { .. }) => {
                    missing.entry(wanted.at.file).or_default().push((wanted, error));
                }
                Err(error) => {
                    let code: &Code = &codes::SECRET_MODE;
                    let (message, help) = split(&error.to_string());
                    out.add(code, &wanted.at, message, help);
                }
            }
        }
        for (first, others) in missing.values().filter_map(|list| list.split_first()) {
            let (message, help) = split(&first.1.to_string());
            let names: Vec<_> =
                others.iter().map(|(wanted, _)| wanted.name.as_str()).take(NAMED_MAX).collect();
            let message = match others.len() - names.len() {
                _ if names.is_empty() => message,
                0 => format!("{message}; nor {}", names.join(", ")),
                more => format!("{message}; nor {} and {more} more", names.join(", ")),
            };
            let help = format!("{help}; until then what needs it stays out");
            out.add(&codes::SECRET_MISSING, &first.0.at, message, help);
        }
        out.into_problems()
    }
}

/// What is wrong, and what to do.
fn split(text: &str) -> (String, String) {
    let (message, help) = text.split_once(": ").unwrap_or((text, "look at the file"));
    (message.to_owned(), help.to_owned())
}

fn read(path: &Path, needs_mode: bool) -> Result<Option<Secret>, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if needs_mode && about.permissions().mode() & 0o077 != 0 {
        return Err(SecretError::Mode { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(SECRET_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || bytes.len() as u64 > SECRET_MAX_BYTES {
        return Err(SecretError::Size { path: path.to_owned() });
    }
    Ok(Some(Secret::new(line)))
}

/// Letters, digits, `-`, `_` and `.`, not beginning with a dot: a file name and nothing else.
fn is_secret_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}

/// Takes a secret's name and notes where it stands.
pub(super) fn secret_name(
    said: Option<Said<&str>>,
    out: &mut Findings<'_>,
    uses: &mut Vec<SecretUse>,
) -> Option<String> {
    let said = said?;
    if !is_secret_name(said.value) {
        out.add(
            &codes::BAD_SECRET_NAME,
            &said.at,
            "secret takes the name of a file, not the secret itself",
            "use letters, digits, - and _; the secret stands in a file of that name, mode 0600",
        );
        return None;
    }
    uses.push(SecretUse { name: said.value.to_owned(), at: said.at });
    Some(said.value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(dir: &Path, name: &str, text: &str, mode: u32) {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_credential_comes_before_a_file_and_a_file_needs_its_mode() {
        let (credentials, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secrets = Secrets {
            credentials: Some(credentials.path().to_owned()),
            dirs: vec![dir.path().to_owned()],
        };
        place(credentials.path(), "press", "from systemd", 0o440);
        place(credentials.path(), "secret_hall", "of a directory", 0o440);
        place(dir.path(), "press", "from a file", 0o600);
        place(dir.path(), "mail", "hunter2\r\n", 0o600);
        place(dir.path(), "open", "x", 0o644);
        place(dir.path(), "empty", "\n", 0o600);
        assert_eq!(secrets.find("press").unwrap().expose_text(), Some("from systemd"));
        assert_eq!(secrets.find("hall").unwrap().expose_text(), Some("of a directory"));
        assert_eq!(secrets.find("mail").unwrap().expose_text(), Some("hunter2"));
        assert!(matches!(secrets.find("open"), Err(SecretError::Mode { .. })));
        assert!(matches!(secrets.find("empty"), Err(SecretError::Size { .. })));
        assert!(matches!(secrets.find("none"), Err(SecretError::Missing { .. })));
        assert!(matches!(secrets.find("../mail"), Err(SecretError::Missing { .. })));
    }

    #[test]
    fn a_place_that_cannot_be_read_does_not_hide_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        place(dir.path(), "press", "here", 0o600);
        let dirs = vec![dir.path().join("file/secrets"), dir.path().to_owned()];
        let secrets = Secrets { credentials: None, dirs };
        assert_eq!(secrets.find("press").unwrap().expose_text(), Some("here"));
        assert!(matches!(secrets.find("none"), Err(SecretError::Read { .. })));
    }

    #[test]
    fn missing_secrets_are_one_warning_and_an_open_one_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        place(dir.path(), "open", "x", 0o644);
        let secrets = Secrets { credentials: None, dirs: vec![dir.path().to_owned()] };
        let files = Files::of("x", [("links.toml", "secret = 1\n")]);
        let at = Spot { file: "links.toml", span: 0..6 };
        let uses = ["a", "b", "open"].map(|name| SecretUse { name: name.into(), at: at.clone() });
        let problems = secrets.check(&uses, &files);
        let told: Vec<_> = problems.iter().map(|p| (p.code, p.line)).collect();
        assert_eq!(told, [("secret-mode", Some(1)), ("secret-missing", Some(1))]);
        assert_eq!(problems[1].message, "there is no secret a; nor b");
    }
}
