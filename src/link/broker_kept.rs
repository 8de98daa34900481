//! Retained messages of the built-in broker, in memory and bounded.
//!
//! Zigbee2MQTT and ESPHome need a broker that keeps their levels and `bridge/…` lists, so it does.
//! Nothing the hub itself relies on is kept here: what it heard is in its own journal, and after a
//! restart the senders say their levels again. At a limit a new topic is not kept and counted; a
//! topic that is already there may still change, as long as the bytes allow it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmqtt::retain::RetainStorage;
use rmqtt::types::{Retain, TimedValue, TopicFilter, TopicName};

use super::accounts::{NATIVE, covers};
use super::broker_counts::Counters;
use super::broker_hooks::Later;

/// Most topics kept. Own choice: `state` and `status` of 3,000 devices, and a bridge's lists.
const KEPT_MAX: usize = 8_192;
/// Most bytes kept, topics and payloads. Own choice: a bridge's device list of 1 MB and 8,000
/// levels of 300 bytes.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The retained messages.
pub(super) struct Kept {
    shelf: Mutex<Shelf>,
    counts: Arc<Counters>,
}

#[derive(Default)]
struct Shelf {
    topics: BTreeMap<String, TimedValue<Retain>>,
    bytes: usize,
}

impl Kept {
    pub(super) fn new(counts: Arc<Counters>) -> Self {
        Self { shelf: Mutex::default(), counts }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, topic: &str, retain: Retain, expiry: Option<Duration>) {
        let mut shelf = self.shelf();
        shelf.remove(topic);
        if retain.publish.payload.is_empty() || is_press(topic) {
            return;
        }
        // The listener's message expiry is 0, which says "never"; only MQTT 5 senders set another.
        let expiry = expiry.filter(|expiry| !expiry.is_zero());
        if !shelf.put(topic, TimedValue::new(retain, expiry)) {
            self.counts.unkept.one();
        }
    }

    fn matching(&self, filter: &str) -> Vec<(TopicName, Retain)> {
        let shelf = self.shelf();
        let found = |(topic, kept): (&String, &TimedValue<Retain>)| {
            (!kept.is_expired()).then(|| (TopicName::from(topic.as_str()), kept.value().clone()))
        };
        let Some(wild) = filter.find(['+', '#']) else {
            return shelf.topics.get_key_value(filter).and_then(found).into_iter().collect();
        };
        // `a/#` holds `a` itself, so the scan begins at the last level before the wildcard's slash.
        let start = filter[..wild].trim_end_matches('/');
        let near = shelf.topics.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        near.take_while(|(topic, _)| topic.starts_with(start))
            .filter(|(topic, _)| covers(filter, topic))
            .filter_map(found)
            .collect()
    }
}

impl Shelf {
    fn put(&mut self, topic: &str, kept: TimedValue<Retain>) -> bool {
        let size = size(topic, &kept);
        if self.is_full_for(size) {
            self.drop_expired();
        }
        if self.is_full_for(size) {
            return false;
        }
        self.bytes += size;
        self.topics.insert(topic.to_owned(), kept);
        true
    }

    fn is_full_for(&self, size: usize) -> bool {
        self.topics.len() >= KEPT_MAX || self.bytes + size > KEPT_BYTES_MAX
    }

    fn remove(&mut self, topic: &str) {
        if let Some(kept) = self.topics.remove(topic) {
            self.bytes -= size(topic, &kept);
        }
    }

    fn drop_expired(&mut self) {
        let bytes = &mut self.bytes;
        self.topics.retain(|topic, kept| {
            if kept.is_expired() {
                *bytes -= size(topic, kept);
            }
            !kept.is_expired()
        });
    }
}

fn size(topic: &str, kept: &TimedValue<Retain>) -> usize {
    topic.len() + kept.value().publish.payload.len()
}

/// A press must never be heard again because somebody subscribed.
fn is_press(topic: &str) -> bool {
    topic.starts_with(NATIVE) && topic.ends_with("/event")
}

