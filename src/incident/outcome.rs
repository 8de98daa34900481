//! What became of an order. Handed over is not heard: no outcome makes an incident quieter.
//!
//! Before an order is tried again it is looked at anew: what nobody needs any more, and what a newer
//! order to the same person says as well, ends as [`Outcome::Superseded`]. So a mail server that
//! comes back after an hour brings each person the newest word and not the history.

use super::{
    Call, Carrier, Fact, Incident, IncidentBook, Notice, Order, OrderId, Outcome, Stage, Standing,
    Why,
};
use crate::terms::{At, Wait};

/// Waits between the tries of one order (oncall.md 3.5), in seconds; the last one repeats.
const RETRY_SECS: [u64; 5] = [2, 5, 10, 20, 30];
/// How often one order is tried. Own choice: with [`RETRY_SECS`] two minutes, twice a step; by then
/// a later step or the next lap has given a new order.
pub const ATTEMPTS_MAX: u8 = 8;
/// From which try on a call that a newer one overtakes counts as one that did not reach the person.
/// Own choice: with [`RETRY_SECS`] 37 s, most of a step of 60 s; without it the calls of a ladder
/// would overtake each other for ever, and the lead would never hear that somebody gets none.
const OVERTAKEN_UNREACHED: u8 = 5;
/// How far a wait is moved by the order's own name, so that a hundred do not try at once: ±20 %
/// (oncall.md 3.5).
const SPREAD_PERCENT: u64 = 20;
/// Longest wait the other side can ask for. Own choice: half a step.
const ASKED_WAIT_MAX: Wait = Wait::secs(30);

impl IncidentBook {
    /// Decides about an outcome. Empty when the order was withdrawn meanwhile.
    pub(super) fn on_outcome(
        &self,
        at: At,
        standing: &Standing<'_>,
        id: &OrderId,
        outcome: &Outcome,
    ) -> Vec<Fact> {
        let (Some(order), Some(incident)) = (self.orders.get(id), self.incident(id.incident))
        else {
            return self.on_late_word(at, standing, id, outcome);
        };
        let asked = match outcome {
            Outcome::TryLater { after, .. } => Some(*after),
            Outcome::Unknown { .. } => Some(None),
            _ => None,
        };
        let fate = match asked {
            Some(_) => self.fate(incident, order),
            None => Fate::Stands,
        };
        let retry = asked
            .filter(|_| id.attempt < ATTEMPTS_MAX && fate == Fate::Stands)
            .map(|after| at + wait_before_next(id, after));
        let mut facts =
            vec![Fact::OutcomeHeard { order: id.clone(), outcome: outcome.clone(), retry }];
        let given_up = retry.is_none() && !outcome.is_handed_over() && fate.counts(id.attempt);
        if given_up {
            facts.extend(self.not_reached(at, standing, id));
        }
        facts
    }

    /// The network's word on a message that was handed over: that it arrived is written down, and so is
    /// that it did not; then the lead is told while somebody is still being called, because the person
    /// may wait for a message that will never come. An order that was withdrawn has no such word.
    fn on_late_word(
        &self,
        at: At,
        standing: &Standing<'_>,
        id: &OrderId,
        outcome: &Outcome,
    ) -> Vec<Fact> {
        let said = match outcome {
            Outcome::Arrived | Outcome::Seen => true,
            Outcome::Refused { .. } => false,
            _ => return Vec::new(),
        };
        let texted = |incident: &&Incident| {
            id.carrier == Carrier::Sms && incident.texted.contains_key(&id.person)
        };
        let Some(incident) = self.incident(id.incident).filter(texted) else { return Vec::new() };
        let (order, outcome) = (id.clone(), outcome.clone());
        let mut facts = vec![Fact::OutcomeHeard { order, outcome, retry: None }];
        let calling = matches!(incident.stage, Stage::Calling { .. });
        let waits = incident.responder(&id.person) == Some(super::Responder::Called);
        let known = incident.unreachable.contains(&(id.person.clone(), id.carrier));
        if !said && calling && waits && !known && incident.class.is_urgent() {
            let notice = Notice::CannotReach { person: id.person.clone(), by: id.carrier };
            let to = self.step(at, standing, incident).lead();
            facts.push(Fact::Told { incident: incident.id, notice, to });
        }
        facts
    }

    /// A person was not reached by this carrier: another way, if there is one, and the lead is told.
    fn not_reached(&self, at: At, standing: &Standing<'_>, id: &OrderId) -> Vec<Fact> {
        let (Some(order), Some(incident)) = (self.orders.get(id), self.incident(id.incident))
        else {
            return Vec::new();
        };
        let about_itself = matches!(order.notice, Notice::CannotReach { .. });
        if about_itself || !incident.class.is_urgent() {
            return Vec::new();
        }
        let mut facts = Vec::new();
        let step = self.step(at, standing, incident);
        let calling = matches!(incident.stage, Stage::Calling { .. });
        let mut to = step.tell([id.person.clone()]);
        to.iter_mut().for_each(|call| call.by = self.other_ways(id, &call.by));
        to.retain(|call: &Call| !call.by.is_empty());
        if calling && order.notice.is_call() && !to.is_empty() {
            let notice = order.notice.clone();
            facts.push(Fact::Told { incident: incident.id, notice, to });
        }
        // A group is one way: that it takes nothing is told once, whoever was called by it.
        let known = incident.unreachable.iter().any(|(person, carrier)| {
            *carrier == id.carrier && (*person == id.person || carrier.is_group())
        });
        if !known {
            let notice = Notice::CannotReach { person: id.person.clone(), by: id.carrier };
            facts.push(Fact::Told { incident: incident.id, notice, to: step.lead() });
        }
        facts
    }

