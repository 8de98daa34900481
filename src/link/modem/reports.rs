//! Which message a delivery report is about. Pure.
//!
//! A modem numbers its messages with one byte and begins anew after 256, so a report is matched by that
//! number, by the telephone and by age ([`AGE`]), the newest first. A report that comes before the modem
//! has said the number is held for a moment, because some do it in that order. Networks that never
//! report are common here: none is no failure, and a message that is forgotten says nothing.

use std::collections::VecDeque;

use super::pdu::{Fate, Report};
use crate::terms::{At, Phone, Wait};

/// How long a report may take. The notes' number; a message that waits longer for its telephone is old
/// news.
const AGE: Wait = Wait::hours(1);
/// Messages whose report is waited for; the oldest is forgotten. Own choice: four times the numbers.
const WAITED_MAX: usize = 1_024;
/// Reports that came before their message's number, and how long they are held.
const EARLY_MAX: usize = 16;
const EARLY: Wait = Wait::mins(2);

/// What is to be done with the word.
pub(super) type Tell = Box<dyn FnOnce(bool) + Send + Sync>;

struct Sent {
    reference: u8,
    to: Phone,
    at: At,
    tell: Tell,
}

/// Messages that were taken and not reported on.
#[derive(Default)]
pub(super) struct Reports {
    sent: VecDeque<Sent>,
    early: VecDeque<(At, Report)>,
}

impl Reports {
    /// A message was taken under this number.
    pub(super) fn sent(&mut self, reference: u8, to: Phone, tell: Tell, now: At) {
        self.forget(now);
        let is_it = |report: &Report| report.reference == reference && is_to(report, &to);
        if let Some(at) = self.early.iter().position(|(_, report)| is_it(report))
            && let Some((_, report)) = self.early.remove(at)
        {
            return tell(report.fate == Fate::Arrived);
        }
        self.sent.push_back(Sent { reference, to, at: now, tell });
        if self.sent.len() > WAITED_MAX {
            self.sent.pop_front();
        }
    }

    /// A report came; whether it was about a message that is known.
    pub(super) fn heard(&mut self, report: Report, now: At) -> bool {
        self.forget(now);
        if report.fate == Fate::Trying {
            return true;
        }
        let is_it = |sent: &&Sent| sent.reference == report.reference && is_to(&report, &sent.to);
        let at = self.sent.iter().rev().position(|sent| is_it(&sent));
        let found = at.and_then(|back| self.sent.remove(self.sent.len() - 1 - back));
        let known = found.is_some();
        match found {
            Some(sent) => (sent.tell)(report.fate == Fate::Arrived),
            None => {
                self.early.push_back((now, report));
                if self.early.len() > EARLY_MAX {
                    self.early.pop_front();
                }
            }
        }
        known
    }

    fn forget(&mut self, now: At) {
        while self.sent.front().is_some_and(|sent| now - sent.at > AGE) {
            self.sent.pop_front();
        }
        while self.early.front().is_some_and(|(at, _)| now - *at > EARLY) {
            self.early.pop_front();
        }
    }
}

fn is_to(report: &Report, to: &Phone) -> bool {
    Phone::parse(&report.to).is_some_and(|number| number.is_same(to))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn report(reference: u8, to: &str, fate: Fate) -> Report {
        Report { reference, to: to.to_owned(), fate }
    }

    /// Reports, with who was told what.
    fn waiting(sent: &[(u8, &str, u64)]) -> (Reports, mpsc::Receiver<(u64, bool)>) {
        let (said, heard) = mpsc::channel();
        let mut reports = Reports::default();
        for (reference, to, at) in sent {
            let (said, at) = (said.clone(), *at);
            let tell = Box::new(move |arrived| said.send((at, arrived)).unwrap());
            reports.sent(*reference, Phone::parse(to).unwrap(), tell, At(at));
        }
        (reports, heard)
    }

    #[test]
    fn a_report_finds_its_message_by_number_and_telephone_in_any_order() {
        let all = [(1, "13800138000", 1), (1, "13800138001", 2), (2, "13800138000", 3)];
        let (mut reports, heard) = waiting(&all);
        assert!(reports.heard(report(2, "+8613800138000", Fate::Arrived), At(10)));
        assert!(reports.heard(report(1, "13800138001", Fate::Failed), At(10)));
        assert!(reports.heard(report(1, "13800138000", Fate::Trying), At(10)));
        assert!(reports.heard(report(1, "13800138000", Fate::Arrived), At(10)));
        assert!(!reports.heard(report(1, "13800138000", Fate::Arrived), At(10)), "said once");
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(3, true), (2, false), (1, true)]);
    }

    #[test]
    fn a_number_that_came_round_again_means_the_newest_and_an_old_message_none() {
        let (mut reports, heard) = waiting(&[(1, "13800138000", 1), (1, "13800138000", 2)]);
        reports.heard(report(1, "13800138000", Fate::Arrived), At(10));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [(2, true)]);
        assert!(!reports.heard(report(1, "13800138000", Fate::Arrived), At(2) + AGE + Wait(1)));
    }

    #[test]
    fn a_report_that_overtakes_its_message_is_held_for_a_moment() {
        let (mut reports, heard) = waiting(&[]);
        assert!(!reports.heard(report(9, "13800138000", Fate::Arrived), At(0)));
        let (said, told) = mpsc::channel();
        let tell = Box::new(move |arrived| said.send(arrived).unwrap());
        reports.sent(9, Phone::parse("13800138000").unwrap(), tell, At(1_000));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true]);
        drop(heard);
    }
}
