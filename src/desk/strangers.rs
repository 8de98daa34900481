//! Strangers: devices that speak and that nobody registered, as a technician needs them to register
//! one: the address to write down, the wire, what it last said and what that would mean.
//!
//! Memory only, and gone with the next start: whoever stands at a new device presses it once more. At
//! most [`STRANGERS_MAX`]; the one that has been silent longest makes room, because the one that is
//! looked for has just been pressed. Chosen over facts: a street of neighbours' sensors would fill the
//! record with what concerns nobody. What may be a PIN is masked, as in the record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::contract::masked;
use crate::counter::StrangerView;
use crate::registry::{DeviceTypes, Registry};
use crate::terms::{At, DeviceId, LinkId, RefusalReason, Sign, Wall, What};

/// How many are remembered. Own choice: a street of sensors; half a megabyte.
const STRANGERS_MAX: usize = 512;
/// How much of the last message is kept, in bytes. Own choice: an event of any family but for the
/// receivers' part of a LoRaWAN uplink.
pub(super) const SAID_MAX_BYTES: usize = 512;
/// Largest message that a signal is looked for in. Own choice: far above a ChirpStack uplink.
const READ_MAX_BYTES: usize = 32 << 10;
/// How deep in a message a signal may stand: Tasmota's Zigbee readings are the deepest.
const DEPTH_MAX: usize = 4;

/// What one of them said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    /// Something with a meaning.
    Meant(What),
    /// Something that cannot be read.
    Unread(RefusalReason),
}

/// One message of one of them.
pub(super) struct Heard<'m> {
    pub(super) at: At,
    pub(super) link: &'m LinkId,
    pub(super) said: Said,
    pub(super) battery: Option<u8>,
    pub(super) bytes: &'m [u8],
}

struct Stranger {
    link: LinkId,
    first: At,
    last: At,
    count: u64,
    battery: Option<u8>,
    signal: Signal,
    said: Said,
    /// The beginning of the last message, at most [`SAID_MAX_BYTES`], and how long all of it was.
    bytes: (Vec<u8>, usize),
}

/// How well it is heard, where its messages say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Signal {
    /// In dBm; of several receivers the best.
    rssi: Option<i64>,
    /// 0 to 255, as Zigbee has it.
    link_quality: Option<i64>,
}

/// All of them, by the address that they were heard under.
#[derive(Default)]
pub(super) struct Strangers {
    known: BTreeMap<DeviceId, Stranger>,
    by_silence: BTreeSet<(At, DeviceId)>,
}

impl Strangers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Notes a message of a device under the address it was heard under.
    pub(super) fn hear(&mut self, address: &DeviceId, heard: &Heard<'_>) {
        let Heard { at, link, said, battery, bytes } = *heard;
        let kept = &bytes[..bytes.len().min(SAID_MAX_BYTES)];
        let signal = signal(bytes);
        if let Some(known) = self.known.get_mut(address) {
            self.by_silence.remove(&(known.last, address.clone()));
            known.link.clone_from(link);
            known.last = known.last.max(at);
            known.count = known.count.saturating_add(1);
            known.battery = battery.or(known.battery);
            known.signal.rssi = signal.rssi.or(known.signal.rssi);
            known.signal.link_quality = signal.link_quality.or(known.signal.link_quality);
            known.said = said;
            known.bytes.0.clear();
            known.bytes.0.extend_from_slice(kept);
            known.bytes.1 = bytes.len();
            self.by_silence.insert((known.last, address.clone()));
            return;
        }
        if self.known.len() >= STRANGERS_MAX
            && let Some((_, silent)) = self.by_silence.pop_first()
        {
            self.known.remove(&silent);
        }
        let bytes = (kept.to_vec(), bytes.len());
        let (link, first, last) = (link.clone(), at, at);
        let one = Stranger { link, first, last, count: 1, battery, signal, said, bytes };
        self.known.insert(address.clone(), one);
        self.by_silence.insert((at, address.clone()));
    }

    /// Forgets those that are registered now.
    pub(super) fn relearn(&mut self, types: &DeviceTypes, registry: &Registry) {
        let is_known = |address: &DeviceId| {
            let (family, name) = parts(address);
            let of = |device: &crate::registry::Device| {
                device.heard_name() == name
                    && types.get(&device.type_name).is_none_or(|kind| kind.family.word() == family)
            };
            registry.devices().any(of)
        };
        self.known.retain(|address, _| !is_known(address));
        let known = &self.known;
        self.by_silence.retain(|(_, address)| known.contains_key(address));
    }

    /// All of them, the last heard first.
    pub(super) fn views(&self, wall: impl Fn(At) -> Wall) -> Vec<StrangerView> {
        let in_order = self.by_silence.iter().rev();
        let known = in_order.filter_map(|(_, address)| Some((address, self.known.get(address)?)));
        known.map(|(address, known)| known.view(address, &wall)).collect()
    }
}

