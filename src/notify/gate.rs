//! Whose turn it is to send a short message: the highest class first, and the rest at a pace.
//!
//! Operators bar a SIM that sends like a machine (the notes: one in 3 s, 60 an hour for what is not an
//! emergency). So what is no emergency and no hazard waits for its place; it is never dropped, because a
//! message that is no longer wanted is taken back by whoever ordered it. Emergencies and hazards wait for
//! nothing but a free modem, and stand before all others however long those have waited. Chosen over
//! two queues, where a coverage alarm to two hundred people would be "urgent" and stand before a press.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::terms::{At, Class, Wait};

/// From one message that is no emergency to the next, on one SIM (oncall.md 4.7).
const APART: Wait = Wait::secs(3);
/// What the number of messages is counted by.
const HOUR: Wait = Wait::hours(1);

/// Who waits: its class, what stands behind others of that class, and the order of coming.
type Place = (Class, usize, u64);

/// What one who waits is told.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Go,
    /// When something changes.
    Wait,
    /// When something changes, and at the latest after this.
    Until(Wait),
}

#[derive(Debug, Default)]
struct State {
    inside: usize,
    waiting: BTreeSet<Place>,
    came: u64,
    /// When messages that are paced were sent, in the last hour.
    paced: VecDeque<At>,
    /// When the last message of any class was sent.
    last: Option<At>,
}

/// Whether a class is held to the pace.
fn is_paced(class: Class) -> bool {
    class > Class::Emergency
}

impl State {
    fn word(&self, place: Place, lanes: usize, per_hour: usize, now: At) -> Word {
        if self.waiting.first() != Some(&place) || self.inside >= lanes {
            return Word::Wait;
        }
        if !is_paced(place.0) {
            return Word::Go;
        }
        let apart = Wait(APART.0 / lanes as u64);
        let pace = self.last.map(|last| last + apart);
        let over = self.paced.len() >= per_hour * lanes;
        let quota = self.paced.front().filter(|_| over).map(|first| *first + HOUR);
        match pace.into_iter().chain(quota).max() {
            Some(at) if at > now => Word::Until(at - now),
            _ => Word::Go,
        }
    }

    fn sent(&mut self, class: Class, now: At) {
        self.last = Some(now);
        if is_paced(class) {
            self.paced.push_back(now);
        }
        while self.paced.front().is_some_and(|at| now - *at >= HOUR) {
            self.paced.pop_front();
        }
    }
}

/// The gate before all modems.
pub(super) struct Gate {
    lanes: usize,
    per_hour: usize,
    now: Box<dyn Fn() -> At + Send + Sync>,
    state: Mutex<State>,
    changed: Notify,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate before `lanes` modems, each of which may send so many paced messages an hour.
    pub(super) fn new(
        lanes: usize,
        per_hour: usize,
        now: impl Fn() -> At + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (now, state, changed) = (Box::new(now), Mutex::default(), Notify::new());
        Arc::new(Self { lanes: lanes.max(1), per_hour: per_hour.max(1), now, state, changed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. It is over when what is given back is dropped.
    pub(super) async fn enter(self: &Arc<Self>, class: Class) -> Inside {
        self.enter_after(class, 0).await
    }

    /// Whether anybody of these classes waits or has a turn.
    pub(super) fn is_wanted(&self, urgent: impl Fn(Class) -> bool) -> bool {
        let state = self.state();
        state.inside > 0 || state.waiting.iter().any(|(class, ..)| urgent(*class))
    }

    /// The same, behind all of its class that come with a lower `rank`.
    pub(super) async fn enter_after(self: &Arc<Self>, class: Class, rank: usize) -> Inside {
        let waiting = {
            let mut state = self.state();
            state.came += 1;
            let place = (class, rank, state.came);
            state.waiting.insert(place);
            Waiting { gate: Arc::clone(self), place }
        };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let word = {
                let mut state = self.state();
                let word = state.word(waiting.place, self.lanes, self.per_hour, (self.now)());
                state.inside += usize::from(word == Word::Go);
                word
            };
            match word {
                Word::Go => return Inside(Arc::clone(self)),
                Word::Wait => changed.await,
                Word::Until(wait) => drop(timeout(wait.std(), changed).await),
            }
        }
    }

    /// A message of this class was sent.
    pub(super) fn sent(&self, class: Class) {
        self.state().sent(class, (self.now)());
    }
}

/// One who waits; dropped, it waits no longer.
struct Waiting {
    gate: Arc<Gate>,
    place: Place,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.state().waiting.remove(&self.place);
        self.gate.changed.notify_waiters();
    }
}

/// One whose turn it is.
pub(super) struct Inside(Arc<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.inside = state.inside.saturating_sub(1);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    /// No turn is waited for as long unless something hangs.
    const HANG_GUARD: Duration = Duration::from_secs(30);

    fn waits(state: &mut State, class: Class) -> Place {
        state.came += 1;
        state.waiting.insert((class, 0, state.came));
        (class, 0, state.came)
    }

    #[test]
    fn an_emergency_stands_before_all_that_wait_and_knows_no_pace() {
        let mut state = State::default();
        let now = At(1_000_000);
        state.sent(Class::Coverage, now);
        let alarm = waits(&mut state, Class::Coverage);
        assert_eq!(state.word(alarm, 1, 60, now), Word::Until(APART));
        assert_eq!(state.word(alarm, 1, 60, now + APART), Word::Go);
        let press = waits(&mut state, Class::Emergency);
        let fire = waits(&mut state, Class::Hazard);
        assert_eq!(state.word(alarm, 1, 60, now + APART), Word::Wait);
        assert_eq!(state.word(press, 1, 60, now), Word::Wait);
        assert_eq!(state.word(fire, 1, 60, now), Word::Go);
        state.inside = 1;
        assert_eq!(state.word(fire, 1, 60, now), Word::Wait, "one modem, one message");
        assert_eq!(state.word(fire, 2, 60, now), Word::Go);
    }

    #[test]
    fn an_hours_number_holds_back_the_rest_and_drops_nothing() {
        let mut state = State::default();
        for n in 0..60 {
            state.sent(Class::Fault, At(n * 4_000));
            state.sent(Class::Emergency, At(n * 4_000));
        }
        let (rest, now) = (waits(&mut state, Class::Welfare), At(600_000));
        assert_eq!(state.word(rest, 1, 60, now), Word::Until(Wait(HOUR.0 - now.0)));
        assert_eq!(state.word(rest, 2, 60, now), Word::Go, "two SIMs");
        let press = waits(&mut state, Class::Emergency);
        assert_eq!(state.word(press, 1, 60, now), Word::Go);
    }

    #[tokio::test]
    async fn turns_come_one_by_one_by_class() {
        let time = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&time);
        let gate = Gate::new(1, 60, move || At(clock.load(Ordering::Relaxed)));
        let first = gate.enter(Class::Coverage).await;
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for class in [Class::Fault, Class::Coverage, Class::Emergency] {
            let (gate, said) = (Arc::clone(&gate), said.clone());
            tokio::spawn(async move {
                let inside = gate.enter(class).await;
                said.send(class).unwrap();
                drop(inside);
            });
        }
        while gate.state().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(timeout(HANG_GUARD, heard.recv()).await.unwrap().unwrap());
        }
        assert_eq!(order, [Class::Emergency, Class::Coverage, Class::Fault]);
        // Whoever gives up makes room.
        let held = gate.enter(Class::Fault).await;
        assert!(timeout(Duration::from_millis(20), gate.enter(Class::Hazard)).await.is_err());
        assert!(gate.state().waiting.is_empty());
        drop(held);
    }
}
