//! What a type of device is: which family reads it, and what its signals mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::terms::{Kind, Wait};

/// The contract a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Our own JSON over MQTT.
    NativeMqtt,
    /// Our own frames on a serial line.
    NativeSerial,
    /// Behind Zigbee2MQTT.
    Zigbee2mqtt,
    /// LoRaWAN behind ChirpStack v4.
    Chirpstack,
    /// Tasmota, and what its radio bridges hear.
    Tasmota,
    /// Shelly, both generations.
    Shelly,
    /// ESPHome.
    Esphome,
    /// 433 MHz behind rtl_433.
    #[serde(rename = "rtl_433")]
    Rtl433,
    /// JSON of any other form, read by the paths that its source names.
    Json,
    /// Alarm panels behind a receiver on a serial line.
    ContactId,
    /// Codes of 433 MHz behind a receiver on a serial line.
    Ev1527,
    /// A fall radar of 60 GHz on a serial line.
    R60afd1,
    /// A fall radar of 24 GHz on a serial line.
    Mr24fdb1,
    /// Text on a serial line, read by the patterns that the line names.
    Lines,
    /// A point of a panel that is polled over Modbus.
    Modbus,
}

impl Family {
    /// The word in `devices.toml` and in the addresses of unregistered devices.
    pub fn word(self) -> &'static str {
        match self {
            Self::NativeMqtt => "native-mqtt",
            Self::NativeSerial => "native-serial",
            Self::Zigbee2mqtt => "zigbee2mqtt",
            Self::Chirpstack => "chirpstack",
            Self::Tasmota => "tasmota",
            Self::Shelly => "shelly",
            Self::Esphome => "esphome",
            Self::Rtl433 => "rtl_433",
            Self::Json => "json",
            Self::ContactId => "contact-id",
            Self::Ev1527 => "ev1527",
            Self::R60afd1 => "r60afd1",
            Self::Mr24fdb1 => "mr24fdb1",
            Self::Lines => "lines",
            Self::Modbus => "modbus",
        }
    }
}

/// One type of device, from `[type.NAME]` in `devices.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceType {
    /// The contract it speaks.
    pub family: Family,
    /// What staff call it, 紧急按钮; at most 10 UTF-16 units, since it stands in messages.
    pub label: String,
    /// Whether a life may hang on it: its unreadable signal pages.
    pub life_safety: bool,
    /// Action words and what they mean for this type, where the word alone does not say: `single`
    /// → `sos`. Words on the right: the kinds' words, `cancel`, `ignore`.
    pub actions: BTreeMap<String, String>,
    /// How long its devices may say nothing.
    #[serde(default)]
    pub watch: Watch,
    /// How often a person is to test its devices; none where nobody has to.
    #[serde(default)]
    pub test_every: Option<Wait>,
    /// What is to be known of it beside its words, if it is a Zigbee device.
    #[serde(default)]
    pub zigbee: ZigbeeType,
    /// What is to be known of it beside its words, if it is of one of the other bridged families.
    #[serde(default)]
    pub bridged: BridgedType,
}

/// What a type of a bridged family other than Zigbee is beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgedType {
    /// Its model, where the table of models knows it: see [`super::FieldModel`].
    pub model: Option<String>,
    /// Runs on mains power: a battery of 0 % is none.
    pub mains: bool,
    /// The bytes that show how far a call has come, by the stage's word; LoRaWAN only.
    pub feedback: BTreeMap<String, Vec<u8>>,
    /// The LoRaWAN port they go to, 1 to 223.
    pub feedback_port: u8,
}

/// How a type's devices are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// Silent for so long is a fault, 10 s to 30 days.
    Within(Wait),
    /// Its devices say nothing unless somebody needs them: only people can test them.
    Never,
}

impl Default for Watch {
    /// Battery devices check in once a day (field notes, P14: 25 h at most).
    fn default() -> Self {
        Self::Within(WATCHED_WITHIN)
    }
}

/// How long a device may be silent where its type does not say. Source: Zigbee2MQTT's limit for battery
/// devices, 1,500 min.
pub const WATCHED_WITHIN: Wait = Wait::hours(25);

/// What a Zigbee type is beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZigbeeType {
    /// Its model, where the table of models knows it: see [`super::ZigbeeModel`].
    pub model: Option<String>,
    /// Runs on mains power: a battery of 0 % is none.
    pub mains: bool,
    /// What `alarm: true` of it means; nothing by default.
    pub alarm: Option<Kind>,
    /// A number in `gas` at or above this is an alarm, 1 to 100,000 in the device's own unit.
    pub gas_alarm_from: Option<u32>,
}

/// All types by name.
pub type DeviceTypes = BTreeMap<String, DeviceType>;
