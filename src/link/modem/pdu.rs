//! The bytes of a short message (3GPP TS 23.040), as a modem in PDU mode takes and gives them. Pure.
//!
//! Own code after a look at what there is (November 2026): `huawei-modem` 0.2.2 speaks futures 0.1 and
//! knows no status report, `sms-pdu-decoder` 0.1.1 encodes nothing and reads no status report,
//! `serial-codec` 0.1.0 does all of it, but is the first release of one person, under the MPL, with
//! framing and USSD beside it. What is needed is one form of message out and two in, a page of the
//! standard; it is held by vectors, by an independent decoder, and by a fuzzer.
//!
//! Out goes one part in UCS-2, always: a second part may come an hour later or never. In comes what
//! telephones send: UCS-2, 7-bit, parts of a longer text, from numbers or from names. What is cut,
//! compressed or inconsistent is refused.

use super::septets;
use crate::terms::Phone;

/// Longest text of one message in UTF-16 units (140 bytes in UCS-2).
pub const UNITS_MAX: usize = 70;
/// Longest message that a modem can hold, in bytes with its service centre's number. Own choice: the
/// longest that the standard knows is 12 + 164.
const BYTES_MAX: usize = 256;
/// Types of a number: with a country's prefix, and without.
const WORLD: u8 = 0x91;
const LOCAL: u8 = 0x81;
/// The type of a sender that is a name: 7-bit text.
const NAMED: u8 = 0x50;
/// Its bits in the type.
const KIND: u8 = 0x70;
/// UCS-2, no class: stored like any message.
const UCS2: u8 = 0x08;

/// What of a message cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPdu {
    /// It ends before it should.
    #[error("the message is cut")]
    Cut,
    /// It is not written in pairs of hexadecimal digits.
    #[error("the message is not in hexadecimal digits")]
    NotHex,
    /// Another length was announced, or lengths in it contradict each other.
    #[error("the message has another length than it says")]
    Length,
    /// A kind of message that no modem hands in.
    #[error("the message is of a kind that is not read")]
    Kind,
    /// Its text is in a form that nobody has used for decades.
    #[error("the message's text is compressed")]
    Compressed,
    /// The text does not fit into one message: a fault of the caller.
    #[error("the text has more than {UNITS_MAX} units: shorten it")]
    TooLong,
}

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Submit<'a> {
    /// To whom.
    pub to: &'a Phone,
    /// At most [`UNITS_MAX`] UTF-16 units.
    pub text: &'a str,
    /// Whether the network is to say when it has arrived.
    pub report: bool,
    /// How long the network may try, in the standard's relative form: 11 is an hour.
    pub validity: Option<u8>,
    /// The service centre, where the SIM's own is not to be used.
    pub centre: Option<&'a Phone>,
}

/// A message as a modem takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Length in bytes without the service centre's part, for `AT+CMGS`.
    pub length: usize,
    /// All of it, in hexadecimal digits.
    pub hex: String,
}

impl Submit<'_> {
    /// Writes it. The message's own number is left to the modem, which gives one of its own.
    ///
    /// # Errors
    /// [`BadPdu::TooLong`].
    pub fn write(&self) -> Result<Written, BadPdu> {
        let text: Vec<u8> = self.text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let length = u8::try_from(text.len()).map_err(|_| BadPdu::TooLong)?;
        if text.len() > UNITS_MAX * 2 {
            return Err(BadPdu::TooLong);
        }
        let flags = [(self.report, 0x20), (self.validity.is_some(), 0x10)];
        let first = flags.iter().filter(|(is, _)| *is).fold(0x01, |all, (_, bit)| all | bit);
        let mut bytes = vec![first, 0];
        bytes.push(u8::try_from(self.to.digits().len()).map_err(|_| BadPdu::Length)?);
        bytes.extend(number(self.to));
        bytes.extend([0, UCS2]);
        bytes.extend(self.validity);
        bytes.push(length);
        bytes.extend(text);
        let mut all = match self.centre {
            None => vec![0],
            Some(centre) => {
                let number = number(centre);
                let length = u8::try_from(number.len()).map_err(|_| BadPdu::Length)?;
                [vec![length], number].concat()
            }
        };
        let length = bytes.len();
        all.append(&mut bytes);
        Ok(Written { length, hex: all.iter().map(|byte| format!("{byte:02X}")).collect() })
    }
}

