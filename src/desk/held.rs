//! What waits for the disk: receipts, `stored`, orders, events and answers to people.
//!
//! Each waits for one fact. While the disk works, everything leaves in order once that fact is
//! forced. While it fails, orders, events and answers leave at once, because people must be called
//! (law 6); receipts and `stored` stay until the fact is safe after all or their limit has passed,
//! and then they are refused, so that the device repeats.
//!
//! A view waits as well: it shows state that the turn may only just have made, and whoever reads a
//! new call on a page takes it for written down (law 1). It is made in the turn and let out once the
//! newest fact that cannot wait is forced; while the disk fails it leaves with the word that memory
//! is at risk. This was chosen over keeping a second book of what is on disk, which would double
//! memory and work for a difference of milliseconds. Facts that can wait (a message was handed over,
//! an event was taken) are not waited for: losing one repeats a message and takes nothing back that
//! a person was shown about a call.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::turn::says_stored;
use crate::counter::{RecordView, Reply, Status};
use crate::incident::Effect;
use crate::journal::Durable;
use crate::terms::{At, Receipt, Seq, Wall};

/// How many `stored` may wait while the disk fails; the oldest is dropped, and its device repeats.
const STORED_MAX: usize = 16_384;

#[derive(Debug)]
enum Item {
    Receipt(Receipt),
    Stored(Effect),
}

/// The waiting room.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What says that something is on disk, with its fact and its limit.
    receipts: VecDeque<(Seq, At, Item)>,
    effects: VecDeque<(Seq, Effect)>,
    replies: VecDeque<(Seq, oneshot::Sender<Reply>, Reply)>,
    /// The newest fact that cannot wait, of all turns so far.
    pub(super) newest_urgent: Seq,
}

impl Held {
    pub(super) fn receipt(&mut self, seq: Seq, limit: At, receipt: Receipt) {
        self.receipts.push_back((seq, limit, Item::Receipt(receipt)));
    }

    pub(super) fn effect(&mut self, seq: Seq, limit: At, effect: Effect) {
        if !says_stored(&effect) {
            self.effects.push_back((seq, effect));
            return;
        }
        self.receipts.push_back((seq, limit, Item::Stored(effect)));
        if self.receipts.len() > STORED_MAX {
            self.receipts.pop_front();
        }
    }

    pub(super) fn reply(&mut self, seq: Seq, to: oneshot::Sender<Reply>, reply: Reply) {
        self.replies.push_back((seq, to, reply));
    }

    /// When the first receipt's limit is.
    pub(super) fn next_limit(&self) -> Option<At> {
        self.receipts.front().map(|(_, limit, _)| *limit)
    }

    /// Settles what can be settled and gives back what can be carried out, in order. `trouble` is why
    /// memory is at risk, while it is.
    pub(super) fn release(
        &mut self,
        durable: &Durable,
        trouble: Option<&str>,
        now: At,
        stored_at: Wall,
    ) -> Vec<Effect> {
        let volatile = trouble.is_some();
        let mut ready = Vec::new();
        while let Some((seq, limit, _)) = self.receipts.front() {
            let (safe, late) = (durable.covers(*seq), *limit <= now);
            if !safe && !late {
                break;
            }
            match self.receipts.pop_front() {
                Some((_, _, Item::Receipt(receipt))) if safe => receipt.stored(),
                Some((_, _, Item::Stored(effect))) if safe => ready.push(effect),
                // Refused by being dropped.
                _ => {}
            }
        }
        while let Some((seq, _)) = self.effects.front() {
            if !volatile && !durable.covers(*seq) {
                break;
            }
            ready.extend(self.effects.pop_front().map(|(_, effect)| effect));
        }
        while let Some((seq, _, _)) = self.replies.front() {
            let safe = durable.covers(*seq);
            if !volatile && !safe {
                break;
            }
            if let Some((_, to, mut reply)) = self.replies.pop_front() {
                say_where_it_is(&mut reply, safe, durable, trouble, stored_at);
                // Nobody may be waiting any more: what was said is done all the same.
                let _ = to.send(reply);
            }
        }
        ready
    }
}

