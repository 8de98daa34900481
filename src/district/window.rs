//! The window over the record lane, and which lane goes next. Pure, so that every order of
//! acknowledgements and breaks can be tried without a network.
//!
//! Events are given in the record's order and leave in it, at most as many unacknowledged as the
//! window is wide. They may be settled in any order. After a break everything unsettled leaves again,
//! from the first on and in the same order: a receiver that throws repeats away by id sees each event
//! once and none before an earlier one. Chosen over a position that only moves from the front: an
//! acknowledgement that came is never asked for twice.
//!
//! One sign of life waits beside the window. It goes when the record lane has nothing left to send or
//! to hear about, else after [`LIFE_AFTER`] further events: alarms before telemetry, and no backlog
//! starves it.

use std::collections::VecDeque;

use crate::terms::Seq;

/// How many events of the record lane may go before a sign of life that waits: as many as any window
/// held when it came, so that all those are settled or on their way before it.
pub const LIFE_AFTER: usize = 100;

#[derive(Debug)]
struct Slot<T> {
    seq: Seq,
    event: T,
    settled: bool,
}

/// What may leave now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T, L> {
    /// The next event of the record.
    Record(Seq, T),
    /// The sign of life.
    Life(L),
}

/// Both lanes of one platform.
#[derive(Debug)]
pub struct Window<T, L> {
    slots: VecDeque<Slot<T>>,
    /// How many at the front have left on this line.
    sent: usize,
    /// How many of those are unsettled.
    under_way: usize,
    width: usize,
    life: Option<L>,
    /// Events that left since the sign of life began to wait.
    passed: usize,
}

impl<T: Clone, L> Window<T, L> {
    /// An empty window that lets at most `width` events be unacknowledged.
    pub fn new(width: usize) -> Self {
        let width = width.max(1);
        Self { slots: VecDeque::new(), sent: 0, under_way: 0, width, life: None, passed: 0 }
    }

    /// How many events are held.
    pub fn held(&self) -> usize {
        self.slots.len()
    }

    /// How many have left and are not settled.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether a sign of life waits.
    pub fn life_waits(&self) -> bool {
        self.life.is_some()
    }

    /// Another event, behind all others.
    pub fn add(&mut self, seq: Seq, event: T) {
        self.slots.push_back(Slot { seq, event, settled: false });
    }

    /// A newer sign of life, in place of one that waits; it keeps its turn.
    pub fn put_life(&mut self, life: L) {
        if self.life.replace(life).is_none() {
            self.passed = 0;
        }
    }

    /// What leaves next, if anything may.
    pub fn leave(&mut self) -> Option<Next<T, L>> {
        let record_rests = self.sent == self.slots.len() && self.under_way == 0;
        if (record_rests || self.passed >= LIFE_AFTER)
            && let Some(life) = self.life.take()
        {
            return Some(Next::Life(life));
        }
        self.next_record().map(|(seq, event)| Next::Record(seq, event))
    }

    /// The next event of the record alone, if it may leave.
    pub fn next_record(&mut self) -> Option<(Seq, T)> {
        if self.under_way >= self.width {
            return None;
        }
        let slot = self.slots.get(self.sent)?;
        let next = (slot.seq, slot.event.clone());
        self.sent += 1;
        self.under_way += 1;
        self.passed = self.passed.saturating_add(1);
        Some(next)
    }

    /// The event that would leave next.
    pub fn peek(&self) -> Option<(Seq, &T)> {
        self.slots.get(self.sent).map(|slot| (slot.seq, &slot.event))
    }

    /// How many unsettled events are held up to this one.
    pub fn unsettled_through(&self, last: Seq) -> usize {
        self.slots.iter().take_while(|slot| slot.seq <= last).filter(|slot| !slot.settled).count()
    }

    /// An event that has left is settled; whether it was under way. What is named twice, or was never
    /// sent, changes nothing.
    pub fn settle(&mut self, seq: Seq) -> bool {
        let mut sent = self.slots.iter_mut().take(self.sent);
        let Some(slot) = sent.find(|slot| slot.seq == seq && !slot.settled) else { return false };
        slot.settled = true;
        self.under_way -= 1;
        while self.slots.front().is_some_and(|slot| slot.settled) {
            self.slots.pop_front();
            self.sent -= 1;
        }
        true
    }

