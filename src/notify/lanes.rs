//! What is owed to one endpoint and in which order: one lane per incident, and the line they share.
//!
//! Pure, so that every order of answers can be tried without a network. An incident's next event
//! does not leave before its former is settled; different incidents leave side by side, up to
//! [`WINDOW`]. One failure takes the line down: then a single probe is under way at a time, taken
//! from the lanes in turn, and the first one that gets through lets all go. In turn, because an
//! event that its receiver cannot digest would otherwise be every probe and hold up the rest; a
//! lane that keeps failing while others get through rests for longer and longer, and is never
//! given up.
//!
//! While the line is up, alarms that were just raised go before what is owed from an outage, which
//! keeps one turn in [`ALARMS_IN_A_ROW`] + 1.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::terms::IncidentId;

/// Requests under way to one endpoint at a time. Own choice: at 10 ms per answer 3,200 events a
/// second, and few enough for a small server.
pub const WINDOW: usize = 32;

/// Waits before the first, second, third and every further probe. The last is short so that an
/// endpoint that is back has everything owed within a second.
pub const PROBE_WAITS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(500),
];

/// Longest wait that an endpoint may ask for (`Retry-After`). Own choice: a receiver that asks for
/// an hour is asked twice a minute whether it means it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How many alarms may go before one event that waits longer. Own choice: what is owed still goes
/// out at a quarter of the speed in the worst storm, and alarms wait for hardly anything.
const ALARMS_IN_A_ROW: u32 = 3;

/// Failures of one lane, each after others got through, before it rests.
const STRIKES_MAX: u32 = 3;

/// Longest rest of a lane.
const REST_MAX: Duration = Duration::from_secs(60);

/// What one lane is doing.
#[derive(Debug, PartialEq, Eq)]
enum Doing {
    /// Its head waits for its turn.
    Waiting,
    /// Its head is under way.
    Flying,
    /// Its head was answered with trouble too often and rests.
    Resting,
}

#[derive(Debug)]
struct Lane<T> {
    events: VecDeque<T>,
    doing: Doing,
    strikes: u32,
}

/// The line to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Up,
    Down { failures: usize, probe: Probe },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A wait is running.
    Waits,
    /// To be sent as soon as there is something to send.
    Due,
    /// This incident's head is the probe.
    Flies(IncidentId),
}

/// What a failure means for the clock.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Setback {
    /// Ask for the next probe after this; `None` when a wait or a probe is already under way.
    pub(super) probe_after: Option<Duration>,
    /// Let this lane rest for so long.
    pub(super) rest: Option<Duration>,
}

/// Everything owed to one endpoint that this side holds.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: BTreeMap<IncidentId, Lane<T>>,
    turns: VecDeque<IncidentId>,
    /// Incidents just raised, on a line that is up.
    alarms: VecDeque<IncidentId>,
    /// Alarms that went since something older did.
    in_a_row: u32,
    flying: usize,
    held: usize,
    line: Line,
}

