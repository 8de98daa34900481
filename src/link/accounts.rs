//! Who may say and hear what on the built-in broker. Pure: names, digests and topics in, yes or no
//! out.
//!
//! A device reaches only its own topics, so that one stolen button can neither press for another
//! resident nor listen to the house. A bridge (Zigbee2MQTT, ESPHome) has lists of filters; a filter
//! it asks for must lie wholly inside one it was given. Topics are compared as texts, not split into
//! device and leaf, because device ids may hold a `/`. Passwords are kept as SHA-256 and compared
//! without an early end, unknown names included; they are long random strings that `commission`
//! makes, so a slow password hash would only cost a small box its reconnect storm.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::LinkError;
use crate::terms::{DeviceId, HubId, Secret};

/// First part of every native topic; the hub's id follows.
pub(super) const NATIVE: &str = "anling/v1";
/// What a device says under its own name.
const SAYS: [&str; 3] = ["event", "state", "status"];
/// What a device hears under its own name.
const HEARS: &str = "cmd";

/// One MQTT user of the built-in broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// MQTT user name; unique, not empty.
    pub name: String,
    /// MQTT password; not empty.
    pub password: Secret,
    /// What it may say and hear.
    pub reach: Reach,
}

/// What an account may say and hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// One native device: says its own `event`, `state` and `status`, hears its own `cmd`.
    Device(DeviceId),
    /// Other software that speaks for many devices: MQTT topic filters for each direction.
    Bridge {
        /// Filters over the topics it may publish to, its will included.
        publish: Vec<String>,
        /// Filters that must contain whatever it subscribes to.
        subscribe: Vec<String>,
    },
    /// The local account of `anling press`: any native device of this hub.
    Press,
}

/// The accounts of one hub, ready to be asked.
pub(super) struct Accounts {
    native: String,
    known: BTreeMap<Arc<str>, Known>,
}

struct Known {
    digest: [u8; 32],
    reach: Reach,
}

impl Accounts {
    /// Checks the list: every name once and not empty, every password not empty, every filter one
    /// that MQTT allows.
    pub(super) fn new(hub: &HubId, accounts: Vec<Account>) -> Result<Self, LinkError> {
        let mut known = BTreeMap::new();
        for Account { name, password, reach } in accounts {
            if let Some(problem) = problem_with(&name, &password, &reach) {
                return Err(LinkError::Account { name, problem });
            }
            let digest = Sha256::digest(password.expose()).into();
            if known.insert(Arc::from(name.as_str()), Known { digest, reach }).is_some() {
                return Err(LinkError::Account { name, problem: "is there twice" });
            }
        }
        Ok(Self { native: format!("{NATIVE}/{hub}/"), known })
    }

    /// The account's name if the password is its own. Takes as long for a wrong password as for a
    /// wrong name.
    pub(super) fn admit(&self, name: &str, password: &[u8]) -> Option<Arc<str>> {
        let offered: [u8; 32] = Sha256::digest(password).into();
        let (wanted, name) = match self.known.get_key_value(name) {
            Some((name, known)) => (known.digest, Some(name)),
            None => ([0; 32], None),
        };
        let same = same_digest(&offered, &wanted);
        name.filter(|_| same).cloned()
    }

    /// The account's name if there is one.
    pub(super) fn known(&self, name: &str) -> Option<Arc<str>> {
        self.known.get_key_value(name).map(|(name, _)| Arc::clone(name))
    }

