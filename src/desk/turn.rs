//! One turn's facts on their way to disk, and what may happen once they are there.

use tokio::time::timeout;
use tracing::{error, info, warn};

use super::{Desk, DeskError};
use crate::counter::Reply;
use crate::incident::{Effect, Entry, Fact, IncidentBook};
use crate::journal::{Answer, BATCH_MAX, Batch, Draft, JournalError, Pending, Urgency};
use crate::terms::{At, Command, FeedbackStage, Receipt, Seq, Wait, WallReading};

/// How long a force may take before the desk goes on without it, as if the disk had failed. 2 s: a
/// device repeats after that, and the slowest healthy card measured forces in a fifth of it.
const DISK_PATIENCE: Wait = Wait::secs(2);

/// Turns that may wait for a hanging disk beside the writer's own queue; beyond it the hub ends with
/// a word. Own choice: hours of a quiet house, and below 100 MB in a storm.
const UNSENT_MAX: usize = 16_384;

/// Somebody who waits for an answer: where it goes, and how to make it from the stored time.
type Waiting = (tokio::sync::oneshot::Sender<Reply>, Reply);

/// What one turn has gathered.
pub(super) struct Turn {
    first: Seq,
    next: Seq,
    drafts: Vec<Draft>,
    urgent: bool,
    /// What was said in the answers decided about, by entry.
    answers: Vec<(usize, Fact)>,
    /// Effects with the fact that caused them.
    pub(super) effects: Vec<(Seq, Effect)>,
    /// Acknowledgements owed, with the newest fact they wait for.
    pub(super) receipts: Vec<(Seq, Receipt)>,
    /// Answers owed to people.
    pub(super) replies: Vec<(Seq, Waiting)>,
}

