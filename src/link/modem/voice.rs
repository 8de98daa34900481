//! What differs from make to make when a modem calls, as data, and how its words are read. Pure.
//!
//! How far a call has come is said in up to three tongues at once (`+CLCC`, `VOICE CALL`, `^DSCI`,
//! `+QIND`); each word of a table says one [`Step`], and saying one twice is no harm. The numbers of
//! states are those of 27.007 and of the makers' manuals; no real module was at hand, and speech in
//! particular differs by firmware: a refused command is said, and another modem tried.

use std::time::Duration;

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The network looks for the telephone.
    Dialling,
    /// It rings.
    Ringing,
    /// Somebody, or something, took it.
    Answered,
    /// It is over.
    Over(Over),
}

/// How the network says that a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The other one speaks already, or refuses the call.
    Busy,
    /// It rang, and nobody took it.
    NoAnswer,
    /// There is no way to it, or it hung up.
    NoCarrier,
}

/// What an unasked line says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// How far it has come.
    Step(Step),
    /// A key was pressed at the other end.
    Key(char),
    /// What was to be said has been said.
    SpeechOver,
}

/// States by their numbers.
type States = &'static [(&'static str, Step)];

/// What a word tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Tells {
    /// This.
    Step(Step),
    /// Number of the call, its direction (0 is ours), its state, and more, parted by commas.
    Call(States),
    /// A key, as it stands on the telephone.
    Key,
    /// A key, by its number in ASCII.
    KeyNumber,
    /// That speech has ended, where this stands behind the word.
    SpeechOver(&'static str),
}

/// How something is said into a call: what stands before and behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Saying {
    /// Before.
    pub before: &'static str,
    /// Behind.
    pub behind: &'static str,
}

/// How one make calls.
#[derive(Debug, PartialEq, Eq)]
pub struct Voice {
    /// Said before each call; one that is refused is no harm.
    pub init: &'static [&'static str],
    /// Beginnings of unasked lines, and what they tell.
    pub words: &'static [(&'static str, Tells)],
    /// How the module itself says a text, in the hexadecimal digits of UCS-2.
    pub speech: Saying,
    /// How it plays a file of its own store to the other end.
    pub wav: Saying,
    /// Whether a call that comes in is rejected; otherwise it is left to ring itself out.
    pub rejects: bool,
    /// How long the network may look for a telephone until it rings: the notes' 5 to 12 s, and as much.
    pub rings_within: Duration,
    /// How long a key is waited for after what was said.
    pub key_within: Duration,
}

/// 27.007, 7.18, and what modules add to it for an end.
const STATES: States = &[
    ("0", Step::Answered),
    ("2", Step::Dialling),
    ("3", Step::Ringing),
    ("6", Step::Over(Over::NoCarrier)),
    ("-1", Step::Over(Over::NoCarrier)),
];
/// Quectel's `^DSCI`.
const DSCI: States = &[
    ("2", Step::Dialling),
    ("7", Step::Ringing),
    ("3", Step::Answered),
    ("6", Step::Over(Over::NoCarrier)),
];

/// SIMCom SIM7600.
pub static SIM7600: Voice = Voice {
    // Speech to the other end; states and keys come unasked.
    init: &["AT+CLCC=1", "AT+DDET=1", "AT+CDTAM=1"],
    words: &[
        ("+CLCC:", Tells::Call(STATES)),
        ("VOICE CALL: BEGIN", Tells::Step(Step::Answered)),
        ("VOICE CALL: END", Tells::Step(Step::Over(Over::NoCarrier))),
        ("NO CARRIER", Tells::Step(Step::Over(Over::NoCarrier))),
        ("NO DIALTONE", Tells::Step(Step::Over(Over::NoCarrier))),
        ("NO ANSWER", Tells::Step(Step::Over(Over::NoAnswer))),
        ("BUSY", Tells::Step(Step::Over(Over::Busy))),
        ("+RXDTMF:", Tells::Key),
        ("+DTMF:", Tells::Key),
        ("+CTTS:", Tells::SpeechOver("0")),
        ("+WAVSTATE:", Tells::SpeechOver("wav play stop")),
    ],
    speech: Saying { before: "AT+CTTS=1,\"", behind: "\"" },
    wav: Saying { before: "AT+CCMXPLAYWAV=\"", behind: "\",1" },
    rejects: true,
    rings_within: Duration::from_secs(24),
    key_within: Duration::from_secs(5),
};