    /// An order is to be tried again: it is, or it has become pointless meanwhile.
    pub(super) fn on_retry(&self, at: At, standing: &Standing<'_>, id: &OrderId) -> Vec<Fact> {
        let (Some(order), Some(incident)) = (self.orders.get(id), self.incident(id.incident))
        else {
            return Vec::new();
        };
        let fate = self.fate(incident, order);
        if fate == Fate::Stands {
            return vec![Fact::DeadlineCame { incident: incident.id, why: Why::Retry(id.clone()) }];
        }
        let (order, outcome) = (id.clone(), Outcome::Superseded);
        let mut facts = vec![Fact::OutcomeHeard { order, outcome, retry: None }];
        if fate.counts(id.attempt.saturating_sub(1)) {
            facts.extend(self.not_reached(at, standing, id));
        }
        facts
    }

    /// What has become of an order that was not delivered so far.
    fn fate(&self, incident: &Incident, order: &Order) -> Fate {
        // That mail does not arrive cannot be said by mail that does not leave.
        let itself =
            matches!(&order.notice, Notice::CannotReach { by, .. } if *by == order.id.carrier);
        if itself || incident.has_no_use_for(order, true) {
            return Fate::Pointless;
        }
        let says_it_as_well = |other: &OrderId| {
            let same_way = other.person == order.id.person && other.carrier == order.id.carrier;
            let newer = self.orders.get(other).filter(|_| same_way);
            newer.is_some_and(|newer| newer.notice.is_alike(&order.notice))
        };
        let mut newer = incident.orders.iter().rev().take_while(|o| o.cause > order.id.cause);
        if newer.any(says_it_as_well) { Fate::Overtaken } else { Fate::Stands }
    }

    /// The carriers of `all` that this call did not use for this person.
    fn other_ways(&self, id: &OrderId, all: &[Carrier]) -> Vec<Carrier> {
        let used: Vec<Carrier> = self
            .orders
            .range(first_of(id)..)
            .map(|(other, _)| other)
            .take_while(|other| other.cause == id.cause)
            .filter(|other| other.person == id.person)
            .map(|other| other.carrier)
            .collect();
        let mut ways = all.to_vec();
        ways.retain(|way| *way != id.carrier && !used.contains(way));
        // The screen has no address to refuse; it has been told with the call itself.
        ways.retain(|way| *way != Carrier::Screen);
        ways
    }
}

/// What has become of an order that was not delivered so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is to be said still.
    Stands,
    /// A newer order to the same person by the same carrier says it as well.
    Overtaken,
    /// Nobody needs it any more.
    Pointless,
}

impl Fate {
    /// Whether an order that ends after so many tries means that the person was not reached.
    fn counts(self, tries: u8) -> bool {
        match self {
            Self::Stands => true,
            Self::Overtaken => tries >= OVERTAKEN_UNREACHED,
            Self::Pointless => false,
        }
    }
}

fn first_of(id: &OrderId) -> OrderId {
    OrderId { carrier: Carrier::ALL[0], attempt: 0, ..id.clone() }
}

/// How long until the next try: the table's wait moved by the order's own name, or what the other
/// side asked for.
fn wait_before_next(id: &OrderId, asked: Option<Wait>) -> Wait {
    let place = usize::from(id.attempt).saturating_sub(1).min(RETRY_SECS.len() - 1);
    let base = Wait::secs(RETRY_SECS[place]).0;
    let span = base * SPREAD_PERCENT * 2 / 100;
    let name = id.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let own = Wait(base - span / 2 + name % (span + 1));
    asked.map_or(own, |asked| own.max(asked.min(ASKED_WAIT_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::{IncidentId, PersonId, Seq};

    fn order(cause: u64, attempt: u8) -> OrderId {
        OrderId {
            cause: Seq(cause),
            incident: IncidentId(1),
            person: PersonId::new("li").unwrap(),
            carrier: Carrier::Mail,
            attempt,
        }
    }

    #[test]
    fn tries_grow_apart_within_a_fifth_and_are_spread_by_name() {
        for (attempt, secs) in [(1, 2), (2, 5), (3, 10), (4, 20), (5, 30), (7, 30)] {
            let waits: Vec<u64> =
                (0..50).map(|n| wait_before_next(&order(n, attempt), None).0).collect();
            let (low, high) = (secs * 800, secs * 1200);
            assert!(waits.iter().all(|w| (low..=high).contains(w)), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|w| *w != waits[0]), "all fifty at once");
        }
    }

    #[test]
    fn the_other_side_may_ask_for_more_time_but_not_for_ever() {
        let first = order(1, 1);
        assert_eq!(wait_before_next(&first, Some(Wait::secs(15))), Wait::secs(15));
        assert_eq!(wait_before_next(&first, Some(Wait::hours(9))), Wait::secs(30));
    }
}