/// Says in an answer whether what it tells is on disk, as it is at the moment it leaves.
fn say_where_it_is(
    reply: &mut Reply,
    safe: bool,
    durable: &Durable,
    trouble: Option<&str>,
    stored_at: Wall,
) {
    match reply {
        Reply::Moved(moved) => {
            moved.stored_at = safe.then_some(moved.stored_at.unwrap_or(stored_at));
        }
        Reply::Incident(view) => view.on_disk = safe,
        Reply::Incidents(views) => views.iter_mut().for_each(|view| view.on_disk = safe),
        Reply::List(list) => list.incidents.iter_mut().for_each(|view| view.on_disk = safe),
        Reply::Status(status) => say_how_it_is(status, durable, trouble),
        Reply::Figures(figures) => say_how_it_is(&mut figures.status, durable, trouble),
        Reply::Beat(beat) => {
            beat.seq = beat.seq.min(durable.head.seq);
            beat.record = record_view(trouble);
        }
        Reply::Imported(imported) => imported.stored_at = safe.then_some(stored_at),
        Reply::Past(past) => {
            past.incidents.iter_mut().filter(|view| !view.filed).for_each(|v| v.on_disk = safe);
        }
        Reply::Work(work) => work.on_disk = safe,
        Reply::Works(works) => works.iter_mut().for_each(|work| work.on_disk = safe),
        Reply::Swapped(swapped) => swapped.on_disk = safe,
        Reply::Resident(resident) => resident.on_disk = safe,
        Reply::DutyChanges(changes) => changes.on_disk = safe,
        Reply::History(_)
        | Reply::Devices(_)
        | Reply::Entries(_)
        | Reply::Roster(_)
        | Reply::Unregistered(_)
        | Reply::Person(_)
        | Reply::DryRun(_)
        | Reply::Joining(_)
        | Reply::GivenUp { .. }
        | Reply::Registry(_)
        | Reply::Strangers(_)
        | Reply::Refused { .. } => {}
    }
}

fn say_how_it_is(status: &mut Status, durable: &Durable, trouble: Option<&str>) {
    let on_disk = status.last_seq.min(durable.head.seq);
    status.entries = status.entries.saturating_sub(status.last_seq.0 - on_disk.0);
    status.last_seq = on_disk;
    status.record = record_view(trouble);
}

pub(super) fn record_view(trouble: Option<&str>) -> RecordView {
    match trouble {
        None => RecordView::Safe,
        Some(why) => RecordView::Volatile { why: why.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;
    use crate::journal::{Hash, Head, Standing};
    use crate::terms::{Command, DeviceId, FeedbackStage, Verdict};

    const FAILS: Option<&str> = Some("no space");

    fn durable(seq: u64, volatile: bool) -> Durable {
        let standing = match volatile {
            false => Standing::Safe,
            true => Standing::Volatile { since: At(0), error: Arc::from("no space"), kept: 1 },
        };
        Durable { head: Head { seq: Seq(seq), hash: Hash::NONE }, standing, gap: None }
    }

    fn feedback(stage: FeedbackStage) -> Effect {
        let device = DeviceId::new("B-14").unwrap();
        Effect::Feedback(Command { device, mark: None, stage })
    }

    fn one_of_each() -> (Held, mpsc::Receiver<Verdict>) {
        let mut held = Held::default();
        let (said, heard) = mpsc::channel();
        held.receipt(Seq(5), At(2_000), Receipt::new(move |v| said.send(v).unwrap()));
        held.effect(Seq(5), At(2_000), feedback(FeedbackStage::Stored));
        held.effect(Seq(5), At(2_000), feedback(FeedbackStage::Accepted));
        (held, heard)
    }

    #[test]
    fn nothing_leaves_before_its_fact_is_on_disk() {
        let (mut held, heard) = one_of_each();
        assert!(held.release(&durable(4, false), None, At(10), Wall(0)).is_empty());
        assert!(heard.try_recv().is_err());
        let ready = held.release(&durable(5, false), None, At(20), Wall(0));
        assert_eq!(ready.len(), 2);
        assert_eq!(heard.try_recv(), Ok(Verdict::Stored));
    }

    #[test]
    fn while_the_disk_fails_people_are_called_and_receipts_stay_back_until_their_limit() {
        let (mut held, heard) = one_of_each();
        let ready = held.release(&durable(4, true), FAILS, At(10), Wall(0));
        assert_eq!(ready, [feedback(FeedbackStage::Accepted)]);
        assert!(heard.try_recv().is_err());
        assert_eq!(held.next_limit(), Some(At(2_000)));
        assert!(held.release(&durable(4, true), FAILS, At(2_000), Wall(0)).is_empty());
        assert_eq!(heard.try_recv(), Ok(Verdict::Refused));
    }

    #[test]
    fn a_disk_that_comes_back_in_time_releases_the_receipt() {
        let (mut held, heard) = one_of_each();
        held.release(&durable(4, true), FAILS, At(10), Wall(0));
        let ready = held.release(&durable(5, false), None, At(1_900), Wall(0));
        assert_eq!(ready, [feedback(FeedbackStage::Stored)]);
        assert_eq!(heard.try_recv(), Ok(Verdict::Stored));
    }
}
