//! The last accepted set: the texts of a config directory as they last passed the check, kept in
//! the state directory, so that a start with a broken config still hears calls.
//!
//! One file, written aside, forced, renamed, and the directory forced: a cut leaves the former set
//! or the new one. Its first line is the SHA-256 of the rest, so that a damaged file is told from a
//! good one and never used. Texts are kept rather than settings: a later version reads them with
//! its own eyes, and `check` can show problems in them. Neither secrets nor the registry's files are
//! in it: residents have one home, the journal, where they can be forgotten. So the settings of a
//! loaded set hold no rows, and that says nothing about who is registered.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::Files;

/// Its name in the state directory.
pub const FILE_NAME: &str = "accepted-config.json";

/// Why the accepted set cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum AcceptedError {
    /// It could not be written; the former one is still there.
    #[error("the accepted config could not be written to {}: look at the disk", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is there and could not be read.
    #[error("the accepted config {} could not be read: look at the disk", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the accepted config {} is damaged and not used: correct the config directory", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// What stands in the file after its first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    dir: String,
    texts: BTreeMap<String, String>,
}

/// The only version so far.
const VERSION: u32 = 1;

/// Keeps a set that passed the check. Nothing is written when it is kept already.
pub fn save(state_dir: &Path, files: &Files) -> Result<(), AcceptedError> {
    let path = state_dir.join(FILE_NAME);
    let texts = files.texts().filter(|(name, _)| !name.starts_with("registry/"));
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let kept = Kept { version: VERSION, dir: files.dir.clone(), texts };
    let write = || -> io::Result<()> {
        let body = serde_json::to_string(&kept)?;
        let whole = format!("{}\n{body}\n", digest(&body));
        if fs::read(&path).is_ok_and(|there| there == whole.as_bytes()) {
            return Ok(());
        }
        fs::create_dir_all(state_dir)?;
        let aside = state_dir.join(format!("{FILE_NAME}.new"));
        let mut file = File::create(&aside)?;
        file.write_all(whole.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(state_dir)?.sync_all()
    };
    write().map_err(|source| AcceptedError::Write { path: path.clone(), source })
}

/// The set that was last kept, without the registry's files; `None` when none ever was.
pub fn load(state_dir: &Path) -> Result<Option<Files>, AcceptedError> {
    let path = state_dir.join(FILE_NAME);
    let whole = match fs::read(&path) {
        Ok(whole) => whole,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(AcceptedError::Read { path, source }),
    };
    let kept = understand(&whole).ok_or(AcceptedError::Damaged { path })?;
    let texts = kept.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Some(Files::of(&kept.dir, texts)))
}

fn understand(whole: &[u8]) -> Option<Kept> {
    let (sum, body) = std::str::from_utf8(whole).ok()?.split_once('\n')?;
    let body = body.strip_suffix('\n')?;
    if sum != digest(body) {
        return None;
    }
    serde_json::from_str(body).ok().filter(|kept: &Kept| kept.version == VERSION)
}

fn digest(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residents_are_not_kept_a_second_time() {
        let state = tempfile::tempdir().unwrap();
        let row = ("registry/residents.csv", "id,name\nR0001,王桂芳\n");
        save(state.path(), &Files::of("x", [("links.toml", ""), row])).unwrap();
        let kept = load(state.path()).unwrap().unwrap();
        assert_eq!(kept.texts().collect::<Vec<_>>(), [("links.toml", "")]);
    }

    fn set() -> Files {
        Files::of("/etc/anling", [("gateway.toml", "[hub]\nid = \"中\"\n"), ("links.toml", "")])
    }

    #[test]
    fn an_accepted_set_comes_back_as_it_was() {
        let state = tempfile::tempdir().unwrap();
        assert!(load(state.path()).unwrap().is_none());
        save(&state.path().join("new"), &set()).unwrap();
        assert_eq!(load(&state.path().join("new")).unwrap(), Some(set()));
    }

    #[test]
    fn a_torn_or_changed_set_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        save(state.path(), &set()).unwrap();
        let path = state.path().join(FILE_NAME);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(load(state.path()), Err(AcceptedError::Damaged { .. })), "{cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(matches!(load(state.path()), Err(AcceptedError::Damaged { .. })), "{at}");
        }
    }

    #[test]
    fn a_cut_while_writing_leaves_the_former_set() {
        let state = tempfile::tempdir().unwrap();
        save(state.path(), &set()).unwrap();
        fs::write(state.path().join(format!("{FILE_NAME}.new")), "half a fi").unwrap();
        assert_eq!(load(state.path()).unwrap(), Some(set()));
        let next = Files::of("/etc/anling", [("gateway.toml", "x")]);
        save(state.path(), &next).unwrap();
        assert_eq!(load(state.path()).unwrap(), Some(next));
    }
}
