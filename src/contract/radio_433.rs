//! 433 MHz through three receivers on serial lines: learning modules (`FD … DF`), Itead's bridge chip and
//! RFLink's text. The contracts are written down in `firmware-contracts/{ev1527,rf-bridge,rflink}`.
//!
//! The air has no sum and no count, and anybody may send: so a code is believed when it came twice within
//! half a second, and it never cancels, disarms or ends anything; a stranger's is heard and calls nobody. A
//! code that keeps coming with gaps below 1.5 s is one press, held so long. How long is said with each
//! repetition, as a sign of life, because a call does not wait until somebody lets go.
//!
//! A device is an id of 20 bits, `12345`, and a word its key, `key=10`; what a key means differs from maker
//! to maker and stands in the type. Only registered codes are remembered, so that a flood of others
//! takes no room from them.

use std::collections::BTreeMap;

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, Told};
use crate::terms::{At, CodeForm, CodeSum, Decoded, Decoder, Inbound, RefusalReason, Wait, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "ev1527";
/// Equal frames count together within this (field notes, 4.6).
const TOGETHER: Wait = Wait(500);
/// How long a transmitter's repetitions may pause and still be one press (field notes, 4.6).
const ONE_PRESS: Wait = Wait(1_500);
/// A frame of the bridge chip: head, kind, three timings of two bytes, the code, the end.
pub const RF_BRIDGE_FRAME: usize = 12;
/// Longest line of text in bytes. Own choice: four times an ordinary one.
pub const RFLINK_MAX: usize = 256;
/// Fields of one line of text; the rest is passed over.
const FIELDS_MAX: usize = 16;

/// Whose frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver433 {
    /// A learning module, with the form of its frames.
    Module(CodeForm),
    /// Itead's bridge chip.
    Bridge,
    /// RFLink.
    Rflink,
}

/// Reads the receiver of one line.
#[derive(Debug, Clone)]
pub struct Radio433 {
    field: Field,
    receiver: Receiver433,
    /// So many equal frames are believed.
    frames: usize,
    /// The last press of each registered code.
    bursts: BTreeMap<(String, String), Burst>,
}

/// Equal frames, one after the other.
#[derive(Debug, Clone)]
struct Burst {
    began: At,
    /// When its last frames came, newest last; as many as are believed.
    times: Vec<At>,
    is_press: bool,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Not yet believed.
    Lone,
    /// The one that makes a press of them.
    Press,
    /// The press goes on.
    Held(Wait),
}

impl Burst {
    fn new() -> Self {
        Self { began: At(0), times: Vec::new(), is_press: false }
    }

    fn take(&mut self, at: At, frames: usize) -> Turn {
        if self.times.last().is_none_or(|last| at - *last >= ONE_PRESS) {
            (self.began, self.is_press) = (at, false);
            self.times.clear();
        }
        self.times.push(at);
        if self.times.len() > frames {
            self.times.remove(0);
        }
        if self.is_press {
            return Turn::Held(at - self.began);
        }
        let enough = self.times.len() >= frames;
        if enough && self.times.first().is_some_and(|first| at - *first <= TOGETHER) {
            self.is_press = true;
            return Turn::Press;
        }
        Turn::Lone
    }
}

/// What a frame says: whose it is, and its words.
struct Code {
    name: String,
    words: Vec<(String, String)>,
}

impl Code {
    /// 20 bits of an id and four of a key.
    fn of_24_bits(bytes: [u8; 3]) -> Self {
        let code = bytes.iter().fold(0u32, |code, byte| code << 8 | u32::from(*byte));
        let key = ("key".to_owned(), (code & 0xF).to_string());
        Self { name: format!("{:05x}", code >> 4), words: vec![key] }
    }
}

/// What one piece of the line is.
enum Said {
    /// A code that was received.
    Code(Code),
    /// The receiver's own word.
    Own,
}

impl Radio433 {
    /// A reader with nothing remembered. `frames` equal ones are believed, 1 to 5.
    pub fn new(receiver: Receiver433, frames: u8, settings: FieldSettings) -> Self {
        let frames = usize::from(frames.max(1));
        let field = Field::new(FAMILY, lowered(settings));
        Self { field, receiver, frames, bursts: BTreeMap::new() }
    }