impl RetainStorage for Kept {
    fn enable(&self) -> bool {
        true
    }

    fn need_sync(&self) -> bool {
        false
    }

    fn set<'s, 't, 'f>(
        &'s self,
        topic: &'t TopicName,
        retain: Retain,
        expiry: Option<Duration>,
    ) -> Later<'f, rmqtt::Result<()>>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        self.put(topic, retain, expiry);
        Box::pin(async { Ok(()) })
    }

    fn get<'s, 't, 'f>(
        &'s self,
        filter: &'t TopicFilter,
    ) -> Later<'f, rmqtt::Result<Vec<(TopicName, Retain)>>>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        let found = self.matching(filter);
        Box::pin(async { Ok(found) })
    }

    fn count<'s, 'f>(&'s self) -> Later<'f, isize>
    where
        's: 'f,
        Self: 'f,
    {
        let count = isize::try_from(self.shelf().topics.len()).unwrap_or(isize::MAX);
        Box::pin(async move { count })
    }

    fn max<'s, 'f>(&'s self) -> Later<'f, isize>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async { isize::try_from(KEPT_MAX).unwrap_or(isize::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use rmqtt::codec::types::Publish;
    use rmqtt::types::{From, Id, QoS};

    use super::*;

    fn retain(topic: &str, payload: &[u8]) -> Retain {
        let publish = Publish {
            dup: false,
            retain: true,
            qos: QoS::AtLeastOnce,
            topic: topic.into(),
            packet_id: None,
            payload: payload.to_vec().into(),
            properties: None,
        };
        let from = From::from_system(Id::from(0, "test".into()));
        Retain { msg_id: None, from, publish: publish.into() }
    }

    fn store() -> Kept {
        Kept::new(Arc::default())
    }

    fn put(kept: &Kept, topic: &str, payload: &[u8]) {
        kept.put(topic, retain(topic, payload), None);
    }

    fn topics(kept: &Kept, filter: &str) -> Vec<String> {
        kept.matching(filter).into_iter().map(|(topic, _)| topic.to_string()).collect()
    }

    #[test]
    fn levels_are_found_by_topic_and_by_filter() {
        let kept = store();
        for topic in ["z/a", "z/b/state", "z", "zz/a", "anling/v1/h/d/status"] {
            put(&kept, topic, b"1");
        }
        assert_eq!(topics(&kept, "z/a"), ["z/a"]);
        assert_eq!(topics(&kept, "z/#"), ["z", "z/a", "z/b/state"]);
        assert_eq!(topics(&kept, "+/a"), ["z/a", "zz/a"]);
        assert_eq!(topics(&kept, "anling/v1/h/+/status"), ["anling/v1/h/d/status"]);
        assert!(topics(&kept, "z/c").is_empty());
    }

    #[test]
    fn a_press_is_never_kept_and_an_empty_level_is_forgotten() {
        let kept = store();
        put(&kept, "anling/v1/h/d/event", b"{}");
        put(&kept, "z/a", b"1");
        put(&kept, "z/a", b"");
        assert!(topics(&kept, "#").is_empty());
        assert_eq!(kept.shelf().bytes, 0);
    }

    #[test]
    fn a_full_store_keeps_what_it_has_and_counts_what_it_turns_away() {
        let kept = store();
        for n in 0..KEPT_MAX {
            put(&kept, &format!("z/{n}"), b"1");
        }
        put(&kept, "z/new", b"1");
        put(&kept, "z/7", b"2");
        assert!(topics(&kept, "z/new").is_empty());
        assert_eq!(&kept.matching("z/7")[0].1.publish.payload[..], b"2");
        assert_eq!(kept.counts.read().unkept, 1);
        let kept = store();
        put(&kept, "big", &vec![0; KEPT_BYTES_MAX]);
        assert!(topics(&kept, "big").is_empty());
    }
}
