//! `[voice]` of `notify.toml`: calls that are heard, over modems of `links.toml`; and who is never woken
//! by one.

use std::ops::RangeInclusive;

use super::codes;
use super::modem::named_modems;
use super::notify::NotifyRead;
use super::problem::{Findings, Said};
use super::section::Section;
use super::settings::Voice;
use crate::incident::Carrier;
use crate::terms::{Class, Wait};

/// How long a telephone rings: 28 s, before a mail box takes the call (oncall.md 3.3).
const RING: Wait = Wait::secs(28);
const RINGS: RangeInclusive<Wait> = Wait::secs(5)..=RING;
/// Longest folder on a modem's store. Own choice; makers allow 240 bytes with the file's name.
const DIR_MAX: usize = 100;

/// `[voice]`; the names of its modems are looked up beside `links.toml`.
pub(super) fn read_voice(mut section: Section<'_>, out: &mut Findings<'_>, read: &mut NotifyRead) {
    let (modems, named) = named_modems(&mut section, out, "voice");
    let ring = section.wait(out, "ring", RINGS, RING);
    let wav_dir = section.text(out, "wav_dir").and_then(|said| wav_dir(&said, out));
    section.end(out);
    read.modems.extend(named);
    read.notify.voice = Some(Voice { modems, ring, wav_dir });
}

fn wav_dir(said: &Said<&str>, out: &mut Findings<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | ',' | ';');
    let ends = said.value.ends_with('/') || said.value.ends_with(':');
    if ends && said.value.len() <= DIR_MAX && said.value.chars().all(plain) {
        return Some(said.value.to_owned());
    }
    let message = format!("not a folder of a modem's store: {:?}", said.value);
    let help =
        "write it as the modem does, \"E:/\" or \"UFS:\"; take it out to let the module speak";
    out.add(&codes::WAV_DIR, &said.at, message, help);
    None
}

/// A telephone rings for calls that cannot wait, and for nothing else; without a class it is about what
/// the lead is told.
pub(super) fn check(by: &[Said<Carrier>], class: Option<Class>, out: &mut Findings<'_>) {
    let why = match class {
        Some(class) if class.is_urgent() => return,
        Some(class) => format!("{class} rings no telephone: it can wait until somebody reads it"),
        None => "what the lead is told rings no telephone: it calls nobody to come".to_owned(),
    };
    let Some(said) = by.iter().find(|said| said.value == Carrier::Voice) else { return };
    let urgent = Class::ALL.into_iter().filter(|class| class.is_urgent());
    let urgent: Vec<&str> = urgent.map(Class::word).collect();
    let help = format!("use \"sms\" here; \"voice\" is for {}", urgent.join(", "));
    out.add(&codes::QUIET_BY_VOICE, &said.at, why, help);
}
