//! What the words of a Zigbee device mean: a table per device type, because the same field means
//! different things on different models. `action: single` is a call on an emergency button and a lamp
//! on a remote control; `gas` is a boolean, a percentage or a meter reading; `alarm` is whatever the
//! model watches. The default table is the cautious one: only words that mean one thing on every known
//! model are alarms.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::terms::{DeviceId, Kind, Sign, What};

/// What the reader of one Zigbee2MQTT has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Z2mSettings {
    /// The base topic of Zigbee2MQTT's own settings, without a slash at its end: `zigbee2mqtt`.
    pub base_topic: String,
    /// The registered devices by their friendly names, as Zigbee2MQTT writes them (any language, `/`
    /// allowed).
    pub names: BTreeMap<String, Z2mDevice>,
}

/// One registered Zigbee device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Z2mDevice {
    /// Its registered id.
    pub id: DeviceId,
    /// What its words mean.
    pub meaning: Meaning,
}

/// What the words of one device type mean. `emergency`, `panic` and `sos` are calls and `off` is a
/// release on every type, whatever stands here. A word that stands in two sets means the first of:
/// call, cancel, service, silent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meaning {
    /// Lives hang on it: an empty signal, or a word that stands in no table, is refused and so calls
    /// people.
    pub life_safety: bool,
    /// Runs on mains power: a battery of 0 % is none.
    pub mains: bool,
    /// Further `action` values that are the emergency key: `single`, `double`, `hold`.
    pub sos: BTreeSet<String>,
    /// `action` values that are the resident's cancel key.
    pub cancel: BTreeSet<String>,
    /// `action` values that are the service key.
    pub service: BTreeSet<String>,
    /// `action` values that call nobody: `disarm`, `arm_all_zones`.
    pub silent: BTreeSet<String>,
    /// What `alarm: true` means on this type; nothing by default. With a kind that does not last, each
    /// message that says `true` is one event.
    pub alarm: Option<Kind>,
    /// A number in `gas` at or above this is a gas alarm, in the device's own unit; by default a
    /// number is a reading and only `true` is an alarm.
    pub gas_alarm_from: Option<u32>,
}

/// What one `action` value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Something that stands in a table.
    Says(What),
    /// Known, and of no importance.
    Silent,
    /// In no table.
    Unknown,
}

impl Meaning {
    /// What an `action` value says on this type. The words are compared without regard to case: a
    /// call is not lost to a capital letter.
    pub(super) fn action(&self, word: &str) -> Action {
        let word = word.trim().to_lowercase();
        let within = |set: &BTreeSet<String>| set.iter().any(|own| own.to_lowercase() == word);
        match word.as_str() {
            "emergency" | "panic" | "sos" => Action::Says(What::Pulse(Kind::Sos)),
            "off" | "release" => Action::Silent,
            _ if within(&self.sos) => Action::Says(What::Pulse(Kind::Sos)),
            _ if within(&self.cancel) => Action::Says(What::Cancel),
            _ if within(&self.service) => Action::Says(What::Pulse(Kind::Service)),
            _ if within(&self.silent) || word.ends_with("_release") => Action::Silent,
            _ => Action::Unknown,
        }
    }

    /// The field and the kind of every condition that is read from this type as true or false.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        CONDITIONS.into_iter().chain(self.alarm.map(|kind| ("alarm", kind)))
    }
}

const CONDITIONS: [(&str, Kind); 6] = [
    ("smoke", Kind::Smoke),
    ("gas", Kind::Gas),
    ("carbon_monoxide", Kind::Co),
    ("water_leak", Kind::Water),
    ("tamper", Kind::Tamper),
    ("battery_low", Kind::LowBattery),
];

/// The fields of fall radars, and the one value that is a confirmed fall. A suspicion (`maybe_fall`,
/// `fall_warning`) is not; nor is `fall: true`, which a cube sends when the cube fell.
pub(super) const FALLS: [(&str, &str); 3] =
    [("fall_status", "fall_alarm"), ("status", "falling"), ("fall_down_status", "fall")];

/// The fields of a home's sensors, and what they say as true and as false. `contact` is the magnet's
/// touch: a door that is closed. They are read of registered devices only, and alarm nobody.
pub(super) const SIGNS: [(&str, Sign, Sign); 3] = [
    ("contact", Sign::Closed, Sign::Open),
    ("occupancy", Sign::Motion, Sign::Still),
    ("presence", Sign::Present, Sign::Absent),
];

/// Whether a field is read at all. The others, a keypad's PIN among them, are never looked at.
pub(super) fn is_read(field: &str) -> bool {
    matches!(field, "action" | "sos" | "alarm" | "battery" | "test")
        || CONDITIONS.iter().any(|(name, _)| *name == field)
        || FALLS.iter().any(|(name, _)| *name == field)
        || SIGNS.iter().any(|(name, ..)| *name == field)
}

/// Whether a device's own test covers this: a detector under test smells smoke that is not there. A
/// key that is pressed meanwhile is a call.
pub(super) fn is_testable(kind: Kind) -> bool {
    matches!(kind, Kind::Smoke | Kind::Gas | Kind::Co | Kind::Water)
}

/// Whether a condition of a device that nobody registered is reported: hazards and water both ways,
/// or the end of one fire would hide the start of the next.
pub(super) fn is_heard_unregistered(kind: Kind) -> bool {
    is_testable(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(word: &str) -> Meaning {
        Meaning { life_safety: true, sos: BTreeSet::from([word.to_owned()]), ..Meaning::default() }
    }

    #[test]
    fn an_emergency_is_a_call_on_every_type_and_off_on_none() {
        for word in ["emergency", "panic", "sos", "EMERGENCY", " sos "] {
            let said = Meaning::default().action(word);
            assert_eq!(said, Action::Says(What::Pulse(Kind::Sos)), "{word}");
        }
        assert_eq!(button("off").action("off"), Action::Silent);
    }

    #[test]
    fn a_single_press_is_a_call_only_by_the_table() {
        assert_eq!(Meaning::default().action("single"), Action::Unknown);
        assert_eq!(button("single").action("single"), Action::Says(What::Pulse(Kind::Sos)));
    }

    #[test]
    fn a_table_cannot_make_a_call_of_panic_into_anything_else() {
        let service = BTreeSet::from(["panic".to_owned()]);
        let table = Meaning { service, ..Meaning::default() };
        assert_eq!(table.action("panic"), Action::Says(What::Pulse(Kind::Sos)));
    }
}
