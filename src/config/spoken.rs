//! What is spoken on a serial line, by the word in `contract`, and the table of that name for what differs
//! from what the makers describe: `[link.serial.NAME.contact-id]`.

use super::codes;
use super::devices::bad_word;
use super::line_patterns::read_patterns;
use super::problem::{Findings, Said};
use super::section::Section;
use crate::terms::{CodeForm, CodeSum, ContactIdForm, Dialect, Framing, Radio, Spoken, Wait};

/// What a line with this contract has where its table does not say.
pub(super) struct Usual {
    pub(super) baud: u32,
    pub(super) framing: Framing,
    /// `None`: nothing on the line speaks unasked, so its plug is believed.
    pub(super) silent_after: Option<Wait>,
}

/// Three signs of life of our own receivers missed, and half a pause: they come every 10 s.
const NATIVE_SILENT: Wait = Wait::secs(35);
/// Three tests of the line, which alarm receivers send every 30 s.
const RECEIVER_SILENT: Wait = Wait::secs(90);

/// Three signs of life of a radar missed, and half a pause: they come every minute.
const RADAR_SILENT: Wait = Wait::secs(210);

/// As the makers' manuals describe it.
pub(super) fn usual(spoken: &Spoken) -> Usual {
    let (baud, framing, silent_after) = match spoken {
        Spoken::Native => (115_200, Framing::Eight, Some(NATIVE_SILENT)),
        Spoken::ContactId(form) => {
            let is_surgard = matches!(form.dialect, Dialect::SurGard | Dialect::Sia);
            let (baud, framing) = match is_surgard {
                true => (19_200, Framing::SevenEven),
                false => (9_600, Framing::Eight),
            };
            (baud, framing, Some(RECEIVER_SILENT))
        }
        Spoken::Ev1527(..) => (9_600, Framing::Eight, None),
        Spoken::RfBridge(_) => (19_200, Framing::Eight, None),
        Spoken::Rflink(_) => (57_600, Framing::Eight, None),
        Spoken::R60afd1 => (115_200, Framing::Eight, Some(RADAR_SILENT)),
        Spoken::Mr24fdb1 => (9_600, Framing::Eight, Some(RADAR_SILENT)),
        Spoken::Lines(_) => (9_600, Framing::Eight, None),
    };
    Usual { baud, framing, silent_after }
}

/// Reads `contract` and its table.
pub(super) fn read_spoken(section: &mut Section<'_>, out: &mut Findings<'_>) -> Spoken {
    let said = section.text(out, "contract");
    let word = said.as_ref().map_or(Spoken::default().word(), |said| said.value);
    if let Some(said) = said.as_ref().filter(|said| !Spoken::WORDS.contains(&said.value)) {
        bad_word(said, "contract", &Spoken::WORDS, out);
    }
    match word {
        "contact-id" => {
            let table = section.section(out, "contact-id");
            let usual = ContactIdForm::of(Dialect::SurGard);
            Spoken::ContactId(table.map_or(usual, |table| contact_id(table, out)))
        }
        "ev1527" => match section.section(out, "ev1527") {
            Some(table) => module(table, out),
            None => Spoken::Ev1527(CodeForm::default(), Radio::default()),
        },
        "rf-bridge" => Spoken::RfBridge(radio_table(section, out, "rf-bridge")),
        "rflink" => Spoken::Rflink(radio_table(section, out, "rflink")),
        "r60afd1" => Spoken::R60afd1,
        "mr24fdb1" => Spoken::Mr24fdb1,
        "lines" => Spoken::Lines(read_patterns(section, out)),
        _ => Spoken::Native,
    }
}

fn radio_table(section: &mut Section<'_>, out: &mut Findings<'_>, key: &'static str) -> Radio {
    let Some(mut table) = section.section(out, key) else { return Radio::default() };
    let read = radio(&mut table, out);
    table.end(out);
    read
}

fn radio(table: &mut Section<'_>, out: &mut Findings<'_>) -> Radio {
    let usual = Radio::default();
    let frames = table.number(out, "frames", 1..=5, u64::from(usual.frames));
    let a_minute = table.number(out, "frames_a_minute", 60..=60_000, u64::from(usual.a_minute));
    Radio {
        frames: u8::try_from(frames).unwrap_or(usual.frames),
        a_minute: u32::try_from(a_minute).unwrap_or(usual.a_minute),
    }
}