    fn read(&self, bytes: &[u8]) -> Result<Said, RefusalReason> {
        match &self.receiver {
            Receiver433::Module(form) => module(form, bytes).map(Said::Code),
            Receiver433::Bridge => bridge(bytes),
            Receiver433::Rflink => rflink(bytes),
        }
    }

    fn code(&mut self, heard: Heard<'_>, code: &Code) -> Vec<Decoded> {
        let Code { name, words } = code;
        let turn = match self.field.settings.names.contains_key(name) {
            true => {
                let said: Vec<String> = words.iter().map(|(p, v)| format!("{p}={v}")).collect();
                let burst = self.bursts.entry((name.clone(), said.join(" ")));
                burst.or_insert_with(Burst::new).take(heard.at, self.frames)
            }
            // Nobody is called by it, however often it comes.
            false => Turn::Lone,
        };
        let mut told = self.field.told(heard, name, None);
        told.radio = true;
        if turn == Turn::Press {
            press(&mut told, words);
        }
        let mut decoded = told.end();
        if let (Turn::Held(held), [Decoded::Report(report)]) = (turn, decoded.as_mut_slice()) {
            report.hold_ms = u32::try_from(held.0).ok();
        }
        decoded
    }
}

/// Says what the words of a press mean.
fn press(told: &mut Told<'_>, words: &[(String, String)]) {
    let mut is_known = false;
    for (path, value) in words {
        let found = told.find(path, value).or_else(|| told.find(path, "any"));
        is_known |= found.is_some();
        found.into_iter().for_each(|means| told.means(means));
    }
    if !is_known && let Some((path, value)) = words.first() {
        told.tell(Tell::Key, path, value);
    }
}

/// Names as they are compared: whatever the capitals of an id.
fn lowered(mut settings: FieldSettings) -> FieldSettings {
    let names = std::mem::take(&mut settings.names).into_iter();
    settings.names = names.map(|(name, device)| (name.to_lowercase(), device)).collect();
    settings
}

/// A frame of a learning module.
fn module(form: &CodeForm, bytes: &[u8]) -> Result<Code, RefusalReason> {
    if bytes.len() > form.length {
        return Err(RefusalReason::TrailingBytes);
    }
    if !bytes.starts_with(&form.head) {
        return Err(RefusalReason::Malformed);
    }
    if bytes.len() < form.length {
        return Err(RefusalReason::Truncated);
    }
    let body = bytes.strip_suffix(form.tail.as_slice()).ok_or(RefusalReason::Malformed)?;
    let summed = |add: fn(u8, u8) -> u8| {
        let (sum, said) = body.split_last()?;
        Some(said.get(form.sum_from..)?.iter().fold(0, |sum, byte| add(sum, *byte)) == *sum)
    };
    let fits = match form.sum {
        CodeSum::None => Some(true),
        CodeSum::Added => summed(u8::wrapping_add),
        CodeSum::Xored => summed(|a, b| a ^ b),
    };
    if fits != Some(true) {
        return Err(RefusalReason::Checksum);
    }
    let code = bytes.get(form.code_at..).and_then(|rest| rest.first_chunk::<3>());
    code.map(|code| Code::of_24_bits(*code)).ok_or(RefusalReason::Malformed)
}

/// A frame of the bridge chip. The timings before the code drift and say nothing.
fn bridge(bytes: &[u8]) -> Result<Said, RefusalReason> {
    const HEAD: u8 = 0xAA;
    const END: u8 = 0x55;
    let &[HEAD, kind, ref rest @ ..] = bytes else {
        let cut = bytes.is_empty() || bytes == [HEAD];
        return Err(if cut { RefusalReason::Truncated } else { RefusalReason::Malformed });
    };
    let length = match kind {
        0xA0..=0xA2 => 3,
        0xA3 | 0xA4 => RF_BRIDGE_FRAME,
        _ => return Err(RefusalReason::UnknownKind),
    };
    if bytes.len() < length {
        return Err(RefusalReason::Truncated);
    }
    if bytes.len() > length {
        return Err(RefusalReason::TrailingBytes);
    }
    match rest {
        [.., a, b, c, END] if kind == 0xA4 => Ok(Said::Code(Code::of_24_bits([*a, *b, *c]))),
        [.., END] => Ok(Said::Own),
        _ => Err(RefusalReason::Malformed),
    }
}

