//! What the journal cannot do for its caller, cut by what the caller must do. A failing disk is not
//! here: the journal goes on in memory and says so in [`super::Durable`].

use std::io;

/// Why the journal did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process holds the folder: do not start.
    #[error(
        "another hub already runs on this journal: stop it, or choose another --state directory"
    )]
    Held,
    /// A draft or batch beyond its limit: a bug in the caller, nothing was written.
    #[error("the {what} is too long ({found}, at most {limit}): cut it where it is made")]
    TooLong {
        /// `entry` (bytes) or `batch` (entries).
        what: &'static str,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The folder or a file in it cannot be read: an operator must look.
    #[error("cannot read the journal at {path}: check that the path is right and may be read")]
    Unreadable {
        /// The folder or file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file beside the segments could not be written: try again when the disk is well.
    #[error("cannot write the {what}: free space or check the disk, then try again")]
    Unwritable {
        /// `snapshot`, `ballast`, `export`, `restored record`, `retired segments` …
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The committer is no more: end the process, the next start replays.
    #[error("the journal's writer has ended: restart the hub")]
    Gone,
    /// The queue to the committer is full: hand in again.
    #[error("the journal's queue is full: hand the batch in again")]
    Full,
    /// A record stands where one was to be restored: nothing was written.
    #[error("a record stands at {path} already: move it away, or choose another --state directory")]
    Occupied {
        /// The journal folder.
        path: String,
    },
    /// A restore into the folder was cut: a person must finish it, or a fresh record would give
    /// events names that other systems know already.
    #[error(
        "a restore into {path} was not finished: run `anling restore` again, or remove {path}.restoring to begin an empty record"
    )]
    HalfRestored {
        /// The journal folder.
        path: String,
    },
    /// An export does not agree with its own hashes: do not rely on it.
    #[error("the export is not as it was written, at line {line}: {why}; export again")]
    ExportWrong {
        /// Line of the export, from 1.
        line: usize,
        /// What does not agree.
        why: &'static str,
    },
}