impl<T: Clone> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            alarms: VecDeque::new(),
            in_a_row: 0,
            flying: 0,
            held: 0,
            line: Line::Up,
        }
    }

    /// How many events are held, those under way included.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Failures since the endpoint last answered; 0 while it is up.
    pub(super) fn failures(&self) -> usize {
        match self.line {
            Line::Up => 0,
            Line::Down { failures, .. } => failures,
        }
    }

    pub(super) fn add(&mut self, incident: IncidentId, event: T) {
        self.put(incident, event, false);
    }

    /// The first event of an incident: before what waits longer, as long as the line is up.
    pub(super) fn add_alarm(&mut self, incident: IncidentId, event: T) {
        self.put(incident, event, self.line == Line::Up);
    }

    fn put(&mut self, incident: IncidentId, event: T, prompt: bool) {
        self.held += 1;
        let turns = if prompt { &mut self.alarms } else { &mut self.turns };
        let lane = self.lanes.entry(incident).or_insert_with(|| {
            turns.push_back(incident);
            Lane { events: VecDeque::new(), doing: Doing::Waiting, strikes: 0 }
        });
        lane.events.push_back(event);
    }

    /// The next event to send now, if any may leave.
    pub(super) fn next(&mut self) -> Option<(IncidentId, T)> {
        let may_leave = match self.line {
            Line::Up => self.flying < WINDOW,
            Line::Down { probe, .. } => probe == Probe::Due,
        };
        if !may_leave {
            return None;
        }
        let incident = self.turn()?;
        let lane = self.lanes.get_mut(&incident)?;
        let event = lane.events.front()?.clone();
        lane.doing = Doing::Flying;
        self.flying += 1;
        if let Line::Down { probe, .. } = &mut self.line {
            *probe = Probe::Flies(incident);
        }
        Some((incident, event))
    }

    fn turn(&mut self) -> Option<IncidentId> {
        if (self.in_a_row < ALARMS_IN_A_ROW || self.turns.is_empty())
            && let Some(incident) = self.alarms.pop_front()
        {
            self.in_a_row += 1;
            return Some(incident);
        }
        self.in_a_row = 0;
        self.turns.pop_front()
    }

    /// The incident's event under way is settled: the endpoint took it, or refused it for good.
    pub(super) fn settled(&mut self, incident: IncidentId) {
        self.line = Line::Up;
        let Some(lane) = self.lanes.get_mut(&incident) else { return };
        self.flying -= 1;
        self.held -= 1;
        lane.events.pop_front();
        lane.strikes = 0;
        if lane.events.is_empty() {
            self.lanes.remove(&incident);
        } else {
            lane.doing = Doing::Waiting;
            self.turns.push_back(incident);
        }
    }

    /// The incident's event under way came to nothing and stays owed. `by_status` when the endpoint
    /// answered, `after` when it asked for a wait.
    pub(super) fn failed(
        &mut self,
        incident: IncidentId,
        by_status: bool,
        after: Option<Duration>,
    ) -> Setback {
        self.flying = self.flying.saturating_sub(1);
        let mut setback = Setback::default();
        let was_up = self.line == Line::Up;
        if let Some(lane) = self.lanes.get_mut(&incident) {
            lane.strikes += u32::from(was_up && by_status);
            if was_up && by_status && lane.strikes > STRIKES_MAX {
                lane.doing = Doing::Resting;
                setback.rest = Some(rest(lane.strikes - STRIKES_MAX));
            } else {
                lane.doing = Doing::Waiting;
                self.turns.push_back(incident);
            }
        }
        let failures = match self.line {
            Line::Up => 1,
            Line::Down { failures, probe } if probe == Probe::Flies(incident) => failures + 1,
            Line::Down { .. } => return setback,
        };
        // A line that is down knows no alarms: what comes after it is back goes before all this.
        self.turns.append(&mut self.alarms);
        self.line = Line::Down { failures, probe: Probe::Waits };
        let wait = PROBE_WAITS[(failures - 1).min(PROBE_WAITS.len() - 1)];
        setback.probe_after = Some(after.unwrap_or_default().min(RETRY_AFTER_MAX).max(wait));
        setback
    }

    /// The wait for the next probe is over.
    pub(super) fn probe_due(&mut self) {
        if let Line::Down { probe: probe @ Probe::Waits, .. } = &mut self.line {
            *probe = Probe::Due;
        }
    }

    /// The lane's rest is over.
    pub(super) fn rested(&mut self, incident: IncidentId) {
        if let Some(lane) = self.lanes.get_mut(&incident)
            && lane.doing == Doing::Resting
        {
            lane.doing = Doing::Waiting;
            self.turns.push_back(incident);
        }
    }
}

