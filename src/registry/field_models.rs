//! What is known of single models of the bridged families, beside Zigbee: what their words mean. A model
//! that does not stand here is read by the cautious default: its words mean what its type in
//! `devices.toml` says, and nothing else calls.
//!
//! A word is `path=value`, as the family's reader makes it. Sources: the makers' decoders and device
//! pages as named with each family in `firmware-contracts/`, read in 2026. That a long, a double and a
//! short press of an emergency button are one call is our own choice: a frightened hand does not count.

use super::Family;

/// One model, by the name that its maker gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldModel {
    /// The family that reads it.
    pub family: Family,
    /// The name: `WS101`.
    pub name: &'static str,
    /// Whether a life hangs on it wherever it is.
    pub life_safety: bool,
    /// Whether it calls where nobody registered it, too. Not for what every neighbour's burglar alarm
    /// sends.
    pub strangers: bool,
    /// The code of its bytes where no codec made an object of them.
    pub codec: Option<&'static str>,
    /// Words and their meaning.
    pub words: &'static [(&'static str, &'static str)],
}

/// Events of Contact ID and SIA, which mean the same on every panel: the table of the field notes with its
/// twins; 110, 115 and 117, the groups of arming and of the panel's own troubles are from memory. What
/// a panel does for itself says nothing here. Other codes are refused.
const EVENTS: &[(&str, &str)] = &[
    ("event=e100", "fall"),
    ("event=e101", "sos"),
    ("event=e102", "inactivity"),
    ("event=e110", "smoke"),
    ("event=e111", "smoke"),
    ("event=e113", "water"),
    ("event=e114", "smoke"),
    ("event=e115", "smoke"),
    ("event=e117", "smoke"),
    ("event=e120", "sos"),
    ("event=e121", "sos"),
    ("event=e137", "tamper"),
    ("event=e144", "tamper"),
    ("event=e150", "open"),
    ("event=r150", "closed"),
    ("event=e151", "gas"),
    ("event=e154", "water"),
    ("event=e162", "co"),
    ("event=e301", "ignore"),
    ("event=e302", "low_battery"),
    ("event=e305", "ignore"),
    ("event=e350", "ignore"),
    ("event=e354", "ignore"),
    ("event=e384", "low_battery"),
    ("event=e400", "ignore"),
    ("event=e401", "ignore"),
    ("event=e402", "ignore"),
    ("event=e403", "ignore"),
    ("event=e406", "cancel"),
    ("event=e407", "ignore"),
    ("event=e408", "ignore"),
    ("event=e409", "ignore"),
    ("event=e441", "ignore"),
    ("event=e601", "sos test"),
    ("event=e602", "sos test"),
    ("event=e607", "sos test"),
    ("event=ar", "ignore"),
    ("event=at", "ignore"),
    ("event=fa", "smoke"),
    ("event=fh", "smoke off"),
    ("event=fr", "smoke off"),
    ("event=ga", "gas"),
    ("event=gh", "gas off"),
    ("event=gr", "gas off"),
    ("event=ha", "sos"),
    ("event=hh", "ignore"),
    ("event=ka", "smoke"),
    ("event=kh", "smoke off"),
    ("event=kr", "smoke off"),
    ("event=ma", "sos"),
    ("event=mh", "ignore"),
    ("event=oc", "cancel"),
    ("event=pa", "sos"),
    ("event=ph", "ignore"),
    ("event=qa", "sos"),
    ("event=qh", "ignore"),
    ("event=rp", "sos test"),
    ("event=rx", "sos test"),
    ("event=ta", "tamper"),
    ("event=tr", "tamper off"),
    ("event=ua", "open"),
    ("event=uh", "closed"),
    ("event=wa", "water"),
    ("event=wh", "water off"),
    ("event=wr", "water off"),
    ("event=xr", "low_battery off"),
    ("event=xt", "low_battery"),
    ("event=yc", "ignore"),
    ("event=yk", "ignore"),
    ("event=yr", "low_battery off"),
    ("event=yt", "low_battery"),
];

