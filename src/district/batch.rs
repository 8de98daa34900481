//! How many events go into one request, and which of a refused batch is the guilty one. Pure.
//!
//! A batch that is refused for its content holds at least one event that never will be taken, and
//! others that would. Halves are sent until one event alone is refused: that one is a dead letter,
//! all others arrive in their order. A batch refused for its length makes all later ones shorter.

use crate::terms::Seq;

/// How many events one request may hold now.
#[derive(Debug)]
pub(super) struct Batch {
    most: usize,
    /// Among the events up to this one is one that is refused.
    suspect: Option<Seq>,
}

impl Batch {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), suspect: None }
    }

    /// How many may go, where `left` counts the unsettled events up to a sequence.
    pub(super) fn allowed(&mut self, left: impl Fn(Seq) -> usize) -> usize {
        match self.suspect.map(left) {
            None => self.most,
            Some(0) => {
                self.suspect = None;
                self.most
            }
            Some(left) => (left / 2).clamp(1, self.most),
        }
    }

    /// These were refused together; the guilty one when it is known.
    pub(super) fn blamed(&mut self, sent: &[Seq], too_large: bool) -> Option<Seq> {
        if let [alone] = sent {
            self.suspect = None;
            return Some(*alone);
        }
        if too_large {
            self.most = (sent.len() / 2).max(1);
        }
        self.suspect = sent.last().copied();
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends `count` events to a receiver that refuses every request with a guilty one in it: those
    /// taken in order, those dead, and how many requests it took.
    fn send(count: u64, most: usize, guilty: &[u64]) -> (Vec<u64>, Vec<u64>, usize) {
        let mut batch = Batch::new(most);
        let mut left: Vec<Seq> = (1..=count).map(Seq).collect();
        let (mut taken, mut dead, mut requests) = (Vec::new(), Vec::new(), 0);
        while !left.is_empty() {
            let allowed = batch.allowed(|last| left.iter().filter(|seq| **seq <= last).count());
            let sent: Vec<Seq> = left[..allowed.min(left.len())].to_vec();
            requests += 1;
            if !sent.iter().any(|seq| guilty.contains(&seq.0)) {
                taken.extend(sent.iter().map(|seq| seq.0));
                left.drain(..sent.len());
            } else if let Some(found) = batch.blamed(&sent, false) {
                dead.push(found.0);
                left.remove(0);
            }
        }
        (taken, dead, requests)
    }

    #[test]
    fn the_guilty_one_of_a_hundred_is_found_by_halves() {
        let (taken, dead, requests) = send(300, 100, &[137]);
        assert_eq!(dead, [137]);
        assert_eq!(taken.len(), 299);
        assert!(requests <= 3 + 2 * 7, "{requests}");
    }

    #[test]
    fn a_batch_that_is_too_long_makes_the_later_ones_shorter() {
        let mut batch = Batch::new(100);
        let sent: Vec<Seq> = (1..=100).map(Seq).collect();
        assert_eq!(batch.blamed(&sent, true), None);
        assert_eq!(batch.allowed(|_| 0), 50);
        assert_eq!(batch.allowed(|_| 0), 50);
    }

    proptest! {
        /// Whichever are guilty, exactly those are dead, and the others arrive once and in order.
        #[test]
        fn only_the_guilty_are_dead(
            count in 1_u64..150,
            most in 1_usize..40,
            guilty in proptest::collection::btree_set(1_u64..150, 0..12),
        ) {
            let guilty: Vec<u64> = guilty.into_iter().filter(|seq| *seq <= count).collect();
            let (taken, dead, _) = send(count, most, &guilty);
            prop_assert_eq!(dead, guilty.clone());
            let others: Vec<u64> = (1..=count).filter(|seq| !guilty.contains(seq)).collect();
            prop_assert_eq!(taken, others);
        }
    }
}
