//! What people write back: a short message becomes an answer like any other, and is answered itself.
//!
//! The sender's number says who it is; nobody's number is counted, logged without its middle, and never
//! answered, or the hub would write to strangers. What is meant is the engine's to say
//! ([`crate::incident::Meant`]). A message is deleted from its modem, and its answer sent, only once what
//! came of it is on disk: both hang on the receipt. Its name ([`word_of`]) is made of sender, time and
//! text, so that one that is read twice, because the power went between the disk and the deletion,
//! counts once. Nothing in a message is shown to anybody but as a note of an incident.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tracing::info;

use super::answers::cut;
use super::letters::whereabouts_of;
use super::{Desk, Turn};
use crate::counter::NOTE_MAX_BYTES;
use crate::incident::{
    Answer, Carrier, Fact, Ignored, Incident, Meant, Move, Notice, Responder, Stimulus, Via, WordId,
};
use crate::link::modem::Text;
use crate::notify::answers::{self, Listed};
use crate::notify::sms::{Office, Plain};
use crate::terms::{
    At, Class, IncidentId, LinkId, PersonId, Phone, Receipt, Verdict, Wait, masked,
};

/// How often somebody is told how to answer, when their messages mean nothing. Own choice: once in what a
/// call lasts.
const HELP_EVERY: Wait = Wait::mins(10);
/// Answers to one person in an hour: beyond it their messages count all the same and are not answered.
const ANSWERS_MAX: u32 = 30;
const ANSWERS_PER: Wait = Wait::hours(1);
/// Lines that the log gives to strangers in a minute; further ones are only counted.
const STRANGERS_MAX: u32 = 6;
const STRANGERS_PER: Wait = Wait::mins(1);

/// What is remembered of those who write; memory only.
#[derive(Default)]
pub(super) struct Writers {
    /// When each was told how to answer.
    helped: BTreeMap<PersonId, At>,
    /// Since when answers to each are counted, and how many there were.
    answered: BTreeMap<PersonId, (At, u32)>,
    /// The same of strangers.
    strangers: (At, u32),
    /// Messages of strangers since the start.
    pub(super) strangers_total: u64,
}

impl Writers {
    fn may_help(&mut self, person: &PersonId, now: At) -> bool {
        let due = self.helped.get(person).is_none_or(|at| now - *at >= HELP_EVERY);
        if due {
            self.helped.insert(person.clone(), now);
        }
        due
    }

