//! One turn's facts on their way to disk, and what may happen once they are there.

use tokio::time::timeout;
use tracing::{error, info, warn};

use super::{Desk, DeskError};
use crate::archive::{Page, is_kept};
use crate::clock::Stopwatch;
use crate::counter::Reply;
use crate::incident::{Effect, Entry, Fact, IncidentBook};
use crate::journal::{Answer, BATCH_MAX, Batch, Draft, JournalError, Pending, Urgency};
use crate::terms::{At, Command, FeedbackStage, IncidentId, Receipt, Seq, Wait, WallReading};

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
    /// What the archive keeps of it.
    page: Vec<Entry>,
    /// All of it, where somebody follows.
    followed: Option<Vec<Entry>>,
    /// The newest fact that somebody waits for.
    urgent: Option<Seq>,
    /// What was said in the answers decided about, by entry.
    answers: Vec<(usize, Fact)>,
    /// Effects with the fact that caused them.
    pub(super) effects: Vec<(Seq, Effect)>,
    /// Acknowledgements owed, with the newest fact they wait for.
    pub(super) receipts: Vec<(Seq, Receipt)>,
    /// Answers owed to people.
    pub(super) replies: Vec<(Seq, Waiting)>,
    /// Lines for the log, written last: whoever waits for a call does not wait for them.
    lines: Vec<Line>,
}

/// One line of the log: the fact, without names, places or numbers of people.
struct Line {
    seq: Seq,
    incident: Option<IncidentId>,
    fact: &'static str,
}

