//! What can be asked of the archive, and what it answers.

use super::ArchiveError;
use super::figures::State;
use super::sheet::{Sheet, Trace};
use super::shelf::{Shelf, code_key, day_key, id_in, sheet_key, trace_key, unseal};
use crate::terms::{Code, DeviceId, IncidentId, Seq, Wall};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The incidents that began in a span of time.
    Span {
        /// From then on.
        from: Wall,
        /// Before then.
        to: Wall,
        /// At most so many, the newest.
        most: usize,
    },
    /// The newest incident that had a code.
    Code(Code),
    /// One incident.
    Id(IncidentId),
    /// What is remembered of a device.
    History {
        /// Which.
        device: DeviceId,
        /// At most so much, the newest.
        most: usize,
    },
}

/// An incident that was looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its sheet.
    pub sheet: Sheet,
    /// Where the words of its notes stand is on the sheet; here they are, oldest first, where one
    /// incident was asked for.
    pub notes: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Incidents, oldest first.
    Incidents {
        /// They.
        incidents: Vec<Past>,
        /// There are older ones in the span.
        more: bool,
    },
    /// Traces of a device, oldest first.
    Traces(Vec<Trace>),
    /// Nothing: the archive cannot be used, or does not know of it.
    Nothing,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How far the archive was: what it has not reached is not in the answer.
    pub state: State,
    /// What was found.
    pub found: Found,
}

/// Looks an answer up; the words of notes are added by who can read the record.
pub(super) fn look_up(shelf: &Shelf, question: &Question) -> Result<Found, ArchiveError> {
    match question {
        Question::Span { from, to, most } => span(shelf, *from, *to, *most),
        Question::Code(code) => newest_of(shelf, *code),
        Question::Id(id) => Ok(one(shelf.get(&sheet_key(*id))?)),
        Question::History { device, most } => history(shelf, device, *most),
    }
}

fn span(shelf: &Shelf, from: Wall, to: Wall, most: usize) -> Result<Found, ArchiveError> {
    let (mut ids, mut more) = (Vec::new(), false);
    let range = day_key(from, IncidentId(0))..day_key(to.max(from), IncidentId(0));
    shelf.each(range, true, |key, _| {
        more = ids.len() >= most;
        ids.extend(id_in(key).filter(|_| !more));
        Ok(!more)
    })?;
    let mut incidents = Vec::with_capacity(ids.len());
    for id in ids.into_iter().rev() {
        let sheet = shelf.get::<Sheet>(&sheet_key(id))?;
        incidents.extend(sheet.map(|sheet| Past { sheet, notes: Vec::new() }));
    }
    Ok(Found::Incidents { incidents, more })
}

fn newest_of(shelf: &Shelf, code: Code) -> Result<Found, ArchiveError> {
    let mut newest = None;
    let range = code_key(code, IncidentId(0))..=code_key(code, IncidentId(u64::MAX));
    shelf.each(range, true, |key, _| {
        newest = id_in(key);
        Ok(false)
    })?;
    Ok(one(match newest {
        Some(id) => shelf.get(&sheet_key(id))?,
        None => None,
    }))
}

fn one(sheet: Option<Sheet>) -> Found {
    match sheet {
        Some(sheet) => {
            let incidents = vec![Past { sheet, notes: Vec::new() }];
            Found::Incidents { incidents, more: false }
        }
        None => Found::Nothing,
    }
}

fn history(shelf: &Shelf, device: &DeviceId, most: usize) -> Result<Found, ArchiveError> {
    let mut traces = Vec::new();
    let range = trace_key(device, Seq(0))..=trace_key(device, Seq(u64::MAX));
    shelf.each(range, true, |key, value| {
        let enough = traces.len() >= most;
        if !enough {
            traces.push(unseal::<Trace>(key, value)?);
        }
        Ok(!enough)
    })?;
    traces.reverse();
    Ok(Found::Traces(traces))
}