fn module(mut table: Section<'_>, out: &mut Findings<'_>) -> Spoken {
    let usual = CodeForm::default();
    let at = table.at.clone();
    let head = bytes(&mut table, out, "head", usual.head);
    let tail = bytes(&mut table, out, "tail", usual.tail);
    let length = number(&mut table, out, "length", 5..=32, usual.length);
    let code_at = number(&mut table, out, "code_at", 1..=28, usual.code_at);
    let said = table.text(out, "sum");
    let known = |said: &Said<&str>| CodeSum::ALL.into_iter().find(|sum| sum.word() == said.value);
    if let Some(said) = said.as_ref().filter(|said| known(said).is_none()) {
        bad_word(said, "sum", &CodeSum::ALL.map(CodeSum::word), out);
    }
    let sum = said.as_ref().and_then(known).unwrap_or(usual.sum);
    let sum_from = number(&mut table, out, "sum_from", 0..=28, usual.sum_from);
    let radio = radio(&mut table, out);
    table.end(out);
    let form = CodeForm { head, tail, length, code_at, sum, sum_from };
    if form.fits() {
        return Spoken::Ev1527(form, radio);
    }
    let message = format!("head, code, sum and tail do not fit into {length} bytes");
    let help = "count from 0: FD 12 34 51 20 DF is length = 6, code_at = 1";
    out.add(&codes::BAD_FRAME, &at, message, help);
    Spoken::Ev1527(CodeForm::default(), radio)
}

/// Some bytes, two hexadecimal digits each.
fn bytes(
    table: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
    absent: Vec<u8>,
) -> Vec<u8> {
    let Some(said) = table.text(out, key) else { return absent };
    let digits: String = said.value.chars().filter(|c| *c != ' ').collect();
    let pairs = digits.as_bytes().chunks(2).map(std::str::from_utf8);
    let read: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair.ok()?, 16).ok()).collect();
    match read.filter(|_| digits.len().is_multiple_of(2)) {
        Some(bytes) => bytes,
        None => {
            let message = format!("{key} is not bytes in hex: {:?}", said.value);
            out.add(&codes::BAD_FRAME, &said.at, message, "write two digits for each: \"FD\"");
            absent
        }
    }
}

fn contact_id(mut table: Section<'_>, out: &mut Findings<'_>) -> ContactIdForm {
    let said = table.text(out, "dialect");
    let known = |said: &Said<&str>| Dialect::ALL.into_iter().find(|d| d.word() == said.value);
    if let Some(said) = said.as_ref().filter(|said| known(said).is_none()) {
        bad_word(said, "dialect", &Dialect::ALL.map(Dialect::word), out);
    }
    let usual = ContactIdForm::of(said.as_ref().and_then(known).unwrap_or(Dialect::SurGard));
    let account = number(&mut table, out, "account_digits", 3..=16, usual.account);
    let header = number(&mut table, out, "header_digits", 0..=8, usual.header);
    let ended_by = byte(&mut table, out, "ended_by", usual.ended_by);
    table.end(out);
    ContactIdForm { dialect: usual.dialect, account, header, ended_by }
}

pub(super) fn number(
    table: &mut Section<'_>,
    out: &mut Findings<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    absent: usize,
) -> usize {
    let absent = u64::try_from(absent).unwrap_or(u64::MAX);
    usize::try_from(table.number(out, key, range, absent)).unwrap_or(usize::MAX)
}

/// One byte as two hexadecimal digits.
fn byte(table: &mut Section<'_>, out: &mut Findings<'_>, key: &'static str, absent: u8) -> u8 {
    let Some(said) = table.text(out, key) else { return absent };
    match u8::from_str_radix(said.value, 16).ok().filter(|_| said.value.len() == 2) {
        Some(byte) => byte,
        None => {
            let message = format!("{key} is not one byte in hex: {:?}", said.value);
            let help = "write two digits: \"14\" for DC4, \"0D\" for a carriage return";
            out.add(&codes::BAD_FRAME, &said.at, message, help);
            absent
        }
    }
}