/// Quectel EC20 and EC25.
pub static EC20: Voice = Voice {
    init: &["AT^DSCI=1", "AT+QINDCFG=\"ccinfo\",1", "AT+QTONEDET=1"],
    words: &[
        ("+CLCC:", Tells::Call(STATES)),
        ("^DSCI:", Tells::Call(DSCI)),
        ("+QIND: \"ccinfo\",", Tells::Call(STATES)),
        ("NO CARRIER", Tells::Step(Step::Over(Over::NoCarrier))),
        ("NO DIALTONE", Tells::Step(Step::Over(Over::NoCarrier))),
        ("NO ANSWER", Tells::Step(Step::Over(Over::NoAnswer))),
        ("BUSY", Tells::Step(Step::Over(Over::Busy))),
        ("+QTONEDET:", Tells::KeyNumber),
        ("+QTTS:", Tells::SpeechOver("0")),
        ("+QPSND:", Tells::SpeechOver("0")),
    ],
    speech: Saying { before: "AT+QTTS=1,\"", behind: "\"" },
    wav: Saying { before: "AT+QPSND=1,\"", behind: "\",0" },
    rejects: true,
    rings_within: Duration::from_secs(24),
    key_within: Duration::from_secs(5),
};

impl Voice {
    /// What a line says of a call; `None` where it is about something else, or about somebody's call to
    /// us.
    pub fn reads(&self, line: &str) -> Option<Heard> {
        let (word, tells) = self.words.iter().find(|(word, _)| line.starts_with(word))?;
        let rest = line[word.len()..].trim();
        match tells {
            Tells::Step(step) => Some(Heard::Step(*step)),
            Tells::Call(states) => {
                let mut fields = rest.split(',').map(str::trim);
                let ours = fields.nth(1)? == "0";
                let state = fields.next()?;
                let step = states.iter().find(|(number, _)| *number == state);
                step.filter(|_| ours).map(|(_, step)| Heard::Step(*step))
            }
            Tells::Key => rest.split(',').next()?.trim_matches('"').chars().next().map(Heard::Key),
            Tells::KeyNumber => {
                rest.split(',').next()?.trim().parse::<u8>().ok().map(char::from).map(Heard::Key)
            }
            Tells::SpeechOver(end) => (rest == *end).then_some(Heard::SpeechOver),
        }
    }

    /// Whether a line is about a call, whatever it says of it.
    pub fn knows(&self, line: &str) -> bool {
        self.words.iter().any(|(word, _)| line.starts_with(word))
    }
}

/// A text in the digits that modules speak it from.
pub fn ucs2(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Heard::{Key, SpeechOver};
    use Over::{Busy, NoAnswer, NoCarrier};
    use Step::{Answered, Dialling, Ringing};

    #[test]
    fn each_make_says_the_same_in_its_own_words() {
        let step = |step| Some(Heard::Step(step));
        let over = |over| Some(Heard::Step(Step::Over(over)));
        for (make, line, heard) in [
            (&SIM7600, "+CLCC: 1,0,2,0,0,\"13800138000\",129", step(Dialling)),
            (&SIM7600, "+CLCC: 1,0,3,0,0,\"13800138000\",129", step(Ringing)),
            (&SIM7600, "+CLCC: 1,0,0,0,0,\"13800138000\",129", step(Answered)),
            (&SIM7600, "+CLCC: 2,1,5,0,0,\"10086\",129", None),
            (&SIM7600, "VOICE CALL: BEGIN", step(Answered)),
            (&SIM7600, "VOICE CALL: END: 000017", over(NoCarrier)),
            (&SIM7600, "BUSY", over(Busy)),
            (&SIM7600, "NO ANSWER", over(NoAnswer)),
            (&SIM7600, "+RXDTMF: 1", Some(Key('1'))),
            (&SIM7600, "+DTMF: 2,160", Some(Key('2'))),
            (&SIM7600, "+CTTS: 0", Some(SpeechOver)),
            (&SIM7600, "+CTTS: 1", None),
            (&SIM7600, "+WAVSTATE: wav play stop", Some(SpeechOver)),
            (&SIM7600, "+WAVSTATE: wav play", None),
            (&SIM7600, "+CMTI: \"ME\",3", None),
            (&EC20, "^DSCI: 2,0,2,0,13800138000,129", step(Dialling)),
            (&EC20, "^DSCI: 2,0,7,0,13800138000,129", step(Ringing)),
            (&EC20, "^DSCI: 2,0,3,0,13800138000,129", step(Answered)),
            (&EC20, "^DSCI: 2,0,6,0,13800138000,129", over(NoCarrier)),
            (&EC20, "^DSCI: 2,1,4,0,13800138000,129", None),
            (&EC20, "+QIND: \"ccinfo\",1,0,3,0,0,\"13800138000\",129", step(Ringing)),
            (&EC20, "+QIND: \"ccinfo\",1,0,-1,0,0,\"13800138000\",129", over(NoCarrier)),
            (&EC20, "+QTONEDET: 49", Some(Key('1'))),
            (&EC20, "+QTONEDET: x", None),
            (&EC20, "+QTTS: 0", Some(SpeechOver)),
        ] {
            assert_eq!(make.reads(line), heard, "{line}");
        }
    }

    #[test]
    fn a_text_is_given_in_the_digits_of_ucs_2() {
        assert_eq!(ucs2("紧急1"), "7D2760250031");
    }
}
