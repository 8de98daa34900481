//! What is known of single Zigbee models, where their words do not say it themselves. A model that does
//! not stand here is read by the cautious default: only words that mean one thing on every model call.
//!
//! Sources: the device pages of Zigbee2MQTT and its converters, read in 2026; `double` and `hold` on an
//! emergency button are the same frightened hand as `single`.

/// One model, by the name that Zigbee2MQTT shows as its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZigbeeModel {
    /// The name: `HS1EB`.
    pub name: &'static str,
    /// `action` words that are the emergency key, beside `emergency`, `panic` and `sos`.
    pub sos: &'static [&'static str],
    /// `action` words that call nobody: a keypad's arming and disarming.
    pub silent: &'static [&'static str],
    /// Runs on mains power.
    pub mains: bool,
}

const fn model(name: &'static str) -> ZigbeeModel {
    ZigbeeModel { name, sos: &[], silent: &[], mains: false }
}

const EVERY_PRESS: &[&str] = &["single", "double", "hold"];
const KEYPAD: &[&str] = &[
    "disarm",
    "arm_day_zones",
    "arm_night_zones",
    "arm_all_zones",
    "exit_delay",
    "entry_delay",
    "invalid_code",
    "not_ready",
    "already_disarmed",
];

/// The models, by name.
pub const ZIGBEE_MODELS: &[ZigbeeModel] = &[
    ZigbeeModel { sos: EVERY_PRESS, ..model("HS1EB") },
    ZigbeeModel { silent: KEYPAD, ..model("HS1RC-N") },
    ZigbeeModel { silent: KEYPAD, ..model("KP-23EL-ZBS-ACE") },
    ZigbeeModel { sos: &["single"], ..model("SE20-O") },
    ZigbeeModel { sos: EVERY_PRESS, ..model("SE21") },
    model("TS0215A_sos"),
    model("TS0601_sos"),
];

impl ZigbeeModel {
    /// The model of a name, whatever its capitals.
    pub fn find(name: &str) -> Option<&'static Self> {
        ZIGBEE_MODELS.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_stands_once_and_no_release_is_a_call() {
        for (n, model) in ZIGBEE_MODELS.iter().enumerate() {
            assert!(
                ZIGBEE_MODELS[..n].iter().all(|other| other.name < model.name),
                "{}",
                model.name
            );
            assert!(!model.sos.iter().any(|word| matches!(*word, "off" | "release")));
            assert_eq!(ZigbeeModel::find(&model.name.to_lowercase()), Some(model));
        }
        assert_eq!(ZigbeeModel::find("HS1"), None);
    }
}
