//! Which question a polled line asks next, and which of its panels is lost. Pure: time comes in.
//!
//! Each question has its time, and the earliest is asked first, so that a line with too much to ask is
//! slow for all alike and starves nobody. A question that fails [`LOST_AFTER`] times in a row is lost:
//! it is asked every [`LOST_PAUSE`], and the lost ones of a line at least [`LOST_APART`] apart, so that a
//! street of dead panels costs the others one wait for an answer a second. Until then it is asked again
//! before all others of its panel, and none of them meanwhile: an answer does not say which addresses it
//! is about, and one that comes late must only ever meet its own question. A panel is lost while one of
//! its questions is, and is back when it has answered all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::plug::PortNews;
use crate::terms::{At, Wait};

/// Failures in a row after which a question is lost (field notes, 4.8).
const LOST_AFTER: u32 = 3;
/// How often a lost question is asked. Own choice: a panel that was switched on is back before its
/// technician has put the lid on.
const LOST_PAUSE: Wait = Wait::secs(5);
/// Two lost questions of one line are at least so far apart, and a lamp and one before it that failed.
const LOST_APART: Wait = Wait::secs(1);
/// An answer that says the same is handed in again after this, as a sign of life. Own choice: half of
/// the shortest silence that a type of device may name.
const SAID_AGAIN: Wait = Wait::secs(5);
/// First pause before a lamp that was not echoed is told again; each following one is twice as long …
const LAMP_AGAIN: Wait = Wait::secs(1);
/// … up to this. One that was echoed is told again as often, since a panel that was without power for a
/// moment has forgotten it.
const LAMP_KEPT: Wait = Wait::mins(1);

/// One question to one panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The panel, 1 to 247.
    pub slave: u8,
    /// The frame that asks.
    pub wire: Vec<u8>,
    /// How long its answer is in bytes, an exception aside.
    pub answer_len: usize,
    /// The topic of its answers.
    pub topic: Arc<str>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// Its answer.
    Answer(Vec<u8>),
    /// The panel says that it cannot, with its code.
    Exception(u8),
    /// Nothing that can be used; why, one fragment.
    Nothing(&'static str),
}

/// A question and how it stands.
#[derive(Debug)]
struct Asked {
    question: Question,
    due: At,
    /// Failures in a row.
    failed: u32,
    why: String,
    /// Whether it was answered since the port was opened.
    answered: bool,
    /// Whether nothing was heard of it for a while before its next answer.
    after_outage: bool,
    /// The last answer that was handed in, and when.
    last: Option<(Vec<u8>, At)>,
    /// Whether one that was handed in was not stored.
    refused: Arc<AtomicBool>,
}

/// An answer to be handed in.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) topic: Arc<str>,
    /// To be set when it is not stored.
    pub(super) refused: Arc<AtomicBool>,
}

/// The questions of one line.
#[derive(Debug)]
pub(super) struct Plan {
    poll: Wait,
    asked: Vec<Asked>,
    /// No lost question before this.
    next_lost: At,
    /// What was told of each panel: whether it is lost.
    told: BTreeMap<u8, bool>,
}

impl Asked {
    fn new(question: Question, now: At) -> Self {
        Self {
            question,
            due: now,
            failed: 0,
            why: String::new(),
            answered: false,
            after_outage: false,
            last: None,
            refused: Arc::default(),
        }
    }

    fn is_lost(&self) -> bool {
        self.failed >= LOST_AFTER
    }
}

impl Plan {
    pub(super) fn new(poll: Wait, questions: Vec<Question>, now: At) -> Self {
        let asked = questions.into_iter().map(|question| Asked::new(question, now)).collect();
        Self { poll, asked, next_lost: now, told: BTreeMap::new() }
    }

    /// Takes other questions; what was heard of those that stay is kept. Panels are told of anew.
    pub(super) fn renew(&mut self, poll: Wait, questions: Vec<Question>, now: At) {
        let mut before = std::mem::take(&mut self.asked);
        for question in questions {
            let known = before.iter().position(|asked| asked.question == question);
            let known = known.map(|at| before.swap_remove(at));
            self.asked.push(known.unwrap_or_else(|| Asked::new(question, now)));
        }
        (self.poll, self.told) = (poll, BTreeMap::new());
        self.begin(now);
    }

    /// The port was opened: every question is asked at once.
    pub(super) fn begin(&mut self, now: At) {
        self.next_lost = now;
        for asked in &mut self.asked {
            asked.after_outage |= asked.answered || asked.last.is_some();
            (asked.due, asked.failed, asked.answered) = (now, 0, false);
        }
    }

    /// The question to be asked now, or how long there is none.
    pub(super) fn next(&self, now: At) -> Result<(usize, &Question), Wait> {
        let due = |asked: &Asked| match asked.is_lost() {
            true => asked.due.max(self.next_lost),
            false => asked.due,
        };
        // Of those that wait for their turn alike, the one that waits longest.
        let first = self.asked.iter().enumerate().min_by_key(|(_, asked)| (due(asked), asked.due));
        match first {
            Some((at, asked)) if due(asked) <= now => Ok((at, &asked.question)),
            Some((_, asked)) => Err(due(asked) - now),
            None => Err(self.poll),
        }
    }

    /// Whether a panel has answered lately: who has not is told nothing.
    pub(super) fn answers(&self, slave: u8) -> bool {
        let mut of = self.asked.iter().filter(|asked| asked.question.slave == slave);
        of.any(|asked| asked.answered && asked.failed == 0)
    }

