//! What can go wrong with the archive, cut by what has to be done about it.

/// Why the archive cannot go on as it is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk does not let it: full, read-only, not ours. What stands there is kept, and tried
    /// again.
    #[error("the archive's folder cannot be used: look at the disk and at its owner")]
    Unusable(#[source] std::io::Error),
    /// Another process holds it.
    #[error("another hub holds the archive: stop it")]
    Held,
    /// What stands there is not what was written: it is set aside, and rebuilt.
    #[error("the archive is damaged and is rebuilt from the record: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The record could not be read on.
    #[error("the record cannot be read for the archive: look at the disk")]
    Unread(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ArchiveError {
    pub(super) fn unusable(error: std::io::Error) -> Self {
        Self::Unusable(error)
    }

    /// The error with its cause, in one sentence.
    pub(super) fn sentence(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