const MILESIGHT: Option<&str> = Some("milesight");

/// A device class of ESPHome and Home Assistant. Their own names of classes; `safety` and `problem` say
/// too little to mean something everywhere.
const fn class(
    name: &'static str,
    life_safety: bool,
    words: &'static [(&'static str, &'static str)],
) -> FieldModel {
    FieldModel { family: Family::Esphome, name, life_safety, strangers: false, codec: None, words }
}

/// The models, by family and name.
pub const FIELD_MODELS: &[FieldModel] = &[
    FieldModel {
        family: Family::Chirpstack,
        name: "VS373",
        life_safety: true,
        strangers: true,
        codec: MILESIGHT,
        words: &[
            ("events.fall=alarm_triggered", "fall"),
            ("events.motionless=alarm_triggered", "inactivity"),
            ("events.dwell=alarm_triggered", "inactivity"),
            ("events.lying_down=alarm_triggered", "inactivity"),
            ("events.out_of_bed=alarm_triggered", "bed_exit"),
            ("detection_status=fall", "fall"),
            ("detection_status=vacant", "absent"),
            ("detection_status=in_bed", "present"),
            ("detection_status=normal", "present"),
        ],
    },
    FieldModel {
        family: Family::Chirpstack,
        name: "WS101",
        life_safety: true,
        strangers: true,
        codec: MILESIGHT,
        words: &[
            ("button_event.status=short press", "sos"),
            ("button_event.status=long press", "sos"),
            ("button_event.status=double press", "sos"),
        ],
    },
    FieldModel {
        family: Family::Chirpstack,
        name: "WS303",
        life_safety: false,
        strangers: true,
        codec: MILESIGHT,
        words: &[("leakage_status=leak", "water"), ("leakage_status=normal", "water off")],
    },
    class(
        "battery",
        false,
        &[("binary_sensor=on", "low_battery"), ("binary_sensor=off", "low_battery off")],
    ),
    class("carbon_monoxide", true, &[("binary_sensor=on", "co"), ("binary_sensor=off", "co off")]),
    class("door", false, &[("binary_sensor=on", "open"), ("binary_sensor=off", "closed")]),
    class("gas", true, &[("binary_sensor=on", "gas"), ("binary_sensor=off", "gas off")]),
    class("moisture", false, &[("binary_sensor=on", "water"), ("binary_sensor=off", "water off")]),
    class("motion", false, &[("binary_sensor=on", "motion"), ("binary_sensor=off", "still")]),
    class("occupancy", false, &[("binary_sensor=on", "present"), ("binary_sensor=off", "absent")]),
    class("opening", false, &[("binary_sensor=on", "open"), ("binary_sensor=off", "closed")]),
    class("presence", false, &[("binary_sensor=on", "present"), ("binary_sensor=off", "absent")]),
    class("smoke", true, &[("binary_sensor=on", "smoke"), ("binary_sensor=off", "smoke off")]),
    class("tamper", false, &[("binary_sensor=on", "tamper"), ("binary_sensor=off", "tamper off")]),
    class("window", false, &[("binary_sensor=on", "open"), ("binary_sensor=off", "closed")]),
    FieldModel {
        family: Family::Rtl433,
        name: "Chuango-Security",
        life_safety: true,
        strangers: false,
        codec: None,
        words: &[
            ("cmd_id=0", "sos test"),
            ("cmd_id=2", "sos"),
            ("cmd_id=3", "tamper"),
            ("cmd_id=5", "ignore"),
            ("cmd_id=6", "ignore"),
            ("cmd_id=7", "ignore"),
            ("cmd_id=10", "ignore"),
            ("cmd_id=11", "sos"),
            ("cmd_id=12", "ignore"),
            ("cmd_id=13", "low_battery"),
        ],
    },
    FieldModel {
        family: Family::Rtl433,
        name: "Kerui-Security",
        life_safety: false,
        strangers: false,
        codec: None,
        words: &[
            ("cmd=5", "water"),
            ("cmd=7", "closed"),
            ("cmd=10", "motion"),
            ("cmd=11", "tamper"),
            ("cmd=14", "open"),
            ("cmd=15", "low_battery"),
        ],
    },
    FieldModel {
        family: Family::Rtl433,
        name: "Smoke-GS558",
        life_safety: true,
        strangers: true,
        codec: None,
        words: &[("learn=0", "smoke"), ("learn=1", "ignore")],
    },
    FieldModel {
        family: Family::Rtl433,
        name: "X10-Security",
        life_safety: true,
        strangers: true,
        codec: None,
        words: &[
            ("event=KR15 PANIC", "sos"),
            ("event=KR15 PANIC-3SECOND", "sos"),
            ("event=KR18 PANIC", "sos"),
        ],
    },
    FieldModel {
        family: Family::ContactId,
        name: "DC-05",
        life_safety: true,
        strangers: true,
        codec: None,
        words: EVENTS,
    },
    FieldModel {
        family: Family::Ev1527,
        name: "chuango",
        life_safety: true,
        strangers: false,
        codec: None,
        words: &[
            ("key=0", "sos test"),
            ("key=2", "sos"),
            ("key=3", "tamper"),
            ("key=5", "ignore"),
            ("key=6", "ignore"),
            ("key=7", "ignore"),
            ("key=10", "ignore"),
            ("key=11", "sos"),
            ("key=12", "ignore"),
            ("key=13", "low_battery"),
        ],
    },
    FieldModel {
        family: Family::Ev1527,
        name: "kerui",
        life_safety: false,
        strangers: false,
        codec: None,
        words: &[
            ("key=5", "water"),
            ("key=7", "closed"),
            ("key=10", "motion"),
            ("key=11", "tamper"),
            ("key=14", "open"),
            ("key=15", "low_battery"),
        ],
    },
    FieldModel {
        family: Family::R60afd1,
        name: "R60AFD1",
        life_safety: true,
        strangers: true,
        codec: None,
        words: &[
            ("fall=0", "ignore"),
            ("fall=1", "fall"),
            ("presence=0", "absent"),
            ("presence=1", "present"),
            ("still=0", "ignore"),
            ("still=1", "inactivity"),
        ],
    },
    FieldModel {
        family: Family::Mr24fdb1,
        name: "MR24FDB1",
        life_safety: true,
        strangers: true,
        codec: None,
        words: &[
            ("dwell=0", "ignore"),
            ("dwell=1", "inactivity"),
            ("dwell=2", "inactivity"),
            ("dwell=3", "inactivity"),
            ("dwell=4", "inactivity"),
            ("fall=0", "ignore"),
            ("fall=1", "fall"),
            ("fall=2", "ignore"),
            ("presence=0", "absent"),
            ("presence=1", "present"),
        ],
    },
];

impl FieldModel {
    /// The model of a family by its name, whatever its capitals.
    pub fn find(family: Family, name: &str) -> Option<&'static Self> {
        Self::of(family).find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// All models of a family.
    pub fn of(family: Family) -> impl Iterator<Item = &'static Self> {
        FIELD_MODELS.iter().filter(move |model| model.family == family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::{Class, Means};

    #[test]
    fn every_model_stands_once_and_every_word_has_a_meaning() {
        for (n, model) in FIELD_MODELS.iter().enumerate() {
            let key = |model: &FieldModel| (model.family, model.name);
            assert!(FIELD_MODELS[..n].iter().all(|other| key(other) < key(model)), "{model:?}");
            for (word, means) in model.words {
                assert!(word.contains('='), "{word}");
                let calls = Means::from_word(means).unwrap().calls().map(|kind| kind.class());
                let urgent = matches!(calls, Some(Class::Hazard | Class::Emergency));
                assert!(model.life_safety || !urgent, "{}: {word}", model.name);
            }
        }
        let known = FieldModel::find(Family::Chirpstack, "ws101").map(|model| model.name);
        assert_eq!(known, Some("WS101"));
        assert_eq!(FieldModel::find(Family::Shelly, "WS101"), None);
    }
}
