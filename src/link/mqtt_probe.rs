//! Whether an outside broker lets anything through: a word of our own that must come back. Pure.
//!
//! MQTT 3.1.1 acknowledges what a broker's access rules forbid like what they allow, a subscription as
//! well as a publish: a broker that lets nothing through looks well. So after each subscription, and
//! then every few minutes, a probe goes out to a topic that the hub's own filters cover, and must come
//! back within [`WITHIN`]; while it does not, another goes out. It goes at QoS 0, so that nothing of it
//! is kept, counted or owed. A broker that is still owed acknowledgements of ours gets more time: in a
//! storm the probe may stand behind what it sends, or be thrown away for it. Some brokers end the
//! connection of a client that says what it may not; such a one is asked no more. What came from
//! devices meanwhile tells a broker that forbids only our own word from one that lets nothing through.

use crate::terms::{At, HubId, Wait};

/// The device in whose place a probe is said. No device can be registered under it: an id holds no `:`.
const DEVICE: &str = "hub:probe";
/// How long a probe may take. Own choice: far longer than a message takes, and than a short stall.
const WITHIN: Wait = Wait::secs(10);
/// How long a probe that stands behind unacknowledged messages is waited for further, each time.
const PATIENCE: Wait = Wait::secs(2);
/// A connection that ends so soon after a probe ended because of it.
const HURTS: Wait = Wait::secs(1);
/// How long after a probe that came back the next one goes. Own choice.
const EVERY: Wait = Wait::mins(5);

/// The topic of a hub's probes: one of those on which its devices speak.
pub fn probe_topic(hub: &HubId) -> String {
    format!("anling/v1/{hub}/{DEVICE}/event")
}

/// What probes have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// They come back.
    Through,
    /// They do not; whether anything else came meanwhile.
    Barred { heard: bool },
}

#[derive(Debug)]
enum Doing {
    /// Nothing is subscribed to.
    Idle,
    Rests {
        until: At,
    },
    Flies {
        since: At,
        until: At,
    },
}

/// The probes of one connection.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) topic: String,
    said: String,
    doing: Doing,
    /// Whether anything came since the last probe that came back.
    heard: bool,
    told: Option<Finding>,
}

impl Probe {
    /// `token` is any number that no other connection has.
    pub(super) fn new(topic: String, token: u64) -> Self {
        let said = format!(r#"{{"v":1,"probe":"{token:016x}"}}"#);
        Self { topic, said, doing: Doing::Idle, heard: false, told: None }
    }

    /// Every subscription stands.
    pub(super) fn begin(&mut self, now: At) {
        self.doing = Doing::Rests { until: now };
    }

    /// When to look next.
    pub(super) fn due(&self) -> Option<At> {
        match self.doing {
            Doing::Idle => None,
            Doing::Rests { until } | Doing::Flies { until, .. } => Some(until),
        }
    }

    /// What is to be said now, if it is time. `owed` when the broker waits for acknowledgements.
    pub(super) fn look(&mut self, now: At, owed: bool) -> Option<(String, Option<Finding>)> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let mut news = None;
        if let Doing::Flies { until, .. } = &mut self.doing {
            if owed {
                *until = now + PATIENCE;
                return None;
            }
            news = self.tell(Finding::Barred { heard: self.heard });
        } else {
            self.heard = false;
        }
        self.doing = Doing::Flies { since: now, until: now + WITHIN };
        Some((self.said.clone(), news))
    }

    /// A message came on the probe's topic. One of another connection says nothing of this one.
    pub(super) fn came(&mut self, payload: &[u8], now: At) -> Option<Finding> {
        if payload != self.said.as_bytes() {
            return None;
        }
        self.doing = Doing::Rests { until: now + EVERY };
        self.tell(Finding::Through)
    }

    /// Whether a connection that ends now may have ended because of the probe.
    pub(super) fn hurts(&self, now: At) -> bool {
        matches!(self.doing, Doing::Flies { since, .. } if now - since < HURTS)
    }

    /// A message came on another topic.
    pub(super) fn heard_another(&mut self) {
        self.heard = true;
    }

    fn tell(&mut self, finding: Finding) -> Option<Finding> {
        (self.told.replace(finding) != Some(finding)).then_some(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::DeviceId;

    fn begun() -> Probe {
        let mut probe = Probe::new("anling/v1/hub1/hub:probe/event".into(), 7);
        assert_eq!(probe.due(), None);
        probe.begin(At(0));
        probe
    }

    fn sends(probe: &mut Probe, at: u64) -> Option<Finding> {
        let (said, news) = probe.look(At(at), false).expect("a probe goes");
        assert_eq!(said, r#"{"v":1,"probe":"0000000000000007"}"#);
        news
    }

    #[test]
    fn no_device_can_be_registered_in_the_probes_place() {
        assert!(DeviceId::new(DEVICE).is_err());
        let topic = probe_topic(&HubId::new("hub1").unwrap());
        assert_eq!(topic, "anling/v1/hub1/hub:probe/event");
    }

    #[test]
    fn a_probe_that_comes_back_is_told_once_and_followed_by_another_after_minutes() {
        let mut probe = begun();
        assert_eq!(sends(&mut probe, 0), None);
        let said = probe.said.clone();
        assert_eq!(probe.came(said.as_bytes(), At(40)), Some(Finding::Through));
        assert!(probe.look(At(200_000), false).is_none());
        assert_eq!(probe.due(), Some(At(300_040)));
        assert_eq!(sends(&mut probe, 300_040), None);
        assert_eq!(probe.came(said.as_bytes(), At(300_050)), None, "no news");
    }

    #[test]
    fn one_that_does_not_come_back_is_told_and_sent_again_until_it_does() {
        let mut probe = begun();
        sends(&mut probe, 0);
        assert_eq!(probe.came(b"an old one", At(5_000)), None);
        assert!(probe.look(At(9_999), false).is_none());
        assert_eq!(sends(&mut probe, 10_000), Some(Finding::Barred { heard: false }));
        assert_eq!(sends(&mut probe, 20_000), None);
        probe.heard_another();
        assert_eq!(sends(&mut probe, 30_000), Some(Finding::Barred { heard: true }));
        let said = probe.said.clone();
        assert_eq!(probe.came(said.as_bytes(), At(31_000)), Some(Finding::Through));
        // What came before the rules were tightened proves nothing.
        assert_eq!(sends(&mut probe, 331_000), None);
        assert_eq!(sends(&mut probe, 341_000), Some(Finding::Barred { heard: false }));
    }

    #[test]
    fn a_broker_that_waits_for_acknowledgements_of_ours_is_not_blamed() {
        let mut probe = begun();
        sends(&mut probe, 0);
        for at in (10_000..100_000).step_by(2_000) {
            assert!(probe.look(At(at), true).is_none());
        }
        assert_eq!(sends(&mut probe, 100_000), Some(Finding::Barred { heard: false }));
    }
}