impl Turn {
    pub(super) fn new(first: Seq) -> Self {
        Self {
            first,
            next: first,
            drafts: Vec::new(),
            urgent: false,
            answers: Vec::new(),
            effects: Vec::new(),
            receipts: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// How many entries it has.
    pub(super) fn entries(&self) -> usize {
        self.drafts.len()
    }

    /// The newest fact so far, this turn's or an earlier one: what an acknowledgement waits for.
    pub(super) fn newest(&self) -> Seq {
        Seq(self.next.0.saturating_sub(1))
    }

    /// The answers among the entries from `before` on.
    pub(super) fn facts_since(&self, before: usize) -> impl Iterator<Item = &Fact> {
        self.answers.iter().filter(move |(at, _)| *at >= before).map(|(_, fact)| fact)
    }

    /// Applies a fact and keeps it for the disk. A fact too long for an entry is not applied: what
    /// cannot be replayed must not have happened.
    pub(super) fn record(
        &mut self,
        book: &mut IncidentBook,
        at: At,
        wall: WallReading,
        fact: Fact,
    ) -> Option<Seq> {
        if self.drafts.len() >= BATCH_MAX {
            error!("a turn has more than {BATCH_MAX} facts; the rest of them are dropped");
            return None;
        }
        let seq = self.next;
        let entry = Entry { seq, at, wall: wall.wall, trusted: wall.trusted, fact };
        let draft = match Draft::new(at, wall.wall, entry.to_body()) {
            Ok(draft) => draft,
            Err(why) => {
                error!(%why, fact = entry.fact.name(), "a fact is too long for the record");
                return None;
            }
        };
        self.urgent |= !entry.fact.can_wait();
        if matches!(entry.fact, Fact::AnswerHeard { .. }) {
            self.answers.push((self.drafts.len(), entry.fact.clone()));
        }
        self.drafts.push(draft);
        self.next = seq.next();
        log(&entry);
        self.effects.extend(book.apply(&entry).into_iter().map(|effect| (seq, effect)));
        Some(seq)
    }
}

/// The morning report: one line a fact, without names, places or numbers of people.
fn log(entry: &Entry) {
    match &entry.fact {
        Fact::Delivered { .. } | Fact::RegistryChanged { .. } => {}
        Fact::OutcomeHeard { order, outcome, .. } => {
            tracing::debug!(seq = entry.seq.0, %order, ?outcome, "outcome_heard");
        }
        fact => match fact.incident() {
            Some(incident) => info!(seq = entry.seq.0, %incident, "{}", fact.name()),
            None => info!(seq = entry.seq.0, "{}", fact.name()),
        },
    }
}

impl Desk {
    /// Forces the turn's facts to disk once, then lets out what waited for them. If the disk fails
    /// or hangs, people are called all the same; receipts and `stored` stay back.
    pub(super) async fn write_down(&mut self, turn: Turn) -> Result<(), DeskError> {
        let Turn { first, drafts, urgent, effects, receipts, replies, .. } = turn;
        let limit = self.clock.now() + DISK_PATIENCE;
        for (seq, receipt) in receipts {
            self.held.receipt(seq, limit, receipt);
        }
        for (seq, (to, reply)) in replies {
            self.held.reply(seq, to, reply);
        }
        for (seq, effect) in effects {
            self.held.effect(seq, limit, effect);
        }
        if !drafts.is_empty() {
            let urgency = if urgent { Urgency::Urgent } else { Urgency::Unhurried };
            self.unsent.push_back(Batch::new(drafts, urgency)?.beginning_at(first));
        }
        if let Some(pending) = self.hand_in()?.filter(|_| urgent) {
            self.wait_for_disk(pending.answer()).await?;
        }
        self.look_at_disk(Seq(first.0.saturating_sub(1)));
        self.let_out();
        Ok(())
    }

    /// Hands batches to the record's writer, in order; the last one's answer. A writer with no room
    /// is held up by its disk: the rest stays here, because the record counts without gaps.
    fn hand_in(&mut self) -> Result<Option<Pending>, DeskError> {
        let mut newest = None;
        while let Some(batch) = self.unsent.pop_front() {
            match self.journal.try_commit(batch) {
                Ok(pending) => newest = Some(pending),
                Err((JournalError::Full, batch)) => {
                    self.unsent.push_front(batch);
                    self.vitals.disk_hangs(Seq(self.next_seq.0.saturating_sub(1)));
                    if self.unsent.len() > UNSENT_MAX {
                        return Err(DeskError::DiskHangs);
                    }
                    return Ok(None);
                }
                Err((gone, _)) => return Err(gone.into()),
            }
        }
        Ok(newest)
    }

    async fn wait_for_disk(
        &mut self,
        answer: impl Future<Output = Result<Answer, JournalError>>,
    ) -> Result<(), DeskError> {
        if self.vitals.hangs() {
            return Ok(());
        }
        match timeout(DISK_PATIENCE.std(), answer).await {
            Ok(Ok(Answer::Durable(_) | Answer::Volatile(_))) => Ok(()),
            Ok(Ok(Answer::OutOfOrder { next })) => Err(DeskError::OutOfStep { next }),
            Ok(Err(gone)) => Err(gone.into()),
            Err(_) => {
                warn!("the disk has not answered for {DISK_PATIENCE}: calling people without it");
                self.vitals.disk_hangs(Seq(self.next_seq.0.saturating_sub(1)));
                Ok(())
            }
        }
    }

    /// Lets out everything whose fact is on disk, and what must not wait for a failing one.
    pub(super) fn let_out(&mut self) {
        let durable = self.ears.durable.borrow().clone();
        let volatile = !self.vitals.is_safe();
        let stored_at = self.clock.wall().wall;
        let ready = self.held.release(&durable, volatile, self.clock.now(), stored_at);
        for effect in ready {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Order(id) => self.outbox.offer_order(&self.book, &id, false),
            Effect::Withdrawn(id) => self.outbox.withdraw(&id),
            Effect::Story(seq, endpoint) => self.outbox.offer_story(&endpoint, seq),
            Effect::Feedback(command) => self.tell_device(&command),
        }
    }

    /// Says how far a call has come: on the device's serial line, if it has one, and on the broker,
    /// where `anling press` listens for any device. What does not fit is asked for by the device's
    /// repeat.
    pub(super) fn tell_device(&mut self, command: &Command) {
        self.tell_on_line(command);
        let Some(broker) = &self.broker else { return };
        let device = command.device.as_str();
        let named = device.strip_prefix("native-mqtt:").unwrap_or(device);
        let Ok(device) = crate::terms::DeviceId::new(named) else { return };
        let command = Command { device, ..command.clone() };
        let (topic, payload) = crate::contract::encode(&command, &self.settings.gateway.hub);
        if let Err(full) = broker.publish(&topic, payload, false) {
            warn!(%full, stage = command.stage.word(), "feedback was not sent");
        }
    }
}

/// Whether this feedback says that something is on disk.
pub(super) fn says_stored(effect: &Effect) -> bool {
    matches!(effect, Effect::Feedback(command) if command.stage == FeedbackStage::Stored)
}
