//! What is kept on the disk: old segments go by the rule, room is watched, ballast lies.
//!
//! A segment goes when everything in it is older than `keep`, outside the newest `keep_entries`,
//! delivered to every endpoint or given up by a named person, and stood for by two snapshots. It is
//! said in the record first and goes once that is on disk; a hub that is killed between finds the
//! files still there and begins anew. Nothing goes while the disk fails, the clock is not trusted,
//! or the old record is still being read in the background. Looking blocks on the disk, so it is
//! done beside the loop, and each step is taken up in a later turn.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::vitals::turned;
use super::{Desk, Turn};
use crate::incident::{Retired, Stimulus};
use crate::journal::{Finding, Keep, Lost, Retirable};
use crate::terms::{At, Kind, Seq, Wait, Wall};

/// How often it is looked for segments that may go. Own choice: one look reads at most a segment
/// more than goes.
const RETIRE_EVERY: Wait = Wait::hours(1);

/// How far the retiring is.
pub(super) enum Retiring {
    /// Nothing is to go, or it went.
    Resting {
        /// Since when; none right after the start.
        since: Option<At>,
    },
    /// The journal looks what may go.
    Looking(oneshot::Receiver<Option<Retirable>>),
    /// It is written down that these go.
    Said {
        /// In this entry.
        at: Seq,
        /// They.
        going: Retirable,
    },
}

impl Desk {
    /// Takes the next step, if there is one to take.
    pub(super) fn retire_old(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        match &mut self.vitals.retiring {
            Retiring::Resting { since } => {
                if since.is_none_or(|since| now - since >= RETIRE_EVERY) && self.may_look() {
                    self.look_what_may_go(now);
                }
            }
            Retiring::Looking(told) => match told.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {}
                Ok(Some(going)) => self.say_what_goes(turn, going),
                Ok(None) | Err(oneshot::error::TryRecvError::Closed) => {
                    self.vitals.retiring = Retiring::Resting { since: Some(now) };
                }
            },
            Retiring::Said { at, going } => {
                if self.ears.durable.borrow().covers(*at) {
                    let (journal, going) = (self.journal.clone(), *going);
                    tokio::task::spawn_blocking(move || match journal.retire(&going) {
                        Ok(files) => info!(files, through = going.through.seq.0, "retired"),
                        Err(why) => warn!(%why, "what is left goes with the next"),
                    });
                    self.vitals.retiring = Retiring::Resting { since: Some(now) };
                }
            }
        }
    }

    /// A hub younger than the limit has nothing to look for.
    fn may_look(&self) -> bool {
        // Closed: the scrub has read what a retiring could take away from under it.
        let old_enough = self.clock.now().0 > self.settings.gateway.keep.0;
        old_enough
            && self.vitals.is_safe()
            && self.clock.wall().trusted
            && self.ears.findings.is_closed()
    }

    fn look_what_may_go(&mut self, now: At) {
        let gateway = &self.settings.gateway;
        let newest = self.book.first_of_newest(gateway.keep_entries);
        let undelivered = self.book.first_undelivered().unwrap_or(newest);
        let long_ago = i64::try_from(gateway.keep.0).unwrap_or(i64::MAX);
        let keep = Keep {
            at: At(now.0.saturating_sub(gateway.keep.0)),
            wall: Wall(self.clock.wall().wall.0.saturating_sub(long_ago)),
            from: newest.min(undelivered),
        };
        let (tell, told) = oneshot::channel();
        let journal = self.journal.clone();
        tokio::task::spawn_blocking(move || {
            let going = journal.retirable(&keep).unwrap_or_else(|why| {
                warn!(%why, "nothing is retired");
                None
            });
            // A desk that has ended wants no answer.
            let _ = tell.send(going);
        });
        self.vitals.retiring = Retiring::Looking(told);
    }

    fn say_what_goes(&mut self, turn: &mut Turn, going: Retirable) {
        let retired = Retired {
            through: going.through.seq,
            chain: going.through.hash.to_string(),
            older_than: self.settings.gateway.keep,
            newest: self.settings.gateway.keep_entries,
        };
        let said = self.decide(turn, &Stimulus::Retired(retired));
        self.vitals.retiring = match said {
            true => Retiring::Said { at: turn.newest(), going },
            false => Retiring::Resting { since: Some(self.clock.now()) },
        };
    }

    /// A record whose beginning is neither there nor retired has lost files.
    pub(super) fn look_at_beginning(&mut self, begins: Seq) {
        if begins > self.book.retired() {
            let lost = Lost { first: self.book.retired().next(), last: Some(begins) };
            let before = "the oldest segment".to_owned();
            self.own_finding(&Finding::Missing { before, lost });
        }
    }

    /// Watches the room on the disk: below the limit what was set aside goes and a fault is raised;
    /// with room again, ballast that was given up is laid anew.
    pub(super) fn look_at_space(&mut self, turn: &mut Turn) {
        let free = self.journal.free_bytes().ok();
        self.vitals.disk_free = free;
        let low = free.is_some_and(|free| free < self.settings.gateway.min_free_bytes);
        if turned(&mut self.vitals.space_low, low).is_some() {
            self.trouble(turn, Kind::DiskSpace, "journal".to_owned(), low);
            if low {
                let journal = self.journal.clone();
                tokio::task::spawn_blocking(move || match journal.drop_aside() {
                    Ok(0) => {}
                    Ok(files) => warn!(files, "what was set aside in the record's folder is gone"),
                    Err(why) => warn!(%why, "no room was made"),
                });
            }
        }
        let lies = &self.vitals.ballast_lies;
        if low {
            // Whether it was given up is seen when there is room again.
            lies.store(false, Ordering::Release);
        } else if self.settings.gateway.ballast_bytes > 0 && !lies.load(Ordering::Acquire) {
            let (journal, lies) = (self.journal.clone(), Arc::clone(lies));
            tokio::task::spawn_blocking(move || {
                lies.store(journal.lay_ballast().unwrap_or(false), Ordering::Release);
            });
        }
    }
}
