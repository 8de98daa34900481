//! What a type of a bridged family says beside its words in `devices.toml`: its model, its power, and
//! the bytes that show a resident how far the call has come.

use std::collections::BTreeMap;

use super::codes;
use super::devices::bad_word;
use super::problem::{Findings, Said};
use super::section::Section;
use super::values::closest;
use crate::registry::{BridgedType, Family, FieldModel};
use crate::terms::{Class, FeedbackStage, Kind, Means};

/// The stages that a device may show.
const STAGES: [FeedbackStage; 4] =
    [FeedbackStage::Stored, FeedbackStage::Accepted, FeedbackStage::OnScene, FeedbackStage::Closed];
/// Longest bytes for one stage. The smallest LoRaWAN downlink takes 51 (EU868, the slowest rate).
const FEEDBACK_MAX_BYTES: usize = 51;

pub(super) fn bridged(
    section: &mut Section<'_>,
    family: Option<Family>,
    life_safety: &Said<bool>,
    out: &mut Findings<'_>,
) -> BridgedType {
    let Some(family) = family.filter(|family| family.is_bridged()) else {
        // Asked for by no other family: unknown keys there.
        return BridgedType::default();
    };
    let model = section.text(out, "model");
    let known = model.as_ref().and_then(|said| FieldModel::find(family, said.value));
    if let Some(said) = model.as_ref().filter(|_| known.is_none()) {
        let names = FieldModel::of(family).map(|model| model.name);
        let help = match closest(said.value, names) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => {
                "name its words in actions, or take model out: nothing of it calls then".to_owned()
            }
        };
        let message = format!("nothing is known of the model {:?}", said.value);
        out.add(&codes::MODEL_UNKNOWN, &said.at, message, help);
    }
    if let Some(model) = known.filter(|model| model.life_safety && !life_safety.value) {
        let message = format!("{} calls for help, and life_safety is false", model.name);
        let help = "set life_safety = true, so that an unreadable signal of it calls people too";
        out.add(&codes::SOS_NOT_LIFE_SAFETY, &life_safety.at, message, help);
    }
    let mains = section.flag(out, "mains", false).value;
    let (mut feedback, mut port) = (BTreeMap::new(), 0);
    if family == Family::Chirpstack {
        for (stage, bytes) in section.pairs(out, "feedback") {
            if !STAGES.into_iter().any(|known| known.word() == stage.value) {
                bad_word(&stage, "stage", &STAGES.map(FeedbackStage::word), out);
            }
            match hex(bytes.value) {
                Some(bytes) => drop(feedback.insert(stage.value.to_owned(), bytes)),
                None => {
                    let message = format!("not bytes in hex: {:?}", bytes.value);
                    let help =
                        "write two digits for each byte, at most 51 bytes, such as \"FF2F01\"";
                    out.add(&codes::BAD_FEEDBACK, &bytes.at, message, help);
                }
            }
        }
        let said = section.number(out, "feedback_port", 1..=223, 85);
        port = u8::try_from(said).unwrap_or(u8::MAX);
    }
    BridgedType {
        model: known.map(|model| model.name.to_owned()),
        mains,
        feedback,
        feedback_port: port,
    }
}

/// Tells what is wrong with the meaning of a bridged device's word.
pub(super) fn check_word(meaning: &Said<&str>, life_safety: &Said<bool>, out: &mut Findings<'_>) {
    let Some(means) = Means::from_word(meaning.value) else {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_a_devices()).map(Kind::word);
        let words: Vec<&str> = kinds.chain(Means::OTHER_WORDS).collect();
        bad_word(meaning, "meaning", &words, out);
        return;
    };
    let calls = means.calls().map(|kind| (kind, kind.class()));
    if let Some((kind, Class::Emergency | Class::Hazard)) = calls
        && !life_safety.value
    {
        out.add(
            &codes::SOS_NOT_LIFE_SAFETY,
            &life_safety.at,
            format!("{kind} is a call for help, and life_safety is false"),
            "set life_safety = true, so that an unreadable signal of it calls people too",
        );
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, d| byte << 4 | d)).collect();
    (whole && bytes.len() <= FEEDBACK_MAX_BYTES).then_some(bytes)
}
