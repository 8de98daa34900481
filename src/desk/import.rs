//! The registry's way in: the files at the first start, and later what `import` brings.
//!
//! Rows are facts like any other, but thousands at once, so an import is written a part in each
//! turn, behind the calls of that turn, and taken into use by the one fact that closes it: see
//! `incident/brought.rs` for why it counts whole or not at all. The first intake goes the same way:
//! cut in the middle, the next start finds an empty registry and takes the files in anew.
//!
//! One import at a time, and only on the registry that the person who said yes was shown. Rows are
//! judged by the command that brings them; the desk trusts whoever may use its socket, with rows as
//! with answers, and holds back only what the record could not take.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::{Desk, DeskError, ENTRIES_MAX, JOURNAL_DIR, Turn};
use crate::counter::{IMPORT_MAX, Import, Imported, Reply};
use crate::incident::{Entry, Fact, IncidentBook, Stimulus};
use crate::journal::{BATCH_MAX, ENTRY_MAX, JournalError, Onlooker, OsDisk, Record, look};
use crate::registry::csv::Table;
use crate::registry::{Change, Registry, Row, changes};
use crate::roster::DutyChange;
use crate::terms::{HomeId, HubId, ImportId, StationId};

/// Changes written in one turn: one frame of the journal, so that a press waits for one force more
/// at most.
const PART: usize = 512;
/// The same at a start, when nobody is heard yet.
const PART_AT_START: usize = BATCH_MAX / 2;
/// Longest change as JSON, in bytes: what an entry says beside it is far shorter than the rest.
const CHANGE_MAX_BYTES: usize = ENTRY_MAX - 256;

/// An import on its way into the record.
pub(super) struct Importing {
    import: ImportId,
    rows: usize,
    left: std::vec::IntoIter<Change>,
    reply: Option<oneshot::Sender<Reply>>,
}

impl Importing {
    fn of(import: ImportId, changes: Vec<Change>) -> Self {
        Self { import, rows: changes.len(), left: changes.into_iter(), reply: None }
    }

    /// The same for somebody who waits for its end.
    pub(super) fn answering(self, reply: oneshot::Sender<Reply>) -> Self {
        Self { reply: Some(reply), ..self }
    }
}

fn fits(change: &Change) -> bool {
    serde_json::to_vec(change).map_or(usize::MAX, |text| text.len()) <= CHANGE_MAX_BYTES
}

/// What a record says about the hub.
#[derive(Debug)]
pub struct Recorded {
    /// Who lives where.
    pub registry: Registry,
    /// Whose record it is; `None` where no start has said so yet.
    pub hub: Option<HubId>,
    /// What people have changed about the duty plan.
    pub changes: Vec<DutyChange>,
}

/// What stands in the record of a state directory, read without touching it: also beside a running
/// hub. `None` where no record is.
///
/// # Errors
/// When the record cannot be read.
pub fn recorded(state_dir: &Path) -> Result<Option<Recorded>, JournalError> {
    let dir = state_dir.join(JOURNAL_DIR);
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut book = IncidentBook::default();
    look(&OsDisk, &dir, &mut Reader(&mut book))?;
    let (registry, hub) = (book.registry().clone(), book.hub().cloned());
    Ok(Some(Recorded { registry, hub, changes: book.duty_changes().cloned().collect() }))
}

/// Applies what a registry is made of and what says whose it is, and passes everything else over.
struct Reader<'b>(&'b mut IncidentBook);

impl Onlooker for Reader<'_> {
    fn snapshot(&mut self, bytes: &[u8]) -> bool {
        match serde_json::from_slice(bytes) {
            Ok(book) => {
                *self.0 = book;
                true
            }
            Err(_) => false,
        }
    }

    fn record(&mut self, record: Record) {
        let Record { seq, at, wall, body } = record;
        let Ok(entry) = Entry::from_body(seq, at, wall, &body) else { return };
        let matters = matches!(
            entry.fact,
            Fact::RegistryChanged { .. }
                | Fact::RegistryBrought { .. }
                | Fact::RegistryTaken { .. }
                | Fact::DutyChanged { .. }
                | Fact::DutyUndone { .. }
        );
        if matters || IncidentBook::is_about_hub(&entry.fact) {
            drop(self.0.apply(&entry));
        }
    }
}