impl Stranger {
    fn view(&self, address: &DeviceId, wall: impl Fn(At) -> Wall) -> StrangerView {
        let (family, heard_as) = parts(address);
        let (kept, bytes) = &self.bytes;
        let is_text = is_text(kept, *bytes > kept.len());
        let text = is_text.then(|| masked(kept, SAID_MAX_BYTES));
        let hex = match text {
            Some(_) => None,
            None => Some(kept.iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        StrangerView {
            family: family.to_owned(),
            heard_as: heard_as.to_owned(),
            link: self.link.clone(),
            first: wall(self.first),
            heard: wall(self.last),
            count: self.count,
            battery: self.battery,
            rssi: self.signal.rssi,
            link_quality: self.signal.link_quality,
            meant: self.said.word(),
            text,
            hex,
            bytes: *bytes,
        }
    }
}

impl Said {
    fn word(self) -> String {
        let word = match self {
            Self::Unread(reason) => return format!("unreadable: {}", reason.word()),
            Self::Meant(What::Pulse(kind) | What::Level { kind, on: true }) => kind.word(),
            Self::Meant(What::Level { kind, on: false }) => return format!("{kind} off"),
            Self::Meant(What::Cancel) => "cancel",
            Self::Meant(What::Presence { online: true }) => "online",
            Self::Meant(What::Presence { online: false }) => "offline",
            Self::Meant(What::Sign(Sign::Open)) => "open",
            Self::Meant(What::Sign(Sign::Closed)) => "closed",
            Self::Meant(What::Sign(Sign::Motion)) => "motion",
            Self::Meant(What::Sign(Sign::Still)) => "still",
            Self::Meant(What::Sign(Sign::Present)) => "present",
            Self::Meant(What::Sign(Sign::Absent)) => "absent",
            Self::Meant(What::Telemetry) => "sign of life",
        };
        word.to_owned()
    }
}

/// The family and what `heard_as` would say.
pub(super) fn parts(address: &DeviceId) -> (&str, &str) {
    address.as_str().split_once(':').unwrap_or(("", address.as_str()))
}

/// Whether the bytes are text; its last character may have been cut with the rest.
fn is_text(kept: &[u8], cut: bool) -> bool {
    let text = match std::str::from_utf8(kept) {
        Ok(text) => text,
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&kept[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    !text.is_empty() && text.chars().all(is_text)
}

/// What a message says of its own radio: `rssi` and `linkquality`, wherever the family puts them.
fn signal(bytes: &[u8]) -> Signal {
    let mut signal = Signal::default();
    if bytes.first() == Some(&b'{')
        && bytes.len() <= READ_MAX_BYTES
        && let Ok(message) = serde_json::from_slice::<Value>(bytes)
    {
        look_for_signal(&message, DEPTH_MAX, &mut signal);
    }
    signal
}

fn look_for_signal(value: &Value, deeper: usize, signal: &mut Signal) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let best = match name.as_str() {
                    name if name.eq_ignore_ascii_case("rssi") => &mut signal.rssi,
                    name if name.eq_ignore_ascii_case("linkquality") => &mut signal.link_quality,
                    _ if deeper > 0 => {
                        look_for_signal(value, deeper - 1, signal);
                        continue;
                    }
                    _ => continue,
                };
                *best = (*best).max(value.as_f64().map(|number| number.round() as i64));
            }
        }
        Value::Array(items) if deeper > 0 => {
            items.iter().for_each(|item| look_for_signal(item, deeper - 1, signal));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Change, Row};
    use crate::terms::Kind;

    fn address(name: &str) -> DeviceId {
        DeviceId::unregistered("zigbee2mqtt", name)
    }

    fn says(strangers: &mut Strangers, name: &str, at: u64, bytes: &[u8]) {
        let link = LinkId::new("broker").unwrap();
        let said = Said::Meant(What::Pulse(Kind::Sos));
        let heard = Heard { at: At(at), link: &link, said, battery: None, bytes };
        strangers.hear(&address(name), &heard);
    }

    fn wall(at: At) -> Wall {
        Wall(i64::try_from(at.0).unwrap())
    }

    #[test]
    fn the_longest_silent_makes_room_and_who_spoke_again_stays() {
        let mut strangers = Strangers::default();
        for n in 0..STRANGERS_MAX {
            says(&mut strangers, &n.to_string(), 10 + n as u64, b"x");
        }
        says(&mut strangers, "0", 5_000, b"x");
        for n in 0..3 {
            says(&mut strangers, &format!("new-{n}"), 6_000 + n, b"x");
        }
        assert_eq!(strangers.len(), STRANGERS_MAX);
        let names: Vec<String> = strangers.views(wall).into_iter().map(|s| s.heard_as).collect();
        assert_eq!(names[..4], ["new-2", "new-1", "new-0", "0"]);
        assert_eq!(names.last().unwrap(), "4", "1, 2 and 3 had been silent longest");
        assert_eq!(strangers.by_silence.len(), STRANGERS_MAX);
    }

    #[test]
    fn what_it_said_is_text_where_it_is_text_and_never_more_than_is_kept() {
        let one = |bytes: &[u8]| {
            let mut strangers = Strangers::default();
            says(&mut strangers, "a", 1, bytes);
            strangers.views(wall).remove(0)
        };
        assert_eq!(one("{\"a\": \"呼叫\"}".as_bytes()).text.unwrap(), "{\"a\": \"呼叫\"}");
        assert_eq!(one(br#"{"action_code":"4711"}"#).text.unwrap(), r#"{"action_code":***}"#);
        assert_eq!((one(b"\x00\xff").text, one(b"\x00\xff").hex.unwrap()), (None, "00ff".into()));
        assert_eq!(one(b"\x1b[2J").hex.unwrap(), "1b5b324a", "nothing that a terminal obeys");
        let long = "呼".repeat(400);
        let cut = one(long.as_bytes());
        assert_eq!(cut.bytes, 1_200);
        assert!(cut.text.unwrap().starts_with(&"呼".repeat(SAID_MAX_BYTES / 3)));
        assert_eq!(one(&[0xff; 600]).hex.unwrap().len(), 2 * SAID_MAX_BYTES);
        assert_eq!(one(b"").hex.unwrap(), "");
    }

    #[test]
    fn a_signal_is_found_where_each_family_puts_it() {
        for (message, rssi, quality) in [
            (r#"{"rssi":-71}"#, Some(-71), None),
            (r#"{"linkquality":120,"action":"single"}"#, None, Some(120)),
            (r#"{"rxInfo":[{"rssi":-110},{"rssi":-63.4}]}"#, Some(-63), None),
            (r#"{"ZbReceived":{"0x1":{"LinkQuality":54}}}"#, None, Some(54)),
            (r#"{"a":{"a":{"a":{"a":{"a":{"rssi":-1}}}}}}"#, None, None),
            (r#"{"rssi":"good"}"#, None, None),
            ("rssi", None, None),
        ] {
            let found = signal(message.as_bytes());
            assert_eq!(found, Signal { rssi, link_quality: quality }, "{message}");
        }
    }

    #[test]
    fn whoever_is_registered_is_no_stranger_any_more() {
        let mut strangers = Strangers::default();
        says(&mut strangers, "door", 1, b"x");
        says(&mut strangers, "hall", 2, b"x");
        let mut registry = Registry::default();
        let row = serde_json::json!({ "id": "Z-1", "type": "button", "heard_as": "door" });
        registry.apply(&Change::Set(Row::Device(serde_json::from_value(row).unwrap())));
        strangers.relearn(&DeviceTypes::new(), &registry);
        let left: Vec<String> = strangers.views(wall).into_iter().map(|s| s.heard_as).collect();
        assert_eq!((left, strangers.by_silence.len()), (vec!["hall".to_owned()], 1));
    }
}
