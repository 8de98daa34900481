//! Contact ID as alarm receivers write it for a computer, in four dialects, and the sixteen digits of
//! DC-05 themselves. The contract is written down in `firmware-contracts/contact-id/v1/frame.md`.
//!
//! A device is an account with its zone, `1234/007`, where the registry has it so, else the account alone.
//! A word is the event as it stands on the line, `e101`, `r111`, or SIA's two letters, `qa`: the type's own
//! words come first, then the table of the form. A restore ends a level and closes nothing; "still there"
//! is no press.
//!
//! These lines have no count, but their sender repeats a line that was not answered and sends nothing
//! else before; so the wire knows a repeat, and here it gets the mark of what it repeats: the hub's time
//! when that came. A time never comes twice, so no later press is taken for an earlier one. Telling repeats
//! by their bytes within some seconds was rejected: an old woman presses again within some seconds.

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Told};
use crate::terms::{
    At, ContactIdForm, Decoded, Decoder, Dialect, Inbound, Mark, Means, RefusalReason, What,
};

/// The family of an unregistered device's address.
const FAMILY: &str = "contact-id";
/// The table of words that belongs to the form.
const TABLE: &str = "DC-05";
/// Longest line in bytes. Own choice: twice the longest that a dialect has.
pub const CONTACT_ID_MAX: usize = 64;
/// Digits of an account in SIA's form, and of its zone.
const SIA_ACCOUNT: usize = 6;
const SIA_ZONE: usize = 4;
/// The event for a device of the panel that is no longer heard.
const SILENT: &str = "381";

/// Reads the receiver of one line.
#[derive(Debug, Clone)]
pub struct ContactId {
    field: Field,
    form: ContactIdForm,
    /// The mark of the last line.
    last: Option<Mark>,
}

/// What one line says.
#[derive(Debug, PartialEq, Eq)]
enum Line<'l> {
    /// The receiver tests the line.
    Test,
    /// An event.
    Event { account: &'l str, zone: &'l str, word: Word<'l> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'l> {
    ContactId(Qualifier, &'l str),
    Sia(&'l str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qualifier {
    New,
    Restored,
    Still,
}

/// A line, read from its front.
struct Cursor<'l>(&'l str);

impl<'l> Cursor<'l> {
    fn take(
        &mut self,
        count: usize,
        is_one: impl Fn(u8) -> bool,
    ) -> Result<&'l str, RefusalReason> {
        let part = self.0.get(..count).ok_or(RefusalReason::Truncated)?;
        if !part.bytes().all(is_one) {
            return Err(RefusalReason::Malformed);
        }
        self.0 = &self.0[count..];
        Ok(part)
    }

    fn digits(&mut self, count: usize) -> Result<&'l str, RefusalReason> {
        self.take(count, |byte| byte.is_ascii_digit())
    }

    /// Digits as a keypad's dialler has them, B to F included.
    fn tones(&mut self, count: usize) -> Result<&'l str, RefusalReason> {
        self.take(count, |byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
    }

    fn literal(&mut self, text: &str) -> Result<(), RefusalReason> {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None if text.starts_with(self.0) => Err(RefusalReason::Truncated),
            None => Err(RefusalReason::Malformed),
        }
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn end(self) -> Result<(), RefusalReason> {
        if self.0.is_empty() { Ok(()) } else { Err(RefusalReason::TrailingBytes) }
    }

    fn message_type(&mut self) -> Result<(), RefusalReason> {
        match self.digits(2)? {
            "18" | "98" => Ok(()),
            _ => Err(RefusalReason::Malformed),
        }
    }

    /// Account, message type, qualifier, event, group and zone; the spaces between them where there are some.
    fn event(&mut self, form: &ContactIdForm) -> Result<Line<'l>, RefusalReason> {
        let account = match form.dialect {
            Dialect::SurGard | Dialect::Sia => {
                self.message_type()?;
                self.tones(form.account)?
            }
            Dialect::Radionics | Dialect::Ademco | Dialect::Plain => {
                let account = self.tones(form.account)?;
                self.spaces();
                self.message_type()?;
                account
            }
        };
        self.spaces();
        let qualifier = match self.take(1, |byte| b"1E3R6P".contains(&byte))? {
            "1" | "E" => Qualifier::New,
            "3" | "R" => Qualifier::Restored,
            _ => Qualifier::Still,
        };
        let code = self.tones(3)?;
        self.spaces();
        self.tones(2)?;
        self.spaces();
        if form.dialect == Dialect::Ademco {
            // Whether the three digits are a zone or a user.
            self.0 = self.0.strip_prefix(['C', 'U']).unwrap_or(self.0);
        }
        let zone = self.tones(3)?;
        Ok(Line::Event { account, zone, word: Word::ContactId(qualifier, code) })
    }

    /// An event in SIA's form.
    fn sia(&mut self, account: usize) -> Result<Line<'l>, RefusalReason> {
        self.spaces();
        let account = self.tones(account)?;
        let code = self.take(2, |byte| byte.is_ascii_uppercase())?;
        let zone = self.digits(SIA_ZONE)?;
        Ok(Line::Event { account, zone, word: Word::Sia(code) })
    }
}