/// A line of RFLink: node, counter, protocol and fields, each with a semicolon behind it.
fn rflink(bytes: &[u8]) -> Result<Said, RefusalReason> {
    if bytes.len() > RFLINK_MAX {
        return Err(RefusalReason::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| RefusalReason::Malformed)?.trim();
    let rest = match text.strip_prefix("20;") {
        Some(rest) => rest,
        None if "20;".starts_with(text) => return Err(RefusalReason::Truncated),
        None => return Err(RefusalReason::Malformed),
    };
    let (counter, said) = rest.split_once(';').ok_or(RefusalReason::Truncated)?;
    if counter.len() != 2 || u8::from_str_radix(counter, 16).is_err() {
        return Err(RefusalReason::Malformed);
    }
    let said = said.strip_suffix(';').ok_or(RefusalReason::Truncated)?;
    let mut parts = said.split(';');
    let protocol = parts.next().unwrap_or_default().to_lowercase();
    let fields: Vec<(String, &str)> = parts
        .take(FIELDS_MAX)
        .filter_map(|field| field.split_once('='))
        .map(|(key, value)| (key.to_lowercase(), value))
        .collect();
    let Some((_, id)) = fields.iter().find(|(key, _)| key == "id") else { return Ok(Said::Own) };
    let number = u64::from_str_radix(id.trim_start_matches("0x"), 16).ok();
    let number = number.ok_or(RefusalReason::Malformed)?;
    if !matches!(protocol.as_str(), "ev1527" | "pt2262") {
        let words = fields.into_iter().filter(|(key, _)| key != "id");
        let words = words.map(|(key, value)| (key, value.to_lowercase())).collect();
        return Ok(Said::Code(Code { name: format!("{protocol}/{number:x}"), words }));
    }
    let switch = fields.iter().find(|(key, _)| key == "switch");
    let key = switch.and_then(|(_, key)| u8::from_str_radix(key, 16).ok());
    let key = key.ok_or(RefusalReason::Malformed)?;
    let words = vec![("key".to_owned(), key.to_string())];
    Ok(Said::Code(Code { name: format!("{number:05x}"), words }))
}

impl Decoder for Radio433 {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        match self.read(&inbound.bytes) {
            Ok(Said::Code(code)) => self.code(heard, &code),
            Ok(Said::Own) => {
                let receiver = self.field.id(&inbound.topic);
                vec![Decoded::Report(heard.report(receiver, What::Telemetry))]
            }
            // Whose it is stands among the bytes that cannot be believed.
            Err(reason) => vec![heard.refusal(None, reason)],
        }
    }
}

impl FieldReader for Radio433 {
    fn claims(&self, _topic: &str) -> bool {
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        let settings = lowered(settings);
        self.bursts.retain(|(name, _), _| settings.names.contains_key(name));
        self.field.set(settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(frames: usize, times: &[u64]) -> Vec<Turn> {
        let mut burst = Burst::new();
        times.iter().map(|at| burst.take(At(*at), frames)).collect()
    }

    #[test]
    fn forty_equal_frames_in_three_seconds_are_one_press_held_for_three_seconds() {
        let times: Vec<u64> = (0..=40).map(|n| 10_000 + n * 75).collect();
        let said = turns(2, &times);
        assert_eq!(said[..2], [Turn::Lone, Turn::Press]);
        assert_eq!(said.iter().filter(|turn| **turn == Turn::Press).count(), 1);
        assert_eq!(said[40], Turn::Held(Wait::secs(3)));
    }

    #[test]
    fn a_lone_frame_or_two_too_far_apart_are_no_press_and_a_pause_begins_the_next() {
        use Turn::{Lone, Press};
        assert_eq!(turns(2, &[0]), [Lone]);
        assert_eq!(turns(2, &[0, 501, 1_000]), [Lone, Lone, Press]);
        assert_eq!(turns(2, &[0, 100, 1_600, 1_700]), [Lone, Press, Lone, Press]);
        assert_eq!(turns(2, &[0, 100, 1_599]), [Lone, Press, Turn::Held(Wait(1_599))]);
        assert_eq!(turns(1, &[0, 100, 1_700]), [Press, Turn::Held(Wait(100)), Press]);
        assert_eq!(
            turns(3, &[0, 300, 400, 500, 600]),
            [Lone, Lone, Press, Turn::Held(Wait(500)), Turn::Held(Wait(600))]
        );
    }
}
