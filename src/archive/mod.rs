//! The archive: what can be looked up long after the engine has forgotten it. Incidents by day and
//! by code, the history of a device, response times, and when each device was last heard.
//!
//! It promises nothing that the record does not hold: everything in it is made of entries that are
//! on disk, and is made again from them whenever the folder is missing, is damaged, refuses to open
//! or belongs to another record. Only life signs between two turns of a device are its own; they are
//! telemetry and may be lost with it. So it may be sled, which loses more than a record may, and a
//! weakness of sled costs a rebuild and never an event.
//!
//! One thread, the [`Archivist`], owns it all and stands back behind everything else. The desk hands it
//! pages of entries once they are on disk and never waits: what does not fit is dropped, and the
//! archivist reads it from the record by its own cursor. Each page is written with the cursor in one
//! batch, and each sheet says which entry it covers, so that a rebuild, a page and a second reading
//! meet without a gap and nothing counts twice. A sheet is the engine's own [`crate::incident::Incident`],
//! led by the engine's own `apply`, so that what is looked up cannot differ from what was shown.
//!
//! Full disks: below a floor of free space nothing is written, and the archive says so.

mod archivist;
mod desk_end;
mod error;
mod figures;
mod filing;
mod keeping;
mod question;
mod sheet;
mod shelf;
#[cfg(test)]
mod tests;

pub use archivist::{Place, Source};
pub use desk_end::{Archivist, PAGE_MAX, Page, QUESTIONS_MAX, is_kept};
pub use error::ArchiveError;
pub use figures::{Figures, RESPONSE_DAYS, ResponseTimes, State};
pub use question::{Answer, Found, Past, Question};
pub use sheet::{NOTES_KEPT, Sheet, Trace, TraceEvent};