impl Desk {
    /// Checks whether an import can be begun; the refusal says what to do.
    pub(super) fn begin_import(&self, import: Import) -> Result<Importing, String> {
        let Import { based_on, changes } = import;
        let refused = |why: &str| Err(why.to_owned());
        if self.importing.is_some() {
            return refused("another import is being written down: look at the difference again");
        }
        if based_on != self.book.registry_at() {
            return refused(
                "the registry has changed since this difference was shown: look at it again",
            );
        }
        if !self.vitals.is_safe() {
            return refused(
                "the disk fails, so nothing was imported: see `anling status`, then try again",
            );
        }
        if !(1..=IMPORT_MAX).contains(&changes.len()) {
            let found = changes.len();
            return Err(format!(
                "{found} changes came, 1 to {IMPORT_MAX} fit: bring the files one by one"
            ));
        }
        if let Some(change) = changes.iter().find(|change| !fits(change)) {
            return Err(format!(
                "the row {:?} is too long for the record: shorten it",
                change.id()
            ));
        }
        if let Some((home, station)) = changes.iter().find_map(|change| self.nowhere(change)) {
            return Err(format!(
                "{home} names the station {station}, which is not in gateway.toml: add it there and \
                 reload, or correct the row; nothing was imported"
            ));
        }
        Ok(Importing::of(self.book.next_import(), changes))
    }

    /// A home and its station, where the config has none of that name: what is exported later would be
    /// a config that cannot be used.
    fn nowhere<'c>(&self, change: &'c Change) -> Option<(&'c HomeId, &'c StationId)> {
        let Change::Set(Row::Home(home)) = change else { return None };
        let station = home.station.as_ref()?;
        (!self.settings.roster.stations.contains_key(station)).then_some((&home.id, station))
    }

    /// Writes down a part of the import, and after its last part that it counts.
    pub(super) fn import_part(&mut self, turn: &mut Turn) {
        if turn.entries() >= ENTRIES_MAX {
            return;
        }
        let Some(mut importing) = self.importing.take() else { return };
        self.bring(turn, &mut importing, PART);
        if importing.left.len() > 0 {
            self.importing = Some(importing);
            return;
        }
        let Importing { import, rows, reply, .. } = importing;
        let taken = self.take(turn, import, rows);
        self.intake.relearn(&self.settings, self.book.registry());
        self.supervision.gaps.retain(|device| self.book.registry().device(device).is_some());
        if let Some(reply) = reply {
            let told = match taken {
                true => Reply::Imported(Imported { import, rows, stored_at: None }),
                false => super::answers::refused(
                    "a row could not be written down, so nothing was imported: see the log",
                ),
            };
            turn.replies.push((turn.newest(), (reply, told)));
        }
    }

    /// Takes the whole import into use; it is not whole where the record refused a row.
    fn take(&mut self, turn: &mut Turn, import: ImportId, rows: usize) -> bool {
        let before = self.book.registry_at();
        self.decide(turn, &Stimulus::Take { import, rows });
        let taken = self.book.registry_at() > before;
        match taken {
            true => info!(rows, "the rows are taken into use"),
            false => error!(rows, "an import is not whole and is not taken into use"),
        }
        taken
    }

    fn bring(&mut self, turn: &mut Turn, importing: &mut Importing, most: usize) {
        let changes: Vec<Change> = importing.left.by_ref().take(most).collect();
        self.decide(turn, &Stimulus::Bring { import: importing.import, changes });
    }

    /// Takes the config's files in where nothing is registered yet; gives the turn to go on with.
    pub(super) async fn take_in_files(&mut self, mut turn: Turn) -> Result<Turn, DeskError> {
        let mut rows = changes(
            self.book.registry(),
            &Table::brought(&self.settings.rows),
            &self.settings.rows,
        );
        // A row too long for the record stays out alone.
        rows.retain(|row| {
            let fits = fits(row);
            if !fits {
                error!(row = ?row.id(), "a row is too long for the record and stays out: shorten it");
            }
            fits
        });
        info!(rows = rows.len(), "the registry is taken in from its files");
        if rows.is_empty() {
            return Ok(turn);
        }
        let mut importing = Importing::of(self.book.next_import(), rows);
        while importing.left.len() > 0 {
            self.bring(&mut turn, &mut importing, PART_AT_START);
            if turn.entries() >= PART_AT_START {
                self.write_down(turn).await?;
                turn = Turn::new(self.next_seq);
            }
        }
        self.take(&mut turn, importing.import, importing.rows);
        Ok(turn)
    }

    /// The files are taken in once; later the record is the registry's home. Somebody who has edited
    /// them since must not believe that the hub knows. Their rows are let go: a hub of 3,000 devices
    /// does not hold its registry twice.
    pub(super) fn compare_registry(&mut self) {
        if self.settings.rows.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut Arc::make_mut(&mut self.settings).rows);
        let differ = changes(self.book.registry(), &Table::brought(&rows), &rows).len();
        if differ > 0 {
            warn!(
                rows = differ,
                "the registry's files differ from the record, and the record holds: \
                 `anling import` shows how, and takes them into use"
            );
        }
    }
}