    fn may_answer(&mut self, person: &PersonId, now: At) -> bool {
        let (since, count) = self.answered.entry(person.clone()).or_insert((now, 0));
        if now - *since >= ANSWERS_PER {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= ANSWERS_MAX
    }

    /// A stranger wrote; whether the log has room for it.
    fn stranger(&mut self, now: At) -> bool {
        self.strangers_total += 1;
        let (since, count) = &mut self.strangers;
        if now - *since >= STRANGERS_PER {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= STRANGERS_MAX
    }
}

/// Whose number it is.
enum Writer {
    One(PersonId),
    /// Of nobody, or of several of whom none was called.
    Unknown(&'static str),
}

impl Desk {
    /// Somebody wrote.
    pub(super) fn hear_text(&mut self, turn: &mut Turn, link: &LinkId, text: Text) {
        let Text { from, text, sent, received: _, receipt } = text;
        let now = self.clock.now();
        let by = match self.writer_of(&from) {
            Writer::One(by) => by,
            Writer::Unknown(why) => {
                if self.modems.writers.stranger(now) {
                    info!(%link, from = masked(&from), why, "a short message is not acted on");
                }
                return receipt.stored();
            }
        };
        let before = turn.newest();
        let meant = self.book.meant(&by, &text);
        let word = word_of(&from, &sent, &text);
        let (recorded, answer) = match meant {
            Meant::Move { incident, says, epoch } => {
                let said = Said { incident, says, epoch, words: None };
                self.takes_down(turn, &by, said, word)
            }
            Meant::Note(incident) => {
                let words = Some(cut(&text, NOTE_MAX_BYTES));
                let said = Said { incident, says: Move::Note, epoch: None, words };
                let (recorded, answer) = self.takes_down(turn, &by, said, word);
                (recorded, answer.filter(|_| self.modems.writers.may_help(&by, now)))
            }
            Meant::Several(open) => (true, Some(self.listed(&open))),
            Meant::NothingOpen => (true, Some((answers::nothing_open(), Class::Fault))),
            Meant::NoSuch(said) => (true, Some((answers::no_such(&said), Class::Welfare))),
            Meant::Nothing => {
                let helps = self.modems.writers.may_help(&by, now);
                (true, helps.then(|| (answers::not_understood(), Class::Welfare)))
            }
        };
        let answer = answer.filter(|_| self.modems.writers.may_answer(&by, now));
        // To the number that the list has: the network writes the same one in other ways.
        let to = self.book.registry().phone_of(&by).and_then(Phone::parse);
        let plain = answer.zip(to).map(|((text, class), to)| Plain { to, text, class });
        let receipt = answering(receipt, plain, self.wires.ways_out.office());
        turn.acknowledge(receipt, before, true, recorded);
    }

    fn writer_of(&self, from: &str) -> Writer {
        let Some(number) = Phone::parse(from) else {
            return Writer::Unknown("it is not from a telephone");
        };
        let has = |phone: &str| Phone::parse(phone).is_some_and(|known| known.is_same(&number));
        let registry = self.book.registry();
        let people = registry.people().map(|person| (&person.id, &person.phone));
        let contacts = registry.contacts().map(|contact| (&contact.id, &contact.phone));
        let theirs = people.chain(contacts).filter(|(_, phone)| has(phone));
        let people: Vec<&PersonId> = theirs.map(|(id, _)| id).collect();
        let called = |id: &&&PersonId| {
            self.book.open().any(|incident| incident.responder(id) == Some(Responder::Called))
        };
        match &people[..] {
            [] => Writer::Unknown("it is nobody's number"),
            [one] => Writer::One((*one).clone()),
            several => {
                let mut called = several.iter().filter(called);
                match (called.next(), called.next()) {
                    (Some(one), None) => Writer::One((*one).clone()),
                    _ => Writer::Unknown("it is the number of several people"),
                }
            }
        }
    }

    /// Writes an answer down; whether it is on its way to disk, and what is said back.
    fn takes_down(
        &mut self,
        turn: &mut Turn,
        by: &PersonId,
        said: Said,
        word: Option<WordId>,
    ) -> (bool, Option<(String, Class)>) {
        let Said { incident, says, epoch, words } = said;
        let is_note = says == Move::Note;
        let by_name = by.clone();
        let answer = Answer { incident, by: by_name, via: Via::Sms, epoch, says, note: None, word };
        let before = turn.entries();
        if !self.decide(turn, &Stimulus::Answered(answer, words)) {
            return (false, None);
        }
        let Some(held) = self.book.incident(incident) else { return (true, None) };
        let (code, class) = (held.code, held.class);
        let mut heard = turn.facts_since(before).filter_map(|fact| match fact {
            Fact::AnswerHeard { ignored, .. } => Some(*ignored),
            _ => None,
        });
        let text = match heard.next() {
            _ if is_note => answers::kept(code),
            // Written down before: what it came to was said then, or is said by an order.
            None => return (true, None),
            Some(Some(Ignored::AlreadySaid)) if self.is_told(held, by) => return (true, None),
            Some(Some(why)) => answers::not_taken_down(code, why),
            Some(None) if self.is_told(held, by) => return (true, None),
            Some(None) => answers::taken_down(code, says),
        };
        (true, Some((text, class)))
    }

    /// Whether an order that tells this person of their acceptance is on its way to their telephone.
    fn is_told(&self, incident: &Incident, by: &PersonId) -> bool {
        let tells = |id: &crate::incident::OrderId| {
            let order = self.book.order(id).filter(|order| order.notice == Notice::YouAccepted);
            order.is_some() && id.person == *by && id.carrier == Carrier::Sms
        };
        incident.orders.iter().any(tells)
    }

    fn listed(&self, open: &[IncidentId]) -> (String, Class) {
        let incidents = || open.iter().filter_map(|id| self.book.incident(*id));
        let class = incidents().map(|incident| incident.class).min().unwrap_or(Class::Fault);
        let one = |incident: &Incident| Listed {
            code: incident.code,
            place: whereabouts_of(self.book.registry(), incident, &self.settings).short,
        };
        (answers::list(&incidents().map(one).collect::<Vec<_>>()), class)
    }
}

/// What somebody says of an incident.
struct Said {
    incident: IncidentId,
    says: Move,
    epoch: Option<u32>,
    words: Option<String>,
}

/// A receipt that also sends the answer, once what was said is on disk.
fn answering(receipt: Receipt, plain: Option<Plain>, office: Office) -> Receipt {
    let Some(plain) = plain else { return receipt };
    Receipt::new(move |verdict| match verdict {
        Verdict::Stored => {
            receipt.stored();
            office.say(plain);
        }
        Verdict::Unread => receipt.unread(),
        Verdict::Refused => receipt.refused(),
    })
}

/// What a message is known by when it is read again.
fn word_of(from: &str, sent: &str, text: &str) -> Option<WordId> {
    let mut digest = Sha256::new();
    for part in [from, sent, text] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let hex: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    WordId::new(&format!("sms-{hex}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_given_once_in_a_while_and_a_flood_is_not_answered() {
        let mut writers = Writers::default();
        let who = PersonId::new("wangli").unwrap();
        assert!(writers.may_help(&who, At(0)) && !writers.may_help(&who, At(1)));
        assert!(writers.may_help(&who, At(0) + HELP_EVERY));
        let answered = (0..100).filter(|n| writers.may_answer(&who, At(*n))).count();
        assert_eq!(answered, usize::try_from(ANSWERS_MAX).unwrap());
        assert!(writers.may_answer(&who, At(0) + ANSWERS_PER));
        let logged = (0..100).filter(|n| writers.stranger(At(*n))).count();
        assert_eq!((logged, writers.strangers_total), (6, 100));
    }

    #[test]
    fn a_message_has_one_name_and_another_text_or_time_another() {
        let name = |sent, text| word_of("+8613800138000", sent, text).unwrap();
        assert_eq!(name("1", "收到"), name("1", "收到"));
        assert_ne!(name("1", "收到"), name("2", "收到"));
        assert_ne!(name("1", "收到"), name("1", "完成"));
    }
}
