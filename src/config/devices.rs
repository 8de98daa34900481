//! `devices.toml`: the types of devices, what staff call them and what their signals mean.

use std::collections::BTreeMap;

use super::codes;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::LABEL_MAX_UNITS;
use super::values::{closest, utf16_len};
use crate::registry::{DeviceType, DeviceTypes, Family};
use crate::terms::{Class, Kind};

/// Families by their words.
const FAMILIES: [Family; 3] = [Family::NativeMqtt, Family::NativeSerial, Family::Zigbee2mqtt];

/// Words an action may mean beside the kinds'.
const OTHER_MEANINGS: [&str; 2] = ["cancel", "ignore"];

/// Longest name of a type in bytes. Own choice: it is typed into a CSV column.
const TYPE_NAME_MAX: usize = 64;

pub(super) fn read(mut top: Section<'_>, out: &mut Findings<'_>) -> DeviceTypes {
    let mut types = DeviceTypes::new();
    let mut lost = false;
    for (name, section) in top.named(out, "type") {
        if name.value.trim().is_empty() || name.value.len() > TYPE_NAME_MAX {
            let message = format!("not a type's name: {:?}", name.value);
            out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as sos-button");
        }
        match read_type(section, out) {
            Some(read) => drop(types.insert(name.value.to_owned(), read)),
            None => lost = true,
        }
    }
    top.end(out);
    if lost {
        // Its devices are of a known type that could not be read, not of an unknown one.
        out.break_file("devices.toml");
    }
    types
}

fn read_type(mut section: Section<'_>, out: &mut Findings<'_>) -> Option<DeviceType> {
    let family = section
        .need_text(
            out,
            "family",
            "add family = \"native-mqtt\", \"native-serial\" or \"zigbee2mqtt\"",
        )
        .and_then(|said| family(&said, out));
    let label = section.need_text(out, "label", "write what staff call it, such as \"紧急按钮\"");
    if let Some(long) = label.as_ref().filter(|said| utf16_len(said.value) > LABEL_MAX_UNITS) {
        out.add(
            &codes::TOO_LONG,
            &long.at,
            format!("the label is longer than {LABEL_MAX_UNITS} characters"),
            "shorten it: it stands in messages",
        );
    }
    if !section.has("life_safety") {
        section.missing(out, "life_safety", "say whether a life may hang on it: true or false");
    }
    let life_safety = section.flag(out, "life_safety", true);
    let pairs = section.pairs(out, "actions");
    if matches!(family, Some(Family::NativeMqtt | Family::NativeSerial))
        && let Some((first, _)) = pairs.first()
    {
        let help = "take actions out: a native device says the kind itself";
        out.add(&codes::ACTIONS_UNUSED, &first.at, "native devices have no actions", help);
    }
    let mut actions = BTreeMap::new();
    for (action, meaning) in pairs {
        check_meaning(&meaning, &life_safety, out);
        actions.insert(action.value.to_owned(), meaning.value.to_owned());
    }
    section.end(out);
    Some(DeviceType {
        family: family?,
        label: label?.value.to_owned(),
        life_safety: life_safety.value,
        actions,
    })
}

fn family(said: &Said<&str>, out: &mut Findings<'_>) -> Option<Family> {
    let found = FAMILIES.into_iter().find(|family| family.word() == said.value);
    if found.is_none() {
        let words = FAMILIES.map(Family::word);
        bad_word(said, "family", &words, out);
    }
    found
}

fn check_meaning(meaning: &Said<&str>, life_safety: &Said<bool>, out: &mut Findings<'_>) {
    match Kind::from_word(meaning.value) {
        Some(kind) => {
            let calls = matches!(kind.class(), Class::Emergency | Class::Hazard);
            if calls && !life_safety.value {
                out.add(
                    &codes::SOS_NOT_LIFE_SAFETY,
                    &life_safety.at,
                    format!("{kind} is a call for help, and life_safety is false"),
                    "set life_safety = true, so that an unreadable signal of it calls people too",
                );
            }
        }
        None if OTHER_MEANINGS.contains(&meaning.value) => {}
        None => {
            let kinds = Kind::ALL.into_iter().map(Kind::word);
            let words: Vec<&str> = kinds.chain(OTHER_MEANINGS).collect();
            bad_word(meaning, "action", &words, out);
        }
    }
}

/// Tells that a word is none of a short list, with the one that was most likely meant.
pub(super) fn bad_word(said: &Said<&str>, what: &str, words: &[&str], out: &mut Findings<'_>) {
    let help = match closest(said.value, words.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("use one of: {}", words.join(", ")),
    };
    out.add(&codes::BAD_WORD, &said.at, format!("unknown {what} {:?}", said.value), help);
}
