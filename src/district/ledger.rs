//! What a platform's task has to tell the desk: what was settled, and whether it works.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::notify::endpoint::{DOWN_AFTER, EndpointReport, Health, Hearing, Settled};
use crate::terms::{EndpointId, Seq};

/// Not yet told.
pub(super) struct Ledger {
    platform: EndpointId,
    settled: Vec<(Seq, Settled)>,
    health: Option<Health>,
    failures: usize,
    said: Option<Health>,
    hearing: Option<Hearing>,
    said_hearing: Option<Hearing>,
}

impl Ledger {
    pub(super) fn new(platform: EndpointId) -> Self {
        Self {
            platform,
            settled: Vec::new(),
            health: None,
            failures: 0,
            said: None,
            hearing: None,
            said_hearing: None,
        }
    }

    /// How many settled events wait to be told.
    pub(super) fn waiting(&self) -> usize {
        self.settled.len()
    }

    pub(super) fn has_news(&self) -> bool {
        !self.settled.is_empty() || self.health.is_some() || self.hearing.is_some()
    }

    pub(super) fn settle(&mut self, seq: Seq, how: Settled) {
        if let Settled::DeadLetter { why } = &how {
            tracing::warn!(platform = %self.platform, %seq, why, "event refused for good");
        }
        self.settled.push((seq, how));
    }

    /// It answered as it should. Told at first, because an earlier run may have left it as down, and
    /// when it is back.
    pub(super) fn works(&mut self) {
        self.failures = 0;
        self.say(Health::Up);
    }

    fn say(&mut self, health: Health) {
        if self.said.as_ref() != Some(&health) {
            self.said = Some(health.clone());
            self.health = Some(health);
        }
    }

    /// It did not. Told after [`DOWN_AFTER`] in a row, and again when the reason changes.
    pub(super) fn fails(&mut self, why: &str) {
        self.failures += 1;
        if self.failures >= DOWN_AFTER {
            self.say(Health::Down { why: why.to_owned() });
        }
    }

    /// It asked for a pause. Told at once, so that nobody takes it for up; a second failure in a row is
    /// one.
    pub(super) fn is_held_back(&mut self, why: &str, pause: Duration) {
        self.fails(why);
        if self.failures < DOWN_AFTER {
            self.say(Health::HeldBack { why: why.to_owned(), pause });
        }
    }

    /// Whether its broker lets us hear it. Told at first, because an earlier run may have left it as
    /// unheard, and when it changes.
    pub(super) fn hears(&mut self, hearing: Hearing) {
        if self.said_hearing.as_ref() != Some(&hearing) {
            self.said_hearing = Some(hearing.clone());
            self.hearing = Some(hearing);
        }
    }

    /// Everything so far, to be sent.
    pub(super) fn report(&mut self) -> EndpointReport {
        EndpointReport {
            endpoint: self.platform.clone(),
            settled: std::mem::take(&mut self.settled),
            health: self.health.take(),
            hearing: self.hearing.take(),
        }
    }

    /// The last words.
    pub(super) async fn close(mut self, reports: &mpsc::Sender<EndpointReport>) {
        if self.has_news() {
            let _ = reports.send(self.report()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_a_hiccup_two_are_told_once_and_a_success_ends_it() {
        let mut ledger = Ledger::new(EndpointId::new("county").unwrap());
        ledger.works();
        assert_eq!(ledger.report().health, Some(Health::Up), "what an earlier run left is over");
        ledger.fails("no connection");
        assert!(!ledger.has_news());
        ledger.fails("no connection");
        let down = |why: &str| Some(Health::Down { why: why.to_owned() });
        assert_eq!(ledger.report().health, down("no connection"));
        ledger.fails("no connection");
        assert!(!ledger.has_news());
        ledger.fails("answered 403");
        assert_eq!(ledger.report().health, down("answered 403"));
        ledger.works();
        assert_eq!(ledger.report().health, Some(Health::Up));
        ledger.works();
        assert!(!ledger.has_news());
    }

    #[test]
    fn who_asks_for_a_pause_is_not_up_and_is_down_when_it_asks_again() {
        let mut ledger = Ledger::new(EndpointId::new("county").unwrap());
        ledger.works();
        ledger.report();
        let (why, pause) = ("answered 429".to_owned(), Duration::from_secs(60));
        ledger.is_held_back(&why, pause);
        let held = Health::HeldBack { why: why.clone(), pause };
        assert_eq!(ledger.report().health, Some(held.clone()));
        ledger.works();
        assert_eq!(ledger.report().health, Some(Health::Up));
        ledger.is_held_back(&why, pause);
        assert_eq!(ledger.report().health, Some(held));
        ledger.is_held_back(&why, pause);
        assert_eq!(ledger.report().health, Some(Health::Down { why }));
    }
}
