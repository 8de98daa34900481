//! `devices.toml`: the types of devices, what staff call them and what their signals mean.

use std::collections::BTreeMap;

use super::bridged_types::{bridged, check_word};
use super::codes;
use super::life::LifeRead;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::LABEL_MAX_UNITS;
use super::values::{closest, utf16_len};
use crate::registry::{
    DeviceType, DeviceTypes, Family, WATCHED_WITHIN, Watch, ZIGBEE_MODELS, ZigbeeModel, ZigbeeType,
};
use crate::terms::{Class, Kind, Wait};

/// Families by their words.
const FAMILIES: [Family; 15] = [
    Family::NativeMqtt,
    Family::NativeSerial,
    Family::Zigbee2mqtt,
    Family::Chirpstack,
    Family::Tasmota,
    Family::Shelly,
    Family::Esphome,
    Family::Rtl433,
    Family::Json,
    Family::ContactId,
    Family::Ev1527,
    Family::R60afd1,
    Family::Mr24fdb1,
    Family::Lines,
    Family::Modbus,
];

/// Words an action may mean beside the kinds'.
const OTHER_MEANINGS: [&str; 2] = ["cancel", "ignore"];

/// Longest name of a type in bytes. Own choice: it is typed into a CSV column.
const TYPE_NAME_MAX: usize = 64;

pub(super) fn read(mut top: Section<'_>, out: &mut Findings<'_>) -> (DeviceTypes, LifeRead) {
    let mut types = DeviceTypes::new();
    let mut lost = false;
    for (name, section) in top.named(out, "type") {
        if name.value.trim().is_empty() || name.value.len() > TYPE_NAME_MAX {
            let message = format!("not a type's name: {:?}", name.value);
            out.add(&codes::BAD_ID, &name.at, message, "use a short word, such as sos-button");
        }
        match read_type(section, out) {
            Some(read) => {
                words_of(&name, &read, out);
                types.insert(name.value.to_owned(), read);
            }
            None => lost = true,
        }
    }
    if lost {
        // Its devices are of a known type that could not be read, not of an unknown one.
        out.break_file("devices.toml");
    }
    let life = super::life::read(&mut top, &types, out);
    top.end(out);
    (types, life)
}

fn read_type(mut section: Section<'_>, out: &mut Findings<'_>) -> Option<DeviceType> {
    let family = section
        .need_text(
            out,
            "family",
            "add family = \"native-mqtt\", \"native-serial\", \"zigbee2mqtt\" or one of the others",
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
    if let Some((first, _)) = pairs.first().filter(|_| family == Some(Family::Modbus)) {
        let help = "take actions out, and write means at the point in links.toml";
        out.add(&codes::ACTIONS_UNUSED, &first.at, "points of panels have no actions", help);
    }
    let mut actions = BTreeMap::new();
    for (action, meaning) in pairs {
        match family.is_some_and(Family::is_bridged) {
            true => check_word(&meaning, &life_safety, out),
            false => check_meaning(&meaning, &life_safety, out),
        }
        actions.insert(action.value.to_owned(), meaning.value.to_owned());
    }
    let watch = watch(&mut section, &life_safety, out);
    let test_every = test_every(&mut section, watch, &life_safety, out);
    let zigbee = zigbee(&mut section, family, &life_safety, out);
    let bridged = bridged(&mut section, family, &life_safety, out);
    section.end(out);
    Some(DeviceType {
        family: family?,
        label: label?.value.to_owned(),
        life_safety: life_safety.value,
        actions,
        watch,
        test_every,
        zigbee,
        bridged,
    })
}

/// A type of a bridge that a life hangs on and that says nothing of its words: an alarm that is not one
/// on every model, such as `{"gas":1}`, would be a sign of life and nothing more.
fn words_of(name: &Said<&str>, read: &DeviceType, out: &mut Findings<'_>) {
    let zigbee = &read.zigbee;
    let says = !read.actions.is_empty()
        || zigbee.model.is_some()
        || zigbee.alarm.is_some()
        || zigbee.gas_alarm_from.is_some()
        || read.bridged.model.is_some();
    let Some(example) = example(read.family).filter(|_| read.life_safety && !says) else { return };
    let message = format!(
        "{} says nothing of its words: what is no alarm on every model calls nobody",
        name.value
    );
    let help = format!("write what stands in its messages and what it means, such as {example}");
    out.add(&codes::LIFE_SAFETY_WITHOUT_WORDS, &name.at, message, help);
}

/// What a type of a bridged family may say of its words; none for those that say the kind themselves.
fn example(family: Family) -> Option<&'static str> {
    Some(match family {
        Family::NativeMqtt | Family::NativeSerial => return None,
        // Their own tables say what their signals mean.
        Family::ContactId | Family::R60afd1 | Family::Mr24fdb1 => return None,
        // Its meaning stands where the point does.
        Family::Modbus => return None,
        Family::Zigbee2mqtt => {
            "alarm = \"smoke\", gas_alarm_from = 10, actions = { single = \"sos\" }, or a known model"
        }
        Family::Chirpstack => "model = \"WS101\", or actions = { \"alarm=1\" = \"gas\" }",
        Family::Tasmota => "actions = { \"key=1\" = \"sos\" }",
        Family::Shelly => "actions = { \"input:0=long_push\" = \"sos\" }",
        Family::Esphome => "model = \"smoke\", or actions = { \"on\" = \"sos\" }",
        Family::Rtl433 => "model = \"X10-Security\", or actions = { \"event=panic\" = \"sos\" }",
        Family::Ev1527 => "model = \"kerui\", or actions = { \"key=10\" = \"sos\" }",
        Family::Lines => "actions = { \"event=alarm\" = \"sos\" }",
        Family::Json => "actions = { \"alarm_type=SOS\" = \"sos\" }",
    })
}