    /// Whose sessions cannot go on under `next`: accounts that are gone, or reach elsewhere. Another
    /// password is asked for at the next sign-in.
    pub(super) fn ended_by(&self, next: &Self) -> BTreeSet<Arc<str>> {
        let goes_on = |name: &str, reach: &Reach| {
            next.known.get(name).is_some_and(|known| known.reach == *reach)
        };
        let ended = self.known.iter().filter(|(name, known)| !goes_on(name, &known.reach));
        ended.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Whether `name` may publish to `topic`, or leave a will there.
    pub(super) fn may_publish(&self, name: &str, topic: &str) -> bool {
        if topic.is_empty() || topic.contains(['+', '#', '\0']) {
            return false;
        }
        match self.known.get(name).map(|known| &known.reach) {
            Some(Reach::Device(device)) => SAYS.iter().any(|leaf| self.is_own(topic, device, leaf)),
            Some(Reach::Bridge { publish, .. }) => publish.iter().any(|given| covers(given, topic)),
            Some(Reach::Press) => SAYS.iter().any(|leaf| self.any_device(topic, leaf)),
            None => false,
        }
    }

    /// Whether everything that `filter` matches is for the ears of `name`.
    pub(super) fn may_subscribe(&self, name: &str, filter: &str) -> bool {
        if !is_filter(filter) {
            return false;
        }
        match self.known.get(name).map(|known| &known.reach) {
            Some(Reach::Device(device)) => self.is_own(filter, device, HEARS),
            Some(Reach::Bridge { subscribe, .. }) => {
                subscribe.iter().any(|given| covers(given, filter))
            }
            Some(Reach::Press) => self.any_device(filter, HEARS),
            None => false,
        }
    }

    fn is_own(&self, topic: &str, device: &DeviceId, leaf: &str) -> bool {
        let rest = topic.strip_prefix(&self.native).and_then(|t| t.strip_prefix(device.as_str()));
        rest.and_then(|rest| rest.strip_prefix('/')) == Some(leaf)
    }

    fn any_device(&self, topic: &str, leaf: &str) -> bool {
        let device = topic
            .strip_prefix(&self.native)
            .and_then(|rest| rest.strip_suffix(leaf))
            .and_then(|rest| rest.strip_suffix('/'));
        device.is_some_and(|device| !device.is_empty())
    }
}

fn problem_with(name: &str, password: &Secret, reach: &Reach) -> Option<&'static str> {
    if name.is_empty() {
        return Some("has no name");
    }
    if password.expose().is_empty() {
        return Some("has an empty password");
    }
    match reach {
        Reach::Bridge { publish, subscribe }
            if publish.iter().chain(subscribe).any(|filter| !is_filter(filter)) =>
        {
            Some("has a topic filter that MQTT does not allow")
        }
        Reach::Device(_) | Reach::Bridge { .. } | Reach::Press => None,
    }
}

/// Compares all 32 bytes whatever the first ones say.
fn same_digest(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b));
    black_box(differing) == 0
}

