//! Bytes and meaning: what each device family says on the wire, as [`Report`]s, and what the hub says
//! back. One file per family; the written contracts and their vectors stand in `firmware-contracts/`,
//! and `tests/contracts.rs` holds the two together.
//!
//! | family | topics | read by | answered by |
//! |---|---|---|---|
//! | native, v1 | `anling/v1/<hub>/<device>/{event,state,status}` | [`NativeMqtt`] | [`encode`] |
//! | native, serial, v1 | one piece between two zero bytes of a serial line | [`NativeSerial`] | [`encode_serial`] |
//! | Zigbee2MQTT | `<base>/<friendly name>…`, but for `<base>/bridge/…` | [`Zigbee2Mqtt`] | – |
//! | ChirpStack v4 | `<base>/<application>/device/<DevEUI>/event/…` | [`ChirpStack`] | its downlink queue |
//! | Tasmota | `<base>/tele/<topic>/…`, `<base>/stat/<topic>/RESULT` | [`Tasmota`] | – |
//! | Shelly | `<base>/<id>/…`, `<id>/{events/rpc,status/…,online}` | [`Shelly`] | – |
//! | ESPHome | `<base>/<node>/{status,<component>/<object>/state}` | [`EspHome`] | – |
//! | rtl_433 | `<base>/<host>/events` | [`Rtl433`] | – |
//! | JSON of any form | each source's own filter | [`JsonAny`] | – |
//! | Alertmanager | the body of a webhook, handed in over HTTP | [`Alertmanager`] | – |
//! | Contact ID | one line of an alarm receiver | [`ContactId`] | 0x06 once it is on disk |
//! | text of any form | one line, by a pattern of `links.toml` | [`TextLines`] | – |
//! | R60AFD1, MR24FDB1 | one frame of the radar that is alone on its line | [`R60afd1`], [`Mr24fdb1`] | – |
//! | Modbus RTU | a panel's answer, on the topic of its request | [`Modbus`] | a lamp's coil ([`modbus_coil`]) |
//! | EV1527 and PT2262 | one frame or line of a receiver for 433 MHz | [`Radio433`] | the bridge chip's `AA A0 55` |
//!
//! The room is pure: time comes in with the message, and nothing is logged. Whatever the bytes, a
//! decoder answers with reports and refusals, never with a panic; a refusal names the device wherever
//! the topic still does, because an unreadable signal of a life-safety device calls people too.
//! Guessing was rejected: what stands in no table is refused or a sign of life, never an alarm of
//! another kind. A decoder's memory only joins what belongs together and may be lost at any time.

mod alertmanager;
mod chirpstack;
mod contact_id;
mod esphome;
mod field;
mod json;
mod json_any;
mod milesight;
mod modbus;
mod mr24fdb1;
mod native_mqtt;
mod native_serial;
mod r60afd1;
mod radio_433;
mod rtl_433;
mod sample;
mod shelly;
mod tasmota;
mod text_lines;
mod z2m_meaning;
mod z2m_message;
mod zigbee2mqtt;

pub use alertmanager::{ALERTS_REMEMBERED_MAX, Alertmanager};
pub use chirpstack::ChirpStack;
pub use contact_id::{CONTACT_ID_MAX, ContactId};
pub use esphome::EspHome;
pub use field::{
    FIELD_MAX_BYTES, FIELD_REMEMBERED_MAX, Feedback, FieldDevice, FieldReader, FieldSettings, Words,
};
pub use json_any::JsonAny;
pub use modbus::{MODBUS_FAMILY, MODBUS_MAX, Modbus, ModbusRequest, NoAnswer, modbus_coil};
pub use mr24fdb1::{MR24FDB1_HEAD, MR24FDB1_MAX, Mr24fdb1};
pub use native_mqtt::{NATIVE_MAX_BYTES, NATIVE_NEWEST, NATIVE_OLDEST, NativeMqtt, encode, kinds};
pub use native_serial::{
    NativeSerial, SERIAL_DELIMITER, SERIAL_FAMILY, SERIAL_NEWEST, SERIAL_OLDEST, SERIAL_PIECE_MAX,
    SerialEvent, SerialFrame, Unread, encode_serial, serial_address, serial_name,
};
pub use r60afd1::{R60AFD1_BESIDE, R60AFD1_HEAD, R60AFD1_MAX, R60AFD1_TAIL, R60afd1};
pub use radio_433::{RF_BRIDGE_FRAME, RFLINK_MAX, Radio433, Receiver433};
pub use rtl_433::Rtl433;
pub use sample::{SAMPLE_MAX_CHARS, masked, sample};
pub use shelly::Shelly;
pub use tasmota::Tasmota;
pub use text_lines::{TEXT_LINE_MAX, TextLines};
pub use z2m_meaning::{Meaning, Z2mDevice, Z2mSettings};
pub use zigbee2mqtt::{Z2M_BRIDGE, Z2M_MAX_BYTES, Z2M_REMEMBERED_MAX, Zigbee2Mqtt};

use crate::terms::{At, Decoded, DeviceId, Inbound, Kind, Refusal, RefusalReason, Report, What};

/// One message, with what every answer about it carries.
#[derive(Clone, Copy)]
struct Heard<'a> {
    at: At,
    inbound: &'a Inbound,
}

impl Heard<'_> {
    fn report(&self, device: DeviceId, what: What) -> Report {
        Report {
            device,
            mark: None,
            what,
            test: false,
            retained: self.inbound.retained,
            found: false,
            hold_ms: None,
            battery: None,
            said_at: None,
            heard_at: self.at,
        }
    }

    fn refusal(&self, device: Option<DeviceId>, reason: RefusalReason) -> Decoded {
        let sample = sample(&self.inbound.bytes);
        Decoded::Refusal(Refusal { device, reason, sample, heard_at: self.at })
    }
}

/// What a device that goes into (`on`) or out of a condition says. A condition that lasts is a level;
/// for anything else the end says nothing but that the device is alive.
fn turned(kind: Kind, on: bool) -> What {
    match (kind, on) {
        (kind, on) if kind.lasts() => What::Level { kind, on },
        (kind, true) => What::Pulse(kind),
        (_, false) => What::Telemetry,
    }
}

/// The name of a device that is alone on its serial line: the line's own.
fn line_name(topic: &str) -> &str {
    topic.strip_prefix("serial.").unwrap_or(topic)
}