/// 1, 2, 4 … seconds, at most [`REST_MAX`].
fn rest(nth: u32) -> Duration {
    Duration::from_secs(1 << (nth - 1).min(10)).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(lanes: &mut Lanes<u32>) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| lanes.next()).map(|(incident, event)| (incident.0, event)).collect()
    }

    #[test]
    fn an_incidents_next_event_waits_for_its_former() {
        let mut lanes = Lanes::new();
        for (incident, event) in [(1, 10), (1, 11), (2, 20)] {
            lanes.add(IncidentId(incident), event);
        }
        assert_eq!(drain(&mut lanes), [(1, 10), (2, 20)]);
        lanes.settled(IncidentId(1));
        assert_eq!(drain(&mut lanes), [(1, 11)]);
    }

    #[test]
    fn a_line_that_is_down_carries_one_probe_and_the_first_that_gets_through_lets_all_go() {
        let mut lanes = Lanes::new();
        (1..=5).for_each(|incident| lanes.add(IncidentId(incident), 0));
        let (first, _) = lanes.next().unwrap();
        assert_eq!(lanes.failed(first, false, None).probe_after, Some(PROBE_WAITS[0]));
        assert_eq!(lanes.next(), None, "nothing leaves before the probe is due");
        lanes.probe_due();
        assert_eq!(drain(&mut lanes), [(2, 0)], "one probe, and not the one that failed");
        assert_eq!(lanes.failed(IncidentId(2), false, None).probe_after, Some(PROBE_WAITS[1]));
        lanes.probe_due();
        assert_eq!(drain(&mut lanes), [(3, 0)]);
        lanes.settled(IncidentId(3));
        assert_eq!(drain(&mut lanes).len(), 4);
    }

    #[test]
    fn an_alarm_goes_before_what_is_owed_and_does_not_starve_it() {
        let mut lanes = Lanes::new();
        (1..=4).for_each(|incident| lanes.add(IncidentId(incident), 0));
        (11..=16).for_each(|incident| lanes.add_alarm(IncidentId(incident), 0));
        let order: Vec<u64> = drain(&mut lanes).into_iter().map(|(incident, _)| incident).collect();
        assert_eq!(order, [11, 12, 13, 1, 14, 15, 16, 2, 3, 4]);
    }

    #[test]
    fn what_was_raised_before_an_outage_is_owed_like_the_rest_after_it() {
        let mut lanes = Lanes::new();
        lanes.add_alarm(IncidentId(1), 0);
        let (first, _) = lanes.next().unwrap();
        lanes.add_alarm(IncidentId(2), 0);
        lanes.failed(first, false, None);
        lanes.add_alarm(IncidentId(3), 0);
        lanes.probe_due();
        let (probe, _) = lanes.next().unwrap();
        lanes.settled(probe);
        lanes.add_alarm(IncidentId(4), 0);
        let order: Vec<u64> = drain(&mut lanes).into_iter().map(|(incident, _)| incident).collect();
        assert_eq!((probe.0, order), (1, vec![4, 2, 3]));
    }

    #[test]
    fn waits_grow_to_half_a_second_and_a_wish_is_honoured_up_to_its_cap() {
        let mut lanes = Lanes::new();
        lanes.add(IncidentId(1), 0);
        let mut fail = |after| {
            lanes.probe_due();
            let (incident, _) = lanes.next().unwrap();
            lanes.failed(incident, true, after).probe_after.unwrap()
        };
        let waits: Vec<_> = (0..6).map(|_| fail(None).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 500, 500, 500]);
        assert_eq!(fail(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(fail(Some(Duration::from_secs(3600))), RETRY_AFTER_MAX);
    }

    #[test]
    fn an_event_its_receiver_cannot_digest_rests_and_is_never_given_up() {
        let mut lanes = Lanes::new();
        lanes.add(IncidentId(1), 666);
        let mut rests = Vec::new();
        for other in 2..40 {
            lanes.rested(IncidentId(1));
            lanes.add(IncidentId(other), 0);
            lanes.probe_due();
            while let Some((incident, event)) = lanes.next() {
                if event == 666 {
                    rests.extend(lanes.failed(incident, true, None).rest);
                } else {
                    lanes.settled(incident);
                }
                lanes.probe_due();
                if lanes.held() == 1 {
                    break;
                }
            }
        }
        assert_eq!(lanes.held(), 1, "it is still owed");
        assert!(rests.len() > 3 && rests.is_sorted(), "{rests:?}");
        assert!(rests.iter().all(|rest| *rest <= REST_MAX));
    }

    proptest! {
        /// Whatever the answers, everything is settled once, in order within its incident.
        #[test]
        fn nothing_is_lost_or_turned_around(
            events in proptest::collection::vec(1_u64..6, 1..60),
            answers in proptest::collection::vec(0_u8..4, 1..400),
        ) {
            let mut lanes = Lanes::new();
            for (n, incident) in (0_u32..).zip(&events) {
                if n % 3 == 0 && !events[..n as usize].contains(incident) {
                    lanes.add_alarm(IncidentId(*incident), n);
                } else {
                    lanes.add(IncidentId(*incident), n);
                }
            }
            let mut under_way: Vec<(IncidentId, u32)> = Vec::new();
            let mut told: Vec<(IncidentId, u32)> = Vec::new();
            let honest = std::iter::repeat(&0);
            for (turn, answer) in answers.iter().chain(honest).take(2000).enumerate() {
                lanes.probe_due();
                events.iter().for_each(|incident| lanes.rested(IncidentId(*incident)));
                under_way.extend(std::iter::from_fn(|| lanes.next()));
                prop_assert!(under_way.len() <= WINDOW);
                if under_way.is_empty() {
                    break;
                }
                let (incident, event) = under_way.remove(turn % under_way.len());
                if *answer < 2 {
                    lanes.settled(incident);
                    told.push((incident, event));
                } else {
                    lanes.failed(incident, *answer == 2, None);
                }
            }
            prop_assert_eq!(lanes.held(), 0);
            prop_assert_eq!(told.len(), events.len());
            for incident in 1..6 {
                let of_one: Vec<u32> =
                    told.iter().filter(|(i, _)| i.0 == incident).map(|(_, e)| *e).collect();
                prop_assert!(of_one.is_sorted());
            }
        }
    }
}