    /// The line broke, or refused for now: what is unsettled leaves again, from the first on.
    pub fn rewind(&mut self) {
        self.slots.retain(|slot| !slot.settled);
        (self.sent, self.under_way) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Lanes = Window<u64, &'static str>;

    fn holding(width: usize, count: u64) -> Lanes {
        let mut window = Lanes::new(width);
        (1..=count).for_each(|n| window.add(Seq(n), n));
        window
    }

    fn all(window: &mut Lanes) -> Vec<u64> {
        std::iter::from_fn(|| window.next_record()).map(|(seq, _)| seq.0).collect()
    }

    #[test]
    fn no_more_leave_than_the_window_is_wide_and_an_answer_lets_the_next_go() {
        let mut window = holding(3, 5);
        assert_eq!(all(&mut window), [1, 2, 3]);
        assert!(window.settle(Seq(2)));
        assert_eq!(all(&mut window), [4], "also when it was not the first");
        assert_eq!((window.held(), window.under_way()), (5, 3));
        assert!(window.settle(Seq(1)));
        assert_eq!(window.held(), 3);
    }

    #[test]
    fn after_a_break_what_is_unsettled_leaves_again_in_order() {
        let mut window = holding(4, 5);
        all(&mut window);
        window.settle(Seq(2));
        window.settle(Seq(4));
        window.rewind();
        assert_eq!(all(&mut window), [1, 3, 5]);
    }

    #[test]
    fn what_was_never_sent_or_is_settled_already_settles_nothing() {
        let mut window = holding(2, 3);
        all(&mut window);
        assert!(!window.settle(Seq(3)), "it has not left");
        assert!(!window.settle(Seq(77)));
        assert!(window.settle(Seq(2)) && !window.settle(Seq(2)));
        assert_eq!(window.under_way(), 1);
    }

    #[test]
    fn a_sign_of_life_waits_for_the_record_and_a_newer_one_takes_its_place() {
        let mut window = holding(2, 2);
        window.put_life("old");
        window.put_life("new");
        assert_eq!(window.leave(), Some(Next::Record(Seq(1), 1)));
        assert_eq!(window.leave(), Some(Next::Record(Seq(2), 2)));
        assert_eq!(window.leave(), None, "alarms are under way");
        window.settle(Seq(1));
        window.settle(Seq(2));
        assert_eq!(window.leave(), Some(Next::Life("new")));
        assert_eq!(window.leave(), None);
    }

    #[test]
    fn a_backlog_does_not_starve_the_sign_of_life() {
        let mut window = holding(10, 10_000);
        all(&mut window);
        window.put_life("alive");
        let mut before = 0;
        for n in 1.. {
            window.settle(Seq(n));
            match window.leave() {
                Some(Next::Life(_)) => break,
                Some(Next::Record(..)) => before += 1,
                None => panic!("nothing leaves"),
            }
            // A newer one does not begin to wait anew.
            window.put_life("alive");
        }
        assert_eq!(before, LIFE_AFTER);
    }

    proptest! {
        /// Whatever is settled, broken and sent again: each event is settled once, never more are
        /// under way than allowed, and a receiver that throws repeats away sees the record in order.
        #[test]
        fn nothing_is_lost_or_turned_around(
            width in 1_usize..9,
            count in 1_u64..60,
            chances in proptest::collection::vec((0_u8..10, any::<usize>()), 1..400),
        ) {
            let mut window = Lanes::new(width);
            let (mut given, mut settled) = (0_u64, BTreeSet::new());
            let (mut seen, mut on_line): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
            let honest = std::iter::repeat((0, 0));
            for (chance, at) in chances.into_iter().chain(honest.take(500)) {
                if given < count {
                    given += 1;
                    window.add(Seq(given), given);
                }
                for seq in all(&mut window) {
                    on_line.push(seq);
                    if !seen.contains(&seq) {
                        seen.push(seq);
                    }
                }
                prop_assert!(window.under_way() <= width);
                if chance == 9 {
                    window.rewind();
                    on_line.clear();
                } else if !on_line.is_empty() {
                    let seq = on_line.remove(at % on_line.len());
                    prop_assert!(window.settle(Seq(seq)));
                    prop_assert!(settled.insert(seq), "{seq} twice");
                }
            }
            prop_assert_eq!(settled.len() as u64, count);
            prop_assert_eq!(window.held(), 0);
            prop_assert!(seen.is_sorted(), "{:?}", seen);
        }
    }
}