/// Reads a line without what ends it.
fn read<'l>(form: &ContactIdForm, bytes: &'l [u8]) -> Result<Line<'l>, RefusalReason> {
    if bytes.len() > CONTACT_ID_MAX {
        return Err(RefusalReason::TooLong);
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(RefusalReason::Malformed)?;
    if form.dialect == Dialect::Plain {
        return plain(form, text);
    }
    if let Some(result) = test(form, text) {
        return result.map(|()| Line::Test);
    }
    let mut line = Cursor(text);
    let read = match form.dialect {
        Dialect::SurGard | Dialect::Sia | Dialect::Plain => {
            let kind = line.digits(1)?;
            line.digits(form.header)?;
            match kind {
                "5" => {
                    line.literal(" ")?;
                    let form = match form.dialect {
                        Dialect::Sia => ContactIdForm::of(Dialect::SurGard),
                        _ => *form,
                    };
                    line.event(&form)?
                }
                "3" => {
                    let is_sia = form.dialect == Dialect::Sia;
                    line.sia(if is_sia { form.account } else { SIA_ACCOUNT })?
                }
                _ => return Err(RefusalReason::UnknownKind),
            }
        }
        Dialect::Radionics => {
            line.spaces();
            line.literal("a")?;
            line.digits(form.header)?;
            line.literal(" ")?;
            line.event(form)?
        }
        Dialect::Ademco => {
            line.digits(form.header)?;
            line.literal(" ")?;
            line.event(form)?
        }
    };
    line.end()?;
    Ok(read)
}

/// The test of the line: what every receiver's ends with stands nowhere else. `None` if it is none.
fn test(form: &ContactIdForm, text: &str) -> Option<Result<(), RefusalReason>> {
    let said = text.trim_matches(' ').strip_suffix('@')?;
    let mut line = Cursor(said);
    let is_test = match form.dialect {
        Dialect::Ademco => line.digits(form.header).is_ok(),
        _ => line.literal("1").and_then(|()| line.digits(form.header)).is_ok(),
    };
    let rest = line.0.trim_matches(' ');
    let sound = is_test && (rest.is_empty() || rest == "OKAY");
    Some(if sound { Ok(()) } else { Err(RefusalReason::Malformed) })
}

/// The sixteen digits with the sum that ends them.
fn plain<'l>(form: &ContactIdForm, text: &'l str) -> Result<Line<'l>, RefusalReason> {
    let mut line = Cursor(text.trim_matches(' '));
    line.digits(form.header)?;
    line.spaces();
    let summed = line.0;
    let event = line.event(form)?;
    line.spaces();
    line.tones(1)?;
    line.end()?;
    let values = summed.chars().filter_map(|tone| tone.to_digit(16));
    // A 0 is sent as the tenth tone.
    let sum: u32 = values.map(|value| if value == 0 { 10 } else { value }).sum();
    if sum.is_multiple_of(15) { Ok(event) } else { Err(RefusalReason::Checksum) }
}

impl ContactId {
    /// A reader with nothing remembered.
    pub fn new(form: ContactIdForm, settings: FieldSettings) -> Self {
        Self { field: Field::new(FAMILY, settings), form, last: None }
    }

    /// The mark of a line: that of the last where it is said again, else the time.
    fn mark(&mut self, heard: Heard<'_>) -> Mark {
        let at = heard.at.0;
        let low = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let now = Mark { boot: low(at >> 32), seq: low(at) };
        let again = heard.inbound.receipt.is_owed_again();
        let mark = self.last.filter(|_| again).unwrap_or(now);
        self.last = Some(mark);
        mark
    }

