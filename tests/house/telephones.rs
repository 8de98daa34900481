//! The telephones behind the modem: who takes a call, when, and which keys they press.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a telephone does when it rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telephone {
    /// It is taken after this long; after each menu one of these keys is pressed, in their order.
    Answers(Duration, &'static str),
    /// The same by a mail box: nobody presses anything.
    MailBox,
    /// It rings and rings.
    Rings,
    Busy,
    NoWay,
    /// It is taken, and the other end hangs up in the middle of the menu.
    HangsUp,
}

/// The network's side of calls. A number that nobody set up rings and rings.
#[derive(Debug, Default)]
pub struct Telephones {
    pub of: BTreeMap<String, Telephone>,
    /// Numbers in the order they were dialled.
    pub dialled: Vec<String>,
    /// What was said, with the number it was said to.
    pub said: Vec<(String, String)>,
    pub hung_up: usize,
    /// Whether a message was sent in the middle of a call.
    pub disturbed: bool,
    call: Option<(String, &'static str)>,
    state: u8,
    later: Vec<(Duration, String)>,
}

const RINGING: u8 = 3;
const TAKEN: u8 = 0;

impl Telephones {
    pub fn is_calling(&self) -> bool {
        self.call.is_some()
    }

    /// Its answer, where a command is about a call.
    pub fn hears(&mut self, command: &str, now: Duration) -> Option<String> {
        let ok = Some("OK".to_owned());
        if let Some(number) = command.strip_prefix("ATD") {
            self.dials(number.trim_end_matches(';'), now);
            return ok;
        }
        if let Some(digits) = command.strip_prefix("AT+CTTS=1,\"") {
            self.says(digits.trim_end_matches('"'), now);
            return ok;
        }
        match command {
            "AT+CHUP" => {
                if self.call.take().is_some() {
                    self.hung_up += 1;
                    self.later.clear();
                    // Its end is said late, when the next call may be under way.
                    self.at(now, 400, "VOICE CALL: END: 000009");
                }
                ok
            }
            "AT+CLCC" => Some(match &self.call {
                Some((number, _)) => format!("+CLCC: 1,0,{},0,0,\"{number}\",129|OK", self.state),
                None => "OK".to_owned(),
            }),
            _ => None,
        }
    }

    fn at(&mut self, now: Duration, ms: u64, line: &str) {
        self.later.push((now + Duration::from_millis(ms), line.to_owned()));
    }

    fn dials(&mut self, number: &str, now: Duration) {
        self.dialled.push(number.to_owned());
        let telephone = self.of.get(number).copied().unwrap_or(Telephone::Rings);
        self.state = 2;
        let keys = if let Telephone::Answers(_, keys) = telephone { keys } else { "" };
        self.call = Some((number.to_owned(), keys));
        let ring = format!("+CLCC: 1,0,{RINGING},0,0,\"{number}\",129");
        if !matches!(telephone, Telephone::Busy | Telephone::NoWay) {
            self.at(now, 200, &ring);
        }
        let taken = match telephone {
            Telephone::Answers(after, _) => 200 + u64::try_from(after.as_millis()).unwrap(),
            Telephone::MailBox | Telephone::HangsUp => 700,
            Telephone::Rings => return,
            Telephone::Busy => return self.at(now, 500, "BUSY"),
            Telephone::NoWay => return self.at(now, 500, "NO CARRIER"),
        };
        // Somebody calls us meanwhile.
        self.at(now, taken - 50, "RING");
        self.at(now, taken, "VOICE CALL: BEGIN");
        if telephone == Telephone::HangsUp {
            self.at(now, taken + 300, "VOICE CALL: END: 000001");
        }
    }

    fn says(&mut self, digits: &str, now: Duration) {
        let Some((number, keys)) = &mut self.call else { return };
        let units: Vec<u16> = (0..digits.len() / 4)
            .map(|at| u16::from_str_radix(&digits[at * 4..at * 4 + 4], 16).unwrap())
            .collect();
        self.said.push((number.clone(), String::from_utf16(&units).unwrap()));
        let key = keys.get(..1);
        *keys = keys.get(1..).unwrap_or("");
        let pressed = key.map(|key| format!("+RXDTMF: {key}"));
        self.at(now, 300, "+CTTS: 0");
        if let Some(pressed) = pressed {
            self.at(now, 500, &pressed);
        }
    }

    /// What is to be said unasked by now.
    pub fn due(&mut self, now: Duration) -> Vec<String> {
        let (due, later) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Duration, String)> = due;
        for (_, line) in &due {
            match line.as_str() {
                "VOICE CALL: BEGIN" => self.state = TAKEN,
                "BUSY" | "NO CARRIER" | "VOICE CALL: END: 000001" => self.call = None,
                ring if ring.starts_with("+CLCC") => self.state = RINGING,
                _ => {}
            }
        }
        due.into_iter().map(|(_, line)| line).collect()
    }
}