/// A number's type and its digits in swapped halves.
fn number(phone: &Phone) -> Vec<u8> {
    let kind = if phone.is_world() { WORLD } else { LOCAL };
    let pair = |pair: &[u8]| {
        let high = pair.get(1).map_or(0xf, |digit| digit & 0xf);
        high << 4 | (pair[0] & 0xf)
    };
    std::iter::once(kind).chain(phone.digits().as_bytes().chunks(2).map(pair)).collect()
}

/// Where a part of a longer text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The same for all parts of one text from one sender.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// A message that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// The sender: digits, with `+` where they begin with a country's prefix, or a name.
    pub from: String,
    /// The text, or this part of it.
    pub text: String,
    /// When the network took it, as it writes it: 14 digits.
    pub sent: String,
    /// Which part of a longer text it is.
    pub part: Option<Part>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The telephone has it.
    Arrived,
    /// The network still tries.
    Trying,
    /// It never will.
    Failed,
}

/// The network's word on a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number that the modem gave the message.
    pub reference: u8,
    /// To whom it went, as in [`Deliver::from`].
    pub to: String,
    /// What became of it.
    pub fate: Fate,
}

/// What a modem hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Deliver(Deliver),
    /// A report.
    Report(Report),
}

/// Reads a message as a modem gives it: with its service centre's part in front, which counts not to
/// the `length` that was announced.
///
/// # Errors
/// What is wrong with it.
pub fn read(hex: &str, length: Option<usize>) -> Result<Received, BadPdu> {
    let bytes = bytes(hex)?;
    let mut left = Left(&bytes);
    let centre = usize::from(left.byte()?);
    left.take(centre)?;
    if length.is_some_and(|length| length != left.0.len()) {
        return Err(BadPdu::Length);
    }
    let first = left.byte()?;
    let has_header = first & 0x40 != 0;
    match first & 0x03 {
        0 => deliver(left, has_header).map(Received::Deliver),
        2 => report(left).map(Received::Report),
        _ => Err(BadPdu::Kind),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, BadPdu> {
    if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(BadPdu::NotHex);
    }
    if hex.len() % 2 == 1 {
        return Err(BadPdu::Cut);
    }
    if hex.len() > BYTES_MAX * 2 {
        return Err(BadPdu::Length);
    }
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| BadPdu::NotHex);
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn deliver(mut left: Left<'_>, has_header: bool) -> Result<Deliver, BadPdu> {
    let from = left.address()?;
    left.byte()?;
    let coding = Coding::of(left.byte()?)?;
    let sent = left.stamp()?;
    let length = usize::from(left.byte()?);
    let data = left.take(coding.bytes(length))?;
    if !left.0.is_empty() {
        return Err(BadPdu::Length);
    }
    let (part, header) = match has_header {
        true => header(data)?,
        false => (None, 0),
    };
    let text = match coding {
        Coding::Septets => {
            // The text begins at the next whole septet behind the header.
            let skipped = (header * 8).div_ceil(7);
            let count = length.checked_sub(skipped).ok_or(BadPdu::Length)?;
            let septets = septets::unpacked(data, skipped * 7, count).ok_or(BadPdu::Cut)?;
            septets::text(&septets)
        }
        Coding::Bytes => String::from_utf8_lossy(data.get(header..).unwrap_or_default()).into(),
        Coding::Ucs2 => {
            let units = data.get(header..).unwrap_or_default().chunks(2);
            let unit =
                |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            String::from_utf16_lossy(&units.map(unit).collect::<Vec<_>>())
        }
    };
    Ok(Deliver { from, text, sent, part })
}

/// The part's place, if the header names one, and the length of the header with its own length.
fn header(data: &[u8]) -> Result<(Option<Part>, usize), BadPdu> {
    let length = usize::from(*data.first().ok_or(BadPdu::Cut)?);
    let mut left = Left(data.get(1..=length).ok_or(BadPdu::Length)?);
    let mut part = None;
    while !left.0.is_empty() {
        let (kind, size) = (left.byte()?, usize::from(left.byte()?));
        let value = left.take(size)?;
        part = match (kind, value) {
            (0x00, [reference, total, number]) => place(u16::from(*reference), *total, *number),
            (0x08, [high, low, total, number]) => {
                place(u16::from_be_bytes([*high, *low]), *total, *number)
            }
            _ => part,
        };
    }
    Ok((part, length + 1))
}

/// A place that cannot be is none (23.040, 9.2.3.24.1): the message stands alone.
fn place(reference: u16, total: u8, number: u8) -> Option<Part> {
    (total > 1 && (1..=total).contains(&number)).then_some(Part { reference, total, number })
}

fn report(mut left: Left<'_>) -> Result<Report, BadPdu> {
    let reference = left.byte()?;
    let to = left.address()?;
    left.stamp()?;
    left.stamp()?;
    let fate = match left.byte()? {
        0x00..=0x1f => Fate::Arrived,
        0x20..=0x3f => Fate::Trying,
        // The last quarter is reserved: 23.040, 9.2.3.15 has it read as a failure in the service centre.
        _ => Fate::Failed,
    };
    // What else a network may add says nothing that is needed.
    Ok(Report { reference, to, fate })
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Septets,
    Bytes,
    Ucs2,
}

impl Coding {
    /// 3GPP TS 23.038, 4; what is reserved is read as 7-bit, as it says.
    fn of(byte: u8) -> Result<Self, BadPdu> {
        let alphabet = match byte >> 4 {
            0x0..=0x7 if byte & 0x20 != 0 => return Err(BadPdu::Compressed),
            0x0..=0x7 => byte >> 2 & 3,
            0xe => 2,
            0xf => byte >> 2 & 1,
            _ => 0,
        };
        Ok(match alphabet {
            1 => Self::Bytes,
            2 => Self::Ucs2,
            _ => Self::Septets,
        })
    }

    /// How many bytes `length` of its units are.
    fn bytes(self, length: usize) -> usize {
        if self == Self::Septets { (length * 7).div_ceil(8) } else { length }
    }
}

/// What is left to be read.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn byte(&mut self) -> Result<u8, BadPdu> {
        let (first, rest) = self.0.split_first().ok_or(BadPdu::Cut)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BadPdu> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BadPdu::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn address(&mut self) -> Result<String, BadPdu> {
        let digits = usize::from(self.byte()?);
        let kind = self.byte()?;
        let bytes = self.take(digits.div_ceil(2))?;
        if kind & KIND == NAMED {
            let septets = septets::unpacked(bytes, 0, digits * 4 / 7).ok_or(BadPdu::Cut)?;
            return Ok(septets::text(&septets));
        }
        let mark = if kind & KIND == WORLD & KIND { "+" } else { "" };
        let halves = bytes.iter().flat_map(|byte| [byte & 0xf, byte >> 4]).take(digits);
        let written = halves.map(|half| match half {
            0..=9 => char::from(b'0' + half),
            0xa => '*',
            0xb => '#',
            other => char::from(b'a' + other - 0xc),
        });
        Ok(mark.to_owned() + &written.collect::<String>())
    }

    /// A time as its 14 digits. Nobody reckons with it: a network's clock may be wrong.
    fn stamp(&mut self) -> Result<String, BadPdu> {
        let bytes = self.take(7)?;
        Ok(bytes.iter().map(|byte| format!("{:x}{:x}", byte & 0xf, byte >> 4)).collect())
    }
}

#[cfg(test)]
#[path = "pdu_tests.rs"]
mod tests;