/// Whether MQTT allows `filter`: `#` only as the whole last level, `+` only as a whole level.
fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if (wild && level.len() > 1) || (level == "#" && levels.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Whether every topic that `asked` matches is also matched by `given`; `asked` may be a plain
/// topic. As MQTT says, a wildcard at the front leaves topics that begin with `$` out, and `a/#`
/// holds `a` itself.
pub(super) fn covers(given: &str, asked: &str) -> bool {
    if asked.starts_with('$') && given.starts_with(['+', '#']) {
        return false;
    }
    let mut asked = asked.split('/');
    for given in given.split('/') {
        match (given, asked.next()) {
            ("#", _) => return true,
            (_, None | Some("#")) => return false,
            ("+", Some(_)) => {}
            (given, Some(asked)) if given == asked => {}
            (_, Some(_)) => return false,
        }
    }
    asked.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, password: &str, reach: Reach) -> Account {
        Account { name: name.into(), password: Secret::new(password), reach }
    }

    fn bridge(publish: &[&str], subscribe: &[&str]) -> Reach {
        let list = |filters: &[&str]| filters.iter().map(|f| (*f).to_owned()).collect();
        Reach::Bridge { publish: list(publish), subscribe: list(subscribe) }
    }

    fn house() -> Accounts {
        let device = |id| Reach::Device(DeviceId::new(id).unwrap());
        let accounts = vec![
            account("b14", "secret-14", device("B-14")),
            account("b501", "secret-501", device("三号楼/501-按钮")),
            account("z2m", "bridge", bridge(&["zigbee2mqtt/#"], &["zigbee2mqtt/+/set", "ha/#"])),
            account("press", "local", Reach::Press),
        ];
        Accounts::new(&HubId::new("hub1").unwrap(), accounts).unwrap()
    }

    #[test]
    fn a_device_says_only_what_is_its_own() {
        let house = house();
        for leaf in ["event", "state", "status"] {
            assert!(house.may_publish("b14", &format!("anling/v1/hub1/B-14/{leaf}")), "{leaf}");
        }
        for foreign in [
            "anling/v1/hub1/B-14/cmd",
            "anling/v1/hub1/B-15/event",
            "anling/v1/hub1/B-140/event",
            "anling/v1/hub1/B-14/x/event",
            "anling/v1/hub2/B-14/event",
            "anling/v2/hub1/B-14/event",
            "anling/v1/hub1/B-14/event/",
            "anling/v1/hub1/+/event",
            "anling/v1/hub1/B-14event",
            "$SYS/broker",
            "",
        ] {
            assert!(!house.may_publish("b14", foreign), "{foreign}");
        }
    }

    #[test]
    fn a_device_hears_only_its_own_commands() {
        let house = house();
        assert!(house.may_subscribe("b14", "anling/v1/hub1/B-14/cmd"));
        for foreign in [
            "anling/v1/hub1/B-15/cmd",
            "anling/v1/hub1/+/cmd",
            "anling/v1/hub1/B-14/#",
            "anling/v1/hub1/B-14/event",
            "#",
            "$share/g/anling/v1/hub1/B-14/cmd",
        ] {
            assert!(!house.may_subscribe("b14", foreign), "{foreign}");
        }
    }

    #[test]
    fn a_device_id_with_a_slash_reaches_its_own_topics_and_no_parent_does() {
        let house = house();
        assert!(house.may_publish("b501", "anling/v1/hub1/三号楼/501-按钮/event"));
        assert!(!house.may_publish("b501", "anling/v1/hub1/三号楼/event"));
        assert!(!house.may_publish("b501", "anling/v1/hub1/三号楼/502-按钮/event"));
    }

    #[test]
    fn the_press_account_speaks_for_any_device_of_this_hub_only() {
        let house = house();
        assert!(house.may_publish("press", "anling/v1/hub1/anything/event"));
        assert!(house.may_subscribe("press", "anling/v1/hub1/+/cmd"));
        assert!(!house.may_publish("press", "anling/v1/hub2/anything/event"));
        assert!(!house.may_publish("press", "anling/v1/hub1//event"));
        assert!(!house.may_publish("press", "anling/v1/hub1/x/cmd"));
        assert!(!house.may_publish("press", "zigbee2mqtt/x"));
        assert!(!house.may_subscribe("press", "anling/v1/hub1/#"));
    }

    #[test]
    fn a_bridge_stays_inside_its_filters() {
        let house = house();
        for own in ["zigbee2mqtt", "zigbee2mqtt/bridge/state", "zigbee2mqtt/三号楼/501"] {
            assert!(house.may_publish("z2m", own), "{own}");
        }
        assert!(!house.may_publish("z2m", "zigbee2mqtt2/x"));
        assert!(!house.may_publish("z2m", "anling/v1/hub1/B-14/event"));
        assert!(house.may_subscribe("z2m", "zigbee2mqtt/lamp/set"));
        assert!(house.may_subscribe("z2m", "zigbee2mqtt/+/set"));
        assert!(house.may_subscribe("z2m", "ha/+/x/#"));
        for wider in ["zigbee2mqtt/#", "zigbee2mqtt/+/+", "#", "+/+/set", "ha"] {
            assert_eq!(house.may_subscribe("z2m", wider), wider == "ha", "{wider}");
        }
    }

    #[test]
    fn a_wildcard_at_the_front_leaves_system_topics_out() {
        assert!(!covers("#", "$SYS/broker") && !covers("+/broker", "$SYS/broker"));
        assert!(covers("$SYS/#", "$SYS/broker") && covers("#", "a/b"));
    }

    #[test]
    fn only_the_right_password_opens_and_a_stranger_is_a_stranger() {
        let house = house();
        assert_eq!(house.admit("b14", b"secret-14").as_deref(), Some("b14"));
        assert_eq!(house.admit("b14", b"secret-1"), None);
        assert_eq!(house.admit("b14", b""), None);
        assert_eq!(house.admit("nobody", b"secret-14"), None);
        assert!(!house.may_publish("nobody", "anling/v1/hub1/B-14/event"));
        assert!(!house.may_subscribe("nobody", "anling/v1/hub1/B-14/cmd"));
    }

    #[test]
    fn a_session_ends_with_its_account_or_its_reach_and_not_with_its_password() {
        let device = |id| Reach::Device(DeviceId::new(id).unwrap());
        let next = vec![
            account("b14", "another secret", device("B-14")),
            account("b501", "secret-501", device("B-15")),
            account("press", "local", Reach::Press),
            account("new", "x", Reach::Press),
        ];
        let next = Accounts::new(&HubId::new("hub1").unwrap(), next).unwrap();
        let ended = house().ended_by(&next);
        assert_eq!(ended.iter().map(|name| &**name).collect::<Vec<_>>(), ["b501", "z2m"]);
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_refused_with_the_name() {
        let hub = HubId::new("hub1").unwrap();
        let press = |name: &str, password: &str| account(name, password, Reach::Press);
        for (accounts, said) in [
            (vec![press("a", "")], "empty password"),
            (vec![press("", "x")], "no name"),
            (vec![press("a", "x"), press("a", "y")], "twice"),
            (vec![account("a", "x", bridge(&["a/#/b"], &[]))], "topic filter"),
            (vec![account("a", "x", bridge(&[], &["a+/b"]))], "topic filter"),
            (vec![account("a", "x", bridge(&[""], &[]))], "topic filter"),
        ] {
            let problem = Accounts::new(&hub, accounts).err().unwrap().to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }
}
