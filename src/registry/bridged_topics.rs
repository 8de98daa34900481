//! Which topics a bridged family speaks on, so that no two families on one broker claim the same, and a
//! broker that others run is asked for no more than is read.

use super::Family;
use crate::terms::Spoken;

/// Where things announce themselves to Home Assistant, by its own default.
const DISCOVERY: &str = "homeassistant";

impl Family {
    /// The families that speak over MQTT through a bridge or a firmware of their own and have a table
    /// of their own in `links.toml`, Zigbee2MQTT aside.
    pub const BRIDGED: [Self; 5] =
        [Self::Chirpstack, Self::Tasmota, Self::Shelly, Self::Esphome, Self::Rtl433];

    /// The families that are heard on serial lines.
    pub const ON_LINES: [Self; 6] = [
        Self::NativeSerial,
        Self::ContactId,
        Self::Ev1527,
        Self::R60afd1,
        Self::Mr24fdb1,
        Self::Lines,
    ];

    /// Whose devices are heard on a line.
    pub fn on_line(spoken: &Spoken) -> Self {
        match spoken {
            Spoken::Native => Self::NativeSerial,
            Spoken::ContactId(_) => Self::ContactId,
            Spoken::Ev1527(..) | Spoken::RfBridge(_) | Spoken::Rflink(_) => Self::Ev1527,
            Spoken::R60afd1 => Self::R60afd1,
            Spoken::Mr24fdb1 => Self::Mr24fdb1,
            Spoken::Lines(_) => Self::Lines,
        }
    }

    /// Whether its words are read by tables, `path=value`.
    pub fn is_bridged(self) -> bool {
        let on_lines = Self::ON_LINES.contains(&self) && self != Self::NativeSerial;
        Self::BRIDGED.contains(&self) || self == Self::Json || on_lines
    }

    /// The topic part that its own usually begin with; Tasmota's is empty.
    pub fn usual_base(self) -> &'static str {
        match self {
            Self::NativeMqtt | Self::NativeSerial => "anling/v1",
            Self::Zigbee2mqtt => "zigbee2mqtt",
            Self::Chirpstack => "application",
            Self::Tasmota | Self::Json => "",
            Self::ContactId | Self::Ev1527 | Self::R60afd1 | Self::Mr24fdb1 | Self::Lines => "",
            Self::Modbus => "",
            Self::Shelly => "shellies",
            Self::Esphome => "esphome",
            Self::Rtl433 => "rtl_433",
        }
    }

    /// The first levels that it claims under a base; a `*` at the end stands for any rest of a level.
    pub fn roots(self, base: &str) -> Vec<String> {
        match self {
            Self::Tasmota => vec![below(base, "tele"), below(base, "stat")],
            Self::Shelly => vec![base.to_owned(), "shelly*".to_owned()],
            Self::Esphome => vec![base.to_owned(), DISCOVERY.to_owned()],
            _ => vec![base.to_owned()],
        }
    }

    /// The topic filters that hear all of it.
    pub fn filters(self, base: &str) -> Vec<String> {
        let leaves: &[&str] = match self {
            Self::NativeMqtt | Self::NativeSerial | Self::Json => &[],
            Self::ContactId | Self::Ev1527 | Self::R60afd1 | Self::Mr24fdb1 | Self::Lines => &[],
            Self::Modbus => &[],
            Self::Zigbee2mqtt => &["#"],
            Self::Chirpstack => &["+/device/+/event/+"],
            Self::Tasmota => {
                &["tele/+/LWT", "tele/+/STATE", "tele/+/SENSOR", "tele/+/RESULT", "stat/+/RESULT"]
            }
            Self::Shelly => &["#"],
            Self::Esphome => &["+/status", "+/+/+/state"],
            Self::Rtl433 => &["+/events"],
        };
        let mut filters: Vec<String> = leaves.iter().map(|leaf| below(base, leaf)).collect();
        if self == Self::Esphome {
            filters.extend(["+/+/config", "+/+/+/config"].map(|leaf| below(DISCOVERY, leaf)));
        }
        if self == Self::Shelly {
            filters.extend(["+/events/rpc", "+/online", "+/status/+"].map(str::to_owned));
        }
        filters
    }
}

fn below(base: &str, leaf: &str) -> String {
    if base.is_empty() { leaf.to_owned() } else { format!("{base}/{leaf}") }
}

/// Whether some topic may lie below both roots.
pub fn roots_meet(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some(a), Some(b)) if !levels_meet(a, b) => return false,
            (Some(_), Some(_)) => {}
            _ => return true,
        }
    }
}

fn levels_meet(one: &str, other: &str) -> bool {
    match (one.strip_suffix('*'), other.strip_suffix('*')) {
        (None, None) => one == other || one == "+" || other == "+" || one == "#" || other == "#",
        (Some(stem), None) => other.starts_with(stem) || matches!(other, "+" | "#"),
        (None, Some(stem)) => one.starts_with(stem) || matches!(one, "+" | "#"),
        (Some(a), Some(b)) => a.starts_with(b) || b.starts_with(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_as_they_usually_are_share_no_topic() {
        let mut roots: Vec<(Family, String)> = Vec::new();
        for family in [Family::NativeMqtt, Family::Zigbee2mqtt].into_iter().chain(Family::BRIDGED) {
            roots.extend(family.roots(family.usual_base()).into_iter().map(|root| (family, root)));
        }
        for (one, a) in &roots {
            for (other, b) in &roots {
                assert!(one == other || !roots_meet(a, b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn roots_meet_by_levels_and_not_by_letters() {
        for (a, b) in [("a", "a/b"), ("shelly*", "shellyplus/x"), ("+/b", "a/b"), ("#", "tele")] {
            assert!(roots_meet(a, b) && roots_meet(b, a), "{a} {b}");
        }
        for (a, b) in
            [("a", "ab"), ("home/tele", "tele"), ("shelly*", "shellies/x"), ("a/b", "a/c")]
        {
            assert!(!roots_meet(a, b) && !roots_meet(b, a), "{a} {b}");
        }
    }
}