/// How long devices may be silent at least and at most.
const WATCH_RANGE: std::ops::RangeInclusive<Wait> = Wait::secs(10)..=Wait::hours(30 * 24);
/// What stands there where only people can test the devices.
const NEVER: &str = "never";

/// How the devices are watched. One that a life may hang on is watched at least once a day.
fn watch(section: &mut Section<'_>, life_safety: &Said<bool>, out: &mut Findings<'_>) -> Watch {
    const KEY: &str = "silent_after";
    if !section.has(KEY) {
        return Watch::default();
    }
    let said = section.text(out, KEY);
    let watch = match said.as_ref().is_some_and(|said| said.value == NEVER) {
        true => Watch::Never,
        false => Watch::Within(section.wait(out, KEY, WATCH_RANGE, WATCHED_WITHIN)),
    };
    let seldom = match watch {
        Watch::Within(wait) => wait > WATCHED_WITHIN,
        Watch::Never => true,
    };
    if let Some(said) = said.filter(|_| seldom && life_safety.value) {
        let message = "a dead device of this type is found late or never";
        let help =
            "let it report once a day and write silent_after = \"25h\", or have people test it";
        out.add(&codes::WATCHED_SELDOM, &said.at, message, help);
    }
    watch
}

/// How often people test devices that lives hang on, where the type does not say. Own choice, with the
/// quarterly inspection in mind.
const TEST_EVERY: Wait = Wait::hours(91 * 24);
/// The same where nothing but a test finds a dead device. Own choice: a month.
const TEST_UNWATCHED_EVERY: Wait = Wait::hours(30 * 24);
/// A day to a year. Own choice.
const TEST_RANGE: std::ops::RangeInclusive<Wait> = Wait::hours(24)..=Wait::hours(365 * 24);

/// How often a person tests the devices; `never` where nobody has to.
fn test_every(
    section: &mut Section<'_>,
    watch: Watch,
    life_safety: &Said<bool>,
    out: &mut Findings<'_>,
) -> Option<Wait> {
    const KEY: &str = "test_every";
    let usual = match watch {
        Watch::Never => TEST_UNWATCHED_EVERY,
        Watch::Within(_) => TEST_EVERY,
    };
    if !section.has(KEY) {
        return life_safety.value.then_some(usual);
    }
    let said = section.text(out, KEY);
    match said.as_ref().filter(|said| said.value == NEVER) {
        None => Some(section.wait(out, KEY, TEST_RANGE, usual)),
        Some(said) if watch == Watch::Never && life_safety.value => {
            let message = "nothing would ever find a dead device of this type";
            let help = "write how often people test it, such as test_every = \"30d\"";
            out.add(&codes::NEVER_TESTED, &said.at, message, help);
            Some(usual)
        }
        Some(_) => None,
    }
}

/// Highest reading that `gas_alarm_from` may name. Own choice: ten percent in parts per million.
const GAS_MAX: u64 = 100_000;

fn zigbee(
    section: &mut Section<'_>,
    family: Option<Family>,
    life_safety: &Said<bool>,
    out: &mut Findings<'_>,
) -> ZigbeeType {
    if family != Some(Family::Zigbee2mqtt) {
        // Asked for by no other family: unknown keys there.
        return ZigbeeType::default();
    }
    let model = section.text(out, "model");
    if let Some(said) = model.as_ref().filter(|said| ZigbeeModel::find(said.value).is_none()) {
        let help = match closest(said.value, ZIGBEE_MODELS.iter().map(|model| model.name)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "name its words in actions, or take model out: only words that are calls on \
                     every model call then"
                .to_owned(),
        };
        let message = format!("nothing is known of the model {:?}", said.value);
        out.add(&codes::MODEL_UNKNOWN, &said.at, message, help);
    }
    let known = model.as_ref().and_then(|said| ZigbeeModel::find(said.value));
    let mains = section.flag(out, "mains", known.is_some_and(|model| model.mains)).value;
    let alarm = section.text(out, "alarm");
    if let Some(said) = &alarm {
        check_meaning(said, life_safety, out);
    }
    let gas = section.has("gas_alarm_from");
    let from = section.number(out, "gas_alarm_from", 1..=GAS_MAX, GAS_MAX);
    ZigbeeType {
        model: known.map(|model| model.name.to_owned()),
        mains,
        alarm: alarm.and_then(|said| Kind::from_word(said.value)),
        gas_alarm_from: gas.then(|| u32::try_from(from).unwrap_or(u32::MAX)),
    }
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