    /// Notes what came of a question that was asked at `began`; news of its panel, if there are any.
    pub(super) fn ended(
        &mut self,
        at: usize,
        (began, now): (At, At),
        came: &Came,
    ) -> Option<PortNews> {
        let poll = self.poll;
        let asked = self.asked.get_mut(at)?;
        let (slave, was_lost) = (asked.question.slave, asked.is_lost());
        if was_lost {
            self.next_lost = now + LOST_APART;
        }
        asked.why = match came {
            Came::Answer(_) => String::new(),
            Came::Exception(code) => {
                format!("it answers with exception {code}: see its table and addresses")
            }
            Came::Nothing(why) => (*why).to_owned(),
        };
        if let Came::Answer(_) = came {
            (asked.failed, asked.answered, asked.due) = (0, true, began + poll);
            asked.after_outage |= was_lost;
        } else {
            asked.failed = asked.failed.saturating_add(1);
            asked.due = if asked.is_lost() { now + LOST_PAUSE } else { began + poll };
        }
        let (due, why) = (asked.due, asked.why.clone());
        let is_lost = asked.is_lost();
        for (other, asked) in self.asked.iter_mut().enumerate() {
            if other == at || asked.question.slave != slave {
                continue;
            }
            match came {
                Came::Answer(_) if was_lost && asked.is_lost() => asked.due = now,
                Came::Nothing(_) if is_lost && !was_lost && !asked.is_lost() => {
                    (asked.failed, asked.due) = (LOST_AFTER, now);
                    asked.why.clone_from(&why);
                }
                Came::Nothing(_) if !is_lost => asked.due = asked.due.max(due + Wait(1)),
                _ => {}
            }
        }
        self.news(slave)
    }

    fn news(&mut self, slave: u8) -> Option<PortNews> {
        let mut of = self.asked.iter().filter(|asked| asked.question.slave == slave);
        let lost = of.clone().find(|asked| asked.is_lost());
        let all = of.all(|asked| asked.answered && asked.failed == 0);
        let is_lost = lost.is_some();
        if (!is_lost && !all) || self.told.insert(slave, is_lost) == Some(is_lost) {
            return None;
        }
        Some(PortNews::Panel { slave, lost: lost.map(|asked| asked.why.clone()) })
    }

    /// Whether an answer is to be handed in, and as what. One that says the same as the one before it is
    /// not, unless that was not stored or is a while ago.
    pub(super) fn said(&mut self, at: usize, now: At, answer: &[u8]) -> Option<Said> {
        let asked = self.asked.get_mut(at)?;
        let anew = asked.refused.swap(false, Ordering::AcqRel);
        let outage = std::mem::take(&mut asked.after_outage);
        let is_known = asked.last.as_ref().is_some_and(|(last, said)| {
            last == answer && now - *said < SAID_AGAIN && !anew && !outage
        });
        if is_known {
            return None;
        }
        asked.last = Some((answer.to_vec(), now));
        let topic = &asked.question.topic;
        let topic = match (anew, outage) {
            (true, _) => format!("{topic}/anew").into(),
            (false, true) => format!("{topic}/outage").into(),
            (false, false) => Arc::clone(topic),
        };
        Some(Said { topic, refused: Arc::clone(&asked.refused) })
    }
}

/// The lamps of a line by panel and coil, each with the frame that says how it shall be.
pub(super) type Wanted = BTreeMap<(u8, u16), Vec<u8>>;

/// What the lamps of a line were told.
#[derive(Debug, Default)]
pub(super) struct Lamps {
    shown: BTreeMap<(u8, u16), Shown>,
    /// None is told before this.
    next: At,
}

/// What one lamp was told last.
#[derive(Debug)]
struct Shown {
    frame: Vec<u8>,
    due: At,
    failed: u32,
}

impl Lamps {
    /// A lamp that is to be told now, of a panel that answers; those that have failed come last.
    pub(super) fn next<'w>(
        &self,
        now: At,
        wanted: &'w Wanted,
        answers: impl Fn(u8) -> bool,
    ) -> Option<((u8, u16), &'w Vec<u8>)> {
        let is_due = |key: &(u8, u16), frame: &Vec<u8>| {
            self.shown.get(key).is_none_or(|shown| shown.frame != *frame || shown.due <= now)
        };
        let all = wanted.iter().filter(|((slave, _), _)| self.next <= now && answers(*slave));
        let due = all.filter(|(key, frame)| is_due(key, frame));
        let first = due.min_by_key(|(key, _)| self.shown.get(*key).map_or(0, |shown| shown.failed));
        first.map(|(key, frame)| (*key, frame))
    }

    /// Notes whether a lamp was echoed; how often in a row it was not.
    pub(super) fn ended(&mut self, key: (u8, u16), frame: Vec<u8>, now: At, echoed: bool) -> u32 {
        let same = self.shown.get(&key).filter(|shown| shown.frame == frame);
        let failed = match echoed {
            true => 0,
            false => same.map_or(0, |shown| shown.failed).saturating_add(1),
        };
        let again = Wait(LAMP_AGAIN.0 << failed.saturating_sub(1).min(16));
        let due = now + if echoed { LAMP_KEPT } else { again.min(LAMP_KEPT) };
        self.shown.insert(key, Shown { frame, due, failed });
        self.next = if echoed { now } else { now + LOST_APART };
        failed
    }

    /// The lamps of a panel have forgotten all, or those of all panels.
    pub(super) fn forget(&mut self, panel: Option<u8>) {
        self.shown.retain(|(slave, _), _| panel.is_some_and(|panel| panel != *slave));
    }

    /// Keeps none that is no longer wanted.
    pub(super) fn keep(&mut self, wanted: &Wanted) {
        let known: BTreeSet<_> = wanted.keys().collect();
        self.shown.retain(|key, _| known.contains(key));
    }
}

#[cfg(test)]
#[path = "polling_tests.rs"]
mod tests;