impl Turn {
    pub(super) fn new(first: Seq) -> Self {
        Self {
            first,
            next: first,
            drafts: Vec::new(),
            page: Vec::new(),
            followed: None,
            urgent: None,
            answers: Vec::new(),
            effects: Vec::new(),
            receipts: Vec::new(),
            replies: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The same; whether somebody follows what comes of it.
    pub(super) fn followed(self, followed: bool) -> Self {
        Self { followed: followed.then(Vec::new), ..self }
    }

    /// How many entries it has.
    pub(super) fn entries(&self) -> usize {
        self.drafts.len()
    }

    /// The newest fact so far, this turn's or an earlier one: what an acknowledgement waits for.
    pub(super) fn newest(&self) -> Seq {
        Seq(self.next.0.saturating_sub(1))
    }

    /// The newest fact of this turn that cannot wait.
    pub(super) fn newest_urgent(&self) -> Option<Seq> {
        self.urgent
    }

    /// The answers among the entries from `before` on.
    pub(super) fn facts_since(&self, before: usize) -> impl Iterator<Item = &Fact> {
        self.answers.iter().filter(move |(at, _)| *at >= before).map(|(_, fact)| fact)
    }

    /// Applies the facts of one stimulus and keeps them for the disk: all of them or, when one is too
    /// long for an entry, none, because what cannot be replayed must not have happened.
    pub(super) fn record(
        &mut self,
        book: &mut IncidentBook,
        at: At,
        wall: WallReading,
        facts: Vec<Fact>,
    ) -> bool {
        let mut made = Vec::with_capacity(facts.len());
        let mut seq = self.next;
        for fact in facts {
            let entry = Entry { seq, at, wall: wall.wall, trusted: wall.trusted, fact };
            match Draft::new(at, wall.wall, entry.to_body()) {
                Ok(draft) => made.push((entry, draft)),
                Err(why) => {
                    let fact = entry.fact.name();
                    error!(%why, fact, "a fact is too long for the record: nothing is taken in");
                    return false;
                }
            }
            seq = seq.next();
        }
        for (entry, draft) in made {
            self.keep(book, entry, draft);
        }
        true
    }

    fn keep(&mut self, book: &mut IncidentBook, entry: Entry, draft: Draft) {
        if !entry.fact.can_wait() {
            self.urgent = Some(entry.seq);
        }
        if matches!(entry.fact, Fact::AnswerHeard { .. }) {
            self.answers.push((self.drafts.len(), entry.fact.clone()));
        }
        self.drafts.push(draft);
        self.next = entry.seq.next();
        self.lines.extend(Line::of(&entry));
        self.effects.extend(book.apply(&entry).into_iter().map(|effect| (entry.seq, effect)));
        if let Some(followed) = &mut self.followed {
            followed.push(entry.clone());
        }
        if is_kept(&entry.fact) {
            self.page.push(entry);
        }
    }

    /// Owes a message its acknowledgement: at once when it led to nothing that has to be on disk,
    /// else once everything so far is. A message that was not `recorded` is refused, so that its
    /// sender says it again. `before` is the newest fact before it.
    pub(super) fn acknowledge(
        &mut self,
        receipt: Receipt,
        before: Seq,
        must_wait: bool,
        recorded: bool,
    ) {
        if !recorded {
            receipt.refused();
        } else if must_wait || self.newest() > before {
            self.receipts.push((self.newest(), receipt));
        } else {
            receipt.stored();
        }
    }
}

/// A turn's entries as batches for the record's writer, in order.
fn batches(first: Seq, drafts: Vec<Draft>, urgency: Urgency) -> Result<Vec<Batch>, JournalError> {
    let mut batches = Vec::new();
    let (mut first, mut rest) = (first, drafts);
    while !rest.is_empty() {
        let later = rest.split_off(rest.len().min(BATCH_MAX));
        let next = Seq(first.0.saturating_add(u64::try_from(rest.len()).unwrap_or(u64::MAX)));
        batches.push(Batch::new(rest, urgency)?.beginning_at(first));
        (first, rest) = (next, later);
    }
    Ok(batches)
}

impl Line {
    fn of(entry: &Entry) -> Option<Self> {
        match &entry.fact {
            Fact::Delivered { .. }
            | Fact::RegistryChanged { .. }
            | Fact::RegistryBrought { .. } => None,
            Fact::OutcomeHeard { order, outcome, .. } => {
                tracing::debug!(seq = entry.seq.0, %order, ?outcome, "outcome_heard");
                None
            }
            fact => Some(Self { seq: entry.seq, incident: fact.incident(), fact: fact.name() }),
        }
    }

    fn write(&self) {
        let seq = self.seq.0;
        match self.incident {
            Some(incident) => info!(seq, %incident, "{}", self.fact),
            None => info!(seq, "{}", self.fact),
        }
    }
}

impl Desk {
    /// Forces the turn's facts to disk once, then lets out what waited for them. If the disk fails
    /// or hangs, people are called all the same; receipts and `stored` stay back.
    pub(super) async fn write_down(&mut self, turn: Turn) -> Result<(), DeskError> {
        let lines = self.commit(turn).await?;
        self.outbox.tell_endpoints(&self.settings, &self.book);
        // What was just offered leaves before the desk goes on.
        tokio::task::yield_now().await;
        self.outbox.call_people(&self.settings, &self.book, &self.clock);
        lines.iter().for_each(Line::write);
        Ok(())
    }

    /// Forces and releases; the lines for the log are given back.
    async fn commit(&mut self, turn: Turn) -> Result<Vec<Line>, DeskError> {
        let Turn { first, next, drafts, page, urgent, effects, receipts, replies, lines, .. } =
            turn;
        if let Some(followed) = turn.followed {
            self.programs.feed.keep(followed);
        }
        let limit = self.clock.now() + DISK_PATIENCE;
        self.held.newest_urgent = urgent.unwrap_or(self.held.newest_urgent);
        for (seq, receipt) in receipts {
            self.held.receipt(seq, limit, receipt);
        }
        for (seq, (to, reply)) in replies {
            self.held.reply(seq, to, reply);
        }
        if next > first {
            let last = Seq(next.0 - 1);
            self.archive.keep(Page { first, last, entries: page });
        }
        let waited = Stopwatch::start();
        let urgency = if urgent.is_some() { Urgency::Urgent } else { Urgency::Unhurried };
        self.unsent.extend(batches(first, drafts, urgency)?);
        let pending = self.hand_in()?.filter(|_| urgent.is_some());
        for (seq, effect) in effects {
            self.outbox.prepare(&effect, &self.settings, &self.book);
            self.held.effect(seq, limit, effect);
        }
        if let Some(pending) = pending {
            self.wait_for_disk(pending.answer()).await?;
            self.programs.counts.forced.add(waited.elapsed());
        }
        self.look_at_disk(Seq(first.0.saturating_sub(1)));
        self.let_out();
        Ok(lines)
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
        self.archive.is_on_disk(durable.head.seq);
        self.programs.feed.is_on_disk(durable.head.seq);
        let stored_at = self.clock.wall().wall;
        let trouble = self.vitals.trouble();
        let ready = self.held.release(&durable, trouble, self.clock.now(), stored_at);
        for effect in ready {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Order(id) => self.outbox.offer_order(&self.book, &id, false),
            Effect::Withdrawn(id) => self.outbox.withdraw(&id),
            Effect::Story(seq, endpoint) => self.outbox.offer_story(&self.book, &endpoint, seq),
            Effect::Feedback(command) => self.tell_device(&command),
        }
    }

    /// The name that a device has in the topics of the native contract: what it is heard under.
    fn native_name<'d>(&'d self, device: &'d crate::terms::DeviceId) -> &'d str {
        let row = self.book.registry().device(device).filter(|row| {
            let kind = self.settings.device_types.get(&row.type_name);
            kind.is_some_and(|kind| kind.family == crate::registry::Family::NativeMqtt)
        });
        let name = row.map_or(device.as_str(), |row| row.heard_name());
        name.strip_prefix("native-mqtt:").unwrap_or(name)
    }

    /// Says how far a call has come: on the device's serial line, if it has one, else over the broker
    /// where it was heard; and on ours, where `anling press` listens for any device. What does not fit
    /// is asked for by the device's repeat. A bridged family has a way of its own.
    pub(super) fn tell_device(&mut self, command: &Command) {
        for (link, topic, payload) in self.intake.bridged.encode(command) {
            if !self.outside.send(&link, &topic, &payload)
                && let Some(broker) = &self.broker
                && let Err(full) = broker.publish(&topic, payload, false)
            {
                warn!(%full, stage = command.stage.word(), "feedback was not sent");
            }
        }
        let on_line = self.tell_on_line(command);
        let known = command.device.clone();
        let Ok(device) = crate::terms::DeviceId::new(self.native_name(&known)) else { return };
        let command = Command { device, ..command.clone() };
        let (topic, payload) = crate::contract::encode(&command, &self.settings.gateway.hub);
        let here = on_line || self.outside.tell(&known, &topic, &payload);
        let Some(broker) = self.broker.as_ref().filter(|_| here) else { return };
        if let Err(full) = broker.publish(&topic, payload, false) {
            warn!(%full, stage = command.stage.word(), "feedback was not sent");
        }
    }
}

/// Whether this feedback says that something is on disk.
pub(super) fn says_stored(effect: &Effect) -> bool {
    matches!(effect, Effect::Feedback(command) if command.stage == FeedbackStage::Stored)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::journal::ENTRY_MAX;
    use crate::terms::{Verdict, Wall};

    fn found(length: usize) -> Fact {
        Fact::Found { finding: "x".repeat(length) }
    }

    fn turn_of(facts: Vec<Fact>) -> (Turn, IncidentBook, bool) {
        let (mut turn, mut book) = (Turn::new(Seq(7)), IncidentBook::default());
        let wall = WallReading { wall: Wall(1), trusted: true };
        let recorded = turn.record(&mut book, At(1), wall, facts);
        (turn, book, recorded)
    }

    #[test]
    fn of_a_stimulus_that_leads_to_a_fact_too_long_nothing_is_applied_and_the_sender_is_refused() {
        let (mut turn, book, recorded) = turn_of(vec![found(1), found(ENTRY_MAX), found(1)]);
        assert!(!recorded);
        assert_eq!((turn.entries(), turn.newest(), book.last_seq()), (0, Seq(6), Seq(0)));
        let (said, heard) = mpsc::channel();
        let receipt = Receipt::new(move |verdict| said.send(verdict).unwrap());
        turn.acknowledge(receipt, Seq(6), true, recorded);
        assert_eq!(heard.try_recv(), Ok(Verdict::Refused));
    }

    #[test]
    fn an_acknowledgement_waits_for_what_its_message_led_to() {
        let (mut turn, _, recorded) = turn_of(vec![found(1), found(1)]);
        assert!(recorded);
        let (said, heard) = mpsc::channel();
        let receipt = || {
            let said = said.clone();
            // What is left in the turn is refused when the test is over and nobody listens.
            Receipt::new(move |verdict| {
                let _ = said.send(verdict);
            })
        };
        turn.acknowledge(receipt(), Seq(6), false, true);
        turn.acknowledge(receipt(), Seq(8), true, true);
        assert!(heard.try_recv().is_err(), "nothing is on disk so far");
        assert_eq!(turn.receipts.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [Seq(8); 2]);
        turn.acknowledge(receipt(), Seq(8), false, true);
        assert_eq!(heard.try_recv(), Ok(Verdict::Stored), "a sign of life waits for nothing");
    }

    #[test]
    fn a_turn_with_more_facts_than_a_batch_holds_is_written_as_several() {
        let many = 2 * BATCH_MAX + 1;
        let (turn, book, recorded) = turn_of((0..many).map(|_| found(1)).collect());
        assert!(recorded);
        assert_eq!(turn.entries(), many);
        assert_eq!(book.last_seq(), turn.newest());
        let written = batches(turn.first, turn.drafts, Urgency::Urgent).unwrap();
        assert_eq!(written.len(), 3);
        let one = |at: u64, length| {
            let draft = || Draft::new(At(1), Wall(1), turn_body()).unwrap();
            let drafts = (0..length).map(|_| draft()).collect();
            Batch::new(drafts, Urgency::Urgent).unwrap().beginning_at(Seq(at))
        };
        let full = u64::try_from(BATCH_MAX).unwrap();
        let expected = [one(7, BATCH_MAX), one(7 + full, BATCH_MAX), one(7 + 2 * full, 1)];
        assert_eq!(written, expected);
    }

    fn turn_body() -> Vec<u8> {
        let (at, wall, trusted) = (At(1), Wall(1), true);
        Entry { seq: Seq(7), at, wall, trusted, fact: found(1) }.to_body()
    }
}