    fn event(
        &mut self,
        heard: Heard<'_>,
        (account, zone): (&str, &str),
        word: Word<'_>,
    ) -> Vec<Decoded> {
        let mark = self.mark(heard);
        let exact = format!("{account}/{zone}");
        let names = &self.field.settings.names;
        let is_known = |name: &str| names.contains_key(name);
        let name = if !is_known(&exact) && is_known(account) { account } else { &exact };
        let mut told = self.field.told(heard, name, Some(TABLE));
        told.mark = Some(mark);
        match word {
            Word::Sia(code) => match told.find("event", code) {
                Some(means) => told.means(means),
                None => told.refuse(RefusalReason::UnknownKind),
            },
            Word::ContactId(qualifier, code) => qualified(&mut told, qualifier, code),
        }
        told.end()
    }
}

fn qualified(told: &mut Told<'_>, qualifier: Qualifier, code: &str) {
    let begins = told.find("event", &format!("e{code}"));
    let own = match qualifier {
        Qualifier::New => begins,
        Qualifier::Restored => told.find("event", &format!("r{code}")),
        Qualifier::Still => told.find("event", &format!("p{code}")),
    };
    match (own, begins, qualifier) {
        (Some(means), ..) => told.means(means),
        (None, Some(Means::Says(What::Level { kind, .. })), _) => {
            told.says(What::Level { kind, on: qualifier == Qualifier::Still }, false);
        }
        (None, Some(_), _) => {}
        (None, None, _) if code == SILENT => {
            told.says(What::Presence { online: qualifier == Qualifier::Restored }, false);
        }
        (None, None, _) => told.refuse(RefusalReason::UnknownKind),
    }
}

impl Decoder for ContactId {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let form = self.form;
        match read(&form, &inbound.bytes) {
            Ok(Line::Test) => {
                let receiver = self.field.id(&inbound.topic);
                vec![Decoded::Report(heard.report(receiver, What::Telemetry))]
            }
            Ok(Line::Event { account, zone, word }) => self.event(heard, (account, zone), word),
            Err(reason) => vec![heard.refusal(None, reason)],
        }
    }
}

impl FieldReader for ContactId {
    fn claims(&self, _topic: &str) -> bool {
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        self.field.set(settings);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::Words;
    use crate::terms::{Kind, LinkId, Receipt};

    fn marks(lines: &[(u64, &str, bool)]) -> Vec<Option<Mark>> {
        let mut words = Words { strangers: true, ..Words::default() };
        words.add_of_model("event=e101", Means::Says(What::Pulse(Kind::Sos)));
        let models = [(TABLE.to_owned(), words)].into();
        let settings = FieldSettings { models, ..FieldSettings::default() };
        let mut reader = ContactId::new(ContactIdForm::of(Dialect::SurGard), settings);
        let mut marks = Vec::new();
        for (at, bytes, again) in lines {
            let inbound = Inbound {
                link: LinkId::new("serial.alarm").unwrap(),
                topic: Arc::from("serial.alarm"),
                retained: false,
                received: At(*at),
                bytes: bytes.as_bytes().to_vec(),
                receipt: match again {
                    true => Receipt::owed_again(|_| ()),
                    false => Receipt::new(|_| ()),
                },
            };
            let reports = reader.take(At(*at), &inbound).into_iter().filter_map(|d| match d {
                Decoded::Report(report) => Some(report.mark),
                Decoded::Refusal(_) => None,
            });
            marks.extend(reports);
        }
        marks
    }

    #[test]
    fn only_what_the_wire_knows_to_be_a_repeat_has_the_mark_of_what_it_repeats() {
        const PRESS: &str = "5011 181234E10101007";
        let day = 5 << 32;
        let said = marks(&[
            (day + 7, PRESS, false),
            (day + 4_007, PRESS, true),
            (day + 8_000, PRESS, false),
        ]);
        let first = Some(Mark { boot: 5, seq: 7 });
        assert_eq!(said, [first, first, Some(Mark { boot: 5, seq: 8_000 })]);
        assert_eq!(marks(&[(9, PRESS, true)]), [Some(Mark { boot: 0, seq: 9 })], "after a restart");
    }
}
